/* The C core against the manual's text, on random register files: every way to ask, every instruction set of the machine.
 *
 *     cc -O2 -I csrc -I tests/proofs tests/fuzz/differential.c (all .c files of csrc) -o differential
 *     ./differential 1000000000 [SEED]      so many answers at least; prints the first that differ, exit status 1 then
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "literal.h"

#define ADDRESSES 4096

static uint64_t seed = 1;

// SplitMix64
static uint64_t any(void)
{
	uint64_t z = seed += 0x9E3779B97F4A7C15;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
	z = (z ^ z >> 27) * 0x94D049BB133111EB;
	return z ^ z >> 31;
}

static unsigned below(unsigned n)
{
	return (unsigned)((any() >> 32) * n >> 32);
}

static uint64_t any_type(void)
{
	static const uint8_t types[16] = {0, 1, 4, 5, 6, 0, 1, 4, 5, 6, 6, 6, 0, 4, 2, 0x1E};

	return types[below(16)];
}

// what firmware writes, and all that it does not: holes, unaligned bases, bits outside the width, V = 0
static void any_pair(memtype_mtrrs *m, uint32_t i)
{
	uint64_t width = ((uint64_t)1 << m->maxphyaddr) - 1;
	uint64_t mask = width & ~(uint64_t)0xFFF & -((uint64_t)1 << (12 + below(m->maxphyaddr - 11)));
	uint64_t base = any() & width & ~(uint64_t)0xFFF;

	if (below(4) == 0)
		mask &= ~((uint64_t)1 << (12 + below(m->maxphyaddr - 12)));
	if (below(16) == 0)
		mask &= any();
	if (below(4))
		base &= mask;
	if (below(3) == 0)
		base = (uint64_t)below(16) << 30 & mask;
	if (below(10) == 0)
		mask |= ~width;
	m->base[i] = base | any_type();
	m->mask[i] = mask | (below(8) ? 0x800u : 0u) | (below(16) ? 0 : any() & 0x7FF);
}

static void any_state(memtype_mtrrs *m)
{
	static const uint64_t def_types[8] = {0xC00, 0xC06, 0x800, 0x806, 0xC06, 0xC04, 0x803, 0x406};
	static const uint32_t most[4] = {3, 10, 20, 255};

	memset(m, 0, sizeof(*m));
	m->def_type = def_types[below(8)];
	m->cap = below(8) ? 0x508 : 0x408;
	m->vendor = below(2);
	m->maxphyaddr = below(4) ? 36 + below(17) : 20 + below(33);
	m->syscfg = below(2) ? 0x600000 : any();
	m->tom2 = any() >> below(32);
	m->variable_count = below(32) ? below(most[below(2)] + 1) : below(most[2 + below(2)] + 1);
	for (int i = 0; i < MEMTYPE_FIXED_MSRS; i++) {
		for (int byte = 0; byte < 8; byte++)
			m->fixed[i] |= any_type() << 8 * byte;
		if (below(2))
			m->fixed[i] = (m->fixed[i] & 0xFF) * 0x0101010101010101;
	}
	for (uint32_t i = 0; i < m->variable_count; i++)
		any_pair(m, i);
}

static uint64_t any_address(const memtype_mtrrs *m)
{
	uint64_t width = ((uint64_t)1 << m->maxphyaddr) - 1, a = any() & width;
	uint32_t i = m->variable_count ? below(m->variable_count) : 0;

	switch (below(8)) {
	case 0:
		return a & 0xFFFFF;
	case 1:
		return a & 0x1FFFFFFFF & width;
	case 2: case 3: case 4:
		if (m->variable_count)
			a = ((m->base[i] & m->mask[i]) | (a & ~m->mask[i])) & width;
		return a;
	case 5: // an edge
		if (m->variable_count)
			a = ((m->base[i] & m->mask[i]) + (below(2) ? m->mask[i] & -m->mask[i] : 0) - below(2)) & width;
		return a;
	default:
		return a;
	}
}

static int differs(const char *way, uint32_t isa, const memtype_mtrrs *m, const uint64_t *a, const uint8_t *said, const uint8_t *right)
{
	for (int i = 0; i < ADDRESSES; i++) {
		if (said[i] == right[i])
			continue;
		printf("%s, set %u: 0x%llx is %u, by the manual %u (def_type 0x%llx, %u pairs, width %u, seed 0x%llx)\n", way, isa,
		       (unsigned long long)a[i], said[i], right[i], (unsigned long long)m->def_type, m->variable_count,
		       m->maxphyaddr, (unsigned long long)seed);
		return 1;
	}
	return 0;
}

static uint8_t right[ADDRESSES], said[ADDRESSES];

static int compared(const char *way, uint32_t isa, const memtype_mtrrs *m, const uint64_t *a, uint64_t *answers)
{
	int found = differs(way, isa, m, a, said, right);

	memset(said, 0xEE, sizeof(said));
	*answers += ADDRESSES;
	return found;
}

// the ways that go by one set
static int compare_set(const memtype_mtrrs *m, const memtype_map *map, uint32_t isa, const uint64_t *a, uint64_t *answers)
{
	static memtype_tables t;
	memtype_fleet fleet = {1, m->variable_count, &m->def_type, m->fixed, m->base, m->mask, &m->cap, &m->syscfg, &m->tom2,
			       &m->vendor, &m->maxphyaddr};
	int found = 0;

	memtype_tables_build(m, isa, &t);
	if (memtype_types(&t, a, ADDRESSES, said, NULL) != MEMTYPE_OK)
		return 1;
	found += compared("types", isa, m, a, answers);
	memtype_fleet_types(&fleet, isa, a, ADDRESSES, ADDRESSES, said, NULL);
	found += compared("fleet_types", isa, m, a, answers);
	if (map && memtype_map_tables(map, m->maxphyaddr, m->vendor, isa, &t) == MEMTYPE_OK) {
		memtype_types(&t, a, ADDRESSES, said, NULL);
		found += compared("map_tables", isa, m, a, answers);
	}
	return found;
}

// all ways to ask about one state; how many differ
static int compare(const memtype_mtrrs *m, const uint64_t *a, uint64_t *answers)
{
	static memtype_granules granules;
	static memtype_map resolved;
	const memtype_map *map = memtype_resolve_map(m, &resolved) == MEMTYPE_OK ? &resolved : NULL;
	int found = 0;

	for (int i = 0; i < ADDRESSES; i++) {
		right[i] = (uint8_t)literal_type(m, a[i]);
		said[i] = (uint8_t)memtype_at(m, a[i]);
	}
	found += compared("at", 0, m, a, answers);
	for (uint32_t isa = MEMTYPE_PORTABLE; isa <= MEMTYPE_NEON; isa++) {
		if (memtype_isa_supported(isa))
			found += compare_set(m, map, isa, a, answers);
	}
	if (!map)
		return found;
	memtype_map_types(map->bases, map->types, map->count, m->maxphyaddr, MEMTYPE_PORTABLE, a, ADDRESSES, said, NULL);
	found += compared("map_types", MEMTYPE_PORTABLE, m, a, answers);
	if (memtype_granules_build(map->bases, map->types, map->count, m->maxphyaddr, &granules) == MEMTYPE_OK) {
		memtype_granules_types(&granules, a, ADDRESSES, said, NULL);
		found += compared("granules_types", MEMTYPE_PORTABLE, m, a, answers);
	}
	return found;
}

int main(int argc, char **argv)
{
	static memtype_mtrrs m;
	static uint64_t a[ADDRESSES];
	uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 0) : 100000000, answers = 0, states = 0;
	int found = 0;
	clock_t began = clock();

	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	for (; answers < wanted && found < 20; states++) {
		any_state(&m);
		for (int i = 0; i < ADDRESSES; i++)
			a[i] = any_address(&m);
		found += compare(&m, a, &answers);
		if (states % 1000000 == 999999) { // a long run says how far it is
			printf("%llu answers so far, %d states differ\n", (unsigned long long)answers, found);
			fflush(stdout);
		}
	}
	printf("%llu answers in %llu states, %d states differ, %.1f s\n", (unsigned long long)answers, (unsigned long long)states,
	       found, (double)(clock() - began) / CLOCKS_PER_SEC);
	return found != 0;
}

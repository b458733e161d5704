/* alone.c - the C core by itself, on any machine: every kernel that this build has against the rule for one address.
 *
 *     cc -std=c11 -Icsrc tests/csrc/alone.c csrc/[a-z]*.c -o alone && ./alone 300
 *
 * Random register files, of holes and of blocks, Intel and AMD; prints how many answers were compared. A wrong one ends
 * it with exit 1 and the numbers to repeat it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memtype.h"

#define MOST 5000 /* addresses: more than MEMTYPE_CHECKED_FIRST */
#define PAT UINT64_C(0x0407050600070106)

static uint64_t state = UINT64_C(0x9E3779B97F4A7C15), compared;
static uint64_t addresses[MOST], words[MOST], ptes[MOST], filled[MOST];
static uint8_t want[MOST], got[MOST];
static memtype_mtrrs m;
static memtype_tables tables, mapped;
static memtype_granules granules;
static memtype_map map;

static uint64_t draw(void) // xorshift64*
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(0x2545F4914F6CDD1D);
}

static uint64_t below(uint64_t n)
{
	return draw() % n;
}

static void must(int right, const char *what, uint32_t isa, size_t place)
{
	compared++;
	if (right)
		return;
	printf("%s: wrong with set %u at %zu of the state\n", what, (unsigned)isa, place);
	printf("def_type %llx width %u pairs %u\n", (unsigned long long)m.def_type, (unsigned)m.maxphyaddr,
	       (unsigned)m.variable_count);
	exit(1);
}

static void must_equal(const char *what, uint32_t isa, size_t n)
{
	for (size_t i = 0; i < n; i++)
		must(got[i] == want[i], what, isa, i);
	memset(got, 0xEE, sizeof(got));
}

static void draw_registers(void)
{
	static const uint8_t types[] = {0, 1, 4, 5, 6, 6, 6, 2}, widths[] = {32, 36, 39, 44, 46, 48, 49, 52};
	uint64_t same = draw() & 1;

	memset(&m, 0, sizeof(m));
	m.def_type = (below(8) ? 0x800u : 0) | (below(4) ? 0x400u : 0) | types[below(8)];
	m.maxphyaddr = widths[below(8)];
	m.vendor = (uint32_t)below(2);
	m.cap = 0x100;
	m.syscfg = below(2) ? 0x600000 : 0;
	m.tom2 = below(UINT64_C(1) << m.maxphyaddr);
	m.variable_count = (uint32_t)below(below(3) ? 12 : 60);
	for (unsigned k = 0; k < MEMTYPE_FIXED_MSRS; k++) {
		uint64_t type = types[below(7)];

		for (unsigned byte = 0; byte < 8; byte++)
			m.fixed[k] |= (same ? type : types[below(7)]) << 8 * byte;
	}
	for (unsigned k = 0; k < m.variable_count; k++) {
		unsigned size = 12 + (unsigned)below(m.maxphyaddr - 12);

		m.mask[k] = ((UINT64_C(1) << m.maxphyaddr) - (UINT64_C(1) << size)) | (below(8) ? 0x800u : 0);
		if (below(6) == 0)
			m.mask[k] &= ~(UINT64_C(1) << (12 + below(m.maxphyaddr - 12)));
		m.base[k] = (below(UINT64_C(1) << m.maxphyaddr) & m.mask[k] & ~UINT64_C(0xFFF)) | types[below(8)];
		if (k && below(4) == 0) { // one bit beside another: the two become one
			m.mask[k] = m.mask[k - 1];
			m.base[k] = m.base[k - 1] ^ (m.mask[k] & UINT64_C(0x1000) << below(m.maxphyaddr - 12));
		}
	}
}

static void draw_addresses(size_t n)
{
	uint64_t end = UINT64_C(1) << m.maxphyaddr;

	for (size_t i = 0; i < n; i++) {
		addresses[i] = draw() & (end - 1);
		if (m.variable_count && below(2)) { // around a range
			unsigned k = (unsigned)below(m.variable_count);

			addresses[i] = ((m.base[k] & m.mask[k]) + (draw() & ~m.mask[k] & 0x3FFFFF) - below(3)) & (end - 1);
		} else if (below(3) == 0) {
			addresses[i] &= 0x1FFFFF;
		} else if (below(3) == 0) { // around TOM2's last byte
			addresses[i] = ((m.tom2 & ~UINT64_C(0x7FFFFF)) - below(3)) & (end - 1);
		}
		ptes[i] = draw();
		want[i] = (uint8_t)memtype_at(&m, addresses[i]);
	}
}

static void try_types(uint32_t isa, size_t n)
{
	size_t bad = n, place = (size_t)below(n);
	uint64_t kept = addresses[place];

	memtype_tables_build(&m, isa, &tables);
	must(memtype_types(&tables, addresses, n, got, NULL) == MEMTYPE_OK, "types", isa, n);
	must_equal("types", isa, n);
	if (memtype_resolve_map(&m, &map) == MEMTYPE_OK) {
		if (memtype_map_tables(&map, m.maxphyaddr, m.vendor, isa, &mapped) == MEMTYPE_OK) {
			memtype_types(&mapped, addresses, n, got, NULL);
			must_equal("map_tables", isa, n);
		}
		memtype_map_types(map.bases, map.types, map.count, m.maxphyaddr, isa, addresses, n, got, NULL);
		must_equal("map_types", isa, n);
		if (memtype_granules_build(map.bases, map.types, map.count, m.maxphyaddr, &granules) == MEMTYPE_OK) {
			memtype_granules_types(&granules, addresses, n, got, NULL);
			must_equal("granules_types", isa, n);
		}
	}
	addresses[place] |= UINT64_C(1) << m.maxphyaddr;
	must(memtype_types(&tables, addresses, n, got, &bad) == MEMTYPE_EADDRESS && bad == place, "refusal", isa, place);
	addresses[place] = kept;
	memset(got, 0xEE, sizeof(got));
}

static void try_counts(uint32_t isa, size_t n)
{
	uint64_t counts[16], right[16] = {0};

	for (size_t i = 0; i < n; i++)
		right[want[i]]++;
	must(memtype_histogram(&tables, addresses, n, counts, NULL) == MEMTYPE_OK, "histogram", isa, n);
	must(memcmp(counts, right, sizeof(counts)) == 0, "histogram", isa, n);
}

static void try_leaves(uint32_t isa, size_t n)
{
	static uint8_t held[MOST];
	uint32_t level = 1 + (uint32_t)below(3);

	memcpy(held, want, n);
	for (size_t i = 0; i < n; i++) {
		uint8_t entry = (uint8_t)(PAT >> 8 * memtype_pat_index(ptes[i], level)) & 7;

		want[i] = (uint8_t)memtype_effective(m.vendor, 0, held[i], entry);
	}
	memtype_effective_types(&tables, PAT, level, addresses, ptes, n, got, NULL);
	must_equal("effective_types", isa, n);
	for (size_t i = 0; i < n; i++)
		want[i] = (uint8_t)((PAT >> 8 * memtype_pat_index(ptes[i], level)) & 7);
	memtype_pat_types(PAT, level, isa, ptes, n, got);
	must_equal("pat_types", isa, n);
	for (size_t i = 0; i < n; i++)
		want[i] = (uint8_t)memtype_effective_ept(ptes[i] >> 3 & 7, ptes[i] >> 6 & 1, want[i], 0);
	memtype_effective_ept_types(PAT, level, 0, isa, ptes, ptes, n, got);
	must_equal("effective_ept_types", isa, n);
	memcpy(want, held, n);
}

static void try_fill(uint32_t isa, size_t n)
{
	uint64_t bases[MEMTYPE_MAP_CAPACITY], bits[MEMTYPE_MAP_CAPACITY];
	const uint64_t field = 0x78;

	if (memtype_resolve_map(&m, &map) != MEMTYPE_OK)
		return;
	for (size_t k = 0; k < map.count; k++) {
		bases[k] = map.bases[k] >> 12;
		bits[k] = (uint64_t)map.types[k] << 3;
	}
	for (size_t i = 0; i < n; i++) {
		words[i] = addresses[i] >> 12;
		filled[i] = ptes[i];
	}
	memtype_leaf_fill(bases, bits, map.count, field, m.maxphyaddr, isa, words, n, filled, NULL);
	for (size_t i = 0; i < n; i++)
		must(filled[i] == ((ptes[i] & ~field) | ((uint64_t)want[i] << 3)), "leaf_fill", isa, i);
}

// a fleet of one state, and the same with an identifier for each address
static void try_fleet(uint32_t isa, size_t n)
{
	static uint32_t ids[MOST];
	memtype_fleet fleet = {1, m.variable_count, &m.def_type, m.fixed, m.base, m.mask, &m.cap, &m.syscfg, &m.tom2,
			       &m.vendor, &m.maxphyaddr};

	must(memtype_fleet_types(&fleet, isa, addresses, n, n, got, NULL) == MEMTYPE_OK, "fleet_types", isa, n);
	must_equal("fleet_types", isa, n);
	memtype_fleet_maps(&fleet, &map);
	must(memtype_types_by(&fleet, &map, ids, addresses, n, got, NULL) == MEMTYPE_OK, "types_by", isa, n);
	must_equal("types_by", isa, n);
}

// Fleets of register files that differ in all: more than are made ready at a time, each with its own addresses.
#define FLEET 19u
#define FLEET_PAIRS 60u
static void try_fleets(uint32_t isa, size_t n)
{
	static uint64_t def_type[FLEET], fixed[FLEET * MEMTYPE_FIXED_MSRS], cap[FLEET], syscfg[FLEET], tom2[FLEET];
	static uint64_t base[FLEET * FLEET_PAIRS], mask[FLEET * FLEET_PAIRS], own[MOST];
	static uint32_t vendor[FLEET], maxphyaddr[FLEET];
	static uint8_t right[MOST];
	size_t pairs = 1 + (size_t)below(FLEET_PAIRS), bad = 0, place;
	memtype_fleet fleet = {FLEET, pairs, def_type, fixed, base, mask, cap, syscfg, tom2, vendor, maxphyaddr};

	n = 1 + n % (MOST / FLEET);
	place = (size_t)below(FLEET * n);
	for (size_t i = 0; i < FLEET; i++) {
		draw_registers();
		m.variable_count = m.variable_count < pairs ? m.variable_count : (uint32_t)pairs;
		for (size_t k = m.variable_count; k < pairs; k++)
			m.mask[k] = 0;
		def_type[i] = m.def_type, cap[i] = m.cap, syscfg[i] = m.syscfg, tom2[i] = m.tom2;
		vendor[i] = m.vendor, maxphyaddr[i] = m.maxphyaddr;
		memcpy(fixed + i * MEMTYPE_FIXED_MSRS, m.fixed, sizeof(m.fixed));
		memcpy(base + i * pairs, m.base, pairs * sizeof(*base));
		memcpy(mask + i * pairs, m.mask, pairs * sizeof(*mask));
		draw_addresses(n);
		memcpy(own + i * n, addresses, n * sizeof(*own));
		memcpy(right + i * n, want, n);
	}
	memcpy(want, right, FLEET * n);
	must(memtype_fleet_types(&fleet, isa, own, n, n, got, NULL) == MEMTYPE_OK, "fleet_types of many", isa, n);
	must_equal("fleet_types of many", isa, FLEET * n);
	own[place] |= UINT64_C(1) << maxphyaddr[place / n];
	must(memtype_fleet_types(&fleet, isa, own, n, n, got, &bad) == MEMTYPE_EADDRESS && bad == place, "fleet refusal", isa,
	     place);
}

int main(int count, char **arguments)
{
	static const size_t sizes[] = {1, 15, 16, 17, 63, 64, 65, 200, 777, 1024, MOST};
	long rounds = count > 1 ? strtol(arguments[1], NULL, 10) : 100;

	for (long round = 0; round < rounds; round++) {
		size_t n = sizes[below(round % 8 ? 10 : 11)];

		draw_registers();
		draw_addresses(n);
		for (uint32_t isa = 0; isa <= MEMTYPE_NEON; isa++) {
			if (!memtype_isa_supported(isa))
				continue;
			try_types(isa, n);
			try_counts(isa, n);
			try_leaves(isa, n);
			try_fill(isa, n);
			try_fleet(isa, n);
		}
		for (uint32_t isa = 0; isa <= MEMTYPE_NEON; isa++) {
			if (memtype_isa_supported(isa))
				try_fleets(isa, n);
		}
	}
	printf("%llu answers, best set %u\n", (unsigned long long)compared, (unsigned)memtype_isa_best());
	return 0;
}

/* libFuzzer on the C contract: bytes become registers and addresses of any kind; every way to ask must agree, stay inside its
 * arrays, and refuse what it says it refuses.
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -I csrc -I tests/proofs \
 *         tests/fuzz/fuzz_core.c (all .c files of csrc) -o fuzz_core && ./fuzz_core -max_total_time=60
 */
#include <stdlib.h>
#include <string.h>

#include "literal.h"

#define REQUIRE(claim) \
	do { \
		if (!(claim)) \
			abort(); \
	} while (0)

static size_t take(const uint8_t **data, size_t *left, void *into, size_t size)
{
	size_t n = size < *left ? size : *left;

	memcpy(into, *data, n);
	*data += n;
	*left -= n;
	return n;
}

static void read_state(const uint8_t **data, size_t *left, memtype_mtrrs *m)
{
	uint8_t head[4] = {0};

	memset(m, 0, sizeof(*m));
	take(data, left, head, sizeof(head));
	take(data, left, &m->def_type, sizeof(m->def_type));
	take(data, left, m->fixed, sizeof(m->fixed));
	take(data, left, &m->syscfg, sizeof(m->syscfg));
	take(data, left, &m->tom2, sizeof(m->tom2));
	m->cap = head[0] & 1 ? 0x100 : 0;
	m->vendor = head[0] >> 1 & 1;
	m->maxphyaddr = 20 + head[1] % 33;
	m->variable_count = head[2] % 33;
	for (uint32_t i = 0; i < m->variable_count; i++) {
		take(data, left, &m->base[i], 8);
		take(data, left, &m->mask[i], 8);
	}
}

// the map: sorted, from 0, neighbours differ, and right at both ends of every segment
static void check_map(const memtype_mtrrs *m)
{
	static memtype_map map;
	uint64_t end = (uint64_t)1 << m->maxphyaddr;

	if (memtype_resolve_map(m, &map) != MEMTYPE_OK)
		return;
	REQUIRE(map.count > 0 && map.bases[0] == 0);
	for (size_t i = 0; i < map.count; i++) {
		uint64_t last = (i + 1 < map.count ? map.bases[i + 1] : end) - 1;

		REQUIRE(map.bases[i] <= last && last < end);
		REQUIRE(i == 0 || map.types[i] != map.types[i - 1]);
		REQUIRE(literal_type(m, map.bases[i]) == map.types[i] && literal_type(m, last) == map.types[i]);
	}
}

static void check_addresses(const memtype_mtrrs *m, const uint64_t *a, size_t n)
{
	static memtype_tables t;
	uint8_t *types = malloc(n ? n : 1); // exactly so many: one byte too many is seen
	size_t index = 77, first = 0;

	while (first < n && a[first] >> m->maxphyaddr == 0)
		first++;
	for (uint32_t isa = MEMTYPE_PORTABLE; isa <= MEMTYPE_AVX512; isa++) {
		int status;

		if (!memtype_isa_supported(isa))
			continue;
		memtype_tables_build(m, isa, &t);
		memset(types, 0xEE, n);
		status = memtype_types(&t, a, n, types, &index);
		REQUIRE(status == (first < n ? MEMTYPE_EADDRESS : MEMTYPE_OK));
		REQUIRE(status == MEMTYPE_OK || index == first);
		for (size_t i = 0; i < n; i++)
			REQUIRE(types[i] == (status == MEMTYPE_OK ? literal_type(m, a[i]) : 0xEE));
	}
	free(types);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static memtype_mtrrs m;
	uint64_t *a;
	size_t n;

	read_state(&data, &size, &m);
	REQUIRE(memtype_mtrrs_check(&m) == MEMTYPE_OK);
	n = size / 8;
	a = malloc(8 * n + 8);
	memcpy(a, data, 8 * n);
	for (size_t i = 0; i < n; i++)
		a[i] &= a[i] >> 60 == 15 ? ~(uint64_t)0 : ((uint64_t)1 << m.maxphyaddr) - 1; // few are outside
	check_map(&m);
	check_addresses(&m, a, n);
	for (size_t i = 0; i < n; i++) {
		uint32_t bit = 0;

		memtype_msr_fault((uint32_t)(a[i] >> 40) & 0x3FF, a[i], m.maxphyaddr, m.vendor, &bit);
		memtype_pat_valid(a[i]);
	}
	free(a);
	return 0;
}

/* The loops of csrc/lookup.c over pages in a row, however many (loops.h). A kernel is replaced by the claim that it may read
 * and write what it is given. A map has less room than the contract's, so that a solver is done in seconds.
 *
 * loop page_addresses.0: i <= n; assigns i, __CPROVER_object_whole(addresses); decreases n - i
 * loop memtype_page_types.0: n <= __CPROVER_loop_entry(n) && types == __CPROVER_loop_entry(types) +
 *     (__CPROVER_loop_entry(n) - n); assigns n, types, first_gfn; decreases n
 * loop map_page_types.0: done <= n && i <= map->count && (done == n || (i < map->count && (i + 1 == map->count ||
 *     (map->bases[i + 1] + 4095) >> 12 >= first_gfn + done))); assigns i, done; decreases map->count - i */
#define memtype_map roomy_map
#include "../../../csrc/kernels.h"
#undef memtype_map

#define SEGMENTS 8
typedef struct memtype_map {
	size_t count;
	uint64_t bases[SEGMENTS];
	uint8_t types[SEGMENTS];
} memtype_map;
#define memtype_map_page_types map_page_types // declared already, of the other

#include "../../../csrc/lookup.c"
#include "loops.h"

uint64_t checked_types(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types)
{
	(void)t;
	assert(__CPROVER_r_ok(addresses, 8 * n) && __CPROVER_w_ok(types, n));
	return nondet_u64();
}

static const struct kernels checked_kernels = {.types = checked_types};

const struct kernels *kernels_of(uint32_t isa)
{
	(void)isa;
	return &checked_kernels;
}

void checked_addresses(uint64_t first_gfn, size_t n, uint64_t *addresses)
{
	(void)first_gfn;
	assert(__CPROVER_w_ok(addresses, 8 * n));
}

void prove_page_addresses(void) /* loops page_addresses */
{
	size_t n = any_length();

	page_addresses(nondet_u64(), n, array(n - SHORT, 8));
	END;
}

void prove_page_types(void) /* loops memtype_page_types calls page_addresses:checked_addresses */
{
	static memtype_tables t;
	size_t n = any_length();

	__CPROVER_havoc_object(&t);
	__CPROVER_assume(is_width(t.maxphyaddr));
	memtype_page_types(&t, nondet_u64(), n, array(n - SHORT, 1));
	END;
}

// what ../windows.c proves of find_segment: the segment that holds the address
size_t any_segment(const uint64_t *bases, size_t count, uint64_t address)
{
	size_t i = nondet_size();

	__CPROVER_assume(i < count && bases[i] <= address && (i + 1 == count || address < bases[i + 1]));
	return i;
}

void *checked_set(void *to, int byte, size_t n)
{
	(void)byte;
	assert(n == 0 || __CPROVER_w_ok(to, n));
	return to;
}

void prove_map_pages(void) /* loops map_page_types calls find_segment:any_segment memset:checked_set */
{
	memtype_map map;
	size_t n = any_length();
	uint32_t maxphyaddr = nondet_u32();

	__CPROVER_assume(is_width(maxphyaddr) && map.count >= 1 && map.count <= SEGMENTS && map.bases[0] == 0);
	for (size_t k = 1; k < SEGMENTS; k++)
		__CPROVER_assume(k >= map.count || (map.bases[k - 1] < map.bases[k] && map.bases[k] <= low_bits(maxphyaddr)));
	map_page_types(&map, maxphyaddr, nondet_u64(), n, array(n - SHORT, 1));
	END;
}

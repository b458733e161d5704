/* The loops that search a map, of any number of segments, for any number of addresses, gfns or pages (loops.h):
 * csrc/lookup.c and csrc/fill.c.
 *
 * loop find_segment.0: __CPROVER_same_object(low, bases) && count >= 1 && count <= __CPROVER_loop_entry(count) &&
 *     (unsigned long)low >= (unsigned long)bases && ((unsigned long)low - (unsigned long)bases) % 8 == 0 && ((unsigned
 *     long)low - (unsigned long)bases) / 8 <= __CPROVER_loop_entry(count) - count; assigns low, count; decreases count
 * loop search_map.0: i <= n; assigns i, seen, __CPROVER_object_whole(types); decreases n - i
 * loop fill_by_search.0: i <= n; assigns i, __CPROVER_object_whole(words); decreases n - i
 * loop leaf_tables.0: i <= map->count; assigns i, __CPROVER_object_whole(addresses), __CPROVER_object_whole(values);
 *     decreases map->count - i */
#include "loops.h"

static size_t proved_find_segment(const uint64_t *bases, size_t count, uint64_t address)
{
	return find_segment(bases, count, address);
}

// the others take what prove_find_segment() says of it
static size_t any_segment(size_t count)
{
	size_t found = nondet_size();

	__CPROVER_assume(found < count);
	return found;
}
#define find_segment(bases, count, address) any_segment(count)

#include "../../../csrc/lookup.c"
#include "../../../csrc/fill.c"

void prove_find_segment(void) /* loops find_segment */
{
	size_t count = any_length();

	assert(proved_find_segment(array(count, 8), count, nondet_u64()) + SHORT < count);
	END;
}

void prove_search_map(void) /* loops search_map */
{
	size_t n = any_length(), count = any_length();

	search_map(array(count, 8), array(count, 1), count, array(n, 8), n, array(n - SHORT, 1));
	END;
}

void prove_fill_by_search(void) /* loops fill_by_search */
{
	size_t n = any_length(), count = any_length();
	struct leaf_map map = {array(count, 8), array(count, 8), count, 40};

	assert(fill_by_search(&map, nondet_u64(), array(n, 8), n, nondet_u64(), array(n - SHORT, 8)) <= n);
	END;
}

static size_t no_fill(const memtype_tables *t, uint64_t last, const uint64_t *gfns, size_t n, uint64_t keep, uint64_t *words)
{
	(void)t, (void)last, (void)gfns, (void)n, (void)keep, (void)words;
	return 0;
}

const struct kernels *kernels_of(uint32_t isa)
{
	static const struct kernels filling = {.fill = no_fill}, searching;

	return isa ? &filling : &searching;
}

int checked_map(const uint64_t *bases, const uint8_t *values, size_t count, uint32_t maxphyaddr, uint32_t isa,
		memtype_tables *t)
{
	(void)maxphyaddr, (void)isa, (void)t;
	assert(count == 0 || (__CPROVER_r_ok(bases, 8 * count) && __CPROVER_r_ok(values, count)));
	return 0;
}

void prove_leaf_tables(void) /* loops leaf_tables calls tables_of_map:checked_map */
{
	size_t count = any_length();
	struct leaf_map map = {array(count, 8), array(count - SHORT, 8), count, 40};

	leaf_tables(&map, nondet_u32(), nondet_u64(), NULL);
	END;
}

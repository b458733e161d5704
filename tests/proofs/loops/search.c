/* The loops that search a map, of any number of segments, for any number of addresses, gfns or pages (loops.h):
 * csrc/lookup.c and csrc/fill.c.
 *
 * loop find_segment.0: __CPROVER_same_object(low, bases) && count >= 1 && count <= __CPROVER_loop_entry(count) &&
 *     (unsigned long)low >= (unsigned long)bases && ((unsigned long)low - (unsigned long)bases) % 8 == 0 && ((unsigned
 *     long)low - (unsigned long)bases) / 8 <= __CPROVER_loop_entry(count) - count; assigns low, count; decreases count
 * loop search_map.0: i <= n; assigns i, seen, __CPROVER_object_whole(types); decreases n - i
 * loop fill_by_search.0: i <= n; assigns i, __CPROVER_object_whole(words); decreases n - i */
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

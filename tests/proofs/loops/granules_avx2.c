/* The loops of csrc/granules_avx2.c: over the entries of a chunk, and over the places of those that name blocks (loops.h,
 * vectors/vector.h).
 *
 * loop find_entries.0: i <= n && i % 32 == 0; assigns i, all, __CPROVER_object_whole(blocks),
 *     __CPROVER_object_whole(types); decreases n - i; i = 1::1::i
 * loop find_entries.1: i <= n && i % 32 == 0 && found <= i && (one < found ==> left[one] < n); assigns i, found,
 *     __CPROVER_object_whole(left); decreases n - i; i = 1::2::i
 * loop list_places.0: 2 turns
 * loop list_places.1: found <= first + 32 - __builtin_popcount(mask) && (one < first || one >= found
 *     || (left[one] >= place && left[one] < place + 32)); assigns found, mask, __CPROVER_object_whole(left); decreases mask */
#define MEMTYPE_X86 1
#include "small_granules.h"

#include "../../../csrc/granules_avx2.c"
#include "loops.h"

static memtype_granules tables;
static size_t one;   // a place of a list: any, so what holds of it holds of each
static size_t first; // of those that a step adds

static void any_tables(void)
{
	__CPROVER_havoc_object(&tables);
	tables.maxphyaddr = WIDTHS_TO;
	tables.shift = nondet_u32() ? NARROW_SHIFT : WIDE_SHIFT;
}

uint32_t checked_step(const memtype_granules *g, uint32_t shift, const uint64_t *a, uint8_t *types)
{
	assert(g == &tables && shift == tables.shift);
	assert(__CPROVER_r_ok(a, 8 * ENTRIES_STEP) && __CPROVER_w_ok(types, ENTRIES_STEP));
	return nondet_u32();
}

struct vector checked_see(struct vector seen, const uint64_t *a)
{
	assert(__CPROVER_r_ok(a, 8 * ENTRIES_STEP));
	return seen;
}

unsigned checked_places(uint32_t mask, size_t place, uint16_t *left, unsigned found)
{
	unsigned more = nondet_u32();

	(void)mask;
	assert(found <= place && __CPROVER_w_ok(left, 2 * (place + ENTRIES_STEP)));
	__CPROVER_assume(more <= ENTRIES_STEP);
	if (one >= found && one < found + more) // prove_list_places
		left[one] = (uint16_t)(place + nondet_u32() % ENTRIES_STEP);
	return found + more;
}

void prove_entries(void) /* loops find_entries calls step_of_entries:checked_step see32:checked_see
			    list_places:checked_places options --arrays-uf-always */
{
	size_t n = nondet_size();
	uint64_t seen = 0;
	unsigned found;
	uint16_t *left;

	any_tables();
	one = nondet_size();
	__CPROVER_assume(n <= ENTRIES && n >= ENTRIES_STEP && n % ENTRIES_STEP == 0 && one < n);
	left = array(n, sizeof(*left));
	found = avx2_entries(&tables, array(n, 8), n, array(n - SHORT, 1), left, &seen);
	assert(found <= n && (one >= found || left[one] < n));
	END;
}

void prove_list_places(void) /* loops list_places options --arrays-uf-always */
{
	size_t place = nondet_size();
	unsigned all;
	uint16_t *left;

	one = nondet_size();
	first = nondet_size();
	__CPROVER_assume(place <= ENTRIES - ENTRIES_STEP && first <= place && one < place + ENTRIES_STEP);
	left = array(place + ENTRIES_STEP - SHORT, sizeof(*left));
	all = list_places(nondet_u32(), place, left, (unsigned)first);
	assert(all <= place + ENTRIES_STEP && all <= first + ENTRIES_STEP);
	assert(one < first || one >= all || (left[one] >= place && left[one] < place + ENTRIES_STEP));
	END;
}

void prove_step_of_entries(void) /* unwinds see32 */
{
	uint64_t *addresses = array(ENTRIES_STEP - SHORT, 8);

	any_tables();
	step_of_entries(&tables, tables.shift, addresses, array(ENTRIES_STEP, 1));
	see32(nondet_vector(), addresses);
	END;
}

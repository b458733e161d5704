/* The loops of csrc/fleet_rows.c: over the pairs of a state, four at a time, and over a block's rows (loops.h,
 * vectors/vector.h). Which words a masked load reads, and that a word which is not there is not valid, is the instruction's.
 *
 * loop valid_bits.0: k <= pairs + 3 && k % 4 == 0; assigns k, seen, given; decreases pairs + 3 - k
 * loop load_pairs.0: k <= pairs + 3 && k % 4 == 0 && row->first <= place && place <= row->first + k &&
 *     place <= row->first + pairs; assigns k, place, given, __CPROVER_object_whole(block); decreases pairs + 3 - k */
#define MEMTYPE_X86 1
#include "../../../csrc/kernels.h"
unsigned any_valid(void);
#define _mm256_movemask_pd(v) ((void)(v), any_valid())
#include "../../../csrc/fleet_rows.c"
#include "fleets.h"

size_t given; // of the last load

struct vector checked_load(const uint64_t *words, size_t left)
{
	given = left < 4 ? left : 4;
	assert(left != 0 && __CPROVER_r_ok(words, 8 * given));
	return nondet_vector();
}

// bits of the words that are there
unsigned any_valid(void)
{
	unsigned valid = nondet_u32();

	__CPROVER_assume(valid >> given == 0);
	return valid;
}

void prove_valid_bits(void) /* loops valid_bits calls load_up_to4:checked_load */
{
	size_t pairs = any_length();

	valid_bits(array(pairs - SHORT, 8), pairs);
	END;
}

void prove_load_pairs(void) /* loops load_pairs calls load_up_to4:checked_load */
{
	size_t pairs = any_length();

	any_row();
	__CPROVER_assume(pairs <= FLEET_PAIRS - row.first);
	assert(load_pairs(array(pairs, 8), array(pairs - SHORT, 8), pairs, &row, &block) <= row.first + pairs);
	END;
}

static memtype_fleet fleet; // any number of states

void checked_state(const memtype_fleet *f, size_t i, struct fleet_block *b, struct fleet_row *r)
{
	assert(f == &fleet && i < fleet.states && b == &block && r >= b->row && r < b->row + FLEET_ROWS);
	assert(fleet.pairs <= FLEET_PAIRS - r->first);
	r->count = nondet_u32();
	__CPROVER_assume(r->count <= fleet.pairs); // prove_load_pairs
}

void prove_load(void) /* unwinds fleet_load calls load_row:checked_state options --unwindset fleet_load.0:5 */
{
	size_t first = nondet_size();
	uint32_t rows = nondet_u32();

	fleet.states = any_length();
	fleet.pairs = nondet_size();
	__CPROVER_assume(rows <= FLEET_ROWS && first <= fleet.states && rows <= fleet.states - first + SHORT);
	__CPROVER_assume(fleet.pairs <= MAX_VARIABLE && rows * fleet.pairs <= FLEET_PAIRS); // fleet.c: match_states
	fleet_load(&fleet, first, rows, &block);
	END;
}

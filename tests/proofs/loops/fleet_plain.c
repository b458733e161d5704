/* The loops of csrc/fleet_plain.c: over the pairs of a state, over a block's rows, and over the addresses of a row, however
 * many (loops.h). That row i of a column lies in it where i is one of its states needs no solver: the harnesses take the
 * row, or see that there is such a state.
 *
 * loop valid_bits.0: k <= pairs; assigns k, seen; decreases pairs - k
 * loop load_pairs.0: k <= pairs && row->first <= place && place <= row->first + k; assigns k, place,
 *     __CPROVER_object_whole(block); decreases pairs - k
 * loop fleet_low.0: low >> (lanes - 1) >> 1 == 0; assigns low, __CPROVER_object_whole(types); decreases low
 * loop many*.0: 64 turns
 * loop many*.1: 64 turns
 * loop many*.2: row->first <= i && i <= row->first + row->count; assigns i, __CPROVER_object_whole(code); decreases
 *     row->first + row->count - i
 * loop few*.0: 8 turns
 * loop few*.1: 8 turns
 * loop few*.2: row->first <= i && i <= row->first + row->count; assigns i, __CPROVER_object_whole(code); decreases
 *     row->first + row->count - i
 * loop match_row.0: i <= n && i % 64 == 0; assigns i, seen; decreases n - i
 * loop match_row.1: i <= n && n - i < 64; assigns i, seen; decreases n - i */
#include "../../../csrc/fleet_plain.c"
#include "fleets.h"

// --- states made ready ---

void prove_valid_bits(void) /* loops valid_bits */
{
	size_t pairs = any_length();

	valid_bits(array(pairs - SHORT, 8), pairs);
	END;
}

void prove_load_pairs(void) /* loops load_pairs */
{
	size_t pairs = any_length();

	any_row();
	__CPROVER_assume(pairs <= FLEET_PAIRS - row.first);
	assert(load_pairs(array(pairs, 8), array(pairs - SHORT, 8), pairs, &row, &block) <= row.first + pairs);
	END;
}

static memtype_fleet fleet; // any number of states

uint64_t any_bits(const uint64_t *mask, size_t pairs)
{
	(void)mask;
	assert(pairs == 0 || pairs == fleet.pairs);
	return nondet_u64();
}

void checked_state(const memtype_fleet *f, size_t i, uint64_t valid, struct fleet_row *r)
{
	(void)valid;
	assert(f == &fleet && i < fleet.states && __CPROVER_w_ok(r, sizeof(*r)));
}

uint32_t checked_pairs(const uint64_t *base, const uint64_t *mask, size_t pairs, const struct fleet_row *r,
		       struct fleet_block *b)
{
	uint32_t valid = nondet_u32();

	(void)base, (void)mask;
	assert(b == &block && r >= b->row && r < b->row + FLEET_ROWS && pairs <= FLEET_PAIRS - r->first);
	__CPROVER_assume(valid <= pairs); // prove_load_pairs
	return r->first + valid;
}

void prove_load(void) /* unwinds plain_load calls valid_bits:any_bits fleet_row_of:checked_state load_pairs:checked_pairs
			 options --unwindset plain_load.0:5 */
{
	size_t first = nondet_size();
	uint32_t rows = nondet_u32();

	fleet.states = any_length();
	fleet.pairs = nondet_size();
	fleet.def_type = array(fleet.states - SHORT, 8);
	__CPROVER_assume(rows <= FLEET_ROWS && first <= fleet.states && rows <= fleet.states - first);
	__CPROVER_assume(fleet.pairs <= MAX_VARIABLE && rows * fleet.pairs <= FLEET_PAIRS); // fleet.c: match_states
	plain_load(&fleet, first, rows, &block);
	END;
}

// --- matching ---

unsigned any_lane(uint64_t word)
{
	unsigned lane = nondet_u32();

	__CPROVER_assume(lane < 64 && word >> lane & 1);
	return lane;
}

void prove_low(void) /* loops fleet_low calls lowest_one:any_lane */
{
	uint64_t low = nondet_u64();

	any_row();
	row.fixed = array(FIXED_MSRS, 8);
	lanes = nondet_u32();
	__CPROVER_assume(lanes >= 1 && lanes <= 64 && low >> (lanes - 1) >> 1 == 0);
	fleet_low(row.fixed, row.vendor, array(lanes, 8), low, array(lanes - SHORT, 1));
	END;
}

void prove_few16(void) /* loops few16 options --slice-formula */
{
	any_row();
	few16(&block, &row, array(FEW, 8), array(FEW - SHORT, 1));
	END;
}

void prove_few32(void) /* loops few32 options --slice-formula */
{
	any_row();
	few32(&block, &row, array(FEW, 8), array(FEW - SHORT, 1));
	END;
}

void prove_few64(void) /* loops few64 options --slice-formula */
{
	any_row();
	few64(&block, &row, array(FEW, 8), array(FEW - SHORT, 1));
	END;
}

void prove_many16(void) /* loops many16 options --slice-formula */
{
	any_row();
	many16(&block, &row, array(MANY, 8), array(MANY - SHORT, 1));
	END;
}

void prove_many32(void) /* loops many32 options --slice-formula */
{
	any_row();
	many32(&block, &row, array(MANY, 8), array(MANY - SHORT, 1));
	END;
}

void prove_many64(void) /* loops many64 options --slice-formula */
{
	any_row();
	many64(&block, &row, array(MANY, 8), array(MANY - SHORT, 1));
	END;
}

void checked_codes(const struct fleet_block *b, const struct fleet_row *r, const uint64_t *addresses, uint8_t *codes)
{
	(void)b, (void)r;
	assert(__CPROVER_r_ok(addresses, 8 * lanes) && __CPROVER_w_ok(codes, lanes));
}

void prove_step(void) /* unwinds step below_1m calls fleet_low:checked_low */
{
	any_row();
	lanes = MANY;
	step(&block, &row, array(FINAL_CODES, 1), checked_codes, array(MANY, 8), MANY, array(MANY, 1));
	lanes = FEW;
	step(&block, &row, array(FINAL_CODES, 1), checked_codes, array(FEW, 8), FEW, array(FEW - SHORT, 1));
	END;
}

uint64_t checked_step(const struct fleet_block *b, const struct fleet_row *r, const uint8_t *kinds, codes_of codes,
		      const uint64_t *addresses, unsigned n, uint8_t *types)
{
	(void)b, (void)r, (void)kinds, (void)codes;
	assert((n == MANY || n == FEW) && __CPROVER_r_ok(addresses, 8 * n) && __CPROVER_w_ok(types, n));
	return nondet_u64();
}

void *checked_copy(void *to, const void *from, size_t bytes)
{
	assert(bytes == 0 || (__CPROVER_w_ok(to, bytes) && __CPROVER_r_ok(from, bytes)));
	return to;
}

void prove_match_row(void) /* loops match_row calls step:checked_step memcpy:checked_copy */
{
	size_t n = any_length();

	any_row();
	match_row(&block, &row, array(n, 8), n, array(n - SHORT, 1));
	END;
}

int checked_row(const struct fleet_block *b, const struct fleet_row *r, const uint64_t *addresses, size_t n, uint8_t *types)
{
	return checked_row_of(b, r, addresses, n, types);
}

void prove_match_rows(void) /* unwinds match_rows calls match_row:checked_row
			       options --unwindset match_rows.0:5 */
{
	any_rows(match_rows);
	END;
}

/* fleets.h - for the proofs of the fleet kernels: any block of states made ready, and what its kernels call. Included behind
 * the kernels. */
#ifndef FLEETS_H
#define FLEETS_H

#include "loops.h"

static struct fleet_block block;
static struct fleet_row row;

// any row whose pairs a block has room for; PLANTED: one more than the block and its end, which lies at a line, have
static void any_row(void)
{
	__CPROVER_havoc_object(&row);
	__CPROVER_assume(row.first <= FLEET_PAIRS && row.count <= FLEET_PAIRS + 9 * SHORT - row.first);
	__CPROVER_assume(row.keys < FLEET_KEYS && row.shift < 64);
}

unsigned lanes; // addresses of a step

void checked_low(const uint64_t *fixed, uint32_t vendor, const uint64_t *addresses, uint64_t low, uint8_t *types)
{
	(void)vendor;
	assert(fixed && low >> (lanes - 1) >> 1 == 0);
	assert(__CPROVER_r_ok(addresses, 8 * lanes) && __CPROVER_w_ok(types, lanes));
}

// The row that comes next, and where its addresses and types begin: a step and a length behind those of the row before.
static uint32_t turn;
static size_t apart, length;
static const uint64_t *turn_addresses;
static uint8_t *turn_types;

static inline int checked_row_of(const struct fleet_block *b, const struct fleet_row *r, const uint64_t *addresses, size_t n,
				 uint8_t *types)
{
	assert(b == &block && turn < block.rows - SHORT && r == block.row + turn);
	assert(addresses == turn_addresses && types == turn_types && n == length);
	turn++;
	turn_addresses += apart;
	turn_types += length;
	return (int)nondet_u32();
}

// The rows of a block from any on. That they lie in their arrays is the law of rows (../test_z3.py).
static void any_rows(fleet_match match)
{
	static uint64_t addresses;
	static uint8_t types;

	apart = nondet_size();
	length = nondet_size();
	for (uint32_t first = 0; first < FLEET_ROWS; first++) {
		__CPROVER_havoc_object(&block);
		__CPROVER_assume(first < block.rows && block.rows <= FLEET_ROWS);
		turn = first;
		turn_addresses = &addresses;
		turn_types = &types;
		assert(match(&block, first, &addresses, apart, length, &types, (int)nondet_u32()) <= block.rows - first);
	}
}

#endif

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

void checked_low(const struct fleet_row *r, const uint64_t *addresses, uint64_t low, uint8_t *types)
{
	assert(r->fixed && low >> (lanes - 1) >> 1 == 0);
	assert(__CPROVER_r_ok(addresses, 8 * lanes) && __CPROVER_w_ok(types, lanes));
}

// A row of a block, addresses and types of any number.
static inline int checked_row_of(const struct fleet_block *b, const struct fleet_row *r, const uint64_t *addresses, size_t n,
				 uint8_t *types)
{
	assert(__CPROVER_r_ok(r, sizeof(*r)) && b->rows <= FLEET_ROWS);
	assert(__CPROVER_r_ok(addresses, 8 * n) && __CPROVER_w_ok(types, n));
	return (int)nondet_u32();
}

// The rows of a block from any on, with addresses of their own or shared.
static void any_rows(fleet_match match)
{
	size_t n = any_length() >> 2, apart = nondet_u32() ? n : 0;

	__CPROVER_assume(n >= 1);
	__CPROVER_havoc_object(&block);
	block.rows = FLEET_ROWS;
	match(&block, 0, array(apart ? FLEET_ROWS * n : n, 8), apart, n, array(FLEET_ROWS * n - SHORT, 1), (int)nondet_u32());
}

#endif

/* The loops of csrc/granules.c over addresses (loops.h): by chunks, and within a chunk. What a table entry leads to is
 * proved in ../granules.c. The struct is the contract's with less room, so that a solver can
 * hold it.
 *
 * loop look_up_parts.0: i <= n; assigns i, all, mixed, __CPROVER_object_whole(types); decreases n - i
 * loop look_up.0: i % 512 == 0 && i <= n + 511; assigns i, parts, __CPROVER_object_whole(types); decreases n + 512 - i */
#define memtype_granules roomy_granules
#include "../../../csrc/internal.h"
#undef memtype_granules

#define WIDTHS_TO 32
typedef struct memtype_granules {
	uint32_t maxphyaddr, shift, blocks;
	uint8_t top[1 << (WIDTHS_TO - 30)], block[2][512];
} memtype_granules;
#define _Static_assert(claim, words) struct not_for_this_size

#include "../../../csrc/granules.c"
#undef _Static_assert

#include "loops.h"

uint8_t any_part(const memtype_granules *g, uint8_t entry, uint64_t address)
{
	(void)g, (void)entry, (void)address;
	return (uint8_t)(nondet_u32() & 0xFF);
}

void prove_look_up_parts(void) /* loops look_up_parts calls part_type:any_part */
{
	static memtype_granules g;
	uint64_t seen = 0;
	size_t n = any_length();
	uint64_t *addresses = array(n, 8);
	uint8_t *types = array(n - SHORT, 1);

	g.maxphyaddr = nondet_u32();
	__CPROVER_assume(g.maxphyaddr >= 20 && g.maxphyaddr <= WIDTHS_TO);
	look_up_parts(&g, addresses, n, types, NARROW_SHIFT, &seen);
	END;
}

int checked_parts(const memtype_granules *g, const uint64_t *addresses, size_t n, uint8_t *types, uint32_t shift,
		  uint64_t *seen)
{
	(void)g, (void)shift, (void)seen;
	assert(n <= CHUNK && __CPROVER_r_ok(addresses, 8 * n) && __CPROVER_w_ok(types, n));
	return (int)nondet_u32();
}

unsigned checked_chunk(const memtype_granules *g, const uint64_t *addresses, size_t n, uint8_t *types, uint32_t shift,
		       uint64_t *seen)
{
	return (unsigned)checked_parts(g, addresses, n, types, shift, seen);
}

void prove_look_up(void) /* loops look_up calls look_up_parts:checked_parts look_up_chunk:checked_chunk */
{
	static memtype_granules g;
	size_t n = any_length();

	look_up(&g, array(n, 8), n, array(n - SHORT, 1), NARROW_SHIFT);
	END;
}

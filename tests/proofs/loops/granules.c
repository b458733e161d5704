/* The loop of csrc/granules.c over addresses that follows each entry (loops.h); the other goes by chunks of 512. What a
 * table entry leads to is proved in ../granules.c. The struct is the contract's with less room, so that a solver can
 * hold it. */
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

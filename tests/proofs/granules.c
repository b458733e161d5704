/* Proof harness for csrc/granules.c: what is painted is what a look-up finds, at every address of it, whatever tables were
 * there before. The struct is the contract's with less room, so that a solver can hold all of its contents open.
 */
#define memtype_granules roomy_granules
#include "../../csrc/internal.h"
#undef memtype_granules

#define WIDTHS_TO 32
typedef struct memtype_granules {
	uint32_t maxphyaddr, shift, blocks;
	uint8_t top[1 << (WIDTHS_TO - 30)], block[2][512];
} memtype_granules;
#define _Static_assert(claim, words) struct not_for_this_size

#include "../../csrc/granules.c"

#include <assert.h>

uint8_t nondet_u8(void);
uint32_t nondet_u32(void);
uint64_t nondet_u64(void);
void __CPROVER_assume(_Bool);

#ifdef VACUITY
#define END assert(0)
#else
#define END ((void)0)
#endif

#ifdef PLANTED
#define FAULT 1
#else
#define FAULT 0
#endif

static memtype_granules g;

// tables of any content that building can leave: an entry names a block that is there, or is a type
static void any_tables(void)
{
	__CPROVER_havoc_object(&g);
	g.maxphyaddr = nondet_u32();
	__CPROVER_assume(g.maxphyaddr == WIDTHS_TO && g.blocks <= BLOCKS);
	g.shift = NARROW_SHIFT;
}

static _Bool names_a_block_there(uint8_t entry)
{
	return entry < FIRST_BLOCK || entry - FIRST_BLOCK < g.blocks;
}

void prove_an_entry_is_found(void) /* unwind 4 */
{
	uint64_t a = nondet_u64(), end = nondet_u64(), x = nondet_u64();
	uint32_t shift;
	uint8_t *entry, type = nondet_u8();

	any_tables();
	__CPROVER_assume(a < end && end <= UINT64_C(1) << g.maxphyaddr && type < FIRST_BLOCK);
	__CPROVER_assume(names_a_block_there(g.top[a >> g.shift]));
	if (g.top[a >> g.shift] >= FIRST_BLOCK) {
		uint8_t next = g.block[g.top[a >> g.shift] - FIRST_BLOCK][a >> (g.shift - LEVEL_BITS) & (PARTS - 1)];

		__CPROVER_assume(names_a_block_there(next));
	}
	entry = entry_of(&g, a, end, &shift);
	if (!entry) {
		assert(g.blocks == BLOCKS || (a & (PAGE_SIZE - 1)) || end - a < PAGE_SIZE);
		return;
	}
	assert((a & low_bits(shift)) == 0 && end - a >= UINT64_C(1) << shift);
	*entry = type;
	__CPROVER_assume(x >= a && x - a < (UINT64_C(1) << shift) + FAULT);
	assert(part_type(&g, g.top[x >> g.shift], x) == type);
	END;
}

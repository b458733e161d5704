/* The loops of csrc/granules.c over addresses (loops.h): by chunks, and within a chunk; and the way down from an entry,
 * which ends at pages. The struct is the contract's with less room, so that a solver can
 * hold it.
 *
 * loop look_up_parts.0: i <= n; assigns i, all, mixed, __CPROVER_object_whole(types); decreases n - i
 * loop look_up.0: i % 512 == 0 && i <= n + 511; assigns i, parts, __CPROVER_object_whole(types); decreases n + 512 - i
 * loop look_up_chunk.0: 8 turns
 * loop look_up_chunk.1: i <= n && i % 8 == 0 && count <= i / 8 && __CPROVER_forall { int q; (0 <= q && q < 65)
 *     ==> (q < count ==> mixed[q] + 8UL <= n) }; assigns i, all, count, __CPROVER_object_whole(mixed),
 *     __CPROVER_object_whole(types); decreases n - i
 * loop look_up_chunk.2: k <= count; assigns k, __CPROVER_object_whole(types); decreases count - k; k = 1::2::k
 * loop look_up_chunk.3: i <= n; assigns i, all, __CPROVER_object_whole(types); decreases n - i */
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

// --- the way down ---

static memtype_granules tables;

// of any width's levels; an entry that is met is a type, or names a block that is there
static void any_tables(void)
{
	__CPROVER_havoc_object(&tables);
	tables.maxphyaddr = WIDTHS_TO;
	tables.shift = nondet_u32() ? NARROW_SHIFT : WIDE_SHIFT;
	__CPROVER_assume(tables.blocks <= BLOCKS);
}

static uint8_t met(uint8_t entry)
{
	__CPROVER_assume(entry < FIRST_BLOCK || entry - FIRST_BLOCK < tables.blocks);
	return entry;
}

void prove_entry_of(void) /* unwinds entry_of options --unwindset entry_of.0:5 --unwindset prove_entry_of.0:5 */
{
	uint64_t a = nondet_u64(), end = nondet_u64();
	uint32_t shift;
	uint8_t *entry;

	any_tables();
	__CPROVER_assume(a < end && end <= UINT64_C(1) << WIDTHS_TO);
	entry = &tables.top[a >> tables.shift];
	for (shift = tables.shift; met(*entry) >= FIRST_BLOCK && shift > PAGE_SHIFT;) {
		shift -= LEVEL_BITS;
		entry = &tables.block[*entry - FIRST_BLOCK][a >> shift & (PARTS - 1)];
	}
	entry = entry_of(&tables, a, end, &shift);
	if (!entry)
		return;
	assert(shift >= PAGE_SHIFT && a % (UINT64_C(1) << shift) == 0 && end - a >= UINT64_C(1) << shift);
	assert(__CPROVER_w_ok(entry, 1));
	if (shift == tables.shift)
		assert(entry == tables.top + (a >> shift) + SHORT);
	else
		assert(((__CPROVER_POINTER_OFFSET(entry) - __CPROVER_POINTER_OFFSET(tables.block)) & (PARTS - 1)) ==
		       (a >> shift & (PARTS - 1)));
	END;
}

// entry_of() makes no block of a page: what the last level holds are types
void prove_part_type(void) /* unwinds part_type options --unwindset part_type.0:4 --unwindset prove_part_type.0:5 */
{
	uint64_t address = nondet_u64();
	uint8_t first = (uint8_t)(nondet_u32() & 0xFF), entry = first;

	any_tables();
	for (uint32_t shift = tables.shift; met(entry) >= FIRST_BLOCK && shift > PAGE_SHIFT;) {
		shift -= LEVEL_BITS;
		entry = tables.block[entry - FIRST_BLOCK][address >> shift & (PARTS - 1)];
	}
	__CPROVER_assume(entry < FIRST_BLOCK);
	assert(part_type(&tables, first, address) < FIRST_BLOCK * (1 - SHORT));
	END;
}

// --- a chunk ---

unsigned any_lane(uint64_t word)
{
	unsigned lane = nondet_u32();

	assert(word != 0);
	__CPROVER_assume(lane < 64 && word >> lane & 1);
	return lane;
}

void prove_follow(void) /* unwinds follow calls part_type:any_part lowest_one:any_lane options --unwindset follow.1:9 */
{
	any_tables();
	follow(&tables, array(STEP, 8), low_bits(tables.maxphyaddr), array(STEP - SHORT, 1));
	END;
}

void checked_follow(const memtype_granules *of, const uint64_t *addresses, uint64_t limit, uint8_t *types)
{
	(void)limit;
	assert(of == &tables && __CPROVER_r_ok(addresses, 8 * STEP) && __CPROVER_w_ok(types, STEP));
}

void prove_look_up_chunk(void) /* loops look_up_chunk calls part_type:any_part follow:checked_follow
				  options --arrays-uf-always */
{
	size_t n = nondet_size();
	uint64_t seen;

	any_tables();
	__CPROVER_assume(n <= CHUNK && n >= SHORT);
	look_up_chunk(&tables, array(n, 8), n, array(n - SHORT, 1), NARROW_SHIFT, &seen);
	END;
}

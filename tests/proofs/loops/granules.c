/* The loops of csrc/granules.c over addresses (loops.h): by chunks, and within a chunk; and the way down from an entry,
 * which ends at pages.
 *
 * loop look_up_parts.0: i <= n; assigns i, all, mixed, __CPROVER_object_whole(types); decreases n - i
 * loop look_up_granules_by.0: i % 512 == 0 && i <= n + 511; assigns i, parts, __CPROVER_object_whole(types);
 *     decreases n + 512 - i
 * loop steps_of_entries.0: 4 turns
 * loop steps_of_entries.1: 8 turns
 * loop steps_of_entries.2: i <= n && i % 8 == 0 && count <= i / 8 && __CPROVER_forall { int q; (0 <= q && q < 64)
 *     ==> (q < count ==> mixed[q] + 8UL <= n) }; assigns i, all, count, __CPROVER_object_whole(mixed),
 *     __CPROVER_object_whole(types); decreases n - i
 * loop entries_left.0: 8 turns
 * loop entries_left.1: s <= count && found <= 8 * s && (one < found ==> left[one] < held); assigns s, found,
 *     __CPROVER_object_whole(left); decreases count - s
 * loop descend.0: k <= count && found <= k && (one < found ==> still[one] < held); assigns k, found,
 *     __CPROVER_object_whole(still), __CPROVER_object_whole(types); decreases count - k */
#include "small_granules.h"
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
	g.shift = NARROW_SHIFT;
	look_up_parts(&g, addresses, n, types, &seen);
	END;
}

int checked_parts(const memtype_granules *g, const uint64_t *addresses, size_t n, uint8_t *types, uint64_t *seen)
{
	(void)g, (void)seen;
	assert(n <= ENTRIES && __CPROVER_r_ok(addresses, 8 * n) && __CPROVER_w_ok(types, n));
	return (int)nondet_u32();
}

int checked_chunk(const memtype_granules *g, top_entries *entries, const uint64_t *addresses, size_t n, uint8_t *types,
		  uint64_t *seen)
{
	(void)entries;
	return checked_parts(g, addresses, n, types, seen);
}

void prove_look_up(void) /* loops look_up_granules_by calls look_up_parts:checked_parts look_up_chunk:checked_chunk */
{
	static memtype_granules g;
	size_t n = any_length();

	look_up_granules_by(plain_entries, &g, array(n, 8), n, array(n - SHORT, 1));
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

static size_t held; // addresses of the chunk
static size_t one;  // a place of a list: any, so what holds of it holds of each

static uint16_t *places(size_t room)
{
	return array(room, sizeof(uint16_t));
}

void prove_steps_of_entries(void) /* loops steps_of_entries options --arrays-uf-always */
{
	size_t n = nondet_size();
	uint64_t seen;

	any_tables();
	__CPROVER_assume(n <= ENTRIES && n >= STEP && n % STEP == 0);
	steps_of_entries(&tables, NARROW_SHIFT, array(n, 8), n, array(n - SHORT, 1), places(ENTRIES / STEP), &seen);
	END;
}

void prove_entries_left(void) /* loops entries_left options --arrays-uf-always */
{
	uint16_t *mixed = places(ENTRIES / STEP);
	unsigned count = nondet_u32();
	uint16_t *left = places(ENTRIES);
	unsigned found;

	held = nondet_size();
	one = nondet_size();
	__CPROVER_assume(held <= ENTRIES && held >= STEP && count <= held / STEP && one < ENTRIES);
	__CPROVER_assume(__CPROVER_forall { unsigned q; q < ENTRIES / STEP ==> (q < count ==> mixed[q] + STEP <= held) });
	found = entries_left(array(held - SHORT, 1), mixed, count, left);
	assert(found <= STEP * count && (one >= found || left[one] < held));
	END;
}

// one level down leads to a block that is there, or to a type
uint8_t any_part_of(const memtype_granules *g, uint8_t entry, uint64_t address, uint32_t shift)
{
	(void)shift;
	return any_part(g, entry, address);
}

void prove_descend(void) /* loops descend calls part_of:any_part_of options --arrays-uf-always */
{
	uint16_t *left = places(ENTRIES), *still = places(ENTRIES);
	unsigned count = nondet_u32(), found;

	any_tables();
	held = nondet_size();
	one = nondet_size();
	__CPROVER_assume(held <= ENTRIES && held >= SHORT && count <= held && one < ENTRIES);
	__CPROVER_assume(__CPROVER_forall { unsigned q; q < ENTRIES ==> (q < count ==> left[q] < held) });
	found = descend(&tables, array(held, 8), array(held - SHORT, 1), nondet_u32(), left, count, still);
	assert(found <= count && (one >= found || still[one] < held));
	END;
}

unsigned checked_steps(const memtype_granules *of, uint32_t shift, const uint64_t *addresses, size_t n, uint8_t *types,
		       uint16_t *mixed, uint64_t *seen)
{
	(void)seen;
	assert(of == &tables && shift == tables.shift && __CPROVER_r_ok(addresses, 8 * n) && __CPROVER_w_ok(types, n));
	assert(n <= ENTRIES && n % STEP == 0 && __CPROVER_w_ok(mixed, ENTRIES / STEP * sizeof(*mixed)));
	held = nondet_u32();
	__CPROVER_assume(held <= n / STEP);
	return (unsigned)held;
}

unsigned checked_left(const uint8_t *types, const uint16_t *mixed, unsigned count, uint16_t *left)
{
	(void)types, (void)mixed;
	assert(count == held && __CPROVER_w_ok(left, ENTRIES * sizeof(*left)));
	held = nondet_u32();
	__CPROVER_assume(held <= STEP * count);
	return (unsigned)held;
}

void prove_plain_entries(void) /* calls steps_of_entries:checked_steps entries_left:checked_left */
{
	size_t n = nondet_size();
	uint64_t seen;

	any_tables();
	__CPROVER_assume(n <= ENTRIES && n >= SHORT && n % ENTRIES_STEP == 0);
	assert(plain_entries(&tables, array(n, 8), n, array(n, 1), places(ENTRIES - SHORT), &seen) <= n);
	END;
}

unsigned any_entries(const memtype_granules *of, const uint64_t *addresses, size_t n, uint8_t *types, uint16_t *left,
		     uint64_t *seen)
{
	(void)seen;
	assert(of == &tables && __CPROVER_r_ok(addresses, 8 * n) && __CPROVER_w_ok(types, n));
	assert(n <= ENTRIES && n % ENTRIES_STEP == 0 && __CPROVER_w_ok(left, ENTRIES * sizeof(*left)));
	held = nondet_u32();
	__CPROVER_assume(held <= n);
	return (unsigned)held;
}

unsigned checked_descend(const memtype_granules *of, const uint64_t *addresses, uint8_t *types, uint32_t shift,
			 const uint16_t *left, unsigned count, uint16_t *still)
{
	(void)addresses, (void)types;
	assert(left != still && __CPROVER_r_ok(left, ENTRIES * sizeof(*left)));
	assert(__CPROVER_w_ok(still, ENTRIES * sizeof(*still)));
	assert(of == &tables && count == held && shift >= PAGE_SHIFT && shift <= NARROW_SHIFT);
	held = nondet_u32();
	__CPROVER_assume(held <= count);
	return (unsigned)held;
}

void prove_look_up_chunk(void) /* unwinds look_up_chunk calls descend:checked_descend look_up_parts:checked_parts
				  options --unwindset look_up_chunk.0:4 */
{
	size_t n = nondet_size();
	uint64_t seen;

	any_tables();
	__CPROVER_assume(n <= ENTRIES && n >= SHORT);
	look_up_chunk(&tables, any_entries, array(n, 8), n, array(n - SHORT, 1), &seen);
	END;
}

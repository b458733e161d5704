/* granules.c - any number of segments at one speed: a table as deep as it must be, like page tables.
 *
 * The top table has a byte for each granule of 1 GiB (512 GiB where MAXPHYADDR is above 46). Where a granule is of one
 * type the byte is that type; else it names a block of 512 entries that cut the granule into parts of 2 MiB, and these
 * likewise into parts of 4 KiB. Most addresses cost one load: 64 KiB hold all of 46 bits.
 *
 *     fixed ranges:            top[0] = 16 + 0,  block[0][0] = 16 + 1,  block[1][page of the first 2 MiB] = its type
 *     [3.5 GiB, 4 GiB) is UC:  top[3] = 16 + 2,  block[2][0 .. 255] = WB,  block[2][256 .. 511] = UC
 */
#include "granules.h"

_Static_assert(sizeof(((memtype_granules *)0)->block[0]) == PARTS, "a block is indexed by one level's bits");
_Static_assert(FIRST_BLOCK + BLOCKS == 256, "a byte names every block");
_Static_assert(sizeof(((memtype_granules *)0)->top) == 1u << (NARROW - NARROW_SHIFT), "one granule a byte");

// The entry that holds `a`, in the first table whose entry neither begins before `a` nor ends behind `end`; *shift is that
// table's. NULL where blocks run out, or where an edge lies inside a page.
static uint8_t *entry_of(memtype_granules *g, uint64_t a, uint64_t end, uint32_t *shift)
{
	uint8_t *entry = g->top + (a >> g->shift);

	*shift = g->shift;
	while ((a & low_bits(*shift)) != 0 || end - a < UINT64_C(1) << *shift) {
		if (*shift == PAGE_SHIFT)
			return NULL;
		if (*entry < FIRST_BLOCK) {
			if (g->blocks == BLOCKS)
				return NULL;
			memset(g->block[g->blocks], 0, PARTS);
			*entry = (uint8_t)(FIRST_BLOCK + g->blocks++);
		}
		*shift -= LEVEL_BITS;
		entry = g->block[*entry - FIRST_BLOCK] + (a >> *shift & (PARTS - 1));
	}
	return entry;
}

// [a, end) gets one type: as many entries of a table at once as it has room for
static int paint(memtype_granules *g, uint64_t a, uint64_t end, uint8_t type)
{
	while (a < end) {
		uint32_t shift;
		uint8_t *entry = entry_of(g, a, end, &shift);
		uint64_t n;

		if (!entry)
			return MEMTYPE_ESHATTERED;
		n = (end - a) >> shift;
		if (shift != g->shift && n > PARTS - (a >> shift & (PARTS - 1)))
			n = PARTS - (a >> shift & (PARTS - 1));
		memset(entry, type, (size_t)n);
		a += n << shift;
	}
	return MEMTYPE_OK;
}

int memtype_granules_build(const uint64_t *bases, const uint8_t *types, size_t count, uint32_t maxphyaddr,
			   memtype_granules *g)
{
	const uint64_t room = UINT64_C(1) << (maxphyaddr < NARROW_SHIFT ? NARROW_SHIFT : maxphyaddr); // a granule at least

	g->maxphyaddr = maxphyaddr;
	g->shift = maxphyaddr <= NARROW ? NARROW_SHIFT : WIDE_SHIFT;
	g->blocks = 0;
	memset(g->top, 0, (size_t)(room >> g->shift)); // no blocks yet
	for (size_t i = 0; i < count; i++) {
		uint64_t end = i + 1 < count ? bases[i + 1] : room;

		if (types[i] >= FIRST_BLOCK || end > room || paint(g, bases[i], end, types[i]))
			return MEMTYPE_ESHATTERED;
	}
	return MEMTYPE_OK;
}

// --- look-ups ---

#define STEP 8u
#define NAMES_A_BLOCK (UINT64_C(0x0101010101010101) * (256 - FIRST_BLOCK)) /* bits of eight entries */

// The entries of n addresses, whole steps of STEP; how many steps have one that names a block, and where in `mixed` those
// begin. Eight bytes go out as a word, and `shift` is g->shift, a constant where this is compiled: of 255 ranges 10^6
// addresses take 0.75 ns each; 0.80 without the constant, 0.87 without both (Zen 3).
FOLDED unsigned steps_of_entries(const memtype_granules *g, uint32_t shift, const uint64_t *restrict addresses, size_t n,
				 uint8_t *restrict types, uint16_t *restrict mixed, uint64_t *seen)
{
	uint64_t limit = low_bits(g->maxphyaddr), all = 0;
	unsigned count = 0;

	for (size_t i = 0; i < n; i += STEP) {
		uint32_t low = 0, high = 0;
		uint64_t entries;

		UNROLL
		for (unsigned k = 0; k < STEP / 2; k++) {
			uint64_t a = addresses[i + k], b = addresses[i + STEP / 2 + k];

			all |= a | b;
			low |= (uint32_t)g->top[(a & limit) >> shift] << 8 * k;
			high |= (uint32_t)g->top[(b & limit) >> shift] << 8 * k;
		}
		entries = low | (uint64_t)high << 32;
		UNROLL
		for (unsigned k = 0; k < STEP; k++)
			types[i + k] = (uint8_t)(entries >> 8 * k);
		mixed[count] = (uint16_t)i;
		count += (entries & NAMES_A_BLOCK) != 0;
	}
	*seen |= all;
	return count;
}

// Where the entries of those steps are that name blocks: without a branch for each.
static unsigned entries_left(const uint8_t *types, const uint16_t *mixed, unsigned count, uint16_t *restrict left)
{
	unsigned found = 0;

	for (unsigned s = 0; s < count; s++) {
		UNROLL
		for (unsigned k = 0; k < STEP; k++) {
			left[found] = (uint16_t)(mixed[s] + k);
			found += types[mixed[s] + k] >= FIRST_BLOCK;
		}
	}
	return found;
}

static unsigned plain_entries(const memtype_granules *g, const uint64_t *addresses, size_t n, uint8_t *types, uint16_t *left,
			      uint64_t *seen)
{
	uint16_t mixed[ENTRIES / STEP];
	unsigned count = g->shift == NARROW_SHIFT ?
				 steps_of_entries(g, NARROW_SHIFT, addresses, n, types, mixed, seen) :
				 steps_of_entries(g, WIDE_SHIFT, addresses, n, types, mixed, seen);

	return entries_left(types, mixed, count, left);
}

// One level down from there; how many still name blocks, and where in `still`.
static unsigned descend(const memtype_granules *g, const uint64_t *restrict addresses, uint8_t *restrict types,
			uint32_t shift, const uint16_t *restrict left, unsigned count, uint16_t *restrict still)
{
	uint64_t limit = low_bits(g->maxphyaddr);
	unsigned found = 0;

	for (unsigned k = 0; k < count; k++) {
		uint16_t i = left[k];
		uint8_t below = part_of(g, types[i], addresses[i] & limit, shift);

		types[i] = below;
		still[found] = i;
		found += below >= FIRST_BLOCK;
	}
	return found;
}

// One address after the other: at the end, and where nearly all entries name blocks, which a branch then does foretell;
// whether they do.
static int look_up_parts(const memtype_granules *g, const uint64_t *restrict addresses, size_t n,
			 uint8_t *restrict types, uint64_t *seen)
{
	uint64_t limit = low_bits(g->maxphyaddr), all = 0;
	size_t mixed = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t entry = g->top[(addresses[i] & limit) >> g->shift];

		all |= addresses[i];
		mixed += entry >= FIRST_BLOCK;
		types[i] = part_type(g, entry, addresses[i] & limit);
	}
	*seen |= all;
	return mixed > n - n / 8;
}

// The types of ENTRIES addresses, or fewer; whether nearly all entries name blocks.
static int look_up_chunk(const memtype_granules *g, top_entries *entries, const uint64_t *addresses, size_t n, uint8_t *types,
			 uint64_t *seen)
{
	uint16_t left[2][ENTRIES];
	size_t whole = n / ENTRIES_STEP * ENTRIES_STEP;
	unsigned found = entries(g, addresses, whole, types, left[0], seen), level = 0;
	int nearly = found > n - n / 8;

	for (uint32_t shift = g->shift - LEVEL_BITS; shift >= PAGE_SHIFT; shift -= LEVEL_BITS, level ^= 1)
		found = descend(g, addresses, types, shift, left[level], found, left[level ^ 1]);
	if (whole < n)
		look_up_parts(g, addresses + whole, n - whole, types + whole, seen);
	return nearly;
}

uint64_t look_up_granules_by(top_entries *entries, const memtype_granules *g, const uint64_t *addresses, size_t n,
			     uint8_t *types)
{
	uint64_t seen = 0;
	int parts = 0; // of the chunk before, and so most likely of the next

	for (size_t i = 0; i < n; i += ENTRIES) {
		size_t some = n - i < ENTRIES ? n - i : ENTRIES;

		parts = parts ? look_up_parts(g, addresses + i, some, types + i, &seen) :
				look_up_chunk(g, entries, addresses + i, some, types + i, &seen);
	}
	return seen;
}

uint64_t look_up_granules(const memtype_granules *g, const uint64_t *addresses, size_t n, uint8_t *types)
{
	return look_up_granules_by(plain_entries, g, addresses, n, types);
}

int memtype_granules_types(const memtype_granules *g, const uint64_t *addresses, size_t n, uint8_t *types,
			   size_t *index)
{
	uint64_t limit = low_bits(g->maxphyaddr);

	if (n == 0)
		return MEMTYPE_OK;
	if (misfit_words(addresses, n, types, n))
		return MEMTYPE_EBUFFER;
	if (n <= MEMTYPE_CHECKED_FIRST && or_words(addresses, n) > limit)
		return refuse_word(addresses, 0, n, limit, index);
	if (look_up_granules(g, addresses, n, types) > limit)
		return refuse_word(addresses, 0, n, limit, index);
	return MEMTYPE_OK;
}

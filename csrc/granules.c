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

// the entries of STEP addresses that lead to blocks, followed
static void follow(const memtype_granules *g, const uint64_t *addresses, uint64_t limit, uint8_t *types)
{
	unsigned mixed = 0;

	UNROLL
	for (unsigned k = 0; k < STEP; k++)
		mixed |= (unsigned)(types[k] >= FIRST_BLOCK) << k;
	for (; mixed; mixed &= mixed - 1) {
		unsigned k = lowest_one(mixed);

		types[k] = part_type(g, types[k], addresses[k] & limit);
	}
}

#define CHUNK 512u /* addresses whose entries are found before any is followed: which are, no branch can foretell */

// The types of CHUNK addresses, or fewer, which are OR-ed into *seen; how many steps had an entry that leads to a block.
// `shift` is g->shift, a constant where this is compiled: a fifth.
static inline unsigned look_up_chunk(const memtype_granules *g, const uint64_t *restrict addresses, size_t n,
				     uint8_t *restrict types, uint32_t shift, uint64_t *seen)
{
	uint64_t limit = low_bits(g->maxphyaddr), all = 0;
	uint16_t mixed[CHUNK / STEP + 1]; // where those steps begin
	unsigned count = 0;
	size_t i = 0;

	for (; i + STEP <= n; i += STEP) {
		unsigned entries = 0;

		UNROLL
		for (unsigned k = 0; k < STEP; k++) {
			all |= addresses[i + k];
			types[i + k] = g->top[(addresses[i + k] & limit) >> shift];
			entries |= types[i + k];
		}
		mixed[count] = (uint16_t)i;
		count += entries >= FIRST_BLOCK;
	}
	for (unsigned k = 0; k < count; k++)
		follow(g, addresses + mixed[k], limit, types + mixed[k]);
	for (; i < n; i++) {
		all |= addresses[i];
		types[i] = part_type(g, g->top[(addresses[i] & limit) >> shift], addresses[i] & limit);
	}
	*seen |= all;
	return count;
}

// The same where nearly all entries lead to blocks, which a branch then does foretell; whether it was so.
static inline int look_up_parts(const memtype_granules *g, const uint64_t *restrict addresses, size_t n,
				uint8_t *restrict types, uint32_t shift, uint64_t *seen)
{
	uint64_t limit = low_bits(g->maxphyaddr), all = 0;
	size_t mixed = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t entry = g->top[(addresses[i] & limit) >> shift];

		all |= addresses[i];
		mixed += entry >= FIRST_BLOCK;
		types[i] = part_type(g, entry, addresses[i] & limit);
	}
	*seen |= all;
	return mixed > n - n / 8;
}

static inline uint64_t look_up(const memtype_granules *g, const uint64_t *addresses, size_t n, uint8_t *types, uint32_t shift)
{
	uint64_t seen = 0;
	int parts = 0; // of the chunk before, and so most likely of the next

	for (size_t i = 0; i < n; i += CHUNK) {
		size_t some = n - i < CHUNK ? n - i : CHUNK;

		if (parts)
			parts = look_up_parts(g, addresses + i, some, types + i, shift, &seen);
		else
			parts = look_up_chunk(g, addresses + i, some, types + i, shift, &seen) == CHUNK / STEP;
	}
	return seen;
}

uint64_t look_up_granules(const memtype_granules *g, const uint64_t *addresses, size_t n, uint8_t *types)
{
	return g->shift == NARROW_SHIFT ? look_up(g, addresses, n, types, NARROW_SHIFT) :
					  look_up(g, addresses, n, types, WIDE_SHIFT);
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

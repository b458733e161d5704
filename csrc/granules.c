/* granules.c - any number of segments at one speed: a table as deep as it must be, like page tables.
 *
 * The top table has a byte for each granule of 1 GiB (512 GiB where MAXPHYADDR is above 46). Where a granule is of one
 * type the byte is that type; else it names a block of 512 entries that cut the granule into parts of 2 MiB, and these
 * likewise into parts of 4 KiB. Most addresses cost one load: 64 KiB hold all of 46 bits.
 *
 *     fixed ranges:            top[0] = 16 + 0,  block[0][0] = 16 + 1,  block[1][page of the first 2 MiB] = its type
 *     [3.5 GiB, 4 GiB) is UC:  top[3] = 16 + 2,  block[2][0 .. 255] = WB,  block[2][256 .. 511] = UC
 */
#include "internal.h"

#define FIRST_BLOCK 16u /* entries below are types */
#define NARROW 46u      /* bits of an address of which a byte for each GiB fits `top` */
#define NARROW_SHIFT 30u
#define WIDE_SHIFT (NARROW_SHIFT + LEVEL_BITS)
#define LEVEL_BITS 9u
#define PARTS (1u << LEVEL_BITS)
#define BLOCKS (sizeof(((memtype_granules *)0)->block) / PARTS)
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

// an entry of the top table, or what it leads to
static uint8_t part_type(const memtype_granules *g, uint8_t entry, uint64_t address)
{
	for (uint32_t shift = g->shift - LEVEL_BITS; entry >= FIRST_BLOCK; shift -= LEVEL_BITS)
		entry = g->block[entry - FIRST_BLOCK][address >> shift & (PARTS - 1)];
	return entry;
}

// the OR of all addresses; `shift` is g->shift, a constant where this is compiled: a fifth
static inline uint64_t look_up(const memtype_granules *g, const uint64_t *restrict addresses, size_t n,
			       uint8_t *restrict types, uint32_t shift)
{
	uint64_t limit = low_bits(g->maxphyaddr), seen = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t address = addresses[i] & limit;

		seen |= addresses[i];
		types[i] = part_type(g, g->top[address >> shift], address);
	}
	return seen;
}

int memtype_granules_types(const memtype_granules *g, const uint64_t *addresses, size_t n, uint8_t *types,
			   size_t *index)
{
	uint64_t limit = low_bits(g->maxphyaddr), seen;

	if (n == 0)
		return MEMTYPE_OK;
	if (misfit_words(addresses, n, types, n))
		return MEMTYPE_EBUFFER;
	if (n <= MEMTYPE_CHECKED_FIRST && or_words(addresses, n) > limit)
		return refuse_word(addresses, 0, n, limit, index);
	seen = g->shift == NARROW_SHIFT ? look_up(g, addresses, n, types, NARROW_SHIFT) :
					  look_up(g, addresses, n, types, WIDE_SHIFT);
	return seen > limit ? refuse_word(addresses, 0, n, limit, index) : MEMTYPE_OK;
}

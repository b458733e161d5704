/* bulk_effective.c - registers and page-table entries to effective types, one pass, no temporaries.
 *
 * What does not change in a call is folded into one small table first: [MTRR type or EPT bits 6:3][PAT entry].
 */
#include "bulk.h"
#include "tables.h"

#define PLANE 256u
#define ENTRIES 8u

// folded[type << 3 | index] = effective type under entry `index` of `pat`, for each row of a plane
static void fold(const uint8_t *plane, uint64_t pat, unsigned row, uint8_t *folded)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		folded[i] = plane[row << 4 | pat_entry(pat, i)];
}

// the address bits of a leaf that maps 2^shift bytes: page_of(46, 2) == 0x3FFFFFE00000
static uint64_t page_of(uint32_t maxphyaddr, uint32_t level)
{
	return low_bits(maxphyaddr) & ~low_bits(12 + 9 * (level - 1));
}

// Parts small enough that what one kernel writes, the next finds in the nearest cache.
#define PART 1024u

// MTRR types by one kernel, effective types over them by the next; the OR of all addresses
static uint64_t effective_parts(const memtype_tables *t, const struct pat_view *view, uint64_t page,
				const uint64_t *addresses, const uint64_t *ptes, size_t n, uint8_t *types)
{
	const struct kernels *kernels = kernels_of(t->isa);
	uint64_t scratch[PART], seen = 0;

	for (size_t done = 0; done < n; done += PART) {
		size_t part = n - done < PART ? n - done : PART;
		const uint64_t *places = addresses ? addresses + done : scratch;

		if (!addresses)
			kernels->mask_words(scratch, ptes + done, page, part);
		seen |= kernels->types(t, places, part, types + done);
		kernels->combine(view, ptes + done, part, types + done);
	}
	return seen;
}

int memtype_effective_types(const memtype_tables *t, uint64_t pat, uint32_t level, const uint64_t *addresses,
			    const uint64_t *ptes, size_t n, uint8_t *types, size_t *index)
{
	const uint8_t *plane = effective_table + PLANE * 2u * (t->vendor == MEMTYPE_AMD);
	uint8_t checked[MEMTYPE_CHECKED_FIRST];
	int small = n <= sizeof(checked);
	struct pat_view view = {pat_shift(level), {{0}}};

	if (!is_leaf_level(level))
		return MEMTYPE_ELEVEL;
	for (unsigned row = 0; row < 16; row++)
		fold(plane, pat, row, view.effective[row]);
	if (effective_parts(t, &view, page_of(t->maxphyaddr, level), addresses, ptes, n, small ? checked : types) >
	    low_bits(t->maxphyaddr)) {
		for (*index = 0; addresses[*index] <= low_bits(t->maxphyaddr);)
			++*index;
		return MEMTYPE_EADDRESS;
	}
	if (small && n)
		memcpy(types, checked, n);
	return MEMTYPE_OK;
}

int memtype_effective_ept_types(uint64_t pat, uint32_t level, uint32_t cr0_cd, const uint64_t *eptes,
				const uint64_t *ptes, size_t n, uint8_t *types)
{
	unsigned shift = pat_shift(level);
	uint8_t folded[16 * ENTRIES]; // row: bits 6:3 of the EPT leaf, IPAT << 3 | type

	if (!is_leaf_level(level))
		return MEMTYPE_ELEVEL;
	for (unsigned row = 0; row < 16; row++)
		fold(ept_table + PLANE * (2u * (cr0_cd != 0) + (row >> 3)), pat, row & 7, folded + ENTRIES * row);
	for (size_t i = 0; i < n; i++)
		types[i] = folded[ENTRIES * (unsigned)(eptes[i] >> 3 & 15) + leaf_index(ptes[i], shift)];
	return MEMTYPE_OK;
}

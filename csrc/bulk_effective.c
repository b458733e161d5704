/* bulk_effective.c - registers and page-table entries to effective types, one pass, no temporaries.
 *
 * What does not change in a call is folded into one small table first: [MTRR type or EPT bits 6:3][PAT entry].
 */
#include "internal.h"
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

static size_t first_beyond(const uint64_t *addresses, size_t n, uint64_t last)
{
	for (size_t i = 0; i < n; i++) {
		if (addresses[i] > last)
			return i;
	}
	return n;
}

int memtype_effective_types(const memtype_mtrrs *m, uint64_t pat, uint32_t level, const uint64_t *addresses,
			    const uint64_t *ptes, size_t n, uint8_t *types, size_t *index)
{
	const uint8_t *plane = effective_table + PLANE * 2u * (m->vendor == MEMTYPE_AMD);
	unsigned shift = pat_shift(level);
	uint8_t folded[16 * ENTRIES];
	uint64_t page;

	if (!is_leaf_level(level))
		return MEMTYPE_ELEVEL;
	if (addresses) {
		size_t beyond = first_beyond(addresses, n, low_bits(m->maxphyaddr));

		if (beyond < n) {
			*index = beyond;
			return MEMTYPE_EADDRESS;
		}
	}
	for (unsigned row = 0; row < 16; row++)
		fold(plane, pat, row, folded + ENTRIES * row);
	page = page_of(m->maxphyaddr, level);
	for (size_t i = 0; i < n; i++) {
		uint64_t address = addresses ? addresses[i] : ptes[i] & page;

		types[i] = folded[ENTRIES * ((unsigned)memtype_at(m, address) & 15) + leaf_index(ptes[i], shift)];
	}
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

/* bulk_leaves.c - page-table leaves, with registers or EPT leaves, to PAT entries and types: one pass, no temporaries.
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

int memtype_effective_types(const memtype_tables *t, uint64_t pat, uint32_t level, const uint64_t *addresses,
			    const uint64_t *ptes, size_t n, uint8_t *types, size_t *index)
{
	const uint8_t *plane = effective_table + PLANE * 2u * (t->vendor == MEMTYPE_AMD);
	const uint64_t *places = addresses ? addresses : ptes;
	uint64_t limit = low_bits(t->maxphyaddr), page = ~UINT64_C(0);
	uint8_t checked[MEMTYPE_CHECKED_FIRST], *out = n <= sizeof(checked) ? checked : types;
	struct pat_view view = {pat_shift(level), {{0}}};

	if (!is_leaf_level(level))
		return MEMTYPE_ELEVEL;
	if (!addresses)
		page = page_of(t->maxphyaddr, level);
	for (unsigned row = 0; row < 16; row++)
		fold(plane, pat, row, view.effective[row]);
	if (kernels_of(t->isa)->effective(t, &view, places, page, ptes, n, out) > limit)
		return refuse(places, 0, limit, index);
	if (out == checked && n)
		memcpy(types, checked, n);
	return MEMTYPE_OK;
}

// types[i] = table[bits 6:3 of eptes[i]][PAT entry that ptes[i] chooses]; the level is one
static void leaf_types(const uint8_t table[16][ENTRIES], uint32_t level, uint32_t isa, const uint64_t *eptes,
		       const uint64_t *ptes, size_t n, uint8_t *types)
{
	struct pat_view view = {pat_shift(level), {{0}}};

	memcpy(view.effective, table, sizeof(view.effective));
	kernels_of(isa)->leaves(&view, eptes, ptes, n, types);
}

int memtype_effective_ept_types(uint64_t pat, uint32_t level, uint32_t cr0_cd, uint32_t isa, const uint64_t *eptes,
				const uint64_t *ptes, size_t n, uint8_t *types)
{
	uint8_t table[16][ENTRIES];

	if (!is_leaf_level(level))
		return MEMTYPE_ELEVEL;
	for (unsigned row = 0; row < 16; row++) // IPAT << 3 | type
		fold(ept_table + PLANE * (2u * (cr0_cd != 0) + (row >> 3)), pat, row & 7, table[row]);
	leaf_types(table, level, isa, eptes, ptes, n, types);
	return MEMTYPE_OK;
}

int memtype_ept_types(uint32_t isa, const uint64_t *eptes, size_t n, uint8_t *types, size_t *misconfigured)
{
	uint8_t table[16][ENTRIES], *first;

	for (unsigned row = 0; row < 16; row++)
		memset(table[row], ept_type_table[row & 7], ENTRIES);
	leaf_types(table, 1, isa, eptes, eptes, n, types);
	first = n ? memchr(types, MEMTYPE_UNDEFINED, n) : NULL;
	*misconfigured = first ? (size_t)(first - types) : n;
	return MEMTYPE_OK;
}

// one row for every leaf
static int entries_of(const uint8_t entry[ENTRIES], uint32_t level, uint32_t isa, const uint64_t *ptes, size_t n,
		      uint8_t *out)
{
	uint8_t table[16][ENTRIES];

	if (!is_leaf_level(level))
		return MEMTYPE_ELEVEL;
	for (unsigned row = 0; row < 16; row++)
		memcpy(table[row], entry, ENTRIES);
	leaf_types(table, level, isa, ptes, ptes, n, out);
	return MEMTYPE_OK;
}

int memtype_pat_indexes(uint32_t level, uint32_t isa, const uint64_t *ptes, size_t n, uint8_t *indexes)
{
	static const uint8_t entry[ENTRIES] = {0, 1, 2, 3, 4, 5, 6, 7};

	return entries_of(entry, level, isa, ptes, n, indexes);
}

int memtype_pat_types(uint64_t pat, uint32_t level, uint32_t isa, const uint64_t *ptes, size_t n, uint8_t *types)
{
	uint8_t entry[ENTRIES];

	for (unsigned k = 0; k < ENTRIES; k++)
		entry[k] = pat_entry(pat, k);
	return entries_of(entry, level, isa, ptes, n, types);
}

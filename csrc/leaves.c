/* leaves.c - arrays of leaves, with registers or EPT leaves, to PAT entries and types: one pass, no temporaries.
 *
 * What does not change in a call is folded into one small table first, a pat_view: [row][PAT entry], where a row is an
 * MTRR type, or bits 6:3 of an EPT leaf.
 */
#include "kernels.h"

// Rows 0 to 7 are the first rows of one half of a plane, rows 8 to 15 those of the other.
static struct pat_view fold(const uint8_t *const half[2], uint64_t pat, uint32_t level)
{
	struct pat_view view = {.pat_bit = pat_bit(level)};

	for (unsigned row = 0; row < PAT_ROWS; row++) {
		for (unsigned i = 0; i < PAT_ENTRIES; i++)
			view.effective[row][i] = plane_at(half[row >> 3], row & 7, pat_entry(pat, i));
	}
	return view;
}

// the address bits of a leaf that maps 2^shift bytes: page_of(46, 2) == 0x3FFFFFE00000
static uint64_t page_of(uint32_t maxphyaddr, uint32_t level)
{
	return low_bits(maxphyaddr) & ~low_bits(leaf_shift[level]);
}

int memtype_effective_types(const memtype_tables *t, uint64_t pat, uint32_t level, const uint64_t *addresses,
			    const uint64_t *ptes, size_t n, uint8_t *types, size_t *index)
{
	const uint8_t *plane = mtrr_pat_plane(t->vendor, 0), *const half[2] = {plane, plane + PLANE / 2};
	const uint64_t *places = addresses ? addresses : ptes;
	uint64_t limit = low_bits(t->maxphyaddr), page = ~UINT64_C(0);
	uint8_t checked[MEMTYPE_CHECKED_FIRST], *out = n <= sizeof(checked) ? checked : types;
	struct pat_view view;

	if (!is_leaf_level(level))
		return MEMTYPE_ELEVEL;
	if (misfit_words(places, n, types, n) || misfit_words(ptes, n, types, n))
		return MEMTYPE_EBUFFER;
	if (!addresses)
		page = page_of(t->maxphyaddr, level);
	view = fold(half, pat, level);
	if (kernels_of(t->isa)->effective(t, &view, places, page, ptes, n, out) > limit)
		return refuse_word(places, 0, n, limit, index);
	if (out == checked && n)
		memcpy(types, checked, n);
	return MEMTYPE_OK;
}

// types[i] = effective[bits 6:3 of eptes[i]][PAT entry that ptes[i] chooses]
static int leaf_types(const struct pat_view *view, uint32_t isa, const uint64_t *eptes, const uint64_t *ptes, size_t n,
		      uint8_t *types)
{
	if (misfit_words(eptes, n, types, n) || misfit_words(ptes, n, types, n))
		return MEMTYPE_EBUFFER;
	kernels_of(isa)->leaves(view, eptes, ptes, n, types);
	return MEMTYPE_OK;
}

int memtype_effective_ept_types(uint64_t pat, uint32_t level, uint32_t cr0_cd, uint32_t isa, const uint64_t *eptes,
				const uint64_t *ptes, size_t n, uint8_t *types)
{
	const uint8_t *const half[2] = {ept_plane(cr0_cd, 0), ept_plane(cr0_cd, 1)}; // IPAT << 3 | type
	struct pat_view view;

	if (!is_leaf_level(level))
		return MEMTYPE_ELEVEL;
	view = fold(half, pat, level);
	return leaf_types(&view, isa, eptes, ptes, n, types);
}

int memtype_ept_types(uint32_t isa, const uint64_t *eptes, size_t n, uint8_t *types, size_t *index)
{
	struct pat_view view = {.pat_bit = pat_bit(1)}; // the PAT entry makes no difference
	uint8_t *first;
	int status;

	for (unsigned row = 0; row < PAT_ROWS; row++)
		memset(view.effective[row], ept_type_table[row & 7], PAT_ENTRIES);
	status = leaf_types(&view, isa, eptes, eptes, n, types);
	if (status != MEMTYPE_OK || !index)
		return status;
	first = n ? memchr(types, MEMTYPE_UNDEFINED, n) : NULL;
	*index = first ? (size_t)(first - types) : n;
	return MEMTYPE_OK;
}

// out[i] = value[PAT entry that ptes[i] chooses], whatever the row
static int entries_of(const uint8_t value[PAT_ENTRIES], uint32_t level, uint32_t isa, const uint64_t *ptes, size_t n,
		      uint8_t *out)
{
	struct pat_view view = {.pat_bit = pat_bit(level)};

	if (!is_leaf_level(level))
		return MEMTYPE_ELEVEL;
	for (unsigned row = 0; row < PAT_ROWS; row++)
		memcpy(view.effective[row], value, PAT_ENTRIES);
	return leaf_types(&view, isa, ptes, ptes, n, out);
}

int memtype_pat_indexes(uint32_t level, uint32_t isa, const uint64_t *ptes, size_t n, uint8_t *indexes)
{
	static const uint8_t value[PAT_ENTRIES] = {0, 1, 2, 3, 4, 5, 6, 7};

	return entries_of(value, level, isa, ptes, n, indexes);
}

int memtype_pat_types(uint64_t pat, uint32_t level, uint32_t isa, const uint64_t *ptes, size_t n, uint8_t *types)
{
	uint8_t value[PAT_ENTRIES];

	for (unsigned k = 0; k < PAT_ENTRIES; k++)
		value[k] = pat_entry(pat, k);
	return entries_of(value, level, isa, ptes, n, types);
}

int memtype_pat_valids(const uint64_t *pats, size_t n, uint8_t *valid)
{
	if (misfit_words(pats, n, valid, n))
		return MEMTYPE_EBUFFER;
	for (size_t i = 0; i < n; i++)
		valid[i] = (uint8_t)memtype_pat_valid(pats[i]);
	return MEMTYPE_OK;
}

/* bulk_portable.c - the array kernels in plain C: what every instruction set must equal. */
#include "kernels.h"

static uint8_t type_of_address(const memtype_tables *t, uint64_t fixed_end, uint64_t address)
{
	unsigned code = CODE_NONE;

	for (unsigned k = 0; k < t->cubes; k++)
		code |= ((address ^ t->base[k]) & t->mask[k]) == 0 ? t->code[k] : CODE_NONE;
	return address < fixed_end ? t->page[address >> PAGE_SHIFT] : code_type(t, code);
}

static uint64_t portable_types(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types)
{
	uint64_t fixed_end = t->shape & SHAPE_FIXED ? FIXED_END : 0, seen = 0;

	for (size_t i = 0; i < n; i++) {
		seen |= addresses[i];
		types[i] = type_of_address(t, fixed_end, addresses[i]);
	}
	return seen;
}

static uint64_t portable_effective(const memtype_tables *t, const struct pat_view *pat, const uint64_t *places,
				   uint64_t page, const uint64_t *ptes, size_t n, uint8_t *types)
{
	uint64_t fixed_end = t->shape & SHAPE_FIXED ? FIXED_END : 0, seen = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t address = places[i] & page;

		seen |= address;
		types[i] = pat->effective[type_of_address(t, fixed_end, address)][leaf_index(ptes[i], pat->pat_bit)];
	}
	return seen;
}

static void portable_leaves(const struct pat_view *pat, const uint64_t *eptes, const uint64_t *ptes, size_t n,
			    uint8_t *types)
{
	for (size_t i = 0; i < n; i++)
		types[i] = pat->effective[eptes[i] >> EPT_TYPE_BIT & 15][leaf_index(ptes[i], pat->pat_bit)];
}

static uint64_t portable_or_words(const uint64_t *words, size_t n)
{
	return or_words(words, n);
}

const struct kernels portable_kernels = {
	portable_types, portable_effective, portable_leaves, NULL, portable_or_words, plain_granules,
};

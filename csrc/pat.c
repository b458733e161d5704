/* pat.c - IA32_PAT: validity, the entry that a page-table leaf chooses, its type. */
#include "internal.h"

#define EACH_BYTE UINT64_C(0x0101010101010101)

// A byte is reserved above 7, and at 2 and 3, where bit 1 is set and bit 2 clear (SDM 3A table 12-10).
int memtype_pat_valid(uint64_t pat)
{
	uint64_t above = pat & 0xF8 * EACH_BYTE;
	uint64_t two_or_three = pat & ~(pat >> 1) & 2 * EACH_BYTE;

	return (above | two_or_three) == 0;
}

int memtype_pat_valids(const uint64_t *pats, size_t n, uint8_t *valid)
{
	for (size_t i = 0; i < n; i++)
		valid[i] = (uint8_t)memtype_pat_valid(pats[i]);
	return MEMTYPE_OK;
}

int memtype_pat_index(uint64_t pte, uint32_t level)
{
	return is_leaf_level(level) ? (int)leaf_index(pte, pat_shift(level)) : MEMTYPE_ELEVEL;
}

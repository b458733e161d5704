/* leaf.c - one leaf of a page table or of EPT, and IA32_PAT, which it points into. */
#include "internal.h"

// A byte is reserved above 7, and at 2 and 3, where bit 1 is set and bit 2 clear (SDM 3A table 12-10).
int memtype_pat_valid(uint64_t pat)
{
	uint64_t above = pat & 0xF8 * EACH_BYTE;
	uint64_t two_or_three = pat & ~(pat >> 1) & 2 * EACH_BYTE;

	return (above | two_or_three) == 0;
}

int memtype_pat_index(uint64_t pte, uint32_t level)
{
	return is_leaf_level(level) ? (int)leaf_index(pte, pat_bit(level)) : MEMTYPE_ELEVEL;
}

// the type in bits 5:3; bit 6: ignore PAT (SDM 3C 29.3.7.2): memtype_ept_leaf(6, 1) == 0x70
int memtype_ept_leaf(uint32_t type, uint32_t ipat)
{
	if (type > 7 || ept_type_table[type] == MEMTYPE_UNDEFINED)
		return MEMTYPE_ETYPE;
	return (int)(type << EPT_TYPE_BIT | (uint32_t)(ipat != 0) << EPT_IPAT_BIT);
}

/* ept.c - the memory type in an EPT leaf: bits 5:3, and bit 6, ignore PAT (SDM 3C 29.3.7.2). */
#include "internal.h"
#include "tables.h"

#define EPT_TYPE_SHIFT 3
#define EPT_IPAT_SHIFT 6

// ept_leaf(6, 1) == 0x70
int memtype_ept_leaf(uint32_t type, uint32_t ipat)
{
	if (type > 7 || ept_type_table[type] == MEMTYPE_UNDEFINED)
		return MEMTYPE_ETYPE;
	return (int)(type << EPT_TYPE_SHIFT | (uint32_t)(ipat != 0) << EPT_IPAT_SHIFT);
}

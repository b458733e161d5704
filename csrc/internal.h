/* internal.h - private inline helpers of the C core. */
#ifndef MEMTYPE_INTERNAL_H
#define MEMTYPE_INTERNAL_H

#include "memtype.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE (UINT64_C(1) << PAGE_SHIFT)
#define FIXED_END (UINT64_C(1) << 20)

#define DEF_TYPE_E (UINT64_C(1) << 11)
#define DEF_TYPE_FE (UINT64_C(1) << 10)
#define MASK_VALID (UINT64_C(1) << 11)
#define CAP_FIX (UINT64_C(1) << 8)
#define BASE_TYPE UINT64_C(0xFF)
#define AMD_FIXED_ROUTING 0x18u /* RdMem, WrMem (APM 2 7.9.1) */
#define SYSCFG_TOM2_EN (UINT64_C(1) << 21)
#define SYSCFG_TOM2_FORCE_WB (UINT64_C(1) << 22)
#define TOM2_FIELD (low_bits(52) & ~low_bits(23))
#define GIB4 (UINT64_C(1) << 32)

/* Bits of an MTRR type field that are legal encodings, as a set: 0, 1, 4, 5, 6 (SDM table 12-2). */
#define MTRR_TYPE_SET 0x73u
/* ... and of a PAT entry: UC- (7) too. */
#define PAT_TYPE_SET 0xF3u

// 2^bits - 1 for bits < 64: low_bits(12) == 0xFFF
static inline uint64_t low_bits(unsigned bits)
{
	return (UINT64_C(1) << bits) - 1;
}

// bits MAXPHYADDR-1:12, the ones a variable range compares: page_bits(36) == 0xFFFFFF000
static inline uint64_t page_bits(uint32_t maxphyaddr)
{
	return low_bits(maxphyaddr) & ~(PAGE_SIZE - 1);
}

static inline int in_type_set(unsigned set, uint64_t encoding)
{
	return encoding < 8 && (set >> encoding & 1) != 0;
}

// MTRR field -> type; a reserved encoding decides nothing but UNDEFINED
static inline uint8_t type_or_undefined(uint64_t encoding)
{
	return in_type_set(MTRR_TYPE_SET, encoding) ? (uint8_t)encoding : (uint8_t)MEMTYPE_UNDEFINED;
}

static inline uint64_t type_byte(uint64_t value, unsigned byte)
{
	return value >> (8 * byte) & 0xFF;
}

static inline int is_leaf_level(uint32_t level)
{
	return level >= 1 && level <= 3;
}

// bit number of PAT in a leaf: 7 where it maps 4 KiB, 12 where more (SDM 4.9.2)
static inline unsigned pat_shift(uint32_t level)
{
	return level == 1 ? 7 : 12;
}

// 4 PAT + 2 PCD + PWT: leaf_index(0x98, 7) == 7, leaf_index(0x1018, 7) == 3
static inline unsigned leaf_index(uint64_t pte, unsigned shift)
{
	return (unsigned)((pte >> 3 & 3) | (pte >> shift & 1) << 2);
}

// the type in entry `index` of IA32_PAT; a reserved byte is UNDEFINED
static inline uint8_t pat_entry(uint64_t pat, unsigned index)
{
	uint64_t entry = type_byte(pat, index);

	return in_type_set(PAT_TYPE_SET, entry) ? (uint8_t)entry : (uint8_t)MEMTYPE_UNDEFINED;
}

// --- what both a single look-up and the tables of the array kernels need of a state ---

static inline int fixed_ranges_on(const memtype_mtrrs *m)
{
	return (m->def_type & DEF_TYPE_FE) != 0 && (m->cap & CAP_FIX) != 0;
}

// 0x00000 -> 0, 0x7FFFF -> 7, 0x80000 -> 8, 0xA0000 -> 16, 0xC0000 -> 24, 0xFFFFF -> 87 (SDM table 12-9)
static inline unsigned fixed_index(uint64_t address)
{
	if (address < 0x80000)
		return (unsigned)(address >> 16);
	if (address < 0xC0000)
		return 8 + (unsigned)((address - 0x80000) >> 14);
	return 24 + (unsigned)((address - 0xC0000) >> 12);
}

static inline uint8_t fixed_type(const memtype_mtrrs *m, unsigned index)
{
	uint64_t encoding = type_byte(m->fixed[index / 8], index % 8);

	if (m->vendor == MEMTYPE_AMD)
		encoding &= ~(uint64_t)AMD_FIXED_ROUTING;
	return type_or_undefined(encoding);
}

static inline uint64_t tom2_limit(const memtype_mtrrs *m)
{
	uint64_t on = SYSCFG_TOM2_EN | SYSCFG_TOM2_FORCE_WB;

	if (m->vendor != MEMTYPE_AMD || (m->syscfg & on) != on)
		return 0;
	return m->tom2 & TOM2_FIELD & low_bits(m->maxphyaddr);
}

#endif

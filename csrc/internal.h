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

#endif

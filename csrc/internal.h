/* internal.h - private inline helpers of the C core. */
#ifndef MEMTYPE_INTERNAL_H
#define MEMTYPE_INTERNAL_H

#include <string.h>

#include "rules.h"

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

// --- bits of a word; MEMTYPE_PLAIN: as for a compiler that has no builtins ---

#if (defined(__GNUC__) || defined(__clang__)) && !defined(MEMTYPE_PLAIN)

static inline unsigned lowest_one(uint64_t word) // of word != 0: lowest_one(0x28) == 3
{
	return (unsigned)__builtin_ctzll(word);
}

static inline unsigned highest_one(uint64_t word) // of word != 0: highest_one(0x28) == 5
{
	return 63u - (unsigned)__builtin_clzll(word);
}

static inline unsigned count_ones(uint64_t word)
{
	return (unsigned)__builtin_popcountll(word);
}

#else

static inline unsigned count_ones(uint64_t word)
{
	unsigned n = 0;

	for (; word; word &= word - 1)
		n++;
	return n;
}

static inline unsigned lowest_one(uint64_t word)
{
	return count_ones((word & (~word + 1)) - 1);
}

static inline unsigned highest_one(uint64_t word)
{
	unsigned bit = 0;

	while (word >>= 1)
		bit++;
	return bit;
}

#endif

static inline int is_width(uint32_t maxphyaddr)
{
	return maxphyaddr - MIN_MAXPHYADDR <= MAX_MAXPHYADDR - MIN_MAXPHYADDR;
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

#define EACH_BYTE UINT64_C(0x0101010101010101)

static inline uint64_t type_byte(uint64_t value, unsigned byte)
{
	return value >> (8 * byte) & 0xFF;
}

static inline int is_leaf_level(uint32_t level)
{
	return level < sizeof(leaf_shift) && leaf_shift[level] != 0;
}

// number of the PAT bit in a leaf: 7 where it maps 4 KiB, 12 where more (SDM 4.9.2)
static inline unsigned pat_bit(uint32_t level)
{
	return level == 1 ? PTE_PAT_4K_BIT : PTE_PAT_LARGE_BIT;
}

_Static_assert(PTE_PCD_BIT == PTE_PWT_BIT + 1, "both are cut out at once");

// 4 PAT + 2 PCD + PWT: leaf_index(0x98, 7) == 7, leaf_index(0x1018, 7) == 3
static inline unsigned leaf_index(uint64_t pte, unsigned bit)
{
	return (unsigned)((pte >> PTE_PWT_BIT & 3) | (pte >> bit & 1) << 2);
}

// the type in entry `index` of IA32_PAT; a reserved byte is UNDEFINED
static inline uint8_t pat_entry(uint64_t pat, unsigned index)
{
	uint64_t entry = type_byte(pat, index);

	return in_type_set(PAT_TYPE_SET, entry) ? (uint8_t)entry : (uint8_t)MEMTYPE_UNDEFINED;
}

// --- planes of the tables of rules.h: [row << 4 | column] ---

// the byte of both, whatever they are: no index leaves the plane
static inline uint8_t plane_at(const uint8_t *plane, unsigned row, unsigned column)
{
	return plane[(row & 15) << 4 | (column & 15)];
}

static inline const uint8_t *mtrr_pat_plane(uint32_t vendor, uint32_t cr0_cd)
{
	return effective_table + PLANE * (2u * (vendor == MEMTYPE_AMD) + (cr0_cd != 0));
}

static inline const uint8_t *ept_plane(uint32_t cr0_cd, uint32_t ipat)
{
	return ept_table + PLANE * (2u * (cr0_cd != 0) + (ipat != 0));
}

// --- what a single look-up, the tables of the array kernels and fleets need of a state ---

// The type where no range matches; where E is 0 no range does (SDM 3A 12.11.2.1).
static inline uint8_t plain_type(uint64_t def_type)
{
	return def_type & DEF_TYPE_E ? type_or_undefined(def_type & DEF_TYPE_TYPE) : (uint8_t)TYPE_WHILE_OFF;
}

// whether the fixed ranges decide below 1 MiB
static inline int fixed_ranges_on(uint64_t def_type, uint64_t cap)
{
	const uint64_t both = DEF_TYPE_E | DEF_TYPE_FE;

	return (def_type & both) == both && (cap & CAP_FIX) != 0;
}

// 0x00000 -> 0, 0x7FFFF -> 7, 0x80000 -> 8, 0xA0000 -> 16, 0xC0000 -> 24, 0xFFFFF -> 87 (SDM table 12-9)
static inline unsigned fixed_index(uint64_t address)
{
	if (address < FIXED_16K_BASE)
		return (unsigned)(address >> FIXED_64K_SHIFT);
	if (address < FIXED_4K_BASE)
		return FIXED_16K_FIRST + (unsigned)((address - FIXED_16K_BASE) >> FIXED_16K_SHIFT);
	return FIXED_4K_FIRST + (unsigned)((address - FIXED_4K_BASE) >> FIXED_4K_SHIFT);
}

// the type in byte `index` of the 88; on AMD bits 4:3 of a byte route (APM 2 7.9.1)
static inline uint8_t fixed_type(const uint64_t fixed[FIXED_MSRS], uint32_t vendor, unsigned index)
{
	uint64_t encoding = type_byte(fixed[index / 8], index % 8);

	return type_or_undefined(vendor == MEMTYPE_AMD ? encoding & ~AMD_FIXED_ROUTING : encoding);
}

// the end of AMD's [4 GiB, TOM2), whose default type is WB; 0 where that is off
static inline uint64_t tom2_limit(uint32_t vendor, uint32_t maxphyaddr, uint64_t syscfg, uint64_t tom2)
{
	const uint64_t on = SYSCFG_TOM2_EN | SYSCFG_TOM2_FORCE_WB;

	if (vendor != MEMTYPE_AMD || (syscfg & on) != on)
		return 0;
	return tom2 & TOM2_FIELD & low_bits(maxphyaddr);
}

static inline uint64_t tom2_of(const memtype_mtrrs *m)
{
	return tom2_limit(m->vendor, m->maxphyaddr, m->syscfg, m->tom2);
}

// --- arrays ---

// The last of sorted bases at or below the address, or gfn; bases[0] is 0. The compare becomes a conditional move, so
// that random addresses cost no mispredicted branch: bases {0, 0x100, 0x8000}, 0x200 -> 1.
static inline size_t find_segment(const uint64_t *bases, size_t count, uint64_t address)
{
	const uint64_t *low = bases;

	while (count > 1) {
		size_t half = count / 2;

		low += low[half] <= address ? half : 0;
		count -= half;
	}
	return (size_t)(low - bases);
}

static inline uint64_t or_words(const uint64_t *words, size_t n)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < n; i++)
		seen |= words[i];
	return seen;
}

// the first of words[start .. n) above `limit`, or n
static inline size_t first_above(const uint64_t *words, size_t start, size_t n, uint64_t limit)
{
	while (start < n && words[start] <= limit)
		start++;
	return start;
}

static inline int refuse(int status, size_t place, size_t *index)
{
	if (index)
		*index = place;
	return status;
}

// The refusal of the first word above `limit`, of which there was one when a kernel looked.
static inline int refuse_word(const uint64_t *words, size_t start, size_t n, uint64_t limit, size_t *index)
{
	return refuse(MEMTYPE_EADDRESS, first_above(words, start, n, limit), index);
}

// Kernels read whole elements, and write before they have read everything. So no function takes `n` elements of `size`
// bytes that are not aligned to it, or share a byte with the output.
static inline int misfit(const void *in, size_t n, size_t size, const void *out, size_t out_bytes)
{
	uintptr_t from = (uintptr_t)in, to = (uintptr_t)out;
	size_t aligned = size < _Alignof(uint64_t) ? size : _Alignof(uint64_t); // 4 on 32-bit x86

	return n != 0 && (from % aligned != 0 || (out_bytes != 0 && from < to + out_bytes && to < from + n * size));
}

static inline int misfit_words(const uint64_t *in, size_t n, const void *out, size_t out_bytes)
{
	return misfit(in, n, sizeof(*in), out, out_bytes);
}

// element i * step of bytes, for n of them; where n is 0 nothing is written
static inline int misfit_bytes(const uint8_t *in, size_t step, size_t n, const uint8_t *out)
{
	return misfit(in, (n - 1) * step + 1, 1, out, n);
}

#endif

/* bulk.h - what the array kernels of all instruction sets share (private). */
#ifndef MEMTYPE_BULK_H
#define MEMTYPE_BULK_H

#include <string.h>

#include "internal.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define MEMTYPE_X86 1
#endif

// Loops over vectors in an array must vanish, or the array lives in memory: gcc does so only above -O2.
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

// --- codes: what the ranges that match an address make together ---
//
// Every cube carries a code, and the codes of all cubes that match are OR-ed. The values are chosen so that the OR
// *is* the precedence rule of SDM 3A 12.11.4.1: UC swallows everything, WT swallows WB, any other meeting gives a
// value that no single type has: 0x11 | 0x13 == 0x13 (WB and WT: WT), 0x11 | 0x14 == 0x15 (WB and WC: undefined).
#define CODE_NONE 0x00   /* nothing matches: the default type */
#define CODE_TOM2 0x10   /* only AMD's [4 GiB, TOM2) matches: WB; every range overrides it */
#define CODE_WB 0x11
#define CODE_WT 0x13
#define CODE_WC 0x14
#define CODE_WP 0x18
#define CODE_RESERVED 0x1C
#define CODE_UC 0xFF     /* bit 7: a byte shuffle answers 0, which is UC */

// memtype_tables.shape
#define SHAPE_FIXED 1u   /* the fixed ranges decide below 1 MiB */
#define SHAPE_FINE 2u    /* some cube compares bits 19:12 */
#define SHAPE_WIDE 4u    /* more bits matter than the fewest windows hold */
#define SHAPE_SPLIT 8u   /* fixed types differ inside a 64 KiB block */
#define SHAPE_TOM2 16u   /* some cube is a part of [4 GiB, TOM2) */

#define GROUP_CUBES 7u       /* a byte has a bit for each; bit 7 says "below 1 MiB", where fixed ranges decide */
#define NIBBLE_WINDOWS 10u   /* bits 51:12, four at a time */
#define SEPTET_WINDOWS 6u    /* bits 53:12, seven at a time */
#define SEPTET_BYTES 128u
#define SEPTET_TOPS (4 * SEPTET_BYTES) /* in a group of four windows: a row for the eighth bit of each */
#define SEPTET_TOP_BYTES 32u

static inline uint8_t code_of(uint64_t encoding)
{
	static const uint8_t codes[8] = {CODE_UC, CODE_WC, CODE_RESERVED, CODE_RESERVED,
					 CODE_WT, CODE_WP, CODE_WB, CODE_RESERVED};

	return encoding < 8 ? codes[encoding] : CODE_RESERVED;
}

static inline void fill_final(uint8_t final_type[16], uint8_t default_type)
{
	memset(final_type, MEMTYPE_UNDEFINED, 16);
	final_type[CODE_NONE & 15] = default_type;
	final_type[CODE_WB & 15] = MEMTYPE_WB;
	final_type[CODE_WT & 15] = MEMTYPE_WT;
	final_type[CODE_WC & 15] = MEMTYPE_WC;
	final_type[CODE_WP & 15] = MEMTYPE_WP;
}

// the type where no range matches and E is 1; all types are UC where E is 0
static inline uint8_t plain_type(const memtype_mtrrs *m)
{
	return m->def_type & DEF_TYPE_E ? type_or_undefined(m->def_type & BASE_TYPE) : (uint8_t)MEMTYPE_UC;
}

// what survived the windows -> type
static inline uint8_t code_type(const memtype_tables *t, unsigned code)
{
	if (code & 0x80)
		return MEMTYPE_UC;
	return code == CODE_TOM2 ? (uint8_t)MEMTYPE_WB : t->final_type[code & 15];
}

// --- one set of kernels ---

// IA32_PAT and the rules that combine it folded together: the effective type of each row under each PAT entry. Rows
// are MTRR types, or bits 6:3 of an EPT leaf.
struct pat_view {
	unsigned pat_bit; // pat_shift(level)
	uint8_t effective[16][8];
};

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

// Refuse the first word from `start` on that is above `limit`; the caller knows that there is one.
static inline int refuse(const uint64_t *words, size_t start, uint64_t limit, size_t *index)
{
	while (words[start] <= limit)
		start++;
	if (index)
		*index = start;
	return MEMTYPE_EADDRESS;
}

#define KERNEL_BLOCK 64u                    /* elements of the largest turn: the output of a cache line */
#define STREAM_MIN (UINT64_C(1) << 25)      /* outputs beyond any last-level cache bypass it */
#define PREFETCH_AHEAD 384                  /* elements: 3 KiB of addresses */

struct kernels {
	// types[i] of addresses[i]; the OR of all addresses
	uint64_t (*types)(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types);
	// types[i] = effective type of an access to places[i] & page through ptes[i]; the OR of all places & page
	uint64_t (*effective)(const memtype_tables *t, const struct pat_view *pat, const uint64_t *places, uint64_t page,
			      const uint64_t *ptes, size_t n, uint8_t *types);
	// types[i] = effective type in the row that bits 6:3 of eptes[i] give, under the PAT entry that ptes[i] chooses
	void (*leaves)(const struct pat_view *pat, const uint64_t *eptes, const uint64_t *ptes, size_t n,
		       uint8_t *types);
	// words[i] = (words[i] & keep) | what the tables say of gfns[i]. Stops before the turn that holds the first gfn
	// above `last`, which is 2^k - 1, and returns how many words were done; n >= MAP_TABLES_FROM. NULL where a search
	// is as good.
	size_t (*fill)(const memtype_tables *t, uint64_t last, const uint64_t *gfns, size_t n, uint64_t keep,
		       uint64_t *words);
	// the OR of all words
	uint64_t (*or_words)(const uint64_t *words, size_t n);
};

extern const struct kernels portable_kernels, ssse3_kernels, avx2_kernels, avx512_kernels;
uint64_t portable_or_words(const uint64_t *words, size_t n); // for what is left of whole vectors
// `isa` is supported
const struct kernels *kernels_of(uint32_t isa);

// Tables that answer with the values of a map's segments: 0, or -1 where it has too many edges or one inside a page.
#define MAP_SEGMENTS 256u
#define MAP_TABLES_FROM 512u /* elements from which on they pay: they cost about a microsecond */
int tables_of_map(const uint64_t *bases, const uint8_t *values, size_t count, uint32_t maxphyaddr, uint32_t isa,
		  memtype_tables *t);

#endif

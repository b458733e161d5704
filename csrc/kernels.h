/* kernels.h - what the array kernels of all instruction sets share (private). */
#ifndef MEMTYPE_KERNELS_H
#define MEMTYPE_KERNELS_H

#include "windows.h"

#if (defined(__GNUC__) || defined(__clang__)) && !defined(MEMTYPE_PLAIN)
#if defined(__x86_64__) && !defined(_MSC_VER) // clang-cl has the intrinsics of the compiled-for set alone
#define MEMTYPE_X86 1
#elif defined(__aarch64__) && !defined(__AARCH64EB__)
#define MEMTYPE_ARM64 1
#endif
#endif

// Loops over vectors in an array must vanish, or the array lives in memory: gcc does so only above -O2.
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#elif !defined(__GNUC__) || defined(MEMTYPE_PLAIN)
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

// A function that is compiled anew where it is called, for what is a constant there.
#if defined(__GNUC__) && !defined(MEMTYPE_PLAIN)
#define FOLDED static inline __attribute__((always_inline))
#else
#define FOLDED static inline
#endif

// Asks for a cache line, into all levels; what lies there need not be in an array.
#if defined(__GNUC__) && !defined(MEMTYPE_PLAIN)
#define ASK(from) __builtin_prefetch(from, 0, 3)
#else
#define ASK(from) (void)(from)
#endif

// IA32_PAT and the rules that combine it folded together: the effective type of each row under each PAT entry. Rows
// are MTRR types, or bits 6:3 of an EPT leaf.
#define PAT_ROWS 16u
#define PAT_ENTRIES 8u
struct pat_view {
	unsigned pat_bit; // its number in the leaves
	uint8_t effective[PAT_ROWS][PAT_ENTRIES];
};

#define KERNEL_BLOCK 64u                    /* elements of the largest step: the output fills a cache line */

// Elements from which on stores bypass the caches; half as many where two words are read for each. With AVX-512 nothing is
// asked for ahead there: of 4 * 10^6 and 2 * 10^7 addresses, 10 ranges (Zen 4): 0.38 and 1.16 ns with stores through the
// caches and PREFETCHNTA, 0.30 and 0.70 so, 0.37 and 0.94 with PREFETCHT0 too; of 1.5 * 10^6, 2 ranges, 0.16 and 0.13; 10^6
// addresses with leaves 0.32 and 0.24. Sapphire Rapids: PREFETCHNTA makes such passes 1.5 to 4 times as slow, and 10^6 cost
// the same.
#define STREAM_MIN (UINT64_C(1) << 20)

static inline int past_caches(size_t n, unsigned words)
{
	return n >= STREAM_MIN / words;
}

// Elements ahead that the nibble kernels ask for there: their steps are long, and few loads of later ones are under way.
// Asking 256 ahead, with AVX2 2 * 10^7 addresses 0.52 -> 0.44 ns, 10^7 with leaves 0.74 -> 0.63; with SSSE3 2 * 10^7
// 0.64 -> 0.54. Of one array alone 1024 are better: 0.413 -> 0.389, 512 0.399, 2048 0.410; of two
// a fourth of that (all Zen 3).
#define STREAM_AHEAD 1024

#define LINES_FROM 1024u // elements that pay for a first step up to where a cache line begins

// Elements ahead that fleets ask for with PREFETCHT0: a state takes 29 ns with it, 37 without; before eight pairs were
// matched at once 34.3, 8 KiB ahead 35.3 (Zen 4, AVX-512; on Sapphire Rapids 8 KiB was good, 4 was never asked). Fills do
// not ask: 10^6 leaves take 0.31 ns each with it and 0.27 without, 2 * 10^7 0.95 and 0.62 (Zen 4); on Sapphire Rapids
// PREFETCHT0 was 0.9 of np.bitwise_or, PREFETCHNTA 1.1 to 1.9, without was never measured there.
#define PREFETCH_AHEAD 512

struct kernels {
	// types[i] of addresses[i]; the OR of all addresses
	uint64_t (*types)(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types);
	// types[i] = effective type of an access to places[i] & page through ptes[i]; the OR of all places & page
	uint64_t (*effective)(const memtype_tables *t, const struct pat_view *pat, const uint64_t *places, uint64_t page,
			      const uint64_t *ptes, size_t n, uint8_t *types);
	// types[i] = effective type in the row that bits 6:3 of eptes[i] give, under the PAT entry that ptes[i] chooses
	void (*leaves)(const struct pat_view *pat, const uint64_t *eptes, const uint64_t *ptes, size_t n,
		       uint8_t *types);
	// words[i] = (words[i] & keep) | what the tables say of gfns[i]. Stops before the step that holds the first gfn
	// above `last`, which is 2^k - 1, and returns how many words were done; n >= MAP_TABLES_FROM. NULL where a search
	// is as good.
	size_t (*fill)(const memtype_tables *t, uint64_t last, const uint64_t *gfns, size_t n, uint64_t keep,
		       uint64_t *words);
	// the OR of all words
	uint64_t (*or_words)(const uint64_t *words, size_t n);
	// look_up_granules of t->granules; t->groups is 0 where the tables hold nothing else
	uint64_t (*granules)(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types);
};

extern const struct kernels portable_kernels, ssse3_kernels, avx2_kernels, avx512_kernels, neon_kernels;

// types[i] of addresses[i], whose bits at and above MAXPHYADDR are ignored; the OR of all addresses
uint64_t look_up_granules(const memtype_granules *g, const uint64_t *addresses, size_t n, uint8_t *types);

// look_up_granules(t->granules): as `granules` of kernels
uint64_t plain_granules(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types);
uint64_t avx2_granules(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types);

// `isa` is supported
const struct kernels *kernels_of(uint32_t isa);

#endif

/* granules_avx2.c - entries of a granule table with AVX2: each is loaded into its byte of a register. Of 255 ranges 10^6
 * addresses take 0.50 ns each, 0.78 with the entries of granules.c (Zen 3). */
#include "granules.h"

#ifdef MEMTYPE_X86
#include "avx2.h"

INLINE __m128i eight_entries(const uint8_t *top, uint64_t limit, uint32_t shift, const uint64_t *a)
{
	__m128i entries = _mm_setzero_si128();

#define ENTRY(k) entries = _mm_insert_epi8(entries, top[(a[k] & limit) >> shift], k)
	ENTRY(0);
	ENTRY(1);
	ENTRY(2);
	ENTRY(3);
	ENTRY(4);
	ENTRY(5);
	ENTRY(6);
	ENTRY(7);
	return entries;
}

INLINE __m128i sixteen_entries(const uint8_t *top, uint64_t limit, uint32_t shift, const uint64_t *a)
{
	return _mm_unpacklo_epi64(eight_entries(top, limit, shift, a), eight_entries(top, limit, shift, a + 8));
}

// The entries of ENTRIES_STEP addresses: bit k of the answer says that entry k names a block.
INLINE uint32_t step_of_entries(const memtype_granules *g, uint32_t shift, const uint64_t *a, uint8_t *types)
{
	const __m256i first = _mm256_set1_epi8(FIRST_BLOCK);
	uint64_t limit = low_bits(g->maxphyaddr);
	__m256i entries = _mm256_set_m128i(sixteen_entries(g->top, limit, shift, a + 16),
					   sixteen_entries(g->top, limit, shift, a));

	_mm256_storeu_si256((__m256i *)(void *)types, entries);
	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(entries, first), entries));
}

INLINE __m256i see32(__m256i seen, const uint64_t *a)
{
	UNROLL
	for (unsigned k = 0; k < ENTRIES_STEP; k += 4)
		seen = _mm256_or_si256(seen, load4(a + k));
	return seen;
}

// Where the bits of `mask` are, from `place` on: the first two without a branch, more are seldom.
INLINE unsigned list_places(uint32_t mask, size_t place, uint16_t *left, unsigned found)
{
	UNROLL
	for (unsigned k = 0; k < 2; k++) {
		left[found] = (uint16_t)(place + (unsigned)__builtin_ctz(mask | 1u << 31));
		found += mask != 0;
		mask &= mask - 1;
	}
	for (; mask; mask &= mask - 1)
		left[found++] = (uint16_t)(place + (unsigned)__builtin_ctz(mask));
	return found;
}

// A step's addresses are read as vectors first, which brings their lines nearer. Places are listed behind all entries: within
// their loop that took 0.62 ns an address, not 0.52.
INLINE unsigned find_entries(const memtype_granules *g, uint32_t shift, const uint64_t *addresses, size_t n, uint8_t *types,
			     uint16_t *left, uint64_t *seen)
{
	uint32_t blocks[ENTRIES / ENTRIES_STEP];
	__m256i all = _mm256_setzero_si256();
	unsigned found = 0;

	for (size_t i = 0; i < n; i += ENTRIES_STEP) {
		all = see32(all, addresses + i);
		blocks[i / ENTRIES_STEP] = step_of_entries(g, shift, addresses + i, types + i);
	}
	for (size_t i = 0; i < n; i += ENTRIES_STEP)
		found = list_places(blocks[i / ENTRIES_STEP], i, left, found);
	*seen |= or_lanes(all);
	return found;
}

static TARGET unsigned avx2_entries(const memtype_granules *g, const uint64_t *addresses, size_t n, uint8_t *types,
				    uint16_t *left, uint64_t *seen)
{
	return g->shift == NARROW_SHIFT ? find_entries(g, NARROW_SHIFT, addresses, n, types, left, seen) :
					  find_entries(g, WIDE_SHIFT, addresses, n, types, left, seen);
}

uint64_t avx2_granules(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types)
{
	return look_up_granules_by(avx2_entries, t->granules, addresses, n, types);
}

#endif

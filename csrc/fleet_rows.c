/* fleet_rows.c - states of a fleet made ready for the fleet kernels (fleet.h says what that is), with AVX2. */
#include "fleet.h"

#ifdef MEMTYPE_X86
#include "avx2.h"

// up to four of the pairs, 0 for those that are not there
INLINE __m256i load_up_to4(const uint64_t *words, size_t left)
{
	const __m256i place = _mm256_setr_epi64x(0, 1, 2, 3);

	if (left >= 4)
		return load4(words);
	return _mm256_maskload_epi64((const long long *)(const void *)words,
				     _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)left), place));
}

// V of PHYSMASK in bit 63, where a blend looks
INLINE __m256i valid_up(__m256i mask)
{
	return _mm256_slli_epi64(mask, 63 - MASK_VALID_BIT);
}

// the OR of the masks of all valid pairs
INLINE uint64_t valid_bits(const uint64_t *mask, size_t pairs)
{
	__m256i seen = _mm256_setzero_si256();

	for (size_t k = 0; k < pairs; k += 4) {
		__m256i four = load_up_to4(mask + k, pairs - k);

		seen = _mm256_or_si256(seen, _mm256_castpd_si256(_mm256_blendv_pd(
			_mm256_setzero_pd(), _mm256_castsi256_pd(four), _mm256_castsi256_pd(valid_up(four)))));
	}
	return or_lanes(seen);
}

// code_of() of the low byte of each word, in all its bytes
INLINE __m256i codes4(__m256i base)
{
	const __m256i low_byte = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 8, 8, 8, 8));
	__m256i encoding = _mm256_shuffle_epi8(base, low_byte);

	return _mm256_shuffle_epi8(table16(code_by_type), _mm256_min_epu8(encoding, _mm256_set1_epi8(KNOWN_CODES)));
}

// the words of `four` whose bits are set in the index come first
static const uint32_t first_words[16][8] = {
	{0, 1, 2, 3, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7}, {2, 3, 0, 1, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7},
	{4, 5, 0, 1, 2, 3, 6, 7}, {0, 1, 4, 5, 2, 3, 6, 7}, {2, 3, 4, 5, 0, 1, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7},
	{6, 7, 0, 1, 2, 3, 4, 5}, {0, 1, 6, 7, 2, 3, 4, 5}, {2, 3, 6, 7, 0, 1, 4, 5}, {0, 1, 2, 3, 6, 7, 4, 5},
	{4, 5, 6, 7, 0, 1, 2, 3}, {0, 1, 4, 5, 6, 7, 2, 3}, {2, 3, 4, 5, 6, 7, 0, 1}, {0, 1, 2, 3, 4, 5, 6, 7},
};

// the valid pairs, in keys, from place `first` on; the place after the last
INLINE uint32_t load_pairs(const uint64_t *base, const uint64_t *mask, size_t pairs, const struct fleet_row *row,
			   struct fleet_block *block)
{
	const __m256i twice = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0, 1, 0, 1, 4, 5, 6, 7, 8, 9, 8, 9, 12, 13, 14, 15));
	const __m256i once = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
	const __m256i spread = row->keys == FLEET_KEYS_16 ? twice : once;
	const __m256i compared = _mm256_set1_epi64x((long long)(~row->beyond & ~(PAGE_SIZE - 1)));
	const __m128i shift = _mm_cvtsi32_si128(row->keys == FLEET_KEYS_64 ? 0 : (int)row->shift);
	uint32_t place = row->first;

	for (size_t k = 0; k < pairs; k += 4) {
		__m256i b = load_up_to4(base + k, pairs - k), m = load_up_to4(mask + k, pairs - k), code = codes4(b);
		unsigned valid = (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(valid_up(m)));
		__m256i order = load4((const uint64_t *)(const void *)first_words[valid]);

		m = _mm256_and_si256(m, compared);
		b = _mm256_shuffle_epi8(_mm256_srl_epi64(_mm256_and_si256(b, m), shift), spread);
		m = _mm256_shuffle_epi8(_mm256_srl_epi64(m, shift), spread);
		store4(block->base + place, _mm256_permutevar8x32_epi32(b, order));
		store4(block->mask + place, _mm256_permutevar8x32_epi32(m, order));
		store4(block->code + place, _mm256_permutevar8x32_epi32(code, order));
		place += (uint32_t)__builtin_popcount(valid);
	}
	return place;
}

INLINE void load_row(const memtype_fleet *f, size_t i, struct fleet_block *block, struct fleet_row *row)
{
	const uint64_t *base = f->base + i * f->pairs, *mask = f->mask + i * f->pairs;
	size_t pairs = fleet_row_pairs(f, i);

	fleet_row_of(f, i, valid_bits(mask, pairs), row);
	row->count = load_pairs(base, mask, pairs, row, block) - row->first;
}

TARGET void fleet_load(const memtype_fleet *f, size_t first, uint32_t rows, struct fleet_block *block)
{
	uint32_t place = 0;

	block->rows = rows;
	for (uint32_t r = 0; r < rows; r++) {
		block->row[r].first = place;
		load_row(f, first + r, block, &block->row[r]);
		place += block->row[r].count;
	}
}

#endif

/* fleet_avx2.c - one state of a fleet against its addresses with AVX2, 32 addresses a turn. */
#include "fleet.h"

#ifdef MEMTYPE_X86
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline)) AVX2

INLINE __m256i table16(const uint8_t *entries)
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)entries));
}

INLINE __m256i load4(const uint64_t *addresses)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)addresses);
}

// 4 x 8 dwords below 256 as one plane, in the order of transpose()
INLINE __m256i pack_bytes(const __m256i dwords[4])
{
	return _mm256_packus_epi16(_mm256_packus_epi32(dwords[0], dwords[1]), _mm256_packus_epi32(dwords[2], dwords[3]));
}

// cut() leaves, in lane l of a plane, for each eight addresses 8k: those at 2l, 4 + 2l, 1 + 2l, 5 + 2l
INLINE __m256i in_order(__m256i bytes)
{
	const __m256i order = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15));

	return _mm256_shuffle_epi8(_mm256_permute4x64_epi64(bytes, 0xD8), order);
}

INLINE __m256i final_types(const uint8_t *final_type, __m256i code)
{
	__m256i only_tom2 = _mm256_cmpeq_epi8(code, _mm256_set1_epi8(CODE_TOM2));

	return _mm256_blendv_epi8(_mm256_shuffle_epi8(table16(final_type), code), _mm256_set1_epi8(MEMTYPE_WB), only_tom2);
}

INLINE uint64_t or_lanes(__m256i bits)
{
	__m128i half = _mm_or_si128(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));

	return (uint64_t)_mm_cvtsi128_si64(half) | (uint64_t)_mm_extract_epi64(half, 1);
}

// keys from 4 GiB up to `tom2`, which is above it
INLINE __m256i tom2_codes(__m256i keys, uint32_t tom2)
{
	const uint32_t from = (uint32_t)(GIB4 >> 20);
	__m256i past = _mm256_sub_epi32(keys, _mm256_set1_epi32((int)from)), most = _mm256_set1_epi32((int)(tom2 - from - 1));

	return _mm256_and_si256(_mm256_cmpeq_epi32(_mm256_min_epu32(past, most), past), _mm256_set1_epi32(CODE_TOM2));
}

INLINE void match_pairs(const struct fleet_row *row, const __m256i keys[4], __m256i codes[4])
{
	UNROLL
	for (unsigned k = 0; k < 4; k++)
		codes[k] = row->tom2 ? tom2_codes(keys[k], row->tom2) : _mm256_setzero_si256();
	for (unsigned i = 0; i < row->count; i++) {
		__m256i base = _mm256_set1_epi32((int)row->base[i]), mask = _mm256_set1_epi32((int)row->mask[i]);
		__m256i code = _mm256_set1_epi32((int)row->code[i]);

		UNROLL
		for (unsigned k = 0; k < 4; k++) {
			__m256i hit = _mm256_cmpeq_epi32(_mm256_and_si256(keys[k], mask), base);

			codes[k] = _mm256_or_si256(codes[k], _mm256_and_si256(hit, code));
		}
	}
}

INLINE __m256i row32(const struct fleet_row *row, const uint64_t *addresses, __m256i *seen, __m256i *low)
{
	const __m256i zero = _mm256_setzero_si256();
	__m256i keys[4], codes[4];

	UNROLL
	for (unsigned k = 0; k < 4; k++) {
		__m256i a = load4(addresses + 8 * k), b = load4(addresses + 8 * k + 4);

		*seen = _mm256_or_si256(*seen, _mm256_or_si256(a, b));
		keys[k] = _mm256_blend_epi32(_mm256_srli_epi64(a, 20), _mm256_slli_epi64(b, 12), 0xAA);
		*low = _mm256_or_si256(*low, _mm256_cmpeq_epi32(keys[k], zero));
	}
	match_pairs(row, keys, codes);
	return in_order(final_types(row->final_type, pack_bytes(codes)));
}

AVX2 uint64_t avx2_row(const struct fleet_row *row, const uint64_t *addresses, size_t n, uint8_t *types, int *low)
{
	__m256i seen = _mm256_setzero_si256(), below = seen;
	uint64_t in[32] = {0};
	uint8_t out[32];
	size_t i = 0;

	for (; i + 32 <= n; i += 32)
		_mm256_storeu_si256((__m256i *)(void *)(types + i), row32(row, addresses + i, &seen, &below));
	if (i < n) {
		memcpy(in, addresses + i, (n - i) * sizeof(*in));
		_mm256_storeu_si256((__m256i *)(void *)out, row32(row, in, &seen, &below));
		memcpy(types + i, out, n - i);
	}
	*low = !_mm256_testz_si256(below, below);
	return or_lanes(seen);
}

#endif

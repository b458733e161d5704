/* avx2.h - what every file with AVX2 kernels begins with (private). */
#ifndef MEMTYPE_AVX2_H
#define MEMTYPE_AVX2_H

#include <immintrin.h>

#define TARGET __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline)) TARGET

// 16 entries, once in every lane
INLINE __m256i table16(const uint8_t *entries)
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)entries));
}

INLINE __m256i load4(const uint64_t *words)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)words);
}

INLINE void store4(uint64_t *words, __m256i four)
{
	_mm256_storeu_si256((__m256i *)(void *)words, four);
}

INLINE uint64_t or_lanes(__m256i bits)
{
	__m128i half = _mm_or_si128(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));

	return (uint64_t)_mm_cvtsi128_si64(half) | (uint64_t)_mm_extract_epi64(half, 1);
}

#endif

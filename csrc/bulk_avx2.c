/* bulk_avx2.c - the array kernels with AVX2: nibble windows, 32 addresses a step. */
#include "kernels.h"

#ifdef MEMTYPE_X86
#include "avx2.h"

#define KERNEL(name) avx2_##name
#define VEC 32u

typedef __m256i vec;

#define v_zero() _mm256_setzero_si256()
#define v_splat8(x) _mm256_set1_epi8((char)(x))
#define v_splat16(x) _mm256_set1_epi16((short)(x))
#define v_splat32(x) _mm256_set1_epi32((int)(x))
#define v_splat64(x) _mm256_set1_epi64x((long long)(x))
#define v_load(from) _mm256_loadu_si256((const __m256i *)(const void *)(from))
#define v_store(to, a) _mm256_storeu_si256((__m256i *)(void *)(to), a)
#define v_stream(to, a) _mm256_stream_si256((__m256i *)(void *)(to), a)
#define v_table16(entries) table16(entries)
#define v_and(a, b) _mm256_and_si256(a, b)
#define v_or(a, b) _mm256_or_si256(a, b)
#define v_equal8(a, b) _mm256_cmpeq_epi8(a, b)
#define v_shuffle(table, index) _mm256_shuffle_epi8(table, index)
#define v_shuffle_low(table, bytes) v_shuffle(table, bytes)
#define v_fence() _mm_sfence()
#define v_ask(from) ASK(from)
#define v_blend(a, b, bit7) _mm256_blendv_epi8(a, b, bit7)
#define v_pick_odd32(even, odd) _mm256_blend_epi32(even, odd, 0xAA)
#define v_shift_left16(a, by) _mm256_slli_epi16(a, by)
#define v_shift_right16(a, by) _mm256_srli_epi16(a, by)
#define v_shift_right16_by(a, by) _mm256_srl_epi16(a, _mm_cvtsi32_si128((int)(by)))
#define v_shift_left64(a, by) _mm256_slli_epi64(a, by)
#define v_shift_right64(a, by) _mm256_srli_epi64(a, by)
#define v_unpack_low32(a, b) _mm256_unpacklo_epi32(a, b)
#define v_unpack_high32(a, b) _mm256_unpackhi_epi32(a, b)
#define v_unpack_low64(a, b) _mm256_unpacklo_epi64(a, b)
#define v_unpack_high64(a, b) _mm256_unpackhi_epi64(a, b)
#define v_pack32(a, b) _mm256_packs_epi32(a, b)
#define v_pack16(a, b) _mm256_packus_epi16(a, b)
#define v_or_lanes(bits) or_lanes(bits)

// Lane l of a plane holds, for each eight addresses, those at 2l, 4 + 2l, 1 + 2l, 5 + 2l.
INLINE vec v_in_order(vec bytes)
{
	const vec order = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15));

	return v_shuffle(_mm256_permute4x64_epi64(bytes, 0xD8), order);
}

INLINE int v_any(vec bits)
{
	return !_mm256_testz_si256(bits, bits);
}

#include "bulk_nibble.h"

const struct kernels avx2_kernels = {
	avx2_types, avx2_effective, avx2_leaves, avx2_fill, avx2_or_words, avx2_granules,
};

#endif

/* bulk_ssse3.c - the array kernels with SSSE3: nibble windows, 16 addresses a step. */
#include "kernels.h"

#ifdef MEMTYPE_X86
#include <tmmintrin.h>

#define TARGET __attribute__((target("ssse3")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define KERNEL(name) ssse3_##name
#define VEC 16u

typedef __m128i vec;

#define v_zero() _mm_setzero_si128()
#define v_splat8(x) _mm_set1_epi8((char)(x))
#define v_splat16(x) _mm_set1_epi16((short)(x))
#define v_splat32(x) _mm_set1_epi32((int)(x))
#define v_splat64(x) _mm_set1_epi64x((long long)(x))
#define v_load(from) _mm_loadu_si128((const __m128i *)(const void *)(from))
#define v_store(to, a) _mm_storeu_si128((__m128i *)(void *)(to), a)
#define v_stream(to, a) _mm_stream_si128((__m128i *)(void *)(to), a)
#define v_table16(entries) v_load(entries)
#define v_and(a, b) _mm_and_si128(a, b)
#define v_or(a, b) _mm_or_si128(a, b)
#define v_equal8(a, b) _mm_cmpeq_epi8(a, b)
#define v_shuffle(table, index) _mm_shuffle_epi8(table, index)
#define v_shuffle_low(table, bytes) v_shuffle(table, bytes)
#define v_fence() _mm_sfence()
#define v_ask(from) ASK(from)
#define v_shift_left16(a, by) _mm_slli_epi16(a, by)
#define v_shift_right16(a, by) _mm_srli_epi16(a, by)
#define v_shift_right16_by(a, by) _mm_srl_epi16(a, _mm_cvtsi32_si128((int)(by)))
#define v_shift_left64(a, by) _mm_slli_epi64(a, by)
#define v_shift_right64(a, by) _mm_srli_epi64(a, by)
#define v_unpack_low32(a, b) _mm_unpacklo_epi32(a, b)
#define v_unpack_high32(a, b) _mm_unpackhi_epi32(a, b)
#define v_unpack_low64(a, b) _mm_unpacklo_epi64(a, b)
#define v_unpack_high64(a, b) _mm_unpackhi_epi64(a, b)
#define v_pack32(a, b) _mm_packs_epi32(a, b)
#define v_pack16(a, b) _mm_packus_epi16(a, b)

// the bits of `b` where `mask` has ones, of `a` elsewhere; blends are SSE4.1
INLINE vec choose(vec a, vec b, vec mask)
{
	return v_or(v_and(b, mask), _mm_andnot_si128(mask, a));
}

INLINE vec v_blend(vec a, vec b, vec bit7)
{
	return choose(a, b, _mm_cmplt_epi8(bit7, v_zero()));
}

INLINE vec v_pick_odd32(vec even, vec odd)
{
	return choose(even, odd, v_splat64(0xFFFFFFFF00000000));
}

// A plane holds, for each four addresses, those at 0, 2, 1, 3.
INLINE vec v_in_order(vec bytes)
{
	return v_shuffle(bytes, _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15));
}

INLINE uint64_t v_or_lanes(vec bits)
{
	return (uint64_t)_mm_cvtsi128_si64(v_or(bits, v_unpack_high64(bits, bits)));
}

INLINE int v_any(vec bits)
{
	return _mm_movemask_epi8(v_equal8(bits, v_zero())) != 0xFFFF;
}

#include "bulk_nibble.h"

const struct kernels ssse3_kernels = {
	ssse3_types, ssse3_effective, ssse3_leaves, ssse3_fill, ssse3_or_words, plain_granules,
};

#endif

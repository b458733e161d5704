/* vector.h - vectors for proofs of memory safety: what they hold is left open, where they are loaded and stored is checked.
 *
 * It stands in the place of the compiler's <immintrin.h> and <arm_neon.h>. A vector is one byte of any value, and so is what an
 * instruction makes of it: more than a processor can do, so that what is proved holds for each. That a streaming store
 * wants an aligned place is kept. What is stored is not: the arrays of these proofs may hold anything from the start, and
 * what a kernel reads of the copies that it pads is a vector again.
 */
#ifndef VECTOR_H
#define VECTOR_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct vector {
	uint8_t any;
} __m128i, __m256i, __m512i, __m256, __m256d, __m512, uint8x16_t;

struct vector nondet_vector(void);
uint64_t nondet_bits(void);

#define VECTOR(...) ((void)(__VA_ARGS__), nondet_vector())
#define BITS(...) ((void)(__VA_ARGS__), nondet_bits())

// --- loads and stores ---

static inline struct vector loaded(const void *from, size_t bytes)
{
	assert(__CPROVER_r_ok(from, bytes));
	return nondet_vector();
}

// eight words, as far as the highest that the mask has
static inline struct vector masked(uint8_t mask, const uint64_t *from)
{
	unsigned few = mask >> 2 ? (mask >> 3 ? 4 : 3) : mask >> 1 ? 2 : mask;
	unsigned words = mask >> 4 ? (mask >> 6 ? (mask >> 7 ? 8 : 7) : mask >> 5 ? 6 : 5) : few;

	assert(words == 0 || __CPROVER_r_ok(from, 8 * words));
	return nondet_vector();
}

// where an array begins that is written, in an object of CBMC that begins before it; NULL: they begin together
#ifndef WRITTEN_FROM
#define WRITTEN_FROM NULL
#endif

static inline void stored(void *to, size_t bytes)
{
	assert(__CPROVER_w_ok(to, bytes));
	assert(!__CPROVER_same_object(to, WRITTEN_FROM) || (uintptr_t)to >= (uintptr_t)WRITTEN_FROM);
}

// an object of CBMC begins where any line may begin
static inline void streamed(void *to, size_t bytes)
{
	assert((uintptr_t)to % bytes == 0);
	stored(to, bytes);
}

static inline void copied(void *to, const void *from, size_t bytes)
{
	assert(__CPROVER_w_ok(to, bytes) && __CPROVER_r_ok(from, bytes));
}
#define memcpy(to, from, bytes) copied(to, from, bytes)

#define _mm_loadu_si128(from) loaded(from, 16)
#define _mm_storeu_si128(to, v) ((void)(v), stored(to, 16))
#define _mm_stream_si128(to, v) ((void)(v), streamed(to, 16))
#define _mm256_loadu_si256(from) loaded(from, 32)
#define _mm256_storeu_si256(to, v) ((void)(v), stored(to, 32))
#define _mm256_stream_si256(to, v) ((void)(v), streamed(to, 32))
#define _mm512_loadu_si512(from) loaded(from, 64)
#define _mm512_maskz_loadu_epi64(mask, from) masked(mask, from)
#define _mm512_storeu_si512(to, v) ((void)(v), stored(to, 64))
#define _mm512_stream_si512(to, v) ((void)(v), streamed(to, 64))
#define _mm_sfence() ((void)0)
#define vld1q_u8(from) loaded(from, 16)
#define vst1q_u8(to, v) ((void)(v), stored(to, 16))

// --- any vector ---

#define _mm256_setzero_pd() nondet_vector()
#define _mm256_setzero_si256() nondet_vector()
#define _mm512_setzero_si512() nondet_vector()
#define _mm_setzero_si128() nondet_vector()
#define _mm256_and_si256 VECTOR
#define _mm256_blend_epi32 VECTOR
#define _mm256_blendv_epi8 VECTOR
#define _mm256_blendv_pd VECTOR
#define _mm256_broadcastsi128_si256 VECTOR
#define _mm256_castpd_si256 VECTOR
#define _mm256_castps_si256 VECTOR
#define _mm256_castsi256_pd VECTOR
#define _mm256_castsi256_ps VECTOR
#define _mm256_castsi256_si128 VECTOR
#define _mm256_cmpeq_epi16 VECTOR
#define _mm256_cmpeq_epi32 VECTOR
#define _mm256_cmpeq_epi64 VECTOR
#define _mm256_cmpeq_epi8 VECTOR
#define _mm256_extracti128_si256 VECTOR
#define _mm256_maskload_epi64 VECTOR
#define _mm256_max_epu8 VECTOR
#define _mm256_min_epu32 VECTOR
#define _mm256_min_epu8 VECTOR
#define _mm256_or_si256 VECTOR
#define _mm256_packs_epi16 VECTOR
#define _mm256_packs_epi32 VECTOR
#define _mm256_packus_epi16 VECTOR
#define _mm256_packus_epi32 VECTOR
#define _mm256_permute4x64_epi64 VECTOR
#define _mm256_permutevar8x32_epi32 VECTOR
#define _mm256_set1_epi16 VECTOR
#define _mm256_set1_epi32 VECTOR
#define _mm256_set1_epi8 VECTOR
#define _mm256_set_m128i VECTOR
#define _mm256_setr_epi64x VECTOR
#define _mm256_shuffle_epi8 VECTOR
#define _mm256_shuffle_ps VECTOR
#define _mm256_slli_epi16 VECTOR
#define _mm256_slli_epi64 VECTOR
#define _mm256_srl_epi16 VECTOR
#define _mm256_srl_epi32 VECTOR
#define _mm256_srl_epi64 VECTOR
#define _mm256_srli_epi16 VECTOR
#define _mm256_srli_epi64 VECTOR
#define _mm256_sub_epi32 VECTOR
#define _mm256_ternarylogic_epi32 VECTOR
#define _mm256_unpackhi_epi32 VECTOR
#define _mm256_unpackhi_epi64 VECTOR
#define _mm256_unpacklo_epi32 VECTOR
#define _mm256_unpacklo_epi64 VECTOR
#define _mm512_and_si512 VECTOR
#define _mm512_broadcast_i32x4 VECTOR
#define _mm512_castps_si512 VECTOR
#define _mm512_castsi256_si512 VECTOR
#define _mm512_castsi512_ps VECTOR
#define _mm512_castsi512_si256 VECTOR
#define _mm512_extracti64x4_epi64 VECTOR
#define _mm512_inserti64x4 VECTOR
#define _mm512_mask_blend_epi8 VECTOR
#define _mm512_mask_multishift_epi64_epi8 VECTOR
#define _mm512_mask_or_epi32 VECTOR
#define _mm512_mask_or_epi64 VECTOR
#define _mm512_maskz_mov_epi32 VECTOR
#define _mm512_min_epu32 VECTOR
#define _mm512_min_epu16 VECTOR
#define _mm512_maskz_mov_epi16 VECTOR
#define _mm512_multishift_epi64_epi8 VECTOR
#define _mm512_or_si512 VECTOR
#define _mm512_packus_epi16 VECTOR
#define _mm512_packus_epi32 VECTOR
#define _mm512_permutex2var_epi8 VECTOR
#define _mm512_permutexvar_epi8 VECTOR
#define _mm512_rol_epi32 VECTOR
#define _mm512_set1_epi16 VECTOR
#define _mm512_set1_epi32 VECTOR
#define _mm512_set1_epi64 VECTOR
#define _mm512_set1_epi8 VECTOR
#define _mm512_shuffle_epi8 VECTOR
#define _mm512_shuffle_ps VECTOR
#define _mm512_slli_epi16 VECTOR
#define _mm512_srl_epi64 VECTOR
#define _mm512_srli_epi64 VECTOR
#define _mm512_sub_epi32 VECTOR
#define _mm512_sub_epi16 VECTOR
#define _mm512_ternarylogic_epi64 VECTOR
#define _mm512_andnot_si512 VECTOR
#define _mm512_cvtepi64_epi8 VECTOR
#define _mm512_gf2p8affine_epi64_epi8 VECTOR
#define _mm512_mask_set1_epi8 VECTOR
#define _mm512_srli_epi16 VECTOR
#define _mm512_sub_epi64 VECTOR
#define _mm512_zextsi128_si512 VECTOR
#define _mm_maskz_shuffle_epi8 VECTOR
#define _mm_insert_epi8 VECTOR
#define _mm_min_epu8 VECTOR
#define _mm_and_si128 VECTOR
#define _mm_andnot_si128 VECTOR
#define _mm_cmpeq_epi8 VECTOR
#define _mm_cmplt_epi8 VECTOR
#define _mm_cvtsi32_si128 VECTOR
#define _mm_or_si128 VECTOR
#define _mm_packs_epi32 VECTOR
#define _mm_packus_epi16 VECTOR
#define _mm_set1_epi16 VECTOR
#define _mm_set1_epi32 VECTOR
#define _mm_set1_epi64x VECTOR
#define _mm_set1_epi8 VECTOR
#define _mm_setr_epi8 VECTOR
#define _mm_shuffle_epi8 VECTOR
#define _mm_slli_epi16 VECTOR
#define _mm_slli_epi64 VECTOR
#define _mm_srl_epi16 VECTOR
#define _mm_srli_epi16 VECTOR
#define _mm_srli_epi64 VECTOR
#define _mm_unpackhi_epi32 VECTOR
#define _mm_unpackhi_epi64 VECTOR
#define _mm_unpacklo_epi32 VECTOR
#define _mm_unpacklo_epi64 VECTOR
#define _mm256_set1_epi64x VECTOR
#define _mm256_cmpgt_epi64 VECTOR
#define vandq_u8 VECTOR
#define vbslq_u8 VECTOR
#define vceqq_u8 VECTOR
#define vdupq_n_s16 VECTOR
#define vdupq_n_u16 VECTOR
#define vdupq_n_u32 VECTOR
#define vdupq_n_u64 VECTOR
#define vdupq_n_u8 VECTOR
#define vorrq_u8 VECTOR
#define vqtbl1q_u8 VECTOR
#define vreinterpretq_s8_u8 VECTOR
#define vreinterpretq_u16_u8 VECTOR
#define vreinterpretq_u32_u8 VECTOR
#define vreinterpretq_u64_u8 VECTOR
#define vreinterpretq_u8_s8 VECTOR
#define vreinterpretq_u8_u16 VECTOR
#define vreinterpretq_u8_u32 VECTOR
#define vreinterpretq_u8_u64 VECTOR
#define vshlq_n_u16 VECTOR
#define vshlq_n_u64 VECTOR
#define vshlq_u16 VECTOR
#define vshrq_n_s8 VECTOR
#define vshrq_n_u16 VECTOR
#define vshrq_n_u64 VECTOR
#define vuzp1q_u16 VECTOR
#define vuzp1q_u8 VECTOR
#define vzip1q_u32 VECTOR
#define vzip1q_u64 VECTOR
#define vzip2q_u32 VECTOR
#define vzip2q_u64 VECTOR

// --- any bits ---

#define _mm256_movemask_epi8 BITS
#define _mm256_testz_si256 BITS
#define _mm512_cmpeq_epi32_mask BITS
#define _mm512_cmpeq_epi64_mask BITS
#define _mm512_cmpeq_epi8_mask BITS
#define _mm512_cmple_epu32_mask BITS
#define _mm512_cmple_epu16_mask BITS
#define _mm512_cmple_epu64_mask BITS
#define _mm512_mask_cmpeq_epi8_mask BITS
#define _mm512_movepi8_mask BITS
#define _mm512_reduce_or_epi64 BITS
#define _mm512_mask_test_epi64_mask BITS
#define _mm512_test_epi64_mask BITS
#define _mm512_test_epi8_mask BITS
#define _mm512_testn_epi64_mask BITS
#define _mm_cvtsi128_si64 BITS
#define _mm_extract_epi64 BITS
#define _mm_movemask_epi8 BITS
#define vgetq_lane_u64 BITS
#define vmaxvq_u8 BITS

#endif

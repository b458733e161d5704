/* fleet_avx512.c - one state of a fleet against its addresses with AVX-512, 64 addresses a turn. */
#include "fleet.h"

#ifdef MEMTYPE_X86
#ifdef MEMTYPE_SIMDE /* the tests emulate the instructions where the processor has none */
#include "simde_avx512.h"
#define AVX512
#else
#include <immintrin.h>
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")))
#endif
#define INLINE static inline __attribute__((always_inline)) AVX512

#define KEYS 4u /* vectors of 16 keys in a turn of 64 addresses */

// keys from 4 GiB up to `tom2`, which is above it
INLINE __m512i tom2_codes(__m512i keys, uint32_t tom2)
{
	const uint32_t from = (uint32_t)(GIB4 >> 20);
	__m512i past = _mm512_sub_epi32(keys, _mm512_set1_epi32((int)from));

	return _mm512_maskz_mov_epi32(_mm512_cmple_epu32_mask(past, _mm512_set1_epi32((int)(tom2 - from - 1))),
				      _mm512_set1_epi32(CODE_TOM2));
}

INLINE void match_pairs(const struct fleet_row *row, const __m512i keys[KEYS], __m512i codes[KEYS])
{
	UNROLL
	for (unsigned k = 0; k < KEYS; k++)
		codes[k] = row->tom2 ? tom2_codes(keys[k], row->tom2) : _mm512_setzero_si512();
	for (unsigned i = 0; i < row->count; i++) {
		__m512i base = _mm512_set1_epi32((int)row->base[i]), mask = _mm512_set1_epi32((int)row->mask[i]);
		__m512i code = _mm512_set1_epi32((int)row->code[i]);

		UNROLL
		for (unsigned k = 0; k < KEYS; k++) {
			uint16_t hit = _mm512_cmpeq_epi32_mask(_mm512_and_si512(keys[k], mask), base);

			codes[k] = _mm512_mask_or_epi32(codes[k], hit, codes[k], code);
		}
	}
}

// `low` collects the lanes below 1 MiB
INLINE void row64(const struct fleet_row *row, const uint64_t *addresses, uint8_t *types, __m512i *seen, uint32_t *low)
{
	const __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)row->final_type));
	const __m512i tom2 = _mm512_set1_epi8(CODE_TOM2), wb = _mm512_set1_epi8(MEMTYPE_WB);
	__m512i keys[KEYS], codes[KEYS], code;

	UNROLL
	for (unsigned k = 0; k < KEYS; k++) {
		__m512i a = _mm512_loadu_si512((const void *)(addresses + 16 * k));
		__m512i b = _mm512_loadu_si512((const void *)(addresses + 16 * k + 8));
		__m512i low_keys = _mm512_castsi256_si512(_mm512_cvtepi64_epi32(_mm512_srli_epi64(a, 20)));

		*seen = _mm512_or_si512(*seen, _mm512_or_si512(a, b));
		keys[k] = _mm512_inserti64x4(low_keys, _mm512_cvtepi64_epi32(_mm512_srli_epi64(b, 20)), 1);
		*low |= _mm512_cmpeq_epi32_mask(keys[k], _mm512_setzero_si512());
	}
	match_pairs(row, keys, codes);
	code = _mm512_inserti32x4(_mm512_castsi128_si512(_mm512_cvtepi32_epi8(codes[0])), _mm512_cvtepi32_epi8(codes[1]), 1);
	code = _mm512_inserti32x4(code, _mm512_cvtepi32_epi8(codes[2]), 2);
	code = _mm512_inserti32x4(code, _mm512_cvtepi32_epi8(codes[3]), 3);
	code = _mm512_mask_blend_epi8(_mm512_cmpeq_epi8_mask(code, tom2), _mm512_shuffle_epi8(table, code), wb);
	_mm512_storeu_si512((void *)types, code);
}

AVX512 uint64_t avx512_row(const struct fleet_row *row, const uint64_t *addresses, size_t n, uint8_t *types, int *low)
{
	__m512i seen = _mm512_setzero_si512();
	uint64_t in[64] = {0};
	uint8_t out[64];
	uint32_t below = 0;
	size_t i = 0;

	for (; i + 64 <= n; i += 64)
		row64(row, addresses + i, types + i, &seen, &below);
	if (i < n) {
		memcpy(in, addresses + i, (n - i) * sizeof(*in));
		row64(row, in, out, &seen, &below);
		memcpy(types + i, out, n - i);
	}
	*low = below != 0;
	return (uint64_t)_mm512_reduce_or_epi64(seen);
}

#endif

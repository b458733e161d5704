/* The AVX-512 that the C core uses, emulated by SIMDe, and what SIMDe 0.7 lacks of it. */
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/gfni.h>

#ifndef _mm512_reduce_or_epi64
static inline long long emulated_reduce_or_epi64(simde__m512i a)
{
	uint64_t lanes[8], seen = 0;

	simde_mm512_storeu_si512(lanes, a);
	for (int i = 0; i < 8; i++)
		seen |= lanes[i];
	return (long long)seen;
}
#define _mm512_reduce_or_epi64(a) emulated_reduce_or_epi64(a)
#endif

#ifndef _mm512_maskz_loadu_epi64
static inline simde__m512i emulated_maskz_loadu(uint8_t mask, const void *from)
{
	uint64_t lanes[8] = {0};

	for (int i = 0; i < 8; i++)
		if (mask >> i & 1)
			memcpy(lanes + i, (const uint64_t *)from + i, 8);
	return simde_mm512_loadu_si512(lanes);
}
#define _mm512_maskz_loadu_epi64(mask, from) emulated_maskz_loadu(mask, from)
#endif

#ifndef _mm512_cvtepi64_epi8
static inline simde__m128i emulated_cvtepi64_epi8(simde__m512i a)
{
	uint64_t lanes[8];
	uint8_t bytes[16] = {0};

	simde_mm512_storeu_si512(lanes, a);
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)lanes[i];
	return simde_mm_loadu_si128(bytes);
}
#define _mm512_cvtepi64_epi8(a) emulated_cvtepi64_epi8(a)
#endif

#ifndef _mm512_zextsi128_si512
#define _mm512_zextsi128_si512(a) simde_mm512_inserti32x4(simde_mm512_setzero_si512(), a, 0)
#endif

#ifndef _mm_maskz_shuffle_epi8
#define _mm_maskz_shuffle_epi8(mask, a, b) simde_mm_maskz_mov_epi8(mask, simde_mm_shuffle_epi8(a, b))
#endif

#ifndef _mm512_stream_si512
#define _mm512_stream_si512(to, a) simde_mm512_store_si512(to, a)
#endif

/* SIMDe 0.7 shifts by 64 where the control byte is 0. */
static inline simde__m512i emulated_multishift(simde__m512i control, simde__m512i a)
{
	uint64_t qwords[8];
	uint8_t shifts[64], bytes[64];

	simde_mm512_storeu_si512(shifts, control);
	simde_mm512_storeu_si512(qwords, a);
	for (int i = 0; i < 64; i++)
		bytes[i] = (uint8_t)(qwords[i / 8] >> (shifts[i] & 63) | qwords[i / 8] << (-shifts[i] & 63));
	return simde_mm512_loadu_si512(bytes);
}
#undef _mm512_multishift_epi64_epi8
#undef _mm512_mask_multishift_epi64_epi8
#define _mm512_multishift_epi64_epi8(control, a) emulated_multishift(control, a)
#define _mm512_mask_multishift_epi64_epi8(old, mask, control, a) \
	_mm512_mask_mov_epi8(old, mask, emulated_multishift(control, a))

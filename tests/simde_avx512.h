/* The AVX-512 that the C core uses, emulated by SIMDe, and what SIMDe 0.7 lacks of it. */
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

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

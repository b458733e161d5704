/* avx512.h - what every file with AVX-512 kernels begins with (private). */
#ifndef MEMTYPE_AVX512_H
#define MEMTYPE_AVX512_H

#ifdef MEMTYPE_SIMDE /* the tests emulate the instructions where the processor has none */
#include "simde_avx512.h"
#define TARGET
#define INLINE static // one copy for all forms: compiled in a second
#else
#include <immintrin.h>
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,gfni,bmi,bmi2")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#endif
#if defined(__clang__) || defined(MEMTYPE_SIMDE)
#define IN_REGISTER(v) (void)(v)
#else // gcc would rather read a vector from memory at each of its uses
#define IN_REGISTER(v) __asm__("" : "+v"(v))
#endif

INLINE __m512i load(const void *from)
{
	return _mm512_loadu_si512(from);
}

// 16 entries, once in every lane
INLINE __m512i table16(const uint8_t *entries)
{
	return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)entries));
}

INLINE void store64(uint8_t *bytes, __m512i value, int stream)
{
	if (stream)
		_mm512_stream_si512((__m512i *)(void *)bytes, value);
	else
		_mm512_storeu_si512((void *)bytes, value);
}

INLINE void prefetch64(const uint64_t *from)
{
	UNROLL
	for (unsigned line = 0; line < 64; line += 8)
		ASK(from + PREFETCH_AHEAD + line);
}

#endif

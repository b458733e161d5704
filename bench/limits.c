/* limits.c - what memory allows: passes that move the bytes of a job and do nothing else. Not part of the product. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw")))
#define AHEAD 384 /* elements of prefetch */
#define STREAM (1u << 25)

static void ahead(const uint64_t *in, size_t elements)
{
	for (size_t i = 0; i < elements; i += 8)
		_mm_prefetch((const char *)(in + AHEAD + i), _MM_HINT_NTA);
}

#define READ(v, in) _mm256_loadu_si256((const __m256i *)(const void *)(in))
#define OR8(r, in) \
	r = _mm256_or_si256(_mm256_or_si256(_mm256_or_si256(READ(4, in), READ(4, in + 4)), \
					    _mm256_or_si256(READ(4, in + 8), READ(4, in + 12))), \
			    _mm256_or_si256(_mm256_or_si256(READ(4, in + 16), READ(4, in + 20)), \
					    _mm256_or_si256(READ(4, in + 24), READ(4, in + 28))))

/* read 8 bytes (and 8 more of `b` unless NULL), write 1; n is a multiple of 64, `out` aligned to 64 */
AVX2 void limit_avx2(const uint64_t *a, const uint64_t *b, size_t n, uint8_t *out)
{
	for (size_t i = 0; i < n; i += 32) {
		__m256i r, s;

		OR8(r, (a + i));
		if (b) {
			OR8(s, (b + i));
			r = _mm256_or_si256(r, s);
		}
		if (n >= STREAM) {
			ahead(a + i, 32);
			if (b)
				ahead(b + i, 32);
			_mm256_stream_si256((__m256i *)(void *)(out + i), r);
		} else {
			_mm256_store_si256((__m256i *)(void *)(out + i), r);
		}
	}
	_mm_sfence();
}

#define READ512(in) _mm512_loadu_si512((const void *)(in))
#define OR512(r, in) \
	r = _mm512_or_si512(_mm512_or_si512(_mm512_or_si512(READ512(in), READ512(in + 8)), \
					    _mm512_or_si512(READ512(in + 16), READ512(in + 24))), \
			    _mm512_or_si512(_mm512_or_si512(READ512(in + 32), READ512(in + 40)), \
					    _mm512_or_si512(READ512(in + 48), READ512(in + 56))))

AVX512 void limit_avx512(const uint64_t *a, const uint64_t *b, size_t n, uint8_t *out)
{
	for (size_t i = 0; i < n; i += 64) {
		__m512i r, s;

		OR512(r, (a + i));
		if (b) {
			OR512(s, (b + i));
			r = _mm512_or_si512(r, s);
		}
		if (n >= STREAM) {
			ahead(a + i, 64);
			if (b)
				ahead(b + i, 64);
			_mm512_stream_si512((void *)(out + i), r);
		} else {
			_mm512_store_si512((void *)(out + i), r);
		}
	}
	_mm_sfence();
}

void limit_memset(uint8_t *out, int value, size_t n)
{
	memset(out, value, n);
}

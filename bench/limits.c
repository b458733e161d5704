/* limits.c - what memory allows: passes that move the bytes of a job and do nothing else. Not part of the product.
 *
 * Which pass is the fastest differs from processor to processor: non-temporal stores win where the output leaves the
 * caches; asking ahead wins or loses. So there are four, and the best at run time is the limit.
 */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define AHEAD 1024 /* elements: 8 KiB */
#define STREAM 1   /* bits of `how`: stores past the caches; ask for what comes 8 KiB on */
#define FETCH 2

#define BLOCK(lanes) (8 * (lanes)) /* elements whose bytes fill one vector of the output */
#define OR8(in, lanes, load, or) \
	or(or(or(load(in), load((in) + (lanes))), or(load((in) + 2 * (lanes)), load((in) + 3 * (lanes)))), \
	   or(or(load((in) + 4 * (lanes)), load((in) + 5 * (lanes))), or(load((in) + 6 * (lanes)), load((in) + 7 * (lanes)))))

static inline __attribute__((always_inline)) void ahead(const uint64_t *in, size_t words)
{
	for (size_t i = 0; i < words; i += 8)
		_mm_prefetch((const char *)(in + AHEAD + i), _MM_HINT_T0);
}

/* Three passes for one width of vector. n is a multiple of 64, `out` aligned to 64.
 * read: 8 bytes (and 8 more of `b` unless NULL) of each element, write 1. merge: read 8, OR them into 8 in place.
 * scan: read 8; the answer keeps the compiler from leaving that out. */
#define PASSES(isa, target, lanes, vector, load, or, store, stream) \
	static inline __attribute__((always_inline)) target void read_##isa(int how, const uint64_t *a, const uint64_t *b, \
									    size_t n, uint8_t *out) \
	{ \
		for (size_t i = 0; i < n; i += BLOCK(lanes)) { \
			vector seen = OR8(a + i, lanes, load, or); \
\
			if (b) \
				seen = or(seen, OR8(b + i, lanes, load, or)); \
			if (how & FETCH) \
				ahead(a + i, BLOCK(lanes)); \
			if (how & FETCH && b) \
				ahead(b + i, BLOCK(lanes)); \
			if (how & STREAM) \
				stream(out + i, seen); \
			else \
				store(out + i, seen); \
		} \
		_mm_sfence(); \
	} \
\
	target void limit_read_##isa(int how, const uint64_t *a, const uint64_t *b, size_t n, uint8_t *out) \
	{ \
		if (how == 0) \
			read_##isa(0, a, b, n, out); \
		else if (how == STREAM) \
			read_##isa(STREAM, a, b, n, out); \
		else if (how == FETCH) \
			read_##isa(FETCH, a, b, n, out); \
		else \
			read_##isa(STREAM | FETCH, a, b, n, out); \
	} \
\
	target void limit_merge_##isa(int how, const uint64_t *in, size_t n, uint64_t *words) \
	{ \
		for (size_t i = 0; i < n; i += BLOCK(lanes)) { \
			if (how & FETCH) { \
				ahead(in + i, BLOCK(lanes)); \
				ahead(words + i, BLOCK(lanes)); \
			} \
			for (size_t k = i; k < i + BLOCK(lanes); k += lanes) \
				store(words + k, or(load(words + k), load(in + k))); \
		} \
	} \
\
	target uint64_t limit_scan_##isa(const uint64_t *in, size_t n) \
	{ \
		vector seen = load(in); \
		uint64_t parts[lanes]; \
\
		for (size_t i = 0; i < n; i += BLOCK(lanes)) \
			seen = or(seen, OR8(in + i, lanes, load, or)); \
		store(parts, seen); \
		return parts[0] | parts[lanes - 1]; \
	}

#define LOAD128(in) _mm_loadu_si128((const void *)(in))
#define STORE128(to, v) _mm_storeu_si128((void *)(to), v)
#define STREAM128(to, v) _mm_stream_si128((void *)(to), v)
PASSES(sse2, , 2, __m128i, LOAD128, _mm_or_si128, STORE128, STREAM128)

#define LOAD256(in) _mm256_loadu_si256((const void *)(in))
#define STORE256(to, v) _mm256_storeu_si256((void *)(to), v)
#define STREAM256(to, v) _mm256_stream_si256((void *)(to), v)
PASSES(avx2, __attribute__((target("avx2"))), 4, __m256i, LOAD256, _mm256_or_si256, STORE256, STREAM256)

#define LOAD512(in) _mm512_loadu_si512((const void *)(in))
#define STORE512(to, v) _mm512_storeu_si512((void *)(to), v)
#define STREAM512(to, v) _mm512_stream_si512((void *)(to), v)
PASSES(avx512, __attribute__((target("avx512f"))), 8, __m512i, LOAD512, _mm512_or_si512, STORE512, STREAM512)

void limit_memset(uint8_t *out, int value, size_t n)
{
	memset(out, value, n);
}

/* What an exact look-up of 64 addresses by windows of their bits, as ours, cannot do without, and nothing else: the cut
 * (8 shuffles), the windows side by side (3 and 8 blends), four windows, two bits above them (46 bits are 30 from bit 16
 * up), what they mean, the first MiB, the order of the addresses, the OR of all that was read. With `b` a byte of each of
 * its entries (4 shuffles), its bits moved, one more look-up. Each block is cut before the one ahead of it is looked up.
 * Reads and writes are those of limit_read_avx512. */
#define SHUFFLES __attribute__((target("avx512f,avx512bw,avx512vbmi,gfni")))
#define INLINED static inline __attribute__((always_inline)) SHUFFLES
#define UNROLL _Pragma("GCC unroll 4") /* an array of vectors is in registers only without a loop */
#define HIGH_HALF UINT64_C(0xF0F0F0F0F0F0F0F0)
#define HIGH_PAIR UINT64_C(0xCCCCCCCCCCCCCCCC)
#define ODD UINT64_C(0xAAAAAAAAAAAAAAAA)
#define STARTS 0x261D160F261D160F

struct windows {
	__m512i w[4];
};

INLINED __m512i cut(const uint64_t *in, __m512i shifts, __m512i *seen)
{
	__m512i a = LOAD512(in), b = LOAD512(in + 8);

	__asm__("" : "+v"(a), "+v"(b)); /* else gcc reads memory in the shuffle, which takes longer */
	*seen = _mm512_ternarylogic_epi64(*seen, a, b, 0xFE);
	return _mm512_mask_multishift_epi64_epi8(_mm512_multishift_epi64_epi8(shifts, a), HIGH_HALF, shifts, b);
}

INLINED struct windows windows_of(const uint64_t *in, __m512i *seen)
{
	const __m512i shifts = _mm512_set1_epi64(STARTS);
	__m512i w[4], even[2], odd[2];

	UNROLL for (size_t k = 0; k < 4; k++)
		w[k] = cut(in + 16 * k, shifts, seen);
	UNROLL for (size_t k = 0; k < 2; k++) {
		even[k] = _mm512_mask_blend_epi8(ODD, w[2 * k], w[2 * k + 1]);
		odd[k] = _mm512_mask_blend_epi8(ODD, w[2 * k + 1], w[2 * k]);
	}
	return (struct windows){{
		_mm512_mask_blend_epi8(HIGH_PAIR, even[0], even[1]),
		_mm512_shuffle_epi8(_mm512_mask_blend_epi8(HIGH_PAIR, odd[0], odd[1]), shifts),
		_mm512_rol_epi32(_mm512_mask_blend_epi8(HIGH_PAIR, even[1], even[0]), 16),
		_mm512_shuffle_epi8(_mm512_mask_blend_epi8(HIGH_PAIR, odd[1], odd[0]), shifts),
	}};
}

INLINED __m512i found_in(struct windows p)
{
	const __m512i low = _mm512_set1_epi8(7), high = _mm512_set1_epi8(6);
	__m512i page = _mm512_permutexvar_epi8(p.w[0], high), first = _mm512_shuffle_epi8(low, p.w[2]);
	__m512i second = _mm512_shuffle_epi8(high, p.w[3]), hits;

	UNROLL for (size_t k = 0; k < 4; k++)
		p.w[k] = _mm512_permutex2var_epi8(low, p.w[k], high);
	hits = _mm512_and_si512(_mm512_ternarylogic_epi64(p.w[0], p.w[1], p.w[2], 0x80), p.w[3]);
	hits = _mm512_ternarylogic_epi64(hits, first, high, 0x60);
	hits = _mm512_ternarylogic_epi64(hits, second, low, 0x60);
	return _mm512_mask_blend_epi8(_mm512_movepi8_mask(hits), _mm512_permutex2var_epi8(low, hits, high), page);
}

INLINED __m512i combined(__m512i types, const uint64_t *in, __m512i *seen)
{
	const __m512i from = _mm512_set1_epi64(STARTS), low = _mm512_set1_epi8(7), high = _mm512_set1_epi8(6);
	__m512i entry = _mm512_setzero_si512();

	UNROLL for (size_t k = 0; k < 64; k += 16) {
		__m512i a = LOAD512(in + k), b = LOAD512(in + k + 8);

		__asm__("" : "+v"(a), "+v"(b));
		*seen = _mm512_ternarylogic_epi64(*seen, a, b, 0xFE);
		entry = _mm512_or_si512(entry, _mm512_permutex2var_epi8(a, from, b));
	}
	entry = _mm512_gf2p8affine_epi64_epi8(entry, from, 0);
	return _mm512_permutex2var_epi8(low, _mm512_or_si512(types, entry), high);
}

INLINED uint64_t shuffle(int how, const uint64_t *a, const uint64_t *b, size_t n, uint8_t *out)
{
	__m512i seen = _mm512_setzero_si512();
	struct windows next = windows_of(a, &seen);

	for (size_t i = 0; i < n; i += 64) {
		const struct windows now = next;
		__m512i types;

		next = windows_of(a + (i + 64 < n ? i + 64 : i), &seen);
		types = found_in(now);
		if (b)
			types = combined(types, b + i, &seen);
		types = _mm512_permutexvar_epi8(_mm512_set1_epi64(STARTS), types);
		if (how & STREAM)
			STREAM512(out + i, types);
		else
			STORE512(out + i, types);
	}
	_mm_sfence();
	return (uint64_t)_mm512_reduce_or_epi64(seen);
}

SHUFFLES uint64_t floor_shuffles(int how, const uint64_t *a, const uint64_t *b, size_t n, uint8_t *out)
{
	return b ? shuffle(how, a, b, n, out) : shuffle(how, a, NULL, n, out);
}

/* bulk_avx512.c - the array kernels with AVX-512 VBMI: septet windows, 64 addresses a turn (windows.c explains). */
#include "bulk.h"

#ifdef MEMTYPE_X86
#ifdef MEMTYPE_SIMDE /* the tests emulate the instructions where the processor has none */
#include "simde_avx512.h"
#define AVX512
#else
#include <immintrin.h>
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")))
#endif
#define INLINE static inline __attribute__((always_inline)) AVX512

#define LOADS 8u  /* vectors of eight addresses in a turn */
#define FIELDS 4u /* windows that one cut brings out */

// bytes 4-7 of every qword; bytes 1, 3, 5, 7; bytes 0, 2, 4, 6; bytes 2, 3, 6, 7; bytes 0, 1, 4, 5
#define HIGH_HALF UINT64_C(0xF0F0F0F0F0F0F0F0)
#define ODD UINT64_C(0xAAAAAAAAAAAAAAAA)
#define EVEN UINT64_C(0x5555555555555555)
#define HIGH_PAIRS UINT64_C(0xCCCCCCCCCCCCCCCC)
#define LOW_PAIRS UINT64_C(0x3333333333333333)

INLINE __m512i table64(const uint8_t *entries)
{
	return _mm512_loadu_si512((const void *)entries);
}

// entries[low seven bits of each byte], from 128 entries
INLINE __m512i lookup128(const uint8_t *entries, __m512i bytes)
{
	return _mm512_permutex2var_epi8(table64(entries), bytes, table64(entries + 64));
}

// a byte per field: the shifts of four windows, as bytes 3:0 and again as bytes 7:4 of every qword
INLINE __m512i field_shifts(unsigned first, unsigned width)
{
	uint64_t shifts = 0;

	UNROLL
	for (unsigned k = 0; k < FIELDS; k++)
		shifts |= (uint64_t)(first + k * width) << 8 * k;
	return _mm512_set1_epi64((long long)(shifts | shifts << 32));
}

// `a`, with the bytes in `mask` replaced by those of `b` that stand `up` places below (up < 0: above) them
#define TAKE_UP(a, mask, b, up) _mm512_mask_shuffle_epi8(a, mask, b, bytes_from(-(up)))

// a shuffle that takes byte i + by (by is -2 .. 2; what leaves the lane is masked out by the callers)
INLINE __m512i bytes_from(int by)
{
	const __m512i identity = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));

	return _mm512_and_si512(_mm512_add_epi8(identity, _mm512_set1_epi8((char)by)), _mm512_set1_epi8(15));
}

// Four windows of 64 addresses as planes of bytes; bits 7 of the bytes are rubbish. Two addresses share a qword;
// then the bytes of four vectors are transposed. Byte 8 i + 4 h + k of a plane is of address 16 k + 8 h + i.
INLINE void cut4(const __m512i in[LOADS], __m512i shifts, __m512i plane[FIELDS])
{
	__m512i pair[4], even, odd, even2, odd2;

	UNROLL
	for (unsigned k = 0; k < 4; k++)
		pair[k] = _mm512_mask_multishift_epi64_epi8(_mm512_multishift_epi64_epi8(shifts, in[2 * k]),
							    HIGH_HALF, shifts, in[2 * k + 1]);
	even = TAKE_UP(pair[0], ODD, pair[1], 1);   // windows 0, 2 of vectors 0, 1
	odd = TAKE_UP(pair[1], EVEN, pair[0], -1);   // windows 1, 3
	even2 = TAKE_UP(pair[2], ODD, pair[3], 1);
	odd2 = TAKE_UP(pair[3], EVEN, pair[2], -1);
	plane[0] = TAKE_UP(even, HIGH_PAIRS, even2, 2);
	plane[1] = TAKE_UP(odd, HIGH_PAIRS, odd2, 2);
	plane[2] = TAKE_UP(even2, LOW_PAIRS, even, -2);
	plane[3] = TAKE_UP(odd2, LOW_PAIRS, odd, -2);
}

// one window in the order of cut4: vector 2 k + h goes to byte 4 h + k of every qword
INLINE __m512i cut1(const __m512i in[LOADS], unsigned shift)
{
	const __m512i shifts = _mm512_set1_epi8((char)shift);
	__m512i pair[4];

	UNROLL
	for (unsigned k = 0; k < 4; k++)
		pair[k] = _mm512_mask_multishift_epi64_epi8(_mm512_multishift_epi64_epi8(shifts, in[2 * k]), HIGH_HALF,
							    shifts, in[2 * k + 1]);
	return _mm512_mask_blend_epi8(HIGH_PAIRS, _mm512_mask_blend_epi8(ODD, pair[0], pair[1]),
				      _mm512_mask_blend_epi8(ODD, pair[2], pair[3]));
}

INLINE __m512i in_order(__m512i bytes)
{
	// address 16 k + 8 h + i from byte 8 i + 4 h + k
	static const uint8_t order[64] = {
		0, 8,  16, 24, 32, 40, 48, 56, 4, 12, 20, 28, 36, 44, 52, 60, 1, 9,  17, 25, 33, 41,
		49, 57, 5, 13, 21, 29, 37, 45, 53, 61, 2, 10, 18, 26, 34, 42, 50, 58, 6, 14, 22, 30,
		38, 46, 54, 62, 3, 11, 19, 27, 35, 43, 51, 59, 7, 15, 23, 31, 39, 47, 55, 63,
	};

	return _mm512_permutexvar_epi8(table64(order), bytes);
}

// which of a group's cubes match, one bit each; bit 7: below 1 MiB
INLINE __m512i match_group(const uint8_t *entries, const __m512i *plane, unsigned windows)
{
	__m512i hits = lookup128(entries, plane[0]);

	UNROLL
	for (unsigned w = 1; w < windows; w++)
		hits = _mm512_and_si512(hits, lookup128(entries + w * SEPTET_BYTES, plane[w]));
	return hits;
}

// codes of more than one group -> types
INLINE __m512i final_types(const memtype_tables *t, __m512i code)
{
	const __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)t->final_type));
	uint64_t only_tom2 = _mm512_cmpeq_epi8_mask(code, _mm512_set1_epi8(CODE_TOM2));

	return _mm512_mask_blend_epi8(only_tom2, _mm512_shuffle_epi8(table, code), _mm512_set1_epi8(MEMTYPE_WB));
}

// what the ranges say, and which lanes lie below 1 MiB with fixed ranges on
INLINE __m512i variable_types(const memtype_tables *t, const __m512i *plane, unsigned windows, uint64_t *low)
{
	__m512i hits = match_group(t->window, plane, windows);
	__m512i code = lookup128(t->decode, hits);

	*low = _mm512_movepi8_mask(hits);
	if (t->groups == 1)
		return code; // decode holds types
	for (unsigned g = 1; g < t->groups; g++) {
		hits = match_group(t->window + g * SEPTET_WINDOWS * SEPTET_BYTES, plane, windows);
		code = _mm512_or_si512(code, lookup128(t->decode + g * SEPTET_BYTES, hits));
	}
	return final_types(t, code);
}

INLINE __m512i fixed_types(const uint8_t *pages, __m512i page)
{
	return _mm512_mask_blend_epi8(_mm512_movepi8_mask(page), lookup128(pages, page), lookup128(pages + 128, page));
}

INLINE __m512i types64(const memtype_tables *t, const uint64_t *addresses, int universal, __m512i *seen)
{
	unsigned page = t->shape & SHAPE_GFN ? 0 : PAGE_SHIFT; // where the page number begins
	__m512i in[LOADS], plane[2 * FIELDS], type;
	uint64_t low;

	UNROLL
	for (unsigned k = 0; k < LOADS; k++) {
		in[k] = _mm512_loadu_si512((const void *)(addresses + 8 * k));
		*seen = _mm512_or_si512(*seen, in[k]);
	}
	cut4(in, field_shifts(page + (universal ? 0 : 8), 7), plane);
	if (universal)
		cut4(in, field_shifts(page + 28, 7), plane + FIELDS);
	type = variable_types(t, plane, universal ? SEPTET_WINDOWS : 4, &low);
	return in_order(_mm512_mask_blend_epi8(low, type, fixed_types(t->page, cut1(in, page))));
}

INLINE uint64_t run(const memtype_tables *t, const uint64_t *addresses, size_t blocks, uint8_t *restrict types,
		    int stream, int universal)
{
	__m512i seen = _mm512_setzero_si512();

	for (size_t i = 0; i < blocks; i++, addresses += 64, types += 64) {
		__m512i type = types64(t, addresses, universal, &seen);

		if (stream) {
			UNROLL
			for (unsigned line = 0; line < 64; line += 8)
				__builtin_prefetch(addresses + PREFETCH_AHEAD + line, 0, 0);
			_mm512_stream_si512((__m512i *)(void *)types, type);
		} else {
			_mm512_storeu_si512((void *)types, type);
		}
	}
	if (stream)
		_mm_sfence();
	return (uint64_t)_mm512_reduce_or_epi64(seen);
}

static AVX512 uint64_t coarse(const memtype_tables *t, const uint64_t *addresses, size_t blocks, uint8_t *types,
			      int stream)
{
	return run(t, addresses, blocks, types, stream, 0);
}

static AVX512 uint64_t universal(const memtype_tables *t, const uint64_t *addresses, size_t blocks, uint8_t *types,
				 int stream)
{
	return run(t, addresses, blocks, types, stream, 1);
}

static uint64_t avx512_types(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types)
{
	return types_any(t->shape & (SHAPE_FINE | SHAPE_WIDE) ? universal : coarse, t, addresses, n, types);
}

// --- PAT entries ---

// PAT << 2 | PCD << 1 | PWT of 64 leaves; bit `pat_bit` is PAT
INLINE __m512i leaf_indexes(const uint64_t *ptes, unsigned pat_bit)
{
	__m512i in[LOADS], index;

	UNROLL
	for (unsigned k = 0; k < LOADS; k++)
		in[k] = _mm512_loadu_si512((const void *)(ptes + 8 * k));
	index = _mm512_or_si512(_mm512_and_si512(cut1(in, 3), _mm512_set1_epi8(3)),
				_mm512_and_si512(cut1(in, pat_bit - 2), _mm512_set1_epi8(4)));
	return in_order(index);
}

const struct kernels avx512_kernels = {
	avx512_types, portable_effective, portable_leaves, NULL, portable_or_words,
};

#endif

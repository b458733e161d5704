/* bulk_avx2.c - the array kernels with AVX2: nibble windows, 32 addresses a turn (windows.c explains). */
#include "bulk.h"

#ifdef MEMTYPE_X86
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline)) AVX2

// Byte j of a plane belongs to address order[j]; lanes[0] holds addresses 0-3 of each eight, lanes[1] 4-7: see cut().
#define PLANES 5u

INLINE __m256i table16(const uint8_t *entries)
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)entries));
}

INLINE __m256i load4(const uint64_t *addresses)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)addresses);
}

// the low or the high nibble of each byte
INLINE __m256i low_nibble(__m256i bytes)
{
	return _mm256_and_si256(bytes, _mm256_set1_epi8(15));
}

INLINE __m256i high_nibble(__m256i bytes)
{
	return low_nibble(_mm256_srli_epi16(bytes, 4));
}

// Transpose 4 x 8 dwords into planes of 32 bytes: byte k of every dword goes to plane k.
INLINE void transpose(const __m256i dwords[4], __m256i plane[4])
{
	const __m256i by_byte = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
	__m256i a = _mm256_shuffle_epi8(dwords[0], by_byte), b = _mm256_shuffle_epi8(dwords[1], by_byte);
	__m256i c = _mm256_shuffle_epi8(dwords[2], by_byte), d = _mm256_shuffle_epi8(dwords[3], by_byte);
	__m256i ab = _mm256_unpacklo_epi32(a, b), cd = _mm256_unpacklo_epi32(c, d);

	plane[0] = _mm256_unpacklo_epi64(ab, cd);
	plane[1] = _mm256_unpackhi_epi64(ab, cd);
	ab = _mm256_unpackhi_epi32(a, b);
	cd = _mm256_unpackhi_epi32(c, d);
	plane[2] = _mm256_unpacklo_epi64(ab, cd);
	plane[3] = _mm256_unpackhi_epi64(ab, cd);
}

// 4 x 8 dwords below 256 as one plane, in the order of transpose()
INLINE __m256i pack_bytes(const __m256i dwords[4])
{
	return _mm256_packus_epi16(_mm256_packus_epi32(dwords[0], dwords[1]), _mm256_packus_epi32(dwords[2], dwords[3]));
}

// `down` is 12 for addresses, 0 for gfns: bits 31:0 of 32 gfns as four planes of bytes and, if `wide`, bits 39:32
// as a fifth. Two addresses share a qword: one shifted down, one shifted up, so that both land on whole dwords.
INLINE void cut(const uint64_t *addresses, int down, int wide, __m256i plane[PLANES], __m256i *seen)
{
	__m256i dwords[4], tops[4];

	UNROLL
	for (unsigned k = 0; k < 4; k++) {
		__m256i a = load4(addresses + 8 * k), b = load4(addresses + 8 * k + 4);

		*seen = _mm256_or_si256(*seen, _mm256_or_si256(a, b));
		dwords[k] = _mm256_blend_epi32(_mm256_srli_epi64(a, down), _mm256_slli_epi64(b, 32 - down), 0xAA);
		tops[k] = _mm256_blend_epi32(_mm256_srli_epi64(a, 32 + down), _mm256_srli_epi64(b, down), 0xAA);
	}
	transpose(dwords, plane);
	// tops are below 2^8 or the call fails, so saturation keeps them
	plane[4] = wide ? pack_bytes(tops) : _mm256_setzero_si256();
}

// cut() leaves, in lane l of a plane, for each eight addresses 8k: those at 2l, 4 + 2l, 1 + 2l, 5 + 2l
INLINE __m256i in_order(__m256i bytes)
{
	const __m256i order = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15));

	return _mm256_shuffle_epi8(_mm256_permute4x64_epi64(bytes, 0xD8), order);
}

// which of a group's cubes match: bit k of each byte
INLINE __m256i match_group(const uint8_t *entries, const __m256i *plane, unsigned first, unsigned planes)
{
	__m256i hits = _mm256_set1_epi8(-1);

	UNROLL
	for (unsigned k = first; k < planes; k++) {
		const uint8_t *pair = entries + 32 * k;

		hits = _mm256_and_si256(hits, _mm256_shuffle_epi8(table16(pair), low_nibble(plane[k])));
		hits = _mm256_and_si256(hits, _mm256_shuffle_epi8(table16(pair + 16), high_nibble(plane[k])));
	}
	return hits;
}

INLINE __m256i decode_group(const uint8_t *codes, __m256i hits)
{
	return _mm256_or_si256(_mm256_shuffle_epi8(table16(codes), low_nibble(hits)),
			       _mm256_shuffle_epi8(table16(codes + 16), high_nibble(hits)));
}

INLINE __m256i final_types(const uint8_t *final_type, __m256i code)
{
	__m256i only_tom2 = _mm256_cmpeq_epi8(code, _mm256_set1_epi8(CODE_TOM2));

	return _mm256_blendv_epi8(_mm256_shuffle_epi8(table16(final_type), code), _mm256_set1_epi8(MEMTYPE_WB), only_tom2);
}

// what the variable ranges, TOM2 and the default type say
INLINE __m256i variable_types(const memtype_tables *t, const __m256i *plane, unsigned first, unsigned planes)
{
	__m256i code = _mm256_setzero_si256();

	for (unsigned g = 0; g < t->groups; g++) {
		__m256i hits = match_group(t->window + g * NIBBLE_WINDOWS * 16, plane, first, planes);

		code = _mm256_or_si256(code, decode_group(t->decode + 32 * g, hits));
	}
	return final_types(t->final_type, code);
}

// bit `bit` of each byte moved to bit 7, where a blend looks
#define BIT_UP(bytes, bit) _mm256_slli_epi16(bytes, 7 - (bit))

// The fixed ranges as they are (SDM table 12-9): 8 of 64 KiB, 16 of 16 KiB, 64 of 4 KiB; `page` is bits 19:12.
INLINE __m256i split_types(const uint8_t *fixed, __m256i page)
{
	__m256i in_row = low_nibble(page), row[4], low, high, type16;

	UNROLL
	for (unsigned k = 0; k < 4; k++)
		row[k] = _mm256_shuffle_epi8(table16(fixed + 24 + 16 * k), in_row);
	low = _mm256_blendv_epi8(row[0], row[1], BIT_UP(page, 4));
	high = _mm256_blendv_epi8(row[2], row[3], BIT_UP(page, 4));
	type16 = _mm256_shuffle_epi8(table16(fixed + 8), low_nibble(_mm256_srli_epi16(page, 2)));
	low = _mm256_blendv_epi8(low, high, BIT_UP(page, 5));
	low = _mm256_blendv_epi8(type16, low, BIT_UP(page, 6));
	return _mm256_blendv_epi8(_mm256_shuffle_epi8(table16(fixed), high_nibble(page)), low, page);
}

INLINE __m256i fixed_types(const memtype_tables *t, __m256i page, int split)
{
	return split ? split_types(t->fixed, page) : _mm256_shuffle_epi8(table16(t->fixed), high_nibble(page));
}

INLINE __m256i below_1m(const memtype_tables *t, const __m256i plane[PLANES])
{
	__m256i above = _mm256_or_si256(_mm256_or_si256(plane[1], plane[2]), _mm256_or_si256(plane[3], plane[4]));
	__m256i on = _mm256_set1_epi8(t->shape & SHAPE_FIXED ? -1 : 0);

	return _mm256_and_si256(_mm256_cmpeq_epi8(above, _mm256_setzero_si256()), on);
}

INLINE __m256i types32(const memtype_tables *t, const uint64_t *addresses, uint32_t shape, __m256i *seen)
{
	__m256i plane[PLANES], type;

	cut(addresses, shape & SHAPE_GFN ? 0 : PAGE_SHIFT, (shape & SHAPE_WIDE) != 0, plane, seen);
	type = variable_types(t, plane, shape & SHAPE_FINE ? 0 : 1, shape & SHAPE_WIDE ? 5 : 4);
	type = _mm256_blendv_epi8(type, fixed_types(t, plane[0], (shape & SHAPE_SPLIT) != 0), below_1m(t, plane));
	return in_order(type);
}

INLINE uint64_t or_lanes(__m256i bits)
{
	__m128i half = _mm_or_si128(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));

	return (uint64_t)_mm_cvtsi128_si64(half) | (uint64_t)_mm_extract_epi64(half, 1);
}

INLINE uint64_t run(const memtype_tables *t, const uint64_t *addresses, size_t blocks, uint8_t *restrict types,
		    int stream, uint32_t shape)
{
	__m256i seen = _mm256_setzero_si256();

	for (size_t i = 0; i < 2 * blocks; i++, addresses += 32, types += 32) {
		__m256i type = types32(t, addresses, shape, &seen);

		if (stream) {
			for (unsigned line = 0; line < 32; line += 8)
				_mm_prefetch((const char *)(addresses + PREFETCH_AHEAD + line), _MM_HINT_NTA);
			_mm256_stream_si256((__m256i *)(void *)types, type);
		} else {
			_mm256_storeu_si256((__m256i *)(void *)types, type);
		}
	}
	if (stream)
		_mm_sfence();
	return or_lanes(seen);
}

// one copy of the loop for each shape a state can have
#define VARIANT(name, shape) \
	static AVX2 uint64_t name(const memtype_tables *t, const uint64_t *addresses, size_t blocks, \
				  uint8_t *types, int stream) \
	{ \
		return run(t, addresses, blocks, types, stream, shape); \
	}
VARIANT(types_plain, 0)
VARIANT(types_fine, SHAPE_FINE)
VARIANT(types_wide, SHAPE_WIDE)
VARIANT(types_fine_wide, SHAPE_FINE | SHAPE_WIDE)
VARIANT(types_split, SHAPE_SPLIT)
VARIANT(types_fine_split, SHAPE_FINE | SHAPE_SPLIT)
VARIANT(types_wide_split, SHAPE_WIDE | SHAPE_SPLIT)
VARIANT(types_fine_wide_split, SHAPE_FINE | SHAPE_WIDE | SHAPE_SPLIT)
VARIANT(types_gfn, SHAPE_GFN)
VARIANT(types_fine_gfn, SHAPE_FINE | SHAPE_GFN)
VARIANT(types_wide_gfn, SHAPE_WIDE | SHAPE_GFN)
VARIANT(types_fine_wide_gfn, SHAPE_FINE | SHAPE_WIDE | SHAPE_GFN)
VARIANT(types_split_gfn, SHAPE_SPLIT | SHAPE_GFN)
VARIANT(types_fine_split_gfn, SHAPE_FINE | SHAPE_SPLIT | SHAPE_GFN)
VARIANT(types_wide_split_gfn, SHAPE_WIDE | SHAPE_SPLIT | SHAPE_GFN)
VARIANT(types_fine_wide_split_gfn, SHAPE_FINE | SHAPE_WIDE | SHAPE_SPLIT | SHAPE_GFN)

static uint64_t avx2_types(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types)
{
	static const types_blocks variants[16] = {
		types_plain, types_fine, types_wide, types_fine_wide,
		types_split, types_fine_split, types_wide_split, types_fine_wide_split,
		types_gfn, types_fine_gfn, types_wide_gfn, types_fine_wide_gfn,
		types_split_gfn, types_fine_split_gfn, types_wide_split_gfn, types_fine_wide_split_gfn,
	};

	return types_any(variants[t->shape / SHAPE_FINE], t, addresses, n, types);
}

// --- PAT entries and words ---

// Bits 7, 4, 3 (PAT, PCD, PWT) of 32 leaves as bytes, the PAT bit from bit 12 if `large`.
INLINE __m256i leaf_bytes(const uint64_t *ptes, int large)
{
	const __m256i wanted = _mm256_set1_epi64x(0x18), pat = _mm256_set1_epi64x(0x80);
	__m256i dwords[4];

	UNROLL
	for (unsigned k = 0; k < 4; k++) {
		__m256i pair[2];

		UNROLL
		for (unsigned h = 0; h < 2; h++) {
			__m256i pte = load4(ptes + 8 * k + 4 * h), from = large ? _mm256_srli_epi64(pte, 5) : pte;

			pair[h] = _mm256_or_si256(_mm256_and_si256(pte, wanted), _mm256_and_si256(from, pat));
		}
		dwords[k] = _mm256_or_si256(pair[0], _mm256_slli_epi64(pair[1], 32));
	}
	return in_order(pack_bytes(dwords));
}

// entry[k] of the types, k being PAT << 2 | PCD << 1 | PWT of the leaf
INLINE __m256i choose_entry(const __m256i entry[8], __m256i types, __m256i leaf)
{
	__m256i kind[8];

	UNROLL
	for (unsigned k = 0; k < 8; k++)
		kind[k] = _mm256_shuffle_epi8(entry[k], types);
	UNROLL
	for (unsigned k = 0; k < 4; k++)
		kind[k] = _mm256_blendv_epi8(kind[2 * k], kind[2 * k + 1], BIT_UP(leaf, 3));
	kind[0] = _mm256_blendv_epi8(kind[0], kind[1], BIT_UP(leaf, 4));
	kind[1] = _mm256_blendv_epi8(kind[2], kind[3], BIT_UP(leaf, 4));
	return _mm256_blendv_epi8(kind[0], kind[1], leaf);
}

AVX2 uint64_t avx2_or_words(const uint64_t *words, size_t n)
{
	__m256i seen = _mm256_setzero_si256(), more = seen;
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		seen = _mm256_or_si256(seen, load4(words + i));
		more = _mm256_or_si256(more, load4(words + i + 4));
	}
	return or_lanes(_mm256_or_si256(seen, more)) | portable_or_words(words + i, n - i);
}

const struct kernels avx2_kernels = {
	avx2_types, portable_effective, portable_effective_ept, NULL, avx2_or_words,
};

#endif

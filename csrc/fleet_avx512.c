/* fleet_avx512.c - states of a fleet matched with their addresses, 64 a step, with AVX-512. */
#include "fleet.h"

#ifdef MEMTYPE_X86
#include "avx512.h"

#define OR3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0xFE)

INLINE __m512i qword(uint64_t word)
{
	return _mm512_set1_epi64((long long)word);
}

// Vector k of keys has addresses 16 k .. 16 k + 15: in its 128-bit lane L those at 2 L, 2 L + 1, 8 + 2 L, 9 + 2 L.
// Packing keeps the lanes, so that address 16 k + 8 h + 2 L + i comes to byte 16 L + 4 k + 2 h + i.
INLINE __m512i low_dwords(__m512i a, __m512i b)
{
	return _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), 0x88));
}

INLINE __m512i in_order(__m512i bytes)
{
	static const uint8_t order[64] = {
		0,  1,  16, 17, 32, 33, 48, 49, 2,  3,  18, 19, 34, 35, 50, 51, 4,  5,  20, 21, 36, 37,
		52, 53, 6,  7,  22, 23, 38, 39, 54, 55, 8,  9,  24, 25, 40, 41, 56, 57, 10, 11, 26, 27,
		42, 43, 58, 59, 12, 13, 28, 29, 44, 45, 60, 61, 14, 15, 30, 31, 46, 47, 62, 63,
	};

	return _mm512_permutexvar_epi8(load(order), bytes);
}

// 4 x 16 dwords below 256 as bytes
INLINE __m512i pack_dwords(const __m512i dwords[4])
{
	return _mm512_packus_epi16(_mm512_packus_epi32(dwords[0], dwords[1]), _mm512_packus_epi32(dwords[2], dwords[3]));
}

// [4 GiB, TOM2), as codes of 4 x 16 keys
INLINE __m512i tom2_codes(const struct fleet_row *row, const __m512i key[4])
{
	const __m512i from = _mm512_set1_epi32((int)row->tom2_from), last = _mm512_set1_epi32((int)(row->tom2_count - 1));
	__m512i codes[4];

	UNROLL
	for (unsigned k = 0; k < 4; k++)
		codes[k] = _mm512_maskz_mov_epi32(_mm512_cmple_epu32_mask(_mm512_sub_epi32(key[k], from), last),
						  _mm512_set1_epi32(CODE_TOM2));
	return pack_dwords(codes);
}

// Keys of 16 bits go where they belong as they are cut out: word 4 i + j of vector k is of address 32 k + 8 j + i.
INLINE void cut_words(const uint64_t *addresses, unsigned shift, __m512i word[2], __m512i *seen)
{
	static const uint64_t word_j[4] = {0x0303030303030303, 0x0C0C0C0C0C0C0C0C, 0x3030303030303030, 0xC0C0C0C0C0C0C0C0};
	const __m512i shifts = _mm512_set1_epi16((short)(shift | (shift + 8) << 8));

	UNROLL
	for (unsigned k = 0; k < 2; k++) {
		__m512i in[4], cut = _mm512_setzero_si512();

		UNROLL
		for (unsigned j = 0; j < 4; j++) {
			in[j] = load(addresses + 32 * k + 8 * j);
			IN_REGISTER(in[j]);
			cut = _mm512_mask_multishift_epi64_epi8(cut, word_j[j], shifts, in[j]);
		}
		*seen = OR3(*seen, OR3(in[0], in[1], in[2]), in[3]);
		word[k] = cut;
	}
}

// low bytes of words, in the order of the addresses
INLINE __m512i low_bytes(const __m512i word[2])
{
	static const uint8_t order[64] = { // address 32 k + 8 j + i from word 4 i + j of vector k
		0,  8,  16, 24, 32, 40, 48, 56, 2,  10, 18, 26, 34, 42, 50, 58, 4,  12, 20, 28, 36, 44,
		52, 60, 6,  14, 22, 30, 38, 46, 54, 62, 64, 72, 80, 88, 96, 104, 112, 120, 66, 74, 82, 90,
		98, 106, 114, 122, 68, 76, 84, 92, 100, 108, 116, 124, 70, 78, 86, 94, 102, 110, 118, 126,
	};

	return _mm512_permutex2var_epi8(word[0], load(order), word[1]);
}

// [4 GiB, TOM2), as codes of keys of 16 bits
INLINE __m512i tom2_words(const struct fleet_row *row, __m512i word)
{
	const __m512i from = _mm512_set1_epi16((short)row->tom2_from), last = _mm512_set1_epi16((short)(row->tom2_count - 1));

	return _mm512_maskz_mov_epi16(_mm512_cmple_epu16_mask(_mm512_sub_epi16(word, from), last),
				      _mm512_set1_epi16(CODE_TOM2));
}

// Vectors of 256 bits: there a compare gives all ones where it hits, which takes fewer operations than a mask does (64
// addresses, 8 ranges, Zen 4: 13 ns against 18).
INLINE __m512i match_words(const struct fleet_block *block, const struct fleet_row *row, const __m512i word[2])
{
	__m256i half[4] = {_mm512_castsi512_si256(word[0]), _mm512_extracti64x4_epi64(word[0], 1),
			   _mm512_castsi512_si256(word[1]), _mm512_extracti64x4_epi64(word[1], 1)};
	__m256i zero = _mm256_setzero_si256(), codes[4] = {zero, zero, zero, zero};
	__m512i all[2];

	for (uint32_t i = row->first; i < row->first + row->count; i++) {
		__m256i base = _mm256_set1_epi32((int)block->base[i]), mask = _mm256_set1_epi32((int)block->mask[i]);
		__m256i code = _mm256_set1_epi32((int)block->code[i]); // in every byte

		IN_REGISTER(code);
		UNROLL
		for (unsigned k = 0; k < 4; k++) {
			__m256i hits = _mm256_cmpeq_epi16(_mm256_and_si256(half[k], mask), base);

			codes[k] = _mm256_ternarylogic_epi32(codes[k], hits, code, 0xF8); // codes | hits & code
		}
	}
	UNROLL
	for (unsigned k = 0; k < 4; k++)
		IN_REGISTER(codes[k]);
	UNROLL
	for (unsigned k = 0; k < 2; k++) {
		all[k] = _mm512_inserti64x4(_mm512_castsi256_si512(codes[2 * k]), codes[2 * k + 1], 1);
		if (row->tom2_count)
			all[k] = _mm512_or_si512(all[k], tom2_words(row, word[k]));
	}
	return low_bytes(all);
}

INLINE __m512i match_dwords(const struct fleet_block *block, const struct fleet_row *row, const __m512i key[4])
{
	__m512i codes[4];

	UNROLL
	for (unsigned k = 0; k < 4; k++)
		codes[k] = _mm512_setzero_si512();
	for (uint32_t i = row->first; i < row->first + row->count; i++) {
		__m512i base = _mm512_set1_epi32((int)block->base[i]), mask = _mm512_set1_epi32((int)block->mask[i]);
		__m512i code = _mm512_set1_epi32((int)(block->code[i] & 0xFF));

		UNROLL
		for (unsigned k = 0; k < 4; k++) {
			uint16_t hit = _mm512_cmpeq_epi32_mask(_mm512_and_si512(key[k], mask), base);

			codes[k] = _mm512_mask_or_epi32(codes[k], hit, codes[k], code);
		}
	}
	return pack_dwords(codes);
}

INLINE __m512i match_qwords(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses)
{
	__m512i codes[8], dwords[4];

	UNROLL
	for (unsigned k = 0; k < 8; k++)
		codes[k] = _mm512_setzero_si512();
	for (uint32_t i = row->first; i < row->first + row->count; i++) {
		__m512i base = qword(block->base[i]), mask = qword(block->mask[i]), code = qword(block->code[i] & 0xFF);

		UNROLL
		for (unsigned k = 0; k < 8; k++) {
			uint8_t hit = _mm512_cmpeq_epi64_mask(_mm512_and_si512(load(addresses + 8 * k), mask), base);

			codes[k] = _mm512_mask_or_epi64(codes[k], hit, codes[k], code);
		}
	}
	UNROLL
	for (unsigned k = 0; k < 4; k++)
		dwords[k] = low_dwords(codes[2 * k], codes[2 * k + 1]);
	return pack_dwords(dwords);
}

// which of 64 addresses lie below 1 MiB
INLINE uint64_t below_1m(const uint64_t *addresses)
{
	uint64_t low = 0;

	UNROLL
	for (unsigned k = 0; k < 8; k++)
		low |= (uint64_t)_mm512_testn_epi64_mask(load(addresses + 8 * k), qword(~(FIXED_END - 1))) << 8 * k;
	return low;
}

// codes -> types
INLINE __m512i final_types(const struct fleet_row *row, __m512i code)
{
	uint64_t only_tom2 = _mm512_cmpeq_epi8_mask(code, _mm512_set1_epi8(CODE_TOM2));

	return _mm512_mask_blend_epi8(only_tom2, _mm512_shuffle_epi8(table16(row->final_type), code),
				      _mm512_set1_epi8(MEMTYPE_WB));
}

// the codes of 64 addresses by keys of 16 bits; whether some may lie below 1 MiB
INLINE __m512i codes_by_words(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses,
			      int *low, __m512i *seen)
{
	const __m512i last = _mm512_set1_epi16((short)((FIXED_END - 1) >> row->shift));
	__m512i word[2];

	cut_words(addresses, row->shift, word, seen);
	*low = _mm512_cmple_epu16_mask(_mm512_min_epu16(word[0], word[1]), last) != 0;
	return match_words(block, row, word);
}

// the same by wider keys
INLINE __m512i codes_by_dwords(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses,
			       unsigned keys, int *low, __m512i *seen)
{
	const __m512i last = _mm512_set1_epi32((int)((FIXED_END - 1) >> row->shift));
	const __m128i shift = _mm_cvtsi32_si128((int)row->shift);
	__m512i key[4], code;

	UNROLL
	for (unsigned k = 0; k < 4; k++) {
		__m512i a = load(addresses + 16 * k), b = load(addresses + 16 * k + 8);

		*seen = OR3(*seen, a, b);
		key[k] = low_dwords(_mm512_srl_epi64(a, shift), _mm512_srl_epi64(b, shift));
	}
	*low = _mm512_cmple_epu32_mask(_mm512_min_epu32(_mm512_min_epu32(key[0], key[1]), _mm512_min_epu32(key[2], key[3])),
				       last) != 0;
	code = keys == FLEET_KEYS_32 ? match_dwords(block, row, key) : match_qwords(block, row, addresses);
	if (row->tom2_count)
		code = _mm512_or_si512(code, tom2_codes(row, key));
	return in_order(code);
}

INLINE __m512i types64(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses,
		       unsigned keys, __m512i *seen)
{
	int low;
	__m512i code = keys == FLEET_KEYS_16 ? codes_by_words(block, row, addresses, &low, seen) :
					       codes_by_dwords(block, row, addresses, keys, &low, seen);
	__m512i types = final_types(row, code);
	uint8_t kinds[64];

	if (row->fixed && low) {
		store64(kinds, types, 0);
		fleet_low(row, addresses, below_1m(addresses), kinds);
		types = load(kinds);
	}
	return types;
}

// fewer than 64 addresses, by way of a padded copy
INLINE void part(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses, size_t n,
		 uint8_t *types, unsigned keys, __m512i *seen)
{
	uint64_t in[64];
	uint8_t out[64];

	UNROLL
	for (unsigned k = 0; k < 64; k += 8)
		_mm512_storeu_si512((void *)(in + k), qword(~row->beyond)); // no address below 1 MiB
	memcpy(in, addresses, n * sizeof(*in));
	store64(out, types64(block, row, in, keys, seen), 0);
	memcpy(types, out, n);
}

// whether all addresses are fit
INLINE int match_row(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses, size_t n,
		     uint8_t *types, int stream, unsigned keys)
{
	__m512i seen = _mm512_setzero_si512();
	size_t i = 0;

	for (; i + 64 <= n; i += 64) {
		__m512i kinds = types64(block, row, addresses + i, keys, &seen);

		prefetch64(addresses + i);
		store64(types + i, kinds, stream);
	}
	if (i < n)
		part(block, row, addresses + i, n - i, types + i, keys, &seen);
	return _mm512_test_epi64_mask(seen, qword(row->beyond)) == 0;
}

// one copy of the rows for each width of keys
#define MATCH(name, width) \
	static TARGET uint32_t name(const struct fleet_block *block, uint32_t first, const uint64_t *addresses, size_t step, \
				    size_t n, uint8_t *types, int stream) \
	{ \
		uint32_t r = first; \
\
		while (r < block->rows && block->row[r].keys == width && \
		       match_row(block, &block->row[r], addresses, n, types, stream, width)) { \
			addresses += step; \
			types += n; \
			r++; \
		} \
		return r - first; \
	}
MATCH(match_rows16, FLEET_KEYS_16)
MATCH(match_rows32, FLEET_KEYS_32)
MATCH(match_rows64, FLEET_KEYS_64)

const struct fleet_set avx512_fleet = {fleet_load, {match_rows16, match_rows32, match_rows64}};

#endif

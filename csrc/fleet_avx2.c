/* fleet_avx2.c - states of a fleet matched with their addresses, 64 a step, with AVX2. */
#include "fleet.h"

#ifdef MEMTYPE_X86
#include "avx2.h"

// Addresses 32 h + 8 k .. of a step are vector 4 h + k of `key`: in the low half 0 1 4 5, in the high half 2 3 6 7.
INLINE __m256i in_order(__m256i bytes)
{
	const __m256i order = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));

	return _mm256_shuffle_epi8(_mm256_permute4x64_epi64(bytes, 0xD8), order);
}

// the low dwords of 4 + 4 words
INLINE __m256i low_dwords(__m256i a, __m256i b)
{
	return _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0x88));
}

// 4 x 8 dwords of 0 or -1 as bytes
INLINE __m256i pack_hits(__m256i a, __m256i b, __m256i c, __m256i d)
{
	return _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
}

INLINE __m256i dword(const uint64_t *word)
{
	return _mm256_set1_epi32((int)*word);
}

INLINE __m256i tom2_hits(const struct fleet_row *row, __m256i key)
{
	__m256i past = _mm256_sub_epi32(key, _mm256_set1_epi32((int)row->tom2_from));
	__m256i most = _mm256_set1_epi32((int)(row->tom2_count - 1));

	return _mm256_cmpeq_epi32(_mm256_min_epu32(past, most), past);
}

INLINE __m256i tom2_codes(const struct fleet_row *row, const __m256i key[4])
{
	__m256i hits = pack_hits(tom2_hits(row, key[0]), tom2_hits(row, key[1]), tom2_hits(row, key[2]),
				 tom2_hits(row, key[3]));

	return _mm256_and_si256(hits, _mm256_set1_epi8(CODE_TOM2));
}

// which of 32 addresses match: key[] are pairs of vectors packed to words in keys of 16 bits
INLINE __m256i hits32(unsigned keys, const __m256i key[4], const uint64_t *addresses, __m256i mask, __m256i base)
{
	__m256i hit[4];

	if (keys == FLEET_KEYS_16)
		return _mm256_packs_epi16(_mm256_cmpeq_epi16(_mm256_and_si256(key[0], mask), base),
					  _mm256_cmpeq_epi16(_mm256_and_si256(key[2], mask), base));
	UNROLL
	for (unsigned k = 0; k < 4; k++) {
		const uint64_t *from = addresses + 8 * k;

		if (keys == FLEET_KEYS_32)
			hit[k] = _mm256_cmpeq_epi32(_mm256_and_si256(key[k], mask), base);
		else
			hit[k] = low_dwords(_mm256_cmpeq_epi64(_mm256_and_si256(load4(from), mask), base),
					    _mm256_cmpeq_epi64(_mm256_and_si256(load4(from + 4), mask), base));
	}
	return pack_hits(hit[0], hit[1], hit[2], hit[3]);
}

INLINE __m256i final_types(const uint8_t *final_type, __m256i code)
{
	__m256i only_tom2 = _mm256_cmpeq_epi8(code, _mm256_set1_epi8(CODE_TOM2));

	return _mm256_blendv_epi8(_mm256_shuffle_epi8(table16(final_type), code), _mm256_set1_epi8(MEMTYPE_WB), only_tom2);
}

// dwords below 2^least in any of the keys?
INLINE int any_below(const __m256i *key, unsigned vectors, unsigned least)
{
	__m256i low = key[0];

	UNROLL
	for (unsigned k = 1; k < vectors; k++)
		low = _mm256_min_epu32(low, key[k]);
	low = _mm256_cmpeq_epi32(_mm256_srl_epi32(low, _mm_cvtsi32_si128((int)least)), _mm256_setzero_si256());
	return !_mm256_testz_si256(low, low);
}

INLINE void store32(uint8_t *types, __m256i kinds, int stream)
{
	if (stream)
		_mm256_stream_si256((__m256i *)(void *)types, kinds);
	else
		_mm256_storeu_si256((__m256i *)(void *)types, kinds);
}

// The types of the fixed ranges in the place of those of the addresses below 1 MiB. A pair of base 0 finds them.
INLINE void put_fixed(const struct fleet_row *row, const uint64_t *addresses, unsigned halves, __m256i types[2])
{
	const __m256i above = _mm256_set1_epi64x((long long)~(FIXED_END - 1)), zero = _mm256_setzero_si256();
	_Alignas(32) uint8_t kinds[64];

	for (unsigned h = 0; h < halves; h++) {
		__m256i low = in_order(hits32(FLEET_KEYS_64, NULL, addresses + 32 * h, above, zero));

		store32(kinds + 32 * h, types[h], 0);
		fleet_low(row->fixed, row->vendor, addresses + 32 * h, (uint32_t)_mm256_movemask_epi8(low), kinds + 32 * h);
		types[h] = _mm256_loadu_si256((const __m256i *)(const void *)(kinds + 32 * h));
	}
}

// the types of 32 addresses a half
INLINE void step(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses, unsigned keys,
		 unsigned halves, __m256i types[2], __m256i *seen)
{
	const __m128i shift = _mm_cvtsi32_si128((int)row->shift);
	__m256i key[8];
	int low;

	UNROLL
	for (unsigned k = 0; k < 4 * halves; k++) {
		__m256i a = load4(addresses + 8 * k), b = load4(addresses + 8 * k + 4);

		*seen = _mm256_or_si256(*seen, _mm256_or_si256(a, b));
		key[k] = low_dwords(_mm256_srl_epi64(a, shift), _mm256_srl_epi64(b, shift));
	}
	low = row->fixed && any_below(key, 4 * halves, row->shift < FIXED_END_BIT ? FIXED_END_BIT - row->shift : 0);
	UNROLL
	for (unsigned h = 0; h < halves; h++)
		types[h] = row->tom2_count ? tom2_codes(row, key + 4 * h) : _mm256_setzero_si256();
	UNROLL
	for (unsigned k = 0; k < 4 * halves; k += 2) {
		if (keys == FLEET_KEYS_16)
			key[k] = _mm256_packus_epi32(key[k], key[k + 1]);
	}
	for (uint32_t i = row->first; i < row->first + row->count; i++) {
		int wide = keys == FLEET_KEYS_64;
		__m256i base = wide ? _mm256_set1_epi64x((long long)block->base[i]) : dword(&block->base[i]);
		__m256i mask = wide ? _mm256_set1_epi64x((long long)block->mask[i]) : dword(&block->mask[i]);
		__m256i code = _mm256_set1_epi64x((long long)block->code[i]);

		UNROLL
		for (unsigned h = 0; h < halves; h++) {
			__m256i hits = hits32(keys, key + 4 * h, addresses + 32 * h, mask, base);

			types[h] = _mm256_or_si256(types[h], _mm256_and_si256(hits, code));
		}
	}
	UNROLL
	for (unsigned h = 0; h < halves; h++)
		types[h] = in_order(final_types(row->final_type, types[h]));
	if (low)
		put_fixed(row, addresses, halves, types);
}

// fewer than 64 addresses, by way of a padded copy
INLINE void part(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses, size_t n,
		 uint8_t *types, unsigned keys, __m256i *seen)
{
	uint64_t in[64];
	_Alignas(32) uint8_t out[64];
	__m256i kinds[2];

	UNROLL
	for (unsigned k = 0; k < 64; k += 4)
		store4(in + k, _mm256_set1_epi64x((long long)~row->beyond)); // no address below 1 MiB
	memcpy(in, addresses, n * sizeof(*in));
	step(block, row, in, keys, 1, kinds, seen);
	store32(out, kinds[0], 0);
	if (n > 32) {
		step(block, row, in + 32, keys, 1, kinds, seen);
		store32(out + 32, kinds[0], 0);
	}
	memcpy(types, out, n);
}

// whether all addresses are fit
INLINE int match_row(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses, size_t n,
		     uint8_t *types, int stream, unsigned keys)
{
	__m256i seen = _mm256_setzero_si256(), kinds[2];
	size_t i = 0;

	for (; i + 64 <= n; i += 64) {
		step(block, row, addresses + i, keys, 2, kinds, &seen);
		UNROLL
		for (unsigned line = 0; line < 64; line += 8)
			ASK(addresses + i + PREFETCH_AHEAD + line);
		store32(types + i, kinds[0], stream);
		store32(types + i + 32, kinds[1], stream);
	}
	if (i < n)
		part(block, row, addresses + i, n - i, types + i, keys, &seen);
	return _mm256_testz_si256(seen, _mm256_set1_epi64x((long long)row->beyond));
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

const struct fleet_set avx2_fleet = {fleet_load, {match_rows16, match_rows32, match_rows64}, NULL};

#endif

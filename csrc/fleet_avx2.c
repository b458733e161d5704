/* fleet_avx2.c - states of a fleet made ready, and matched with their addresses, 64 a turn, with AVX2. */
#include "fleet.h"

#ifdef MEMTYPE_X86
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline)) AVX2

INLINE __m256i table16(const uint8_t *entries)
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)entries));
}

INLINE __m256i load4(const uint64_t *words)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)words);
}

INLINE void store4(uint64_t *words, __m256i four)
{
	_mm256_storeu_si256((__m256i *)(void *)words, four);
}

// --- states made ready ---

// up to four of the pairs, 0 for those that are not there
INLINE __m256i load_up_to4(const uint64_t *words, size_t left)
{
	const __m256i place = _mm256_setr_epi64x(0, 1, 2, 3);

	if (left >= 4)
		return load4(words);
	return _mm256_maskload_epi64((const long long *)(const void *)words,
				     _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)left), place));
}

// V of PHYSMASK in bit 63, where a blend looks
INLINE __m256i valid_up(__m256i mask)
{
	return _mm256_slli_epi64(mask, 63 - 11);
}

// the OR of the masks of all valid pairs
INLINE uint64_t valid_bits(const uint64_t *mask, size_t pairs)
{
	__m256i seen = _mm256_setzero_si256();
	__m128i half;

	for (size_t k = 0; k < pairs; k += 4) {
		__m256i four = load_up_to4(mask + k, pairs - k);

		seen = _mm256_or_si256(seen, _mm256_castpd_si256(_mm256_blendv_pd(
			_mm256_setzero_pd(), _mm256_castsi256_pd(four), _mm256_castsi256_pd(valid_up(four)))));
	}
	half = _mm_or_si128(_mm256_castsi256_si128(seen), _mm256_extracti128_si256(seen, 1));
	return (uint64_t)_mm_cvtsi128_si64(half) | (uint64_t)_mm_extract_epi64(half, 1);
}

// code_of() of the low byte of each word, in all its bytes
INLINE __m256i codes4(__m256i base)
{
	const __m256i low_byte = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 8, 8, 8, 8));
	const __m256i codes = _mm256_broadcastsi128_si256(
		_mm_setr_epi8((char)CODE_UC, CODE_WC, CODE_RESERVED, CODE_RESERVED, CODE_WT, CODE_WP, CODE_WB,
			      CODE_RESERVED, CODE_RESERVED, 0, 0, 0, 0, 0, 0, 0));
	__m256i encoding = _mm256_shuffle_epi8(base, low_byte);

	return _mm256_shuffle_epi8(codes, _mm256_min_epu8(encoding, _mm256_set1_epi8(8)));
}

// the words of `four` whose bits are set in the index come first
static const uint32_t first_words[16][8] = {
	{0, 1, 2, 3, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7}, {2, 3, 0, 1, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7},
	{4, 5, 0, 1, 2, 3, 6, 7}, {0, 1, 4, 5, 2, 3, 6, 7}, {2, 3, 4, 5, 0, 1, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7},
	{6, 7, 0, 1, 2, 3, 4, 5}, {0, 1, 6, 7, 2, 3, 4, 5}, {2, 3, 6, 7, 0, 1, 4, 5}, {0, 1, 2, 3, 6, 7, 4, 5},
	{4, 5, 6, 7, 0, 1, 2, 3}, {0, 1, 4, 5, 6, 7, 2, 3}, {2, 3, 4, 5, 6, 7, 0, 1}, {0, 1, 2, 3, 4, 5, 6, 7},
};

// the valid pairs, in keys, from place `first` on; the place after the last
INLINE uint32_t load_pairs(const uint64_t *base, const uint64_t *mask, size_t pairs, const struct fleet_row *row,
			   struct fleet_block *block)
{
	const __m256i twice = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0, 1, 0, 1, 4, 5, 6, 7, 8, 9, 8, 9, 12, 13, 14, 15));
	const __m256i once = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
	const __m256i spread = row->keys == FLEET_KEYS_16 ? twice : once;
	const __m256i compared = _mm256_set1_epi64x((long long)(~row->beyond & ~(PAGE_SIZE - 1)));
	const __m128i shift = _mm_cvtsi32_si128(row->keys == FLEET_KEYS_64 ? 0 : (int)row->shift);
	uint32_t place = row->first;

	for (size_t k = 0; k < pairs; k += 4) {
		__m256i b = load_up_to4(base + k, pairs - k), m = load_up_to4(mask + k, pairs - k), code = codes4(b);
		unsigned valid = (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(valid_up(m)));
		__m256i order = load4((const uint64_t *)(const void *)first_words[valid]);

		m = _mm256_and_si256(m, compared);
		b = _mm256_shuffle_epi8(_mm256_srl_epi64(_mm256_and_si256(b, m), shift), spread);
		m = _mm256_shuffle_epi8(_mm256_srl_epi64(m, shift), spread);
		store4(block->base + place, _mm256_permutevar8x32_epi32(b, order));
		store4(block->mask + place, _mm256_permutevar8x32_epi32(m, order));
		store4(block->code + place, _mm256_permutevar8x32_epi32(code, order));
		place += (uint32_t)__builtin_popcount(valid);
	}
	return place;
}

// The narrowest keys that tell apart what the ranges do: bits of `looked` are those that some range looks at. With
// MAXPHYADDR = 46, 16-bit keys are bits 45:30, 32-bit keys 45:14; with 44 or less 32-bit keys lose nothing.
INLINE void choose_keys(uint32_t maxphyaddr, uint64_t looked, struct fleet_row *row)
{
	uint32_t shift = maxphyaddr < 32 + PAGE_SHIFT ? PAGE_SHIFT : maxphyaddr - 32;

	row->keys = FLEET_KEYS_16;
	row->shift = maxphyaddr - 16;
	if (looked & low_bits(row->shift)) {
		row->keys = looked & low_bits(shift) ? FLEET_KEYS_64 : FLEET_KEYS_32;
		row->shift = looked & low_bits(shift) ? 20 : shift; // TOM2 is compared in keys of 32 bits even then
	}
}

// only what the state needs is read of the columns: they are most of what must come from memory
INLINE uint64_t load_tom2(const memtype_fleet *f, size_t i)
{
	memtype_mtrrs m;

	m.vendor = f->vendor[i];
	if (m.vendor != MEMTYPE_AMD || !(f->def_type[i] & DEF_TYPE_E))
		return 0;
	m.syscfg = f->syscfg[i];
	m.tom2 = f->tom2[i];
	m.maxphyaddr = f->maxphyaddr[i];
	return tom2_limit(&m);
}

INLINE const uint64_t *load_fixed(const memtype_fleet *f, size_t i)
{
	const uint64_t both = DEF_TYPE_E | DEF_TYPE_FE;

	return (f->def_type[i] & both) == both && (f->cap[i] & CAP_FIX) ? f->fixed + i * MEMTYPE_FIXED_MSRS : NULL;
}

INLINE void load_row(const memtype_fleet *f, size_t i, struct fleet_block *block, struct fleet_row *row)
{
	const uint64_t *base = f->base + i * f->pairs, *mask = f->mask + i * f->pairs;
	uint64_t enabled = f->def_type[i] & DEF_TYPE_E, tom2 = load_tom2(f, i), looked;
	size_t pairs = enabled ? f->pairs : 0;

	row->beyond = ~low_bits(f->maxphyaddr[i]);
	row->fixed = load_fixed(f, i);
	row->fixed_keep = f->vendor[i] == MEMTYPE_AMD ? 0xFF & ~AMD_FIXED_ROUTING : 0xFF;
	fill_final(row->final_type, enabled ? type_or_undefined(f->def_type[i] & BASE_TYPE) : (uint8_t)MEMTYPE_UC);
	looked = valid_bits(mask, pairs) & ~row->beyond & ~(PAGE_SIZE - 1);
	choose_keys(f->maxphyaddr[i], tom2 > GIB4 ? looked | tom2 | GIB4 : looked, row);
	row->tom2_from = (uint32_t)(GIB4 >> row->shift);
	row->tom2_count = tom2 > GIB4 ? (uint32_t)((tom2 - GIB4) >> row->shift) : 0;
	row->count = load_pairs(base, mask, pairs, row, block) - row->first;
}

AVX2 void avx2_fleet_block(const memtype_fleet *f, size_t first, uint32_t rows, struct fleet_block *block)
{
	uint32_t place = 0;

	block->rows = rows;
	for (uint32_t r = 0; r < rows; r++) {
		block->row[r].first = place;
		load_row(f, first + r, block, &block->row[r]);
		place += block->row[r].count;
	}
}

// --- addresses matched ---

// Addresses 32 h + 8 k .. of a turn are vector 4 h + k of `key`: in the low half 0 1 4 5, in the high half 2 3 6 7.
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
	uint8_t kinds[64];

	for (unsigned h = 0; h < halves; h++) {
		__m256i low = in_order(hits32(FLEET_KEYS_64, NULL, addresses + 32 * h, above, zero));

		store32(kinds + 32 * h, types[h], 0);
		fleet_low(row, addresses + 32 * h, (uint32_t)_mm256_movemask_epi8(low), kinds + 32 * h);
		types[h] = _mm256_loadu_si256((const __m256i *)(const void *)(kinds + 32 * h));
	}
}

// the types of 32 addresses a half
INLINE void turn(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses, unsigned keys,
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
	low = row->fixed && any_below(key, 4 * halves, row->shift < 20 ? 20 - row->shift : 0);
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
	uint8_t out[64];
	__m256i kinds[2];

	UNROLL
	for (unsigned k = 0; k < 64; k += 4)
		store4(in + k, _mm256_set1_epi64x((long long)~row->beyond)); // no address below 1 MiB
	memcpy(in, addresses, n * sizeof(*in));
	turn(block, row, in, keys, 1, kinds, seen);
	store32(out, kinds[0], 0);
	if (n > 32) {
		turn(block, row, in + 32, keys, 1, kinds, seen);
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
		turn(block, row, addresses + i, keys, 2, kinds, &seen);
		UNROLL
		for (unsigned line = 0; line < 64; line += 8)
			__builtin_prefetch(addresses + i + PREFETCH_AHEAD + line, 0, 0);
		store32(types + i, kinds[0], stream);
		store32(types + i + 32, kinds[1], stream);
	}
	if (i < n)
		part(block, row, addresses + i, n - i, types + i, keys, &seen);
	return _mm256_testz_si256(seen, _mm256_set1_epi64x((long long)row->beyond));
}

// one copy of the row for each width of keys
#define MATCH(name, keys) \
	static AVX2 int name(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses, \
			    size_t n, uint8_t *types, int stream) \
	{ \
		return match_row(block, row, addresses, n, types, stream, keys); \
	}
MATCH(match_row16, FLEET_KEYS_16)
MATCH(match_row32, FLEET_KEYS_32)
MATCH(match_row64, FLEET_KEYS_64)

const fleet_match avx2_fleet_match[FLEET_KEYS] = {match_row16, match_row32, match_row64};

#endif

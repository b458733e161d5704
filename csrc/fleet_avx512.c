/* fleet_avx512.c - states of a fleet matched with their addresses, 64 a step, with AVX-512.
 *
 * Keys are one, two or three words of 16 bits, of four nibbles each. A table of 16 bytes for each nibble says which of
 * eight pairs an address misses by it, a bit for each: the pairs (base 0x2, mask 0xE) and (0x4, 0xC) give 0b10 for 0x3.
 * What no nibble misses hits, so that eight pairs cost as much as one. Tables stay in registers, and nothing else is stored:
 * a load whose address has the low twelve bits of a store waits for it, and for all before it (with states made ready by
 * fours on the stack a state took 46 ns, not 27, in processes whose stack lay so; Zen 4).
 */
#include "fleet.h"

#ifdef MEMTYPE_X86
#include "avx512.h"

#define CHOOSE(bits, a, b) _mm512_ternarylogic_epi64(bits, a, b, 0xCA) // a where bits are set, else b
#define OR3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0xFE)
#define WORDS 3u // of the widest keys: bits 59:12

// a state
struct fleet_state {
	uint64_t beyond;             // the bits that no address may have
	const uint64_t *base, *mask; // its pairs
	size_t pairs;                // 0 where they are off
	__m512i first_base, first_mask; // the first eight of them
	uint64_t tom2;         // where AMD's [4 GiB, TOM2) ends, 0 where it is off
	const uint64_t *fixed; // its fixed-range registers, NULL where they are off
	uint32_t vendor, cut;  // cut: the lowest bit of the keys
	uint8_t default_type;
};

// eight pairs: miss[w][16 p + v] says which an address misses whose key has the value v in nibble p of word w; code[16 h + v]
// has the codes of pairs 4 h + b for each bit b that v does not have
struct octet {
	__m512i miss[WORDS], code;
};

INLINE __m512i qword(uint64_t word)
{
	return _mm512_set1_epi64((long long)word);
}

// --- states made ready ---

// which of the eight pairs from place k on are there
INLINE uint8_t there(size_t pairs, size_t k)
{
	return pairs - k < 8 ? (uint8_t)low_bits((unsigned)(pairs - k)) : 0xFF;
}

// the eight words from place k on, 0 for those that are not there
INLINE __m512i load_up_to8(const uint64_t *words, size_t pairs, size_t k)
{
	return _mm512_maskz_loadu_epi64(there(pairs, k), words + k);
}

INLINE uint8_t valid_of(__m512i mask)
{
	return _mm512_test_epi64_mask(mask, qword(MASK_VALID));
}

// whether a valid pair looks at one of the bits
INLINE int look_at(const struct fleet_state *s, uint64_t bits)
{
	uint8_t hit = _mm512_mask_test_epi64_mask(valid_of(s->first_mask), s->first_mask, qword(bits));

	for (size_t k = 8; k < s->pairs; k += 8) {
		__m512i mask = load_up_to8(s->mask, s->pairs, k);

		hit |= (uint8_t)_mm512_mask_test_epi64_mask(valid_of(mask), mask, qword(bits));
	}
	return hit != 0;
}

// The fewest words that hold all bits that the pairs look at: with MAXPHYADDR = 46 bits 45:30, or 45:14, or 59:12.
INLINE unsigned choose_words(struct fleet_state *s, uint32_t maxphyaddr)
{
	uint64_t pages = page_bits(maxphyaddr);

	s->cut = maxphyaddr - 16;
	if (!look_at(s, pages & low_bits(s->cut)))
		return 1;
	s->cut = maxphyaddr < 32 + PAGE_SHIFT ? PAGE_SHIFT : maxphyaddr - 32;
	if (!look_at(s, pages & low_bits(s->cut)))
		return 2;
	s->cut = PAGE_SHIFT;
	return WORDS;
}

// state i, and the words of its keys
INLINE unsigned load_state_of(const memtype_fleet *f, size_t i, struct fleet_state *s)
{
	uint8_t first = there(f->pairs, 0); // not of s->pairs: to wait for IA32_MTRR_DEF_TYPE took 29 ns a state, not 27 (Zen 4)
	uint64_t def_type = f->def_type[i];
	uint32_t maxphyaddr = f->maxphyaddr[i];

	s->beyond = ~low_bits(maxphyaddr);
	s->base = row_of(f->base, f->pairs, i);
	s->mask = row_of(f->mask, f->pairs, i);
	s->pairs = fleet_row_pairs(f, i);
	if (s->pairs == 0)
		first = 0;
	s->first_base = _mm512_maskz_loadu_epi64(first, s->base);
	s->first_mask = _mm512_maskz_loadu_epi64(first, s->mask);
	s->tom2 = fleet_tom2(f, i);
	s->fixed = fixed_ranges_on(def_type, f->cap[i]) ? row_of(f->fixed, FIXED_MSRS, i) : NULL;
	s->vendor = f->vendor[i];
	s->default_type = plain_type(def_type);
	return choose_words(s, maxphyaddr);
}

// Bits of eight words turned: bit r of byte b is bit b of base[r], and of byte 16 + b that of apart[r].
INLINE __m512i turned(__m512i base, __m512i apart)
{
#define LAST_FIRST(place) place + 56, place + 48, place + 40, place + 32, place + 24, place + 16, place + 8, place
	static const uint8_t rows[64] = { // as a matrix of bits is told: low bytes, then high ones
		LAST_FIRST(0), LAST_FIRST(1), LAST_FIRST(64), LAST_FIRST(65),
	};

	return _mm512_gf2p8affine_epi64_epi8(qword(0x8040201008040201), _mm512_permutex2var_epi8(base, load(rows), apart), 0);
}

// For each value v of each nibble p the OR of what is said of its bits: of bit b by byte 4 p + b where v has not the bit,
// by byte 16 + 4 p + b where it has.
INLINE __m512i of_nibbles(__m512i bits)
{
#define BIT(p, v, b) (uint8_t)(((v) >> (b) & 1) * 16 + 4 * (p) + (b))
#define BITS4(p, v, b) BIT(p, v, b), BIT(p, v + 1, b), BIT(p, v + 2, b), BIT(p, v + 3, b)
#define BITS16(p, b) BITS4(p, 0, b), BITS4(p, 4, b), BITS4(p, 8, b), BITS4(p, 12, b)
#define BITS64(b) {BITS16(0, b), BITS16(1, b), BITS16(2, b), BITS16(3, b)}
	static const uint8_t of_bit[4][64] = {BITS64(0), BITS64(1), BITS64(2), BITS64(3)};
	__m512i by[4];

	UNROLL
	for (unsigned b = 0; b < 4; b++)
		by[b] = _mm512_permutexvar_epi8(load(of_bit[b]), bits);
	return _mm512_or_si512(OR3(by[0], by[1], by[2]), by[3]);
}

// The codes of the valid pairs, and nothing behind them.
INLINE __m512i codes8(__m512i base, uint8_t valid)
{
	__m128i encoding = _mm_min_epu8(_mm512_cvtepi64_epi8(base), _mm_set1_epi8(KNOWN_CODES));

	return _mm512_zextsi128_si512(
		_mm_maskz_shuffle_epi8(valid, _mm_loadu_si128((const __m128i *)(const void *)code_by_type), encoding));
}

INLINE void load_octet(const struct fleet_state *s, __m512i base, __m512i mask, unsigned words, struct octet *octet)
{
	__m512i compared = _mm512_and_si512(mask, qword(~s->beyond & ~(PAGE_SIZE - 1)));
	__m512i set = _mm512_and_si512(base, compared), clear = _mm512_andnot_si512(base, compared);

	UNROLL
	for (unsigned w = 0; w < words; w++) {
		__m128i shift = _mm_cvtsi32_si128((int)(s->cut + 16 * w));

		octet->miss[w] = of_nibbles(turned(_mm512_srl_epi64(set, shift), _mm512_srl_epi64(clear, shift)));
	}
	octet->code = of_nibbles(codes8(base, valid_of(mask)));
}

// --- states matched ---

// Words go where they belong as they are cut out: word 4 i + j of vector k is of address 32 k + 8 j + i.
INLINE void cut_words(const uint64_t *addresses, unsigned bit, __m512i word[2], __m512i *seen)
{
	const __m512i shifts = _mm512_set1_epi16((short)(bit | (bit + 8) << 8));
	const __m512i even = _mm512_set1_epi32(0xFFFF), front = qword(0xFFFFFFFF);

	UNROLL
	for (unsigned k = 0; k < 2; k++) {
		__m512i in[4];

		UNROLL
		for (unsigned j = 0; j < 4; j++) {
			in[j] = load(addresses + 32 * k + 8 * j);
			IN_REGISTER(in[j]);
		}
		*seen = OR3(*seen, OR3(in[0], in[1], in[2]), in[3]);
		UNROLL
		for (unsigned j = 0; j < 4; j++)
			in[j] = _mm512_multishift_epi64_epi8(shifts, in[j]);
		word[k] = CHOOSE(front, CHOOSE(even, in[0], in[1]), CHOOSE(even, in[2], in[3]));
	}
}

// low (0) or high (1) bytes of the words, in the order of the addresses
INLINE __m512i bytes_of(const __m512i word[2], unsigned high)
{
#define EVERY8(place) place, place + 8, place + 16, place + 24, place + 32, place + 40, place + 48, place + 56
#define IN_ORDER(high) \
	{EVERY8(0 + high), EVERY8(2 + high), EVERY8(4 + high), EVERY8(6 + high), \
	 EVERY8(64 + high), EVERY8(66 + high), EVERY8(68 + high), EVERY8(70 + high)}
	static const uint8_t order[2][64] = {IN_ORDER(0), IN_ORDER(1)};

	return _mm512_permutex2var_epi8(word[0], load(order[high]), word[1]);
}

// table[16 * lane + the low nibble of each byte]
INLINE __m512i look_up(__m512i table, unsigned lane, __m512i bytes)
{
	const __m512i nibble = _mm512_set1_epi8(0x0F), from = _mm512_set1_epi8((char)(16 * lane));

	return _mm512_permutexvar_epi8(CHOOSE(nibble, bytes, from), table);
}

INLINE __m512i high_nibbles(__m512i bytes)
{
	return _mm512_srli_epi16(bytes, 4); // and bits above, which look_up() passes over
}

// what the pairs of an octet that hit make together, for keys given as their bytes
INLINE __m512i codes_of(const struct octet *octet, const __m512i *byte, unsigned words)
{
	__m512i miss = _mm512_setzero_si512();

	UNROLL
	for (unsigned i = 0; i < 2 * words; i++)
		miss = OR3(miss, look_up(octet->miss[i / 2], i % 2 * 2, byte[i]),
			   look_up(octet->miss[i / 2], i % 2 * 2 + 1, high_nibbles(byte[i])));
	return _mm512_or_si512(look_up(octet->code, 0, miss), look_up(octet->code, 1, high_nibbles(miss)));
}

// the same for all pairs of a state
INLINE __m512i codes_of_all(const struct fleet_state *s, const struct octet *first, const __m512i *byte, unsigned words)
{
	__m512i code = codes_of(first, byte, words);

	for (size_t k = 8; k < s->pairs; k += 8) {
		struct octet octet;

		load_octet(s, load_up_to8(s->base, s->pairs, k), load_up_to8(s->mask, s->pairs, k), words, &octet);
		code = _mm512_or_si512(code, codes_of(&octet, byte, words));
	}
	return code;
}

// Rare, and apart: in the loop of all states they would take its registers.
#define RARE static __attribute__((noinline)) TARGET

// types[j] of those of 64 addresses that lie below 1 MiB
RARE __m512i low_types(const uint64_t *fixed, uint32_t vendor, const uint64_t *addresses, __m512i types)
{
	uint8_t kinds[64];
	uint64_t low = 0;

	UNROLL
	for (unsigned k = 0; k < 8; k++)
		low |= (uint64_t)_mm512_testn_epi64_mask(load(addresses + 8 * k), qword(~(FIXED_END - 1))) << 8 * k;
	store64(kinds, types, 0);
	fleet_low(fixed, vendor, addresses, low, kinds);
	return load(kinds);
}

// WB for those that no range matches and that lie in [4 GiB, TOM2)
RARE __m512i tom2_types(uint64_t tom2, const uint64_t *addresses, __m512i code, __m512i types)
{
	uint64_t in = 0;

	UNROLL
	for (unsigned k = 0; k < 8; k++) {
		__m512i above = _mm512_sub_epi64(load(addresses + 8 * k), qword(GIB4));

		in |= (uint64_t)_mm512_cmple_epu64_mask(above, qword(tom2 - GIB4 - 1)) << 8 * k;
	}
	return _mm512_mask_blend_epi8(_mm512_mask_cmpeq_epi8_mask(in, code, _mm512_setzero_si512()), types, _mm512_set1_epi8(MEMTYPE_WB));
}

// codes -> types
INLINE __m512i final_types(const struct fleet_state *s, __m512i code)
{
	const uint64_t none = UINT64_C(0x0001000100010001); // CODE_NONE in each lane

	return _mm512_shuffle_epi8(_mm512_mask_set1_epi8(table16(type_by_code), none, (char)s->default_type), code);
}

// whether some address may lie below 1 MiB: where a highest word is 0, or holds bits below it
INLINE int may_be_low(const struct fleet_state *s, unsigned words, const __m512i word[2])
{
	__m512i least = _mm512_min_epu16(word[0], word[1]);

	return s->cut + 16 * (words - 1) < FIXED_END_BIT || _mm512_cmple_epu16_mask(least, _mm512_setzero_si512()) != 0;
}

INLINE __m512i types64(const struct fleet_state *s, const struct octet *first, const uint64_t *addresses, unsigned words,
		       __m512i *seen)
{
	__m512i word[2], byte[2 * WORDS], code, types;

	UNROLL
	for (unsigned w = 0; w < words; w++) {
		cut_words(addresses, s->cut + 16 * w, word, seen);
		byte[2 * w] = bytes_of(word, 0);
		byte[2 * w + 1] = bytes_of(word, 1);
	}
	code = codes_of_all(s, first, byte, words);
	types = final_types(s, code);
	if (s->tom2 > GIB4)
		types = tom2_types(s->tom2, addresses, code, types);
	if (s->fixed && may_be_low(s, words, word))
		types = low_types(s->fixed, s->vendor, addresses, types);
	return types;
}

// fewer than 64 addresses, by way of a padded copy
INLINE void part(const struct fleet_state *s, const struct octet *first, const uint64_t *addresses, size_t n, uint8_t *types,
		 unsigned words, __m512i *seen)
{
	uint64_t in[64];
	uint8_t out[64];

	UNROLL
	for (unsigned k = 0; k < 64; k += 8)
		_mm512_storeu_si512((void *)(in + k), qword(~s->beyond)); // no address below 1 MiB
	memcpy(in, addresses, n * sizeof(*in));
	store64(out, types64(s, first, in, words, seen), 0);
	memcpy(types, out, n);
}

// steps of 64 addresses; the OR of all
INLINE __m512i match_steps(const struct fleet_state *s, const struct octet *first, const uint64_t *addresses, size_t n,
			   uint8_t *types, int stream, unsigned words)
{
	__m512i seen = _mm512_setzero_si512();

	for (size_t i = 0; i + 64 <= n; i += 64) {
		__m512i kinds = types64(s, first, addresses + i, words, &seen);

		prefetch64(addresses + i);
		store64(types + i, kinds, stream);
	}
	return seen;
}

// whether all addresses are fit
INLINE int match_state(const struct fleet_state *s, const uint64_t *addresses, size_t n, uint8_t *types, int stream,
		       unsigned words)
{
	struct octet first;
	size_t whole = n & ~(size_t)63;
	__m512i seen;

	load_octet(s, s->first_base, s->first_mask, words, &first);
	seen = match_steps(s, &first, addresses, n, types, stream, words);
	if (whole < n)
		part(s, &first, addresses + whole, n - whole, types + whole, words, &seen);
	return _mm512_test_epi64_mask(seen, qword(s->beyond)) == 0;
}

// state i by keys of any width, for any number of addresses
RARE int match_any(const memtype_fleet *f, size_t i, const uint64_t *addresses, size_t n, uint8_t *types, int stream)
{
	struct fleet_state s;
	unsigned words = load_state_of(f, i, &s);

	if (words == 1)
		return match_state(&s, addresses, n, types, stream, 1);
	if (words == 2)
		return match_state(&s, addresses, n, types, stream, 2);
	return match_state(&s, addresses, n, types, stream, WORDS);
}

// state i by the narrowest keys, n in steps of 64: nothing here needs memory
INLINE int match_narrow(const struct fleet_state *s, const uint64_t *addresses, size_t n, uint8_t *types, int stream)
{
	struct octet first;

	load_octet(s, s->first_base, s->first_mask, 1, &first);
	return _mm512_test_epi64_mask(match_steps(s, &first, addresses, n, types, stream, 1), qword(s->beyond)) == 0;
}

TARGET static size_t match_all(const memtype_fleet *f, const uint64_t *addresses, size_t step, size_t n, uint8_t *types,
			       int stream)
{
	size_t i = 0;

	for (; i < f->states; i++) {
		const uint64_t *its = row_of(addresses, step, i);
		struct fleet_state s;
		int narrow = load_state_of(f, i, &s) == 1 && n % 64 == 0;

		if (!(narrow ? match_narrow(&s, its, n, types_of(types, n, i), stream) :
			       match_any(f, i, its, n, types_of(types, n, i), stream)))
			break;
	}
	return i;
}

const struct fleet_set avx512_fleet = {.all = match_all};

#endif

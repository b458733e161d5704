/* bulk_nibble.h - the array kernels by nibble windows (windows.c explains), for vectors of any number of 16-byte lanes.
 *
 * A file for one instruction set says first what a vector is: `vec`, VEC (its bytes), TARGET, INLINE and the v_*
 * operations, each of them one instruction or nearly so. One *step* looks up VEC addresses: eight vectors of them
 * become planes of bytes, a plane is two vectors of nibbles, a nibble is the index of one byte shuffle.
 *
 * Sizes that are no multiple of VEC end with a step that begins early and does some elements again: every kernel
 * gives the same answer twice. Fewer than VEC elements are one step over a padded copy.
 */
#include "kernels.h"

#define LOADS 8u  /* vectors of addresses in a step */
#define PAIRS 4u  /* two vectors of addresses share one of dwords */
#define PLANES 5u
#define QWORDS (VEC / 8u)
#define ALL (~UINT64_C(0))

INLINE vec low_nibble(vec bytes)
{
	return v_and(bytes, v_splat8(15));
}

INLINE vec high_nibble(vec bytes)
{
	return low_nibble(v_shift_right16(bytes, 4));
}

// --- addresses to planes ---

// Which windows a kernel reads, and where it finds them.
enum layout {
	COARSE, // bits 47:20, nothing compares lower ones: the dword at byte 2 of an address has them without a shift
	FINE,   // bits 51:12 of addresses
	GFN,    // bits 51:12, given as gfns: the dword at byte 0
	LOW_GFN // the same of gfns below LOW_GFNS, whose upper bits are 0
};

#define LOW_GFNS (UINT64_C(1) << 32) /* [0, 16 TiB): few machines have more */

// One dword of each address, those of `a` in the even places, those of `b`, four or two addresses on, in the odd ones.
// Bytes 2 to 5 of a qword are its even dword when read from 2 bytes later, its odd one when read from 2 bytes before;
// both stay inside the eight (four) addresses.
INLINE vec pair_dwords(const uint64_t *a, enum layout layout)
{
	const uint8_t *from = (const uint8_t *)a;

	if (layout == COARSE)
		return v_pick_odd32(v_load(from + 2), v_load(from + VEC - 2));
	if (layout == GFN || layout == LOW_GFN)
		return v_pick_odd32(v_load(from), v_load(from + VEC - 4));
	return v_pick_odd32(v_shift_right64(v_load(from), PAGE_SHIFT), v_shift_left64(v_load(from + VEC), 32 - PAGE_SHIFT));
}

// bits 51:44 of the address likewise, as dwords below 256
INLINE vec pair_tops(const uint64_t *a, enum layout layout)
{
	vec first = v_load(a), second = v_load(a + QWORDS);

	if (layout == GFN)
		return v_pick_odd32(v_shift_right64(first, 32), second);
	return v_pick_odd32(v_shift_right64(first, 32 + PAGE_SHIFT), v_shift_right64(second, PAGE_SHIFT));
}

// Transpose the bytes of four vectors of dwords: byte k of every dword goes to plane k, in the order of pack_bytes.
INLINE void transpose(const vec dwords[PAIRS], vec plane[PAIRS])
{
	static const uint8_t by_byte[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
	vec each = v_table16(by_byte);
	vec a = v_shuffle(dwords[0], each), b = v_shuffle(dwords[1], each);
	vec c = v_shuffle(dwords[2], each), d = v_shuffle(dwords[3], each);
	vec ab = v_unpack_low32(a, b), cd = v_unpack_low32(c, d);

	plane[0] = v_unpack_low64(ab, cd);
	plane[1] = v_unpack_high64(ab, cd);
	ab = v_unpack_high32(a, b);
	cd = v_unpack_high32(c, d);
	plane[2] = v_unpack_low64(ab, cd);
	plane[3] = v_unpack_high64(ab, cd);
}

// four vectors of dwords below 256 as one plane
INLINE vec pack_bytes(const vec dwords[PAIRS])
{
	return v_pack16(v_pack32(dwords[0], dwords[1]), v_pack32(dwords[2], dwords[3]));
}

// In each lane bytes 4 k and 4 k + 2 of a plane, alone in two qwords, for vector 2 k of the addresses; those behind them for
// 2 k + 1. As long as a vector: to repeat 16 bytes in both lanes takes AVX2 a shuffle more (fills 0.333 -> 0.327 ns, Zen 3).
#define NONE 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80
#define LANE(byte) byte, NONE, byte + 2, NONE
#if VEC == 32
#define ALONE(byte) {LANE(byte), LANE(byte)}
#else
#define ALONE(byte) {LANE(byte)}
#endif
static const uint8_t spread[LOADS][VEC] = {ALONE(0), ALONE(1), ALONE(4), ALONE(5), ALONE(8), ALONE(9), ALONE(12), ALONE(13)};

// a plane as qwords, in the order of the addresses: what two vectors shared parts again
INLINE void spread_bytes(vec plane, vec words[LOADS])
{
	const uint8_t (*from)[VEC] = spread;

	__asm__("" : "+r"(from)); // gcc makes more shuffles of tables that it knows
	UNROLL
	for (unsigned k = 0; k < LOADS; k++)
		words[k] = v_shuffle(plane, v_load(from[k]));
}

// --- a step: windows to types ---

enum answer { TYPES, EFFECTIVE, LEAVES };

struct job {
	const memtype_tables *t;
	const uint64_t *places, *ptes; // LEAVES: EPT leaves and guest leaves
	uint64_t page;                 // EFFECTIVE: the bits of `places` that are looked up
	unsigned pat_bit;
	const uint8_t (*entry)[16];    // effective type of each row, for each PAT entry
};

// How the tables are to be read. Loops are compiled for each form that is common: what they branch on is a constant there.
struct form {
	enum layout layout;
	uint32_t shape, groups;
};

struct windows {
	vec nibble[2 * PLANES]; // in the layout COARSE [0] and [9] are not set
	vec page;               // bits 19:12, not set in the layout COARSE
};

INLINE struct windows cut(const uint64_t *addresses, uint64_t page, struct form f)
{
	struct windows w;
	vec dwords[PAIRS], plane[PLANES];
	unsigned first = f.layout == COARSE ? 1 : 0; // plane k holds windows 2 k + first and the one above
	vec kept = v_splat32((uint32_t)(page >> (f.layout == COARSE ? 16 : PAGE_SHIFT)));

	UNROLL
	for (unsigned k = 0; k < PAIRS; k++)
		dwords[k] = v_and(pair_dwords(addresses + 2 * k * QWORDS, f.layout), kept);
	transpose(dwords, plane);
	plane[4] = v_zero();
	if (f.layout != COARSE && f.layout != LOW_GFN && f.shape & SHAPE_WIDE) {
		UNROLL
		for (unsigned k = 0; k < PAIRS; k++)
			dwords[k] = v_and(pair_tops(addresses + 2 * k * QWORDS, f.layout), v_splat32((uint32_t)(page >> 44)));
		plane[4] = pack_bytes(dwords);
	}
	w.page = plane[0];
	UNROLL
	for (unsigned k = 0; k < PLANES - first; k++) {
		w.nibble[2 * k + first] = low_nibble(plane[k]);
		w.nibble[2 * k + first + 1] = high_nibble(plane[k]);
	}
	return w;
}

// which of a group's cubes match: bit k of each byte
INLINE vec match_group(const uint8_t *entries, const struct windows *w, struct form f)
{
	vec hits = v_shuffle(v_table16(entries + 2 * 16), w->nibble[2]);

	UNROLL
	for (unsigned k = 3; k < 8; k++)
		hits = v_and(hits, v_shuffle(v_table16(entries + k * 16), w->nibble[k]));
	if (f.layout == COARSE || f.shape & SHAPE_WIDE)
		hits = v_and(hits, v_shuffle(v_table16(entries + 8 * 16), w->nibble[8]));
	if (f.layout != COARSE && f.shape & SHAPE_WIDE)
		hits = v_and(hits, v_shuffle(v_table16(entries + 9 * 16), w->nibble[9]));
	if (f.layout != COARSE && f.shape & SHAPE_FINE) {
		hits = v_and(hits, v_shuffle(v_table16(entries), w->nibble[0]));
		hits = v_and(hits, v_shuffle(v_table16(entries + 16), w->nibble[1]));
	}
	return hits;
}

INLINE vec decode_group(const uint8_t *codes, vec hits)
{
	return v_or(v_shuffle(v_table16(codes), low_nibble(hits)), v_shuffle(v_table16(codes + 16), high_nibble(hits)));
}

INLINE vec final_types(const memtype_tables *t, vec code, struct form f)
{
	vec type = v_shuffle_low(v_table16(t->final_type), code);

	if (f.shape & SHAPE_TOM2)
		type = v_blend(type, v_splat8(MEMTYPE_WB), v_equal8(code, v_splat8(CODE_TOM2)));
	return type;
}

// bit `bit` of each byte moved to bit 7, where a blend looks
#define BIT_UP(bytes, bit) v_shift_left16(bytes, 7 - (bit))

// The fixed ranges as they are (SDM table 12-9): 8 of 64 KiB, 16 of 16 KiB, 64 of 4 KiB.
INLINE vec split_types(const uint8_t *fixed, const struct windows *w)
{
	vec page = w->page, row[4], low, high, type16;

	UNROLL
	for (unsigned k = 0; k < 4; k++)
		row[k] = v_shuffle(v_table16(fixed + FIXED_4K_FIRST + 16 * k), w->nibble[0]);
	low = v_blend(row[0], row[1], BIT_UP(page, 4));
	high = v_blend(row[2], row[3], BIT_UP(page, 4));
	type16 = v_shuffle(v_table16(fixed + FIXED_16K_FIRST), low_nibble(v_shift_right16(page, 2)));
	low = v_blend(low, high, BIT_UP(page, 5));
	low = v_blend(type16, low, BIT_UP(page, 6));
	return v_blend(v_shuffle(v_table16(fixed), w->nibble[1]), low, page);
}

INLINE vec fixed_types(const memtype_tables *t, const struct windows *w, struct form f)
{
	if (f.layout != COARSE && f.shape & SHAPE_SPLIT)
		return split_types(t->fixed, w);
	return v_shuffle(v_table16(t->fixed), w->nibble[1]);
}

// the types of VEC addresses, in the order of the planes
INLINE vec types_step(const memtype_tables *t, const uint64_t *addresses, uint64_t page, struct form f)
{
	struct windows w = cut(addresses, page, f);
	vec hits = match_group(t->window, &w, f), code = decode_group(t->decode, hits), type;

	for (unsigned g = 1; g < f.groups; g++)
		code = v_or(code, decode_group(t->decode + 32 * g,
					       match_group(t->window + g * NIBBLE_WINDOWS * NIBBLE_BYTES, &w, f)));
	type = final_types(t, code, f);
	if (f.shape & SHAPE_FIXED) // bit 7 of the first group's hits: below 1 MiB
		type = v_blend(type, fixed_types(t, &w, f), hits);
	return type;
}

// --- a step: PAT entries ---

#define LEAF_CACHED (3u << PTE_PWT_BIT) /* PWT, and PCD above it */
#define LEAF_PAT (1u << PTE_PAT_4K_BIT)
#define LEAF_FIELDS (LEAF_CACHED | LEAF_PAT | 1u << PTE_PAT_LARGE_BIT)

// PWT, PCD and PAT of VEC leaves, as bits 3, 4 and 7 of bytes in the order of the planes
INLINE vec leaf_bytes(const uint64_t *ptes, unsigned bit)
{
	vec low[PAIRS], half[2];

	UNROLL
	for (unsigned k = 0; k < PAIRS; k++)
		low[k] = v_and(pair_dwords(ptes + 2 * k * QWORDS, GFN), v_splat32(LEAF_FIELDS));
	UNROLL
	for (unsigned k = 0; k < 2; k++) {
		vec two = v_pack32(low[2 * k], low[2 * k + 1]);

		half[k] = v_or(v_and(two, v_splat16(LEAF_CACHED)),
			       v_and(v_shift_right16_by(two, bit - PTE_PAT_4K_BIT), v_splat16(LEAF_PAT)));
	}
	return v_pack16(half[0], half[1]);
}

// bits 6:3 of VEC EPT leaves
INLINE vec ept_rows(const uint64_t *eptes)
{
	vec dwords[PAIRS];

	UNROLL
	for (unsigned k = 0; k < PAIRS; k++)
		dwords[k] = v_and(pair_dwords(eptes + 2 * k * QWORDS, GFN), v_splat32(15u << EPT_TYPE_BIT));
	return v_shift_right16(pack_bytes(dwords), EPT_TYPE_BIT);
}

// entry[k][row], k being PAT << 2 | PCD << 1 | PWT of the leaf
INLINE vec choose_entry(const struct job *j, vec rows, vec leaf)
{
	vec kind[8];

	UNROLL
	for (unsigned k = 0; k < 8; k++)
		kind[k] = v_shuffle(v_table16(j->entry[k]), rows);
	UNROLL
	for (unsigned k = 0; k < 4; k++)
		kind[k] = v_blend(kind[2 * k], kind[2 * k + 1], BIT_UP(leaf, 3));
	kind[0] = v_blend(kind[0], kind[1], BIT_UP(leaf, 4));
	kind[1] = v_blend(kind[2], kind[3], BIT_UP(leaf, 4));
	return v_blend(kind[0], kind[1], leaf);
}

// VEC answers from element `i` on, in order
INLINE vec step(const struct job *j, size_t i, struct form f, enum answer answer)
{
	vec rows;

	if (answer == TYPES)
		return v_in_order(types_step(j->t, j->places + i, ALL, f));
	rows = answer == EFFECTIVE ? types_step(j->t, j->places + i, j->page, f) : ept_rows(j->places + i);
	return v_in_order(choose_entry(j, rows, leaf_bytes(j->ptes + i, j->pat_bit)));
}

// --- arrays ---

// the OR of VEC addresses, into `seen`
INLINE vec see(vec seen, const uint64_t *addresses)
{
	vec more = v_load(addresses);

	UNROLL
	for (unsigned k = 1; k < LOADS; k++)
		more = v_or(more, v_load(addresses + k * QWORDS));
	return v_or(seen, more);
}

// How many elements of the first step count, so that a line of `words` begins where the next step does: 30 of 32 where
// they begin 16 bytes into one, as numpy's large arrays do (10^6 types 0.249 -> 0.228 ns, Zen 4 with AVX2).
static inline size_t step_to_line(const uint64_t *words, size_t n)
{
	return n < LINES_FROM ? VEC : VEC - (uintptr_t)words / sizeof(*words) % 8;
}

// the words of the step that is `ahead` elements on
INLINE void ask_ahead(const uint64_t *words, size_t ahead)
{
	UNROLL
	for (unsigned k = 0; k < VEC; k += 8)
		v_ask(words + ahead + k);
}

// Outputs far larger than the caches, where two words are read for each: from the first aligned element on. Returns where to
// go on.
INLINE size_t stream_steps(const struct job *j, size_t n, uint8_t *out, struct form f, enum answer answer,
			   vec *seen)
{
	size_t i = -(uintptr_t)out % VEC;

	v_store(out, step(j, 0, f, answer));
	*seen = see(*seen, j->places);
	for (; i + VEC <= n; i += VEC) {
		ask_ahead(j->places + i, STREAM_AHEAD / 4);
		ask_ahead(j->ptes + i, STREAM_AHEAD / 4);
		v_stream(out + i, step(j, i, f, answer));
		*seen = see(*seen, j->places + i);
	}
	v_fence();
	return i;
}

#define LINES 512u /* bytes of the output: eight of its lines */

// LINES answers, from place i on
INLINE void fill_lines(const struct job *j, size_t i, uint8_t *lines, struct form f, vec *seen)
{
	for (size_t k = i; k < i + LINES; k += VEC, lines += VEC) {
		ask_ahead(j->places + k, STREAM_AHEAD);
		v_store(lines, step(j, k, f, TYPES));
		*seen = see(*seen, j->places + k);
	}
}

// The same where one word is read for each. Steps begin where lines of the input do; what they answer is laid where lines of
// the output do, and LINES bytes then go past the caches together (AVX2, Zen 3: 10^7 addresses 1.03 -> 0.92x np.copyto; with
// leaves, two words, it took 1.04 to 1.08 of the time).
INLINE size_t stream_lines(const struct job *j, size_t n, uint8_t *out, struct form f, vec *seen)
{
	_Alignas(64) uint8_t lines[64 + LINES];
	size_t first = step_to_line(j->places, n), i = 0, held;

	for (; i < 64; i += i ? VEC : first) { // of the first line some may lie before `out`
		v_store(out + i, step(j, i, f, TYPES));
		*seen = see(*seen, j->places + i);
	}
	held = (uintptr_t)(out + i) % 64; // bytes of a line that are answered
	memcpy(lines, out + i - held, held);
	for (; i + LINES <= n; i += LINES) {
		fill_lines(j, i, lines + held, f, seen);
		for (size_t k = 0; k < LINES; k += VEC)
			v_stream(out + i - held + k, v_load(lines + k));
		memcpy(lines, lines + LINES, 64);
	}
	v_fence();
	memcpy(out + i - held, lines, held);
	return i;
}

// n >= VEC answers; the OR of all places
INLINE uint64_t many_steps(const struct job *j, size_t n, uint8_t *restrict out, struct form f, enum answer answer)
{
	vec seen = v_zero();
	size_t first = step_to_line(j->places, n), i = 0;

	if (past_caches(n, answer == TYPES ? 1 : 2))
		i = answer == TYPES ? stream_lines(j, n, out, f, &seen) : stream_steps(j, n, out, f, answer, &seen);
	for (; i < n; i += i ? VEC : first) {
		size_t from = i + VEC <= n ? i : n - VEC;

		v_store(out + from, step(j, from, f, answer));
		if (answer != LEAVES)
			seen = see(seen, j->places + from);
	}
	return v_or_lanes(seen);
}

INLINE uint64_t run(const struct job *j, size_t n, uint8_t *out, struct form f, enum answer answer)
{
	struct job part = *j;
	uint64_t places[VEC] = {0}, ptes[VEC] = {0}, seen;
	uint8_t bytes[VEC];

	if (n >= VEC)
		return many_steps(j, n, out, f, answer);
	if (n == 0)
		return 0;
	memcpy(places, j->places, n * sizeof(*places));
	if (answer != TYPES)
		memcpy(ptes, j->ptes, n * sizeof(*ptes));
	part.places = places;
	part.ptes = ptes;
	seen = many_steps(&part, VEC, bytes, f, answer);
	memcpy(out, bytes, n);
	return seen;
}

static inline int is_coarse(const memtype_tables *t)
{
	return !(t->shape & (SHAPE_FINE | SHAPE_SPLIT)) && t->maxphyaddr <= 48;
}

// up to seven cubes that compare no bit below 20, fixed types that agree in each 64 KiB, no TOM2: most machines
static inline int is_plain(const memtype_tables *t)
{
	return (t->shape & ~SHAPE_WIDE) == SHAPE_FIXED && t->groups == 1;
}

INLINE uint64_t run_form(const struct job *j, size_t n, uint8_t *out, enum answer answer)
{
	if (is_coarse(j->t) && is_plain(j->t))
		return run(j, n, out, (struct form){COARSE, SHAPE_FIXED, 1}, answer);
	if (is_coarse(j->t))
		return run(j, n, out, (struct form){COARSE, j->t->shape, j->t->groups}, answer);
	return run(j, n, out, (struct form){FINE, j->t->shape, j->t->groups}, answer);
}

static TARGET uint64_t KERNEL(types)(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types)
{
	struct job j = {.t = t, .places = addresses, .ptes = addresses};

	return run_form(&j, n, types, TYPES);
}

// column k of a pat_view as the table of a shuffle
static inline void columns(const struct pat_view *pat, uint8_t entry[8][16])
{
	for (unsigned k = 0; k < 8; k++) {
		for (unsigned row = 0; row < 16; row++)
			entry[k][row] = pat->effective[row][k];
	}
}

static TARGET uint64_t KERNEL(effective)(const memtype_tables *t, const struct pat_view *pat, const uint64_t *places,
					 uint64_t page, const uint64_t *ptes, size_t n, uint8_t *types)
{
	uint8_t entry[8][16];
	struct job j = {t, places, ptes, page, pat->pat_bit, (const uint8_t (*)[16])entry};

	columns(pat, entry);
	return page & run_form(&j, n, types, EFFECTIVE);
}

static TARGET void KERNEL(leaves)(const struct pat_view *pat, const uint64_t *eptes, const uint64_t *ptes, size_t n,
					 uint8_t *types)
{
	uint8_t entry[8][16];
	struct job j = {NULL, eptes, ptes, ALL, pat->pat_bit, (const uint8_t (*)[16])entry};

	columns(pat, entry);
	run(&j, n, types, (struct form){FINE, 0, 0}, LEAVES);
}

// --- leaves ---

INLINE void merge_bits(vec types, vec keep, uint64_t *words)
{
	vec bits[LOADS];

	spread_bytes(types, bits);
	UNROLL
	for (unsigned k = 0; k < LOADS; k++)
		v_store(words + k * QWORDS, v_or(v_and(v_load(words + k * QWORDS), keep), bits[k]));
}

// From step i on, up to the one that holds the first gfn with a bit of `beyond`: where that begins, or n. Types are found
// before gfns are checked, so that gcc reads the tables once, before the loop (10^6 words 0.375 -> 0.347 ns, Zen 3).
INLINE size_t fill_steps(const memtype_tables *t, vec beyond, const uint64_t *gfns, size_t i, size_t n, vec keep,
			 uint64_t *restrict words, struct form f)
{
	for (size_t more = step_to_line(words + i, n); i < n; i += more, more = VEC) {
		size_t from = i + VEC <= n ? i : n - VEC;
		vec types = types_step(t, gfns + from, ALL, f);

		if (v_any(v_and(see(v_zero(), gfns + from), beyond)))
			return from;
		merge_bits(types, keep, words + from);
	}
	return n;
}

// Words that take all windows, before the next are hoped to take fewer: the first of 10^6 gfns above, 0.36 ns a word; where all
// behind it took all windows 0.48 (AVX2, Zen 3).
#define HIGH_PART 512u

// Of gfns below LOW_GFNS fewer windows are asked.
INLINE size_t run_fill(const memtype_tables *t, uint64_t last, const uint64_t *gfns, size_t n, uint64_t keep,
		       uint64_t *restrict words, uint32_t shape, uint32_t groups)
{
	const struct form low = {LOW_GFN, shape, groups}, all = {GFN, shape, groups};
	const vec kept = v_splat64(keep), beyond = v_splat64(~last), high = v_splat64(~(last & (LOW_GFNS - 1)));
	size_t done = 0, end;

	while ((done = fill_steps(t, high, gfns, done, n, kept, words, low)) < n) {
		end = n - done < HIGH_PART ? n : done + HIGH_PART;
		done = fill_steps(t, beyond, gfns, done, end, kept, words, all);
		if (done < end)
			break;
	}
	return done;
}

static TARGET size_t KERNEL(fill)(const memtype_tables *t, uint64_t last, const uint64_t *gfns, size_t n, uint64_t keep,
				  uint64_t *words)
{
	if (is_plain(t))
		return run_fill(t, last, gfns, n, keep, words, SHAPE_FIXED | SHAPE_WIDE, 1);
	return run_fill(t, last, gfns, n, keep, words, t->shape, t->groups);
}

static TARGET uint64_t KERNEL(or_words)(const uint64_t *words, size_t n)
{
	vec seen = v_zero();
	size_t i = 0;

	for (; i + VEC <= n; i += VEC)
		seen = see(seen, words + i);
	return v_or_lanes(seen) | or_words(words + i, n - i);
}

/* bulk_avx512.c - the array kernels with AVX-512 VBMI: septet windows, 64 addresses a step (windows.c explains).
 *
 * All but the cut works on bytes in the order that the cut leaves: byte 8 i + 4 h + j is of address 16 j + 8 h + i.
 * Only what is stored is put in order. Shuffles are what there is too little of (two of four pipes on Zen 5, one port
 * on Intel), so merges are blends under a mask wherever the bytes can be made to lie right beforehand.
 */
#include "granules.h"

#ifdef MEMTYPE_X86
#include "avx512.h"

#define PAIRS 4u /* pairs of vectors of eight addresses in a step */

// bytes 7:4 of every qword; bytes 1, 3, 5, 7; bytes 2, 3, 6, 7
#define HIGH_HALF UINT64_C(0xF0F0F0F0F0F0F0F0)
#define ODD UINT64_C(0xAAAAAAAAAAAAAAAA)
#define HIGH_PAIR UINT64_C(0xCCCCCCCCCCCCCCCC)

// logic of three: a ? b : c by bits; a & b & c; a | b | c; a & (b ^ c); a & b | c
#define SELECT(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0xCA)
#define AND3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0x80)
#define OR3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0xFE)
#define AND_XOR(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0x60)
#define AND_OR(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0xEA)

// --- the cut: windows of 64 addresses as planes of bytes ---

// start[j ^ k] for j = 0 .. 3 as bytes 3:0, and again as bytes 7:4, of every qword
INLINE __m512i shifts_of(const uint8_t start[4], unsigned k)
{
	uint64_t shifts = 0;

	UNROLL
	for (unsigned j = 0; j < 4; j++)
		shifts |= (uint64_t)start[j ^ k] << 8 * j;
	return _mm512_set1_epi64((long long)(shifts | shifts << 32));
}

// windows of the first vector in bytes 3:0 of every qword, of the second in bytes 7:4
INLINE __m512i cut(const __m512i in[2], __m512i shifts)
{
	return _mm512_mask_multishift_epi64_epi8(_mm512_multishift_epi64_epi8(shifts, in[0]), HIGH_HALF, shifts, in[1]);
}

// the bytes of every dword in the order 1 0 3 2
INLINE __m512i swap_bytes(__m512i bytes)
{
	return _mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(_mm_setr_epi8(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10,
									       13, 12, 15, 14)));
}

// ... in the order 3 2 1 0
INLINE __m512i reverse_bytes(__m512i bytes)
{
	return _mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(_mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8,
									       15, 14, 13, 12)));
}

// Four windows. Pair k, vectors 2 k and 2 k + 1, has window w in byte w ^ k of its dwords:
//
//     pair 0: w0 w1 w2 w3     pair 1: w1 w0 w3 w2     pair 2: w2 w3 w0 w1     pair 3: w3 w2 w1 w0
//
// No two pairs have a window in one place, so blends gather it: window 1 is byte 1 of pair 0, byte 0 of pair 1, byte
// 3 of pair 2, byte 2 of pair 3. Byte j is now of pair j ^ w; one shuffle inside dwords makes it pair j.
INLINE void gather4(const __m512i pair[PAIRS], __m512i plane[4])
{
	__m512i even = _mm512_mask_blend_epi8(ODD, pair[0], pair[1]);  // w0 w0 w2 w2
	__m512i odd = _mm512_mask_blend_epi8(ODD, pair[1], pair[0]);   // w1 w1 w3 w3
	__m512i even2 = _mm512_mask_blend_epi8(ODD, pair[2], pair[3]); // w2 w2 w0 w0
	__m512i odd2 = _mm512_mask_blend_epi8(ODD, pair[3], pair[2]);  // w3 w3 w1 w1

	plane[0] = _mm512_mask_blend_epi8(HIGH_PAIR, even, even2);
	plane[1] = swap_bytes(_mm512_mask_blend_epi8(HIGH_PAIR, odd, odd2));
	plane[2] = _mm512_rol_epi32(_mm512_mask_blend_epi8(HIGH_PAIR, even2, even), 16);
	plane[3] = reverse_bytes(_mm512_mask_blend_epi8(HIGH_PAIR, odd2, odd));
}

// Two windows: pairs 0 and 2 have w0 w1 w0 w1, pairs 1 and 3 w1 w0 w1 w0.
INLINE void gather2(const __m512i pair[PAIRS], __m512i plane[2])
{
	__m512i even = _mm512_mask_blend_epi8(HIGH_PAIR, pair[0], pair[2]);
	__m512i odd = _mm512_mask_blend_epi8(HIGH_PAIR, pair[1], pair[3]);

	plane[0] = _mm512_mask_blend_epi8(ODD, even, odd);
	plane[1] = swap_bytes(_mm512_mask_blend_epi8(ODD, odd, even));
}

// one window, anywhere
INLINE __m512i gather1(const __m512i pair[PAIRS])
{
	return _mm512_mask_blend_epi8(HIGH_PAIR, _mm512_mask_blend_epi8(ODD, pair[0], pair[1]),
				      _mm512_mask_blend_epi8(ODD, pair[2], pair[3]));
}

// shifts for gather2: the windows begin at bits `a` and `b`
INLINE void shifts_of_two(unsigned a, unsigned b, __m512i shifts[2])
{
	const uint8_t start[4] = {(uint8_t)a, (uint8_t)b, (uint8_t)a, (uint8_t)b};

	shifts[0] = shifts_of(start, 0);
	shifts[1] = shifts_of(start, 1);
}

// of the first four windows, pair by pair, and of the last two of six
struct shifts {
	__m512i four[PAIRS], two[2];
};

// address 16 j + 8 h + i from byte 8 i + 4 h + j
static const uint8_t order[64] = {
	0, 8,  16, 24, 32, 40, 48, 56, 4, 12, 20, 28, 36, 44, 52, 60, 1, 9,  17, 25, 33, 41,
	49, 57, 5, 13, 21, 29, 37, 45, 53, 61, 2, 10, 18, 26, 34, 42, 50, 58, 6, 14, 22, 30,
	38, 46, 54, 62, 3, 11, 19, 27, 35, 43, 51, 59, 7, 15, 23, 31, 39, 47, 55, 63,
};

INLINE __m512i in_order(__m512i bytes)
{
	return _mm512_permutexvar_epi8(load(order), bytes);
}

// 64 bytes in a row out of two vectors in the order of the cut: the last `behind` of the first, then of the second
INLINE __m512i across(unsigned behind)
{
	uint8_t both[128];

	_mm512_storeu_si512((void *)both, load(order));
	_mm512_storeu_si512((void *)(both + 64), _mm512_or_si512(load(order), _mm512_set1_epi8(64)));
	return load(both + 64 - behind);
}

// Where answers go, 64 at a time. Past the caches whole lines are written, while it is the input's lines that blocks begin
// with: a line then holds the end of one block and the start of the next.
struct sink {
	uint8_t *types;  // of the next block
	unsigned behind; // bytes of its line that lie before it
	int stream, first;
	__m512i line, before; // which bytes of two blocks make a line; the block before
};

INLINE struct sink start_sink(uint8_t *types, int stream)
{
	struct sink s = {.types = types, .behind = (unsigned)((uintptr_t)types % 64), .stream = stream, .first = 1};

	s.before = _mm512_setzero_si512();
	s.line = stream ? across(s.behind) : s.before;
	return s;
}

// 64 answers in the order of the cut
INLINE void put64(struct sink *s, __m512i bytes)
{
	if (!s->stream || s->first)
		_mm512_storeu_si512((void *)s->types, in_order(bytes));
	else
		_mm512_stream_si512((void *)(s->types - s->behind), _mm512_permutex2var_epi8(s->before, s->line, bytes));
	s->before = bytes;
	s->first = 0;
	s->types += 64;
}

// the end of the last block
INLINE void end_sink(const struct sink *s)
{
	if (s->stream)
		_mm512_storeu_si512((void *)(s->types - 64), in_order(s->before));
}

// --- types ---

// How the tables are to be read. Loops are compiled for each form; what they branch on then is a constant.
struct form {
	unsigned windows; // 4 or 6
	unsigned octets;  // how many of four have eight bits
	int by_page;      // the page table has 256 entries; else 64 will do
	int many;         // more than one group
};

struct table128 {
	__m512i half[2];
};

// entries[low seven bits of each byte]
INLINE __m512i look_up(const struct table128 *table, __m512i bytes)
{
	return _mm512_permutex2var_epi8(table->half[0], bytes, table->half[1]);
}

INLINE struct table128 load_table(const uint8_t *entries)
{
	return (struct table128){{load(entries), load(entries + 64)}};
}

// the tables of seven cubes
struct group {
	struct table128 window[6], decode;
	__m512i top[4][2]; // of the bit above a septet
};

INLINE struct group load_group(const memtype_tables *t, unsigned g, struct form f)
{
	const uint8_t *window = t->window + g * SEPTET_WINDOWS * SEPTET_BYTES, *top = window + SEPTET_TOPS;
	struct group loaded;

	UNROLL
	for (unsigned w = 0; w < f.windows; w++)
		loaded.window[w] = load_table(window + w * SEPTET_BYTES);
	UNROLL
	for (unsigned w = 4 - f.octets; w < 4; w++) {
		loaded.top[w][0] = table16(top + w * SEPTET_TOP_BYTES);
		loaded.top[w][1] = table16(top + w * SEPTET_TOP_BYTES + 16);
	}
	loaded.decode = load_table(t->decode + g * SEPTET_BYTES);
	return loaded;
}

// Which cubes match, one bit each; bit 7: below 1 MiB. With bit 7 of an index set a byte shuffle answers 0, so
// (0 or top[0]) ^ top[1] is who takes 1, or 0, in the bit above a septet.
INLINE __m512i match_group(const struct group *g, const __m512i *plane, struct form f)
{
	__m512i hits = look_up(&g->window[0], plane[0]);

	UNROLL
	for (unsigned w = 1; w + 1 < f.windows; w += 2)
		hits = AND3(hits, look_up(&g->window[w], plane[w]), look_up(&g->window[w + 1], plane[w + 1]));
	hits = _mm512_and_si512(hits, look_up(&g->window[f.windows - 1], plane[f.windows - 1]));
	UNROLL
	for (unsigned w = 4 - f.octets; w < 4; w++)
		hits = AND_XOR(hits, _mm512_shuffle_epi8(g->top[w][0], plane[w]), g->top[w][1]);
	return hits;
}

// What a loop takes from the tables, loaded before it: 32 registers hold the most of it.
struct ready {
	const memtype_tables *t;
	struct group first;
	struct table128 page[2];
	struct shifts shifts;
};

// for windows that begin `lower` bits lower than in addresses
INLINE struct ready get_ready(const memtype_tables *t, unsigned lower, struct form f)
{
	struct ready r = {.t = t, .first = load_group(t, 0, f)};
	uint8_t start[4];

	r.page[0] = load_table(t->page);
	r.page[1] = load_table(t->page + FIXED_PAGES / 2);
	UNROLL
	for (unsigned w = 0; w < 4; w++)
		start[w] = (uint8_t)(t->start[w] - lower);
	UNROLL
	for (unsigned k = 0; k < PAIRS; k++)
		r.shifts.four[k] = shifts_of(start, k);
	shifts_of_two(40 - lower, 47 - lower, r.shifts.two);
	return r;
}

// codes of more than one group -> types
INLINE __m512i final_types(const memtype_tables *t, __m512i code)
{
	uint64_t only_tom2 = _mm512_cmpeq_epi8_mask(code, _mm512_set1_epi8(CODE_TOM2));

	return _mm512_mask_blend_epi8(only_tom2, _mm512_shuffle_epi8(table16(t->final_type), code),
				      _mm512_set1_epi8(MEMTYPE_WB));
}

// what the ranges say, and which lanes lie below 1 MiB with fixed ranges on
INLINE __m512i variable_types(const struct ready *r, const __m512i *plane, struct form f, uint64_t *low)
{
	__m512i hits = match_group(&r->first, plane, f), code = look_up(&r->first.decode, hits);

	*low = _mm512_movepi8_mask(hits);
	if (!f.many)
		return code; // decode holds types
	for (unsigned k = 1; k < r->t->groups; k++) {
		const struct group g = load_group(r->t, k, f);

		code = _mm512_or_si512(code, look_up(&g.decode, match_group(&g, plane, f)));
	}
	return final_types(r->t, code);
}

// Below 1 MiB the first window is the page number, or its upper bits; the table has an entry for each.
INLINE __m512i fixed_types(const struct table128 page[2], __m512i number, int by_page)
{
	if (!by_page)
		return _mm512_permutexvar_epi8(number, page[0].half[0]);
	return _mm512_mask_blend_epi8(_mm512_movepi8_mask(number), look_up(&page[0], number), look_up(&page[1], number));
}

INLINE void load_pair(const uint64_t *from, __m512i in[2])
{
	in[0] = load(from);
	in[1] = load(from + 8);
	IN_REGISTER(in[0]);
	IN_REGISTER(in[1]);
}

// the windows of 64 places, in the order of the cut
struct planes {
	__m512i plane[6];
};

// of places & page, which are OR-ed into *seen
INLINE struct planes cut64(const struct shifts *shifts, const uint64_t *places, __m512i page, struct form f, __m512i *seen)
{
	__m512i pair[PAIRS], more[PAIRS];
	struct planes p;

	UNROLL
	for (unsigned k = 0; k < PAIRS; k++) { // pair by pair: few registers are free
		__m512i in[2];

		load_pair(places + 16 * k, in);
		in[0] = _mm512_and_si512(in[0], page);
		in[1] = _mm512_and_si512(in[1], page);
		*seen = OR3(*seen, in[0], in[1]);
		pair[k] = cut(in, shifts->four[k]);
		if (f.windows > 4)
			more[k] = cut(in, shifts->two[k & 1]);
	}
	gather4(pair, p.plane);
	if (f.windows > 4)
		gather2(more, p.plane + 4);
	return p;
}

// The blocks of a loop, one after the other. A block is cut before the one ahead of it is looked up: each look-up waits for
// the one before it, and what the cut does fills that time (65,536 addresses: 0.109 -> 0.101 ns, Zen 4). Not so with many
// groups, whose tables leave it no registers (0.176 -> 0.204).
struct feed {
	const uint64_t *places;
	size_t blocks; // from `places` on
	__m512i page, seen;
	struct planes next;
};

INLINE struct feed start_feed(const struct shifts *shifts, const uint64_t *places, size_t blocks, uint64_t page,
			      struct form f)
{
	struct feed feed = {.places = places, .blocks = blocks, .page = _mm512_set1_epi64((long long)page)};

	feed.seen = _mm512_setzero_si512();
	if (!f.many)
		feed.next = cut64(shifts, places, feed.page, f, &feed.seen);
	return feed;
}

INLINE struct planes next_block(const struct shifts *shifts, struct feed *feed, struct form f)
{
	struct planes now = feed->next;

	if (f.many)
		now = cut64(shifts, feed->places, feed->page, f, &feed->seen);
	feed->places += --feed->blocks ? 64 : 0; // behind the last block the last is cut again
	if (!f.many)
		feed->next = cut64(shifts, feed->places, feed->page, f, &feed->seen);
	return now;
}

// their types, in the order of the cut
INLINE __m512i types64(const struct ready *r, const struct planes *p, struct form f)
{
	uint64_t low;
	__m512i type = variable_types(r, p->plane, f, &low);

	return _mm512_mask_blend_epi8(low, type, fixed_types(r->page, p->plane[0], f.by_page));
}

// --- loops over whole blocks, one for each form ---

// what a loop works on
struct work {
	const memtype_tables *t;
	const struct pat_view *pat;
	const uint64_t *in, *ptes; // ptes: NULL where only `in` is read
	uint64_t page;             // mask of `in`
	uint8_t *types;
};

// answers blocks * 64 elements from `from` on; the OR of what was looked up
typedef uint64_t (*block_loop)(const struct work *w, size_t from, size_t blocks, int stream);

INLINE uint64_t run_types(const struct work *w, size_t from, size_t blocks, int stream, struct form f)
{
	const struct ready r = get_ready(w->t, 0, f);
	struct feed feed = start_feed(&r.shifts, w->in + from, blocks, UINT64_MAX, f);
	struct sink sink = start_sink(w->types + from, stream);

	for (size_t i = 0; i < blocks; i++) {
		struct planes now = next_block(&r.shifts, &feed, f);

		put64(&sink, types64(&r, &now, f));
	}
	end_sink(&sink);
	return (uint64_t)_mm512_reduce_or_epi64(feed.seen);
}

// where byte 0 of sixteen entries in two vectors is taken from: byte 8 i + 4 h + j wants that of qword i of vector h
static const uint8_t first_bytes[64] = {
	0, 0, 0, 0, 64, 64, 64, 64, 8, 8, 8, 8, 72, 72, 72, 72,
	16, 16, 16, 16, 80, 80, 80, 80, 24, 24, 24, 24, 88, 88, 88, 88,
	32, 32, 32, 32, 96, 96, 96, 96, 40, 40, 40, 40, 104, 104, 104, 104,
	48, 48, 48, 48, 112, 112, 112, 112, 56, 56, 56, 56, 120, 120, 120, 120,
};

// One byte of each of 64 entries, in the order of the cut. Whole bytes take one shuffle, where a cut takes two.
INLINE __m512i bytes64(const uint64_t *entries, __m512i from)
{
	__m512i pair[PAIRS];

	UNROLL
	for (unsigned k = 0; k < PAIRS; k++) {
		__m512i in[2];

		load_pair(entries + 16 * k, in);
		pair[k] = _mm512_permutex2var_epi8(in[0], from, in[1]);
	}
	return gather1(pair);
}

// for GF2P8AFFINEQB: bit `to` of what it gives is bit `from` of what it is given
#define MOVED(from, to) (UINT64_C(1) << (8 * (7 - (to)) + (from)))

// the effective types of rows under PAT entries, folded
struct fold {
	struct table128 effective;
	__m512i from[2], moved[2]; // bytes 0 and 1 of leaves, and which bits of theirs are which of the entry's number
	int large;                 // the PAT bit is bit 12
};

INLINE struct fold get_fold(const struct pat_view *pat)
{
	const uint64_t low = MOVED(PTE_PWT_BIT, 0) | MOVED(PTE_PCD_BIT, 1), small = MOVED(PTE_PAT_4K_BIT, 2);
	struct fold f = {.effective = load_table(pat->effective[0]), .large = pat->pat_bit == PTE_PAT_LARGE_BIT};

	f.moved[0] = _mm512_set1_epi64((long long)(f.large ? low : low | small));
	f.moved[1] = _mm512_set1_epi64((long long)MOVED(PTE_PAT_LARGE_BIT - 8, 2));
	f.from[0] = load(first_bytes);
	f.from[1] = _mm512_or_si512(f.from[0], _mm512_set1_epi8(1));
	return f;
}

// Rows in bits 6:3, under the entries that 64 leaves choose: bits 4:3 of a leaf are bits 1:0 of the entry's number,
// its PAT bit is bit 2.
INLINE __m512i combine64(const struct fold *f, __m512i rows, const uint64_t *ptes)
{
	__m512i number = _mm512_gf2p8affine_epi64_epi8(bytes64(ptes, f->from[0]), f->moved[0], 0);

	if (f->large)
		number = _mm512_or_si512(number, _mm512_gf2p8affine_epi64_epi8(bytes64(ptes, f->from[1]), f->moved[1], 0));
	return look_up(&f->effective, SELECT(_mm512_set1_epi8(7), number, rows));
}

// the effective types of 64 places, in the order of the cut
INLINE __m512i effective64(const struct ready *r, const struct planes *p, struct form f, const struct fold *fold,
			   const uint64_t *ptes)
{
	return combine64(fold, _mm512_slli_epi16(types64(r, p, f), 3), ptes); // types are below 16 and stay in their bytes
}

INLINE uint64_t run_effective(const struct work *w, size_t from, size_t blocks, int stream, struct form f)
{
	const struct ready r = get_ready(w->t, 0, f);
	const struct fold fold = get_fold(w->pat);
	const uint64_t *ptes = w->ptes + from;
	struct feed feed = start_feed(&r.shifts, w->in + from, blocks, w->page, f);
	struct sink sink = start_sink(w->types + from, stream);

	for (size_t i = 0; i < blocks; i++, ptes += 64) {
		struct planes now = next_block(&r.shifts, &feed, f);

		put64(&sink, effective64(&r, &now, f, &fold, ptes));
	}
	end_sink(&sink);
	return (uint64_t)_mm512_reduce_or_epi64(feed.seen);
}

INLINE uint64_t run_leaves(const struct work *w, size_t from, size_t blocks, int stream)
{
	const struct fold fold = get_fold(w->pat);
	const uint64_t *in = w->in + from, *ptes = w->ptes + from;
	struct sink sink = start_sink(w->types + from, stream);

	for (size_t i = 0; i < blocks; i++, in += 64, ptes += 64)
		put64(&sink, combine64(&fold, bytes64(in, fold.from[0]), ptes)); // bits 6:3 of an EPT leaf are the row, in place
	end_sink(&sink);
	return 0;
}

#define LOOP(name, run, ...) \
	static TARGET uint64_t name(const struct work *w, size_t from, size_t blocks, int stream) \
	{ \
		return run(w, from, blocks, stream, (struct form){__VA_ARGS__}); \
	}
#define LOOPS(name, run) \
	LOOP(name##_septets, run, 4, 0, 0, 0) \
	LOOP(name##_mixed, run, 4, 2, 0, 0) \
	LOOP(name##_octets, run, 4, 4, 0, 0) \
	LOOP(name##_septets_page, run, 4, 0, 1, 0) \
	LOOP(name##_mixed_page, run, 4, 2, 1, 0) \
	LOOP(name##_octets_page, run, 4, 4, 1, 0) \
	LOOP(name##_wide, run, 6, 0, 1, 0) \
	LOOP(name##_septets_many, run, 4, 0, 0, 1) \
	LOOP(name##_mixed_many, run, 4, 2, 0, 1) \
	LOOP(name##_octets_many, run, 4, 4, 0, 1) \
	LOOP(name##_septets_page_many, run, 4, 0, 1, 1) \
	LOOP(name##_mixed_page_many, run, 4, 2, 1, 1) \
	LOOP(name##_octets_page_many, run, 4, 4, 1, 1) \
	LOOP(name##_wide_many, run, 6, 0, 1, 1) \
	static const block_loop name##_loops[2][2][4] = { /* [many][page table of 256][layout] */ \
		{{name##_septets, name##_mixed, name##_octets, name##_wide}, \
		 {name##_septets_page, name##_mixed_page, name##_octets_page, name##_wide}}, \
		{{name##_septets_many, name##_mixed_many, name##_octets_many, name##_wide_many}, \
		 {name##_septets_page_many, name##_mixed_page_many, name##_octets_page_many, name##_wide_many}}, \
	};
LOOPS(types, run_types)
LOOPS(effective, run_effective)

static TARGET uint64_t leaves(const struct work *w, size_t from, size_t blocks, int stream)
{
	return run_leaves(w, from, blocks, stream);
}

// --- any number of elements ---

// fewer than a block, by way of padded copies
static uint64_t part(block_loop run, const struct work *w, size_t n)
{
	uint64_t in[KERNEL_BLOCK] = {0}, ptes[KERNEL_BLOCK] = {0}, seen;
	uint8_t out[KERNEL_BLOCK];
	struct work copy = *w;

	memcpy(in, w->in, n * sizeof(*in));
	if (w->ptes)
		memcpy(ptes, w->ptes, n * sizeof(*ptes));
	copy.in = in;
	copy.ptes = ptes;
	copy.types = out;
	seen = run(&copy, 0, 1, 0);
	memcpy(w->types, out, n);
	return seen;
}

// Elements up to where `array` of elements of `size` bytes begins a cache line.
static size_t to_line(const void *array, size_t size)
{
	return (size_t)(-(uintptr_t)array % 64) / size;
}

// Whole blocks from where a line of the input begins: each load of another would touch two (numpy's large arrays begin 16
// bytes into one: 10^6 addresses 0.121 -> 0.115 ns, with leaves past the caches 0.220 -> 0.198, Zen 4). A first block and a
// last one, which begin and end with the arrays, answer some elements again.
static uint64_t run_any(block_loop run, const struct work *w, size_t n)
{
	int stream = past_caches(n, w->ptes ? 2 : 1);
	size_t head = n < LINES_FROM ? 0 : to_line(w->in, sizeof(*w->in));
	size_t blocks = (n - head) / KERNEL_BLOCK;
	uint64_t seen = 0;

	if (n < KERNEL_BLOCK)
		return n ? part(run, w, n) : 0;
	if (head)
		seen |= run(w, 0, 1, 0);
	seen |= run(w, head, blocks, stream);
	if (stream)
		_mm_sfence();
	if (head + blocks * KERNEL_BLOCK < n)
		seen |= run(w, n - KERNEL_BLOCK, 1, 0);
	return seen;
}

static block_loop loop_of(const block_loop loops[2][2][4], const memtype_tables *t)
{
	unsigned layout = t->shape & SHAPE_WIDE ? 3 : t->octets / 2;

	return loops[t->groups > 1][t->start[0] == PAGE_SHIFT][layout];
}

static uint64_t avx512_types(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types)
{
	struct work w = {.t = t, .in = addresses, .types = types};

	return run_any(loop_of(types_loops, t), &w, n);
}

static uint64_t avx512_effective(const memtype_tables *t, const struct pat_view *pat, const uint64_t *places,
				 uint64_t page, const uint64_t *ptes, size_t n, uint8_t *types)
{
	struct work w = {t, pat, places, ptes, page, types};

	return run_any(loop_of(effective_loops, t), &w, n);
}

static void avx512_leaves(const struct pat_view *pat, const uint64_t *eptes, const uint64_t *ptes, size_t n,
			  uint8_t *types)
{
	struct work w = {.pat = pat, .in = eptes, .ptes = ptes, .types = types};

	run_any(leaves, &w, n);
}

// --- words ---

// the words of 64 gfns from their bytes in the order of the cut; byte 4 h + j of the qwords is of vector 2 j + h
INLINE void merge64(__m512i bits, uint64_t keep, uint64_t *words)
{
	const __m512i kept = _mm512_set1_epi64((long long)keep), byte = _mm512_set1_epi64(0xFF);

	UNROLL
	for (unsigned b = 0; b < 8; b++) {
		uint64_t *at = words + 8 * (2 * (b & 3) + (b >> 2));

		_mm512_storeu_si512((void *)at, AND_OR(load(at), kept, _mm512_and_si512(bits, byte)));
		bits = _mm512_srli_epi64(bits, 8);
	}
}

// how many blocks: those before the first gfn above `last`
INLINE size_t run_fill(const memtype_tables *t, uint64_t last, const uint64_t *gfns, size_t blocks, uint64_t keep,
		       uint64_t *restrict words, struct form f)
{
	const struct ready r = get_ready(t, PAGE_SHIFT, f);
	const __m512i beyond = _mm512_set1_epi64((long long)~last);
	struct feed feed = start_feed(&r.shifts, gfns, blocks, UINT64_MAX, f);

	for (size_t i = 0; i < blocks; i++, words += 64) {
		struct planes now;

		if (!f.many && _mm512_test_epi64_mask(feed.seen, beyond)) // this block is cut already
			return i;
		now = next_block(&r.shifts, &feed, f);
		if (f.many && _mm512_test_epi64_mask(feed.seen, beyond))
			return i;
		merge64(types64(&r, &now, f), keep, words);
	}
	return blocks;
}

typedef size_t (*fill_loop)(const memtype_tables *t, uint64_t last, const uint64_t *gfns, size_t blocks, uint64_t keep,
			    uint64_t *words);

#define FILL(name, ...) \
	static TARGET size_t name(const memtype_tables *t, uint64_t last, const uint64_t *gfns, size_t blocks, \
				  uint64_t keep, uint64_t *words) \
	{ \
		return run_fill(t, last, gfns, blocks, keep, words, (struct form){__VA_ARGS__}); \
	}
FILL(fill_four, 4, 4, 1, 0)
FILL(fill_wide, 6, 0, 1, 0)
FILL(fill_four_many, 4, 4, 1, 1)
FILL(fill_wide_many, 6, 0, 1, 1)

// From where a line of `words` begins, as in run_any (10^6: 1.06 -> 0.97x np.bitwise_or, Zen 4).
static size_t avx512_fill(const memtype_tables *t, uint64_t last, const uint64_t *gfns, size_t n, uint64_t keep,
			  uint64_t *words)
{
	static const fill_loop loops[2][2] = {{fill_four, fill_wide}, {fill_four_many, fill_wide_many}};
	fill_loop run = loops[t->groups > 1][(t->shape & SHAPE_WIDE) != 0];
	size_t head = to_line(words, sizeof(*words)), end = n - KERNEL_BLOCK, done;

	if (head && !run(t, last, gfns, 1, keep, words))
		return 0;
	done = head + KERNEL_BLOCK * run(t, last, gfns + head, (n - head) / KERNEL_BLOCK, keep, words + head);
	if (n - done >= KERNEL_BLOCK || done == n)
		return done;
	return run(t, last, gfns + end, 1, keep, words + end) ? n : done; // some words get their bits again
}

static TARGET uint64_t avx512_or_words(const uint64_t *words, size_t n)
{
	__m512i seen = _mm512_setzero_si512();
	size_t i = 0;

	for (; i + 16 <= n; i += 16)
		seen = OR3(seen, load(words + i), load(words + i + 8));
	return (uint64_t)_mm512_reduce_or_epi64(seen) | or_words(words + i, n - i);
}

// --- granules ---
//
// A row is 128 granules of 1 GiB: bits 45:37 of an address choose it, bits 36:30 its entry. Rows of one type through
// and through, most of 46 bits, are that type; the others are looked up in one by one, each for all 64 addresses.
// Entries that lead to blocks are rare, and followed one by one.

#define ROW_BITS 7u
#define ROWS (1u << (NARROW - NARROW_SHIFT - ROW_BITS))
#define MOST_ROWS 12u        /* looked up in; with more of them plain C is as fast. These three: Zen 4 */
#define ROWS_FROM (1u << 13) /* addresses that pay for finding the rows: some 2 us */
#define GROUPS_AS_FAST 9u    /* of windows, as plain C: 0.7 ns an address */
#define MIXED_BITS 0xF0      /* some of them are set in an entry that leads to a block */

struct rows {
	_Alignas(64) uint8_t id[ROWS]; // a type, or FIRST_BLOCK + k for the row at[k]
	uint8_t at[MOST_ROWS][1u << ROW_BITS]; // copies, of which no load crosses a cache line or a page
	unsigned count;
};

// the place in r->at of a row that holds the same, or r->count
static unsigned same_row(const struct rows *r, const uint8_t *row)
{
	unsigned k = 0;

	while (k < r->count && memcmp(r->at[k], row, 1u << ROW_BITS) != 0)
		k++;
	return k;
}

// 0 where too many rows are to be looked up in
static int find_rows(const memtype_granules *g, struct rows *r)
{
	unsigned given = 1u << (g->maxphyaddr - NARROW_SHIFT - ROW_BITS);

	memset(r->id, 0, sizeof(r->id));
	r->count = 0;
	for (unsigned k = 0; k < given; k++) {
		const uint8_t *row = g->top + (k << ROW_BITS);
		unsigned place;

		if (row[0] < FIRST_BLOCK && memcmp(row, row + 1, (1u << ROW_BITS) - 1) == 0) {
			r->id[k] = row[0];
			continue;
		}
		place = same_row(r, row);
		if (place == MOST_ROWS)
			return 0;
		memcpy(r->at[place], row, sizeof(r->at[place]));
		r->id[k] = (uint8_t)(FIRST_BLOCK + place);
		r->count += place == r->count;
	}
	return 1;
}

// entries of the top table for 64 addresses, in the order of the cut
INLINE __m512i entries64(const struct rows *r, const struct table128 id[4], const __m512i plane[4])
{
	// plane 0: bits 37:30; plane 1: bits 44:37; plane 2: bits 45:38
	const uint64_t bit44 = _mm512_movepi8_mask(plane[1]), bit45 = _mm512_movepi8_mask(plane[2]);
	__m512i low = _mm512_mask_blend_epi8(bit44, look_up(&id[0], plane[1]), look_up(&id[1], plane[1]));
	__m512i high = _mm512_mask_blend_epi8(bit44, look_up(&id[2], plane[1]), look_up(&id[3], plane[1]));
	__m512i row = _mm512_mask_blend_epi8(bit45, low, high), entry = row;

	for (unsigned k = 0; k < r->count; k++) {
		const struct table128 table = load_table(r->at[k]);
		const uint64_t here = _mm512_cmpeq_epi8_mask(row, _mm512_set1_epi8((char)(FIRST_BLOCK + k)));

		entry = _mm512_mask_blend_epi8(here, entry, look_up(&table, plane[0]));
	}
	return entry;
}

#define CHUNK 1024u /* addresses whose entries are found before any is followed */

// entries that lead to blocks, by their places in a chunk
struct mixed {
	uint16_t at[CHUNK + 4];
	unsigned count;
};

// Four places at a time whether there are so many, or any, since how many there are no branch can foretell (255 ranges, 1 %
// of 10^6 addresses below 1 MiB: 0.33 -> 0.22 ns, Zen 4).
INLINE void add_places(struct mixed *m, uint64_t lanes, unsigned from)
{
	const uint64_t last = UINT64_C(1) << 63;

	do {
		unsigned held = count_ones(lanes);

		UNROLL
		for (unsigned k = 0; k < 4; k++, lanes &= lanes - 1)
			m->at[m->count + k] = (uint16_t)(from + lowest_one(lanes | last));
		m->count += held < 4 ? held : 4;
	} while (lanes);
}

// the entries at those places, as far as they lead
INLINE void follow(const memtype_granules *g, const struct mixed *m, const uint64_t *in, uint8_t *types)
{
	const uint64_t limit = low_bits(g->maxphyaddr);

	for (unsigned k = 0; k < m->count; k++) {
		unsigned i = m->at[k];

		types[i] = part_type(g, types[i], in[i] & limit);
	}
}

// what the loop takes from the rows
struct ready_rows {
	const struct rows *rows;
	struct table128 id[4];
	struct shifts shifts;
};

INLINE struct ready_rows get_ready_rows(const struct rows *rows)
{
	static const uint8_t start[4] = {NARROW_SHIFT, NARROW_SHIFT + ROW_BITS, NARROW_SHIFT + ROW_BITS + 1, NARROW_SHIFT};
	struct ready_rows r = {.rows = rows};

	UNROLL
	for (unsigned k = 0; k < PAIRS; k++) {
		r.id[k] = load_table(rows->id + SEPTET_BYTES * k);
		r.shifts.four[k] = shifts_of(start, k);
	}
	return r;
}

static const struct form bytes_of_rows = {.windows = 4};

// The next n addresses, a multiple of 64 up to CHUNK, whose first is in[0]; how many entries led to blocks.
INLINE unsigned chunk_types(const memtype_granules *g, const struct ready_rows *r, struct feed *feed, const uint64_t *in,
			    unsigned n, uint8_t *types)
{
	const __m512i leads_on = _mm512_set1_epi8((char)MIXED_BITS);
	struct mixed mixed;

	mixed.count = 0;
	for (unsigned i = 0; i < n; i += 64) {
		struct planes now = next_block(&r->shifts, feed, bytes_of_rows);
		__m512i entries = in_order(entries64(r->rows, r->id, now.plane));

		_mm512_storeu_si512((void *)(types + i), entries);
		add_places(&mixed, _mm512_test_epi8_mask(entries, leads_on), i);
	}
	follow(g, &mixed, in, types);
	return mixed.count;
}

// n is a multiple of 64
static TARGET uint64_t granule_chunks(const memtype_granules *g, const struct rows *rows, const uint64_t *in, size_t n,
				      uint8_t *out, int stream)
{
	const struct ready_rows r = get_ready_rows(rows);
	struct feed feed = start_feed(&r.shifts, in, n / 64, UINT64_MAX, bytes_of_rows);
	_Alignas(64) uint8_t types[CHUNK];

	for (size_t i = 0; i < n; i += CHUNK) {
		unsigned part = n - i < CHUNK ? (unsigned)(n - i) : CHUNK;

		if (chunk_types(g, &r, &feed, in + i, part, types) > part / 2) // so it is likely to go on
			return look_up_granules(g, in + i, n - i, out + i) | (uint64_t)_mm512_reduce_or_epi64(feed.seen);
		for (unsigned k = 0; k < part; k += 64)
			store64(out + i + k, load(types + k), stream);
	}
	return (uint64_t)_mm512_reduce_or_epi64(feed.seen);
}

// Without rows windows are as fast for a few groups.
static uint64_t granules_otherwise(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types)
{
	if (t->groups != 0 && t->groups < GROUPS_AS_FAST)
		return avx512_types(t, addresses, n, types);
	return look_up_granules(t->granules, addresses, n, types);
}

static uint64_t avx512_granules(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types)
{
	const memtype_granules *g = t->granules;
	int stream = past_caches(n, 1);
	size_t head = stream ? to_line(types, sizeof(*types)) : to_line(addresses, sizeof(*addresses));
	size_t whole = (n - head) / KERNEL_BLOCK * KERNEL_BLOCK, done = head + whole;
	struct rows rows;
	uint64_t seen;

	if (n < ROWS_FROM || g->shift != NARROW_SHIFT || g->maxphyaddr < NARROW_SHIFT + ROW_BITS || !find_rows(g, &rows))
		return granules_otherwise(t, addresses, n, types);
	seen = look_up_granules(g, addresses, head, types);
	seen |= granule_chunks(g, &rows, addresses + head, whole, types + head, stream);
	if (stream)
		_mm_sfence();
	return seen | look_up_granules(g, addresses + done, n - done, types + done);
}

const struct kernels avx512_kernels = {
	avx512_types, avx512_effective, avx512_leaves, avx512_fill, avx512_or_words, avx512_granules,
};

#endif

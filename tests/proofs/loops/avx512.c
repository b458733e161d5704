/* The loops of csrc/bulk_avx512.c over blocks of 64 elements, for arrays of any length, and the loads and stores of a block
 * (loops.h, feeds.h, vectors/vector.h).
 *
 * loop run_types.0: i <= blocks && sink.types == __CPROVER_loop_entry(sink.types) + 64 * i && feed.blocks == blocks - i;
 *     assigns i, sink, feed; decreases blocks - i
 * loop run_effective.0: i <= blocks && ptes == __CPROVER_loop_entry(ptes) + 64 * i && sink.types ==
 *     __CPROVER_loop_entry(sink.types) + 64 * i && feed.blocks == blocks - i; assigns i, ptes, sink, feed; decreases
 *     blocks - i
 * loop run_leaves.0: i <= blocks && in == __CPROVER_loop_entry(in) + 64 * i && ptes == __CPROVER_loop_entry(ptes) + 64
 *     * i && sink.types == __CPROVER_loop_entry(sink.types) + 64 * i; assigns i, in, ptes, sink; decreases blocks - i
 * loop run_fill.0: i <= blocks && words == __CPROVER_loop_entry(words) + 64 * i && feed.blocks == blocks - i; assigns i,
 *     words, feed; decreases blocks - i
 * loop avx512_or_words.0: i <= n; assigns i, seen; decreases n - i
 * loop variable_types.0: k >= 1 && (k == 1 || k <= r->t->groups); assigns k, code; decreases r->t->groups + 1 - k */
#define MEMTYPE_X86 1
#define WRITTEN_FROM written_from
static const void *written_from; // of prove_sink
#include "../../../csrc/bulk_avx512.c"
#include "feeds.h"
#include "loops.h"

#define MAX_GROUPS 46 /* of cubes: csrc/windows.c */

uint64_t look_up_granules(const memtype_granules *g, const uint64_t *addresses, size_t n, uint8_t *types)
{
	(void)g, (void)addresses, (void)n, (void)types;
	return 0;
}

// --- blocks, any number ---

struct ready any_ready(const memtype_tables *t, unsigned lower, struct form f)
{
	struct ready r = {.t = t};

	(void)lower, (void)f;
	return r;
}

struct fold any_fold(const struct pat_view *pat)
{
	struct fold f;

	(void)pat;
	return f;
}

static size_t any_blocks(void)
{
	return any_length() / KERNEL_BLOCK + 1;
}

// --- the blocks of a loop ---

struct planes checked_cut(const struct shifts *shifts, const uint64_t *places, struct vector page, struct form f,
			  struct vector *seen)
{
	struct planes p;

	(void)shifts, (void)page, (void)f, (void)seen;
	assert(__CPROVER_r_ok(places, BLOCK_WORDS));
	return p;
}

void prove_feed(void) /* calls cut64:checked_cut */
{
	struct form f = {4, 0, 0, (int)nondet_u32()};
	size_t blocks = any_blocks(), before;
	const uint64_t *places = array(KERNEL_BLOCK * blocks - SHORT, 8);
	struct feed feed = start_feed(NULL, places, blocks, nondet_u64(), f);

	assert(feed.places == places && feed.blocks == blocks); // any loop begins so; any turn is like this one
	feed.places += KERNEL_BLOCK * (before = nondet_size());
	__CPROVER_assume(before < blocks);
	feed.blocks = blocks - before;
	next_block(NULL, &feed, f);
	assert(feed.blocks == blocks - before - 1);
	assert(feed.places == places + KERNEL_BLOCK * (feed.blocks ? before + 1 : before));
	END;
}

void prove_sink(void) /* */
{
	size_t blocks = any_blocks(), before = nondet_size();
	uint8_t *types = at_any_place(KERNEL_BLOCK * blocks - SHORT, 1);
	struct sink sink = start_sink(types, (int)nondet_u32()), was;

	assert(sink.types == types && sink.first); // any loop begins so; any turn is like this one
	written_from = types;
	__CPROVER_assume(before < blocks);
	sink.types += KERNEL_BLOCK * before;
	sink.first = before == 0;
	was = sink;
	put64(&sink, nondet_vector());
	assert(sink.types == was.types + KERNEL_BLOCK && !sink.first && sink.stream == was.stream && sink.behind == was.behind);
	end_sink(&sink);
	END;
}

// as prove_sink found it
void checked_put(struct sink *sink, struct vector bytes)
{
	(void)bytes;
	assert(__CPROVER_w_ok(sink->types, KERNEL_BLOCK));
	sink->types += KERNEL_BLOCK;
}

struct vector any_types(const struct ready *r, const struct planes *p, struct form f)
{
	(void)r, (void)p, (void)f;
	return nondet_vector();
}

struct vector checked_combine(const struct fold *f, struct vector rows, const uint64_t *ptes)
{
	(void)f;
	assert(__CPROVER_r_ok(ptes, BLOCK_WORDS));
	return rows;
}

static struct work any_work(size_t from, size_t blocks)
{
	size_t n = from + KERNEL_BLOCK * blocks;

	written_from = NULL;
	return (struct work){.in = array(n, 8), .ptes = array(n, 8), .types = at_any_place(n - SHORT, 1)};
}

void prove_run_types(void) /* loops run_types calls put64:checked_put get_ready:any_ready start_feed:checked_start next_block:checked_next types64:any_types */
{
	size_t from = any_length(), blocks = any_blocks();
	struct work w = any_work(from, blocks);
	struct form f;

	run_types(&w, from, blocks, (int)nondet_u32(), f);
	END;
}

void prove_run_effective(void) /* loops run_effective calls put64:checked_put get_ready:any_ready get_fold:any_fold start_feed:checked_start next_block:checked_next types64:any_types combine64:checked_combine */
{
	size_t from = any_length(), blocks = any_blocks();
	struct work w = any_work(from, blocks);
	struct form f;

	run_effective(&w, from, blocks, (int)nondet_u32(), f);
	END;
}

struct vector checked_bytes(const uint64_t *entries, struct vector from)
{
	assert(__CPROVER_r_ok(entries, BLOCK_WORDS));
	return from;
}

void prove_run_leaves(void) /* loops run_leaves calls put64:checked_put get_fold:any_fold bytes64:checked_bytes combine64:checked_combine */
{
	size_t from = any_length(), blocks = any_blocks();
	struct work w = any_work(from, blocks);

	run_leaves(&w, from, blocks, (int)nondet_u32());
	END;
}

void checked_merge(struct vector bits, uint64_t keep, uint64_t *words)
{
	(void)bits, (void)keep;
	assert(__CPROVER_w_ok(words, BLOCK_WORDS));
}

void prove_run_fill(void) /* loops run_fill calls get_ready:any_ready start_feed:checked_start next_block:checked_next types64:any_types merge64:checked_merge */
{
	size_t blocks = any_blocks(), n = KERNEL_BLOCK * blocks;
	struct form f;

	assert(run_fill(NULL, nondet_u64(), array(n, 8), blocks, nondet_u64(), array(n - SHORT, 8), f) <= blocks);
	END;
}

uint64_t checked_words(const uint64_t *words, size_t n)
{
	assert(n == 0 || __CPROVER_r_ok(words, 8 * n));
	return nondet_u64();
}

void prove_or_words(void) /* loops avx512_or_words calls or_words:checked_words */
{
	size_t n = any_length();

	avx512_or_words(at_any_place(n - SHORT, 8), n);
	END;
}

// --- which blocks ---

uint64_t checked_blocks(const struct work *w, size_t from, size_t blocks, int stream)
{
	assert(blocks == 0 || __CPROVER_r_ok(w->in + from, BLOCK_WORDS * blocks));
	assert(blocks == 0 || !w->ptes || __CPROVER_r_ok(w->ptes + from, BLOCK_WORDS * blocks));
	assert(blocks == 0 || __CPROVER_w_ok(w->types + from, KERNEL_BLOCK * blocks));
	(void)stream;
	return nondet_u64();
}

void prove_run_any(void) /* */
{
	size_t n = any_length();
	struct work w = {.in = at_any_place(n, 8), .ptes = nondet_u32() ? at_any_place(n, 8) : NULL,
			 .types = at_any_place(n - SHORT, 1)};

	run_any(checked_blocks, &w, n);
	END;
}

size_t checked_fill(const memtype_tables *t, uint64_t last, const uint64_t *gfns, size_t blocks, uint64_t keep,
		    uint64_t *words)
{
	size_t done = nondet_size();

	(void)t, (void)last, (void)keep;
	assert(blocks == 0 || (__CPROVER_r_ok(gfns, BLOCK_WORDS * blocks) && __CPROVER_w_ok(words, BLOCK_WORDS * blocks)));
	__CPROVER_assume(done <= blocks); // prove_run_fill
	return done;
}

void prove_fill(void) /* calls fill_four:checked_fill fill_wide:checked_fill fill_four_many:checked_fill fill_wide_many:checked_fill */
{
	static memtype_tables t;
	size_t n = any_length();

	__CPROVER_havoc_object(&t);
	__CPROVER_assume(n >= MAP_TABLES_FROM);
	assert(avx512_fill(&t, nondet_u64(), at_any_place(n, 8), n, nondet_u64(), at_any_place(n - SHORT, 8)) <= n);
	END;
}

// --- one block ---

void prove_block(void) /* unwinds bytes64 get_ready load_group match_group merge64 cut64 */
{
	static memtype_tables t;
	static struct pat_view pat;
	uint64_t *in = array(KERNEL_BLOCK - SHORT, 8);
	struct vector seen;

	t.groups = 2; // the first, and one of the others: which, prove_variable_types leaves open
	for (unsigned k = 0; k < 4; k++) {
		struct form f = {k < 3 ? 4 : 6, k < 3 ? 2 * k : 0, (int)nondet_u32(), (int)nondet_u32()};
		struct ready r = get_ready(&t, 0, f);

		struct planes p = cut64(&r.shifts, in, seen, f, &seen);

		types64(&r, &p, f);
	}
	__CPROVER_havoc_object(&pat);
	struct fold fold = get_fold(&pat);
	combine64(&fold, seen, in);
	merge64(seen, 0, in);
	END;
}

// of the last group: the others end before. The tables' arrays at the end of their struct: LASTS of test_loops.py
void prove_load_group(void) /* unwinds load_group */
{
	static memtype_tables t;

	load_group(&t, MAX_GROUPS - 1 + SHORT, (struct form){4, 4});
	load_group(&t, MAX_GROUPS - 1, (struct form){6, 0});
	END;
}

void prove_loop_of(void) /* */
{
	static const block_loop loops[2][2][4];
	static memtype_tables t;

	__CPROVER_havoc_object(&t);
	__CPROVER_assume(t.octets <= 4 + 4 * SHORT); // prove_layout of windows.c
	loop_of(loops, &t);
	END;
}

struct group checked_group(const memtype_tables *t, unsigned g, struct form f)
{
	struct group loaded;

	(void)f;
	assert(g < MAX_GROUPS);
	assert(__CPROVER_r_ok(t->window + g * SEPTET_WINDOWS * SEPTET_BYTES, SEPTET_WINDOWS * SEPTET_BYTES));
	assert(__CPROVER_r_ok(t->decode + g * SEPTET_BYTES, SEPTET_BYTES));
	return loaded;
}

struct vector any_match(const struct group *g, const struct vector *plane, struct form f)
{
	(void)g, (void)plane, (void)f;
	return nondet_vector();
}

void prove_variable_types(void) /* loops variable_types calls load_group:checked_group match_group:any_match */
{
	static memtype_tables t;
	struct ready r = {.t = &t};
	struct form f;
	struct vector plane[6];
	uint64_t low;

	t.groups = nondet_u32();
	__CPROVER_assume(t.groups <= MAX_GROUPS + SHORT);
	variable_types(&r, plane, f, &low);
	END;
}

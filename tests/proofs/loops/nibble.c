/* The loops of csrc/bulk_nibble.h for arrays of any length, and the loads and stores of a step (loops.h, vectors/vector.h).
 * What a loop calls is replaced by the claim that it may read and write a step's elements, which the harnesses of the
 * second half prove of it.
 *
 * loop many_steps.0: i < n + 64 && first >= 1 && first <= 64; assigns i, seen; decreases n + 64 - i
 * loop stream_steps.0: i <= n && ((unsigned long)out + i) % vector_bytes == 0; assigns i, *seen; decreases n - i
 * loop fill_lines.0: k >= i && k <= i + 512 && (k - i) % vector_bytes == 0 && lines == __CPROVER_loop_entry(lines) + (k - i);
 *     assigns k, lines, *seen; decreases i + 512 - k
 * loop stream_lines.0: i < 64 + vector_bytes && first >= 1 && first <= vector_bytes; assigns i, *seen;
 *     decreases 64 + vector_bytes - i
 * loop stream_lines.1: k <= 512 && k % vector_bytes == 0; assigns k; decreases 512 - k
 * loop stream_lines.2: i >= 64 && i <= n && held < 64 && ((unsigned long)out + i - held) % 64 == 0; assigns i, *seen;
 *     decreases n - i
 * loop fill_steps.0: i >= __CPROVER_loop_entry(i) && i < n + 64 && more >= 1 && more <= vector_bytes;
 *     assigns i, more; decreases n + 64 - i
 * loop run_fill.0: done <= n; assigns done, end; decreases n - done
 * loop nibble_or_words.0: i <= n; assigns i, seen; decreases n - i
 * loop types_step.0: g >= 1 && (g == 1 || g <= f.groups); assigns g, code; decreases f.groups - g
 *
 * each with -DAVX2 -DSSSE3 -DNEON */
#define avx2_or_words nibble_or_words
#define ssse3_or_words nibble_or_words
#define neon_or_words nibble_or_words
#ifdef NEON
#define MEMTYPE_ARM64 1
#include "../../../csrc/bulk_neon.c"
#else
#define MEMTYPE_X86 1
#ifdef AVX2
#include "../../../csrc/bulk_avx2.c"
#else
#include "../../../csrc/bulk_ssse3.c"
#endif
#endif
#include "loops.h"

const size_t vector_bytes = VEC; // for the contracts
#define MAX_GROUPS 46 /* of cubes: csrc/windows.c */

uint64_t plain_granules(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types)
{
	(void)t, (void)addresses, (void)n, (void)types;
	return 0;
}

static struct form any_form(void)
{
	struct form f = {nondet_u32() % 4, nondet_u32(), nondet_u32()};

	__CPROVER_assume(f.groups <= MAX_GROUPS);
	return f;
}

// --- arrays of any length ---

vec checked_step(const struct job *j, size_t i, struct form f, enum answer answer)
{
	(void)f;
	assert(__CPROVER_r_ok(j->places + i, 8 * VEC));
	if (answer != TYPES)
		assert(__CPROVER_r_ok(j->ptes + i, 8 * VEC));
	return nondet_vector();
}

vec checked_see(vec seen, const uint64_t *addresses)
{
	assert(__CPROVER_r_ok(addresses, 8 * VEC));
	return seen;
}

void any_ask(const uint64_t *words, size_t ahead)
{
	(void)words, (void)ahead;
}

void checked_lines(const struct job *j, size_t i, uint8_t *lines, struct form f, vec *seen)
{
	(void)f, (void)seen;
	assert(__CPROVER_r_ok(j->places + i, 8 * LINES) && __CPROVER_w_ok(lines, LINES));
}

void *checked_copy(void *to, const void *from, size_t n)
{
	assert(n == 0 || (__CPROVER_w_ok(to, n) && __CPROVER_r_ok(from, n)));
	return to;
}

void prove_run(void) /* loops many_steps stream_steps stream_lines calls step:checked_step see:checked_see
			fill_lines:checked_lines memcpy:checked_copy ask_ahead:any_ask */
{
	size_t n = any_length();
	enum answer answer = nondet_u32() % 3;
	struct job j = {.places = at_any_place(n, 8), .ptes = answer == TYPES ? NULL : at_any_place(n, 8)};

	run(&j, n, at_any_place(n - SHORT, 1), any_form(), answer);
	END;
}

void prove_fill_lines(void) /* loops fill_lines calls step:checked_step see:checked_see ask_ahead:any_ask */
{
	size_t n = any_length(), i = nondet_size();
	struct job j = {.places = at_any_place(n, 8)};
	vec seen = nondet_vector();

	__CPROVER_assume(i <= n && n - i >= LINES);
	fill_lines(&j, i, at_any_place(LINES - SHORT, 1), any_form(), &seen);
	END;
}

vec checked_types(const memtype_tables *t, const uint64_t *addresses, uint64_t page, struct form f)
{
	(void)t, (void)page, (void)f;
	assert(__CPROVER_r_ok(addresses, 8 * VEC));
	return nondet_vector();
}

void checked_merge(vec types, vec keep, uint64_t *words)
{
	(void)types, (void)keep;
	assert(__CPROVER_w_ok(words, 8 * VEC));
}

void prove_fill_steps(void) /* loops fill_steps calls see:checked_see types_step:checked_types merge_bits:checked_merge */
{
	size_t n = any_length(), i = nondet_size(), done;

	__CPROVER_assume(n >= VEC && i <= n);
	done = fill_steps(NULL, nondet_vector(), at_any_place(n, 8), i, n, nondet_vector(), at_any_place(n - SHORT, 8),
			  any_form());
	assert(done == n || (done < n && (done >= i || done == n - VEC)));
	END;
}

size_t checked_fill(const memtype_tables *t, vec beyond, const uint64_t *gfns, size_t i, size_t n, vec keep, uint64_t *words,
		    struct form f)
{
	size_t done = nondet_size();

	(void)t, (void)beyond, (void)keep, (void)f;
	assert(n >= VEC && i <= n && __CPROVER_r_ok(gfns, 8 * n) && __CPROVER_w_ok(words, 8 * n));
	__CPROVER_assume(done == n || (done < n && (done >= i || done == n - VEC))); // prove_fill_steps
	return i == n ? n : done;
}

void prove_run_fill(void) /* loops run_fill calls fill_steps:checked_fill */
{
	static memtype_tables t;
	size_t n = any_length();

	__CPROVER_assume(n >= MAP_TABLES_FROM);
	assert(run_fill(&t, nondet_u64(), array(n, 8), n, nondet_u64(), array(n - SHORT, 8), nondet_u32(), 1) <= n);
	END;
}

uint64_t checked_words(const uint64_t *words, size_t n)
{
	assert(n == 0 || __CPROVER_r_ok(words, 8 * n));
	return nondet_u64();
}

void prove_or_words(void) /* loops nibble_or_words calls see:checked_see or_words:checked_words */
{
	size_t n = any_length();

	nibble_or_words(at_any_place(n - SHORT, 8), n);
	END;
}

// --- a step ---

vec checked_match(const uint8_t *entries, const struct windows *w, struct form f)
{
	(void)w, (void)f;
	assert(__CPROVER_r_ok(entries, NIBBLE_WINDOWS * NIBBLE_BYTES));
	return nondet_vector();
}

vec checked_decode(const uint8_t *codes, vec hits)
{
	assert(__CPROVER_r_ok(codes, 2 * NIBBLE_BYTES));
	return hits;
}

struct windows checked_cut(const uint64_t *addresses, uint64_t page, struct form f)
{
	struct windows w;

	(void)page, (void)f;
	assert(__CPROVER_r_ok(addresses, 8 * VEC));
	return w;
}

vec any_fixed(const memtype_tables *t, const struct windows *w, struct form f)
{
	(void)t, (void)w, (void)f;
	return nondet_vector();
}

void prove_types_step(void) /* loops types_step calls cut:checked_cut match_group:checked_match decode_group:checked_decode fixed_types:any_fixed */
{
	static memtype_tables t;

	types_step(&t, array(VEC - SHORT, 8), nondet_u64(), any_form());
	END;
}

void prove_cut(void) /* unwinds cut ask_ahead */
{
	uint64_t *addresses = array(VEC - SHORT, 8);

	for (unsigned layout = COARSE; layout <= LOW_GFN; layout++) { // one by one: a solver's second instead of its ten
		cut(addresses, nondet_u64(), (struct form){layout, 0, 1});
		cut(addresses, nondet_u64(), (struct form){layout, SHAPE_WIDE, 1});
	}
	ask_ahead(addresses, nondet_size());
	END;
}

void prove_tables(void) /* unwinds match_group split_types spread_bytes see columns */
{
	static memtype_tables t;
	static struct pat_view pat;
	uint8_t entry[8][16];
	struct form f = any_form();
	struct windows w;
	vec words[LOADS];

	match_group(array(NIBBLE_WINDOWS * NIBBLE_BYTES - SHORT, 1), &w, f);
	decode_group(array(2 * NIBBLE_BYTES - SHORT, 1), w.page);
	fixed_types(&t, &w, f);
	columns(&pat, entry);
	spread_bytes(w.page, words);
	see(w.page, array(VEC - SHORT, 8));
	END;
}

void prove_step(void) /* unwinds choose_entry ept_rows leaf_bytes calls types_step:checked_types */
{
	uint8_t entry[8][16];
	unsigned pat_bit = nondet_u32() ? PTE_PAT_4K_BIT : PTE_PAT_LARGE_BIT;
	struct job j = {NULL, array(VEC - SHORT, 8), array(VEC, 8), nondet_u64(), pat_bit, (const uint8_t (*)[16])entry};

	step(&j, 0, any_form(), nondet_u32() % 3);
	END;
}

void prove_merge_bits(void) /* unwinds merge_bits spread_bytes */
{
	merge_bits(nondet_vector(), nondet_vector(), array(VEC - SHORT, 8));
	END;
}

/* The loops of csrc/bulk_portable.c, and the helpers of csrc/internal.h: no length leaves the arrays (loops.h).
 *
 * loop portable_types.0: i <= n; assigns i, seen, __CPROVER_object_whole(types); decreases n - i
 * loop type_of_address.0: k <= t->cubes; assigns k, code; decreases t->cubes - k
 * loop count_ones.0: n <= 64 && lowest + n <= above && word >> (above - 1) >> 1 == 0 && (word == 0 || (lowest + n < above &&
 *     (word & ((1UL << (lowest + n)) - 1)) == 0)); assigns n, word; decreases word
 * loop highest_one.0: bit <= 63 && word >> (63 - bit) >> 1 == 0; assigns bit, word; decreases word
 * loop or_words.0: i <= n; assigns i, seen; decreases n - i
 * loop first_above.0: begin <= start && start <= n && ((begin <= one && one < start) ==> words[one] <= limit); assigns start;
 *     decreases n - start
 * loop portable_effective.0: i <= n; assigns i, seen, __CPROVER_object_whole(types); decreases n - i
 * loop portable_leaves.0: i <= n; assigns i, __CPROVER_object_whole(types); decreases n - i */
#include "../../../csrc/bulk_portable.c"
#include "loops.h"

static memtype_tables t;
static struct pat_view view;

static void any_tables(void)
{
	__CPROVER_havoc_object(&t);
	__CPROVER_havoc_object(&view);
	__CPROVER_assume(t.cubes <= MEMTYPE_MAX_CUBES && view.pat_bit <= 12);
	for (unsigned k = 0; k < 16; k++) // types, which are rows of a view
		__CPROVER_assume(t.final_type[k] < PAT_ROWS);
}

void prove_types(void) /* loops portable_types type_of_address */
{
	size_t n = any_length();

	any_tables();
	portable_types(&t, array(n, 8), n, array(n - SHORT, 1));
	END;
}

size_t begin, one; // any of the words: what is proved of it holds for all

void prove_words(void) /* loops or_words first_above */
{
	size_t n = any_length(), found;
	uint64_t *words = array(n - SHORT, 8), limit = nondet_u64();

	begin = nondet_size();
	one = nondet_size();
	__CPROVER_assume(begin <= n);
	or_words(words, n);
	found = first_above(words, begin, n, limit);
	assert(begin <= found && found <= n && (found == n || words[found] > limit));
	assert(one < begin || one >= found || words[one] <= limit);
	END;
}

void prove_effective(void) /* loops portable_effective type_of_address */
{
	size_t n = any_length();

	any_tables();
	for (unsigned k = 0; k < 256; k++)
		__CPROVER_assume(t.page[k] < PAT_ROWS);
	portable_effective(&t, &view, array(n, 8), nondet_u64(), array(n, 8), n, array(n - SHORT, 1));
	END;
}

void prove_leaves(void) /* loops portable_leaves */
{
	size_t n = any_length();

	any_tables();
	portable_leaves(&view, array(n, 8), array(n, 8), n, array(n - SHORT, 1));
	END;
}

unsigned lowest, above; // ones lie here

void prove_count_ones(void) /* loops count_ones */
{
	uint64_t word = nondet_u64();

	lowest = nondet_u32();
	above = nondet_u32();
	__CPROVER_assume(lowest < above && above <= 64);
	__CPROVER_assume(word >> (above - 1) >> 1 == 0 && (word & low_bits(lowest)) == 0);
	assert(count_ones(word) + SHORT <= above - lowest);
	END;
}

// of so many words, ones alone and below a bit, CBMC says it by itself
unsigned any_count(uint64_t word)
{
	unsigned n = nondet_u32();

	__CPROVER_assume(n <= 63 || word >> 63); // prove_count_ones, of bits 62:0
	return n;
}

void prove_places_of_ones(void) /* loops highest_one calls count_ones:any_count */
{
	uint64_t word = nondet_u64();

	__CPROVER_assume(word != 0);
	assert(lowest_one(word) + SHORT < 64 && highest_one(word) < 64);
	END;
}

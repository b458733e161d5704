/* loops.h - for the proofs of this folder: no array loop of the core leaves its arrays, whatever their length.
 *
 * Each loop has a contract: what holds before every turn (invariant), what a turn may change (assigns), what falls with
 * every turn, so that the loop ends (decreases). test_loops.py reads them from the comments below and gives them to
 * goto-instrument beside the code, which stays as it is. `loop FUNCTION.N` is the N-th loop of the function; local
 * variables are given as CBMC numbers their blocks.
 *
 * loop or_words.0: i <= n; assigns i, seen; decreases n - i; i = 1::1::i, n = n, seen = 1::seen
 * loop first_above.0: start <= n; assigns start; decreases n - start; start = start, n = n
 * loop find_segment.0: __CPROVER_same_object(low, bases) && count >= 1 && count <= __CPROVER_loop_entry(count) &&
 *     (unsigned long)low >= (unsigned long)bases && ((unsigned long)low - (unsigned long)bases) % 8 == 0 &&
 *     ((unsigned long)low - (unsigned long)bases) / 8 <= __CPROVER_loop_entry(count) - count; assigns low, count;
 *     decreases count; low = 1::low, bases = bases, count = count
 * loop type_of_address.0: k <= t->cubes; assigns k, code; decreases t->cubes - k; k = 1::1::k, t = t, code = 1::code
 * loop portable_types.0: i <= n; assigns i, seen, __CPROVER_object_whole(types); decreases n - i; i = 1::1::i, n = n,
 *     seen = 1::seen, types = types
 * loop portable_effective.0: i <= n; assigns i, seen, __CPROVER_object_whole(types); decreases n - i; i = 1::1::i, n = n,
 *     seen = 1::seen, types = types
 * loop portable_leaves.0: i <= n; assigns i, __CPROVER_object_whole(types); decreases n - i; i = 1::1::i, n = n,
 *     types = types
 * loop search_map.0: i <= n; assigns i, seen, __CPROVER_object_whole(types); decreases n - i; i = 1::1::i, n = n,
 *     seen = 1::seen, types = types
 * loop fill_by_search.0: i <= n; assigns i, __CPROVER_object_whole(words); decreases n - i; i = 1::i, n = n, words = words
 * loop memtype_pat_valids.0: i <= n; assigns i, __CPROVER_object_whole(valid); decreases n - i; i = 1::1::i, n = n,
 *     valid = valid
 * loop memtype_effective_array.0: i <= n; assigns i; decreases n - i; i = 1::1::i, n = n
 * loop memtype_effective_array.1: i <= n; assigns i, __CPROVER_object_whole(types); decreases n - i; i = 1::2::i, n = n,
 *     types = types
 * loop memtype_effective_ept_array.0: i <= n; assigns i; decreases n - i; i = 1::1::i, n = n
 * loop memtype_effective_ept_array.1: i <= n; assigns i, __CPROVER_object_whole(types); decreases n - i; i = 1::2::i, n = n,
 *     types = types
 * loop memtype_effective_npt_array.0: i <= n; assigns i; decreases n - i; i = 1::1::i, n = n
 * loop memtype_effective_npt_array.1: i <= n; assigns i, __CPROVER_object_whole(types); decreases n - i; i = 1::2::i, n = n,
 *     types = types
 * loop look_up_parts.0: i <= n; assigns i, all, mixed, __CPROVER_object_whole(types); decreases n - i; i = 1::1::i,
 *     n = n, all = 1::all, mixed = 1::mixed, types = types
 * loop unfit_state.0: k <= f->states; assigns k, unfit; decreases f->states - k; k = 1::1::k, f = f, unfit = 1::unfit
 * loop unfit_state.1: i <= f->states; assigns i; decreases f->states - i; i = 1::i, f = f
 * loop count_each.0: i <= n; assigns i, __CPROVER_object_whole(total); decreases n - i; i = 1::1::i, n = n, total = total
 * loop look_up.0: i % 512 == 0 && i <= n + 511; assigns i, parts, __CPROVER_object_whole(types); decreases n + 512 - i;
 *     i = 1::1::i, n = n, parts = 1::parts, types = types
 * loop memtype_types_by.0: i <= n; assigns i; decreases n - i; i = 1::1::i, n = n
 * loop answer_short.0: i <= n; assigns i, __CPROVER_object_whole(types); decreases n - i; i = 1::1::i, n = n,
 *     types = types
 * loop answer_any.0: i <= n; assigns i, __CPROVER_object_whole(types); decreases n - i; i = 1::1::i, n = n,
 *     types = types
 * loop memtype_histogram.0: done <= n; assigns done, place, __CPROVER_object_whole(types), __CPROVER_object_whole(total);
 *     decreases n - done; done = 1::1::done, n = n, place = 1::1::1::place, types = 1::types, total = 1::total
 * loop page_addresses.0: i <= n; assigns i, __CPROVER_object_whole(addresses); decreases n - i; i = 1::1::i, n = n,
 *     addresses = addresses
 * loop memtype_page_types.0: n <= __CPROVER_loop_entry(n) && types == __CPROVER_loop_entry(types) + (__CPROVER_loop_entry(n) - n);
 *     assigns n, types, first_gfn; decreases n; n = n, types = types, first_gfn = first_gfn
 * loop map_page_types.0: done <= n && i <= map->count && (done == n || (i < map->count && (i + 1 == map->count ||
 *     (map->bases[i + 1] + 4095) >> 12 >= first_gfn + done))); assigns i, done; decreases map->count - i; done = 1::done,
 *     n = n, i = 1::i, map = map, first_gfn = first_gfn
 * loop many_steps.0: i < n + 64 && first >= 1 && first <= 64; assigns i, seen; decreases n + 64 - i; i = 1::i,
 *     n = n, first = 1::first, seen = 1::seen
 * loop stream_steps.0: i <= n && ((unsigned long)out + i) % vector_bytes == 0; assigns i, *seen;
 *     decreases n - i; i = 1::i, n = n, seen = seen, out = out,
 *     vector_bytes = ::vector_bytes
 * loop run_fill.0: i < n + 64 && first >= 1 && first <= 64; assigns i; decreases n + 64 - i; i = 1::1::i, n = n,
 *     first = 1::first
 * loop nibble_or_words.0: i <= n; assigns i, seen; decreases n - i; i = 1::i, n = n, seen = 1::seen
 * loop run_types.0: i <= blocks && in == __CPROVER_loop_entry(in) + 64 * i && types == __CPROVER_loop_entry(types) + 64 * i;
 *     assigns i, in, types, seen; decreases blocks - i; i = 1::1::i, blocks = blocks, in = 1::in, types = 1::types,
 *     seen = 1::seen
 * loop run_effective.0: i <= blocks && in == __CPROVER_loop_entry(in) + 64 * i && ptes == __CPROVER_loop_entry(ptes) + 64 * i
 *     && types == __CPROVER_loop_entry(types) + 64 * i; assigns i, in, ptes, types, seen; decreases blocks - i;
 *     i = 1::1::i, blocks = blocks, in = 1::in, ptes = 1::ptes, types = 1::types, seen = 1::seen
 * loop run_leaves.0: k <= 4; assigns k, __CPROVER_object_whole(pair); decreases 4 - k; k = 1::1::1::1::k, pair = 1::1::1::pair
 * loop run_leaves.1: i <= blocks && in == __CPROVER_loop_entry(in) + 64 * i && ptes == __CPROVER_loop_entry(ptes) + 64 * i
 *     && types == __CPROVER_loop_entry(types) + 64 * i; assigns i, in, ptes, types; decreases blocks - i; i = 1::1::i,
 *     blocks = blocks, in = 1::in, ptes = 1::ptes, types = 1::types
 * loop run_fill512.0: i <= blocks && gfns == __CPROVER_loop_entry(gfns) + 64 * i && words == __CPROVER_loop_entry(words) + 64 * i;
 *     assigns i, gfns, words; decreases blocks - i; i = 1::1::i, blocks = blocks, gfns = gfns, words = words
 * loop avx512_or_words.0: i <= n; assigns i, seen; decreases n - i; i = 1::i, n = n, seen = 1::seen
 * loop variable_types.0: k >= 1 && (k == 1 || k <= r->t->groups); assigns k, code; decreases r->t->groups + 1 - k;
 *     k = 1::1::k, code = 1::code, r = r
 * loop match_row_avx512.0: i <= n && i % 64 == 0; assigns i, seen; decreases n - i; i = 1::i, n = n, seen = 1::seen
 * loop match_row_avx2.0: line <= 64 && line % 8 == 0; assigns line; decreases 64 - line; line = 1::1::1::1::line
 * loop match_row_avx2.1: i <= n && i % 64 == 0; assigns i, seen; decreases n - i; i = 1::i, n = n, seen = 1::seen
 * loop types_step.0: g >= 1 && (g == 1 || g <= f.groups); assigns g, code; decreases f.groups - g; g = 1::1::g, f = f,
 *     code = 1::code
 */
#ifndef LOOPS_H
#define LOOPS_H

#include <assert.h>
#include <stdlib.h>

#include "../../../csrc/kernels.h"

size_t nondet_size(void);
uint32_t nondet_u32(void);
uint64_t nondet_u64(void);
void __CPROVER_assume(_Bool);

#ifdef VACUITY
#define END assert(0)
#else
#define END ((void)0)
#endif

// PLANTED: the array that is written is one element short
#ifdef PLANTED
#define SHORT 1
#else
#define SHORT 0
#endif

// any number of elements that fits an object of CBMC
static size_t any_length(void)
{
	size_t n = nondet_size();

	__CPROVER_assume(n >= 1 && n <= (size_t)1 << 40);
	return n;
}

static void *array(size_t n, size_t size)
{
	void *made = malloc(n * size);

	__CPROVER_assume(made != NULL);
	return made;
}

// any number of them from any place on: whether vectors are aligned is left open
static void *at_any_place(size_t n, size_t size)
{
	size_t before = nondet_size();

	__CPROVER_assume(before < 64 / size);
	return (uint8_t *)array(before + n, size) + before * size;
}

#endif

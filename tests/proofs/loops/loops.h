/* loops.h - for the proofs of this folder: these loops over arrays leave none of them, whatever their length.
 *
 * Each loop has a contract: what holds before every turn (invariant), what a turn may change (assigns), what falls with
 * every turn, so that the loop ends (decreases). test_loops.py reads them from the comments below and gives them to
 * goto-instrument beside the code, which stays as it is. `loop FUNCTION.N` is the N-th loop of the function; local
 * variables are given as CBMC numbers their blocks.
 *
 * loop memtype_pat_valids.0: i <= n; assigns i, __CPROVER_object_whole(valid); decreases n - i; i = 1::1::i, n = n,
 *     valid = valid
 * loop look_up_parts.0: i <= n; assigns i, all, mixed, __CPROVER_object_whole(types); decreases n - i; i = 1::1::i,
 *     n = n, all = 1::all, mixed = 1::mixed, types = types
 * loop unfit_state.0: k <= f->states; assigns k, unfit; decreases f->states - k; k = 1::1::k, f = f, unfit = 1::unfit
 * loop unfit_state.1: i <= f->states; assigns i; decreases f->states - i; i = 1::i, f = f
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

#endif

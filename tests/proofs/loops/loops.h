/* loops.h - for the proofs of this folder: no array loop of the core leaves its arrays, whatever their length.
 *
 * Each loop has a contract: what holds before every turn (invariant), what a turn may change (assigns), what falls with
 * every turn, so that the loop ends (decreases). test_loops.py reads them from the first comment of each harness and gives
 * them to goto-instrument beside the code, which stays as it is. `loop FUNCTION.N` is the N-th loop of the function, as CBMC
 * counts them; of names that several blocks have the comment says which, as CBMC numbers blocks. Behind a harness's name
 * stand the functions whose loops have contracts (loops), those whose loops are unwound to their end (unwinds), and what
 * is called in whose place (calls).
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
#define END __CPROVER_assert(0, "the end is reached")
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

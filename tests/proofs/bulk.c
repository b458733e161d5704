/* Proof harness for csrc/bulk.h: the search finds the one segment that holds an address. */
#include "../../csrc/bulk.h"

#include <assert.h>

size_t nondet_size(void);
uint64_t nondet_u64(void);
void __CPROVER_assume(_Bool);

#define SEGMENTS 21

#ifdef VACUITY
#define END assert(0)
#else
#define END ((void)0)
#endif

void prove_find_segment(void) /* unwind 22 */
{
	uint64_t bases[SEGMENTS], a = nondet_u64();
	size_t count = nondet_size(), found;

	__CPROVER_assume(count >= 1 && count <= SEGMENTS);
	__CPROVER_assume(bases[0] == 0);
	for (size_t i = 1; i < SEGMENTS; i++)
		__CPROVER_assume(i >= count || bases[i] > bases[i - 1]);
	found = find_segment(bases, count, a);
	assert(found < count && bases[found] <= a);
#ifdef PLANTED
	assert(found + 1 == count || bases[found + 1] >= a + 2);
#else
	assert(found + 1 == count || bases[found + 1] > a);
#endif
	END;
}

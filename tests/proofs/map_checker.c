/* Proof harness for map_checker.h: a segment that passes has the right type at each of its addresses. */
#include "../../csrc/mtrr.c"
#include "map_checker.h"

#include <assert.h>

uint64_t nondet_u64(void);
int nondet_int(void);
void __CPROVER_assume(_Bool);

#define PAIRS 4

#ifdef VACUITY
#define END assert(0)
#else
#define END ((void)0)
#endif

void prove_what_passes_is_right(void) /* unwind 12 */
{
	memtype_mtrrs m;
	uint64_t a = nondet_u64(), last = nondet_u64(), x = nondet_u64();
	int type = nondet_int();

	__CPROVER_assume(m.variable_count <= PAIRS && m.maxphyaddr >= 20 && m.maxphyaddr <= 52 && m.vendor <= 1);
	__CPROVER_assume(segment_passes(&m, a, last, type, memtype_at));
#ifdef PLANTED
	__CPROVER_assume(x >= a && x <= last + 1 && last < 0xFFFFFFFF);
#else
	__CPROVER_assume(x >= a && x <= last);
#endif
	assert(memtype_at(&m, x) == type);
	END;
}

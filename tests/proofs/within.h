/* within.h - what ../within.py writes into the core for CBMC. WITHIN(array, i) is i, and claims that it is one of the array's
 * places; of a pointer the number is not known here, and CBMC asks for its object. TURN stands before the body of a loop: with
 * VACUITY it claims that no proof comes there. */
#ifndef WITHIN_H
#define WITHIN_H

#include <stddef.h>

#define PLACES(array) \
	(__builtin_types_compatible_p(__typeof__(array), __typeof__(&(array)[0])) ? (size_t)-1 : \
										     sizeof(array) / sizeof((array)[0]))
#define WITHIN(array, i) within(i, PLACES(array))

#ifdef VACUITY
#define TURN if (__CPROVER_assert(0, "no turn"), 0); else /* without a block: contracts name variables by their blocks */
#else
#define TURN
#endif

static inline size_t within(size_t i, size_t places)
{
	__CPROVER_assert(i < places, "an index is within its array");
	return i;
}

#endif

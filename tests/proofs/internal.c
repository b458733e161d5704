/* Proof harnesses for csrc/internal.h: the search finds the one segment that holds an address; a refusal names no place
 * outside the array, whatever stands there. */
#include "../../csrc/internal.h"

#include <assert.h>

size_t nondet_size(void);
uint64_t nondet_u64(void);
void __CPROVER_assume(_Bool);

#define SEGMENTS 21
#define WORDS 5 /* of any number: loops/portable.c */

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

void prove_refuse_word(void) /* unwind 6 */
{
	uint64_t words[WORDS], limit = nondet_u64();
	size_t n = nondet_size(), start = nondet_size(), index = 77, at = nondet_size();

	__CPROVER_assume(n <= WORDS && start <= n);
	assert(refuse_word(words, start, n, limit, NULL) == MEMTYPE_EADDRESS);
	assert(refuse_word(words, start, n, limit, &index) == MEMTYPE_EADDRESS);
	assert(index >= start && index <= n);
	if (at >= start && at < index)
		assert(words[at] <= limit);
#ifdef PLANTED
	assert(index < n);
#else
	assert(index == n || words[index] > limit);
#endif
	END;
}

void prove_misfit(void) /* unwind 9 */
{
	static uint8_t room[64];
	size_t from = nondet_size(), n = nondet_size(), to = nondet_size(), bytes = nondet_size(), at = nondet_size();
	int refused;

	__CPROVER_assume(from <= 64 && n <= (64 - from) / 8 && to <= 64 && bytes <= 64 - to);
	refused = misfit(room + from, n, 8, room + to, bytes);
	if (!refused && n) {
		assert((uintptr_t)(room + from) % 8 == 0);
#ifdef PLANTED
		assert(at < from || at >= from + 8 * n || at <= to || at >= to + bytes);
		assert(bytes == 0);
#else
		assert(at < from || at >= from + 8 * n || at < to || at >= to + bytes);
#endif
	}
	END;
}

void prove_fixed_layout(void) /* unwind 9 */
{
	uint64_t a = nondet_u64();
	unsigned found;

	__CPROVER_assume(a < FIXED_END);
	found = fixed_index(a);
	assert(found < FIXED_RANGES);
	assert((uint64_t)fixed_page[found] << PAGE_SHIFT <= a);
#ifdef PLANTED
	assert(found + 1 == FIXED_RANGES || (uint64_t)fixed_page[found + 1] << PAGE_SHIFT >= a + 2);
#else
	assert(found + 1 == FIXED_RANGES || (uint64_t)fixed_page[found + 1] << PAGE_SHIFT > a);
#endif
	END;
}

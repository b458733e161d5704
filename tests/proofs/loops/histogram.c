/* The loops of csrc/histogram.c, which works part by part (loops.h). What a part calls is replaced by the claim that it may
 * read and write what it is given.
 *
 * loop count_each.0: i <= n; assigns i, __CPROVER_object_whole(total); decreases n - i
 * loop memtype_histogram.0: done <= n; assigns done, place, __CPROVER_object_whole(types),
 *     __CPROVER_object_whole(total); decreases n - done */
#include "../../../csrc/histogram.c"
#include "loops.h"

int checked_types(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types, size_t *index)
{
	(void)t;
	assert(__CPROVER_r_ok(addresses, 8 * n) && __CPROVER_w_ok(types, n));
	*index = nondet_size();
	return nondet_u32() ? MEMTYPE_OK : MEMTYPE_EADDRESS;
}

void checked_count(const uint8_t *types, size_t n, uint64_t total[16])
{
	assert(n == 0 || __CPROVER_r_ok(types, n));
	(void)total;
}

void prove_count_each(void) /* loops count_each */
{
	size_t n = any_length();
	uint64_t total[16];

	count_each(array(n - SHORT, 1), n, total);
	END;
}

void prove_histogram(void) /* loops memtype_histogram calls memtype_types:checked_types count_each:checked_count */
{
	static memtype_tables t;
	uint64_t counts[16];
	size_t n = any_length();

	memtype_histogram(&t, array(n - SHORT, 8), n, counts, NULL);
	END;
}

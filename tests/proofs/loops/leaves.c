/* The loops of csrc/leaves.c over the rows and entries of a small table, unwound to their end (loops.h). */
#include "../../../csrc/leaves.c"
#include "loops.h"

const struct kernels *kernels_of(uint32_t isa)
{
	(void)isa;
	return NULL;
}

void prove_fold(void) /* unwinds fold */
{
	const uint8_t *const half[2] = {array(PLANE / 2, 1), array(PLANE / 2 - 16 * SHORT, 1)}; // a row of 16

	fold(half, nondet_u64(), nondet_u32());
	END;
}

int checked_leaves(const struct pat_view *view, uint32_t isa, const uint64_t *eptes, const uint64_t *ptes, size_t n,
		   uint8_t *types)
{
	(void)isa;
	assert(__CPROVER_r_ok(view, sizeof(*view)) && __CPROVER_w_ok(types, n));
	assert(__CPROVER_r_ok(eptes, 8 * n) && __CPROVER_r_ok(ptes, 8 * n));
	return (int)nondet_u32();
}

// nothing, or a place
void *checked_search(const void *in, int byte, size_t n)
{
	size_t place = nondet_size();

	(void)byte;
	assert(__CPROVER_r_ok(in, n));
	return place < n ? (uint8_t *)in + place : NULL;
}

void prove_ept_types(void) /* unwinds memtype_ept_types calls leaf_types:checked_leaves memchr:checked_search */
{
	size_t n = any_length(), first;
	int status = memtype_ept_types(nondet_u32(), array(n, 8), n, array(n - SHORT, 1), &first);

	assert(status != MEMTYPE_OK || first <= n);
	END;
}

void prove_entries(void) /* unwinds entries_of calls leaf_types:checked_leaves */
{
	size_t n = any_length();

	entries_of(array(PAT_ENTRIES - SHORT, 1), nondet_u32(), nondet_u32(), array(n, 8), n, array(n, 1));
	END;
}

int checked_entries(const uint8_t *value, uint32_t level, uint32_t isa, const uint64_t *ptes, size_t n, uint8_t *out)
{
	(void)level, (void)isa;
	assert(__CPROVER_r_ok(value, PAT_ENTRIES + SHORT) && __CPROVER_r_ok(ptes, 8 * n) && __CPROVER_w_ok(out, n));
	return MEMTYPE_OK;
}

void prove_pat_types(void) /* unwinds memtype_pat_types calls entries_of:checked_entries */
{
	size_t n = any_length();

	memtype_pat_types(nondet_u64(), nondet_u32(), nondet_u32(), array(n, 8), n, array(n, 1));
	END;
}

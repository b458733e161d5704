/* The loops of csrc/effective.c and memtype_pat_valids of csrc/leaves.c, whatever the types and the steps (loops.h).
 *
 * loop memtype_effective_array.0: i <= n; assigns i; decreases n - i; i = 1::1::i
 * loop memtype_effective_array.1: i <= n; assigns i, __CPROVER_object_whole(types); decreases n - i; i = 1::2::i
 * loop memtype_effective_ept_array.0: i <= n; assigns i; decreases n - i; i = 1::1::i
 * loop memtype_effective_ept_array.1: i <= n; assigns i, __CPROVER_object_whole(types); decreases n - i; i = 1::2::i
 * loop memtype_effective_npt_array.0: i <= n; assigns i; decreases n - i; i = 1::1::i
 * loop memtype_effective_npt_array.1: i <= n; assigns i, __CPROVER_object_whole(types); decreases n - i; i = 1::2::i
 * loop memtype_pat_valids.0: i <= n; assigns i, __CPROVER_object_whole(valid); decreases n - i */
#include "../../../csrc/effective.c"
#include "../../../csrc/leaf.c"
#include "../../../csrc/leaves.c"
#include "loops.h"

const struct kernels *kernels_of(uint32_t isa)
{
	(void)isa;
	return NULL;
}

static size_t any_step(void)
{
	size_t step = nondet_size();

	__CPROVER_assume(step <= 1);
	return step;
}

void prove_effective_array(void) /* loops memtype_effective_array */
{
	size_t n = any_length(), one = any_step(), two = any_step();
	uint8_t *a = array(one ? n : 1, 1), *b = array(two ? n : 1, 1);

	memtype_effective_array(nondet_u32(), nondet_u32(), a, one, b, two, n, array(n - SHORT, 1), NULL);
	END;
}

void prove_effective_ept_array(void) /* loops memtype_effective_ept_array */
{
	size_t n = any_length(), one = any_step(), two = any_step(), three = any_step();
	uint8_t *a = array(one ? n : 1, 1), *b = array(two ? n : 1, 1), *c = array(three ? n : 1, 1);

	memtype_effective_ept_array(nondet_u32(), a, one, b, two, c, three, n, array(n - SHORT, 1), NULL);
	END;
}

void prove_effective_npt_array(void) /* loops memtype_effective_npt_array */
{
	size_t n = any_length(), one = any_step(), two = any_step(), three = any_step();
	uint8_t *a = array(one ? n : 1, 1), *b = array(two ? n : 1, 1), *c = array(three ? n : 1, 1);

	memtype_effective_npt_array(nondet_u32(), nondet_u32(), a, one, b, two, c, three, n, array(n - SHORT, 1), NULL);
	END;
}

void prove_pat_valids(void) /* loops memtype_pat_valids */
{
	size_t n = any_length();

	memtype_pat_valids(array(n, 8), n, array(n - SHORT, 1));
	END;
}

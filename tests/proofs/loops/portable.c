/* The loops of csrc/bulk_portable.c, and the helpers of csrc/internal.h: no length leaves the arrays (loops.h). */
#include "../../../csrc/bulk_portable.c"
#include "loops.h"

static memtype_tables t;
static struct pat_view view;

static void any_tables(void)
{
	__CPROVER_havoc_object(&t);
	__CPROVER_havoc_object(&view);
	__CPROVER_assume(t.cubes <= MEMTYPE_MAX_CUBES && view.pat_bit <= 12);
	for (unsigned k = 0; k < 16; k++) // types, which are rows of a view
		__CPROVER_assume(t.final_type[k] < PAT_ROWS);
}

void prove_types(void) /* loops portable_types type_of_address */
{
	size_t n = any_length();

	any_tables();
	portable_types(&t, array(n, 8), n, array(n - SHORT, 1));
	END;
}

void prove_words(void) /* loops or_words first_above */
{
	size_t n = any_length(), start = nondet_size();
	uint64_t *words = array(n - SHORT, 8);

	__CPROVER_assume(start <= n);
	or_words(words, n);
	assert(first_above(words, start, n, nondet_u64()) <= n);
	END;
}

void prove_effective(void) /* loops portable_effective type_of_address */
{
	size_t n = any_length();

	any_tables();
	for (unsigned k = 0; k < 256; k++)
		__CPROVER_assume(t.page[k] < PAT_ROWS);
	portable_effective(&t, &view, array(n, 8), nondet_u64(), array(n, 8), n, array(n - SHORT, 1));
	END;
}

void prove_leaves(void) /* loops portable_leaves */
{
	size_t n = any_length();

	any_tables();
	portable_leaves(&view, array(n, 8), array(n, 8), n, array(n - SHORT, 1));
	END;
}

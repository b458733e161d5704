/* The loop of memtype_pat_valids in csrc/leaves.c (loops.h). */
#include "../../../csrc/leaf.c"
#include "../../../csrc/leaves.c"
#include "loops.h"

const struct kernels *kernels_of(uint32_t isa)
{
	(void)isa;
	return NULL;
}

void prove_pat_valids(void) /* loops memtype_pat_valids */
{
	size_t n = any_length();

	memtype_pat_valids(array(n, 8), n, array(n - SHORT, 1));
	END;
}

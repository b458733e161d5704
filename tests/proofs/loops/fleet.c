/* The loops of csrc/fleet.c over the states of a fleet, whatever their number (loops.h).
 *
 * loop unfit_state.0: k <= f->states; assigns k, unfit; decreases f->states - k
 * loop unfit_state.1: i <= f->states; assigns i; decreases f->states - i */
#include "../../../csrc/fleet.c"
#include "loops.h"

const struct kernels *kernels_of(uint32_t isa)
{
	(void)isa;
	return NULL;
}

const struct fleet_set *fleet_set_of(uint32_t isa)
{
	(void)isa;
	return NULL;
}

void prove_unfit_state(void) /* loops unfit_state */
{
	size_t states = any_length();
	memtype_fleet f = {.states = states, .pairs = nondet_size(), .maxphyaddr = array(states - SHORT, 4)};

	assert(unfit_state(&f) <= states);
	END;
}

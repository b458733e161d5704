/* The loops of csrc/fleet.c over the states of a fleet, whatever their number, and over the pairs of one (loops.h). That row i
 * of a column lies in it where i is one of its states needs no solver: the harnesses see that there is such a state.
 *
 * loop unfit_state.0: i <= f->states; assigns i; decreases f->states - i
 * loop unfit_state.1: i <= f->states; assigns i; decreases f->states - i
 * loop fleet_type.0: k <= pairs; assigns k, code; decreases pairs - k
 * loop unfit_row.0: i <= f->states; assigns i; decreases f->states - i */
#include "../../../csrc/fleet.c"
#include "fleets.h"

uint64_t any_words(const uint64_t *words, size_t n)
{
	(void)words, (void)n;
	return nondet_u64();
}

const struct kernels *kernels_of(uint32_t isa)
{
	static const struct kernels some = {.or_words = any_words};

	(void)isa;
	return &some;
}

const struct fleet_set *fleet_set_of(uint32_t isa)
{
	(void)isa;
	return NULL;
}

void prove_has_unfit(void) /* unwinds has_unfit */
{
	has_unfit(array(WIDTHS - SHORT, 4));
	END;
}

// in place of has_unfit, which is proved above
uint32_t any_unfit(const uint32_t *maxphyaddr)
{
	assert(__CPROVER_r_ok(maxphyaddr, WIDTHS * sizeof(*maxphyaddr)));
	return nondet_u32();
}

void prove_unfit_state(void) /* loops unfit_state calls has_unfit:any_unfit */
{
	size_t states = any_length();
	memtype_fleet f = {.states = states, .pairs = nondet_size(), .maxphyaddr = array(states - SHORT, 4)};

	assert(unfit_state(&f) <= states);
	END;
}

void prove_type(void) /* loops fleet_type */
{
	size_t pairs = any_length();
	uint32_t vendor = nondet_u32(), width = nondet_u32();
	uint64_t one[4];
	memtype_fleet f = {1, pairs, one, array(FIXED_MSRS, 8), array(pairs, 8), array(pairs - SHORT, 8), one + 1, one + 2,
			   one + 3, &vendor, &width};

	__CPROVER_assume(is_width(width));
	fleet_type(&f, 0, nondet_u64());
	END;
}

static memtype_fleet any_fleet(void)
{
	memtype_fleet f = {.states = any_length() >> 4, .pairs = nondet_size()};

	__CPROVER_assume(f.states >= 1 && f.pairs <= MAX_VARIABLE);
	f.maxphyaddr = array(f.states, 4);
	return f;
}

uint64_t any_limit(unsigned bits)
{
	(void)bits;
	return nondet_u64();
}

void prove_unfit_row(void) /* loops unfit_row calls low_bits:any_limit */
{
	memtype_fleet f = any_fleet();

	f.maxphyaddr = array(f.states - SHORT, 4);
	unfit_row(&f, nondet_u32(), NULL, nondet_size(), nondet_size());
	END;
}

void prove_misfit(void) /* unwinds fleet_misfit */
{
	memtype_fleet f = {.states = 1, .vendor = array(1, 4)};

	assert(fleet_misfit(&f, (const uint8_t *)f.vendor, 1) == !SHORT); // an output that shares a byte
	END;
}

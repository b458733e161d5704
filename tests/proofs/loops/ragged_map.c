/* The loops of csrc/ragged.c over the pairs of a state and over the segments of a map (loops.h).
 *
 * loop is_holey.0: i <= m->variable_count; assigns i, holes; decreases m->variable_count - i */
#include "../../../csrc/ragged.c"
#include "loops.h"

int fleet_misfit(const memtype_fleet *f, const uint8_t *types, size_t bytes)
{
	(void)f, (void)types, (void)bytes;
	return 0;
}

uint8_t fleet_type(const memtype_fleet *f, size_t i, uint64_t address)
{
	(void)f, (void)i, (void)address;
	return 0;
}

void prove_is_holey(void) /* loops is_holey */
{
	static memtype_mtrrs m;

	__CPROVER_havoc_object(&m);
	__CPROVER_assume(m.variable_count <= MAX_VARIABLE + SHORT && is_width(m.maxphyaddr));
	is_holey(&m);
	END;
}

void prove_type_in_map(void) /* unwinds type_in_map */
{
	memtype_map *map = array(1, sizeof(*map) - SHORT);

	type_in_map(map, SHORT_MAP, nondet_u64());
	type_in_map(map, MEMTYPE_MAP_CAPACITY, nondet_u64());
	END;
}

/* The loops of csrc/ragged.c over addresses, whatever their number (loops.h). A map has less room than the contract's, so
 * that a solver can hold any number of maps.
 *
 * loop memtype_types_by.0: i <= n; assigns i; decreases n - i
 * loop answer_short.0: i <= n; assigns i, __CPROVER_object_whole(types); decreases n - i
 * loop answer_any.0: i <= n; assigns i, __CPROVER_object_whole(types); decreases n - i */
#define memtype_map roomy_map
#include "../../../csrc/fleet.h"
#undef memtype_map

typedef struct memtype_map {
	size_t count;
	uint64_t bases[1];
	uint8_t types[8];
} memtype_map;

#include "../../../csrc/ragged.c"
#include "loops.h"

int no_misfit(const memtype_fleet *f, const uint8_t *types, size_t bytes)
{
	(void)f, (void)types, (void)bytes;
	return 0;
}

uint8_t any_type(const memtype_fleet *f, size_t i, uint64_t address)
{
	assert(i < f->states && is_width(f->maxphyaddr[i]) && address <= low_bits(f->maxphyaddr[i]));
	return (uint8_t)(nondet_u32() & 0xFF);
}

int any_answer(const memtype_map *maps, size_t states)
{
	(void)maps, (void)states;
	return (int)nondet_u32();
}

uint8_t any_part(const memtype_map *map, size_t room, uint64_t address)
{
	(void)room, (void)address;
	return map->types[0];
}

static memtype_fleet any_fleet(void)
{
	size_t states = any_length();
	memtype_fleet f = {.states = states, .pairs = nondet_size(), .maxphyaddr = array(states, 4)};

	return f;
}

void prove_types_by(void) /* loops memtype_types_by answer_short answer_any calls fleet_misfit:no_misfit fleet_type:any_type all_are_short:any_answer type_in_map:any_part */
{
	memtype_fleet f = any_fleet();
	size_t n = any_length(), place;

	memtype_types_by(&f, nondet_u32() ? array(f.states, sizeof(memtype_map)) : NULL, array(n, 4), array(n, 8), n,
			 array(n - SHORT, 1), &place);
	END;
}

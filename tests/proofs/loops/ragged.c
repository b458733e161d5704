/* The loops of csrc/ragged.c over addresses and over maps, whatever their number (loops.h). A map has less room than the
 * contract's, and a size that is a power of two, so that a solver can hold any number of maps.
 *
 * loop memtype_types_by.0: i <= n; assigns i; decreases n - i
 * loop answer_short.0: i <= n; assigns i, __CPROVER_object_whole(types); decreases n - i
 * loop answer_any.0: i <= n; assigns i, __CPROVER_object_whole(types); decreases n - i
 * loop memtype_fleet_maps.0: i <= f->states; assigns i, __CPROVER_object_whole(maps); decreases f->states - i
 * loop all_are_short.0: i <= states; assigns i, most; decreases states - i */
#define memtype_map roomy_map
#define memtype_resolve_map resolve_roomy_map
#define memtype_fleet_maps roomy_fleet_maps
#define memtype_types_by roomy_types_by
#include "../../../csrc/fleet.h"
#undef memtype_map
#undef memtype_resolve_map
#undef memtype_fleet_maps
#undef memtype_types_by

#undef MEMTYPE_MAP_CAPACITY
#define MEMTYPE_MAP_CAPACITY 2
typedef struct memtype_map {
	size_t count;
	uint8_t types[8];
	uint64_t bases[MEMTYPE_MAP_CAPACITY]; // last: what is written beyond those of the last map is seen
} memtype_map;
int memtype_resolve_map(const memtype_mtrrs *m, memtype_map *map);

#include "../../../csrc/ragged.c"
#include "loops.h"

int no_misfit(const memtype_fleet *f, const uint8_t *types, size_t bytes)
{
	(void)f, (void)types, (void)bytes;
	return 0;
}

uint8_t checked_type(const memtype_fleet *f, size_t i, uint64_t address)
{
	assert(i < f->states && is_width(f->maxphyaddr[i]) && address <= low_bits(f->maxphyaddr[i]));
	return (uint8_t)(nondet_u32() & 0xFF);
}

uint8_t any_type(const memtype_fleet *f, uint32_t id, uint64_t address)
{
	(void)address;
	assert(id < f->states);
	return (uint8_t)(nondet_u32() & 0xFF);
}

int any_length_of(const memtype_map *maps, size_t states)
{
	(void)maps, (void)states;
	return (int)nondet_u32();
}

uint8_t any_part(const memtype_map *map, size_t room, uint64_t address)
{
	(void)room, (void)address;
	assert(__CPROVER_r_ok(map, sizeof(*map)));
	return (uint8_t)(nondet_u32() & 0xFF);
}

static memtype_fleet any_fleet(void)
{
	size_t states = any_length();
	memtype_fleet f = {.states = states, .pairs = nondet_size(), .maxphyaddr = array(states, 4)};

	return f;
}

void prove_type_in_state(void) /* calls fleet_type:checked_type */
{
	memtype_fleet f = any_fleet();

	f.maxphyaddr = array(f.states - SHORT, 4);
	type_in_state(&f, nondet_u32(), nondet_u64());
	END;
}

void any_map(const memtype_map *map, size_t room)
{
	(void)room;
	assert(__CPROVER_r_ok(map, sizeof(*map)));
}

void prove_answer_short(void) /* loops answer_short calls type_in_state:any_type type_in_map:any_part
				 ask_map:any_map */
{
	memtype_fleet f = any_fleet();
	size_t n = any_length();
	memtype_map *maps = nondet_u32() ? array(f.states, sizeof(*maps)) : NULL;

	answer_short(&f, maps, array(n, 4), array(n, 8), n, array(n - SHORT, 1));
	END;
}

void prove_answer_any(void) /* loops answer_any calls type_in_state:any_type type_in_map:any_part
			       ask_map:any_map */
{
	memtype_fleet f = any_fleet();
	size_t n = any_length();
	memtype_map *maps = nondet_u32() ? array(f.states, sizeof(*maps)) : NULL;

	answer_any(&f, maps, array(n, 4), array(n, 8), n, array(n - SHORT, 1));
	END;
}

void checked_answers(const memtype_fleet *f, const memtype_map *maps, const uint32_t *ids, const uint64_t *addresses,
		     size_t n, uint8_t *types)
{
	assert(!maps || __CPROVER_r_ok(maps, f->states * sizeof(*maps)));
	assert(n == 0 || (__CPROVER_r_ok(ids, 4 * n) && __CPROVER_r_ok(addresses, 8 * n) && __CPROVER_w_ok(types, n)));
}

void prove_types_by(void) /* loops memtype_types_by calls fleet_misfit:no_misfit all_are_short:any_length_of
			     answer_short:checked_answers answer_any:checked_answers */
{
	memtype_fleet f = any_fleet();
	size_t n = any_length(), place;

	memtype_types_by(&f, nondet_u32() ? array(f.states, sizeof(memtype_map)) : NULL, array(n, 4), array(n, 8), n,
			 array(n - SHORT, 1), &place);
	END;
}

// --- maps ---

// row i of each column lies in it where i is one of its states
void checked_state(const memtype_fleet *f, size_t i, memtype_mtrrs *m)
{
	assert(i < f->states && f->pairs <= MAX_VARIABLE && __CPROVER_w_ok(m, sizeof(*m)));
}

int any_kind(const memtype_mtrrs *m)
{
	(void)m;
	return (int)nondet_u32();
}

int checked_map(const memtype_mtrrs *m, memtype_map *map)
{
	(void)m;
	assert(__CPROVER_w_ok(map, sizeof(*map)));
	map->count = nondet_size();
	__CPROVER_assume(map->count <= MEMTYPE_MAP_CAPACITY);
	return (int)nondet_u32();
}

void *checked_set(void *to, int byte, size_t n)
{
	(void)byte;
	assert(n == 0 || __CPROVER_w_ok(to, n));
	return to;
}

void prove_fleet_maps(void) /* loops memtype_fleet_maps calls load_state:checked_state is_holey:any_kind
			       memtype_resolve_map:checked_map memset:checked_set */
{
	memtype_fleet f = {.states = any_length() >> 6, .pairs = nondet_size()};

	__CPROVER_assume(f.states >= 1);
	f.maxphyaddr = array(f.states, 4);
	memtype_fleet_maps(&f, array(f.states - SHORT, sizeof(memtype_map)));
	END;
}

void prove_all_are_short(void) /* loops all_are_short */
{
	size_t states = any_length() >> 6;

	__CPROVER_assume(states >= 1);
	all_are_short(array(states - SHORT, sizeof(memtype_map)), states);
	END;
}

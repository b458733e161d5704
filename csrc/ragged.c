/* ragged.c - addresses that each have a state of their own, in any order. */
#include "fleet.h"

// whether some range is not one block: such maps are long, or take long to find short
static int is_holey(const memtype_mtrrs *m)
{
	uint64_t compared = page_bits(m->maxphyaddr), holes = 0;

	for (uint32_t i = 0; i < m->variable_count; i++) {
		uint64_t mask = m->mask[i] & compared;

		holes |= m->mask[i] & MASK_VALID ? compared & ~mask & -(mask & -mask) : 0;
	}
	return holes != 0;
}

int memtype_fleet_maps(const memtype_fleet *f, memtype_map *maps)
{
	memtype_mtrrs m;

	if (f->pairs > MAX_VARIABLE)
		return MEMTYPE_EREGISTERS;
	for (size_t i = 0; i < f->states; i++) {
		maps[i].count = 0; // holey, too large for the struct, or no machine: asked of the registers
		if (!is_width(f->maxphyaddr[i]))
			continue;
		load_state(f, i, &m);
		if (is_holey(&m) || memtype_resolve_map(&m, &maps[i]) != MEMTYPE_OK)
			continue;
		// above every address: any map can be searched in as many steps
		memset(maps[i].bases + maps[i].count, 0xFF, (MEMTYPE_MAP_CAPACITY - maps[i].count) * sizeof(*maps[i].bases));
	}
	return MEMTYPE_OK;
}

// OK where the address has a type in the state
static int check(const memtype_fleet *f, uint32_t id, uint64_t address)
{
	if (id >= f->states || !is_width(f->maxphyaddr[id]))
		return MEMTYPE_EREGISTERS;
	return address > low_bits(f->maxphyaddr[id]) ? MEMTYPE_EADDRESS : MEMTYPE_OK;
}

// Every map is searched in as many steps: were they each map's own, half of the time would go into mispredicted ends of
// loops (30 ns an address, against 7: Zen 4). Compiled for two numbers of them (6.6 ns -> 6.0).
#define SHORT_MAP 16u /* segments */

static int all_are_short(const memtype_map *maps, size_t states)
{
	size_t most = 0;

	for (size_t i = 0; i < states; i++)
		most = maps[i].count > most ? maps[i].count : most;
	return most <= SHORT_MAP;
}

// the type in a map of at most `room` segments, a power of two
static inline uint8_t type_in_map(const memtype_map *map, size_t room, uint64_t address)
{
	size_t i = 0;

	UNROLL
	for (size_t step = room / 2; step; step /= 2)
		i += map->bases[i + step] <= address ? step : 0;
	return map->types[i];
}

// Where no map answers. Ids and addresses are read a second time: what another thread made of them has to fit again.
static uint8_t type_in_state(const memtype_fleet *f, uint32_t id, uint64_t address)
{
	return check(f, id, address) == MEMTYPE_OK ? fleet_type(f, id, address) : MEMTYPE_UC;
}

// Elements on whose maps are asked for, where a search begins and where types stand: of 1,000 states with 2 to 32 ranges the
// maps leave the second-level cache (8.1 ns an address -> 6.9, of 8 ranges 4.9 -> 4.6; 8 and 32 on 6.8 and 7.4; Zen 3).
#define MAPS_AHEAD 16u

static inline void ask_map(const memtype_map *map, size_t room)
{
	ASK(&map->bases[room / 2]);
	ASK(&map->bases[room / 4]);
	ASK(map->types);
}

static inline uint32_t id_of(const memtype_fleet *f, uint32_t id)
{
	return id < f->states ? id : 0;
}

#define ANSWER(name, room) \
	static void name(const memtype_fleet *f, const memtype_map *maps, const uint32_t *ids, const uint64_t *addresses, \
			 size_t n, uint8_t *types) \
	{ \
		for (size_t i = 0; i < n; i++) { \
			uint32_t id = id_of(f, ids[i]); \
\
			if (maps) \
				ask_map(&maps[id_of(f, ids[i + MAPS_AHEAD < n ? i + MAPS_AHEAD : i])], room); \
			types[i] = maps && maps[id].count ? type_in_map(&maps[id], room, addresses[i]) : \
							    type_in_state(f, id, addresses[i]); \
		} \
	}
ANSWER(answer_short, SHORT_MAP)
ANSWER(answer_any, MEMTYPE_MAP_CAPACITY)

int memtype_types_by(const memtype_fleet *f, const memtype_map *maps, const uint32_t *ids, const uint64_t *addresses,
		     size_t n, uint8_t *types, size_t *index)
{
	if (fleet_misfit(f, types, n) || misfit_words(addresses, n, types, n) || misfit(ids, n, sizeof(*ids), types, n))
		return MEMTYPE_EBUFFER;
	if (f->pairs > MAX_VARIABLE && n > 0)
		return refuse(MEMTYPE_EREGISTERS, 0, index);
	for (size_t i = 0; i < n; i++) {
		int status = check(f, ids[i], addresses[i]);

		if (status != MEMTYPE_OK)
			return refuse(status, i, index);
	}
	if (maps && all_are_short(maps, f->states))
		answer_short(f, maps, ids, addresses, n, types);
	else
		answer_any(f, maps, ids, addresses, n, types);
	return MEMTYPE_OK;
}

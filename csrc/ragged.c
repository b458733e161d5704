/* ragged.c - addresses that each have a state of their own, in any order. */
#include "fleet.h"

int memtype_fleet_maps(const memtype_fleet *f, memtype_map *maps)
{
	memtype_mtrrs m;

	if (f->pairs > MAX_VARIABLE)
		return MEMTYPE_EREGISTERS;
	for (size_t i = 0; i < f->states; i++) {
		maps[i].count = 0; // too large for the struct, or no machine: asked of the registers
		if (!is_width(f->maxphyaddr[i]))
			continue;
		load_state(f, i, &m);
		memtype_resolve_map(&m, &maps[i]);
	}
	return MEMTYPE_OK;
}

static uint8_t type_in_state(const memtype_fleet *f, size_t state, uint64_t address)
{
	memtype_mtrrs m;

	load_state(f, state, &m);
	return (uint8_t)memtype_at(&m, address & low_bits(m.maxphyaddr));
}

// OK where the address has a type in the state
static int check(const memtype_fleet *f, uint32_t id, uint64_t address)
{
	if (id >= f->states || !is_width(f->maxphyaddr[id]))
		return MEMTYPE_EREGISTERS;
	return address > low_bits(f->maxphyaddr[id]) ? MEMTYPE_EADDRESS : MEMTYPE_OK;
}

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
	for (size_t i = 0; i < n; i++) {
		uint32_t id = ids[i] < f->states ? ids[i] : 0; // read again: it may have changed since
		const memtype_map *map = maps ? &maps[id] : NULL;

		types[i] = map && map->count ? map->types[find_segment(map->bases, map->count, addresses[i])] :
					       type_in_state(f, id, addresses[i]);
	}
	return MEMTYPE_OK;
}

/* kvm_leaf.c - memory type bits for arrays of gfns, one pass: into fresh words, or into SPTEs in place. */
#include "bulk.h"

/* The last piece whose base is at or below the gfn. The compare becomes a conditional move, so that random gfns
 * cost no mispredicted branch: bases {0, 0x100, 0x8000}, gfn 0x200 -> 1. */
static size_t piece_of(const uint64_t *bases, size_t count, uint64_t gfn)
{
	const uint64_t *low = bases;

	while (count > 1) {
		size_t half = count / 2;

		low += low[half] <= gfn ? half : 0;
		count -= half;
	}
	return (size_t)(low - bases);
}

struct leaf_map {
	const uint64_t *bases, *bits;
	size_t count;
	uint32_t maxphyaddr;
};

// Tables for the map where its bits fit a byte, as those of EPT (0x78) and of 4 KiB shadow leaves (0x98) do.
static int leaf_tables(const struct leaf_map *map, uint32_t isa, uint64_t keep, memtype_tables *t)
{
	uint64_t addresses[MAP_SEGMENTS];
	uint8_t values[MAP_SEGMENTS];

	if (isa == MEMTYPE_PORTABLE || map->count > MAP_SEGMENTS)
		return -1;
	for (size_t i = 0; i < map->count; i++) {
		if ((map->bits[i] & ~keep) > 0xFF)
			return -1;
		addresses[i] = map->bases[i] << PAGE_SHIFT;
		values[i] = (uint8_t)(map->bits[i] & ~keep & 0xFF);
	}
	if (tables_of_map(addresses, values, map->count, map->maxphyaddr, isa, t))
		return -1;
	t->shape |= SHAPE_GFN;
	return 0;
}

// a part of words[i] = (words[i] & keep) | the bits of gfns[i]; nothing is written where a gfn is beyond
static int fill_part(const struct leaf_map *map, const memtype_tables *t, const uint64_t *gfns, size_t n, uint64_t keep,
		     uint64_t *words)
{
	uint64_t last = low_bits(map->maxphyaddr - PAGE_SHIFT), seen = 0;
	uint8_t bytes[MEMTYPE_CHECKED_FIRST];

	if (t) {
		if (kernels_of(t->isa)->types(t, gfns, n, bytes) > last)
			return MEMTYPE_EADDRESS;
		kernels_of(t->isa)->merge(words, keep, bytes, n);
		return MEMTYPE_OK;
	}
	for (size_t i = 0; i < n; i++)
		seen |= gfns[i];
	if (seen > last)
		return MEMTYPE_EADDRESS;
	for (size_t i = 0; i < n; i++)
		words[i] = (words[i] & keep) | (map->bits[piece_of(map->bases, map->count, gfns[i])] & ~keep);
	return MEMTYPE_OK;
}

static int fill(const struct leaf_map *map, uint32_t isa, const uint64_t *gfns, size_t n, uint64_t keep,
		uint64_t *words, size_t *index)
{
	memtype_tables tables, *t = n >= MAP_TABLES_FROM && leaf_tables(map, isa, keep, &tables) == 0 ? &tables : NULL;

	for (size_t done = 0; done < n;) {
		size_t part = n - done < MEMTYPE_CHECKED_FIRST ? n - done : MEMTYPE_CHECKED_FIRST;

		if (fill_part(map, t, gfns + done, part, keep, words + done)) {
			while (gfns[done] <= low_bits(map->maxphyaddr - PAGE_SHIFT))
				done++;
			*index = done;
			return MEMTYPE_EADDRESS;
		}
		done += part;
	}
	return MEMTYPE_OK;
}

int memtype_leaf_bits(const uint64_t *bases, const uint64_t *bits, size_t count, uint32_t maxphyaddr,
		      uint32_t isa, const uint64_t *gfns, size_t n, uint64_t *out, size_t *index)
{
	struct leaf_map map = {bases, bits, count, maxphyaddr};

	return fill(&map, isa, gfns, n, 0, out, index);
}

int memtype_leaf_fill(const uint64_t *bases, const uint64_t *bits, size_t count, uint64_t field, uint32_t maxphyaddr,
		      uint32_t isa, const uint64_t *gfns, size_t n, uint64_t *sptes, size_t *index)
{
	struct leaf_map map = {bases, bits, count, maxphyaddr};

	return fill(&map, isa, gfns, n, ~field, sptes, index);
}

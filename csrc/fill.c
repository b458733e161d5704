/* fill.c - memory type bits for arrays of gfns, one pass: into fresh words, or into leaves in place. */
#include "kernels.h"

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

	if (!kernels_of(isa)->fill || map->count > MAP_SEGMENTS)
		return -1;
	for (size_t i = 0; i < map->count; i++) {
		if ((map->bits[i] & ~keep) > 0xFF)
			return -1;
		addresses[i] = map->bases[i] << PAGE_SHIFT;
		values[i] = (uint8_t)(map->bits[i] & ~keep & 0xFF);
	}
	return tables_of_map(addresses, values, map->count, map->maxphyaddr, isa, t);
}

// words[i] = (words[i] & keep) | the bits of gfns[i], by search, up to the first gfn above `last`; how many
static size_t fill_by_search(const struct leaf_map *map, uint64_t last, const uint64_t *gfns, size_t n, uint64_t keep,
			     uint64_t *words)
{
	size_t i;

	for (i = 0; i < n && gfns[i] <= last; i++)
		words[i] = (words[i] & keep) | (map->bits[find_segment(map->bases, map->count, gfns[i])] & ~keep);
	return i;
}

// SPTEs are live: of a few none is touched before all gfns are known to be good, of many none behind a bad one.
static int fill(const struct leaf_map *map, uint32_t isa, const uint64_t *gfns, size_t n, uint64_t keep,
		uint64_t *words, size_t *index)
{
	uint64_t last = low_bits(map->maxphyaddr - PAGE_SHIFT);
	size_t done = 0, bytes = n * sizeof(*words);
	memtype_tables t;

	if (misfit_words(words, n, NULL, 0) || misfit_words(gfns, n, words, bytes) ||
	    misfit_words(map->bases, map->count, words, bytes) || misfit_words(map->bits, map->count, words, bytes))
		return MEMTYPE_EBUFFER;
	if (n <= MEMTYPE_CHECKED_FIRST && kernels_of(isa)->or_words(gfns, n) > last)
		; // refused below
	else if (n >= MAP_TABLES_FROM && leaf_tables(map, isa, keep, &t) == 0)
		done = kernels_of(t.isa)->fill(&t, last, gfns, n, keep, words);
	else
		done = fill_by_search(map, last, gfns, n, keep, words);
	return done == n ? MEMTYPE_OK : refuse_word(gfns, done, n, last, index);
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

/* lookup.c - arrays of addresses, and pages in a row, to types: arguments checked, then the kernel of the set. */
#include "kernels.h"

uint64_t plain_granules(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types)
{
	return look_up_granules(t->granules, addresses, n, types);
}

int memtype_types(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types, size_t *index)
{
	uint64_t limit = low_bits(t->maxphyaddr);
	uint8_t checked[MEMTYPE_CHECKED_FIRST];
	int small = n <= sizeof(checked);
	uint64_t seen;

	if (n == 0)
		return MEMTYPE_OK;
	if (misfit_words(addresses, n, types, n))
		return MEMTYPE_EBUFFER;
	if (t->granules)
		seen = kernels_of(t->isa)->granules(t, addresses, n, small ? checked : types);
	else
		seen = kernels_of(t->isa)->types(t, addresses, n, small ? checked : types);
	if (seen > limit)
		return refuse_word(addresses, 0, n, limit, index);
	if (small)
		memcpy(types, checked, n);
	return MEMTYPE_OK;
}

static uint64_t search_map(const uint64_t *bases, const uint8_t *kinds, size_t count, const uint64_t *addresses,
			   size_t n, uint8_t *types)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < n; i++) {
		seen |= addresses[i];
		types[i] = kinds[find_segment(bases, count, addresses[i])];
	}
	return seen;
}

int memtype_map_types(const uint64_t *bases, const uint8_t *kinds, size_t count, uint32_t maxphyaddr, uint32_t isa,
		      const uint64_t *addresses, size_t n, uint8_t *types, size_t *index)
{
	uint64_t limit = low_bits(maxphyaddr);
	memtype_tables t;

	if (n == 0)
		return MEMTYPE_OK;
	if (misfit_words(addresses, n, types, n) || misfit_words(bases, count, types, n) ||
	    misfit(kinds, count, 1, types, n))
		return MEMTYPE_EBUFFER;
	if (n >= MAP_TABLES_FROM && isa != MEMTYPE_PORTABLE && tables_of_map(bases, kinds, count, maxphyaddr, isa, &t) == 0)
		return memtype_types(&t, addresses, n, types, index);
	if (n <= MEMTYPE_CHECKED_FIRST && kernels_of(isa)->or_words(addresses, n) > limit)
		return refuse_word(addresses, 0, n, limit, index);
	if (search_map(bases, kinds, count, addresses, n, types) > limit)
		return refuse_word(addresses, 0, n, limit, index);
	return MEMTYPE_OK;
}

// --- pages in a row ---

static int pages_fit(uint64_t first_gfn, size_t n, uint32_t maxphyaddr)
{
	uint64_t pages = UINT64_C(1) << (maxphyaddr - PAGE_SHIFT);

	return n == 0 || (first_gfn < pages && n <= pages - first_gfn);
}

static void page_addresses(uint64_t first_gfn, size_t n, uint64_t *addresses)
{
	for (size_t i = 0; i < n; i++)
		addresses[i] = (first_gfn + i) << PAGE_SHIFT;
}

int memtype_page_types(const memtype_tables *t, uint64_t first_gfn, size_t n, uint8_t *types)
{
	uint64_t addresses[512];

	if (!pages_fit(first_gfn, n, t->maxphyaddr))
		return MEMTYPE_EADDRESS;
	while (n > 0) {
		size_t part = n < 512 ? n : 512;

		page_addresses(first_gfn, part, addresses);
		kernels_of(t->isa)->types(t, addresses, part, types);
		first_gfn += part;
		types += part;
		n -= part;
	}
	return MEMTYPE_OK;
}

int memtype_map_page_types(const memtype_map *map, uint32_t maxphyaddr, uint64_t first_gfn, size_t n, uint8_t *types)
{
	size_t i, done = 0;

	if (n == 0)
		return MEMTYPE_OK;
	if (!pages_fit(first_gfn, n, maxphyaddr))
		return MEMTYPE_EADDRESS;
	i = find_segment(map->bases, map->count, first_gfn << PAGE_SHIFT);
	for (; done < n; i++) { // a page has the type of its first byte
		uint64_t end = i + 1 < map->count ? (map->bases[i + 1] + PAGE_SIZE - 1) >> PAGE_SHIFT : first_gfn + n;
		size_t upto = end - first_gfn < n ? (size_t)(end - first_gfn) : n;

		memset(types + done, map->types[i], upto - done);
		done = upto;
	}
	return MEMTYPE_OK;
}

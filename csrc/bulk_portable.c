/* bulk_portable.c - the array kernels in plain C: what every instruction set must equal. */
#include "internal.h"

// index of the first address at or above 2^maxphyaddr, or n
static size_t first_beyond(const uint64_t *addresses, size_t n, uint32_t maxphyaddr)
{
	uint64_t seen = 0;
	size_t i = 0;

	for (size_t k = 0; k < n; k++)
		seen |= addresses[k];
	if (seen <= low_bits(maxphyaddr))
		return n;
	while (addresses[i] <= low_bits(maxphyaddr))
		i++;
	return i;
}

int memtype_types(const memtype_mtrrs *m, const uint64_t *addresses, size_t n, uint8_t *types, size_t *index)
{
	size_t beyond = first_beyond(addresses, n, m->maxphyaddr);

	if (beyond < n) {
		*index = beyond;
		return MEMTYPE_EADDRESS;
	}
	for (size_t i = 0; i < n; i++)
		types[i] = (uint8_t)memtype_at(m, addresses[i]);
	return MEMTYPE_OK;
}

int memtype_page_types(const memtype_mtrrs *m, uint64_t first_gfn, size_t n, uint8_t *types)
{
	uint64_t pages = UINT64_C(1) << (m->maxphyaddr - PAGE_SHIFT);

	if (n > 0 && (first_gfn >= pages || n > pages - first_gfn))
		return MEMTYPE_EADDRESS;
	for (size_t i = 0; i < n; i++)
		types[i] = (uint8_t)memtype_at(m, (first_gfn + i) << PAGE_SHIFT);
	return MEMTYPE_OK;
}

// last segment whose base is at or below the address; segment 0 begins at 0
static size_t find_segment(const uint64_t *bases, size_t count, uint64_t address)
{
	size_t low = 0, high = count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (bases[middle] <= address)
			low = middle;
		else
			high = middle;
	}
	return low;
}

int memtype_map_types(const uint64_t *bases, const uint8_t *kinds, size_t count, uint32_t maxphyaddr,
		      const uint64_t *addresses, size_t n, uint8_t *types, size_t *index)
{
	size_t beyond = first_beyond(addresses, n, maxphyaddr);

	if (beyond < n) {
		*index = beyond;
		return MEMTYPE_EADDRESS;
	}
	for (size_t i = 0; i < n; i++)
		types[i] = kinds[find_segment(bases, count, addresses[i])];
	return MEMTYPE_OK;
}

/* kvm_leaf.c - memory type bits for arrays of gfns, one pass: into fresh words, or into SPTEs in place. */
#include "internal.h"

// index of the first gfn at or above 2^(maxphyaddr - 12), or n
static size_t first_gfn_beyond(const uint64_t *gfns, size_t n, uint32_t maxphyaddr)
{
	uint64_t last = low_bits(maxphyaddr - PAGE_SHIFT), seen = 0;
	size_t i = 0;

	for (size_t k = 0; k < n; k++)
		seen |= gfns[k];
	if (seen <= last)
		return n;
	while (gfns[i] <= last)
		i++;
	return i;
}

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

int memtype_leaf_bits(const uint64_t *bases, const uint64_t *bits, size_t count, uint32_t maxphyaddr,
		      const uint64_t *gfns, size_t n, uint64_t *out, size_t *index)
{
	size_t beyond = first_gfn_beyond(gfns, n, maxphyaddr);

	if (beyond < n) {
		*index = beyond;
		return MEMTYPE_EADDRESS;
	}
	for (size_t i = 0; i < n; i++)
		out[i] = bits[piece_of(bases, count, gfns[i])];
	return MEMTYPE_OK;
}

int memtype_leaf_fill(const uint64_t *bases, const uint64_t *bits, size_t count, uint64_t field, uint32_t maxphyaddr,
		      const uint64_t *gfns, size_t n, uint64_t *sptes, size_t *index)
{
	size_t beyond = first_gfn_beyond(gfns, n, maxphyaddr);

	if (beyond < n) {
		*index = beyond;
		return MEMTYPE_EADDRESS;
	}
	for (size_t i = 0; i < n; i++)
		sptes[i] ^= (sptes[i] ^ bits[piece_of(bases, count, gfns[i])]) & field;
	return MEMTYPE_OK;
}

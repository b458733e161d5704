/* granules.h - the layout of memtype_granules, and what finds entries in them (private; granules.c explains). */
#ifndef MEMTYPE_GRANULES_H
#define MEMTYPE_GRANULES_H

#include "kernels.h"

#define FIRST_BLOCK 16u /* entries below are types */
#define NARROW 46u      /* bits of an address of which a byte for each GiB fits `top` */
#define NARROW_SHIFT 30u
#define LEVEL_BITS 9u
#define WIDE_SHIFT (NARROW_SHIFT + LEVEL_BITS)
#define PARTS (1u << LEVEL_BITS)
#define BLOCKS (sizeof(((memtype_granules *)0)->block) / PARTS)

// what an entry that names a block leads to, one level down: to the parts of 1 << shift bytes
static inline uint8_t part_of(const memtype_granules *g, uint8_t entry, uint64_t address, uint32_t shift)
{
	return g->block[entry - FIRST_BLOCK][address >> shift & (PARTS - 1)];
}

// what an entry of the top table leads to, one level after the other
static inline uint8_t part_type(const memtype_granules *g, uint8_t entry, uint64_t address)
{
	for (uint32_t shift = g->shift - LEVEL_BITS; entry >= FIRST_BLOCK; shift -= LEVEL_BITS)
		entry = part_of(g, entry, address, shift);
	return entry;
}

#define ENTRIES 512u /* found before any is followed: which name a block, no branch can foretell */
#define ENTRIES_STEP 32u

// The entries of g's top table for n <= ENTRIES addresses, a multiple of ENTRIES_STEP, into `types`; the places of those that
// name blocks into `left`, which has room for n; how many. The OR of all addresses into *seen.
typedef unsigned top_entries(const memtype_granules *g, const uint64_t *addresses, size_t n, uint8_t *types,
			     uint16_t *left, uint64_t *seen);

// look_up_granules with entries found in another way
uint64_t look_up_granules_by(top_entries *entries, const memtype_granules *g, const uint64_t *addresses, size_t n,
			     uint8_t *types);

#endif

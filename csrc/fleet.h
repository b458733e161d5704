/* fleet.h - what the fleet kernels of all instruction sets share (private). */
#ifndef MEMTYPE_FLEET_H
#define MEMTYPE_FLEET_H

#include "bulk.h"

// One state of a fleet, not worth tables: its ranges as 32-bit keys, address >> 20, matched one by one.
struct fleet_row {
	uint32_t base[MEMTYPE_MAX_VARIABLE], mask[MEMTYPE_MAX_VARIABLE], code[MEMTYPE_MAX_VARIABLE];
	uint32_t count;
	uint32_t tom2; // key of TOM2, 0 where it is off
	uint8_t final_type[16];
};

// types[i] of addresses[i], fixed ranges aside; the OR of all addresses; *low says whether one is below 1 MiB
typedef uint64_t (*row_types)(const struct fleet_row *row, const uint64_t *addresses, size_t n, uint8_t *types,
			      int *low);

uint64_t avx2_row(const struct fleet_row *row, const uint64_t *addresses, size_t n, uint8_t *types, int *low);
uint64_t avx512_row(const struct fleet_row *row, const uint64_t *addresses, size_t n, uint8_t *types, int *low);

#endif

/* fleet.h - what the fleet kernels of all instruction sets share (private; fleet.c explains). */
#ifndef MEMTYPE_FLEET_H
#define MEMTYPE_FLEET_H

#include "kernels.h"

// state i as a register file of its own
static inline void load_state(const memtype_fleet *f, size_t i, memtype_mtrrs *m)
{
	m->def_type = f->def_type[i];
	memcpy(m->fixed, f->fixed + i * FIXED_MSRS, sizeof(m->fixed));
	m->cap = f->cap[i];
	m->syscfg = f->syscfg[i];
	m->tom2 = f->tom2[i];
	m->vendor = f->vendor[i];
	m->maxphyaddr = f->maxphyaddr[i];
	m->variable_count = (uint32_t)f->pairs;
	memcpy(m->base, f->base + i * f->pairs, f->pairs * sizeof(*m->base));
	memcpy(m->mask, f->mask + i * f->pairs, f->pairs * sizeof(*m->mask));
}

#define FLEET_ROWS 16u   /* states made ready at a time, fewer where they have many pairs */
#define FLEET_PAIRS 256u /* pairs of all of them */

// How much of an address the ranges of a state tell apart: bits shift + 15 .. shift, bits shift + 31 .. shift, or all.
enum fleet_keys { FLEET_KEYS_16, FLEET_KEYS_32, FLEET_KEYS_64, FLEET_KEYS };

// one state made ready
struct fleet_row {
	uint64_t beyond;       // the bits that no address may have
	const uint64_t *fixed; // its fixed-range registers, NULL where they are off
	uint32_t first, count; // its valid pairs in the block's arrays
	uint32_t keys, shift;  // enum fleet_keys; the lowest bit of the key
	uint32_t tom2_from, tom2_count; // AMD's [4 GiB, TOM2) in keys of `shift`; count 0 where it is off
	uint32_t vendor;
	uint8_t final_type[16];
};

// Some states made ready. Pairs are in units of their keys: a key k matches when (k & mask) == base. Keys of 16 bits
// stand twice in bits 31:0, and a code stands in every byte, so that a broadcast is a plain load.
struct fleet_block {
	uint32_t rows;
	struct fleet_row row[FLEET_ROWS];
	uint64_t base[FLEET_PAIRS + 4], mask[FLEET_PAIRS + 4], code[FLEET_PAIRS + 4]; // written four at a time
};

// types[j] of addresses[j] in one state, with keys of its width; 0 where an address is refused. With `stream` set,
// `types` and n are multiples of 64.
typedef int (*fleet_match)(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses,
			   size_t n, uint8_t *types, int stream);

extern const fleet_match avx2_fleet_match[FLEET_KEYS], avx512_fleet_match[FLEET_KEYS]; // by fleet_row.keys

// whether a column is not aligned, or shares a byte with the output
int fleet_misfit(const memtype_fleet *f, const uint8_t *types, size_t bytes);

// the matchers for `isa`, NULL where there are none (dispatch.c)
const fleet_match *fleet_match_of(uint32_t isa);

// make `rows` states from `first` ready: at most FLEET_ROWS, of at most FLEET_PAIRS pairs together. Needs AVX2.
void fleet_load(const memtype_fleet *f, size_t first, uint32_t rows, struct fleet_block *block);

// types[j] = what the fixed ranges say of addresses[j], which was below 1 MiB, for each bit j of `low`
static inline void fleet_low(const struct fleet_row *row, const uint64_t *addresses, uint64_t low, uint8_t *types)
{
	for (; low; low &= low - 1) {
		unsigned j = lowest_one(low);
		uint64_t address = addresses[j] & (FIXED_END - 1); // read again: it may have changed since

		types[j] = fixed_type(row->fixed, row->vendor, fixed_index(address));
	}
}

#endif

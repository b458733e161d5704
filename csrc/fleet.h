/* fleet.h - what the fleet kernels of all instruction sets share (private; fleet.c explains). */
#ifndef MEMTYPE_FLEET_H
#define MEMTYPE_FLEET_H

#include "kernels.h"

// Row i of an array whose rows begin `apart` words from each other, and of types: within the array where i is a state (proved
// in tests/proofs/test_z3.py; the callers' loops in tests/proofs/loops/fleet.c).
static inline const uint64_t *row_of(const uint64_t *words, size_t apart, size_t i)
{
	return words + i * apart;
}

static inline uint8_t *types_of(uint8_t *types, size_t n, size_t i)
{
	return types + i * n;
}

// state i as a register file of its own
static inline void load_state(const memtype_fleet *f, size_t i, memtype_mtrrs *m)
{
	m->def_type = f->def_type[i];
	memcpy(m->fixed, row_of(f->fixed, FIXED_MSRS, i), sizeof(m->fixed));
	m->cap = f->cap[i];
	m->syscfg = f->syscfg[i];
	m->tom2 = f->tom2[i];
	m->vendor = f->vendor[i];
	m->maxphyaddr = f->maxphyaddr[i];
	m->variable_count = (uint32_t)f->pairs;
	memcpy(m->base, row_of(f->base, f->pairs, i), f->pairs * sizeof(*m->base));
	memcpy(m->mask, row_of(f->mask, f->pairs, i), f->pairs * sizeof(*m->mask));
}

// States made ready at a time, fewer where they have many pairs. No addresses are asked for meanwhile: with 16 at a time
// 3 * 10^5 states of 64 addresses took 39 ns each, with 8 37, 4 35.5, 2 38 (Zen 4).
#define FLEET_ROWS 4u
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
// stand twice in bits 31:0, and a code stands in every byte, so that a broadcast is a plain load. What is written four at a
// time lies in cache lines: a process whose stack began elsewhere took 50 ns a state, not 34 (Zen 4).
struct fleet_block {
	uint32_t rows;
	struct fleet_row row[FLEET_ROWS];
	_Alignas(64) uint64_t base[FLEET_PAIRS + 4], mask[FLEET_PAIRS + 4], code[FLEET_PAIRS + 4]; // written four at a time
};

// types[j] of addresses[j] in the row `first`, of addresses[step + j] as types[n + j] in the next, and so on while rows
// have keys of the same width and no address is refused: how many rows. With `stream` set, `types` and n are multiples
// of 64.
typedef uint32_t (*fleet_match)(const struct fleet_block *block, uint32_t first, const uint64_t *addresses, size_t step,
				size_t n, uint8_t *types, int stream);

struct fleet_set {
	// make `rows` states from `first` ready: at most FLEET_ROWS, of at most FLEET_PAIRS pairs together
	void (*load)(const memtype_fleet *f, size_t first, uint32_t rows, struct fleet_block *block);
	fleet_match match[FLEET_KEYS]; // by fleet_row.keys
	// instead of both, where it is there: all states; how many before the first that has a refused address
	size_t (*all)(const memtype_fleet *f, const uint64_t *addresses, size_t step, size_t n, uint8_t *types, int stream);
};

extern const struct fleet_set plain_fleet, avx2_fleet, avx512_fleet;

// whether a column is not aligned, or shares a byte with the output
int fleet_misfit(const memtype_fleet *f, const uint8_t *types, size_t bytes);

// the type of one fit address in state i (fleet.c)
uint8_t fleet_type(const memtype_fleet *f, size_t i, uint64_t address);

// the one for `isa` (dispatch.c)
const struct fleet_set *fleet_set_of(uint32_t isa);

// AVX2's load
void fleet_load(const memtype_fleet *f, size_t first, uint32_t rows, struct fleet_block *block);

// --- what all of them load alike ---

// how many pairs of state i count
static inline size_t fleet_row_pairs(const memtype_fleet *f, size_t i)
{
	return f->def_type[i] & DEF_TYPE_E ? f->pairs : 0;
}

// only what the state needs is read of the columns: they are most of what must come from memory
static inline uint64_t fleet_tom2(const memtype_fleet *f, size_t i)
{
	if (f->vendor[i] != MEMTYPE_AMD || !(f->def_type[i] & DEF_TYPE_E))
		return 0;
	return tom2_limit(MEMTYPE_AMD, f->maxphyaddr[i], f->syscfg[i], f->tom2[i]);
}

// The narrowest keys that tell apart what the ranges do: bits of `looked` are those that some range looks at. With
// MAXPHYADDR = 46, 16-bit keys are bits 45:30, 32-bit keys 45:14; with 44 or less 32-bit keys lose nothing.
static inline void fleet_choose_keys(uint32_t maxphyaddr, uint64_t looked, struct fleet_row *row)
{
	uint32_t shift = maxphyaddr < 32 + PAGE_SHIFT ? PAGE_SHIFT : maxphyaddr - 32;

	row->keys = FLEET_KEYS_16;
	row->shift = maxphyaddr - 16;
	if (looked & low_bits(row->shift)) {
		row->keys = looked & low_bits(shift) ? FLEET_KEYS_64 : FLEET_KEYS_32;
		row->shift = looked & low_bits(shift) ? FIXED_END_BIT : shift; // TOM2 is compared in keys of 32 bits even then
	}
}

// All of a row but its pairs. `valid` is the OR of the valid masks.
static inline void fleet_row_of(const memtype_fleet *f, size_t i, uint64_t valid, struct fleet_row *row)
{
	uint64_t tom2 = fleet_tom2(f, i), looked = valid & page_bits(f->maxphyaddr[i]);

	row->beyond = ~low_bits(f->maxphyaddr[i]);
	row->fixed = fixed_ranges_on(f->def_type[i], f->cap[i]) ? row_of(f->fixed, FIXED_MSRS, i) : NULL;
	row->vendor = f->vendor[i];
	fill_final(row->final_type, plain_type(f->def_type[i]));
	fleet_choose_keys(f->maxphyaddr[i], tom2 > GIB4 ? looked | tom2 | GIB4 : looked, row);
	row->tom2_from = (uint32_t)(GIB4 >> row->shift);
	row->tom2_count = tom2 > GIB4 ? (uint32_t)((tom2 - GIB4) >> row->shift) : 0;
}

// types[j] = what the fixed ranges say of addresses[j], which was below 1 MiB, for each bit j of `low`
static inline void fleet_low(const uint64_t *fixed, uint32_t vendor, const uint64_t *addresses, uint64_t low, uint8_t *types)
{
	for (; low; low &= low - 1) {
		unsigned j = lowest_one(low);
		uint64_t address = addresses[j] & (FIXED_END - 1); // read again: it may have changed since

		types[j] = fixed_type(fixed, vendor, fixed_index(address));
	}
}

#endif

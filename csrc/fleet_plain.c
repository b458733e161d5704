/* fleet_plain.c - states of a fleet made ready and matched in plain C, for every processor.
 *
 * Nothing here branches on an address, and loops run a number of times that the compiler knows: it makes vectors of them
 * where the processor always has some (SSE2, NEON). Of 64 addresses and 8 ranges a state took 910 ns one by one, where
 * numba's loop took 960; 137 so (Zen 4).
 */
#include "fleet.h"

#define MANY 64u /* addresses at once; those left over */
#define FEW 8u

// --- rows ---

// the OR of the masks of all valid pairs
static uint64_t valid_bits(const uint64_t *mask, size_t pairs)
{
	uint64_t seen = 0;

	for (size_t k = 0; k < pairs; k++)
		seen |= mask[k] & MASK_VALID ? mask[k] : 0;
	return seen;
}

// the low 16 or 32 bits twice, as a block has them; all of a wider key
static uint64_t spread(uint64_t key, uint32_t keys)
{
	return keys == FLEET_KEYS_16 ? key * 0x10001 : key;
}

// the valid pairs, in keys, from place `first` on; the place after the last
static uint32_t load_pairs(const uint64_t *base, const uint64_t *mask, size_t pairs, const struct fleet_row *row,
			   struct fleet_block *block)
{
	uint64_t compared = ~row->beyond & ~(PAGE_SIZE - 1);
	uint32_t place = row->first, shift = row->keys == FLEET_KEYS_64 ? 0 : row->shift;

	for (size_t k = 0; k < pairs; k++) {
		uint64_t m = mask[k] & compared;

		block->base[place] = spread((base[k] & m) >> shift, row->keys);
		block->mask[place] = spread(m >> shift, row->keys);
		block->code[place] = code_of(base[k] & BASE_TYPE) * EACH_BYTE;
		place += (mask[k] & MASK_VALID) != 0;
	}
	return place;
}

static void plain_load(const memtype_fleet *f, size_t first, uint32_t rows, struct fleet_block *block)
{
	uint32_t place = 0;

	block->rows = rows;
	for (uint32_t r = 0; r < rows; r++) {
		struct fleet_row *row = &block->row[r];
		size_t i = first + r, pairs = fleet_row_pairs(f, i);
		const uint64_t *base = f->base + i * f->pairs, *mask = f->mask + i * f->pairs;

		row->first = place;
		fleet_row_of(f, i, valid_bits(mask, pairs), row);
		place = load_pairs(base, mask, pairs, row, block);
		row->count = place - row->first;
	}
}

// --- matching ---

// The codes of `n` addresses, with keys of their width: arrays of one type, for the compiler to match as vectors.
// (A mask for each compare: of a choice with ?: gcc makes branches.)
#define CODES(name, key_type, n) \
	static void name(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses, \
			 uint8_t *codes) \
	{ \
		const uint32_t shift = row->keys == FLEET_KEYS_64 ? 0 : row->shift; \
		key_type key[n], code[n] = {0}; \
\
		for (unsigned j = 0; j < (n); j++) \
			key[j] = (key_type)(addresses[j] >> shift); \
		for (uint32_t i = row->first; i < row->first + row->count; i++) { \
			key_type base = (key_type)block->base[i], mask = (key_type)block->mask[i]; \
			key_type one = (key_type)(block->code[i] & 0xFF); \
\
			for (unsigned j = 0; j < (n); j++) \
				code[j] |= (key_type)(-(key_type)((key[j] & mask) == base) & one); \
		} \
		for (unsigned j = 0; j < (n); j++) \
			codes[j] = (uint8_t)code[j]; \
	}
CODES(many16, uint16_t, MANY)
CODES(many32, uint32_t, MANY)
CODES(many64, uint64_t, MANY)
CODES(few16, uint16_t, FEW)
CODES(few32, uint32_t, FEW)
CODES(few64, uint64_t, FEW)

typedef void (*codes_of)(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses,
			 uint8_t *codes);

// bits 5:0 of a code tell all codes apart: CODE_UC alone has bit 5
#define FINAL_CODES 64u
_Static_assert((CODE_UC & 0x20) != 0 && ((CODE_RESERVED | CODE_WT | CODE_WC | CODE_WP) & 0x20) == 0, "UC has bit 5");

static void fill_kinds(const uint8_t final_type[16], uint8_t kinds[FINAL_CODES])
{
	memcpy(kinds + 16, final_type, 16);
	kinds[CODE_NONE] = final_type[CODE_NONE];
	kinds[CODE_TOM2] = MEMTYPE_WB;
	kinds[CODE_UC & (FINAL_CODES - 1)] = MEMTYPE_UC;
}

// bit j: addresses[j] is below 1 MiB
static uint64_t below_1m(const uint64_t *addresses, unsigned n)
{
	uint64_t low = 0;

	for (unsigned j = 0; j < n; j++)
		low |= (uint64_t)(addresses[j] < FIXED_END) << j;
	return low;
}

// types of n addresses, MANY or FEW; the OR of all
static uint64_t step(const struct fleet_block *block, const struct fleet_row *row, const uint8_t *kinds, codes_of codes,
		     const uint64_t *addresses, unsigned n, uint8_t *types)
{
	uint64_t seen = 0, borrowed = 0; // bit 63 of (address >> 20) - 1: below 1 MiB
	uint8_t code[MANY];

	codes(block, row, addresses, code);
	for (unsigned j = 0; j < n; j++) {
		seen |= addresses[j];
		borrowed |= (addresses[j] >> FIXED_END_BIT) - 1;
	}
	for (unsigned j = 0; j < n && row->tom2_count; j++) {
		uint32_t key = (uint32_t)(addresses[j] >> row->shift);

		code[j] |= key - row->tom2_from < row->tom2_count ? CODE_TOM2 : CODE_NONE;
	}
	for (unsigned j = 0; j < n; j++)
		types[j] = kinds[code[j] & (FINAL_CODES - 1)];
	if (row->fixed && borrowed >> 63)
		fleet_low(row->fixed, row->vendor, addresses, below_1m(addresses, n), types);
	return seen;
}

// whether all addresses are fit
static int match_row(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses, size_t n,
		     uint8_t *types)
{
	static const codes_of many[FLEET_KEYS] = {many16, many32, many64}, few[FLEET_KEYS] = {few16, few32, few64};
	uint8_t kinds[FINAL_CODES], out[FEW];
	uint64_t seen = 0, in[FEW] = {0};
	size_t i = 0;

	fill_kinds(row->final_type, kinds);
	for (; i + MANY <= n; i += MANY)
		seen |= step(block, row, kinds, many[row->keys], addresses + i, MANY, types + i);
	for (; i + FEW <= n; i += FEW)
		seen |= step(block, row, kinds, few[row->keys], addresses + i, FEW, types + i);
	if (i == n)
		return (seen & row->beyond) == 0;
	memcpy(in, addresses + i, (n - i) * sizeof(*in));
	seen |= step(block, row, kinds, few[row->keys], in, FEW, out);
	memcpy(types + i, out, n - i);
	return (seen & row->beyond) == 0;
}

static uint32_t match_rows(const struct fleet_block *block, uint32_t first, const uint64_t *addresses, size_t step, size_t n,
			   uint8_t *types, int stream)
{
	uint32_t r = first;

	(void)stream;
	while (r < block->rows && match_row(block, &block->row[r], addresses, n, types)) {
		addresses += step;
		types += n;
		r++;
	}
	return r - first;
}

const struct fleet_set plain_fleet = {plain_load, {match_rows, match_rows, match_rows}, NULL};

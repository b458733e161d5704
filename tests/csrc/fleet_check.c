/* fleet_check.c - what states of a fleet are made ready as, by every set that takes blocks, against a plain reading of fleet.h.
 *
 *     cc -Icsrc -Itests/proofs tests/csrc/fleet_check.c (all .c files of csrc) -o fleet_check && ./fleet_check
 *
 * Right answers do not show keys that are wider than they must be; this does.
 */
#include "checks.h"

#include "fleet.h"
#include "literal.h"

#define STATES 16
#define PAIRS 21

static uint64_t def_type[STATES], fixed[STATES * 11], cap[STATES], syscfg[STATES], tom2[STATES];
static uint64_t *base, *mask; // up to walls
static uint32_t vendor[STATES], width[STATES];

static uint64_t bits(unsigned n)
{
	return ((uint64_t)1 << n) - 1;
}

static int enabled(size_t i)
{
	return def_type[i] >> 11 & 1;
}

// where AMD's range from 4 GiB up ends; 4 GiB where there is none
static uint64_t tom2_end(size_t i)
{
	uint64_t end = tom2[i] & UINT64_C(0xFFFFFFF800000) & bits(width[i]);
	int on = enabled(i) && vendor[i] == MEMTYPE_AMD && (syscfg[i] & 0x600000) == 0x600000;

	return on && end > UINT64_C(1) << 32 ? end : UINT64_C(1) << 32;
}

// the narrowest keys that hold all bits that a range, or TOM2, tells addresses apart by
static void check_keys(const struct fleet_row *row, size_t i, uint64_t looked)
{
	unsigned narrow = width[i] - 16, middle = width[i] > 44 ? width[i] - 32 : 12;

	if (tom2_end(i) > UINT64_C(1) << 32)
		looked |= tom2_end(i) | UINT64_C(1) << 32;
	if (!(looked & bits(narrow)))
		MUST(row->keys == FLEET_KEYS_16 && row->shift == narrow, i, row->keys, row->shift);
	else if (!(looked & bits(middle)))
		MUST(row->keys == FLEET_KEYS_32 && row->shift == middle, i, row->keys, row->shift);
	else
		MUST(row->keys == FLEET_KEYS_64 && row->shift == 20, i, row->keys, row->shift);
	MUST(row->tom2_from == (uint32_t)((UINT64_C(1) << 32) >> row->shift), i, row->tom2_from, row->shift);
	MUST(row->tom2_count == (tom2_end(i) >> row->shift) - ((UINT64_C(1) << 32) >> row->shift), i, row->tom2_count, 0);
}

static uint64_t in_key(const struct fleet_row *row, uint64_t word)
{
	uint64_t key = row->keys == FLEET_KEYS_64 ? word : word >> row->shift;

	return row->keys == FLEET_KEYS_16 ? key | key << 16 : key;
}

static uint64_t code_of_type(uint64_t type)
{
	static const uint8_t codes[] = {0xFF, 0x14, 0x1C, 0x1C, 0x13, 0x18, 0x11};

	return (type < 7 ? codes[type] : 0x1C) * UINT64_C(0x0101010101010101);
}

// a state's valid pairs, from place `place` on; the place after the last
static uint32_t check_row(const struct fleet_block *block, uint32_t r, size_t i, size_t pairs, uint32_t place)
{
	const struct fleet_row *row = &block->row[r];
	uint64_t looked = 0;
	uint32_t first = place;
	int fixed_on = (def_type[i] >> 10 & 3) == 3 && (cap[i] >> 8 & 1);

	for (size_t k = i * pairs; k < (i + 1) * pairs && enabled(i); k++) {
		uint64_t m = mask[k] & bits(width[i]) & ~(uint64_t)0xFFF;

		if (!(mask[k] >> 11 & 1))
			continue;
		looked |= m;
		MUST(block->base[place] == in_key(row, base[k] & m) && block->mask[place] == in_key(row, m), i, k, place);
		MUST(block->code[place] == code_of_type(base[k] & 0xFF), i, k, block->code[place]);
		place++;
	}
	MUST(row->first == first && row->count == place - first, i, row->first, row->count);
	MUST(row->beyond == ~bits(width[i]) && row->vendor == vendor[i], i, row->beyond, row->vendor);
	MUST(row->fixed == (fixed_on ? fixed + 11 * i : NULL), i, fixed_on, 0);
	MUST(row->final_type[0] == (enabled(i) ? legal_or_undefined(def_type[i] & 0xFF) : 0), i, row->final_type[0], 0);
	check_keys(row, i, looked);
	return place;
}

static void draw(size_t i, size_t pairs, unsigned round)
{
	static const uint8_t types[] = {6, 4, 0, 1, 5, 2, 3, 7, 8, 0xFE};
	unsigned low = round % 4 == 0 ? 30 : round % 4 == 1 ? 20 : 12;

	width[i] = 20 + (uint32_t)below(33);
	def_type[i] = (below(8) ? 0x800 : 0) | (below(2) ? 0x400 : 0) | types[below(10)];
	cap[i] = below(4) ? 0x508 : 0x4FF;
	vendor[i] = (uint32_t)below(2);
	syscfg[i] = below(4) ? 0x600000 : below(4) << 21;
	tom2[i] = below(8) == 0 ? UINT64_C(1) << 32 : round % 3 ? below(256) << 27 : any();
	for (size_t k = i * pairs; k < (i + 1) * pairs; k++) {
		unsigned size = low + (unsigned)below(8);

		base[k] = (any() & ~(uint64_t)0xFFF) | types[below(10)];
		mask[k] = ~bits(size < width[i] ? size : width[i] - 1) | (below(4) ? 0x800 : 0) | (any() & 0x7FF);
	}
}

static void check_blocks(const memtype_fleet *f, uint32_t isa, size_t most)
{
	static struct fleet_block block;

	for (size_t first = 0; first < STATES; first += most) {
		uint32_t rows = (uint32_t)(STATES - first < most ? STATES - first : most), place = 0;

		memset(&block, 0xEE, sizeof(block));
		fleet_set_of(isa)->load(f, first, rows, &block);
		MUST(block.rows == rows, isa, block.rows, rows);
		for (uint32_t r = 0; r < rows; r++)
			place = check_row(&block, r, first + r, f->pairs, place);
	}
}

int main(void)
{
	uint64_t *ends[2] = {(uint64_t *)(void *)(walled_room() + ROOM), (uint64_t *)(void *)(walled_room() + ROOM)};

	for (unsigned round = 0; round < 200; round++) {
		size_t pairs = below(round % 8 ? 6 : PAIRS + 1);
		size_t rows = pairs * FLEET_ROWS > FLEET_PAIRS ? FLEET_PAIRS / pairs : FLEET_ROWS;
		memtype_fleet f;

		base = ends[0] - STATES * pairs;
		mask = ends[1] - STATES * pairs;
		f = (memtype_fleet){STATES, pairs, def_type, fixed, base, mask, cap, syscfg, tom2, vendor, width};
		for (size_t i = 0; i < STATES; i++)
			draw(i, pairs, round);
		EACH_SET(isa)
			if (!fleet_set_of(isa)->all)
				check_blocks(&f, isa, rows);
	}
	printf("%llu claims hold\n", (unsigned long long)claims);
	return 0;
}

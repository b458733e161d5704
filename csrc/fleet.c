/* fleet.c - many register files, few addresses each: no tables of ranges, pairs are matched with every address.
 *
 * Ranges look at few address bits: with MAXPHYADDR = 46 and ranges of whole GiB at bits 45:30, so 16-bit keys tell
 * all addresses apart, two to four times as many in a vector as addresses. States are made ready a block at a time
 * (fleet_rows.c), then each is matched by the kernel of the instruction set; AVX-512 takes eight pairs at once, state by
 * state (fleet_avx512.c). Addresses below 1 MiB are rare: where a key says that there may be some, fleet_low() puts the
 * types of the fixed ranges in.
 */
#include "fleet.h"

#ifdef MEMTYPE_X86
#include <xmmintrin.h>
#endif

// Addresses a state that pay for making it ready: three take 45 ns one by one, 39 with AVX2, 70 in plain C (Zen 4).
#define FEW 4u
#define WIDTHS 16u // widths looked at together

uint8_t fleet_type(const memtype_fleet *f, size_t i, uint64_t address)
{
	const uint64_t *base = row_of(f->base, f->pairs, i), *mask = row_of(f->mask, f->pairs, i);
	size_t pairs = fleet_row_pairs(f, i);
	uint64_t compared = page_bits(f->maxphyaddr[i]);
	uint8_t code = address >= GIB4 && address < fleet_tom2(f, i) ? CODE_TOM2 : CODE_NONE, final_type[16];

	if (address < FIXED_END && fixed_ranges_on(f->def_type[i], f->cap[i]))
		return fixed_type(row_of(f->fixed, FIXED_MSRS, i), f->vendor[i], fixed_index(address));
	for (size_t k = 0; k < pairs; k++) {
		if ((mask[k] & MASK_VALID) && ((address ^ base[k]) & mask[k] & compared) == 0)
			code |= code_of(base[k] & BASE_TYPE);
	}
	fill_final(final_type, plain_type(f->def_type[i]));
	if (code == CODE_UC || code == CODE_TOM2)
		return code == CODE_UC ? MEMTYPE_UC : MEMTYPE_WB;
	return final_type[code & 15];
}

// types of a state's few addresses; whether none is refused
static int match_one(const memtype_fleet *f, size_t i, const uint64_t *addresses, size_t n, uint8_t *types)
{
	for (size_t j = 0; j < n; j++) {
		uint64_t address = addresses[j];

		if (address > low_bits(f->maxphyaddr[i]))
			return 0;
		types[j] = fleet_type(f, i, address);
	}
	return 1;
}

// The answers of these three: how many states before the first that has a refused address.
static size_t match_few(const memtype_fleet *f, const uint64_t *addresses, size_t step, size_t n, uint8_t *types)
{
	size_t i = 0;

	while (i < f->states && match_one(f, i, row_of(addresses, step, i), n, types_of(types, n, i)))
		i++;
	return i;
}

// of a block made ready, whose first state has these addresses and types
static uint32_t match_block(const struct fleet_set *set, const struct fleet_block *block, const uint64_t *addresses,
			    size_t step, size_t n, uint8_t *types, int stream)
{
	uint32_t r = 0;

	for (uint32_t fit = 1; r < block->rows && fit; r += fit) {
		fit = set->match[block->row[r].keys](block, r, row_of(addresses, step, r), step, n,
						     types_of(types, n, r), stream);
	}
	return r;
}

// all states, a block at a time
static size_t match_blocks(const struct fleet_set *set, const memtype_fleet *f, const uint64_t *addresses, size_t step,
			   size_t n, uint8_t *types, int stream)
{
	size_t room = f->pairs * FLEET_ROWS > FLEET_PAIRS ? FLEET_PAIRS / f->pairs : FLEET_ROWS, i = 0;
	struct fleet_block block;
	uint32_t fit;

	while (i < f->states) {
		set->load(f, i, (uint32_t)(f->states - i < room ? f->states - i : room), &block);
		fit = match_block(set, &block, row_of(addresses, step, i), step, n, types_of(types, n, i), stream);
		i += fit;
		if (fit < block.rows)
			break;
	}
	return i;
}

static size_t match_states(const memtype_fleet *f, uint32_t isa, const uint64_t *addresses, size_t step, size_t n,
			   uint8_t *types)
{
	const struct fleet_set *set = fleet_set_of(isa);
	int stream = past_caches(f->states * n, 1) && ((uintptr_t)types | n) % KERNEL_BLOCK == 0;
	size_t i = set->all ? set->all(f, addresses, step, n, types, stream) :
			      match_blocks(set, f, addresses, step, n, types, stream);

#ifdef MEMTYPE_X86
	if (stream)
		_mm_sfence();
#endif
	return i;
}

// whether one of WIDTHS numbers is no width: GCC makes vectors of a loop of known length (0.66 -> 0.13 ns each, Zen 4)
static uint32_t has_unfit(const uint32_t *maxphyaddr)
{
	uint32_t unfit = 0;

	for (size_t k = 0; k < WIDTHS; k++)
		unfit |= (uint32_t)!is_width(maxphyaddr[k]);
	return unfit;
}

// the first state that is out of bounds, or f->states
static size_t unfit_state(const memtype_fleet *f)
{
	size_t i = 0;

	if (f->pairs > MAX_VARIABLE)
		return 0;
	while (f->states - i >= WIDTHS && !has_unfit(f->maxphyaddr + i))
		i += WIDTHS;
	while (i < f->states && is_width(f->maxphyaddr[i]))
		i++;
	return i;
}

// the first state that has a refused address, or f->states
static size_t unfit_row(const memtype_fleet *f, uint32_t isa, const uint64_t *addresses, size_t step, size_t n)
{
	size_t i = 0;

	while (i < f->states && kernels_of(isa)->or_words(row_of(addresses, step, i), n) <= low_bits(f->maxphyaddr[i]))
		i++;
	return i;
}

int fleet_misfit(const memtype_fleet *f, const uint8_t *types, size_t bytes)
{
	const uint64_t *columns[] = {f->def_type, f->cap, f->syscfg, f->tom2, f->fixed, f->base, f->mask};
	size_t sizes[] = {1, 1, 1, 1, FIXED_MSRS, f->pairs, f->pairs};

	for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
		if (misfit_words(columns[k], f->states * sizes[k], types, bytes))
			return 1;
	}
	return misfit(f->vendor, f->states, sizeof(*f->vendor), types, bytes) ||
	       misfit(f->maxphyaddr, f->states, sizeof(*f->maxphyaddr), types, bytes);
}

int memtype_fleet_types(const memtype_fleet *f, uint32_t isa, const uint64_t *addresses, size_t step, size_t n,
			uint8_t *types, size_t *index)
{
	size_t i, place, bytes = f->states * n, given = f->states && n ? (f->states - 1) * step + n : 0;

	if (fleet_misfit(f, types, bytes) || misfit_words(addresses, given, types, bytes))
		return MEMTYPE_EBUFFER;
	i = unfit_state(f);
	if (i < f->states)
		return refuse(MEMTYPE_EREGISTERS, i, index);
	if (n == 0)
		return MEMTYPE_OK;
	if (bytes <= MEMTYPE_CHECKED_FIRST)
		i = unfit_row(f, isa, addresses, step, n);
	if (i == f->states)
		i = n < FEW ? match_few(f, addresses, step, n, types) : match_states(f, isa, addresses, step, n, types);
	if (i == f->states)
		return MEMTYPE_OK;
	place = first_above(row_of(addresses, step, i), 0, n, low_bits(f->maxphyaddr[i]));
	return refuse(MEMTYPE_EADDRESS, place < n ? i * n + place : bytes, index);
}

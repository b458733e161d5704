/* fleet.c - many register files, few addresses each: no tables, every pair is matched with every address.
 *
 * Ranges look at few address bits: with MAXPHYADDR = 46 and ranges of whole GiB at bits 45:30, so 16-bit keys tell
 * all addresses apart, two to four times as many in a vector as addresses. States are made ready a block at a time
 * (fleet_rows.c), then each is matched by the kernel of the instruction set. Addresses below 1 MiB are rare: where a
 * key says that there may be some, fleet_low() puts the types of the fixed ranges in.
 */
#include "fleet.h"

#ifdef MEMTYPE_X86
#include <xmmintrin.h>
#endif

// The answers of these functions: how many states before the first that has a refused address. One by one, for any
// processor:
static size_t match_each(const memtype_fleet *f, const uint64_t *addresses, size_t step, size_t n, uint8_t *types)
{
	memtype_mtrrs m;

	for (size_t i = 0; i < f->states; i++, addresses += step, types += n) {
		if (or_words(addresses, n) > low_bits(f->maxphyaddr[i]))
			return i;
		load_state(f, i, &m);
		for (size_t j = 0; j < n; j++)
			types[j] = (uint8_t)memtype_at(&m, addresses[j]);
	}
	return f->states;
}

#ifdef MEMTYPE_X86
static size_t match_blocks(const memtype_fleet *f, const fleet_match match[FLEET_KEYS], const uint64_t *addresses,
			   size_t step, size_t n, uint8_t *types)
{
	int stream = f->states * n >= STREAM_MIN && ((uintptr_t)types | n) % KERNEL_BLOCK == 0;
	size_t room = f->pairs * FLEET_ROWS > FLEET_PAIRS ? FLEET_PAIRS / f->pairs : FLEET_ROWS, i = 0;
	struct fleet_block block;

	for (int fit = 1; i < f->states && fit;) {
		fleet_load(f, i, (uint32_t)(f->states - i < room ? f->states - i : room), &block);
		for (uint32_t r = 0; r < block.rows && fit; r++) {
			const struct fleet_row *row = &block.row[r];

			fit = match[row->keys](&block, row, addresses + i * step, n, types + i * n, stream);
			i += (size_t)fit;
		}
	}
	if (stream)
		_mm_sfence();
	return i;
}
#endif

static size_t match_states(const memtype_fleet *f, uint32_t isa, const uint64_t *addresses, size_t step, size_t n,
			   uint8_t *types)
{
#ifdef MEMTYPE_X86
	const fleet_match *match = fleet_match_of(isa);

	if (match)
		return match_blocks(f, match, addresses, step, n, types);
#else
	(void)isa;
#endif
	return match_each(f, addresses, step, n, types);
}

// the first state that is out of bounds, or f->states
static size_t unfit_state(const memtype_fleet *f)
{
	uint32_t unfit = f->pairs > MAX_VARIABLE;
	size_t i = 0;

	for (size_t k = 0; k < f->states; k++)
		unfit |= (uint32_t)!is_width(f->maxphyaddr[k]);
	if (!unfit)
		return f->states;
	while (i < f->states && f->pairs <= MAX_VARIABLE && is_width(f->maxphyaddr[i]))
		i++;
	return i;
}

// the first state that has a refused address, or f->states
static size_t unfit_row(const memtype_fleet *f, uint32_t isa, const uint64_t *addresses, size_t step, size_t n)
{
	size_t i = 0;

	while (i < f->states && kernels_of(isa)->or_words(addresses + i * step, n) <= low_bits(f->maxphyaddr[i]))
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
		i = match_states(f, isa, addresses, step, n, types);
	if (i == f->states)
		return MEMTYPE_OK;
	place = first_above(addresses + i * step, 0, n, low_bits(f->maxphyaddr[i]));
	return refuse(MEMTYPE_EADDRESS, place < n ? i * n + place : bytes, index);
}

/* fleet.c - many register files, few addresses each: no tables, every pair is matched with every address.
 *
 * Ranges look at few address bits: with MAXPHYADDR = 46 and ranges of whole GiB at bits 45:30, so 16-bit keys tell
 * all addresses apart, two to four times as many in a vector as addresses. States are made ready a block at a time
 * (fleet_avx2.c), then each is matched by the kernel of the instruction set. Addresses below 1 MiB are rare: where a
 * key says that there may be some, fleet_low() puts the types of the fixed ranges in.
 */
#include "fleet.h"

#ifdef MEMTYPE_X86
#include <xmmintrin.h>
#endif

void fleet_low(const struct fleet_row *row, const uint64_t *addresses, uint64_t low, uint8_t *types)
{
	for (; low; low &= low - 1) {
		unsigned j = (unsigned)__builtin_ctzll(low), index = fixed_index(addresses[j]);

		types[j] = type_or_undefined(type_byte(row->fixed[index / 8], index % 8) & row->fixed_keep);
	}
}

static void load_state(const memtype_fleet *f, size_t i, memtype_mtrrs *m)
{
	m->def_type = f->def_type[i];
	memcpy(m->fixed, f->fixed + i * MEMTYPE_FIXED_MSRS, sizeof(m->fixed));
	m->cap = f->cap[i];
	m->syscfg = f->syscfg[i];
	m->tom2 = f->tom2[i];
	m->vendor = f->vendor[i];
	m->maxphyaddr = f->maxphyaddr[i];
	m->variable_count = (uint32_t)f->pairs;
	memcpy(m->base, f->base + i * f->pairs, f->pairs * sizeof(*m->base));
	memcpy(m->mask, f->mask + i * f->pairs, f->pairs * sizeof(*m->mask));
}

// The answers of these functions: how many states before the first that has a refused address. One by one, for any
// processor:
static size_t match_each(const memtype_fleet *f, const uint64_t *addresses, size_t step, size_t n, uint8_t *types)
{
	memtype_mtrrs m;

	for (size_t i = 0; i < f->states; i++, addresses += step, types += n) {
		if (portable_or_words(addresses, n) > low_bits(f->maxphyaddr[i]))
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
		avx2_fleet_block(f, i, (uint32_t)(f->states - i < room ? f->states - i : room), &block);
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
	if (isa >= MEMTYPE_AVX2)
		return match_blocks(f, isa == MEMTYPE_AVX512 ? avx512_fleet_match : avx2_fleet_match, addresses, step,
				    n, types);
#else
	(void)isa;
#endif
	return match_each(f, addresses, step, n, types);
}

// the first state that is out of bounds, or f->states
static size_t unfit_state(const memtype_fleet *f)
{
	uint32_t unfit = f->pairs > MEMTYPE_MAX_VARIABLE;
	size_t i = 0;

	for (size_t k = 0; k < f->states; k++)
		unfit |= f->maxphyaddr[k] - 20 > 52 - 20;
	if (!unfit)
		return f->states;
	while (f->pairs <= MEMTYPE_MAX_VARIABLE && f->maxphyaddr[i] - 20 <= 52 - 20)
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

int memtype_fleet_types(const memtype_fleet *f, uint32_t isa, const uint64_t *addresses, size_t step, size_t n,
			uint8_t *types, size_t *index)
{
	size_t i = unfit_state(f), j = 0;

	if (i < f->states) {
		*index = i;
		return MEMTYPE_EREGISTERS;
	}
	if (n == 0)
		return MEMTYPE_OK;
	if (f->states * n <= MEMTYPE_CHECKED_FIRST)
		i = unfit_row(f, isa, addresses, step, n);
	if (i == f->states)
		i = match_states(f, isa, addresses, step, n, types);
	if (i == f->states)
		return MEMTYPE_OK;
	while (addresses[i * step + j] <= low_bits(f->maxphyaddr[i]))
		j++;
	*index = i * n + j;
	return MEMTYPE_EADDRESS;
}

/* fleet.c - many register files, few addresses each: no tables, a match of 32-bit keys (address >> 20). */
#include "fleet.h"

#define KEY_SHIFT 20

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

// 0, or -1 where a range is finer than the keys
static int build_row(const memtype_mtrrs *m, struct fleet_row *row)
{
	uint32_t pairs = m->def_type & DEF_TYPE_E ? m->variable_count : 0;
	uint64_t tom2 = m->def_type & DEF_TYPE_E ? tom2_limit(m) : 0;

	row->count = 0;
	row->tom2 = tom2 > GIB4 ? (uint32_t)(tom2 >> KEY_SHIFT) : 0;
	fill_final(row->final_type, plain_type(m));
	for (uint32_t i = 0; i < pairs; i++) {
		uint64_t mask = m->mask[i] & page_bits(m->maxphyaddr);

		if (!(m->mask[i] & MASK_VALID))
			continue;
		if (mask & (FIXED_END - 1))
			return -1;
		row->mask[row->count] = (uint32_t)(mask >> KEY_SHIFT);
		row->base[row->count] = (uint32_t)((m->base[i] & mask) >> KEY_SHIFT);
		row->code[row->count++] = code_of(m->base[i] & BASE_TYPE);
	}
	return 0;
}

// one by one: every address, or (`low_only`) those that the keys cannot tell apart
static void match_each(const memtype_mtrrs *m, const uint64_t *addresses, size_t n, uint8_t *types, int low_only)
{
	for (size_t j = 0; j < n; j++) {
		if (!low_only || addresses[j] < FIXED_END)
			types[j] = (uint8_t)memtype_at(m, addresses[j]);
	}
}

// NULL where matching one by one is all there is
static row_types row_of(uint32_t isa)
{
#ifdef MEMTYPE_X86
	if (isa >= MEMTYPE_AVX2)
		return isa == MEMTYPE_AVX512 ? avx512_row : avx2_row;
#else
	(void)isa;
#endif
	return NULL;
}

static int state_types(const memtype_mtrrs *m, uint32_t isa, const uint64_t *addresses, size_t n, uint8_t *types)
{
	row_types match = row_of(isa);
	struct fleet_row row;
	int low = 0;

	if (!match || build_row(m, &row)) {
		if (kernels_of(isa)->or_words(addresses, n) > low_bits(m->maxphyaddr))
			return MEMTYPE_EADDRESS;
		match_each(m, addresses, n, types, 0);
		return MEMTYPE_OK;
	}
	if (match(&row, addresses, n, types, &low) > low_bits(m->maxphyaddr))
		return MEMTYPE_EADDRESS;
	if (low && fixed_ranges_on(m))
		match_each(m, addresses, n, types, 1);
	return MEMTYPE_OK;
}

// all states are fit, and of few answers all addresses too: what can be refused before anything is written
static int check_first(const memtype_fleet *f, const uint64_t *addresses, size_t step, size_t n, size_t *index)
{
	memtype_mtrrs m;

	for (size_t i = 0; i < f->states; i++) {
		m.maxphyaddr = f->maxphyaddr[i];
		m.variable_count = f->pairs < UINT32_MAX ? (uint32_t)f->pairs : UINT32_MAX;
		*index = i;
		if (memtype_mtrrs_check(&m))
			return MEMTYPE_EREGISTERS;
		for (*index = i * n; f->states * n <= MEMTYPE_CHECKED_FIRST && *index < (i + 1) * n; ++*index) {
			if (addresses[i * step + *index - i * n] > low_bits(m.maxphyaddr))
				return MEMTYPE_EADDRESS;
		}
	}
	return MEMTYPE_OK;
}

int memtype_fleet_types(const memtype_fleet *f, uint32_t isa, const uint64_t *addresses, size_t step, size_t n,
			uint8_t *types, size_t *index)
{
	size_t place;
	int status = check_first(f, addresses, step, n, &place);
	memtype_mtrrs m;

	for (size_t i = 0; i < f->states && !status && n > 0; i++) {
		load_state(f, i, &m);
		place = i * n;
		status = state_types(&m, isa, addresses + i * step, n, types + i * n);
		while (status && addresses[i * step + place - i * n] <= low_bits(m.maxphyaddr))
			place++;
	}
	if (status)
		*index = place;
	return status;
}

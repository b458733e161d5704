/* The vectors' C header against the C core: compiled without Python, for the person who embeds csrc/.
 *
 * cc -I csrc -I DIRECTORY_OF_THE_HEADER consumer.c, all .c files of csrc; it prints what is wrong, exit status 1 then
 */
#include <stdio.h>
#include <string.h>

#include "memtype.h"
#include "memtype_vectors.h"

static unsigned long asked, wrong;

static void compare(const char *id, const char *rule, uint64_t place, long said, long right)
{
	asked++;
	if (said == right)
		return;
	if (wrong++ < 20)
		printf("%s (%s) 0x%llx: %ld, should be %ld\n", id, rule, (unsigned long long)place, said, right);
}

static void load(const struct memtype_mtrr_case *c, memtype_mtrrs *m)
{
	memset(m, 0, sizeof(*m));
	m->def_type = c->def_type;
	m->cap = c->cap;
	m->syscfg = c->syscfg;
	m->tom2 = c->tom2;
	m->vendor = c->vendor;
	m->maxphyaddr = c->maxphyaddr;
	m->variable_count = c->pairs_count;
	memcpy(m->fixed, c->fixed, sizeof(m->fixed));
	for (uint32_t i = 0; i < c->pairs_count; i++) {
		m->base[i] = memtype_mtrr_pairs[c->pairs_first + i][0];
		m->mask[i] = memtype_mtrr_pairs[c->pairs_first + i][1];
	}
}

// one by one, by the array kernels of every instruction set here, and by the segments
static void ask_state(const struct memtype_mtrr_case *c)
{
	static memtype_mtrrs m;
	static memtype_tables t;
	static memtype_map map;
	uint8_t types[64];
	int resolved;

	load(c, &m);
	for (int i = 0; i < 64; i++)
		compare(c->id, c->rule, c->addresses[i], memtype_at(&m, c->addresses[i]), c->types[i]);
	for (uint32_t isa = MEMTYPE_PORTABLE; isa <= MEMTYPE_AVX512; isa++) {
		if (!memtype_isa_supported(isa))
			continue;
		memtype_tables_build(&m, isa, &t);
		compare(c->id, "status", isa, memtype_types(&t, c->addresses, 64, types, NULL), MEMTYPE_OK);
		for (int i = 0; i < 64; i++)
			compare(c->id, c->rule, c->addresses[i], types[i], c->types[i]);
	}
	resolved = memtype_resolve_map(&m, &map);
	if (resolved == MEMTYPE_OK) {
		memtype_map_types(map.bases, map.types, map.count, m.maxphyaddr, 0, c->addresses, 64, types, NULL);
		for (int i = 0; i < 64; i++)
			compare(c->id, "segments", c->addresses[i], types[i], c->types[i]);
	}
}

static void ask_registers(void)
{
	uint32_t bit;

	for (int i = 0; i < MEMTYPE_MSR_WRITE_CASES; i++) {
		const struct memtype_msr_write_case *c = &memtype_msr_write_cases[i];
		int fault = memtype_msr_fault((uint32_t)c->msr, c->value, c->maxphyaddr, c->vendor, &bit);

		compare(c->id, c->rule, c->value, fault == MEMTYPE_MSR_VALID, c->taken);
	}
	for (int i = 0; i < MEMTYPE_PAT_INDEX_CASES; i++) {
		const struct memtype_pat_index_case *c = &memtype_pat_index_cases[i];
		uint8_t type;

		compare(c->id, c->rule, c->entry, memtype_pat_index(c->entry, c->level), (long)c->index);
		memtype_pat_types(c->pat, c->level, 0, &c->entry, 1, &type);
		compare(c->id, c->rule, c->entry, type, c->type);
	}
	for (int i = 0; i < MEMTYPE_PAT_WALK_CASES; i++) {
		const struct memtype_pat_walk_case *c = &memtype_pat_walk_cases[i];
		uint64_t pointer = c->pointer & 0x18; /* PCD and PWT */
		uint8_t type = MEMTYPE_WB;

		if (c->cr0_pg)
			memtype_pat_types(c->pat, 1, 0, &pointer, 1, &type);
		compare(c->id, c->rule, c->pointer, type, c->type);
	}
	for (int i = 0; i < MEMTYPE_MUSEUM_WRITE_CASES; i++) {
		const struct memtype_museum_write_case *c = &memtype_museum_write_cases[i];
		int fault = memtype_msr_fault((uint32_t)c->msr, c->value, c->maxphyaddr, c->vendor, &bit);

		compare(c->id, c->rule, c->value, fault == MEMTYPE_MSR_VALID, c->taken);
		compare(c->id, "the bug is one", c->value, c->wrong != c->taken, 1);
	}
	for (int i = 0; i < MEMTYPE_EPT_LEAF_CASES; i++) {
		const struct memtype_ept_leaf_case *c = &memtype_ept_leaf_cases[i];
		uint8_t type;

		memtype_ept_types(0, &c->entry, 1, &type, NULL);
		compare(c->id, c->rule, c->entry, type, c->misconfigured ? MEMTYPE_UNDEFINED : c->type);
		if (!c->misconfigured)
			compare(c->id, c->rule, c->entry, memtype_ept_leaf(c->type, c->ipat), (long)(c->entry & 0x78));
	}
}

static void ask_tables(void)
{
	for (int i = 0; i < MEMTYPE_EFFECTIVE_CASES; i++) {
		const struct memtype_effective_case *c = &memtype_effective_cases[i];

		compare(c->id, c->rule, 0, memtype_effective(c->vendor, c->cr0_cd, c->mtrr, c->pat), c->type);
	}
	for (int i = 0; i < MEMTYPE_PCD_PWT_CASES; i++) {
		const struct memtype_pcd_pwt_case *c = &memtype_pcd_pwt_cases[i];

		compare(c->id, c->rule, 0, memtype_effective_pcd_pwt(c->vendor, c->mtrr, c->pcd, c->pwt), c->type);
	}
	for (int i = 0; i < MEMTYPE_EPT_CASES; i++) {
		const struct memtype_ept_case *c = &memtype_ept_cases[i];

		compare(c->id, c->rule, 0, memtype_effective_ept(c->ept_type, c->ipat, c->pat, c->cr0_cd), c->type);
	}
	for (int i = 0; i < MEMTYPE_NPT_CASES; i++) {
		const struct memtype_npt_case *c = &memtype_npt_cases[i];

		compare(c->id, c->rule, 0, memtype_effective_npt(c->guest, c->host, c->mtrr, c->snp, c->cr0_cd), c->type);
	}
	for (int i = 0; i < MEMTYPE_XEN_EPT_CASES; i++) {
		const struct memtype_xen_ept_case *c = &memtype_xen_ept_cases[i];

		compare(c->id, c->rule, 0, memtype_xen_ept_type(c->guest, c->host), c->type);
	}
	for (int i = 0; i < MEMTYPE_MUSEUM_EFFECTIVE_CASES; i++) {
		const struct memtype_museum_effective_case *c = &memtype_museum_effective_cases[i];

		compare(c->id, c->rule, 0, memtype_effective(c->vendor, 0, c->mtrr, c->pat), c->type);
		compare(c->id, "the bug is one", 0, c->wrong != c->type, 1);
	}
}

// the type of all of a page: its segment reaches beyond it, or it is mixed
static int page_type(const memtype_map *map, uint32_t maxphyaddr, uint64_t base, uint64_t size)
{
	size_t i = map->count - 1;

	while (map->bases[i] > base)
		i--;
	uint64_t end = i + 1 < map->count ? map->bases[i + 1] : (uint64_t)1 << maxphyaddr;
	return base + size <= end ? map->types[i] : MEMTYPE_MIXED;
}

static void ask_maps(void)
{
	static memtype_mtrrs m, other;
	static memtype_map map, another;

	for (int i = 0; i < MEMTYPE_LARGE_PAGE_CASES; i++) {
		const struct memtype_large_page_case *c = &memtype_large_page_cases[i];

		load(&memtype_mtrr_cases[c->state], &m);
		compare(c->id, "map", c->base, memtype_resolve_map(&m, &map), MEMTYPE_OK);
		compare(c->id, c->rule, c->base, page_type(&map, m.maxphyaddr, c->base, c->size), c->type);
	}
	for (int i = 0; i < MEMTYPE_PROCESSORS_CASES; i++) {
		const struct memtype_processors_case *c = &memtype_processors_cases[i];
		int fine;

		load(&memtype_mtrr_cases[c->first], &m);
		load(&memtype_mtrr_cases[c->second], &other);
		memtype_resolve_map(&m, &map);
		memtype_resolve_map(&other, &another);
		fine = map.count == another.count && !memcmp(map.bases, another.bases, map.count * sizeof(*map.bases)) &&
		       !memcmp(map.types, another.types, map.count);
		if (c->snp)
			fine = !memcmp(&m, &other, sizeof(m));
		compare(c->id, c->rule, 0, fine, c->fine);
	}
}

int main(void)
{
	static memtype_mtrrs m;

	for (int i = 0; i < MEMTYPE_MTRR_CASES; i++)
		ask_state(&memtype_mtrr_cases[i]);
	for (int i = 0; i < MEMTYPE_MUSEUM_CASES; i++) {
		const struct memtype_museum_case *c = &memtype_museum_cases[i];

		load(&memtype_mtrr_cases[c->state], &m);
		compare(c->id, c->rule, c->address, memtype_at(&m, c->address), c->type);
		compare(c->id, "the bug is one", c->address, c->wrong != c->type, 1);
	}
	ask_registers();
	ask_tables();
	ask_maps();
	printf("%lu answers, %lu wrong\n", asked, wrong);
	return wrong != 0;
}

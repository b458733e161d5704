/* mtrr.c - one processor's MTRRs: validate, look up, resolve into segments. */
#include <stddef.h>

#include "internal.h"

// without gaps: 15 words, 4 half words, then the pairs
_Static_assert(offsetof(memtype_mtrrs, fixed) == 8 && offsetof(memtype_mtrrs, cap) == 96, "a layout without gaps");
_Static_assert(offsetof(memtype_mtrrs, vendor) == 120 && offsetof(memtype_mtrrs, variable_count) == 128, "likewise");
_Static_assert(offsetof(memtype_mtrrs, base) == 136 && sizeof(memtype_mtrrs) == 136 + 16 * MAX_VARIABLE, "likewise");

int memtype_mtrrs_check(const memtype_mtrrs *m)
{
	return m->variable_count <= MAX_VARIABLE && is_width(m->maxphyaddr) ? MEMTYPE_OK : MEMTYPE_EREGISTERS;
}

// --- what a write of an MSR would raise ---

static int reserved_fault(uint64_t reserved, uint32_t *bit)
{
	if (reserved == 0)
		return MEMTYPE_MSR_VALID;
	*bit = lowest_one(reserved);
	return MEMTYPE_MSR_RESERVED;
}

// every byte of `value`, bits in `ignored` aside, must be in `set`
static int bytes_fault(uint64_t value, unsigned set, uint64_t ignored, uint32_t *bit)
{
	for (unsigned byte = 0; byte < 8; byte++) {
		if (!in_type_set(set, type_byte(value, byte) & ~ignored)) {
			*bit = 8 * byte;
			return MEMTYPE_MSR_TYPE;
		}
	}
	return MEMTYPE_MSR_VALID;
}

// a type in bits 7:0, then reserved bits: PHYSBASE and DEF_TYPE
static int typed_fault(uint64_t value, uint64_t reserved, uint32_t *bit)
{
	if (!in_type_set(MTRR_TYPE_SET, value & BASE_TYPE)) {
		*bit = 0;
		return MEMTYPE_MSR_TYPE;
	}
	return reserved_fault(value & reserved, bit);
}

static int is_fixed_msr(uint32_t index)
{
	for (unsigned i = 0; i < FIXED_MSRS; i++) {
		if (index == fixed_msrs[i])
			return 1;
	}
	return 0;
}

int memtype_msr_fault(uint32_t index, uint64_t value, uint32_t maxphyaddr, uint32_t vendor, uint32_t *bit)
{
	uint64_t high = ~low_bits(maxphyaddr);

	if (index == MSR_MTRRCAP)
		return MEMTYPE_MSR_READ_ONLY;
	if (index == MSR_PAT)
		return bytes_fault(value, PAT_TYPE_SET, 0, bit);
	if (index == MSR_DEF_TYPE)
		return typed_fault(value, ~DEF_TYPE_WRITABLE, bit);
	if (is_fixed_msr(index))
		return bytes_fault(value, MTRR_TYPE_SET, vendor == MEMTYPE_AMD ? AMD_FIXED_ROUTING : 0, bit);
	if (index < MSR_PHYSBASE0 || index >= MSR_PHYS_END)
		return MEMTYPE_MSR_UNKNOWN;
	if (index & 1)
		return reserved_fault(value & (high | MASK_RESERVED), bit);
	return typed_fault(value, high | BASE_RESERVED, bit);
}

// --- the type of one address ---

static uint8_t default_type(const memtype_mtrrs *m, uint64_t address)
{
	return address >= GIB4 && address < tom2_of(m) ? (uint8_t)MEMTYPE_WB : plain_type(m->def_type);
}

// the types seen so far as a set: bit t for a legal encoding t, bit 8 for any reserved one
#define RESERVED_MEMBER (1u << 8)
#define MEMBER(type) (1u << (type))

static unsigned member_of(uint64_t base)
{
	uint64_t encoding = base & BASE_TYPE;

	return in_type_set(MTRR_TYPE_SET, encoding) ? 1u << encoding : RESERVED_MEMBER;
}

// SDM 3A 12.11.4.1: UC wins; WT with WB is WT; equal types are that type; the rest is undefined
static uint8_t combine(unsigned members)
{
	if (members & MEMBER(MEMTYPE_UC))
		return MEMTYPE_UC;
	if (members == (MEMBER(MEMTYPE_WT) | MEMBER(MEMTYPE_WB)))
		return MEMTYPE_WT;
	if ((members & (members - 1)) != 0 || members == RESERVED_MEMBER)
		return MEMTYPE_UNDEFINED;
	return (uint8_t)lowest_one(members);
}

static uint8_t variable_type(const memtype_mtrrs *m, uint64_t address)
{
	uint64_t compared = page_bits(m->maxphyaddr);
	unsigned members = 0;

	for (uint32_t i = 0; i < m->variable_count; i++) {
		if ((m->mask[i] & MASK_VALID) && ((address ^ m->base[i]) & m->mask[i] & compared) == 0)
			members |= member_of(m->base[i]);
	}
	return members ? combine(members) : default_type(m, address);
}

int memtype_at(const memtype_mtrrs *m, uint64_t address)
{
	if (address > low_bits(m->maxphyaddr))
		return MEMTYPE_EADDRESS;
	if (!(m->def_type & DEF_TYPE_E))
		return plain_type(m->def_type);
	if (address < FIXED_END && fixed_ranges_on(m->def_type, m->cap))
		return fixed_type(m->fixed, m->vendor, fixed_index(address));
	return variable_type(m, address);
}

// --- the whole address space ---

// The first address above `a` where the match of (base, mask) changes, or `end`. `mask` is within page_bits.
static uint64_t next_change(uint64_t a, uint64_t base, uint64_t mask, uint64_t end)
{
	uint64_t differ = (a ^ base) & mask;
	unsigned high;
	uint64_t free_above;

	if (mask == 0)
		return end;
	if (differ == 0) { // inside: up to the end of the aligned block that the lowest mask bit spans
		uint64_t block = mask & -mask;
		return (a & -block) + block;
	}
	high = highest_one(differ);
	if (!(a >> high & 1)) // the range wants a 1 there: keep what is above, take the range's bits below
		return (a & ~low_bits(high + 1)) | (base & mask & low_bits(high + 1));
	// the range wants a 0 there: carry into the lowest clear bit above that the mask leaves free
	free_above = ~mask & ~a & (end - 1) & ~low_bits(high + 1);
	if (free_above == 0)
		return end;
	free_above &= -free_above;
	return (a & ~(free_above | (free_above - 1))) | free_above | (base & mask & (free_above - 1));
}

// how many aligned blocks the valid pairs denote together, or MAP_BLOCK_LIMIT + 1 if more than the limit
static uint64_t count_blocks(const memtype_mtrrs *m)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < m->variable_count && total <= MAP_BLOCK_LIMIT; i++) {
		uint64_t mask = m->mask[i] & page_bits(m->maxphyaddr);
		uint64_t holes = mask ? ~mask & page_bits(m->maxphyaddr) & -(mask & -mask) : 0;

		if (m->mask[i] & MASK_VALID)
			total += UINT64_C(1) << count_ones(holes);
	}
	return total;
}

struct map_writer {
	uint64_t *bases;
	uint8_t *types;
	size_t capacity, count;
};

static int map_append(struct map_writer *w, uint64_t base, uint8_t type)
{
	if (w->count > 0 && w->types[w->count - 1] == type)
		return MEMTYPE_OK;
	if (w->count == w->capacity)
		return MEMTYPE_ESHATTERED;
	w->bases[w->count] = base;
	w->types[w->count++] = type;
	return MEMTYPE_OK;
}

static int resolve_fixed(const memtype_mtrrs *m, struct map_writer *w)
{
	for (unsigned first = 0; first < FIXED_RANGES; first += 8) { // register by register
		uint64_t value = m->fixed[first / 8];
		unsigned end = first + (value == type_byte(value, 0) * EACH_BYTE ? 1 : 8); // eight times the same: one

		for (unsigned i = first; i < end; i++) {
			if (map_append(w, (uint64_t)fixed_page[i] << PAGE_SHIFT, fixed_type(m->fixed, m->vendor, i)))
				return MEMTYPE_ESHATTERED;
		}
	}
	return MEMTYPE_OK;
}

// Holey masks: walk from change to change, whatever the masks look like.
static uint64_t sweep_to(const memtype_mtrrs *m, uint64_t a, uint64_t end)
{
	uint64_t cut = end, compared = page_bits(m->maxphyaddr), tom2 = tom2_of(m);

	for (uint32_t i = 0; i < m->variable_count; i++) {
		uint64_t next;

		if (!(m->mask[i] & MASK_VALID))
			continue;
		next = next_change(a, m->base[i], m->mask[i] & compared, end);
		cut = next < cut ? next : cut;
	}
	if (a < GIB4 && GIB4 < cut && tom2)
		cut = GIB4;
	if (a < tom2 && tom2 < cut)
		cut = tom2;
	return cut;
}

static int resolve_holey(const memtype_mtrrs *m, uint64_t a, struct map_writer *w)
{
	uint64_t end = low_bits(m->maxphyaddr) + 1;

	if (count_blocks(m) > MAP_BLOCK_LIMIT)
		return MEMTYPE_ESHATTERED;
	for (; a < end; a = sweep_to(m, a, end)) {
		if (map_append(w, a, variable_type(m, a)))
			return MEMTYPE_ESHATTERED;
	}
	return MEMTYPE_OK;
}

// Masks without holes: every range is one block with two edges. An edge is one number that sorts by address:
// 0x80000806 says "at 0x80000000 a range of class 6 ends". Classes are the members of combine(), then TOM2.
#define EDGE_ENDS 0x800u
#define EDGE_CLASS 0xFu
#define CLASS_TOM2 9u
#define MAX_EDGES (2 * (MAX_VARIABLE + 1))

static unsigned add_edges(uint64_t *edges, unsigned n, uint64_t from, uint64_t to, unsigned class)
{
	uint64_t pair[2] = {from | class, to | EDGE_ENDS | class};

	for (unsigned k = 0; k < 2; k++) {
		unsigned at = n++;

		for (; at > 0 && edges[at - 1] > pair[k]; at--)
			edges[at] = edges[at - 1];
		edges[at] = pair[k];
	}
	return n;
}

// the edges of all valid ranges, sorted; or -1 if one of them has a holey mask
static int collect_edges(const memtype_mtrrs *m, uint64_t *edges)
{
	uint64_t compared = page_bits(m->maxphyaddr), tom2 = tom2_of(m);
	unsigned n = tom2 > GIB4 ? add_edges(edges, 0, GIB4, tom2, CLASS_TOM2) : 0;

	for (uint32_t i = 0; i < m->variable_count; i++) {
		uint64_t mask = m->mask[i] & compared, block = mask ? mask & -mask : low_bits(m->maxphyaddr) + 1;
		uint64_t base = m->base[i] & mask;

		if (!(m->mask[i] & MASK_VALID))
			continue;
		if (compared & ~mask & -block)
			return -1;
		n = add_edges(edges, n, base, base + block, lowest_one(member_of(m->base[i])));
	}
	return (int)n;
}

static int resolve_edges(const memtype_mtrrs *m, const uint64_t *edges, unsigned n, uint64_t a, struct map_writer *w)
{
	uint64_t end = low_bits(m->maxphyaddr) + 1;
	uint8_t plain = plain_type(m->def_type);
	unsigned open[EDGE_CLASS + 1] = {0}, members = 0, i = 0; // any edge's class is in it

	while (a < end) {
		for (; i < n && (edges[i] & ~(PAGE_SIZE - 1)) <= a; i++) {
			unsigned class = edges[i] & EDGE_CLASS;

			open[class] += edges[i] & EDGE_ENDS ? -1u : 1u;
			members = (members & ~MEMBER(class)) | (open[class] ? MEMBER(class) : 0);
		}
		if (map_append(w, a, members & ~MEMBER(CLASS_TOM2) ? combine(members & ~MEMBER(CLASS_TOM2)) :
				     members ? (uint8_t)MEMTYPE_WB : plain))
			return MEMTYPE_ESHATTERED;
		a = i < n ? edges[i] & ~(PAGE_SIZE - 1) : end;
	}
	return MEMTYPE_OK;
}

static int resolve_variable(const memtype_mtrrs *m, uint64_t a, struct map_writer *w)
{
	uint64_t edges[MAX_EDGES];
	int n = collect_edges(m, edges);

	return n < 0 ? resolve_holey(m, a, w) : resolve_edges(m, edges, (unsigned)n, a, w);
}

// -DMEMTYPE_DEBUG: every map goes through the proved checker (docs/contributing.md); needs the source tree
#ifdef MEMTYPE_DEBUG
#include <stdio.h>
#include <stdlib.h>

#include "../tests/proofs/map_checker.h"

static void check_map(const memtype_mtrrs *m, const struct map_writer *w)
{
	if (map_passes(m, w->bases, w->types, w->count, memtype_at))
		return;
	fputs("memtype: a map does not pass its checker\n", stderr);
	abort();
}
#else
static void check_map(const memtype_mtrrs *m, const struct map_writer *w)
{
	(void)m, (void)w;
}
#endif

static int resolve(const memtype_mtrrs *m, uint64_t *bases, uint8_t *types, size_t capacity, size_t *count)
{
	struct map_writer w = {bases, types, capacity, 0};
	int fixed = fixed_ranges_on(m->def_type, m->cap), status;

	if (!(m->def_type & DEF_TYPE_E)) {
		status = map_append(&w, 0, plain_type(m->def_type));
	} else {
		status = fixed ? resolve_fixed(m, &w) : MEMTYPE_OK;
		status = status ? status : resolve_variable(m, fixed ? FIXED_END : 0, &w);
	}
	if (status == MEMTYPE_OK) {
		check_map(m, &w);
		*count = w.count;
	}
	return status;
}

int memtype_resolve(const memtype_mtrrs *m, uint64_t *bases, uint8_t *types, size_t capacity, size_t *count)
{
	if (misfit_words(bases, capacity, types, capacity))
		return MEMTYPE_EBUFFER;
	return resolve(m, bases, types, capacity, count);
}

int memtype_resolve_map(const memtype_mtrrs *m, memtype_map *map)
{
	return resolve(m, map->bases, map->types, MEMTYPE_MAP_CAPACITY, &map->count);
}

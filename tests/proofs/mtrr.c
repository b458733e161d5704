/* Proof harnesses for csrc/mtrr.c: the C core against the manual's rule, written out a second time.
 *
 * Every harness leaves its inputs open, so a proof covers all register values, holey and rubbish masks included.
 * VACUITY makes every harness end in a false claim, PLANTED asks for a wrong answer: both must fail.
 */
#include "../../csrc/mtrr.c"

#include <assert.h>

uint64_t nondet_u64(void);
uint32_t nondet_u32(void);
uint8_t nondet_u8(void);
void __CPROVER_assume(_Bool);

#ifndef PAIRS
#define PAIRS 10
#endif

#ifdef VACUITY
#define END assert(0)
#else
#define END ((void)0)
#endif

static int legal(uint64_t t)
{
	return t == 0 || t == 1 || t == 4 || t == 5 || t == 6;
}

static int legal_or_undefined(uint64_t t)
{
	return legal(t) ? (int)t : MEMTYPE_UNDEFINED;
}

// SDM 3A 12.11.4.1 in its own order: disabled, fixed, then the set of types of all matching ranges
static int literal_type(const memtype_mtrrs *m, uint64_t a)
{
	int uc = 0, wc = 0, wt = 0, wp = 0, wb = 0, reserved = 0, kinds;

	if ((m->def_type >> 11 & 1) == 0)
		return MEMTYPE_UC;
	if (a < 0x100000 && (m->def_type >> 10 & 1) && (m->cap >> 8 & 1)) {
		unsigned reg, byte;
		uint64_t t;

		if (a < 0x80000) {
			reg = 0;
			byte = (unsigned)(a / 0x10000);
		} else if (a < 0xC0000) {
			reg = 1 + (unsigned)((a - 0x80000) / 0x20000);
			byte = (unsigned)(a % 0x20000 / 0x4000);
		} else {
			reg = 3 + (unsigned)((a - 0xC0000) / 0x8000);
			byte = (unsigned)(a % 0x8000 / 0x1000);
		}
		t = m->fixed[reg] >> 8 * byte & 0xFF;
		if (m->vendor == MEMTYPE_AMD)
			t &= 0xE7;
		return legal_or_undefined(t);
	}
	for (uint32_t i = 0; i < m->variable_count; i++) {
		uint64_t field = (((uint64_t)1 << m->maxphyaddr) - 1) & ~(uint64_t)0xFFF & m->mask[i];
		uint64_t t = m->base[i] & 0xFF;

		if (!(m->mask[i] & 0x800) || (a & field) != (m->base[i] & field))
			continue;
		uc |= t == 0;
		wc |= t == 1;
		wt |= t == 4;
		wp |= t == 5;
		wb |= t == 6;
		reserved |= !legal(t);
	}
	kinds = uc + wc + wt + wp + wb + reserved;
	if (kinds == 0) {
		uint64_t tom2 = m->tom2 & 0xFFFFFFFF800000 & (((uint64_t)1 << m->maxphyaddr) - 1) & 0xFFFFFFFFFFFFF;

		if (m->vendor == MEMTYPE_AMD && (m->syscfg & 0x600000) == 0x600000 && a >= 0x100000000 && a < tom2)
			return MEMTYPE_WB;
		return legal_or_undefined(m->def_type & 0xFF);
	}
	if (uc)
		return MEMTYPE_UC;
	if (wt && wb && kinds == 2)
#ifdef PLANTED
		return MEMTYPE_WB;
#else
		return MEMTYPE_WT;
#endif
	if (kinds > 1 || reserved)
		return MEMTYPE_UNDEFINED;
	return wc ? MEMTYPE_WC : wt ? MEMTYPE_WT : wp ? MEMTYPE_WP : MEMTYPE_WB;
}

void prove_at(void) /* unwind 12 */
{
	memtype_mtrrs m;
	uint64_t a = nondet_u64();

	__CPROVER_assume(m.variable_count <= PAIRS && m.maxphyaddr >= 20 && m.maxphyaddr <= 52 && m.vendor <= 1);
	if (a >> m.maxphyaddr)
		assert(memtype_at(&m, a) == MEMTYPE_EADDRESS);
	else
		assert(memtype_at(&m, a) == literal_type(&m, a));
	END;
}

void prove_check(void) /* unwind 2 */
{
	memtype_mtrrs m;
	_Bool fits = m.variable_count < 256 && m.maxphyaddr > 19 && m.maxphyaddr < 53;

#ifdef PLANTED
	fits = fits && m.maxphyaddr < 52;
#endif
	assert((memtype_mtrrs_check(&m) == MEMTYPE_OK) == fits);
	END;
}

// --- WRMSR ---

static int literal_valid(uint32_t index, uint64_t v, uint32_t p, uint32_t vendor)
{
	uint64_t above = ~(((uint64_t)1 << p) - 1);
	int entries = 1, pat_entries = 1;

	for (int i = 0; i < 8; i++) {
		uint64_t t = v >> 8 * i & 0xFF;

		pat_entries &= legal(t) || t == 7;
		entries &= legal(vendor == MEMTYPE_AMD ? t & 0xE7 : t);
	}
	switch (index) {
	case 0x250: case 0x258: case 0x259: case 0x268: case 0x269: case 0x26A: case 0x26B: case 0x26C: case 0x26D:
	case 0x26E: case 0x26F:
		return entries;
	case 0x277:
#ifdef PLANTED
		return entries;
#else
		return pat_entries;
#endif
	case 0x2FF:
		return legal(v & 0xFF) && !(v & 0xFFFFFFFFFFFFF300);
	default:
		if (index < 0x200 || index > 0x24F)
			return 0;
		return index & 1 ? !(v & (above | 0x7FF)) : legal(v & 0xFF) && !(v & (above | 0xF00));
	}
}

void prove_msr_fault(void) /* unwind 12 */
{
	uint32_t index = nondet_u32(), p = nondet_u32(), vendor = nondet_u32(), bit = 99;
	uint64_t v = nondet_u64();
	int fault;

	__CPROVER_assume(p >= 20 && p <= 52 && vendor <= 1);
	fault = memtype_msr_fault(index, v, p, vendor, &bit);
	assert((fault == MEMTYPE_MSR_VALID) == literal_valid(index, v, p, vendor));
	if (fault == MEMTYPE_MSR_RESERVED)
		assert(bit < 64 && (v >> bit & 1));
	if (fault == MEMTYPE_MSR_TYPE)
		assert(bit % 8 == 0 && bit < 64);
	END;
}

// --- the map: each step of the sweep stops at the first change of any match, and always moves on ---

static int matches(uint64_t a, uint64_t base, uint64_t mask)
{
	return (a & mask) == (base & mask);
}

void prove_next_change(void) /* unwind 12 */
{
	uint32_t p = nondet_u32();
	uint64_t a = nondet_u64(), x = nondet_u64(), base = nondet_u64(), mask = nondet_u64(), end, next;

	__CPROVER_assume(p >= 20 && p <= 52);
	end = (uint64_t)1 << p;
	mask &= (end - 1) & ~(uint64_t)0xFFF;
	__CPROVER_assume(a < end && (a & 0xFFF) == 0);
	next = next_change(a, base, mask, end);
	assert(next > a && next <= end);
	if (x >= a && x < next)
		assert(matches(x, base, mask) == matches(a, base, mask));
#ifdef PLANTED
	assert(next == end || matches(next, base, mask) == matches(a, base, mask));
#else
	assert(next == end || matches(next, base, mask) != matches(a, base, mask));
#endif
	END;
}

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

#include "literal.h"

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

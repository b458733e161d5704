/* Proof harnesses for csrc/effective.c and csrc/leaf.c: the tables say what the manuals' text says, for every input. */
#include "../../csrc/effective.c"
#include "../../csrc/leaf.c"

#include <assert.h>

uint32_t nondet_u32(void);
uint64_t nondet_u64(void);
void __CPROVER_assume(_Bool);

#ifdef VACUITY
#define END assert(0)
#else
#define END ((void)0)
#endif

#ifdef PLANTED
#define FAULT 1
#else
#define FAULT 0
#endif

#include "literal_effective.h"

static uint32_t any_mtrr_type(void)
{
	uint32_t t = nondet_u32();

	__CPROVER_assume(t == 0 || t == 1 || t == 4 || t == 5 || t == 6);
	return t;
}

static uint32_t any_pat_type(void)
{
	uint32_t t = nondet_u32();

	__CPROVER_assume(t == 0 || t == 1 || t == 4 || t == 5 || t == 6 || t == 7);
	return t;
}

// Every input, and what is none: known types, reserved encodings, UNDEFINED, MIXED, NOT_TOLD, all other numbers.

void prove_effective(void) /* unwind 7 */
{
	uint32_t vendor = nondet_u32(), cd = nondet_u32(), mtrr = nondet_u32(), pat = nondet_u32();

	assert(memtype_effective(vendor, cd, mtrr, pat) == literal_effective(vendor, cd, mtrr, pat));
	END;
}

void prove_effective_pcd_pwt(void) /* unwind 7 */
{
	uint32_t vendor = nondet_u32(), mtrr = nondet_u32(), pcd = nondet_u32(), pwt = nondet_u32();

	assert(memtype_effective_pcd_pwt(vendor, mtrr, pcd, pwt) == literal_pcd_pwt(vendor, mtrr, pcd, pwt));
	END;
}

void prove_effective_ept(void) /* unwind 7 */
{
	uint32_t type = nondet_u32(), ipat = nondet_u32(), pat = nondet_u32(), cd = nondet_u32();

	assert(memtype_effective_ept(type, ipat, pat, cd) == literal_ept(type, ipat, pat, cd));
	END;
}

// where guest or host is not told, tests/csrc/rules_check.c asks all there is
void prove_effective_npt(void) /* unwind 7 */
{
	uint32_t g = nondet_u32(), h = nondet_u32(), m = nondet_u32(), snp = nondet_u32(), cd = nondet_u32();
	int inputs = is_pat_input(g) && is_pat_input(h) && is_mtrr_input(m);

	__CPROVER_assume(g != MEMTYPE_NOT_TOLD && h != MEMTYPE_NOT_TOLD);
	assert(memtype_effective_npt(g, h, m, snp, cd) == (inputs ? told_npt(g, h, m, snp, cd) : MEMTYPE_ETYPE));
	END;
}

void prove_xen_ept_type(void) /* unwind 7 */
{
	uint32_t g = nondet_u32(), h = nondet_u32();

	assert(memtype_xen_ept_type(g, h) == literal_xen(g, h));
	END;
}

void prove_ept_leaf(void) /* unwind 2 */
{
	uint32_t type = nondet_u32(), ipat = nondet_u32();
	int bits = memtype_ept_leaf(type, ipat);

	if (type > 6 || type == 2 || type == 3)
		assert(bits == MEMTYPE_ETYPE);
	else
		assert(bits == (int)(type << 3 | (ipat ? 0x40u >> FAULT : 0u)));
	END;
}

// no PAT write ever changes a leaf: what a leaf holds is made of type and IPAT alone; and with IPAT the PAT is unread
void prove_pat_is_no_part_of_a_leaf(void) /* unwind 2 */
{
	uint32_t type = any_mtrr_type(), before = any_pat_type(), after = any_pat_type(), cd = nondet_u32();

	assert(memtype_effective_ept(type, 1, before, cd) == memtype_effective_ept(type, !FAULT, after, cd));
	END;
}

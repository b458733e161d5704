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

static int cacheable(int t)
{
	return t == MEMTYPE_WT || t == MEMTYPE_WP || t == MEMTYPE_WB;
}

// SDM 3A table 12-7
static int intel(uint32_t mtrr, uint32_t pat)
{
	if (pat == MEMTYPE_UC || pat == MEMTYPE_WC)
		return (int)pat;
	if (pat == MEMTYPE_WB)
		return (int)mtrr;
	if (pat == MEMTYPE_UC_MINUS)
		return mtrr == MEMTYPE_WC || (mtrr == MEMTYPE_WP && !FAULT) ? MEMTYPE_WC : MEMTYPE_UC;
	return cacheable((int)mtrr) ? (int)pat : MEMTYPE_UC;
}

// APM 2 table 7-11
static int amd(uint32_t mtrr, uint32_t pat)
{
	if (pat == MEMTYPE_WC)
		return MEMTYPE_WC;
	if (mtrr == MEMTYPE_UC)
		return MEMTYPE_UC;
	if (pat == MEMTYPE_WB || pat == mtrr)
		return (int)mtrr;
	if (pat == MEMTYPE_UC_MINUS && mtrr == MEMTYPE_WC)
		return MEMTYPE_WC;
	return mtrr == MEMTYPE_WB && cacheable((int)pat) && !FAULT ? (int)pat : MEMTYPE_CD;
}

void prove_effective(void) /* unwind 2 */
{
	uint32_t mtrr = any_mtrr_type(), pat = any_pat_type(), cd = nondet_u32();
	int found = memtype_effective(MEMTYPE_INTEL, cd, mtrr, pat), two = memtype_effective(MEMTYPE_AMD, cd, mtrr, pat);

	assert(found == (cd ? MEMTYPE_UC : intel(mtrr, pat)));
	assert(two == (cd && cacheable(amd(mtrr, pat)) ? MEMTYPE_CD : amd(mtrr, pat)));
	END;
}

// SDM 3C 29.3.7.2
void prove_effective_ept(void) /* unwind 2 */
{
	uint32_t type = nondet_u32(), ipat = nondet_u32(), pat = any_pat_type(), cd = nondet_u32();
	int found = memtype_effective_ept(type, ipat, pat, cd);

	if (type == 2 || type == 3 || type == 7)
		assert(found == MEMTYPE_UNDEFINED);
	else if (type < 7)
		assert(found == (cd ? MEMTYPE_UC : ipat ? (int)type : intel(type, pat)));
	END;
}

// APM 2 15.25.8: guest with host, then with the MTRRs; where WC+ would probe, the MTRRs may allow no caching at all
void prove_effective_npt(void) /* unwind 2 */
{
	uint32_t g = any_pat_type(), h = any_pat_type(), m = any_mtrr_type(), snp = nondet_u32(), cd = nondet_u32();
	int both, met, found = memtype_effective_npt(g, h, m, snp, cd);

	if (g == MEMTYPE_WC)
		both = cacheable((int)h) ? MEMTYPE_WC_PLUS : MEMTYPE_WC;
	else if (g == MEMTYPE_UC_MINUS)
		both = h == MEMTYPE_UC_MINUS || h == MEMTYPE_WC ? (int)h : MEMTYPE_UC;
	else if (g == MEMTYPE_WB)
		both = h == MEMTYPE_UC_MINUS ? MEMTYPE_UC : (int)h;
	else
		both = cacheable((int)g) && (h == g || h == MEMTYPE_WB) ? (int)g : MEMTYPE_UC;
	if (both == MEMTYPE_WC_PLUS)
		met = cacheable((int)m) ? MEMTYPE_WC_PLUS : MEMTYPE_WC;
	else
		met = amd(m, (uint32_t)both);
	met = cd && cacheable(met) ? MEMTYPE_CD : met;
	if (snp)
		met = met == MEMTYPE_UC ? MEMTYPE_CD : met == MEMTYPE_WC ? MEMTYPE_WC_PLUS : met;
	assert(found == met);
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

/* Proof harnesses for csrc/leaf.c and csrc/effective.c: validity byte by byte, the index bit by bit, and no table
 * access outside a table, whatever is asked. */
#include "../../csrc/effective.c"
#include "../../csrc/leaf.c"

#include <assert.h>

uint64_t nondet_u64(void);
uint32_t nondet_u32(void);
void __CPROVER_assume(_Bool);

#ifdef VACUITY
#define END assert(0)
#else
#define END ((void)0)
#endif

void prove_pat_valid(void) /* unwind 9 */
{
	uint64_t value = nondet_u64();
	int valid = 1;

	for (int i = 0; i < 8; i++) {
		unsigned entry = (unsigned)(value >> 8 * i & 0xFF);

#ifdef PLANTED
		valid &= entry == 0 || entry == 1 || entry == 4 || entry == 5 || entry == 6;
#else
		valid &= entry == 0 || entry == 1 || entry == 4 || entry == 5 || entry == 6 || entry == 7;
#endif
	}
	assert((memtype_pat_valid(value) != 0) == valid);
	END;
}

// SDM 3A 4.9.2: index = 4 PAT + 2 PCD + PWT; the PAT bit is bit 7 of a 4 KiB leaf, bit 12 of a larger one
void prove_pat_index(void) /* unwind 2 */
{
	uint64_t pte = nondet_u64();
	uint32_t level = nondet_u32();
	int pwt = pte >> 3 & 1, pcd = pte >> 4 & 1, pat7 = pte >> 7 & 1, pat12 = pte >> 12 & 1;
	int index = memtype_pat_index(pte, level);

	if (level == 1)
#ifdef PLANTED
		assert(index == 4 * pat12 + 2 * pcd + pwt);
#else
		assert(index == 4 * pat7 + 2 * pcd + pwt);
#endif
	else if (level == 2 || level == 3)
		assert(index == 4 * pat12 + 2 * pcd + pwt);
	else
		assert(index == MEMTYPE_ELEVEL);
	END;
}

static int answer(int found)
{
	return found == MEMTYPE_ETYPE || (found >= 0 && found <= MEMTYPE_NOT_TOLD);
}

void prove_tables_are_closed(void) /* unwind 2 */
{
	uint32_t a = nondet_u32(), b = nondet_u32(), c = nondet_u32(), d = nondet_u32(), e = nondet_u32();

	assert(answer(memtype_effective(a, b, c, d)));
	assert(answer(memtype_effective_pcd_pwt(a, b, c, d)));
	assert(answer(memtype_effective_ept(a, b, c, d)));
	assert(answer(memtype_effective_npt(a, b, c, d, e)));
	if (c == 0 && d <= 7) { // MTRR UC admits only UC and WC on Intel, CR0.CD clear
		int found = memtype_effective(MEMTYPE_INTEL, 0, c, d);

#ifdef PLANTED
		assert(found == MEMTYPE_UC);
#else
		assert(found == MEMTYPE_UC || found == MEMTYPE_WC || d == 2 || d == 3);
#endif
	}
	END;
}

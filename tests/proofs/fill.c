/* Proof harnesses for csrc/fill.c: an SPTE changes within the field alone, to the bits of its gfn's segment, and
 * one gfn out of bounds leaves all of them as they were. */
#include "../../csrc/fill.c"

#include <assert.h>

uint64_t nondet_u64(void);
uint32_t nondet_u32(void);
size_t nondet_size(void);
void __CPROVER_assume(_Bool);

#define PIECES 4
#define PAGES 3

#ifdef VACUITY
#define END assert(0)
#else
#define END ((void)0)
#endif

// the one kernel that the portable path takes, as dispatch.c would give it
static uint64_t portable_or_words(const uint64_t *words, size_t n)
{
	return or_words(words, n);
}

const struct kernels *kernels_of(uint32_t isa)
{
	static const struct kernels portable = {.or_words = portable_or_words};

	assert(isa == MEMTYPE_PORTABLE);
	return &portable;
}

void prove_leaf_fill(void) /* unwind 5 */
{
	uint64_t bases[PIECES], bits[PIECES], gfns[PAGES], sptes[PAGES], before[PAGES], field = nondet_u64();
	uint32_t width = nondet_u32();
	size_t index = 77, at = nondet_size(), piece = nondet_size();
	int status;

	__CPROVER_assume(width >= 20 && width <= 52 && at < PAGES && piece < PIECES);
	__CPROVER_assume(bases[0] == 0);
	for (size_t i = 1; i < PIECES; i++)
		__CPROVER_assume(bases[i] > bases[i - 1]);
	for (size_t i = 0; i < PAGES; i++)
		before[i] = sptes[i];
	status = memtype_leaf_fill(bases, bits, PIECES, field, width, MEMTYPE_PORTABLE, gfns, PAGES, sptes, &index);
	if (status == MEMTYPE_EADDRESS) {
		assert(index < PAGES && gfns[index] >> (width - 12) != 0 && sptes[at] == before[at]);
		assert(at >= index || gfns[at] >> (width - 12) == 0);
	} else {
		assert(status == MEMTYPE_OK && index == 77 && gfns[at] >> (width - 12) == 0);
		assert((sptes[at] & ~field) == (before[at] & ~field));
		if (bases[piece] <= gfns[at] && (piece + 1 == PIECES || gfns[at] < bases[piece + 1]))
#ifdef PLANTED
			assert(sptes[at] == bits[piece]);
#else
			assert((sptes[at] & field) == (bits[piece] & field));
#endif
	}
	END;
}

void prove_leaf_bits(void) /* unwind 5 */
{
	uint64_t bases[PIECES], bits[PIECES], gfns[PAGES], out[PAGES], before[PAGES];
	size_t index = 77, at = nondet_size(), piece = nondet_size();

	__CPROVER_assume(at < PAGES && piece < PIECES && bases[0] == 0);
	for (size_t i = 1; i < PIECES; i++)
		__CPROVER_assume(bases[i] > bases[i - 1]);
	for (size_t i = 0; i < PAGES; i++)
		before[i] = out[i];
	if (memtype_leaf_bits(bases, bits, PIECES, 40, MEMTYPE_PORTABLE, gfns, PAGES, out, &index))
		assert(gfns[index] >= UINT64_C(1) << 28 && out[at] == before[at]);
#ifdef PLANTED
	else if (bases[piece] < gfns[at])
#else
	else if (bases[piece] <= gfns[at] && (piece + 1 == PIECES || gfns[at] < bases[piece + 1]))
#endif
		assert(out[at] == bits[piece]);
	END;
}

/* map_checker.h - whether the segments of a map have one type throughout, and the right one: a few comparisons for each pair.
 *
 * tests/proofs/map_checker.c proves that what passes is right at every address. tests/csrc/test_map_checker.py runs it
 * over the maps that every backend makes; a core built with -DMEMTYPE_DEBUG runs it over each map that it makes
 * (docs/contributing.md). Nothing here is shared with the code that builds maps.
 */
#ifndef MAP_CHECKER_H
#define MAP_CHECKER_H

#include "../../csrc/memtype.h"

// the lowest bit in which the addresses of [a, last] differ from a, and all below it: [0x3000, 0x4fff] -> 0x7fff
static uint64_t spread(uint64_t a, uint64_t last)
{
	uint64_t bits = a ^ last;

	for (unsigned s = 1; s < 64; s *= 2)
		bits |= bits >> s;
	return bits;
}

// a pair says the same for all of [a, last]: it compares none of the bits in which they differ, or another bit decides
static int pair_is_constant(uint64_t a, uint64_t last, uint64_t base, uint64_t field)
{
	uint64_t varying = spread(a, last);

	return (field & varying) == 0 || ((a ^ base) & field & ~varying) != 0;
}

// [a, last] lies below `edge`, or not below it
static int aside(uint64_t a, uint64_t last, uint64_t edge)
{
	return last < edge || a >= edge;
}

/* 1 where [a, last] has the type `type` throughout. `at` gives the type of one address. 0 may mean that the segment must be
 * cut at addresses of its own: a segment of several aligned blocks passes block by block. */
static int segment_passes(const memtype_mtrrs *m, uint64_t a, uint64_t last, int type, int (*at)(const memtype_mtrrs *, uint64_t))
{
	uint64_t width = ((uint64_t)1 << m->maxphyaddr) - 1;

	if (last < a || last > width || at(m, a) != type)
		return 0;
	if (!(m->def_type & 0x800))
		return 1;
	if (!aside(a, last, 0x100000))
		return 0;
	if (last < 0x100000 && (m->def_type & 0x400) && (m->cap & 0x100))
		return a >> 12 == last >> 12; // page by page below 1 MiB
	if (!aside(a, last, 0x100000000) || !aside(a, last, m->tom2 & 0xFFFFFFF800000 & width))
		return 0;
	for (uint32_t i = 0; i < m->variable_count; i++) {
		if ((m->mask[i] & 0x800) && !pair_is_constant(a, last, m->base[i], m->mask[i] & width & ~(uint64_t)0xFFF))
			return 0;
	}
	return 1;
}

/* [a, last] passes as one, or both halves do, cut where the aligned blocks of its ends meet: [0x3000, 0x4fff] at 0x4000. An
 * edge that changes no type is met so. No edge lies inside a page. */
static int halves_pass(const memtype_mtrrs *m, uint64_t a, uint64_t last, int type, int (*at)(const memtype_mtrrs *, uint64_t))
{
	uint64_t middle = last & ~(spread(a, last) >> 1);

	if (segment_passes(m, a, last, type, at))
		return 1;
	if (a >> 12 >= last >> 12)
		return 0;
	return halves_pass(m, a, middle - 1, type, at) && halves_pass(m, middle, last, type, at);
}

/* 1 where the segments from bases[i] on, of types[i], are the map of `m`: they cover it, each is right, neighbours differ. */
static int map_passes(const memtype_mtrrs *m, const uint64_t *bases, const uint8_t *types, size_t count,
		      int (*at)(const memtype_mtrrs *, uint64_t))
{
	for (size_t i = 0; i < count; i++) {
		uint64_t last = i + 1 < count ? bases[i + 1] - 1 : ((uint64_t)1 << m->maxphyaddr) - 1;

		if (last < bases[i] || (i > 0 && types[i] == types[i - 1]) || !halves_pass(m, bases[i], last, types[i], at))
			return 0;
	}
	return count > 0 && bases[0] == 0;
}

#endif

/* literal.h - the type of an address by the manual's text alone, written a second time: for proofs and for comparisons.
 *
 * Nothing here is shared with csrc/ but the struct that holds the registers. PLANTED makes one rule wrong.
 */
#ifndef LITERAL_H
#define LITERAL_H

#include "memtype.h"

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

#endif

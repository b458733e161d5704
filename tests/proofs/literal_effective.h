/* literal_effective.h - effective types by the manuals' text alone, written a second time: for proofs and for comparisons.
 *
 * Nothing here is shared with csrc/ but the names of types. First each rule for known types, then what memtype.h says of
 * the other inputs. FAULT makes one rule of each table wrong.
 */
#ifndef LITERAL_EFFECTIVE_H
#define LITERAL_EFFECTIVE_H

#include "memtype.h"

#ifndef FAULT
#define FAULT 0
#endif

static const uint8_t mtrr_kinds[5] = {0, 1, 4, 5, 6}, pat_kinds[6] = {0, 1, 4, 5, 6, 7};

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

// SDM 3A table 12-7 and APM 2 table 7-11 with CR0.CD: nothing is cached
static int known_effective(uint32_t vendor, uint32_t cd, uint32_t mtrr, uint32_t pat)
{
	int met = vendor == MEMTYPE_AMD ? amd(mtrr, pat) : intel(mtrr, pat);

	if (!cd)
		return met;
	return vendor == MEMTYPE_AMD ? (cacheable(met) ? MEMTYPE_CD : met) : MEMTYPE_UC;
}

// SDM 3A table 12-6, APM 2 table 7-8: they differ where PCD meets WP
static int known_pcd_pwt(uint32_t vendor, uint32_t mtrr, int pcd, int pwt)
{
	if (mtrr == MEMTYPE_UC || (pcd && pwt))
		return MEMTYPE_UC;
	if (mtrr == MEMTYPE_WC)
		return MEMTYPE_WC;
	if (pcd)
		return mtrr == MEMTYPE_WP && vendor != MEMTYPE_AMD && !FAULT ? MEMTYPE_WC : MEMTYPE_UC;
	return mtrr == MEMTYPE_WB && pwt ? MEMTYPE_WT : (int)mtrr;
}

// APM 2 15.25.8: guest with host
static int known_combined(uint32_t g, uint32_t h)
{
	if (g == MEMTYPE_WC)
		return cacheable((int)h) ? MEMTYPE_WC_PLUS : MEMTYPE_WC;
	if (g == MEMTYPE_UC_MINUS)
		return h == MEMTYPE_UC_MINUS || h == MEMTYPE_WC ? (int)h : MEMTYPE_UC;
	if (g == MEMTYPE_WB)
		return h == MEMTYPE_UC_MINUS ? MEMTYPE_UC : (int)h;
	return cacheable((int)g) && (h == g || h == MEMTYPE_WB) ? (int)g : MEMTYPE_UC;
}

// ... then with the MTRRs: where WC+ would probe, they may allow no caching at all; with SNP all is probed (15.36.14)
static int known_npt(uint32_t g, uint32_t h, uint32_t m, uint32_t snp, uint32_t cd)
{
	int both = known_combined(g, h), met;

	if (both == MEMTYPE_WC_PLUS)
		met = cacheable((int)m) ? MEMTYPE_WC_PLUS : MEMTYPE_WC;
	else
		met = amd(m, (uint32_t)both);
	met = cd && cacheable(met) ? MEMTYPE_CD : met;
	if (snp)
		met = met == MEMTYPE_UC ? MEMTYPE_CD : met == MEMTYPE_WC ? MEMTYPE_WC_PLUS : met;
	return met;
}

// Xen, p2m-ept.c: UC wins; WC meets WC or WB; of the rest WP, then WT, then WB
static int known_xen(uint32_t g, uint32_t h)
{
	if (g == MEMTYPE_WB || h == MEMTYPE_WB)
		return (int)(g == MEMTYPE_WB ? h : g);
	if (g == MEMTYPE_UC || h == MEMTYPE_UC)
		return MEMTYPE_UC;
	if (g == MEMTYPE_WC || h == MEMTYPE_WC)
		return g == h && !FAULT ? MEMTYPE_WC : MEMTYPE_UC;
	return g == h ? (int)g : MEMTYPE_WP;
}

// --- what else may be given: reserved encodings, UNDEFINED, MIXED, NOT_TOLD ---

static int is_kind(const uint8_t *kinds, unsigned n, uint32_t t)
{
	for (unsigned i = 0; i < n; i++) {
		if (kinds[i] == t)
			return 1;
	}
	return 0;
}

static int is_mtrr_input(uint32_t t)
{
	return t < 8 || t == MEMTYPE_UNDEFINED || t == MEMTYPE_MIXED || t == MEMTYPE_NOT_TOLD;
}

static int is_pat_input(uint32_t t)
{
	return t < 8 || t == MEMTYPE_UNDEFINED || t == MEMTYPE_NOT_TOLD;
}

// the answers given so far agree on one, or on none
struct answers {
	int any, same, first;
};

static void add_answer(struct answers *a, int answer)
{
	a->same = !a->any || (a->same && a->first == answer);
	a->first = a->any ? a->first : answer;
	a->any = 1;
}

// What a rule says of an MTRR type, told or not. The rule is asked with one of the five types and what else it needs.
struct question {
	int (*rule)(const struct question *q, uint32_t mtrr);
	uint32_t vendor, cd, snp, first, second;
};

static int settled(const struct question *q, uint32_t mtrr)
{
	struct answers a = {0};

	if (is_kind(mtrr_kinds, 5, mtrr))
		return q->rule(q, mtrr);
	if (mtrr < 8)
		return MEMTYPE_UNDEFINED;
	for (unsigned i = 0; i < 5; i++)
		add_answer(&a, q->rule(q, mtrr_kinds[i]));
	return a.same ? a.first : (int)mtrr;
}

static int rule_effective(const struct question *q, uint32_t mtrr)
{
	return known_effective(q->vendor, q->cd, mtrr, q->first);
}

static int rule_pcd_pwt(const struct question *q, uint32_t mtrr)
{
	return known_pcd_pwt(q->vendor, mtrr, q->first != 0, q->second != 0);
}

static int rule_npt(const struct question *q, uint32_t mtrr)
{
	return known_npt(q->first, q->second, mtrr, q->snp, q->cd);
}

static int literal_effective(uint32_t vendor, uint32_t cd, uint32_t mtrr, uint32_t pat)
{
	struct question q = {rule_effective, vendor, cd, 0, pat, 0};
	struct answers a = {0};

	if (!is_mtrr_input(mtrr) || !is_pat_input(pat))
		return MEMTYPE_ETYPE;
	if (pat != MEMTYPE_NOT_TOLD)
		return is_kind(pat_kinds, 6, pat) ? settled(&q, mtrr) : MEMTYPE_UNDEFINED;
	for (unsigned i = 0; i < 6; i++) {
		q.first = pat_kinds[i];
		add_answer(&a, settled(&q, mtrr));
	}
	return a.same ? a.first : MEMTYPE_NOT_TOLD;
}

static int literal_pcd_pwt(uint32_t vendor, uint32_t mtrr, uint32_t pcd, uint32_t pwt)
{
	struct question q = {rule_pcd_pwt, vendor, 0, 0, pcd, pwt};

	return is_mtrr_input(mtrr) ? settled(&q, mtrr) : MEMTYPE_ETYPE;
}

// SDM 3C 29.3.7.2: the five types can stand in a leaf; what is not told, or several at once, may be any of them
static int literal_ept(uint32_t type, uint32_t ipat, uint32_t pat, uint32_t cd)
{
	int met = literal_effective(MEMTYPE_INTEL, 0, type, pat);

	if (met == MEMTYPE_ETYPE)
		return met;
	if (!is_kind(mtrr_kinds, 5, type) && type != MEMTYPE_MIXED && type != MEMTYPE_NOT_TOLD)
		return MEMTYPE_UNDEFINED;
	return cd ? MEMTYPE_UC : ipat ? (int)type : met;
}

// guest and host told
static int told_npt(uint32_t g, uint32_t h, uint32_t mtrr, uint32_t snp, uint32_t cd)
{
	struct question q = {rule_npt, MEMTYPE_AMD, cd, snp, g, h};

	return is_kind(pat_kinds, 6, g) && is_kind(pat_kinds, 6, h) ? settled(&q, mtrr) : MEMTYPE_UNDEFINED;
}

static int literal_npt(uint32_t g, uint32_t h, uint32_t mtrr, uint32_t snp, uint32_t cd)
{
	struct answers a = {0};

	if (!is_pat_input(g) || !is_pat_input(h) || !is_mtrr_input(mtrr))
		return MEMTYPE_ETYPE;
	for (unsigned i = 0; i < 6; i++) {
		for (unsigned k = 0; k < 6; k++)
			add_answer(&a, told_npt(g == MEMTYPE_NOT_TOLD ? pat_kinds[i] : g,
						h == MEMTYPE_NOT_TOLD ? pat_kinds[k] : h, mtrr, snp, cd));
	}
	return a.same ? a.first : MEMTYPE_NOT_TOLD;
}

static int literal_xen(uint32_t g, uint32_t h)
{
	struct answers a = {0};

	for (unsigned i = 0; i < 5; i++) {
		for (unsigned k = 0; k < 5; k++) {
			uint32_t guest = g == MEMTYPE_NOT_TOLD ? mtrr_kinds[i] : g;
			uint32_t host = h == MEMTYPE_NOT_TOLD ? mtrr_kinds[k] : h;

			if (!is_kind(mtrr_kinds, 5, guest) || !is_kind(mtrr_kinds, 5, host))
				return MEMTYPE_ETYPE;
			add_answer(&a, known_xen(guest, host));
		}
	}
	return a.same ? a.first : MEMTYPE_NOT_TOLD;
}

#endif

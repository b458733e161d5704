/* rules_check.c - every function of the C core that takes no array, against the manuals' text written a second time.
 *
 *     cc -Icsrc -Itests/proofs tests/csrc/rules_check.c (all .c files of csrc) -o rules_check && ./rules_check
 *
 * Tables at all their inputs; the rest at every bit, every byte, both sides of every edge, and at random.
 */
#include "checks.h"

#include "literal.h"
#include "literal_effective.h"
#include "map_checker.h"

// --- numbers that other programs were compiled with ---

static void check_numbers(void)
{
	MUST(MEMTYPE_OK == 0 && MEMTYPE_EADDRESS == -1 && MEMTYPE_EREGISTERS == -2 && MEMTYPE_ESHATTERED == -3, 0, 0, 0);
	MUST(MEMTYPE_ELEVEL == -4 && MEMTYPE_ETYPE == -5 && MEMTYPE_EBUFFER == -6, 0, 0, 0);
	MUST(MEMTYPE_UC == 0 && MEMTYPE_WC == 1 && MEMTYPE_WT == 4 && MEMTYPE_WP == 5 && MEMTYPE_WB == 6, 0, 0, 0);
	MUST(MEMTYPE_UC_MINUS == 7 && MEMTYPE_CD == 8 && MEMTYPE_WC_PLUS == 9 && MEMTYPE_UNDEFINED == 10, 0, 0, 0);
	MUST(MEMTYPE_MIXED == 11 && MEMTYPE_NOT_TOLD == 12 && MEMTYPE_INTEL == 0 && MEMTYPE_AMD == 1, 0, 0, 0);
	MUST(MEMTYPE_MSR_VALID == 0 && MEMTYPE_MSR_UNKNOWN == 1 && MEMTYPE_MSR_READ_ONLY == 2, 0, 0, 0);
	MUST(MEMTYPE_MSR_TYPE == 3 && MEMTYPE_MSR_RESERVED == 4, 0, 0, 0);
	MUST(MEMTYPE_PORTABLE == 0 && MEMTYPE_SSSE3 == 1 && MEMTYPE_AVX2 == 2 && MEMTYPE_AVX512 == 3, 0, 0, 0);
	MUST(MEMTYPE_NEON == 4 && MEMTYPE_FIXED_MSRS == 11 && MEMTYPE_MAX_VARIABLE == 255, 0, 0, 0);
	MUST(MEMTYPE_CHECKED_FIRST == 4096 && MEMTYPE_MAP_CAPACITY == 64, 0, 0, 0);
}

// the best set by the compiler's own question to the processor
static void check_sets(void)
{
	uint32_t best = MEMTYPE_PORTABLE;

#if defined(__x86_64__) && !defined(MEMTYPE_PLAIN)
	best = __builtin_cpu_supports("ssse3") ? MEMTYPE_SSSE3 : best;
	best = __builtin_cpu_supports("avx2") ? MEMTYPE_AVX2 : best;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
	    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("gfni") &&
	    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
		best = MEMTYPE_AVX512;
#elif defined(__aarch64__) && !defined(MEMTYPE_PLAIN)
	best = MEMTYPE_NEON;
#endif
	MUST(memtype_isa_best() == best, memtype_isa_best(), best, 0);
	for (uint32_t isa = 0; isa < 40; isa++) {
		int there = best == MEMTYPE_NEON ? isa == 0 || isa == MEMTYPE_NEON : isa <= best;

		MUST((memtype_isa_supported(isa) != 0) == there, isa, best, there);
	}
	MUST(!memtype_isa_supported(UINT32_MAX), best, 0, 0);
}

// --- effective types: all inputs, and what is none ---

static void check_pairs(uint32_t a, uint32_t b)
{
	MUST(memtype_xen_ept_type(a, b) == literal_xen(a, b), a, b, 0);
	for (uint32_t x = 0; x < 2; x++) {
		for (uint32_t cd = 0; cd < 3; cd++) { // any cd but 0 is 1
			MUST(memtype_effective(x, cd, a, b) == literal_effective(x, cd, a, b), x, a, b);
			MUST(memtype_effective_ept(a, x, b, cd) == literal_ept(a, x, b, cd), a, x, b);
			for (uint32_t m = 0; m < 18; m++)
				MUST(memtype_effective_npt(a, b, m, x, cd) == literal_npt(a, b, m, x, cd), a, b, m);
		}
		MUST(memtype_effective_pcd_pwt(x, a, b & 2, b & 1) == literal_pcd_pwt(x, a, b & 2, b & 1), x, a, b);
	}
	MUST(memtype_effective_ept(a, 2, b, 0) == literal_ept(a, 1, b, 0), a, b, 2);
	MUST(memtype_effective_npt(a, b, 6, 2, 0) == literal_npt(a, b, 6, 1, 0), a, b, 2);
}

static void check_effective(void)
{
	static const uint32_t far[] = {31, 32, 64, 128, 255, 256, 0x10006, UINT32_MAX};

	for (uint32_t a = 0; a < 18; a++) {
		for (uint32_t b = 0; b < 18; b++)
			check_pairs(a, b);
		for (unsigned k = 0; k < 8; k++) {
			MUST(memtype_effective(0, 0, a, far[k]) == MEMTYPE_ETYPE, a, far[k], 0);
			MUST(memtype_effective(0, 0, far[k], a) == MEMTYPE_ETYPE, a, far[k], 0);
			MUST(memtype_xen_ept_type(far[k], a) == MEMTYPE_ETYPE, a, far[k], 0);
			MUST(memtype_effective_npt(6, a, far[k], 0, 0) == MEMTYPE_ETYPE, a, far[k], 0);
		}
	}
	for (uint32_t type = 0; type < 300; type++) {
		for (uint32_t ipat = 0; ipat < 3; ipat++) {
			int bits = legal(type) ? (int)(type << 3) + (ipat ? 64 : 0) : MEMTYPE_ETYPE;

			MUST(memtype_ept_leaf(type, ipat) == bits, type, ipat, bits);
		}
	}
}

// --- IA32_PAT ---

static int pat_legal(uint64_t t)
{
	return legal(t) || t == 7;
}

static void check_pat(void)
{
	for (unsigned place = 0; place < 8; place++) {
		for (uint64_t entry = 0; entry < 256; entry++) {
			uint64_t pat = (UINT64_C(0x0706050401000706) & ~(UINT64_C(0xFF) << 8 * place)) | entry << 8 * place;

			MUST(memtype_pat_valid(pat) == pat_legal(entry), pat, entry, place);
		}
	}
	for (unsigned level = 0; level < 70; level++) {
		for (unsigned bits = 0; bits < 16; bits++) { // PWT, PCD, bit 7, bit 12 in rubbish
			uint64_t rubbish = any() & ~UINT64_C(0x1098);
			uint64_t pte = rubbish | (bits & 3) << 3 | (uint64_t)(bits >> 2 & 1) << 7 | (uint64_t)(bits >> 3) << 12;
			unsigned pat = level == 1 ? bits >> 2 & 1 : bits >> 3;
			int index = level >= 1 && level <= 3 ? (int)(4 * pat + (bits & 3)) : MEMTYPE_ELEVEL;

			MUST(memtype_pat_index(pte, level) == index, pte, level, index);
		}
	}
	MUST(memtype_pat_index(0, UINT32_MAX) == MEMTYPE_ELEVEL, 0, 0, 0);
}

// --- writes of MSRs: which fault, and where ---

static int bytes_fault(uint64_t v, int pat, uint64_t ignored, uint32_t *bit)
{
	for (*bit = 0; *bit < 64; *bit += 8) {
		uint64_t t = v >> *bit & 0xFF & ~ignored;

		if (!(pat ? pat_legal(t) : legal(t)))
			return MEMTYPE_MSR_TYPE;
	}
	return MEMTYPE_MSR_VALID;
}

static int literal_fault(uint32_t index, uint64_t v, uint32_t width, uint32_t vendor, uint32_t *bit)
{
	static const uint16_t fixed[11] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26A, 0x26B, 0x26C, 0x26D, 0x26E, 0x26F};
	uint64_t above = ~(((uint64_t)1 << width) - 1), reserved;

	for (unsigned i = 0; i < 11; i++) {
		if (index == fixed[i])
			return bytes_fault(v, 0, vendor == MEMTYPE_AMD ? 0x18 : 0, bit);
	}
	if (index == 0xFE)
		return MEMTYPE_MSR_READ_ONLY;
	if (index == 0x277)
		return bytes_fault(v, 1, 0, bit);
	if (index != 0x2FF && (index < 0x200 || index > 0x24F))
		return MEMTYPE_MSR_UNKNOWN;
	*bit = 0;
	if ((index == 0x2FF || index % 2 == 0) && !legal(v & 0xFF))
		return MEMTYPE_MSR_TYPE;
	reserved = v & (index == 0x2FF ? ~(uint64_t)0xCFF : index % 2 ? above | 0x7FF : above | 0xF00);
	if (!reserved)
		return MEMTYPE_MSR_VALID;
	while (!(reserved >> *bit & 1))
		++*bit;
	return MEMTYPE_MSR_RESERVED;
}

static void check_fault(uint32_t index, uint64_t v, uint32_t width, uint32_t vendor)
{
	uint32_t bit = 77, right = 77;
	int fault = memtype_msr_fault(index, v, width, vendor, &bit);

	MUST(fault == literal_fault(index, v, width, vendor, &right), index, v, width);
	if (fault == MEMTYPE_MSR_TYPE || fault == MEMTYPE_MSR_RESERVED)
		MUST(bit == right, index, v, bit);
	else
		MUST(bit == 77, index, v, bit);
}

static void check_faults(void)
{
	for (uint32_t index = 0; index < 0x400; index++) {
		for (unsigned bit = 0; bit < 65; bit++)
			check_fault(index, bit < 64 ? (uint64_t)1 << bit : 0, 36 + index % 17, index / 2 & 1);
		for (unsigned round = 0; round < 4; round++) {
			uint64_t v = any() & 0x0707070707070707 & (round & 1 ? any() : ~UINT64_C(0));

			check_fault(index, v, 52, round / 2);
			check_fault(index, round & 1 ? any() : any() & 0xFFFFFF806, 36, round / 2);
		}
	}
	for (uint32_t width = 20; width <= 52; width++) {
		check_fault(0x200, (uint64_t)1 << width | 6, width, 0);
		check_fault(0x201, (uint64_t)1 << (width - 1) | 0x800, width, 0);
	}
}

// --- one register file: bounds, one address, the map ---

static memtype_mtrrs m;

static void set_pairs(uint32_t width, uint64_t def_type, uint32_t count)
{
	memset(&m, 0, sizeof(m));
	m.maxphyaddr = width;
	m.def_type = def_type;
	m.cap = 0x508;
	m.variable_count = count;
}

static void check_bounds(void)
{
	for (uint32_t width = 0; width < 70; width++) {
		for (uint32_t count = 250; count < 260; count++) {
			int fits = width >= 20 && width <= 52 && count <= 255;

			set_pairs(width, 0, count);
			MUST(memtype_mtrrs_check(&m) == (fits ? MEMTYPE_OK : MEMTYPE_EREGISTERS), width, count, 0);
		}
	}
	for (uint32_t width = 20; width <= 52; width++) {
		set_pairs(width, 0x806, 0);
		MUST(memtype_at(&m, ((uint64_t)1 << width) - 1) == MEMTYPE_WB, width, 0, 0);
		MUST(memtype_at(&m, (uint64_t)1 << width) == MEMTYPE_EADDRESS, width, 0, 0);
	}
}

// how many blocks the valid pairs denote: two for each hole
static double blocks(void)
{
	double all = 0;

	for (unsigned k = 0; k < m.variable_count; k++) {
		double one = 1;
		int seen = 0; // a bit that is compared, from below

		for (unsigned bit = 12; bit < m.maxphyaddr; bit++) {
			int compared = m.mask[k] >> bit & 1;

			one *= seen && !compared ? 2 : 1;
			seen |= compared;
		}
		all += m.mask[k] & 0x800 ? one : 0;
	}
	return all;
}

// the segments of `found` are right at both ends, they differ, and so many need room for so many
static void check_map(const uint64_t *bases, const uint8_t *types, size_t found)
{
	static uint64_t few_bases[4096];
	static uint8_t few_types[4096];
	uint64_t end = (uint64_t)1 << m.maxphyaddr;
	size_t count = 77;

	MUST(found > 0 && bases[0] == 0, found, bases[0], 0);
	MUST(blocks() > 1000 || map_passes(&m, bases, types, found, memtype_at), found, m.variable_count, m.maxphyaddr);
	for (size_t i = 0; i < found; i++) {
		uint64_t last = (i + 1 < found ? bases[i + 1] : end) - 1;

		MUST(bases[i] <= last && last < end, i, bases[i], last);
		MUST(i == 0 || types[i] != types[i - 1], i, types[i], bases[i]);
		MUST(literal_type(&m, bases[i]) == types[i], i, bases[i], types[i]);
		MUST(literal_type(&m, last) == types[i], i, last, types[i]);
		MUST(memtype_at(&m, bases[i]) == types[i] && memtype_at(&m, last) == types[i], i, bases[i], last);
		for (unsigned k = 0; k < 3; k++) {
			uint64_t a = bases[i] + below(last - bases[i] + 1);

			MUST(literal_type(&m, a) == types[i], i, a, types[i]);
		}
	}
	MUST(memtype_resolve(&m, few_bases, few_types, found - 1, &count) == MEMTYPE_ESHATTERED && count == 77, found, count, 0);
	MUST(memtype_resolve(&m, few_bases, few_types, found, &count) == MEMTYPE_OK && count == found, found, count, 0);
}

static void check_resolved(void)
{
	static uint64_t bases[4096];
	static uint8_t types[4096];
	static memtype_map map;
	size_t found = 77;
	int status = memtype_resolve(&m, bases, types, 4096, &found);

	if (status != MEMTYPE_OK) {
		MUST(status == MEMTYPE_ESHATTERED && found == 77 && blocks() > 1000, status, found, 0);
		return;
	}
	check_map(bases, types, found);
	map.count = 77;
	if (found > MEMTYPE_MAP_CAPACITY) {
		MUST(memtype_resolve_map(&m, &map) == MEMTYPE_ESHATTERED && map.count == 77, found, 0, 0);
		return;
	}
	MUST(memtype_resolve_map(&m, &map) == MEMTYPE_OK && map.count == found, found, map.count, 0);
	MUST(memcmp(map.bases, bases, 8 * found) == 0 && memcmp(map.types, types, found) == 0, found, 0, 0);
}

static uint64_t any_kind(void)
{
	static const uint8_t kinds[] = {0, 1, 4, 5, 6, 6, 0, 2, 7, 0x16};

	return kinds[below(10)];
}

static void draw_state(unsigned round)
{
	static const uint32_t widths[] = {20, 21, 32, 36, 40, 46, 52};
	uint32_t width = widths[below(7)];
	uint64_t inside = ((uint64_t)1 << width) - 1;

	set_pairs(width, (round % 16 ? 0x800 : 0) | (below(3) ? 0x400 : 0) | any_kind(), (uint32_t)below(round % 4 ? 6 : 12));
	m.cap = below(8) ? 0x508 : 0;
	m.vendor = (uint32_t)below(2);
	m.syscfg = below(3) ? 0x600000 : (uint64_t)0x200000 << below(2);
	m.tom2 = (below(4) ? (uint64_t)0x100000000 + (below(64) << 23) : any()) | any() % 0x800000;
	for (unsigned k = 0; k < 11; k++)
		m.fixed[k] = below(2) ? any_kind() * UINT64_C(0x0101010101010101) : any() & 0x0706050406050100;
	for (unsigned k = 0; k < m.variable_count; k++) {
		uint64_t size = (uint64_t)1 << (12 + below(width - 11)), mask = inside & ~0xFFFull & -size;

		if (below(5) == 0)
			mask &= ~((uint64_t)0x1000 << below(width - 11)) & inside;
		m.base[k] = (below(3) ? below(8) * (inside / 8 + 1) + below(3) * size : any()) & inside & ~0xFFFull;
		m.base[k] |= any_kind() | (below(9) ? 0 : 0xF00);
		m.mask[k] = mask | (below(6) ? 0x800 : 0) | (below(9) ? 0 : any() & 0xFFF0000000000700);
	}
	m.mask[m.variable_count] = 0x800; // behind the last: UC everywhere, if somebody looked
}

static void check_states(void)
{
	for (unsigned round = 0; round < 600; round++) {
		draw_state(round);
		check_resolved();
		for (unsigned k = 0; k < 40; k++) {
			uint64_t a = any() & (((uint64_t)1 << m.maxphyaddr) - 1) & (k % 4 ? ~UINT64_C(0) : 0xFFFFF);

			a = k < 3 && m.maxphyaddr > 20 ? 0xFFFFF + k : a; // both sides of 1 MiB
			MUST(memtype_at(&m, a) == literal_type(&m, a), a, m.maxphyaddr, round);
		}
	}
}

// all 255 pairs: [1 GiB * k, + 512 MiB), and TOM2
static void check_many(void)
{
	set_pairs(40, 0x800, 255);
	for (unsigned k = 0; k < 255; k++) {
		m.base[k] = (uint64_t)k << 30 | 6;
		m.mask[k] = 0xFFE0000800;
	}
	check_resolved();
	m.vendor = MEMTYPE_AMD;
	m.syscfg = 0x600000;
	m.tom2 = UINT64_C(0x8000000000);
	check_resolved();
	m.mask[254] ^= UINT64_C(1) << 35; // a hole: from change to change
	check_resolved();
}

int main(void)
{
	check_numbers();
	check_sets();
	check_effective();
	check_pat();
	check_faults();
	check_bounds();
	check_states();
	check_many();
	printf("%llu claims hold\n", (unsigned long long)claims);
	return 0;
}

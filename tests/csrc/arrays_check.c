/* arrays_check.c - what memtype.h says of arrays, asked of every function that takes some, by every set of this machine.
 *
 *     cc -Icsrc -Itests/proofs tests/csrc/arrays_check.c (all .c files of csrc) -o arrays_check && ./arrays_check
 *
 * Each function is a row of one table. Asked of each row: its answers, with arrays that end and begin at walls, at every
 * size that a kernel treats in its own way; refusals; alignment; overlaps; n == 0.
 */
#include "checks.h"

#include "literal.h"
#include "literal_effective.h"

#define MOST 4161u  /* elements: more than MEMTYPE_CHECKED_FIRST by a block and one */
#define PAT UINT64_C(0x0407050600070106)
#define LEVEL 2
#define FIELD UINT64_C(0x78)

static memtype_mtrrs m;
static memtype_tables tables, mapped;
static memtype_map map;
static memtype_granules granules;
static int has_map, has_granules;
static uint64_t gfn_bases[MEMTYPE_MAP_CAPACITY], leaf_bits[MEMTYPE_MAP_CAPACITY];
static memtype_fleet fleet = {1, 0, &m.def_type, m.fixed, m.base, m.mask, &m.cap, &m.syscfg, &m.tom2, &m.vendor,
			      &m.maxphyaddr};
static const memtype_map *fleet_maps;

static unsigned pat_at(uint64_t pte)
{
	return (unsigned)(pte >> 3 & 3) | (unsigned)(pte >> (LEVEL == 1 ? 7 : 12) & 1) << 2;
}

static uint32_t kind_at(uint64_t pte)
{
	return (uint32_t)(PAT >> 8 * pat_at(pte) & 0xFF);
}

// --- the rows: a call on given arrays, and the answer of one element ---

static int run_types(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)isa, (void)b;
	return memtype_types(&tables, a, n, out, index);
}

static int run_mapped(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)isa, (void)b;
	return memtype_types(&mapped, a, n, out, index);
}

static int run_map_types(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)b;
	return memtype_map_types(map.bases, map.types, map.count, m.maxphyaddr, isa, a, n, out, index);
}

static int run_granules(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)isa, (void)b;
	return memtype_granules_types(&granules, a, n, out, index);
}

static int run_tables_with_granules(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	int status;

	(void)isa, (void)b;
	tables.granules = &granules;
	status = memtype_types(&tables, a, n, out, index);
	tables.granules = NULL;
	return status;
}

static int run_fleet(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)b;
	return memtype_fleet_types(&fleet, isa, a, n, n, out, index);
}

static int run_by(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)isa;
	return memtype_types_by(&fleet, NULL, b, a, n, out, index);
}

static int run_by_maps(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)isa;
	return memtype_types_by(&fleet, fleet_maps, b, a, n, out, index);
}

static uint64_t want_type(uint64_t a, uint64_t b, uint64_t before)
{
	(void)b, (void)before;
	return (uint64_t)literal_type(&m, a);
}

static int run_effective(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)isa;
	return memtype_effective_types(&tables, PAT, LEVEL, a, b, n, out, index);
}

static uint64_t want_effective(uint64_t a, uint64_t b, uint64_t before)
{
	(void)before;
	return (uint64_t)literal_effective(m.vendor, 0, (uint32_t)literal_type(&m, a), kind_at(b));
}

static int run_of_leaves(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)isa, (void)b;
	return memtype_effective_types(&tables, PAT, LEVEL, NULL, a, n, out, index);
}

static uint64_t want_of_leaves(uint64_t a, uint64_t b, uint64_t before)
{
	(void)b;
	return want_effective(a & (((uint64_t)1 << m.maxphyaddr) - 1) & ~(uint64_t)0x1FFFFF, a, before);
}

static int run_ept(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)index;
	return memtype_effective_ept_types(PAT, LEVEL, 0, isa, a, b, n, out);
}

static uint64_t want_ept(uint64_t a, uint64_t b, uint64_t before)
{
	(void)before;
	return (uint64_t)literal_ept(a >> 3 & 7, a >> 6 & 1, kind_at(b), 0);
}

static int run_ept_types(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)b, (void)index;
	return memtype_ept_types(isa, a, n, out, NULL);
}

static uint64_t want_ept_types(uint64_t a, uint64_t b, uint64_t before)
{
	(void)b, (void)before;
	return legal(a >> 3 & 7) ? a >> 3 & 7 : MEMTYPE_UNDEFINED;
}

static int run_indexes(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)b, (void)index;
	return memtype_pat_indexes(LEVEL, isa, a, n, out);
}

static uint64_t want_indexes(uint64_t a, uint64_t b, uint64_t before)
{
	(void)b, (void)before;
	return pat_at(a);
}

static int run_pat_types(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)b, (void)index;
	return memtype_pat_types(PAT, LEVEL, isa, a, n, out);
}

static uint64_t want_pat_types(uint64_t a, uint64_t b, uint64_t before)
{
	(void)b, (void)before;
	return kind_at(a);
}

static int run_valids(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)isa, (void)b, (void)index;
	return memtype_pat_valids(a, n, out);
}

static uint64_t want_valids(uint64_t a, uint64_t b, uint64_t before)
{
	int valid = 1;

	(void)b, (void)before;
	for (unsigned k = 0; k < 8; k++)
		valid &= legal(a >> 8 * k & 0xFF) || (a >> 8 * k & 0xFF) == 7;
	return (uint64_t)valid;
}

static int run_bits(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)b;
	return memtype_leaf_bits(gfn_bases, leaf_bits, map.count, m.maxphyaddr, isa, a, n, out, index);
}

static uint64_t want_bits(uint64_t a, uint64_t b, uint64_t before)
{
	(void)b, (void)before;
	return (uint64_t)literal_type(&m, a << 12) << 3;
}

static int run_fill(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)b;
	return memtype_leaf_fill(gfn_bases, leaf_bits, map.count, FIELD, m.maxphyaddr, isa, a, n, out, index);
}

static uint64_t want_fill(uint64_t a, uint64_t b, uint64_t before)
{
	return (before & ~FIELD) | want_bits(a, b, before);
}

static int run_mtrr_array(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)isa;
	return memtype_effective_array(MEMTYPE_INTEL, 0, a, 1, b, 1, n, out, index);
}

static uint64_t want_mtrr_array(uint64_t a, uint64_t b, uint64_t before)
{
	(void)before;
	return (uint64_t)literal_effective(MEMTYPE_INTEL, 0, (uint32_t)a, (uint32_t)b);
}

static const uint8_t wb = MEMTYPE_WB, set = 1;

static int run_one_type(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)isa, (void)b;
	return memtype_effective_array(MEMTYPE_AMD, 1, a, 1, &wb, 0, n, out, index);
}

static uint64_t want_one_type(uint64_t a, uint64_t b, uint64_t before)
{
	(void)b, (void)before;
	return (uint64_t)literal_effective(MEMTYPE_AMD, 1, (uint32_t)a, MEMTYPE_WB);
}

static int run_ept_array(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)isa;
	return memtype_effective_ept_array(0, a, 1, b, 1, &wb, 0, n, out, index);
}

static uint64_t want_ept_array(uint64_t a, uint64_t b, uint64_t before)
{
	(void)before;
	return (uint64_t)literal_ept((uint32_t)a, b != 0, MEMTYPE_WB, 0);
}

static int run_ept_array_pat(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)isa;
	return memtype_effective_ept_array(1, b, 1, &set, 0, a, 1, n, out, index);
}

static uint64_t want_ept_array_pat(uint64_t a, uint64_t b, uint64_t before)
{
	(void)before;
	return (uint64_t)literal_ept((uint32_t)b, 1, (uint32_t)a, 1);
}

static int run_npt_array(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)isa;
	return memtype_effective_npt_array(0, 0, a, 1, b, 1, &wb, 0, n, out, index);
}

static uint64_t want_npt_array(uint64_t a, uint64_t b, uint64_t before)
{
	(void)before;
	return (uint64_t)literal_npt((uint32_t)a, (uint32_t)b, MEMTYPE_WB, 0, 0);
}

static int run_npt_array_mtrr(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index)
{
	(void)isa;
	return memtype_effective_npt_array(1, 1, b, 1, &wb, 0, a, 1, n, out, index);
}

static uint64_t want_npt_array_mtrr(uint64_t a, uint64_t b, uint64_t before)
{
	(void)before;
	return (uint64_t)literal_npt((uint32_t)b, MEMTYPE_WB, (uint32_t)a, 1, 1);
}

enum domain { ADDRESSES, GFNS, WORDS, ZEROS, MTRR_TYPES, PAT_TYPES, BITS };

struct row {
	const char *name;
	unsigned in[2], out; // bytes of an element; in[1] == 0: one input
	enum domain of[2];
	int (*run)(uint32_t isa, const void *a, const void *b, size_t n, void *out, size_t *index);
	uint64_t (*want)(uint64_t a, uint64_t b, uint64_t before);
	int refusal;         // of an element of the first input: MEMTYPE_OK where none is refused
	int writes_before;   // beyond MEMTYPE_CHECKED_FIRST elements before a refused one may be written
	int *needs;          // what the state must have
};

static const struct row rows[] = {
	{"types", {8}, 1, {ADDRESSES}, run_types, want_type, MEMTYPE_EADDRESS, 1, NULL},
	{"types of a map's tables", {8}, 1, {ADDRESSES}, run_mapped, want_type, MEMTYPE_EADDRESS, 1, &has_map},
	{"map_types", {8}, 1, {ADDRESSES}, run_map_types, want_type, MEMTYPE_EADDRESS, 1, &has_map},
	{"granules_types", {8}, 1, {ADDRESSES}, run_granules, want_type, MEMTYPE_EADDRESS, 1, &has_granules},
	{"types by granules", {8}, 1, {ADDRESSES}, run_tables_with_granules, want_type, MEMTYPE_EADDRESS, 1, &has_granules},
	{"fleet_types", {8}, 1, {ADDRESSES}, run_fleet, want_type, MEMTYPE_EADDRESS, 1, NULL},
	{"types_by", {8, 4}, 1, {ADDRESSES, ZEROS}, run_by, want_type, MEMTYPE_EADDRESS, 0, NULL},
	{"types_by with maps", {8, 4}, 1, {ADDRESSES, ZEROS}, run_by_maps, want_type, MEMTYPE_EADDRESS, 0, NULL},
	{"effective_types", {8, 8}, 1, {ADDRESSES, WORDS}, run_effective, want_effective, MEMTYPE_EADDRESS, 1, NULL},
	{"effective_types of leaves", {8}, 1, {WORDS}, run_of_leaves, want_of_leaves, MEMTYPE_OK, 0, NULL},
	{"effective_ept_types", {8, 8}, 1, {WORDS, WORDS}, run_ept, want_ept, MEMTYPE_OK, 0, NULL},
	{"ept_types", {8}, 1, {WORDS}, run_ept_types, want_ept_types, MEMTYPE_OK, 0, NULL},
	{"pat_indexes", {8}, 1, {WORDS}, run_indexes, want_indexes, MEMTYPE_OK, 0, NULL},
	{"pat_types", {8}, 1, {WORDS}, run_pat_types, want_pat_types, MEMTYPE_OK, 0, NULL},
	{"pat_valids", {8}, 1, {WORDS}, run_valids, want_valids, MEMTYPE_OK, 0, NULL},
	{"leaf_bits", {8}, 8, {GFNS}, run_bits, want_bits, MEMTYPE_EADDRESS, 1, &has_map},
	{"leaf_fill", {8}, 8, {GFNS}, run_fill, want_fill, MEMTYPE_EADDRESS, 1, &has_map},
	{"effective_array", {1, 1}, 1, {MTRR_TYPES, PAT_TYPES}, run_mtrr_array, want_mtrr_array, MEMTYPE_ETYPE, 0, NULL},
	{"effective_array of one", {1}, 1, {MTRR_TYPES}, run_one_type, want_one_type, MEMTYPE_ETYPE, 0, NULL},
	{"effective_ept_array", {1, 1}, 1, {MTRR_TYPES, BITS}, run_ept_array, want_ept_array, MEMTYPE_ETYPE, 0, NULL},
	{"effective_ept_array's PAT", {1, 1}, 1, {PAT_TYPES, MTRR_TYPES}, run_ept_array_pat, want_ept_array_pat, MEMTYPE_ETYPE,
	 0, NULL},
	{"effective_npt_array", {1, 1}, 1, {PAT_TYPES, PAT_TYPES}, run_npt_array, want_npt_array, MEMTYPE_ETYPE, 0, NULL},
	{"effective_npt_array's MTRR", {1, 1}, 1, {MTRR_TYPES, PAT_TYPES}, run_npt_array_mtrr, want_npt_array_mtrr,
	 MEMTYPE_ETYPE, 0, NULL},
};
#define ROWS (sizeof(rows) / sizeof(*rows))

// --- arrays: each input and the output twice, once up to a wall, once from one on ---

static uint8_t *early[3], *late[3]; // rooms, of the inputs and the output
static uint64_t wanted[MOST];
static uint8_t wanted_bytes[MOST]; // the same where the output is bytes

static uint64_t element(const uint8_t *array, unsigned size, size_t i)
{
	uint64_t word = 0;

	memcpy(&word, array + size * i, size); // little-endian
	return word;
}

static uint64_t any_element(enum domain of, size_t i)
{
	static const uint8_t types[] = {0, 1, 4, 5, 6, 2, 3, 7, 10, 12, 11};
	uint64_t end = (uint64_t)1 << m.maxphyaddr, a = any() & (end - 1);

	switch (of) {
	case ADDRESSES:
	case GFNS:
		if (i % 4 == 0)
			a &= 0x1FFFFF;
		if (i % 4 == 1 && m.variable_count) {
			unsigned k = (unsigned)below(m.variable_count);

			a = below(8) ? a & ~m.mask[k] : 0; // some where it begins
			a = ((m.base[k] & m.mask[k] & ~(uint64_t)0xFFF) + a - below(2) * 0x1000) & (end - 1);
		}
		if (i % 64 > 59) { // where rules begin and end; the last there is
			const uint64_t edges[] = {0x100000, UINT64_C(1) << 32, m.tom2 & ~(uint64_t)0x7FFFFF, end - 1};

			a = (edges[i % 4] - (i % 128 > 64)) & (end - 1); // and the one before
		}
		return of == GFNS ? a >> 12 : a;
	case WORDS: // half of the PATs among them are valid
		return i % 3 ? any() : UINT64_C(0x0706050401000706) ^ (i & 2 ? UINT64_C(1) << below(64) : 0);
	case MTRR_TYPES:
		return types[below(11)];
	case PAT_TYPES:
		return types[below(10)];
	case BITS:
		return below(3);
	default:
		return 0;
	}
}

static void set_element(unsigned which, unsigned size, size_t i, uint64_t word)
{
	memcpy(early[which] + size * i, &word, size);
	memcpy(late[which] + ROOM - size * (MOST - i), &word, size);
}

static void draw_inputs(const struct row *r)
{
	for (size_t i = 0; i < MOST; i++) {
		uint64_t given[2] = {0};

		for (unsigned k = 0; k < 2 && r->in[k]; k++)
			set_element(k, r->in[k], i, given[k] = any_element(r->of[k], i));
		wanted[i] = r->want(given[0], given[1], UINT64_C(0xEEEEEEEEEEEEEEEE));
		wanted_bytes[i] = (uint8_t)wanted[i];
	}
}

static void check_answers(const struct row *r, uint32_t isa, const uint8_t *out, size_t first, size_t n)
{
	const void *right = r->out == 8 ? (const void *)(wanted + first) : wanted_bytes + first;

	if (n && memcmp(out, right, r->out * n) != 0) {
		for (size_t i = 0; i < n; i++)
			MUST(element(out, r->out, i) == wanted[first + i], r - rows, isa, i);
	}
}

// whether n bytes are as they were set
static int untouched(const uint8_t *bytes, size_t n)
{
	return n == 0 || (bytes[0] == 0xEE && memcmp(bytes, bytes + 1, n - 1) == 0);
}

// n elements that end at a wall, and n that begin at one; what lies on the output's other side stays
static void check_size(const struct row *r, uint32_t isa, size_t n)
{
	size_t first = MOST - n, index = 77;
	const uint8_t *in[2] = {late[0] + ROOM - r->in[0] * n, late[1] + ROOM - r->in[1] * n};
	uint8_t *out = late[2] + ROOM - r->out * n;

	memset(out - 64, 0xEE, r->out * n + 64);
	MUST(r->run(isa, in[0], in[1], n, out, &index) == MEMTYPE_OK && index == 77, r - rows, isa, n);
	check_answers(r, isa, out, first, n);
	MUST(out[-1] == 0xEE && out[-64] == 0xEE, r - rows, isa, n);
	memset(early[2], 0xEE, r->out * n + 64);
	MUST(r->run(isa, early[0], early[1], n, early[2], NULL) == MEMTYPE_OK, r - rows, isa, n);
	check_answers(r, isa, early[2], 0, n);
	MUST(early[2][r->out * n] == 0xEE && early[2][r->out * n + 63] == 0xEE, r - rows, isa, n);
}

static uint64_t bad_element(const struct row *r)
{
	return r->refusal == MEMTYPE_ETYPE ? 8 + below(2) * 5 : (uint64_t)1 << (m.maxphyaddr - (r->of[0] == GFNS ? 12 : 0));
}

static void check_refused(const struct row *r, uint32_t isa, size_t n, size_t place)
{
	int few = n <= MEMTYPE_CHECKED_FIRST || !r->writes_before;

	for (unsigned by = 0; by <= 8; by += r->out) { // of words also where no cache line begins
		uint8_t *out = early[2] + by;
		size_t index = 77;

		if (by && r->out < 8)
			break;
		memset(out, 0xEE, r->out * n);
		MUST(r->run(isa, early[0], early[1], n, out, &index) == r->refusal && index == place, r - rows, n, index);
		MUST(r->run(isa, early[0], early[1], n, out, NULL) == r->refusal, r - rows, n, place);
		MUST(!few || untouched(out, n * r->out), r - rows, isa, n);
		if (r->out == 8) // SPTEs: none from there on
			MUST(untouched(out + 8 * place, 8 * (n - place)), r - rows, isa, n);
	}
}

static void check_refusal(const struct row *r, uint32_t isa, size_t n, size_t place)
{
	uint64_t kept = element(early[0], r->in[0], place), behind = element(early[0], r->in[0], n - 1);

	set_element(0, r->in[0], place, bad_element(r));
	check_refused(r, isa, n, place);
	set_element(0, r->in[0], n - 1, bad_element(r)); // a second one, which is not named
	check_refused(r, isa, n, place);
	set_element(0, r->in[0], n - 1, behind);
	set_element(0, r->in[0], place, kept);
}

static void check_row(const struct row *r, uint32_t isa, int all)
{
	static const size_t large[] = {97, 127, 128, 129, 191, 255, 256, 511, 512, 513, 577, 1000, 4096, MOST};
	static const size_t refused[][2] = {{1, 0}, {15, 3}, {40, 39}, {64, 0}, {65, 64}, {100, 70}, {511, 200}, {512, 500},
					    {600, 3}, {600, 590}, {4096, 4095}, {4096, 0}, {4097, 4096}, {MOST, 0}, {MOST, 1}, {MOST, 4100}};

	draw_inputs(r);
	for (size_t n = 0; n < (all ? 80 : 20); n++)
		check_size(r, isa, n);
	for (size_t k = 0; k < sizeof(large) / sizeof(*large); k++)
		check_size(r, isa, large[k]);
	for (size_t k = 0; k < sizeof(refused) / sizeof(*refused) && r->refusal; k++)
		check_refusal(r, isa, refused[k][0], refused[k][1]);
}

// --- alignment and overlap ---

static void check_overlap(const struct row *r, uint32_t isa, unsigned which, size_t n)
{
	size_t given = r->in[which] * n, written = r->out * n;
	uint8_t *pool = early[2] + 1024;
	ptrdiff_t step = r->out;

	memset(early[2], 0, 2048);
	for (ptrdiff_t at = -(ptrdiff_t)written - 4 * step; at <= (ptrdiff_t)given + 4 * step; at += step) {
		const void *in[2] = {which == 0 ? pool : early[0], which == 1 ? pool : early[1]};
		int apart = at + (ptrdiff_t)written <= 0 || at >= (ptrdiff_t)given;
		int status = r->run(isa, in[0], in[1], n, pool + at, NULL);

		MUST(status == (apart ? MEMTYPE_OK : MEMTYPE_EBUFFER), r - rows, which, at);
		memset(early[2], 0, 2048);
	}
	for (unsigned by = 1; by < r->in[which]; by++) {
		const void *in[2] = {which == 0 ? pool + by : early[0], which == 1 ? pool + by : early[1]};

		MUST(r->run(isa, in[0], in[1], n, late[2], NULL) == MEMTYPE_EBUFFER, r - rows, which, by);
	}
	for (unsigned by = 1; by < r->out; by++)
		MUST(r->run(isa, early[0], early[1], n, late[2] + by, NULL) == MEMTYPE_EBUFFER, r - rows, isa, by);
}

static void check_places(const struct row *r, uint32_t isa)
{
	size_t index = 77;

	MUST(r->run(isa, NULL, NULL, 0, NULL, &index) == MEMTYPE_OK && index == 77, r - rows, isa, 0);
	draw_inputs(r);
	for (size_t n = 1; n <= 16; n += 15) {
		check_overlap(r, isa, 0, n);
		if (r->in[1])
			check_overlap(r, isa, 1, n);
	}
}

// --- states: every form of the tables ---

static void no_pairs(uint32_t width, uint64_t def_type)
{
	memset(&m, 0, sizeof(m));
	m.maxphyaddr = width;
	m.def_type = def_type;
	m.cap = 0x508;
}

static void add_pair(uint64_t base, uint64_t size, uint64_t type)
{
	m.base[m.variable_count] = base | type;
	m.mask[m.variable_count++] = (((uint64_t)1 << m.maxphyaddr) - size) | 0x800;
}

// ranges from 2^low bytes up, so many, of all types
static void many_pairs(unsigned count, unsigned low)
{
	for (unsigned k = 0; k < count; k++) {
		static const uint8_t types[] = {6, 4, 0, 1, 5, 0x1E, 2};
		uint64_t size = (uint64_t)1 << (low + below(m.maxphyaddr - low));

		add_pair((any() & (((uint64_t)1 << m.maxphyaddr) - 1)) & -size, size, types[k % 7]);
	}
}

static void fill_fixed(unsigned how)
{
	static const uint8_t types[] = {0, 1, 4, 5, 6, 2};

	for (unsigned k = 0; k < 11; k++) {
		uint64_t same = types[below(6)] * UINT64_C(0x0101010101010101);

		for (unsigned b = 0; b < 8; b++)
			m.fixed[k] |= (uint64_t)types[below(6)] << 8 * b;
		if (k >= how)
			m.fixed[k] = same;
	}
	for (unsigned k = 3; k < 11 && how < 4; k++) // 32 KiB each: two make a block of 64 KiB
		m.fixed[k] = m.fixed[k | 1 ? (k - 3) / 2 * 2 + 3 : k];
	if (how == 3) { // by 16 KiB above 0xC0000 too
		for (unsigned k = 3; k < 11; k++)
			m.fixed[k] = (any() & 1 ? UINT64_C(0x0606060601010101) : UINT64_C(0x0404040400000000));
	}
}

#define STATES 20

static void make_state(unsigned number)
{
	// width, default, pairs, their lowest bit, the fixed registers that differ inside (0: off)
	static const struct {
		uint32_t width;
		uint64_t def_type;
		unsigned count, low, fixed;
	} made[STATES] = {
		{20, 0xC00, 0, 0, 11}, {36, 0x006, 3, 20, 0},  {40, 0xC06, 2, 30, 1},  {40, 0xC06, 6, 20, 3},
		{44, 0xC00, 7, 12, 11}, {46, 0xC06, 3, 30, 2}, {46, 0xC06, 3, 30, 1},  {46, 0x806, 9, 20, 0},
		{46, 0xC04, 9, 12, 3}, {48, 0xC06, 2, 24, 1},  {48, 0x800, 20, 21, 0}, {49, 0xC05, 3, 20, 1},
		{50, 0xC06, 3, 30, 11}, {52, 0xC06, 4, 20, 2}, {52, 0xC01, 30, 12, 11}, {52, 0x806, 0, 0, 0},
		{45, 0xC06, 5, 16, 11}, {47, 0x806, 8, 20, 0}, {28, 0xC06, 2, 12, 11}, {40, 0xC06, 1, 14, 11},
	};

	no_pairs(made[number].width, made[number].def_type);
	m.vendor = number % 2;
	m.syscfg = number % 4 == 3 ? 0x600000 : 0;
	m.tom2 = UINT64_C(0x2C0800000) + ((uint64_t)1 << (m.maxphyaddr - 2));
	if (made[number].count)
		many_pairs(made[number].count, made[number].low);
	if (made[number].fixed)
		fill_fixed(made[number].fixed);
	m.mask[m.variable_count] = 0x800; // behind the last: UC everywhere, if somebody looked
}

static void make_ready(void)
{
	static memtype_map kept;

	fleet.pairs = m.variable_count;
	MUST(memtype_fleet_maps(&fleet, &kept) == MEMTYPE_OK, 0, 0, 0);
	fleet_maps = &kept;
	has_map = memtype_resolve_map(&m, &map) == MEMTYPE_OK;
	has_granules = has_map && memtype_granules_build(map.bases, map.types, map.count, m.maxphyaddr, &granules) == MEMTYPE_OK;
	for (size_t k = 0; k < map.count && has_map; k++) {
		gfn_bases[k] = map.bases[k] >> 12;
		leaf_bits[k] = (uint64_t)map.types[k] << 3;
	}
}

static void check_rows(void)
{
	uint32_t best = memtype_isa_best();

	for (unsigned number = 0; number < STATES; number++) {
		make_state(number);
		make_ready();
		EACH_SET(isa) {
			memtype_tables_build(&m, isa, &tables);
			MUST(tables.isa == isa && tables.groups >= 1, number, isa, tables.groups);
			has_map = has_map && memtype_map_tables(&map, m.maxphyaddr, m.vendor, isa, &mapped) == MEMTYPE_OK;
			for (const struct row *r = rows; r < rows + ROWS; r++) {
				int by_state = r->refusal == MEMTYPE_EADDRESS || r->want == want_of_leaves;

				if ((!r->needs || *r->needs) && (by_state || number == 5))
					check_row(r, isa, isa == best || number % 7 == 4);
				if (number == 5)
					check_places(r, isa);
			}
		}
	}
}

// --- the other outputs of arrays ---

static void check_histogram(uint32_t isa)
{
	static uint64_t addresses[3 * MEMTYPE_CHECKED_FIRST + 77];
	static const size_t sizes[] = {0, 1, 7, 8, 9, 100, 4095, 4096, 4097, sizeof(addresses) / 8};
	static const size_t alike[] = {255 * 16, 256 * 16, 255 * 32, 256 * 32};
	uint64_t counts[18];
	size_t index = 77;

	memtype_tables_build(&m, isa, &tables);
	for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
		uint64_t right[16] = {0};

		for (size_t i = 0; i < sizes[k]; i++)
			right[literal_type(&m, addresses[i] = any_element(ADDRESSES, i))]++;
		counts[16] = counts[17] = 77;
		MUST(memtype_histogram(&tables, addresses, sizes[k], counts, &index) == MEMTYPE_OK, isa, sizes[k], 0);
		MUST(memcmp(counts, right, sizeof(right)) == 0 && counts[16] == 77 && index == 77, isa, sizes[k], 0);
	}
	memset(addresses, 0, sizeof(addresses));
	for (unsigned k = 0; k < 4; k++) { // all of one type: as many vectors as a byte counts, and one more
		MUST(memtype_histogram(&tables, addresses, alike[k], counts, NULL) == MEMTYPE_OK, isa, k, 0);
		MUST(counts[literal_type(&m, 0)] == alike[k], isa, k, counts[0]);
	}
	addresses[9000] = UINT64_MAX;
	memset(counts, 0x77, sizeof(counts));
	MUST(memtype_histogram(&tables, addresses, 10000, counts, &index) == MEMTYPE_EADDRESS && index == 9000, isa, index, 0);
	MUST(memtype_histogram(&tables, addresses, 10000, counts, NULL) == MEMTYPE_EADDRESS, isa, 0, 0);
	for (unsigned k = 0; k < 18; k++)
		MUST(counts[k] == UINT64_C(0x7777777777777777), isa, k, counts[k]);
	MUST(memtype_histogram(&tables, addresses, 16, addresses + 15, NULL) == MEMTYPE_EBUFFER, isa, 0, 0);
	MUST(memtype_histogram(&tables, addresses + 15, 16, addresses, NULL) == MEMTYPE_EBUFFER, isa, 0, 0);
	MUST(memtype_histogram(&tables, addresses + 16, 16, addresses, NULL) == MEMTYPE_OK, isa, 0, 0);
	MUST(memtype_histogram(&tables, addresses, 16, (uint64_t *)((uint8_t *)(addresses + 100) + 4), NULL) == MEMTYPE_EBUFFER,
	     isa, 0, 0);
}

// types that no register holds are counted too
static void check_histogram_of_a_map(uint32_t isa)
{
	static const memtype_map odd = {3, {0, 0x2000, 0x5000}, {MEMTYPE_MIXED, MEMTYPE_WB, MEMTYPE_NOT_TOLD}};
	uint64_t addresses[300], counts[16], right[16] = {0};

	MUST(memtype_map_tables(&odd, 36, 0, isa, &mapped) == MEMTYPE_OK, isa, 0, 0);
	for (unsigned i = 0; i < 300; i++) {
		addresses[i] = below(0x8000);
		right[addresses[i] < 0x2000 ? MEMTYPE_MIXED : addresses[i] < 0x5000 ? MEMTYPE_WB : MEMTYPE_NOT_TOLD]++;
	}
	MUST(memtype_histogram(&mapped, addresses, 300, counts, NULL) == MEMTYPE_OK, isa, 0, 0);
	MUST(memcmp(counts, right, sizeof(right)) == 0, isa, 0, 0);
}

static void check_pages_at(uint64_t first, size_t n, int status)
{
	uint8_t *by_tables = late[2] + ROOM - n, *by_map = late[1] + ROOM - n;

	memset(late[2], 0xEE, ROOM);
	memset(late[1], 0xEE, ROOM);
	MUST(memtype_page_types(&tables, first, n, by_tables) == status, first, n, status);
	MUST(memtype_map_page_types(&map, m.maxphyaddr, first, n, by_map) == status, first, n, status);
	for (size_t i = 0; i < n; i++) {
		int right = status ? 0xEE : literal_type(&m, (first + i) << 12);

		MUST(by_tables[i] == right, first, n, i);
		MUST(by_map[i] == right, first, n, i);
	}
	MUST(by_tables[-1] == 0xEE && by_map[-1] == 0xEE, first, n, 0);
}

static void check_pages(uint32_t isa)
{
	uint64_t pages = (uint64_t)1 << (m.maxphyaddr - 12);

	memtype_tables_build(&m, isa, &tables);
	for (unsigned k = 0; k < 40; k++) {
		uint64_t around = map.bases[below(map.count)] >> 12, first = around > 300 ? around - 300 : 0;
		size_t n = (size_t)below(2000);

		n = first + n > pages ? (size_t)(pages - first) : n;
		check_pages_at(first, n, MEMTYPE_OK);
	}
	check_pages_at(pages - 1, 1, MEMTYPE_OK);
	check_pages_at(pages > 513 ? pages - 513 : 0, pages > 513 ? 513 : 1, MEMTYPE_OK);
	check_pages_at(pages - 1, 2, MEMTYPE_EADDRESS);
	check_pages_at(pages, 1, MEMTYPE_EADDRESS);
	check_pages_at(UINT64_MAX, 2, MEMTYPE_EADDRESS);
	check_pages_at(UINT64_MAX, 0, MEMTYPE_OK);
}

// a page has the type of its first byte, wherever in it an edge lies
static void check_pages_with_edges_inside(void)
{
	static memtype_map odd = {3, {0, 0x2000, 0x5000}, {MEMTYPE_WB, MEMTYPE_UC, MEMTYPE_WT}};
	uint8_t types[8];

	for (unsigned by = 0; by < 4096; by += by < 4 || by > 4090 ? 1 : 409) {
		odd.bases[1] = 0x2000 + by;
		odd.bases[2] = 0x5FFF - by;
		odd.bases[3] = 0x6000; // behind the last: no segment
		MUST(memtype_map_page_types(&odd, 36, 0, 8, types) == MEMTYPE_OK, by, 0, 0);
		for (uint64_t k = 0; k < 8; k++) {
			uint64_t a = k << 12;

			MUST(types[k] == odd.types[a < odd.bases[1] ? 0 : a < odd.bases[2] ? 1 : 2], by, k, types[k]);
		}
	}
}

// the first misconfigured leaf is named, at any place
static void check_misconfigured(uint32_t isa)
{
	uint64_t eptes[80];
	uint8_t types[80];

	for (size_t n = 0; n <= 80; n += 1 + n / 7) {
		for (size_t place = 0; place <= n; place += 1 + place / 5) {
			size_t index = 77;

			for (size_t i = 0; i < n; i++)
				eptes[i] = i >= place ? 2 << 3 | i % 2 << 6 : 0x30;
			MUST(memtype_ept_types(isa, eptes, n, types, &index) == MEMTYPE_OK && index == place, isa, n, index);
		}
	}
}

static void check_levels(uint32_t isa)
{
	uint64_t ptes[8], wide[8] = {0};
	uint8_t types[8], other[8];

	memtype_tables_build(&m, isa, &tables);
	for (unsigned k = 0; k < 8; k++)
		ptes[k] = any();
	for (uint32_t level = 0; level < 40; level++) {
		int status = level >= 1 && level <= 3 ? MEMTYPE_OK : MEMTYPE_ELEVEL;
		uint64_t inside = (((uint64_t)1 << m.maxphyaddr) - 1) & ~(((uint64_t)1 << (3 + 9 * (level % 4))) - 1);

		MUST(memtype_pat_indexes(level, isa, ptes, 8, types) == status, level, isa, 0);
		for (unsigned k = 0; k < 8 && !status; k++)
			MUST(types[k] == memtype_pat_index(ptes[k], level), level, isa, k);
		MUST(memtype_pat_types(PAT, level, isa, ptes, 8, types) == status, level, isa, 0);
		MUST(memtype_effective_ept_types(PAT, level, 1, isa, ptes, ptes, 8, types) == status, level, isa, 0);
		for (unsigned k = 0; k < 8 && !status; k++)
			MUST(types[k] == literal_ept(ptes[k] >> 3 & 7, 0, 6, 1), level, isa, k);
		MUST(memtype_effective_types(&tables, PAT, level, wide, ptes, 8, types, NULL) == status, level, isa, 0);
		MUST(memtype_effective_types(&tables, PAT, level, NULL, ptes, 8, types, NULL) == status, level, isa, 0);
		for (unsigned k = 0; k < 8 && !status; k++) { // the page that the leaf maps, spelled out
			wide[k] = ptes[k] & inside;
			memtype_effective_types(&tables, PAT, level, wide, ptes, 8, other, NULL);
			MUST(types[k] == other[k], level, isa, k);
		}
	}
	memtype_pat_types(UINT64_C(0x0302FF0807050406), 1, isa, ptes, 8, types); // reserved entries
	for (unsigned k = 0; k < 8; k++) {
		uint64_t entry = UINT64_C(0x0302FF0807050406) >> 8 * memtype_pat_index(ptes[k], 1) & 0xFF;

		MUST(types[k] == (entry == 4 || entry == 5 || entry == 6 || entry == 7 ? entry : MEMTYPE_UNDEFINED), entry, isa, k);
	}
}

// the page that a leaf of each level maps, where types change at half of it and at its end
static void check_pages_of_leaves(uint32_t isa)
{
	uint64_t leaves[2];
	uint8_t types[2];

	for (uint32_t level = 1; level <= 3; level++) {
		uint64_t size = UINT64_C(8) << 9 * level;

		no_pairs(46, 0x806);
		add_pair(size, size, MEMTYPE_UC);
		if (level > 1)
			add_pair(size / 2, size / 2, MEMTYPE_WT);
		memtype_tables_build(&m, isa, &tables);
		leaves[0] = size;
		leaves[1] = size > 0x1000 ? size / 2 : 0;
		memtype_effective_types(&tables, UINT64_C(0x0606060606060606), level, NULL, leaves, 2, types, NULL);
		MUST(types[0] == MEMTYPE_UC && types[1] == MEMTYPE_WB, isa, level, types[1]);
	}
}

// arrays of types: element i * step of each, whatever the steps
static void check_steps(void)
{
	uint8_t a[40], b[40], c[40], kept[40], types[10];

	for (unsigned k = 0; k < 40; k++) {
		a[k] = (uint8_t)any_element(PAT_TYPES, k);
		b[k] = (uint8_t)any_element(PAT_TYPES, k);
		c[k] = (uint8_t)any_element(MTRR_TYPES, k);
	}
	for (unsigned steps = 0; steps < 64; steps++) {
		size_t s = steps & 3, t = steps >> 2 & 3, u = steps >> 4;

		MUST(memtype_effective_array(1, 0, c, u, a, s, 10, types, NULL) == MEMTYPE_OK, s, t, u);
		for (unsigned i = 0; i < 10; i++)
			MUST(types[i] == literal_effective(1, 0, c[i * u], a[i * s]), s, u, i);
		MUST(memtype_effective_ept_array(0, c, u, b, t, a, s, 10, types, NULL) == MEMTYPE_OK, s, t, u);
		for (unsigned i = 0; i < 10; i++)
			MUST(types[i] == literal_ept(c[i * u], b[i * t] != 0, a[i * s], 0), s, u, i);
		MUST(memtype_effective_npt_array(0, 0, a, s, b, t, c, u, 10, types, NULL) == MEMTYPE_OK, s, t, u);
		for (unsigned i = 0; i < 10; i++)
			MUST(types[i] == literal_npt(a[i * s], b[i * t], c[i * u], 0, 0), s, t, i);
		MUST(memtype_effective_npt_array(0, 0, a, s, b, t, c, u, 10, a + (s ? 9 * s : 0), NULL) == MEMTYPE_EBUFFER, s, t, u);
		memcpy(kept, a, sizeof(kept));
		MUST(memtype_effective_npt_array(0, 0, kept, s, b, t, c, u, 10, kept + 9 * s + 1, NULL) == MEMTYPE_OK, s, t, u);
	}
}

// --- maps that are no register file's: edges inside a page, many values, many segments ---

static void check_own_map(uint32_t isa, size_t count, uint64_t unit, uint64_t from, unsigned values, uint32_t width)
{
	static uint64_t bases[600], addresses[2000];
	static uint8_t kinds[600], types[2000];

	for (size_t k = 0; k < count; k++) {
		bases[k] = k ? from + (k - 1) * unit : 0;
		kinds[k] = (uint8_t)(k % values);
	}
	for (size_t i = 0; i < 2000; i++) {
		addresses[i] = i % 3 ? below(from + count * unit) : bases[below(count)] - (i % 2 && i % 5);
		addresses[i] &= ((uint64_t)1 << width) - 1;
	}
	MUST(memtype_map_types(bases, kinds, count, width, isa, addresses, 2000, types, NULL) == MEMTYPE_OK, isa, count, unit);
	for (size_t i = 0; i < 2000; i++) {
		size_t k = count - 1;

		while (bases[k] > addresses[i])
			k--;
		MUST(types[i] == kinds[k], isa, addresses[i], k);
	}
	if (memtype_granules_build(bases, kinds, count, width, &granules) == MEMTYPE_OK && values <= 16) {
		memset(types, 0xEE, sizeof(types));
		memtype_granules_types(&granules, addresses, 2000, types, NULL);
		for (size_t i = 0; i < 2000; i++) {
			size_t k = count - 1;

			while (bases[k] > addresses[i])
				k--;
			MUST(types[i] == kinds[k], isa, addresses[i], k);
		}
	}
}

static void check_own_maps(uint32_t isa)
{
	static memtype_map small = {3, {0, 0x1800, 0x5001}, {6, 0, 1}};
	uint8_t pages[8];

	for (size_t count = 1; count < 600; count += 1 + count / 3) {
		check_own_map(isa, count, 0x1000, 0x1000, 5, 40);
		check_own_map(isa, count, UINT64_C(1) << 30, UINT64_C(1) << 30, 12, 52);
		check_own_map(isa, count, 0x3000, 0x100000, 3, 44);
		check_own_map(isa, count, 0x40000000, 0x10000, 16, 46);
		check_own_map(isa, count, 0x777, 0x1800, 4, 36);
		check_own_map(isa, count, UINT64_C(0x83456000), UINT64_C(0x12345000), 2, 47);
		check_own_map(isa, count, 0x200000, 0x200000, 20, 40);
	}
	check_own_map(isa, 16, 0x10000, 0x10000, 16, 20);
	check_own_map(isa, 200, 0x1000, 0x1000, 2, 20);
	check_own_map(isa, 256, 0x200000, 0x200000, 2, 40);
	check_own_map(isa, 257, 0x200000, 0x200000, 2, 40);
	MUST(memtype_map_page_types(&small, 36, 0, 8, pages) == MEMTYPE_OK, 0, 0, 0);
	for (unsigned k = 0; k < 8; k++) // a page has the type of its first byte
		MUST(pages[k] == (k * 0x1000u < 0x1800 ? 6 : k * 0x1000u < 0x5001 ? 0 : 1), k, pages[k], 0);
	MUST(memtype_map_tables(&small, 36, 0, isa, &mapped) == MEMTYPE_ESHATTERED, isa, 0, 0);
	small.bases[1] = 0x2000;
	small.bases[2] = 0x5000;
	MUST(memtype_map_tables(&small, 36, 1, isa, &mapped) == MEMTYPE_OK && mapped.vendor == 1, isa, 0, 0);
	MUST(mapped.maxphyaddr == 36, isa, 0, 0);
	small.bases[1] = 0x1800;
	small.bases[2] = 0x5001;
}

// the arrays of a map share no byte with the output, and are aligned
static void check_map_overlaps(uint32_t isa)
{
	static uint64_t room[64], apart[64], zero[8];
	static uint8_t kinds[8];
	uint8_t *bytes = (uint8_t *)room;
	size_t count;

	for (int at = -16; at <= 32; at++) { // two bases in bytes 128 to 143
		int there = at + 4 > 0 && at < 16;
		int status = memtype_map_types(room + 16, kinds, 1 + (at > 0), 40, isa, zero, 4, bytes + 128 + at, NULL);

		there = at > 0 ? there : at + 4 > 0 && at < 8;
		MUST(status == (there ? MEMTYPE_EBUFFER : MEMTYPE_OK), isa, at, status);
		status = memtype_map_types(zero, bytes + 128, 2, 40, isa, zero, 4, bytes + 128 + at, NULL);
		MUST(status == (at + 4 > 0 && at < 2 ? MEMTYPE_EBUFFER : MEMTYPE_OK), isa, at, status);
		memset(room, 0, sizeof(room));
	}
	for (int at = -6; at <= 6; at++) { // one base, one word of bits at word 16; four words are written
		int there = at + 4 > 0 && at < 1;

		MUST(memtype_leaf_bits(room + 16, apart, 1, 40, isa, zero, 4, room + 16 + at, NULL) ==
			     (there ? MEMTYPE_EBUFFER : MEMTYPE_OK), isa, at, 0);
		MUST(memtype_leaf_bits(zero, room + 16, 1, 40, isa, zero, 4, room + 16 + at, NULL) ==
			     (there ? MEMTYPE_EBUFFER : MEMTYPE_OK), isa, at, 1);
		memset(room, 0, sizeof(room));
		make_state(15);
		MUST(memtype_resolve(&m, room + 16, bytes + 128 + 8 * at, 1, &count) == (at == 0 ? MEMTYPE_EBUFFER : MEMTYPE_OK), at,
		     0, 0);
		memset(room, 0, sizeof(room));
	}
	MUST(memtype_resolve(&m, (uint64_t *)(void *)(bytes + 4), kinds, 4, &count) == MEMTYPE_EBUFFER, 0, 0, 0);
	MUST(memtype_leaf_bits((uint64_t *)(void *)(bytes + 4), apart, 1, 40, isa, zero, 4, apart + 8, NULL) == MEMTYPE_EBUFFER, 0, 0, 0);
	MUST(memtype_map_types((uint64_t *)(void *)(bytes + 4), kinds, 1, 40, isa, zero, 4, kinds + 4, NULL) == MEMTYPE_EBUFFER, 0, 0, 0);
}

// leaves whose bits do not fit a byte, and maps of more segments than tables take, are searched
// leaves addresses of pages, in order, where the next call has its arrays: what it does not set itself looks like a map
static uint64_t __attribute__((noinline)) spoil_stack(void)
{
	volatile uint64_t room[1u << 14];

	for (unsigned k = 0; k < 1u << 14; k++)
		room[k] = (uint64_t)k << 20;
	return room[below(1024)];
}

static void check_own_leaves(uint32_t isa, size_t count, uint64_t bits)
{
	static uint64_t bases[600], values[600], gfns[700], words[700];
	const uint64_t field = bits | bits << 1;

	for (size_t k = 0; k < count; k++) {
		bases[k] = k * 0x100;
		values[k] = (k % 3 ? k % 3 : bits > 0xFF) * bits; // all of them beyond a byte, or none
	}
	for (size_t i = 0; i < 700; i++) {
		gfns[i] = below(count * 0x100 + 50);
		words[i] = UINT64_MAX;
	}
	spoil_stack();
	MUST(memtype_leaf_fill(bases, values, count, field, 46, isa, gfns, 700, words, NULL) == MEMTYPE_OK, isa, count, bits);
	for (size_t i = 0; i < 700; i++) {
		size_t k = gfns[i] / 0x100 < count ? gfns[i] / 0x100 : count - 1;

		MUST(words[i] == (~field | values[k]), isa, i, bits);
		words[i] = UINT64_MAX;
	}
	MUST(memtype_leaf_bits(bases, values, count, 46, isa, gfns, 700, words, NULL) == MEMTYPE_OK, isa, count, bits);
	for (size_t i = 0; i < 700; i++)
		MUST(words[i] == values[gfns[i] / 0x100 < count ? gfns[i] / 0x100 : count - 1], isa, i, bits);
}

// Gfns that all are one bit, of which a kernel may look at some alone: in maps of one group and of more, with pages below
// 1 MiB and without, of every width.
static void check_gfns_of_one_bit(uint32_t isa)
{
	static const uint64_t maps[5][6] = {{0, 1}, {0, 1, 1 << 8}, {0, 1 << 20}, {0, 1, 1 << 14, 1 << 20, 3 << 20, 1 << 22},
					    {0, 0x80, 0xF1, 1 << 8, 1 << 14, 3 << 20}};
	static const uint64_t bits[] = {8, 16, 24, 32, 40, 48};
	static const size_t counts[] = {2, 3, 2, 6, 6};
	static uint64_t gfns[520], words[520];

	for (unsigned n = 0; n < 17 * 5 * 40; n++) {
		uint32_t width = 36 + n / 200;
		unsigned how = n / 40 % 5, bit = n % 40;
		size_t k = counts[how] - 1;

		if (bit >= width - 12)
			continue;
		for (size_t i = 0; i < 520; i++) {
			gfns[i] = UINT64_C(1) << bit;
			words[i] = UINT64_MAX;
		}
		while (maps[how][k] > gfns[0])
			k--;
		MUST(memtype_leaf_fill(maps[how], bits, counts[how], 0x78, width, isa, gfns, 520, words, NULL) == MEMTYPE_OK, isa, width,
		     bit);
		MUST(words[0] == (~UINT64_C(0x78) | bits[k]), isa, width, bit);
		MUST(memcmp(words, words + 1, 519 * 8) == 0, isa, width, bit);
	}
	for (size_t at = 0; at < 520; at += 37) { // one that is refused, and none behind it
		uint64_t kept = gfns[at];
		size_t index = 77;

		gfns[at] = UINT64_C(1) << 40;
		MUST(memtype_leaf_fill(maps[0], bits, 2, 0x78, 52, isa, gfns, 520, words, &index) == MEMTYPE_EADDRESS, isa, at, index);
		MUST(index == at, isa, at, index);
		gfns[at] = kept;
	}
}

// --- granules: what does not fit ---

// a segment from the second part of one granule to the first of the next, and one whose last part is the granule's
static void check_granules_across(void)
{
	static const uint64_t bases[] = {0, 0x200000, 0x40200000, 0x7FE00000};
	static const uint8_t types[] = {MEMTYPE_WB, MEMTYPE_WC, MEMTYPE_WT, MEMTYPE_WP};

	MUST(memtype_granules_build(bases, types, 4, 40, &granules) == MEMTYPE_OK && granules.blocks == 2, granules.blocks, 0, 0);
	for (uint64_t a = 0; a < 0x100000000; a += 0x100000) {
		unsigned k = 3;
		uint8_t found;

		while (bases[k] > a)
			k--;
		MUST(memtype_granules_types(&granules, &a, 1, &found, NULL) == MEMTYPE_OK && found == types[k], a, found, k);
	}
}

static void check_granules(void)
{
	static uint64_t bases[300] = {0, 0x1000, 0x2000};
	static uint8_t types[300] = {6, 15, 0};
	uint64_t page;
	uint8_t found;
	size_t count = 1;

	MUST(memtype_granules_build(bases, types, 3, 20, &granules) == MEMTYPE_OK && granules.maxphyaddr == 20, 0, 0, 0);
	memset(&granules, 0, sizeof(granules));
	MUST(memtype_granules_build(bases, types, 1, 20, &granules) == MEMTYPE_OK && granules.blocks == 0, granules.blocks, 0, 0);
	check_granules_across();
	types[2] = 16;
	MUST(memtype_granules_build(bases, types, 3, 40, &granules) == MEMTYPE_ESHATTERED, 0, 0, 0);
	types[2] = 0;
	bases[2] = 0x2800;
	MUST(memtype_granules_build(bases, types, 3, 40, &granules) == MEMTYPE_ESHATTERED, 0, 0, 0);
	bases[2] = UINT64_C(1) << 40;
	MUST(memtype_granules_build(bases, types, 3, 40, &granules) == MEMTYPE_OK, 0, 0, 0);
	bases[2] += 0x1000;
	MUST(memtype_granules_build(bases, types, 3, 40, &granules) == MEMTYPE_ESHATTERED, 0, 0, 0);
	for (uint32_t width = 46; width <= 47; width++) {
		for (count = 1; count < 300; count++) { // an edge inside each granule of 1 GiB: a block for 2 MiB, one for 4 KiB
			bases[count] = count * (UINT64_C(1) << 30) + (width == 46 ? 0x200000 : 0);
			types[count] = count & 1;
			if (memtype_granules_build(bases, types, count + 1, width, &granules) != MEMTYPE_OK)
				break;
		}
		MUST(count == (width == 46 ? 241 : 300), width, count, granules.blocks);
	}
	for (count = 1; count < 200; count++) // by pages: two blocks each
		bases[count] = count * (UINT64_C(1) << 30) + 0x1000;
	MUST(memtype_granules_build(bases, types, 121, 46, &granules) == MEMTYPE_OK && granules.blocks == 240, granules.blocks, 0, 0);
	page = bases[120];
	memtype_granules_types(&granules, &page, 1, &found, NULL);
	MUST(found == types[120], found, 0, 0);
	page = bases[120] - 1;
	memtype_granules_types(&granules, &page, 1, &found, NULL);
	MUST(found == types[119], found, 0, 0);
	MUST(memtype_granules_build(bases, types, 122, 46, &granules) == MEMTYPE_ESHATTERED, granules.blocks, 0, 0);
}

// --- several states ---

#define FEW 37 /* states: two full blocks of sixteen, and five */
#define CROWD 85 /* pairs of each: three states have 255 of a block, whose end is written four at a time; four do not fit */

static struct {
	uint64_t def_type[FEW], fixed[FEW * 11], base[FEW * CROWD], mask[FEW * CROWD], cap[FEW], syscfg[FEW], tom2[FEW];
	uint32_t vendor[FEW], width[FEW];
	memtype_mtrrs each[FEW];
} held;

#define ALL_VALID 4 /* one of the kinds, else some are not */

static memtype_fleet make_fleet(size_t pairs, unsigned kind)
{
	memtype_fleet f = {FEW, pairs, held.def_type, held.fixed, held.base, held.mask, held.cap, held.syscfg, held.tom2,
			   held.vendor, held.width};

	for (size_t i = 0; i < FEW; i++) {
		static const uint32_t widths[] = {46, 40, 52, 36, 44, 20};
		static const unsigned lows[] = {30, 14, 12, 31};

		make_state((unsigned)(i % STATES));
		no_pairs(widths[(i / 4 + kind) % 6], m.def_type);
		fill_fixed(i % 12);
		m.vendor = i % 2;
		m.syscfg = i % 4 == 1 ? 0x600000 : 0;
		m.tom2 = any() & (((uint64_t)1 << m.maxphyaddr) - 1);
		m.tom2 = i % 8 == 5 ? m.tom2 & -(UINT64_C(1) << 30) : m.tom2;
		m.cap = i % 9 ? 0x508 : 0;
		many_pairs((unsigned)pairs, lows[(kind + i / 2) % 4] < m.maxphyaddr ? lows[(kind + i / 2) % 4] : 12);
		for (size_t k = 0; k < pairs; k++)
			m.mask[k] ^= kind == ALL_VALID || below(6) ? 0 : (below(2) ? 0x800 : 0) | UINT64_C(1) << (m.maxphyaddr - 1);
		held.each[i] = m;
		held.def_type[i] = m.def_type;
		held.cap[i] = m.cap;
		held.syscfg[i] = m.syscfg;
		held.tom2[i] = m.tom2;
		held.vendor[i] = m.vendor;
		held.width[i] = m.maxphyaddr;
		memcpy(held.fixed + 11 * i, m.fixed, sizeof(m.fixed));
		memcpy(held.base + pairs * i, m.base, pairs * 8);
		memcpy(held.mask + pairs * i, m.mask, pairs * 8);
	}
	return f;
}

// some valid range is not one block: a bit that is not compared lies above one that is
static int holey(const memtype_mtrrs *state)
{
	for (unsigned k = 0; k < state->variable_count; k++) {
		int seen = 0;

		for (unsigned bit = 12; bit < state->maxphyaddr && state->mask[k] >> 11 & 1; bit++) {
			int compared = state->mask[k] >> bit & 1;

			if (seen && !compared)
				return 1;
			seen |= compared;
		}
	}
	return 0;
}

// a state has a map, the one it has alone, unless a range of it is holey or the map is too large
static void check_fleet_maps(const memtype_map *maps, size_t pairs)
{
	static memtype_map alone;

	for (size_t i = 0; i < FEW; i++) {
		int fits = memtype_resolve_map(&held.each[i], &alone) == MEMTYPE_OK && !holey(&held.each[i]);

		MUST(fits ? maps[i].count == alone.count : maps[i].count == 0, i, pairs, maps[i].count);
		for (size_t k = 0; k < maps[i].count; k++)
			MUST(maps[i].bases[k] == alone.bases[k] && maps[i].types[k] == alone.types[k], i, pairs, k);
	}
}

static void check_fleet_of(uint32_t isa, size_t pairs, size_t n, unsigned kind)
{
	static uint64_t addresses[FEW * 140];
	static uint32_t ids[FEW * 140];
	static uint8_t right[FEW * 140];
	static memtype_map maps[FEW + 1];
	memtype_fleet f = make_fleet(pairs, kind);
	size_t index = 77, all = FEW * n;
	uint8_t *types = late[2] + ROOM - all;

	for (size_t i = 0; i < all; i++) {
		m = held.each[i / n];
		ids[i] = (uint32_t)(i / n);
		addresses[i] = any_element(ADDRESSES, i);
		right[i] = (uint8_t)literal_type(&m, addresses[i]);
	}
	memset(late[2], 0xEE, ROOM);
	MUST(memtype_fleet_types(&f, isa, addresses, n, n, types, &index) == MEMTYPE_OK && index == 77, isa, pairs, n);
	MUST(memcmp(types, right, all) == 0 && types[-1] == 0xEE, isa, pairs, n);
	maps[FEW].count = SIZE_MAX;
	MUST(memtype_fleet_maps(&f, maps) == MEMTYPE_OK && maps[FEW].count == SIZE_MAX, isa, pairs, n);
	check_fleet_maps(maps, pairs);
	for (unsigned by_maps = 0; by_maps < 2; by_maps++) {
		memset(late[2], 0xEE, ROOM);
		MUST(memtype_types_by(&f, by_maps ? maps : NULL, ids, addresses, all, types, &index) == MEMTYPE_OK, isa, pairs, n);
		MUST(memcmp(types, right, all) == 0 && index == 77, isa, pairs, n);
	}
	for (size_t i = 0; i < all; i++) // and all of the addresses of the first states, shared by all that are as wide
		addresses[i] &= 0xFFFFF;
	MUST(memtype_fleet_types(&f, isa, addresses, 0, n, types, &index) == MEMTYPE_OK, isa, pairs, n);
	for (size_t i = 0; i < all; i++)
		MUST(types[i] == literal_type(&held.each[i / n], addresses[i % n]), isa, i / n, i);
	addresses[n * 20 + n / 2] = UINT64_MAX;
	addresses[n * 21] = UINT64_MAX;
	MUST(memtype_fleet_types(&f, isa, addresses, n, n, types, &index) == MEMTYPE_EADDRESS, isa, pairs, n);
	MUST(index == n * 20 + n / 2, isa, n, index);
	for (size_t i = 0; i < n * 20 && all > MEMTYPE_CHECKED_FIRST; i++) // the rows before it are written
		MUST(types[i] == literal_type(&held.each[i / n], addresses[i]), isa, i / n, i);
}

// one pair alone looks at bits from `low` on, all others at the highest sixteen: whichever it is, keys hold its bits
static void check_one_fine_pair(uint32_t isa, uint32_t width, size_t pairs, size_t fine, unsigned low)
{
	static uint64_t addresses[65];
	static uint8_t types[65];
	uint64_t pages = ((uint64_t)1 << width) - 1;
	size_t index = 77;

	no_pairs(width, 0x806);
	m.variable_count = (uint32_t)pairs;
	for (size_t k = 0; k < pairs; k++) {
		m.base[k] = (k + 1) << (width - 16) | (k & 1 ? 4 : 0);
		m.mask[k] = (pages & -((uint64_t)1 << (width - 16))) | 0x800;
	}
	m.base[fine] = UINT64_C(99) << (width - 16) | (uint64_t)1 << low;
	m.mask[fine] = (pages & -((uint64_t)1 << low)) | 0x800;
	for (size_t j = 0; j < 65; j++)
		addresses[j] = (m.base[fine] + (j % 16) * 0x1000 - (j & 16 ? 0x4000 : 0) - (j & 32 ? any() : 0)) & pages;
	fleet.pairs = pairs;
	for (size_t n = 64; n <= 65; n++) {
		MUST(memtype_fleet_types(&fleet, isa, addresses, n, n, types, &index) == MEMTYPE_OK, isa, pairs, fine);
		for (size_t j = 0; j < n; j++)
			MUST(types[j] == literal_type(&m, addresses[j]), isa, fine, j);
	}
}

static void check_fleet_refusals(uint32_t isa)
{
	memtype_fleet f = make_fleet(3, 0);
	uint64_t addresses[2] = {0, 0};
	uint8_t types[2 * FEW];
	uint32_t ids[2] = {0, FEW};
	size_t index = 77;
	static memtype_map maps[FEW];

	memset(types, 0xEE, sizeof(types));
	for (unsigned k = 0; k < 4; k++) {
		static const uint32_t widths[] = {19, 53, 0, UINT32_MAX};

		f = make_fleet(3, 0);
		held.width[FEW - 1] = held.width[5] = widths[k];
		MUST(memtype_fleet_types(&f, isa, addresses, 0, 2, types, &index) == MEMTYPE_EREGISTERS && index == 5, isa, k, index);
		MUST(memtype_fleet_types(&f, isa, addresses, 0, 2, types, NULL) == MEMTYPE_EREGISTERS, isa, k, 0);
		MUST(memtype_fleet_types(&f, isa, addresses, 0, 0, types, &index) == MEMTYPE_EREGISTERS && index == 5, isa, k, index);
		ids[1] = 5;
		MUST(memtype_fleet_maps(&f, maps) == MEMTYPE_OK && maps[5].count == 0, isa, k, 0);
		MUST(memtype_types_by(&f, maps, ids, addresses, 2, types, &index) == MEMTYPE_EREGISTERS && index == 1, isa, k, index);
		MUST(memtype_types_by(&f, NULL, ids, addresses, 2, types, NULL) == MEMTYPE_EREGISTERS, isa, k, 0);
	}
	f = make_fleet(3, 0);
	f.states = FEW - 1; // there is one more, that is none of these
	for (ids[1] = FEW - 1; ids[1] < FEW + 3; ids[1]++)
		MUST(memtype_types_by(&f, NULL, ids, addresses, 2, types, &index) == MEMTYPE_EREGISTERS && index == 1, isa, ids[1], 0);
	held.width[FEW - 1] = 53;
	MUST(memtype_fleet_types(&f, isa, addresses, 0, 2, types, NULL) == MEMTYPE_OK, isa, 0, 0);
	held.width[0] = 53;
	MUST(memtype_fleet_types(&f, isa, addresses, 0, 2, types, &index) == MEMTYPE_EREGISTERS && index == 0, isa, index, 0);
	held.width[0] = 52;
	MUST(memtype_fleet_types(&f, isa, (uint64_t *)(void *)(types + 1), 0, 0, types, NULL) == MEMTYPE_OK, isa, 0, 1);
	f.states = 0;
	MUST(memtype_fleet_types(&f, isa, (uint64_t *)(void *)(types + 1), 0, 2, types, NULL) == MEMTYPE_OK, isa, 0, 2);
	memset(types, 0xEE, sizeof(types));
	f.states = FEW;
	f.pairs = 256;
	MUST(memtype_fleet_types(&f, isa, addresses, 0, 2, types, &index) == MEMTYPE_EREGISTERS && index == 0, isa, index, 0);
	for (size_t n = 1; n < 3; n++)
		MUST(memtype_types_by(&f, NULL, ids, addresses, n, types, &index) == MEMTYPE_EREGISTERS && index == 0, isa, index, n);
	MUST(memtype_types_by(&f, NULL, NULL, NULL, 0, NULL, &index) == MEMTYPE_OK, isa, 0, 0);
	MUST(memtype_fleet_maps(&f, maps) == MEMTYPE_EREGISTERS, isa, 0, 0);
	for (size_t i = 0; i < sizeof(types); i++)
		MUST(types[i] == 0xEE, isa, i, types[i]);
	f.states = 0;
	f.pairs = 3;
	MUST(memtype_fleet_types(&f, isa, NULL, 2, 2, NULL, &index) == MEMTYPE_OK, isa, 0, 0);
	f.states = 2; // 255 pairs are allowed, and two such states are made ready one at a time
	f = make_fleet(6, 1);
	f.states = 2;
	f.pairs = 111;
	MUST(memtype_fleet_types(&f, isa, addresses, 0, 2, types, &index) == MEMTYPE_OK, isa, 0, 0);
}

// an output, or an address, that lies in a column of the fleet
static void check_fleet_overlaps(uint32_t isa)
{
	static uint64_t room[16], zeros[64];
	static uint32_t half[16], widths[2] = {40, 40}, no_ids[2];
	static uint8_t apart[16];
	uint64_t addresses[2] = {0, 0};

	for (unsigned column = 0; column < 9; column++) {
		memtype_fleet f = {2, 2, zeros, zeros, zeros, zeros, zeros, zeros, zeros, half, widths};
		const uint64_t **words[] = {&f.def_type, &f.fixed, &f.base, &f.mask, &f.cap, &f.syscfg, &f.tom2};
		size_t elements[] = {2, 22, 4, 4, 2, 2, 2};
		static uint64_t own[64];
		uint8_t *first = (uint8_t *)own + 64, *end;

		for (unsigned k = 0; k < 64; k++)
			own[k] = column == 8 ? UINT64_C(0x2800000028) : 0;
		if (column < 7)
			*words[column] = (const uint64_t *)(const void *)first;
		else if (column == 7)
			f.vendor = (const uint32_t *)(const void *)first;
		else
			f.maxphyaddr = (const uint32_t *)(const void *)first;
		end = first + (column < 7 ? 8 * elements[column] : 8);
		MUST(memtype_fleet_types(&f, isa, addresses, 0, 2, end - 1, NULL) == MEMTYPE_EBUFFER, isa, column, 0);
		MUST(memtype_fleet_types(&f, isa, addresses, 0, 2, first - 3, NULL) == MEMTYPE_EBUFFER, isa, column, 1);
		MUST(memtype_fleet_types(&f, isa, addresses, 0, 2, end, NULL) == MEMTYPE_OK, isa, column, 2);
		MUST(memtype_fleet_types(&f, isa, addresses, 0, 2, first - 4, NULL) == MEMTYPE_OK, isa, column, 3);
		MUST(memtype_types_by(&f, NULL, no_ids, addresses, 2, end - 1, NULL) == MEMTYPE_EBUFFER, isa, column, 4);
		MUST(memtype_types_by(&f, NULL, no_ids, addresses, 2, end, NULL) == MEMTYPE_OK, isa, column, 5);
		if (column < 7)
			*words[column] = (const uint64_t *)(const void *)(first + 4);
		else if (column == 7)
			f.vendor = (const uint32_t *)(const void *)(first + 2);
		else
			f.maxphyaddr = (const uint32_t *)(const void *)(first + 2);
		MUST(memtype_fleet_types(&f, isa, addresses, 0, 2, apart, NULL) == MEMTYPE_EBUFFER, isa, column, 6);
	}
	for (unsigned step = 0; step < 4; step++) { // addresses given: (states - 1) * step + n
		memtype_fleet f = {2, 2, zeros, zeros, zeros, zeros, zeros, zeros, zeros, half, widths};
		uint8_t *end = (uint8_t *)(room + step + 2);

		memset(room, 0, sizeof(room));
		MUST(memtype_fleet_types(&f, isa, room, step, 2, end - 1, NULL) == MEMTYPE_EBUFFER, isa, step, 0);
		MUST(memtype_fleet_types(&f, isa, room, step, 2, end, NULL) == MEMTYPE_OK, isa, step, 1);
	}
}

// one state with all of the pairs that a processor can have
static void check_fleet_of_all_pairs(uint32_t isa)
{
	static memtype_map *map_of_one; // up to a wall
	static uint32_t ids[255];
	static uint64_t addresses[255];
	static uint8_t right[255], types[255];

	no_pairs(46, 0x806);
	for (uint64_t k = 0; k < 255; k++) {
		right[k] = k < 3 ? MEMTYPE_UC : k == 254 ? MEMTYPE_WC : MEMTYPE_WT;
		addresses[k] = k << 30;
		add_pair(addresses[k], UINT64_C(1) << 30, right[k]);
	}
	fleet.pairs = m.variable_count;
	if (!map_of_one)
		map_of_one = (memtype_map *)(void *)(walled_room() + ROOM) - 1;
	MUST(memtype_fleet_maps(&fleet, map_of_one) == MEMTYPE_OK && map_of_one->count == 4, isa, map_of_one->count, 0);
	for (unsigned by_map = 0; by_map < 2; by_map++) {
		const memtype_map *maps = by_map ? map_of_one : NULL;

		MUST(memtype_types_by(&fleet, maps, ids, addresses, 255, types, NULL) == MEMTYPE_OK, isa, by_map, 0);
		MUST(memcmp(types, right, 255) == 0, isa, by_map, 0);
	}
	MUST(memtype_fleet_types(&fleet, isa, addresses, 255, 255, types, NULL) == MEMTYPE_OK, isa, 0, 1);
	MUST(memcmp(types, right, 255) == 0, isa, 0, 1);
}

// [4 GiB, TOM2) of a state without pairs begins and ends where it says
static void check_tom2_edges(uint32_t isa)
{
	const uint64_t gib4 = UINT64_C(1) << 32, addresses[] = {gib4 - 1, gib4, gib4 * 2 - 1, gib4 * 2};
	static const uint32_t ids[4];
	static uint32_t *width; // up to a wall
	memtype_fleet one = fleet;
	uint8_t types[4];

	if (!width)
		width = (uint32_t *)(void *)(walled_room() + ROOM) - 1;
	no_pairs(46, 0x800);
	*width = m.maxphyaddr;
	one.maxphyaddr = width;
	m.vendor = MEMTYPE_AMD;
	m.syscfg = 0x600000;
	m.tom2 = gib4 * 2;
	one.pairs = 0;
	for (unsigned by = 0; by < 2; by++) {
		int status = by ? memtype_types_by(&one, NULL, ids, addresses, 4, types, NULL)
				: memtype_fleet_types(&one, isa, addresses, 4, 4, types, NULL);

		MUST(status == MEMTYPE_OK && !types[0] && types[1] == 6 && types[2] == 6 && !types[3], isa, by, types[1]);
	}
}

// the second of two states with all pairs has no such width
static void check_unfit_second(uint32_t isa)
{
	static const uint64_t zeros[2 * 255];
	static const uint32_t none[2], widths[2] = {40, 53};
	memtype_fleet f = {2, 255, zeros, zeros, zeros, zeros, zeros, zeros, zeros, none, widths};
	size_t index = 77;
	uint8_t types[2];

	MUST(memtype_fleet_types(&f, isa, zeros, 0, 1, types, &index) == MEMTYPE_EREGISTERS && index == 1, isa, index, 0);
}

// from each place on no state has such a width; they end at a wall
static void check_unfit_from(uint32_t isa)
{
	static const uint64_t zeros[11 * 40];
	static const uint32_t none[40];
	static uint32_t *end;
	uint8_t types[40];

	if (!end)
		end = (uint32_t *)(void *)(walled_room() + ROOM);
	for (size_t n = 1; n <= 40; n++) {
		for (size_t place = 0; place <= n; place++) {
			memtype_fleet f = {n, 0, zeros, zeros, zeros, zeros, zeros, zeros, zeros, none, end - n};
			size_t index = 77;
			int status;

			for (size_t k = 0; k < n; k++)
				end[k - n] = k < place ? 20 + (uint32_t)k % 33 : place % 2 ? 19 : 53;
			status = memtype_fleet_types(&f, isa, zeros, 0, 1, types, &index);
			MUST(place == n ? status == MEMTYPE_OK : status == MEMTYPE_EREGISTERS && index == place, isa, n, place);
		}
	}
}

static void check_fleets(uint32_t isa)
{
	static const size_t sizes[] = {1, 8, 16, 31, 32, 33, 63, 64, 65, 100, 128, 130};

	for (unsigned kind = 0; kind < 4; kind++) {
		for (unsigned k = 0; k < 12; k++)
			check_fleet_of(isa, (k * 3 + kind) % 9 + (k == 11 ? 20 : 0), sizes[k], kind);
	}
	check_fleet_of(isa, CROWD, 10, ALL_VALID);
	for (size_t k = 0; k < 26 * 26; k++) {
		if (k % 26 < k / 26) {
			check_one_fine_pair(isa, 46, k / 26, k % 26, k & 1 ? 12 : 14);
			check_one_fine_pair(isa, 30, k / 26, k % 26, k & 1 ? 12 : 13);
		}
	}
	check_fleet_of_all_pairs(isa);
	check_tom2_edges(isa);
	check_unfit_second(isa);
	check_unfit_from(isa);
	check_fleet_refusals(isa);
	check_fleet_overlaps(isa);
}

// --- outputs past the caches ---

// Two ranges that differ in one bit, of any size: they become one cube, which is their type and no other's.
static void check_neighbours(void)
{
	const uint64_t width = UINT64_C(1) << 46;

	for (unsigned size = 12; size < 46; size++) {
		for (unsigned bit = size; bit < 46; bit++) {
			uint64_t base = any() & (width - (UINT64_C(1) << size));
			uint64_t at[] = {base, base ^ UINT64_C(1) << bit, base ^ UINT64_C(1) << (bit > size ? size : 45)};
			uint8_t types[3];

			memset(&m, 0, sizeof(m));
			m.def_type = 0x800;
			m.maxphyaddr = 46;
			m.variable_count = 2;
			for (unsigned k = 0; k < 2; k++) {
				m.base[k] = at[k] | 6;
				m.mask[k] = (width - (UINT64_C(1) << size)) | 0x800;
			}
			memtype_tables_build(&m, MEMTYPE_PORTABLE, &tables);
			MUST(tables.cubes == 1, size, bit, base);
			MUST(memtype_types(&tables, at, 3, types, NULL) == MEMTYPE_OK, size, bit, base);
			MUST(types[0] == 6 && types[1] == 6 && types[2] == memtype_at(&m, at[2]), size, bit, base);
		}
	}
}

#define LARGE ((size_t)(1u << 21) + 130)
#define PERIOD 4099u

static void check_periods(const uint8_t *types, const uint8_t *right, size_t n, uint32_t isa)
{
	for (size_t i = 0; i < n; i += PERIOD)
		MUST(memcmp(types + i, right, n - i < PERIOD ? n - i : PERIOD) == 0, isa, i, n);
}

// where the core has the address sanitizer: nothing reads or writes what lies there
extern void __asan_poison_memory_region(const volatile void *, size_t) __attribute__((weak));
extern void __asan_unpoison_memory_region(const volatile void *, size_t) __attribute__((weak));

static void forbid(const uint8_t *bytes, size_t n)
{
	if (__asan_poison_memory_region)
		__asan_poison_memory_region(bytes, n);
}

static void allow(const uint8_t *bytes, size_t n)
{
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(bytes, n);
}

static void check_large(uint32_t isa)
{
	static uint64_t *addresses, *ptes;
	static uint8_t *types, right[PERIOD], both[PERIOD], of_leaves[PERIOD];

	if (!addresses) {
		addresses = malloc(8 * LARGE);
		ptes = malloc(8 * LARGE);
		types = malloc(LARGE + 64);
	}
	make_state(5);
	make_ready();
	memtype_tables_build(&m, isa, &tables);
	for (size_t i = 0; i < LARGE; i++) {
		addresses[i] = i < PERIOD ? any_element(ADDRESSES, i) : addresses[i - PERIOD];
		ptes[i] = i < PERIOD ? any() : ptes[i - PERIOD];
		if (i < PERIOD) {
			right[i] = (uint8_t)literal_type(&m, addresses[i]);
			both[i] = (uint8_t)literal_effective(m.vendor, 0, right[i], kind_at(ptes[i]));
			of_leaves[i] = (uint8_t)want_ept(addresses[i], ptes[i], 0);
		}
	}
	for (size_t offset = 0; offset < 64; offset += 21) {
		memset(types, 0xEE, LARGE + 64);
		forbid(types, offset); // a line of the output begins there
		MUST(memtype_types(&tables, addresses, LARGE - 64, types + offset, NULL) == MEMTYPE_OK, isa, offset, 0);
		allow(types, offset);
		check_periods(types + offset, right, LARGE - 64, isa);
		MUST(types[offset + LARGE - 64] == 0xEE && (!offset || types[offset - 1] == 0xEE), isa, offset, 0);
	}
	for (size_t offset = 3; offset < 64; offset += 29) { // LARGE - 60: no block is left over where arrays begin 16 bytes into a line
		MUST(memtype_effective_types(&tables, PAT, LEVEL, addresses, ptes, LARGE - 60, types + offset, NULL) == MEMTYPE_OK,
		     isa, offset, 0);
		check_periods(types + offset, both, LARGE - 60, isa);
		MUST(memtype_effective_ept_types(PAT, LEVEL, 0, isa, addresses, ptes, LARGE - 60, types + offset) == MEMTYPE_OK, isa,
		     offset, 0);
		check_periods(types + offset, of_leaves, LARGE - 60, isa);
	}
	addresses[LARGE - 65] = UINT64_MAX;
	MUST(memtype_types(&tables, addresses, LARGE - 64, types + 1, NULL) == MEMTYPE_EADDRESS, isa, 0, 0);
	addresses[LARGE - 65] = 0;
	addresses[0] = UINT64_MAX;
	MUST(memtype_types(&tables, addresses, LARGE - 64, types + 1, NULL) == MEMTYPE_EADDRESS, isa, 0, 0);
	addresses[0] = 0;
	addresses[40] = UINT64_MAX;
	MUST(memtype_types(&tables, addresses, LARGE - 64, types + 1, NULL) == MEMTYPE_EADDRESS, isa, 0, 0);
}

// as many cubes as there can be: all pairs, and a TOM2 of the most blocks
static void check_full_tables(uint32_t isa)
{
	uint64_t addresses[512];
	uint8_t types[512];

	no_pairs(52, 0x801);
	m.vendor = MEMTYPE_AMD;
	m.syscfg = 0x600000;
	m.tom2 = UINT64_C(0xFFFFFFF800000);
	for (uint64_t k = 0; k < 255; k++)
		add_pair((2 * k + 1) << 43 | k << 30, UINT64_C(1) << 30, k % 2 ? MEMTYPE_UC : MEMTYPE_WP);
	memtype_tables_build(&m, isa, &tables);
	for (unsigned i = 0; i < 512; i++)
		addresses[i] = i < 255 ? m.base[i] & ~UINT64_C(0xFFF) : any_element(ADDRESSES, i);
	MUST(memtype_types(&tables, addresses, 512, types, NULL) == MEMTYPE_OK, isa, 0, 0);
	for (unsigned i = 0; i < 512; i++)
		MUST(types[i] == literal_type(&m, addresses[i]), isa, i, addresses[i]);
}

// a few ranges of every shape in four bits, alike, nested and crossing: what merges must not lose
static void check_small_scope(uint32_t isa)
{
	for (unsigned round = 0; round < 1500; round++) {
		unsigned low = 12 + 8 * (round % 4);
		uint64_t addresses[32];
		uint8_t types[32];

		no_pairs(40, 0x801);
		for (m.variable_count = 0; m.variable_count < 1 + round % 5; m.variable_count++) {
			static const uint8_t kinds[] = {MEMTYPE_WB, MEMTYPE_WB, MEMTYPE_WT, MEMTYPE_UC};
			uint64_t above = round % 3 ? (UINT64_C(1) << 40) - (UINT64_C(16) << low) : 0;

			m.base[m.variable_count] = below(16) << low | kinds[below(4)];
			m.mask[m.variable_count] = above | below(16) << low | 0x800;
		}
		memtype_tables_build(&m, isa, &tables);
		for (uint64_t i = 0; i < 32; i++)
			addresses[i] = i % 16 << low | (i < 16 ? 0 : any() & (UINT64_C(1) << 40) - (UINT64_C(16) << low));
		MUST(memtype_types(&tables, addresses, 32, types, NULL) == MEMTYPE_OK, isa, round, 0);
		for (unsigned i = 0; i < 32; i++)
			MUST(types[i] == literal_type(&m, addresses[i]), isa, round, addresses[i]);
	}
}

// so many addresses that a kernel looks for the rows of a granules' top table: of every shape, with and without windows
#define SOME 9300u

static void check_granules_of(uint32_t isa, uint64_t inside, size_t n)
{
	static uint64_t bases[600], *addresses;
	static uint8_t kinds[600], *types;
	size_t count = 0;

	if (!addresses) {
		addresses = malloc(8 * LARGE);
		types = malloc(LARGE);
	}
	MUST(memtype_resolve(&m, bases, kinds, 600, &count) == MEMTYPE_OK, isa, inside, n);
	MUST(memtype_granules_build(bases, kinds, count, m.maxphyaddr, &granules) == MEMTYPE_OK, isa, inside, count);
	memtype_tables_build(&m, isa, &tables);
	for (size_t i = 0; i < n; i++)
		addresses[i] = i < SOME ? any_element(ADDRESSES, i) & (i < 2000 ? ~UINT64_C(0) : inside) : addresses[i - SOME];
	for (unsigned windows = 0; windows < 2; windows++) {
		tables.granules = &granules;
		tables.groups = windows ? tables.groups : 0;
		memset(types, 0xEE, n + 64);
		MUST(memtype_types(&tables, addresses, n, types, NULL) == MEMTYPE_OK && types[n] == 0xEE, isa, inside, n);
		for (size_t i = 0; i < n && i < SOME; i++)
			MUST(types[i] == literal_type(&m, addresses[i]), isa, i, addresses[i]);
		for (size_t i = SOME; i < n; i++)
			MUST(types[i] == types[i - SOME], isa, i, addresses[i]);
		memtype_tables_build(&m, isa, &tables);
	}
	tables.granules = &granules;
	for (size_t at = n / 2; at < n / 2 + 64; at += 8) {
		uint64_t kept = addresses[at];

		addresses[at] = UINT64_MAX;
		MUST(memtype_types(&tables, addresses, n, types, NULL) == MEMTYPE_EADDRESS, isa, inside, n);
		addresses[at] = n < LARGE - 64 ? kept : UINT64_MAX;
		at += n < LARGE - 64 ? 0 : 64;
	}
}

static const uint32_t granule_widths[] = {36, 37, 44, 46, 47, 52};

static void make_granule_state(uint32_t width)
{
	no_pairs(width, 0xC06);
	fill_fixed(11);
	add_pair(UINT64_C(3) << 30, UINT64_C(1) << 30, MEMTYPE_UC);
	add_pair(UINT64_C(5) << 30, UINT64_C(1) << 29, MEMTYPE_WT);
}

static void check_large_by_granules(uint32_t isa)
{
	for (unsigned k = 0; k < 6; k++) {
		make_granule_state(granule_widths[k]);
		check_granules_of(isa, ~UINT64_C(0), granule_widths[k] == 46 ? LARGE - 64 : 8192);
	}
}

static void check_many_by_granules(uint32_t isa)
{
	for (unsigned k = 0; k < 6; k++) {
		make_granule_state(granule_widths[k]);
		check_granules_of(isa, ~UINT64_C(0), SOME);
		check_granules_of(isa, 0x3FFFFFFF, SOME); // from some chunk on nearly all lead to blocks
	}
	no_pairs(46, 0xC00); // what leads to blocks is rare among entries of UC, which are 0
	fill_fixed(11);
	check_granules_of(isa, ~UINT64_C(0), SOME);
	for (unsigned rows = 10; rows < 80; rows += rows < 20 ? 1 : 23) { // each its own, but for the last two
		no_pairs(46, 0x806);
		for (uint64_t k = 0; k < rows; k++)
			add_pair(k << 38 | (k + 1 < rows ? k : k - 1) << 30, UINT64_C(1) << 30, MEMTYPE_WC);
		check_granules_of(isa, ~UINT64_C(0), SOME);
	}
	no_pairs(46, 0x806);
	for (uint64_t k = 0; k < 8; k++) { // rows all over the table
		static const uint64_t rows[] = {0x1FF, 0x180, 0x17F, 0x101, 0xFF, 0x80, 0x7F, 1};

		add_pair(rows[k] << 37 | k << 30, UINT64_C(1) << 30, k % 2 ? MEMTYPE_WC : MEMTYPE_WP);
	}
	check_granules_of(isa, ~UINT64_C(0), SOME);
	for (unsigned kind = 0; kind < 2; kind++) { // rows that differ at their ends, from the last on; each second granule
		no_pairs(46, 0x806);
		for (uint64_t k = 0; k < (kind ? 65 : 8); k++)
			add_pair(kind ? k << 31 : (k + 1) << 38 | (120 + k) << 30, UINT64_C(1) << 30, MEMTYPE_WP);
		for (uint64_t k = 0; k < 8 && !kind; k++)
			m.base[k] ^= UINT64_C(7) << 30; // 127 in row 2, 120 in row 16
		check_granules_of(isa, ~UINT64_C(0), SOME);
	}
}

// one type through and through, also behind the rows: what ends at the wall is not left
static void check_granules_at_a_wall(uint32_t isa)
{
	const size_t n = 1u << 13, room = (sizeof(granules) + 4095) / 4096 * 4096;
	static uint64_t addresses[1u << 13];
	static uint8_t *all, types[1u << 13];
	const uint64_t base = 0;
	memtype_granules *g;

	if (!all) {
		all = mmap(NULL, room + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (all == MAP_FAILED || mprotect(all + room, 4096, PROT_NONE))
			exit(2);
	}
	g = (memtype_granules *)(void *)(all + room - sizeof(*g));
	memset(g, wb, sizeof(*g));
	MUST(memtype_granules_build(&base, &wb, 1, 46, g) == MEMTYPE_OK, isa, 0, 0);
	no_pairs(46, 0x806);
	memtype_tables_build(&m, isa, &tables);
	tables.granules = g;
	for (size_t i = 0; i < n; i++)
		addresses[i] = any() >> 18;
	MUST(memtype_types(&tables, addresses, n, types, NULL) == MEMTYPE_OK, isa, 0, 0);
	for (size_t i = 0; i < n; i++)
		MUST(types[i] == MEMTYPE_WB, isa, i, addresses[i]);
}

// so many states with so many addresses that a fleet goes past the caches too
static void check_large_fleet(uint32_t isa)
{
	const size_t n = 128, states = 16600;
	static memtype_mtrrs one;
	static uint64_t *column, addresses[128];
	static uint32_t *small;
	static uint8_t *types, right[128];
	size_t index = 77;
	memtype_fleet f;

	if (!column) {
		column = calloc(states * 11, 8);
		small = calloc(states, 4);
		types = aligned_alloc(64, states * n + 64);
	}
	no_pairs(40, 0x806);
	one = m;
	for (size_t i = 0; i < states * 11; i++)
		column[i] = 0x806;
	for (size_t i = 0; i < states; i++)
		small[i] = 40;
	f = (memtype_fleet){states, 2, column, column, column, column, column, column, column, small, small};
	one.variable_count = 2;
	one.base[0] = one.base[1] = one.mask[0] = one.mask[1] = 0x806;
	one.vendor = 40;
	for (size_t i = 0; i < n; i++) {
		addresses[i] = any() & 0xFFFFFFFFFF & (i % 3 ? ~UINT64_C(0) : 0xFFFFF);
		right[i] = (uint8_t)literal_type(&one, addresses[i]);
	}
	for (unsigned k = 0; k < 4; k++) { // in whole lines, and not
		size_t from = k & 1, each = n - k / 2;

		MUST(memtype_fleet_types(&f, isa, addresses, 0, each, types + from, NULL) == MEMTYPE_OK, isa, 0, 0);
		for (size_t i = 0; i < states; i++)
			MUST(memcmp(types + from + i * each, right, each) == 0, isa, i, k);
	}
	addresses[2] = UINT64_MAX; // few addresses of many states: the check rides along there too
	MUST(memtype_fleet_types(&f, isa, addresses, 0, 3, types, &index) == MEMTYPE_EADDRESS && index == 2, isa, index, 0);
	MUST(memtype_fleet_types(&f, isa, addresses, 0, 2, types, NULL) == MEMTYPE_OK && types[1] == right[1], isa, 0, 0);
}

// Every form of the tables: each width, fixed ranges off or in three sizes, ranges of pages or larger, one group or more.
// Half of the addresses are a range's first but for one bit.
static void check_forms(uint32_t isa)
{
	static const unsigned fixed_kinds[] = {0, 1, 3, 11};

	for (unsigned form = 0; form < 33 * 16; form++) {
		uint64_t addresses[96], ptes[96];
		uint8_t types[96], effective[96];

		no_pairs(20 + form / 16, form % 4 ? 0xC06 : 0x806);
		fill_fixed(fixed_kinds[form % 4]);
		many_pairs(form & 8 ? 9 : 2, form & 4 || m.maxphyaddr < 22 ? 12 : 20);
		memtype_tables_build(&m, isa, &tables);
		for (unsigned i = 0; i < 96; i++) {
			addresses[i] = any_element(ADDRESSES, i);
			if (i % 2)
				addresses[i] = m.base[i % m.variable_count] >> 12 << 12 ^ UINT64_C(0x1000) << below(m.maxphyaddr - 12);
			ptes[i] = any();
		}
		MUST(memtype_types(&tables, addresses, 96, types, NULL) == MEMTYPE_OK, isa, form, 0);
		MUST(memtype_effective_types(&tables, PAT, LEVEL, addresses, ptes, 96, effective, NULL) == MEMTYPE_OK, isa, form, 1);
		for (unsigned i = 0; i < 96; i++) {
			MUST(types[i] == literal_type(&m, addresses[i]), isa, form, addresses[i]);
			MUST(effective[i] == literal_effective(0, 0, types[i], kind_at(ptes[i])), isa, form, i);
		}
	}
}

// what takes some milliseconds
static void check_little(uint32_t isa)
{
	check_misconfigured(isa);
	check_histogram_of_a_map(isa);
	check_map_overlaps(isa);
	for (unsigned bit = 0; bit < 62; bit += 1 + (bit > 8) * 20)
		check_own_leaves(isa, 40, UINT64_C(1) << bit);
	check_gfns_of_one_bit(isa);
	check_pages_of_leaves(isa);
	check_own_leaves(isa, 256, 8);
	check_own_leaves(isa, 257, 8);
	check_full_tables(isa);
	check_small_scope(isa);
	check_forms(isa);
	check_fleets(isa);
	check_many_by_granules(isa);
	check_granules_at_a_wall(isa);
	for (unsigned number = 0; number < STATES; number += 3) {
		make_state(number);
		make_ready();
		check_histogram(isa);
		check_levels(isa);
		if (has_map)
			check_pages(isa);
	}
}

// a refused address in any place of a step, by keys of 16, 32 and 64 bits: of so many answers it is found on the way
static void check_refused_places(uint32_t isa)
{
	enum { N = 128, EACH = MEMTYPE_CHECKED_FIRST / N + 2 };
	static const uint64_t looked[] = {0, UINT64_C(1) << 20, UINT64_C(1) << 12};
	static uint64_t zeros[EACH * 11], on[EACH], masks[EACH], addresses[N];
	static uint32_t vendors[EACH], widths[EACH];
	static uint8_t types[EACH * N];
	memtype_fleet f = {EACH, 1, on, zeros, zeros, masks, zeros, zeros, zeros, vendors, widths};
	size_t index = 77;

	for (unsigned k = 0; k < 3; k++) {
		for (size_t i = 0; i < EACH; i++) {
			on[i] = 0x806;
			masks[i] = 0x800 | looked[k];
			widths[i] = 52;
		}
		for (size_t place = 0; place < N; place++) {
			addresses[place] = UINT64_C(1) << (52 + place % 12);
			MUST(memtype_fleet_types(&f, isa, addresses, 0, N, types, &index) == MEMTYPE_EADDRESS && index == place, isa,
			     place, index);
			addresses[place] = 0;
		}
		MUST(memtype_fleet_types(&f, isa, addresses, 0, N, types, &index) == MEMTYPE_OK, isa, k, 0);
	}
}

static void check_much(uint32_t isa)
{
	check_refused_places(isa);
	check_own_maps(isa);
	check_large(isa);
	check_large_by_granules(isa);
	check_large_fleet(isa);
}

int main(void)
{
	for (unsigned k = 0; k < 3; k++) {
		early[k] = walled_room();
		late[k] = walled_room();
	}
	check_steps();
	check_neighbours();
	check_granules();
	check_pages_with_edges_inside();
	EACH_SET(isa)
		check_little(isa);
	check_rows();
	EACH_SET(isa)
		check_much(isa);
	printf("%llu claims hold\n", (unsigned long long)claims);
	return 0;
}

/* tables_check.c - every byte of the tables that windows.c builds, against those of a plain and slow builder.
 *
 *     cc -Icsrc -Itests/proofs tests/csrc/tables_check.c (all .c files of csrc) -o tables_check && ./tables_check
 *
 * Right answers do not show a table that is larger, or looked at more often, than it must be; this does. Both layouts are
 * built on any machine: no kernel is asked. What a builder has no cause to write stays as it was.
 */
#include "checks.h"

#include "literal.h"
#include "windows.h"

static memtype_mtrrs m;
static memtype_tables t;

// --- cubes: each is looked for among all ---

static struct cube {
	uint64_t base, mask;
	unsigned code; // 0: dropped
	int known;     // found by its base and mask
} cubes[400];
static unsigned count;

static void add_cube(uint64_t base, uint64_t mask, unsigned code)
{
	cubes[count++] = (struct cube){base & mask, mask, code, 0};
}

static uint64_t compared(void)
{
	return ((uint64_t)1 << t.maxphyaddr) - 0x1000;
}

static unsigned add_blocks(uint64_t a, uint64_t end, unsigned code)
{
	unsigned n = 0;

	for (uint64_t size; a < end; a += size, n++) {
		for (size = (uint64_t)1 << 63; a % size || size > end - a;)
			size /= 2;
		if (code)
			add_cube(a, compared() & -size, code);
	}
	return n;
}

static struct cube *found(uint64_t base, uint64_t mask)
{
	for (struct cube *c = cubes; c < cubes + count; c++) {
		if (c->known && c->base == base && c->mask == mask)
			return c;
	}
	return NULL;
}

// two that match the same are one
static void enter(struct cube *c)
{
	struct cube *same;

	c->known = 0;
	same = found(c->base, c->mask);
	c->known = !same;
	if (same) {
		same->code |= c->code;
		c->code = 0;
	}
}

// gone, where a larger cube around it has its code too; larger by a bit that the lowest of some cube is
static void drop_inside(struct cube *c, uint64_t lowest)
{
	for (unsigned bit = 12; bit < 64; bit++) {
		struct cube *around = lowest >> bit & 1 ? found(c->base >> bit << bit, c->mask >> bit << bit) : NULL;

		if (around && around != c && (around->code | c->code) == around->code)
			c->code = 0;
	}
}

// one with its neighbour in a bit, the lowest first; those that have the bit set wait for the one that has not
static void join(struct cube *c)
{
	for (unsigned bit = 12, first = 1; bit < 52 && c->code; bit++) {
		int asked = (c->mask >> bit & 1) && !(first && (c->base >> bit & 1));
		struct cube *other = asked ? found(c->base ^ (uint64_t)1 << bit, c->mask) : NULL;

		if (!other || other->code != c->code)
			continue;
		c->mask &= ~((uint64_t)1 << bit);
		c->base &= c->mask;
		other->code = 0;
		enter(c);
		bit = 11;
		first = 0;
	}
}

static void join_all(void)
{
	uint64_t lowest = 0;
	unsigned kept = 0;

	for (unsigned k = 0; k < count; k++) {
		uint64_t looked = cubes[k].mask | (uint64_t)1 << 63;

		lowest |= looked & -looked;
		enter(&cubes[k]);
	}
	for (unsigned k = 0; k < count; k++) {
		drop_inside(&cubes[k], lowest);
		join(&cubes[k]);
	}
	for (unsigned k = 0; k < count; k++) {
		if (cubes[k].code)
			cubes[kept++] = cubes[k];
	}
	count = kept;
}

// --- below 1 MiB ---

static uint8_t page[256]; // their types
static int fixed_on, split;
static unsigned lowest;   // the lowest address bit that matters

static unsigned first_page(unsigned range)
{
	return range < 8 ? 16 * range : range < 24 ? 128 + 4 * (range - 8) : 192 + range - 24;
}

static int differ_in(unsigned pages)
{
	for (unsigned p = 0; p < 256; p++) {
		if (page[p] != page[p - p % pages])
			return 1;
	}
	return 0;
}

static void look_below_1m(void)
{
	uint64_t seen = 0;

	for (unsigned k = 0; k < count; k++)
		seen |= cubes[k].mask;
	split = fixed_on && differ_in(16);
	lowest = seen & 0xFFFFF ? 12 : !fixed_on ? 20 : !split ? 16 : differ_in(4) ? 12 : 14;
}

static void check_below_1m(void)
{
	unsigned apart = t.isa == MEMTYPE_AVX512 && t.start[0] > 12 ? 1u << (t.start[0] - 12) : 1;

	for (unsigned p = 0; p < 256 && fixed_on; p++)
		MUST(t.page[p] == page[p < 256 / apart ? p * apart : p], p, t.page[p], apart);
	for (unsigned i = 0; i < 88 && fixed_on; i++)
		MUST(t.fixed[i] == page[i < 16 && !split ? 16 * i : first_page(i)], i, t.fixed[i], split);
}

// --- windows and codes ---

// the cubes of a group that an address matches in the bits `in`, and bit 7: it may be below 1 MiB
static unsigned matching(unsigned group, uint64_t address, uint64_t in)
{
	unsigned set = 0;

	for (unsigned k = 0; k < 7 && 7 * group + k < count; k++)
		set |= (unsigned)(((address ^ cubes[7 * group + k].base) & cubes[7 * group + k].mask & in) == 0) << k;
	if (fixed_on)
		set |= (unsigned)((address & in & UINT64_C(0xFFFFFFFF00000)) == 0) << 7;
	return set;
}

static void check_window(const uint8_t *entries, unsigned group, unsigned at, unsigned bits)
{
	for (uint64_t v = 0; v < 1u << bits; v++)
		MUST(entries[v] == matching(group, v << at, ((uint64_t)(1 << bits) - 1) << at), group, at, v);
}

static void check_untouched(const uint8_t *from, const uint8_t *end)
{
	MUST(from == end || (*from == 0xEE && memcmp(from, from + 1, (size_t)(end - from) - 1) == 0), end - from, *from, t.isa);
}

static unsigned codes_of(unsigned first, unsigned set)
{
	unsigned code = 0;

	for (unsigned k = 0; set >> k; k++)
		code |= set >> k & 1 && first + k < count ? cubes[first + k].code : 0;
	return code;
}

static void check_nibbles(void)
{
	for (unsigned g = 0; g < t.groups; g++) {
		for (unsigned w = 0; w < 10; w++)
			check_window(t.window + 16 * (10 * g + w), g, 12 + 4 * w, 4);
		for (unsigned s = 0; s < 32; s++)
			MUST(t.decode[32 * g + s] == codes_of(7 * g + s / 16 * 4, s % 16), g, s, t.decode[32 * g + s]);
	}
	check_untouched(t.window + 160 * t.groups, t.window + sizeof(t.window));
	check_untouched(t.decode + 32 * t.groups, t.decode + sizeof(t.decode));
}

// the eighth bit of a window: who takes one of 0 and 1 alone, sixteen times, and who takes 1; bit 63 is nobody's
static void check_top(const uint8_t *rows, unsigned group, unsigned bit)
{
	unsigned zero = matching(group, 0, (uint64_t)1 << bit), one = matching(group, (uint64_t)1 << bit, (uint64_t)1 << bit);

	for (unsigned i = 0; i < 16; i++)
		MUST(rows[i] == (zero ^ one) && rows[16 + i] == one, group, bit, i);
}

static unsigned type_of(unsigned code)
{
	return code & 0x80 ? MEMTYPE_UC : code == CODE_TOM2 ? MEMTYPE_WB : t.final_type[code & 15];
}

static void check_septets(void)
{
	unsigned bits = t.maxphyaddr - lowest, at = bits > 32 ? 12 : lowest, wide = bits > 32;
	unsigned octets = wide || bits <= 28 ? 0 : bits <= 30 ? 2 : 4;

	MUST(t.octets == octets, bits, t.octets, 0);
	for (unsigned w = 0; w < 6; at += w < 4 && w + octets >= 4 ? 8 : 7, w++)
		MUST(t.start[w] == at, w, at, t.start[w]);
	check_untouched(t.start + 6, t.start + 8);
	for (unsigned g = 0; g < t.groups; g++) {
		const uint8_t *group = t.window + 768 * g;

		for (unsigned w = 0; w < (wide ? 6 : 4); w++)
			check_window(group + 128 * w, g, t.start[w], 7);
		for (unsigned w = 0; w < 4 && !wide; w++)
			check_top(group + 512 + 32 * w, g, w + octets < 4 ? 63 : t.start[w] + 7u);
		if (!wide)
			check_untouched(group + 640, group + 768);
		for (unsigned s = 0; s < 128; s++) {
			unsigned code = codes_of(7 * g, s);

			MUST(t.decode[128 * g + s] == (t.groups == 1 ? type_of(code) : code), g, s, code);
		}
	}
	check_untouched(t.window + 768 * t.groups, t.window + sizeof(t.window));
	check_untouched(t.decode + 128 * t.groups, t.decode + sizeof(t.decode));
}

// --- all of it ---

static void check_tables(uint32_t isa)
{
	unsigned shape = 0, groups;

	join_all();
	look_below_1m();
	groups = count ? (count + 6) / 7 : 1;
	MUST(t.granules == NULL && t.isa == isa && t.groups == groups, isa, t.groups, groups);
	MUST(t.cubes == count, isa, t.cubes, count);
	for (unsigned k = 0; k < count; k++) {
		MUST(t.base[k] == cubes[k].base && t.mask[k] == cubes[k].mask && t.code[k] == cubes[k].code, isa, k, t.base[k]);
		shape |= (cubes[k].mask & 0xFFFFF ? SHAPE_FINE : 0) | (cubes[k].code == CODE_TOM2 ? SHAPE_TOM2 : 0);
	}
	shape |= (fixed_on ? SHAPE_FIXED : 0) | (split ? SHAPE_SPLIT : 0);
	shape |= isa == MEMTYPE_AVX512 ? (t.maxphyaddr - lowest > 32 ? SHAPE_WIDE : 0) : (t.maxphyaddr > 44 ? SHAPE_WIDE : 0);
	MUST(t.shape == shape, isa, t.shape, shape);
	check_below_1m();
	if (isa == MEMTYPE_AVX512)
		check_septets();
	else
		check_nibbles();
}

static unsigned code_of_type(uint64_t type)
{
	switch (type) {
	case MEMTYPE_UC: return 0xFF;
	case MEMTYPE_WC: return 0x14;
	case MEMTYPE_WT: return 0x13;
	case MEMTYPE_WP: return 0x18;
	case MEMTYPE_WB: return 0x11;
	default: return 0x1C;
	}
}

static void check_state(uint32_t isa)
{
	int on = m.def_type >> 11 & 1, tom2_on = on && m.vendor == MEMTYPE_AMD && (m.syscfg & 0x600000) == 0x600000;

	memset(&t, 0xEE, sizeof(t));
	memtype_tables_build(&m, isa, &t);
	MUST(t.maxphyaddr == m.maxphyaddr && t.vendor == m.vendor, isa, t.maxphyaddr, t.vendor);
	count = 0;
	for (unsigned k = 0; k < m.variable_count && on; k++) {
		if (m.mask[k] >> 11 & 1)
			add_cube(m.base[k], m.mask[k] & compared(), code_of_type(m.base[k] & 0xFF));
	}
	add_blocks((uint64_t)1 << 32, tom2_on ? m.tom2 & UINT64_C(0xFFFFFFF800000) & compared() : 0, CODE_TOM2);
	fixed_on = (m.def_type >> 10 & 3) == 3 && (m.cap >> 8 & 1);
	for (unsigned p = 0; p < 256 && fixed_on; p++)
		page[p] = (uint8_t)literal_type(&m, (uint64_t)p << 12);
	for (unsigned i = 0; i < 16; i++) {
		unsigned known = i == 1 ? 6 : i == 3 ? 4 : i == 4 ? 1 : i == 8 ? 5 : 10;

		MUST(t.final_type[i] == (i ? known : on ? (unsigned)legal_or_undefined(m.def_type & 0xFF) : 0), i, t.final_type[i], 0);
	}
	check_tables(isa);
}

static void check_both(void)
{
	check_state(MEMTYPE_PORTABLE);
	check_state(MEMTYPE_AVX512);
}

// --- maps ---

static uint64_t bases[300];
static uint8_t values[300];
static size_t segments;

static uint8_t value_at(uint64_t address)
{
	size_t i = segments - 1;

	while (bases[i] > address)
		i--;
	return values[i];
}

// whether the map's pages below 1 MiB are such as fixed ranges can give
static int like_fixed(void)
{
	if (segments < 2 || bases[1] >= 0x100000)
		return 0;
	for (unsigned p = 0, range = 0; p < 256; p++) {
		page[p] = value_at((uint64_t)p << 12);
		range += range < 87 && first_page(range + 1) == p;
		if (page[p] != page[first_page(range)])
			return 0;
	}
	return 1;
}

// the blocks that cubes must say of segment i: below 1 MiB none with fixed ranges, and what reaches above has all below too
static unsigned blocks_of(size_t i, unsigned code)
{
	uint64_t from = fixed_on && bases[i] <= 0x100000 ? 0 : bases[i];
	uint64_t end = i + 1 < segments ? bases[i + 1] : (uint64_t)1 << t.maxphyaddr;

	return fixed_on && end <= 0x100000 ? 0 : add_blocks(from, end, code);
}

// values in order from 1 on; the one of the most blocks is what matches nothing
static void check_map(uint32_t isa, uint32_t width)
{
	unsigned index[300], blocks[301] = {0}, used = 0, most = 1, total = 0, edges = 0;
	uint8_t kind[301];
	int status;

	memset(&t, 0xEE, sizeof(t));
	status = tables_of_map(bases, values, segments, width, isa, &t);
	t.maxphyaddr = width;
	count = 0;
	fixed_on = like_fixed();
	for (size_t i = 0; i < segments; i++) {
		for (index[i] = 1; index[i] <= used && kind[index[i]] != values[i];)
			index[i]++;
		used += index[i] > used;
		kind[index[i]] = values[i];
		edges |= bases[i] & 0xFFF;
		blocks[index[i]] += blocks_of(i, 0);
		total += blocks_of(i, 0);
	}
	for (unsigned k = 1; k <= used; k++)
		most = blocks[k] > blocks[most] ? k : most;
	MUST(status == (segments > 256 || used > 15 || edges || total - blocks[most] > 128 ? -1 : 0), isa, segments, status);
	for (size_t i = 0; i < segments && !status; i++)
		blocks_of(i, index[i] != most ? 0x10 | index[i] : 0);
	for (unsigned k = 0; k < 16 && !status; k++)
		MUST(t.final_type[k] == (k > used ? 0xEE : kind[k ? k : most]), k, t.final_type[k], used);
	if (!status)
		check_tables(isa);
}

static void check_map_of(size_t n, uint32_t width)
{
	segments = n;
	check_map(MEMTYPE_PORTABLE, width);
	check_map(MEMTYPE_AVX512, width);
}

// n segments of some values, whose edges are `unit` apart, or twice as far
static void draw_map(size_t n, uint64_t unit, unsigned of)
{
	for (size_t k = 0; k < n; k++) {
		bases[k] = k ? bases[k - 1] + (unit << below(2)) : 0;
		values[k] = (uint8_t)below(of);
		if (k && values[k] == values[k - 1])
			values[k] = (uint8_t)((values[k] + 1) % of);
	}
}

static void check_maps(void)
{
	static const uint64_t units[] = {0x1000, 0x4000, 0x8000, 0x10000, 0xFF000, 0x100000, UINT64_C(0x3FF00000)};

	for (unsigned round = 0; round < 84; round++) {
		size_t n = 1 + (size_t)below(round % 4 ? 16 : 80);

		draw_map(n, units[round % 7], 2 + (unsigned)below(round % 5 ? 4 : 18));
		if (round % 16 == 5)
			bases[below(n)] |= n > 1 ? 1 << below(12) : 0;
		bases[0] = 0;
		check_map_of(n, 40 + round % 13);
	}
	for (unsigned bit = 0; bit < 13; bit++) { // two values of as many blocks; an edge inside a page
		bases[1] = UINT64_C(1) << 45 | (bit < 12) << bit;
		check_map_of(2, 46);
	}
	for (uint64_t k = 0; k < 3; k++) { // [1 GiB, 8 GiB) is three blocks, what lies around it two segments of one each
		bases[k] = (UINT64_C(1) << 3 * k >> 3) << 30;
		values[k] = (uint8_t)(k % 2);
	}
	check_map_of(3, 34);
	draw_map(300, 0x1000, 2);
	for (uint64_t k = 0; k < 300; k++) // page by page: 128 cubes, of as many segments as there may be
		bases[k] = k << 12;
	check_map_of(256, 46);
	check_map_of(257, 46);
	for (uint64_t k = 1; k < 300; k++) // every second one is two cubes
		bases[k] = (k << 13) - 0x1000;
	for (size_t n = 120; n < 140; n++)
		check_map_of(n, 46);
	bases[128] += 0x3000; // and one of three
	check_map_of(129, 46);
	check_map_of(130, 46);
}

// --- states ---

static const uint8_t kinds[] = {6, 6, 6, 4, 0, 1, 5, 2, 3, 7, 8, 0x1E};

static void no_pairs(uint32_t width, uint64_t def_type)
{
	memset(&m, 0, sizeof(m));
	m.maxphyaddr = width;
	m.def_type = def_type;
	m.cap = 0x508;
}

static void set_fixed(unsigned range, uint64_t type)
{
	m.fixed[range / 8] &= ~((uint64_t)0xFF << 8 * (range % 8));
	m.fixed[range / 8] |= type << 8 * (range % 8);
}

// each fixed range alone is another, each run from the first on, every second of each four
static void check_each_fixed_range(void)
{
	for (unsigned kind = 0; kind < 3; kind++) {
		for (unsigned i = 0; i < 88; i += kind == 2 ? 4 : 1) {
			no_pairs(20 + (i * 7 + kind) % 33, 0xC06);
			for (unsigned k = 0; k < 88; k++)
				set_fixed(k, kind == 0 ? k == i : kind == 1 ? k <= i : k / 4 == i / 4 && k % 2);
			check_both();
		}
	}
}

// Ranges of every shape: of a few places so that they meet, of four bits, anywhere, some with holes, one that is all memory.
static void draw_pair(unsigned how)
{
	unsigned w = m.maxphyaddr, low = how % 3 == 1 && w > 36 ? 28 : 12, n = m.variable_count++;
	unsigned size = low + (unsigned)below(how % 3 == 2 ? w - low : w - low < 6 ? w - low : 6);
	uint64_t width = (uint64_t)1 << w, base = any() & (width - 1);

	if (how % 3 != 2)
		base &= (UINT64_C(64) << low) - 1;
	m.mask[n] = (width - ((uint64_t)1 << size)) | (below(12) ? 0x800 : 0) | (below(2) ? 0x7FF : 0);
	if (how % 5 == 4)
		m.mask[n] &= ~((uint64_t)below(16) << size);
	if (below(40) == 0)
		m.mask[n] = 0x800;
	m.base[n] = (base & ~(uint64_t)0xFFF) | kinds[below(how % 2 ? 12 : 4)] | (below(20) ? 0 : ~(width - 1));
	if (n && below(4) == 0) { // one bit beside the one before it
		m.mask[n] = m.mask[n - 1];
		m.base[n] = m.base[n - 1] ^ (UINT64_C(0x1000) << below(w - 12));
	}
}

// as many cubes as there can be: all pairs, and a TOM2 of the most blocks
static void check_most_cubes(void)
{
	no_pairs(52, 0xC06);
	m.vendor = MEMTYPE_AMD;
	m.syscfg = 0x600000;
	m.tom2 = UINT64_MAX;
	for (uint64_t k = 0; k < 255; k++) {
		m.base[k] = (2 * k + 1) << 43 | k << 30 | kinds[k % 8];
		m.mask[k] = UINT64_C(0xFFFFFC0000800);
	}
	m.variable_count = 255;
	check_both();
}

static void draw_state(unsigned round)
{
	no_pairs(20 + round % 33, (below(16) ? 0x800 : 0) | (below(3) ? 0x400 : 0) | kinds[below(8)]);
	m.vendor = round / 2 % 2;
	m.cap = below(8) ? 0x508 : 0x4FF;
	m.syscfg = below(4) ? 0x600000 : below(4) << 21;
	m.tom2 = round % 7 ? (uint64_t)below(64) << 30 : any();
	for (unsigned k = 0, type = 6; k < 88; k++) { // each another, those of 64 and 16 KiB, one for all
		type = round % 5 == 0 || k == 0 || (round % 5 == 1 && k < 24) ? kinds[below(8)] + 8 * (unsigned)below(2) : type;
		set_fixed(k, type);
	}
	for (unsigned n = (unsigned)below(round % 9 ? 9 : 60); n; n--)
		draw_pair(round);
}

int main(void)
{
	check_each_fixed_range();
	for (unsigned round = 0; round < 330; round++) {
		draw_state(round);
		check_both();
	}
	check_most_cubes();
	check_maps();
	printf("%llu claims hold\n", (unsigned long long)claims);
	return 0;
}

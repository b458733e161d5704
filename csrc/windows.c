/* windows.c - the tables of the array kernels: how many addresses are looked up at once.
 *
 *     cube     a set of addresses: given values in some bits, any in the others. What a variable range matches.
 *     window   a few neighbouring address bits, all of one table's index
 *     nibble   a window of four bits, septet one of seven, octet one of eight (a septet and the bit above it)
 *     group    up to seven cubes that share a byte, one bit each
 *     code     what the cubes that match make together, before it becomes a type (windows.h)
 *     plane    in a kernel: one byte of each of many addresses, here one window of each
 *     step     in a kernel: the addresses looked up at once
 *
 * Do not compare; look up. A variable range matches where (address & mask) == (base & mask): it is a cube. Cut the
 * address bits into windows; a cube wants, in every window, one of a set of values, and it matches where all windows
 * agree:
 *
 *     match(address) = AND over windows w of table[w][bits of the address in w]
 *
 * The entry of a table is a byte with one bit per cube, so one look-up per window tests a group of cubes, and a byte
 * shuffle does that for 16, 32 or 64 addresses at once. Holes in a mask cost nothing: they are windows, or bits of
 * one, where any value will do.
 *
 * Worked example, windows of four bits, two cubes of QEMU: cube 0 is [2 GiB, 4 GiB) (base 0x80000000, mask
 * 0xFF80000000), cube 1 is [1 TiB - 128 GiB, 1 TiB) (base 0xE000000000, mask 0xE000000000), MAXPHYADDR 40:
 *
 *     window        bits 31:28           bits 35:32           bits 39:36
 *     table entry   0-7: 0b10            0: 0b11              0: 0b01
 *                   8-F: 0b11            1-F: 0b10            1-D: 0b00, E-F: 0b10
 *
 *     0x00_C000_0000: 0b11 & 0b11 & 0b01 == 0b01: cube 0;  0xF0_1000_0000: 0b10 & 0b11 & 0b10 == 0b10: cube 1
 *
 * (bit 31 decides the first column; the windows below it say 0b11 throughout). The surviving bits go through one
 * more table, `decode`, to a code that already holds the rule of precedence (windows.h), and through `final_type` to
 * the type. Below 1 MiB the page table `page`, or the packed `fixed`, answers instead; kernels compute both and
 * pick, so that an address below 1 MiB costs what any other costs.
 *
 * Seven cubes make a group: bit 7 of an entry is one more, "below 1 MiB", and tells whether that pick is due.
 *
 * Two layouts. Nibbles (SSSE3, AVX2): ten windows of four bits from bit 12 up, window[group][window][16], and
 * decode[group][half][16] for the low and the high nibble of a byte. Septets (AVX-512 VBMI): four windows of seven
 * or eight bits from the lowest bit that matters up, or six of seven from bit 12 up, where `start` says:
 * window[group][window][128], decode[group][128]; of eight bits the highest is asked apart, in the rows at
 * SEPTET_TOPS. The page table then has a page for each value of the first window (of 64 KiB where that begins at
 * bit 16), for the first window's byte to look up.
 */
#include "windows.h"

// [4 GiB, TOM2) is at most one block of each size from 4 GiB up, and one of each down to TOM2's unit of 8 MiB
#define TOM2_BLOCKS ((MAX_MAXPHYADDR - 32) + (MAX_MAXPHYADDR - TOM2_BIT))
#define MAX_GROUPS ((MEMTYPE_MAX_CUBES + GROUP_CUBES - 1) / GROUP_CUBES)
_Static_assert(MEMTYPE_MAX_CUBES >= MAX_VARIABLE + TOM2_BLOCKS, "room for every cube");
_Static_assert(MEMTYPE_WINDOW_BYTES == MAX_GROUPS * SEPTET_WINDOWS * SEPTET_BYTES, "room for every group of septets");
_Static_assert(MEMTYPE_WINDOW_BYTES >= MAX_GROUPS * NIBBLE_WINDOWS * NIBBLE_BYTES, "... and of nibbles");
_Static_assert(MEMTYPE_DECODE_BYTES == MAX_GROUPS * SEPTET_BYTES, "room for every group's codes");
_Static_assert(SEPTET_TOPS + 4 * SEPTET_TOP_BYTES <= SEPTET_WINDOWS * SEPTET_BYTES, "the rows lie behind four windows");
_Static_assert(sizeof(((memtype_tables *)0)->fixed) == FIXED_RANGES, "one byte for each fixed range");
_Static_assert(sizeof(((memtype_tables *)0)->page) == FIXED_PAGES, "one byte for each page below 1 MiB");

// --- cubes ---

static unsigned add_cube(memtype_tables *t, unsigned n, uint64_t base, uint64_t mask, uint8_t code)
{
	t->base[n] = base & mask;
	t->mask[n] = mask;
	t->code[n] = code;
	return n + 1;
}

// the largest aligned block that starts at `a` and ends by `end` > a
static uint64_t block_at(uint64_t a, uint64_t end)
{
	uint64_t block = a ? a & -a : UINT64_C(1) << 63;

	while (block > end - a)
		block >>= 1;
	return block;
}

// [a, end) as aligned blocks: [4 GiB, 7 GiB) is [4 GiB, 6 GiB) and [6 GiB, 7 GiB)
static unsigned add_blocks(memtype_tables *t, unsigned n, uint64_t a, uint64_t end, uint8_t code)
{
	while (a < end) {
		uint64_t block = block_at(a, end);

		n = add_cube(t, n, a, page_bits(t->maxphyaddr) & ~(block - 1), code);
		a += block;
	}
	return n;
}

static unsigned collect(const memtype_mtrrs *m, memtype_tables *t)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < m->variable_count; i++) {
		if (m->mask[i] & MASK_VALID)
			n = add_cube(t, n, m->base[i], m->mask[i] & page_bits(m->maxphyaddr),
				     code_of(m->base[i] & BASE_TYPE));
	}
	return add_blocks(t, n, GIB4, tom2_of(m), CODE_TOM2); // at most 49
}

// cube j changes no answer beside cube i: i matches wherever j does, and its code swallows j's
static int swallows(const memtype_tables *t, unsigned i, unsigned j)
{
	return (t->mask[i] & ~t->mask[j]) == 0 && ((t->base[i] ^ t->base[j]) & t->mask[i]) == 0 &&
	       (t->code[i] | t->code[j]) == t->code[i];
}

// --- fewer cubes ---
//
// What may be one with a cube is known: a larger block around it, or the cube that differs in one bit. So each is found by
// what it matches, and never compared with all others (255 ranges, Zen 4: 21 us with all, 5 us so).

#define MAX_SLOT_BITS 11u /* at least four slots a cube */
_Static_assert(MEMTYPE_MAX_CUBES * 4 <= 1u << MAX_SLOT_BITS, "chains of taken slots are short, and end");

// Cubes by base and mask. One that changed since is not found by what it was.
struct finder {
	unsigned bits;                         // of a slot's number
	uint16_t taken[1u << MAX_SLOT_BITS];   // by cube k: k + 1; 0: free
};

// the slot of the cube that has these, or the free one that is its
static uint16_t *slot_of(struct finder *f, const memtype_tables *t, uint64_t base, uint64_t mask)
{
	uint64_t hash = base * UINT64_C(0x9E3779B97F4A7C15) + mask * UINT64_C(0xC2B2AE3D27D4EB4F);
	size_t slot = (size_t)(hash >> (64 - f->bits));

	while (f->taken[slot] && (t->base[f->taken[slot] - 1] != base || t->mask[f->taken[slot] - 1] != mask))
		slot = (slot + 1) & (size_t)low_bits(f->bits);
	return &f->taken[slot];
}

// cube k no longer counts
static void drop(memtype_tables *t, unsigned k)
{
	t->code[k] = CODE_NONE;
}

// Two that match the same are one. A cube that changed may be met in the slot of what it was.
static void enter(struct finder *f, memtype_tables *t, unsigned k)
{
	uint16_t *slot = slot_of(f, t, t->base[k], t->mask[k]);

	if (!*slot) {
		*slot = (uint16_t)(k + 1);
	} else if (*slot != k + 1) {
		t->code[*slot - 1] |= t->code[k];
		drop(t, k);
	}
}

// Drop cube k where a larger one around it swallows it. `sizes` are the lowest bits that cubes look at: around
// [3 GiB, 4 GiB) lie [2 GiB, 4 GiB), where 2 GiB is one of them, and [0, 4 GiB).
static void drop_swallowed(struct finder *f, memtype_tables *t, unsigned k, uint64_t sizes)
{
	uint64_t own = t->mask[k] & -t->mask[k];

	for (uint64_t s = sizes & ~(own | (own - 1)); s && t->code[k]; s &= s - 1) {
		uint64_t mask = t->mask[k] & -(s & -s);
		unsigned around = *slot_of(f, t, t->base[k] & mask, mask);

		if (around && swallows(t, around - 1, k))
			drop(t, k);
	}
}

// Cube k takes in another that differs from it in one bit alone, and no longer looks at it: [0, 1 GiB) and [1 GiB, 2 GiB)
// are [0, 2 GiB).
static void take_in(memtype_tables *t, unsigned k, unsigned other, uint64_t bit)
{
	drop(t, other);
	add_cube(t, k, t->base[k], t->mask[k] & ~bit, t->code[k]);
}

// Join cube k with those that differ from it in one of `bits`. Upwards at first: a pair meets from below.
static void join(struct finder *f, memtype_tables *t, unsigned k, uint64_t bits)
{
	uint64_t left = bits & t->mask[k] & ~t->base[k];

	while (left && t->code[k]) {
		uint64_t bit = left & -left;
		unsigned other = *slot_of(f, t, t->base[k] ^ bit, t->mask[k]);

		left ^= bit;
		if (other && t->code[other - 1] == t->code[k]) {
			take_in(t, k, other - 1, bit);
			enter(f, t, k);
			left = bits & t->mask[k]; // it is another now
		}
	}
}

// the cubes that still count come first; how many
static unsigned keep_counting(memtype_tables *t, unsigned n)
{
	unsigned kept = 0;

	for (unsigned k = 0; k < n; k++) {
		if (t->code[k] != CODE_NONE)
			kept = add_cube(t, kept, t->base[k], t->mask[k], t->code[k]);
	}
	return kept;
}

// Fewer cubes that give the same answers; how many.
static unsigned minimise(memtype_tables *t, unsigned n)
{
	uint64_t sizes = 0, differ = 0;
	struct finder f;

	if (n < 2)
		return n;
	f.bits = highest_one(n) + 3;
	memset(f.taken, 0, sizeof(*f.taken) << f.bits);
	for (unsigned k = 0; k < n; k++) {
		uint64_t looked = t->mask[k] | UINT64_C(1) << 63; // a cube that looks at no bit is around all

		sizes |= looked & -looked;
		differ |= t->base[k] ^ t->base[0];
		enter(&f, t, k);
	}
	for (unsigned k = 0; k < n; k++) {
		drop_swallowed(&f, t, k, sizes);
		join(&f, t, k, differ);
	}
	return keep_counting(t, n);
}

// --- below 1 MiB ---

#define PAGES_64K (1u << (FIXED_64K_SHIFT - PAGE_SHIFT))
#define PAGES_16K (1u << (FIXED_16K_SHIFT - PAGE_SHIFT))

// whether pages differ inside one of the blocks of so many, from address `base` on
static inline int differ_inside(const uint8_t *page, uint32_t base, unsigned pages)
{
	for (unsigned p = base >> PAGE_SHIFT; p < FIXED_PAGES; p += pages) {
		if (memcmp(page + p, page + p + 1, pages - 1) != 0)
			return 1;
	}
	return 0;
}

// the types of the 88 fixed ranges, page by page
static void expand_fixed(const uint8_t *fixed, uint8_t *page)
{
	for (unsigned i = 0; i < FIXED_16K_FIRST; i++)
		memset(page + fixed_page[i], fixed[i], PAGES_64K);
	for (unsigned i = FIXED_16K_FIRST; i < FIXED_4K_FIRST; i++)
		memset(page + fixed_page[i], fixed[i], PAGES_16K);
	memcpy(page + fixed_page[FIXED_4K_FIRST], fixed + FIXED_4K_FIRST, FIXED_RANGES - FIXED_4K_FIRST);
}

// t->fixed and t->page are filled; without a split one entry per 64 KiB block is all that the kernel reads
static uint32_t fixed_shape(memtype_tables *t)
{
	if (differ_inside(t->page, FIXED_16K_BASE, PAGES_64K))
		return SHAPE_FIXED | SHAPE_SPLIT;
	for (unsigned i = 0; i < 16; i++)
		t->fixed[i] = t->page[PAGES_64K * i];
	return SHAPE_FIXED;
}

static uint32_t fill_fixed(const memtype_mtrrs *m, memtype_tables *t)
{
	for (unsigned i = 0; i < FIXED_RANGES; i++)
		t->fixed[i] = fixed_type(m->fixed, m->vendor, i);
	expand_fixed(t->fixed, t->page);
	return fixed_shape(t);
}

// --- window tables ---

// octets[m][b]: byte v is 1 where (v & m) == b, for three-bit v
#define OCTET_BYTE(m, b, v) ((uint64_t)(((v) & (m)) == (b)) << (8 * (v)))
#define OCTET(m, b) \
	(OCTET_BYTE(m, b, 0) | OCTET_BYTE(m, b, 1) | OCTET_BYTE(m, b, 2) | OCTET_BYTE(m, b, 3) | \
	 OCTET_BYTE(m, b, 4) | OCTET_BYTE(m, b, 5) | OCTET_BYTE(m, b, 6) | OCTET_BYTE(m, b, 7))
#define OCTETS(m) {OCTET(m, 0), OCTET(m, 1), OCTET(m, 2), OCTET(m, 3), OCTET(m, 4), OCTET(m, 5), OCTET(m, 6), OCTET(m, 7)}
static const uint64_t octets[8][8] = {OCTETS(0), OCTETS(1), OCTETS(2), OCTETS(3),
				      OCTETS(4), OCTETS(5), OCTETS(6), OCTETS(7)};

// the bits in which cubes first .. first + count - 1 are not all as the first of them
static uint64_t unlike(const memtype_tables *t, unsigned first, unsigned count)
{
	uint64_t bits = 0;

	for (unsigned k = 1; k < count; k++)
		bits |= (t->base[first + k] ^ t->base[first]) | (t->mask[first + k] ^ t->mask[first]);
	return bits;
}

// One nibble window of one group: entry v has bit k set where cube first + k takes the value v. Cubes that are alike there,
// as most are in most windows, get their bits at once (255 ranges, Zen 3: 5.9 -> 3.4 us).
static void fill_nibble(const memtype_tables *t, unsigned first, unsigned count, int alike, unsigned shift,
			uint8_t *entries)
{
	unsigned each = alike ? (1u << count) - 1 : 1;
	uint64_t low = 0, high = 0;

	for (unsigned k = 0; k < (alike && count ? 1 : count); k++) {
		unsigned m = t->mask[first + k] >> shift & 15, b = t->base[first + k] >> shift & 15;
		uint64_t octet = (octets[m & 7][b & 7] * each) << k;

		low |= m & b & 8 ? 0 : octet;     // entries 0 to 7
		high |= m & ~b & 8 ? 0 : octet;   // entries 8 to 15
	}
	if (t->shape & SHAPE_FIXED) { // below 1 MiB: entry 0 alone from bit 20 up, all entries below
		low |= (shift < FIXED_END_BIT ? EACH_BYTE : 1) << GROUP_CUBES;
		high |= (shift < FIXED_END_BIT ? EACH_BYTE : 0) << GROUP_CUBES;
	}
	memcpy(entries, &low, 8);
	memcpy(entries + 8, &high, 8);
}

// codes[s] = OR of the codes of the cubes in the set s, for sets of `bits` cubes from `first` on
static void fill_codes(const memtype_tables *t, unsigned first, unsigned bits, uint8_t *codes)
{
	codes[0] = CODE_NONE;
	for (unsigned k = 0; k < bits; k++) {
		uint8_t code = first + k < t->cubes ? t->code[first + k] : CODE_NONE;

		for (unsigned s = 0; s < 1u << k; s++)
			codes[(1u << k) + s] = codes[s] | code;
	}
}

static void fill_nibbles(memtype_tables *t)
{
	for (unsigned g = 0; g < t->groups; g++) {
		unsigned first = g * GROUP_CUBES, count = t->cubes - first < GROUP_CUBES ? t->cubes - first : GROUP_CUBES;
		uint64_t differ = unlike(t, first, count) >> PAGE_SHIFT;
		uint8_t *entries = t->window + g * NIBBLE_WINDOWS * NIBBLE_BYTES;

		for (unsigned w = 0; w < NIBBLE_WINDOWS; w++, differ >>= 4)
			fill_nibble(t, first, count, !(differ & 15), PAGE_SHIFT + 4 * w, entries + NIBBLE_BYTES * w);
		fill_codes(t, first, 4, t->decode + 32 * g);
		fill_codes(t, first + 4, 4, t->decode + 32 * g + 16); // what bit 7 adds is below 1 MiB, where none of it counts
	}
}

// set `bit` in the entries of one septet window that a cube takes there, eight entries at a time
static void add_septet(uint8_t *entries, uint64_t base, uint64_t mask, unsigned bit)
{
	unsigned free_octets = (unsigned)(~mask >> 3 & 15), octet = (unsigned)(base >> 3 & 15), s = 0;
	uint64_t row = octets[mask & 7][base & 7] << bit, now;

	do {
		memcpy(&now, entries + 8 * (octet | s), 8);
		now |= row;
		memcpy(entries + 8 * (octet | s), &now, 8);
		s = (s - free_octets) & free_octets;
	} while (s);
}

// The lowest address bit that matters. The first window begins there, so that it holds the page number too.
static unsigned lowest_bit(const memtype_tables *t)
{
	if (t->shape & SHAPE_FINE)
		return PAGE_SHIFT;
	if (!(t->shape & SHAPE_FIXED))
		return FIXED_END_BIT;
	if (!(t->shape & SHAPE_SPLIT))
		return FIXED_64K_SHIFT;
	return differ_inside(t->page, FIXED_4K_BASE, PAGES_16K) ? FIXED_4K_SHIFT : FIXED_16K_SHIFT;
}

// Where the windows begin. Up to 28 bits are four septets. Up to 32 bits are four windows too, the last two, or all,
// a bit wider: MAXPHYADDR 46 and fixed types by 64 KiB give 22:16, 29:23, 37:30 and 45:38. More are six septets.
static void lay_windows(memtype_tables *t, unsigned lowest)
{
	unsigned bits = t->maxphyaddr - lowest, at = lowest;

	if (bits > 32) {
		t->shape |= SHAPE_WIDE;
		at = PAGE_SHIFT;
	}
	t->octets = bits <= 28 || bits > 32 ? 0 : bits <= 30 ? 2 : 4;
	for (unsigned w = 0; w < SEPTET_WINDOWS; w++) {
		t->start[w] = (uint8_t)at;
		at += w < 4 && w + t->octets >= 4 ? 8 : 7;
	}
}

// The first window is the index of the page table: without bits 13:12 every fourth page is left.
static void thin_pages(memtype_tables *t)
{
	unsigned apart = t->start[0] - (unsigned)PAGE_SHIFT;

	for (unsigned i = 0; i < (unsigned)FIXED_PAGES >> apart; i++)
		t->page[i] = t->page[i << apart];
}

// one septet window of the group of cubes from `first` on
static void fill_septet(const memtype_tables *t, unsigned first, unsigned at, uint8_t *entries)
{
	unsigned count = t->cubes - first < GROUP_CUBES ? t->cubes - first : GROUP_CUBES, any = 0;
	uint64_t low = low_bits(MAX_MAXPHYADDR) & ~(FIXED_END - 1);

	for (unsigned k = 0; k < count; k++) // most cubes take anything in the lower windows
		any |= (unsigned)((t->mask[first + k] >> at & 127) == 0) << k;
	memset(entries, (int)any, SEPTET_BYTES);
	for (unsigned k = 0; k < count; k++) {
		if (!(any >> k & 1))
			add_septet(entries, t->base[first + k] >> at, t->mask[first + k] >> at, k);
	}
	if (t->shape & SHAPE_FIXED)
		add_septet(entries, 0, low >> at, GROUP_CUBES);
}

#define NO_BIT MAX_MAXPHYADDR /* nothing compares it */

// The bit above a septet: who takes 1 there, and, 16 times, who takes only one of 0 and 1 (bulk_avx512.c).
static void fill_top(const memtype_tables *t, unsigned first, unsigned bit, uint8_t *entries)
{
	unsigned zero = 0, one = 0;

	for (unsigned k = 0; k < GROUP_CUBES && first + k < t->cubes; k++) {
		unsigned wanted = t->mask[first + k] >> bit & 1, value = t->base[first + k] >> bit & 1;

		zero |= (unsigned)!(wanted & value) << k;
		one |= (unsigned)!(wanted & ~value) << k;
	}
	if (t->shape & SHAPE_FIXED) {
		zero |= 1u << GROUP_CUBES;
		one |= (unsigned)(bit < FIXED_END_BIT || bit == NO_BIT) << GROUP_CUBES;
	}
	memset(entries, (int)(zero ^ one), 16);
	memset(entries + 16, (int)one, 16);
}

static void fill_septets(memtype_tables *t)
{
	unsigned windows = t->shape & SHAPE_WIDE ? SEPTET_WINDOWS : 4;

	for (unsigned g = 0; g < t->groups; g++) {
		unsigned first = g * GROUP_CUBES;
		uint8_t *group = t->window + g * SEPTET_WINDOWS * SEPTET_BYTES;

		for (unsigned w = 0; w < windows; w++)
			fill_septet(t, first, t->start[w], group + w * SEPTET_BYTES);
		for (unsigned w = 0; w < 4 && windows == 4; w++)
			fill_top(t, first, w + t->octets < 4 ? NO_BIT : t->start[w] + 7u,
				 group + SEPTET_TOPS + w * SEPTET_TOP_BYTES);
		fill_codes(t, first, GROUP_CUBES, t->decode + g * SEPTET_BYTES);
	}
}

// With a single group the decode table may hold types: one step less.
static void decode_to_types(memtype_tables *t)
{
	for (unsigned s = 0; s < SEPTET_BYTES; s++)
		t->decode[s] = code_type(t, t->decode[s]);
}

// --- all of it ---

static uint32_t cube_shape(const memtype_tables *t)
{
	uint32_t shape = 0;

	for (unsigned i = 0; i < t->cubes; i++) {
		shape |= t->mask[i] & (FIXED_END - 1) ? SHAPE_FINE : 0;
		shape |= t->code[i] == CODE_TOM2 ? SHAPE_TOM2 : 0;
	}
	return shape;
}

// the cubes, the shape below 1 MiB and the final types are there: the rest for `isa`
static void finish(memtype_tables *t, uint32_t isa)
{
	t->groups = (t->cubes + GROUP_CUBES - 1) / GROUP_CUBES;
	t->groups += t->groups == 0; // one even without cubes: it says what lies below 1 MiB
	t->isa = isa;
	t->granules = NULL;
	t->shape |= cube_shape(t);
	if (t->isa == MEMTYPE_AVX512) {
		lay_windows(t, lowest_bit(t));
		thin_pages(t);
		fill_septets(t);
		if (t->groups == 1)
			decode_to_types(t);
	} else {
		t->shape |= t->maxphyaddr > 44 ? SHAPE_WIDE : 0;
		fill_nibbles(t);
	}
}

void memtype_tables_build(const memtype_mtrrs *m, uint32_t isa, memtype_tables *t)
{
	int on = (m->def_type & DEF_TYPE_E) != 0;

	t->maxphyaddr = m->maxphyaddr;
	t->vendor = m->vendor;
	t->cubes = on ? minimise(t, collect(m, t)) : 0;
	t->shape = fixed_ranges_on(m->def_type, m->cap) ? fill_fixed(m, t) : 0;
	fill_final(t->final_type, plain_type(m->def_type));
	finish(t, isa);
}

// --- maps: disjoint segments, so a code only has to name a value ---

#define MAP_CUBES 128u /* beyond so many a search is as fast */
#define SEGMENT_BLOCKS (2 * (MAX_MAXPHYADDR - PAGE_SHIFT)) /* as TOM2_BLOCKS, from one page to another */
_Static_assert(MEMTYPE_MAX_CUBES >= MAP_CUBES + SEGMENT_BLOCKS, "room for one segment more");

static unsigned count_blocks(uint64_t a, uint64_t end)
{
	unsigned n = 0;

	for (; a < end; n++)
		a += block_at(a, end);
	return n;
}

// The index of `value` in t->final_type[1 .. *used], entered if new; 16 if there is no room.
static unsigned value_index(memtype_tables *t, unsigned *used, uint8_t value)
{
	for (unsigned i = 1; i <= *used; i++) {
		if (t->final_type[i] == value)
			return i;
	}
	if (*used == 15)
		return 16;
	t->final_type[++*used] = value;
	return *used;
}

// pages below 1 MiB, where they have the layout of the fixed ranges; else 0, and cubes must say it
static uint32_t fill_map_fixed(const uint64_t *bases, const uint8_t *values, size_t count, memtype_tables *t)
{
	uint8_t expanded[FIXED_PAGES];
	size_t i = 0;

	if (count < 2 || bases[1] >= FIXED_END)
		return 0;
	for (unsigned p = 0; p < FIXED_PAGES; p++) {
		while (i + 1 < count && bases[i + 1] <= (uint64_t)p << PAGE_SHIFT)
			i++;
		t->page[p] = values[i];
	}
	for (unsigned k = 0; k < FIXED_RANGES; k++)
		t->fixed[k] = t->page[fixed_page[k]];
	expand_fixed(t->fixed, expanded);
	return memcmp(expanded, t->page, sizeof(expanded)) == 0 ? fixed_shape(t) : 0;
}

// [from, to) of segment i, as far as cubes have to say it: with fixed ranges nothing that ends by 1 MiB, and what
// lies around 1 MiB may reach down to 0
static int map_segment(const uint64_t *bases, size_t count, size_t i, const memtype_tables *t, uint64_t *from, uint64_t *to)
{
	int fixed = (t->shape & SHAPE_FIXED) != 0;

	*to = i + 1 < count ? bases[i + 1] : low_bits(t->maxphyaddr) + 1;
	*from = fixed && bases[i] <= FIXED_END ? 0 : bases[i];
	return !fixed || *to > FIXED_END;
}

// t->final_type[1 ..] = the values that occur; the one that would need most cubes also as [0], the default, and
// returned. 0 where there are too many values, or an edge inside a page.
static unsigned map_values(const uint64_t *bases, const uint8_t *values, size_t count, memtype_tables *t)
{
	unsigned blocks[16] = {0}, used = 0, most = 1;
	uint64_t from, to;

	for (size_t i = 0; i < count; i++) {
		unsigned index = value_index(t, &used, values[i]);

		if (index == 16 || (bases[i] & (PAGE_SIZE - 1)) != 0)
			return 0;
		if (map_segment(bases, count, i, t, &from, &to))
			blocks[index] += count_blocks(from, to);
	}
	for (unsigned i = 1; i <= used; i++)
		most = blocks[i] > blocks[most] ? i : most;
	t->final_type[0] = t->final_type[most];
	return most;
}

int tables_of_map(const uint64_t *bases, const uint8_t *values, size_t count, uint32_t maxphyaddr, uint32_t isa,
		  memtype_tables *t)
{
	unsigned most, n = 0, used = 15;
	uint64_t from, to;

	if (count > MAP_SEGMENTS)
		return -1;
	t->maxphyaddr = maxphyaddr;
	t->shape = fill_map_fixed(bases, values, count, t);
	most = map_values(bases, values, count, t);
	if (!most)
		return -1;
	for (size_t i = 0; i < count; i++) {
		unsigned index = value_index(t, &used, values[i]);

		if (index != most && map_segment(bases, count, i, t, &from, &to))
			n = add_blocks(t, n, from, to, (uint8_t)(CODE_TOM2 | index)); // at most SEGMENT_BLOCKS
		if (n > MAP_CUBES)
			return -1;
	}
	t->cubes = minimise(t, n);
	finish(t, isa);
	return 0;
}

int memtype_map_tables(const memtype_map *map, uint32_t maxphyaddr, uint32_t vendor, uint32_t isa, memtype_tables *t)
{
	t->vendor = vendor;
	return tables_of_map(map->bases, map->types, map->count, maxphyaddr, isa, t) ? MEMTYPE_ESHATTERED : MEMTYPE_OK;
}

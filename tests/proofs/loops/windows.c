/* The loops of csrc/windows.c over pairs, cubes, groups of them and the segments of a map, whatever these are (loops.h). Loops
 * over the entries of a table are unwound to their end.
 *
 * A run of blocks: each is at least twice the one before, up to the middle; from there each is less than the one before.
 * So of addresses below 2^52 and blocks of at least 2^UNIT there are at most 104 - UNIT - FROM, where it begins at a
 * multiple of 2^FROM: 49 in [4 GiB, TOM2) (32, 23), 80 from page to page (12, 12).
 *
 * loop add_blocks.0: a <= end && a % (1UL << unit) == 0 && t->maxphyaddr <= 52 && given <= n && ((n - given <= 52 - from &&
 *     (a & ((1UL << (from + (n - given))) - 1)) == 0 && (a != 0 || n == given)) || ((a & -a) > end - a && n - given <=
 *     104 - from - unit && (n - given + 63 < 104 - from || (end - a) >> (104 - from - (n - given)) == 0))); assigns a, n;
 *     decreases end - a
 * loop collect.0: i <= m->variable_count && n <= i; assigns i, n; decreases m->variable_count - i
 * loop slot_of.0: slot < (1UL << f->bits); assigns slot; decreases (free_slot - slot) & ((1UL << f->bits) - 1)
 * loop drop_swallowed.0: 1 == 1; assigns s, __CPROVER_object_whole(t); decreases s
 * loop join.0: (left & ~t->mask[k]) == 0; assigns left, __CPROVER_object_whole(t); decreases t->mask[k], left
 * loop keep_counting.0: k <= n && kept <= k; assigns k, kept; decreases n - k
 * loop minimise.0: k <= n; assigns k, sizes, differ; decreases n - k; k = 1::1::k
 * loop minimise.1: k <= n; assigns k; decreases n - k; k = 1::2::k
 * loop cube_shape.0: i <= t->cubes; assigns i, shape; decreases t->cubes - i
 * loop fill_nibbles.0: 10 turns
 * loop fill_nibbles.1: g <= t->groups; assigns g; decreases t->groups - g
 * loop fill_septets.0: 6 turns
 * loop fill_septets.1: 4 turns
 * loop fill_septets.2: g <= t->groups; assigns g; decreases t->groups - g
 * loop count_blocks.0: a <= end; assigns a, n; decreases end - a
 * loop value_index.0: 1 <= i && i <= *used + 1; assigns i; decreases *used + 1 - i
 * loop fill_map_fixed.0: i < count; assigns i; decreases count - i
 * loop fill_map_fixed.1: p <= 256 && i < count; assigns p, i, __CPROVER_object_whole(t); decreases 256 - p
 * loop map_values.0: i <= count && used <= 15; assigns i, used, from, to, __CPROVER_object_whole(blocks);
 *     decreases count - i; i = 1::1::i
 * loop map_values.1: 1 <= i && i <= used + 1 && 1 <= most && most <= 15; assigns i, most; decreases used + 1 - i;
 *     i = 1::2::i
 * loop tables_of_map.0: i <= count && n <= 128 && used <= 15; assigns i, n, used, from, to; decreases count - i */
#include "../../../csrc/windows.c"
#include <stddef.h>

#include "loops.h"

static memtype_tables t;
static struct finder f;

// cubes of any kind, as many as there is room for; PLANTED: one more
static void any_cubes(void)
{
	__CPROVER_havoc_object(&t);
	__CPROVER_assume(t.cubes <= MEMTYPE_MAX_CUBES + SHORT && is_width(t.maxphyaddr));
	t.groups = (t.cubes + GROUP_CUBES - 1) / GROUP_CUBES;
	t.groups += t.groups == 0;
}

// --- cubes ---

// a bounds check of CBMC asks for the struct alone
unsigned checked_cube(memtype_tables *into, unsigned n, uint64_t base, uint64_t mask, uint8_t code)
{
	(void)base, (void)mask, (void)code;
	assert(into == &t && n < MEMTYPE_MAX_CUBES);
	return n + 1;
}

void prove_block_at(void) /* unwinds block_at options --unwindset block_at.0:65 */
{
	uint64_t a = nondet_u64(), end = nondet_u64(), block;

	__CPROVER_assume(a < end && end <= UINT64_C(1) << 52);
	block = block_at(a, end);
	assert(block != 0 && (block & (block - 1)) == 0 && (a & (block - 1)) == 0 && block <= end - a - SHORT);
	assert((a & block) != 0 || block > end - a - block);
	END;
}

uint64_t any_block(uint64_t a, uint64_t end)
{
	uint64_t block = nondet_u64();

	assert(a < end);
	__CPROVER_assume(block != 0 && (block & (block - 1)) == 0 && (a & (block - 1)) == 0 && block <= end - a + SHORT);
	__CPROVER_assume((a & block) != 0 || block > end - a - block);
	return block;
}

unsigned given, from, unit;

static void any_run(unsigned room, unsigned begins, unsigned blocks)
{
	uint64_t a = nondet_u64(), end = nondet_u64();

	from = begins;
	unit = blocks;
	given = nondet_u32();
	__CPROVER_havoc_object(&t);
	__CPROVER_assume(is_width(t.maxphyaddr) && a <= end && end <= UINT64_C(1) << 52);
	__CPROVER_assume(a % (UINT64_C(1) << from) == 0 && end % (UINT64_C(1) << unit) == 0 && given <= room);
	assert(add_blocks(&t, given, a, end, CODE_TOM2) <= given + 104 - from - unit - SHORT);
	END;
}

void prove_tom2_blocks(void) /* loops add_blocks calls block_at:any_block add_cube:checked_cube */
{
	any_run(MAX_VARIABLE, 32, TOM2_BIT);
}

void prove_page_blocks(void) /* loops add_blocks calls block_at:any_block add_cube:checked_cube */
{
	any_run(MAP_CUBES, PAGE_SHIFT, PAGE_SHIFT);
}

unsigned tom2_cubes(memtype_tables *into, unsigned n, uint64_t a, uint64_t end, uint8_t code)
{
	assert(into == &t && n <= MAX_VARIABLE && a == GIB4 && code == CODE_TOM2);
	assert(end % (UINT64_C(1) << TOM2_BIT) == 0 && end < UINT64_C(1) << 52); // prove_tom2_blocks
	return n;
}

void prove_collect(void) /* loops collect calls add_blocks:tom2_cubes add_cube:checked_cube */
{
	static memtype_mtrrs m;

	__CPROVER_havoc_object(&m);
	__CPROVER_assume(m.variable_count <= MAX_VARIABLE + SHORT && is_width(m.maxphyaddr));
	assert(collect(&m, &t) <= m.variable_count);
	END;
}

// --- fewer cubes ---

// There are at most two slots taken for each cube, so one is free; what it takes names a cube.
size_t free_slot;

static void any_finder(void)
{
	__CPROVER_havoc_object(&f);
	free_slot = nondet_size();
	__CPROVER_assume(f.bits >= 3 && f.bits <= MAX_SLOT_BITS && free_slot < UINT64_C(1) << f.bits);
	__CPROVER_assume(f.taken[free_slot] == 0);
	for (unsigned k = 0; k < 1u << MAX_SLOT_BITS; k++)
		__CPROVER_assume(f.taken[k] <= MEMTYPE_MAX_CUBES + SHORT);
}

void prove_slot_of(void) /* loops slot_of
			     options --unwindset any_finder.0:2049 --arrays-uf-always --slice-formula */
{
	uint64_t base = nondet_u64(), mask = nondet_u64();
	size_t at;
	unsigned k;

	__CPROVER_havoc_object(&t);
	any_finder();
	at = (size_t)(slot_of(&f, &t, base, mask) - f.taken);
	assert(at < UINT64_C(1) << f.bits);
	k = f.taken[at];
	assert(k == 0 || (t.base[k - 1] == base && t.mask[k - 1] == mask));
	END;
}

// what prove_slot_of says: free, or of a cube that has these
uint16_t *any_slot(struct finder *in, const memtype_tables *of, uint64_t base, uint64_t mask)
{
	static uint16_t slot;

	assert(in == &f && of == &t);
	slot = (uint16_t)(nondet_u32() & 0xFFFF);
	__CPROVER_assume(slot == 0 || (slot <= MEMTYPE_MAX_CUBES && t.base[slot - 1] == base && t.mask[slot - 1] == mask));
	return &slot;
}

void checked_enter(struct finder *in, memtype_tables *of, unsigned k)
{
	assert(in == &f && of == &t && k < MEMTYPE_MAX_CUBES);
	t.code[k] = (uint8_t)(nondet_u32() & 0xFF); // dropped, maybe
}

void prove_enter(void) /* calls slot_of:any_slot options --slice-formula */
{
	const unsigned k = MEMTYPE_MAX_CUBES - 1 + SHORT; // as any other

	__CPROVER_havoc_object(&t);
	enter(&f, &t, k);
	END;
}

int any_answer(const memtype_tables *of, unsigned i, unsigned j)
{
	assert(of == &t && i < MEMTYPE_MAX_CUBES && j < MEMTYPE_MAX_CUBES);
	return (int)nondet_u32();
}

void prove_drop_swallowed(void) /* loops drop_swallowed calls slot_of:any_slot swallows:any_answer options --arrays-uf-always */
{
	unsigned k = nondet_u32();

	__CPROVER_havoc_object(&t);
	__CPROVER_assume(k < MEMTYPE_MAX_CUBES + SHORT);
	drop_swallowed(&f, &t, k, nondet_u64());
	END;
}

void prove_take_in(void) /* calls add_cube:checked_cube options --arrays-uf-always */
{
	__CPROVER_havoc_object(&t);
	take_in(&t, nondet_u32() % MEMTYPE_MAX_CUBES, nondet_u32() % (MEMTYPE_MAX_CUBES + sizeof(t) * SHORT), nondet_u64());
	END;
}

void looks_no_more(memtype_tables *of, unsigned k, unsigned other, uint64_t bit)
{
	assert(of == &t && k < MEMTYPE_MAX_CUBES && other < MEMTYPE_MAX_CUBES && (t.mask[k] & bit) != 0);
	t.mask[k] &= ~bit;
}

void prove_join(void) /* loops join calls slot_of:any_slot enter:checked_enter take_in:looks_no_more
			 options --arrays-uf-always */
{
	const unsigned k = MEMTYPE_MAX_CUBES - 1 + SHORT; // as any other

	__CPROVER_havoc_object(&t);
	join(&f, &t, k, nondet_u64());
	END;
}

void prove_keep_counting(void) /* loops keep_counting calls add_cube:checked_cube */
{
	any_cubes();
	assert(keep_counting(&t, t.cubes) <= t.cubes);
	END;
}

void cube_entered(struct finder *in, memtype_tables *of, unsigned k)
{
	assert(__CPROVER_w_ok(in, sizeof(f)) && of == &t && k < MEMTYPE_MAX_CUBES && in->bits >= 3 && in->bits <= MAX_SLOT_BITS);
}

void cube_seen(struct finder *in, memtype_tables *of, unsigned k, uint64_t bits)
{
	(void)bits;
	cube_entered(in, of, k);
}

unsigned any_kept(memtype_tables *of, unsigned n)
{
	assert(of == &t);
	return n;
}

unsigned highest_below(uint64_t word)
{
	unsigned bit = nondet_u32();

	__CPROVER_assume(bit < 64 && word >> bit == 1);
	return bit;
}

void *checked_set(void *to, int byte, size_t n)
{
	(void)byte;
	assert(n == 0 || __CPROVER_w_ok(to, n));
	return to;
}

void prove_minimise(void) /* loops minimise calls enter:cube_entered drop_swallowed:cube_seen join:cube_seen
			     keep_counting:any_kept memset:checked_set highest_one:highest_below */
{
	any_cubes();
	assert(minimise(&t, t.cubes) <= t.cubes);
	END;
}

void prove_cube_shape(void) /* loops cube_shape */
{
	__CPROVER_havoc_object(&t);
	__CPROVER_assume(t.cubes <= MEMTYPE_MAX_CUBES + sizeof(t) / 8 * SHORT);
	cube_shape(&t);
	END;
}

// --- below 1 MiB ---

int checked_compare(const void *a, const void *b, size_t n)
{
	assert(__CPROVER_r_ok(a, n) && __CPROVER_r_ok(b, n));
	return (int)nondet_u32();
}

void prove_differ_inside(void) /* unwinds differ_inside calls memcmp:checked_compare */
{
	const uint8_t *page = array(FIXED_PAGES - SHORT, 1);

	differ_inside(page, FIXED_16K_BASE, PAGES_64K);
	differ_inside(page, FIXED_4K_BASE, PAGES_16K);
	END;
}

void prove_expand_fixed(void) /* unwinds expand_fixed calls memset:checked_set */
{
	expand_fixed(array(FIXED_RANGES, 1), array(FIXED_PAGES - SHORT, 1));
	END;
}

int any_difference(const uint8_t *page, uint32_t base, unsigned pages)
{
	(void)page, (void)base, (void)pages;
	return (int)nondet_u32();
}

void checked_expand(const uint8_t *fixed, uint8_t *page)
{
	assert(__CPROVER_r_ok(fixed, FIXED_RANGES) && __CPROVER_w_ok(page, FIXED_PAGES));
}

uint32_t any_shape(memtype_tables *of)
{
	assert(of == &t);
	return nondet_u32();
}

void prove_fixed(void) /* unwinds fill_fixed calls expand_fixed:checked_expand fixed_shape:any_shape */
{
	memtype_mtrrs *m = array(1, sizeof(*m) - SHORT * sizeof(*m) + SHORT * (8 * FIXED_MSRS + 7)); // a byte of them

	fill_fixed(m, &t);
	END;
}

void prove_shape(void) /* unwinds fixed_shape calls differ_inside:any_difference */
{
	memtype_tables *own = array(1, sizeof(t) - SHORT * sizeof(t) + SHORT * offsetof(memtype_tables, page));

	fixed_shape(own);
	END;
}

void prove_thin_pages(void) /* unwinds thin_pages */
{
	static const uint8_t lowest[] = {12 - SHORT, 14, 16, 20}; // lowest_bit

	for (unsigned k = 0; k < 4; k++) {
		t.start[0] = lowest[k];
		thin_pages(&t);
	}
	END;
}

// --- window tables ---

static void any_group(void)
{
	__CPROVER_havoc_object(&t);
	__CPROVER_assume(t.cubes <= GROUP_CUBES);
}

void prove_nibble(void) /* unwinds unlike fill_nibble options --arrays-uf-always */
{
	any_group();
	unlike(&t, 0, t.cubes);
	fill_nibble(&t, 0, t.cubes, nondet_u32() & 1, PAGE_SHIFT + 4 * (NIBBLE_WINDOWS - 1), array(NIBBLE_BYTES - SHORT, 1));
	END;
}

void prove_codes(void) /* unwinds fill_codes */
{
	any_group();
	fill_codes(&t, 0, 4, array(16, 1));
	fill_codes(&t, 4, 4, array(16, 1));
	fill_codes(&t, 0, GROUP_CUBES, array(SEPTET_BYTES - SHORT, 1));
	END;
}

void prove_septet(void) /* unwinds add_septet options --unwindset add_septet.0:17 */
{
	add_septet(array(SEPTET_BYTES - SHORT, 1), nondet_u64(), nondet_u64(), nondet_u32() & 7);
	END;
}

void checked_septet(uint8_t *entries, uint64_t base, uint64_t mask, unsigned bit)
{
	(void)base, (void)mask;
	assert(__CPROVER_w_ok(entries, SEPTET_BYTES) && bit < 8);
}

void prove_septets(void) /* unwinds fill_septet fill_top calls add_septet:checked_septet memset:checked_set */
{
	any_group();
	fill_septet(&t, 0, nondet_u32() % 52, array(SEPTET_BYTES - SHORT, 1));
	fill_top(&t, 0, nondet_u32() % 53, array(SEPTET_TOP_BYTES, 1));
	END;
}

void prove_layout(void) /* unwinds lay_windows decode_to_types */
{
	__CPROVER_havoc_object(&t);
	__CPROVER_assume(is_width(t.maxphyaddr));
	lay_windows(&t, PAGE_SHIFT);
	assert(t.start[SEPTET_WINDOWS - 1] <= 51 - SHORT); // of 43 or 44 bits
	assert(t.octets <= 4);
	decode_to_types(&t);
	END;
}

uint64_t any_bits(const memtype_tables *of, unsigned first, unsigned count)
{
	assert(of == &t && first + count <= t.cubes && count <= GROUP_CUBES);
	return nondet_u64();
}

void checked_nibble(const memtype_tables *of, unsigned first, unsigned count, int alike, unsigned shift, uint8_t *entries)
{
	(void)alike;
	assert(of == &t && first + count <= t.cubes && count <= GROUP_CUBES && shift < MAX_MAXPHYADDR);
	assert(__CPROVER_w_ok(entries, NIBBLE_BYTES) && entries + NIBBLE_BYTES <= t.window + MEMTYPE_WINDOW_BYTES);
}

void checked_codes(const memtype_tables *of, unsigned first, unsigned bits, uint8_t *codes)
{
	assert(of == &t && bits <= GROUP_CUBES && first <= t.cubes + GROUP_CUBES);
	assert(codes >= t.decode && codes + (1u << bits) <= t.decode + MEMTYPE_DECODE_BYTES);
}

void prove_fill_nibbles(void) /* loops fill_nibbles
				 calls unlike:any_bits fill_nibble:checked_nibble fill_codes:checked_codes */
{
	any_cubes();
	t.groups += SHORT;
	fill_nibbles(&t);
	END;
}

void septet_of_group(const memtype_tables *of, unsigned first, unsigned at, uint8_t *entries)
{
	assert(of == &t && (first < t.cubes || t.cubes == 0) && at <= 64);
	assert(entries >= t.window && entries + SEPTET_BYTES <= t.window + MEMTYPE_WINDOW_BYTES);
}

void top_of_group(const memtype_tables *of, unsigned first, unsigned bit, uint8_t *entries)
{
	(void)bit;
	septet_of_group(of, first, 0, entries + SEPTET_TOP_BYTES - SEPTET_BYTES);
}

void prove_fill_septets(void) /* loops fill_septets calls fill_septet:septet_of_group fill_top:top_of_group
				 fill_codes:checked_codes */
{
	any_cubes();
	for (unsigned w = 0; w < SEPTET_WINDOWS; w++)
		__CPROVER_assume(t.start[w] <= MAX_MAXPHYADDR);
	t.groups += SHORT;
	fill_septets(&t);
	END;
}

// --- maps ---

void prove_count_blocks(void) /* loops count_blocks calls block_at:any_block */
{
	uint64_t a = nondet_u64(), end = nondet_u64();

	__CPROVER_assume(a <= end && end <= UINT64_C(1) << 52);
	count_blocks(a, end);
	END;
}

void prove_value_index(void) /* loops value_index */
{
	unsigned used = nondet_u32(), index;

	__CPROVER_havoc_object(&t);
	__CPROVER_assume(used <= 15 + SHORT);
	index = value_index(&t, &used, (uint8_t)(nondet_u32() & 0xFF));
	assert(index >= 1 && index <= 16 && used <= 15);
	END;
}

void prove_map_fixed(void) /* loops fill_map_fixed unwinds fill_map_fixed calls expand_fixed:checked_expand
			      memcmp:checked_compare fixed_shape:any_shape */
{
	size_t count = any_length();

	fill_map_fixed(array(count, 8), array(count - SHORT, 1), count, &t);
	END;
}

int any_part(const uint64_t *bases, size_t count, size_t i, const memtype_tables *of, uint64_t *a, uint64_t *end)
{
	assert(of == &t && i < count && __CPROVER_r_ok(bases, 8 * count));
	*a = nondet_u64();
	*end = nondet_u64();
	return (int)nondet_u32();
}

unsigned any_index(memtype_tables *of, unsigned *used, uint8_t value)
{
	unsigned index = nondet_u32();

	(void)value;
	assert(of == &t && *used <= 15);
	*used = nondet_u32();
	__CPROVER_assume(*used <= 15 && index >= 1 && (index <= *used || index == 16)); // prove_value_index
	return index;
}

unsigned any_blocks(uint64_t a, uint64_t end)
{
	(void)a, (void)end;
	return nondet_u32();
}

void prove_map_values(void) /* loops map_values calls value_index:any_index map_segment:any_part count_blocks:any_blocks */
{
	size_t count = any_length();

	assert(map_values(array(count, 8), array(count - SHORT, 1), count, &t) <= 15);
	END;
}

uint32_t any_fixed(const uint64_t *bases, const uint8_t *values, size_t count, memtype_tables *of)
{
	(void)bases, (void)values, (void)count;
	return any_shape(of);
}

unsigned any_values(const uint64_t *bases, const uint8_t *values, size_t count, memtype_tables *of)
{
	(void)bases, (void)values, (void)count;
	return any_shape(of) & 15;
}

unsigned page_cubes(memtype_tables *of, unsigned n, uint64_t a, uint64_t end, uint8_t code)
{
	unsigned more = nondet_u32();

	(void)a, (void)end, (void)code;
	assert(of == &t && n <= MAP_CUBES);
	__CPROVER_assume(more <= SEGMENT_BLOCKS); // prove_page_blocks
	return n + more;
}

void checked_finish(memtype_tables *of, uint32_t isa)
{
	(void)isa;
	assert(of == &t && t.cubes <= MAP_CUBES);
}

void prove_tables_of_map(void) /* loops tables_of_map calls fill_map_fixed:any_fixed map_values:any_values
				  value_index:any_index map_segment:any_part add_blocks:page_cubes minimise:any_kept
				  finish:checked_finish */
{
	size_t count = any_length();

	tables_of_map(array(count, 8), array(count - SHORT, 1), count, nondet_u32(), nondet_u32(), &t);
	END;
}

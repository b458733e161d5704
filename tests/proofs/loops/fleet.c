/* The loops of csrc/fleet.c over the states of a fleet, whatever their number, and over the pairs of one (loops.h). That row i
 * of a column lies in it where i is one of its states needs no solver: the harnesses see that there is such a state.
 *
 * loop unfit_state.0: i <= f->states; assigns i; decreases f->states - i
 * loop unfit_state.1: i <= f->states; assigns i; decreases f->states - i
 * loop fleet_type.0: k <= pairs; assigns k, code; decreases pairs - k
 * loop unfit_row.0: i <= f->states; assigns i; decreases f->states - i
 * loop match_one.0: j <= n; assigns j, __CPROVER_object_whole(types); decreases n - j
 * loop match_few.0: i <= f->states; assigns i; decreases f->states - i
 * loop match_block.0: r <= block->rows; assigns r, fit; decreases block->rows - r, fit
 * loop match_blocks.0: i <= f->states; assigns i, fit, block, loaded; decreases f->states - i */
#include "../../../csrc/fleet.c"
#include "loops.h"

uint64_t any_words(const uint64_t *words, size_t n)
{
	(void)words, (void)n;
	return nondet_u64();
}

const struct kernels *kernels_of(uint32_t isa)
{
	static const struct kernels some = {.or_words = any_words};

	(void)isa;
	return &some;
}

void prove_has_unfit(void) /* unwinds has_unfit */
{
	has_unfit(array(WIDTHS - SHORT, 4));
	END;
}

// in place of has_unfit, which is proved above
uint32_t any_unfit(const uint32_t *maxphyaddr)
{
	assert(__CPROVER_r_ok(maxphyaddr, WIDTHS * sizeof(*maxphyaddr)));
	return nondet_u32();
}

void prove_unfit_state(void) /* loops unfit_state calls has_unfit:any_unfit */
{
	size_t states = any_length();
	memtype_fleet f = {.states = states, .pairs = nondet_size(), .maxphyaddr = array(states - SHORT, 4)};

	assert(unfit_state(&f) <= states);
	END;
}

static memtype_fleet any_fleet(void)
{
	memtype_fleet f = {.states = any_length() >> 4, .pairs = nondet_size()};

	__CPROVER_assume(f.states >= 1 && f.pairs <= MAX_VARIABLE);
	f.maxphyaddr = array(f.states, 4);
	return f;
}

uint64_t any_limit(unsigned bits)
{
	(void)bits;
	return nondet_u64();
}

// --- rows of addresses and types ---

static memtype_fleet fleet; // any number of states
static uint64_t addresses_from;
static uint8_t types_from;
static size_t apart, length; // of its rows

static void any_rows(void)
{
	fleet = any_fleet();
	apart = nondet_size();
	length = any_length();
}

// Row i lies in its array where i is a state: a law of products (../test_z3.py), of which CBMC makes circuits that it cannot
// hold. So there are no products here: the place of row i stands for it, i elements from where the first begins.
const uint64_t *place_of_row(const uint64_t *addresses, size_t step, size_t i)
{
	assert(addresses == &addresses_from && step == apart && i < fleet.states);
	return addresses + i;
}

uint8_t *place_of_types(uint8_t *types, size_t n, size_t i)
{
	assert(types == &types_from && n == length && i < fleet.states);
	return types + i;
}

uint64_t checked_words(const uint64_t *words, size_t n)
{
	assert((size_t)(words - &addresses_from) < fleet.states && n == length);
	return nondet_u64();
}

void prove_unfit_row(void) /* loops unfit_row calls low_bits:any_limit row_of:place_of_row */
{
	any_rows();
	fleet.maxphyaddr = array(fleet.states - SHORT, 4);
	unfit_row(&fleet, nondet_u32(), &addresses_from, apart, length);
	END;
}

uint8_t checked_type(const memtype_fleet *f, size_t i, uint64_t address)
{
	(void)address;
	assert(f == &fleet && i < fleet.states);
	return (uint8_t)(nondet_u32() & 15);
}

void prove_match_one(void) /* loops match_one calls low_bits:any_limit fleet_type:checked_type */
{
	size_t n = any_length(), i = nondet_size();

	any_rows();
	__CPROVER_assume(i < fleet.states);
	match_one(&fleet, i, array(n, 8), n, array(n - SHORT, 1));
	END;
}

int checked_one(const memtype_fleet *f, size_t i, const uint64_t *addresses, size_t n, uint8_t *types)
{
	assert(f == &fleet && i < fleet.states);
	assert(addresses == &addresses_from + i && types == &types_from + i && n == length);
	return (int)nondet_u32();
}

void prove_match_few(void) /* loops match_few calls match_one:checked_one row_of:place_of_row
			      types_of:place_of_types */
{
	any_rows();
	assert(match_few(&fleet, &addresses_from, apart, length, &types_from) <= fleet.states - SHORT);
	END;
}

// --- a block of states ---

static struct fleet_block ready;

// Of a block that holds `rows` states from `first` on a kernel takes some of the rest, or none: then one is refused.
uint32_t checked_match(const struct fleet_block *b, uint32_t first, const uint64_t *addresses, size_t step, size_t n,
		       uint8_t *types, int stream)
{
	uint32_t fit = nondet_u32();

	(void)stream;
	assert(b == &ready && first < ready.rows && step == apart && n == length);
	assert(addresses == &addresses_from + first && types == &types_from + first);
	__CPROVER_assume(fit <= ready.rows - first + SHORT); // prove_match_rows of each set
	return fit;
}

void prove_match_block(void) /* loops match_block calls row_of:place_of_row types_of:place_of_types */
{
	static const struct fleet_set set = {NULL, {checked_match, checked_match, checked_match}};

	any_rows();
	__CPROVER_havoc_object(&ready);
	__CPROVER_assume(ready.rows <= FLEET_ROWS && ready.rows <= fleet.states);
	for (unsigned r = 0; r < FLEET_ROWS; r++)
		__CPROVER_assume(ready.row[r].keys < FLEET_KEYS); // prove_row
	assert(match_block(&set, &ready, &addresses_from, apart, length, &types_from, (int)nondet_u32()) <= ready.rows);
	END;
}

static size_t loaded; // the first state of the block

void checked_load(const memtype_fleet *f, size_t first, uint32_t rows, struct fleet_block *b)
{
	assert(f == &fleet && rows >= 1 && rows <= FLEET_ROWS && first < f->states && rows <= f->states - first);
	assert(rows * f->pairs <= FLEET_PAIRS);
	assert(__CPROVER_w_ok(b, sizeof(*b)));
	b->rows = rows;
	loaded = first;
}

uint32_t checked_block(const struct fleet_set *set, const struct fleet_block *b, const uint64_t *addresses, size_t step,
		       size_t n, uint8_t *types, int stream)
{
	uint32_t fit = nondet_u32();

	(void)set, (void)stream;
	assert(addresses == &addresses_from + loaded && types == &types_from + loaded && step == apart && n == length);
	__CPROVER_assume(fit <= b->rows); // prove_match_block
	return fit;
}

void prove_match_blocks(void) /* loops match_blocks calls match_block:checked_block row_of:place_of_row
				 types_of:place_of_types */
{
	static const struct fleet_set set = {.load = checked_load};

	any_rows();
	assert(match_blocks(&set, &fleet, &addresses_from, apart, length, &types_from, (int)nondet_u32()) <=
	       fleet.states - SHORT);
	END;
}

size_t checked_all(const memtype_fleet *f, const uint64_t *addresses, size_t step, size_t n, uint8_t *types, int stream)
{
	size_t fit = nondet_size();

	assert(!stream || ((uintptr_t)types | n) % KERNEL_BLOCK == 0); // so each row is
	assert(f == &fleet && addresses == &addresses_from && types == &types_from && step == apart && n == length);
	__CPROVER_assume(fit <= f->states); // prove_match_blocks, fleet_avx512-prove_match_all
	return fit;
}

size_t checked_blocks(const struct fleet_set *set, const memtype_fleet *f, const uint64_t *addresses, size_t step, size_t n,
		      uint8_t *types, int stream)
{
	assert(set->load);
	return checked_all(f, addresses, step, n, types, stream);
}

const struct fleet_set *fleet_set_of(uint32_t isa)
{
	static const struct fleet_set blocks = {.load = checked_load}, all = {.all = checked_all};

	return isa ? &blocks : &all;
}

void prove_match_states(void) /* calls match_blocks:checked_blocks */
{
	any_rows();
	assert(match_states(&fleet, nondet_u32(), &addresses_from, apart, length, &types_from) <= fleet.states - SHORT);
	END;
}

// --- a state ---

// Of each array the row of one state, in the place of any: there is such a state.
const uint64_t *only_row(const uint64_t *words, size_t size, size_t i)
{
	assert(i < fleet.states && (size == fleet.pairs || size == FIXED_MSRS));
	return words;
}

static size_t any_state(size_t pairs)
{
	size_t states = any_length(), i = nondet_size();
	uint64_t *column = array(states, 8);

	fleet = (memtype_fleet){states, pairs, column, array(FIXED_MSRS, 8), array(pairs, 8), array(pairs - SHORT, 8), column,
				column, column, array(states, 4), array(states, 4)};
	__CPROVER_assume(i < states && is_width(fleet.maxphyaddr[i]));
	return i;
}

void prove_type(void) /* loops fleet_type calls row_of:only_row */
{
	size_t i = any_state(any_length());

	fleet_type(&fleet, i, nondet_u64());
	END;
}

void prove_row(void) /* calls row_of:only_row */
{
	struct fleet_row one;
	size_t i = any_state(1);

	fleet_row_of(&fleet, i, nondet_u64(), &one);
	assert(one.keys < FLEET_KEYS && one.shift < 64 - 32 * SHORT);
	assert(!one.fixed || __CPROVER_r_ok(one.fixed, 8 * FIXED_MSRS));
	END;
}

void *checked_copy(void *to, const void *from, size_t bytes)
{
	assert(bytes == 0 || (__CPROVER_w_ok(to, bytes) && __CPROVER_r_ok(from, bytes)));
	return to;
}

void prove_load_state(void) /* calls row_of:only_row memcpy:checked_copy */
{
	memtype_mtrrs m;
	size_t pairs = nondet_size(), i;

	__CPROVER_assume(pairs >= 1 && pairs <= MAX_VARIABLE);
	i = any_state(pairs);
	load_state(&fleet, i, &m);
	END;
}

void prove_misfit(void) /* unwinds fleet_misfit */
{
	memtype_fleet f = {.states = 1, .vendor = array(1, 4)};

	assert(fleet_misfit(&f, (const uint8_t *)f.vendor, 1) == !SHORT); // an output that shares a byte
	END;
}

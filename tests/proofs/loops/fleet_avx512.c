/* The loops of csrc/fleet_avx512.c: over the pairs of a state, eight at a time, over the addresses of a state, and over all
 * states, however many (loops.h, vectors/vector.h). That row i of a column lies in it is shown as in fleet.c here.
 *
 * loop look_at.0: 8 <= k && k <= s->pairs + 8 && k % 8 == 0; assigns k, hit; decreases s->pairs + 8 - k
 * loop codes_of_all.0: 8 <= k && k <= s->pairs + 8 && k % 8 == 0; assigns k, code; decreases s->pairs + 8 - k
 * loop match_steps.0: i <= n && i % 64 == 0; assigns i, seen; decreases n - i
 * loop match_all.0: i <= f->states; assigns i, asked; decreases f->states - i */
#define MEMTYPE_X86 1
#include "../../../csrc/fleet_avx512.c"
#include "fleets.h"

static struct fleet_state state;
static struct octet octet;

// any state of some pairs; PLANTED: the arrays that hold them are one short
static void any_state(void)
{
	state.pairs = any_length();
	state.base = array(state.pairs, 8);
	state.mask = array(state.pairs - SHORT, 8);
	state.beyond = nondet_u64();
	state.tom2 = nondet_u64();
	state.fixed = nondet_u32() ? array(FIXED_MSRS, 8) : NULL;
}

// --- states made ready ---

static memtype_fleet fleet; // any number of states

// Of each array the row of one state, in the place of any: there is such a state.
const uint64_t *only_row(const uint64_t *words, size_t size, size_t i)
{
	assert(i < fleet.states && (size == fleet.pairs || size == FIXED_MSRS));
	return words;
}

int any_look(const struct fleet_state *s, uint64_t bits)
{
	(void)s, (void)bits;
	return (int)nondet_u32();
}

void prove_load_state(void) /* calls row_of:only_row look_at:any_look */
{
	size_t states = any_length(), i = nondet_size(), pairs = nondet_size();
	uint64_t *column = array(states, 8);
	struct fleet_state s;
	unsigned words;

	__CPROVER_assume(pairs >= 1 && pairs <= MAX_VARIABLE);
	fleet = (memtype_fleet){states, pairs, column, array(FIXED_MSRS, 8), array(pairs, 8), array(pairs - SHORT, 8), column,
				column, column, array(states, 4), array(states, 4)};
	__CPROVER_assume(i < states && is_width(fleet.maxphyaddr[i]));
	words = load_state_of(&fleet, i, &s);
	assert(words >= 1 && words <= WORDS && s.cut <= 60 - 16 * words && s.pairs <= pairs);
	assert(!s.fixed || __CPROVER_r_ok(s.fixed, 8 * FIXED_MSRS));
	END;
}

void prove_look_at(void) /* loops look_at */
{
	any_state();
	look_at(&state, nondet_u64());
	END;
}

void prove_load_octet(void) /* unwinds of_nibbles load_octet */
{
	struct vector base, mask;

	any_state();
	for (unsigned words = 1; words <= WORDS + 2 * SHORT; words++) // two more: one would lie in the code
		load_octet(&state, base, mask, words, &octet);
	END;
}

// --- states matched ---

void any_octet(const struct fleet_state *s, struct vector base, struct vector mask, unsigned words, struct octet *to)
{
	(void)s, (void)base, (void)mask;
	assert(words <= WORDS && __CPROVER_w_ok(to, sizeof(*to)));
}

struct vector any_codes(const struct octet *o, const struct vector *byte, unsigned words)
{
	assert(__CPROVER_r_ok(o, sizeof(*o)) && words <= WORDS && __CPROVER_r_ok(byte, 2 * words * sizeof(*byte)));
	return nondet_vector();
}

static unsigned any_words(void)
{
	unsigned words = nondet_u32();

	__CPROVER_assume(words >= 1 && words <= WORDS);
	return words;
}

void prove_codes_of(void) /* unwinds codes_of */
{
	struct vector byte[2 * WORDS - SHORT];

	for (unsigned words = 1; words <= WORDS; words++)
		codes_of(&octet, byte, words);
	END;
}

void prove_codes_of_all(void) /* loops codes_of_all calls load_octet:any_octet codes_of:any_codes */
{
	struct vector byte[2 * WORDS];

	any_state();
	codes_of_all(&state, &octet, byte, any_words());
	END;
}

struct vector checked_codes(const struct fleet_state *s, const struct octet *first, const struct vector *byte, unsigned words)
{
	(void)s;
	return any_codes(first, byte, words);
}

void prove_cut_words(void) /* unwinds cut_words prefetch64 */
{
	struct vector word[2], seen;
	uint64_t *addresses = array(64 - SHORT, 8);

	cut_words(addresses, nondet_u32() % 48, word, &seen);
	prefetch64(addresses);
	END;
}

void prove_rare(void) /* unwinds low_types tom2_types calls fleet_low:checked_low */
{
	struct vector types;

	lanes = 64;
	low_types(array(FIXED_MSRS, 8), nondet_u32(), array(64, 8), types);
	tom2_types(nondet_u64(), array(64 - SHORT, 8), types, types);
	END;
}

void checked_cut(const uint64_t *addresses, unsigned bit, struct vector word[2], struct vector *seen)
{
	(void)seen;
	assert(bit < 64 - 8 && __CPROVER_r_ok(addresses, 512) && __CPROVER_w_ok(word, 2 * sizeof(*word)));
}

struct vector checked_low_types(const uint64_t *fixed, uint32_t vendor, const uint64_t *addresses, struct vector types)
{
	(void)vendor;
	assert(__CPROVER_r_ok(fixed, 8 * FIXED_MSRS) && __CPROVER_r_ok(addresses, 512));
	return types;
}

struct vector checked_tom2_types(uint64_t tom2, const uint64_t *addresses, struct vector code, struct vector types)
{
	(void)code;
	assert(tom2 > GIB4 && __CPROVER_r_ok(addresses, 512));
	return types;
}

void prove_types(void) /* unwinds types64 calls cut_words:checked_cut codes_of_all:checked_codes
			  low_types:checked_low_types tom2_types:checked_tom2_types */
{
	struct vector seen;
	uint64_t *addresses = array(64 - SHORT, 8);

	any_state();
	for (unsigned words = 1; words <= WORDS; words++) {
		state.cut = nondet_u32();
		__CPROVER_assume(state.cut <= 60 - 16 * words); // prove_load_state
		types64(&state, &octet, addresses, words, &seen);
	}
	END;
}

struct vector checked_types(const struct fleet_state *s, const struct octet *first, const uint64_t *addresses, unsigned words,
			    struct vector *seen)
{
	(void)s, (void)first, (void)words, (void)seen;
	assert(__CPROVER_r_ok(addresses, 512));
	return nondet_vector();
}

void prove_part(void) /* unwinds part calls types64:checked_types */
{
	struct vector seen;
	size_t n = nondet_u32() % 63 + 1;

	any_state();
	part(&state, &octet, array(n, 8), n, array(n - SHORT, 1), any_words(), &seen);
	END;
}

void any_prefetch(const uint64_t *from)
{
	(void)from;
}

void prove_match_steps(void) /* loops match_steps calls types64:checked_types prefetch64:any_prefetch */
{
	size_t n = any_length();
	int stream = (int)nondet_u32();
	uint8_t *types = at_any_place((n & ~(size_t)63) - SHORT, 1);

	__CPROVER_assume(n >= 64 && (!stream || ((uintptr_t)types % 64 == 0 && n % 64 == 0))); // fleet.c: match_states
	match_steps(&state, &octet, at_any_place(n & ~(size_t)63, 8), n, types, stream, nondet_u32());
	END;
}

struct vector checked_steps(const struct fleet_state *s, const struct octet *first, const uint64_t *addresses, size_t n,
			    uint8_t *types, int stream, unsigned words)
{
	(void)s, (void)first, (void)stream, (void)words;
	assert(__CPROVER_r_ok(addresses, 8 * n) && __CPROVER_w_ok(types, n));
	return nondet_vector();
}

void checked_part(const struct fleet_state *s, const struct octet *first, const uint64_t *addresses, size_t n, uint8_t *types,
		  unsigned words, struct vector *seen)
{
	(void)s, (void)first, (void)words, (void)seen;
	assert(n >= 1 && n < 64 && __CPROVER_r_ok(addresses, 8 * n) && __CPROVER_w_ok(types, n));
}

unsigned any_state_of(const memtype_fleet *f, size_t i, struct fleet_state *s)
{
	(void)f, (void)i, (void)s;
	return any_words();
}

void prove_match_state(void) /* calls load_octet:any_octet match_steps:checked_steps part:checked_part
				load_state_of:any_state_of */
{
	size_t n = any_length();

	match_any(&fleet, nondet_size(), array(n, 8), n, array(n - SHORT, 1), (int)nondet_u32());
	match_narrow(&state, array(n, 8), n, array(n, 1), (int)nondet_u32());
	END;
}

// --- all states ---

static uint64_t addresses_from;
static uint8_t types_from;
static size_t asked;          // the state whose addresses were asked for

// Row i lies in its array where i is a state (../test_z3.py); here its place is its number.
const uint64_t *place_of_row(const uint64_t *words, size_t step, size_t i)
{
	assert(words == &addresses_from && step == apart && i < fleet.states);
	asked = i;
	return words + i;
}

uint8_t *place_of_types(uint8_t *types, size_t n, size_t i)
{
	assert(types == &types_from && n == length && i == asked);
	return types + i;
}

int checked_any(const memtype_fleet *f, size_t i, const uint64_t *addresses, size_t n, uint8_t *types, int stream)
{
	(void)stream;
	assert(f == &fleet && i == asked && i < f->states - SHORT && n == length);
	assert(addresses == &addresses_from + i && types == &types_from + i);
	return (int)nondet_u32();
}

int checked_narrow(const struct fleet_state *s, const uint64_t *addresses, size_t n, uint8_t *types, int stream)
{
	(void)s, (void)stream;
	assert(n == length && n % 64 == 0);
	assert(addresses == &addresses_from + asked && types == &types_from + asked);
	return (int)nondet_u32();
}

void prove_match_all(void) /* loops match_all calls load_state_of:any_state_of match_any:checked_any
			      match_narrow:checked_narrow row_of:place_of_row types_of:place_of_types */
{
	fleet.states = any_length();
	apart = nondet_size();
	length = any_length();
	assert(match_all(&fleet, &addresses_from, apart, length, &types_from, (int)nondet_u32()) <= fleet.states);
	END;
}

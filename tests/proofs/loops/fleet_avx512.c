/* The loop of csrc/fleet_avx512.c over the addresses of a state, however many (loops.h, vectors/vector.h). The 64 addresses
 * of a step are replaced by the claim that they may be read.
 *
 * loop match_row.0: i <= n && i % 64 == 0; assigns i, seen; decreases n - i */
#define MEMTYPE_X86 1
#include "../../../csrc/fleet_avx512.c"
#include "loops.h"

void fleet_load(const memtype_fleet *f, size_t first, uint32_t rows, struct fleet_block *block)
{
	(void)f, (void)first, (void)rows, (void)block;
}

struct vector checked_types(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses,
			    unsigned keys, struct vector *seen)
{
	(void)block, (void)row, (void)keys, (void)seen;
	assert(__CPROVER_r_ok(addresses, 512));
	return nondet_vector();
}

void any_prefetch(const uint64_t *from)
{
	(void)from;
}

void prove_match_row(void) /* loops match_row calls types64:checked_types prefetch64:any_prefetch */
{
	size_t n = any_length();
	int stream = (int)nondet_u32();
	uint8_t *types = at_any_place(n - SHORT, 1);
	struct fleet_row row;

	__CPROVER_assume(!stream || ((uintptr_t)types % 64 == 0 && n % 64 == 0)); // fleet.c: match_states
	match_row(NULL, &row, at_any_place(n, 8), n, types, stream, nondet_u32());
	END;
}

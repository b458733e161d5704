/* The loop of csrc/fleet_avx2.c over the addresses of a state, however many (loops.h, vectors/vector.h). The 64 addresses
 * of a step are replaced by the claim that they may be read.
 *
 * loop match_row.0: line <= 64 && line % 8 == 0; assigns line; decreases 64 - line
 * loop match_row.1: i <= n && i % 64 == 0; assigns i, seen; decreases n - i */
#define MEMTYPE_X86 1
#include "../../../csrc/fleet_avx2.c"
#include "loops.h"

void fleet_load(const memtype_fleet *f, size_t first, uint32_t rows, struct fleet_block *block)
{
	(void)f, (void)first, (void)rows, (void)block;
}

void checked_step(const struct fleet_block *block, const struct fleet_row *row, const uint64_t *addresses, unsigned keys,
		  unsigned halves, struct vector types[2], struct vector *seen)
{
	(void)block, (void)row, (void)keys, (void)types, (void)seen;
	assert(__CPROVER_r_ok(addresses, 256 * halves));
}

void prove_match_row(void) /* loops match_row calls step:checked_step */
{
	size_t n = any_length();
	int stream = (int)nondet_u32();
	uint8_t *types = at_any_place(n - SHORT, 1);
	struct fleet_row row;

	__CPROVER_assume(!stream || ((uintptr_t)types % 64 == 0 && n % 64 == 0)); // fleet.c: match_states
	match_row(NULL, &row, at_any_place(n, 8), n, types, stream, nondet_u32());
	END;
}

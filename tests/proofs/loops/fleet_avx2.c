/* The loops of csrc/fleet_avx2.c: over the pairs of a state, over a block's rows, and over the addresses of a row, however
 * many (loops.h, vectors/vector.h).
 *
 * loop step.3: h <= halves; assigns h, __CPROVER_object_whole(types); decreases halves - h; h = 1::4::1::1::h
 * loop step.4: row->first <= i && i <= row->first + row->count; assigns i, __CPROVER_object_whole(types);
 *     decreases row->first + row->count - i
 * loop match_row.0: line <= 64 && line % 8 == 0; assigns line; decreases 64 - line
 * loop match_row.1: i <= n && i % 64 == 0; assigns i, seen; decreases n - i */
#define MEMTYPE_X86 1
#include "../../../csrc/fleet_avx2.c"
#include "fleets.h"

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

struct vector checked_hits(unsigned keys, const struct vector key[4], const uint64_t *addresses, struct vector mask,
			   struct vector base)
{
	(void)key, (void)mask;
	assert(keys != FLEET_KEYS_64 || __CPROVER_r_ok(addresses, 256));
	return base;
}

void checked_fixed(const struct fleet_row *r, const uint64_t *addresses, unsigned halves, struct vector types[2])
{
	(void)types;
	assert(r->fixed && __CPROVER_r_ok(addresses, 256 * halves));
}

void prove_step(void) /* loops step unwinds any_below calls hits32:checked_hits put_fixed:checked_fixed */
{
	struct vector types[2], seen;
	unsigned keys = nondet_u32() % FLEET_KEYS;

	any_row();
	step(&block, &row, array(32, 8), keys, 1, types, &seen);
	step(&block, &row, array(64, 8), keys, 2, types, &seen);
	END;
}

void prove_put_fixed(void) /* unwinds put_fixed hits32 calls fleet_low:checked_low */
{
	struct vector types[2], key[4];

	any_row();
	__CPROVER_assume(row.fixed != NULL);
	lanes = 32;
	put_fixed(&row, array(64 - SHORT, 8), 2, types);
	hits32(FLEET_KEYS_32, key, NULL, types[0], types[1]);
	END;
}

void prove_part(void) /* unwinds part calls step:checked_step */
{
	struct vector seen;
	size_t n = nondet_u32() % 63 + 1;

	any_row();
	part(&block, &row, array(n, 8), n, array(n - SHORT, 1), nondet_u32() % FLEET_KEYS, &seen);
	END;
}

int checked_row(const struct fleet_block *b, const struct fleet_row *r, const uint64_t *addresses, size_t n, uint8_t *types,
		int stream, unsigned keys)
{
	(void)stream, (void)keys;
	return checked_row_of(b, r, addresses, n, types);
}

void prove_match_rows(void) /* unwinds match_rows16 match_rows32 match_rows64 calls match_row:checked_row
			       options --unwindset match_rows16.0:5 --unwindset match_rows32.0:5
			       --unwindset match_rows64.0:5 */
{
	any_rows(match_rows16);
	any_rows(match_rows32);
	any_rows(match_rows64);
	END;
}

void prove_match_row(void) /* loops match_row calls step:checked_step */
{
	size_t n = any_length();
	int stream = (int)nondet_u32();
	uint8_t *types = at_any_place(n - SHORT, 1);

	__CPROVER_assume(!stream || ((uintptr_t)types % 64 == 0 && n % 64 == 0)); // fleet.c: match_states
	match_row(&block, &row, at_any_place(n, 8), n, types, stream, nondet_u32());
	END;
}

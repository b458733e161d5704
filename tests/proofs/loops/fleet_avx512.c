/* The loops of csrc/fleet_avx512.c: over the pairs of a state, over a block's rows, and over the addresses of a row, however
 * many (loops.h, vectors/vector.h).
 *
 * loop match_words.0: k <= 4; assigns k, __CPROVER_object_whole(codes); decreases 4 - k; k = 1::1::1::1::k
 * loop match_words.1: row->first <= i && i <= row->first + row->count; assigns i, __CPROVER_object_whole(codes);
 *     decreases row->first + row->count - i
 * loop match_dwords.1: k <= 4; assigns k, __CPROVER_object_whole(codes); decreases 4 - k; k = 1::2::1::1::k
 * loop match_dwords.2: row->first <= i && i <= row->first + row->count; assigns i, __CPROVER_object_whole(codes);
 *     decreases row->first + row->count - i
 * loop match_qwords.1: k <= 8; assigns k, __CPROVER_object_whole(codes); decreases 8 - k; k = 1::2::1::1::k
 * loop match_qwords.2: row->first <= i && i <= row->first + row->count; assigns i, __CPROVER_object_whole(codes);
 *     decreases row->first + row->count - i
 * loop match_row.0: i <= n && i % 64 == 0; assigns i, seen; decreases n - i */
#define MEMTYPE_X86 1
#include "../../../csrc/fleet_avx512.c"
#include "fleets.h"

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

void prove_match(void) /* loops match_words match_dwords match_qwords */
{
	struct vector key[4];

	any_row();
	match_words(&block, &row, key);
	match_dwords(&block, &row, key);
	match_qwords(&block, &row, array(64, 8));
	END;
}

struct vector any_match(const struct fleet_block *b, const struct fleet_row *r, const struct vector key[4])
{
	(void)b, (void)r;
	return key[0];
}

struct vector checked_match(const struct fleet_block *b, const struct fleet_row *r, const uint64_t *addresses)
{
	(void)b, (void)r;
	assert(__CPROVER_r_ok(addresses, 512));
	return nondet_vector();
}

void prove_types(void) /* unwinds codes_by_dwords cut_words below_1m tom2_codes prefetch64 calls match_words:any_match
			  match_dwords:any_match match_qwords:checked_match fleet_low:checked_low */
{
	struct vector seen;
	uint64_t *addresses = array(64 - SHORT, 8);

	any_row();
	lanes = 64;
	types64(&block, &row, addresses, nondet_u32() % FLEET_KEYS, &seen);
	prefetch64(addresses);
	END;
}

void prove_part(void) /* unwinds part calls types64:checked_types */
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

void any_prefetch(const uint64_t *from)
{
	(void)from;
}

void prove_match_row(void) /* loops match_row calls types64:checked_types prefetch64:any_prefetch */
{
	size_t n = any_length();
	int stream = (int)nondet_u32();
	uint8_t *types = at_any_place(n - SHORT, 1);

	__CPROVER_assume(!stream || ((uintptr_t)types % 64 == 0 && n % 64 == 0)); // fleet.c: match_states
	match_row(&block, &row, at_any_place(n, 8), n, types, stream, nondet_u32());
	END;
}

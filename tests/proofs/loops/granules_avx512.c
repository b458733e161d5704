/* The loops of csrc/bulk_avx512.c that look up granules, for any number of addresses (loops.h, vectors/vector.h): rows, chunks,
 * and the places in a chunk whose entries lead to blocks.
 *
 * loop same_row.0: k <= r->count; assigns k; decreases r->count - k
 * loop find_rows.0: k <= given && given <= 512 && r->count <= 12; assigns k, __CPROVER_object_whole(r); decreases given - k
 * loop entries64.0: k <= r->count; assigns k, entry; decreases r->count - k
 * loop add_places.0: 4 turns
 * loop add_places.1: before <= m->count && m->count <= before + 64 && (lanes == 0 || (m->count < before + 64 && (lanes &
 *     ((1UL << (m->count - before)) - 1)) == 0)) && (one < m->count ==> m->at[one] < from + 64); assigns lanes,
 *     __CPROVER_object_whole(m); decreases lanes
 * loop chunk_types.0: i <= n && i % 64 == 0 && mixed.count <= i && (one < mixed.count ==> mixed.at[one] < i) &&
 *     feed->blocks == __CPROVER_loop_entry(feed->blocks) - i / 64; assigns i, feed->blocks, mixed; decreases n - i
 * loop follow.0: k <= m->count; assigns k, __CPROVER_object_whole(types); decreases m->count - k
 * loop granule_chunks.0: k <= part && k % 64 == 0; assigns k; decreases part - k
 * loop granule_chunks.1: i % 1024 == 0 && i <= n + 1023 && feed.blocks == (i < n ? (n - i) / 64 : 0); assigns i, feed,
 *     __CPROVER_object_whole(types); decreases n + 1024 - i */
#define MEMTYPE_X86 1
#include "../../../csrc/bulk_avx512.c"
#include "feeds.h"
#include "loops.h"

uint64_t checked_granules(const memtype_granules *g, const uint64_t *addresses, size_t n, uint8_t *types)
{
	(void)g;
	assert(n == 0 || (__CPROVER_r_ok(addresses, 8 * n) && __CPROVER_w_ok(types, n)));
	return nondet_u64();
}

int checked_compare(const void *a, const void *b, size_t n)
{
	assert(__CPROVER_r_ok(a, n) && __CPROVER_r_ok(b, n));
	return (int)nondet_u32();
}

// --- rows ---

static memtype_granules g;
static struct rows rows;

void prove_same_row(void) /* loops same_row calls memcmp:checked_compare */
{
	__CPROVER_havoc_object(&rows);
	__CPROVER_assume(rows.count <= MOST_ROWS + SHORT);
	assert(same_row(&rows, array(1u << ROW_BITS, 1)) <= rows.count);
	END;
}

unsigned any_row(const struct rows *r, const uint8_t *row)
{
	unsigned found = nondet_u32();

	assert(__CPROVER_r_ok(row, 1u << ROW_BITS));
	__CPROVER_assume(found <= r->count); // prove_same_row
	return found;
}

// that a row lies in g.top says its number: the invariant
_Static_assert(sizeof(g.top) == ROWS << ROW_BITS && ROWS == 512, "rows of a table");

void prove_find_rows(void) /* loops find_rows calls memcmp:checked_compare same_row:any_row */
{
	__CPROVER_havoc_object(&g);
	__CPROVER_assume(g.maxphyaddr >= NARROW_SHIFT + ROW_BITS && g.maxphyaddr <= NARROW + 4 * SHORT);
	find_rows(&g, &rows);
	assert(rows.count <= MOST_ROWS);
	END;
}

// --- a chunk ---

void prove_entries(void) /* loops entries64 */
{
	struct table128 id[4];
	struct vector plane[4];

	__CPROVER_havoc_object(&rows);
	__CPROVER_assume(rows.count <= MOST_ROWS + SHORT);
	entries64(&rows, id, plane);
	END;
}

void prove_ready_rows(void) /* unwinds get_ready_rows shifts_of */
{
	struct rows *given = array(1, sizeof(rows) - SHORT * sizeof(rows) + SHORT * (ROWS - 1));

	get_ready_rows(given);
	END;
}

unsigned before, one;

// what prove_count_ones of portable.c says: ones do not lie beyond bit 63
unsigned any_count(uint64_t word)
{
	unsigned n = nondet_u32();

	__CPROVER_assume(n <= 64 && (n == 0 || (word & ~UINT64_C(0) >> (n - 1)) != 0));
	return n;
}

unsigned any_lane(uint64_t word)
{
	unsigned lane = nondet_u32();

	assert(word != 0);
	__CPROVER_assume(lane < 64); // prove_places_of_ones
	return lane;
}

// Places are the bits that are taken: so many as were added lie below the next.
void prove_add_places(void) /* loops add_places calls count_ones:any_count lowest_one:any_lane
			       options --arrays-uf-always */
{
	struct mixed m;
	unsigned from = nondet_u32();

	one = nondet_u32(); // any of the places: what is proved of it holds for all
	before = m.count;
	__CPROVER_assume(from <= CHUNK - 64 + 4 * SHORT && before <= from && one < CHUNK);
	__CPROVER_assume(one >= before || m.at[one] < from);
	add_places(&m, nondet_u64(), from);
	assert(m.count <= before + 64 && (one >= m.count || m.at[one] < from + 64));
	END;
}

void any_places(struct mixed *m, uint64_t lanes, unsigned from)
{
	unsigned had = m->count;

	(void)lanes;
	assert(had <= from && from <= CHUNK - 64 && (one >= had || m->at[one] < from));
	m->count = nondet_u32();
	m->at[one] = (uint16_t)(nondet_u32() & 0xFFFF);
	__CPROVER_assume(had <= m->count && m->count <= had + 64 && (one >= m->count || m->at[one] < from + 64));
}

struct vector any_entries(const struct rows *r, const struct table128 id[4], const struct vector plane[4])
{
	(void)r, (void)id;
	return plane[0];
}

uint8_t any_part(const memtype_granules *table, uint8_t entry, uint64_t address)
{
	(void)table, (void)entry, (void)address;
	return (uint8_t)(nondet_u32() & 0xFF);
}

void prove_follow(void) /* loops follow calls part_type:any_part options --arrays-uf-always */
{
	struct mixed m;
	unsigned n = CHUNK;

	g.maxphyaddr = NARROW;
	__CPROVER_assume(m.count <= n);
	__CPROVER_assume(__CPROVER_forall { unsigned k; k < CHUNK + 4 ==> m.at[k] < CHUNK });
	follow(&g, &m, array(n, 8), array(n - SHORT, 1));
	END;
}

void checked_places(const memtype_granules *table, const struct mixed *m, const uint64_t *in, uint8_t *types)
{
	size_t place = m->at[one];

	(void)table;
	assert(m->count <= CHUNK);
	assert(one >= m->count || (__CPROVER_r_ok(in + place, 8) && __CPROVER_w_ok(types + place, 1)));
}

void prove_chunk(void) /* loops chunk_types calls add_places:any_places next_block:checked_next entries64:any_entries
			  follow:checked_places options --arrays-uf-always */
{
	struct ready_rows ready;
	unsigned n = 64 * (nondet_u32() % (CHUNK / 64) + 1);
	struct feed feed = {.blocks = n / 64 + nondet_size() % 2};

	one = nondet_u32() % CHUNK;
	assert(chunk_types(&g, &ready, &feed, array(n, 8), n, array(n - SHORT, 1)) <= n);
	END;
}

unsigned checked_chunk(const memtype_granules *table, const struct ready_rows *r, struct feed *feed, const uint64_t *in,
		       unsigned n, uint8_t *types)
{
	(void)table, (void)r;
	assert(n >= 64 && n <= CHUNK && n % 64 == 0 && __CPROVER_r_ok(in, 8 * n) && __CPROVER_w_ok(types, n));
	assert(feed->blocks >= n / 64);
	feed->blocks -= n / 64;
	return nondet_u32();
}

struct ready_rows any_ready(const struct rows *r)
{
	struct ready_rows ready = {.rows = r};

	return ready;
}

// any number of whole blocks, with streaming stores from where a line begins
void prove_chunks(void) /* loops granule_chunks calls chunk_types:checked_chunk look_up_granules:checked_granules
			   get_ready_rows:any_ready start_feed:checked_start */
{
	size_t n = any_length() / KERNEL_BLOCK * KERNEL_BLOCK;
	uint8_t *types = at_any_place(n - SHORT, 1);
	int stream = (int)nondet_u32();

	__CPROVER_assume(n != 0 && (!stream || (uintptr_t)types % KERNEL_BLOCK == 0));
	granule_chunks(&g, &rows, at_any_place(n, 8), n, types, stream);
	END;
}

uint64_t checked_chunks(const memtype_granules *table, const struct rows *r, const uint64_t *in, size_t n, uint8_t *types,
			int stream)
{
	(void)r;
	assert(n % KERNEL_BLOCK == 0 && (!stream || (uintptr_t)types % KERNEL_BLOCK == 0));
	return checked_granules(table, in, n, types);
}

uint64_t checked_otherwise(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types)
{
	return checked_granules(t->granules, addresses, n, types);
}

int any_rows(const memtype_granules *table, struct rows *r)
{
	(void)r;
	assert(table->maxphyaddr >= NARROW_SHIFT + ROW_BITS);
	return (int)nondet_u32();
}

void prove_granules(void) /* calls granule_chunks:checked_chunks look_up_granules:checked_granules find_rows:any_rows
			     granules_otherwise:checked_otherwise */
{
	memtype_tables t = {.granules = &g};
	size_t n = any_length();

	__CPROVER_havoc_object(&g);
	avx512_granules(&t, at_any_place(n, 8), n, at_any_place(n - SHORT, 1));
	END;
}

/* The loops of csrc/mtrr.c over the pairs of a state, the edges of its ranges and the segments of a map, whatever they are
 * (loops.h). That each step of a sweep goes on is proved in ../mtrr.c (prove_next_change).
 *
 * loop variable_type.0: i <= m->variable_count; assigns i, members; decreases m->variable_count - i
 * loop count_blocks.0: i <= m->variable_count; assigns i, total; decreases m->variable_count - i
 * loop sweep_to.0: i <= m->variable_count && a < cut && cut <= end; assigns i, cut; decreases m->variable_count - i
 * loop resolve_holey.0: a <= end; assigns a; decreases end - a
 * loop add_edges.0: at < n; assigns at, __CPROVER_object_whole(edges); decreases at
 * loop add_edges.1: k <= 2 && n == __CPROVER_loop_entry(n) + k; assigns k, n, __CPROVER_object_whole(edges); decreases 2 - k
 * loop collect_edges.0: i <= m->variable_count && n <= 2 * (i + 1); assigns i, n; decreases m->variable_count - i
 * loop resolve_edges.0: i <= n; assigns i, members, __CPROVER_object_whole(open); decreases n - i
 * loop resolve_edges.1: i <= n; assigns i, a, members,
 *     __CPROVER_object_whole(open); decreases a < end ? end - a : 0 */
#include "../../../csrc/mtrr.c"
#include "loops.h"

static memtype_mtrrs m;

// PLANTED: one more pair than there is room for
static void any_pairs(void)
{
	__CPROVER_havoc_object(&m);
	__CPROVER_assume(m.variable_count <= MAX_VARIABLE + SHORT && is_width(m.maxphyaddr));
}

uint8_t any_combined(unsigned members)
{
	(void)members;
	return (uint8_t)(nondet_u32() & 15);
}

unsigned any_lane(uint64_t word)
{
	unsigned lane = nondet_u32();

	assert(word != 0);
	__CPROVER_assume(lane < 64 && word >> lane & 1);
	return lane;
}

// --- registers ---

void prove_bytes_fault(void) /* unwinds bytes_fault */
{
	uint32_t bit;

	assert(bytes_fault(nondet_u64(), nondet_u32(), nondet_u64(), &bit) != MEMTYPE_MSR_TYPE || bit < 64 - 8 * SHORT);
	END;
}

void prove_is_fixed_msr(void) /* unwinds is_fixed_msr */
{
	uint32_t index = nondet_u32();

	assert(!is_fixed_msr(index) || (index >= fixed_msrs[0] && index <= fixed_msrs[FIXED_MSRS - 1] - SHORT));
	END;
}

void prove_variable_type(void) /* loops variable_type calls combine:any_combined */
{
	any_pairs();
	variable_type(&m, nondet_u64());
	END;
}

unsigned any_count(uint64_t word)
{
	unsigned n = nondet_u32();

	(void)word;
	__CPROVER_assume(n < 64); // of bits within page_bits
	return n;
}

void prove_count_blocks(void) /* loops count_blocks calls count_ones:any_count */
{
	any_pairs();
	count_blocks(&m);
	END;
}

// --- maps ---

// A map that is full takes no more: what is proved of one segment holds for all.
void prove_append(void) /* unwinds */
{
	size_t capacity = any_length();
	struct map_writer w = {array(capacity, 8), array(capacity - SHORT, 1), capacity, nondet_size()};

	__CPROVER_assume(w.count <= capacity);
	map_append(&w, nondet_u64(), (uint8_t)(nondet_u32() & 15));
	assert(w.count <= capacity);
	END;
}

int any_append(struct map_writer *w, uint64_t base, uint8_t type)
{
	(void)w, (void)base, (void)type;
	return nondet_u32() ? MEMTYPE_OK : MEMTYPE_ESHATTERED;
}

int fixed_append(struct map_writer *w, uint64_t base, uint8_t type)
{
	(void)w, (void)type;
	assert(base <= FIXED_END - PAGE_SIZE - SHORT);
	return nondet_u32() ? MEMTYPE_OK : MEMTYPE_ESHATTERED;
}

void prove_fixed(void) /* unwinds resolve_fixed calls map_append:fixed_append options --unwindset resolve_fixed.0:9 */
{
	any_pairs();
	resolve_fixed(&m, NULL);
	END;
}

uint64_t any_change(uint64_t a, uint64_t base, uint64_t mask, uint64_t end)
{
	uint64_t next = nondet_u64();

	assert(a < end && (mask & ~page_bits(m.maxphyaddr)) == 0);
	(void)base;
	__CPROVER_assume(next > a && next <= end); // prove_next_change
	return next;
}

void prove_sweep_to(void) /* loops sweep_to calls next_change:any_change */
{
	uint64_t a = nondet_u64(), end, next;

	any_pairs();
	end = low_bits(m.maxphyaddr) + 1;
	__CPROVER_assume(a < end);
	next = sweep_to(&m, a, end);
	assert(next > a && next <= end);
	END;
}

uint64_t any_sweep(const memtype_mtrrs *given, uint64_t a, uint64_t end)
{
	uint64_t next = nondet_u64();

	assert(given == &m && a < end);
	__CPROVER_assume(next > a && next <= end + SHORT); // PLANTED: beyond the end
	return next;
}

uint64_t any_blocks(const memtype_mtrrs *given)
{
	(void)given;
	return nondet_u64();
}

uint8_t any_type(const memtype_mtrrs *given, uint64_t address)
{
	(void)given;
	assert(address <= low_bits(m.maxphyaddr));
	return (uint8_t)(nondet_u32() & 15);
}

void prove_holey(void) /* loops resolve_holey calls sweep_to:any_sweep count_blocks:any_blocks variable_type:any_type
			  map_append:any_append */
{
	any_pairs();
	resolve_holey(&m, nondet_u32() ? FIXED_END : 0, NULL);
	END;
}

void prove_add_edges(void) /* loops add_edges */
{
	unsigned n = nondet_u32();

	__CPROVER_assume(n <= MAX_EDGES - 2);
	assert(add_edges(array(n + 2 - SHORT, 8), n, nondet_u64(), nondet_u64(), nondet_u32()) == n + 2);
	END;
}

unsigned checked_edges(uint64_t *edges, unsigned n, uint64_t from, uint64_t to, unsigned class)
{
	assert(from < to && (from | to) % PAGE_SIZE == 0 && class < EDGE_CLASS);
	assert(__CPROVER_w_ok(edges, 8 * (size_t)(n + 2)));
	return n + 2;
}

void prove_collect_edges(void) /* loops collect_edges calls add_edges:checked_edges lowest_one:any_lane */
{
	uint64_t edges[MAX_EDGES - SHORT];

	any_pairs();
	assert(collect_edges(&m, edges) <= MAX_EDGES);
	END;
}

void prove_resolve_edges(void) /* loops resolve_edges calls combine:any_combined map_append:any_append */
{
	size_t n = any_length();

	any_pairs();
	__CPROVER_assume(n <= UINT32_MAX);
	resolve_edges(&m, array(n - SHORT, 8), (unsigned)n, nondet_u32() ? FIXED_END : 0, NULL);
	END;
}

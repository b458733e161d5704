/* Sixteen threads share tables, maps, granules and a fleet, which they only read, and write neighbouring parts of one
 * output by every array job and instruction set: for ThreadSanitizer.
 *
 *     cc -g -O1 -fsanitize=thread -pthread -I csrc -I tests/proofs tests/fuzz/threads.c (all .c files of csrc) -o threads
 *     ./threads          exit status 66 where a race is seen, 1 where an answer is wrong
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "literal.h"

#define THREADS 16
#define COUNT 8205 /* elements; the parts of the threads begin and end anywhere in a cache line */
#define ROUNDS 5
#define STATES 5
#define PAIRS 3

static memtype_mtrrs m;
static memtype_tables tables[MEMTYPE_NEON + 1];
static memtype_map map, maps[STATES];
static memtype_granules granules;
static uint64_t leaf_bases[MEMTYPE_MAP_CAPACITY], leaf_bits[MEMTYPE_MAP_CAPACITY];
static uint64_t addresses[COUNT], gfns[COUNT], entries[COUNT], pats[COUNT];
static uint8_t mtrr_types[COUNT], pat_types[COUNT], flags[COUNT], literal[COUNT];
static uint32_t ids[COUNT];
static memtype_fleet fleet;
static uint64_t fleet_columns[4][STATES], fleet_fixed[STATES][MEMTYPE_FIXED_MSRS], fleet_pairs[2][STATES][PAIRS];
static uint32_t fleet_vendors[STATES], fleet_widths[STATES];

/* --- the jobs: elements [first, first + n) of the inputs into `out`, which is theirs ------------------------------ */

static const uint64_t PAT = 0x0407050600070106;
static size_t nowhere[THREADS];

struct part {
	uint32_t isa;
	size_t first, n, *index;
	void *out;
};

#define JOB(name, call) \
	static int name(struct part p) \
	{ \
		return call; \
	}

JOB(types, memtype_types(&tables[p.isa], addresses + p.first, p.n, p.out, p.index))
JOB(granules_types, memtype_granules_types(&granules, addresses + p.first, p.n, p.out, p.index))
JOB(map_types, memtype_map_types(map.bases, map.types, map.count, m.maxphyaddr, p.isa, addresses + p.first, p.n, p.out,
				 p.index))
JOB(page_types, memtype_page_types(&tables[p.isa], 0x7F000 + p.first, p.n, p.out))
JOB(map_page_types, memtype_map_page_types(&map, m.maxphyaddr, 0x7F000 + p.first, p.n, p.out))
JOB(types_by, memtype_types_by(&fleet, NULL, ids + p.first, addresses + p.first, p.n, p.out, p.index))
JOB(types_by_maps, memtype_types_by(&fleet, maps, ids + p.first, addresses + p.first, p.n, p.out, p.index))
JOB(valids, memtype_pat_valids(pats + p.first, p.n, p.out))
JOB(indexes, memtype_pat_indexes(2, p.isa, entries + p.first, p.n, p.out))
JOB(chosen, memtype_pat_types(PAT, 1, p.isa, entries + p.first, p.n, p.out))
JOB(ept_types, (memtype_ept_types(p.isa, entries + p.first, p.n, p.out, p.index), MEMTYPE_OK))
JOB(effective, memtype_effective_array(1, 0, mtrr_types + p.first, 1, pat_types + p.first, 1, p.n, p.out, p.index))
JOB(effective_ept, memtype_effective_ept_array(0, mtrr_types + p.first, 1, flags + p.first, 1, pat_types + p.first, 1,
					       p.n, p.out, p.index))
JOB(effective_npt, memtype_effective_npt_array(1, 0, pat_types + p.first, 1, pat_types, 0, mtrr_types + p.first, 1, p.n,
					       p.out, p.index))
JOB(effective_types, memtype_effective_types(&tables[p.isa], PAT, 1, addresses + p.first, entries + p.first, p.n, p.out,
					     p.index))
JOB(effective_ept_types, memtype_effective_ept_types(PAT, 2, 0, p.isa, entries + p.first, pats + p.first, p.n, p.out))
JOB(leaves, memtype_leaf_bits(leaf_bases, leaf_bits, map.count, m.maxphyaddr, p.isa, gfns + p.first, p.n, p.out, p.index))
JOB(filled, memtype_leaf_fill(leaf_bases, leaf_bits, map.count, 0x78, m.maxphyaddr, p.isa, gfns + p.first, p.n, p.out,
			      p.index))

/* A row of the answers for each state, so that a part is whole rows. */
static int fleet_rows(struct part p)
{
	memtype_fleet one = fleet;
	size_t row = p.first % STATES;

	one.states = 1;
	one.def_type += row, one.cap += row, one.syscfg += row, one.tom2 += row, one.vendor += row, one.maxphyaddr += row;
	one.fixed += row * MEMTYPE_FIXED_MSRS, one.base += row * PAIRS, one.mask += row * PAIRS;
	return memtype_fleet_types(&one, p.isa, addresses + p.first, 0, p.n, p.out, p.index);
}

static const struct job {
	const char *name;
	int (*run)(struct part p);
	size_t size; /* of an element of the output */
} jobs[] = {
	{"types", types, 1}, {"granules_types", granules_types, 1}, {"map_types", map_types, 1},
	{"page_types", page_types, 1}, {"map_page_types", map_page_types, 1}, {"types_by", types_by, 1},
	{"types_by with maps", types_by_maps, 1}, {"fleet_types", fleet_rows, 1}, {"pat_valids", valids, 1},
	{"pat_indexes", indexes, 1}, {"pat_types", chosen, 1}, {"ept_types", ept_types, 1}, {"effective", effective, 1},
	{"effective_ept", effective_ept, 1}, {"effective_npt", effective_npt, 1}, {"effective_types", effective_types, 1},
	{"effective_ept_types", effective_ept_types, 1}, {"leaf_bits", leaves, 8}, {"leaf_fill", filled, 8},
};
enum { JOBS = sizeof(jobs) / sizeof(*jobs) };

/* --- sixteen threads ------------------------------------------------------------------------------------------------ */

static pthread_barrier_t together;
static uint64_t shared[COUNT], right[COUNT];
static int failed[THREADS];

static size_t begin_of(int thread)
{
	return (size_t)thread * COUNT / THREADS; /* 512 and 513 elements */
}

/* `who` runs the part of a thread. */
static void run_part(const struct job *job, uint32_t isa, int thread, uint64_t *out, int who)
{
	size_t first = begin_of(thread), n = begin_of(thread + 1) - first;
	struct part p = {isa, first, n, &nowhere[who], (uint8_t *)out + first * job->size};

	failed[who] |= job->run(p) != MEMTYPE_OK;
}

/* Every thread counts all addresses, into counts of its own. */
static void count_all(uint32_t isa, int thread)
{
	uint64_t counts[16] = {0};

	failed[thread] |= memtype_histogram(&tables[isa], addresses, COUNT, counts, &nowhere[thread]) != MEMTYPE_OK;
	for (int i = 0; i < COUNT; i++)
		counts[literal[i]]--;
	for (int kind = 0; kind < 16; kind++)
		failed[thread] |= counts[kind] != 0;
}

static void *ask(void *number)
{
	int thread = *(int *)number;

	for (int round = 0; round < ROUNDS; round++) {
		for (uint32_t isa = 0; isa <= MEMTYPE_NEON; isa++) {
			if (!memtype_isa_supported(isa))
				continue;
			for (int j = 0; j < JOBS; j++) {
				pthread_barrier_wait(&together); /* thread 0 has looked at the job before */
				run_part(&jobs[j], isa, thread, shared, thread);
				pthread_barrier_wait(&together);
				if (thread == 0) {
					for (int other = 0; other < THREADS; other++)
						run_part(&jobs[j], isa, other, right, 0);
					if (memcmp(shared, right, COUNT * jobs[j].size))
						failed[0] = printf("%s by set %u is wrong\n", jobs[j].name, isa);
				}
			}
			count_all(isa, thread);
		}
	}
	return NULL;
}

/* --- what they ask -------------------------------------------------------------------------------------------------- */

static void fill_fleet(void)
{
	for (int i = 0; i < STATES; i++) {
		fleet_columns[0][i] = 0xC00 | (i % 2 ? 6 : 1);
		fleet_columns[1][i] = 0x508;
		fleet_widths[i] = m.maxphyaddr;
		memset(fleet_fixed[i], i % 2 ? 6 : 5, sizeof(fleet_fixed[i]));
		for (int j = 0; j < PAIRS; j++) {
			fleet_pairs[0][i][j] = (uint64_t)(i + j) << 31 | (uint64_t)(j == 1 ? 1 : 4 + j);
			fleet_pairs[1][i][j] = 0xFF80000800;
		}
	}
	fleet = (memtype_fleet){STATES, PAIRS, fleet_columns[0], fleet_fixed[0], fleet_pairs[0][0], fleet_pairs[1][0],
				fleet_columns[1], fleet_columns[2], fleet_columns[3], fleet_vendors, fleet_widths};
}

static void fill_inputs(void)
{
	static const uint8_t kinds[] = {0, 1, 4, 5, 6, 0, 1, 6};

	for (int i = 0; i < COUNT; i++) {
		uint64_t drawn = ((uint64_t)i + 1) * 0x9E3779B97F4A7C15;

		addresses[i] = drawn >> 24 & 0x3FFFFFFFF;
		gfns[i] = addresses[i] >> 12;
		entries[i] = drawn ^ drawn >> 29;
		pats[i] = drawn & 0x0707070707070707;
		mtrr_types[i] = kinds[drawn >> 61];
		pat_types[i] = kinds[drawn >> 58 & 7];
		flags[i] = drawn >> 57 & 1;
		ids[i] = (uint32_t)(drawn >> 40) % STATES;
		literal[i] = (uint8_t)literal_type(&m, addresses[i]);
	}
}

static int prepare(void)
{
	m = (memtype_mtrrs){.def_type = 0xC06, .cap = 0x508, .maxphyaddr = 40, .variable_count = 3};
	m.base[0] = 0x80000000;
	m.mask[0] = 0xFF80000800;
	m.base[1] = 0x100000001;
	m.mask[1] = 0xFFF0000800;
	m.base[2] = 0x200000004;
	m.mask[2] = 0xFE00000800;
	fill_inputs();
	fill_fleet();
	for (uint32_t isa = 0; isa <= MEMTYPE_NEON; isa++) {
		if (memtype_isa_supported(isa))
			memtype_tables_build(&m, isa, &tables[isa]);
	}
	if (memtype_resolve_map(&m, &map) || memtype_fleet_maps(&fleet, maps) ||
	    memtype_granules_build(map.bases, map.types, map.count, m.maxphyaddr, &granules))
		return 1;
	for (size_t i = 0; i < map.count; i++) {
		leaf_bases[i] = map.bases[i] >> 12;
		leaf_bits[i] = (uint64_t)map.types[i] << 3;
	}
	return pthread_barrier_init(&together, NULL, THREADS);
}

int main(void)
{
	pthread_t threads[THREADS];
	int numbers[THREADS], any = 0;

	if (prepare())
		return 1;
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		pthread_create(&threads[i], NULL, ask, &numbers[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < THREADS; i++)
		any |= failed[i];
	printf("%d threads, %d jobs and the histogram, %d rounds each: %s\n", THREADS, JOBS, ROUNDS,
	       any ? "wrong answers" : "all right");
	return any != 0;
}

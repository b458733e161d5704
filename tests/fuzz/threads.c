/* Sixteen threads share tables, a map and granules, which they only read: for ThreadSanitizer.
 *
 *     cc -g -O1 -fsanitize=thread -pthread -I csrc -I tests/proofs tests/fuzz/threads.c (all .c files of csrc) -o threads
 *     ./threads          exit status 66 where a race is seen, 1 where an answer is wrong
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "literal.h"

#define THREADS 16
#define ADDRESSES 8192
#define ROUNDS 20

static memtype_mtrrs m;
static memtype_tables tables[MEMTYPE_AVX512 + 1];
static memtype_map map;
static memtype_granules granules;
static uint64_t addresses[ADDRESSES];
static uint8_t right[ADDRESSES];

static void *ask(void *wrong)
{
	static _Thread_local uint8_t types[ADDRESSES];
	size_t index;

	for (int round = 0; round < ROUNDS; round++) {
		for (uint32_t isa = MEMTYPE_PORTABLE; isa <= MEMTYPE_AVX512; isa++) {
			if (!memtype_isa_supported(isa))
				continue;
			memtype_types(&tables[isa], addresses, ADDRESSES, types, &index);
			*(int *)wrong |= memcmp(types, right, ADDRESSES) != 0;
		}
		memtype_granules_types(&granules, addresses, ADDRESSES, types, &index);
		*(int *)wrong |= memcmp(types, right, ADDRESSES) != 0;
		memtype_map_types(map.bases, map.types, map.count, m.maxphyaddr, memtype_isa_best(), addresses, ADDRESSES, types,
				  &index);
		*(int *)wrong |= memcmp(types, right, ADDRESSES) != 0;
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	int wrong[THREADS] = {0}, any = 0;

	m = (memtype_mtrrs){.def_type = 0xC06, .cap = 0x508, .maxphyaddr = 40, .variable_count = 3};
	m.base[0] = 0x80000000;
	m.mask[0] = 0xFF80000800;
	m.base[1] = 0x100000001;
	m.mask[1] = 0xFFF0000800;
	m.base[2] = 0x200000004;
	m.mask[2] = 0xFE00000800;
	for (int i = 0; i < ADDRESSES; i++) {
		addresses[i] = (uint64_t)i * 0x9E3779B97F4A7C15 >> 24 & 0x3FFFFFFFF;
		right[i] = (uint8_t)literal_type(&m, addresses[i]);
	}
	for (uint32_t isa = MEMTYPE_PORTABLE; isa <= MEMTYPE_AVX512; isa++) {
		if (memtype_isa_supported(isa))
			memtype_tables_build(&m, isa, &tables[isa]);
	}
	if (memtype_resolve_map(&m, &map) || memtype_granules_build(map.bases, map.types, map.count, m.maxphyaddr, &granules))
		return 1;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, ask, &wrong[i]);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		any |= wrong[i];
	}
	printf("%d threads, %d rounds each: %s\n", THREADS, ROUNDS, any ? "wrong answers" : "all right");
	return any;
}

/* checks.h - what the C programs beside this file share: a claim that ends the program, random words, rooms with walls. */
#ifndef CHECKS_H
#define CHECKS_H

#define _DEFAULT_SOURCE // mmap

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "memtype.h"

#ifdef JUDGED // one count of all programs, by which judge.c sees that they go on
extern uint64_t claims;
#else
static uint64_t claims;
#endif

// a wrong claim prints itself, and three numbers that tell where, and ends the program with exit status 1
#define MUST(claim, a, b, c) \
	do { \
		claims++; \
		if (!(claim)) { \
			printf("%s:%d: not so: %s (%llu, %llu, %llu)\n", __FILE__, __LINE__, #claim, (unsigned long long)(a), \
			       (unsigned long long)(b), (unsigned long long)(c)); \
			exit(1); \
		} \
	} while (0)

// SplitMix64
static uint64_t any(void)
{
	static uint64_t seed = 15;
	uint64_t z = seed += 0x9E3779B97F4A7C15;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
	z = (z ^ z >> 27) * 0x94D049BB133111EB;
	return z ^ z >> 31;
}

static inline uint64_t below(uint64_t n)
{
	return any() % n;
}

#define ROOM 0x10000u

// ROOM bytes with no memory before and behind them: an access one byte outside ends the program
static inline uint8_t *walled_room(void)
{
	uint8_t *all = mmap(NULL, 3 * ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (all == MAP_FAILED || mprotect(all + ROOM, ROOM, PROT_READ | PROT_WRITE))
		exit(2);
	return all + ROOM;
}

// each set that this machine has
#define EACH_SET(isa) \
	for (uint32_t isa = 0; isa <= MEMTYPE_NEON; isa++) \
		if (memtype_isa_supported(isa))

#endif

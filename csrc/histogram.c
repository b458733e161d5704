/* histogram.c - how many addresses have each type: types of a part that stays in the nearest cache, then counted there. */
#include "kernels.h"

// More than MEMTYPE_CHECKED_FIRST: types go straight where they belong.
#define PART 8192u

// one by one: for what the others leave
static void count_each(const uint8_t *types, size_t n, uint64_t total[16])
{
	for (size_t i = 0; i < n; i++)
		total[types[i] & 15]++;
}

typedef size_t (*counter)(const uint8_t *types, size_t n, uint64_t total[16]);

#if defined(MEMTYPE_X86) || defined(MEMTYPE_ARM64)

#ifdef MEMTYPE_SIMDE // the tests emulate the instructions where the processor has none
#define AVX512
#else
#define AVX512 __attribute__((target("avx512f,avx512bw")))
#endif

// what registers can say
static const uint8_t kinds[] = {MEMTYPE_UC, MEMTYPE_WC, MEMTYPE_WT, MEMTYPE_WP, MEMTYPE_WB, MEMTYPE_UNDEFINED};
#define KINDS sizeof(kinds)

// the types that are none of `kinds`
static void count_others(const uint8_t *types, size_t n, uint64_t total[16])
{
	for (size_t i = 0; i < n; i++)
		total[types[i] & 15] += !memchr(kinds, types[i], KINDS);
}

// the sum of the bytes of a vector of counts
static uint64_t sum(const void *vector, size_t bytes)
{
	uint8_t counts[64];
	uint64_t total = 0;

	memcpy(counts, vector, bytes);
	for (size_t k = 0; k < bytes; k++)
		total += counts[k];
	return total;
}

// Counts whole vectors of the types and returns how many types that was. A byte of `seen` counts to 255; a part has more
// vectors than that only where they are short.
#define COUNTER(name, target, width) \
	typedef uint8_t vector##width __attribute__((vector_size(width))); \
\
	static target size_t name(const uint8_t *types, size_t n, uint64_t total[16]) \
	{ \
		uint64_t counts[KINDS] = {0}, all = 0; \
		size_t whole = n - n % (width); \
\
		for (size_t from = 0, end; from < whole; from = end) { \
			end = whole - from > 255 * (width) ? from + 255 * (width) : whole; \
			for (unsigned k = 0; k < KINDS; k++) { \
				vector##width seen = {0}, some; \
\
				for (size_t i = from; i < end; i += (width)) { \
					memcpy(&some, types + i, sizeof(some)); \
					seen -= (vector##width)(some == kinds[k]); /* a hit is -1 */ \
				} \
				counts[k] += sum(&seen, width); \
			} \
		} \
		for (unsigned k = 0; k < KINDS; k++) { \
			total[kinds[k]] += counts[k]; \
			all += counts[k]; \
		} \
		if (all != whole) \
			count_others(types, whole, total); \
		return whole; \
	}

COUNTER(count_baseline, , 16)
#ifdef MEMTYPE_X86
COUNTER(count_avx2, __attribute__((target("avx2"))), 32)
COUNTER(count_avx512, AVX512, 64)
#endif

static counter counter_of(uint32_t isa)
{
#ifdef MEMTYPE_X86
	if (isa == MEMTYPE_AVX512 || isa == MEMTYPE_AVX2)
		return isa == MEMTYPE_AVX512 ? count_avx512 : count_avx2;
#else
	(void)isa;
#endif
	return count_baseline;
}

#else

static size_t count_none(const uint8_t *types, size_t n, uint64_t total[16])
{
	(void)types, (void)n, (void)total;
	return 0;
}

static counter counter_of(uint32_t isa)
{
	(void)isa;
	return count_none;
}

#endif

int memtype_histogram(const memtype_tables *t, const uint64_t *addresses, size_t n, uint64_t counts[16], size_t *index)
{
	const counter count = counter_of(t->isa);
	uint64_t total[16] = {0};
	uint8_t types[PART];

	if (misfit_words(addresses, n, counts, sizeof(total)) || misfit_words(counts, 16, NULL, 0))
		return MEMTYPE_EBUFFER;
	for (size_t done = 0; done < n;) {
		size_t part = n - done < PART ? n - done : PART, place, counted;
		int status = memtype_types(t, addresses + done, part, types, &place);

		if (status != MEMTYPE_OK)
			return refuse(status, place < part ? done + place : n, index);
		counted = count(types, part, total);
		count_each(types + counted, part - counted, total);
		done += part;
	}
	memcpy(counts, total, sizeof(total));
	return MEMTYPE_OK;
}

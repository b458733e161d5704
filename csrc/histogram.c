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

// The first counts the types that are one kind in whole vectors: at most 255, to which a byte of `seen` counts. The other counts
// all kinds in whole vectors and returns how many types that was.
#define COUNTER(name, target, width) \
	typedef uint8_t vector##width __attribute__((vector_size(width))); \
\
	static target uint64_t name##_kind(const uint8_t *types, size_t n, uint8_t kind) \
	{ \
		const vector##width wanted = (vector##width){0} + kind; \
		vector##width seen = {0}, some, hits; \
\
		for (size_t i = 0; i < n; i += (width)) { \
			memcpy(&some, types + i, sizeof(some)); \
			hits = (vector##width)(some == wanted); /* each is -1 */ \
			seen -= hits; \
		} \
		return sum(&seen, width); \
	} \
\
	static target size_t name(const uint8_t *types, size_t n, uint64_t total[16]) \
	{ \
		uint64_t counts[KINDS] = {0}, all = 0; \
		size_t whole = n - n % (width); \
\
		for (size_t from = 0, part; from < whole; from += part) { \
			part = whole - from > 255 * (width) ? 255 * (width) : whole - from; \
			for (unsigned k = 0; k < KINDS; k++) \
				counts[k] += name##_kind(types + from, part, kinds[k]); \
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

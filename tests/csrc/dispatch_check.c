/* dispatch_check.c - which set is the best, for every processor and system that there can be: csrc/dispatch.c, asked with
 * answers of CPUID and XGETBV of our own.
 *
 *     cc -Icsrc tests/csrc/dispatch_check.c (all .c files of csrc but dispatch.c) -o dispatch_check && ./dispatch_check
 */
#include <stdio.h>
#include <stdlib.h>

#if defined(__x86_64__) && !defined(MEMTYPE_PLAIN)
#include <cpuid.h>

static unsigned leaves, ecx1, ebx7, ecx7, saved; // how many leaves there are, and what is in them

static int asked(unsigned leaf, unsigned subleaf, unsigned *a, unsigned *b, unsigned *c, unsigned *d)
{
	if (leaf > leaves || subleaf)
		return 0;
	*a = *d = 0;
	*b = leaf == 7 ? ebx7 : 0;
	*c = leaf == 7 ? ecx7 : ecx1;
	return 1;
}

#define __get_cpuid(leaf, a, b, c, d) asked(leaf, 0, a, b, c, d)
#define __get_cpuid_count asked
#define __asm__(...) (low = saved, high = 0)
#include "../../csrc/dispatch.c"
#undef __asm__

// SDM 1 13.1, 14.3, 15.2: the processor has the instructions, and the system saves the registers
static uint32_t literal_best(void)
{
	const unsigned words = 1u << 3 | 1u << 8 | 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; // BMI1, BMI2, F, DQ, BW, VL
	const unsigned bytes = 1u << 1 | 1u << 8;                                             // VBMI, GFNI
	int avx = leaves >= 7 && (ecx1 >> 27 & 1) && (ecx1 >> 28 & 1) && (saved >> 1 & 1) && (saved >> 2 & 1);
	int avx2 = avx && (ebx7 >> 5 & 1);
	int zmm = (saved >> 5 & 1) && (saved >> 6 & 1) && (saved >> 7 & 1);

	if (leaves < 1 || !(ecx1 >> 9 & 1))
		return MEMTYPE_PORTABLE;
	if (!avx2)
		return MEMTYPE_SSSE3;
	return zmm && (ebx7 & words) == words && (ecx7 & bytes) == bytes ? MEMTYPE_AVX512 : MEMTYPE_AVX2;
}

static void check(void)
{
	uint32_t best = literal_best();

	if (memtype_isa_best() != best || !memtype_isa_supported(best) || memtype_isa_supported(best + 1)) {
		printf("leaves %u ecx1 %x ebx7 %x ecx7 %x xcr0 %x: %u, not %u\n", leaves, ecx1, ebx7, ecx7, saved,
		       (unsigned)memtype_isa_best(), (unsigned)best);
		exit(1);
	}
}

static unsigned bits_of(unsigned number, const unsigned char *places, unsigned count)
{
	unsigned word = 0;

	for (unsigned k = 0; k < count; k++)
		word |= (number >> k & 1) << places[k];
	return word;
}

int main(void)
{
	static const unsigned char in_ecx1[] = {9, 27, 28}, in_ebx7[] = {3, 5, 8, 16, 17, 30, 31}, in_ecx7[] = {1, 8};
	static const unsigned char in_xcr0[] = {1, 2, 5, 6, 7};
	static const unsigned numbers[] = {0, 1, 7, 13};

	for (unsigned k = 0; k < 8 << 17; k++) { // all of the bits that are looked at; and again with all others set
		unsigned rubbish = k >> 19 ? ~0u : 0;

		leaves = numbers[k >> 17 & 3];
		ecx1 = bits_of(k, in_ecx1, 3) | (rubbish & ~bits_of(~0u, in_ecx1, 3));
		ebx7 = bits_of(k >> 3, in_ebx7, 7) | (rubbish & ~bits_of(~0u, in_ebx7, 7));
		saved = bits_of(k >> 10, in_xcr0, 5) | (rubbish & ~bits_of(~0u, in_xcr0, 5));
		ecx7 = bits_of(k >> 15, in_ecx7, 2) | (rubbish & ~bits_of(~0u, in_ecx7, 2));
		check();
	}
	for (uint32_t isa = 0; isa <= MEMTYPE_AVX512; isa++) {
		const struct fleet_set *fleet = isa < MEMTYPE_AVX2 ? &plain_fleet :
						isa == MEMTYPE_AVX2 ? &avx2_fleet : &avx512_fleet;

		if (!kernels_of(isa) || fleet_set_of(isa) != fleet)
			return 1;
	}
	printf("every processor has its set\n");
	return 0;
}

#else
#include "../../csrc/dispatch.c"

int main(void)
{
	uint32_t best = memtype_isa_best();

#if defined(__aarch64__) && !defined(MEMTYPE_PLAIN)
	if (best != MEMTYPE_NEON)
		return 1;
#else
	if (best != MEMTYPE_PORTABLE)
		return 1;
#endif
	for (uint32_t isa = 0; isa < 9; isa++) {
		if (memtype_isa_supported(isa) != (isa == MEMTYPE_PORTABLE || isa == best) || fleet_set_of(isa) != &plain_fleet)
			return 1;
	}
	printf("there is one set beside plain C at most\n");
	return 0;
}

#endif

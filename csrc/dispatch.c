/* dispatch.c - which instruction sets there are: the only file that asks the processor. */
#include "fleet.h"

#ifdef MEMTYPE_X86

#include <cpuid.h>

#define CPUID1_ECX_SSSE3 (1u << 9)
#define CPUID1_ECX_OSXSAVE (1u << 27)
#define CPUID1_ECX_AVX (1u << 28)
#define CPUID7_EBX_AVX2 (1u << 5)
#define CPUID7_EBX_AVX512 (1u << 16 | 1u << 17 | 1u << 30 | 1u << 31 | 1u << 3 | 1u << 8) /* F, DQ, BW, VL, BMI1, BMI2 */
#define CPUID7_ECX_AVX512 (1u << 1 | 1u << 8) /* VBMI, GFNI */
#define XCR0_YMM 0x06u /* SSE and AVX state */
#define XCR0_ZMM 0xE6u /* and opmask, upper ZMM, high ZMM state */

// XCR0: the register state that the operating system saves (SDM 1 13.3)
static uint32_t xcr0(void)
{
	uint32_t low, high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

// the best set that the processor and the operating system run
static uint32_t running_isa(void)
{
	uint32_t a, b = 0, c = 0, d, ecx1, saved;

	if (!__get_cpuid(1, &a, &b, &ecx1, &d) || !(ecx1 & CPUID1_ECX_SSSE3))
		return MEMTYPE_PORTABLE;
	if (!(ecx1 & CPUID1_ECX_OSXSAVE) || !(ecx1 & CPUID1_ECX_AVX) || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
		return MEMTYPE_SSSE3;
	saved = xcr0();
	if ((saved & XCR0_YMM) != XCR0_YMM || !(b & CPUID7_EBX_AVX2))
		return MEMTYPE_SSSE3;
	if ((saved & XCR0_ZMM) != XCR0_ZMM || (b & CPUID7_EBX_AVX512) != CPUID7_EBX_AVX512 ||
	    (c & CPUID7_ECX_AVX512) != CPUID7_ECX_AVX512)
		return MEMTYPE_AVX2;
	return MEMTYPE_AVX512;
}

#else

static uint32_t running_isa(void)
{
#ifdef MEMTYPE_ARM64
	return MEMTYPE_NEON;
#else
	return MEMTYPE_PORTABLE;
#endif
}

#endif

// NULL where this build has no kernels for the set
static const struct kernels *const sets[MEMTYPE_NEON + 1] = {
	&portable_kernels,
#ifdef MEMTYPE_X86
	&ssse3_kernels,
	&avx2_kernels,
	&avx512_kernels,
	NULL,
#else
	NULL,
	NULL,
	NULL,
#ifdef MEMTYPE_ARM64
	&neon_kernels,
#else
	NULL,
#endif
#endif
};

int memtype_isa_supported(uint32_t isa)
{
	return isa <= running_isa() && sets[isa] != NULL;
}

uint32_t memtype_isa_best(void)
{
	return running_isa();
}

const struct kernels *kernels_of(uint32_t isa)
{
	return sets[isa];
}

const struct fleet_set *fleet_set_of(uint32_t isa)
{
#ifdef MEMTYPE_X86
	if (isa >= MEMTYPE_AVX2)
		return isa == MEMTYPE_AVX512 ? &avx512_fleet : &avx2_fleet;
#else
	(void)isa;
#endif
	return &plain_fleet;
}

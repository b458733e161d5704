/* limits_check.c - how many aligned blocks the ranges of a state may denote together for its map to be made: 2^20.
 *
 *     cc -Icsrc tests/csrc/limits_check.c (all .c files of csrc) -o limits_check && ./limits_check
 */
#include "checks.h"

static memtype_mtrrs m;

static void set_pairs(uint32_t count)
{
	memset(&m, 0, sizeof(m));
	m.maxphyaddr = 40;
	m.def_type = 0x806;
	m.variable_count = count;
}

// 2^20 blocks are walked, one more pair or one more hole is too many; pairs that are off do not count
static void check_shattered(void)
{
	uint64_t bases[4];
	uint8_t types[4];
	size_t count;

	set_pairs(3);
	m.mask[0] = 0x800 | UINT64_C(1) << 12 | UINT64_C(1) << 33; // bits 32:13 and 39:34 are holes: 26
	m.base[0] = 6;
	MUST(memtype_resolve(&m, bases, types, 4, &count) == MEMTYPE_ESHATTERED, 0, 0, 0);
	m.mask[0] |= UINT64_C(0xFC00000000); // 20 holes
	MUST(memtype_resolve(&m, bases, types, 4, &count) == MEMTYPE_OK && count == 1, count, 0, 0);
	m.mask[1] = UINT64_C(1) << 39 | UINT64_C(1) << 12; // off
	MUST(memtype_resolve(&m, bases, types, 4, &count) == MEMTYPE_OK && count == 1, count, 0, 0);
	m.mask[2] = 0xFFFFFFF800;
	m.base[2] = 6;
	MUST(memtype_resolve(&m, bases, types, 4, &count) == MEMTYPE_ESHATTERED, count, 0, 0);
	m.mask[0] |= UINT64_C(1) << 32;
	MUST(memtype_resolve(&m, bases, types, 4, &count) == MEMTYPE_OK && count == 1, count, 0, 0);
}

// 2^19 + 2^18 + ... + 1 blocks, and one that is all memory: 2^20; one more is too many
static void check_shattered_by_many(void)
{
	uint64_t bases[4];
	uint8_t types[4];
	size_t count;

	set_pairs(21);
	for (unsigned k = 0; k < 20; k++) {
		m.base[k] = 6;
		m.mask[k] = 0x800 | (UINT64_C(0xFFFFFFE000) << (19 - k) & UINT64_C(0xFFFFFFE000)) | 0x1000;
	}
	m.base[20] = 6;
	m.mask[20] = 0x800;
	m.mask[21] = UINT64_C(0xFFFFFFF800); // behind the last
	MUST(memtype_resolve(&m, bases, types, 4, &count) == MEMTYPE_OK && count == 1, count, 0, 0);
	m.variable_count++;
	MUST(memtype_resolve(&m, bases, types, 4, &count) == MEMTYPE_ESHATTERED, count, 0, 0);
}

int main(void)
{
	check_shattered();
	check_shattered_by_many();
	printf("%llu claims hold\n", (unsigned long long)claims);
	return 0;
}

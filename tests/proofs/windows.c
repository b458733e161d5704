/* Proof harness for csrc/windows.c: a match by windows is the match by mask, for every cube, address and layout; two
 * cubes become one only where no answer changes; aligned blocks are what they should be. */
#include "../../csrc/windows.c"

#include <assert.h>

uint8_t nondet_u8(void);
uint32_t nondet_u32(void);
uint64_t nondet_u64(void);
void __CPROVER_assume(_Bool);

#ifdef VACUITY
#define END assert(0)
#else
#define END ((void)0)
#endif

#ifdef PLANTED
#define FAULT 1
#else
#define FAULT 0
#endif

static memtype_tables t;

// any cube that the registers of a machine of this width can make
static void any_cube(unsigned k)
{
	t.mask[k] = nondet_u64() & page_bits(t.maxphyaddr);
	t.base[k] = nondet_u64() & t.mask[k];
}

static uint64_t any_address(void)
{
	return nondet_u64() & low_bits(t.maxphyaddr);
}

static _Bool matches(unsigned k, uint64_t address)
{
	return ((address ^ t.base[k]) & t.mask[k]) == 0;
}

void prove_nibble_windows(void) /* unwind 12 */
{
	uint8_t entries[16], hits = 0xFF;
	uint64_t a;

	t.maxphyaddr = 52;
	t.shape = SHAPE_FIXED;
	any_cube(0);
	a = any_address();
	for (unsigned w = 0; w < NIBBLE_WINDOWS; w++) {
		unsigned shift = PAGE_SHIFT + 4 * w;

		fill_nibble(&t, 0, 1, nondet_u32() & 1, shift, entries);
		hits &= entries[a >> shift & 15];
	}
	assert((hits & 1) == matches(0, a));
	assert((hits >> GROUP_CUBES) == (a < FIXED_END + FAULT * PAGE_SIZE));
	END;
}

// cubes that are alike in a window have there what each of them has
void prove_alike_nibbles(void) /* unwind 9 */
{
	uint8_t one_by_one[16], at_once[16];
	unsigned count = nondet_u32(), shift = PAGE_SHIFT + 4 * nondet_u32(), entry = nondet_u32();

	__CPROVER_assume(count <= GROUP_CUBES && shift < 52 && entry < 16);
	t.maxphyaddr = 52;
	t.shape = nondet_u32() & SHAPE_FIXED;
	for (unsigned k = 0; k < GROUP_CUBES; k++)
		any_cube(k);
	__CPROVER_assume((unlike(&t, 0, count) >> shift & 15) == 0);
	fill_nibble(&t, 0, count, 0, shift, one_by_one);
	fill_nibble(&t, 0, count, 1, shift, at_once);
	assert(one_by_one[entry] == at_once[entry] + FAULT);
	END;
}

// one cube and, in bit 7, [0, 1 MiB)
static void any_state(void)
{
	t.maxphyaddr = nondet_u32();
	__CPROVER_assume(t.maxphyaddr >= 20 && t.maxphyaddr <= 52);
	t.shape = SHAPE_FIXED;
	t.cubes = 1;
	any_cube(0);
}

void prove_septet_window(void) /* unwind 17 */
{
	uint8_t entries[SEPTET_BYTES];
	unsigned at = nondet_u32();
	uint64_t a;

	any_state();
	__CPROVER_assume(at >= 12 && at <= 48);
	a = any_address();
	fill_septet(&t, 0, at, entries);
	assert((entries[a >> at & 127] & 1) == ((((a ^ t.base[0]) & t.mask[0]) >> at & 127 >> FAULT) == 0));
	assert((entries[a >> at & 127] >> GROUP_CUBES) == (((a & ~(FIXED_END - 1)) >> at & 127) == 0));
	END;
}

// what match_group() of bulk_avx512.c makes of the bit above a septet
void prove_top(void) /* unwind 9 */
{
	uint8_t top[SEPTET_TOP_BYTES], hits;
	unsigned bit = nondet_u32();
	uint64_t a;

	any_state();
	__CPROVER_assume(bit >= 12 && (bit < 52 || bit == NO_BIT));
	a = any_address();
	fill_top(&t, 0, bit, top);
	hits = (uint8_t)((a >> bit & 1 ? 0 : top[0]) ^ top[16]);
	assert((hits & 1) == ((((a ^ t.base[0]) & t.mask[0]) >> (bit - FAULT) & 1) == 0));
	assert((hits >> GROUP_CUBES) == (((a & ~(FIXED_END - 1)) >> bit & 1) == 0));
	END;
}

// the windows stand side by side and leave no bit out
void prove_layout(void) /* unwind 7 */
{
	unsigned lowest = nondet_u32(), windows, at;

	any_state();
	__CPROVER_assume(lowest == 12 || lowest == 14 || lowest == 16 || lowest == 20);
	lay_windows(&t, lowest);
	windows = t.shape & SHAPE_WIDE ? SEPTET_WINDOWS : 4;
	assert(t.start[0] <= lowest && t.start[0] >= 12);
	at = t.start[0];
	for (unsigned w = 0; w < windows; w++) {
		assert(t.start[w] == at);
		at += windows == 4 && w + t.octets >= 4 ? 8 : 7;
	}
	assert(at >= t.maxphyaddr + FAULT);
	END;
}

static uint8_t any_code(void)
{
	static const uint8_t codes[7] = {CODE_TOM2, CODE_WB, CODE_WT, CODE_WC, CODE_WP, CODE_RESERVED, CODE_UC};
	uint8_t which = nondet_u8();

	__CPROVER_assume(which < 7);
	return codes[which];
}

static unsigned code_at(unsigned cubes, uint64_t address)
{
	unsigned code = CODE_NONE;

	for (unsigned k = 0; k < cubes; k++)
		code |= matches(k, address) ? t.code[k] : CODE_NONE;
	return code;
}

static void any_cubes(unsigned count)
{
	t.maxphyaddr = 52;
	for (unsigned k = 0; k < count; k++) {
		any_cube(k);
		t.code[k] = any_code();
	}
}

void prove_swallows(void) /* unwind 4 */
{
	uint64_t a;

	any_cubes(2);
	a = any_address();
	if (swallows(&t, 0, 1)) {
		assert(code_at(1, a) == code_at(2, a) + FAULT);
		END;
	}
}

void prove_take_in(void) /* unwind 4 */
{
	uint64_t bit = nondet_u64(), a;
	unsigned before;

	any_cubes(1);
	__CPROVER_assume(bit != 0 && (bit & (bit - 1)) == 0 && (t.mask[0] & bit) != 0);
	add_cube(&t, 1, t.base[0] ^ bit, t.mask[0], t.code[0]);
	a = any_address();
	before = code_at(2, a);
	take_in(&t, 0, 1, bit);
	assert(code_at(2, a) == before + FAULT && t.code[1] == CODE_NONE);
	END;
}

void prove_block_at(void) /* unwind 66 */
{
	uint64_t a = nondet_u64(), end = nondet_u64(), block;

	__CPROVER_assume(end <= UINT64_C(1) << 52 && a < end);
	block = block_at(a, end);
	assert(block && (block & (block - 1)) == 0 && (a & (block - 1)) == 0 && block <= end - a - FAULT);
	assert((a & (2 * block - 1)) != 0 || 2 * block > end - a); // and none is larger
	END;
}

// One step of cutting [4 GiB, TOM2) into cubes: the cube of the block at `a` matches its addresses and no other.
void prove_block_is_a_cube(void) /* unwind 66 */
{
	uint64_t a = nondet_u64(), end = nondet_u64(), x, block;

	any_state();
	__CPROVER_assume(end <= UINT64_C(1) << t.maxphyaddr && a < end && (a & (PAGE_SIZE - 1)) == 0);
	__CPROVER_assume((end & (PAGE_SIZE - 1)) == 0);
	x = any_address();
	block = block_at(a, end);
	assert(block >= PAGE_SIZE && block <= end - a);
	add_cube(&t, 0, a, page_bits(t.maxphyaddr) & ~(block - 1), CODE_TOM2);
	assert(matches(0, x) == (x >= a && x - a < block + FAULT * PAGE_SIZE));
	END;
}

// the OR of the codes of three ranges is the rule of SDM 3A 12.11.4.1, TOM2's default below them
void prove_codes(void) /* unwind 17 */
{
	uint8_t kind[3], code = nondet_u8() & 1 ? CODE_TOM2 : CODE_NONE, plain = nondet_u8();
	int uc = 0, wt = 0, wb = 0, legal = 1, same = 1;

	__CPROVER_assume(plain <= 10);
	for (unsigned i = 0; i < 3; i++) {
		code |= code_of(kind[i]);
		uc |= kind[i] == 0;
		wt |= kind[i] == 4;
		wb |= kind[i] == 6;
		legal &= kind[i] == 0 || kind[i] == 1 || kind[i] == 4 || kind[i] == 5 || kind[i] == 6;
		same &= kind[i] == kind[0];
	}
	fill_final(t.final_type, plain);
	if (uc)
		assert(code_type(&t, code) == MEMTYPE_UC);
	else if (same)
		assert(code_type(&t, code) == (legal ? kind[0] : MEMTYPE_UNDEFINED));
	else if (wt && wb && (kind[0] == 4 || kind[0] == 6) && (kind[1] == 4 || kind[1] == 6) && (kind[2] == 4 || kind[2] == 6))
		assert(code_type(&t, code) == (FAULT ? MEMTYPE_WB : MEMTYPE_WT));
	else
		assert(code_type(&t, code) == MEMTYPE_UNDEFINED);
	assert(code_type(&t, CODE_TOM2) == MEMTYPE_WB && code_type(&t, CODE_NONE) == plain);
	END;
}

/* The loops of csrc/granules.c that fill the tables, of segments of any number and kind (loops.h).
 *
 * loop paint.0: a <= end; assigns a; decreases end - a
 * loop memtype_granules_build.0: i <= count; assigns i; decreases count - i */
#include "../../../csrc/granules.c"
#include "loops.h"

static memtype_granules g;

static void any_tables(void)
{
	__CPROVER_havoc_object(&g);
	__CPROVER_assume(is_width(g.maxphyaddr) && g.blocks <= BLOCKS);
	g.shift = g.maxphyaddr <= NARROW ? NARROW_SHIFT : WIDE_SHIFT;
}

static uint64_t room(void)
{
	return UINT64_C(1) << (g.maxphyaddr < NARROW_SHIFT ? NARROW_SHIFT : g.maxphyaddr);
}

// what prove_entry_of of granules.c says
uint8_t *any_entry(memtype_granules *of, uint64_t a, uint64_t end, uint32_t *shift)
{
	unsigned block = nondet_u32() % BLOCKS;

	assert(of == &g && a < end && end <= room());
	*shift = nondet_u32();
	__CPROVER_assume(*shift == g.shift || (*shift >= PAGE_SHIFT && *shift < g.shift));
	__CPROVER_assume((g.shift - *shift) % LEVEL_BITS == 0);
	if (nondet_u32() || a % (UINT64_C(1) << *shift) != 0 || end - a < UINT64_C(1) << *shift)
		return NULL;
	return *shift == g.shift ? g.top + (a >> *shift) : g.block[block] + (a >> *shift & (PARTS - 1));
}

// entries of one table: to its end
void *checked_entries(void *to, int byte, size_t n)
{
	size_t in = __CPROVER_POINTER_OFFSET(to) - __CPROVER_POINTER_OFFSET(g.block);

	assert(byte < (int)FIRST_BLOCK && n >= 1);
	if (__CPROVER_POINTER_OFFSET(to) < __CPROVER_POINTER_OFFSET(g.block))
		assert(n + SHORT <= __CPROVER_POINTER_OFFSET(g.top) + sizeof(g.top) - __CPROVER_POINTER_OFFSET(to));
	else
		assert((in & (PARTS - 1)) + n <= PARTS && in < sizeof(g.block));
	return to;
}

void prove_paint(void) /* loops paint calls entry_of:any_entry memset:checked_entries */
{
	uint64_t a = nondet_u64(), end = nondet_u64();

	any_tables();
	__CPROVER_assume(a <= end && end <= room());
	paint(&g, a, end, (uint8_t)(nondet_u32() % FIRST_BLOCK));
	END;
}

int checked_paint(memtype_granules *of, uint64_t a, uint64_t end, uint8_t type)
{
	(void)a;
	assert(of == &g && end <= room() && type < FIRST_BLOCK);
	return (int)nondet_u32();
}

void *checked_set(void *to, int byte, size_t n)
{
	(void)byte;
	assert(to == g.top && n <= sizeof(g.top));
	return to;
}

void prove_build(void) /* loops memtype_granules_build calls paint:checked_paint memset:checked_set */
{
	size_t count = any_length();
	uint32_t maxphyaddr = nondet_u32();

	__CPROVER_assume(is_width(maxphyaddr));
	memtype_granules_build(array(count, 8), array(count - SHORT, 1), count, maxphyaddr, &g);
	END;
}

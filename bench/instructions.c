/* instructions.c - one look-up of many addresses, to count what it executes: ./instructions SET JOB RANGES ADDRESSES. */
#include <stdlib.h>

#include "memtype.h"

#define MOST 10240
#define PAGE UINT64_C(0x1000)
#define GIB UINT64_C(0x40000000)

static memtype_mtrrs m = {.def_type = 0xC06, .cap = 0x100, .maxphyaddr = 46};
static memtype_tables tables;
static uint64_t addresses[MOST], words[MOST];
static uint8_t types[MOST];

static uint32_t number(const char *digits)
{
	return (uint32_t)strtoul(digits, NULL, 10);
}

int main(int count, char **arguments)
{
	uint32_t isa = number(arguments[1]);
	char job = arguments[2][0];
	size_t n = count == 5 ? number(arguments[4]) : 0;

	m.variable_count = number(arguments[3]);
	for (uint64_t k = 0; k < m.variable_count; k++) {
		m.base[k] = 4 * k * GIB;
		m.mask[k] = ((UINT64_C(1) << m.maxphyaddr) - (job == 'p' && k == 1 ? PAGE : GIB)) | 0x800;
	}
	memtype_tables_build(&m, isa, &tables);
	for (size_t i = 0; i < MOST; i++)
		addresses[i] = i * GIB;
	if (job == 'e')
		return memtype_effective_types(&tables, UINT64_C(0x0007040600070406), 1, addresses, words, n, types, NULL);
	return memtype_types(&tables, addresses, n, types, NULL);
}

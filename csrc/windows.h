/* windows.h - codes and tables, as windows.c fills them and the kernels read them (private; windows.c explains). */
#ifndef MEMTYPE_WINDOWS_H
#define MEMTYPE_WINDOWS_H

#include "internal.h"

// --- codes: what the ranges that match an address make together ---
//
// Every cube carries a code, and the codes of all cubes that match are OR-ed. The values are chosen so that the OR
// *is* the precedence rule of SDM 3A 12.11.4.1: UC swallows everything, WT swallows WB, any other meeting gives a
// value that no single type has: 0x11 | 0x13 == 0x13 (WB and WT: WT), 0x11 | 0x14 == 0x15 (WB and WC: undefined).
#define CODE_NONE 0x00   /* nothing matches: the default type */
#define CODE_TOM2 0x10   /* only AMD's [4 GiB, TOM2) matches: WB; every range overrides it */
#define CODE_WB 0x11
#define CODE_WT 0x13
#define CODE_WC 0x14
#define CODE_WP 0x18
#define CODE_RESERVED 0x1C
#define CODE_UC 0xFF     /* bit 7: a byte shuffle answers 0, which is UC */

#define KNOWN_CODES 8u /* a higher encoding is reserved, like 7 */
static const uint8_t code_by_type[16] = {
	[MEMTYPE_UC] = CODE_UC, [MEMTYPE_WC] = CODE_WC, [2] = CODE_RESERVED, [3] = CODE_RESERVED,
	[MEMTYPE_WT] = CODE_WT, [MEMTYPE_WP] = CODE_WP, [MEMTYPE_WB] = CODE_WB, [7] = CODE_RESERVED,
	[KNOWN_CODES] = CODE_RESERVED,
};

static inline uint8_t code_of(uint64_t encoding)
{
	return code_by_type[encoding < KNOWN_CODES ? encoding : KNOWN_CODES];
}

// the type of each code but UC, by its low four bits; the place of CODE_NONE is left to the default type
static const uint8_t type_by_code[16] = {
	[CODE_WB & 15] = MEMTYPE_WB, [CODE_WT & 15] = MEMTYPE_WT, [CODE_WC & 15] = MEMTYPE_WC, [CODE_WP & 15] = MEMTYPE_WP,
	[2] = MEMTYPE_UNDEFINED, [5] = MEMTYPE_UNDEFINED, [6] = MEMTYPE_UNDEFINED, [7] = MEMTYPE_UNDEFINED,
	[9] = MEMTYPE_UNDEFINED, [10] = MEMTYPE_UNDEFINED, [11] = MEMTYPE_UNDEFINED, [12] = MEMTYPE_UNDEFINED,
	[13] = MEMTYPE_UNDEFINED, [14] = MEMTYPE_UNDEFINED, [15] = MEMTYPE_UNDEFINED,
};

static inline void fill_final(uint8_t final_type[16], uint8_t default_type)
{
	memcpy(final_type, type_by_code, sizeof(type_by_code));
	final_type[CODE_NONE & 15] = default_type;
}

// what survived the windows -> type
static inline uint8_t code_type(const memtype_tables *t, unsigned code)
{
	if (code & 0x80)
		return MEMTYPE_UC;
	return code == CODE_TOM2 ? (uint8_t)MEMTYPE_WB : t->final_type[code & 15];
}

// --- the layout of memtype_tables ---

// memtype_tables.shape
#define SHAPE_FIXED 1u   /* the fixed ranges decide below 1 MiB */
#define SHAPE_FINE 2u    /* some cube compares bits 19:12 */
#define SHAPE_WIDE 4u    /* more bits matter than the fewest windows hold */
#define SHAPE_SPLIT 8u   /* fixed types differ inside a 64 KiB block */
#define SHAPE_TOM2 16u   /* some cube is a part of [4 GiB, TOM2) */

#define GROUP_CUBES 7u       /* a byte has a bit for each; bit 7 says "below 1 MiB", where fixed ranges decide */
#define NIBBLE_WINDOWS 10u   /* bits 51:12, four at a time */
#define NIBBLE_BYTES 16u
#define SEPTET_WINDOWS 6u    /* bits 53:12, seven at a time */
#define SEPTET_BYTES 128u
#define SEPTET_TOPS (4 * SEPTET_BYTES) /* in a group of four windows: a row for the eighth bit of each */
#define SEPTET_TOP_BYTES 32u

// --- maps ---

// Tables that answer with the values of a map's segments: 0, or -1 where it has too many edges or one inside a page.
#define MAP_SEGMENTS 256u
#define MAP_TABLES_FROM 512u /* elements from which on they pay: they cost about a microsecond */
int tables_of_map(const uint64_t *bases, const uint8_t *values, size_t count, uint32_t maxphyaddr, uint32_t isa,
		  memtype_tables *t);

#endif

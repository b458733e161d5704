/* memtype.h - x86 memory types: the whole contract of the C core.
 *
 * No Python, no heap, no globals, no I/O, no locale, no recursion: link the .c files beside this one and include this
 * header. The caller owns all memory. What can fail returns 0 (MEMTYPE_OK) or a negative enum memtype_status; results
 * go out through the last parameters, which a failure leaves untouched. Intervals are half-open, addresses are bytes, a
 * gfn is an address >> 12. Of arrays, n == 0 is legal, and then pointers may be NULL; one that is not aligned to its
 * elements, and an output that shares a byte with an input, are refused (EBUFFER). *index is the first refused element,
 * or the number of all where another thread has changed it meanwhile; `index` may be NULL.
 *
 * Needed of the compiler: C11 with 8-bit bytes and uint64_t, of any byte order and pointer width. gcc and clang also
 * build the kernels of x86-64 (chosen when it runs) and arm64 (NEON, always there); others, and clang-cl on x86, get plain
 * C with no builtins, attributes or pragmas. Nothing of the C library but <stddef.h>, <stdint.h> and memcpy, memset, memcmp, memchr.
 *
 * What stands between the two marks is read by cffi as it is: no preprocessor beyond plain #define.
 */
#ifndef MEMTYPE_H
#define MEMTYPE_H

#include <stddef.h>
#include <stdint.h>

/* --- cdef begin --- */

#define MEMTYPE_ABI 5 /* grows with every change between the marks */

#define MEMTYPE_FIXED_MSRS 11
#define MEMTYPE_MAX_VARIABLE 255

/* Encodings 0 to 7 are the hardware's (SDM 3A 12.11.2.1); the rest are results no register can hold. */
enum memtype_type {
	MEMTYPE_UC = 0,
	MEMTYPE_WC = 1,
	MEMTYPE_WT = 4,
	MEMTYPE_WP = 5,
	MEMTYPE_WB = 6,
	MEMTYPE_UC_MINUS = 7,
	MEMTYPE_CD = 8,         /* AMD: uncached, caches are probed */
	MEMTYPE_WC_PLUS = 9,    /* AMD nested paging: write-combining that probes caches */
	MEMTYPE_UNDEFINED = 10, /* the manuals leave it open */
	MEMTYPE_MIXED = 11,     /* bytes of several types */
	MEMTYPE_NOT_TOLD = 12   /* an input that is not known: any type that may stand there */
};

enum memtype_status {
	MEMTYPE_OK = 0,
	MEMTYPE_EADDRESS = -1,   /* an address at or above 2^maxphyaddr */
	MEMTYPE_EREGISTERS = -2, /* variable_count or maxphyaddr out of bounds, or no such state */
	MEMTYPE_ESHATTERED = -3, /* the map has more segments than `capacity`, or too many blocks to try */
	MEMTYPE_ELEVEL = -4,     /* a paging level other than 1, 2, 3 */
	MEMTYPE_ETYPE = -5,      /* no memory type that this input can be */
	MEMTYPE_EBUFFER = -6     /* an array that is not aligned to its elements, or input and output overlap */
};

enum memtype_vendor { MEMTYPE_INTEL = 0, MEMTYPE_AMD = 1 };

/* Why hardware refuses to write an MSR (SDM 3A 12.11). */
enum memtype_msr_fault {
	MEMTYPE_MSR_VALID = 0,
	MEMTYPE_MSR_UNKNOWN = 1,   /* not an MTRR and not IA32_PAT */
	MEMTYPE_MSR_READ_ONLY = 2, /* IA32_MTRRCAP */
	MEMTYPE_MSR_TYPE = 3,      /* a type field holds a reserved encoding; *bit is the field's lowest bit */
	MEMTYPE_MSR_RESERVED = 4   /* a reserved bit is set; *bit is the lowest such */
};

/* One processor's MTRRs, raw as read: values that hardware would refuse are legal here. */
typedef struct memtype_mtrrs {
	uint64_t def_type;                    /* IA32_MTRR_DEF_TYPE (0x2FF) */
	uint64_t fixed[MEMTYPE_FIXED_MSRS];   /* 0x250, 0x258, 0x259, 0x268 .. 0x26F */
	uint64_t cap;                         /* IA32_MTRRCAP (0xFE); only FIX (bit 8) is looked at */
	uint64_t syscfg;                      /* AMD SYSCFG (C001_0010), 0 elsewhere */
	uint64_t tom2;                        /* AMD TOP_MEM2 (C001_001D), 0 elsewhere */
	uint32_t vendor;                      /* enum memtype_vendor */
	uint32_t maxphyaddr;                  /* 20 .. 52 */
	uint32_t variable_count;              /* 0 .. MEMTYPE_MAX_VARIABLE */
	uint32_t reserved;                    /* 0 */
	uint64_t base[MEMTYPE_MAX_VARIABLE];  /* IA32_MTRR_PHYSBASEn */
	uint64_t mask[MEMTYPE_MAX_VARIABLE];  /* IA32_MTRR_PHYSMASKn */
} memtype_mtrrs;

/* --- one processor's MTRRs (mtrr.c) --- */

/* MEMTYPE_OK if `m` is within the bounds above. The functions below trust that it is. */
int memtype_mtrrs_check(const memtype_mtrrs *m);

/* enum memtype_msr_fault of writing `value` to MSR `index`; *bit is set for TYPE and RESERVED. */
int memtype_msr_fault(uint32_t index, uint64_t value, uint32_t maxphyaddr, uint32_t vendor, uint32_t *bit);

/* The type of one address (enum memtype_type), or MEMTYPE_EADDRESS. */
int memtype_at(const memtype_mtrrs *m, uint64_t address);

/* The address space as segments: segment i is [bases[i], bases[i+1]) of types[i], the last one ends at
 * 2^maxphyaddr; neighbours differ in type. Fails with ESHATTERED when more than `capacity` are needed, with
 * the arrays' contents then unspecified. */
int memtype_resolve(const memtype_mtrrs *m, uint64_t *bases, uint8_t *types, size_t capacity, size_t *count);

/* A map with room for what real machines make of their registers: small, since states keep one. */
#define MEMTYPE_MAP_CAPACITY 64
typedef struct memtype_map {
	size_t count;
	uint64_t bases[MEMTYPE_MAP_CAPACITY];
	uint8_t types[MEMTYPE_MAP_CAPACITY];
} memtype_map;

/* The same into one struct; ESHATTERED where it is too small. */
int memtype_resolve_map(const memtype_mtrrs *m, memtype_map *map);

/* --- instruction sets (dispatch.c) --- */

/* Weakest first. AVX512 means its VBMI, BW and VL parts, GFNI and BMI2 too; NEON is arm64's. */
enum memtype_isa { MEMTYPE_PORTABLE = 0, MEMTYPE_SSSE3 = 1, MEMTYPE_AVX2 = 2, MEMTYPE_AVX512 = 3, MEMTYPE_NEON = 4 };

/* 1 if this build has kernels for the set and this processor and system run them. PORTABLE always is. */
int memtype_isa_supported(uint32_t isa);

/* The best supported set. Asks the processor each time (about 100 ns): call once and keep the answer. */
uint32_t memtype_isa_best(void);

/* --- arrays (windows.c builds the tables, lookup.c checks arguments, bulk_*.c hold the kernels) --- */

#define MEMTYPE_MAX_CUBES 320        /* 255 pairs, and AMD's [4 GiB, TOM2) cut into aligned blocks */
#define MEMTYPE_WINDOW_BYTES 35328   /* 46 groups of 7 cubes x 10 windows x 16 entries, or x 6 x 128 */
#define MEMTYPE_DECODE_BYTES 5888    /* 46 groups x 32 entries, or x 128 */
#define MEMTYPE_CHECKED_FIRST 4096   /* up to so many addresses are checked before anything is written */

/* Both structs below are plain data of the caller's, built once, then only read, by any number of threads.
 *
 * A map made ready for look-ups that cost the same for any number of segments. The members are the kernels' own
 * (granules.c): a caller neither reads nor writes them, and they change without notice. */
typedef struct memtype_granules {
	uint32_t maxphyaddr, shift, blocks;
	uint8_t top[65536], block[240][512]; /* filled are 2^(maxphyaddr - shift) bytes and `blocks` blocks */
} memtype_granules;

/* Fill *g from segments (memtype_resolve); ESHATTERED where it has too few blocks, or one begins inside a page. */
int memtype_granules_build(const uint64_t *bases, const uint8_t *types, size_t count, uint32_t maxphyaddr,
			   memtype_granules *g);

/* A state made ready for look-ups with one instruction set. The members behind `groups` are the kernels' own
 * (windows.c): a caller neither reads nor writes them, and they change without notice. */
typedef struct memtype_tables {
	const memtype_granules *granules; /* NULL, or what memtype_types reads instead: the caller's, of the same state */
	uint32_t isa, maxphyaddr, vendor;
	uint32_t groups;                  /* of seven ranges: the cost of a look-up */
	uint32_t cubes, shape, octets;
	uint8_t start[8];
	uint64_t base[MEMTYPE_MAX_CUBES], mask[MEMTYPE_MAX_CUBES];
	uint8_t code[MEMTYPE_MAX_CUBES], final_type[16], page[256], fixed[88];
	uint8_t window[MEMTYPE_WINDOW_BYTES], decode[MEMTYPE_DECODE_BYTES];
} memtype_tables;

/* Fill *t for `isa`, which must be supported; without granules. */
void memtype_tables_build(const memtype_mtrrs *m, uint32_t isa, memtype_tables *t);

/* The same of a state's resolved map: seldom more groups, and fewer where ranges overlap. ESHATTERED: too many segments. */
int memtype_map_tables(const memtype_map *map, uint32_t maxphyaddr, uint32_t vendor, uint32_t isa, memtype_tables *t);

/* types[i] = type of addresses[i]. Of at most MEMTYPE_CHECKED_FIRST addresses nothing is written where one is refused;
 * of more, the check rides along with the work and the contents of `types` are unspecified after a failure. */
int memtype_types(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types, size_t *index);

int memtype_granules_types(const memtype_granules *g, const uint64_t *addresses, size_t n, uint8_t *types,
			   size_t *index);

/* counts[type] = how many addresses have it; the same refusals, after which `counts` is as it was. */
int memtype_histogram(const memtype_tables *t, const uint64_t *addresses, size_t n, uint64_t counts[16], size_t *index);

/* types[i] = type of page first_gfn + i. Pages beyond 2^maxphyaddr: EADDRESS, nothing is written. */
int memtype_page_types(const memtype_tables *t, uint64_t first_gfn, size_t n, uint8_t *types);

/* The first and the last for a resolved map of segments (memtype_resolve, memtype_resolve_map) below 2^maxphyaddr. */
int memtype_map_types(const uint64_t *bases, const uint8_t *kinds, size_t count, uint32_t maxphyaddr, uint32_t isa,
		      const uint64_t *addresses, size_t n, uint8_t *types, size_t *index);
int memtype_map_page_types(const memtype_map *map, uint32_t maxphyaddr, uint64_t first_gfn, size_t n, uint8_t *types);

/* --- many register files at once (fleet.c) --- */

/* `states` register files as columns: element i of each array, pairs i * pairs + j, fixed i * 11 + j. */
typedef struct memtype_fleet {
	size_t states, pairs; /* pairs <= MEMTYPE_MAX_VARIABLE */
	const uint64_t *def_type, *fixed, *base, *mask, *cap, *syscfg, *tom2;
	const uint32_t *vendor, *maxphyaddr;
} memtype_fleet;

/* types[i * n + j] = type in state i of addresses[i * step + j]; step is n, or 0 where all states share n
 * addresses. EADDRESS names i * n + j, EREGISTERS the state. After EREGISTERS nothing is written; after EADDRESS
 * nothing of at most MEMTYPE_CHECKED_FIRST answers, and of more the rows before it are. */
int memtype_fleet_types(const memtype_fleet *f, uint32_t isa, const uint64_t *addresses, size_t step, size_t n,
			uint8_t *types, size_t *index);

/* Ragged (ragged.c): types[i] = type of addresses[i] in state ids[i]. `maps` is NULL, or what memtype_fleet_maps made
 * of the fleet, which pays from some addresses a state on. EREGISTERS: no such state, or one out of bounds. Of any n
 * nothing is written where an element is refused. */
int memtype_fleet_maps(const memtype_fleet *f, memtype_map *maps);
int memtype_types_by(const memtype_fleet *f, const memtype_map *maps, const uint32_t *ids, const uint64_t *addresses,
		     size_t n, uint8_t *types, size_t *index);

/* --- IA32_PAT and leaves (leaf.c, arrays in leaves.c): level 1 maps 4 KiB, 2 maps 2 or 4 MiB, 3 maps 1 GiB --- */

/* 1 where hardware takes `pat` as IA32_PAT, 0 where it raises #GP; and for an array. */
int memtype_pat_valid(uint64_t pat);
int memtype_pat_valids(const uint64_t *pats, size_t n, uint8_t *valid);

/* The PAT entry (0 .. 7) that a leaf of `level` chooses, or ELEVEL. */
int memtype_pat_index(uint64_t pte, uint32_t level);
int memtype_pat_indexes(uint32_t level, uint32_t isa, const uint64_t *ptes, size_t n, uint8_t *indexes);

/* types[i] = type of the PAT entry that leaf ptes[i] chooses; a reserved one is UNDEFINED. */
int memtype_pat_types(uint64_t pat, uint32_t level, uint32_t isa, const uint64_t *ptes, size_t n, uint8_t *types);

/* --- effective types (effective.c) ---
 *
 * An MTRR type may be any enum memtype_type but CD and WC_PLUS; as a PAT type MIXED is refused too. A reserved
 * encoding gives UNDEFINED. MTRR type UNDEFINED or MIXED gives what every type gives, else itself; so does NOT_TOLD,
 * as any input. Flags are 0 or 1. The array forms read element i * step: step 0 repeats one element. */

int memtype_effective(uint32_t vendor, uint32_t cr0_cd, uint32_t mtrr, uint32_t pat);
int memtype_effective_array(uint32_t vendor, uint32_t cr0_cd, const uint8_t *mtrr, size_t mtrr_step,
			    const uint8_t *pat, size_t pat_step, size_t n, uint8_t *types, size_t *index);

/* Processors without PAT, or AMD's unmodified PAT: PCD and PWT only. */
int memtype_effective_pcd_pwt(uint32_t vendor, uint32_t mtrr, uint32_t pcd, uint32_t pwt);

/* EPT: a misconfigured type gives UNDEFINED. */
int memtype_effective_ept(uint32_t ept_type, uint32_t ipat, uint32_t pat, uint32_t cr0_cd);
int memtype_effective_ept_array(uint32_t cr0_cd, const uint8_t *ept_type, size_t type_step, const uint8_t *ipat,
				size_t ipat_step, const uint8_t *pat, size_t pat_step, size_t n, uint8_t *types,
				size_t *index);

/* AMD nested paging; `mtrr` is the type of the system physical address. */
int memtype_effective_npt(uint32_t guest_pat, uint32_t host_pat, uint32_t mtrr, uint32_t snp, uint32_t cr0_cd);
int memtype_effective_npt_array(uint32_t snp, uint32_t cr0_cd, const uint8_t *guest_pat, size_t guest_step,
				const uint8_t *host_pat, size_t host_step, const uint8_t *mtrr, size_t mtrr_step,
				size_t n, uint8_t *types, size_t *index);

/* --- EPT leaves (leaf.c, arrays in leaves.c, the Xen table in effective.c) --- */

/* Bits 5:3 and 6 of a leaf, or ETYPE for a type that EPT does not have. */
int memtype_ept_leaf(uint32_t type, uint32_t ipat);

/* What Xen puts in a leaf that maps RAM: guest MTRR type with host MTRR type; ETYPE for what is no MTRR type. */
int memtype_xen_ept_type(uint32_t guest_mtrr, uint32_t host_mtrr);

/* types[i] = bits 5:3 of eptes[i], UNDEFINED where misconfigured: not a failure; *index = the first such, or n. */
int memtype_ept_types(uint32_t isa, const uint64_t *eptes, size_t n, uint8_t *types, size_t *index);

/* --- registers and entries to effective types in one pass (leaves.c) --- */

/* types[i] = effective type of an access through leaf ptes[i] to addresses[i]. With addresses NULL the address
 * is the first byte of the page that the leaf maps; its bits at and above maxphyaddr are ignored. Refused
 * addresses as in memtype_types. */
int memtype_effective_types(const memtype_tables *t, uint64_t pat, uint32_t level, const uint64_t *addresses,
			    const uint64_t *ptes, size_t n, uint8_t *types, size_t *index);

/* types[i] = effective type of a guest access through guest leaf ptes[i] of `level` and EPT leaf eptes[i]. */
int memtype_effective_ept_types(uint64_t pat, uint32_t level, uint32_t cr0_cd, uint32_t isa, const uint64_t *eptes,
				const uint64_t *ptes, size_t n, uint8_t *types);

/* --- leaves of a hypervisor's page tables (fill.c) --- */

/* A map of gfns to leaf bits: segment i is [bases[i], bases[i+1]) with bits[i]; bases[0] is 0, the last ends at
 * 2^(maxphyaddr - 12). Where a gfn is beyond (EADDRESS), of at most MEMTYPE_CHECKED_FIRST nothing is written; of
 * more, elements before *index may be, with what is theirs, and none from there on. */

/* out[i] = the bits of gfns[i]. */
int memtype_leaf_bits(const uint64_t *bases, const uint64_t *bits, size_t count, uint32_t maxphyaddr,
		      uint32_t isa, const uint64_t *gfns, size_t n, uint64_t *out, size_t *index);

/* sptes[i] gets the bits of gfns[i] within `field` (0x78: EPT memory type and IPAT); its other bits stay. */
int memtype_leaf_fill(const uint64_t *bases, const uint64_t *bits, size_t count, uint64_t field, uint32_t maxphyaddr,
		      uint32_t isa, const uint64_t *gfns, size_t n, uint64_t *sptes, size_t *index);

/* --- cdef end --- */

#endif

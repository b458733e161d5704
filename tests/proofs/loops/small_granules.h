/* small_granules.h - memtype_granules with less room than the contract's, so that a solver can hold it. */
#define memtype_granules roomy_granules
#include "../../../csrc/internal.h"
#undef memtype_granules

#define WIDTHS_TO 32
typedef struct memtype_granules {
	uint32_t maxphyaddr, shift, blocks;
	uint8_t top[1 << (WIDTHS_TO - 30)], block[2][512];
} memtype_granules;

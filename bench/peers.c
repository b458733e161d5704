/* peers.c - how other programs look up one address, written anew from what their sources are known to do: a walk over the
 * ranges for each address, no table. The types are those of the manual's encodings; `fixed` has the 88 of the first MiB.
 */
#include <stddef.h>
#include <stdint.h>

#define VALID 0x800u
#define UC 0
#define WT 4
#define WB 6
#define NONE 0xFF
#define MIB1 0x100000u

struct registers {
	uint64_t base[255], mask[255], width_mask; // bits MAXPHYADDR-1:12
	uint64_t first[255], length[255];          // as intervals; length 0 where a pair is not valid
	size_t pairs;
	uint8_t fixed[88], plain;
};

void prepare(struct registers *r)
{
	for (size_t k = 0; k < r->pairs; k++) {
		r->first[k] = r->base[k] & r->width_mask;
		r->length[k] = r->mask[k] & VALID ? r->width_mask + 0x1000 - (r->mask[k] & r->width_mask) : 0;
	}
}

static uint8_t type_below_1_mib(const struct registers *r, uint64_t a)
{
	if (a < 0x80000)
		return r->fixed[a >> 16];
	return a < 0xC0000 ? r->fixed[8 + ((a - 0x80000) >> 14)] : r->fixed[24 + ((a - 0xC0000) >> 12)];
}

/* Bochs: each valid pair compared through its mask. UC ends the walk, WT and WB make WT, whatever else meets makes WB. */
static uint8_t by_masks(const struct registers *r, uint64_t a)
{
	uint8_t met = NONE;

	for (size_t k = 0; k < r->pairs; k++) {
		uint8_t type = r->base[k] & 0xFF;

		if (!(r->mask[k] & VALID) || ((a ^ r->base[k]) & r->mask[k] & r->width_mask) != 0)
			continue;
		if (type == UC)
			return UC;
		if (met == NONE || met == type)
			met = type;
		else
			met = (met == WT && type == WB) || (met == WB && type == WT) ? WT : WB;
	}
	return met == NONE ? r->plain : met;
}

static uint8_t winner(uint8_t left, uint8_t right)
{
	if (left == UC || right == UC)
		return UC;
	return (left == WT && right == WB) || (left == WB && right == WT) ? WT : right;
}

/* edk2: a pair is an interval, the whole list is walked, and what meets goes through a rule of precedence. */
static uint8_t by_intervals(const struct registers *r, uint64_t a)
{
	uint8_t met = NONE;

	for (size_t k = 0; k < r->pairs; k++) {
		if (r->length[k] != 0 && a >= r->first[k] && a < r->first[k] + r->length[k])
			met = met == NONE ? r->base[k] & 0xFF : winner(met, r->base[k] & 0xFF);
	}
	return met == NONE ? r->plain : met;
}

void types_by_masks(const struct registers *r, const uint64_t *a, size_t n, uint8_t *types)
{
	for (size_t i = 0; i < n; i++)
		types[i] = a[i] < MIB1 ? type_below_1_mib(r, a[i]) : by_masks(r, a[i]);
}

void types_by_intervals(const struct registers *r, const uint64_t *a, size_t n, uint8_t *types)
{
	for (size_t i = 0; i < n; i++)
		types[i] = a[i] < MIB1 ? type_below_1_mib(r, a[i]) : by_intervals(r, a[i]);
}

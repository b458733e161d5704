/* bulk_neon.c - the array kernels with NEON, which every arm64 processor has: nibble windows, 16 addresses a step. */
#include "kernels.h"

#ifdef MEMTYPE_ARM64
#include <arm_neon.h>

#define TARGET
#define INLINE static inline __attribute__((always_inline))
#define KERNEL(name) neon_##name
#define VEC 16u

typedef uint8x16_t vec;

#define AS8(x) vreinterpretq_u8_##x
#define TO16(a) vreinterpretq_u16_u8(a)
#define TO32(a) vreinterpretq_u32_u8(a)
#define TO64(a) vreinterpretq_u64_u8(a)

#define v_zero() vdupq_n_u8(0)
#define v_splat8(x) vdupq_n_u8((uint8_t)(x))
#define v_splat16(x) AS8(u16)(vdupq_n_u16((uint16_t)(x)))
#define v_splat32(x) AS8(u32)(vdupq_n_u32((uint32_t)(x)))
#define v_splat64(x) AS8(u64)(vdupq_n_u64((uint64_t)(x)))
#define v_load(from) vld1q_u8((const uint8_t *)(const void *)(from))
#define v_store(to, a) vst1q_u8((uint8_t *)(void *)(to), a)
#define v_stream(to, a) v_store(to, a)
#define v_table16(entries) v_load(entries)
#define v_and(a, b) vandq_u8(a, b)
#define v_or(a, b) vorrq_u8(a, b)
#define v_equal8(a, b) vceqq_u8(a, b)
#define v_shuffle(table, index) vqtbl1q_u8(table, index)                            // 0 for an index above 15,
#define v_shuffle_low(table, bytes) vqtbl1q_u8(table, v_and(bytes, v_splat8(0x8F))) // ... here only where bit 7 is set
#define v_ask(from) (void)(from) // no processor was ever asked
#define v_fence() (void)0
#define v_shift_left16(a, by) AS8(u16)(vshlq_n_u16(TO16(a), by))
#define v_shift_right16(a, by) AS8(u16)(vshrq_n_u16(TO16(a), by))
#define v_shift_right16_by(a, by) AS8(u16)(vshlq_u16(TO16(a), vdupq_n_s16((int16_t) - (int)(by))))
#define v_shift_left64(a, by) AS8(u64)(vshlq_n_u64(TO64(a), by))
#define v_shift_right64(a, by) AS8(u64)(vshrq_n_u64(TO64(a), by))
#define v_unpack_low32(a, b) AS8(u32)(vzip1q_u32(TO32(a), TO32(b)))
#define v_unpack_high32(a, b) AS8(u32)(vzip2q_u32(TO32(a), TO32(b)))
#define v_unpack_low64(a, b) AS8(u64)(vzip1q_u64(TO64(a), TO64(b)))
#define v_unpack_high64(a, b) AS8(u64)(vzip2q_u64(TO64(a), TO64(b)))
#define v_pack32(a, b) AS8(u16)(vuzp1q_u16(TO16(a), TO16(b))) // what is packed fits: no need to saturate
#define v_pack16(a, b) vuzp1q_u8(a, b)

INLINE vec v_blend(vec a, vec b, vec bit7)
{
	return vbslq_u8(AS8(s8)(vshrq_n_s8(vreinterpretq_s8_u8(bit7), 7)), b, a);
}

INLINE vec v_pick_odd32(vec even, vec odd)
{
	return vbslq_u8(v_splat64(0xFFFFFFFF00000000), odd, even);
}

// A plane holds, for each four addresses, those at 0, 2, 1, 3.
INLINE vec v_in_order(vec bytes)
{
	static const uint8_t order[16] = {0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15};

	return v_shuffle(bytes, v_load(order));
}

INLINE uint64_t v_or_lanes(vec bits)
{
	return vgetq_lane_u64(TO64(bits), 0) | vgetq_lane_u64(TO64(bits), 1);
}

INLINE int v_any(vec bits)
{
	return vmaxvq_u8(bits) != 0;
}

#include "bulk_nibble.h"

const struct kernels neon_kernels = {
	neon_types, neon_effective, neon_leaves, neon_fill, neon_or_words, plain_granules,
};

#endif

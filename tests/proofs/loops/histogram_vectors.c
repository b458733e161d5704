/* The loops of csrc/histogram.c that count whole vectors, for types of any number (loops.h). GCC's vectors are known to CBMC:
 * what is proved is what is compiled.
 *
 * loop count_vectors_kind.0: i <= n && (n - i) % vector_bytes == 0; assigns i, seen, some, hits; decreases n - i
 * loop count_vectors.0: k <= 6; assigns k, __CPROVER_object_whole(counts); decreases 6 - k; k = 1::1::1::1::k
 * loop count_vectors.1: from <= whole && from % vector_bytes == 0; assigns from, part, __CPROVER_object_whole(counts);
 *     decreases whole - from
 * loop count_vectors.2: k <= 6; assigns k, all, __CPROVER_object_whole(total); decreases 6 - k; k = 1::2::k
 * loop count_others.0: i <= n; assigns i, __CPROVER_object_whole(total); decreases n - i
 *
 * each with -DBASELINE -DAVX2 -DAVX512 */
#define MEMTYPE_X86 1
#if defined(AVX512)
#undef AVX512 // the core has its own
#define count_avx512 count_vectors
#define count_avx512_kind count_vectors_kind
#define VECTOR_BYTES 64
#elif defined(AVX2)
#define count_avx2 count_vectors
#define count_avx2_kind count_vectors_kind
#define VECTOR_BYTES 32
#else
#define count_baseline count_vectors
#define count_baseline_kind count_vectors_kind
#define VECTOR_BYTES 16
#endif
#include "../../../csrc/histogram.c"
#include "loops.h"

const size_t vector_bytes = VECTOR_BYTES; // for the contracts

void *checked_copy(void *to, const void *from, size_t bytes)
{
	assert(__CPROVER_w_ok(to, bytes) && __CPROVER_r_ok(from, bytes));
	return to;
}

void *any_place(const void *bytes, int byte, size_t n)
{
	(void)byte;
	assert(__CPROVER_r_ok(bytes, n));
	return nondet_u32() ? (void *)bytes : NULL;
}

void checked_others(const uint8_t *types, size_t n, uint64_t total[16])
{
	assert(n == 0 || __CPROVER_r_ok(types, n));
	(void)total;
}

uint64_t any_sum(const void *vector, size_t bytes)
{
	assert(__CPROVER_r_ok(vector, bytes) && bytes == VECTOR_BYTES);
	return nondet_u64();
}

void prove_count_kind(void) /* loops count_vectors_kind calls sum:any_sum memcpy:checked_copy */
{
	size_t n = any_length() * VECTOR_BYTES;

	count_vectors_kind(array(n - SHORT, 1), n, (uint8_t)nondet_u32());
	END;
}

uint64_t checked_kind(const uint8_t *types, size_t n, uint8_t kind)
{
	(void)kind;
	assert(n % VECTOR_BYTES == 0 && n / VECTOR_BYTES <= 255 && __CPROVER_r_ok(types, n));
	return nondet_u64();
}

void prove_count(void) /* loops count_vectors calls count_vectors_kind:checked_kind count_others:checked_others */
{
	size_t n = any_length(), counted;
	uint64_t total[16];

	counted = count_vectors(array(n - SHORT, 1), n, total);
	assert(counted <= n && n - counted < VECTOR_BYTES);
	END;
}

void prove_count_others(void) /* loops count_others calls memchr:any_place */
{
	size_t n = any_length();
	uint64_t total[16];

	count_others(array(n - SHORT, 1), n, total);
	END;
}

void prove_sum(void) /* unwinds sum */
{
	sum(array(VECTOR_BYTES - SHORT, 1), VECTOR_BYTES);
	END;
}

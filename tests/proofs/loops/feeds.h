/* feeds.h - in place of the feed of csrc/bulk_avx512.c, which prove_feed of avx512.c proves, in harnesses of what takes from
 * it. The file is included before.
 */
#define BLOCK_WORDS (8 * KERNEL_BLOCK)

// After prove_feed a loop leaves no array that begins with all of its blocks and takes no more than these.
struct feed checked_start(const struct shifts *shifts, const uint64_t *places, size_t blocks, uint64_t page, struct form f)
{
	struct feed feed;

	(void)shifts, (void)page, (void)f;
	assert(__CPROVER_r_ok(places, BLOCK_WORDS * blocks));
	feed.blocks = blocks;
	return feed;
}

struct planes checked_next(const struct shifts *shifts, struct feed *feed, struct form f)
{
	struct planes p;

	(void)shifts, (void)f;
	assert(feed->blocks >= 1);
	feed->blocks--;
	return p;
}

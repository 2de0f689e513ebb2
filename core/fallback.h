/* fallback - from what a plugin said of an answer to what the core may rely
 * on: cleaned, bounded, with a default for all that was left open. */
#ifndef KWI_FALLBACK_H
#define KWI_FALLBACK_H

#include <stdint.h>

struct kw_bucket;
struct kw_verdict;
struct kwi_answer;
struct kwi_bucket;
struct kwi_judgement;

/* What an HTTP status alone means: KW_OUTCOME_*, never UNKNOWN.  0: there was
 * no HTTP answer. */
uint32_t kwi_fallback_outcome (int32_t status);

/* A bucket with its strings ended and its nonsense dropped; the scope may
 * still be DEFAULT, for only the verdict tells whether there is an account. */
void kwi_fallback_bucket (const struct kw_bucket *said, int64_t received_ms,
                          struct kwi_bucket *ret);

/* said NULL: classify failed.  j's buckets must be in it already; all else of
 * it is filled in. */
void kwi_fallback_settle (const struct kw_verdict *said,
                          const struct kwi_answer *, struct kwi_judgement *j);

#endif

/* bucket - Groq's limits as arithmetic.
 * A limit of L per window W is a bucket that empties steadily at L/W: nothing
 * is reset at midnight.  A request of R passes while used + R <= L; if not, it
 * would after (used + R - L) / L * W.  All in whole numbers, so that who waits
 * exactly as told is admitted.  Knows neither HTTP nor the clock. */
#ifndef SIM_BUCKET_H
#define SIM_BUCKET_H

#include <stdint.h>

/* In the order in which they are checked.  What answers show of it: a refusal
 * by requests per day or minute has no token headers, one by tokens per day
 * has those of the minute. */
enum sim_dim { SIM_RPD, SIM_RPM, SIM_TPM, SIM_TPD, SIM_DIMS };

struct sim_dim_info {
  const char *name;             /* as options and verdicts spell it */
  const char *text;             /* as messages do                   */
  const char *type;             /* the error's type                  */
  int64_t window_s;
  int tokens;                   /* counts tokens, not requests       */
};
extern const struct sim_dim_info sim_dims[SIM_DIMS];

/* With these, limit * window (in microseconds) fits into 63 bits. */
#define SIM_LIMIT_MAX INT64_C (100000000)
#define SIM_REQUESTED_MAX INT64_C (100000000)

struct sim_limits {
  int64_t of[SIM_DIMS];         /* 0: no such limit */
};

struct sim_bucket {
  int64_t limit;                /* 0: none */
  int64_t window_us;
  int64_t level;                /* used * window_us */
  int64_t at_us;                /* when level was right */
};

struct sim_account {
  struct sim_bucket buckets[SIM_DIMS];
};

struct sim_refusal {
  enum sim_dim dim;
  int too_large;                /* more than the limit: no wait will help */
  int64_t limit, used, requested;
  int64_t wait_us;
};

/* windows are scale times shorter than Groq's. */
void sim_account_init (struct sim_account *, const struct sim_limits *,
                       int64_t scale, int64_t now_us);

/* What of the bucket is used now, parts of one rounded up. */
int64_t sim_bucket_used (struct sim_bucket *, int64_t now_us);
/* Until it is empty, which is what x-ratelimit-reset-* tells. */
int64_t sim_bucket_empty_us (struct sim_bucket *, int64_t now_us);

/* Rounded up to whole microseconds. */
int64_t sim_wait_us (int64_t limit, int64_t used, int64_t requested,
                     int64_t window_us);

/* One request of so many tokens: 1, charged to every bucket; or 0, charged
 * nothing, and *ret_refusal says why. */
int sim_account_admit (struct sim_account *, int64_t tokens, int64_t now_us,
                       struct sim_refusal *ret_refusal);

#endif

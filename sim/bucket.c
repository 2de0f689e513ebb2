/* bucket - Groq's limits as arithmetic (see bucket.h). */
#include "bucket.h"

const struct sim_dim_info sim_dims[SIM_DIMS] = {
  [SIM_RPD] = { "rpd", "requests per day (RPD)", "requests", 86400, 0 },
  [SIM_RPM] = { "rpm", "requests per minute (RPM)", "requests", 60, 0 },
  [SIM_TPM] = { "tpm", "tokens per minute (TPM)", "tokens", 60, 1 },
  [SIM_TPD] = { "tpd", "tokens per day (TPD)", "tokens", 86400, 1 },
};

void
sim_account_init (struct sim_account *account, const struct sim_limits *limits,
                  int64_t scale, int64_t now_us)
{
  for (int d = 0; d < SIM_DIMS; d++) {
    struct sim_bucket *b = &account->buckets[d];
    b->limit = limits->of[d];
    b->window_us = sim_dims[d].window_s * 1000000 / scale;
    b->level = 0;
    b->at_us = now_us;
  }
}

static int64_t
divide_up (int64_t a, int64_t b)
{
  return a / b + (a % b != 0);
}

int64_t
sim_bucket_used (struct sim_bucket *b, int64_t now_us)
{
  int64_t passed = now_us - b->at_us;
  if (passed > 0) {
    /* level never exceeds limit * window_us, so after a window it is 0, and
     * before that the product does not overflow. */
    int64_t gone = passed >= b->window_us ? b->level : b->limit * passed;
    b->level = gone >= b->level ? 0 : b->level - gone;
    b->at_us = now_us;
  }
  return divide_up (b->level, b->window_us);
}

int64_t
sim_bucket_empty_us (struct sim_bucket *b, int64_t now_us)
{
  int64_t used = sim_bucket_used (b, now_us);
  return b->limit == 0 ? 0 : divide_up (used * b->window_us, b->limit);
}

int64_t
sim_wait_us (int64_t limit, int64_t used, int64_t requested, int64_t window_us)
{
  int64_t over = used + requested - limit;
  return over <= 0 ? 0 : divide_up (over * window_us, limit);
}

static int64_t
amount (int dim, int64_t tokens)
{
  return sim_dims[dim].tokens ? tokens : 1;
}

static void
refuse (struct sim_refusal *r, int dim, const struct sim_bucket *b, int64_t used,
        int64_t requested)
{
  r->dim = (enum sim_dim) dim;
  r->too_large = requested > b->limit;
  r->limit = b->limit;
  r->used = used;
  r->requested = requested;
  r->wait_us = sim_wait_us (b->limit, r->too_large ? 0 : used, requested,
                            b->window_us);
}

int
sim_account_admit (struct sim_account *account, int64_t tokens, int64_t now_us,
                   struct sim_refusal *ret_refusal)
{
  /* What can never pass is said first: no other refusal would be of use. */
  for (int d = 0; d < SIM_DIMS; d++) {
    struct sim_bucket *b = &account->buckets[d];
    if (b->limit != 0 && amount (d, tokens) > b->limit) {
      refuse (ret_refusal, d, b, sim_bucket_used (b, now_us), amount (d, tokens));
      return 0;
    }
  }
  for (int d = 0; d < SIM_DIMS; d++) {
    struct sim_bucket *b = &account->buckets[d];
    int64_t used = sim_bucket_used (b, now_us);
    if (b->limit != 0 && used + amount (d, tokens) > b->limit) {
      refuse (ret_refusal, d, b, used, amount (d, tokens));
      return 0;
    }
  }
  for (int d = 0; d < SIM_DIMS; d++) {
    struct sim_bucket *b = &account->buckets[d];
    if (b->limit != 0)
      b->level += amount (d, tokens) * b->window_us;
  }
  return 1;
}

/* judge - what judge.c and quota.c share: the quotas that an error names. */
#ifndef GEMINI_JUDGE_H
#define GEMINI_JUDGE_H

#include "gemini.h"

/* One that was exceeded. */
struct gemini_quota {
  char id[160], metric[160], model[96];
  int64_t limit;                /* -1: not said */
  int64_t window_ms;            /* -1: not told */
  const char *unit;
};

/* What an error says beside its code and its message. */
struct gemini_findings {
  const char *base;             /* of the error object */
  char reason[64];              /* of an ErrorInfo, API_KEY_INVALID */
  int64_t wait_ms;              /* the longest that is stated, or -1 */
  unsigned n_quotas;
  int zero;                     /* one of them is 0 */
  struct gemini_quota worst;    /* the longest window; the first of equals */
};

/* Reads them, and gives each quota to the host as a bucket.  Sets the account
 * of the verdict, where a project is named. */
void gemini_find (const struct kwp_answer *, struct gemini_findings *);

/* KW_SCOPE_ACCOUNT for one that is of all models together. */
uint32_t gemini_quota_scope (const struct gemini_quota *);

#endif

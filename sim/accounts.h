/* accounts - whom a request is charged to: one account per organization and
 * model, made when first asked for.  No locks: the caller's. */
#ifndef SIM_ACCOUNTS_H
#define SIM_ACCOUNTS_H

#include "bucket.h"

struct sim_accounts {
  struct sim_account_node *first;
};

/* NULL: no memory.  limits and scale count for a new account only. */
struct sim_account *sim_accounts_get (struct sim_accounts *, const char *org,
                                      const char *model,
                                      const struct sim_limits *limits,
                                      int64_t scale, int64_t now_us);
void sim_accounts_clear (struct sim_accounts *);

#endif

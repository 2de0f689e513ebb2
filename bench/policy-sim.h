/* policy-sim - a day in virtual time: a workload, keys with limits as
 * arithmetic (sim/bucket.c), and the engine's own calls between them, with no
 * network and no clock.  For policy.c. */
#ifndef BENCH_POLICY_SIM_H
#define BENCH_POLICY_SIM_H

#include <stdint.h>

#include "../sim/bucket.h"

#define MAX_KEYS 8
#define MAX_LINES 512

/* Who answers. */
struct upstream {
  int n_keys, n_accounts;
  int account_of[MAX_KEYS];
  int weight[MAX_KEYS];         /* of the key, for strategy = weighted    */
  struct sim_limits limits[MAX_KEYS]; /* of each account                  */
  int at_once;                  /* more on one account are refused; 0: any */
  int others;                   /* requests a day that somebody else sends */
  int midnight;                 /* 1: tokens per day do not refill, but at
                                   midnight all at once; messages look the same */
};

/* What is asked. */
struct task {
  int64_t at_ms;                /* when it arrives                        */
  int32_t bytes;                /* of its prompt                          */
  int32_t max_tokens;
  int32_t prompt, output;       /* tokens, as the provider counts         */
};

struct workload {
  const char *name, *text;
  struct upstream upstream;
  struct task *tasks;           /* in order of arrival                    */
  int n;
  int workers;                  /* 0: each is asked once, when it arrives;
                                   else so many ask one after the other,
                                   again and again until it is served     */
};

enum {
  POLICY_STEADY, POLICY_BURSTS, POLICY_MIXED, POLICY_ONE_LARGE, POLICY_SHARED,
  POLICY_OTHERS, POLICY_MIDNIGHT, POLICY_BATCH, POLICY_CROWD, POLICY_WORKLOADS
};
#define POLICY_SEED 20260102    /* of the tables in docs/policy.md */

/* tasks is to be freed. */
void policy_make (int which, uint64_t seed, struct workload *);

/* How it is asked. */
struct arm {
  const char *name;
  const char *options;          /* lines of the INI; NULL: no keywheel, but a
                                   loop that parks a key until the reset that
                                   its 429 stated                         */
};

struct result {
  int served, failed, refused;  /* refused: answers 429                   */
  int64_t waited_ms;            /* by those that were served, altogether  */
  int64_t finished_ms;          /* the last answer                        */
  int64_t tokens;               /* that were served, as counted           */
  int max_key, min_key;         /* served by the busiest key, the idlest  */
};

/* 0; 1: this build has not that option.  plugin: the path of groq.so. */
int policy_run (const struct workload *, const struct arm *, const char *plugin,
                struct result *ret);

#endif

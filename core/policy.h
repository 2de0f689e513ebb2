/* policy - what to do after each answer.
 * Pure: verdicts so far + bounds + clock -> send, wait, switch or give up.
 * Knows no key, no provider, no socket; allocates nothing, never asks what
 * time it is.  All times are monotonic milliseconds. */
#ifndef KWI_POLICY_H
#define KWI_POLICY_H

#include <stdint.h>

enum kwi_reaction { KWI_ON_DEFAULT = 0, KWI_ON_WAIT, KWI_ON_SWITCH, KWI_ON_FAIL };

/* The bounds and choices of one [provider] section. */
struct kwi_policy {
  int32_t max_switches;
  int32_t max_retries;
  int64_t backoff_initial_ms;
  int64_t backoff_max_ms;
  int64_t deadline_ms;          /* over the whole call                    */
  enum kwi_reaction on_rate_limit; /* WAIT or SWITCH                      */
  enum kwi_reaction on_billing; /* SWITCH or FAIL                         */
  enum kwi_reaction on_auth;    /* FAIL or SWITCH                         */
};

#define KWI_POLICY_DEFAULTS                                             \
  { 10, 5, 500, 30000, 120000, KWI_ON_WAIT, KWI_ON_SWITCH, KWI_ON_FAIL }

/* Where one request stands. */
struct kwi_policy_state {
  int64_t began_at;
  int64_t deadline_at;
  int32_t switches;
  int32_t retries;
  int32_t backoffs;             /* on this key, since the last switch     */
  int32_t _reserved;
  int64_t waited_ms;
};

enum kwi_action {
  KWI_GIVE_UP = 0,
  KWI_ACCEPT,                   /* served                                 */
  KWI_WAIT,                     /* wait_ms, then send again on this key   */
  KWI_SWITCH                    /* park this one; send on the next        */
};

struct kwi_decision {
  enum kwi_action action;
  int code;                     /* GIVE_UP: KW_ERR_*                      */
  int64_t wait_ms;              /* WAIT: how long; GIVE_UP for the deadline:
                                   how long it would have been            */
  int past_deadline;            /* GIVE_UP: 1, the wait would outlast it  */
  int _reserved;
};

/* deadline_ms 0: the configured one. */
void kwi_policy_begin (const struct kwi_policy *, struct kwi_policy_state *,
                       int64_t deadline_ms, int64_t now);

/* outcome: KW_OUTCOME_*, never UNKNOWN.  stated_ms: the provider's own wait,
 * -1 for none.  timed_out: the attempt ended at attempt_timeout.  random: 64
 * random bits for the jitter. */
struct kwi_decision kwi_policy_verdict (const struct kwi_policy *,
                                        struct kwi_policy_state *,
                                        uint32_t outcome, int64_t stated_ms,
                                        int timed_out, int64_t now,
                                        uint64_t random);

/* No key is free, but one comes back in wait_ms from a short limit (only with
 * on_rate_limit = switch): wait for it? */
struct kwi_decision kwi_policy_parked (const struct kwi_policy *,
                                       struct kwi_policy_state *,
                                       int64_t wait_ms, int64_t now);

/* The same for one that was not sent since it last waited: no retry. */
struct kwi_decision kwi_policy_queued (const struct kwi_policy_state *,
                                       int64_t wait_ms, int64_t now);

/* The switch that a decision allowed was made; a wait of that length was. */
void kwi_policy_switched (struct kwi_policy_state *);
void kwi_policy_waited (struct kwi_policy_state *, int64_t ms);

/* What is left of the deadline, 0 or more. */
int64_t kwi_policy_left (const struct kwi_policy_state *, int64_t now);

#endif

/* policy - what to do after each answer.  Pure: see policy.h for what it may
 * not know.  The table it implements is the one of keywheel(1). */
#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_OUTCOME_*, no more */
#include <keywheel/keywheel.h>  /* KW_ERR_*, no more */

#include "policy.h"

/* Longer than anybody waits, and far from overflowing. */
#define DEADLINE_MAX (INT64_C (400) * 86400 * 1000)

static struct kwi_decision
give_up (int code)
{
  return (struct kwi_decision) { .action = KWI_GIVE_UP, .code = code };
}

void
kwi_policy_begin (const struct kwi_policy *p, struct kwi_policy_state *st,
                  int64_t deadline_ms, int64_t now)
{
  if (deadline_ms <= 0)
    deadline_ms = p->deadline_ms;
  if (deadline_ms > DEADLINE_MAX)
    deadline_ms = DEADLINE_MAX;
  *st = (struct kwi_policy_state) { .began_at = now };
  st->deadline_at = now + deadline_ms;
}

void
kwi_policy_switched (struct kwi_policy_state *st)
{
  st->switches++;
  st->backoffs = 0;
}

void
kwi_policy_waited (struct kwi_policy_state *st, int64_t ms)
{
  st->waited_ms += ms;
}

int64_t
kwi_policy_left (const struct kwi_policy_state *st, int64_t now)
{
  return st->deadline_at > now ? st->deadline_at - now : 0;
}

/* Exponential backoff with full jitter: anywhere from 1 ms to the ceiling, so
 * that callers that failed together do not come back together. */
static int64_t
backoff_ms (const struct kwi_policy *p, const struct kwi_policy_state *st,
            uint64_t random)
{
  int64_t ceiling = p->backoff_initial_ms;
  int32_t i;

  for (i = 0; i < st->backoffs && ceiling < p->backoff_max_ms; i++)
    ceiling = ceiling > INT64_MAX / 2 ? INT64_MAX : ceiling * 2;
  if (ceiling > p->backoff_max_ms)
    ceiling = p->backoff_max_ms;
  if (ceiling < 1)
    ceiling = 1;
  return 1 + (int64_t) (random % (uint64_t) ceiling);
}

/* A wait is begun only if it ends before the deadline: someone who must fail
 * is told so now, and how long it would have been. */
static struct kwi_decision
wait_for (const struct kwi_policy *p, struct kwi_policy_state *st,
          int64_t wait_ms, int code_retries, int code_deadline, int64_t now)
{
  struct kwi_decision d = { .wait_ms = wait_ms };

  if (st->retries >= p->max_retries) {
    d.code = code_retries;
    return d;
  }
  if (wait_ms >= kwi_policy_left (st, now)) {
    d.code = code_deadline;
    d.past_deadline = 1;
    return d;
  }
  st->retries++;
  st->backoffs++;
  d.action = KWI_WAIT;
  return d;
}

static struct kwi_decision
switch_key (const struct kwi_policy *p, const struct kwi_policy_state *st,
            int64_t now)
{
  if (st->switches >= p->max_switches)
    return give_up (KW_ERR_SWITCHES);
  if (kwi_policy_left (st, now) == 0)
    return give_up (KW_ERR_DEADLINE);
  return (struct kwi_decision) { .action = KWI_SWITCH };
}

struct kwi_decision
kwi_policy_verdict (const struct kwi_policy *p, struct kwi_policy_state *st,
                    uint32_t outcome, int64_t stated_ms, int timed_out,
                    int64_t now, uint64_t random)
{
  int64_t wait_ms = stated_ms > 0 ? stated_ms : backoff_ms (p, st, random);

  switch (outcome) {
  case KW_OUTCOME_OK:
    return (struct kwi_decision) { .action = KWI_ACCEPT };
  case KW_OUTCOME_DAILY_LIMIT:
    return switch_key (p, st, now);
  case KW_OUTCOME_RATE_LIMIT:
    if (p->on_rate_limit == KWI_ON_SWITCH)
      return switch_key (p, st, now);
    return wait_for (p, st, wait_ms, KW_ERR_RATE_LIMIT, KW_ERR_RATE_LIMIT, now);
  case KW_OUTCOME_AUTH:
    if (p->on_auth == KWI_ON_SWITCH)
      return switch_key (p, st, now);
    return give_up (KW_ERR_AUTH);
  case KW_OUTCOME_BILLING:
    if (p->on_billing == KWI_ON_FAIL)
      return give_up (KW_ERR_BILLING);
    return switch_key (p, st, now);
  case KW_OUTCOME_REQUEST:
    return give_up (KW_ERR_REFUSED);
  default:                      /* TRANSIENT, and what a newer ABI may add */
    return wait_for (p, st, wait_ms,
                     timed_out ? KW_ERR_TIMEOUT : KW_ERR_UNAVAILABLE,
                     KW_ERR_DEADLINE, now);
  }
}

struct kwi_decision
kwi_policy_parked (const struct kwi_policy *p, struct kwi_policy_state *st,
                   int64_t wait_ms, int64_t now)
{
  return wait_for (p, st, wait_ms > 0 ? wait_ms : 1, KW_ERR_RATE_LIMIT,
                   KW_ERR_RATE_LIMIT, now);
}

struct kwi_decision
kwi_policy_queued (const struct kwi_policy_state *st, int64_t wait_ms,
                   int64_t now)
{
  struct kwi_decision d = { .action = KWI_WAIT,
                            .wait_ms = wait_ms > 0 ? wait_ms : 1 };

  if (d.wait_ms >= kwi_policy_left (st, now)) {
    d.action = KWI_GIVE_UP;
    d.code = KW_ERR_RATE_LIMIT;
    d.past_deadline = 1;
  }
  return d;
}

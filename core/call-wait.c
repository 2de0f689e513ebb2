/* call-wait - what a call waits for, and for how long: a back-off of its own, a
 * probe or a place, its turn at a limit or in a bucket.  Who is next is the
 * keyring's to say: a call that is woken, or whose time has come, picks again. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "call.h"
#include "client.h"

static enum kwi_step
begin (struct kwi_call *c, int64_t ms)
{
  c->wait_ms = ms > 0 ? ms : 1;
  c->wake_only = c->wakeable = 0;
  c->wait_pending = 0;
  c->waiting = 1;
  c->wait_began = kwi_call_mono (c);
  return KWI_STEP_WAIT;
}

/* Until it is woken: in the line, no time of its own. */
static enum kwi_step
begin_until_woken (struct kwi_call *c, int64_t ms)
{
  (void) begin (c, ms);
  c->wake_only = c->wakeable = 1;
  return KWI_STEP_WAIT;
}

void
kwi_call_end_wait (struct kwi_call *c)
{
  int64_t ms;

  if (!c->waiting)
    return;
  ms = kwi_call_mono (c) - c->wait_began;
  c->waiting = 0;
  kwi_policy_waited (&c->state, ms);
  if (c->n_attempts > 0)
    c->attempts[c->n_attempts - 1].waited_ms += ms;
}

enum kwi_step
kwi_call_back_off (struct kwi_call *c)
{
  c->retrying = 1;
  kwi_call_tell_wait (c, c->wait_ms, 0);
  return begin (c, c->wait_ms);
}

/* The buckets of the key say when they will have room: not a try that failed,
 * and so no retry. */
enum kwi_step
kwi_call_wait_for_turn (struct kwi_call *c, const struct kwi_pick *p)
{
  c->turn = p->hold;
  kwi_call_tell_turn (c, p->wait_ms, p->by);
  return begin (c, p->wait_ms);
}

/* Turns to a key that another call found limited; from the last attempt's, if
 * there was one, that is a switch. */
static void
turn_to_limited (struct kwi_call *c, const struct kwi_pick *p)
{
  size_t from = c->hold.key;

  c->hold = (struct kwi_hold) { .key = p->limited_key };
  if (from != KWI_NO_KEY) {
    kwi_policy_switched (&c->state);
    kwi_call_tell_switch (c, from, p->seq);
  }
  c->judgement.outcome = KW_OUTCOME_RATE_LIMIT;
  memset (c->judgement.reason, 0, sizeof c->judgement.reason);
  memccpy (c->judgement.reason, p->by != NULL ? p->by : "found_before", '\0',
           sizeof c->judgement.reason - 1);
}

/* A short limit: worth a wait, in the line of those that wait for it.  Only one
 * that was sent, and refused, since it last waited has made a retry. */
enum kwi_step
kwi_call_wait_in_line (struct kwi_call *c, const struct kwi_pick *p)
{
  int64_t now = kwi_call_wall (c), mono = kwi_call_mono (c);
  int64_t ms = p->limited_ready_ms == KWI_NEVER ? 1 : p->limited_ready_ms - now;
  struct kwi_decision d;

  if (c->hold.key != p->limited_key) {
    if (c->hold.key != KWI_NO_KEY
        && c->state.switches >= c->policy.max_switches)
      return kwi_call_give_up (c, KW_ERR_SWITCHES);
    turn_to_limited (c, p);
  }
  c->switching = 0;
  d = c->refused ? kwi_policy_parked (&c->policy, &c->state, ms, mono)
                 : kwi_policy_queued (&c->state, ms, mono);
  if (d.action != KWI_WAIT) {
    kwi_call_say_given_up (c, &d, now);
    return kwi_call_finish (c, d.code);
  }
  c->refused = 0;
  c->retrying = c->n_attempts > 0;
  c->in_line = 1;
  if (p->joined || c->joined)
    kwi_call_tell_wait (c, d.wait_ms, p->joined ? p->ahead : c->behind);
  c->joined = 0;
  if (p->ahead > 0 || p->limited_ready_ms == KWI_NEVER)
    return begin_until_woken (c, kwi_policy_left (&c->state, mono));
  (void) begin (c, d.wait_ms);
  c->wakeable = 1;
  return KWI_STEP_WAIT;
}

/* Until the probe ends, the deadline does, or another key's time comes. */
enum kwi_step
kwi_call_wait_for_place (struct kwi_call *c, const struct kwi_pick *p)
{
  int64_t ms = kwi_policy_left (&c->state, kwi_call_mono (c));

  if (p->ahead == 0 && p->ready_ms != KWI_NEVER
      && p->ready_ms - kwi_call_wall (c) < ms)
    ms = p->ready_ms - kwi_call_wall (c);
  if (p->joined)
    kwi_call_tell_busy (c, p->full, p->ahead);
  return begin_until_woken (c, ms);
}

void
kwi_call_line_up (struct kwi_call *c, const struct kwi_decision *d)
{
  int64_t now = kwi_call_wall (c);
  int code = kwi_keyring_line_up (c->provider->ring, &c->hold, c->model, c->id,
                                  d->action == KWI_WAIT ? &c->waiter : NULL,
                                  &c->judgement, now + d->wait_ms,
                                  c->answer.received_ms, now, &c->behind);

  if (d->action != KWI_WAIT)
    return;
  c->wait_ms = d->wait_ms;
  c->retrying = 1;
  if (code < 0)                 /* then for itself */
    c->wait_pending = 1;
  else if (code > 0)
    (void) kwi_call_finish (c, kwi_call_say_many (c, now + d->wait_ms, now));
  else
    c->in_line = c->joined = 1;
}

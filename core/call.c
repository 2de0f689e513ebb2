/* call - one request's life, step by step; see call.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "call.h"
#include "client.h"
#include "fail.h"
#include "pass.h"
#include "secrets.h"

/* A day's limit whose end nobody named: tried again in an hour.  A short
 * limit's: in a second. */
enum { PARK_DAY_MS = 3600 * 1000, PARK_SHORT_MS = 1000 };

int64_t
kwi_call_mono (const struct kwi_call *c)
{
  const struct kwi_clock *k = &c->provider->client->clock;
  return k->mono_ms (k->ctx);
}

int64_t
kwi_call_wall (const struct kwi_call *c)
{
  const struct kwi_clock *k = &c->provider->client->clock;
  return k->wall_ms (k->ctx);
}

const char *
kwi_call_key_name (const struct kwi_call *c)
{
  return kwi_keyring_name (c->provider->ring, c->hold.key);
}

enum kwi_step
kwi_call_finish (struct kwi_call *c, int code)
{
  c->done = 1;
  c->code = code;
  if (code != 0)
    kwi_call_fill_error (c);
  return KWI_STEP_DONE;
}

void
kwi_call_measure (struct kwi_call *c)
{
  const struct kwi_provider_config *config = c->provider->config;

  if (c->pass != NULL && c->pass->peek.kind != KWI_BODY_JSON)
    return;                     /* a recording's bytes are no text's */
  if (config->exact || config->pace || config->strategy >= KWI_LEAST_USED)
    kwi_size_of_body (c->body, c->body_len, &c->size);
}

void
kwi_call_begin (struct kwi_call *c, int64_t deadline_ms)
{
  c->policy = c->provider->config->policy;
  c->hold.key = c->turn.key = KWI_NO_KEY;
  c->id = atomic_fetch_add (&c->provider->client->calls, 1) + 1;
  c->sink.judgement = &c->judgement;
  c->sink.request = &c->request;
  kwi_stream_reset (&c->sink);
  kwi_call_measure (c);
  kwi_policy_begin (&c->policy, &c->state, deadline_ms, kwi_call_mono (c));
}

/* ---- Sending ------------------------------------------------------------ */

static kw_attempt *
new_attempt (struct kwi_call *c, int why)
{
  kw_attempt *a;

  if (c->n_attempts == c->attempts_size) {
    size_t size = c->attempts_size == 0 ? 1 : c->attempts_size * 2;
    a = realloc (c->attempts, size * sizeof *a);
    if (a == NULL)
      return NULL;
    c->attempts = a;
    c->attempts_size = size;
  }
  a = &c->attempts[c->n_attempts++];
  memset (a, 0, sizeof *a);
  memccpy (a->key, kwi_call_key_name (c), '\0', sizeof a->key - 1);
  a->why = why;
  a->stated_wait_ms = -1;
  return a;
}

/* The plugin builds the request, for this attempt. */
static int
build (struct kwi_call *c)
{
  const struct kwi_secret *secret
    = kwi_secrets_get (c->provider->secrets, c->hold.key);
  struct kw_call k = {
    .struct_size = sizeof k,
    .attempt = (uint32_t) c->n_attempts,
    .base_url = c->provider->base_url,
    .method = c->method,
    .path = c->path,
    .content_type = c->pass != NULL ? c->pass->content_type
                    : c->body_len > 0 ? "application/json" : NULL,
    .model = c->model[0] != '\0' ? c->model : NULL,
    .body = c->body,
    .body_len = c->body_len,
    .stream = (uint32_t) c->stream,
  };
  int code;

  /* instance.c takes them out again for a plugin that did not ask. */
  if (c->provider->config->allow_secret) {
    k.secret = secret->bytes;
    k.secret_len = secret->len;
  }
  kwi_request_reset (&c->request, c->body, c->body_len);
  if (c->probe)
    return kwi_instance_build_probe (c->provider->instance, &k, &c->request, c->err);
  code = kwi_instance_prepare (c->provider->instance, &k, &c->request, c->err);
  if (c->pass == NULL)
    return code;
  if (code == 0)
    return kwi_pass_complete (c);
  if (code == KW_ERR_REFUSED)
    kwi_pass_say_refused (c);
  return code;
}

enum kwi_step
kwi_call_give_up (struct kwi_call *c, int code)
{
  struct kwi_decision d = { .code = code };

  kwi_call_say_given_up (c, &d, kwi_call_wall (c));
  return kwi_call_finish (c, code);
}

/* A retry whose key was parked meanwhile by another call moves on, which is a
 * switch like any other, for the reason that the ledger has. */
static void
moved_on (struct kwi_call *c, const struct kwi_pick *p)
{
  c->retrying = 0;
  c->switching = 1;
  c->judgement.outcome = p->prefer_verdict;
  memset (c->judgement.reason, 0, sizeof c->judgement.reason);
  memccpy (c->judgement.reason, "found_by_another_call", '\0',
           sizeof c->judgement.reason);
}

static enum kwi_step
send_on (struct kwi_call *c, struct kwi_pick *p)
{
  size_t from = c->hold.key;
  int why, code;

  if (c->retrying && from != p->hold.key)
    moved_on (c, p);
  if (c->switching && c->state.switches >= c->policy.max_switches) {
    kwi_keyring_leave (c->provider->ring, &p->hold, c->model, c->id, NULL);
    return kwi_call_give_up (c, KW_ERR_SWITCHES);
  }
  why = p->probe ? KW_WHY_PROBE : c->retrying ? KW_WHY_RETRY
        : c->switching ? KW_WHY_SWITCH : KW_WHY_FIRST;
  c->hold = p->hold;
  if (c->switching) {
    kwi_policy_switched (&c->state);
    kwi_call_tell_switch (c, from, p->seq);
  }
  c->switching = c->retrying = c->in_line = c->refused = 0;
  code = build (c);
  if (code != 0)
    return kwi_call_finish (c, code);
  if (new_attempt (c, why) == NULL) {
    (void) kwi_fail (c->err, KW_ERR_MEMORY, "out of memory");
    return kwi_call_finish (c, KW_ERR_MEMORY);
  }
  kwi_stream_reset (&c->sink);
  kwi_call_tell_attempt (c, p->seq, why);
  return KWI_STEP_SEND;
}

/* ---- Steps --------------------------------------------------------------- */

/* What a call would have waited for. */
static int64_t
first_ready (const struct kwi_pick *p, int64_t now_ms)
{
  if (p->wait_ms > 0)
    return now_ms + p->wait_ms;
  return p->limited_ready_ms < p->ready_ms ? p->limited_ready_ms : p->ready_ms;
}

enum kwi_step
kwi_call_next (struct kwi_call *c)
{
  struct kwi_pick p = { .hold = { .key = c->only_key } };
  struct kwi_want want = { .size = &c->size, .turn = &c->turn };
  int64_t now;

  if (c->done)
    return KWI_STEP_DONE;
  if (c->pass != NULL && c->pass->gathering && !kwi_pass_gather (c))
    return c->done ? KWI_STEP_DONE : KWI_STEP_READ;
  kwi_call_end_wait (c);
  if (c->wait_pending)
    return kwi_call_back_off (c);
  want.left_ms = kwi_policy_left (&c->state, kwi_call_mono (c));
  if (want.left_ms == 0)
    return c->in_line ? kwi_call_finish (c, kwi_call_say_in_line (c))
                      : kwi_call_give_up (c, KW_ERR_DEADLINE);
  now = kwi_call_wall (c);
  if (c->only_key == KWI_NO_KEY)
    kwi_keyring_pick (c->provider->ring, c->model,
                      c->retrying ? c->hold.key : KWI_NO_KEY, c->id, &c->waiter,
                      &want, now, &p);
  else
    p.seq = atomic_fetch_add (&c->provider->client->seq, KWI_SEQ_STEP) + 1;
  switch (p.picked) {
  case KWI_PICK_KEY:
    return p.wait_ms > 0 ? kwi_call_wait_for_turn (c, &p) : send_on (c, &p);
  case KWI_PICK_BUSY:
    return kwi_call_wait_for_place (c, &p);
  case KWI_PICK_LINE:
    return kwi_call_wait_in_line (c, &p);
  case KWI_PICK_MANY:
    return kwi_call_finish (c, kwi_call_say_many (c, first_ready (&p, now), now));
  case KWI_PICK_NOWHERE:
    (void) kwi_fail (c->err, KW_ERR_MEMORY, "out of memory");
    return kwi_call_finish (c, KW_ERR_MEMORY);
  default:
    if (p.limited_ready_ms != KWI_NEVER)
      return kwi_call_wait_in_line (c, &p);
    return kwi_call_finish (c, kwi_call_say_exhausted (c, &p, now));
  }
}

/* ---- What the answer does to the key ------------------------------------- */

/* What the last answer parks, whatever the call does next. */
static int
parks (const struct kwi_call *c)
{
  switch (c->judgement.outcome) {
  case KW_OUTCOME_DAILY_LIMIT:
    return 1;
  case KW_OUTCOME_BILLING:
    return c->policy.on_billing != KWI_ON_FAIL;
  case KW_OUTCOME_RATE_LIMIT:
    return c->policy.on_rate_limit == KWI_ON_SWITCH;
  case KW_OUTCOME_AUTH:
    return c->policy.on_auth == KWI_ON_SWITCH;
  default:
    return 0;
  }
}

static int64_t
default_park_ms (const struct kwi_call *c)
{
  switch (c->judgement.outcome) {
  case KW_OUTCOME_DAILY_LIMIT:
    return PARK_DAY_MS;
  case KW_OUTCOME_RATE_LIMIT:
    return PARK_SHORT_MS;
  default:
    return -1;
  }
}

static void
record_and_report (struct kwi_call *c, struct kwi_effect *ret)
{
  kw_attempt *a = &c->attempts[c->n_attempts - 1];
  const struct kwi_judgement *j = &c->judgement;

  a->verdict = (int32_t) j->outcome;
  a->http_status = c->answer.status;
  a->took_ms = c->answer.took_ms;
  a->stated_wait_ms = j->wait_ms;
  memcpy (a->reason, j->reason, sizeof a->reason);
  kwi_keyring_report (c->provider->ring, &c->hold, c->model, c->id, &c->size, j,
                      parks (c), default_park_ms (c), c->answer.received_ms,
                      kwi_call_wall (c), ret);
  kwi_call_tell_verdict (c, ret->seq);
  kwi_call_tell_effect (c, ret);
}

/* Bounds that are nobody's verdict; 1: the call is over. */
static int
ended_outside (struct kwi_call *c)
{
  struct kwi_decision d = { .action = KWI_GIVE_UP };
  struct kwi_effect e;

  if (c->answer.cancelled || c->sink.stopped)
    d.code = KW_ERR_CANCELLED;
  else if (c->answer.past_deadline)
    d.code = KW_ERR_DEADLINE;
  else if (c->answer.too_large)
    d.code = KW_ERR_TOO_LARGE;
  else if (c->answer.no_trust != 0)
    d.code = c->answer.no_trust;
  else if ((d.code = kwi_pass_upload_failed (c)) == 0)
    return 0;
  memset (&c->judgement, 0, sizeof c->judgement);
  c->judgement.input_tokens = c->judgement.output_tokens = -1;
  kwi_call_make_transient (&c->judgement, c->answer.no_trust != 0
                                          ? "certificate" : kw_error_name (d.code));
  record_and_report (c, &e);
  if (d.code == KW_ERR_USAGE)
    kwi_pass_say_cut (c);
  else
    kwi_call_say_given_up (c, &d, kwi_call_wall (c));
  (void) kwi_call_finish (c, d.code);
  return 1;
}

/* A switch that the bound denies reads better as "all exhausted" when there
 * is nothing left to switch to. */
static int
say_switches (struct kwi_call *c)
{
  struct kwi_decision d = { .code = KW_ERR_SWITCHES };
  struct kwi_want want = { .size = &c->size };
  struct kwi_pick p;
  int64_t now = kwi_call_wall (c);

  /* As call 0, which takes nothing: only a look. */
  kwi_keyring_pick (c->provider->ring, c->model, KWI_NO_KEY, 0, NULL, &want, now,
                    &p);
  if (p.picked == KWI_PICK_NONE && p.limited_ready_ms == KWI_NEVER)
    return kwi_call_say_exhausted (c, &p, now);
  kwi_call_say_given_up (c, &d, now);
  return d.code;
}

static void
react (struct kwi_call *c)
{
  const struct kwi_clock *k = &c->provider->client->clock;
  /* Who is served needs neither the time nor a number for a back-off, which
   * are a system call or nearly one. */
  const int served = c->judgement.outcome == KW_OUTCOME_OK;
  struct kwi_decision d
    = kwi_policy_verdict (&c->policy, &c->state, c->judgement.outcome,
                          c->judgement.wait_ms, c->answer.timed_out,
                          served ? 0 : kwi_call_mono (c),
                          served ? 0 : k->random (k->ctx));

  const int once = kwi_pass_sent_once (c, &d);

  if (c->judgement.outcome == KW_OUTCOME_RATE_LIMIT && !parks (c))
    kwi_call_line_up (c, &d);
  switch (d.action) {
  case KWI_ACCEPT:
    if (c->sink.is_stream && kwi_stream_end (&c->sink) != 0)
      (void) kwi_call_give_up (c, KW_ERR_CANCELLED);
    else
      (void) kwi_call_finish (c, 0);
    return;
  case KWI_SWITCH:
    c->switching = 1;
    c->refused = c->judgement.outcome == KW_OUTCOME_RATE_LIMIT;
    return;
  case KWI_WAIT:
    if (c->judgement.outcome == KW_OUTCOME_RATE_LIMIT)
      return;
    c->wait_pending = 1;
    c->wait_ms = d.wait_ms;
    return;
  default:
    if (d.code == KW_ERR_SWITCHES)
      d.code = say_switches (c);
    else if (!once)
      kwi_call_say_given_up (c, &d, kwi_call_wall (c));
    (void) kwi_call_finish (c, d.code);
  }
}

void
kwi_call_answered (struct kwi_call *c)
{
  struct kwi_effect e;

  if (ended_outside (c))
    return;
  kwi_call_judge (c);
  if (ended_outside (c))        /* as the judge translated its end */
    return;
  record_and_report (c, &e);
  if (c->judgement.outcome != KW_OUTCOME_OK && c->sink.started)
    (void) kwi_call_give_up (c, KW_ERR_UNAVAILABLE);
  else if (c->judgement.outcome != KW_OUTCOME_OK && c->only_key != KWI_NO_KEY)
    (void) kwi_call_finish (c, kwi_call_say_probe (c, &e, kwi_call_wall (c)));
  else
    react (c);
  c->final = c->done && c->code != 0 && kwi_pass_is_final (c);
}

void
kwi_call_cancel (struct kwi_call *c)
{
  if (c->done)
    return;
  kwi_call_end_wait (c);
  (void) kwi_call_give_up (c, KW_ERR_CANCELLED);
}

void
kwi_call_clear (struct kwi_call *c)
{
  kwi_keyring_leave (c->provider->ring, &c->hold, c->model, c->id,
                     &c->waiter);
  kwi_keyring_leave (c->provider->ring, &c->turn, c->model, c->id, NULL);
  kwi_stream_clear (&c->sink);
  kwi_answer_clear (&c->answer);
  kwi_request_clear (&c->request);
  kwi_pass_free (c->pass);
  c->pass = NULL;
  free (c->attempts);
  c->attempts = NULL;
}

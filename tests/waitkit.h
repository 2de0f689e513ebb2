/* waitkit - for the suites of calls that wait: many calls against the simulator, in
 * virtual time, each stepped through by hand, so that they are on their way at once
 * and time passes only when all of them wait.  After kit_sim. */
#ifndef WAITKIT_H
#define WAITKIT_H

#include "clientkit.h"

#include "call.h"
#include "keyring-private.h"

enum { MAX = 100 };
enum event { NOTHING = 0, BEGIN, ANSWER, TIMER };

struct flight {
  struct kwi_call call;         /* first: woken by its waiter's address */
  struct kw_error err;
  char body[96];
  enum event event;
  int64_t at_ms;
  uint64_t woken;               /* by how many before it; 0: it was not */
  struct simctl_reply reply;
  int sent, code;
};

static struct flight *flights;
static int n_flights, n_over, latency_ms;
static uint64_t n_wakes;
static struct { int flight, code; } ends[MAX];

static inline void
wake (struct kwi_waiter *w)
{
  struct flight *f = (struct flight *) (void *)
    ((char *) w - offsetof (struct kwi_call, waiter));

  f->woken = ++n_wakes;
}

static inline void
open_calls (const char *options)
{
  kit_keys ("sk-a", NULL);
  kit_open (options);
  kwi_client_find (kit.client, NULL)->ring->wake = wake;
  flights = calloc (MAX, sizeof *flights);
  ck_assert_ptr_nonnull (flights);
  n_flights = n_over = 0;
  latency_ms = 200;
}

static inline void
close_calls (void)
{
  free (flights);
}

/* A call that begins then.  deadline_ms 0: the configured one. */
static inline struct flight *
add (int64_t at_ms, int64_t deadline_ms)
{
  static const struct kw_error fresh = KW_ERROR_INIT;
  struct flight *f = &flights[n_flights];
  struct kwi_call *c = &f->call;

  f->err = fresh;
  ck_assert_int_gt (snprintf (f->body, sizeof f->body, "{\"user\":\"%d\",\"model\":"
                              "\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
                              "\"x\"}]}", n_flights), 0);
  n_flights++;
  c->provider = kwi_client_find (kit.client, NULL);
  c->method = "POST";
  c->path = "/chat/completions";
  c->body = f->body;
  c->body_len = strlen (f->body);
  c->only_key = KWI_NO_KEY;
  c->err = &f->err;
  c->sink.instance = c->provider->instance;
  (void) memccpy (c->model, "m", '\0', sizeof c->model);
  c->state.deadline_at = deadline_ms; /* until it begins */
  f->event = BEGIN;
  f->at_ms = at_ms;
  return f;
}

static inline void
send_it (struct flight *f)
{
  simctl_call (kit.sim, "POST", "/v1/chat/completions", "sk-a", f->body, &f->reply);
  f->sent++;
  f->event = ANSWER;
  f->at_ms = kit.now_ms + latency_ms;
}

static inline void
step (struct flight *f)
{
  struct kwi_call *c = &f->call;

  f->event = NOTHING;
  f->woken = 0;
  switch (kwi_call_next (c)) {
  case KWI_STEP_SEND:
    send_it (f);
    return;
  case KWI_STEP_WAIT:
    f->event = TIMER;
    f->at_ms = kit.now_ms + c->wait_ms;
    return;
  default:
    f->code = c->code;
    ends[n_over].flight = (int) (f - flights);
    ends[n_over++].code = c->code;
    kwi_call_clear (c);
  }
}

static inline void
take_answer (struct flight *f)
{
  struct kwi_answer *a = &f->call.answer;
  const char *line = f->reply.headers, *end, *colon;

  kwi_answer_reset (a);
  a->status = f->reply.status;
  a->received_ms = KIT_EPOCH + kit.now_ms;
  for (; (end = strstr (line, "\r\n")) != NULL; line = end + 2) {
    colon = memchr (line, ':', (size_t) (end - line));
    if (colon != NULL)
      ck_assert_int_eq (kwi_answer_add_header (a, line, (size_t) (colon - line),
                                               colon + 2, (size_t) (end - colon - 2)),
                        0);
  }
  ck_assert_int_eq (kwi_answer_add_body (a, f->reply.body, f->reply.body_len), 0);
  simctl_reply_clear (&f->reply);
  kwi_call_answered (&f->call);
  step (f);
}

/* The next to be seen to: who was woken, in that order; then the first in time. */
static inline struct flight *
next (void)
{
  struct flight *best = NULL;
  int i;

  for (i = 0; i < n_flights; i++) {
    struct flight *f = &flights[i];
    if (f->event == NOTHING)
      continue;
    if (f->woken > 0 && f->event == TIMER
        && (best == NULL || best->woken == 0 || f->woken < best->woken))
      best = f;
    else if (best == NULL || (best->woken == 0 && f->at_ms < best->at_ms))
      best = f;
  }
  return best;
}

/* Until all are over; or that time has come. */
static inline void
run (int64_t until_ms)
{
  struct flight *f;

  while ((f = next ()) != NULL) {
    int woken = f->woken > 0 && f->event == TIMER;
    if (!woken && f->at_ms > until_ms)
      return;
    if (!woken && f->at_ms > kit.now_ms)
      kit_advance (f->at_ms - kit.now_ms);
    if (f->event == BEGIN)
      kwi_call_begin (&f->call, f->call.state.deadline_at);
    if (f->event == ANSWER)
      take_answer (f);
    else
      step (f);
  }
}

static inline void
cancel (struct flight *f)
{
  if (f->event == ANSWER)
    simctl_reply_clear (&f->reply);
  kwi_call_cancel (&f->call);
  step (f);
}

#endif

/* call-run - steps through a call on the thread of its lane: sends, waits, and
 * is told of what comes by the lane's loop.  A blocking call turns that loop
 * itself until the call is over; the asynchronous ones share one. */
#include <stddef.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "call.h"
#include "client.h"
#include "loop.h"
#include "pass.h"
#include "secrets.h"
#include "transport.h"

#define CALL_OF(pointer, member)                                        \
  ((struct kwi_call *) (void *)                                         \
   ((char *) (pointer) - offsetof (struct kwi_call, member)))

/* What a message to the call's thread is about. */
enum { SAY_WOKEN = 1, SAY_CANCEL = 2, SAY_RESUME = 4, SAY_BEGIN = 8, SAY_MORE = 16 };

static struct kwi_loop *
loop_of (const struct kwi_call *c)
{
  return kwi_lane_loop (c->lane);
}

static void
on_answered (void *user)
{
  struct kwi_call *c = user;

  kwi_call_answered (c);
  kwi_call_step (c);
}

static int
take_stream (void *user, struct kwi_answer *a, const void *data,
             size_t len, size_t *ret_taken)
{
  struct kwi_call *c = user;

  return kwi_stream_sink (&c->sink, a, data, len, ret_taken);
}

static void
send_it (struct kwi_call *c)
{
  const struct kwi_provider_config *config = c->provider->config;
  const struct kwi_clock *k = &c->provider->client->clock;
  struct kwi_secrets *secrets = c->provider->secrets;
  struct kwi_exchange *x = &c->exchange;
  const struct kwi_pass *pass = c->pass;
  int64_t mono = k->mono_ms (k->ctx);

  c->sent_ms = mono - c->state.began_at;
  *x = (struct kwi_exchange) {
    .request = &c->request,
    .secret = kwi_secrets_get (secrets, c->hold.key),
    .net = &config->net,
    .answer = &c->answer,
    .attempt_timeout_ms = config->attempt_timeout_ms,
    .connect_timeout_ms = config->connect_timeout_ms,
    .left_ms = kwi_policy_left (&c->state, mono),
    .max_response = config->max_response,
    .wall_ms = k->wall_ms (k->ctx),
    .stream = c->stream,
    .by_silence = c->stream || pass != NULL,
    .done = on_answered,
    .user = c,
  };
  if (c->request.secret_header[0] != '\0')
    x->secret_line = kwi_secrets_line (secrets, c->hold.key,
                                       c->request.secret_header,
                                       c->request.secret_prefix);
  if (pass != NULL && pass->uploads)
    x->upload = &c->pass->upload;
  if (x->by_silence) {
    c->sink.max_response = config->max_response;
    c->sink.is_plain = c->stream;
    x->sink = take_stream;
    x->may_pause = c->sink.may_pause;
  }
  kwi_exchange_begin (c->lane, x);
}

static void
on_time (struct kwi_timer *t)
{
  kwi_call_step (CALL_OF (t, timer));
}

/* 1: it is under way; 0: it is over already, in a clock of its own. */
static int
begin_wait (struct kwi_call *c)
{
  const struct kwi_clock *k = &c->provider->client->clock;

  if (k->wait != NULL && !c->wake_only) {
    k->wait (k->ctx, c->wait_ms);
    return 0;
  }
  c->timer.fire = on_time;
  kwi_timer_set (&loop_of (c)->timers, &c->timer,
                 kwi_clock_system.mono_ms (NULL) + c->wait_ms);
  return 1;
}

void
kwi_call_step (struct kwi_call *c)
{
  const struct kwi_transport *t = c->provider->client->transport;

  for (;;) {
    kwi_timer_unset (&loop_of (c)->timers, &c->timer);
    if (kwi_transport_cancelled (t) || c->cancelled)
      kwi_call_cancel (c);
    switch (kwi_call_next (c)) {
    case KWI_STEP_SEND:
      send_it (c);
      return;
    case KWI_STEP_WAIT:
      if (begin_wait (c))
        return;
      break;
    case KWI_STEP_READ:
      c->timer.fire = on_time;
      kwi_timer_set (&loop_of (c)->timers, &c->timer,
                     kwi_clock_system.mono_ms (NULL)
                     + kwi_policy_left (&c->state, kwi_call_mono (c)));
      return;
    default:
      c->over (c);
      return;
    }
  }
}

/* ---- Messages ------------------------------------------------------------- */

static void
go_on_uploading (struct kwi_call *c)
{
  if (c->pass != NULL && c->pass->gathering)
    kwi_call_step (c);
  else
    kwi_exchange_resume_upload (&c->exchange);
}

static void
on_post (struct kwi_post *p)
{
  struct kwi_call *c = CALL_OF (p, post);
  int said = atomic_exchange (&c->said, 0);

  if ((said & SAY_MORE) != 0 && c->pass != NULL)
    c->pass->upload.paused = 0;
  if ((said & SAY_CANCEL) != 0) {
    c->cancelled = 1;
    /* An exchange of its own is dropped, not waited for. */
    kwi_exchange_abort (&c->exchange);
    kwi_call_step (c);
  }
  else if ((said & SAY_BEGIN) != 0
           || ((said & SAY_WOKEN) != 0 && c->waiting && c->wakeable))
    kwi_call_step (c);
  else {
    if ((said & SAY_RESUME) != 0)
      kwi_exchange_resume (&c->exchange);
    if ((said & SAY_MORE) != 0)
      go_on_uploading (c);
  }
}

static void
say (struct kwi_call *c, int what)
{
  (void) atomic_fetch_or (&c->said, what);
  kwi_loop_post (loop_of (c), &c->post);
}

void
kwi_call_wake (struct kwi_waiter *w)
{
  say (CALL_OF (w, waiter), SAY_WOKEN);
}

void
kwi_call_start (struct kwi_call *c)
{
  c->post.run = on_post;
  say (c, SAY_BEGIN);
}

void
kwi_call_ask_cancel (struct kwi_call *c)
{
  say (c, SAY_CANCEL);
}

void
kwi_call_ask_resume (struct kwi_call *c)
{
  say (c, SAY_RESUME);
}

void
kwi_call_ask_more (struct kwi_call *c)
{
  say (c, SAY_MORE);
}

void
kwi_call_leave_lane (struct kwi_call *c)
{
  kwi_exchange_abort (&c->exchange);
  kwi_timer_unset (&loop_of (c)->timers, &c->timer);
  kwi_loop_unpost (loop_of (c), &c->post);
}

/* ---- On the caller's own thread ------------------------------------------- */

static void
blocking_over (struct kwi_call *c)
{
  c->is_over = 1;
  loop_of (c)->interrupted = 1;
}

static void
blocking_cancel (void *user)
{
  struct kwi_call *c = user;

  if (c->is_over)
    return;
  c->cancelled = 1;
  kwi_exchange_abort (&c->exchange);
  kwi_call_step (c);
}

int
kwi_call_run (struct kwi_call *c)
{
  c->post.run = on_post;
  c->over = blocking_over;
  kwi_lane_on_cancel (c->lane, blocking_cancel, c);
  kwi_call_step (c);
  while (!c->is_over)
    kwi_loop_run (loop_of (c), -1);
  return c->code;
}

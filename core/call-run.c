/* call-run - steps through a call on the caller's own thread: sends on its
 * lane, and waits there too, where a wake-up or a cancel ends the wait. */
#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "call.h"
#include "client.h"
#include "secrets.h"
#include "transport.h"

static void
exchange (struct kwi_call *c)
{
  const struct kwi_provider_config *config = c->provider->config;
  const struct kwi_clock *k = &c->provider->client->clock;
  struct kwi_exchange x = {
    .request = &c->request,
    .secret = kwi_secrets_get (c->provider->secrets, c->hold.key),
    .attempt_timeout_ms = config->attempt_timeout_ms,
    .connect_timeout_ms = config->connect_timeout_ms,
    .left_ms = kwi_policy_left (&c->state, k->mono_ms (k->ctx)),
    .max_response = config->max_response,
    .wall_ms = k->wall_ms (k->ctx),
    .stream = c->stream,
  };

  if (c->stream) {
    c->sink.max_response = config->max_response;
    x.sink = kwi_stream_sink;
    x.user = &c->sink;
  }
  kwi_lane_exchange (c->lane, &x, &c->answer);
}

static void
wait (struct kwi_call *c)
{
  const struct kwi_clock *k = &c->provider->client->clock;
  int64_t end = k->mono_ms (k->ctx) + c->wait_ms;

  if (k->wait != NULL && !c->wake_only) {
    k->wait (k->ctx, c->wait_ms);
    return;
  }
  do {
    kwi_lane_wait (c->lane, end - k->mono_ms (k->ctx));
    if (c->wake_only)
      return;                   /* woken or timed out: kwi_call_next looks */
  } while (k->mono_ms (k->ctx) < end
           && !kwi_transport_cancelled (c->provider->client->transport));
}

void
kwi_call_wake (struct kwi_waiter *w)
{
  struct kwi_call *c
    = (struct kwi_call *) ((char *) w - offsetof (struct kwi_call, waiter));

  kwi_lane_wake (c->lane);
}

int
kwi_call_run (struct kwi_call *c)
{
  const struct kwi_transport *t = c->provider->client->transport;

  for (;;) {
    if (kwi_transport_cancelled (t))
      kwi_call_cancel (c);
    switch (kwi_call_next (c)) {
    case KWI_STEP_SEND:
      exchange (c);
      kwi_call_answered (c);
      break;
    case KWI_STEP_WAIT:
      wait (c);
      break;
    default:
      return c->code;
    }
  }
}

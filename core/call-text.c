/* call-text - how a call's end is told to a person: what happened, on which
 * key, what to do or when to come back, and what was tried.  Never a secret:
 * what a provider said goes through kwi_secrets_redact. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "body.h"
#include "call.h"
#include "client.h"
#include "fail.h"
#include "secrets.h"

/* Appends to a text of that size; what does not fit is cut. */
static void __attribute__ ((__format__ (__printf__, 3, 4)))
append (char *buf, size_t size, const char *fmt, ...)
{
  size_t len = strlen (buf);
  va_list ap;

  if (len + 1 >= size)
    return;
  va_start (ap, fmt);
  if (vsnprintf (buf + len, size - len, fmt, ap) < 0)
    buf[len] = '\0';
  va_end (ap);
}

static const char *
provider_name (const struct kwi_call *c)
{
  return c->provider->config->name;
}

/* Why an answer's body says nothing: that of a server in between is a page. */
static void
no_message (struct kwi_call *c, char *buf, size_t size)
{
  char title[128];

  if (kwi_answer_json (&c->answer) != NULL)
    append (buf, size, "no message in its answer");
  else if (kwi_body_page_title (c->answer.body, title, sizeof title) == 0)
    append (buf, size, "its answer is no JSON but a page, \"%s\"", title);
  else
    append (buf, size, "its answer is no JSON");
}

/* What the provider, the network or the plugin said last; no secret in it. */
static void
provider_text (struct kwi_call *c, char *buf, size_t size)
{
  struct kwi_answer event = { 0 };

  buf[0] = '\0';
  if (c->sink.error_text != NULL) {
    event.body = c->sink.error_text;
    event.body_len = strlen (event.body);
    kwi_body_error_text (kwi_answer_json (&event), buf, size);
    event.body = NULL;
    kwi_answer_clear (&event);
  }
  else if (c->answer.net != KW_NET_OK || c->answer.net_text[0] != '\0')
    append (buf, size, "%s", c->answer.net_text);
  else if (c->answer.body_len > 0) {
    kwi_body_error_text (kwi_answer_json (&c->answer), buf, size);
    if (buf[0] == '\0' && c->judgement.outcome != KW_OUTCOME_OK)
      no_message (c, buf, size);
  }
  kwi_secrets_redact (c->provider->secrets, buf, size);
}

/* "429 requests_per_minute", "no answer: Couldn't connect", for the last
 * answer. */
static void
last_answer (struct kwi_call *c, char *buf, size_t size)
{
  char text[384];

  provider_text (c, text, sizeof text);
  buf[0] = '\0';
  if (c->answer.status != 0)
    append (buf, size, "%d", (int) c->answer.status);
  else
    append (buf, size, "no answer");
  if (c->judgement.fell_back == 0 && c->judgement.reason[0] != '\0')
    append (buf, size, " %s", c->judgement.reason);
  if (text[0] != '\0')
    append (buf, size, ": %s", text);
}

/* "; why: 2 daily limit, 1 billing". */
static void
add_reasons (const struct kwi_pick *p, char *text, size_t size)
{
  static const struct { uint32_t verdict; const char *word; } words[] = {
    { KW_OUTCOME_DAILY_LIMIT, "daily limit" },
    { KW_OUTCOME_BILLING, "billing" },
    { KW_OUTCOME_AUTH, "invalid" },
    { KW_OUTCOME_RATE_LIMIT, "rate limit" },
  };
  const char *sep = "; why: ";
  size_t i;

  for (i = 0; i < sizeof words / sizeof words[0]; i++)
    if (p->n_by_verdict[words[i].verdict] > 0) {
      append (text, size, "%s%zu %s", sep, p->n_by_verdict[words[i].verdict],
              words[i].word);
      sep = ", ";
    }
}

int
kwi_call_say_exhausted (struct kwi_call *c, const struct kwi_pick *p,
                        int64_t now_ms)
{
  size_t n = kwi_keyring_count (c->provider->ring);
  int invalid = p->n_by_verdict[KW_OUTCOME_AUTH] == n;
  const char *state = invalid ? "invalid" : "exhausted";
  char text[640] = "", wait[32], when[32];

  if (n == 1)
    append (text, sizeof text, "the only %s key is %s", provider_name (c), state);
  else
    append (text, sizeof text, "all %zu %s keys are %s", n, provider_name (c),
            state);
  if (c->model[0] != '\0' && !invalid)
    append (text, sizeof text, " for %s", c->model);
  if (p->ready_ms != KWI_NEVER) {
    append (text, sizeof text, "; \"%s\" comes back in %s (%s)",
            kwi_keyring_name (c->provider->ring, p->ready_key),
            kwi_duration_text (p->ready_ms - now_ms, wait, sizeof wait),
            kwi_time_text (p->ready_ms, now_ms, when, sizeof when));
    c->retry_at_ms = p->ready_ms;
  }
  else
    append (text, sizeof text, "; no reset is known: only a reset by hand "
                               "brings one back");
  add_reasons (p, text, sizeof text);
  return kwi_fail (c->err, invalid ? KW_ERR_AUTH : KW_ERR_EXHAUSTED, "%s", text);
}

int
kwi_call_say_many (struct kwi_call *c, int64_t ready_ms, int64_t now_ms)
{
  int n = c->provider->config->max_waiting;
  char back[96] = "", wait[32], when[32];

  if (ready_ms != KWI_NEVER) {
    c->retry_at_ms = ready_ms > now_ms ? ready_ms : now_ms;
    append (back, sizeof back, "; the first key comes back in %s (%s)",
            kwi_duration_text (c->retry_at_ms - now_ms, wait, sizeof wait),
            kwi_time_text (c->retry_at_ms, now_ms, when, sizeof when));
  }
  return kwi_fail (c->err, KW_ERR_RATE_LIMIT,
                   "%d call%s waiting for %s already (max_waiting)%s", n,
                   n == 1 ? " is" : "s are", provider_name (c), back);
}

int
kwi_call_say_in_line (struct kwi_call *c)
{
  char deadline[32];

  return kwi_fail (c->err, KW_ERR_RATE_LIMIT,
                   "%s key \"%s\" is rate limited (%s), and the deadline of %s "
                   "passed before it was this call's turn",
                   provider_name (c), kwi_call_key_name (c), c->judgement.reason,
                   kwi_duration_text (c->state.deadline_at - c->state.began_at,
                                      deadline, sizeof deadline));
}

int
kwi_call_say_probe (struct kwi_call *c, const struct kwi_effect *e,
                    int64_t now_ms)
{
  static const struct { uint32_t outcome; int code; const char *text; }
  ends[] = {
    { KW_OUTCOME_DAILY_LIMIT, KW_ERR_EXHAUSTED, "is exhausted" },
    { KW_OUTCOME_RATE_LIMIT, KW_ERR_RATE_LIMIT, "is rate limited" },
    { KW_OUTCOME_AUTH, KW_ERR_AUTH, "is not accepted" },
    { KW_OUTCOME_BILLING, KW_ERR_BILLING, "belongs to an account that cannot be "
                                          "charged" },
    { KW_OUTCOME_REQUEST, KW_ERR_REFUSED, "could not be tried: the request was "
                                          "refused" },
    { KW_OUTCOME_TRANSIENT, KW_ERR_UNAVAILABLE, "could not be tried" },
  };
  char last[512], back[96] = "", wait[32], when[32];
  size_t i = 0;

  while (ends[i].outcome != c->judgement.outcome
         && i + 1 < sizeof ends / sizeof ends[0])
    i++;
  last_answer (c, last, sizeof last);
  if (c->judgement.wait_ms >= 0 && e->park_ms != KWI_NEVER) {
    c->retry_at_ms = now_ms + e->park_ms;
    append (back, sizeof back, "; back in %s (%s)",
            kwi_duration_text (e->park_ms, wait, sizeof wait),
            kwi_time_text (c->retry_at_ms, now_ms, when, sizeof when));
  }
  return kwi_fail (c->err, ends[i].code, "%s key \"%s\" %s (%s)%s",
                   provider_name (c), kwi_call_key_name (c), ends[i].text, last,
                   back);
}

/* "1 retry", "5 retries". */
static const char *
retries (const struct kwi_call *c)
{
  return c->state.retries == 1 ? "retry" : "retries";
}

static void
say_rate_limit (struct kwi_call *c, const struct kwi_decision *d,
                int64_t now_ms)
{
  char wait[32], deadline[32];
  const char *reason = c->judgement.reason;

  (void) kwi_duration_text (d->wait_ms, wait, sizeof wait);
  (void) kwi_duration_text (c->state.deadline_at - c->state.began_at, deadline,
                            sizeof deadline);
  if (d->past_deadline)
    (void) kwi_fail (c->err, d->code,
                     "%s key \"%s\" is rate limited (%s), and the wait of %s "
                     "would outlast the deadline of %s",
                     provider_name (c), kwi_call_key_name (c), reason, wait, deadline);
  else
    (void) kwi_fail (c->err, d->code,
                     "%s key \"%s\" is still rate limited (%s) after %d "
                     "%s (max_retries = %d); the next wait would be %s",
                     provider_name (c), kwi_call_key_name (c), reason,
                     (int) c->state.retries, retries (c),
                     (int) c->policy.max_retries, wait);
  c->retry_at_ms = now_ms + d->wait_ms;
}

static void
say_deadline (struct kwi_call *c, const struct kwi_decision *d, int64_t now_ms)
{
  char wait[32], deadline[32], last[512] = "";

  (void) kwi_duration_text (c->state.deadline_at - c->state.began_at, deadline,
                            sizeof deadline);
  (void) kwi_duration_text (d->wait_ms, wait, sizeof wait);
  if (d->past_deadline) {
    c->retry_at_ms = now_ms + d->wait_ms;
    last_answer (c, last, sizeof last);
    (void) kwi_fail (c->err, d->code,
                     "%s does not serve (%s), and the wait of %s before the "
                     "next try would outlast the deadline of %s",
                     provider_name (c), last, wait, deadline);
  }
  else if (c->sink.started)
    (void) kwi_fail (c->err, d->code,
                     "the deadline of %s passed in the middle of the stream "
                     "from %s; what came before was handed over",
                     deadline, provider_name (c));
  else
    (void) kwi_fail (c->err, d->code,
                     "the deadline of %s passed before %s had answered",
                     deadline, provider_name (c));
}

static void
say_unavailable (struct kwi_call *c, const struct kwi_decision *d)
{
  char last[512], wait[32];

  last_answer (c, last, sizeof last);
  if (c->sink.started)
    (void) kwi_fail (c->err, d->code,
                     "the stream from %s broke after it had begun (%s); what "
                     "came before was handed over",
                     provider_name (c), last);
  else if (d->code == KW_ERR_TIMEOUT)
    (void) kwi_fail (c->err, d->code,
                     "%s did not answer within attempt_timeout (%s), after %d "
                     "%s (max_retries = %d)",
                     provider_name (c),
                     kwi_duration_text (c->provider->config->attempt_timeout_ms,
                                        wait, sizeof wait),
                     (int) c->state.retries, retries (c),
                     (int) c->policy.max_retries);
  else if (c->answer.connect_timed_out)
    (void) kwi_fail (c->err, d->code,
                     "no connection to %s at %s within connect_timeout (%s), "
                     "after %d %s (max_retries = %d)",
                     provider_name (c), c->provider->base_url,
                     kwi_duration_text (c->provider->config->connect_timeout_ms,
                                        wait, sizeof wait),
                     (int) c->state.retries, retries (c),
                     (int) c->policy.max_retries);
  else
    (void) kwi_fail (c->err, d->code,
                     "%s at %s is not available after %d %s "
                     "(max_retries = %d): %s",
                     provider_name (c), c->provider->base_url,
                     (int) c->state.retries, retries (c),
                     (int) c->policy.max_retries, last);
}

/* At night the person in charge has this line and nothing else. */
static void
say_no_trust (struct kwi_call *c, const struct kwi_decision *d)
{
  const struct kwi_net *net = &c->provider->config->net;
  char last[384], files[512] = "";

  provider_text (c, last, sizeof last);
  if (d->code == KW_ERR_SETTINGS) {
    if (net->ca_file != NULL)
      append (files, sizeof files, "; ca_file = %s", net->ca_file);
    if (net->client_cert != NULL)
      append (files, sizeof files, "; client_cert = %s", net->client_cert);
    if (net->client_key != NULL)
      append (files, sizeof files, "; client_key = %s", net->client_key);
    (void) kwi_fail (c->err, d->code,
                     "the certificates to reach %s at %s with cannot be used: "
                     "%s%s", provider_name (c), c->provider->base_url, last, files);
    return;
  }
  if (net->ca_file != NULL)
    append (files, sizeof files, "in ca_file (%s)", net->ca_file);
  else
    append (files, sizeof files, "that this system knows (or in a ca_file)");
  (void) kwi_fail (c->err, d->code,
                   "%s at %s is not trusted, so nothing was sent and no retry "
                   "would help: %s; its certificate must be valid now, by this "
                   "machine's clock, must name that host, and must come from an "
                   "authority %s",
                   provider_name (c), c->provider->base_url, last, files);
}

static void
say_redirect (struct kwi_call *c, const struct kwi_decision *d)
{
  const char *to = kwi_answer_header (&c->answer, "location");
  char where[256] = "";

  if (to != NULL)
    append (where, sizeof where, " to %s", to);
  kwi_secrets_redact (c->provider->secrets, where, sizeof where);
  (void) kwi_fail (c->err, d->code,
                   "%s redirects the request (%d%s), and a key follows no "
                   "redirect; if that place is right, make it the base_url (now "
                   "%s)",
                   provider_name (c), (int) c->answer.status, where,
                   c->provider->base_url);
}

void
kwi_call_say_given_up (struct kwi_call *c, const struct kwi_decision *d,
                       int64_t now_ms)
{
  char last[512];

  if (c->answer.no_trust != 0 && c->answer.no_trust == d->code) {
    say_no_trust (c, d);
    return;
  }
  last_answer (c, last, sizeof last);
  switch (d->code) {
  case KW_ERR_RATE_LIMIT:
    say_rate_limit (c, d, now_ms);
    break;
  case KW_ERR_DEADLINE:
    say_deadline (c, d, now_ms);
    break;
  case KW_ERR_TIMEOUT:
  case KW_ERR_UNAVAILABLE:
    say_unavailable (c, d);
    break;
  case KW_ERR_AUTH:
    (void) kwi_fail (c->err, d->code,
                     "%s does not accept key \"%s\" (%s); correct or remove "
                     "the key (on_auth = fail)",
                     provider_name (c), kwi_call_key_name (c), last);
    break;
  case KW_ERR_BILLING:
    (void) kwi_fail (c->err, d->code,
                     "the account of %s key \"%s\" cannot be charged (%s) "
                     "(on_billing = fail)",
                     provider_name (c), kwi_call_key_name (c), last);
    break;
  case KW_ERR_SWITCHES:
    (void) kwi_fail (c->err, d->code,
                     "gave up after %d switches (max_switches = %d); the last "
                     "key, \"%s\", answered %s",
                     (int) c->state.switches, (int) c->policy.max_switches,
                     kwi_call_key_name (c), last);
    break;
  case KW_ERR_TOO_LARGE:
    (void) kwi_fail (c->err, d->code,
                     "the answer of %s is larger than max_response (%" PRId64
                     " bytes)",
                     provider_name (c), c->provider->config->max_response);
    break;
  case KW_ERR_CANCELLED:
    (void) kwi_fail (c->err, d->code, "cancelled");
    break;
  default:
    if (c->answer.status >= 300 && c->answer.status <= 399)
      say_redirect (c, d);
    else
      (void) kwi_fail (c->err, d->code, "%s refused the request (%s)",
                       provider_name (c), last);
  }
}

void
kwi_call_say_once (struct kwi_call *c, const struct kwi_decision *d, int64_t limit)
{
  char last[512];

  last_answer (c, last, sizeof last);
  c->retry_at_ms = kwi_call_wall (c) + d->wait_ms;
  (void) kwi_fail (c->err, d->code,
                   "%s key \"%s\" did not serve the request (%s), and its body, "
                   "which is over replay_limit (%" PRId64 " bytes), could be sent "
                   "only once",
                   provider_name (c), kwi_call_key_name (c), last, limit);
}

static void
add_trail (const struct kwi_call *c, char *text, size_t size)
{
  size_t i;

  for (i = 0; i < c->n_attempts; i++) {
    const kw_attempt *a = &c->attempts[i];
    char wait[32];

    append (text, size, "%s%s %s", i == 0 ? "; tried: " : ", ", a->key,
            kw_verdict_name (a->verdict));
    if (a->reason[0] != '\0')
      append (text, size, " %s", a->reason);
    if (a->waited_ms > 0)
      append (text, size, " (waited %s)",
              kwi_duration_text (a->waited_ms, wait, sizeof wait));
  }
}

void
kwi_call_fill_error (struct kwi_call *c)
{
  struct kw_error *e = c->err;
  char text[sizeof e->message];
  size_t i;

  if (e == NULL || e->struct_size < offsetof (struct kw_error, attempt))
    return;
  e->http_status = c->answer.status;
  e->retry_at_ms = c->retry_at_ms;
  e->attempts = (int32_t) c->n_attempts;
  e->switches = c->state.switches;
  e->waited_ms = c->state.waited_ms;
  if (c->only_key == KWI_NO_KEY) {      /* a probe's text has it all */
    memcpy (text, e->message, sizeof text);
    add_trail (c, text, sizeof text);
    (void) kwi_fail (e, e->code, "%s", text);
  }
  for (i = 0; i < c->n_attempts && i < KW_ERROR_ATTEMPTS
              && offsetof (struct kw_error, attempt[i + 1]) <= e->struct_size;
       i++)
    e->attempt[i] = c->attempts[i];
}

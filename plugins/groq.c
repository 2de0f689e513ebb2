/* groq - a provider plugin for the Groq API; the one to read and to copy.
 *
 * A plugin does two things, and no I/O: it builds a request (prepare) and says
 * what an answer means (classify).  Network, waiting, the key and the clock are
 * the host's, reached through the table struct kw_host.  This file knows Groq's
 * words, and nothing of keys, retries or sockets.  Read it from the end.
 *
 * Answers are judged by the members of the parsed "error" object, never by
 * words in the raw body, which echoes what users wrote.  Day or minute is told
 * by the limit message alone: see limit-message.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "limit-message.h"

struct groq {
  const struct kw_host *host;
  struct kw_instance *in;
};

/* The "error" object; "" for what is missing or longer than Groq makes it. */
struct error {
  int is_json;                  /* the body could be parsed at all        */
  int present;                  /* there is an error in it                */
  int status;                   /* of an error in a stream; 0: not said   */
  char code[64], type[64], message[2048];
};

static void
set_reason (struct kw_verdict *v, const char *reason)
{
  if (*reason != '\0')
    kwp_copy (v->reason, sizeof v->reason, reason, strlen (reason));
}

/* ---- Limits ------------------------------------------------------------ */

/* All of Groq's belong to an organization and a model. */
#define BUCKET { .struct_size = sizeof (struct kw_bucket), \
                 .scope = KW_SCOPE_ACCOUNT_MODEL, .rolling = 1 }

static void
set_number (struct kw_bucket *b, uint32_t bit, int64_t *number, int64_t n)
{
  if (n < 0)                    /* not said; 0 is a number like others */
    return;
  *number = n;
  b->have |= bit;
}

static void
judge_limit (const struct groq *g, const struct kw_response *resp, int status,
             const struct error *e, struct kw_verdict *v)
{
  int64_t s = kwp_count (g->host->response_header (resp, "retry-after"));
  int64_t header_ms = s < 0 ? -1 : s < KWP_WAIT_MAX / KWP_SECOND ? s * KWP_SECOND : KWP_WAIT_MAX;
  struct limit_message m;

  read_limit_message (e->message, e->type, header_ms, &m);
  kwp_copy (v->account, sizeof v->account, m.account, strlen (m.account));
  kwp_copy (v->model, sizeof v->model, m.model, strlen (m.model));
  set_reason (v, m.dimension);
  if (m.wait_ms >= 0) {
    v->retry_after_ms = m.wait_ms;
    v->have |= KW_HAVE_RETRY_AFTER;
  }

  v->scope = KW_SCOPE_ACCOUNT_MODEL;
  if (status == 413 || kwp_starts_with (e->message, "Request too large")
      || (m.limit >= 0 && m.requested > m.limit)) {
    /* Larger than the whole allowance: never passes, whatever wait is stated. */
    v->outcome = KW_OUTCOME_REQUEST;
    v->scope = KW_SCOPE_REQUEST;
    set_reason (v, "request_too_large");
  } else if (m.window_ms > 0 ? m.window_ms >= KWP_DAY : e->is_json && m.wait_ms > KWP_HOUR) {
    /* With no window at all: short ones state no such wait, and a page of the
     * network in front of Groq knows nothing of allowances. */
    v->outcome = KW_OUTCOME_DAILY_LIMIT;
  } else {
    v->outcome = KW_OUTCOME_RATE_LIMIT;
  }

  if (m.window_ms > 0 && m.limit >= 0) {
    struct kw_bucket b = BUCKET;
    kwp_copy (b.dimension, sizeof b.dimension, m.dimension, strlen (m.dimension));
    set_number (&b, KW_HAVE_WINDOW, &b.window_ms, m.window_ms);
    set_number (&b, KW_HAVE_LIMIT, &b.limit, m.limit);
    set_number (&b, KW_HAVE_USED, &b.used, m.used);
    set_number (&b, KW_HAVE_REQUESTED, &b.requested, m.requested);
    (void) g->host->response_bucket (resp, &b); /* a refusal costs nothing */
  }
}

/* Good answers show these too.  "requests" is the day's and "tokens" the
 * minute's, whatever has run out; "reset" is when the bucket will be FULL
 * again, and no time to retry at. */
static void
report_headers (const struct groq *g, const struct kw_response *resp)
{
#define ROW(kind) "x-ratelimit-limit-" kind, "x-ratelimit-remaining-" kind, \
                  "x-ratelimit-reset-" kind
  static const struct {
    const char *limit, *remaining, *reset, *dimension;
    int64_t window_ms;
  } rows[] = {
    { ROW ("requests"), "requests_per_day", KWP_DAY },
    { ROW ("tokens"), "tokens_per_minute", KWP_MINUTE },
    { ROW ("audio-seconds"), "audio_seconds_per_hour", KWP_HOUR },
  };

  for (size_t i = 0; i < KWP_ARRAY_SIZE (rows); i++) {
    int64_t limit = kwp_count (g->host->response_header (resp, rows[i].limit));
    int64_t left = kwp_count (g->host->response_header (resp, rows[i].remaining));
    int64_t full = kwp_duration (g->host->response_header (resp, rows[i].reset));
    struct kw_bucket b = BUCKET;

    if (limit < 0)
      continue;
    kwp_copy (b.dimension, sizeof b.dimension, rows[i].dimension,
               strlen (rows[i].dimension));
    set_number (&b, KW_HAVE_WINDOW, &b.window_ms, rows[i].window_ms);
    set_number (&b, KW_HAVE_LIMIT, &b.limit, limit);
    set_number (&b, KW_HAVE_REMAINING, &b.remaining, left);
    set_number (&b, KW_HAVE_FULL_AT, &b.full_at_ms,
                full >= 0 ? resp->received_ms + full : -1);
    (void) g->host->response_bucket (resp, &b);
  }
}

/* ---- Answers ----------------------------------------------------------- */

static int64_t
json_count (const struct groq *g, const struct kw_response *resp, const char *pointer)
{
  char buf[32];
  int rc = g->host->response_json (resp, pointer, buf, sizeof buf);
  return rc == KW_OK ? kwp_count (buf) : -1;
}

/* An error is {"error":{...}}; in a stream also the string x_groq.error.
 * response_json leaves the buffer alone where it finds nothing. */
static void
read_error (const struct groq *g, const struct kw_response *resp, struct error *e)
{
  static const char *const texts[] = { "/error/message", "/error", "/x_groq/error" };
  int64_t status = json_count (g, resp, "/error/status_code");
  int rc;

  memset (e, 0, sizeof *e);
  rc = g->host->response_json (resp, "/error/code", e->code, sizeof e->code);
  e->is_json = rc != KW_ERR;
  e->present = rc == KW_OK;
  rc = g->host->response_json (resp, "/error/type", e->type, sizeof e->type);
  e->present |= rc == KW_OK;
  for (size_t i = 0; i < KWP_ARRAY_SIZE (texts) && e->message[0] == '\0'; i++) {
    rc = g->host->response_json (resp, texts[i], e->message, sizeof e->message);
    e->present |= rc == KW_OK || rc == KW_ERR_RANGE;
  }
  if (status < 0)
    status = kwp_count (e->code); /* "code":"405" was seen too */
  if (status >= 400 && status <= 599)
    e->status = (int) status;
}

static void
judge_success (const struct groq *g, const struct kw_response *resp, struct kw_verdict *v)
{
  int64_t in = json_count (g, resp, "/usage/prompt_tokens");
  int64_t out = json_count (g, resp, "/usage/completion_tokens");

  v->outcome = KW_OUTCOME_OK;
  if (in < 0) {                 /* a stream's last chunk */
    in = json_count (g, resp, "/x_groq/usage/prompt_tokens");
    out = json_count (g, resp, "/x_groq/usage/completion_tokens");
  }
  if (in >= 0) {
    v->input_tokens = in;
    v->output_tokens = out > 0 ? out : 0; /* embeddings have none */
    v->have |= KW_HAVE_USAGE;
  }
}

/* 403 is three things, and only one of them is the key's fault. */
static void
judge_forbidden (const struct error *e, struct kw_verdict *v)
{
  v->outcome = KW_OUTCOME_AUTH;
  if (kwp_starts_with (e->code, "model_permission_blocked")
      || kwp_is (e->type, "permissions_error")
      || (kwp_starts_with (e->message, "The model ")
          && strstr (e->message, " blocked at the ") != NULL)) {
    v->scope = KW_SCOPE_ACCOUNT_MODEL;
    read_name (e->message, "The model ", v->model, sizeof v->model);
    if (v->reason[0] == '\0')
      set_reason (v, "model_blocked");
  } else if (!e->is_json) {     /* a page of the network in front of Groq */
    v->outcome = KW_OUTCOME_TRANSIENT;
    v->scope = KW_SCOPE_PROVIDER;
    set_reason (v, "edge_block");
  } else if (e->code[0] == '\0' && e->type[0] == '\0') {
    v->outcome = KW_OUTCOME_REQUEST; /* our address: every key would get it */
    v->scope = KW_SCOPE_PROVIDER;
    set_reason (v, "network_blocked");
  }
}

/* Out of money or shut out, whatever the status (400 as a rule). */
static int
is_billing (const struct error *e)
{
  return kwp_is (e->code, "organization_restricted") || kwp_is (e->code, "spend_limit_reached")
         || kwp_is (e->code, "blocked_api_access")
         || kwp_starts_with (e->message, "Organization has been restricted")
         || kwp_starts_with (e->message, "Organization has blocked API access");
}

/* Codes are often missing, and an error in a stream may have no status (0). */
static int
is_limit (int status, const struct error *e)
{
  return status == 429 || status == 413 || kwp_is (e->code, "rate_limit_exceeded")
         || (status == 0 && (kwp_starts_with (e->message, "Rate limit reached ")
                             || kwp_starts_with (e->message, "Request too large ")));
}

static int
groq_classify (void *self, const struct kw_response *resp, struct kw_verdict *v)
{
  const struct groq *g = self;
  int status = resp->http_status;
  struct error e;

  read_error (g, resp, &e);
  if (!resp->in_stream)         /* an event comes long after its headers */
    report_headers (g, resp);
  if (status == 0 || (status >= 200 && status <= 299)) {
    char object[64];            /* "chat.completion.chunk": an event like others */
    int chunk = g->host->response_json (resp, "/object", object, sizeof object) == KW_OK;
    if (!e.present && (chunk || !resp->in_stream)) {
      if (status != 0)          /* 0: the network, which the host judges */
        judge_success (g, resp, v);
      return KW_OK;
    }
    status = e.status;
  }

  set_reason (v, e.code[0] != '\0' ? e.code : e.type);
  if (is_billing (&e)) {
    v->outcome = KW_OUTCOME_BILLING;
    v->scope = KW_SCOPE_ACCOUNT;
    if (e.code[0] == '\0')
      set_reason (v, "organization_blocked");
  } else if (is_limit (status, &e)) {
    judge_limit (g, resp, status, &e, v);
  } else if (status == 401 || kwp_is (e.code, "invalid_api_key")) {
    v->outcome = KW_OUTCOME_AUTH;
  } else if (status == 403 || kwp_is (e.type, "permissions_error")) {
    judge_forbidden (&e, v);
  } else if (status == 498) {   /* the flex tier is full; others are not */
    v->outcome = KW_OUTCOME_TRANSIENT;
    set_reason (v, "flex_capacity");
  } else if (status >= 500 || status == 408 || status == 409) {
    v->outcome = KW_OUTCOME_TRANSIENT; /* Groq's own SDK resends after these */
  } else if (status >= 400 || kwp_is (e.type, "invalid_request_error")) {
    v->outcome = KW_OUTCOME_REQUEST;
  } else if (status == 0) {     /* a stream that broke off, nothing known */
    v->outcome = KW_OUTCOME_TRANSIENT;
    if (v->reason[0] == '\0')
      set_reason (v, "stream_error");
  }                             /* else UNKNOWN: a redirect, say */
  return KW_OK;
}

/* ---- Requests ---------------------------------------------------------- */

/* The host puts the key in, which never comes here, and refuses line breaks. */
static int
groq_prepare (void *self, const struct kw_call *call, struct kw_request *r)
{
  const struct groq *g = self;
  char url[4096];
  int n = snprintf (url, sizeof url, "%s%s", call->base_url, call->path);
  int rc;

  if (n < 0 || (size_t) n >= sizeof url)
    return kw_error (g->host, g->in, KW_ERR_RANGE, "base_url and path are too long: "
                     "%zu bytes are allowed together", sizeof url - 1);
  rc = g->host->request_method (r, call->method);
  if (rc == KW_OK)
    rc = g->host->request_url (r, url);
  if (rc == KW_OK)
    rc = g->host->request_secret_header (r, "Authorization", "Bearer ");
  if (rc == KW_OK && call->content_type != NULL)
    rc = g->host->request_header (r, "Content-Type", call->content_type);
  if (rc == KW_OK && call->stream)
    rc = g->host->request_header (r, "Accept", "text/event-stream");
  if (rc == KW_OK && call->body_len > 0) /* as it is: Groq speaks this format */
    rc = g->host->request_body (r, call->body, call->body_len);
  return rc;
}

static int
groq_create (const struct kw_host *host, struct kw_instance *in, void **self)
{
  struct groq *g = calloc (1, sizeof *g);

  if (g == NULL)
    return KW_ERR_NOMEM;
  g->host = host;
  g->in = in;
  *self = g;
  return KW_OK;
}

static const struct kw_provider groq = {
  ._header          = KW_PROVIDER_HEADER_INIT,
  .name             = "groq",
  .longname         = "Groq",
  .version          = "1.0",
  .description      = "GroqCloud, api.groq.com: fast inference of open models",
  .config_help      = "This provider has no options of its own.",
  .default_base_url = "https://api.groq.com/openai/v1",
  .default_model    = "llama-3.3-70b-versatile",
  .key_env          = "GROQ_API_KEY GROQ_API_KEY_BACKUP, GROQ_API_KEY_#",
  .thread_model     = KW_THREAD_PARALLEL, /* an instance is never written to */
  .create           = groq_create,
  .destroy          = free,
  .prepare          = groq_prepare,
  /* No build_probe: GET /models answers for a key that is used up as well, and
   * never says whose it is; the host's own probe, a chat of one token, does. */
  .classify         = groq_classify,
};

KW_REGISTER_PROVIDER (groq);

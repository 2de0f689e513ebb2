/* answer - what goes back, with Groq's own words (see answer.h). */
#include "answer.h"
#include "duration.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
/* What an injected 429 states, if the fault does not say. */
#define FAULT_WAIT_S 2
#define BILLING_PAGE "https://console.groq.com/settings/billing"

void
sim_answer_init (struct sim_answer *a)
{
  memset (a, 0, sizeof *a);
  a->status = 200;
  a->break_at = -1;
}

void
sim_answer_clear (struct sim_answer *a)
{
  free (a->body);
  for (size_t i = 0; i < a->n_pieces; i++)
    free (a->pieces[i]);
  free (a->pieces);
  sim_answer_init (a);
}

void
sim_answer_header (struct sim_answer *a, const char *name, const char *fmt, ...)
{
  struct sim_header *h = &a->headers[a->n_headers];
  va_list ap;
  if (a->n_headers == SIM_HEADERS_MAX)
    return;
  va_start (ap, fmt);
  int value = vsnprintf (h->value, sizeof h->value, fmt, ap);
  va_end (ap);
  int named = snprintf (h->name, sizeof h->name, "%s", name);
  if (value >= 0 && (size_t) value < sizeof h->value && named >= 0
      && (size_t) named < sizeof h->name)
    a->n_headers++;
}

void
sim_answer_body (struct sim_answer *a, int status, const char *content_type,
                 char *body, size_t len)
{
  free (a->body);
  a->shape = SIM_WHOLE;
  a->status = body != NULL ? status : 500;
  a->body = body;
  a->body_len = body != NULL ? len : 0;
  sim_answer_header (a, "content-type", "%s", content_type);
}

void
sim_answer_piece (struct sim_answer *a, char *piece)
{
  char **bigger = reallocarray (a->pieces, a->n_pieces + 1, sizeof *bigger);
  if (bigger == NULL || piece == NULL) {
    a->break_at = (int64_t) a->n_pieces;        /* better cut than wrong */
    a->pieces = bigger != NULL ? bigger : a->pieces;
    free (piece);
    return;
  }
  a->pieces = bigger;
  a->pieces[a->n_pieces++] = piece;
}

static int64_t
seconds_up (int64_t us)
{
  int64_t s = us / 1000000 + (us % 1000000 != 0);
  return s > 0 ? s : 1;
}

/* ---- errors ------------------------------------------------------------------- */

static json_object *
error_object (const char *message, const char *type, const char *code)
{
  json_object *error = json_object_new_object ();
  json_object_object_add (error, "message", json_object_new_string (message));
  if (type != NULL)
    json_object_object_add (error, "type", json_object_new_string (type));
  if (code != NULL)
    json_object_object_add (error, "code", json_object_new_string (code));
  return error;
}

/* As Groq sends it: compact, one line, a newline at its end.  Takes error. */
static void
put_error (struct sim_answer *a, int status, json_object *error)
{
  char *body = NULL;
  json_object *root = json_object_new_object ();
  json_object_object_add (root, "error", error);
  int n = asprintf (&body, "%s\n", json_object_to_json_string_ext (root, PLAIN));
  json_object_put (root);
  sim_answer_body (a, status, "application/json", n < 0 ? NULL : body,
                   n < 0 ? 0 : (size_t) n);
}

void
sim_answer_error (struct sim_answer *a, int status, const char *type,
                  const char *code, const char *fmt, ...)
{
  char *message = NULL;
  va_list ap;
  va_start (ap, fmt);
  int n = vasprintf (&message, fmt, ap);
  va_end (ap);
  put_error (a, status, error_object (n < 0 ? "" : message, type, code));
  if (n >= 0)
    free (message);
}

/* malloced; NULL: no memory. */
static char *
refusal_message (const struct sim_refusal *r, const char *model, const char *org)
{
  const char *dim = sim_dims[r->dim].text;
  char *message = NULL, wait[64];
  int n;

  if (r->too_large)
    n = asprintf (&message,
                  "Request too large for model `%s` in organization `%s` service "
                  "tier `on_demand` on %s: Limit %lld, Requested %lld, please "
                  "reduce your message size and try again. Need more tokens? "
                  "Upgrade to Dev Tier today at " BILLING_PAGE, model, org, dim,
                  (long long) r->limit, (long long) r->requested);
  else
    n = asprintf (&message,
                  "Rate limit reached for model `%s` in organization `%s` service "
                  "tier `on_demand` on %s: Limit %lld, Used %lld, Requested %lld. "
                  "Please try again in %s. Need more tokens? Upgrade to Dev Tier "
                  "today at " BILLING_PAGE, model, org, dim, (long long) r->limit,
                  (long long) r->used, (long long) r->requested,
                  sim_go_duration (r->wait_us, wait, sizeof wait));
  return n < 0 ? NULL : message;
}

static json_object *
refusal_error (const struct sim_refusal *r, const char *model, const char *org)
{
  char *message = refusal_message (r, model, org);
  json_object *error = error_object (message != NULL ? message : "",
                                     sim_dims[r->dim].type, "rate_limit_exceeded");
  free (message);
  return error;
}

void
sim_answer_refusal (struct sim_answer *a, const struct sim_refusal *r,
                    const char *model, const char *org)
{
  sim_answer_header (a, "retry-after", "%lld", (long long) seconds_up (r->wait_us));
  put_error (a, r->too_large ? 413 : 429, refusal_error (r, model, org));
}

/* These have whole milliseconds. */
static void
put_bucket (struct sim_answer *a, const char *what, struct sim_bucket *b,
            int64_t now_us)
{
  char name[40], text[64];
  int64_t reset_us = (sim_bucket_empty_us (b, now_us) + 999) / 1000 * 1000;
  const struct {
    const char *of;
    int64_t n;
  } numbers[] = {
    { "limit", b->limit },
    { "remaining", b->limit - sim_bucket_used (b, now_us) },
  };

  if (b->limit == 0)
    return;
  for (size_t i = 0; i < 2; i++)
    if (snprintf (name, sizeof name, "x-ratelimit-%s-%s", numbers[i].of, what) > 0)
      sim_answer_header (a, name, "%lld", (long long) numbers[i].n);
  if (snprintf (name, sizeof name, "x-ratelimit-reset-%s", what) > 0)
    sim_answer_header (a, name, "%s", sim_go_duration (reset_us, text, sizeof text));
}

void
sim_answer_buckets (struct sim_answer *a, struct sim_account *account,
                    int64_t now_us, int tokens_too)
{
  put_bucket (a, "requests", &account->buckets[SIM_RPD], now_us);
  if (tokens_too)
    put_bucket (a, "tokens", &account->buckets[SIM_TPM], now_us);
}

/* ---- errors on order --------------------------------------------------------- */

static const struct {
  int status;
  const char *message, *type, *code;
} known[] = {
  { 400, "property 'store' is unsupported, did you mean 'stop'?",
    "invalid_request_error", NULL },
  { 401, "Invalid API Key", "invalid_request_error", "invalid_api_key" },
  { 403, "Access denied. Please check your network settings.", NULL, NULL },
  { 405, "Method not allowed", NULL, "405" },
  { 413, "Request Entity Too Large", "invalid_request_error", "request_too_large" },
  { 422, "Unprocessable Entity", "invalid_request_error", NULL },
  { 424, "Failed Dependency", "invalid_request_error", NULL },
  { 498, "`flex` tier capacity exceeded", "internal_server_error",
    "capacity_exceeded" },
  { 499, "Request cancelled", "invalid_request_error", NULL },
  { 500, "Internal Server Error", "internal_server_error", NULL },
  { 504, "Gateway Timeout", "internal_server_error", NULL },
};

/* A full minute of requests, of which the next is free in so many seconds. */
static json_object *
rate_limit_error (const char *model, int64_t seconds)
{
  const struct sim_refusal r = {
    .dim = SIM_RPM, .limit = 30, .used = 30, .requested = 1,
    .wait_us = seconds * 1000000,
  };
  return refusal_error (&r, model, "org_fault");
}

static json_object *
known_error (int status, const char *model, int64_t retry_after)
{
  char text[512];
  int n = 0;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (known[i].status == status)
      return error_object (known[i].message, known[i].type, known[i].code);
  if (status == 429)
    return rate_limit_error (model, retry_after);
  if (status == 503)
    n = snprintf (text, sizeof text,
                  "%s is currently over capacity. Please try again and back off "
                  "exponentially. Visit https://groqstatus.com to see if there is "
                  "an active incident.", model[0] != '\0' ? model : "The model");
  else if (status == 404)
    n = snprintf (text, sizeof text, "The model `%s` does not exist or you do not "
                  "have access to it.", model);
  else
    n = snprintf (text, sizeof text, "HTTP status %d", status);
  if (n < 0)
    text[0] = '\0';
  return error_object (text, status >= 500 ? "internal_server_error"
                                           : "invalid_request_error",
                       status == 404 ? "model_not_found" : NULL);
}

void
sim_answer_status (struct sim_answer *a, int status, const char *model,
                   int64_t retry_after)
{
  if (retry_after < 0 && status == 429)
    retry_after = FAULT_WAIT_S;
  if (retry_after >= 0)
    sim_answer_header (a, "retry-after", "%lld", (long long) retry_after);
  if (status == 502)
    sim_answer_html (a, 502);   /* what Groq's front sends then */
  else
    put_error (a, status, known_error (status, model, retry_after));
}

void
sim_answer_html (struct sim_answer *a, int status)
{
  char *body = NULL;
  const char *title = status == 403 ? "Attention Required! | Cloudflare"
                                    : "groq.com | Cloudflare";
  int n = asprintf (&body,
                    "<!DOCTYPE html>\n<html class=\"no-js\" lang=\"en-US\">\n"
                    "<head>\n<title>%s</title>\n<meta charset=\"UTF-8\" />\n"
                    "</head>\n<body>\n<div id=\"cf-wrapper\">\n"
                    "<h1 data-translate=\"block_headline\">Error %d</h1>\n"
                    "<h2 class=\"cf-subheadline\">api.groq.com</h2>\n"
                    "<p>Performance &amp; security by Cloudflare</p>\n"
                    "</div>\n</body>\n</html>\n", title, status);
  sim_answer_body (a, status, "text/html; charset=UTF-8", n < 0 ? NULL : body,
                   n < 0 ? 0 : (size_t) n);
}

/* What one form of error is in: the error itself, or a chunk that names it. */
static json_object *
wrap_error (int status, enum sim_error_form form, const char *model, const char *id)
{
  json_object *error = known_error (status, model, FAULT_WAIT_S);
  json_object *root = json_object_new_object ();
  if (form != SIM_FORM_X_GROQ) {
    json_object_object_add (error, "status_code", json_object_new_int (status));
    json_object_object_add (root, "error", error);
    return root;
  }
  json_object *x_groq = json_object_new_object ();
  json_object *message = NULL;
  json_object_object_get_ex (error, "message", &message);
  json_object_object_add (x_groq, "id", json_object_new_string (id));
  json_object_object_add (x_groq, "error", json_object_get (message));
  json_object_put (error);
  json_object_object_add (root, "id", json_object_new_string (id));
  json_object_object_add (root, "object",
                          json_object_new_string ("chat.completion.chunk"));
  json_object_object_add (root, "model", json_object_new_string (model));
  json_object_object_add (root, "choices", json_object_new_array ());
  json_object_object_add (root, "x_groq", x_groq);
  return root;
}

char *
sim_error_event (int status, enum sim_error_form form, const char *model,
                 const char *id)
{
  char *event = NULL;
  json_object *root = wrap_error (status, form, model, id);
  int n = asprintf (&event, "%sdata: %s\n\n",
                    form == SIM_FORM_EVENT ? "event: error\n" : "",
                    json_object_to_json_string_ext (root, PLAIN));
  json_object_put (root);
  return n < 0 ? NULL : event;
}

/* anthropic - Anthropic's Messages API, as the simulator speaks it: errors,
 * limits and replies (see dialect.h).
 * https://platform.claude.com/docs/en/api/messages, .../api/errors */
#include "clock.h"
#include "dialect.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- errors ----------------------------------------------------------------- */

static json_object *
error_object (const char *type, const char *message)
{
  return sim_object ("type", sim_text ("error"), "error",
                     sim_object ("type", sim_text (type), "message", sim_text (message),
                                 NULL),
                     NULL);
}

/* By what the simulated key is, and else by the status. */
static const struct {
  const char *code;
  int status;                   /* to look for, with no code              */
  int becomes;
  const char *type, *message;   /* NULL: the one that there is            */
} errors[] = {
  { "invalid_api_key", 0, 401, "authentication_error", "invalid x-api-key" },
  { "organization_restricted", 0, 400, "invalid_request_error",
    "This organization has been disabled." },
  { "spend_limit_reached", 0, 400, "invalid_request_error",
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & "
    "Billing to upgrade or purchase credits." },
  { "model_permission_blocked_org", 0, 403, "permission_error", NULL },
  { "model_not_found", 0, 404, "not_found_error", NULL },
  { NULL, 401, 401, "authentication_error", "invalid x-api-key" },
  { NULL, 403, 403, "permission_error", NULL },
  { NULL, 404, 404, "not_found_error", NULL },
  { NULL, 413, 413, "request_too_large", "Request exceeds the maximum size" },
  { NULL, 429, 429, "rate_limit_error",
    "This request would exceed your account's rate limit. Please try again later." },
  { NULL, 503, 529, "overloaded_error", "Overloaded" },
  { NULL, 529, 529, "overloaded_error", "Overloaded" },
};

static json_object *
error_of (int status, const char *code, const char *message, int *ret_status)
{
  *ret_status = status;
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
    if (errors[i].code != NULL ? strcmp (errors[i].code, code) == 0
                               : errors[i].status == status) {
      *ret_status = errors[i].becomes;
      return error_object (errors[i].type,
                           errors[i].message != NULL ? errors[i].message : message);
    }
  return status >= 500 ? error_object ("api_error", "Internal server error")
                       : error_object ("invalid_request_error", message);
}

void
sim_anthropic_error (struct sim_answer *a, const char *code, const char *message,
                     const char *request_id)
{
  int status;
  json_object *root = error_of (a->status, code, message, &status);

  json_object_object_add (root, "request_id", sim_text (request_id));
  sim_put_body (a, status, root);
}

/* ---- limits ----------------------------------------------------------------- */

/* "30,000" */
static const char *
thousands (int64_t n, char buf[32])
{
  char digits[32];
  int len = snprintf (digits, sizeof digits, "%lld", (long long) n), at = 0;

  for (int i = 0; i < len && at < 30; i++) {
    if (i > 0 && (len - i) % 3 == 0)
      buf[at++] = ',';
    buf[at++] = digits[i];
  }
  buf[at] = '\0';
  return buf;
}

/* A day's limit is told as it was in 2024, when there were some. */
void
sim_anthropic_refusal (struct sim_answer *a, const struct sim_refusal *r, const char *org)
{
  const char *what = sim_dims[r->dim].tokens ? "input tokens" : "requests";
  int64_t s = r->wait_us / 1000000 + (r->wait_us % 1000000 != 0);
  char message[512], limit[32];
  int n;

  if (r->too_large)
    n = snprintf (message, sizeof message, "prompt is too long: %lld tokens > %lld maximum",
                  (long long) r->requested, (long long) r->limit);
  else if (sim_dims[r->dim].window_s == 86400)
    n = snprintf (message, sizeof message, "Number of %s has exceeded your daily rate limit",
                  sim_dims[r->dim].tokens ? "request tokens" : "requests");
  else
    n = snprintf (message, sizeof message, "This request would exceed the rate limit for "
                  "your organization (%s) of %s %s per minute. Please reduce the prompt "
                  "length or the maximum tokens requested, or try again later.", org,
                  thousands (r->limit, limit), what);
  if (!r->too_large)
    sim_answer_header (a, "retry-after", "%lld", (long long) (s > 0 ? s : 1));
  sim_put_json (a, r->too_large ? 400 : 429,
                error_object (r->too_large ? "invalid_request_error" : "rate_limit_error",
                              n > 0 ? message : ""));
}

static void
put_bucket (struct sim_answer *a, const char *what, struct sim_bucket *b, int64_t now_us)
{
  char name[64], when[32] = "";
  time_t full = (time_t) (sim_unix_s () + (sim_bucket_empty_us (b, now_us) + 999999) / 1000000);
  struct tm tm;

  if (b->limit == 0)
    return;
  if (gmtime_r (&full, &tm) == NULL || strftime (when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    return;
  if (snprintf (name, sizeof name, "anthropic-ratelimit-%s-limit", what) > 0)
    sim_answer_header (a, name, "%lld", (long long) b->limit);
  if (snprintf (name, sizeof name, "anthropic-ratelimit-%s-remaining", what) > 0)
    sim_answer_header (a, name, "%lld", (long long) (b->limit - sim_bucket_used (b, now_us)));
  if (snprintf (name, sizeof name, "anthropic-ratelimit-%s-reset", what) > 0)
    sim_answer_header (a, name, "%s", when);
}

void
sim_anthropic_buckets (struct sim_answer *a, struct sim_account *account, int64_t now_us,
                       const char *org)
{
  sim_answer_header (a, "anthropic-organization-id", "%s", org);
  put_bucket (a, "requests", &account->buckets[SIM_RPM], now_us);
  put_bucket (a, "input-tokens", &account->buckets[SIM_TPM], now_us);
}

/* ---- replies ---------------------------------------------------------------- */

static json_object *
usage (const struct sim_reply *reply, int64_t output)
{
  return sim_object ("input_tokens", sim_number (reply->request->prompt_tokens),
                     "cache_creation_input_tokens", sim_number (0),
                     "cache_read_input_tokens", sim_number (0),
                     "output_tokens", sim_number (output), NULL);
}

static json_object *
message (const struct sim_reply *reply, json_object *content, const char *stop,
         int64_t output)
{
  char id[64];
  int n = snprintf (id, sizeof id, "msg_%024llx", (long long) reply->serial);

  return sim_object ("id", sim_text (n > 0 ? id : ""), "type", sim_text ("message"), "role",
                     sim_text ("assistant"), "model", sim_text (reply->request->model),
                     "content", content, "stop_reason", stop != NULL ? sim_text (stop) : NULL,
                     "stop_sequence", NULL, "usage", usage (reply, output), NULL);
}

void
sim_anthropic_whole (struct sim_answer *a, const struct sim_reply *reply)
{
  char *s = sim_reply_text (reply);

  sim_put_json (a, 200, message (reply, sim_list (sim_object ("type", sim_text ("text"), "text",
                                                              sim_text (s != NULL ? s : ""), NULL)),
                                 "end_turn", reply->request->completion_tokens));
  free (s);
}

static void
put_words (struct sim_answer *a, const char *s)
{
  while (*s != '\0') {
    size_t blanks = strspn (s, " "), len = blanks + strcspn (s + blanks, " ");
    char *word = strndup (s, len);

    sim_put_event (a, "content_block_delta",
                   sim_object ("type", sim_text ("content_block_delta"), "index", sim_number (0),
                               "delta", sim_object ("type", sim_text ("text_delta"), "text",
                                                    sim_text (word != NULL ? word : ""), NULL),
                               NULL));
    free (word);
    s += len;
  }
}

static void
put_error (struct sim_answer *a, const struct sim_fault *error)
{
  int status;

  sim_cut_pieces (a, error->after < (int64_t) a->n_pieces ? error->after
                                                          : (int64_t) a->n_pieces - 1);
  sim_put_event (a, "error", error_of (error->status, "", "", &status));
}

void
sim_anthropic_stream (struct sim_answer *a, const struct sim_reply *reply,
                      const struct sim_fault *error)
{
  char *s = sim_reply_text (reply);

  a->shape = SIM_STREAM;
  a->status = 200;
  sim_answer_header (a, "content-type", "text/event-stream; charset=utf-8");
  sim_put_event (a, "message_start",
                 sim_object ("type", sim_text ("message_start"), "message",
                             message (reply, json_object_new_array (), NULL, 1), NULL));
  sim_put_event (a, "content_block_start",
                 sim_object ("type", sim_text ("content_block_start"), "index", sim_number (0),
                             "content_block", sim_object ("type", sim_text ("text"), "text",
                                                          sim_text (""), NULL), NULL));
  sim_put_event (a, "ping", sim_object ("type", sim_text ("ping"), NULL));
  put_words (a, s != NULL ? s : "");
  free (s);
  sim_put_event (a, "content_block_stop",
                 sim_object ("type", sim_text ("content_block_stop"), "index", sim_number (0),
                             NULL));
  sim_put_event (a, "message_delta",
                 sim_object ("type", sim_text ("message_delta"), "delta",
                             sim_object ("stop_reason", sim_text ("end_turn"), "stop_sequence",
                                         NULL, NULL),
                             "usage", sim_object ("output_tokens",
                                                  sim_number (reply->request->completion_tokens),
                                                  NULL), NULL));
  sim_put_event (a, "message_stop", sim_object ("type", sim_text ("message_stop"), NULL));
  if (error != NULL)
    put_error (a, error);
}

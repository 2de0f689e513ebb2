/* gemini - Google's generateContent, as the simulator speaks it: requests,
 * errors, limits and replies (see dialect.h).
 * https://ai.google.dev/api/generate-content */
#include "dialect.h"
#include "duration.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE "type.googleapis.com/google.rpc."

/* ---- requests --------------------------------------------------------------- */

/* The texts of a content's parts: how long they are, and the first of them. */
static int64_t
read_parts (json_object *content, const char **ret_text)
{
  json_object *parts = sim_member (content, "parts", json_type_array);
  size_t n = parts != NULL ? json_object_array_length (parts) : 0;
  int64_t bytes = 0;

  *ret_text = "";
  for (size_t i = 0; i < n; i++) {
    json_object *text = sim_member (json_object_array_get_idx (parts, i), "text", json_type_string);
    if (text == NULL)
      continue;
    bytes += json_object_get_string_len (text);
    if ((*ret_text)[0] == '\0')
      *ret_text = json_object_get_string (text);
  }
  return bytes;
}

static void
read_contents (struct sim_request *r, json_object *contents)
{
  const char *text;
  int64_t bytes = read_parts (sim_member (r->root, "systemInstruction", json_type_object), &text);

  for (size_t i = 0; i < json_object_array_length (contents); i++) {
    json_object *content = json_object_array_get_idx (contents, i);
    json_object *role = sim_member (content, "role", json_type_string);
    bytes += read_parts (content, &text);
    if (role == NULL || strcmp (json_object_get_string (role), "user") == 0)
      r->echo = text;
  }
  bytes = (bytes + 3) / 4;
  r->prompt_tokens = bytes < 1 ? 1 : bytes > SIM_REQUESTED_MAX / 2 ? SIM_REQUESTED_MAX / 2
                                                                   : bytes;
}

int
sim_gemini_read (struct sim_request *r, const struct sim_route *route, const char *body,
                 size_t len, int64_t reply_tokens, struct sim_answer *problem)
{
  json_object *contents, *max;

  memset (r, 0, sizeof *r);
  r->model = route->model;
  r->tag = r->echo = "";
  r->stream = route->stream;
  r->root = body != NULL && len > 0 ? json_tokener_parse (body) : NULL;
  contents = sim_member (r->root, "contents", json_type_array);
  if (contents == NULL || json_object_array_length (contents) == 0) {
    sim_answer_error (problem, 400, "invalid_request_error", NULL,
                      r->root == NULL ? "Invalid JSON payload received."
                                      : "* GenerateContentRequest.contents: contents is not "
                                        "specified\n");
    return -1;
  }
  read_contents (r, contents);
  max = sim_member (sim_member (r->root, "generationConfig", json_type_object), "maxOutputTokens",
                json_type_int);
  r->completion_tokens = max != NULL ? json_object_get_int64 (max) : reply_tokens;
  if (r->completion_tokens < 1 || r->completion_tokens > SIM_REQUESTED_MAX / 2)
    r->completion_tokens = reply_tokens;
  return 0;
}

/* ---- errors ----------------------------------------------------------------- */

/* Takes details, an array; NULL: none. */
static json_object *
error_object (int status, const char *name, const char *message, json_object *details)
{
  json_object *error = sim_object ("code", sim_number (status), "message", sim_text (message),
                                   "status", sim_text (name), NULL);

  if (details != NULL)
    json_object_object_add (error, "details", details);
  return sim_object ("error", error, NULL);
}

static json_object *
info (const char *reason)
{
  return sim_list (sim_object ("@type", sim_text (TYPE "ErrorInfo"), "reason",
                               sim_text (reason), "domain", sim_text ("googleapis.com"), NULL));
}

static const struct {
  const char *code;             /* of the simulated key; NULL: by status  */
  int status, becomes;
  const char *name, *message, *reason;
} errors[] = {
  { "invalid_api_key", 0, 400, "INVALID_ARGUMENT",
    "API key not valid. Please pass a valid API key.", "API_KEY_INVALID" },
  { "organization_restricted", 0, 403, "PERMISSION_DENIED",
    "Permission denied: Consumer has been suspended.", "CONSUMER_SUSPENDED" },
  { "spend_limit_reached", 0, 429, "RESOURCE_EXHAUSTED",
    "Your prepayment credits are depleted. Please go to AI Studio to manage your project "
    "and billing.", NULL },
  { "model_permission_blocked_org", 0, 403, "PERMISSION_DENIED", NULL, NULL },
  { NULL, 400, 400, "INVALID_ARGUMENT", NULL, NULL },
  { NULL, 401, 401, "UNAUTHENTICATED", NULL, NULL },
  { NULL, 403, 403, "PERMISSION_DENIED", NULL, NULL },
  { NULL, 404, 404, "NOT_FOUND", NULL, NULL },
  { NULL, 429, 429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).",
    NULL },
  { NULL, 503, 503, "UNAVAILABLE", "The model is overloaded. Please try again later.", NULL },
  { NULL, 504, 504, "DEADLINE_EXCEEDED", NULL, NULL },
};

static json_object *
error_of (int status, const char *code, const char *message, int *ret_status)
{
  *ret_status = status;
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
    if (errors[i].code != NULL ? strcmp (errors[i].code, code) == 0
                               : errors[i].status == status) {
      *ret_status = errors[i].becomes;
      return error_object (errors[i].becomes, errors[i].name,
                           errors[i].message != NULL ? errors[i].message : message,
                           errors[i].reason != NULL ? info (errors[i].reason) : NULL);
    }
  return error_object (status, status >= 500 ? "INTERNAL" : "INVALID_ARGUMENT", message, NULL);
}

void
sim_gemini_error (struct sim_answer *a, const char *code, const char *message)
{
  int status;
  json_object *root = error_of (a->status, code, message, &status);

  sim_put_body (a, status, root);
}

/* As Google has it: a day's limit states the same short wait as a minute's, and
 * only the quota's name tells them apart. */
void
sim_gemini_refusal (struct sim_answer *a, const struct sim_refusal *r, const char *model,
                    const char *org)
{
  int day = sim_dims[r->dim].window_s == 86400, tokens = sim_dims[r->dim].tokens;
  int64_t wait_us = day ? 18044917 : r->wait_us;
  char message[512], quota[96], metric[96], value[32], wait[64], retry[32], consumer[96];

  if (snprintf (quota, sizeof quota, "Generate%sPer%s%s-FreeTier",
                tokens ? "ContentInputTokensPerModel" : "Requests", day ? "Day" : "Minute",
                tokens ? "" : "PerProjectPerModel") < 0
      || snprintf (metric, sizeof metric, "generativelanguage.googleapis.com/generate_content_"
                   "free_tier_%s", tokens ? "input_token_count" : "requests") < 0
      || snprintf (value, sizeof value, "%lld", (long long) r->limit) < 0
      || snprintf (retry, sizeof retry, "%llds", (long long) (wait_us / 1000000 + 1)) < 0
      || snprintf (consumer, sizeof consumer, "projects/%.60s", org) < 0
      || snprintf (message, sizeof message, "You exceeded your current quota, please check your "
                   "plan and billing details.\n* Quota exceeded for metric: %s, limit: %s, "
                   "model: %.80s\nPlease retry in %s.", metric, value, model,
                   sim_go_duration (wait_us, wait, sizeof wait)) < 0)
    return;
  json_object *details = json_object_new_array ();
  json_object_array_add (details, sim_object (
    "@type", sim_text (TYPE "QuotaFailure"), "violations", sim_list (sim_object (
      "quotaMetric", sim_text (metric), "quotaId", sim_text (quota), "quotaDimensions",
      sim_object ("location", sim_text ("global"), "model", sim_text (model), NULL),
      "quotaValue", sim_text (value), NULL)), NULL));
  json_object_array_add (details, sim_object (
    "@type", sim_text (TYPE "ErrorInfo"), "reason", sim_text ("RATE_LIMIT_EXCEEDED"), "domain",
    sim_text ("googleapis.com"), "metadata",
    sim_object ("consumer", sim_text (consumer), NULL), NULL));
  json_object_array_add (details, sim_object ("@type", sim_text (TYPE "RetryInfo"), "retryDelay",
                                              sim_text (retry), NULL));
  sim_put_json (a, 429, error_object (429, "RESOURCE_EXHAUSTED", message, details));
}

/* ---- replies ---------------------------------------------------------------- */

/* finish NULL: not yet. */
static json_object *
response (const struct sim_reply *reply, const char *text, const char *finish)
{
  char id[64];
  int n = snprintf (id, sizeof id, "sim%020llx", (long long) reply->serial);
  int64_t in = reply->request->prompt_tokens, out = reply->request->completion_tokens;
  json_object *candidate = sim_object (
    "content", sim_object ("parts", sim_list (sim_object ("text", sim_text (text), NULL)), "role",
                           sim_text ("model"), NULL), "index", sim_number (0), NULL);

  if (finish != NULL)
    json_object_object_add (candidate, "finishReason", sim_text (finish));
  return sim_object (
    "candidates", sim_list (candidate), "usageMetadata",
    sim_object ("promptTokenCount", sim_number (in), "candidatesTokenCount",
                sim_number (finish != NULL ? out : 0), "totalTokenCount",
                sim_number (finish != NULL ? in + out : in), NULL),
    "modelVersion", sim_text (reply->request->model), "responseId", sim_text (n > 0 ? id : ""),
    NULL);
}

void
sim_gemini_whole (struct sim_answer *a, const struct sim_reply *reply)
{
  char *s = sim_reply_text (reply);

  sim_put_json (a, 200, response (reply, s != NULL ? s : "", "STOP"));
  free (s);
}

void
sim_gemini_stream (struct sim_answer *a, const struct sim_reply *reply,
                   const struct sim_fault *error)
{
  char *all = sim_reply_text (reply);
  const char *s = all != NULL ? all : "";
  int status;

  a->shape = SIM_STREAM;
  a->status = 200;
  sim_answer_header (a, "content-type", "text/event-stream");
  while (*s != '\0') {
    size_t blanks = strspn (s, " "), len = blanks + strcspn (s + blanks, " ");
    char *word = strndup (s, len);
    sim_put_event (a, NULL, response (reply, word != NULL ? word : "", NULL));
    free (word);
    s += len;
  }
  sim_put_event (a, NULL, response (reply, "", "STOP"));
  free (all);
  if (error == NULL)
    return;
  sim_cut_pieces (a, error->after < (int64_t) a->n_pieces ? error->after
                                                          : (int64_t) a->n_pieces - 1);
  sim_put_event (a, NULL, error_of (error->status, "", "The service is unavailable.", &status));
}

/* judge - what an answer of Gemini's means.
 *
 * An error's status is one of Google's canonical codes; what it is about stands
 * in its details, which quota.c reads.  Limits belong to a project, and as a rule
 * to a model of it; a day ends at midnight in California
 * (https://ai.google.dev/gemini-api/docs/rate-limits).  A quota of 0 is what a
 * project without billing has of a model that costs.  Knows no request, and no
 * JSON but through the host. */
#include "judge.h"

/* ---- Verdicts ------------------------------------------------------------ */

/* Money that is spent goes by the same code as quotas, and by words alone. */
static int
is_billing (const struct kwp_answer *a, const struct gemini_findings *f)
{
  static const char *const words[] = {
    "prepay", "credits", "spending cap", "spend cap", "spending limit", "spend limit",
  };

  if (a->status == 402 || kwp_is (a->e.code, "402") || kwp_is (f->reason, "BILLING_DISABLED"))
    return 1;
  for (size_t i = 0; i < KWP_ARRAY_SIZE (words) && f->n_quotas == 0; i++)
    if (kwp_after_any (a->e.message, words[i]) != NULL)
      return 1;
  return 0;
}

/* A quota's name, and the wait that is stated with it: a day's is no time to
 * wait for unless it is long. */
static int
judge_limit (struct kwp_answer *a, struct gemini_findings *f)
{
  uint32_t scope = f->n_quotas > 0 ? gemini_quota_scope (&f->worst) : KW_SCOPE_ACCOUNT_MODEL;
  char dimension[32] = "";

  if (f->n_quotas > 0) {
    kwp_dimension (dimension, sizeof dimension, f->worst.unit, f->worst.window_ms);
    kwp_copy (a->v->model, sizeof a->v->model, f->worst.model, strlen (f->worst.model));
  }
  if (f->zero)
    return kwp_verdict (a, KW_OUTCOME_BILLING, scope, "no_quota");
  if (f->n_quotas > 0 && f->worst.window_ms > 0
      ? f->worst.window_ms >= KWP_DAY
      : f->wait_ms >= KWP_HOUR || kwp_is (f->reason, "QUOTA_EXHAUSTED")) {
    if (f->wait_ms >= KWP_HOUR)
      kwp_set_wait (a, f->wait_ms);
    else
      kwp_set_reset (a, kwp_next_midnight_pacific (a->resp->received_ms));
    return kwp_verdict (a, KW_OUTCOME_DAILY_LIMIT, scope,
                        dimension[0] != '\0' ? dimension : NULL);
  }
  kwp_set_wait (a, f->wait_ms);
  return kwp_verdict (a, KW_OUTCOME_RATE_LIMIT, scope, dimension[0] != '\0' ? dimension : NULL);
}

/* Google's canonical codes, with the statuses that go with them:
 * https://cloud.google.com/apis/design/errors */
static int
status_of (const struct kwp_answer *a)
{
  static const struct { const char *code; int status; } codes[] = {
    { "RESOURCE_EXHAUSTED", 429 }, { "UNAUTHENTICATED", 401 }, { "PERMISSION_DENIED", 403 },
    { "INVALID_ARGUMENT", 400 }, { "FAILED_PRECONDITION", 412 }, { "OUT_OF_RANGE", 400 },
    { "NOT_FOUND", 404 }, { "ALREADY_EXISTS", 400 }, { "UNIMPLEMENTED", 404 },
    { "UNAVAILABLE", 503 }, { "DEADLINE_EXCEEDED", 504 }, { "INTERNAL", 500 },
    { "UNKNOWN", 500 }, { "DATA_LOSS", 500 }, { "ABORTED", 503 }, { "CANCELLED", 503 },
  };

  for (size_t i = 0; i < KWP_ARRAY_SIZE (codes); i++)
    if (kwp_is (a->e.type, codes[i].code))
      return codes[i].status;
  return a->status;
}

/* By the reason of an ErrorInfo, whatever the status.  0: none of these. */
static int
judge_reason (struct kwp_answer *a, const struct gemini_findings *f)
{
  const char *r = f->reason;

  if (kwp_is (r, "API_KEY_INVALID") || kwp_starts_with (r, "API_KEY_")) /* ..._BLOCKED */
    return kwp_verdict (a, KW_OUTCOME_AUTH, KW_SCOPE_KEY, r);
  if (kwp_is (r, "SERVICE_DISABLED") || kwp_starts_with (r, "CONSUMER_")
      || kwp_is (r, "USER_PROJECT_DENIED"))
    return kwp_verdict (a, KW_OUTCOME_AUTH, KW_SCOPE_ACCOUNT, r);
  if (kwp_is (r, "MODEL_CAPACITY_EXHAUSTED")) {
    kwp_set_wait (a, f->wait_ms);
    return kwp_verdict (a, KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST, r);
  }
  return 0;
}

static int
judge_precondition (struct kwp_answer *a)
{
  const char *m = a->e.message;

  if (kwp_after_any (m, "billing") != NULL) /* no free tier in that country */
    return kwp_verdict (a, KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, "billing_required");
  if (kwp_after_any (m, "location") != NULL || kwp_after_any (m, "country") != NULL
      || kwp_after_any (m, "region") != NULL) /* our address: for every key */
    return kwp_verdict (a, KW_OUTCOME_REQUEST, KW_SCOPE_PROVIDER, "location_not_supported");
  return kwp_verdict (a, KW_OUTCOME_REQUEST, KW_SCOPE_REQUEST, NULL);
}

static int
judge_error (struct kwp_answer *a)
{
  struct gemini_findings f;
  int status = status_of (a);

  if (!a->e.is_json)
    return 0;                   /* a page of the network in front of it */
  gemini_find (a, &f);
  if (judge_reason (a, &f))
    return 1;
  if (is_billing (a, &f) && (status == 429 || a->status == 402 || status == 403))
    return kwp_verdict (a, KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, "no_credit");
  if (status == 429 || f.n_quotas > 0)
    return judge_limit (a, &f);
  if (status == 401 || status == 403
      || (status == 400 && strncasecmp (a->e.message, "API key", 7) == 0))
    return kwp_verdict (a, KW_OUTCOME_AUTH, KW_SCOPE_KEY, NULL);
  if (status == 412)
    return judge_precondition (a);
  if (status >= 500 || status == 408 || status == 409) {
    kwp_set_wait (a, f.wait_ms);
    return kwp_verdict (a, KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST, NULL);
  }
  if (status >= 400)
    return kwp_verdict (a, KW_OUTCOME_REQUEST, KW_SCOPE_REQUEST, NULL);
  return 0;
}

const struct kwp_family gemini_family = {
  .judge = judge_error, .day_ends = kwp_next_midnight_pacific, .buckets_at_once = 1,
  .own_size = sizeof (struct gemini),
};

/* ---- Answers that are none of an error ------------------------------------ */

/* In Gemini's own format; the family knows the others.  1: judged. */
static int
judge_success (struct kwp_answer *a)
{
  static const char *const signs[] = {
    "/usageMetadata/promptTokenCount", "/usageMetadata/totalTokenCount", "/responseId",
    "/modelVersion", "/candidates/0/finishReason", "/candidates/0/content/role",
    "/candidates/0/content/parts/0/text", "/promptFeedback/blockReason",
  };
  char buf[8];
  int native = 0;
  int64_t in, out, more;

  for (size_t i = 0; i < KWP_ARRAY_SIZE (signs) && !native; i++) {
    int rc = a->i->host->response_json (a->resp, signs[i], buf, sizeof buf);
    native = rc == KW_OK || rc == KW_ERR_RANGE;
  }
  if (!native)
    return 0;
  (void) kwp_verdict (a, KW_OUTCOME_OK, KW_SCOPE_DEFAULT, NULL);
  in = kwp_json_count (a, "/usageMetadata/promptTokenCount");
  if (in < 0)
    return 1;
  more = kwp_json_count (a, "/usageMetadata/toolUsePromptTokenCount");
  a->v->input_tokens = in + (more > 0 ? more : 0);
  out = kwp_json_count (a, "/usageMetadata/candidatesTokenCount");
  more = kwp_json_count (a, "/usageMetadata/thoughtsTokenCount");
  a->v->output_tokens = (out > 0 ? out : 0) + (more > 0 ? more : 0);
  a->v->have |= KW_HAVE_USAGE;
  return 1;
}

int
gemini_classify (void *self, const struct kw_response *resp, struct kw_verdict *v)
{
  const struct kwp_instance *i = self;
  struct kwp_answer a = { .i = i, .resp = resp, .v = v, .status = resp->http_status };

  if (a.status >= 200 && a.status <= 299) {
    kwp_read_error (i->host, resp, NULL, &a.e);
    if (!a.e.present && judge_success (&a))
      return KW_OK;
  }
  return kwp_classify (self, resp, v);
}

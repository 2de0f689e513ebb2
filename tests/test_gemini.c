/* test_gemini - what the gemini plugin makes of answers: the quotas and their
 * ends, wrong keys, money, and what is no error at all.  The answers that Gemini
 * really gave are test_providers'; here is one trap each. */
#include <inttypes.h>
#include <string.h>

#include "answers.h"
#include "instance.h"
#include "loader.h"

#define OK     KW_OUTCOME_OK
#define DAILY  KW_OUTCOME_DAILY_LIMIT
#define RATE   KW_OUTCOME_RATE_LIMIT
#define AUTH   KW_OUTCOME_AUTH
#define BILL   KW_OUTCOME_BILLING
#define REQ    KW_OUTCOME_REQUEST
#define TRANS  KW_OUTCOME_TRANSIENT

#define NOW  ANSWERS_NOW        /* of California's day 19 hours are left */
#define HOUR INT64_C (3600000)
#define N(array) ((int) (sizeof (array) / sizeof (array)[0]))

static struct judge gemini;
static struct kwi_judgement j;

static void
setup (void)
{
  judge_open (&gemini, "gemini");
}

static void
teardown (void)
{
  judge_close (&gemini);
}

/* body: ' for ". */
static void
judge (int64_t now, int status, int in_stream, const char *body)
{
  char *text = strdup (body);

  for (char *p = text; *p != '\0'; p++)
    if (*p == '\'')
      *p = '"';
  judge_answer (&gemini, now, status, in_stream, NULL, text, &j);
  free (text);
}

#define TYPE(name) "'@type':'type.googleapis.com/google.rpc." name "'"
#define ERROR(code, status, message, details) \
  "{'error':{'code':" #code ",'message':'" message "','status':'" status "'" details "}}"
#define EXHAUSTED(details) ERROR (429, "RESOURCE_EXHAUSTED", "Exceeded.", ",'details':[" details "]")
#define QUOTAS(violations) "{" TYPE ("QuotaFailure") ",'violations':[" violations "]}"
#define QUOTA(id, value) \
  "{'quotaMetric':'generativelanguage.googleapis.com/generate_content_free_tier_requests'," \
  "'quotaId':'" id "','quotaDimensions':{'location':'global','model':'gemini-2.5-flash'}" \
  value "}"
#define VALUE(n) ",'quotaValue':'" #n "'"
#define PER_DAY "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
#define PER_MINUTE "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
#define TOKENS_PER_MINUTE "GenerateContentInputTokensPerModelPerMinute-FreeTier"
#define RETRY(wait) "{" TYPE ("RetryInfo") ",'retryDelay':'" wait "'}"
#define INFO(reason, metadata) \
  "{" TYPE ("ErrorInfo") ",'reason':'" reason "','domain':'googleapis.com'," \
  "'metadata':{'service':'generativelanguage.googleapis.com'" metadata "}}"
#define HELP "{" TYPE ("Help") ",'links':[{'url':'https://ai.google.dev'}]}"

/* ---- Quotas --------------------------------------------------------------- */

static const struct {
  const char *name;
  int status;
  uint32_t outcome, scope;
  const char *body, *reason;
  int64_t wait_ms;
} quotas[] = {
  { "a day's, with a wait of seconds", 429, DAILY, KW_SCOPE_KEY_MODEL,
    EXHAUSTED (HELP "," QUOTAS (QUOTA (PER_DAY, VALUE (20))) "," RETRY ("18s")),
    "requests_per_day", 19 * HOUR },
  { "a day's, with a wait of hours", 429, DAILY, KW_SCOPE_KEY_MODEL,
    EXHAUSTED (QUOTAS (QUOTA (PER_DAY, VALUE (20))) "," RETRY ("65205s")),
    "requests_per_day", 65205000 },
  { "a minute's", 429, RATE, KW_SCOPE_KEY_MODEL,
    EXHAUSTED (RETRY ("24.5s") "," QUOTAS (QUOTA (PER_MINUTE, VALUE (15)))),
    "requests_per_minute", 24500 },
  { "a minute's tokens, without a wait", 429, RATE, KW_SCOPE_KEY_MODEL,
    EXHAUSTED (QUOTAS (QUOTA (TOKENS_PER_MINUTE, VALUE (250000)))),
    "input_tokens_per_minute", -1 },
  { "a day's behind two of a minute", 429, DAILY, KW_SCOPE_KEY_MODEL,
    EXHAUSTED (QUOTAS (QUOTA (PER_MINUTE, VALUE (15)) "," QUOTA (TOKENS_PER_MINUTE, VALUE (9)) ","
                       QUOTA (PER_DAY, VALUE (20))) "," RETRY ("1s")),
    "requests_per_day", 19 * HOUR },
  { "of 0: a model that costs, without billing", 429, BILL, KW_SCOPE_KEY_MODEL,
    EXHAUSTED (QUOTAS (QUOTA (PER_DAY, VALUE (0))) "," RETRY ("29s")), "no_quota", -1 },
  { "of 0 in the text alone", 429, BILL, KW_SCOPE_KEY_MODEL,
    ERROR (429, "RESOURCE_EXHAUSTED", "Quota exceeded for metric: generativelanguage.googleapis.com"
           "/generate_content_free_tier_requests, limit: 0, model: gemini-2.5-pro\\nPlease retry "
           "in 10s.", ",'details':[" QUOTAS (QUOTA (PER_MINUTE, "")) "]"), "no_quota", -1 },
  { "of every model", 429, DAILY, KW_SCOPE_KEY,
    EXHAUSTED (QUOTAS ("{'quotaId':'GenerateRequestsPerDayPerProject','quotaValue':'5'}")),
    "requests_per_day", 19 * HOUR },
  { "by its metric alone", 429, DAILY, KW_SCOPE_KEY_MODEL,
    ERROR (429, "RESOURCE_EXHAUSTED", "* Quota exceeded for metric: generativelanguage.googleapis."
           "com/generate_requests_per_model_per_day, limit: 250\\nPlease retry in 7.5s.", ""),
    "requests_per_day", 19 * HOUR },
  { "by a wait that no minute has", 429, DAILY, KW_SCOPE_KEY_MODEL,
    "{'error':{'message':'Quota exceeded for metric: x/free_tier_requests, limit: 20, model: m\\n"
    "Please retry in 19h34m29.8s.'}}", "requests_per_day", 70469800 },
  { "in the older form, whose project is named", 429, RATE, KW_SCOPE_ACCOUNT,
    ERROR (429, "RESOURCE_EXHAUSTED", "Quota exceeded.", ",'details':["
           INFO ("RATE_LIMIT_EXCEEDED", ",'consumer':'projects/123','quota_limit':"
                 "'GenerateContentRequestsPerMinutePerProjectPerRegion','quota_limit_value':'60'")
           "]"), "requests_per_minute", -1 },
  { "in the older form's words", 429, RATE, KW_SCOPE_ACCOUNT_MODEL,
    ERROR (429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric \\u0027Generate "
           "Content API requests per minute\\u0027 of service \\u0027x\\u0027 for consumer "
           "\\u0027project_number:391\\u0027.", ""), "requests_per_minute", -1 },
  { "of a model, by a reason and a long delay", 429, DAILY, KW_SCOPE_KEY_MODEL,
    ERROR (429, "RESOURCE_EXHAUSTED", "You have exhausted your capacity on this model.",
           ",'details':[" INFO ("QUOTA_EXHAUSTED", ",'quotaResetDelay':'13h17m1.5s'") "]"),
    "resource_exhausted", 47821500 },
  { "by a reason alone", 429, DAILY, KW_SCOPE_KEY_MODEL,
    ERROR (429, "RESOURCE_EXHAUSTED", "x", ",'details':[" INFO ("QUOTA_EXHAUSTED", "") "]"),
    "resource_exhausted", 19 * HOUR },
  { "that nothing is known of", 429, RATE, KW_SCOPE_KEY_MODEL,
    ERROR (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", ""),
    "resource_exhausted", -1 },
  { "under another status", 500, DAILY, KW_SCOPE_KEY_MODEL,
    EXHAUSTED (QUOTAS (QUOTA (PER_DAY, VALUE (20)))), "requests_per_day", 19 * HOUR },
  { "in an array", 429, DAILY, KW_SCOPE_KEY_MODEL,
    "[" EXHAUSTED (QUOTAS (QUOTA (PER_DAY, VALUE (20)))) "]", "requests_per_day", 19 * HOUR },
  { "prepaid credit that is used up", 429, BILL, KW_SCOPE_KEY,
    ERROR (429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.", ""), "no_credit",
    -1 },
  { "the same, under its other status", 402, BILL, KW_SCOPE_KEY,
    ERROR (402, "RESOURCE_EXHAUSTED", "Payment.", ""), "no_credit", -1 },
  { "a spending cap", 429, BILL, KW_SCOPE_KEY,
    ERROR (429, "RESOURCE_EXHAUSTED", "Your project has exceeded its monthly spending cap.", ""),
    "no_credit", -1 },
  { "somebody else's load", 429, TRANS, KW_SCOPE_REQUEST,
    ERROR (429, "RESOURCE_EXHAUSTED", "No capacity.", ",'details':["
           INFO ("MODEL_CAPACITY_EXHAUSTED", "") "," RETRY ("3s") "]"),
    "model_capacity_exhausted", 3000 },
};

START_TEST (a_quota_is_told_by_its_name)
{
  char body[4096];
  int n = snprintf (body, sizeof body, "%s", quotas[_i].body);

  ck_assert (n > 0 && (size_t) n < sizeof body);
  judge (NOW, quotas[_i].status, 0, body);
  ck_assert_msg (j.outcome == quotas[_i].outcome && j.scope == quotas[_i].scope
                 && j.wait_ms == quotas[_i].wait_ms && j.fell_back == 0,
                 "%s: %s, scope %u, \"%s\", %" PRId64 " ms", quotas[_i].name,
                 kw_verdict_name ((int) j.outcome), j.scope, j.reason, j.wait_ms);
  if (quotas[_i].reason[0] != '\0')
    ck_assert_str_eq (j.reason, quotas[_i].reason);
}
END_TEST

START_TEST (each_quota_is_a_bucket_and_the_deciding_one_names_the_model)
{
  judge (NOW, 429, 0,
         EXHAUSTED (QUOTAS (QUOTA (TOKENS_PER_MINUTE, VALUE (250000)) ","
                            QUOTA (PER_DAY, VALUE (20)))));
  ck_assert_str_eq (j.model, "gemini-2.5-flash");
  ck_assert_uint_eq (j.n_buckets, 2);
  ck_assert_str_eq (j.bucket[0].dimension, "input_tokens_per_minute");
  ck_assert_int_eq (j.bucket[0].limit, 250000);
  ck_assert_int_eq (j.bucket[0].window_ms, 60000);
  ck_assert_str_eq (j.bucket[1].dimension, "requests_per_day");
  ck_assert_int_eq (j.bucket[1].limit, 20);
  ck_assert_int_eq (j.bucket[1].window_ms, 24 * HOUR);
  ck_assert_int_eq (j.bucket[1].rolling, 0); /* all of it comes back at once */
  ck_assert_int_eq (j.bucket[1].scope, KW_SCOPE_KEY_MODEL);
}
END_TEST

START_TEST (a_model_that_was_blanked_is_no_model)
{
  judge (NOW, 429, 0, EXHAUSTED (QUOTAS ("{'quotaId':'" PER_DAY "','quotaValue':'20',"
                                         "'quotaDimensions':{'model':'[truncated]'}}")));
  ck_assert_int_eq (j.outcome, DAILY);
  ck_assert_str_eq (j.model, "");
}
END_TEST

/* Both changes of the clock, and the hours beside them. */
static const struct { const char *when; int64_t now, ends; } days[] = {
  { "winter", INT64_C (1768478400000), INT64_C (1768550400000) },
  /* 2026-03-08 is an hour short: clocks go from 02:00 PST to 03:00 PDT. */
  { "a minute before the short day", INT64_C (1772956740000), INT64_C (1772956800000) },
  { "the short day's midnight", INT64_C (1772956800000), INT64_C (1773039600000) },
  { "behind its change", INT64_C (1772964000000), INT64_C (1773039600000) },
  { "summer", INT64_C (1784116800000), INT64_C (1784185200000) },
  /* 2026-11-01 is an hour long: 02:00 PDT is 01:00 PST. */
  { "the long day's midnight", INT64_C (1793516400000), INT64_C (1793606400000) },
  { "behind its change", INT64_C (1793525400000), INT64_C (1793606400000) },
};

START_TEST (a_day_ends_at_midnight_in_california)
{
  judge (days[_i].now, 429, 0,
         EXHAUSTED (QUOTAS (QUOTA (PER_DAY, VALUE (20))) "," RETRY ("18s")));
  ck_assert_int_eq (j.outcome, DAILY);
  ck_assert_msg (j.wait_ms == days[_i].ends - days[_i].now, "%s: %" PRId64 " ms, not %" PRId64,
                 days[_i].when, j.wait_ms, days[_i].ends - days[_i].now);
}
END_TEST

START_TEST (more_details_than_anybody_sends_end_somewhere)
{
  char *body = NULL;
  size_t size = 0;
  FILE *f = open_memstream (&body, &size);

  ck_assert_ptr_nonnull (f);
  fputs ("{'error':{'code':429,'status':'RESOURCE_EXHAUSTED','message':'x','details':[", f);
  for (int i = 0; i < 30; i++) {
    fputs ("{" TYPE ("QuotaFailure") ",'violations':[", f);
    for (int k = 0; k < 30; k++)
      fputs (QUOTA (PER_MINUTE, VALUE (5)) ",", f);
    fputs ("{}]},", f);
  }
  fputs (HELP "]}}", f);
  ck_assert_int_eq (fclose (f), 0);
  judge (NOW, 429, 0, body);
  ck_assert_int_eq (j.outcome, RATE);
  free (body);
}
END_TEST

/* ---- Everything else ------------------------------------------------------- */

static const struct {
  const char *name;
  int status;
  uint32_t outcome, scope;
  const char *body, *reason;
} errors[] = {
  { "a wrong key", 400, AUTH, KW_SCOPE_KEY,
    ERROR (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
           ",'details':[" INFO ("API_KEY_INVALID", "") "]"), "api_key_invalid" },
  { "a wrong key, in words", 400, AUTH, KW_SCOPE_KEY,
    ERROR (400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", ""), NULL },
  { "an argument that speaks of API keys", 400, REQ, KW_SCOPE_REQUEST,
    ERROR (400, "INVALID_ARGUMENT", "Invalid value: the API key is x", ""), NULL },
  { "a leaked key", 403, AUTH, KW_SCOPE_KEY,
    ERROR (403, "PERMISSION_DENIED", "Your API key was reported as leaked.", ""),
    "permission_denied" },
  { "no key", 401, AUTH, KW_SCOPE_KEY,
    ERROR (401, "UNAUTHENTICATED", "Request is missing credentials.", ""), NULL },
  { "a key for other addresses", 403, AUTH, KW_SCOPE_KEY,
    ERROR (403, "PERMISSION_DENIED", "Blocked.", ",'details':["
           INFO ("API_KEY_IP_ADDRESS_BLOCKED", ",'consumer':'projects/9'") "]"),
    "api_key_ip_address_blocked" },
  { "a service that is off", 403, AUTH, KW_SCOPE_ACCOUNT,
    ERROR (403, "PERMISSION_DENIED", "Not enabled.", ",'details':[" HELP ","
           INFO ("SERVICE_DISABLED", ",'consumer':'projects/9'") "]"), "service_disabled" },
  { "a project that is shut out", 403, AUTH, KW_SCOPE_ACCOUNT,
    ERROR (403, "PERMISSION_DENIED", "Suspended.", ",'details':["
           INFO ("CONSUMER_SUSPENDED", ",'consumer':'projects/9','containerInfo':"
                 "'api_key:AIzaSecret'") "]"), "consumer_suspended" },
  { "no billing", 403, BILL, KW_SCOPE_ACCOUNT,
    ERROR (403, "PERMISSION_DENIED", "Off.", ",'details':["
           INFO ("BILLING_DISABLED", ",'consumer':'projects/9'") "]"), NULL },
  { "no free tier in that country", 400, BILL, KW_SCOPE_KEY,
    ERROR (400, "FAILED_PRECONDITION", "Gemini API free tier is not available in your country. "
           "Please enable billing on your project.", ""), NULL },
  { "a country without the API", 400, REQ, KW_SCOPE_PROVIDER,
    ERROR (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", ""),
    "location_not_supported" },
  { "another precondition", 400, REQ, KW_SCOPE_REQUEST,
    ERROR (400, "FAILED_PRECONDITION", "The file is not active.", ""), NULL },
  { "an argument", 400, REQ, KW_SCOPE_REQUEST,
    ERROR (400, "INVALID_ARGUMENT", "Unknown name: overloaded rate limit credits", ""),
    "invalid_argument" },
  { "a model that is not there", 404, REQ, KW_SCOPE_REQUEST,
    ERROR (404, "NOT_FOUND", "models/x is not found", ""), NULL },
  { "too large a body", 413, REQ, KW_SCOPE_REQUEST,
    ERROR (413, "", "Request payload size exceeds the limit", ""), NULL },
  { "too many users", 503, TRANS, KW_SCOPE_REQUEST,
    ERROR (503, "UNAVAILABLE", "The model is overloaded.", ""), "unavailable" },
  { "too slow", 504, TRANS, KW_SCOPE_REQUEST,
    ERROR (504, "DEADLINE_EXCEEDED", "Deadline expired.", ""), NULL },
  { "Google's own fault", 500, TRANS, KW_SCOPE_REQUEST,
    ERROR (500, "INTERNAL", "An internal error has occurred.", ""), NULL },
  { "an error with a good status", 200, TRANS, KW_SCOPE_REQUEST,
    ERROR (503, "UNAVAILABLE", "Spikes in demand.", ""), NULL },
  { "one in a string, as SDKs write it", 400, TRANS, KW_SCOPE_REQUEST,
    "{'error':{'message':'{\\'error\\':{\\'code\\':503,\\'status\\':\\'UNAVAILABLE\\',"
    "\\'message\\':\\'x\\'}}','code':503,'status':'Service Unavailable'}}", NULL },
  { "a page", 502, TRANS, KW_SCOPE_REQUEST, "<html>Bad gateway</html>", NULL },
};

START_TEST (an_error_is_told_by_its_status_and_reason)
{
  judge (NOW, errors[_i].status, 0, errors[_i].body);
  ck_assert_msg (j.outcome == errors[_i].outcome && j.scope == errors[_i].scope
                 && j.fell_back == 0 && strstr (j.account, "AIza") == NULL,
                 "%s: %s, scope %u, \"%s\"", errors[_i].name, kw_verdict_name ((int) j.outcome),
                 j.scope, j.reason);
  if (errors[_i].reason != NULL)
    ck_assert_str_eq (j.reason, errors[_i].reason);
  if (strstr (errors[_i].body, "projects/9") != NULL)
    ck_assert_str_eq (j.account, "projects/9");
}
END_TEST

START_TEST (errors_in_a_stream_are_told_without_a_status)
{
  judge (NOW, 200, 1, ERROR (503, "UNAVAILABLE", "High demand.", ""));
  ck_assert_int_eq (j.outcome, TRANS);
  judge (NOW, 200, 1, EXHAUSTED (QUOTAS (QUOTA (PER_DAY, VALUE (20)))));
  ck_assert_int_eq (j.outcome, DAILY);
  ck_assert_int_eq (j.wait_ms, 19 * HOUR);
  judge (NOW, 200, 1, "{'error':{'status':'RESOURCE_EXHAUSTED','message':'x'}}");
  ck_assert_int_eq (j.outcome, RATE);
}
END_TEST

#define USED "'usageMetadata':{'promptTokenCount':10,'candidatesTokenCount':5," \
  "'thoughtsTokenCount':7,'toolUsePromptTokenCount':2}"

START_TEST (usage_is_read_from_answers_and_events)
{
  for (int in_stream = 0; in_stream <= 1; in_stream++) {
    judge (NOW, 200, in_stream, "{'candidates':[{'content':{'parts':[{'text':'x'}]}}]," USED "}");
    ck_assert_int_eq (j.outcome, OK);
    ck_assert_int_eq (j.fell_back, 0);
    ck_assert_int_eq (j.input_tokens, 12);
    ck_assert_int_eq (j.output_tokens, 12);
  }
  judge (NOW, 200, 0, "{'object':'list','usage':{'prompt_tokens':4}}"); /* embeddings */
  ck_assert_int_eq (j.outcome, OK);
  ck_assert_int_eq (j.input_tokens, 4);
}
END_TEST

static const char *const chunks[] = {
  "{'candidates':[{'content':{'role':'model','parts':[{'functionCall':{'name':'log',"
  "'args':{'error':'disk full','code':503}}}]}}]}",
  "{'responseId':'x'}", "{'modelVersion':'m'}", "{" USED "}",
  "{'candidates':[{'finishReason':'STOP'}]}", "{'promptFeedback':{'blockReason':'SAFETY'}}",
};

START_TEST (an_event_that_speaks_of_errors_is_none)
{
  judge (NOW, 200, 1, chunks[_i]);
  ck_assert_msg (j.outcome == OK && j.fell_back == 0, "%s: %s", chunks[_i],
                 kw_verdict_name ((int) j.outcome));
}
END_TEST

START_TEST (the_plugin_says_what_it_is)
{
  const struct kw_provider *p = kwi_plugin_provider (gemini.plugin);

  ck_assert_str_eq (p->name, "gemini");
  ck_assert_str_eq (p->default_base_url, "https://generativelanguage.googleapis.com/v1beta");
  ck_assert_str_eq (p->key_env, "GEMINI_API_KEY GEMINI_API_KEY_BACKUP, GEMINI_API_KEY_#");
  ck_assert_uint_eq (p->thread_model, KW_THREAD_PARALLEL);
  ck_assert_uint_eq (p->caps, 0);
}
END_TEST

static Suite *
gemini_suite (void)
{
  Suite *s = suite_create ("gemini");
  TCase *tc = tcase_create ("gemini");

  tcase_add_checked_fixture (tc, setup, teardown);
  tcase_add_loop_test (tc, a_quota_is_told_by_its_name, 0, N (quotas));
  tcase_add_test (tc, each_quota_is_a_bucket_and_the_deciding_one_names_the_model);
  tcase_add_test (tc, a_model_that_was_blanked_is_no_model);
  tcase_add_loop_test (tc, a_day_ends_at_midnight_in_california, 0, N (days));
  tcase_add_test (tc, more_details_than_anybody_sends_end_somewhere);
  tcase_add_loop_test (tc, an_error_is_told_by_its_status_and_reason, 0, N (errors));
  tcase_add_test (tc, errors_in_a_stream_are_told_without_a_status);
  tcase_add_test (tc, usage_is_read_from_answers_and_events);
  tcase_add_loop_test (tc, an_event_that_speaks_of_errors_is_none, 0, N (chunks));
  tcase_add_test (tc, the_plugin_says_what_it_is);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (gemini_suite)

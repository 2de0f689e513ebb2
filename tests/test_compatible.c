/* test_compatible - the plugin for whoever speaks Chat Completions: the words of
 * providers without a plugin, the options, the requests.  The answers that were
 * really given are test_providers', headers test_compatible_headers', and rules in
 * the INI test_ini_rules'. */
#include <inttypes.h>
#include <string.h>

#include "answers.h"
#include "request.h"

#define NOW ANSWERS_NOW         /* 13:00 UTC, 5:00 in California, on January 15th */
#define SECOND INT64_C (1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define N(array) ((int) (sizeof (array) / sizeof (array)[0]))

enum { OK = KW_OUTCOME_OK, DAILY = KW_OUTCOME_DAILY_LIMIT, RATE = KW_OUTCOME_RATE_LIMIT,
       AUTH = KW_OUTCOME_AUTH, BILL = KW_OUTCOME_BILLING, REQ = KW_OUTCOME_REQUEST,
       TRANS = KW_OUTCOME_TRANSIENT };

static struct judge g;
static struct kwi_judgement j;
static struct kw_request r;
static struct kw_error err;

static void
open_compatible (void)
{
  judge_open (&g, "compatible");
}

static void
close_it (void)
{
  kwi_request_clear (&r);
  judge_close (&g);
}

static int
set (const char *option, const char *value, int *ret_unknown)
{
  err = (struct kw_error) KW_ERROR_INIT;
  return kwi_instance_config (g.in, option, value, ret_unknown, &err);
}

static void
must_set (const char *option, const char *value)
{
  int unknown;

  ck_assert_msg (set (option, value, &unknown) == 0, "%s = %s: %s", option, value,
                 err.message);
}

/* ---- Words --------------------------------------------------------------- */

#define E(members) "{\"error\":{" members "}}"
#define AWS "x-amzn-ErrorType: "

static const struct {
  int status;
  const char *headers, *body;
  uint32_t outcome;
  int64_t wait_ms;              /* -1: none */
  const char *reason;           /* NULL: any */
} verdicts[] = {
  /* Amazon Bedrock: the header alone, the body alone, both. */
  { 429, AWS "ThrottlingException:http://internal.amazon.com/coral/", "", RATE, -1,
    "throttlingexception" },
  { 400, AWS "ThrottlingException", "{\"message\":\"Too many requests\"}", RATE, -1, NULL },
  { 400, NULL, "{\"__type\":\"com.amazon.coral#ThrottlingException\",\"message\":\"x\"}", RATE,
    -1, NULL },
  { 400, AWS "ServiceQuotaExceededException", "{\"message\":\"Too many tokens per day\"}",
    DAILY, -1, "tokens_per_day" },
  { 429, AWS "ModelNotReadyException", "{\"message\":\"x\"}", TRANS, -1, NULL },
  { 424, AWS "ModelErrorException", "{\"message\":\"x\"}", TRANS, -1, NULL },
  { 400, AWS "UnrecognizedClientException", "{\"message\":\"x\"}", AUTH, -1, NULL },
  { 403, AWS "ExpiredTokenException:", "{\"message\":\"x\"}", AUTH, -1, NULL },
  { 400, AWS "ValidationException", "{\"message\":\"ThrottlingException\"}", REQ, -1, NULL },

  /* Cohere: calendar months. */
  { 429, NULL, "{\"message\":\"limited to 1000 API calls / month\"}", DAILY,
    16 * DAY + 11 * HOUR, "requests_per_month" },
  { 429, NULL, "{\"message\":\"limited to 40 API calls / minute\"}", RATE, -1,
    "requests_per_minute" },

  /* GitHub Models */
  { 429, NULL, E ("\"code\":\"RateLimitReached\",\"message\":\"Rate limit of 150 per 86400s "
    "exceeded for UserByModelByDay. Please wait 85841 seconds before retrying.\""), DAILY,
    85841 * SECOND, "requests_per_day" },
  { 429, NULL, E ("\"code\":\"RateLimitReached\",\"message\":\"Rate limit of 2 per 0s exceeded "
    "for UserConcurrentRequests. Please wait 0 seconds before retrying.\""), RATE, 0, NULL },
  { 429, "x-ratelimit-type: UserByModelByDay\nretry-after: 4", "", DAILY, 4 * SECOND,
    "requests_per_day" },
  { 429, "x-ratelimit-type: UserByMinute\nretry-after: 55", "", RATE, 55 * SECOND,
    "requests_per_minute" },
  { 413, NULL, E ("\"code\":\"tokens_limit_reached\",\"message\":\"Request body too large for m. "
    "Max size: 8000 tokens.\""), REQ, -1, "request_too_large" },

  /* Hugging Face */
  { 503, NULL, "{\"error\":\"Model m is currently loading\",\"estimated_time\":46.5}", TRANS,
    46500, NULL },
  { 402, NULL, "{\"error\":\"You have exceeded your monthly included credits for Inference "
    "Providers.\"}", BILL, 16 * DAY + 11 * HOUR, "credits_per_month" },
  { 400, NULL, "{\"error\":\"Authorization header is correct, but the token seems invalid\"}",
    AUTH, -1, NULL },
  { 429, NULL, "{\"error\":\"Rate limit reached. You reached free usage limit (reset hourly). "
    "Please subscribe to a plan\"}", RATE, -1, NULL },

  /* Fireworks */
  { 412, NULL, E ("\"message\":\"Account me-12 is suspended, possibly due to x\""), BILL, -1,
    NULL },
  { 412, NULL, E ("\"message\":\"x\""), REQ, -1, NULL },

  /* Moonshot */
  { 429, NULL, E ("\"message\":\"Your account org-1<ak-2> request reached organization max RPM: "
    "3, please try again after 1 seconds\",\"type\":\"rate_limit_reached_error\""), RATE, SECOND,
    "requests_per_minute" },
  { 429, NULL, E ("\"message\":\"request reached organization TPD rate limit, current: 15, "
    "limit: 15\",\"type\":\"rate_limit_reached_error\""), DAILY, -1, "tokens_per_day" },
  { 429, NULL, E ("\"message\":\"x\",\"type\":\"exceeded_current_quota_error\""), BILL, -1,
    NULL },
  { 429, NULL, E ("\"message\":\"x\",\"type\":\"engine_overloaded_error\""), TRANS, -1, NULL },

  /* NVIDIA NIM */
  { 400, NULL, "{\"status\":400,\"title\":\"Bad Request\",\"detail\":\"Function id '1': DEGRADED "
    "function cannot be invoked\"}", TRANS, -1, "degraded" },
  { 400, NULL, "{\"status\":400,\"title\":\"Bad Request\",\"detail\":\"x\"}", REQ, -1, NULL },
  { 429, NULL, "{\"status\":429,\"title\":\"Too Many Requests\"}", RATE, -1, NULL },

  /* Z.ai, whose texts may be Chinese: only the codes tell. */
  { 429, NULL, E ("\"code\":\"1113\",\"message\":\"\346\202\250\""), BILL, -1, "in_arrears" },
  { 429, NULL, E ("\"code\":\"1302\",\"message\":\"\346\202\250\""), RATE, -1, NULL },
  { 429, NULL, E ("\"code\":\"1304\",\"message\":\"\346\202\250\""), DAILY, -1,
    "requests_per_day" },
  { 429, NULL, E ("\"code\":\"1305\",\"message\":\"\346\202\250\""), TRANS, -1, "overloaded" },
  { 429, NULL, E ("\"code\":1310,\"message\":\"\346\202\250\""), DAILY, -1, "usage_per_week" },
  { 400, NULL, E ("\"code\":\"1304\",\"message\":\"x\""), REQ, -1, NULL },

  /* vLLM, llama.cpp, Ollama, LiteLLM, slowapi */
  { 400, NULL, "{\"object\":\"error\",\"message\":\"This model's maximum context length is 5\","
    "\"type\":\"BadRequestError\",\"param\":null,\"code\":400}", REQ, -1, NULL },
  { 401, NULL, "{\"error\":\"Unauthorized\"}", AUTH, -1, NULL },
  { 503, NULL, E ("\"code\":503,\"message\":\"Loading model\",\"type\":\"unavailable_error\""),
    TRANS, -1, NULL },
  { 503, NULL, "{\"error\":\"server busy, please try again.  maximum pending requests "
    "exceeded\"}", TRANS, -1, NULL },
  { 404, NULL, "{\"error\":\"model 'x' not found\"}", REQ, -1, NULL },
  { 429, NULL, E ("\"message\":\"Budget has been exceeded! Current cost: 10.51, Max budget: "
    "10.0\",\"type\":\"budget_exceeded\",\"code\":\"429\""), BILL, -1, NULL },
  { 400, NULL, E ("\"message\":\"Budget has been exceeded! Current cost: 10.51, Max budget: "
    "10.0\",\"type\":null,\"code\":\"400\""), BILL, -1, NULL },
  { 429, NULL, E ("\"message\":\"No deployments available for selected model, Try again in 60 "
    "seconds. Passed model=m\",\"code\":\"429\""), RATE, MINUTE, NULL },
  { 429, NULL, E ("\"message\":\"Rate limit exceeded. Limit resets at: 2027-01-15 13:00:30 "
    "UTC\""), RATE, 30 * SECOND, NULL },
  { 429, NULL, "{\"error\":\"Rate limit exceeded: 50 per 1 day\"}", DAILY, -1, NULL },
  { 429, NULL, "{\"error\":\"Rate limit exceeded: 5 per 1 minute\"}", RATE, -1, NULL },

  /* Anybody's: names of limits, in a code or a type. */
  { 429, NULL, E ("\"code\":\"daily_quota_exceeded\",\"message\":\"x\""), DAILY, -1, NULL },
  { 429, NULL, E ("\"type\":\"TokensPerDayExceeded\",\"message\":\"x\""), DAILY, -1,
    "tokens_per_day" },
  { 429, NULL, E ("\"code\":\"requests_per_minute\",\"message\":\"x\""), RATE, -1,
    "requests_per_minute" },
  /* A wait is no bill, and somebody's bound no wrong key. */
  { 402, "retry-after: 120", E ("\"message\":\"Too much in flight, retry later\""), RATE,
    120 * SECOND, NULL },
  { 402, "retry-after: 120", E ("\"message\":\"x\""), BILL, -1, NULL },
  { 402, NULL, E ("\"message\":\"x\""), BILL, -1, NULL },
  { 403, NULL, E ("\"message\":\"Key limit exceeded (total limit)\""), BILL, -1, NULL },
  { 403, NULL, E ("\"message\":\"Key limit exceeded (daily limit)\""), DAILY, -1, NULL },
  { 403, NULL, E ("\"message\":\"Rate limit exceeded, try again in 5s\""), RATE, 5 * SECOND,
    NULL },
  { 403, NULL, E ("\"message\":\"Your input was flagged by moderation. No credits were "
    "charged.\""), REQ, -1, "moderation" },
  { 403, NULL, E ("\"message\":\"no such luck\""), AUTH, -1, NULL },
  /* What users wrote is repeated in texts of 400. */
  { 400, NULL, E ("\"message\":\"bad value 'regain access on 2027-02-01 at 00:00 UTC'\""), REQ,
    -1, NULL },
  { 400, NULL, E ("\"message\":\"'metric: generativelanguage.googleapis.com/x, limit: 0'\""),
    REQ, -1, NULL },
  { 429, NULL, E ("\"message\":\"You have reached your API usage limits: it has crossed its "
    "monthly threshold. You will regain access on 2027-02-01 at 00:00 UTC.\""), BILL,
    16 * DAY + 11 * HOUR, "spend_limit_reached" },
};

START_TEST (words_of_many_servers_are_known)
{
  judge_answer (&g, NOW, verdicts[_i].status, 0, verdicts[_i].headers, verdicts[_i].body, &j);
  ck_assert_msg (j.outcome == verdicts[_i].outcome && j.wait_ms == verdicts[_i].wait_ms
                 && (verdicts[_i].reason == NULL || strcmp (j.reason, verdicts[_i].reason) == 0),
                 "HTTP %d\n%s\n%s\n%s, wait %" PRId64 ", \"%s\"\nshould be %s, wait %" PRId64
                 ", \"%s\"", verdicts[_i].status,
                 verdicts[_i].headers != NULL ? verdicts[_i].headers : "", verdicts[_i].body,
                 kw_verdict_name ((int) j.outcome), j.wait_ms, j.reason,
                 kw_verdict_name ((int) verdicts[_i].outcome), verdicts[_i].wait_ms,
                 verdicts[_i].reason != NULL ? verdicts[_i].reason : "(any)");
}
END_TEST

/* ---- Google's quotas ------------------------------------------------------ */

#define QUOTA(id, more) "{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\"," \
                        "\"violations\":[{\"quotaId\":\"" id "\"" more "}]}"
#define RETRY(delay) "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\"," \
                     "\"retryDelay\":\"" delay "\"}"
#define GOOGLE(details) E ("\"code\":429,\"message\":\"You exceeded your current quota\"," \
                           "\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[" details "]")

static const struct {
  int status;
  const char *body;
  uint32_t outcome;
  int64_t wait_ms;
  const char *reason;
} quotas[] = {
  { 429, GOOGLE (QUOTA ("GenerateRequestsPerDayPerProjectPerModel", ",\"quotaValue\":\"20\"") ","
    RETRY ("18s")), DAILY, 19 * HOUR, "requests_per_day" },
  { 429, "[" GOOGLE (RETRY ("18s") "," QUOTA ("GenerateRequestsPerDayPerProjectPerModel",
    ",\"quotaValue\":\"20\"")) "]", DAILY, 19 * HOUR, "requests_per_day" },
  { 429, GOOGLE (QUOTA ("GenerateContentInputTokensPerModelPerMinute", ",\"quotaValue\":\"9\"")
    "," RETRY ("29s")), RATE, 29 * SECOND, "input_tokens_per_minute" },
  { 429, GOOGLE (QUOTA ("XPerMinute", ",\"quotaValue\":\"9\"") ","
    QUOTA ("XPerDay", ",\"quotaValue\":\"9\"")), DAILY, 19 * HOUR, "requests_per_day" },
  { 429, GOOGLE (QUOTA ("XPerDay", ",\"quotaValue\":\"0\"")), BILL, 19 * HOUR, "no_free_tier" },
  { 429, GOOGLE (""), RATE, -1, NULL },
  { 400, "[" E ("\"code\":400,\"message\":\"x\",\"status\":\"INVALID_ARGUMENT\",\"details\":[{"
    "\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"API_KEY_INVALID\"}]")
    "]", AUTH, -1, "api_key_invalid" },
};

START_TEST (googles_quotas_are_read)
{
  judge_answer (&g, NOW, quotas[_i].status, 0, NULL, quotas[_i].body, &j);
  ck_assert_msg (j.outcome == quotas[_i].outcome && j.wait_ms == quotas[_i].wait_ms
                 && (quotas[_i].reason == NULL || strcmp (j.reason, quotas[_i].reason) == 0),
                 "%s\n%s, %" PRId64 " ms, \"%s\"", quotas[_i].body,
                 kw_verdict_name ((int) j.outcome), j.wait_ms, j.reason);
}
END_TEST

/* ---- Options -------------------------------------------------------------- */

static void
prepare (void)
{
  static const char body[] = "{\"model\":\"m\"}";
  struct kw_call call = { .struct_size = sizeof call, .base_url = "http://127.0.0.1:9/v1",
    .method = "POST", .path = "/chat/completions", .content_type = "application/json",
    .body = body, .body_len = sizeof body - 1 };

  err = (struct kw_error) KW_ERROR_INIT;
  ck_assert_msg (kwi_instance_prepare (g.in, &call, &r, &err) == 0, "%s", err.message);
  ck_assert_str_eq (r.url, "http://127.0.0.1:9/v1/chat/completions");
  ck_assert_ptr_eq (r.body, body);
}

static int
has_header (const char *line)
{
  for (const char *p = r.headers; p < r.headers + r.headers_len; p += strlen (p) + 1)
    if (strcmp (p, line) == 0)
      return 1;
  return 0;
}

START_TEST (the_key_goes_where_auth_says)
{
  static const struct { const char *auth, *header, *prefix; } ways[] = {
    { NULL, "Authorization", "Bearer " },
    { "bearer", "Authorization", "Bearer " },
    { "header X-API-Key", "X-API-Key", "" },
    { "header Authorization Api-Key", "Authorization", "Api-Key " },
    { "header  Authorization  Token  x", "Authorization", "Token  x " },
    { "none", "", "" },
  };
  for (int i = 0; i < N (ways); i++) {
    if (ways[i].auth != NULL)
      must_set ("auth", ways[i].auth);
    prepare ();
    ck_assert_msg (strcmp (r.secret_header, ways[i].header) == 0
                   && strcmp (r.secret_prefix, ways[i].prefix) == 0, "auth = %s: \"%s\", \"%s\"",
                   ways[i].auth, r.secret_header, r.secret_prefix);
  }
}
END_TEST

START_TEST (headers_of_ones_own_go_with_each_request)
{
  must_set ("header_HTTP-Referer", "https://example.com/");
  must_set ("header_X-Title", "a title");
  prepare ();
  prepare ();
  ck_assert (has_header ("HTTP-Referer: https://example.com/"));
  ck_assert (has_header ("X-Title: a title"));
  ck_assert (has_header ("Content-Type: application/json"));
  ck_assert_str_eq (r.secret_header, "Authorization");
}
END_TEST

START_TEST (a_header_names_the_account)
{
  must_set ("account_header", "X-Team");
  judge_answer (&g, NOW, 200, 0, "x-team: blue", "{\"choices\":[]}", &j);
  ck_assert_str_eq (j.account, "blue");
  judge_answer (&g, NOW, 429, 0, "x-team: blue", "{\"error\":\"x\"}", &j);
  ck_assert_str_eq (j.account, "blue");
  ck_assert_int_eq (j.scope, KW_SCOPE_ACCOUNT_MODEL);
}
END_TEST

START_TEST (a_day_ends_when_the_option_says)
{
  static const struct { const char *value; int64_t wait_ms; } ends[] = {
    { NULL, -1 }, { "midnight_utc", 11 * HOUR }, { "midnight_pacific", 19 * HOUR },
    { "rolling", -1 },
  };
  for (int i = 0; i < N (ends); i++) {
    if (ends[i].value != NULL)
      must_set ("day_ends", ends[i].value);
    judge_answer (&g, NOW, 429, 0, NULL, E ("\"message\":\"5 requests per day\""), &j);
    ck_assert_int_eq (j.outcome, DAILY);
    ck_assert_msg (j.wait_ms == ends[i].wait_ms, "%s: %" PRId64, ends[i].value, j.wait_ms);
    judge_answer (&g, NOW, 429, 0, "retry-after: 7200", E ("\"message\":\"5 per day\""), &j);
    ck_assert_int_eq (j.wait_ms, 2 * HOUR);
  }
}
END_TEST

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

START_TEST (a_wrong_option_is_told_and_its_secret_is_not)
{
  static const struct { const char *option, *value, *says; } wrong[] = {
    { "auth", "basic", "\"basic\" is not understood; allowed: bearer, none, header NAME, header "
                       "NAME PREFIX" },
    { "auth", "header", "allowed: bearer" },
    { "auth", "header ", "allowed: bearer" },
    { "auth", "header a:b", "allowed: bearer" },
    { "auth", "header " X64, "allowed: bearer" },
    { "auth", "header X " X64, "allowed: bearer" },
    { "auth", "Bearer", "allowed: bearer" },
    { "day_ends", "midnight", "allowed: rolling, midnight_utc, midnight_pacific" },
    { "account_header", "a b", "allowed: the name of a header" },
    { "account_header", X64, "allowed: the name of a header" },
    { "header_", "s3cret", "allowed: header_NAME = VALUE" },
    { "header_a b", "s3cret", "allowed: header_NAME = VALUE" },
    { "header_Authorization", "s3cret", "Authorization is set by other means" },
    { "header_content-length", "s3cret", "content-length is set by other means" },
    { "header_X-A", "s3cret\nX-B: 1", "a control character is in its value" },
  };
  for (int i = 0; i < N (wrong); i++) {
    int unknown;
    ck_assert_msg (set (wrong[i].option, wrong[i].value, &unknown) != 0, "%s = %s: taken",
                   wrong[i].option, wrong[i].value);
    ck_assert_msg (strstr (err.message, wrong[i].says) != NULL && !unknown, "%s = %s: %s",
                   wrong[i].option, wrong[i].value, err.message);
    ck_assert_ptr_null (strstr (err.message, "s3cret"));
  }
}
END_TEST

START_TEST (there_are_16_headers_at_most)
{
  int unknown;

  for (int i = 0; i < 16; i++)
    must_set ("header_X-A", "b");
  ck_assert_int_ne (set ("header_X-A", "b", &unknown), 0);
  ck_assert_msg (strstr (err.message, "too many headers; allowed: 16") != NULL, "%s",
                 err.message);
}
END_TEST

START_TEST (another_option_is_unknown)
{
  static const char *const options[] = { "authh", "headers", "rules_x", "api_version", "" };

  for (int i = 0; i < N (options); i++) {
    int unknown = 0;
    ck_assert_int_ne (set (options[i], "x", &unknown), 0);
    ck_assert_msg (unknown, "%s: %s", options[i], err.message);
  }
}
END_TEST

static Suite *
compatible_suite (void)
{
  Suite *s = suite_create ("compatible");
  TCase *tc = tcase_create ("compatible");

  tcase_add_checked_fixture (tc, open_compatible, close_it);
  tcase_add_loop_test (tc, words_of_many_servers_are_known, 0, N (verdicts));
  tcase_add_loop_test (tc, googles_quotas_are_read, 0, N (quotas));
  tcase_add_test (tc, the_key_goes_where_auth_says);
  tcase_add_test (tc, headers_of_ones_own_go_with_each_request);
  tcase_add_test (tc, a_header_names_the_account);
  tcase_add_test (tc, a_day_ends_when_the_option_says);
  tcase_add_test (tc, a_wrong_option_is_told_and_its_secret_is_not);
  tcase_add_test (tc, there_are_16_headers_at_most);
  tcase_add_test (tc, another_option_is_unknown);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (compatible_suite)

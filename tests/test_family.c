/* test_family - what the providers that speak Chat Completions have in common
 * (plugins/kit/family): where an error stands, what its words mean, buckets in
 * headers, the order of the rules.  Through real members, as the core loads
 * them; what real answers mean is test_providers'. */
#include <inttypes.h>
#include <string.h>

#include "answers.h"

#define NOW ANSWERS_NOW
#define MINUTE INT64_C (60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define N(array) ((int) (sizeof (array) / sizeof (array)[0]))

enum { OK = KW_OUTCOME_OK, DAILY = KW_OUTCOME_DAILY_LIMIT, RATE = KW_OUTCOME_RATE_LIMIT,
       AUTH = KW_OUTCOME_AUTH, BILL = KW_OUTCOME_BILLING, REQ = KW_OUTCOME_REQUEST,
       TRANS = KW_OUTCOME_TRANSIENT };

static struct kwi_judgement j;

static void
judge_with (const char *plugin, int status, int in_stream, const char *headers,
            const char *body)
{
  struct judge p;

  judge_open (&p, plugin);
  judge_answer (&p, NOW, status, in_stream, headers, body, &j);
  judge_close (&p);
}

static const struct kwi_bucket *
bucket (const char *dimension)
{
  for (uint32_t i = 0; i < j.n_buckets; i++)
    if (strcmp (j.bucket[i].dimension, dimension) == 0)
      return &j.bucket[i];
  return NULL;
}

/* ---- Where errors stand -------------------------------------------------- */

#define TPD "Rate limit reached for m in organization org-1 on tokens per day (TPD): Limit " \
            "100, Used 100, Requested 1. Please try again in 14m24s."
#define LIMITED "\"message\":\"" TPD "\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\""
#define IN_A_TEXT "\"{\\\"error\\\":{\\\"message\\\":\\\"" TPD "\\\",\\\"code\\\":429}}\""

static const struct { int status, in_stream; const char *body; } shapes[] = {
  { 429, 0, "{\"error\":{" LIMITED "}}" },
  { 429, 0, "[{\"error\":{" LIMITED "}}]" },
  { 429, 0, "{" LIMITED "}" },
  { 429, 0, "{\"object\":\"error\"," LIMITED "}" },
  { 429, 0, "{\"error\":\"" TPD "\"}" },
  { 429, 0, "{\"error\":\"" TPD "\",\"code\":\"some text\"}" },
  { 429, 0, "{\"error\":\"Too Many Requests\",\"message\":\"" TPD "\"}" },
  { 429, 0, "{\"detail\":\"" TPD "\"}" },
  { 429, 0, "{\"detail\":{\"error\":{" LIMITED "}}}" },
  { 429, 0, "{\"title\":\"Too Many Requests\",\"status\":429,\"detail\":\"" TPD "\"}" },
  { 429, 0, "\"" TPD "\"" },
  { 429, 0, "{\"error\":{\"error\":{" LIMITED "}}}" },
  /* As a text, by proxies; also with a status of their own. */
  { 429, 0, "{\"error\":{\"message\":" IN_A_TEXT ",\"code\":429}}" },
  { 500, 0, "{\"error\":{\"message\":" IN_A_TEXT ",\"code\":500}}" },
  { 200, 0, "{\"error\":{\"message\":" IN_A_TEXT "}}" },
  { 502, 0, "{\"error\":{\"message\":\"" TPD "\",\"code\":429}}" },
  /* With a good status, and in streams. */
  { 200, 0, "{\"error\":{" LIMITED "}}" },
  { 200, 0, "{\"object\":\"error\"," LIMITED "}" },
  { 200, 0, "{\"choices\":[{\"index\":0,\"error\":{" LIMITED "}}]}" },
  { 200, 1, "{\"error\":{" LIMITED "}}" },
  { 200, 1, "{" LIMITED "}" },
  { 200, 1, "{\"type\":\"response.failed\",\"response\":{\"error\":{" LIMITED "}}}" },
  { 200, 1, "{\"type\":\"error\"," LIMITED "}" },
};

START_TEST (an_error_is_found_wherever_it_stands)
{
  judge_with ("openai", shapes[_i].status, shapes[_i].in_stream, NULL, shapes[_i].body);
  ck_assert_msg (j.outcome == DAILY, "HTTP %d, in_stream %d, %s: %s \"%s\"",
                 shapes[_i].status, shapes[_i].in_stream, shapes[_i].body,
                 kw_verdict_name ((int) j.outcome), j.reason);
  ck_assert_str_eq (j.reason, "tokens_per_day");
  ck_assert_str_eq (j.account, "org-1");
  ck_assert_int_eq (j.wait_ms, 864000);
}
END_TEST

/* Good answers that mention errors. */
static const struct { int in_stream; const char *body; } good[] = {
  { 0, "{\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"content\":"
       "\"{\\\"error\\\":{\\\"code\\\":429}}\"}}]}" },
  { 0, "{\"choices\":[],\"error\":null}" },
  { 0, "{\"choices\":[],\"error\":false}" },
  { 0, "{\"message\":\"rate limit\",\"type\":\"x\",\"code\":\"insufficient_quota\"}" },
  { 0, "[]" }, { 0, "" },
  { 1, "{\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":"
       "{\"content\":\"error\"}}],\"error\":null}" },
  { 1, "{\"choices\":[{\"index\":0,\"text\":\"\\\"error\\\": 429\"}]}" },
  { 1, "{\"type\":\"response.completed\",\"response\":{\"error\":null,\"usage\":"
       "{\"input_tokens\":3,\"output_tokens\":4}}}" },
};

START_TEST (a_good_answer_may_speak_of_errors)
{
  judge_with ("openai", 200, good[_i].in_stream, NULL, good[_i].body);
  ck_assert_msg (j.outcome == OK, "%s: %s \"%s\"", good[_i].body,
                 kw_verdict_name ((int) j.outcome), j.reason);
}
END_TEST

START_TEST (usage_is_read_in_all_its_places)
{
  static const struct { int in_stream; const char *body; int64_t in, out; } bodies[] = {
    { 0, "{\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":34}}", 12, 34 },
    { 0, "{\"usage\":{\"prompt_tokens\":7}}", 7, 0 },
    { 0, "{\"object\":\"response\",\"usage\":{\"input_tokens\":5,\"output_tokens\":6}}", 5, 6 },
    { 1, "{\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
         "\"completion_tokens\":2}}", 1, 2 },
    { 1, "{\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":3,"
         "\"output_tokens\":4}}}", 3, 4 },
    { 0, "{\"usage\":null}", -1, -1 },
  };
  for (int i = 0; i < N (bodies); i++) {
    judge_with ("openai", 200, bodies[i].in_stream, NULL, bodies[i].body);
    ck_assert_msg (j.input_tokens == bodies[i].in && j.output_tokens == bodies[i].out,
                   "%s: %" PRId64 ", %" PRId64, bodies[i].body, j.input_tokens,
                   j.output_tokens);
  }
}
END_TEST

/* ---- What words mean, and where they mean nothing ------------------------ */

static const struct {
  const char *plugin;
  int status, in_stream;
  const char *body;
  uint32_t outcome, scope;
  const char *reason;           /* NULL: any */
} verdicts[] = {
#define E(members) "{\"error\":{" members "}}"
  /* What users wrote is repeated in texts of 400 and 422. */
  { "openai", 400, 0, E ("\"message\":\"Invalid value: 'insufficient balance, overloaded'\""),
    REQ, KW_SCOPE_REQUEST, NULL },
  { "openai", 422, 0, E ("\"message\":\"'spending limit'\""), REQ, KW_SCOPE_REQUEST, NULL },
  { "openai", 404, 0, E ("\"message\":\"no model 'out of credits'\""), REQ, KW_SCOPE_REQUEST,
    NULL },
  /* Elsewhere they are the provider's. */
  { "openai", 429, 0, E ("\"message\":\"You have no credits remaining.\""), BILL,
    KW_SCOPE_KEY, "no_credit" },
  { "openai", 429, 0, E ("\"message\":\"x\",\"type\":\"server_error\""), TRANS,
    KW_SCOPE_REQUEST, "server_error" },
  { "openai", 429, 0, E ("\"message\":\"The engine is currently overloaded\""), TRANS,
    KW_SCOPE_REQUEST, "overloaded" },
  { "openai", 403, 0, E ("\"code\":\"unsupported_country_region_territory\""), AUTH,
    KW_SCOPE_PROVIDER, "unsupported_country_region_territory" },
  { "openai", 403, 0, "<html>Attention Required!</html>", TRANS, KW_SCOPE_PROVIDER,
    "edge_block" },
  { "openai", 401, 0, "", AUTH, KW_SCOPE_KEY, "" },
  { "openai", 402, 0, "{}", BILL, KW_SCOPE_KEY, "" },
  { "openai", 409, 0, "{}", TRANS, KW_SCOPE_REQUEST, "" },
  { "openai", 418, 0, "{}", REQ, KW_SCOPE_REQUEST, "" },
  { "openai", 504, 0, "<html>", TRANS, KW_SCOPE_REQUEST, "" },
  /* A number is no reason that tells anybody anything. */
  { "openai", 429, 0, E ("\"message\":\"x\",\"code\":429,\"type\":\"requests\""), RATE,
    KW_SCOPE_KEY_MODEL, "requests" },
  /* Streams, where nothing but the event is there. */
  { "openai", 200, 1, E ("\"message\":\"x\",\"type\":\"server_error\",\"code\":null"), TRANS,
    KW_SCOPE_REQUEST, "server_error" },
  { "openai", 200, 1, E ("\"type\":\"authentication_error\""), AUTH, KW_SCOPE_KEY, NULL },
  { "openai", 200, 1, E ("\"type\":\"permission_error\""), AUTH, KW_SCOPE_KEY, NULL },
  { "openai", 200, 1, E ("\"type\":\"invalid_request_error\""), REQ, KW_SCOPE_REQUEST, NULL },
  { "openai", 200, 1, E ("\"message\":\"Rate limit exceeded\""), RATE, KW_SCOPE_KEY_MODEL,
    NULL },
  { "openai", 200, 1, E ("\"message\":\"it broke\""), TRANS, KW_SCOPE_REQUEST,
    "stream_error" },

  { "azure", 429, 0, E ("\"code\":\"429\",\"message\":\"Your requests to m for m in Sweden "
    "Central have exceeded the token rate limit for your current S0 pricing tier. Please retry "
    "after 45 seconds.\""), RATE, KW_SCOPE_KEY_MODEL, "tokens_per_minute" },
  { "azure", 429, 0, E ("\"code\":\"429\",\"message\":\"Requests have exceeded call rate limit "
    "of your current OpenAI S0 pricing tier. Please retry after 3600 seconds.\""), DAILY,
    KW_SCOPE_KEY_MODEL, "requests_per_day" },
  { "azure", 429, 0, E ("\"code\":\"429\",\"message\":\"... token rate limit ... Please retry "
    "after 3599 seconds.\""), RATE, KW_SCOPE_KEY_MODEL, "tokens_per_minute" },
  { "azure", 429, 0, E ("\"code\":\"no_capacity\",\"message\":\"x\""), TRANS,
    KW_SCOPE_REQUEST, "no_capacity" },
  { "azure", 403, 0, "{\"statusCode\":403,\"message\":\"Out of call volume quota. Quota will be "
    "replenished in 12:00:00.\"}", DAILY, KW_SCOPE_KEY, NULL },

  { "openrouter", 429, 0, E ("\"message\":\"Rate limit exceeded: limit_rpd/a/b:free/1. High "
    "demand for a/b:free - limited to 200 requests per day. Please retry shortly.\",\"code\":429"),
    DAILY, KW_SCOPE_KEY_MODEL, "requests_per_day" },
  { "openrouter", 429, 0, E ("\"message\":\"x\",\"metadata\":{\"limit_source\":"
    "\"openrouter_credits\"}"), BILL, KW_SCOPE_KEY, "openrouter_credits" },
  { "openrouter", 403, 0, E ("\"message\":\"Key limit exceeded (daily limit)\",\"code\":403"),
    DAILY, KW_SCOPE_KEY, "credits_per_day" },
  { "openrouter", 401, 0, E ("\"message\":\"User not found.\",\"code\":401"), AUTH,
    KW_SCOPE_KEY, NULL },
  { "openrouter", 200, 0, E ("\"message\":\"Provider returned error\",\"code\":502"), TRANS,
    KW_SCOPE_REQUEST, NULL },
  /* Of another provider, with a key that is not ours to judge. */
  { "openrouter", 400, 0, E ("\"message\":\"Provider returned error\",\"metadata\":{\"raw\":"
    "\"API_KEY_INVALID\",\"is_byok\":false}"), REQ, KW_SCOPE_REQUEST, NULL },

  { "mistral", 400, 0, "{\"object\":\"error\",\"message\":\"Service tier capacity exceeded for "
    "this model.\",\"type\":\"invalid_request_error\"}", TRANS, KW_SCOPE_REQUEST, "capacity" },
  { "cerebras", 429, 0, "{\"message\":\"x\",\"type\":\"too_many_requests_error\",\"code\":"
    "\"queue_exceeded\"}", TRANS, KW_SCOPE_REQUEST, "queue_exceeded" },
  { "together", 429, 0, E ("\"message\":\"Your rate limit is 60 queries per minute.\",\"type\":"
    "\"credit_limit\""), RATE, KW_SCOPE_KEY_MODEL, "requests_per_minute" },
  { "together", 429, 0, E ("\"message\":\"Credit limit exceeded.\",\"type\":\"credit_limit\""),
    BILL, KW_SCOPE_KEY, NULL },
  { "deepseek", 400, 0, E ("\"message\":\"Insufficient Balance\",\"code\":"
    "\"invalid_request_error\""), BILL, KW_SCOPE_KEY, "insufficient_balance" },
  { "xai", 403, 0, "{\"code\":\"personal-team-blocked:spending-limit\",\"error\":\"You have run "
    "out of credits\"}", BILL, KW_SCOPE_KEY, NULL },
  { "xai", 403, 0, "{\"code\":\"permission-denied\",\"error\":\"Your team 12ab34cd-1 has either "
    "used all available credits or reached its monthly spending limit.\"}", BILL,
    KW_SCOPE_ACCOUNT, "no_credits" },
  { "xai", 403, 0, "{\"code\":\"permission-denied\",\"error\":\"Access to the chat endpoint is "
    "denied.\"}", AUTH, KW_SCOPE_KEY, "permission-denied" },
  { "xai", 429, 0, "{\"error\":\"Too many requests for team 12ab34cd-1 and model m. Your team's "
    "rate limit is — Requests per Minute (actual/limit): 61/60.\"}", RATE,
    KW_SCOPE_ACCOUNT_MODEL, "requests_per_minute" },
};

START_TEST (words_mean_what_they_say_where_they_are_the_providers)
{
  judge_with (verdicts[_i].plugin, verdicts[_i].status, verdicts[_i].in_stream, NULL,
              verdicts[_i].body);
  ck_assert_msg (j.outcome == verdicts[_i].outcome && j.scope == verdicts[_i].scope
                 && (verdicts[_i].reason == NULL
                     || strcmp (j.reason, verdicts[_i].reason) == 0),
                 "%s, HTTP %d, in_stream %d, %s\nshould be %s, scope %u, \"%s\"\n"
                 "and is    %s, scope %u, \"%s\"", verdicts[_i].plugin, verdicts[_i].status,
                 verdicts[_i].in_stream, verdicts[_i].body,
                 kw_verdict_name ((int) verdicts[_i].outcome), verdicts[_i].scope,
                 verdicts[_i].reason != NULL ? verdicts[_i].reason : "(any)",
                 kw_verdict_name ((int) j.outcome), j.scope, j.reason);
}
END_TEST

/* ---- Waits and resets ---------------------------------------------------- */

#define PLAIN "{\"error\":{\"message\":\"Rate limit\"}}"

static const struct { const char *plugin, *headers, *body; int64_t wait_ms; } waits[] = {
  { "openai", "retry-after-ms: 1234\nretry-after: 9", PLAIN, 1234 },
  { "openai", "retry-after: 9", PLAIN, 9000 },
  { "openai", "Retry-After: Fri, 15 Jan 2027 13:01:00 GMT", PLAIN, 60000 },
  { "openai", "retry-after: Thu, 01 Jan 1970 00:00:00 GMT", PLAIN, 0 },
  { "openai", NULL, "{\"error\":{\"message\":\"Rate limit\",\"retry_after\":2.5}}", 2500 },
  { "openai", NULL, "{\"error\":{\"message\":\"Rate limit. Please try again in 20s.\"}}", 20000 },
  { "openai", "retry-after: 3", "{\"error\":{\"message\":\"Rate limit. Please try again in "
    "2.5s.\"}}", 2500 },
  { "openai", NULL, PLAIN, -1 },
  { "openrouter", NULL, "{\"error\":{\"message\":\"Rate limit exceeded: free-models-per-day\","
    "\"metadata\":{\"headers\":{\"X-RateLimit-Reset\":\"1800018060000\"}}}}", 60000 },
  /* Without a reset, the end of the provider's day or month. */
  { "openrouter", NULL, "{\"error\":{\"message\":\"Rate limit exceeded: free-models-per-day\"}}",
    11 * HOUR },
  { "mistral", "x-ratelimit-limit-tokens-month: 1000\nx-ratelimit-remaining-tokens-month: 0",
    "{\"message\":\"Rate limit exceeded\",\"code\":\"1300\"}", 16 * DAY + 11 * HOUR },
  { "cerebras", NULL, "{\"message\":\"Tokens per day limit exceeded\"}", -1 },
};

START_TEST (a_wait_is_read_in_all_its_forms)
{
  judge_with (waits[_i].plugin, 429, 0, waits[_i].headers, waits[_i].body);
  ck_assert_msg (j.wait_ms == waits[_i].wait_ms, "%s, %s, %s: %" PRId64 ", and not %" PRId64,
                 waits[_i].plugin, waits[_i].headers != NULL ? waits[_i].headers : "no header",
                 waits[_i].body, j.wait_ms, waits[_i].wait_ms);
}
END_TEST

/* ---- Headers ------------------------------------------------------------- */

/* limit, what is left, when it is full again: which window. */
static const struct { const char *limit, *left, *reset; const char *dimension; } rows[] = {
  { "10000", "9999", "8.64s", "requests_per_day" },
  { "500", "499", "120ms", "requests_per_minute" },
  { "200", "0", "24h0m0s", "requests_per_day" },
  { "60", "0", "1m0s", "requests_per_minute" },
  { "3600", "3599", "1s", "requests_per_hour" },
  { "500", "500", "0s", NULL }, /* nothing is missing: nothing tells */
  { "0", "0", "1s", NULL },
  { "500", "501", "1s", NULL },
  { "x", "1", "1s", NULL },
};

START_TEST (the_window_of_a_header_is_told_by_arithmetic)
{
  char headers[256];
  int n = snprintf (headers, sizeof headers, "x-ratelimit-limit-requests: %s\n"
                    "x-ratelimit-remaining-requests: %s\nx-ratelimit-reset-requests: %s",
                    rows[_i].limit, rows[_i].left, rows[_i].reset);

  ck_assert (n > 0 && (size_t) n < sizeof headers);
  judge_with ("openai", 200, 0, headers, "{}");
  ck_assert_int_eq (j.outcome, OK);
  if (rows[_i].dimension == NULL)
    ck_assert_msg (j.n_buckets == 0, "%s: %s", headers, j.bucket[0].dimension);
  else
    ck_assert_msg (bucket (rows[_i].dimension) != NULL, "%s: %s", headers,
                   j.n_buckets > 0 ? j.bucket[0].dimension : "no bucket");
}
END_TEST

START_TEST (a_header_with_nothing_left_names_the_limit_that_a_text_does_not)
{
  judge_with ("cerebras", 429, 0, "x-ratelimit-limit-requests-day: 14400\n"
              "x-ratelimit-remaining-requests-day: 0\nx-ratelimit-reset-requests-day: 33011.38",
              "{\"message\":\"Too many requests\"}");
  ck_assert_int_eq (j.outcome, DAILY);
  ck_assert_str_eq (j.reason, "requests_per_day");
  judge_with ("cerebras", 429, 0, "x-ratelimit-limit-requests-day: 14400\n"
              "x-ratelimit-remaining-requests-day: 5", "{\"message\":\"Too many requests\"}");
  ck_assert_int_eq (j.outcome, RATE);
  /* The text goes before it. */
  judge_with ("cerebras", 429, 0, "x-ratelimit-limit-requests-day: 14400\n"
              "x-ratelimit-remaining-requests-day: 0",
              "{\"message\":\"Tokens per minute limit exceeded\"}");
  ck_assert_int_eq (j.outcome, RATE);
  ck_assert_str_eq (j.reason, "tokens_per_minute");
  /* Nothing is no allowance at all. */
  judge_with ("mistral", 429, 0, "x-ratelimit-limit-req-minute: 0\n"
              "x-ratelimit-remaining-req-minute: 0", "{\"code\":\"1300\"}");
  ck_assert_int_eq (j.outcome, REQ);
}
END_TEST

START_TEST (accounts_are_named_by_headers_and_texts)
{
  judge_with ("openai", 200, 0, "openai-organization: org-abc", "{}");
  ck_assert_str_eq (j.account, "org-abc");
  judge_with ("openrouter", 404, 0, NULL,
              "{\"error\":{\"message\":\"x\",\"code\":404},\"user_id\":\"user_1\"}");
  ck_assert_str_eq (j.account, "user_1");
  judge_with ("xai", 429, 0, NULL, "{\"error\":\"Your team 29301118-5185 has either used all "
              "available credits\"}");
  ck_assert_str_eq (j.account, "29301118-5185");
  ck_assert_int_eq (j.scope, KW_SCOPE_ACCOUNT);
}
END_TEST

static Suite *
family_suite (void)
{
  Suite *s = suite_create ("family");
  TCase *tc = tcase_create ("family");

  tcase_add_loop_test (tc, an_error_is_found_wherever_it_stands, 0, N (shapes));
  tcase_add_loop_test (tc, a_good_answer_may_speak_of_errors, 0, N (good));
  tcase_add_test (tc, usage_is_read_in_all_its_places);
  tcase_add_loop_test (tc, words_mean_what_they_say_where_they_are_the_providers, 0,
                       N (verdicts));
  tcase_add_loop_test (tc, a_wait_is_read_in_all_its_forms, 0, N (waits));
  tcase_add_loop_test (tc, the_window_of_a_header_is_told_by_arithmetic, 0, N (rows));
  tcase_add_test (tc, a_header_with_nothing_left_names_the_limit_that_a_text_does_not);
  tcase_add_test (tc, accounts_are_named_by_headers_and_texts);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (family_suite)

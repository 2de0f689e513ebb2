/* anthropic-answers - what answers of Anthropic's mean, as the core asks: the
 * plugin is loaded from its .so, and judged through an instance.  A part of
 * test_anthropic. */
#include <inttypes.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "answer.h"
#include "anthropictest.h"
#include "clock.h"
#include "instance.h"
#include "loader.h"

#define NOW INT64_C (1786502400000)     /* 2026-08-12T02:40:00Z             */
#define SEPTEMBER INT64_C (1788220800000) /* 2026-09-01T00:00:00Z           */
#define OCTOBER INT64_C (1790812800000)
#define ORG "e2ad709b-24d8-4ca0-a490-684fce2c3a82"

#define OK     KW_OUTCOME_OK
#define DAILY  KW_OUTCOME_DAILY_LIMIT
#define RATE   KW_OUTCOME_RATE_LIMIT
#define AUTH   KW_OUTCOME_AUTH
#define BILL   KW_OUTCOME_BILLING
#define REQ    KW_OUTCOME_REQUEST
#define TRANS  KW_OUTCOME_TRANSIENT

static struct kwi_plugin *plugin;
static struct kw_instance *in;
static struct kwi_judgement j;

static void
setup (void)
{
  static const struct kwi_instance_hooks hooks = { .clock = &kwi_clock_system };
  struct kw_error err = KW_ERROR_INIT;
  char file[1024];
  int n = snprintf (file, sizeof file, "%s/plugins/.libs/anthropic.so", kwtest_builddir ());

  ck_assert (n > 0 && (size_t) n < sizeof file);
  ck_assert_msg (kwi_plugin_load (file, &plugin, &err) == 0, "%s", err.message);
  ck_assert_msg (kwi_instance_new (plugin, "anthropic", &hooks, &in, &err) == 0, "%s",
                 err.message);
}

static void
teardown (void)
{
  kwi_instance_free (in);
  kwi_plugin_unref (plugin);
}

/* headers: "name: value\n", each; body with ' for ". */
static void
judge (int status, int in_stream, const char *headers, const char *body)
{
  struct kwi_answer a = { .status = status, .in_stream = in_stream, .received_ms = NOW };
  const char *h = headers != NULL ? headers : "";
  char text[4096];
  size_t i = 0;

  while (*h != '\0') {
    size_t line = strcspn (h, "\n");
    const char *colon = memchr (h, ':', line);
    ck_assert (colon != NULL && colon + 2 <= h + line);
    ck_assert_int_eq (kwi_answer_add_header (&a, h, (size_t) (colon - h), colon + 2,
                                             (size_t) (h + line - colon - 2)), 0);
    h += line + (h[line] == '\n');
  }
  for (; body[i] != '\0' && i < sizeof text; i++)
    text[i] = body[i] == '\'' ? '"' : body[i];
  ck_assert_int_eq (kwi_answer_add_body (&a, text, i), 0);
  kwi_instance_classify (in, &a, &j);
  kwi_answer_clear (&a);
}

#define ERROR(type, message) \
  "{'type':'error','error':{'type':'" type "','message':'" message "'},'request_id':'req_1'}"
#define PER_MINUTE(n, unit) \
  "This request would exceed the rate limit for your organization (" ORG ") of " n " " unit \
  " per minute. For details, refer to: https://docs.anthropic.com/en/api/rate-limits. You can " \
  "see the response headers for current usage."

static const struct {
  int status, in_stream;
  const char *body;
  uint32_t outcome, scope;
  const char *reason;
} cases[] = {
  /* Limits of a minute, in all their shapes */
  { 429, 0, ERROR ("rate_limit_error", PER_MINUTE ("20,000", "input tokens")),
    RATE, KW_SCOPE_ACCOUNT_MODEL, "input_tokens_per_minute" },
  { 429, 0, ERROR ("rate_limit_error", PER_MINUTE ("8,000", "output tokens")),
    RATE, KW_SCOPE_ACCOUNT_MODEL, "output_tokens_per_minute" },
  { 429, 0, ERROR ("rate_limit_error", PER_MINUTE ("50", "requests")),
    RATE, KW_SCOPE_ACCOUNT_MODEL, "requests_per_minute" },
  { 429, 0, "{'type':'rate_limit_error','message':'" PER_MINUTE ("30,000", "input tokens") "'}",
    RATE, KW_SCOPE_ACCOUNT_MODEL, "input_tokens_per_minute" },
  { 429, 0, "{'error':{'code':'rate_limit_error','type':'invalid_request_error','message':'"
            PER_MINUTE ("20,000", "input tokens") "','param':null}}",
    RATE, KW_SCOPE_ACCOUNT_MODEL, "input_tokens_per_minute" },
  { 429, 0, "{'error':{'message':'" PER_MINUTE ("1,000,000", "input tokens") "'}}",
    RATE, KW_SCOPE_ACCOUNT_MODEL, "input_tokens_per_minute" },
  { 200, 1, ERROR ("rate_limit_error", PER_MINUTE ("20,000", "input tokens")),
    RATE, KW_SCOPE_ACCOUNT_MODEL, "input_tokens_per_minute" },
  { 200, 0, ERROR ("rate_limit_error", PER_MINUTE ("20,000", "input tokens")),
    RATE, KW_SCOPE_ACCOUNT_MODEL, "input_tokens_per_minute" },
  { 429, 0, ERROR ("rate_limit_error", "Number of request tokens has exceeded your per-minute "
                   "rate limit (https://docs.anthropic.com/en/api/rate-limits)"),
    RATE, KW_SCOPE_KEY_MODEL, "tokens_per_minute" },
  { 429, 0, ERROR ("rate_limit_error", "Number of concurrent connections has exceeded your rate "
                   "limit. Please try again later or contact sales at https://a/b"),
    RATE, KW_SCOPE_KEY_MODEL, "concurrent_requests" },
  { 429, 0, ERROR ("rate_limit_error", "This request would exceed your account\\u0027s rate "
                   "limit. Please try again later."), RATE, KW_SCOPE_KEY_MODEL,
    "rate_limit_error" },
  { 429, 0, ERROR ("rate_limit_error", "Rate limited"), RATE, KW_SCOPE_KEY_MODEL,
    "rate_limit_error" },
  /* Of a day, 2024 */
  { 429, 0, "{'error':{'message':'Number of request tokens has exceeded your daily rate "
            "limit.'}}", DAILY, KW_SCOPE_KEY_MODEL, "tokens_per_day" },
  { 429, 0, ERROR ("rate_limit_error", "Number of request tokens has exceeded your daily rate "
                   "limit (https://docs.anthropic.com/en/api/rate-limits)"),
    DAILY, KW_SCOPE_KEY_MODEL, "tokens_per_day" },

  /* Money */
  { 429, 0, "{'type':'error','error':{'type':'rate_limit_error','message':'You have reached "
            "your API usage limits: your organization has crossed its monthly API usage "
            "threshold.','details':{'error_code':'enforced_spend_limit_reached'}}}",
    BILL, KW_SCOPE_KEY, "spend_limit_reached" },
  { 429, 0, ERROR ("rate_limit_error", "This request would exceed your account\\u0027s monthly "
                   "spend limit. Please try again later."), BILL, KW_SCOPE_KEY,
    "spend_limit_reached" },
  { 400, 0, ERROR ("invalid_request_error", "You have reached your specified API usage limits. "
                   "You will regain access on 2026-09-01 at 00:00 UTC."),
    BILL, KW_SCOPE_KEY, "spend_limit_reached" },
  { 400, 0, ERROR ("invalid_request_error", "You have reached your specified workspace API "
                   "usage limits."), BILL, KW_SCOPE_KEY, "spend_limit_reached" },
  { 400, 0, ERROR ("invalid_request_error", "Your credit balance is too low to access the "
                   "Anthropic API. Please go to Plans & Billing to upgrade."),
    BILL, KW_SCOPE_KEY, "no_credit" },
  { 400, 0, ERROR ("invalid_request_error", "This organization has been disabled."),
    BILL, KW_SCOPE_KEY, "organization_disabled" },
  { 400, 0, ERROR ("invalid_request_error", "Your account has been disabled after an automatic "
                   "review."), BILL, KW_SCOPE_KEY, "organization_disabled" },
  { 429, 0, ERROR ("rate_limit_error", "Extra usage is required for long context requests."),
    BILL, KW_SCOPE_KEY_MODEL, "extra_usage" },
  { 400, 0, ERROR ("invalid_request_error", "You\\u0027re out of extra usage. Add more at a/b and "
                   "keep going."), BILL, KW_SCOPE_KEY_MODEL, "extra_usage" },
  { 400, 0, "{'error':{'message':'litellm.BadRequestError: AnthropicException - Your credit "
            "balance is too low to access the Anthropic API.','type':null,'code':'400'}}",
    BILL, KW_SCOPE_KEY, "no_credit" },
  { 402, 0, ERROR ("billing_error", "There is an issue with your billing information."),
    BILL, KW_SCOPE_KEY, "billing_error" },
  { 200, 1, ERROR ("invalid_request_error", "Your credit balance is too low to access the "
                   "Claude API."), BILL, KW_SCOPE_KEY, "no_credit" },

  /* Keys */
  { 401, 0, ERROR ("authentication_error", "invalid x-api-key"), AUTH, KW_SCOPE_KEY,
    "authentication_error" },
  { 403, 0, ERROR ("permission_error", "OAuth authentication is currently disabled for this "
                   "organization."), AUTH, KW_SCOPE_KEY, "permission_error" },
  { 403, 0, ERROR ("permission_error", "Your API key does not have permission to use the "
                   "specified resource."), AUTH, KW_SCOPE_KEY, "permission_error" },
  { 403, 0, "{'error':{'type':'forbidden','message':'Request not allowed'}}", AUTH,
    KW_SCOPE_KEY, "forbidden" },
  { 200, 1, ERROR ("authentication_error", "invalid x-api-key"), AUTH, KW_SCOPE_KEY,
    "authentication_error" },
  { 200, 1, ERROR ("permission_error", "no"), AUTH, KW_SCOPE_KEY, "permission_error" },

  /* Requests; what one says raises no alarm */
  { 400, 0, ERROR ("invalid_request_error", "max_tokens: 10000 > 4096, which is the maximum "
                   "allowed number of output tokens for claude-3-5-sonnet-20240620"),
    REQ, KW_SCOPE_REQUEST, "invalid_request_error" },
  { 400, 0, ERROR ("invalid_request_error", "messages.0.content: unknown type credit balance, "
                   "usage limits, organization has been disabled"),
    REQ, KW_SCOPE_REQUEST, "invalid_request_error" },
  { 400, 0, ERROR ("invalid_request_error", "prompt is too long: 210000 tokens > 200000 "
                   "maximum"), REQ, KW_SCOPE_REQUEST, "invalid_request_error" },
  { 404, 0, ERROR ("not_found_error", "model: claude-0"), REQ, KW_SCOPE_REQUEST,
    "not_found_error" },
  { 413, 0, ERROR ("request_too_large", "Request exceeds the maximum size"), REQ,
    KW_SCOPE_REQUEST, "request_too_large" },
  { 200, 1, ERROR ("invalid_request_error", "messages: too many"), REQ, KW_SCOPE_REQUEST,
    "invalid_request_error" },

  /* Its own faults */
  { 529, 0, ERROR ("overloaded_error", "Overloaded"), TRANS, KW_SCOPE_REQUEST, "overloaded" },
  { 500, 0, ERROR ("api_error", "Internal server error"), TRANS, KW_SCOPE_REQUEST, "api_error" },
  { 504, 0, ERROR ("timeout_error", "Request timeout"), TRANS, KW_SCOPE_REQUEST,
    "timeout_error" },
  { 409, 0, ERROR ("conflict_error", "Try again"), TRANS, KW_SCOPE_REQUEST, "conflict_error" },
  { 200, 1, ERROR ("overloaded_error", "Overloaded"), TRANS, KW_SCOPE_REQUEST, "overloaded" },
  { 200, 1, ERROR ("api_error", "Internal server error"), TRANS, KW_SCOPE_REQUEST,
    "api_error" },
  { 403, 0, "<html>blocked</html>", TRANS, KW_SCOPE_PROVIDER, "edge_block" },

  /* Good ones, whatever is in them */
  { 200, 0, "{'type':'message','content':[{'type':'text','text':'credit balance, error'}]}",
    OK, KW_SCOPE_REQUEST, "" },
  { 200, 0, "{'data':[{'type':'model','id':'claude-x'}]}", OK, KW_SCOPE_REQUEST, "" },
  { 200, 1, "{'type':'message_start','message':{'usage':{}}}", OK, KW_SCOPE_REQUEST, "" },
  { 200, 1, "{'type':'content_block_start','content_block':{'type':'tool_use','input':"
            "{'error':'x'}}}", OK, KW_SCOPE_REQUEST, "" },
};

START_TEST (an_answer_means)
{
  judge (cases[_i].status, cases[_i].in_stream, NULL, cases[_i].body);
  ck_assert_msg (j.outcome == cases[_i].outcome && j.scope == cases[_i].scope
                 && strcmp (j.reason, cases[_i].reason) == 0,
                 "%d %s\n  %s, scope %u, \"%s\", and not %s, scope %u, \"%s\"",
                 cases[_i].status, cases[_i].body, kw_verdict_name ((int) j.outcome), j.scope,
                 j.reason, kw_verdict_name ((int) cases[_i].outcome), cases[_i].scope,
                 cases[_i].reason);
}
END_TEST

static const struct kwi_bucket *
bucket (const char *dimension)
{
  for (uint32_t i = 0; i < j.n_buckets; i++)
    if (strcmp (j.bucket[i].dimension, dimension) == 0)
      return &j.bucket[i];
  ck_abort_msg ("no bucket %s", dimension);
  return NULL;
}

START_TEST (the_account_is_read_from_the_text_or_a_header)
{
  judge (429, 0, NULL, ERROR ("rate_limit_error", PER_MINUTE ("20,000", "input tokens")));
  ck_assert_str_eq (j.account, ORG);
  judge (200, 0, "anthropic-organization-id: " ORG "\n", "{'type':'message'}");
  ck_assert_str_eq (j.account, ORG);
  judge (400, 0, "anthropic-organization-id: " ORG "\n",
         ERROR ("invalid_request_error", "Your credit balance is too low"));
  ck_assert_str_eq (j.account, ORG);
  ck_assert_int_eq (j.scope, KW_SCOPE_ACCOUNT);
}
END_TEST

START_TEST (headers_show_the_minutes_buckets)
{
  judge (429, 0,
         "retry-after: 58\nanthropic-ratelimit-requests-limit: 50\n"
         "anthropic-ratelimit-requests-remaining: 49\n"
         "anthropic-ratelimit-requests-reset: 2026-08-12T02:40:01Z\n"
         "anthropic-ratelimit-input-tokens-limit: 20000\n"
         "anthropic-ratelimit-input-tokens-remaining: 0\n"
         "anthropic-ratelimit-input-tokens-reset: 2026-08-12T02:40:58Z\n"
         "anthropic-ratelimit-output-tokens-limit: 8000\n"
         "anthropic-ratelimit-output-tokens-remaining: 8000\n"
         "anthropic-ratelimit-output-tokens-reset: 1970-01-01T00:00:00Z\n"
         "anthropic-ratelimit-tokens-limit: 28000\n"
         "anthropic-ratelimit-tokens-remaining: 8000\n"
         "anthropic-ratelimit-tokens-reset: 2026-08-12T02:40:58Z\n",
         ERROR ("rate_limit_error", "Rate limited"));
  ck_assert_int_eq (j.outcome, RATE);
  ck_assert_int_eq (j.wait_ms, 58000);
  ck_assert_str_eq (j.reason, "input_tokens_per_minute"); /* what is spent */
  ck_assert_uint_eq (j.n_buckets, 4);

  const struct kwi_bucket *b = bucket ("input_tokens_per_minute");
  ck_assert_int_eq (b->limit, 20000);
  ck_assert_int_eq (b->remaining, 0);
  ck_assert_int_eq (b->window_ms, 60000);
  ck_assert_int_eq (b->rolling, 1);
  ck_assert_int_eq (b->full_at_ms, NOW + 58000);
  ck_assert_int_eq (b->scope, KW_SCOPE_KEY_MODEL);
  b = bucket ("output_tokens_per_minute"); /* idle: full */
  ck_assert_int_eq (b->remaining, 8000);
  ck_assert_int_le (b->full_at_ms, NOW);
  b = bucket ("requests_per_minute");
  ck_assert_int_eq (b->remaining, 49);
  b = bucket ("tokens_per_minute");
  ck_assert_int_eq (b->limit, 28000);
}
END_TEST

START_TEST (good_answers_show_their_buckets_too)
{
  judge (200, 0, "anthropic-ratelimit-requests-limit: 50\n"
         "anthropic-ratelimit-requests-remaining: 50\n", "{'type':'message'}");
  ck_assert_int_eq (j.outcome, OK);
  ck_assert_int_eq (bucket ("requests_per_minute")->limit, 50);
}
END_TEST

START_TEST (a_limits_numbers_are_read)
{
  judge (429, 0, "retry-after: 12\n",
         ERROR ("rate_limit_error", PER_MINUTE ("1,000,000", "input tokens")));
  ck_assert_int_eq (j.wait_ms, 12000);
  ck_assert_int_eq (bucket ("input_tokens_per_minute")->limit, 1000000);
  judge (429, 0, "retry-after: 7\n",
         ERROR ("rate_limit_error", "Number of concurrent connections has exceeded your rate "
                "limit."));
  ck_assert_int_eq (j.wait_ms, 7000);
}
END_TEST

/* The wait until access is regained, from NOW. */
static const struct {
  int status;
  const char *body;
  int64_t until;                /* 0: not said                              */
} spent[] = {
  { 429, "{'type':'error','error':{'type':'rate_limit_error','message':'You have reached your "
         "API usage limits: your organization has crossed its monthly API usage threshold, set "
         "based on your organization\\u0027s API tier. You will regain access on 2026-10-01 at "
         "00:00 UTC.','details':{'error_code':'enforced_spend_limit_reached'}}}", OCTOBER },
  { 429, "{'type':'error','error':{'type':'rate_limit_error','message':'Spent.',"
         "'details':{'error_code':'enforced_spend_limit_reached'}}}", SEPTEMBER },
  { 400, ERROR ("invalid_request_error", "You have reached your specified workspace API usage "
                "limits. You will regain access on 2026-09-01 at 00:00 UTC."), SEPTEMBER },
  { 400, ERROR ("invalid_request_error", "You have reached your specified API usage limits. "
                "You will regain access on 2026-08-01 at 00:00 UTC."), SEPTEMBER },
  { 400, ERROR ("invalid_request_error", "Your credit balance is too low"), 0 },
};

START_TEST (spent_money_comes_back_when_the_text_says_or_the_month_ends)
{
  judge (spent[_i].status, 0, NULL, spent[_i].body);
  ck_assert_int_eq (j.outcome, BILL);
  ck_assert_msg (j.wait_ms == (spent[_i].until != 0 ? spent[_i].until - NOW : -1),
                 "%s: %" PRId64 " ms", spent[_i].body, j.wait_ms);
}
END_TEST

static const struct {
  int in_stream;
  const char *body;
  int64_t input, output;        /* -1: not said                             */
} usages[] = {
  { 0, "{'type':'message','usage':{'input_tokens':12,'output_tokens':34}}", 12, 34 },
  { 0, "{'type':'message','usage':{'input_tokens':1,'cache_creation_input_tokens':20,"
       "'cache_read_input_tokens':300,'output_tokens':4}}", 321, 4 },
  { 0, "{'type':'message'}", -1, -1 },
  { 0, "{'input_tokens':14}", -1, -1 },  /* /messages/count_tokens charges nothing */
  { 1, "{'type':'message_start','message':{'usage':{'input_tokens':25,"
       "'cache_read_input_tokens':100,'output_tokens':1}}}", 125, 1 },
  { 1, "{'type':'message_delta','delta':{},'usage':{'output_tokens':15}}", -1, 15 },
  { 1, "{'type':'message_delta','delta':{},'usage':{'input_tokens':30,'output_tokens':15}}",
    30, 15 },
  { 1, "{'object':'chat.completion.chunk','choices':[],'usage':{'prompt_tokens':5,"
       "'completion_tokens':6}}", 5, 6 },
};

START_TEST (usage_is_read_with_the_caches_tokens)
{
  judge (200, usages[_i].in_stream, NULL, usages[_i].body);
  ck_assert_int_eq (j.outcome, OK);
  ck_assert_msg (j.input_tokens == usages[_i].input && j.output_tokens == usages[_i].output,
                 "%s: %" PRId64 ", %" PRId64, usages[_i].body, j.input_tokens,
                 j.output_tokens);
}
END_TEST

void
add_answer_tests (Suite *s)
{
  TCase *tc = tcase_create ("answers");

  tcase_add_checked_fixture (tc, setup, teardown);
  tcase_add_loop_test (tc, an_answer_means, 0, N (cases));
  tcase_add_test (tc, the_account_is_read_from_the_text_or_a_header);
  tcase_add_test (tc, headers_show_the_minutes_buckets);
  tcase_add_test (tc, good_answers_show_their_buckets_too);
  tcase_add_test (tc, a_limits_numbers_are_read);
  tcase_add_loop_test (tc, spent_money_comes_back_when_the_text_says_or_the_month_ends, 0,
                       N (spent));
  tcase_add_loop_test (tc, usage_is_read_with_the_caches_tokens, 0, N (usages));
  suite_add_tcase (s, tc);
}

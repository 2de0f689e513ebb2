/* test_limit_message - what the texts of limits say (plugins/kit/limit-message):
 * the window, the unit, the numbers, whose it is, and what numbers alone tell. */
#include <inttypes.h>
#include <string.h>

#include "kwtest.h"

#include "../plugins/kit/limit-message.h"
#include "../plugins/kit/when.h"

#define N(array) ((int) (sizeof (array) / sizeof (array)[0]))
#define MONTH (30 * KWP_DAY)

/* -1 and "": not said. */
static const struct {
  const char *text, *type;
  int64_t window_ms, limit, used, requested, wait_ms;
  const char *dimension, *account;
} messages[] = {
  /* Organization, numbers and a wait: most providers that copy OpenAI. */
  { "Rate limit reached for gpt-x in organization org-1 on requests per day (RPD): Limit "
    "10000, Used 10000, Requested 1. Please try again in 8.64s.", "requests",
    KWP_DAY, 10000, 10000, 1, 8640, "requests_per_day", "org-1" },
  { "Rate limit reached for gpt-x in organization org-1 on tokens_usage_based per min: "
    "Limit 300000, Used 257348, Requested 79228. Please try again in 7.315s.", "",
    KWP_MINUTE, 300000, 257348, 79228, 7315, "tokens_per_minute", "org-1" },
  { "Request too large for gpt-x on tokens per min (TPM): Limit 30000, Requested 342389. The "
    "input or output tokens must be reduced", "tokens",
    KWP_MINUTE, 30000, -1, 342389, -1, "tokens_per_minute", "" },
  { "Rate limit reached for gpt-x on images per min: Limit 5, Used 5, Requested 1. Please try "
    "again in 12s.", "images", KWP_MINUTE, 5, 5, 1, 12000, "requests_per_minute", "" },
  /* What follows the numbers is advertising. */
  { "Rate limit reached on tokens per minute (TPM): Limit 5, Used 5, Requested 1. Get 9 "
    "requests per day (RPD) for more!", "tokens",
    KWP_MINUTE, 5, 5, 1, 12000, "tokens_per_minute", "" },
  /* A name of a model or an organization is no window, and no number. */
  { "Rate limit reached for 10KTPM-200RPM in organization org-2", "", -1, -1, -1, -1, -1,
    "", "org-2" },
  { "Rate limit reached for model-4-per-day in organization org-3", "requests",
    KWP_DAY, -1, -1, -1, -1, "requests_per_day", "org-3" },
  /* The number before the words. */
  { "This request would exceed the rate limit for your organization "
    "(e2ad709b-24d8-4ca0-a490-684fce2c3a82) of 30,000 input tokens per minute. For details, "
    "see", "", KWP_MINUTE, 30000, -1, -1, -1, "input_tokens_per_minute",
    "e2ad709b-24d8-4ca0-a490-684fce2c3a82" },
  { "of 8,000 output tokens per minute", "", KWP_MINUTE, 8000, -1, -1, -1,
    "output_tokens_per_minute", "" },
  { "You are using a Trial key, which is limited to 1000 API calls / month.", "",
    MONTH, 1000, -1, -1, -1, "requests_per_month", "" },
  { "limited to 10 API calls / minute", "", KWP_MINUTE, 10, -1, -1, -1,
    "requests_per_minute", "" },
  { "Your rate limit is 60 queries per minute. Please upgrade", "credit_limit",
    KWP_MINUTE, 60, -1, -1, -1, "requests_per_minute", "" },
  { "You have reached the rate limit specific to this model a/b.1-c. The maximum rate limit "
    "for this model is 9.0 queries per minute. This limit differs", "",
    KWP_MINUTE, 9, -1, -1, -1, "requests_per_minute", "" },
  { "Rate limit reached for m in organization org-1 on tokens per min. Limit: 10000 / min. "
    "Current: 9873 / min. Please try again in 6ms.", "tokens", KWP_MINUTE, 10000, 9873, -1, 6,
    "tokens_per_minute", "org-1" },
  { "Rate limit exceeded: limit_rpd/a/b:free/0d6f. High demand for a/b:free - limited to 200 "
    "requests per day. Please retry shortly.", "", KWP_DAY, 200, -1, -1, -1,
    "requests_per_day", "" },
  { "Rate limit of 50 per 86400s exceeded for UserByModelByDay. Please wait 5631 seconds "
    "before retrying.", "", KWP_DAY, 50, -1, -1, 5631000, "requests_per_day", "" },
  { "Rate limit of 10 per 60s exceeded for UserByModelByMinute. Please wait 46 seconds before "
    "retrying.", "", KWP_MINUTE, 10, -1, -1, 46000, "requests_per_minute", "" },
  { "Rate limit of 50 per 7200s exceeded. Please wait 46 seconds before retrying.", "",
    2 * KWP_HOUR, 50, -1, -1, 46000, "requests_per_7200s", "" },
  { "Rate limit of 2 per 0s exceeded for UserConcurrentRequests.", "", -1, -1, -1, -1, -1,
    "", "" },
  /* Names only. */
  { "Tokens per day limit exceeded - too many tokens processed.", "", KWP_DAY, -1, -1, -1, -1,
    "tokens_per_day", "" },
  { "Requests per second limit exceeded", "", KWP_SECOND, -1, -1, -1, -1,
    "requests_per_second", "" },
  { "Too many tokens per day, please wait before trying again.", "", KWP_DAY, -1, -1, -1, -1,
    "tokens_per_day", "" },
  { "Too many tokens, please wait before trying again.", "", -1, -1, -1, -1, -1, "", "" },
  { "Number of request tokens has exceeded your daily rate limit.", "", KWP_DAY, -1, -1, -1,
    -1, "tokens_per_day", "" },
  { "Number of request tokens has exceeded your per-minute rate limit", "", KWP_MINUTE, -1, -1,
    -1, -1, "tokens_per_minute", "" },
  { "Rate limit exceeded: free-models-per-day-high-balance. ", "", KWP_DAY, -1, -1, -1, -1,
    "requests_per_day", "" },
  { "Rate limit exceeded: free-models-per-min. ", "", KWP_MINUTE, -1, -1, -1, -1,
    "requests_per_minute", "" },
  { "request reached organization TPD rate limit, current: 1508351, limit: 1500000", "",
    KWP_DAY, 1500000, 1508351, -1, -1, "tokens_per_day", "" },
  { "Your account org-1<ak-2> request reached organization max RPM: 3, please try again after "
    "1 seconds", "", KWP_MINUTE, 3, -1, -1, 1000, "requests_per_minute", "org-1" },
  /* Windows that are counted, and names of codes. */
  { "Rate limit exceeded: 5 per 1 minute", "", KWP_MINUTE, 5, -1, -1, -1,
    "requests_per_minute", "" },
  { "100 requests per 24h", "", KWP_DAY, 100, -1, -1, -1, "requests_per_day", "" },
  { "at most 100 requests per 24 hours", "", KWP_DAY, 100, -1, -1, -1, "requests_per_day", "" },
  { "500 tokens / 7 days", "", 7 * KWP_DAY, 500, -1, -1, -1, "tokens_per_week", "" },
  { "10 requests per 5 minutes", "", 5 * KWP_MINUTE, 10, -1, -1, -1, "requests_per_300s", "" },
  { "$3 per 1M tokens, and 2 per 0 days", "", -1, -1, -1, -1, -1, "", "" },
  { "2 per 99999999999999999999 days", "", -1, -1, -1, -1, -1, "", "" },
  { "DailyLimitExceeded", "", KWP_DAY, -1, -1, -1, -1, "requests_per_day", "" },
  { "tokens_per_day", "", KWP_DAY, -1, -1, -1, -1, "tokens_per_day", "" },
  { "daily_quota", "", KWP_DAY, -1, -1, -1, -1, "requests_per_day", "" },
  { "dailyquota", "", -1, -1, -1, -1, -1, "", "" },
  { "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "", KWP_DAY, -1, -1, -1, -1,
    "requests_per_day", "" },
  { "GenerateContentInputTokensPerModelPerMinute-FreeTier", "", KWP_MINUTE, -1, -1, -1, -1,
    "tokens_per_minute", "" },
  { "Too many tokens for team eb9b98de-ba81 and model m. Your team's rate limit is — Tokens "
    "per Minute (actual/limit): 65605/16000.", "", KWP_MINUTE, 16000, 65605, -1, -1,
    "tokens_per_minute", "eb9b98de-ba81" },
  /* "has" is no team. */
  { "Your team has used all of its tokens per day", "", KWP_DAY, -1, -1, -1, -1,
    "tokens_per_day", "" },
  { "Rate limit exceeded", "", -1, -1, -1, -1, -1, "", "" },
  { "", "", -1, -1, -1, -1, -1, "", "" },
};

START_TEST (a_message_is_read)
{
  struct kwp_limit l;
  const char *text = messages[_i].text;

  kwp_read_limit (text, messages[_i].type, -1, &l);
#define SAME(field)                                                                  \
  ck_assert_msg (l.field == messages[_i].field, "%s\n" #field " is %" PRId64           \
                 ", and should be %" PRId64, text, l.field, messages[_i].field)
  SAME (window_ms);
  SAME (limit);
  SAME (used);
  SAME (requested);
  SAME (wait_ms);
  ck_assert_msg (strcmp (l.dimension, messages[_i].dimension) == 0,
                 "%s\ndimension is \"%s\", and should be \"%s\"", text, l.dimension,
                 messages[_i].dimension);
  ck_assert_msg (strcmp (l.account, messages[_i].account) == 0,
                 "%s\naccount is \"%s\", and should be \"%s\"", text, l.account,
                 messages[_i].account);
}
END_TEST

START_TEST (numbers_tell_the_window_that_a_text_leaves_out_and_the_wait)
{
  struct kwp_limit l;

  kwp_read_limit ("Rate limit reached on : Limit 500000, Used 500370, Requested 252. Please "
                  "try again in 1m47.5854s.", "tokens", -1, &l);
  ck_assert_int_eq (l.window_ms, KWP_DAY);
  kwp_read_limit ("Rate limit reached on tokens per day: Limit 100000, Used 99734, Requested "
                  "5255", "tokens", -1, &l);
  ck_assert_int_eq (l.wait_ms, 4310496);
  /* A header's wait goes before arithmetic, the text's own before both. */
  kwp_read_limit ("on tokens per day: Limit 100000, Used 99734, Requested 5255", "", 4312000,
                  &l);
  ck_assert_int_eq (l.wait_ms, 4312000);
  kwp_read_limit ("on tokens per day: Limit 9, Used 9, Requested 1. Try again in 3s.", "",
                  4312000, &l);
  ck_assert_int_eq (l.wait_ms, 3000);
}
END_TEST

START_TEST (a_long_text_is_read_as_far_as_people_write)
{
  struct kwp_limit l;
  char text[4000];

  memset (text, 'x', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  kwp_read_limit (text, "", -1, &l);
  ck_assert_int_eq (l.window_ms, -1);
  memcpy (text, "tokens per day ", 15);
  kwp_read_limit (text, "", -1, &l);
  ck_assert_str_eq (l.dimension, "tokens_per_day");
}
END_TEST

static Suite *
limit_message_suite (void)
{
  Suite *s = suite_create ("limit-message");
  TCase *tc = tcase_create ("limit-message");

  tcase_add_loop_test (tc, a_message_is_read, 0, N (messages));
  tcase_add_test (tc, numbers_tell_the_window_that_a_text_leaves_out_and_the_wait);
  tcase_add_test (tc, a_long_text_is_read_as_far_as_people_write);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (limit_message_suite)

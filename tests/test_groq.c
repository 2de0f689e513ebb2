/* test_groq - the Groq plugin, as the core uses it: loaded from its .so, asked
 * through an instance.  groq-corpus.c has the answers that Groq really gave,
 * groq-verdicts.c one of each kind; limit messages, headers and requests are
 * here. */
#include <inttypes.h>
#include <locale.h>
#include <stdarg.h>
#include <string.h>

#include "groqtest.h"

#include "loader.h"
#include "request.h"

#define NOW INT64_C (1800000000000)
#define DAY INT64_C (86400000)

struct judge groq;
struct kwi_judgement j;

static void
setup (void)
{
  judge_open (&groq, "groq");
}

static void
teardown (void)
{
  judge_close (&groq);
}

void
judge (int status, int in_stream, const char *headers, const char *body)
{
  judge_answer (&groq, NOW, status, in_stream, headers, body, &j);
}

/* A 429 with that message, and with code and type as Groq sends them. */
static void
judge_message (const char *headers, const char *fmt, ...)
{
  char message[1024], body[2048];
  va_list ap;
  int n;

  va_start (ap, fmt);
  n = vsnprintf (message, sizeof message, fmt, ap);
  va_end (ap);
  ck_assert (n > 0 && (size_t) n < sizeof message);
  n = snprintf (body, sizeof body, "{\"error\":{\"message\":\"%s\",\"type\":\"tokens\","
                "\"code\":\"rate_limit_exceeded\"}}\n", message);
  ck_assert (n > 0 && (size_t) n < sizeof body);
  judge (429, 0, headers, body);
}

static const struct kwi_bucket *
bucket (const char *dimension)
{
  for (uint32_t i = 0; i < j.n_buckets; i++)
    if (strcmp (j.bucket[i].dimension, dimension) == 0)
      return &j.bucket[i];
  return NULL;
}

/* ---- Limit messages ------------------------------------------------------ */

static const struct {
  const char *said, *dimension; /* "": none */
  uint32_t outcome;
} dimensions[] = {
  { "tokens per day (TPD)", "tokens_per_day", DAILY },
  { "requests per day (RPD)", "requests_per_day", DAILY },
  { "input tokens per day (ITPD)", "input_tokens_per_day", DAILY },
  { "output tokens per day (OTPD)", "output_tokens_per_day", DAILY },
  { "seconds of audio per day (ASPD)", "audio_seconds_per_day", DAILY },
  { "audio seconds per day (ASD)", "audio_seconds_per_day", DAILY },
  { "seconds of audio per hour (ASPH)", "audio_seconds_per_hour", RATE },
  { "audio (ASH)", "audio_seconds_per_hour", RATE },
  { "requests per hour (RPH)", "requests_per_hour", RATE },
  { "tokens per hour (TPH)", "tokens_per_hour", RATE },
  { "requests per minute (RPM)", "requests_per_minute", RATE },
  { "tokens per minute (TPM)", "tokens_per_minute", RATE },
  { "input tokens per minute (ITPM)", "input_tokens_per_minute", RATE },
  { "output tokens per minute (OTPM)", "output_tokens_per_minute", RATE },
  { "requests per second (RPS)", "requests_per_second", RATE },
  { "tokens per day", "tokens_per_day", DAILY },        /* words only */
  { "output tokens per min", "output_tokens_per_minute", RATE },
  { "(TPD)", "tokens_per_day", DAILY },                 /* letters only */
  { "images per day (IPD)", "tokens_per_day", DAILY },  /* a new unit: by type */
};

START_TEST (a_dimension_is_read_from_its_letters_or_words)
{
  judge_message (NULL, "Rate limit reached for model `m` on %s: Limit 500, Used 499, "
                 "Requested 2. Please try again in 3s. Need 9 tokens per day (TPD)?",
                 dimensions[_i].said);
  const struct kwi_bucket *b = bucket (dimensions[_i].dimension);
  ck_assert_msg (b != NULL && j.outcome == dimensions[_i].outcome, "%s: %s, and not %s %s",
                 dimensions[_i].said, kw_verdict_name ((int) j.outcome),
                 kw_verdict_name ((int) dimensions[_i].outcome), dimensions[_i].dimension);
  ck_assert_int_eq (b->limit, 500);
  ck_assert_int_eq (b->used, 499);
  ck_assert_int_eq (b->requested, 2);
  ck_assert_int_eq (b->rolling, 1);
  ck_assert_int_eq (b->window_ms == DAY, dimensions[_i].outcome == DAILY);
}
END_TEST

static const struct {
  const char *said;
  int64_t ms;                   /* -1: none is read */
} waits[] = {
  { "9m38.016s.", 578016 }, { "2h22m12.864s.", 8532864 }, { "7.5ms", 8 },
  { "269.999999ms.", 270 }, { "1m0.36s.", 60360 }, { "644ms.", 644 }, { "2s.", 2000 },
  { "2s", 2000 }, { "1m", 60000 }, { "350us.", 1 }, { "350\302\265s.", 1 }, { "12ns.", 1 },
  { "0s.", 0 }, { "26h0m1s.", 93601000 }, { "999999999999999999999h.", 400 * DAY },
  { "0.000000000000000000000000000001s.", 1 }, { "9m38.", -1 }, { "9m3", -1 }, { "9", -1 },
  { "a moment.", -1 }, { "-5s.", -1 }, { "5 s.", 5000 }, { "5x.", -1 },
  { ".5s", -1 }, { "", -1 },
};

START_TEST (a_stated_wait_is_read_to_the_millisecond)
{
  judge_message (NULL, "Rate limit reached for model `m` on tokens per minute (TPM). "
                 "Please try again in %s", waits[_i].said);
  ck_assert_msg (j.wait_ms == waits[_i].ms, "\"%s\": %" PRId64 " ms, and not %" PRId64,
                 waits[_i].said, j.wait_ms, waits[_i].ms);
  ck_assert_int_eq (j.outcome, RATE);
}
END_TEST

/* The facts of one bucket, its dimension left out: only the numbers can tell. */
static const struct {
  const char *numbers, *headers, *dimension;
  int64_t wait_ms;
  uint32_t outcome;
} empties[] = {
  { "Limit 500000, Used 500370, Requested 252. Please try again in 1m47.5854s.", NULL,
    "tokens_per_day", 107586, DAILY },
  { "Limit 7200, Used 7170, Requested 230. Please try again in 1m40s.", NULL,
    "tokens_per_hour", 100000, RATE },
  { "Limit 8000, Used 7600, Requested 605. Please try again in 1.537499999s.", NULL,
    "tokens_per_minute", 1538, RATE },
  { "Limit 100000, Used 99734, Requested 5255", "retry-after: 4311", "tokens_per_day",
    4311000, DAILY },
  /* No arithmetic: the wait itself, and at worst the shorter window. */
  { "Limit 500000", "retry-after: 40000", "", 40000000, DAILY },
  { "Limit 500000", "retry-after: 59", "", 59000, RATE },
  { "Limit 0, Used 0, Requested 0", NULL, "", -1, RATE },
  { "Limit 500, Used 100, Requested 1. Please try again in 2h1s.", NULL, "",
    7201000, DAILY },
};

START_TEST (an_empty_dimension_is_settled_by_arithmetic)
{
  judge_message (empties[_i].headers, "Rate limit reached for model `m` on : %s",
                 empties[_i].numbers);
  ck_assert_msg (j.outcome == empties[_i].outcome && j.wait_ms == empties[_i].wait_ms
                 && (empties[_i].dimension[0] == '\0'
                     || bucket (empties[_i].dimension) != NULL),
                 "%s, %s: %s, %" PRId64 " ms, \"%s\"", empties[_i].numbers,
                 empties[_i].headers != NULL ? empties[_i].headers : "no header",
                 kw_verdict_name ((int) j.outcome), j.wait_ms, j.reason);
}
END_TEST

START_TEST (the_unit_of_an_empty_dimension_is_told_by_type)
{
#define SECONDS "\"message\":\"Rate limit reached for model `m` on : Limit 7200, " \
                "Used 7182, Requested 23. Please try again in 2.5s.\",\"type\":\"seconds\""
  judge (429, 0, NULL, ERROR (SECONDS));
  ck_assert_str_eq (j.reason, "audio_seconds_per_hour");
}
END_TEST

START_TEST (the_texts_wait_goes_before_the_headers_and_that_before_arithmetic)
{
  const char *cut = "Rate limit reached on tokens per day (TPD): Limit 100000, Used 99734, "
                    "Requested 5255";
  judge_message ("retry-after: 4312", "%s. Please try again in 1h11m50.496s.", cut);
  ck_assert_int_eq (j.wait_ms, 4310496);
  judge_message ("retry-after: 4312", "%s", cut);
  ck_assert_int_eq (j.wait_ms, 4312000);
  judge_message (NULL, "%s", cut);
  ck_assert_int_eq (j.wait_ms, 4310496);
}
END_TEST

START_TEST (names_are_read_whole_or_not_at_all)
{
  static const struct { const char *said, *account, *model; } names[] = {
    { "for model `a/b-1.5` in organization `org_1` on", "org_1", "a/b-1.5" },
    { "for model a/b-1.5 in organization org_1 service tier on_demand on", "org_1",
      "a/b-1.5" },
    { "for model `m` in organization `org_[masked]` on", "org_[masked]", "m" },
    { "for model `m` on", "", "m" },
    { "for model `m` in organization `org_1 on", "", "m" },
    { "for model `m` in organization `org_45678901234567890123456789012345678901234567890"
      "12345678901234567` on", "", "m" },
    { "on", "", "" },
  };
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    judge_message (NULL, "Rate limit reached %s tokens per day (TPD): Limit 5, Used 5, "
                   "Requested 1. See the model `x` in organization `y`.", names[i].said);
    ck_assert_msg (strcmp (j.account, names[i].account) == 0
                   && strcmp (j.model, names[i].model) == 0,
                   "%s: \"%s\", \"%s\"", names[i].said, j.account, j.model);
    ck_assert_int_eq (j.scope, names[i].account[0] != '\0' ? KW_SCOPE_ACCOUNT_MODEL
                                                           : KW_SCOPE_KEY_MODEL);
  }
}
END_TEST

START_TEST (numbers_saturate_and_thousands_may_be_separated)
{
#define NINES "99999999999999999999999999999999999999"
  judge_message ("retry-after: " NINES "\nx-ratelimit-limit-tokens: " NINES
                 "\nx-ratelimit-reset-tokens: " NINES "h",
                 "Rate limit reached on tokens per day (TPD): Limit " NINES ", Used " NINES
                 ", Requested " NINES);
  ck_assert_int_eq (j.outcome, DAILY);
  ck_assert_int_eq (j.wait_ms, 400 * DAY);
  ck_assert_int_eq (bucket ("tokens_per_day")->limit, INT64_MAX / 100);
  ck_assert_int_eq (bucket ("tokens_per_minute")->full_at_ms, NOW + 400 * DAY);

  judge_message (NULL, "Rate limit reached on tokens per day (TPD): Limit 1, Used " NINES
                 ", Requested 1");
  ck_assert_int_eq (j.wait_ms, 400 * DAY);

  judge_message (NULL, "Rate limit reached on tokens per day (TPD): Limit 1,000,000, Used "
                 "999,999,Requested ~1,234. Please try again in 1m46.5s.");
  ck_assert_int_eq (bucket ("tokens_per_day")->limit, 1000000);
  ck_assert_int_eq (bucket ("tokens_per_day")->used, 999999);
  ck_assert_int_eq (bucket ("tokens_per_day")->requested, 1234);
}
END_TEST

START_TEST (a_decimal_comma_in_the_locale_changes_nothing)
{
  static const char *const names[] = { "de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "fr_FR" };
  const char *set = NULL;

  for (size_t i = 0; i < 4 && set == NULL; i++)
    set = setlocale (LC_ALL, names[i]);
  printf ("locale: %s\n", set != NULL ? set : "none with a decimal comma is installed");
  judge_message ("x-ratelimit-limit-tokens: 8000\nx-ratelimit-reset-tokens: 1.57s",
                 "Rate limit reached for model `m` on tokens per minute (TPM): Limit 8000, "
                 "Used 7600, Requested 605. Please try again in 1.537499999s.");
  (void) setlocale (LC_ALL, "C");
  ck_assert_int_eq (j.wait_ms, 1538);
  ck_assert_int_eq (j.bucket[0].full_at_ms, NOW + 1570);
}
END_TEST

/* ---- Headers and usage --------------------------------------------------- */

START_TEST (headers_are_the_days_requests_and_the_minutes_tokens)
{
  judge (200, 0, "X-RateLimit-Limit-Requests: 1000\nx-ratelimit-remaining-requests: 966\n"
         "x-ratelimit-reset-requests: 48m57.6s\nx-ratelimit-limit-tokens: 8000\n"
         "x-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 1m0s\n"
         "x-ratelimit-limit-audio-seconds: 7200", "{}");
  ck_assert_int_eq (j.outcome, OK);
  ck_assert_int_eq (j.n_buckets, 3);
  ck_assert_int_eq (j.wait_ms, -1);     /* full again is not when to retry */

  const struct kwi_bucket *b = bucket ("requests_per_day");
  ck_assert_ptr_nonnull (b);
  ck_assert_int_eq (b->limit, 1000);
  ck_assert_int_eq (b->remaining, 966);
  ck_assert_int_eq (b->window_ms, DAY);
  ck_assert_int_eq (b->full_at_ms, NOW + 2937600);
  ck_assert_int_eq (b->rolling, 1);
  ck_assert_int_eq (b->scope, KW_SCOPE_KEY_MODEL);
  ck_assert_int_eq (b->have, KW_HAVE_LIMIT | KW_HAVE_REMAINING | KW_HAVE_WINDOW
                             | KW_HAVE_FULL_AT);
  b = bucket ("tokens_per_minute");
  ck_assert_ptr_nonnull (b);
  ck_assert_int_eq (b->remaining, 0);
  ck_assert_int_eq (b->window_ms, 60000);
  ck_assert_int_eq (b->full_at_ms, NOW + 60000);
  b = bucket ("audio_seconds_per_hour");
  ck_assert_ptr_nonnull (b);
  ck_assert_int_eq (b->have, KW_HAVE_LIMIT | KW_HAVE_WINDOW);
}
END_TEST

START_TEST (headers_that_say_nothing_make_no_bucket)
{
  judge (200, 0, "x-ratelimit-limit-requests: many\nx-ratelimit-remaining-requests: 5\n"
         "x-ratelimit-limit-tokens: -5\nx-ratelimit-reset-tokens: 5s", "{}");
  ck_assert_int_eq (j.n_buckets, 0);
  /* An event's headers are as old as its stream. */
  judge (200, 1, "x-ratelimit-limit-requests: 5", "{}");
  ck_assert_int_eq (j.n_buckets, 0);
}
END_TEST

START_TEST (usage_is_read_from_answers_and_last_chunks)
{
  judge (200, 0, NULL, "{\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":34}}");
  ck_assert_int_eq (j.input_tokens, 12);
  ck_assert_int_eq (j.output_tokens, 34);
  judge (200, 1, NULL,
         "{\"object\":\"chat.completion.chunk\",\"choices\":[],"
         "\"x_groq\":{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6}}}");
  ck_assert_int_eq (j.input_tokens, 5);
  ck_assert_int_eq (j.output_tokens, 6);
  judge (200, 0, NULL, "{\"usage\":{\"prompt_tokens\":7}}"); /* embeddings */
  ck_assert_int_eq (j.input_tokens, 7);
  ck_assert_int_eq (j.output_tokens, 0);
  judge (200, 0, NULL, "{\"usage\":null}");
  ck_assert_int_eq (j.input_tokens, -1);
}
END_TEST

/* ---- Requests ------------------------------------------------------------ */

START_TEST (a_request_is_the_callers_body_at_the_base_url)
{
  static const char body[] = "{\"model\":\"m\", \"messages\": [] }";
  struct kw_call call = { .struct_size = sizeof call, .base_url = "http://127.0.0.1:9/v1",
    .method = "POST", .path = "/chat/completions", .content_type = "application/json",
    .body = body, .body_len = sizeof body - 1, .stream = 1 };
  struct kw_error err = KW_ERROR_INIT;
  struct kw_request r = { 0 };

  ck_assert_msg (kwi_instance_prepare (groq.in, &call, &r, &err) == 0, "%s", err.message);
  ck_assert_str_eq (r.method, "POST");
  ck_assert_str_eq (r.url, "http://127.0.0.1:9/v1/chat/completions");
  ck_assert_ptr_eq (r.body, body);      /* nothing was copied */
  ck_assert_uint_eq (r.body_len, sizeof body - 1);
  ck_assert_str_eq (r.secret_header, "Authorization");
  ck_assert_str_eq (r.secret_prefix, "Bearer ");
  ck_assert_uint_eq (r.n_headers, 2);
  ck_assert_str_eq (r.headers, "Content-Type: application/json");
  ck_assert_str_eq (r.headers + strlen (r.headers) + 1, "Accept: text/event-stream");

  call.content_type = "a\r\nX-Smuggled: b";
  ck_assert_int_ne (kwi_instance_prepare (groq.in, &call, &r, &err), 0);

  char path[5000] = "/";
  memset (path + 1, 'x', sizeof path - 2);
  call.content_type = NULL;
  call.path = path;
  ck_assert_int_ne (kwi_instance_prepare (groq.in, &call, &r, &err), 0);
  ck_assert_msg (strstr (err.message, "4095 bytes") != NULL, "%s", err.message);
  kwi_request_clear (&r);
}
END_TEST

START_TEST (the_plugin_says_what_it_is)
{
  const struct kw_provider *p = kwi_plugin_provider (groq.plugin);

  ck_assert_str_eq (p->name, "groq");
  ck_assert_str_eq (p->default_base_url, "https://api.groq.com/openai/v1");
  ck_assert_str_eq (p->default_model, "llama-3.3-70b-versatile");
  ck_assert_str_eq (p->key_env, "GROQ_API_KEY GROQ_API_KEY_BACKUP, GROQ_API_KEY_#");
  ck_assert_uint_eq (p->thread_model, KW_THREAD_PARALLEL);
  ck_assert_uint_eq (p->caps, 0);
}
END_TEST

#define N(array) ((int) (sizeof (array) / sizeof (array)[0]))

static Suite *
groq_suite (void)
{
  Suite *s = suite_create ("groq");
  TCase *tc = tcase_create ("groq");

  tcase_add_checked_fixture (tc, setup, teardown);
  add_corpus_tests (tc);
  add_verdict_tests (tc);
  tcase_add_loop_test (tc, a_dimension_is_read_from_its_letters_or_words, 0, N (dimensions));
  tcase_add_loop_test (tc, a_stated_wait_is_read_to_the_millisecond, 0, N (waits));
  tcase_add_loop_test (tc, an_empty_dimension_is_settled_by_arithmetic, 0, N (empties));
  tcase_add_test (tc, the_unit_of_an_empty_dimension_is_told_by_type);
  tcase_add_test (tc, the_texts_wait_goes_before_the_headers_and_that_before_arithmetic);
  tcase_add_test (tc, names_are_read_whole_or_not_at_all);
  tcase_add_test (tc, numbers_saturate_and_thousands_may_be_separated);
  tcase_add_test (tc, a_decimal_comma_in_the_locale_changes_nothing);
  tcase_add_test (tc, headers_are_the_days_requests_and_the_minutes_tokens);
  tcase_add_test (tc, headers_that_say_nothing_make_no_bucket);
  tcase_add_test (tc, usage_is_read_from_answers_and_last_chunks);
  tcase_add_test (tc, a_request_is_the_callers_body_at_the_base_url);
  tcase_add_test (tc, the_plugin_says_what_it_is);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (groq_suite)

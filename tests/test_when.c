/* test_when - the reader of times that all plugins share (plugins/kit/when).
 * when-instants.c has dates and the calendar; waits, words and noise are here. */
#include "whentest.h"

#define MS KWP_WAIT_MAX

/* ---- Waits --------------------------------------------------------------- */

static const struct {
  const char *text;
  int64_t seconds, ms;          /* as kwp_seconds and as kwp_wait_ms read it */
} numbers[] = {
  { "120", 120000, 120 }, { "0", 0, 0 }, { "0.5", 500, 1 }, { "20.0", 20000, 20 },
  { "58", 58000, 58 }, { "1234.5", 1234500, 1235 }, { "007", 7000, 7 },
  { "0.001", 1, 1 }, { "0.0010000", 1, 1 }, { "0.0011", 2, 1 }, { "0.0000001", 1, 1 },
  { "578.016", 578016, 579 }, { "0.999999", 1000, 1 }, { "0.9999999", 1000, 1 },
  { "18.044916869", 18045, 19 }, { "1.0000000000000000000000000001", 1001, 2 },
  { " 12 ", 12000, 12 }, { "\t12\r\n", 12000, 12 },
  { "34560000", MS, 34560000 }, { "34559999", MS - 1000, 34559999 },
  { "34559999.9999", MS, 34560000 }, { "34560000000", MS, MS }, { "34560000001", MS, MS },
  { "9223372036854775807", MS, MS }, { "9223372036854775808", MS, MS },
  { "99999999999999999999999999999999999999", MS, MS },
  { "0.99999999999999999999999999999999999999999", 1000, 1 },
  { "", -1, -1 }, { " ", -1, -1 }, { "-1", -1, -1 }, { "+1", -1, -1 }, { ".5", -1, -1 },
  { "5.", -1, -1 }, { "5..5", -1, -1 }, { "1.2.3", -1, -1 }, { "5,5", -1, -1 },
  { "1e3", -1, -1 }, { "0x10", -1, -1 }, { "12s", -1, -1 }, { "12 s", -1, -1 },
  { "12 13", -1, -1 }, { "12, 12", -1, -1 }, { "nan", -1, -1 }, { "inf", -1, -1 },
  { "null", -1, -1 }, { "\xff", -1, -1 }, { "\xd9\xa1", -1, -1 }, { NULL, -1, -1 },
};

START_TEST (a_number_is_seconds_or_milliseconds_and_nothing_else)
{
  for (int i = 0; i < N (numbers); i++) {
    const char *s = numbers[i].text;
    WANT ("kwp_seconds", s, kwp_seconds (s), numbers[i].seconds);
    WANT ("kwp_wait_ms", s, kwp_wait_ms (s), numbers[i].ms);
  }
}
END_TEST

static const struct {
  const char *text;
  int64_t ms;
} durations[] = {
  { "9m38.016s", 578016 }, { "2h22m12.864s", 8532864 }, { "7m12.5s", 432500 },
  { "1h2m3s", 3723000 }, { "120ms", 120 }, { "6m0s", 360000 }, { "467.069948ms", 468 },
  { "22s", 22000 }, { "1m26.4s", 86400 }, { "28m48s", 1728000 }, { "174ms", 174 },
  { "19h34m29.838605682s", 70469839 }, { "0s", 0 }, { "0", -1 }, { "1s", 1000 },
  { "8.64s", 8640 }, { "7.66s", 7660 }, { "1m0.36s", 60360 }, { "578.016s", 578016 },
  { "350us", 1 }, { "350\302\265s", 1 }, { "350\316\274s", 1 }, { "12ns", 1 }, { "0ns", 0 },
  { "1000001ns", 2 }, { "1d", KWP_DAY }, { "1d2h", 26 * KWP_HOUR }, { "26h0m1s", 93601000 },
  { "0.5h", 1800000 }, { "1.5d", 36 * KWP_HOUR }, { "1s1s", 2000 }, { "400d", MS },
  { "399d24h", MS }, { "401d", MS }, { "400d400d400d400d", MS }, { "9600h0.1s", MS },
  { "99999999999999999999999999999h", MS }, { "99999999999999999999999999999ns", MS },
  { "0.00000000000000000000000000000000001s", 1 },
  { "9m3", -1 }, { "9", -1 }, { "9.", -1 }, { "9m3.", -1 }, { "5 s", -1 }, { "5x", -1 },
  { ".5s", -1 }, { "-5s", -1 }, { "+5s", -1 }, { "s", -1 }, { "", -1 }, { "5S", -1 },
  { "5.s", -1 }, { "5..0s", -1 }, { "\302\265s", -1 }, { "PT5S", -1 }, { NULL, -1 },
};

START_TEST (a_duration_is_read_exactly_and_rounded_up)
{
  for (int i = 0; i < N (durations); i++) {
    const char *s = durations[i].text;
    WANT ("kwp_duration", s, kwp_duration (s), durations[i].ms);
    if (s != NULL && strcmp (s, "0") != 0 && strcmp (s, "9") != 0) /* these are seconds */
      WANT ("kwp_wait", s, kwp_wait (s, 0), durations[i].ms);
  }
}
END_TEST

START_TEST (what_stands_behind_a_duration_is_not_its_business)
{
  ck_assert_int_eq (kwp_duration ("2s. Visit https://example.com"), 2000);
  ck_assert_int_eq (kwp_duration ("2s.5"), 2000);
  ck_assert_int_eq (kwp_duration ("1m, and"), 60000);
  ck_assert_int_eq (kwp_duration ("1m 5s"), 60000);
  ck_assert_int_eq (kwp_wait ("2s.", 0), -1);   /* but a field is a whole */
  ck_assert_int_eq (kwp_wait ("1m 5s", 0), -1);
}
END_TEST

#define NOW INT64_C (1767362591000) /* 2026-01-02T14:03:11Z */

static const struct {
  const char *text;
  int64_t ms;
} waits[] = {
  { "58", 58000 }, { "0.5", 500 }, { "0", 0 }, { " 22s ", 22000 }, { "120ms", 120 },
  { "6m0s", 360000 }, { "1m26.4s", 86400 }, { "999999999", MS }, { "86400", KWP_DAY },
  { "2026-01-02T14:03:12Z", 1000 }, { "2026-01-02T14:03:10Z", 0 },
  { "2026-01-02T14:03:11Z", 0 }, { "2026-01-02T14:03:11.0000001Z", 1 },
  { "2026-01-02 15:04:11+01:00", 60000 }, { "1970-01-01T00:00:00Z", 0 },
  { "0001-01-01T00:00:00Z", 0 }, { "9999-12-31T23:59:59Z", MS },
  { "Fri, 02 Jan 2026 14:04:11 GMT", 60000 }, { "Friday, 02-Jan-26 14:04:11 GMT", 60000 },
  { "Fri Jan  2 14:04:11 2026", 60000 }, { "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
  { "1767362651", 60000 }, { "1767362651000", 60000 }, { "1767362651.5", 60500 },
  { "1767362590", 0 }, { "1767362590999", 0 }, { "1000000000", 0 },
  { "99999999999999999999999999", MS },
  { "", -1 }, { "-1", -1 }, { "soon", -1 }, { "58 seconds", -1 }, { "9m3", -1 },
  { "2026-01-02", -1 }, { NULL, -1 },
};

START_TEST (a_wait_is_read_in_each_form_that_one_is_stated_in)
{
  for (int i = 0; i < N (waits); i++)
    WANT ("kwp_wait", waits[i].text, kwp_wait (waits[i].text, NOW), waits[i].ms);
}
END_TEST

START_TEST (a_clock_far_off_breaks_no_wait)
{
  static const int64_t clocks[] = { INT64_MIN, -1, 0, INT64_MAX };

  for (int i = 0; i < N (clocks); i++) {
    ck_assert_int_eq (kwp_wait ("58", clocks[i]), 58000);
    ck_assert_int_eq (kwp_wait ("2026-01-02T14:03:11Z", clocks[i]),
                      clocks[i] > 0 ? 0 : KWP_WAIT_MAX);
    ck_assert_int_eq (kwp_wait ("1970-01-01T00:00:01Z", clocks[i]), clocks[i] > 0 ? 0 : 1000);
    ck_assert_int_gt (kwp_next_midnight_utc (clocks[i]), 0);
    ck_assert_int_gt (kwp_next_midnight_pacific (clocks[i]), 0);
    ck_assert_int_gt (kwp_next_month_utc (clocks[i]), 0);
  }
  ck_assert_int_eq (kwp_next_midnight_utc (INT64_MIN), KWP_DAY);
  ck_assert_int_eq (kwp_next_midnight_utc (INT64_MAX), KWP_INSTANT_MAX + 1);
}
END_TEST

/* ---- In words -------------------------------------------------------------- */

static const struct {
  const char *text;
  int64_t ms;
} words[] = {
  { "Please try again in 7m12s.", 432000 }, { "Please try again in 7m12.5s. Visit", 432500 },
  { "Please retry in 18.04s", 18040 }, { "Please retry in 467.069948ms.", 468 },
  { "Please retry in 19h34m29.838605682s.", 70469839 }, { "Please try again in 174ms.", 174 },
  { "Please retry after 37 seconds.", 37000 }, { "Please retry after 86400 seconds.", KWP_DAY },
  { "Please wait 4 seconds before retrying.", 4000 }, { "Try again in 2 seconds.", 2000 },
  { "try again in 5 minutes", 300000 }, { "in 1 hour", KWP_HOUR }, { "in 1 second", 1000 },
  { "Rate limit of 10 per 60s exceeded. Please wait 4 seconds before retrying.", 4000 },
  { "60 requests in 60 seconds are allowed. Retry after 5 seconds.", 5000 },
  { "Wait and try again in 3 seconds", 3000 }, { "TRY AGAIN IN 3 SECONDS", 3000 },
  { "Please wait for 10 seconds", 10000 }, { "wait at least 10 seconds", 10000 },
  { "wait about 2 minutes", 120000 }, { "retry in ~20s", 20000 }, { "retry-after: 5 s", 5000 },
  { "Your limit resets in 2 hours and 5 minutes.", 7500000 }, { "Resets in 2h 5m.", 7500000 },
  { "resets in 1 day, 2 hours", 26 * KWP_HOUR }, { "wait 1 min 30 sec", 90000 },
  { "available in 1.5 hours", 5400000 }, { "wait 350\302\265s", 1 }, { "wait 2 hrs", 7200000 },
  { "retry in 5 seconds 3 members", 5000 }, { "retry in 1 hour and a bit", KWP_HOUR },
  { "try again in (5 seconds)", 5000 }, { "please wait another 250 milliseconds", 250 },
  { "retry in 99999999999999999999 days", MS }, { "retry in 300 days 300 days", MS },
  { "try again in 9m3", -1 }, { "try again in 37", -1 }, { "try again in 37 se", -1 },
  { "retry in 5 members", -1 }, { "try again in a moment", -1 }, { "wait -5 seconds", -1 },
  { "10 per 60s", -1 }, { "Limit 20 per 86400s exceeded", -1 }, { "tokens per min", -1 },
  { "within 5 seconds", -1 }, { "await 5 seconds", -1 }, { "begin 5 seconds", -1 },
  { "Please try again later.", -1 }, { "try again in ", -1 }, { "in", -1 }, { "wait", -1 },
  { "wait for for for ~~~((( ", -1 }, { "", -1 }, { NULL, -1 },
};

START_TEST (a_wait_in_words_is_read_where_it_is_one)
{
  for (int i = 0; i < N (words); i++)
    WANT ("kwp_text_wait", words[i].text, kwp_text_wait (words[i].text), words[i].ms);
}
END_TEST

static const struct {
  const char *text;
  int when[6];
} said[] = {
  { "You will regain access on 2026-09-01 at 00:00 UTC.", { 2026, 9, 1, 0, 0, 0 } },
  { "resets at 2026-01-02T14:03:11Z.", { 2026, 1, 2, 14, 3, 11 } },
  { "resets at 2026-01-02 14:03:11 (UTC)", { 2026, 1, 2, 14, 3, 11 } },
  { "until 2026-01-02, 14:03 GMT, or later", { 2026, 1, 2, 14, 3, 0 } },
  { "until 2026-01-02T14:03:11-08:00", { 2026, 1, 2, 22, 3, 11 } },
  { "version 2023-05-15: back on 2026-09-01 at 00:00 UTC", { 2026, 9, 1, 0, 0, 0 } },
  { "2026-13-01 at 00:00 UTC, 2026-09-01 AT 00:00 utc", { 2026, 9, 1, 0, 0, 0 } },
  { "on 2026-09-01 at 00:00", NONE }, { "on 2026-09-01", NONE },
  { "on 2026-09-01 at 00:00 PST", NONE }, { "on 12026-09-01 at 00:00 UTC", NONE },
  { "on 2026-09-01 at 00:0", NONE }, { "on 2026-09-31 at 00:00 UTC", NONE },
  { "API version 2024-10-01-preview have exceeded", NONE }, { "", NONE }, { NULL, NONE },
};

START_TEST (an_instant_in_words_needs_a_time_and_a_zone)
{
  for (int i = 0; i < N (said); i++) {
    int64_t want = said[i].when[0] == 0 ? -1 : AT (said[i].when);
    WANT ("kwp_text_instant", said[i].text, kwp_text_instant (said[i].text), want);
  }
}
END_TEST

/* ---- Noise ------------------------------------------------------------------ */

/* Texts of the letters that times are made of, each in memory of its own size,
 * so that ASan sees every step beyond it. */
START_TEST (noise_is_read_within_its_bounds)
{
  static const char letters[] = "0123456789012345678901234567890123456789.:-+ TZhmsdn,at"
                                "GMTUSunFeb/wi\xc2\xb5\xff\x01";
  uint64_t seed = UINT64_C (0x9e3779b97f4a7c15);
  int rounds = kwtest_scaled (400000);

  for (int i = 0; i < rounds; i++) {
    size_t len = (size_t) (seed >> 59);
    char *s = malloc (len + 1);

    if (s == NULL)
      ck_abort_msg ("no memory");
    for (size_t k = 0; k < len; k++) {
      seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
      s[k] = i % 4 == 0 ? (char) (seed >> 56) : letters[seed % (sizeof letters - 1)];
    }
    s[len] = '\0';
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;

    int64_t got[] = {
      kwp_seconds (s), kwp_wait_ms (s), kwp_duration (s), kwp_wait (s, (int64_t) seed),
      kwp_text_wait (s), kwp_instant (s), kwp_text_instant (s),
    };
    for (int k = 0; k < N (got); k++)
      if (got[k] < -1 || got[k] > (k < 5 ? KWP_WAIT_MAX : KWP_INSTANT_MAX))
        ck_abort_msg ("reader %d of \"%s\": %" PRId64, k, s, got[k]);
    free (s);
  }
}
END_TEST

static Suite *
when_suite (void)
{
  Suite *s = suite_create ("when");
  TCase *tc = tcase_create ("when");

  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, a_number_is_seconds_or_milliseconds_and_nothing_else);
  tcase_add_test (tc, a_duration_is_read_exactly_and_rounded_up);
  tcase_add_test (tc, what_stands_behind_a_duration_is_not_its_business);
  tcase_add_test (tc, a_wait_is_read_in_each_form_that_one_is_stated_in);
  tcase_add_test (tc, a_clock_far_off_breaks_no_wait);
  add_instant_tests (tc);
  tcase_add_test (tc, a_wait_in_words_is_read_where_it_is_one);
  tcase_add_test (tc, an_instant_in_words_needs_a_time_and_a_zone);
  tcase_add_test (tc, noise_is_read_within_its_bounds);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (when_suite)

/* test_fail - how errors, durations and times are written. */
#include <string.h>

#include <keywheel/keywheel.h>

#include "fail.h"
#include "kwtest.h"

static const struct { int64_t ms; const char *text; } durations[] = {
  { 0, "0ms" }, { -5, "0ms" }, { 250, "250ms" }, { 999, "999ms" },
  { 1000, "1s" }, { 1500, "1.5s" }, { 1501, "1.6s" }, { 59900, "59.9s" }, { 59901, "1m0s" },
  { 60000, "1m0s" }, { 432500, "7m13s" }, { 3600000, "1h0m0s" },
  { 8532864, "2h22m13s" }, { 86400000, "1d0h0m" }, { 90061000, "1d1h1m" },
  { INT64_MAX, "106751991167d7h12m" },
};

START_TEST (durations_are_rounded_up)
{
  char buf[32];

  ck_assert_str_eq (kwi_duration_text (durations[_i].ms, buf, sizeof buf),
                    durations[_i].text);
}
END_TEST

START_TEST (a_time_has_its_date_when_it_is_far)
{
  const int64_t t = INT64_C (1767362591000); /* 2026-01-02T14:03:11Z */
  char buf[32];

  ck_assert_str_eq (kwi_time_text (t, t - 432500, buf, sizeof buf), "14:03:11Z");
  ck_assert_str_eq (kwi_time_text (t - 1, t - 432500, buf, sizeof buf),
                    "14:03:11Z");
  ck_assert_str_eq (kwi_time_text (t, t - 86400000, buf, sizeof buf),
                    "2026-01-02T14:03:11Z");
}
END_TEST

START_TEST (a_message_is_one_line_of_whole_characters)
{
  struct kw_error e = KW_ERROR_INIT;
  char lengthy[2048];
  size_t i;

  ck_assert_int_eq (kwi_fail (&e, KW_ERR_USAGE, "a\nb\033[1m%d", 7), KW_ERR_USAGE);
  ck_assert_str_eq (e.message, "a?b?[1m7");
  ck_assert_int_eq (e.code, KW_ERR_USAGE);
  for (i = 0; i + 2 < sizeof lengthy; i += 2)
    memcpy (lengthy + i, "\xc3\xa9", 2);
  lengthy[i] = '\0';
  (void) kwi_fail (&e, KW_ERR_USAGE, "x%s", lengthy);
  ck_assert_uint_eq (strlen (e.message), sizeof e.message - 1);
  (void) kwi_fail (&e, KW_ERR_USAGE, "%s", lengthy);
  ck_assert_uint_eq (strlen (e.message), sizeof e.message - 2);
}
END_TEST

START_TEST (no_error_struct_or_one_not_begun_is_fine)
{
  struct kw_error e;

  memset (&e, 0, sizeof e);
  ck_assert_int_eq (kwi_fail (NULL, KW_ERR_AUTH, "x"), KW_ERR_AUTH);
  ck_assert_int_eq (kwi_fail (&e, KW_ERR_AUTH, "x"), KW_ERR_AUTH);
  ck_assert_int_eq (e.code, 0);
}
END_TEST

START_TEST (every_code_has_a_name_and_the_designs_exit_code)
{
  static const struct { int code, exit_code; } codes[] = {
    { 0, 0 }, { KW_ERR_INTERNAL, 1 }, { KW_ERR_MEMORY, 1 }, { KW_ERR_USAGE, 2 },
    { KW_ERR_SETTINGS, 2 }, { KW_ERR_AUTH, 3 }, { KW_ERR_EXHAUSTED, 4 },
    { KW_ERR_SWITCHES, 4 }, { KW_ERR_BILLING, 4 }, { KW_ERR_RATE_LIMIT, 5 },
    { KW_ERR_REFUSED, 6 }, { KW_ERR_UNAVAILABLE, 7 }, { KW_ERR_TIMEOUT, 7 },
    { KW_ERR_DEADLINE, 7 }, { KW_ERR_TOO_LARGE, 7 }, { KW_ERR_CANCELLED, 130 },
  };
  size_t i, j;

  for (i = 0; i < sizeof codes / sizeof codes[0]; i++) {
    ck_assert_int_eq (kw_error_exit_code (codes[i].code), codes[i].exit_code);
    ck_assert_str_ne (kw_error_name (codes[i].code), "unknown");
    for (j = 0; j < i; j++)
      ck_assert_str_ne (kw_error_name (codes[i].code),
                        kw_error_name (codes[j].code));
  }
  ck_assert_str_eq (kw_error_name (-9999), "unknown");
  ck_assert_str_eq (kw_verdict_name (KW_VERDICT_DAILY_LIMIT), "DAILY_LIMIT");
  ck_assert_str_eq (kw_verdict_name (99), "UNKNOWN");
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("fail");
  TCase *tc = tcase_create ("fail");

  tcase_add_loop_test (tc, durations_are_rounded_up, 0,
                       (int) (sizeof durations / sizeof durations[0]));
  tcase_add_test (tc, a_time_has_its_date_when_it_is_far);
  tcase_add_test (tc, a_message_is_one_line_of_whole_characters);
  tcase_add_test (tc, no_error_struct_or_one_not_begun_is_fine);
  tcase_add_test (tc, every_code_has_a_name_and_the_designs_exit_code);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)

/* test_when - the reader of times that all plugins share (plugins/kit/when).
 * Expected instants are written as dates, and come from the C library. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "kwtest.h"

#include "../plugins/kit/when.h"

#define N(array) ((int) (sizeof (array) / sizeof (array)[0]))
#define MS KWP_WAIT_MAX

/* Unix time in ms, by the C library. */
static int64_t
at (int year, int month, int day, int hour, int minute, int second)
{
  struct tm tm = {
    .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day,
    .tm_hour = hour, .tm_min = minute, .tm_sec = second,
  };
  return (int64_t) timegm (&tm) * 1000;
}

#define WANT(f, in, got, want)                                          \
  ck_assert_msg ((got) == (want), "%s (\"%s\") is %" PRId64 ", and should be %" PRId64, \
                 f, in, (int64_t) (got), (int64_t) (want))

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
  const char *s = numbers[_i].text;
  WANT ("kwp_seconds", s, kwp_seconds (s), numbers[_i].seconds);
  WANT ("kwp_wait_ms", s, kwp_wait_ms (s), numbers[_i].ms);
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
  const char *s = durations[_i].text;
  WANT ("kwp_duration", s, kwp_duration (s), durations[_i].ms);
  if (s != NULL && strcmp (s, "0") != 0 && strcmp (s, "9") != 0) /* these are seconds */
    WANT ("kwp_wait", s, kwp_wait (s, 0), durations[_i].ms);
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
  WANT ("kwp_wait", waits[_i].text, kwp_wait (waits[_i].text, NOW), waits[_i].ms);
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

/* ---- Instants ------------------------------------------------------------- */

#define NONE { 0, 0, 0, 0, 0, 0 }

static const struct {
  const char *text;
  int when[6];                  /* year 0: no instant */
  int ms;
} instants[] = {
  { "1970-01-01T00:00:00Z", { 1970, 1, 1, 0, 0, 0 }, 0 },
  { "1970-01-01T00:00:00.001Z", { 1970, 1, 1, 0, 0, 0 }, 1 },
  { "1969-12-31T23:59:59Z", { 1970, 1, 1, 0, 0, 0 }, 0 },
  { "1970-01-01T00:00:00+14:00", { 1970, 1, 1, 0, 0, 0 }, 0 },
  { "0001-01-01T00:00:00Z", { 1970, 1, 1, 0, 0, 0 }, 0 },
  { "0000-01-01T00:00:00Z", { 1970, 1, 1, 0, 0, 0 }, 0 },
  { "0000-02-29T00:00:00Z", { 1970, 1, 1, 0, 0, 0 }, 0 },
  { "2026-01-02T14:03:11Z", { 2026, 1, 2, 14, 3, 11 }, 0 },
  { "2026-01-02t14:03:11z", { 2026, 1, 2, 14, 3, 11 }, 0 },
  { "2026-01-02 14:03:11Z", { 2026, 1, 2, 14, 3, 11 }, 0 },
  { "2026-01-02 14:03:11 UTC", { 2026, 1, 2, 14, 3, 11 }, 0 },
  { " 2026-01-02T14:03:11Z\n", { 2026, 1, 2, 14, 3, 11 }, 0 },
  { "2026-01-02T14:03Z", { 2026, 1, 2, 14, 3, 0 }, 0 },
  { "2026-01-02T14:03:11.5Z", { 2026, 1, 2, 14, 3, 11 }, 500 },
  { "2026-01-02T14:03:11.123456Z", { 2026, 1, 2, 14, 3, 11 }, 124 },
  { "2026-01-02T14:03:11.123000000Z", { 2026, 1, 2, 14, 3, 11 }, 123 },
  { "2026-01-02T14:03:11.9999999Z", { 2026, 1, 2, 14, 3, 12 }, 0 },
  { "2026-01-02T14:03:11.000000000000000000000001Z", { 2026, 1, 2, 14, 3, 11 }, 1 },
  { "2026-01-02T14:03:11+00:00", { 2026, 1, 2, 14, 3, 11 }, 0 },
  { "2026-01-02T14:03:11-00:00", { 2026, 1, 2, 14, 3, 11 }, 0 },
  { "2026-01-02T14:03:11+05:30", { 2026, 1, 2, 8, 33, 11 }, 0 },
  { "2026-01-02T14:03:11-08:00", { 2026, 1, 2, 22, 3, 11 }, 0 },
  { "2026-01-02T14:03:11-0800", { 2026, 1, 2, 22, 3, 11 }, 0 },
  { "2025-12-31T23:30:00-01:00", { 2026, 1, 1, 0, 30, 0 }, 0 },
  { "2016-12-31T23:59:60Z", { 2017, 1, 1, 0, 0, 0 }, 0 },
  { "2024-02-29T12:00:00Z", { 2024, 2, 29, 12, 0, 0 }, 0 },
  { "2000-02-29T12:00:00Z", { 2000, 2, 29, 12, 0, 0 }, 0 },
  { "2038-01-19T03:14:08Z", { 2038, 1, 19, 3, 14, 8 }, 0 },
  { "2400-02-29T00:00:00Z", { 2400, 2, 29, 0, 0, 0 }, 0 },
  { "9999-12-31T23:59:59.999Z", { 9999, 12, 31, 23, 59, 59 }, 999 },
  { "9999-12-31T23:59:59-23:59", { 9999, 12, 31, 23, 59, 59 }, 999 },
  { "2025-02-29T12:00:00Z", NONE, 0 }, { "1900-02-29T12:00:00Z", NONE, 0 },
  { "2100-02-29T12:00:00Z", NONE, 0 }, { "2026-04-31T00:00:00Z", NONE, 0 },
  { "2026-00-10T00:00:00Z", NONE, 0 }, { "2026-13-10T00:00:00Z", NONE, 0 },
  { "2026-01-00T00:00:00Z", NONE, 0 }, { "2026-01-32T00:00:00Z", NONE, 0 },
  { "2026-01-02T24:00:00Z", NONE, 0 }, { "2026-01-02T23:60:00Z", NONE, 0 },
  { "2026-01-02T23:59:61Z", NONE, 0 }, { "2026-01-02T23:59:00+24:00", NONE, 0 },
  { "2026-01-02T23:59:00+01:60", NONE, 0 }, { "2026-01-02T14:03:11", NONE, 0 },
  { "2026-01-02T14:03:11+", NONE, 0 }, { "2026-01-02T14:03:11+1", NONE, 0 },
  { "2026-01-02T14:03:11+01", NONE, 0 }, { "2026-01-02T14:03:11+01:0", NONE, 0 },
  { "2026-01-02T14:03:11Zx", NONE, 0 }, { "2026-01-02T14:03:11Z 1", NONE, 0 },
  { "2026-01-02T14:03:11 UTC+2", NONE, 0 }, { "2026-01-02T14:03:11 PST", NONE, 0 },
  { "2026-01-02T14:03:1Z", NONE, 0 }, { "2026-01-02T14:03:111Z", NONE, 0 },
  { "2026-01-02T14:3:11Z", NONE, 0 }, { "2026-1-2T14:03:11Z", NONE, 0 },
  { "26-01-02T14:03:11Z", NONE, 0 }, { "12026-01-02T14:03:11Z", NONE, 0 },
  { "2026-01-02T14:03:11.Z", NONE, 0 }, { "2026-01-02T14:03:11,5Z", NONE, 0 },
  { "2026/01/02T14:03:11Z", NONE, 0 }, { "20260102T140311Z", NONE, 0 },
  { "-026-01-02T14:03:11Z", NONE, 0 }, { "2026-01-02", NONE, 0 },
  { "2026-01-02X14:03:11Z", NONE, 0 }, { "2026-01-02 at 14:03:11Z", NONE, 0 },
  /* HTTP's: of now, of RFC 850, of asctime. */
  { "Sun, 06 Nov 1994 08:49:37 GMT", { 1994, 11, 6, 8, 49, 37 }, 0 },
  { "Sunday, 06-Nov-94 08:49:37 GMT", { 1994, 11, 6, 8, 49, 37 }, 0 },
  { "Sun Nov  6 08:49:37 1994", { 1994, 11, 6, 8, 49, 37 }, 0 },
  { "Wed Nov 16 08:49:37 1994", { 1994, 11, 16, 8, 49, 37 }, 0 },
  { "Thu, 29 Feb 2024 23:59:60 GMT", { 2024, 3, 1, 0, 0, 0 }, 0 },
  { "Wednesday, 31-Dec-69 00:00:00 GMT", { 2069, 12, 31, 0, 0, 0 }, 0 },
  { "Thursday, 01-Jan-70 00:00:00 GMT", { 1970, 1, 1, 0, 0, 0 }, 0 },
  { "Saturday, 02-Jan-26 00:00:00 GMT", { 2026, 1, 2, 0, 0, 0 }, 0 },
  { "SUN, 06 NOV 1994 08:49:37 gmt", { 1994, 11, 6, 8, 49, 37 }, 0 },
  { "Sun, 06-Nov-1994 08:49:37 GMT", { 1994, 11, 6, 8, 49, 37 }, 0 },
  { "Sun, 06 Nov 1994 08:49:37 +0000", { 1994, 11, 6, 8, 49, 37 }, 0 },
  { "Sun, 06 Nov 1994 08:49:37", NONE, 0 }, { "Sun, 06 Nov 1994 08:49:37 PST", NONE, 0 },
  { "06 Nov 1994 08:49:37 GMT", NONE, 0 }, { "Sun, 6 Nov 1994 08:49:37 GMT", NONE, 0 },
  { "Sun, 06 Nov 199 08:49:37 GMT", NONE, 0 }, { "Sun, 31 Nov 1994 08:49:37 GMT", NONE, 0 },
  { "Sun, 06 Foo 1994 08:49:37 GMT", NONE, 0 }, { "Foo, 06 Nov 1994 08:49:37 GMT", NONE, 0 },
  { "Sund, 06 Nov 1994 08:49:37 GMT", NONE, 0 }, { "Sun, 06 Nov 1994", NONE, 0 },
  { "Sun, 29 Feb 2025 08:49:37 GMT", NONE, 0 }, { "Sun, 06 Nov 1994 08:49:37 GMT!", NONE, 0 },
  { "Sun, 06 Nov 1994 24:00:00 GMT", NONE, 0 }, { "Sun, 00 Nov 1994 08:49:37 GMT", NONE, 0 },
  { "Sun Nov 6 08:49:37 1994", NONE, 0 }, { "Sun Nov  6 08:49:37 94", NONE, 0 },
  { "Sun Nov  6 08:49:37 1994 GMT", NONE, 0 }, { "Sun Nov 06 1994", NONE, 0 },
  { "Sun", NONE, 0 }, { "Sun,", NONE, 0 }, { "Sun Nov", NONE, 0 },
  /* Unix time, in each unit that it is written in. */
  { "1767362591", { 2026, 1, 2, 14, 3, 11 }, 0 },
  { "1767362591.25", { 2026, 1, 2, 14, 3, 11 }, 250 },
  { "1767362591.0001", { 2026, 1, 2, 14, 3, 11 }, 1 },
  { "1767362591.9999999", { 2026, 1, 2, 14, 3, 12 }, 0 },
  { "1767362591250", { 2026, 1, 2, 14, 3, 11 }, 250 },
  { "1767362591250.5", { 2026, 1, 2, 14, 3, 11 }, 251 },
  { "1767362591250001", { 2026, 1, 2, 14, 3, 11 }, 251 },
  { "1767362591250000000", { 2026, 1, 2, 14, 3, 11 }, 250 },
  { "1000000000", { 2001, 9, 9, 1, 46, 40 }, 0 },
  { "99999999999", { 5138, 11, 16, 9, 46, 39 }, 0 },
  { "100000000000", { 1973, 3, 3, 9, 46, 40 }, 0 },
  { "99999999999999", { 5138, 11, 16, 9, 46, 39 }, 999 },
  { "100000000000000", { 1973, 3, 3, 9, 46, 40 }, 0 },
  { "9223372036854775807", { 9999, 12, 31, 23, 59, 59 }, 999 },
  { "99999999999999999999999999", { 9999, 12, 31, 23, 59, 59 }, 999 },
  { "999999999", NONE, 0 }, { "999999999.9", NONE, 0 }, { "0", NONE, 0 }, { "1", NONE, 0 },
  { "-1767362591", NONE, 0 }, { "1767362591s", NONE, 0 }, { "1767362591 2", NONE, 0 },
  { "1.767362591e9", NONE, 0 }, { "", NONE, 0 }, { " ", NONE, 0 }, { "22s", NONE, 0 },
  { "tomorrow", NONE, 0 }, { NULL, NONE, 0 },
};

START_TEST (an_instant_is_read_in_each_form_that_one_is_written_in)
{
  const int *w = instants[_i].when;
  int64_t want = w[0] == 0 ? -1 : at (w[0], w[1], w[2], w[3], w[4], w[5]) + instants[_i].ms;
  WANT ("kwp_instant", instants[_i].text, kwp_instant (instants[_i].text), want);
}
END_TEST

/* A text that was cut anywhere may state an earlier time, or none; it is never
 * read beyond its end (a copy of its own, for ASan), nor as a later one. */
START_TEST (a_cut_text_never_means_later)
{
  const char *s = instants[_i].text;
  int64_t whole = kwp_instant (s);

  for (size_t len = 0; s != NULL && whole >= 0 && len < strlen (s); len++) {
    char *cut = strndup (s, len);
    int64_t got = kwp_instant (cut);
    ck_assert_msg (got <= whole || strspn (s, " 0123456789.\n") > 10,
                   "\"%s\" is %" PRId64 ", after \"%s\"", cut, got, s);
    free (cut);
  }
}
END_TEST

/* Every day from 1970 to 2400, at another time each, and every 97th to 9999. */
START_TEST (the_calendar_is_the_c_librarys)
{
  for (int64_t day = 0; day < 2932897; day += day < 157054 ? 1 : 97) {
    time_t t = (time_t) (day * 86400 + day * 7919 % 86400);
    struct tm tm;
    char text[64];

    ck_assert_ptr_nonnull (gmtime_r (&t, &tm));
    ck_assert_uint_gt (strftime (text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm), 0);
    WANT ("kwp_instant", text, kwp_instant (text), (int64_t) t * 1000);
    tm.tm_mon++;                /* the first of the month after */
    tm.tm_mday = 1;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    WANT ("kwp_next_month_utc", text, kwp_next_month_utc ((int64_t) t * 1000 + 999),
          (int64_t) timegm (&tm) * 1000);
  }
}
END_TEST

/* ---- Ends of days --------------------------------------------------------- */

static const struct {
  int now[6];                   /* UTC */
  int pacific[6], month[6];     /* what comes next, in UTC */
} ends[] = {
  { { 2026, 1, 1, 0, 0, 0 }, { 2026, 1, 1, 8, 0, 0 }, { 2026, 2, 1, 0, 0, 0 } },
  { { 2026, 1, 1, 7, 59, 59 }, { 2026, 1, 1, 8, 0, 0 }, { 2026, 2, 1, 0, 0, 0 } },
  { { 2026, 1, 1, 8, 0, 0 }, { 2026, 1, 2, 8, 0, 0 }, { 2026, 2, 1, 0, 0, 0 } },
  { { 2025, 12, 31, 23, 59, 59 }, { 2026, 1, 1, 8, 0, 0 }, { 2026, 1, 1, 0, 0, 0 } },
  { { 2024, 2, 28, 12, 0, 0 }, { 2024, 2, 29, 8, 0, 0 }, { 2024, 3, 1, 0, 0, 0 } },
  { { 2024, 2, 29, 23, 59, 59 }, { 2024, 3, 1, 8, 0, 0 }, { 2024, 3, 1, 0, 0, 0 } },
  { { 2025, 2, 28, 23, 59, 59 }, { 2025, 3, 1, 8, 0, 0 }, { 2025, 3, 1, 0, 0, 0 } },
  { { 2026, 7, 1, 6, 59, 59 }, { 2026, 7, 1, 7, 0, 0 }, { 2026, 8, 1, 0, 0, 0 } },
  { { 2026, 7, 1, 7, 0, 0 }, { 2026, 7, 2, 7, 0, 0 }, { 2026, 8, 1, 0, 0, 0 } },
  { { 2026, 7, 1, 7, 30, 0 }, { 2026, 7, 2, 7, 0, 0 }, { 2026, 8, 1, 0, 0, 0 } },
  /* 2026: from March 8th, 2:00 (a day of 23 hours), to November 1st, 2:00 (25). */
  { { 2026, 3, 7, 9, 0, 0 }, { 2026, 3, 8, 8, 0, 0 }, { 2026, 4, 1, 0, 0, 0 } },
  { { 2026, 3, 8, 8, 0, 0 }, { 2026, 3, 9, 7, 0, 0 }, { 2026, 4, 1, 0, 0, 0 } },
  { { 2026, 3, 8, 9, 59, 59 }, { 2026, 3, 9, 7, 0, 0 }, { 2026, 4, 1, 0, 0, 0 } },
  { { 2026, 3, 8, 10, 0, 0 }, { 2026, 3, 9, 7, 0, 0 }, { 2026, 4, 1, 0, 0, 0 } },
  { { 2026, 3, 9, 6, 59, 59 }, { 2026, 3, 9, 7, 0, 0 }, { 2026, 4, 1, 0, 0, 0 } },
  { { 2026, 3, 9, 7, 0, 0 }, { 2026, 3, 10, 7, 0, 0 }, { 2026, 4, 1, 0, 0, 0 } },
  { { 2026, 11, 1, 6, 59, 59 }, { 2026, 11, 1, 7, 0, 0 }, { 2026, 12, 1, 0, 0, 0 } },
  { { 2026, 11, 1, 7, 0, 0 }, { 2026, 11, 2, 8, 0, 0 }, { 2026, 12, 1, 0, 0, 0 } },
  { { 2026, 11, 1, 9, 0, 0 }, { 2026, 11, 2, 8, 0, 0 }, { 2026, 12, 1, 0, 0, 0 } },
  { { 2026, 11, 2, 7, 59, 59 }, { 2026, 11, 2, 8, 0, 0 }, { 2026, 12, 1, 0, 0, 0 } },
  { { 2026, 11, 2, 8, 0, 0 }, { 2026, 11, 3, 8, 0, 0 }, { 2026, 12, 1, 0, 0, 0 } },
  { { 9999, 12, 31, 23, 0, 0 }, { 10000, 1, 1, 8, 0, 0 }, { 10000, 1, 1, 0, 0, 0 } },
  { { 1970, 1, 1, 0, 0, 0 }, { 1970, 1, 1, 8, 0, 0 }, { 1970, 2, 1, 0, 0, 0 } },
};

START_TEST (a_day_of_california_and_a_month_end_where_they_do)
{
#define AT(w) at ((w)[0], (w)[1], (w)[2], (w)[3], (w)[4], (w)[5])
  int64_t now = AT (ends[_i].now);
  char text[64];
  int n = snprintf (text, sizeof text, "row %d, %" PRId64, _i, now);

  ck_assert (n > 0 && (size_t) n < sizeof text);
  WANT ("kwp_next_midnight_pacific", text, kwp_next_midnight_pacific (now),
        AT (ends[_i].pacific));
  WANT ("kwp_next_month_utc", text, kwp_next_month_utc (now), AT (ends[_i].month));
  WANT ("kwp_next_midnight_utc", text, kwp_next_midnight_utc (now),
        now - now % KWP_DAY + KWP_DAY);
}
END_TEST

/* The days on which the clocks change, as the law's tables list them. */
static const struct { int year, march, november; } changes[] = {
  { 2007, 11, 4 }, { 2008, 9, 2 }, { 2015, 8, 1 }, { 2020, 8, 1 }, { 2023, 12, 5 },
  { 2024, 10, 3 }, { 2025, 9, 2 }, { 2026, 8, 1 }, { 2027, 14, 7 }, { 2028, 12, 5 },
  { 2029, 11, 4 }, { 2030, 10, 3 }, { 2032, 14, 7 }, { 2037, 8, 1 },
};

START_TEST (californias_clocks_change_on_the_days_of_the_law)
{
  int year = changes[_i].year, march = changes[_i].march, november = changes[_i].november;

  ck_assert_int_eq (kwp_next_midnight_pacific (at (year, 3, march, 1, 0, 0)),
                    at (year, 3, march, 8, 0, 0));
  ck_assert_int_eq (kwp_next_midnight_pacific (at (year, 3, march, 12, 0, 0)),
                    at (year, 3, march + 1, 7, 0, 0));
  ck_assert_int_eq (kwp_next_midnight_pacific (at (year, 11, november, 1, 0, 0)),
                    at (year, 11, november, 7, 0, 0));
  ck_assert_int_eq (kwp_next_midnight_pacific (at (year, 11, november, 12, 0, 0)),
                    at (year, 11, november + 1, 8, 0, 0));
}
END_TEST

START_TEST (the_next_end_is_later_and_at_most_one_long_day_away)
{
  for (int64_t now = 0; now < at (2100, 1, 1, 0, 0, 0); now += 7 * KWP_HOUR + 11 * KWP_MINUTE) {
    int64_t utc = kwp_next_midnight_utc (now) - now;
    int64_t pacific = kwp_next_midnight_pacific (now) - now;
    int64_t month = kwp_next_month_utc (now) - now;

    ck_assert_msg (utc > 0 && utc <= KWP_DAY && pacific > 0 && pacific <= 25 * KWP_HOUR
                   && month > 0 && month <= 31 * KWP_DAY, "at %" PRId64, now);
  }
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
  WANT ("kwp_text_wait", words[_i].text, kwp_text_wait (words[_i].text), words[_i].ms);
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
  int64_t want = said[_i].when[0] == 0 ? -1 : AT (said[_i].when);
  WANT ("kwp_text_instant", said[_i].text, kwp_text_instant (said[_i].text), want);
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
  const char *scale = getenv ("KW_TEST_SCALE");
  int rounds = 400000 / (scale != NULL && strtol (scale, NULL, 10) > 0
                         ? (int) strtol (scale, NULL, 10) : 1);

  for (int i = 0; i < rounds; i++) {
    size_t len = (size_t) (seed >> 59);
    char *s = malloc (len + 1);

    ck_assert_ptr_nonnull (s);
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
      ck_assert_msg (got[k] >= -1 && got[k] <= (k < 5 ? KWP_WAIT_MAX : KWP_INSTANT_MAX),
                     "reader %d of \"%s\": %" PRId64, k, s, got[k]);
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
  tcase_add_loop_test (tc, a_number_is_seconds_or_milliseconds_and_nothing_else, 0, N (numbers));
  tcase_add_loop_test (tc, a_duration_is_read_exactly_and_rounded_up, 0, N (durations));
  tcase_add_test (tc, what_stands_behind_a_duration_is_not_its_business);
  tcase_add_loop_test (tc, a_wait_is_read_in_each_form_that_one_is_stated_in, 0, N (waits));
  tcase_add_test (tc, a_clock_far_off_breaks_no_wait);
  tcase_add_loop_test (tc, an_instant_is_read_in_each_form_that_one_is_written_in, 0,
                       N (instants));
  tcase_add_loop_test (tc, a_cut_text_never_means_later, 0, N (instants));
  tcase_add_test (tc, the_calendar_is_the_c_librarys);
  tcase_add_loop_test (tc, a_day_of_california_and_a_month_end_where_they_do, 0, N (ends));
  tcase_add_loop_test (tc, californias_clocks_change_on_the_days_of_the_law, 0, N (changes));
  tcase_add_test (tc, the_next_end_is_later_and_at_most_one_long_day_away);
  tcase_add_loop_test (tc, a_wait_in_words_is_read_where_it_is_one, 0, N (words));
  tcase_add_loop_test (tc, an_instant_in_words_needs_a_time_and_a_zone, 0, N (said));
  tcase_add_test (tc, noise_is_read_within_its_bounds);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (when_suite)

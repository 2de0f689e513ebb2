/* when-instants - dates in each form, the calendar, and where days and months
 * end.  A part of test_when.  Expected instants come from the C library. */
#include "whentest.h"

/* ---- Instants ------------------------------------------------------------- */

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
  for (int i = 0; i < N (instants); i++) {
    const int *w = instants[i].when;
    int64_t want = w[0] == 0 ? -1 : AT (w) + instants[i].ms;
    WANT ("kwp_instant", instants[i].text, kwp_instant (instants[i].text), want);
  }
}
END_TEST

/* A text that was cut anywhere may state an earlier time, or none; it is never
 * read beyond its end (a copy of its own, for ASan), nor as a later one. */
START_TEST (a_cut_text_never_means_later)
{
  for (int i = 0; i < N (instants); i++) {
    const char *s = instants[i].text;
    int64_t whole = kwp_instant (s);

    for (size_t len = 0; s != NULL && whole >= 0 && len < strlen (s); len++) {
      char *cut = strndup (s, len);
      int64_t got = kwp_instant (cut);
      ck_assert_msg (got <= whole || strspn (s, " 0123456789.\n") > 10,
                     "\"%s\" is %" PRId64 ", after \"%s\"", cut, got, s);
      free (cut);
    }
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

    if (gmtime_r (&t, &tm) == NULL
        || strftime (text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
      ck_abort_msg ("day %" PRId64, day);
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
  for (int i = 0; i < N (ends); i++) {
    int64_t now = AT (ends[i].now);
    char text[64];

    ck_assert_int_gt (snprintf (text, sizeof text, "row %d, %" PRId64, i, now), 0);
    WANT ("kwp_next_midnight_pacific", text, kwp_next_midnight_pacific (now),
          AT (ends[i].pacific));
    WANT ("kwp_next_month_utc", text, kwp_next_month_utc (now), AT (ends[i].month));
    WANT ("kwp_next_midnight_utc", text, kwp_next_midnight_utc (now),
          now - now % KWP_DAY + KWP_DAY);
  }
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
  for (int i = 0; i < N (changes); i++) {
    int year = changes[i].year, march = changes[i].march, november = changes[i].november;
    const struct { int month, day, hour, next_day, next_hour; } ways[] = {
      { 3, march, 1, march, 8 }, { 3, march, 12, march + 1, 7 },
      { 11, november, 1, november, 7 }, { 11, november, 12, november + 1, 8 },
    };

    for (int k = 0; k < N (ways); k++)
      ck_assert_int_eq (
        kwp_next_midnight_pacific (at (year, ways[k].month, ways[k].day, ways[k].hour, 0, 0)),
        at (year, ways[k].month, ways[k].next_day, ways[k].next_hour, 0, 0));
  }
}
END_TEST

START_TEST (the_next_end_is_later_and_at_most_one_long_day_away)
{
  for (int64_t now = 0; now < at (2100, 1, 1, 0, 0, 0); now += 7 * KWP_HOUR + 11 * KWP_MINUTE) {
    int64_t utc = kwp_next_midnight_utc (now) - now;
    int64_t pacific = kwp_next_midnight_pacific (now) - now;
    int64_t month = kwp_next_month_utc (now) - now;

    if (utc <= 0 || utc > KWP_DAY || pacific <= 0 || pacific > 25 * KWP_HOUR
        || month <= 0 || month > 31 * KWP_DAY)
      ck_abort_msg ("at %" PRId64, now);
  }
}
END_TEST

void
add_instant_tests (TCase *tc)
{
  tcase_add_test (tc, an_instant_is_read_in_each_form_that_one_is_written_in);
  tcase_add_test (tc, a_cut_text_never_means_later);
  tcase_add_test (tc, the_calendar_is_the_c_librarys);
  tcase_add_test (tc, a_day_of_california_and_a_month_end_where_they_do);
  tcase_add_test (tc, californias_clocks_change_on_the_days_of_the_law);
  tcase_add_test (tc, the_next_end_is_later_and_at_most_one_long_day_away);
}

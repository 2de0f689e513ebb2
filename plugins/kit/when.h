/* when - the times that providers write: durations, instants, ends of days.
 *
 * All in milliseconds, instants of Unix time.  -1: not that form, cut off, or
 * none at all (NULL).  Waits saturate at KWP_WAIT_MAX, instants at 1970 and at
 * the end of the year 9999; parts of a millisecond count as a whole one, since
 * too late costs less than too early.  Nothing follows the program's locale or
 * time zone, and nothing allocates.  Knows no host: now is given.
 *
 * Blanks round a text do not matter; anything else behind it does, unless the
 * function says that it reads a prefix or looks into a message. */
#ifndef KWP_WHEN_H
#define KWP_WHEN_H

#include <stdint.h>

#define KWP_SECOND INT64_C (1000)
#define KWP_MINUTE (60 * KWP_SECOND)
#define KWP_HOUR   (60 * KWP_MINUTE)
#define KWP_DAY    (24 * KWP_HOUR)
#define KWP_WAIT_MAX (400 * KWP_DAY)
#define KWP_INSTANT_MAX INT64_C (253402300799999) /* 9999-12-31T23:59:59.999Z */

/* ---- Waits -------------------------------------------------------------- */

/* Of a header or a field, in any form that one is stated in: seconds ("58",
 * "0.5": a bare number below 10^9), a duration ("22s", "1m26.4s"), or any
 * instant that kwp_instant reads, from now_ms on; 0 if that has passed.  What
 * a plugin wants unless it knows that only one of the forms can be there. */
int64_t kwp_wait (const char *, int64_t now_ms);

/* "120", "0.5", "20.0": seconds. */
int64_t kwp_seconds (const char *);

/* "1234.5": milliseconds, as in retry-after-ms. */
int64_t kwp_wait_ms (const char *);

/* Go's durations, and days: "2h22m12.864s", "467.069948ms", "6m0s", "120ms",
 * "1d".  A prefix: what stands behind the last unit is not looked at ("2s.
 * Visit ...").  -1 for one that is cut off before its unit ("9m3"). */
int64_t kwp_duration (const char *);

/* ---- Instants ----------------------------------------------------------- */

/* RFC 3339 ("2026-01-02T14:03:11.25Z", "2026-01-02 14:03:11+01:00", and with
 * " UTC"), the three dates of HTTP (RFC 9110, 5.6.7; 2 digits of a year are
 * 1970 to 2069), and Unix time as a number: seconds from 10^9 on, milliseconds
 * from 10^11, microseconds from 10^14, nanoseconds from 10^17, all with or
 * without a fraction.  Without a zone RFC 3339's form is none.  Providers date
 * an idle bucket's reset in 1970 or in the year 1: 0. */
int64_t kwp_instant (const char *);

/* ---- Ends of days and months: the first one after now_ms ---------------- */

int64_t kwp_next_midnight_utc (int64_t now_ms);
/* Of California, by the rules of the USA since 2007. */
int64_t kwp_next_midnight_pacific (int64_t now_ms);
/* 00:00 UTC on the 1st. */
int64_t kwp_next_month_utc (int64_t now_ms);

/* ms (not negative) after now_ms, whatever that is: no overflow. */
static inline int64_t
kwp_after_ms (int64_t now_ms, int64_t ms)
{
  return now_ms > INT64_MAX - ms ? INT64_MAX : now_ms + ms;
}

/* ---- In words ------------------------------------------------------------ */

/* The wait that a message states: "Please try again in 7m12s.", "Please retry
 * in 18.04s", "retry after 37 seconds", "Please wait 4 seconds before
 * retrying", "in 1 hour and 5 minutes".  What stands behind "retry", "wait",
 * "reset" and the like goes before what stands behind a mere "in".  A number
 * without a unit is none, and neither is a window ("10 per 60s"). */
int64_t kwp_text_wait (const char *text);

/* The instant that a message names, with its zone: "You will regain access on
 * 2026-09-01 at 00:00 UTC", "... resets at 2026-01-02T14:03:11Z".  The first
 * one; a date without a time, as in the name of an API version, is none. */
int64_t kwp_text_instant (const char *text);

#endif

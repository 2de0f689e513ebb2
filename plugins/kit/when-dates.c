/* when-dates - the calendar: instants, and where days and months end; see
 * when.h.  By hand, since strptime follows the locale and mktime the zone. */
#include "text.h"
#include "when.h"
#include "when-parts.h"

struct civil {
  int year, month, day;         /* 1 to 12, 1 to 31 */
  int hour, minute, second;
  int64_t micros;
  int east;                     /* of UTC, in minutes */
};

/* ---- The calendar --------------------------------------------------------- */

/* Years begin in March here, so that the day which may be missing is the last
 * one; months from March on have 31 30 31 30 31 days, twice and a bit: 153 in
 * five.  Gregorian, years from 0 on. */
static int64_t
days_of (int year, int month, int day)
{
  int64_t y = year - (month <= 2);
  int64_t days = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

  /* March 1st of the year 0 is 719468 days before 1970.  In the January and
   * February before it y is -1, which the divisions would round to 0. */
  y += 400;
  return y * 365 + y / 4 - y / 100 + y / 400 + days - 719468 - 146097;
}

static int
days_in (int year, int month)
{
  static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
  int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return days[month - 1] + (leap && month == 2);
}

/* The year and month of a day that is not before 1970. */
static void
year_of (int64_t day, int *ret_year, int *ret_month)
{
  int year = (int) (1970 + day / 366), month = 1; /* never too late */

  while (days_of (year + 1, 1, 1) <= day)
    year++;
  while (month < 12 && days_of (year, month + 1, 1) <= day)
    month++;
  *ret_year = year;
  *ret_month = month;
}

/* 0: no such date or time.  A leap second is the next minute's first. */
static int
instant_of (const struct civil *c, int64_t *ret_ms)
{
  int64_t ms;

  if (c->month < 1 || c->month > 12 || c->day < 1 || c->day > days_in (c->year, c->month)
      || c->hour > 23 || c->minute > 59 || c->second > 60)
    return 0;
  ms = days_of (c->year, c->month, c->day) * KWP_DAY + c->hour * KWP_HOUR
       + (c->minute - c->east) * KWP_MINUTE + c->second * KWP_SECOND
       + (c->micros + 999) / 1000;
  *ret_ms = ms < 0 ? 0 : ms < KWP_INSTANT_MAX ? ms : KWP_INSTANT_MAX;
  return 1;
}

/* ---- Parts of dates ------------------------------------------------------- */

static int
read_digits (const char **s, int n, int *ret)
{
  *ret = 0;
  for (; n > 0; n--, (*s)++) {
    if (!kwp_is_digit (**s))
      return 0;
    *ret = *ret * 10 + (**s - '0');
  }
  return !kwp_is_digit (**s);
}

/* The first of the names that stands there, in any case, by its number. */
static int
read_one_of (const char **s, const char *const *names, int n, int *ret)
{
  for (int i = 0; i < n; i++) {
    size_t len = strlen (names[i]);

    if (strncasecmp (*s, names[i], len) == 0) {
      *s += len;
      *ret = i;
      return 1;
    }
  }
  return 0;
}

static int
read_char (const char **s, char c)
{
  if (**s != c)
    return 0;
  (*s)++;
  return 1;
}

static void
skip_blanks (const char **s)
{
  *s += strspn (*s, " \t");
}

/* "14:03", "14:03:11", "14:03:11.25" */
static int
read_clock (const char **s, struct civil *c)
{
  struct kwp_number n;

  if (!read_digits (s, 2, &c->hour) || !read_char (s, ':')
      || !read_digits (s, 2, &c->minute))
    return 0;
  if ((*s)[0] != ':')
    return 1;
  (*s)++;
  if (!kwp_is_digit ((*s)[0]) || !kwp_is_digit ((*s)[1]) || kwp_is_digit ((*s)[2])
      || !kwp_read_number (s, &n))
    return 0;
  c->second = (int) n.whole;
  c->micros = n.millionths;
  return 1;
}

/* "Z", "UTC", "GMT", "+01:00", "-0800" */
static int
read_zone (const char **s, struct civil *c)
{
  static const char *const names[] = { "utc", "gmt", "z" };
  int hours, minutes, sign = **s == '-' ? -1 : 1, name;

  if (read_one_of (s, names, KWP_ARRAY_SIZE (names), &name))
    return !((**s >= 'a' && **s <= 'z') || (**s >= 'A' && **s <= 'Z')
             || kwp_is_digit (**s) || **s == '+' || **s == '-'); /* "UTC+2" */
  if (!read_char (s, '+') && !read_char (s, '-'))
    return 0;
  for (hours = 0; hours < 4 && kwp_is_digit ((*s)[hours]); hours++)
    ;
  if (hours == 4) {             /* without the colon */
    if (!read_digits (s, 4, &minutes))
      return 0;
    hours = minutes / 100;
    minutes %= 100;
  } else if (!read_digits (s, 2, &hours) || !read_char (s, ':')
             || !read_digits (s, 2, &minutes)) {
    return 0;
  }
  c->east = sign * (hours * 60 + minutes);
  return hours <= 23 && minutes <= 59;
}

/* ---- Dates ---------------------------------------------------------------- */

int
kwp_read_date (const char **s, int words, int64_t *ret_ms)
{
  struct civil c = { 0 };

  if (!read_digits (s, 4, &c.year) || !read_char (s, '-')
      || !read_digits (s, 2, &c.month) || !read_char (s, '-')
      || !read_digits (s, 2, &c.day))
    return 0;
  if (words) {
    *s += strspn (*s, ", ");
    if (strncasecmp (*s, "at ", 3) == 0)
      *s += 3;
  }
  if (!read_char (s, 'T') && !read_char (s, 't') && !read_char (s, ' ') && !words)
    return 0;
  if (!read_clock (s, &c))
    return 0;
  skip_blanks (s);
  if (words)
    (void) read_char (s, '(');
  return read_zone (s, &c) && instant_of (&c, ret_ms);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT" and
 * "Sun Nov  6 08:49:37 1994", which is of UTC too. */
static int
read_http_date (const char **s, int64_t *ret_ms)
{
  static const char *const days[] = {
    "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday",
    "sun", "mon", "tue", "wed", "thu", "fri", "sat",
  };
  static const char *const months[] = {
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
  };
  struct civil c = { 0 };
  int ignored;                  /* the day of the week says nothing new */

  if (kwp_is_digit (**s))       /* a duration is what most headers have */
    return 0;
  if (!read_one_of (s, days, KWP_ARRAY_SIZE (days), &ignored))
    return 0;
  (void) read_char (s, ',');
  skip_blanks (s);
  if (kwp_is_digit (**s)) {
    if (!read_digits (s, 2, &c.day) || (**s != ' ' && **s != '-'))
      return 0;
    (*s)++;
    if (!read_one_of (s, months, KWP_ARRAY_SIZE (months), &c.month)
        || (**s != ' ' && **s != '-'))
      return 0;
    (*s)++;
    const char *year = *s;
    if (!read_digits (s, 4, &c.year)) {
      *s = year;
      if (!read_digits (s, 2, &c.year))
        return 0;
      c.year += c.year < 70 ? 2000 : 1900;
    }
    if (!read_char (s, ' ') || !read_clock (s, &c) || !read_char (s, ' ')
        || !read_zone (s, &c))
      return 0;
  } else {
    if (!read_one_of (s, months, KWP_ARRAY_SIZE (months), &c.month)
        || !read_char (s, ' ')
        || !read_digits (s, read_char (s, ' ') ? 1 : 2, &c.day)
        || !read_char (s, ' ') || !read_clock (s, &c)
        || !read_char (s, ' ') || !read_digits (s, 4, &c.year))
      return 0;
  }
  c.month++;
  return instant_of (&c, ret_ms);
}

/* Which of the units it is, its size tells: the bounds are years apart. */
static int
read_unix_time (const char **s, int64_t *ret_ms)
{
  struct kwp_number n;
  int64_t ms;

  if (!kwp_read_number (s, &n) || n.whole < INT64_C (1000000000))
    return 0;
  if (n.whole < INT64_C (100000000000))
    ms = n.whole * KWP_SECOND + (n.millionths + 999) / 1000;
  else if (n.whole < INT64_C (100000000000000))
    ms = n.whole + (n.millionths > 0);
  else if (n.whole < INT64_C (100000000000000000))
    ms = (n.whole + 999) / 1000;
  else
    ms = n.whole == INT64_MAX ? KWP_INSTANT_MAX : (n.whole - 1) / KWP_MS_NS + 1;
  *ret_ms = ms < KWP_INSTANT_MAX ? ms : KWP_INSTANT_MAX;
  return 1;
}

static int
read_rfc3339 (const char **s, int64_t *ret_ms)
{
  return kwp_read_date (s, 0, ret_ms);
}

int64_t
kwp_instant (const char *s)
{
  static int (*const forms[]) (const char **, int64_t *) = {
    read_unix_time, read_rfc3339, read_http_date,
  };
  int64_t ms;

  if (s == NULL)
    return -1;
  skip_blanks (&s);
  for (size_t i = 0; i < KWP_ARRAY_SIZE (forms); i++) {
    const char *p = s;

    if (forms[i] (&p, &ms) && kwp_at_end (p))
      return ms;
  }
  return -1;
}

/* ---- Ends of days and months ---------------------------------------------- */

/* A clock that is far off must not make a loop long or a sum too large. */
static int64_t
sane (int64_t now_ms)
{
  return now_ms < 0 ? 0 : now_ms < KWP_INSTANT_MAX ? now_ms : KWP_INSTANT_MAX;
}

int64_t
kwp_next_midnight_utc (int64_t now_ms)
{
  return (sane (now_ms) / KWP_DAY + 1) * KWP_DAY;
}

int64_t
kwp_next_month_utc (int64_t now_ms)
{
  int year, month;

  year_of (sane (now_ms) / KWP_DAY, &year, &month);
  return month < 12 ? days_of (year, month + 1, 1) * KWP_DAY
                    : days_of (year + 1, 1, 1) * KWP_DAY;
}

/* The n-th Sunday of a month.  1970 began on a Thursday: day 3 is a Sunday. */
static int64_t
sunday (int year, int month, int n)
{
  int64_t first = days_of (year, month, 1);
  return first + (3 + 7 - first % 7) % 7 + 7 * (n - 1);
}

/* Where a day of California begins.  Clocks change at 2:00: the day of a change
 * still begins by the old time.  15 U.S.C. 260a. */
static int64_t
pacific_midnight (int64_t day)
{
  int year, month;

  year_of (day, &year, &month);
  int summer = day > sunday (year, 3, 2) && day <= sunday (year, 11, 1);
  return day * KWP_DAY + (summer ? 7 : 8) * KWP_HOUR;
}

int64_t
kwp_next_midnight_pacific (int64_t now_ms)
{
  int64_t now = sane (now_ms), day = now / KWP_DAY; /* or the one before */

  while (pacific_midnight (day) <= now)
    day++;
  return pacific_midnight (day);
}

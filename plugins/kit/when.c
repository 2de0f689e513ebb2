/* when - numbers and durations, and the waits they state; see when.h.  Exact,
 * in whole numbers: in binary fractions 578.016 s is a hair more than that. */
#include "text.h"
#include "when.h"
#include "when-parts.h"

int
kwp_at_end (const char *s)
{
  return s[strspn (s, " \t\r\n")] == '\0';
}

int
kwp_read_number (const char **s, struct kwp_number *ret)
{
  const char *p = *s;
  int64_t place = 100000;
  int more = 0;                 /* digits behind the sixth, not all 0     */

  if (!kwp_is_digit (*p))
    return 0;
  *ret = (struct kwp_number) { 0, 0 };
  for (; kwp_is_digit (*p); p++)
    ret->whole = ret->whole <= (INT64_MAX - 9) / 10 ? ret->whole * 10 + (*p - '0')
                                                    : INT64_MAX;
  if (p[0] == '.' && kwp_is_digit (p[1]))
    for (p++; kwp_is_digit (*p); p++, place /= 10) {
      ret->millionths += (*p - '0') * place;
      more |= place == 0 && *p != '0';
    }
  ret->millionths += more;
  *s = p;
  return 1;
}

/* Units of a millisecond and more are whole numbers of them, so that their
 * millionths are exact; of smaller ones the millionths are rounded up. */
int64_t
kwp_span (const struct kwp_number *n, int64_t unit_ns)
{
  const int64_t max_ns = KWP_WAIT_MAX * KWP_MS_NS;
  int64_t part_ns = unit_ns >= KWP_MS_NS
                    ? unit_ns / KWP_MS_NS * n->millionths
                    : (unit_ns * n->millionths + KWP_MS_NS - 1) / KWP_MS_NS;

  if (n->whole >= max_ns / unit_ns)
    return KWP_WAIT_MAX;
  int64_t ms = (n->whole * unit_ns + part_ns + KWP_MS_NS - 1) / KWP_MS_NS;
  return ms < KWP_WAIT_MAX ? ms : KWP_WAIT_MAX;
}

/* ---- Durations ----------------------------------------------------------- */

/* "1m26.4s", up to the first thing that is no digit behind a unit. */
static int
read_duration (const char **s, int64_t *ret_ms)
{
  static const struct {
    const char *name;
    int64_t ns;
  } units[] = {                 /* "ms" before "m"                        */
    { "ms", KWP_MS_NS }, { "us", 1000 }, { "\302\265s", 1000 }, { "\316\274s", 1000 },
    { "ns", KWP_NS }, { "d", KWP_DAY * KWP_MS_NS }, { "h", KWP_HOUR * KWP_MS_NS },
    { "m", KWP_MINUTE * KWP_MS_NS }, { "s", KWP_SECOND * KWP_MS_NS },
  };
  struct kwp_number n;

  if (!kwp_is_digit (**s))
    return 0;
  *ret_ms = 0;
  while (kwp_read_number (s, &n)) {
    size_t i = 0;

    while (i < KWP_ARRAY_SIZE (units)
           && (**s != units[i].name[0] || !kwp_starts_with (*s, units[i].name)))
      i++;
    if (i == KWP_ARRAY_SIZE (units))
      return 0;
    *ret_ms += kwp_span (&n, units[i].ns);
    if (*ret_ms > KWP_WAIT_MAX)
      *ret_ms = KWP_WAIT_MAX;
    *s += strlen (units[i].name);
  }
  return 1;
}

int64_t
kwp_duration (const char *s)
{
  int64_t ms;
  return s != NULL && read_duration (&s, &ms) ? ms : -1;
}

/* ---- Headers and fields --------------------------------------------------- */

static int64_t
number_of (const char *s, int64_t unit_ns)
{
  struct kwp_number n;

  if (s == NULL)
    return -1;
  s += strspn (s, " \t");
  return kwp_read_number (&s, &n) && kwp_at_end (s) ? kwp_span (&n, unit_ns) : -1;
}

int64_t
kwp_seconds (const char *s)
{
  return number_of (s, KWP_SECOND * KWP_MS_NS);
}

int64_t
kwp_wait_ms (const char *s)
{
  return number_of (s, KWP_MS_NS);
}

/* "2m59.56s": a letter behind the first number, as no instant has it and no
 * number of seconds. */
static int
has_unit (const char *s)
{
  while (kwp_is_digit (*s))
    s++;
  if (*s == '.')
    s++;
  while (kwp_is_digit (*s))
    s++;
  return *s >= 'a' && *s <= 'z';
}

int64_t
kwp_wait (const char *s, int64_t now_ms)
{
  int64_t at, ms;

  if (s == NULL)
    return -1;
  if (kwp_is_digit (*s) && has_unit (s))
    return read_duration (&s, &ms) && kwp_at_end (s) ? ms : -1;
  at = kwp_instant (s);
  if (at >= 0) {
    if (now_ms < 0)
      now_ms = 0;
    ms = at > now_ms ? at - now_ms : 0;
    return ms < KWP_WAIT_MAX ? ms : KWP_WAIT_MAX;
  }
  ms = kwp_seconds (s);
  if (ms >= 0)
    return ms;
  s += strspn (s, " \t");
  return read_duration (&s, &ms) && kwp_at_end (s) ? ms : -1;
}

/* when-words - waits and instants that a message states in words; see when.h.
 * Only for providers that say them nowhere else. */
#include "text.h"
#include "when.h"
#include "when-parts.h"

static int
is_letter (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || ((unsigned char) c & 0x80) != 0;
}

/* Longer names before what they begin with. */
static int
read_unit (const char **s, int64_t *ret_ns)
{
  enum { MS = 0, S = 1, MIN = 2, H = 3, D = 4, US = 5, NS = 6 };
  static const int64_t ns[] = {
    KWP_MS_NS, KWP_SECOND * KWP_MS_NS, KWP_MINUTE * KWP_MS_NS, KWP_HOUR * KWP_MS_NS,
    KWP_DAY * KWP_MS_NS, 1000, KWP_NS,
  };
  static const struct {
    const char *name;
    int unit;
  } units[] = {
    { "milliseconds", MS }, { "millisecond", MS }, { "ms", MS },
    { "seconds", S }, { "second", S }, { "secs", S }, { "sec", S }, { "s", S },
    { "minutes", MIN }, { "minute", MIN }, { "mins", MIN }, { "min", MIN }, { "m", MIN },
    { "hours", H }, { "hour", H }, { "hrs", H }, { "hr", H }, { "h", H },
    { "days", D }, { "day", D }, { "d", D },
    { "us", US }, { "\302\265s", US }, { "\316\274s", US }, { "ns", NS },
  };

  for (size_t i = 0; i < KWP_ARRAY_SIZE (units); i++) {
    size_t len = strlen (units[i].name);

    if (strncasecmp (*s, units[i].name, len) == 0 && !is_letter ((*s)[len])) {
      *s += len;
      *ret_ns = ns[units[i].unit];
      return 1;
    }
  }
  return 0;
}

/* "7m12.5s", "37 seconds", "1 hour and 5 minutes", "~20s"; -1 if neither. */
static int64_t
span_at (const char *s)
{
  static const char *const fillers[] = {
    "for ", "about ", "approximately ", "around ", "at least ", "another ", "~", ":", "(", " ",
  };
  struct kwp_number n;
  int64_t total = 0, unit;
  size_t i = 0;

  while (i < KWP_ARRAY_SIZE (fillers)) /* in any order, each any times */
    if (strncasecmp (s, fillers[i], strlen (fillers[i])) == 0) {
      s += strlen (fillers[i]);
      i = 0;
    } else {
      i++;
    }

  for (int first = 1; ; first = 0) {
    const char *p = s;

    if (!kwp_read_number (&p, &n))
      return first ? -1 : total;
    p += strspn (p, " -");      /* "a 5-minute wait", "5 minutes" */
    if (!read_unit (&p, &unit))
      /* Without a blank it was cut off ("9m3"); with one, another sentence's. */
      return first || is_letter (s[-1]) ? -1 : total;
    total += kwp_span (&n, unit);
    if (total > KWP_WAIT_MAX)
      total = KWP_WAIT_MAX;
    s = p + strspn (p, " ,");
    if (strncasecmp (s, "and ", 4) == 0)
      s += 4;
  }
}

/* The first that stands behind one of the words, which begin a word. */
static int64_t
span_behind (const char *text, const char *const *words, size_t n)
{
  for (const char *s = text; *s != '\0'; s++) {
    if (s > text && is_letter (s[-1]))
      continue;
    for (size_t i = 0; i < n; i++) {
      size_t len = strlen (words[i]);
      int64_t ms = strncasecmp (s, words[i], len) == 0 ? span_at (s + len) : -1;

      if (ms >= 0)
        return ms;
    }
  }
  return -1;
}

int64_t
kwp_text_wait (const char *text)
{
  static const char *const waits[] = {
    "again in ", "again after ", "retry in ", "retry after ", "retry-after", "retry_after",
    "retrying in ", "retrying after ", "wait ", "waiting ", "reset in ", "resets in ",
    "reset after ", "resets after ", "available in ", "available again in ",
  };
  static const char *const others[] = { "in ", "after " };
  int64_t ms;

  if (text == NULL)
    return -1;
  ms = span_behind (text, waits, KWP_ARRAY_SIZE (waits));
  return ms >= 0 ? ms : span_behind (text, others, KWP_ARRAY_SIZE (others));
}

int64_t
kwp_text_instant (const char *text)
{
  int64_t ms;

  if (text == NULL)
    return -1;
  for (const char *s = text; *s != '\0'; s++) {
    const char *p = s;

    if ((s == text || !kwp_is_digit (s[-1])) && kwp_read_date (&p, 1, &ms))
      return ms;
  }
  return -1;
}

/* when - the times that providers write; see when.h. */
#include "text.h"
#include "when.h"

/* Rounded up.  .999 and not 1: in binary, 578016 may come out a hair more. */
static int64_t
whole_ms (double ms)
{
  return ms < (double) KWP_WAIT_MAX ? (int64_t) (ms + 0.999) : KWP_WAIT_MAX;
}

int64_t
kwp_duration (const char *s)
{
  static const struct {
    const char *name;
    double ms;
  } units[] = {                 /* "ms" before "m"                        */
    { "ms", 1 }, { "us", 1e-3 }, { "\302\265s", 1e-3 }, { "ns", 1e-6 },
    { "h", KWP_HOUR }, { "m", KWP_MINUTE }, { "s", KWP_SECOND },
  };
  double total = 0;

  if (s == NULL || !kwp_is_digit (*s))
    return -1;
  while (kwp_is_digit (*s)) {
    double value = 0, place = 1;
    size_t i = 0;

    for (; kwp_is_digit (*s); s++)
      value = value * 10 + (*s - '0');
    if (*s == '.')
      for (s++; kwp_is_digit (*s); s++)
        value += (*s - '0') * (place /= 10);
    while (i < KWP_ARRAY_SIZE (units) && !kwp_starts_with (s, units[i].name))
      i++;
    if (i == KWP_ARRAY_SIZE (units))
      return -1;
    total += value * units[i].ms;
    s += strlen (units[i].name);
  }
  return whole_ms (total);
}

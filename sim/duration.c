/* duration - times as Go writes them (see duration.h). */
#include "duration.h"

#include <stdio.h>

/* Whole and fraction of a unit, the fraction without trailing zeros. */
static int
put_fraction (char *buf, size_t size, int64_t whole, int64_t part, int digits,
              const char *unit)
{
  if (part == 0)
    return snprintf (buf, size, "%lld%s", (long long) whole, unit);
  while (part % 10 == 0) {
    part /= 10;
    digits--;
  }
  return snprintf (buf, size, "%lld.%0*lld%s", (long long) whole, digits,
                   (long long) part, unit);
}

const char *
sim_go_duration (int64_t us, char *buf, size_t size)
{
  int64_t minutes = us / 60000000, hours = minutes / 60;
  int n = 0;

  if (us < 1000)
    us = 1000;
  if (us < 1000000)
    n = put_fraction (buf, size, us / 1000, us % 1000, 3, "ms");
  else {
    if (hours > 0)
      n = snprintf (buf, size, "%lldh%lldm", (long long) hours,
                    (long long) (minutes % 60));
    else if (minutes > 0)
      n = snprintf (buf, size, "%lldm", (long long) minutes);
    if (n >= 0 && (size_t) n < size)
      n = put_fraction (buf + n, size - (size_t) n, us / 1000000 % 60,
                        us % 1000000, 6, "s");
  }
  if (n < 0 && size > 0)
    buf[0] = '\0';
  return buf;
}

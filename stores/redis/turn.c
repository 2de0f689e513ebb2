/* turn - one call of the host (see turn.h). */
#include "turn.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t
redis_ticks (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int
redis_turn_left (const struct redis_turn *turn)
{
  int64_t left = turn->deadline - redis_ticks ();

  return left <= 0 ? 0 : left < INT_MAX ? (int) left : INT_MAX;
}

int
redis_away (struct redis_turn *turn, const char *fmt, ...)
{
  char *text = turn->why->text;
  size_t size = sizeof turn->why->text;
  int n = snprintf (text, size, "%s: ", turn->where);
  va_list ap;

  if (n < 0 || (size_t) n >= size)
    n = 0;                      /* the reason matters more than the place */
  va_start (ap, fmt);
  if (vsnprintf (text + n, size - (size_t) n, fmt, ap) < 0)
    text[n] = '\0';
  va_end (ap);
  return KW_STORE_AWAY;
}

void
redis_away_hint (struct redis_turn *turn, const char *hint)
{
  char *text = turn->why->text;
  size_t n = strlen (text);

  snprintf (text + n, sizeof turn->why->text - n, "%s", hint);
}

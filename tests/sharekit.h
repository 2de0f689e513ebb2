/* sharekit - for the suites of processes that share a state: what a sharer says of a
 * store that does not answer in time, as where the machine stands still. */
#ifndef SHAREKIT_H
#define SHAREKIT_H

#include <string.h>

#include "kwtest.h"

static inline int
sharekit_has (const char *line, const char *end, const char *text)
{
  const char *at = strstr (line, text);

  return at != NULL && at < end;
}

/* How often it was so; nothing else may have been said, and it must have come back,
 * unless the sharer may have ended before. */
static inline int
sharekit_times_away (int i, const char *said, int may_end_away)
{
  const char *line, *end;
  int n = 0, is_away = 0;

  for (line = said; (end = strchr (line, '\n')) != NULL; line = end + 1) {
    is_away = sharekit_has (line, end, "the state is not shared for now: ");
    n += is_away;
    ck_assert_msg (is_away || sharekit_has (line, end, "the state is shared again: "),
                   "sharer %d said: %s", i, said);
  }
  ck_assert_msg (!is_away || may_end_away, "sharer %d said: %s", i, said);
  return n;
}

#endif

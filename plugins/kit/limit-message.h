/* limit-message - what a text says of a limit: which one, its numbers, whose.
 * Knows no host, no HTTP and no provider: only text, from outside. */
#ifndef KWP_LIMIT_MESSAGE_H
#define KWP_LIMIT_MESSAGE_H

#include <stdint.h>

/* For what a text does not say: -1 in numbers, "" in names. */
struct kwp_limit {
  int64_t limit, used, requested;
  int64_t wait_ms;              /* for a request of this size             */
  int64_t window_ms;            /* a month counts 30 days                 */
  char unit[24];                /* "tokens", also where the window is not
                                   known                                  */
  char dimension[32];           /* "tokens_per_day"                       */
  char account[64];
  char model[96];
};

/* type is the error's, or ""; header_ms the wait that a header states, or -1.
 * The text's own wait goes before that, and both before arithmetic. */
void kwp_read_limit (const char *text, const char *type, int64_t header_ms,
                     struct kwp_limit *);

/* Whose key it was, where the text names the organization, team or workspace;
 * "" else. */
void kwp_read_account (const char *text, char *buf, uint64_t size);

/* The name of a window, "day", by its length; NULL for others than those of
 * a second to a month. */
const char *kwp_window_name (int64_t ms);

/* The window whose length is nearest in ratio: a day, an hour or a minute. */
int64_t kwp_nearest_window (double ms);

/* "tokens_per_day", or "" where ms is no window. */
void kwp_dimension (char *buf, uint64_t size, const char *unit, int64_t ms);

#endif

/* turn - one call of the host: until when it may last, and what is said of it
 * if it fails.  Knows nothing of servers. */
#ifndef REDIS_TURN_H
#define REDIS_TURN_H

#include <stdint.h>

#include <keywheel/store.h>

struct redis_turn {
  int64_t deadline;             /* of redis_ticks                         */
  const char *where;            /* what each text begins with             */
  struct kw_store_error *why;
};

/* Milliseconds of a clock that nobody sets. */
int64_t redis_ticks (void);
/* For poll: what is left of the turn, 0 at the end. */
int redis_turn_left (const struct redis_turn *);

/* "WHERE: TEXT" into why; KW_STORE_AWAY. */
int redis_away (struct redis_turn *, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));
/* More of the same text. */
void redis_away_hint (struct redis_turn *, const char *);

#endif

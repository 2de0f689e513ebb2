/* when - the times that providers write: durations, instants, ends of days.
 *
 * All in milliseconds, instants of Unix time.  -1: not that form, or none at
 * all (NULL).  Everything saturates at KWP_WAIT_MAX from now, nothing follows
 * the program's locale or time zone, and nothing allocates.  Knows no host:
 * now is given. */
#ifndef KWP_WHEN_H
#define KWP_WHEN_H

#include <stdint.h>

#define KWP_SECOND INT64_C (1000)
#define KWP_MINUTE (60 * KWP_SECOND)
#define KWP_HOUR   (60 * KWP_MINUTE)
#define KWP_DAY    (24 * KWP_HOUR)
#define KWP_WAIT_MAX (400 * KWP_DAY)

/* Go's durations: "2h22m12.864s", "467.069948ms", "6m0s", "120ms"; what stands
 * behind the last unit is not looked at ("2s. Visit ...").  -1 for anything
 * else, and for one that is cut off before its unit ("9m3").  Rounded up. */
int64_t kwp_duration (const char *);

#endif

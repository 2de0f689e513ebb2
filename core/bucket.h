/* bucket - one allowance of a provider's, kept going between two sightings.
 * A limit of L per window W refills steadily at L/W (rolling) or all at once at
 * the window's end (fixed).  A level is what was seen last, less what has
 * refilled since, plus what was sent since: several requests in flight do not
 * all count on the same room.
 * Pure: allocates nothing, asks for no time, knows neither keys nor models. */
#ifndef KWI_BUCKET_H
#define KWI_BUCKET_H

#include <stdint.h>

#include "instance.h"           /* struct kwi_bucket */

#define KWI_NEVER INT64_MAX     /* blocked, no reset known */

/* Zeroed: nothing is known, and everything passes. */
struct kwi_level {
  int64_t limit;                /* 0: nothing is known                    */
  int64_t window_ms;            /* 0: fixed, of unknown length            */
  int64_t used;                 /* as of at_ms; what was booked later, too */
  int64_t at_ms;                /* rolling: see used; fixed: when the window
                                   ends, and nothing is used              */
  int64_t sent;                 /* booked so far, ever                    */
  int64_t seen;                 /* what of it the last sighting had in it */
  int64_t entered, left;        /* the line of those that wait: what has ever
                                   come, and gone                         */
  uint32_t rolling;
  uint32_t _reserved;
};

/* An answer showed b.  mark: what kwi_level_book returned for the request it
 * answers.  refused: that request is not in its numbers; and whatever we
 * thought, they hold.  A sighting without numbers changes nothing, nor does one
 * of a request sent before that of the last sighting. */
void kwi_level_see (struct kwi_level *, const struct kwi_bucket *b,
                    int64_t mark, int refused, int64_t seen_ms);

/* What is used, and what is left, also by those that wait: 0 or more;
 * INT64_MAX: nothing is known. */
int64_t kwi_level_used (const struct kwi_level *, int64_t now_ms);
int64_t kwi_level_room (const struct kwi_level *, int64_t now_ms);

/* When nothing is used any more, if nothing more is: at or before now_ms where that
 * is so; KWI_NEVER: nothing is known. */
int64_t kwi_level_full (const struct kwi_level *, int64_t now_ms);

/* When n will pass, behind those that wait: now_ms, or the first millisecond at
 * which it does; KWI_NEVER: n is more than the limit. */
int64_t kwi_level_ready (const struct kwi_level *, int64_t n, int64_t now_ms);

/* A request of n goes out; returns its mark. */
int64_t kwi_level_book (struct kwi_level *, int64_t n, int64_t now_ms);

/* One of n waits: whoever asks from now on is behind it.  Returns its ticket,
 * with which it asks when its turn is.  It leaves when it goes out, or gives up. */
int64_t kwi_level_enter (struct kwi_level *, int64_t n);
int64_t kwi_level_turn (const struct kwi_level *, int64_t ticket, int64_t n,
                        int64_t now_ms);
void kwi_level_leave (struct kwi_level *, int64_t n);

/* Its answer is in: it was counted as counted, not as booked (0: refused, or
 * never arrived).  Before kwi_level_see, which leaves nothing to correct. */
void kwi_level_settle (struct kwi_level *, int64_t mark, int64_t booked,
                       int64_t counted);

/* It was served, so after it no more than the limit can have been used: what
 * we thought beyond that was wrong. */
void kwi_level_served (struct kwi_level *, int64_t mark, int64_t now_ms);

#endif

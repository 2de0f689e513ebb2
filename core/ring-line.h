/* ring-line - calls that wait for the same thing, in order of arrival; and the
 * gate in front of them: how many may go once a limit's time has come.
 *
 * A limit lets one through first, and no other until that one is served.  Then
 * as many as the limit's bucket has room for, if answers show that bucket.  Else
 * two for each that is served, until that is too many; the next time half as many
 * at once, and from there one more each time that all were served.
 *
 * Works on lists and numbers.  Knows neither keys nor calls; the caller locks
 * and brings the time. */
#ifndef KWI_RING_LINE_H
#define KWI_RING_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "bucket.h"
#include "instance.h"           /* struct kwi_judgement */

struct kwi_line;

/* A call's place among those that wait; part of the call, and the ring's alone
 * while it is in a line. */
struct kwi_waiter {
  struct kwi_waiter *next, *prev;
  struct kwi_line *line;        /* NULL: it does not wait                 */
  uint64_t call;                /* calls are numbered as they arrive      */
  int woken;                    /* it was told to look again              */
  int admitted;                 /* it has counted against max_waiting     */
};

struct kwi_line {
  struct kwi_line *next;
  uint32_t subject, model;      /* whose limit; subject 0: for any key    */
  size_t key;                   /* one of the subject's                   */
  struct kwi_waiter *first, *last;
  size_t n;

  uint32_t out;                 /* let through, and not answered yet      */
  uint32_t window;              /* as many may be                         */
  uint32_t most;                /* as many were, since the last refusal   */
  uint32_t proven;              /* half of that, when it was too many; 0: that
                                   is not known                           */
  uint32_t growth;              /* served since the window grew           */
  int probing;                  /* none was served since the last refusal */
  uint32_t refusals;            /* so far: who went before the last one is
                                   no sign that it is over                */
  int64_t ready_ms;             /* Unix time; nobody is let through before */
  int64_t span_ms;              /* how long that was when it was stated   */
  int64_t amount;               /* what one takes of the bucket           */
  struct kwi_level level;       /* of the dimension; limit 0: not shown   */
  char dimension[32];           /* "": not known                          */
};

/* It waits behind those that arrived before it.  Returns how many they are. */
size_t kwi_line_join (struct kwi_line *, struct kwi_waiter *);
void kwi_line_quit (struct kwi_waiter *);

/* When the first may go: now_ms, or a time; KWI_NEVER: not before something
 * happens.  The same for this call, which may not wait yet: KWI_NEVER, too, if
 * others came before. */
int64_t kwi_line_when (struct kwi_line *, int64_t now_ms);
int64_t kwi_line_turn (struct kwi_line *, uint64_t call, int64_t now_ms);

/* One goes; returns its mark.  That it is over, answered or not. */
int64_t kwi_line_go (struct kwi_line *, int64_t now_ms);
void kwi_line_over (struct kwi_line *);

/* An answer: served, to one that was let through (its mark).  Refused by what
 * the line waits for, to anyone: closed until ready_ms. */
void kwi_line_served (struct kwi_line *, int64_t mark,
                      const struct kwi_judgement *, int64_t seen_ms);
void kwi_line_refused (struct kwi_line *, const struct kwi_judgement *,
                       int64_t ready_ms, int64_t seen_ms, int64_t now_ms);
/* A bucket's refusal, seen at an earlier time: what of it holds now. */
void kwi_line_show (struct kwi_line *, const struct kwi_bucket *,
                    int64_t stated_ms, int64_t seen_ms);
/* Whatever closed it is forgotten: one may try. */
void kwi_line_reset (struct kwi_line *);

#endif

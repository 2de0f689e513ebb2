/* pace - what a request of a given size finds at the buckets of a key: passes
 * now, or when; and what its answer teaches about sizes and buckets.
 * Works on the ledger's facts.  Knows neither keys nor policy; the caller locks
 * and brings the time. */
#ifndef KWI_PACE_H
#define KWI_PACE_H

#include <stdint.h>

#include "estimate.h"
#include "limits-ledger.h"

/* What is asked of the buckets; none: they are only remembered. */
enum {
  KWI_PACE_EXACT = 1,           /* a parked fact admits what fits it      */
  KWI_PACE_WAIT = 2             /* a free one holds back what does not    */
};

/* What is learnt of one model. */
struct kwi_pace_model {
  struct kwi_estimate estimate;
  /* Requests sent early, before the time that was stated: how many passed, how
   * many did not; and for how many revivals none is sent so. */
  uint32_t passed, missed, penance, last_penance;
};

/* What a request needs, by unit. */
struct kwi_need {
  int64_t tokens, input;        /* with the margin                        */
  int64_t least;                /* tokens, without                        */
};

/* One that goes out is booked in each bucket it draws on; or it waits in the
 * line of each. */
#define KWI_BOOKED_MAX 8
struct kwi_booking {
  uint16_t n;
  uint16_t waits;
  uint32_t early;               /* sent before the time that was stated   */
  int64_t at_ms;
  struct {
    struct kwi_fact *fact;
    int64_t mark, amount;       /* waits: mark is the ticket              */
  } in[KWI_BOOKED_MAX];
};

/* size NULL: any, the smallest. */
void kwi_pace_need (const struct kwi_pace_model *, const struct kwi_size *,
                    struct kwi_need *ret);

struct kwi_pace_look {
  struct kwi_look look;
  int early;                    /* not BLOCKED, thanks to the buckets     */
  int by_bucket;                /* BLOCKED: look.ready_ms is computed     */
  const struct kwi_fact *by;    /* the fact that holds longest, or NULL   */
};

/* As kwi_limits_look, for a request that needs so much. */
struct kwi_pace_look kwi_pace_look (struct kwi_store *,
                                    const uint32_t *subjects, int n,
                                    const char *model, int flags,
                                    const struct kwi_pace_model *,
                                    const struct kwi_need *, int64_t now_ms);

/* waits: it does not go out yet. */
void kwi_pace_book (struct kwi_store *, const uint32_t *subjects, int n,
                    const char *model, const struct kwi_need *, int waits,
                    int64_t now_ms, struct kwi_booking *ret);
/* When one that waits goes out, all as it was booked; now_ms: it does, and is
 * no longer waiting. */
int64_t kwi_pace_turn (struct kwi_store *, const uint32_t *subjects, int n,
                       const char *model, const struct kwi_need *,
                       int64_t now_ms, struct kwi_booking *);
/* It does not go out. */
void kwi_pace_unbook (struct kwi_booking *);

/* The answer is in: first this, then kwi_pace_see for each bucket of it, then
 * kwi_pace_end, which empties the booking. */
void kwi_pace_answer (struct kwi_pace_model *, struct kwi_booking *,
                      const struct kwi_size *, const struct kwi_judgement *,
                      int64_t now_ms);
/* stated_ms: the wait that a refusal by this bucket stated; -1: none. */
void kwi_pace_see (struct kwi_fact *, const struct kwi_booking *,
                   const struct kwi_bucket *, int refused, int64_t stated_ms,
                   int64_t seen_ms);
void kwi_pace_end (struct kwi_booking *, int served, int64_t now_ms);

/* A refusal of a request of that size stated a wait; after kwi_level_see. */
void kwi_pace_compare (struct kwi_level *, int64_t requested, int64_t stated_ms,
                       int64_t seen_ms);

/* A parked key was served at the time that was stated. */
void kwi_pace_revived (struct kwi_pace_model *);

#endif

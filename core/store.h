/* store - where the ledger's facts are kept; in memory here.
 *
 * A fact: (subject, model, dimension) is blocked until T, and the last bucket
 * seen for it.  Subjects and models are interned to small numbers.  Merging
 * takes the later T, so order and duplicates do no harm.  Knows nothing of
 * what a fact means; the caller locks. */
#ifndef KWI_STORE_H
#define KWI_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "bucket.h"             /* struct kwi_level, KWI_NEVER */
#include "instance.h"           /* struct kwi_bucket */

struct kwi_fact {
  struct kwi_fact *next;        /* another dimension of the same cell     */
  uint32_t subject, model;
  uint32_t verdict;             /* KW_OUTCOME_* that blocked it; 0: none  */
  uint32_t tell;                /* KWI_TELL_*: what others have not been told */
  int64_t until_ms;             /* Unix time; 0: not blocked, KWI_NEVER   */
  int64_t ready_ms;             /* until_ms, staggered                    */
  int64_t span_ms;              /* how long that was, when it was blocked */
  int64_t seen_ms;              /* when the bucket was seen               */
  int64_t epoch_ms;             /* when it was freed last: of what was said
                                   before, nothing holds                  */
  int64_t said_ms;              /* when until_ms was said                 */
  struct kwi_fact *next_tell;
  uint64_t probe;               /* the call that is trying it; 0: none    */
  int64_t probe_told_ms;        /* until when, as others were told last   */
  struct kwi_bucket bucket;     /* bucket.have 0: none seen               */
  struct kwi_level level;       /* the same kept going; pace.c's          */
};

enum { KWI_TELL_BLOCK = 1, KWI_TELL_BUCKET = 2, KWI_TELL_PROBE = 4 };

struct kwi_store;

struct kwi_store *kwi_store_new (void);
void kwi_store_free (struct kwi_store *);

/* The number of a name, new if need be; 0: no memory, or no room: models are
 * named by callers, accounts by answers, so both are bounded.  The empty
 * model, "every model", is number 1. */
#define KWI_EVERY_MODEL 1
#define KWI_STORE_MODELS 4096
#define KWI_STORE_SUBJECTS (1 << 20)
uint32_t kwi_store_subject (struct kwi_store *, const char *name);
uint32_t kwi_store_model (struct kwi_store *, const char *name);
uint32_t kwi_store_n_models (const struct kwi_store *);
/* The number of one that has one; 0. */
uint32_t kwi_store_find_subject (const struct kwi_store *, const char *name);
uint32_t kwi_store_find_model (const struct kwi_store *, const char *name);
const char *kwi_store_subject_name (const struct kwi_store *, uint32_t);
const char *kwi_store_model_name (const struct kwi_store *, uint32_t);

/* The facts of one (subject, model), a list over dimensions; NULL: none. */
struct kwi_fact *kwi_store_find (const struct kwi_store *, uint32_t subject,
                                 uint32_t model);
/* The fact of one dimension, made if need be; NULL: no memory. */
struct kwi_fact *kwi_store_get (struct kwi_store *, uint32_t subject,
                                uint32_t model, const char *dimension);
/* Every fact of a subject, model by model; each may change but not remove it. */
void kwi_store_each (struct kwi_store *, uint32_t subject,
                     void (*each) (void *user, struct kwi_fact *), void *user);

/* Every fact there is. */
void kwi_store_every (struct kwi_store *,
                      void (*each) (void *user, struct kwi_fact *), void *user);

/* ---- What others are to be told ------------------------------------------ */

/* From now on changes are listed, and nudge is told of them; urgent: somebody
 * may run into it.  It may only set a flag.  Blocks end so much later than they
 * do for others, so that not all of them try at once. */
void kwi_store_share (struct kwi_store *, void (*nudge) (void *user, int urgent),
                      void *user, int64_t offset_ms);
/* Lists it, if there is anybody to be told. */
void kwi_store_tell (struct kwi_store *, struct kwi_fact *, uint32_t what);
/* Takes one off the list; NULL: it is empty. */
struct kwi_fact *kwi_store_next_told (struct kwi_store *, uint32_t *ret_what);
int64_t kwi_store_offset (const struct kwi_store *);

/* When a subject (0: every one) was reset last; 0: never.  -1: no memory. */
int64_t kwi_store_epoch (const struct kwi_store *, uint32_t subject);
/* Without those of every one. */
int64_t kwi_store_own_epoch (const struct kwi_store *, uint32_t subject);
int kwi_store_set_epoch (struct kwi_store *, uint32_t subject, int64_t epoch_ms);
/* A time that is behind every epoch that was heard of, and not before now. */
int64_t kwi_store_later (struct kwi_store *, int64_t now_ms);
void kwi_store_heard (struct kwi_store *, int64_t epoch_ms);

/* Counts that something ends in the second of at_ms; returns how many did
 * before, as far as is remembered. */
unsigned kwi_store_count_at (struct kwi_store *, int64_t at_ms);

#endif

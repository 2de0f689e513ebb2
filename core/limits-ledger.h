/* limits - the ledger of facts: (account or key, model, dimension) is blocked
 * until T; and what their buckets were.  Merges by maximum.  A blocked fact
 * whose time has come is half-open: one call probes it, the others treat it
 * as blocked until that call's answer is in.
 * Knows neither keys nor policy; the caller locks and brings the time.
 * (Not "limits.h": the C library has that one, and finds it through
 * #include_next, past no -iquote.) */
#ifndef KWI_LIMITS_H
#define KWI_LIMITS_H

#include <stdint.h>

#include "store.h"

/* What holds for a set of subjects (a key, its account, the provider) and a
 * model, over every dimension. */
enum kwi_standing {
  KWI_FREE = 0,
  KWI_HALF_OPEN,                /* its time has come; probe it            */
  KWI_PROBED,                   /* its time has come; another call probes */
  KWI_BLOCKED
};

struct kwi_look {
  enum kwi_standing standing;
  uint32_t verdict;             /* KW_OUTCOME_* of what blocks longest    */
  int64_t ready_ms;             /* BLOCKED: when it half-opens; KWI_NEVER */
};

/* subjects: n numbers of the store, 0 ones are passed over.  model: its number;
 * KWI_EVERY_MODEL or 0 for one that the store has never heard of, which has no
 * facts of its own. */
struct kwi_look kwi_limits_look (const struct kwi_store *,
                                 const uint32_t *subjects, int n,
                                 uint32_t model, int64_t now_ms);

/* Blocks until_ms (KWI_NEVER: no reset known), unless a later time is known
 * already.  1: it was not blocked before now; 0: it was; -1: no memory.
 * Resets that fall together are staggered, never early.  A clock that is set
 * back makes no block longer than it was stated. */
int kwi_limits_block (struct kwi_store *, uint32_t subject, uint32_t model,
                      const char *dimension, uint32_t verdict,
                      int64_t until_ms, int64_t now_ms);

/* All but the dimension, which is what the fact is found by: it stays as it is, and so
 * may be read without the ring's lock, as by who tells the store of it. */
void kwi_limits_set (struct kwi_bucket *, const struct kwi_bucket *from);

/* Remembers a bucket; seen_ms decides which of two is the later. */
int kwi_limits_bucket (struct kwi_store *, uint32_t subject, uint32_t model,
                       const struct kwi_bucket *, int64_t seen_ms);

/* call (not 0) becomes the one that probes all half-open facts of these.
 * Returns whose facts changed: bit 2 i for every model's of subjects[i], bit
 * 2 i + 1 for the model's. */
unsigned kwi_limits_probe (struct kwi_store *, const uint32_t *subjects, int n,
                           uint32_t model, uint64_t call, int64_t now_ms);
/* Ends call's probe; served: what it probed is free again.  Returns how many
 * facts were freed.  Subjects as given to kwi_limits_probe, changed as it
 * returns. */
int kwi_limits_probe_end (struct kwi_store *, const uint32_t *subjects, int n,
                          uint32_t model, uint64_t call, int served, int64_t now_ms,
                          unsigned *ret_changed);

/* A reset: unblocks everything of a subject (0: of every one), every model, that
 * was said before epoch_ms, and forgets its levels.  Returns how many facts were
 * blocked. */
int kwi_limits_forget (struct kwi_store *, uint32_t subject, int64_t epoch_ms);

/* A fact as another process has it. */
struct kwi_said {
  uint32_t verdict;
  uint32_t _reserved;
  int64_t epoch_ms, until_ms, said_ms, span_ms; /* as a fact's            */
};
/* Becomes ours if it is the greater: that of the later epoch, with the same that
 * of the later until_ms, with the same that which was said later.  What was said
 * behind an epoch by who had not heard of it holds in it.  1: blocked from now on
 * and not before, or for longer; 2: freed; 0: nothing new; -1: no memory. */
int kwi_limits_merge (struct kwi_store *, uint32_t subject, uint32_t model,
                      const char *dimension, const struct kwi_said *,
                      int64_t now_ms);
/* Another process tries it, until then at most: nobody here does before. */
void kwi_limits_others_probe (struct kwi_store *, uint32_t subject,
                              uint32_t model, const char *dimension,
                              int64_t epoch_ms, int64_t until_ms);

#endif

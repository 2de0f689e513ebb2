/* ring-cache - which keys may be free for a model; see ring-cache.h. */
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_OUTCOME_RATE_LIMIT */

#include "ring-cache.h"

/* A key's state: how it is kept, and which verdict it counts under. */
enum { OPEN = 0, PARKED = 1 << 4, LIMITED = 2 << 4, PROBED = 3 << 4,
       FULL = 4 << 4 };
#define KEPT(state) ((state) & 0xf0)
#define VERDICT(state) ((state) & 0x07)

/* All fresh: in order, as they are a heap of equal values. */
static void
rank_all (struct kwi_cache *c)
{
  size_t i;

  c->level = c->fresh;
  if (c->rank == NULL)
    return;
  for (i = 0; i < c->n; i++) {
    c->rank[i] = c->fresh;
    c->ranked.item[i] = (struct kwi_heap_item) { c->fresh, (uint32_t) i, 0 };
    c->ranked.pos[i] = (uint32_t) i + 1;
  }
  c->ranked.n = c->n;
}

/* The four below an item of a heap are looked at together: where each four begin
 * a cache line of their own, as every fourth but the first does here. */
static struct kwi_heap_item *
lined_up (void *from)
{
  const uintptr_t line = 64, item = sizeof (struct kwi_heap_item);

  return (struct kwi_heap_item *)
           (((uintptr_t) from + item + line - 1) / line * line - item);
}

struct kwi_cache *
kwi_cache_new (size_t n, int ranked, int64_t fresh)
{
  size_t words = kwi_bits_words (n), item = sizeof (struct kwi_heap_item);
  size_t more = ranked ? item + sizeof (int64_t) : 0, lines = 3 * 64;
  struct kwi_cache *c;
  uint32_t *pos;

  /* In one piece; what is not used of it is never touched. */
  c = calloc (1, sizeof *c + lines + words * sizeof (uint64_t)
                 + n * (2 * item + more + sizeof *pos + 1));
  if (c == NULL)
    return NULL;
  c->n = n;
  c->fresh = fresh;
  c->parked.item = lined_up (c + 1);
  c->limited.item = lined_up (c->parked.item + n);
  c->ranked.item = lined_up (c->limited.item + n);
  kwi_bits_init (&c->open, (uint64_t *) (c->ranked.item + (ranked ? n : 0)), n);
  if (ranked)
    c->rank = (int64_t *) (c->open.level[0] + words);
  pos = (uint32_t *) (c->open.level[0] + words + (ranked ? n : 0));
  c->parked.pos = c->limited.pos = c->ranked.pos = pos;
  c->state = (uint8_t *) (pos + n);
  if (n > 0)
    kwi_bits_fill (&c->open);
  rank_all (c);
  return c;
}

void
kwi_cache_refill (struct kwi_cache *c)
{
  if (c->n == 0)
    return;
  memset (c->parked.pos, 0, c->n * sizeof *c->parked.pos);
  memset (c->state, OPEN, c->n);
  memset (c->n_by_verdict, 0, sizeof c->n_by_verdict);
  c->parked.n = c->limited.n = c->n_probed = c->n_full = 0;
  kwi_bits_fill (&c->open);
  rank_all (c);
}

void
kwi_cache_open (struct kwi_cache *c, size_t key)
{
  uint8_t state = c->state[key];

  if (state == OPEN)
    return;
  if (KEPT (state) == FULL)
    c->n_full--;
  else
    c->n_by_verdict[VERDICT (state)]--;
  if (KEPT (state) == PROBED)
    c->n_probed--;
  else if (KEPT (state) != FULL)
    kwi_heap_take (KEPT (state) == LIMITED ? &c->limited : &c->parked, key);
  c->state[key] = OPEN;
  kwi_bits_add (&c->open, key);
  if (c->rank != NULL) {
    if (c->level != INT64_MIN && c->ranked.n > 0
        && c->ranked.item[0].value > c->level)
      c->level = c->ranked.item[0].value;
    if (c->rank[key] < c->level)
      c->rank[key] = c->level;
    kwi_heap_put (&c->ranked, key, c->rank[key]);
  }
}

/* No longer open. */
static void
close_key (struct kwi_cache *c, size_t key, uint32_t state)
{
  kwi_bits_drop (&c->open, key);
  if (c->rank != NULL)
    kwi_heap_take (&c->ranked, key);
  c->state[key] = (uint8_t) state;
}

void
kwi_cache_park (struct kwi_cache *c, size_t key, const struct kwi_look *look)
{
  uint32_t verdict = look->verdict < 8 ? look->verdict : 0;
  uint32_t state = verdict == KW_OUTCOME_RATE_LIMIT ? LIMITED : PARKED;

  if (look->standing == KWI_PROBED)
    state = PROBED;
  close_key (c, key, state | verdict);
  c->n_by_verdict[verdict]++;
  if (state == PROBED)
    c->n_probed++;
  else
    kwi_heap_put (state == LIMITED ? &c->limited : &c->parked, key,
                  look->ready_ms);
}

void
kwi_cache_fill (struct kwi_cache *c, size_t key)
{
  close_key (c, key, FULL);
  c->n_full++;
}

int
kwi_cache_is_full (const struct kwi_cache *c, size_t key)
{
  return KEPT (c->state[key]) == FULL;
}

size_t
kwi_cache_first (const struct kwi_cache *c)
{
  size_t key;

  if (c->rank != NULL)
    return c->ranked.n > 0 ? c->ranked.item[0].i : c->n;
  key = kwi_bits_next (&c->open, c->next);
  return key == c->n && c->next > 0 ? kwi_bits_next (&c->open, 0) : key;
}

void
kwi_cache_set_rank (struct kwi_cache *c, size_t key, int64_t rank)
{
  if (c->rank[key] == rank)
    return;
  c->rank[key] = rank;
  if (c->state[key] == OPEN)
    kwi_heap_put (&c->ranked, key, rank);
}

static void
come_back (struct kwi_cache *c, const struct kwi_heap *h, int64_t now_ms)
{
  while (h->n > 0 && h->item[0].value <= now_ms)
    kwi_cache_open (c, h->item[0].i);
}

void
kwi_cache_come_back (struct kwi_cache *c, int64_t now_ms)
{
  come_back (c, &c->parked, now_ms);
  come_back (c, &c->limited, now_ms);
}

const struct kwi_heap_item *
kwi_cache_next_back (const struct kwi_cache *c)
{
  const struct kwi_heap_item *a = c->parked.n > 0 ? c->parked.item : NULL;
  const struct kwi_heap_item *b = c->limited.n > 0 ? c->limited.item : NULL;

  if (a == NULL || b == NULL)
    return a != NULL ? a : b;
  if (a->value != b->value)
    return a->value < b->value ? a : b;
  return a->i < b->i ? a : b;
}

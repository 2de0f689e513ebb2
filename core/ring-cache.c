/* ring-cache - which keys may be free for a model; see ring-cache.h. */
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_OUTCOME_RATE_LIMIT */

#include "ring-cache.h"

/* A key's state: how it is kept, and which verdict it counts under. */
enum { OPEN = 0, PARKED = 1 << 4, LIMITED = 2 << 4, PROBED = 3 << 4 };
#define KEPT(state) ((state) & 0xf0)
#define VERDICT(state) ((state) & 0x07)

struct kwi_cache *
kwi_cache_new (size_t n)
{
  size_t words = kwi_bits_words (n), item = sizeof (struct kwi_heap_item);
  struct kwi_cache *c;
  uint32_t *pos;

  /* In one piece; what is not used of it is never touched. */
  c = calloc (1, sizeof *c + words * sizeof (uint64_t) + 2 * n * item
                 + n * sizeof *pos + n);
  if (c == NULL)
    return NULL;
  c->n = n;
  c->parked.item = (struct kwi_heap_item *) (c + 1);
  c->limited.item = c->parked.item + n;
  kwi_bits_init (&c->open, (uint64_t *) (c->limited.item + n), n);
  pos = (uint32_t *) (c->open.level[0] + words);
  c->parked.pos = c->limited.pos = pos;
  c->state = (uint8_t *) (pos + n);
  if (n > 0)
    kwi_bits_fill (&c->open);
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
  c->parked.n = c->limited.n = c->n_probed = 0;
  kwi_bits_fill (&c->open);
}

void
kwi_cache_open (struct kwi_cache *c, size_t key)
{
  uint8_t state = c->state[key];

  if (state == OPEN)
    return;
  c->n_by_verdict[VERDICT (state)]--;
  if (KEPT (state) == PROBED)
    c->n_probed--;
  else
    kwi_heap_take (KEPT (state) == LIMITED ? &c->limited : &c->parked, key);
  c->state[key] = OPEN;
  kwi_bits_add (&c->open, key);
}

void
kwi_cache_park (struct kwi_cache *c, size_t key, const struct kwi_look *look)
{
  uint32_t verdict = look->verdict < 8 ? look->verdict : 0;
  uint32_t state = verdict == KW_OUTCOME_RATE_LIMIT ? LIMITED : PARKED;

  if (look->standing == KWI_PROBED) {
    state = PROBED;
    c->n_probed++;
  }
  else
    kwi_heap_put (state == LIMITED ? &c->limited : &c->parked, key,
                  look->ready_ms);
  c->state[key] = (uint8_t) (state | verdict);
  c->n_by_verdict[verdict]++;
  kwi_bits_drop (&c->open, key);
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

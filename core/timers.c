/* timers - a pairing heap of points in time; see timers.h.  (Fredman,
 * Sedgewick, Sleator, Tarjan 1986: the two-pass variant.) */
#include <stddef.h>

#include "timers.h"

/* The earlier of two heaps becomes the other's parent. */
static struct kwi_timer *
meld (struct kwi_timer *a, struct kwi_timer *b)
{
  struct kwi_timer *top = a, *below = b;

  if (a == NULL || b == NULL)
    return a != NULL ? a : b;
  if (b->at_ms < a->at_ms) {
    top = b;
    below = a;
  }
  below->next = top->child;
  if (below->next != NULL)
    below->next->link = &below->next;
  top->child = below;
  below->link = &top->child;
  return top;
}

/* A list of siblings made one heap: in pairs from the left, then all of those
 * from the right. */
static struct kwi_timer *
meld_siblings (struct kwi_timer *list)
{
  struct kwi_timer *pairs = NULL, *all = NULL;

  while (list != NULL) {
    struct kwi_timer *a = list, *b = a->next;
    list = b != NULL ? b->next : NULL;
    a->next = NULL;
    if (b != NULL)
      b->next = NULL;
    a = meld (a, b);
    a->next = pairs;
    pairs = a;
  }
  while (pairs != NULL) {
    struct kwi_timer *next = pairs->next;
    pairs->next = NULL;
    all = meld (all, pairs);
    pairs = next;
  }
  return all;
}

static void
set_first (struct kwi_timers *t, struct kwi_timer *first)
{
  t->first = first;
  if (first != NULL)
    first->link = &t->first;
}

void
kwi_timer_unset (struct kwi_timers *t, struct kwi_timer *n)
{
  struct kwi_timer *rest;

  if (n->link == NULL)
    return;
  *n->link = n->next;
  if (n->next != NULL)
    n->next->link = n->link;
  rest = meld_siblings (n->child);
  n->child = n->next = NULL;
  n->link = NULL;
  set_first (t, meld (t->first, rest));
}

void
kwi_timer_set (struct kwi_timers *t, struct kwi_timer *n, int64_t at_ms)
{
  kwi_timer_unset (t, n);
  n->at_ms = at_ms;
  set_first (t, meld (t->first, n));
}

int
kwi_timers_fire (struct kwi_timers *t, int64_t now_ms)
{
  struct kwi_timer *n = t->first;

  if (n == NULL || n->at_ms > now_ms)
    return 0;
  kwi_timer_unset (t, n);
  n->fire (n);
  return 1;
}

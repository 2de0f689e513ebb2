/* ring-heap - a heap that knows each number's place; see ring-heap.h.  Four
 * below each: half as deep as with two, and those four lie side by side. */
#include "ring-heap.h"

enum { BELOW = 4 };

static int
before (const struct kwi_heap_item *a, const struct kwi_heap_item *b)
{
  return a->value != b->value ? a->value < b->value : a->i < b->i;
}

static void
place (struct kwi_heap *h, size_t at, struct kwi_heap_item item)
{
  h->item[at] = item;
  h->pos[item.i] = (uint32_t) at + 1;
}

/* The first of those below at; n: none. */
static size_t
first_below (const struct kwi_heap *h, size_t at)
{
  size_t first = at * BELOW + 1, i, end = first + BELOW;

  if (first >= h->n)
    return h->n;
  if (end > h->n)
    end = h->n;
  for (i = first + 1; i < end; i++)
    if (before (&h->item[i], &h->item[first]))
      first = i;
  return first;
}

static void
sift (struct kwi_heap *h, size_t at, struct kwi_heap_item item)
{
  size_t up, down;

  for (; at > 0 && before (&item, &h->item[up = (at - 1) / BELOW]); at = up)
    place (h, at, h->item[up]);
  for (; (down = first_below (h, at)) < h->n; at = down) {
    if (!before (&h->item[down], &item))
      break;
    place (h, at, h->item[down]);
  }
  place (h, at, item);
}

void
kwi_heap_put (struct kwi_heap *h, size_t i, int64_t value)
{
  struct kwi_heap_item item = { .value = value, .i = (uint32_t) i };

  sift (h, h->pos[i] != 0 ? h->pos[i] - 1 : h->n++, item);
}

void
kwi_heap_take (struct kwi_heap *h, size_t i)
{
  size_t at = h->pos[i] - 1;

  h->pos[i] = 0;
  if (at < --h->n)
    sift (h, at, h->item[h->n]);
}

/* ring-heap - a binary heap that knows each number's place; see ring-heap.h. */
#include "ring-heap.h"

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

static void
sift (struct kwi_heap *h, size_t at, struct kwi_heap_item item)
{
  size_t down;

  for (; at > 0 && before (&item, &h->item[(at - 1) / 2]); at = (at - 1) / 2)
    place (h, at, h->item[(at - 1) / 2]);
  for (; (down = at * 2 + 1) < h->n; at = down) {
    if (down + 1 < h->n && before (&h->item[down + 1], &h->item[down]))
      down++;
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

/* check-guard - memory whose end is watched, by the processor: an unreadable
 * page lies behind it.  Whole pages, by mmap; made for a test, not for use. */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check-guard.h"

#define SLOT_SIZE ((size_t) 32 << 10)
#define MOST_LOCKED 1000u

static void
unmap (char **map, size_t size)
{
  if (*map != NULL)
    (void) munmap (*map, size);
  *map = NULL;
}

/* size bytes, a multiple of a page's, and an unreadable page behind them. */
static char *
map_pages (size_t size)
{
  size_t page = (size_t) sysconf (_SC_PAGESIZE);
  void *map = mmap (NULL, size + page, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (map == MAP_FAILED)
    return NULL;
  if (mprotect ((char *) map + size, page, PROT_NONE) != 0) {
    (void) munmap (map, size + page);
    return NULL;
  }
  return map;
}

/* The next slot that is not open; -1: all are, or there is no memory. */
static int
take_slot (struct kwi_guards *ring)
{
  for (unsigned n = 0; n < KWI_GUARD_SLOTS; n++) {
    int i = (int) (ring->next++ % KWI_GUARD_SLOTS);
    if (ring->open[i])
      continue;
    if (ring->slot[i] == NULL && (ring->slot[i] = map_pages (SLOT_SIZE)) == NULL)
      return -1;
    if (ring->locked[i]
        && mprotect (ring->slot[i], SLOT_SIZE, PROT_READ | PROT_WRITE) != 0)
      return -1;
    ring->locked[i] = 0;
    ring->open[i] = 1;
    return i;
  }
  return -1;
}

int
kwi_guard_open (struct kwi_guards *ring, struct kwi_guard *g, const void *data,
                size_t len)
{
  size_t page = (size_t) sysconf (_SC_PAGESIZE), before;
  size_t used = SLOT_SIZE;

  memset (g, 0, sizeof *g);
  if (len > SIZE_MAX / 2)
    return -1;
  g->slot = len <= SLOT_SIZE ? take_slot (ring) : -1;
  if (g->slot >= 0)
    g->map = ring->slot[g->slot];
  else {
    used = (len + page - 1) / page * page;
    g->map = map_pages (used);
    if (g->map == NULL)
      return -1;
    g->map_size = used + page;
  }
  g->len = len;
  g->at = g->map + used - len;
  /* What is read before the beginning is no zero by chance. */
  before = used - len < 64 ? used - len : 64;
  memset ((char *) g->at - before, 0xa5, before);
  if (data != NULL)
    memcpy (g->at, data, len);
  else
    memset (g->at, 0, len);
  return 0;
}

void
kwi_guard_close (struct kwi_guards *ring, struct kwi_guard *g)
{
  if (g->map == NULL)
    return;
  if (g->slot < 0)
    unmap (&g->map, g->map_size);
  else {
    memset (g->at, 0xdb, g->len);
    ring->open[g->slot] = 0;
    if (!ring->lax && ring->n_locked < MOST_LOCKED
        && mprotect (g->map, SLOT_SIZE, PROT_NONE) == 0) {
      ring->n_locked++;
      ring->locked[g->slot] = 1;
    }
  }
  memset (g, 0, sizeof *g);
}

void
kwi_guards_clear (struct kwi_guards *ring)
{
  for (int i = 0; i < KWI_GUARD_SLOTS; i++)
    unmap (&ring->slot[i], SLOT_SIZE + (size_t) sysconf (_SC_PAGESIZE));
  memset (ring, 0, sizeof *ring);
}

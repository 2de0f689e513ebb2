/* check-guard - memory whose end is watched: a byte read or written behind it
 * is a crash, and what was kept of it after it was closed is another text, or a
 * crash as well. */
#ifndef KWI_CHECK_GUARD_H
#define KWI_CHECK_GUARD_H

#include <stddef.h>

enum { KWI_GUARD_SLOTS = 16 };

struct kwi_guard {
  void *at;                     /* what was asked for                     */
  size_t len;
  char *map;                    /* pages; NULL: it is not open            */
  size_t map_size;
  int slot;                     /* of the ring, or -1: mapped for this one */
  int _reserved;
};

/* Pages that are used over and over, since mapping some is slow here and there.
 * The first ones to be closed become unreadable; later ones are overwritten. */
struct kwi_guards {
  char *slot[KWI_GUARD_SLOTS];
  int open[KWI_GUARD_SLOTS], locked[KWI_GUARD_SLOTS];
  unsigned next;
  unsigned n_locked;            /* times that one was made unreadable     */
  int lax;                      /* 1: no further one is, for the moment   */
};

/* len bytes, a copy of data or zeroed where that is NULL, that end at an
 * unreadable page.  0, or -1: no memory. */
int kwi_guard_open (struct kwi_guards *, struct kwi_guard *, const void *data,
                    size_t len);
/* Zero is fine. */
void kwi_guard_close (struct kwi_guards *, struct kwi_guard *);
void kwi_guards_clear (struct kwi_guards *);

#endif

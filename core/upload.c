/* upload - a request's body that its caller gives piece by piece; see
 * upload.h. */
#include <stdlib.h>
#include <string.h>

#include <keywheel/keywheel.h>

#include "upload.h"

/* What is asked for at once, and the first room for it. */
enum { PIECE = 128 * 1024, FIRST = 16 * 1024 };

void
kwi_upload_clear (struct kwi_upload *u)
{
  free (u->kept);
  u->kept = NULL;
  u->kept_len = u->kept_size = u->at = 0;
}

/* As kwi_upload_read, of what was not pulled yet. */
static int64_t
pull (struct kwi_upload *u, void *buf, size_t size)
{
  int64_t n;

  if (u->stopped || u->cut)
    return KWI_UPLOAD_FAILED;
  if (u->len >= 0 && (uint64_t) (u->len - u->pulled) < size)
    size = (size_t) (u->len - u->pulled);
  if (u->ended || size == 0)
    return 0;
  if (u->paused)
    return KWI_UPLOAD_PAUSED;
  n = u->pull (u->user, buf, size);
  if (n == KW_PAUSE && u->may_pause) {
    u->paused = 1;
    return KWI_UPLOAD_PAUSED;
  }
  u->stopped = n < 0 || (uint64_t) n > size;
  u->cut = n == 0 && u->len >= 0;
  if (u->stopped || u->cut)
    return KWI_UPLOAD_FAILED;
  u->pulled += n;
  u->ended = n == 0 || u->pulled == u->len;
  return n;
}

/* Room for more bytes of kept, within the limit; 0 or -1. */
static int
make_room (struct kwi_upload *u, size_t more)
{
  size_t size = u->kept_size != 0 ? u->kept_size : FIRST;
  char *p;

  if ((uint64_t) u->limit < u->kept_len + more)
    return -1;
  if (u->kept_len + more <= u->kept_size)
    return 0;
  while (size < u->kept_len + more)
    size *= 2;
  p = realloc (u->kept, size);
  if (p == NULL)
    return -1;
  u->kept = p;
  u->kept_size = size;
  return 0;
}

int64_t
kwi_upload_read (struct kwi_upload *u, void *buf, size_t size)
{
  int64_t n = (int64_t) (u->kept_len - u->at);

  if (n > 0) {
    if ((uint64_t) n > size)
      n = (int64_t) size;
    memcpy (buf, u->kept + u->at, (size_t) n);
    u->at += (size_t) n;
    return n;
  }
  n = pull (u, buf, size);
  if (n <= 0 || u->spent)
    return n;
  if (make_room (u, (size_t) n) != 0) {
    kwi_upload_clear (u);
    u->spent = 1;
    return n;
  }
  memcpy (u->kept + u->kept_len, buf, (size_t) n);
  u->kept_len += (size_t) n;
  u->at = u->kept_len;
  return n;
}

int
kwi_upload_rewind (struct kwi_upload *u)
{
  u->at = 0;
  return u->spent ? -1 : 0;
}

int64_t
kwi_upload_gather (struct kwi_upload *u)
{
  int64_t room = u->limit - (int64_t) u->kept_len, n;

  if (room > PIECE)
    room = PIECE;
  if (u->ended)
    return 0;
  if (room == 0 || make_room (u, (size_t) room) != 0)
    return KWI_UPLOAD_FULL;
  n = pull (u, u->kept + u->kept_len, (size_t) room);
  if (n > 0)
    u->kept_len += (size_t) n;
  return n;
}

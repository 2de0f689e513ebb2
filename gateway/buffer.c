/* buffer - bytes on their way (see buffer.h). */
#include "buffer.h"

#include <stdlib.h>
#include <string.h>

int
gw_buffer_put (struct gw_buffer *b, const void *data, size_t len)
{
  if (len == 0)
    return 0;
  if (b->at > 0 && len > b->size - b->end) {
    memmove (b->data, b->data + b->at, gw_buffer_len (b));
    b->end -= b->at;
    b->at = 0;
  }
  if (len > b->size - b->end) {
    size_t size = b->size > 0 ? b->size : 1024;
    while (size - b->end < len) {
      if (size > (size_t) -1 / 2)
        return -1;
      size *= 2;
    }
    char *bigger = realloc (b->data, size);
    if (bigger == NULL)
      return -1;
    b->data = bigger;
    b->size = size;
  }
  memcpy (b->data + b->end, data, len);
  b->end += len;
  return 0;
}

size_t
gw_buffer_take (struct gw_buffer *b, void *to, size_t len)
{
  if (len > gw_buffer_len (b))
    len = gw_buffer_len (b);
  if (len == 0)
    return 0;
  memcpy (to, b->data + b->at, len);
  gw_buffer_drop (b, len);
  return len;
}

void
gw_buffer_drop (struct gw_buffer *b, size_t len)
{
  b->at += len;
  if (b->at == b->end)
    b->at = b->end = 0;
}

void
gw_buffer_clear (struct gw_buffer *b)
{
  free (b->data);
  *b = (struct gw_buffer) { 0 };
}

/* buffer - bytes between who brings and who takes them, at their own pace. */
#ifndef GW_BUFFER_H
#define GW_BUFFER_H

#include <stddef.h>

/* Zeroed: empty. */
struct gw_buffer {
  char *data;
  size_t at, end, size;         /* what is not taken stands at .. end     */
};

static inline size_t
gw_buffer_len (const struct gw_buffer *b)
{
  return b->end - b->at;
}

/* What is not taken, where it stands; NULL: there is nothing. */
static inline char *
gw_buffer_bytes (const struct gw_buffer *b)
{
  return gw_buffer_len (b) > 0 ? b->data + b->at : NULL;
}

/* 0, or -1: no memory. */
int gw_buffer_put (struct gw_buffer *, const void *data, size_t len);
/* Up to len bytes into to; how many there were. */
size_t gw_buffer_take (struct gw_buffer *, void *to, size_t len);
/* The first len bytes, which are there, have been taken where they stand. */
void gw_buffer_drop (struct gw_buffer *, size_t len);
void gw_buffer_clear (struct gw_buffer *);

#endif

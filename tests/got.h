/* got - callbacks that keep what a stream hands over. */
#ifndef GOT_H
#define GOT_H

#include <string.h>

#include "kwtest.h"

struct got {
  char text[4096];
  char data[65536];
  size_t text_len, data_len;
  int texts;
  int stop_after;               /* texts; 0: never */
};

static inline int
on_text (void *user, const char *text, size_t len)
{
  struct got *g = user;

  ck_assert_uint_lt (g->text_len + len, sizeof g->text);
  memcpy (g->text + g->text_len, text, len);
  g->text_len += len;
  g->text[g->text_len] = '\0';
  return ++g->texts == g->stop_after;
}

static inline int
on_data (void *user, const void *data, size_t len)
{
  struct got *g = user;

  ck_assert_uint_lt (g->data_len + len, sizeof g->data);
  memcpy (g->data + g->data_len, data, len);
  g->data_len += len;
  g->data[g->data_len] = '\0';
  return 0;
}

#endif

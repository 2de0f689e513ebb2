/* flood - a provider that sends more events than anybody in between may keep. */
#ifndef FLOOD_H
#define FLOOD_H

#include "gatekit.h"

#include <errno.h>

/* More than the kernel takes on both sides, by far. */
#define MUCH (64 * 1024 * 1024)

/* An event of 4 KB, as often as it fits. */
struct flood {
  char event[4096 + 128];
  size_t len, at, sent;         /* at: in the event; sent: all in all     */
  int refused;                  /* the gateway has closed the connection  */
};

static inline void
flood_begin (struct flood *f)
{
  char word[4096];
  int n;

  memset (word, 'x', sizeof word - 1);
  word[sizeof word - 1] = '\0';
  n = snprintf (f->event, sizeof f->event, "1023\r\ndata: {\"choices\":[{\"index\":0,"
                "\"delta\":{\"content\":\"%s\"}}]}\n\n\r\n", word);
  f->len = (size_t) n;
  f->at = f->sent = 0;
  f->refused = 0;
  /* The chunk's length is that of what is behind it. */
  n = snprintf (f->event, 5, "%04zx", f->len - 8);
  f->event[4] = '\r';
  ck_assert_int_eq (n, 4);
}

/* 0: nothing more goes in. */
static inline int
flood_more (struct flood *f, int fd, int patience_ms)
{
  struct pollfd p = { .fd = fd, .events = POLLOUT };
  ssize_t n;

  if (poll (&p, 1, patience_ms) != 1)
    return 0;
  n = send (fd, f->event + f->at, f->len - f->at, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n <= 0) {
    f->refused = errno != EAGAIN;
    return !f->refused;
  }
  f->at = (f->at + (size_t) n) % f->len;
  f->sent += (size_t) n;
  return 1;
}

/* Until the gateway takes no more, for its client does not. */
static inline void
flood_until_full (struct flood *f, int fd)
{
  flood_begin (f);
  while (f->sent < MUCH && flood_more (f, fd, 500))
    ;
  ck_assert_msg (f->sent < MUCH, "the gateway takes all, whatever its client takes");
}

/* Ends the last event; client: what it hears meanwhile is in a. */
static inline void
flood_finish (struct flood *f, int fd, int client)
{
  while (f->at != 0)
    if (!flood_more (f, fd, 0)) {
      ck_assert_msg (!f->refused, "the gateway takes no more of a stream");
      ck_assert_uint_gt (hear_some (client, &a.heard), 0);
    }
}

/* How many of its events the client has got, whole. */
static inline size_t
flood_events (void)
{
  size_t n = 0;

  for (const char *at = a.body; (at = strstr (at, "xx\"}}]}")) != NULL; at++)
    n++;
  return n;
}

#endif

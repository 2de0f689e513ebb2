/* bell - the connection on which the server says that something has changed
 * (see bell.h). */
#include "bell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct redis_bell {
  struct redis_wire *wire;
  int poll, timer;              /* poll: an epoll of the other two        */
  int64_t pause_ms;
};

/* ---- Beginning, end ---------------------------------------------------------------- */

static int
watch (int poll, int fd)
{
  struct epoll_event ev = { .events = EPOLLIN };

  return epoll_ctl (poll, EPOLL_CTL_ADD, fd, &ev);
}

/* A timer, so that whoever polls comes by even if nothing ever happens: a peer
 * that has vanished does not say so. */
static int
open_poll (struct redis_bell *b)
{
  const struct timespec pause = { b->pause_ms / 1000, b->pause_ms % 1000 * 1000000 };
  const struct itimerspec each = { pause, pause };

  b->poll = epoll_create1 (EPOLL_CLOEXEC);
  b->timer = timerfd_create (CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  return b->poll >= 0 && b->timer >= 0 && timerfd_settime (b->timer, 0, &each, NULL) == 0
         && watch (b->poll, b->timer) == 0 && watch (b->poll, redis_wire_fd (b->wire)) == 0
         ? 0 : -1;
}

int
redis_bell_open (const struct redis_spec *spec, const struct redis_address *address,
                 const char *channel, int pause_ms, struct redis_turn *turn,
                 struct redis_bell **ret)
{
  struct redis_bell *b = malloc (sizeof *b);
  redisReply *reply = NULL;

  if (b == NULL)
    return redis_away (turn, "there is no memory left");
  *b = (struct redis_bell) { .poll = -1, .timer = -1, .pause_ms = pause_ms };
  int rc = redis_wire_open (spec, NULL, address, turn, &b->wire);
  if (rc == 0)
    rc = redis_wire_ask (b->wire, turn, (const char *const[]) { "SUBSCRIBE", channel, NULL },
                         NULL, &reply);
  freeReplyObject (reply);
  if (rc == 0 && open_poll (b) != 0)
    rc = redis_away (turn, "no descriptor to wait with: %s", strerrordesc_np (errno));
  if (rc == 0)
    *ret = b;
  else
    redis_bell_close (b);
  return rc;
}

void
redis_bell_close (struct redis_bell *b)
{
  if (b == NULL)
    return;
  redis_wire_close (b->wire);
  if (b->poll >= 0)
    close (b->poll);
  if (b->timer >= 0)
    close (b->timer);
  free (b);
}

int
redis_bell_fd (const struct redis_bell *b)
{
  return b->poll;
}

/* ---- Listening ---------------------------------------------------------------------- */

/* Everything that is there; with wait at least something. */
static int
take (struct redis_bell *b, struct redis_turn *turn, int wait)
{
  redisReply *reply;
  int rc;

  while ((rc = redis_wire_hear (b->wire, turn, wait, &reply)) == 0 && reply != NULL) {
    freeReplyObject (reply);
    wait = 0;
  }
  return rc;
}

int
redis_bell_listen (struct redis_bell *b, struct redis_turn *turn)
{
  uint64_t pauses;
  int rc = take (b, turn, 0);

  /* Or it would stay readable. */
  if (read (b->timer, &pauses, sizeof pauses) < 0 && errno != EAGAIN)
    return redis_away (turn, "the timer fails: %s", strerrordesc_np (errno));
  if (rc == 0 && redis_ticks () - redis_wire_heard (b->wire) >= b->pause_ms) {
    /* Half the time is left for another connection. */
    struct redis_turn half = *turn;
    half.deadline -= redis_turn_left (turn) / 2;
    rc = redis_wire_say (b->wire, &half, (const char *const[]) { "PING", NULL }, NULL);
    if (rc == 0)
      rc = take (b, &half, 1);
  }
  return rc;
}

/* soak-clients - many clients in one loop: those that stay ask, hear the answer to
 * its end, rest and ask again, on the same connection or a new one; those that vanish
 * hang up at some point of it (see soak.h). */
#include "soak.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define REST_US 180000          /* at most, between two requests          */
#define PIECE ((size_t) 16384)  /* of a slow upload                       */
#define READ_PIECE ((size_t) 65536)

struct client {
  int fd;                       /* -1: no connection                      */
  enum { RESTING, SENDING, HEARING } state;
  int fickle, close, slow;      /* it vanishes; this one closes; in pieces */
  enum soak_leave leave;
  int64_t wake_us;              /* when it goes on; 0: not by itself      */
  int64_t began_us;
  size_t sent, may_send;
  struct soak_ask ask;
  struct soak_answer answer;
};

struct soak_clients {
  struct soak_book *book;
  struct client *of;
  size_t n;
  int epoll, port, ending;
  const char *tokens[2];        /* of those that stay, and not            */
};

/* ---- Connections ------------------------------------------------------------------------ */

static void
connect_client (struct soak_clients *all, struct client *c)
{
  const struct sockaddr_in at = { .sin_family = AF_INET,
                                  .sin_port = htons ((uint16_t) all->port),
                                  .sin_addr = { htonl (INADDR_LOOPBACK) } };
  struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                            .data.ptr = c };

  c->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  ck_assert_int_ge (c->fd, 0);
  ck_assert (connect (c->fd, (const struct sockaddr *) &at, sizeof at) == 0
             || errno == EINPROGRESS);
  ck_assert_int_eq (epoll_ctl (all->epoll, EPOLL_CTL_ADD, c->fd, &ev), 0);
}

static void
hang_up (struct client *c, int reset)
{
  const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

  if (c->fd < 0)
    return;
  if (reset)
    (void) setsockopt (c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  (void) close (c->fd);
  c->fd = -1;
}

/* ---- Requests ---------------------------------------------------------------------------- */

static enum soak_kind
any_kind (void)
{
  uint32_t n = soak_random (100);

  return n < 54 ? SOAK_PLAIN : n < 78 ? SOAK_STREAM : n < 88 ? SOAK_LARGE
         : n < 98 ? SOAK_UPLOAD : SOAK_BIG;
}

static int
any_provider (void)
{
  uint32_t n = soak_random (100);

  return n < 62 ? SOAK_MAIN : n < 97 ? SOAK_ALONE : SOAK_NARROW;
}

/* How it leaves says what it asks. */
static void
choose_fickle (struct client *c, enum soak_kind *kind, const char **path, const char **model)
{
  c->leave = (enum soak_leave) (1 + soak_random (SOAK_LEAVES - 1));
  if (c->leave == SOAK_IN_UPLOAD)
    *kind = SOAK_UPLOAD;
  if (c->leave == SOAK_IN_HEAD || c->leave == SOAK_IN_SILENCE)
    *kind = SOAK_PLAIN;
  if (c->leave == SOAK_IN_STREAM) {
    *kind = soak_random (3) > 0 ? SOAK_STREAM : SOAK_BIG;
    *model = "slow";
  }
  if (c->leave == SOAK_IN_SILENCE) {
    *path = "patient";
    *model = "never";
  }
}

/* How long one that vanishes waits before it does. */
static int64_t
patience_us (const struct client *c)
{
  switch (c->leave) {
  case SOAK_IN_SILENCE:
    return 50000 + soak_random (450000);
  case SOAK_IN_STREAM:
    return 5000000;             /* at the latest; the stream's first words end it */
  default:
    return soak_random (30000);
  }
}

static void
send_some (struct client *c, int64_t now)
{
  while (c->sent < c->may_send) {
    ssize_t n = send (c->fd, c->ask.bytes + c->sent, c->may_send - c->sent, MSG_NOSIGNAL);
    if (n < 0)
      return;                   /* later; or what there is to hear says why not */
    c->sent += (size_t) n;
  }
  if (c->sent == c->ask.len)
    c->state = HEARING;
  if (c->leave != SOAK_STAYS)
    c->wake_us = c->wake_us > 0 ? c->wake_us : now + patience_us (c);
  else if (c->sent < c->ask.len)
    c->wake_us = now + 1000 + soak_random (5000);
}

static void
begin (struct soak_clients *all, struct client *c, int64_t now)
{
  static const char *const paths[SOAK_PROVIDERS] = { "", "spare", "alone", "narrow" };
  enum soak_kind kind = any_kind ();
  int provider = any_provider ();
  const char *path = paths[provider];
  const char *model = soak_random (20) == 0 ? "slow" : "soak";

  c->leave = SOAK_STAYS;
  if (c->fickle)
    choose_fickle (c, &kind, &path, &model);
  c->close = soak_random (10) == 0;
  c->slow = (kind == SOAK_UPLOAD && soak_random (4) == 0)
            || (kind == SOAK_BIG && soak_random (2) == 0);
  if (kind == SOAK_BIG)
    model = "big";
  soak_ask_make (&c->ask, soak_book_add (all->book, provider, kind, c->leave), kind, path, model,
                 all->tokens[c->fickle], c->close);
  c->sent = 0;
  c->may_send = c->leave == SOAK_IN_HEAD ? c->ask.head_len / 2
                : c->leave == SOAK_IN_UPLOAD
                  ? c->ask.head_len + soak_random ((uint32_t) (c->ask.len - c->ask.head_len))
                : c->slow && kind == SOAK_UPLOAD ? PIECE : c->ask.len;
  c->began_us = now;
  c->state = SENDING;
  c->wake_us = 0;
  if (c->fd < 0)
    connect_client (all, c);
  send_some (c, now);
}

static void
rest (struct client *c, int64_t now)
{
  soak_ask_clear (&c->ask);
  soak_answer_clear (&c->answer);
  c->state = RESTING;
  c->wake_us = now + 1 + soak_random (REST_US);
}

static void
vanish (struct soak_clients *all, struct client *c, int64_t now)
{
  soak_book_left (all->book, c->ask.number, now - c->began_us);
  hang_up (c, soak_random (2) == 0);
  rest (c, now);
}

/* The answer is there, or will not be. */
static void
finish (struct soak_clients *all, struct client *c, int is_whole, int64_t now)
{
  char code[64];
  enum soak_outcome outcome;

  if (c->leave != SOAK_STAYS) {
    vanish (all, c, now);
    return;
  }
  outcome = soak_answer_judge (&c->answer, &c->ask, is_whole, code);
  if (outcome != SOAK_PENDING)
    soak_book_answered (all->book, c->ask.number, outcome, code, now - c->began_us);
  if (!is_whole || c->close || soak_answer_closes (&c->answer) || c->sent < c->ask.len || soak_random (4) == 0)
    hang_up (c, 0);
  rest (c, now);
}

/* ---- Answers ------------------------------------------------------------------------------ */

/* 1: there was some; 0: not now; -1: the end. */
static int
hear_some (struct client *c)
{
  struct soak_answer *a = &c->answer;
  ssize_t n;

  if (a->room - a->len < READ_PIECE + 1) {
    a->room = a->len + READ_PIECE + 1;
    a->bytes = realloc (a->bytes, a->room);
    ck_assert_ptr_nonnull (a->bytes);
  }
  n = recv (c->fd, a->bytes + a->len, READ_PIECE, 0);
  if (n < 0 && (errno == EAGAIN || errno == ENOTCONN))
    return 0;
  if (n <= 0)
    return -1;
  a->len += (size_t) n;
  a->bytes[a->len] = '\0';
  return 1;
}

static void
hear_resting (struct client *c)
{
  int r = hear_some (c);

  if (r == 0)
    return;
  if (r > 0)
    soak_wrong ("bytes that nobody asked for: %s", c->answer.bytes);
  else
    soak_wrong ("a connection was closed between two requests, behind %zu", c->ask.number);
  hang_up (c, 0);
  soak_answer_clear (&c->answer);
}

static void
hear (struct soak_clients *all, struct client *c, int64_t now)
{
  int r;

  if (c->state == RESTING) {
    hear_resting (c);
    return;
  }
  while ((r = hear_some (c)) > 0) {
    if (soak_answer_scan (&c->answer)) {
      finish (all, c, 1, now);
      return;
    }
    if (c->slow && c->leave == SOAK_STAYS && c->state == HEARING) {
      c->wake_us = now + 2000 + soak_random (20000);
      return;
    }
  }
  if (r < 0)
    finish (all, c, 0, now);
  else if (c->leave == SOAK_IN_STREAM && c->answer.head_len > 0
           && c->answer.len > c->answer.head_len)
    vanish (all, c, now);
}

/* ---- Turns ----------------------------------------------------------------------------------- */

static void
wake (struct soak_clients *all, struct client *c, int64_t now)
{
  c->wake_us = 0;
  if (c->state == RESTING) {
    if (!all->ending)
      begin (all, c, now);
  } else if (c->leave != SOAK_STAYS)
    vanish (all, c, now);
  else if (c->state == HEARING)
    hear (all, c, now);
  else {
    c->may_send = c->may_send + PIECE < c->ask.len ? c->may_send + PIECE : c->ask.len;
    send_some (c, now);
  }
}

void
soak_clients_turn (struct soak_clients *all, int ms)
{
  struct epoll_event ready[64];
  int64_t now = soak_now_us ();

  for (size_t i = 0; i < all->n; i++)
    if (all->of[i].wake_us > 0 && all->of[i].wake_us - now < (int64_t) ms * 1000)
      ms = all->of[i].wake_us > now ? (int) ((all->of[i].wake_us - now + 999) / 1000) : 0;
  int n = epoll_wait (all->epoll, ready, 64, ms);
  for (int i = 0; i < n; i++) {
    struct client *c = ready[i].data.ptr;
    now = soak_now_us ();
    if (c->fd >= 0 && c->state == SENDING)
      send_some (c, now);
    if (c->fd >= 0 && (ready[i].events & ~(uint32_t) EPOLLOUT) != 0)
      hear (all, c, now);
  }
  now = soak_now_us ();
  for (size_t i = 0; i < all->n; i++)
    if (all->of[i].wake_us > 0 && all->of[i].wake_us <= now)
      wake (all, &all->of[i], now);
}

int
soak_clients_end (struct soak_clients *all)
{
  int done = 1;

  all->ending = 1;
  for (size_t i = 0; i < all->n; i++) {
    if (all->of[i].state == RESTING)
      hang_up (&all->of[i], 0);
    done = done && all->of[i].state == RESTING;
  }
  return done;
}

struct soak_clients *
soak_clients_new (struct soak_book *book, int port, int steady, int fickle,
                  const char *steady_token, const char *fickle_token)
{
  struct soak_clients *all = calloc (1, sizeof *all);

  ck_assert_ptr_nonnull (all);
  *all = (struct soak_clients) {
    .book = book, .n = (size_t) (steady + fickle), .port = port,
    .tokens = { steady_token, fickle_token },
  };
  all->epoll = epoll_create1 (EPOLL_CLOEXEC);
  all->of = calloc (all->n, sizeof *all->of);
  ck_assert (all->epoll >= 0 && all->of != NULL);
  for (size_t i = 0; i < all->n; i++) {
    all->of[i].fd = -1;
    all->of[i].fickle = i >= (size_t) steady;
    rest (&all->of[i], soak_now_us ());
  }
  return all;
}

void
soak_clients_free (struct soak_clients *all)
{
  for (size_t i = 0; i < all->n; i++) {
    hang_up (&all->of[i], 0);
    rest (&all->of[i], 0);
  }
  (void) close (all->epoll);
  free (all->of);
  free (all);
}

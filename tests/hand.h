/* hand - a provider that the test plays itself, a word at a time, behind a
 * front; and asynchronous calls that are turned until something has happened. */
#ifndef HAND_H
#define HAND_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "frontkit.h"

enum { HAND_PATIENCE_MS = 60000 };

/* What came of one call. */
struct call {
  kw_handle *handle;
  int ended, code, attempts;
  int pause;                    /* what its consumer says to each text    */
  size_t taken;                 /* bytes of its body                      */
  char text[256], why[1024];
};

static int n_ended;

static inline int
hand_on_text (void *user, const char *text, size_t len)
{
  struct call *c = user;
  size_t at = strlen (c->text);

  ck_assert_int_eq (c->ended, 0);
  if (at + len < sizeof c->text)
    memcpy (c->text + at, text, len);
  return c->pause ? KW_PAUSE : 0;
}

static inline int
hand_on_data (void *user, const void *data, size_t len)
{
  struct call *c = user;

  (void) data;
  c->taken += len;
  return 0;
}

static inline void
hand_on_event (void *user, const kw_event *e)
{
  struct call *c = user;

  c->attempts += e->type == KW_EVENT_ATTEMPT;
}

static inline void
hand_on_end (void *user, int code, kw_reply *reply, const struct kw_error *err)
{
  struct call *c = user;

  c->ended++;
  n_ended++;
  c->code = code;
  c->handle = NULL;
  if (err != NULL)
    (void) memccpy (c->why, err->message, '\0', sizeof c->why - 1);
  kw_reply_free (reply);
}

static inline void
call_begin (struct call *c, int stream)
{
  kw_callbacks on = KW_CALLBACKS_INIT;
  kw_request rq = KW_REQUEST_INIT;

  memset (c, 0, sizeof *c);
  on.on_end = hand_on_end;
  on.on_event = hand_on_event;
  if (stream) {
    on.on_text = hand_on_text;
    on.on_data = hand_on_data;
  }
  rq.prompt = "one two three";
  rq.stream = stream;
  c->handle = kw_submit (kit.client, &rq, &on, c);
  ck_assert_ptr_nonnull (c->handle);
}

/* Sleeps until the client or fd (-1: none) has something; returns whether fd
 * has. */
static inline int
turn (int fd)
{
  struct pollfd p[2] = { { .fd = kw_client_fd (kit.client), .events = POLLIN },
                         { .fd = fd, .events = POLLIN } };
  int ms = kw_client_timeout (kit.client);
  int n = poll (p, 2, ms >= 0 && ms < HAND_PATIENCE_MS ? ms : HAND_PATIENCE_MS);

  ck_assert_msg (n > 0 || ms >= 0, "nothing happens any more");
  ck_assert_int_ge (kw_client_process (kit.client), 0);
  return p[1].revents != 0;
}

#define TURN_UNTIL(condition)                                           \
  do {                                                                  \
    while (!(condition))                                                \
      (void) turn (-1);                                                 \
  } while (0)

/* Takes what is due now; nothing may be due for ever. */
static inline void
turn_until_quiet (void)
{
  struct pollfd p = { .fd = kw_client_fd (kit.client), .events = POLLIN };
  int turns = 0;

  while (poll (&p, 1, 0) == 1) {
    ck_assert_msg (turns++ < 20, "the descriptor is readable for ever");
    ck_assert_int_ge (kw_client_process (kit.client), 0);
  }
}

static inline void
hand_setup (void)
{
  n_ended = 0;
  kit_setup ();
}

/* ---- The provider ----------------------------------------------------------- */

static int hand_fd;             /* listening */

static inline void
hand_up (struct front_options options)
{
  int port;

  hand_fd = tlskit_listen (&port);
  options.behind = text_of ("http://127.0.0.1:%d", port);
  front = front_start (&options);
  kit.url = front_url (front, "localhost");
  kit_keys ("sk-a", NULL);
}

/* The one connection that the client has to the front, and keeps for later use;
 * -1: it has gone.  What nobody wants is not told of by kw_client_fd. */
static inline int
find_idle_connection (void)
{
  struct sockaddr_in at;
  int found = -1;

  for (int fd = 3; fd < 1024; fd++) {
    socklen_t size = sizeof at;
    if (getpeername (fd, (struct sockaddr *) &at, &size) != 0
        || at.sin_family != AF_INET || ntohs (at.sin_port) != front_port (front))
      continue;
    ck_assert_int_eq (found, -1);
    found = fd;
  }
  return found;
}

static inline int
idle_connection (void)
{
  int found = find_idle_connection ();

  ck_assert_int_ne (found, -1);
  return found;
}

/* Which may have come with the last answer. */
static inline void
wait_for_close (void)
{
  struct pollfd p = { .fd = find_idle_connection (), .events = POLLRDHUP };

  if (p.fd != -1)
    ck_assert_int_eq (poll (&p, 1, HAND_PATIENCE_MS), 1);
}

/* Turns the client until its next request has come, whole. */
static inline int
hand_take (void)
{
  char head[16384];
  size_t len = 0;
  ssize_t n;
  int fd;

  while (!turn (hand_fd))
    ;
  fd = accept4 (hand_fd, NULL, NULL, SOCK_CLOEXEC);
  ck_assert_int_ge (fd, 0);
  while (len < sizeof head - 1) {
    while (!turn (fd))
      ;
    n = read (fd, head + len, sizeof head - 1 - len);
    ck_assert_int_gt (n, 0);
    len += (size_t) n;
    head[len] = '\0';
    if (strstr (head, "\"messages\"") != NULL && head[len - 1] == '}')
      break;
  }
  return fd;
}

static inline void
hand_say (int fd, const char *bytes)
{
  ck_assert_int_eq (send (fd, bytes, strlen (bytes), MSG_NOSIGNAL),
                    (ssize_t) strlen (bytes));
}

static inline void
hand_begin_stream (int fd)
{
  hand_say (fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                "Transfer-Encoding: chunked\r\n\r\n");
}

static inline void
hand_event (int fd, const char *data)
{
  const char *event = text_of ("data: %s\n\n", data);

  hand_say (fd, text_of ("%zx\r\n%s\r\n", strlen (event), event));
}

static inline void
hand_word (int fd, const char *word)
{
  hand_event (fd, text_of ("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}",
                           word));
}

static inline void
hand_end_stream (int fd)
{
  hand_event (fd, "[DONE]");
  hand_say (fd, "0\r\n\r\n");
  (void) close (fd);
}

/* To a call that is no stream. */
static inline void
hand_reply (int fd, const char *text)
{
  const char *body = text_of ("{\"choices\":[{\"index\":0,\"message\":{\"role\":"
                              "\"assistant\",\"content\":\"%s\"}}]}", text);

  hand_say (fd, text_of ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         "Content-Length: %zu\r\n\r\n%s", strlen (body), body));
  (void) close (fd);
}

/* Its side has closed it: turns the client until then. */
static inline void
hand_expect_close (int fd)
{
  char byte;

  while (!turn (fd))
    ;
  ck_assert_int_le (read (fd, &byte, 1), 0);
  (void) close (fd);
}

#endif

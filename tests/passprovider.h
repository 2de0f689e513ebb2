/* passprovider - the provider of passkit.h: takes bodies of any size and answers
 * as it is told, connection by connection.  Large bodies are a pattern, so that
 * neither side holds them. */
#ifndef PASSPROVIDER_H
#define PASSPROVIDER_H

#include <errno.h>
#include <poll.h>
#include <semaphore.h>

#include "canned.h"
#include "clientkit.h"

#define PASS_DAY                                                        \
  "{\"error\":{\"message\":\"Rate limit reached for model `m` in organization `org_1` " \
  "on tokens per day (TPD): Limit 100, Used 100, Requested 1. Please try again in " \
  "7m12s.\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}"
#define PASS_CHAT                                                       \
  "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hi\"}," \
  "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}"

static inline unsigned char
pass_byte (uint64_t i)
{
  return (unsigned char) ((i * UINT64_C (2654435761)) >> 13);
}

/* 1: these bytes are the pattern's from at on. */
static inline int
pass_is_pattern (const void *data, size_t len, uint64_t at)
{
  const unsigned char *p = data;
  size_t i;

  for (i = 0; i < len && p[i] == pass_byte (at + i); i++)
    ;
  return i == len;
}

static inline void
pass_fill (void *data, size_t len, uint64_t at)
{
  unsigned char *p = data;
  size_t i;

  for (i = 0; i < len; i++)
    p[i] = pass_byte (at + i);
}

/* ---- The provider ----------------------------------------------------------- */

/* What one connection gets. */
struct pass_step {
  const char *status;           /* "200 OK"; NULL: it is closed unanswered */
  const char *headers;          /* each with its line's end; NULL: none   */
  const char *body;             /* with its length, unless they say chunked */
  size_t body_len;              /* 0: strlen (body)                       */
  size_t big;                   /* so much of the pattern in its place    */
  size_t cut;                   /* closes behind so much of that; 0: never */
  int early;                    /* answers once the head is there         */
  int gated;                    /* waits for pass_open before it reads the body */
  int halfway;                  /* and again in the middle of big         */
};

struct pass_seen {
  char head[8192];
  char body[65536];             /* the beginning, a NUL behind            */
  size_t body_len;
  int is_pattern;
};

static struct {
  int fd, n_steps;
  const struct pass_step *steps;
  atomic_int n_seen;
  struct pass_seen seen[8];
  sem_t gate, heads;
  pthread_t thread;
  char url[64];
} provider;

/* 0: the other side closed. */
static inline int
pass_read (int fd, void *buf, size_t len)
{
  char *p = buf;
  ssize_t n = 0;

  for (; len > 0 && (n = read (fd, p, len)) > 0; len -= (size_t) n)
    p += n;
  return len == 0;
}

static inline int
pass_send (int fd, const void *buf, size_t len)
{
  const char *p = buf;
  ssize_t n = 0;

  for (; len > 0 && (n = send (fd, p, len, MSG_NOSIGNAL)) > 0; len -= (size_t) n)
    p += n;
  return len == 0;
}

static inline int
pass_read_line (int fd, char *line, size_t size)
{
  size_t n = 0;

  line[0] = '\0';
  while (n + 1 < size && pass_read (fd, line + n, 1)) {
    line[++n] = '\0';
    if (line[n - 1] == '\n')
      return 1;
  }
  return 0;
}

static inline int
pass_take_bytes (int fd, struct pass_seen *s, uint64_t len)
{
  char piece[16384];

  while (len > 0) {
    size_t n = len < sizeof piece ? (size_t) len : sizeof piece;
    if (!pass_read (fd, piece, n))
      return 0;
    s->is_pattern = s->is_pattern && pass_is_pattern (piece, n, s->body_len);
    if (s->body_len + n < sizeof s->body)
      memcpy (s->body + s->body_len, piece, n);
    s->body_len += n;
    len -= n;
  }
  return 1;
}

static inline int
pass_take_body (int fd, struct pass_seen *s)
{
  const char *length = strcasestr (s->head, "\r\nContent-Length:");
  char line[64];
  uint64_t n;

  s->is_pattern = 1;
  if (length != NULL)
    return pass_take_bytes (fd, s, strtoull (length + 17, NULL, 10));
  if (strcasestr (s->head, "\r\nTransfer-Encoding: chunked") == NULL)
    return 1;
  do {
    if (!pass_read_line (fd, line, sizeof line))
      return 0;
    n = strtoull (line, NULL, 16);
    if (!pass_take_bytes (fd, s, n) || !pass_read_line (fd, line, sizeof line))
      return 0;
  } while (n > 0);
  return 1;
}

static inline void
pass_answer (int fd, const struct pass_step *t)
{
  size_t len = t->big > 0 ? t->big : t->body == NULL ? 0
               : t->body_len > 0 ? t->body_len : strlen (t->body), at, n;
  const char *headers = t->headers != NULL ? t->headers : "";
  char head[2048], piece[16384];
  int no_length = strstr (headers, "chunked") != NULL
                  || strncmp (t->status, "204", 3) == 0;
  int m = no_length
          ? snprintf (head, sizeof head, "HTTP/1.1 %s\r\nConnection: close\r\n%s\r\n",
                      t->status, headers)
          : snprintf (head, sizeof head, "HTTP/1.1 %s\r\nConnection: close\r\n%s"
                      "Content-Length: %zu\r\n\r\n", t->status, headers, len);

  if (m < 0 || (size_t) m >= sizeof head || !pass_send (fd, head, (size_t) m))
    return;
  if (t->big == 0) {
    if (len > 0)
      (void) pass_send (fd, t->body, len);
    return;
  }
  for (at = 0; at < len && (t->cut == 0 || at < t->cut); at += n) {
    n = len - at < sizeof piece ? len - at : sizeof piece;
    if (t->halfway && at <= len / 2 && at + n > len / 2)
      (void) sem_wait (&provider.gate);
    pass_fill (piece, n, at);
    if (!pass_send (fd, piece, n))
      return;
  }
}

static inline void
pass_serve_one (int fd, const struct pass_step *t, struct pass_seen *s)
{
  size_t len = 0;
  char rest[4096];

  while (len + 1 < sizeof s->head && pass_read (fd, s->head + len, 1)) {
    s->head[++len] = '\0';
    if (len > 4 && memcmp (s->head + len - 4, "\r\n\r\n", 4) == 0)
      break;
  }
  (void) atomic_fetch_add (&provider.n_seen, 1);
  (void) sem_post (&provider.heads);
  if (t->gated)
    (void) sem_wait (&provider.gate);
  if (!t->early && !pass_take_body (fd, s))
    return;
  if (t->status != NULL)
    pass_answer (fd, t);
  if (t->early)                 /* so that no reset takes the answer away */
    while (read (fd, rest, sizeof rest) > 0)
      ;
}

static inline void *
pass_serve (void *user)
{
  int i, fd;

  (void) user;
  for (i = 0; i < provider.n_steps
              && (fd = accept (provider.fd, NULL, NULL)) >= 0; i++) {
    pass_serve_one (fd, &provider.steps[i], &provider.seen[i]);
    (void) close (fd);
  }
  return NULL;
}

/* The steps stay the caller's until pass_stop. */
static inline void
pass_start_n (const struct pass_step *steps, size_t n, const char *options)
{
  struct canned *c = canned_listen ();  /* its socket is all that is wanted */

  memset (&provider, 0, sizeof provider);
  provider.fd = c->fd;
  (void) memccpy (provider.url, c->url, '\0', sizeof provider.url);
  free (c);
  provider.steps = steps;
  provider.n_steps = (int) n;
  ck_assert_int_eq (sem_init (&provider.gate, 0, 0), 0);
  ck_assert_int_eq (sem_init (&provider.heads, 0, 0), 0);
  ck_assert_int_eq (pthread_create (&provider.thread, NULL, pass_serve, NULL), 0);
  kit.url = provider.url;
  if (kit.vars[0] == NULL)
    kit_keys ("sk-aaaaaaaaaa", "sk-bbbbbbbbbb");
  kit_open (options);
}
#define pass_start(steps, options)                                      \
  pass_start_n (steps, sizeof (steps) / sizeof (steps)[0], options)

static inline void
pass_open (void)
{
  ck_assert_int_eq (sem_post (&provider.gate), 0);
}

/* Until the next one's head has come. */
static inline void
pass_wait_for_head (void)
{
  while (sem_wait (&provider.heads) != 0)
    ck_assert_int_eq (errno, EINTR);
}

/* How many requests came. */
static inline int
pass_stop (void)
{
  kw_client_close (kit.client); /* its connections first: some wait for that */
  kit.client = NULL;
  (void) shutdown (provider.fd, SHUT_RDWR);
  ck_assert_int_eq (pthread_join (provider.thread, NULL), 0);
  (void) close (provider.fd);
  return atomic_load (&provider.n_seen);
}

#endif

/* passkit - requests of other programs that are passed on: a provider that takes
 * bodies of any size and answers as it is told, connection by connection, and a
 * call of which all that it is told is kept.  Large bodies are a pattern, so that
 * neither side holds them. */
#ifndef PASSKIT_H
#define PASSKIT_H

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

/* ---- A call ----------------------------------------------------------------- */

struct passed {
  kw_handle *handle;
  int ended, code, n_start, n_data;
  char why[1024];
  int error_attempts, error_status;
  int64_t error_retry_at, waited, first_byte;
  char reply_key[64];
  /* of on_start */
  int status, attempts, switches;
  int64_t length;
  char type[64], key[64], model[96], fields[1024];
  /* of on_data */
  char data[300 * 1024];
  uint64_t data_len;
  int is_pattern;
  int pause;                    /* what it says to each piece             */
  int stop;                     /* ... cancels at the first               */
  /* of on_upload: text, or so much of the pattern */
  const char *text;
  uint64_t upload_len, uploaded;
  uint64_t pause_at;            /* says KW_PAUSE there, once; 0: never    */
  int paused, n_asked;
  int64_t says;                 /* this, in place of bytes, if not 0      */
};

static inline void
pass_on_start (void *user, const kw_start *s)
{
  struct passed *p = user;
  size_t len = 0;
  int i;

  ck_assert_int_eq (p->n_start++, 0);
  ck_assert_int_eq (p->n_data, 0);
  ck_assert_uint_ge (s->struct_size, sizeof *s);
  p->status = s->http_status;
  p->attempts = s->attempts;
  p->switches = s->switches;
  p->length = s->content_length;
  p->first_byte = s->first_byte_ms;
  (void) memccpy (p->type, s->content_type, '\0', sizeof p->type - 1);
  (void) memccpy (p->key, s->key, '\0', sizeof p->key - 1);
  (void) memccpy (p->model, s->model, '\0', sizeof p->model - 1);
  for (i = 0; i < s->n_fields; i++) {
    int n = snprintf (p->fields + len, sizeof p->fields - len, "%s=%s\n",
                      s->fields[i].name, s->fields[i].value);
    ck_assert (n > 0 && (size_t) n < sizeof p->fields - len);
    len += (size_t) n;
  }
}

static inline int
pass_on_data (void *user, const void *data, size_t len)
{
  struct passed *p = user;

  ck_assert_int_eq (p->n_start, 1);
  ck_assert_int_eq (p->ended, 0);
  if (p->n_data++ == 0)
    p->is_pattern = 1;
  p->is_pattern = p->is_pattern && pass_is_pattern (data, len, p->data_len);
  if (p->data_len + len < sizeof p->data)
    memcpy (p->data + p->data_len, data, len);
  p->data_len += len;
  return p->stop ? 1 : p->pause ? KW_PAUSE : 0;
}

static inline int64_t
pass_on_upload (void *user, void *buf, size_t size)
{
  struct passed *p = user;
  uint64_t left = p->upload_len - p->uploaded;

  p->n_asked++;
  ck_assert_msg (!p->paused, "asked again before it was resumed");
  if (p->pause_at > 0 && p->uploaded >= p->pause_at) {
    p->pause_at = 0;
    p->paused = 1;
    return KW_PAUSE;
  }
  if (p->says != 0)
    return p->says;
  if (p->pause_at > p->uploaded && p->pause_at - p->uploaded < left)
    left = p->pause_at - p->uploaded;
  if (left < size)
    size = (size_t) left;
  if (p->text != NULL)
    memcpy (buf, p->text + p->uploaded, size);
  else
    pass_fill (buf, size, p->uploaded);
  p->uploaded += size;
  return (int64_t) size;
}

static inline void
pass_note_end (struct passed *p, int code, kw_reply *reply, const struct kw_error *err)
{
  ck_assert_int_eq (p->ended++, 0);
  p->code = code;
  p->handle = NULL;
  if (err != NULL) {
    (void) memccpy (p->why, err->message, '\0', sizeof p->why - 1);
    p->error_attempts = err->attempts;
    p->error_status = err->http_status;
    p->error_retry_at = err->retry_at_ms;
  }
  else {
    (void) memccpy (p->reply_key, kw_reply_key (reply), '\0', sizeof p->reply_key);
    p->waited = kw_reply_waited_ms (reply);
    p->first_byte = kw_reply_first_byte_ms (reply);
  }
  kw_reply_free (reply);
}

static inline void
pass_on_end (void *user, int code, kw_reply *reply, const struct kw_error *err)
{
  pass_note_end (user, code, reply, err);
}

/* text: of an upload, or NULL for the pattern, of that length. */
static inline void
pass_upload (struct passed *p, const char *text, uint64_t len)
{
  p->text = text;
  p->upload_len = text != NULL ? strlen (text) : len;
}

static inline void
pass_begin (struct passed *p, const kw_request *request)
{
  kw_callbacks on = KW_CALLBACKS_INIT;
  kw_request rq = *request;

  rq.pass = 1;
  on.on_start = pass_on_start;
  on.on_data = pass_on_data;
  on.on_end = pass_on_end;
  if (p->text != NULL || p->upload_len > 0)
    on.on_upload = pass_on_upload;
  p->handle = kw_submit (kit.client, &rq, &on, p);
  ck_assert_ptr_nonnull (p->handle);
}

/* Sleeps in poll until something is to be done, and does it. */
static inline void
pass_turn (void)
{
  struct pollfd f = { .fd = kw_client_fd (kit.client), .events = POLLIN };
  int ms = kw_client_timeout (kit.client);

  ck_assert_msg (poll (&f, 1, ms < 0 || ms > 20000 ? 20000 : ms) > 0 || ms >= 0,
                 "nothing happens any more");
  ck_assert_int_ge (kw_client_process (kit.client), 0);
}

#define PASS_UNTIL(condition)                                           \
  do {                                                                  \
    while (!(condition))                                                \
      pass_turn ();                                                     \
  } while (0)

/* A whole one, to its end. */
static inline void
pass_run (struct passed *p, const kw_request *rq)
{
  pass_begin (p, rq);
  PASS_UNTIL (p->ended);
}

/* Does what can be done without anybody else. */
static inline void
pass_turn_until_quiet (void)
{
  struct pollfd f = { .fd = kw_client_fd (kit.client), .events = POLLIN };

  while (poll (&f, 1, 100) == 1)
    ck_assert_int_ge (kw_client_process (kit.client), 0);
}

/* "VmHWM:" of this process, in KB. */
static inline long
pass_peak_kb (void)
{
  FILE *f = fopen ("/proc/self/status", "re");
  char line[256];
  long kb = -1;

  ck_assert_ptr_nonnull (f);
  while (fgets (line, sizeof line, f) != NULL)
    if (strncmp (line, "VmHWM:", 6) == 0)
      kb = strtol (line + 6, NULL, 10);
  (void) fclose (f);
  ck_assert_int_gt (kb, 0);
  return kb;
}

/* ---- A suite ----------------------------------------------------------------- */

#define JSON "Content-Type: application/json\r\n"

static struct passed passed;    /* what came of a test's call, or its last */

static inline kw_request
request (const char *method, const char *path)
{
  kw_request rq = KW_REQUEST_INIT;

  rq.method = method;
  rq.path = path;
  return rq;
}

static inline kw_request
chat (const char *body)
{
  kw_request rq = request ("POST", "/chat/completions");

  rq.body = body;
  rq.body_len = strlen (body);
  return rq;
}

static inline kw_request
upload (const char *path, const char *type)
{
  kw_request rq = request ("POST", path);

  rq.content_type = type;
  return rq;
}

static inline void
pass_setup (void)
{
  memset (&passed, 0, sizeof passed);
  kit_setup ();
}

#endif

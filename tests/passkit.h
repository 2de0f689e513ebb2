/* passkit - requests of other programs that are passed on: a call of which all
 * that it is told is kept, and a provider for it. */
#ifndef PASSKIT_H
#define PASSKIT_H

#include "passprovider.h"

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

/* Which the provider does: nothing of it need come to the client. */
#define PASS_UNTIL_THERE(condition)                                     \
  do {                                                                  \
    struct pollfd f_ = { .fd = kw_client_fd (kit.client), .events = POLLIN }; \
    while (!(condition)) {                                              \
      (void) poll (&f_, 1, 10);                                         \
      ck_assert_int_ge (kw_client_process (kit.client), 0);             \
    }                                                                   \
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

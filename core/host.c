/* host - what the core does for a plugin while the plugin is called.
 *
 * The services trust nobody: a pointer that was not passed into the very
 * callback that is going on is refused, and a debug build stops there.  Knows
 * no policy and no network; what a request or an answer is, request.c and
 * answer.c know. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "answer.h"
#include "clock.h"
#include "fallback.h"
#include "host.h"
#include "request.h"
#include "translate.h"

#ifdef KW_DEBUG
#undef NDEBUG
#include <assert.h>
#define MUST(cond) assert (cond)
#else
#define MUST(cond) ((void) 0)
#endif

#ifndef KW_VERSION
#define KW_VERSION "0"
#endif

/* Names and settings, not answers: far more than a plugin has a use for. */
#define MAX_INTERNED ((size_t) 1 << 20)

/* Log lines that one call into a plugin may leave. */
enum { MAX_LINES = 16 };

/* A bucket of 1.0; no plugin has a shorter one. */
#define LEAST_BUCKET 96

static _Thread_local struct kwi_frame *current;

void
kwi_host_enter (struct kwi_frame *f)
{
  /* A frame that is there already: a callback has called back into the core. */
  MUST (current == NULL);
  f->outer = current;
  current = f;
}

void
kwi_host_leave (struct kwi_frame *f)
{
  current = f->outer;
}

const struct kwi_frame *
kwi_host_current (void)
{
  return current;
}

/* ---- Texts --------------------------------------------------------------- */

/* Copies what fits, a line remaining a line and no UTF-8 character halved. */
static void
copy_line (char *dst, size_t size, const char *src)
{
  size_t n = strnlen (src, size);

  if (n >= size) {
    n = size - 1;
    while (n > 0 && ((unsigned char) src[n] & 0xc0) == 0x80)
      n--;
  }
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char) src[i];
    dst[i] = c < 0x20 || c == 0x7f ? '?' : src[i];
  }
  dst[n] = '\0';
}

struct kwi_line {
  struct kwi_line *next;
  struct kw_instance *in;
  uint32_t level;
  char text[];
};

/* Bounded: a plugin in a loop is dropped, not the program. */
static void
queue_line (struct kwi_frame *f, struct kw_instance *in, uint32_t level,
            const char *text)
{
  struct kwi_line **end = &f->lines, *l = NULL;
  size_t size = strlen (text) + 1;

  if (f->n_lines < MAX_LINES)
    l = malloc (sizeof *l + size);
  if (l == NULL) {
    f->n_dropped++;
    return;
  }
  l->next = NULL;
  l->in = in;
  l->level = level;
  memcpy (l->text, text, size);
  while (*end != NULL)
    end = &(*end)->next;
  *end = l;
  f->n_lines++;
}

static void
log_line (struct kw_instance *in, uint32_t level, const char *msg)
{
  char line[1024];

  if (in->hooks.log == NULL)
    return;
  if (level > KW_LOG_DEBUG)
    level = KW_LOG_DEBUG;
  copy_line (line, sizeof line, msg);
  if (current != NULL)
    queue_line (current, in, level, line);      /* its locks are held */
  else
    in->hooks.log (in->hooks.user, level, line);
}

void
kwi_host_deliver (struct kwi_frame *f)
{
  while (f->lines != NULL) {
    struct kwi_line *l = f->lines;
    f->lines = l->next;
    log_line (l->in, l->level, l->text);
    free (l);
  }
  if (f->n_dropped > 0)
    kwi_host_log (f->in, KW_LOG_WARN, "plugin \"%s\": more lines dropped (%u); "
                  "one call may log %d", f->in->provider->name, f->n_dropped,
                  MAX_LINES);
  f->n_lines = f->n_dropped = 0;
}

void
kwi_host_log (struct kw_instance *in, uint32_t level, const char *fmt, ...)
{
  char line[1024];
  va_list ap;
  int n;

  va_start (ap, fmt);
  n = vsnprintf (line, sizeof line, fmt, ap);
  va_end (ap);
  if (n >= 0)
    log_line (in, level, line);
}

/* The instance that was meant: a plugin that passes NULL means its own. */
static struct kw_instance *
meant (struct kw_instance *in)
{
  if (in == NULL && current != NULL)
    in = current->in;
  return in;
}

static void
service_log (struct kw_instance *in, uint32_t level, const char *msg)
{
  in = meant (in);
  if (in != NULL && msg != NULL)
    log_line (in, level, msg);
}

static void
service_error (struct kw_instance *in, const char *msg)
{
  in = meant (in);
  if (in == NULL || msg == NULL)
    return;
  if (current != NULL && current->in == in)
    copy_line (current->said, sizeof current->said, msg);
  else
    log_line (in, KW_LOG_WARN, msg);    /* no call that could fail with it */
}

/* ---- Memory and time ----------------------------------------------------- */

struct kwi_interned {
  struct kwi_interned *next;
  size_t len;
  char text[];
};

/* A new entry, or NULL: no memory, or over the bound. */
static struct kwi_interned *
add_interned (struct kw_instance *in, const char *s, size_t len)
{
  size_t size = sizeof (struct kwi_interned) + len + 1;
  struct kwi_interned *e;

  if (size > MAX_INTERNED - in->interned_bytes)
    return NULL;
  e = malloc (size);
  if (e == NULL)
    return NULL;
  e->len = len;
  memcpy (e->text, s, len);
  e->text[len] = '\0';
  e->next = in->interned;
  in->interned = e;
  in->interned_bytes += size;
  return e;
}

/* The same text twice is one copy, so that a plugin that interns an account's
 * name at each answer does not grow. */
static const char *
service_intern (struct kw_instance *in, const char *s, uint64_t len)
{
  struct kwi_interned *e;

  in = meant (in);
  if (in == NULL || s == NULL || len >= MAX_INTERNED)
    return NULL;
  pthread_mutex_lock (&in->interning);
  for (e = in->interned; e != NULL; e = e->next)
    if (e->len == len && memcmp (e->text, s, (size_t) len) == 0)
      break;
  if (e == NULL)
    e = add_interned (in, s, (size_t) len);
  pthread_mutex_unlock (&in->interning);
  return e != NULL ? e->text : NULL;
}

void
kwi_host_free_interned (struct kw_instance *in)
{
  while (in->interned != NULL) {
    struct kwi_interned *e = in->interned;
    in->interned = e->next;
    free (e);
  }
  in->interned_bytes = 0;
}

static int64_t
service_now_ms (struct kw_instance *in)
{
  in = meant (in);
  if (in == NULL)
    return 0;
  return in->hooks.clock->wall_ms (in->hooks.clock->ctx);
}

/* ---- The request builder ------------------------------------------------- */

/* Is this the request of the prepare or build_probe that is going on? */
static int
may_build (const struct kw_request *r)
{
  int ok = r != NULL && current != NULL && current->phase == KWI_PHASE_BUILD &&
           current->request == r;

  MUST (ok);
  return ok;
}

static int
service_request_method (struct kw_request *r, const char *method)
{
  return may_build (r) ? kwi_request_method (r, method) : KW_ERR;
}

static int
service_request_url (struct kw_request *r, const char *url)
{
  return may_build (r) ? kwi_request_url (r, url) : KW_ERR;
}

static int
service_request_header (struct kw_request *r, const char *name,
                        const char *value)
{
  return may_build (r) ? kwi_request_header (r, name, value) : KW_ERR;
}

static int
service_request_body (struct kw_request *r, const void *body, uint64_t len)
{
  return may_build (r) ? kwi_request_body (r, body, len) : KW_ERR;
}

static int
service_request_secret_header (struct kw_request *r, const char *name,
                               const char *prefix)
{
  return may_build (r) ? kwi_request_secret_header (r, name, prefix) : KW_ERR;
}

static int
service_request_secret_query (struct kw_request *r, const char *name)
{
  return may_build (r) ? kwi_request_secret_query (r, name) : KW_ERR;
}

/* ---- The response reader ------------------------------------------------- */

/* The classify or reply that is going on, if this is the answer which it was
 * given; or NULL. */
static const struct kwi_frame *
may_read (const struct kw_response *resp)
{
  const struct kwi_frame *f = current; /* once: it is the thread's */
  int ok = resp != NULL && f != NULL && f->response == resp;

  MUST (ok);
  return ok ? f : NULL;
}

static const char *
service_response_header (const struct kw_response *resp, const char *name)
{
  const struct kwi_frame *f = may_read (resp);

  return f != NULL ? kwi_answer_header (f->answer, name) : NULL;
}

static int
service_response_json (const struct kw_response *resp, const char *pointer,
                       char *buf, uint64_t size)
{
  const struct kwi_frame *f = may_read (resp);

  if (f == NULL)
    return KW_ERR;
  return kwi_answer_json_text (f->answer, pointer, buf,
                               size < SIZE_MAX ? (size_t) size : SIZE_MAX);
}

static int
service_response_bucket (const struct kw_response *resp,
                         const struct kw_bucket *bucket)
{
  struct kw_bucket b;           /* zero is "as if it did not exist" */
  const struct kwi_frame *f;
  struct kwi_judgement *j;
  size_t size;

  f = may_read (resp);
  if (f == NULL)
    return KW_ERR;
  j = f->judgement;
  MUST (j != NULL);             /* classify's alone */
  if (j == NULL || bucket == NULL || bucket->struct_size < LEAST_BUCKET)
    return KW_ERR;
  if (j->n_buckets >= KWI_MAX_BUCKETS)
    return KW_ERR_RANGE;
  size = bucket->struct_size;
  if (size > sizeof b)
    size = sizeof b;            /* a newer plugin's; we know no more of it */
  memset (&b, 0, sizeof b);
  memcpy (&b, bucket, size);
  kwi_fallback_bucket (&b, resp->received_ms,
                       &j->bucket[j->n_buckets++]);
  return KW_OK;
}

static const void *
service_get_extension (const char *id)
{
  return id != NULL && strcmp (id, KW_EXT_TRANSLATE) == 0
         ? kwi_translate_host () : NULL;
}

/* A plugin newer than this host that forgot KW_HAS finds NULL in the slots
 * that it thinks are there: a clean crash at address 0, not a jump into
 * whatever lies behind. */
static const struct {
  struct kw_host host;
  void (*slots[16]) (void);
} table = {
  .host = {
    .struct_size           = sizeof (struct kw_host),
    .abi_major             = KW_PROVIDER_ABI_MAJOR,
    .abi_minor             = KW_PROVIDER_ABI_MINOR,
    .name                  = "keywheel",
    .version               = KW_VERSION,
    .log                   = service_log,
    .error                 = service_error,
    .intern                = service_intern,
    .now_ms                = service_now_ms,
    .request_method        = service_request_method,
    .request_url           = service_request_url,
    .request_header        = service_request_header,
    .request_body          = service_request_body,
    .request_secret_header = service_request_secret_header,
    .request_secret_query  = service_request_secret_query,
    .response_header       = service_response_header,
    .response_json         = service_response_json,
    .response_bucket       = service_response_bucket,
    .get_extension         = service_get_extension
  }
};

const struct kw_host *
kwi_host_table (void)
{
  return &table.host;
}

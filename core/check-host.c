/* check-host - the host's services, watched: each looks at what it is given,
 * tells of what it should not have been, and has the core's own do the work.
 *
 * The core's own are made for use: they refuse nonsense without a word, or end
 * a debug build.  Here the plugin's author is to learn of it. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "check-subject.h"
#include "check-translate.h"

#define LEAST_BUCKET 96

/* The call that is going on; a child has one thread. */
static _Thread_local struct kwi_check_call *now;

/* ---- Around a call ------------------------------------------------------ */

void
kwi_watch_begin (struct kwi_check_call *call, struct kwi_check *c,
                 struct kwi_check_instance *i, const char *what, enum kwi_phase phase)
{
  memset (call, 0, offsetof (struct kwi_check_call, note));
  call->check = c;
  call->what = what;
  call->frame.in = &i->in;
  call->frame.phase = phase;
}

void
kwi_watch_enter (struct kwi_check_call *call)
{
  now = call;
  kwi_host_enter (&call->frame);
}

void
kwi_watch_leave (struct kwi_check_call *call)
{
  kwi_host_leave (&call->frame);
  now = NULL;
  kwi_host_deliver (&call->frame);
  kwi_check_secret (call->check, "the text given to host->error", call->frame.said,
                    strlen (call->frame.said));
}

void
kwi_check_secret (struct kwi_check *c, const char *what, const char *text, size_t len)
{
  static const char secret[] = KWI_CHECK_SECRET;

  if (memmem (text, len, secret, sizeof secret - 1) != NULL)
    kwi_check_that (c, 0, "secret", "%s holds the key", what);
}

int
kwi_check_code (int rc)
{
  return rc <= KW_OK && rc >= KW_ERR_UNSUPPORTED;
}

const char *
kwi_check_code_name (int rc)
{
  static const char *const names[] = {
    "KW_OK", "KW_ERR", "KW_ERR_NOMEM", "KW_ERR_CONFIG", "KW_ERR_RANGE",
    "KW_ERR_NOTFOUND", "KW_ERR_UNSUPPORTED"
  };
  return kwi_check_code (rc) ? names[-rc] : "no code of the ABI";
}

/* ---- What may be given -------------------------------------------------- */

struct kwi_check_call *
kwi_watch_now (void)
{
  return now;
}

int
kwi_watch_that (int ok, const char *service, const char *what)
{
  return ok || kwi_check_that (now->check, 0, service, "in %s it called host->%s with %s",
                               now->what, service, what);
}

/* An instance is the plugin's own, or NULL, which is taken for it. */
static int
is_mine (struct kw_instance *in, const char *service)
{
  return now != NULL
         && kwi_watch_that (in == NULL || in == now->frame.in, service,
                     "an instance that is not the one it was created with");
}

static int
may_build (struct kw_request *r, const char *service)
{
  return now != NULL
         && kwi_watch_that (now->frame.phase == KWI_PHASE_BUILD, service,
                     "no request being built: it is for prepare and build_probe")
         && kwi_watch_that (r == now->frame.request, service,
                     "another pointer than the request that was passed in");
}

static int
may_read (const struct kw_response *resp, const char *service)
{
  return now != NULL
         && kwi_watch_that (now->frame.phase == KWI_PHASE_CLASSIFY, service,
                     "no answer being judged: it is for classify")
         && kwi_watch_that (resp == now->frame.response, service,
                     "another pointer than the answer that was passed in");
}

/* ---- [any] -------------------------------------------------------------- */

static void
watched_log (struct kw_instance *in, uint32_t level, const char *msg)
{
  if (!is_mine (in, "log") || !kwi_watch_that (msg != NULL, "log", "NULL for a text"))
    return;
  (void) kwi_watch_that (level <= KW_LOG_DEBUG, "log", "a level that there is not");
  kwi_host_table ()->log (in, level, msg);
}

static void
watched_error (struct kw_instance *in, const char *msg)
{
  if (is_mine (in, "error") && kwi_watch_that (msg != NULL, "error", "NULL for a text"))
    kwi_host_table ()->error (in, msg);
}

static const char *
watched_intern (struct kw_instance *in, const char *s, uint64_t len)
{
  if (!is_mine (in, "intern") || !kwi_watch_that (s != NULL, "intern", "NULL for a text"))
    return NULL;
  return kwi_host_table ()->intern (in, s, len);
}

static int64_t
watched_now_ms (struct kw_instance *in)
{
  return is_mine (in, "now_ms") ? kwi_host_table ()->now_ms (in) : KWI_CHECK_NOW;
}

static const void *
watched_get_extension (const char *id)
{
  if (now == NULL || !kwi_watch_that (id != NULL, "get_extension", "NULL for a name"))
    return NULL;
  if (strcmp (id, KW_EXT_TRANSLATE) == 0)
    return kwi_check_translate_host ();
  return kwi_host_table ()->get_extension (id);
}

/* ---- The request builder ------------------------------------------------ */

static int
watched_request_method (struct kw_request *r, const char *method)
{
  return may_build (r, "request_method")
         ? kwi_host_table ()->request_method (r, method) : KW_ERR;
}

static int
watched_request_url (struct kw_request *r, const char *url)
{
  return may_build (r, "request_url")
         ? kwi_host_table ()->request_url (r, url) : KW_ERR;
}

static int
watched_request_header (struct kw_request *r, const char *name, const char *value)
{
  return may_build (r, "request_header")
         ? kwi_host_table ()->request_header (r, name, value) : KW_ERR;
}

static int
watched_request_body (struct kw_request *r, const void *body, uint64_t len)
{
  return may_build (r, "request_body")
         ? kwi_host_table ()->request_body (r, body, len) : KW_ERR;
}

static int
watched_request_secret_header (struct kw_request *r, const char *name,
                               const char *prefix)
{
  return may_build (r, "request_secret_header")
         ? kwi_host_table ()->request_secret_header (r, name, prefix) : KW_ERR;
}

static int
watched_request_secret_query (struct kw_request *r, const char *name)
{
  return may_build (r, "request_secret_query")
         ? kwi_host_table ()->request_secret_query (r, name) : KW_ERR;
}

/* ---- The response reader ------------------------------------------------ */

static const char *
watched_response_header (const struct kw_response *resp, const char *name)
{
  if (!may_read (resp, "response_header")
      || !kwi_watch_that (name != NULL, "response_header", "NULL for a name"))
    return NULL;
  kwi_check_asked (now->check, 0, name);
  return kwi_host_table ()->response_header (resp, name);
}

static int
watched_response_json (const struct kw_response *resp, const char *pointer, char *buf,
                       uint64_t size)
{
  if (!may_read (resp, "response_json")
      || !kwi_watch_that (pointer != NULL, "response_json", "NULL for a JSON pointer")
      || !kwi_watch_that (buf != NULL || size == 0, "response_json", "NULL for a buffer"))
    return KW_ERR;
  (void) kwi_watch_that (pointer[0] == '\0' || pointer[0] == '/', "response_json",
                  "what is no JSON pointer: it begins with a slash");
  kwi_check_asked (now->check, 1, pointer);
  return kwi_host_table ()->response_json (resp, pointer, buf, size);
}

/* Every number that is said must be one; the core drops those that are none,
 * and nobody learns of it. */
static void
look_at_bucket (const struct kw_bucket *b)
{
  static const uint32_t known = KW_HAVE_LIMIT | KW_HAVE_USED | KW_HAVE_REMAINING
                                | KW_HAVE_REQUESTED | KW_HAVE_WINDOW | KW_HAVE_FULL_AT;
  const struct {
    uint32_t bit;
    const char *name;
    int64_t value;
    int64_t least;
  } numbers[] = {
    { KW_HAVE_LIMIT, "limit", b->limit, 0 },
    { KW_HAVE_USED, "used", b->used, 0 },
    { KW_HAVE_REMAINING, "remaining", b->remaining, 0 },
    { KW_HAVE_REQUESTED, "requested", b->requested, 0 },
    { KW_HAVE_WINDOW, "window_ms", b->window_ms, 1 },
    { KW_HAVE_FULL_AT, "full_at_ms", b->full_at_ms, 1 },
  };
  struct kwi_check *c = now->check;

  kwi_check_that (c, b->scope <= KW_SCOPE_PROVIDER, "bucket-scope",
                  "a bucket has the scope %lu, which there is not",
                  (unsigned long) b->scope);
  kwi_check_that (c, (b->have & ~known) == 0, "bucket-have", "a bucket has bits in "
                  "have that mean nothing in one: 0x%lx",
                  (unsigned long) (b->have & ~known));
  if (kwi_check_that (c, memchr (b->dimension, '\0', sizeof b->dimension) != NULL,
                      "bucket-dimension", "a bucket's dimension has no NUL at its end"))
    kwi_check_that (c, b->dimension[0] != '\0', "bucket-dimension", "a bucket has no "
                    "dimension: set one, \"tokens_per_minute\"");
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    kwi_check_that (c, (b->have & numbers[i].bit) == 0
                    || numbers[i].value >= numbers[i].least, "bucket-number",
                    "a bucket's %s is %lld; leave its bit out of have where there is "
                    "no number", numbers[i].name, (long long) numbers[i].value);
}

static int
watched_response_bucket (const struct kw_response *resp, const struct kw_bucket *b)
{
  int rc;

  if (!may_read (resp, "response_bucket")
      || !kwi_watch_that (b != NULL, "response_bucket", "NULL for a bucket")
      || !kwi_watch_that (b->struct_size >= LEAST_BUCKET && b->struct_size <= 65536,
                   "response_bucket", "a bucket whose struct_size is not its size"))
    return KW_ERR;
  look_at_bucket (b);
  rc = kwi_host_table ()->response_bucket (resp, b);
  if (rc == KW_OK && now->n_buckets < KWI_CHECK_BUCKETS) {
    struct kw_bucket *seen = &now->bucket[now->n_buckets++];
    memcpy (seen, b, sizeof *seen);
    seen->dimension[sizeof seen->dimension - 1] = '\0';
  }
  return rc;
}

/* ---- The table ---------------------------------------------------------- */

/* As the core's: NULL behind it, for those that forget KW_HAS. */
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
    .log                   = watched_log,
    .error                 = watched_error,
    .intern                = watched_intern,
    .now_ms                = watched_now_ms,
    .request_method        = watched_request_method,
    .request_url           = watched_request_url,
    .request_header        = watched_request_header,
    .request_body          = watched_request_body,
    .request_secret_header = watched_request_secret_header,
    .request_secret_query  = watched_request_secret_query,
    .response_header       = watched_response_header,
    .response_json         = watched_response_json,
    .response_bucket       = watched_response_bucket,
    .get_extension         = watched_get_extension
  }
};

const struct kw_host *
kwi_watched_host (void)
{
  return &table.host;
}

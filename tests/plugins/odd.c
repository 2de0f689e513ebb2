/* odd - a provider that does as the test says: "build = WORD" for prepare,
 * "judge = WORD" for classify, and the fields of the verdict by name. */
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "plain.h"

#ifndef MODEL
#define MODEL KW_THREAD_PARALLEL
#endif

struct odd {
  const struct kw_host *host;
  struct kw_instance *in;
  char build[32];
  char judge[32];
  char pointer[64];
  struct kw_verdict verdict;
  struct kw_request *request;   /* "keeps": which nobody may            */
  int64_t judged;
};

static int
odd_create (const struct kw_host *host, struct kw_instance *in, void **self)
{
  struct odd *o;

#if defined(FAILS_TO_START)
  *self = NULL;
  return kw_error (host, in, KW_ERR_CONFIG, "no day for it\nreally");
#elif defined(FAILS_SILENTLY)
  *self = NULL;
  (void) host;
  (void) in;
  return KW_ERR;
#endif
  o = calloc (1, sizeof *o);
  if (o == NULL)
    return KW_ERR_NOMEM;
  o->host = host;
  o->in = in;
  *self = o;
  return KW_OK;
}

static void
odd_destroy (void *self)
{
  free (self);
}

static void
copy (char *dst, size_t size, const char *src)
{
  size_t len = strlen (src);

  if (len >= size)
    len = size - 1;
  memcpy (dst, src, len);
  dst[len] = '\0';
}

static int
odd_config (void *self, const char *key, const char *value)
{
  struct odd *o = self;
  struct kw_verdict *v = &o->verdict;

  if (strcmp (key, "build") == 0)
    copy (o->build, sizeof o->build, value);
  else if (strcmp (key, "judge") == 0)
    copy (o->judge, sizeof o->judge, value);
  else if (strcmp (key, "pointer") == 0)
    copy (o->pointer, sizeof o->pointer, value);
  else if (strcmp (key, "outcome") == 0)
    v->outcome = (uint32_t) strtoul (value, NULL, 10);
  else if (strcmp (key, "account") == 0)
    copy (v->account, sizeof v->account, value);
  else if (strcmp (key, "picky") == 0)
    return kw_error (o->host, o->in, KW_ERR_CONFIG, "\"%s\" will not do",
                     value);
  else if (strcmp (key, "mute") == 0)
    return KW_ERR_CONFIG;
  else
    return KW_ERR_NOTFOUND;
  return KW_OK;
}

static int
odd_config_complete (void *self)
{
  struct odd *o = self;

  if (strcmp (o->judge, "incomplete") == 0)
    return kw_error (o->host, o->in, KW_ERR_CONFIG, "region is missing");
  return KW_OK;
}

static int
is (const char *word, const char *other)
{
  return strcmp (word, other) == 0;
}

static int
odd_prepare (void *self, const struct kw_call *call, struct kw_request *r)
{
  struct odd *o = self;
  const struct kw_host *h = o->host;
  char own[] = "{\"own\":1}";

  if (is (o->build, "keeps"))
    o->request = r;
  if (is (o->build, "no-url"))
    return KW_OK;
  if (is (o->build, "refuses")) {
    /* Gives another thread the time to say something else. */
    for (int i = 0; i < 10; i++)
      (void) sched_yield ();
    return kw_error (h, o->in, KW_ERR, "no model %s here", call->model);
  }
  if (is (o->build, "silent"))
    return KW_ERR;
  if (is (o->build, "nomem"))
    return KW_ERR_NOMEM;
  if (h->request_url (r, "https://odd.example/v1") != KW_OK)
    return KW_ERR;
  if (is (o->build, "injects"))
    (void) h->request_header (r, "X-User", "a\r\nX-Evil: 1");
  if (is (o->build, "own-body")) {
    int rc = h->request_body (r, own, sizeof own - 1);
    memset (own, 'x', sizeof own);      /* it was copied, was it not */
    return rc;
  }
  if (is (o->build, "own-type") &&
      h->request_header (r, "content-TYPE", "text/odd") != KW_OK)
    return KW_ERR;
  if (call->secret != NULL) {
    char seen[64];
    if (call->secret_len >= sizeof seen)
      return KW_ERR_RANGE;
    memcpy (seen, call->secret, (size_t) call->secret_len);
    seen[call->secret_len] = '\0';
    if (h->request_header (r, "X-Seen", seen) != KW_OK)
      return KW_ERR;
  }
  return h->request_body (r, call->body, call->body_len);
}

static void
many_buckets (struct odd *o, const struct kw_response *resp,
              struct kw_verdict *v)
{
  struct kw_bucket b;
  int taken = 0, rc = KW_OK;

  memset (&b, 0, sizeof b);
  b.struct_size = sizeof b;
  b.have = KW_HAVE_LIMIT | KW_HAVE_USED;
  b.used = -4;
  memset (b.dimension, 'T', sizeof b.dimension);        /* not ended */
  for (int i = 0; i < 20; i++) {
    b.limit = i;
    rc = o->host->response_bucket (resp, &b);
    taken += rc == KW_OK;
  }
  (void) snprintf (v->reason, sizeof v->reason, "%d.%s", taken,
                   rc == KW_ERR_RANGE ? "range" : "other");
}

/* A bucket of a plugin older than any, one of a newer one, and none. */
static void
sized_buckets (struct odd *o, const struct kw_response *resp,
               struct kw_verdict *v)
{
  union { struct kw_bucket b; char room[1024]; } u;
  int old, newer, none;

  memset (&u, 0x7f, sizeof u);
  u.b.struct_size = 88;
  old = o->host->response_bucket (resp, &u.b);
  u.b.struct_size = sizeof u;
  u.b.have = KW_HAVE_LIMIT;
  u.b.limit = 7;
  memcpy (u.b.dimension, "apples", sizeof "apples");
  newer = o->host->response_bucket (resp, &u.b);
  none = o->host->response_bucket (resp, NULL);
  (void) snprintf (v->reason, sizeof v->reason, "%d.%d.%d", old, newer, none);
}

static void
interning (struct odd *o, struct kw_verdict *v)
{
  static const char text[] = "org_1", other[] = "org_12";
  const char *a = o->host->intern (o->in, text, 5);
  const char *b = o->host->intern (o->in, other, 5);
  const char *c = o->host->intern (o->in, other, 6);
  const char *huge = o->host->intern (o->in, text, UINT64_MAX);
  char *large = calloc (1, 700000);
  const char *first = large ? o->host->intern (o->in, large, 700000) : NULL;
  const char *second = large ? o->host->intern (o->in, large, 699999) : NULL;

  free (large);
  (void) snprintf (v->reason, sizeof v->reason, "%s%s%s%s",
                   a != NULL && a != text && a == b ? "one-copy" : "wrong",
                   c != NULL && strcmp (c, "org_12") == 0 ? ".other" : ".wrong",
                   huge == NULL ? ".bounded" : ".wrong",
                   first != NULL && second == NULL ? ".full" : ".wrong");
}

/* Every service at a moment or with a pointer that is not its own. */
static void
misuse (struct odd *o, struct kw_verdict *v)
{
  struct kw_response other;
  char buf[16];
  int refused = 0;

  memset (&other, 0, sizeof other);
  refused += o->host->request_url (o->request, "https://x.example") != KW_OK;
  refused += o->host->request_method (NULL, "GET") != KW_OK;
  refused += o->host->request_header (o->request, "A", "b") != KW_OK;
  refused += o->host->request_body (o->request, "a", 1) != KW_OK;
  refused += o->host->request_secret_header (o->request, "A", "") != KW_OK;
  refused += o->host->request_secret_query (o->request, "a") != KW_OK;
  refused += o->host->response_header (&other, "a") == NULL;
  refused += o->host->response_json (&other, "/a", buf, sizeof buf) != KW_OK;
  refused += o->host->response_json (NULL, "/a", buf, sizeof buf) != KW_OK;
  refused += o->host->get_extension ("keywheel.nothing/1") == NULL;
  o->host->log (NULL, 99, NULL);
  o->host->error (NULL, NULL);
  (void) snprintf (v->reason, sizeof v->reason, "refused-%d", refused);
}

static int
odd_classify (void *self, const struct kw_response *resp,
              struct kw_verdict *v)
{
  struct odd *o = self;
  uint32_t size = v->struct_size;

  *v = o->verdict;
  v->struct_size = size;
  if (is (o->judge, "fails")) {
    many_buckets (o, resp, v);
    v->outcome = KW_OUTCOME_AUTH;
    return kw_error (o->host, o->in, KW_ERR, "lost \x1b[1m my\nway");
  }
  if (is (o->judge, "fills-up")) {
    memset (v->account, 'a', sizeof v->account);
    memset (v->model, 'm', sizeof v->model);
    memset (v->reason, 'r', sizeof v->reason);
  }
  else if (is (o->judge, "many-buckets"))
    many_buckets (o, resp, v);
  else if (is (o->judge, "sized-buckets"))
    sized_buckets (o, resp, v);
  else if (is (o->judge, "interns"))
    interning (o, v);
  else if (is (o->judge, "remembers")) {
    v->input_tokens = o->judged++;
    v->have |= KW_HAVE_USAGE;
  }
  else if (is (o->judge, "overreads"))
    v->input_tokens = ((const char *) resp->body)[resp->body_len];
  else if (is (o->judge, "misuses"))
    misuse (o, v);
  else if (is (o->judge, "logs")) {
    kw_log (o->host, o->in, KW_LOG_INFO, "two\nlines");
    o->host->log (NULL, 77, "no level like it");
  }
  else if (is (o->judge, "chatters"))
    for (int i = 1; i <= 20; i++)
      kw_log (o->host, o->in, KW_LOG_DEBUG, "line %d", i);
  else if (is (o->judge, "clock"))
    (void) snprintf (v->reason, sizeof v->reason, "%" PRId64,
                     o->host->now_ms (o->in));
  else if (is (o->judge, "json")) {
    int rc = o->host->response_json (resp, o->pointer, v->reason,
                                     sizeof v->reason);
    if (rc != KW_OK)
      (void) snprintf (v->reason, sizeof v->reason, "code%d", rc);
  }
  else if (is (o->judge, "reads"))
    (void) snprintf (v->reason, sizeof v->reason, "%d.%u.%u.%u.%d",
                     (int) resp->http_status, (unsigned) resp->transport_error,
                     (unsigned) resp->body_truncated,
                     (unsigned) resp->in_stream, (int) resp->body_len);
  return KW_OK;
}

static const struct kw_provider provider = {
  ._header         = KW_PROVIDER_HEADER_INIT,
  .name            = "odd",
  .version         = "1",
#ifdef WANTS_SECRET
  .caps            = KW_CAP_NEEDS_SECRET,
#endif
  .thread_model    = MODEL,
  .create          = odd_create,
  .destroy         = odd_destroy,
  .config          = odd_config,
  .config_complete = odd_config_complete,
  .prepare         = odd_prepare,
  .classify        = odd_classify,
};

KW_REGISTER_PROVIDER (provider);

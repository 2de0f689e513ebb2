/* check-build - requests: prepare and build_probe with calls of every kind, and
 * what came of them.
 *
 * All that a call points to is gone as soon as it returns, so that what a
 * plugin keeps is missed at once; the body lies right before unreadable memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "check-leak.h"
#include "check-subject.h"

/* NULL is as in the usual call; a text of one letter is repeated times. */
static const struct call {
  const char *name;
  const char *base_url, *method, *path, *content_type, *model, *body;
  uint32_t times, stream, attempt;
  int no_content_type, no_model, no_secret;
  int must;                     /* it is to work                          */
} calls[] = {
  { .name = "normal", .must = 1 }, /* the first two are the usual ones */
  { .name = "streaming", .stream = 1, .must = 1 },
  { .name = "resent", .attempt = 3, .must = 1 },
  { .name = "other-base-url", .base_url = "http://127.0.0.1:8080/a/b", .must = 1 },
  { .name = "no-model", .no_model = 1 },
  { .name = "no-content-type", .no_content_type = 1 },
  { .name = "no-body", .body = "", .no_content_type = 1 },
  { .name = "no-secret", .no_secret = 1 },
  { .name = "models", .method = "GET", .path = "/models", .body = "",
    .no_content_type = 1 },
  { .name = "embeddings", .path = "/embeddings",
    .body = "{\"model\":\"m\",\"input\":[\"a\"]}" },
  { .name = "unknown-path", .path = "/no/such/path?with=query" },
  { .name = "empty-path", .path = "" },
  { .name = "long-path", .path = "a", .times = 10000 },
  { .name = "long-base-url", .base_url = "a", .times = 3900 },
  { .name = "longer-base-url", .base_url = "a", .times = 4090 },
  { .name = "longest-base-url", .base_url = "a", .times = 100000 },
  { .name = "long-model", .model = "a", .times = 100000 },
  { .name = "odd-model", .model = "../a b?c=d&e#f\"\\%41/\xc3\xa9" },
  { .name = "model-with-line-break", .model = "a\r\nX-Evil: 1" },
  { .name = "empty-model", .model = "" },
  { .name = "method", .method = "DELETE" },
  { .name = "odd-method", .method = "a", .times = 100 },
  { .name = "odd-content-type", .content_type = "text/plain\r\nX-Evil: 1" },
  { .name = "long-content-type", .content_type = "a", .times = 10000 },
  { .name = "large-body", .body = "a", .times = 1 << 20 },
  { .name = "no-json", .body = "no JSON" },
  { .name = "cut-json", .body = "{\"model\":\"m\",\"messages\":[{\"role\":\"us" },
  { .name = "deep-json", .body = "[", .times = 20000 },
  { .name = "number", .body = "1e999" },
  { .name = "null", .body = "null" },
  { .name = "array", .body = "[{\"role\":\"user\",\"content\":\"hi\"}]" },
  { .name = "empty-object", .body = "{}" },
  { .name = "wrong-types", .body = "{\"model\":1,\"messages\":{\"a\":[]},\"stream\":\"x\"}" },
  { .name = "messages-empty", .body = "{\"model\":\"m\",\"messages\":[]}" },
  { .name = "messages-null", .body = "{\"model\":\"m\",\"messages\":[null,1,\"a\",[],{}]}" },
  { .name = "contents", .body = "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":"
    "\"s\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
    "\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA==\"}},{\"type\":"
    "\"unheard-of\"},1,null]},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":"
    "\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{no json\"}}]},"
    "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"r\"},{\"role\":\"nobody\","
    "\"content\":7}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
    "\"parameters\":{}}}],"
    "\"tool_choice\":{\"type\":\"function\"},\"stop\":[\"a\",1],\"max_tokens\":-1,"
    "\"temperature\":1e999}" },
  { .name = "binary", .body = "\xff\xfe\x01\x80{\"model\":\"\xc0\xaf\"}" },
};
#define N_CALLS (sizeof calls / sizeof calls[0])

static const char usual_body[] =
  "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"short\"},"
  "{\"role\":\"user\",\"content\":\"ping\"}],\"max_tokens\":16}";
static const char streaming_body[] =
  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"ping\"}],"
  "\"stream\":true}";

/* ---- A call, and nothing left of it ------------------------------------- */

struct made {
  struct kw_call call;          /* as it is shown, to compare             */
  char *arena;                  /* where the next text of it goes         */
  struct kwi_guard texts, body, secret, shown;
};

static const char *
or_usual (const char *s, const char *usual)
{
  return s != NULL ? s : usual;
}

/* A text of one letter is that letter times over. */
static size_t
length (const char *text, uint32_t times)
{
  if (text == NULL)
    return 0;
  return times != 0 && text[0] != '\0' && text[1] == '\0' ? times : strlen (text);
}

/* Puts prefix and text into the arena; NULL stays NULL. */
static const char *
put (struct made *m, const char *prefix, const char *text, uint32_t times)
{
  size_t head = strlen (prefix), len = length (text, times);
  char *at = m->arena;

  if (text == NULL)
    return NULL;
  memcpy (at, prefix, head);
  if (len > 1 && text[1] == '\0')
    memset (at + head, text[0], len);
  else
    memcpy (at + head, text, len);
  at[head + len] = '\0';
  m->arena = at + head + len + 1;
  return at;
}

static int
make_texts (struct kwi_check *c, const struct call *k, struct made *m)
{
  const struct kw_provider *p = c->subject->provider;
  const char *base = or_usual (k->base_url, or_usual (p->default_base_url,
                                                      "https://check.example/v1"));
  const char *method = or_usual (k->method, "POST");
  const char *path = or_usual (k->path, "/chat/completions");
  const char *type = k->no_content_type ? NULL
                     : or_usual (k->content_type, "application/json");
  const char *model = k->no_model ? NULL
                      : or_usual (k->model, or_usual (p->default_model, "m"));
#define TIMES(field) (k->field != NULL ? k->times : 0)
  size_t len = length (base, TIMES (base_url)) + length (method, TIMES (method))
               + length (path, TIMES (path)) + length (type, TIMES (content_type))
               + length (model, TIMES (model)) + 64;

  if (kwi_guard_open (&c->subject->guards, &m->texts, NULL, len) != 0)
    return -1;
  m->arena = m->texts.at;
  m->call.base_url = put (m, k->base_url != NULL && k->times != 0
                          ? "https://check.example/" : "", base, TIMES (base_url));
  m->call.method = put (m, "", method, TIMES (method));
  m->call.path = put (m, k->path != NULL && k->times != 0 ? "/" : "", path, TIMES (path));
  m->call.content_type = put (m, "", type, TIMES (content_type));
  m->call.model = put (m, "", model, TIMES (model));
  return 0;
#undef TIMES
}

static int
make_body (struct kwi_check *c, const struct call *k, struct made *m)
{
  const char *body = or_usual (k->body, k->stream ? streaming_body : usual_body);
  size_t len = length (body, k->body != NULL ? k->times : 0);

  if (len == 0)
    return 0;                   /* a call without a body has none at all */
  if (kwi_guard_open (&c->subject->guards, &m->body, len > 1 && body[1] == '\0' ? NULL
                      : body, len) != 0)
    return -1;
  if (len > 1 && body[1] == '\0')
    memset (m->body.at, body[0], len);
  m->call.body = m->body.at;
  m->call.body_len = len;
  return 0;
}

static int
make (struct kwi_check *c, const struct call *k, struct made *m)
{
  struct kwi_guards *ring = &c->subject->guards;

  memset (m, 0, sizeof *m);
  m->call.struct_size = sizeof m->call;
  m->call.attempt = k->attempt;
  m->call.stream = k->stream;
  if (make_texts (c, k, m) != 0 || make_body (c, k, m) != 0)
    return -1;
  if ((c->subject->provider->caps & KW_CAP_NEEDS_SECRET) != 0 && !k->no_secret) {
    if (kwi_guard_open (ring, &m->secret, KWI_CHECK_SECRET,
                        sizeof KWI_CHECK_SECRET - 1) != 0)
      return -1;
    m->call.secret = m->secret.at;
    m->call.secret_len = sizeof KWI_CHECK_SECRET - 1;
  }
  return kwi_guard_open (ring, &m->shown, &m->call, sizeof m->call);
}

static void
unmake (struct kwi_check *c, struct made *m)
{
  struct kwi_guards *ring = &c->subject->guards;

  kwi_guard_close (ring, &m->texts);
  kwi_guard_close (ring, &m->body);
  kwi_guard_close (ring, &m->secret);
  kwi_guard_close (ring, &m->shown);
}

/* ---- What came of it ---------------------------------------------------- */

/* Does the URL lead to where base_url says? */
static int
same_host (const char *url, const char *base)
{
  const char *s = strstr (base, "://");
  size_t len = s == NULL ? 0 : (size_t) (s + 3 - base) + strcspn (s + 3, "/?");

  return len == 0 || strncmp (url, base, len) == 0;
}

static void
judge_success (struct kwi_check *c, const struct kw_request *r, const char *base,
               int sees_key)
{
  if (!kwi_check_that (c, r->url != NULL, "no-url", "it says KW_OK and has set no URL"))
    return;
  kwi_check_warn (c, same_host (r->url, base), "base-url", "the URL \"%.120s\" is not "
                  "below base_url \"%.120s\": a proxy or a test server that a user "
                  "sets there is passed by", r->url, base);
  kwi_check_warn (c, r->secret_header[0] != '\0' || r->secret_query[0] != '\0' || sees_key,
                  "no-key", "the request asks for no key: request_secret_header puts it "
                  "in");
  kwi_check_secret (c, "the URL", r->url, strlen (r->url));
  kwi_check_warn (c, r->headers == NULL
                  || memmem (r->headers, r->headers_len, KWI_CHECK_SECRET,
                             sizeof KWI_CHECK_SECRET - 1) == NULL, "secret-in-header",
                  "a header holds the key itself: request_secret_header puts it in and "
                  "keeps it out of logs");
}

static void
judge_failure (struct kwi_check *c, const struct call *k, int rc, const char *said,
               const char *problem)
{
  kwi_check_that (c, kwi_check_code (rc), "code", "it returns %d, which is no code of the "
                  "ABI", rc);
  kwi_check_that (c, rc != KW_ERR_NOMEM, "memory", "it has no memory: of %llu MB",
                  (unsigned long long) (c->o.memory >> 20));
  kwi_check_warn (c, said[0] != '\0' || problem[0] != '\0', "no-words", "it fails (%s) "
                  "without a text for the user: kw_error", kwi_check_code_name (rc));
  kwi_check_that (c, !k->must, "refused", "a usual request cannot be built (%s): %s%s%s",
                  kwi_check_code_name (rc), said, said[0] != '\0' ? " " : "",
                  said[0] == '\0' && problem[0] == '\0' ? "it does not say why" : problem);
}

static void
remember (struct kwi_check *c, const struct call *k, const struct kwi_check_call *call)
{
  struct kwi_check_wish *w = &c->subject->wish[k->stream];

  if (k != &calls[0] && k != &calls[1])
    return;
  w->known = 1;
  w->translates = call->translates;
  w->note_len = call->note_len;
  memcpy (w->note, call->note, call->note_len);
}

typedef int build_fn (void *self, const struct kw_call *, struct kw_request *);

static void
build (struct kwi_check *c, const struct call *k, build_fn *fn, const char *what,
       int judged)
{
  struct kwi_check_instance *i = kwi_check_ready (c, 0);
  struct kwi_check_call call;
  struct kw_request r;
  struct made m;
  int rc;

  if (i == NULL)
    return;
  memset (&r, 0, sizeof r);
  if (make (c, k, &m) != 0) {
    unmake (c, &m);
    kwi_check_no_room (c);
    return;
  }
  kwi_request_reset (&r, m.call.body, (size_t) m.call.body_len);
  kwi_watch_begin (&call, c, i, what, KWI_PHASE_BUILD);
  call.frame.request = &r;
  kwi_watch_enter (&call);
  rc = fn (i->in.self, m.shown.at, &r);
  kwi_watch_leave (&call);

  remember (c, k, &call);
  if (judged) {
    kwi_check_that (c, memcmp (m.shown.at, &m.call, sizeof m.call) == 0, "call-changed",
                    "it has written into the kw_call that it was given");
    if (rc == KW_OK && r.problem[0] == '\0')
      judge_success (c, &r, m.call.base_url,
                     (i->in.provider->caps & KW_CAP_NEEDS_SECRET) != 0);
    else
      judge_failure (c, k, rc, call.frame.said, r.problem);
  }
  kwi_request_clear (&r);
  unmake (c, &m);
}

const struct kwi_check_wish *
kwi_check_wish (struct kwi_check *c, int stream)
{
  struct kwi_check_wish *w = &c->subject->wish[stream];

  if (!w->known)
    build (c, &calls[stream], c->subject->provider->prepare, "prepare", 0);
  return w;
}

/* ---- The cases ---------------------------------------------------------- */

static void
run_prepare (struct kwi_check *c, const struct kwi_check_case *k)
{
  struct kwi_check_subject *s = kwi_check_plugin (c);

  for (int twice = 0; s != NULL && twice < 2; twice++)
    build (c, &calls[k->a], s->provider->prepare, "prepare", !twice);
}

static int
one_request (struct kwi_check *c, void *arg)
{
  const uint32_t *n = arg;

  build (c, &calls[*n], c->subject->provider->prepare, "prepare", 0);
  return 0;
}

static void
run_many (struct kwi_check *c, const struct kwi_check_case *k)
{
  uint32_t n = k->a;

  if (kwi_check_ready (c, 0) != NULL)
    kwi_check_leak (c, "prepare", one_request, &n);
  kwi_check_note (c, "%zu kinds of requests", N_CALLS);
}

static void
run_probe (struct kwi_check *c, const struct kwi_check_case *k)
{
  static const struct call probe = { .method = "GET", .path = "", .body = "",
                                     .no_content_type = 1, .must = 1 };
  struct call kind = probe;
  struct kwi_check_subject *s = kwi_check_plugin (c);

  if (s == NULL)
    return;
  if ((s->provider->caps & KW_CAP_PROBE) == 0) {
    kwi_check_note (c, "none of its own: a chat of one token is sent");
    return;
  }
  if (k->a != 0) {              /* a base_url that does not fit anywhere */
    kind.base_url = "a";
    kind.times = 100000;
    kind.method = NULL;
    kind.body = NULL;
    kind.path = NULL;
    kind.must = 0;
  }
  build (c, &kind, s->provider->build_probe, "build_probe", 1);
  kwi_check_note (c, "of its own");
}

void
kwi_check_plan_build (struct kwi_check *c)
{
  for (uint32_t i = 0; i < N_CALLS; i++)
    kwi_check_add (c, KWI_CHECK_PREPARE, run_prepare, "%s", calls[i].name)->a = i;
  for (uint32_t i = 0; i < 2; i++) {
    struct kwi_check_case *k = kwi_check_add (c, KWI_CHECK_PREPARE, run_many,
                                              "%s-over-and-over", calls[i].name);
    k->a = i;
    k->patience = 10;
  }
  kwi_check_add (c, KWI_CHECK_PROBE, run_probe, "usual");
  kwi_check_add (c, KWI_CHECK_PROBE, run_probe, "long-base-url")->a = 1;
}

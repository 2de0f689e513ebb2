/* translate - a provider that speaks a format of its own, and has its answers
 * translated.  "how = WORD" makes it odd in one way; -DTABLE_... is what is
 * wrong with its table.
 *
 * Its whole answers are {"text":"hi","in":1,"out":2}; its streams are events:
 *   hello         the role            twice   two chunks in one event
 *   word TEXT     a chunk             quiet   nothing
 *   broken-lines  a chunk of several lines
 *   end           finish_reason, and usage;  "[DONE]" comes last of all
 *   done          "[DONE]" at once, and a chunk behind it
 *   fail, empty, nul, much            what it must not do
 * An error is {"error":{"code":"day"}}; the code "fine" is none. */
#include <stdlib.h>
#include <string.h>
#include "plain.h"

struct toy {
  const struct kw_host *host;
  const struct kw_translate_host *translator;
  struct kw_instance *in;
  char how[32];
  struct kw_request *request;   /* kept, which nobody may: see keep       */
  struct kw_translation *translation;
};

struct toy_stream {
  char note[64];
  int ended;
};

static int
is (const struct toy *t, const char *how)
{
  return strcmp (t->how, how) == 0;
}

/* Only to misuse it: calls may overlap, and these are not guarded. */
static void
keep (struct toy *t, struct kw_request *r, struct kw_translation *out)
{
  if (!is (t, "misuses") && !is (t, "late"))
    return;
  if (r != NULL)
    t->request = r;
  if (out != NULL)
    t->translation = out;
}

static int
toy_create (const struct kw_host *host, struct kw_instance *in, void **self)
{
  struct toy *t = calloc (1, sizeof *t);

  if (t == NULL)
    return KW_ERR_NOMEM;
  t->host = host;
  t->in = in;
  t->translator = host->get_extension (KW_EXT_TRANSLATE);
  if (t->translator == NULL) {
    free (t);
    return kw_error (host, in, KW_ERR_UNSUPPORTED, "needs " KW_EXT_TRANSLATE);
  }
  *self = t;
  return KW_OK;
}

static void
toy_destroy (void *self)
{
  free (self);
}

static int
toy_config (void *self, const char *key, const char *value)
{
  struct toy *t = self;

  if (strcmp (key, "how") != 0)
    return KW_ERR_NOTFOUND;
  memset (t->how, 0, sizeof t->how);
  return memccpy (t->how, value, '\0', sizeof t->how - 1) != NULL
         ? KW_OK : KW_ERR_RANGE;
}

/* ---- Requests ----------------------------------------------------------------- */

static int
mark (struct toy *t, const struct kw_call *call, struct kw_request *r)
{
  static const char large[KW_TRANSLATE_NOTE_MAX + 1];
  char note[64] = "";

  if (is (t, "native"))
    return KW_OK;
  if (is (t, "no-note"))
    return t->translator->request (r, NULL, 0);
  if (is (t, "empty-note"))
    return t->translator->request (r, "", 0);
  if (is (t, "longest-note"))
    return t->translator->request (r, large, sizeof large - 1);
  if (is (t, "long-note"))
    return t->translator->request (r, large, sizeof large);
  if (is (t, "endless-note"))
    return t->translator->request (r, large, UINT64_MAX);
  if (is (t, "half-a-note"))
    return t->translator->request (r, NULL, 5);
  if (is (t, "deaf") && t->translator->request (r, large, sizeof large) != KW_OK)
    return KW_OK;               /* goes on, as if nothing were */
  if (is (t, "twice"))
    (void) t->translator->request (r, large, 100);
  (void) memccpy (note, call->model, '\0', sizeof note - 1);
  int rc = t->translator->request (r, note, strlen (note));
  memset (note, 'x', sizeof note);      /* it was copied, was it not */
  return rc;
}

static int
toy_prepare (void *self, const struct kw_call *call, struct kw_request *r)
{
  struct toy *t = self;
  char url[256];
  int n = snprintf (url, sizeof url, "%s/toy", call->base_url);

  keep (t, r, NULL);
  if (n < 0 || (size_t) n >= sizeof url || t->host->request_url (r, url) != KW_OK)
    return KW_ERR;
  if (t->host->request_body (r, "{\"toy\":1}", 9) != KW_OK)
    return KW_ERR;
  return mark (t, call, r);
}

static int
toy_build_probe (void *self, const struct kw_call *call, struct kw_request *r)
{
  return toy_prepare (self, call, r);
}

/* ---- Answers ------------------------------------------------------------------ */

/* At a moment or with a pointer that is not its own. */
static int
misuse (struct toy *t)
{
  return t->translator->output (t->translation, "x", 1) != KW_OK
         && t->translator->output (NULL, "x", 1) != KW_OK
         && t->translator->request (t->request, NULL, 0) != KW_OK
         && t->translator->request (NULL, NULL, 0) != KW_OK;
}

static int64_t
count (struct toy *t, const struct kw_response *resp, const char *pointer)
{
  char buf[24];

  return t->host->response_json (resp, pointer, buf, sizeof buf) == KW_OK
         ? strtoll (buf, NULL, 10) : -1;
}

static int
toy_classify (void *self, const struct kw_response *resp,
              struct kw_verdict *v)
{
  struct toy *t = self;
  char code[32] = "";

  if (resp->in_stream)
    kw_log (t->host, t->in, KW_LOG_DEBUG, "judges an event");
  if (is (t, "misuses"))
    (void) snprintf (v->reason, sizeof v->reason, "%s",
                     misuse (t) ? "refused" : "allowed");
  v->input_tokens = count (t, resp, "/in");
  v->output_tokens = count (t, resp, "/out");
  if (v->input_tokens >= 0)
    v->have |= KW_HAVE_USAGE;
  if (t->host->response_json (resp, "/error/code", code, sizeof code) != KW_OK)
    v->outcome = resp->http_status == 200 ? KW_OUTCOME_OK : KW_OUTCOME_UNKNOWN;
  else if (strcmp (code, "day") == 0)
    v->outcome = KW_OUTCOME_DAILY_LIMIT;
  else
    v->outcome = strcmp (code, "fine") == 0 ? KW_OUTCOME_OK : KW_OUTCOME_TRANSIENT;
  return KW_OK;
}

static int
put (struct toy *t, struct kw_translation *out, const char *text)
{
  return t->translator->output (out, text, strlen (text));
}

static int
put_much (struct toy *t, struct kw_translation *out)
{
  char block[1000];
  int rc = KW_OK;

  memset (block, ' ', sizeof block);
  for (int i = 0; i < 100000 && rc == KW_OK; i++)
    rc = t->translator->output (out, block, sizeof block);
  return KW_OK;                 /* it does not even care */
}

static int
put_in_pieces (struct toy *t, struct kw_translation *out, const char *text)
{
  int rc = t->translator->output (out, NULL, 0);

  for (; *text != '\0' && rc == KW_OK; text++)
    rc = t->translator->output (out, text, 1);
  return rc;
}

static int
toy_reply (void *self, const struct kw_response *resp, const void *note,
           uint64_t note_len, struct kw_translation *out)
{
  struct toy *t = self;
  const char *id = t->host->response_header (resp, "x-id");
  char text[128], json[512];
  int n;

  keep (t, NULL, out);
  if (is (t, "fails"))
    return kw_error (t->host, t->in, KW_ERR, "there is no text in it");
  if (is (t, "fails-at-the-end") && put (t, out, "{}") == KW_OK)
    return KW_ERR_NOTFOUND;
  if (is (t, "much"))
    return put_much (t, out);
  if (is (t, "nothing"))
    return KW_OK;
  if (is (t, "no-json"))
    return put (t, out, "{\"choices\":[");
  if (is (t, "bucket")) {
    struct kw_bucket b;
    memset (&b, 0, sizeof b);
    b.struct_size = sizeof b;
    if (t->host->response_bucket (resp, &b) == KW_OK)
      return KW_ERR;
  }
  if (t->host->response_json (resp, "/text", text, sizeof text) != KW_OK)
    return kw_error (t->host, t->in, KW_ERR, "there is no text in it");
  n = snprintf (json, sizeof json, "{\"id\":\"%s\",\"model\":\"%.*s\","
                "\"note\":\"%s\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
                "\"assistant\",\"content\":\"%s\"},\"finish_reason\":\"stop\"}]}",
                id != NULL ? id : "", (int) (note_len < 64 ? note_len : 64),
                note != NULL ? (const char *) note : "",
                note == NULL ? "none" : note_len == 0 ? "empty" : "given", text);
  if (n < 0 || (size_t) n >= sizeof json)
    return KW_ERR_RANGE;
  return put_in_pieces (t, out, json);
}

/* ---- Streams ------------------------------------------------------------------ */

static int
toy_begin (void *self, const void *note, uint64_t note_len, void **ret)
{
  struct toy *t = self;
  struct toy_stream *s;

  if (is (t, "no-begin"))
    return kw_error (t->host, t->in, KW_ERR, "no stream today");
  s = calloc (1, sizeof *s);
  if (s == NULL)
    return KW_ERR_NOMEM;
  if (note_len < sizeof s->note && note_len > 0)
    memcpy (s->note, note, (size_t) note_len);
  kw_log (t->host, t->in, KW_LOG_DEBUG, "begins for %s", s->note);
  *ret = s;
  return KW_OK;
}

static void
toy_end (void *self, void *stream)
{
  struct toy *t = self;
  struct toy_stream *s = stream;

  kw_log (t->host, t->in, KW_LOG_DEBUG, "ends for %s", s->note);
  if (is (t, "late"))
    (void) put (t, t->translation, "too late");
  free (s);
}

static int
put_chunk (struct toy *t, struct kw_translation *out, const char *key,
           const char *value)
{
  char json[256];
  int n = snprintf (json, sizeof json, "{\"choices\":[{\"index\":0,\"delta\":{"
                    "\"%s\":\"%s\"},\"finish_reason\":null}],\"usage\":null}", key,
                    value);

  return n < 0 || (size_t) n >= sizeof json ? KW_ERR_RANGE : put (t, out, json);
}

static int
put_end (struct toy *t, struct toy_stream *s, struct kw_translation *out)
{
  int rc;

  s->ended = 1;
  rc = put (t, out, "{\"choices\":[{\"index\":0,\"delta\":{},"
            "\"finish_reason\":\"stop\"}]}");
  return rc != KW_OK ? rc
         : put (t, out, "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,"
                "\"completion_tokens\":4}}");
}

static int
last_event (struct toy *t, struct toy_stream *s, struct kw_translation *out)
{
  kw_log (t->host, t->in, KW_LOG_DEBUG, "the last event");
  if (is (t, "fails-last"))
    return kw_error (t->host, t->in, KW_ERR, "the end is missing");
  if (is (t, "much-last"))
    return put_much (t, out);
  if (is (t, "says-last"))
    (void) put_chunk (t, out, "content", "b");
  if (is (t, "ends-last") || is (t, "says-last"))
    (void) put_end (t, s, out);
  return s->ended ? put (t, out, "[DONE]") : KW_OK;
}

static int
toy_event (void *self, void *stream, const char *event, const void *data,
           uint64_t len, struct kw_translation *out)
{
  struct toy *t = self;
  struct toy_stream *s = stream;
  int rc = KW_OK;

  keep (t, NULL, out);
  if (data == NULL)
    return last_event (t, s, out);
  if (strlen (data) != len)     /* NUL-terminated behind len, it is said */
    return kw_error (t->host, t->in, KW_ERR, "not ended");
  if (strcmp (event, "hello") == 0)
    return put_chunk (t, out, "role", "assistant");
  if (strcmp (event, "word") == 0)
    return put_chunk (t, out, "content", data);
  if (strcmp (event, "twice") == 0) {
    rc = put_chunk (t, out, "content", data);
    return rc != KW_OK ? rc : put_chunk (t, out, "content", data);
  }
  if (strcmp (event, "broken-lines") == 0)
    return put (t, out, "{\"choices\":[\r\n{\"delta\":\n{\"content\":\"lines\"}}]}\r");
  if (strcmp (event, "end") == 0)
    return put_end (t, s, out);
  if (strcmp (event, "done") == 0) {
    rc = put (t, out, "[DONE]");
    (void) put_chunk (t, out, "content", "behind it");
    return rc;
  }
  if (strcmp (event, "fail") == 0) {
    (void) put_chunk (t, out, "content", "half of it");
    return kw_error (t->host, t->in, KW_ERR, "no event like it");
  }
  if (strcmp (event, "empty") == 0)
    (void) put (t, out, "");
  if (strcmp (event, "nul") == 0)
    (void) t->translator->output (out, "{\0}", 3);
  return strcmp (event, "much") == 0 ? put_much (t, out) : KW_OK;
}

static const struct kw_translate table = {
#ifdef TABLE_short
  .struct_size  = sizeof table - sizeof (void *),
#elif defined(TABLE_empty)
  .struct_size  = 0,
#else
  .struct_size  = sizeof table,
#endif
#ifndef TABLE_no_reply
  .reply        = toy_reply,
#endif
#ifndef TABLE_no_begin
  .stream_begin = toy_begin,
#endif
#ifndef TABLE_no_event
  .stream_event = toy_event,
#endif
#ifndef TABLE_no_end
  .stream_end   = toy_end,
#endif
};

/* One of a minor that is still to come. */
static const struct { struct kw_translate known; void (*more) (void); } longer = {
  .known = {
    .struct_size  = sizeof longer,
    .reply        = toy_reply,
    .stream_begin = toy_begin,
    .stream_event = toy_event,
    .stream_end   = toy_end,
  }
};

static const void *
toy_get_extension (void *self, const char *id)
{
  const struct toy *t = self;

  if (strcmp (id, KW_EXT_TRANSLATE) != 0 || is (t, "no-table"))
    return NULL;
  return is (t, "longer") ? (const void *) &longer : &table;
}

static const struct kw_provider provider = {
  ._header       = KW_PROVIDER_HEADER_INIT,
  .name          = "toy",
  .version       = "1",
  .key_env       = "TOY_API_KEY TOY_API_KEY_BACKUP,",
  .caps          = KW_CAP_PROBE,
#ifdef MODEL
  .thread_model  = MODEL,
#endif
  .create        = toy_create,
  .destroy       = toy_destroy,
  .config        = toy_config,
  .prepare       = toy_prepare,
  .build_probe   = toy_build_probe,
  .classify      = toy_classify,
#ifdef TABLE_nowhere
  .get_extension = 0 ? toy_get_extension : NULL,
#else
  .get_extension = toy_get_extension,
#endif
};

KW_REGISTER_PROVIDER (provider);

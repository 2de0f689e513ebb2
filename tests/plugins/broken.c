/* broken - a plugin that breaks one rule of the ABI, for test_check; the build's
 * -DBROKEN_... picks which.  "broken-over-read.so" is built with
 * -DBROKEN_over_read, and those that translate with -DTRANSLATES.  Without any it
 * is sound.so, which conforms. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "plain.h"

struct broken {
  const struct kw_host *host;
  struct kw_instance *in;
  const void *kept;
  char *own;
};

#ifdef BROKEN_uses_ours
extern const char *kw_version (void);
#endif

#ifdef BROKEN_crash_at_load
static void __attribute__ ((__constructor__))
at_load (void)
{
  abort ();
}
#endif

#ifdef BROKEN_struct_changes
static struct kw_provider provider;
#endif

static int
broken_create (const struct kw_host *host, struct kw_instance *in, void **self)
{
  struct broken *b = calloc (1, sizeof *b);

  if (b == NULL)
    return KW_ERR_NOMEM;
  b->host = host;
  b->in = in;
  b->own = calloc (1, 100);
  *self = b;
#ifdef BROKEN_struct_changes
  provider.caps |= KW_CAP_NO_UNLOAD;
#endif
#ifdef BROKEN_create_wants_settings
  free (b->own);
  free (b);
  return kw_error (host, in, KW_ERR_CONFIG, "region is missing");
#endif
  return KW_OK;
}

static void
broken_destroy (void *self)
{
  struct broken *b = self;

#ifndef BROKEN_instance_leaks
  free (b->own);
#endif
  free (b);
}

static int
broken_config (void *self, const char *key, const char *value)
{
  (void) self;
  if (strcmp (key, "region") == 0 && value[0] != '\0')
    return KW_OK;
#if defined(BROKEN_takes_any_option)
  return KW_OK;
#elif defined(BROKEN_wrong_code_for_option)
  return KW_ERR_CONFIG;
#else
  return KW_ERR_NOTFOUND;
#endif
}

#ifdef TRANSLATES
static const struct kw_translate_host *th;
#endif

/* ---- Requests ----------------------------------------------------------- */

static int
broken_prepare (void *self, const struct kw_call *call, struct kw_request *r)
{
  struct broken *b = self;
  char url[4096];
  int n = snprintf (url, sizeof url, "%s%s", call->base_url, call->path);

#ifdef BROKEN_keeps_call
  if (b->kept != NULL && *(const char *) b->kept == 'x')
    return KW_ERR;
  b->kept = call->base_url;
#endif
#ifdef BROKEN_overflows_url
  /* As if there were no end to it, the compiler not being told. */
  for (volatile size_t i = 0, len = strlen (call->base_url); i < len; i++)
    ((volatile char *) url)[i] = call->base_url[i];
#endif
  if (n < 0 || (size_t) n >= sizeof url)
    return kw_error (b->host, b->in, KW_ERR_RANGE, "the URL is too long");
#ifdef BROKEN_shows_key
  if (call->secret != NULL)
    (void) snprintf (url, sizeof url, "%s/?key=%.*s", call->base_url,
                     (int) call->secret_len, (const char *) call->secret);
#endif
#ifdef BROKEN_uses_ours
  if (kw_version () == NULL)
    return KW_ERR;
#endif
#ifdef BROKEN_own_host
  (void) snprintf (url, sizeof url, "https://own.example/v1");
#endif
#ifdef BROKEN_forgets_url
  url[0] = '\0';
#endif
  if ((url[0] != '\0' && b->host->request_url (r, url) != KW_OK)
      || b->host->request_method (r, call->method) != KW_OK
      || b->host->request_secret_header (r, "Authorization", "Bearer ") != KW_OK)
    return KW_ERR;
#ifdef TRANSLATES
  th = b->host->get_extension (KW_EXT_TRANSLATE);
#ifndef BROKEN_reply_unasked
  if (th == NULL || th->request (r, "note", 4) != KW_OK)
    return kw_error (b->host, b->in, KW_ERR_UNSUPPORTED, "this host is too old for it");
#endif
#endif
  return call->body_len > 0 ? b->host->request_body (r, call->body, call->body_len)
                            : KW_OK;
}

/* ---- Answers ------------------------------------------------------------ */

/* What is broken in a verdict: each at one status, and good otherwise. */
static int
misjudge (struct broken *b, const struct kw_response *resp, struct kw_verdict *v, int json)
{
  static int calls;
  const char *body = resp->body;

  (void) b, (void) v, (void) json, (void) body;
  calls++;
#if defined(BROKEN_crash_on_cut_json)
  if (json == KW_ERR && resp->body_len > 0 && body[0] == '{')
    return *(volatile int *) (uintptr_t) (resp->body_len & 1);
#elif defined(BROKEN_over_read)
  if (resp->body_len > 0 && strlen (body) > UINT32_MAX)
    return KW_ERR;
#elif defined(BROKEN_loop)
  while (resp->http_status == 418)
    ((volatile char *) v->reason)[0] = 'a';
#elif defined(BROKEN_waits)
  while (resp->http_status == 418 && resp->body_len == 0)
    (void) pause ();
#elif defined(BROKEN_stands_still)
  /* With all of its group, until somebody outside of it lets it go on. */
  static int stood;
  if (resp->http_status == 418 && !stood++)
    (void) kill (0, SIGSTOP);
#elif defined(BROKEN_hog)
  for (char *p = v->reason; resp->http_status == 418 && p != NULL;)
    if ((p = malloc (1 << 20)) == NULL)
      return KW_ERR_NOMEM;
    else
      memset (p, 1, 1 << 20);
#elif defined(BROKEN_outcome)
  if (resp->http_status == 404)
    v->outcome = 42;
#elif defined(BROKEN_scope)
  if (resp->http_status == 404)
    v->scope = 7;
#elif defined(BROKEN_have)
  if (resp->http_status == 404)
    v->have = KW_HAVE_LIMIT;
#elif defined(BROKEN_negative_wait)
  if (resp->http_status == 429) {
    v->have = KW_HAVE_RETRY_AFTER;
    v->retry_after_ms = -5;
  }
#elif defined(BROKEN_unended)
  if (resp->http_status == 404)
    memset (v->account, 'a', sizeof v->account);
#elif defined(BROKEN_fickle)
  if (resp->http_status == 404)
    v->outcome = calls % 2 ? KW_OUTCOME_REQUEST : KW_OUTCOME_AUTH;
#elif defined(BROKEN_counts_per_instance)
  if (resp->http_status == 404)
    v->retry_after_ms = (int64_t) (uintptr_t) b, v->have = KW_HAVE_RETRY_AFTER;
#elif defined(BROKEN_keeps_body)
  if (b->kept != NULL && *(const char *) b->kept == 'x')
    return KW_ERR;
  b->kept = resp->body_len > 0 ? resp->body : NULL;
#elif defined(BROKEN_exits)
  if (resp->http_status == 404)
    exit (3);
#elif defined(BROKEN_exits_at_once)
  if (resp->http_status == 404)
    _exit (3);
#elif defined(BROKEN_aborts)
  if (resp->http_status == 404) {
    fputs ("\nbroken.c:1: Assertion `status != 404' failed.\n", stderr);
    abort ();
  }
#elif defined(BROKEN_leaks)
  b->own[0] = (char) (strdup ("a text for every answer") != NULL);
#elif defined(BROKEN_ok_500)
  v->outcome = KW_OUTCOME_OK;
#elif defined(BROKEN_prints)
  if (resp->http_status == 404)
    printf ("not found: %.*s\n", (int) resp->body_len, body);
#elif defined(BROKEN_writes_behind)
  if (resp->http_status == 404)
    ((volatile char *) (v + 1))[0] = 1;
#elif defined(BROKEN_other_pointer)
  struct kw_response other = *resp;
  (void) b->host->response_header (&other, "date");
#elif defined(BROKEN_builds_in_classify)
  (void) b->host->request_url (NULL, "https://x.example");
#elif defined(BROKEN_bucket)
  struct kw_bucket bucket = { .struct_size = sizeof bucket, .have = KW_HAVE_LIMIT,
                              .limit = -1 };
  (void) b->host->response_bucket (resp, &bucket);
#elif defined(BROKEN_returns)
  if (resp->http_status == 404)
    return 17;
#elif defined(BROKEN_fails)
  if (resp->http_status == 404)
    return kw_error (b->host, b->in, KW_ERR, "never heard of it");
#endif
  return KW_OK;
}

static int
broken_classify (void *self, const struct kw_response *resp, struct kw_verdict *v)
{
  struct broken *b = self;
  char code[32];
  int json = b->host->response_json (resp, "/error/code", code, sizeof code);

  (void) b->host->response_header (resp, "retry-after");
  if (resp->http_status >= 200 && resp->http_status <= 299 && json == KW_ERR_NOTFOUND
      && b->host->response_json (resp, "/error/message", code, sizeof code)
         == KW_ERR_NOTFOUND)
    v->outcome = KW_OUTCOME_OK;
  return misjudge (b, resp, v, json);
}

/* ---- Translation -------------------------------------------------------- */

/* With -DTRANSLATES a plugin that translates well, and the broken ones of it. */
#ifdef TRANSLATES
struct one_stream {
  int events;
};

static int
put (struct kw_translation *t, const char *text)
{
  return th != NULL ? th->output (t, text, strlen (text)) : KW_ERR;
}

static int
broken_reply (void *self, const struct kw_response *resp, const void *note,
              uint64_t note_len, struct kw_translation *t)
{
  struct broken *b = self;
  char id[64];

  (void) t;
  if (note_len != 4 || memcmp (note, "note", 4) != 0)
    return kw_error (b->host, b->in, KW_ERR, "the note is lost");
  if (b->host->response_json (resp, "/id", id, sizeof id) != KW_OK)
    return kw_error (b->host, b->in, KW_ERR, "no id");
#ifdef BROKEN_reply_nothing
  return KW_OK;
#elif defined(BROKEN_reply_no_choices)
  return put (t, "{\"id\":1}");
#elif defined(BROKEN_reply_elsewhere)
  return put ((struct kw_translation *) (void *) id, "{}");
#else
  return put (t, "{\"object\":\"chat.completion\",\"choices\":[]}");
#endif
}

static int
broken_begin (void *self, const void *note, uint64_t note_len, void **stream)
{
#ifdef BROKEN_stream_shared
  static struct one_stream shared;
  *stream = &shared;
#else
  *stream = calloc (1, sizeof (struct one_stream));
#endif
  (void) self, (void) note, (void) note_len;
  return *stream != NULL ? KW_OK : KW_ERR_NOMEM;
}

static int
broken_event (void *self, void *stream, const char *event, const void *data, uint64_t len,
              struct kw_translation *t)
{
  struct one_stream *s = stream;

  (void) self, (void) event, (void) len;
  s->events++;
#ifdef BROKEN_stream_crash
  if (len > 0 && ((const char *) data)[len - 1] != '}')
    abort ();
#endif
#ifdef BROKEN_stream_no_json
  if (data != NULL)
    return put (t, "data: {}");
#endif
  if (data != NULL)
    return put (t, "{\"object\":\"chat.completion.chunk\",\"choices\":[]}");
#ifdef BROKEN_stream_behind_done
  (void) put (t, "[DONE]");
#endif
  return put (t, "[DONE]");
}

static void
broken_end (void *self, void *stream)
{
  (void) self;
#if !defined(BROKEN_stream_leaks) && !defined(BROKEN_stream_shared)
  free (stream);
#endif
  (void) stream;
}

static const void *
broken_extension (void *self, const char *id)
{
  static const struct kw_translate t = {
    .struct_size  = sizeof t,
    .reply        = broken_reply,
    .stream_begin = broken_begin,
    .stream_event = broken_event,
#ifndef BROKEN_stream_no_end
    .stream_end   = broken_end,
#endif
  };

  (void) self;
  (void) broken_end;
  return strcmp (id, KW_EXT_TRANSLATE) == 0 ? &t : NULL;
}
#endif

#ifdef BROKEN_struct_changes
static
#else
static const
#endif
struct kw_provider provider = {
  ._header          = KW_PROVIDER_HEADER_INIT,
#if defined(BROKEN_strings)
  .longname         = "two\nlines",
  .default_base_url = "https://api.example.com/v1/",
  .key_env          = "EX-API-KEY",
#else
  .longname         = "Sound AI",
  .default_base_url = "https://api.example.com/v1",
  .key_env          = "SOUND_API_KEY SOUND_API_KEY_BACKUP, SOUND_API_KEY_#",
#endif
  .name             = "sound",
  .version          = "1",
  .description      = "A provider that does as it should",
  .config_help      = "region=<NAME>  where it runs",
  .default_model    = "m-1",
#if defined(BROKEN_shows_key)
  .caps             = KW_CAP_NEEDS_SECRET,
#elif defined(BROKEN_unknown_cap)
  .caps             = UINT64_C (1) << 40,
#endif
#ifdef BROKEN_thread_model
  .thread_model     = 3,
#else
  .thread_model     = KW_THREAD_PARALLEL,
#endif
  .create           = broken_create,
  .destroy          = broken_destroy,
  .config           = broken_config,
  .prepare          = broken_prepare,
  .classify         = broken_classify,
#ifdef TRANSLATES
  .get_extension    = broken_extension,
#endif
};

#ifdef BROKEN_another_entry
KW_EXTERN_C KW_EXPORT const struct kw_provider_header *
KW_PROVIDER_ENTRY (uint32_t host_abi);

const struct kw_provider_header *
KW_PROVIDER_ENTRY (uint32_t host_abi)
{
  static struct kw_provider other;

  other = provider;
  return host_abi == UINT32_C (1) << 16 ? &provider._header : &other._header;
}
#else
KW_REGISTER_PROVIDER (provider);
#endif

#ifdef BROKEN_exports_more       /* and is linked without the map */
KW_EXTERN_C KW_EXPORT int another (void);
int
another (void)
{
  return 1;
}
#endif

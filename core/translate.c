/* translate - the host's side of KW_EXT_TRANSLATE; see translate.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "answer.h"
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

#define EVENT_END "\n\n"
#define DONE "[DONE]"

/* Keeps sums of sizes far from overflow, whatever was configured. */
#define LARGEST (SIZE_MAX / 8)

/* What an instance's plugin answered when it was asked; never changed after. */
struct kwi_translator {
  struct kw_translate table;
  char problem[160];            /* why it cannot be used; ""              */
};

/* ---- The plugin's table --------------------------------------------------- */

static void
look_at_table (struct kwi_translator *t, int offered)
{
  static const char name[] = "its table " KW_EXT_TRANSLATE;
  const struct kw_translate *k = &t->table;
  const char *missing = k->reply == NULL ? "reply"
                        : k->stream_begin == NULL ? "stream_begin"
                        : k->stream_event == NULL ? "stream_event"
                        : k->stream_end == NULL ? "stream_end" : NULL;
  int n = 0;

  if (!offered)
    n = snprintf (t->problem, sizeof t->problem, "it offers no table "
                  KW_EXT_TRANSLATE " in get_extension to do it with");
  else if (!KW_HAS (struct kw_translate, k, stream_end))
    n = snprintf (t->problem, sizeof t->problem, "%s has %u bytes, and all of "
                  "them have %zu", name, (unsigned) k->struct_size,
                  offsetof (struct kw_translate, stream_end)
                  + sizeof k->stream_end);
  else if (missing != NULL)
    n = snprintf (t->problem, sizeof t->problem, "%s has no %s", name, missing);
  if (n < 0)
    (void) memccpy (t->problem, name, '\0', sizeof t->problem);
}

void
kwi_translate_ask (struct kw_instance *in)
{
  struct kwi_frame f;
  struct kwi_translator *mine, *none = NULL;
  const struct kw_translate *theirs = NULL;

  if (__atomic_load_n (&in->translator, __ATOMIC_ACQUIRE) != NULL)
    return;
  mine = calloc (1, sizeof *mine);
  if (mine == NULL)
    return;                     /* request says so if it is wanted */
  if (in->provider->get_extension != NULL) {
    kwi_frame_init (&f, in, KWI_PHASE_TRANSLATE);
    kwi_instance_begin_hot (in, &f);
    theirs = in->provider->get_extension (in->self, KW_EXT_TRANSLATE);
    kwi_instance_end_hot (in, &f);
  }
  if (theirs != NULL)
    memcpy (&mine->table, theirs, theirs->struct_size < sizeof mine->table
                                  ? theirs->struct_size : sizeof mine->table);
  look_at_table (mine, theirs != NULL);
  /* Two threads may have asked; the first answer stays. */
  if (!__atomic_compare_exchange_n (&in->translator, &none, mine, 0,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    free (mine);
}

void
kwi_translate_free (struct kw_instance *in)
{
  free (in->translator);
  in->translator = NULL;
}

/* Of a request that was marked, so that it was found whole before. */
static const struct kw_translate *
table_of (struct kw_instance *in)
{
  return &__atomic_load_n (&in->translator, __ATOMIC_ACQUIRE)->table;
}

/* ---- The host's ------------------------------------------------------------ */

static int
service_request (struct kw_request *r, const void *note, uint64_t len)
{
  const struct kwi_frame *f = kwi_host_current ();
  int ok = r != NULL && f != NULL && f->phase == KWI_PHASE_BUILD
           && f->request == r;
  const struct kwi_translator *t;

  MUST (ok);
  if (!ok)
    return KW_ERR;
  t = __atomic_load_n (&f->in->translator, __ATOMIC_ACQUIRE);
  return kwi_request_translate (r, note, len, f->probe
                                ? "a probe's is not handed on, only judged"
                                : t == NULL ? "no memory" : t->problem);
}

/* Remembers it, for the plugin may not pass it on. */
static int
not_taken (struct kw_translation *t, int code)
{
  if (t->failed == 0)
    t->failed = code;
  return code;
}

/* Room for more bytes and a NUL behind them. */
static int
make_room (struct kw_translation *t, size_t more)
{
  size_t want = t->len + more + 1, size = t->size != 0 ? t->size : 512;
  char *p;

  if (want <= t->size)
    return KW_OK;
  while (size < want)
    size *= 2;
  p = realloc (t->out, size);
  if (p == NULL)
    return not_taken (t, KW_ERR_NOMEM);
  t->out = p;
  t->size = size;
  return KW_OK;
}

static void
add (struct kw_translation *t, const void *data, size_t len)
{
  if (len > 0)
    memcpy (t->out + t->len, data, len);
  t->len += len;
  t->out[t->len] = '\0';
}

/* A line break would end the event's data; in JSON it is a blank. */
static void
add_event (struct kw_translation *t, const char *data, size_t len)
{
  char *p;

  add (t, KWI_EVENT_PREFIX, sizeof KWI_EVENT_PREFIX - 1);
  p = t->out + t->len;
  add (t, data, len);
  for (; *p != '\0'; p++)
    if (*p == '\n' || *p == '\r')
      *p = ' ';
  add (t, EVENT_END, sizeof EVENT_END - 1);
  t->len++;                     /* the NUL is part of it */
  t->done |= len >= sizeof DONE - 1 && memcmp (data, DONE, sizeof DONE - 1) == 0;
}

static int
service_output (struct kw_translation *t, const void *data, uint64_t len)
{
  enum { FRAME = sizeof KWI_EVENT_PREFIX EVENT_END };
  const struct kwi_frame *f = kwi_host_current ();
  int ok = t != NULL && f != NULL && f->phase == KWI_PHASE_TRANSLATE
           && f->translation == t;

  MUST (ok);
  if (!ok || t->done)
    return KW_ERR;              /* what is done stays well done */
  if ((data == NULL && len > 0) || (t->in_events && len == 0))
    return not_taken (t, KW_ERR);
  if (len > LARGEST || t->len + len > LARGEST
      || (int64_t) (t->len + len) > t->max)
    return not_taken (t, KW_ERR_RANGE);
  if (t->in_events && memchr (data, '\0', (size_t) len) != NULL)
    return not_taken (t, KW_ERR);
  if (make_room (t, (size_t) len + (t->in_events ? FRAME : 0)) != KW_OK)
    return KW_ERR_NOMEM;
  if (t->in_events)
    add_event (t, data, (size_t) len);
  else
    add (t, data, (size_t) len);
  return KW_OK;
}

static const struct kw_translate_host host_table = {
  .struct_size = sizeof host_table,
  .request     = service_request,
  .output      = service_output
};

const struct kw_translate_host *
kwi_translate_host (void)
{
  return &host_table;
}

/* ---- Calls into the plugin -------------------------------------------------- */

static void
say (struct kw_instance *in, struct kwi_answer *a, const char *why)
{
  int n = snprintf (a->net_text, sizeof a->net_text, "plugin \"%s\" cannot "
                    "translate the answer: %s", in->provider->name, why);

  if (n < 0)
    a->net_text[0] = '\0';      /* cut is fine */
  kwi_host_log (in, KW_LOG_WARN, "%s", a->net_text);
}

static const char *
why_not_taken (int code)
{
  switch (code) {
  case KW_ERR_RANGE:
    return "it output more than max_response";
  case KW_ERR_NOMEM:
    return "no memory for what it output";
  default:
    return "it output an empty event, or one with a NUL in it";
  }
}

/* The call returned rc: 0, or KW_ERR_*, and what is to be said of it is. */
static int
judge (const struct kwi_frame *f, int rc, struct kw_translation *t,
       struct kwi_answer *a)
{
  if (t->failed != 0) {         /* if rc is one too, it comes of that */
    rc = t->failed;
    if (rc == KW_ERR_RANGE)
      a->too_large = 1;
    say (f->in, a, why_not_taken (rc));
  }
  else if (rc != KW_OK)
    say (f->in, a, kwi_instance_words (f, rc));
  else if (!t->in_events && t->len == 0) {
    rc = KW_ERR;
    say (f->in, a, "it output nothing");
  }
  if (rc != KW_OK)
    t->len = 0;
  return rc;
}

/* 0, or KW_ERR_*; t->out is the answer's then. */
static int
take_over (struct kw_instance *in, struct kw_translation *t,
           struct kwi_answer *a)
{
  kwi_answer_take_body (a, t->out, t->len, t->size);
  t->out = NULL;
  if (kwi_answer_json (a) == NULL) {
    say (in, a, "what it output is no JSON");
    return KW_ERR;
  }
  if (kwi_answer_set_header (a, "content-type", "application/json") == 0)
    return KW_OK;
  say (in, a, "no memory");
  return KW_ERR_NOMEM;
}

int
kwi_translate_reply (struct kw_instance *in, const struct kw_request *r,
                     struct kwi_answer *a, int64_t max)
{
  struct kw_translation t = { .max = max };
  struct kw_response resp;
  struct kwi_frame f;
  int rc;

  kwi_frame_init (&f, in, KWI_PHASE_TRANSLATE);
  f.translation = &t;
  f.response = &resp;
  f.answer = a;
  kwi_instance_show (a, &resp);
  kwi_instance_begin_hot (in, &f);
  rc = table_of (in)->reply (in->self, &resp, r->note, r->note_len, &t);
  kwi_instance_end_hot (in, &f);
  rc = judge (&f, rc, &t, a);
  if (rc == KW_OK)
    rc = take_over (in, &t, a);
  free (t.out);
  return rc;
}

static int
begin (struct kw_instance *in, const struct kw_request *r,
       struct kwi_answer *a, struct kw_translation *t)
{
  struct kwi_frame f;
  int rc;

  kwi_frame_init (&f, in, KWI_PHASE_TRANSLATE);
  kwi_instance_begin_hot (in, &f);
  rc = table_of (in)->stream_begin (in->self, r->note, r->note_len,
                                    &t->stream);
  kwi_instance_end_hot (in, &f);
  t->begun = rc == KW_OK;
  return judge (&f, rc, t, a);
}

int
kwi_translate_event (struct kw_instance *in, const struct kw_request *r,
                     struct kwi_answer *a, struct kw_translation *t,
                     const char *name, const char *data, size_t len)
{
  struct kwi_frame f;
  int rc;

  kwi_frame_init (&f, in, KWI_PHASE_TRANSLATE);
  f.translation = t;
  t->in_events = 1;
  t->len = 0;
  t->failed = 0;
  if (!t->begun && (rc = begin (in, r, a, t)) != KW_OK)
    return rc;
  kwi_instance_begin_hot (in, &f);
  rc = table_of (in)->stream_event (in->self, t->stream, name, data, len, t);
  kwi_instance_end_hot (in, &f);
  return judge (&f, rc, t, a);
}

void
kwi_translate_end (struct kw_instance *in, struct kw_translation *t)
{
  struct kwi_frame f;

  if (t->begun) {
    kwi_frame_init (&f, in, KWI_PHASE_TRANSLATE);
    kwi_instance_begin_hot (in, &f);
    table_of (in)->stream_end (in->self, t->stream);
    kwi_instance_end_hot (in, &f);
  }
  t->begun = t->done = 0;
  t->stream = NULL;
  t->len = 0;
}

void
kwi_translate_clear (struct kw_instance *in, struct kw_translation *t)
{
  kwi_translate_end (in, t);
  free (t->out);
  t->out = NULL;
  t->size = 0;
}

const char *
kwi_translate_next (const struct kw_translation *t, const char *event)
{
  event = event == NULL ? t->out : event + strlen (event) + 1;
  return t->len > 0 && event < t->out + t->len ? event : NULL;
}

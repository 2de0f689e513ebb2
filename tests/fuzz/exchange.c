/* exchange - a whole exchange under the eye of a fuzzer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "watch.h"
#include <keywheel/keywheel.h>

#include "answer.h"
#include "body.h"
#include "exchange.h"
#include "input.h"
#include "instance.h"
#include "request.h"
#include "sse.h"
#include "stream.h"
#include "translate.h"

enum { MOST = 1 << 20 };        /* max_response                           */

struct exchange {
  struct fuzz_plugin *plugin;
  struct kw_instance *in;
  struct fuzz_input input;      /* its body without the request           */
  const char *request;
  size_t request_len;
};

/* What became of it, to be compared with the second time. */
struct outcome {
  struct kwi_judgement judgement;
  struct kwi_stream stream;     /* its counts; what it points to is gone  */
  char *out;                    /* what the caller got                    */
  size_t len;
  uint64_t text_sum;
};

/* ---- The request ---------------------------------------------------------- */

static void
claim_line (const char *what, const char *s)
{
  for (; *s != '\0'; s++)
    FUZZ_CLAIM ((unsigned char) *s >= 0x20 && *s != 0x7f, "%s has byte 0x%02x", what,
                (unsigned) (unsigned char) *s);
}

static struct json_object *
parse (const char *what, const char *data, size_t len)
{
  struct json_tokener *tok = json_tokener_new ();
  struct json_object *o;
  char *text = strndup (data, len);

  if (tok == NULL || text == NULL)
    abort ();
  json_tokener_set_flags (tok, JSON_TOKENER_STRICT);
  o = json_tokener_parse_ex (tok, text, (int) strlen (text) + 1);
  FUZZ_CLAIM (strlen (text) == len && json_object_is_type (o, json_type_object),
              "%s is no JSON object: %.*s", what, len < 2000 ? (int) len : 2000, data);
  json_tokener_free (tok);
  free (text);
  return o;
}

static void
claim_request (const struct kw_request *r, const struct kw_call *call)
{
  FUZZ_CLAIM (strncmp (r->url, "http", 4) == 0, "%s", r->url);
  claim_line ("the URL", r->url);
  claim_line ("the method", r->method);
  FUZZ_CLAIM (strchr (r->url, ' ') == NULL && r->method[0] != '\0', "%s %s", r->method,
              r->url);
  for (size_t at = 0; at < r->headers_len; at += strlen (r->headers + at) + 1)
    claim_line ("a header", r->headers + at);
  if (r->body_len > 0 && r->body != call->body)
    json_object_put (parse ("the request's body", r->body, r->body_len));
}

/* 1: it can go out. */
static int
prepare (const struct exchange *x, struct kw_request *r)
{
  const char *base = x->plugin->own.default_base_url;
  struct kw_error err = KW_ERROR_INIT;
  char model[256] = "";
  int stream = 0;
  int well = kwi_body_check (x->request, x->request_len, model, sizeof model, &stream,
                             NULL) == 0;
  struct kw_call call = {
    .struct_size = sizeof call,
    .base_url = base != NULL ? base : "https://api.example.com/v1",
    .method = "POST",
    .path = "/chat/completions",
    .content_type = "application/json",
    .model = model[0] != '\0' ? model : "m",
    .body = x->request,
    .body_len = x->request_len,
    .stream = (uint32_t) stream,
  };
  int rc = kwi_instance_prepare (x->in, &call, r, &err);

  if (!well)                    /* the core never asks for that */
    return 0;
  /* Anything else would be a plugin that does not say why. */
  FUZZ_CLAIM (rc == 0 || rc == KW_ERR_REFUSED, "%d: %s", rc, err.message);
  claim_line ("what is said", err.message);
  if (rc != 0 && getenv ("KW_FUZZ_SHOW") != NULL)
    printf ("%s\n", err.message);
  if (rc == 0)
    claim_request (r, &call);
  return rc == 0;
}

/* ---- The answer ------------------------------------------------------------- */

static int
keep (void *user, const void *data, size_t len)
{
  struct outcome *o = user;
  char *more = realloc (o->out, o->len + len + 1);

  if (more == NULL)
    abort ();
  o->out = more;
  memcpy (o->out + o->len, data, len);
  o->len += len;
  o->out[o->len] = '\0';
  return 0;
}

static int
keep_text (void *user, const char *text, size_t len)
{
  struct outcome *o = user;

  for (size_t i = 0; i < len; i++)      /* all of it can be read */
    o->text_sum += (unsigned char) text[i];
  return 0;
}

/* As kwi_call_judge and its caller do, in pieces of so many bytes. */
static void
take_stream (const struct exchange *x, const struct kw_request *r, struct kwi_answer *a,
             const char *body, size_t piece, struct outcome *o)
{
  struct kwi_stream stream = {
    .instance = x->in, .request = r, .on_data = keep, .on_text = keep_text,
    .user = o, .max_response = MOST, .judgement = &o->judgement
  };
  struct kwi_stream *s = &stream;
  int stop = 0;

  kwi_stream_reset (s);
  for (size_t at = 0; at < x->input.body_len && !stop; at += piece) {
    size_t left = x->input.body_len - at, used;
    stop = kwi_stream_sink (s, a, body + at, left < piece ? left : piece, &used);
  }
  if (!s->failed)
    fuzz_classify (x->plugin, x->in, a, &o->judgement);
  if (!s->failed && s->is_stream && o->judgement.outcome == KW_OUTCOME_OK) {
    kwi_stream_finish (s);
    (void) kwi_stream_end (s);
  }
  o->stream = stream;
  kwi_stream_clear (s);
}

static void
take_whole (const struct exchange *x, const struct kw_request *r, struct kwi_answer *a,
            struct outcome *o)
{
  fuzz_classify (x->plugin, x->in, a, &o->judgement);
  if (o->judgement.outcome != KW_OUTCOME_OK || !r->translated)
    return;
  fuzz_now (x->plugin, a->received_ms);
  if (kwi_translate_reply (x->in, r, a, MOST) == 0)
    (void) keep (o, a->body, a->body_len);
  else
    claim_line ("what is said", a->net_text);
}

/* ---- What the caller gets ------------------------------------------------------ */

static void
claim_chat (struct json_object *o, const char *kind, const char *member, const char *text)
{
  struct json_object *object = NULL, *choices = NULL, *m = NULL;

  json_object_object_get_ex (o, "object", &object);
  FUZZ_CLAIM (object != NULL && strcmp (json_object_get_string (object), kind) == 0, "%s",
              text);
  json_object_object_get_ex (o, "choices", &choices);
  FUZZ_CLAIM (json_object_is_type (choices, json_type_array), "%s", text);
  for (size_t i = 0; i < json_object_array_length (choices); i++) {
    json_object_object_get_ex (json_object_array_get_idx (choices, i), member, &m);
    FUZZ_CLAIM (json_object_is_type (m, json_type_object), "%s: %s", member, text);
  }
}

static int
claim_event (void *user, const char *name, const char *data, size_t len)
{
  int *done = user;
  struct json_object *chunk;

  FUZZ_CLAIM (name[0] == '\0' && !*done, "event \"%s\", done %d: %s", name, *done, data);
  if (strcmp (data, "[DONE]") == 0) {
    *done = 1;
    return 0;
  }
  chunk = parse ("an event", data, len);
  claim_chat (chunk, "chat.completion.chunk", "delta", data);
  json_object_put (chunk);
  return 0;
}

static void
claim_output (const struct outcome *o)
{
  struct kwi_sse sse = { .max = 0 };
  int done = 0;
  size_t used;

  if (o->len == 0)
    return;
  if (o->stream.is_stream) {
    FUZZ_CLAIM (kwi_sse_feed (&sse, o->out, o->len, claim_event, &done, &used) == 0, "%s", o->out);
    kwi_sse_clear (&sse);
  } else {
    struct json_object *reply = parse ("the reply", o->out, o->len);
    claim_chat (reply, "chat.completion", "message", o->out);
    json_object_put (reply);
  }
}

static void
claim_same (const struct outcome *a, const struct outcome *b, int translated)
{
  const struct kwi_stream *s = &a->stream, *t = &b->stream;

  FUZZ_CLAIM (s->is_stream == t->is_stream && s->n_events == t->n_events
                && s->failed == t->failed && s->untranslated == t->untranslated
                && s->ended == t->ended && s->input_tokens == t->input_tokens
                && s->output_tokens == t->output_tokens && a->text_sum == b->text_sum,
              "in pieces it is another stream: %zu events, then %zu; failed %d, then %d",
              s->n_events, t->n_events, s->failed, t->failed);
  FUZZ_CLAIM (memcmp (&a->judgement, &b->judgement, sizeof a->judgement) == 0,
              "outcome %u, then %u", a->judgement.outcome, b->judgement.outcome);
  /* What is passed on as it came is passed on as it came: up to an error the
   * more, the smaller the pieces. */
  if (!translated && s->failed)
    return;
  FUZZ_CLAIM (a->len == b->len && (a->len == 0 || memcmp (a->out, b->out, a->len) == 0),
              "%zu bytes, then %zu: %s ---- %s", a->len, b->len,
              a->out != NULL ? a->out : "", b->out != NULL ? b->out : "");
}

/* ---- An input -------------------------------------------------------------------- */

static void
once (const struct exchange *x, size_t piece, struct outcome *o, int *ret_translated)
{
  struct kw_request r;
  struct kwi_answer a;

  memset (&r, 0, sizeof r);
  memset (o, 0, sizeof *o);
  fuzz_now (x->plugin, x->input.at_ms);
  if (prepare (x, &r)) {
    *ret_translated = r.translated;
    fuzz_make_answer (&x->input, &a);
    if (x->input.in_stream) {   /* the body comes through the sink */
      char *body = fuzz_take_body (&a);
      take_stream (x, &r, &a, body, piece, o);
      free (body);
    } else {
      take_whole (x, &r, &a, o);
    }
    if (r.translated)
      claim_output (o);
    fuzz_drop_answer (&a);
  }
  kwi_request_clear (&r);
}

/* Puts the request, which stands behind the answer, into x. */
static void
split (struct exchange *x)
{
  static const char mark[] = "\n%%\n";
  static const char plain[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                              "\"content\":\"Hi\"}]}";
  static const char streamed[] = "{\"model\":\"m\",\"stream\":true,\"messages\":"
                                 "[{\"role\":\"user\",\"content\":\"Hi\"}]}";
  const char *body = x->input.body, *end = body + x->input.body_len;
  const char *at = x->input.body_len > 0
                   ? memmem (body, x->input.body_len, mark, sizeof mark - 1) : NULL;

  if (at != NULL) {
    x->request = at + sizeof mark - 1;
    x->request_len = (size_t) (end - x->request);
    x->input.body_len = (size_t) (at - body);
  } else {
    x->request = x->input.in_stream ? streamed : plain;
    x->request_len = strlen (x->request);
  }
}

void
fuzz_exchange_input (const char *data, size_t size)
{
  struct fuzz_plugin *p;
  size_t n;

  p = fuzz_plugins (&n);
  for (size_t i = 0; i < n; i++) {
    struct exchange x = { .plugin = &p[i] };
    struct outcome o[2];
    int translated = 0;

    fuzz_read (data, size, &x.input);
    x.in = fuzz_begin (&p[i], &x.input);
    if (x.in == NULL)
      continue;
    split (&x);
    once (&x, x.input.body_len + 1, &o[0], &translated);
    once (&x, size % 7 + 1, &o[1], &translated);
    claim_same (&o[0], &o[1], translated);
    fuzz_show (&p[i], &o[0].judgement, o[0].out);
    free (o[0].out);
    free (o[1].out);
    fuzz_done (&p[i], x.in);
  }
}

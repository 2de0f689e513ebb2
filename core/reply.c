/* reply - what a served call hands to its caller: the answer, and the record
 * of how it came about. */
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "body.h"
#include "client.h"
#include "reply.h"

struct kw_reply {
  struct kwi_answer answer;
  char provider[KW_NAME_MAX];
  char key[KW_NAME_MAX];
  char model[96];
  int64_t input_tokens, output_tokens;
  int64_t waited_ms;
  int64_t first_byte_ms;
  int switches;
  int streamed;
  kw_attempt *attempts;
  size_t n_attempts;
};

static void
copy_name (char *to, size_t size, const char *from)
{
  memset (to, 0, size);
  (void) memccpy (to, from, '\0', size - 1);
}

struct kw_reply *
kwi_reply_new (struct kwi_call *c)
{
  struct kw_reply *r = calloc (1, sizeof *r);

  if (r == NULL)
    return NULL;
  copy_name (r->provider, sizeof r->provider, c->provider->config->name);
  copy_name (r->key, sizeof r->key, kwi_call_key_name (c));
  copy_name (r->model, sizeof r->model, c->model);
  r->input_tokens = c->judgement.input_tokens;
  r->output_tokens = c->judgement.output_tokens;
  r->waited_ms = c->state.waited_ms;
  r->switches = c->state.switches;
  r->first_byte_ms = kwi_call_first_byte_ms (c);
  r->streamed = c->sink.is_stream || c->sink.started;
  r->answer = c->answer;
  memset (&c->answer, 0, sizeof c->answer);
  r->attempts = c->attempts;
  r->n_attempts = c->n_attempts;
  c->attempts = NULL;
  c->n_attempts = 0;
  return r;
}

void
kw_reply_free (kw_reply *r)
{
  if (r == NULL)
    return;
  kwi_answer_clear (&r->answer);
  free (r->attempts);
  free (r);
}

const char *
kw_reply_text (const kw_reply *r)
{
  /* Parsing is remembered in the answer: a cache, not a change. */
  struct kw_reply *cache = (struct kw_reply *) (uintptr_t) r;
  struct json_object *json;
  const char *text;
  size_t len;

  if (r->streamed)
    return "";
  json = kwi_answer_json (&cache->answer);
  if (json == NULL || !kwi_body_is_completion (json))
    return NULL;
  text = kwi_body_text (json, &len);
  return text != NULL ? text : "";
}

const char *
kw_reply_body (const kw_reply *r, size_t *ret_len)
{
  if (ret_len != NULL)
    *ret_len = r->answer.body_len;
  return r->answer.body_len > 0 ? r->answer.body : "";
}

int
kw_reply_http_status (const kw_reply *r)
{
  return r->answer.status;
}

const char *
kw_reply_content_type (const kw_reply *r)
{
  const char *t = kwi_answer_header (&r->answer, "content-type");
  return t != NULL ? t : "";
}

const char *
kw_reply_provider (const kw_reply *r)
{
  return r->provider;
}

const char *
kw_reply_model (const kw_reply *r)
{
  return r->model;
}

const char *
kw_reply_key (const kw_reply *r)
{
  return r->key;
}

int64_t
kw_reply_input_tokens (const kw_reply *r)
{
  return r->input_tokens;
}

int64_t
kw_reply_output_tokens (const kw_reply *r)
{
  return r->output_tokens;
}

int
kw_reply_switches (const kw_reply *r)
{
  return r->switches;
}

int64_t
kw_reply_waited_ms (const kw_reply *r)
{
  return r->waited_ms;
}

int64_t
kw_reply_first_byte_ms (const kw_reply *r)
{
  return r->first_byte_ms;
}

size_t
kw_reply_attempts (const kw_reply *r)
{
  return r->n_attempts;
}

const kw_attempt *
kw_reply_attempt (const kw_reply *r, size_t i)
{
  return i < r->n_attempts ? &r->attempts[i] : NULL;
}

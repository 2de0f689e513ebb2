/* client - the public calls over everything else: a request taken in, checked,
 * sent on its way, and what came of it handed out. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "body.h"
#include "call.h"
#include "client.h"
#include "fail.h"
#include "loader.h"
#include "pass.h"
#include "reply.h"
#include "state.h"
#include "transport.h"

/* ---- Small answers ------------------------------------------------------- */

void
kw_client_cancel (kw_client *c)
{
  kwi_transport_cancel (c->transport);
}

const char *
kw_client_warning (const kw_client *c, size_t i)
{
  return i < c->n_warnings ? c->warnings[i] : NULL;
}

const char *
kw_client_provider (const kw_client *c, size_t i)
{
  return i < c->n_providers ? c->providers[i]->config->name : NULL;
}

const char *
kw_client_config_path (const kw_client *c)
{
  return c->config->path;
}

int
kw_client_log_level (const kw_client *c)
{
  return c->config->log_level;
}

void
kw_client_observe (kw_client *c,
                   void (*observer) (void *user, const kw_event *), void *user)
{
  c->observer = observer;
  c->observer_user = user;
}

void
kw_client_observe_texts (kw_client *c, int32_t level)
{
  c->wordless = level >= 3 ? 0 : level < 0 ? 1 : level + 1;
}

int
kwi_client_has_text (const struct kw_client *c, int level)
{
  return c->wordless == 0 || level < c->wordless;
}

static const char *
or_empty (const char *s)
{
  return s != NULL ? s : "";
}

void
kwi_client_tell (struct kwi_provider *p, struct kw_event *e)
{
  struct kw_client *c = p->client;

  e->struct_size = sizeof *e;
  if (e->seq == 0)
    e->seq = atomic_fetch_add (&c->seq, 1) + 1;
  e->at_ms = c->clock.wall_ms (c->clock.ctx);
  e->provider = p->config->name;
  e->key = or_empty (e->key);
  e->to_key = or_empty (e->to_key);
  e->model = or_empty (e->model);
  e->account = or_empty (e->account);
  e->reason = or_empty (e->reason);
  e->message = kwi_client_has_text (c, e->level) ? or_empty (e->message) : "";
  if (c->observer != NULL)
    c->observer (c->observer_user, e);
}

/* ---- Finding a provider --------------------------------------------------- */

struct kwi_provider *
kwi_client_find (struct kw_client *c, const char *name)
{
  size_t i;

  /* Found in the environment, and more than one: no silent choice. */
  if (name == NULL)
    return c->n_providers == 1 || c->config->provider != NULL
           ? c->providers[0] : NULL;
  for (i = 0; i < c->n_providers; i++)
    if (strcmp (c->providers[i]->config->name, name) == 0)
      return c->providers[i];
  return NULL;
}

static int
no_such_provider (const struct kw_client *c, const char *name,
                  struct kw_error *err)
{
  char known[512] = "";
  size_t i, len = 0;

  for (i = 0; i < c->n_providers; i++) {
    int n = snprintf (known + len, sizeof known - len, "%s%s",
                      i > 0 ? ", " : "", c->providers[i]->config->name);
    if (n < 0 || (size_t) n >= sizeof known - len)
      break;
    len += (size_t) n;
  }
  if (name == NULL)
    return kwi_fail (err, KW_ERR_USAGE,
                     "the environment has keys of several providers (%s), and "
                     "no configuration says which is the default: name one",
                     known);
  return kwi_fail (err, KW_ERR_USAGE, "there is no provider \"%s\"; %s: %s",
                   name,
                   c->config->provider != NULL ? "the configuration has"
                                               : "the environment has keys of",
                   known);
}

/* ---- A request ------------------------------------------------------------ */

/* A path goes into a URL as it is. */
static int
check_path (const char *path, struct kw_error *err)
{
  const char *s;

  if (path[0] != '/')
    return kwi_fail (err, KW_ERR_USAGE,
                     "path \"%.80s\" does not begin with '/', as in "
                     "\"/chat/completions\"",
                     path);
  for (s = path; *s != '\0'; s++)
    if (*s <= ' ' || *s > '~' || *s == '#')
      return kwi_fail (err, KW_ERR_USAGE,
                       "path \"%.80s\" has a character that a URL's path has "
                       "not: byte 0x%02x",
                       path, (unsigned char) *s);
  return 0;
}

static int
has_fields_of_pass (const kw_request *rq)
{
  return rq->method != NULL || rq->content_type != NULL || rq->n_fields != 0
         || rq->on_upload != NULL || rq->upload_len != 0 || rq->replay_limit != 0;
}

/* Sets call->body, model and stream from what the caller gave.  *ret_own is
 * the body to free, or NULL. */
static int
take_request (struct kwi_call *c, const kw_request *rq, int max_tokens,
              char **ret_own, struct kw_error *err)
{
  const char *model = rq->model != NULL ? rq->model : c->provider->model;
  int code;

  if (strlen (model) >= sizeof c->model)
    return kwi_fail (err, KW_ERR_USAGE,
                     "the model's name is longer than %zu bytes",
                     sizeof c->model - 1);
  c->path = rq->path != NULL ? rq->path : "/chat/completions";
  code = check_path (c->path, err);
  if (code != 0)
    return code;
  if (rq->pass)
    return kwi_pass_take (c, rq);
  if (has_fields_of_pass (rq))
    return kwi_fail (err, KW_ERR_USAGE,
                     "method, content_type, fields and an upload are of a request "
                     "with pass = 1");
  if (rq->body == NULL) {
    if (model[0] == '\0')
      return kwi_fail (err, KW_ERR_USAGE,
                       "no model is named, neither in the request nor for "
                       "provider \"%s\"",
                       c->provider->config->name);
    (void) memccpy (c->model, model, '\0', sizeof c->model);
    c->stream = rq->stream != 0;
    code = kwi_body_make (rq, model, max_tokens, ret_own, &c->body_len, err);
    c->body = *ret_own;
    return code;
  }
  if (rq->prompt != NULL || rq->n_messages > 0 || rq->system != NULL)
    return kwi_fail (err, KW_ERR_USAGE,
                     "a request has either a body or a prompt and messages, "
                     "not both");
  c->body = rq->body;
  c->body_len = rq->body_len;
  code = kwi_body_check (rq->body, rq->body_len, c->model, sizeof c->model,
                         &c->stream, err);
  if (code != 0)
    return code;
  if (c->model[0] == '\0')
    (void) memccpy (c->model, model, '\0', sizeof c->model);
  else if (rq->model != NULL && strcmp (rq->model, c->model) != 0)
    return kwi_fail (err, KW_ERR_USAGE,
                     "the request is for model \"%s\", but its body names "
                     "\"%s\" and goes out unchanged; nothing was sent",
                     rq->model, c->model);
  return 0;
}

/* Starts err anew: it may hold what an earlier call left. */
void
kwi_client_clear_error (struct kw_error *err)
{
  if (err == NULL || err->struct_size < offsetof (struct kw_error, attempt))
    return;
  err->code = err->http_status = 0;
  err->retry_at_ms = err->waited_ms = 0;
  err->attempts = err->switches = 0;
  err->message[0] = '\0';
}

static void
begin_answer (void *call)
{
  kwi_call_announce (call);
}

/* Who is to be told of what comes. */
static void
take_callbacks (struct kwi_call *c, const kw_request *rq)
{
  struct kwi_stream *s = &c->sink;

  s->instance = c->provider->instance;
  s->on_data = rq->on_data;
  s->on_text = rq->on_text;
  s->user = rq->user;
  s->call = c;
  s->begin = rq->on_start != NULL ? begin_answer : NULL;
  s->relays = rq->pass;
  s->wants_json = rq->pass && strncmp (c->path, "/chat/completions", 17) == 0;
  c->on_start = rq->on_start;
}

int
kwi_client_take (struct kw_client *c, const kw_request *rq,
                 struct kwi_call *call, char **ret_own)
{
  int code;

  call->provider = kwi_client_find (c, rq->provider);
  if (call->provider == NULL)
    return no_such_provider (c, rq->provider, call->err);
  kwi_state_start (c->share);
  code = take_request (call, rq, 0, ret_own, call->err);
  if (code == 0)
    take_callbacks (call, rq);
  return code;
}

int
kwi_client_hand_out (struct kwi_call *c, kw_reply **ret)
{
  const struct kwi_stream *s = &c->sink;
  const char *body, *text;
  kw_reply *r;
  size_t len;
  int stop = 0;

  kwi_call_announce (c);
  r = kwi_reply_new (c);
  if (r == NULL)
    return kwi_fail (c->err, KW_ERR_MEMORY, "out of memory");
  if (!s->is_stream && !s->started) {
    /* The whole answer to someone who asked for pieces. */
    body = kw_reply_body (r, &len);
    if (s->on_data != NULL && len > 0)
      stop = s->on_data (s->user, body, len);
    if (stop == KW_PAUSE && s->may_pause)
      stop = 0;                 /* there is no more */
    if (stop == 0 && s->on_text != NULL
        && (text = kw_reply_text (r)) != NULL && text[0] != '\0')
      stop = s->on_text (s->user, text, strlen (text));
    if (stop == KW_PAUSE && s->may_pause)
      stop = 0;
  }
  if (stop != 0) {
    kw_reply_free (r);
    return kwi_fail (c->err, KW_ERR_CANCELLED, "cancelled");
  }
  *ret = r;
  return 0;
}

/* Takes a lane and drives the call to its end. */
static int
run (struct kw_client *c, struct kwi_call *call, const kw_request *rq)
{
  call->lane = kwi_lane_take (c->transport);
  if (call->lane == NULL)
    return kwi_fail (call->err, KW_ERR_MEMORY,
                     "out of memory, or of descriptors");
  kwi_call_begin (call, rq->deadline_ms);
  return kwi_call_run (call);
}

static void
clear (struct kw_client *c, struct kwi_call *call)
{
  if (call->lane == NULL)
    return;
  kwi_call_clear (call);
  kwi_call_leave_lane (call);
  kwi_lane_give (c->transport, call->lane);
}

int
kw_chat (kw_client *c, const kw_request *request, kw_reply **ret_reply,
         struct kw_error *err)
{
  kw_request rq = { 0 };
  struct kwi_call call = { .err = err, .method = "POST",
                           .only_key = KWI_NO_KEY };
  char *own = NULL;
  int code;

  kwi_client_clear_error (err);
  if (request == NULL || request->struct_size == 0)
    return kwi_fail (err, KW_ERR_USAGE,
                     "the request was not begun as KW_REQUEST_INIT");
  memcpy (&rq, request, request->struct_size < sizeof rq
                          ? request->struct_size : sizeof rq);
  code = kwi_client_take (c, &rq, &call, &own);
  if (code == 0) {
    code = run (c, &call, &rq);
    if (code == 0)
      code = kwi_client_hand_out (&call, ret_reply);
    else
      kwi_call_hand_over_error (&call);
    clear (c, &call);
  }
  kwi_pass_free (call.pass);
  free (own);
  return code;
}

/* ---- One key, once -------------------------------------------------------- */

int
kw_probe (kw_client *c, const char *provider, const char *key_name,
          struct kw_error *err)
{
  struct kwi_call call = { .err = err, .method = "POST", .path = "" };
  kw_request rq = KW_REQUEST_INIT;
  char *own = NULL;
  int code = 0;

  kwi_client_clear_error (err);
  call.provider = kwi_client_find (c, provider);
  if (call.provider == NULL)
    return no_such_provider (c, provider, err);
  call.only_key = kwi_keyring_index (call.provider->ring, key_name);
  if (call.only_key == kwi_keyring_count (call.provider->ring))
    return kwi_fail (err, KW_ERR_USAGE, "provider \"%s\" has no key \"%s\"",
                     call.provider->config->name, key_name);
  call.probe = (kwi_plugin_provider (call.provider->plugin)->caps
                & KW_CAP_PROBE) != 0;
  if (call.probe) {
    call.method = "GET";
    (void) memccpy (call.model, call.provider->model, '\0',
                    sizeof call.model - 1);
  }
  else {
    rq.prompt = "ping";
    code = take_request (&call, &rq, 1, &own, err);
  }
  if (code == 0) {
    take_callbacks (&call, &rq);
    code = run (c, &call, &rq);
    clear (c, &call);
  }
  free (own);
  return code;
}

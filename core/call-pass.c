/* call-pass - a call that passes on the request of another program; see
 * pass.h.  Decides nothing about keys. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "client.h"
#include "fail.h"
#include "pass.h"

#define REPLAY_LIMIT (INT64_C (8) << 20)

/* ---- Taken in ------------------------------------------------------------- */

/* "*-beta" are a provider's switches for what is new.  Whom a request is
 * charged to is the key's business, and would be another's after a switch. */
static int
may_go_out (const char *name)
{
  static const struct { size_t len; const char *name; } may[] = {
#define MAY(name) { sizeof (name) - 1, name }
    MAY ("accept"), MAY ("content-encoding"), MAY ("idempotency-key"),
    MAY ("x-client-request-id"),
#undef MAY
  };
  size_t i, len = strlen (name);

  for (i = 0; i < sizeof may / sizeof may[0]; i++)
    if (len == may[i].len && strcasecmp (name, may[i].name) == 0)
      return 1;
  return len > 5 && strcasecmp (name + len - 5, "-beta") == 0;
}

/* Returns where the next one goes. */
static char *
put_text (char *to, const char *s)
{
  size_t size = strlen (s) + 1;

  memcpy (to, s, size);
  return to + size;
}

static int
take_fields (struct kwi_pass *p, const kw_request *rq, struct kw_error *err)
{
  size_t size = 0;
  int32_t i;
  char *to;

  for (i = 0; i < rq->n_fields; i++) {
    const kw_field *f = &rq->fields[i];
    if (f->name == NULL || f->value == NULL)
      return kwi_fail (err, KW_ERR_USAGE, "header %" PRId32 " of the request has "
                       "no name or no value", i + 1);
    if (may_go_out (f->name))
      size += strlen (f->name) + strlen (f->value) + 2;
  }
  p->fields = to = malloc (size + 1);
  if (to == NULL)
    return kwi_fail (err, KW_ERR_MEMORY, "out of memory");
  for (i = 0; i < rq->n_fields; i++)
    if (may_go_out (rq->fields[i].name)) {
      to = put_text (put_text (to, rq->fields[i].name), rq->fields[i].value);
      p->n_fields++;
    }
  return 0;
}

static int
take_method (struct kwi_pass *p, const char *method, struct kw_error *err)
{
  static const char *const known[] = { "GET", "HEAD", "POST", "PUT", "PATCH",
                                       "DELETE" };
  size_t i;

  if (method == NULL)
    method = "POST";
  for (i = 0; i < sizeof known / sizeof known[0]; i++)
    if (strcmp (method, known[i]) == 0) {
      (void) memccpy (p->method, method, '\0', sizeof p->method);
      p->no_body = strcmp (method, "HEAD") == 0;
      return 0;
    }
  return kwi_fail (err, KW_ERR_USAGE, "the request's method \"%.20s\" is not "
                   "passed on; GET, HEAD, POST, PUT, PATCH and DELETE are",
                   method);
}

/* What may be said in one way only. */
static int
check (const kw_request *rq, struct kw_error *err)
{
  if (rq->prompt != NULL || rq->n_messages > 0 || rq->system != NULL)
    return kwi_fail (err, KW_ERR_USAGE, "a request that is passed on has a body "
                     "or an upload, and no prompt and no messages");
  if (rq->on_upload != NULL && rq->body != NULL)
    return kwi_fail (err, KW_ERR_USAGE, "a request that is passed on has either a "
                     "body or on_upload, not both");
  if (rq->on_upload == NULL && (rq->upload_len > 0 || rq->replay_limit != 0))
    return kwi_fail (err, KW_ERR_USAGE, "upload_len and replay_limit go with "
                     "on_upload, which is not there");
  if (rq->replay_limit < 0)
    return kwi_fail (err, KW_ERR_USAGE, "replay_limit is %" PRId64 "; it is a "
                     "number of bytes", rq->replay_limit);
  return 0;
}

static void
take_upload (struct kwi_pass *p, const kw_request *rq, int may_pause)
{
  struct kwi_upload *u = &p->upload;

  u->pull = rq->on_upload;
  u->user = rq->user;
  u->len = rq->upload_len > 0 ? rq->upload_len : -1;
  u->limit = rq->replay_limit > 0 ? rq->replay_limit : REPLAY_LIMIT;
  u->may_pause = may_pause;
  p->uploads = u->pull != NULL;
  p->gathering = p->uploads;
}

/* Keys are chosen for what the caller names, else the body, else nobody. */
static void
settle_model (struct kwi_call *c)
{
  const struct kwi_pass *p = c->pass;
  const char *model = c->model[0] != '\0' ? c->model
                      : p->peek.model[0] != '\0' ? p->peek.model
                      : c->body_len > 0 || p->uploads ? c->provider->model : "";

  if (model != c->model)
    memccpy (c->model, model, '\0', sizeof c->model - 1);
  c->stream = c->stream || p->peek.stream;
}

int
kwi_pass_take (struct kwi_call *c, const kw_request *rq)
{
  struct kwi_pass *p = c->pass = calloc (1, sizeof *p);
  const char *type = rq->content_type;
  int code = p == NULL ? kwi_fail (c->err, KW_ERR_MEMORY, "out of memory")
                       : check (rq, c->err);

  if (code == 0)
    code = take_method (p, rq->method, c->err);
  if (code == 0)
    code = take_fields (p, rq, c->err);
  if (code != 0)
    return code;
  take_upload (p, rq, c->sink.may_pause);
  if (type == NULL && (p->uploads || rq->body_len > 0))
    type = "application/json";
  if (type != NULL && (p->content_type = strdup (type)) == NULL)
    return kwi_fail (c->err, KW_ERR_MEMORY, "out of memory");
  c->method = p->method;
  c->body = rq->body;
  c->body_len = rq->body != NULL ? rq->body_len : 0;
  if (rq->model != NULL)
    memccpy (c->model, rq->model, '\0', sizeof c->model - 1);
  kwi_peek_begin (&p->peek, p->content_type);
  if (p->uploads)
    return 0;
  if (c->body_len > 0)
    kwi_peek_look (&p->peek, c->body, c->body_len, 1);
  settle_model (c);
  return 0;
}

void
kwi_pass_free (struct kwi_pass *p)
{
  if (p == NULL)
    return;
  kwi_upload_clear (&p->upload);
  free (p->content_type);
  free (p->fields);
  free (p);
}

/* ---- The upload's beginning ------------------------------------------------ */

void
kwi_pass_say_cut (struct kwi_call *c)
{
  const struct kwi_upload *u = &c->pass->upload;

  (void) kwi_fail (c->err, KW_ERR_USAGE, "the upload ended after %" PRId64 " of "
                   "%" PRId64 " bytes", u->pulled, u->len);
}

int
kwi_pass_upload_failed (const struct kwi_call *c)
{
  const struct kwi_pass *p = c->pass;

  return p == NULL ? 0 : p->upload.stopped ? KW_ERR_CANCELLED
         : p->upload.cut ? KW_ERR_USAGE : 0;
}

/* Nothing more is to be known before a key is chosen. */
static int
is_enough (struct kwi_call *c)
{
  struct kwi_pass *p = c->pass;

  if (p->peek.kind != KWI_BODY_FORM)
    return p->peek.kind == KWI_BODY_OTHER;
  if (c->model[0] == '\0')
    kwi_peek_look (&p->peek, p->upload.kept, p->upload.kept_len, 0);
  return c->model[0] != '\0' || p->peek.model[0] != '\0';
}

static void
end_gathering (struct kwi_call *c)
{
  struct kwi_pass *p = c->pass;
  struct kwi_upload *u = &p->upload;

  p->gathering = 0;
  if (p->peek.kind == KWI_BODY_JSON)
    kwi_peek_look (&p->peek, u->kept, u->kept_len, u->ended);
  if (u->ended) {               /* it is a body like any other */
    c->body = u->kept;
    c->body_len = u->kept_len;
    p->uploads = 0;
  }
  settle_model (c);
  kwi_call_measure (c);
}

int
kwi_pass_gather (struct kwi_call *c)
{
  struct kwi_upload *u = &c->pass->upload;
  int64_t n = 1;
  int code;

  while (n > 0 && !u->ended && !is_enough (c))
    n = kwi_upload_gather (u);
  code = kwi_pass_upload_failed (c);
  if (code == KW_ERR_USAGE) {
    kwi_pass_say_cut (c);
    (void) kwi_call_finish (c, code);
  }
  else if (code != 0)
    (void) kwi_call_give_up (c, code);
  else if (n != KWI_UPLOAD_PAUSED) {
    end_gathering (c);
    return 1;
  }
  else if (kwi_policy_left (&c->state, kwi_call_mono (c)) == 0)
    (void) kwi_call_finish (c, kwi_fail (c->err, KW_ERR_DEADLINE, "the deadline "
                                         "passed before the request's body had "
                                         "come; nothing was sent"));
  return 0;
}

/* ---- The request ----------------------------------------------------------- */

static int
refused (struct kwi_call *c)
{
  return kwi_fail (c->err, KW_ERR_REFUSED, "the request cannot be passed on: %s",
                   c->request.problem);
}

int
kwi_pass_complete (struct kwi_call *c)
{
  const struct kwi_pass *p = c->pass;
  struct kw_request *r = &c->request;
  const char *f = p->fields;
  size_t i;

  if (p->uploads && (r->translated || r->body_len > 0)) {
    kwi_pass_say_refused (c);
    return KW_ERR_REFUSED;
  }
  if (p->uploads && !kwi_request_has_header (r, "Content-Type")
      && kwi_request_header (r, "Content-Type", p->content_type) != KW_OK)
    return refused (c);
  for (i = 0; i < p->n_fields; i++) {
    const char *value = f + strlen (f) + 1;
    if (!kwi_request_has_header (r, f)
        && kwi_request_header (r, f, value) != KW_OK)
      return refused (c);
    f = value + strlen (value) + 1;
  }
  return 0;
}

void
kwi_pass_say_refused (struct kwi_call *c)
{
  const struct kwi_pass *p = c->pass;
  char why[640] = "it is of another format";

  if (!p->uploads || p->peek.kind != KWI_BODY_JSON)
    return;
  if (c->err != NULL && c->err->message[0] != '\0')
    (void) memccpy (why, c->err->message, '\0', sizeof why - 1);
  (void) kwi_fail (c->err, KW_ERR_REFUSED, "the request's body is larger than "
                   "replay_limit (%" PRId64 " bytes), so the plugin of %s did not "
                   "see it: %s", p->upload.limit, c->provider->config->name, why);
}

/* ---- The end ---------------------------------------------------------------- */

int
kwi_pass_sent_once (struct kwi_call *c, struct kwi_decision *d)
{
  static const struct { uint32_t outcome; int code; } codes[] = {
    { KW_OUTCOME_DAILY_LIMIT, KW_ERR_EXHAUSTED },
    { KW_OUTCOME_RATE_LIMIT, KW_ERR_RATE_LIMIT },
    { KW_OUTCOME_AUTH, KW_ERR_AUTH },
    { KW_OUTCOME_BILLING, KW_ERR_BILLING },
    { KW_OUTCOME_TRANSIENT, KW_ERR_UNAVAILABLE },
  };
  const struct kwi_pass *p = c->pass;
  size_t i = 0;

  if (p == NULL || !p->upload.spent
      || (d->action != KWI_WAIT && d->action != KWI_SWITCH))
    return 0;
  while (codes[i].outcome != c->judgement.outcome
         && i + 1 < sizeof codes / sizeof codes[0])
    i++;
  d->action = KWI_GIVE_UP;
  d->code = c->answer.timed_out ? KW_ERR_TIMEOUT : codes[i].code;
  kwi_call_say_once (c, d, p->upload.limit);
  return 1;
}

/* Limits, keys and money are the operator's affair, and a redirect would lead
 * the caller past us; but who sent all that he had gets to hear it all. */
int
kwi_pass_is_final (const struct kwi_call *c)
{
  const struct kwi_pass *p = c->pass;
  const struct kwi_answer *a = &c->answer;
  uint32_t outcome = c->judgement.outcome;

  return p != NULL && a->status >= 400 && a->net == KW_NET_OK && !a->too_large
         && !c->request.translated && !c->sink.is_stream && !c->sink.started
         && (outcome == KW_OUTCOME_REQUEST || outcome == KW_OUTCOME_TRANSIENT
             || p->upload.spent);
}

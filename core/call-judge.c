/* call-judge - what the answer that came means: the plugin's verdict, and where
 * it says "served" the marks of an answer that was cut or is no answer. */
#include <string.h>
#include <strings.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "call.h"
#include "client.h"
#include "json-scan.h"
#include "pass.h"
#include "secrets.h"

/* "Nonsense where JSON should be": a 200 of a chat, or one that says it is
 * JSON, whose body is none; or a page where an API was asked. */
static int
is_nonsense (const struct kwi_call *c, struct kwi_answer *a)
{
  const char *t = kwi_answer_header (a, "content-type");

  if (t != NULL && strncasecmp (t, "text/html", 9) == 0)
    return 1;
  if (c->pass != NULL && (c->pass->no_body || a->status == 204))
    return 0;
  if ((t == NULL || !kwi_is_json_type (t))
      && strncmp (c->path, "/chat/completions", 17) != 0)
    return 0;
  return !kwi_answer_is_json (a);
}

void
kwi_call_make_transient (struct kwi_judgement *j, const char *reason)
{
  j->outcome = KW_OUTCOME_TRANSIENT;
  j->scope = KW_SCOPE_REQUEST;
  j->wait_ms = -1;
  memccpy (j->reason, reason, '\0', sizeof j->reason);
}

/* A provider that echoes the key may do so in a code or a name, too. */
static void
redact (const struct kwi_call *c, struct kwi_judgement *j)
{
  const struct kwi_secrets *s = c->provider->secrets;

  kwi_secrets_redact (s, j->reason, sizeof j->reason);
  kwi_secrets_redact (s, j->account, sizeof j->account);
  kwi_secrets_redact (s, j->model, sizeof j->model);
}

static void
judge (struct kwi_call *c)
{
  struct kwi_judgement *j = &c->judgement;
  struct kwi_stream *s = &c->sink;

  if (s->failed) {              /* the stream's own error event said it */
    redact (c, j);
    return;
  }
  kwi_instance_classify (c->provider->instance, &c->answer, j);
  if (s->is_stream) {
    if (j->outcome == KW_OUTCOME_OK)
      kwi_stream_finish (s);
    if (s->input_tokens >= 0 || s->output_tokens >= 0) {
      j->input_tokens = s->input_tokens;
      j->output_tokens = s->output_tokens;
    }
    if (j->outcome == KW_OUTCOME_OK && c->answer.net != KW_NET_OK)
      kwi_call_make_transient (j, "stream_broken");
    else if (j->outcome == KW_OUTCOME_OK && s->untranslated)
      kwi_call_make_transient (j, "not_translatable");
    else if (j->outcome == KW_OUTCOME_OK && s->n_events == 0)
      kwi_call_make_transient (j, "stream_empty");
    else if (j->outcome == KW_OUTCOME_OK && !s->ended)
      kwi_call_make_transient (j, "stream_broken");
  }
  else if (s->started && c->answer.net == KW_NET_OK)
    j->outcome = KW_OUTCOME_OK; /* it was handed on, and a plugin that misses
                                   the body is not asked about that        */
  else if ((s->started || j->outcome == KW_OUTCOME_OK)
           && c->answer.net != KW_NET_OK)
    kwi_call_make_transient (j, "answer_cut_short");
  else if (j->outcome == KW_OUTCOME_OK && is_nonsense (c, &c->answer))
    kwi_call_make_transient (j, "not_json");
  else if (j->outcome == KW_OUTCOME_OK && c->request.translated
           && kwi_translate_reply (c->provider->instance, &c->request,
                                   &c->answer,
                                   c->provider->config->max_response) != 0)
    kwi_call_make_transient (j, "not_translatable");
  redact (c, j);
}

void
kwi_call_judge (struct kwi_call *c)
{
  struct kwi_json room;         /* not cleared: it is 6 KB, and few are used */

  c->answer.room = &room;
  judge (c);
  c->answer.room = NULL;
}

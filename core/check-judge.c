/* check-judge - an answer given to classify, and what is to be said of its
 * verdict.
 *
 * Each answer is judged three times: twice by one instance, once by another.
 * classify is a function of the answer, so the three are one; and what was kept
 * of the first is unreadable at the second.  Body, answer and verdict lie right
 * before unreadable memory. */
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "check.h"
#include "check-leak.h"
#include "check-subject.h"
#include "check-translate.h"

/* What came of asking once. */
struct seen {
  int rc;
  int _reserved;
  struct kw_verdict v;
  uint32_t n_buckets, _reserved2;
  struct kw_bucket bucket[KWI_CHECK_BUCKETS];
  char said[512];
};

/* ---- Asking ------------------------------------------------------------- */

static int
ask (struct kwi_check *c, struct kwi_check_instance *i, struct kwi_answer *a,
     struct seen *seen)
{
  struct kwi_check_subject *s = c->subject;
  struct kwi_guard body;
  struct kw_verdict *v;
  struct kw_response resp = {
    .struct_size     = sizeof resp,
    .http_status     = a->status,
    .transport_error = a->net,
    .body_truncated  = a->too_large != 0,
    .received_ms     = a->received_ms,
    .body_len        = a->body_len,
    .in_stream       = a->in_stream != 0
  };
  struct kwi_check_call call;

  if ((s->shown.map == NULL
       && kwi_guard_open (&s->guards, &s->shown, NULL, sizeof resp) != 0)
      || (s->verdict.map == NULL
          && kwi_guard_open (&s->guards, &s->verdict, NULL, sizeof *v) != 0)
      || kwi_guard_open (&s->guards, &body, a->body_len > 0 ? a->body : "",
                         a->body_len) != 0) {
    kwi_check_no_room (c);
    return -1;
  }
  resp.body = body.at;
  memcpy (s->shown.at, &resp, sizeof resp);
  v = s->verdict.at;
  memset (v, 0, sizeof *v);
  v->struct_size = sizeof *v;

  kwi_watch_begin (&call, c, i, "classify", KWI_PHASE_CLASSIFY);
  call.frame.response = s->shown.at;
  call.frame.answer = a;
  call.frame.judgement = &call.judgement;
  kwi_watch_enter (&call);
  seen->rc = i->in.provider->classify (i->in.self, s->shown.at, v);
  kwi_watch_leave (&call);

  seen->v = *v;
  seen->n_buckets = call.n_buckets;
  memcpy (seen->bucket, call.bucket, sizeof seen->bucket);
  memcpy (seen->said, call.frame.said, sizeof seen->said);
  kwi_check_that (c, memcmp (s->shown.at, &resp, sizeof resp) == 0, "answer-changed",
                  "it has written into the kw_response that it was given");
  memset (s->shown.at, 0xdb, sizeof resp);
  memset (v, 0xdb, sizeof *v);
  kwi_guard_close (&s->guards, &body);
  return 0;
}

/* ---- The verdict alone -------------------------------------------------- */

static int
ended (const char *s, size_t size)
{
  return memchr (s, '\0', size) != NULL;
}

static int
is_token (const char *s)
{
  return s[strspn (s, "abcdefghijklmnopqrstuvwxyz0123456789_.-")] == '\0';
}

static int
is_printable (const char *s)
{
  for (; *s != '\0'; s++)
    if ((unsigned char) *s < 0x20 || (unsigned char) *s > 0x7e)
      return 0;
  return 1;
}

/* Returns 0 if its strings may not be looked at. */
static int
judge_strings (struct kwi_check *c, const struct kw_verdict *v, int sane)
{
  int ok = kwi_check_that (c, ended (v->account, sizeof v->account), "unended",
                           "account has no NUL in its %zu bytes", sizeof v->account);

  ok &= kwi_check_that (c, ended (v->model, sizeof v->model), "unended",
                        "model has no NUL in its %zu bytes", sizeof v->model);
  ok &= kwi_check_that (c, ended (v->reason, sizeof v->reason), "unended",
                        "reason has no NUL in its %zu bytes", sizeof v->reason);
  if (!ok)
    return 0;
  kwi_check_warn (c, !sane || (is_printable (v->account) && is_printable (v->model)),
                  "printable",
                  "account or model has bytes in it that are no printable ASCII; the "
                  "host makes them '?'");
  kwi_check_secret (c, "account", v->account, strlen (v->account));
  kwi_check_secret (c, "model", v->model, strlen (v->model));
  kwi_check_secret (c, "reason", v->reason, strlen (v->reason));
  return 1;
}

static void
judge_numbers (struct kwi_check *c, const struct kw_verdict *v)
{
  static const uint32_t known = KW_HAVE_RETRY_AFTER | KW_HAVE_RESET_AT | KW_HAVE_USAGE;

  kwi_check_that (c, v->struct_size == sizeof *v, "struct-size", "it has changed the "
                  "verdict's struct_size to %lu; that is the host's",
                  (unsigned long) v->struct_size);
  kwi_check_that (c, v->outcome <= KW_OUTCOME_TRANSIENT, "outcome", "outcome is %lu, which "
                  "there is not", (unsigned long) v->outcome);
  kwi_check_that (c, v->scope <= KW_SCOPE_PROVIDER, "scope", "scope is %lu, which there is "
                  "not", (unsigned long) v->scope);
  kwi_check_that (c, (v->have & ~known) == 0, "have", "have has bits that mean nothing in "
                  "a verdict: 0x%lx", (unsigned long) (v->have & ~known));
  kwi_check_that (c, (v->have & KW_HAVE_RETRY_AFTER) == 0 || v->retry_after_ms >= 0,
                  "wait", "retry_after_ms is %lld: a wait is not negative; leave its bit "
                  "out of have where there is none", (long long) v->retry_after_ms);
  kwi_check_that (c, (v->have & KW_HAVE_RESET_AT) == 0 || v->reset_at_ms >= 0, "reset",
                  "reset_at_ms is %lld: leave its bit out of have where there is none",
                  (long long) v->reset_at_ms);
  /* -1: not said, as of an event that has only one of them. */
  kwi_check_that (c, (v->have & KW_HAVE_USAGE) == 0
                  || (v->input_tokens >= -1 && v->output_tokens >= -1
                      && (v->input_tokens >= 0 || v->output_tokens >= 0)), "usage",
                  "input_tokens is %lld and output_tokens %lld: leave KW_HAVE_USAGE out "
                  "where none is known; -1 for one that is not",
                  (long long) v->input_tokens, (long long) v->output_tokens);
}

/* ---- The verdict and the answer ----------------------------------------- */

/* The message of an error object at the top, as most providers have it. */
static int
is_error_body (struct kwi_answer *a)
{
  char text[8];
  int rc = kwi_answer_json_text (a, "/error/message", text, sizeof text);

  return rc == KW_OK || rc == KW_ERR_RANGE;
}

static void
judge_meaning (struct kwi_check *c, const struct kwi_check_case *k, struct kwi_answer *a,
               const struct kw_verdict *v)
{
  int served = v->outcome == KW_OUTCOME_OK;

  kwi_check_that (c, !served || a->status < 400 || a->status > 599, "served-error",
                  "the HTTP status is %d and the outcome KW_OUTCOME_OK", (int) a->status);
  kwi_check_that (c, !served || a->status != 0, "served-nothing", "there was no HTTP "
                  "answer and the outcome is KW_OUTCOME_OK; leave it UNKNOWN");
  kwi_check_warn (c, !k->sane || !served || a->status < 200 || a->status > 299
                  || !is_error_body (a), "served-error-body", "the body is "
                  "{\"error\":{\"message\":...}} and the outcome KW_OUTCOME_OK: errors "
                  "come with status %d, too", (int) a->status);
  /* A provider of another format calls this one nonsense. */
  kwi_check_warn (c, strcmp (k->name, "classify/reply") != 0 || served
                  || v->outcome == KW_OUTCOME_UNKNOWN, "not-served", "a chat completion "
                  "with status 200 is not KW_OUTCOME_OK but %lu",
                  (unsigned long) v->outcome);
  kwi_check_warn (c, !k->sane || is_token (v->reason), "reason",
                  "reason is \"%.60s\": the host makes all but a-z, 0-9, '_', '.' and "
                  "'-' a '_'", v->reason);
}

/* ---- The three of them -------------------------------------------------- */

/* What differs, or NULL. */
static const char *
difference (const struct seen *a, const struct seen *b)
{
  const struct kw_verdict *v = &a->v, *w = &b->v;

  if (a->rc != b->rc)
    return "what it returns";
  if (v->outcome != w->outcome)
    return "outcome";
  if (v->scope != w->scope)
    return "scope";
  if (v->have != w->have)
    return "have";
  if ((v->have & KW_HAVE_RETRY_AFTER) != 0 && v->retry_after_ms != w->retry_after_ms)
    return "retry_after_ms";
  if ((v->have & KW_HAVE_RESET_AT) != 0 && v->reset_at_ms != w->reset_at_ms)
    return "reset_at_ms";
  if ((v->have & KW_HAVE_USAGE) != 0 && (v->input_tokens != w->input_tokens
                                         || v->output_tokens != w->output_tokens))
    return "input_tokens or output_tokens";
  if (strncmp (v->account, w->account, sizeof v->account) != 0)
    return "account";
  if (strncmp (v->model, w->model, sizeof v->model) != 0)
    return "model";
  if (strncmp (v->reason, w->reason, sizeof v->reason) != 0)
    return "reason";
  if (a->n_buckets != b->n_buckets)
    return "the number of buckets";
  for (uint32_t i = 0; i < a->n_buckets; i++) {
    const struct kw_bucket *p = &a->bucket[i], *q = &b->bucket[i];
    if (p->scope != q->scope || p->have != q->have || p->limit != q->limit
        || p->used != q->used || p->remaining != q->remaining
        || p->requested != q->requested || p->window_ms != q->window_ms
        || p->full_at_ms != q->full_at_ms || strcmp (p->dimension, q->dimension) != 0)
      return "a bucket";
  }
  return NULL;
}

static void
judge (struct kwi_check *c, const struct kwi_check_case *k, struct kwi_answer *a,
       const struct seen *s)
{
  if (!kwi_check_that (c, kwi_check_code (s->rc), "code", "it returns %d, which is no code "
                       "of the ABI", s->rc))
    return;
  if (s->rc == KW_ERR_NOMEM)
    kwi_check_that (c, 0, "memory", "it has no memory: of %llu MB",
                    (unsigned long long) (c->o.memory >> 20));
  else
    kwi_check_that (c, s->rc == KW_OK, "failed", "it fails (%s): %s; every answer has a "
                    "verdict, and UNKNOWN is one", kwi_check_code_name (s->rc),
                    s->said[0] != '\0' ? s->said : "it does not say why");
  judge_numbers (c, &s->v);
  if (judge_strings (c, &s->v, (int) k->sane))
    judge_meaning (c, k, a, &s->v);
}

void
kwi_check_classify (struct kwi_check *c, const struct kwi_check_case *k)
{
  struct kwi_check_instance *one = kwi_check_ready (c, 0), *two;
  struct kwi_answer a;
  struct seen seen[3];
  const char *differs;

  two = one != NULL ? kwi_check_ready (c, 1) : NULL;
  if (two == NULL)
    return;
  memset (&a, 0, sizeof a);
  if (k->make (c, k, &a) != 0) {
    kwi_check_no_room (c);
    kwi_answer_clear (&a);
    return;
  }
  memset (seen, 0, sizeof seen);
  if (ask (c, one, &a, &seen[0]) == 0 && ask (c, one, &a, &seen[1]) == 0
      && ask (c, two, &a, &seen[2]) == 0) {
    judge (c, k, &a, &seen[0]);
    differs = difference (&seen[0], &seen[1]);
    kwi_check_that (c, differs == NULL, "differs", "the same answer judged a second time "
                    "differs in %s; a verdict hangs on the answer alone",
                    differs != NULL ? differs : "");
    if (differs == NULL)
      differs = difference (&seen[0], &seen[2]);
    kwi_check_that (c, differs == NULL, "differs", "the same answer judged by another "
                    "instance differs in %s; a verdict hangs on the answer and the "
                    "settings alone", differs != NULL ? differs : "");
    kwi_check_translate (c, one, &a);
  }
  kwi_answer_clear (&a);
}

/* ---- Over and over ------------------------------------------------------ */

static int
one_answer (struct kwi_check *c, void *arg)
{
  struct seen seen;

  memset (&seen, 0, sizeof seen);
  return ask (c, kwi_check_ready (c, 0), arg, &seen);
}

void
kwi_check_classify_often (struct kwi_check *c, const struct kwi_check_case *k)
{
  struct kwi_answer a;

  memset (&a, 0, sizeof a);
  if (k->make (c, k, &a) != 0)
    kwi_check_no_room (c);
  else if (kwi_check_ready (c, 0) != NULL)
    kwi_check_leak (c, "classify", one_answer, &a);
  kwi_answer_clear (&a);
}

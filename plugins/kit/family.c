/* family - what an answer means, by a member's tables; see family.h.
 *
 * The order: the member's own judge, its rules, the rules that all have in
 * common, what limits look like, and the HTTP status last. */
#include "family-parts.h"
#include "ini-rule.h"

/* ---- What a judge needs -------------------------------------------------- */

const char *
kwp_header (const struct kwp_answer *a, const char *name)
{
  /* An event's headers are as old as its stream. */
  return a->resp->in_stream ? NULL : a->i->host->response_header (a->resp, name);
}

int
kwp_json (const struct kwp_answer *a, const char *pointer, char *buf, uint64_t size)
{
  buf[0] = '\0';
  return a->i->host->response_json (a->resp, pointer, buf, size) == KW_OK;
}

int64_t
kwp_json_count (const struct kwp_answer *a, const char *pointer)
{
  char buf[32];

  return kwp_json (a, pointer, buf, sizeof buf) ? kwp_count (buf) : -1;
}

void
kwp_set_reason (struct kwp_answer *a, const char *reason)
{
  kwp_copy (a->v->reason, sizeof a->v->reason, reason, strlen (reason));
}

int
kwp_verdict (struct kwp_answer *a, uint32_t outcome, uint32_t scope, const char *reason)
{
  a->v->outcome = outcome;
  a->v->scope = scope;
  if (reason != NULL)
    kwp_set_reason (a, reason);
  return 1;
}

void
kwp_set_wait (struct kwp_answer *a, int64_t ms)
{
  if (ms < 0)
    return;
  a->v->retry_after_ms = ms;
  a->v->have |= KW_HAVE_RETRY_AFTER;
}

void
kwp_set_reset (struct kwp_answer *a, int64_t at_ms)
{
  if (at_ms < 0)
    return;
  a->v->reset_at_ms = at_ms;
  a->v->have |= KW_HAVE_RESET_AT;
}

void
kwp_set_account (struct kwp_answer *a, const char *name)
{
  if (name != NULL && name[0] != '\0')
    kwp_copy (a->v->account, sizeof a->v->account, name, strlen (name));
}

int64_t
kwp_stated_wait (const struct kwp_answer *a)
{
  /* In seconds, all of them; "retry_after_seconds" of those who copy it from
   * a header. */
  static const char *const fields[] = {
    "/error/metadata/retry_after_seconds", "/error/retry_after", "/retry_after",
    "/error/metadata/headers/Retry-After", "/metadata/headers/Retry-After",
    "/estimated_time", "/0/estimated_time", "/error/estimated_time",
  };
  const struct kw_host *host = a->i->host;
  int64_t now = a->resp->received_ms;
  int64_t ms = kwp_wait_ms (host->response_header (a->resp, "retry-after-ms"));
  char buf[64];

  if (ms < 0)
    ms = kwp_wait (host->response_header (a->resp, "retry-after"), now);
  for (size_t i = 0; ms < 0 && a->e.present && i < KWP_ARRAY_SIZE (fields); i++)
    if (kwp_json (a, fields[i], buf, sizeof buf))
      ms = kwp_wait (buf, now);
  return ms;
}

/* ---- Statuses ------------------------------------------------------------ */

static int
speaks_of_limit (const char *text)
{
  static const char *const words[] = { "rate limit", "too many requests", "usage limit" };
  struct kwp_limit l;

  for (size_t i = 0; i < KWP_ARRAY_SIZE (words); i++)
    if (kwp_after_any (text, words[i]) != NULL)
      return 1;
  if (kwp_starts_with (text, "Request too large "))
    return 1;
  if (kwp_after_any (text, "limit") == NULL && kwp_after_any (text, "too many") == NULL)
    return 0;
  kwp_read_limit (text, "", -1, &l); /* "limited to 1000 calls / month" */
  return l.window_ms > 0;
}

/* An event of a stream has no status of its own, as a rule. */
static void
judge_without_status (struct kwp_answer *a)
{
  const struct kwp_error *e = &a->e;

  if (kwp_after_any (e->code, "too_many_requests") != NULL
      || kwp_after_any (e->type, "too_many_requests") != NULL || speaks_of_limit (e->message))
    (void) kwp_judge_limit (a);
  else if (kwp_after_any (e->type, "authentication") != NULL
           || kwp_after_any (e->type, "permission") != NULL)
    (void) kwp_verdict (a, KW_OUTCOME_AUTH, KW_SCOPE_DEFAULT, NULL);
  else if (kwp_after_any (e->type, "invalid_request") != NULL
           || kwp_after_any (e->type, "not_found") != NULL)
    (void) kwp_verdict (a, KW_OUTCOME_REQUEST, KW_SCOPE_DEFAULT, NULL);
  else                          /* a stream that broke off, nothing known */
    (void) kwp_verdict (a, KW_OUTCOME_TRANSIENT, KW_SCOPE_DEFAULT,
                        a->v->reason[0] == '\0' ? "stream_error" : NULL);
}

static void
judge_by_status (struct kwp_answer *a)
{
  int s = a->status;

  if (s == 0) {
    judge_without_status (a);
  } else if (s == 429 || s == 413) {
    (void) kwp_judge_limit (a);
  } else if (s == 401) {
    (void) kwp_verdict (a, KW_OUTCOME_AUTH, KW_SCOPE_KEY, NULL);
  } else if (s == 402) {
    (void) kwp_verdict (a, KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, NULL);
  } else if (s == 403 && a->e.is_json) {
    (void) kwp_verdict (a, KW_OUTCOME_AUTH, KW_SCOPE_KEY, NULL);
  } else if (s == 403) {        /* a page of the network in front of it */
    (void) kwp_verdict (a, KW_OUTCOME_TRANSIENT, KW_SCOPE_PROVIDER, "edge_block");
  } else if (s >= 500 || s == 408 || s == 409 || s == 425) {
    (void) kwp_verdict (a, KW_OUTCOME_TRANSIENT, KW_SCOPE_DEFAULT, NULL);
    kwp_set_wait (a, kwp_stated_wait (a));
  } else if (s >= 400) {
    (void) kwp_verdict (a, KW_OUTCOME_REQUEST, KW_SCOPE_DEFAULT, NULL);
  }                             /* else UNKNOWN: a redirect, say */
}

/* ---- Answers ------------------------------------------------------------- */

static int
usage_of (struct kwp_answer *a, const char *at, const char *input, const char *output)
{
  char pointer[96];
  int64_t in = -1, out = -1;

  if (kwp_join (pointer, sizeof pointer, at, input))
    in = kwp_json_count (a, pointer);
  if (in < 0)
    return 0;
  if (kwp_join (pointer, sizeof pointer, at, output))
    out = kwp_json_count (a, pointer);
  a->v->input_tokens = in;
  a->v->output_tokens = out > 0 ? out : 0; /* embeddings have none */
  a->v->have |= KW_HAVE_USAGE;
  return 1;
}

static void
judge_success (struct kwp_answer *a)
{
  const char *at = a->i->family->usage_at;

  (void) kwp_verdict (a, KW_OUTCOME_OK, KW_SCOPE_DEFAULT, NULL);
  if (usage_of (a, "/usage", "/prompt_tokens", "/completion_tokens")
      || (at != NULL && usage_of (a, at, "/prompt_tokens", "/completion_tokens"))
      || usage_of (a, "/usage", "/input_tokens", "/output_tokens"))
    return;
  if (a->resp->in_stream)       /* the last event of a Responses stream */
    (void) usage_of (a, "/response/usage", "/input_tokens", "/output_tokens");
}

/* An event that is a chunk like others, and not something that went wrong. */
static int
is_chunk (const struct kwp_answer *a)
{
  char buf[64];

  return kwp_json (a, "/object", buf, sizeof buf)
         || kwp_json (a, "/choices/0/index", buf, sizeof buf)
         || kwp_json (a, "/usage/prompt_tokens", buf, sizeof buf)
         || (kwp_json (a, "/type", buf, sizeof buf) && kwp_starts_with (buf, "response."));
}

/* A code that is a number tells people nothing. */
static int
is_word (const char *s)
{
  return s[strspn (s, "0123456789")] != '\0';
}

/* The user's own rules come first: they are there because these failed. */
static void
judge_error (struct kwp_answer *a)
{
  const struct kwp_family *f = a->i->family;
  const struct kwp_error *e = &a->e;

  kwp_set_reason (a, is_word (e->code) ? e->code : is_word (e->type) ? e->type : "");
  if (!kwp_judge_by_ini_rules (a, 0) && (f->judge == NULL || !f->judge (a))
      && !kwp_judge_by_rules (a, f->rules, f->n_rules) && !kwp_judge_by_common_rules (a))
    judge_by_status (a);
  if (a->v->account[0] == '\0'
      && (a->v->outcome == KW_OUTCOME_BILLING || a->v->outcome == KW_OUTCOME_AUTH))
    kwp_read_account (e->message, a->v->account, sizeof a->v->account);
}

/* "ThrottlingException:http://..." */
static void
read_code_header (struct kwp_answer *a)
{
  const char *name = a->i->family->code_header;
  const char *code = name != NULL ? kwp_header (a, name) : NULL;

  if (code != NULL && a->e.code[0] == '\0')
    kwp_copy (a->e.code, sizeof a->e.code, code, strcspn (code, ": "));
}

int
kwp_classify (void *self, const struct kw_response *resp, struct kw_verdict *v)
{
  const struct kwp_instance *i = self;
  const struct kwp_family *f = i->family;
  struct kwp_answer a;          /* kwp_read_error fills in e, which is 4 KB */

  a.i = i;
  a.resp = resp;
  a.v = v;
  a.status = resp->http_status;
  a.spent = (struct kwp_allowance) { .unit = NULL };
  kwp_read_error (i->host, resp, f->error_at, &a.e);
  if (!resp->in_stream)
    kwp_report_rows (&a);
  if (f->report != NULL && !resp->in_stream)
    f->report (&a);
  if (i->account_header != NULL)
    kwp_set_account (&a, i->host->response_header (resp, i->account_header));
  if (a.status == 0 || (a.status >= 200 && a.status <= 299)) {
    if (!a.e.present && (!resp->in_stream || is_chunk (&a))) {
      /* 0: the network, which the host judges */
      if (a.status != 0 && !kwp_judge_by_ini_rules (&a, 1))
        judge_success (&a);
      return KW_OK;
    }
    a.status = a.e.status;
  } else if (a.status >= 500 && a.e.status >= 400 && a.e.status < 500) {
    a.status = a.e.status;      /* a proxy's, around the provider's own */
  }
  read_code_header (&a);
  judge_error (&a);
  return KW_OK;
}

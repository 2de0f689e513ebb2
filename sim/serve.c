/* serve - how a request is decided: faults first, then the key, the body, the
 * model, the limits (see sim.h). */
#include "chat.h"
#include "dialect.h"
#include "sim.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* One request while it is decided. */
struct process {
  struct sim *sim;
  const struct sim_call *call;
  struct sim_route route;
  enum sim_endpoint endpoint;
  const struct sim_key *key;    /* NULL: not known */
  struct sim_request request;
  struct sim_answer *answer;
  struct sim_answer problem;    /* what is wrong with the body */
  int has_problem;
  int native;                   /* the answer is in its dialect already */
  struct sim_fault fault;       /* SIM_FAULT_NONE without one */
  int64_t n;
  int64_t requested;
};

/* Each API has its own place for the key. */
static const struct sim_key *
find_key (const struct sim *sim, const struct sim_call *call, enum sim_dialect dialect)
{
  static const char scheme[] = "Bearer ";
  const char *secret = call->authorization;

  if (dialect != SIM_OPENAI) {
    secret = dialect == SIM_ANTHROPIC ? call->x_api_key : call->x_goog_api_key;
    return secret != NULL ? sim_options_key (&sim->options, secret) : NULL;
  }
  if (secret == NULL || strncasecmp (secret, scheme, strlen (scheme)) != 0)
    return NULL;
  secret += strlen (scheme);
  secret += strspn (secret, " ");
  return sim_options_key (&sim->options, secret);
}

/* ---- refusals: each returns the log's verdict, or NULL if it has none -------- */

static const char *
refuse_standing (struct process *p)
{
  switch (p->key->standing) {
  case SIM_REVOKED:
    sim_answer_error (p->answer, 401, "invalid_request_error", "invalid_api_key",
                      "Invalid API Key");
    return "auth";
  case SIM_RESTRICTED:
    sim_answer_error (p->answer, 400, "invalid_request_error",
                      "organization_restricted",
                      "Organization has been restricted. Please reach out to "
                      "support if you believe this was in error.");
    return "billing";
  case SIM_SPEND:
    sim_answer_error (p->answer, 400, "invalid_request_error",
                      "spend_limit_reached",
                      "Organization has blocked API access because a spend alert "
                      "threshold was met. Please visit "
                      "https://console.groq.com/settings/billing to manage your "
                      "spend alerts.");
    return "billing";
  case SIM_BLOCKED:
    sim_answer_error (p->answer, 403, "permissions_error",
                      "model_permission_blocked_org",
                      "The model `%s` is blocked at the organization level. Please "
                      "have the org admin enable this model in the org settings at "
                      "https://console.groq.com/settings/limits",
                      p->request.model);
    return "blocked";
  case SIM_GOOD:
  default:
    return NULL;
  }
}

static const char *
refuse_key (struct process *p)
{
  if (p->key != NULL)
    return refuse_standing (p);
  sim_answer_error (p->answer, 401, "invalid_request_error", "invalid_api_key",
                    "Invalid API Key");
  return "auth";
}

static const char *
refuse_url (struct process *p)
{
  if (p->endpoint != SIM_UNKNOWN)
    return NULL;
  sim_answer_error (p->answer, 404, "invalid_request_error", "unknown_url",
                    "Unknown request URL: %s %s. Please check the URL for typos.",
                    p->call->method, p->call->path);
  return "not_found";
}

static const char *
refuse_body (struct process *p)
{
  if (p->call->bytes > SIM_BODY_MAX) {
    sim_answer_error (p->answer, 413, "invalid_request_error", "request_too_large",
                      "Request Entity Too Large");
    return "body_too_large";
  }
  if (!p->has_problem)
    return NULL;
  sim_answer_body (p->answer, p->problem.status, "application/json",
                   p->problem.body, p->problem.body_len);
  p->problem.body = NULL;       /* handed over */
  return "bad_request";
}

/* Buckets and, unless NULL, the refusal, in the dialect that was asked. */
static void
show_limits (struct process *p, struct sim_account *account, int64_t now,
             const struct sim_refusal *refusal)
{
  const char *org = p->key->org;

  if (p->route.dialect == SIM_ANTHROPIC)
    sim_anthropic_buckets (p->answer, account, now, org);
  else if (p->route.dialect == SIM_OPENAI)
    /* As Groq has it: the headers of what was found in order before this limit
     * was reached, and all of them when the request is too large. */
    sim_answer_buckets (p->answer, account, now, refusal == NULL || refusal->too_large
                                                 || refusal->dim == SIM_TPD);
  if (refusal == NULL)
    return;
  p->native = 1;
  if (p->route.dialect == SIM_ANTHROPIC)
    sim_anthropic_refusal (p->answer, refusal, org);
  else if (p->route.dialect == SIM_GEMINI)
    sim_gemini_refusal (p->answer, refusal, p->request.model, org);
  else
    sim_answer_refusal (p->answer, refusal, p->request.model, org);
}

static int
is_free (enum sim_endpoint endpoint)
{
  return endpoint == SIM_MODELS || endpoint == SIM_FILES || endpoint == SIM_BATCHES;
}

static const char *
unknown_model (struct process *p, const char *name)
{
  sim_answer_error (p->answer, 404, "invalid_request_error", "model_not_found",
                    "The model `%s` does not exist or you do not have access to "
                    "it.", name);
  return "model_not_found";
}

static const char *
refuse_limits (struct process *p)
{
  struct sim *sim = p->sim;
  const char *name = p->request.model;
  const struct sim_model *model = sim_options_model (&sim->options, name);
  struct sim_refusal refusal;

  if (is_free (p->endpoint))
    return NULL;
  if (model == NULL)
    return unknown_model (p, name);
  struct sim_limits limits = p->key->limits;
  for (int d = 0; d < SIM_DIMS; d++)
    if (model->limits.of[d] != 0)
      limits.of[d] = model->limits.of[d];
  int64_t now = sim_clock_us (&sim->clock);
  struct sim_account *account
    = sim_accounts_get (&sim->accounts, p->key->org, name, &limits,
                        sim->options.time_scale, now);
  if (account == NULL) {
    sim_answer_status (p->answer, 500, name, -1);
    return "no_memory";
  }
  int admitted = sim_account_admit (account, p->requested, now, &refusal);
  show_limits (p, account, now, admitted ? NULL : &refusal);
  if (admitted)
    return NULL;
  return refusal.too_large ? "too_large" : sim_dims[refusal.dim].name;
}

/* What is kept here is answered at once: it may not be there. */
static const char *
look_up (struct process *p)
{
  const struct sim_errand errand = {
    .method = p->call->method,
    .org = p->key->org,
    .id = p->route.id,
    .action = p->route.action,
    .request = &p->request,
    .now_s = sim_unix_s (),
  };
  int bad = 0;

  if (p->endpoint == SIM_MODELS && p->route.id[0] != '\0'
      && sim_options_model (&p->sim->options, p->route.id) == NULL)
    return unknown_model (p, p->route.id);
  if (p->endpoint == SIM_FILES)
    bad = sim_shelf_files (&p->sim->shelf, &errand, p->answer);
  if (p->endpoint == SIM_BATCHES)
    bad = sim_shelf_batches (&p->sim->shelf, &errand, p->answer);
  return bad ? "not_found" : NULL;
}

/* ---- faults ---------------------------------------------------------------------- */

/* Those that take the place of any other answer. */
static const char *
misbehave (struct process *p)
{
  static const char garbage[] = "\xff\xfe{]~ this is no JSON \x01\x02\x80";
  struct sim_answer *a = p->answer;
  const struct sim_fault *f = &p->fault;

  switch (f->kind) {
  case SIM_FAULT_STATUS:
    sim_answer_status (a, f->status, p->request.model, f->retry_after);
    break;
  case SIM_FAULT_HTML:
    if (f->retry_after >= 0)
      sim_answer_header (a, "retry-after", "%lld", (long long) f->retry_after);
    sim_answer_html (a, f->status);
    break;
  case SIM_FAULT_DROP:
    a->shape = SIM_DROPPED;
    a->status = 0;
    break;
  case SIM_FAULT_HANG:
    a->shape = SIM_HUNG;
    a->status = 0;
    break;
  case SIM_FAULT_GARBAGE:
    sim_answer_body (a, 200, "application/json", strdup (garbage),
                     sizeof garbage - 1);
    break;
  case SIM_FAULT_EMPTY:
    a->status = 200;
    break;
  case SIM_FAULT_REDIRECT:
    sim_answer_header (a, "location", "%s", f->location);
    a->status = 302;
    break;
  case SIM_FAULT_BODY_SIZE:
    sim_answer_header (a, "content-type", "application/json");
    a->shape = SIM_HUGE;
    a->big_size = f->amount;
    a->chunked = f->chunked;
    break;
  default:
    return NULL;
  }
  return sim_fault_verdict (f->kind);
}

/* Those that spoil the answer that would have been given. */
static void
spoil (struct process *p)
{
  struct sim_answer *a = p->answer;
  a->reset = p->fault.reset;
  a->delay_ms = p->fault.delay_ms;
  a->chunk_delay_ms = p->fault.chunk_delay_ms;
  if (p->fault.kind == SIM_FAULT_SSE_BREAK && a->shape == SIM_STREAM)
    a->break_at = p->fault.amount;
  if (p->fault.kind == SIM_FAULT_TRUNCATE && a->shape == SIM_STREAM)
    a->break_at = (int64_t) (a->n_pieces / 2);
  if (p->fault.kind == SIM_FAULT_TRUNCATE && a->shape == SIM_WHOLE)
    a->shape = SIM_CUT;
}

/* ---- the whole --------------------------------------------------------------------- */

static const char *
decide (struct process *p)
{
  const char *(*const steps[]) (struct process *) = {
    misbehave, refuse_url, refuse_key, refuse_body, refuse_limits, look_up,
  };
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    const char *verdict = steps[i] (p);
    if (verdict != NULL)
      return verdict;
  }
  return "ok";
}

static const char *
verdict_of (const struct process *p, const char *decided, int served)
{
  const char *fault = sim_fault_verdict (p->fault.kind);
  int spoilt = p->fault.kind == SIM_FAULT_TRUNCATE
               || (served && (p->fault.kind == SIM_FAULT_SSE_ERROR
                              || p->fault.kind == SIM_FAULT_SSE_BREAK));
  return spoilt ? fault : decided;
}

/* Under the lock, so that the log's order is that of the decisions. */
static int
decide_and_log (struct process *p)
{
  struct sim *sim = p->sim;
  const struct sim_call *call = p->call;

  pthread_mutex_lock (&sim->lock);
  p->n = ++sim->n;
  if (!sim_faults_take (&sim->options.faults, p->key != NULL ? p->key->name : "",
                        p->request.model, p->request.stream, &p->fault))
    p->fault.kind = SIM_FAULT_NONE;
  const char *decided = decide (p);
  int served = strcmp (decided, "ok") == 0;
  const struct sim_record record = {
    .n = p->n,
    .t_ms = sim_clock_us (&sim->clock) / 1000,
    .mono_us = call->arrived_us,
    .requested = p->requested,
    .bytes = call->bytes,
    .status = p->answer->status,
    .stream = p->request.stream,
    .key = p->key != NULL ? p->key->name : "",
    .org = p->key != NULL ? p->key->org : "",
    .method = call->method,
    .path = call->path,
    .model = p->request.model,
    .verdict = verdict_of (p, decided, served),
    .tag = p->request.tag,
  };
  sim_log_add (&sim->log, &record);
  pthread_mutex_unlock (&sim->lock);
  return served;
}

static void
reply_models (struct process *p)
{
  static const char *const usual[] = {
    "llama-3.3-70b-versatile", "llama-3.1-8b-instant", "openai/gpt-oss-20b",
  };
  const struct sim_options *o = &p->sim->options;
  const char *names[64];
  size_t n = o->n_models < 64 ? o->n_models : 64;
  for (size_t i = 0; i < n; i++)
    names[i] = o->models[i].name;
  if (n == 0)
    sim_models (p->answer, usual, sizeof usual / sizeof usual[0], p->route.id,
                sim_unix_s ());
  else
    sim_models (p->answer, names, n, p->route.id, sim_unix_s ());
}

typedef void whole_fn (struct sim_answer *, const struct sim_reply *);
typedef void stream_fn (struct sim_answer *, const struct sim_reply *,
                        const struct sim_fault *error);

static void
reply (struct process *p, const char *request_id)
{
  const struct sim_reply r = {
    .request = &p->request,
    .key = p->key->name,
    .request_id = request_id,
    .serial = p->n,
    .created = sim_unix_s (),
  };
  static const struct {
    enum sim_endpoint endpoint;
    enum sim_dialect dialect;
    whole_fn *whole;
    stream_fn *stream;          /* NULL: there is none */
  } replies[] = {
    { SIM_CHAT, SIM_OPENAI, sim_chat_whole, sim_chat_stream },
    { SIM_CHAT, SIM_ANTHROPIC, sim_anthropic_whole, sim_anthropic_stream },
    { SIM_CHAT, SIM_GEMINI, sim_gemini_whole, sim_gemini_stream },
    { SIM_COMPLETIONS, SIM_OPENAI, sim_completions_whole, sim_completions_stream },
    { SIM_RESPONSES, SIM_OPENAI, sim_responses_whole, sim_responses_stream },
    { SIM_EMBEDDINGS, SIM_OPENAI, sim_embeddings, NULL },
    { SIM_SPEECH, SIM_OPENAI, sim_speech, NULL },
    { SIM_TRANSCRIPTIONS, SIM_OPENAI, sim_transcription, NULL },
  };
  if (p->endpoint == SIM_MODELS)
    reply_models (p);
  for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
    if (replies[i].endpoint != p->endpoint || replies[i].dialect != p->route.dialect)
      continue;
    if (p->request.stream && replies[i].stream != NULL)
      replies[i].stream (p->answer, &r, p->fault.kind == SIM_FAULT_SSE_ERROR
                                        ? &p->fault : NULL);
    else
      replies[i].whole (p->answer, &r);
  }
}

void
sim_serve (struct sim *sim, const struct sim_call *call, struct sim_answer *answer)
{
  struct process p = { .sim = sim, .call = call, .answer = answer };
  char id[64];

  sim_answer_init (&p.problem);
  sim_route_find (call->method, call->path, &p.route);
  p.endpoint = p.route.endpoint;
  p.key = find_key (sim, call, p.route.dialect);
  if (p.route.model[0] != '\0')
    p.has_problem = sim_gemini_read (&p.request, &p.route, call->body, call->len,
                                     sim->options.reply_tokens, &p.problem) != 0;
  else
    p.has_problem = sim_request_read (&p.request,
                                      p.route.no_body ? SIM_UNKNOWN : p.endpoint,
                                      call->content_type, call->body, call->len,
                                      sim->options.reply_tokens, &p.problem) != 0;
  p.requested = p.request.prompt_tokens + p.request.completion_tokens;
  int served = decide_and_log (&p);
  if (snprintf (id, sizeof id, "req_01%024llx", (long long) p.n) < 0)
    id[0] = '\0';
  if (served)
    reply (&p, id);
  else if (!p.native)
    sim_dialect_error (answer, p.route.dialect, id);
  spoil (&p);
  sim_answer_header (answer, p.route.dialect == SIM_ANTHROPIC ? "request-id" : "x-request-id",
                     "%s", id);
  if (p.route.dialect == SIM_OPENAI)
    sim_answer_header (answer, "x-groq-region", "sim");
  sim_answer_header (answer, "cache-control",
                     "private, max-age=0, no-store, no-cache, must-revalidate");
  sim_answer_header (answer, "vary", "Origin");
  sim_answer_clear (&p.problem);
  sim_request_clear (&p.request);
}

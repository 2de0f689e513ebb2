/* policy-sim - the events of a simulated day; see policy-sim.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "../sim/answer.h"
#include "call.h"
#include "client.h"
#include "keyring-private.h"
#include "policy-sim.h"
#include "secrets.h"

#define EPOCH INT64_C (1767312000000)   /* 2026-01-02T00:00:00Z */
#define TRAVEL_MS 30                    /* to the provider               */
#define DEADLINE_MS 120000
#define PLENTY INT64_C (100000000)

enum kind { ARRIVES, REACHES, ANSWERED, RESUMES };

struct event {
  int64_t at_ms;
  int64_t order;                /* of those at the same time              */
  struct flight *flight;
  enum kind kind;
  uint32_t generation;          /* another than the flight's: outdated    */
};

/* A request on its way. */
struct flight {
  struct kwi_call call;
  struct kw_error err;
  const struct task *task;
  char *body;
  int64_t arrived_ms, began_ms;
  int key;
  int begun;                    /* call is to be cleared                  */
  int done, events;             /* freed when no event knows it any more  */
  uint32_t generation;
  int admitted, crowded;
  struct sim_refusal refusal;
  struct sim_account seen;      /* the account as its answer shows it     */
  int64_t seen_us;
};

static struct {
  const struct workload *work;
  struct result *result;
  int naive;
  kw_client *client;
  struct kwi_provider *provider;
  struct sim_account accounts[MAX_KEYS];
  int at_once[MAX_KEYS];
  int64_t day_used[MAX_KEYS];   /* where tokens come back at midnight     */
  int64_t others_ms;            /* when somebody else sends next          */
  uint64_t others_random;
  int served[MAX_KEYS];
  int64_t parked_until[MAX_KEYS];       /* the loop without keywheel      */
  struct event *heap;
  int n_events, events_size;
  int64_t now_ms, order;
  int next_task, under_way;
  uint64_t random;
} s;

static void
fatal (const char *what)
{
  (void) fprintf (stderr, "policy: %s\n", what);
  exit (1);
}

/* ---- Events, the earliest first ------------------------------------------- */

static int
before (const struct event *a, const struct event *b)
{
  return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void
exchange (int a, int b)
{
  struct event e = s.heap[a];

  s.heap[a] = s.heap[b];
  s.heap[b] = e;
}

static void
push (struct flight *f, enum kind kind, int64_t at_ms)
{
  int i = s.n_events++;

  if (i == s.events_size) {
    s.events_size = i == 0 ? 64 : i * 2;
    s.heap = realloc (s.heap, (size_t) s.events_size * sizeof *s.heap);
    if (s.heap == NULL)
      fatal ("out of memory");
  }
  f->events++;
  s.heap[i] = (struct event) { at_ms, s.order++, f, kind, f->generation };
  for (; i > 0 && before (&s.heap[i], &s.heap[(i - 1) / 2]); i = (i - 1) / 2)
    exchange (i, (i - 1) / 2);
}

static struct event
pop (void)
{
  struct event first = s.heap[0];
  int i = 0, least;

  s.heap[0] = s.heap[--s.n_events];
  for (;;) {
    least = i;
    if (2 * i + 1 < s.n_events && before (&s.heap[2 * i + 1], &s.heap[least]))
      least = 2 * i + 1;
    if (2 * i + 2 < s.n_events && before (&s.heap[2 * i + 2], &s.heap[least]))
      least = 2 * i + 2;
    if (least == i)
      return first;
    exchange (i, least);
    i = least;
  }
}

/* ---- The engine's clock, keys and wake-ups --------------------------------- */

static int64_t
clock_mono (void *ctx)
{
  (void) ctx;
  return s.now_ms;
}

static int64_t
clock_wall (void *ctx)
{
  (void) ctx;
  return EPOCH + s.now_ms;
}

static uint64_t
clock_random (void *ctx)
{
  (void) ctx;
  s.random = s.random * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
  return s.random ^ s.random >> 32;
}

static const char *
env_get (void *ctx, const char *name)
{
  static char value[16];

  (void) ctx;
  if (name[0] != 'K' || name[1] < '0' || name[1] > '9' || name[2] != '\0')
    return NULL;
  return snprintf (value, sizeof value, "sk-bench-%c", name[1]) > 0 ? value : NULL;
}

static void
wake (struct kwi_waiter *w)
{
  struct kwi_call *c
    = (struct kwi_call *) ((char *) w - offsetof (struct kwi_call, waiter));
  struct flight *f = (struct flight *) c;      /* its first member */

  f->generation++;
  push (f, RESUMES, s.now_ms);
}

/* 0; 1: an option is not in this build. */
static int
open_client (const struct arm *arm, const char *plugin)
{
  static const struct kwi_clock clock = { .mono_ms = clock_mono,
    .wall_ms = clock_wall, .random = clock_random };
  static const struct kwi_env env = { .get = env_get };
  struct kw_error err = KW_ERROR_INIT;
  char path[] = "/tmp/keywheel-policy-XXXXXX";
  int fd = mkstemp (path), i, n;
  FILE *ini = fd >= 0 ? fdopen (fd, "w") : NULL;

  if (ini == NULL)
    fatal ("no temporary file");
  n = fprintf (ini, "[provider groq]\nplugin = %s\nbase_url = https://h/v1\n"
               "model = m\n%s\n", plugin, arm->options);
  for (i = 0; n >= 0 && i < s.work->upstream.n_keys; i++)
    n = fprintf (ini, "[key groq/k%d]\nenv = K%d\nweight = %d\n", i, i,
                 s.work->upstream.weight[i]);
  if (fclose (ini) != 0 || n < 0)
    fatal ("the INI was not written");
  s.client = kwi_client_open (path, NULL, &clock, &env, NULL, &err);
  (void) unlink (path);
  if (s.client == NULL && strstr (err.message, "not in this build") != NULL)
    return 1;
  if (s.client == NULL)
    fatal (err.message);
  s.provider = kwi_client_find (s.client, NULL);
  s.provider->ring->wake = wake;        /* ours: there is no loop to wake */
  return 0;
}

/* ---- A flight --------------------------------------------------------------- */

static void
make_body (struct flight *f)
{
  static const char before_text[] = "{\"model\":\"m\",\"messages\":"
                                    "[{\"role\":\"user\",\"content\":\"";
  size_t len = sizeof before_text + (size_t) f->task->bytes + 64;
  int n;

  f->body = malloc (len);
  if (f->body == NULL)
    fatal ("out of memory");
  memcpy (f->body, before_text, sizeof before_text - 1);
  memset (f->body + sizeof before_text - 1, 'x', (size_t) f->task->bytes);
  n = snprintf (f->body + sizeof before_text - 1 + f->task->bytes, 64,
                "\"}],\"max_tokens\":%d}", f->task->max_tokens);
  if (n < 0)
    fatal ("no body");
}

static void step (struct flight *f);

static void
begin (struct flight *f)
{
  struct kw_error fresh = KW_ERROR_INIT;

  if (!s.naive) {
    memset (&f->call, 0, sizeof f->call);
    f->err = fresh;
    f->call.provider = s.provider;
    f->call.method = "POST";
    f->call.path = "/chat/completions";
    f->call.body = f->body;
    f->call.body_len = strlen (f->body);
    f->call.only_key = KWI_NO_KEY;
    f->call.err = &f->err;
    f->call.sink.instance = s.provider->instance;
    (void) memccpy (f->call.model, "m", '\0', sizeof f->call.model);
    kwi_call_begin (&f->call, DEADLINE_MS);
    f->begun = 1;
  }
  f->began_ms = s.now_ms;
  step (f);
}

/* A worker takes its next task. */
static void
take_next (void)
{
  struct flight *f;
  int64_t at;

  if (s.next_task == s.work->n)
    return;
  f = calloc (1, sizeof *f);
  if (f == NULL)
    fatal ("out of memory");
  f->task = &s.work->tasks[s.next_task++];
  make_body (f);
  at = f->task->at_ms > s.now_ms ? f->task->at_ms : s.now_ms;
  f->arrived_ms = at;
  s.under_way++;
  push (f, ARRIVES, at);
}

static void
drop (struct flight *f)
{
  free (f->body);
  f->body = NULL;
  f->done = 1;
  s.under_way--;
  if (s.work->workers > 0)
    take_next ();
}

/* code: as a call's; retry_ms: when to ask again, on the clock of the day. */
static void
end (struct flight *f, int code, int64_t retry_ms)
{
  if (f->begun)
    kwi_call_clear (&f->call);
  f->begun = 0;
  f->generation++;
  if (code != 0 && s.work->workers > 0) {
    s.result->failed++;
    push (f, ARRIVES, retry_ms > s.now_ms ? retry_ms : s.now_ms + 1000);
    return;
  }
  if (code == 0) {
    s.result->served++;
    s.result->tokens += f->task->prompt + f->task->max_tokens;
    s.served[f->key]++;
    s.result->waited_ms += s.now_ms - f->arrived_ms;
  }
  else
    s.result->failed++;
  drop (f);
}

/* ---- The loop without keywheel ---------------------------------------------- */

static void
naive_step (struct flight *f)
{
  int i, best = 0;

  for (i = 0; i < s.work->upstream.n_keys; i++) {
    if (s.parked_until[i] <= s.now_ms) {
      f->key = i;
      push (f, REACHES, s.now_ms + TRAVEL_MS);
      return;
    }
    if (s.parked_until[i] < s.parked_until[best])
      best = i;
  }
  if (s.parked_until[best] - f->began_ms < DEADLINE_MS)
    push (f, RESUMES, s.parked_until[best]);
  else
    end (f, KW_ERR_EXHAUSTED, s.parked_until[best]);
}

static void
naive_answered (struct flight *f)
{
  int64_t wait_ms = f->crowded ? 1000 : (f->refusal.wait_us + 999) / 1000;

  if (f->admitted) {
    end (f, 0, 0);
    return;
  }
  s.parked_until[f->key] = s.now_ms + (wait_ms + 999) / 1000 * 1000;
  naive_step (f);
}

/* ---- The engine -------------------------------------------------------------- */

static void
step (struct flight *f)
{
  f->generation++;
  if (s.naive) {
    naive_step (f);
    return;
  }
  switch (kwi_call_next (&f->call)) {
  case KWI_STEP_SEND:
    f->key = (int) f->call.hold.key;
    push (f, REACHES, s.now_ms + TRAVEL_MS);
    break;
  case KWI_STEP_WAIT:
    push (f, RESUMES, s.now_ms + f->call.wait_ms);
    break;
  default:
    end (f, f->call.code,
         f->call.retry_at_ms > 0 ? f->call.retry_at_ms - EPOCH : 0);
  }
}

static void
answered (struct flight *f)
{
  struct kwi_answer *a = &f->call.answer;
  struct sim_answer wire;
  char org[16], body[256];
  size_t i;
  int n;

  kwi_answer_reset (a);
  sim_answer_init (&wire);
  n = snprintf (org, sizeof org, "org_%d", s.work->upstream.account_of[f->key]);
  if (f->admitted || !f->crowded)
    sim_answer_buckets (&wire, &f->seen, f->seen_us, 1);
  if (f->admitted && n > 0)
    n = snprintf (body, sizeof body,
                  "{\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":"
                  "{\"prompt_tokens\":%d,\"completion_tokens\":%d}}",
                  f->task->prompt, f->task->output);
  else if (n > 0 && f->crowded)
    sim_answer_error (&wire, 429, "concurrency", "too_many_at_once",
                      "Too many requests at once. Please try again in 1s.");
  else if (n > 0)
    sim_answer_refusal (&wire, &f->refusal, "m", org);
  a->status = f->admitted ? 200 : wire.status;
  a->received_ms = EPOCH + s.now_ms;
  for (i = 0; n > 0 && i < wire.n_headers; i++)
    n = kwi_answer_add_header (a, wire.headers[i].name,
                               strlen (wire.headers[i].name),
                               wire.headers[i].value,
                               strlen (wire.headers[i].value)) == 0;
  if (f->admitted && n > 0)
    n = kwi_answer_add_header (a, "content-type", 12, "application/json", 16) == 0
        && kwi_answer_add_body (a, body, strlen (body)) == 0;
  else if (n > 0)
    n = kwi_answer_add_body (a, wire.body, wire.body_len) == 0;
  if (n <= 0)
    fatal ("no answer");
  sim_answer_clear (&wire);
  kwi_call_answered (&f->call);
  step (f);
}

/* ---- The provider -------------------------------------------------------------- */

#define DAY_MS 86400000

/* As sim_account_admit, but for the day's tokens, which are back at midnight. */
static int
admit (int account, int64_t counted, int64_t now_us, struct sim_refusal *r)
{
  int64_t limit = s.work->upstream.limits[account].of[SIM_TPD];

  if (!s.work->upstream.midnight)
    return sim_account_admit (&s.accounts[account], counted, now_us, r);
  if (s.day_used[account] + counted > limit) {
    *r = (struct sim_refusal) { .dim = SIM_TPD, .limit = limit,
                                .used = s.day_used[account],
                                .requested = counted,
                                .wait_us = (DAY_MS - s.now_ms % DAY_MS) * 1000 };
    return 0;
  }
  if (!sim_account_admit (&s.accounts[account], counted, now_us, r))
    return 0;
  s.day_used[account] += counted;
  return 1;
}

/* What others have drawn until now, on every account. */
static void
others_draw (void)
{
  struct sim_refusal r;
  int i;

  for (; s.work->upstream.others > 0 && s.others_ms <= s.now_ms;
       s.others_ms += DAY_MS / s.work->upstream.others)
    for (i = 0; i < s.work->upstream.n_accounts; i++) {
      s.others_random = s.others_random * UINT64_C (6364136223846793005) + 1;
      (void) admit (i, 200 + (int64_t) (s.others_random >> 40) % 2000,
                    (EPOCH + s.others_ms) * 1000, &r);
    }
}

static void
reaches (struct flight *f)
{
  int account = s.work->upstream.account_of[f->key];
  int64_t counted = f->task->prompt + f->task->max_tokens;
  int64_t now_us = (EPOCH + s.now_ms) * 1000, took = TRAVEL_MS;

  others_draw ();
  f->crowded = s.work->upstream.at_once > 0
               && s.at_once[account] >= s.work->upstream.at_once;
  f->admitted = !f->crowded
                && admit (account, counted, now_us, &f->refusal);
  f->seen = s.accounts[account];
  f->seen_us = now_us;
  if (f->admitted) {
    s.at_once[account]++;
    took += 300 + 10 * f->task->output;
  }
  else
    s.result->refused++;
  push (f, ANSWERED, s.now_ms + took);
}

static void
happens (const struct event *e)
{
  struct flight *f = e->flight;

  switch (e->kind) {
  case ARRIVES:
    if (s.work->workers == 0)
      take_next ();
    begin (f);
    break;
  case REACHES:
    reaches (f);
    break;
  case ANSWERED:
    if (f->admitted)
      s.at_once[s.work->upstream.account_of[f->key]]--;
    s.result->finished_ms = s.now_ms;
    if (s.naive)
      naive_answered (f);
    else
      answered (f);
    break;
  default:
    step (f);
  }
}

int
policy_run (const struct workload *work, const struct arm *arm,
            const char *plugin, struct result *ret)
{
  int i;

  memset (&s, 0, sizeof s);
  *ret = (struct result) { 0 };
  s.work = work;
  s.result = ret;
  s.naive = arm->options == NULL;
  s.random = s.others_random = 42;
  for (i = 0; i < work->upstream.n_accounts; i++) {
    struct sim_limits limits = work->upstream.limits[i];
    if (work->upstream.midnight)
      limits.of[SIM_TPD] = 0;
    sim_account_init (&s.accounts[i], &limits, 1, EPOCH * 1000);
  }
  if (!s.naive && open_client (arm, plugin) != 0)
    return 1;
  for (i = 0; i < (work->workers > 0 ? work->workers : 1); i++)
    take_next ();
  while (s.n_events > 0) {
    struct event e = pop ();
    e.flight->events--;
    if (e.generation == e.flight->generation && !e.flight->done) {
      s.now_ms = e.at_ms;
      happens (&e);
    }
    if (e.flight->done && e.flight->events == 0)
      free (e.flight);
  }
  if (s.under_way != 0)
    fatal ("somebody waits for nothing");
  kw_client_close (s.client);
  free (s.heap);
  ret->min_key = work->n;
  for (i = 0; i < work->upstream.n_keys; i++) {
    if (s.served[i] > ret->max_key)
      ret->max_key = s.served[i];
    if (s.served[i] < ret->min_key)
      ret->min_key = s.served[i];
  }
  return 0;
}

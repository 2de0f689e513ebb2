/* policy-work - the days that are simulated: who asks what, and of whom; see
 * policy-sim.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy-sim.h"

#define DAY_MS 86400000

static uint64_t seed;

/* Above 0, up to 1. */
static double
chance (void)
{
  seed = seed * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
  return (double) ((seed >> 40) + 1) / (double) (1 << 24);
}

/* Prompts whose logarithm is even between the two; 4 bytes a token, more or
 * less, and a frame of ten. */
static struct task
new_task (int64_t at_ms, double least_bytes, double most_bytes, int max_tokens)
{
  struct task t = { .at_ms = at_ms, .max_tokens = max_tokens };

  t.bytes = (int32_t) (least_bytes * pow (most_bytes / least_bytes, chance ()));
  t.prompt = 10 + (int32_t) (t.bytes * (0.24 + 0.02 * chance ()));
  t.output = 1 + (int32_t) (max_tokens * chance () * 0.6);
  return t;
}

static void
make_room (struct workload *w, int n)
{
  w->tasks = calloc ((size_t) n, sizeof *w->tasks);
  if (w->tasks == NULL)
    exit (1);
}

/* n in a day, at random moments. */
static void
fill_day (struct workload *w, int n, double least, double most, int max_tokens)
{
  double at = 0, mean = (double) DAY_MS / n;

  make_room (w, n);
  for (w->n = 0; w->n < n; w->n++) {
    at -= log (chance ()) * mean;
    w->tasks[w->n] = new_task ((int64_t) at, least, most, max_tokens);
  }
}

static void
fill_bursts (struct workload *w, int bursts, int each)
{
  int i;

  make_room (w, bursts * each);
  for (i = 0; i < bursts * each; i++)
    w->tasks[w->n++] = new_task ((int64_t) (i / each) * (DAY_MS / bursts), 400,
                                 4000, 200);
}

/* Four in five are short, the fifth is long. */
static void
fill_mixed (struct workload *w, int n)
{
  int i;

  fill_day (w, n, 200, 800, 100);
  for (i = 0; i < n; i += 5)
    w->tasks[i] = new_task (w->tasks[i].at_ms, 12000, 20000, 800);
}

static const struct sim_limits small = { { 1000, 30, 12000, 100000 } };
static const struct sim_limits large = { { 10000, 300, 120000, 1000000 } };
static const struct sim_limits minute = { { 14400, 30, 6000, 0 } };
static const struct sim_limits no_limits = { { 0, 0, 0, 0 } };

static struct upstream
keys (int n, const struct sim_limits *limits)
{
  struct upstream u = { .n_keys = n, .n_accounts = n };
  int i;

  for (i = 0; i < n; i++) {
    u.account_of[i] = i;
    u.weight[i] = 1;
    u.limits[i] = *limits;
  }
  return u;
}

void
policy_make (int which, uint64_t new_seed, struct workload *w)
{
  memset (w, 0, sizeof *w);
  seed = new_seed;
  switch (which) {
  case POLICY_STEADY:
    w->name = "steady";
    w->text = "900 requests over a day, 300 to 2000 tokens; 4 keys of 100,000 "
              "tokens a day and 12,000 a minute";
    w->upstream = keys (4, &small);
    fill_day (w, 900, 600, 6000, 200);
    break;
  case POLICY_BURSTS:
    w->name = "bursts";
    w->text = "24 bursts of 30 at once; the same 4 keys";
    w->upstream = keys (4, &small);
    fill_bursts (w, 24, 30);
    break;
  case POLICY_MIXED:
    w->name = "mixed";
    w->text = "900 requests over a day, four of five of 200 tokens, the fifth of "
              "5000; the same 4 keys";
    w->upstream = keys (4, &small);
    fill_mixed (w, 900);
    break;
  case POLICY_ONE_LARGE:
    w->name = "one-large";
    w->text = "2000 requests over a day; 3 keys as before, and a fourth with ten "
              "times their limits (weight = 10)";
    w->upstream = keys (4, &small);
    w->upstream.limits[3] = large;
    w->upstream.weight[3] = 10;
    fill_day (w, 2000, 600, 6000, 200);
    break;
  case POLICY_SHARED:
    w->name = "shared";
    w->text = "600 requests over a day; 3 keys, of which two are one account";
    w->upstream = keys (3, &small);
    w->upstream.n_accounts = 2;
    w->upstream.account_of[1] = 0;
    w->upstream.account_of[2] = 1;
    fill_day (w, 600, 600, 6000, 200);
    break;
  case POLICY_OTHERS:
    w->name = "others";
    w->text = "900 requests over a day; the same 4 keys, and on each account "
              "somebody else sends 60 a day, whom keywheel does not see";
    w->upstream = keys (4, &small);
    w->upstream.others = 60;
    fill_day (w, 900, 600, 6000, 200);
    break;
  case POLICY_MIDNIGHT:
    w->name = "midnight";
    w->text = "900 requests over a day; 4 keys whose tokens do not refill, but at "
              "midnight, though their messages read as if: admission = exact is "
              "wrong here, and has to find out";
    w->upstream = keys (4, &small);
    w->upstream.midnight = 1;
    fill_day (w, 900, 600, 6000, 200);
    break;
  case POLICY_BATCH:
    w->name = "batch";
    w->text = "2000 requests by 16 workers, each again until it is served; 4 keys "
              "of 6000 tokens and 30 requests a minute";
    w->upstream = keys (4, &minute);
    w->workers = 16;
    fill_day (w, 2000, 600, 6000, 200);
    break;
  default:
    w->name = "crowd";
    w->text = "2000 requests by 24 workers; 4 keys without limits but for 4 "
              "requests at once on each, the fifth is refused";
    w->upstream = keys (4, &no_limits);
    w->upstream.at_once = 4;
    w->workers = 24;
    fill_day (w, 2000, 600, 6000, 200);
  }
  if (w->workers > 0)
    for (int i = 0; i < w->n; i++)
      w->tasks[i].at_ms = 0;
}

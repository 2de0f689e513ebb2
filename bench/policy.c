/* policy - what each option of keywheel.ini(5) that chooses keys and times
 * their use is worth: the same simulated days with each of them, in virtual
 * time and by the engine's own code.  Prints the tables of docs/policy.md.
 *
 *   bench/policy PATH-OF-groq.so [WORKLOAD] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy-sim.h"

#define DAY_MS 86400000
#define MINUTE_MS 60000

static const struct arm arms[] = {
  { "park until the stated reset", NULL },
  { "priority", "" },
  { "priority, on_rate_limit = switch", "on_rate_limit = switch" },
  { "admission = exact", "admission = exact" },
  { "exact, on_rate_limit = switch",
    "admission = exact\non_rate_limit = switch" },
  { "pace = on", "pace = on" },
  { "pace, on_rate_limit = switch", "pace = on\non_rate_limit = switch" },
  { "exact and pace", "admission = exact\npace = on" },
  { "exact, pace, on_rate_limit = switch",
    "admission = exact\npace = on\non_rate_limit = switch" },
  { "round_robin", "strategy = round_robin" },
  { "weighted", "strategy = weighted" },
  { "least_used", "strategy = least_used" },
  { "most_remaining", "strategy = most_remaining" },
  { "most_remaining, exact, pace",
    "strategy = most_remaining\nadmission = exact\npace = on" },
  { "max_concurrency = 4", "max_concurrency = 4" },
  { "round_robin, max_concurrency = 4",
    "strategy = round_robin\nmax_concurrency = 4" },
};

/* ---- Workloads -------------------------------------------------------------- */

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
  seed = 20260102;
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

enum {
  STEADY, BURSTS, MIXED, ONE_LARGE, SHARED, OTHERS, MIDNIGHT, BATCH, CROWD,
  N_WORKLOADS
};

static void
make (int which, struct workload *w)
{
  memset (w, 0, sizeof *w);
  switch (which) {
  case STEADY:
    w->name = "steady";
    w->text = "900 requests over a day, 300 to 2000 tokens; 4 keys of 100,000 "
              "tokens a day and 12,000 a minute";
    w->upstream = keys (4, &small);
    fill_day (w, 900, 600, 6000, 200);
    break;
  case BURSTS:
    w->name = "bursts";
    w->text = "24 bursts of 30 at once; the same 4 keys";
    w->upstream = keys (4, &small);
    fill_bursts (w, 24, 30);
    break;
  case MIXED:
    w->name = "mixed";
    w->text = "900 requests over a day, four of five of 200 tokens, the fifth of "
              "5000; the same 4 keys";
    w->upstream = keys (4, &small);
    fill_mixed (w, 900);
    break;
  case ONE_LARGE:
    w->name = "one-large";
    w->text = "2000 requests over a day; 3 keys as before, and a fourth with ten "
              "times their limits (weight = 10)";
    w->upstream = keys (4, &small);
    w->upstream.limits[3] = large;
    w->upstream.weight[3] = 10;
    fill_day (w, 2000, 600, 6000, 200);
    break;
  case SHARED:
    w->name = "shared";
    w->text = "600 requests over a day; 3 keys, of which two are one account";
    w->upstream = keys (3, &small);
    w->upstream.n_accounts = 2;
    w->upstream.account_of[1] = 0;
    w->upstream.account_of[2] = 1;
    fill_day (w, 600, 600, 6000, 200);
    break;
  case OTHERS:
    w->name = "others";
    w->text = "900 requests over a day; the same 4 keys, and on each account "
              "somebody else sends 60 a day, whom keywheel does not see";
    w->upstream = keys (4, &small);
    w->upstream.others = 60;
    fill_day (w, 900, 600, 6000, 200);
    break;
  case MIDNIGHT:
    w->name = "midnight";
    w->text = "900 requests over a day; 4 keys whose tokens do not refill, but at "
              "midnight, though their messages read as if: admission = exact is "
              "wrong here, and has to find out";
    w->upstream = keys (4, &small);
    w->upstream.midnight = 1;
    fill_day (w, 900, 600, 6000, 200);
    break;
  case BATCH:
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

/* ---- The table ---------------------------------------------------------------- */

static void
print_row (const struct workload *w, const struct arm *a, const struct result *r)
{
  double waited = r->served > 0 ? (double) r->waited_ms / r->served / 1000 : 0;
  double finish = (double) r->finished_ms / MINUTE_MS;

  (void) printf ("| %s | %d | %d | %d | %d | %.1f | ", a->name, r->served,
                 (int) r->tokens, r->failed, r->refused, waited);
  if (w->workers > 0)
    (void) printf ("%.1f min |", finish);
  else
    (void) printf ("%.1f h |", finish / 60);
  (void) printf (" %d to %d |\n", r->min_key, r->max_key);
}

static void
run_all (int which, const char *plugin)
{
  struct workload w;
  size_t i;

  make (which, &w);
  (void) printf ("### %s\n\n%s.\n\n"
                 "| | served | tokens served | calls failed | answers 429 "
                 "| seconds a request | last answer | by key |\n|---|--:|--:|--:|--:|--:|--:|--:|\n",
                 w.name, w.text);
  for (i = 0; i < sizeof arms / sizeof arms[0]; i++) {
    struct result r;
    if (policy_run (&w, &arms[i], plugin, &r) == 0)
      print_row (&w, &arms[i], &r);
  }
  (void) printf ("\n");
  free (w.tasks);
}

int
main (int argc, char **argv)
{
  char *plugin;
  int i;

  if (argc < 2 || argc > 3) {
    (void) fprintf (stderr, "usage: policy PATH-OF-groq.so [WORKLOAD]\n");
    return 2;
  }
  plugin = realpath (argv[1], NULL);
  if (plugin == NULL) {
    perror (argv[1]);
    return 1;
  }
  for (i = 0; i < N_WORKLOADS; i++) {
    struct workload w;
    make (i, &w);
    free (w.tasks);
    if (argc == 2 || strcmp (argv[2], w.name) == 0)
      run_all (i, plugin);
  }
  free (plugin);
  return 0;
}

/* policy - what each option of keywheel.ini(5) that chooses keys and times
 * their use is worth: the same simulated days with each of them, in virtual
 * time and by the engine's own code.  Prints the tables of docs/policy.md.
 *
 *   bench/policy PATH-OF-groq.so [WORKLOAD] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy-sim.h"

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

  policy_make (which, POLICY_SEED, &w);
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
  for (i = 0; i < POLICY_WORKLOADS; i++) {
    struct workload w;
    policy_make (i, POLICY_SEED, &w);
    free (w.tasks);
    if (argc == 2 || strcmp (argv[2], w.name) == 0)
      run_all (i, plugin);
  }
  free (plugin);
  return 0;
}

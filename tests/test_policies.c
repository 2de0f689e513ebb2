/* test_policies - simulated days (bench/policy-sim.h) with each policy: that each
 * does what docs/policy.md says, whatever the dice show. */
#include <limits.h>
#include <stdlib.h>

#include "kwtest.h"
#include "policy-sim.h"

#define SEEDS 2

static char plugin[PATH_MAX];

static struct result
spend (int which, uint64_t seed, const char *options)
{
  struct arm arm = { "", options };
  struct workload w;
  struct result r;

  policy_make (which, seed, &w);
  ck_assert_int_eq (policy_run (&w, &arm, plugin, &r), 0);
  free (w.tasks);
  return r;
}

static void
setup (void)
{
  char path[PATH_MAX];
  int n = snprintf (path, sizeof path, "%s/plugins/.libs/groq.so",
                    kwtest_builddir ());

  ck_assert (n > 0 && (size_t) n < sizeof path);
  ck_assert_ptr_nonnull (realpath (path, plugin));
}

/* Each workload, with other requests each time. */
#define EACH_DAY (POLICY_WORKLOADS * SEEDS)
#define WHICH (_i / SEEDS)
#define SEED ((uint64_t) (_i % SEEDS + 1))

/* Where everything takes long (KW_TEST_SCALE), one of each and the short ones. */
static int
is_spared (int which, uint64_t seed)
{
  return getenv ("KW_TEST_SCALE") != NULL && (seed > 1 || which >= POLICY_BATCH);
}

START_TEST (exact_causes_no_more_refusals_than_it_saves)
{
  if (is_spared (WHICH, SEED))
    return;
  struct result stated = spend (WHICH, SEED, "");
  struct result exact = spend (WHICH, SEED, "admission = exact");
  int most = stated.refused;

  /* What passes early leaves less for when the key comes back, and that a burst
   * finds out all at once. */
  if (WHICH == POLICY_BURSTS)
    most += most / 8;
  ck_assert_msg (exact.refused <= most && exact.served >= stated.served,
                 "workload %d, seed %d: stated %d served, %d refused; exact %d, %d",
                 WHICH, (int) SEED, stated.served, stated.refused, exact.served,
                 exact.refused);
}
END_TEST

START_TEST (with_pace_few_are_refused_and_no_fewer_served)
{
  if (is_spared (WHICH, SEED))
    return;
  struct result off = spend (WHICH, SEED, "on_rate_limit = switch");
  struct result on = spend (WHICH, SEED, "on_rate_limit = switch\npace = on");
  int most = off.refused / 5 + 20;

  if (WHICH == POLICY_CROWD)    /* that is max_concurrency's */
    most = off.refused * 9 / 8;
  ck_assert_msg (on.refused <= most && on.served >= off.served
                   && on.finished_ms <= off.finished_ms * 102 / 100,
                 "workload %d, seed %d: off %d served, %d refused; on %d, %d",
                 WHICH, (int) SEED, off.served, off.refused, on.served, on.refused);
}
END_TEST

START_TEST (nobody_is_lost_and_nobody_served_twice)
{
  if (is_spared (_i, 1))
    return;
  struct result r = spend (_i, 9, "admission = exact\npace = on");
  struct workload w;

  policy_make (_i, 9, &w);
  free (w.tasks);
  ck_assert_int_eq (w.workers > 0 ? r.served : r.served + r.failed, w.n);
}
END_TEST

static Suite *
policies_suite (void)
{
  Suite *s = suite_create ("policies");
  TCase *tc = tcase_create ("days");

  tcase_add_unchecked_fixture (tc, setup, NULL);
  tcase_set_timeout (tc, 120);
  tcase_add_loop_test (tc, exact_causes_no_more_refusals_than_it_saves, 0, EACH_DAY);
  tcase_add_loop_test (tc, with_pace_few_are_refused_and_no_fewer_served, 0, EACH_DAY);
  tcase_add_loop_test (tc, nobody_is_lost_and_nobody_served_twice, 0,
                       POLICY_WORKLOADS);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (policies_suite)

/* test_breaker - the gateway's breaker in virtual time: by hand, and at random
 * against what must always hold. */
#include "kwtest.h"

#include <stdio.h>
#include <string.h>

#include "../gateway/breaker.h"

static const struct gw_breaker_rules rules = { 3, 1000, 100, 1000 };
static struct gw_breaker b;
static int64_t now;

static void
set_up (void)
{
  b = (struct gw_breaker) { .state = GW_BREAKER_CLOSED };
  now = 5000;
}

static uint64_t
passes (void)
{
  uint64_t era = UINT64_MAX;

  ck_assert_int_eq (gw_breaker_ask (&b, &rules, now, &era), 1);
  return era;
}

static void
is_stopped (void)
{
  uint64_t era = 77;

  ck_assert_int_eq (gw_breaker_ask (&b, &rules, now, &era), 0);
  ck_assert_uint_eq (era, 77);
}

static void
failed (uint64_t era)
{
  gw_breaker_failure (&b, &rules, now, era, 0);
}

static void
fail_in_a_row (int n)
{
  uint64_t era = passes ();

  while (n-- > 0)
    failed (era);
}

START_TEST (failures_in_a_row_open_it)
{
  fail_in_a_row (2);
  ck_assert_int_eq (b.state, GW_BREAKER_CLOSED);
  ck_assert_int_eq (gw_breaker_wait_ms (&b, now), 0);
  fail_in_a_row (1);
  ck_assert_int_eq (b.state, GW_BREAKER_OPEN);
  ck_assert_int_eq (gw_breaker_wait_ms (&b, now), 100);
  is_stopped ();
  now += 99;
  is_stopped ();
}
END_TEST

START_TEST (a_success_between_them_begins_anew)
{
  fail_in_a_row (2);
  gw_breaker_success (&b, passes ());
  fail_in_a_row (2);
  ck_assert_int_eq (b.state, GW_BREAKER_CLOSED);
}
END_TEST

START_TEST (only_those_within_the_window_count)
{
  fail_in_a_row (1);
  now += 600;
  fail_in_a_row (1);
  now += 401;                   /* the first is out of it */
  fail_in_a_row (1);
  ck_assert_int_eq (b.state, GW_BREAKER_CLOSED);
  now += 599;                   /* and the second is not */
  fail_in_a_row (1);
  ck_assert_int_eq (b.state, GW_BREAKER_OPEN);
}
END_TEST

START_TEST (one_probes_and_its_success_closes)
{
  uint64_t old = passes (), probe;

  fail_in_a_row (3);
  now += 100;
  ck_assert_int_eq (gw_breaker_wait_ms (&b, now), 0);
  probe = passes ();
  ck_assert_int_eq (b.state, GW_BREAKER_HALF_OPEN);
  is_stopped ();
  now += 1000000;               /* however long it takes */
  is_stopped ();
  ck_assert_int_gt (gw_breaker_wait_ms (&b, now), 0);
  gw_breaker_success (&b, old); /* of before; it is the probe that counts */
  failed (old);
  is_stopped ();
  gw_breaker_success (&b, probe);
  ck_assert_int_eq (b.state, GW_BREAKER_CLOSED);
  failed (probe);
  failed (old);
  fail_in_a_row (2);
  ck_assert_int_eq (b.state, GW_BREAKER_CLOSED);
  fail_in_a_row (1);
  ck_assert_int_eq (gw_breaker_wait_ms (&b, now), 100);
}
END_TEST

START_TEST (a_probe_that_fails_opens_it_for_twice_as_long)
{
  static const int64_t waits[] = { 100, 200, 400, 800, 1000, 1000 };

  fail_in_a_row (3);
  for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
    ck_assert_int_eq (gw_breaker_wait_ms (&b, now), waits[i]);
    now += waits[i];
    failed (passes ());
    ck_assert_int_eq (b.state, GW_BREAKER_OPEN);
  }
}
END_TEST

START_TEST (a_probe_that_says_nothing_leaves_it_to_the_next)
{
  uint64_t probe;

  fail_in_a_row (3);
  now += 100;
  probe = passes ();
  gw_breaker_nothing (&b, now, probe);
  failed (probe);                 /* what was reported is over */
  gw_breaker_success (&b, probe);
  ck_assert_int_eq (b.state, GW_BREAKER_OPEN);
  failed (passes ());
  ck_assert_int_eq (gw_breaker_wait_ms (&b, now), 200);
}
END_TEST

START_TEST (a_reset_forgets_what_failed_before_it)
{
  uint64_t old = passes (), probe;

  fail_in_a_row (2);
  ck_assert_int_eq (gw_breaker_reset (&b), 0);
  fail_in_a_row (2);
  ck_assert_int_eq (b.state, GW_BREAKER_CLOSED);
  fail_in_a_row (1);
  ck_assert_int_eq (gw_breaker_reset (&b), 1);
  ck_assert_int_eq (gw_breaker_wait_ms (&b, now), 0);
  for (int i = 0; i < 3; i++)
    failed (old);
  ck_assert_int_eq (b.state, GW_BREAKER_CLOSED);
  fail_in_a_row (3);
  now += 100;                   /* not twice as long */
  probe = passes ();
  ck_assert_int_eq (gw_breaker_reset (&b), 1);
  failed (probe);
  (void) passes ();
  ck_assert_int_eq (b.state, GW_BREAKER_CLOSED);
}
END_TEST

START_TEST (the_jitter_is_a_quarter_at_most)
{
  static const struct { uint32_t random; int64_t wait; } rows[] = {
    { 0, 100 }, { UINT32_C (1) << 31, 112 }, { UINT32_MAX, 124 },
  };

  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    set_up ();
    fail_in_a_row (2);
    gw_breaker_failure (&b, &rules, now, passes (), rows[i].random);
    ck_assert_int_eq (gw_breaker_wait_ms (&b, now), rows[i].wait);
  }
}
END_TEST

START_TEST (without_failures_to_count_it_stays_closed)
{
  const struct gw_breaker_rules off = { 0, 1000, 100, 1000 };
  uint64_t era;

  for (int i = 0; i < 1000; i++) {
    ck_assert_int_eq (gw_breaker_ask (&b, &off, now, &era), 1);
    gw_breaker_failure (&b, &off, now, era, 0);
  }
  ck_assert_int_eq (b.state, GW_BREAKER_CLOSED);
}
END_TEST

/* ---- At random --------------------------------------------------------------------- */

static uint64_t seed;

static uint32_t
draw (uint32_t below)
{
  seed = seed * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
  return (uint32_t) (seed >> 33) % below;
}

#define HELD 16

/* Requests under way by their eras; a model that counts in a row beside it. */
START_TEST (what_always_holds)
{
  const struct gw_breaker_rules r = { 1 + _i % 7, 200 + (_i * 37) % 500, 1 + _i % 90,
                                      1 + _i % 90 + (_i * 13) % 900 };
  uint64_t held[HELD], era;
  int n_held = 0, in_a_row = 0;
  int64_t opened_at = -1;

  seed = (uint64_t) _i;
  for (int step = 0; step < 4000; step++) {
    struct gw_breaker before = b;
    int what = (int) draw (8), passed;
    now += draw (40);
    if (what < 3 && n_held < HELD) {
      passed = gw_breaker_ask (&b, &r, now, &era);
      if (before.state == GW_BREAKER_CLOSED)
        ck_assert_int_eq (passed, 1);
      if (before.state == GW_BREAKER_HALF_OPEN)
        ck_assert_int_eq (passed, 0);   /* one probe at a time */
      if (before.state == GW_BREAKER_OPEN) {
        ck_assert_int_eq (passed, now >= before.until_ms);
        ck_assert_int_eq (b.state, passed ? GW_BREAKER_HALF_OPEN : GW_BREAKER_OPEN);
      }
      ck_assert (passed == (gw_breaker_wait_ms (&before, now) == 0));
      if (passed)
        held[n_held++] = era;
    } else if (n_held > 0) {
      int k = (int) draw ((uint32_t) n_held);
      int counts = held[k] == b.era;
      era = held[k];
      held[k] = held[--n_held];
      if (what <= 3)
        gw_breaker_success (&b, era);
      else if (what == 4)
        gw_breaker_nothing (&b, now, era);
      else
        gw_breaker_failure (&b, &r, now, era, draw (UINT32_MAX));
      if (!counts) {
        ck_assert (memcmp (&before, &b, sizeof b) == 0);
        continue;
      }
      if (what <= 3)
        ck_assert_int_eq (b.state, GW_BREAKER_CLOSED);
      if (before.state == GW_BREAKER_HALF_OPEN && what > 3)
        ck_assert_int_eq (b.state, GW_BREAKER_OPEN);
      in_a_row = what <= 3 ? 0 : what >= 5 ? in_a_row + 1 : in_a_row;
      if (b.state == GW_BREAKER_OPEN && before.state == GW_BREAKER_CLOSED) {
        ck_assert_int_ge (in_a_row, (int) r.failures);
        in_a_row = 0;
      }
      if (b.state == GW_BREAKER_OPEN && what >= 5) {
        opened_at = now;
        ck_assert_int_ge (b.until_ms - opened_at, r.open_ms);
        ck_assert_int_le (b.until_ms - opened_at, r.open_max_ms + r.open_max_ms / 4);
        in_a_row = 0;
      }
    }
    /* It never stays shut with nobody left to open it. */
    if (b.state == GW_BREAKER_HALF_OPEN) {
      int probes = 0;
      for (int i = 0; i < n_held; i++)
        probes += held[i] == b.era;
      ck_assert_int_eq (probes, 1);
    }
  }
  ck_assert_int_ge (opened_at, 0);
}
END_TEST

static Suite *
breaker_suite (void)
{
  Suite *s = suite_create ("breaker");
  TCase *t = tcase_create ("breaker");

  tcase_add_checked_fixture (t, set_up, NULL);
  tcase_add_test (t, failures_in_a_row_open_it);
  tcase_add_test (t, a_success_between_them_begins_anew);
  tcase_add_test (t, only_those_within_the_window_count);
  tcase_add_test (t, one_probes_and_its_success_closes);
  tcase_add_test (t, a_probe_that_fails_opens_it_for_twice_as_long);
  tcase_add_test (t, a_probe_that_says_nothing_leaves_it_to_the_next);
  tcase_add_test (t, a_reset_forgets_what_failed_before_it);
  tcase_add_test (t, the_jitter_is_a_quarter_at_most);
  tcase_add_test (t, without_failures_to_count_it_stays_closed);
  tcase_add_loop_test (t, what_always_holds, 0, 50);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (breaker_suite)

/* test_limits - blocked, half-open, free; merging; probes; buckets.  Virtual
 * time: a day takes nothing. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "kwtest.h"
#include "limits-ledger.h"

#define DAY INT64_C (86400000)

static struct kwi_store *s;
static uint32_t key, account, all, model;

static void
setup (void)
{
  s = kwi_store_new ();
  key = kwi_store_subject (s, "key:1");
  account = kwi_store_subject (s, "account:a");
  all = kwi_store_subject (s, "provider");
  model = kwi_store_model (s, "m");
}

static void
teardown (void)
{
  kwi_store_free (s);
}

static struct kwi_look
look (const char *name, int64_t now)
{
  const uint32_t subjects[3] = { key, account, all };
  return kwi_limits_look (s, subjects, 3, kwi_store_find_model (s, name), now);
}

static int
probe_end (uint64_t call, int served)
{
  const uint32_t subjects[3] = { key, account, all };
  unsigned changed;

  return kwi_limits_probe_end (s, subjects, 3, model, call, served, 0, &changed);
}

static int
block (uint32_t subject, uint32_t m, int64_t until, int64_t now)
{
  return kwi_limits_block (s, subject, m, "tokens_per_day",
                           KW_OUTCOME_DAILY_LIMIT, until, now);
}

START_TEST (a_limit_on_one_model_leaves_the_others_alone)
{
  ck_assert_int_eq (block (key, model, DAY, 0), 1);
  ck_assert_int_eq (look ("m", 0).standing, KWI_BLOCKED);
  ck_assert_int_eq (look ("other", 0).standing, KWI_FREE);
  ck_assert_int_eq (look ("m", DAY - 1).standing, KWI_BLOCKED);
  ck_assert_int_eq (look ("m", DAY).standing, KWI_HALF_OPEN);
}
END_TEST

START_TEST (every_model_and_every_key_can_be_blocked)
{
  ck_assert_int_eq (block (key, KWI_EVERY_MODEL, KWI_NEVER, 0), 1);
  ck_assert_int_eq (look ("never heard of", 0).standing, KWI_BLOCKED);
  ck_assert_int_eq (look ("m", INT64_MAX - 1).standing, KWI_BLOCKED);
  ck_assert_int_eq (kwi_limits_forget (s, key, 1), 1);
  ck_assert_int_eq (look ("m", 0).standing, KWI_FREE);
  ck_assert_int_eq (block (all, KWI_EVERY_MODEL, 5, 0), 1);
  ck_assert_int_eq (look ("m", 0).standing, KWI_BLOCKED);
}
END_TEST

START_TEST (merging_takes_the_later_time_and_tells_of_it_once)
{
  ck_assert_int_eq (block (key, model, 1000, 0), 1);
  ck_assert_int_eq (block (key, model, 900, 1), 0);
  ck_assert_int_eq (look ("m", 1).ready_ms, 1000);
  ck_assert_int_eq (block (key, model, 2000, 2), 0);
  ck_assert_int_eq (look ("m", 2).ready_ms, 2000);
  ck_assert_int_eq (block (key, model, 3000, 2500), 1);
}
END_TEST

START_TEST (the_longest_block_of_several_counts)
{
  ck_assert_int_eq (block (key, model, 1000, 0), 1);
  ck_assert_int_eq (kwi_limits_block (s, account, KWI_EVERY_MODEL, "",
                                      KW_OUTCOME_BILLING, 5000, 0), 1);
  ck_assert_int_eq (look ("m", 0).ready_ms, 5000);
  ck_assert_uint_eq (look ("m", 0).verdict, KW_OUTCOME_BILLING);
  /* One is over, the other is not: not half-open yet. */
  ck_assert_int_eq (look ("m", 2000).standing, KWI_BLOCKED);
}
END_TEST

START_TEST (one_call_probes_and_the_others_keep_off)
{
  const uint32_t subjects[3] = { key, account, all };

  ck_assert_int_eq (block (account, model, 1000, 0), 1);
  (void) kwi_limits_probe (s, subjects, 3, model, 7, 999);
  ck_assert_int_eq (look ("m", 1000).standing, KWI_HALF_OPEN);
  (void) kwi_limits_probe (s, subjects, 3, model, 7, 1000);
  ck_assert_int_eq (look ("m", 1000).standing, KWI_PROBED);
  ck_assert_int_eq (probe_end (8, 1), 0);
  ck_assert_int_eq (look ("m", 1000).standing, KWI_PROBED);
  ck_assert_int_eq (probe_end (7, 0), 0);
  ck_assert_int_eq (look ("m", 1000).standing, KWI_HALF_OPEN);
  (void) kwi_limits_probe (s, subjects, 3, model, 9, 1000);
  ck_assert_int_eq (probe_end (9, 1), 1);
  ck_assert_int_eq (look ("m", 1000).standing, KWI_FREE);
}
END_TEST

START_TEST (a_probe_that_is_refused_blocks_anew)
{
  const uint32_t subjects[3] = { key, account, all };

  ck_assert_int_eq (block (key, model, 1000, 0), 1);
  (void) kwi_limits_probe (s, subjects, 3, model, 7, 1000);
  ck_assert_int_eq (block (key, model, 3000, 1100), 1);
  ck_assert_int_eq (look ("m", 1100).standing, KWI_BLOCKED);
  ck_assert_int_eq (look ("m", 3000).standing, KWI_HALF_OPEN);
}
END_TEST

START_TEST (resets_that_fall_together_are_staggered_never_early)
{
  int64_t ready[30];
  int i, j;

  for (i = 0; i < 30; i++) {
    char name[16];
    uint32_t k;
    ck_assert_int_gt (snprintf (name, sizeof name, "key:s%d", i), 0);
    k = kwi_store_subject (s, name);
    ck_assert_int_eq (block (k, model, DAY + i % 3, 0), 1);
    ready[i] = kwi_limits_look (s, &k, 1, model, 0).ready_ms;
    ck_assert_int_ge (ready[i], DAY + i % 3);
    ck_assert_int_le (ready[i], DAY + 3 + 5000);
    for (j = i - 10 > 0 ? i - 10 : 0; j < i; j++)
      ck_assert_msg (ready[i] - ready[j] >= 200 || ready[j] - ready[i] >= 200,
                     "keys %d and %d come back together", i, j);
  }
}
END_TEST

START_TEST (a_stale_answer_does_not_end_a_probe)
{
  const uint32_t subjects[3] = { key, account, all };

  ck_assert_int_eq (block (key, model, 1000, 0), 1);
  (void) kwi_limits_probe (s, subjects, 3, model, 7, 1000);
  ck_assert_int_eq (block (key, model, 900, 1001), 0);
  ck_assert_int_eq (look ("m", 1001).standing, KWI_PROBED);
}
END_TEST

START_TEST (an_extension_keeps_its_place_among_those_that_come_back_together)
{
  ck_assert_int_eq (block (account, model, DAY, 0), 1);
  ck_assert_int_eq (block (key, model, DAY, 0), 1);
  ck_assert_int_eq (look ("m", 0).ready_ms, DAY + 250);
  ck_assert_int_eq (block (key, model, DAY + 10, 0), 0);
  ck_assert_int_eq (look ("m", 0).ready_ms, DAY + 260);
}
END_TEST

START_TEST (a_clock_set_back_makes_no_block_longer)
{
  const int64_t years = 1500 * DAY;

  ck_assert_int_eq (block (key, model, years + 60000, years), 1);
  ck_assert_int_eq (look ("m", years + 59999).standing, KWI_BLOCKED);
  ck_assert_int_eq (look ("m", 1000).standing, KWI_BLOCKED);
  ck_assert_int_eq (look ("m", 30000).standing, KWI_BLOCKED);
  ck_assert_int_eq (look ("m", 61000).standing, KWI_HALF_OPEN);
}
END_TEST

START_TEST (an_older_bucket_does_not_replace_a_newer_one)
{
  struct kwi_bucket b = { .have = KW_HAVE_USED, .used = 5 };

  ck_assert_int_eq (kwi_limits_bucket (s, key, model, &b, 100), 0);
  b.used = 3;
  ck_assert_int_eq (kwi_limits_bucket (s, key, model, &b, 50), 0);
  ck_assert_int_eq (kwi_store_find (s, key, model)->bucket.used, 5);
  ck_assert_int_eq (look ("m", 0).standing, KWI_FREE);
}
END_TEST

static Suite *
suite (void)
{
  Suite *su = suite_create ("limits");
  TCase *tc = tcase_create ("limits");

  tcase_add_checked_fixture (tc, setup, teardown);
  tcase_add_test (tc, a_limit_on_one_model_leaves_the_others_alone);
  tcase_add_test (tc, every_model_and_every_key_can_be_blocked);
  tcase_add_test (tc, merging_takes_the_later_time_and_tells_of_it_once);
  tcase_add_test (tc, the_longest_block_of_several_counts);
  tcase_add_test (tc, one_call_probes_and_the_others_keep_off);
  tcase_add_test (tc, a_probe_that_is_refused_blocks_anew);
  tcase_add_test (tc, resets_that_fall_together_are_staggered_never_early);
  tcase_add_test (tc, a_stale_answer_does_not_end_a_probe);
  tcase_add_test (tc, an_extension_keeps_its_place_among_those_that_come_back_together);
  tcase_add_test (tc, a_clock_set_back_makes_no_block_longer);
  tcase_add_test (tc, an_older_bucket_does_not_replace_a_newer_one);
  suite_add_tcase (su, tc);
  return su;
}

KW_MAIN (suite)

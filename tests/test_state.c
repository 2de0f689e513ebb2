/* test_state - what clients tell each other through a store: the merging whatever
 * the order, resets that win, a store that is away and comes back, or comes back
 * empty. */
#include "statekit.h"

/* ---- Told and heard ------------------------------------------------------------------ */

START_TEST (what_one_ran_into_the_others_know)
{
  run_out (&all[0], 0, models[1], DAY);
  ck_assert_uint_eq (first_key (&all[1], models[1]), 0);
  sync_all ();
  ck_assert_uint_eq (first_key (&all[1], models[1]), 1);
  ck_assert_uint_eq (first_key (&all[1], models[0]), 0);
  ck_assert_int_eq (all[1].blocks, 1);
  ck_assert_int_eq (all[0].blocks, 0);
  now += DAY + 10000;
  ck_assert_uint_eq (first_key (&all[1], models[1]), 0);
}
END_TEST

START_TEST (a_new_process_begins_with_what_is_known)
{
  run_out (&all[0], 0, models[0], DAY);
  answer (&all[0], 1, models[0], KW_OUTCOME_BILLING, KW_SCOPE_KEY, -1, "");
  ck_assert_int_eq (kwi_state_sync (all[0].state, NULL), 0);
  end_process (&all[3]);
  begin_process (&all[3]);
  ck_assert_int_eq (kwi_state_sync (all[3].state, NULL), 0);
  ck_assert_uint_eq (first_key (&all[3], models[0]), 2);
  ck_assert_uint_eq (first_key (&all[3], models[1]), 0);
}
END_TEST

START_TEST (what_is_left_is_handed_over_at_the_end)
{
  run_out (&all[0], 0, models[0], DAY);
  end_process (&all[0]);
  ck_assert_int_eq (kwi_state_sync (all[1].state, NULL), 0);
  ck_assert_uint_eq (first_key (&all[1], models[0]), 1);
}
END_TEST

static void
sync_again (struct process *p)
{
  when_told = NULL;
  ck_assert_int_eq (kwi_state_sync (p->state, NULL), 0);
}

START_TEST (who_is_told_at_the_end_may_still_call)
{
  run_out (&all[0], 0, models[0], DAY);
  ck_assert_int_eq (kwi_state_sync (all[0].state, NULL), 0);
  run_out (&all[1], 1, models[0], DAY);
  when_told = sync_again;
  end_process (&all[1]);
  ck_assert (when_told == NULL);
}
END_TEST

START_TEST (an_account_and_its_limits_are_everybodys)
{
  answer (&all[0], 0, models[0], KW_OUTCOME_OK, KW_SCOPE_REQUEST, -1, "org_1");
  answer (&all[1], 2, models[0], KW_OUTCOME_OK, KW_SCOPE_REQUEST, -1, "org_1");
  answer (&all[2], 0, models[0], KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_ACCOUNT_MODEL,
          DAY, "org_1");
  sync_all ();
  ck_assert_int_ge (all[3].accounts, 2);
  run_out (&all[3], 1, models[0], DAY);
  ck_assert_int_eq (pick (&all[3], models[0]).picked, KWI_PICK_NONE);
}
END_TEST

START_TEST (who_hears_of_an_accounts_limit_knows_whose_it_is)
{
  answer (&all[0], 2, models[0], KW_OUTCOME_OK, KW_SCOPE_REQUEST, -1, "");
  answer (&all[0], 1, models[0], KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_ACCOUNT_MODEL,
          DAY, "org_1");
  answer (&all[0], 0, models[0], KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_ACCOUNT_MODEL,
          DAY, "org_2");
  sync_all ();
  ck_assert_int_eq (all[1].accounts, 2);
  ck_assert_int_eq (all[1].blocks, 2);
  ck_assert_uint_eq (first_key (&all[1], models[0]), 2);
}
END_TEST

START_TEST (a_limit_of_an_account_is_kept_until_a_key_is_known_to_be_of_it)
{
  answer (&all[0], 0, models[0], KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_ACCOUNT_MODEL,
          DAY, "org_1");
  /* Only the limit arrives; the row that says whose it is does not. */
  ck_assert_int_eq (kwi_state_sync (all[0].state, NULL), 0);
  for (size_t i = 0; i < n_rows; i++)
    if (strncmp (rows[i].name, "account ", 8) == 0)
      rows[i] = rows[--n_rows];
  ck_assert_int_eq (kwi_state_sync (all[1].state, NULL), 0);
  ck_assert_uint_eq (first_key (&all[1], models[0]), 0);
  answer (&all[1], 1, models[1], KW_OUTCOME_OK, KW_SCOPE_REQUEST, -1, "org_1");
  answer (&all[1], 0, models[1], KW_OUTCOME_OK, KW_SCOPE_REQUEST, -1, "org_1");
  ck_assert_uint_eq (first_key (&all[1], models[0]), 2);
}
END_TEST

START_TEST (a_reset_reaches_everybody_and_wins_over_what_was_before)
{
  run_out (&all[0], 0, models[0], DAY);
  sync_all ();
  /* This one does not come to tell it before the reset. */
  run_out (&all[1], 0, models[1], 2 * DAY);
  now += 5;
  kwi_keyring_reset (all[2].ring, 0, now);
  ck_assert_int_eq (kwi_state_sync (all[2].state, NULL), 0);
  sync_all ();
  for (size_t i = 0; i < PROCESSES; i++) {
    ck_assert_uint_eq (first_key (&all[i], models[0]), 0);
    ck_assert_uint_eq (first_key (&all[i], models[1]), 0);
  }
  /* And what is found out after it holds. */
  now += 5;
  run_out (&all[3], 0, models[0], DAY);
  sync_all ();
  ck_assert_uint_eq (first_key (&all[0], models[0]), 1);
}
END_TEST

START_TEST (what_was_found_out_after_a_reset_by_who_had_not_heard_of_it_holds)
{
  run_out (&all[0], 0, models[0], DAY);
  sync_all ();
  kwi_keyring_reset (all[2].ring, KEYS, now + 5);
  now += 10;
  run_out (&all[1], 0, models[1], DAY);
  ck_assert_int_eq (kwi_state_sync (all[2].state, NULL), 0);
  sync_all ();
  for (size_t i = 0; i < PROCESSES; i++) {
    ck_assert_uint_eq (first_key (&all[i], models[0]), 0);
    ck_assert_uint_eq (first_key (&all[i], models[1]), 1);
  }
}
END_TEST

static int told;

static void
sync_and_reset (struct process *p)
{
  told++;
  ck_assert_int_eq (kwi_state_sync (p->state, NULL), 0);
  kwi_keyring_reset (p->ring, KEYS, now);
}

START_TEST (who_is_told_may_call_anything)
{
  run_out (&all[0], 0, models[0], DAY);
  run_out (&all[0], 1, models[0], DAY);
  ck_assert_int_eq (kwi_state_sync (all[0].state, NULL), 0);
  told = 0;
  now += 5;
  when_told = sync_and_reset;
  ck_assert_int_eq (kwi_state_sync (all[1].state, NULL), 0);
  when_told = NULL;
  ck_assert_int_eq (told, 2);
  sync_all ();
  ck_assert_uint_eq (first_key (&all[0], models[0]), 0);
}
END_TEST

START_TEST (a_probe_that_is_served_frees_it_for_all)
{
  run_out (&all[0], 0, models[0], 1000);
  run_out (&all[0], 1, models[0], DAY);
  run_out (&all[0], 2, models[0], DAY);
  sync_all ();
  now += 10000;
  ck_assert_int_eq (pick (&all[1], models[0]).probe, 1);
  sync_all ();
  /* The others let it try. */
  ck_assert_int_eq (pick (&all[2], models[0]).picked, KWI_PICK_NONE);
  answer (&all[1], 0, models[0], KW_OUTCOME_OK, KW_SCOPE_REQUEST, -1, "");
  sync_all ();
  ck_assert_int_eq (pick (&all[2], models[0]).probe, 0);
  ck_assert_uint_eq (first_key (&all[2], models[0]), 0);
  ck_assert_int_ge (all[2].frees, 1);
}
END_TEST

START_TEST (who_probed_in_vain_is_not_held_up_by_its_own_word)
{
  run_out (&all[0], 0, models[0], 1000);
  run_out (&all[0], 1, models[0], DAY);
  run_out (&all[0], 2, models[0], DAY);
  sync_all ();
  now += 10000;
  ck_assert_int_eq (pick (&all[1], models[0]).probe, 1);
  sync_all ();
  answer (&all[1], 0, models[0], KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST, -1, "");
  sync_all ();
  ck_assert_int_eq (pick (&all[1], models[0]).probe, 1);
  answer (&all[1], 0, models[0], KW_OUTCOME_OK, KW_SCOPE_REQUEST, -1, "");
  sync_all ();
  ck_assert_uint_eq (first_key (&all[2], models[0]), 0);
}
END_TEST

START_TEST (a_probe_whose_process_died_is_tried_by_another)
{
  run_out (&all[0], 0, models[0], 1000);
  run_out (&all[0], 1, models[0], DAY);
  run_out (&all[0], 2, models[0], DAY);
  sync_all ();
  now += 10000;
  ck_assert_int_eq (pick (&all[1], models[0]).probe, 1);
  sync_all ();
  ck_assert_int_eq (pick (&all[2], models[0]).picked, KWI_PICK_NONE);
  now += 15000;
  ck_assert_int_eq (pick (&all[2], models[0]).probe, 1);
}
END_TEST

START_TEST (counts_are_of_all_and_exact)
{
  struct kwi_ring_view v;
  size_t i;
  int n;

  for (n = 0; n < 100; n++) {
    answer (&all[n % PROCESSES], 1, models[0], KW_OUTCOME_OK, KW_SCOPE_REQUEST, -1,
            "");
    if (n % 7 == 0)
      ck_assert_int_eq (kwi_state_sync (all[n % PROCESSES].state, NULL), 0);
    if (n == 50)
      lose_answer = 1;
    if (n == 51)
      ck_assert_int_eq (kwi_state_sync (all[0].state, NULL), KW_ERR_UNAVAILABLE);
  }
  sync_all ();
  for (i = 0; i < PROCESSES; i++) {
    ck_assert_int_eq (kwi_keyring_view (all[i].ring, models[0], now, &v), 0);
    ck_assert_uint_eq (v.keys[1].requests, 100);
    ck_assert_uint_eq (v.keys[1].tokens, 1500);
    ck_assert_uint_eq (v.keys[0].requests, 0);
    kwi_ring_view_clear (&v);
  }
}
END_TEST

/* An answer of process 0 on the first key shows what is left of a minute's tokens. */
static void
show_bucket (int64_t remaining)
{
  struct kwi_judgement j = { .outcome = KW_OUTCOME_OK, .scope = KW_SCOPE_REQUEST,
                             .wait_ms = -1, .input_tokens = 10, .output_tokens = 5,
                             .n_buckets = 1 };
  struct kwi_bucket *b = &j.bucket[0];
  struct kwi_size size = { .tokens = 15 };
  struct kwi_effect e;
  struct kwi_pick k = pick (&all[0], models[0]);

  *b = (struct kwi_bucket) { .scope = KW_SCOPE_KEY_MODEL, .rolling = 1,
                             .have = KW_HAVE_LIMIT | KW_HAVE_REMAINING | KW_HAVE_WINDOW,
                             .limit = 6000, .remaining = remaining,
                             .window_ms = 60000 };
  memccpy (b->dimension, "tokens_per_minute", '\0', sizeof b->dimension);
  ck_assert_int_eq (k.picked, KWI_PICK_KEY);
  kwi_keyring_report (all[0].ring, &k.hold, models[0], all[0].call, &size, &j, 0, -1,
                      now, now, &e);
}

/* How long a request of so many tokens waits at process i's first key. */
static int64_t
waits_at (size_t i, int64_t tokens)
{
  struct kwi_size size = { .tokens = tokens };

  return kwi_keyring_next_ready (all[i].ring, models[0], &size, now) - now;
}

START_TEST (what_is_left_of_a_bucket_is_everybodys)
{
  size_t i;

  for (i = 0; i < PROCESSES; i++)
    for (size_t key = 1; key < KEYS; key++)
      run_out (&all[i], key, models[0], DAY);
  show_bucket (1000);
  ck_assert_int_le (waits_at (1, 3000), 0);     /* it has not heard yet */
  sync_all ();
  for (i = 0; i < PROCESSES; i++) {
    ck_assert_int_le (waits_at (i, 500), 0);
    ck_assert_int_ge (waits_at (i, 3000), 20000);
    ck_assert_int_le (waits_at (i, 3000), 25000);
  }
  /* What was seen later counts, whoever tells it when. */
  now += 1000;
  show_bucket (5000);
  sync_all ();
  ck_assert_int_le (waits_at (2, 3000), 0);
}
END_TEST

static void
setup_paced (void)
{
  pace_flags = KWI_PACE_WAIT;
  setup ();
  pace_flags = 0;
}

/* ---- Away ---------------------------------------------------------------------------- */

START_TEST (while_it_is_away_all_goes_on_and_then_all_is_told)
{
  struct kw_error err = KW_ERROR_INIT;

  is_away = 1;
  run_out (&all[0], 0, models[0], DAY);
  ck_assert_int_eq (kwi_state_sync (all[0].state, &err), KW_ERR_UNAVAILABLE);
  ck_assert_ptr_nonnull (strstr (err.message, "the table is away"));
  ck_assert_uint_eq (first_key (&all[0], models[0]), 1);
  ck_assert_int_eq (kwi_state_sync (all[0].state, NULL), KW_ERR_UNAVAILABLE);
  ck_assert_int_eq (all[0].warnings, 1);        /* once */
  is_away = 0;
  sync_all ();
  ck_assert_int_eq (all[0].warnings, 2);        /* and that it is back */
  ck_assert_uint_eq (first_key (&all[1], models[0]), 1);
}
END_TEST

START_TEST (a_store_that_comes_back_empty_is_filled_again)
{
  run_out (&all[0], 0, models[0], DAY);
  answer (&all[0], 1, models[0], KW_OUTCOME_OK, KW_SCOPE_REQUEST, -1, "org_7");
  kwi_keyring_reset (all[0].ring, 2, now);
  sync_all ();
  is_away = 1;
  for (size_t i = 0; i < PROCESSES; i++)
    ck_assert_int_eq (kwi_state_sync (all[i].state, NULL), KW_ERR_UNAVAILABLE);
  n_rows = 0;
  is_away = 0;
  sync_all ();
  end_process (&all[3]);
  begin_process (&all[3]);
  ck_assert_int_eq (kwi_state_sync (all[3].state, NULL), 0);
  ck_assert_uint_eq (first_key (&all[3], models[0]), 1);
  ck_assert_int_eq (all[3].accounts, 1);
  ck_assert_int_eq (all[3].resets, 2);  /* the key's, the provider's */
}
END_TEST

/* ---- At random ------------------------------------------------------------------------ */

static void
random_step (struct process *p)
{
  size_t key = below (KEYS);
  const char *model = models[below (MODELS)];

  switch (below (8)) {
  case 0:
    run_out (p, key, model, 1000 + (int64_t) below (4) * 1000);
    return;
  case 1:
    answer (p, key, model, KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_ACCOUNT_MODEL,
            2000 + (int64_t) below (9) * 1000, key == 2 ? "org_2" : "org_1");
    return;
  case 2:
    answer (p, key, model, KW_OUTCOME_BILLING, KW_SCOPE_KEY, -1, "");
    return;
  case 3:
    if (below (6) == 0)
      kwi_keyring_reset (p->ring, below (KEYS + 1), now);
    return;
  case 4: {
    struct kwi_pick k = pick (p, model);
    if (k.picked == KWI_PICK_KEY)
      answer (p, k.hold.key, model,
              below (4) == 0 ? KW_OUTCOME_DAILY_LIMIT : KW_OUTCOME_OK,
              KW_SCOPE_KEY_MODEL, 1000, "");
    return;
  }
  case 5:
    now += (int64_t) below (1500);
    return;
  default:
    is_away = below (10) == 0;
    lose_answer = below (10) == 0;
    (void) kwi_state_sync (p->state, NULL);
    is_away = lose_answer = 0;
  }
}

/* What is known of each key and model, without what differs by chance: the
 * stagger. */
static int
by_text (const void *a, const void *b)
{
  return strcmp (a, b);
}

static void
describe (struct process *p, char *buf, size_t size)
{
  static char line[64][160];
  struct kwi_ring_view v;
  size_t i, k, n = 0, len = 0;

  ck_assert_int_eq (kwi_keyring_view (p->ring, models[0], now, &v), 0);
  ck_assert_uint_le (v.n_facts, 64);
  for (k = 0; k < v.n_keys; k++)
    for (i = v.keys[k].first_fact; i < v.keys[k].first_fact + v.keys[k].n_facts;
         i++)
      (void) snprintf (line[n++], sizeof line[0], "%zu %s %s %lld %u, in %lld\n", k,
                       v.facts[i].model, v.facts[i].fact.bucket.dimension,
                       (long long) v.facts[i].fact.until_ms,
                       v.facts[i].fact.verdict,
                       (long long) v.facts[i].fact.epoch_ms);
  qsort (line, n, sizeof line[0], by_text);
  memset (buf, 0, size);
  for (i = 0; i < n; i++, len = strlen (buf))
    (void) memccpy (buf + len, line[i], '\0', size - len - 1);
  kwi_ring_view_clear (&v);
}

START_TEST (whatever_the_order_all_come_to_know_the_same)
{
  char first[4096], other[4096];
  size_t i, blocked = 0;
  int round, step;

  for (round = 0; round < 1000; round++) {
    chance = UINT64_C (0x9e3779b97f4a7c15) * (uint64_t) (round + 1);
    shuffled = round % 2;
    for (step = 0; step < 60; step++)
      random_step (&all[below (PROCESSES)]);
    sync_all ();
    describe (&all[0], first, sizeof first);
    blocked += first[0] != '\0';
    for (i = 1; i < PROCESSES; i++) {
      describe (&all[i], other, sizeof other);
      ck_assert_msg (strcmp (first, other) == 0, "round %d: process 0 knows\n%s"
                     "process %zu knows\n%s", round, first, i, other);
    }
  }
  ck_assert_uint_gt (blocked, 600);     /* it was about something */
}
END_TEST

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("state");
  TCase *t = tcase_create ("sharing");

  tcase_add_checked_fixture (t, setup, teardown);
  tcase_set_timeout (t, 60);
  tcase_add_test (t, what_one_ran_into_the_others_know);
  tcase_add_test (t, a_new_process_begins_with_what_is_known);
  tcase_add_test (t, what_is_left_is_handed_over_at_the_end);
  tcase_add_test (t, who_is_told_at_the_end_may_still_call);
  tcase_add_test (t, an_account_and_its_limits_are_everybodys);
  tcase_add_test (t, who_hears_of_an_accounts_limit_knows_whose_it_is);
  tcase_add_test (t, a_limit_of_an_account_is_kept_until_a_key_is_known_to_be_of_it);
  tcase_add_test (t, a_reset_reaches_everybody_and_wins_over_what_was_before);
  tcase_add_test (t, what_was_found_out_after_a_reset_by_who_had_not_heard_of_it_holds);
  tcase_add_test (t, who_is_told_may_call_anything);
  tcase_add_test (t, a_probe_that_is_served_frees_it_for_all);
  tcase_add_test (t, who_probed_in_vain_is_not_held_up_by_its_own_word);
  tcase_add_test (t, a_probe_whose_process_died_is_tried_by_another);
  tcase_add_test (t, counts_are_of_all_and_exact);
  tcase_add_test (t, while_it_is_away_all_goes_on_and_then_all_is_told);
  tcase_add_test (t, a_store_that_comes_back_empty_is_filled_again);
  tcase_add_test (t, whatever_the_order_all_come_to_know_the_same);
  suite_add_tcase (s, t);

  t = tcase_create ("pace");
  tcase_add_checked_fixture (t, setup_paced, teardown);
  tcase_add_test (t, what_is_left_of_a_bucket_is_everybodys);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (make_suite)

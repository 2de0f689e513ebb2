/* test_hand - what one client knows is handed to the one that takes its place. */
#include <sched.h>
#include <stdatomic.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "clientkit.h"
#include "keyring-private.h"
#include "ring-share.h"

#define DAY_MS INT64_C (86400000)

/* ---- Clients ---------------------------------------------------------------------- */

static kw_client *old;

static void
hand_teardown (void)
{
  kw_client_close (old);
  old = NULL;
  kit_teardown ();
}

/* The client that is there is the old one from now on. */
static void
open_again (const char *options)
{
  old = kit.client;
  kit.client = NULL;
  kit_open (options);
}

/* The same as kit_served_by, on the old one. */
static void
old_is_served_by (const char *name)
{
  kw_client *new = kit.client;

  kit.client = old;
  kit_served_by (name);
  kit.client = new;
}

static void
learn (void)
{
  ck_assert_int_eq (kw_client_learn_from (kit.client, old), 0);
}

static kw_status_info *
status (void)
{
  kw_status_info *st = NULL;

  ck_assert_int_eq (kw_status (kit.client, NULL, &st), 0);
  return st;
}

START_TEST (a_new_client_knows_what_the_old_one_knew)
{
  kw_status_info *st;
  size_t before;

  kit_sim ("--key", "sk-a,name=A,org=X,rpd=1,tpm=6000", "--key", "sk-c,name=C,org=X",
           "--key", "sk-b,name=B,tpm=6000");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kit_served_by ("primary");
  kit_served_by ("backup-1");
  kit_keys ("sk-b", "sk-new,sk-a");     /* they have other names now */
  open_again ("");
  st = status ();
  ck_assert_uint_eq (st->available_keys, 3);
  kw_status_free (st);
  learn ();
  st = status ();
  ck_assert_uint_eq (st->total_keys, 3);
  ck_assert_str_eq (st->keys[2].state, "exhausted");
  ck_assert_str_eq (st->keys[2].account, "X");
  ck_assert_uint_eq (st->keys[2].n_limits, 1);
  ck_assert_str_eq (st->keys[2].limits[0].dimension, "requests_per_day");
  ck_assert_int_eq (st->keys[2].limits[0].account_wide, 1);
  ck_assert_uint_eq (st->keys[2].requests, 1);
  ck_assert_ptr_nonnull (kw_status_bucket (st, 2, 0));
  ck_assert_str_eq (st->keys[0].state, "available");
  ck_assert_uint_eq (st->keys[0].requests, 1);
  ck_assert_uint_gt (st->keys[0].tokens, 0);
  ck_assert_str_eq (kw_status_bucket (st, 0, 0)->dimension, "tokens_per_minute");
  ck_assert_str_eq (st->keys[1].state, "available");
  ck_assert_uint_eq (st->keys[1].requests, 0);
  kw_status_free (st);
  before = simctl_count (kit.sim, NULL, NULL);
  kit_served_by ("primary");
  ck_assert_uint_eq (simctl_count (kit.sim, NULL, NULL), before + 1);
}
END_TEST

START_TEST (what_the_old_one_finds_out_later_is_learnt_later)
{
  kw_status_info *st;

  kit_sim ("--key", "sk-a,name=A,rpd=2", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kit_served_by ("primary");
  open_again ("");
  learn ();
  kit_served_by ("primary");
  old_is_served_by ("backup-1");
  st = status ();
  ck_assert_str_eq (st->keys[0].state, "available");
  kw_status_free (st);
  for (int i = 0; i < 3; i++)
    learn ();
  st = status ();
  ck_assert_str_eq (st->keys[0].state, "exhausted");
  ck_assert_uint_eq (st->keys[0].requests, 2);  /* each once */
  ck_assert_uint_eq (st->keys[1].requests, 1);
  kw_status_free (st);
}
END_TEST

START_TEST (a_reset_is_not_undone_by_what_was_known_before_it)
{
  kw_status_info *st;

  kit_sim ("--key", "sk-a,name=A,rpd=1", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kit_served_by ("primary");
  kit_served_by ("backup-1");
  open_again ("");
  learn ();
  kit_advance (1000);
  ck_assert_int_eq (kw_reset (kit.client, NULL, "primary"), 0);
  learn ();
  st = status ();
  ck_assert_str_eq (st->keys[0].state, "available");
  kw_status_free (st);
}
END_TEST

START_TEST (of_another_server_nothing_is_known)
{
  kw_status_info *st;

  kit_sim ("--key", "sk-a,name=A,rpd=1", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kit_served_by ("primary");
  kit_served_by ("backup-1");
  kit.url = "http://127.0.0.1:1/v1";
  open_again ("");
  learn ();
  st = status ();
  ck_assert_uint_eq (st->available_keys, 2);
  ck_assert_uint_eq (st->keys[0].requests, 0);
  kw_status_free (st);
}
END_TEST

/* ---- Rings ------------------------------------------------------------------------- */

static atomic_uint_fast64_t seq;
static struct kwi_keyring *rings[2];

static void
wake (struct kwi_waiter *waiter)
{
  (void) waiter;
}

static void
rings_setup (void)
{
  for (int i = 0; i < 2; i++) {
    rings[i] = kwi_keyring_new (&seq, wake);
    ck_assert_int_eq (kwi_keyring_add (rings[i], "a", "aaaa"), 0);
    ck_assert_int_eq (kwi_keyring_add (rings[i], "b", "bbbb"), 0);
  }
}

static void
rings_teardown (void)
{
  kwi_keyring_free (rings[0]);
  kwi_keyring_free (rings[1]);
}

static void
report (struct kwi_keyring *r, size_t key, const char *model, uint32_t outcome,
        const struct kwi_size *size, int64_t now)
{
  struct kwi_judgement j = { .outcome = outcome, .scope = KW_SCOPE_KEY_MODEL,
                             .wait_ms = DAY_MS, .input_tokens = 100, .output_tokens = 7 };
  struct kwi_hold hold = { .key = key };
  struct kwi_effect e;

  memcpy (j.reason, "tokens_per_day", sizeof "tokens_per_day");
  j.n_buckets = 1;
  j.bucket[0] = (struct kwi_bucket) { .scope = KW_SCOPE_KEY_MODEL, .limit = 1000,
                                      .have = KW_HAVE_LIMIT | KW_HAVE_REMAINING };
  memcpy (j.bucket[0].dimension, "tokens_per_day", sizeof "tokens_per_day");
  kwi_keyring_report (r, &hold, model, 1, size, &j, outcome != KW_OUTCOME_OK, -1, now,
                      now, &e);
}

START_TEST (what_was_learnt_of_sizes_is_handed_on_once)
{
  const struct kwi_size size = { .bytes = 400, .max_tokens = -1 };
  struct kwi_pace_model *m;

  for (int i = 0; i < 2; i++)
    kwi_keyring_pace (rings[i], KWI_PACE_EXACT, 1);
  report (rings[0], 0, "m", KW_OUTCOME_OK, &size, 1000);
  (void) kwi_store_model (rings[1]->store, "another number");
  ck_assert_int_eq (kwi_keyring_learn_from (rings[1], rings[0], 1, 1000), 0);
  m = kwi_ring_model (rings[1], kwi_store_find_model (rings[1]->store, "m"));
  ck_assert_double_eq (m->estimate.n, 1);
  report (rings[0], 0, "m", KW_OUTCOME_OK, &size, 1000);
  report (rings[1], 0, "m", KW_OUTCOME_OK, &size, 1000);
  report (rings[1], 0, "m", KW_OUTCOME_OK, &size, 1000);
  ck_assert_double_gt (m->estimate.n, 2);
  ck_assert_int_eq (kwi_keyring_learn_from (rings[1], rings[0], 1, 1000), 0);
  ck_assert_double_gt (m->estimate.n, 2);       /* it knows better by now */
}
END_TEST

static void *
report_many (void *user)
{
  struct kwi_keyring *r = user;
  char model[16];

  for (int i = 0; i < kwtest_scaled (2000); i++) {
    ck_assert_int_gt (snprintf (model, sizeof model, "m%d", i % 50), 0);
    report (r, (size_t) i % 2, model, i % 7 == 0 ? KW_OUTCOME_DAILY_LIMIT : KW_OUTCOME_OK, NULL,
            1000 + i);
  }
  return NULL;
}

START_TEST (both_may_be_at_work)
{
  pthread_t threads[2];
  struct kwi_ring_view v[2];

  for (int i = 0; i < 2; i++)
    ck_assert_int_eq (pthread_create (&threads[i], NULL, report_many, rings[i]), 0);
  for (int i = 0; i < 50; i++)
    ck_assert_int_eq (kwi_keyring_learn_from (rings[1], rings[0], 1, 1000), 0);
  for (int i = 0; i < 2; i++)
    (void) pthread_join (threads[i], NULL);
  ck_assert_int_eq (kwi_keyring_learn_from (rings[1], rings[0], 1, 1000), 0);
  for (int i = 0; i < 2; i++)
    ck_assert_int_eq (kwi_keyring_view (rings[i], "m0", 1000, &v[i]), 0);
  for (size_t key = 0; key < 2; key++)
    ck_assert_uint_eq (v[1].keys[key].requests, 2 * v[0].keys[key].requests);
  ck_assert_uint_eq (v[1].n_facts, v[0].n_facts);
  for (int i = 0; i < 2; i++)
    kwi_ring_view_clear (&v[i]);
}
END_TEST

static atomic_int learnt;

/* What is told of limits does not touch the names by which they are found, which who
 * learns of them reads when the lock is no more held; a watched build has its say. */
static void *
hear_of_a_bucket (void *user)
{
  struct kwi_change c = { .kind = KWI_CHANGE_BUCKET, .subject = "key:aaaa", .model = "m",
                          .dimension = "requests_per_day",
                          .bucket = { .have = 1, .limit = 9, .dimension = "requests_per_day" } };
  size_t key;

  while (!atomic_load (&learnt)) {
    c.at_ms++;
    (void) kwi_keyring_hear (user, &c, 1000, &key);
    (void) sched_yield ();
  }
  return NULL;
}

START_TEST (names_stay_while_others_are_told_of)
{
  pthread_t thread;

  ck_assert_int_eq (pthread_create (&thread, NULL, hear_of_a_bucket, rings[0]), 0);
  for (int i = 0; i < kwtest_scaled (2000); i++)
    ck_assert_int_eq (kwi_keyring_learn_from (rings[1], rings[0], 1, 1000), 0);
  atomic_store (&learnt, 1);
  (void) pthread_join (thread, NULL);
}
END_TEST

static Suite *
hand_suite (void)
{
  Suite *s = suite_create ("hand");
  TCase *c = tcase_create ("clients"), *r = tcase_create ("rings");

  tcase_set_timeout (c, 60);
  tcase_add_checked_fixture (c, kit_setup, hand_teardown);
  tcase_add_test (c, a_new_client_knows_what_the_old_one_knew);
  tcase_add_test (c, what_the_old_one_finds_out_later_is_learnt_later);
  tcase_add_test (c, a_reset_is_not_undone_by_what_was_known_before_it);
  tcase_add_test (c, of_another_server_nothing_is_known);
  suite_add_tcase (s, c);
  tcase_set_timeout (r, 60);
  tcase_add_checked_fixture (r, rings_setup, rings_teardown);
  tcase_add_test (r, what_was_learnt_of_sizes_is_handed_on_once);
  tcase_add_test (r, both_may_be_at_work);
  tcase_add_test (r, names_stay_while_others_are_told_of);
  suite_add_tcase (s, r);
  return s;
}

KW_MAIN (hand_suite)

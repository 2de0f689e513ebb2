/* The battery: facts that end, changes by others, a store that is away for a
 * while, descriptors and threads. */
#include "storekit.h"

#include <pthread.h>
#include <string.h>

/* ---- The end of facts ---------------------------------------------------------------------- */

START_TEST (expired_facts_are_not_delivered)
{
  struct storekit *a = storekit_open (NULL), *b;

  storekit_put_until (a, "soon", 1, "v", storekit_now () + 60000);
  storekit_put_until (a, "later", 1, "v", storekit_now () + 120000);
  storekit_put_until (a, "past", 1, "v", storekit_now () - 1);
  storekit_pass (60000 - 1);
  b = storekit_open (NULL);
  storekit_read (b);
  ck_assert_ptr_nonnull (storekit_fact (b, "soon"));
  ck_assert_ptr_null (storekit_fact (b, "past"));
  storekit_close (b);
  storekit_pass (1);
  b = storekit_open (NULL);
  storekit_read (b);
  ck_assert_ptr_null (storekit_fact (b, "soon"));
  ck_assert_ptr_nonnull (storekit_fact (b, "later"));
  storekit_close (a);
  storekit_close (b);
}
END_TEST

/* Whether it has been deleted yet must make no difference. */
START_TEST (an_expired_fact_is_no_greater_than_any)
{
  struct storekit *a = storekit_open (NULL), *b;

  storekit_put_until (a, "f", 9, "old", storekit_now () + 1000);
  storekit_pass (1000);
  storekit_put (a, "f", 1, 0, "new");
  storekit_put_until (a, "f", 9, "late", storekit_now ());
  b = storekit_open (NULL);
  storekit_read (b);
  storekit_expect (b, "f", 1, 0, "new");
  storekit_close (a);
  storekit_close (b);
}
END_TEST

/* ---- What others do -------------------------------------------------------------------------- */

START_TEST (what_another_keeps_stirs_fd_and_is_delivered_once)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);

  storekit_settle (b);
  ck_assert_int_eq (storekit_stirs (b, 0), 0);
  storekit_put (a, "f", 1, 0, "v");
  storekit_add_to (a, "c", 2);
  ck_assert_int_eq (storekit_stirs (b, 10000), 1);
  storekit_await (b, "f", "v");
  storekit_await_total (b, "c", 2);
  storekit_settle (b);
  ck_assert_int_eq (storekit_fact (b, "f")->deliveries, 1);
  storekit_add_to (a, "c", 2);
  storekit_await_total (b, "c", 4);
  ck_assert_int_eq (storekit_fact (b, "f")->deliveries, 1);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

static void
other_process (int i, void *user)
{
  struct storekit *k;

  (void) user;
  if (i == 0) {
    k = storekit_open (NULL);
    storekit_settle (k);
    storekit_gate ();
    ck_assert_int_eq (storekit_stirs (k, 10000), 1);
    storekit_await (k, "f", "v");
    storekit_gate ();
  } else {
    k = storekit_open (NULL);
    storekit_gate ();
    storekit_put (k, "f", 1, 0, "v");
    storekit_gate ();
  }
  storekit_close (k);
}

START_TEST (another_process_stirs_fd)
{
  storekit_processes (2, other_process, NULL);
}
END_TEST

START_TEST (what_a_handle_does_itself_does_not_keep_fd_stirring)
{
  struct storekit *k = storekit_open (NULL);

  for (int i = 0; i < 5; i++) {
    storekit_put (k, "f", i, 0, "v");
    storekit_add_to (k, "c", 1);
    storekit_settle (k);
    for (int j = 0; j < 3; j++) {
      storekit_read (k);
      ck_assert_int_eq (storekit_stirs (k, 0), 0);
    }
  }
  storekit_close (k);
}
END_TEST

/* ---- Trouble ---------------------------------------------------------------------------------- */

START_TEST (while_it_is_away_syncs_say_so_and_afterwards_nothing_is_lost_or_counted_twice)
{
  const struct storekit_how how = { .timeout_ms = 200 };
  struct storekit *a = storekit_open (&how), *b = storekit_open (NULL), *c;
  struct kw_store_fact first = { "f", "1", 1, 0, STOREKIT_NEVER };
  struct kw_store_fact f = { "f", "2", 2, 0, STOREKIT_NEVER };
  struct kw_store_count one = { "c", 1 }, n = { "c", 10 };
  struct kw_store_lease lease = { sizeof lease, 10, 5, 0, "l", 60000 };
  uint32_t granted = 77;
  int64_t began;

  storekit_keep (a, &first, 1, &one, 1);
  storekit_await_total (b, "c", 1);
  storekit_backing->away (1);
  began = storekit_ticks ();
  ck_assert_int_eq (storekit_sync (a, &f, 1, &n, 1), KW_STORE_AWAY);
  ck_assert_int_eq (storekit_sync_again (a, &f, 1, &n, 1), KW_STORE_AWAY);
  ck_assert_int_eq (a->store->lease (a->handle, &lease, &granted, &a->why), KW_STORE_AWAY);
  ck_assert_uint_eq (granted, 77);
  ck_assert_str_ne (a->why.text, "");
  ck_assert_int_lt (storekit_ticks () - began, 3 * (int) how.timeout_ms + STOREKIT_STILL_MS);
  c = storekit_open (&how);     /* what may pass by is no failure to open */
  (void) storekit_sync (c, &f, 1, NULL, 0);
  storekit_close (c);

  storekit_backing->away (0);
  began = storekit_ticks ();
  while (storekit_sync_again (a, &f, 1, &n, 1) != 0)
    ck_assert_msg (storekit_ticks () - began < 30000, "still away: %s", a->why.text);
  storekit_await_total (b, "c", 11);
  storekit_await (b, "f", "2");
  while (a->store->lease (a->handle, &lease, &granted, &a->why) != KW_STORE_OK)
    storekit_reach (a);
  ck_assert_uint_eq (granted, 5);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

START_TEST (closing_leaves_no_descriptor_and_none_would_outlive_an_exec)
{
  int before, open_now, after, inherited_before, inherited;

  storekit_close (storekit_open (NULL));        /* what libraries open once */
  before = storekit_descriptors (&inherited_before);
  for (int i = 0; i < 20; i++) {
    struct storekit *k = storekit_open (NULL);

    storekit_put (k, "f", i, 0, "v");
    open_now = storekit_descriptors (&inherited);
    ck_assert_int_gt (open_now, before);
    ck_assert_int_eq (inherited, inherited_before);
    storekit_close (k);
    after = storekit_descriptors (&inherited);
    ck_assert_int_eq (after, before);
  }
}
END_TEST

/* ---- Threads ----------------------------------------------------------------------------------- */

enum { THREADS = 4 };

/* No assertion of Check here: they belong to the main thread. */
static void *
thread (void *user)
{
  struct storekit *k = user;
  intptr_t failed = 0;

  for (int i = 0; i < 40; i++) {
    struct kw_store_count c = { "c", 1 };
    struct kw_store_fact f = { "f", k->holder, i, 0, STOREKIT_NEVER };
    struct kw_store_lease lease = { sizeof lease, 8, 2, 0, "l", 60000 };
    uint32_t granted = 0;

    if (storekit_sync (k, &f, 1, &c, 1) != 0
        || k->store->lease (k->handle, &lease, &granted, &k->why) != 0 || granted > 2)
      failed++;
    (void) k->store->fd (k->handle);
  }
  return (void *) failed;
}

START_TEST (handles_of_one_process_serve_their_threads_at_once)
{
  struct storekit *all[THREADS], *k;
  pthread_t threads[THREADS];

  (void) storekit_now ();
  for (int i = 0; i < THREADS; i++)
    all[i] = storekit_open (NULL);
  for (int i = 0; i < THREADS; i++)
    ck_assert_int_eq (pthread_create (&threads[i], NULL, thread, all[i]), 0);
  for (int i = 0; i < THREADS; i++) {
    void *failed;

    ck_assert_int_eq (pthread_join (threads[i], &failed), 0);
    ck_assert_msg (failed == NULL, "%d: %s", i, all[i]->why.text);
    storekit_close (all[i]);
  }
  k = storekit_open (NULL);
  storekit_read (k);
  ck_assert_int_eq (storekit_total (k, "c"), THREADS * 40);
  ck_assert_int_eq (storekit_fact (k, "f")->major, 39);
  storekit_close (k);
}
END_TEST

/* ---- The battery ---------------------------------------------------------------------- */

void
storekit_add_others (Suite *suite)
{
  TCase *t = storekit_case (suite, "others");

  tcase_add_test (t, expired_facts_are_not_delivered);
  tcase_add_test (t, an_expired_fact_is_no_greater_than_any);
  tcase_add_test (t, what_another_keeps_stirs_fd_and_is_delivered_once);
  tcase_add_test (t, another_process_stirs_fd);
  tcase_add_test (t, what_a_handle_does_itself_does_not_keep_fd_stirring);
  tcase_add_test (t, while_it_is_away_syncs_say_so_and_afterwards_nothing_is_lost_or_counted_twice);
  tcase_add_test (t, closing_leaves_no_descriptor_and_none_would_outlive_an_exec);
  tcase_add_test (t, handles_of_one_process_serve_their_threads_at_once);
}

/* test_places - max_concurrency over all processes that share a state. */
#include "statekit.h"

enum { PLACES = 4, CALLS = 40 };

static struct kwi_hold flying[PROCESSES][CALLS];
static size_t n_flying[PROCESSES];
/* Of each process the request that could not go out yet. */
static struct kwi_waiter waiting[PROCESSES];
static uint64_t waiting_call[PROCESSES];

static void
begin (void)
{
  max_at_once = PLACES;
  memset (n_flying, 0, sizeof n_flying);
  memset (waiting, 0, sizeof waiting);
  memset (waiting_call, 0, sizeof waiting_call);
  setup ();
  for (size_t i = 0; i < PROCESSES; i++)
    ck_assert_int_eq (kwi_state_sync (all[i].state, NULL), 0);
}

static void
give_up (size_t i)
{
  struct kwi_hold none = { .key = KWI_NO_KEY };

  kwi_keyring_leave (all[i].ring, &none, "m-1", waiting_call[i], &waiting[i]);
  waiting_call[i] = 0;
}

static void
end (void)
{
  for (size_t i = 0; i < PROCESSES; i++)
    if (all[i].state != NULL)
      give_up (i);
  teardown ();
  max_at_once = 0;
}

/* 1: a request of process i went out. */
static int
try_one (size_t i)
{
  struct kwi_pick k;

  if (waiting_call[i] == 0)
    waiting_call[i] = ++calls;
  kwi_keyring_pick (all[i].ring, "m-1", KWI_NO_KEY, waiting_call[i], &waiting[i],
                    NULL, now, &k);
  if (k.picked != KWI_PICK_KEY)
    return 0;
  waiting_call[i] = 0;
  ck_assert_uint_lt (n_flying[i], CALLS);
  flying[i][n_flying[i]++] = k.hold;
  return 1;
}

static void
sync_one (size_t i)
{
  ck_assert_int_eq (kwi_state_sync (all[i].state, NULL), 0);
}

/* As many as it can, the store being asked in between. */
static size_t
go (size_t i, size_t n)
{
  size_t went = 0, tries;

  for (tries = 0; tries < 3 * n && went < n; tries++) {
    went += (size_t) try_one (i);
    sync_one (i);
  }
  return went;
}

static void
land (size_t i, size_t n)
{
  for (; n > 0; n--) {
    ck_assert_uint_gt (n_flying[i], 0);
    kwi_keyring_leave (all[i].ring, &flying[i][--n_flying[i]], "m-1", 0, NULL);
  }
}

static size_t
on_key (size_t key)
{
  size_t i, j, n = 0;

  for (i = 0; i < PROCESSES; i++)
    for (j = 0; j < n_flying[i]; j++)
      n += flying[i][j].key == key;
  return n;
}

START_TEST (one_process_gets_all_places_when_it_needs_them)
{
  ck_assert_int_eq (try_one (0), 0);    /* the store was not asked yet */
  sync_one (0);
  ck_assert_uint_eq (go (0, 3 * PLACES + 2), 3 * PLACES);
  for (size_t k = 0; k < KEYS; k++)
    ck_assert_uint_eq (on_key (k), PLACES);
}
END_TEST

START_TEST (all_together_are_never_more_than_that)
{
  size_t i, went = 0;

  for (i = 0; i < PROCESSES; i++)
    went += go (i, 3 * PLACES);
  ck_assert_uint_eq (went, 3 * PLACES);
  for (size_t k = 0; k < KEYS; k++)
    ck_assert_uint_eq (on_key (k), PLACES);
}
END_TEST

START_TEST (the_first_key_comes_first_as_with_one_process)
{
  ck_assert_uint_eq (go (0, 2), 2);
  ck_assert_uint_eq (go (1, 2), 2);
  ck_assert_uint_eq (on_key (0), 4);
  ck_assert_uint_eq (go (2, 1), 1);
  ck_assert_uint_eq (on_key (1), 1);
}
END_TEST

START_TEST (places_that_are_not_needed_go_to_who_needs_them)
{
  ck_assert_uint_eq (go (0, 3 * PLACES), 3 * PLACES);
  ck_assert_uint_eq (go (1, 1), 0);
  land (0, 3 * PLACES);
  give_up (0);
  now += 1100;
  sync_one (0);                 /* lately it had used all */
  now += 1100;
  sync_one (0);                 /* and now none           */
  ck_assert_uint_eq (go (1, 3 * PLACES), 3 * PLACES);
}
END_TEST

START_TEST (who_is_busy_all_the_time_leaves_half_to_who_comes)
{
  int round;

  ck_assert_uint_eq (go (0, 3 * PLACES), 3 * PLACES);
  for (round = 0; round < 30; round++) {
    now += 600;
    (void) try_one (1);
    sync_one (1);
    land (0, 3);
    sync_one (0);
    (void) go (0, 3);
  }
  /* One of the two always has what the other lacks. */
  ck_assert_uint_ge (n_flying[1], 3 * PLACES / 4);
  ck_assert_uint_le (n_flying[0] + n_flying[1], 3 * PLACES);
}
END_TEST

/* Fewer places than processes, each of which would keep them busy for ever. */
START_TEST (who_are_more_than_the_places_take_turns)
{
  size_t i, served[PROCESSES] = { 0 };
  int step;

  end ();
  max_at_once = 1;
  setup ();
  for (i = 0; i < PROCESSES; i++)
    sync_one (i);
  for (step = 0; step < 2000; step++)
    for (i = 0; i < PROCESSES; i++) {
      if (n_flying[i] > 0) {
        land (i, 1);
        served[i]++;
      }
      (void) try_one (i);
      sync_one (i);
      now += 10;
      for (size_t k = 0; k < KEYS; k++)
        ck_assert_uint_le (on_key (k), 1);
    }
  for (i = 0; i < PROCESSES; i++)
    ck_assert_msg (served[i] > 300, "process %zu was served %zu times in 80 s", i,
                   served[i]);
}
END_TEST

START_TEST (who_dies_gives_back)
{
  ck_assert_uint_eq (go (0, 3 * PLACES), 3 * PLACES);
  n_flying[0] = 0;              /* nobody hears of it any more */
  now += 4000;
  ck_assert_uint_eq (go (1, 1), 0);
  now += 1500;
  ck_assert_uint_eq (go (1, 3 * PLACES), 3 * PLACES);
}
END_TEST

static void
ask_meanwhile (void)
{
  ck_assert_int_eq (try_one (0), 0);
}

START_TEST (who_asks_while_a_lease_is_given_back_is_heard)
{
  ck_assert_uint_eq (go (0, 1), 1);
  land (0, 1);
  now += 1100;
  sync_one (0);                 /* it had one lately */
  now += 1100;
  within_lease = ask_meanwhile;
  sync_one (0);
  ck_assert_int_eq (try_one (0), 1);
}
END_TEST

START_TEST (who_asks_for_more_while_a_lease_is_renewed_is_heard)
{
  ck_assert_uint_eq (go (0, 1), 1);
  now += 1100;
  within_lease = ask_meanwhile;
  sync_one (0);
  ck_assert_int_eq (try_one (0), 1);
}
END_TEST

START_TEST (who_ends_gives_back_at_once)
{
  ck_assert_uint_eq (go (0, 3 * PLACES), 3 * PLACES);
  land (0, 3 * PLACES);
  give_up (0);
  end_process (&all[0]);
  ck_assert_uint_eq (go (1, 3 * PLACES), 3 * PLACES);
}
END_TEST

START_TEST (while_the_store_is_away_each_process_has_them_to_itself)
{
  size_t i;

  ck_assert_uint_eq (go (0, 3 * PLACES), 3 * PLACES);
  is_away = 1;
  for (i = 0; i < 2; i++)
    ck_assert_int_eq (kwi_state_sync (all[i].state, NULL), KW_ERR_UNAVAILABLE);
  for (i = 0; i < 3 * PLACES; i++)
    ck_assert_int_eq (try_one (1), 1);
  ck_assert_int_eq (try_one (1), 0);
  is_away = 0;
  sync_one (0);
  sync_one (1);
  land (1, 1);
  ck_assert_uint_eq (go (1, 1), 0);     /* there are too many already */
  land (0, 3 * PLACES);
  sync_one (0);
}
END_TEST

START_TEST (at_random_there_are_never_too_many)
{
  size_t i, most = 0, k;
  int step;

  for (step = 0; step < 20000; step++) {
    i = below (PROCESSES);
    switch (below (4)) {
    case 0:
      (void) try_one (i);
      break;
    case 1:
      if (n_flying[i] > 0)
        land (i, 1);
      break;
    case 2:
      sync_one (i);
      break;
    default:
      now += (int64_t) below (60);      /* each syncs long before 5 s */
    }
    for (k = 0; k < KEYS; k++) {
      size_t n = on_key (k);
      ck_assert_msg (n <= PLACES, "step %d: %zu on key %zu", step, n, k);
      most = n > most ? n : most;
    }
  }
  ck_assert_uint_eq (most, PLACES);
}
END_TEST

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("places");
  TCase *t = tcase_create ("places");

  tcase_add_checked_fixture (t, begin, end);
  tcase_set_timeout (t, 60);
  tcase_add_test (t, one_process_gets_all_places_when_it_needs_them);
  tcase_add_test (t, all_together_are_never_more_than_that);
  tcase_add_test (t, the_first_key_comes_first_as_with_one_process);
  tcase_add_test (t, places_that_are_not_needed_go_to_who_needs_them);
  tcase_add_test (t, who_is_busy_all_the_time_leaves_half_to_who_comes);
  tcase_add_test (t, who_are_more_than_the_places_take_turns);
  tcase_add_test (t, who_dies_gives_back);
  tcase_add_test (t, who_asks_while_a_lease_is_given_back_is_heard);
  tcase_add_test (t, who_asks_for_more_while_a_lease_is_renewed_is_heard);
  tcase_add_test (t, who_ends_gives_back_at_once);
  tcase_add_test (t, while_the_store_is_away_each_process_has_them_to_itself);
  tcase_add_test (t, at_random_there_are_never_too_many);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (make_suite)

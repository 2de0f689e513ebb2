/* test_kin - rings that stand for the same server, as after a reload: places are counted
 * as one, come back to whoever waits, and a reset is of all. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "keyring.h"
#include "kwtest.h"
#include "ring-share.h"

#define HOUR INT64_C (3600000)

static atomic_uint_fast64_t seq, calls;
static struct kwi_keyring *older, *newer;

/* One that takes a place, or waits for it. */
struct caller {
  struct kwi_waiter waiter;     /* first: it is what is woken             */
  struct kwi_keyring *ring;
  struct kwi_hold hold;
  uint64_t call;
  atomic_int woken;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void
wake (struct kwi_waiter *w)
{
  struct caller *c = (struct caller *) (void *) w;

  (void) pthread_mutex_lock (&lock);
  atomic_store (&c->woken, 1);
  (void) pthread_cond_broadcast (&cond);
  (void) pthread_mutex_unlock (&lock);
}

/* A letter each is a key, and its fingerprint. */
static struct kwi_keyring *
ring (int max_concurrency, const char *keys)
{
  struct kwi_keyring *r = kwi_keyring_new (&seq, wake);

  kwi_keyring_strategy (r, KWI_PRIORITY, max_concurrency);
  for (; *keys != '\0'; keys++) {
    char name[2] = { *keys, '\0' };
    ck_assert_int_eq (kwi_keyring_add (r, name, name), 0);
  }
  return r;
}

static void
teardown (void)
{
  kwi_keyring_free (older);
  kwi_keyring_free (newer);
  older = newer = NULL;
}

static void
learn (struct kwi_keyring *r, struct kwi_keyring *from)
{
  ck_assert_int_eq (kwi_keyring_learn_from (r, from, 1, 1000), 0);
}

static int
look (struct caller *c)
{
  struct kwi_pick p;

  atomic_store (&c->woken, 0);
  kwi_keyring_pick (c->ring, "m", KWI_NO_KEY, c->call, &c->waiter, NULL, 1000, &p);
  c->hold = p.hold;
  if (p.picked != KWI_PICK_KEY)
    ck_assert_int_eq (p.picked, KWI_PICK_BUSY);
  return p.picked == KWI_PICK_KEY;
}

static int
go (struct caller *c, struct kwi_keyring *r)
{
  memset (c, 0, sizeof *c);
  c->ring = r;
  c->call = atomic_fetch_add (&calls, 1) + 1;
  return look (c);
}

/* Its key, or '-': it waits. */
static char
went (struct caller *c, struct kwi_keyring *r)
{
  return go (c, r) ? kwi_keyring_name (r, c->hold.key)[0] : '-';
}

static void
over (struct caller *c)
{
  kwi_keyring_leave (c->ring, &c->hold, "m", c->call, &c->waiter);
}

/* ---- Places ------------------------------------------------------------------------- */

START_TEST (what_is_under_way_takes_places_in_the_new_one)
{
  struct caller before[3], after[4];

  older = ring (2, "ab");
  newer = ring (2, "bca");      /* in another order, and with one more */
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq (went (&before[i], older), "aab"[i]);
  learn (newer, older);
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq (went (&after[i], newer), "bcc-"[i]);
  over (&before[0]);
  ck_assert_int_eq (atomic_load (&after[3].woken), 1);
  ck_assert (look (&after[3]));
  ck_assert_str_eq (kwi_keyring_name (newer, after[3].hold.key), "a");
  over (&before[1]);
  over (&before[2]);
  for (int i = 0; i < 4; i++)
    over (&after[i]);
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq (went (&after[i], newer), "bbcc"[i]);
  for (int i = 0; i < 4; i++)
    over (&after[i]);
}
END_TEST

START_TEST (and_what_the_new_one_has_takes_them_in_the_old_one)
{
  struct caller before, after[2];

  older = ring (2, "a");
  newer = ring (2, "a");
  learn (newer, older);
  for (int i = 0; i < 3; i++)
    learn (newer, older);       /* nothing is counted twice */
  ck_assert_int_eq (went (&after[0], newer), 'a');
  ck_assert_int_eq (went (&after[1], newer), 'a');
  ck_assert_int_eq (went (&before, older), '-');
  over (&after[0]);
  ck_assert_int_eq (atomic_load (&before.woken), 1);
  ck_assert (look (&before));
  over (&before);
  over (&after[1]);
}
END_TEST

/* Each has its own bound on what all have. */
START_TEST (a_bound_that_is_new_counts_what_had_none)
{
  struct caller before[3], after;

  older = ring (0, "a");
  newer = ring (2, "a");
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq (went (&before[i], older), 'a');
  learn (newer, older);
  ck_assert_int_eq (went (&after, newer), '-');
  over (&before[0]);
  (void) look (&after);
  ck_assert_uint_eq (after.hold.key, KWI_NO_KEY);
  over (&before[1]);
  ck_assert_int_eq (atomic_load (&after.woken), 1);
  ck_assert (look (&after));
  over (&after);
  over (&before[2]);
}
END_TEST

/* Two reloads, one shortly behind the other. */
START_TEST (of_three_all_are_counted)
{
  struct kwi_keyring *oldest = ring (0, "a");
  struct caller first, second, after;

  older = ring (0, "a");
  newer = ring (2, "a");
  ck_assert_int_eq (went (&first, oldest), 'a');
  learn (older, oldest);
  ck_assert_int_eq (went (&second, older), 'a');
  learn (newer, older);
  learn (newer, oldest);
  ck_assert_int_eq (went (&after, newer), '-');
  over (&first);
  kwi_keyring_free (oldest);
  ck_assert_int_eq (atomic_load (&after.woken), 1);
  ck_assert (look (&after));
  over (&after);
  over (&second);
}
END_TEST

START_TEST (keys_that_only_one_has_are_its_own)
{
  struct caller before, after;

  older = ring (1, "a");
  newer = ring (1, "b");
  learn (newer, older);
  ck_assert_int_eq (went (&before, older), 'a');
  ck_assert_int_eq (went (&after, newer), 'b');
  over (&before);
  over (&after);
}
END_TEST

/* ---- Who is first ------------------------------------------------------------------- */

START_TEST (who_waits_in_the_older_one_gets_the_next_place)
{
  struct caller has, before, after, late;

  older = ring (1, "a");
  newer = ring (1, "a");
  learn (newer, older);
  ck_assert_int_eq (went (&has, newer), 'a');
  ck_assert_int_eq (went (&before, older), '-');
  ck_assert_int_eq (went (&after, newer), '-');
  over (&has);
  ck_assert_int_eq (atomic_load (&before.woken), 1);
  (void) look (&after);         /* woken or not, it was faster */
  ck_assert_uint_eq (after.hold.key, KWI_NO_KEY);
  ck_assert_int_eq (went (&late, newer), '-');
  ck_assert (look (&before));
  over (&before);
  ck_assert_int_eq (atomic_load (&after.woken), 1);
  ck_assert (look (&after));
  over (&after);
  ck_assert_int_eq (atomic_load (&late.woken), 1);
  ck_assert (look (&late));
  over (&late);
}
END_TEST

/* As its time was over, or as it cannot go out on that key. */
START_TEST (a_place_that_it_does_not_take_is_anybodys)
{
  struct caller has, before, after;

  older = ring (1, "a");
  newer = ring (1, "a");
  learn (newer, older);
  ck_assert_int_eq (went (&has, newer), 'a');
  ck_assert_int_eq (went (&before, older), '-');
  ck_assert_int_eq (went (&after, newer), '-');
  over (&has);
  (void) look (&after);
  ck_assert_uint_eq (after.hold.key, KWI_NO_KEY);
  over (&before);               /* without having looked */
  ck_assert_int_eq (atomic_load (&after.woken), 1);
  ck_assert (look (&after));
  over (&after);
}
END_TEST

/* ---- Resets ------------------------------------------------------------------------- */

static int
is_free (struct kwi_keyring *r, size_t key)
{
  struct kwi_ring_view v;
  int found;

  ck_assert_int_eq (kwi_keyring_view (r, "m", 2000, &v), 0);
  found = v.keys[key].look.standing == KWI_FREE;
  kwi_ring_view_clear (&v);
  return found;
}

static void
run_out (struct kwi_keyring *r, size_t key)
{
  struct kwi_judgement j = { .outcome = KW_OUTCOME_DAILY_LIMIT, .scope = KW_SCOPE_ACCOUNT,
                             .wait_ms = HOUR, .input_tokens = -1, .output_tokens = -1 };
  struct kwi_hold hold = { .key = key };
  struct kwi_effect e;

  j.account[0] = (char) ('A' + key);
  kwi_keyring_report (r, &hold, "m", 1, NULL, &j, 1, -1, 1000, 1000, &e);
}

START_TEST (a_reset_is_of_both)
{
  older = ring (0, "ab");
  newer = ring (0, "ba");
  for (size_t key = 0; key < 2; key++)
    run_out (older, key);
  learn (newer, older);
  for (size_t key = 0; key < 2; key++) {
    ck_assert (!is_free (older, key));
    ck_assert (!is_free (newer, key));
  }
  kwi_keyring_reset (newer, 1, 1500);
  ck_assert (is_free (newer, 1));
  ck_assert (is_free (older, 0));       /* the same key */
  ck_assert (!is_free (newer, 0));
  ck_assert (!is_free (older, 1));
  kwi_keyring_reset (older, 2, 1600);   /* all */
  ck_assert (is_free (newer, 0));
  ck_assert (is_free (older, 1));
  learn (newer, older);                 /* and that is not undone */
  for (size_t key = 0; key < 2; key++)
    ck_assert (is_free (newer, key));
}
END_TEST

START_TEST (who_waits_for_a_limit_in_the_older_one_is_woken)
{
  struct kwi_judgement j = { .outcome = KW_OUTCOME_RATE_LIMIT, .scope = KW_SCOPE_KEY,
                             .wait_ms = HOUR };
  struct caller before;
  struct kwi_effect e;
  size_t ahead;

  older = ring (0, "a");
  newer = ring (0, "a");
  kwi_keyring_pace (older, 0, 1);
  ck_assert_int_eq (went (&before, older), 'a');
  kwi_keyring_report (older, &before.hold, "m", before.call, NULL, &j, 0, -1, 1000, 1000, &e);
  ck_assert_int_eq (kwi_keyring_line_up (older, &before.hold, "m", before.call,
                                         &before.waiter, &j, HOUR, 1000, 1000, &ahead), 0);
  learn (newer, older);
  ck_assert_int_eq (atomic_load (&before.woken), 0);
  kwi_keyring_reset (newer, 0, 1500);
  ck_assert_int_eq (atomic_load (&before.woken), 1);
  ck_assert (look (&before));
  over (&before);
}
END_TEST

/* The other way in which a call ends. */
static void
served (struct caller *c)
{
  struct kwi_judgement j = { .outcome = KW_OUTCOME_OK, .wait_ms = -1, .input_tokens = -1,
                             .output_tokens = -1 };
  struct kwi_effect e;

  kwi_keyring_report (c->ring, &c->hold, "m", c->call, NULL, &j, 0, -1, 1000, 1000, &e);
  over (c);
}

START_TEST (who_is_served_gives_a_place_back)
{
  struct caller before, after;

  older = ring (1, "a");
  newer = ring (1, "a");
  ck_assert_int_eq (went (&before, older), 'a');
  learn (newer, older);
  ck_assert_int_eq (went (&after, newer), '-');
  served (&before);
  ck_assert_int_eq (atomic_load (&after.woken), 1);
  ck_assert (look (&after));
  served (&after);
}
END_TEST

/* ---- Threads ------------------------------------------------------------------------ */

enum { PLACES = 1, THREADS = 4, KEYS = 2 };

static atomic_uint on_key[KEYS];
static atomic_int joined;

static void
wait_to_be_woken (struct caller *c)
{
  struct timespec until;

  (void) clock_gettime (CLOCK_REALTIME, &until);
  until.tv_sec += 60;
  (void) pthread_mutex_lock (&lock);
  while (!atomic_load (&c->woken))
    ck_assert_msg (pthread_cond_timedwait (&cond, &lock, &until) == 0, "it waits for ever");
  (void) pthread_mutex_unlock (&lock);
}

static void *
take_and_give (void *user)
{
  struct kwi_keyring *r = user;
  int is_newer = r == newer;
  struct caller c;

  for (int i = 0; i < kwtest_scaled (40000); i++) {
    int counts = atomic_load (&joined);
    size_t at;
    unsigned n;
    memset (&c, 0, sizeof c);
    c.ring = r;
    c.call = atomic_fetch_add (&calls, 1) + 1;
    while (!look (&c)) {
      wait_to_be_woken (&c);
      counts = atomic_load (&joined);
    }
    at = is_newer ? KEYS - 1 - c.hold.key : c.hold.key;
    n = atomic_fetch_add (&on_key[at], 1) + 1;
    ck_assert_msg (!counts || n <= PLACES, "%u at once", n);
    if (i % 2 == 0)
      (void) sched_yield ();
    (void) atomic_fetch_sub (&on_key[at], 1);
    if (i % 3 == 0)
      served (&c);
    else
      over (&c);
  }
  return NULL;
}

/* Those that were taken before they were kin are over some time. */
START_TEST (of_many_threads_never_too_many_have_one)
{
  pthread_t threads[THREADS];

  older = ring (PLACES, "ab");
  newer = ring (PLACES, "ba");
  for (int i = 0; i < THREADS; i++)
    ck_assert_int_eq (pthread_create (&threads[i], NULL, take_and_give,
                                      i % 2 == 0 ? older : newer), 0);
  for (int i = 0; i < kwtest_scaled (200); i++) {
    learn (newer, older);
    atomic_store (&joined, 1);
    kwi_keyring_reset (i % 2 == 0 ? older : newer, KEYS, 1000);
  }
  for (int i = 0; i < THREADS; i++)
    (void) pthread_join (threads[i], NULL);
}
END_TEST

/* One ring goes while the other is at work, again and again. */
START_TEST (a_ring_may_go_at_any_time)
{
  struct caller c[PLACES * KEYS];
  pthread_t threads[2];

  newer = ring (PLACES, "ba");
  for (int i = 0; i < 2; i++)
    ck_assert_int_eq (pthread_create (&threads[i], NULL, take_and_give, newer), 0);
  for (int i = 0; i < kwtest_scaled (300); i++) {
    older = ring (PLACES, "ab");
    learn (newer, older);
    atomic_store (&joined, 1);
    for (int k = 0; k < PLACES * KEYS; k++)
      (void) go (&c[k], older);
    for (int k = 0; k < PLACES * KEYS; k++)
      over (&c[k]);
    kwi_keyring_free (older);
    older = NULL;
  }
  for (int i = 0; i < 2; i++)
    (void) pthread_join (threads[i], NULL);
}
END_TEST

static Suite *
kin_suite (void)
{
  Suite *s = suite_create ("kin");
  TCase *c = tcase_create ("kin");

  tcase_set_timeout (c, 120);
  tcase_add_checked_fixture (c, NULL, teardown);
  tcase_add_test (c, what_is_under_way_takes_places_in_the_new_one);
  tcase_add_test (c, and_what_the_new_one_has_takes_them_in_the_old_one);
  tcase_add_test (c, a_bound_that_is_new_counts_what_had_none);
  tcase_add_test (c, of_three_all_are_counted);
  tcase_add_test (c, who_is_served_gives_a_place_back);
  tcase_add_test (c, keys_that_only_one_has_are_its_own);
  tcase_add_test (c, who_waits_in_the_older_one_gets_the_next_place);
  tcase_add_test (c, a_place_that_it_does_not_take_is_anybodys);
  tcase_add_test (c, a_reset_is_of_both);
  tcase_add_test (c, who_waits_for_a_limit_in_the_older_one_is_woken);
  tcase_add_test (c, of_many_threads_never_too_many_have_one);
  tcase_add_test (c, a_ring_may_go_at_any_time);
  suite_add_tcase (s, c);
  return s;
}

KW_MAIN (kin_suite)

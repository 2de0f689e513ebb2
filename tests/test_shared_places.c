/* test_shared_places - max_concurrency of the whole product: processes that share
 * a state, and how many requests on a key the simulator sees at once. */
#include "clikit.h"

#include <inttypes.h>
#include <time.h>

#include "rediskit.h"
#include "sharekit.h"

enum { SHARERS = 6, PLACES = 2, KEYS = 2, DELAY_MS = 40 };

static struct proc *crowd[SHARERS];

static void
begin_sharers (const char *state, const char *n, const char *threads)
{
  const char *sharer = format ("%s/tests/sharer", kwtest_builddir ());
  const char *text;

  sim = simctl_startl ("--fault", format ("delay=%d", DELAY_MS), "--key",
                       SECRET "a,name=a", "--key", SECRET "b,name=b", NULL);
  text = format ("[keywheel]\nstate = %s\n[provider groq]\nbase_url = %s\n"
                 "max_concurrency = %d\n[key groq/a]\nenv = KEY_A\n[key groq/b]\n"
                 "env = KEY_B\n", state, simctl_base_url (sim), PLACES);
  write_file ("keywheel.ini", text, strlen (text));
  set_env ("KEY_A=" SECRET "a");
  set_env ("KEY_B=" SECRET "b");
  for (size_t i = 0; i < SHARERS; i++) {
    const char *argv[] = { sharer, format ("%s/keywheel.ini", dir), n,
                           format ("%s/log-%zu", dir, i), "0", threads, NULL };
    crowd[i] = proc_start (argv, environment);
  }
}

/* The most that were on the key (NULL: on all) at once, of those that came behind
 * since_us: each is there for as long as the simulator delays it, and longer. */
static size_t
most_at_once (const char *key, int64_t since_us)
{
  struct simctl_log log;
  size_t most = 0;

  simctl_read_log (sim, &log);
  for (size_t i = 0; i < log.count; i++) {
    const struct simctl_entry *e = &log.entries[i];
    size_t n = 0;
    if (e->mono_us < since_us || (key != NULL && strcmp (e->key, key) != 0))
      continue;
    for (size_t j = 0; j < log.count; j++) {
      const struct simctl_entry *o = &log.entries[j];
      n += o->mono_us >= since_us && (key == NULL || strcmp (o->key, key) == 0)
           && o->mono_us <= e->mono_us
           && e->mono_us < o->mono_us + DELAY_MS * INT64_C (1000);
    }
    most = n > most ? n : most;
  }
  simctl_log_clear (&log);
  return most;
}

static void
never_too_many (void)
{
  ck_assert_uint_le (most_at_once ("a", 0), PLACES);
  ck_assert_uint_le (most_at_once ("b", 0), PLACES);
}

/* How often the store was away for it: then it had all places to itself. */
static int
end_sharer (size_t i, int is_killed)
{
  struct proc_result r;
  int n;

  proc_finish (crowd[i], &r, PATIENCE_MS);
  ck_assert_msg (is_killed || r.status == 0, "sharer %zu ended with %d: %s", i, r.status, r.err);
  n = sharekit_times_away ((int) i, r.err, is_killed);
  proc_result_clear (&r);
  return n;
}

static void
six_processes_are_never_more_than_two_on_a_key (const char *state)
{
  int n_away = 0;

  begin_sharers (state, "10", "3");
  for (size_t i = 0; i < SHARERS; i++)
    n_away += end_sharer (i, 0);
  ck_assert_uint_eq (simctl_count (sim, NULL, "ok"), SHARERS * 3 * 10);
  if (n_away > 0) {
    fprintf (stderr, "(the store did not answer in time: not counted)\n");
    return;
  }
  never_too_many ();
  /* And as many as may be are. */
  ck_assert_uint_eq (most_at_once ("a", 0), PLACES);
  ck_assert_uint_eq (most_at_once ("b", 0), PLACES);
}

static int64_t
now_us (void)
{
  struct timespec ts;

  (void) clock_gettime (CLOCK_MONOTONIC, &ts);
  return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* All but one are killed in the middle: that one has in the end all places. */
static void
the_places_of_the_dead_come_back (const char *state)
{
  const struct timespec pause = { 0, 50000000 };
  int64_t killed_us;
  int n_away = 0;

  begin_sharers (state, "0", "4");
  for (size_t i = 0; i < SHARERS; i++)
    ck_assert_str_eq (proc_read_line (crowd[i], PATIENCE_MS), "ready");
  while (simctl_count (sim, NULL, "ok") < 50)
    (void) nanosleep (&pause, NULL);
  for (size_t i = 1; i < SHARERS; i++)
    proc_signal (crowd[i], 9);
  for (size_t i = 1; i < SHARERS; i++)
    n_away += end_sharer (i, 1);
  /* Behind what they had under way. */
  killed_us = now_us () + DELAY_MS * 1000;
  while (most_at_once (NULL, killed_us) < KEYS * PLACES) {
    (void) nanosleep (&pause, NULL);
    ck_assert_msg (now_us () - killed_us < 60 * INT64_C (1000000), "%zu places of %d came back",
                   most_at_once (NULL, killed_us), KEYS * PLACES);
  }
  proc_signal (crowd[0], 9);
  n_away += end_sharer (0, 1);
  if (n_away == 0)
    never_too_many ();
}

static const char *
by_sqlite (void)
{
  return format ("sqlite:%s/state.db", dir);
}

START_TEST (sqlite_six_processes_are_never_more_than_two_on_a_key)
{
  six_processes_are_never_more_than_two_on_a_key (by_sqlite ());
}
END_TEST

START_TEST (sqlite_the_places_of_the_dead_come_back)
{
  the_places_of_the_dead_come_back (by_sqlite ());
}
END_TEST

START_TEST (redis_six_processes_are_never_more_than_two_on_a_key)
{
  six_processes_are_never_more_than_two_on_a_key (rediskit_spec ());
}
END_TEST

START_TEST (redis_the_places_of_the_dead_come_back)
{
  the_places_of_the_dead_come_back (rediskit_spec ());
}
END_TEST

static void
with_redis (void)
{
  set_up ();
  rediskit_start (&(struct rediskit_how) { .real_clock = 1 });
}

static void
without_redis (void)
{
  tear_down ();
  rediskit_stop ();
  rediskit_clear ();
}

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("shared_places");
  TCase *t = tcase_create ("sqlite");

  tcase_add_checked_fixture (t, set_up, tear_down);
  tcase_set_timeout (t, 180);
  tcase_add_test (t, sqlite_six_processes_are_never_more_than_two_on_a_key);
  tcase_add_test (t, sqlite_the_places_of_the_dead_come_back);
  suite_add_tcase (s, t);
  if (rediskit_program () == NULL)
    return s;
  t = tcase_create ("redis");
  tcase_add_checked_fixture (t, with_redis, without_redis);
  tcase_set_timeout (t, 180);
  tcase_add_test (t, redis_six_processes_are_never_more_than_two_on_a_key);
  tcase_add_test (t, redis_the_places_of_the_dead_come_back);
  suite_add_tcase (s, t);
  return s;
}

int
main (void)
{
  return rediskit_run_partly (make_suite ());
}

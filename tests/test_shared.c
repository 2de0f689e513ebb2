/* test_shared - the whole product with a shared state: processes that make
 * requests, the simulator, and the program that looks at it and resets. */
#include "clikit.h"

#include <inttypes.h>
#include <time.h>

#include <sqlite3.h>

#include "rediskit.h"
#include "sharekit.h"

/* Of each process, and how long it rests between two. */
enum { SHARERS = 20, REQUESTS = 125, PACE_US = 80000 };

static char sharer[TEXT_MAX];
static struct proc *crowd[SHARERS];

static int64_t
now_ms (void)
{
  struct timespec ts;

  (void) clock_gettime (CLOCK_MONOTONIC, &ts);
  return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The same state for the program and for the sharers. */
static const char *
state_file (void)
{
  return format ("%s/state.db", dir);
}

static void
share_ini (const char *state)
{
  const char *text = format (
    "[keywheel]\nstate = %s\n[provider groq]\nbase_url = %s\nbackoff_initial = 1ms\n"
    "max_retries = 100\n"
    "[key groq/a]\nenv = KEY_A\n[key groq/b]\nenv = KEY_B\n[key groq/c]\nenv = KEY_C\n"
    "[key groq/d]\nenv = KEY_D\n", state, simctl_base_url (sim));

  write_file ("keywheel.ini", text, strlen (text));
  set_env (ini);
  set_env ("KEY_A=" SECRET "a");
  set_env ("KEY_B=" SECRET "b");
  set_env ("KEY_C=" SECRET "c");
  set_env ("KEY_D=" SECRET "d");
  ck_assert_int_lt (snprintf (sharer, sizeof sharer, "%s/tests/sharer",
                              kwtest_builddir ()), (int) sizeof sharer);
}

static const char *
log_of (size_t i)
{
  return format ("%s/log-%zu", dir, i);
}

static void
begin_sharer (size_t i, const char *n, const char *pace_us)
{
  const char *argv[] = { sharer, format ("%s/keywheel.ini", dir), n, log_of (i),
                         pace_us, NULL };

  crowd[i] = proc_start (argv, environment);
}

/* How often the store was away for it. */
static int
end_sharer (size_t i)
{
  struct proc_result r;
  int n;

  proc_finish (crowd[i], &r, PATIENCE_MS);
  crowd[i] = NULL;
  ck_assert_msg (r.status == 0, "sharer %zu ended with %d: %s", i, r.status, r.err);
  n = sharekit_times_away ((int) i, r.err, 1);
  proc_result_clear (&r);
  return n;
}

/* ---- A crowd ---------------------------------------------------------------------- */

/* What a sharer that had asked a key was told by it, that its day is over: how often.
 * From whoever knows of it by another, nothing more goes there. */
static size_t
refusals (size_t sharer_i, const char *key)
{
  FILE *f = fopen (log_of (sharer_i), "r");
  uint64_t seq, told = UINT64_MAX, last = 0;
  char of[16], verdict[32];
  size_t n = 0;

  ck_assert_ptr_nonnull (f);
  while (fscanf (f, "%15s %31s %" SCNu64, of, verdict, &seq) == 3) {
    if (strcmp (of, key) != 0)
      continue;
    if (strcmp (verdict, "told") == 0)
      told = seq < told ? seq : told;
    last = seq > last && strcmp (verdict, "told") != 0 ? seq : last;
    n += strcmp (verdict, "DAILY_LIMIT") == 0;
  }
  ck_assert_int_eq (fclose (f), 0);
  ck_assert_msg (last < told, "sharer %zu sent a request to key %s, whose day it knew to be "
                 "over", sharer_i, key);
  return n;
}

static size_t
refusals_of_all (const char *key)
{
  size_t n = 0;

  for (size_t i = 0; i < SHARERS; i++)
    n += refusals (i, key);
  return n;
}

/* What a process has found out is told to the others behind its back. */
static void
await_status (const char *text)
{
  int64_t began = now_ms ();

  do {
    ck_assert_msg (now_ms () - began < PATIENCE_MS, "no \"%s\" in: %s", text, got.out);
    run ("status", NULL);
  }
  while (strstr (got.out, text) == NULL);
}

/* Each rests for a while between two requests, so that few are on their way at a
 * time: if they did not tell each other, each of the twenty would run into each of
 * the three keys. */
static void
twenty_processes_waste_nothing (const char *state)
{
  static const char *const keys[] = { "a", "b", "c" };
  const int requests = kwtest_scaled (REQUESTS);
  size_t total = 0;
  int n_away = 0;
  const char *limit = format ("%d", requests * SHARERS / 5 * 34);

  /* 2 + 32 tokens each: three keys serve a fifth of all each, and run out.  Of all
   * there are so few that none has room for another one before minutes have passed. */
  sim = simctl_startl ("--fault", "delay=5",
                       "--key", format (SECRET "a,name=a,tpd=%s", limit),
                       "--key", format (SECRET "b,name=b,tpd=%s", limit),
                       "--key", format (SECRET "c,name=c,tpd=%s", limit),
                       "--key", SECRET "d,name=d", NULL);
  share_ini (state);
  for (size_t i = 0; i < SHARERS; i++)
    begin_sharer (i, format ("%d", requests), format ("%d", PACE_US * kwtest_slower ()));
  for (size_t i = 0; i < SHARERS; i++)
    n_away += end_sharer (i);
  for (size_t i = 0; i < 3; i++) {
    size_t n = refusals_of_all (keys[i]);
    ck_assert_msg (n >= 1, "key %s never ran out", keys[i]);
    printf ("%s, key %s: %zu refusals\n", strncmp (state, "redis", 5) == 0 ? "redis" : "sqlite",
            keys[i], n);
    total += n;
  }
  ck_assert_msg (n_away > 0 || total <= 3 * SHARERS * 3 / 4,
                 "%zu refusals: they did not tell each other", total);
  /* And whoever comes later knows it, and what all have used. */
  await_status ("groq: 1 of 4 keys available, 3 exhausted\n");
  ENDS_WITH (0);
  ck_assert_uint_eq (simctl_count (sim, NULL, "ok"), (size_t) (SHARERS * requests));
}

/* Sooner than by a look now and then. */
enum { AT_ONCE_MS = 1000 };

static void
a_reset_reaches_who_is_running (const char *state)
{
  int64_t least = INT64_MAX;

  sim = simctl_startl ("--key", SECRET "a,name=a,tpd=100", "--key", SECRET "b,name=b",
                       "--key", SECRET "c,name=c", "--key", SECRET "d,name=d", NULL);
  share_ini (state);
  begin_sharer (0, "0", "2000");
  ck_assert (proc_expect (crowd[0], 1, "\nb\n", PATIENCE_MS));
  /* As often as it takes: the machine may have other things to do. */
  for (size_t n = 2; n < 10 && least >= AT_ONCE_MS; n++) {
    int64_t began;
    await_status ("groq: 3 of 4 keys available, 1 exhausted\n");
    began = now_ms ();
    run ("reset", "a", NULL);
    ENDS_WITH (0);
    PRINTS ("groq/a: reset, was exhausted\n");
    /* It tries a again, which says once more that its day is over. */
    while (simctl_count (sim, "a", "tpd") < n)
      ck_assert_int_lt (now_ms () - began, PATIENCE_MS);
    least = now_ms () - began < least ? now_ms () - began : least;
  }
  ck_assert_int_lt (least, AT_ONCE_MS);
  ck_assert_ptr_nonnull (proc_read_line (crowd[0], PATIENCE_MS));
  proc_signal (crowd[0], 15);
  proc_finish (crowd[0], NULL, PATIENCE_MS);
}

START_TEST (sqlite_twenty_processes_waste_nothing)
{
  sqlite3 *db;
  sqlite3_stmt *st;

  twenty_processes_waste_nothing (format ("sqlite:%s", state_file ()));
  ck_assert_int_eq (sqlite3_open (state_file (), &db), SQLITE_OK);
  ck_assert_int_eq (sqlite3_prepare_v2 (db, "PRAGMA integrity_check", -1, &st, NULL),
                    SQLITE_OK);
  ck_assert_int_eq (sqlite3_step (st), SQLITE_ROW);
  ck_assert_str_eq ((const char *) sqlite3_column_text (st, 0), "ok");
  (void) sqlite3_finalize (st);
  (void) sqlite3_close (db);
}
END_TEST

START_TEST (sqlite_a_reset_reaches_who_is_running)
{
  a_reset_reaches_who_is_running (format ("sqlite:%s", state_file ()));
}
END_TEST

START_TEST (redis_twenty_processes_waste_nothing)
{
  twenty_processes_waste_nothing (rediskit_spec ());
}
END_TEST

START_TEST (redis_a_reset_reaches_who_is_running)
{
  a_reset_reaches_who_is_running (rediskit_spec ());
}
END_TEST

/* ---- kill -9 ------------------------------------------------------------------------ */

START_TEST (sqlite_outlives_fifty_rounds_of_kill_9)
{
  sqlite3 *db;
  sqlite3_stmt *st;

  sim = simctl_startl ("--key", SECRET "a,name=a,tpd=2000", "--key", SECRET "b,name=b",
                       "--key", SECRET "c,name=c", "--key", SECRET "d,name=d", NULL);
  share_ini (format ("sqlite:%s", state_file ()));
  for (int round = 0; round < 50; round++) {
    for (size_t i = 0; i < 3; i++)
      begin_sharer (i, "0", NULL);
    for (size_t i = 0; i < 3; i++) {
      for (int line = 0; line <= round % 8; line++)
        ck_assert_ptr_nonnull (proc_read_line (crowd[i], PATIENCE_MS));
      proc_signal (crowd[i], 9);
      proc_finish (crowd[i], NULL, PATIENCE_MS);
    }
    ck_assert_int_eq (sqlite3_open (state_file (), &db), SQLITE_OK);
    ck_assert_int_eq (sqlite3_prepare_v2 (db, "PRAGMA integrity_check", -1, &st,
                                          NULL), SQLITE_OK);
    ck_assert_int_eq (sqlite3_step (st), SQLITE_ROW);
    ck_assert_str_eq ((const char *) sqlite3_column_text (st, 0), "ok");
    (void) sqlite3_finalize (st);
    (void) sqlite3_close (db);
  }
  run ("status", NULL);
  ENDS_WITH (0);
  ck_assert_str_eq (got.err, "");       /* nothing was set aside */
  PRINTS_SOME ("groq: 3 of 4 keys available, 1 exhausted\n");
}
END_TEST

/* ---- Other ways to look -------------------------------------------------------------- */

START_TEST (watch_tells_of_what_others_find_out)
{
  const char *argv[] = { program, "status", "--watch", NULL };
  struct proc *watch;

  sim = simctl_startl ("--key", SECRET "a,name=a,tpd=60", "--key", SECRET "b,name=b",
                       "--key", SECRET "c,name=c", "--key", SECRET "d,name=d", NULL);
  share_ini (format ("sqlite:%s", state_file ()));
  watch = proc_start (argv, environment);
  ck_assert (proc_expect (watch, 1, "groq/a available\n", PATIENCE_MS));
  run ("chat", "hi", NULL);
  run ("chat", "hi", NULL);
  ENDS_WITH (0);
  ck_assert (proc_expect (watch, 1, "groq/a exhausted: tokens_per_day for "
                          "llama-3.3-70b-versatile, comes back: ", PATIENCE_MS));
  run ("reset", NULL);
  ck_assert (proc_expect (watch, 1, "groq/a exhausted", PATIENCE_MS));
  proc_signal (watch, 2);
  proc_result_clear (&got);
  proc_finish (watch, &got, PATIENCE_MS);
  ENDS_WITH (130);
  ck_assert_ptr_null (strchr (got.out, '\033'));
}
END_TEST

START_TEST (memory_is_shared_with_nobody)
{
  sim = simctl_startl ("--key", SECRET "a,name=a,tpd=60", "--key", SECRET "b,name=b",
                       "--key", SECRET "c,name=c", "--key", SECRET "d,name=d", NULL);
  share_ini ("memory");
  run ("chat", "hi", NULL);
  run ("chat", "hi", NULL);
  run ("status", NULL);
  PRINTS_SOME ("groq: 4 of 4 keys available, 0 exhausted\n");
  PRINTS_SOME ("\nstate: memory\n");
  SAYS ("note: state = memory");
  run ("reset", NULL);
  SAYS ("note: state = memory, so other running processes are not reached");
}
END_TEST

START_TEST (check_says_which_state_is_in_force)
{
  sim = simctl_startl ("--key", SECRET "a,name=a", "--key", SECRET "b,name=b",
                       "--key", SECRET "c,name=c", "--key", SECRET "d,name=d", NULL);
  share_ini (format ("sqlite:%s", state_file ()));
  run ("check", NULL);
  ENDS_WITH (0);
  PRINTS_SOME (format (": fine: 1 provider, 4 keys\nstate: %s\n", state_file ()));
  share_ini ("memory");
  run ("check", NULL);
  PRINTS_SOME ("\nstate: memory\n");
  ck_assert_str_eq (got.err, "");
  /* Nobody asked for this one, and it cannot be. */
  set_env ("HOME");
  set_env ("XDG_STATE_HOME");
  set_env ("GROQ_API_KEY=" SECRET "a");
  write_ini ("%s", "");
  run ("check", NULL);
  ENDS_WITH (0);
  PRINTS_SOME (", 1 warning\nstate: memory\n");
  SAYS ("warning: the state is kept in memory: ");
}
END_TEST

START_TEST (a_reset_that_reaches_nobody_says_so)
{
  sim = simctl_startl ("--key", SECRET "a,name=a", "--key", SECRET "b,name=b",
                       "--key", SECRET "c,name=c", "--key", SECRET "d,name=d", NULL);
  share_ini ("redis://127.0.0.1:1/0");
  run ("reset", NULL);
  ENDS_WITH (7);
  SAYS ("the state could not be shared: ");
  SAYS ("127.0.0.1:1");
  run ("chat", "hi", NULL);
  ENDS_WITH (0);                /* and requests go on */
  SAYS ("going on in memory");
}
END_TEST

START_TEST (fingerprints_are_of_the_state)
{
  char first[32], *f;

  sim = simctl_startl ("--key", SECRET "a,name=a", "--key", SECRET "b,name=b",
                       "--key", SECRET "c,name=c", "--key", SECRET "d,name=d", NULL);
  share_ini (format ("sqlite:%s", state_file ()));
  run ("status", "--json", NULL);
  ENDS_WITH (0);
  f = strstr (got.out, "\"fingerprint\": \"");
  ck_assert_ptr_nonnull (f);
  (void) memccpy (first, f, ',', sizeof first - 1);
  first[31] = '\0';
  run ("status", "--json", NULL);
  ck_assert_ptr_nonnull (strstr (got.out, first));
  /* With another key of the fingerprints they are others. */
  set_env (format ("XDG_STATE_HOME=%s/other", dir));
  run ("status", "--json", NULL);
  ENDS_WITH (0);
  ck_assert_ptr_null (strstr (got.out, first));
}
END_TEST

static void
with_redis (void)
{
  set_up ();
  rediskit_begin ();
}

static void
without_redis (void)
{
  tear_down ();
  rediskit_end ();
}

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("shared");
  TCase *t = tcase_create ("sqlite");

  tcase_add_checked_fixture (t, set_up, tear_down);
  tcase_set_timeout (t, 180);
  tcase_add_test (t, sqlite_twenty_processes_waste_nothing);
  tcase_add_test (t, sqlite_a_reset_reaches_who_is_running);
  tcase_add_test (t, sqlite_outlives_fifty_rounds_of_kill_9);
  tcase_add_test (t, watch_tells_of_what_others_find_out);
  tcase_add_test (t, memory_is_shared_with_nobody);
  tcase_add_test (t, check_says_which_state_is_in_force);
  tcase_add_test (t, a_reset_that_reaches_nobody_says_so);
  tcase_add_test (t, fingerprints_are_of_the_state);
  suite_add_tcase (s, t);
  if (rediskit_program () == NULL)
    return s;
  t = tcase_create ("redis");
  tcase_add_checked_fixture (t, with_redis, without_redis);
  tcase_set_timeout (t, 180);
  tcase_add_test (t, redis_twenty_processes_waste_nothing);
  tcase_add_test (t, redis_a_reset_reaches_who_is_running);
  suite_add_tcase (s, t);
  return s;
}

int
main (void)
{
  return rediskit_run_partly (make_suite ());
}

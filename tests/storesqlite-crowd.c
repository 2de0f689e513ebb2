/* test_store_sqlite: many processes at once, and processes that are killed. */
#include "storesqlite.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CROWD = 20, SYNCS = 40 };

static void
write_and_read (int i, void *user)
{
  struct storekit *k = storekit_open (NULL);
  char own[32];

  (void) user;
  (void) snprintf (own, sizeof own, "block %d", i);
  for (int j = 1; j <= SYNCS; j++) {
    struct kw_store_fact facts[] = {
      { own, "own", j, 0, STOREKIT_NEVER }, { "block all", own, j, i, STOREKIT_NEVER },
    };
    struct kw_store_count count = { "all", 1 };
    struct kw_store_lease lease = { sizeof lease, CROWD, 1, 0, "l", 60000 };
    uint32_t granted = 0;

    ck_assert_msg (storekit_sync (k, facts, 2, &count, 1) == 0, "%s", k->why.text);
    ck_assert_int_eq (k->store->lease (k->handle, &lease, &granted, &k->why), 0);
    ck_assert_uint_eq (granted, 1);
    storekit_read (k);
  }
  storekit_gate ();
  storekit_read (k);
  for (int j = 0; j < CROWD; j++) {
    (void) snprintf (own, sizeof own, "block %d", j);
    storekit_expect (k, own, SYNCS, 0, "own");
  }
  storekit_expect (k, "block all", SYNCS, CROWD - 1, "block 19");
  ck_assert_int_eq (storekit_total (k, "all"), CROWD * SYNCS);
  ck_assert_str_eq (k->log, "");
  storekit_close (k);
}

START_TEST (twenty_processes_write_and_read_at_once)
{
  storekit_processes (CROWD, write_and_read, NULL);
  sqlite_expect_sound (sqlite_file);
  ck_assert_int_eq (sqlite_count_files (""), 1);
}
END_TEST

/* ---- kill -9 ------------------------------------------------------------------------- */

enum { WRITERS = 3, ROUNDS = 50 };       /* rounds: divided by KW_TEST_SCALE */

/* How far each writer is, in memory that they share with the test. */
struct progress {
  int64_t tried, kept;
};

static void
write_for_ever (int i, struct progress *p)
{
  struct storekit *k = storekit_open (NULL);
  char name[32], value[200];

  memset (value, 'v', sizeof value - 1);
  value[sizeof value - 1] = '\0';
  (void) snprintf (name, sizeof name, "block %d", i);
  for (;;) {
    int64_t n = __atomic_add_fetch (&p->tried, 1, __ATOMIC_SEQ_CST);
    struct kw_store_fact facts[] = {
      { name, value, n, 0, STOREKIT_NEVER }, { "block all", name, n, i, STOREKIT_NEVER },
    };
    struct kw_store_count count = { name, 1 };

    if (storekit_sync (k, facts, 2, &count, 1) != 0)
      _exit (1);
    (void) __atomic_store_n (&p->kept, n, __ATOMIC_SEQ_CST);
  }
}

static int64_t
kept (const struct progress *all)
{
  int64_t sum = 0;

  for (int i = 0; i < WRITERS; i++)
    sum += __atomic_load_n (&all[i].kept, __ATOMIC_SEQ_CST);
  return sum;
}

static void
expect_all_kept (const struct progress *all)
{
  struct storekit *k = storekit_open (NULL);
  char name[32];

  storekit_read (k);
  ck_assert_str_eq (k->log, "");
  for (int i = 0; i < WRITERS; i++) {
    const struct storekit_fact *f;

    (void) snprintf (name, sizeof name, "block %d", i);
    f = storekit_fact (k, name);
    ck_assert_msg (all[i].kept == 0 || f != NULL, "%s is lost", name);
    if (f == NULL)
      continue;
    ck_assert_int_ge (f->major, all[i].kept);
    ck_assert_int_le (f->major, all[i].tried);
    /* Together with the fact or not at all: a batch that was under way each time. */
    ck_assert_int_ge (storekit_total (k, name), all[i].kept - ROUNDS);
    ck_assert_int_le (storekit_total (k, name), f->major);
  }
  storekit_close (k);
}

START_TEST (killed_writers_neither_damage_the_file_nor_lose_what_was_kept)
{
  struct progress *all = storekit_shared (WRITERS * sizeof *all);
  const char *scale = getenv ("KW_TEST_SCALE");
  long n = scale != NULL ? strtol (scale, NULL, 10) : 1;
  long rounds = n > 1 ? ROUNDS / n + 1 : ROUNDS;
  uint64_t state = 1;

  for (int round = 0; round < rounds; round++) {
    int64_t enough = kept (all) + 1 + storekit_random (&state, 60);
    int64_t deadline = storekit_ticks () + 50000;
    pid_t pids[WRITERS];

    for (int i = 0; i < WRITERS; i++) {
      pids[i] = fork ();
      ck_assert_int_ge (pids[i], 0);
      if (pids[i] == 0)
        write_for_ever (i, &all[i]);
    }
    while (kept (all) < enough && storekit_ticks () < deadline)
      (void) sched_yield ();
    for (int i = 0; i < WRITERS; i++)
      ck_assert_int_eq (kill (pids[i], SIGKILL), 0);
    for (int i = 0; i < WRITERS; i++) {
      int status = 0;

      ck_assert_int_eq (waitpid (pids[i], &status, 0), pids[i]);
      ck_assert_msg (WIFSIGNALED (status), "writer %d ended with %#x", i, (unsigned) status);
    }
    ck_assert_int_ge (kept (all), enough);
    sqlite_expect_sound (sqlite_file);
    expect_all_kept (all);
  }
  ck_assert_int_eq (sqlite_count_files (".damaged"), 0);
}
END_TEST

void
sqlite_add_crowd (Suite *suite)
{
  TCase *t = storekit_case (suite, "crowd");

  tcase_add_test (t, twenty_processes_write_and_read_at_once);
  tcase_add_test (t, killed_writers_neither_damage_the_file_nor_lose_what_was_kept);
}

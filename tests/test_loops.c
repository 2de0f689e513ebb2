/* test_loops - one client and a loop on each of several threads: the keys are
 * everybody's, and a call's callbacks its own thread's. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "canned.h"
#include "clientkit.h"

enum { THREADS = 4, CALLS = 30 };

/* A thread and its loop. */
struct side {
  kw_loop *loop;
  pthread_t thread;
  int begun, ended, served, cancelled, strayed;
  char last_key[KW_NAME_MAX];
};

static atomic_int n_served;

static void ask (struct side *s);

static void
on_end (void *user, int code, kw_reply *reply, const struct kw_error *err)
{
  struct side *s = user;

  (void) err;
  s->ended++;
  s->served += code == 0;
  s->cancelled += code == KW_ERR_CANCELLED;
  s->strayed += !pthread_equal (pthread_self (), s->thread);
  if (code == 0) {
    atomic_fetch_add (&n_served, 1);
    (void) memccpy (s->last_key, kw_reply_key (reply), '\0', sizeof s->last_key);
  }
  kw_reply_free (reply);
  if (code == 0 && s->begun < CALLS)
    ask (s);
}

static void
ask (struct side *s)
{
  kw_callbacks on = KW_CALLBACKS_INIT;
  kw_request rq = KW_REQUEST_INIT;

  on.on_end = on_end;
  rq.prompt = "hi";
  s->begun++;
  if (kw_loop_submit (s->loop, &rq, &on, s) == NULL)
    s->strayed++;
}

static void
turn (struct side *s)
{
  struct pollfd p = { .fd = kw_loop_fd (s->loop), .events = POLLIN };

  (void) poll (&p, 1, kw_loop_timeout (s->loop));
  (void) kw_loop_process (s->loop);
}

static void *
run (void *user)
{
  struct side *s = user;

  s->thread = pthread_self ();
  ask (s);
  ask (s);
  while (s->ended < s->begun)
    turn (s);
  return NULL;
}

static void
begin (struct side sides[THREADS])
{
  memset (sides, 0, THREADS * sizeof *sides);
  for (int i = 0; i < THREADS; i++) {
    sides[i].loop = kw_loop_new (kit.client);
    ck_assert_ptr_nonnull (sides[i].loop);
  }
}

static void
run_all (struct side sides[THREADS])
{
  pthread_t threads[THREADS];

  for (int i = 0; i < THREADS; i++)
    ck_assert_int_eq (pthread_create (&threads[i], NULL, run, &sides[i]), 0);
  for (int i = 0; i < THREADS; i++)
    ck_assert_int_eq (pthread_join (threads[i], NULL), 0);
}

START_TEST (a_key_that_runs_out_does_for_all_of_them)
{
  struct side sides[THREADS];

  /* Fewer than the calls of each: one of them may be done before the next begins. */
  kit_sim ("--key", "sk-a,name=A,rpd=20", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  begin (sides);
  run_all (sides);
  for (int i = 0; i < THREADS; i++) {
    ck_assert_int_eq (sides[i].served, CALLS);
    ck_assert_int_eq (sides[i].strayed, 0);
    ck_assert_str_eq (sides[i].last_key, "backup-1");
    kw_loop_free (sides[i].loop);
  }
  ck_assert_int_eq (atomic_load (&n_served), THREADS * CALLS);
  /* Those that were on their way when the first of them came back, at most. */
  ck_assert_int_le (kit_count (KW_EVENT_SWITCH, NULL), 2 * THREADS);
}
END_TEST

START_TEST (a_place_that_one_gives_up_is_anothers)
{
  struct side sides[THREADS];

  kit_sim_real ("--key", "sk-a,name=A");
  kit_keys ("sk-a", NULL);
  kit_open ("max_concurrency = 1");
  begin (sides);
  run_all (sides);
  for (int i = 0; i < THREADS; i++) {
    ck_assert_int_eq (sides[i].served, CALLS);
    ck_assert_int_eq (sides[i].strayed, 0);
  }
}
END_TEST

START_TEST (a_loop_that_is_freed_ends_its_calls_and_no_others)
{
  struct canned *server = canned_deaf ();
  struct side sides[THREADS];

  kit.url = canned_url (server);
  kit_keys ("sk-a", NULL);
  kit_open ("");
  begin (sides);
  for (int i = 0; i < THREADS; i++) {
    sides[i].thread = pthread_self ();
    ask (&sides[i]);
    ask (&sides[i]);
    ck_assert_int_eq (kw_loop_process (sides[i].loop), 2);
  }
  kw_loop_free (sides[0].loop);
  ck_assert_int_eq (sides[0].cancelled, 2);
  for (int i = 1; i < THREADS; i++)
    ck_assert_int_eq (kw_loop_process (sides[i].loop), 2);
  kw_client_cancel (kit.client);
  while (sides[1].cancelled < 2)
    turn (&sides[1]);
  /* The client ends what is left. */
  kw_client_close (kit.client);
  kit.client = NULL;
  for (int i = 1; i < THREADS; i++)
    ck_assert_int_eq (sides[i].cancelled, 2);
  canned_stop (server, NULL, 0);
}
END_TEST

static void
setup (void)
{
  kit_setup ();
  atomic_store (&n_served, 0);
}

static Suite *
suite (void)
{
  Suite *s = suite_create ("loops");
  TCase *tc = tcase_create ("loops");

  tcase_add_checked_fixture (tc, setup, kit_teardown);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, a_key_that_runs_out_does_for_all_of_them);
  tcase_add_test (tc, a_place_that_one_gives_up_is_anothers);
  tcase_add_test (tc, a_loop_that_is_freed_ends_its_calls_and_no_others);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)

/* test_shared_threads - two clients of one process that share a state, with threads
 * that call everything at once, also out of observers: for ThreadSanitizer, and for
 * locks that wait for each other. */
#include "clientkit.h"

#include <stdatomic.h>

#include "rediskit.h"

enum { CLIENTS = 2, CALLERS = 3, ROUNDS = 40 };

static kw_client *clients[CLIENTS];
static atomic_int told[CLIENTS], served, failed, over;

/* The store may be too slow for once, as where the machine stands still. */
static void
should_be_shared (int code)
{
  failed += code != 0 && code != KW_ERR_UNAVAILABLE;
}

static void
look (kw_client *c)
{
  kw_status_info *status = NULL;

  if (kw_status (c, NULL, &status) != 0 || status->total_keys != 2
      || kw_client_state (c)[0] == '\0')
    failed++;
  kw_status_free (status);
}

/* Does what an observer may, and counts what others found out. */
static void
observe (void *user, const kw_event *e)
{
  kw_client **c = user;

  if (strstr (e->message, "another process") == NULL)
    return;
  told[c - clients]++;
  should_be_shared (kw_sync (*c, NULL));
  look (*c);
}

static void *
call (void *user)
{
  for (int i = 0; i < ROUNDS; i++) {
    struct kw_error err = KW_ERROR_INIT;
    kw_request rq = KW_REQUEST_INIT;
    kw_reply *reply = NULL;

    rq.prompt = "hi";
    if (kw_chat (*(kw_client **) user, &rq, &reply, &err) == 0)
      served++;
    else {
      failed++;
      fprintf (stderr, "%s\n", err.message);
    }
    kw_reply_free (reply);
  }
  return NULL;
}

/* Resets three times: with more of all a call could be sent to the used up key ten times,
 * which is the end of it. */
static void *
meddle (void *user)
{
  kw_client *c = *(kw_client **) user;
  int at = 0;

  while (!over) {
    should_be_shared (kw_sync (c, NULL));
    look (c);
    if (served < at)
      continue;
    at += CLIENTS * CALLERS * ROUNDS / 3;
    should_be_shared (kw_reset (c, NULL, NULL));
  }
  return NULL;
}

static void
all_at_once (const char *spec)
{
  pthread_t caller[CLIENTS * CALLERS], meddler[CLIENTS];
  char options[512], store_path[PATH_MAX], *top = realpath (kwtest_builddir (), NULL);
  const int rounds = CLIENTS * CALLERS * ROUNDS;

  ck_assert_int_lt (snprintf (store_path, sizeof store_path, "%s/stores/.libs", top),
                    (int) sizeof store_path);
  free (top);
  ck_assert_int_eq (setenv ("KEYWHEEL_STORE_PATH", store_path, 1), 0);
  ck_assert_int_lt (snprintf (options, sizeof options, "backoff_initial = 1ms\n"
                              "max_concurrency = 4\n[keywheel]\nstate = %s\n", spec),
                    (int) sizeof options);
  kit_sim_real ("--key", "sk-a,name=a,tpd=340", "--key", "sk-b,name=b");
  kit_keys ("sk-a", "sk-b");
  kit.vars[4] = "XDG_STATE_HOME";
  kit.vars[5] = kit.dir;
  for (int i = 0; i < CLIENTS; i++) {
    clients[i] = kit_try_open (options);
    ck_assert_msg (clients[i] != NULL, "%s", kit.err.message);
    ck_assert_ptr_null (kw_client_warning (clients[i], 0));
    kw_client_observe (clients[i], observe, &clients[i]);
  }
  for (int i = 0; i < CLIENTS * CALLERS; i++)
    ck_assert_int_eq (pthread_create (&caller[i], NULL, call, &clients[i % CLIENTS]), 0);
  for (int i = 0; i < CLIENTS; i++)
    ck_assert_int_eq (pthread_create (&meddler[i], NULL, meddle, &clients[i]), 0);
  for (int i = 0; i < CLIENTS * CALLERS; i++)
    ck_assert_int_eq (pthread_join (caller[i], NULL), 0);
  over = 1;
  for (int i = 0; i < CLIENTS; i++)
    ck_assert_int_eq (pthread_join (meddler[i], NULL), 0);
  for (int i = 0; i < CLIENTS; i++) {
    int tries = 0;
    while (kw_sync (clients[i], NULL) != 0)
      ck_assert_int_lt (tries++, 30);   /* of a second each */
    kw_client_close (clients[i]);
  }
  ck_assert_int_eq (failed, 0);
  ck_assert_int_eq (served, rounds);
  for (int i = 0; i < CLIENTS; i++)
    ck_assert_msg (told[i] > 0, "client %d was told nothing", i);
}

START_TEST (all_at_once_with_sqlite)
{
  all_at_once ("sqlite:state.db");
}
END_TEST

START_TEST (all_at_once_with_redis)
{
  rediskit_start (&(struct rediskit_how) { .real_clock = 1 });
  all_at_once (rediskit_spec ());
}
END_TEST

static void
teardown (void)
{
  kit_teardown ();
  rediskit_stop ();
  rediskit_clear ();
}

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("shared_threads");
  TCase *t = tcase_create ("threads");

  tcase_add_checked_fixture (t, kit_setup, teardown);
  tcase_set_timeout (t, 60);
  tcase_add_test (t, all_at_once_with_sqlite);
  if (rediskit_program () != NULL)
    tcase_add_test (t, all_at_once_with_redis);
  suite_add_tcase (s, t);
  return s;
}

int
main (void)
{
  return rediskit_run_partly (make_suite ());
}

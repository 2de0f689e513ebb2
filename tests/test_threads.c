/* test_threads - many callers on one client, in real time, checked against the
 * simulator's own log: every request answered exactly once, none sent on a key
 * once its daily limit was known.
 *
 * "Known" is decided by the order in which the client decided (kw_event.seq):
 * an attempt picked before the key was marked may arrive after it. */
#include <semaphore.h>
#include <stdatomic.h>

#include "clientkit.h"

enum { CALLERS = 64, KEYS = 8, SPENT = 5 };

static int requests;

/* What the observer keeps of each attempt, and of each key's marking. */
static struct attempt { uint64_t seq, call; int key; } *attempts;
static atomic_int n_attempts, n_exhausted[KEYS], n_switches;
static atomic_uint_fast64_t exhausted_seq[KEYS];
static int max_attempts;

static int
key_index (const char *name)
{
  return strcmp (name, "primary") == 0 ? 0 : name[sizeof "backup-" - 1] - '0';
}

static void
observe (void *user, const kw_event *e)
{
  (void) user;
  switch (e->type) {
  case KW_EVENT_ATTEMPT: {
    int i = atomic_fetch_add (&n_attempts, 1);
    if (i < max_attempts)
      attempts[i] = (struct attempt) { e->seq, e->call, key_index (e->key) };
    break;
  }
  case KW_EVENT_EXHAUSTED:
    atomic_fetch_add (&n_exhausted[key_index (e->key)], 1);
    atomic_store (&exhausted_seq[key_index (e->key)], e->seq);
    break;
  case KW_EVENT_SWITCH:
    atomic_fetch_add (&n_switches, 1);
    break;
  default:
    break;
  }
}

static atomic_int next_request, served, n_failed;
static char failure[512];

/* Takes requests until there are none left; each carries its number. */
static void *
caller (void *user)
{
  pthread_barrier_t *start = user;

  (void) pthread_barrier_wait (start);
  for (;;) {
    int i = atomic_fetch_add (&next_request, 1);
    struct kw_error err = KW_ERROR_INIT;
    kw_request rq = KW_REQUEST_INIT;
    kw_reply *r = NULL;
    char body[160];
    int n;
    if (i >= requests)
      return NULL;
    n = snprintf (body, sizeof body,
                  "{\"model\":\"m\",\"user\":\"%d\",\"max_tokens\":1,\"messages\":"
                  "[{\"role\":\"user\",\"content\":\"hi\"}]}", i);
    rq.body = body;
    rq.body_len = (size_t) n;
    if (kw_chat (kit.client, &rq, &r, &err) == 0)
      atomic_fetch_add (&served, 1);
    else if (atomic_fetch_add (&n_failed, 1) == 0)
      (void) memccpy (failure, err.message, '\0', sizeof failure - 1);
    kw_reply_free (r);
  }
}

static void
run_callers (void)
{
  pthread_barrier_t start;
  pthread_t t[CALLERS];
  int i;

  ck_assert_int_eq (pthread_barrier_init (&start, NULL, CALLERS), 0);
  for (i = 0; i < CALLERS; i++)
    ck_assert_int_eq (pthread_create (&t[i], NULL, caller, &start), 0);
  for (i = 0; i < CALLERS; i++)
    ck_assert_int_eq (pthread_join (t[i], NULL), 0);
  (void) pthread_barrier_destroy (&start);
}

/* Each request's number is in the log with status 200 exactly once. */
static void
each_was_answered_once (const struct simctl_log *log)
{
  int *seen = calloc ((size_t) requests, sizeof *seen), i;
  size_t l;

  ck_assert_ptr_nonnull (seen);
  for (l = 0; l < log->count; l++)
    if (log->entries[l].status == 200) {
      long tag = strtol (log->entries[l].tag, NULL, 10);
      ck_assert (tag >= 0 && tag < requests);
      seen[tag]++;
    }
  for (i = 0; i < requests; i++)
    ck_assert_msg (seen[i] == 1, "request %d was answered %d times", i, seen[i]);
  free (seen);
}

static void
none_went_to_a_key_known_to_be_exhausted (void)
{
  int i, n = atomic_load (&n_attempts);

  ck_assert_int_le (n, max_attempts);
  for (i = 0; i < n; i++) {
    uint64_t known = atomic_load (&exhausted_seq[attempts[i].key]);
    ck_assert_msg (known == 0 || attempts[i].seq < known,
                   "call %llu went to key %d though it was known",
                   (unsigned long long) attempts[i].call, attempts[i].key);
  }
}

static void
open_with_keys (const char *const *args)
{
  n_attempts = n_switches = next_request = served = n_failed = 0;
  for (int i = 0; i < KEYS; i++)
    n_exhausted[i] = 0;
  kit.virtual_time = 0;
  kit.sim = simctl_start (args);
  kit_keys ("sk-0", "sk-1,sk-2,sk-3,sk-4,sk-5,sk-6,sk-7");
  kit_open ("deadline = 10m\nattempt_timeout = 5m");
  kw_client_observe (kit.client, observe, NULL);
  max_attempts = requests * 2 + 10000;
  attempts = calloc ((size_t) max_attempts, sizeof *attempts);
  ck_assert_ptr_nonnull (attempts);
}

START_TEST (ten_thousand_requests_over_eight_keys_of_which_five_run_out)
{
  static const char *args[2 * KEYS + 1];
  char spec[KEYS][64];
  struct simctl_log log;
  size_t l;
  int i, refused = 0;

  /* Five keys that run out after a tenth of all requests each. */
  for (i = 0; i < KEYS; i++) {
    int n = i < SPENT ? snprintf (spec[i], sizeof spec[i],
                                  "sk-%d,name=K%d,rpd=%d", i, i, requests / 10)
                      : snprintf (spec[i], sizeof spec[i], "sk-%d,name=K%d", i, i);
    ck_assert (n > 0 && (size_t) n < sizeof spec[i]);
    args[2 * i] = "--key";
    args[2 * i + 1] = spec[i];
  }
  open_with_keys (args);
  run_callers ();
  ck_assert_msg (atomic_load (&n_failed) == 0, "%d failed, the first: %s",
                 atomic_load (&n_failed), failure);
  ck_assert_int_eq (atomic_load (&served), requests);
  simctl_read_log (kit.sim, &log);
  each_was_answered_once (&log);
  for (l = 0; l < log.count; l++)
    refused += strcmp (log.entries[l].verdict, "rpd") == 0;
  ck_assert_uint_eq (log.count, (size_t) (requests + refused));
  ck_assert_int_eq (atomic_load (&n_attempts), requests + refused);
  for (i = 0; i < KEYS; i++)
    ck_assert_msg (atomic_load (&n_exhausted[i]) == (i < SPENT ? 1 : 0),
                   "key %d was marked %d times", i,
                   atomic_load (&n_exhausted[i]));
  none_went_to_a_key_known_to_be_exhausted ();
  ck_assert_int_le (refused, SPENT * CALLERS);
  ck_assert_int_ge (refused, SPENT);
  /* One refusal, one switch: each caller moved on once. */
  ck_assert_int_eq (atomic_load (&n_switches), refused);
  printf ("%d requests, %d refused for the day\n", requests, refused);
  simctl_log_clear (&log);
  free (attempts);
}
END_TEST

/* The simulator holds every answer until all 64 have arrived: it delays, and
 * the log shows that none had been sent after the first was known. */
START_TEST (sixty_four_hit_one_keys_daily_limit_together)
{
  static const char *const args[] = {
    "--key", "sk-0,name=K0,rpd=1", "--key", "sk-1,name=K1",
    "--fault", "delay=300,key=K0", NULL,
  };
  struct simctl_log log;
  struct simctl_reply r;

  requests = CALLERS;
  open_with_keys (args);
  simctl_call (kit.sim, "POST", "/v1/chat/completions", "sk-0",
               "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
               "\"x\"}]}", &r);
  simctl_reply_clear (&r);
  run_callers ();
  ck_assert_msg (atomic_load (&n_failed) == 0, "%s", failure);
  ck_assert_int_eq (atomic_load (&served), CALLERS);
  ck_assert_int_eq (atomic_load (&n_exhausted[0]), 1);
  simctl_read_log (kit.sim, &log);
  ck_assert_uint_eq (simctl_count (kit.sim, "K0", "rpd"),
                     (size_t) atomic_load (&n_switches));
  ck_assert_uint_eq (simctl_count (kit.sim, "K1", "ok"), CALLERS);
  ck_assert_int_le (atomic_load (&n_switches), CALLERS);
  none_went_to_a_key_known_to_be_exhausted ();
  simctl_log_clear (&log);
  free (attempts);
}
END_TEST

/* ---- A probe ------------------------------------------------------------------ */

static sem_t probing;
static atomic_uint_fast64_t probe_call, probe_judged, other_sent;

static void
observe_probe (void *user, const kw_event *e)
{
  (void) user;
  if (e->type == KW_EVENT_ATTEMPT && e->why == KW_WHY_PROBE) {
    atomic_store (&probe_call, e->call);
    (void) sem_post (&probing);
  }
  else if (e->type == KW_EVENT_VERDICT && e->call == atomic_load (&probe_call))
    atomic_store (&probe_judged, e->seq);
  else if (e->type == KW_EVENT_ATTEMPT)
    atomic_store (&other_sent, e->seq);
}

static void *
probe (void *user)
{
  (void) user;
  kit_served_by ("primary");
  return NULL;
}

START_TEST (while_one_probes_the_others_wait_for_what_it_finds)
{
  kw_request rq = KW_REQUEST_INIT;
  struct kw_error err = KW_ERROR_INIT;
  kw_reply *r = NULL;
  pthread_t t;

  kit_sim ("--key", "sk-0,name=K0,rpd=2");
  kit_keys ("sk-0", NULL);
  kit_open ("");
  kit_served_by ("primary");
  kit_served_by ("primary");
  kit_fails_with (KW_ERR_EXHAUSTED, "the only groq key");
  kit_advance (2 * 86400 * 1000);
  simctl_fault (kit.sim, "delay=300,count=1");
  kw_client_observe (kit.client, observe_probe, NULL);
  ck_assert_int_eq (sem_init (&probing, 0, 0), 0);
  ck_assert_int_eq (pthread_create (&t, NULL, probe, NULL), 0);
  ck_assert_int_eq (sem_wait (&probing), 0);
  rq.prompt = "hi";
  ck_assert_msg (kw_chat (kit.client, &rq, &r, &err) == 0, "%s", err.message);
  ck_assert_int_eq (pthread_join (t, NULL), 0);
  ck_assert_uint_eq (kw_reply_attempts (r), 1);
  ck_assert_int_eq (kw_reply_attempt (r, 0)->why, KW_WHY_FIRST);
  ck_assert_uint_gt (atomic_load (&other_sent), atomic_load (&probe_judged));
  kw_reply_free (r);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("threads");
  TCase *tc = tcase_create ("threads");

  requests = kwtest_scaled (10000);
  tcase_add_checked_fixture (tc, kit_setup, kit_teardown);
  tcase_set_timeout (tc, 300);
  tcase_add_test (tc, ten_thousand_requests_over_eight_keys_of_which_five_run_out);
  tcase_add_test (tc, sixty_four_hit_one_keys_daily_limit_together);
  tcase_add_test (tc, while_one_probes_the_others_wait_for_what_it_finds);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)

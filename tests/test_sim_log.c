/* test_sim_log - keywheel-sim's log, its clock, many clients at once, its end. */
#include "test_sim.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

START_TEST (the_log_has_what_happened_and_no_secret)
{
  char path[] = "test_sim_log.XXXXXX";
  int fd = mkstemp (path);
  ck_assert_int_ge (fd, 0);
  struct simctl *sim = simctl_startl ("--key", "sk-very-secret,name=a,org=o,tpd=150",
                                      "--clock", "manual", "--log", path, NULL);
  struct simctl_log log;
  struct simctl_reply r;
  simctl_advance (sim, 5);
  expect_call (sim, "sk-very-secret", HUNDRED, 200, NULL);
  expect_call (sim, "sk-very-secret", HUNDRED, 429, NULL);
  simctl_read_log (sim, &log);
  ck_assert_uint_eq (log.count, 2);
  const struct simctl_entry *e = &log.entries[0];
  ck_assert_int_eq (e->n, 1);
  ck_assert_int_eq (e->t_ms, 5);
  ck_assert_int_gt (e->mono_us, 0);
  ck_assert_int_eq (e->requested, 100);
  ck_assert_int_eq (e->bytes, (int64_t) strlen (HUNDRED));
  ck_assert_int_eq (e->status, 200);
  ck_assert_int_eq (e->stream, 0);
  ck_assert_str_eq (e->key, "a");
  ck_assert_str_eq (e->org, "o");
  ck_assert_str_eq (e->method, "POST");
  ck_assert_str_eq (e->path, CHAT);
  ck_assert_str_eq (e->model, "m");
  ck_assert_str_eq (e->verdict, "ok");
  ck_assert_str_eq (e->tag, "tag-1");
  ck_assert_str_eq (log.entries[1].verdict, "tpd");
  simctl_log_clear (&log);

  simctl_call (sim, "GET", "/sim/stats", NULL, NULL, &r);
  expect_text (&r, "requests", "2");
  expect_text (&r, "keys/a/tpd", "1");
  expect_text (&r, "verdicts/ok", "1");
  simctl_reply_clear (&r);
  simctl_call (sim, "GET", "/sim/log", NULL, NULL, &r);
  char *file = calloc (1, r.body_len + 2);
  ck_assert_ptr_nonnull (file);
  ck_assert_int_eq (read (fd, file, r.body_len + 1), (ssize_t) r.body_len);
  ck_assert_str_eq (file, r.body);
  ck_assert_ptr_null (strstr (file, "secret"));
  free (file);
  simctl_reply_clear (&r);
  close (fd);
  unlink (path);
  simctl_stop (sim);
}
END_TEST

struct crowd {
  const char *url;
  pthread_barrier_t *start;
  int each;
  int served, refused, odd;
};

static size_t
swallow (char *data, size_t size, size_t n, void *user)
{
  (void) data;
  (void) user;
  return size * n;
}

static void *
one_of_the_crowd (void *arg)
{
  struct crowd *c = arg;
  CURL *curl = curl_easy_init ();
  struct curl_slist *headers = curl_slist_append (NULL, "Authorization: Bearer sk-a");
  curl_easy_setopt (curl, CURLOPT_URL, c->url);
  curl_easy_setopt (curl, CURLOPT_PROXY, "");
  curl_easy_setopt (curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt (curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt (curl, CURLOPT_POSTFIELDS, HUNDRED);
  curl_easy_setopt (curl, CURLOPT_WRITEFUNCTION, swallow);
  pthread_barrier_wait (c->start);
  for (int i = 0; i < c->each; i++) {
    long status = 0;
    if (curl_easy_perform (curl) == CURLE_OK)
      curl_easy_getinfo (curl, CURLINFO_RESPONSE_CODE, &status);
    c->served += status == 200;
    c->refused += status == 429;
    c->odd += status != 200 && status != 429;
  }
  curl_slist_free_all (headers);
  curl_easy_cleanup (curl);
  return NULL;
}

START_TEST (a_crowd_gets_the_allowance_exactly)
{
  enum { THREADS = 64, EACH = 5, ALLOWED = 150 };
  struct simctl *sim = simctl_startl ("--key", "sk-a,name=a,tpd=15000", "--clock",
                                      "manual", NULL);
  pthread_t threads[THREADS];
  struct crowd crowd[THREADS];
  pthread_barrier_t start;
  char *url = NULL;
  int served = 0, refused = 0, odd = 0;
  struct simctl_log log;

  curl_global_init (CURL_GLOBAL_DEFAULT);
  ck_assert (asprintf (&url, "%s/chat/completions", simctl_base_url (sim)) > 0);
  pthread_barrier_init (&start, NULL, THREADS);
  for (int i = 0; i < THREADS; i++) {
    crowd[i] = (struct crowd) { .url = url, .start = &start, .each = EACH };
    ck_assert_int_eq (pthread_create (&threads[i], NULL, one_of_the_crowd, &crowd[i]),
                      0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join (threads[i], NULL);
    served += crowd[i].served;
    refused += crowd[i].refused;
    odd += crowd[i].odd;
  }
  ck_assert_int_eq (served, ALLOWED);
  ck_assert_int_eq (refused, THREADS * EACH - ALLOWED);
  ck_assert_int_eq (odd, 0);
  simctl_read_log (sim, &log);
  ck_assert_uint_eq (log.count, THREADS * EACH);
  for (size_t i = 0; i < log.count; i++)
    ck_assert_int_eq (log.entries[i].n, (int64_t) i + 1);
  simctl_log_clear (&log);
  pthread_barrier_destroy (&start);
  free (url);
  simctl_stop (sim);
}
END_TEST

static void *
one_call (void *arg)
{
  pthread_barrier_t start;
  struct crowd *c = arg;
  pthread_barrier_init (&start, NULL, 1);
  c->start = &start;
  one_of_the_crowd (c);
  pthread_barrier_destroy (&start);
  return NULL;
}

START_TEST (it_ends_at_once_though_an_answer_is_still_delayed)
{
  struct simctl *sim = simctl_startl ("--key", "sk-a", "--fault", "delay=3600000",
                                      NULL);
  pthread_t thread;
  struct crowd c = { .each = 1 };
  char *url = NULL;
  curl_global_init (CURL_GLOBAL_DEFAULT);
  ck_assert (asprintf (&url, "%s/chat/completions", simctl_base_url (sim)) > 0);
  c.url = url;
  ck_assert_int_eq (pthread_create (&thread, NULL, one_call, &c), 0);
  while (simctl_count (sim, NULL, "ok") == 0)
    ;                           /* logged before the delay */
  simctl_stop (sim);            /* fails the test if it does not end */
  pthread_join (thread, NULL);
  free (url);
}
END_TEST

START_TEST (only_a_manual_clock_can_be_moved)
{
  static const char *const bad[] = { "", "?ms=", "?ms=-1", "?ms=1s",
                                     "?ms=99999999999999999" };
  struct simctl *sim = simctl_startl ("--key", "sk-a", NULL);
  struct simctl_reply r;
  simctl_call (sim, "POST", "/sim/advance?ms=1", NULL, NULL, &r);
  ck_assert_int_eq (r.status, 409);
  simctl_reply_clear (&r);
  simctl_stop (sim);
  sim = simctl_startl ("--key", "sk-a", "--clock", "manual", NULL);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char path[64];
    ck_assert (snprintf (path, sizeof path, "/sim/advance%s", bad[i]) > 0);
    simctl_call (sim, "POST", path, NULL, NULL, &r);
    ck_assert_msg (r.status == 400, "%s: %d", path, r.status);
    simctl_reply_clear (&r);
  }
  simctl_call (sim, "POST", "/sim/advance?ms=12", NULL, NULL, &r);
  ck_assert_str_eq (r.body, "{\"t_ms\":12}\n");
  simctl_reply_clear (&r);
  simctl_stop (sim);
}
END_TEST

TCase *
sim_log (void)
{
  TCase *t = tcase_create ("log");
  tcase_set_timeout (t, 120);
  tcase_add_test (t, the_log_has_what_happened_and_no_secret);
  tcase_add_test (t, a_crowd_gets_the_allowance_exactly);
  tcase_add_test (t, it_ends_at_once_though_an_answer_is_still_delayed);
  tcase_add_test (t, only_a_manual_clock_can_be_moved);
  return t;
}

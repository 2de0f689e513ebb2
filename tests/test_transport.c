/* test_transport - one exchange at a time on a lane: what comes back, how it
 * fails. */
#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "canned.h"
#include "timers.h"
#include "transportkit.h"

START_TEST (an_answer_has_status_headers_and_body)
{
  struct kwi_exchange x = exchange ("GET", "/models", NULL);

  run (&x);
  ck_assert_int_eq (answer.status, 200);
  ck_assert_uint_eq (answer.net, KW_NET_OK);
  ck_assert_ptr_nonnull (strstr (answer.body, "\"data\""));
  ck_assert_uint_eq (strlen (answer.body), answer.body_len);
  ck_assert_ptr_nonnull (strstr (kwi_answer_header (&answer, "Content-Type"),
                                 "json"));
  ck_assert_int_ge (answer.received_ms, 1000000);
}
END_TEST

START_TEST (the_key_goes_where_the_plugin_says)
{
  struct kwi_exchange x = exchange ("POST", "/chat/completions",
                                    "{\"model\":\"m\",\"messages\":[{\"role\":"
                                    "\"user\",\"content\":\"hi\"}]}");

  run (&x);
  ck_assert_msg (answer.status == 200, "%s", answer.body);
  secret.bytes = "sk-b";
  run (&x);
  ck_assert_int_eq (answer.status, 401);
  secret.bytes = "sk-a";
  rq.secret_header[0] = '\0';
  run (&x);
  ck_assert_int_eq (answer.status, 401);
}
END_TEST

START_TEST (a_key_in_the_query_is_escaped_and_in_no_text)
{
  struct kwi_exchange x = exchange ("GET", "/models?a=1", NULL);

  secret.bytes = "k&y =";
  secret.len = 5;
  ck_assert_int_eq (kwi_request_secret_query (&rq, "key"), 0);
  run (&x);
  ck_assert_int_ne (answer.status, 0);
  ck_assert_ptr_null (strstr (rq.url, "k&y"));
  secret.bytes = "sk-a";
  secret.len = 4;
}
END_TEST

START_TEST (a_refused_connection_is_told_apart)
{
  struct kwi_exchange x = exchange ("GET", "/models", NULL);

  ck_assert_int_eq (kwi_request_url (&rq, "http://127.0.0.1:1/v1"), 0);
  run (&x);
  ck_assert_int_eq (answer.status, 0);
  ck_assert_uint_eq (answer.net, KW_NET_CONNECT);
  ck_assert_str_ne (answer.net_text, "");
}
END_TEST

static const struct { const char *fault; uint32_t net; int status; } faults[] = {
  { "drop", KW_NET_CLOSED, 0 },
  { "truncate", KW_NET_CLOSED, 200 },
  { "status=503", KW_NET_OK, 503 },
  { "redirect", KW_NET_OK, 302 },
};

START_TEST (a_broken_exchange_says_how)
{
  struct kwi_exchange x = exchange ("GET", "/models", NULL);

  simctl_fault (sim, faults[_i].fault);
  run (&x);
  ck_assert_msg (answer.net == faults[_i].net
                   && answer.status == faults[_i].status,
                 "%s: net %u status %d", faults[_i].fault, answer.net,
                 answer.status);
}
END_TEST

START_TEST (an_answer_over_the_bound_is_not_read_on)
{
  struct kwi_exchange x = exchange ("GET", "/models", NULL);

  simctl_fault (sim, "body-size=100000,chunked");
  x.max_response = 5000;
  run (&x);
  ck_assert_int_eq (answer.too_large, 1);
  ck_assert_uint_le (answer.body_len, 5000);
}
END_TEST

START_TEST (a_lane_serves_again_after_each_failure)
{
  struct kwi_exchange x = exchange ("GET", "/models", NULL);
  int i;

  for (i = 0; i < 3; i++) {
    simctl_fault (sim, "drop,count=1");
    run (&x);
    run (&x);
    ck_assert_int_eq (answer.status, 200);
  }
}
END_TEST

/* ---- The head of an answer ------------------------------------------------------ */

START_TEST (only_a_status_line_begins_the_headers_anew)
{
  struct kwi_exchange x = exchange ("GET", "/models", NULL);
  struct canned *server = canned_start (
    "HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n"
    "HTTP/1.1 200 OK\r\nX-First: 1\r\nHTTP/Note: x\r\nX-Last: 2\r\n"
    "Content-Length: 2\r\n\r\nok");

  ck_assert_int_eq (kwi_request_url (&rq, canned_url (server)), 0);
  run (&x);
  ck_assert_msg (answer.status == 200, "%s", answer.net_text);
  ck_assert_ptr_null (kwi_answer_header (&answer, "X-Early"));
  ck_assert_str_eq (kwi_answer_header (&answer, "X-First"), "1");
  ck_assert_str_eq (kwi_answer_header (&answer, "http/note"), "x");
  ck_assert_str_eq (kwi_answer_header (&answer, "X-Last"), "2");
  canned_stop (server, NULL, 0);
}
END_TEST

START_TEST (interim_answers_without_end_are_a_silence)
{
  struct kwi_exchange x = exchange ("GET", "/models", NULL);
  struct canned *server
    = canned_start_forever ("", "HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\n");

  ck_assert_int_eq (kwi_request_url (&rq, canned_url (server)), 0);
  x.by_silence = 1;
  x.attempt_timeout_ms = 100;
  run (&x);
  ck_assert_msg (answer.timed_out == 1, "%s (%d)", answer.net_text, answer.status);
  ck_assert_int_eq (answer.past_deadline, 0);
  canned_stop (server, NULL, 0);
}
END_TEST

START_TEST (a_head_request_waits_for_no_body)
{
  struct kwi_exchange x = exchange ("HEAD", "/models", NULL);
  struct canned *server = canned_start ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");

  ck_assert_int_eq (kwi_request_url (&rq, canned_url (server)), 0);
  run (&x);
  ck_assert_uint_eq (answer.net, KW_NET_OK);
  ck_assert_int_eq (answer.status, 200);
  canned_stop (server, NULL, 0);
}
END_TEST

START_TEST (too_many_headers_are_told_as_what_they_are)
{
  enum { LINES = 290, LEN = 1000 };
  struct kwi_exchange x = exchange ("GET", "/models", NULL);
  char *head = malloc ((LINES + 1) * (size_t) LEN);
  struct canned *server;
  size_t at;
  int i;

  ck_assert_ptr_nonnull (head);
  at = (size_t) snprintf (head, LEN, "HTTP/1.1 200 OK\r\n");
  for (i = 0; i < LINES; i++)
    at += (size_t) snprintf (head + at, LEN, "X-%03d: %0900d\r\n", i, i);
  (void) snprintf (head + at, LEN, "Content-Length: 0\r\n\r\n");
  server = canned_start (head);
  ck_assert_int_eq (kwi_request_url (&rq, canned_url (server)), 0);
  run (&x);
  ck_assert_uint_eq (answer.net, KW_NET_OTHER);
  ck_assert_str_eq (answer.net_text, "the answer's headers are larger than 256 KB");
  canned_stop (server, NULL, 0);
  free (head);
}
END_TEST

START_TEST (the_longest_url_and_the_longest_key_pass)
{
  enum { URL = 64 << 10, KEY = 8192 };
  struct kwi_exchange x = exchange ("GET", "/models", NULL);
  struct canned *server = canned_start ("HTTP/1.1 204 None\r\n\r\n");
  char *url = malloc (URL + 1), *key = malloc (KEY), *seen = malloc (2 * URL);
  size_t at;

  ck_assert (url != NULL && key != NULL && seen != NULL);
  at = strlen (canned_url (server));
  memcpy (url, canned_url (server), at);
  url[at++] = '?';
  memset (url + at, 'u', URL - at);
  url[URL] = '\0';
  memset (key, '/', KEY);
  secret.bytes = key;
  secret.len = KEY;
  ck_assert_int_eq (kwi_request_url (&rq, url), 0);
  ck_assert_int_eq (kwi_request_secret_query (&rq, "key"), 0);
  run (&x);
  ck_assert_msg (answer.status == 204, "%s", answer.net_text);
  canned_stop (server, seen, 2 * URL);
  ck_assert_ptr_nonnull (strstr (seen, "u&key=%2F%2F"));
  secret.bytes = "sk-a";
  secret.len = 4;
  free (url);
  free (key);
  free (seen);
}
END_TEST

/* ---- Time ----------------------------------------------------------------------- */

static int
note_received (void *user, struct kwi_answer *a, const void *data, size_t len,
               size_t *ret_taken)
{
  (void) data, (void) len, (void) ret_taken;
  *(int64_t *) user = a->received_ms;
  return 0;
}

START_TEST (the_sink_knows_when_the_answer_came)
{
  struct kwi_exchange x = exchange ("GET", "/models", NULL);
  int64_t received = 0;

  x.sink = note_received;
  x.user = &received;
  run (&x);
  ck_assert_int_ge (received, 1000000);
  ck_assert_int_le (received, answer.received_ms);
}
END_TEST

START_TEST (connect_timeout_and_attempt_timeout_are_told_apart)
{
  struct kwi_exchange x = exchange ("GET", "/models", NULL);
  struct canned *server = canned_deaf ();
  char url[64];
  int n = snprintf (url, sizeof url, "https%s", canned_url (server) + sizeof "http" - 1);

  ck_assert (n > 0 && (size_t) n < sizeof url);
  /* It is connected to, and says nothing: the handshake is part of connecting. */
  x.connect_timeout_ms = 50;
  ck_assert_int_eq (kwi_request_url (&rq, url), 0);
  run (&x);
  ck_assert_uint_eq (answer.net, KW_NET_TIMEOUT);
  ck_assert_int_eq (answer.connect_timed_out, 1);
  ck_assert_int_eq (answer.timed_out, 0);
  x.attempt_timeout_ms = 50;
  x.connect_timeout_ms = 60000;
  ck_assert_int_eq (kwi_request_url (&rq, canned_url (server)), 0);
  run (&x);
  ck_assert_uint_eq (answer.net, KW_NET_TIMEOUT);
  ck_assert_int_eq (answer.connect_timed_out, 0);
  ck_assert_msg (answer.timed_out == 1, "%s (%d)", answer.net_text, answer.status);
  canned_stop (server, NULL, 0);
}
END_TEST

/* As a process that was stopped, or a machine that slept, finds it. */
START_TEST (an_answer_that_is_there_when_its_time_has_passed_is_no_time_out)
{
  static const char said[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  struct kwi_exchange x = exchange ("GET", "/models", NULL);
  struct canned *server = canned_deaf ();
  struct kwi_loop *loop = kwi_lane_loop (lane);
  struct pollfd p = { .fd = server->fd, .events = POLLIN };
  char asked[4096];
  int fd;

  ck_assert_int_eq (kwi_request_url (&rq, canned_url (server)), 0);
  is_over = 0;
  x.answer = &answer;
  x.done = over;
  x.by_silence = _i;
  kwi_exchange_begin (lane, &x);
  while (poll (&p, 1, 1) == 0)
    kwi_loop_run (loop, 1);
  p.fd = fd = accept (server->fd, NULL, NULL);
  ck_assert_int_ge (fd, 0);
  while (poll (&p, 1, 1) == 0)
    kwi_loop_run (loop, 1);
  ck_assert_int_gt (read (fd, asked, sizeof asked), 0);
  ck_assert_int_eq (is_over, 0);
  ck_assert_int_eq (send (fd, said, sizeof said - 1, MSG_NOSIGNAL), (int) sizeof said - 1);
  (void) shutdown (fd, SHUT_WR);
  x.began_ms -= 100000;
  x.heard_ms -= 100000;
  kwi_timer_set (&loop->timers, &x.timer, loop->now_ms);
  while (!is_over)
    kwi_loop_run (loop, -1);
  ck_assert_msg (answer.status == 200, "%s", answer.net_text);
  ck_assert_int_eq (answer.timed_out, 0);
  ck_assert_int_eq (answer.past_deadline, 0);
  (void) close (fd);
  canned_stop (server, NULL, 0);
}
END_TEST

/* A resolver that hangs, in the place of the C library's. */
static sem_t may_resolve;
static atomic_int resolving, resolved;

int __attribute__ ((__visibility__ ("default")))
getaddrinfo (const char *node, const char *service, const struct addrinfo *hints,
             struct addrinfo **ret)
{
  int (*real) (const char *, const char *, const struct addrinfo *,
               struct addrinfo **);
  void *found = dlsym (RTLD_NEXT, "getaddrinfo");
  struct timespec end;

  if (node != NULL && strcmp (node, "slow.invalid") == 0) {
    atomic_store (&resolving, 1);
    (void) clock_gettime (CLOCK_REALTIME, &end);
    end.tv_sec += 20;           /* so that a test that fails ends */
    (void) sem_timedwait (&may_resolve, &end);
    atomic_store (&resolved, 1);
    return EAI_NONAME;
  }
  memcpy (&real, &found, sizeof real);
  return real (node, service, hints, ret);
}

START_TEST (a_resolver_that_hangs_holds_nobody_up)
{
  struct kwi_exchange x = exchange ("GET", "/models", NULL);

  ck_assert_int_eq (sem_init (&may_resolve, 0, 0), 0);
  ck_assert_int_eq (kwi_request_url (&rq, "http://slow.invalid/v1"), 0);
  x.attempt_timeout_ms = 100;
  run (&x);
  ck_assert_int_eq (answer.status, 0);
  /* A libcurl with a resolver of its own never came there. */
  ck_assert_msg (!atomic_load (&resolved), "it was waited for");
  ck_assert_int_eq (sem_post (&may_resolve), 0);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("transport");
  TCase *tc = tcase_create ("transport");

  tcase_add_checked_fixture (tc, setup, teardown);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, an_answer_has_status_headers_and_body);
  tcase_add_test (tc, the_key_goes_where_the_plugin_says);
  tcase_add_test (tc, a_key_in_the_query_is_escaped_and_in_no_text);
  tcase_add_test (tc, a_refused_connection_is_told_apart);
  tcase_add_loop_test (tc, a_broken_exchange_says_how, 0,
                       (int) (sizeof faults / sizeof faults[0]));
  tcase_add_test (tc, an_answer_over_the_bound_is_not_read_on);
  tcase_add_test (tc, a_lane_serves_again_after_each_failure);
  tcase_add_test (tc, only_a_status_line_begins_the_headers_anew);
  tcase_add_test (tc, interim_answers_without_end_are_a_silence);
  tcase_add_test (tc, a_head_request_waits_for_no_body);
  tcase_add_test (tc, too_many_headers_are_told_as_what_they_are);
  tcase_add_test (tc, the_longest_url_and_the_longest_key_pass);
  tcase_add_test (tc, the_sink_knows_when_the_answer_came);
  tcase_add_test (tc, connect_timeout_and_attempt_timeout_are_told_apart);
  tcase_add_loop_test (tc, an_answer_that_is_there_when_its_time_has_passed_is_no_time_out,
                       0, 2);
  tcase_add_test (tc, a_resolver_that_hangs_holds_nobody_up);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)

/* test_lane - what a lane does besides one exchange: it is cancelled, it idles,
 * it pauses, it is pooled. */
#include <poll.h>
#include <stdlib.h>

#include "canned.h"
#include "net.h"
#include "transportkit.h"

static void
stop (void *user)
{
  kwi_exchange_abort (user);
  over (NULL);
}

START_TEST (cancel_ends_what_is_under_way)
{
  struct kwi_exchange x = exchange ("GET", "/models", NULL);
  struct canned *server = canned_deaf ();

  ck_assert_int_eq (kwi_request_url (&rq, canned_url (server)), 0);
  ck_assert_int_eq (kwi_transport_cancelled (t), 0);
  kwi_lane_on_cancel (lane, stop, &x);
  x.answer = &answer;
  x.done = over;
  is_over = 0;
  kwi_exchange_begin (lane, &x);
  kwi_transport_cancel (t);
  while (!is_over)
    kwi_loop_run (kwi_lane_loop (lane), -1);
  ck_assert_int_eq (kwi_transport_cancelled (t), 1);
  ck_assert_ptr_null (x.handle);
  canned_stop (server, NULL, 0);
}
END_TEST

/* A connection that its peer closes while nobody wants it stays registered, and
 * must not keep the loop awake. */
START_TEST (an_idle_connection_that_is_closed_spins_no_core)
{
  struct kwi_exchange x = exchange ("GET", "/models", NULL);
  struct canned *server = canned_start ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  struct kwi_loop *loop = kwi_lane_loop (lane);
  struct pollfd p = { .events = POLLIN };
  int turns = 0;

  ck_assert_int_eq (kwi_request_url (&rq, canned_url (server)), 0);
  run (&x);
  ck_assert_int_eq (answer.status, 200);
  canned_stop (server, NULL, 0);        /* closes it */
  p.fd = loop->epoll_fd;
  while (poll (&p, 1, 0) == 1) {
    ck_assert_msg (turns++ < 10, "it is readable for ever");
    kwi_loop_run (loop, 0);
  }
}
END_TEST

static size_t n_taken;
static char taken[64];

/* Takes three bytes at a time. */
static int
take_three (void *user, struct kwi_answer *a, const void *data, size_t len,
            size_t *ret_taken)
{
  (void) user, (void) a;
  *ret_taken = len < 3 ? len : 3;
  ck_assert_uint_le (n_taken + *ret_taken, sizeof taken);
  memcpy (taken + n_taken, data, *ret_taken);
  n_taken += *ret_taken;
  return KWI_SINK_PAUSE;
}

START_TEST (what_a_paused_sink_did_not_take_comes_again)
{
  struct kwi_exchange x = exchange ("GET", "/models", NULL);
  struct canned *server
    = canned_start ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
  int pauses = 0;

  n_taken = 0;
  ck_assert_int_eq (kwi_request_url (&rq, canned_url (server)), 0);
  x.sink = take_three;
  x.answer = &answer;
  x.done = over;
  is_over = 0;
  kwi_exchange_begin (lane, &x);
  while (!is_over) {
    kwi_loop_run (kwi_lane_loop (lane), -1);
    if (x.paused) {
      ck_assert_int_lt (pauses++, 10);
      kwi_exchange_resume (&x);
    }
  }
  ck_assert_uint_eq (n_taken, 10);
  ck_assert_int_eq (memcmp (taken, "0123456789", 10), 0);
  /* The last piece was taken, so its pause need not hold the end up. */
  ck_assert_int_ge (pauses, 3);
  canned_stop (server, NULL, 0);
}
END_TEST

START_TEST (the_lane_used_last_is_used_next)
{
  struct kwi_lane *a = kwi_lane_take (t), *b = kwi_lane_take (t);

  ck_assert_ptr_ne (a, b);
  kwi_lane_give (t, a);
  kwi_lane_give (t, b);
  ck_assert_ptr_eq (kwi_lane_take (t), b);
  kwi_lane_give (t, b);
}
END_TEST

START_TEST (a_sections_proxy_is_its_own)
{
  struct kwi_exchange x = exchange ("GET", "/models", NULL);
  struct canned *server
    = canned_start ("HTTP/1.1 203 Ok\r\nContent-Length: 0\r\n\r\n");
  struct kwi_net net = { .proxy = strdup (canned_url (server)) };
  char seen[2048];

  /* Its path is no part of a proxy's URL. */
  strchr (net.proxy + sizeof "http://", '/')[0] = '\0';
  ck_assert_int_eq (kwi_request_url (&rq, "http://nowhere.invalid/v1/models"), 0);
  x.net = &net;
  run (&x);
  ck_assert_msg (answer.status == 203, "%s", answer.net_text);
  canned_stop (server, seen, sizeof seen);
  ck_assert_ptr_nonnull (strstr (seen, "GET http://nowhere.invalid/v1/models "));
  /* The same handle for one who has none. */
  x = exchange ("GET", "/models", NULL);
  run (&x);
  ck_assert_int_eq (answer.status, 200);
  free (net.proxy);
}
END_TEST

/* The environment of the day when the handle is made counts; whom no_proxy names
 * is reached without. */
START_TEST (a_proxy_of_the_environment_is_used)
{
  struct kwi_exchange x = exchange ("GET", "/models", NULL);
  struct canned *server
    = canned_start ("HTTP/1.1 203 Ok\r\nContent-Length: 0\r\n\r\n");
  char *proxy = strdup (canned_url (server)), seen[2048];

  strchr (proxy + sizeof "http://", '/')[0] = '\0';
  ck_assert_int_eq (setenv ("http_proxy", proxy, 1), 0);
  ck_assert_int_eq (kwi_request_url (&rq, "http://nowhere.invalid/v1/models"), 0);
  run (&x);
  ck_assert_msg (answer.status == 203, "%s", answer.net_text);
  canned_stop (server, seen, sizeof seen);
  ck_assert_ptr_nonnull (strstr (seen, "GET http://nowhere.invalid/v1/models "));
  x = exchange ("GET", "/models", NULL); /* 127.0.0.1: in no_proxy, by simctl */
  run (&x);
  ck_assert_int_eq (answer.status, 200);
  ck_assert_int_eq (unsetenv ("http_proxy"), 0);
  free (proxy);
}
END_TEST

static int
count (const char *text, const char *what)
{
  int n = 0;

  while ((text = strcasestr (text, what)) != NULL) {
    text++;
    n++;
  }
  return n;
}

/* Those that libcurl would add and that we list ourselves. */
START_TEST (each_header_is_sent_once)
{
  static const struct {
    const char *name, *own, *line;
    int stream;
  } rows[] = {
    { "\nUser-Agent:", NULL, "\nUser-Agent: keywheel/", 0 },
    { "\nUser-Agent:", "other/1", "\nUser-Agent: other/1\r\n", 0 },
    { "\nAccept-Encoding:", NULL, "\nAccept-Encoding: deflate, gzip", 0 },
    { "\nAccept-Encoding:", "identity", "\nAccept-Encoding: identity\r\n", 0 },
    { "\nAccept-Encoding:", NULL, NULL, 1 },
    { "\nExpect:", NULL, NULL, 0 },
    { "\nContent-Type:", NULL, NULL, 0 },
  };

  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct kwi_exchange x = exchange ("POST", "/chat", "{}");
    struct canned *server
      = canned_start ("HTTP/1.1 203 Ok\r\nContent-Length: 0\r\n\r\n");
    char seen[2048], name[64];

    ck_assert_int_eq (kwi_request_url (&rq, canned_url (server)), 0);
    if (rows[i].own != NULL) {
      ck_assert (snprintf (name, sizeof name, "%.*s",
                           (int) strlen (rows[i].name) - 2, rows[i].name + 1) > 0);
      ck_assert_int_eq (kwi_request_header (&rq, name, rows[i].own), 0);
    }
    x.stream = rows[i].stream;
    run (&x);
    canned_stop (server, seen, sizeof seen);
    ck_assert_msg (count (seen, rows[i].name) == (rows[i].line != NULL)
                     && (rows[i].line == NULL || strstr (seen, rows[i].line) != NULL),
                   "row %zu: %s", i, seen);
  }
}
END_TEST

static void
ask_for (const struct canned *server, const char *path, const char *secret_query)
{
  struct kwi_exchange x = exchange ("GET", "", NULL);
  char url[128];

  ck_assert_int_lt (snprintf (url, sizeof url, "%s%s", canned_url (server), path),
                    sizeof url);
  ck_assert_int_eq (kwi_request_url (&rq, url), 0);
  if (secret_query != NULL)
    ck_assert_int_eq (kwi_request_secret_query (&rq, secret_query), 0);
  run (&x);
  ck_assert_int_eq (answer.status, 204);
}

/* A handle keeps the URL that it had last, taken apart; and on a connection that
 * its peer has closed libcurl begins anew with what it knows of it. */
START_TEST (a_handles_url_is_that_of_its_request)
{
  static const char nothing[] = "HTTP/1.1 204 None\r\n\r\n";
  static const struct { const char *path, *secret_query, *asked; } rows[] = {
    { "/models", NULL, "GET /v1/models HTTP" },
    { "/models?after=1", NULL, "GET /v1/models?after=1 HTTP" },
    { "/models", "key", "GET /v1/models?key=sk-a HTTP" },
    { "/a/../models/m%20x", NULL, "GET /v1/models/m%20x HTTP" },
  };

  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct canned *server = canned_start_each (nothing, nothing, NULL, NULL);
    char seen[2048];

    ask_for (server, "/another", NULL);
    ask_for (server, rows[i].path, rows[i].secret_query);
    ck_assert_int_eq (canned_stop (server, seen, sizeof seen), 2);
    ck_assert_msg (strncmp (seen, rows[i].asked, strlen (rows[i].asked)) == 0,
                   "row %zu: %s", i, seen);
  }
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("lane");
  TCase *tc = tcase_create ("lane");

  tcase_add_checked_fixture (tc, setup, teardown);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, cancel_ends_what_is_under_way);
  tcase_add_test (tc, an_idle_connection_that_is_closed_spins_no_core);
  tcase_add_test (tc, what_a_paused_sink_did_not_take_comes_again);
  tcase_add_test (tc, the_lane_used_last_is_used_next);
  tcase_add_test (tc, a_sections_proxy_is_its_own);
  tcase_add_test (tc, a_proxy_of_the_environment_is_used);
  tcase_add_test (tc, each_header_is_sent_once);
  tcase_add_test (tc, a_handles_url_is_that_of_its_request);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)

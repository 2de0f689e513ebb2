/* test_gateway_streams - streams through the gateway: in what form each client gets
 * them, clients that do not read, and what a stream takes of memory. */
#include "flood.h"

/* ---- Their form --------------------------------------------------------------------- */

START_TEST (who_knows_no_chunks_gets_none)
{
  int fd, up;

  gateway_with_hand ("", "");
  fd = client_connect ();
  say_text (fd, format ("POST " CHAT " HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: "
                        "application/json\r\nContent-Length: %zu\r\n\r\n" STREAM,
                        strlen (STREAM)));
  up = provider_take ("}]}");
  provider_begin_stream (up);
  for (int i = 0; i < 20; i++) {
    provider_word (up, format ("word-%d.", i));
    hear_until (fd, &a.heard, format ("word-%d.", i));
  }
  provider_end_stream (up);
  finish_answer (fd);
  ck_assert_str_eq (field_of ("Transfer-Encoding"), "");
  ck_assert_ptr_nonnull (strstr (a.body, "word-0.\"}}]}\n\ndata: "));
  ck_assert_ptr_nonnull (strstr (a.body, "data: [DONE]\n\n"));
}
END_TEST

/* What is heard behind a text is kept: it may be the next answer already. */
static void
forget_until (int fd, const char *text)
{
  char *end;

  hear_until (fd, &a.heard, text);
  end = (char *) memmem (a.heard.bytes, a.heard.len, text, strlen (text)) + strlen (text);
  a.heard.len -= (size_t) (end - a.heard.bytes);
  memmove (a.heard.bytes, end, a.heard.len + 1);
}

/* The next request may come before the stream is over. */
START_TEST (a_connection_serves_on_after_a_stream)
{
  int fd, up;

  gateway_with_hand ("", "");
  fd = stream_begin ("", &up);
  provider_word (up, "second");
  hear_until (fd, &a.heard, "second");
  if (_i == 1)
    say_request (fd, "GET", "/healthz", "Connection: close\r\n", NULL);
  provider_end_stream (up);
  forget_until (fd, "[DONE]\n\n\r\n0\r\n\r\n");
  if (_i == 0)
    say_request (fd, "GET", "/healthz", "Connection: close\r\n", NULL);
  finish_answer (fd);
  ck_assert_int_eq (a.status, 200);
  ck_assert_int_eq (a.cut, 0);
}
END_TEST

/* "data: ", an object with n times the letter, and its end. */
static const char *
long_event (size_t n)
{
  static char event[32 * 1024];
  static const char begin[] = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"";

  memcpy (event, begin, sizeof begin - 1);
  memset (event + sizeof begin - 1, 'y', n);
  memcpy (event + sizeof begin - 1 + n, "\"}}]}\n\n", sizeof "\"}}]}\n\n");
  return event;
}

/* Longer than what is read at once. */
START_TEST (long_events_come_byte_for_byte)
{
  const char *at;
  int fd, up;

  gateway_with_hand ("", "");
  fd = stream_begin ("Connection: close\r\n", &up);
  for (size_t n = 1; n < 20000; n += 997) {
    const char *event = long_event (n);
    say_text (up, format ("%zx\r\n", strlen (event)));
    say_text (up, event);
    say_text (up, "\r\n");
    hear_until (fd, &a.heard, "y\"}}]}\n\n\r\n");
  }
  provider_end_stream (up);
  finish_answer (fd);
  ck_assert_int_eq (a.cut, 0);
  at = strstr (a.body, "\n\n") + 2;
  for (size_t n = 1; n < 20000; n += 997) {
    const char *event = long_event (n);
    ck_assert_msg (strncmp (at, event, strlen (event)) == 0, "the event of %zu bytes", n);
    at += strlen (event);
  }
  ck_assert_str_eq (at, "data: [DONE]\n\n");
}
END_TEST

/* ---- Who does not read ---------------------------------------------------------------- */

/* What came before has its place before the error. */
START_TEST (what_waits_for_a_slow_client_comes_before_the_error)
{
  struct flood f;
  int fd, up;

  gateway_with_hand ("", "");
  fd = stream_begin ("Connection: close\r\n", &up);
  flood_until_full (&f, up);
  flood_finish (&f, up, fd);
  (void) close (up);
  finish_answer (fd);
  ck_assert_int_eq (a.cut, 1);
  ck_assert_uint_eq (flood_events (), f.sent / f.len);
  const char *error = strstr (a.body, "data: {\"error\":{");
  ck_assert_ptr_nonnull (error);
  ck_assert_ptr_null (strstr (error, "xx\"}}]}"));
}
END_TEST

START_TEST (who_reads_nothing_is_cut_off_when_the_idle_time_is_over)
{
  struct flood f;
  int fd, up;

  gateway_with_hand ("attempt_timeout = 1h\ndeadline = 1h\n", "idle_timeout = 1s");
  fd = stream_begin ("", &up);
  flood_until_full (&f, up);            /* or until it is over, on a slow machine */
  provider_expect_close (up);
  hear_all (fd, &a.heard);
  answer_parse ();
  ck_assert_int_eq (a.cut, 1);
  (void) close (fd);
}
END_TEST

/* A stream may be silent for longer, if its client has read all. */
START_TEST (who_has_read_all_is_not_cut_off)
{
  struct pollfd p = { .events = POLLIN };
  int fd, up;

  gateway_with_hand ("attempt_timeout = 1h\ndeadline = 1h\n", "idle_timeout = 1s");
  fd = stream_begin ("Connection: close\r\n", &up);
  provider_word (up, "second");
  hear_until (fd, &a.heard, "second");
  p.fd = fd;
  ck_assert_int_eq (poll (&p, 1, 2500), 0);
  provider_word (up, "third");
  hear_until (fd, &a.heard, "third");
  provider_end_stream (up);
  finish_answer (fd);
  ck_assert_int_eq (a.cut, 0);
}
END_TEST

START_TEST (who_hangs_up_while_much_waits_ends_its_call)
{
  struct flood f;
  int fd, up, before;

  gateway_with_hand ("", "");
  before = count_descriptors ();
  fd = stream_begin ("", &up);
  flood_until_full (&f, up);
  ck_assert (!f.refused);
  (void) close (fd);
  provider_expect_close (up);
  descriptors_fall_to (before);
}
END_TEST

/* ---- Memory ----------------------------------------------------------------------------- */

/* VmRSS of the gateway, in bytes. */
static long
resident (void)
{
  FILE *f = fopen (format ("/proc/%d/status", (int) proc_pid (gateway)), "r");
  char line[256];
  long kb = 0;

  ck_assert_ptr_nonnull (f);
  while (kb == 0 && fgets (line, sizeof line, f) != NULL)
    if (strncmp (line, "VmRSS:", 6) == 0)
      kb = strtol (line + 6, NULL, 10);
  (void) fclose (f);
  ck_assert_int_gt (kb, 0);
  return kb * 1024;
}

/* Many of them, all alike, of which the first bring what is needed once: what another
 * one takes. */
enum { FIRST = 100, STREAMS = 500 };

static long
memory_of_a_stream (const char *body)
{
  static int fds[STREAMS], ups[STREAMS];
  long before = 0, took;

  for (int i = 0; i < STREAMS; i++) {
    if (i == FIRST)
      before = resident ();
    answer_clear ();
    fds[i] = client_connect ();
    say_request (fds[i], "POST", CHAT, "", body);
    ups[i] = provider_take ("}]}");
    provider_begin_stream (ups[i]);
    provider_word (ups[i], "first");
    hear_until (fds[i], &a.heard, "first");
    provider_word (ups[i], "second");
    hear_until (fds[i], &a.heard, "second");
  }
  took = (resident () - before) / (STREAMS - FIRST);
  for (int i = 0; i < STREAMS; i++) {
    (void) close (fds[i]);
    provider_expect_close (ups[i]);
  }
  return took;
}

/* 28 KB with libcurl 7.88.1 and libmicrohttpd 0.9.75, 17 of which are theirs; max_header
 * is not among it, and is 16 KB by itself. */
#define A_STREAM (36L * 1024)

START_TEST (a_stream_takes_little_memory)
{
  if (kwtest_slower () > 1)
    return;                     /* what watches it takes memory of its own */
  gateway_with_hand ("", _i == 1 ? "max_header = 64KB" : "");
  ck_assert_int_le (memory_of_a_stream (STREAM), A_STREAM);
}
END_TEST

/* Not even of a body that was sent in pieces, and kept in case that it has to be sent
 * again. */
START_TEST (what_was_sent_is_not_kept_for_the_length_of_a_stream)
{
  static char body[300 * 1024];
  static const char begin[] = "{\"stream\":true,\"model\":\"" MODEL "\",\"messages\":"
                              "[{\"role\":\"user\",\"content\":\"";
  size_t len = _i == 0 ? 60 * 1024 : 200 * 1024;

  if (kwtest_slower () > 1)
    return;
  memcpy (body, begin, sizeof begin - 1);
  memset (body + sizeof begin - 1, 'x', len);
  memcpy (body + sizeof begin - 1 + len, "\"}]}", sizeof "\"}]}");
  gateway_with_hand ("", "");
  ck_assert_int_le (memory_of_a_stream (body), A_STREAM + 16L * 1024);
}
END_TEST

static Suite *
streams_suite (void)
{
  Suite *s = suite_create ("gateway_streams");
  TCase *t = tcase_create ("gateway_streams");

  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, set_up, gateway_tear_down);
  tcase_add_test (t, who_knows_no_chunks_gets_none);
  tcase_add_loop_test (t, a_connection_serves_on_after_a_stream, 0, 2);
  tcase_add_test (t, long_events_come_byte_for_byte);
  tcase_add_test (t, what_waits_for_a_slow_client_comes_before_the_error);
  tcase_add_test (t, who_reads_nothing_is_cut_off_when_the_idle_time_is_over);
  tcase_add_test (t, who_has_read_all_is_not_cut_off);
  tcase_add_test (t, who_hangs_up_while_much_waits_ends_its_call);
  tcase_add_loop_test (t, a_stream_takes_little_memory, 0, 2);
  tcase_add_loop_test (t, what_was_sent_is_not_kept_for_the_length_of_a_stream, 0, 2);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (streams_suite)

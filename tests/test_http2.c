/* test_http2 - many calls on one connection: they share it, they do not hold each
 * other up, and it may end at any time. */
#include <signal.h>

#include "hand.h"
#include "raw.h"

/* ---- One connection ------------------------------------------------------------ */

START_TEST (twenty_at_once_share_one_connection)
{
  struct call c[20];
  struct front_line line;
  long connection = 0;

  front_up ("localhost", (struct front_options) { .cert = NULL });
  open_trusting ("");
  for (int i = 0; i < 20; i++)
    call_begin (&c[i], i % 2);
  TURN_UNTIL (n_ended == 20);
  for (int i = 0; i < 20; i++) {
    ck_assert_msg (c[i].code == 0, "call %d: %s", i, c[i].why);
    front_log (front, &line);
    if (i == 0)
      connection = line.connection;
    ck_assert_int_eq (line.connection, connection);
    ck_assert_str_eq (line.protocol, "HTTP/2.0");
  }
}
END_TEST

/* Row by row HTTP/2, which says goodbye, and HTTP/1.1. */
START_TEST (a_connection_closed_while_idle_spins_no_core_and_fails_no_call)
{
  struct front_line first, second;
  struct call c;

  front_up ("localhost", (struct front_options) {
    .lines = "keepalive_timeout 300ms;", .only_http_1_1 = _i });
  open_trusting ("");
  call_begin (&c, 0);
  TURN_UNTIL (c.ended);
  ck_assert_msg (c.code == 0, "%s", c.why);
  wait_for_close ();
  turn_until_quiet ();
  call_begin (&c, 0);
  TURN_UNTIL (c.ended);
  ck_assert_msg (c.code == 0, "%s", c.why);
  ck_assert_int_eq (c.attempts, 1);
  front_log (front, &first);
  front_log (front, &second);
  ck_assert_int_ne (first.connection, second.connection);
  if (_i == 1)                  /* libcurl 7.88 loses the session with HTTP/2 */
    ck_assert_str_eq (second.reused, "r");
}
END_TEST

static void *
send_body (void *user)
{
  atomic_int *code = user;
  static const char body[] = "\n{\"model\":\"m\",\"messages\":[]}\n";
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *reply = NULL;

  rq.body = body;
  rq.body_len = sizeof body - 1;
  atomic_store (code, kw_chat (kit.client, &rq, &reply, &kit.err));
  kw_reply_free (reply);
  return NULL;
}

/* Frames that say nothing, more than a TLS record holds, and then that it wants
 * no more requests. */
START_TEST (a_goodbye_that_lies_behind_other_frames_fails_no_call)
{
  enum { PINGS = 1000 };
  static const char ping[] = FRAME ("\0\10", "\6", "\1", "\0") "\0\0\0\0\0\0\0\0";
  static const char goodbye[] = FRAME ("\0\10", "\7", "\0", "\0")
                                "\0\0\0\1\0\0\0\0";
  struct proc *raw;
  pthread_t thread;

  front_up ("localhost", (struct front_options) { .cert = NULL });
  front_kill (front);
  raw = start_raw ();
  open_trusting ("");
  for (int i = 0; i < 2; i++) {
    atomic_int code = 1;        /* not over yet */
    ck_assert_int_eq (pthread_create (&thread, NULL, send_body, &code), 0);
    if (i == 1)
      read_until (raw, "CONNECTION CLOSED");    /* with what was sent there */
    serve_raw (raw);
    feed_until_over (raw, &code);
    ck_assert_int_eq (pthread_join (thread, NULL), 0);
    ck_assert_msg (code == 0, "%s", kit.err.message);
    if (i == 1)
      break;
    for (int j = 0; j < PINGS; j++)
      proc_write (raw, ping, sizeof ping - 1);
    proc_write (raw, goodbye, sizeof goodbye - 1);
    feed_until_there (raw, PINGS * (int) (sizeof ping - 1));
  }
  ck_assert_int_eq (kit_count (KW_EVENT_ATTEMPT, NULL), 2);
  proc_signal (raw, SIGKILL);
  proc_finish (raw, NULL, HAND_PATIENCE_MS);
}
END_TEST

/* Calls one after the other need one, however many there are: the others age. */
START_TEST (of_many_idle_connections_one_is_used_again_and_again)
{
  struct front_line line[6];
  struct call c[3];
  int fd[3];

  hand_up ((struct front_options) { .only_http_1_1 = 1 });
  open_trusting ("");
  for (int i = 0; i < 3; i++) {
    call_begin (&c[i], 0);
    fd[i] = hand_take ();
  }
  for (int i = 0; i < 3; i++) {
    hand_reply (fd[i], "a");
    TURN_UNTIL (c[i].ended);
  }
  for (int i = 0; i < 3; i++) {
    call_begin (&c[0], 0);
    hand_reply (hand_take (), "b");
    TURN_UNTIL (c[0].ended);
    ck_assert_msg (c[0].code == 0, "%s", c[0].why);
  }
  for (int i = 0; i < 6; i++)
    front_log (front, &line[i]);
  ck_assert_int_ne (line[0].connection, line[1].connection);
  ck_assert_int_ne (line[1].connection, line[2].connection);
  for (int i = 3; i < 6; i++)
    ck_assert_int_eq (line[i].connection, line[3].connection);
}
END_TEST

/* A server that takes so many requests on a connection and then wants another. */
START_TEST (a_goodbye_amid_calls_fails_none)
{
  struct call c[20];

  front_up ("localhost", (struct front_options) { .lines = "keepalive_requests 3;" });
  open_trusting ("");
  for (int i = 0; i < 20; i++)
    call_begin (&c[i], i % 2);
  TURN_UNTIL (n_ended == 20);
  for (int i = 0; i < 20; i++)
    ck_assert_msg (c[i].code == 0, "call %d: %s", i, c[i].why);
}
END_TEST

/* ---- Streams --------------------------------------------------------------------- */

START_TEST (chunks_arrive_as_they_come)
{
  struct call c;
  int fd;

  hand_up ((struct front_options) { .cert = NULL });
  open_trusting ("");
  call_begin (&c, 1);
  fd = hand_take ();
  hand_begin_stream (fd);
  hand_word (fd, "a");
  TURN_UNTIL (strcmp (c.text, "a") == 0);
  hand_word (fd, "b");
  TURN_UNTIL (strcmp (c.text, "ab") == 0);
  hand_end_stream (fd);
  TURN_UNTIL (c.ended);
  ck_assert_msg (c.code == 0, "%s", c.why);
}
END_TEST

static const struct { const char *key, *fault; } failures[] = {
  { "sk-a,name=A,rpd=1", NULL },        /* its second request: another key */
  { "sk-a,name=A", "sse-error,count=1" },
  { "sk-a,name=A", "sse-break=0,count=1" },
  { "sk-a,name=A", "drop,count=1" },
};

START_TEST (a_failure_before_the_first_content_is_not_seen)
{
  struct call c;

  front_up_with (failures[_i].key, "localhost", (struct front_options) { .cert = NULL });
  open_trusting ("");
  kit_served_by ("primary");
  if (failures[_i].fault != NULL)
    simctl_fault (kit.sim, failures[_i].fault);
  call_begin (&c, 1);
  TURN_UNTIL (c.ended);
  ck_assert_msg (c.code == 0, "row %d: %s", _i, c.why);
  ck_assert_int_eq (c.attempts, 2);
  ck_assert_ptr_nonnull (strstr (c.text, "one two three"));
}
END_TEST

/* Row by row calls and streams. */
START_TEST (a_cancel_ends_one_of_a_connection_and_no_other)
{
  const int stream = _i;
  struct call c[3];
  struct front_line line[3];
  int fd[3];

  hand_up ((struct front_options) { .cert = NULL });
  open_trusting ("");
  for (int i = 0; i < 3; i++) {
    call_begin (&c[i], stream);
    fd[i] = hand_take ();
    if (stream) {
      hand_begin_stream (fd[i]);
      hand_word (fd[i], "a");
      TURN_UNTIL (c[i].text[0] != '\0');
    }
  }
  kw_handle_cancel (c[1].handle);
  TURN_UNTIL (c[1].ended);
  ck_assert_int_eq (c[1].code, KW_ERR_CANCELLED);
  for (int i = 0; i < 3; i += 2) {
    if (stream) {
      hand_word (fd[i], "b");
      hand_end_stream (fd[i]);
    }
    else
      hand_reply (fd[i], "b");
    TURN_UNTIL (c[i].ended);
    ck_assert_msg (c[i].code == 0, "%s", c[i].why);
    ck_assert_str_eq (c[i].text, stream ? "ab" : "");
  }
  hand_expect_close (fd[1]);    /* the provider is told, too */
  for (int i = 0; i < 3; i++) {
    front_log (front, &line[i]);
    ck_assert_int_eq (line[i].connection, line[0].connection);
  }
}
END_TEST

START_TEST (of_a_cancel_of_the_only_call_the_provider_is_told_at_once)
{
  struct call c;
  int fd;

  hand_up ((struct front_options) { .cert = NULL });
  open_trusting ("");
  call_begin (&c, _i);
  fd = hand_take ();
  if (_i == 1)
    hand_begin_stream (fd);
  kw_handle_cancel (c.handle);
  TURN_UNTIL (c.ended);
  ck_assert_int_eq (c.code, KW_ERR_CANCELLED);
  hand_expect_close (fd);
  call_begin (&c, 0);
  hand_reply (hand_take (), "b");
  TURN_UNTIL (c.ended);
  ck_assert_msg (c.code == 0, "%s", c.why);
}
END_TEST

/* One whose content had begun, and one that had only a head. */
START_TEST (a_server_that_dies_is_an_error_after_content_and_a_retry_before)
{
  struct call begun, before;
  int fd[2];

  hand_up ((struct front_options) { .cert = NULL });
  open_trusting ("");
  call_begin (&begun, 1);
  fd[0] = hand_take ();
  hand_begin_stream (fd[0]);
  hand_word (fd[0], "a");
  TURN_UNTIL (begun.text[0] != '\0');
  call_begin (&before, 1);
  fd[1] = hand_take ();
  hand_begin_stream (fd[1]);
  front_kill (front);
  front_again (front);
  (void) close (fd[0]);
  (void) close (fd[1]);
  TURN_UNTIL (begun.ended);
  ck_assert_int_eq (begun.code, KW_ERR_UNAVAILABLE);
  ck_assert_msg (strstr (begun.why, "broke after it had begun") != NULL, "%s", begun.why);
  ck_assert_str_eq (begun.text, "a");
  fd[1] = hand_take ();
  hand_begin_stream (fd[1]);
  hand_word (fd[1], "b");
  hand_end_stream (fd[1]);
  TURN_UNTIL (before.ended);
  ck_assert_msg (before.code == 0, "%s", before.why);
  ck_assert_int_eq (before.attempts, 2);
  ck_assert_str_eq (before.text, "b");
}
END_TEST

/* The provider behind the front goes; the connection to the front stays. */
START_TEST (a_stream_that_is_reset_breaks_no_other)
{
  struct call c[2];
  int fd[2];

  hand_up ((struct front_options) { .cert = NULL });
  open_trusting ("");
  for (int i = 0; i < 2; i++) {
    call_begin (&c[i], 1);
    fd[i] = hand_take ();
    hand_begin_stream (fd[i]);
    hand_word (fd[i], "a");
    TURN_UNTIL (c[i].text[0] != '\0');
  }
  (void) close (fd[0]);
  hand_word (fd[1], "b");       /* nginx sends a reset with the next frame only */
  TURN_UNTIL (c[0].ended);
  ck_assert_int_eq (c[0].code, KW_ERR_UNAVAILABLE);
  ck_assert_msg (strstr (c[0].why, "broke after it had begun") != NULL, "%s", c[0].why);
  hand_end_stream (fd[1]);
  TURN_UNTIL (c[1].ended);
  ck_assert_msg (c[1].code == 0, "%s", c[1].why);
  ck_assert_str_eq (c[1].text, "ab");
}
END_TEST

#define COUNT(array) ((int) (sizeof (array) / sizeof (array)[0]))

/* ---- What is passed on ----------------------------------------------------- */

struct body { char text[40000]; size_t len, given; };

static int64_t
give_body (void *user, void *buf, size_t size)
{
  struct body *b = user;
  size_t n = b->len - b->given < size ? b->len - b->given : size;

  memcpy (buf, b->text + b->given, n);
  b->given += n;
  return (int64_t) n;
}

/* Of unknown length, and more than is kept. */
START_TEST (an_upload_goes_out_over_http2_too)
{
  static struct body b;
  kw_request rq = KW_REQUEST_INIT;
  struct front_line line;
  kw_reply *reply = NULL;
  int n = snprintf (b.text, sizeof b.text, "{\"model\":\"m\",\"x\":\"%030000d\","
                    "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", 7);

  ck_assert_int_gt (n, 30000);
  b.len = (size_t) n;
  front_up ("localhost", (struct front_options) { .cert = NULL });
  open_trusting ("");
  rq.pass = 1;
  rq.on_upload = give_body;
  rq.user = &b;
  rq.replay_limit = 10000;
  ck_assert_msg (kw_chat (kit.client, &rq, &reply, &kit.err) == 0, "%s", kit.err.message);
  ck_assert_ptr_nonnull (kw_reply_text (reply));
  ck_assert_uint_eq (b.given, b.len);
  kw_reply_free (reply);
  front_log (front, &line);
  ck_assert_str_eq (line.protocol, "HTTP/2.0");
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("http2");
  TCase *tc = tcase_create ("http2");

  tcase_add_checked_fixture (tc, hand_setup, front_down);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, twenty_at_once_share_one_connection);
  tcase_add_loop_test (tc, a_connection_closed_while_idle_spins_no_core_and_fails_no_call,
                       0, 2);
  tcase_add_test (tc, a_goodbye_that_lies_behind_other_frames_fails_no_call);
  tcase_add_test (tc, of_many_idle_connections_one_is_used_again_and_again);
  tcase_add_test (tc, a_goodbye_amid_calls_fails_none);
  tcase_add_test (tc, chunks_arrive_as_they_come);
  tcase_add_loop_test (tc, a_failure_before_the_first_content_is_not_seen, 0,
                       COUNT (failures));
  tcase_add_loop_test (tc, a_cancel_ends_one_of_a_connection_and_no_other, 0, 2);
  tcase_add_loop_test (tc, of_a_cancel_of_the_only_call_the_provider_is_told_at_once, 0,
                       2);
  tcase_add_test (tc, a_server_that_dies_is_an_error_after_content_and_a_retry_before);
  tcase_add_test (tc, a_stream_that_is_reset_breaks_no_other);
  tcase_add_test (tc, an_upload_goes_out_over_http2_too);
  suite_add_tcase (s, tc);
  return s;
}

int
main (void)
{
  return tlskit_run (suite);
}

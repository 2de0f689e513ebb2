/* test_async - calls whose loop is the program's own: one descriptor, one
 * time-out, and what kw_client_process makes of them. */
#include <poll.h>

#include "canned.h"
#include "clientkit.h"

/* What came of one call. */
struct one {
  kw_handle *handle;
  int ended, code, texts, pause, chain, resubmit, n_events;
  char key[KW_NAME_MAX], why[512];
  char text[512], data[8192];
  size_t data_len;
};

static int n_ended;

static int
on_text (void *user, const char *text, size_t len)
{
  struct one *o = user;
  size_t at = strlen (o->text);

  ck_assert_int_eq (o->ended, 0);
  ck_assert_uint_lt (at + len, sizeof o->text);
  memcpy (o->text + at, text, len);
  o->texts++;
  return o->pause ? KW_PAUSE : 0;
}

static int
on_data (void *user, const void *data, size_t len)
{
  struct one *o = user;

  ck_assert_int_eq (o->ended, 0);
  ck_assert_uint_lt (o->data_len + len, sizeof o->data);
  memcpy (o->data + o->data_len, data, len);
  o->data_len += len;
  return 0;
}

static void
on_event (void *user, const kw_event *e)
{
  struct one *o = user;

  ck_assert_str_ne (e->provider, "");
  o->n_events++;
}

static void submit (struct one *o, const kw_request *rq);

static void
on_end (void *user, int code, kw_reply *reply, const struct kw_error *err)
{
  struct one *o = user;
  kw_request rq = KW_REQUEST_INIT;

  ck_assert_int_eq (o->ended++, 0);
  n_ended++;
  o->code = code;
  o->handle = NULL;
  ck_assert_int_eq (code == 0, reply != NULL);
  ck_assert_int_eq (code == 0, err == NULL);
  if (err != NULL) {
    ck_assert_int_eq (err->code, code);
    (void) memccpy (o->why, err->message, '\0', sizeof o->why - 1);
  }
  else
    (void) memccpy (o->key, kw_reply_key (reply), '\0', sizeof o->key);
  kw_reply_free (reply);
  if (o->resubmit) {
    kw_callbacks on = KW_CALLBACKS_INIT;
    on.on_end = on_end;
    rq.prompt = "hi";
    ck_assert_ptr_null (kw_submit (kit.client, &rq, &on, o));
  }
  if (o->chain > 0) {           /* the next one from within the callback */
    rq.prompt = "again";
    o->ended = 0;
    o->chain--;
    submit (o, &rq);
  }
}

static void
submit (struct one *o, const kw_request *rq)
{
  kw_callbacks on = KW_CALLBACKS_INIT;

  on.on_end = on_end;
  on.on_event = on_event;
  if (rq->stream) {
    on.on_text = on_text;
    on.on_data = on_data;
  }
  o->handle = kw_submit (kit.client, rq, &on, o);
  ck_assert_ptr_nonnull (o->handle);
}

static void
ask (struct one *o, const char *prompt, int stream)
{
  kw_request rq = KW_REQUEST_INIT;

  rq.prompt = prompt;
  rq.stream = stream;
  submit (o, &rq);
}

/* As a program would: sleeps in poll only. */
static int
turn (void)
{
  struct pollfd p = { .fd = kw_client_fd (kit.client), .events = POLLIN };
  int ms = kw_client_timeout (kit.client);

  ck_assert_int_ge (p.fd, 0);
  ck_assert_int_ge (poll (&p, 1, ms < 0 || ms > 20000 ? 20000 : ms), 0);
  return kw_client_process (kit.client);
}

static void
turn_until (int n)
{
  while (n_ended < n)
    (void) turn ();
}

START_TEST (many_at_once_on_one_descriptor)
{
  struct one o[50];
  int i, fd;

  kit_sim_real ("--key", "sk-a,name=A");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  fd = kw_client_fd (kit.client);
  memset (o, 0, sizeof o);
  for (i = 0; i < 50; i++)
    ask (&o[i], "hi", i % 2);
  turn_until (50);
  ck_assert_int_eq (kw_client_process (kit.client), 0);
  ck_assert_int_eq (kw_client_fd (kit.client), fd);
  for (i = 0; i < 50; i++) {
    ck_assert_msg (o[i].code == 0, "call %d: %s", i, o[i].why);
    ck_assert_str_eq (o[i].key, "primary");
    ck_assert_int_ge (o[i].n_events, 2);
    if (i % 2)
      ck_assert_msg (strstr (o[i].data, "[DONE]") != NULL, "%s", o[i].data);
  }
}
END_TEST

START_TEST (a_days_limit_switches_unseen)
{
  struct one o[8];
  int i, n_primary = 0;

  kit_sim ("--key", "sk-a,name=A,rpd=2", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  memset (o, 0, sizeof o);
  for (i = 0; i < 8; i++)
    ask (&o[i], "one two three", 1);
  turn_until (8);
  for (i = 0; i < 8; i++) {
    ck_assert_msg (o[i].code == 0, "call %d: %s", i, o[i].why);
    ck_assert_msg (strstr (o[i].text, "one two three") != NULL, "%s", o[i].text);
    if (strcmp (o[i].key, "primary") == 0)
      n_primary++;
    else
      ck_assert_str_eq (o[i].key, "backup-1");
  }
  /* Which two: those whose connections the provider heard first. */
  ck_assert_int_eq (n_primary, 2);
}
END_TEST

START_TEST (one_begun_in_a_callback_goes_on)
{
  struct one o = { .chain = 20 };

  kit_sim ("--key", "sk-a,name=A");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  ask (&o, "hi", 0);
  turn_until (21);
  ck_assert_int_eq (o.code, 0);
}
END_TEST

START_TEST (what_is_wrong_with_a_request_comes_to_on_end)
{
  struct one o[3] = { { .ended = 0 } };
  kw_request rq = KW_REQUEST_INIT;
  kw_callbacks none = KW_CALLBACKS_INIT;

  kit_sim ("--key", "sk-a,name=A");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  rq.body = "{\"model\":";
  rq.body_len = 9;
  submit (&o[0], &rq);
  rq = (kw_request) KW_REQUEST_INIT;
  rq.prompt = "hi";
  rq.provider = "nobody";
  submit (&o[1], &rq);
  rq.provider = NULL;
  rq.on_text = on_text;
  submit (&o[2], &rq);
  ck_assert_int_eq (n_ended, 0);
  turn_until (3);
  ck_assert_msg (strstr (o[0].why, "not valid JSON") != NULL, "%s", o[0].why);
  ck_assert_msg (strstr (o[1].why, "nobody") != NULL, "%s", o[1].why);
  ck_assert_msg (strstr (o[2].why, "kw_callbacks") != NULL, "%s", o[2].why);
  ck_assert_ptr_null (kw_submit (kit.client, &rq, &none, NULL));
  ck_assert_ptr_null (kw_submit (kit.client, &rq, NULL, NULL));
}
END_TEST

START_TEST (a_paused_stream_is_not_read_from)
{
  struct one o = { .pause = 1 };
  struct pollfd p;
  int turns, texts = 0;

  kit_sim ("--key", "sk-a,name=A");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  ask (&o, "one two three four five", 1);
  while (n_ended == 0) {
    while (o.texts == texts && n_ended == 0)
      (void) turn ();
    if (n_ended > 0)
      break;
    ck_assert_int_eq (o.texts, texts + 1);
    texts = o.texts;
    /* Whatever there is to come, nothing of it does. */
    p = (struct pollfd) { .fd = kw_client_fd (kit.client), .events = POLLIN };
    for (turns = 0; poll (&p, 1, 0) == 1; turns++) {
      ck_assert_int_lt (turns, 10);
      (void) kw_client_process (kit.client);
    }
    ck_assert_int_eq (o.texts, texts);
    kw_handle_resume (o.handle);
  }
  ck_assert_msg (o.code == 0, "%s", o.why);
  ck_assert_int_ge (texts, 3);
  ck_assert_msg (strstr (o.text, "one two three four five") != NULL, "%s", o.text);
  ck_assert_ptr_nonnull (strstr (o.data, "[DONE]"));
}
END_TEST

static int
swallow (void *user, const void *data, size_t len)
{
  struct one *o = user;

  (void) data;
  o->data_len += len;
  return KW_PAUSE;
}

START_TEST (a_slow_consumer_stops_an_endless_stream)
{
  struct canned *server = canned_start_forever (
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n");
  kw_callbacks on = KW_CALLBACKS_INIT;
  kw_request rq = KW_REQUEST_INIT;
  struct one o = { .ended = 0 };
  struct pollfd p;
  size_t came;
  int i, turns;

  kit.url = canned_url (server);
  kit_keys ("sk-a", NULL);
  kit_open ("deadline = 1h\nattempt_timeout = 1h");
  on.on_end = on_end;
  on.on_data = swallow;
  rq.prompt = "hi";
  rq.stream = 1;
  o.handle = kw_submit (kit.client, &rq, &on, &o);
  for (i = 0; i < 20; i++) {
    came = o.data_len;
    while (o.data_len == came)
      (void) turn ();
    /* What libcurl reads at once, and no more. */
    ck_assert_uint_le (o.data_len - came, 2 * 16384);
    came = o.data_len;
    p = (struct pollfd) { .fd = kw_client_fd (kit.client), .events = POLLIN };
    for (turns = 0; poll (&p, 1, 0) == 1; turns++) {
      ck_assert_int_lt (turns, 10);
      (void) kw_client_process (kit.client);
    }
    ck_assert_uint_eq (o.data_len, came);
    kw_handle_resume (o.handle);
  }
  kw_handle_cancel (o.handle);
  turn_until (1);
  ck_assert_int_eq (o.code, KW_ERR_CANCELLED);
  canned_stop (server, NULL, 0);
}
END_TEST

START_TEST (a_cancel_ends_one_call_and_no_other)
{
  struct canned *server = canned_deaf ();
  struct one o[2] = { { .ended = 0 } };

  kit.url = canned_url (server);
  kit_keys ("sk-a", NULL);
  kit_open ("");
  ask (&o[0], "hi", 0);
  ask (&o[1], "hi", 0);
  (void) kw_client_process (kit.client);
  kw_handle_cancel (o[0].handle);
  turn_until (1);
  ck_assert_int_eq (o[0].code, KW_ERR_CANCELLED);
  ck_assert_int_eq (o[1].ended, 0);
  ck_assert_int_eq (kw_client_process (kit.client), 1);
  /* Closing ends the other; nobody is left without an end, and nothing begins
   * there. */
  o[1].resubmit = 1;
  kw_client_close (kit.client);
  kit.client = NULL;
  ck_assert_int_eq (o[1].ended, 1);
  ck_assert_int_eq (o[1].code, KW_ERR_CANCELLED);
  canned_stop (server, NULL, 0);
}
END_TEST

/* Over plain HTTP nothing is known of a server before its first answer, which may
 * take as long as a model thinks. */
START_TEST (no_call_waits_for_the_first_ones_answer)
{
  struct canned *server = canned_deaf ();
  struct one o[3] = { { .ended = 0 } };
  int fds[3], n = 0;

  kit.url = canned_url (server);
  kit_keys ("sk-a", NULL);
  kit_open ("");
  for (int i = 0; i < 3; i++)
    ask (&o[i], "hi", 0);
  while (n < 3) {
    struct pollfd p[2] = { { .fd = server->fd, .events = POLLIN },
                           { .fd = kw_client_fd (kit.client), .events = POLLIN } };
    ck_assert_int_gt (poll (p, 2, 20000 * kwtest_slower ()), 0);
    if (p[0].revents != 0)
      fds[n++] = accept (server->fd, NULL, NULL);
    (void) kw_client_process (kit.client);
  }
  ck_assert_int_eq (n_ended, 0);
  kw_client_close (kit.client); /* while its calls' o is there */
  kit.client = NULL;
  for (int i = 0; i < 3; i++)
    (void) close (fds[i]);
  canned_stop (server, NULL, 0);
}
END_TEST

START_TEST (kw_client_cancel_ends_all_and_leaves_the_descriptor_quiet)
{
  struct canned *server = canned_deaf ();
  struct one o[3] = { { .ended = 0 } };
  struct pollfd p;
  int i, turns;

  kit.url = canned_url (server);
  kit_keys ("sk-a", NULL);
  kit_open ("");
  for (i = 0; i < 2; i++)
    ask (&o[i], "hi", 0);
  (void) kw_client_process (kit.client);
  kw_client_cancel (kit.client);
  turn_until (2);
  ask (&o[2], "hi", 0);
  turn_until (3);
  for (i = 0; i < 3; i++)
    ck_assert_int_eq (o[i].code, KW_ERR_CANCELLED);
  p = (struct pollfd) { .fd = kw_client_fd (kit.client), .events = POLLIN };
  for (turns = 0; poll (&p, 1, 0) == 1; turns++) {
    ck_assert_int_lt (turns, 10);
    (void) kw_client_process (kit.client);
  }
  canned_stop (server, NULL, 0);
}
END_TEST

/* The call may be over before kw_submit has returned: nothing of o is touched then. */
static void *
submit_some (void *user)
{
  struct one *o = user;
  int i, failed = 0;

  for (i = 0; i < 25; i++) {
    kw_callbacks on = KW_CALLBACKS_INIT;
    kw_request rq = KW_REQUEST_INIT;
    on.on_end = on_end;
    on.on_event = on_event;
    rq.prompt = "hi";
    failed += kw_submit (kit.client, &rq, &on, &o[i]) == NULL;
  }
  return failed == 0 ? NULL : user;
}

START_TEST (any_thread_submits_while_one_processes)
{
  static struct one o[4][25];
  pthread_t threads[4];
  int i, j;

  kit_sim_real ("--key", "sk-a,name=A");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  memset (o, 0, sizeof o);
  for (i = 0; i < 4; i++)
    ck_assert_int_eq (pthread_create (&threads[i], NULL, submit_some, o[i]), 0);
  turn_until (100);
  for (i = 0; i < 4; i++) {
    void *failed;
    ck_assert_int_eq (pthread_join (threads[i], &failed), 0);
    ck_assert_ptr_null (failed);
  }
  for (i = 0; i < 4; i++)
    for (j = 0; j < 25; j++)
      ck_assert_msg (o[i][j].code == 0, "%s", o[i][j].why);
}
END_TEST

static void
setup (void)
{
  n_ended = 0;
  kit_setup ();
}

static Suite *
suite (void)
{
  Suite *s = suite_create ("async");
  TCase *tc = tcase_create ("async");

  tcase_add_checked_fixture (tc, setup, kit_teardown);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, many_at_once_on_one_descriptor);
  tcase_add_test (tc, a_days_limit_switches_unseen);
  tcase_add_test (tc, one_begun_in_a_callback_goes_on);
  tcase_add_test (tc, what_is_wrong_with_a_request_comes_to_on_end);
  tcase_add_test (tc, a_paused_stream_is_not_read_from);
  tcase_add_test (tc, a_slow_consumer_stops_an_endless_stream);
  tcase_add_test (tc, a_cancel_ends_one_call_and_no_other);
  tcase_add_test (tc, no_call_waits_for_the_first_ones_answer);
  tcase_add_test (tc, kw_client_cancel_ends_all_and_leaves_the_descriptor_quiet);
  tcase_add_test (tc, any_thread_submits_while_one_processes);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)

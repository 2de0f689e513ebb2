/* keywheel serve: the breakers of its providers. */
#include "failkit.h"

#define LONG "breaker_open = 1h\nbreaker_open_max = 1h\n"

START_TEST (an_open_breaker_sends_everything_on)
{
  start_two ("", LONG "max_retries = 0");
  simctl_fault (sim, "drop");
  for (int i = 0; i < 5; i++)
    ask ("POST", CHAT, HELLO);
  is_served_by ("other", "groq=provider_unavailable");
  breaker_is ("groq", "open");
  for (int i = 0; i < 3; i++) {
    ask ("POST", CHAT, HELLO);
    is_served_by ("other", "groq=circuit_open");
  }
  ck_assert_uint_eq (n_asked (sim), 5);
  metric_is ("keywheel_breaker_state{provider=\"groq\"} 1\n");
  metric_is ("keywheel_fallbacks_total{from=\"groq\",to=\"other\",reason=\"circuit_open\"} 3\n");
  ck_assert (proc_expect (gateway, 2, "groq failed too often: nobody asks it for", PATIENCE_MS));
}
END_TEST

START_TEST (who_watches_is_told_of_failovers_and_breakers)
{
  struct heard w = { 0 };
  int fd;

  start_two ("", "breaker_open = 1ms\nbreaker_open_max = 1ms\nmax_retries = 0");
  fd = client_connect ();
  say_request (fd, "GET", "/events", "", NULL);
  hear_until (fd, &w, "\"fallback\":[\"other\"],\"breaker\":{\"state\":\"closed\"},");
  hear_until (fd, &w, "\n\n");
  w.len = 0;
  simctl_fault (sim, "drop,count=5");
  for (int i = 0; i < 5; i++)
    ask ("POST", CHAT, HELLO);
  is_served_by ("other", "groq=provider_unavailable");
  hear_until (fd, &w, "\"type\":\"failover\",\"provider\":\"groq\",\"to\":\"other\","
                      "\"reason\":\"provider_unavailable\"");
  hear_until (fd, &w, "\"breaker\":{\"state\":\"open\",\"until\":");
  hear_until (fd, &w, "\"type\":\"breaker\",\"provider\":\"groq\",\"reason\":\"open\","
                      "\"until\":");
  hear_until (fd, &w, "\"times\":4,\"last\":");      /* before it opened; a second later */
  do
    ask ("POST", CHAT, HELLO);
  while (strcmp (field_of ("x-keywheel-provider"), "groq") != 0);
  hear_until (fd, &w, "\"type\":\"breaker\",\"provider\":\"groq\",\"reason\":\"closed\"}");
  w.len = 0;
  hear_until (fd, &w, "event: tick\n");
  (void) close (fd);
  fd = client_connect ();       /* who comes later, too */
  w.len = 0;
  say_request (fd, "GET", "/events", "", NULL);
  hear_until (fd, &w, "\"reason\":\"closed\"}");
  ck_assert_ptr_nonnull (strstr (w.bytes, "\"breaker\":{\"state\":\"closed\"}"));
  ck_assert_ptr_nonnull (strstr (w.bytes, "\"type\":\"failover\""));
  (void) close (fd);
  free (w.bytes);
}
END_TEST

/* Of a provider that only hangs there is no verdict. */
START_TEST (a_deadline_that_passed_in_an_exchange_counts)
{
  start_gateway ("", LONG "breaker_failures = 1\ndeadline = 100ms", "", "");
  simctl_fault (sim, "delay=60000");
  ask ("POST", CHAT, HELLO);
  is_error (504, "deadline_exceeded");
  breaker_is ("groq", "open");
}
END_TEST

/* The provider waits for the rest of the body until its time is over.  That has to be
 * long enough for the first of it to come there. */
START_TEST (a_slow_client_does_not_open_it)
{
  int fd, up;

  set_env ("GROQ_API_KEY=" SECRET "a");
  set_env (ini);
  write_gateway_ini (provider_listen (), LONG "breaker_failures = 1\ndeadline = 2s", "");
  gateway_start ();
  fd = client_connect ();
  say_text (fd, "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                "Content-Type: multipart/form-data; boundary=x7\r\nContent-Length: 100000\r\n"
                "\r\n--x7\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nw\r\n--x7");
  up = provider_take ("--x7");
  provider_expect_close (up);
  breaker_is ("groq", "closed");
  (void) close (fd);
}
END_TEST

/* A call that would wait to ask again goes on as soon as its breaker opens. */
START_TEST (who_waits_to_ask_again_goes_on_when_it_opens)
{
  start_two ("", LONG "breaker_failures = 3\nmax_retries = 1000");
  simctl_fault (sim, "status=503");
  ask ("POST", CHAT, HELLO);
  is_served_by ("other", "groq=circuit_open");
  ck_assert_uint_eq (n_asked (sim), 3);
}
END_TEST

START_TEST (limits_and_refusals_do_not_open_it)
{
  start_gateway (",rpd=1", LONG "breaker_failures = 2", "", "");
  for (int i = 0; i < 5; i++)
    ask ("POST", CHAT, HELLO);
  is_error (429, "keys_exhausted");
  simctl_fault (sim, "status=400,count=4");
  for (int i = 0; i < 4; i++)
    ask ("POST", "/v1/embeddings", "{\"model\":\"e\",\"input\":\"x\"}");
  ck_assert_int_eq (a.status, 400);
  breaker_is ("groq", "closed");
}
END_TEST

START_TEST (without_a_fallback_it_fails_fast)
{
  start_gateway ("", LONG "breaker_failures = 2\nmax_retries = 0", "", "");
  simctl_fault (sim, "status=503");
  for (int i = 0; i < 2; i++) {
    ask ("POST", CHAT, HELLO);
    ck_assert_int_eq (a.status, 503);
    ck_assert_ptr_nonnull (strstr (a.body, "currently over capacity"));
  }
  for (int i = 0; i < 2; i++) {
    ask (i == 0 ? "POST" : "GET", i == 0 ? CHAT : "/v1/models", i == 0 ? HELLO : NULL);
    is_error (503, "circuit_open");
    ck_assert_int_gt (strtol (field_of ("Retry-After"), NULL, 10), 3000);
    ck_assert_str_eq (field_of ("x-should-retry"), "false");
    ck_assert_str_eq (field_of ("x-keywheel-provider"), "groq");
    ck_assert_str_eq (field_of ("x-keywheel-fallback"), "");
  }
  ck_assert_uint_eq (n_asked (sim), 2);
  settle ();
  ask ("GET", "/metrics", NULL);
  ck_assert_ptr_nonnull (strstr (a.body, "code=\"circuit_open\"} 2\n"));
}
END_TEST

#define CROWD 50

static int fds[CROWD];

/* All at once; the answers of those who get one.  Returns the provider's connection
 * once one of them came through: they are asked again until then. */
static int
ask_until_one_probes (void)
{
  struct pollfd p = { .fd = provider_fd, .events = POLLIN };
  int n_stopped;

  for (;;) {
    for (int i = 0; i < CROWD; i++) {
      fds[i] = client_connect ();
      say_request (fds[i], "POST", CHAT, "Connection: close\r\n", HELLO);
    }
    n_stopped = 0;
    while (n_stopped < CROWD - 1) {
      struct pollfd polls[CROWD];
      for (int i = 0; i < CROWD; i++)
        polls[i] = (struct pollfd) { .fd = fds[i], .events = POLLIN };
      ck_assert_int_gt (poll (polls, CROWD, PATIENCE_MS), 0);
      for (int i = 0; i < CROWD; i++)
        if (fds[i] >= 0 && polls[i].revents != 0) {
          answer_clear ();
          finish_answer (fds[i]);
          is_error (503, "circuit_open");
          fds[i] = -1;
          n_stopped++;
        }
    }
    for (int i = 0; i < CROWD; i++)
      if (fds[i] >= 0) {
        struct pollfd both[] = { p, { .fd = fds[i], .events = POLLIN } };
        ck_assert_int_gt (poll (both, 2, PATIENCE_MS), 0);
        if (both[0].revents != 0)
          return provider_take ("}]}");
        answer_clear ();
        finish_answer (fds[i]);     /* it was too early for anybody */
        is_error (503, "circuit_open");
      }
  }
}

static int
the_one_left (void)
{
  for (int i = 0; i < CROWD; i++)
    if (fds[i] >= 0)
      return fds[i];
  ck_abort_msg ("all were answered");
}

START_TEST (one_of_fifty_probes_and_its_success_lets_all_through)
{
  struct pollfd p;
  int up;

  set_env ("GROQ_API_KEY=" SECRET "a");
  set_env (ini);
  write_gateway_ini (provider_listen (),
                     "breaker_failures = 1\nbreaker_open = 50ms\nmax_retries = 0", "");
  gateway_start ();
  up = client_connect ();
  say_request (up, "POST", CHAT, "Connection: close\r\n", HELLO);
  (void) close (provider_take ("}]}"));     /* no answer */
  finish_answer (up);
  is_error (502, "provider_unavailable");
  /* The first probe fails, too; so does its client, and nobody else. */
  (void) close (ask_until_one_probes ());
  answer_clear ();
  finish_answer (the_one_left ());
  is_error (502, "provider_unavailable");
  breaker_is ("groq", "open");
  up = ask_until_one_probes ();
  breaker_is ("groq", "half_open");
  p = (struct pollfd) { .fd = provider_fd, .events = POLLIN };
  ck_assert_int_eq (poll (&p, 1, 0), 0);        /* the others have been answered */
  answer_by_hand (up, "{\"choices\":[]}");
  answer_clear ();
  finish_answer (the_one_left ());
  is_served_by ("groq", "");
  breaker_is ("groq", "closed");
  for (int i = 0; i < CROWD; i++) {
    fds[i] = client_connect ();
    say_request (fds[i], "POST", CHAT, "Connection: close\r\n", HELLO);
  }
  for (int i = 0; i < CROWD; i++) {
    answer_by_hand (provider_take ("}]}"), "{\"choices\":[]}");
  }
  for (int i = 0; i < CROWD; i++) {
    answer_clear ();
    finish_answer (fds[i]);
    is_served_by ("groq", "");
  }
}
END_TEST

/* Its client goes: the next request probes. */
START_TEST (a_probe_that_is_given_up_is_followed_by_another)
{
  int up, fd;

  set_env ("GROQ_API_KEY=" SECRET "a");
  set_env (ini);
  write_gateway_ini (provider_listen (),
                     "breaker_failures = 1\nbreaker_open = 1ms\nmax_retries = 0", "");
  gateway_start ();
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", HELLO);
  (void) close (provider_take ("}]}"));
  finish_answer (fd);
  up = ask_until_one_probes ();
  (void) close (the_one_left ());
  provider_expect_close (up);
  up = ask_until_one_probes ();
  answer_by_hand (up, "{\"choices\":[]}");
  answer_clear ();
  finish_answer (the_one_left ());
  is_served_by ("groq", "");
  breaker_is ("groq", "closed");
}
END_TEST

START_TEST (a_refusal_closes_it_too)
{
  start_gateway ("", "breaker_failures = 1\nbreaker_open = 1ms\nmax_retries = 0", "", "");
  simctl_fault (sim, "drop,count=1");
  simctl_fault (sim, "status=400");
  ask ("POST", CHAT, HELLO);
  is_error (502, "provider_unavailable");
  do
    ask ("POST", CHAT, HELLO);
  while (a.status == 503);
  ck_assert_int_eq (a.status, 400);
  breaker_is ("groq", "closed");
}
END_TEST

/* Long before its end. */
START_TEST (a_streams_first_content_closes_it)
{
  struct heard got_so_far = { 0 };
  struct pollfd p[2];
  int fd, up;

  set_env ("GROQ_API_KEY=" SECRET "a");
  set_env (ini);
  write_gateway_ini (provider_listen (),
                     "breaker_failures = 1\nbreaker_open = 1ms\nmax_retries = 0", "");
  gateway_start ();
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", STREAM);
  (void) close (provider_take ("}]}"));
  finish_answer (fd);
  for (;;) {
    fd = client_connect ();
    say_request (fd, "POST", CHAT, "Connection: close\r\n", STREAM);
    p[0] = (struct pollfd) { .fd = provider_fd, .events = POLLIN };
    p[1] = (struct pollfd) { .fd = fd, .events = POLLIN };
    ck_assert_int_gt (poll (p, 2, PATIENCE_MS), 0);
    if (p[0].revents != 0)
      break;
    (void) close (fd);          /* it was too early */
  }
  up = provider_take ("}]}");
  provider_begin_stream (up);
  provider_word (up, "one");
  hear_until (fd, &got_so_far, "one");
  breaker_is ("groq", "closed");
  provider_end_stream (up);
  hear_all (fd, &got_so_far);
  (void) close (fd);
  free (got_so_far.bytes);
}
END_TEST

/* ---- Resets --------------------------------------------------------------------------- */

#define TWO LONG "breaker_failures = 1\n"

/* groq and other, each with an open breaker, though they would answer again. */
static void
open_both (void)
{
  other = sim_serving (OTHER_MODEL);
  start_gateway ("", TWO, "", section_of ("other", simctl_base_url (other), TWO));
  simctl_fault (sim, "drop,count=1");
  simctl_fault (other, "drop,count=1");
  ask ("POST", CHAT, HELLO);
  ask ("POST", "/other" CHAT, HELLO);
  breaker_is ("groq", "open");
  breaker_is ("other", "open");
}

static void
reset (const char *what)
{
  ask ("POST", format ("/reset%s", what), NULL);
  ck_assert_msg (a.status == 200, "%s", a.heard.bytes);
}

START_TEST (after_a_reset_the_next_one_asks_again)
{
  struct heard w = { 0 };
  int fd;

  open_both ();
  fd = client_connect ();
  say_request (fd, "GET", "/events", "", NULL);
  hear_until (fd, &w, "\n\n");
  w.len = 0;
  reset ("?provider=groq");
  ck_assert_ptr_nonnull (strstr (a.body, "\"state\": \"closed\","));    /* it says so itself */
  breaker_is ("groq", "closed");
  metric_is ("keywheel_breaker_state{provider=\"groq\"} 0\n");
  hear_until (fd, &w, "\"type\":\"reset\",\"provider\":\"groq\"");
  hear_until (fd, &w, "\"type\":\"breaker\",\"provider\":\"groq\",\"reason\":\"reset\"}");
  hear_until (fd, &w, "\"breaker\":{\"state\":\"closed\"}");
  ck_assert (proc_expect (gateway, 2, "groq is asked again: it was reset", PATIENCE_MS));
  ask ("POST", CHAT, HELLO);
  is_served_by ("groq", "");
  breaker_is ("other", "open"); /* which was not named */
  metric_is ("keywheel_breaker_state{provider=\"other\"} 1\n");
  (void) close (fd);
  free (w.bytes);
}
END_TEST

START_TEST (a_reset_of_all_is_of_all_breakers)
{
  open_both ();
  reset ("");
  breaker_is ("groq", "closed");
  breaker_is ("other", "closed");
  ask ("POST", "/other" CHAT, "{\"model\":\"" OTHER_MODEL "\",\"messages\":[{\"role\":"
                              "\"user\",\"content\":\"hi\"}]}");
  ck_assert_int_eq (a.status, 200);
}
END_TEST

START_TEST (a_reset_of_a_key_is_of_no_breaker)
{
  open_both ();
  reset ("?provider=groq&key=primary");
  breaker_is ("groq", "open");
  reset ("?key=primary");
  breaker_is ("groq", "open");
  ask ("POST", "/reset?provider=nobody", NULL);
  is_error (404, "unknown_key");
  ask ("POST", "/reset?provider=groq&key=nothing", NULL);
  is_error (404, "unknown_key");
  breaker_is ("groq", "open");
}
END_TEST

static Suite *
gateway_breaker_suite (void)
{
  Suite *s = suite_create ("gateway_breaker");
  TCase *t = tcase_create ("gateway_breaker");

  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, set_up, clear);
  tcase_add_test (t, an_open_breaker_sends_everything_on);
  tcase_add_test (t, who_watches_is_told_of_failovers_and_breakers);
  tcase_add_test (t, a_deadline_that_passed_in_an_exchange_counts);
  tcase_add_test (t, a_slow_client_does_not_open_it);
  tcase_add_test (t, who_waits_to_ask_again_goes_on_when_it_opens);
  tcase_add_test (t, limits_and_refusals_do_not_open_it);
  tcase_add_test (t, without_a_fallback_it_fails_fast);
  tcase_add_test (t, one_of_fifty_probes_and_its_success_lets_all_through);
  tcase_add_test (t, a_probe_that_is_given_up_is_followed_by_another);
  tcase_add_test (t, a_refusal_closes_it_too);
  tcase_add_test (t, a_streams_first_content_closes_it);
  tcase_add_test (t, after_a_reset_the_next_one_asks_again);
  tcase_add_test (t, a_reset_of_all_is_of_all_breakers);
  tcase_add_test (t, a_reset_of_a_key_is_of_no_breaker);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (gateway_breaker_suite)

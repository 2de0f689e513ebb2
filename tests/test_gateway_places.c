/* keywheel serve: what calls from before a reload and those from behind it have in common:
 * the places on a key, and resets. */
#include "reloadkit.h"

/* ---- Places ------------------------------------------------------------------------- */

/* Of the newest client, and so not at the provider. */
static void
wait_until_waiting (int n)
{
  struct pollfd p = { .fd = provider_fd, .events = POLLIN };
  int waits;

  do {
    struct json_object *one = state_of ("groq");
    waits = json_object_get_int (member (one, "waiting_calls"));
    json_object_put (one);
    ck_assert_msg (poll (&p, 1, 0) == 0, "one too many is at the provider");
  } while (waits < n);
}

/* Two are at the provider when the configuration is read again. */
static void
places_are_one (const char *state, const char *gateway_options)
{
  int fd[2], up[2], late, late_up;
  struct heard heard[2] = { { NULL, 0 }, { NULL, 0 } };

  set_env ("GROQ_API_KEY=" SECRET "a");
  start_with_state (state, provider_listen (), "max_concurrency = 2", gateway_options);
  for (int i = 0; i < 2; i++) {
    answer_clear ();
    fd[i] = stream_begin ("Connection: close\r\n", &up[i]);
  }
  reload ();
  late = client_connect ();
  say_request (late, "POST", CHAT, "Connection: close\r\n", HELLO);
  wait_until_waiting (1);
  provider_end_stream (up[1]);
  late_up = provider_take ("}]}");      /* which has the place that came back */
  answer_by_hand (late_up, "{\"choices\":[]}");
  answer_clear ();
  finish_answer (late);
  ck_assert_int_eq (a.status, 200);
  provider_end_stream (up[0]);
  for (int i = 0; i < 2; i++) {
    hear_all (fd[i], &heard[i]);
    (void) close (fd[i]);
    free (heard[i].bytes);
  }
}

START_TEST (who_holds_a_place_holds_it_still)
{
  places_are_one ("memory", "[gateway]\nloops = 1");
}
END_TEST

START_TEST (on_several_loops_too)
{
  places_are_one ("memory", "[gateway]\nloops = 4");
}
END_TEST

START_TEST (and_where_a_store_counts_them)
{
  places_are_one ("sqlite:state.db", "[gateway]\nloops = 2");
}
END_TEST

/* What waits for a place when the configuration is read again came first. */
START_TEST (who_waited_before_it_comes_first)
{
  enum { OLD = 3, NEW = 5 };
  int fd, up, old[OLD], new[NEW], next;
  char *at;

  set_env ("GROQ_API_KEY=" SECRET "a");
  start (provider_listen (), "max_concurrency = 1\nmax_waiting = 100", "[gateway]\nloops = 1");
  fd = stream_begin ("Connection: close\r\n", &up);
  for (int i = 0; i < OLD; i++) {
    old[i] = client_connect ();
    say_request (old[i], "POST", CHAT, "Connection: close\r\n",
                 "{\"user\":\"old\",\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                 "\"content\":\"hi\"}]}");
  }
  wait_until_waiting (OLD);
  reload ();
  for (int i = 0; i < NEW; i++) {
    new[i] = client_connect ();
    say_request (new[i], "POST", CHAT, "Connection: close\r\n", HELLO);
  }
  wait_until_waiting (NEW);     /* of the new client's */
  provider_end_stream (up);
  for (int i = 0; i < OLD + NEW; i++) {
    next = provider_take ("}]}");
    at = strstr (taken.bytes, "\"old\"");
    ck_assert_msg ((at != NULL) == (i < OLD), "number %d: %s", i, taken.bytes);
    answer_by_hand (next, "{\"choices\":[]}");
  }
  for (int i = 0; i < OLD + NEW; i++) {
    answer_clear ();
    finish_answer (i < OLD ? old[i] : new[i - OLD]);
    ck_assert_int_eq (a.status, 200);
  }
  (void) close (fd);
}
END_TEST

/* ---- Resets ------------------------------------------------------------------------- */

#define THREE_HOURS "{\"error\":{\"message\":\"Rate limit reached for model `" MODEL "` in " \
  "organization `org_x` service tier `on_demand` on tokens per minute (TPM): Limit 6000, Used " \
  "6000, Requested 200. Please try again in 3h.\",\"type\":\"tokens\",\"code\":" \
  "\"rate_limit_exceeded\"}}"

START_TEST (a_reset_wakes_those_who_wait_since_before_it)
{
  int fd, up;

  set_env ("GROQ_API_KEY=" SECRET "a");
  start (provider_listen (), "max_retries = 5\ndeadline = 10h", "");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", HELLO);
  up = provider_take ("}]}");
  say_text (up, format ("HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n%s", strlen (THREE_HOURS), THREE_HOURS));
  (void) close (up);
  wait_until_waiting (1);
  reload ();
  ask ("POST", "/reset?provider=groq&key=primary", NULL);
  ck_assert_int_eq (a.status, 200);
  answer_by_hand (provider_take ("}]}"), "{\"choices\":[]}");
  answer_clear ();
  finish_answer (fd);
  ck_assert_int_eq (a.status, 200);
}
END_TEST

/* It meets the breakers of the old configuration. */
START_TEST (a_reset_reaches_those_that_calls_from_before_meet)
{
  int fd, up;

  set_env ("GROQ_API_KEY=" SECRET "a");
  set_env ("OTHER_KEY=" SECRET "o");
  other = sim_serving (MODEL);
  start (provider_listen (), "fallback = other",
         section_of ("other", simctl_base_url (other), "breaker_failures = 1\n"
                     "breaker_open = 1h\nbreaker_open_max = 1h"));
  simctl_fault (other, "drop,count=1");
  ask ("POST", "/other" CHAT, HELLO);
  breaker_is ("other", "open");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", HELLO);
  up = provider_take ("}]}");
  reload ();
  ask ("POST", "/reset?provider=other", NULL);
  ck_assert_int_eq (a.status, 200);
  breaker_is ("other", "closed");
  (void) close (up);
  answer_clear ();
  finish_answer (fd);
  is_served_by ("other", "groq=provider_unavailable");
}
END_TEST

static Suite *
gateway_places_suite (void)
{
  Suite *s = suite_create ("gateway_places");
  TCase *t = tcase_create ("gateway_places");

  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, set_up, clear);
  tcase_add_test (t, who_holds_a_place_holds_it_still);
  tcase_add_test (t, on_several_loops_too);
  tcase_add_test (t, and_where_a_store_counts_them);
  tcase_add_test (t, who_waited_before_it_comes_first);
  tcase_add_test (t, a_reset_wakes_those_who_wait_since_before_it);
  tcase_add_test (t, a_reset_reaches_those_that_calls_from_before_meet);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (gateway_places_suite)

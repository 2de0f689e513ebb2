/* test_native - keywheel(1) against providers that do not speak Chat
 * Completions, as the simulator plays them: what the user sees is the same. */
#include "clikit.h"

static const struct {
  const char *name, *base, *model;
} natives[] = {
  { "anthropic", "/v1", "claude-test" },
  { "gemini", "/v1beta", "gemini-test" },
};
#define N_NATIVES ((int) (sizeof natives / sizeof natives[0]))

#define SERVED(key, prompt) "Hello from keywheel-sim (key " key "): " prompt "\n"

/* Keys a and b of the provider, a with limits; more for the simulator. */
static void
world (int i, const char *limits, const char *fault)
{
  const char *argv[] = {
    "--clock", "manual", "--key", format (SECRET "a,name=a%s", limits),
    "--key", SECRET "b,name=b", fault != NULL ? "--fault" : NULL, fault, NULL
  };
  const char *url, *text;

  sim = simctl_start (argv);
  url = simctl_base_url (sim);
  text = format ("[keywheel]\nprovider = %s\n[provider %s]\nbase_url = %.*s%s\nmodel = %s\n"
                 "backoff_initial = 1ms\nbackoff_max = 5ms\nmax_retries = 2\n"
                 "[key %s/a]\nenv = KEY_A\n[key %s/b]\nenv = KEY_B\n",
                 natives[i].name, natives[i].name, (int) strlen (url) - 3, url,
                 natives[i].base, natives[i].model, natives[i].name, natives[i].name);
  write_file ("keywheel.ini", text, strlen (text));
  set_env (ini);
  set_env ("KEY_A=" SECRET "a");
  set_env ("KEY_B=" SECRET "b");
}

START_TEST (a_chat_is_answered_whole_and_streamed)
{
  world (_i, "", NULL);
  run ("chat", "--no-stream", "hello there", NULL);
  ENDS_WITH (0);
  PRINTS (SERVED ("a", "hello there"));
  run ("chat", "--stream", "hello there", NULL);
  ENDS_WITH (0);
  PRINTS (SERVED ("a", "hello there"));
  ck_assert_str_eq (got.err, "");
}
END_TEST

START_TEST (a_days_limit_goes_to_the_next_key)
{
  world (_i, ",rpd=1", NULL);
  run ("chat", "-v", "one", NULL);
  ENDS_WITH (0);
  run ("chat", "-v", "two", NULL);
  ENDS_WITH (0);
  PRINTS (SERVED ("b", "two"));
  SAYS ("switching from \"a\" to \"b\": DAILY_LIMIT requests_per_day");
  run ("chat", "-v", "--no-stream", "three", NULL);
  PRINTS (SERVED ("b", "three"));
}
END_TEST

START_TEST (a_minutes_limit_is_waited_out)
{
  world (_i, "", "status=429,retry-after=0,count=1");
  run ("chat", "-v", "hi", NULL);
  ENDS_WITH (0);
  PRINTS (SERVED ("a", "hi"));
  SAYS ("RATE_LIMIT");
}
END_TEST

START_TEST (a_wrong_key_fails_at_once)
{
  world (_i, ",revoked", NULL);
  run ("chat", "hi", NULL);
  ENDS_WITH (3);
  PRINTS ("");
  ck_assert_uint_eq (simctl_count (sim, "b", "ok"), 0);
}
END_TEST

START_TEST (an_empty_purse_goes_to_the_next_key)
{
  world (_i, ",spend", NULL);
  run ("chat", "-v", "hi", NULL);
  ENDS_WITH (0);
  PRINTS (SERVED ("b", "hi"));
  SAYS ("BILLING");
}
END_TEST

START_TEST (a_stream_that_fails_before_its_content_is_sent_again_unseen)
{
  static const char *const faults[] = {
    "sse-error=503,count=1", "sse-break=0,count=1", "sse-break=1,count=1",
  };
  for (size_t f = 0; f < sizeof faults / sizeof faults[0]; f++) {
    world (_i, "", faults[f]);
    run ("chat", "-v", "--stream", "hi", NULL);
    /* Gemini's first piece is content already. */
    if (got.status != 0) {
      ENDS_WITH (7);
      ck_assert_ptr_nonnull (strstr (got.out, "Hello"));
    } else {
      PRINTS (SERVED ("a", "hi"));
      SAYS ("TRANSIENT");
    }
    simctl_stop (sim);
  }
  sim = NULL;
}
END_TEST

/* A body goes in and one comes out as Chat Completions have them. */
START_TEST (send_takes_and_gives_chat_completions)
{
  static const char body[] = "{\"messages\":[{\"role\":\"system\",\"content\":\"Be short.\"},"
    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}],\"max_tokens\":7}";
  struct json_object *o, *choice;

  world (_i, "", NULL);
  run_input (body, sizeof body - 1, "send", NULL);
  ENDS_WITH (0);
  o = printed_json ();
  ck_assert_str_eq (json_object_get_string (member (o, "object")), "chat.completion");
  choice = json_object_array_get_idx (member (o, "choices"), 0);
  ck_assert_str_eq (json_object_get_string (member (choice, "finish_reason")), "stop");
  ck_assert_str_eq (json_object_get_string (member (member (choice, "message"), "content")),
                    "Hello from keywheel-sim (key a): hi");
  ck_assert_int_eq (json_object_get_int (member (member (o, "usage"), "completion_tokens")), 7);
  json_object_put (o);
}
END_TEST

START_TEST (a_streams_usage_is_counted_unasked)
{
  world (_i, "", NULL);
  run ("chat", "--stream", "-v", "hello hello", NULL);
  ENDS_WITH (0);
  SAYS ("charged 3 + ");
}
END_TEST

/* What the format cannot say is refused before anything is sent. */
START_TEST (what_cannot_be_said_is_refused_unsent)
{
  static const char body[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
                             "\"logit_bias\":{\"1\":5}}";

  world (_i, "", NULL);
  run_input (body, sizeof body - 1, "send", NULL);
  ENDS_WITH (6);
  SAYS ("logit_bias");
  ck_assert_uint_eq (simctl_count (sim, "a", "ok"), 0);
}
END_TEST

START_TEST (check_live_tries_each_key)
{
  world (_i, "", NULL);
  run ("check", "--live", NULL);
  ENDS_WITH (0);
}
END_TEST

static Suite *
native_suite (void)
{
  Suite *s = suite_create ("native");
  TCase *tc = tcase_create ("native");

  tcase_set_timeout (tc, 60);
  tcase_add_checked_fixture (tc, set_up, tear_down);
  tcase_add_loop_test (tc, a_chat_is_answered_whole_and_streamed, 0, N_NATIVES);
  tcase_add_loop_test (tc, a_days_limit_goes_to_the_next_key, 0, N_NATIVES);
  tcase_add_loop_test (tc, a_minutes_limit_is_waited_out, 0, N_NATIVES);
  tcase_add_loop_test (tc, a_wrong_key_fails_at_once, 0, N_NATIVES);
  tcase_add_loop_test (tc, an_empty_purse_goes_to_the_next_key, 0, N_NATIVES);
  tcase_add_loop_test (tc, a_stream_that_fails_before_its_content_is_sent_again_unseen, 0,
                       N_NATIVES);
  tcase_add_loop_test (tc, send_takes_and_gives_chat_completions, 0, N_NATIVES);
  tcase_add_loop_test (tc, a_streams_usage_is_counted_unasked, 0, N_NATIVES);
  tcase_add_loop_test (tc, what_cannot_be_said_is_refused_unsent, 0, N_NATIVES);
  tcase_add_loop_test (tc, check_live_tries_each_key, 0, N_NATIVES);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (native_suite)

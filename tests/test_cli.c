/* test_cli - keywheel(1) from end to end, when things go well: what each
 * command prints, and where.  What goes wrong is test_cli_errors'. */
#include "clikit.h"

#include <sys/stat.h>

/* The contract's JSON is tested on made-up facts, too; it needs no other file
 * of the program. */
#include "../cli/status-json.c"

static const char *const commands[] = {
  "chat", "send", "status", "reset", "check", "plugins"
};

START_TEST (every_command_has_help_and_version)
{
  const char *usage = format ("usage: keywheel %s [OPTION...]", commands[_i]);

  run (commands[_i], "--help", NULL);
  ENDS_WITH (0);
  PRINTS_SOME (usage);
  run (commands[_i], "-h", "x", NULL);
  ENDS_WITH (0);
  run ("help", commands[_i], NULL);
  ENDS_WITH (0);
  PRINTS_SOME (usage);
  run (commands[_i], "--version", NULL);
  ENDS_WITH (0);
  PRINTS (format ("keywheel %s\n", kw_version ()));
  run ("--help", NULL);
  PRINTS_SOME (commands[_i]);
}
END_TEST

/* ---- chat ---------------------------------------------------------------------- */

#define REPLY_OF(key, prompt) "Hello from keywheel-sim (key " key "): " prompt "\n"

START_TEST (the_next_key_answers_when_the_first_has_no_tokens_left_today)
{
  /* A hundred tokens a request and a bit: the second one is too many. */
  sim = simctl_startl ("--clock", "manual", "--reply-tokens", "100",
                       "--key", SECRET "a,name=a,tpd=150", "--key", SECRET "b,name=b",
                       "--key", SECRET "c,name=c", NULL);
  set_keys ();
  if (_i == 0) {
    write_ini ("%s", "");
    set_env (ini);
  } else {
    set_env (format ("KEYWHEEL_BASE_URL=%s", simctl_base_url (sim)));
  }
  run ("chat", "-v", "hi", NULL);
  ENDS_WITH (0);
  PRINTS (REPLY_OF ("a", "hi"));
  run ("chat", "-v", "hi", NULL);
  ENDS_WITH (0);
  PRINTS (REPLY_OF ("b", "hi"));
  SAYS ("switching from \"primary\" to \"backup-1\"");
  SAYS ("tokens_per_day");
  SAYS ("served by backup-1: 2 attempts, 1 switch");
  ck_assert_uint_eq (simctl_count (sim, "a", "tpd"), 1);
}
END_TEST

START_TEST (without_v_a_switch_goes_unseen)
{
  three_keys (",rpd=1");
  run ("chat", "one", NULL);
  run ("chat", "two", "words", NULL);
  ENDS_WITH (0);
  PRINTS (REPLY_OF ("b", "two words"));
  ck_assert_str_eq (got.err, "");
}
END_TEST

START_TEST (the_prompt_comes_from_words_or_from_stdin)
{
  three_keys ("");
  run ("chat", "--", "-v", "--json", NULL);
  PRINTS (REPLY_OF ("a", "-v --json"));
  run_input ("from\nstdin\n", 11, "chat", NULL);
  PRINTS (REPLY_OF ("a", "from\nstdin"));
  run_input ("from stdin\n", 11, "chat", "--no-stream", "-", NULL);
  PRINTS (REPLY_OF ("a", "from stdin"));
  run_input ("not read", 8, "chat", "words", "-", NULL);
  PRINTS (REPLY_OF ("a", "words -"));
  run ("chat", "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xe0\xa0\x80", NULL);
  ENDS_WITH (0);
  PRINTS (REPLY_OF ("a", "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xe0\xa0\x80"));
}
END_TEST

START_TEST (json_is_the_whole_answer)
{
  struct json_object *answer;

  three_keys ("");
  run ("chat", "--json", "-m", "some/model", "-s", "be brief", "hi", NULL);
  ENDS_WITH (0);
  answer = printed_json ();
  ck_assert_str_eq (json_object_get_string (member (answer, "object")),
                    "chat.completion");
  ck_assert_str_eq (json_object_get_string (member (answer, "model")), "some/model");
  ck_assert_int_eq (got.out[got.out_len - 1], '\n');
  json_object_put (answer);
}
END_TEST

START_TEST (a_stream_is_asked_for_with_stream)
{
  struct simctl_log log;

  three_keys ("");
  run ("chat", "a", "b", "c", NULL);            /* stdout is no terminal  */
  run ("chat", "--no-stream", "--stream", "a", "b", "c", NULL);
  ENDS_WITH (0);
  PRINTS (REPLY_OF ("a", "a b c"));
  run ("chat", "--stream", "--json", "x", NULL);
  ENDS_WITH (0);
  ck_assert_int_eq (strncmp (got.out, "data: {", 7), 0);
  PRINTS_SOME ("data: [DONE]\n");
  simctl_read_log (sim, &log);
  ck_assert_uint_eq (log.count, 3);
  ck_assert_int_eq (log.entries[0].stream, 0);
  ck_assert_int_eq (log.entries[1].stream, 1);
  ck_assert_int_eq (log.entries[2].stream, 1);
  simctl_log_clear (&log);
}
END_TEST

/* ---- send ------------------------------------------------------------------------ */

START_TEST (send_changes_no_byte_in_either_direction)
{
  static const char body[] = "{ \"messages\" : [ {\"role\":\"user\", "
                             "\"content\":\"\\u0068i\"}],\n\t\"model\":\"m\" }\n\n";
  struct simctl_reply direct;
  struct simctl_log log;
  const char *path = write_file ("body.json", body, sizeof body - 1);
  char *id, *same;

  three_keys ("");
  simctl_call (sim, "POST", "/v1/chat/completions", SECRET "a", body, &direct);
  run ("send", path, NULL);
  ENDS_WITH (0);
  /* The answers differ in their serial numbers alone. */
  ck_assert_uint_eq (got.out_len, direct.body_len);
  id = strstr (got.out, "\"id\"");
  same = strstr (got.out, "\"choices\"");
  ck_assert (id != NULL && same != NULL && id < same);
  ck_assert_int_eq (got.out[got.out_len - 1], direct.body[direct.body_len - 1]);
  ck_assert_ptr_nonnull (strstr (direct.body, "\"choices\""));
  ck_assert_int_eq (strncmp (same, strstr (direct.body, "\"choices\""),
                             strcspn (same, "]")), 0);
  run_input (body, sizeof body - 1, "send", NULL);
  ENDS_WITH (0);
  simctl_read_log (sim, &log);
  ck_assert_uint_eq (log.count, 3);
  for (size_t i = 0; i < log.count; i++)
    ck_assert_int_eq (log.entries[i].bytes, sizeof body - 1);
  simctl_log_clear (&log);
  simctl_reply_clear (&direct);
}
END_TEST

START_TEST (send_with_v_tells_which_key_served)
{
  static const char body[] = "{\"model\":\"m\",\"messages\":"
                             "[{\"role\":\"user\",\"content\":\"hi\"}]}";

  three_keys ("");
  run_input (body, sizeof body - 1, "send", NULL);
  ENDS_WITH (0);
  ck_assert_str_eq (got.err, "");
  run_input (body, sizeof body - 1, "send", "-v", NULL);
  ENDS_WITH (0);
  SAYS ("keywheel: served by primary: 1 attempt, 0 switches, waited 0ms, charged ");
}
END_TEST

START_TEST (send_reaches_other_endpoints)
{
  static const char body[] = "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}";
  struct json_object *answer;
  struct simctl_log log;

  three_keys ("");
  run_input (body, sizeof body - 1, "send", "--path", "/embeddings", "-", NULL);
  ENDS_WITH (0);
  answer = printed_json ();
  ck_assert_uint_eq (json_object_array_length (member (answer, "data")), 2);
  json_object_put (answer);
  simctl_read_log (sim, &log);
  ck_assert_uint_eq (log.count, 1);
  ck_assert_str_eq (log.entries[0].path, "/v1/embeddings");
  simctl_log_clear (&log);
}
END_TEST

START_TEST (send_prints_a_stream_as_it_comes)
{
  static const char body[] = "{\"model\":\"m\",\"stream\":true,\"messages\":"
                             "[{\"role\":\"user\",\"content\":\"hi\"}]}";

  three_keys ("");
  run_input (body, sizeof body - 1, "send", NULL);
  ENDS_WITH (0);
  ck_assert_int_eq (strncmp (got.out, "data: {", 7), 0);
  ck_assert_str_eq (got.out + got.out_len - 14, "data: [DONE]\n\n");
}
END_TEST

START_TEST (a_body_of_20_mb_is_sent)
{
  static const char head[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                             "\"content\":\"";
  static const char tail[] = "\"}]}";
  const size_t len = (size_t) 20 * 1000 * 1000;
  char *body = malloc (len);
  struct simctl_log log;

  ck_assert_ptr_nonnull (body);
  memset (body, 'x', len);
  memcpy (body, head, sizeof head - 1);
  memcpy (body + len - (sizeof tail - 1), tail, sizeof tail - 1);
  three_keys ("");
  run_input (body, len, "send", NULL);
  free (body);
  ENDS_WITH (0);
  simctl_read_log (sim, &log);
  ck_assert_uint_eq (log.count, 1);
  ck_assert_int_eq (log.entries[0].bytes, (int64_t) len);
  simctl_log_clear (&log);
}
END_TEST

/* ---- status, reset, check, plugins ---------------------------------------------- */

START_TEST (status_as_json_is_the_contract)
{
  static const char *const names[] = { "primary", "backup-1", "backup-2" };
  struct json_object *status, *keys;

  three_keys ("");
  run ("status", "--json", NULL);
  ENDS_WITH (0);
  ck_assert_str_eq (got.err, "");
  status = printed_json ();
  ck_assert_str_eq (json_object_get_string (member (status, "provider")), "groq");
  ck_assert_str_eq (json_object_get_string (member (status, "plugin")), "groq");
  ck_assert_int_eq (json_object_get_int (member (status, "total_keys")), 3);
  ck_assert_int_eq (json_object_get_int (member (status, "available_keys")), 3);
  ck_assert_int_eq (json_object_get_int (member (status, "exhausted_keys")), 0);
  ck_assert_int_eq (json_object_get_int (member (status, "current_key_index")), 0);
  keys = member (status, "keys");
  ck_assert_uint_eq (json_object_array_length (keys), 3);
  for (size_t i = 0; i < 3; i++) {
    struct json_object *key = json_object_array_get_idx (keys, i);
    ck_assert_int_eq (json_object_get_int (member (key, "index")), (int) i);
    ck_assert_str_eq (json_object_get_string (member (key, "name")), names[i]);
    ck_assert_str_eq (json_object_get_string (member (key, "state")), "available");
    ck_assert_int_eq (json_object_get_string_len (member (key, "fingerprint")), 16);
    ck_assert_uint_eq (json_object_array_length (member (key, "limits")), 0);
    ck_assert_int_eq (json_object_get_int (member (key, "requests")), 0);
    ck_assert_int_eq (json_object_get_int (member (key, "tokens")), 0);
  }
  json_object_put (status);
}
END_TEST

static const kw_bucket_info *
two_buckets (const kw_status_info *status, size_t key, size_t i)
{
  static const kw_bucket_info buckets[] = {
    { .model = "m", .dimension = "tokens_per_minute", .limit = 6000, .remaining = 5921,
      .window_ms = 60000, .full_ms = 1767362590001, .seen_ms = 1767362589000,
      .rolling = 1, .account_wide = 1 },
    { .model = "", .dimension = "", .limit = -1, .remaining = 7 },
  };

  (void) status, (void) key;
  return i < 2 ? &buckets[i] : NULL;
}

START_TEST (what_status_does_not_know_is_null)
{
  static const kw_limit_info limits[] = {
    { .model = "m", .dimension = "tokens_per_day", .limit = 100000, .used = 1,
      .requested = 1, .until_ms = 1767362590001, .in_ms = 432500 },
    { .model = "", .dimension = "", .limit = -1, .used = -1, .requested = -1,
      .until_ms = 0, .in_ms = -1 },
  };
  static const kw_key_info key = {
    .index = 0, .name = "primary", .fingerprint = "3f9a1c0000000000",
    .state = "exhausted", .account = "", .source = "", .limits = limits,
    .n_limits = 2, .requests = 17, .tokens = 9120
  };
  static const kw_status_info info = {
    .provider = "groq", .plugin = "groq", .base_url = "", .model = "m",
    .total_keys = 1, .exhausted_keys = 1, .now_ms = 1767362589501, .keys = &key
  };
  struct json_object *status = cli_status_json (&info, 3, two_buckets, "memory");

  ck_assert_str_eq (
    json_object_to_json_string_ext (status, JSON_C_TO_STRING_PLAIN),
    "{\"provider\":\"groq\",\"plugin\":\"groq\",\"total_keys\":1,\"available_keys\":0,"
    "\"exhausted_keys\":1,\"current_key_index\":0,\"waiting_calls\":3,"
    "\"keys\":[{\"index\":0,"
    "\"name\":\"primary\",\"fingerprint\":\"3f9a1c0000000000\",\"state\":\"exhausted\","
    "\"limits\":[{\"model\":\"m\",\"dimension\":\"tokens_per_day\",\"limit\":100000,"
    "\"until\":\"2026-01-02T14:03:11Z\",\"in_seconds\":432.5},"
    "{\"model\":null,\"dimension\":null,\"limit\":null,\"until\":null,"
    "\"in_seconds\":null}],\"requests\":17,\"tokens\":9120,"
    "\"buckets\":[{\"model\":\"m\",\"dimension\":\"tokens_per_minute\","
    "\"limit\":6000,\"remaining\":5921,\"window_seconds\":60.0,\"rolling\":true,"
    "\"full_at\":\"2026-01-02T14:03:11Z\",\"full_in_seconds\":0.5,"
    "\"seen_at\":\"2026-01-02T14:03:09Z\",\"account_wide\":true},"
    "{\"model\":null,\"dimension\":null,\"limit\":null,\"remaining\":7,"
    "\"window_seconds\":null,\"rolling\":false,\"full_at\":null,"
    "\"full_in_seconds\":null,\"seen_at\":null,\"account_wide\":false}]}],"
    "\"state\":\"memory\"}");
  json_object_put (status);
}
END_TEST

START_TEST (status_for_people_is_a_table)
{
  three_keys (",rpd=100");
  run ("chat", "-m", "m", "hi", NULL);
  run ("status", "-p", "groq", NULL);
  ENDS_WITH (0);
  PRINTS_SOME ("groq: 3 of 3 keys available, 0 exhausted\n");
  PRINTS_SOME ("the next request begins with primary\n");
  PRINTS_SOME ("FINGERPRINT");
  PRINTS_SOME ("\n  backup-2  available");
  PRINTS_SOME ("\n  what is left, by what answers have shown:\n  KEY      LIMIT ");
  PRINTS_SOME ("\n  primary  requests_per_day  99 of 100  in ");
  PRINTS_SOME (format ("\nstate: %s/state/keywheel/state.db\n", dir));
  ck_assert_str_eq (got.err, "");
}
END_TEST

START_TEST (reset_says_what_was_reset)
{
  three_keys ("");
  run ("reset", NULL);
  ENDS_WITH (0);
  PRINTS ("groq: reset 3 keys, of which 0 were exhausted\n");
  run ("reset", "primary", "groq/backup-2", NULL);
  ENDS_WITH (0);
  PRINTS ("groq/primary: reset, was available\ngroq/backup-2: reset, was available\n");
  run ("reset", "primary", "bakcup-1", NULL);
  ENDS_WITH (2);
  PRINTS ("");                  /* nothing was reset before that was seen  */
  SAYS ("groq has no key \"bakcup-1\"; did you mean \"backup-1\"?");
  run ("reset", "-p", "grok", NULL);
  ENDS_WITH (2);
  SAYS ("there is no provider \"grok\"; did you mean \"groq\"?");
}
END_TEST

START_TEST (check_sums_up_a_configuration_that_is_fine)
{
  three_keys ("");
  run ("check", NULL);
  ENDS_WITH (0);
  PRINTS_SOME (format ("%s/keywheel.ini: fine: 1 provider, 3 keys\nstate: ", dir));
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 0);
}
END_TEST

START_TEST (check_live_tries_each_key_once)
{
  sim = simctl_startl ("--key", SECRET "a,name=a", "--key", SECRET "b,name=b,revoked",
                       "--key", SECRET "c,name=c", NULL);
  set_keys ();
  write_ini ("%s", "");
  set_env (ini);
  run ("check", "--live", NULL);
  ENDS_WITH (3);
  PRINTS_SOME ("groq/primary: works\ngroq/backup-1: does not work: ");
  PRINTS_SOME ("groq/backup-2: works\n");
  SAYS ("1 of 3 keys does not work");
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 3);
  set_env ("GROQ_API_KEY_BACKUP");
  run ("check", "--live", NULL);
  ENDS_WITH (0);
}
END_TEST

START_TEST (check_live_tells_that_two_keys_are_one_account)
{
  sim = simctl_startl ("--clock", "manual", "--key", SECRET "a,name=a,org=o,rpd=1",
                       "--key", SECRET "b,name=b,org=o", NULL);
  set_env ("GROQ_API_KEY=" SECRET "a");
  set_env ("GROQ_API_KEY_BACKUP=" SECRET "b");
  write_ini ("%s", "");
  set_env (ini);
  run ("chat", "hi", NULL);
  ENDS_WITH (0);
  run ("check", "--live", NULL);
  ENDS_WITH (4);
  PRINTS_SOME ("groq/primary: does not work: groq key \"primary\" is exhausted");
  PRINTS_SOME ("groq/backup-1: does not work: groq key \"backup-1\" is exhausted");
  PRINTS_SOME ("\nprimary and backup-1 are one account: 2 keys, 1 allowance\n");
  ck_assert_msg (strstr (got.out, "gave up") == NULL, "%s", got.out);
  SAYS ("2 of 2 keys do not work");
  ck_assert_uint_eq (simctl_count (sim, NULL, "rpd"), 2);
}
END_TEST

/* A provider folder beside the INI, with a file that is no plugin. */
static void
bad_plugin (void)
{
  static const char ini_text[] = "[keywheel]\nplugin_dir = ./plugins\n";

  ck_assert_int_eq (mkdir (format ("%s/plugins", dir), 0700), 0);
  write_file ("plugins/bad.so", "no ELF\n", 7);
  write_file ("keywheel.ini", ini_text, sizeof ini_text - 1);
  set_env (ini);
}

START_TEST (plugins_lists_what_is_there_and_what_was_refused)
{
  bad_plugin ();
  run ("plugins", NULL);
  ENDS_WITH (0);
  PRINTS_SOME ("\ngroq ");
  PRINTS_SOME (" 1.0    ");
  PRINTS_SOME (format ("%s/plugins/bad.so\n    refused: ", dir));
  SAYS ("plugins refused");
}
END_TEST

START_TEST (plugins_as_json)
{
  struct json_object *list, *groq = NULL, *bad = NULL;

  bad_plugin ();
  run ("plugins", "--json", NULL);
  ENDS_WITH (0);
  list = printed_json ();
  for (size_t i = 0; i < json_object_array_length (list); i++) {
    struct json_object *one = json_object_array_get_idx (list, i);
    const char *file = json_object_get_string (member (one, "file"));
    if (strstr (file, "/bad.so") != NULL)
      bad = one;
    if (strstr (file, "/groq.so") != NULL)
      groq = one;
  }
  ck_assert (groq != NULL && bad != NULL);
  ck_assert_str_eq (json_object_get_string (member (groq, "name")), "groq");
  ck_assert_str_eq (json_object_get_string (member (groq, "abi")), "1.0");
  ck_assert_ptr_null (member (groq, "refused"));
  ck_assert_ptr_null (member (bad, "name"));
  ck_assert_ptr_nonnull (strstr (json_object_get_string (member (bad, "refused")),
                                 "bad.so"));
  json_object_put (list);
}
END_TEST

/* ---- The suite ------------------------------------------------------------------- */

static Suite *
cli_suite (void)
{
  Suite *s = suite_create ("cli");
  TCase *t = tcase_create ("cli");

  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, set_up, tear_down);
  tcase_add_loop_test (t, every_command_has_help_and_version, 0, 6);
  tcase_add_loop_test (t, the_next_key_answers_when_the_first_has_no_tokens_left_today,
                       0, 2);
  tcase_add_test (t, without_v_a_switch_goes_unseen);
  tcase_add_test (t, the_prompt_comes_from_words_or_from_stdin);
  tcase_add_test (t, json_is_the_whole_answer);
  tcase_add_test (t, a_stream_is_asked_for_with_stream);
  tcase_add_test (t, send_changes_no_byte_in_either_direction);
  tcase_add_test (t, send_with_v_tells_which_key_served);
  tcase_add_test (t, send_reaches_other_endpoints);
  tcase_add_test (t, send_prints_a_stream_as_it_comes);
  tcase_add_test (t, a_body_of_20_mb_is_sent);
  tcase_add_test (t, status_as_json_is_the_contract);
  tcase_add_test (t, what_status_does_not_know_is_null);
  tcase_add_test (t, status_for_people_is_a_table);
  tcase_add_test (t, reset_says_what_was_reset);
  tcase_add_test (t, check_sums_up_a_configuration_that_is_fine);
  tcase_add_test (t, check_live_tries_each_key_once);
  tcase_add_test (t, check_live_tells_that_two_keys_are_one_account);
  tcase_add_test (t, plugins_lists_what_is_there_and_what_was_refused);
  tcase_add_test (t, plugins_as_json);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (cli_suite)

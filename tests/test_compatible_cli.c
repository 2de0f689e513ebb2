/* test_compatible_cli - the plugin "compatible" from end to end: keywheel(1), an
 * INI with rules and options, and a server whose words nobody knows. */
#include "canned.h"
#include "clikit.h"

#define JSON(status, body) "HTTP/1.1 " status "\r\nContent-Type: application/json\r\n" \
                           "Connection: close\r\n\r\n" body
#define LIMITED JSON ("429 Too Many Requests", "{\"err\":{\"why\":\"quota-of-the-day\"}}")
#define SERVED JSON ("200 OK", "{\"object\":\"chat.completion\",\"model\":\"m\",\"choices\":[{" \
                     "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"served\"}," \
                     "\"finish_reason\":\"stop\"}]}")

static struct canned *server;
static char seen[8192];

static void
set_up_without_server (void)
{
  set_up ();
  set_env ("COMPATIBLE_API_KEY");
  set_env ("COMPATIBLE_API_KEY_BACKUP");
  set_env (ini);
}

static void
stop_server (void)
{
  if (server != NULL)
    (void) canned_stop (server, seen, sizeof seen);
  server = NULL;
}

static void
tear_down_all (void)
{
  stop_server ();
  tear_down ();
}

/* [provider lab] at the server (NULL: without base_url), with these options. */
static void
write_lab (const char *options)
{
  const char *text
    = format ("[keywheel]\nprovider = lab\n\n[provider lab]\nplugin = compatible\n%s%s\n"
              "model = m\nbackoff_initial = 1ms\nbackoff_max = 5ms\n%s\n",
              server != NULL ? "base_url = " : "; ",
              server != NULL ? canned_url (server) : "nowhere", options);
  write_file ("keywheel.ini", text, strlen (text));
}

START_TEST (a_rule_makes_a_switch_of_words_that_nobody_knows)
{
  server = canned_start_each (LIMITED, SERVED, NULL, NULL);
  write_lab ("rule_day = /err/why == \"quota-of-the-day\" -> DAILY_LIMIT wait=2h "
             "dimension=tokens_per_day ; theirs");
  set_env ("COMPATIBLE_API_KEY=" SECRET "a");
  set_env ("COMPATIBLE_API_KEY_BACKUP=" SECRET "b");
  run ("chat", "-v", "hi", NULL);
  ENDS_WITH (0);
  PRINTS ("served\n");
  SAYS ("tokens_per_day");
  SAYS ("served by backup-1: 2 attempts, 1 switch");
  stop_server ();
  ck_assert_msg (strstr (seen, "Authorization: Bearer " SECRET "b") != NULL, "%s", seen);
}
END_TEST

START_TEST (without_the_rule_it_is_a_limit_that_is_waited_for)
{
  server = canned_start_each (LIMITED, SERVED, NULL, NULL);
  write_lab ("");
  set_env ("COMPATIBLE_API_KEY=" SECRET "a");
  set_env ("COMPATIBLE_API_KEY_BACKUP=" SECRET "b");
  run ("chat", "-v", "hi", NULL);
  ENDS_WITH (0);
  PRINTS ("served\n");
  stop_server ();
  ck_assert_msg (strstr (seen, "Authorization: Bearer " SECRET "a") != NULL, "%s", seen);
}
END_TEST

START_TEST (check_tells_all_wrong_rules_and_options_with_file_and_line)
{
  server = canned_start (SERVED);
  set_env ("COMPATIBLE_API_KEY=" SECRET "a");
  write_lab ("rule_a = /code == x -> DAYLY_LIMIT\nauth = basic\n"
             "rule_b = message contains \"try ; later\" -> AUTH\n"
             "rule = /code == x -> AUTH\nrool_c = /code == x -> AUTH\n"
             "rule_d = /code == x -> AUTH");
  run ("check", NULL);
  ENDS_WITH (2);
  SAYS (format ("%s/keywheel.ini:10: [provider lab] rule_a: \"DAYLY_LIMIT\" at character 15 is "
                "no verdict; did you mean DAILY_LIMIT? (allowed: DAILY_LIMIT, RATE_LIMIT, AUTH, "
                "BILLING, TRANSIENT, REQUEST)", dir));
  SAYS (format ("%s/keywheel.ini:11: [provider lab] auth: \"basic\" is not understood; allowed: "
                "bearer, none, header NAME, header NAME PREFIX", dir));
  SAYS (format ("%s/keywheel.ini:12: [provider lab] rule_b: the quotes at character 18 are not "
                "closed (a blank and \";\" begin a comment", dir));
  SAYS (format ("%s/keywheel.ini:13: [provider lab] rule: a rule needs a name of its own: "
                "rule_NAME", dir));
  SAYS (format ("%s/keywheel.ini:14: unknown option \"rool_c\" in [provider lab]", dir));
  SAYS ("rule_NAME=<RULE>");
  ck_assert_ptr_null (strstr (got.err, "rule_d"));
}
END_TEST

START_TEST (a_rule_that_is_right_passes_check)
{
  server = canned_start (SERVED);
  set_env ("COMPATIBLE_API_KEY=" SECRET "a");
  write_lab ("rule_day   = /error/code == \"daily_quota\" -> DAILY_LIMIT scope=account_model "
             "wait=/error/retry_after\n"
             "rule_month = header x-quota-window prefix \"month\" -> DAILY_LIMIT "
             "reset=month_utc\n"
             "rule_busy  = /message contains \"try later\" status 503 -> TRANSIENT wait=30s\n"
             "day_ends = midnight_utc\naccount_header = X-Team\nheader_X-Title = a ; comment");
  run ("check", NULL);
  ENDS_WITH (0);
}
END_TEST

START_TEST (the_server_must_be_named)
{
  set_env ("COMPATIBLE_API_KEY=" SECRET "a");
  write_lab ("");
  run ("check", NULL);
  ENDS_WITH (2);
  SAYS (format ("%s/keywheel.ini:4: [provider lab]: base_url is missing: plugin \"compatible\" "
                "has no default", dir));
}
END_TEST

START_TEST (a_key_in_the_environment_alone_names_no_server)
{
  set_env ("KEYWHEEL_CONFIG");
  set_env ("COMPATIBLE_API_KEY=" SECRET "a");
  set_env (format ("HOME=%s", dir));
  server = canned_start (SERVED);
  run ("chat", "-m", "m", "hi", NULL);
  ENDS_WITH (2);
  SAYS ("KEYWHEEL_BASE_URL");
  set_env (format ("KEYWHEEL_BASE_URL=%s", canned_url (server)));
  run ("chat", "-m", "m", "hi", NULL);
  ENDS_WITH (0);
  PRINTS ("served\n");
}
END_TEST

START_TEST (another_providers_key_is_used_although_that_one_is_there)
{
  sim = simctl_startl ("--key", SECRET "g,name=g", NULL);
  set_env ("KEYWHEEL_CONFIG");
  set_env (format ("HOME=%s", dir));
  set_env ("COMPATIBLE_API_KEY=" SECRET "a");
  set_env ("AZURE_OPENAI_API_KEY=" SECRET "z");
  set_env ("GROQ_API_KEY=" SECRET "g");
  run ("check", NULL);
  ENDS_WITH (0);
}
END_TEST

START_TEST (a_server_without_keys_gets_none)
{
  server = canned_start (SERVED);
  set_env ("COMPATIBLE_API_KEY=any-word");
  write_lab ("auth = none\nheader_X-Title = keywheel");
  run ("chat", "hi", NULL);
  ENDS_WITH (0);
  PRINTS ("served\n");
  stop_server ();
  ck_assert_msg (strcasestr (seen, "authorization") == NULL && strstr (seen, "any-word") == NULL,
                 "%s", seen);
  ck_assert_msg (strstr (seen, "X-Title: keywheel\r\n") != NULL, "%s", seen);
}
END_TEST

START_TEST (the_key_goes_into_another_header)
{
  server = canned_start (SERVED);
  set_env ("COMPATIBLE_API_KEY=" SECRET "a");
  write_lab ("auth = header X-API-Key");
  run ("chat", "hi", NULL);
  ENDS_WITH (0);
  stop_server ();
  ck_assert_msg (strcasestr (seen, "authorization") == NULL
                 && strstr (seen, "X-API-Key: " SECRET "a\r\n") != NULL, "%s", seen);
}
END_TEST

static Suite *
compatible_cli_suite (void)
{
  Suite *s = suite_create ("compatible-cli");
  TCase *tc = tcase_create ("compatible-cli");

  tcase_set_timeout (tc, 60);
  tcase_add_checked_fixture (tc, set_up_without_server, tear_down_all);
  tcase_add_test (tc, a_rule_makes_a_switch_of_words_that_nobody_knows);
  tcase_add_test (tc, without_the_rule_it_is_a_limit_that_is_waited_for);
  tcase_add_test (tc, check_tells_all_wrong_rules_and_options_with_file_and_line);
  tcase_add_test (tc, a_rule_that_is_right_passes_check);
  tcase_add_test (tc, the_server_must_be_named);
  tcase_add_test (tc, a_key_in_the_environment_alone_names_no_server);
  tcase_add_test (tc, another_providers_key_is_used_although_that_one_is_there);
  tcase_add_test (tc, a_server_without_keys_gets_none);
  tcase_add_test (tc, the_key_goes_into_another_header);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (compatible_cli_suite)

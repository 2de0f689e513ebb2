/* test_accounts - whose a key is, as good and bad answers of several providers
 * tell it: keys of one account are one allowance, and status says so, in the
 * library and on the command line. */
#include <sys/stat.h>

#include <keywheel/keywheel.h>

#include "clikit.h"
#include "keyed.h"

/* ---- Answers ---------------------------------------------------------------- */

#define ANSWER(status, headers, body) \
  "HTTP/1.1 " status "\r\nContent-Type: application/json\r\n" headers \
  "Connection: close\r\n\r\n" body

#define GOOD(headers) \
  ANSWER ("200 OK", headers, "{\"id\":\"c-1\",\"object\":\"chat.completion\",\"created\":1," \
          "\"model\":\"m\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":" \
          "{\"role\":\"assistant\",\"content\":\"hi\"}}],\"usage\":{\"prompt_tokens\":1," \
          "\"completion_tokens\":1,\"total_tokens\":2}}")
#define LIMIT(headers, body) ANSWER ("429 Too Many Requests", headers, body)

#define OPENAI(org) "openai-organization: " org "\r\n"
#define OPENAI_DAY(org) \
  "{\"error\":{\"message\":\"Rate limit reached for m in organization " org " on requests " \
  "per day (RPD): Limit 200, Used 200, Requested 1. Please try again in 7m12s.\"," \
  "\"type\":\"requests\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}"
#define OPENROUTER_DAY(user) \
  "{\"error\":{\"message\":\"Rate limit exceeded: free-models-per-day. \",\"code\":429," \
  "\"metadata\":{\"headers\":{\"X-RateLimit-Limit\":\"50\",\"X-RateLimit-Remaining\":\"0\"}," \
  "\"limit_source\":\"openrouter_free_tier_daily\"}},\"user_id\":\"" user "\"}"
#define XAI_MINUTE(team) \
  "{\"error\":\"Too many tokens for team " team " and model m. Your team's rate limit is " \
  "Tokens per Minute (actual/limit): 65605/16000.\"}"
#define TEAM_1 "eb9b98de-ba81-45b6-a25c-28ca83ed6f71"
#define TEAM_2 "29301118-5185-4117-afee-78429df38397"
#define CLAUDE(org) "anthropic-organization-id: " org "\r\n"
#define CLAUDE_GOOD(org) \
  ANSWER ("200 OK", CLAUDE (org), "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":" \
          "\"assistant\",\"model\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]," \
          "\"stop_reason\":\"end_turn\",\"stop_sequence\":null," \
          "\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}")
#define CLAUDE_MINUTE(org) \
  "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"This request " \
  "would exceed the rate limit for your organization (" org ") of 20,000 input tokens per " \
  "minute.\"}}"

#define GEMINI_OFF(project) \
  ANSWER ("403 Forbidden", "", "{\"error\":{\"code\":403,\"message\":\"Gemini API has not been " \
          "used in project before or it is disabled.\",\"status\":\"PERMISSION_DENIED\"," \
          "\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":" \
          "\"SERVICE_DISABLED\",\"domain\":\"googleapis.com\",\"metadata\":{\"consumer\":" \
          "\"projects/" project "\"}}]}}")

/* account NULL: a and b are not known to be one. */
static const struct {
  const char *plugin, *a, *b, *account;
} rows[] = {
  { "openai", GOOD (OPENAI ("acme")), GOOD (OPENAI ("acme")), "acme" },
  { "openai", GOOD (OPENAI ("acme")), GOOD (OPENAI ("other")), NULL },
  { "openai", GOOD (""), GOOD (""), NULL },
  { "openai", LIMIT ("", OPENAI_DAY ("org-7h3k")), LIMIT ("", OPENAI_DAY ("org-7h3k")),
    "org-7h3k" },
  { "openai", LIMIT ("", OPENAI_DAY ("org-7h3k")), LIMIT ("", OPENAI_DAY ("org-9x1z")), NULL },
  /* The header's name is on good answers, too: the text's id is another name. */
  { "openai", LIMIT (OPENAI ("acme"), OPENAI_DAY ("org-7h3k")), GOOD (OPENAI ("acme")),
    "acme" },
  { "openrouter", LIMIT ("", OPENROUTER_DAY ("user_a1")), LIMIT ("", OPENROUTER_DAY ("user_a1")),
    "user_a1" },
  { "openrouter", LIMIT ("", OPENROUTER_DAY ("user_a1")), LIMIT ("", OPENROUTER_DAY ("user_b2")),
    NULL },
  { "xai", LIMIT ("", XAI_MINUTE (TEAM_1)), LIMIT ("", XAI_MINUTE (TEAM_1)), TEAM_1 },
  { "xai", LIMIT ("", XAI_MINUTE (TEAM_1)), LIMIT ("", XAI_MINUTE (TEAM_2)), NULL },
  { "anthropic", CLAUDE_GOOD (TEAM_1), LIMIT ("", CLAUDE_MINUTE (TEAM_1)), TEAM_1 },
  { "anthropic", CLAUDE_GOOD (TEAM_1), CLAUDE_GOOD (TEAM_2), NULL },
  { "gemini", GEMINI_OFF ("4711"), GEMINI_OFF ("4711"), "projects/4711" },
  { "gemini", GEMINI_OFF ("4711"), GEMINI_OFF ("4712"), NULL },
  /* These name none: two keys are two allowances until an operator says more. */
  { "mistral", GOOD (""), GOOD (""), NULL },
};

/* ---- The two ways to ask ------------------------------------------------------ */

static struct keyed *server;
static struct keyed_answer answers[2];

static void
two_keys (const char *plugin, const char *a, const char *b)
{
  const char *text, *plugins = strchr (plugin_path, '=') + 1;

  answers[0] = (struct keyed_answer) { SECRET "a", a };
  answers[1] = (struct keyed_answer) { SECRET "b", b };
  server = keyed_start (answers, 2);
  ck_assert_int_eq (chmod (write_file ("a.key", SECRET "a", sizeof SECRET), 0600), 0);
  ck_assert_int_eq (chmod (write_file ("b.key", SECRET "b", sizeof SECRET), 0600), 0);
  text = format ("[keywheel]\nprovider = %s\nplugin_dir = %s\n[provider %s]\nbase_url = %s\n"
                 "model = m\nmax_retries = 0\n[key %s/ours]\nfile = a.key\n"
                 "[key %s/theirs]\nfile = b.key\n", plugin, plugins, plugin, server->url, plugin,
                 plugin);
  write_file ("keywheel.ini", text, strlen (text));
  set_env (ini);
}

static void
stop (void)
{
  if (server != NULL)
    keyed_stop (server);
  server = NULL;
  tear_down ();
}

START_TEST (keys_whose_answers_name_one_account_are_one_in_the_snapshot)
{
  struct kw_error err = KW_ERROR_INIT;
  kw_status_info *status = NULL;
  const char *want = rows[_i].account;

  two_keys (rows[_i].plugin, rows[_i].a, rows[_i].b);
  kw_client *client = kw_client_open (strchr (ini, '=') + 1, &err);
  ck_assert_msg (client != NULL, "%s", err.message);
  (void) kw_probe (client, NULL, "ours", &err);
  (void) kw_probe (client, NULL, "theirs", &err);
  ck_assert_int_eq (kw_status (client, NULL, &status), 0);
  ck_assert_msg (status->n_accounts == (want != NULL), "%s, row %d: %zu accounts; \"%s\", \"%s\"",
                 rows[_i].plugin, _i, status->n_accounts, status->keys[0].account,
                 status->keys[1].account);
  if (want != NULL) {
    ck_assert_str_eq (status->accounts[0].name, want);
    ck_assert_uint_eq (status->accounts[0].n_keys, 2);
    ck_assert_str_eq (status->keys[0].account, want);
    ck_assert_str_eq (status->keys[1].account, want);
  }
  kw_status_free (status);
  kw_client_close (client);
}
END_TEST

START_TEST (the_command_says_so_in_words)
{
  two_keys (rows[_i].plugin, rows[_i].a, rows[_i].b);
  run ("check", "--live", NULL);
  if (rows[_i].account != NULL)
    PRINTS_SOME ("\nours and theirs are one account: 2 keys, 1 allowance\n");
  else
    ck_assert_msg (strstr (got.out, "one account") == NULL, "%s, row %d: %s", rows[_i].plugin,
                   _i, got.out);
}
END_TEST

static Suite *
accounts_suite (void)
{
  Suite *s = suite_create ("accounts");
  TCase *tc = tcase_create ("accounts");
  int n = (int) (sizeof rows / sizeof rows[0]);

  tcase_set_timeout (tc, 60);
  tcase_add_checked_fixture (tc, set_up, stop);
  tcase_add_loop_test (tc, keys_whose_answers_name_one_account_are_one_in_the_snapshot, 0, n);
  tcase_add_loop_test (tc, the_command_says_so_in_words, 0, n);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (accounts_suite)

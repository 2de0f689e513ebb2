/* test_sim - keywheel-sim as its clients see it: limits in virtual time,
 * messages and headers, keys, paths, bodies, streams. */
#include "test_sim.h"

#include <json-c/json.h>
#include <string.h>

/* ---- reading answers --------------------------------------------------------- */

const char *
json_text (const char *body, const char *path, char *buf, size_t size)
{
  json_object *root = json_tokener_parse (body), *found = NULL;
  char pointer[128];
  int n = snprintf (pointer, sizeof pointer, "/%s", path);
  ck_assert (n > 0 && (size_t) n < sizeof pointer);
  ck_assert_msg (root != NULL, "no JSON: %s", body);
  buf[0] = '\0';
  if (json_pointer_get (root, pointer, &found) == 0 && found != NULL) {
    n = snprintf (buf, size, "%s", json_object_get_string (found));
    ck_assert (n >= 0 && (size_t) n < size);
  }
  json_object_put (root);
  return buf;
}

void
stream_text (const char *body, const char *path, char *buf, size_t size)
{
  char event[4096], piece[512];
  size_t len = 0;

  buf[0] = '\0';
  for (const char *at = body, *end; (end = strstr (at, "\n\n")) != NULL; at = end + 2) {
    const char *data = strstr (at, "data: {");
    if (data == NULL || data > end)
      continue;
    int n = snprintf (event, sizeof event, "%.*s", (int) (end - data - 6), data + 6);
    ck_assert (n > 0 && (size_t) n < sizeof event);
    json_text (event, path, piece, sizeof piece);
    n = snprintf (buf + len, size - len, "%s", piece);
    ck_assert (n >= 0 && (size_t) n < size - len);
    len += (size_t) n;
  }
}

void
expect_text (const struct simctl_reply *r, const char *path, const char *text)
{
  char buf[1024];
  ck_assert_msg (strcmp (json_text (r->body, path, buf, sizeof buf), text) == 0,
                 "%s is \"%s\", not \"%s\": %s", path, buf, text, r->body);
}

void
expect_header (const struct simctl_reply *r, const char *name, const char *value)
{
  char buf[256];
  const char *got = simctl_header (r, name, buf, sizeof buf);
  if (value == NULL)
    ck_assert_msg (got == NULL, "%s is there: %s", name, got);
  else
    ck_assert_msg (got != NULL && strcmp (got, value) == 0, "%s is %s, not %s", name,
                   got != NULL ? got : "not there", value);
}

void
expect_call (struct simctl *sim, const char *secret, const char *body, int status,
             const char *code)
{
  struct simctl_reply r;
  simctl_call (sim, "POST", CHAT, secret, body, &r);
  ck_assert_msg (r.curl == 0 && r.status == status, "%s: %d (curl %d), not %d: %s",
                 body, r.status, r.curl, status, r.body);
  if (code != NULL)
    expect_text (&r, "error/code", code);
  simctl_reply_clear (&r);
}

/* ---- limits ---------------------------------------------------------------------- */

START_TEST (a_used_up_day_is_refused_in_groqs_words_and_comes_back)
{
  struct simctl *sim = simctl_startl ("--key", "sk-a,name=primary,tpd=250,rpd=1000,"
                                      "tpm=200", "--clock", "manual", NULL);
  struct simctl_reply r;

  expect_call (sim, "sk-a", HUNDRED, 200, NULL);
  expect_call (sim, "sk-a", HUNDRED, 200, NULL);
  simctl_advance (sim, 60000);  /* the minute is free again, the day is not */
  simctl_call (sim, "POST", CHAT, "sk-a", HUNDRED, &r);
  ck_assert_int_eq (r.status, 429);
  /* 200 less 250/1440 of the day, rounded up; 50 over 250 is a fifth. */
  expect_text (&r, "error/message",
               "Rate limit reached for model `m` in organization `org_primary` "
               "service tier `on_demand` on tokens per day (TPD): Limit 250, Used "
               "200, Requested 100. Please try again in 4h48m0s. Need more tokens? "
               "Upgrade to Dev Tier today at "
               "https://console.groq.com/settings/billing");
  expect_text (&r, "error/type", "tokens");
  expect_text (&r, "error/code", "rate_limit_exceeded");
  ck_assert_msg (r.body[r.body_len - 1] == '\n', "no newline at the end");
  expect_header (&r, "retry-after", "17280");
  expect_header (&r, "content-type", "application/json");
  expect_header (&r, "x-ratelimit-limit-requests", "1000");
  expect_header (&r, "x-ratelimit-remaining-requests", "998");
  expect_header (&r, "x-ratelimit-reset-requests", "2m52.8s");
  expect_header (&r, "x-ratelimit-limit-tokens", "200");
  expect_header (&r, "x-ratelimit-remaining-tokens", "200");
  expect_header (&r, "x-ratelimit-reset-tokens", "1ms");
  simctl_reply_clear (&r);

  simctl_advance (sim, 17280000 - 60001);
  expect_call (sim, "sk-a", HUNDRED, 429, "rate_limit_exceeded");
  simctl_advance (sim, 60001);
  expect_call (sim, "sk-a", HUNDRED, 200, NULL);
  simctl_stop (sim);
}
END_TEST

START_TEST (a_full_minute_is_refused_without_token_headers)
{
  struct simctl *sim = simctl_startl ("--key", "sk-a,rpm=1,rpd=9,tpm=1000", "--key",
                                      "sk-b,tpm=150,rpd=9", "--clock", "manual",
                                      NULL);
  static const struct {
    const char *secret, *type, *dim, *remaining;
  } cases[] = {
    { "sk-a", "requests", "on requests per minute (RPM): Limit 1, Used 1, "
                          "Requested 1. Please try again in 1m0s. Need", "60" },
    { "sk-b", "tokens", "on tokens per minute (TPM): Limit 150, Used 100, "
                        "Requested 100. Please try again in 20s. Need", "20" },
  };
  for (size_t i = 0; i < 2; i++) {
    struct simctl_reply r;
    char message[1024];
    simctl_call (sim, "POST", CHAT, cases[i].secret, HUNDRED, &r);
    ck_assert_int_eq (r.status, 200);
    expect_header (&r, "x-ratelimit-limit-tokens", i == 0 ? "1000" : "150");
    simctl_reply_clear (&r);
    simctl_call (sim, "POST", CHAT, cases[i].secret, HUNDRED, &r);
    ck_assert_int_eq (r.status, 429);
    expect_text (&r, "error/type", cases[i].type);
    json_text (r.body, "error/message", message, sizeof message);
    ck_assert_msg (strstr (message, cases[i].dim) != NULL, "%s", message);
    expect_header (&r, "retry-after", cases[i].remaining);
    expect_header (&r, "x-ratelimit-remaining-requests", "8");
    expect_header (&r, "x-ratelimit-limit-tokens", NULL);
    simctl_reply_clear (&r);
  }
  simctl_stop (sim);
}
END_TEST

START_TEST (a_used_up_day_of_requests_is_told_apart)
{
  struct simctl *sim = simctl_startl ("--key", "sk-a,rpd=1,rpm=1", "--clock",
                                      "manual", NULL);
  expect_call (sim, "sk-a", HUNDRED, 200, NULL);
  expect_call (sim, "sk-a", HUNDRED, 429, "rate_limit_exceeded");
  ck_assert_uint_eq (simctl_count (sim, "key-1", "rpd"), 1);
  simctl_stop (sim);
}
END_TEST

START_TEST (keys_of_one_organization_share_an_allowance)
{
  struct simctl *sim = simctl_startl (
    "--key", "sk-a,name=a,org=shared,tpd=150", "--key", "sk-b,name=b,org=shared",
    "--key", "sk-c,name=c,tpd=150", "--clock", "manual", NULL);
  expect_call (sim, "sk-a", HUNDRED, 200, NULL);
  expect_call (sim, "sk-b", HUNDRED, 429, "rate_limit_exceeded");
  expect_call (sim, "sk-c", HUNDRED, 200, NULL);
  simctl_stop (sim);
}
END_TEST

START_TEST (a_key_used_up_on_one_model_serves_another)
{
  struct simctl *sim = simctl_startl ("--key", "sk-a,tpd=150", "--clock", "manual",
                                      NULL);
  expect_call (sim, "sk-a", HUNDRED, 200, NULL);
  expect_call (sim, "sk-a", HUNDRED, 429, "rate_limit_exceeded");
  expect_call (sim, "sk-a", "{\"model\":\"other\",\"messages\":[{\"role\":\"user\","
               "\"content\":\"hi\"}]}", 200, NULL);
  simctl_stop (sim);
}
END_TEST

START_TEST (a_models_own_limit_wins_and_others_do_not_exist)
{
  struct simctl *sim = simctl_startl ("--key", "sk-a,tpd=150", "--model",
                                      "m,tpd=250", "--model", "vendor/n", "--clock",
                                      "manual", NULL);
  struct simctl_reply r;
  expect_call (sim, "sk-a", HUNDRED, 200, NULL);
  expect_call (sim, "sk-a", HUNDRED, 200, NULL);
  expect_call (sim, "sk-a", HUNDRED, 429, "rate_limit_exceeded");
  expect_call (sim, "sk-a", "{\"model\":\"x\",\"messages\":[{\"role\":\"user\","
               "\"content\":\"hi\"}]}", 404, "model_not_found");
  simctl_call (sim, "GET", "/v1/models", "sk-a", NULL, &r);
  expect_text (&r, "data/0/id", "m");
  expect_text (&r, "data/1/id", "vendor/n");
  simctl_reply_clear (&r);
  simctl_stop (sim);
}
END_TEST

START_TEST (a_request_beyond_the_limit_is_too_large)
{
  struct simctl *sim = simctl_startl ("--key", "sk-a,name=a,tpm=90", "--clock",
                                      "manual", NULL);
  struct simctl_reply r;
  simctl_call (sim, "POST", CHAT, "sk-a", HUNDRED, &r);
  ck_assert_int_eq (r.status, 413);
  expect_text (&r, "error/message",
               "Request too large for model `m` in organization `org_a` service tier "
               "`on_demand` on tokens per minute (TPM): Limit 90, Requested 100, "
               "please reduce your message size and try again. Need more tokens? "
               "Upgrade to Dev Tier today at "
               "https://console.groq.com/settings/billing");
  expect_text (&r, "error/code", "rate_limit_exceeded");
  expect_header (&r, "retry-after", "7");       /* (100 - 90) / 90 * 60 */
  expect_header (&r, "x-ratelimit-remaining-tokens", "90");
  simctl_reply_clear (&r);
  simctl_stop (sim);
}
END_TEST

START_TEST (a_time_scale_shortens_what_is_stated_and_what_is_waited)
{
  struct simctl *sim = simctl_startl ("--key", "sk-a,tpd=100", "--clock", "manual",
                                      "--time-scale", "8640", NULL);
  struct simctl_reply r;
  char message[1024];
  expect_call (sim, "sk-a", HUNDRED, 200, NULL);
  simctl_call (sim, "POST", CHAT, "sk-a", HUNDRED, &r);
  json_text (r.body, "error/message", message, sizeof message);
  ck_assert_msg (strstr (message, "try again in 10s.") != NULL, "%s", message);
  expect_header (&r, "retry-after", "10");
  simctl_reply_clear (&r);
  simctl_advance (sim, 9999);
  expect_call (sim, "sk-a", HUNDRED, 429, "rate_limit_exceeded");
  simctl_advance (sim, 1);
  expect_call (sim, "sk-a", HUNDRED, 200, NULL);
  simctl_stop (sim);
}
END_TEST

/* ---- keys, paths, bodies ---------------------------------------------------------- */

START_TEST (keys_get_what_they_deserve)
{
  static const struct {
    const char *secret, *code, *verdict;
    int status;
  } cases[] = {
    { NULL, "invalid_api_key", "auth", 401 },
    { "sk-unknown", "invalid_api_key", "auth", 401 },
    { "sk-revoked", "invalid_api_key", "auth", 401 },
    { "sk-restricted", "organization_restricted", "billing", 400 },
    { "sk-spend", "spend_limit_reached", "billing", 400 },
    { "sk-blocked", "model_permission_blocked_org", "blocked", 403 },
  };
  struct simctl *sim = simctl_startl (
    "--key", "sk-revoked,revoked", "--key", "sk-restricted,restricted", "--key",
    "sk-spend,spend", "--key", "sk-blocked,blocked", NULL);
  struct simctl_log log;
  size_t n = sizeof cases / sizeof cases[0];
  for (size_t i = 0; i < n; i++)
    expect_call (sim, cases[i].secret, HUNDRED, cases[i].status, cases[i].code);
  simctl_read_log (sim, &log);
  ck_assert_uint_eq (log.count, n);
  for (size_t i = 0; i < n; i++)
    ck_assert_str_eq (log.entries[i].verdict, cases[i].verdict);
  simctl_log_clear (&log);
  simctl_stop (sim);
}
END_TEST

START_TEST (an_unknown_path_is_named)
{
  struct simctl *sim = simctl_startl ("--key", "sk-a", NULL);
  struct simctl_reply r;
  simctl_call (sim, "POST", "/openai/v1", "sk-a", "{}", &r);
  ck_assert_int_eq (r.status, 404);
  expect_text (&r, "error/message", "Unknown request URL: POST /openai/v1. Please "
               "check the URL for typos.");
  expect_text (&r, "error/code", "unknown_url");
  simctl_reply_clear (&r);
  simctl_call (sim, "POST", "/openai" CHAT, "sk-a", HUNDRED, &r);
  ck_assert_int_eq (r.status, 200);
  simctl_reply_clear (&r);
  simctl_stop (sim);
}
END_TEST

static const char *const bad_bodies[] = {
  "", "{", "[]", "null", "{\"model\":\"m\"} x", "{}", "{'model':'m'}",
  "{\"model\":5,\"messages\":[]}", "{\"model\":\"m\"}",
  "{\"model\":\"m\",\"messages\":[]}", "{\"model\":\"m\",\"messages\":[7]}",
  "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}",
  "{\"model\":\"m\",\"max_tokens\":-1,\"messages\":[{\"role\":\"user\"}]}",
  "{\"model\":\"m\",\"max_tokens\":\"9\",\"messages\":[{\"role\":\"user\"}]}",
};

START_TEST (a_bad_body_is_a_clients_mistake_and_charged_nothing)
{
  struct simctl *sim = simctl_startl ("--key", "sk-a,rpd=5", "--clock", "manual",
                                      NULL);
  struct simctl_reply r;
  for (int i = 0; i < COUNT (bad_bodies); i++) {
    simctl_call (sim, "POST", CHAT, "sk-a", bad_bodies[i], &r);
    ck_assert_msg (r.status == 400, "%s: %d %s", bad_bodies[i], r.status, r.body);
    expect_text (&r, "error/type", "invalid_request_error");
    simctl_reply_clear (&r);
  }
  ck_assert_uint_eq (simctl_count (sim, "key-1", "bad_request"), COUNT (bad_bodies));
  simctl_call (sim, "POST", CHAT, "sk-a", HUNDRED, &r);
  expect_header (&r, "x-ratelimit-remaining-requests", "4");
  simctl_reply_clear (&r);
  simctl_stop (sim);
}
END_TEST

START_TEST (a_long_body_arrives_in_full)
{
  size_t size = 20 * 1024 * 1024;
  const char head[] = "{\"model\":\"m\",\"max_tokens\":1,\"messages\":"
                      "[{\"role\":\"user\",\"content\":\"";
  char *body = malloc (size + sizeof head + 8);
  struct simctl *sim = simctl_startl ("--key", "sk-a", NULL);
  struct simctl_log log;
  ck_assert_ptr_nonnull (body);
  char *end = mempcpy (body, head, sizeof head - 1);
  memset (end, 'x', size);
  memcpy (end + size, "\"}]}", 5);
  expect_call (sim, "sk-a", body, 200, NULL);
  simctl_read_log (sim, &log);
  ck_assert_int_eq (log.entries[0].bytes, (int64_t) strlen (body));
  ck_assert_int_eq (log.entries[0].requested, (int64_t) size / 4 + 1);
  simctl_log_clear (&log);
  free (body);
  simctl_stop (sim);
}
END_TEST

START_TEST (a_reply_names_its_key_and_counts_what_was_charged)
{
  struct simctl *sim = simctl_startl ("--key", "sk-a,name=primary", NULL);
  struct simctl_reply r;
  simctl_call (sim, "POST", CHAT, "sk-a",
               "{\"model\":\"m\",\"max_completion_tokens\":10,\"messages\":["
               "{\"role\":\"system\",\"content\":\"1234\"},{\"role\":\"user\","
               "\"content\":[{\"type\":\"text\",\"text\":\"12345\"}]}]}", &r);
  expect_text (&r, "choices/0/message/content",
               "Hello from keywheel-sim (key primary): 12345");
  expect_text (&r, "usage/prompt_tokens", "3");
  expect_text (&r, "usage/total_tokens", "13");
  expect_text (&r, "model", "m");
  simctl_reply_clear (&r);
  simctl_call (sim, "POST", "/v1/embeddings", "sk-a",
               "{\"model\":\"e\",\"input\":[\"12345678\",\"x\"]}", &r);
  expect_text (&r, "data/1/index", "1");
  expect_text (&r, "usage/total_tokens", "3");
  simctl_reply_clear (&r);
  simctl_stop (sim);
}
END_TEST

/* ---- streams ---------------------------------------------------------------------- */

START_TEST (a_stream_has_groqs_shape)
{
  struct simctl *sim = simctl_startl ("--key", "sk-a,name=primary", NULL);
  struct simctl_reply r;
  char said[256] = "", buf[256];
  size_t events = 0, len = 0;
  simctl_call (sim, "POST", CHAT, "sk-a",
               "{\"model\":\"m\",\"stream\":true,\"stream_options\":"
               "{\"include_usage\":true},\"messages\":[{\"role\":\"user\","
               "\"content\":\"a  b\"}]}", &r);
  expect_header (&r, "content-type", "text/event-stream");
  ck_assert_ptr_nonnull (strstr (r.body, "\n\ndata: [DONE]\n\n"));
  for (char *at = r.body, *end; (end = strstr (at, "\n\n")) != NULL; at = end + 2) {
    *end = '\0';
    ck_assert_msg (strncmp (at, "data: ", 6) == 0, "%s", at);
    if (strcmp (at, "data: [DONE]") == 0) {
      ck_assert_str_eq (end + 2, "");
      break;
    }
    json_text (at + 6, "choices/0/delta/content", buf, sizeof buf);
    int n = snprintf (said + len, sizeof said - len, "%s", buf);
    ck_assert (n >= 0);
    len += (size_t) n;
    json_text (at + 6, "x_groq/id", buf, sizeof buf);
    ck_assert_msg ((buf[0] != '\0') == (events == 0 || events == 8), "%zu: %s",
                   events, at);
    json_text (at + 6, "x_groq/usage/total_tokens", buf, sizeof buf);
    ck_assert_str_eq (buf, events == 8 ? "33" : "");
    json_text (at + 6, "choices/0/finish_reason", buf, sizeof buf);
    ck_assert_str_eq (buf, events == 8 ? "stop" : "");
    json_text (at + 6, "usage/total_tokens", buf, sizeof buf);
    ck_assert_str_eq (buf, events == 9 ? "33" : "");
    events++;
  }
  ck_assert_uint_eq (events, 10);
  ck_assert_str_eq (said, "Hello from keywheel-sim (key primary): a  b");
  simctl_reply_clear (&r);
  simctl_stop (sim);
}
END_TEST

static Suite *
sim_suite (void)
{
  Suite *s = suite_create ("sim");
  TCase *t = tcase_create ("server");
  tcase_set_timeout (t, 120);
  tcase_add_test (t, a_used_up_day_is_refused_in_groqs_words_and_comes_back);
  tcase_add_test (t, a_full_minute_is_refused_without_token_headers);
  tcase_add_test (t, a_used_up_day_of_requests_is_told_apart);
  tcase_add_test (t, keys_of_one_organization_share_an_allowance);
  tcase_add_test (t, a_key_used_up_on_one_model_serves_another);
  tcase_add_test (t, a_models_own_limit_wins_and_others_do_not_exist);
  tcase_add_test (t, a_request_beyond_the_limit_is_too_large);
  tcase_add_test (t, a_time_scale_shortens_what_is_stated_and_what_is_waited);
  tcase_add_test (t, keys_get_what_they_deserve);
  tcase_add_test (t, an_unknown_path_is_named);
  tcase_add_test (t, a_bad_body_is_a_clients_mistake_and_charged_nothing);
  tcase_add_test (t, a_long_body_arrives_in_full);
  tcase_add_test (t, a_reply_names_its_key_and_counts_what_was_charged);
  tcase_add_test (t, a_stream_has_groqs_shape);
  suite_add_tcase (s, t);
  suite_add_tcase (s, sim_faults ());
  suite_add_tcase (s, sim_log ());
  suite_add_tcase (s, sim_endpoints ());
  suite_add_tcase (s, sim_tools ());
  suite_add_tcase (s, sim_usage ());
  suite_add_tcase (s, sim_units ());
  return s;
}

KW_MAIN (sim_suite)

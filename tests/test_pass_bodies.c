/* test_pass_bodies - uploads that are looked at before they go out: JSON, forms,
 * and those that a plugin translates. */
#include "passkit.h"

#define FORM "multipart/form-data; boundary=x7"

/* It is read whole first, so that it can be looked at. */
START_TEST (json_is_sent_when_it_is_there)
{
  static const struct pass_step steps[] = {
    { .status = "503 Busy", .headers = JSON, .body = "{}" },
    { .status = "200 OK", .headers = JSON, .body = PASS_CHAT } };
  static const char body[] = "{\"messages\":[],  \"model\":\"other\",\"stream\":true}";
  kw_request rq = upload ("/chat/completions", NULL);

  pass_start (steps, "backoff_initial = 1ms");
  pass_upload (&passed, body, 0);
  passed.pause_at = 9;
  pass_begin (&passed, &rq);
  PASS_UNTIL (passed.paused);
  pass_turn_until_quiet ();
  ck_assert_int_eq (atomic_load (&provider.n_seen), 0);
  passed.paused = 0;
  kw_handle_resume_upload (passed.handle);
  PASS_UNTIL (passed.ended);
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_str_eq (passed.model, "other");
  ck_assert_int_eq (pass_stop (), 2);
  ck_assert_str_eq (provider.seen[1].body, body);
  ck_assert_ptr_nonnull (strstr (provider.seen[1].head, "Content-Length: 47\r\n"));
  ck_assert_ptr_nonnull (strstr (provider.seen[1].head, "Accept: text/event-stream\r\n"));
}
END_TEST

/* What is no JSON though it says so is the provider's to refuse. */
START_TEST (broken_json_is_passed_on)
{
  static const struct pass_step steps[] = {
    { .status = "400 Bad Request", .headers = JSON, .body = "{\"error\":\"broken\"}" } };
  kw_request rq = upload ("/chat/completions", "application/json");

  pass_start (steps, "");
  pass_upload (&passed, "{\"model\":", 0);
  pass_run (&passed, &rq);
  ck_assert_int_eq (passed.code, KW_ERR_REFUSED);
  ck_assert_int_eq (passed.status, 400);
  ck_assert_str_eq (passed.model, "m");
  ck_assert_int_eq (pass_stop (), 1);
  ck_assert_str_eq (provider.seen[0].body, "{\"model\":");
}
END_TEST

START_TEST (json_over_the_limit_is_known_by_its_beginning)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = JSON, .body = PASS_CHAT } };
  kw_request rq = upload ("/chat/completions", NULL);
  static char body[30000];
  int n = snprintf (body, sizeof body, "{\"model\":\"big\",\"x\":\"%020000d\"}", 7);

  ck_assert_int_gt (n, 20000);
  pass_start (steps, "");
  pass_upload (&passed, body, 0);
  rq.replay_limit = 1000;
  pass_run (&passed, &rq);
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_str_eq (passed.model, "big");
  ck_assert_int_eq (pass_stop (), 1);
  ck_assert_str_eq (provider.seen[0].body, body);
}
END_TEST

#define FIELD(name, value) "--x7\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" \
                           value "\r\n"

START_TEST (a_forms_model_is_looked_for_and_the_form_goes_out_as_it_is)
{
  static const struct { const char *body, *model, *named; } rows[] = {
    { FIELD ("file", "audio") FIELD ("model", "w") "--x7--\r\n", NULL, "w" },
    { FIELD ("file", "audio") "--x7--\r\n", NULL, "m" },
    { FIELD ("model", "w") "--x7--\r\n", "asked", "asked" },
  };
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = JSON, .body = "{\"text\":\"hi\"}" },
    { .status = "200 OK", .headers = JSON, .body = "{\"text\":\"hi\"}" },
    { .status = "200 OK", .headers = JSON, .body = "{\"text\":\"hi\"}" } };

  pass_start (steps, "");
  for (int i = 0; i < 3; i++) {
    kw_request rq = upload ("/audio/transcriptions", FORM);
    memset (&passed, 0, sizeof passed);
    pass_upload (&passed, rows[i].body, 0);
    passed.pause_at = 40;
    rq.model = rows[i].model;
    pass_begin (&passed, &rq);
    PASS_UNTIL (passed.paused);
    passed.paused = 0;
    kw_handle_resume_upload (passed.handle);
    PASS_UNTIL (passed.ended);
    ck_assert_msg (passed.code == 0, "%d: %s", i, passed.why);
    ck_assert_str_eq (passed.model, rows[i].named);
    ck_assert_str_eq (passed.data, "{\"text\":\"hi\"}");
  }
  ck_assert_int_eq (pass_stop (), 3);
  for (int i = 0; i < 3; i++) {
    ck_assert_str_eq (provider.seen[i].body, rows[i].body);
    ck_assert_ptr_nonnull (strstr (provider.seen[i].head, "Content-Type: " FORM "\r\n"));
  }
}
END_TEST

/* Of a body that is larger than what is kept a translation sees nothing. */
START_TEST (a_plugin_that_translates_needs_the_body_whole)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = JSON,
      .body = "{\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":"
              "[{\"type\":\"text\",\"text\":\"hi\"}],\"stop_reason\":\"end_turn\","
              "\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}" },
    { .status = "400 Bad", .headers = JSON, .body = "{\"type\":\"error\",\"error\":"
      "{\"type\":\"invalid_request_error\",\"message\":\"their words\"}}" } };
  static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                             "\"content\":\"hello\"}]}";
  kw_request rq = upload ("/chat/completions?beta=1", NULL);

  kit.provider = "anthropic";
  kit.vars[0] = "ANTHROPIC_API_KEY";
  kit.vars[1] = "sk-cccccccccc";
  pass_start (steps, "");
  pass_upload (&passed, body, 0);
  pass_run (&passed, &rq);
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_msg (strstr (passed.data, "chat.completion") != NULL, "%s", passed.data);
  ck_assert_int_eq (passed.length, (int) passed.data_len);
  memset (&passed, 0, sizeof passed);
  pass_upload (&passed, body, 0);
  rq.replay_limit = 20;
  pass_run (&passed, &rq);
  ck_assert_int_eq (passed.code, KW_ERR_REFUSED);
  ck_assert_msg (strstr (passed.why, "larger than replay_limit (20 bytes)") != NULL, "%s", passed.why);
  memset (&passed, 0, sizeof passed);     /* an error in a format that nobody asked in */
  pass_upload (&passed, body, 0);
  rq.replay_limit = 0;
  pass_run (&passed, &rq);
  ck_assert_int_eq (passed.code, KW_ERR_REFUSED);
  ck_assert_int_eq (passed.n_start, 0);
  ck_assert_msg (strstr (passed.why, "their words") != NULL, "%s", passed.why);
  memset (&passed, 0, sizeof passed);
  rq.path = "/responses";
  pass_upload (&passed, body, 0);
  pass_run (&passed, &rq);
  ck_assert_int_eq (passed.code, KW_ERR_REFUSED);
  ck_assert_msg (strstr (passed.why, "/responses") != NULL, "%s", passed.why);
  ck_assert_int_eq (pass_stop (), 2);
  ck_assert_msg (strncmp (provider.seen[0].head, "POST /v1/messages HTTP", 22) == 0, "%s",
                 provider.seen[0].head);
}
END_TEST

/* One that does not look into the body has no part of it to translate either. */
START_TEST (a_body_of_the_plugins_own_is_not_sent_in_an_uploads_place)
{
  static const struct pass_step steps[] = { { .status = "200 OK", .body = "{}" } };
  kw_request rq = upload ("/chat/completions", NULL);

  kit.plugin = "translate";
  kit.vars[0] = "TOY_API_KEY";
  kit.vars[1] = "sk-cccccccccc";
  pass_start (steps, "");
  pass_upload (&passed, "{\"model\":\"m\",\"messages\":[]}", 0);
  rq.replay_limit = 20;
  pass_run (&passed, &rq);
  ck_assert_msg (passed.code == KW_ERR_REFUSED, "%d %s", passed.code, passed.why);
  ck_assert_msg (strstr (passed.why, "larger than replay_limit (20 bytes)") != NULL, "%s",
                 passed.why);
  ck_assert_int_eq (pass_stop (), 0);
}
END_TEST

START_TEST (azure_asks_the_resource_for_what_is_no_deployments)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = JSON, .body = PASS_CHAT },
    { .status = "200 OK", .headers = JSON, .body = "{}" },
    { .status = "200 OK", .headers = JSON, .body = "{}" } };
  static const struct { const char *method, *path, *line; } rows[] = {
    { "POST", "/chat/completions",
      "POST /v1/openai/deployments/m/chat/completions?api-version=2024-10-21 " },
    { "GET", "/models", "GET /v1/openai/models?api-version=2024-10-21 " },
    { "GET", "/files?limit=1", "GET /v1/openai/files?limit=1&api-version=2024-10-21 " } };

  kit.provider = "azure";
  kit.vars[0] = "AZURE_OPENAI_API_KEY";
  kit.vars[1] = "sk-cccccccccc";
  pass_start (steps, "");
  for (int i = 0; i < 3; i++) {
    kw_request rq = upload (rows[i].path, NULL);
    memset (&passed, 0, sizeof passed);
    rq.method = rows[i].method;
    if (i == 0)
      pass_upload (&passed, "{\"messages\":[]}", 0);
    pass_run (&passed, &rq);
    ck_assert_msg (passed.code == 0, "%d: %s", i, passed.why);
  }
  ck_assert_int_eq (pass_stop (), 3);
  for (int i = 0; i < 3; i++)
    ck_assert_msg (strncmp (provider.seen[i].head, rows[i].line, strlen (rows[i].line)) == 0,
                   "%s", provider.seen[i].head);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("pass_bodies");
  TCase *tc = tcase_create ("pass_bodies");

  tcase_add_checked_fixture (tc, pass_setup, kit_teardown);
  tcase_set_timeout (tc, 120);
  tcase_add_test (tc, json_is_sent_when_it_is_there);
  tcase_add_test (tc, broken_json_is_passed_on);
  tcase_add_test (tc, json_over_the_limit_is_known_by_its_beginning);
  tcase_add_test (tc, a_forms_model_is_looked_for_and_the_form_goes_out_as_it_is);
  tcase_add_test (tc, a_plugin_that_translates_needs_the_body_whole);
  tcase_add_test (tc, a_body_of_the_plugins_own_is_not_sent_in_an_uploads_place);
  tcase_add_test (tc, azure_asks_the_resource_for_what_is_no_deployments);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)

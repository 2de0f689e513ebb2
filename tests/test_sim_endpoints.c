/* test_sim_endpoints - keywheel-sim's paths besides the chats': completions,
 * embeddings, audio, models, files, batches. */
#include "test_sim.h"

#include <string.h>

#define FORM "multipart/form-data; boundary=b7"
#define FIELD(name, value) \
  "--b7\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define UPLOAD(text) \
  "--b7\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n" \
  "Content-Type: audio/wav\r\n\r\n" text "\r\n"
#define END "--b7--\r\n"
#define TRANSCRIBE "/v1/audio/transcriptions"

static struct simctl *sim;

static void
start (void)
{
  sim = simctl_startl ("--key", "sk-a,name=a,tpd=100", "--key", "sk-b,name=b", "--model", "m",
                       "--model", "v/n", "--clock", "manual", NULL);
}

static void
stop (void)
{
  simctl_stop (sim);
}

static void
call_as (const char *secret, const char *method, const char *path, const char *type,
         const char *body, int status, struct simctl_reply *r)
{
  simctl_call_as (sim, method, path, secret, type, body, r);
  ck_assert_msg (r->status == status, "%s %s: %d, not %d: %s", method, path, r->status, status,
                 r->body);
}

static void
call (const char *method, const char *path, const char *body, int status,
      struct simctl_reply *r)
{
  call_as ("sk-a", method, path, "application/json", body, status, r);
}

START_TEST (a_completion_goes_on_from_a_prompt)
{
  struct simctl_reply r;
  char got[256];
  call ("POST", "/v1/completions", "{\"model\":\"m\",\"prompt\":\"once\",\"max_tokens\":9}", 200, &r);
  expect_text (&r, "object", "text_completion");
  expect_text (&r, "choices/0/text", "Hello from keywheel-sim (key a): once");
  expect_text (&r, "usage/total_tokens", "10");
  simctl_reply_clear (&r);
  call ("POST", "/v1/completions", "{\"model\":\"m\",\"prompt\":[\"once\"],\"stream\":true}", 200, &r);
  stream_text (r.body, "choices/0/text", got, sizeof got);
  ck_assert_str_eq (got, "Hello from keywheel-sim (key a): once");
  ck_assert_ptr_nonnull (strstr (r.body, "\n\ndata: [DONE]\n\n"));
  simctl_reply_clear (&r);
  call ("POST", "/v1/completions", "{\"model\":\"m\"}", 400, &r);
  expect_text (&r, "error/message", "'prompt' : property 'prompt' is missing");
  simctl_reply_clear (&r);
}
END_TEST

/* The same vector, as eight numbers and as their 32 bytes. */
START_TEST (embeddings_are_numbers_or_their_bytes)
{
  struct simctl_reply r;
  call ("POST", "/v1/embeddings", "{\"model\":\"m\",\"input\":\"x\"}", 200, &r);
  expect_text (&r, "data/0/embedding/1", "0.125");
  simctl_reply_clear (&r);
  call ("POST", "/v1/embeddings", "{\"model\":\"m\",\"input\":\"x\",\"encoding_format\":\"base64\"}",
        200, &r);
  expect_text (&r, "data/0/embedding", "AAAAAAAAAD4AAIA+AADAPgAAAD8AACA/AABAPwAAYD8=");
  simctl_reply_clear (&r);
}
END_TEST

START_TEST (audio_is_heard_in_full_and_charged_by_its_length)
{
  struct simctl_reply r;
  struct simctl_log log;
  call_as ("sk-a", "POST", TRANSCRIBE, FORM,
           FIELD ("user", "tag-2") FIELD ("model", "m") UPLOAD ("12\r\n--b\r\n456789") END, 200, &r);
  expect_text (&r, "text", "Hello from keywheel-sim (key a): a.wav, 15 bytes, sum 4c6525e4");
  simctl_reply_clear (&r);
  call_as ("sk-a", "POST", TRANSCRIBE, FORM,
           UPLOAD ("x") FIELD ("response_format", "text") FIELD ("model", "m") END, 200, &r);
  ck_assert_str_eq (r.body, "Hello from keywheel-sim (key a): a.wav, 1 bytes, sum 00000078");
  expect_header (&r, "content-type", "text/plain; charset=utf-8");
  simctl_reply_clear (&r);
  call_as ("sk-a", "POST", "/v1/audio/translations", FORM,
           FIELD ("response_format", "verbose_json") UPLOAD ("x") FIELD ("model", "m") END, 200, &r);
  expect_text (&r, "language", "english");
  simctl_reply_clear (&r);
  simctl_read_log (sim, &log);
  ck_assert_int_eq (log.entries[0].requested, 4);
  ck_assert_str_eq (log.entries[0].model, "m");
  ck_assert_str_eq (log.entries[0].tag, "tag-2");
  simctl_log_clear (&log);
}
END_TEST

static const struct {
  const char *type, *body, *says;
} bad_forms[] = {
  { "application/json", FIELD ("model", "m") UPLOAD ("x") END, "no valid multipart form" },
  { "multipart/form-data", FIELD ("model", "m") UPLOAD ("x") END, "no valid multipart form" },
  { "multipart/form-data; boundary=", "x", "no valid multipart form" },
  { FORM, "", "no valid multipart form" },
  { FORM, "--b7", "no valid multipart form" },
  { FORM, END, "'file' : property 'file' is missing" },
  { FORM, FIELD ("model", "m"), "no valid multipart form" },
  { FORM, FIELD ("model", "m") "--b7\r\nno head--b7--", "no valid multipart form" },
  { FORM, "--b7\r\nContent-Disposition: form-data; name=\"model\r\n\r\nm\r\n" END,
    "no valid multipart form" },
  { FORM, FIELD ("file", "x") FIELD ("model", "m") END, "no valid multipart form" },
  { FORM, FIELD ("model", "m") END, "'file' : property 'file' is missing" },
  { FORM, UPLOAD ("x") END, "'model' : property 'model' is missing" },
};

START_TEST (a_bad_form_is_a_clients_mistake)
{
  struct simctl_reply r;
  char message[256];
  call_as ("sk-a", "POST", TRANSCRIBE, bad_forms[_i].type, bad_forms[_i].body, 400, &r);
  json_text (r.body, "error/message", message, sizeof message);
  ck_assert_msg (strstr (message, bad_forms[_i].says) != NULL, "%s", message);
  simctl_reply_clear (&r);
}
END_TEST

START_TEST (speech_is_a_wav_file)
{
  struct simctl_reply r;
  call ("POST", "/v1/audio/speech", "{\"model\":\"m\",\"input\":\"x\",\"voice\":\"v\"}", 200, &r);
  expect_header (&r, "content-type", "audio/wav");
  ck_assert_uint_eq (r.body_len, 44 + 16000);
  ck_assert_int_eq (memcmp (r.body, "RIFF\xa4\x3e\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0", 24), 0);
  simctl_reply_clear (&r);
}
END_TEST

START_TEST (all_that_is_charged_runs_out)
{
  struct simctl_reply r;
  static const char *const bodies[][2] = {
    { "/v1/completions", "{\"model\":\"m\",\"prompt\":\"x\"}" },
    { "/v1/responses", "{\"model\":\"m\",\"input\":\"x\"}" },
    { "/v1/embeddings", "{\"model\":\"m\",\"input\":\"x\"}" },
    { "/v1/audio/speech", "{\"model\":\"m\",\"input\":\"x\"}" },
  };
  expect_call (sim, "sk-a", HUNDRED, 200, NULL);
  for (int i = 0; i < COUNT (bodies); i++) {
    call ("POST", bodies[i][0], bodies[i][1], 429, &r);
    simctl_reply_clear (&r);
  }
  call_as ("sk-a", "POST", TRANSCRIBE, FORM, FIELD ("model", "m") UPLOAD ("x") END, 429, &r);
  simctl_reply_clear (&r);
  ck_assert_uint_eq (simctl_count (sim, "a", "tpd"), 5);
}
END_TEST

START_TEST (one_model_can_be_looked_at)
{
  struct simctl_reply r;
  call ("GET", "/v1/models/v%2Fn", NULL, 200, &r);
  expect_text (&r, "id", "v/n");
  simctl_reply_clear (&r);
  call ("GET", "/v1/models/x", NULL, 404, &r);
  expect_text (&r, "error/code", "model_not_found");
  simctl_reply_clear (&r);
  call ("DELETE", "/v1/models/v%2Fn", NULL, 404, &r);
  expect_text (&r, "error/code", "unknown_url");
  simctl_reply_clear (&r);
}
END_TEST

/* ---- files and batches -------------------------------------------------------- */

#define LINE(id) "{\"custom_id\":\"" id "\",\"body\":{}}"
#define INPUT LINE ("one") "\n\nno request\n" LINE ("two")

static void
upload (void)
{
  struct simctl_reply r;
  call_as ("sk-a", "POST", "/v1/files", FORM, FIELD ("purpose", "batch") UPLOAD (INPUT) END, 200,
           &r);
  expect_text (&r, "id", "file_00000001");
  expect_text (&r, "purpose", "batch");
  expect_text (&r, "filename", "a.wav");
  simctl_reply_clear (&r);
}

START_TEST (a_file_is_its_organizations_until_it_is_deleted)
{
  static const char *const others[][2] = {
    { "GET", "/v1/files/file_00000001" }, { "GET", "/v1/files/file_00000001/content" },
    { "DELETE", "/v1/files/file_00000001" },
  };
  struct simctl_reply r;
  upload ();
  call ("GET", "/v1/files/file_00000001/content", NULL, 200, &r);
  ck_assert_str_eq (r.body, INPUT);
  simctl_reply_clear (&r);
  call ("GET", "/v1/files", NULL, 200, &r);
  expect_text (&r, "data/0/id", "file_00000001");
  simctl_reply_clear (&r);
  for (int i = 0; i < COUNT (others); i++) {
    call_as ("sk-b", others[i][0], others[i][1], "", NULL, 404, &r);
    expect_text (&r, "error/message", "No such File object: file_00000001");
    simctl_reply_clear (&r);
  }
  ck_assert_uint_eq (simctl_count (sim, "b", "not_found"), 3);
  call ("DELETE", "/v1/files/file_00000001", NULL, 200, &r);
  expect_text (&r, "deleted", "true");
  simctl_reply_clear (&r);
  call ("GET", "/v1/files/file_00000001", NULL, 404, &r);
  simctl_reply_clear (&r);
  call_as ("sk-a", "POST", "/v1/files", FORM, UPLOAD ("x") END, 400, &r);
  expect_text (&r, "error/message", "'purpose' : property 'purpose' is missing");
  simctl_reply_clear (&r);
}
END_TEST

#define BATCH "{\"input_file_id\":\"file_00000001\",\"endpoint\":\"/v1/chat/completions\"," \
              "\"completion_window\":\"24h\"}"

START_TEST (a_batch_is_done_when_it_is_looked_at)
{
  struct simctl_reply r;
  upload ();
  call ("POST", "/v1/batches", BATCH, 200, &r);
  expect_text (&r, "id", "batch_00000002");
  expect_text (&r, "status", "validating");
  simctl_reply_clear (&r);
  for (int i = 0; i < 2; i++) {         /* looking again changes nothing */
    call ("GET", "/v1/batches/batch_00000002", NULL, 200, &r);
    expect_text (&r, "status", "completed");
    expect_text (&r, "request_counts/completed", "2");
    expect_text (&r, "output_file_id", "file_00000003");
    simctl_reply_clear (&r);
  }
  call ("GET", "/v1/files/file_00000003/content", NULL, 200, &r);
  expect_text (&r, "custom_id", "one");
  ck_assert_ptr_nonnull (strstr (r.body, "\"custom_id\":\"two\""));
  simctl_reply_clear (&r);
  call ("GET", "/v1/batches", NULL, 200, &r);
  expect_text (&r, "data/0/id", "batch_00000002");
  expect_text (&r, "data/1/id", "");
  simctl_reply_clear (&r);
}
END_TEST

START_TEST (a_batch_can_be_cancelled_and_needs_its_file)
{
  struct simctl_reply r;
  call ("POST", "/v1/batches", BATCH, 404, &r);
  simctl_reply_clear (&r);
  upload ();
  call_as ("sk-b", "POST", "/v1/batches", "application/json", BATCH, 404, &r);
  simctl_reply_clear (&r);
  call ("POST", "/v1/batches", BATCH, 200, &r);
  simctl_reply_clear (&r);
  call ("POST", "/v1/batches/batch_00000002/cancel", NULL, 200, &r);
  expect_text (&r, "status", "cancelled");
  simctl_reply_clear (&r);
  call ("GET", "/v1/batches/batch_00000002", NULL, 200, &r);
  expect_text (&r, "status", "cancelled");
  simctl_reply_clear (&r);
  call ("GET", "/v1/batches/file_00000001", NULL, 404, &r);
  simctl_reply_clear (&r);
}
END_TEST

TCase *
sim_endpoints (void)
{
  TCase *t = tcase_create ("endpoints");
  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, start, stop);
  tcase_add_test (t, a_completion_goes_on_from_a_prompt);
  tcase_add_test (t, embeddings_are_numbers_or_their_bytes);
  tcase_add_test (t, audio_is_heard_in_full_and_charged_by_its_length);
  tcase_add_loop_test (t, a_bad_form_is_a_clients_mistake, 0, COUNT (bad_forms));
  tcase_add_test (t, speech_is_a_wav_file);
  tcase_add_test (t, all_that_is_charged_runs_out);
  tcase_add_test (t, one_model_can_be_looked_at);
  tcase_add_test (t, a_file_is_its_organizations_until_it_is_deleted);
  tcase_add_test (t, a_batch_is_done_when_it_is_looked_at);
  tcase_add_test (t, a_batch_can_be_cancelled_and_needs_its_file);
  return t;
}

/* The host's side of KW_EXT_TRANSLATE, with a plugin that is right and with
 * ones that are wrong in one way each.  Streams are in test_translate_stream.c. */
#include <pthread.h>

#include "instkit.h"
#include "translate.h"

#define N(a) ((int) (sizeof (a) / sizeof (a)[0]))

static void
begin (const char *name, const char *how)
{
  start (name);
  set ("how", how);
  ck_assert_msg (kwi_instance_prepare (in, &call, &r, &err) == 0, "%s: %s", how,
                 err.message);
}

/* ---- The mark, the note, the table -------------------------------------------------- */

static const struct { const char *how; int translated; size_t note; int has_note; } marks[] = {
  { "", 1, 1, 1 },              /* the model: "m" */
  { "native", 0, 0, 0 },
  { "no-note", 1, 0, 0 },
  { "empty-note", 1, 0, 1 },
  { "longest-note", 1, KW_TRANSLATE_NOTE_MAX, 1 },
  { "twice", 1, 1, 1 },
  { "longer", 1, 1, 1 },        /* a newer plugin's table */
};

START_TEST (a_request_is_marked_with_a_note_of_the_plugins_own)
{
  begin ("translate", marks[_i].how);
  ck_assert_msg (r.translated == marks[_i].translated
                 && r.note_len == marks[_i].note
                 && (r.note != NULL) == marks[_i].has_note,
                 "\"%s\": %d, %zu bytes", marks[_i].how, r.translated, r.note_len);
  if (marks[_i].note == 1)
    ck_assert (memcmp (r.note, "m", 1) == 0);
  /* The mark is the request's: the next is without. */
  set ("how", "native");
  ck_assert_int_eq (kwi_instance_prepare (in, &call, &r, &err), 0);
  ck_assert_int_eq (r.translated, 0);
  ck_assert_ptr_null (r.note);
}
END_TEST

static const struct { const char *plugin, *how, *words; } refused[] = {
  { "translate", "long-note", "a note of 4097 bytes; at most 4096" },
  { "translate", "endless-note", "a note of 18446744073709551615 bytes" },
  { "translate", "half-a-note", "a length without a note" },
  { "translate", "deaf", "a note of 4097 bytes" },
  { "translate", "no-table", "offers no table keywheel.translate/1" },
  { "translate-nowhere", "", "offers no table keywheel.translate/1" },
  { "translate-empty", "", "its table keywheel.translate/1 has 0 bytes" },
  { "translate-short", "", "its table keywheel.translate/1 has " },
  { "translate-no-reply", "", "its table keywheel.translate/1 has no reply" },
  { "translate-no-begin", "", "its table keywheel.translate/1 has no stream_begin" },
  { "translate-no-event", "", "its table keywheel.translate/1 has no stream_event" },
  { "translate-no-end", "", "its table keywheel.translate/1 has no stream_end" },
};

START_TEST (what_could_not_be_translated_is_not_sent)
{
  int rc;

  start (refused[_i].plugin);
  set ("how", refused[_i].how);
  rc = kwi_instance_prepare (in, &call, &r, &err);
  ck_assert_msg (rc == KW_ERR_REFUSED && is_said ("plugin \"toy\"")
                 && is_said (refused[_i].words), "%s \"%s\": %d %s",
                 refused[_i].plugin, refused[_i].how, rc, err.message);
  ck_assert_int_eq (r.translated, 0);
  /* Who does not ask for it needs no table. */
  set ("how", "native");
  ck_assert_msg (kwi_instance_prepare (in, &call, &r, &err) == 0, "%s", err.message);
}
END_TEST

START_TEST (a_probes_answer_is_not_translated)
{
  start ("translate");
  ck_assert_int_eq (kwi_instance_build_probe (in, &call, &r, &err), KW_ERR_REFUSED);
  ck_assert_msg (is_said ("a probe's"), "%s", err.message);
  set ("how", "native");
  ck_assert_int_eq (kwi_instance_build_probe (in, &call, &r, &err), 0);
}
END_TEST

/* ---- Whole answers ------------------------------------------------------------------- */

static void
whole (const char *text)
{
  answer (200, text);
  ck_assert_int_eq (kwi_answer_add_header (&a, "Content-Type", 12, "text/toy", 8), 0);
  ck_assert_int_eq (kwi_answer_add_header (&a, "X-Id", 4, "id-7", 4), 0);
}

static const struct { const char *how, *body; } wholes[] = {
  { "", "{\"id\":\"id-7\",\"model\":\"m\",\"note\":\"given\",\"choices\":[{\"index\":0,"
        "\"message\":{\"role\":\"assistant\",\"content\":\"hi\"},"
        "\"finish_reason\":\"stop\"}]}" },
  { "no-note", "{\"id\":\"id-7\",\"model\":\"\",\"note\":\"none\",\"choices\":[{\"index\":0,"
               "\"message\":{\"role\":\"assistant\",\"content\":\"hi\"},"
               "\"finish_reason\":\"stop\"}]}" },
  { "empty-note", "{\"id\":\"id-7\",\"model\":\"\",\"note\":\"empty\",\"choices\":[{\"index\":0,"
                  "\"message\":{\"role\":\"assistant\",\"content\":\"hi\"},"
                  "\"finish_reason\":\"stop\"}]}" },
};

START_TEST (a_whole_answer_becomes_what_the_plugin_outputs)
{
  char buf[16];

  begin ("translate", wholes[_i].how);
  whole ("{\"text\":\"hi\",\"in\":1,\"out\":2}");
  classify ();
  ck_assert_int_eq (j.input_tokens, 1);
  ck_assert_int_eq (kwi_translate_reply (in, &r, &a, 1024), 0);
  ck_assert_str_eq (a.body, wholes[_i].body);
  ck_assert_uint_eq (a.body_len, strlen (wholes[_i].body));
  ck_assert_str_eq (kwi_answer_header (&a, "content-type"), "application/json");
  ck_assert_int_eq (kwi_answer_json_text (&a, "/text", buf, sizeof buf),
                    KW_ERR_NOTFOUND);
  ck_assert_int_eq (kwi_answer_json_text (&a, "/choices/0/message/content", buf,
                                          sizeof buf), KW_OK);
  ck_assert_str_eq (buf, "hi");
  ck_assert_str_eq (a.net_text, "");
  ck_assert_str_eq (logged, "");
}
END_TEST

static const struct { const char *how, *body, *words; int too_large; } not_replies[] = {
  { "", "{\"txet\":\"hi\"}", "there is no text in it", 0 },
  { "fails", "{\"text\":\"hi\"}", "there is no text in it", 0 },
  { "fails-at-the-end", "{\"text\":\"hi\"}", "something was not found", 0 },
  { "nothing", "{\"text\":\"hi\"}", "it output nothing", 0 },
  { "no-json", "{\"text\":\"hi\"}", "what it output is no JSON", 0 },
  { "much", "{\"text\":\"hi\"}", "it output more than max_response", 1 },
};

START_TEST (an_answer_that_cannot_be_translated_says_why)
{
  begin ("translate", not_replies[_i].how);
  whole (not_replies[_i].body);
  ck_assert_int_ne (kwi_translate_reply (in, &r, &a, 10240), 0);
  ck_assert_msg (strstr (a.net_text, "plugin \"toy\" cannot translate the answer: ")
                   == a.net_text
                 && strstr (a.net_text, not_replies[_i].words) != NULL, "%s: %s",
                 not_replies[_i].how, a.net_text);
  ck_assert_int_eq (a.too_large, not_replies[_i].too_large);
  ck_assert_msg (strncmp (logged, "1:", 2) == 0
                 && strstr (logged, a.net_text) != NULL, "%s", logged);
}
END_TEST

START_TEST (a_reply_is_bounded_to_the_byte)
{
  size_t len = strlen (wholes[0].body);

  begin ("translate", "");
  whole ("{\"text\":\"hi\"}");
  ck_assert_int_eq (kwi_translate_reply (in, &r, &a, (int64_t) len), 0);
  whole ("{\"text\":\"hi\"}");
  ck_assert_int_ne (kwi_translate_reply (in, &r, &a, (int64_t) len - 1), 0);
  ck_assert_int_eq (a.too_large, 1);
}
END_TEST

/* With KW_DEBUG it ends the program, so that whoever writes a plugin sees it. */
static const char *const misused[] = { "misuses", "late", "bucket" };

START_TEST (a_service_at_the_wrong_moment_is_refused)
{
  struct kw_translation t = { .max = 1024 };

  begin ("translate", misused[_i]);
  whole ("{\"text\":\"hi\"}");
  ck_assert_int_eq (kwi_translate_reply (in, &r, &a, 1024), 0);
  classify ();
  if (strcmp (misused[_i], "misuses") == 0)
    ck_assert_str_eq (j.reason, "refused");
  ck_assert_int_eq (kwi_translate_event (in, &r, &a, &t, "word", "a", 1), 0);
  kwi_translate_end (in, &t);
  ck_assert_ptr_null (kwi_translate_next (&t, NULL));
  kwi_translate_clear (in, &t);
}
END_TEST

/* ---- Threads ------------------------------------------------------------------------- */

enum { ROUNDS = 50 };

static int
is_own_reply (const struct kw_request *mine, const char *model)
{
  static const char toy[] = "{\"text\":\"hi\"}";
  struct kwi_answer own;
  int ok;

  memset (&own, 0, sizeof own);
  own.status = 200;
  ok = kwi_answer_add_body (&own, toy, sizeof toy - 1) == 0
       && kwi_translate_reply (in, mine, &own, 1024) == 0
       && strstr (own.body, model) != NULL;
  kwi_answer_clear (&own);
  return ok;
}

static int
is_own_stream (const struct kw_request *mine)
{
  static const char chunk[] = "data: {\"choices\":[{\"index\":0,\"delta\":{"
    "\"content\":\"a\"},\"finish_reason\":null}],\"usage\":null}\n\n";
  struct kw_translation t = { .max = 1024 };
  struct kwi_answer own;
  const char *event;
  int ok;

  memset (&own, 0, sizeof own);
  ok = kwi_translate_event (in, mine, &own, &t, "twice", "a", 1) == 0
       && (event = kwi_translate_next (&t, NULL)) != NULL
       && strcmp (event, chunk) == 0
       && (event = kwi_translate_next (&t, event)) != NULL
       && strcmp (event, chunk) == 0
       && kwi_translate_next (&t, event) == NULL
       && kwi_translate_event (in, mine, &own, &t, "quiet", "a", 1) == 0
       && kwi_translate_next (&t, NULL) == NULL;
  kwi_translate_clear (in, &t);
  return ok;
}

/* Each thread's answers have its own model in them; NULL if they had. */
static void *
translate_own (void *model)
{
  struct kw_call mine = call;
  struct kw_request request;
  int ok = 1;

  memset (&request, 0, sizeof request);
  mine.model = model;
  for (int i = 0; i < ROUNDS && ok; i++)
    ok = kwi_instance_prepare (in, &mine, &request, NULL) == 0
         && is_own_reply (&request, model) && is_own_stream (&request);
  kwi_request_clear (&request);
  return ok ? NULL : model;
}

static void
no_log (void *user, uint32_t level, const char *msg)
{
  (void) user, (void) level, (void) msg;
}

START_TEST (translations_of_many_threads_do_not_mix)
{
  static const char *const plugins[] = { "translate", "translate-parallel" };
  static const struct kwi_instance_hooks quiet = { &test_clock, no_log, NULL };
  static char models[4][16] = { "model-0", "model-1", "model-2", "model-3" };
  pthread_t threads[4];
  void *wrong;

  load (plugins[_i]);
  ck_assert_int_eq (kwi_instance_new (plugin, "test", &quiet, &in, &err), 0);
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq (pthread_create (&threads[i], NULL, translate_own, models[i]), 0);
  for (int i = 0; i < 4; i++) {
    ck_assert_int_eq (pthread_join (threads[i], &wrong), 0);
    ck_assert_msg (wrong == NULL, "thread %d", i);
  }
}
END_TEST

static Suite *
make_suite (void)
{
  Suite *all = suite_create ("translate");
  TCase *t = tcase_create ("translate");

  tcase_add_checked_fixture (t, fresh, clear);
  tcase_set_timeout (t, 60);
  tcase_add_loop_test (t, a_request_is_marked_with_a_note_of_the_plugins_own, 0, N (marks));
  tcase_add_loop_test (t, what_could_not_be_translated_is_not_sent, 0, N (refused));
  tcase_add_test (t, a_probes_answer_is_not_translated);
  tcase_add_loop_test (t, a_whole_answer_becomes_what_the_plugin_outputs, 0, N (wholes));
  tcase_add_loop_test (t, an_answer_that_cannot_be_translated_says_why, 0, N (not_replies));
  tcase_add_test (t, a_reply_is_bounded_to_the_byte);
#ifdef KW_DEBUG
  if (kwtest_forks ())
    tcase_add_loop_test_raise_signal (t, a_service_at_the_wrong_moment_is_refused, 6,
                                      0, N (misused));
#else
  tcase_add_loop_test (t, a_service_at_the_wrong_moment_is_refused, 0, N (misused));
#endif
  tcase_add_loop_test (t, translations_of_many_threads_do_not_mix, 0, 2);
  suite_add_tcase (all, t);
  return all;
}

KW_MAIN (make_suite)

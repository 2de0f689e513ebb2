/* Streams that a plugin translates, event by event: what comes out goes the way
 * of a native stream, and what goes wrong ends it. */
#include "got.h"
#include "instkit.h"
#include "stream.h"

#define N(a) ((int) (sizeof (a) / sizeof (a)[0]))

static struct kwi_stream s;
static struct kwi_judgement judged;

static void
stream (const char *how, struct got *g, int with_data)
{
  start ("translate");
  set ("how", how);
  ck_assert_msg (kwi_instance_prepare (in, &call, &r, &err) == 0, "%s: %s", how,
                 err.message);
  answer (200, "");
  ck_assert_int_eq (kwi_answer_add_header (&a, "content-type", 12,
                                           "text/event-stream", 17), 0);
  memset (&s, 0, sizeof s);
  s.instance = in;
  s.request = &r;
  s.judgement = &judged;
  s.max_response = 4096;
  s.on_data = g != NULL && with_data ? on_data : NULL;
  s.on_text = g != NULL ? on_text : NULL;
  s.user = g;
  kwi_stream_reset (&s);
}

/* So many bytes at a time; 0: all at once. */
static int
feed (const char *text, size_t step)
{
  size_t len = strlen (text), i, n, used;

  for (i = 0; i < len; i += n) {
    n = step != 0 && step < len - i ? step : len - i;
    if (kwi_stream_sink (&s, &a, text + i, n, &used) != 0)
      return 1;
  }
  return 0;
}

static int
logged_times (const char *line)
{
  const char *p = logged;
  int n = 0;

  for (; (p = strstr (p, line)) != NULL; p++)
    n++;
  return n;
}

/* Exactly one end to each beginning. */
static void
end_stream (int begun)
{
  kwi_stream_clear (&s);
  kwi_stream_clear (&s);
  ck_assert_msg (logged_times ("begins for m") == begun
                 && logged_times ("ends for m") == begun, "%s", logged);
}

static void
again (void)
{
  clear ();
  fresh ();
  memset (logged, 0, sizeof logged);
}

#define E(name, data) "event: " name "\ndata: " data "\n\n"
#define CHUNK(key, value) "data: {\"choices\":[{\"index\":0,\"delta\":{\"" key "\":\"" \
  value "\"},\"finish_reason\":null}],\"usage\":null}\n\n"
#define HELLO CHUNK ("role", "assistant")
#define WORD(text) CHUNK ("content", text)
#define STOP "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" \
  "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n"
#define DONE "data: [DONE]\n\n"

static const struct { const char *events, *out, *text; int ended; } streams[] = {
  { E ("hello", "x") E ("word", "a") E ("quiet", "x") E ("twice", "b") E ("end", "x"),
    HELLO WORD ("a") WORD ("b") WORD ("b") STOP DONE, "abb", 1 },
  /* Without the provider's own end the plugin says none, either. */
  { E ("hello", "x") E ("word", "a"), HELLO WORD ("a"), "a", 0 },
  { "data: no name\n\n" E ("word", "a") ": a comment\n\n" E ("end", "x"),
    WORD ("a") STOP DONE, "a", 1 },
  /* Nothing behind "[DONE]", from the same event or from later ones. */
  { E ("word", "a") E ("done", "x") E ("word", "b") E ("fail", "x"),
    WORD ("a") DONE, "a", 1 },
  /* An event of several lines stays one. */
  { E ("broken-lines", "x") E ("end", "x"),
    "data: {\"choices\":[  {\"delta\": {\"content\":\"lines\"}}]} \n\n" STOP DONE,
    "lines", 1 },
  /* Mentions an error, and is none. */
  { E ("word", "a") E ("quiet", "{\"error\":{\"code\":\"fine\"}}") E ("end", "x"),
    WORD ("a") STOP DONE, "a", 1 },
};

START_TEST (what_the_plugin_outputs_goes_the_way_of_a_native_stream)
{
  for (size_t step = 0; step < 3; step++) {
    struct got g = { .texts = 0 };
    stream ("", &g, 1);
    ck_assert_msg (feed (streams[_i].events, step) == 0, "%s", a.net_text);
    kwi_stream_finish (&s);
    ck_assert_int_eq (kwi_stream_end (&s), 0);
    ck_assert_msg (strcmp (g.data, streams[_i].out) == 0, "%s\ngave\n%s",
                   streams[_i].events, g.data);
    ck_assert_msg (strcmp (g.text, streams[_i].text) == 0, "%s\ngave \"%s\"",
                   streams[_i].events, g.text);
    ck_assert_int_eq (s.ended, streams[_i].ended);
    ck_assert_int_eq (s.failed + s.untranslated + s.stopped, 0);
    if (strstr (streams[_i].out, "prompt_tokens") != NULL) {
      ck_assert_int_eq (s.input_tokens, 3);
      ck_assert_int_eq (s.output_tokens, 4);
    }
    ck_assert_uint_eq (a.body_len, 0);
    end_stream (1);
    /* Usage is the chunk's own: classify does not know such a thing. */
    ck_assert_int_eq (logged_times ("judges an event"),
                      strstr (streams[_i].events, "error") != NULL);
    again ();
  }
}
END_TEST

START_TEST (a_translated_stream_that_nobody_takes_is_the_answers_body)
{
  for (int text = 0; text < 2; text++) {
    struct got g = { .texts = 0 };
    stream ("", text ? &g : NULL, 0);
    ck_assert_int_eq (feed (streams[0].events, 1), 0);
    kwi_stream_finish (&s);
    ck_assert_int_eq (kwi_stream_end (&s), 0);
    ck_assert_str_eq (a.body_len > 0 ? a.body : "", text ? "" : streams[0].out);
    ck_assert_str_eq (g.text, text ? streams[0].text : "");
    ck_assert_str_eq (kwi_answer_header (&a, "content-type"), "text/event-stream");
    end_stream (1);
    again ();
  }
}
END_TEST

START_TEST (the_role_is_held_until_there_is_content)
{
  struct got g = { .texts = 0 };

  stream ("", &g, 1);
  ck_assert_int_eq (feed (E ("hello", "x") E ("quiet", "x"), 0), 0);
  ck_assert_str_eq (g.data, "");
  ck_assert_int_eq (s.started, 0);
  ck_assert_int_eq (feed (E ("word", "a"), 0), 0);
  ck_assert_str_eq (g.data, HELLO WORD ("a"));
  ck_assert_int_eq (s.started, 1);
  ck_assert_int_eq (feed (E ("word", "b"), 0), 0);
  ck_assert_str_eq (g.data, HELLO WORD ("a") WORD ("b"));
  end_stream (1);
}
END_TEST

static const struct { const char *events; uint32_t outcome; } errors[] = {
  { E ("error", "{\"error\":{\"code\":\"day\"}}"), KW_OUTCOME_DAILY_LIMIT },
  { "data: {\"error\":{\"code\":\"day\"}}\n\n", KW_OUTCOME_DAILY_LIMIT },
  { E ("ERROR", "{\"error\":{\"code\":\"busy\"}}"), KW_OUTCOME_TRANSIENT },
};

START_TEST (an_error_is_judged_as_it_came_and_ends_the_stream)
{
  for (int before = 0; before < 2; before++) {
    struct got g = { .texts = 0 };
    stream ("", &g, 1);
    ck_assert_int_eq (feed (before ? E ("hello", "x") E ("word", "a")
                                   : E ("hello", "x"), 0), 0);
    ck_assert_int_ne (feed (errors[_i].events, 0), 0);
    ck_assert_int_eq (s.failed, 1);
    ck_assert_uint_eq (judged.outcome, errors[_i].outcome);
    ck_assert_ptr_nonnull (strstr (s.error_text, "\"code\""));
    kwi_stream_finish (&s);
    ck_assert_int_eq (logged_times ("the last event"), 0);
    ck_assert_str_eq (g.data, before ? HELLO WORD ("a") : "");
    end_stream (1);
    again ();
  }
}
END_TEST

static const struct { const char *how, *events, *words; int too_large, begun; } breaks[] = {
  { "no-begin", E ("word", "a"), "no stream today", 0, 0 },
  { "", E ("fail", "x"), "no event like it", 0, 1 },
  { "", E ("hello", "x") E ("empty", "x"), "an empty event, or one with a NUL", 0, 1 },
  { "", E ("hello", "x") E ("nul", "x"), "an empty event, or one with a NUL", 0, 1 },
  { "", E ("hello", "x") E ("much", "x"), "more than max_response", 1, 1 },
};

START_TEST (an_event_that_cannot_be_translated_ends_the_stream)
{
  struct got g = { .texts = 0 };

  stream (breaks[_i].how, &g, 1);
  ck_assert_int_ne (feed (breaks[_i].events, 0), 0);
  ck_assert_int_eq (s.untranslated, 1);
  ck_assert_int_eq (s.started, 0);
  ck_assert_int_eq (a.too_large, breaks[_i].too_large);
  ck_assert_msg (strstr (a.net_text, breaks[_i].words) != NULL, "%s: %s",
                 breaks[_i].events, a.net_text);
  kwi_stream_finish (&s);
  ck_assert_int_eq (logged_times ("the last event"), 0);
  /* Of an event that failed nothing is handed on. */
  ck_assert_str_eq (g.data, "");
  ck_assert_str_eq (g.text, "");
  end_stream (breaks[_i].begun);
}
END_TEST

START_TEST (the_last_call_may_end_the_chat_or_fail)
{
  struct got g = { .texts = 0 };

  stream ("ends-last", &g, 1);
  ck_assert_int_eq (feed (E ("word", "a"), 0), 0);
  ck_assert_int_eq (s.ended, 0);
  kwi_stream_finish (&s);
  ck_assert_int_eq (s.ended, 1);
  ck_assert_int_eq (s.output_tokens, 4);
  ck_assert_str_eq (g.data, WORD ("a") STOP DONE);
  set ("how", "fails-last");
  kwi_stream_reset (&s);
  ck_assert_int_eq (feed (E ("word", "a"), 0), 0);
  kwi_stream_finish (&s);
  ck_assert_int_eq (s.untranslated, 1);
  ck_assert_msg (strstr (a.net_text, "the end is missing") != NULL, "%s", a.net_text);
  end_stream (2);
}
END_TEST

START_TEST (a_stream_is_ended_and_begun_anew_by_a_reset)
{
  struct got g = { .texts = 0 };

  stream ("", &g, 1);
  kwi_stream_finish (&s);       /* nothing has begun */
  kwi_stream_reset (&s);
  ck_assert_int_eq (logged_times ("begins"), 0);
  ck_assert_int_eq (feed (E ("hello", "x") "event: word\ndata: half of an", 0), 0);
  kwi_stream_reset (&s);
  ck_assert_int_eq (logged_times ("ends for m"), 1);
  kwi_stream_reset (&s);
  ck_assert_int_eq (logged_times ("ends for m"), 1);
  ck_assert_int_eq (feed (E ("word", "a") E ("done", "x"), 0), 0);
  kwi_stream_finish (&s);       /* all has been said */
  ck_assert_int_eq (logged_times ("the last event"), 0);
  ck_assert_str_eq (g.data, WORD ("a") DONE);
  kwi_stream_reset (&s);        /* and "[DONE]" is forgotten */
  ck_assert_int_eq (feed (E ("word", "b"), 0), 0);
  ck_assert_str_eq (g.data, WORD ("a") DONE WORD ("b"));
  end_stream (3);
}
END_TEST

START_TEST (a_caller_who_stops_gets_no_more)
{
  struct got g = { .stop_after = 2 };

  stream ("", &g, 1);
  ck_assert_int_ne (feed (E ("word", "a") E ("twice", "b"), 0), 0);
  ck_assert_int_eq (s.stopped, 1);
  ck_assert_str_eq (g.text, "ab");
  kwi_stream_finish (&s);
  ck_assert_int_eq (logged_times ("the last event"), 0);
  end_stream (1);
}
END_TEST

START_TEST (what_is_held_of_a_translation_is_bounded)
{
  struct got g = { .texts = 0 };
  int i;

  stream ("", &g, 1);
  for (i = 0; i < 100 && feed (E ("hello", "x"), 0) == 0; i++)
    ;
  ck_assert_int_eq (i, (int) (4096 / (sizeof HELLO - 1)));
  ck_assert_int_eq (a.too_large, 1);
  ck_assert_int_eq (s.untranslated, 0);
  end_stream (1);
}
END_TEST

static Suite *
make_suite (void)
{
  Suite *all = suite_create ("translate_stream");
  TCase *t = tcase_create ("translate_stream");

  tcase_add_checked_fixture (t, fresh, clear);
  tcase_add_loop_test (t, what_the_plugin_outputs_goes_the_way_of_a_native_stream, 0,
                       N (streams));
  tcase_add_test (t, a_translated_stream_that_nobody_takes_is_the_answers_body);
  tcase_add_test (t, the_role_is_held_until_there_is_content);
  tcase_add_loop_test (t, an_error_is_judged_as_it_came_and_ends_the_stream, 0, N (errors));
  tcase_add_loop_test (t, an_event_that_cannot_be_translated_ends_the_stream, 0, N (breaks));
  tcase_add_test (t, the_last_call_may_end_the_chat_or_fail);
  tcase_add_test (t, a_stream_is_ended_and_begun_anew_by_a_reset);
  tcase_add_test (t, a_caller_who_stops_gets_no_more);
  tcase_add_test (t, what_is_held_of_a_translation_is_bounded);
  suite_add_tcase (all, t);
  return all;
}

KW_MAIN (make_suite)

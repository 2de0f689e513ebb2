/* test_stream - an event stream fed piece by piece: its end, its usage, its
 * choices, its bounds. */
#include "clientkit.h"
#include "got.h"
#include "stream.h"

/* ---- Events of the test's own -------------------------------------------------- */

static struct kwi_stream s;
static struct kwi_answer answer;
static struct kwi_judgement judged;

static void
begin (struct got *g)
{
  kit_keys ("sk-a", NULL);
  kit_open ("");
  memset (&s, 0, sizeof s);
  memset (&answer, 0, sizeof answer);
  answer.status = 200;
  ck_assert_int_eq (kwi_answer_add_header (&answer, "content-type", 12,
                                           "text/event-stream", 17), 0);
  s.instance = kit.client->providers[0]->instance;
  s.judgement = &judged;
  s.max_response = 1 << 20;
  if (g != NULL) {
    s.on_data = on_data;
    s.user = g;
  }
  kwi_stream_reset (&s);
}

static int
feed (const char *text)
{
  size_t used;

  return kwi_stream_sink (&s, &answer, text, strlen (text), &used);
}

static void
end (void)
{
  kwi_stream_clear (&s);
  kwi_answer_clear (&answer);
}

#define CHOICE(rest) "data: {\"object\":\"chat.completion.chunk\",\"choices\":[" rest "]}\n\n"
#define SAYS(text) CHOICE ("{\"delta\":{\"content\":\"" text "\"},\"finish_reason\":null}")

static const struct { const char *events; int ended; } ends[] = {
  { SAYS ("a") SAYS ("b"), 0 },
  { SAYS ("a") SAYS ("b") "data: [DONE]\n\n", 1 },
  { SAYS ("a") CHOICE ("{\"delta\":{},\"finish_reason\":\"stop\"}"), 1 },
  { SAYS ("a") CHOICE ("{\"index\":1,\"delta\":{},\"finish_reason\": \"length\"}"), 1 },
  { CHOICE ("{\"delta\":{\"role\":\"assistant\"}}"), 0 },
  { CHOICE ("{\"delta\":{},\"finish_reason\" : null}"), 0 },
  /* What a model writes is no end. */
  { SAYS ("[DONE]") SAYS ("\\\"finish_reason\\\":\\\"stop\\\""), 0 },
  { SAYS ("a") "data: [DONE", 0 },
  { "event: response.created\ndata: {\"type\":\"response.created\"}\n\n"
    "data: {\"type\":\"response.output_text.delta\",\"delta\":\"choices\"}\n\n"
    "data: {\"type\":\"response.completed\"}\n\n", 1 },
};

START_TEST (a_chat_that_does_not_say_that_it_ends_has_not_ended)
{
  int with_text;

  for (with_text = 0; with_text < 2; with_text++) {
    struct got g = { .texts = 0 };
    begin (&g);
    s.on_text = with_text ? on_text : NULL;
    ck_assert_int_eq (feed (ends[_i].events), 0);
    ck_assert_msg (s.ended == ends[_i].ended, "%s: %d (on_text %d)",
                   ends[_i].events, s.ended, with_text);
    kwi_stream_reset (&s);
    ck_assert_int_eq (s.is_chat, 0);
    end ();
    kw_client_close (kit.client);
    kit.client = NULL;
  }
}
END_TEST

START_TEST (usage_is_found_where_the_plugin_or_the_standard_puts_it)
{
  struct got g = { .texts = 0 };

  begin (&g);
  ck_assert_int_eq (feed (SAYS ("a")), 0);
  ck_assert_int_eq (s.output_tokens, -1);
  ck_assert_int_eq (feed ("data: {\"object\":\"chat.completion.chunk\",\"choices\":[],"
                          "\"x_groq\":{\"usage\":{\"prompt_tokens\":3,"
                          "\"completion_tokens\":4}}}\n\n"), 0);
  ck_assert_int_eq (s.input_tokens, 3);
  ck_assert_int_eq (s.output_tokens, 4);
  ck_assert_int_eq (feed ("data: {\"choices\":[],\"usage\": null}\n\n"), 0);
  ck_assert_int_eq (s.input_tokens, 3);
  /* Not one that the plugin knows as its own: the standard's place then; and
   * that it does not know it ends no stream. */
  ck_assert_int_eq (feed ("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,"
                          "\"completion_tokens\":6}}\n\n"), 0);
  ck_assert_int_eq (s.input_tokens, 5);
  ck_assert_int_eq (s.output_tokens, 6);
  ck_assert_int_eq (s.failed, 0);
  end ();
}
END_TEST

START_TEST (choices_beside_the_first_are_not_mixed_into_its_text)
{
  struct got g = { .texts = 0 };

  begin (&g);
  s.on_text = on_text;
  ck_assert_int_eq (feed (CHOICE ("{\"index\":0,\"delta\":{\"content\":\"a\"}}")
                          CHOICE ("{\"index\":1,\"delta\":{\"content\":\"X\"}}")
                          CHOICE ("{\"index\":1,\"delta\":{\"content\":\"Y\"}},"
                                  "{\"index\":0,\"delta\":{\"content\":\"b\"}}")
                          SAYS ("c")), 0);
  ck_assert_str_eq (g.text, "abc");
  ck_assert_ptr_nonnull (strstr (g.data, "\"X\""));
  end ();
}
END_TEST

START_TEST (max_response_bounds_what_is_held_and_each_event)
{
  struct got g = { .texts = 0 };
  size_t len = 5 << 20, i;
  char *big = malloc (len + 16);

  ck_assert_ptr_nonnull (big);
  memset (big, 'x', len);
  memcpy (big, "data: ", 6);
  memcpy (big + len, "\n\n", 3);
  begin (&g);
  s.max_response = 12 << 20;
  for (i = 0; i < 2; i++)       /* held: there is no content in it */
    ck_assert_int_eq (feed (big), 0);
  ck_assert_int_eq (answer.too_large, 0);
  ck_assert_int_ne (feed (big), 0);
  ck_assert_int_eq (answer.too_large, 1);

  kwi_stream_reset (&s);
  answer.too_large = 0;
  s.max_response = 4 << 20;
  s.on_data = NULL;             /* it would not take as much */
  s.on_text = on_text;
  ck_assert_int_eq (feed (SAYS ("a")), 0);
  ck_assert_int_eq (s.started, 1);
  ck_assert_int_ne (feed (big), 0);
  ck_assert_int_eq (answer.too_large, 1);
  end ();
  free (big);
}
END_TEST

#define N(a) ((int) (sizeof (a) / sizeof (a)[0]))

static Suite *
suite (void)
{
  Suite *all = suite_create ("stream");
  TCase *tc = tcase_create ("stream");

  tcase_add_checked_fixture (tc, kit_setup, kit_teardown);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, a_chat_that_does_not_say_that_it_ends_has_not_ended, 0,
                       N (ends));
  tcase_add_test (tc, usage_is_found_where_the_plugin_or_the_standard_puts_it);
  tcase_add_test (tc, choices_beside_the_first_are_not_mixed_into_its_text);
  tcase_add_test (tc, max_response_bounds_what_is_held_and_each_event);
  suite_add_tcase (all, tc);
  return all;
}

KW_MAIN (suite)

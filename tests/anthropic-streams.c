/* anthropic-streams - event streams of the Messages API, and the chunks that the
 * plugin makes of them.  A part of test_anthropic. */
#include "anthropictest.h"
#include "providerkit.h"

static void
setup (void)
{
  kit_load ("anthropic");
}

#define START \
  "message_start {'type':'message_start','message':{'id':'msg_1','type':'message','role':" \
  "'assistant','content':[],'model':'claude-x','stop_reason':null,'usage':{'input_tokens':25," \
  "'cache_read_input_tokens':100,'output_tokens':1}}}"
#define BLOCK(block) \
  "content_block_start {'type':'content_block_start','index':0,'content_block':{" block "}}"
#define DELTA(type, member, text) \
  "content_block_delta {'type':'content_block_delta','index':0,'delta':{'type':'" type \
  "','" member "':'" text "'}}"
#define TEXT_DELTA(text) DELTA ("text_delta", "text", text)
#define ARGUMENTS(text) DELTA ("input_json_delta", "partial_json", text)
#define STOP_BLOCK "content_block_stop {'type':'content_block_stop','index':0}"
#define ENDS(reason) \
  "message_delta {'type':'message_delta','delta':{'stop_reason':'" reason "','stop_sequence':" \
  "null},'usage':{'output_tokens':15}}"
#define STOP "message_stop {'type':'message_stop'}"
#define PING "ping {'type':'ping'}"

#define HEAD "{'id':'msg_1','object':'chat.completion.chunk','created':1800000000," \
             "'model':'claude-x','choices':["
#define CHUNK(delta) HEAD "{'index':0,'delta':{" delta "},'logprobs':null,'finish_reason':null}]}"
#define FIRST CHUNK ("'role':'assistant','content':''")
#define FINISH(reason) \
  HEAD "{'index':0,'delta':{},'logprobs':null,'finish_reason':'" reason "'}]}"
#define SAYS(text) CHUNK ("'content':'" text "'")
#define CALL(index, id, name) \
  CHUNK ("'tool_calls':[{'index':" index ",'id':'" id "','type':'function','function':" \
         "{'name':'" name "','arguments':''}}]")
#define FRAGMENT(index, text) \
  CHUNK ("'tool_calls':[{'index':" index ",'function':{'arguments':'" text "'}}]")
#define DONE "[DONE]"

enum { MOST = 16 };

static const struct {
  const char *name, *note;
  const char *events[MOST], *chunks[MOST];
} cases[] = {
  { "a text", "",
    { START, BLOCK ("'type':'text','text':''"), PING, TEXT_DELTA ("Hel"), TEXT_DELTA ("lo"),
      STOP_BLOCK, ENDS ("end_turn"), STOP },
    { FIRST, SAYS ("Hel"), SAYS ("lo"), FINISH ("stop"), DONE } },
  { "usage, where it was asked for", "usage",
    { START, ENDS ("max_tokens"), STOP },
    { FIRST, FINISH ("length"), HEAD "],'usage':{'prompt_tokens':125,'completion_tokens':15,"
      "'total_tokens':140,'prompt_tokens_details':{'cached_tokens':100}}}", DONE } },
  { "usage, the totals of the end", "usage",
    { START, "message_delta {'type':'message_delta','delta':{'stop_reason':'end_turn'},"
             "'usage':{'input_tokens':30,'cache_read_input_tokens':0,'output_tokens':2,"
             "'output_tokens_details':{'thinking_tokens':1}}}", STOP },
    { FIRST, FINISH ("stop"), HEAD "],'usage':{'prompt_tokens':30,'completion_tokens':2,"
      "'total_tokens':32,'prompt_tokens_details':{'cached_tokens':0},"
      "'completion_tokens_details':{'reasoning_tokens':1}}}", DONE } },
  { "calls, their arguments in fragments", "",
    { START, BLOCK ("'type':'tool_use','id':'toolu_1','name':'get_weather','input':{}"),
      ARGUMENTS (""), ARGUMENTS ("{\\'city\\':"), ARGUMENTS (" \\'Rome\\'}"), STOP_BLOCK,
      BLOCK ("'type':'tool_use','id':'toolu_2','name':'now','input':{}"), ARGUMENTS (""),
      STOP_BLOCK, ENDS ("tool_use"), STOP },
    { FIRST, CALL ("0", "toolu_1", "get_weather"), FRAGMENT ("0", "{\\'city\\':"),
      FRAGMENT ("0", " \\'Rome\\'}"), CALL ("1", "toolu_2", "now"), FRAGMENT ("1", "{}"),
      FINISH ("tool_calls"), DONE } },
  { "a call whose arguments come at once", "",
    { START, BLOCK ("'type':'tool_use','id':'a','name':'f','input':{'x':1}"), STOP_BLOCK,
      ENDS ("tool_use"), STOP },
    { FIRST, CALL ("0", "a", "f"), FRAGMENT ("0", "{\\'x\\':1}"), FINISH ("tool_calls"),
      DONE } },
  { "thinking, and its signature", "",
    { START, BLOCK ("'type':'thinking','thinking':'','signature':''"),
      DELTA ("thinking_delta", "thinking", "H"), DELTA ("thinking_delta", "thinking", "m."),
      DELTA ("signature_delta", "signature", "c2ln"), STOP_BLOCK,
      BLOCK ("'type':'redacted_thinking','data':'eHg='"), STOP_BLOCK,
      BLOCK ("'type':'text','text':'So'"), TEXT_DELTA ("."), STOP_BLOCK, ENDS ("end_turn"),
      STOP },
    { FIRST, CHUNK ("'reasoning_content':'H'"), CHUNK ("'reasoning_content':'m.'"),
      CHUNK ("'thinking_blocks':[{'type':'thinking','thinking':'Hm.','signature':'c2ln'}]"),
      CHUNK ("'thinking_blocks':[{'type':'redacted_thinking','data':'eHg='}]"),
      SAYS ("So"), SAYS ("."), FINISH ("stop"), DONE } },
  { "thinking that is left out", "",
    { START, BLOCK ("'type':'thinking','thinking':'','signature':'c2ln'"), STOP_BLOCK, STOP },
    { FIRST, CHUNK ("'thinking_blocks':[{'type':'thinking','thinking':'','signature':"
                    "'c2ln'}]"), FINISH ("stop"), DONE } },
  { "a refusal", "",
    { START, BLOCK ("'type':'text','text':''"), TEXT_DELTA ("Well"), STOP_BLOCK,
      "message_delta {'type':'message_delta','delta':{'stop_reason':'refusal','stop_details':"
      "{'type':'refusal','category':'cyber','explanation':'Not this.'}},'usage':{}}", STOP },
    { FIRST, SAYS ("Well"), HEAD "{'index':0,'delta':{'refusal':'Not this.'},'logprobs':null,"
      "'finish_reason':'content_filter'}]}", DONE } },
  { "events without names, as proxies send them", "",
    { "- {'type':'message_start','message':{'id':'msg_1','model':'claude-x'}}",
      "- {'type':'ping'}", "- {'type':'content_block_delta','index':0,'delta':{'type':"
      "'text_delta','text':'Hi'}}", "- {'type':'message_delta','delta':{'stop_reason':"
      "'stop_sequence'}}", "- {'type':'message_stop'}" },
    { FIRST, SAYS ("Hi"), FINISH ("stop"), DONE } },
  { "events, blocks and deltas that are newer", "",
    { START, "weather_report nonsense", "message_note {'type':'message_note'}",
      BLOCK ("'type':'hologram'"), DELTA ("hologram_delta", "x", "y"), STOP_BLOCK,
      DELTA ("citations_delta", "citation", "z"), ENDS ("end_turn"), STOP },
    { FIRST, FINISH ("stop"), DONE } },
  { "nothing behind the end", "",
    { START, ENDS ("end_turn"), STOP, TEXT_DELTA ("late"), STOP, START },
    { FIRST, FINISH ("stop"), DONE } },
  { "one finish", "", { START, ENDS ("end_turn"), ENDS ("max_tokens"), STOP },
    { FIRST, FINISH ("stop"), DONE } },
  { "a stream that is cut has no end", "",
    { START, BLOCK ("'type':'text','text':''"), TEXT_DELTA ("Hel") },
    { FIRST, SAYS ("Hel") } },
  { "members of other types", "",
    { START, "content_block_start {'content_block':7}", "content_block_delta {'delta':[]}",
      DELTA ("input_json_delta", "partial_json", "{}"), "content_block_stop {}",
      "content_block_start {}", "content_block_stop {}", "content_block_stop {}",
      "content_block_delta {'delta':{'type':'thinking_delta','thinking':1}}",
      "message_delta {'delta':{'stop_reason':1},'usage':[1]}", STOP },
    { FIRST, FINISH ("stop"), DONE } },
};

START_TEST (a_stream_becomes_chunks)
{
  int rc, n = 0, same = 1;
  char *got = kit_stream (cases[_i].events, cases[_i].note, &rc), *line, *rest = got;

  ck_assert_msg (rc == KW_OK, "%s: %s", cases[_i].name, kit_in.error);
  while ((line = strsep (&rest, "\n")) != NULL && rest != NULL && n < MOST) {
    const char *want = cases[_i].chunks[n++];
    if (want == NULL || strcmp (want, DONE) == 0 || strcmp (line, DONE) == 0) {
      if (want == NULL || strcmp (line, want) != 0) {
        printf ("%s: chunk %d: %s\n", cases[_i].name, n, line);
        same = 0;
      }
    } else {
      same &= kit_equal (cases[_i].name, line, want);
    }
  }
  ck_assert_msg (same && n < MOST && cases[_i].chunks[n] == NULL, "%s: %d chunks",
                 cases[_i].name, n);
  free (got);
}
END_TEST

/* The case and event that are changed. */
static int at_case, at_event;

static void
stream_any (const char *event)
{
  const char *events[MOST];
  int rc;
  char *got;

  if (strchr (event, ' ') == NULL)
    return;                     /* no event at all, in the kit's form */
  memcpy (events, cases[at_case].events, sizeof events);
  events[at_event] = event;
  got = kit_stream (events, cases[at_case].note, &rc);
  kit_in.log[0] = '\0';
  ck_assert_msg (rc == KW_OK || kit_in.error[0] != '\0', "%s: no word", event);
  free (got);
}

START_TEST (what_is_cut_or_changed_ends_the_stream_at_worst)
{
  at_case = _i;
  for (at_event = 0; cases[_i].events[at_event] != NULL; at_event++)
    kit_mutate (cases[_i].events[at_event], stream_any);
}
END_TEST

static const char *const nonsense[][3] = {
  { TEXT_DELTA ("before the start"), NULL },
  { STOP, NULL },
  { "message_start {'type':'message_start'}", NULL },
  { "message_start {", NULL },
  { "message_start []", NULL },
  { START, "content_block_delta nonsense", NULL },
  { START, "message_stop 1", NULL },
};

START_TEST (nonsense_in_a_stream_ends_it)
{
  int rc;
  char *got = kit_stream (nonsense[_i], "", &rc);

  ck_assert_msg (rc == KW_ERR && strstr (got, DONE) == NULL
                 && strstr (kit_in.error, "is not one of Anthropic's") != NULL,
                 "%d: code %d: %s", _i, rc, kit_in.error);
  free (got);
}
END_TEST

START_TEST (streams_at_the_same_time_do_not_meet)
{
  struct kw_translation t[2] = { { .in_events = 1 }, { .in_events = 1 } };
  void *s[2];

  for (int i = 0; i < 2; i++)
    ck_assert_int_eq (kit_translate->stream_begin (kit_self, NULL, 0, &s[i]), KW_OK);
  for (int i = 0; i < 2; i++) {
    char *event = kit_text (i == 0 ? "{'message':{'id':'a','model':'m'}}"
                                   : "{'message':{'id':'b','model':'m'}}");
    ck_assert_int_eq (kit_translate->stream_event (kit_self, s[i], "message_start", event,
                                                   strlen (event), &t[i]), KW_OK);
    free (event);
  }
  ck_assert (strstr (t[0].text, "\"id\":\"a\"") != NULL);
  ck_assert (strstr (t[1].text, "\"id\":\"b\"") != NULL);
  for (int i = 0; i < 2; i++) { /* cut, and freed all the same */
    kit_translate->stream_end (kit_self, s[i]);
    free (t[i].text);
  }
}
END_TEST

void
add_stream_tests (Suite *s)
{
  TCase *tc = tcase_create ("streams");

  tcase_add_checked_fixture (tc, setup, kit_unload);
  tcase_add_loop_test (tc, a_stream_becomes_chunks, 0, N (cases));
  tcase_add_loop_test (tc, what_is_cut_or_changed_ends_the_stream_at_worst, 0, N (cases));
  tcase_add_loop_test (tc, nonsense_in_a_stream_ends_it, 0, N (nonsense));
  tcase_add_test (tc, streams_at_the_same_time_do_not_meet);
  suite_add_tcase (s, tc);
}

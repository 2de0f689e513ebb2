/* anthropic-replies - whole answers of the Messages API, and the chat.completion
 * that the plugin makes of each.  A part of test_anthropic. */
#include "anthropictest.h"
#include "providerkit.h"

static void
setup (void)
{
  kit_load ("anthropic");
}

#define COUNTS "'usage':{'input_tokens':12,'output_tokens':34}"
#define USAGE "'usage':{'prompt_tokens':12,'completion_tokens':34,'total_tokens':46}"
#define ANSWER(blocks, reason, more) \
  "{'id':'msg_1','type':'message','role':'assistant','model':'claude-x','content':[" blocks \
  "],'stop_reason':'" reason "','stop_sequence':null," more "}"
#define COMPLETION(message, finish, usage) \
  "{'id':'msg_1','object':'chat.completion','created':1800000000,'model':'claude-x'," \
  "'choices':[{'index':0,'message':{'role':'assistant'," message "},'logprobs':null," \
  "'finish_reason':'" finish "'}]," usage "}"
#define TEXT(text) "{'type':'text','text':'" text "'}"
#define HELLO "'content':'Hello','refusal':null"

static const struct {
  const char *name, *answer, *completion;
} cases[] = {
  { "a text", ANSWER (TEXT ("Hello"), "end_turn", COUNTS), COMPLETION (HELLO, "stop", USAGE) },
  { "texts in pieces",
    ANSWER (TEXT ("Hel") "," TEXT ("") "," TEXT ("lo"), "end_turn", COUNTS),
    COMPLETION (HELLO, "stop", USAGE) },
  { "nothing", ANSWER ("", "end_turn", COUNTS),
    COMPLETION ("'content':null,'refusal':null", "stop", USAGE) },

  /* Stop reasons */
#define STOP(reason, finish) \
  { reason, ANSWER (TEXT ("Hello"), reason, COUNTS), COMPLETION (HELLO, finish, USAGE) }
  STOP ("stop_sequence", "stop"), STOP ("pause_turn", "stop"), STOP ("max_tokens", "length"),
  STOP ("model_context_window_exceeded", "length"), STOP ("refusal", "content_filter"),
  STOP ("one_that_is_newer", "stop"),
  { "none", "{'id':'msg_1','type':'message','model':'claude-x','content':[" TEXT ("Hello")
            "],'stop_reason':null," COUNTS "}", COMPLETION (HELLO, "stop", USAGE) },

  /* Tools */
  { "a call behind words",
    ANSWER (TEXT ("Hello") ",{'type':'tool_use','id':'toolu_1','name':'get_weather','input':"
            "{'city':'Rome','days':[1,2.50]}}", "tool_use", COUNTS),
    COMPLETION (HELLO ",'tool_calls':[{'id':'toolu_1','type':'function','function':"
                "{'name':'get_weather','arguments':'{\\'city\\':\\'Rome\\',"
                "\\'days\\':[1,2.50]}'}}]", "tool_calls", USAGE) },
  { "two calls, one without arguments",
    ANSWER ("{'type':'tool_use','id':'a','name':'f','input':{}},"
            "{'type':'tool_use','id':'b','name':'g'}", "tool_use", COUNTS),
    COMPLETION ("'content':null,'refusal':null,'tool_calls':[{'id':'a','type':'function',"
                "'function':{'name':'f','arguments':'{}'}},{'id':'b','type':'function',"
                "'function':{'name':'g','arguments':'{}'}}]", "tool_calls", USAGE) },

  /* Refusals */
  { "a refusal that says why",
    ANSWER ("", "refusal", "'stop_details':{'type':'refusal','category':'bio','explanation':"
            "'Not this.'}," COUNTS),
    COMPLETION ("'content':null,'refusal':'Not this.'", "content_filter", USAGE) },
  { "a refusal that does not",
    ANSWER (TEXT ("Hello"), "refusal", "'stop_details':{'type':'refusal','category':null,"
            "'explanation':null}," COUNTS), COMPLETION (HELLO, "content_filter", USAGE) },

  /* Thinking */
  { "thinking, for people and to hand back",
    ANSWER ("{'type':'thinking','thinking':'Hm.','signature':'c2ln'},"
            "{'type':'redacted_thinking','data':'eHg='}," TEXT ("Hello"), "end_turn", COUNTS),
    COMPLETION (HELLO ",'reasoning_content':'Hm.','thinking_blocks':[{'type':'thinking',"
                "'thinking':'Hm.','signature':'c2ln'},{'type':'redacted_thinking',"
                "'data':'eHg='}]", "stop", USAGE) },
  { "thinking that is left out",
    ANSWER ("{'type':'thinking','thinking':'','signature':'c2ln'}," TEXT ("Hello"),
            "end_turn", COUNTS),
    COMPLETION (HELLO ",'thinking_blocks':[{'type':'thinking','thinking':'',"
                "'signature':'c2ln'}]", "stop", USAGE) },

  /* Usage */
  { "what the cache took and gave",
    ANSWER (TEXT ("Hello"), "end_turn", "'usage':{'input_tokens':10,'cache_creation_input_tokens'"
            ":200,'cache_read_input_tokens':3000,'output_tokens':5,'service_tier':'standard'}"),
    COMPLETION (HELLO, "stop", "'usage':{'prompt_tokens':3210,'completion_tokens':5,"
                "'total_tokens':3215,'prompt_tokens_details':{'cached_tokens':3000,"
                "'cache_write_tokens':200}}") },
  { "what was thought",
    ANSWER (TEXT ("Hello"), "end_turn", "'usage':{'input_tokens':1,'output_tokens':9,"
            "'output_tokens_details':{'thinking_tokens':7}}"),
    COMPLETION (HELLO, "stop", "'usage':{'prompt_tokens':1,'completion_tokens':9,"
                "'total_tokens':10,'completion_tokens_details':{'reasoning_tokens':7}}") },
  { "nonsense, and more than there is",
    ANSWER (TEXT ("Hello"), "end_turn", "'usage':{'input_tokens':-5,'output_tokens':'many',"
            "'cache_read_input_tokens':9223372036854775807}"),
    COMPLETION (HELLO, "stop", "'usage':{'prompt_tokens':92233720368547758,"
                "'completion_tokens':0,'total_tokens':92233720368547758,"
                "'prompt_tokens_details':{'cached_tokens':92233720368547758}}") },
};

START_TEST (an_answer_becomes_a_chat_completion)
{
  char *got = kit_reply (cases[_i].answer, "");

  ck_assert_msg (got != NULL, "%s: %s", cases[_i].name, kit_in.error);
  ck_assert (kit_equal (cases[_i].name, got, cases[_i].completion));
  ck_assert_str_eq (kit_in.log, "");
  free (got);
}
END_TEST

static void
reply_any (const char *answer)
{
  char *got = kit_reply (answer, "");
  struct json_object *o = got != NULL ? json_tokener_parse (got) : NULL;

  kit_in.log[0] = '\0';
  ck_assert_msg (got == NULL ? kit_in.error[0] != '\0' : o != NULL, "%s: %s", answer, got);
  json_object_put (o);
  free (got);
}

START_TEST (what_is_cut_or_changed_becomes_json_or_an_error)
{
  kit_mutate (cases[_i].answer, reply_any);
}
END_TEST

START_TEST (a_block_that_has_no_place_is_told_of)
{
  char *got = kit_reply (ANSWER ("{'type':'hologram'}," TEXT ("Hello"), "end_turn", COUNTS), "");

  ck_assert_ptr_nonnull (got);
  ck_assert (kit_equal ("a hologram", got, COMPLETION (HELLO, "stop", USAGE)));
  ck_assert_msg (strstr (kit_in.log, "\"hologram\"") != NULL, "%s", kit_in.log);
  free (got);
}
END_TEST

START_TEST (what_a_string_holds_stays)
{
  /* A NUL, a quote, a line break, and characters beyond the first plane. */
  char *got = kit_reply (ANSWER (TEXT ("a\\u0000b\\n\\uD83D\\uDE00") "," TEXT ("/\303\244"),
                                 "end_turn", COUNTS), "");

  ck_assert_ptr_nonnull (got);
  ck_assert (kit_equal ("a string", got, COMPLETION (
    "'content':'a\\u0000b\\n\\uD83D\\uDE00/\303\244','refusal':null", "stop", USAGE)));
  free (got);
}
END_TEST

static const char *const nonsense[] = {
  "", "{", "null", "[]", "'x'", "{}", "{'type':'message'}", "{'type':'message','content':'x'}",
  "{'type':'message','content':null}", "{'type':'completion','content':[]}",
  "{'object':'chat.completion','choices':[]}", "<html>", "{'type':'message','content':[]} x",
};

START_TEST (nonsense_is_no_answer)
{
  char *got = kit_reply (nonsense[_i], "");

  ck_assert_msg (got == NULL, "%s: %s", nonsense[_i], got);
  ck_assert_msg (strstr (kit_in.error, "no message of Anthropic's") != NULL, "%s: %s",
                 nonsense[_i], kit_in.error);
}
END_TEST

/* Members of other types than documented are taken for absent. */
static const char *const odd[] = {
  "{'type':'message','content':[null,1,'x',[],{}],'usage':[],'stop_reason':7,'id':{}}",
  "{'type':'message','content':[{'type':'text','text':null},{'type':'tool_use','id':1,"
  "'name':[],'input':'x'},{'type':'thinking','thinking':7}],'usage':'x','model':null}",
  "{'type':'message','content':[{'type':{}},{'type':'text','text':['x']}],'stop_details':1,"
  "'stop_reason':'refusal'}",
};

START_TEST (members_of_other_types_break_nothing)
{
  char *got = kit_reply (odd[_i], "");
  struct json_object *o = got != NULL ? json_tokener_parse (got) : NULL;

  ck_assert_msg (o != NULL, "%s: %s", odd[_i], kit_in.error);
  json_object_put (o);
  free (got);
}
END_TEST

void
add_reply_tests (Suite *s)
{
  TCase *tc = tcase_create ("replies");

  tcase_add_checked_fixture (tc, setup, kit_unload);
  tcase_add_loop_test (tc, an_answer_becomes_a_chat_completion, 0, N (cases));
  tcase_add_loop_test (tc, what_is_cut_or_changed_becomes_json_or_an_error, 0, N (cases));
  tcase_add_test (tc, a_block_that_has_no_place_is_told_of);
  tcase_add_test (tc, what_a_string_holds_stays);
  tcase_add_loop_test (tc, nonsense_is_no_answer, 0, N (nonsense));
  tcase_add_loop_test (tc, members_of_other_types_break_nothing, 0, N (odd));
  suite_add_tcase (s, tc);
}

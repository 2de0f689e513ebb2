/* anthropic-requests - Chat Completions requests, and what the plugin makes of
 * them for the Messages API.  A part of test_anthropic. */
#include "anthropictest.h"
#include "providerkit.h"

static void
setup (void)
{
  kit_load ("anthropic");
}

#define HI "{'role':'user','content':'Hi'}"
#define SAID_HI "{'role':'user','content':[{'type':'text','text':'Hi'}]}"
#define MODEL "'model':'claude-x',"
/* A request of one message and more members, and what is made of them. */
#define WITH(members) "{" MODEL "'messages':[" HI "]," members "}"
#define GIVES(members) "{" MODEL "'max_tokens':4096,'messages':[" SAID_HI "]," members "}"
#define ALONE "{" MODEL "'max_tokens':4096,'messages':[" SAID_HI "]}"
/* Messages alone. */
#define MESSAGES(list) "{" MODEL "'messages':[" list "]}"
#define NATIVE(list) "{" MODEL "'max_tokens':4096,'messages':[" list "]}"
#define WEATHER "{'type':'object','properties':{'city':{'type':'string'}},'required':['city']}"
#define TOOL "{'type':'function','function':{'name':'get_weather','description':'Where?'," \
             "'parameters':" WEATHER "}}"
#define NATIVE_TOOL "{'name':'get_weather','description':'Where?','input_schema':" WEATHER "}"
#define CALL(id, city) "{'id':'" id "','type':'function','function':{'name':'get_weather'," \
                       "'arguments':'{\\'city\\': \\'" city "\\'}'}}"
#define USE(id, city) "{'type':'tool_use','id':'" id "','name':'get_weather'," \
                      "'input':{'city':'" city "'}}"

static const struct {
  const char *name, *request, *native;
} cases[] = {
  { "a prompt", MESSAGES (HI), NATIVE (SAID_HI) },
  { "no model: the configured one", "{'messages':[" HI "]}",
    "{'model':'default-model','max_tokens':4096,'messages':[" SAID_HI "]}" },

  /* System prompts */
  { "a system prompt", MESSAGES ("{'role':'system','content':'Be brief.'}," HI),
    "{" MODEL "'max_tokens':4096,'system':[{'type':'text','text':'Be brief.'}],"
    "'messages':[" SAID_HI "]}" },
  { "system and developer, wherever they stand, in order",
    MESSAGES ("{'role':'system','content':'One.'}," HI ",{'role':'developer','content':["
              "{'type':'text','text':'Two.'},{'type':'text','text':'Three.'}]}"),
    "{" MODEL "'max_tokens':4096,'system':[{'type':'text','text':'One.'},"
    "{'type':'text','text':'Two.'},{'type':'text','text':'Three.'}],"
    "'messages':[" SAID_HI "]}" },

  /* Turns */
  { "a conversation",
    MESSAGES (HI ",{'role':'assistant','content':'Hello'},{'role':'user','content':'Bye'}"),
    NATIVE (SAID_HI ",{'role':'assistant','content':[{'type':'text','text':'Hello'}]},"
            "{'role':'user','content':[{'type':'text','text':'Bye'}]}") },
  { "one role twice is one turn",
    MESSAGES (HI ",{'role':'user','content':'there'},{'role':'assistant','content':'A'},"
              "{'role':'assistant','content':'B'}"),
    NATIVE ("{'role':'user','content':[{'type':'text','text':'Hi'},"
            "{'type':'text','text':'there'}]},{'role':'assistant','content':["
            "{'type':'text','text':'A'},{'type':'text','text':'B'}]}") },
  { "an answer handed back as it came",
    MESSAGES (HI ",{'role':'assistant','content':'Hello','refusal':null,'annotations':[],"
              "'audio':null,'function_call':null,'tool_calls':null}"),
    NATIVE (SAID_HI ",{'role':'assistant','content':[{'type':'text','text':'Hello'}]}") },
  { "a refusal is what was said",
    MESSAGES (HI ",{'role':'assistant','content':null,'refusal':'I cannot.'},"
              "{'role':'assistant','content':[{'type':'refusal','refusal':'Nor this.'}]}"),
    NATIVE (SAID_HI ",{'role':'assistant','content':[{'type':'text','text':'I cannot.'},"
            "{'type':'text','text':'Nor this.'}]}") },
  { "thinking goes before what was said, with its signature",
    MESSAGES (HI ",{'role':'assistant','content':'Hello','reasoning_content':'Hm.',"
              "'thinking_blocks':[{'type':'thinking','thinking':'Hm.','signature':'c2ln'},"
              "{'type':'redacted_thinking','data':'eHg='}]}"),
    NATIVE (SAID_HI ",{'role':'assistant','content':[{'type':'thinking','thinking':'Hm.',"
            "'signature':'c2ln'},{'type':'redacted_thinking','data':'eHg='},"
            "{'type':'text','text':'Hello'}]}") },

  /* Images and files */
  { "an image by its address, and one in the request",
    MESSAGES ("{'role':'user','content':[{'type':'text','text':'What is this?'},"
              "{'type':'image_url','image_url':{'url':'https://example.com/a.png'}},"
              "{'type':'image_url','image_url':{'url':'data:image/jpeg;base64,/9j/4AAQ',"
              "'detail':'auto'}}]}"),
    NATIVE ("{'role':'user','content':[{'type':'text','text':'What is this?'},"
            "{'type':'image','source':{'type':'url','url':'https://example.com/a.png'}},"
            "{'type':'image','source':{'type':'base64','media_type':'image/jpeg',"
            "'data':'/9j/4AAQ'}}]}") },
  { "a type of old spelling, parameters and capitals",
    MESSAGES ("{'role':'user','content':[{'type':'image_url','image_url':"
              "{'url':'DATA:image/jpg;name=a.jpg;BASE64,AAAA'}}]}"),
    NATIVE ("{'role':'user','content':[{'type':'image','source':{'type':'base64',"
            "'media_type':'image/jpeg','data':'AAAA'}}]}") },
  { "a PDF",
    MESSAGES ("{'role':'user','content':[{'type':'file','file':{'filename':'a.pdf',"
              "'file_data':'data:application/pdf;base64,JVBERi0='}}]}"),
    NATIVE ("{'role':'user','content':[{'type':'document','source':{'type':'base64',"
            "'media_type':'application/pdf','data':'JVBERi0='},'title':'a.pdf'}]}") },

  /* Tools */
  { "tools", WITH ("'tools':[" TOOL "]"), GIVES ("'tools':[" NATIVE_TOOL "]") },
  { "a tool without parameters, and one whose schema has no type",
    WITH ("'tools':[{'type':'function','function':{'name':'now'}},{'type':'function',"
          "'function':{'name':'b','parameters':{'properties':{},'default':null},"
          "'strict':false}}]"),
    GIVES ("'tools':[{'name':'now','input_schema':{'type':'object'}},{'name':'b',"
           "'input_schema':{'type':'object','properties':{},'default':null}}]") },
  { "a strict tool",
    WITH ("'tools':[{'type':'function','function':{'name':'a','parameters':" WEATHER ","
          "'strict':true}}]"),
    GIVES ("'tools':[{'name':'a','input_schema':" WEATHER ",'strict':true}]") },
#define CHOICE(said, native) \
    WITH ("'tools':[" TOOL "]," said), GIVES ("'tools':[" NATIVE_TOOL "],'tool_choice':" native)
  { "auto", CHOICE ("'tool_choice':'auto'", "{'type':'auto'}") },
  { "none", CHOICE ("'tool_choice':'none'", "{'type':'none'}") },
  { "required", CHOICE ("'tool_choice':'required'", "{'type':'any'}") },
  { "a named tool",
    CHOICE ("'tool_choice':{'type':'function','function':{'name':'get_weather'}}",
            "{'type':'tool','name':'get_weather'}") },
  { "one call at a time",
    CHOICE ("'parallel_tool_calls':false",
            "{'type':'auto','disable_parallel_tool_use':true}") },
  { "one call, and it must be",
    CHOICE ("'parallel_tool_calls':false,'tool_choice':'required'",
            "{'type':'any','disable_parallel_tool_use':true}") },
  { "no call, and that one at a time",
    CHOICE ("'parallel_tool_calls':false,'tool_choice':'none'", "{'type':'none'}") },
  { "as many calls as it likes", WITH ("'tools':[" TOOL "],'parallel_tool_calls':true"),
    GIVES ("'tools':[" NATIVE_TOOL "]") },
  { "a choice of no tools", WITH ("'tools':[],'tool_choice':'auto'"), ALONE },
  { "calls and their results are two turns",
    MESSAGES (HI ",{'role':'assistant','content':null,'tool_calls':[" CALL ("call_1", "Rome")
              "," CALL ("call_2", "Oslo") "]},"
              "{'role':'tool','tool_call_id':'call_1','content':'21 C'},"
              "{'role':'tool','tool_call_id':'call_2','name':'get_weather','content':["
              "{'type':'text','text':'3 C'}]},{'role':'user','content':'So?'}"),
    NATIVE (SAID_HI ",{'role':'assistant','content':[" USE ("call_1", "Rome") ","
            USE ("call_2", "Oslo") "]},{'role':'user','content':["
            "{'type':'tool_result','tool_use_id':'call_1','content':["
            "{'type':'text','text':'21 C'}]},{'type':'tool_result','tool_use_id':'call_2',"
            "'content':[{'type':'text','text':'3 C'}]},{'type':'text','text':'So?'}]}") },
  { "a call with words, without arguments, put together from a stream",
    MESSAGES (HI ",{'role':'assistant','content':'Let me see.','tool_calls':[{'index':0,"
              "'id':'c','type':'function','function':{'name':'now','arguments':''}}]},"
              "{'role':'tool','tool_call_id':'c','content':''}"),
    NATIVE (SAID_HI ",{'role':'assistant','content':[{'type':'text','text':'Let me see.'},"
            "{'type':'tool_use','id':'c','name':'now','input':{}}]},{'role':'user',"
            "'content':[{'type':'tool_result','tool_use_id':'c','content':[]}]}") },
  { "a result that is an image",
    MESSAGES ("{'role':'tool','tool_call_id':'c','content':[{'type':'image_url','image_url':"
              "{'url':'data:image/png;base64,AAAA'}}]}"),
    NATIVE ("{'role':'user','content':[{'type':'tool_result','tool_use_id':'c','content':["
            "{'type':'image','source':{'type':'base64','media_type':'image/png',"
            "'data':'AAAA'}}]}]}") },

  /* Settings */
  { "max_tokens", WITH ("'max_tokens':7"),
    "{" MODEL "'max_tokens':7,'messages':[" SAID_HI "]}" },
  { "max_completion_tokens", WITH ("'max_completion_tokens':8"),
    "{" MODEL "'max_tokens':8,'messages':[" SAID_HI "]}" },
  { "numbers as they were written", WITH ("'temperature':0.70,'top_p':1e-1,'top_k':40"),
    GIVES ("'temperature':0.70,'top_p':1e-1,'top_k':40") },
  { "the hottest", WITH ("'temperature':1"), GIVES ("'temperature':1") },
  { "one stop", WITH ("'stop':'END'"), GIVES ("'stop_sequences':['END']") },
  { "stops", WITH ("'stop':['a','b']"), GIVES ("'stop_sequences':['a','b']") },
  { "a stream", WITH ("'stream':true,'stream_options':{'include_usage':true}"),
    GIVES ("'stream':true") },
  { "a user", WITH ("'user':'u-1'"), GIVES ("'metadata':{'user_id':'u-1'}") },
  { "the same by its newer name", WITH ("'safety_identifier':'u-1','user':'u-1'"),
    GIVES ("'metadata':{'user_id':'u-1'}") },
  { "effort", WITH ("'reasoning_effort':'low'"), GIVES ("'output_config':{'effort':'low'}") },
  { "no effort", WITH ("'reasoning_effort':'none'"), GIVES ("'thinking':{'type':'disabled'}") },
  { "thinking, in the API's own words", WITH ("'thinking':{'type':'adaptive'}"),
    GIVES ("'thinking':{'type':'adaptive'}") },
  { "a schema", WITH ("'response_format':{'type':'json_schema','json_schema':{'name':'w',"
                      "'strict':true,'schema':" WEATHER "}},'reasoning_effort':'max'"),
    GIVES ("'output_config':{'effort':'max','format':{'type':'json_schema','schema':"
           WEATHER "}}") },

  /* What says nothing */
  { "the defaults of Chat Completions, said",
    WITH ("'n':1,'stream':false,'frequency_penalty':0,'presence_penalty':0.0,'logprobs':false,"
          "'top_logprobs':0,'logit_bias':{},'store':false,'service_tier':'auto','metadata':{},"
          "'modalities':['text'],'verbosity':'medium','response_format':{'type':'text'},"
          "'functions':[],'stop':[]"), ALONE },
  { "null is not said",
    WITH ("'temperature':null,'seed':null,'audio':null,'tools':null,'no_such_member':null,"
          "'stop':null,'response_format':null,'user':null"), ALONE },
  { "an empty text", MESSAGES ("{'role':'assistant','content':''}," HI),
    NATIVE ("{'role':'assistant','content':[]}," SAID_HI) },
};

START_TEST (a_request_is_said_in_the_messages_api)
{
  struct kw_request r;
  int rc = kit_prepare (&r, "/chat/completions", cases[_i].request);

  ck_assert_msg (rc == KW_OK, "%s: %s", cases[_i].name, kit_in.error);
  ck_assert (kit_equal (cases[_i].name, r.body, cases[_i].native));
  ck_assert_str_eq (r.url, "https://api.example.com/v1/messages");
  ck_assert_int_eq (r.translated, 1);
  kit_clear (&r);
}
END_TEST

static void
prepare_any (const char *request)
{
  struct kw_request r;

  if (kit_prepare (&r, "/chat/completions", request) != KW_OK)
    ck_assert_msg (kit_in.error[0] != '\0', "refused without a word: %s", request);
  kit_clear (&r);
}

START_TEST (what_is_cut_or_changed_is_translated_or_refused)
{
  kit_mutate (cases[_i].request, prepare_any);
}
END_TEST

START_TEST (headers_name_the_version_and_the_key_is_the_hosts)
{
  struct kw_request r;

  ck_assert_int_eq (kit_prepare (&r, "/chat/completions", WITH ("'stream':true")), KW_OK);
  ck_assert_str_eq (r.method, "POST");
  ck_assert_str_eq (r.secret, "x-api-key ");
  ck_assert_str_eq (r.headers, "anthropic-version: 2023-06-01\n"
                    "Content-Type: application/json\nAccept: text/event-stream\n");
  kit_clear (&r);
}
END_TEST

START_TEST (options_set_the_version_the_betas_and_the_tokens)
{
  struct kw_request r;

  ck_assert_int_eq (kit_plugin->config (kit_self, "anthropic_version", "2030-01-01"), KW_OK);
  ck_assert_int_eq (kit_plugin->config (kit_self, "anthropic_beta", "a-1,b-2"), KW_OK);
  ck_assert_int_eq (kit_plugin->config (kit_self, "max_tokens", "123"), KW_OK);
  ck_assert_int_eq (kit_prepare (&r, "/chat/completions", MESSAGES (HI)), KW_OK);
  ck_assert_str_eq (r.headers, "anthropic-version: 2030-01-01\nanthropic-beta: a-1,b-2\n"
                    "Content-Type: application/json\n");
  ck_assert (kit_equal ("max_tokens", r.body,
                        "{" MODEL "'max_tokens':123,'messages':[" SAID_HI "]}"));
  kit_clear (&r);

  static const char *const wrong[][2] = {
    { "max_tokens", "0" }, { "max_tokens", "-1" }, { "max_tokens", "many" },
    { "max_tokens", "12k" }, { "max_tokens", "" }, { "max_tokens", "9999999999" },
    { "anthropic_version", "" }, { "anthropic_beta", "a\r\nb: c" },
    { "anthropic_version", "2023-06-01-and-so-on-and-so-on-and" },
  };
  for (int i = 0; i < N (wrong); i++) {
    kit_in.error[0] = '\0';
    ck_assert_msg (kit_plugin->config (kit_self, wrong[i][0], wrong[i][1]) == KW_ERR_CONFIG
                   && strstr (kit_in.error, "allowed:") != NULL, "%s = %s: %s", wrong[i][0],
                   wrong[i][1], kit_in.error);
  }
  ck_assert_int_eq (kit_plugin->config (kit_self, "version", "1"), KW_ERR_NOTFOUND);
}
END_TEST

START_TEST (other_paths_go_out_as_they_are)
{
  static const char body[] = "{'model':'m','max_tokens':1,'messages':[],'anything':1}";
  struct kw_request r;

  ck_assert_int_eq (kit_prepare (&r, "/messages", body), KW_OK);
  ck_assert_str_eq (r.url, "https://api.example.com/v1/messages");
  ck_assert_int_eq (r.translated, 0);
  ck_assert (kit_equal ("/messages", r.body, body));
  kit_clear (&r);
}
END_TEST

START_TEST (a_host_without_translation_is_told_of_it)
{
  struct kw_request r;

  kit_unload ();
  kit_no_translation = 1;
  kit_load ("anthropic");
  ck_assert_int_eq (kit_prepare (&r, "/chat/completions", MESSAGES (HI)), KW_ERR_UNSUPPORTED);
  ck_assert_msg (strstr (kit_in.error, "keywheel is too old") != NULL
                 && strstr (kit_in.error, "/messages") != NULL, "%s", kit_in.error);
  kit_clear (&r);
  ck_assert_int_eq (kit_prepare (&r, "/messages", "{}"), KW_OK);
  kit_clear (&r);
}
END_TEST

START_TEST (the_plugin_says_what_it_is)
{
  ck_assert_str_eq (kit_plugin->name, "anthropic");
  ck_assert_str_eq (kit_plugin->default_base_url, "https://api.anthropic.com/v1");
  ck_assert_str_eq (kit_plugin->key_env,
                    "ANTHROPIC_API_KEY ANTHROPIC_API_KEY_BACKUP, ANTHROPIC_API_KEY_#");
  ck_assert_uint_eq (kit_plugin->thread_model, KW_THREAD_PARALLEL);
  ck_assert_uint_eq (kit_plugin->caps, 0);
  ck_assert_ptr_null (kit_plugin->get_extension (kit_self, "keywheel.other/1"));
}
END_TEST

void
add_request_tests (Suite *s)
{
  TCase *tc = tcase_create ("requests");

  tcase_add_checked_fixture (tc, setup, kit_unload);
  tcase_add_loop_test (tc, a_request_is_said_in_the_messages_api, 0, N (cases));
  tcase_add_loop_test (tc, what_is_cut_or_changed_is_translated_or_refused, 0, N (cases));
  tcase_add_test (tc, headers_name_the_version_and_the_key_is_the_hosts);
  tcase_add_test (tc, options_set_the_version_the_betas_and_the_tokens);
  tcase_add_test (tc, other_paths_go_out_as_they_are);
  tcase_add_test (tc, a_host_without_translation_is_told_of_it);
  tcase_add_test (tc, the_plugin_says_what_it_is);
  suite_add_tcase (s, tc);
}

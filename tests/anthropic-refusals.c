/* anthropic-refusals - Chat Completions requests that the Messages API cannot
 * say, or that are none: each is refused, and the text names the place.  A part
 * of test_anthropic. */
#include "anthropictest.h"
#include "providerkit.h"

static void
setup (void)
{
  kit_load ("anthropic");
}

#define HI "{'role':'user','content':'Hi'}"
#define WITH(members) "{'model':'m','messages':[" HI "]," members "}"
#define USER(parts) "{'model':'m','messages':[" HI ",{'role':'user','content':[" parts "]}]}"
#define MESSAGE(m) "{'model':'m','messages':[" m "]}"
#define TOOL(members) WITH ("'tools':[{" members "}]")
#define CALL(members) "{'model':'m','messages':[{'role':'assistant','tool_calls':[{" members "}]}]}"
#define FUNCTION "'id':'c','type':'function','function':"

static const struct {
  const char *place, *request;
  int code;                     /* 0: KW_ERR_UNSUPPORTED                    */
} refusals[] = {
  /* No counterpart */
  { "n 2", WITH ("'n':2"), 0 },
  { "n 0", WITH ("'n':0"), 0 },
  { "logprobs true", WITH ("'logprobs':true"), 0 },
  { "top_logprobs 5", WITH ("'top_logprobs':5"), 0 },
  { "logit_bias", WITH ("'logit_bias':{'50256':-100}"), 0 },
  { "presence_penalty 0.5", WITH ("'presence_penalty':0.5"), 0 },
  { "frequency_penalty -0.1", WITH ("'frequency_penalty':-0.1"), 0 },
  { "seed 0", WITH ("'seed':0"), 0 },
  { "audio", WITH ("'audio':{'voice':'alloy','format':'mp3'}"), 0 },
  { "modalities", WITH ("'modalities':['text','audio']"), 0 },
  { "prediction", WITH ("'prediction':{'type':'content','content':'x'}"), 0 },
  { "store true", WITH ("'store':true"), 0 },
  { "metadata", WITH ("'metadata':{'a':'b'}"), 0 },
  { "service_tier \"flex\"", WITH ("'service_tier':'flex'"), 0 },
  { "verbosity \"low\"", WITH ("'verbosity':'low'"), 0 },
  { "web_search_options", WITH ("'web_search_options':{}"), 0 },
  { "prompt_cache_key \"k\"", WITH ("'prompt_cache_key':'k'"), 0 },
  { "functions", WITH ("'functions':[{'name':'f'}]"), 0 },
  { "function_call \"auto\"", WITH ("'function_call':'auto'"), 0 },
  { "include_obfuscation true", WITH ("'stream':true,'stream_options':"
                                      "{'include_obfuscation':true}"), 0 },
  { "no_such_member 1", WITH ("'no_such_member':1"), 0 },
  { "stream_options.chatty true", WITH ("'stream':true,'stream_options':{'chatty':true}"), 0 },

  /* Other values */
  { "temperature 1.5 cannot be said in Anthropic's Messages API: it is 0 to 1",
    WITH ("'temperature':1.5"), 0 },
  { "temperature -0.1", WITH ("'temperature':-0.1"), 0 },
  { "top_p 1.01", WITH ("'top_p':1.01"), 0 },
  { "reasoning_effort \"minimal\"", WITH ("'reasoning_effort':'minimal'"), 0 },
  { "reasoning_effort \"none\"", WITH ("'reasoning_effort':'none','thinking':{'type':"
                                       "'adaptive'}"), 0 },
  { "response_format.type \"json_object\"", WITH ("'response_format':{'type':'json_object'}"), 0 },
  { "response_format.type \"grammar\"", WITH ("'response_format':{'type':'grammar'}"), 0 },
  { "response_format.json_schema.description \"d\"",
    WITH ("'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':{},"
          "'description':'d'}}"), 0 },
  { "tool_choice \"any\"", WITH ("'tool_choice':'any'"), 0 },
  { "tool_choice.type \"allowed_tools\"",
    WITH ("'tool_choice':{'type':'allowed_tools','allowed_tools':{}}"), 0 },
  { "tools[0].type \"custom\"", TOOL ("'type':'custom','custom':{'name':'x'}"), 0 },
  { "tools[0].function.examples",
    TOOL ("'type':'function','function':{'name':'x','examples':[]}"), 0 },
  { "safety_identifier \"b\"", WITH ("'user':'a','safety_identifier':'b'"), 0 },

  /* Messages */
  { "messages[0].role \"function\"", MESSAGE ("{'role':'function','name':'f','content':'x'}"), 0 },
  { "messages[0].name \"bob\"", MESSAGE ("{'role':'user','name':'bob','content':'x'}"), 0 },
  { "messages[0].cache_control", MESSAGE ("{'role':'user','content':'x','cache_control':{}}"), 0 },
  { "messages[0].function_call",
    MESSAGE ("{'role':'assistant','function_call':{'name':'f','arguments':'{}'}}"), 0 },
  { "messages[0].audio", MESSAGE ("{'role':'assistant','audio':{'id':'a'}}"), 0 },
  { "messages[0].annotations",
    MESSAGE ("{'role':'assistant','content':'x','annotations':[{}]}"), 0 },
  { "messages[0].reasoning_content",
    MESSAGE ("{'role':'assistant','content':'x','reasoning_content':'Hm.'}"), 0 },
  { "messages[0].thinking_blocks[0].x",
    MESSAGE ("{'role':'assistant','content':'x','thinking_blocks':[{'type':'thinking',"
             "'x':1}]}"), 0 },
  { "messages[1].content[1].type \"input_audio\" cannot be said in Anthropic's Messages API",
    USER ("{'type':'text','text':'x'},{'type':'input_audio','input_audio':{'data':'AAAA',"
          "'format':'wav'}}"), 0 },
  { "messages[1].content[0].type \"video_url\"", USER ("{'type':'video_url','video_url':{}}"), 0 },
  { "messages[1].content[0].type \"refusal\"", USER ("{'type':'refusal','refusal':'x'}"), 0 },
  { "messages[1].content[0].cache_control",
    USER ("{'type':'text','text':'x','cache_control':{'type':'ephemeral'}}"), 0 },
  { "messages[0].content[0].type \"image_url\"",
    MESSAGE ("{'role':'system','content':[{'type':'image_url','image_url':{'url':"
             "'https://a/b'}}]}"), 0 },
  { "messages[1].content[0].image_url.detail \"high\"",
    USER ("{'type':'image_url','image_url':{'url':'https://a/b','detail':'high'}}"), 0 },
  { "messages[1].content[0].image_url.url cannot be said",
    USER ("{'type':'image_url','image_url':{'url':'data:image/bmp;base64,AAAA'}}"), 0 },
  { "messages[1].content[0].file.file_data",
    USER ("{'type':'file','file':{'file_data':'data:text/plain;base64,AAAA'}}"), 0 },
  { "messages[1].content[0].file.file_id \"file-1\"",
    USER ("{'type':'file','file':{'file_id':'file-1'}}"), 0 },

  /* No requests at all */
  { "the request must be JSON", "{'model':'m'", KW_ERR },
  { "the request must be JSON", "", KW_ERR },
  { "the request must be JSON", "{} x", KW_ERR },
  { "the request must be an object", "[]", KW_ERR },
  { "messages must be an array", "{'model':'m'}", KW_ERR },
  { "messages must be an array", "{'model':'m','messages':'x'}", KW_ERR },
  { "model must be a string", "{'model':1,'messages':[]}", KW_ERR },
  { "messages[0] must be an object", MESSAGE ("1"), KW_ERR },
  { "messages[0] must be an object", MESSAGE ("null"), KW_ERR },
  { "messages[0].role must be a string", MESSAGE ("{'content':'x'}"), KW_ERR },
  { "messages[0].role \"alien\"", MESSAGE ("{'role':'alien','content':'x'}"), 0 },
  { "messages[0].content must be a string or an array", MESSAGE ("{'role':'user'}"), KW_ERR },
  { "messages[0].content must be", MESSAGE ("{'role':'user','content':{}}"), KW_ERR },
  { "messages[0].tool_call_id must be", MESSAGE ("{'role':'tool','content':'x'}"), KW_ERR },
  { "messages[1].content[0] must be an object", USER ("'x'"), KW_ERR },
  { "messages[1].content[0].type must be a string", USER ("{}"), KW_ERR },
  { "messages[1].content[0].text must be a string", USER ("{'type':'text'}"), KW_ERR },
  { "messages[1].content[0].image_url must be an object",
    USER ("{'type':'image_url','image_url':'https://a/b'}"), KW_ERR },
  { "messages[1].content[0].image_url.url must be",
    USER ("{'type':'image_url','image_url':{'url':'ftp://a/b'}}"), KW_ERR },
  { "messages[1].content[0].image_url.url must be",
    USER ("{'type':'image_url','image_url':{'url':'data:image/png,AAAA'}}"), KW_ERR },
  { "messages[1].content[0].image_url.url must be",
    USER ("{'type':'image_url','image_url':{'url':'data:;base64,AAAA'}}"), KW_ERR },
  { "messages[0].tool_calls[0].function.arguments must be a JSON object, as text",
    CALL (FUNCTION "{'name':'f','arguments':'{\\'a\\': '}"), KW_ERR },
  { "messages[0].tool_calls[0].function.arguments must be",
    CALL (FUNCTION "{'name':'f','arguments':'[1]'}"), KW_ERR },
  { "messages[0].tool_calls[0].function.arguments must be a string",
    CALL (FUNCTION "{'name':'f','arguments':{}}"), KW_ERR },
  { "messages[0].tool_calls[0].id must be",
    CALL ("'type':'function','function':{'name':'f','arguments':'{}'}"), KW_ERR },
  { "messages[0].tool_calls[0].type must be", CALL ("'id':'c'"), KW_ERR },
  { "messages[0].tool_calls[0].type \"custom\"", CALL ("'id':'c','type':'custom'"), 0 },
  { "tools[0].function.name must be", TOOL ("'type':'function','function':{}"), KW_ERR },
  { "tools[0].function must be", TOOL ("'type':'function'"), KW_ERR },
  { "tools[0] must be an object", WITH ("'tools':[7]"), KW_ERR },
  { "max_tokens must be 1 or more", WITH ("'max_tokens':0"), KW_ERR },
  { "max_tokens must be an integer", WITH ("'max_tokens':1.5"), KW_ERR },
  { "max_tokens must be left out", WITH ("'max_tokens':1,'max_completion_tokens':2"), KW_ERR },
  { "temperature must be a number", WITH ("'temperature':'hot'"), KW_ERR },
  { "stop must be", WITH ("'stop':[1]"), KW_ERR },
  { "stream must be true or false", WITH ("'stream':'yes'"), KW_ERR },
  { "stream_options must be left out", WITH ("'stream_options':{'include_usage':true}"), KW_ERR },
  { "response_format.json_schema must be", WITH ("'response_format':{'type':'json_schema'}"),
    KW_ERR },
  { "response_format.json_schema.schema must be",
    WITH ("'response_format':{'type':'json_schema','json_schema':{'name':'n'}}"), KW_ERR },
  { "response_format.type must be", WITH ("'response_format':{}"), KW_ERR },
};

START_TEST (what_cannot_be_said_is_refused_by_its_name)
{
  struct kw_request r;
  int rc = kit_prepare (&r, "/chat/completions", refusals[_i].request);
  int want = refusals[_i].code != 0 ? refusals[_i].code : KW_ERR_UNSUPPORTED;

  ck_assert_msg (rc == want && strstr (kit_in.error, refusals[_i].place) != NULL,
                 "%s:\n  code %d, and not %d: %s", refusals[_i].request, rc, want,
                 kit_in.error);
  ck_assert_int_eq (r.translated, 0);
  kit_clear (&r);
}
END_TEST

START_TEST (an_error_repeats_no_prompts)
{
  struct kw_request r;

  ck_assert_int_ne (kit_prepare (&r, "/chat/completions", WITH (
    "'prompt_cache_key':'my secret: 0123456789 0123456789 0123456789 0123456789'")), KW_OK);
  ck_assert_msg (strstr (kit_in.error, "secret") == NULL
                 && strstr (kit_in.error, "prompt_cache_key cannot") != NULL,
                 "%s", kit_in.error);
  kit_clear (&r);
}
END_TEST

START_TEST (a_name_without_end_is_cut_between_characters)
{
  char body[2048] = "{'messages':[],'";
  struct kw_request r;

  for (size_t i = strlen (body); i < 1200; i += 2)
    memcpy (body + i, "\303\244", 3);
  kit_put (body, sizeof body, "':1}", "", "");
  ck_assert_int_eq (kit_prepare (&r, "/chat/completions", body), KW_ERR_UNSUPPORTED);
  ck_assert_msg (strstr (kit_in.error, "\303\244 1 cannot be said") != NULL, "%s",
                 kit_in.error);
  kit_clear (&r);
}
END_TEST

void
add_refusal_tests (Suite *s)
{
  TCase *tc = tcase_create ("refusals");

  tcase_add_checked_fixture (tc, setup, kit_unload);
  tcase_add_loop_test (tc, what_cannot_be_said_is_refused_by_its_name, 0, N (refusals));
  tcase_add_test (tc, an_error_repeats_no_prompts);
  tcase_add_test (tc, a_name_without_end_is_cut_between_characters);
  suite_add_tcase (s, tc);
}

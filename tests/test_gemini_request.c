/* test_gemini_request - Chat Completions requests as the gemini plugin writes
 * them for generateContent, and what it refuses. */
#include "providerkit.h"

#define N(array) ((int) (sizeof (array) / sizeof (array)[0]))

static void
setup (void)
{
  kit_load ("gemini");
}

/* As the core calls it: the model is the body's, or the provider's. */
static int
prepare (struct kw_request *r, const char *model, const char *path, const char *body)
{
  char *text = kit_text (body);
  struct kw_call call = {
    .struct_size = sizeof call, .base_url = "https://example.com/v1beta", .method = "POST",
    .path = path, .content_type = "application/json", .body = text,
    .body_len = strlen (text), .model = model,
    .stream = strstr (text, "\"stream\":true") != NULL
  };
  int rc;

  memset (r, 0, sizeof *r);
  kit_in.error[0] = '\0';
  rc = kit_plugin->prepare (kit_self, &call, r);
  free (text);
  return rc;
}

/* ---- Addresses ------------------------------------------------------------ */

#define HI "{'messages':[{'role':'user','content':'hi'}]}"
#define HI_STREAM "{'stream':true,'messages':[{'role':'user','content':'hi'}]}"
#define BASE "https://example.com/v1beta"

static const struct { const char *model, *path, *body, *url, *secret; } addresses[] = {
  { "gemini-3.8-flash", "/chat/completions", HI,
    BASE "/models/gemini-3.8-flash:generateContent", "x-goog-api-key " },
  { "gemini-3.8-flash", "/chat/completions", HI_STREAM,
    BASE "/models/gemini-3.8-flash:streamGenerateContent?alt=sse", "x-goog-api-key " },
  { "models/gemini-3.8-flash", "/chat/completions", HI,
    BASE "/models/gemini-3.8-flash:generateContent", "x-goog-api-key " },
  { "tunedModels/mine-1", "/chat/completions", HI,
    BASE "/tunedModels/mine-1:generateContent", "x-goog-api-key " },
  { "a/b?c=d#e f%\303\251", "/chat/completions", HI,
    BASE "/models/a%2Fb%3Fc%3Dd%23e%20f%25%C3%A9:generateContent", "x-goog-api-key " },
  { "../x", "/chat/completions", HI, BASE "/models/..%2Fx:generateContent",
    "x-goog-api-key " },
  { "m", "/chat/completions?beta=true", HI, BASE "/models/m:generateContent",
    "x-goog-api-key " },
  { "m", "/embeddings", "{'input':'x'}", BASE "/openai/embeddings", "Authorization Bearer " },
  { "m", "/openai/chat/completions", HI, BASE "/openai/chat/completions",
    "Authorization Bearer " },
  { "m", "/models/m:countTokens", "{}", BASE "/models/m:countTokens", "x-goog-api-key " },
};

START_TEST (a_request_goes_to_the_models_method_and_the_key_into_a_header)
{
  struct kw_request r;

  ck_assert_msg (prepare (&r, addresses[_i].model, addresses[_i].path, addresses[_i].body)
                 == KW_OK, "%s: %s", addresses[_i].model, kit_in.error);
  ck_assert_str_eq (r.url, addresses[_i].url);
  ck_assert_str_eq (r.secret, addresses[_i].secret);
  ck_assert_str_eq (r.method, "POST");
  ck_assert_ptr_nonnull (strstr (r.headers, "Content-Type: application/json\n"));
  ck_assert_int_eq (strstr (r.headers, "Accept: text/event-stream\n") != NULL,
                    strstr (addresses[_i].body, "stream") != NULL);
  int chat = strncmp (addresses[_i].path, "/chat/completions", 17) == 0;
  ck_assert_int_eq (r.translated, chat);
  if (!chat) {                  /* as it is */
    char *text = kit_text (addresses[_i].body);
    ck_assert_str_eq (r.body, text);
    free (text);
  }
  kit_clear (&r);
}
END_TEST

START_TEST (an_address_that_cannot_be_built_is_refused)
{
  char model[4200];
  struct kw_request r;

  memset (model, '/', sizeof model - 1);
  model[sizeof model - 1] = '\0';
  ck_assert_int_eq (prepare (&r, model, "/chat/completions", HI), KW_ERR_RANGE);
  model[0] = 'a';
  memset (model + 1, 'a', sizeof model - 2);
  model[0] = '/';
  ck_assert_int_eq (prepare (&r, "m", model, HI), KW_ERR_RANGE);
  ck_assert_int_eq (prepare (&r, "", "/chat/completions", HI), KW_ERR_CONFIG);
  ck_assert_int_eq (prepare (&r, NULL, "/chat/completions", HI), KW_ERR_CONFIG);
  ck_assert_int_eq (prepare (&r, "models/", "/chat/completions", HI), KW_ERR_CONFIG);
}
END_TEST

START_TEST (a_host_that_cannot_translate_is_told_so)
{
  struct kw_request r;

  kit_unload ();
  kit_no_translation = 1;
  kit_load ("gemini");
  ck_assert_int_eq (prepare (&r, "m", "/chat/completions", HI), KW_ERR_UNSUPPORTED);
  ck_assert_msg (strstr (kit_in.error, "newer") != NULL, "%s", kit_in.error);
  ck_assert_int_eq (prepare (&r, "m", "/embeddings", "{}"), KW_OK);
  kit_clear (&r);
}
END_TEST

START_TEST (the_note_keeps_the_model_and_whether_usage_is_wanted)
{
  struct kw_request r;

  ck_assert_int_eq (prepare (&r, "models/g", "/chat/completions", HI), KW_OK);
  ck_assert_uint_eq (r.note_len, 2);
  ck_assert_mem_eq (r.note, "0g", 2);
  kit_clear (&r);
  ck_assert_int_eq (prepare (&r, "g", "/chat/completions",
                             "{'stream':true,'stream_options':{'include_usage':true},"
                             "'messages':[{'role':'user','content':'hi'}]}"), KW_OK);
  ck_assert_mem_eq (r.note, "1g", 2);
  kit_clear (&r);
}
END_TEST

/* ---- Translations --------------------------------------------------------- */

#define USER(text) "{'role':'user','content':'" text "'}"
#define ASK "'messages':[" USER ("hi") "]"
#define HI_CONTENTS "'contents':[{'role':'user','parts':[{'text':'hi'}]}]"
#define CALL(id, name, args) \
  "{'id':'" id "','type':'function','function':{'name':'" name "','arguments':'" args "'}}"
#define TOOL(name, rest) "{'type':'function','function':{'name':'" name "'" rest "}}"
#define PNG "iVBORw0KGgo="

/* model NULL: "gemini-3.8-flash".  members, want: without their braces. */
static const struct { const char *name, *model, *members, *want; } cases[] = {
  { "a message", NULL, ASK, HI_CONTENTS },
  { "turns and system prompts", NULL,
    "'messages':[{'role':'system','content':'Be short.'},"
    "{'role':'developer','content':[{'type':'text','text':'Be'},{'type':'text','text':'kind.'}]},"
    USER ("Hello") ",{'role':'assistant','content':'Hi.'}," USER ("One") "," USER ("Two") "]",
    "'systemInstruction':{'parts':[{'text':'Be short.'},{'text':'Be'},{'text':'kind.'}]},"
    "'contents':[{'role':'user','parts':[{'text':'Hello'}]},"
    "{'role':'model','parts':[{'text':'Hi.'}]},"
    "{'role':'user','parts':[{'text':'One'},{'text':'Two'}]}]" },
  { "an assistant that said nothing", NULL,
    "'messages':[" USER ("a") ",{'role':'assistant','content':''}," USER ("b") "]",
    "'contents':[{'role':'user','parts':[{'text':'a'},{'text':'b'}]}]" },
  { "refusals and thoughts that were kept", NULL,
    "'messages':[" USER ("a") ",{'role':'assistant','content':null,'refusal':'No.',"
    "'reasoning_content':'Hm.'}," USER ("b") "]",
    "'contents':[{'role':'user','parts':[{'text':'a'}]},"
    "{'role':'model','parts':[{'text':'Hm.','thought':true},{'text':'No.'}]},"
    "{'role':'user','parts':[{'text':'b'}]}]" },
  { "numbers", NULL,
    ASK ",'temperature':0.7,'top_p':0.95,'top_k':40,'max_tokens':100,'seed':-7,'n':2,"
    "'presence_penalty':0.5,'frequency_penalty':-0.25,'stop':['a','b'],'logprobs':true,"
    "'top_logprobs':3",
    HI_CONTENTS ",'generationConfig':{'temperature':0.7,'topP':0.95,'topK':40,"
    "'maxOutputTokens':100,'seed':-7,'candidateCount':2,'presencePenalty':0.5,"
    "'frequencyPenalty':-0.25,'stopSequences':['a','b'],'responseLogprobs':true,"
    "'logprobs':3}" },
  { "values that say nothing", NULL,
    ASK ",'n':1,'presence_penalty':0,'frequency_penalty':0.0,'logprobs':false,'stop':null,"
    "'top_logprobs':0,'tools':[],'logit_bias':{},'store':false,'response_format':{'type':'text'},"
    "'parallel_tool_calls':true,'metadata':{},'service_tier':'auto','extra_body':{}",
    HI_CONTENTS },
  { "a temperature of 0", NULL, ASK ",'temperature':0",
    HI_CONTENTS ",'generationConfig':{'temperature':0}" },
  { "one stop, and the newer name of the limit", NULL,
    ASK ",'stop':'END','max_completion_tokens':50",
    HI_CONTENTS ",'generationConfig':{'stopSequences':['END'],'maxOutputTokens':50}" },
  { "JSON", NULL, ASK ",'response_format':{'type':'json_object'}",
    HI_CONTENTS ",'generationConfig':{'responseMimeType':'application/json'}" },
  { "JSON by a schema", NULL,
    ASK ",'response_format':{'type':'json_schema','json_schema':{'name':'n','strict':true,"
    "'schema':{'type':'object','properties':{'a':{'type':['string','null']}},"
    "'additionalProperties':false}}}",
    HI_CONTENTS ",'generationConfig':{'responseMimeType':'application/json',"
    "'responseJsonSchema':{'type':'object','properties':{'a':{'type':['string','null']}},"
    "'additionalProperties':false}}" },
  { "images", NULL,
    "'messages':[{'role':'user','content':[{'type':'text','text':'See'},"
    "{'type':'image_url','image_url':{'url':'data:image/png;base64," PNG "'}},"
    "{'type':'image_url','image_url':{'url':'https://a.example/b/c.JPG?x=1.png#y',"
    "'detail':'auto'}},"
    "{'type':'image_url','image_url':{'url':'https://a.example/v1beta/files/abc'}}]}]",
    "'contents':[{'role':'user','parts':[{'text':'See'},"
    "{'inlineData':{'mimeType':'image/png','data':'" PNG "'}},"
    "{'fileData':{'mimeType':'image/jpeg','fileUri':'https://a.example/b/c.JPG?x=1.png#y'}},"
    "{'fileData':{'fileUri':'https://a.example/v1beta/files/abc'}}]}]" },
  { "the detail of images", NULL,
    "'messages':[{'role':'user','content':["
    "{'type':'image_url','image_url':{'url':'data:image/png;base64,AA==','detail':'low'}},"
    "{'type':'image_url','image_url':{'url':'data:image/png;base64,AA==','detail':'low'}}]}]",
    "'contents':[{'role':'user','parts':[{'inlineData':{'mimeType':'image/png','data':'AA=='}},"
    "{'inlineData':{'mimeType':'image/png','data':'AA=='}}]}],"
    "'generationConfig':{'mediaResolution':'MEDIA_RESOLUTION_LOW'}" },
  { "a file and sound", NULL,
    "'messages':[{'role':'user','content':[{'type':'file','file':{'filename':'a.pdf',"
    "'file_data':'data:application/pdf;base64,JVBE'}},"
    "{'type':'input_audio','input_audio':{'data':'UklG','format':'wav'}}]}]",
    "'contents':[{'role':'user','parts':[{'text':'a.pdf'},"
    "{'inlineData':{'mimeType':'application/pdf','data':'JVBE'}},"
    "{'inlineData':{'mimeType':'audio/wav','data':'UklG'}}]}]" },

  { "tools", NULL,
    ASK ",'tools':[" TOOL ("now", "") ","
    TOOL ("get", ",'description':'Gets.','parameters':{'type':'object','properties':"
          "{'q':{'$ref':'#/$defs/q'}},'$defs':{'q':{'type':'string'}}}") "]",
    HI_CONTENTS ",'tools':[{'functionDeclarations':[{'name':'now'},{'name':'get',"
    "'description':'Gets.','parametersJsonSchema':{'type':'object','properties':"
    "{'q':{'$ref':'#/$defs/q'}},'$defs':{'q':{'type':'string'}}}}]}]" },
#define WITH_TOOL(rest) ASK ",'tools':[" TOOL ("now", "") "]" rest
#define DECLARED ",'tools':[{'functionDeclarations':[{'name':'now'}]}]"
#define MODE(rest) ",'toolConfig':{'functionCallingConfig':{" rest "}}"
  { "tool_choice auto", NULL, WITH_TOOL (",'tool_choice':'auto'"),
    HI_CONTENTS DECLARED MODE ("'mode':'AUTO'") },
  { "tool_choice none", NULL, WITH_TOOL (",'tool_choice':'none'"),
    HI_CONTENTS DECLARED MODE ("'mode':'NONE'") },
  { "tool_choice required", NULL, WITH_TOOL (",'tool_choice':'required'"),
    HI_CONTENTS DECLARED MODE ("'mode':'ANY'") },
  { "tool_choice of one", NULL,
    WITH_TOOL (",'tool_choice':{'type':'function','function':{'name':'now'}}"),
    HI_CONTENTS DECLARED MODE ("'mode':'ANY','allowedFunctionNames':['now']") },
  { "a strict tool", NULL, ASK ",'tools':[" TOOL ("now", ",'strict':true") "]",
    HI_CONTENTS DECLARED MODE ("'mode':'VALIDATED'") },
  { "a strict tool that is required", NULL,
    ASK ",'tool_choice':'required','tools':[" TOOL ("now", ",'strict':true") "]",
    HI_CONTENTS DECLARED MODE ("'mode':'ANY'") },

  { "calls and their results", "gemini-2.5-flash",
    "'messages':[" USER ("a") ",{'role':'assistant','content':'Wait.','tool_calls':["
    CALL ("c1", "get", "{\\'q\\':[1,{\\'x\\':1.50}]}") "," CALL ("c2", "now", "") "]},"
    "{'role':'tool','tool_call_id':'c2','content':'noon'},"
    "{'role':'tool','tool_call_id':'c1','content':'{\\'n\\':1.50,\\'l\\':[]}'},"
    USER ("b") "]",
    "'contents':[{'role':'user','parts':[{'text':'a'}]},"
    "{'role':'model','parts':[{'text':'Wait.'},"
    "{'functionCall':{'id':'c1','name':'get','args':{'q':[1,{'x':1.50}]}}},"
    "{'functionCall':{'id':'c2','name':'now','args':{}}}]},"
    "{'role':'user','parts':["
    "{'functionResponse':{'id':'c2','name':'now','response':{'result':'noon'}}},"
    "{'functionResponse':{'id':'c1','name':'get','response':{'n':1.50,'l':[]}}},"
    "{'text':'b'}]}]" },
  { "results that are no objects", "gemini-2.5-flash",
    "'messages':[{'role':'assistant','tool_calls':[" CALL ("1", "f", "{}") "]},"
    "{'role':'tool','tool_call_id':'1','content':'[1,2]'},"
    "{'role':'tool','tool_call_id':'1','content':[{'type':'text','text':'a'},"
    "{'type':'text','text':'b'}]},{'role':'tool','tool_call_id':'1','content':''},"
    "{'role':'tool','tool_call_id':'1','content':'{\\'n\\':99999999999999999999999}'}]",
    "'contents':[{'role':'model','parts':[{'functionCall':{'id':'1','name':'f','args':{}}}]},"
    "{'role':'user','parts':["
    "{'functionResponse':{'id':'1','name':'f','response':{'result':'[1,2]'}}},"
    "{'functionResponse':{'id':'1','name':'f','response':{'result':'ab'}}},"
    "{'functionResponse':{'id':'1','name':'f','response':{'result':''}}},"
    "{'functionResponse':{'id':'1','name':'f','response':"
    "{'result':'{\\'n\\':99999999999999999999999}'}}}]}]" },
  { "a result whose call is told by its name", NULL,
    "'messages':[{'role':'tool','tool_call_id':'1','name':'f','content':'x'}]",
    "'contents':[{'role':'user','parts':"
    "[{'functionResponse':{'id':'1','name':'f','response':{'result':'x'}}}]}]" },
  { "an id that is used twice is the later call's", "gemini-2.5-pro",
    "'messages':[{'role':'assistant','tool_calls':[" CALL ("1", "f", "{}") "]},"
    "{'role':'tool','tool_call_id':'1','content':'x'},"
    "{'role':'assistant','tool_calls':[" CALL ("1", "g", "{}") "]},"
    "{'role':'tool','tool_call_id':'1','content':'y'}]",
    "'contents':[{'role':'model','parts':[{'functionCall':{'id':'1','name':'f','args':{}}}]},"
    "{'role':'user','parts':[{'functionResponse':{'id':'1','name':'f','response':"
    "{'result':'x'}}}]},"
    "{'role':'model','parts':[{'functionCall':{'id':'1','name':'g','args':{}}}]},"
    "{'role':'user','parts':[{'functionResponse':{'id':'1','name':'g','response':"
    "{'result':'y'}}}]}]" },
  { "thought signatures that were kept", NULL,
    "'messages':[{'role':'assistant','content':'Hi.','extra_content':{'google':"
    "{'thought_signature':'dGV4dA=='}},'tool_calls':[{'id':'1','type':'function','function':"
    "{'name':'f','arguments':'{}'},'extra_content':{'google':{'thought_signature':'Y2FsbA=='}}},"
    CALL ("2", "g", "{}") "]},{'role':'tool','tool_call_id':'1','content':'x'}]",
    "'contents':[{'role':'model','parts':[{'text':'Hi.','thoughtSignature':'dGV4dA=='},"
    "{'functionCall':{'id':'1','name':'f','args':{}},'thoughtSignature':'Y2FsbA=='},"
    "{'functionCall':{'id':'2','name':'g','args':{}}}]},"
    "{'role':'user','parts':[{'functionResponse':{'id':'1','name':'f','response':"
    "{'result':'x'}}}]}]" },
  { "signatures that a client has dropped", NULL,
    "'messages':[{'role':'assistant','tool_calls':[" CALL ("1", "f", "{}") ","
    CALL ("2", "g", "{}") "]}]",
    "'contents':[{'role':'model','parts':[{'functionCall':{'id':'1','name':'f','args':{}},"
    "'thoughtSignature':'skip_thought_signature_validator'},"
    "{'functionCall':{'id':'2','name':'g','args':{}}}]}]" },
  { "a signature behind an empty text", NULL,
    "'messages':[{'role':'assistant','content':null,'extra_content':{'google':"
    "{'thought_signature':'AA=='}}}]",
    "'contents':[{'role':'model','parts':[{'text':'','thoughtSignature':'AA=='}]}]" },

#define THINKING(rest) HI_CONTENTS ",'generationConfig':{'thinkingConfig':{" rest "}}"
  { "effort as a level", NULL, ASK ",'reasoning_effort':'medium'",
    THINKING ("'thinkingLevel':'medium'") },
  { "effort as a level, of an alias", "gemini-flash-latest", ASK ",'reasoning_effort':'minimal'",
    THINKING ("'thinkingLevel':'minimal'") },
  { "the least effort of Pro", "gemini-3.1-pro-preview", ASK ",'reasoning_effort':'minimal'",
    THINKING ("'thinkingLevel':'low'") },
  { "effort as a budget", "gemini-2.5-flash", ASK ",'reasoning_effort':'high'",
    THINKING ("'thinkingBudget':24576") },
  { "no effort", "gemini-2.5-flash", ASK ",'reasoning_effort':'none'",
    THINKING ("'thinkingBudget':0") },
  { "what Google's endpoint calls extra", "models/gemini-2.5-flash",
    ASK ",'reasoning_effort':'low','extra_body':{'google':{'cached_content':'cachedContents/x',"
    "'safety_settings':[{'category':'HARM_CATEGORY_HARASSMENT','threshold':'BLOCK_NONE'}],"
    "'thinking_config':{'include_thoughts':true}}}",
    THINKING ("'thinkingBudget':1024,'includeThoughts':true")
    ",'cachedContent':'cachedContents/x','safetySettings':"
    "[{'category':'HARM_CATEGORY_HARASSMENT','threshold':'BLOCK_NONE'}]" },
  { "a budget of one's own", "gemini-2.5-flash",
    ASK ",'extra_body':{'google':{'thinking_config':{'thinking_budget':-1}}}",
    THINKING ("'thinkingBudget':-1") },
};

START_TEST (a_request_is_translated)
{
  const char *model = cases[_i].model != NULL ? cases[_i].model : "gemini-3.8-flash";
  char body[4096], want[4096];
  struct kw_request r;
  int n = snprintf (body, sizeof body, "{%s}", cases[_i].members);
  int m = snprintf (want, sizeof want, "{%s}", cases[_i].want);

  ck_assert (n > 0 && (size_t) n < sizeof body && m > 0 && (size_t) m < sizeof want);
  ck_assert_msg (prepare (&r, model, "/chat/completions", body) == KW_OK, "%s: %s\n  %s",
                 cases[_i].name, kit_in.error, body);
  ck_assert_msg (kit_equal (cases[_i].name, r.body, want), "%s", cases[_i].name);
  kit_clear (&r);
}
END_TEST

/* ---- Refusals ------------------------------------------------------------- */

/* rc 0: KW_ERR_UNSUPPORTED.  said: a part of the text. */
static const struct { const char *members, *said; int rc; } refusals[] = {
  { ASK ",'logit_bias':{'1':5}", "logit_bias", 0 },
  { ASK ",'user':'u'", "user", 0 },
  { ASK ",'store':true", "store", 0 },
  { ASK ",'metadata':{'a':'b'}", "metadata", 0 },
  { ASK ",'service_tier':'flex'", "service_tier", 0 },
  { ASK ",'parallel_tool_calls':false", "parallel_tool_calls", 0 },
  { ASK ",'modalities':['audio']", "modalities", 0 },
  { ASK ",'prediction':{'type':'content','content':'x'}", "prediction", 0 },
  { ASK ",'functions':[{'name':'f'}]", "functions", 0 },
  { ASK ",'verbosity':'low'", "verbosity", 0 },
  { ASK ",'web_search_options':{'a':1}", "web_search_options", 0 },
  { ASK ",'anything_else':1", "anything_else", 0 },
  { ASK ",'temperature':2.5", "temperature", 0 },
  { ASK ",'temperature':'1'", "temperature", KW_ERR },
  { ASK ",'top_p':1.1", "top_p", 0 },
  { ASK ",'seed':4294967296", "seed", 0 },
  { ASK ",'n':9", "n 9", 0 },
  { ASK ",'n':0", "n 0", 0 },
  { ASK ",'top_logprobs':21,'logprobs':true", "top_logprobs", 0 },
  { ASK ",'top_logprobs':2", "logprobs", KW_ERR },
  { ASK ",'reasoning_effort':'none'", "reasoning_effort", 0 },
  { ASK ",'reasoning_effort':'xhigh'", "reasoning_effort", 0 },
  { ASK ",'response_format':{'type':'grammar'}", "response_format", 0 },
  { ASK ",'stream_options':{'include_usage':true}", "stream_options", KW_ERR },
  { ASK ",'extra_body':{'openai':{}}", "extra_body.openai", 0 },
  { ASK ",'extra_body':{'google':{'labels':{}}}", "extra_body.google.labels", 0 },
  { ASK ",'extra_body':{'google':{'thinking_config':{'budget':1}}}",
    "extra_body.google.thinking_config.budget", 0 },
  { ASK ",'reasoning_effort':'low','extra_body':{'google':{'thinking_config':"
    "{'thinking_budget':1}}}", "reasoning_effort", KW_ERR },
  { ASK ",'tools':[{'type':'custom','custom':{'name':'x'}}]", "tools[0].type", 0 },
  { ASK ",'tools':[{'type':'function','function':{}}]", "tools[0].function.name", KW_ERR },
  { ASK ",'tool_choice':{'type':'allowed_tools'}", "tool_choice.type", 0 },
  { "'messages':[]", "messages", KW_ERR },
  { "'messages':[{'role':'system','content':'x'}]", "messages", KW_ERR },
  { "'messages':'hi'", "messages", KW_ERR },
  { "'messages':[{'role':'function','name':'f','content':'x'}]", "messages[0].role", 0 },
  { "'messages':[{'role':'user','name':'Jo','content':'x'}]", "messages[0].name", 0 },
  { "'messages':[{'role':'user'}]", "messages[0].content", KW_ERR },
  { "'messages':[{'role':'user','content':[{'type':'video_url'}]}]",
    "messages[0].content[0].type", 0 },
  { "'messages':[{'role':'system','content':[{'type':'image_url','image_url':"
    "{'url':'https://a.example/b.png'}}]}," USER ("a") "]", "messages[0].content[0].type", 0 },
  { "'messages':[{'role':'user','content':[{'type':'image_url','image_url':"
    "{'url':'ftp://a.example/b.png'}}]}]", "messages[0].content[0].image_url.url", KW_ERR },
  { "'messages':[{'role':'user','content':[{'type':'image_url','image_url':"
    "{'url':'https://a.example/b.png','detail':'ultra'}}]}]",
    "messages[0].content[0].image_url.detail", 0 },
  { "'messages':[{'role':'user','content':[{'type':'image_url','image_url':"
    "{'url':'https://a.example/b.png','detail':'low'}},{'type':'image_url','image_url':"
    "{'url':'https://a.example/c.png'}}]}]", "messages[0].content[1].image_url.detail", 0 },
  { "'messages':[{'role':'user','content':[{'type':'file','file':{'file_id':'f-1'}}]}]",
    "messages[0].content[0].file.file_id", 0 },
  { "'messages':[{'role':'user','content':[{'type':'input_audio','input_audio':"
    "{'data':'','format':'opus'}}]}]", "messages[0].content[0].input_audio.format", 0 },
  { "'messages':[{'role':'assistant','audio':{'id':'a'}}]", "messages[0].audio", 0 },
  { "'messages':[{'role':'assistant','tool_calls':[" CALL ("1", "f", "[1]") "]}]",
    "messages[0].tool_calls[0].function.arguments", KW_ERR },
  { "'messages':[{'role':'assistant','tool_calls':[" CALL ("1", "f", "{\\'a\\':") "]}]",
    "messages[0].tool_calls[0].function.arguments", KW_ERR },
  { "'messages':[{'role':'assistant','content':'x','extra_content':{'google':{'other':1}}}]",
    "messages[0].extra_content.google.other", 0 },
  { "'messages':[{'role':'assistant','tool_calls':[{'id':'1','type':'function','function':"
    "{'name':'f','arguments':'{}'},'extra_content':{'x':1}}]}]",
    "messages[0].tool_calls[0].extra_content.x", 0 },
  { "'messages':[" USER ("a") ",{'role':'tool','tool_call_id':'9','content':'x'}]",
    "messages[1].tool_call_id", KW_ERR },
  { "'messages':[{'role':'assistant','tool_calls':[" CALL ("1", "f", "{}") "]},"
    "{'role':'tool','tool_call_id':'1','content':[{'type':'image_url','image_url':"
    "{'url':'https://a.example/b.png'}}]}]", "messages[1].content[0].type", 0 },
};

START_TEST (what_has_no_counterpart_is_refused_by_its_name)
{
  int want = refusals[_i].rc != 0 ? refusals[_i].rc : KW_ERR_UNSUPPORTED, rc;
  char body[2048];
  struct kw_request r;
  int n = snprintf (body, sizeof body, "{%s}", refusals[_i].members);

  ck_assert (n > 0 && (size_t) n < sizeof body);
  rc = prepare (&r, "gemini-3.8-flash", "/chat/completions", body);
  ck_assert_msg (rc == want && strstr (kit_in.error, refusals[_i].said) != NULL,
                 "%s: %d, and not %d \"%s\": %s", body, rc, want, refusals[_i].said,
                 kit_in.error);
  ck_assert_ptr_null (r.body);
  kit_clear (&r);
}
END_TEST

START_TEST (a_body_that_is_no_request_is_refused)
{
  static const char *const bodies[] = { "", "[]", "{", "null", "{'messages':[]}x", "7" };
  struct kw_request r;

  for (int i = 0; i < N (bodies); i++) {
    ck_assert_msg (prepare (&r, "m", "/chat/completions", bodies[i]) == KW_ERR, "%s", bodies[i]);
    ck_assert_msg (kit_in.error[0] != '\0', "%s", bodies[i]);
  }
}
END_TEST

static Suite *
request_suite (void)
{
  Suite *s = suite_create ("gemini requests");
  TCase *tc = tcase_create ("requests");

  tcase_add_checked_fixture (tc, setup, kit_unload);
  tcase_add_loop_test (tc, a_request_goes_to_the_models_method_and_the_key_into_a_header, 0,
                       N (addresses));
  tcase_add_test (tc, an_address_that_cannot_be_built_is_refused);
  tcase_add_test (tc, a_host_that_cannot_translate_is_told_so);
  tcase_add_test (tc, the_note_keeps_the_model_and_whether_usage_is_wanted);
  tcase_add_loop_test (tc, a_request_is_translated, 0, N (cases));
  tcase_add_loop_test (tc, what_has_no_counterpart_is_refused_by_its_name, 0, N (refusals));
  tcase_add_test (tc, a_body_that_is_no_request_is_refused);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (request_suite)

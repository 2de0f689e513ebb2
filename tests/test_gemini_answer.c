/* test_gemini_answer - Gemini's answers, whole and as event streams, as the
 * gemini plugin hands them on: chat.completion, and its chunks. */
#include "providerkit.h"

#define N(array) ((int) (sizeof (array) / sizeof (array)[0]))

static void
setup (void)
{
  kit_load ("gemini");
}

/* ---- Whole answers -------------------------------------------------------- */

#define HEAD "'responseId':'r1','modelVersion':'gemini-3.8-flash'"
#define PARTS(parts) "'content':{'role':'model','parts':[" parts "]}"
#define ANSWER(parts, finish) \
  "{'candidates':[{" PARTS (parts) ",'finishReason':'" finish "','index':0}]," HEAD "}"
#define OURS(choices, rest) \
  "{'id':'r1','object':'chat.completion','created':1800000000,'model':'gemini-3.8-flash'," \
  "'choices':[" choices "]" rest "}"
#define CHOICE(index, message, finish) \
  "{'index':" #index ",'message':{'role':'assistant'," message "},'logprobs':null," \
  "'finish_reason':'" finish "'}"
#define CALL(id, name, args, rest) \
  "{'id':'" id "','type':'function','function':{'name':'" name "','arguments':'" args "'}" rest "}"

static const struct { const char *name, *theirs, *ours; } replies[] = {
  { "text, and its usage",
    "{'candidates':[{" PARTS ("{'text':'AI works'},{'text':' by learning.'}") ","
    "'finishReason':'STOP','index':0,'safetyRatings':[{'category':'HARM_CATEGORY_HARASSMENT',"
    "'probability':'NEGLIGIBLE'}],'avgLogprobs':-0.2}],"
    "'usageMetadata':{'promptTokenCount':8,'candidatesTokenCount':6,'totalTokenCount':14,"
    "'promptTokensDetails':[{'modality':'TEXT','tokenCount':8}]}," HEAD "}",
    OURS (CHOICE (0, "'content':'AI works by learning.'", "stop"),
          ",'usage':{'prompt_tokens':8,'completion_tokens':6,'total_tokens':14}") },
  { "usage with thoughts, tools and a cache",
    "{'candidates':[{" PARTS ("{'text':'x'}") ",'finishReason':'STOP'}],"
    "'usageMetadata':{'promptTokenCount':100,'candidatesTokenCount':5,'thoughtsTokenCount':20,"
    "'cachedContentTokenCount':80,'toolUsePromptTokenCount':3,'totalTokenCount':128}," HEAD "}",
    OURS (CHOICE (0, "'content':'x'", "stop"),
          ",'usage':{'prompt_tokens':103,'completion_tokens':25,'total_tokens':128,"
          "'prompt_tokens_details':{'cached_tokens':80},"
          "'completion_tokens_details':{'reasoning_tokens':20}}") },
  { "thoughts, and the signature behind them",
    ANSWER ("{'text':'Let me','thought':true},{'text':' see.','thought':true},{'text':'42'},"
            "{'text':'','thoughtSignature':'c2ln'}", "STOP"),
    OURS (CHOICE (0, "'content':'42','reasoning_content':'Let me see.',"
                  "'extra_content':{'google':{'thought_signature':'c2ln'}}", "stop"), "") },
  { "calls without ids",
    ANSWER ("{'functionCall':{'name':'get','args':{'q':[1,{'x':1.50}],'s':'a/b'}},"
            "'thoughtSignature':'c2ln'},{'functionCall':{'name':'now'}}", "STOP"),
    OURS (CHOICE (0, "'content':null,'tool_calls':["
                  CALL ("call_r1_0_0", "get", "{\\'q\\':[1,{\\'x\\':1.50}],\\'s\\':\\'a/b\\'}",
                        ",'extra_content':{'google':{'thought_signature':'c2ln'}}") ","
                  CALL ("call_r1_0_1", "now", "{}", "") "]", "tool_calls"), "") },
  { "a call with an id, behind a text",
    ANSWER ("{'text':'I ask.'},{'functionCall':{'id':'fc-7','name':'now','args':{}}}", "STOP"),
    OURS (CHOICE (0, "'content':'I ask.','tool_calls':[" CALL ("fc-7", "now", "{}", "") "]",
                  "tool_calls"), "") },
  { "two candidates",
    "{'candidates':[{" PARTS ("{'text':'a'}") ",'finishReason':'STOP','index':1},{"
    PARTS ("{'text':'b'}") ",'finishReason':'MAX_TOKENS','index':0}]," HEAD "}",
    OURS (CHOICE (1, "'content':'a'", "stop") "," CHOICE (0, "'content':'b'", "length"), "") },
  { "an answer cut by its limit",
    ANSWER ("{'text':'Once'}", "MAX_TOKENS"),
    OURS (CHOICE (0, "'content':'Once'", "length"), "") },
  { "nothing but thoughts within the limit",
    "{'candidates':[{'content':{'role':'model'},'finishReason':'MAX_TOKENS','index':0}]," HEAD "}",
    OURS (CHOICE (0, "'content':''", "length"), "") },
  { "a call behind the limit is no complete answer",
    ANSWER ("{'functionCall':{'id':'1','name':'f','args':{}}}", "MAX_TOKENS"),
    OURS (CHOICE (0, "'content':null,'tool_calls':[" CALL ("1", "f", "{}", "") "]", "length"),
          "") },
  { "no reason for the end",
    "{'candidates':[{" PARTS ("{'text':'x'}") "}]," HEAD "}",
    OURS (CHOICE (0, "'content':'x'", "stop"), "") },
  { "an unsaid reason, with a call",
    ANSWER ("{'functionCall':{'id':'1','name':'f'}}", "FINISH_REASON_UNSPECIFIED"),
    OURS (CHOICE (0, "'content':null,'tool_calls':[" CALL ("1", "f", "{}", "") "]",
                  "tool_calls"), "") },
  { "an answer that was filtered half-way",
    ANSWER ("{'text':'How to'}", "SAFETY"),
    OURS (CHOICE (0, "'content':'How to','refusal':'Gemini ended the answer: SAFETY'",
                  "content_filter"), "") },
  { "a call that cannot be read",
    "{'candidates':[{'content':{},'finishReason':'MALFORMED_FUNCTION_CALL',"
    "'finishMessage':'Malformed function call: print(x)','index':0}]," HEAD "}",
    OURS (CHOICE (0, "'content':null,'refusal':'Gemini ended the answer: MALFORMED_FUNCTION_CALL: "
                  "Malformed function call: print(x)'", "content_filter"), "") },
  { "a prompt that was blocked",
    "{'promptFeedback':{'blockReason':'PROHIBITED_CONTENT','safetyRatings':[]},"
    "'usageMetadata':{'promptTokenCount':9,'totalTokenCount':9}," HEAD "}",
    OURS (CHOICE (0, "'content':null,'refusal':'Gemini blocked the prompt: PROHIBITED_CONTENT'",
                  "content_filter"),
          ",'usage':{'prompt_tokens':9,'completion_tokens':0,'total_tokens':9}") },
  { "a prompt that was blocked, with words",
    "{'candidates':[],'promptFeedback':{'blockReason':'OTHER','blockReasonMessage':'Not this.'},"
    HEAD "}",
    OURS (CHOICE (0, "'content':null,'refusal':'Gemini blocked the prompt: OTHER: Not this.'",
                  "content_filter"), "") },
  { "an image",
    ANSWER ("{'text':'Here:'},{'inlineData':{'mimeType':'image/png','data':'AA=='}}", "STOP"),
    OURS (CHOICE (0, "'content':'Here:','images':[{'type':'image_url','image_url':"
                  "{'url':'data:image/png;base64,AA=='}}]", "stop"), "") },
  { "log probabilities",
    "{'candidates':[{" PARTS ("{'text':'Hi'}") ",'finishReason':'STOP','logprobsResult':{"
    "'chosenCandidates':[{'token':'Hi','tokenId':5,'logProbability':-0.25},{'token':'!'}],"
    "'topCandidates':[{'candidates':[{'token':'Hi','logProbability':-0.25},"
    "{'token':'Yo','logProbability':-1.5}]}]}}]," HEAD "}",
    OURS ("{'index':0,'message':{'role':'assistant','content':'Hi'},'finish_reason':'stop',"
          "'logprobs':{'content':["
          "{'token':'Hi','logprob':-0.25,'bytes':null,'top_logprobs':["
          "{'token':'Hi','logprob':-0.25,'bytes':null},{'token':'Yo','logprob':-1.5,'bytes':null}]},"
          "{'token':'!','logprob':0,'bytes':null,'top_logprobs':[]}]}}", "") },
};

START_TEST (an_answer_is_translated)
{
  char *got = kit_reply (replies[_i].theirs, "0asked-for");

  ck_assert_msg (got != NULL, "%s: %s", replies[_i].name, kit_in.error);
  ck_assert_msg (kit_equal (replies[_i].name, got, replies[_i].ours), "%s", replies[_i].name);
  free (got);
}
END_TEST

static const char *const filtered[] = {
  "SAFETY", "RECITATION", "LANGUAGE", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
  "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE",
  "SOMETHING_THAT_IS_STILL_TO_COME",
};

START_TEST (no_answer_that_went_wrong_looks_complete)
{
  char body[512], want[64];
  int n = snprintf (body, sizeof body, "{'candidates':[{'finishReason':'%s'}]}", filtered[_i]);
  int m = snprintf (want, sizeof want, "ended the answer: %s\"", filtered[_i]);

  ck_assert (n > 0 && (size_t) n < sizeof body && m > 0 && (size_t) m < sizeof want);
  char *got = kit_reply (body, "0m");
  ck_assert_msg (got != NULL, "%s: %s", filtered[_i], kit_in.error);
  ck_assert_msg (strstr (got, want) != NULL
                 && strstr (got, "\"finish_reason\":\"content_filter\"") != NULL, "%s", got);
  free (got);
}
END_TEST

START_TEST (what_an_answer_leaves_out_is_filled_in)
{
  char *got = kit_reply ("{'candidates':[{" PARTS ("{'functionCall':{'name':'f'}}") "}]}",
                         "0asked-for");
  ck_assert_ptr_nonnull (got);
  ck_assert (kit_equal ("no head", got,
                        "{'id':'gemini-1a3185c507b','object':'chat.completion',"
                        "'created':1800000000,'model':'asked-for','choices':["
                        CHOICE (0, "'content':null,'tool_calls':["
                                CALL ("call_gemini-1a3185c507b_0_0", "f", "{}", "") "]",
                                "tool_calls") "]}"));
  free (got);
  got = kit_reply (ANSWER ("{'text':'x'}", "STOP"), ""); /* no note at all */
  ck_assert_ptr_nonnull (got);
  free (got);
}
END_TEST

static const char *const nonsense[] = {
  "", "null", "[]", "{}", "'text'", "{'candidates':[]}", "{'candidates':{}}",
  "{'candidates':[7]}", "{'candidates':[{'index':8,'finishReason':'STOP'}]}",
  "{'candidates':[{'index':2147483647,'finishReason':'STOP'}]}",
  "{'candidates':[{'index':0}]}", "{'candidates':[{'content':{'role':'model'}}]}",
  "{'usageMetadata':{'promptTokenCount':5}}", "{'promptFeedback':{}}",
  ANSWER ("7", "STOP"), ANSWER ("{'functionCall':{'args':{}}}", "STOP"),
  ANSWER ("{'functionCall':{'name':'f','args':[1]}}", "STOP"),
  ANSWER ("{'executableCode':{'code':'x'}}", "STOP"),
  ANSWER ("{'inlineData':{'mimeType':'audio/wav','data':'AA=='}}", "STOP"),
  ANSWER ("{'inlineData':{}}", "STOP"), ANSWER ("{'text':'x'}", "STOP") "x",
};

START_TEST (nonsense_is_no_answer)
{
  char *got = kit_reply (nonsense[_i], "0m");

  ck_assert_msg (got == NULL, "%s: %s", nonsense[_i], got);
  ck_assert_msg (kit_in.error[0] != '\0', "%s", nonsense[_i]);
}
END_TEST

/* ---- Streams -------------------------------------------------------------- */

#define EVENT(parts) "- {'candidates':[{" PARTS (parts) ",'index':0}]," HEAD "}"
#define CHUNK(choices, rest) \
  "{'id':'r1','object':'chat.completion.chunk','created':1800000000," \
  "'model':'gemini-3.8-flash','choices':[" choices "]" rest "}"
#define DELTA(index, delta) \
  CHUNK ("{'index':" #index ",'delta':{" delta "},'logprobs':null,'finish_reason':null}", "")
#define START(index) DELTA (index, "'role':'assistant','content':''")
#define FINISH(index, reason) \
  CHUNK ("{'index':" #index ",'delta':{},'logprobs':null,'finish_reason':'" reason "'}", "")

static const struct {
  const char *name, *note;
  const char *theirs[6];
  const char *ours[12];         /* "[DONE]" behind them */
} streams[] = {
  { "text, and its usage", "1m",
    { EVENT ("{'text':'One'}"), EVENT ("{'text':' two'},{'text':' three'}"),
      "- {'candidates':[{" PARTS ("{'text':'.'}") ",'finishReason':'STOP','index':0}],"
      "'usageMetadata':{'promptTokenCount':4,'candidatesTokenCount':7,'thoughtsTokenCount':2,"
      "'totalTokenCount':13}," HEAD "}" },
    { START (0), DELTA (0, "'content':'One'"), DELTA (0, "'content':' two three'"),
      DELTA (0, "'content':'.'"), FINISH (0, "stop"),
      CHUNK ("", ",'usage':{'prompt_tokens':4,'completion_tokens':9,'total_tokens':13,"
             "'completion_tokens_details':{'reasoning_tokens':2}}") } },
  { "usage that nobody asked for", "0m",
    { "- {'candidates':[{" PARTS ("{'text':'x'}") ",'finishReason':'STOP'}],"
      "'usageMetadata':{'promptTokenCount':4}," HEAD "}" },
    { START (0), DELTA (0, "'content':'x'"), FINISH (0, "stop") } },
  { "thoughts first, and a signature at the end", "0m",
    { EVENT ("{'text':'Hm','thought':true}"), EVENT ("{'text':'42'}"),
      "- {'candidates':[{" PARTS ("{'text':'','thoughtSignature':'c2ln'}")
      ",'finishReason':'STOP','index':0}]," HEAD "}" },
    { START (0), DELTA (0, "'reasoning_content':'Hm'"), DELTA (0, "'content':'42'"),
      DELTA (0, "'extra_content':{'google':{'thought_signature':'c2ln'}}"),
      FINISH (0, "stop") } },
  { "calls in several events", "0m",
    { EVENT ("{'text':'I ask.'}"),
      EVENT ("{'functionCall':{'name':'get','args':{'q':'x'}},'thoughtSignature':'c2ln'},"
             "{'functionCall':{'id':'fc-2','name':'now'}}"),
      "- {'candidates':[{" PARTS ("{'functionCall':{'name':'get','args':{}}}")
      ",'finishReason':'STOP','index':0}]," HEAD "}" },
    { START (0), DELTA (0, "'content':'I ask.'"),
      DELTA (0, "'tool_calls':[{'index':0,'id':'call_r1_0_0','type':'function','function':"
             "{'name':'get','arguments':'{\\'q\\':\\'x\\'}'},"
             "'extra_content':{'google':{'thought_signature':'c2ln'}}},"
             "{'index':1,'id':'fc-2','type':'function','function':{'name':'now',"
             "'arguments':'{}'}}]"),
      DELTA (0, "'tool_calls':[{'index':2,'id':'call_r1_0_2','type':'function','function':"
             "{'name':'get','arguments':'{}'}}]"), FINISH (0, "tool_calls") } },
  { "a reason for the end in each event", "0m",
    { "- {'candidates':[{" PARTS ("{'text':'a'}") ",'finishReason':'STOP'}]," HEAD "}",
      "- {'candidates':[{" PARTS ("{'text':'b'}") ",'finishReason':'STOP'}]," HEAD "}",
      "- {'candidates':[{'finishReason':'MAX_TOKENS'}]," HEAD "}" },
    { START (0), DELTA (0, "'content':'a'"), DELTA (0, "'content':'b'"),
      FINISH (0, "length") } },
  { "two candidates, in turn", "0m",
    { "- {'candidates':[{" PARTS ("{'text':'b'}") ",'index':1}]," HEAD "}",
      "- {'candidates':[{" PARTS ("{'text':'a'}") ",'finishReason':'STOP'},"
      "{'finishReason':'SAFETY','index':1}]," HEAD "}" },
    { START (1), DELTA (1, "'content':'b'"), START (0), DELTA (0, "'content':'a'"),
      DELTA (1, "'refusal':'Gemini ended the answer: SAFETY'"), FINISH (0, "stop"),
      FINISH (1, "content_filter") } },
  { "a prompt that was blocked", "1m",
    { "- {'promptFeedback':{'blockReason':'SAFETY'},'usageMetadata':{'promptTokenCount':4},"
      HEAD "}" },
    { START (0), DELTA (0, "'refusal':'Gemini blocked the prompt: SAFETY'"),
      FINISH (0, "content_filter"),
      CHUNK ("", ",'usage':{'prompt_tokens':4,'completion_tokens':0,'total_tokens':4}") } },
  { "log probabilities", "0m",
    { "- {'candidates':[{" PARTS ("{'text':'a'}") ",'finishReason':'STOP','logprobsResult':"
      "{'chosenCandidates':[{'token':'a','logProbability':-1}]}}]," HEAD "}" },
    { START (0),
      CHUNK ("{'index':0,'delta':{'content':'a'},'finish_reason':null,'logprobs':{'content':["
             "{'token':'a','logprob':-1,'bytes':null,'top_logprobs':[]}]}}", ""),
      FINISH (0, "stop") } },
  { "an event that says nothing", "0m",
    { "- {'usageMetadata':{'promptTokenCount':4}," HEAD "}", EVENT (""),
      "- {'candidates':[{'finishReason':'STOP'}]," HEAD "}" },
    { START (0), FINISH (0, "stop") } },
};

START_TEST (a_stream_is_translated)
{
  int rc;
  char *got = kit_stream (streams[_i].theirs, streams[_i].note, &rc), *line = got;

  ck_assert_msg (rc == KW_OK, "%s: %s", streams[_i].name, kit_in.error);
  for (int i = 0; streams[_i].ours[i] != NULL; i++) {
    char *end = strchr (line, '\n');
    ck_assert_msg (end != NULL, "%s: less than %d chunks", streams[_i].name, i + 1);
    *end = '\0';
    ck_assert_msg (kit_equal (streams[_i].name, line, streams[_i].ours[i]), "%s: chunk %d",
                   streams[_i].name, i);
    line = end + 1;
  }
  ck_assert_msg (strcmp (line, "[DONE]\n") == 0, "%s: at the end: %s", streams[_i].name, line);
  free (got);
}
END_TEST

static const struct { const char *name; const char *theirs[4]; } broken[] = {
  { "no event at all", { NULL } },
  { "no reason for the end", { EVENT ("{'text':'x'}") } },
  { "one candidate of two without a reason",
    { "- {'candidates':[{'finishReason':'STOP'},{" PARTS ("{'text':'x'}") "}]," HEAD "}" } },
  { "no JSON", { EVENT ("{'text':'x'}"), "- {'candidates':" } },
  { "no object", { "- [1]" } },
  { "a candidate that is none", { "- {'candidates':['x']}" } },
  { "too high an index", { "- {'candidates':[{'index':8}]}" } },
  { "a part that cannot be said", { EVENT ("{'codeExecutionResult':{}}") } },
};

START_TEST (a_stream_that_breaks_looks_broken)
{
  int rc;
  char *got = kit_stream (broken[_i].theirs, "1m", &rc);

  ck_assert_msg (rc != KW_OK && kit_in.error[0] != '\0', "%s: %s", broken[_i].name, got);
  ck_assert_msg (strstr (got, "[DONE]") == NULL
                 && strstr (got, "\"finish_reason\":\"") == NULL, "%s: %s", broken[_i].name, got);
  free (got);
}
END_TEST

START_TEST (whatever_an_answer_was_can_be_sent_back)
{
  static const char turn[] =
    ANSWER ("{'text':'Hm','thought':true},{'text':'I ask.','thoughtSignature':'YQ=='},"
            "{'functionCall':{'name':'f','args':{'a':1}},'thoughtSignature':'Yg=='}", "STOP");
  char *reply = kit_reply (turn, "0m"), body[2048];
  struct json_object *o = json_tokener_parse (reply), *message = NULL;
  struct kw_request r;

  ck_assert_int_eq (json_pointer_get (o, "/choices/0/message", &message), 0);
  int n = snprintf (body, sizeof body, "{\"messages\":[%s,{\"role\":\"tool\","
                    "\"tool_call_id\":\"call_r1_0_0\",\"content\":\"done\"}]}",
                    json_object_to_json_string (message));
  ck_assert (n > 0 && (size_t) n < sizeof body);
  ck_assert_msg (kit_prepare (&r, "/chat/completions", body) == KW_OK, "%s", kit_in.error);
  ck_assert (kit_equal ("sent back", r.body,
    "{'contents':[{'role':'model','parts':[{'text':'Hm','thought':true},"
    "{'text':'I ask.','thoughtSignature':'YQ=='},{'functionCall':{'id':'call_r1_0_0',"
    "'name':'f','args':{'a':1}},'thoughtSignature':'Yg=='}]},{'role':'user','parts':["
    "{'functionResponse':{'id':'call_r1_0_0','name':'f','response':{'result':'done'}}}]}]}"));
  json_object_put (o);
  free (reply);
  kit_clear (&r);
}
END_TEST

/* The kit's host looks into no string, as hosts before 1.0's last did not. */
START_TEST (a_wrapped_error_is_told_by_its_status_at_least)
{
  static const char body[] =
    "{\"error\":{\"message\":\"{\\n\\\"error\\\": {\\\"status\\\": \\\"RESOURCE_EXHAUSTED\\\"}}\","
    "\"code\":429,\"status\":\"Too Many Requests\"}}";
  struct kw_response resp = { .struct_size = sizeof resp, .http_status = 429,
    .received_ms = KIT_NOW, .body = body, .body_len = sizeof body - 1 };
  struct kw_verdict v = { .struct_size = sizeof v };

  ck_assert_int_eq (kit_plugin->classify (kit_self, &resp, &v), KW_OK);
  ck_assert_uint_eq (v.outcome, KW_OUTCOME_RATE_LIMIT);
}
END_TEST

static Suite *
answer_suite (void)
{
  Suite *s = suite_create ("gemini answers");
  TCase *tc = tcase_create ("answers");

  tcase_add_checked_fixture (tc, setup, kit_unload);
  tcase_add_loop_test (tc, an_answer_is_translated, 0, N (replies));
  tcase_add_loop_test (tc, no_answer_that_went_wrong_looks_complete, 0, N (filtered));
  tcase_add_test (tc, what_an_answer_leaves_out_is_filled_in);
  tcase_add_loop_test (tc, nonsense_is_no_answer, 0, N (nonsense));
  tcase_add_loop_test (tc, a_stream_is_translated, 0, N (streams));
  tcase_add_loop_test (tc, a_stream_that_breaks_looks_broken, 0, N (broken));
  tcase_add_test (tc, whatever_an_answer_was_can_be_sent_back);
  tcase_add_test (tc, a_wrapped_error_is_told_by_its_status_at_least);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (answer_suite)

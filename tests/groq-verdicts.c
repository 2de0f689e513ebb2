/* groq-verdicts - answers of one kind each, and the verdict, scope and reason
 * that the core gets for them.  A part of test_groq. */
#include <string.h>

#include "groqtest.h"

#define TPD "\"message\":\"Rate limit reached for model `m` in organization `org_1` on " \
            "tokens per day (TPD): Limit 100, Used 100, Requested 1. Please try again " \
            "in 14m24s.\""
#define WORDS "Rate limit reached for model `m` in organization `org_1` on tokens per " \
              "day (TPD): Limit 5, Used 9, Requested 9. billing spend_limit_reached"

static const struct {
  int status, in_stream;
  const char *body;
  uint32_t outcome, scope;
  const char *reason;
} cases[] = {
  /* Streams: an event with a status, a bare one, and the string in a chunk. */
  { 200, 1, ERROR ("\"message\":\"x\",\"status_code\":400"),
    REQ, KW_SCOPE_REQUEST, "" },
  { 200, 1, ERROR ("\"message\":\"x\",\"status_code\":503"), TRANS, KW_SCOPE_REQUEST, "" },
  { 200, 1, ERROR ("\"message\":\"x\",\"status_code\":401"), AUTH, KW_SCOPE_KEY, "" },
  { 200, 1, ERROR (TPD ",\"status_code\":429"),
    DAILY, KW_SCOPE_ACCOUNT_MODEL, "tokens_per_day" },
  { 200, 1, ERROR (TPD), DAILY, KW_SCOPE_ACCOUNT_MODEL, "tokens_per_day" },
  { 200, 1, ERROR ("\"code\":\"invalid_api_key\""),
    AUTH, KW_SCOPE_KEY, "invalid_api_key" },
  { 200, 1, ERROR ("\"type\":\"invalid_request_error\""),
    REQ, KW_SCOPE_REQUEST, "invalid_request_error" },
  { 200, 1, ERROR ("\"type\":\"internal_server_error\""),
    TRANS, KW_SCOPE_REQUEST, "internal_server_error" },
  { 200, 1, "{\"choices\":[],\"x_groq\":{\"error\":\"over capacity\"}}",
    TRANS, KW_SCOPE_REQUEST, "stream_error" },
  { 200, 1, "{\"error\":\"over capacity\"}", TRANS, KW_SCOPE_REQUEST, "stream_error" },
  { 200, 1, "upstream connect error", TRANS, KW_SCOPE_REQUEST, "stream_error" },
  { 200, 1, "{\"message\":\"overloaded\"}", TRANS, KW_SCOPE_REQUEST, "overloaded" },
  { 200, 1, "{\"error\":{}}", TRANS, KW_SCOPE_REQUEST, "stream_error" },
  { 200, 1, "{\"object\":\"chat.completion.chunk\",\"choices\":[],\"x_groq\":"
            "{\"id\":\"req_1\",\"error\":\"over capacity\"}}",
    TRANS, KW_SCOPE_REQUEST, "stream_error" },
  { 200, 1, "{\"object\":\"chat.completion.chunk\",\"choices\":[{\"tool\":"
            "{\"error\":\"x\"}}],\"x_groq\":{\"id\":\"req_1\",\"error\":null}}",
    OK, KW_SCOPE_REQUEST, "" },
  /* What users wrote is no news of Groq's. */
  { 400, 0, ERROR ("\"message\":\"Failed to call\",\"code\":\"tool_use_failed\","
                   "\"failed_generation\":\"" WORDS "\""),
    REQ, KW_SCOPE_REQUEST, "tool_use_failed" },
  { 400, 0, ERROR ("\"message\":\"property '" WORDS "' is unsupported\""),
    REQ, KW_SCOPE_REQUEST, "" },
  { 200, 1, ERROR ("\"message\":\"Failed to generate JSON.\",\"failed_generation\":"
                   "\"" WORDS "\",\"status_code\":400"), REQ, KW_SCOPE_REQUEST, "" },
  { 200, 0, "{\"choices\":[{\"message\":{\"content\":\"" WORDS "\"}}]}",
    OK, KW_SCOPE_REQUEST, "" },
  { 400, 0, ERROR (TPD), REQ, KW_SCOPE_REQUEST, "" },
  { 503, 0, WORDS, TRANS, KW_SCOPE_REQUEST, "" },
  /* Money, for a key: no account is named. */
  { 400, 0, ERROR ("\"code\":\"organization_restricted\""),
    BILL, KW_SCOPE_KEY, "organization_restricted" },
  { 403, 0, ERROR ("\"code\":\"spend_limit_reached\""),
    BILL, KW_SCOPE_KEY, "spend_limit_reached" },
  { 429, 0, ERROR ("\"code\":\"blocked_api_access\""),
    BILL, KW_SCOPE_KEY, "blocked_api_access" },
  { 400, 0, ERROR ("\"message\":\"Organization has been restricted. Please\""),
    BILL, KW_SCOPE_KEY, "organization_blocked" },
  /* 403 and its four meanings. */
  { 403, 0, ERROR ("\"code\":\"model_permission_blocked_org\""),
    AUTH, KW_SCOPE_KEY_MODEL, "model_permission_blocked_org" },
  { 403, 0, ERROR ("\"code\":\"model_permission_blocked_project\""),
    AUTH, KW_SCOPE_KEY_MODEL, "model_permission_blocked_project" },
  { 403, 0, ERROR ("\"type\":\"permissions_error\""),
    AUTH, KW_SCOPE_KEY_MODEL, "permissions_error" },
  { 403, 0, ERROR ("\"message\":\"The model `m` is blocked at the project level.\""),
    AUTH, KW_SCOPE_KEY_MODEL, "model_blocked" },
  { 403, 0, ERROR ("\"message\":\"x\",\"code\":\"other\""),
    AUTH, KW_SCOPE_KEY, "other" },
  { 403, 0, ERROR ("\"message\":\"Access denied. Please check your network settings.\""),
    REQ, KW_SCOPE_PROVIDER, "network_blocked" },
  { 403, 0, "<html>Attention Required!", TRANS, KW_SCOPE_PROVIDER, "edge_block" },
  { 403, 0, "", TRANS, KW_SCOPE_PROVIDER, "edge_block" },
  /* Statuses alone, and bodies that say nothing. */
  { 200, 0, "", OK, KW_SCOPE_REQUEST, "" },
  { 200, 0, "{\"error\":null,\"id\":\"resp_1\"}", OK, KW_SCOPE_REQUEST, "" },
  { 401, 0, "", AUTH, KW_SCOPE_KEY, "" },
  { 404, 0, "[]", REQ, KW_SCOPE_REQUEST, "" },
  { 408, 0, "", TRANS, KW_SCOPE_REQUEST, "" },
  { 413, 0, "<html>", REQ, KW_SCOPE_REQUEST, "request_too_large" },
  { 422, 0, ERROR ("\"code\":\"x\""), REQ, KW_SCOPE_REQUEST, "x" },
  { 424, 0, "null", REQ, KW_SCOPE_REQUEST, "" },
  { 429, 0, "{\"error\":", RATE, KW_SCOPE_KEY_MODEL, "" },
  { 429, 0, "{\"error\":{\"message\":7}}", RATE, KW_SCOPE_KEY_MODEL, "" },
  { 429, 0, "", RATE, KW_SCOPE_KEY_MODEL, "" },
  { 429, 0, "\"text\"", RATE, KW_SCOPE_KEY_MODEL, "" },
  { 498, 0, ERROR ("\"message\":\"`flex` tier capacity exceeded\""),
    TRANS, KW_SCOPE_REQUEST, "flex_capacity" },
  { 499, 0, "", REQ, KW_SCOPE_REQUEST, "" },
  { 500, 0, "{}", TRANS, KW_SCOPE_REQUEST, "" },
  { 502, 0, "<html>", TRANS, KW_SCOPE_REQUEST, "" },
  { 504, 0, "", TRANS, KW_SCOPE_REQUEST, "" },
  /* Larger than the allowance, under any status. */
#define LARGE "\"message\":\"Rate limit reached for model `m` on tokens per day " \
              "(TPD): Limit 100, Used 0, Requested 101. Please try again in 864s.\"," \
              "\"code\":\"rate_limit_exceeded\""
  { 429, 0, ERROR (LARGE), REQ, KW_SCOPE_REQUEST, "request_too_large" },
  { 413, 0, ERROR (LARGE), REQ, KW_SCOPE_REQUEST, "request_too_large" },
  { 400, 0, ERROR (LARGE), REQ, KW_SCOPE_REQUEST, "request_too_large" },
  { 503, 0, ERROR (LARGE), REQ, KW_SCOPE_REQUEST, "request_too_large" },
  { 200, 0, ERROR (LARGE), REQ, KW_SCOPE_REQUEST, "request_too_large" },
  { 200, 1, ERROR (LARGE), REQ, KW_SCOPE_REQUEST, "request_too_large" },
  { 429, 0, ERROR ("\"message\":\"Request too large for model `m`\""),
    REQ, KW_SCOPE_REQUEST, "request_too_large" },
};

START_TEST (an_answer_means_what_its_members_say)
{
  judge (cases[_i].status, cases[_i].in_stream, NULL, cases[_i].body);
  ck_assert_msg (j.outcome == cases[_i].outcome && j.scope == cases[_i].scope
                 && strcmp (j.reason, cases[_i].reason) == 0,
                 "HTTP %d, in_stream %d, %s\nshould be %s, scope %u, \"%s\"\n"
                 "and is    %s, scope %u, \"%s\"", cases[_i].status, cases[_i].in_stream,
                 cases[_i].body, kw_verdict_name ((int) cases[_i].outcome), cases[_i].scope,
                 cases[_i].reason, kw_verdict_name ((int) j.outcome), j.scope, j.reason);
}
END_TEST

void
add_verdict_tests (TCase *tc)
{
  tcase_add_loop_test (tc, an_answer_means_what_its_members_say, 0,
                       (int) (sizeof cases / sizeof cases[0]));
}

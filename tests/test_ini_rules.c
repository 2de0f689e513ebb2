/* test_ini_rules - rules that the user writes (plugins/kit/ini-rule), through the
 * plugin "compatible" as the core loads it: what they look at, what they make of
 * an answer, and what is said of those that are wrong. */
#include <inttypes.h>
#include <string.h>

#include "answers.h"

#define NOW ANSWERS_NOW         /* 13:00 UTC, 5:00 in California, on January 15th */
#define SECOND INT64_C (1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define N(array) ((int) (sizeof (array) / sizeof (array)[0]))

enum { OK = KW_OUTCOME_OK, DAILY = KW_OUTCOME_DAILY_LIMIT, RATE = KW_OUTCOME_RATE_LIMIT,
       AUTH = KW_OUTCOME_AUTH, BILL = KW_OUTCOME_BILLING, REQ = KW_OUTCOME_REQUEST,
       TRANS = KW_OUTCOME_TRANSIENT };
enum { REQUEST = KW_SCOPE_REQUEST, KEY = KW_SCOPE_KEY, KEY_MODEL = KW_SCOPE_KEY_MODEL,
       ACCOUNT = KW_SCOPE_ACCOUNT, ACCOUNT_MODEL = KW_SCOPE_ACCOUNT_MODEL,
       PROVIDER = KW_SCOPE_PROVIDER };

static struct judge g;
static struct kwi_judgement j;
static struct kw_error err;

static int
set (const char *option, const char *value)
{
  int unknown;

  err = (struct kw_error) KW_ERROR_INIT;
  return kwi_instance_config (g.in, option, value, &unknown, &err);
}

static void
must_set (const char *option, const char *value)
{
  ck_assert_msg (set (option, value) == 0, "%s = %s: %s", option, value, err.message);
}

static void
open_compatible (void)
{
  judge_open (&g, "compatible");
}

static void
close_it (void)
{
  judge_close (&g);
}

/* ---- What rules make of an answer ---------------------------------------- */

/* 429 and no word that is known. */
#define BODY "{\"error\":{\"code\":\"gone_7\",\"type\":\"busy\",\"message\":\"Try Later, " \
             "please\",\"retry_after\":90,\"who\":\"acct-7\",\"n\":1305,\"ok\":false}," \
             "\"a/b\":\"slash\",\"c~d\":\"tilde\",\"e f\":\"blank\"}"

static const struct {
  const char *rule;
  int status, in_stream;
  const char *headers, *body;
  uint32_t outcome, scope;
  int64_t wait_ms;              /* -1: none */
  const char *account, *reason;
} rules[] = {
  /* Subjects. */
  { "/error/code == \"gone_7\" -> BILLING", 429, 0, NULL, BODY,
    BILL, KEY, -1, "", "gone_7" },
  { "/error/code == gone_7 -> BILLING", 429, 0, NULL, BODY, BILL, KEY, -1, "",
    "gone_7" },
  { "/error/code = gone_7 -> BILLING", 429, 0, NULL, BODY, BILL, KEY, -1, "",
    "gone_7" },
  { "/error/n == 1305 -> BILLING", 429, 0, NULL, BODY, BILL, KEY, -1, "", "gone_7" },
  { "/error/ok == false -> BILLING", 429, 0, NULL, BODY, BILL, KEY, -1, "", "gone_7" },
  { "/a~1b == slash -> BILLING", 429, 0, NULL, BODY, BILL, KEY, -1, "", "gone_7" },
  { "/c~0d == tilde -> BILLING", 429, 0, NULL, BODY, BILL, KEY, -1, "", "gone_7" },
  { "\"/e f\" == blank -> BILLING", 429, 0, NULL, BODY, BILL, KEY, -1, "", "gone_7" },
  { "code == gone_7 -> BILLING", 429, 0, NULL, BODY, BILL, KEY, -1, "", "gone_7" },
  { "type == busy -> BILLING", 429, 0, NULL, BODY, BILL, KEY, -1, "", "gone_7" },
  { "message contains Later -> BILLING", 429, 0, NULL, "[" BODY "]", BILL, KEY, -1, "",
    "gone_7" },
  { "header X-Quota-Window prefix month -> BILLING", 429, 0, "x-quota-window: monthly", "{}",
    BILL, KEY, -1, "", "x" },
  { "status 418 -> TRANSIENT", 418, 0, NULL, "{}", TRANS, REQUEST, -1, "", "x" },
  { "status == 418 -> TRANSIENT", 418, 0, NULL, "", TRANS, REQUEST, -1, "", "x" },
  { "status = 418 -> TRANSIENT", 418, 0, NULL, "<html>", TRANS, REQUEST, -1, "", "x" },
  /* Comparisons: the whole, the beginning, anywhere; as it is written. */
  { "/error/message prefix \"Try Later\" -> BILLING", 429, 0, NULL, BODY, BILL, KEY, -1, "",
    "gone_7" },
  { "/error/message prefix \"try later\" nocase -> BILLING", 429, 0, NULL, BODY, BILL, KEY, -1,
    "", "gone_7" },
  { "/error/message contains LATER nocase -> BILLING", 429, 0, NULL, BODY, BILL, KEY, -1, "",
    "gone_7" },
  { "/error/code == GONE_7 nocase -> BILLING", 429, 0, NULL, BODY, BILL, KEY, -1, "",
    "gone_7" },
  { "message == \"say \\\"no\\\" \\\\ ever\\; ok\" -> BILLING", 429, 0, NULL,
    "{\"message\":\"say \\\"no\\\" \\\\ ever; ok\"}", BILL, KEY, -1, "", "x" },
  { "message == \"->\" -> BILLING", 429, 0, NULL, "{\"message\":\"->\"}", BILL, KEY, -1, "",
    "x" },
  /* With a status. */
  { "/error/message contains Later status 429 -> BILLING", 429, 0, NULL, BODY, BILL, KEY, -1,
    "", "gone_7" },
  { "message contains Later nocase status == 429 -> BILLING", 429, 0, NULL, BODY, BILL, KEY,
    -1, "", "gone_7" },
  /* Tabs and many blanks are blanks. */
  { "\t message   contains\tLater  ->   BILLING\t", 429, 0, NULL, BODY, BILL, KEY, -1, "",
    "gone_7" },
  /* A good status: only for those that ask for it, or where there is an error. */
  { "/state == over status 200 -> DAILY_LIMIT", 200, 0, NULL, "{\"state\":\"over\"}",
    DAILY, KEY_MODEL, -1, "", "x" },
  { "header x-over == yes status 200 -> DAILY_LIMIT", 200, 0, "x-over: yes",
    "{\"choices\":[]}", DAILY, KEY_MODEL, -1, "", "x" },
  { "code == gone_7 -> BILLING", 200, 0, NULL, BODY, BILL, KEY, -1, "", "gone_7" },
  { "code == gone_7 status 200 -> BILLING", 200, 0, NULL, BODY, BILL, KEY, -1, "",
    "gone_7" },
  { "message contains x status 429 -> BILLING", 200, 0, NULL,
    "{\"error\":{\"message\":\"x\",\"code\":429}}", BILL, KEY, -1, "", "x" },
  { "code == gone_7 -> BILLING", 200, 1, NULL, BODY, BILL, KEY, -1, "", "gone_7" },
  /* Verdicts and their usual scopes. */
  { "code == gone_7 -> DAILY_LIMIT", 400, 0, NULL, BODY, DAILY, KEY_MODEL, 90 * SECOND,
    "", "gone_7" },
  { "code == gone_7 -> RATE_LIMIT", 400, 0, NULL, BODY, RATE, KEY_MODEL, 90 * SECOND, "",
    "gone_7" },
  { "code == gone_7 -> AUTH", 400, 0, NULL, BODY, AUTH, KEY, -1, "", "gone_7" },
  { "code == gone_7 -> REQUEST", 429, 0, NULL, BODY, REQ, REQUEST, -1, "",
    "gone_7" },
  { "code == gone_7 -> TRANSIENT", 429, 0, NULL, BODY, TRANS, REQUEST, 90 * SECOND, "",
    "gone_7" },
  /* Scopes. */
  { "code == gone_7 -> DAILY_LIMIT scope=key", 429, 0, NULL, BODY, DAILY, KEY,
    90 * SECOND, "", "gone_7" },
  { "code == gone_7 -> DAILY_LIMIT scope=provider", 429, 0, NULL, BODY, DAILY, PROVIDER,
    90 * SECOND, "", "gone_7" },
  { "code == gone_7 -> AUTH scope=key_model", 429, 0, NULL, BODY, AUTH, KEY_MODEL, -1, "",
    "gone_7" },
  { "code == gone_7 -> DAILY_LIMIT account=/error/who", 429, 0, NULL, BODY, DAILY,
    ACCOUNT_MODEL, 90 * SECOND, "acct-7", "gone_7" },
  { "code == gone_7 -> BILLING account=header X-Org", 429, 0, "x-org: org-9", BODY,
    BILL, ACCOUNT, -1, "org-9", "gone_7" },
  { "code == gone_7 -> DAILY_LIMIT scope=account account=/error/who", 429, 0, NULL, BODY,
    DAILY, ACCOUNT, 90 * SECOND, "acct-7", "gone_7" },
  { "code == gone_7 -> TRANSIENT scope=provider", 429, 0, NULL, BODY, TRANS, PROVIDER,
    90 * SECOND, "", "gone_7" },
  /* Waits: the rule's, in every form, before the answer's. */
  { "code == gone_7 -> TRANSIENT wait=30s", 429, 0, NULL, BODY, TRANS, REQUEST,
    30 * SECOND, "", "gone_7" },
  { "code == gone_7 -> DAILY_LIMIT wait = 1h30m", 429, 0, NULL, BODY, DAILY, KEY_MODEL,
    HOUR + HOUR / 2, "", "gone_7" },
  { "code == gone_7 -> DAILY_LIMIT wait =1d", 429, 0, NULL, BODY, DAILY, KEY_MODEL, DAY,
    "", "gone_7" },
  { "code == gone_7 -> DAILY_LIMIT wait= 250ms", 429, 0, NULL, BODY, DAILY, KEY_MODEL,
    250, "", "gone_7" },
  { "code == gone_7 -> DAILY_LIMIT wait=/error/retry_after", 429, 0, "retry-after: 5",
    BODY, DAILY, KEY_MODEL, 90 * SECOND, "", "gone_7" },
  { "code == gone_7 -> DAILY_LIMIT wait=header X-Back", 429, 0, "x-back: 1m26.4s", BODY,
    DAILY, KEY_MODEL, 86400, "", "gone_7" },
  { "code == gone_7 -> DAILY_LIMIT wait=header X-Back", 429, 0,
    "x-back: Fri, 15 Jan 2027 14:00:00 GMT", BODY, DAILY, KEY_MODEL, HOUR, "", "gone_7" },
  { "code == gone_7 -> BILLING wait=2h", 429, 0, NULL, BODY, BILL, KEY, 2 * HOUR, "",
    "gone_7" },
  { "code == gone_7 -> DAILY_LIMIT wait=header X-None", 429, 0, "retry-after: 5", BODY,
    DAILY, KEY_MODEL, 5 * SECOND, "", "gone_7" },
  /* Resets; a wait that is there goes before one. */
  { "code == gone_7 -> DAILY_LIMIT reset=midnight_utc", 429, 0, "retry-after: 5", BODY,
    DAILY, KEY_MODEL, 11 * HOUR, "", "gone_7" },
  { "code == gone_7 -> DAILY_LIMIT reset=midnight_pacific", 429, 0, NULL, BODY, DAILY,
    KEY_MODEL, 19 * HOUR, "", "gone_7" },
  { "code == gone_7 -> BILLING reset=month_utc", 429, 0, NULL, BODY, BILL, KEY,
    16 * DAY + 11 * HOUR, "", "gone_7" },
  { "code == gone_7 -> DAILY_LIMIT reset=header X-Reset", 429, 0,
    "x-reset: 1800021600", BODY, DAILY, KEY_MODEL, HOUR, "", "gone_7" },
  { "code == gone_7 -> DAILY_LIMIT reset=header X-Reset", 429, 0, "x-reset: 3600", BODY,
    DAILY, KEY_MODEL, HOUR, "", "gone_7" },
  { "code == gone_7 -> DAILY_LIMIT wait=header X-Back reset=midnight_utc", 429, 0, NULL,
    BODY, DAILY, KEY_MODEL, 11 * HOUR, "", "gone_7" },
  { "code == gone_7 -> DAILY_LIMIT reset=midnight_utc wait=/error/retry_after", 429, 0,
    NULL, BODY, DAILY, KEY_MODEL, 90 * SECOND, "", "gone_7" },
  /* Reasons. */
  { "code == gone_7 -> DAILY_LIMIT dimension=tokens_per_day", 429, 0, NULL, BODY, DAILY,
    KEY_MODEL, 90 * SECOND, "", "tokens_per_day" },
  { "message contains \"per minute\" -> DAILY_LIMIT", 429, 0, NULL,
    "{\"error\":{\"message\":\"10 calls per minute\"}}", DAILY, KEY_MODEL, -1, "", "x" },
  /* The rule goes before what is built in, and one that does not fit changes nothing. */
  { "code == insufficient_quota -> RATE_LIMIT wait=1s", 429, 0, NULL,
    "{\"error\":{\"code\":\"insufficient_quota\"}}", RATE, KEY_MODEL, SECOND, "",
    "insufficient_quota" },
  { "code == other -> AUTH", 429, 0, NULL, "{\"error\":{\"code\":\"insufficient_quota\"}}",
    BILL, KEY, -1, "", "insufficient_quota" },
};

START_TEST (a_rule_decides_what_fits_it)
{
  must_set ("rule_x", rules[_i].rule);
  judge_answer (&g, NOW, rules[_i].status, rules[_i].in_stream, rules[_i].headers,
                rules[_i].body, &j);
  ck_assert_msg (j.outcome == rules[_i].outcome && j.scope == rules[_i].scope
                 && j.wait_ms == rules[_i].wait_ms && strcmp (j.account, rules[_i].account) == 0
                 && strcmp (j.reason, rules[_i].reason) == 0,
                 "%s\n%s\n%s, scope %u, wait %" PRId64 ", account \"%s\", reason \"%s\"\n"
                 "should be %s, scope %u, wait %" PRId64 ", account \"%s\", reason \"%s\"",
                 rules[_i].rule, rules[_i].body, kw_verdict_name ((int) j.outcome), j.scope,
                 j.wait_ms, j.account, j.reason, kw_verdict_name ((int) rules[_i].outcome),
                 rules[_i].scope, rules[_i].wait_ms, rules[_i].account, rules[_i].reason);
}
END_TEST

/* Answers that a rule does not fit: the verdict is that without it. */
static const struct {
  const char *rule;
  int status, in_stream;
  const char *headers, *body;
  uint32_t outcome;
} others[] = {
  { "/error/code == gone -> AUTH", 429, 0, NULL, BODY, RATE },
  { "/error/code == gone_77 -> AUTH", 429, 0, NULL, BODY, RATE },
  { "/error/code == Gone_7 -> AUTH", 429, 0, NULL, BODY, RATE },
  { "/error/code prefix one_7 -> AUTH", 429, 0, NULL, BODY, RATE },
  { "/error/message contains later -> AUTH", 429, 0, NULL, BODY, RATE },
  { "/error == gone_7 -> AUTH", 429, 0, NULL, BODY, RATE },
  { "/none == gone_7 -> AUTH", 429, 0, NULL, BODY, RATE },
  { "/error/code == gone_7 status 400 -> AUTH", 429, 0, NULL, BODY, RATE },
  { "header x-a == 1 -> AUTH", 429, 0, "x-b: 1", BODY, RATE },
  { "status 428 -> AUTH", 429, 0, NULL, BODY, RATE },
  /* Good answers have headers, too; an event's are as old as its stream. */
  { "header x-window prefix day -> DAILY_LIMIT", 200, 0, "x-window: day", "{\"choices\":[]}",
    OK },
  { "/object == chat.completion -> DAILY_LIMIT", 200, 0, NULL,
    "{\"object\":\"chat.completion\"}", OK },
  { "/object == x status 200 -> DAILY_LIMIT", 200, 0, NULL,
    "{\"object\":\"chat.completion\"}", OK },
  { "header x-window prefix day -> AUTH", 200, 1, "x-window: day", BODY, TRANS },
};

START_TEST (a_rule_leaves_other_answers_alone)
{
  must_set ("rule_x", others[_i].rule);
  judge_answer (&g, NOW, others[_i].status, others[_i].in_stream, others[_i].headers,
                others[_i].body, &j);
  ck_assert_msg (j.outcome == others[_i].outcome, "%s\n%s: %s, and should be %s",
                 others[_i].rule, others[_i].body, kw_verdict_name ((int) j.outcome),
                 kw_verdict_name ((int) others[_i].outcome));
}
END_TEST

START_TEST (rules_are_tried_in_the_order_of_the_file)
{
  must_set ("rule_z", "code == a -> AUTH");
  must_set ("rule_a", "code prefix a -> BILLING");
  must_set ("rule_m", "status 429 -> REQUEST");
  judge_answer (&g, NOW, 429, 0, NULL, "{\"error\":{\"code\":\"a\"}}", &j);
  ck_assert_int_eq (j.outcome, AUTH);
  judge_answer (&g, NOW, 429, 0, NULL, "{\"error\":{\"code\":\"ab\"}}", &j);
  ck_assert_int_eq (j.outcome, BILL);
  judge_answer (&g, NOW, 429, 0, NULL, "{\"error\":{\"code\":\"b\"}}", &j);
  ck_assert_int_eq (j.outcome, REQ);
  judge_answer (&g, NOW, 428, 0, NULL, "{\"error\":{\"code\":\"b\"}}", &j);
  ck_assert_int_eq (j.outcome, REQ);
}
END_TEST

START_TEST (a_limits_text_is_read_as_ever)
{
  must_set ("rule_x", "message contains \"used up\" -> DAILY_LIMIT");
  judge_answer (&g, NOW, 403, 0, NULL, "{\"error\":{\"message\":\"used up in organization org-4: "
                "tokens per day (TPD): Limit 100, Used 99, Requested 2. Try again in 14m24s.\"}}",
                &j);
  ck_assert_int_eq (j.outcome, DAILY);
  ck_assert_int_eq (j.wait_ms, 864 * SECOND);
  ck_assert_str_eq (j.account, "org-4");
  ck_assert_int_eq (j.n_buckets, 1);
  ck_assert_str_eq (j.bucket[0].dimension, "tokens_per_day");
  ck_assert_int_eq (j.bucket[0].limit, 100);
}
END_TEST

START_TEST (a_day_of_a_rule_ends_when_the_providers_does)
{
  must_set ("rule_x", "code == a -> DAILY_LIMIT");
  must_set ("day_ends", "midnight_utc");
  judge_answer (&g, NOW, 429, 0, NULL, "{\"error\":{\"code\":\"a\"}}", &j);
  ck_assert_int_eq (j.wait_ms, 11 * HOUR);
  judge_answer (&g, NOW, 429, 0, "retry-after: 7", "{\"error\":{\"code\":\"a\"}}", &j);
  ck_assert_int_eq (j.wait_ms, 7 * SECOND);
}
END_TEST

START_TEST (every_member_of_the_family_takes_rules)
{
  static const char *const names[] = { "azure", "cerebras", "deepseek", "groq", "mistral",
                                       "openai", "openrouter", "together", "xai" };
  for (int i = 0; i < N (names); i++) {
    judge_close (&g);
    judge_open (&g, names[i]);
    must_set ("rule_new_words", "code == brand_new -> DAILY_LIMIT wait=3h");
    judge_answer (&g, NOW, 429, 0, NULL, "{\"error\":{\"code\":\"brand_new\"}}", &j);
    ck_assert_msg (j.outcome == DAILY && j.wait_ms == 3 * HOUR, "%s: %s, %" PRId64, names[i],
                   kw_verdict_name ((int) j.outcome), j.wait_ms);
  }
}
END_TEST

/* ---- What is wrong with a rule ------------------------------------------- */

#define X30 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X120 X30 X30 X30 X30

static const struct { const char *rule, *says; } mistakes[] = {
  /* Subjects */
  { "", "the end, at character 1, is nothing that a rule can look at (allowed: code, type, "
        "message, status, /POINTER, header NAME)" },
  { "error/code == x -> AUTH", "\"error/code\" at character 1 is nothing that a rule can look "
                               "at (allowed: code," },
  { "mesage == x -> AUTH", "\"mesage\" at character 1 is nothing that a rule can look at; did "
                           "you mean message?" },
  { "\"code\" == x -> AUTH", "\"code\" at character 1 is nothing that a rule can look at (" },
  { "/a~2 == x -> AUTH", "\"/a~2\" at character 1 is no JSON pointer; behind \"~\" allowed: 0 " },
  { "/a~ == x -> AUTH", "is no JSON pointer" },
  { "/" X120 X30 " == x -> AUTH", "at character 1 is too long; allowed: 127 bytes" },
  { "header", "the end, at character 7, is no header's name; allowed: 1 to 127 of" },
  { "header x:y == x -> AUTH", "\"x:y\" at character 8 is no header's name" },
  { "header \"\" == x -> AUTH", "\"\" at character 8 is no header's name" },
  /* Comparisons */
  { "/a", "the end, at character 3, is no comparison; blanks stand round one (allowed: ==, =, "
          "prefix, contains)" },
  { "/a equals x -> AUTH", "\"equals\" at character 4 is no comparison" },
  { "/a contain x -> AUTH", "\"contain\" at character 4 is no comparison; blanks stand round "
                            "one; did you mean contains?" },
  { "/a==x -> AUTH", "\"->\" at character 7 is no comparison" },
  { "/a ==x -> AUTH", "\"==x\" at character 4 is no comparison" },
  { "/a ==", "the end, at character 6, is no text to compare with" },
  { "/a == -> AUTH", "\"->\" at character 7 is no text to compare with" },
  { "/a == \"\" -> AUTH", "\"\" at character 7 is no text to compare with" },
  { "/a == \"b -> AUTH", "the quotes at character 7 are not closed" },
  { "/a == \"b\\", "the quotes at character 7 are not closed" },
  { "/a == \"b\"c -> AUTH", "\"b\" at character 7 goes on behind its quotes" },
  { "/a == try later -> AUTH", "\"later\" at character 11 stands where the condition should end "
                               "(allowed: ->, nocase, status)" },
  { "/a == x nocsae -> AUTH", "did you mean nocase?" },
  { "/a == x", "the end, at character 8, stands where the condition should end" },
  /* Statuses */
  { "status", "the end, at character 7, is no HTTP status; allowed: 100 to 599" },
  { "status 42 -> AUTH", "\"42\" at character 8 is no HTTP status" },
  { "status 099 -> AUTH", "\"099\" at character 8 is no HTTP status" },
  { "status 600 -> AUTH", "\"600\" at character 8 is no HTTP status" },
  { "status 5xx -> AUTH", "\"5xx\" at character 8 is no HTTP status" },
  { "status prefix 5 -> AUTH", "\"prefix\" at character 8 is no HTTP status" },
  { "/a == x status 4294967725 -> AUTH", "is no HTTP status" },
  { "status 200 -> AUTH", "status 200 alone would make every good answer a bad one" },
  /* Verdicts */
  { "/a == x ->", "the end, at character 11, is no verdict (allowed: DAILY_LIMIT, RATE_LIMIT, "
                  "AUTH, BILLING, TRANSIENT, REQUEST)" },
  { "/a == x -> DAYLY_LIMIT", "\"DAYLY_LIMIT\" at character 12 is no verdict; did you mean "
                              "DAILY_LIMIT?" },
  { "/a == x -> daily_limit", "did you mean DAILY_LIMIT?" },
  { "/a == x -> DAILY", "did you mean DAILY_LIMIT?" },
  { "/a == x -> OK", "\"OK\" at character 12 is no verdict (" },
  { "/a == x -> UNKNOWN", "is no verdict" },
  /* Settings */
  { "/a == x -> AUTH key", "\"key\" at character 17 is nothing that can be set (allowed: scope, "
                           "wait, reset, account, dimension)" },
  { "/a == x -> AUTH sope=key", "\"sope\" at character 17 is nothing that can be set; did you "
                                "mean scope?" },
  { "/a == x -> AUTH scope", "the end, at character 22, stands where the \"=\" behind \"scope\" "
                             "should be" },
  { "/a == x -> AUTH scope key", "\"key\" at character 23 stands where the \"=\" behind \"scope\"" },
  { "/a == x -> AUTH scope=", "the end, at character 23, is no value of \"scope\"" },
  { "/a == x -> AUTH scope =", "the end, at character 24, is no value of \"scope\"" },
  { "/a == x -> AUTH scope=keys", "\"keys\" at character 23 is no scope of this verdict; did you "
    "mean key? (allowed: key, key_model, account, account_model, provider)" },
  { "/a == x -> DAILY_LIMIT scope=request", "is no scope of this verdict" },
  { "/a == x -> AUTH scope=key scope=key", "\"scope\" at character 27 is set for the second "
                                           "time" },
  { "/a == x -> DAILY_LIMIT wait=30", "\"30\" at character 29 is no wait; allowed: a duration "
    "such as 30s or 1h30m, /POINTER, header NAME" },
  { "/a == x -> DAILY_LIMIT wait=1.5", "is no wait" },
  { "/a == x -> DAILY_LIMIT wait=\"\"", "is no wait" },
  { "/a == x -> DAILY_LIMIT wait=-5s", "is no wait" },
  { "/a == x -> DAILY_LIMIT wait=soon", "is no wait" },
  { "/a == x -> DAILY_LIMIT wait=30sec", "is no wait" },
  { "/a == x -> DAILY_LIMIT wait=2027-01-01T00:00:00Z", "is no wait" },
  { "/a == x -> DAILY_LIMIT wait=header", "the end, at character 35, is no header's name" },
  { "/a == x -> AUTH wait=30s", "\"wait\" at character 17 does not go with AUTH and REQUEST" },
  { "/a == x -> REQUEST reset=month_utc", "\"reset\" at character 20 does not go with" },
  { "/a == x -> DAILY_LIMIT reset=midnight", "\"midnight\" at character 30 is no end of a "
    "window; did you mean midnight_utc? (allowed: midnight_utc, midnight_pacific, month_utc, "
    "/POINTER, header NAME)" },
  { "/a == x -> DAILY_LIMIT reset=rolling", "is no end of a window" },
  { "/a == x -> AUTH account=acct-7", "\"acct-7\" at character 25 is no place of an account's "
                                      "name; allowed: /POINTER, header NAME" },
  { "/a == x -> AUTH dimension=Tokens", "\"Tokens\" at character 27 is no dimension" },
  { "/a == x -> AUTH dimension=" X30 "xx", "is no dimension; allowed: 1 to 31" },
  /* Long words are shown in part, and no character of them halved. */
  { X30 "xxxxxxxxxxxx -> AUTH", "\"" X30 "xxxxxxxxxx...\" at character 1" },
  { X30 "xxxxxxxxx\303\244\303\244 == x", "\"" X30 "xxxxxxxxx...\" at character 1" },
  { X120 X120 X120 X120 X30 "xx", "the rule is too long; allowed: 511 bytes" },
};

START_TEST (a_mistake_in_a_rule_is_told_with_its_place)
{
  ck_assert_msg (set ("rule_day", mistakes[_i].rule) != 0, "%s: taken", mistakes[_i].rule);
  ck_assert_msg (strstr (err.message, mistakes[_i].says) != NULL
                 && strncmp (err.message, "[provider compatible] rule_day: ", 32) == 0,
                 "%s\nsays:   %s\nshould: %s", mistakes[_i].rule, err.message,
                 mistakes[_i].says);
  /* Nothing of it stays behind. */
  judge_answer (&g, NOW, 500, 0, NULL, "{\"a\":\"x\"}", &j);
  ck_assert_int_eq (j.outcome, TRANS);
}
END_TEST

START_TEST (a_rules_name_is_needed_and_bounded)
{
  ck_assert_int_ne (set ("rule", "code == a -> AUTH"), 0);
  ck_assert_msg (strstr (err.message, "rule_NAME") != NULL, "%s", err.message);
  ck_assert_int_ne (set ("rule_", "code == a -> AUTH"), 0);
  ck_assert_msg (strstr (err.message, "rule_NAME") != NULL, "%s", err.message);
  ck_assert_int_ne (set ("rule_" X30 X30 "xxxx", "code == a -> AUTH"), 0);
  ck_assert_msg (strstr (err.message, "63 for its name") != NULL, "%s", err.message);
}
END_TEST

START_TEST (there_are_64_rules_at_most)
{
  for (int i = 0; i < 64; i++)
    must_set ("rule_x", "code == none -> AUTH");
  ck_assert_int_ne (set ("rule_x", "code == a -> AUTH"), 0);
  ck_assert_msg (strstr (err.message, "too many rules; allowed: 64") != NULL, "%s",
                 err.message);
}
END_TEST

/* Nothing that is cut off anywhere makes more of a mess than an error. */
START_TEST (every_beginning_of_a_rule_is_read_or_refused)
{
  static const char rule[] = "header X-A contains \"a \\\" b\" nocase status == 429 -> "
                             "DAILY_LIMIT scope = key wait=header X-B reset= /c/d account =/e "
                             "dimension=f";
  char text[sizeof rule];

  for (size_t len = 0; len < sizeof rule; len++) {
    memcpy (text, rule, len);
    text[len] = '\0';
    judge_close (&g);
    judge_open (&g, "compatible");
    if (set ("rule_x", text) != 0)
      ck_assert_msg (strncmp (err.message, "[provider compatible] rule_x: ", 30) == 0
                     && err.message[30] != '\0', "%s: %s", text, err.message);
    judge_answer (&g, NOW, 429, 0, "x-a: A \" B\nx-b: 5", "{\"e\":\"f\"}", &j);
  }
  ck_assert_int_eq (j.outcome, DAILY);
  ck_assert_int_eq (j.wait_ms, 5 * SECOND);
}
END_TEST

static Suite *
ini_rules_suite (void)
{
  Suite *s = suite_create ("ini-rules");
  TCase *tc = tcase_create ("ini-rules");

  tcase_add_checked_fixture (tc, open_compatible, close_it);
  tcase_add_loop_test (tc, a_rule_decides_what_fits_it, 0, N (rules));
  tcase_add_loop_test (tc, a_rule_leaves_other_answers_alone, 0, N (others));
  tcase_add_test (tc, rules_are_tried_in_the_order_of_the_file);
  tcase_add_test (tc, a_limits_text_is_read_as_ever);
  tcase_add_test (tc, a_day_of_a_rule_ends_when_the_providers_does);
  tcase_add_test (tc, every_member_of_the_family_takes_rules);
  tcase_add_loop_test (tc, a_mistake_in_a_rule_is_told_with_its_place, 0, N (mistakes));
  tcase_add_test (tc, a_rules_name_is_needed_and_bounded);
  tcase_add_test (tc, there_are_64_rules_at_most);
  tcase_add_test (tc, every_beginning_of_a_rule_is_read_or_refused);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (ini_rules_suite)

/* test_body - the JSON that a caller hands in, and what is read of an answer. */
#include <string.h>

#include <json-c/json.h>

#include <keywheel/keywheel.h>

#include "body.h"
#include "kwtest.h"

START_TEST (a_prompt_becomes_messages)
{
  kw_request rq = KW_REQUEST_INIT;
  struct kw_error e = KW_ERROR_INIT;
  char *body;
  size_t len;

  rq.system = "be brief";
  rq.prompt = "say \"hi\"/\n";
  ck_assert_int_eq (kwi_body_make (&rq, "m", 0, &body, &len, &e), 0);
  ck_assert_str_eq (body,
                    "{\"model\":\"m\",\"messages\":[{\"role\":\"system\","
                    "\"content\":\"be brief\"},{\"role\":\"user\",\"content\":"
                    "\"say \\\"hi\\\"/\\n\"}]}");
  ck_assert_uint_eq (strlen (body), len);
  free (body);
  rq.stream = 1;
  rq.system = NULL;
  ck_assert_int_eq (kwi_body_make (&rq, "m", 0, &body, &len, &e), 0);
  ck_assert_ptr_nonnull (strstr (body, "\"stream\":true"));
  ck_assert_ptr_null (strstr (body, "max_tokens"));
  free (body);
  ck_assert_int_eq (kwi_body_make (&rq, "m", 17, &body, &len, &e), 0);
  ck_assert_ptr_nonnull (strstr (body, "\"max_tokens\":17"));
  free (body);
}
END_TEST

static const struct { const char *model, *role, *error; } names[] = {
  { "a\nb", "user", "the model's name has a control character in it: byte 2 (0x0a)" },
  { "\x7f", "user", "the model's name has a control character in it: byte 1 (0x7f)" },
  { "a\xff", "user", "the model's name is not UTF-8: byte 2 (0xff)" },
  { "m", "us\ter", "the role of message 1 has a control character in it: byte 3 (0x09)" },
  { "m", "\xc3", "the role of message 1 is not UTF-8: byte 1 (0xc3)" },
};

START_TEST (a_name_that_is_no_clean_text_is_refused_with_its_place)
{
  kw_request rq = KW_REQUEST_INIT;
  struct kw_error e = KW_ERROR_INIT;
  kw_message m = { names[_i].role, "hi" };
  char *body;
  size_t len;

  rq.messages = &m;
  rq.n_messages = 1;
  ck_assert_int_eq (kwi_body_make (&rq, names[_i].model, 0, &body, &len, &e),
                    KW_ERR_USAGE);
  ck_assert_msg (strstr (e.message, names[_i].error) != NULL, "case %d: %s", _i,
                 e.message);
}
END_TEST

START_TEST (a_prompt_that_is_not_utf8_is_refused_with_its_place)
{
  kw_request rq = KW_REQUEST_INIT;
  struct kw_error e = KW_ERROR_INIT;
  kw_message m[2] = { { "user", "fine" }, { "assistant", "no\xff" } };
  char *body;
  size_t len;

  rq.prompt = "abc\xfe";
  ck_assert_int_eq (kwi_body_make (&rq, "m", 0, &body, &len, &e), KW_ERR_USAGE);
  ck_assert_str_eq (e.message, "the prompt is not UTF-8: byte 4 (0xfe) begins "
                               "no valid character");
  rq.prompt = NULL;
  rq.messages = m;
  rq.n_messages = 2;
  ck_assert_int_eq (kwi_body_make (&rq, "m", 0, &body, &len, &e), KW_ERR_USAGE);
  ck_assert_ptr_nonnull (strstr (e.message, "content of message 2"));
  m[1].content = NULL;
  ck_assert_int_eq (kwi_body_make (&rq, "m", 0, &body, &len, &e), KW_ERR_USAGE);
  ck_assert_ptr_nonnull (strstr (e.message, "message 2 has no role"));
  rq.n_messages = 0;
  ck_assert_int_eq (kwi_body_make (&rq, "m", 0, &body, &len, &e), KW_ERR_USAGE);
}
END_TEST

static const struct { const char *body, *model; int stream; const char *error; }
bodies[] = {
  { "{\"model\":\"a/b\",\"stream\":true}", "a/b", 1, NULL },
  { " {\"messages\":[{\"model\":\"inner\",\"stream\":true}]}\n", "", 0, NULL },
  { "{\"stream\":\"yes\",\"model\":7}", "", 0, NULL },
  { "", NULL, 0, "line 1, column 1: it is empty" },
  { "{\"model\":", NULL, 0, "it ends too early" },
  { "{\n  \"model\": x\n}", NULL, 0, "line 2, column 12" },
  { "{} {}", NULL, 0, "line 1, column 4: something follows the JSON" },
  { "[1]", NULL, 0, "not an object" },
  { "\"text\"", NULL, 0, "not an object" },
  { "{\"a\":\"\xff\"}", NULL, 0, "column 7: not UTF-8" },
  { "{\"a\":[0,-0,-0.5E+3,1e5,10.25,true,false,null,\"N\\\"I\\\\\",-1]}  \r\n\t", "", 0,
    NULL },
  { "{\"a\":12345678901234567890123456789}", "", 0, NULL },
  { "{\"a\":1} x", NULL, 0, "line 1, column 9: something follows the JSON" },
  { "{'model':'m'}", NULL, 0, "line 1, column " },
  { "{\"a\":1,}", NULL, 0, "line 1, column 8" },
  { "{\"a\":[1,]}", NULL, 0, "line 1, column 9" },
  { "/* x */ {}", NULL, 0, "line 1, column 1" },
  { "{} // x", NULL, 0, "line 1, column 4: something follows" },
  { "{\n \"a\": NaN}", NULL, 0, "line 2, column 7: JSON has no NaN" },
  { "{\"a\":Infinity}", NULL, 0, "line 1, column 6: JSON has no NaN and no Infinity" },
  { "{\"a\":-Infinity}", NULL, 0, "line 1, column 6: not a number as JSON has it" },
  { "{\"a\":01}", NULL, 0, "line 1, column 8" },
  { "{\"a\":00}", NULL, 0, "line 1, column 6: not a number as JSON has it" },
  { "{\"a\":-01}", NULL, 0, "line 1, column 6: not a number as JSON has it" },
  { "{\"a\":1.}", NULL, 0, "line 1, column 6: not a number as JSON has it" },
  { "{\"a\":.5}", NULL, 0, "line 1, column 6" },
  { "{\"a\":+1}", NULL, 0, "line 1, column 6" },
  { "{\"a\":True}", NULL, 0, "line 1, column " },
  { "{\"a\":\"x\ny\"}", NULL, 0, "column 8: a control character in a string" },
  { "{\"model\":\"a\\u0000b\"}", NULL, 0, "\"model\" in the request's body has a control "
    "character in it: byte 2 (0x00)" },
  { "{\"model\":\"a\\nb\"}", NULL, 0, "byte 2 (0x0a); nothing was sent" },
};

START_TEST (a_callers_body_is_checked_and_read)
{
  struct kw_error e = KW_ERROR_INIT;
  char model[96];
  int stream = -1;
  const char *b = bodies[_i].body;
  int code = kwi_body_check (b, strlen (b), model, sizeof model, &stream, &e);

  if (bodies[_i].error != NULL) {
    ck_assert_msg (code == KW_ERR_USAGE
                     && strstr (e.message, bodies[_i].error) != NULL
                     && (strstr (e.message, "nothing was sent") != NULL),
                   "%s: %d %s", b, code, e.message);
    return;
  }
  ck_assert_msg (code == 0, "%s: %s", b, e.message);
  ck_assert_str_eq (model, bodies[_i].model);
  ck_assert_int_eq (stream, bodies[_i].stream);
}
END_TEST

static struct json_object *
json (const char *s)
{
  struct json_object *o = json_tokener_parse (s);
  ck_assert_ptr_nonnull (o);
  return o;
}

START_TEST (the_text_is_the_first_choices)
{
  struct json_object *o
    = json ("{\"choices\":[{\"message\":{\"content\":\"hi\"}},{}]}");
  size_t len = 0;

  ck_assert_str_eq (kwi_body_text (o, &len), "hi");
  ck_assert_uint_eq (len, 2);
  ck_assert_int_eq (kwi_body_is_completion (o), 1);
  json_object_put (o);
  o = json ("{\"choices\":[{\"delta\":{\"content\":\"x\"}}]}");
  ck_assert_str_eq (kwi_body_text (o, &len), "x");
  json_object_put (o);
  o = json ("{\"choices\":[{\"message\":{\"content\":null}}]}");
  ck_assert_ptr_null (kwi_body_text (o, &len));
  json_object_put (o);
  o = json ("[1,{\"choices\":3}]");
  ck_assert_ptr_null (kwi_body_text (o, &len));
  ck_assert_int_eq (kwi_body_is_completion (o), 0);
  json_object_put (o);
}
END_TEST

START_TEST (a_chunks_text_is_that_of_the_choice_with_index_0)
{
  static const struct { const char *chunk, *text; } mixed[] = {
    { "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}", "a" },
    { "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", "a" },
    { "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}}]}", NULL },
    { "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}},"
      "{\"index\":0,\"delta\":{\"content\":\"a\"}}]}", "a" },
    { "{\"choices\":[]}", NULL }, { "{\"choices\":{}}", NULL }, { "[]", NULL },
  };
  size_t i, len = 0;

  for (i = 0; i < sizeof mixed / sizeof mixed[0]; i++) {
    struct json_object *o = json (mixed[i].chunk);
    const char *text = kwi_body_chunk_text (o, &len);
    ck_assert_msg (text == NULL ? mixed[i].text == NULL
                                : mixed[i].text != NULL && strcmp (text, mixed[i].text) == 0,
                   "%s: %s", mixed[i].chunk, text != NULL ? text : "(none)");
    json_object_put (o);
  }
}
END_TEST

static const struct { const char *chunk; int content; } chunks[] = {
  { "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
    "\"finish_reason\":null}]}", 0 },
  { "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", 1 },
  { "{\"choices\":[{\"delta\":{\"tool_calls\":[]}}]}", 1 },
  { "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}", 1 },
  { "{\"choices\":[]}", 0 },
  { "{\"x\":1}", 0 },
};

START_TEST (a_chunk_with_a_role_alone_is_no_content)
{
  struct json_object *o = json (chunks[_i].chunk);

  ck_assert_msg (kwi_body_chunk_has_content (o) == chunks[_i].content, "%s",
                 chunks[_i].chunk);
  json_object_put (o);
}
END_TEST

static const struct { const char *body, *text; } errors[] = {
  { "{\"error\":{\"message\":\"m\",\"code\":\"c\"}}", "m" },
  { "{\"error\":\"flat\"}", "flat" },
  { "{\"message\":\"top\"}", "top" },
  { "{\"detail\":\"d\"}", "d" },
  { "{\"error\":{\"code\":5}}", "" },
  { "[{\"error\":{\"message\":\"m\"}}]", "" },
};

START_TEST (an_errors_words_are_found_where_relatives_put_them)
{
  struct json_object *o = json (errors[_i].body);
  char buf[64];

  kwi_body_error_text (o, buf, sizeof buf);
  ck_assert_str_eq (buf, errors[_i].text);
  kwi_body_error_text (NULL, buf, sizeof buf);
  ck_assert_str_eq (buf, "");
  json_object_put (o);
}
END_TEST

static const struct { const char *body, *title; } pages[] = {
  { "<html>\r\n<head><title>502 Bad Gateway</title></head>", "502 Bad Gateway" },
  { "<TITLE>a\nb</TITLE>", "a b" },
  { "<title>0123456789abcdefghi</title>", "0123456789abcde" },
  { "<title>0123456789abcd\xc3\xa4</title>", "0123456789abcd" },
  { "<title>no end", NULL },
  { "<title></title>", NULL },
  { "title", NULL },
  { "", NULL },
  { NULL, NULL },
};

START_TEST (a_page_is_told_by_its_title)
{
  char buf[16];
  int r = kwi_body_page_title (pages[_i].body, buf, sizeof buf);

  ck_assert_int_eq (r, pages[_i].title != NULL ? 0 : -1);
  if (r == 0)
    ck_assert_str_eq (buf, pages[_i].title);
}
END_TEST

#define N(a) ((int) (sizeof (a) / sizeof (a)[0]))

static Suite *
suite (void)
{
  Suite *s = suite_create ("body");
  TCase *tc = tcase_create ("body");

  tcase_add_test (tc, a_prompt_becomes_messages);
  tcase_add_test (tc, a_prompt_that_is_not_utf8_is_refused_with_its_place);
  tcase_add_loop_test (tc, a_name_that_is_no_clean_text_is_refused_with_its_place, 0,
                       N (names));
  tcase_add_test (tc, a_chunks_text_is_that_of_the_choice_with_index_0);
  tcase_add_loop_test (tc, a_callers_body_is_checked_and_read, 0, N (bodies));
  tcase_add_test (tc, the_text_is_the_first_choices);
  tcase_add_loop_test (tc, a_chunk_with_a_role_alone_is_no_content, 0, N (chunks));
  tcase_add_loop_test (tc, an_errors_words_are_found_where_relatives_put_them, 0,
                       N (errors));
  tcase_add_loop_test (tc, a_page_is_told_by_its_title, 0, N (pages));
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)

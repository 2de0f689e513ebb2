/* An answer: headers, the body as JSON, Retry-After.  What the network sends is
 * never to be trusted. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "answer.h"
#include "kwtest.h"

static struct kwi_answer a;

static void
fresh (void)
{
  memset (&a, 0, sizeof a);
}

static void
clear (void)
{
  kwi_answer_clear (&a);
}

static void
add (const char *name, const char *value)
{
  ck_assert_int_eq (kwi_answer_add_header (&a, name, strlen (name), value,
                                           strlen (value)), 0);
}

static void
body (const char *text)
{
  kwi_answer_reset (&a);
  ck_assert_int_eq (kwi_answer_add_body (&a, text, strlen (text)), 0);
}

START_TEST (a_header_is_found_in_any_case_and_the_first_one_counts)
{
  add ("X-One", "1");
  add ("retry-AFTER", " \t2\r\n");
  add ("Retry-After", "3");
  add ("Empty", "");
  ck_assert_str_eq (kwi_answer_header (&a, "Retry-After"), "2");
  ck_assert_str_eq (kwi_answer_header (&a, "x-one"), "1");
  ck_assert_str_eq (kwi_answer_header (&a, "EMPTY"), "");
  ck_assert_ptr_null (kwi_answer_header (&a, "X-On"));
  ck_assert_ptr_null (kwi_answer_header (&a, "2"));
  ck_assert_ptr_null (kwi_answer_header (&a, ""));
  ck_assert_ptr_null (kwi_answer_header (&a, NULL));
  ck_assert_str_eq (a.headers, "x-one");        /* lower case, as documented */
}
END_TEST

START_TEST (a_header_with_a_nul_or_no_name_is_dropped)
{
  ck_assert_int_eq (kwi_answer_add_header (&a, "a\0b", 3, "x", 1), 0);
  ck_assert_int_eq (kwi_answer_add_header (&a, "a", 1, "x\0y", 3), 0);
  ck_assert_int_eq (kwi_answer_add_header (&a, " ", 1, "x", 1), 0);
  ck_assert_uint_eq (a.headers_len, 0);
  ck_assert_ptr_null (kwi_answer_header (&a, "a"));
}
END_TEST

START_TEST (headers_end_at_256_kib)
{
  char value[1000];
  int n = 0;

  memset (value, 'v', sizeof value);
  while (n < 1000 &&
         kwi_answer_add_header (&a, "many", 4, value, sizeof value) == 0)
    n++;
  /* Each takes its name, its value and a NUL behind both. */
  ck_assert_int_eq (n, (256 << 10) / (4 + 1000 + 2));
  ck_assert_uint_le (a.headers_len, 256 << 10);
  ck_assert_int_eq (kwi_answer_add_header (&a, "x", 1, "y", 1), 0);
  ck_assert_str_eq (kwi_answer_header (&a, "x"), "y");
}
END_TEST

START_TEST (a_reset_forgets_everything_and_a_small_buffer_stays)
{
  char *kept;

  add ("a", "b");
  ck_assert_int_eq (kwi_answer_add_body (&a, "{\"a\":1}", 7), 0);
  ck_assert_ptr_nonnull (kwi_answer_json (&a));
  a.status = 429;
  kept = a.body;
  kwi_answer_reset (&a);
  ck_assert_int_eq (a.status, 0);
  ck_assert_uint_eq (a.body_len, 0);
  ck_assert_str_eq (a.body, "");
  ck_assert_ptr_eq (a.body, kept);
  ck_assert_ptr_null (kwi_answer_header (&a, "a"));
  ck_assert_ptr_null (kwi_answer_json (&a));
}
END_TEST

START_TEST (a_large_buffer_is_given_back)
{
  static char large[3 << 20];

  ck_assert_int_eq (kwi_answer_add_body (&a, large, sizeof large), 0);
  kwi_answer_reset (&a);
  ck_assert_uint_eq (a.body_size, 0);
  ck_assert_ptr_null (a.body);
}
END_TEST

START_TEST (the_body_is_put_together_and_ended)
{
  ck_assert_int_eq (kwi_answer_add_body (&a, "", 0), 0);
  ck_assert_str_eq (a.body, "");
  for (int i = 0; i < 3000; i++)
    ck_assert_int_eq (kwi_answer_add_body (&a, "ab", 2), 0);
  ck_assert_uint_eq (a.body_len, 6000);
  ck_assert_uint_eq (strlen (a.body), 6000);
}
END_TEST

START_TEST (more_body_is_parsed_anew)
{
  char buf[8];

  ck_assert_int_eq (kwi_answer_add_body (&a, "{\"a\":", 5), 0);
  ck_assert_int_eq (kwi_answer_json_text (&a, "/a", buf, sizeof buf), KW_ERR);
  ck_assert_int_eq (kwi_answer_add_body (&a, "1}", 2), 0);
  ck_assert_int_eq (kwi_answer_json_text (&a, "/a", buf, sizeof buf), KW_OK);
  ck_assert_str_eq (buf, "1");
}
END_TEST

static const struct { const char *body, *pointer, *text; int rc; } json[] = {
  { "{\"error\":{\"code\":\"x\"}}", "/error/code", "x", KW_OK },
  { "{\"error\":{\"code\":\"x\"}}", "/error", NULL, KW_ERR_NOTFOUND },
  { "{\"error\":{\"code\":\"x\"}}", "/error/nope", NULL, KW_ERR_NOTFOUND },
  { "{\"error\":{\"code\":\"x\"}}", "/error/code/more", NULL, KW_ERR_NOTFOUND },
  { "{\"error\":{\"code\":\"x\"}}", "error", NULL, KW_ERR_NOTFOUND },
  { "{\"error\":{\"code\":\"x\"}}", "", NULL, KW_ERR_NOTFOUND },
  { "{\"a\":null}", "/a", NULL, KW_ERR_NOTFOUND },
  { "{\"a\":true,\"b\":false}", "/b", "false", KW_OK },
  { "{\"a\":true,\"b\":false}", "/a", "true", KW_OK },
  { "{\"a\":12903}", "/a", "12903", KW_OK },
  { "{\"a\":-7}", "/a", "-7", KW_OK },
  { "{\"a\":9007199254741}", "/a", "9007199254741", KW_OK },
  { "{\"a\":7.66}", "/a", "7.66", KW_OK },
  { "{\"a\":\"\"}", "/a", "", KW_OK },
  { "{\"a\":\"tab\\tquote\\\"\\u00e9\"}", "/a", "tab\tquote\"\xc3\xa9", KW_OK },
  { "{\"a\":\"insufficient\\u0000_quota\"}", "/a", NULL, KW_ERR_NOTFOUND },
  { "{\"a/b\":1,\"m~n\":2}", "/a~1b", "1", KW_OK },
  { "{\"a/b\":1,\"m~n\":2}", "/m~0n", "2", KW_OK },
  { "[10,[20,30]]", "/1/1", "30", KW_OK },
  { "[10,20]", "/2", NULL, KW_ERR_NOTFOUND },
  { "[10,20]", "/-1", NULL, KW_ERR_NOTFOUND },
  { "[10,20]", "/-", NULL, KW_ERR_NOTFOUND },
  { "[10,20]", "/99999999999999999999", NULL, KW_ERR_NOTFOUND },
  { "  42  ", "", "42", KW_OK },
  { "42", "", "42", KW_OK },
  { "\"s\"\r\n", "", "s", KW_OK },
  { "null", "", NULL, KW_ERR_NOTFOUND },
  { "null", "/a", NULL, KW_ERR_NOTFOUND },
  { "{}\n\t ", "/a", NULL, KW_ERR_NOTFOUND },
  { "", "/a", NULL, KW_ERR },
  { "   ", "/a", NULL, KW_ERR },
  { "{\"a\":1", "/a", NULL, KW_ERR },
  { "{\"a\":1} x", "/a", NULL, KW_ERR },
  { "{\"a\":1}{\"a\":2}", "/a", NULL, KW_ERR },
  { "{\"a\":1,}", "/a", NULL, KW_ERR },
  { "{\"a\":1/*c*/}", "/a", NULL, KW_ERR },
  { "<html>{\"a\":1}</html>", "/a", NULL, KW_ERR },
  { "nonsense", "", NULL, KW_ERR },
  { "data: {\"a\":1}", "/a", NULL, KW_ERR },
  { "{\"a\":\"long enough not to fit into it\"}", "/a", NULL, KW_ERR_RANGE },
  { "{\"a\":\"exactly15bytes!\"}", "/a", "exactly15bytes!", KW_OK },
  { "{\"a\":\"exactly 16bytes!\"}", "/a", NULL, KW_ERR_RANGE },
};

START_TEST (a_pointer_gives_the_scalar_or_says_why_not)
{
  char buf[16];
  int rc;

  memcpy (buf, "untouched", sizeof "untouched");
  body (json[_i].body);
  rc = kwi_answer_json_text (&a, json[_i].pointer, buf, sizeof buf);
  ck_assert_msg (rc == json[_i].rc, "%s at \"%s\": %d, not %d", json[_i].body,
                 json[_i].pointer, rc, json[_i].rc);
  ck_assert_msg (strcmp (buf, rc == KW_OK ? json[_i].text : "untouched") == 0,
                 "%s at \"%s\": \"%s\"", json[_i].body, json[_i].pointer, buf);
}
END_TEST

START_TEST (no_room_is_out_of_range_and_no_pointer_an_error)
{
  char buf[4] = "abc";

  body ("{\"a\":\"\"}");
  ck_assert_int_eq (kwi_answer_json_text (&a, "/a", buf, 0), KW_ERR_RANGE);
  ck_assert_int_eq (kwi_answer_json_text (&a, "/a", NULL, 0), KW_ERR_RANGE);
  ck_assert_int_eq (kwi_answer_json_text (&a, "/a", NULL, 4), KW_ERR);
  ck_assert_int_eq (kwi_answer_json_text (&a, NULL, buf, 4), KW_ERR);
  ck_assert_str_eq (buf, "abc");
}
END_TEST

START_TEST (a_nul_in_the_body_is_no_json)
{
  static const char nul[] = "{\"a\":1}\0{\"b\":2}";
  static const char inside[] = "{\"a\":\"x\0y\"}";
  char buf[8];

  ck_assert_int_eq (kwi_answer_add_body (&a, nul, sizeof nul - 1), 0);
  ck_assert_int_eq (kwi_answer_json_text (&a, "/a", buf, sizeof buf), KW_ERR);
  kwi_answer_reset (&a);
  ck_assert_int_eq (kwi_answer_add_body (&a, inside, sizeof inside - 1), 0);
  ck_assert_int_eq (kwi_answer_json_text (&a, "/a", buf, sizeof buf), KW_ERR);
}
END_TEST

/* What proxies make of an error: the provider's answer as a string in theirs. */
static const struct { const char *body, *pointer, *text; int rc; } nested[] = {
  { "{\"a\":\"{\\\"b\\\":{\\\"c\\\":429}}\"}", "/a/b/c", "429", KW_OK },
  { "{\"a\":\"{\\\"b\\\":{\\\"c\\\":429}}\"}", "/a", "{\"b\":{\"c\":429}}", KW_OK },
  { "{\"a\":\"{\\\"b\\\":{\\\"c\\\":429}}\"}", "/a/b", NULL, KW_ERR_NOTFOUND },
  { "{\"a\":\"{\\\"b\\\":{\\\"c\\\":429}}\"}", "/a/b/d", NULL, KW_ERR_NOTFOUND },
  { "{\"a\":\"{\\\"b\\\":{\\\"c\\\":429}}\"}", "/a/b/c/d", NULL, KW_ERR_NOTFOUND },
  { "{\"a\":\" \\n\\t[7]\\r\\n \"}", "/a/0", "7", KW_OK },
  { "[{\"a\":\"[{\\\"b\\\":\\\"x\\\"}]\"}]", "/0/a/0/b", "x", KW_OK },
  { "\"{\\\"a\\\":true}\"", "/a", "true", KW_OK },
  { "{\"m/n\":\"{\\\"o~p\\\":1}\"}", "/m~1n/o~0p", "1", KW_OK },
  { "{\"\":\"{\\\"\\\":5}\"}", "//", "5", KW_OK },
  /* Behind another proxy; a third would be nobody's. */
  { "{\"a\":\"{\\\"b\\\":\\\"{\\\\\\\"c\\\\\\\":1}\\\"}\"}", "/a/b/c", "1", KW_OK },
  { "{\"a\":\"[\\\"[\\\\\\\"[1]\\\\\\\"]\\\"]\"}", "/a/0/0", "[1]", KW_OK },
  { "{\"a\":\"[\\\"[\\\\\\\"[1]\\\\\\\"]\\\"]\"}", "/a/0/0/0", NULL, KW_ERR_NOTFOUND },
  /* No JSON, cut, followed by something, or a scalar. */
  { "{\"a\":\"429 {\\\"b\\\":1}\"}", "/a/b", NULL, KW_ERR_NOTFOUND },
  { "{\"a\":\"{\\\"b\\\":1\"}", "/a/b", NULL, KW_ERR_NOTFOUND },
  { "{\"a\":\"{\\\"b\\\":1} x\"}", "/a/b", NULL, KW_ERR_NOTFOUND },
  { "{\"a\":\"{\\\"b\\\":1}\\u0000\"}", "/a/b", NULL, KW_ERR_NOTFOUND },
  { "{\"a\":\"\"}", "/a/b", NULL, KW_ERR_NOTFOUND },
  { "{\"a\":\"  \"}", "/a/b", NULL, KW_ERR_NOTFOUND },
  { "{\"a\":\"{}\"}", "/a/", NULL, KW_ERR_NOTFOUND },
  { "{\"a\":\"{}\"}", "a/b", NULL, KW_ERR_NOTFOUND },
  { "{\"a\":null}", "/a/b", NULL, KW_ERR_NOTFOUND },
  { "{\"a\":1}", "/a/b", NULL, KW_ERR_NOTFOUND },
};

START_TEST (a_pointer_goes_on_in_the_json_that_a_string_holds)
{
  char buf[32];
  int rc;

  body (nested[_i].body);
  for (int again = 0; again < 2; again++) {     /* parsed, then remembered */
    memcpy (buf, "untouched", sizeof "untouched");
    rc = kwi_answer_json_text (&a, nested[_i].pointer, buf, sizeof buf);
    ck_assert_msg (rc == nested[_i].rc, "%s at \"%s\": %d, not %d", nested[_i].body,
                   nested[_i].pointer, rc, nested[_i].rc);
    ck_assert_msg (strcmp (buf, rc == KW_OK ? nested[_i].text : "untouched") == 0,
                   "%s at \"%s\": \"%s\"", nested[_i].body, nested[_i].pointer, buf);
  }
}
END_TEST

START_TEST (what_a_string_holds_is_parsed_once_and_forgotten_with_the_body)
{
  struct json_object *parsed;
  char buf[8];

  body ("{\"a\":\"{\\\"b\\\":1,\\\"c\\\":2}\",\"d\":\"[oops\"}");
  ck_assert_int_eq (kwi_answer_json_text (&a, "/a/b", buf, sizeof buf), KW_OK);
  parsed = a.nested[0].parsed;
  ck_assert_ptr_nonnull (parsed);
  ck_assert_int_eq (kwi_answer_json_text (&a, "/a/c", buf, sizeof buf), KW_OK);
  ck_assert_str_eq (buf, "2");
  for (int i = 0; i < 2; i++)   /* that it is none is remembered, too */
    ck_assert_int_eq (kwi_answer_json_text (&a, "/d/0", buf, sizeof buf),
                      KW_ERR_NOTFOUND);
  ck_assert_int_eq (a.n_nested, 2);
  ck_assert_ptr_eq (a.nested[0].parsed, parsed);
  body ("{\"a\":\"[3]\"}");
  ck_assert_int_eq (a.n_nested, 0);
  ck_assert_int_eq (kwi_answer_json_text (&a, "/a/0", buf, sizeof buf), KW_OK);
  ck_assert_str_eq (buf, "3");
}
END_TEST

START_TEST (so_many_strings_are_looked_into_and_no_more)
{
  char text[KWI_MAX_NESTED + 1][16], pointer[16], buf[8];

  ck_assert_int_eq (kwi_answer_add_body (&a, "[", 1), 0);
  for (int i = 0; i <= KWI_MAX_NESTED; i++) {
    int n = snprintf (text[i], sizeof text[i], "%s\"[%d]\"", i > 0 ? "," : "", i);
    ck_assert_int_eq (kwi_answer_add_body (&a, text[i], (size_t) n), 0);
  }
  ck_assert_int_eq (kwi_answer_add_body (&a, "]", 1), 0);
  for (int i = 0; i <= KWI_MAX_NESTED; i++) {
    int n = snprintf (pointer, sizeof pointer, "/%d/0", i);
    ck_assert_int_gt (n, 0);
    ck_assert_int_eq (kwi_answer_json_text (&a, pointer, buf, sizeof buf),
                      i < KWI_MAX_NESTED ? KW_OK : KW_ERR_NOTFOUND);
  }
  ck_assert_int_eq (kwi_answer_json_text (&a, "/0/0", buf, sizeof buf), KW_OK);
  ck_assert_str_eq (buf, "0");
}
END_TEST

START_TEST (a_body_is_replaced_and_a_header_set)
{
  char *other = strdup ("{\"b\":2}"), buf[8];

  body ("{\"a\":\"[1]\"}");
  add ("Content-Type", "text/odd");
  add ("X-Two", "2");
  add ("content-TYPE", "again");
  ck_assert_int_eq (kwi_answer_json_text (&a, "/a/0", buf, sizeof buf), KW_OK);
  kwi_answer_take_body (&a, other, strlen (other), strlen (other) + 1);
  ck_assert_int_eq (kwi_answer_json_text (&a, "/a/0", buf, sizeof buf),
                    KW_ERR_NOTFOUND);
  ck_assert_int_eq (kwi_answer_json_text (&a, "/b", buf, sizeof buf), KW_OK);
  ck_assert_int_eq (kwi_answer_set_header (&a, "content-type", "application/json"), 0);
  ck_assert_int_eq (kwi_answer_set_header (&a, "x-three", "3"), 0);
  ck_assert_str_eq (kwi_answer_header (&a, "Content-Type"), "application/json");
  ck_assert_str_eq (kwi_answer_header (&a, "x-two"), "2");
  ck_assert_str_eq (kwi_answer_header (&a, "x-three"), "3");
  ck_assert_uint_eq (a.headers_len, sizeof "x-two" + sizeof "2"
                     + sizeof "content-type" + sizeof "application/json"
                     + sizeof "x-three" + sizeof "3");
}
END_TEST

START_TEST (nesting_of_200_is_read_and_of_100000_refused)
{
  static char deep[200000];
  char buf[8];
  static char pointer[401];

  memset (deep, '[', 200);
  deep[200] = '7';
  memset (deep + 201, ']', 200);
  for (int i = 0; i < 200; i++)
    memcpy (pointer + (size_t) 2 * (size_t) i, "/0", 3);
  ck_assert_int_eq (kwi_answer_add_body (&a, deep, 401), 0);
  ck_assert_int_eq (kwi_answer_json_text (&a, pointer, buf, sizeof buf), KW_OK);
  ck_assert_str_eq (buf, "7");

  kwi_answer_reset (&a);
  memset (deep, '[', 100000);
  memset (deep + 100000, ']', 100000);
  ck_assert_int_eq (kwi_answer_add_body (&a, deep, sizeof deep), 0);
  ck_assert_int_eq (kwi_answer_json_text (&a, "/0", buf, sizeof buf), KW_ERR);
}
END_TEST

START_TEST (the_body_is_parsed_once)
{
  char buf[8];

  body ("{\"a\":1,\"b\":2}");
  ck_assert_int_eq (kwi_answer_json_text (&a, "/a", buf, sizeof buf), KW_OK);
  ck_assert_ptr_nonnull (a.json);
  /* What is asked second is answered from the first parse. */
  memset (a.body, 'x', a.body_len);
  ck_assert_int_eq (kwi_answer_json_text (&a, "/b", buf, sizeof buf), KW_OK);
  ck_assert_str_eq (buf, "2");
}
END_TEST

/* 1994-11-06 08:49:37 UTC, RFC 9110's own example. */
#define THEN INT64_C (784111777000)

static const struct { const char *value; int64_t ms; } waits[] = {
  { "0", 0 }, { "120", 120000 }, { " 7 ", 7000 }, { "0.5", 500 },
  { "1.25", 1250 }, { "0.0001", 1 }, { "1.2300000", 1230 }, { "1.23456", 1235 },
  { "99999999999999999999999", INT64_C (400) * 86400000 },
  { "", -1 }, { "-1", -1 }, { "+1", -1 }, { "1s", -1 }, { "1,5", -1 },
  { "soon", -1 }, { "0x10", -1 }, { "1e3", -1 },
  { "Sun, 06 Nov 1994 08:49:37 GMT", 10000 },
  { "Sunday, 06-Nov-94 08:49:37 GMT", 10000 },
  { "Sun Nov  6 08:49:37 1994", 10000 },
  { "Sun, 06 Nov 1994 08:49:27 GMT", 0 },
  { "Sat, 05 Nov 1994 08:49:37 GMT", 0 },
  { "Fri, 06 Nov 2099 08:49:37 GMT", INT64_C (400) * 86400000 },
  { "Sun, 06 Nov 1994 08:49:37 CET", -1 },
  { "Sun, 06 Nov 1994 08:49:37 GMT x", -1 },
  { "Sun, 06 Nov 1994 25:49:37 GMT", -1 },
};

START_TEST (retry_after_is_seconds_or_a_date)
{
  int64_t ms;

  a.received_ms = THEN - 10000;
  add ("Retry-After", waits[_i].value);
  ms = kwi_answer_retry_after (&a);
  ck_assert_msg (ms == waits[_i].ms, "\"%s\": %lld, not %lld", waits[_i].value,
                 (long long) ms, (long long) waits[_i].ms);
}
END_TEST

START_TEST (without_retry_after_there_is_none)
{
  add ("X-Retry-After", "5");
  ck_assert_int_eq (kwi_answer_retry_after (&a), -1);
}
END_TEST

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("answer");
  TCase *t = tcase_create ("answer");

  tcase_add_checked_fixture (t, fresh, clear);
  tcase_add_test (t, a_header_is_found_in_any_case_and_the_first_one_counts);
  tcase_add_test (t, a_header_with_a_nul_or_no_name_is_dropped);
  tcase_add_test (t, headers_end_at_256_kib);
  tcase_add_test (t, a_reset_forgets_everything_and_a_small_buffer_stays);
  tcase_add_test (t, a_large_buffer_is_given_back);
  tcase_add_test (t, the_body_is_put_together_and_ended);
  tcase_add_test (t, more_body_is_parsed_anew);
  tcase_add_loop_test (t, a_pointer_gives_the_scalar_or_says_why_not, 0,
                       (int) (sizeof json / sizeof json[0]));
  tcase_add_loop_test (t, a_pointer_goes_on_in_the_json_that_a_string_holds, 0,
                       (int) (sizeof nested / sizeof nested[0]));
  tcase_add_test (t, what_a_string_holds_is_parsed_once_and_forgotten_with_the_body);
  tcase_add_test (t, so_many_strings_are_looked_into_and_no_more);
  tcase_add_test (t, a_body_is_replaced_and_a_header_set);
  tcase_add_test (t, no_room_is_out_of_range_and_no_pointer_an_error);
  tcase_add_test (t, a_nul_in_the_body_is_no_json);
  tcase_add_test (t, nesting_of_200_is_read_and_of_100000_refused);
  tcase_add_test (t, the_body_is_parsed_once);
  tcase_add_loop_test (t, retry_after_is_seconds_or_a_date, 0,
                       (int) (sizeof waits / sizeof waits[0]));
  tcase_add_test (t, without_retry_after_there_is_none);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (make_suite)

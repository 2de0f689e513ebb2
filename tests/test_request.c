/* A request: what a plugin may put in, and what is refused in which words. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "kwtest.h"
#include "request.h"

static struct kw_request r;
static const char call_body[] = "{\"model\":\"m\"}";

static void
fresh (void)
{
  memset (&r, 0, sizeof r);
  kwi_request_reset (&r, call_body, sizeof call_body - 1);
}

static void
clear (void)
{
  kwi_request_clear (&r);
}

static int
is_said (const char *words)
{
  return strstr (r.problem, words) != NULL;
}

static const struct { const char *url, *why; } urls[] = {
  { "https://api.example.com/v1/chat/completions", NULL },
  { "http://127.0.0.1:8080/x?y=z", NULL },
  { "HTTPS://[::1]:1/", NULL },
  { "https://example.com/?mail=a@b", NULL },
  { "https://example.com", NULL },
  { "", "must begin" }, { "ftp://x/", "must begin" },
  { "file:///etc/passwd", "must begin" }, { "//x/", "must begin" },
  { "https:/x", "must begin" },
  { "https://", "no host" }, { "https:///v1", "no host" },
  { "https://:80/", "no host" }, { "https://?x", "no host" },
  { "https://u:p@example.com/", "user or a password" },
  { "https://example.com/a b", "blank" },
  { "https://example.com/\r\nHost: evil", "blank" },
  { "https://example.com/\x7f", "blank" },
  { "https://example.com/#f", "fragment" },
};

START_TEST (a_url_is_http_and_clean)
{
  int rc = kwi_request_url (&r, urls[_i].url);

  if (urls[_i].why == NULL) {
    ck_assert_msg (rc == KW_OK, "%s: %s", urls[_i].url, r.problem);
    ck_assert_str_eq (r.url, urls[_i].url);
    ck_assert_str_eq (r.problem, "");
    return;
  }
  ck_assert_msg (rc == KW_ERR && is_said (urls[_i].why), "%s: %d \"%s\"",
                 urls[_i].url, rc, r.problem);
  ck_assert_ptr_null (r.url);
}
END_TEST

START_TEST (a_refused_url_is_not_shown)
{
  ck_assert_int_eq (kwi_request_url (&r, "https://u:sk-secret@h/"), KW_ERR);
  ck_assert (!is_said ("sk-secret"));
}
END_TEST

START_TEST (the_last_url_counts_and_a_refused_one_changes_nothing)
{
  ck_assert_int_eq (kwi_request_url (&r, "https://a/"), KW_OK);
  ck_assert_int_eq (kwi_request_url (&r, "https://b/"), KW_OK);
  ck_assert_int_eq (kwi_request_url (&r, "b"), KW_ERR);
  ck_assert_int_eq (kwi_request_url (&r, NULL), KW_ERR);
  ck_assert_str_eq (r.url, "https://b/");
}
END_TEST

START_TEST (a_url_of_more_than_64_kib_is_refused)
{
  static char url[70000];

  memset (url, 'a', sizeof url - 1);
  memcpy (url, "https://", 8);
  ck_assert_int_eq (kwi_request_url (&r, url), KW_ERR_RANGE);
  url[65536] = '\0';
  ck_assert_int_eq (kwi_request_url (&r, url), KW_OK);
}
END_TEST

static const struct { const char *name, *value, *why; } headers[] = {
  { "X-Title", "a title", NULL }, { "x!#$%&'*+-.^_`|~9", "", NULL },
  { "X-Tab", "a\tb", NULL }, { "X-Latin", "\xc3\xa9", NULL },
  { "Host", "example.com", NULL },
  { "", "x", "HTTP does not allow" }, { "a b", "x", "HTTP does not allow" },
  { "a:", "x", "HTTP does not allow" }, { "a\r\nb", "x", "HTTP does not allow" },
  { "\xc3\xa9", "x", "HTTP does not allow" },
  { "X-A", "a\r\nX-Evil: 1", "value of X-A" }, { "X-A", "a\nb", "value of X-A" },
  { "X-A", "\x01", "value of X-A" }, { "X-A", "\x7f", "value of X-A" },
  { "X-A", NULL, "X-A is missing" }, { NULL, "x", "without a name" },
  { "content-length", "5", "the host's own" },
  { "Transfer-Encoding", "chunked", "the host's own" },
  { "Connection", "close", "the host's own" },
};

START_TEST (a_header_is_a_token_and_a_value_without_control_characters)
{
  int rc = kwi_request_header (&r, headers[_i].name, headers[_i].value);

  if (headers[_i].why != NULL) {
    ck_assert_msg (rc == KW_ERR && is_said (headers[_i].why), "case %d: %d \"%s\"",
                   _i, rc, r.problem);
    ck_assert_uint_eq (r.n_headers, 0);
    ck_assert_uint_eq (r.headers_len, 0);
    return;
  }
  ck_assert_msg (rc == KW_OK, "case %d: %s", _i, r.problem);
  ck_assert_uint_eq (r.n_headers, 1);
  ck_assert (strncmp (r.headers, headers[_i].name, strlen (headers[_i].name))
             == 0);
}
END_TEST

START_TEST (headers_stand_one_behind_the_other)
{
  static const char want[] = "A: 1\0B: \0A: 2";

  ck_assert_int_eq (kwi_request_header (&r, "A", "1"), KW_OK);
  ck_assert_int_eq (kwi_request_header (&r, "B", ""), KW_OK);
  ck_assert_int_eq (kwi_request_header (&r, "A", "2"), KW_OK);
  ck_assert_uint_eq (r.n_headers, 3);
  ck_assert_uint_eq (r.headers_len, sizeof want);
  ck_assert (memcmp (r.headers, want, sizeof want) == 0);
}
END_TEST

START_TEST (all_headers_end_at_256_kib)
{
  char value[1001];
  int n = 0;

  memset (value, 'v', 1000);
  value[1000] = '\0';
  while (n < 1000 && kwi_request_header (&r, "Name", value) == KW_OK)
    n++;
  ck_assert_int_eq (n, (256 << 10) / (4 + 1000 + 3));
  ck_assert_int_eq (kwi_request_header (&r, "Name", value), KW_ERR_RANGE);
  ck_assert (is_said ("262144"));
}
END_TEST

START_TEST (the_callers_body_is_borrowed_whole_or_in_part)
{
  ck_assert_int_eq (kwi_request_body (&r, call_body, sizeof call_body - 1),
                    KW_OK);
  ck_assert_ptr_eq (r.body, call_body);
  ck_assert_ptr_null (r.own_body);
  ck_assert_int_eq (kwi_request_body (&r, call_body + 1, 5), KW_OK);
  ck_assert_ptr_eq (r.body, call_body + 1);
  ck_assert_uint_eq (r.body_len, 5);
  ck_assert_ptr_null (r.own_body);
}
END_TEST

START_TEST (another_body_is_copied)
{
  char mine[] = "mine";

  ck_assert_int_eq (kwi_request_body (&r, mine, 4), KW_OK);
  memset (mine, 'x', 4);
  ck_assert_uint_eq (r.body_len, 4);
  ck_assert (memcmp (r.body, "mine", 4) == 0);
  ck_assert_ptr_eq (r.body, r.own_body);
  /* Back to the caller's: the copy is let go. */
  ck_assert_int_eq (kwi_request_body (&r, call_body, 3), KW_OK);
  ck_assert_ptr_null (r.own_body);
}
END_TEST

START_TEST (a_body_beyond_what_there_is_is_refused)
{
  ck_assert_int_eq (kwi_request_body (&r, call_body, sizeof call_body + 100),
                    KW_ERR_RANGE);
  ck_assert (is_said ("longer than the body"));
  ck_assert_int_eq (kwi_request_body (&r, NULL, 1), KW_ERR);
  ck_assert_int_eq (kwi_request_body (&r, "x", (UINT64_C (256) << 20) + 1),
                    KW_ERR_RANGE);
  ck_assert_int_eq (kwi_request_body (&r, "x", UINT64_MAX), KW_ERR_RANGE);
  ck_assert_uint_eq (r.body_len, 0);
  ck_assert_int_eq (kwi_request_body (&r, NULL, 0), KW_OK);
}
END_TEST

START_TEST (the_secret_goes_into_one_header_and_one_parameter_at_most)
{
  ck_assert_int_eq (kwi_request_secret_header (&r, "Authorization", "Bearer "),
                    KW_OK);
  ck_assert_str_eq (r.secret_header, "Authorization");
  ck_assert_str_eq (r.secret_prefix, "Bearer ");
  ck_assert_int_eq (kwi_request_secret_query (&r, "key"), KW_OK);
  ck_assert_str_eq (r.secret_query, "key");
  ck_assert_str_eq (r.problem, "");
  ck_assert_int_eq (kwi_request_secret_header (&r, "X-Key", NULL), KW_ERR);
  ck_assert (is_said ("one header at most"));
  ck_assert_int_eq (kwi_request_secret_query (&r, "k2"), KW_ERR);
  ck_assert_str_eq (r.secret_header, "Authorization");
  ck_assert_str_eq (r.secret_query, "key");
}
END_TEST

static const struct { const char *name, *prefix; int rc; } secrets[] = {
  { "X-Api-Key", NULL, KW_OK }, { "X-Api-Key", "", KW_OK },
  { "X Key", "", KW_ERR }, { NULL, "", KW_ERR }, { "", "", KW_ERR },
  { "X-Key", "a\r\nb", KW_ERR }, { "Content-Length", "", KW_ERR },
  { "X-a-name-of-sixty-four-bytes-0123456789012345678901234567890123456", "",
    KW_ERR_RANGE },
  { "X-Key", "a prefix of sixty-four bytes 0123456789012345678901234567890123456",
    KW_ERR_RANGE },
};

START_TEST (the_secrets_header_is_vetted_like_any)
{
  int rc = kwi_request_secret_header (&r, secrets[_i].name, secrets[_i].prefix);

  ck_assert_msg (rc == secrets[_i].rc, "case %d: %d \"%s\"", _i, rc, r.problem);
  ck_assert_int_eq (r.secret_header[0] != '\0', rc == KW_OK);
  ck_assert_int_eq (r.problem[0] == '\0', rc == KW_OK);
}
END_TEST

START_TEST (the_secrets_parameter_needs_no_escaping)
{
  static const char *const bad[] = { "", "a b", "a&b", "a=b", "k\n", "%41", "#" };

  ck_assert_int_eq (kwi_request_secret_query (&r, NULL), KW_ERR);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    ck_assert_msg (kwi_request_secret_query (&r, bad[i]) == KW_ERR, "\"%s\"",
                   bad[i]);
  ck_assert_str_eq (r.secret_query, "");
  ck_assert_int_eq (kwi_request_secret_query (&r, "api-key_1.~"), KW_OK);
}
END_TEST

START_TEST (a_method_is_a_short_token)
{
  ck_assert_int_eq (kwi_request_method (&r, "GET"), KW_OK);
  ck_assert_int_eq (kwi_request_method (&r, NULL), KW_ERR);
  ck_assert_int_eq (kwi_request_method (&r, ""), KW_ERR);
  ck_assert_int_eq (kwi_request_method (&r, "GET /"), KW_ERR);
  ck_assert_int_eq (kwi_request_method (&r, "ABCDEFGHIJKLMNOP"), KW_ERR_RANGE);
  ck_assert_str_eq (r.method, "GET");
}
END_TEST

START_TEST (the_first_refusal_is_the_one_that_is_told)
{
  ck_assert_int_eq (kwi_request_url (&r, "gopher"), KW_ERR);
  ck_assert_int_eq (kwi_request_method (&r, ""), KW_ERR);
  ck_assert (is_said ("request_url"));
}
END_TEST

START_TEST (a_reset_leaves_nothing_of_the_one_before)
{
  ck_assert_int_eq (kwi_request_method (&r, "GET"), KW_OK);
  ck_assert_int_eq (kwi_request_url (&r, "https://a/"), KW_OK);
  ck_assert_int_eq (kwi_request_header (&r, "A", "1"), KW_OK);
  ck_assert_int_eq (kwi_request_body (&r, "mine", 4), KW_OK);
  ck_assert_int_eq (kwi_request_secret_header (&r, "A", "p"), KW_OK);
  ck_assert_int_eq (kwi_request_secret_query (&r, "q"), KW_OK);
  ck_assert_int_eq (kwi_request_method (&r, ""), KW_ERR);
  kwi_request_reset (&r, NULL, 5);
  ck_assert_str_eq (r.method, "");
  ck_assert_ptr_null (r.url);
  ck_assert_uint_eq (r.headers_len, 0);
  ck_assert_uint_eq (r.n_headers, 0);
  ck_assert_ptr_null (r.body);
  ck_assert_uint_eq (r.call_body_len, 0);
  ck_assert_str_eq (r.secret_header, "");
  ck_assert_str_eq (r.secret_prefix, "");
  ck_assert_str_eq (r.secret_query, "");
  ck_assert_str_eq (r.problem, "");
}
END_TEST

#define LOOP(t, test, table) \
  tcase_add_loop_test (t, test, 0, (int) (sizeof table / sizeof table[0]))

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("request");
  TCase *t = tcase_create ("request");

  tcase_add_checked_fixture (t, fresh, clear);
  LOOP (t, a_url_is_http_and_clean, urls);
  tcase_add_test (t, a_refused_url_is_not_shown);
  tcase_add_test (t, the_last_url_counts_and_a_refused_one_changes_nothing);
  tcase_add_test (t, a_url_of_more_than_64_kib_is_refused);
  LOOP (t, a_header_is_a_token_and_a_value_without_control_characters, headers);
  tcase_add_test (t, headers_stand_one_behind_the_other);
  tcase_add_test (t, all_headers_end_at_256_kib);
  tcase_add_test (t, the_callers_body_is_borrowed_whole_or_in_part);
  tcase_add_test (t, another_body_is_copied);
  tcase_add_test (t, a_body_beyond_what_there_is_is_refused);
  tcase_add_test (t, the_secret_goes_into_one_header_and_one_parameter_at_most);
  LOOP (t, the_secrets_header_is_vetted_like_any, secrets);
  tcase_add_test (t, the_secrets_parameter_needs_no_escaping);
  tcase_add_test (t, a_method_is_a_short_token);
  tcase_add_test (t, the_first_refusal_is_the_one_that_is_told);
  tcase_add_test (t, a_reset_leaves_nothing_of_the_one_before);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (make_suite)

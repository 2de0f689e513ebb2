/* values: durations, sizes, numbers, names, URLs and spellings. */
#include <string.h>

#include "config.h"
#include "kwtest.h"
#include "values.h"

START_TEST (durations_that_are_read)
{
  static const struct { const char *text; int64_t ms; } cases[] = {
    { "0", 0 }, { "0s", 0 }, { "250ms", 250 }, { "2s", 2000 },
    { "1m30s", 90000 }, { "7m12.5s", 432500 }, { "1h", 3600000 },
    { "1d", 86400000 }, { "1d2h3m4s5ms", 93784005 }, { "90s", 90000 },
    { "1.5h", 5400000 }, { "0.5d", 43200000 }, { "2h22m12.864s", 8532864 },
    { "1m0.36s", 60360 }, { "7.66s", 7660 }, { "00s", 0 },
    /* never shorter than what was said */
    { "269.999999ms", 270 }, { "0.0001ms", 1 }, { "1.0000s", 1000 },
    { "1.0000000000001s", 1001 }, { "1.00000000000000s", 1000 },
    { "106751991167d", INT64_C (106751991167) * 86400000 },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int64_t ms = -1;
    int r = kwi_parse_duration (cases[i].text, &ms);
    ck_assert_msg (r == 0 && ms == cases[i].ms, "%s: %d, %lld ms",
                   cases[i].text, r, (long long) ms);
  }
}
END_TEST

START_TEST (durations_that_are_refused)
{
  static const char *const cases[] = {
    "", "1", "10", "00", "-1s", "+1s", "s", "ms", ".5s", "5.s", "1..5s",
    "1.5", "1.5.5s", "1 s", " 1s", "1s ", "1s 2ms", "1S", "1sec", "1m30",
    "1s1m", "1s1s", "1ms1s", "1.5m30s", "1us", "1h.", "1h.5m", "0x1s",
    "106751991168d", "9223372036854775808ms", "99999999999999999999999s",
    "106751991167d24h", "1w",
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int64_t ms = 77;
    ck_assert_msg (kwi_parse_duration (cases[i], &ms) == -1, "%s: %lld ms",
                   cases[i], (long long) ms);
    ck_assert_msg (ms == 77, "%s touched the result", cases[i]);
  }
}
END_TEST

START_TEST (sizes)
{
  static const struct { const char *text; int64_t bytes; } cases[] = {
    { "0", 0 }, { "1024", 1024 }, { "1K", 1024 }, { "1kb", 1024 },
    { "64MB", 67108864 }, { "64m", 67108864 }, { "2G", INT64_C (2) << 30 },
    { "2GB", INT64_C (2) << 30 },
    { "", -1 }, { "MB", -1 }, { "1.5MB", -1 }, { "64 MB", -1 },
    { "64MiB", -1 }, { "-1", -1 }, { "1T", -1 }, { "64MB ", -1 },
    { "9223372036854775808", -1 }, { "8589934592G", -1 },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int64_t bytes = -1;
    int r = kwi_parse_size (cases[i].text, &bytes);
    ck_assert_msg (r == (cases[i].bytes < 0 ? -1 : 0)
                   && bytes == cases[i].bytes, "%s: %d, %lld", cases[i].text,
                   r, (long long) bytes);
  }
}
END_TEST

START_TEST (whole_numbers)
{
  static const struct { const char *text; int r; int64_t n; } cases[] = {
    { "1", 0, 1 }, { "10", 0, 10 }, { "007", 0, 7 }, { "1000", 0, 1000 },
    { "0", -2, 0 }, { "1001", -2, 0 }, { "-1", -2, 0 },
    { "99999999999999999999", -2, 0 },
    { "", -1, 0 }, { "-", -1, 0 }, { "+1", -1, 0 }, { "1.0", -1, 0 },
    { "ten", -1, 0 }, { "10 ", -1, 0 }, { " 10", -1, 0 }, { "0x10", -1, 0 },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int64_t n = 0;
    int r = kwi_parse_integer (cases[i].text, 1, 1000, &n);
    ck_assert_msg (r == cases[i].r && n == cases[i].n, "\"%s\": %d, %lld",
                   cases[i].text, r, (long long) n);
  }
}
END_TEST

START_TEST (names)
{
  char longest[65];

  memset (longest, 'a', 64);
  longest[63] = '\0';
  ck_assert (kwi_valid_name (longest) && kwi_valid_plugin_name (longest));
  longest[63] = 'a';
  longest[64] = '\0';
  ck_assert (!kwi_valid_name (longest) && !kwi_valid_plugin_name (longest));

  static const struct { const char *text; int name, plugin, variable; }
  cases[] = {
    { "groq", 1, 1, 1 }, { "team-b", 1, 1, 0 }, { "Team_B.2", 1, 0, 0 },
    { "2nd", 1, 1, 0 }, { "-x", 1, 0, 0 }, { "", 0, 0, 0 },
    { "a b", 0, 0, 0 }, { "a/b", 0, 0, 0 }, { "../x", 0, 0, 0 },
    { "caf\xc3\xa9", 0, 0, 0 }, { "_X1", 1, 0, 1 }, { "A=B", 0, 0, 0 },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *s = cases[i].text;
    ck_assert_msg (kwi_valid_name (s) == cases[i].name, "name %s", s);
    ck_assert_msg (kwi_valid_plugin_name (s) == cases[i].plugin, "plugin %s",
                   s);
    ck_assert_msg (kwi_valid_variable (s) == cases[i].variable, "variable %s",
                   s);
  }
}
END_TEST

START_TEST (what_looks_like_a_key)
{
  ck_assert (kwi_looks_secret ("gsk_3fT9xQ7LmZp0aVbN2rKd"));
  ck_assert (kwi_looks_secret ("sk-proj-abcdefgh12345678"));
  ck_assert (!kwi_looks_secret ("GROQ_API_KEY_BACKUP_2024_EUROPE"));
  ck_assert (!kwi_looks_secret ("groq_api_key_2"));
  ck_assert (!kwi_looks_secret ("groq-team-customer-b.key1"));
  ck_assert (!kwi_looks_secret (""));
}
END_TEST

START_TEST (urls)
{
  static const struct { const char *url, *wrong; } cases[] = {
    { "https://api.example.com/v1", NULL }, { "http://127.0.0.1:8080", NULL },
    { "HTTPS://h", NULL }, { "https://[::1]:8443/v1/", NULL },
    { "https://h/a@b", NULL }, { "https://h:65535/", NULL },
    { "api.example.com/v1", "no scheme" }, { "localhost:8080", "no scheme" },
    { "", "no scheme" }, { "https:/h", "no scheme" },
    { "ftp://h/", "not one of https, http" },
    { "file:///etc/passwd", "not one of https, http" },
    { "://h", "not one of https, http" },
    { "https://user:pw@h/v1", "a user or a password" },
    { "https://user@h", "a user or a password" },
    { "https://", "no host" }, { "https:///v1", "no host" },
    { "https://:80/", "no host" }, { "https://[]/", "no host" },
    { "https://[::1/v1", "has no ]" }, { "https://[::1]x/", "port" },
    { "https://h:/", "port" }, { "https://h:0/", "port" },
    { "https://h:65536/", "port" }, { "https://h:80x/", "port" },
    { "https://h:99999999999999999999/", "port" },
    { "https://h/?a=b", "query or a fragment" },
    { "https://h/#f", "query or a fragment" },
    { "https://h/ v1", "blank or a control" },
    { "https://h/\tv1", "blank or a control" },
    { "https://h\r\n", "blank or a control" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *wrong = kwi_check_base_url (cases[i].url);
    if (cases[i].wrong == NULL)
      ck_assert_msg (wrong == NULL, "%s: %s", cases[i].url, wrong);
    else
      ck_assert_msg (wrong != NULL && strstr (wrong, cases[i].wrong) != NULL,
                     "%s: %s", cases[i].url, wrong != NULL ? wrong : "fine");
  }
}
END_TEST

START_TEST (urls_that_show_keys_to_the_network)
{
  static const struct { const char *url; int is_private; } cases[] = {
    { "https://api.example.com", 1 }, { "http://localhost:1", 1 },
    { "http://127.0.0.1/v1", 1 }, { "http://127.9.9.9:80", 1 },
    { "http://[::1]:1/", 1 }, { "http://LocalHost", 1 },
    { "http://api.example.com", 0 }, { "http://127.0.0.1.example.com", 0 },
    { "http://localhost.example.com", 0 }, { "http://[::2]/", 0 },
    { "http://10.0.0.1", 0 },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    ck_assert_msg (kwi_url_is_private (cases[i].url) == cases[i].is_private,
                   "%s", cases[i].url);
}
END_TEST

START_TEST (nearest_spellings)
{
  static const struct { const char *text, *nearest; } cases[] = {
    { "max_swiches", "max_switches" }, { "max_switches", "max_switches" },
    { "MAX-SWITCHES", "max_switches" }, { "mxa_retries", "max_retries" },
    { "max_retry", "max_retries" }, { "modle", "model" }, { "url", NULL },
    { "api_key", NULL }, { "", NULL }, { "x", NULL }, { "deadlines", "deadline" },
    { "dead_line", "deadline" },
    { "a_very_long_name_that_is_longer_than_any_word_of_the_list_by_far_xxxxxx",
      NULL },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *nearest = kwi_nearest (cases[i].text, kwi_provider_options);
    ck_assert_msg (nearest == cases[i].nearest
                   || (nearest != NULL && cases[i].nearest != NULL
                       && strcmp (nearest, cases[i].nearest) == 0),
                   "%s: %s", cases[i].text, nearest != NULL ? nearest : "none");
  }
}
END_TEST

START_TEST (suggestions_stay_within_their_buffer)
{
  static const char *const words[] = { "wait", "switch", NULL };
  char buf[128];

  ck_assert_str_eq (kwi_suggest ("swich", words, buf, sizeof buf),
                    "; did you mean \"switch\"? (known: wait, switch)");
  ck_assert_str_eq (kwi_suggest ("xyz", words, buf, sizeof buf),
                    " (known: wait, switch)");
  ck_assert_str_eq (kwi_suggest ("xyz", words, buf, 10), " (known: ");
  ck_assert_str_eq (kwi_suggest ("xyz", words, buf, 1), "");
}
END_TEST

START_TEST (utf8)
{
  static const struct { const char *text; size_t valid; } cases[] = {
    { "", 0 }, { "abc", 3 }, { "caf\xc3\xa9!", 6 }, { "\xe2\x82\xac", 3 },
    { "\xf0\x9f\x98\x80", 4 }, { "\xf4\x8f\xbf\xbf", 4 },
    { "ab\xe9", 2 },            /* Latin-1 */
    { "a\xc3", 1 }, { "a\xe2\x82", 1 }, { "\x80", 0 },
    { "\xc0\xaf", 0 }, { "\xe0\x80\xaf", 0 }, { "\xf0\x80\x80\xaf", 0 },
    { "\xed\xa0\x80", 0 }, { "\xf4\x90\x80\x80", 0 }, { "\xff\xfe", 0 },
    { "ok\xe2\x28\xa1", 2 },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    size_t valid = kwi_utf8_valid (cases[i].text, strlen (cases[i].text));
    ck_assert_msg (valid == cases[i].valid, "case %zu: %zu bytes", i, valid);
  }
}
END_TEST

static Suite *
values_suite (void)
{
  Suite *s = suite_create ("values");
  TCase *t = tcase_create ("values");

  tcase_add_test (t, durations_that_are_read);
  tcase_add_test (t, durations_that_are_refused);
  tcase_add_test (t, sizes);
  tcase_add_test (t, whole_numbers);
  tcase_add_test (t, names);
  tcase_add_test (t, what_looks_like_a_key);
  tcase_add_test (t, urls);
  tcase_add_test (t, urls_that_show_keys_to_the_network);
  tcase_add_test (t, nearest_spellings);
  tcase_add_test (t, suggestions_stay_within_their_buffer);
  tcase_add_test (t, utf8);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (values_suite)

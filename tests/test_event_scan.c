/* test_event_scan - what a stream's event speaks of. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "event-scan.h"
#include "kwtest.h"

enum { ERR = KWI_EVENT_ERROR, USE = KWI_EVENT_USAGE, CHO = KWI_EVENT_CHOICES,
       FIN = KWI_EVENT_FINISH, DONE = KWI_EVENT_DONE };

static const struct { const char *data; unsigned marks; } events[] = {
  { "", 0 }, { ":", 0 }, { "\":", 0 }, { "\"\":1", 0 }, { "[DONE]", DONE }, { "[DONE", 0 },
  { " [DONE]", 0 }, { "[DONE] ", DONE },
  { "{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{"
    "\"content\":\"Hello\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}", CHO },
  { "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}", CHO | FIN },
  { "{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}", CHO | USE },
  { "{\"error\":{\"message\":\"m\"}}", ERR }, { "{\"error\" \t\r\n: \n{}}", ERR },
  { "{\"error\":null}", 0 }, { "{\"error\" : \t null}", 0 }, { "{\"error\":nul", ERR },
  { "{\"error\":nullable}", 0 }, { "{\"error\":null,\"a\":{\"error\":1}}", ERR },
  { "{\"error\":1,\"error\":null}", ERR }, { "\"error\":", ERR }, { "{\"error\"", 0 },
  { "{\"an error\":1}", 0 }, { "{\"errors\":1}", 0 }, { "{error\":1}", 0 },
  { "{\"a\":\"error\"}", 0 }, { "{\"a\":\"error\",\"b\":1}", 0 },
  { "{\"content\":\"{\\\"error\\\": 1, \\\"usage\\\": 2}\"}", 0 },
  { "{\"usageMetadata\":{}}", 0 }, { "{\"x_groq\":{\"usage\":{\"a\":1}}}", USE },
  { "data: not JSON", 0 },
};

START_TEST (an_events_marks_are_those_of_its_members)
{
  unsigned got = kwi_event_scan (events[_i].data, strlen (events[_i].data));

  ck_assert_msg (got == events[_i].marks, "%s: %u, not %u", events[_i].data, got,
                 events[_i].marks);
}
END_TEST

/* By its words: the name in quotes, blanks, a colon, and no null behind it.  One
 * quote may end a name and begin the next, in what is no JSON. */
static int
mentions (const char *data, const char *quoted)
{
  const char *p = data;

  while ((p = strstr (p, quoted)) != NULL) {
    const char *q = p + strlen (quoted);
    p = q - 1;
    q += strspn (q, " \t\r\n");
    if (*q == ':' && strncmp (q + 1 + strspn (q + 1, " \t\r\n"), "null", 4) != 0)
      return 1;
  }
  return 0;
}

static uint32_t
dice (uint32_t sides)
{
  static uint64_t state = 88172645463325252u;

  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t) (state >> 33) % sides;
}

START_TEST (any_text_is_marked_as_its_words_say)
{
  static const char *const words[] = {
    "\"error\"", "\"usage\"", "\"choices\"", "\"finish_reason\"", "\"", ":", " ", "\n", "null",
    "nul", "{", "}", "\\", "error", "usage", "r", "e", "[DONE]", ",", "\"a\":1", "\t", "::",
  };
  int seen[5] = { 0 }, rounds = kwtest_scaled (200000);

  for (int i = 0; i < rounds; i++) {
    char text[240] = "";
    size_t len = 0;
    unsigned want, got;
    char *copy;

    for (uint32_t n = dice (16); n > 0; n--) {
      const char *w = words[dice (sizeof words / sizeof words[0])];
      memcpy (text + len, w, strlen (w) + 1);
      len += strlen (w);
    }
    want = (mentions (text, "\"error\"") ? ERR : 0u) | (mentions (text, "\"usage\"") ? USE : 0u)
           | (mentions (text, "\"choices\"") ? CHO : 0u)
           | (mentions (text, "\"finish_reason\"") ? FIN : 0u)
           | (strncmp (text, "[DONE]", 6) == 0 ? DONE : 0u);
    copy = malloc (len > 0 ? len : 1); /* so that a byte too far is seen */
    ck_assert_ptr_nonnull (copy);
    memcpy (copy, text, len);
    got = kwi_event_scan (copy, len);
    free (copy);
    ck_assert_msg (got == want, "%s: %u, not %u", text, got, want);
    for (int b = 0; b < 5; b++)
      seen[b] += (got >> b & 1) != 0;
  }
  for (int b = 0; b < 5; b++)
    ck_assert_msg (seen[b] > rounds / 400, "mark %d was seen %d times", b, seen[b]);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("event_scan");
  TCase *tc = tcase_create ("event_scan");

  tcase_add_loop_test (tc, an_events_marks_are_those_of_its_members, 0,
                       (int) (sizeof events / sizeof events[0]));
  tcase_add_test (tc, any_text_is_marked_as_its_words_say);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)

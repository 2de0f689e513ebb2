/* test_json_scan - texts that are read without json-c are read as json-c reads
 * them: written cases, and many thousands made from real answers. */
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>
#include <keywheel/keywheel.h>

#include "answer.h"
#include "body.h"
#include "json-scan.h"
#include "kwtest.h"

/* ---- One text, twice ------------------------------------------------------- */

/* What plugins ask, and what nobody should. */
static const char *const pointers[] = {
  "", "/", "/error", "/error/message", "/error/code", "/error/type", "/0/error",
  "/0/error/message", "/response/error/message", "/choices/0/error/message",
  "/choices/0/index", "/choices/0/message/content", "/choices/1/index",
  "/choices/2/index", "/choices/-", "/choices/01", "/choices/x", "/choices/10",
  "/object", "/type", "/usage/prompt_tokens", "/usage/completion_tokens",
  "/usage/input_tokens", "/response/usage/input_tokens", "/x_groq/usage/prompt_tokens",
  "/x_groq/error", "/error/metadata/headers/Retry-After", "/retry_after",
  "/error/message/error/message", "/error/message/0/error/code", "/detail/error",
  "/detail", "/errors/0/message", "/message", "/message/error/code", "/0/estimated_time",
  "/estimated_time", "/error/status_code", "/error/details/0/retryDelay",
  "/error/details/1/violations/0/quotaId", "/error/details/2/retryDelay",
  "/a", "/a/b", "/a/0", "/a/1", "/a/2", "/a~0b", "/a~1b", "/a/", "a", "/a/b/c",
  "/model", "/stream",
};

static uint64_t state = 88172645463325252u;

static uint32_t
dice (uint32_t sides)
{
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t) (state >> 33) % sides;
}

static uint64_t n_texts, n_scanned, n_asked;

/* A copy that ends where its memory does, so that reading beyond it is seen. */
static char *
exact (const char *text, size_t len)
{
  char *copy = malloc (len > 0 ? len : 1);

  ck_assert_ptr_nonnull (copy);
  memcpy (copy, text, len);
  return copy;
}

static void
same_answer (const char *text, size_t len)
{
  struct kwi_answer with = { .status = 0 }, without = { .status = 0 };
  struct kwi_json *room = malloc (sizeof *room);
  size_t i;

  ck_assert_ptr_nonnull (room);
  memset (room, 0xa5, sizeof *room);
  ck_assert_int_eq (kwi_answer_add_body (&with, text, len), 0);
  ck_assert_int_eq (kwi_answer_add_body (&without, text, len), 0);
  for (i = 0; i < sizeof pointers / sizeof pointers[0]; i++) {
    char one[64], other[64];
    size_t size = dice (4) > 0 ? sizeof one : dice (sizeof one);
    int r, s;

    memset (one, 'x', sizeof one);
    memset (other, 'x', sizeof other);
    with.room = room;
    r = kwi_answer_json_text (&with, pointers[i], one, size);
    s = kwi_answer_json_text (&without, pointers[i], other, size);
    n_asked += with.json_state == 0;
    ck_assert_msg (r == s && memcmp (one, other, sizeof one) == 0,
                   "\"%s\" of %.*s: %d %.60s, json-c: %d %.60s", pointers[i],
                   (int) len, text, r, one, s, other);
    if (with.json_state != 0)   /* the next question, to the scan again */
      kwi_answer_forget_json (&with);
  }
  ck_assert_msg (kwi_answer_is_json (&with) == (kwi_answer_json (&without) != NULL),
                 "is it JSON?  %.*s", (int) len, text);
  kwi_answer_clear (&with);
  kwi_answer_clear (&without);
  free (room);
}

/* json-c's view: 0 and what the body says, or -1. */
static int
parsed (const char *text, size_t len, char model[96], int *stream, int64_t *max)
{
  struct json_tokener *tok = json_tokener_new_ex (256);
  struct json_object *o, *m;
  int ok;

  json_tokener_set_flags (tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8
                                 | JSON_TOKENER_ALLOW_TRAILING_CHARS);
  o = json_tokener_parse_ex (tok, text, (int) len);
  ok = json_tokener_get_error (tok) == json_tokener_success
       && json_object_is_type (o, json_type_object);
  json_tokener_free (tok);
  model[0] = '\0';
  *stream = 0;
  *max = -1;
  if (ok && json_object_object_get_ex (o, "model", &m)
      && json_object_is_type (m, json_type_string))
    (void) memccpy (model, json_object_get_string (m), '\0', 95);
  if (ok && json_object_object_get_ex (o, "stream", &m))
    *stream = json_object_is_type (m, json_type_boolean) && json_object_get_boolean (m);
  if (ok && json_object_object_get_ex (o, "max_tokens", &m)
      && json_object_is_type (m, json_type_int))
    *max = json_object_get_int64 (m);
  json_object_put (o);
  return ok ? 0 : -1;
}

static void
same_body (const char *text, size_t len)
{
  char *copy = exact (text, len), model[97] = "", want[97] = "";
  struct kw_error e = KW_ERROR_INIT;
  struct kwi_json *room = malloc (sizeof *room);
  struct kwi_body_facts facts;
  int stream = 0, want_stream;
  int64_t want_max;
  int r = kwi_body_read (copy, len, model, 96, &stream, &facts, &e);

  ck_assert_ptr_nonnull (room);
  n_texts++;
  if (kwi_json_scan_utf8 (room, copy, len, 1)) {
    n_scanned++;
    ck_assert_msg (parsed (copy, len, want, &want_stream, &want_max) == 0
                     || room->node[0].kind != KWI_JSON_OBJECT,
                   "json-c refuses %.*s", (int) len, text);
  }
  if (r == 0) {
    ck_assert_msg (parsed (copy, len, want, &want_stream, &want_max) == 0
                     && strcmp (model, want) == 0 && stream == want_stream
                     && (facts.max_tokens < 0 || want_max < 0
                         || facts.max_tokens == want_max
                         || strstr (text, "max_completion") != NULL),
                   "%.*s: \"%s\" %d %" PRId64 ", json-c: \"%s\" %d %" PRId64, (int) len,
                   text, model, stream, facts.max_tokens, want, want_stream, want_max);
  }
  free (room);
  free (copy);
}

/* ---- Written cases ---------------------------------------------------------- */

static const char *const texts[] = {
  "", " ", "null", " true ", "false", "0", "-0", "-1", "12", "1e5", "1.50", "01", "1.",
  "123456789012345678", "1234567890123456789", "99999999999999999999", "\"a\"", "\"",
  "[", "]", "[]", "[ ]", "{}", "{ }", "{", "[1,]", "{\"a\":1,}", "{,}", "[,1]",
  "{\"a\" 1}", "{\"a\":}", "{a:1}", "[1 2]", "[1,2] x", "nul", "nulll", "truefalse",
  "NaN", "[NaN]", "[-Infinity]", "tRue", "\xef\xbb\xbf{}", "{\"a\":\"\xff\"}",
  "{\"a\":1,\"a\":2}", "{\"a\":{\"b\":1},\"a\":3}", "{\"\":1}", "{\"\\u0061\":1}",
  "{\"a\":1,\"\\u0061\":2}", "{\"a\\u0000b\":1}", "{\"a\":\"\\u0000\"}",
  "{\"a\":\"x\\u0000y\"}", "{\"a\":\"\\ud83d\\ude00\"}", "{\"a\":\"\\ud83d\"}",
  "{\"a\":\"\\u00e4\\u20ac\\/\\\\\\b\\f\\n\\r\\t\\\"\"}", "{\"a\":\"\\x\"}",
  "{\"a\":\"\\u12g4\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"\n\"}", "{\"a\":\"\x7f\"}",
  "{\"a\":-0}", "{\"a\":1.0}", "{\"a\":[1,2,3]}", "{\"a\":[[1],{\"b\":2}]}",
  "{\"a\":\"{\\\"b\\\":{\\\"c\\\":7}}\"}", "{\"a\":\"[5,6]\"}", "{\"a\":\" [5]\"}",
  "{\"a\":\"\\u007b\\\"b\\\":9}\"}", "{\"a\":\"{}\"}", "{\"a\":\"text\"}",
  "[{\"error\":{\"message\":\"m\"}}]", "{\"a~b\":1,\"a/b\":2}",
  "{\"error\":\"{\\\"message\\\":\\\"{\\\\\\\"error\\\\\\\":1}\\\"}\"}",
  "{\"model\":\"m\\/x\",\"stream\":true,\"max_tokens\":7}",
  "{\"model\":\"m\",\"model\":5,\"stream\":1}", "{\"stream\":true,\"stream\":false}",
  "{\"a\":{\"model\":\"no\"},\"model\":\"yes\"}",
};

START_TEST (a_written_text_is_read_as_json_c_reads_it)
{
  same_answer (texts[_i], strlen (texts[_i]));
  same_body (texts[_i], strlen (texts[_i]));
}
END_TEST

/* In every place of a block that is skipped at once, and beside it. */
START_TEST (what_ends_a_run_of_plain_bytes_is_seen_wherever_it_stands)
{
  static const char *const odd[] = {
    "\\n", "\\\"", "\\", "\"", "\x01", "\x1f", "\x7f", " ", "!", "#", "[", "]",
    "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf",
    "\xed\xa0\x80", "\xed\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
    "\xf4\x8f\xbf\xbf", "\xf5\x80\x80\x80", "\x80", "\xff", "\xe2\x82", "\xf0\x9f\x98",
    "\xc3", "\xe2(\xa1", "\xe2\x82(", "\xf0\x9f(\x80",
  };
  char text[160];

  for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
    for (size_t at = 0; at < 40; at++)
      for (size_t behind = 0; behind < 20; behind += 19) {
        int n = snprintf (text, sizeof text, "{\"a\":\"%.*s%s%.*s\"}", (int) at,
                          "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", odd[i],
                          (int) behind, "abcdefghijklmnopqrstuvwxyz");
        ck_assert_int_gt (n, 0);
        same_body (text, (size_t) n);
        same_answer (text, (size_t) n);
      }
}
END_TEST

START_TEST (more_than_the_table_or_the_levels_take_is_left_to_json_c)
{
  char *text = malloc (100000);
  size_t n = 0;

  ck_assert_ptr_nonnull (text);
  for (int depth = 1; depth < 300; depth += depth < 120 ? 40 : 3) {
    for (n = 0; n < (size_t) depth; n++)
      text[n] = '[';
    for (int i = 0; i < depth; i++)
      text[n++] = ']';
    text[n] = '\0';
    same_answer (text, n);
    same_body (text, n);
  }
  for (int members = 200; members < 300; members += 9) {
    n = 0;
    for (int i = 0; i < members; i++)
      n += (size_t) snprintf (text + n, 100000 - n, "%c\"m%d\":%d", i > 0 ? ',' : '{', i, i);
    n += (size_t) snprintf (text + n, 100000 - n, ",\"model\":\"x\",\"stream\":true}");
    same_answer (text, n);
    same_body (text, n);
  }
  free (text);
}
END_TEST

START_TEST (the_facts_of_a_body_are_noted)
{
  static const char body[] = "{\"messages\": [{\"role\":\"user\",\"content\":\"\\\"hi\\\"\"}] ,"
                             "\"max_tokens\":5,\"max_completion_tokens\":77}";
  struct kw_error e = KW_ERROR_INIT;
  struct kwi_body_facts f;
  char model[96];
  int stream;

  ck_assert_int_eq (kwi_body_read (body, sizeof body - 1, model, sizeof model, &stream, &f,
                                   &e), 0);
  ck_assert_int_eq (f.max_tokens, 77);
  ck_assert_uint_eq (f.messages_len, 36);
  ck_assert_int_eq (strncmp (f.messages, "[{\"role\"", 8), 0);
  ck_assert_int_eq (kwi_body_read ("{\"max_tokens\":-5}", 17, model, sizeof model, &stream,
                                   &f, &e), 0);
  ck_assert_int_eq (f.max_tokens, -1);
  ck_assert_ptr_null (f.messages);
}
END_TEST

/* ---- Made cases ------------------------------------------------------------- */

/* Strings of a fixture's lines and the lines themselves, changed here and there. */
static void
change (char *text, size_t *len, size_t size)
{
  static const char *const put[] = {
    "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", "1e9", "null", "true", "\\u0061",
    "\\ud800", "\\n", "\x01", "\xc3\xa4", "\xe2", " ", "\n", "error", "\"error\":", "\"a\":",
    "\"model\":\"x\",", "\"stream\":true,", "NaN", "\"usage\":{\"prompt_tokens\":4},",
  };
  size_t at = *len > 0 ? dice ((uint32_t) *len) : 0, n, cut;
  const char *s = put[dice (sizeof put / sizeof put[0])];

  switch (dice (4)) {
  case 0:                       /* another byte */
    if (*len > 0)
      text[at] = (char) dice (256);
    break;
  case 1:                       /* something between */
    n = strlen (s);
    if (*len + n < size) {
      memmove (text + at + n, text + at, *len - at);
      memcpy (text + at, s, n);
      *len += n;
    }
    break;
  case 2:                       /* a piece is missing */
    cut = dice (8) < *len - at ? dice (8) : 0;
    cut = cut < *len - at ? cut : 0;
    memmove (text + at, text + at + cut, *len - at - cut);
    *len -= cut;
    break;
  default:                      /* it was cut */
    if (dice (8) == 0)
      *len = at;
  }
}

static void
change_and_compare (const char *from, size_t len, int times)
{
  static char text[8192];

  if (len > sizeof text - 256)
    return;
  times = kwtest_scaled (times);
  for (int i = 0; i < times; i++) {
    size_t n = len;
    memcpy (text, from, len);
    for (uint32_t changes = dice (4); changes > 0; changes--)
      change (text, &n, sizeof text - 1);
    text[n] = '\0';
    same_answer (text, n);
    same_body (text, n);
  }
}

static void
each_line (const char *name)
{
  char path[512], *line = NULL;
  struct json_object *o, *body;
  size_t size = 0;
  FILE *f;

  ck_assert_int_gt (snprintf (path, sizeof path, "%s/tests/fixtures/%s.jsonl",
                              kwtest_srcdir (), name), 0);
  f = fopen (path, "r");
  ck_assert_ptr_nonnull (f);
  while (getline (&line, &size, f) > 0) {
    change_and_compare (line, strlen (line), 4);
    o = json_tokener_parse (line);
    if (json_object_object_get_ex (o, "body", &body)) {
      const char *s = json_object_get_string (body);
      change_and_compare (s, strlen (s), 24);
    }
    json_object_put (o);
  }
  free (line);
  (void) fclose (f);
}

static const char *const fixtures[] = {
  "anthropic", "azure", "cerebras", "compatible", "deepseek", "gemini", "groq", "mistral",
  "openai",
};

START_TEST (real_answers_changed_at_random_are_read_as_json_c_reads_them)
{
  state += (uint64_t) _i * 7919;
  n_texts = n_scanned = n_asked = 0;
  each_line (fixtures[_i]);
  /* The comparison means something only where the scan answers. */
  ck_assert_msg (n_scanned > n_texts / 8 && n_asked > n_texts,
                 "%s: %" PRIu64 " texts, %" PRIu64 " scanned, %" PRIu64 " answers", fixtures[_i],
                 n_texts, n_scanned, n_asked);
}
END_TEST

START_TEST (chats_changed_at_random_are_read_as_json_c_reads_them)
{
  static const char *const chats[] = {
    "{\"model\":\"llama\",\"messages\":[{\"role\":\"user\",\"content\":\"a \\\"b\\\" \\u00e4 "
    "\xc3\xa4\\n\"}],\"temperature\":0.7,\"max_tokens\":100,\"stream\":true}",
    "{\"id\":\"c\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
    "\"assistant\",\"content\":\"Hello\"},\"finish_reason\":\"stop\"}],\"usage\":{"
    "\"prompt_tokens\":42,\"completion_tokens\":17},\"x_groq\":{\"id\":\"r\"}}",
    "{\"a\":{\"b\":\"{\\\"c\\\":1}\"},\"a~b\":[1,[2,{\"a\":3}],-0,1.5],\"type\":\"error\"}",
  };

  state += (uint64_t) _i * 104729;
  change_and_compare (chats[_i % 3], strlen (chats[_i % 3]), 4000);
}
END_TEST

#define N(a) ((int) (sizeof (a) / sizeof (a)[0]))

static Suite *
suite (void)
{
  Suite *s = suite_create ("json_scan");
  TCase *tc = tcase_create ("json_scan");

  tcase_set_timeout (tc, 300);
  tcase_add_loop_test (tc, a_written_text_is_read_as_json_c_reads_it, 0, N (texts));
  tcase_add_test (tc, what_ends_a_run_of_plain_bytes_is_seen_wherever_it_stands);
  tcase_add_test (tc, more_than_the_table_or_the_levels_take_is_left_to_json_c);
  tcase_add_test (tc, the_facts_of_a_body_are_noted);
  tcase_add_loop_test (tc, real_answers_changed_at_random_are_read_as_json_c_reads_them, 0,
                       N (fixtures));
  tcase_add_loop_test (tc, chats_changed_at_random_are_read_as_json_c_reads_them, 0, 3);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)

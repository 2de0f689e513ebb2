/* check-text - the texts that answers are made of.  Knows the general shape of
 * what providers say, and the odd things that have been said or could be; no
 * provider. */
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "answer.h"
#include "check-text.h"

#define N_OF(a) (sizeof (a) / sizeof (a)[0])

/* ---- Documents ---------------------------------------------------------- */

static const char *const templates[KWI_TEMPLATES] = {
  [KWI_T_ERROR] = (
    "{\"error\":{\"message\":\"Rate limit reached for model `m-1` in organization `org_1` on "
    "tokens per day (TPD): Limit 100000, Used 99990, Requested 36. Please try again in "
    "7m12.5s.\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\",\"param\":null,"
    "\"status\":\"RESOURCE_EXHAUSTED\",\"status_code\":429,\"details\":[{\"@type\":\"t\","
    "\"retryDelay\":\"18s\",\"reason\":\"R\",\"metadata\":{\"a\":\"b\"},\"violations\":["
    "{\"quotaId\":\"RequestsPerDayPerProject\",\"quotaValue\":\"20\",\"quotaDimensions\":"
    "{\"model\":\"m-1\"}}]}],\"metadata\":{\"headers\":{\"X-RateLimit-Reset\":"
    "\"1767398400000\"},\"raw\":\"{\\\"error\\\":{\\\"message\\\":\\\"m\\\"}}\"}},"
    "\"request_id\":\"r1\"}"),
  [KWI_T_REPLY] = (
    "{\"id\":\"c1\",\"object\":\"chat.completion\",\"created\":1767362591,\"model\":\"m-1\","
    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hi\"},"
    "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":36,\"completion_tokens\":9,"
    "\"total_tokens\":45}}"),
  [KWI_T_CHUNK] = (
    "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1767362591,\"model\":"
    "\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"h\"},\"finish_reason\":null}]}")
};

const char *
kwi_template_text (enum kwi_template t)
{
  return templates[t];
}

/* ---- Odd texts ---------------------------------------------------------- */

const struct kwi_spelling kwi_odd_values[] = {
  { .name = "null", .head = "null" },
  { .name = "true", .head = "true" },
  { .name = "zero", .head = "0" },
  { .name = "minus-one", .head = "-1" },
  { .name = "fraction", .head = "0.0001" },
  { .name = "largest", .head = "9223372036854775807" },
  { .name = "least", .head = "-9223372036854775808" },
  { .name = "too-large", .head = "9", .unit = "9", .times = 400 },
  { .name = "infinite", .head = "1e999" },
  { .name = "empty", .head = "\"\"" },
  { .name = "blank", .head = "\" \"" },
  { .name = "array", .head = "[]" },
  { .name = "object", .head = "{}" },
  { .name = "objects", .head = "[{},[],null,{\"error\":{}}]" },
  { .name = "deep", .unit = "[", .close = "]", .times = 300 },
  { .name = "letter", .head = "\"a\"" },
  { .name = "bytes-63", .head = "\"", .unit = "a", .times = 63, .tail = "\"" },
  { .name = "bytes-64", .head = "\"", .unit = "a", .times = 64, .tail = "\"" },
  { .name = "bytes-65", .head = "\"", .unit = "a", .times = 65, .tail = "\"" },
  { .name = "bytes-255", .head = "\"", .unit = "A", .times = 255, .tail = "\"" },
  { .name = "bytes-4096", .head = "\"", .unit = "b", .times = 4096, .tail = "\"" },
  { .name = "bytes-100000", .head = "\"", .unit = "c ", .times = 50000, .tail = "\"" },
  { .name = "digits-100000", .head = "\"", .unit = "9", .times = 100000, .tail = "\"" },
  { .name = "format", .head = "\"%s%s%n%x%d%.999999999f\"" },
  { .name = "nul", .head = "\"a\\u0000b\"" },
  { .name = "raw-nul", .head = "\"a\1b\"" },
  { .name = "no-utf-8", .head = "\"\xff\xfe\xc0\xaf\"" },
  { .name = "surrogate", .head = "\"\\ud800\"" },
  { .name = "characters", .unit = "\xe2\x82\xac", .head = "\"", .times = 40, .tail = "\"" },
  { .name = "line-breaks", .head = "\"a\\r\\nb: c\\r\\n\\r\\n\"" },
  { .name = "json-text", .head = "\"{\\\"error\\\":{\\\"message\\\":\\\"m\\\",\\\"code\\\":1}}\"" },
  { .name = "json-texts", .head = "\"[[[[{\\\"error\\\":\\\"{\\\\\\\"error\\\\\\\":{}}\\\"\"" },
  { .name = "number-text", .head = "\"429\"" },
  { .name = "minus-text", .head = "\"-99999999999999999999s\"" },
  { .name = "duration", .head = "\"1h2m3.456789s\"" },
  { .name = "duration-large", .head = "\"99999999999999999999h99999999999999999999m\"" },
  { .name = "duration-cut", .head = "\"9m3\"" },
  { .name = "duration-zero", .head = "\"0s\"" },
  { .name = "date", .head = "\"1970-01-01T00:00:00Z\"" },
  { .name = "date-far", .head = "\"9999-12-31T23:59:59.999999999999+23:59\"" },
  { .name = "date-none", .head = "\"2026-02-30T25:61:61Z\"" },
  { .name = "epoch", .head = "1767398400" },
  { .name = "epoch-ms", .head = "\"1767398400000\"" },
  { .name = "no-json", .head = "no JSON" },
  { .name = "limit", .head = "\"Limit 100, Used 200, Requested ~300. Please try again in "
    "1m0.36s. Need more? Visit https://x.example/settings/billing\"" },
  { .name = "limit-negative", .head = "\"Limit -1, Used -2, Requested -3. Please try again "
    "in -5s.\"" },
  { .name = "limit-zero", .head = "\"on tokens per minute: Limit 0, Used 0, Requested 0. "
    "Please try again in 0s.\"" },
  { .name = "limit-large", .head = "\"on : Limit 99999999999999999999, Used 1e99, Requested "
    "~99999999999999999999. Please try again in 99999999999999999999h.\"" },
  { .name = "limit-cut", .head = "\"Limit \"" },
  { .name = "limit-names", .head = "\"in organization `", .unit = "o", .times = 500,
    .tail = "` on requests per day (RPD): Limit 1\"" },
};
const size_t kwi_n_odd_values = N_OF (kwi_odd_values);

const struct kwi_spelling kwi_odd_headers[] = {
  { .name = "empty" },
  { .name = "zero", .head = "0" },
  { .name = "minus", .head = "-1" },
  { .name = "one", .head = "1" },
  { .name = "fraction", .head = "0.5" },
  { .name = "many-digits", .unit = "9", .times = 40 },
  { .name = "exponent", .head = "1e9" },
  { .name = "nan", .head = "nan" },
  { .name = "hexadecimal", .head = "0x7fffffffffffffff" },
  { .name = "largest", .head = "9223372036854775807" },
  { .name = "word", .head = "soon" },
  { .name = "duration", .head = "1h2m3.456s" },
  { .name = "duration-ms", .head = "269.999999ms" },
  { .name = "duration-large", .head = "99999999999999999999h" },
  { .name = "date", .head = "Wed, 21 Oct 2015 07:28:00 GMT" },
  { .name = "date-far", .head = "Fri, 31 Dec 9999 23:59:59 GMT" },
  { .name = "date-none", .head = "Xxx, 99 Xxx 9999 99:99:99 GMT" },
  { .name = "date-iso", .head = "1970-01-01T00:00:00Z" },
  { .name = "date-iso-far", .head = "9999-12-31T23:59:59.999999999+23:59" },
  { .name = "epoch", .head = "1767398400" },
  { .name = "epoch-ms", .head = "1767398400000" },
  { .name = "list", .head = "1, 2;w=60, \"a\";q=3;t=4" },
  { .name = "format", .head = "%s%s%n%x" },
  { .name = "no-utf-8", .head = "\xff\xfe\xc0\xaf" },
  { .name = "long", .unit = "x", .times = 70000 },
};
const size_t kwi_n_odd_headers = N_OF (kwi_odd_headers);

int
kwi_usual_headers (struct kwi_answer *a)
{
  static const char *const headers[][2] = {
    { "content-type", "application/json" },
    { "date", "Fri, 02 Jan 2026 14:03:11 GMT" },
    { "retry-after", "2" },
    { "retry-after-ms", "1500" },
    { "x-ratelimit-limit-requests", "14400" },
    { "x-ratelimit-remaining-requests", "14370" },
    { "x-ratelimit-reset-requests", "2m59.56s" },
    { "x-ratelimit-limit-tokens", "18000" },
    { "x-ratelimit-remaining-tokens", "0" },
    { "x-ratelimit-reset-tokens", "7.66s" },
    { "x-ratelimit-limit", "50" },
    { "x-ratelimit-remaining", "0" },
    { "x-ratelimit-reset", "1767398400000" },
    { "x-request-id", "r1" },
  };

  for (size_t i = 0; i < N_OF (headers); i++)
    if (kwi_answer_add_header (a, headers[i][0], strlen (headers[i][0]), headers[i][1],
                               strlen (headers[i][1])) != 0)
      return -1;
  return 0;
}

/* ---- Spelling ----------------------------------------------------------- */

static char *
add (char *to, const char *s, size_t times)
{
  size_t len = s != NULL ? strlen (s) : 0;

  for (size_t i = 0; len > 0 && i < times; i++) {
    memcpy (to, s, len);
    to += len;
  }
  return to;
}

int
kwi_spell (const struct kwi_spelling *s, char **ret, size_t *ret_len)
{
  size_t once = (s->head != NULL ? strlen (s->head) : 0)
                + (s->middle != NULL ? strlen (s->middle) : 0)
                + (s->tail != NULL ? strlen (s->tail) : 0);
  size_t often = (s->unit != NULL ? strlen (s->unit) : 0)
                 + (s->close != NULL ? strlen (s->close) : 0);
  size_t len = once + often * s->times;
  char *text = malloc (len + 1), *p;

  if (text == NULL)
    return -1;
  p = add (text, s->head, 1);
  p = add (p, s->unit, s->times);
  p = add (p, s->middle, 1);
  p = add (p, s->close, s->times);
  p = add (p, s->tail, 1);
  *p = '\0';
  for (size_t i = 0; i < len; i++)
    if (text[i] == '\1')
      text[i] = '\0';
  *ret = text;
  *ret_len = len;
  return 0;
}

/* ---- A place in a document ---------------------------------------------- */

#define PLACE "kwcheck-place"
enum { MAX_INDEX = 8 };

/* The next token of a pointer, unescaped, and what is behind it; NULL: no
 * token, or one that is too long. */
static const char *
token (const char *pointer, char *buf, size_t size)
{
  size_t len = 0;

  if (*pointer++ != '/')
    return NULL;
  for (; *pointer != '\0' && *pointer != '/'; pointer++) {
    char ch = *pointer;
    if (ch == '~' && (pointer[1] == '0' || pointer[1] == '1'))
      ch = *++pointer == '0' ? '~' : '/';
    if (len + 1 >= size)
      return NULL;
    buf[len++] = ch;
  }
  buf[len] = '\0';
  return pointer;
}

/* 0 .. MAX_INDEX; -1: no index. */
static int
as_index (const char *s)
{
  return s[0] >= '0' && s[0] <= '0' + MAX_INDEX && s[1] == '\0' ? s[0] - '0' : -1;
}

static struct json_object *
member_of (struct json_object *at, const char *name)
{
  struct json_object *next = NULL;

  if (json_object_is_type (at, json_type_array)) {
    int i = as_index (name);
    return i >= 0 ? json_object_array_get_idx (at, (size_t) i) : NULL;
  }
  (void) json_object_object_get_ex (at, name, &next);
  return next;
}

/* Takes value over, also where it fails. */
static int
set_member (struct json_object *at, const char *name, struct json_object *value)
{
  int rc = -1, i = as_index (name);

  if (value != NULL && json_object_is_type (at, json_type_array))
    rc = i >= 0 ? json_object_array_put_idx (at, (size_t) i, value) : -1;
  else if (value != NULL)
    rc = json_object_object_add (at, name, value);
  if (rc != 0)
    json_object_put (value);
  return rc;
}

/* The placeholder at the pointer, containers being made on the way. */
static int
set_place (struct json_object *at, const char *pointer)
{
  char name[128], next[128];
  const char *rest = token (pointer, name, sizeof name);

  while (rest != NULL && *rest != '\0') {
    struct json_object *child = member_of (at, name);
    const char *after = token (rest, next, sizeof next);
    if (after == NULL)
      return -1;
    if (!json_object_is_type (child, json_type_object)
        && !(json_object_is_type (child, json_type_array) && as_index (next) >= 0)) {
      child = as_index (next) >= 0 ? json_object_new_array () : json_object_new_object ();
      if (set_member (at, name, child) != 0)
        return -1;
    }
    at = child;
    memcpy (name, next, sizeof name);
    rest = after;
  }
  return rest == NULL ? -1 : set_member (at, name, json_object_new_string (PLACE));
}

static int
splice (const char *text, const char *raw, size_t raw_len, char **ret, size_t *ret_len)
{
  const char *place = strstr (text, "\"" PLACE "\"");
  size_t head, behind, len;
  char *all;

  if (place == NULL)
    return 1;
  head = (size_t) (place - text);
  place += sizeof PLACE + 1;
  behind = strlen (place);
  len = head + raw_len + behind;
  all = malloc (len + 1);
  if (all == NULL)
    return -1;
  memcpy (all, text, head);
  memcpy (all + head, raw, raw_len);
  memcpy (all + head + raw_len, place, behind + 1);
  *ret = all;
  *ret_len = len;
  return 0;
}

int
kwi_put (const char *document, const char *pointer, const char *raw, size_t raw_len,
         char **ret, size_t *ret_len)
{
  struct json_object *root = json_tokener_parse (document);
  const char *text;
  int rc = 1;

  /* "/0/error": as an array's, which some wrap their answers in. */
  if (root != NULL && pointer[0] == '/' && pointer[1] >= '0' && pointer[1] <= '9') {
    struct json_object *array = json_object_new_array ();
    if (array == NULL || json_object_array_add (array, root) != 0)
      json_object_put (root);
    root = array;
  }
  if (root != NULL && set_place (root, pointer) == 0) {
    text = json_object_to_json_string_ext (root, JSON_C_TO_STRING_PLAIN
                                           | JSON_C_TO_STRING_NOSLASHESCAPE);
    rc = text != NULL ? splice (text, raw, raw_len, ret, ret_len) : -1;
  }
  json_object_put (root);
  return rc;
}

uint64_t
kwi_next_random (uint64_t *state)
{
  uint64_t z = (*state += UINT64_C (0x9e3779b97f4a7c15));

  z = (z ^ (z >> 30)) * UINT64_C (0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C (0x94d049bb133111eb);
  return z ^ (z >> 31);
}

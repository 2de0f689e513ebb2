/* variants - answers as they might have come as well; see variants.h. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "variants.h"

/* ---- Words ---------------------------------------------------------------- */

/* A word of a text, without what stands round it: "(org-1)," is org-1. */
struct word {
  const char *s;
  size_t len;
  const char *before, *after;   /* the words beside it, "" at the ends */
};

static int
is_one_of (const char *s, const char *const *names)
{
  for (; *names != NULL; names++)
    if (strncasecmp (s, *names, strlen (*names)) == 0)
      return 1;
  return 0;
}

/* Writes the word in other words and returns 1, or 0: as it is. */
typedef int map_fn (const struct word *, char *buf, size_t size);

/* Counts, three times as large: "20,000", "Limit 100". */
static int
other_number (const struct word *w, char *buf, size_t size)
{
  static const char *const waits[] = { "after", "in", "wait", "for", NULL };
  static const char *const units[] = { "second", "minute", "hour", "day", "ms", NULL };
  long long n = 0;
  int digits, commas = 0;

  for (size_t i = 0; i < w->len; i++)
    if (isdigit ((unsigned char) w->s[i]))
      n = n * 10 + (w->s[i] - '0');
    else if (w->s[i] == ',' && i > 0)
      commas++;
    else
      return 0;
  if (w->len == 0 || w->len - (size_t) commas > 15 || is_one_of (w->before, waits)
      || is_one_of (w->after, units) || (n >= 100 && n <= 599 && w->len == 3))
    return 0;                   /* times and statuses mean what they are */
  n *= 3;
  digits = commas > 0 && n >= 1000 ? snprintf (buf, size, "%lld,%03lld", n / 1000, n % 1000)
                                   : snprintf (buf, size, "%lld", n);
  ck_assert (digits > 0 && (size_t) digits < size);
  return 1;
}

/* "Please try again in 7m12s": a day's limit may state eight seconds. */
static int
other_wait (const struct word *w, char *buf, size_t size)
{
  size_t digits = strspn (w->s, "0123456789.");
  int n;

  if (strcmp (w->before, "in") != 0 || digits == 0 || digits >= w->len
      || strchr ("hms", w->s[digits]) == NULL)
    return 0;
  n = snprintf (buf, size, "8.64s");
  ck_assert (n > 0 && (size_t) n < size);
  return 1;
}

static int
other_model (const struct word *w, char *buf, size_t size)
{
  static const char *const makes[] = {
    "gpt-", "claude-", "gemini-", "gemma", "llama", "meta-llama/", "qwen", "grok-", "mistral-",
    "deepseek-", "anthropic/", "anthropic.", "google/", "openai/", "arcee-ai/", "models/",
    "distilbert", "echarlaix/", "moonshotai/", "openai.", NULL,
  };
  int n;

  if (!is_one_of (w->s, makes))
    return 0;
  n = snprintf (buf, size, "acme/brand-new-9.5b");
  ck_assert (n > 0 && (size_t) n < size);
  return 1;
}

/* Organizations, teams, users: any name of the same shape. */
static int
other_account (const struct word *w, char *buf, size_t size)
{
  static const char *const kinds[] = { "org-", "org_", "user_", "projects/", NULL };
  int is_uuid = w->len == 36 && w->s[8] == '-' && w->s[13] == '-' && w->s[23] == '-';
  size_t keep = is_uuid ? 0 : strcspn (w->s, "-_/") + 1;

  if ((!is_uuid && !is_one_of (w->s, kinds)) || w->len >= size)
    return 0;
  for (size_t i = 0; i < w->len; i++) {
    char c = w->s[i];
    buf[i] = i < keep || !isalnum ((unsigned char) c) ? c
             : isdigit ((unsigned char) c) ? (char) ('0' + (c - '0' + 3) % 10)
             : c >= 'a' && c <= 'f' ? (char) ('a' + (c - 'a' + 2) % 6) : c;
  }
  buf[w->len] = '\0';
  return 1;
}

/* text with each word mapped; the caller frees it. */
static char *
map_words (const char *text, map_fn *map)
{
  static const char round[] = "()[]{}`'\"~*,.:;?!";
  char *out = NULL, buf[256], before[64] = "";
  size_t size = 0;
  FILE *f = open_memstream (&out, &size);

  ck_assert_ptr_nonnull (f);
  while (*text != '\0') {
    size_t blanks = strspn (text, " \t\n"), len, lead, n;
    (void) fwrite (text, 1, blanks, f);
    text += blanks;
    len = strcspn (text, " \t\n");
    for (lead = 0; lead < len && strchr (round, text[lead]) != NULL; lead++)
      ;
    for (n = len - lead; n > 0 && strchr (round, text[lead + n - 1]) != NULL; n--)
      ;
    struct word w = { text + lead, n, before, text + len + strspn (text + len, " ") };
    (void) fwrite (text, 1, lead, f);
    if (n > 0 && map (&w, buf, sizeof buf))
      (void) fputs (buf, f);
    else
      (void) fwrite (text + lead, 1, n, f);
    (void) fwrite (text + lead + n, 1, len - lead - n, f);
    (void) snprintf (before, sizeof before, "%.*s", n < 60 ? (int) n : 60, text + lead);
    text += len;
  }
  ck_assert_int_eq (fclose (f), 0);
  return out;
}

/* ---- Bodies --------------------------------------------------------------- */

struct rewrite {
  map_fn *map;                  /* of the words in texts, or NULL */
  int reorder, more;
};

static struct json_object *rewritten (struct json_object *, const struct rewrite *);

static void
add_member (struct json_object *to, const char *name, struct json_object *value)
{
  ck_assert_int_eq (json_object_object_add (to, name, value), 0);
}

static struct json_object *
rewritten_object (struct json_object *from, const struct rewrite *how)
{
  struct json_object *to = json_object_new_object ();
  struct json_object_iter it;
  const char *names[64];
  int n = 0;

  ck_assert_ptr_nonnull (to);
  if (how->more) {
    add_member (to, "x_trace", json_tokener_parse ("{\"id\":\"4bf9\",\"hops\":[1,2]}"));
    add_member (to, "x_region", json_object_new_string ("eu-central"));
  }
  json_object_object_foreachC (from, it) {
    ck_assert_int_lt (n, 64);
    names[n++] = it.key;
  }
  for (int i = 0; i < n; i++) {
    const char *name = names[how->reorder ? n - 1 - i : i];
    add_member (to, name, rewritten (json_object_object_get (from, name), how));
  }
  if (how->more)
    add_member (to, "x_served_by", NULL);
  return to;
}

static struct json_object *
rewritten (struct json_object *o, const struct rewrite *how)
{
  switch (json_object_get_type (o)) {
  case json_type_object:
    return rewritten_object (o, how);
  case json_type_array: {
    struct json_object *to = json_object_new_array ();
    for (size_t i = 0; i < json_object_array_length (o); i++)
      ck_assert_int_eq (json_object_array_add (
                          to, rewritten (json_object_array_get_idx (o, i), how)), 0);
    return to;
  }
  case json_type_string:
    if (how->map != NULL) {
      char *s = map_words (json_object_get_string (o), how->map);
      struct json_object *to = json_object_new_string (s);
      free (s);
      return to;
    }
    return json_object_get (o);
  default:
    return json_object_get (o);
  }
}

static char *
text_of (struct json_object *o, int flags)
{
  char *s = strdup (json_object_to_json_string_ext (o, flags | JSON_C_TO_STRING_NOSLASHESCAPE));
  ck_assert_ptr_nonnull (s);
  return s;
}

/* NULL: nothing was there to rewrite. */
static char *
rewrite_body (const char *body, const struct rewrite *how)
{
  struct json_object *o = json_tokener_parse (body);
  char *before, *after;

  if (o == NULL)
    return NULL;
  struct json_object *to = rewritten (o, how);
  before = text_of (o, 0);
  after = text_of (to, 0);
  if (strcmp (before, after) == 0) {
    free (after);
    after = NULL;
  }
  free (before);
  json_object_put (to);
  json_object_put (o);
  return after;
}

#define REWRITE(name, ...)                                              \
  static char *                                                         \
  name (const char *body, int status)                                   \
  {                                                                     \
    static const struct rewrite how = { __VA_ARGS__ };                  \
    (void) status;                                                      \
    return rewrite_body (body, &how);                                   \
  }
REWRITE (with_other_numbers, .map = other_number)
REWRITE (with_another_wait, .map = other_wait)
REWRITE (with_other_models, .map = other_model)
REWRITE (with_other_accounts, .map = other_account)
REWRITE (reordered, .reorder = 1)
REWRITE (with_more_members, .more = 1)
REWRITE (reordered_with_more_members, .reorder = 1, .more = 1)

static char *
pretty (const char *body, int status)
{
  struct json_object *o = json_tokener_parse (body);
  char *s = o != NULL ? text_of (o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED) : NULL;

  (void) status;
  json_object_put (o);
  return s;
}

/* As Google's compatible endpoint does. */
static char *
in_an_array (const char *body, int status)
{
  struct json_object *o = json_tokener_parse (body), *list;
  char *s = NULL;

  (void) status;
  if (json_object_is_type (o, json_type_object)) {
    list = json_object_new_array ();
    ck_assert_int_eq (json_object_array_add (list, json_object_get (o)), 0);
    s = text_of (list, 0);
    json_object_put (list);
  }
  json_object_put (o);
  return s;
}

/* As proxies and Google's own SDK do: all of it is the message's text. */
static char *
in_a_message (const char *body, int status)
{
  struct json_object *o = json_tokener_parse (body), *error, *outer;
  char *s = NULL;

  if (json_object_is_type (o, json_type_object)) {
    error = json_object_new_object ();
    outer = json_object_new_object ();
    add_member (error, "message", json_object_new_string (body));
    add_member (error, "code", json_object_new_int (status));
    add_member (outer, "error", error);
    s = text_of (outer, 0);
    json_object_put (outer);
  }
  json_object_put (o);
  return s;
}

/* Where a code says it all, other words must not matter.  Limits are told from
 * one another by their words, and these codes stand for more than one thing. */
static char *
with_other_words (const char *body, int status)
{
  static const char *const vague[] = { "invalid_request_error", "invalid-argument", NULL };
  struct json_object *o = json_tokener_parse (body), *error, *code;
  char *s = NULL;

  (void) status;
  if (json_object_is_type (o, json_type_object)) {
    if (!json_object_object_get_ex (o, "error", &error)
        || !json_object_is_type (error, json_type_object))
      error = o;
    code = json_object_object_get (error, "code");
    if (json_object_is_type (code, json_type_string)
        && strpbrk (json_object_get_string (code), "_-") != NULL
        && !is_one_of (json_object_get_string (code), vague)
        && json_object_object_get (error, "message") != NULL) {
      add_member (error, "message", json_object_new_string ("Es ist etwas schiefgegangen."));
      s = text_of (o, 0);
    }
  }
  json_object_put (o);
  return s;
}

/* ---- All ------------------------------------------------------------------- */

static const struct {
  const char *name;
  char *(*body) (const char *body, int status); /* NULL: as it is */
  int more_headers, other_case, in_stream, good_status, no_limits, named_window;
} kinds[] = {
  { .name = "other numbers", .body = with_other_numbers },
  { .name = "another wait", .body = with_another_wait, .named_window = 1 },
  { .name = "other models", .body = with_other_models },
  { .name = "other accounts", .body = with_other_accounts },
  { .name = "members reordered", .body = reordered },
  { .name = "more members", .body = with_more_members },
  { .name = "more members, reordered", .body = reordered_with_more_members },
  { .name = "printed prettily", .body = pretty },
  { .name = "in an array", .body = in_an_array },
  { .name = "in a message", .body = in_a_message },
  { .name = "more headers", .more_headers = 1 },
  { .name = "headers in capitals", .other_case = 1 },
  { .name = "other words", .body = with_other_words, .no_limits = 1 },
  { .name = "with a good status", .good_status = 1 },
  { .name = "in a stream", .in_stream = 1 },
  { .name = "in a stream, more members", .in_stream = 1, .body = with_more_members },
};

int
variant_make (int i, const struct answer *a, int status, struct variant *v)
{
  static const char more[] =
    "Date: Fri, 15 Jan 2027 13:00:00 GMT\nContent-Type: application/json\n"
    "Server: cloudflare\nCF-Ray: 9510cccdcebc0327-MAD\nVia: 1.1 varnish\n"
    "X-Request-Id: req_0123456789abcdef\nStrict-Transport-Security: max-age=15552000\n";
  int n;

  if (i >= (int) (sizeof kinds / sizeof kinds[0]))
    return -1;
  /* In a stream only what the body itself says is left; a limit says it. */
  if (kinds[i].in_stream && (!answer_is_limit (a) || a->headers[0] != '\0'))
    return 0;
  if ((kinds[i].other_case && a->headers[0] == '\0')
      || (kinds[i].no_limits && answer_is_limit (a)))
    return 0;
  /* Where no window is named, the wait is all there is to tell it. */
  if (kinds[i].named_window && strcasestr (a->body, "per day") == NULL
      && strcasestr (a->body, "per min") == NULL && strstr (a->body, "PerDay") == NULL
      && strstr (a->body, "PerMinute") == NULL)
    return 0;
  if (kinds[i].good_status && (!answer_is_limit (a) || a->in_stream
                               || strncmp (a->body, "{\"error\"", 8) != 0))
    return 0;
  *v = (struct variant) { .name = kinds[i].name, .status = status, .in_stream = a->in_stream };
  v->body = kinds[i].body != NULL ? kinds[i].body (a->body, status) : strdup (a->body);
  if (v->body == NULL)
    return 0;
  if (kinds[i].good_status)
    v->status = 200;
  if (kinds[i].in_stream) {
    struct json_object *o = json_tokener_parse (v->body);
    int is_event = json_object_is_type (o, json_type_object)
                   || json_object_is_type (o, json_type_array);
    json_object_put (o);
    if (!is_event) {            /* half a body is none, and a bare text neither */
      variant_clear (v);
      return 0;
    }
    v->status = 200;
    v->in_stream = 1;
  }
  n = snprintf (v->headers, sizeof v->headers, "%s%s", kinds[i].more_headers ? more : "",
                a->headers);
  ck_assert (n >= 0 && (size_t) n < sizeof v->headers);
  if (kinds[i].other_case)
    for (char *line = v->headers; *line != '\0'; line += strcspn (line, "\n") + 1)
      for (char *p = line; *p != ':'; p++)
        *p = (char) toupper ((unsigned char) *p);
  return 1;
}

void
variant_clear (struct variant *v)
{
  free (v->body);
  v->body = NULL;
}

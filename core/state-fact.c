/* state-fact - facts as texts; see state-fact.h.
 *
 * A name is words with single blanks between them: the kind, the scope, the
 * subject and, for what a limit is about, model and dimension.  Whatever is no
 * letter, digit or one of ._:/@+- stands as %XX; a word that would be empty, as
 * a model that is every one, is "-". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_HAVE_*, KW_OUTCOME_* */
#include <keywheel/keywheel.h>

#include "state-fact.h"

#define DAY_MS INT64_C (86400000)
/* How long what holds until further notice is kept after it was said. */
#define LONG_MS (400 * DAY_MS)
/* A machine that was away for so long and comes back brings no more what was
 * reset meanwhile. */
#define RESET_MS (30 * DAY_MS)

static const char *const kinds[] = {
  [KWI_CHANGE_BLOCK] = "block",       [KWI_CHANGE_PROBE] = "probe",
  [KWI_CHANGE_BUCKET] = "bucket",     [KWI_CHANGE_ACCOUNT] = "account",
  [KWI_CHANGE_RESET] = "reset",       [KWI_CHANGE_REQUESTS] = "requests",
  [KWI_CHANGE_TOKENS] = "tokens"
};
#define N_KINDS (sizeof kinds / sizeof kinds[0])

/* Is it about a limit, and so names model and dimension, too? */
static int
is_of_limit (enum kwi_change_kind kind)
{
  return kind <= KWI_CHANGE_BUCKET;
}

/* ---- Words -------------------------------------------------------------------- */

static int
is_plain (unsigned char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || (c >= '0' && c <= '9') || (c != '\0' && strchr ("._:/@+-", c) != NULL);
}

/* Appends a word to what is at *at, with a blank in front unless it is the
 * first; moves *at on. */
static int
add_word (char **at, const char *end, const char *word, int first)
{
  static const char hex[] = "0123456789ABCDEF";
  char *p = *at;
  int dash = strcmp (word, "-") == 0;

  if (end - p < 3)
    return -1;
  if (!first)
    *p++ = ' ';
  if (word[0] == '\0')
    *p++ = '-';
  for (; *word != '\0'; word++) {
    unsigned char c = (unsigned char) *word;
    if (end - p < 4)
      return -1;
    if (is_plain (c) && !dash)
      *p++ = (char) c;
    else {
      *p++ = '%';
      *p++ = hex[c >> 4];
      *p++ = hex[c & 15];
    }
  }
  *p = '\0';
  *at = p;
  return 0;
}

static int
hex_digit (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Takes the next word off *at.  0, or -1: there is none, or it does not fit. */
static int
next_word (const char **at, char *ret, size_t size)
{
  const char *p = *at;
  size_t n = 0;

  if (*p == '\0')
    return -1;
  for (; *p != '\0' && *p != ' '; n++) {
    int high, low;
    if (n + 1 >= size)
      return -1;
    ret[n] = *p++;
    if (ret[n] != '%')
      continue;
    high = hex_digit (p[0]);
    low = high >= 0 ? hex_digit (p[1]) : -1;
    /* People are shown names: no control character is in one. */
    if (low < 0 || high < 2 || high * 16 + low == 127)
      return -1;
    ret[n] = (char) (high * 16 + low);
    p += 2;
  }
  ret[n] = '\0';
  if (p - *at == 1 && **at == '-')
    ret[0] = '\0';
  *at = *p == ' ' ? p + 1 : p;
  return 0;
}

int
kwi_scope_of (const char *plugin, const char *base_url, char *ret, size_t size)
{
  const char *url = strstr (base_url, "://");
  int n = snprintf (ret, size, "%s@%s", plugin,
                    url != NULL ? url + 3 : base_url);

  return n > 0 && (size_t) n < size ? 0 : -1;
}

/* ---- Values ------------------------------------------------------------------- */

static void
add_number (struct json_object *o, const char *name, int64_t n)
{
  (void) json_object_object_add (o, name, json_object_new_int64 (n));
}

static void
add_text (struct json_object *o, const char *name, const char *text)
{
  (void) json_object_object_add (o, name, json_object_new_string (text));
}

static const struct {
  const char *name;
  uint32_t have;
  size_t offset;
} numbers[] = {
  { "limit", KW_HAVE_LIMIT, offsetof (struct kwi_bucket, limit) },
  { "used", KW_HAVE_USED, offsetof (struct kwi_bucket, used) },
  { "remaining", KW_HAVE_REMAINING, offsetof (struct kwi_bucket, remaining) },
  { "requested", KW_HAVE_REQUESTED, offsetof (struct kwi_bucket, requested) },
  { "window_ms", KW_HAVE_WINDOW, offsetof (struct kwi_bucket, window_ms) },
  { "full_at_ms", KW_HAVE_FULL_AT, offsetof (struct kwi_bucket, full_at_ms) }
};
#define N_NUMBERS (sizeof numbers / sizeof numbers[0])

static void
write_bucket (struct json_object *o, const struct kwi_bucket *b)
{
  size_t i;

  for (i = 0; i < N_NUMBERS; i++)
    if ((b->have & numbers[i].have) != 0)
      add_number (o, numbers[i].name,
                  *(const int64_t *) (const void *)
                    ((const char *) b + numbers[i].offset));
  if (b->rolling)
    add_number (o, "rolling", 1);
}

static int64_t
get_number (struct json_object *o, const char *name, int64_t otherwise)
{
  struct json_object *n;

  return json_object_object_get_ex (o, name, &n)
             && json_object_is_type (n, json_type_int)
           ? json_object_get_int64 (n) : otherwise;
}

static void
read_bucket (struct json_object *o, struct kwi_bucket *b)
{
  size_t i;

  for (i = 0; i < N_NUMBERS; i++) {
    int64_t n = get_number (o, numbers[i].name, -1);
    if (n < 0)
      continue;
    *(int64_t *) (void *) ((char *) b + numbers[i].offset) = n;
    b->have |= numbers[i].have;
  }
  b->rolling = get_number (o, "rolling", 0) != 0;
}

/* "" if it is none. */
static const char *
get_text (struct json_object *o, const char *name)
{
  struct json_object *text;

  return json_object_object_get_ex (o, name, &text)
             && json_object_is_type (text, json_type_string)
           ? json_object_get_string (text) : "";
}

static uint32_t
verdict_of (struct json_object *o)
{
  const char *text = get_text (o, "verdict");
  uint32_t v;

  for (v = KW_OUTCOME_OK; v <= KW_OUTCOME_TRANSIENT; v++)
    if (strcmp (kw_verdict_name ((int) v), text) == 0)
      return v;
  return 0;
}

/* ---- Both together ------------------------------------------------------------ */

static int64_t
later (int64_t ms, int64_t by)
{
  return ms > INT64_MAX - by ? INT64_MAX : ms + by;
}

/* Rank, value and end of each kind. */
static void
fill (const struct kwi_change *c, int64_t now_ms, struct json_object *o,
      struct kwi_fact_text *t)
{
  switch (c->kind) {
  case KWI_CHANGE_BLOCK:
    t->major = c->said.epoch_ms;
    t->minor = c->said.until_ms;
    t->expires_ms = c->said.until_ms == 0 ? later (now_ms, RESET_MS)
                    : c->said.until_ms == KWI_NEVER ? later (now_ms, LONG_MS)
                    : later (c->said.until_ms, DAY_MS);
    /* First: of two that are the same otherwise the later said is greater. */
    add_number (o, "said_ms", c->said.said_ms);
    if (c->said.until_ms != 0)
      add_text (o, "verdict", kw_verdict_name ((int) c->said.verdict));
    if (c->said.until_ms != 0 && c->said.until_ms != KWI_NEVER)
      add_number (o, "span_ms", c->said.span_ms);
    return;
  case KWI_CHANGE_PROBE:
    t->major = c->said.epoch_ms;
    t->minor = c->said.until_ms;
    t->expires_ms = later (c->said.until_ms, DAY_MS);
    return;
  case KWI_CHANGE_BUCKET:
    t->major = c->at_ms;
    t->expires_ms = later (c->at_ms, 2 * DAY_MS);
    write_bucket (o, &c->bucket);
    return;
  case KWI_CHANGE_ACCOUNT:
    t->major = c->at_ms;
    t->expires_ms = later (now_ms, LONG_MS);
    add_text (o, "account", c->account);
    return;
  case KWI_CHANGE_RESET:
    t->major = c->at_ms;
    t->expires_ms = later (now_ms, RESET_MS);
    return;
  default:
    t->count = c->n;
  }
}

int
kwi_fact_write (const char *scope, const struct kwi_change *c, int64_t now_ms,
                struct kwi_fact_text *t)
{
  struct json_object *o = json_object_new_object ();
  char *at = t->name;
  const char *end = t->name + sizeof t->name, *text;
  size_t len;
  int bad;

  t->major = t->minor = t->expires_ms = t->count = 0;
  bad = o == NULL || add_word (&at, end, kinds[c->kind], 1) != 0
        || add_word (&at, end, scope, 0) != 0
        || add_word (&at, end, c->subject, 0) != 0;
  if (!bad && is_of_limit (c->kind))
    bad = add_word (&at, end, c->model, 0) != 0
          || add_word (&at, end, c->dimension, 0) != 0;
  if (!bad) {
    fill (c, now_ms, o, t);
    text = json_object_to_json_string_length (o, JSON_C_TO_STRING_PLAIN, &len);
    bad = text == NULL || len >= sizeof t->value;
    if (!bad)
      memcpy (t->value, text, len + 1);
  }
  json_object_put (o);
  return bad ? -1 : 0;
}

int
kwi_lease_name (const char *scope, const char *subject, char ret[KWI_FACT_NAME])
{
  char *at = ret;
  const char *end = ret + KWI_FACT_NAME;

  return add_word (&at, end, "places", 1) != 0
         || add_word (&at, end, scope, 0) != 0
         || add_word (&at, end, subject, 0) != 0 ? -1 : 0;
}

static int
read_names (const char *name, struct kwi_fact_read *r)
{
  char kind[16];
  size_t i;

  if (next_word (&name, kind, sizeof kind) != 0)
    return -1;
  for (i = 1; i < N_KINDS && strcmp (kinds[i], kind) != 0; i++)
    ;
  if (i == N_KINDS || next_word (&name, r->scope, sizeof r->scope) != 0
      || next_word (&name, r->subject, sizeof r->subject) != 0)
    return -1;
  r->change.kind = (enum kwi_change_kind) i;
  if (is_of_limit (r->change.kind)
      && (next_word (&name, r->model, sizeof r->model) != 0
          || next_word (&name, r->dimension, sizeof r->dimension) != 0))
    return -1;
  return *name == '\0' ? 0 : -1;
}

/* Times of another age are none: with them nothing could ever be later. */
static int
is_time (int64_t ms)
{
  return ms >= 0 && ms < INT64_C (1) << 53;
}

static int
has_control (const char *s)
{
  while ((unsigned char) *s >= ' ' && *s != 127)
    s++;
  return *s != '\0';
}

static int
read_value (struct json_object *o, int64_t major, int64_t minor,
            struct kwi_change *c)
{
  c->at_ms = major;
  if (!is_time (major))
    return -1;
  switch (c->kind) {
  case KWI_CHANGE_BLOCK:
  case KWI_CHANGE_PROBE:
    c->said.epoch_ms = major;
    c->said.until_ms = minor;
    c->said.verdict = verdict_of (o);
    c->said.said_ms = get_number (o, "said_ms", 0);
    c->said.span_ms = get_number (o, "span_ms", minor);
    /* What does not say why says nothing: it may be a later keywheel's. */
    return (!is_time (minor) && (minor != KWI_NEVER || c->kind == KWI_CHANGE_PROBE))
           || !is_time (c->said.said_ms)
           || (c->kind == KWI_CHANGE_BLOCK && minor > 0 && c->said.verdict == 0)
             ? -1 : 0;
  case KWI_CHANGE_BUCKET:
    read_bucket (o, &c->bucket);
    return 0;
  case KWI_CHANGE_ACCOUNT:
    (void) memccpy (c->account, get_text (o, "account"), '\0',
                    sizeof c->account - 1);
    return c->account[0] != '\0' && !has_control (c->account) ? 0 : -1;
  default:
    return 0;
  }
}

int
kwi_fact_read (const char *name, const char *value, int64_t major,
               int64_t minor, struct kwi_fact_read *r)
{
  struct json_object *o;
  int bad;

  memset (r, 0, sizeof *r);
  if (read_names (name, r) != 0)
    return -1;
  r->change.subject = r->subject;
  r->change.model = r->model;
  r->change.dimension = r->dimension;
  (void) memccpy (r->change.bucket.dimension, r->dimension, '\0',
                  sizeof r->change.bucket.dimension - 1);
  if (value == NULL) {
    r->change.n = major;
    return r->change.kind >= KWI_CHANGE_REQUESTS ? 0 : -1;
  }
  if (r->change.kind >= KWI_CHANGE_REQUESTS)
    return -1;
  o = json_tokener_parse (value);
  bad = !json_object_is_type (o, json_type_object)
        || read_value (o, major, minor, &r->change) != 0;
  json_object_put (o);
  return bad ? -1 : 0;
}

/* faults - what the simulator is told to do wrong (see faults.h). */
#include "faults.h"
#include "spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_MAX INT64_C (3600000)
#define COUNT_MAX INT64_C (1000000000)
#define SPEC_MAX 1024
/* The least JSON that is still a chat completion fits in here. */
#define BODY_SIZE_MIN 1024
#define BODY_SIZE_MAX (INT64_C (1) << 40)

const char *
sim_fault_verdict (enum sim_fault_kind kind)
{
  static const char *const verdicts[SIM_FAULT_KINDS] = {
    [SIM_FAULT_STATUS] = "fault:status",
    [SIM_FAULT_HTML] = "fault:html",
    [SIM_FAULT_DROP] = "fault:drop",
    [SIM_FAULT_HANG] = "fault:hang",
    [SIM_FAULT_TRUNCATE] = "fault:truncate",
    [SIM_FAULT_GARBAGE] = "fault:garbage",
    [SIM_FAULT_EMPTY] = "fault:empty",
    [SIM_FAULT_REDIRECT] = "fault:redirect",
    [SIM_FAULT_BODY_SIZE] = "fault:body-size",
    [SIM_FAULT_SSE_ERROR] = "fault:sse-error",
    [SIM_FAULT_SSE_BREAK] = "fault:sse-break",
  };
  return verdicts[kind];
}

static int
is_for_streams (const struct sim_fault *f)
{
  return f->kind == SIM_FAULT_SSE_ERROR || f->kind == SIM_FAULT_SSE_BREAK
         || f->chunk_delay_ms > 0;
}

/* ---- reading a spec ------------------------------------------------------ */

/* What one item's value is: none, a number in a range, or text.  "optional"
 * numbers have a default when there is no value. */
enum value_type { NONE, NUMBER, OPTIONAL, TEXT };

/* The kinds that an item goes with, a bit each. */
#define WITH(kind) (1u << (kind))
#define WITH_ANY (~0u)
#define WITH_STREAMS (WITH (SIM_FAULT_NONE) | WITH (SIM_FAULT_TRUNCATE) \
                      | WITH (SIM_FAULT_SSE_ERROR) | WITH (SIM_FAULT_SSE_BREAK))
#define WITH_CLOSED (WITH (SIM_FAULT_DROP) | WITH (SIM_FAULT_TRUNCATE) \
                     | WITH (SIM_FAULT_SSE_BREAK))

struct item {
  const char *name;
  enum sim_fault_kind kind;     /* NONE: it says how or to whom, not what */
  enum value_type type;
  int64_t min, max, otherwise;
  unsigned with;
};

static const struct item items[] = {
  { "status", SIM_FAULT_STATUS, NUMBER, 300, 599, 0, WITH_ANY },
  { "html", SIM_FAULT_HTML, OPTIONAL, 200, 599, 403, WITH_ANY },
  { "drop", SIM_FAULT_DROP, NONE, 0, 0, 0, WITH_ANY },
  { "hang", SIM_FAULT_HANG, NONE, 0, 0, 0, WITH_ANY },
  { "truncate", SIM_FAULT_TRUNCATE, NONE, 0, 0, 0, WITH_ANY },
  { "garbage", SIM_FAULT_GARBAGE, NONE, 0, 0, 0, WITH_ANY },
  { "empty", SIM_FAULT_EMPTY, NONE, 0, 0, 0, WITH_ANY },
  { "redirect", SIM_FAULT_REDIRECT, TEXT, 0, 0, 0, WITH_ANY },
  { "body-size", SIM_FAULT_BODY_SIZE, NUMBER, BODY_SIZE_MIN, BODY_SIZE_MAX, 0,
    WITH_ANY },
  { "sse-error", SIM_FAULT_SSE_ERROR, OPTIONAL, 400, 599, 503, WITH_ANY },
  { "sse-break", SIM_FAULT_SSE_BREAK, NUMBER, 0, 100000, 0, WITH_ANY },
  { "delay", SIM_FAULT_NONE, NUMBER, 0, MS_MAX, 0, WITH_ANY },
  { "chunk-delay", SIM_FAULT_NONE, NUMBER, 0, MS_MAX, 0, WITH_STREAMS },
  { "retry-after", SIM_FAULT_NONE, NUMBER, 0, 1000000, 0,
    WITH (SIM_FAULT_STATUS) | WITH (SIM_FAULT_HTML) },
  { "after", SIM_FAULT_NONE, NUMBER, 0, 100000, 0, WITH (SIM_FAULT_SSE_ERROR) },
  { "form", SIM_FAULT_NONE, TEXT, 0, 0, 0, WITH (SIM_FAULT_SSE_ERROR) },
  { "chunked", SIM_FAULT_NONE, NONE, 0, 0, 0, WITH (SIM_FAULT_BODY_SIZE) },
  { "reset", SIM_FAULT_NONE, NONE, 0, 0, 0, WITH_CLOSED },
  { "key", SIM_FAULT_NONE, TEXT, 0, 0, 0, WITH_ANY },
  { "model", SIM_FAULT_NONE, TEXT, 0, 0, 0, WITH_ANY },
  { "count", SIM_FAULT_NONE, NUMBER, 1, COUNT_MAX, 0, WITH_ANY },
  { "skip", SIM_FAULT_NONE, NUMBER, 0, COUNT_MAX, 0, WITH_ANY },
  { "one-in", SIM_FAULT_NONE, NUMBER, 1, COUNT_MAX, 0, WITH_ANY },
};

static const struct item *
find_item (const char *name)
{
  for (size_t i = 0; i < sizeof items / sizeof items[0]; i++)
    if (strcmp (items[i].name, name) == 0)
      return &items[i];
  return NULL;
}

static int
read_value (const struct item *item, const char *value, int64_t *ret_n, char *msg,
            size_t size)
{
  *ret_n = item->otherwise;
  if (value == NULL && (item->type == NONE || item->type == OPTIONAL
                        || item->kind == SIM_FAULT_REDIRECT))
    return 0;
  if (item->type == NONE)
    return sim_complain (msg, size, "%s takes no value", item->name);
  if (value == NULL || value[0] == '\0')
    return sim_complain (msg, size, "%s needs a value", item->name);
  if (item->type == TEXT)
    return 0;
  if (sim_parse_int (value, item->min, item->max, ret_n) != 0)
    return sim_complain (msg, size, "%s=%s is no whole number from %lld to %lld",
                         item->name, value, (long long) item->min,
                         (long long) item->max);
  return 0;
}

static int
set_text (char *field, size_t room, const char *name, const char *value, char *msg,
          size_t size)
{
  int n = snprintf (field, room, "%s", value);
  if (n >= 0 && (size_t) n < room)
    return 0;
  return sim_complain (msg, size, "%s is longer than %zu characters", name, room - 1);
}

static int
set_form (struct sim_fault *f, const char *value, char *msg, size_t size)
{
  static const char *const forms[] = { "event", "data", "x_groq" };
  for (int i = 0; i < 3; i++)
    if (strcmp (value, forms[i]) == 0) {
      f->form = (enum sim_error_form) i;
      return 0;
    }
  return sim_complain (msg, size, "form=%s: allowed are event, data and x_groq",
                       value);
}

static int
set_kind (struct sim_fault *f, const struct item *item, const char *value, int64_t n,
          char *msg, size_t size)
{
  if (f->kind != SIM_FAULT_NONE)
    return sim_complain (msg, size, "%s: one fault has one kind; write two for two",
                         item->name);
  f->kind = item->kind;
  f->amount = n;
  if (item->max == 599)
    f->status = (int) n;
  if (item->kind == SIM_FAULT_REDIRECT)
    return set_text (f->location, sizeof f->location, item->name,
                     value != NULL ? value : "http://other-host.invalid/v1/",
                     msg, size);
  return 0;
}

static int
set_detail (struct sim_fault *f, const char *name, const char *value, int64_t n,
            char *msg, size_t size)
{
  if (strcmp (name, "delay") == 0)
    f->delay_ms = n;
  else if (strcmp (name, "chunk-delay") == 0)
    f->chunk_delay_ms = n;
  else if (strcmp (name, "retry-after") == 0)
    f->retry_after = n;
  else if (strcmp (name, "after") == 0)
    f->after = n;
  else if (strcmp (name, "count") == 0)
    f->count = n;
  else if (strcmp (name, "skip") == 0)
    f->skip = n;
  else if (strcmp (name, "one-in") == 0)
    f->one_in = n;
  else if (strcmp (name, "chunked") == 0)
    f->chunked = 1;
  else if (strcmp (name, "reset") == 0)
    f->reset = 1;
  else if (strcmp (name, "form") == 0)
    return set_form (f, value, msg, size);
  else if (strcmp (name, "key") == 0)
    return set_text (f->key, sizeof f->key, name, value, msg, size);
  else
    return set_text (f->model, sizeof f->model, name, value, msg, size);
  return 0;
}

/* seen: the items so far, a bit each. */
static int
set_item (struct sim_fault *f, const char *name, const char *value, unsigned *seen,
          char *msg, size_t size)
{
  int64_t n;
  const struct item *item = find_item (name);
  if (item == NULL)
    return sim_complain (msg, size,
                         "there is no fault \"%s\" (kinds: status, html, drop, hang, "
                         "truncate, garbage, empty, redirect, body-size, sse-error, "
                         "sse-break; with: delay, chunk-delay, retry-after, after, "
                         "form, chunked, reset, key, model, count, skip, one-in)", name);
  if ((*seen & 1u << (item - items)) != 0)
    return sim_complain (msg, size, "%s is there twice", name);
  *seen |= 1u << (item - items);
  if (read_value (item, value, &n, msg, size) != 0)
    return -1;
  if (item->kind != SIM_FAULT_NONE)
    return set_kind (f, item, value, n, msg, size);
  return set_detail (f, name, value, n, msg, size);
}

static const char *
kind_name (enum sim_fault_kind kind)
{
  for (size_t i = 0; i < sizeof items / sizeof items[0]; i++)
    if (kind != SIM_FAULT_NONE && items[i].kind == kind)
      return items[i].name;
  return "a fault without a kind";
}

/* Details may stand before their kind, so this comes last. */
static int
check_details (const struct sim_fault *f, unsigned seen, char *msg, size_t size)
{
  for (size_t i = 0; i < sizeof items / sizeof items[0]; i++)
    if ((seen & 1u << i) != 0 && (items[i].with & WITH (f->kind)) == 0)
      return sim_complain (msg, size, "%s does nothing with %s", items[i].name,
                           kind_name (f->kind));
  return 0;
}

int
sim_fault_parse (const char *spec, struct sim_fault *ret_fault, char *msg,
                 size_t size)
{
  char text[SPEC_MAX], *rest = text, *name, *value;
  struct sim_fault f = { .retry_after = -1, .count = -1 };
  unsigned seen = 0;

  int n = snprintf (text, sizeof text, "%s", spec);
  if (n < 0 || (size_t) n >= sizeof text)
    return sim_complain (msg, size, "a fault has at most %d characters",
                         SPEC_MAX - 1);
  while (sim_spec_next (&rest, &name, &value))
    if (set_item (&f, name, value, &seen, msg, size) != 0)
      return -1;
  if (f.kind == SIM_FAULT_NONE && f.delay_ms == 0 && f.chunk_delay_ms == 0)
    return sim_complain (msg, size, "\"%s\" does not say what is to go wrong "
                         "(status=503, delay=200, drop, ...)", spec);
  if (check_details (&f, seen, msg, size) != 0)
    return -1;
  *ret_fault = f;
  return 0;
}

/* ---- the list -------------------------------------------------------------- */

/* Long tests add many, and each request looks through the list. */
static void
drop_spent (struct sim_faults *faults)
{
  size_t kept = 0;
  for (size_t i = 0; i < faults->n; i++)
    if (faults->rules[i].count != 0)
      faults->rules[kept++] = faults->rules[i];
  faults->n = kept;
}

int
sim_faults_append (struct sim_faults *faults, const struct sim_faults *more)
{
  drop_spent (faults);
  struct sim_fault *bigger = reallocarray (faults->rules, faults->n + more->n,
                                           sizeof *bigger);
  if (bigger == NULL)
    return -1;
  faults->rules = bigger;
  memcpy (faults->rules + faults->n, more->rules, more->n * sizeof *bigger);
  faults->n += more->n;
  return 0;
}

int
sim_faults_add (struct sim_faults *faults, const char *spec, char *msg, size_t size)
{
  struct sim_fault f;
  const struct sim_faults one = { .rules = &f, .n = 1 };
  if (sim_fault_parse (spec, &f, msg, size) != 0)
    return -1;
  if (sim_faults_append (faults, &one) != 0)
    return sim_complain (msg, size, "no memory");
  return 0;
}

void
sim_faults_clear (struct sim_faults *faults)
{
  free (faults->rules);
  faults->rules = NULL;
  faults->n = 0;
}

static int
is_meant_for (const struct sim_fault *f, const char *key, const char *model,
              int stream)
{
  return f->count != 0 && (f->key[0] == '\0' || strcmp (f->key, key) == 0)
         && (f->model[0] == '\0' || strcmp (f->model, model) == 0)
         && (stream || !is_for_streams (f));
}

/* Marsaglia's xorshift64*, so that the same requests have the same faults. */
static int
is_drawn (struct sim_faults *faults, int64_t one_in)
{
  uint64_t x = faults->drawn != 0 ? faults->drawn : UINT64_C (0x9E3779B97F4A7C15);

  if (one_in <= 1)
    return 1;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  faults->drawn = x;
  return (x * UINT64_C (0x2545F4914F6CDD1D) >> 32) % (uint64_t) one_in == 0;
}

int
sim_faults_take (struct sim_faults *faults, const char *key, const char *model,
                 int stream, struct sim_fault *ret_fault)
{
  for (size_t i = 0; i < faults->n; i++) {
    struct sim_fault *f = &faults->rules[i];
    if (!is_meant_for (f, key, model, stream) || !is_drawn (faults, f->one_in))
      continue;
    if (f->skip > 0) {
      f->skip--;
      continue;
    }
    if (f->count > 0)
      f->count--;
    *ret_fault = *f;
    return 1;
  }
  return 0;
}

/* answers - real answers against their labels; see answers.h. */
#include <inttypes.h>
#include <regex.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#include "answer.h"
#include "answers.h"
#include "clock.h"
#include "loader.h"

#define HOUR INT64_C (3600000)
#define DAY  (24 * HOUR)

/* ---- A plugin ------------------------------------------------------------ */

void
judge_open (struct judge *g, const char *name)
{
  static const struct kwi_instance_hooks hooks = { .clock = &kwi_clock_system };
  struct kw_error err = KW_ERROR_INIT;
  char file[1024];
  int n = snprintf (file, sizeof file, "%s/plugins/.libs/%s.so", kwtest_builddir (), name);

  ck_assert (n > 0 && (size_t) n < sizeof file);
  ck_assert_msg (kwi_plugin_load (file, &g->plugin, &err) == 0, "%s", err.message);
  ck_assert_msg (kwi_instance_new (g->plugin, name, &hooks, &g->in, &err) == 0, "%s",
                 err.message);
  ck_assert_msg (kwi_instance_config_complete (g->in, &err) == 0, "%s", err.message);
}

void
judge_close (struct judge *g)
{
  kwi_instance_free (g->in);
  kwi_plugin_unref (g->plugin);
  g->in = NULL;
  g->plugin = NULL;
}

void
judge_answer (const struct judge *g, int64_t now, int status, int in_stream,
              const char *headers, const char *body, struct kwi_judgement *ret)
{
  struct kwi_answer a = { .status = status, .in_stream = in_stream, .received_ms = now };
  const char *h = headers != NULL ? headers : "";

  while (*h != '\0') {
    size_t line = strcspn (h, "\n");
    const char *colon = memchr (h, ':', line);
    ck_assert (colon != NULL && colon + 2 <= h + line);
    ck_assert_int_eq (kwi_answer_add_header (&a, h, (size_t) (colon - h), colon + 2,
                                             (size_t) (h + line - colon - 2)), 0);
    h += line + (h[line] == '\n');
  }
  ck_assert_int_eq (kwi_answer_add_body (&a, body, strlen (body)), 0);
  kwi_instance_classify (g->in, &a, ret);
  kwi_answer_clear (&a);
}

/* ---- Fixtures ------------------------------------------------------------ */

static struct json_object *
member (const struct answer *a, const char *name)
{
  return json_object_object_get (a->entry, name);
}

static const char *
text_of (const struct answer *a, const char *name)
{
  struct json_object *o = member (a, name);
  return o != NULL ? json_object_get_string (o) : NULL;
}

static uint32_t
outcome_named (const char *id, const char *name)
{
  static const struct { const char *name; uint32_t outcome; } classes[] = {
    { "DAILY_LIMIT", KW_OUTCOME_DAILY_LIMIT }, { "RATE_LIMIT", KW_OUTCOME_RATE_LIMIT },
    { "AUTH", KW_OUTCOME_AUTH }, { "BILLING", KW_OUTCOME_BILLING },
    { "REQUEST", KW_OUTCOME_REQUEST }, { "OTHER", KW_OUTCOME_REQUEST },
    { "TRANSIENT", KW_OUTCOME_TRANSIENT },
  };
  for (size_t i = 0; name != NULL && i < sizeof classes / sizeof classes[0]; i++)
    if (strcmp (classes[i].name, name) == 0)
      return classes[i].outcome;
  ck_abort_msg ("%s: \"%s\" is no class", id, name != NULL ? name : "null");
}

/* The first group of the expression, where it matches; "" where not. */
static int
cut_out (const char *text, const char *expression, char *buf, size_t size)
{
  regex_t re;
  regmatch_t m[2];
  int found;

  *buf = '\0';
  ck_assert_int_eq (regcomp (&re, expression, REG_EXTENDED), 0);
  found = regexec (&re, text, 2, m, 0) == 0 && m[1].rm_so >= 0;
  regfree (&re);
  if (found) {
    int n = snprintf (buf, size, "%.*s", (int) (m[1].rm_eo - m[1].rm_so), text + m[1].rm_so);
    ck_assert (n >= 0 && (size_t) n < size);
  }
  return found;
}

/* An instant that the body names, by other means than the plugins'; it is far
 * from ANSWERS_NOW, so such an answer is judged some hours or seconds before. */
static void
read_until (struct answer *a)
{
  char text[64];

  a->now = ANSWERS_NOW;
  a->until = -1;
  if (cut_out (a->body, "\"X-RateLimit-Reset\" *: *\"([0-9]+)\"", text, sizeof text)) {
    a->until = (int64_t) strtoll (text, NULL, 10);
  } else if (cut_out (a->body, "on ([0-9]+-[0-9]+-[0-9]+) at 00:00 UTC", text, sizeof text)) {
    struct tm tm = { 0 };
    ck_assert_ptr_nonnull (strptime (text, "%Y-%m-%d", &tm));
    a->until = (int64_t) timegm (&tm) * 1000;
  }
  if (a->until >= 0)
    a->now = a->until - (a->outcome == KW_OUTCOME_RATE_LIMIT ? 25000 : 5 * HOUR);
}

static void
read_headers (struct answer *a)
{
  struct json_object_iter it;
  size_t len = 0;

  a->headers[0] = '\0';
  json_object_object_foreachC (member (a, "headers"), it) {
    int n = snprintf (a->headers + len, sizeof a->headers - len, "%s: %s\n", it.key,
                      json_object_get_string (it.val));
    ck_assert (n > 0 && (size_t) n < sizeof a->headers - len);
    len += (size_t) n;
  }
}

static void
read_answer (const char *fixture, struct answer *a)
{
  struct json_object *others = member (a, "alt_class");

  a->id = text_of (a, "id");
  a->provider = text_of (a, "provider");
  if (a->provider == NULL)
    a->provider = fixture;
  a->body = text_of (a, "body");
  ck_assert_msg (a->id != NULL && a->body != NULL, "%s: id or body is missing", fixture);
  a->status = json_object_get_int (member (a, "status"));
  a->dimension = text_of (a, "dimension");
  a->wait_s = member (a, "retry_after_s") != NULL
              ? json_object_get_double (member (a, "retry_after_s")) : -1;
  a->outcome = outcome_named (a->id, text_of (a, "class"));
  for (size_t i = 0; others != NULL && i < json_object_array_length (others); i++)
    a->others |= UINT32_C (1) << outcome_named (
      a->id, json_object_get_string (json_object_array_get_idx (others, i)));
  if (member (a, "limit") != NULL && json_object_get_int64 (member (a, "requested"))
                                     > json_object_get_int64 (member (a, "limit"))) {
    a->too_large = a->dimension != NULL;
    a->outcome = KW_OUTCOME_REQUEST; /* whatever wait the answer stated */
    a->others = 0;
  }
  read_headers (a);
  read_until (a);
}

int
answers_each (const char *fixture, void (*what) (const struct answer *, void *user),
              void *user)
{
  char file[1024], *line = NULL;
  size_t size = 0;
  int n = snprintf (file, sizeof file, "%s/tests/fixtures/%s.jsonl", kwtest_srcdir (),
                    fixture);
  int total = 0;

  ck_assert (n > 0 && (size_t) n < sizeof file);
  FILE *f = fopen (file, "r");
  ck_assert_msg (f != NULL, "%s cannot be read", file);
  while (getline (&line, &size, f) > 0) {
    struct answer a = { .entry = json_tokener_parse (line) };
    char *data = NULL;

    ck_assert_msg (a.entry != NULL, "%s: entry %d is no JSON", file, total + 1);
    read_answer (fixture, &a);
    if (strncmp (a.body, "event: error\ndata: ", 19) == 0) {
      a.status = 200;
      a.in_stream = 1;
      a.body = data = strndup (a.body + 19, strcspn (a.body + 19, "\n"));
    }
    what (&a, user);
    (void) fflush (stdout);     /* Check ends a failed test without */
    total++;
    free (data);
    json_object_put (a.entry);
  }
  free (line);
  fclose (f);
  return total;
}

/* ---- Labels -------------------------------------------------------------- */

/* All *_fits say what is wrong with a judgement; 1 if nothing is. */

static int
number_fits (const struct answer *a, const char *name, uint32_t bit, int64_t got,
             uint32_t have)
{
  struct json_object *o = member (a, name);
  int said = (have & bit) != 0;

  if (o == NULL ? !said : said && json_object_get_int64 (o) == got)
    return 1;
  printf ("%s: %s should be %s, and is %s%" PRId64 "\n", a->id, name,
          o != NULL ? json_object_to_json_string (o) : "missing",
          said ? "" : "missing, ", got);
  return 0;
}

static int64_t
window_named (const char *dimension)
{
  static const struct { const char *ending; int64_t ms; } windows[] = {
    { "_second", 1000 }, { "_minute", 60000 }, { "_hour", HOUR }, { "_day", DAY },
    { "_month", 28 * DAY },     /* or longer */
  };
  const char *p = strrchr (dimension, '_');

  for (size_t i = 0; p != NULL && i < sizeof windows / sizeof windows[0]; i++)
    if (strcmp (p, windows[i].ending) == 0)
      return windows[i].ms;
  return -1;
}

/* Only of a dimension with a number: else there is nothing to keep.  Headers
 * may show it as well as the text: the bucket that says most is looked at. */
static int
bucket_fits (const struct answer *a, const struct kwi_judgement *j)
{
  static const struct kwi_bucket none;
  const struct kwi_bucket *b = NULL;
  int right = 1;

  if (a->dimension == NULL || (member (a, "limit") == NULL && member (a, "used") == NULL
                               && member (a, "requested") == NULL))
    return 1;
  for (uint32_t i = 0; i < j->n_buckets; i++)
    if (strcmp (j->bucket[i].dimension, a->dimension) == 0
        && (b == NULL || (j->bucket[i].have & KW_HAVE_REQUESTED) != 0))
      b = &j->bucket[i];
  if (b == NULL) {
    printf ("%s: no bucket of %s\n", a->id, a->dimension);
    right = 0;
    b = &none;
  }
  right &= number_fits (a, "limit", KW_HAVE_LIMIT, b->limit, b->have);
  right &= number_fits (a, "used", KW_HAVE_USED, b->used, b->have);
  right &= number_fits (a, "requested", KW_HAVE_REQUESTED, b->requested, b->have);
  int64_t window = window_named (a->dimension);
  if (b != &none && window > 0
      && (window > DAY ? b->window_ms < window : b->window_ms != window)) {
    printf ("%s: the window of %s is %" PRId64 " ms\n", a->id, a->dimension, b->window_ms);
    right = 0;
  }
  return right;
}

/* The account by other means than the plugins': each provider's own words. */
static int
account_fits (const struct answer *a, const struct kwi_judgement *j)
{
  static const char *const said[] = {
    "in organization `?([^` \"]+)", "your organization \\(([^)]+)\\)",
    "Account ([^ ]+) is suspended", "for team ([0-9a-f-]{36})", "Your team ([0-9a-f-]{36})", "\"user_id\" *: *\"([^\"]+)\"",
    "\"consumer\" *: *\"(projects/[^\"]+)\"",
  };
  char want[64] = "";

  for (size_t i = 0; i < sizeof said / sizeof said[0] && want[0] == '\0'; i++)
    (void) cut_out (a->body, said[i], want, sizeof want);
  if (strcmp (want, j->account) == 0
      /* What the report masked may be taken for a name or not. */
      || (j->account[0] == '\0' && (strpbrk (want, "*[") != NULL
                                    || strspn (want, "Xx") == strlen (want)
                                    || strcmp (want, "org-xx") == 0)))
    return 1;
  printf ("%s: account should be \"%s\", and is \"%s\"\n", a->id, want, j->account);
  return 0;
}

/* The wait wanted, in ms; *ret_none: none at all is as good; -1: only that. */
static int64_t
wanted_wait (const struct answer *a, const struct kwi_judgement *j, int *ret_none)
{
  *ret_none = j->outcome == KW_OUTCOME_REQUEST || j->outcome == KW_OUTCOME_AUTH;
  if (a->until >= 0)
    return a->until - a->now;
  if (a->wait_s >= 0 && a->wait_s < 3600 && strcmp (a->provider, "gemini") == 0
      && (j->outcome == KW_OUTCOME_DAILY_LIMIT || j->outcome == KW_OUTCOME_BILLING)) {
    /* Its day ends at midnight in California, whatever it states; and what
     * there is none of does not come in seconds. */
    *ret_none |= j->outcome == KW_OUTCOME_BILLING;
    return 19 * HOUR;
  }
  if (a->wait_s >= 0)
    return (int64_t) (a->wait_s * 1000 + 0.5);
  if (member (a, "limit") != NULL && member (a, "used") != NULL
      && member (a, "requested") != NULL && a->dimension != NULL && !a->too_large) {
    double limit = json_object_get_double (member (a, "limit")); /* cut before its wait */
    double over = json_object_get_double (member (a, "used"))
                  + json_object_get_double (member (a, "requested")) - limit;
    return (int64_t) (over / limit * (double) window_named (a->dimension) + 0.999);
  }
  return -1;
}

/* A millisecond early is rounding, a second late the header's whole seconds. */
static int
wait_fits (const struct answer *a, const struct kwi_judgement *j)
{
  int none;
  int64_t want = wanted_wait (a, j, &none), got = j->wait_ms;
  int right = (got == -1 && (want < 0 || none))
              || (want >= 0 && got - want >= -1 && got - want <= 1000);

  /* Nothing is stated: a day or a month may end where that provider's ends. */
  if (!right && want < 0)
    right = j->outcome == KW_OUTCOME_DAILY_LIMIT ? got > 0 && got <= 31 * DAY
            : j->outcome == KW_OUTCOME_BILLING && got >= HOUR && got <= 31 * DAY;
  if (!right)
    printf ("%s: the wait should be %" PRId64 " ms%s, and is %" PRId64 " ms\n", a->id, want,
            none ? " or none" : "", got);
  return right;
}

int
answer_fits (const struct judge *g, const struct answer *a, int status, int in_stream,
             struct kwi_judgement *j)
{
  int right = 1;

  judge_answer (g, a->now, status, in_stream, a->headers, a->body, j);
  int as_labelled = j->outcome == a->outcome && j->fell_back == 0;
  if (!as_labelled && (j->fell_back != 0 || (a->others >> j->outcome & 1) == 0)) {
    printf ("%s (HTTP %d%s): should be %s, and is %s \"%s\"%s\n", a->id, status,
            in_stream ? ", in a stream" : "", kw_verdict_name ((int) a->outcome),
            kw_verdict_name ((int) j->outcome), j->reason,
            j->fell_back ? ", and that by its status only" : "");
    right = 0;
  }
  right &= wait_fits (a, j);
  right &= account_fits (a, j);
  if (!in_stream)
    right &= bucket_fits (a, j);
  return !right ? ANSWER_WRONG : as_labelled ? ANSWER_RIGHT : ANSWER_DEFENSIBLE;
}

/* groq-corpus - the answers of fixtures/groq.jsonl, which Groq really gave,
 * against their labels.  A part of test_groq. */
#include <inttypes.h>
#include <regex.h>
#include <string.h>

#include <json-c/json.h>

#include "groqtest.h"

static const char *
text_of (struct json_object *entry, const char *member)
{
  struct json_object *o = NULL;
  json_object_object_get_ex (entry, member, &o);
  return o != NULL ? json_object_get_string (o) : NULL;
}

/* All *_fits say what is wrong with j, in the entry's terms; 1 if nothing is. */

static int
number_fits (const char *id, struct json_object *entry, const char *member, uint32_t bit,
             int64_t got, uint32_t have)
{
  struct json_object *o = NULL;
  json_object_object_get_ex (entry, member, &o);
  int said = (have & bit) != 0;

  if (o == NULL ? !said : said && json_object_get_int64 (o) == got)
    return 1;
  printf ("%s: %s should be %s, and is %s%" PRId64 "\n", id, member,
          o != NULL ? json_object_to_json_string (o) : "missing",
          said ? "" : "missing, ", got);
  return 0;
}

/* The account by other means than the plugin's. */
static int
account_fits (const char *id, const char *body)
{
  regex_t re;
  regmatch_t m[2];
  char want[64] = "";

  ck_assert_int_eq (regcomp (&re, "in organization `?([^` ]+)", REG_EXTENDED), 0);
  if (regexec (&re, body, 2, m, 0) == 0) {
    int n = snprintf (want, sizeof want, "%.*s", (int) (m[1].rm_eo - m[1].rm_so),
                      body + m[1].rm_so);
    ck_assert (n > 0 && (size_t) n < sizeof want);
  }
  regfree (&re);
  if (strcmp (want, j.account) == 0)
    return 1;
  printf ("%s: account should be \"%s\", and is \"%s\"\n", id, want, j.account);
  return 0;
}

static int
wait_fits (const char *id, struct json_object *entry, int too_large)
{
  const char *said = text_of (entry, "retry_after_s");
  const char *used = text_of (entry, "used");
  double want = -1;

  if (said != NULL)
    want = json_object_get_double (json_object_object_get (entry, "retry_after_s"));
  else if (used != NULL && !too_large) { /* a message cut before its wait */
    double limit = json_object_get_double (json_object_object_get (entry, "limit"));
    double over = json_object_get_double (json_object_object_get (entry, "used"))
                  + json_object_get_double (json_object_object_get (entry, "requested"))
                  - limit;
    want = over / limit * (strstr (text_of (entry, "dimension"), "_day") ? 86400 : 60);
  }
  double off = (double) j.wait_ms - want * 1000;
  if (want < 0 ? j.wait_ms == -1 : off >= -1 && off <= 1000)
    return 1;
  printf ("%s: the wait should be %g s, and is %" PRId64 " ms\n", id, want, j.wait_ms);
  return 0;
}

static int
entry_fits (struct json_object *entry, int status, int in_stream, const char *body)
{
  static const struct { const char *name; uint32_t outcome; } classes[] = {
    { "DAILY_LIMIT", DAILY }, { "RATE_LIMIT", RATE }, { "AUTH", AUTH },
    { "BILLING", BILL }, { "REQUEST", REQ }, { "OTHER", REQ }, { "TRANSIENT", TRANS },
  };
  static const struct kwi_bucket none;
  const char *id = text_of (entry, "id"), *dimension = text_of (entry, "dimension");
  int64_t limit = json_object_get_int64 (json_object_object_get (entry, "limit"));
  int64_t requested = json_object_get_int64 (json_object_object_get (entry, "requested"));
  int too_large = dimension != NULL && requested > limit;
  uint32_t want = KW_OUTCOME_UNKNOWN;
  char headers[4096] = "";
  size_t len = 0;
  int right = 1;

  for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
    if (strcmp (classes[i].name, text_of (entry, "class")) == 0)
      want = classes[i].outcome;
  if (too_large)                /* whatever wait the answer stated */
    want = REQ;
  struct json_object_iter it;
  json_object_object_foreachC (json_object_object_get (entry, "headers"), it) {
    int n = snprintf (headers + len, sizeof headers - len, "%s: %s\n", it.key,
                      json_object_get_string (it.val));
    ck_assert (n > 0 && (size_t) n < sizeof headers - len);
    len += (size_t) n;
  }

  judge (status, in_stream, headers, body);
  if (j.outcome != want || j.fell_back != 0) {
    printf ("%s (HTTP %d%s): should be %s, and is %s \"%s\"%s\n", id, status,
            in_stream ? ", in a stream" : "", kw_verdict_name ((int) want),
            kw_verdict_name ((int) j.outcome), j.reason,
            j.fell_back ? ", and that by its status only" : "");
    right = 0;
  }
  right &= wait_fits (id, entry, too_large);
  if (dimension == NULL)
    return right;

  const struct kwi_bucket *b = NULL;
  for (uint32_t i = 0; i < j.n_buckets; i++) /* headers may show it as well */
    if (strcmp (j.bucket[i].dimension, dimension) == 0
        && (j.bucket[i].have & KW_HAVE_REQUESTED) != 0)
      b = &j.bucket[i];
  if (b == NULL)
    printf ("%s: no bucket of %s\n", id, dimension);
  right &= b != NULL;
  if (b == NULL)
    b = &none;
  right &= number_fits (id, entry, "limit", KW_HAVE_LIMIT, b->limit, b->have);
  right &= number_fits (id, entry, "used", KW_HAVE_USED, b->used, b->have);
  right &= number_fits (id, entry, "requested", KW_HAVE_REQUESTED, b->requested, b->have);
  right &= account_fits (id, body);
  const char *reason = want == REQ ? "request_too_large" : dimension;
  if (strcmp (j.reason, reason) != 0 || j.model[0] == '\0') {
    printf ("%s: reason should be %s, and is %s; model is \"%s\"\n", id, reason, j.reason,
            j.model);
    right = 0;
  }
  return right;
}

/* The statuses that an entry may have had, where its report did not say. */
static int
all_statuses_fit (struct json_object *entry, const char *body)
{
  const char *class = text_of (entry, "class");
  int right = 1;
  int status = json_object_get_int (json_object_object_get (entry, "status"));

  if (status != 0)
    right &= entry_fits (entry, status, 0, body);
  else if (strstr (class, "_LIMIT") != NULL)
    right &= entry_fits (entry, 429, 0, body);
  else if (text_of (entry, "dimension") != NULL)
    right &= entry_fits (entry, 413, 0, body) & entry_fits (entry, 429, 0, body);
  else if (strstr (body, "model_not_found") != NULL || strstr (body, "Not Found") != NULL)
    right &= entry_fits (entry, 404, 0, body);
  else
    right &= entry_fits (entry, 400, 0, body);

  /* A limit says the same as an event of a stream that had begun with 200,
   * and where nothing but the message is left. */
  if (text_of (entry, "dimension") != NULL)
    right &= entry_fits (entry, 200, 1, body) & entry_fits (entry, 0, 0, body);
  return right;
}

START_TEST (every_real_answer_is_judged_as_labelled)
{
  char file[1024], line[16384];
  int n = snprintf (file, sizeof file, "%s/tests/fixtures/groq.jsonl", kwtest_srcdir ());
  int total = 0, right = 0;

  ck_assert (n > 0 && (size_t) n < sizeof file);
  FILE *f = fopen (file, "r");
  ck_assert_msg (f != NULL, "%s cannot be read", file);
  while (fgets (line, sizeof line, f) != NULL) {
    struct json_object *entry = json_tokener_parse (line);
    ck_assert_msg (entry != NULL, "%s: entry %d is no JSON", file, total + 1);
    const char *body = text_of (entry, "body");

    total++;
    if (strncmp (body, "event: error\ndata: ", 19) == 0) {
      size_t len = strcspn (body + 19, "\n");
      char *data = strndup (body + 19, len);
      right += entry_fits (entry, 200, 1, data);
      free (data);
    } else {
      right += all_statuses_fit (entry, body);
    }
    json_object_put (entry);
  }
  fclose (f);
  printf ("groq.jsonl: %d of %d answers are judged right\n", right, total);
  ck_assert_int_ge (total, 74);
  ck_assert_int_eq (right, total);
}
END_TEST

void
add_corpus_tests (TCase *tc)
{
  tcase_add_test (tc, every_real_answer_is_judged_as_labelled);
}

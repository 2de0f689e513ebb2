/* test_state_fact - what processes tell each other, as texts and back. */
#include "statekit.h"

/* ---- The texts ----------------------------------------------------------------------- */

START_TEST (a_fact_is_a_line_that_can_be_read)
{
  static struct kwi_fact_text t;
  struct kwi_change c = { .kind = KWI_CHANGE_BLOCK,
                          .subject = "account:org 01%", .model = "meta/llama 3",
                          .dimension = "tokens_per_day",
                          .said = { KW_OUTCOME_DAILY_LIMIT, 0, 5, 700, 600, 100 } };

  ck_assert_int_eq (kwi_fact_write ("groq@h:1/v1", &c, 650, &t), 0);
  ck_assert_str_eq (t.name, "block groq@h:1/v1 account:org%2001%25 meta/llama%203 "
                            "tokens_per_day");
  ck_assert_str_eq (t.value, "{\"said_ms\":600,\"verdict\":\"DAILY_LIMIT\","
                             "\"span_ms\":100}");
  ck_assert_int_eq (t.major, 5);
  ck_assert_int_eq (t.minor, 700);
  ck_assert_int_eq (t.expires_ms, 700 + DAY);
}
END_TEST

static const char *
random_word (char *buf, size_t size)
{
  size_t n = below (size), i;

  for (i = 0; i < n; i++) {
    unsigned c = ' ' + (unsigned) below (256 - ' ');
    buf[i] = (char) (c == 127 ? 'x' : c);
  }
  buf[n] = '\0';
  return buf;
}

START_TEST (what_was_written_is_read_whatever_the_names)
{
  static struct kwi_fact_text t;
  static struct kwi_fact_read r;
  int step;

  chance = 4711;
  for (step = 0; step < 4000; step++) {
    char scope[40], subject[40], model[60], dimension[32], account[64];
    struct kwi_change c = {
      .kind = (enum kwi_change_kind) (1 + below (7)),
      .subject = random_word (subject, sizeof subject),
      .model = random_word (model, sizeof model),
      .dimension = random_word (dimension, sizeof dimension),
      .said = { (uint32_t) (1 + below (7)), 0, (int64_t) below (1000),
                below (5) == 0 ? INT64_MAX : (int64_t) below (1000), 7, 8 },
      .bucket = { .have = KW_HAVE_LIMIT | KW_HAVE_USED, .limit = 6, .used = 4,
                  .rolling = (uint32_t) below (2) },
      .at_ms = (int64_t) below (1000), .n = 1 + (int64_t) below (9),
    };
    int counter = c.kind >= KWI_CHANGE_REQUESTS;

    if (c.kind == KWI_CHANGE_PROBE)
      c.said.until_ms = 9;      /* it is never for ever */
    (void) random_word (account, sizeof account);
    account[0] = 'o';
    for (char *p = account; *p != '\0'; p++)
      if ((*p & 0x80) != 0)
        *p = 'u';               /* UTF-8 */
    (void) memccpy (c.account, account, '\0', sizeof c.account - 1);
    ck_assert_int_eq (kwi_fact_write (random_word (scope, sizeof scope), &c, 0,
                                      &t), 0);
    for (char *p = t.name; *p != '\0'; p++)
      ck_assert_msg (*p >= ' ' && *p < 127, "step %d: %s", step, t.name);
    ck_assert_msg (kwi_fact_read (t.name, counter ? NULL : t.value,
                                  counter ? c.n : t.major, t.minor, &r) == 0,
                   "step %d: %s %s", step, t.name, t.value);
    ck_assert_int_eq (r.change.kind, c.kind);
    ck_assert_str_eq (r.scope, scope);
    ck_assert_str_eq (r.subject, subject);
    if (c.kind <= KWI_CHANGE_BUCKET) {
      ck_assert_str_eq (r.model, model);
      ck_assert_str_eq (r.dimension, dimension);
    }
    if (c.kind == KWI_CHANGE_BLOCK) {
      ck_assert_int_eq (r.change.said.until_ms, c.said.until_ms);
      ck_assert_int_eq (r.change.said.epoch_ms, c.said.epoch_ms);
      ck_assert_int_eq (r.change.said.said_ms, 7);
      if (c.said.until_ms != 0)
        ck_assert_uint_eq (r.change.said.verdict, c.said.verdict);
    }
    if (c.kind == KWI_CHANGE_BUCKET) {
      ck_assert_int_eq (r.change.bucket.limit, 6);
      ck_assert_int_eq (r.change.bucket.used, 4);
      ck_assert_uint_eq (r.change.bucket.have, c.bucket.have);
      ck_assert_uint_eq (r.change.bucket.rolling, c.bucket.rolling);
    }
    if (c.kind == KWI_CHANGE_ACCOUNT)
      ck_assert_str_eq (r.change.account, c.account);
    if (counter)
      ck_assert_int_eq (r.change.n, c.n);
  }
}
END_TEST

START_TEST (what_is_not_ours_is_passed_over)
{
  static const struct { const char *name, *value; } strange[] = {
    { "", "{}" }, { "block", "{}" }, { "block s", "{}" }, { "block s k m", "{}" },
    { "block s k m d more", "{\"verdict\":\"BILLING\"}" },
    { "block s k m d", "{\"verdict\":\"LATER_VERDICT\"}" },
    { "block s k m d", "[]" }, { "block s k m d", "" }, { "block s k m d", "{" },
    { "block s k%2 m d", "{\"verdict\":\"BILLING\"}" },
    { "block s k%00 m d", "{\"verdict\":\"BILLING\"}" },
    { "block s k%zz m d", "{\"verdict\":\"BILLING\"}" },
    { "later s k", "{}" }, { "account s k", "{}" }, { "account s k", "{\"account\":\"\"}" },
    { "account s k", "{\"account\":null}" }, { "account s k", "{\"account\":7}" },
    { "block s k m d", "{\"verdict\":null}" }, { "block s k m d", "{\"verdict\":{}}" },
    { "account s k", "{\"account\":\"o\\u001b[31m\"}" },
    { "block s k m%1B d", "{\"verdict\":\"BILLING\"}" },
    { "block s k m%7F d", "{\"verdict\":\"BILLING\"}" },
    { "requests s k", "{}" }, { "reset s", "{}" }
  };
  static struct kwi_fact_read r;
  char *many = malloc (3000);
  size_t i;

  for (i = 0; i < sizeof strange / sizeof strange[0]; i++)
    ck_assert_msg (kwi_fact_read (strange[i].name, strange[i].value, 5, 6, &r) != 0,
                   "%s %s", strange[i].name, strange[i].value);
  memset (many, 'k', 2999);
  many[2999] = '\0';
  memcpy (many, "block s ", 8);
  ck_assert_int_ne (kwi_fact_read (many, "{}", 5, 6, &r), 0);
  free (many);
  ck_assert_int_ne (kwi_fact_read ("block s k m d", NULL, 5, 6, &r), 0);
  ck_assert_int_eq (kwi_fact_read ("block s k m d", "{\"verdict\":\"BILLING\"}", 5,
                                   6, &r), 0);
  ck_assert_int_ne (kwi_fact_read ("block s k m d", "{\"verdict\":\"BILLING\"}", -5,
                                   6, &r), 0);
  ck_assert_int_ne (kwi_fact_read ("block s k m d", "{\"verdict\":\"BILLING\"}",
                                   INT64_MAX, 6, &r), 0);
  ck_assert_int_ne (kwi_fact_read ("block s k m d", "{\"verdict\":\"BILLING\"}", 5,
                                   INT64_MAX - 1, &r), 0);
  ck_assert_int_eq (kwi_fact_read ("block s k m d", "{\"verdict\":\"BILLING\"}", 5,
                                   INT64_MAX, &r), 0);
  ck_assert_int_ne (kwi_fact_read ("probe s k m d", "{}", 5, INT64_MAX, &r), 0);
  ck_assert_int_ne (kwi_fact_read ("reset s k", "{}", INT64_MAX, 0, &r), 0);
  ck_assert_int_ne (kwi_fact_read ("block s k m d", "{\"said_ms\":9223372036854775807,"
                                   "\"verdict\":\"BILLING\"}", 5, 6, &r), 0);
}
END_TEST

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("state_fact");
  TCase *t = tcase_create ("texts");

  tcase_set_timeout (t, 60);
  tcase_add_test (t, a_fact_is_a_line_that_can_be_read);
  tcase_add_test (t, what_was_written_is_read_whatever_the_names);
  tcase_add_test (t, what_is_not_ours_is_passed_over);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (make_suite)

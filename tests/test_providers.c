/* test_providers - each provider's plugin against the answers that this
 * provider really gave (fixtures/NAME.jsonl) and against variants of them; and
 * the plugin "compatible" against those of all.  Prints what is judged wrong,
 * and in the end one table, which is left in tests/providers.txt as well. */
#include <string.h>

#include "answers.h"
#include "documented.h"
#include "variants.h"

static const struct {
  const char *name;
  int answers;                  /* at least: none may get lost            */
} providers[] = {
  { "anthropic", 18 }, { "azure", 8 }, { "cerebras", 7 }, { "compatible", 25 },
  { "deepseek", 6 }, { "gemini", 18 }, { "groq", 74 }, { "mistral", 10 }, { "openai", 28 },
  { "openrouter", 19 }, { "together", 3 }, { "xai", 5 },
};
#define N_PROVIDERS ((int) (sizeof providers / sizeof providers[0]))

/* ---- Statuses that a report did not show ----------------------------------- */

/* What the provider documents for such a body; the first row that fits, and
 * all of its statuses.  provider, or in what the body holds: NULL is any. */
static const struct {
  const char *provider, *in_body;
  uint32_t outcome;             /* 0: any */
  int statuses[3];
} documented[] = {
  { "anthropic", "permission_error", 0, { 403 } },
  { "anthropic", "invalid_request_error", 0, { 400 } },
  { "deepseek", "Insufficient Balance", 0, { 402 } },
  { "huggingface", "is currently loading", 0, { 503 } },
  { "bedrock", NULL, KW_OUTCOME_TRANSIENT, { 503, 500 } },
  { "mistral", "capacity exceeded", 0, { 429, 503 } }, /* before 2025, and since */
  { "openai", "overloaded", 0, { 503, 429 } },
  { "openrouter", "Key limit exceeded", 0, { 403 } },
  { "groq", "model_not_found", 0, { 404 } },
  { "groq", "Not Found", 0, { 404 } },
  { "groq", NULL, KW_OUTCOME_BILLING, { 400 } },
  { "groq", NULL, KW_OUTCOME_TRANSIENT, { 400 } },
  { "xai", NULL, KW_OUTCOME_BILLING, { 429, 403 } }, /* 2025, 2026 */
  { NULL, NULL, KW_OUTCOME_DAILY_LIMIT, { 429 } },
  { NULL, NULL, KW_OUTCOME_RATE_LIMIT, { 429 } },
  { NULL, NULL, KW_OUTCOME_BILLING, { 429 } },
  { NULL, NULL, KW_OUTCOME_AUTH, { 401 } },
  { NULL, NULL, KW_OUTCOME_REQUEST, { 400 } },
  { NULL, NULL, KW_OUTCOME_TRANSIENT, { 500 } },
};

static const int *
statuses_of (const struct answer *a)
{
  static const int too_large[] = { 413, 429, 0 };
  static int reported[2];

  if (a->status != 0) {
    reported[0] = a->status;
    return reported;
  }
  if (a->too_large)
    return too_large;
  for (size_t i = 0; ; i++) {
    ck_assert_uint_lt (i, sizeof documented / sizeof documented[0]);
    if ((documented[i].provider == NULL || strcmp (documented[i].provider, a->provider) == 0)
        && (documented[i].in_body == NULL || strstr (a->body, documented[i].in_body) != NULL)
        && (documented[i].outcome == 0 || documented[i].outcome == a->outcome))
      return documented[i].statuses;
  }
}

/* ---- Judging ---------------------------------------------------------------- */

struct score {
  struct judge judge;
  int answers, right, defensible;
  int variants, variants_wrong;
  int with_variants;
};

static int
worse (int a, int b)
{
  return a < b ? a : b;
}

/* Whatever verdict the answer itself gets, its variants get. */
static void
judge_variants (struct score *s, const struct answer *a, int status, uint32_t outcome)
{
  struct variant v;
  int rc;

  for (int i = 0; (rc = variant_make (i, a, status, &v)) >= 0; i++) {
    struct kwi_judgement j;

    if (rc == 0)
      continue;
    judge_answer (&s->judge, a->now, v.status, v.in_stream, v.headers, v.body, &j);
    s->variants++;
    if (j.outcome != outcome) {
      s->variants_wrong++;
      printf ("%s (HTTP %d%s), %s: should be %s, and is %s \"%s\"\n    %s\n", a->id, v.status,
              v.in_stream ? ", in a stream" : "", v.name, kw_verdict_name ((int) outcome),
              kw_verdict_name ((int) j.outcome), j.reason, v.body);
    }
    variant_clear (&v);
  }
}

static void
judge_one (const struct answer *a, void *user)
{
  struct score *s = user;
  struct kwi_judgement j;
  int fit = ANSWER_RIGHT;

  for (const int *status = statuses_of (a); *status != 0; status++) {
    int this = answer_fits (&s->judge, a, *status, a->in_stream, &j);

    fit = worse (fit, this);
    if (this != ANSWER_WRONG && s->with_variants)
      judge_variants (s, a, *status, j.outcome);
  }
  s->answers++;
  s->right += fit == ANSWER_RIGHT;
  s->defensible += fit == ANSWER_DEFENSIBLE;
  if (fit == ANSWER_DEFENSIBLE)
    printf ("%s: %s is as defensible\n", a->id, kw_verdict_name ((int) j.outcome));
}

/* ---- The table -------------------------------------------------------------- */

static FILE *
open_table (const char *mode)
{
  char file[1024];
  int n = snprintf (file, sizeof file, "%s/tests/providers.txt", kwtest_builddir ());
  FILE *f = n > 0 && (size_t) n < sizeof file ? fopen (file, mode) : NULL;

  if (f == NULL)
    perror (file);
  return f;
}

/* Tests run in processes of their own, so each writes its row itself. */
static void
put_row (const char *name, const struct score *s)
{
  FILE *f = open_table ("a");

  ck_assert_ptr_nonnull (f);
  fprintf (f, "%-26s %7d %6d %10d %6d", name, s->answers, s->right, s->defensible,
           s->answers - s->right - s->defensible);
  if (s->with_variants)
    fprintf (f, " %9d %6d", s->variants, s->variants_wrong);
  fputc ('\n', f);
  ck_assert_int_eq (fclose (f), 0);
}

START_TEST (a_providers_own_answers_are_judged_as_labelled)
{
  const char *name = providers[_i].name;
  struct score s = { .with_variants = 1 };

  judge_open (&s.judge, name);
  (void) answers_each (name, judge_one, &s);
  judge_close (&s.judge);
  put_row (name, &s);
  ck_assert_int_ge (s.answers, providers[_i].answers);
  ck_assert_msg (s.right + s.defensible == s.answers, "%s: %d of %d answers are judged wrong",
                 name, s.answers - s.right - s.defensible, s.answers);
  ck_assert_msg (s.variants_wrong == 0, "%s: %d of %d variants are judged otherwise", name,
                 s.variants_wrong, s.variants);
}
END_TEST

START_TEST (what_a_provider_documents_is_judged_so)
{
  const char *name = providers[_i].name;
  struct judge g;
  int wrong;

  judge_open (&g, name);
  wrong = documented_wrong (&g, name);
  judge_close (&g);
  ck_assert_msg (wrong == 0, "%s: %d documented answers are judged wrong", name, wrong);
}
END_TEST

/* Whoever has no plugin gets this one: it need not know a provider's exceptions,
 * but the shapes that all have in common. */
START_TEST (the_compatible_plugin_knows_the_common_shapes)
{
  struct score all = { 0 };

  judge_open (&all.judge, "compatible");
  for (int i = 0; i < N_PROVIDERS; i++)
    (void) answers_each (providers[i].name, judge_one, &all);
  judge_close (&all.judge);
  put_row ("compatible, for all", &all);
  ck_assert_int_ge ((all.right + all.defensible) * 100, all.answers * 90);
}
END_TEST

static Suite *
providers_suite (void)
{
  Suite *s = suite_create ("providers");
  TCase *tc = tcase_create ("providers");

  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, a_providers_own_answers_are_judged_as_labelled, 0, N_PROVIDERS);
  tcase_add_loop_test (tc, what_a_provider_documents_is_judged_so, 0, N_PROVIDERS);
  tcase_add_test (tc, the_compatible_plugin_knows_the_common_shapes);
  suite_add_tcase (s, tc);
  return s;
}

int
main (void)
{
  SRunner *sr;
  FILE *f = open_table ("w");
  char line[256];
  int failed;

  if (f == NULL)
    return EXIT_FAILURE;
  fprintf (f, "%-26s %7s %6s %10s %6s %9s %6s\n", "plugin", "answers", "right", "defensible",
           "wrong", "variants", "wrong");
  if (fclose (f) != 0)
    return EXIT_FAILURE;

  sr = srunner_create (providers_suite ());
  srunner_run_all (sr, CK_NORMAL);
  failed = srunner_ntests_failed (sr);
  srunner_free (sr);

  f = open_table ("r");
  while (f != NULL && fgets (line, sizeof line, f) != NULL)
    fputs (line, stdout);
  if (f == NULL || fclose (f) != 0)
    return EXIT_FAILURE;
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

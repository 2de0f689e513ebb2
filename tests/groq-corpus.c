/* groq-corpus - the answers of fixtures/groq.jsonl, which Groq really gave,
 * against their labels.  A part of test_groq. */
#include <string.h>

#include "groqtest.h"

/* Besides what answer_fits looks at: Groq names the dimension and the model. */
static int
names_fit (const struct answer *a)
{
  const char *reason = a->too_large ? "request_too_large" : a->dimension;

  if (a->dimension == NULL || (strcmp (j.reason, reason) == 0 && j.model[0] != '\0'))
    return 1;
  printf ("%s: reason should be %s, and is %s; model is \"%s\"\n", a->id, reason, j.reason,
          j.model);
  return 0;
}

static int
is_right (const struct answer *a, int status, int in_stream)
{
  return answer_fits (&groq, a, status, in_stream, &j) == ANSWER_RIGHT && names_fit (a);
}

/* The statuses that an answer may have had, where its report did not say. */
static void
all_statuses_fit (const struct answer *a, void *ret_right)
{
  int right = 1;

  if (a->status != 0)
    right &= is_right (a, a->status, a->in_stream);
  else if (a->too_large)
    right &= is_right (a, 413, 0) & is_right (a, 429, 0);
  else if (answer_is_limit (a))
    right &= is_right (a, 429, 0);
  else if (strstr (a->body, "model_not_found") != NULL || strstr (a->body, "Not Found") != NULL)
    right &= is_right (a, 404, 0);
  else
    right &= is_right (a, 400, 0);

  /* A limit says the same as an event of a stream that had begun with 200,
   * and where nothing but the message is left. */
  if (a->dimension != NULL)
    right &= is_right (a, 200, 1) & is_right (a, 0, 0);
  *(int *) ret_right += right;
}

START_TEST (every_real_answer_is_judged_as_labelled)
{
  int right = 0, total = answers_each ("groq", all_statuses_fit, &right);

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

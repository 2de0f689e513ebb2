/* test_store - names, cells and dimensions, and that growing loses none. */
#include <stdio.h>
#include <string.h>

#include "kwtest.h"
#include "store.h"

START_TEST (names_are_numbered_once_and_found_again)
{
  struct kwi_store *s = kwi_store_new ();
  uint32_t a = kwi_store_subject (s, "key:1");

  ck_assert_uint_ne (a, 0);
  ck_assert_uint_eq (kwi_store_subject (s, "key:1"), a);
  ck_assert_str_eq (kwi_store_subject_name (s, a), "key:1");
  ck_assert_str_eq (kwi_store_subject_name (s, 99), "");
  ck_assert_uint_eq (kwi_store_find_model (s, ""), KWI_EVERY_MODEL);
  kwi_store_free (s);
}
END_TEST

START_TEST (looking_up_creates_nothing)
{
  struct kwi_store *s = kwi_store_new ();

  ck_assert_uint_eq (kwi_store_find_model (s, "m"), 0);
  ck_assert_ptr_null (kwi_store_find (s, 1, 1));
  ck_assert_ptr_null (kwi_store_find (s, 0, 0));
  ck_assert_ptr_null (kwi_store_get (s, 0, 1, "d"));
  kwi_store_free (s);
}
END_TEST

static void
count (void *user, struct kwi_fact *f)
{
  (void) f;
  ++*(int *) user;
}

START_TEST (a_thousand_cells_are_all_found_after_growing)
{
  struct kwi_store *s = kwi_store_new ();
  char name[32];
  uint32_t m[10], k[100];
  int i, j, n = 0;

  for (j = 0; j < 10; j++) {
    ck_assert_int_gt (snprintf (name, sizeof name, "model-%d", j), 0);
    m[j] = kwi_store_model (s, name);
  }
  for (i = 0; i < 100; i++) {
    ck_assert_int_gt (snprintf (name, sizeof name, "key:%d", i), 0);
    k[i] = kwi_store_subject (s, name);
    for (j = 0; j < 10; j++)
      kwi_store_get (s, k[i], m[j], "tokens_per_day")->until_ms = i * 10 + j + 1;
  }
  for (i = 0; i < 100; i++)
    for (j = 0; j < 10; j++) {
      const struct kwi_fact *f = kwi_store_find (s, k[i], m[j]);
      ck_assert_msg (f != NULL && f->until_ms == i * 10 + j + 1
                       && f->next == NULL, "key %d model %d", i, j);
    }
  kwi_store_each (s, k[42], count, &n);
  ck_assert_int_eq (n, 10);
  kwi_store_free (s);
}
END_TEST

START_TEST (dimensions_of_a_cell_are_apart_and_long_ones_are_cut)
{
  struct kwi_store *s = kwi_store_new ();
  uint32_t k = kwi_store_subject (s, "k");
  const char *lengthy = "a_dimension_that_is_longer_than_its_field_in_the_fact";
  struct kwi_fact *a = kwi_store_get (s, k, 1, "tokens_per_day");
  struct kwi_fact *b = kwi_store_get (s, k, 1, "requests_per_day");
  struct kwi_fact *c = kwi_store_get (s, k, 1, lengthy);
  int n = 0;

  ck_assert_ptr_ne (a, b);
  ck_assert_ptr_eq (kwi_store_get (s, k, 1, "tokens_per_day"), a);
  ck_assert_ptr_eq (kwi_store_get (s, k, 1, lengthy), c);
  ck_assert_uint_eq (strlen (c->bucket.dimension), 31);
  kwi_store_each (s, k, count, &n);
  ck_assert_int_eq (n, 3);
  kwi_store_free (s);
}
END_TEST

START_TEST (models_are_bounded_since_callers_name_them)
{
  struct kwi_store *s = kwi_store_new ();
  char name[32];
  int i;

  for (i = 1; i < KWI_STORE_MODELS; i++) {
    ck_assert_int_gt (snprintf (name, sizeof name, "m%d", i), 0);
    ck_assert_uint_ne (kwi_store_model (s, name), 0);
  }
  ck_assert_uint_eq (kwi_store_model (s, "one more"), 0);
  ck_assert_uint_ne (kwi_store_model (s, "m7"), 0);
  kwi_store_free (s);
}
END_TEST

START_TEST (ends_are_counted_by_the_second)
{
  struct kwi_store *s = kwi_store_new ();

  ck_assert_uint_eq (kwi_store_count_at (s, 5000), 0);
  ck_assert_uint_eq (kwi_store_count_at (s, 5999), 1);
  ck_assert_uint_eq (kwi_store_count_at (s, 6000), 0);
  ck_assert_uint_eq (kwi_store_count_at (s, 5001), 2);
  kwi_store_free (s);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("store");
  TCase *tc = tcase_create ("store");

  tcase_add_test (tc, names_are_numbered_once_and_found_again);
  tcase_add_test (tc, looking_up_creates_nothing);
  tcase_add_test (tc, a_thousand_cells_are_all_found_after_growing);
  tcase_add_test (tc, dimensions_of_a_cell_are_apart_and_long_ones_are_cut);
  tcase_add_test (tc, models_are_bounded_since_callers_name_them);
  tcase_add_test (tc, ends_are_counted_by_the_second);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)

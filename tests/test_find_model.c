/* test_find_model - where a body names its model: there, or nowhere. */
#include "kwtest.h"

#include <stdlib.h>
#include <string.h>

#include <keywheel/keywheel.h>

#define FORM "multipart/form-data; boundary=b1"
#define PART(name, value) "--b1\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" \
                          value "\r\n"

/* place NULL: it has none. */
static const struct row {
  const char *type, *body, *place, *name;
} rows[] = {
  { NULL, "{\"model\":\"m-1\",\"n\":1}", "m-1", "m-1" },
  { "application/json", " { \"messages\" : [{\"model\":\"x\"}], \"model\" : \"a/b:free\" } ",
    "a/b:free", "a/b:free" },
  { NULL, "{\"model\":\"a\\u0062\\/c\"}", "a\\u0062\\/c", "ab/c" },
  { NULL, "{\"a\":\"\\\"model\\\":\\\"x\\\"\",\"model\":\"m\"}", "m", "m" },
  /* what another reader may see otherwise */
  { NULL, "{\"model\":\"a\",\"model\":\"b\"}", NULL, NULL },
  { NULL, "{\"model\":\"a\",\"mod\\u0065l\":\"b\"}", NULL, NULL },
  { NULL, "{\"model\":\"a\"", NULL, NULL },
  { NULL, "{\"model\":\"a\"} x", NULL, NULL },
  { NULL, "{\"model\":7}", NULL, NULL },
  { NULL, "{\"model\":\"\"}", NULL, NULL },
  { NULL, "{\"model\":\"0123456789012345678901234567890123456789\"}", NULL, NULL },
  { NULL, "{}", NULL, NULL },
  { NULL, "[\"model\"]", NULL, NULL },
  { NULL, "\"model\"", NULL, NULL },
  { NULL, "{\"m\":{\"model\":\"x\"}}", NULL, NULL },
  { NULL, "", NULL, NULL },
  { "text/plain", "{\"model\":\"m\"}", NULL, NULL },
  { FORM, PART ("a", "x") PART ("model", "w-3") PART ("file", "model") "--b1--\r\n", "w-3",
    "w-3" },
  { FORM, PART ("model", "w-3") PART ("model", "w-4") "--b1--\r\n", NULL, NULL },
  { FORM, PART ("model", "") "--b1--\r\n", NULL, NULL },
  { FORM, PART ("file", "x") "--b1--\r\n", NULL, NULL },
  { FORM, "--b1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nw", NULL, NULL },
  { "multipart/form-data", PART ("model", "w-3"), NULL, NULL },
};

START_TEST (the_only_place_or_none)
{
  const struct row *row = &rows[_i];
  size_t len = strlen (row->body), at = 999, n = 999;
  char *exact = malloc (len > 0 ? len : 1), name[32] = "untouched";
  int found;

  ck_assert_ptr_nonnull (exact);
  memcpy (exact, row->body, len);       /* so that a byte too many is seen */
  found = kw_find_model (exact, len, row->type, name, sizeof name, &at, &n);
  ck_assert_msg (found == (row->place != NULL), "row %d, %s: %d", _i, row->body, found);
  if (found) {
    ck_assert_str_eq (name, row->name);
    ck_assert_uint_eq (n, strlen (row->place));
    ck_assert_uint_le (at + n, len);
    ck_assert (memcmp (exact + at, row->place, n) == 0);
  } else {
    ck_assert_uint_eq (at, 999);
    ck_assert_uint_eq (n, 999);
  }
  free (exact);
}
END_TEST

static Suite *
find_model_suite (void)
{
  Suite *s = suite_create ("find_model");
  TCase *t = tcase_create ("find_model");

  tcase_add_loop_test (t, the_only_place_or_none, 0, (int) (sizeof rows / sizeof rows[0]));
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (find_model_suite)

/* test_peek - the model and the wish for a stream, in bodies that only pass
 * through. */
#include "kwtest.h"
#include "peek.h"

#define FORM "multipart/form-data; charset=x; boundary=\"b 1\""
#define PART(name, value) "--b 1\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" \
                          value "\r\n"
#define FILE_PART "--b 1\r\nContent-Disposition: form-data; filename=\"name=model\"; " \
                  "name=\"file\"\r\nContent-Type: audio/wav\r\n\r\nx " PART ("model", "wrong")

START_TEST (bodies_that_are_there)
{
  static const struct { const char *type, *body, *model; int whole, stream; } rows[] = {
    { NULL, "{\"model\":\"m\",\"stream\":true}", "m", 1, 1 },
    { "application/json; charset=utf-8", "{\"messages\":[{\"model\":\"n\"}],\"model\":\"m\"}",
      "m", 1, 0 },
    { NULL, "{\"model\":\"m\"", "", 1, 0 }, /* not JSON, and nobody says so */
    { NULL, "{\"model\":7}", "", 1, 0 },
    { NULL, "", "", 1, 0 },
    { "audio/wav", "{\"model\":\"m\"}", "", 1, 0 },
    /* beginnings of JSON */
    { NULL, "{\"model\":\"m\"", "m", 0, 0 },
    { NULL, "{ \"a\":[{\"model\":\"n\"}], \"b\" : \"\\\"model\\\":\", \"model\" : \"a\\u0062\","
            " \"stream\" :true,\"c\":\"...", "ab", 0, 1 },
    { NULL, "{\"x\":\"model\",\"y\":\"z", "", 0, 0 },
    { NULL, "{\"model\":\"cut of", "", 0, 0 },
    { NULL, "{\"model\":null,\"stream\":false,\"a\":\"", "", 0, 0 },
    { NULL, "{\"model", "", 0, 0 },
    { NULL, "{\"model\":", "", 0, 0 },
    { NULL, "}]{\"model\":\"m\",", "m", 0, 0 },
    /* forms */
    { FORM, PART ("model", "m") FILE_PART, "m", 0, 0 },
    { FORM, FILE_PART PART ("model", "m"), "m", 0, 0 },
    { FORM, FILE_PART "--b 1--\r\n", "", 1, 0 },
    { FORM, "--b 1\r\ncontent-disposition: form-data; name=model\r\n\r\nm\r\n", "m", 0, 0 },
    { FORM, PART ("models", "x") PART ("model", ""), "", 0, 0 },
    { FORM, "--b 1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm", "", 0, 0 },
    { "multipart/form-data", PART ("model", "m"), "", 1, 0 },
    { "multipart/form-data; boundary=", PART ("model", "m"), "", 1, 0 },
  };

  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct kwi_peek p;
    size_t len = strlen (rows[i].body);
    char *exact = malloc (len + 1);     /* so that a byte too many is seen */

    ck_assert_ptr_nonnull (exact);
    memcpy (exact, rows[i].body, len);
    kwi_peek_begin (&p, rows[i].type);
    exact = realloc (exact, len > 0 ? len : 1);
    kwi_peek_look (&p, exact, len, rows[i].whole);
    free (exact);
    ck_assert_msg (strcmp (p.model, rows[i].model) == 0 && p.stream == rows[i].stream,
                   "row %zu: model \"%s\", stream %d", i, p.model, p.stream);
  }
}
END_TEST

START_TEST (a_form_may_come_byte_by_byte)
{
  static const char body[] = "preamble\r\n" PART ("language", "en") FILE_PART
                             PART ("model", "whisper") "--b 1--\r\n";
  const size_t found = (size_t) (strstr (body, "whisper") - body) + 9;
  struct kwi_peek p;
  size_t n;

  kwi_peek_begin (&p, FORM);
  for (n = 0; n < sizeof body && p.model[0] == '\0'; n++)
    kwi_peek_look (&p, body, n, 0);
  ck_assert_str_eq (p.model, "whisper");
  ck_assert_uint_eq (n - 1, found);
}
END_TEST

START_TEST (what_is_no_model_is_none)
{
  char body[512];
  struct kwi_peek p;
  int n = snprintf (body, sizeof body, "{\"model\":\"%0120d\",\"a\":\"", 1);

  ck_assert_int_gt (n, 0);
  kwi_peek_begin (&p, NULL);
  kwi_peek_look (&p, body, (size_t) n, 0);
  ck_assert_str_eq (p.model, "");
  kwi_peek_look (&p, "{\"model\":\"a\\nb\",\"", 17, 0);
  ck_assert_str_eq (p.model, "");
}
END_TEST

START_TEST (types_that_are_json)
{
  static const struct { const char *type; int is; } rows[] = {
    { "application/json", 1 }, { "Application/JSON; charset=utf-8", 1 }, { "text/json", 1 },
    { "application/problem+json ;x", 1 }, { "application/x-json", 1 },
    { "application/jsonl", 0 }, { "application/x-ndjson", 0 }, { "application/json-seq", 0 },
    { "text/plain; json", 0 }, { "", 0 }, { "json", 0 }
  };

  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    ck_assert_msg (kwi_is_json_type (rows[i].type) == rows[i].is, "%s", rows[i].type);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("peek");
  TCase *tc = tcase_create ("peek");

  tcase_add_test (tc, bodies_that_are_there);
  tcase_add_test (tc, a_form_may_come_byte_by_byte);
  tcase_add_test (tc, what_is_no_model_is_none);
  tcase_add_test (tc, types_that_are_json);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)

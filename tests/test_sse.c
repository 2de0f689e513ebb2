/* test_sse - events taken apart, whatever the pieces they come in. */
#include <string.h>

#include "kwtest.h"
#include "sse.h"

struct seen {
  char text[1024];
  int stop_at;
  int n;
};

/* "name=data|" for each event. */
static int
note (void *user, const char *name, const char *data, size_t len)
{
  struct seen *s = user;
  size_t at = strlen (s->text);

  ck_assert_uint_eq (strlen (data), len);
  ck_assert_int_gt (snprintf (s->text + at, sizeof s->text - at, "%s=%s|",
                              name, data), 0);
  return ++s->n == s->stop_at ? 42 : 0;
}

static const struct { const char *in, *out; } cases[] = {
  { "data: a\n\n", "=a|" },
  { "data:a\n\ndata:  b\n\n", "=a|= b|" },
  { "data: a\ndata: b\n\n", "=a\nb|" },
  { "data\n\n", "=|" },
  { "event: error\ndata: {\"error\":1}\n\n", "error={\"error\":1}|" },
  { "event: ping\n\ndata: x\n\n", "=x|" },
  { ": a comment\ndata: a\r\n\r\ndata: b\r\rdata: c\n\n", "=a|=b|=c|" },
  { "id: 7\nretry: 10\ndata: a\n\n", "=a|" },
  { "databa: no\n\n", "" },
  { "data: unfinished\n", "" },
  { "event: a_name_longer_than_any_that_is_known_here\ndata: x\n\n",
    "a_name_longer_than_any_that_is_=x|" },
};

static size_t used;

START_TEST (any_cut_gives_the_same_events)
{
  const char *in = cases[_i].in;
  size_t len = strlen (in), piece;

  for (piece = 1; piece <= len; piece++) {
    struct kwi_sse s = { 0 };
    struct seen seen = { "", 0, 0 };
    size_t at;
    for (at = 0; at < len; at += piece)
      ck_assert_int_eq (kwi_sse_feed (&s, in + at,
                                      len - at < piece ? len - at : piece, note,
                                      &seen, &used), 0);
    ck_assert_msg (strcmp (seen.text, cases[_i].out) == 0,
                   "%s in pieces of %zu: %s", in, piece, seen.text);
    kwi_sse_clear (&s);
  }
}
END_TEST

START_TEST (the_callback_can_stop_it)
{
  struct kwi_sse s = { 0 };
  struct seen seen = { "", 2, 0 };
  const char in[] = "data: 1\n\ndata: 2\n\ndata: 3\n\n";

  ck_assert_int_eq (kwi_sse_feed (&s, in, sizeof in - 1, note, &seen, &used), 42);
  ck_assert_uint_eq (used, 18); /* the third is left to come again */
  ck_assert_str_eq (seen.text, "=1|=2|");
  kwi_sse_clear (&s);
}
END_TEST

START_TEST (an_endless_line_ends_at_the_bound)
{
  struct kwi_sse s = { 0 };
  struct seen seen = { "", 0, 0 };
  char block[65536];
  size_t fed = 0;
  int r = 0;

  memset (block, 'x', sizeof block);
  while (r == 0 && fed <= KWI_SSE_MAX + sizeof block) {
    r = kwi_sse_feed (&s, block, sizeof block, note, &seen, &used);
    fed += sizeof block;
  }
  ck_assert_int_eq (r, KWI_SSE_TOO_LARGE);
  kwi_sse_clear (&s);
}
END_TEST

START_TEST (the_bound_is_the_callers)
{
  static const char lines[] = "data: 0123456789\ndata: 0123456789\n\n";
  struct kwi_sse s = { .max = 20 };
  struct seen seen = { "", 0, 0 };

  /* No line is over it; the event is, by the line break between the two. */
  ck_assert_int_eq (kwi_sse_feed (&s, lines, sizeof lines - 1, note, &seen, &used),
                    KWI_SSE_TOO_LARGE);
  ck_assert_str_eq (seen.text, "");
  kwi_sse_reset (&s);
  s.max = 21;
  ck_assert_int_eq (kwi_sse_feed (&s, lines, sizeof lines - 1, note, &seen, &used), 0);
  ck_assert_str_eq (seen.text, "=0123456789\n0123456789|");
  kwi_sse_clear (&s);
}
END_TEST

START_TEST (reset_forgets_what_was_begun)
{
  struct kwi_sse s = { 0 };
  struct seen seen = { "", 0, 0 };

  ck_assert_int_eq (kwi_sse_feed (&s, "event: e\ndata: a\r", 17, note, &seen, &used), 0);
  kwi_sse_reset (&s);
  ck_assert_int_eq (kwi_sse_feed (&s, "\ndata: b\n\n", 10, note, &seen, &used), 0);
  ck_assert_str_eq (seen.text, "=b|");
  kwi_sse_clear (&s);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("sse");
  TCase *tc = tcase_create ("sse");

  tcase_add_loop_test (tc, any_cut_gives_the_same_events, 0,
                       (int) (sizeof cases / sizeof cases[0]));
  tcase_add_test (tc, the_callback_can_stop_it);
  tcase_add_test (tc, an_endless_line_ends_at_the_bound);
  tcase_add_test (tc, the_bound_is_the_callers);
  tcase_add_test (tc, reset_forgets_what_was_begun);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)

/* test_estimate - what a request is thought to count as, taught by providers
 * that are made up: each turns bytes into tokens in a way of its own, and is
 * noisy, or changes its mind. */
#include <math.h>
#include <string.h>

#include "estimate.h"
#include "kwtest.h"

/* ---- Bodies ---------------------------------------------------------------- */

#define MESSAGE "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static const struct body {
  const char *text;
  int64_t max_tokens, media;
} bodies[] = {
  { "", -1, 0 },
  { "\"", -1, 0 },
  { "{}", -1, 0 },
  { MESSAGE "}", -1, 0 },
  { MESSAGE ",\"max_tokens\":100}", 100, 0 },
  { MESSAGE ",\"max_completion_tokens\" : \n 2048 , \"stream\":true}", 2048, 0 },
  { MESSAGE ",\"max_tokens\":null}", -1, 0 },
  { MESSAGE ",\"max_tokens\":\"100\"}", -1, 0 },
  { MESSAGE ",\"max_tokens\":-5}", -1, 0 },
  { MESSAGE ",\"max_tokens\":99999999999999999999999}", 9999999999999, 0 },
  { MESSAGE ",\"max_tokens\"", -1, 0 },
  { MESSAGE ",\"max_tokens\":", -1, 0 },
  { MESSAGE ",\"max_tokens", -1, 0 },
  { MESSAGE ",\"max_tokens_each\":7}", -1, 0 },
  { "{\"content\":\"say \\\"max_tokens\\\": 5\"}", -1, 0 },
  { "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x.test/a.png\"}}", -1, 1 },
  { "{\"content\":\"an \\\"image_url\\\": and so on\"}", -1, 0 },
  { "{\"input_audio\":{\"data\":\"UklGRg==\",\"format\":\"wav\"}}", -1, 1 },
};

START_TEST (a_body_tells_its_max_tokens_and_its_images)
{
  size_t i;

  for (i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
    const struct body *b = &bodies[i];
    struct kwi_size s;

    kwi_size_of_body (b->text, strlen (b->text), &s);
    ck_assert_msg (s.max_tokens == b->max_tokens && s.media == b->media
                     && s.bytes == (int64_t) strlen (b->text),
                   "%s: %lld bytes, max_tokens %lld, %lld images", b->text,
                   (long long) s.bytes, (long long) s.max_tokens,
                   (long long) s.media);
  }
}
END_TEST

/* A body with 10,000 characters of payload at the percent sign. */
static void
measure (const char *before, const char *after, char fill, struct kwi_size *ret)
{
  static char body[16384];
  size_t b = strlen (before), a = strlen (after);

  memcpy (body, before, b);
  memset (body + b, fill, 10000);
  memcpy (body + b + 10000, after, a);
  kwi_size_of_body (body, b + 10000 + a, ret);
}

START_TEST (an_image_is_no_text)
{
  struct kwi_size s;

  measure ("{\"image_url\":{\"url\":\"data:image/png;base64,", "\"},\"max_tokens\":3}", 'A',
           &s);
  ck_assert_int_lt (s.bytes, 100);
  ck_assert_int_eq (s.media, 1);
  ck_assert_int_eq (s.max_tokens, 3);
  measure ("{\"input_audio\":{\"data\":\"", "\",\"format\":\"wav\"}}", 'A', &s);
  ck_assert_int_lt (s.bytes, 100);
  /* And text is text, whatever it begins with. */
  measure ("{\"content\":\"data: ", "\"}", 'A', &s);
  ck_assert_int_gt (s.bytes, 10000);
  measure ("{\"content\":\"my \\\"data:", "\\\"\"}", 'A', &s);
  ck_assert_int_gt (s.bytes, 10000);
  measure ("{\"content\":\"data:", "", 'A', &s);
  ck_assert_int_gt (s.bytes, 10000);
}
END_TEST

/* ---- Providers that are made up ---------------------------------------------- */

static uint64_t seed;

static double
chance (void)
{
  seed = seed * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
  return (double) (seed >> 40) / (double) (1 << 24);
}

struct provider {
  const char *name;
  double per_byte, fixed, noise;
  enum kwi_counting counting;
  int64_t max_tokens;           /* of each request; -1: most say none */
  int64_t otherwise;            /* counted for the reply where none is said */
  int only_requested;           /* 1: nothing but refusals teaches */
  double within;                /* the mean error that is learnt */
};

static const struct provider providers[] = {
  { "counts max_tokens", 0.25, 0, 0, KWI_COUNTS_MAX, 500, 0, 0, 0.02 },
  { "has a frame of its own", 0.22, 120, 0, KWI_COUNTS_MAX, 200, 0, 0, 0.02 },
  { "counts prompts", 0.4, 5, 0, KWI_COUNTS_PROMPT, 4000, 0, 0, 0.03 },
  { "counts the output", 0.25, 5, 0, KWI_COUNTS_OUTPUT, 4000, 0, 0, 0.45 },
  { "has a default", 0.25, 0, 0, KWI_COUNTS_MAX, -1, 1024, 0, 0.03 },
  { "is noisy", 0.25, 10, 0.2, KWI_COUNTS_MAX, 100, 0, 0, 0.2 },
  { "tells by refusals", 0.3, 0, 0, KWI_COUNTS_MAX, 300, 0, 1, 0.25 },
};

struct outcome {
  double error;                 /* mean, of the last 200 */
  int missed;                   /* of them: counted as more than was safe */
  double margin;
};

static int64_t
some_bytes (void)
{
  return (int64_t) (200 * pow (50, chance ()));   /* 200 .. 10,000 */
}

static struct outcome
teach (struct kwi_estimate *e, const struct provider *p, int rounds)
{
  struct outcome o = { 0 };
  int i;

  for (i = 0; i < rounds; i++) {
    struct kwi_size s = { .bytes = some_bytes (), .max_tokens = p->max_tokens };
    double noise = 1 + p->noise * (2 * chance () - 1);
    int64_t input = (int64_t) ((p->per_byte * (double) s.bytes + p->fixed) * noise);
    int64_t output = 40 + (int64_t) (chance () * 60), counted = input;
    struct kwi_lesson l;

    if (p->counting == KWI_COUNTS_MAX)
      counted += s.max_tokens >= 0 ? s.max_tokens : p->otherwise;
    else if (p->counting == KWI_COUNTS_OUTPUT)
      counted += output;
    if (i >= rounds - 200) {
      double guess = (double) kwi_estimate_tokens (e, &s);
      o.error += fabs (guess / (double) counted - 1) / 200;
      o.missed += counted > kwi_estimate_safe (e, &s);
    }
    /* One answer in eight tells what it was counted as. */
    l = (struct kwi_lesson) { input, output, i % 8 == 0 ? counted : -1 };
    if (p->only_requested)
      l = (struct kwi_lesson) { -1, -1, counted };
    kwi_estimate_learn (e, &s, &l);
  }
  o.margin = e->margin;
  return o;
}

START_TEST (each_way_of_counting_is_learnt)
{
  const struct provider *p = &providers[_i];
  struct kwi_estimate e = { 0 };
  struct outcome o;

  seed = 7;
  o = teach (&e, p, 600);
  printf ("%s: %.1f %% off, %d of 200 above the margin of %.1f %%\n", p->name,
          100 * o.error, o.missed, 100 * o.margin);
  ck_assert_msg (o.error <= p->within, "%s: %.1f %% off", p->name, 100 * o.error);
  ck_assert_msg (o.missed <= 16, "%s: %d of 200 counted as more", p->name,
                 o.missed);
  if (p->max_tokens >= 0)
    ck_assert_int_eq (kwi_estimate_counting (&e), p->counting);
}
END_TEST

START_TEST (the_margin_shrinks_with_the_error)
{
  struct kwi_estimate e = { 0 };
  struct kwi_size s = { .bytes = 4000, .max_tokens = 100 };
  struct outcome exact, noisy;

  seed = 3;
  ck_assert_int_ge (kwi_estimate_safe (&e, &s), kwi_estimate_tokens (&e, &s) * 5 / 4);
  exact = teach (&e, &providers[0], 600);
  memset (&e, 0, sizeof e);
  noisy = teach (&e, &providers[5], 600);
  ck_assert_msg (exact.margin < 0.02 && noisy.margin > 0.1,
                 "margins: exact %g, noisy %g", exact.margin, noisy.margin);
}
END_TEST

START_TEST (a_miss_widens_the_margin_and_it_has_an_end)
{
  struct kwi_estimate e = { 0 };
  struct kwi_size s = { .bytes = 4000, .max_tokens = 100 };
  int64_t before, after;
  int i;

  (void) teach (&e, &providers[0], 300);
  before = kwi_estimate_safe (&e, &s);
  kwi_estimate_missed (&e);
  after = kwi_estimate_safe (&e, &s);
  ck_assert_msg (after > before + before / 100, "%d after a miss at %d",
                 (int) after, (int) before);
  for (i = 0; i < 100; i++)
    kwi_estimate_missed (&e);
  ck_assert_int_le (kwi_estimate_safe (&e, &s), 2 * kwi_estimate_tokens (&e, &s) + 1);
}
END_TEST

START_TEST (one_odd_answer_does_not_spoil_what_many_taught)
{
  static const struct kwi_lesson odd[] = {
    { INT64_MAX, INT64_MAX, INT64_MAX }, { 0, 0, 0 }, { 900000, 5, -1 },
    { -1, -1, 900000 }, { 0, -1, -1 },
  };
  struct kwi_size s = { .bytes = 4000, .max_tokens = 100 };
  size_t i;

  for (i = 0; i < sizeof odd / sizeof odd[0]; i++) {
    struct kwi_estimate e = { 0 };
    int64_t before, after;

    seed = 11;
    (void) teach (&e, &providers[0], 300);
    before = kwi_estimate_tokens (&e, &s);
    kwi_estimate_learn (&e, &s, &odd[i]);
    after = kwi_estimate_tokens (&e, &s);
    ck_assert_msg (after > before * 3 / 4 && after < before * 3 / 2,
                   "lesson %zu made %d of %d", i, (int) after, (int) before);
  }
}
END_TEST

START_TEST (a_provider_that_changes_its_ways_is_followed)
{
  struct kwi_estimate e = { 0 };
  struct outcome o;

  seed = 5;
  (void) teach (&e, &providers[2], 400);
  o = teach (&e, &providers[0], 600);
  ck_assert_int_eq (kwi_estimate_counting (&e), KWI_COUNTS_MAX);
  ck_assert_msg (o.error < 0.1, "%.1f %% off", 100 * o.error);
}
END_TEST

START_TEST (an_image_costs_what_images_have_cost)
{
  struct kwi_estimate e = { 0 };
  struct kwi_size text = { .bytes = 4000, .max_tokens = 10 }, image = text;
  struct kwi_lesson l = { 1000, 10, -1 };
  int i;

  image.media = 2;
  for (i = 0; i < 20; i++)
    kwi_estimate_learn (&e, &text, &l);
  l.input = 1000 + 2 * 258;
  for (i = 0; i < 20; i++)
    kwi_estimate_learn (&e, &image, &l);
  ck_assert_int_ge (kwi_estimate_prompt (&e, &image), 1510);
  ck_assert_int_le (kwi_estimate_prompt (&e, &image), 1520);
  ck_assert_int_le (kwi_estimate_prompt (&e, &text), 1001);
}
END_TEST

START_TEST (no_lesson_makes_it_say_nonsense)
{
  static const int64_t odd[] = { INT64_MIN, -1, 0, 1, 50, INT64_MAX };
  enum { N = sizeof odd / sizeof odd[0] };
  struct kwi_estimate e = { 0 };
  int i;

  for (i = 0; i < N * N * N * N * N; i++) {
    struct kwi_size s = { odd[i % N], odd[i / N % N], i % 3 - 1, 0 };
    struct kwi_lesson l = { odd[i / N / N % N], odd[i / N / N / N % N],
                            odd[i / N / N / N / N] };
    int64_t all, safe;

    kwi_estimate_learn (&e, &s, &l);
    all = kwi_estimate_tokens (&e, &s);
    safe = kwi_estimate_safe (&e, &s);
    ck_assert_msg (all >= 1 && safe >= all && safe <= INT64_C (1000000000000),
                   "round %d: %lld, safe %lld", i, (long long) all, (long long) safe);
  }
}
END_TEST

static Suite *
estimate_suite (void)
{
  Suite *s = suite_create ("estimate");
  TCase *tc = tcase_create ("estimate");

  tcase_add_test (tc, a_body_tells_its_max_tokens_and_its_images);
  tcase_add_test (tc, an_image_is_no_text);
  tcase_add_loop_test (tc, each_way_of_counting_is_learnt, 0,
                       sizeof providers / sizeof providers[0]);
  tcase_add_test (tc, the_margin_shrinks_with_the_error);
  tcase_add_test (tc, a_miss_widens_the_margin_and_it_has_an_end);
  tcase_add_test (tc, one_odd_answer_does_not_spoil_what_many_taught);
  tcase_add_test (tc, a_provider_that_changes_its_ways_is_followed);
  tcase_add_test (tc, an_image_costs_what_images_have_cost);
  tcase_add_test (tc, no_lesson_makes_it_say_nonsense);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (estimate_suite)

/* The fuzzers' inputs without a fuzzer, for every compiler: each fixture, each
 * input of tests/fuzz/seeds and each past finding goes through every plugin once.
 * And the claims hold nothing back: what a plugin gets wrong ends the process. */
#include <glob.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "fuzz/exchange.h"
#include "fuzz/input.h"
#include "fuzz/seeds.h"
#include "fuzz/watch.h"
#include "kwplugin.h"

/* ---- The form -------------------------------------------------------------- */

static const struct {
  const char *text;
  int status, net, stream, cut;
  long long at;
  const char *headers, *settings, *body;
} forms[] = {
  { "", 0, 0, 0, 0, 1767362591000, "", "", "" },
  { "429", 429, 0, 0, 0, 1767362591000, "", "", "" },
  { "429\n\nbody\n\nmore", 429, 0, 0, 0, 1767362591000, "", "", "body\n\nmore" },
  { "200 stream at=5 net=3 cut\n!a = b\nX: y\n!c=d\nz :\n\n{}", 200, 3, 1, 1, 5,
    "[X|y][z|]", "[a|b][c|d]", "{}" },
  { "cut  net=77 12345 at=99999999999999999999", 999, 9, 0, 1, 253402300799000, "", "",
    "" },
  { "-1 net=x nonsense\nno divider\n!nor here\nA:b", 0, 0, 0, 0, 1767362591000, "[A|b]",
    "", "" },
  { "500\r\nA: b\r\n\r\nbody", 500, 0, 0, 0, 1767362591000, "[A|b]", "", "body" },
};

static const char *
all_of (const struct fuzz_input *in, char mark, char *buf, size_t size)
{
  const char *name, *value;
  size_t name_len, value_len, at = 0, len = 0;

  buf[0] = '\0';
  while (fuzz_next (in, mark, &at, &name, &name_len, &value, &value_len)) {
    int n = snprintf (buf + len, size - len, "[%.*s|%.*s]", (int) name_len, name,
                      (int) value_len, value);
    ck_assert (n > 0 && (size_t) n < size - len);
    len += (size_t) n;
  }
  return buf;
}

START_TEST (every_text_is_an_answer)
{
  const char *text = forms[_i].text, *body = forms[_i].body;
  struct fuzz_input in;
  char buf[256];

  fuzz_read (text, strlen (text), &in);
  ck_assert_int_eq (in.status, forms[_i].status);
  ck_assert_int_eq ((int) in.net, forms[_i].net);
  ck_assert_int_eq (in.in_stream, forms[_i].stream);
  ck_assert_int_eq (in.cut, forms[_i].cut);
  ck_assert_int_eq (in.at_ms, forms[_i].at);
  ck_assert_str_eq (all_of (&in, 0, buf, sizeof buf), forms[_i].headers);
  ck_assert_str_eq (all_of (&in, '!', buf, sizeof buf), forms[_i].settings);
  ck_assert_uint_eq (in.body_len, strlen (body));
  ck_assert_mem_eq (in.body, body, strlen (body));
}
END_TEST

/* ---- The claims ------------------------------------------------------------- */

static void
judge_odd (const char *input)
{
  char file[2048];

  ck_assert_int_eq (setenv ("KW_FUZZ_PLUGIN", kwplugin_file ("odd", file, sizeof file), 1),
                    0);
  fuzz_classify_input (input, strlen (input));
}

START_TEST (a_plugin_that_keeps_its_word_is_left_alone)
{
  judge_odd ("200\n\n{}");
  judge_odd ("429\n!outcome = 2\n!account = org_1\n!another = plugin's\n\n{}");
  judge_odd ("429\n!picky = 1\n\nsettings that it refuses");
  judge_odd ("");
}
END_TEST

static const char *const wrong[] = {
  "200\n!outcome = 99\n\n{}",           /* no such outcome              */
  "200\n!judge = fills-up\n\n{}",       /* texts that do not end        */
  "200\n!judge = many-buckets\n\n{}",   /* the same in a bucket, and -4 */
  "200\n!judge = remembers\n\n{}",      /* the second time is another   */
};

START_TEST (a_plugin_that_does_not_is_found_out)
{
  (void) freopen ("/dev/null", "w", stderr);
  judge_odd (wrong[_i]);
}
END_TEST

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif

#ifdef UNDER_ASAN
#include <sanitizer/asan_interface.h>

enum { CAUGHT = 42 };

static void
caught (void)
{
  _exit (CAUGHT);
}

START_TEST (a_plugin_that_reads_behind_the_body_is_found_out)
{
  (void) freopen ("/dev/null", "w", stderr);
  __asan_set_death_callback (caught);
  judge_odd ("200\n!judge = overreads\n\n{\"a\":1}");
}
END_TEST
#endif

/* ---- The inputs --------------------------------------------------------------- */

enum { MAX_FILES = 64 };

/* Which input a test is at, where the parent sees it: a process that a claim or
 * a bad access has ended cannot say. */
static char (*at_input)[256];
static size_t every, number;
static int which;

static void
replay (void *user, const char *name, const char *data, size_t len)
{
  int n;

  (void) user;
  if (number++ % every != 0)
    return;
  n = snprintf (at_input[which], sizeof at_input[which], "%s", name);
  ck_assert (n > 0);
  fuzz_classify_input (data, len);
  fuzz_exchange_input (data, len);
}

static void
replay_file (const char *path)
{
  char data[65536];
  FILE *f = fopen (path, "r");
  size_t len;

  ck_assert_msg (f != NULL, "%s cannot be read", path);
  len = fread (data, 1, sizeof data, f);
  ck_assert_msg (feof (f) != 0, "%s is larger than 64 KiB", path);
  (void) fclose (f);
  replay (NULL, path, data, len);
}

/* The files of tests/ that the pattern matches, for globfree. */
static glob_t
files (const char *pattern)
{
  char path[2048];
  glob_t all = { .gl_pathc = 0 };
  int n = snprintf (path, sizeof path, "%s/tests/%s", kwtest_srcdir (), pattern);

  if (n > 0 && (size_t) n < sizeof path)
    (void) glob (path, 0, NULL, &all);
  return all;
}

static void
begin (int i)
{
  const char *scale = getenv ("KW_TEST_SCALE");

  ck_assert_int_eq (unsetenv ("KW_FUZZ_PLUGIN"), 0);
  every = scale != NULL && *scale != '\0' ? strtoul (scale, NULL, 10) : 1;
  every = every > 0 ? every : 1;
  which = i;
}

START_TEST (every_fixture_goes_through_every_plugin)
{
  glob_t all = files ("fixtures/*.jsonl");

  begin (_i);
  ck_assert_int_gt (fuzz_seeds (all.gl_pathv[_i], replay, NULL), 0);
  globfree (&all);
  at_input[_i][0] = '\0';
}
END_TEST

START_TEST (every_input_kept_goes_through_every_plugin)
{
  static const char *const kept[] = { "fuzz/seeds/*.txt", "fuzz/found/*.txt" };
  glob_t fixtures = files ("fixtures/*.jsonl");

  ck_assert_msg (fixtures.gl_pathc > 0, "no fixtures");
  globfree (&fixtures);
  begin (MAX_FILES);
  every = 1;
  for (size_t k = 0; k < 2; k++) {
    glob_t all = files (kept[k]);
    ck_assert_msg (k == 1 || all.gl_pathc > 0, "no %s", kept[k]);
    for (size_t i = 0; i < all.gl_pathc; i++)
      replay_file (all.gl_pathv[i]);
    globfree (&all);
  }
  at_input[MAX_FILES][0] = '\0';
}
END_TEST

static void
share (void)
{
  at_input = mmap (NULL, (MAX_FILES + 1) * sizeof *at_input, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at_input == MAP_FAILED)
    abort ();
}

static void
tell (void)
{
  for (int i = 0; i <= MAX_FILES; i++)
    if (at_input[i][0] != '\0')
      printf ("A run ended at the input %s: tests/fuzz/found/README.md says how to go on\n",
              at_input[i]);
  (void) munmap (at_input, (MAX_FILES + 1) * sizeof *at_input);
}

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("replay");
  TCase *t = tcase_create ("watching"), *inputs = tcase_create ("inputs");
  glob_t all = files ("fixtures/*.jsonl");
  int n = all.gl_pathc < MAX_FILES ? (int) all.gl_pathc : MAX_FILES;

  tcase_add_loop_test (t, every_text_is_an_answer, 0,
                       (int) (sizeof forms / sizeof forms[0]));
  tcase_add_test (t, a_plugin_that_keeps_its_word_is_left_alone);
  if (kwtest_forks ()) {
    tcase_add_loop_test_raise_signal (t, a_plugin_that_does_not_is_found_out, SIGABRT, 0,
                                      (int) (sizeof wrong / sizeof wrong[0]));
#ifdef UNDER_ASAN
    tcase_add_exit_test (t, a_plugin_that_reads_behind_the_body_is_found_out, CAUGHT);
#endif
  }
  suite_add_tcase (s, t);

  globfree (&all);
  tcase_set_timeout (inputs, 60);
  tcase_add_unchecked_fixture (inputs, share, tell);
  tcase_add_loop_test (inputs, every_fixture_goes_through_every_plugin, 0, n);
  tcase_add_test (inputs, every_input_kept_goes_through_every_plugin);
  suite_add_tcase (s, inputs);
  return s;
}

KW_MAIN (make_suite)

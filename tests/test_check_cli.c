/* test_check_cli - keywheel plugins --check: what it prints, its exit codes, and
 * that what it prints shows the same again; and every provider of this tree. */
#include "clikit.h"

#include <dirent.h>
#include <sys/stat.h>

/* The test plugin NAME. */
static const char *
plugin (const char *name)
{
  char *top = realpath (kwtest_builddir (), NULL);
  const char *file = format ("%s/tests/plugins/.libs/%s.so", top, name);

  free (top);
  return file;
}

static void
prints_no (const char *text)
{
  ck_assert_msg (strstr (got.out, text) == NULL, "\"%s\" on stdout:\n%s", text, got.out);
}

/* ---- Every provider ----------------------------------------------------- */

/* Those that cannot work without settings, and the settings. */
static const struct {
  const char *provider, *set;
} needy[] = {
  { "", "" },
};

static const char *
setting_of (const char *provider)
{
  for (size_t i = 0; i < sizeof needy / sizeof needy[0]; i++)
    if (strcmp (needy[i].provider, provider) == 0)
      return needy[i].set;
  return NULL;
}

/* All of the check, or one case?  In a watched run (KW_TEST_SCALE) all of it is
 * for those that have more code than a table for the kit, which are those with a
 * folder of their own, and for groq on behalf of the others. */
static int
in_full (const char *name)
{
  return kwtest_scaled (2) == 2 || strcmp (name, "groq") == 0
         || access (format ("%s/plugins/%s", kwtest_srcdir (), name), F_OK) == 0;
}

START_TEST (every_provider_of_this_tree_conforms)
{
  char *top = realpath (kwtest_builddir (), NULL);
  DIR *d = opendir (format ("%s/plugins/.libs", top));
  struct dirent *e;
  int n = 0;

  ck_assert_ptr_nonnull (d);
  while ((e = readdir (d)) != NULL) {
    size_t len = strlen (e->d_name);
    char file[TEXT_MAX], name[256];
    const char *set;
    if (len < 4 || strcmp (e->d_name + len - 3, ".so") != 0)
      continue;
    ck_assert_int_lt (snprintf (name, sizeof name, "%.*s", (int) len - 3, e->d_name),
                      (int) sizeof name);
    ck_assert_int_lt (snprintf (file, sizeof file, "%s/plugins/.libs/%s", top, e->d_name),
                      (int) sizeof file);
    set = setting_of (name);
    if (!in_full (name))
      run ("plugins", "--check", file, "--case", "classify/limit-over-and-over", NULL);
    else if (set != NULL)
      run ("plugins", "--check", file, "--seed", "1", "--set", set, NULL);
    else
      run ("plugins", "--check", file, "--seed", "1", NULL);
    ENDS_WITH (0);
    PRINTS_SOME ("\nconforms: ");
    PRINTS_SOME (" 0 warnings\n");
    ck_assert_str_eq (got.err, "");
    n++;
  }
  (void) closedir (d);
  free (top);
  ck_assert_int_gt (n, 0);
}
END_TEST

/* ---- What it prints ----------------------------------------------------- */

START_TEST (a_finding_comes_with_its_answer_and_how_to_see_it_again)
{
  const char *file = plugin ("broken-outcome");

  run ("plugins", "--check", file, "--case", "classify/status-404-error", NULL);
  ENDS_WITH (1);
  PRINTS_SOME ("FAILED   classify/status-404-error: outcome is 42, which there is not\n"
               "         answer: status 404, with headers, ");
  PRINTS_SOME (" bytes: {\"error\":{\"message\":\"");
  PRINTS_SOME ("                 retry-after: 2\n");
  PRINTS_SOME ("more (-v shows all)\n");
  PRINTS_SOME (format ("         again:  keywheel plugins --check %s --case "
                       "classify/status-404-error\n", file));
  PRINTS_SOME ("\ndoes not conform: 1 finding, ");
  ck_assert_str_eq (got.err, "");
  run ("plugins", "--check", file, "--case", "classify/status-404-error", "-v", NULL);
  PRINTS_SOME ("                 x-request-id: r1\n");
  prints_no ("-v shows all");
}
END_TEST

START_TEST (a_case_that_breaks_nothing_passes)
{
  run ("plugins", "--check", plugin ("broken-outcome"), "--case", "classify/status-405", NULL);
  ENDS_WITH (0);
  PRINTS_SOME ("ok       classify: 1 case\nconforms: ");
}
END_TEST

/* From "random/" of the first such finding to the end of the number. */
static const char *
random_case (void)
{
  const char *p = strstr (got.out, "FAILED   random/");
  size_t len;

  ck_assert_msg (p != NULL, "no random finding in:\n%s", got.out);
  p += strlen ("FAILED   ");
  len = strcspn (p, ":");
  return format ("%.*s", (int) len, p);
}

START_TEST (a_random_answer_comes_again_with_its_seed)
{
  const char *file = plugin ("broken-outcome"), *name, *answer, *end;
  char first[TEXT_MAX];

  run ("plugins", "--check", file, "--seed", "42", NULL);
  ENDS_WITH (1);
  name = random_case ();
  PRINTS_SOME (format ("--case %s --seed 42\n", name));
  answer = strstr (strstr (got.out, name), "answer:");
  ck_assert_ptr_nonnull (answer);
  end = strchr (answer, '\n');
  ck_assert_int_lt (snprintf (first, sizeof first, "%.*s", (int) (end - answer), answer),
                    (int) sizeof first);

  run ("plugins", "--check", file, "--case", name, "--seed", "42", NULL);
  ENDS_WITH (1);
  PRINTS_SOME (first);
  run ("plugins", "--check", file, "--case", name, "--seed", "43", NULL);
  prints_no (first);
}
END_TEST

START_TEST (save_writes_the_bytes_into_a_file)
{
  const char *file = plugin ("broken-crash-on-cut-json");
  char path[TEXT_MAX], bytes[64];
  FILE *f;

  ck_assert_int_lt (snprintf (path, sizeof path, "%s/classify-cut-error-17.body", dir),
                    (int) sizeof path);
  run ("plugins", "--check", file, "--case", "classify/cut-error-17", "--save", dir, NULL);
  ENDS_WITH (1);
  PRINTS_SOME ("FAILED   classify/cut-error-17: crashed (signal 11");
  PRINTS_SOME ("         answer: status 429, 17 bytes: {\"error\":{\"messag\n");
  PRINTS_SOME (format ("         body:   %s\n", path));
  f = fopen (path, "r");
  ck_assert_ptr_nonnull (f);
  ck_assert_uint_eq (fread (bytes, 1, sizeof bytes, f), 17);
  ck_assert_int_eq (memcmp (bytes, "{\"error\":{\"messag", 17), 0);
  (void) fclose (f);
}
END_TEST

START_TEST (json_is_one_object)
{
  struct json_object *o, *list, *one, *answer;

  run ("plugins", "--check", plugin ("broken-outcome"), "--case", "classify/status-404-page",
       "--json", "--seed", "7", NULL);
  ENDS_WITH (1);
  o = printed_json ();
  ck_assert (!json_object_get_boolean (member (o, "conforms")));
  ck_assert_int_eq (json_object_get_int (member (o, "seed")), 7);
  ck_assert_int_gt (json_object_get_int (member (o, "checks")), 5);
  list = member (o, "findings");
  ck_assert_uint_eq (json_object_array_length (list), 1);
  one = json_object_array_get_idx (list, 0);
  ck_assert_str_eq (json_object_get_string (member (one, "what")), "failed");
  ck_assert_str_eq (json_object_get_string (member (one, "group")), "classify");
  ck_assert_str_eq (json_object_get_string (member (one, "case")), "classify/status-404-page");
  ck_assert_ptr_nonnull (strstr (json_object_get_string (member (one, "text")), "outcome is 42"));
  answer = member (one, "answer");
  ck_assert_int_eq (json_object_get_int (member (answer, "status")), 404);
  ck_assert_ptr_nonnull (strstr (json_object_get_string (member (answer, "body")), "<html>"));
  json_object_put (o);

  run ("plugins", "--check", plugin ("sound"), "--case", "header/fields", "--json", NULL);
  ENDS_WITH (0);
  o = printed_json ();
  ck_assert (json_object_get_boolean (member (o, "conforms")));
  one = json_object_array_get_idx (member (o, "findings"), 0);
  ck_assert_str_eq (json_object_get_string (member (one, "what")), "ok");
  ck_assert_ptr_null (member (one, "case"));
  json_object_put (o);
}
END_TEST

/* For a debugger: there is no child, and what breaks the plugin ends keywheel. */
START_TEST (no_fork_stays_in_this_process)
{
  run ("plugins", "--check", plugin ("broken-outcome"), "--case", "classify/status-404",
       "--no-fork", NULL);
  ENDS_WITH (1);
  PRINTS_SOME ("outcome is 42");
  run ("plugins", "--check", plugin ("broken-aborts"), "--case", "classify/status-404",
       "--no-fork", NULL);
  ENDS_WITH (128 + 6);
  SAYS ("Assertion `status != 404' failed.");
}
END_TEST

START_TEST (settings_go_to_the_plugin)
{
  const char *file = plugin ("sound");

  run ("plugins", "--check", file, "--case", "config/complete", "--set", "region=a=b", NULL);
  ENDS_WITH (0);
  run ("plugins", "--check", file, "--case", "config/complete", "--set", "regoin=it's", NULL);
  ENDS_WITH (1);
  PRINTS_SOME ("the setting regoin = it's is refused");
  PRINTS_SOME (" --set 'regoin=it'\\''s' --case config/complete\n");
}
END_TEST

/* ---- What cannot be checked --------------------------------------------- */

START_TEST (a_file_that_cannot_be_loaded_ends_it_with_2)
{
  const char *text = write_file ("text.so", "no ELF\n", 7);

  ck_assert_int_eq (chmod (text, 0600), 0);
  run ("plugins", "--check", text, NULL);
  ENDS_WITH (2);
  PRINTS ("");
  SAYS ("is refused: expected an ELF shared object, found a file of another kind");
  run ("plugins", "--check", format ("%s/absent.so", dir), NULL);
  ENDS_WITH (2);
  SAYS ("found none that can be reached");
}
END_TEST

START_TEST (what_the_core_refuses_is_a_finding)
{
  run ("plugins", "--check", plugin ("bad-magic"), NULL);
  ENDS_WITH (1);
  PRINTS_SOME ("FAILED   load/file: plugin ");
  PRINTS_SOME ("expected the magic number 0x4b575056, found 0xdeadbeef");
  PRINTS_SOME ("\nskipped  header: this and all that follows");
}
END_TEST

static const struct {
  const char *args[6];
  const char *text;
} usage[] = {
  { { "--check" }, "--check wants a value: --check FILE" },
  { { "--case", "a" }, "go with --check FILE" },
  { { "--no-fork" }, "go with --check FILE" },
  { { "--set", "a=b" }, "go with --check FILE" },
  { { "--check", "x", "--seed", "many" }, "--seed wants a number from 1 to" },
  { { "--check", "x", "--seed", "-1" }, "--seed wants a number from 1 to" },
  { { "--check", "x", "--time-limit", "0" }, "--time-limit wants a number from 1 to 3600000" },
  { { "--check", "x", "--memory-limit", "1e9" }, "--memory-limit wants a number" },
  { { "--check", "x", "--set", "region" }, "--set wants NAME=VALUE, not \"region\"" },
  { { "--check", "x", "--set", "=a" }, "--set wants NAME=VALUE" },
  { { "--check", "x", "--save", "/nonexistent" }, "--save wants a folder that is there" },
};

START_TEST (a_slip_is_told)
{
  const char *argv[ARGS_MAX + 1] = { program, "plugins" };

  for (size_t i = 0; usage[_i].args[i] != NULL; i++)
    argv[i + 2] = usage[_i].args[i];
  run_argv (argv, NULL, 0);
  ENDS_WITH (2);
  SAYS (usage[_i].text);
  SAYS ("see keywheel plugins --help");
}
END_TEST

START_TEST (an_unknown_case_is_told)
{
  run ("plugins", "--check", plugin ("sound"), "--case", "no-such", NULL);
  ENDS_WITH (2);
  SAYS ("no case is called \"no-such\"");
}
END_TEST

static Suite *
check_cli_suite (void)
{
  Suite *s = suite_create ("check_cli");
  TCase *t = tcase_create ("check_cli");

  tcase_set_timeout (t, 600);
  tcase_add_checked_fixture (t, set_up, tear_down);
  tcase_add_test (t, every_provider_of_this_tree_conforms);
  tcase_add_test (t, a_finding_comes_with_its_answer_and_how_to_see_it_again);
  tcase_add_test (t, a_case_that_breaks_nothing_passes);
  tcase_add_test (t, a_random_answer_comes_again_with_its_seed);
  tcase_add_test (t, save_writes_the_bytes_into_a_file);
  tcase_add_test (t, json_is_one_object);
  tcase_add_test (t, no_fork_stays_in_this_process);
  tcase_add_test (t, settings_go_to_the_plugin);
  tcase_add_test (t, a_file_that_cannot_be_loaded_ends_it_with_2);
  tcase_add_test (t, what_the_core_refuses_is_a_finding);
  tcase_add_loop_test (t, a_slip_is_told, 0, (int) (sizeof usage / sizeof usage[0]));
  tcase_add_test (t, an_unknown_case_is_told);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (check_cli_suite)

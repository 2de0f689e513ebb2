/* test_sim_usage - keywheel-sim's command line: every mistake has its message. */
#include "test_sim.h"

#include <string.h>
#include <unistd.h>

static void
run_sim (struct proc_result *res, const char *const args[])
{
  const char *argv[16] = { NULL };
  const char *given = getenv ("KW_SIM");
  char *path = NULL;
  size_t n = 1;
  if (given != NULL)
    path = strdup (given);
  else
    ck_assert (asprintf (&path, "%s/keywheel-sim", kwtest_builddir ()) > 0);
  argv[0] = path;
  for (size_t i = 0; args[i] != NULL; i++) {
    ck_assert (n < 15);
    argv[n++] = args[i];
  }
  proc_run (res, argv, NULL, NULL, 0, 60000);
  free (path);
}

static const struct {
  const char *args[7];
  const char *says;
} bad_usage[] = {
  { { NULL }, "at least one --key" },
  { { "--key", NULL }, "--key needs a value" },
  { { "--key", "", NULL }, "the secret must come first" },
  { { "--key", ",name=a", NULL }, "the secret must come first" },
  { { "--key", "sk secret", NULL }, "the secret must come first" },
  { { "--key", "sk-secret,tpd=many", NULL }, "tpd=many: the limit must be a whole" },
  { { "--key", "sk-secret,tpd=0", NULL }, "from 1 to 100000000" },
  { { "--key", "sk-secret,tpd", NULL }, "tpd=: the limit" },
  { { "--key", "sk-secret,tpx=1", NULL }, "\"tpx\" is no attribute of a key" },
  { { "--key", "sk-secret,name=a b", NULL }, "name=a b: a name has" },
  { { "--key", "sk-secret,name=a", "--key", "sk-2,name=a", NULL },
    "two keys are named \"a\"" },
  { { "--key", "sk-secret", "--key", "sk-secret", NULL },
    "key-1 and key-2 have the same secret" },
  { { "--key", "sk-secret,org=o,tpd=1", "--key", "sk-2,org=o,tpd=2", NULL },
    "of one organization (o)" },
  { { "--key", "sk-secret", "--model", "", NULL }, "a model's name has" },
  { { "--key", "sk-secret", "--model", "m,name=x", NULL }, "allowed: rpm=" },
  { { "--key", "sk-secret", "--model", "m", "--model", "m", NULL }, "given twice" },
  { { "--key", "sk-secret", "--port", "65536", NULL }, "from 0 to 65535" },
  { { "--key", "sk-secret", "--port", "1x", NULL }, "\"1x\" is no whole number" },
  { { "--key", "sk-secret", "--time-scale", "0", NULL }, "from 1 to 100000" },
  { { "--key", "sk-secret", "--clock", "fast", NULL }, "allowed are real and manual" },
  { { "--key", "sk-secret", "--fault", "x", NULL }, "--fault: there is no fault" },
  { { "--key", "sk-secret", "--fault", "drop,key=a", NULL },
    "--fault: key=a: no --key has this name; the first is \"key-1\"" },
  { { "--fault", "drop,model=b", "--key", "sk-secret", "--model", "a", NULL },
    "--fault: model=b: no --model has this name; the first is \"a\"" },
  { { "--key", "sk-secret", "stray", NULL }, "takes options only" },
  { { "--kay=sk-secret", NULL }, "there is no option --kay" },
  { { "--key", "sk-secret", "-x", NULL }, "there is no option -x" },
  { { "--help=sk-secret", NULL }, "--help takes no value" },
};

START_TEST (bad_usage_is_refused_with_its_reason_and_no_secret)
{
  struct proc_result res;
  run_sim (&res, bad_usage[_i].args);
  ck_assert_msg (res.status == 2, "exit %d: %s", res.status, res.err);
  ck_assert_str_eq (res.out, "");
  ck_assert_msg (strncmp (res.err, "keywheel-sim: ", 14) == 0
                   && strstr (res.err, bad_usage[_i].says) != NULL, "%s", res.err);
  ck_assert_msg (strstr (res.err, "sk-secret") == NULL, "%s", res.err);
  proc_result_clear (&res);
}
END_TEST

START_TEST (help_and_version_go_to_stdout)
{
  static const char *const help[] = { "--help", NULL };
  static const char *const version[] = { "--version", NULL };
  struct proc_result res;
  run_sim (&res, help);
  ck_assert_int_eq (res.status, 0);
  ck_assert_ptr_nonnull (strstr (res.out, "Usage: keywheel-sim --key"));
  proc_result_clear (&res);
  run_sim (&res, version);
  ck_assert_int_eq (res.status, 0);
  ck_assert_int_eq (strncmp (res.out, "keywheel-sim ", 13), 0);
  proc_result_clear (&res);
}
END_TEST

START_TEST (a_file_that_cannot_be_written_is_named)
{
  static const char *const options[] = { "--log", "--port-file" };
  for (size_t i = 0; i < 2; i++) {
    const char *args[] = { "--key", "sk-secret", options[i], "no/such/dir/f", NULL };
    struct proc_result res;
    run_sim (&res, args);
    ck_assert_int_eq (res.status, 1);
    ck_assert_str_eq (res.out, "");
    ck_assert_msg (strstr (res.err, "no/such/dir/f") != NULL
                     && strstr (res.err, options[i]) != NULL, "%s", res.err);
    proc_result_clear (&res);
  }
}
END_TEST

START_TEST (the_port_file_has_the_port)
{
  char path[] = "test_sim_port.XXXXXX", text[64] = "", line[64];
  int fd = mkstemp (path);
  ck_assert_int_ge (fd, 0);
  close (fd);
  struct simctl *sim = simctl_startl ("--key", "sk-a", "--port-file", path, NULL);
  FILE *f = fopen (path, "r");
  ck_assert_ptr_nonnull (f);
  ck_assert_ptr_nonnull (fgets (text, sizeof text, f));
  fclose (f);
  unlink (path);
  text[strcspn (text, "\n")] = '\0';
  ck_assert (snprintf (line, sizeof line, "http://127.0.0.1:%.8s/v1", text) > 0);
  ck_assert_str_eq (simctl_base_url (sim), line);
  simctl_stop (sim);
}
END_TEST

TCase *
sim_usage (void)
{
  TCase *t = tcase_create ("usage");
  tcase_set_timeout (t, 120);
  tcase_add_loop_test (t, bad_usage_is_refused_with_its_reason_and_no_secret, 0,
                       COUNT (bad_usage));
  tcase_add_test (t, help_and_version_go_to_stdout);
  tcase_add_test (t, a_file_that_cannot_be_written_is_named);
  tcase_add_test (t, the_port_file_has_the_port);
  return t;
}

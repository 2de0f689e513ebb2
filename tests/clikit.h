/* clikit - what the suites of keywheel(1) share: a simulator, an INI, keys in
 * the environment, and the program run as it was built.  The output of every
 * run is searched for the keys' secrets. */
#ifndef CLIKIT_H
#define CLIKIT_H

#include "kwtest.h"
#include "proc.h"
#include "simctl.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

/* Until a program that hangs is killed. */
#define PATIENCE_MS (60000 * kwtest_slower ())
#define ENV_MAX 32
#define ARGS_MAX 16
#define TEXT_MAX 4096

/* Every key of these tests begins so, and no output may hold it. */
#define SECRET "sk-secret-"

static char dir[64], ini[128], program[TEXT_MAX], plugin_path[TEXT_MAX + 64];
static char store_path[TEXT_MAX + 64];
static const char *environment[ENV_MAX + 1];
static size_t n_environment;
static struct simctl *sim;
static struct proc_result got;

/* ---- The world of one test -------------------------------------------------- */

/* "NAME=value" sets, "NAME" unsets: for all programs to come. */
static inline void
set_env (const char *entry)
{
  ck_assert_uint_lt (n_environment, ENV_MAX);
  environment[n_environment] = strdup (entry);
  ck_assert_ptr_nonnull (environment[n_environment++]);
}

/* Good for the next fifteen. */
static inline const char *
vformat (const char *fmt, va_list ap)
{
  static char pool[16][2048];
  static size_t next;
  char *text = pool[next++ % 16];
  int n = vsnprintf (text, sizeof pool[0], fmt, ap);

  ck_assert (n >= 0 && (size_t) n < sizeof pool[0]);
  return text;
}

static inline const char *__attribute__ ((__format__ (__printf__, 1, 2)))
format (const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  const char *text = vformat (fmt, ap);
  va_end (ap);
  return text;
}

static inline const char *
write_file (const char *name, const void *data, size_t len)
{
  const char *path = format ("%s/%s", dir, name);
  FILE *f = fopen (path, "w");

  ck_assert_ptr_nonnull (f);
  ck_assert_uint_eq (fwrite (data, 1, len, f), len);
  ck_assert_int_eq (fclose (f), 0);
  return path;
}

/* keywheel.ini, with a provider whose back-offs take no time; more stands
 * behind its options. */
static inline void __attribute__ ((__format__ (__printf__, 1, 2)))
write_ini (const char *fmt, ...)
{
  va_list ap;
  const char *text;

  va_start (ap, fmt);
  text = format ("[keywheel]\nprovider = groq\n[provider groq]\nbase_url = %s\n"
                 "backoff_initial = 1ms\nbackoff_max = 5ms\nmax_retries = 2\n%s\n",
                 simctl_base_url (sim), vformat (fmt, ap));
  va_end (ap);
  write_file ("keywheel.ini", text, strlen (text));
}

/* Three keys, as the environment gives them. */
static inline void
set_keys (void)
{
  set_env ("GROQ_API_KEY=" SECRET "a");
  set_env ("GROQ_API_KEY_BACKUP=" SECRET "b," SECRET "c");
}

static inline void
set_up (void)
{
  static const char *const unset[] = {
    "GROQ_API_KEY", "GROQ_API_KEY_BACKUP", "GROQ_API_KEY_2", "KEYWHEEL_BASE_URL",
    "KEYWHEEL_CONFIG", "POSIXLY_CORRECT", "http_proxy", "all_proxy",
    "XDG_CONFIG_HOME=/nonexistent"
  };
  char *top = realpath (kwtest_builddir (), NULL);

  ck_assert_ptr_nonnull (top);
  ck_assert_int_lt (snprintf (program, sizeof program, "%s/keywheel", top),
                    (int) sizeof program);
  ck_assert_int_lt (snprintf (plugin_path, sizeof plugin_path,
                              "KEYWHEEL_PLUGIN_PATH=%s/plugins/.libs", top),
                    (int) sizeof plugin_path);
  ck_assert_int_lt (snprintf (store_path, sizeof store_path,
                              "KEYWHEEL_STORE_PATH=%s/stores/.libs", top),
                    (int) sizeof store_path);
  free (top);
  memcpy (dir, "/tmp/kwcli-XXXXXX", sizeof "/tmp/kwcli-XXXXXX");
  ck_assert_ptr_nonnull (mkdtemp (dir));
  ck_assert_int_lt (snprintf (ini, sizeof ini, "KEYWHEEL_CONFIG=%s/keywheel.ini", dir),
                    (int) sizeof ini);
  for (size_t i = 0; i < sizeof unset / sizeof unset[0]; i++)
    set_env (unset[i]);
  set_env (plugin_path);
  set_env (store_path);
  set_env (format ("XDG_STATE_HOME=%s/state", dir));
}

static inline int
remove_one (const char *path, const struct stat *st, int type, struct FTW *ftw)
{
  (void) st, (void) type, (void) ftw;
  return remove (path);
}

static inline void
tear_down (void)
{
  proc_result_clear (&got);
  simctl_stop (sim);
  sim = NULL;
  for (size_t i = 0; i < n_environment; i++) {
    free ((char *) (uintptr_t) environment[i]);
    environment[i] = NULL;
  }
  n_environment = 0;
  (void) nftw (dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The usual world: a simulator that stands still in time, keys a, b and c, and
 * an INI.  a's organization has the limits given ("": none). */
static inline void
three_keys (const char *limits)
{
  sim = simctl_startl ("--clock", "manual",
                       "--key", format (SECRET "a,name=a%s", limits),
                       "--key", SECRET "b,name=b", "--key", SECRET "c,name=c", NULL);
  set_keys ();
  write_ini ("%s", "");
  set_env (ini);
}

/* ---- Running the program ----------------------------------------------------- */

static inline void
check_no_secret (void)
{
  ck_assert_msg (memmem (got.out, got.out_len, SECRET, strlen (SECRET)) == NULL,
                 "a secret on stdout: %s", got.out);
  ck_assert_msg (memmem (got.err, got.err_len, SECRET, strlen (SECRET)) == NULL,
                 "a secret on stderr: %s", got.err);
}

static inline void
run_argv (const char *const argv[], const void *input, size_t len)
{
  proc_result_clear (&got);
  proc_run (&got, argv, environment, input, len, PATIENCE_MS);
  ck_assert_msg (!got.timed_out, "keywheel hung; it said: %s", got.err);
  check_no_secret ();
}

/* argv[1] and those after it. */
static inline void
collect (const char *argv[], const char *arg, va_list ap)
{
  size_t n = 0;

  argv[n++] = program;
  for (; arg != NULL; arg = va_arg (ap, const char *)) {
    argv[n++] = arg;
    ck_assert_uint_le (n, ARGS_MAX);
  }
  argv[n] = NULL;
}

/* keywheel with these arguments, and nothing on stdin. */
static inline void __attribute__ ((__sentinel__))
run (const char *arg, ...)
{
  const char *argv[ARGS_MAX + 1];
  va_list ap;

  va_start (ap, arg);
  collect (argv, arg, ap);
  va_end (ap);
  run_argv (argv, NULL, 0);
}

static inline void __attribute__ ((__sentinel__))
run_input (const void *input, size_t len, const char *arg, ...)
{
  const char *argv[ARGS_MAX + 1];
  va_list ap;

  va_start (ap, arg);
  collect (argv, arg, ap);
  va_end (ap);
  run_argv (argv, input, len);
}

/* What the last run came to. */
#define ENDS_WITH(code)                                                 \
  ck_assert_msg (got.status == (code), "exit code %d, not %d\nstdout: %s\nstderr: %s", \
                 got.status, (code), got.out, got.err)
#define PRINTS(text) ck_assert_str_eq (got.out, (text))
#define PRINTS_SOME(text)                                               \
  ck_assert_msg (strstr (got.out, (text)) != NULL, "no \"%s\" on stdout:\n%s", (text), \
                 got.out)
#define SAYS(text)                                                      \
  ck_assert_msg (strstr (got.err, (text)) != NULL, "no \"%s\" on stderr:\n%s", (text), \
                 got.err)

static inline struct json_object *
member (struct json_object *object, const char *name)
{
  struct json_object *value = NULL;

  ck_assert_msg (json_object_object_get_ex (object, name, &value), "no \"%s\" in %s",
                 name, json_object_to_json_string (object));
  return value;
}

/* stdout as JSON, which it must be from end to end. */
static inline struct json_object *
printed_json (void)
{
  struct json_object *object = json_tokener_parse (got.out);

  ck_assert_msg (object != NULL, "no JSON: %s", got.out);
  return object;
}

#endif

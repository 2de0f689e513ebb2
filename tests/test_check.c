/* test_check - the conformance test of plugins: each plugin that breaks a rule is
 * caught by the case that is for it, in the words that tell its author what to
 * do; and plugins that keep the rules pass. */
#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kwplugin.h"

#define N_OF(a) (sizeof (a) / sizeof (a)[0])

/* What the last check found: "FAILED name: text\n" for each. */
static char *said;
static size_t said_len;
static FILE *saying;
static uint64_t checks;
static int cancel_after;        /* callbacks; 0: never */
static kw_plugin_check_options options;
static struct kw_error err;

static int
slow (void)
{
  return kwplugin_stays () || getenv ("KW_SANITIZERS") == NULL
         || strcmp (getenv ("KW_SANITIZERS"), "no") != 0;
}

static int
found (void *user, const kw_plugin_finding *f)
{
  static const char *const words[] = { "FAILED", "warning", "ok", "skipped" };

  ck_assert_ptr_eq (user, &options);
  ck_assert_uint_eq (f->struct_size, sizeof *f);
  ck_assert (f->what >= 0 && f->what < (int) N_OF (words));
  ck_assert (f->group[0] != '\0' && f->text[0] != '\0' && f->output != NULL
             && f->headers != NULL && f->body != NULL);
  fprintf (saying, "%s %s: %s\n", words[f->what], f->name, f->text);
  checks += f->checks;
  return cancel_after > 0 && --cancel_after == 0;
}

static void
set_up (void)
{
  memset (&err, 0, sizeof err);
  err.struct_size = sizeof err;
  options = (kw_plugin_check_options) KW_PLUGIN_CHECK_INIT;
  options.seed = 1;
  options.time_ms = 300;
  options.memory = 32 << 20;
  options.n_random = 50;
  cancel_after = 0;
  saying = NULL;
  said = NULL;
}

static void
tear_down (void)
{
  free (said);
  said = NULL;
}

static int
check_file (const char *file)
{
  int rc;

  free (said);
  checks = 0;
  saying = open_memstream (&said, &said_len);
  ck_assert_ptr_nonnull (saying);
  rc = kw_plugin_check (file, &options, found, &options, &err);
  ck_assert_int_eq (fclose (saying), 0);
  return rc;
}

static int
check_plugin (const char *name)
{
  char file[2048];

  return check_file (kwplugin_file (name, file, sizeof file));
}

static void
says (const char *plugin, const char *text)
{
  ck_assert_msg (strstr (said, text) != NULL, "%s%s%s: expected \"%s\" in:\n%s", plugin,
                 options.only != NULL ? " " : "",
                 options.only != NULL ? options.only : "", text, said);
}

/* ---- Each rule ---------------------------------------------------------- */

static const struct {
  const char *plugin;
  const char *only;
  const char *text;
  int warning;                  /* it still conforms                      */
  int bounds;                   /* it takes bounds that are not everywhere */
} broken[] = {
  { "crash-at-load", "load/file", "FAILED load/file: crashed (signal 6", 0, 0 },
  { "uses-ours", "symbols/file", "it uses kw_version of libkeywheel", 0, 0 },
  { "another-entry", "header/entry", "gives another struct than for 1.0", 0, 0 },
  { "strings", "strings/texts", ".longname is not a single line", 0, 0 },
  { "strings", "strings/texts", "\"https://api.example.com/v1/\" ends in a slash", 0, 0 },
  { "strings", "strings/texts", ".key_env has \"EX-API-KEY\" in it", 0, 0 },
  { "thread-model", "callbacks/set", ".thread_model is 3, which there is not", 0, 0 },
  { "unknown-cap", "callbacks/set", "warning callbacks/set: .caps has bits that this host "
    "does not know: 0x10000000000", 1, 0 },
  { "exports-more", "symbols/file", "warning symbols/file: it exports another", 1, 0 },
  { "create-wants-settings", "life/create", "create failed (KW_ERR_CONFIG): region is "
    "missing", 0, 0 },
  { "struct-changes", "life/create", "its struct kw_provider is another than it was", 0, 0 },
  { "instance-leaks", "life/one-after-the-other", "times create and destroy took", 0, 1 },
  { "takes-any-option", "config/unknown-option", "config takes an option that it does not "
    "have", 0, 0 },
  { "takes-any-option", "config/long-option", "whose name has 20000 bytes", 0, 0 },
  { "wrong-code-for-option", "config/unknown-option", "config answers KW_ERR_CONFIG", 0, 0 },
  { "forgets-url", "prepare/normal", "it says KW_OK and has set no URL", 0, 0 },
  { "keeps-call", "prepare/normal", "crashed (signal 11", 0, 0 },
  { "overflows-url", "prepare/longest-base-url", "crashed (signal", 0, 0 },
  { "shows-key", "prepare/normal", "the URL holds the key", 0, 0 },
  { "own-host", "prepare/normal", "warning prepare/normal: the URL \"https://own.example/v1\" "
    "is not below base_url", 1, 0 },
  { "over-read", "classify/limit", "crashed (signal 11", 0, 0 },
  { "crash-on-cut-json", "classify/cut-error-17", "FAILED classify/cut-error-17: crashed "
    "(signal 11", 0, 0 },
  { "loop", "classify/status-418", "did not come back within ", 0, 0 },
  { "waits", "classify/status-418", "by the clock; it waits for something", 0, 0 },
  { "hog", "classify/status-418", "it has no memory: of 32 MB", 0, 1 },
  { "leaks", "classify/limit-over-and-over", "times classify took", 0, 1 },
  { "keeps-body", "classify/limit", "crashed (signal 11", 0, 0 },
  { "writes-behind", "classify/status-404", "crashed (signal 11", 0, 0 },
  { "exits", "classify/status-404", "called exit", 0, 0 },
  { "exits-at-once", "classify/status-404", "ended the process (exit code 3)", 0, 0 },
  { "aborts", "classify/status-404", "crashed (signal 6", 0, 0 },
  { "aborts", "classify/status-404", "Assertion `status != 404' failed.", 0, 0 },
  { "prints", "classify/status-404-error", "it printed on stdout: \"not found: {\"error\"", 0, 0 },
  { "outcome", "classify/status-404", "outcome is 42, which there is not", 0, 0 },
  { "scope", "classify/status-404", "scope is 7, which there is not", 0, 0 },
  { "have", "classify/status-404", "mean nothing in a verdict: 0x4", 0, 0 },
  { "negative-wait", "classify/limit", "retry_after_ms is -5", 0, 0 },
  { "unended", "classify/status-404", "account has no NUL in its 64 bytes", 0, 0 },
  { "fickle", "classify/status-404", "a second time differs in outcome", 0, 0 },
  { "counts-per-instance", "classify/status-404", "another instance differs in "
    "retry_after_ms", 0, 0 },
  { "ok-500", "classify/status-500", "the HTTP status is 500 and the outcome KW_OUTCOME_OK",
    0, 0 },
  { "ok-500", "classify/network-5", "there was no HTTP answer and the outcome is "
    "KW_OUTCOME_OK", 0, 0 },
  { "ok-500", "classify/stream-200-error", "warning classify/stream-200-error: the body is "
    "{\"error\":", 1, 0 },
  { "returns", "classify/status-404", "it returns 17, which is no code of the ABI", 0, 0 },
  { "fails", "classify/status-404", "it fails (KW_ERR): never heard of it", 0, 0 },
  { "other-pointer", "classify/limit", "in classify it called host->response_header with "
    "another pointer than the answer that was passed in", 0, 0 },
  { "builds-in-classify", "classify/limit", "host->request_url with no request being built",
    0, 0 },
  { "bucket", "classify/limit", "a bucket has no dimension", 0, 0 },
  { "bucket", "classify/limit", "a bucket's limit is -1", 0, 0 },
  { "reply-nothing", "classify/reply", "reply says KW_OK, and its output is no JSON object",
    0, 0 },
  { "reply-no-choices", "classify/reply", "its output has no array \"choices\"", 0, 0 },
  { "reply-elsewhere", "classify/reply", "in reply it called host->translate.output with "
    "another pointer", 0, 0 },
  { "reply-unasked", "translate/table", "warning translate/table: it can translate, and "
    "prepare does not say so", 1, 0 },
  { "stream-no-json", "classify/stream-200-chunk", "stream_event outputs what is neither a JSON "
    "object nor \"[DONE]\": \"data: {}\"", 0, 0 },
  { "stream-behind-done", "classify/stream-200-chunk", "outputs something behind \"[DONE]\"",
    0, 0 },
  { "stream-crash", "classify/cut-event-17", "crashed (signal 6", 0, 0 },
  { "stream-shared", "translate/streams-at-once", "two streams at once have one state", 0, 0 },
  { "stream-leaks", "translate/streams-at-once", "an event and stream_end took", 0, 1 },
  { "stream-no-end", "translate/table", "come together or not at all", 0, 0 },
};

START_TEST (a_broken_rule_is_found_and_named)
{
  char name[64];
  int rc;

  if (broken[_i].bounds && slow ())
    return;
  ck_assert_int_gt (snprintf (name, sizeof name, "broken-%s", broken[_i].plugin), 0);
  options.only = broken[_i].only;
  rc = check_plugin (name);
  ck_assert_msg (rc >= 0, "%s: %s", name, err.message);
  says (name, broken[_i].text);
  ck_assert_msg ((rc == 0) == broken[_i].warning, "%s: %d failed:\n%s", name, rc, said);
}
END_TEST

/* ---- Plugins that other suites have ------------------------------------- */

static const struct {
  const char *plugin, *text;
} others[] = {
  { "bad-magic", "expected the magic number 0x4b575056, found 0xdeadbeef" },
  { "bad-other-major", "expected provider ABI 1, found 2.3" },
  { "bad-older-major", "expected provider ABI 1, found 0.9" },
  { "bad-truncated", "found 152" },
  { "bad-oversize", "found 65544" },
  { "bad-odd-size", "found 164" },
  { "bad-needs-newer", "needs 1.7 at least" },
  { "bad-name", "found \"Not_A_Name\"" },
  { "bad-no-name", "found none; set .name" },
  { "bad-long-name", "63 at most" },
  { "bad-no-create", "found no create" },
  { "bad-no-destroy", "found no destroy" },
  { "bad-no-prepare", "found no prepare" },
  { "bad-no-classify", "found no classify" },
  { "bad-no-probe", "expected build_probe" },
  { "bad-null-answer", "found that it has none" },
  { "bad-no-entry", "expected the symbol keywheel_provider_entry" },
  { "bad-undefined-symbol", "keywheel_test_nobody_has_this" },
  { "newer-needy", "needs 1.1 at least" },
};

START_TEST (what_the_core_refuses_is_refused_in_its_words)
{
  ck_assert_int_eq (check_plugin (others[_i].plugin), 1);
  says (others[_i].plugin, "FAILED load/file: ");
  says (others[_i].plugin, others[_i].text);
  says (others[_i].plugin, "skipped header: this and all that follows");
}
END_TEST

static const struct {
  const char *plugin, *only, *text;
} odd[] = {
  { "odd-no-start", "life/create", "create failed (KW_ERR_CONFIG): no day for it?really" },
  { "odd-silent", "life/create", "create failed (KW_ERR): it does not say why" },
  { "odd-secret", "prepare/normal", "warning prepare/normal: a header holds the key itself" },
  { "odd", "prepare/normal", "warning prepare/normal: the request asks for no key" },
  { "good", "prepare/normal", "a usual request cannot be built (KW_ERR_UNSUPPORTED): it does "
    "not say why" },
  { "good", "strings/texts", "warning strings/texts: no .longname" },
  { "newer", "classify/limit", "crashed (signal 11" },
  { "threads-parallel", "classify/limit", "the HTTP status is 429 and the outcome "
    "KW_OUTCOME_OK" },
};

START_TEST (odd_plugins_are_found_to_be_odd)
{
  options.only = odd[_i].only;
  ck_assert_int_ge (check_plugin (odd[_i].plugin), 0);
  says (odd[_i].plugin, odd[_i].text);
}
END_TEST

START_TEST (a_plugin_of_abi_1_0_is_sound_but_for_what_it_was_made_for)
{
  ck_assert_int_ge (check_plugin ("frozen"), 0);
  says ("frozen", "ok header: ABI 1.0, 160 bytes");
  says ("frozen", "ok probe: of its own");
  says ("frozen", "ok prepare: ");
  /* It takes what a header says for a number, whatever that is. */
  says ("frozen", "FAILED classify/header-X-Left-minus-429: a bucket's remaining is -1");
}
END_TEST

/* ---- The whole of it ---------------------------------------------------- */

START_TEST (a_sound_plugin_conforms)
{
  ck_assert_msg (check_plugin ("sound") == 0, "%s\n%s", err.message, said);
  ck_assert_msg (strstr (said, "warning") == NULL, "%s", said);
  says ("sound", "ok load: as the core does: plugin \"sound\" 1\n");
  says ("sound", "ok random: 50 answers, seed 1\n");
  says ("sound", "ok translate: ");
  ck_assert_uint_gt (checks, 50000);
}
END_TEST

START_TEST (one_that_translates_conforms)
{
  ck_assert_msg (check_plugin ("translates") == 0, "%s\n%s", err.message, said);
  ck_assert_msg (strstr (said, "warning") == NULL, "%s", said);
  says ("translates", "ok translate: whole answers and streams\n");
}
END_TEST

static int
is_stopped (pid_t pid)
{
  char path[64], text[512] = "";
  const char *name_end;
  FILE *f;

  ck_assert_int_gt (snprintf (path, sizeof path, "/proc/%d/stat", (int) pid), 0);
  f = fopen (path, "r");
  if (f != NULL) {
    (void) fgets (text, sizeof text, f);
    (void) fclose (f);
  }
  name_end = strrchr (text, ')');
  return name_end != NULL && name_end[2] == 'T';
}

/* From outside: it may go on when a plugin that waits would have been given up. */
static _Noreturn void
stand_still (pid_t group)
{
  const struct timespec nap = { 0, 10000000 }, still = { 4, 0 };

  (void) setpgid (0, 0);
  while (!is_stopped (group))
    (void) nanosleep (&nap, NULL);
  (void) nanosleep (&still, NULL);
  (void) kill (-group, SIGCONT);
  _exit (0);
}

/* Whoever looks at the clock, and the plugin with it. */
START_TEST (on_a_machine_that_stood_still_nothing_waited)
{
  pid_t group = getpid (), other;
  int status;

  if (!kwtest_forks ())
    return;
  (void) setpgid (0, 0);
  other = fork ();
  ck_assert_int_ge (other, 0);
  if (other == 0)
    stand_still (group);
  options.time_ms = 50;
  options.only = "classify/status-418";
  ck_assert_msg (check_plugin ("broken-stands-still") == 0, "%s\n%s", err.message, said);
  ck_assert_int_eq (waitpid (other, &status, 0), other);
}
END_TEST

/* After a death it goes on behind the case, and gives up where that leads nowhere. */
START_TEST (one_crash_does_not_hide_the_others)
{
  ck_assert_int_gt (check_plugin ("broken-aborts"), 2);
  says ("aborts", "FAILED classify/status-404: crashed");
  says ("aborts", "FAILED classify/status-404-error: crashed");
  says ("aborts", "FAILED random/38: crashed");
  says ("aborts", "ok translate: ");
}
END_TEST

START_TEST (what_breaks_at_every_turn_is_counted)
{
  const char *p;
  int n = 0;

  ck_assert_int_gt (check_plugin ("broken-ok-500"), 3);
  for (p = said; (p = strstr (p, "FAILED classify/status-")) != NULL; p++)
    n++;
  ck_assert_msg (n <= 6, "%d of them:\n%s", n, said);
  says ("ok-500", " more like classify/");
}
END_TEST

START_TEST (settings_are_given_to_the_plugin)
{
  static const char *const good[] = { "region", "here", NULL };
  static const char *const bad[] = { "regoin", "here", NULL };

  options.only = "config/complete";
  options.settings = good;
  ck_assert_msg (check_plugin ("sound") == 0, "%s", said);
  options.settings = bad;
  ck_assert_int_eq (check_plugin ("sound"), 1);
  says ("sound", "the setting regoin = here is refused (KW_ERR_NOTFOUND)");
}
END_TEST

START_TEST (found_can_end_it)
{
  cancel_after = 3;
  ck_assert_int_eq (check_plugin ("sound"), KW_ERR_CANCELLED);
  ck_assert_int_eq (err.code, KW_ERR_CANCELLED);
}
END_TEST

START_TEST (a_case_that_there_is_not_is_a_mistake)
{
  options.only = "classify/no-such-case";
  ck_assert_int_eq (check_plugin ("sound"), KW_ERR_USAGE);
  ck_assert_ptr_nonnull (strstr (err.message, "no case is called \"classify/no-such-case\""));
}
END_TEST

START_TEST (a_file_that_nobody_may_load_is_not_tried)
{
  char dir[4096], file[4096];
  static const char *const names[] = { "open.so", "text.so", NULL };

  kwplugin_folder (dir, sizeof dir);
  kwplugin_copy ("sound", dir, "open.so", 0, 0666);
  kwplugin_write (dir, "text.so", "no ELF\n", 7, 0600);
  ck_assert_int_eq (check_file (kwplugin_in (dir, "open.so", file, sizeof file)),
                    KW_ERR_SETTINGS);
  ck_assert_ptr_nonnull (strstr (err.message, "nobody else can write"));
  ck_assert_int_eq (check_file (kwplugin_in (dir, "text.so", file, sizeof file)),
                    KW_ERR_SETTINGS);
  ck_assert_ptr_nonnull (strstr (err.message, "expected an ELF shared object"));
  ck_assert_int_eq (check_file (kwplugin_in (dir, "absent.so", file, sizeof file)),
                    KW_ERR_SETTINGS);
  ck_assert_str_eq (said, "");
  kwplugin_remove (dir, names);
}
END_TEST

/* The kernel reaps children then, and nobody learns how they ended. */
START_TEST (without_sigchld_it_says_so)
{
  struct sigaction ignore = { .sa_handler = SIG_IGN };

  ck_assert_int_eq (sigaction (SIGCHLD, &ignore, NULL), 0);
  options.only = "classify/status-404";
  ck_assert_int_eq (check_plugin ("broken-exits-at-once"), 1);
  says ("exits-at-once", "how is not known");
}
END_TEST

START_TEST (an_older_program_has_shorter_options)
{
  options.struct_size = offsetof (kw_plugin_check_options, seed);
  options.only = "header/fields";
  options.n_random = 7;
  ck_assert_int_eq (check_plugin ("sound"), 0);
  says ("sound", "ok header: ");
}
END_TEST

static Suite *
check_suite (void)
{
  Suite *s = suite_create ("check");
  TCase *t = tcase_create ("check");

  tcase_set_timeout (t, 300);
  tcase_add_checked_fixture (t, set_up, tear_down);
  tcase_add_loop_test (t, a_broken_rule_is_found_and_named, 0, N_OF (broken));
  tcase_add_loop_test (t, what_the_core_refuses_is_refused_in_its_words, 0, N_OF (others));
  tcase_add_loop_test (t, odd_plugins_are_found_to_be_odd, 0, N_OF (odd));
  tcase_add_test (t, a_plugin_of_abi_1_0_is_sound_but_for_what_it_was_made_for);
  tcase_add_test (t, a_sound_plugin_conforms);
  tcase_add_test (t, one_that_translates_conforms);
  tcase_add_test (t, on_a_machine_that_stood_still_nothing_waited);
  tcase_add_test (t, one_crash_does_not_hide_the_others);
  tcase_add_test (t, what_breaks_at_every_turn_is_counted);
  tcase_add_test (t, settings_are_given_to_the_plugin);
  tcase_add_test (t, found_can_end_it);
  tcase_add_test (t, a_case_that_there_is_not_is_a_mistake);
  tcase_add_test (t, a_file_that_nobody_may_load_is_not_tried);
  tcase_add_test (t, without_sigchld_it_says_so);
  tcase_add_test (t, an_older_program_has_shorter_options);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (check_suite)

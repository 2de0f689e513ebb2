/* config: where the INI is found, what it sets, and what it says of each
 * mistake. */
#include <keywheel/keywheel.h>

#include "confkit.h"

static struct kwi_config *config;
static struct kw_error error;

static void
begin (void)
{
  kit_begin ();
  config = NULL;
  error = (struct kw_error) KW_ERROR_INIT;
}

static void
end (void)
{
  kwi_config_free (config);
  kit_end ();
}

static int
load_bytes (const void *bytes, size_t len)
{
  kwi_config_free (config);
  config = NULL;
  kit_forget ();
  error = (struct kw_error) KW_ERROR_INIT;
  int r = kwi_config_load (kit_write_bytes ("keywheel.ini", bytes, len),
                           &kit_env, &kit_reporter, &config, &error);
  kit_strip_dir (error.message);
  return r;
}

static int
load (const char *text)
{
  return load_bytes (text, strlen (text));
}

static void
load_well (const char *text)
{
  ck_assert_msg (load (text) == 0, "%s\n%s", text, error.message);
}

/* ---- What it sets ------------------------------------------------------ */

static const char everything[] =
  "\xef\xbb\xbf; the first line may begin with a byte-order mark\n"
  "[keywheel]\n"
  "provider = two ; the second\n"
  "plugin_dir = ./plug:~/more:/\n"
  "env_file = .env.local\n"
  "state = memory\n"
  "log_level = debug\r\n"
  "\n"
  "[provider one]\n"
  "[ provider\ttwo ] ; with a comment\n"
  "plugin: my-plugin\n"
  "  base_url = https://h/v1//\n"
  "model = x = y # z\n"
  "max_switches = 0\n"
  "max_retries = 1000\n"
  "backoff_initial = 1ms\n"
  "backoff_max = 1m0.5s\n"
  "deadline = 1d\n"
  "attempt_timeout = 7m12.5s\n"
  "connect_timeout = 250ms\n"
  "on_rate_limit = switch\n"
  "on_billing = fail\n"
  "on_auth = switch\n"
  "admission = exact\n"
  "pace = on\n"
  "strategy = most_remaining\n"
  "max_concurrency = 8\n"
  "max_response = 2GB\n"
  "proxy = socks5h://user:word@127.0.0.1:1080\n"
  "ca_file = .env.local\n"
  "client_cert = keywheel.ini\n"
  "client_key = ./.env.local\n"
  "http_version = 1.1\n"
  "allow_secret = yes\n"
  "flavour = vanilla\n"
  "[key two/a]\n"
  "env = KEY_A\n"
  "[key two/b.1]\n"
  "file = keys/b\n"
  "weight = 7\n"
  "[key three/c]\n"
  "command = printf '%s' \"x\"; true";

START_TEST (every_option_is_kept)
{
  kit.vars[0] = "HOME";
  kit.vars[1] = kit.dir;
  kit_folder ("plug");
  kit_folder ("more");
  kit_write (".env.local", "");
  load_well (everything);

  ck_assert_str_eq (config->path, kit_path ("keywheel.ini"));
  ck_assert_str_eq (config->dir, kit.dir);
  ck_assert_str_eq (config->provider, "two");
  ck_assert_uint_eq (config->n_plugin_dirs, 3);
  ck_assert_str_eq (config->plugin_dirs[0], kit_path ("plug"));
  ck_assert_str_eq (config->plugin_dirs[1], kit_path ("more"));
  ck_assert_str_eq (config->plugin_dirs[2], "/");
  ck_assert_str_eq (config->env_file, kit_path (".env.local"));
  ck_assert_int_eq (config->env_file_line, 5);
  ck_assert_int_eq (config->log_level, 3);
  ck_assert_uint_eq (config->n_providers, 3);

  const struct kwi_provider_config *two = &config->providers[1];
  ck_assert_str_eq (two->name, "two");
  ck_assert_int_eq (two->line, 10);
  ck_assert_str_eq (two->plugin, "my-plugin");
  ck_assert_str_eq (two->base_url, "https://h/v1");
  ck_assert_str_eq (two->model, "x = y # z");
  ck_assert_int_eq (two->policy.max_switches, 0);
  ck_assert_int_eq (two->policy.max_retries, 1000);
  ck_assert_int_eq (two->policy.backoff_initial_ms, 1);
  ck_assert_int_eq (two->policy.backoff_max_ms, 60500);
  ck_assert_int_eq (two->policy.deadline_ms, 86400000);
  ck_assert_int_eq (two->attempt_timeout_ms, 432500);
  ck_assert_int_eq (two->connect_timeout_ms, 250);
  ck_assert_int_eq (two->policy.on_rate_limit, KWI_ON_SWITCH);
  ck_assert_int_eq (two->policy.on_billing, KWI_ON_FAIL);
  ck_assert_int_eq (two->policy.on_auth, KWI_ON_SWITCH);
  ck_assert_int_eq (two->max_response, INT64_C (2) << 30);
  ck_assert_str_eq (two->net.proxy, "socks5h://user:word@127.0.0.1:1080");
  ck_assert_str_eq (two->net.ca_file, kit_path (".env.local"));
  ck_assert_str_eq (two->net.client_cert, kit_path ("keywheel.ini"));
  ck_assert_int_eq (two->net.http_1_1, 1);
  ck_assert_int_eq (two->allow_secret, 1);
  ck_assert_int_eq (two->exact, 1);
  ck_assert_int_eq (two->pace, 1);
  ck_assert_uint_eq (two->n_options, 1);
  ck_assert_str_eq (two->options[0].name, "flavour");
  ck_assert_int_eq (two->options[0].line, 35);

  ck_assert_uint_eq (two->n_keys, 2);
  ck_assert_int_eq (two->keys[0].source, KWI_SOURCE_ENV);
  ck_assert_str_eq (two->keys[0].value, "KEY_A");
  ck_assert_uint_eq (two->keys[0].weight, 1);
  ck_assert_int_eq (two->keys[0].line, 36);
  ck_assert_str_eq (two->keys[1].name, "b.1");
  ck_assert_int_eq (two->keys[1].source, KWI_SOURCE_FILE);
  ck_assert_str_eq (two->keys[1].value, kit_path ("keys/b"));
  ck_assert_uint_eq (two->keys[1].weight, 7);

  const struct kwi_provider_config *three = &config->providers[2];
  ck_assert_str_eq (three->name, "three");
  ck_assert_str_eq (three->plugin, "three");
  ck_assert_int_eq (three->line, 0);
  ck_assert_int_eq (three->keys[0].source, KWI_SOURCE_COMMAND);
  ck_assert_str_eq (three->keys[0].value, "printf '%s' \"x\"; true");

  kit_expect ("warning: keywheel.ini:13: \"#\" and what follows is part of the "
              "value of model; a comment behind a value begins with \" ;\"");
  kit_expect_count (1);
}
END_TEST

static void
expect_defaults (const struct kwi_provider_config *p, const char *name)
{
  ck_assert_str_eq (p->name, name);
  ck_assert_str_eq (p->plugin, name);
  ck_assert_ptr_null (p->base_url);
  ck_assert_ptr_null (p->model);
  ck_assert_int_eq (p->policy.max_switches, 10);
  ck_assert_int_eq (p->policy.max_retries, 5);
  ck_assert_int_eq (p->policy.backoff_initial_ms, 500);
  ck_assert_int_eq (p->policy.backoff_max_ms, 30000);
  ck_assert_int_eq (p->policy.deadline_ms, 120000);
  ck_assert_int_eq (p->policy.on_rate_limit, KWI_ON_WAIT);
  ck_assert_int_eq (p->policy.on_billing, KWI_ON_SWITCH);
  ck_assert_int_eq (p->policy.on_auth, KWI_ON_FAIL);
  ck_assert_int_eq (p->attempt_timeout_ms, 60000);
  ck_assert_int_eq (p->connect_timeout_ms, 5000);
  ck_assert_int_eq (p->max_response, 67108864);
  ck_assert_int_eq (p->allow_secret, 0);
  ck_assert_uint_eq (p->n_keys, 0);
}

START_TEST (what_is_not_said_has_its_default)
{
  load_well ("[provider p]\n");
  ck_assert_int_eq (config->log_level, 1);
  ck_assert_ptr_null (config->env_file);
  ck_assert_uint_eq (config->n_plugin_dirs, 0);
  expect_defaults (&config->providers[0], "p");
  expect_defaults (kwi_config_add (config, "q"), "q");
  ck_assert_uint_eq (config->n_providers, 2);
}
END_TEST

START_TEST (the_default_provider)
{
  load_well ("[provider b]\n[provider a]\n");
  ck_assert_str_eq (config->provider, "b");
  load_well ("[keywheel]\nprovider = a\n[provider b]\n[provider a]\n");
  ck_assert_str_eq (config->provider, "a");
  load_well ("[key k/one]\nenv = X\n[provider b]\n");
  ck_assert_str_eq (config->provider, "k");
  /* one without a section gets a section */
  load_well ("[keywheel]\nprovider = other\n[provider b]\n");
  ck_assert_str_eq (config->provider, "other");
  ck_assert_uint_eq (config->n_providers, 2);
  expect_defaults (&config->providers[1], "other");
  kit_expect_count (0);
}
END_TEST

START_TEST (an_empty_file_is_like_none)
{
  static const char *const texts[] = {
    "", "\n\n", "; nothing\n# nothing\n", "[keywheel]\n", "\xef\xbb\xbf", " \t"
  };

  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    load_well (texts[i]);
    ck_assert_ptr_null (config->provider);
    ck_assert_uint_eq (config->n_providers, 0);
    kit_expect_count (0);
  }
}
END_TEST

START_TEST (an_indented_line_continues_nothing)
{
  load_well ("[provider p]\nmodel = a\n  max_retries = 3\n\t; comment\n\n");
  ck_assert_str_eq (config->providers[0].model, "a");
  ck_assert_int_eq (config->providers[0].policy.max_retries, 3);
}
END_TEST

START_TEST (as_long_a_line_as_is_allowed)
{
  char text[4096], model[200];
  memset (model, 'm', sizeof model);
  /* "model=" and 192 more: 198 bytes */
  ck_assert_int_gt (snprintf (text, sizeof text, "[provider p]\nmodel=%.192s\n"
                              ";%0500d\n[key p/k] ;%0500d\nenv=A", model, 1, 2),
                    0);
  load_well (text);
  ck_assert_uint_eq (strlen (config->providers[0].model), 192);
  ck_assert_str_eq (config->providers[0].keys[0].value, "A");
  ck_assert_int_gt (snprintf (text, sizeof text, "[provider p]\nmodel=%.193s\n"
                              "nonsense", model), 0);
  ck_assert_int_eq (load (text), KW_ERR_SETTINGS);
  kit_expect ("error: keywheel.ini:2: the line is 199 bytes long; allowed: 198");
  kit_expect ("error: keywheel.ini:3: neither a [section] nor NAME = VALUE");
  kit_expect_count (2);
}
END_TEST

START_TEST (as_long_a_name_as_is_allowed)
{
  static const char name[] = "a23456789b123456789c123456789d123456789e";
  static const char option[]
    = "a234567890b234567890c234567890d234567890e23456789";
  char text[256];

  ck_assert_int_gt (snprintf (text, sizeof text, "[provider %s]\n%s = 1\n",
                              name, option), 0);
  load_well (text);
  ck_assert_str_eq (config->providers[0].name, name);
  ck_assert_str_eq (config->providers[0].options[0].name, option);
}
END_TEST

START_TEST (very_many_keys)
{
  enum { N = 20000 };
  char *text = malloc (N * 48);
  size_t len = 0;

  ck_assert_ptr_nonnull (text);
  for (int i = 0; i < N; i++)
    len += (size_t) snprintf (text + len, 48, "[key p/k%d]\nenv = K%d\n", i, i);
  ck_assert_int_eq (load_bytes (text, len), 0);
  free (text);
  ck_assert_uint_eq (config->providers[0].n_keys, N);
  ck_assert_str_eq (config->providers[0].keys[N - 1].value, "K19999");
}
END_TEST

/* ---- Where it is found ------------------------------------------------- */

static int
search (void)
{
  kwi_config_free (config);
  config = NULL;
  kit_forget ();
  error = (struct kw_error) KW_ERROR_INIT;
  int r = kwi_config_load (NULL, &kit_env, &kit_reporter, &config, &error);
  kit_strip_dir (error.message);
  return r;
}

START_TEST (the_search_order)
{
  static const char *const folders[] = {
    "work", "xdg", "xdg/keywheel", "home", "home/.config",
    "home/.config/keywheel"
  };
  char home[80], xdg[80], named[96];

  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
    kit_folder (folders[i]);
  ck_assert_int_eq (chdir (kit_path ("work")), 0);
  memccpy (home, kit_path ("home"), 0, sizeof home);
  memccpy (xdg, kit_path ("xdg"), 0, sizeof xdg);
  kit.vars[0] = "HOME";
  kit.vars[1] = home;

  if (access ("/etc/keywheel/keywheel.ini", F_OK) != 0) {
    ck_assert_int_eq (search (), 0);
    ck_assert_ptr_null (config->path);
    ck_assert_str_eq (config->dir, kit_path ("work"));
    ck_assert_uint_eq (config->n_providers, 0);
  }
  memccpy (named, kit_write ("home/.config/keywheel/keywheel.ini",
                             "[provider home]\nplugin = ./p.so\n"), 0,
           sizeof named);
  ck_assert_int_eq (search (), 0);
  ck_assert_str_eq (config->provider, "home");
  ck_assert_str_eq (config->path, named);
  ck_assert_str_eq (config->providers[0].plugin,
                    kit_path ("home/.config/keywheel/p.so"));

  /* With XDG_CONFIG_HOME set, $HOME/.config is another folder. */
  kit.vars[2] = "XDG_CONFIG_HOME";
  kit.vars[3] = xdg;
  kit_write ("xdg/keywheel/keywheel.ini", "[provider xdg]\n");
  ck_assert_int_eq (search (), 0);
  ck_assert_str_eq (config->provider, "xdg");
  kit.vars[3] = "relative";
  ck_assert_int_eq (search (), 0);
  ck_assert_str_eq (config->provider, "home");

  kit_write ("work/keywheel.ini", "[provider here]\nplugin = sub/p.so\n");
  ck_assert_int_eq (search (), 0);
  ck_assert_str_eq (config->path, "keywheel.ini");
  ck_assert_str_eq (config->providers[0].plugin, kit_path ("work/sub/p.so"));

  kit.vars[4] = "KEYWHEEL_CONFIG";
  kit.vars[5] = "";             /* as if it were not set */
  ck_assert_int_eq (search (), 0);
  ck_assert_str_eq (config->provider, "here");
  kit.vars[5] = named;
  ck_assert_int_eq (search (), 0);
  ck_assert_str_eq (config->provider, "home");
  kit_expect_count (0);

  kit.vars[5] = "gone.ini";
  ck_assert_int_eq (search (), KW_ERR_SETTINGS);
  ck_assert_str_eq (error.message, "cannot read the configuration gone.ini "
                    "(named by KEYWHEEL_CONFIG): No such file or directory");
}
END_TEST

START_TEST (a_folder_in_the_place_of_a_file_is_not_passed_over)
{
  kit_folder ("keywheel.ini");
  ck_assert_int_eq (chdir (kit.dir), 0);
  ck_assert_int_eq (search (), KW_ERR_SETTINGS);
  ck_assert_str_eq (error.message, "cannot read the configuration "
                    "keywheel.ini: it is a folder; name the file in it");
}
END_TEST

START_TEST (files_that_cannot_be_read)
{
  static char big[10 * 1024 * 1024];

  ck_assert_int_eq (kwi_config_load (kit_path ("gone.ini"), &kit_env, NULL,
                                     &config, &error), KW_ERR_SETTINGS);
  kit_strip_dir (error.message);
  ck_assert_str_eq (error.message, "cannot read the configuration gone.ini: "
                    "No such file or directory");
  memset (big, ';', sizeof big);
  ck_assert_int_eq (load_bytes (big, sizeof big), KW_ERR_SETTINGS);
  ck_assert_str_eq (error.message, "cannot read the configuration "
                    "keywheel.ini: it is larger than 1 MB, so it is hardly "
                    "the file that was meant");
  ck_assert_int_eq (load_bytes (big, 1024 * 1024 + 1), KW_ERR_SETTINGS);
  ck_assert_int_eq (load_bytes (big, 1024 * 1024), 0);

  if (geteuid () == 0) {
    puts ("an unreadable file: skipped, root reads every file");
    return;
  }
  ck_assert_int_eq (chmod (kit_path ("keywheel.ini"), 0), 0);
  ck_assert_int_eq (kwi_config_load (kit_path ("keywheel.ini"), &kit_env, NULL,
                                     &config, &error), KW_ERR_SETTINGS);
  kit_strip_dir (error.message);
  ck_assert_str_eq (error.message, "cannot read the configuration "
                    "keywheel.ini: Permission denied");
}
END_TEST

/* Opening one would wait for whoever writes to it, perhaps for ever. */
START_TEST (a_fifo_in_the_place_of_a_file_is_refused_at_once)
{
  ck_assert_int_eq (mkfifo (kit_path ("pipe"), 0600), 0);
  ck_assert_int_eq (kwi_config_load (kit_path ("pipe"), &kit_env, NULL, &config,
                                     &error), KW_ERR_SETTINGS);
  kit_strip_dir (error.message);
  ck_assert_str_eq (error.message, "cannot read the configuration pipe: it is "
                    "no file but a pipe or a device, and reading it might never "
                    "end");
  ck_assert_int_eq (kwi_config_load ("/dev/null", &kit_env, &kit_reporter, &config,
                                     &error), 0);
  ck_assert_uint_eq (config->n_providers, 0);
  kit_expect_count (0);
}
END_TEST

START_TEST (a_file_that_all_can_write)
{
  const char *path = kit_write ("keywheel.ini", "[provider p]\n");

  ck_assert_int_eq (chmod (path, 0666), 0);
  ck_assert_int_eq (kwi_config_load (path, &kit_env, &kit_reporter, &config, &error), 0);
  kit_expect ("warning: keywheel.ini can be written by every user of this "
              "machine; chmod o-w keywheel.ini");
}
END_TEST

START_TEST (every_option_of_a_provider_is_listed)
{
  static const char *const values[] = {
    "p", "https://h", "m", "1", "1", "1s", "2s", "1s", "1s", "1s", "wait", "fail", "fail",
    "stated", "on", "priority", "0", "0", "1KB", "none", "keywheel.ini", "keywheel.ini",
    "keywheel.ini\nclient_cert = keywheel.ini", "auto", "no", "no", "y\n[provider y]",
    "a -> b, * -> *", "5", "1m", "1s", "1m"
  };

  for (size_t i = 0; kwi_provider_options[i] != NULL; i++) {
    char text[128];
    ck_assert_uint_lt (i, sizeof values / sizeof values[0]);
    ck_assert_int_gt (snprintf (text, sizeof text, "[provider x]\n%s = %s\n",
                                kwi_provider_options[i], values[i]), 0);
    load_well (text);
    ck_assert_msg (config->providers[0].n_options == 0, "%s", text);
    kit_expect_count (0);
  }
}
END_TEST

START_TEST (the_example_has_no_mistake)
{
  char path[4096];

  ck_assert_int_gt (snprintf (path, sizeof path, "%s/examples/keywheel.ini",
                              kwtest_srcdir ()), 0);
  int r = kwi_config_load (path, &kit_env, &kit_reporter, &config, &error);
  ck_assert_msg (r == 0, "%s", error.message);
  ck_assert_uint_ge (config->n_providers, 1);
}
END_TEST

static Suite *
config_suite (void)
{
  Suite *s = suite_create ("config");
  TCase *t = tcase_create ("settings");

  tcase_add_checked_fixture (t, begin, end);
  tcase_add_test (t, every_option_is_kept);
  tcase_add_test (t, what_is_not_said_has_its_default);
  tcase_add_test (t, the_default_provider);
  tcase_add_test (t, an_empty_file_is_like_none);
  tcase_add_test (t, an_indented_line_continues_nothing);
  tcase_add_test (t, as_long_a_line_as_is_allowed);
  tcase_add_test (t, as_long_a_name_as_is_allowed);
  tcase_add_test (t, very_many_keys);
  tcase_add_test (t, every_option_of_a_provider_is_listed);
  tcase_add_test (t, the_example_has_no_mistake);
  suite_add_tcase (s, t);

  t = tcase_create ("finding");
  tcase_add_checked_fixture (t, begin, end);
  tcase_add_test (t, the_search_order);
  tcase_add_test (t, a_folder_in_the_place_of_a_file_is_not_passed_over);
  tcase_add_test (t, files_that_cannot_be_read);
  tcase_add_test (t, a_fifo_in_the_place_of_a_file_is_refused_at_once);
  tcase_add_test (t, a_file_that_all_can_write);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (config_suite)

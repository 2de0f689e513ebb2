/* secrets: where keys are found, which are refused, what they are called, and
 * that nobody gets to see them. */
#include <keywheel/keywheel.h>

#include "confkit.h"
#include "secrets.h"

static const char key_env[] = "EX_KEY EX_KEYS, EX_KEY_#";

static struct kwi_config *config;
static struct kwi_secrets *secrets;
static struct kw_error error;

static void
begin (void)
{
  kit_begin ();
  config = NULL;
  secrets = NULL;
}

static void
end (void)
{
  kwi_secrets_free (secrets);
  kwi_config_free (config);
  kit_end ();
}

static void
use_ini (const char *ini)
{
  kwi_config_free (config);
  config = NULL;
  error = (struct kw_error) KW_ERROR_INIT;
  ck_assert_msg (kwi_config_load (kit_write ("keywheel.ini", ini), &kit_env,
                                  NULL, &config, &error) == 0, "%s",
                 error.message);
}

static int
gather (void)
{
  kwi_secrets_free (secrets);
  secrets = NULL;
  kit_forget ();
  error = (struct kw_error) KW_ERROR_INIT;
  if (config == NULL)
    use_ini ("[provider ex]\n");
  int r = kwi_secrets_gather (config, &config->providers[0], key_env, &kit_env,
                              &kit_reporter, &secrets, &error);
  kit_strip_dir (error.message);
  ck_assert ((r == 0) == (secrets != NULL));
  return r;
}

/* "name=key@source name=key@source" */
static const char *
found (void)
{
  static char text[2048];
  size_t len = 0;

  text[0] = '\0';
  for (size_t i = 0; secrets != NULL && i < kwi_secrets_count (secrets); i++) {
    const struct kwi_secret *s = kwi_secrets_get (secrets, i);
    len += (size_t) snprintf (text + len, sizeof text - len, "%s%s=%.*s@%s",
                              i > 0 ? "|" : "", s->name, (int) s->len,
                              s->bytes, s->source);
  }
  kit_strip_dir (text);
  return text;
}

static void
set (const char *const *vars)
{
  memset (kit.vars, 0, sizeof kit.vars);
  for (size_t i = 0; vars[i] != NULL; i++)
    kit.vars[i] = vars[i];
}

#define SET(...) set ((const char *const[]) { __VA_ARGS__, NULL })

/* ---- The variables that a plugin names --------------------------------- */

START_TEST (variables_in_the_order_of_key_env)
{
  SET ("EX_KEYS", "bbb, ccc ,ddd", "EX_KEY", " aaa\n", "EX_KEY_2", "eee",
       "EX_KEY_3", "fff", "EX_KEY_5", "ggg");
  ck_assert_int_eq (gather (), 0);
  ck_assert_str_eq (found (),
                    "primary=aaa@EX_KEY in the environment|"
                    "backup-1=bbb@item 1 of EX_KEYS in the environment|"
                    "backup-2=ccc@item 2 of EX_KEYS in the environment|"
                    "backup-3=ddd@item 3 of EX_KEYS in the environment|"
                    "backup-4=eee@EX_KEY_2 in the environment|"
                    "backup-5=fff@EX_KEY_3 in the environment");
  kit_expect_count (0);
  ck_assert_uint_eq (kwi_secrets_get (secrets, 0)->weight, 1);
  ck_assert_ptr_null (kwi_secrets_get (secrets, 6));
}
END_TEST

START_TEST (the_first_that_is_found_is_primary)
{
  SET ("EX_KEYS", "bbb,ccc");
  ck_assert_int_eq (gather (), 0);
  ck_assert_str_eq (found (),
                    "primary=bbb@item 1 of EX_KEYS in the environment|"
                    "backup-1=ccc@item 2 of EX_KEYS in the environment");
}
END_TEST

START_TEST (empty_and_repeated_keys_are_dropped)
{
  SET ("EX_KEY", "aaa", "EX_KEYS", "bbb,, aaa,ccc,", "EX_KEY_2", " ",
       "EX_KEY_3", "bbb");
  ck_assert_int_eq (gather (), 0);
  ck_assert_str_eq (found (),
                    "primary=aaa@EX_KEY in the environment|"
                    "backup-1=bbb@item 1 of EX_KEYS in the environment|"
                    "backup-2=ccc@item 4 of EX_KEYS in the environment");
  kit_expect ("warning: item 2 of EX_KEYS in the environment is empty; "
              "dropped");
  kit_expect ("warning: item 5 of EX_KEYS in the environment is empty; "
              "dropped");
  kit_expect ("warning: EX_KEY_2 in the environment is empty; dropped");
  kit_expect ("warning: item 3 of EX_KEYS in the environment repeats EX_KEY in "
              "the environment; dropped");
  kit_expect ("warning: EX_KEY_3 in the environment repeats item 1 of EX_KEYS "
              "in the environment; dropped");
  kit_expect_count (5);
}
END_TEST

START_TEST (no_key_at_all)
{
  ck_assert_int_eq (gather (), KW_ERR_SETTINGS);
  ck_assert_str_eq (error.message, "no key for provider \"ex\": looked for "
                    "EX_KEY, EX_KEYS (separated by commas), EX_KEY_2, _3, ... "
                    "in the environment and found none; set EX_KEY, or add a "
                    "section [key ex/primary] with env, file or command");
  SET ("EX_KEY", "", "EX_KEYS", " ");
  ck_assert_int_eq (gather (), KW_ERR_SETTINGS);
  kit_expect ("warning: EX_KEY in the environment is empty; dropped");
  kit_expect ("warning: EX_KEYS in the environment is empty; dropped");
  kit_write (".env.local", "");
  use_ini ("[keywheel]\nenv_file = .env.local\n[provider ex]\n");
  ck_assert_int_eq (gather (), KW_ERR_SETTINGS);
  ck_assert_ptr_nonnull (strstr (error.message, "in the environment and in "
                                 ".env.local and found none"));
  ck_assert_int_eq (kwi_secrets_gather (config, &config->providers[0], NULL,
                                        &kit_env, NULL, &secrets, &error),
                    KW_ERR_SETTINGS);
  ck_assert_ptr_nonnull (strstr (error.message, "its plugin names no "
                                 "variable"));
}
END_TEST

START_TEST (is_there_any_key)
{
  use_ini ("");
  ck_assert_int_eq (kwi_secrets_any (config, key_env, &kit_env), 0);
  SET ("EX_KEY", " ");
  ck_assert_int_eq (kwi_secrets_any (config, key_env, &kit_env), 0);
  SET ("EX_KEY_2", "x");
  ck_assert_int_eq (kwi_secrets_any (config, key_env, &kit_env), 1);
  ck_assert_int_eq (kwi_secrets_any (config, NULL, &kit_env), 0);
  SET ("OTHER", "");
  kit_write (".env", "EX_KEYS=,x\n");
  use_ini ("[keywheel]\nenv_file = .env\n");
  ck_assert_int_eq (kwi_secrets_any (config, key_env, &kit_env), 1);
}
END_TEST

START_TEST (the_environment_wins_over_the_env_file)
{
  kit_write (".env.local", "EX_KEY=file\nexport EX_KEYS='f1, f2'\n"
             "EX_KEY_2=f3\nEX_KEY_3=f4\n");
  use_ini ("[keywheel]\nenv_file = .env.local\n[provider ex]\n");
  SET ("EX_KEY", "process", "EX_KEY_2", "");
  ck_assert_int_eq (gather (), 0);
  ck_assert_str_eq (found (), "primary=process@EX_KEY in the environment|"
                    "backup-1=f1@item 1 of EX_KEYS in .env.local|"
                    "backup-2=f2@item 2 of EX_KEYS in .env.local|"
                    "backup-3=f4@EX_KEY_3 in .env.local");
  ck_assert_ptr_null (getenv ("EX_KEYS"));
}
END_TEST

START_TEST (a_broken_env_file_is_a_mistake)
{
  kit_write (".env.local", "EX_KEY=abc\nLEAK\n");
  use_ini ("[keywheel]\nenv_file = .env.local\n[provider ex]\n");
  ck_assert_int_eq (gather (), KW_ERR_SETTINGS);
  ck_assert_str_eq (error.message, ".env.local:2: this is no NAME=value; "
                    "allowed: NAME=value, export NAME=value, # comment");
}
END_TEST

/* ---- [key ...] sections ------------------------------------------------ */

START_TEST (keys_of_sections_in_their_order)
{
  kit_write ("b.key", "\nfrom-file\r\n");
  kit_write (".env", "KEY_C=from-dotenv\n");
  use_ini ("[keywheel]\nenv_file = .env\n"
           "[key ex/b]\nfile = b.key\nweight = 5\n"
           "[key ex/a]\nenv = KEY_A\n"
           "[key ex/c]\nenv = KEY_C\n"
           "[key ex/d]\ncommand = printf 'from-command\\n'; exit 0\n");
  SET ("KEY_A", "from-env", "EX_KEY", "not looked at");
  ck_assert_int_eq (gather (), 0);
  ck_assert_str_eq (found (), "b=from-file@file b.key|"
                    "a=from-env@KEY_A in the environment|"
                    "c=from-dotenv@KEY_C in .env|"
                    "d=from-command@output of its command");
  ck_assert_uint_eq (kwi_secrets_get (secrets, 0)->weight, 5);
  kit_expect_count (0);
}
END_TEST

START_TEST (every_section_that_gives_no_key_is_told)
{
  kit_folder ("folder");
  kit_write ("big", "");
  ck_assert_int_eq (truncate (kit_path ("big"), 65537), 0);
  ck_assert_int_eq (mkfifo (kit_path ("pipe"), 0600), 0);
  use_ini ("[key ex/a]\nenv = KEY_A\n"
           "[key ex/b]\nfile = gone\n"
           "[key ex/c]\ncommand = echo LEAK; exit 3\n"
           "[key ex/d]\nfile = folder\n"
           "[key ex/e]\nfile = big\n"
           "[key ex/f]\ncommand = kill -9 $$\n"
           "[key ex/g]\ncommand = /nowhere/at/all 2>/dev/null\n"
           "[key ex/h]\ncommand = head -c 65537 /dev/zero\n"
           "[key ex/i]\nfile = pipe\n"
           "[key ex/j]\nfile = /dev/zero\n");
  ck_assert_int_eq (gather (), KW_ERR_SETTINGS);
  kit_expect ("error: keywheel.ini:1: [key ex/a]: the variable KEY_A is not "
              "set, neither in the environment nor in an env_file (none is "
              "configured)");
  kit_expect ("error: keywheel.ini:3: [key ex/b]: cannot read the file gone: "
              "No such file or directory");
  kit_expect ("error: keywheel.ini:5: [key ex/c]: its command failed with exit "
              "code 3");
  kit_expect ("error: keywheel.ini:7: [key ex/d]: cannot read the file folder: "
              "Is a directory");
  kit_expect ("error: keywheel.ini:9: [key ex/e]: cannot read the file big: "
              "larger than 64 KB, so it is no key");
  kit_expect ("error: keywheel.ini:11: [key ex/f]: its command was ended by "
              "signal 9");
  kit_expect ("error: keywheel.ini:13: [key ex/g]: its command failed with "
              "exit code 127: a program in it was not found");
  kit_expect ("error: keywheel.ini:15: [key ex/h]: its command wrote more than "
              "64 KB, so it is no key");
  kit_expect ("error: keywheel.ini:17: [key ex/i]: cannot read the file pipe: "
              "it is no file but a pipe or a device, and reading it might "
              "never end");
  kit_expect ("error: keywheel.ini:19: [key ex/j]: cannot read the file "
              "/dev/zero: larger than 64 KB, so it is no key");
  kit_expect_count (10);
  ck_assert_ptr_nonnull (strstr (error.message, "KEY_A is not set"));
  ck_assert_ptr_nonnull (strstr (error.message, "(and 9 more mistakes; "));
}
END_TEST

START_TEST (odd_sections)
{
  ck_assert_int_eq (chmod (kit_write ("open", "same-key"), 0644), 0);
  use_ini ("[key ex/a]\nenv = KEY_A\n[key ex/b]\nfile = open\n"
           "[key ex/c]\ncommand = true\n");
  SET ("KEY_A", "same-key");
  ck_assert_int_eq (gather (), 0);
  ck_assert_str_eq (found (), "a=same-key@KEY_A in the environment");
  kit_expect ("warning: keywheel.ini:3: [key ex/b]: every user of this machine "
              "can read the file open; chmod o-r");
  kit_expect ("warning: keywheel.ini:5: [key ex/c]: output of its command is "
              "empty; dropped");
  kit_expect ("warning: key \"b\" (file open) repeats key \"a\" (KEY_A in the "
              "environment); dropped");
  kit_expect_count (3);
  use_ini ("[key ex/c]\ncommand = true\n");
  ck_assert_int_eq (gather (), KW_ERR_SETTINGS);
  ck_assert_str_eq (error.message, "no key for provider \"ex\": each of its "
                    "[key ex/...] sections in keywheel.ini gave an empty one");
}
END_TEST

START_TEST (a_key_in_the_place_of_its_variable_is_not_shown)
{
  use_ini ("[key ex/a]\nenv = gsk_LEAK3fT9xQ7LmZp0aVbN2\n"
           "[key ex/b]\nfile = gsk_LEAK3fT9xQ7LmZp0aVbN2\n");
  ck_assert_int_eq (gather (), KW_ERR_SETTINGS);
  ck_assert_uint_eq (kit.n_mistakes, 2);
  ck_assert_msg (strstr (kit_all (), "LEAK") == NULL, "%s", kit_all ());
  ck_assert_ptr_null (strstr (error.message, "LEAK"));
}
END_TEST

/* ---- Bytes ------------------------------------------------------------- */

START_TEST (keys_that_cannot_be_sent)
{
  static char long_key[8194];
  static const struct { const char *key, *wrong; } cases[] = {
    { "LEA\nK", "holds a line break (byte 4 of 5)" },
    { "LEAK\r\nX-Evil: 1", "holds a line break (byte 5 of 15)" },
    { "LE\x01", "holds a control character (byte 3 of 3)" },
    { "LE\x7f" "AK", "holds a control character (byte 3 of 5)" },
    { "LE AK", "holds a blank (byte 3 of 5)" },
    { "LE\tAK", "holds a blank (byte 3 of 5)" },
    { "LE\xc3\xa9", "holds a byte that is not ASCII (byte 3 of 4)" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[256];
    SET ("EX_KEY", cases[i].key);
    ck_assert_int_eq (gather (), KW_ERR_SETTINGS);
    ck_assert_int_gt (snprintf (text, sizeof text, "EX_KEY in the environment "
                                "%s; a key is printable ASCII without blanks",
                                cases[i].wrong), 0);
    ck_assert_str_eq (error.message, text);
  }
  memset (long_key, 'x', 8193);
  SET ("EX_KEY", long_key);
  ck_assert_int_eq (gather (), KW_ERR_SETTINGS);
  ck_assert_str_eq (error.message, "EX_KEY in the environment is 8193 bytes "
                    "long; a key has at most 8192");
  long_key[8192] = '\0';
  ck_assert_int_eq (gather (), 0);
}
END_TEST

START_TEST (a_byte_of_nothing_in_a_file)
{
  kit_write_bytes ("k", "abc\0def", 7);
  use_ini ("[key ex/a]\nfile = k\n");
  ck_assert_int_eq (gather (), KW_ERR_SETTINGS);
  ck_assert_str_eq (error.message, "keywheel.ini:1: [key ex/a]: file k holds a "
                    "control character (byte 4 of 7); a key is printable ASCII "
                    "without blanks");
}
END_TEST

START_TEST (fingerprints)
{
  SET ("EX_KEY", "one-key", "EX_KEYS", "another-key");
  ck_assert_int_eq (gather (), 0);
  const struct kwi_secret *one = kwi_secrets_get (secrets, 0);
  const struct kwi_secret *two = kwi_secrets_get (secrets, 1);
  /* blake2b of 16 bytes over "keywheel-fingerprint-1", 0, "one-key"; stores
   * of other processes and machines know a key by it, so it never changes. */
  ck_assert_str_eq (one->fingerprint, "9bb263bad7db9cf3");
  ck_assert_uint_eq (strlen (two->fingerprint), 16);
  ck_assert_str_ne (one->fingerprint, two->fingerprint);
}
END_TEST

START_TEST (very_many_keys_in_one_variable)
{
  enum { N = 100000 };
  char *text = malloc (N * 12);
  size_t len = 0;

  ck_assert_ptr_nonnull (text);
  for (int i = 0; i < N; i++)
    len += (size_t) snprintf (text + len, 12, "key%d,", i % (N - 1));
  text[len - 1] = '\0';
  SET ("EX_KEYS", text);
  ck_assert_int_eq (gather (), 0);
  ck_assert_uint_eq (kwi_secrets_count (secrets), N - 1);
  const struct kwi_secret *last = kwi_secrets_get (secrets, N - 2);
  ck_assert_str_eq (last->name, "backup-99998");
  ck_assert_uint_eq (last->len, 8);
  ck_assert_mem_eq (last->bytes, "key99998", 8);
  free (text);
  char said[64] = "org_key9999 and key99998, key12345";
  kwi_secrets_redact (secrets, said, sizeof said);
  ck_assert_str_eq (said, "org_key9999 and [key backup-99998], [key backup-12345]");
}
END_TEST

/* ---- Taking them out of texts ------------------------------------------ */

START_TEST (redaction)
{
  static const struct { const char *before, *after; size_t size; } cases[] = {
    { "nothing here", "nothing here", 64 },
    { "key 0123456789abcdef!", "key [key primary]!", 64 },
    { "0123456789abcdef0123456789abcdef", "[key primary][key primary]", 64 },
    { "0123456789abcdefgh is longer", "[key backup-1] is longer", 64 },
    { "<eightchr>", "<[key backup-2]>", 64 },
    { "<eightchr>", "<********>", 16 },      /* no room */
    { "<eightchr>", "<********>", 11 },
    { "cut: 0123456789abcd", "cut: **************", 64 },
    { "cut: 0123456", "cut: 0123456", 64 },  /* too little of one */
    { "a short key", "a short key", 64 },
    { "", "", 64 },
    { "0123456", "0123456", 64 },
    { "01234567", "********", 64 },
    { "x01234567 in the middle, and is no key", "x01234567 in the middle, and is no key", 64 },
  };

  SET ("EX_KEY", "0123456789abcdef", "EX_KEYS",
       "0123456789abcdefgh,eightchr,short");
  ck_assert_int_eq (gather (), 0);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[64];
    memset (text, '#', sizeof text);
    memccpy (text, cases[i].before, 0, sizeof text);
    kwi_secrets_redact (secrets, text, cases[i].size);
    ck_assert_msg (strcmp (text, cases[i].after) == 0, "%s: %s",
                   cases[i].before, text);
  }
}
END_TEST

static Suite *
secrets_suite (void)
{
  const TTest *const tests[] = {
    variables_in_the_order_of_key_env, the_first_that_is_found_is_primary,
    empty_and_repeated_keys_are_dropped, no_key_at_all, is_there_any_key,
    the_environment_wins_over_the_env_file, a_broken_env_file_is_a_mistake,
    keys_of_sections_in_their_order, every_section_that_gives_no_key_is_told,
    odd_sections, a_key_in_the_place_of_its_variable_is_not_shown,
    keys_that_cannot_be_sent, a_byte_of_nothing_in_a_file, fingerprints,
    very_many_keys_in_one_variable, redaction,
  };
  Suite *s = suite_create ("secrets");
  TCase *t = tcase_create ("secrets");

  tcase_set_timeout (t, 60);    /* a hundred thousand keys, watched */
  tcase_add_checked_fixture (t, begin, end);
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
    tcase_add_test (t, tests[i]);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (secrets_suite)

/* What is said of each mistake in an INI: its file, its line, what is wrong and
 * what is allowed; and of all of them, not only of the first. */
#include <keywheel/keywheel.h>

#include "confkit.h"

static struct kw_error error;

static int
load_bytes (const void *bytes, size_t len)
{
  struct kwi_config *config = NULL;

  kit_forget ();
  error = (struct kw_error) KW_ERROR_INIT;
  int r = kwi_config_load (kit_write_bytes ("keywheel.ini", bytes, len),
                           &kit_env, &kit_reporter, &config, &error);
  ck_assert (r == 0 || config == NULL);
  kwi_config_free (config);
  kit_strip_dir (error.message);
  return r;
}

/* An INI with one mistake, or with none but something odd. */
struct one {
  const char *ini;
  const char *text;             /* behind "error: keywheel.ini:" */
};

#define NEED " (known: [keywheel], [provider NAME], [key PROVIDER/NAME], [gateway])"
#define CHARS "1 to 63 of A-Z a-z 0-9 . _ -"

static const struct one sections[] = {
  { "[provdier groq]\nx = 1\n",
    "1: unknown section [provdier groq]; did you mean [provider groq]?" NEED },
  { "[groq]\n", "1: unknown section [groq]" NEED },
  { "[KeyWheel]\n",
    "1: unknown section [KeyWheel]; did you mean [keywheel]?" NEED },
  { "[]\n", "1: unknown section []" NEED },
  { "[keywheel x]\n",
    "1: unknown section [keywheel x]; did you mean [keywheel]?" NEED },
  { "\n[provider]\n", "2: [provider] needs a name; allowed: [provider NAME] "
    "with " CHARS },
  { "[provider a b]\n", "1: [provider a b] needs a name; allowed: [provider "
    "NAME] with " CHARS },
  { "[key groq]\n", "1: [key groq] needs two names; allowed: [key "
    "PROVIDER/NAME] with " CHARS " each" },
  { "[key groq/]\nenv = X\n", "1: [key groq/] needs two names; allowed: [key "
    "PROVIDER/NAME] with " CHARS " each" },
  { "[key a/b/c]\nenv = X\n", "1: [key a/b/c] needs two names; allowed: [key "
    "PROVIDER/NAME] with " CHARS " each" },
  { "[provider p]\n[keywheel]\n[provider q]\n\n[provider p]\n",
    "5: [provider p] was already there in line 1; put all its options into "
    "one" },
  { "[provider p]\nclient_key = keywheel.ini\n",
    "1: [provider p] has a client_key, but no client_cert that it belongs to" },
  { "[keywheel]\n[provider p]\n[keywheel]\n",
    "3: [keywheel] was already there in line 1; put all its options into one" },
  { "[key p/k]\nenv = A\n[key p/l]\nenv = B\n[key p/k]\nenv = C\n",
    "5: [key p/k] was already there in line 1; give each key a name of its "
    "own" },
  { "[keywheel\nprovider = x\n", "1: a section without its ]; allowed: "
    "[keywheel], [provider NAME], [key PROVIDER/NAME], [gateway]" },
  { "[provider p] model = x\n",
    "1: text behind the ] of a section; put it on a line of its own" },
  { "[provider a ; b]\n", "1: a \";\" within a section's name" },
  { "[provider a23456789b123456789c123456789d123456789ef]\nmodel = m\n",
    "1: the section's name is too long; allowed: 49 bytes between [ and ]" },
  { "[provider My.Own]\n", "1: provider \"My.Own\" needs a line plugin = NAME "
    "in [provider My.Own]: its own name cannot be a plugin's (those have a-z "
    "0-9 - only)" },
  { "[key Own/k]\nenv = X\n", "1: provider \"Own\" needs a line plugin = NAME "
    "in [provider Own]: its own name cannot be a plugin's (those have a-z 0-9 "
    "- only)" },
};

static const struct one gateways[] = {
  { "[gateway]\nmax_bdoy = 1MB\n", "2: unknown option \"max_bdoy\" in [gateway]; did you "
    "mean \"max_body\"? (known: listen, client_tokens, allowed_hosts, allowed_origins, "
    "requests_per_minute, concurrency, loops, max_connections, max_header, max_body, "
    "replay_limit, header_timeout, idle_timeout, drain_timeout, access_log)" },
  { "[gateway]\nlisten =\n", "2: listen in [gateway] has no value; give it one or remove "
    "the line" },
  { "[gateway]\nmax_body = 2\n", "2: max_body = 2 is out of range; allowed: 1KB to "
    "1024GB" },
  { "[gateway]\nmax_body = big\n", "2: max_body = big is not a size; write a number with "
    "KB, MB or GB, such as 64MB (allowed: 1KB to 1024GB)" },
  { "[gateway]\nidle_timeout = 3\n", "2: idle_timeout = 3 is not a duration; write numbers "
    "with units, such as 2s or 1m30s (allowed: 1s to 1h)" },
  { "[gateway]\nconcurrency = x\n", "2: concurrency = x is not a whole number (allowed: 0 "
    "to 1000000)" },
  { "[gateway]\n[keywheel]\n[gateway]\n",
    "3: [gateway] was already there in line 1; put all its options into one" },
  { "[gateways]\n", "1: unknown section [gateways]; did you mean [gateway]?" NEED },
};

#define MAP "; allowed: MODEL -> MODEL HERE, with commas between, and * for every other model"
#define TWO "[provider a]\n[provider bcd]\n[provider e]\n"

static const struct one failovers[] = {
  { TWO "fallback = a, bdc\n", "4: fallback of \"e\" names \"bdc\", but there is no "
    "[provider bdc]; did you mean \"bcd\"? (known: a, bcd)" },
  { "[provider a]\nfallback = x\n", "2: fallback of \"a\" names \"x\", but there is no "
    "[provider x]" },
  { TWO "fallback = a, e\n", "4: the fallback of \"e\" is itself; name others" },
  { TWO "fallback = a bcd, a\n", "4: fallback of \"e\" names \"a\" twice; each provider "
    "is asked once" },
  { TWO "fallback = ,\n", "4: fallback = , names nobody; allowed: names of providers with "
    "commas between" },
  { TWO "fallback =\n", "4: fallback in [provider e] has no value; give it one or remove "
    "the line" },
  { TWO "fallback = b23456789c123456789d123456789e123456789f123456789g12345678901234\n",
    "4: fallback of \"e\" names \"b23456789c123456789d123456789e123456789f123456789g12345678"
    "901234\", which is too long for a name" },
  { TWO "model_map = a -> b, c:d\n", "4: model_map of \"e\" has the entry \"c:d\"" MAP },
  { TWO "model_map = a -> b,\n", "4: model_map of \"e\" has the entry \"\"" MAP },
  { TWO "model_map = a -> \n", "4: model_map of \"e\" has the entry \"a ->\"" MAP },
  { TWO "model_map = -> a\n", "4: model_map of \"e\" has the entry \"-> a\"" MAP },
  { TWO "model_map = a -> x\"y\n", "4: model_map of \"e\" has the entry \"a -> x\"y\"" MAP },
  { TWO "model_map = a -> *\n", "4: model_map of \"e\" has the entry \"a -> *\"" MAP },
  { TWO "model_map = a->b, c -> d, a -> e\n", "4: model_map of \"e\" has two entries for "
    "\"a\"" },
  { TWO "breaker_failures = 101\n", "4: breaker_failures = 101 is out of range; allowed: 0 "
    "to 100" },
  { TWO "breaker_open = 10\n", "4: breaker_open = 10 is not a duration; write numbers with "
    "units, such as 2s or 1m30s (allowed: 1ms to 24h)" },
  { TWO "breaker_open = 6m\n", "4: breaker_open of \"e\" is 6m0s, longer than "
    "breaker_open_max, which is 5m0s when it is not set; set both" },
  { TWO "breaker_open_max = 1s\n", "4: breaker_open of \"e\" is 10s, longer than "
    "breaker_open_max, which is 1s; set both" },
};

static const struct one lines[] = {
  { "provider = groq\n", "1: \"provider\" stands before any section; put it "
    "below one of: [keywheel], [provider NAME], [key PROVIDER/NAME], [gateway]" },
  { "[provider p]\nmodel\n", "2: neither a [section] nor NAME = VALUE" },
  { "[provider p]\nmodel", "2: neither a [section] nor NAME = VALUE" },
  { "[provider p]\n= x\n",
    "2: no name before the \"=\"; allowed: NAME = VALUE" },
  { "[provider p]\nmodel =\n", "2: model in [provider p] has no value; give it "
    "one or remove the line" },
  { "[provider p]\nmodel = ; x\n", "2: model in [provider p] has no value; "
    "give it one or remove the line" },
  { "[provider p]\nflavour =\n", "2: flavour in [provider p] has no value; "
    "give it one or remove the line" },
  { "[provider p]\nmodel = x\n\nmodel = y\n",
    "4: model in [provider p] was already set in line 2; remove one of the "
    "two" },
  { "[provider p]\nflavour = x\nflavour = x\n",
    "3: flavour in [provider p] was already set in line 2; remove one of the "
    "two" },
  { "[keywheel]\na2345678901234567890123456789012345678901234567890 = 1\n",
    "2: the option's name is too long; allowed: 49 bytes" },
  { "[keywheel]\nprovidr = x\n", "2: unknown option \"providr\" in [keywheel]; "
    "did you mean \"provider\"? (known: provider, plugin_dir, env_file, state, "
    "fingerprint_key, "
    "log_level)" },
  { "[key p/k]\nenv = A\nwieght = 1\n", "3: unknown option \"wieght\" in [key "
    "p/k]; did you mean \"weight\"? (known: env, file, command, weight)" },
  { "[keywheel]\n; caf\xe9\n",
    "2: the line is not UTF-8; save the file as UTF-8" },
  { "[provider p]\nmodel = a\x01z\n", "2: a control character (byte 0x01)" },
  { "[provider p]\rmodel = x\n", "1: a control character (byte 0x0d)" },
};

#define UNITS "is not a duration; write numbers with units, such as 250ms, " \
  "2s, 1m30s, 7m12.5s or 1h (allowed: 1ms to 24h)"
#define URL "; allowed: http[s]://HOST[:PORT][/PATH]"

/* In [provider p], line 2. */
static const struct one options[] = {
  { "deadline = 10", "deadline = 10 " UNITS },
  { "deadline = 0", "deadline = 0 is out of range; allowed: 1ms to 24h" },
  { "deadline = 25h", "deadline = 25h is out of range; allowed: 1ms to 24h" },
  { "connect_timeout = soon", "connect_timeout = soon " UNITS },
  { "max_switches = 1001",
    "max_switches = 1001 is out of range; allowed: 0 to 1000" },
  { "max_retries = -1", "max_retries = -1 is out of range; allowed: 0 to 1000" },
  { "max_retries = 3.5",
    "max_retries = 3.5 is not a whole number; allowed: 0 to 1000" },
  { "max_response = 100",
    "max_response = 100 is out of range; allowed: 1KB to 2GB" },
  { "max_response = 64MiB", "max_response = 64MiB is not a size; write a "
    "number with KB, MB or GB, such as 64MB (allowed: 1KB to 2GB)" },
  { "on_rate_limit = swich", "on_rate_limit = swich is not known; did you mean "
    "\"switch\"? (allowed: wait, switch)" },
  { "on_rate_limit = fail",
    "on_rate_limit = fail is not known (allowed: wait, switch)" },
  { "on_auth = wait", "on_auth = wait is not known (allowed: fail, switch)" },
  { "on_billing = x", "on_billing = x is not known (allowed: switch, fail)" },
  { "proxy = user:word@host", "proxy is no URL of a proxy; allowed: http://, "
    "https://, socks5://, socks5h:// and HOST[:PORT]; none" },
  { "ca_file = gone.pem", "ca_file = gone.pem cannot be read (gone.pem: No such "
    "file or directory); allowed: the path of a PEM file" },
  { "client_cert = gone.pem", "client_cert = gone.pem cannot be read (gone.pem: No "
    "such file or directory); allowed: the path of a PEM file" },
  { "http_version = 2", "http_version = 2 is not known (allowed: auto, 1.1)" },
  { "insecure_tls = maybe", "insecure_tls = maybe is not known (allowed: yes, no)" },
  { "allow_secret = true",
    "allow_secret = true is not known (allowed: yes, no)" },
  { "admission = stted", "admission = stted is not known; did you mean "
    "\"stated\"? (allowed: stated, exact)" },
  { "pace = yes", "pace = yes is not known (allowed: on, off)" },
  { "strategy = round-robin", "strategy = round-robin is not known; did you mean "
    "\"round_robin\"? (allowed: priority, round_robin, weighted, least_used, "
    "most_remaining)" },
  { "max_waiting = -1",
    "max_waiting = -1 is out of range; allowed: 0 to 1000000" },
  { "max_concurrency = few",
    "max_concurrency = few is not a whole number; allowed: 0 to 1000000" },
  { "max_concurrency = 1000001",
    "max_concurrency = 1000001 is out of range; allowed: 0 to 1000000" },
  { "base_url = api.example.com", "base_url: it has no scheme; it must begin "
    "with https:// or http://" URL },
  { "base_url = https://me:secret@h", "base_url: it has a user or a password "
    "in it; keys go into [key ...] sections" URL },
  { "plugin = Groq", "plugin = Groq is no plugin's name; allowed: a-z 0-9 -, "
    "or a path with a \"/\"" },
  { "plugin = ~/p.so", "plugin begins with \"~\", but HOME is not set to a "
    "folder; write the whole path" },
  { "backoff_initial = 2m", "backoff_initial = 2m0s is larger than "
    "backoff_max, which is 30s when it is not set; set both" },
  { "backoff_max = 100ms", "backoff_max = 100ms is smaller than "
    "backoff_initial, which is 500ms when it is not set; set both" },
  { "backoff_initial = 3s\nbackoff_max = 2s", "backoff_initial = 3s is larger "
    "than backoff_max = 2s (line 3); allowed: at most backoff_max" },
};

/* In [keywheel], line 2. */
static const struct one general[] = {
  { "provider = a/b", "provider = a/b is no name; allowed: " CHARS },
  { "state = /var/lib/state.db", "state begins with no scheme; allowed: memory, "
    "sqlite, sqlite:PATH, redis://HOST:PORT/DB" },
  { "state = Redis://u:password@h/0", "state begins with no scheme; allowed: memory, "
    "sqlite, sqlite:PATH, redis://HOST:PORT/DB" },
  { "log_level = warning", "log_level = warning is not known; did you mean "
    "\"warn\"? (allowed: error, warn, info, debug)" },
  { "plugin_dir = /::/", "plugin_dir = /::/ has an empty entry; allowed: "
    "folders with a \":\" between them" },
  { "plugin_dir = gone", "plugin_dir \"gone\" is not a folder (gone: No such "
    "file or directory)" },
  { "plugin_dir = ./keywheel.ini", "plugin_dir \"./keywheel.ini\" is not a "
    "folder (keywheel.ini: Not a directory)" },
  { "env_file = ~/x", "env_file begins with \"~\", but HOME is not set to a "
    "folder; write the whole path" },
};

/* In [key p/k], line 2. */
static const struct one keys[] = {
  { "weight = 0\nenv = X", "weight = 0 is out of range; allowed: 1 to 1000000" },
  { "env = sk-live-1234", "env wants the name of an environment variable, such "
    "as MY_API_KEY; allowed: A-Z a-z 0-9 _ (a key itself does not belong into "
    "this file)" },
};

static void
expect_one (const char *ini, const char *text)
{
  char whole[1024];

  ck_assert_msg (load_bytes (ini, strlen (ini)) == KW_ERR_SETTINGS,
                 "%s\nfound nothing wrong", ini);
  int n = snprintf (whole, sizeof whole, "error: keywheel.ini:%s", text);
  ck_assert (n > 0 && (size_t) n < sizeof whole);
  ck_assert_msg (kit_reported (whole), "%s\nexpected: %s\ngot:%s", ini, whole,
                 kit_all ());
}

static void
expect_below (const char *header, const struct one *one)
{
  char ini[512], text[512];

  ck_assert_int_gt (snprintf (ini, sizeof ini, "%s\n%s\n", header, one->ini),
                    0);
  ck_assert_int_gt (snprintf (text, sizeof text, "2: %s", one->text), 0);
  expect_one (ini, text);
  ck_assert_msg (kit.n_mistakes == 1 && strstr (error.message, " more") == NULL,
                 "%s\nmore than one:%s", ini, kit_all ());
}

#define COUNT(array) (sizeof (array) / sizeof (array)[0])

static void
expect_each (const struct one *cases, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    expect_one (cases[i].ini, cases[i].text);
    ck_assert_msg (kit.n_mistakes == 1, "%s\nmore than one:%s", cases[i].ini, kit_all ());
  }
}

START_TEST (wrong_sections)
{
  expect_each (sections, COUNT (sections));
}
END_TEST

START_TEST (wrong_lines)
{
  expect_each (lines, COUNT (lines));
}
END_TEST

START_TEST (wrong_failovers)
{
  expect_each (failovers, COUNT (failovers));
}
END_TEST

START_TEST (wrong_gateways)
{
  expect_each (gateways, COUNT (gateways));
}
END_TEST

START_TEST (wrong_values_for_a_provider)
{
  for (size_t i = 0; i < COUNT (options); i++)
    expect_below ("[provider p]", &options[i]);
}
END_TEST

START_TEST (wrong_values_in_general)
{
  for (size_t i = 0; i < COUNT (general); i++)
    expect_below ("[keywheel]", &general[i]);
}
END_TEST

START_TEST (wrong_values_for_a_key)
{
  for (size_t i = 0; i < COUNT (keys); i++)
    expect_below ("[key p/k]", &keys[i]);
}
END_TEST

START_TEST (a_key_comes_from_one_place)
{
  expect_one ("[key p/k]\nweight = 2\n[provider p]\n",
              "1: [key p/k] does not say where its key comes from; it needs "
              "one of: env = VARIABLE, file = PATH, command = COMMAND");
  ck_assert_uint_eq (kit.n_mistakes, 1);
  expect_one ("[key p/k]\nenv = A\nweight = 2\nfile = b\ncommand = c\n",
              "4: [key p/k] has env in line 2 already; a key has exactly one "
              "of env, file, command");
  ck_assert_uint_eq (kit.n_mistakes, 2);
}
END_TEST

START_TEST (a_byte_of_nothing)
{
  static const char ini[] = "[provider p]\nmodel = a\0b\n[keywheel]\n";

  ck_assert_int_eq (load_bytes (ini, sizeof ini - 1), KW_ERR_SETTINGS);
  ck_assert_str_eq (error.message, "keywheel.ini:2: a NUL byte; this is no "
                    "text file (or one in UTF-16: save it as UTF-8)");
}
END_TEST

START_TEST (every_mistake_is_told_in_order)
{
  static const char ini[] =
    "[keywheel]\nlog_level = loud\nstate = a disk\n"
    "[provider p]\nmodel = m\nmax_retries = x\nnonsense\n"
    "[provder q]\nmax_retries = unseen, as its section is not known\n"
    "[key p/k]\nweight = 1\n";

  ck_assert_int_eq (load_bytes (ini, sizeof ini - 1), KW_ERR_SETTINGS);
  kit_expect_count (6);
  for (int i = 0; i < 6; i++) {
    static const int line[] = { 2, 3, 6, 7, 8, 10 };
    char begin[40];
    ck_assert_int_gt (snprintf (begin, sizeof begin, "error: keywheel.ini:%d:",
                                line[i]), 0);
    ck_assert_msg (strncmp (kit.report[i], begin, strlen (begin)) == 0,
                   "%s in place of %s", kit.report[i], begin);
  }
  ck_assert_str_eq (error.message, "keywheel.ini:2: log_level = loud is not "
                    "known (allowed: error, warn, info, debug) (and 5 more "
                    "mistakes; \"keywheel check\" tells all of them)");
}
END_TEST

START_TEST (no_value_that_may_be_a_key_is_shown)
{
  static const char *const inis[] = {
    "[key p/k]\nkey = gsk_LEAK\n", "[key p/k]\nenv = sk-LEAK\n",
    "gsk_LEAK\n", "[provider p]\nbase_url = https://LEAK@h/\n",
    "[keywheel]\nstate = :LEAK@h/\n", "[keywheel]\nkey = LEAK\n",
    "[key p/k]\nenv = A\nenv = LEAK\n",
  };

  for (size_t i = 0; i < COUNT (inis); i++) {
    ck_assert_int_eq (load_bytes (inis[i], strlen (inis[i])),
                      KW_ERR_SETTINGS);
    ck_assert_msg (strstr (kit_all (), "LEAK") == NULL
                   && strstr (error.message, "LEAK") == NULL, "%s%s", inis[i],
                   kit_all ());
  }
}
END_TEST

/* Odd, but not wrong. */
static const struct one oddities[] = {
  { "[provider p]\nmodel = \"m\"\n",
    "2: the quotes are part of the value of model; write it without" },
  { "[provider p]\nbase_url = http://api.example.com\n",
    "2: base_url begins with http://, so keys and prompts go out readable for "
    "everybody on the way; use https://" },
  { "[provider p]\ninsecure_tls = yes\n",
    "2: insecure_tls = yes: the certificate of \"p\" is not verified, so anybody "
    "on the way can read its keys; for a certificate of your own use ca_file" },
  { "[keywheel]\nenv_file = gone.env\n",
    "2: env_file \"gone.env\" does not exist (gone.env); going on without it" },
  { "[provider groq]\n[key gorq/b]\nenv = B\n",
    "2: there is no [provider gorq]; did you mean \"groq\" (line 1)?" },
  { "[keywheel]\nprovider = gorq\n[provider groq]\n",
    "2: there is no [provider gorq]; did you mean \"groq\" (line 3)?" },
};

START_TEST (odd_things_are_warned_of)
{
  for (size_t i = 0; i < COUNT (oddities); i++) {
    char text[256];
    int r = load_bytes (oddities[i].ini, strlen (oddities[i].ini));
    ck_assert_msg (r == 0, "%s%s", oddities[i].ini, kit_all ());
    ck_assert_int_gt (snprintf (text, sizeof text, "warning: keywheel.ini:%s",
                                oddities[i].text), 0);
    kit_expect (text);
    kit_expect_count (1);
  }
}
END_TEST

static Suite *
mistakes_suite (void)
{
  Suite *s = suite_create ("mistakes");
  TCase *t = tcase_create ("mistakes");

  tcase_add_checked_fixture (t, kit_begin, kit_end);
  tcase_add_test (t, wrong_sections);
  tcase_add_test (t, wrong_failovers);
  tcase_add_test (t, wrong_gateways);
  tcase_add_test (t, wrong_lines);
  tcase_add_test (t, wrong_values_for_a_provider);
  tcase_add_test (t, wrong_values_in_general);
  tcase_add_test (t, wrong_values_for_a_key);
  tcase_add_test (t, a_key_comes_from_one_place);
  tcase_add_test (t, a_byte_of_nothing);
  tcase_add_test (t, every_mistake_is_told_in_order);
  tcase_add_test (t, no_value_that_may_be_a_key_is_shown);
  tcase_add_test (t, odd_things_are_warned_of);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (mistakes_suite)

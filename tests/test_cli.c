/* test_cli - keywheel(1) from end to end: the program as it was built, against
 * keywheel-sim.  Every run's output is searched for the keys' secrets. */
#include "kwtest.h"
#include "proc.h"
#include "simctl.h"

#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* The contract's JSON is tested on made-up facts, too; it needs no other file
 * of the program. */
#include "../cli/status-json.c"

#define PATIENCE_MS 60000       /* until a program that hangs is killed       */
#define ENV_MAX 24
#define ARGS_MAX 16

/* Every key of these tests begins so, and no output may hold it. */
#define SECRET "sk-secret-"

static char dir[64], ini[128], program[PATH_MAX], plugin_path[PATH_MAX + 64];
static const char *environment[ENV_MAX + 1];
static size_t n_environment;
static struct simctl *sim;
static struct proc_result got;

/* ---- The world of one test -------------------------------------------------- */

static void
set_env (const char *entry)
{
  ck_assert_uint_lt (n_environment, ENV_MAX);
  environment[n_environment++] = entry;
}

static const char *
vformat (const char *fmt, va_list ap)
{
  static char pool[16][2048];
  static size_t next;
  char *text = pool[next++ % 16];
  int n = vsnprintf (text, sizeof pool[0], fmt, ap);

  ck_assert (n >= 0 && (size_t) n < sizeof pool[0]);
  return text;
}

static const char *__attribute__ ((__format__ (__printf__, 1, 2)))
format (const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  const char *text = vformat (fmt, ap);
  va_end (ap);
  return text;
}

static const char *
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
static void __attribute__ ((__format__ (__printf__, 1, 2)))
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
static void
set_keys (void)
{
  set_env ("GROQ_API_KEY=" SECRET "a");
  set_env ("GROQ_API_KEY_BACKUP=" SECRET "b," SECRET "c");
}

static void
set_up (void)
{
  static const char *const unset[] = {
    "GROQ_API_KEY", "GROQ_API_KEY_BACKUP", "GROQ_API_KEY_2", "KEYWHEEL_BASE_URL",
    "KEYWHEEL_CONFIG", "POSIXLY_CORRECT", "http_proxy", "all_proxy",
    "XDG_CONFIG_HOME=/nonexistent"
  };
  char top[PATH_MAX];

  ck_assert_ptr_nonnull (realpath (kwtest_builddir (), top));
  ck_assert_int_lt (snprintf (program, sizeof program, "%s/keywheel", top),
                    (int) sizeof program);
  ck_assert_int_lt (snprintf (plugin_path, sizeof plugin_path,
                              "KEYWHEEL_PLUGIN_PATH=%s/plugins/.libs", top),
                    (int) sizeof plugin_path);
  memcpy (dir, "/tmp/kwcli-XXXXXX", sizeof "/tmp/kwcli-XXXXXX");
  ck_assert_ptr_nonnull (mkdtemp (dir));
  ck_assert_int_lt (snprintf (ini, sizeof ini, "KEYWHEEL_CONFIG=%s/keywheel.ini", dir),
                    (int) sizeof ini);
  for (size_t i = 0; i < sizeof unset / sizeof unset[0]; i++)
    set_env (unset[i]);
  set_env (plugin_path);
}

static int
remove_one (const char *path, const struct stat *st, int type, struct FTW *ftw)
{
  (void) st, (void) type, (void) ftw;
  return remove (path);
}

static void
tear_down (void)
{
  proc_result_clear (&got);
  simctl_stop (sim);
  (void) nftw (dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The usual world: a simulator that stands still in time, keys a, b and c, and
 * an INI.  a's organization has the limits given ("": none). */
static void
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

static void
check_no_secret (void)
{
  ck_assert_msg (memmem (got.out, got.out_len, SECRET, strlen (SECRET)) == NULL,
                 "a secret on stdout: %s", got.out);
  ck_assert_msg (memmem (got.err, got.err_len, SECRET, strlen (SECRET)) == NULL,
                 "a secret on stderr: %s", got.err);
}

static void
run_argv (const char *const argv[], const void *input, size_t len)
{
  proc_result_clear (&got);
  proc_run (&got, argv, environment, input, len, PATIENCE_MS);
  ck_assert_msg (!got.timed_out, "keywheel hung; it said: %s", got.err);
  check_no_secret ();
}

/* argv[1] and those after it. */
static void
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
static void __attribute__ ((__sentinel__))
run (const char *arg, ...)
{
  const char *argv[ARGS_MAX + 1];
  va_list ap;

  va_start (ap, arg);
  collect (argv, arg, ap);
  va_end (ap);
  run_argv (argv, NULL, 0);
}

static void __attribute__ ((__sentinel__))
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

static struct json_object *
member (struct json_object *object, const char *name)
{
  struct json_object *value = NULL;

  ck_assert_msg (json_object_object_get_ex (object, name, &value), "no \"%s\" in %s",
                 name, json_object_to_json_string (object));
  return value;
}

/* stdout as JSON, which it must be from end to end. */
static struct json_object *
printed_json (void)
{
  struct json_object *object = json_tokener_parse (got.out);

  ck_assert_msg (object != NULL, "no JSON: %s", got.out);
  return object;
}

/* ---- The words of the command line ------------------------------------------- */

static const struct {
  const char *args[6];
  const char *says;
} wrong_usage[] = {
  { { NULL }, "which command?" },
  { { "chta" }, "did you mean \"chat\"?" },
  { { "xyzzy" }, "there are chat, send, status, reset, check and plugins" },
  { { "help", "chta" }, "did you mean \"chat\"?" },
  { { "-c", "x", "chat" }, "options go behind it" },
  { { "serve" }, "not in this build" },
  { { "serve", "--listen", "x" }, "not in this build" },
  { { "chat", "--josn", "hi" }, "did you mean --json?" },
  { { "chat", "hi", "--josn" }, "did you mean --json?" },
  { { "chat", "--s", "hi" }, "--s may be --system or --stream" },
  { { "chat", "--live", "hi" }, "takes no --live" },
  { { "status", "-m", "x" }, "takes no -m (--model)" },
  { { "chat", "-q", "hi" }, "unknown option -q" },
  { { "chat", "-m" }, "--model wants a value: --model MODEL" },
  { { "chat", "--json=1", "hi" }, "--json takes no value" },
  { { "chat", "--config=", "hi" }, "--config is empty; it wants a FILE" },
  { { "chat", "" }, "the prompt is empty" },
  { { "chat" }, "the prompt is empty" },
  { { "send" }, "the body is empty" },
  { { "send", "a", "b" }, "\"b\" is the second" },
  { { "send", "--path", "embeddings", "x" }, "must begin with a slash" },
  { { "send", "/nonexistent/body" }, "cannot open /nonexistent/body: No such file" },
  { { "send", "/" }, "cannot read /: Is a directory" },
  { { "status", "groq" }, "it takes options only" },
  { { "chat", "-c", "/nonexistent/x.ini", "hi" }, "/nonexistent/x.ini" },
};

START_TEST (wrong_usage_is_told_and_ends_with_2)
{
  const char *argv[8] = { program };

  memcpy (argv + 1, wrong_usage[_i].args, sizeof wrong_usage[_i].args);
  run_argv (argv, NULL, 0);
  ENDS_WITH (2);
  SAYS (wrong_usage[_i].says);
  ck_assert_int_eq (strncmp (got.err, "keywheel: ", 10), 0);
  PRINTS ("");
}
END_TEST

static const char *const commands[] = {
  "chat", "send", "status", "reset", "check", "plugins"
};

START_TEST (every_command_has_help_and_version)
{
  const char *usage = format ("usage: keywheel %s [OPTION...]", commands[_i]);

  run (commands[_i], "--help", NULL);
  ENDS_WITH (0);
  PRINTS_SOME (usage);
  run (commands[_i], "-h", "x", NULL);
  ENDS_WITH (0);
  run ("help", commands[_i], NULL);
  ENDS_WITH (0);
  PRINTS_SOME (usage);
  run (commands[_i], "--version", NULL);
  ENDS_WITH (0);
  PRINTS (format ("keywheel %s\n", kw_version ()));
  run ("--help", NULL);
  PRINTS_SOME (commands[_i]);
}
END_TEST

static const struct {
  const char *bytes;
  size_t len;
  size_t offset;
} no_text[] = {
  { "a\xff", 2, 1 },
  { "\xc0\xaf", 2, 0 },                 /* overlong                        */
  { "ok \xe0\x9f\xbf", 6, 3 },          /* overlong                        */
  { "ab\xed\xa0\x80", 5, 2 },           /* a surrogate                     */
  { "\xf4\x90\x80\x80", 4, 0 },         /* past U+10FFFF                   */
  { "z\xe2\x82", 3, 1 },                /* cut short                       */
  { "a\0b", 3, 1 },
};

START_TEST (a_prompt_that_is_no_text_is_refused_with_the_offset)
{
  three_keys ("");
  run_input (no_text[_i].bytes, no_text[_i].len, "chat", "-", NULL);
  ENDS_WITH (2);
  SAYS (format ("at offset %zu", no_text[_i].offset));
  PRINTS ("");
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 0);
}
END_TEST

/* ---- chat ---------------------------------------------------------------------- */

#define REPLY_OF(key, prompt) "Hello from keywheel-sim (key " key "): " prompt "\n"

START_TEST (the_next_key_answers_when_the_first_has_no_tokens_left_today)
{
  /* A hundred tokens a request and a bit: the second one is too many. */
  sim = simctl_startl ("--clock", "manual", "--reply-tokens", "100",
                       "--key", SECRET "a,name=a,tpd=150", "--key", SECRET "b,name=b",
                       "--key", SECRET "c,name=c", NULL);
  set_keys ();
  if (_i == 0) {
    write_ini ("%s", "");
    set_env (ini);
  } else {
    set_env (format ("KEYWHEEL_BASE_URL=%s", simctl_base_url (sim)));
  }
  run ("chat", "-v", "hi", NULL);
  ENDS_WITH (0);
  PRINTS (REPLY_OF ("a", "hi"));
  run ("chat", "-v", "hi", NULL);
  ENDS_WITH (0);
  PRINTS (REPLY_OF ("b", "hi"));
  SAYS ("switching from \"primary\" to \"backup-1\"");
  SAYS ("tokens_per_day");
  SAYS ("served by backup-1: 2 attempts, 1 switch");
  ck_assert_uint_eq (simctl_count (sim, "a", "tpd"), 1);
}
END_TEST

START_TEST (without_v_a_switch_goes_unseen)
{
  three_keys (",rpd=1");
  run ("chat", "one", NULL);
  run ("chat", "two", "words", NULL);
  ENDS_WITH (0);
  PRINTS (REPLY_OF ("b", "two words"));
  ck_assert_str_eq (got.err, "");
}
END_TEST

START_TEST (the_prompt_comes_from_words_or_from_stdin)
{
  three_keys ("");
  run ("chat", "--", "-v", "--json", NULL);
  PRINTS (REPLY_OF ("a", "-v --json"));
  run_input ("from\nstdin\n", 11, "chat", NULL);
  PRINTS (REPLY_OF ("a", "from\nstdin"));
  run_input ("from stdin\n", 11, "chat", "--no-stream", "-", NULL);
  PRINTS (REPLY_OF ("a", "from stdin"));
  run_input ("not read", 8, "chat", "words", "-", NULL);
  PRINTS (REPLY_OF ("a", "words -"));
  run ("chat", "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xe0\xa0\x80", NULL);
  ENDS_WITH (0);
  PRINTS (REPLY_OF ("a", "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xe0\xa0\x80"));
}
END_TEST

START_TEST (json_is_the_whole_answer)
{
  struct json_object *answer;

  three_keys ("");
  run ("chat", "--json", "-m", "some/model", "-s", "be brief", "hi", NULL);
  ENDS_WITH (0);
  answer = printed_json ();
  ck_assert_str_eq (json_object_get_string (member (answer, "object")),
                    "chat.completion");
  ck_assert_str_eq (json_object_get_string (member (answer, "model")), "some/model");
  ck_assert_int_eq (got.out[got.out_len - 1], '\n');
  json_object_put (answer);
}
END_TEST

START_TEST (a_stream_is_asked_for_with_stream)
{
  struct simctl_log log;

  three_keys ("");
  run ("chat", "a", "b", "c", NULL);            /* stdout is no terminal  */
  run ("chat", "--no-stream", "--stream", "a", "b", "c", NULL);
  ENDS_WITH (0);
  PRINTS (REPLY_OF ("a", "a b c"));
  run ("chat", "--stream", "--json", "x", NULL);
  ENDS_WITH (0);
  ck_assert_int_eq (strncmp (got.out, "data: {", 7), 0);
  PRINTS_SOME ("data: [DONE]\n");
  simctl_read_log (sim, &log);
  ck_assert_uint_eq (log.count, 3);
  ck_assert_int_eq (log.entries[0].stream, 0);
  ck_assert_int_eq (log.entries[1].stream, 1);
  ck_assert_int_eq (log.entries[2].stream, 1);
  simctl_log_clear (&log);
}
END_TEST

START_TEST (a_stream_that_breaks_leaves_what_came_and_ends_with_7)
{
  three_keys ("");
  simctl_fault (sim, "sse-break=3");
  run ("chat", "--stream", "hi", NULL);
  ENDS_WITH (7);
  PRINTS ("Hello from\n");
  SAYS ("broke");
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 1);
}
END_TEST

/* ---- send ------------------------------------------------------------------------ */

START_TEST (send_changes_no_byte_in_either_direction)
{
  static const char body[] = "{ \"messages\" : [ {\"role\":\"user\", "
                             "\"content\":\"\\u0068i\"}],\n\t\"model\":\"m\" }\n\n";
  struct simctl_reply direct;
  struct simctl_log log;
  const char *path = write_file ("body.json", body, sizeof body - 1);
  char *id, *same;

  three_keys ("");
  simctl_call (sim, "POST", "/v1/chat/completions", SECRET "a", body, &direct);
  run ("send", path, NULL);
  ENDS_WITH (0);
  /* The answers differ in their serial numbers alone. */
  ck_assert_uint_eq (got.out_len, direct.body_len);
  id = strstr (got.out, "\"id\"");
  same = strstr (got.out, "\"choices\"");
  ck_assert (id != NULL && same != NULL && id < same);
  ck_assert_int_eq (got.out[got.out_len - 1], direct.body[direct.body_len - 1]);
  ck_assert_ptr_nonnull (strstr (direct.body, "\"choices\""));
  ck_assert_int_eq (strncmp (same, strstr (direct.body, "\"choices\""),
                             strcspn (same, "]")), 0);
  run_input (body, sizeof body - 1, "send", NULL);
  ENDS_WITH (0);
  simctl_read_log (sim, &log);
  ck_assert_uint_eq (log.count, 3);
  for (size_t i = 0; i < log.count; i++)
    ck_assert_int_eq (log.entries[i].bytes, sizeof body - 1);
  simctl_log_clear (&log);
  simctl_reply_clear (&direct);
}
END_TEST

START_TEST (send_reaches_other_endpoints)
{
  static const char body[] = "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}";
  struct json_object *answer;
  struct simctl_log log;

  three_keys ("");
  run_input (body, sizeof body - 1, "send", "--path", "/embeddings", "-", NULL);
  ENDS_WITH (0);
  answer = printed_json ();
  ck_assert_uint_eq (json_object_array_length (member (answer, "data")), 2);
  json_object_put (answer);
  simctl_read_log (sim, &log);
  ck_assert_uint_eq (log.count, 1);
  ck_assert_str_eq (log.entries[0].path, "/v1/embeddings");
  simctl_log_clear (&log);
}
END_TEST

START_TEST (send_prints_a_stream_as_it_comes)
{
  static const char body[] = "{\"model\":\"m\",\"stream\":true,\"messages\":"
                             "[{\"role\":\"user\",\"content\":\"hi\"}]}";

  three_keys ("");
  run_input (body, sizeof body - 1, "send", NULL);
  ENDS_WITH (0);
  ck_assert_int_eq (strncmp (got.out, "data: {", 7), 0);
  ck_assert_str_eq (got.out + got.out_len - 14, "data: [DONE]\n\n");
}
END_TEST

static const char *const broken[] = {
  "{", "{\"model\":\"m\"", "hello", "[1,2]", "{} {}", "{\"a\":\"\xff\"}", "\n"
};

START_TEST (send_refuses_broken_json_before_anything_is_sent)
{
  three_keys ("");
  run_input (broken[_i], strlen (broken[_i]), "send", NULL);
  ENDS_WITH (2);
  SAYS ("JSON");
  PRINTS ("");
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 0);
}
END_TEST

START_TEST (a_body_of_20_mb_is_sent)
{
  static const char head[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                             "\"content\":\"";
  static const char tail[] = "\"}]}";
  const size_t len = (size_t) 20 * 1000 * 1000;
  char *body = malloc (len);
  struct simctl_log log;

  ck_assert_ptr_nonnull (body);
  memset (body, 'x', len);
  memcpy (body, head, sizeof head - 1);
  memcpy (body + len - (sizeof tail - 1), tail, sizeof tail - 1);
  three_keys ("");
  run_input (body, len, "send", NULL);
  free (body);
  ENDS_WITH (0);
  simctl_read_log (sim, &log);
  ck_assert_uint_eq (log.count, 1);
  ck_assert_int_eq (log.entries[0].bytes, (int64_t) len);
  simctl_log_clear (&log);
}
END_TEST

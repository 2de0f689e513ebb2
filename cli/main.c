/* main - keywheel(1): the process.  Its standard descriptors, its signals, its
 * stdout, and which command runs.  Knows nothing of what the commands do. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cli.h"

/* What a signal handler can reach has to be global; nothing else here is. */
static _Atomic (kw_client *) active;
static volatile sig_atomic_t interrupted;
static volatile sig_atomic_t writing;
static int out_failed;

/* With a call in progress: end it, the command tells and cleans up.  With none
 * (stdin is being read, the configuration, a key's command) or with stdout
 * stuck there is nothing to save, and leaving here is what "at once" means. */
static void
on_signal (int sig)
{
  static const char text[] = "keywheel: interrupted\n";
  int saved = errno;
  kw_client *client = atomic_load (&active);

  (void) sig;
  if (client == NULL || writing) {
    ssize_t ignored = write (STDERR_FILENO, text, sizeof text - 1);
    (void) ignored;
    _exit (CLI_INTERRUPTED);
  }
  interrupted = 1;
  kw_client_cancel (client);
  errno = saved;
}

static void
set_signals (void)
{
  static const int signals[] = { SIGINT, SIGTERM };
  struct sigaction action, before;

  memset (&action, 0, sizeof action);
  sigemptyset (&action.sa_mask);
  action.sa_handler = SIG_IGN;
  (void) sigaction (SIGPIPE, &action, NULL);    /* a failed write tells it */

  action.sa_handler = on_signal;
  action.sa_flags = (int) SA_RESETHAND; /* the second one kills         */
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
    /* A shell's background job has SIGINT ignored, and is to stay so. */
    if (sigaction (signals[i], NULL, &before) == 0
        && before.sa_handler != SIG_IGN)
      (void) sigaction (signals[i], &action, NULL);
  }
}

/* A closed standard descriptor would be given to the next socket or file,
 * and the reply be written into that.  The stand-ins fail when used the way
 * the descriptor is meant.  Returns 0 if stdout was open. */
static int
fill_descriptors (void)
{
  static const int flags[] = { O_WRONLY, O_RDONLY, O_RDWR };
  int closed_stdout = 0;

  for (int fd = 0; fd <= 2; fd++) {
    if (fcntl (fd, F_GETFD) != -1)
      continue;
    if (fd == STDOUT_FILENO)
      closed_stdout = -1;
    /* The lowest free number is fd, those below being open by now. */
    if (open ("/dev/null", flags[fd]) != fd)
      return -1;
  }
  return closed_stdout;
}

int
cli_out (const void *data, size_t len)
{
  const char *p = data;

  if (out_failed)
    return -1;
  writing = 1;
  if (interrupted) {
    /* The signal came when no call was there to end. */
    writing = 0;
    return -1;
  }
  while (len > 0) {
    ssize_t n = write (STDOUT_FILENO, p, len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      out_failed = 1;
      cli_say ("cannot write to stdout: %s", strerror (errno));
      break;
    }
    p += n;
    len -= (size_t) n;
  }
  writing = 0;
  return out_failed ? -1 : 0;
}

int
cli_out_last (const void *data, size_t len)
{
  const sig_atomic_t was = interrupted;
  int r;

  interrupted = 0;
  r = cli_out (data, len);
  interrupted = was;
  return r;
}

int
cli_interrupted (void)
{
  return interrupted;
}

int
cli_out_failed (void)
{
  return out_failed;
}

int
cli_out_json (struct json_object *object)
{
  const char *text;

  if (object == NULL) {
    cli_say ("out of memory");
    return -1;
  }
  text = json_object_to_json_string_ext (object, JSON_C_TO_STRING_PRETTY
                                         | JSON_C_TO_STRING_SPACED
                                         | JSON_C_TO_STRING_NOSLASHESCAPE);
  if (text == NULL || cli_out (text, strlen (text)) != 0)
    return -1;
  return cli_out ("\n", 1);
}

int
cli_open_quietly (const struct cli_options *options, kw_client **ret)
{
  struct kw_error err = KW_ERROR_INIT;
  kw_options how = KW_OPTIONS_INIT;
  kw_client *client;

  how.config = options->config;
  how.state = "sqlite";
  client = kw_client_open_with (&how, &err);
  if (client == NULL)
    return cli_fail (options, err.code, &err);
  *ret = client;
  return CLI_OK;
}

int
cli_open_client (const struct cli_options *options, kw_client **ret)
{
  kw_client *client;
  int r = cli_open_quietly (options, &client);

  if (r != CLI_OK)
    return r;
  if (cli_level (options, client) >= 1)
    (void) cli_tell_warnings (client);
  *ret = client;
  return CLI_OK;
}

int
cli_open (const struct cli_options *options, kw_client **ret)
{
  int r = cli_open_client (options, ret);

  if (r == CLI_OK)
    cli_begin (options, *ret);
  return r;
}

void
cli_begin (const struct cli_options *options, kw_client *client)
{
  cli_observe (options, client);
  atomic_store (&active, client);
}

void
cli_close (kw_client *client)
{
  atomic_store (&active, NULL);
  kw_client_close (client);
}

static void
print_version (void)
{
  char text[64];
  int n = snprintf (text, sizeof text, "keywheel %s\n", kw_version ());

  if (n > 0 && (size_t) n < sizeof text)
    (void) cli_out (text, (size_t) n);
}

static int
option_first (const char *word)
{
  static const char *const own[] = { "version", "help" };
  const char *near = NULL;

  if (strncmp (word, "--", 2) == 0)
    near = cli_nearest (word + 2, own, sizeof own / sizeof own[0]);
  if (near != NULL)
    return cli_usage (NULL, "there is no option \"%s\"; did you mean --%s?", word,
                      near);
  return cli_usage (NULL, "\"%s\" stands before the command; options go behind it: "
                    "keywheel chat %s ...", word, word);
}

/* What stands where the command should: an option, or help. */
static int
no_command (int argc, char **argv)
{
  const char *word = argc > 1 ? argv[1] : NULL;
  const struct cli_command *about;

  if (word == NULL)
    return cli_usage (NULL, "which command?  chat, send, serve, token, status, reset, "
                      "check or plugins");
  if (strcmp (word, "--version") == 0) {
    print_version ();
    return CLI_OK;
  }
  if (strcmp (word, "help") == 0 || strcmp (word, "--help") == 0
      || strcmp (word, "-h") == 0) {
    about = NULL;
    if (argc > 2 && (about = cli_find_command (argv[2])) == NULL)
      return cli_unknown_command (argv[2]);
    cli_help (about);
    return CLI_OK;
  }
  if (word[0] == '-')
    return option_first (word);
  return cli_unknown_command (word);
}

static int
run (int argc, char **argv)
{
  struct cli_options options;
  const struct cli_command *command = argc > 1 ? cli_find_command (argv[1]) : NULL;
  int r;

  if (command == NULL)
    return no_command (argc, argv);
  r = cli_parse (command, argc - 1, argv + 1, &options);
  if (r != CLI_OK)
    return r;
  if (options.help) {
    cli_help (command);
    return CLI_OK;
  }
  if (options.version) {
    print_version ();
    return CLI_OK;
  }
  return command->run (&options);
}

int
main (int argc, char **argv)
{
  int r;

  if (fill_descriptors () != 0) {
    /* Said before anything is sent: a reply is paid for. */
    cli_say ("stdout is closed: there is nowhere to write a reply to");
    return CLI_INTERNAL;
  }
  set_signals ();
  r = run (argc, argv);
  if (interrupted)
    return CLI_INTERRUPTED;
  return out_failed ? CLI_INTERNAL : r;
}

/* check - keywheel check: every mistake in the configuration, and with --live
 * whether each key works. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

static void __attribute__ ((__format__ (__printf__, 1, 2)))
print (const char *fmt, ...)
{
  char line[2048];
  va_list ap;
  int n;

  va_start (ap, fmt);
  n = vsnprintf (line, sizeof line, fmt, ap);
  va_end (ap);
  if (n < 0)
    return;
  if ((size_t) n >= sizeof line)
    n = (int) sizeof line - 1;
  (void) cli_out (line, (size_t) n);
}

static const char *
plural (size_t n)
{
  return n == 1 ? "" : "s";
}

/* ---- The configuration ------------------------------------------------------ */

struct tally {
  size_t errors, warnings;
  char **told;                  /* the warnings */
};

static void
forget (struct tally *tally)
{
  for (size_t i = 0; i < tally->warnings; i++)
    free (tally->told[i]);
  free (tally->told);
}

static int
was_told (const struct tally *tally, const char *text)
{
  for (size_t i = 0; i < tally->warnings; i++)
    if (tally->told[i] != NULL && strcmp (tally->told[i], text) == 0)
      return 1;
  return 0;
}

static void
report (void *user, int severity, const char *text)
{
  struct tally *tally = user;
  char **more;

  if (severity == 0) {
    tally->errors++;
    cli_say ("%s", text);
    return;
  }
  cli_say ("warning: %s", text);
  more = realloc (tally->told, (tally->warnings + 1) * sizeof (char *));
  if (more == NULL)
    return;
  tally->told = more;
  more[tally->warnings++] = strdup (text);
}

/* Tells of everything that is wrong or odd. */
static int
tell_mistakes (const struct cli_options *options, struct tally *tally)
{
  (void) kw_check (options->config, report, tally);
  if (tally->errors == 0)       /* if it could not look, opening says why  */
    return CLI_OK;
  cli_say ("%s: %zu mistake%s, %zu warning%s",
           options->config != NULL ? options->config : "the configuration",
           tally->errors, plural (tally->errors), tally->warnings,
           plural (tally->warnings));
  return CLI_USAGE;
}

/* What is odd only with the state that the program has by default. */
static void
tell_more (const kw_client *client, struct tally *tally)
{
  const char *text;

  for (size_t i = 0; (text = kw_client_warning (client, i)) != NULL; i++)
    if (!was_told (tally, text))
      report (tally, 1, text);
}

/* "keywheel.ini: fine: 1 provider, 3 keys" */
static int
summary (const struct cli_options *options, kw_client *client, size_t warnings)
{
  const char *path = kw_client_config_path (client);
  size_t providers = 0, keys = 0;
  const char *provider;

  for (; (provider = cli_provider (options, client, providers)) != NULL; providers++) {
    kw_status_info *status;
    int r = cli_get_status (client, provider, &status);
    if (r != CLI_OK)
      return r;
    keys += status->total_keys;
    kw_status_free (status);
  }
  print ("%s: fine: %zu provider%s, %zu key%s",
         path != NULL ? path : "no configuration file, the environment alone",
         providers, plural (providers), keys, plural (keys));
  if (warnings > 0)
    print (", %zu warning%s", warnings, plural (warnings));
  print ("\nstate: %s\n", kw_client_state (client));
  return CLI_OK;
}

/* ---- The keys, live ---------------------------------------------------------- */

struct live {
  size_t tried, failed;
  int first;                    /* the exit code of the first that failed */
  int stop;
};

static void
try_keys (const struct cli_options *options, kw_client *client,
          const kw_status_info *status, struct live *live)
{
  for (size_t i = 0; i < status->total_keys && !live->stop; i++) {
    struct kw_error err = KW_ERROR_INIT;
    const char *name = status->keys[i].name;
    int r = kw_probe (client, status->provider, name, &err);

    live->tried++;
    if (r == 0) {
      print ("%s/%s: works\n", status->provider, name);
      continue;
    }
    live->failed++;
    live->stop = r == KW_ERR_CANCELLED;
    if (live->first == CLI_OK || live->stop)
      live->first = kw_error_exit_code (r);
    if (live->stop) {
      (void) cli_fail (options, r, &err);
      return;
    }
    print ("%s/%s: does not work: %s\n", status->provider, name,
           err.message[0] != '\0' ? err.message : kw_error_name (r));
  }
}

static int
check_live (const struct cli_options *options, kw_client *client)
{
  struct live live = { 0, 0, CLI_OK, 0 };
  const char *provider;

  for (size_t i = 0;
       !live.stop && (provider = cli_provider (options, client, i)) != NULL; i++) {
    kw_status_info *status;
    int r = cli_get_status (client, provider, &status);
    if (r != CLI_OK)
      return r;
    try_keys (options, client, status, &live);
    kw_status_free (status);
    if (live.stop)
      break;
    /* Asked again: the answers have told whose the keys are. */
    r = cli_get_status (client, provider, &status);
    if (r != CLI_OK)
      return r;
    cli_tell_accounts (status);
    kw_status_free (status);
  }
  if (live.failed > 0 && !live.stop)
    cli_say ("%zu of %zu key%s %s not work", live.failed, live.tried,
             plural (live.tried), live.failed == 1 ? "does" : "do");
  return live.first;
}

/* ---- The command ------------------------------------------------------------- */

/* What is read twice must be there twice. */
static int
refuse_pipe (const struct cli_options *options)
{
  const char *path = options->config != NULL ? options->config
                     : getenv ("KEYWHEEL_CONFIG");
  struct stat st;

  if (path == NULL || stat (path, &st) != 0 || !S_ISFIFO (st.st_mode))
    return CLI_OK;
  return cli_usage ("check", "it reads the configuration twice, and %s is a pipe; "
                    "give it a file", path);
}

int
cli_check (const struct cli_options *options)
{
  kw_client *client;
  struct tally tally = { 0, 0, NULL };
  int r = refuse_pipe (options);

  /* Before it is opened: a key's command may ask somebody, and where one fails
   * nobody is to be asked a second time. */
  if (r == CLI_OK)
    r = tell_mistakes (options, &tally);
  if (r == CLI_OK)
    r = cli_open_quietly (options, &client);
  if (r == CLI_OK) {
    tell_more (client, &tally);
    cli_begin (options, client);
    r = summary (options, client, tally.warnings);
    if (r == CLI_OK && options->live)
      r = check_live (options, client);
    cli_close (client);
  }
  forget (&tally);
  return r;
}

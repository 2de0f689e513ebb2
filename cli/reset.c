/* reset - keywheel reset: forget that keys are exhausted. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

/* The provider and the name that "NAME" or "PROVIDER/NAME" means.  A key's name
 * holds no slash: it is the second half of a [key PROVIDER/NAME]. */
static int
split (const struct cli_options *options, const char *word, char *provider,
       size_t size, const char **ret_provider, const char **ret_name)
{
  const char *slash = strchr (word, '/');
  size_t len;

  *ret_provider = options->provider;
  *ret_name = word;
  if (slash == NULL)
    return CLI_OK;
  len = (size_t) (slash - word);
  if (len == 0 || len >= size)
    return cli_usage ("reset", "\"%s\" is no key; it must be NAME or PROVIDER/NAME",
                      word);
  memcpy (provider, word, len);
  provider[len] = '\0';
  if (options->provider != NULL && strcmp (provider, options->provider) != 0)
    return cli_usage ("reset", "\"%s\" is not of -p %s", word, options->provider);
  *ret_provider = provider;
  *ret_name = slash + 1;
  return CLI_OK;
}

static int
no_such_key (const kw_status_info *status, const char *name)
{
  const char *words[64];
  const char *near;
  size_t n = 0;

  while (n < sizeof words / sizeof words[0] && n < status->total_keys) {
    words[n] = status->keys[n].name;
    n++;
  }
  near = cli_nearest (name, words, n);
  if (near != NULL)
    return cli_usage ("reset", "%s has no key \"%s\"; did you mean \"%s\"?",
                      status->provider, name, near);
  return cli_usage ("reset", "%s has no key \"%s\"; keywheel status lists its %zu",
                    status->provider, name, status->total_keys);
}

/* Finds the key that word means; with reset set, resets it and says so. */
static int
one (const struct cli_options *options, kw_client *client, const char *word, int reset)
{
  char buf[KW_NAME_MAX], line[256];
  const char *provider, *name;
  kw_status_info *status;
  size_t i = 0;
  int r = split (options, word, buf, sizeof buf, &provider, &name);
  int n;

  if (r != CLI_OK)
    return r;
  r = cli_get_status (client, provider, &status);
  if (r != CLI_OK)
    return r;
  while (i < status->total_keys && strcmp (status->keys[i].name, name) != 0)
    i++;
  if (i == status->total_keys) {
    r = no_such_key (status, name);
  } else if (reset && kw_reset (client, provider, name) != 0) {
    cli_say ("%s could not be reset", word);
    r = CLI_INTERNAL;
  } else if (reset) {
    n = snprintf (line, sizeof line, "%s/%s: reset, was %s\n", status->provider, name,
                  status->keys[i].state);
    if (n > 0 && (size_t) n < sizeof line)
      (void) cli_out (line, (size_t) n);
  }
  kw_status_free (status);
  return r;
}

static int
all (kw_client *client, const char *provider)
{
  kw_status_info *status;
  char line[256];
  int r = cli_get_status (client, provider, &status);
  int n;

  if (r != CLI_OK)
    return r;
  r = kw_reset (client, provider, NULL);
  if (r != 0) {
    cli_say ("%s could not be reset: %s", provider, kw_error_name (r));
    r = CLI_INTERNAL;
  } else {
    n = snprintf (line, sizeof line, "%s: reset %zu key%s, of which %zu %s exhausted\n",
                  status->provider, status->total_keys,
                  status->total_keys == 1 ? "" : "s", status->exhausted_keys,
                  status->exhausted_keys == 1 ? "was" : "were");
    if (n > 0 && (size_t) n < sizeof line)
      (void) cli_out (line, (size_t) n);
  }
  kw_status_free (status);
  return r;
}

static int
reset (const struct cli_options *options, kw_client *client)
{
  const char *provider;
  int r = CLI_OK;

  /* All names are looked at before the first key is touched. */
  for (int pass = 0; pass < 2; pass++)
    for (size_t i = 0; r == CLI_OK && i < options->n_args; i++)
      r = one (options, client, options->args[i], pass);
  if (options->n_args > 0)
    return r;
  for (size_t i = 0;
       r == CLI_OK && (provider = cli_provider (options, client, i)) != NULL; i++)
    r = all (client, provider);
  return r;
}

/* A reset that stays in this process is none. */
static int
share (const struct cli_options *options, kw_client *client)
{
  struct kw_error err = KW_ERROR_INIT;
  int code = kw_sync (client, &err);

  if (code != 0)
    return cli_fail (options, code, &err);
  if (strcmp (kw_client_state (client), "memory") == 0)
    cli_say ("note: state = memory, so other running processes are not reached");
  return CLI_OK;
}

int
cli_reset (const struct cli_options *options)
{
  kw_client *client;
  int r = cli_open (options, &client);

  if (r != CLI_OK)
    return r;
  r = reset (options, client);
  if (r == CLI_OK)
    r = share (options, client);
  cli_close (client);
  return r;
}

/* status - keywheel status: the keys, what is known of their limits, and when
 * they come back, as a table for people.  The JSON is status-json.c's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cli.h"

/* ---- Asking ---------------------------------------------------------------- */

const char *
cli_provider (const struct cli_options *options, const kw_client *client, size_t i)
{
  if (options->provider != NULL)
    return i == 0 ? options->provider : NULL;
  return kw_client_provider (client, i);
}

/* name NULL: none was named, and there is no default one among several. */
static int
no_such_provider (kw_client *client, const char *name)
{
  const char *words[32];
  const char *near, *word;
  char list[512] = "";
  size_t n = 0, used = 0;

  while (n < sizeof words / sizeof words[0]
         && (word = kw_client_provider (client, n)) != NULL) {
    int r = snprintf (list + used, sizeof list - used, "%s%s", n > 0 ? ", " : "",
                      word);
    words[n++] = word;
    if (r < 0 || (size_t) r >= sizeof list - used)
      break;
    used += (size_t) r;
  }
  if (name == NULL) {
    cli_say ("the environment has keys of several providers and no configuration says "
             "which is the default; name one with -p: %s", list);
    return CLI_USAGE;
  }
  near = cli_nearest (name, words, n);
  if (near != NULL)
    cli_say ("there is no provider \"%s\"; did you mean \"%s\"?  There is: %s", name,
             near, list);
  else
    cli_say ("there is no provider \"%s\"; there is: %s", name, list);
  return CLI_USAGE;
}

int
cli_get_status (kw_client *client, const char *provider, kw_status_info **ret)
{
  int r = kw_status (client, provider, ret);

  if (r == 0)
    return CLI_OK;
  if (r == KW_ERR_USAGE)
    return no_such_provider (client, provider);
  cli_say ("no status of %s: %s", provider != NULL ? provider : "the default provider",
           kw_error_name (r));
  return kw_error_exit_code (r);
}

/* ---- The table ------------------------------------------------------------- */

static const char *const titles[CLI_COLUMNS] = {
  "KEY", "STATE", "COMES BACK", "LIMIT", "REQUESTS", "TOKENS", "FINGERPRINT", "ACCOUNT"
};

static void
fill_key (struct cli_row *row, const kw_key_info *key)
{
  cli_fill (row, 0, "%s", key->name);
  cli_fill (row, 1, "%s", key->state);
  cli_fill (row, 4, "%llu", (unsigned long long) key->requests);
  cli_fill (row, 5, "%llu", (unsigned long long) key->tokens);
  cli_fill (row, 6, "%s", key->fingerprint);
  cli_fill (row, 7, "%s", key->account);
}

static void
fill_limit (struct cli_row *row, const kw_limit_info *limit)
{
  char in[32], at[40], number[32] = "";

  if (limit->until_ms > 0 && limit->in_ms >= 0)
    cli_fill (row, 2, "in %s, %s", cli_duration (limit->in_ms, in, sizeof in),
          cli_time (limit->until_ms, at, sizeof at));
  else
    cli_fill (row, 2, "not known");
  if (limit->limit >= 0
      && snprintf (number, sizeof number, " %lld", (long long) limit->limit) < 0)
    number[0] = '\0';
  cli_fill (row, 3, "%s%s, %s%s",
        limit->dimension[0] != '\0' ? limit->dimension
        : kw_verdict_name (limit->verdict),
        number, limit->model[0] != '\0' ? limit->model : "every model",
        limit->account_wide ? ", whole account" : "");
}

/* A row a limit, the key's own cells in the first of them. */
static struct cli_row *
make_rows (const kw_status_info *status, size_t *ret_n)
{
  struct cli_row *rows;
  size_t n = 1, at = 0;

  for (size_t i = 0; i < status->total_keys; i++)
    n += status->keys[i].n_limits > 0 ? status->keys[i].n_limits : 1;
  rows = calloc (n, sizeof *rows);
  if (rows == NULL)
    return NULL;
  for (int c = 0; c < CLI_COLUMNS; c++)
    cli_fill (&rows[at], c, "%s", titles[c]);
  at++;
  for (size_t i = 0; i < status->total_keys; i++) {
    const kw_key_info *key = &status->keys[i];
    fill_key (&rows[at], key);
    for (size_t l = 0; l < key->n_limits; l++)
      fill_limit (&rows[at + l], &key->limits[l]);
    at += key->n_limits > 0 ? key->n_limits : 1;
  }
  *ret_n = n;
  return rows;
}

static void
print_head (FILE *f, const kw_status_info *status)
{
  char text[40], at[40];

  fprintf (f, "%s: %zu of %zu key%s available, %zu exhausted\n", status->provider,
           status->available_keys, status->total_keys,
           status->total_keys == 1 ? "" : "s", status->exhausted_keys);
  fprintf (f, "  plugin %s, %s, model %s\n", status->plugin, status->base_url,
           status->model[0] != '\0' ? status->model : "not set");
  if (status->available_keys > 0 && status->current_key_index < status->total_keys)
    fprintf (f, "  the next request begins with %s\n",
             status->keys[status->current_key_index].name);
  else if (status->next_ready_ms > status->now_ms)
    fprintf (f, "  the next key comes back in %s, %s\n",
             cli_duration (status->next_ready_ms - status->now_ms, text, sizeof text),
             cli_time (status->next_ready_ms, at, sizeof at));
}

static int
print_table (FILE *f, const kw_status_info *status)
{
  size_t n = 0;
  struct cli_row *rows = make_rows (status, &n);

  if (rows == NULL)
    return CLI_INTERNAL;
  print_head (f, status);
  cli_print_rows (f, rows, n);
  free (rows);
  return CLI_OK;
}

static void
print_accounts (FILE *f, const kw_status_info *status)
{
  for (size_t i = 0; i < status->n_accounts; i++) {
    const kw_account_info *account = &status->accounts[i];
    for (size_t k = 0; k < account->n_keys; k++)
      fprintf (f, "%s%s", k == 0 ? "" : k + 1 == account->n_keys ? " and " : ", ",
               status->keys[account->keys[k]].name);
    fprintf (f, " are one account: %zu keys, 1 allowance\n", account->n_keys);
  }
}

/* Prints what write puts into a text of its own, all of it or nothing. */
static int
print_text (int (*print) (const struct cli_options *, kw_client *, FILE *, const void *),
            const struct cli_options *options, kw_client *client, const void *arg)
{
  char *text = NULL;
  size_t len = 0;
  FILE *f = open_memstream (&text, &len);
  int r = f != NULL ? print (options, client, f, arg) : CLI_INTERNAL;

  if (f == NULL || fclose (f) != 0) {
    cli_say ("out of memory");
    r = CLI_INTERNAL;
  }
  else if (len > 0)
    (void) cli_out (text, len);
  free (text);
  return r;
}

static int
accounts_text (const struct cli_options *options, kw_client *client, FILE *f,
               const void *status)
{
  (void) options, (void) client;
  print_accounts (f, status);
  return CLI_OK;
}

void
cli_tell_accounts (const kw_status_info *status)
{
  (void) print_text (accounts_text, NULL, NULL, status);
}

/* ---- The command ------------------------------------------------------------ */

static int
status_as_json (const struct cli_options *options, kw_client *client)
{
  kw_status_info *status;
  struct json_object *object;
  int r = cli_get_status (client, options->provider, &status);

  if (r != CLI_OK)
    return r;
  object = cli_status_json (status, kw_status_waiting (status), kw_status_bucket,
                            kw_client_state (client));
  if (cli_out_json (object) != 0)
    r = CLI_INTERNAL;
  json_object_put (object);
  kw_status_free (status);
  return r;
}

int
cli_write_status (const struct cli_options *options, kw_client *client, FILE *f)
{
  const char *provider;
  int r = CLI_OK;

  for (size_t i = 0;
       r == CLI_OK && (provider = cli_provider (options, client, i)) != NULL; i++) {
    kw_status_info *status;
    r = cli_get_status (client, provider, &status);
    if (r != CLI_OK)
      break;
    if (i > 0)
      fputc ('\n', f);
    r = print_table (f, status);
    print_accounts (f, status);
    if (r == CLI_OK)
      r = cli_write_left (f, status);
    kw_status_free (status);
  }
  fprintf (f, "\nstate: %s\n", kw_client_state (client));
  return r;
}

static int
status_text (const struct cli_options *options, kw_client *client, FILE *f,
             const void *nothing)
{
  (void) nothing;
  return cli_write_status (options, client, f);
}

int
cli_status (const struct cli_options *options)
{
  kw_client *client;
  int r = cli_open (options, &client);

  if (r != CLI_OK)
    return r;
  if (options->watch)
    r = cli_watch (options, client);
  else if (options->json)
    r = status_as_json (options, client);
  else
    r = print_text (status_text, options, client, NULL);
  if (r == CLI_OK && strcmp (kw_client_state (client), "memory") == 0
      && !options->json && !options->watch)
    cli_say ("note: state = memory, so this is the configuration as a new process "
             "finds it, not what others learnt");
  cli_close (client);
  return r;
}

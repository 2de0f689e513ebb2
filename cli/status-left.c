/* status-left - the second table of keywheel status: what is left of each allowance
 * that answers have told of, whether it parks its key or not. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const char *const titles[] = {
  "KEY", "LIMIT", "LEFT", "ALL OF IT", "AS OF", "FOR"
};

/* Of an account it is one, whichever key it is asked of. */
static int
is_another_keys (const kw_status_info *status, size_t key, const kw_bucket_info *b)
{
  const char *account = status->keys[key].account;

  for (size_t i = 0; b->account_wide && account[0] != '\0' && i < key; i++)
    if (strcmp (status->keys[i].account, account) == 0)
      return 1;
  return 0;
}

static void
fill (struct cli_row *row, const kw_status_info *status, size_t key,
      const kw_bucket_info *b)
{
  const int64_t full_in = b->full_ms - status->now_ms;
  char in[32], at[40];

  cli_fill (row, 0, "%s", status->keys[key].name);
  cli_fill (row, 1, "%s", b->dimension[0] != '\0' ? b->dimension : "not named");
  if (b->remaining < 0)
    cli_fill (row, 2, "not known of %lld", (long long) b->limit);
  else if (b->limit < 0)
    cli_fill (row, 2, "%lld", (long long) b->remaining);
  else
    cli_fill (row, 2, "%lld of %lld", (long long) b->remaining, (long long) b->limit);
  if (b->full_ms == 0)
    cli_fill (row, 3, "not known");
  else if (full_in <= 0)
    cli_fill (row, 3, "now");
  else
    cli_fill (row, 3, "in %s, %s", cli_duration (full_in, in, sizeof in),
              cli_time (b->full_ms, at, sizeof at));
  cli_fill (row, 4, "%s", cli_time (b->seen_ms, at, sizeof at));
  cli_fill (row, 5, "%s%s", b->model[0] != '\0' ? b->model : "every model",
            b->account_wide ? ", whole account" : "");
}

int
cli_write_left (FILE *f, const kw_status_info *status)
{
  const kw_bucket_info *b;
  struct cli_row *rows;
  size_t n = 1;

  for (size_t k = 0; k < status->total_keys; k++)
    for (size_t i = 0; kw_status_bucket (status, k, i) != NULL; i++)
      n++;
  if (n == 1)
    return CLI_OK;
  rows = calloc (n, sizeof *rows);
  if (rows == NULL)
    return CLI_INTERNAL;
  for (size_t c = 0; c < sizeof titles / sizeof titles[0]; c++)
    cli_fill (&rows[0], (int) c, "%s", titles[c]);
  n = 1;
  for (size_t k = 0; k < status->total_keys; k++)
    for (size_t i = 0; (b = kw_status_bucket (status, k, i)) != NULL; i++)
      if (!is_another_keys (status, k, b))
        fill (&rows[n++], status, k, b);
  fprintf (f, "  what is left, by what answers have shown:\n");
  cli_print_rows (f, rows, n);
  free (rows);
  return CLI_OK;
}

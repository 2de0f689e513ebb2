/* token - keywheel token: tokens for the clients of a gateway. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "cli.h"
#include "token.h"

/* As the file has it: no blanks, and no # that would begin a comment. */
static int
is_name (const char *name)
{
  static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789._-@";
  size_t len = strlen (name);

  return len > 0 && len < 64 && strspn (name, chars) == len;
}

/* One write, so that two of them do not mix. */
static int
append (const char *path, const char *line)
{
  int fd = open (path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  size_t len = strlen (line);
  int bad = fd < 0 || write (fd, line, len) != (ssize_t) len;

  if (bad)
    cli_say ("token: %s: %s", path, strerror (errno));
  if (fd >= 0 && close (fd) != 0 && !bad) {
    cli_say ("token: %s: %s", path, strerror (errno));
    bad = 1;
  }
  return bad ? -1 : 0;
}

static int
make (const char *name, const char *path)
{
  char token[GW_TOKEN_SIZE], hash[GW_HASH_SIZE], line[160];
  unsigned char bytes[GW_HASH_BYTES];
  int r = CLI_OK;

  if (gw_token_new (token) != 0) {
    cli_say ("token: this system has no random numbers");
    return CLI_INTERNAL;
  }
  gw_token_hash (token, strlen (token), bytes);
  gw_token_hash_text (bytes, hash);
  if (snprintf (line, sizeof line, "%s %s\n", name, hash) < 0
      || (path != NULL && append (path, line) != 0))
    r = CLI_USAGE;
  if (r == CLI_OK && path == NULL)
    cli_say ("for the file client_tokens: %.*s", (int) strcspn (line, "\n"), line);
  if (r == CLI_OK && (cli_out (token, strlen (token)) != 0 || cli_out ("\n", 1) != 0))
    r = CLI_INTERNAL;
  sodium_memzero (token, sizeof token);
  return r;
}

int
cli_token (const struct cli_options *options)
{
  char *const *args = options->args;

  if (options->n_args < 2 || strcmp (args[0], "new") != 0 || options->n_args > 3)
    return cli_usage ("token", "what is wanted is new NAME [FILE]");
  if (!is_name (args[1]))
    return cli_usage ("token", "\"%s\" is no name; allowed: 1 to 63 of A-Z a-z 0-9 . _ - @",
                      args[1]);
  return make (args[1], options->n_args == 3 ? args[2] : NULL);
}

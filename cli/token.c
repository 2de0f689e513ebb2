/* token - keywheel token: tokens for the clients of a gateway. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

static int
is_line_of (const char *line, const char *name)
{
  size_t len = strlen (name);

  line += strspn (line, " \t");
  return strncmp (line, name, len) == 0 && strchr (" \t\r\n", line[len]) != NULL;
}

/* 1: the name is there already.  Else 0; *ret_torn: the last line has no end. */
static int
look_for (int fd, const char *name, int *ret_torn)
{
  struct stat st;
  int readable = fstat (fd, &st) == 0 && S_ISREG (st.st_mode);
  FILE *f = readable ? fdopen (dup (fd), "r") : NULL;
  char *line = NULL;
  size_t size = 0;
  ssize_t len;
  int found = 0;

  while (f != NULL && !found && (len = getline (&line, &size, f)) > 0) {
    found = is_line_of (line, name);
    *ret_torn = line[len - 1] != '\n';
  }
  free (line);
  if (f != NULL)
    (void) fclose (f);
  return found;
}

/* One write, so that two of them do not mix. */
static int
append (const char *path, const char *name, const char *line)
{
  int fd = open (path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  int torn = 0, there = fd >= 0 && look_for (fd, name, &torn);
  size_t len = strlen (line + !torn);
  int bad = fd < 0 || (!there && write (fd, line + !torn, len) != (ssize_t) len);

  if (bad)
    cli_say ("token: %s: %s", path, strerror (errno));
  if (there)
    cli_say ("token: %s: \"%s\" is there already; take another name, or remove its line first",
             path, name);
  if (fd >= 0 && close (fd) != 0 && !bad) {
    cli_say ("token: %s: %s", path, strerror (errno));
    bad = 1;
  }
  return bad || there ? -1 : 0;
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
  /* The line break before it is for a line that has none. */
  if (snprintf (line, sizeof line, "\n%s %s\n", name, hash) < 0
      || (path != NULL && append (path, name, line) != 0))
    r = CLI_USAGE;
  if (r == CLI_OK && path == NULL)
    cli_say ("for the file client_tokens: %s %s", name, hash);
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

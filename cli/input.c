/* input - what the user hands in: files and stdin read to their end, and
 * whether text is UTF-8.  Knows nothing of what it is for. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* More than any provider takes; a bound, so that /dev/zero ends. */
#define MAX_INPUT ((size_t) 256 * 1024 * 1024)
#define FIRST_SIZE ((size_t) 64 * 1024)

static int
read_all (int fd, const char *name, char **ret, size_t *ret_len)
{
  size_t size = FIRST_SIZE, len = 0;
  char *data = malloc (size + 1);
  int r = CLI_INTERNAL;

  while (data != NULL) {
    ssize_t n = read (fd, data + len, size - len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      cli_say ("cannot read %s: %s", name, strerror (errno));
      r = CLI_USAGE;
      break;
    }
    if (n == 0) {
      data[len] = '\0';
      *ret = data;
      *ret_len = len;
      return CLI_OK;
    }
    len += (size_t) n;
    if (len < size)
      continue;
    if (size >= MAX_INPUT) {
      cli_say ("%s is longer than %zu MiB, the most that is sent", name,
               MAX_INPUT / 1024 / 1024);
      r = CLI_USAGE;
      break;
    }
    size *= 2;
    char *more = realloc (data, size + 1);
    if (more == NULL)
      free (data);
    data = more;
  }
  if (data == NULL)
    cli_say ("out of memory reading %s", name);
  free (data);
  return r;
}

int
cli_read (const char *path, char **ret, size_t *ret_len)
{
  int fd, r;

  if (path == NULL || strcmp (path, "-") == 0)
    return read_all (STDIN_FILENO, "stdin", ret, ret_len);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    cli_say ("cannot open %s: %s", path, strerror (errno));
    return CLI_USAGE;
  }
  r = read_all (fd, path, ret, ret_len);
  (void) close (fd);
  return r;
}

/* The length of the UTF-8 sequence at s, 0 if there is none: RFC 3629, so no
 * overlong form, no surrogate, nothing past U+10FFFF. */
static size_t
sequence (const unsigned char *s, size_t left)
{
  unsigned char low = 0x80, high = 0xbf;
  size_t n;

  if (s[0] < 0x80)
    return 1;
  if (s[0] < 0xc2 || s[0] > 0xf4)
    return 0;
  n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
  if (left < n)
    return 0;
  if (s[0] == 0xe0)
    low = 0xa0;
  if (s[0] == 0xed)
    high = 0x9f;
  if (s[0] == 0xf0)
    low = 0x90;
  if (s[0] == 0xf4)
    high = 0x8f;
  if (s[1] < low || s[1] > high)
    return 0;
  for (size_t i = 2; i < n; i++)
    if ((s[i] & 0xc0) != 0x80)
      return 0;
  return n;
}

size_t
cli_utf8_valid (const char *s, size_t len)
{
  size_t at = 0;

  while (at < len) {
    size_t n = sequence ((const unsigned char *) s + at, len - at);
    if (n == 0)
      break;
    at += n;
  }
  return at;
}

int
cli_check_text (const char *what, const char *s, size_t len)
{
  size_t bad = cli_utf8_valid (s, len);
  const char *nul = memchr (s, '\0', bad);

  if (nul != NULL) {
    cli_say ("the %s has a NUL byte at offset %zu; it must be text, in UTF-8", what,
             (size_t) (nul - s));
    return CLI_USAGE;
  }
  if (bad < len) {
    cli_say ("the %s is not valid UTF-8: byte 0x%02x at offset %zu; convert it "
             "first, for example with iconv -t UTF-8", what,
             (unsigned) (unsigned char) s[bad], bad);
    return CLI_USAGE;
  }
  return CLI_OK;
}

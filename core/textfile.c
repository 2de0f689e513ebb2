/* textfile - a whole file in guarded memory.
 * Knows nothing of what is in it. */
#include "textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void *
kwi_guarded (size_t size)
{
  if (sodium_init () < 0)
    return NULL;
  return sodium_malloc (size);
}

/* To the end, or until the buffer is full.  -1: errno. */
static int
fill (int fd, char *buf, size_t size, size_t *ret_len)
{
  size_t len = 0;

  while (len < size) {
    ssize_t n = read (fd, buf + len, size - len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -1;
    if (n == 0)
      break;
    len += (size_t) n;
  }
  *ret_len = len;
  return 0;
}

/* 1: what the caller has open already, and means to be read. */
static int
names_descriptor (const char *path)
{
  static const char *const begins[] = { "/dev/fd/", "/proc/self/fd/" };

  for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++)
    if (strncmp (path, begins[i], strlen (begins[i])) == 0)
      return 1;
  return strcmp (path, "/dev/stdin") == 0;
}

/* Whether it may be read at all.  /dev/null may: it is an empty file. */
static int
judge (const struct stat *st, size_t max, int any_pipe)
{
  if (S_ISDIR (st->st_mode)) {
    errno = EISDIR;
    return KWI_TEXT_ERRNO;
  }
  if (!S_ISREG (st->st_mode) && !S_ISCHR (st->st_mode) && !any_pipe)
    return KWI_TEXT_NO_FILE;
  if (S_ISREG (st->st_mode) && st->st_size > (off_t) max)
    return KWI_TEXT_TOO_LARGE;
  return KWI_TEXT_OK;
}

static int
read_fd (int fd, size_t max, int any_pipe, struct kwi_text *ret)
{
  struct stat st;
  size_t size = max + 2;        /* one more than allowed, and a NUL */

  if (fstat (fd, &st) != 0)
    return KWI_TEXT_ERRNO;
  int r = judge (&st, max, any_pipe);
  if (r != KWI_TEXT_OK)
    return r;
  /* Files of /proc say 0, and a file may grow while it is read. */
  if (S_ISREG (st.st_mode) && st.st_size > 0)
    size = (size_t) st.st_size + 2;

  char *bytes = kwi_guarded (size);
  if (bytes == NULL)
    return KWI_TEXT_NO_MEMORY;
  size_t len = 0;
  int failed = fill (fd, bytes, size - 1, &len);
  if (failed || len == size - 1) {
    int saved = errno;
    sodium_free (bytes);
    errno = saved;
    if (failed && saved == EAGAIN)
      return KWI_TEXT_NO_FILE;
    return failed ? KWI_TEXT_ERRNO : KWI_TEXT_TOO_LARGE;
  }
  bytes[len] = '\0';
  ret->bytes = bytes;
  ret->len = len;
  ret->mode = st.st_mode;
  return KWI_TEXT_OK;
}

int
kwi_text_read (const char *path, size_t max, struct kwi_text *ret)
{
  int any_pipe = names_descriptor (path);
  /* Opening a FIFO would wait for one that writes to it. */
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (any_pipe ? 0 : O_NONBLOCK));

  if (fd < 0)
    return errno == ENXIO ? KWI_TEXT_NO_FILE : KWI_TEXT_ERRNO;
  int r = read_fd (fd, max, any_pipe, ret);
  int saved = errno;
  close (fd);
  errno = saved;
  return r;
}

void
kwi_text_free (struct kwi_text *text)
{
  sodium_free (text->bytes);
  text->bytes = NULL;
  text->len = 0;
}

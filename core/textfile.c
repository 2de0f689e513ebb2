/* textfile - a whole file in guarded memory.
 * Knows nothing of what is in it. */
#include "textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
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

int
kwi_text_read_fd (int fd, size_t max, struct kwi_text *ret)
{
  struct stat st;
  size_t size = max + 2;        /* one more than allowed, and a NUL */

  if (fstat (fd, &st) != 0)
    return KWI_TEXT_ERRNO;
  if (S_ISDIR (st.st_mode)) {
    errno = EISDIR;
    return KWI_TEXT_ERRNO;
  }
  if (S_ISREG (st.st_mode) && st.st_size > (off_t) max)
    return KWI_TEXT_TOO_LARGE;
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
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

  if (fd < 0)
    return KWI_TEXT_ERRNO;
  int r = kwi_text_read_fd (fd, max, ret);
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

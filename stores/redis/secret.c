/* secret - the password, which is read anew for each connection: a file may be
 * given another one while programs run (see spec.h). */
#include "spec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASSWORD_MAX = 4096 };

void
redis_forget (char *secret)
{
  if (secret != NULL)
    explicit_bzero (secret, strlen (secret));
  free (secret);
}

static int
because (char *why, size_t size, const char *path, const char *reason)
{
  if (snprintf (why, size, "the password_file %s %s", path, reason) < 0)
    why[0] = '\0';
  return -1;
}

static int
because_errno (char *why, size_t size, const char *path)
{
  char reason[128];

  if (snprintf (reason, sizeof reason, "cannot be read: %s", strerrordesc_np (errno)) < 0)
    reason[0] = '\0';
  return because (why, size, path, reason);
}

/* Without waiting for anybody: a FIFO is refused. */
static int
read_file (const char *path, char *buf, size_t size, size_t *ret_len)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat st;
  size_t len = 0;
  ssize_t n = -1;

  if (fd < 0)
    return -1;
  if (fstat (fd, &st) == 0 && S_ISREG (st.st_mode))
    while (len < size && ((n = read (fd, buf + len, size - len)) > 0
                          || (n < 0 && errno == EINTR)))
      len += n > 0 ? (size_t) n : 0;
  else
    errno = S_ISDIR (st.st_mode) ? EISDIR : EINVAL;
  int saved = errno;
  close (fd);
  errno = saved;
  if (n < 0)
    return -1;
  *ret_len = len;
  return 0;
}

int
redis_spec_password (const struct redis_spec *spec, char **ret, char *why, size_t size)
{
  char buf[PASSWORD_MAX + 1];
  const char *path = spec->password_file;
  size_t len = 0;
  int rc = 0;

  *ret = NULL;
  if (path == NULL && spec->password == NULL)
    return 0;
  if (path == NULL) {
    *ret = strdup (spec->password);
    return *ret != NULL ? 0 : because (why, size, "", "finds no memory");
  }
  if (read_file (path, buf, sizeof buf, &len) != 0)
    return because_errno (why, size, path);
  size_t whole = len;
  while (len > 0 && (buf[len - 1] == '\n' || buf[len - 1] == '\r'))
    len--;
  if (whole > PASSWORD_MAX)
    rc = because (why, size, path, "is longer than 4096 bytes");
  else if (len == 0)
    rc = because (why, size, path, "is empty");
  else if (memchr (buf, '\0', len) != NULL || memchr (buf, '\n', len) != NULL)
    rc = because (why, size, path, "has more than one line in it, or a NUL byte");
  else if ((*ret = strndup (buf, len)) == NULL)
    rc = because (why, size, path, "finds no memory");
  explicit_bzero (buf, sizeof buf);
  return rc;
}

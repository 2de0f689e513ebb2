/* fingerprint-key - see fingerprint-key.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include <keywheel/keywheel.h>

#include "fail.h"
#include "fingerprint-key.h"
#include "textfile.h"

enum { DIGITS = 2 * KWI_FINGERPRINT_KEY };

static int
wrong (const char *path, const char *what, const char *why, struct kw_error *err)
{
  return kwi_fail (err, KW_ERR_SETTINGS, "fingerprint_key %s %s%s%s", path, what,
                   why != NULL ? ": " : "", why != NULL ? why : "");
}

/* The folders in front of a file; private, as the state is. */
static int
make_folders (const char *path)
{
  char *copy = strdup (path), *p;
  int r = 0;

  if (copy == NULL)
    return -1;
  for (p = strchr (copy + 1, '/'); p != NULL && r == 0; p = strchr (p + 1, '/')) {
    *p = '\0';
    if (mkdir (copy, 0700) != 0 && errno != EEXIST)
      r = -1;
    *p = '/';
  }
  free (copy);
  return r;
}

static int
write_all (int fd, const char *text, size_t len)
{
  ssize_t n = write (fd, text, len);

  if (n >= 0 && (size_t) n < len)
    errno = ENOSPC;
  return n >= 0 && (size_t) n == len && fsync (fd) == 0 ? 0 : -1;
}

/* Written aside and linked in its place: whoever sees it sees it whole, and who
 * comes second takes the first one's. */
static int
make_file (const char *path)
{
  unsigned char key[KWI_FINGERPRINT_KEY];
  char text[DIGITS + 2], *aside = NULL;
  int fd, r = -1, why;

  randombytes_buf (key, sizeof key);
  (void) sodium_bin2hex (text, sizeof text, key, sizeof key);
  sodium_memzero (key, sizeof key);
  text[DIGITS] = '\n';
  if (make_folders (path) != 0
      || asprintf (&aside, "%s.%ld.XXXXXX", path, (long) getpid ()) < 0)
    return -1;
  fd = mkostemp (aside, O_CLOEXEC);     /* mode 0600 */
  if (fd >= 0) {
    r = write_all (fd, text, DIGITS + 1);
    (void) close (fd);
    if (r == 0 && link (aside, path) != 0 && errno != EEXIST)
      r = -1;
    why = errno;
    (void) unlink (aside);
    errno = why;
  }
  sodium_memzero (text, sizeof text);
  free (aside);
  return r;
}

static int
read_file (const char *path, unsigned char ret[KWI_FINGERPRINT_KEY],
           struct kw_error *err)
{
  struct kwi_text text;
  size_t len = 0;
  int got = kwi_text_read (path, 4096, &text), bad;

  if (got != KWI_TEXT_OK)
    return wrong (path, "cannot be read",
                  got == KWI_TEXT_ERRNO ? strerror (errno)
                  : got == KWI_TEXT_NO_FILE ? KWI_TEXT_NO_FILE_TEXT
                  : got == KWI_TEXT_TOO_LARGE ? "it is too large"
                                              : "out of memory", err);
  bad = sodium_hex2bin (ret, KWI_FINGERPRINT_KEY, text.bytes, text.len, " \t\r\n",
                        &len, NULL) != 0 || len != KWI_FINGERPRINT_KEY;
  kwi_text_free (&text);
  return bad ? wrong (path, "must have 64 hexadecimal digits and nothing else; "
                      "one is made by: openssl rand -hex 32", NULL, err) : 0;
}

int
kwi_fingerprint_key (const char *path, int make,
                     unsigned char ret[KWI_FINGERPRINT_KEY], struct kw_error *err)
{
  if (sodium_init () < 0)
    return wrong (path, "cannot be used", "no random numbers", err);
  if (make && access (path, F_OK) != 0 && errno == ENOENT
      && make_file (path) != 0)
    return wrong (path, "cannot be made", strerror (errno), err);
  return read_file (path, ret, err);
}

/* textfile - a whole file in memory, bounded, and wiped when it is let go:
 * every file that the configuration reads may hold a key, be it by mistake. */
#ifndef KWI_TEXTFILE_H
#define KWI_TEXTFILE_H

#include <stddef.h>

struct kwi_text {
  char *bytes;                  /* guarded memory; a NUL stands behind len */
  size_t len;
  unsigned mode;                /* the file's st_mode                     */
};

enum {
  KWI_TEXT_OK = 0,
  KWI_TEXT_ERRNO = -1,          /* errno says why; EISDIR for a folder    */
  KWI_TEXT_TOO_LARGE = -2,
  KWI_TEXT_NO_MEMORY = -3,
  KWI_TEXT_NO_FILE = -4         /* a FIFO, a disk, ...: see below         */
};

/* What to say of KWI_TEXT_NO_FILE. */
#define KWI_TEXT_NO_FILE_TEXT \
  "it is no file but a pipe or a device, and reading it might never end"

/* Reads at most max bytes; a longer file is KWI_TEXT_TOO_LARGE.  Waits for
 * nobody: a FIFO is refused, and a device that has nothing to say just now.
 * Only what the caller has open and names by its descriptor (/dev/stdin,
 * /dev/fd/N) may be a pipe, and is read to its end. */
int kwi_text_read (const char *path, size_t max, struct kwi_text *ret);
void kwi_text_free (struct kwi_text *);

/* Guarded memory, sodium_init included; NULL: none to be had. */
void *kwi_guarded (size_t size);

#endif

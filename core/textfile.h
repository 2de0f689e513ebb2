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
  KWI_TEXT_NO_MEMORY = -3
};

/* Reads at most max bytes; a longer file is KWI_TEXT_TOO_LARGE. */
int kwi_text_read (const char *path, size_t max, struct kwi_text *ret);
/* Reads descriptor fd to its end, which it does not close. */
int kwi_text_read_fd (int fd, size_t max, struct kwi_text *ret);
void kwi_text_free (struct kwi_text *);

/* Guarded memory, sodium_init included; NULL: none to be had. */
void *kwi_guarded (size_t size);

#endif

/* vet - may this file be loaded at all?  See vet.c. */
#ifndef KWI_VET_H
#define KWI_VET_H

struct kw_error;
struct stat;

/* KW_ERR_SETTINGS: "plugin FILE is refused: ", and the rest, which says what
 * was expected, what was found and what to do. */
int kwi_refuse (struct kw_error *, const char *file, const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 3, 4)));

/* 0: the file is a shared object of our kind, and nobody but root and the
 * user can have put it there.  *ret_resolved is its path without links, for
 * free (); *ret_st what it was when it was looked at. */
int kwi_vet_file (const char *file, char **ret_resolved,
                  struct stat *ret_st, struct kw_error *);

#endif

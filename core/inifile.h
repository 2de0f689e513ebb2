/* inifile - an INI text run through inih, with the line of everything, and
 * everything refused that inih would cut or skip without a word.  Knows no
 * section and no option. */
#ifndef KWI_INIFILE_H
#define KWI_INIFILE_H

#include <stddef.h>

/* The calls come in the file's order; non-zero (no memory) ends it.  The
 * strings are good for the call. */
struct kwi_ini_events {
  int (*section) (void *user, const char *name, int line);
  /* A header that could not be read: the options below it belong nowhere. */
  void (*lost) (void *user);
  int (*option) (void *user, const char *name, const char *value, int line);
  void (*mistake) (void *user, int line, const char *text);
  void *user;
};

/* 0, or -1: no memory. */
int kwi_ini_parse (const char *text, size_t len,
                   const struct kwi_ini_events *events);

#endif

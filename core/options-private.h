/* options-private - what options.c and option-paths.c share. */
#ifndef KWI_OPTIONS_PRIVATE_H
#define KWI_OPTIONS_PRIVATE_H

#include "options.h"

struct kwi_word {
  const char *word;             /* NULL: the end                          */
  int value;
  int _reserved;
};

struct kwi_spec {
  const char *name;
  /* 0, or -1: no memory. */
  int (*set) (const struct kwi_setting *, const struct kwi_spec *,
              void *target);
  size_t field;                 /* where in the target                    */
  int64_t min, max;
  const char *range;            /* the same for people                    */
  const struct kwi_word *words;
};

/* The field that spec sets in target. */
static inline void *
kwi_field (const struct kwi_spec *spec, void *target)
{
  return (char *) target + spec->field;
}

/* "FILE:LINE: NAME = VALUE is ..." */
void kwi_wrong (const struct kwi_setting *, const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 2, 3)));
/* Puts text into field, which it replaces; -1 if text is NULL. */
int kwi_keep (char **field, char *text);

int kwi_set_path (const struct kwi_setting *, const struct kwi_spec *, void *);
int kwi_set_pem (const struct kwi_setting *, const struct kwi_spec *, void *);
int kwi_set_env_file (const struct kwi_setting *, const struct kwi_spec *,
                      void *);
int kwi_set_plugin_dir (const struct kwi_setting *, const struct kwi_spec *,
                        void *);

#endif

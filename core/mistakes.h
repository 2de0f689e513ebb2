/* mistakes - collecting what is wrong in the configuration, so that all of it
 * is told and not only the first. */
#ifndef KWI_MISTAKES_H
#define KWI_MISTAKES_H

#include <stddef.h>

struct kw_error;
struct kwi_reporter;

struct kwi_mistakes {
  const struct kwi_reporter *reporter; /* may be NULL                     */
  size_t n;
  char first[900];              /* leaves room in kw_error for the count  */
};

/* A mistake: told to the reporter, counted, the first one kept. */
void kwi_mistake (struct kwi_mistakes *, const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 2, 3)));

/* 0 if there was none; else KW_ERR_SETTINGS, and err has the first and the
 * number of the others. */
int kwi_mistakes_fail (const struct kwi_mistakes *, struct kw_error *err);

#endif

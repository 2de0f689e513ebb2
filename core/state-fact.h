/* state-fact - what a keyring tells others, as a store keeps it: a name, a rank
 * and a small JSON text; and back.  Knows no store and no ring. */
#ifndef KWI_STATE_FACT_H
#define KWI_STATE_FACT_H

#include <keywheel/store.h>

#include "ring-share.h"

#define KWI_FACT_NAME 1001      /* with its NUL                           */
#define KWI_FACT_VALUE 1024

/* A fact or, if count is not 0, a counter. */
struct kwi_fact_text {
  char name[KWI_FACT_NAME];
  char value[KWI_FACT_VALUE];
  int64_t major, minor, expires_ms, count;
};

/* "groq@api.groq.com/openai/v1": whose keys and limits they are.  0, or -1: it
 * does not fit. */
int kwi_scope_of (const char *plugin, const char *base_url, char *ret,
                  size_t size);

/* The name of the lease of a key's places.  0, or -1: it is too long. */
int kwi_lease_name (const char *scope, const char *subject,
                    char ret[KWI_FACT_NAME]);

/* 0, or -1: a name in it is too long to be shared. */
int kwi_fact_write (const char *scope, const struct kwi_change *, int64_t now_ms,
                    struct kwi_fact_text *ret);

/* A change as read; its names point into it. */
struct kwi_fact_read {
  char scope[400], subject[80], model[400], dimension[100];
  struct kwi_change change;
};
/* 0, or -1: it is none of ours, or of a later keywheel's.  value NULL: a counter,
 * of major. */
int kwi_fact_read (const char *name, const char *value, int64_t major,
                   int64_t minor, struct kwi_fact_read *ret);

#endif

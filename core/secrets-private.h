/* secrets-private - what secrets.c, which finds keys, and vault.c, which keeps
 * them, share. */
#ifndef KWI_SECRETS_PRIVATE_H
#define KWI_SECRETS_PRIVATE_H

#include "secrets.h"

struct kwi_secrets {
  struct kwi_secret *list;
  size_t n;
  char *arena;                  /* guarded: the keys, one behind another  */
  size_t arena_len, arena_size;
  size_t *by_length;            /* indexes, the longest key first         */
};

/* Keeps a key; name NULL: it gets one when all are there.  0; -1: no memory.
 * sodium_init was called. */
int kwi_secrets_add (struct kwi_secrets *, const char *name,
                     const char *source, uint32_t weight, const char *bytes,
                     size_t len);
/* Drops repeated keys, names those that have no name, and makes the arena
 * read-only.  0; -1: no memory. */
int kwi_secrets_seal (struct kwi_secrets *, const struct kwi_reporter *);

#endif

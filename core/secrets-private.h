/* secrets-private - what secrets.c, which finds keys, and vault.c, which keeps
 * them, share. */
#ifndef KWI_SECRETS_PRIVATE_H
#define KWI_SECRETS_PRIVATE_H

#include <stdatomic.h>

#include "secrets.h"

struct kwi_secrets {
  struct kwi_secret *list;
  size_t n;
  char *arena;                  /* guarded: the keys, with room for words in
                                   front of each and a NUL behind         */
  size_t arena_len, arena_size;
  const unsigned char *fingerprint_key; /* the configuration's, or NULL   */
  size_t *by_length;            /* indexes, the longest key first         */
  atomic_int line_len;          /* of the words in front of each key; 0: not
                                   yet, -1: they do not fit               */
  char header[64], prefix[64];  /* those words                            */
  unsigned char *beginnings;    /* guarded: a bit for what each key begins with */
  unsigned beginnings_log2;     /* how many bits there are                */
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

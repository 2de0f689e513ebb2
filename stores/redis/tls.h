/* tls - TLS over a socket that never blocks.  The only file that knows OpenSSL's
 * connections; sockets are waited for in link.c. */
#ifndef REDIS_TLS_H
#define REDIS_TLS_H

#include <stddef.h>

#include "spec.h"

struct redis_tls;

enum {                          /* besides a count of bytes               */
  REDIS_TLS_READ = -1,          /* wait until the socket can be read      */
  REDIS_TLS_WRITE = -2,         /* ... written                            */
  REDIS_TLS_CLOSED = -3,        /* in good order                          */
  REDIS_TLS_BROKEN = -4         /* redis_tls_reason says why              */
};

/* On a connected socket, whose owner closes it.  0, or -1 with a text in why.
 * fd -1: only tries whether the files of the spec are good. */
int redis_tls_open (const struct redis_spec *, int fd, struct redis_tls **ret,
                    char *why, size_t size);
void redis_tls_free (struct redis_tls *);

/* 1: done; or one of those above. */
int redis_tls_greet (struct redis_tls *);
int redis_tls_send (struct redis_tls *, const char *buf, size_t len);
int redis_tls_receive (struct redis_tls *, char *buf, size_t size);

/* Did anybody answer in TLS at all? */
int redis_tls_answered (const struct redis_tls *);
/* Of the last REDIS_TLS_BROKEN. */
const char *redis_tls_reason (const struct redis_tls *);

#endif

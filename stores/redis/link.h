/* link - a connection to the server as a stream of bytes: TCP or a unix socket,
 * with TLS or without.  Nothing here waits longer than its turn.  Knows nothing
 * of what the bytes mean. */
#ifndef REDIS_LINK_H
#define REDIS_LINK_H

#include <stddef.h>
#include <sys/socket.h>

#include "names.h"
#include "spec.h"
#include "turn.h"

struct redis_link;

struct redis_address {          /* len 0: none                            */
  struct sockaddr_storage at;
  socklen_t len;
};

/* To the one address (of another link: both must reach the same server), or to
 * the first of the host's that takes it.  0 or KW_STORE_AWAY, as all of these. */
int redis_link_open (const struct redis_spec *, struct redis_names **names,
                     const struct redis_address *, struct redis_turn *,
                     struct redis_link **ret);
void redis_link_close (struct redis_link *);

int redis_link_fd (const struct redis_link *);
struct redis_address redis_link_address (const struct redis_link *);

/* All of it. */
int redis_link_write (struct redis_link *, struct redis_turn *, const char *buf, size_t len);
/* Something; without wait perhaps nothing (0 bytes). */
int redis_link_read (struct redis_link *, struct redis_turn *, int wait, char *buf,
                     size_t size, size_t *ret_n);

#endif

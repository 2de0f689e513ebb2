/* names - the addresses of a host, looked up in no more time than there is.
 * getaddrinfo itself waits for as long as the resolver likes. */
#ifndef REDIS_NAMES_H
#define REDIS_NAMES_H

#include <netdb.h>

#include "spec.h"
#include "turn.h"

struct redis_names;             /* NULL: nothing is being looked up       */

/* 0 and the list, the caller's to freeaddrinfo; or KW_STORE_AWAY.  A look-up
 * that takes longer stays in *names, and the next call goes on with it. */
int redis_names_find (struct redis_names **names, const struct redis_spec *,
                      struct redis_turn *, struct addrinfo **ret);
void redis_names_free (struct redis_names *);

#endif

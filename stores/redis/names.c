/* names - the addresses of a host, in bounded time (see names.h). */
#include "names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct redis_names {
  struct gaicb cb;
  struct addrinfo hints;
  char port[8];
  char host[];
};

/* By a thread of the C library's, if it is no address already. */
static int
begin (struct redis_names **ret, const struct redis_spec *spec)
{
  size_t len = strlen (spec->host) + 1;
  struct redis_names *n = calloc (1, sizeof *n + len);

  if (n == NULL)
    return EAI_MEMORY;
  memcpy (n->host, spec->host, len);
  snprintf (n->port, sizeof n->port, "%s", spec->port);
  n->hints.ai_socktype = SOCK_STREAM;
  n->hints.ai_flags = AI_NUMERICSERV;
  n->cb.ar_name = n->host;
  n->cb.ar_service = n->port;
  n->cb.ar_request = &n->hints;
  struct gaicb *list[] = { &n->cb };
  int rc = getaddrinfo_a (GAI_NOWAIT, list, 1, NULL);
  if (rc != 0)
    free (n);
  else
    *ret = n;
  return rc;
}

static int
wait_for (struct redis_names *n, const struct redis_turn *turn)
{
  const struct gaicb *const list[] = { &n->cb };
  int rc;

  while ((rc = gai_error (&n->cb)) == EAI_INPROGRESS) {
    int left = redis_turn_left (turn);
    const struct timespec ts = { left / 1000, left % 1000 * 1000000L };
    if (left == 0)
      break;
    gai_suspend (list, 1, &ts);
  }
  return rc;
}

int
redis_names_find (struct redis_names **names, const struct redis_spec *spec,
                  struct redis_turn *turn, struct addrinfo **ret)
{
  const struct addrinfo numeric = {
    .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
  };

  if (getaddrinfo (spec->host, spec->port, &numeric, ret) == 0)
    return 0;
  int rc = *names != NULL ? 0 : begin (names, spec);
  if (rc == 0)
    rc = wait_for (*names, turn);
  if (rc == EAI_INPROGRESS)
    return redis_away (turn, "where the host \"%s\" is, the resolver does not say in time: see to "
                       "/etc/resolv.conf, or name its address", spec->host);
  if (rc == 0) {
    *ret = (*names)->cb.ar_result;
    (*names)->cb.ar_result = NULL;
  }
  redis_names_free (*names);
  *names = NULL;
  return rc == 0 ? 0 : redis_away (turn, "the host \"%s\" is not found: %s", spec->host,
                                   gai_strerror (rc));
}

void
redis_names_free (struct redis_names *n)
{
  if (n == NULL)
    return;
  if (gai_error (&n->cb) == EAI_INPROGRESS && gai_cancel (&n->cb) != EAI_CANCELED
      && gai_error (&n->cb) == EAI_INPROGRESS)
    return;                     /* its thread still writes there: lost, that is all */
  if (n->cb.ar_result != NULL)
    freeaddrinfo (n->cb.ar_result);
  free (n);
}

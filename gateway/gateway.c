/* gateway - sums over the loops, and the lock (see gateway.h). */
#include "gateway.h"

#include "worker.h"

void
gw_lock (struct gw_gateway *g)
{
  (void) pthread_mutex_lock (&g->lock);
}

void
gw_unlock (struct gw_gateway *g)
{
  (void) pthread_mutex_unlock (&g->lock);
}

size_t
gw_n_conns (const struct gw_gateway *g)
{
  size_t n = 0;

  for (size_t i = 0; i < g->n_workers; i++)
    n += atomic_load (&g->workers[i].n_conns);
  return n;
}

size_t
gw_n_requests (const struct gw_gateway *g)
{
  size_t n = 0;

  for (size_t i = 0; i < g->n_workers; i++)
    n += atomic_load (&g->workers[i].n_requests);
  return n;
}

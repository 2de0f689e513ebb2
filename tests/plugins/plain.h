/* plain - callbacks of a provider with nothing to it, for plugins that are odd
 * in one thing only. */
#ifndef PLAIN_H
#define PLAIN_H

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

static inline int
plain_create (const struct kw_host *host, struct kw_instance *in, void **self)
{
  (void) host;
  *self = in;
  return KW_OK;
}

static inline void
plain_destroy (void *self)
{
  (void) self;
}

static inline int
plain_prepare (void *self, const struct kw_call *call, struct kw_request *r)
{
  (void) self;
  (void) call;
  (void) r;
  return KW_ERR_UNSUPPORTED;
}

static inline int
plain_classify (void *self, const struct kw_response *resp,
                struct kw_verdict *v)
{
  (void) self;
  (void) resp;
  (void) v;
  return KW_OK;
}

#endif

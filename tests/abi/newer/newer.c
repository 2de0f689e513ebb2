/* newer - a provider built with a newer minor than the host's.  In one place it
 * asks with KW_HAS, as it should; in two others it forgot, and must meet NULL
 * and room that is its own to overwrite. */
#include <stdlib.h>
#include <string.h>
#define KW_PROVIDER_API 1
#include "provider.h"

struct newer {
  const struct kw_host *host;
  struct kw_instance *in;
};

static int
newer_create (const struct kw_host *host, struct kw_instance *in, void **self)
{
  struct newer *n = calloc (1, sizeof *n);

  if (n == NULL)
    return KW_ERR_NOMEM;
  n->host = host;
  n->in = in;
  *self = n;
  if (KW_HAS (struct kw_host, host, added))
    return host->added (in);
  if (host->added != NULL) {    /* forgot: what lies there? */
    free (n);
    return kw_error (host, in, KW_ERR, "the slot behind kw_host is not NULL");
  }
  return KW_OK;
}

static void
newer_destroy (void *self)
{
  free (self);
}

static int
newer_prepare (void *self, const struct kw_call *call, struct kw_request *r)
{
  struct newer *n = self;

  (void) call;
  return n->host->request_url (r, "https://newer.example/");
}

static int
newer_classify (void *self, const struct kw_response *resp,
                struct kw_verdict *v)
{
  (void) self;
  (void) resp;
  v->outcome = KW_OUTCOME_RATE_LIMIT;
  v->added = INT64_C (0x5a5a5a5a5a5a5a5a);      /* forgot */
  memset (&v->added + 1, 0x5a, 512 - sizeof *v);        /* to the very end */
  return KW_OK;
}

static int
newer_added (void *self)
{
  (void) self;
  return KW_OK;
}

static const struct kw_provider provider = {
  ._header      = KW_PROVIDER_HEADER_INIT,
  .name         = "newer",
  .version      = "2",
  .thread_model = KW_THREAD_PARALLEL,
  .create       = newer_create,
  .destroy      = newer_destroy,
  .prepare      = newer_prepare,
  .classify     = newer_classify,
  .added        = newer_added,
};

KW_REGISTER_PROVIDER (provider);

/* build - instances of the family, and the requests that they build; see
 * family.h. */
#include <stdlib.h>

#include "ini-rule.h"

int
kwp_create (const struct kwp_family *family, const struct kw_host *host,
            struct kw_instance *in, void **self)
{
  struct kwp_instance *i = calloc (1, sizeof *i);

  if (i != NULL && family->own_size > 0) {
    i->own = calloc (1, (size_t) family->own_size);
    if (i->own == NULL) {
      free (i);
      i = NULL;
    }
  }
  if (i == NULL)
    return KW_ERR_NOMEM;
  i->family = family;
  i->host = host;
  i->in = in;
  i->account_header = family->account_header;
  i->day_ends = family->day_ends;
  *self = i;
  return KW_OK;
}

void
kwp_destroy (void *self)
{
  struct kwp_instance *i = self;

  if (i->own != NULL && i->family->own_free != NULL)
    i->family->own_free (i->own);
  free (i->own);
  kwp_ini_rules_free (i->rules);
  free (i);
}

int
kwp_config (void *self, const char *key, const char *value)
{
  struct kwp_instance *i = self;
  int rc = i->family->config != NULL ? i->family->config (i, key, value) : KW_ERR_NOTFOUND;

  return rc == KW_ERR_NOTFOUND ? kwp_ini_rule_add (i, key, value) : rc;
}

int
kwp_request_url (const struct kwp_instance *i, const struct kw_call *call,
                 struct kw_request *r)
{
  char url[4096];

  if (!kwp_join (url, sizeof url, call->base_url, call->path))
    return kw_error (i->host, i->in, KW_ERR_RANGE, "base_url and path are too long: "
                     "%zu bytes are allowed together", sizeof url - 1);
  return i->host->request_url (r, url);
}

int
kwp_request_body (const struct kwp_instance *i, const struct kw_call *call,
                  struct kw_request *r)
{
  int rc = KW_OK;

  if (call->content_type != NULL)
    rc = i->host->request_header (r, "Content-Type", call->content_type);
  if (rc == KW_OK && call->stream)
    rc = i->host->request_header (r, "Accept", "text/event-stream");
  if (rc == KW_OK && call->body_len > 0)
    rc = i->host->request_body (r, call->body, call->body_len);
  return rc;
}

/* The host puts the key in, which never comes here, and refuses line breaks. */
int
kwp_prepare (void *self, const struct kw_call *call, struct kw_request *r)
{
  const struct kwp_instance *i = self;
  int rc = i->host->request_method (r, call->method);

  if (rc == KW_OK)
    rc = kwp_request_url (i, call, r);
  if (rc == KW_OK)
    rc = i->host->request_secret_header (r, "Authorization", "Bearer ");
  if (rc == KW_OK)
    rc = kwp_request_body (i, call, r);
  return rc;
}

/* frozen - a provider written to the provider ABI 1.0, with the header of
 * then beside it.  Neither file is ever changed: this must load and work in
 * every later keywheel of major 1, as the plugins that people have built will.
 * It uses each host service and each field that 1.0 has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define KW_PROVIDER_API 1
#include "provider.h"

struct frozen {
  const struct kw_host *host;
  struct kw_instance *in;
  const char *region;           /* interned */
};

static int
frozen_create (const struct kw_host *host, struct kw_instance *in, void **self)
{
  struct frozen *f = calloc (1, sizeof *f);

  if (f == NULL)
    return KW_ERR_NOMEM;
  f->host = host;
  f->in = in;
  f->region = "here";
  *self = f;
  kw_log (host, in, KW_LOG_DEBUG, "frozen runs in %s %s", host->name,
          host->version);
  return KW_OK;
}

static void
frozen_destroy (void *self)
{
  free (self);
}

static int
frozen_config (void *self, const char *key, const char *value)
{
  struct frozen *f = self;

  if (strcmp (key, "region") != 0)
    return KW_ERR_NOTFOUND;
  if (value[0] == '\0')
    return kw_error (f->host, f->in, KW_ERR_CONFIG, "region is empty");
  f->region = f->host->intern (f->in, value, strlen (value));
  return f->region != NULL ? KW_OK : KW_ERR_NOMEM;
}

static int
frozen_config_complete (void *self)
{
  struct frozen *f = self;
  return f->region != NULL ? KW_OK : KW_ERR_CONFIG;
}

static int
frozen_request (struct frozen *f, struct kw_request *r, const char *method,
                const char *base, const char *path)
{
  char url[1024];
  int n = snprintf (url, sizeof url, "%s%s", base, path);

  if (n < 0 || (size_t) n >= sizeof url)
    return kw_error (f->host, f->in, KW_ERR_RANGE, "URL too long");
  if (f->host->request_method (r, method) != KW_OK ||
      f->host->request_url (r, url) != KW_OK ||
      f->host->request_header (r, "X-Region", f->region) != KW_OK)
    return KW_ERR;
  return f->host->request_secret_header (r, "Authorization", "Bearer ");
}

static int
frozen_prepare (void *self, const struct kw_call *call, struct kw_request *r)
{
  struct frozen *f = self;
  int rc = frozen_request (f, r, call->method, call->base_url, call->path);

  return rc != KW_OK ? rc
                     : f->host->request_body (r, call->body, call->body_len);
}

static int
frozen_build_probe (void *self, const struct kw_call *call,
                    struct kw_request *r)
{
  struct frozen *f = self;
  return frozen_request (f, r, "GET", call->base_url, "/models");
}

static void
frozen_bucket (struct frozen *f, const struct kw_response *resp)
{
  struct kw_bucket b;
  const char *left = f->host->response_header (resp, "X-Left");

  if (left == NULL)
    return;
  memset (&b, 0, sizeof b);
  b.struct_size = sizeof b;
  b.have = KW_HAVE_REMAINING | KW_HAVE_FULL_AT;
  b.remaining = strtoll (left, NULL, 10);
  b.full_at_ms = f->host->now_ms (f->in) + 1000;
  memcpy (b.dimension, "requests_per_day", sizeof "requests_per_day");
  (void) f->host->response_bucket (resp, &b);
}

static int
frozen_classify (void *self, const struct kw_response *resp,
                 struct kw_verdict *v)
{
  struct frozen *f = self;
  char code[64];

  frozen_bucket (f, resp);
  if (resp->http_status == 200)
    v->outcome = KW_OUTCOME_OK;
  if (f->host->response_json (resp, "/error/code", code, sizeof code) != KW_OK)
    return KW_OK;
  memcpy (v->reason, code, sizeof code);
  if (strcmp (code, "daily") == 0) {
    v->outcome = KW_OUTCOME_DAILY_LIMIT;
    v->have |= KW_HAVE_RETRY_AFTER;
    v->retry_after_ms = 432500;
    (void) f->host->response_json (resp, "/error/account", v->account,
                                   sizeof v->account);
  }
  else if (strcmp (code, "broken") == 0)
    return kw_error (f->host, f->in, KW_ERR, "cannot read %s", code);
  return KW_OK;
}

static const void *
frozen_get_extension (void *self, const char *id)
{
  (void) self;
  (void) id;
  return NULL;
}

static const struct kw_provider provider = {
  ._header          = KW_PROVIDER_HEADER_INIT,
  .name             = "frozen",
  .longname         = "Frozen at 1.0",
  .version          = "1.0",
  .description      = "A provider written to the provider ABI 1.0",
  .config_help      = "region=<NAME>  where it runs",
  .default_base_url = "https://frozen.example/v1",
  .default_model    = "ice-1",
  .key_env          = "FROZEN_API_KEY FROZEN_API_KEY_BACKUP, FROZEN_API_KEY_#",
  .caps             = KW_CAP_PROBE,
  .thread_model     = KW_THREAD_PARALLEL,
  .create           = frozen_create,
  .destroy          = frozen_destroy,
  .config           = frozen_config,
  .config_complete  = frozen_config_complete,
  .prepare          = frozen_prepare,
  .build_probe      = frozen_build_probe,
  .classify         = frozen_classify,
  .get_extension    = frozen_get_extension,
};

KW_REGISTER_PROVIDER (provider);

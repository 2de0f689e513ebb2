/* instance - a plugin at work for one [provider] section.
 *
 * Every call into a plugin goes through here, or in translate.c through the
 * locks that are here: as its thread_model asks, with a frame that the host's
 * services find, and with its mistakes turned into errors.  Knows what a
 * callback may do, not what a provider is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "answer.h"
#include "fail.h"
#include "fallback.h"
#include "host.h"
#include "instance.h"
#include "loader.h"
#include "request.h"
#include "translate.h"

#ifdef KW_DEBUG
#undef NDEBUG
#include <assert.h>
#define MUST(cond) assert (cond)
#define COUNT(in, n) ((void) __atomic_add_fetch (&(in)->hot, (n), __ATOMIC_RELAXED))
#else
#define MUST(cond) ((void) 0)
#define COUNT(in, n) ((void) 0)
#endif

/* ---- Serialization ------------------------------------------------------- */

/* [setup] calls come one at a time in the whole .so, whatever its model: a
 * plugin's create may fill in a table that all its instances share. */
static void
begin_setup (struct kw_instance *in, struct kwi_frame *f)
{
  kwi_frame_init (f, in, KWI_PHASE_SETUP);
  __atomic_store_n (&in->open, 0, __ATOMIC_RELEASE);
  pthread_rwlock_wrlock (&in->setup);
  kwi_plugin_lock (in->plugin);
  MUST (in->hot == 0 && in->in_setup == 0);
  in->in_setup = 1;
  kwi_host_enter (f);
}

static void
end_setup (struct kw_instance *in, struct kwi_frame *f)
{
  kwi_host_leave (f);
  in->in_setup = 0;
  kwi_plugin_unlock (in->plugin);
  pthread_rwlock_unlock (&in->setup);
  kwi_host_deliver (f);
}

/* An instance that is open needs no lock against setup calls, and a parallel
 * one none at all: threads would meet at nothing but its cache line.  A model
 * that this host does not know is served as the safest. */
void
kwi_instance_begin_hot (struct kw_instance *in, struct kwi_frame *f)
{
  f->locked = !__atomic_load_n (&in->open, __ATOMIC_ACQUIRE);
  if (f->locked)
    pthread_rwlock_rdlock (&in->setup);
  switch (in->provider->thread_model) {
  case KW_THREAD_PARALLEL:
    break;
  case KW_THREAD_SERIALIZE_INSTANCE:
    pthread_mutex_lock (&in->one);
    break;
  default:
    kwi_plugin_lock (in->plugin);
    break;
  }
  MUST (in->in_setup == 0);
  COUNT (in, 1);
  kwi_host_enter (f);
}

void
kwi_instance_end_hot (struct kw_instance *in, struct kwi_frame *f)
{
  kwi_host_leave (f);
  COUNT (in, -1);
  switch (in->provider->thread_model) {
  case KW_THREAD_PARALLEL:
    break;
  case KW_THREAD_SERIALIZE_INSTANCE:
    pthread_mutex_unlock (&in->one);
    break;
  default:
    kwi_plugin_unlock (in->plugin);
    break;
  }
  if (f->locked)
    pthread_rwlock_unlock (&in->setup);
  kwi_host_deliver (f);
}

/* ---- Life ---------------------------------------------------------------- */

const char *
kwi_instance_words (const struct kwi_frame *f, int rc)
{
  if (f->said[0] != '\0')
    return f->said;
  switch (rc) {
  case KW_ERR_NOMEM:
    return "no memory";
  case KW_ERR_CONFIG:
    return "a setting is wrong or missing; the plugin does not say which";
  case KW_ERR_RANGE:
    return "something is too long; the plugin does not say what";
  case KW_ERR_NOTFOUND:
    return "something was not found; the plugin does not say what";
  case KW_ERR_UNSUPPORTED:
    return "the plugin does not support it";
  default:
    return "the plugin does not say why";
  }
}

static struct kw_instance *
allocate (struct kwi_plugin *plugin, const char *section,
          const struct kwi_instance_hooks *hooks)
{
  struct kw_instance *in = calloc (1, sizeof *in);
  int n;

  if (in == NULL)
    return NULL;
  in->plugin = plugin;
  in->provider = kwi_plugin_provider (plugin);
  in->hooks = *hooks;
  n = snprintf (in->section, sizeof in->section, "%s", section);
  if (n < 0)
    in->section[0] = '\0';      /* cut is fine: it is for messages */
  pthread_rwlock_init (&in->setup, NULL);
  pthread_mutex_init (&in->one, NULL);
  pthread_mutex_init (&in->interning, NULL);
  return in;
}

static void
release (struct kw_instance *in)
{
  kwi_translate_free (in);
  kwi_host_free_interned (in);
  pthread_mutex_destroy (&in->interning);
  pthread_mutex_destroy (&in->one);
  pthread_rwlock_destroy (&in->setup);
  free (in);
}

int
kwi_instance_new (struct kwi_plugin *plugin, const char *section,
                  const struct kwi_instance_hooks *hooks,
                  struct kw_instance **ret, struct kw_error *err)
{
  struct kw_instance *in = allocate (plugin, section, hooks);
  struct kwi_frame f;
  int rc;

  if (in == NULL)
    return kwi_fail (err, KW_ERR_MEMORY, "[provider %s]: no memory", section);
  begin_setup (in, &f);
  rc = in->provider->create (kwi_host_table (), in, &in->self);
  end_setup (in, &f);
  if (rc != KW_OK) {
    (void) kwi_fail (err, rc == KW_ERR_NOMEM ? KW_ERR_MEMORY : KW_ERR_SETTINGS,
                     "[provider %s]: plugin \"%s\" (%s) cannot start: %s",
                     in->section, in->provider->name, kwi_plugin_file (plugin),
                     kwi_instance_words (&f, rc));
    release (in);
    return rc == KW_ERR_NOMEM ? KW_ERR_MEMORY : KW_ERR_SETTINGS;
  }
  kwi_plugin_ref (plugin);
  *ret = in;
  return 0;
}

void
kwi_instance_free (struct kw_instance *in)
{
  struct kwi_plugin *plugin;
  struct kwi_frame f;

  if (in == NULL)
    return;
  begin_setup (in, &f);
  in->provider->destroy (in->self);
  end_setup (in, &f);
  plugin = in->plugin;
  release (in);
  kwi_plugin_unref (plugin);
}

/* ---- Settings ------------------------------------------------------------ */

int
kwi_instance_config (struct kw_instance *in, const char *key,
                     const char *value, int *ret_unknown, struct kw_error *err)
{
  struct kwi_frame f;
  int rc;

  *ret_unknown = 0;
  if (in->provider->config == NULL) {
    *ret_unknown = 1;
    return kwi_fail (err, KW_ERR_SETTINGS, "[provider %s]: there is no option "
                     "\"%s\": plugin \"%s\" has none of its own", in->section,
                     key, in->provider->name);
  }
  begin_setup (in, &f);
  rc = in->provider->config (in->self, key, value);
  end_setup (in, &f);
  if (rc == KW_OK)
    return 0;
  if (rc == KW_ERR_NOTFOUND || rc == KW_ERR_UNSUPPORTED) {
    *ret_unknown = 1;
    return kwi_fail (err, KW_ERR_SETTINGS, "[provider %s]: there is no option "
                     "\"%s\" in plugin \"%s\" either%s%s", in->section, key,
                     in->provider->name, f.said[0] != '\0' ? ": " : "", f.said);
  }
  return kwi_fail (err, KW_ERR_SETTINGS, "[provider %s] %s: %s", in->section,
                   key, kwi_instance_words (&f, rc));
}

int
kwi_instance_config_complete (struct kw_instance *in, struct kw_error *err)
{
  struct kwi_frame f;
  int rc;

  rc = KW_OK;
  if (in->provider->config_complete != NULL) {
    begin_setup (in, &f);
    rc = in->provider->config_complete (in->self);
    end_setup (in, &f);
  }
  if (rc == KW_OK) {
    __atomic_store_n (&in->open, 1, __ATOMIC_RELEASE);
    return 0;
  }
  return kwi_fail (err, KW_ERR_SETTINGS, "[provider %s]: %s", in->section,
                   kwi_instance_words (&f, rc));
}

/* ---- Requests ------------------------------------------------------------ */

/* What a plugin may leave to the host: the method, and what the body is. */
static int
complete_request (const struct kw_call *call, struct kw_request *r)
{
  if (r->method[0] == '\0' &&
      kwi_request_method (r, call->method != NULL ? call->method : "POST")
        != KW_OK)
    return -1;
  if (r->body_len > 0 && call->content_type != NULL &&
      !kwi_request_has_header (r, "Content-Type") &&
      kwi_request_header (r, "Content-Type", call->content_type) != KW_OK)
    return -1;
  return 0;
}

/* A copy of the key for the length of one call, in guarded memory; *ret is
 * NULL where the plugin is not to see it. */
static int
lend_secret (const struct kw_instance *in, const struct kw_call *call,
             void **ret)
{
  *ret = NULL;
  if ((in->provider->caps & KW_CAP_NEEDS_SECRET) == 0 || call->secret == NULL)
    return 0;
  if (sodium_init () < 0)
    return -1;
  *ret = sodium_malloc ((size_t) call->secret_len);
  if (*ret == NULL)
    return -1;
  memcpy (*ret, call->secret, (size_t) call->secret_len);
  return 0;
}

/* The outcome of a build, in the order in which a person wants to know. */
static int
judge_build (const struct kw_instance *in, const struct kwi_frame *f, int rc,
             const struct kw_call *call, struct kw_request *r,
             struct kw_error *err)
{
  const char *name = in->provider->name;

  if (rc == KW_OK && r->problem[0] == '\0' && r->url == NULL)
    return kwi_fail (err, KW_ERR_INTERNAL, "plugin \"%s\" built a request "
                     "without a URL; this is a bug in the plugin", name);
  if (rc == KW_OK && r->problem[0] == '\0' && complete_request (call, r) == 0)
    return 0;
  /* A refused header or URL ends the call even if the plugin went on: what it
   * wanted to send is not what would be sent. */
  if (r->problem[0] != '\0')
    return kwi_fail (err, rc == KW_ERR_NOMEM ? KW_ERR_INTERNAL : KW_ERR_REFUSED,
                     "plugin \"%s\" cannot build the request: %s%s%s", name,
                     f->said, f->said[0] != '\0' ? ": " : "", r->problem);
  if (rc == KW_ERR_NOMEM || f->said[0] == '\0')
    return kwi_fail (err, KW_ERR_INTERNAL, "plugin \"%s\" cannot build the "
                     "request: %s (code %d)", name, kwi_instance_words (f, rc), rc);
  return kwi_fail (err, KW_ERR_REFUSED, "plugin \"%s\" cannot build the "
                   "request: %s", name, f->said);
}

static int
build (struct kw_instance *in, int probe, const struct kw_call *call,
       struct kw_request *r, struct kw_error *err)
{
  struct kwi_frame f;
  struct kw_call shown = *call;
  void *secret;
  int rc;

  kwi_frame_init (&f, in, KWI_PHASE_BUILD);
  f.probe = probe;
  f.request = r;
  kwi_request_reset (r, call->body, (size_t) call->body_len);
  if (lend_secret (in, call, &secret) == -1)
    return kwi_fail (err, KW_ERR_INTERNAL, "plugin \"%s\" wants the key itself, "
                     "and there is no guarded memory to show it in",
                     in->provider->name);
  shown.struct_size = sizeof shown;
  shown.secret = secret;
  shown.secret_len = secret != NULL ? call->secret_len : 0;

  kwi_instance_begin_hot (in, &f);
  rc = probe ? in->provider->build_probe (in->self, &shown, r)
             : in->provider->prepare (in->self, &shown, r);
  kwi_instance_end_hot (in, &f);

  if (secret != NULL)
    sodium_free (secret);       /* wipes it */
  return judge_build (in, &f, rc, call, r, err);
}

int
kwi_instance_prepare (struct kw_instance *in, const struct kw_call *call,
                      struct kw_request *r, struct kw_error *err)
{
  kwi_translate_ask (in);       /* prepare may say that its answer wants it */
  return build (in, 0, call, r, err);
}

int
kwi_instance_build_probe (struct kw_instance *in, const struct kw_call *call,
                          struct kw_request *r, struct kw_error *err)
{
  if ((in->provider->caps & KW_CAP_PROBE) == 0)
    return kwi_fail (err, KW_ERR_USAGE, "plugin \"%s\" has no probe",
                     in->provider->name);
  return build (in, 1, call, r, err);
}

/* ---- Answers ------------------------------------------------------------- */

void
kwi_instance_show (const struct kwi_answer *a, struct kw_response *ret)
{
  *ret = (struct kw_response) {
    .struct_size     = sizeof *ret,
    .http_status     = a->status,
    .transport_error = a->net,
    .body_truncated  = a->too_large != 0 || a->handed_on != 0,
    .received_ms     = a->received_ms,
    .body_len        = a->body_len,
    .body            = a->body != NULL ? a->body : "",
    .in_stream       = a->in_stream != 0
  };
}

void
kwi_instance_classify (struct kw_instance *in, struct kwi_answer *a,
                       struct kwi_judgement *j)
{
  /* A plugin newer than this host may fill in fields that are not there yet;
   * they fall into the room behind. */
  union { struct kw_verdict verdict; char room[512]; } v;
  struct kw_response resp;
  struct kwi_frame f;
  int rc;

  kwi_frame_init (&f, in, KWI_PHASE_CLASSIFY);
  f.response = &resp;
  f.answer = a;
  f.judgement = j;
  memset (j, 0, sizeof *j);
  memset (&v, 0, sizeof v);
  kwi_instance_show (a, &resp);
  v.verdict.struct_size = sizeof v.verdict;

  kwi_instance_begin_hot (in, &f);
  rc = in->provider->classify (in->self, &resp, &v.verdict);
  kwi_instance_end_hot (in, &f);

  if (rc != KW_OK) {
    j->n_buckets = 0;           /* it lost its way; so may they have */
    kwi_host_log (in, KW_LOG_WARN, "plugin \"%s\" failed to judge an answer "
                  "(HTTP status %d, code %d): %s; the status decides",
                  in->provider->name, (int) a->status, rc, kwi_instance_words (&f, rc));
  }
  kwi_fallback_settle (rc == KW_OK ? &v.verdict : NULL, a, j);
}

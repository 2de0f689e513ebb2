/* check-subject - the plugin in the child: loaded as the core loads it, and its
 * instances.  What instance.c does around a call is done here by hand: what a
 * plugin leaves behind must be seen before it is cleaned. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "check-subject.h"
#include "clock.h"
#include "loader.h"

/* ---- Loading ------------------------------------------------------------ */

/* The plugin's own struct, which the loader copies and does not show. */
static int
look_closer (struct kwi_check *c, struct kwi_check_subject *s)
{
  void *symbol;

  s->handle = dlopen (c->resolved, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  symbol = s->handle != NULL ? dlsym (s->handle, KW_PROVIDER_ENTRY_NAME) : NULL;
  if (!kwi_check_that (c, symbol != NULL, "load", "it was loaded and cannot be found "
                       "again; was the file replaced meanwhile?"))
    return -1;
  /* ISO C knows no way from an object's pointer to a function's. */
  memcpy (&s->entry, &symbol, sizeof s->entry);
  s->own = s->entry ((uint32_t) KW_PROVIDER_ABI_MAJOR << 16 | KW_PROVIDER_ABI_MINOR);
  if (!kwi_check_that (c, s->own != NULL && s->own->magic == KW_PROVIDER_MAGIC
                       && s->own->struct_size >= sizeof *s->own
                       && s->own->struct_size <= 65536, "load", "asked a second time, "
                       "the entry function gives another answer"))
    return -1;
  s->first = malloc (s->own->struct_size);
  if (s->first == NULL) {
    kwi_check_no_room (c);
    return -1;
  }
  memcpy (s->first, s->own, s->own->struct_size);
  return 0;
}

struct kwi_check_subject *
kwi_check_plugin (struct kwi_check *c)
{
  struct kwi_check_subject *s = c->subject;
  struct kw_error err = KW_ERROR_INIT;

  if (s != NULL)
    return s;
  s = calloc (1, sizeof *s);
  if (s == NULL) {
    kwi_check_no_room (c);
    return NULL;
  }
  if (kwi_plugin_load (c->file, &s->plugin, &err) != 0) {
    kwi_check_that (c, 0, "load", "%s", err.message);
    free (s);
    return NULL;
  }
  s->provider = kwi_plugin_provider (s->plugin);
  c->subject = s;
  if (look_closer (c, s) != 0) {
    kwi_check_close (c);
    return NULL;
  }
  return s;
}

void
kwi_check_close (struct kwi_check *c)
{
  struct kwi_check_subject *s = c->subject;

  if (s == NULL)
    return;
  kwi_check_destroy (c, &s->b);
  kwi_check_destroy (c, &s->a);
  kwi_guards_clear (&s->guards);
  free (s->first);
  if (s->handle != NULL)
    (void) dlclose (s->handle); /* its count only */
  kwi_plugin_unref (s->plugin);
  free (s);
  c->subject = NULL;
}

void
kwi_check_after (struct kwi_check *c)
{
  struct kwi_check_subject *s = c->subject;

  if (s == NULL)
    return;
  kwi_check_that (c, memcmp (s->first, s->own, s->first->struct_size) == 0,
                  "struct-changed", "its struct kw_provider is another than it was; "
                  "make it static const");
  memcpy (s->first, s->own, s->first->struct_size);     /* told once */
}

/* What it gave to host->error, in a message's place. */
static const char *
words (const struct kwi_check_call *call)
{
  return call->frame.said[0] != '\0' ? call->frame.said : "it does not say why";
}

/* ---- Instances ---------------------------------------------------------- */

static int64_t
standing_wall (void *ctx)
{
  (void) ctx;
  return KWI_CHECK_NOW;
}

static const struct kwi_clock standing = { .wall_ms = standing_wall };

static void
log_line (void *user, uint32_t level, const char *msg)
{
  (void) level;
  kwi_check_secret (user, "a line that it logged", msg, strlen (msg));
}

int
kwi_check_create (struct kwi_check *c, struct kwi_check_instance *i)
{
  struct kwi_check_subject *s = kwi_check_plugin (c);
  struct kwi_check_call call;
  int rc;

  if (s == NULL)
    return -1;
  memset (i, 0, sizeof *i);
  i->in.plugin = s->plugin;
  i->in.provider = s->provider;
  i->in.hooks = (struct kwi_instance_hooks) { &standing, log_line, c };
  memcpy (i->in.section, "check", sizeof "check");
  pthread_mutex_init (&i->in.interning, NULL);

  kwi_watch_begin (&call, c, i, "create", KWI_PHASE_SETUP);
  kwi_watch_enter (&call);
  rc = s->provider->create (kwi_watched_host (), &i->in, &i->in.self);
  kwi_watch_leave (&call);
  i->made = rc == KW_OK;
  if (kwi_check_that (c, rc == KW_OK, "create", "create failed (%s): %s; it comes "
                      "before any setting, and must not need one",
                      kwi_check_code_name (rc), words (&call)))
    return 0;
  kwi_check_destroy (c, i);
  return -1;
}

void
kwi_check_destroy (struct kwi_check *c, struct kwi_check_instance *i)
{
  struct kwi_check_call call;

  if (i->in.provider == NULL)
    return;
  if (i->made) {
    kwi_watch_begin (&call, c, i, "destroy", KWI_PHASE_SETUP);
    kwi_watch_enter (&call);
    i->in.provider->destroy (i->in.self);
    kwi_watch_leave (&call);
  }
  kwi_host_free_interned (&i->in);
  pthread_mutex_destroy (&i->in.interning);
  memset (i, 0, sizeof *i);
}

int
kwi_check_set (struct kwi_check *c, struct kwi_check_instance *i, const char *key,
                  const char *value, struct kwi_check_call *call)
{
  int rc;

  kwi_watch_begin (call, c, i, "config", KWI_PHASE_SETUP);
  if (i->in.provider->config == NULL)
    return KW_ERR_NOTFOUND;
  kwi_watch_enter (call);
  rc = i->in.provider->config (i->in.self, key, value);
  kwi_watch_leave (call);
  return rc;
}

/* The options that the caller gave, and the end of the settings. */
static int
configure (struct kwi_check *c, struct kwi_check_instance *i)
{
  const char *const *s = c->o.settings;
  struct kwi_check_call call;
  int rc;

  for (; s != NULL && s[0] != NULL && s[1] != NULL; s += 2) {
    rc = kwi_check_set (c, i, s[0], s[1], &call);
    if (!kwi_check_that (c, rc == KW_OK, "setting", "the setting %s = %s is refused "
                         "(%s): %s", s[0], s[1], kwi_check_code_name (rc),
                         words (&call)))
      return -1;
  }
  if (i->in.provider->config_complete == NULL)
    return 0;
  kwi_watch_begin (&call, c, i, "config_complete", KWI_PHASE_SETUP);
  kwi_watch_enter (&call);
  rc = i->in.provider->config_complete (i->in.self);
  kwi_watch_leave (&call);
  return kwi_check_that (c, rc == KW_OK, "complete", "config_complete failed (%s): %s%s",
                         kwi_check_code_name (rc), words (&call),
                         c->o.settings == NULL ? "; if it needs settings, give it "
                         "some" : "") ? 0 : -1;
}

int
kwi_check_begin (struct kwi_check *c, struct kwi_check_instance *i)
{
  if (kwi_check_create (c, i) != 0)
    return -1;
  if (configure (c, i) == 0)
    return 0;
  kwi_check_destroy (c, i);
  return -1;
}

struct kwi_check_instance *
kwi_check_ready (struct kwi_check *c, int second)
{
  struct kwi_check_subject *s = kwi_check_plugin (c);
  struct kwi_check_instance *i = s == NULL ? NULL : second ? &s->b : &s->a;

  if (i == NULL || i->made || kwi_check_begin (c, i) == 0)
    return i;
  return NULL;
}

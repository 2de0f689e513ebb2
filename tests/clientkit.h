/* clientkit - for the suites that drive the library against keywheel-sim: a
 * client of the test's own, with an environment, a clock and a log of events
 * of the test's own.  In virtual time a wait moves the simulator's clock, too,
 * so a day takes no longer than a request. */
#ifndef CLIENTKIT_H
#define CLIENTKIT_H

#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <keywheel/keywheel.h>

#include "client.h"
#include "kwtest.h"
#include "simctl.h"

#define KIT_EPOCH INT64_C (1767362591000) /* 2026-01-02T14:03:11Z */
#define KIT_EVENTS 4096

static struct {
  struct simctl *sim;
  const char *url;              /* another server than sim, or NULL */
  const char *plugin;           /* a test plugin, or NULL: provider */
  const char *provider;         /* a plugin, or NULL: groq */
  kw_client *client;
  char dir[64], ini[80];
  const char *vars[32];         /* name, value, ..., NULL */
  int64_t now_ms;
  int virtual_time;
  struct kw_error err;
  pthread_mutex_t lock;
  int n_events;
  struct { int type; uint64_t seq, call; char key[64], to[64], text[256]; int64_t wait_ms; int verdict; }
  event[KIT_EVENTS];
} kit;

static inline int64_t
kit_mono (void *ctx)
{
  (void) ctx;
  return kit.now_ms;
}

static inline int64_t
kit_wall (void *ctx)
{
  (void) ctx;
  return KIT_EPOCH + kit.now_ms;
}

static inline uint64_t
kit_random (void *ctx)
{
  (void) ctx;
  return UINT64_MAX / 3;
}

static inline void
kit_advance (int64_t ms)
{
  kit.now_ms += ms;
  simctl_advance (kit.sim, ms);
}

static inline void
kit_wait (void *ctx, int64_t ms)
{
  (void) ctx;
  kit_advance (ms);
}

static inline const char *
kit_getenv (void *ctx, const char *name)
{
  size_t i;

  (void) ctx;
  for (i = 0; kit.vars[i] != NULL; i += 2)
    if (strcmp (kit.vars[i], name) == 0)
      return kit.vars[i + 1];
  return NULL;
}

static inline void
kit_observe (void *user, const kw_event *e)
{
  (void) user;
  (void) pthread_mutex_lock (&kit.lock);
  if (kit.n_events < KIT_EVENTS) {
    int i = kit.n_events++;
    kit.event[i].type = e->type;
    kit.event[i].seq = e->seq;
    kit.event[i].call = e->call;
    kit.event[i].wait_ms = e->wait_ms;
    kit.event[i].verdict = e->verdict;
    (void) memccpy (kit.event[i].key, e->key, '\0', sizeof kit.event[i].key - 1);
    (void) memccpy (kit.event[i].to, e->to_key, '\0', sizeof kit.event[i].to - 1);
    (void) memccpy (kit.event[i].text, e->message, '\0',
                    sizeof kit.event[i].text - 1);
  }
  (void) pthread_mutex_unlock (&kit.lock);
}

/* How many events of a type there were on a key (NULL: any). */
static inline int
kit_count (int type, const char *key)
{
  int i, n = 0;

  for (i = 0; i < kit.n_events; i++)
    n += kit.event[i].type == type
         && (key == NULL || strcmp (kit.event[i].key, key) == 0);
  return n;
}

/* The simulator, in virtual time or (a name says so) in real time. */
#define kit_sim(...)                                                    \
  do {                                                                  \
    kit.virtual_time = 1;                                               \
    kit.sim = simctl_startl ("--clock", "manual", __VA_ARGS__, NULL);   \
  } while (0)
#define kit_sim_real(...)                                               \
  do {                                                                  \
    kit.virtual_time = 0;                                               \
    kit.sim = simctl_startl (__VA_ARGS__, NULL);                        \
  } while (0)

/* Keys as GROQ_API_KEY and, if not NULL, GROQ_API_KEY_BACKUP. */
static inline void
kit_keys (const char *primary, const char *backups)
{
  kit.vars[0] = "GROQ_API_KEY";
  kit.vars[1] = primary;
  kit.vars[2] = backups != NULL ? "GROQ_API_KEY_BACKUP" : NULL;
  kit.vars[3] = backups;
}

/* A client on [provider groq], or on the other plugin's section, with these
 * further lines; NULL: kit.err. */
static inline kw_client *
kit_try_open (const char *options)
{
  static const struct kwi_env env = { .get = kit_getenv };
  static const struct kwi_clock clock = { .mono_ms = kit_mono,
                                          .wall_ms = kit_wall,
                                          .random = kit_random,
                                          .wait = kit_wait };
  const char *name = kit.plugin != NULL ? kit.plugin
                     : kit.provider != NULL ? kit.provider : "groq";
  char plugin[PATH_MAX];
  FILE *f;
  int n = snprintf (plugin, sizeof plugin, "%s/%splugins/.libs/%s.so",
                    kwtest_builddir (), kit.plugin != NULL ? "tests/" : "", name);
  char *real;

  ck_assert (n > 0 && (size_t) n < sizeof plugin);
  real = realpath (plugin, NULL);
  ck_assert_msg (real != NULL, "no plugin %s", plugin);
  f = fopen (kit.ini, "w");
  ck_assert_ptr_nonnull (f);
  n = fprintf (f, "[provider %s]\nplugin = %s\nbase_url = %s\nmodel = m\n%s\n",
               name, real, kit.url != NULL ? kit.url
                     : kit.sim != NULL ? simctl_base_url (kit.sim)
                                       : "http://127.0.0.1:1/v1", options);
  ck_assert_int_gt (n, 0);
  ck_assert_int_eq (fclose (f), 0);
  free (real);
  return kwi_client_open (kit.ini, NULL, kit.virtual_time ? &clock : &kwi_clock_system,
                          &env, NULL, &kit.err);
}

static inline void
kit_open (const char *options)
{
  kit.client = kit_try_open (options);
  ck_assert_msg (kit.client != NULL, "%s", kit.err.message);
  kw_client_observe (kit.client, kit_observe, NULL);
}

/* kw_chat with a prompt on a model; the reply's key in key ("" on failure). */
static inline int
kit_chat_on (const char *model, char key[KW_NAME_MAX])
{
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *reply = NULL;
  int code;

  rq.prompt = "hi";
  rq.model = model;
  key[0] = '\0';
  code = kw_chat (kit.client, &rq, &reply, &kit.err);
  if (code == 0)
    (void) memccpy (key, kw_reply_key (reply), '\0', KW_NAME_MAX);
  kw_reply_free (reply);
  return code;
}

/* Served by this key, or the test fails. */
#define kit_served_by(name)                                             \
  do {                                                                  \
    char key_[KW_NAME_MAX];                                             \
    int code_ = kit_chat_on (NULL, key_);                               \
    ck_assert_msg (code_ == 0, "%s", kit.err.message);                  \
    ck_assert_str_eq (key_, name);                                      \
  } while (0)

/* Fails with this code and a message that has this text. */
#define kit_fails_with(want, text)                                      \
  do {                                                                  \
    char key_[KW_NAME_MAX];                                             \
    int code_ = kit_chat_on (NULL, key_);                               \
    ck_assert_msg (code_ == (want), "code %d: %s", code_,               \
                   code_ != 0 ? kit.err.message : "served");            \
    ck_assert_int_eq (kit.err.code, want);                              \
    ck_assert_msg (strstr (kit.err.message, text) != NULL,              \
                   "\"%s\" is not in: %s", text, kit.err.message);      \
  } while (0)

/* Ends the client, and the simulator without waiting for what it delays. */
static inline void
kit_drop (void)
{
  kw_client_close (kit.client);
  kit.client = NULL;
  simctl_kill (kit.sim);
  kit.sim = NULL;
}

static inline int
kit_remove (const char *path, const struct stat *st, int type, struct FTW *ftw)
{
  (void) st, (void) type, (void) ftw;
  return remove (path);
}

static inline void
kit_setup (void)
{
  static const struct kw_error fresh = KW_ERROR_INIT;
  int n;

  memset (&kit, 0, sizeof kit);
  kit.err = fresh;
  ck_assert_int_eq (pthread_mutex_init (&kit.lock, NULL), 0);
  (void) memccpy (kit.dir, "/tmp/keywheel-test-XXXXXX", '\0', sizeof kit.dir);
  ck_assert_ptr_nonnull (mkdtemp (kit.dir));
  n = snprintf (kit.ini, sizeof kit.ini, "%s/k.ini", kit.dir);
  ck_assert (n > 0 && (size_t) n < sizeof kit.ini);
}

static inline void
kit_teardown (void)
{
  kw_client_close (kit.client);
  simctl_stop (kit.sim);
  (void) nftw (kit.dir, kit_remove, 8, FTW_DEPTH | FTW_PHYS);
}

#endif

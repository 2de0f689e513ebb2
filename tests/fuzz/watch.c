/* watch - plugins under the eye of a fuzzer. */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch.h"
#include <keywheel/keywheel.h>

#include "answer.h"
#include "clock.h"
#include "host.h"
#include "input.h"
#include "instance.h"
#include "loader.h"

enum { MAX_PLUGINS = 64 };

static struct fuzz_plugin plugins[MAX_PLUGINS];
static size_t n_plugins;

/* The one being called, and the clock it sees. */
static struct fuzz_plugin *called;
static int64_t now_ms;

void
fuzz_broken (const char *claim, const char *fmt, ...)
{
  va_list ap;

  fprintf (stderr, "\nBROKEN: plugin %s: %s: ", called != NULL ? called->name : "?",
           claim);
  va_start (ap, fmt);
  vfprintf (stderr, fmt, ap);
  va_end (ap);
  fputc ('\n', stderr);
  abort ();
}

/* ---- What the plugin says ----------------------------------------------- */

static void
claim_ended (const char *what, const char *s, size_t size)
{
  FUZZ_CLAIM (memchr (s, '\0', size) != NULL, "%s fills all of its %zu bytes", what,
              size);
}

/* Not below least, where it is claimed. */
static void
claim_number (const char *what, uint32_t have, uint32_t bit, int64_t n, int64_t least)
{
  FUZZ_CLAIM ((have & bit) == 0 || n >= least, "%s is %lld", what, (long long) n);
}

#define LL(n) ((long long) (n))

static int
watched_bucket (const struct kw_response *resp, const struct kw_bucket *b)
{
  const uint32_t known = KW_HAVE_LIMIT | KW_HAVE_USED | KW_HAVE_REMAINING |
                         KW_HAVE_REQUESTED | KW_HAVE_WINDOW | KW_HAVE_FULL_AT;

  FUZZ_CLAIM (b->struct_size == sizeof *b, "%u", b->struct_size);
  FUZZ_CLAIM (b->scope <= KW_SCOPE_PROVIDER, "%u", b->scope);
  FUZZ_CLAIM ((b->have & ~known) == 0, "0x%x", b->have);
  claim_ended ("a bucket's dimension", b->dimension, sizeof b->dimension);
  FUZZ_CLAIM (b->dimension[0] != '\0', "a bucket of nothing");
  claim_number ("limit", b->have, KW_HAVE_LIMIT, b->limit, 0);
  claim_number ("used", b->have, KW_HAVE_USED, b->used, 0);
  claim_number ("remaining", b->have, KW_HAVE_REMAINING, b->remaining, 0);
  claim_number ("requested", b->have, KW_HAVE_REQUESTED, b->requested, 0);
  claim_number ("window_ms", b->have, KW_HAVE_WINDOW, b->window_ms, 1);
  claim_number ("full_at_ms", b->have, KW_HAVE_FULL_AT, b->full_at_ms, 0);
  return kwi_host_table ()->response_bucket (resp, b);
}

static int
watched_classify (void *self, const struct kw_response *resp, struct kw_verdict *v)
{
  int rc = called->own.classify (self, resp, v);

  FUZZ_CLAIM (rc == KW_OK || (rc <= KW_ERR && rc >= KW_ERR_UNSUPPORTED), "%d", rc);
  FUZZ_CLAIM (v->struct_size == sizeof *v, "%u", v->struct_size);
  FUZZ_CLAIM (v->outcome <= KW_OUTCOME_TRANSIENT, "%u", v->outcome);
  FUZZ_CLAIM (v->scope <= KW_SCOPE_PROVIDER, "%u", v->scope);
  FUZZ_CLAIM ((v->have & ~(KW_HAVE_RETRY_AFTER | KW_HAVE_RESET_AT | KW_HAVE_USAGE)) == 0,
              "0x%x", v->have);
  claim_ended ("account", v->account, sizeof v->account);
  claim_ended ("model", v->model, sizeof v->model);
  claim_ended ("reason", v->reason, sizeof v->reason);
  claim_number ("retry_after_ms", v->have, KW_HAVE_RETRY_AFTER, v->retry_after_ms, 0);
  claim_number ("reset_at_ms", v->have, KW_HAVE_RESET_AT, v->reset_at_ms, 0);
  claim_number ("input_tokens", v->have, KW_HAVE_USAGE, v->input_tokens, -1);
  claim_number ("output_tokens", v->have, KW_HAVE_USAGE, v->output_tokens, -1);
  return rc;
}

/* The plugin gets a host of ours, which is the core's but for one service; with
 * its 16 empty slots behind. */
static int
watched_create (const struct kw_host *host, struct kw_instance *in, void **self)
{
  static struct { struct kw_host host; void (*slots[16]) (void); } ours;

  ours.host = *host;
  ours.host.response_bucket = watched_bucket;
  return called->own.create (&ours.host, in, self);
}

/* ---- What the core makes of it ------------------------------------------- */

static void
claim_made_of (const char *what, const char *s, size_t size, int token)
{
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";

  claim_ended (what, s, size);
  for (; *s != '\0'; s++)
    FUZZ_CLAIM (*s >= 0x20 && *s <= 0x7e && (!token || strchr (allowed, *s) != NULL),
                "%s has byte 0x%02x", what, (unsigned) (unsigned char) *s);
}

static void
claim_kept (const struct kwi_bucket *b, int64_t received_ms)
{
  const int64_t most = INT64_C (400) * 86400 * 1000;

  FUZZ_CLAIM (b->scope >= KW_SCOPE_KEY && b->scope <= KW_SCOPE_PROVIDER, "%u", b->scope);
  FUZZ_CLAIM (b->rolling <= 1, "%u", b->rolling);
  FUZZ_CLAIM (b->limit >= 0 && b->used >= 0 && b->remaining >= 0 && b->requested >= 0,
              "%lld, %lld, %lld, %lld", LL (b->limit), LL (b->used), LL (b->remaining),
              LL (b->requested));
  FUZZ_CLAIM (b->window_ms >= 0 && b->window_ms <= most, "%lld", LL (b->window_ms));
  FUZZ_CLAIM (b->full_at_ms >= 0 && b->full_at_ms <= received_ms + most, "%lld",
              LL (b->full_at_ms));
  claim_made_of ("a bucket's dimension", b->dimension, sizeof b->dimension, 1);
}

void
fuzz_now (struct fuzz_plugin *p, int64_t at_ms)
{
  called = p;
  now_ms = at_ms;
}

void
fuzz_classify (struct fuzz_plugin *p, struct kw_instance *in, struct kwi_answer *a,
               struct kwi_judgement *j)
{
  const int64_t most = INT64_C (400) * 86400 * 1000;

  fuzz_now (p, a->received_ms);
  memset (j, 0x5a, sizeof *j);  /* what is not filled in would show */
  kwi_instance_classify (in, a, j);

  FUZZ_CLAIM (j->outcome >= KW_OUTCOME_OK && j->outcome <= KW_OUTCOME_TRANSIENT, "%u",
              j->outcome);
  FUZZ_CLAIM (j->outcome != KW_OUTCOME_OK || (a->status != 0 && a->net == KW_NET_OK),
              "status %d, net %u", a->status, a->net);
  FUZZ_CLAIM (j->scope >= KW_SCOPE_REQUEST && j->scope <= KW_SCOPE_PROVIDER, "%u",
              j->scope);
  /* A switch that parks nothing comes back to the same key for ever. */
  FUZZ_CLAIM (j->scope != KW_SCOPE_REQUEST || j->outcome < KW_OUTCOME_DAILY_LIMIT
                || j->outcome > KW_OUTCOME_BILLING, "outcome %u", j->outcome);
  FUZZ_CLAIM (j->account[0] != '\0' || (j->scope != KW_SCOPE_ACCOUNT
                                        && j->scope != KW_SCOPE_ACCOUNT_MODEL),
              "scope %u", j->scope);
  FUZZ_CLAIM (j->wait_ms >= -1 && j->wait_ms <= most, "%lld", LL (j->wait_ms));
  FUZZ_CLAIM (j->input_tokens >= -1 && j->output_tokens >= -1, "%lld, %lld",
              LL (j->input_tokens), LL (j->output_tokens));
  FUZZ_CLAIM (j->fell_back <= 1, "%u", j->fell_back);
  claim_made_of ("account", j->account, sizeof j->account, 0);
  claim_made_of ("model", j->model, sizeof j->model, 0);
  claim_made_of ("reason", j->reason, sizeof j->reason, 1);
  FUZZ_CLAIM (j->n_buckets <= KWI_MAX_BUCKETS, "%u", j->n_buckets);
  for (uint32_t i = 0; i < j->n_buckets; i++)
    claim_kept (&j->bucket[i], a->received_ms);
}

/* ---- Instances ------------------------------------------------------------ */

static int64_t
wall (void *ctx)
{
  (void) ctx;
  return now_ms;
}

static void
log_line (void *user, uint32_t level, const char *msg)
{
  (void) user;
  FUZZ_CLAIM (level <= KW_LOG_DEBUG, "%u", level);
  FUZZ_CLAIM (strlen (msg) < 1024, "%zu bytes", strlen (msg));
  for (; *msg != '\0'; msg++)
    FUZZ_CLAIM ((unsigned char) *msg >= 0x20 && *msg != 0x7f, "a log line has byte 0x%02x",
                (unsigned) (unsigned char) *msg);
}

static struct kw_instance *
start (struct fuzz_plugin *p)
{
  static const struct kwi_clock clock = { .wall_ms = wall };
  static const struct kwi_instance_hooks hooks = { &clock, log_line, NULL };
  struct kw_error err = KW_ERROR_INIT;
  struct kw_instance *in = NULL;

  called = p;
  FUZZ_CLAIM (kwi_instance_new (p->plugin, "fuzz", &hooks, &in, &err) == 0, "%s",
              err.message);
  return in;
}

struct kw_instance *
fuzz_begin (struct fuzz_plugin *p, const struct fuzz_input *input)
{
  const char *name, *value;
  size_t name_len, value_len, at = 0;
  struct kw_instance *in = NULL;
  int rc = 0, unknown;

  while (rc == 0
         && fuzz_next (input, '!', &at, &name, &name_len, &value, &value_len)) {
    char *key = strndup (name, name_len), *text = strndup (value, value_len);
    if (key == NULL || text == NULL)
      abort ();
    if (in == NULL)
      in = start (p);
    fuzz_now (p, input->at_ms);
    rc = kwi_instance_config (in, key, text, &unknown, NULL);
    /* An option of another plugin's: a seed for one is a seed for all. */
    if (unknown)
      rc = 0;
    free (key);
    free (text);
  }
  if (in == NULL)
    return p->in;
  if (rc == 0)
    rc = kwi_instance_config_complete (in, NULL);
  if (rc == 0)
    return in;
  kwi_instance_free (in);
  return NULL;
}

void
fuzz_done (struct fuzz_plugin *p, struct kw_instance *in)
{
  if (in != p->in)
    kwi_instance_free (in);
}

/* ---- Plugins --------------------------------------------------------------- */

static void
load (const char *file)
{
  struct fuzz_plugin *p = &plugins[n_plugins];
  struct kw_error err = KW_ERROR_INIT;
  struct kw_provider *theirs;

  if (n_plugins == MAX_PLUGINS || kwi_plugin_load (file, &p->plugin, &err) != 0) {
    fprintf (stderr, "%s: %s\n", file,
             n_plugins == MAX_PLUGINS ? "too many plugins" : err.message);
    exit (2);
  }
  /* The loader's copy, which lies in memory of its own. */
  theirs = (struct kw_provider *) kwi_plugin_provider (p->plugin);
  p->own = *theirs;
  p->name = p->own.name;
  theirs->create = watched_create;
  theirs->classify = watched_classify;
  p->in = start (p);
  if (kwi_instance_config_complete (p->in, &err) != 0) {
    fprintf (stderr, "%s: judges only inputs with settings: %s\n", p->name, err.message);
    kwi_instance_free (p->in);
    p->in = NULL;
  }
  n_plugins++;
}

static int
is_plugin (const struct dirent *d)
{
  size_t len = strlen (d->d_name);

  return len > 3 && strcmp (d->d_name + len - 3, ".so") == 0;
}

struct fuzz_plugin *
fuzz_plugins (size_t *ret_n)
{
  const char *only = getenv ("KW_FUZZ_PLUGIN"), *build = getenv ("KW_BUILDDIR");
  char dir[2048], file[4096];
  struct dirent **names;
  int n;

  *ret_n = n_plugins;
  if (n_plugins > 0)
    return plugins;
  n = snprintf (dir, sizeof dir, "%s/plugins/.libs", build != NULL ? build : ".");
  if (n < 0 || (size_t) n >= sizeof dir)
    abort ();
  if (only != NULL && strchr (only, '/') != NULL) {
    load (only);
  } else {
    n = scandir (dir, &names, is_plugin, alphasort);
    for (int i = 0; i < n; i++) {
      const char *name = names[i]->d_name;
      int len = snprintf (file, sizeof file, "%s/%s", dir, name);
      if (len < 0 || (size_t) len >= sizeof file)
        abort ();
      if (only == NULL || (strlen (only) == strlen (name) - 3
                           && strncmp (only, name, strlen (only)) == 0))
        load (file);
      free (names[i]);
    }
    if (n >= 0)
      free (names);
  }
  if (n_plugins == 0) {
    fprintf (stderr, "no plugin %s in %s (KW_BUILDDIR)\n", only != NULL ? only : "*", dir);
    exit (2);
  }
  *ret_n = n_plugins;
  return plugins;
}

void
fuzz_show (const struct fuzz_plugin *p, const struct kwi_judgement *j, const char *out)
{
  if (getenv ("KW_FUZZ_SHOW") == NULL)
    return;
  printf ("%s: outcome %u, scope %u, reason \"%s\", wait %lld ms, account \"%s\", model "
          "\"%s\", %u buckets\n", p->name, j->outcome, j->scope, j->reason, LL (j->wait_ms),
          j->account, j->model, j->n_buckets);
  if (out != NULL)
    printf ("%s\n", out);
}

/* What lies where the plugin's variables will be: one that is read before it is
 * written is something else the second time. */
__attribute__ ((__noinline__)) static void
scribble (const char *text)
{
  char below[16384];

  memcpy (below, text, 4);
  for (size_t n = 4; n < sizeof below; n *= 2)
    memcpy (below + n, below, n);
  __asm__ volatile ("" : : "r" (below) : "memory"); /* it is needed, compiler */
}

void
fuzz_classify_input (const char *data, size_t size)
{
  struct fuzz_input input;
  struct kwi_answer a;
  struct kwi_judgement j[2];
  size_t n;
  struct fuzz_plugin *p = fuzz_plugins (&n);

  fuzz_read (data, size, &input);
  for (size_t i = 0; i < n; i++) {
    struct kw_instance *in = fuzz_begin (&p[i], &input);

    for (int k = 0; in != NULL && k < 2; k++) {
      fuzz_make_answer (&input, &a);
      scribble (k == 0 ? "\0\0\0" : size % 2 == 0 ? "420" : "xxxx");
      fuzz_classify (&p[i], in, &a, &j[k]);
      fuzz_drop_answer (&a);
    }
    if (in == NULL)
      continue;
    FUZZ_CLAIM (memcmp (&j[0], &j[1], sizeof j[0]) == 0, "outcome %u, then %u; reason "
                "\"%s\", then \"%s\"", j[0].outcome, j[1].outcome, j[0].reason,
                j[1].reason);
    fuzz_show (&p[i], &j[0], NULL);
    fuzz_done (&p[i], in);
  }
}

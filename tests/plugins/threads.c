/* threads - does the host keep to thread_model?  Built once for each model,
 * with -DMODEL=0, 1 or 2.  classify says in its reason what it saw: "alone", or
 * "overlap" when another call was in here too; with "meet = yes" it waits for
 * another one to come in, so that calls which may overlap surely do. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "plain.h"

/* Where only calls of one instance are kept apart, each instance counts. */
struct threads {
  int inside;
  int meet;
};

static int inside_all;
static int setups;

static int *
counter (struct threads *t)
{
  return MODEL == KW_THREAD_SERIALIZE_INSTANCE && !t->meet ? &t->inside
                                                           : &inside_all;
}

static int
threads_create (const struct kw_host *host, struct kw_instance *in,
                void **self)
{
  int others = __atomic_fetch_add (&setups, 1, __ATOMIC_SEQ_CST);

  for (int i = 0; i < 20; i++) {
    (void) sched_yield ();
    others |= __atomic_load_n (&setups, __ATOMIC_SEQ_CST) - 1;
  }
  if (others == 0)
    *self = calloc (1, sizeof (struct threads));
  (void) __atomic_sub_fetch (&setups, 1, __ATOMIC_SEQ_CST);
  if (others != 0)
    return kw_error (host, in, KW_ERR, "two setup calls at once");
  return *self != NULL ? KW_OK : KW_ERR_NOMEM;
}

static void
threads_destroy (void *self)
{
  free (self);
}

static int
threads_config (void *self, const char *key, const char *value)
{
  struct threads *t = self;

  t->meet = strcmp (key, "meet") == 0 && strcmp (value, "yes") == 0;
  return KW_OK;
}

static int
threads_classify (void *self, const struct kw_response *resp,
                  struct kw_verdict *v)
{
  struct threads *t = self;
  int *n = counter (t);
  /* Long enough for the other thread to come, if it can at all. */
  int turns = t->meet ? 100000000 : 50;
  int overlap = __atomic_add_fetch (n, 1, __ATOMIC_SEQ_CST) > 1;

  (void) resp;
  for (int i = 0; i < turns && !overlap; i++) {
    (void) sched_yield ();
    overlap = __atomic_load_n (n, __ATOMIC_SEQ_CST) > 1;
  }
  /* The one that was met must not leave before it is seen: stay in. */
  if (!t->meet)
    (void) __atomic_sub_fetch (n, 1, __ATOMIC_SEQ_CST);
  v->outcome = KW_OUTCOME_OK;
  memcpy (v->reason, overlap ? "overlap" : "alone", 8 - 2 * !overlap);
  return KW_OK;
}

static const struct kw_provider provider = {
  ._header      = KW_PROVIDER_HEADER_INIT,
  .name         = "threads",
  .version      = "1",
  .thread_model = MODEL,
  .create       = threads_create,
  .destroy      = threads_destroy,
  .config       = threads_config,
  .prepare      = plain_prepare,
  .classify     = threads_classify,
};

KW_REGISTER_PROVIDER (provider);

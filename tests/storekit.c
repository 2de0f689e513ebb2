/* storekit - a store's handle in a test: what it was handed, what it said. */
#include "storekit.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* For what must come, and comes sooner. */
enum { PATIENCE_MS = 30000 };

const struct storekit_backing *storekit_backing;
char storekit_spec[4096];

/* ---- What was delivered ----------------------------------------------------------- */

static char *
copy (const char *s)
{
  char *c = strdup (s);

  ck_assert_ptr_nonnull (c);
  return c;
}

static void *
grown (void *array, size_t n, size_t size)
{
  void *p = realloc (array, (n + 1) * size);

  ck_assert_ptr_nonnull (p);
  return p;
}

static struct storekit_fact *
find_fact (const struct storekit *k, const char *name)
{
  for (size_t i = 0; i < k->n_facts; i++)
    if (strcmp (k->facts[i].name, name) == 0)
      return &k->facts[i];
  return NULL;
}

static struct storekit_count *
find_count (const struct storekit *k, const char *name)
{
  for (size_t i = 0; i < k->n_counts; i++)
    if (strcmp (k->counts[i].name, name) == 0)
      return &k->counts[i];
  return NULL;
}

static void
take_fact (void *user, const struct kw_store_fact *f)
{
  struct storekit *k = user;
  struct storekit_fact *seen = find_fact (k, f->name);

  if (seen == NULL) {
    k->facts = grown (k->facts, k->n_facts, sizeof *k->facts);
    seen = &k->facts[k->n_facts++];
    memset (seen, 0, sizeof *seen);
    seen->name = copy (f->name);
  }
  free (seen->value);
  seen->value = copy (f->value);
  seen->major = f->major;
  seen->minor = f->minor;
  seen->expires_ms = f->expires_ms;
  seen->deliveries++;
  k->delivered++;
}

int
storekit_greater (const struct kw_store_fact *a, const struct kw_store_fact *b)
{
  if (a->major != b->major)
    return a->major > b->major;
  if (a->minor != b->minor)
    return a->minor > b->minor;
  return strcmp (a->value, b->value) > 0;
}

/* What was kept need not be handed back. */
static void
take_own (struct storekit *k, const struct kw_store_fact *f)
{
  struct storekit_fact *seen = find_fact (k, f->name);

  if (seen == NULL
      || storekit_greater (f, &(struct kw_store_fact) { seen->name, seen->value, seen->major,
                                                        seen->minor, seen->expires_ms })) {
    take_fact (k, f);
    find_fact (k, f->name)->deliveries--;
    k->delivered--;
  }
}

static void
take_count (void *user, const char *name, int64_t total)
{
  struct storekit *k = user;
  struct storekit_count *seen = find_count (k, name);

  if (seen == NULL) {
    k->counts = grown (k->counts, k->n_counts, sizeof *k->counts);
    seen = &k->counts[k->n_counts++];
    memset (seen, 0, sizeof *seen);
    seen->name = copy (name);
  }
  seen->total = total;
  seen->deliveries++;
  k->delivered++;
}

const struct storekit_fact *
storekit_fact (const struct storekit *k, const char *name)
{
  return find_fact (k, name);
}

int64_t
storekit_total (const struct storekit *k, const char *name)
{
  const struct storekit_count *c = find_count (k, name);

  return c != NULL ? c->total : -1;
}

void
storekit_forget (struct storekit *k)
{
  for (size_t i = 0; i < k->n_facts; i++) {
    free (k->facts[i].name);
    free (k->facts[i].value);
  }
  for (size_t i = 0; i < k->n_counts; i++)
    free (k->counts[i].name);
  free (k->facts);
  free (k->counts);
  k->facts = NULL;
  k->counts = NULL;
  k->n_facts = k->n_counts = 0;
  k->delivered = 0;
}

void
storekit_expect (const struct storekit *k, const char *name, int64_t major, int64_t minor,
                 const char *value)
{
  const struct storekit_fact *f = storekit_fact (k, name);

  ck_assert_msg (f != NULL, "no fact \"%s\"", name);
  ck_assert_msg (f->major == major && f->minor == minor && strcmp (f->value, value) == 0,
                 "%s is %" PRId64 " %" PRId64 " \"%s\", not %" PRId64 " %" PRId64 " \"%s\"",
                 name, f->major, f->minor, f->value, major, minor, value);
}

/* ---- Handles ------------------------------------------------------------------------ */

static int64_t
now_of (void *user)
{
  (void) user;
  return storekit_now ();
}

const struct kw_store *
storekit_load (const char *module)
{
  char path[4096];
  void *so;
  kw_store_entry_fn entry;
  const struct kw_store_header *header;
  int n = snprintf (path, sizeof path, "%s/stores/.libs/%s.so", kwtest_builddir (), module);

  ck_assert (n > 0 && (size_t) n < sizeof path);
  so = dlopen (path, RTLD_NOW | RTLD_LOCAL);
  ck_assert_msg (so != NULL, "%s", dlerror ());
  *(void **) &entry = dlsym (so, KW_STORE_ENTRY_NAME);
  ck_assert_msg (entry != NULL, "%s", dlerror ());
  header = entry (KW_STORE_ABI_MAJOR << 16 | KW_STORE_ABI_MINOR);
  ck_assert_ptr_nonnull (header);
  ck_assert_uint_eq (header->magic, KW_STORE_MAGIC);
  return (const struct kw_store *) (const void *) header;
}

static void
take_log (void *user, int level, const char *line)
{
  struct storekit *k = user;
  size_t have = strlen (k->log);

  ck_assert_msg (strchr (line, '\n') == NULL, "more than a line: %s", line);
  (void) snprintf (k->log + have, sizeof k->log - have, "<%d> %s\n", level, line);
}

int
storekit_try (const struct storekit_how *how, struct storekit *ret)
{
  static const struct storekit_how defaults;
  static unsigned handles;
  struct kw_store_setup setup = { .struct_size = sizeof setup, .log = take_log,
                                  .now_ms = now_of, .user = ret };
  int rc;

  if (how == NULL)
    how = &defaults;
  memset (ret, 0, sizeof *ret);
  ret->store = storekit_load (storekit_backing->module);
  (void) snprintf (ret->holder, sizeof ret->holder, "%08x%08x", (unsigned) getpid (),
                   __atomic_add_fetch (&handles, 1, __ATOMIC_RELAXED));
  if (how->holder != NULL)
    (void) snprintf (ret->holder, sizeof ret->holder, "%s", how->holder);
  setup.spec = how->spec != NULL ? how->spec : storekit_spec;
  setup.dir = how->dir != NULL ? how->dir : "/nonexistent";
  setup.state_dir = how->state_dir;
  setup.timeout_ms = how->timeout_ms != 0 ? how->timeout_ms : 30000;
  setup.holder = ret->holder;
  rc = ret->store->open (&setup, &ret->handle, &ret->why);
  if (rc != 0) {
    ck_assert_msg (ret->handle == NULL, "open failed and gave a handle");
    ck_assert_msg (ret->why.text[0] != '\0', "open failed and says nothing");
  }
  return rc;
}

struct storekit *
storekit_open (const struct storekit_how *how)
{
  struct storekit *k = malloc (sizeof *k);
  int rc;

  ck_assert_ptr_nonnull (k);
  rc = storekit_try (how, k);
  ck_assert_msg (rc == KW_STORE_OK, "open: %d %s", rc, k->why.text);
  ck_assert_ptr_nonnull (k->handle);
  return k;
}

void
storekit_close (struct storekit *k)
{
  k->store->close (k->handle);
  storekit_forget (k);
  free (k);
}

static int
sync_as (struct storekit *k, uint64_t number, const struct kw_store_fact *facts,
         size_t n_facts, const struct kw_store_count *counts, size_t n_counts)
{
  struct kw_store_batch batch = { .struct_size = sizeof batch, .number = number,
                                  .facts = facts, .n_facts = n_facts,
                                  .counts = counts, .n_counts = n_counts };
  struct kw_store_sink sink = { k, take_fact, take_count };
  int rc;

  memset (&k->why, 0, sizeof k->why);
  rc = k->store->sync (k->handle, n_facts + n_counts != 0 ? &batch : NULL, &sink, &k->why);
  ck_assert_msg (rc == KW_STORE_OK || rc == KW_STORE_AWAY, "sync: %d", rc);
  ck_assert_msg (rc == KW_STORE_OK || k->why.text[0] != '\0', "away, and says nothing");
  ck_assert_msg (strchr (k->why.text, '\n') == NULL, "%s", k->why.text);
  for (size_t i = 0; rc == KW_STORE_OK && i < n_facts; i++)
    take_own (k, &facts[i]);
  return rc;
}

int
storekit_sync (struct storekit *k, const struct kw_store_fact *facts, size_t n_facts,
               const struct kw_store_count *counts, size_t n_counts)
{
  if (n_facts + n_counts != 0)
    k->number++;
  return sync_as (k, k->number, facts, n_facts, counts, n_counts);
}

int
storekit_sync_again (struct storekit *k, const struct kw_store_fact *facts, size_t n_facts,
                     const struct kw_store_count *counts, size_t n_counts)
{
  return sync_as (k, k->number, facts, n_facts, counts, n_counts);
}

static void
must (const struct storekit *k, int rc)
{
  ck_assert_msg (rc == KW_STORE_OK, "sync: %d %s", rc, k->why.text);
}

void
storekit_read (struct storekit *k)
{
  must (k, storekit_sync (k, NULL, 0, NULL, 0));
}

void
storekit_put (struct storekit *k, const char *name, int64_t major, int64_t minor,
              const char *value)
{
  struct kw_store_fact f = { name, value, major, minor, STOREKIT_NEVER };

  must (k, storekit_sync (k, &f, 1, NULL, 0));
}

void
storekit_put_until (struct storekit *k, const char *name, int64_t major, const char *value,
                    int64_t expires_ms)
{
  struct kw_store_fact f = { name, value, major, 0, expires_ms };

  must (k, storekit_sync (k, &f, 1, NULL, 0));
}

void
storekit_add_to (struct storekit *k, const char *name, int64_t add)
{
  struct kw_store_count c = { name, add };

  must (k, storekit_sync (k, NULL, 0, &c, 1));
}

static void
not_for_ever (const struct storekit *k, int64_t began)
{
  ck_assert_msg (storekit_ticks () - began < PATIENCE_MS, "still away: %s", k->why.text);
}

void
storekit_keep (struct storekit *k, const struct kw_store_fact *facts, size_t n_facts,
               const struct kw_store_count *counts, size_t n_counts)
{
  int64_t began = storekit_ticks ();
  int rc = storekit_sync (k, facts, n_facts, counts, n_counts);

  for (; rc != 0; rc = storekit_sync_again (k, facts, n_facts, counts, n_counts))
    not_for_ever (k, began);
}

void
storekit_reach (struct storekit *k)
{
  int64_t began = storekit_ticks ();

  while (storekit_sync (k, NULL, 0, NULL, 0) != 0 || storekit_stirs (k, 0))
    not_for_ever (k, began);
}

int
storekit_stirs (struct storekit *k, int ms)
{
  struct pollfd p = { k->store->fd (k->handle), POLLIN, 0 };
  int n;

  ck_assert_int_ge (p.fd, 0);
  n = poll (&p, 1, ms);
  ck_assert_int_ge (n, 0);
  return n;
}

void
storekit_settle (struct storekit *k)
{
  int i;

  storekit_read (k);
  for (i = 0; storekit_stirs (k, 0); i++) {
    ck_assert_msg (i < 50, "fd is readable for ever");
    storekit_read (k);
  }
}

/* One more look, after others have stirred or a while has passed. */
static void
look_again (struct storekit *k, int64_t deadline, const char *name)
{
  ck_assert_msg (storekit_ticks () < deadline, "%s did not arrive", name);
  (void) storekit_stirs (k, 50);
  storekit_read (k);
}

void
storekit_await (struct storekit *k, const char *name, const char *value)
{
  const struct storekit_fact *f;
  int64_t deadline = storekit_ticks () + PATIENCE_MS;

  storekit_read (k);
  while ((f = find_fact (k, name)) == NULL || strcmp (f->value, value) != 0)
    look_again (k, deadline, name);
}

void
storekit_await_total (struct storekit *k, const char *name, int64_t total)
{
  int64_t deadline = storekit_ticks () + PATIENCE_MS;

  storekit_read (k);
  while (storekit_total (k, name) != total) {
    ck_assert_msg (storekit_total (k, name) < total, "%s: %" PRId64 ", more than %" PRId64,
                   name, storekit_total (k, name), total);
    look_again (k, deadline, name);
  }
}

void
storekit_expect_text (const char *text, const char *part)
{
  ck_assert_msg (strstr (text, part) != NULL, "no \"%s\" in: %s", part, text);
}

/* ---- The battery ---------------------------------------------------------------------- */

static void
begin (void)
{
  storekit_backing->start (storekit_spec, sizeof storekit_spec);
}

static void
end (void)
{
  storekit_backing->stop ();
}

TCase *
storekit_case (Suite *suite, const char *name)
{
  TCase *t = tcase_create (name);

  tcase_set_timeout (t, 60);
  tcase_add_checked_fixture (t, begin, end);
  suite_add_tcase (suite, t);
  return t;
}

void
storekit_add (Suite *suite, const struct storekit_backing *backing)
{
  storekit_backing = backing;
  storekit_add_facts (suite);
  storekit_add_others (suite);
  storekit_add_leases (suite);
}

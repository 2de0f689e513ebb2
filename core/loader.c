/* loader - loading one plugin file, and believing it step by step.
 *
 * First vet.c says whether the file may be loaded; then it is loaded and its
 * struct looked at, in the order in which one may believe it.  Every refusal is
 * one line: the file, what was expected, what was found, what to do.  Knows
 * nothing of what a plugin does (instance.c) or of where plugins lie
 * (finder.c). */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "fail.h"
#include "loader.h"
#include "vet.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

/* The struct of 1.0, and more than any will ever have. */
#define LEAST_STRUCT 160
#define MOST_STRUCT 65536

struct kwi_plugin {
  struct kwi_plugin *next;
  dev_t dev;
  ino_t ino;
  unsigned refs;
  int abi_major, abi_minor;
  void *handle;
  char *file;                   /* as it was asked for                    */
  struct kw_provider provider;  /* our copy; its pointers are the plugin's */
  pthread_mutex_t calls;
};

/* What the process has loaded.  The dynamic linker keeps one list for the
 * whole process too, whatever the number of our clients. */
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
static struct kwi_plugin *loaded;

int
kwi_plugin_name_ok (const char *name)
{
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
  size_t len = strspn (name, allowed);

  return len > 0 && len < 64 && name[len] == '\0' && name[0] != '-';
}

/* ---- What it says of itself ------------------------------------------------ */

static int
vet_header (const struct kw_provider_header *h, const char *file,
            struct kw_error *err)
{
  if (h->magic != KW_PROVIDER_MAGIC)
    return kwi_refuse (err, file, "expected the magic number 0x%08lx, found 0x%08lx; "
                       "begin the struct with KW_PROVIDER_HEADER_INIT",
                       (unsigned long) KW_PROVIDER_MAGIC, (unsigned long) h->magic);
  if (h->abi_major != KW_PROVIDER_ABI_MAJOR)
    return kwi_refuse (err, file, "expected provider ABI %d, found %d.%d; %s",
                       KW_PROVIDER_ABI_MAJOR, h->abi_major, h->abi_minor,
                       h->abi_major > KW_PROVIDER_ABI_MAJOR
                         ? "it needs a newer keywheel"
                         : "get or build one for this keywheel");
  if (h->struct_size < LEAST_STRUCT || h->struct_size > MOST_STRUCT)
    return kwi_refuse (err, file, "expected a struct of %d to %d bytes, found %lu; "
                       "build it again with this keywheel's header", LEAST_STRUCT,
                       MOST_STRUCT, (unsigned long) h->struct_size);
  if (h->struct_size % sizeof (void *) != 0)
    return kwi_refuse (err, file, "expected a struct size that is a multiple of "
                       "%d, found %lu; build it again with this keywheel's header",
                       (int) sizeof (void *), (unsigned long) h->struct_size);
  if (h->min_host_minor > KW_PROVIDER_ABI_MINOR)
    return kwi_refuse (err, file, "expected a plugin for provider ABI %d.%d, found "
                       "one that needs %d.%d at least; it needs a newer keywheel",
                       KW_PROVIDER_ABI_MAJOR, KW_PROVIDER_ABI_MINOR,
                       KW_PROVIDER_ABI_MAJOR, h->min_host_minor);
  return 0;
}

static int
vet_struct (const struct kw_provider *p, const char *file,
            struct kw_error *err)
{
  const char *missing = p->create == NULL     ? "create"
                        : p->destroy == NULL  ? "destroy"
                        : p->prepare == NULL  ? "prepare"
                        : p->classify == NULL ? "classify"
                                              : NULL;

  if (p->name == NULL || !kwi_plugin_name_ok (p->name))
    return kwi_refuse (err, file, "expected a name of a-z, 0-9 and '-' "
                       "(not first, 63 at most), found %s%.64s%s; set .name",
                       p->name != NULL ? "\"" : "",
                       p->name != NULL ? p->name : "none", p->name != NULL ? "\"" : "");
  if (missing != NULL)
    return kwi_refuse (err, file, "expected create, destroy, prepare and classify, "
                       "found no %s in plugin \"%s\"; set .%s", missing, p->name,
                       missing);
  if ((p->caps & KW_CAP_PROBE) != 0 && p->build_probe == NULL)
    return kwi_refuse (err, file, "expected build_probe, since plugin \"%s\" has "
                       "KW_CAP_PROBE, found none; set .build_probe", p->name);
  return 0;
}

/* ---- Loading and unloading -------------------------------------------------- */

/* Reports of leaks and of bad accesses name functions when the program ends:
 * the code must still be there then. */
static int
may_unload (void)
{
#if defined(__SANITIZE_ADDRESS__)
  return 0;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  return 0;
#endif
#endif
#if defined(RUNNING_ON_VALGRIND)
  if (RUNNING_ON_VALGRIND)
    return 0;
#endif
  return 1;
}

static void
close_handle (void *handle, uint64_t caps)
{
  if (may_unload () && (caps & KW_CAP_NO_UNLOAD) == 0)
    (void) dlclose (handle);
}

static void
free_plugin (struct kwi_plugin *p)
{
  if (p == NULL)
    return;
  pthread_mutex_destroy (&p->calls);
  free (p->file);
  free (p);
}

static struct kwi_plugin *
allocate (const char *file, const struct stat *st, void *handle)
{
  struct kwi_plugin *p = calloc (1, sizeof *p);

  if (p == NULL)
    return NULL;
  pthread_mutex_init (&p->calls, NULL);
  p->file = strdup (file);
  if (p->file == NULL) {
    free_plugin (p);
    return NULL;
  }
  p->dev = st->st_dev;
  p->ino = st->st_ino;
  p->handle = handle;
  p->abi_major = p->abi_minor = -1;
  return p;
}

/* Asks the entry function, and keeps what is believed of its answer in p. */
static int
introduce (struct kwi_plugin *p, const char *file, struct kw_error *err)
{
  const struct kw_provider_header *h;
  kw_provider_entry_fn entry;
  void *symbol = dlsym (p->handle, KW_PROVIDER_ENTRY_NAME);
  size_t size;
  int rc;

  if (symbol == NULL)
    return kwi_refuse (err, file, "expected the symbol %s, found a shared object "
                       "without it; end the plugin with KW_REGISTER_PROVIDER, and "
                       "check its export map", KW_PROVIDER_ENTRY_NAME);
  /* ISO C knows no way from an object's pointer to a function's. */
  memcpy (&entry, &symbol, sizeof entry);
  h = entry ((uint32_t) KW_PROVIDER_ABI_MAJOR << 16 | KW_PROVIDER_ABI_MINOR);
  if (h == NULL)
    return kwi_refuse (err, file, "expected an answer for provider ABI %d.%d, found "
                       "that it has none; get one for this keywheel",
                       KW_PROVIDER_ABI_MAJOR, KW_PROVIDER_ABI_MINOR);
  if (h->magic == KW_PROVIDER_MAGIC) {
    p->abi_major = h->abi_major;
    p->abi_minor = h->abi_minor;
  }
  rc = vet_header (h, file, err);
  if (rc != 0)
    return rc;
  /* The rest of ours stays zero: "as if it did not exist". */
  size = h->struct_size;
  memcpy (&p->provider, h, size < sizeof p->provider ? size
                                                     : sizeof p->provider);
  return vet_struct (&p->provider, file, err);
}

/* The linker's words, without the file's name, which we say ourselves. */
static const char *
linker_words (const char *resolved)
{
  const char *s = dlerror ();
  size_t len = strlen (resolved);

  if (s == NULL)
    return "it does not say why";
  if (strncmp (s, resolved, len) == 0 && strncmp (s + len, ": ", 2) == 0)
    s += len + 2;
  return s;
}

/* Opening by path again is a second look at the name: it may be another file's
 * by now.  dlopen of /proc/self/fd/N would avoid that, but then the linker
 * names that in its errors, and takes what it has under the same number for
 * the same file.  Only root and the user can write there, so it is no attack
 * that is caught here but an installation in progress; looking again after is
 * enough for that. */
static int
was_replaced (const char *resolved, const struct stat *st)
{
  struct stat now;

  return stat (resolved, &now) == -1 || now.st_dev != st->st_dev ||
         now.st_ino != st->st_ino;
}

static struct kwi_plugin *
find_file (const struct stat *st)
{
  for (struct kwi_plugin *p = loaded; p != NULL; p = p->next)
    if (p->dev == st->st_dev && p->ino == st->st_ino)
      return p;
  return NULL;
}

static struct kwi_plugin *
find_handle (const void *handle)
{
  for (struct kwi_plugin *p = loaded; p != NULL; p = p->next)
    if (p->handle == handle)
      return p;
  return NULL;
}

/* The mutex is held. */
static int
load_new (const char *file, const char *resolved, const struct stat *st,
          struct kwi_plugin **ret, int *ret_major, int *ret_minor,
          struct kw_error *err)
{
  void *handle = dlopen (resolved, RTLD_NOW | RTLD_LOCAL);
  struct kwi_plugin *p;
  int rc;

  if (handle == NULL)
    return kwi_refuse (err, file, "expected that it loads, found: %s; link it with "
                       "-Wl,-z,defs and all it needs", linker_words (resolved));
  /* A file installed over one in use: the linker goes by the name and gives
   * the old one, which is in the process anyway. */
  p = find_handle (handle);
  if (p != NULL) {
    (void) dlclose (handle);    /* its count only; ours keeps it */
    *ret = p;
    return 0;
  }
  if (was_replaced (resolved, st)) {
    close_handle (handle, 0);
    return kwi_refuse (err, file, "expected the file that was looked at, found it "
                       "replaced while it was being loaded; try again");
  }
  p = allocate (file, st, handle);
  if (p == NULL) {
    close_handle (handle, 0);
    return kwi_fail (err, KW_ERR_MEMORY, "plugin %s: no memory", file);
  }
  rc = introduce (p, file, err);
  *ret_major = p->abi_major;
  *ret_minor = p->abi_minor;
  if (rc != 0) {
    close_handle (handle, p->provider.caps);
    free_plugin (p);
    return rc;
  }
  p->next = loaded;
  loaded = p;
  *ret = p;
  return 0;
}

static int
load_vetted (const char *file, const char *resolved, const struct stat *st,
             struct kwi_plugin **ret, int *ret_major, int *ret_minor,
             struct kw_error *err)
{
  struct kwi_plugin *p;
  int rc = 0;

  pthread_mutex_lock (&loading);
  p = find_file (st);
  if (p == NULL)
    rc = load_new (file, resolved, st, &p, ret_major, ret_minor, err);
  if (rc == 0) {
    p->refs++;
    *ret_major = p->abi_major;
    *ret_minor = p->abi_minor;
    *ret = p;
  }
  pthread_mutex_unlock (&loading);
  return rc;
}

int
kwi_plugin_try (const char *file, struct kwi_plugin **ret, int *ret_abi_major,
                int *ret_abi_minor, struct kw_error *err)
{
  char *resolved;
  struct stat st;
  int rc;

  *ret_abi_major = *ret_abi_minor = -1;
  rc = kwi_vet_file (file, &resolved, &st, err);
  if (rc != 0)
    return rc;
  rc = load_vetted (file, resolved, &st, ret, ret_abi_major, ret_abi_minor, err);
  free (resolved);
  return rc;
}

int
kwi_plugin_load (const char *file, struct kwi_plugin **ret,
                 struct kw_error *err)
{
  int major, minor;

  return kwi_plugin_try (file, ret, &major, &minor, err);
}

void
kwi_plugin_ref (struct kwi_plugin *p)
{
  pthread_mutex_lock (&loading);
  p->refs++;
  pthread_mutex_unlock (&loading);
}

void
kwi_plugin_unref (struct kwi_plugin *p)
{
  if (p == NULL)
    return;
  pthread_mutex_lock (&loading);
  /* One that is never unloaded stays in the list, to be found again. */
  if (--p->refs == 0 && may_unload () &&
      (p->provider.caps & KW_CAP_NO_UNLOAD) == 0) {
    struct kwi_plugin **at = &loaded;
    while (*at != p)
      at = &(*at)->next;
    *at = p->next;
    (void) dlclose (p->handle);
    free_plugin (p);
  }
  pthread_mutex_unlock (&loading);
}

const struct kw_provider *
kwi_plugin_provider (const struct kwi_plugin *p)
{
  return &p->provider;
}

const char *
kwi_plugin_file (const struct kwi_plugin *p)
{
  return p->file;
}

void
kwi_plugin_abi (const struct kwi_plugin *p, int *ret_major, int *ret_minor)
{
  *ret_major = p->abi_major;
  *ret_minor = p->abi_minor;
}

void
kwi_plugin_lock (struct kwi_plugin *p)
{
  pthread_mutex_lock (&p->calls);
}

void
kwi_plugin_unlock (struct kwi_plugin *p)
{
  pthread_mutex_unlock (&p->calls);
}

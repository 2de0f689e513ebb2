/* store-module - the module of a state store; see store-module.h.  vet.c says
 * whether a file may be loaded, as for providers. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "fail.h"
#include "store-module.h"
#include "vet.h"

#ifndef KW_STOREDIR
#define KW_STOREDIR "/usr/local/lib/keywheel/stores"
#endif

#define NAME_MAX_LEN 32
/* What the struct had when it was 1.0. */
#define LEAST_STRUCT (offsetof (struct kw_store, lease) + sizeof (void *))

struct module {
  struct module *next;
  struct kw_store store;
  char file[];
};

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
static struct module *loaded;

int
kwi_state_is_memory (const char *spec)
{
  return strcmp (spec, "memory") == 0;
}

/* Is the scheme among those that the module knows? */
static int
knows (const struct kw_store *s, const char *scheme, size_t len)
{
  const char *p = s->schemes;

  while (*p != '\0') {
    size_t n = strcspn (p, " ");
    if (n == len && strncmp (p, scheme, len) == 0)
      return 1;
    p += n;
    p += strspn (p, " ");
  }
  return 0;
}

static int
vet_struct (const struct kw_store_header *h, const char *file,
            struct kw_error *err)
{
  const struct kw_store *s = (const struct kw_store *) (const void *) h;

  if (h == NULL || h->magic != KW_STORE_MAGIC)
    return kwi_refuse (err, file, "expected a state store, found something else; "
                       "end the module with KW_REGISTER_STORE");
  if (h->abi_major != KW_STORE_ABI_MAJOR)
    return kwi_refuse (err, file, "expected store ABI %d, found %d.%d; get or build "
                       "one for this keywheel", KW_STORE_ABI_MAJOR, h->abi_major,
                       h->abi_minor);
  if (h->struct_size < LEAST_STRUCT || h->struct_size > 65536)
    return kwi_refuse (err, file, "expected a struct of %d bytes or more, found "
                       "%lu; build it again with this keywheel's header",
                       (int) LEAST_STRUCT, (unsigned long) h->struct_size);
  if (s->name == NULL || s->schemes == NULL || s->open == NULL
      || s->close == NULL || s->where == NULL || s->fd == NULL
      || s->sync == NULL || s->lease == NULL)
    return kwi_refuse (err, file, "expected name, schemes, open, close, where, fd, "
                       "sync and lease, found one of them missing; set it");
  return 0;
}

/* The lock is held. */
static int
load (const char *file, const struct kw_store **ret, struct kw_error *err)
{
  const struct kw_store_header *h;
  kw_store_entry_fn entry;
  char *resolved = NULL;
  struct stat st;
  struct module *m;
  void *handle, *symbol;
  int code = kwi_vet_file (file, &resolved, &st, err);

  if (code != 0)
    return code;
  for (m = loaded; m != NULL && strcmp (m->file, resolved) != 0; m = m->next)
    ;
  if (m == NULL) {
    handle = dlopen (resolved, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    symbol = handle != NULL ? dlsym (handle, KW_STORE_ENTRY_NAME) : NULL;
    if (symbol == NULL) {
      const char *why = dlerror ();
      free (resolved);
      return kwi_refuse (err, file, "expected that it loads and has %s, found: %s",
                         KW_STORE_ENTRY_NAME, why != NULL ? why : "nothing");
    }
    /* ISO C knows no way from an object's pointer to a function's. */
    memcpy (&entry, &symbol, sizeof entry);
    h = entry ((uint32_t) KW_STORE_ABI_MAJOR << 16 | KW_STORE_ABI_MINOR);
    code = vet_struct (h, file, err);
    if (code == 0 && (m = calloc (1, sizeof *m + strlen (resolved) + 1)) == NULL)
      code = kwi_fail (err, KW_ERR_MEMORY, "out of memory");
    if (code != 0) {
      free (resolved);
      return code;
    }
    memcpy (&m->store, h, h->struct_size < sizeof m->store ? h->struct_size
                                                           : sizeof m->store);
    memcpy (m->file, resolved, strlen (resolved) + 1);
    m->next = loaded;
    loaded = m;
  }
  free (resolved);
  *ret = &m->store;
  return 0;
}

/* The file for the first len bytes of scheme in one folder.  1: it is there. */
static int
look_in (const char *dir, size_t dir_len, const char *scheme, size_t len,
         char *file, size_t size)
{
  int n = snprintf (file, size, "%.*s/%.*s.so", (int) dir_len, dir, (int) len,
                    scheme);

  return n > 0 && (size_t) n < size && access (file, F_OK) == 0;
}

/* rediss is redis.so's: a scheme that has no file is looked for without its last
 * letters, too. */
static int
find_in (const char *dir, size_t dir_len, const char *scheme, size_t scheme_len,
         const struct kw_store **ret, struct kw_error *err)
{
  char file[4096];
  size_t len;

  for (len = scheme_len; len > 0; len--)
    if (look_in (dir, dir_len, scheme, len, file, sizeof file)) {
      const struct kw_store *s = NULL;
      int code = load (file, &s, err);
      if (code != 0)
        return code;
      if (knows (s, scheme, scheme_len)) {
        *ret = s;
        return 1;
      }
    }
  return 0;
}

static int
find (const char *scheme, size_t len, const struct kw_store **ret,
      struct kw_error *err)
{
  const char *path = secure_getenv ("KEYWHEEL_STORE_PATH");
  int found = 0;

  /* Relative entries would depend on where the program was started. */
  while (path != NULL && found == 0) {
    size_t n = strcspn (path, ":");
    if (path[0] == '/')
      found = find_in (path, n, scheme, len, ret, err);
    path = path[n] == ':' ? path + n + 1 : NULL;
  }
  if (found == 0)
    found = find_in (KW_STOREDIR, strlen (KW_STOREDIR), scheme, len, ret, err);
  return found;
}

int
kwi_store_module (const char *spec, const struct kw_store **ret,
                  struct kw_error *err)
{
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789+";
  size_t len = strspn (spec, allowed);
  int found = 0;

  if (len > 0 && len <= NAME_MAX_LEN && (spec[len] == '\0' || spec[len] == ':')) {
    (void) pthread_mutex_lock (&loading);
    found = find (spec, len, ret, err);
    (void) pthread_mutex_unlock (&loading);
  }
  if (found == 1)
    return 0;
  if (found < 0)
    return found;
  /* What is behind the scheme may have a password in it. */
  return kwi_fail (err, KW_ERR_SETTINGS,
                   "state = %.*s is not known; allowed: memory, sqlite, "
                   "sqlite:PATH, redis://HOST:PORT/DB (a module SCHEME.so is "
                   "looked for in KEYWHEEL_STORE_PATH and in %s)",
                   (int) strcspn (spec, ":"), spec, KW_STOREDIR);
}

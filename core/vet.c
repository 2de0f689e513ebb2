/* vet - may this file be loaded at all?
 *
 * A plugin runs with all our rights.  So: who could have put it there, and is it
 * a whole shared object of this machine's kind.  Looks at the file system
 * only; loads nothing.  What the plugin says of itself is loader.c's. */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "fail.h"
#include "vet.h"

int
kwi_refuse (struct kw_error *err, const char *file, const char *fmt, ...)
{
  char why[768];
  va_list ap;
  int n;

  va_start (ap, fmt);
  n = vsnprintf (why, sizeof why, fmt, ap);
  va_end (ap);
  if (n < 0)
    why[0] = '\0';
  return kwi_fail (err, KW_ERR_SETTINGS, "plugin %s is refused: %s", file, why);
}

/* ---- Who could have put it there ------------------------------------------ */

static int
vet_owner (const struct stat *st, const char *file, const char *what,
           const char *path, struct kw_error *err)
{
  if (st->st_uid != 0 && st->st_uid != geteuid ())
    return kwi_refuse (err, file, "expected %s of root's or of the user's (uid "
                       "%lu), found %s owned by uid %lu; chown it, or install the "
                       "plugin elsewhere", what, (unsigned long) geteuid (), path,
                       (unsigned long) st->st_uid);
  if ((st->st_mode & S_IWOTH) != 0)
    return kwi_refuse (err, file, "expected %s that nobody else can write, found "
                       "%s with mode %04o; run chmod o-w on it", what, path,
                       (unsigned) st->st_mode & 07777);
  return 0;
}

/* The folder that path lies in: who can write there can put another file in
 * its place.  Cuts path in two for the moment. */
static int
vet_folder (char *path, const char *file, struct kw_error *err)
{
  char *slash = strrchr (path, '/');
  const char *dir = slash == NULL ? "." : slash == path ? "/" : path;
  struct stat st;
  int rc;

  if (slash != NULL && slash != path)
    *slash = '\0';
  rc = stat (dir, &st) == 0
         ? vet_owner (&st, file, "a folder", dir, err)
         : kwi_refuse (err, file, "expected a folder to look into, found that %s "
                       "cannot be looked at (%s); check its rights", dir,
                       strerror (errno));
  if (slash != NULL)
    *slash = '/';
  return rc;
}

/* Both the folder that was named and the one that a link led to.  *ret is the
 * file without links, for free(). */
static int
vet_folders (const char *file, char **ret, struct kw_error *err)
{
  char *resolved = realpath (file, NULL);
  char *named;
  int rc;

  if (resolved == NULL)
    return kwi_refuse (err, file, "expected a file, found none that can be reached "
                       "(%s); check the name, plugin_dir and the rights",
                       strerror (errno));
  named = strdup (file);
  rc = named == NULL ? kwi_fail (err, KW_ERR_MEMORY, "%s: no memory", file)
                     : vet_folder (named, file, err);
  free (named);
  if (rc == 0)
    rc = vet_folder (resolved, file, err);
  if (rc != 0) {
    free (resolved);
    return rc;
  }
  *ret = resolved;
  return 0;
}

/* ---- Is it a shared object ------------------------------------------------ */

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#elif defined(__i386__)
#define OUR_MACHINE EM_386
#elif defined(__arm__)
#define OUR_MACHINE EM_ARM
#elif defined(__riscv)
#define OUR_MACHINE EM_RISCV
#endif

/* The dynamic linker maps what the program headers say: of a file that was cut
 * short (a copy in progress, a full disk) it dies by SIGBUS. */
static int
vet_length (int fd, const ElfW (Ehdr) *eh, off_t size, const char *file,
            struct kw_error *err)
{
  for (unsigned i = 0; i < eh->e_phnum; i++) {
    ElfW (Phdr) ph;
    off_t at = (off_t) (eh->e_phoff + (ElfW (Off)) i * sizeof ph);

    if (at < 0 || pread (fd, &ph, sizeof ph, at) != (ssize_t) sizeof ph)
      return kwi_refuse (err, file, "expected %u program headers, found the end of "
                         "the file before; it was cut short, copy it again",
                         (unsigned) eh->e_phnum);
    if (ph.p_type == PT_LOAD &&
        (ph.p_filesz > (ElfW (Off)) size ||
         ph.p_offset > (ElfW (Off)) size - ph.p_filesz))
      return kwi_refuse (err, file, "expected %llu bytes and more, found %lld; it "
                         "was cut short, copy it again",
                         (unsigned long long) ph.p_offset + ph.p_filesz,
                         (long long) size);
  }
  return 0;
}

static int
vet_elf (int fd, off_t size, const char *file, struct kw_error *err)
{
  static const unsigned one = 1;
  const unsigned char our_class = sizeof (void *) == 8 ? ELFCLASS64
                                                       : ELFCLASS32;
  const unsigned char our_data = *(const unsigned char *) &one == 1
                                   ? ELFDATA2LSB : ELFDATA2MSB;
  ElfW (Ehdr) eh;
  ssize_t n;

  memset (&eh, 0, sizeof eh);
  n = pread (fd, &eh, sizeof eh, 0);
  if (n < SELFMAG || memcmp (eh.e_ident, ELFMAG, SELFMAG) != 0)
    return kwi_refuse (err, file, "expected an ELF shared object, found %s; name "
                       "the .so that the linker made",
                       size == 0 ? "an empty file" : "a file of another kind");
  if (eh.e_ident[EI_CLASS] != our_class || eh.e_ident[EI_DATA] != our_data)
    return kwi_refuse (err, file, "expected a %d-bit plugin of this machine's byte "
                       "order, found ELF class %d, byte order %d; build it for "
                       "this machine", (int) sizeof (void *) * 8,
                       eh.e_ident[EI_CLASS], eh.e_ident[EI_DATA]);
#ifdef OUR_MACHINE
  if (n == (ssize_t) sizeof eh && eh.e_machine != OUR_MACHINE)
    return kwi_refuse (err, file, "expected ELF machine %d, found %d; build it for "
                       "this machine", OUR_MACHINE, (int) eh.e_machine);
#endif
  if (n != (ssize_t) sizeof eh || eh.e_type != ET_DYN ||
      eh.e_phentsize != sizeof (ElfW (Phdr)))
    return kwi_refuse (err, file, "expected an ELF shared object, found %s; link "
                       "it with -shared",
                       n != (ssize_t) sizeof eh ? "the beginning of one" :
                       eh.e_type == ET_REL ? "an object file (.o)" :
                       eh.e_type == ET_EXEC ? "a program" : "another kind of ELF");
  return vet_length (fd, &eh, size, file, err);
}

static int
vet_open_file (int fd, const char *file, struct stat *st, struct kw_error *err)
{
  int rc;

  if (fstat (fd, st) == -1)
    return kwi_refuse (err, file, "expected a file, found one that cannot be "
                       "looked at (%s)", strerror (errno));
  if (!S_ISREG (st->st_mode))
    return kwi_refuse (err, file, "expected a regular file, found %s; name the .so "
                       "itself", S_ISDIR (st->st_mode) ? "a folder"
                                                       : "a special one");
  rc = vet_owner (st, file, "a file", file, err);
  return rc != 0 ? rc : vet_elf (fd, st->st_size, file, err);
}

int
kwi_vet_file (const char *file, char **ret_resolved, struct stat *ret_st,
              struct kw_error *err)
{
  char *resolved = NULL;
  int fd, rc;

  rc = vet_folders (file, &resolved, err);
  if (rc != 0)
    return rc;
  /* O_NONBLOCK: a FIFO must not keep us waiting for a writer. */
  fd = open (resolved, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd == -1)
    rc = kwi_refuse (err, file, "expected a file that can be read, found: %s; "
                     "check its rights", strerror (errno));
  else {
    rc = vet_open_file (fd, file, ret_st, err);
    (void) close (fd);
  }
  if (rc != 0) {
    free (resolved);
    return rc;
  }
  *ret_resolved = resolved;
  return 0;
}

/* check-elf - what can be read in a plugin's file without loading it: which
 * names it shows and wants, and its constant texts.
 *
 * The texts make random answers that are to the point: a plugin that looks for
 * a word has that word in it.  The file has been vetted for whose it is, and not
 * for what is in it: every number of it is checked.  What cannot be made out is
 * left out. */
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

struct elf {
  const char *at;
  size_t size;
  const ElfW (Shdr) *sections;
  size_t n;
};

static int
fits (const struct elf *e, uint64_t offset, uint64_t size, size_t align)
{
  return offset <= e->size && size <= e->size - offset && offset % align == 0;
}

/* The bytes of a section; NULL: it has none in the file. */
static const char *
bytes (const struct elf *e, const ElfW (Shdr) *s, size_t align)
{
  if (s->sh_type == SHT_NOBITS || !fits (e, s->sh_offset, s->sh_size, align))
    return NULL;
  return e->at + s->sh_offset;
}

/* The text at an offset of a section of texts; NULL: none that ends. */
static const char *
text_at (const struct elf *e, size_t section, uint64_t offset)
{
  const ElfW (Shdr) *s = section < e->n ? &e->sections[section] : NULL;
  const char *p = s != NULL ? bytes (e, s, 1) : NULL;

  if (p == NULL || offset >= s->sh_size
      || memchr (p + offset, '\0', (size_t) (s->sh_size - offset)) == NULL)
    return NULL;
  return p + offset;
}

static void
keep (char *dst, const char *src)
{
  size_t len = strnlen (src, KWI_CHECK_TEXT - 1);

  memcpy (dst, src, len);
  dst[len] = '\0';
}

static int
is_ours (const char *name)
{
  return strncmp (name, "kw_", 3) == 0 || strncmp (name, "kwi_", 4) == 0;
}

static void
read_symbols (const struct elf *e, const ElfW (Shdr) *s, struct kwi_check_file *ret)
{
  const char *p = bytes (e, s, sizeof (void *));
  size_t n = (size_t) (s->sh_size / sizeof (ElfW (Sym)));

  for (size_t i = 0; p != NULL && i < n; i++) {
    const ElfW (Sym) *sym = (const ElfW (Sym) *) (const void *) p + i;
    const char *name = text_at (e, s->sh_link, sym->st_name);
    unsigned bind = sym->st_info >> 4, type = sym->st_info & 15;
    unsigned visible = sym->st_other & 3;
    if (name == NULL || name[0] == '\0' || bind == STB_LOCAL)
      continue;
    if (sym->st_shndx == SHN_UNDEF) {
      if (is_ours (name) && ret->n_wants++ == 0)
        keep (ret->want, name);
    } else if ((type == STT_FUNC || type == STT_OBJECT)
               && (visible == STV_DEFAULT || visible == STV_PROTECTED)
               && strcmp (name, KW_PROVIDER_ENTRY_NAME) != 0
               && name[0] != '_' && ret->n_exports++ == 0)
      keep (ret->export, name);
  }
}

static void
read_dynamic (const struct elf *e, const ElfW (Shdr) *s, struct kwi_check_file *ret)
{
  const char *p = bytes (e, s, sizeof (void *));
  size_t n = (size_t) (s->sh_size / sizeof (ElfW (Dyn)));

  for (size_t i = 0; p != NULL && i < n; i++) {
    const ElfW (Dyn) *d = (const ElfW (Dyn) *) (const void *) p + i;
    const char *name = d->d_tag == DT_NEEDED ? text_at (e, s->sh_link, d->d_un.d_val)
                                             : NULL;
    if (name != NULL && strncmp (name, "libkeywheel.", 12) == 0)
      ret->needs_us = 1;
  }
}

static int
is_print (char c)
{
  return c >= 0x20 && c <= 0x7e;
}

static void
read_words (const struct elf *e, const ElfW (Shdr) *s, struct kwi_check_file *ret)
{
  const char *p = bytes (e, s, 1), *end = p != NULL ? p + s->sh_size : NULL;

  while (p < end && ret->n_words < KWI_CHECK_WORDS) {
    size_t len = 0;
    while (p + len < end && is_print (p[len]))
      len++;
    if (len >= 3 && len < KWI_CHECK_TEXT && p + len < end && p[len] == '\0')
      keep (ret->word[ret->n_words++], p);
    p += len + 1;
  }
}

static void
read_sections (const struct elf *e, size_t names, struct kwi_check_file *ret)
{
  for (size_t i = 0; i < e->n; i++) {
    const ElfW (Shdr) *s = &e->sections[i];
    const char *name = text_at (e, names, s->sh_name);
    if (s->sh_type == SHT_DYNSYM) {
      read_symbols (e, s, ret);
      ret->readable = 1;
    }
    if (s->sh_type == SHT_DYNAMIC)
      read_dynamic (e, s, ret);
    if (s->sh_type == SHT_PROGBITS && name != NULL
        && strncmp (name, ".rodata", 7) == 0)
      read_words (e, s, ret);
  }
}

void
kwi_check_elf (const char *path, struct kwi_check_file *ret)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct elf e = { .at = MAP_FAILED };
  const ElfW (Ehdr) *h;
  struct stat st;

  memset (ret, 0, sizeof *ret);
  if (fd < 0)
    return;
  if (fstat (fd, &st) == 0 && st.st_size > (off_t) sizeof *h) {
    e.size = (size_t) st.st_size;
    e.at = mmap (NULL, e.size, PROT_READ, MAP_PRIVATE, fd, 0);
  }
  (void) close (fd);
  if (e.at == MAP_FAILED)
    return;
  h = (const ElfW (Ehdr) *) (const void *) e.at;
  if (h->e_shentsize == sizeof (ElfW (Shdr))
      && fits (&e, h->e_shoff, (uint64_t) h->e_shnum * sizeof (ElfW (Shdr)),
               sizeof (void *))) {
    e.sections = (const ElfW (Shdr) *) (const void *) (e.at + h->e_shoff);
    e.n = h->e_shnum;
    read_sections (&e, h->e_shstrndx, ret);
  }
  (void) munmap ((void *) (uintptr_t) e.at, e.size);
}

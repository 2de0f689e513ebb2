/* check-header - what a plugin says of itself: that it loads, its header, its
 * texts, which callbacks it has, and what the file shows of itself. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "check-subject.h"
#include "config.h"
#include "values.h"

/* ---- load --------------------------------------------------------------- */

static void
run_load (struct kwi_check *c, const struct kwi_check_case *k)
{
  struct kwi_check_subject *s = kwi_check_plugin (c);

  (void) k;
  if (s != NULL)
    kwi_check_note (c, "as the core does: plugin \"%s\"%s%.40s", s->provider->name,
                    s->provider->version != NULL ? " " : "",
                    s->provider->version != NULL ? s->provider->version : "");
}

/* ---- header ------------------------------------------------------------- */

static void
run_fields (struct kwi_check *c, const struct kwi_check_case *k)
{
  struct kwi_check_subject *s = kwi_check_plugin (c);
  const struct kw_provider_header *h = s != NULL ? s->own : NULL;

  (void) k;
  if (h == NULL)
    return;
  kwi_check_note (c, "ABI %d.%d, %lu bytes, needs %d.%d of the host", h->abi_major,
                  h->abi_minor, (unsigned long) h->struct_size, h->abi_major,
                  h->min_host_minor);
  kwi_check_that (c, h->_reserved == 0 && s->provider->_reserved0 == 0, "reserved",
                  "a _reserved field is not 0; a later ABI will read it");
  kwi_check_that (c, h->min_host_minor <= h->abi_minor, "min-host-minor", "it needs "
                  "minor %d of the host and was compiled with %d",
                  h->min_host_minor, h->abi_minor);
  kwi_check_that (c, h->abi_minor > KW_PROVIDER_ABI_MINOR
                  || h->struct_size <= sizeof (struct kw_provider), "size",
                  "its struct has %lu bytes, and that of ABI %d.%d has %lu",
                  (unsigned long) h->struct_size, h->abi_major, h->abi_minor,
                  (unsigned long) sizeof (struct kw_provider));
}

/* Within a major the answer is one struct, or none; other majors may have
 * others. */
static void
run_entry (struct kwi_check *c, const struct kwi_check_case *k)
{
  static const struct { uint32_t abi; int same; } asked[] = {
    { UINT32_C (1) << 16, 1 }, { UINT32_C (1) << 16 | 1, 1 },
    { UINT32_C (1) << 16 | 0xffff, 1 }, { UINT32_C (2) << 16, 0 },
    { UINT32_C (2) << 16 | 3, 0 }, { 0, 0 }, { UINT32_MAX, 0 }
  };
  struct kwi_check_subject *s = kwi_check_plugin (c);

  (void) k;
  for (size_t i = 0; s != NULL && i < sizeof asked / sizeof asked[0]; i++) {
    const struct kw_provider_header *h = s->entry (asked[i].abi);
    kwi_check_that (c, h == NULL || h == s->own || !asked[i].same, "entry", "asked for "
                    "host ABI %u.%u the entry function gives another struct than for "
                    "%d.%d", (unsigned) (asked[i].abi >> 16),
                    (unsigned) (asked[i].abi & 0xffff), KW_PROVIDER_ABI_MAJOR,
                    KW_PROVIDER_ABI_MINOR);
    kwi_check_that (c, h == NULL || h->magic == KW_PROVIDER_MAGIC, "entry", "asked for "
                    "host ABI %u.%u the entry function gives a struct without the "
                    "magic number", (unsigned) (asked[i].abi >> 16),
                    (unsigned) (asked[i].abi & 0xffff));
  }
}

/* ---- strings ------------------------------------------------------------ */

static int
is_line (const char *s)
{
  for (; *s != '\0'; s++)
    if ((unsigned char) *s < 0x20 || *s == 0x7f)
      return 0;
  return 1;
}

static void
look_at_text (struct kwi_check *c, const char *field, const char *s, int lines)
{
  size_t len;

  if (s == NULL)
    return;
  len = strlen (s);
  kwi_check_that (c, kwi_utf8_valid (s, len) == len, "utf-8", ".%s is not UTF-8",
                  field);
  kwi_check_that (c, lines || is_line (s), "line", ".%s is not a single line", field);
  kwi_check_warn (c, len <= (lines ? 8192u : 400u), "long", ".%s has %zu bytes; it "
                  "is shown in lists", field, len);
}

/* As core/secrets.c reads it: names, a comma behind one that is a list, _# at
 * the end of one that is numbered. */
static void
look_at_key_env (struct kwi_check *c, const char *s)
{
  size_t n = 0;

  for (s += strspn (s, " "); *s != '\0'; s += strspn (s, " ")) {
    char name[128];
    size_t len = strcspn (s, " ,");
    const char *end = s + len + (s[len] == ',');
    if (len < sizeof name) {
      memcpy (name, s, len);
      name[len] = '\0';
      if (len > 2 && memcmp (name + len - 2, "_#", 3) == 0)
        name[len - 2] = '\0';
    }
    n++;
    kwi_check_that (c, len < sizeof name && kwi_valid_variable (name)
                    && (*end == ' ' || *end == '\0'), "key-env", ".key_env has \"%.*s\" "
                    "in it: expected NAME, \"NAME,\" for a list or NAME_#, with blanks "
                    "between", (int) (end - s < 80 ? end - s : 80), s);
    s = end + strcspn (end, " ");
  }
  kwi_check_that (c, n > 0, "key-env", ".key_env is set and names no variable");
}

static void
look_at_url (struct kwi_check *c, const char *url)
{
  const char *wrong = kwi_check_base_url (url);
  size_t len = strlen (url);

  kwi_check_that (c, wrong == NULL, "base-url", ".default_base_url \"%.200s\": %s", url,
                  wrong != NULL ? wrong : "");
  kwi_check_that (c, len == 0 || url[len - 1] != '/', "base-url", ".default_base_url "
                  "\"%.200s\" ends in a slash", url);
}

static void
run_strings (struct kwi_check *c, const struct kwi_check_case *k)
{
  struct kwi_check_subject *s = kwi_check_plugin (c);
  const struct kw_provider *p;

  (void) k;
  if (s == NULL)
    return;
  p = s->provider;
  look_at_text (c, "longname", p->longname, 0);
  look_at_text (c, "version", p->version, 0);
  look_at_text (c, "description", p->description, 0);
  look_at_text (c, "config_help", p->config_help, 1);
  look_at_text (c, "default_base_url", p->default_base_url, 0);
  look_at_text (c, "default_model", p->default_model, 0);
  look_at_text (c, "key_env", p->key_env, 0);
  kwi_check_warn (c, p->longname != NULL && p->longname[0] != '\0', "longname",
                  "no .longname, such as \"Example AI\"");
  kwi_check_warn (c, p->version != NULL && p->version[0] != '\0', "version",
                  "no .version");
  kwi_check_warn (c, p->description != NULL && p->description[0] != '\0', "description",
                  "no .description");
  kwi_check_warn (c, p->config == NULL || p->config_help != NULL, "config-help",
                  "it takes settings, and no .config_help says which");
  kwi_check_warn (c, p->key_env != NULL, "key-env", "no .key_env: keys come from the "
                  "configuration only");
  if (p->key_env != NULL)
    look_at_key_env (c, p->key_env);
  if (p->default_base_url != NULL)
    look_at_url (c, p->default_base_url);
  kwi_check_note (c, "%s; keys from %s; %s", p->longname != NULL ? p->longname : p->name,
                  p->key_env != NULL ? p->key_env : "the configuration",
                  p->default_base_url != NULL ? p->default_base_url
                                              : "base_url is the user's to set");
}

/* ---- callbacks ---------------------------------------------------------- */

static void
run_callbacks (struct kwi_check *c, const struct kwi_check_case *k)
{
  static const uint64_t known = KW_CAP_PROBE | KW_CAP_NEEDS_SECRET | KW_CAP_NO_UNLOAD;
  static const char *const models[] = {
    "one call at a time", "one call at a time per instance", "calls in parallel"
  };
  struct kwi_check_subject *s = kwi_check_plugin (c);
  const struct kw_provider *p;

  (void) k;
  if (s == NULL)
    return;
  p = s->provider;              /* the loader saw to those that are required */
  kwi_check_that (c, p->thread_model <= KW_THREAD_PARALLEL, "thread-model",
                  ".thread_model is %lu, which there is not; the host takes it for 0",
                  (unsigned long) p->thread_model);
  kwi_check_warn (c, (p->caps & ~known) == 0, "caps", ".caps has bits that this host "
                  "does not know: 0x%llx", (unsigned long long) (p->caps & ~known));
  kwi_check_warn (c, p->build_probe == NULL || (p->caps & KW_CAP_PROBE) != 0, "probe",
                  ".build_probe is set, and is never called without KW_CAP_PROBE");
  kwi_check_note (c, "%s%s%s%s%s", p->thread_model <= KW_THREAD_PARALLEL
                  ? models[p->thread_model] : "",
                  p->config != NULL ? ", settings of its own" : "",
                  (p->caps & KW_CAP_PROBE) != 0 ? ", a probe" : "",
                  (p->caps & KW_CAP_NEEDS_SECRET) != 0 ? ", sees the key" : "",
                  (p->caps & KW_CAP_NO_UNLOAD) != 0 ? ", never unloaded" : "");
}

/* ---- symbols ------------------------------------------------------------ */

static void
run_symbols (struct kwi_check *c, const struct kwi_check_case *k)
{
  const struct kwi_check_file *e = &c->elf;

  (void) k;
  if (!e->readable) {
    kwi_check_note (c, "not looked at: the file has no section headers");
    return;
  }
  kwi_check_that (c, !e->needs_us, "needs-us", "it is linked with libkeywheel; all that "
                  "a plugin may use comes through struct kw_host");
  kwi_check_that (c, e->n_wants == 0, "wants-ours", "it uses %s of libkeywheel, which it "
                  "may not find there; all that a plugin may use comes through struct "
                  "kw_host", e->want);
  kwi_check_warn (c, e->n_exports == 0, "exports", "it exports %s and %u more besides "
                  KW_PROVIDER_ENTRY_NAME "; link it with a version script and "
                  "-fvisibility=hidden", e->export,
                  (unsigned) (e->n_exports > 0 ? e->n_exports - 1 : 0));
  kwi_check_note (c, "%u besides the entry", (unsigned) e->n_exports);
}

void
kwi_check_plan_header (struct kwi_check *c)
{
  kwi_check_add (c, KWI_CHECK_LOAD, run_load, "file")->fatal = 1;
  kwi_check_add (c, KWI_CHECK_HEADER, run_fields, "fields");
  kwi_check_add (c, KWI_CHECK_HEADER, run_entry, "entry");
  kwi_check_add (c, KWI_CHECK_STRINGS, run_strings, "texts");
  kwi_check_add (c, KWI_CHECK_CALLBACKS, run_callbacks, "set");
  kwi_check_add (c, KWI_CHECK_SYMBOLS, run_symbols, "file");
}

/* check - kw_plugin_check: the conformance test of a plugin.
 *
 * Here is the list of cases, and the order of things: first all that is known
 * beforehand; from what the plugin asks those answers for, the answers that are
 * odd exactly there; then random ones.  Knows no provider: what it says of an
 * answer is what the ABI says. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "check-bounds.h"
#include "check-report.h"
#include "clock.h"
#include "fail.h"
#include "vet.h"

#define MB (UINT64_C (1) << 20)
#define MOST_RANDOM 1000000u

static const char *const groups[KWI_CHECK_GROUPS] = {
  "load", "header", "strings", "callbacks", "symbols", "life", "config",
  "prepare", "probe", "classify", "random", "translate"
};

const char *
kwi_check_group_name (uint32_t group)
{
  return group < KWI_CHECK_GROUPS ? groups[group] : "";
}

int
kwi_check_learn (struct kwi_check_list *l, const char *s)
{
  size_t len = strnlen (s, KWI_CHECK_TEXT);

  if (len == 0 || len == KWI_CHECK_TEXT || l->n == KWI_CHECK_LIST)
    return 0;
  for (uint32_t i = 0; i < l->n; i++)
    if (strcmp (l->text[i], s) == 0)
      return 0;
  memcpy (l->text[l->n++], s, len + 1);
  return 1;
}

/* ---- The list of cases -------------------------------------------------- */

static struct kwi_check_case *
add_room (struct kwi_check *c)
{
  static struct kwi_check_case nowhere;
  size_t size = c->size_cases != 0 ? c->size_cases * 2 : 1024;
  struct kwi_check_case *p;

  if (c->n_cases < c->size_cases)
    return &c->cases[c->n_cases++];
  p = realloc (c->cases, size * sizeof *p);
  if (p == NULL) {
    c->failed_to_plan = 1;
    return &nowhere;
  }
  c->cases = p;
  c->size_cases = size;
  return &c->cases[c->n_cases++];
}

struct kwi_check_case *
kwi_check_add (struct kwi_check *c, enum kwi_check_group group,
               void (*run) (struct kwi_check *, const struct kwi_check_case *),
               const char *fmt, ...)
{
  struct kwi_check_case *k = add_room (c);
  va_list ap;
  int n;

  memset (k, 0, sizeof *k);
  k->group = group;
  k->run = run;
  n = snprintf (k->name, sizeof k->name, "%s/", groups[group]);
  va_start (ap, fmt);
  if (n > 0 && vsnprintf (k->name + n, sizeof k->name - (size_t) n, fmt, ap) < 0)
    k->name[n] = '\0';
  va_end (ap);
  return k;
}

static void
plan_fixed (struct kwi_check *c)
{
  kwi_check_plan_header (c);
  kwi_check_plan_life (c);
  kwi_check_plan_build (c);
  kwi_check_plan_battery (c);
}

/* Those that are made from what was learnt. */
static void
plan_learnt (struct kwi_check *c)
{
  kwi_check_plan_odd (c);
  kwi_check_plan_random (c);
  kwi_check_plan_translate (c);
}

static const struct kwi_check_case *
find (const struct kwi_check *c, const char *name)
{
  for (size_t i = 0; i < c->n_cases; i++)
    if (strcmp (c->cases[i].name, name) == 0)
      return &c->cases[i];
  return NULL;
}

/* ---- The two ways of running it ----------------------------------------- */

static int
no_memory (const struct kwi_check *c, struct kw_error *err)
{
  return kwi_fail (err, KW_ERR_MEMORY, "plugin %s: no memory to try it", c->file);
}

static int
run_all (struct kwi_check *c, struct kw_error *err)
{
  size_t fixed;
  int rc;

  plan_fixed (c);
  if (c->failed_to_plan)
    return no_memory (c, err);
  fixed = c->n_cases;
  c->learning = 1;
  rc = kwi_check_run (c, 0, fixed, 0, err);
  if (rc != 0 || c->stopped)
    return rc;
  c->learning = 0;
  plan_learnt (c);
  if (c->failed_to_plan)
    return no_memory (c, err);
  return kwi_check_run (c, fixed, c->n_cases, 0, err);
}

/* One that is made from what is learnt needs the same lessons. */
static int
run_one (struct kwi_check *c, struct kw_error *err)
{
  const struct kwi_check_case *k;
  size_t i;
  int rc;

  plan_fixed (c);
  k = find (c, c->o.only);
  if (k == NULL && !c->failed_to_plan) {
    c->learning = 1;
    rc = kwi_check_run (c, 0, c->n_cases, 1, err);
    if (rc != 0)
      return rc;
    c->learning = 0;
    c->stopped = 0;
    plan_learnt (c);
    k = find (c, c->o.only);
  }
  if (c->failed_to_plan)
    return no_memory (c, err);
  if (k == NULL)
    return kwi_fail (err, KW_ERR_USAGE, "plugin %s: no case is called \"%s\"; the "
                     "names are those of the findings, such as \"%s\"", c->file,
                     c->o.only, c->cases[c->n_cases - 1].name);
  i = (size_t) (k - c->cases);
  return kwi_check_run (c, i, i + 1, 0, err);
}

/* ---- kw_plugin_check ---------------------------------------------------- */

static void
take_options (struct kwi_check *c, const kw_plugin_check_options *o)
{
  kw_plugin_check_options *own = &c->o;
  const struct kwi_clock *clock = &kwi_clock_system;

  if (o != NULL)
    memcpy (own, o, o->struct_size < sizeof *own ? o->struct_size : sizeof *own);
  own->struct_size = sizeof *own;
  if (own->seed == 0)           /* short enough to be typed */
    own->seed = clock->random (clock->ctx) % 999999999 + 1;
  if (own->memory == 0)
    own->memory = 256 * MB;
  if (own->time_ms <= 0)
    own->time_ms = 2000;
  if (own->time_ms > 3600000)
    own->time_ms = 3600000;
  own->time_ms = kwi_bounds_slowed (own->time_ms);
  if (own->n_random == 0)
    own->n_random = 1000;
  if (own->n_random > MOST_RANDOM)
    own->n_random = MOST_RANDOM;
}

static void
release (struct kwi_check *c)
{
  kwi_check_report_free (c->report);
  free (c->resolved);
  free (c->cases);
  free (c);
}

int
kw_plugin_check (const char *file, const kw_plugin_check_options *options,
                 int (*found) (void *user, const kw_plugin_finding *),
                 void *user, struct kw_error *err)
{
  struct kwi_check *c = calloc (1, sizeof *c);
  struct stat st;
  int rc;

  if (c == NULL)
    return kwi_fail (err, KW_ERR_MEMORY, "out of memory");
  c->file = file;
  c->pipe = c->printed[0] = c->printed[1] = -1;
  take_options (c, options);
  c->report = kwi_check_report_new (found, user);
  rc = c->report == NULL ? no_memory (c, err)
                         : kwi_vet_file (file, &c->resolved, &st, err);
  if (rc == 0) {
    kwi_check_elf (c->resolved, &c->elf);
    rc = c->o.only != NULL ? run_one (c, err) : run_all (c, err);
  }
  if (rc == 0)
    kwi_check_report_end (c);
  if (rc == 0 && kwi_check_report_cancelled (c))
    rc = kwi_fail (err, KW_ERR_CANCELLED, "plugin %s: no more of its check was "
                   "wanted", file);
  if (rc == 0)
    rc = kwi_check_report_failed (c);
  release (c);
  return rc;
}

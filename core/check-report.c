/* check-report - from what children say to findings, a line for each group and
 * for each case that broke a rule.
 *
 * A rule that is broken at every turn is told of three times and then counted:
 * whoever has 500 lines to read reads none.  Knows no process and no plugin;
 * what a child says comes from a process that a plugin runs wild in, so it has
 * been bounded and cleaned before it comes here. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "check.h"
#include "check-report.h"
#include "fail.h"

enum { SHOWN = 3, RULES = 48 };

/* One way of being broken, in the group that is open. */
struct rule {
  char rule[32];
  uint32_t what;
  uint32_t n;
  char first[80];               /* the case                               */
  char text[720];
};

struct kwi_check_report {
  int (*found) (void *user, const kw_plugin_finding *);
  void *user;
  int cancelled;
  int failed;
  uint32_t untold;              /* checks since the last call of found    */

  int open;                     /* a group is, and this is it             */
  uint32_t group;
  uint32_t cases;
  uint32_t broken;              /* times a rule of it was                 */
  char note[720];
  uint32_t n_rules;
  struct rule rules[RULES];
};

struct kwi_check_report *
kwi_check_report_new (int (*found) (void *user, const kw_plugin_finding *),
                      void *user)
{
  struct kwi_check_report *r = calloc (1, sizeof *r);

  if (r == NULL)
    return NULL;
  r->found = found;
  r->user = user;
  return r;
}

void
kwi_check_report_free (struct kwi_check_report *r)
{
  free (r);
}

int
kwi_check_report_cancelled (const struct kwi_check *c)
{
  return c->report->cancelled;
}

int
kwi_check_report_failed (const struct kwi_check *c)
{
  return c->report->failed;
}

/* ---- Telling ------------------------------------------------------------ */

static void
tell (struct kwi_check *c, kw_plugin_finding *f)
{
  struct kwi_check_report *r = c->report;

  f->struct_size = sizeof *f;
  f->checks = r->untold;
  f->group = kwi_check_group_name (r->group);
  f->seed = c->o.seed;
  if (f->name == NULL)
    f->name = f->group;
  if (f->output == NULL)
    f->output = "";
  if (f->headers == NULL)
    f->headers = "";
  if (f->body == NULL)
    f->body = "";
  r->untold = 0;
  if (f->what == KW_CHECK_FAILED)
    r->failed++;
  if (!r->cancelled && r->found != NULL && r->found (r->user, f) != 0)
    r->cancelled = 1;
}

/* "name: value\n" for each header, for free(). */
static char *
header_lines (const struct kwi_answer *a)
{
  const char *p = a->headers, *end = p != NULL ? p + a->headers_len : NULL;
  char *text = NULL;
  size_t len = 0;
  FILE *f = open_memstream (&text, &len);

  if (f == NULL)
    return NULL;
  while (p < end) {
    const char *value = p + strlen (p) + 1;
    fprintf (f, "%s: %s\n", p, value);
    p = value + strlen (value) + 1;
  }
  if (fclose (f) != 0) {
    free (text);
    return NULL;
  }
  return text;
}

/* A case broke a rule, with the answer that it had fed. */
static void
tell_case (struct kwi_check *c, const struct kwi_check_case *k, uint32_t what,
           const char *text, const char *output)
{
  kw_plugin_finding f = {
    .what = (int32_t) what, .name = k->name, .text = text, .output = output
  };
  struct kwi_answer a;
  char *headers = NULL;

  memset (&a, 0, sizeof a);
  if (k->make != NULL && k->make (c, k, &a) == 0) {
    headers = header_lines (&a);
    f.has_answer = 1;
    f.http_status = a.status;
    f.transport_error = a.net;
    f.in_stream = a.in_stream;
    f.received_ms = a.received_ms;
    f.headers = headers;
    f.body = a.body;
    f.body_len = a.body_len;
  }
  tell (c, &f);
  free (headers);
  kwi_answer_clear (&a);
}

/* ---- Groups ------------------------------------------------------------- */

static void __attribute__ ((__format__ (__printf__, 3, 4)))
tell_group (struct kwi_check *c, int what, const char *fmt, ...)
{
  char text[1024];
  kw_plugin_finding f = { .what = what, .text = text };
  va_list ap;

  va_start (ap, fmt);
  if (vsnprintf (text, sizeof text, fmt, ap) < 0)
    text[0] = '\0';
  va_end (ap);
  kwi_clean_line (text);
  tell (c, &f);
}

static void
close_group (struct kwi_check *c)
{
  struct kwi_check_report *r = c->report;

  if (!r->open)
    return;
  for (uint32_t i = 0; i < r->n_rules; i++)
    if (r->rules[i].n > SHOWN)
      tell_group (c, (int) r->rules[i].what, "%u more like %s: %.600s",
                  (unsigned) (r->rules[i].n - SHOWN), r->rules[i].first,
                  r->rules[i].text);
  if (r->broken == 0) {
    if (r->note[0] != '\0')
      tell_group (c, KW_CHECK_OK, "%s", r->note);
    else
      tell_group (c, KW_CHECK_OK, "%u case%s", (unsigned) r->cases,
                  r->cases == 1 ? "" : "s");
  }
  r->open = 0;
}

static void
open_group (struct kwi_check *c, uint32_t group)
{
  struct kwi_check_report *r = c->report;

  if (r->open && r->group == group)
    return;
  close_group (c);
  r->open = 1;
  r->group = group;
  r->cases = r->broken = r->n_rules = 0;
  r->note[0] = '\0';
}

void
kwi_check_report_start (struct kwi_check *c, const struct kwi_check_case *k)
{
  open_group (c, k->group);
  c->report->cases++;
}

void
kwi_check_report_done (struct kwi_check *c, uint64_t checks)
{
  /* A number from a child: no more than any case makes. */
  c->report->untold += checks < 100000 ? (uint32_t) checks : 100000;
}

void
kwi_check_report_note (struct kwi_check *c, const char *text)
{
  (void) snprintf (c->report->note, sizeof c->report->note, "%s", text);
}

/* How often this was broken already, counting it in. */
static uint32_t
count (struct kwi_check_report *r, const struct kwi_check_case *k, uint32_t what,
       const char *rule, const char *text)
{
  struct rule *m = r->rules, *end = m + r->n_rules;

  while (m < end && (m->what != what || strcmp (m->rule, rule) != 0))
    m++;
  if (m == end) {
    if (r->n_rules == RULES)
      return 0;
    r->n_rules++;
    memset (m, 0, sizeof *m);
    m->what = what;
    (void) snprintf (m->rule, sizeof m->rule, "%s", rule);
    (void) snprintf (m->first, sizeof m->first, "%s", k->name);
    (void) snprintf (m->text, sizeof m->text, "%s", text);
  }
  return m->n++;
}

void
kwi_check_report_broke (struct kwi_check *c, const struct kwi_check_case *k,
                        uint32_t what, const char *rule, const char *text,
                        const char *output)
{
  struct kwi_check_report *r = c->report;

  open_group (c, k->group);
  if (what == KW_CHECK_FAILED)
    r->broken++;
  if (count (r, k, what, rule, text) < SHOWN)
    tell_case (c, k, what, text, output);
}

void
kwi_check_report_stop (struct kwi_check *c, const struct kwi_check_case *k,
                       int skipped, const char *text)
{
  open_group (c, k->group);
  c->report->broken++;          /* so that no line says that it passed */
  tell_group (c, skipped ? KW_CHECK_SKIPPED : KW_CHECK_FAILED, "%s", text);
}

void
kwi_check_report_end (struct kwi_check *c)
{
  close_group (c);
}

/* mistakes - collecting what is wrong in the configuration.
 * Knows nothing of what the mistakes are about. */
#include "mistakes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <keywheel/keywheel.h>

#include "config.h"
#include "fail.h"

/* Two paths and a sentence. */
#define TEXT_SIZE 10240

/* One line: a path may hold any byte, and a terminal obeys some of them. */
static void
make_line (char *text, size_t size, const char *fmt, va_list args)
{
  int n = vsnprintf (text, size, fmt, args);
  if (n < 0)
    snprintf (text, size, "a message could not be written");
  for (char *p = text; *p != '\0'; p++)
    if ((unsigned char) *p < 0x20 || *p == 0x7f)
      *p = '?';
}

static void
tell (const struct kwi_reporter *reporter, int severity, const char *text)
{
  if (reporter != NULL && reporter->report != NULL)
    reporter->report (reporter->user, severity, text);
}

void
kwi_report (const struct kwi_reporter *reporter, int severity,
            const char *fmt, ...)
{
  char text[TEXT_SIZE];
  va_list args;

  va_start (args, fmt);
  make_line (text, sizeof text, fmt, args);
  va_end (args);
  tell (reporter, severity, text);
}

void
kwi_mistake (struct kwi_mistakes *m, const char *fmt, ...)
{
  char text[TEXT_SIZE];
  va_list args;

  va_start (args, fmt);
  make_line (text, sizeof text, fmt, args);
  va_end (args);
  if (m->n == 0) {
    /* Cut on purpose where it is longer: the reporter has it whole. */
    size_t len = strnlen (text, sizeof m->first - 1);
    memcpy (m->first, text, len);
    m->first[len] = '\0';
  }
  m->n++;
  tell (m->reporter, 0, text);
}

int
kwi_mistakes_fail (const struct kwi_mistakes *m, struct kw_error *err)
{
  if (m->n == 0)
    return 0;
  if (m->n == 1)
    return kwi_fail (err, KW_ERR_SETTINGS, "%s", m->first);
  return kwi_fail (err, KW_ERR_SETTINGS, "%s (and %zu more mistake%s; "
                   "\"keywheel check\" tells all of them)", m->first, m->n - 1,
                   m->n == 2 ? "" : "s");
}

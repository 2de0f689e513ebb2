/* spec - reading the comma-separated lists of the command line (see spec.h). */
#include "spec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_CHARS \
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

int
sim_spec_next (char **rest, char **ret_name, char **ret_value)
{
  char *item = strsep (rest, ",");
  if (item == NULL)
    return 0;
  char *equals = strchr (item, '=');
  if (equals != NULL)
    *equals = '\0';
  *ret_name = item;
  *ret_value = equals != NULL ? equals + 1 : NULL;
  return 1;
}

int
sim_parse_int (const char *text, int64_t min, int64_t max, int64_t *ret)
{
  char *end;
  if (text == NULL || strspn (text, "0123456789") == 0)
    return -1;                  /* strtoimax would take blanks and signs */
  errno = 0;
  intmax_t n = strtoimax (text, &end, 10);
  if (errno != 0 || *end != '\0' || n < min || n > max)
    return -1;
  *ret = (int64_t) n;
  return 0;
}

static int
is_made_of (const char *text, const char *chars, size_t max)
{
  size_t len = text == NULL ? 0 : strlen (text);
  return len > 0 && len <= max && strspn (text, chars) == len;
}

int
sim_is_name (const char *text)
{
  return is_made_of (text, NAME_CHARS, 63);
}

int
sim_is_model (const char *text)
{
  return is_made_of (text, NAME_CHARS "/:@", 127);
}

int
sim_complain (char *msg, size_t size, const char *fmt, ...)
{
  va_list ap;
  va_start (ap, fmt);
  int n = vsnprintf (msg, size, fmt, ap);
  va_end (ap);
  if (n < 0 && size > 0)
    msg[0] = '\0';
  return -1;
}

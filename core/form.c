/* form - fields of multipart/form-data (RFC 7578); see form.h. */
#include "form.h"

#include <string.h>
#include <strings.h>

static const char *
parameter (const char *s, const char *name, size_t *ret_len)
{
  size_t len = strlen (name);

  while ((s = strcasestr (s, name)) != NULL) {
    const char *value = s + len;
    int begins = strchr ("; \t", s[-1]) != NULL;
    if (begins && value[0] == '"') {
      *ret_len = strcspn (++value, "\"");
      return value;
    }
    if (begins) {
      *ret_len = strcspn (value, "; \t\r\n");
      return value;
    }
    s = value;
  }
  return NULL;
}

int
kwi_form_begin (struct kwi_form *form, const char *type)
{
  static const char form_data[] = "multipart/form-data";
  const char *boundary;
  size_t len;

  memset (form, 0, sizeof *form);
  if (type == NULL || strncasecmp (type, form_data, sizeof form_data - 1) != 0
      || (boundary = parameter (type + sizeof form_data - 1, "boundary=", &len)) == NULL
      || len == 0 || len >= sizeof form->boundary - 2)
    return 0;
  memcpy (form->boundary, "--", 2);
  memcpy (form->boundary + 2, boundary, len);
  return 1;
}

/* The delimiter at or behind form->from, at the beginning of a line; NULL: not
 * yet, and form->from is where it may begin. */
static const char *
find_delimiter (struct kwi_form *form, const char *body, size_t len)
{
  size_t size = strlen (form->boundary);
  const char *s = body + form->from;

  while ((s = memmem (s, len - (size_t) (s - body), form->boundary, size)) != NULL) {
    if (s == body || s[-1] == '\n')
      return s;
    s++;
  }
  if (len > size && len - size > form->from)
    form->from = len - size;
  return NULL;
}

/* The name of the part with these headers is that. */
static int
is_field (const char *head, size_t len, const char *name)
{
  static const char disposition[] = "Content-Disposition:";
  char line[512];
  const char *value;
  size_t n;

  if (len >= sizeof line)
    return 0;
  memcpy (line, head, len);
  line[len] = '\0';
  value = strcasestr (line, disposition);
  value = value != NULL ? parameter (value + sizeof disposition - 1, "name=", &n)
                        : NULL;
  return value != NULL && n == strlen (name) && memcmp (value, name, n) == 0;
}

const char *
kwi_form_find (struct kwi_form *form, const char *body, size_t len, const char *name,
               size_t *ret_len)
{
  size_t size = strlen (form->boundary);
  const char *part, *head, *value, *end;

  while ((part = find_delimiter (form, body, len)) != NULL) {
    form->from = (size_t) (part - body);
    head = part + size;
    value = memmem (head, len - form->from - size, "\r\n\r\n", 4);
    if (value == NULL)
      return NULL;
    value += 4;
    if (is_field (head, (size_t) (value - head), name)) {
      end = memmem (value, len - (size_t) (value - body), "\r\n", 2);
      if (end != NULL)
        *ret_len = (size_t) (end - value);
      return end != NULL ? value : NULL;
    }
    form->from = (size_t) (value - body);
  }
  return NULL;
}

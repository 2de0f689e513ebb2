/* form - a body of multipart/form-data in its parts (see form.h). */
#include "form.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NAME "; name=\""
#define FILENAME "; filename=\""

/* What stands between the mark and the next quote; 0, or -1: it is not there. */
static int
quoted (const char *head, size_t len, const char *mark, char *buf, size_t size)
{
  const char *at = memmem (head, len, mark, strlen (mark));
  const char *end;

  if (at == NULL)
    return -1;
  at += strlen (mark);
  end = memchr (at, '"', (size_t) (head + len - at));
  if (end == NULL || (size_t) (end - at) >= size)
    return -1;
  memcpy (buf, at, (size_t) (end - at));
  buf[end - at] = '\0';
  return 0;
}

static int
read_part (const char *part, size_t len, json_object *fields, struct sim_upload *file)
{
  const char *data = memmem (part, len, "\r\n\r\n", 4);
  char name[64], filename[sizeof file->name];
  size_t head;

  if (data == NULL)
    return -1;
  head = (size_t) (data - part);
  data += 4;
  len -= head + 4;
  if (quoted (part, head, NAME, name, sizeof name) != 0)
    return -1;
  if (strcmp (name, "file") != 0) {
    json_object_object_add (fields, name, json_object_new_string_len (data, (int) len));
    return 0;
  }
  if (quoted (part, head, FILENAME, filename, sizeof filename) != 0)
    return -1;
  memcpy (file->name, filename, sizeof filename);
  file->data = data;
  file->len = len;
  return 0;
}

/* "\r\n--" and the boundary; 0, or -1. */
static int
delimiter (const char *content_type, char *buf, size_t size)
{
  static const char type[] = "multipart/form-data", mark[] = "boundary=";
  const char *at;
  int n;

  if (content_type == NULL || strncasecmp (content_type, type, strlen (type)) != 0)
    return -1;
  at = strstr (content_type, mark);
  if (at == NULL)
    return -1;
  at += strlen (mark);
  at += *at == '"';
  n = snprintf (buf, size, "\r\n--%.*s", (int) strcspn (at, "\";, "), at);
  return n > 4 && (size_t) n < size ? 0 : -1;
}

json_object *
sim_form_read (const char *content_type, const char *body, size_t len,
               struct sim_upload *ret_file)
{
  char mark[128];
  struct sim_upload file = { "", NULL, 0 };
  json_object *fields;
  const char *at = body, *end;

  if (body == NULL || delimiter (content_type, mark, sizeof mark) != 0
      || len < strlen (mark) || memcmp (body, mark + 2, strlen (mark) - 2) != 0)
    return NULL;
  fields = json_object_new_object ();
  end = body + len;
  at += strlen (mark) - 2;
  while (end - at < 2 || memcmp (at, "--", 2) != 0) {
    const char *next = memmem (at, (size_t) (end - at), mark, strlen (mark));
    if (next == NULL || read_part (at, (size_t) (next - at), fields, &file) != 0) {
      json_object_put (fields);
      return NULL;
    }
    at = next + strlen (mark);
  }
  *ret_file = file;
  return fields;
}

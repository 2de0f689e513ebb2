/* soak-log - a simulator's log, read as it grows (see soak.h). */
#include "soak.h"

#include <check.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE 65536

void
soak_log_open (struct soak_log *l, const char *path)
{
  *l = (struct soak_log) { .fd = open (path, O_RDONLY | O_CLOEXEC) };
  ck_assert_int_ge (l->fd, 0);
}

static const char *
text_of (struct json_object *line, const char *name)
{
  struct json_object *value = NULL;

  ck_assert (json_object_object_get_ex (line, name, &value));
  return json_object_get_string (value);
}

static void
take_line (struct soak_book *book, const char *text)
{
  struct json_object *line = json_tokener_parse (text);

  ck_assert_msg (line != NULL, "%s", text);
  soak_book_seen (book, text_of (line, "tag"), text_of (line, "verdict"));
  json_object_put (line);
}

static void
take_lines (struct soak_log *l, struct soak_book *book)
{
  char *from = l->rest, *end = l->rest + l->len, *eol;

  while ((eol = memchr (from, '\n', (size_t) (end - from))) != NULL) {
    *eol = '\0';
    take_line (book, from);
    from = eol + 1;
  }
  l->len = (size_t) (end - from);
  memmove (l->rest, from, l->len);
}

void
soak_log_read (struct soak_log *l, struct soak_book *book)
{
  ssize_t n;

  do {
    if (l->room - l->len < PIECE) {
      l->room += PIECE;
      l->rest = realloc (l->rest, l->room);
      ck_assert_ptr_nonnull (l->rest);
    }
    n = pread (l->fd, l->rest + l->len, PIECE, l->at);
    ck_assert_int_ge (n, 0);
    l->at += n;
    l->len += (size_t) n;
    take_lines (l, book);
  } while (n == PIECE);
}

void
soak_log_close (struct soak_log *l)
{
  (void) close (l->fd);
  free (l->rest);
  *l = (struct soak_log) { .fd = -1 };
}

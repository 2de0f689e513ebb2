/* seeds - answers to begin with, made of the fixtures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "seeds.h"

struct maker {
  fuzz_seed_fn *seed;
  void *user;
  int n;
};

static const char *
text_of (struct json_object *entry, const char *member)
{
  struct json_object *o = NULL;

  json_object_object_get_ex (entry, member, &o);
  return o != NULL ? json_object_get_string (o) : NULL;
}

/* first: the line that says what the body came with. */
static void
make (struct maker *m, struct json_object *entry, const char *variant, const char *first,
      const char *body)
{
  struct json_object *headers = NULL;
  char name[256], *data = NULL;
  size_t len = 0;
  FILE *f = open_memstream (&data, &len);
  int n = snprintf (name, sizeof name, "%s-%s", text_of (entry, "id"), variant);

  if (f == NULL || n < 0 || (size_t) n >= sizeof name)
    abort ();
  fprintf (f, "%s\n", first);
  json_object_object_get_ex (entry, "headers", &headers);
  if (json_object_is_type (headers, json_type_object)) {
    struct json_object_iter it;
    json_object_object_foreachC (headers, it)
      fprintf (f, "%s: %s\n", it.key, json_object_get_string (it.val));
  }
  fprintf (f, "\n%s", body);
  if (fclose (f) != 0)
    abort ();
  m->seed (m->user, name, data, len);
  m->n++;
  free (data);
}

/* The answer as it came; where the report of it showed no status, as the two
 * that it may have had; and its body as an event of a stream. */
static void
make_all (struct maker *m, struct json_object *entry, const char *body)
{
  struct json_object *status = NULL;
  const char *data = strstr (body, "data: ");
  char first[32];

  json_object_object_get_ex (entry, "status", &status);
  if (json_object_get_int (status) != 0) {
    int n = snprintf (first, sizeof first, "%d", json_object_get_int (status));
    if (n < 0 || (size_t) n >= sizeof first)
      abort ();
    make (m, entry, "plain", first, body);
  } else {
    make (m, entry, "429", "429", body);
    make (m, entry, "400", "400", body);
  }
  if (data != NULL && (data == body || data[-1] == '\n')) {
    char *event = strndup (data + 6, strcspn (data + 6, "\n"));
    if (event == NULL)
      abort ();
    make (m, entry, "event", "200 stream", event);
    free (event);
  } else {
    make (m, entry, "event", "200 stream", body);
  }
}

int
fuzz_seeds (const char *file, fuzz_seed_fn *seed, void *user)
{
  struct maker m = { .seed = seed, .user = user };
  FILE *f = fopen (file, "r");
  size_t size = 0;
  char *line = NULL;
  int number = 0;

  if (f == NULL) {
    perror (file);
    return -1;
  }
  while (getline (&line, &size, f) != -1) {
    struct json_object *entry;

    number++;
    if (line[0] == '\n')
      continue;
    entry = json_tokener_parse (line);
    if (text_of (entry, "id") == NULL || text_of (entry, "body") == NULL) {
      fprintf (stderr, "%s:%d: no JSON object with \"id\" and \"body\"\n", file, number);
      m.n = -1;
    } else {
      make_all (&m, entry, text_of (entry, "body"));
    }
    json_object_put (entry);
    if (m.n == -1)
      break;
  }
  free (line);
  (void) fclose (f);
  return m.n;
}

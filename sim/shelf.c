/* shelf - files and batches (see shelf.h).
 * https://console.groq.com/docs/api-reference#files, ...#batches */
#include "dialect.h"
#include "shelf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
stored_free (struct sim_stored *s)
{
  json_object_put (s->about);
  free (s->data);
  free (s);
}

/* Takes about, and data (malloced, or NULL).  NULL: no memory. */
static struct sim_stored *
store (struct sim_shelf *shelf, const struct sim_errand *e, const char *kind,
       json_object *about, char *data, size_t len)
{
  struct sim_stored *s = calloc (1, sizeof *s);

  if (s == NULL
      || snprintf (s->id, sizeof s->id, "%s_%08llx", kind, (long long) ++shelf->n) < 0
      || snprintf (s->org, sizeof s->org, "%s", e->org) < 0) {
    json_object_put (about);
    free (data);
    free (s);
    return NULL;
  }
  s->about = about;
  s->data = data;
  s->len = len;
  json_object_object_add (about, "id", sim_text (s->id));
  json_object_object_add (about, "object", sim_text (kind));
  json_object_object_add (about, "created_at", sim_number (e->now_s));
  s->next = shelf->first;
  shelf->first = s;
  return s;
}

static struct sim_stored **
find (struct sim_shelf *shelf, const char *org, const char *id)
{
  for (struct sim_stored **at = &shelf->first; *at != NULL; at = &(*at)->next)
    if (strcmp ((*at)->id, id) == 0 && strcmp ((*at)->org, org) == 0)
      return at;
  return NULL;
}

static void
show (struct sim_answer *a, const struct sim_stored *s)
{
  if (s == NULL)
    sim_answer_status (a, 500, "", -1);
  else
    sim_put_json (a, 200, json_object_get (s->about));
}

static void
show_all (struct sim_shelf *shelf, const struct sim_errand *e, const char *kind,
          struct sim_answer *a)
{
  json_object *data = json_object_new_array ();

  for (struct sim_stored *s = shelf->first; s != NULL; s = s->next)
    if (strcmp (s->org, e->org) == 0 && strcmp (sim_text_member (s->about, "object"), kind) == 0)
      json_object_array_add (data, json_object_get (s->about));
  sim_put_json (a, 200, sim_object ("object", sim_text ("list"), "data", data, "has_more",
                                    json_object_new_boolean (0), NULL));
}

static int
not_there (struct sim_answer *a, const char *id)
{
  sim_answer_error (a, 404, "invalid_request_error", NULL, "No such File object: %s", id);
  return -1;
}

/* ---- files ------------------------------------------------------------------ */

/* malloced; NULL: no memory. */
static char *
copy (const char *data, size_t len)
{
  char *s = malloc (len + 1);

  if (s != NULL && len > 0)
    memcpy (s, data, len);
  return s;
}

static struct sim_stored *
store_file (struct sim_shelf *shelf, const struct sim_errand *e, const char *name,
            const char *purpose, const char *data, size_t len)
{
  json_object *about = sim_object ("bytes", sim_number ((int64_t) len), "filename",
                                   sim_text (name), "purpose", sim_text (purpose), "status",
                                   sim_text ("processed"), NULL);

  return store (shelf, e, "file", about, copy (data, len), len);
}

int
sim_shelf_files (struct sim_shelf *shelf, const struct sim_errand *e, struct sim_answer *a)
{
  const struct sim_upload *f = &e->request->file;
  struct sim_stored **at = find (shelf, e->org, e->id), *s;

  if (e->id[0] == '\0' && strcmp (e->method, "POST") == 0) {
    show (a, store_file (shelf, e, f->name, sim_text_member (e->request->root, "purpose"),
                         f->data, f->len));
    return 0;
  }
  if (e->id[0] == '\0') {
    show_all (shelf, e, "file", a);
    return 0;
  }
  if (at == NULL || (*at)->data == NULL)
    return not_there (a, e->id);
  s = *at;
  if (strcmp (e->action, "content") == 0)
    sim_answer_body (a, 200, "application/octet-stream", copy (s->data, s->len), s->len);
  else if (strcmp (e->method, "DELETE") != 0)
    show (a, s);
  else {
    sim_put_json (a, 200, sim_object ("id", sim_text (s->id), "object", sim_text ("file"),
                                      "deleted", json_object_new_boolean (1), NULL));
    *at = s->next;
    stored_free (s);
  }
  return 0;
}

/* ---- batches ---------------------------------------------------------------- */

static json_object *
counts (int64_t n)
{
  return sim_object ("total", sim_number (n), "completed", sim_number (n), "failed",
                     sim_number (0), NULL);
}

/* What came of one line of the input: how many characters it has.  NULL: the line
 * is no request. */
static json_object *
result (const char *line, size_t len)
{
  char *text = strndup (line, len);
  json_object *asked = text != NULL ? json_tokener_parse (text) : NULL, *made = NULL;
  const char *id = sim_text_member (asked, "custom_id");

  if (id[0] != '\0')
    made = sim_object (
      "custom_id", sim_text (id), "error", NULL, "response",
      sim_object ("status_code", sim_number (200), "body",
                  sim_object ("characters", sim_number ((int64_t) len), NULL), NULL), NULL);
  json_object_put (asked);
  free (text);
  return made;
}

/* The lines of the output, n of them; malloced, NULL: no memory. */
static char *
results (const struct sim_stored *input, size_t *ret_len, int64_t *ret_n)
{
  const char *at = input->data, *end = input->data + input->len;
  char *text = NULL;
  FILE *out = open_memstream (&text, ret_len);

  if (out == NULL)
    return NULL;
  for (*ret_n = 0; at < end;) {
    const char *newline = memchr (at, '\n', (size_t) (end - at));
    const char *line_end = newline != NULL ? newline : end;
    json_object *line = result (at, (size_t) (line_end - at));
    if (line != NULL) {
      fprintf (out, "%s\n", json_object_to_json_string_ext (line, JSON_C_TO_STRING_PLAIN));
      ++*ret_n;
    }
    json_object_put (line);
    at = line_end + 1;
  }
  return fclose (out) == 0 ? text : NULL;
}

/* The work is done when somebody looks for it. */
static void
complete (struct sim_shelf *shelf, const struct sim_errand *e, struct sim_stored *batch)
{
  const char *input = sim_text_member (batch->about, "input_file_id");
  struct sim_stored **at = find (shelf, e->org, input), *output = NULL;
  size_t len = 0;
  int64_t n = 0;
  char *text = at != NULL ? results (*at, &len, &n) : NULL;

  if (text != NULL)
    output = store_file (shelf, e, "output.jsonl", "batch_output", text, len);
  free (text);
  json_object_object_add (batch->about, "status",
                          sim_text (output != NULL ? "completed" : "failed"));
  json_object_object_add (batch->about, "request_counts", counts (n));
  if (output != NULL)
    json_object_object_add (batch->about, "output_file_id", sim_text (output->id));
}

static int
make_batch (struct sim_shelf *shelf, const struct sim_errand *e, struct sim_answer *a)
{
  json_object *root = e->request->root;
  const char *input = sim_text_member (root, "input_file_id");

  if (find (shelf, e->org, input) == NULL)
    return not_there (a, input);
  show (a, store (shelf, e, "batch",
                  sim_object ("endpoint", sim_text (sim_text_member (root, "endpoint")),
                              "input_file_id", sim_text (input), "completion_window",
                              sim_text (sim_text_member (root, "completion_window")),
                              "status", sim_text ("validating"), "output_file_id", NULL,
                              "error_file_id", NULL, "request_counts", counts (0), NULL),
                  NULL, 0));
  return 0;
}

int
sim_shelf_batches (struct sim_shelf *shelf, const struct sim_errand *e,
                   struct sim_answer *a)
{
  struct sim_stored **at = find (shelf, e->org, e->id), *batch;

  if (e->id[0] == '\0' && strcmp (e->method, "POST") == 0)
    return make_batch (shelf, e, a);
  if (e->id[0] == '\0') {
    show_all (shelf, e, "batch", a);
    return 0;
  }
  if (at == NULL || (*at)->data != NULL)
    return not_there (a, e->id);
  batch = *at;                  /* its output is put in front of it */
  if (strcmp (sim_text_member (batch->about, "status"), "validating") != 0)
    ;                           /* done long ago */
  else if (strcmp (e->action, "cancel") == 0)
    json_object_object_add (batch->about, "status", sim_text ("cancelled"));
  else
    complete (shelf, e, batch);
  show (a, batch);
  return 0;
}

void
sim_shelf_clear (struct sim_shelf *shelf)
{
  struct sim_stored *s = shelf->first;

  while (s != NULL) {
    struct sim_stored *next = s->next;
    stored_free (s);
    s = next;
  }
  shelf->first = NULL;
}

/* log - what was asked and how it was answered (see log.h). */
#include "log.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

int
sim_log_open (struct sim_log *log, const char *path)
{
  memset (log, 0, sizeof *log);
  log->lines = calloc (SIM_LOG_KEEP, sizeof *log->lines);
  if (log->lines == NULL)
    return -1;
  if (path == NULL)
    return 0;
  log->file = fopen (path, "we");
  return log->file != NULL ? 0 : -1;
}

void
sim_log_close (struct sim_log *log)
{
  for (size_t i = 0; i < log->n_lines; i++)
    free (log->lines[i]);
  free (log->lines);
  free (log->tallies);
  if (log->file != NULL)
    fclose (log->file);
  memset (log, 0, sizeof *log);
}

static void
count (struct sim_log *log, const char *key, const char *verdict)
{
  log->total++;
  for (size_t i = 0; i < log->n_tallies; i++)
    if (log->tallies[i].verdict == verdict && strcmp (log->tallies[i].key, key) == 0) {
      log->tallies[i].count++;
      return;
    }
  struct sim_tally *bigger = reallocarray (log->tallies, log->n_tallies + 1,
                                           sizeof *bigger);
  if (bigger == NULL)
    return;
  log->tallies = bigger;
  struct sim_tally *t = &log->tallies[log->n_tallies++];
  memset (t, 0, sizeof *t);
  t->verdict = verdict;
  t->count = 1;
  if (snprintf (t->key, sizeof t->key, "%s", key) < 0)
    t->key[0] = '\0';
}

static void
add_text (json_object *line, const char *name, const char *s)
{
  json_object_object_add (line, name, json_object_new_string (s));
}

static void
add_int (json_object *line, const char *name, int64_t n)
{
  json_object_object_add (line, name, json_object_new_int64 (n));
}

static char *
format_line (const struct sim_record *r)
{
  json_object *line = json_object_new_object ();
  char *s = NULL;

  add_int (line, "n", r->n);
  add_int (line, "t_ms", r->t_ms);
  add_int (line, "mono_us", r->mono_us);
  add_text (line, "key", r->key);
  add_text (line, "org", r->org);
  add_text (line, "method", r->method);
  add_text (line, "path", r->path);
  add_text (line, "model", r->model);
  add_int (line, "status", r->status);
  add_text (line, "verdict", r->verdict);
  add_int (line, "requested", r->requested);
  add_text (line, "tag", r->tag);
  json_object_object_add (line, "stream", json_object_new_boolean (r->stream));
  add_int (line, "bytes", r->bytes);
  if (asprintf (&s, "%s\n", json_object_to_json_string_ext (line, PLAIN)) < 0)
    s = NULL;
  json_object_put (line);
  return s;
}

void
sim_log_add (struct sim_log *log, const struct sim_record *r)
{
  count (log, r->key, r->verdict);
  char *line = format_line (r);
  if (line == NULL)
    return;
  if (log->file != NULL) {
    /* A full disk must not stop the simulation; the log is then short. */
    fputs (line, log->file);
    fflush (log->file);
  }
  free (log->lines[log->next_line]);
  log->lines[log->next_line] = line;
  log->next_line = (log->next_line + 1) % SIM_LOG_KEEP;
  if (log->n_lines < SIM_LOG_KEEP)
    log->n_lines++;
}

char *
sim_log_text (const struct sim_log *log, size_t *ret_len)
{
  size_t first = log->n_lines < SIM_LOG_KEEP ? 0 : log->next_line, len = 0;
  for (size_t i = 0; i < log->n_lines; i++)
    len += strlen (log->lines[i]);
  char *all = malloc (len + 1);
  if (all == NULL)
    return NULL;
  char *to = all;
  for (size_t i = 0; i < log->n_lines; i++) {
    const char *line = log->lines[(first + i) % SIM_LOG_KEEP];
    to = mempcpy (to, line, strlen (line));
  }
  *to = '\0';
  *ret_len = len;
  return all;
}

static void
add_count (json_object *object, const char *name, int64_t n)
{
  json_object *before = NULL;
  if (json_object_object_get_ex (object, name, &before))
    n += json_object_get_int64 (before);
  json_object_object_add (object, name, json_object_new_int64 (n));
}

static json_object *
counts_of_key (json_object *keys, const char *name)
{
  json_object *counts = NULL;
  if (!json_object_object_get_ex (keys, name, &counts)) {
    counts = json_object_new_object ();
    json_object_object_add (keys, name, counts);
  }
  return counts;
}

char *
sim_log_stats (const struct sim_log *log, int64_t t_ms, int64_t under_way,
               size_t *ret_len)
{
  json_object *root = json_object_new_object ();
  json_object *keys = json_object_new_object (), *all = json_object_new_object ();
  char *s = NULL;

  for (size_t i = 0; i < log->n_tallies; i++) {
    const struct sim_tally *t = &log->tallies[i];
    add_count (all, t->verdict, t->count);
    add_count (counts_of_key (keys, t->key), t->verdict, t->count);
  }
  add_int (root, "t_ms", t_ms);
  add_int (root, "requests", log->total);
  add_int (root, "under_way", under_way);
  json_object_object_add (root, "verdicts", all);
  json_object_object_add (root, "keys", keys);
  int n = asprintf (&s, "%s\n", json_object_to_json_string_ext (root, PLAIN));
  json_object_put (root);
  if (n < 0)
    return NULL;
  *ret_len = (size_t) n;
  return s;
}

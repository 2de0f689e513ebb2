/* dialect - routes, and what the dialects share (see dialect.h). */
#include "dialect.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/* ---- routes ----------------------------------------------------------------- */

/* /v1beta/models/MODEL:generateContent */
static int
find_gemini (const char *path, struct sim_route *r)
{
  static const struct { const char *name; int stream; } methods[] = {
    { ":generateContent", 0 }, { ":streamGenerateContent", 1 },
  };
  static const char prefix[] = "/v1beta/models/";
  const char *name = path + strlen (prefix), *colon;

  if (strncmp (path, prefix, strlen (prefix)) != 0 || (colon = strrchr (name, ':')) == NULL)
    return 0;
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
    size_t len = (size_t) (colon - name);
    if (strcmp (colon, methods[i].name) != 0 || len >= sizeof r->model)
      continue;
    memcpy (r->model, name, len);
    r->model[len] = '\0';
    r->stream = methods[i].stream;
    r->endpoint = SIM_CHAT;
    return 1;
  }
  return 0;
}

/* Those of one thing: /v1/files/ID, and /content behind it. */
static int
find_one (const char *method, const char *path, struct sim_route *r)
{
  static const struct {
    const char *method, *prefix, *action;
    enum sim_endpoint endpoint;
    int _reserved;
  } known[] = {
    { "GET", "/v1/files/", "content", SIM_FILES, 0 },
    { "GET", "/v1/files/", "", SIM_FILES, 0 },
    { "DELETE", "/v1/files/", "", SIM_FILES, 0 },
    { "POST", "/v1/batches/", "cancel", SIM_BATCHES, 0 },
    { "GET", "/v1/batches/", "", SIM_BATCHES, 0 },
    { "GET", "/v1/models/", "", SIM_MODELS, 0 },
  };

  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    const char *id = path + strlen (known[i].prefix), *action = strrchr (path, '/');
    size_t len = strlen (known[i].action);
    if (strcmp (method, known[i].method) != 0
        || strncmp (path, known[i].prefix, strlen (known[i].prefix)) != 0
        || (len > 0 && strcmp (action + 1, known[i].action) != 0))
      continue;
    len = len > 0 ? (size_t) (action - id) : strlen (id);
    if (len == 0 || len >= sizeof r->id)
      continue;
    memcpy (r->id, id, len);
    memcpy (r->action, known[i].action, strlen (known[i].action) + 1);
    r->endpoint = known[i].endpoint;
    return 1;
  }
  return 0;
}

void
sim_route_find (const char *method, const char *path, struct sim_route *r)
{
  static const struct {
    const char *method, *path;
    enum sim_endpoint endpoint;
    enum sim_dialect dialect;
  } known[] = {
    { "POST", "/v1/chat/completions", SIM_CHAT, SIM_OPENAI },
    { "POST", "/v1/completions", SIM_COMPLETIONS, SIM_OPENAI },
    { "POST", "/v1/responses", SIM_RESPONSES, SIM_OPENAI },
    { "POST", "/v1/embeddings", SIM_EMBEDDINGS, SIM_OPENAI },
    { "POST", "/v1/audio/speech", SIM_SPEECH, SIM_OPENAI },
    { "POST", "/v1/audio/transcriptions", SIM_TRANSCRIPTIONS, SIM_OPENAI },
    { "POST", "/v1/audio/translations", SIM_TRANSCRIPTIONS, SIM_OPENAI },
    { "GET", "/v1/models", SIM_MODELS, SIM_OPENAI },
    { "GET", "/v1/files", SIM_FILES, SIM_OPENAI },
    { "POST", "/v1/files", SIM_FILES, SIM_OPENAI },
    { "GET", "/v1/batches", SIM_BATCHES, SIM_OPENAI },
    { "POST", "/v1/batches", SIM_BATCHES, SIM_OPENAI },
    { "POST", "/v1/messages", SIM_CHAT, SIM_ANTHROPIC },
  };

  memset (r, 0, sizeof *r);
  r->dialect = strncmp (path, "/v1beta/", 8) == 0 ? SIM_GEMINI : SIM_OPENAI;
  if (r->dialect == SIM_GEMINI && strcmp (method, "POST") == 0 && find_gemini (path, r))
    return;
  if (strncmp (path, "/openai/", strlen ("/openai/")) == 0)
    path += strlen ("/openai");
  r->no_body = find_one (method, path, r) || strcmp (method, "POST") != 0;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (strcmp (method, known[i].method) == 0 && strcmp (path, known[i].path) == 0) {
      r->endpoint = known[i].endpoint;
      r->dialect = known[i].dialect;
    }
}

/* ---- errors ----------------------------------------------------------------- */

void
sim_dialect_error (struct sim_answer *a, enum sim_dialect dialect, const char *request_id)
{
  json_object *root, *error;

  if (dialect == SIM_OPENAI || a->shape != SIM_WHOLE || a->status < 400 || a->body == NULL
      || a->body[0] != '{')
    return;
  root = json_tokener_parse (a->body);
  error = sim_member (root, "error", json_type_object);
  if (dialect == SIM_ANTHROPIC)
    sim_anthropic_error (a, sim_text_member (error, "code"),
                         sim_text_member (error, "message"), request_id);
  else
    sim_gemini_error (a, sim_text_member (error, "code"),
                      sim_text_member (error, "message"));
  json_object_put (root);
}

/* ---- JSON ------------------------------------------------------------------- */

json_object *
sim_object (const char *name, ...)
{
  json_object *o = json_object_new_object ();
  va_list ap;

  va_start (ap, name);
  for (; name != NULL; name = va_arg (ap, const char *))
    json_object_object_add (o, name, va_arg (ap, json_object *));
  va_end (ap);
  return o;
}

json_object *
sim_list (json_object *only)
{
  json_object *list = json_object_new_array ();

  json_object_array_add (list, only);
  return list;
}

json_object *
sim_text (const char *s)
{
  return json_object_new_string (s);
}

json_object *
sim_number (int64_t n)
{
  return json_object_new_int64 (n);
}

json_object *
sim_member (json_object *object, const char *name, json_type type)
{
  json_object *value = NULL;

  if (!json_object_is_type (object, json_type_object)
      || !json_object_object_get_ex (object, name, &value)
      || !json_object_is_type (value, type))
    return NULL;
  return value;
}

const char *
sim_text_member (json_object *object, const char *name)
{
  json_object *value = sim_member (object, name, json_type_string);

  return value != NULL ? json_object_get_string (value) : "";
}

static char *
spell (json_object *root, size_t *ret_len)
{
  char *body = NULL;
  int n = asprintf (&body, "%s\n", json_object_to_json_string_ext (root, PLAIN));

  json_object_put (root);
  *ret_len = n < 0 ? 0 : (size_t) n;
  return n < 0 ? NULL : body;
}

void
sim_put_json (struct sim_answer *a, int status, json_object *root)
{
  size_t len;
  char *body = spell (root, &len);

  sim_answer_body (a, status, "application/json", body, len);
}

void
sim_put_body (struct sim_answer *a, int status, json_object *root)
{
  free (a->body);
  a->body = spell (root, &a->body_len);
  a->status = a->body != NULL ? status : 500;
}

void
sim_put_event (struct sim_answer *a, const char *name, json_object *root)
{
  char *event = NULL;
  int n = asprintf (&event, "%s%s%sdata: %s\n\n", name != NULL ? "event: " : "",
                    name != NULL ? name : "", name != NULL ? "\n" : "",
                    json_object_to_json_string_ext (root, PLAIN));

  json_object_put (root);
  sim_answer_piece (a, n < 0 ? NULL : event);
}

void
sim_cut_pieces (struct sim_answer *a, int64_t pieces)
{
  while (a->n_pieces > 0 && (int64_t) a->n_pieces > pieces)
    free (a->pieces[--a->n_pieces]);
}

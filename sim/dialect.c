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

void
sim_route_find (const char *method, const char *path, struct sim_route *r)
{
  static const struct {
    const char *method, *path;
    enum sim_endpoint endpoint;
    enum sim_dialect dialect;
  } known[] = {
    { "POST", "/v1/chat/completions", SIM_CHAT, SIM_OPENAI },
    { "POST", "/v1/embeddings", SIM_EMBEDDINGS, SIM_OPENAI },
    { "GET", "/v1/models", SIM_MODELS, SIM_OPENAI },
    { "POST", "/v1/messages", SIM_CHAT, SIM_ANTHROPIC },
  };

  memset (r, 0, sizeof *r);
  r->dialect = strncmp (path, "/v1beta/", 8) == 0 ? SIM_GEMINI : SIM_OPENAI;
  if (r->dialect == SIM_GEMINI && strcmp (method, "POST") == 0 && find_gemini (path, r))
    return;
  if (strncmp (path, "/openai/", strlen ("/openai/")) == 0)
    path += strlen ("/openai");
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (strcmp (method, known[i].method) == 0 && strcmp (path, known[i].path) == 0) {
      r->endpoint = known[i].endpoint;
      r->dialect = known[i].dialect;
    }
}

/* ---- errors ----------------------------------------------------------------- */

static const char *
error_member (json_object *root, const char *name)
{
  json_object *error = NULL, *value = NULL;

  if (json_object_object_get_ex (root, "error", &error)
      && json_object_object_get_ex (error, name, &value)
      && json_object_is_type (value, json_type_string))
    return json_object_get_string (value);
  return "";
}

void
sim_dialect_error (struct sim_answer *a, enum sim_dialect dialect, const char *request_id)
{
  json_object *root;

  if (dialect == SIM_OPENAI || a->shape != SIM_WHOLE || a->status < 400 || a->body == NULL
      || a->body[0] != '{')
    return;
  root = json_tokener_parse (a->body);
  if (dialect == SIM_ANTHROPIC)
    sim_anthropic_error (a, error_member (root, "code"), error_member (root, "message"),
                         request_id);
  else
    sim_gemini_error (a, error_member (root, "code"), error_member (root, "message"));
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

/* plugins-check-json - keywheel plugins --check --json: all findings as one
 * object. */
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cli.h"
#include "plugins-check.h"

enum { MAX_JSON_BODY = 65536 };

static const char *
what_name (int what)
{
  static const char *const names[] = { "failed", "warning", "ok", "skipped" };
  return what >= 0 && what < 4 ? names[what] : "unknown";
}

static void
add (struct cli_check *run, struct json_object *object, const char *name,
     struct json_object *value)
{
  if (json_object_object_add (object, name, value) != 0) {
    json_object_put (value);
    run->no_memory = 1;
  }
}

/* JSON has no bytes: what is no text is told in hexadecimal. */
static void
add_body (struct cli_check *run, struct json_object *answer, const kw_plugin_finding *f)
{
  static const char digits[] = "0123456789abcdef";
  const unsigned char *body = f->body;
  size_t len = f->body_len < MAX_JSON_BODY ? f->body_len : MAX_JSON_BODY;
  char *hex;

  add (run, answer, "body_bytes", json_object_new_int64 ((int64_t) f->body_len));
  if (len < f->body_len)
    return;                     /* --save has it */
  if (cli_utf8_valid (f->body, len) == len && memchr (body, '\0', len) == NULL) {
    add (run, answer, "body", json_object_new_string_len (f->body, (int) len));
    return;
  }
  hex = malloc (2 * len + 1);
  if (hex == NULL) {
    run->no_memory = 1;
    return;
  }
  for (size_t i = 0; i < len; i++) {
    hex[2 * i] = digits[body[i] >> 4];
    hex[2 * i + 1] = digits[body[i] & 15];
  }
  add (run, answer, "body_hex", json_object_new_string_len (hex, (int) (2 * len)));
  free (hex);
}

/* The text, with every byte that is not UTF-8 a '?'. */
static struct json_object *
text (const char *s)
{
  char *copy = strdup (s);
  struct json_object *value;
  size_t len = strlen (s), i = 0;

  if (copy == NULL)
    return NULL;
  while ((i += cli_utf8_valid (copy + i, len - i)) < len)
    copy[i++] = '?';
  value = json_object_new_string (copy);
  free (copy);
  return value;
}

void
cli_check_add_json (struct cli_check *run, const kw_plugin_finding *f)
{
  struct json_object *o = json_object_new_object (), *answer;

  if (o == NULL || json_object_array_add (run->findings, o) != 0) {
    json_object_put (o);
    run->no_memory = 1;
    return;
  }
  add (run, o, "what", json_object_new_string (what_name (f->what)));
  add (run, o, "group", text (f->group));
  add (run, o, "case", cli_check_is_case (f) ? text (f->name) : NULL);
  add (run, o, "text", text (f->text));
  add (run, o, "output", f->output[0] != '\0' ? text (f->output) : NULL);
  if (!f->has_answer)
    return;
  answer = json_object_new_object ();
  add (run, o, "answer", answer);
  if (answer == NULL)
    return;
  add (run, answer, "status", json_object_new_int (f->http_status));
  add (run, answer, "transport_error", json_object_new_int64 (f->transport_error));
  add (run, answer, "in_stream", json_object_new_boolean (f->in_stream));
  add (run, answer, "received_ms", json_object_new_int64 (f->received_ms));
  add (run, answer, "headers", text (f->headers));
  add_body (run, answer, f);
}

int
cli_check_print_json (struct cli_check *run, int r)
{
  struct json_object *o = json_object_new_object ();

  if (o == NULL) {
    cli_say ("out of memory");
    return CLI_INTERNAL;
  }
  add (run, o, "file", text (run->options->check));
  add (run, o, "conforms", json_object_new_boolean (r == 0));
  add (run, o, "checks", json_object_new_int64 ((int64_t) run->checks));
  add (run, o, "seed", json_object_new_int64 ((int64_t) run->seed));
  add (run, o, "findings", json_object_get (run->findings));
  if (run->no_memory)
    cli_say ("out of memory");
  else
    (void) cli_out_json (o);
  json_object_put (o);
  return run->no_memory ? CLI_INTERNAL : r == 0 ? CLI_OK : CLI_INTERNAL;
}

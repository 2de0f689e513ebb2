/* plugins - keywheel plugins: what was found where, its version and ABI, or why
 * it was refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cli.h"

static const char *
abi_text (const kw_plugin_info *plugin, char *buf, size_t size)
{
  int n;

  if (plugin->abi_major < 0)
    return "-";
  n = snprintf (buf, size, "%d.%d", plugin->abi_major,
                plugin->abi_minor < 0 ? 0 : plugin->abi_minor);
  return n > 0 && (size_t) n < size ? buf : "-";
}

static const char *
or_dash (const char *s)
{
  return s != NULL && s[0] != '\0' ? s : "-";
}

static int
as_table (const kw_plugin_info *list, size_t n)
{
  char *text = NULL;
  size_t len = 0, refused = 0;
  FILE *f = open_memstream (&text, &len);

  if (f == NULL) {
    cli_say ("out of memory");
    return CLI_INTERNAL;
  }
  fprintf (f, "%-12s %-10s %-6s %s\n", "NAME", "VERSION", "ABI", "FILE");
  for (size_t i = 0; i < n; i++) {
    char abi[32];
    fprintf (f, "%-12s %-10s %-6s %s\n", or_dash (list[i].name),
             or_dash (list[i].version), abi_text (&list[i], abi, sizeof abi),
             list[i].file);
    if (list[i].refused != NULL) {
      fprintf (f, "    refused: %s\n", list[i].refused);
      refused++;
    }
  }
  if (fclose (f) == 0)
    (void) cli_out (text, len);
  free (text);
  if (n == 0)
    cli_say ("no plugin in any folder that was looked into");
  if (refused > 0)
    cli_say ("%zu of %zu plugins refused", refused, n);
  return CLI_OK;
}

/* A member that is a text, or null. */
static int
add_text (struct json_object *object, const char *name, const char *text)
{
  struct json_object *value = NULL;

  if (text != NULL && text[0] != '\0') {
    value = json_object_new_string (text);
    if (value == NULL)
      return -1;
  }
  if (json_object_object_add (object, name, value) == 0)
    return 0;
  json_object_put (value);
  return -1;
}

static struct json_object *
plugin_json (const kw_plugin_info *plugin)
{
  struct json_object *object = json_object_new_object ();
  char buf[32];
  const char *abi = abi_text (plugin, buf, sizeof buf);

  if (object == NULL)
    return NULL;
  if (add_text (object, "file", plugin->file) != 0
      || add_text (object, "name", plugin->name) != 0
      || add_text (object, "longname", plugin->longname) != 0
      || add_text (object, "version", plugin->version) != 0
      || add_text (object, "description", plugin->description) != 0
      || add_text (object, "abi", plugin->abi_major < 0 ? NULL : abi) != 0
      || add_text (object, "refused", plugin->refused) != 0
      || add_text (object, "key_env", plugin->key_env) != 0
      || add_text (object, "base_url", plugin->base_url) != 0) {
    json_object_put (object);
    return NULL;
  }
  return object;
}

static int
as_json (const kw_plugin_info *list, size_t n)
{
  struct json_object *array = json_object_new_array ();
  int r = array != NULL ? CLI_OK : CLI_INTERNAL;

  for (size_t i = 0; r == CLI_OK && i < n; i++) {
    struct json_object *object = plugin_json (&list[i]);
    if (object == NULL || json_object_array_add (array, object) != 0) {
      json_object_put (object);
      r = CLI_INTERNAL;
    }
  }
  if (r == CLI_OK)
    r = cli_out_json (array) == 0 ? CLI_OK : CLI_INTERNAL;
  else
    cli_say ("out of memory");
  json_object_put (array);
  return r;
}

int
cli_plugins (const struct cli_options *options)
{
  struct kw_error err = KW_ERROR_INIT;
  kw_plugin_info *list = NULL;
  size_t n = 0;
  int r;

  if (options->check != NULL)
    return cli_plugins_check (options);
  if (options->only != NULL || options->seed != NULL || options->save != NULL
      || options->no_fork || options->n_settings > 0 || options->time_limit != NULL
      || options->memory_limit != NULL)
    return cli_usage ("plugins", "--case, --seed, --set, --save, --no-fork and the "
                      "limits go with --check FILE");
  r = kw_plugins (options->config, &list, &n, &err);
  if (r != 0)
    return cli_fail (options, r, &err);
  r = options->json ? as_json (list, n) : as_table (list, n);
  kw_plugins_free (list);
  return r;
}

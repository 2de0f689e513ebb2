/* plugins-check - keywheel plugins --check: what kw_plugin_check finds, for
 * people, as it comes; and with each finding how to see it again. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <json-c/json.h>

#include "cli.h"
#include "plugins-check.h"

enum { SHOWN = 200, HEADERS_SHOWN = 4 };

/* ---- For people --------------------------------------------------------- */

static void __attribute__ ((__format__ (__printf__, 1, 2)))
print (const char *fmt, ...)
{
  char *text = NULL;
  va_list ap;
  int n;

  va_start (ap, fmt);
  n = vasprintf (&text, fmt, ap);
  va_end (ap);
  if (n < 0)
    return;
  (void) cli_out (text, (size_t) n);
  free (text);
}

/* The first bytes, whatever they are, on one line. */
static void
escape (const char *body, size_t len, char *buf, size_t size)
{
  size_t at = 0;

  for (size_t i = 0; i < len && at + 5 < size; i++) {
    unsigned char c = (unsigned char) body[i];
    if (c >= 0x20 && c < 0x7f && c != '\\')
      buf[at++] = (char) c;
    else {
      int n = snprintf (buf + at, size - at, c == '\n' ? "\\n" : c == '\\' ? "\\\\"
                        : "\\x%02x", c);
      at += n > 0 ? (size_t) n : 0;
    }
  }
  buf[at] = '\0';
}

static void
print_answer (const struct cli_check *run, const kw_plugin_finding *f)
{
  char body[4 * SHOWN + 8];
  const char *h = f->headers;
  size_t n = 0;

  escape (f->body, f->body_len < SHOWN ? f->body_len : SHOWN, body, sizeof body);
  print ("         answer: status %d%s%s%s, %zu byte%s%s%s%s\n", f->http_status,
         f->transport_error != 0 ? ", the network failed" : "",
         f->in_stream ? ", an event of a stream" : "",
         h[0] != '\0' ? ", with headers" : "", f->body_len, f->body_len == 1 ? "" : "s",
         f->body_len > 0 ? ": " : "", body, f->body_len > SHOWN ? " ..." : "");
  for (; *h != '\0'; n++) {
    size_t len = strcspn (h, "\n");
    char line[4 * SHOWN + 8];
    escape (h, len < SHOWN ? len : SHOWN, line, sizeof line);
    if (n < HEADERS_SHOWN || run->options->verbose > 0)
      print ("                 %s%s\n", line, len > SHOWN ? " ..." : "");
    h += len + (h[len] == '\n');
  }
  if (n > HEADERS_SHOWN && run->options->verbose == 0)
    print ("                 and %zu more (-v shows all)\n", n - HEADERS_SHOWN);
}

/* A word that a shell takes as it is, in quotes where it must be. */
static void
print_word (const char *s)
{
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789_-+=./,:@%";

  if (s[0] != '\0' && s[strspn (s, plain)] == '\0') {
    print (" %s", s);
    return;
  }
  print (" '");
  for (; *s != '\0'; s++)
    print (*s == '\'' ? "'\\''" : "%c", *s);
  print ("'");
}

static void
print_again (const struct cli_check *run, const kw_plugin_finding *f)
{
  print ("         again:  keywheel plugins --check");
  print_word (run->options->check);
  for (size_t i = 0; i < run->options->n_settings; i++) {
    print (" --set");
    print_word (run->options->settings[i]);
  }
  print (" --case %s", f->name);
  if (strcmp (f->group, "random") == 0 || strcmp (f->group, "translate") == 0)
    print (" --seed %llu", (unsigned long long) f->seed);
  print ("\n");
}

/* ---- Files -------------------------------------------------------------- */

static void
save (const struct cli_check *run, const kw_plugin_finding *f)
{
  char *path = NULL;
  FILE *file;
  int n = asprintf (&path, "%s/%s.body", run->options->save, f->name);
  int ok;

  if (n < 0)
    return;
  for (char *p = path + strlen (run->options->save) + 1; *p != '\0'; p++)
    if (*p == '/')
      *p = '-';
  file = fopen (path, "we");
  ok = file != NULL && fwrite (f->body, 1, f->body_len, file) == f->body_len;
  if (file != NULL && fclose (file) != 0)
    ok = 0;
  if (!ok)
    cli_say ("%s: %s", path, strerror (errno));
  else if (!run->options->json)
    print ("         body:   %s\n", path);
  free (path);
}

/* ---- The command -------------------------------------------------------- */

static int
found (void *user, const kw_plugin_finding *f)
{
  static const char *const words[] = { "FAILED", "warning", "ok", "skipped" };
  struct cli_check *run = user;

  run->checks += f->checks;
  run->seed = f->seed;
  run->failed += f->what == KW_CHECK_FAILED;
  run->warnings += f->what == KW_CHECK_WARNING;
  if (run->findings != NULL)
    cli_check_add_json (run, f);
  else {
    print ("%-8s %s: %s\n", f->what >= 0 && f->what < 4 ? words[f->what] : "?", f->name,
           f->text);
    if (f->has_answer)
      print_answer (run, f);
  }
  if (f->has_answer && run->options->save != NULL)
    save (run, f);
  if (run->findings == NULL && cli_check_is_case (f) && f->what == KW_CHECK_FAILED)
    print_again (run, f);
  return cli_out_failed () || run->no_memory;
}

static int
finish (struct cli_check *run, int r)
{
  const char *s = run->failed == 1 ? "" : "s";

  if (run->findings != NULL)
    return cli_check_print_json (run, r);
  if (r == 0)
    print ("conforms: %llu checks, %u warning%s\n", (unsigned long long) run->checks,
           run->warnings, run->warnings == 1 ? "" : "s");
  else
    print ("does not conform: %u finding%s, %llu checks, %u warning%s\n", run->failed, s,
           (unsigned long long) run->checks, run->warnings,
           run->warnings == 1 ? "" : "s");
  return r == 0 ? CLI_OK : CLI_INTERNAL;
}

static int
take_number (const char *name, const char *s, uint64_t most, uint64_t *ret)
{
  char *end;

  if (s == NULL)
    return CLI_OK;
  errno = 0;
  *ret = strtoull (s, &end, 10);
  if (s[0] < '0' || s[0] > '9' || *end != '\0' || errno != 0 || *ret == 0 || *ret > most)
    return cli_usage ("plugins", "--%s wants a number from 1 to %llu, not \"%s\"", name,
                      (unsigned long long) most, s);
  return CLI_OK;
}

static int
take_settings (struct cli_check *run)
{
  const struct cli_options *o = run->options;

  if (o->n_settings > CLI_MAX_SETTINGS)
    return cli_usage ("plugins", "--set is there %zu times; %d are allowed", o->n_settings,
                      CLI_MAX_SETTINGS);
  for (size_t i = 0; i < o->n_settings; i++) {
    char *copy = strdup (o->settings[i]), *equals;
    if (copy == NULL) {
      cli_say ("out of memory");
      return CLI_INTERNAL;
    }
    run->texts[i] = copy;
    equals = strchr (copy, '=');
    if (equals == NULL || equals == copy)
      return cli_usage ("plugins", "--set wants NAME=VALUE, not \"%s\"", o->settings[i]);
    *equals = '\0';
    run->settings[2 * i] = copy;
    run->settings[2 * i + 1] = equals + 1;
  }
  return CLI_OK;
}

static int
take_options (struct cli_check *run, kw_plugin_check_options *o)
{
  const struct cli_options *c = run->options;
  uint64_t time_ms = 0, mb = 0;
  struct stat st;
  int r = take_number ("seed", c->seed, INT64_MAX, &o->seed);

  if (r == CLI_OK)
    r = take_number ("time-limit", c->time_limit, 3600000, &time_ms);
  if (r == CLI_OK)
    r = take_number ("memory-limit", c->memory_limit, 1 << 20, &mb);
  if (r == CLI_OK)
    r = take_settings (run);
  if (r == CLI_OK && c->save != NULL && (stat (c->save, &st) != 0 || !S_ISDIR (st.st_mode)))
    r = cli_usage ("plugins", "--save wants a folder that is there; %s is none", c->save);
  o->only = c->only;
  o->settings = c->n_settings > 0 ? run->settings : NULL;
  o->time_ms = (int64_t) time_ms;
  o->memory = mb << 20;
  o->no_fork = c->no_fork;
  return r;
}

int
cli_plugins_check (const struct cli_options *options)
{
  kw_plugin_check_options o = KW_PLUGIN_CHECK_INIT;
  struct kw_error err = KW_ERROR_INIT;
  struct cli_check run;
  int r;

  memset (&run, 0, sizeof run);
  run.options = options;
  r = take_options (&run, &o);
  if (r == CLI_OK && options->json && (run.findings = json_object_new_array ()) == NULL) {
    cli_say ("out of memory");
    r = CLI_INTERNAL;
  }
  if (r == CLI_OK) {
    r = kw_plugin_check (options->check, &o, found, &run, &err);
    if (r >= 0)
      r = finish (&run, r);
    else if (cli_out_failed ())
      r = CLI_INTERNAL;         /* told already */
    else
      r = cli_fail (options, r, &err);
  }
  json_object_put (run.findings);
  for (size_t i = 0; i < CLI_MAX_SETTINGS; i++)
    free (run.texts[i]);
  return r;
}

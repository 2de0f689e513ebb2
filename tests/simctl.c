/* simctl - keywheel-sim as a test's helper (see simctl.h).
 * Speaks to the simulator by libcurl over its own connection, and reads its
 * JSON by json-c; does not use libkeywheel. */
#include "simctl.h"
#include "proc.h"

#include <check.h>
#include <curl/curl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Generous: under valgrind on a busy machine everything takes its time. */
#define START_MS 60000
#define STOP_MS 60000
#define CALL_MS 120000L
#define MAX_ARGS 64

struct simctl {
  struct proc *proc;
  CURL *curl;
  char *base_url;
  size_t origin_len;            /* of base_url, without "/v1" */
};

static void *
must (void *p)
{
  if (p == NULL)
    ck_abort_msg ("no memory");
  return p;
}

static char *
program (void)
{
  const char *given = getenv ("KW_SIM");
  const char *dir = getenv ("KW_BUILDDIR");
  char *path = NULL;
  if (given != NULL && given[0] != '\0')
    return must (strdup (given));
  if (asprintf (&path, "%s/keywheel-sim", dir != NULL ? dir : ".") < 0)
    ck_abort_msg ("no memory");
  return path;
}

struct simctl *
simctl_start (const char *const args[])
{
  static const char says[] = "listening on ";
  const char *argv[MAX_ARGS + 2];
  size_t n = 0;
  char *path = program ();

  argv[n++] = path;
  for (size_t i = 0; args != NULL && args[i] != NULL; i++) {
    ck_assert_msg (n <= MAX_ARGS, "more than %d arguments", MAX_ARGS);
    argv[n++] = args[i];
  }
  argv[n] = NULL;
  /* Whoever talks to it, here or in another program, does so directly. */
  if (setenv ("no_proxy", "127.0.0.1", 1) != 0)
    ck_abort_msg ("no memory");
  struct simctl *sim = must (calloc (1, sizeof *sim));
  sim->proc = proc_start (argv, NULL);
  const char *line = proc_read_line (sim->proc, START_MS);
  if (line == NULL || strncmp (line, says, strlen (says)) != 0) {
    struct proc_result res;
    proc_finish (sim->proc, &res, 1000);
    ck_abort_msg ("%s did not start (exit %d): %s%s", path, res.status, res.out,
                  res.err);
  }
  sim->base_url = must (strdup (line + strlen (says)));
  sim->origin_len = strlen (sim->base_url) - strlen ("/v1");
  sim->curl = must (curl_easy_init ());
  free (path);
  return sim;
}

struct simctl *
simctl_startl (const char *arg, ...)
{
  const char *args[MAX_ARGS + 1];
  size_t n = 0;
  va_list ap;

  va_start (ap, arg);
  for (; arg != NULL; arg = va_arg (ap, const char *)) {
    ck_assert_msg (n < MAX_ARGS, "more than %d arguments", MAX_ARGS);
    args[n++] = arg;
  }
  va_end (ap);
  args[n] = NULL;
  return simctl_start (args);
}

const char *
simctl_base_url (const struct simctl *sim)
{
  return sim->base_url;
}

static void
release (struct simctl *sim, struct proc_result *res)
{
  proc_finish (sim->proc, res, STOP_MS);
  curl_easy_cleanup (sim->curl);
  free (sim->base_url);
  free (sim);
}

void
simctl_stop (struct simctl *sim)
{
  struct proc_result res;
  if (sim == NULL)
    return;
  proc_signal (sim->proc, SIGTERM);
  release (sim, &res);
  ck_assert_msg (res.status == 0 && !res.timed_out,
                 "keywheel-sim ended with %d%s: %s", res.status,
                 res.timed_out ? " (killed, it did not end)" : "", res.err);
  proc_result_clear (&res);
}

void
simctl_kill (struct simctl *sim)
{
  if (sim == NULL)
    return;
  proc_signal (sim->proc, SIGKILL);
  release (sim, NULL);
}

/* ---- HTTP -------------------------------------------------------------- */

struct text {
  char *data;
  size_t len;
};

static size_t
text_add (char *data, size_t size, size_t n, void *user)
{
  struct text *t = user;
  size_t len = size * n;
  char *bigger = realloc (t->data, t->len + len + 1);
  if (bigger == NULL)
    return 0;
  t->data = bigger;
  memcpy (t->data + t->len, data, len);
  t->len += len;
  t->data[t->len] = '\0';
  return len;
}

static struct curl_slist *
header_add (struct curl_slist *list, const char *line)
{
  return must (curl_slist_append (list, line));
}

static struct curl_slist *
headers_for (const char *secret, const char *content_type)
{
  char line[512];
  /* No waiting for "100 Continue". */
  struct curl_slist *list = header_add (NULL, "Expect:");
  int n = snprintf (line, sizeof line, "Content-Type: %s", content_type);
  ck_assert_msg (n > 0 && (size_t) n < sizeof line, "the type is too long");
  list = header_add (list, line);
  if (secret == NULL)
    return list;
  n = snprintf (line, sizeof line, "Authorization: Bearer %s", secret);
  ck_assert_msg (n > 0 && (size_t) n < sizeof line, "the secret is too long");
  return header_add (list, line);
}

static void
set_up (CURL *curl, const char *url, const char *method, const char *body,
        struct curl_slist *headers, struct text *got, struct text *got_headers)
{
  curl_easy_reset (curl);
  curl_easy_setopt (curl, CURLOPT_URL, url);
  curl_easy_setopt (curl, CURLOPT_PROXY, "");
  curl_easy_setopt (curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt (curl, CURLOPT_TIMEOUT_MS, CALL_MS);
  /* On a kept connection that closes without an answer libcurl would send the
   * request again by itself: one call must be one request. */
  curl_easy_setopt (curl, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt (curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt (curl, CURLOPT_WRITEFUNCTION, text_add);
  curl_easy_setopt (curl, CURLOPT_WRITEDATA, got);
  curl_easy_setopt (curl, CURLOPT_HEADERFUNCTION, text_add);
  curl_easy_setopt (curl, CURLOPT_HEADERDATA, got_headers);
  if (body != NULL || strcmp (method, "POST") == 0) {
    curl_easy_setopt (curl, CURLOPT_POSTFIELDSIZE_LARGE,
                      (curl_off_t) (body != NULL ? strlen (body) : 0));
    curl_easy_setopt (curl, CURLOPT_POSTFIELDS, body != NULL ? body : "");
  }
  curl_easy_setopt (curl, CURLOPT_CUSTOMREQUEST, method);
}

void
simctl_call (struct simctl *sim, const char *method, const char *path,
             const char *secret, const char *body, struct simctl_reply *reply)
{
  /* libcurl's own for a body would be that of a form. */
  simctl_call_as (sim, method, path, secret, body != NULL ? "application/json" : "",
                  body, reply);
}

void
simctl_call_as (struct simctl *sim, const char *method, const char *path,
                const char *secret, const char *content_type, const char *body,
                struct simctl_reply *reply)
{
  struct text got = { 0 }, got_headers = { 0 };
  struct curl_slist *headers = headers_for (secret, content_type);
  char *url = NULL;
  long status = 0;

  if (asprintf (&url, "%.*s%s", (int) sim->origin_len, sim->base_url, path) < 0)
    ck_abort_msg ("no memory");
  set_up (sim->curl, url, method, body, headers, &got, &got_headers);
  reply->curl = (int) curl_easy_perform (sim->curl);
  curl_easy_getinfo (sim->curl, CURLINFO_RESPONSE_CODE, &status);
  reply->status = (int) status;
  reply->body = got.data != NULL ? got.data : must (strdup (""));
  reply->body_len = got.len;
  reply->headers = got_headers.data != NULL ? got_headers.data : must (strdup (""));
  curl_slist_free_all (headers);
  free (url);
}

const char *
simctl_header (const struct simctl_reply *reply, const char *name, char *buf,
               size_t size)
{
  size_t name_len = strlen (name);
  for (const char *line = reply->headers; *line != '\0';) {
    size_t len = strcspn (line, "\r\n");
    if (len > name_len && line[name_len] == ':'
        && strncasecmp (line, name, name_len) == 0) {
      const char *value = line + name_len + 1;
      value += strspn (value, " \t");
      int n = snprintf (buf, size, "%.*s", (int) (line + len - value), value);
      ck_assert_msg (n >= 0 && (size_t) n < size, "%s is too long", name);
      return buf;
    }
    line += len;
    line += strspn (line, "\r\n");
  }
  return NULL;
}

void
simctl_reply_clear (struct simctl_reply *reply)
{
  free (reply->body);
  free (reply->headers);
  memset (reply, 0, sizeof *reply);
}

/* ---- control ----------------------------------------------------------- */

static void
control (struct simctl *sim, const char *method, const char *path,
         const char *body)
{
  struct simctl_reply reply;
  simctl_call (sim, method, path, NULL, body, &reply);
  ck_assert_msg (reply.curl == 0 && reply.status == 200, "%s %s %s: %s (%d) %s",
                 method, path, body != NULL ? body : "",
                 curl_easy_strerror ((CURLcode) reply.curl), reply.status,
                 reply.body);
  simctl_reply_clear (&reply);
}

void
simctl_advance (struct simctl *sim, int64_t ms)
{
  char path[64];
  int n = snprintf (path, sizeof path, "/sim/advance?ms=%lld", (long long) ms);
  ck_assert (n > 0 && (size_t) n < sizeof path);
  control (sim, "POST", path, NULL);
}

void
simctl_fault (struct simctl *sim, const char *spec)
{
  control (sim, "POST", "/sim/fault", spec);
}

void
simctl_clear_faults (struct simctl *sim)
{
  control (sim, "DELETE", "/sim/fault", NULL);
}

/* ---- the log ----------------------------------------------------------- */

static const char *
text_of (json_object *line, const char *name)
{
  json_object *member = NULL;
  const char *s = NULL;
  if (json_object_object_get_ex (line, name, &member) && member != NULL)
    s = json_object_get_string (member);
  return s != NULL ? s : "";
}

static int64_t
int_of (json_object *line, const char *name)
{
  json_object *member = NULL;
  ck_assert_msg (json_object_object_get_ex (line, name, &member),
                 "the log's line has no \"%s\": %s", name,
                 json_object_to_json_string (line));
  return json_object_get_int64 (member);
}

static void
fill_entry (struct simctl_entry *e, json_object *line)
{
  e->n = int_of (line, "n");
  e->t_ms = int_of (line, "t_ms");
  e->mono_us = int_of (line, "mono_us");
  e->requested = int_of (line, "requested");
  e->bytes = int_of (line, "bytes");
  e->status = (int) int_of (line, "status");
  e->stream = (int) int_of (line, "stream");
  e->key = text_of (line, "key");
  e->org = text_of (line, "org");
  e->method = text_of (line, "method");
  e->path = text_of (line, "path");
  e->model = text_of (line, "model");
  e->verdict = text_of (line, "verdict");
  e->tag = text_of (line, "tag");
}

static json_object *
parse_lines (char *text)
{
  json_object *lines = must (json_object_new_array ());
  for (char *line = text, *end; *line != '\0'; line = end + 1) {
    end = strchr (line, '\n');
    ck_assert_msg (end != NULL, "the log's last line is cut: %s", line);
    *end = '\0';
    json_object *entry = json_tokener_parse (line);
    ck_assert_msg (json_object_is_type (entry, json_type_object),
                   "a line of the log is no JSON object: %s", line);
    json_object_array_add (lines, entry);
  }
  return lines;
}

void
simctl_read_log (struct simctl *sim, struct simctl_log *log)
{
  struct simctl_reply reply;
  simctl_call (sim, "GET", "/sim/log", NULL, NULL, &reply);
  ck_assert_msg (reply.curl == 0 && reply.status == 200, "GET /sim/log: %d %s",
                 reply.status, reply.body);
  json_object *lines = parse_lines (reply.body);
  log->owner = lines;
  log->count = json_object_array_length (lines);
  log->entries = must (calloc (log->count + 1, sizeof *log->entries));
  for (size_t i = 0; i < log->count; i++)
    fill_entry (&log->entries[i], json_object_array_get_idx (lines, i));
  simctl_reply_clear (&reply);
}

void
simctl_log_clear (struct simctl_log *log)
{
  json_object_put (log->owner);
  free (log->entries);
  memset (log, 0, sizeof *log);
}

size_t
simctl_count (struct simctl *sim, const char *key, const char *verdict)
{
  struct simctl_log log;
  size_t n = 0;
  simctl_read_log (sim, &log);
  for (size_t i = 0; i < log.count; i++)
    if ((key == NULL || strcmp (log.entries[i].key, key) == 0)
        && (verdict == NULL || strcmp (log.entries[i].verdict, verdict) == 0))
      n++;
  simctl_log_clear (&log);
  return n;
}

/* providerkit - for the suites of plugins that translate: a host of the test's
 * own, that a plugin cannot tell from the core's, and JSON written with ' for ".
 * Keeps what the plugin builds, outputs and says; knows no core. */
#ifndef PROVIDERKIT_H
#define PROVIDERKIT_H

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "kwtest.h"

#define KIT_NOW INT64_C (1800000000123)

/* The host's, opaque to the plugin. */
struct kw_request {
  char method[16], url[1024];
  char headers[4096];           /* "Name: value\n", each                   */
  char secret[128];             /* "header PREFIX", "query NAME"           */
  char *body;
  int translated;
  char note[KW_TRANSLATE_NOTE_MAX];
  size_t note_len;
};

struct kw_translation {
  char *text;                   /* events: one a line                      */
  size_t len;
  int in_events, done;
};

struct kw_instance {
  char error[1024];             /* the last one                            */
  char log[4096];
  char *interned[16];
  int n_interned;
};

static void *kit_so;
static const struct kw_provider *kit_plugin;
static const struct kw_translate *kit_translate;
static struct kw_instance kit_in;
static void *kit_self;
static int kit_no_translation;  /* 1: a host that is older                 */

/* ---- JSON ---------------------------------------------------------------- */

/* s with " for each ', in the caller's hands. */
static inline char *
kit_text (const char *s)
{
  char *copy = strdup (s);

  ck_assert_ptr_nonnull (copy);
  for (char *p = copy; *p != '\0'; p++)
    if (*p == '\'')
      *p = '"';
  return copy;
}

static inline struct json_object *
kit_json (const char *s)
{
  char *text = kit_text (s);
  struct json_object *o = json_tokener_parse (text);

  ck_assert_msg (o != NULL, "the test's own JSON is none: %s", text);
  free (text);
  return o;
}

/* Prints both where they differ. */
static inline int
kit_equal (const char *name, const char *got, const char *want)
{
  struct json_object *g = json_tokener_parse (got), *w = kit_json (want);
  int equal = g != NULL && json_object_equal (g, w);

  if (!equal)
    printf ("%s:\n  got  %s\n  want %s\n", name, got,
            json_object_to_json_string_ext (w, JSON_C_TO_STRING_PLAIN
                                               | JSON_C_TO_STRING_NOSLASHESCAPE));
  json_object_put (g);
  json_object_put (w);
  return equal;
}

/* Calls f with every beginning of s, and with each of its bytes changed: what
 * comes from outside may be anything.  KW_TEST_SCALE: every n-th alone. */
static inline void
kit_mutate (const char *s, void (*f) (const char *mutant))
{
  static const char others[] = "'{}[],:1nx\\ ";
  const char *scale = getenv ("KW_TEST_SCALE");
  size_t len = strlen (s), step = scale != NULL ? strtoul (scale, NULL, 10) : 1;
  char *copy = strdup (s);

  ck_assert_ptr_nonnull (copy);
  for (size_t i = 0; i < len; i += step > 0 ? step : 1) {
    char was = copy[i];
    copy[i] = others[i % (sizeof others - 1)];
    f (copy);
    copy[i] = '\0';
    f (copy);
    copy[i] = was;
  }
  free (copy);
}

/* ---- The host ------------------------------------------------------------ */

static inline void
kit_put (char *to, size_t size, const char *a, const char *b, const char *c)
{
  size_t at = strlen (to);
  int n = snprintf (to + at, size - at, "%s%s%s", a, b, c);

  ck_assert (n >= 0 && (size_t) n < size - at);
}

static inline void
kit_host_log (struct kw_instance *in, uint32_t level, const char *msg)
{
  (void) level;
  kit_put (in->log, sizeof in->log, msg, "\n", "");
}

static inline void
kit_host_error (struct kw_instance *in, const char *msg)
{
  in->error[0] = '\0';
  kit_put (in->error, sizeof in->error, msg, "", "");
}

static inline const char *
kit_host_intern (struct kw_instance *in, const char *s, uint64_t len)
{
  ck_assert_int_lt (in->n_interned, 16);
  in->interned[in->n_interned] = strndup (s, (size_t) len);
  return in->interned[in->n_interned++];
}

static inline int64_t
kit_host_now (struct kw_instance *in)
{
  (void) in;
  return KIT_NOW;
}

static inline int
kit_request_method (struct kw_request *r, const char *method)
{
  r->method[0] = '\0';
  kit_put (r->method, sizeof r->method, method, "", "");
  return KW_OK;
}

static inline int
kit_request_url (struct kw_request *r, const char *url)
{
  r->url[0] = '\0';
  kit_put (r->url, sizeof r->url, url, "", "");
  return KW_OK;
}

static inline int
kit_request_header (struct kw_request *r, const char *name, const char *value)
{
  kit_put (r->headers, sizeof r->headers, name, ": ", value);
  kit_put (r->headers, sizeof r->headers, "\n", "", "");
  return KW_OK;
}

static inline int
kit_request_body (struct kw_request *r, const void *body, uint64_t len)
{
  free (r->body);
  r->body = strndup (body, (size_t) len);
  ck_assert_uint_eq (strlen (r->body), len);
  return KW_OK;
}

static inline int
kit_secret_header (struct kw_request *r, const char *name, const char *prefix)
{
  kit_put (r->secret, sizeof r->secret, name, " ", prefix);
  return KW_OK;
}

static inline int
kit_secret_query (struct kw_request *r, const char *name)
{
  kit_put (r->secret, sizeof r->secret, "query ", name, "");
  return KW_OK;
}

static inline const char *
kit_response_header (const struct kw_response *resp, const char *name)
{
  (void) resp;
  (void) name;
  return NULL;
}

/* Members alone, and no array: enough for a translator. */
static inline int
kit_response_json (const struct kw_response *resp, const char *pointer, char *buf,
                   uint64_t size)
{
  char *body = strndup (resp->body, (size_t) resp->body_len);
  struct json_object *root = json_tokener_parse (body), *o = NULL;
  int rc = root == NULL ? KW_ERR : KW_ERR_NOTFOUND, n;

  free (body);
  if (root != NULL && json_pointer_get (root, pointer, &o) == 0 && o != NULL
      && !json_object_is_type (o, json_type_object)
      && !json_object_is_type (o, json_type_array)) {
    n = snprintf (buf, (size_t) size, "%s", json_object_get_string (o));
    rc = n >= 0 && (uint64_t) n < size ? KW_OK : KW_ERR_RANGE;
  }
  json_object_put (root);
  return rc;
}

static inline int
kit_response_bucket (const struct kw_response *resp, const struct kw_bucket *bucket)
{
  (void) resp;
  (void) bucket;
  return KW_OK;
}

static inline int
kit_translate_request (struct kw_request *r, const void *note, uint64_t len)
{
  ck_assert_uint_le (len, sizeof r->note);
  if (len > 0)
    memcpy (r->note, note, (size_t) len);
  r->note_len = (size_t) len;
  r->translated = 1;
  return KW_OK;
}

static inline int
kit_output (struct kw_translation *t, const void *data, uint64_t len)
{
  ck_assert_msg (!t->done, "output behind \"[DONE]\": %.*s", (int) len,
                 (const char *) data);
  t->text = realloc (t->text, t->len + (size_t) len + 2);
  ck_assert_ptr_nonnull (t->text);
  memcpy (t->text + t->len, data, (size_t) len);
  t->len += (size_t) len;
  if (t->in_events)
    t->text[t->len++] = '\n';
  t->text[t->len] = '\0';
  t->done = t->in_events && len == 6 && memcmp (data, "[DONE]", 6) == 0;
  return KW_OK;
}

static inline const void *
kit_host_extension (const char *id)
{
  static const struct kw_translate_host translate = {
    .struct_size = sizeof translate, .request = kit_translate_request,
    .output = kit_output
  };

  return strcmp (id, KW_EXT_TRANSLATE) == 0 && !kit_no_translation ? &translate : NULL;
}

static const struct kw_host kit_host = {
  .struct_size = sizeof kit_host, .abi_major = KW_PROVIDER_ABI_MAJOR,
  .abi_minor = KW_PROVIDER_ABI_MINOR, .name = "providerkit", .version = "0",
  .log = kit_host_log, .error = kit_host_error, .intern = kit_host_intern,
  .now_ms = kit_host_now, .request_method = kit_request_method,
  .request_url = kit_request_url, .request_header = kit_request_header,
  .request_body = kit_request_body, .request_secret_header = kit_secret_header,
  .request_secret_query = kit_secret_query, .response_header = kit_response_header,
  .response_json = kit_response_json, .response_bucket = kit_response_bucket,
  .get_extension = kit_host_extension
};

/* ---- The plugin ---------------------------------------------------------- */

static inline void
kit_load (const char *name)
{
  char file[1024];
  int n = snprintf (file, sizeof file, "%s/plugins/.libs/%s.so", kwtest_builddir (), name);
  kw_provider_entry_fn entry;
  void *symbol;

  ck_assert (n > 0 && (size_t) n < sizeof file);
  kit_so = dlopen (file, RTLD_NOW | RTLD_LOCAL);
  ck_assert_msg (kit_so != NULL, "%s", dlerror ());
  symbol = dlsym (kit_so, KW_PROVIDER_ENTRY_NAME);
  ck_assert_ptr_nonnull (symbol);
  memcpy (&entry, &symbol, sizeof entry);
  kit_plugin = (const void *) entry (KW_PROVIDER_ABI_MAJOR << 16);
  ck_assert_int_eq (kit_plugin->create (&kit_host, &kit_in, &kit_self), KW_OK);
  kit_translate = kit_plugin->get_extension (kit_self, KW_EXT_TRANSLATE);
  ck_assert_ptr_nonnull (kit_translate);
}

static inline void
kit_unload (void)
{
  kit_plugin->destroy (kit_self);
  for (int i = 0; i < kit_in.n_interned; i++)
    free (kit_in.interned[i]);
  memset (&kit_in, 0, sizeof kit_in);
#if !defined(__SANITIZE_ADDRESS__)
  (void) dlclose (kit_so);      /* leaks could not be named */
#endif
  kit_self = kit_so = NULL;
  kit_no_translation = 0;
}

/* prepare for a POST of body, which is JSON with ' for ", to path.  Returns its
 * code; kit_clear r behind it. */
static inline int
kit_prepare (struct kw_request *r, const char *path, const char *body)
{
  char *text = kit_text (body);
  struct kw_call call = {
    .struct_size = sizeof call, .base_url = "https://api.example.com/v1",
    .method = "POST", .path = path, .content_type = "application/json",
    .body = text, .body_len = strlen (text), .model = "default-model",
    .stream = strstr (text, "\"stream\":true") != NULL
  };
  int rc;

  memset (r, 0, sizeof *r);
  kit_in.error[0] = '\0';
  rc = kit_plugin->prepare (kit_self, &call, r);
  free (text);
  return rc;
}

static inline void
kit_clear (struct kw_request *r)
{
  free (r->body);
  memset (r, 0, sizeof *r);
}

/* A whole answer (' for "), translated; NULL if that failed, else the
 * caller's. */
static inline char *
kit_reply (const char *body, const char *note)
{
  char *text = kit_text (body);
  struct kw_response resp = {
    .struct_size = sizeof resp, .http_status = 200, .received_ms = KIT_NOW,
    .body = text, .body_len = strlen (text)
  };
  struct kw_translation t = { .text = NULL };
  int rc;

  kit_in.error[0] = '\0';
  rc = kit_translate->reply (kit_self, &resp, note, strlen (note), &t);
  free (text);
  if (rc == KW_OK)
    return t.text;
  free (t.text);
  return NULL;
}

/* Events, each as "NAME DATA" (NAME "-" is none; ' for "), until NULL; then
 * the answer's end.  What came of them, one event a line, the caller's; *ret_rc
 * is the first code that was not 0. */
static inline char *
kit_stream (const char *const *events, const char *note, int *ret_rc)
{
  struct kw_translation t = { .text = calloc (1, 1), .in_events = 1 };
  void *stream = NULL;
  int rc;

  kit_in.error[0] = '\0';
  ck_assert_int_eq (kit_translate->stream_begin (kit_self, note, strlen (note), &stream),
                    KW_OK);
  for (rc = KW_OK; *events != NULL && rc == KW_OK; events++) {
    char *text = kit_text (*events), *data = strchr (text, ' ');
    ck_assert_ptr_nonnull (data);
    *data++ = '\0';
    rc = kit_translate->stream_event (kit_self, stream, strcmp (text, "-") == 0 ? "" : text,
                                      data, strlen (data), &t);
    free (text);
  }
  if (rc == KW_OK)
    rc = kit_translate->stream_event (kit_self, stream, "", NULL, 0, &t);
  kit_translate->stream_end (kit_self, stream);
  *ret_rc = rc;
  return t.text;
}

#endif

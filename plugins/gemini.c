/* gemini - a provider plugin for the Gemini API, in Google's own format.
 *
 * Chat requests are translated to generateContent and its stream, and answers
 * back; what cannot be said there is refused by its name.  Other paths go to
 * Google's OpenAI-compatible endpoint under the same base, as they are.  This
 * file is the provider, and how a request is addressed. */
#include <string.h>

#include "gemini/gemini.h"

/* ---- Addresses ------------------------------------------------------------ */

static int
is_plain (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kwp_is_digit (c) || c == '-'
         || c == '.' || c == '_' || c == '~';
}

/* One segment of a path: RFC 3986, 2.1 and 3.3.  0: it does not fit. */
static int
add_segment (char *url, size_t size, const char *s)
{
  static const char hex[] = "0123456789ABCDEF";
  size_t len = strlen (url);

  for (; *s != '\0' && len + 4 <= size; s++) {
    unsigned char c = (unsigned char) *s;
    if (is_plain (*s)) {
      url[len++] = *s;
      continue;
    }
    url[len++] = '%';
    url[len++] = hex[c >> 4];
    url[len++] = hex[c & 15];
  }
  url[len] = '\0';
  return *s == '\0';
}

static int
add_text (char *url, size_t size, const char *s)
{
  size_t len = strlen (url), n = strlen (s);

  if (n >= size - len)
    return 0;
  memcpy (url + len, s, n + 1);
  return 1;
}

static int
too_long (const struct gemini *g)
{
  return kw_error (g->host, g->in, KW_ERR_RANGE, "base_url and path or model are too long "
                   "for an address");
}

/* What is common to all requests, behind URL and key. */
static int
put_rest (const struct gemini *g, const struct kw_call *call, struct kw_request *r,
          const char *content_type, const void *body, uint64_t len)
{
  int rc = g->host->request_method (r, call->method);

  if (rc == KW_OK && content_type != NULL)
    rc = g->host->request_header (r, "Content-Type", content_type);
  if (rc == KW_OK && call->stream)
    rc = g->host->request_header (r, "Accept", "text/event-stream");
  if (rc == KW_OK && len > 0)
    rc = g->host->request_body (r, body, len);
  return rc;
}

/* Methods of Google's own have a colon ("/models/NAME:countTokens"); all else
 * is OpenAI's: "/embeddings" and "/models" as "/openai/...". */
static int
pass_on (const struct gemini *g, const struct kw_call *call, struct kw_request *r)
{
  int own = strchr (call->path, ':') != NULL;
  char url[4096] = "";
  int rc;

  if (!add_text (url, sizeof url, call->base_url)
      || (!own && !kwp_starts_with (call->path, "/openai/")
          && !add_text (url, sizeof url, "/openai"))
      || !add_text (url, sizeof url, call->path))
    return too_long (g);
  rc = g->host->request_url (r, url);
  if (rc == KW_OK && own)
    rc = g->host->request_secret_header (r, "x-goog-api-key", "");
  else if (rc == KW_OK)
    rc = g->host->request_secret_header (r, "Authorization", "Bearer ");
  return rc == KW_OK ? put_rest (g, call, r, call->content_type, call->body, call->body_len)
                     : rc;
}

/* ---- Chats ---------------------------------------------------------------- */

static int
put_note (const struct gemini *g, struct kw_request *r, const struct gemini_request *gr)
{
  char note[sizeof ((struct gemini_note *) NULL)->model + 1];
  size_t len = strlen (gr->model);

  if (len >= sizeof note)
    len = 0;                    /* answers name it, as a rule */
  note[0] = gr->chat.include_usage ? '1' : '0';
  memcpy (note + 1, gr->model, len);
  return g->translate->request (r, note, len + 1);
}

static int
put_chat (const struct gemini *g, const struct kw_call *call, struct kw_request *r,
          const char *model)
{
  struct gemini_request gr;
  size_t len = 0;
  const char *text = NULL;
  int rc = gemini_request_open (&gr, g, model, call->body, call->body_len);

  if (rc == KW_OK) {
    text = json_object_to_json_string_length (gr.body, JSON_C_TO_STRING_PLAIN
                                                       | JSON_C_TO_STRING_NOSLASHESCAPE,
                                              &len);
    rc = text != NULL ? put_note (g, r, &gr) : KW_ERR_NOMEM;
  }
  if (rc == KW_OK)
    rc = put_rest (g, call, r, "application/json", text, len);
  gemini_request_close (&gr);
  return rc;
}

static int
gemini_prepare (void *self, const struct kw_call *call, struct kw_request *r)
{
  static const char chats[] = "/chat/completions";
  const struct gemini *g = gemini_of (self);
  const char *model = call->model != NULL ? call->model : "", *family = "/models/";
  char url[4096] = "";
  int rc;

  if (strcspn (call->path, "?") != sizeof chats - 1
      || !kwp_starts_with (call->path, chats))
    return pass_on (g, call, r);
  if (g->translate == NULL)
    return kw_error (g->host, g->in, KW_ERR_UNSUPPORTED, "this keywheel (%s) hands no "
                     "answers to be translated; the gemini plugin needs a newer one",
                     g->host->version);
  if (kwp_starts_with (model, "models/"))
    model += sizeof "models/" - 1;
  else if (kwp_starts_with (model, "tunedModels/")) {
    model += sizeof "tunedModels/" - 1;
    family = "/tunedModels/";
  }
  if (model[0] == '\0')
    return kw_error (g->host, g->in, KW_ERR_CONFIG, "the request names no model");
  if (!add_text (url, sizeof url, call->base_url) || !add_text (url, sizeof url, family)
      || !add_segment (url, sizeof url, model)
      || !add_text (url, sizeof url, call->stream ? ":streamGenerateContent?alt=sse"
                                                  : ":generateContent"))
    return too_long (g);
  rc = g->host->request_url (r, url);
  if (rc == KW_OK)
    rc = g->host->request_secret_header (r, "x-goog-api-key", "");
  return rc == KW_OK ? put_chat (g, call, r, model) : rc;
}

/* ---- The provider ---------------------------------------------------------- */

static int
gemini_create (const struct kw_host *host, struct kw_instance *in, void **self)
{
  const struct kw_translate_host *translate = NULL;
  int rc = kwp_create (&gemini_family, host, in, self);
  struct gemini *g;

  if (rc != KW_OK)
    return rc;
  if (host->get_extension != NULL)
    translate = host->get_extension (KW_EXT_TRANSLATE);
  g = ((struct kwp_instance *) *self)->own;
  g->host = host;
  g->in = in;
  if (translate != NULL && KW_HAS (struct kw_translate_host, translate, output))
    g->translate = translate;
  return KW_OK;
}

static const void *
gemini_extension (void *self, const char *id)
{
  static const struct kw_translate translate = {
    .struct_size = sizeof translate, .reply = gemini_reply,
    .stream_begin = gemini_stream_begin, .stream_event = gemini_stream_event,
    .stream_end = gemini_stream_end,
  };

  (void) self;
  return kwp_is (id, KW_EXT_TRANSLATE) ? &translate : NULL;
}

static const struct kw_provider gemini = {
  ._header          = KW_PROVIDER_HEADER_INIT,
  .name             = "gemini",
  .longname         = "Google Gemini",
  .version          = "1.0",
  .description      = "The Gemini API, generativelanguage.googleapis.com",
  .config_help      = "This provider has no options of its own.",
  .default_base_url = "https://generativelanguage.googleapis.com/v1beta",
  .default_model    = "gemini-3.8-flash",
  .key_env          = "GEMINI_API_KEY GEMINI_API_KEY_BACKUP, GEMINI_API_KEY_#",
  .thread_model     = KW_THREAD_PARALLEL, /* an instance is never written to */
  .create           = gemini_create,
  .destroy          = kwp_destroy,
  .prepare          = gemini_prepare,
  .classify         = gemini_classify,
  .get_extension    = gemini_extension,
};

KW_REGISTER_PROVIDER (gemini);

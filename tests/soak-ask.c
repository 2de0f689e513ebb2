/* soak-ask - the soak's requests, each of which has a number that its answer repeats,
 * and a close look at the answers (see soak.h). */
#include "soak.h"

#include <check.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS " the wheel turns, and what one key cannot open the next one will"
#define ECHO_BYTES 200          /* so much of a question the simulator repeats */
#define FILES 8
#define FILE_MIN ((size_t) 66000)
#define FILE_STEP ((size_t) 33000)
#define FILE_MAX (FILE_MIN + FILES * FILE_STEP)
#define LARGE_MIN 66000
#define LARGE_MORE 100000
#define BOUNDARY "soak-4e3b"

/* ---- Requests ------------------------------------------------------------------------- */

/* The bytes of all uploads, and what the simulator says of each length. */
static struct {
  char bytes[FILE_MAX];
  char sums[FILES][9];
} file;

static size_t
file_length (size_t i)
{
  return FILE_MIN + i * FILE_STEP;
}

static void
make_file (void)
{
  uint32_t sum = 0;

  if (file.sums[0][0] != '\0')
    return;
  for (size_t i = 0, k = 0; i < FILE_MAX; i++) {
    if (k < FILES && i == file_length (k))
      ck_assert_int_eq (snprintf (file.sums[k++], 9, "%08x", (unsigned) sum), 8);
    file.bytes[i] = (char) ('a' + soak_random (26));
    sum = sum * 31 + (unsigned char) file.bytes[i];
  }
}

static char *__attribute__ ((__format__ (__printf__, 1, 2)))
text_of (const char *fmt, ...)
{
  char *text = NULL;
  va_list ap;

  va_start (ap, fmt);
  int n = vasprintf (&text, fmt, ap);
  va_end (ap);
  ck_assert_int_ge (n, 0);
  return text;
}

static char *
make_form (struct soak_ask *ask, const char *model)
{
  make_file ();
  ask->file = soak_random (FILES);
  return text_of ("--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n%s\r\n"
                  "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nr%zu\r\n"
                  "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"file\"; "
                  "filename=\"[r%zu].wav\"\r\nContent-Type: audio/wav\r\n\r\n%.*s\r\n"
                  "--" BOUNDARY "--\r\n", model, ask->number, ask->number,
                  (int) file_length (ask->file), file.bytes);
}

static char *
make_json (const struct soak_ask *ask, const char *model)
{
  int more = 0;

  make_file ();
  if (ask->kind == SOAK_LARGE)
    more = LARGE_MIN + (int) soak_random (LARGE_MORE);
  return text_of ("{\"model\":\"%s\",\"user\":\"r%zu\",\"stream\":%s,\"messages\":"
                  "[{\"role\":\"user\",\"content\":\"[r%zu]" WORDS "%.*s\"}],"
                  "\"max_tokens\":20}", model, ask->number,
                  ask->kind == SOAK_STREAM ? "true" : "false", ask->number, more, file.bytes);
}

void
soak_ask_make (struct soak_ask *ask, size_t number, enum soak_kind kind, const char *provider,
               const char *model, const char *token, int close)
{
  int upload = kind == SOAK_UPLOAD;
  char *body;

  *ask = (struct soak_ask) { .number = number, .kind = kind };
  body = upload ? make_form (ask, model) : make_json (ask, model);
  ask->bytes = text_of ("POST %s%s/v1/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                        "Authorization: Bearer %s\r\nContent-Type: %s\r\n%s"
                        "Content-Length: %zu\r\n\r\n%s", provider[0] != '\0' ? "/" : "", provider,
                        upload ? "audio/transcriptions" : "chat/completions", token,
                        upload ? "multipart/form-data; boundary=" BOUNDARY : "application/json",
                        close ? "Connection: close\r\n" : "", strlen (body), body);
  ask->len = strlen (ask->bytes);
  ask->head_len = ask->len - strlen (body);
  free (body);
}

void
soak_ask_clear (struct soak_ask *ask)
{
  free (ask->bytes);
  ask->bytes = NULL;
}

/* ---- An answer while it comes ---------------------------------------------------------- */

/* The value of a field, up to its line's end; NULL: there is none. */
static const char *
field (const struct soak_answer *a, const char *name)
{
  size_t len = strlen (name);

  for (const char *line = a->bytes; line != NULL && line < a->bytes + a->head_len;
       line = memmem (line, a->len - (size_t) (line - a->bytes), "\r\n", 2)) {
    line += line == a->bytes ? 0 : 2;
    if (strncasecmp (line, name, len) == 0 && line[len] == ':')
      return line + len + 1 + strspn (line + len + 1, " ");
    line += line == a->bytes;
  }
  return NULL;
}

static void
scan_head (struct soak_answer *a)
{
  const char *end = memmem (a->bytes, a->len, "\r\n\r\n", 4), *value;

  if (end == NULL)
    return;
  a->head_len = (size_t) (end + 4 - a->bytes);
  a->status = strncmp (a->bytes, "HTTP/1.1 ", 9) == 0 ? (int) strtol (a->bytes + 9, NULL, 10) : 0;
  value = field (a, "Transfer-Encoding");
  if (value != NULL && strncasecmp (value, "chunked", 7) == 0)
    a->chunk_at = a->head_len;
  value = field (a, "Content-Length");
  if (value != NULL)
    a->whole = a->head_len + strtoul (value, NULL, 10);
}

static void
scan_chunks (struct soak_answer *a)
{
  const char *eol;

  while (a->whole == 0 && a->chunk_at < a->len
         && (eol = memmem (a->bytes + a->chunk_at, a->len - a->chunk_at, "\r\n", 2)) != NULL) {
    size_t n = strtoul (a->bytes + a->chunk_at, NULL, 16);
    size_t end = (size_t) (eol - a->bytes) + 2 + n + 2;
    if (end > a->len)
      return;
    a->chunk_at = end;
    if (n == 0)
      a->whole = end;
  }
}

int
soak_answer_closes (const struct soak_answer *a)
{
  const char *value = field (a, "Connection");

  return value != NULL && strncasecmp (value, "close", 5) == 0;
}

int
soak_answer_scan (struct soak_answer *a)
{
  if (a->head_len == 0)
    scan_head (a);
  if (a->chunk_at > 0)
    scan_chunks (a);
  return a->whole > 0 && a->len >= a->whole;
}

void
soak_answer_clear (struct soak_answer *a)
{
  free (a->bytes);
  *a = (struct soak_answer) { .bytes = NULL };
}

/* ---- What it is -------------------------------------------------------------------------- */

/* Its body, as far as it came, without chunks; malloced. */
static char *
body_of (const struct soak_answer *a)
{
  size_t at = a->head_len, len = 0;
  char *body = calloc (1, a->len - a->head_len + 1);

  ck_assert_ptr_nonnull (body);
  if (a->chunk_at == 0)
    return memcpy (body, a->bytes + at, a->len - at);
  while (at < a->chunk_at) {
    size_t n = strtoul (a->bytes + at, NULL, 16);
    const char *eol = memmem (a->bytes + at, a->len - at, "\r\n", 2);
    memcpy (body + len, eol + 2, n);
    len += n;
    at = (size_t) (eol - a->bytes) + 2 + n + 2;
  }
  return body;
}

/* NULL: there is none. */
static struct json_object *
member (struct json_object *object, const char *name)
{
  struct json_object *value = NULL;

  (void) json_object_object_get_ex (object, name, &value);
  return value;
}

static const char *
text_or_none (struct json_object *value)
{
  return value != NULL ? json_object_get_string (value) : "";
}

/* Of a chat's only choice, in a whole answer and in a piece of one. */
static const char *
content (struct json_object *root, const char *message)
{
  struct json_object *choices = member (root, "choices");

  if (!json_object_is_type (choices, json_type_array))
    return "";
  return text_or_none (member (member (json_object_array_get_idx (choices, 0), message),
                               "content"));
}

/* What the reply must say; malloced. */
static char *
expected (const struct soak_answer *a, const struct soak_ask *ask)
{
  const char *key = field (a, "x-keywheel-key");
  int key_len = key != NULL ? (int) strcspn (key, "\r") : 0;
  char *text, *whole;

  if (ask->kind == SOAK_UPLOAD)
    return text_of ("Hello from keywheel-sim (key %.*s): [r%zu].wav, %zu bytes, sum %s", key_len,
                    key, ask->number, file_length (ask->file), file.sums[ask->file]);
  text = text_of ("[r%zu]" WORDS "%.*s", ask->number, ask->kind == SOAK_LARGE ? ECHO_BYTES : 0,
                  file.bytes);
  whole = text_of ("Hello from keywheel-sim (key %.*s): %.*s", key_len, key, ECHO_BYTES, text);
  free (text);
  return whole;
}

/* The data of each event: its words; whether the last is [DONE], or an error, which may
 * follow the provider's own.  1: it is a stream of well-formed events. */
static int
read_events (char *body, char *words, size_t size, int *ret_done, int *ret_error)
{
  size_t len = 0;

  *ret_done = *ret_error = 0;
  for (char *event = body, *end; *event != '\0'; event = end + 2) {
    struct json_object *data;
    end = strstr (event, "\n\n");
    if (end == NULL || *ret_done)
      return 0;
    *end = '\0';
    event += strncmp (event, "event: error\n", 13) == 0 ? 13 : 0;
    if (strncmp (event, "data: ", 6) != 0)
      return 0;
    *ret_done = strcmp (event + 6, "[DONE]") == 0;
    data = *ret_done ? NULL : json_tokener_parse (event + 6);
    if (data == NULL && !*ret_done)
      return 0;
    *ret_error = member (data, "error") != NULL;
    int n = snprintf (words + len, size - len, "%s", content (data, "delta"));
    json_object_put (data);
    if (n < 0 || (size_t) n >= size - len)
      return 0;
    len += (size_t) n;
  }
  return 1;
}

static enum soak_outcome
judge_stream (const char *want, char *body, int is_whole)
{
  char words[1024] = "";
  int done, error;

  if (!read_events (body, words, sizeof words, &done, &error))
    return SOAK_PENDING;
  if (is_whole)
    return done && strcmp (words, want) == 0 ? SOAK_OK : SOAK_PENDING;
  return error && strncmp (words, want, strlen (words)) == 0 ? SOAK_CUT : SOAK_PENDING;
}

/* It has no number in it; but its length is what can be wrong. */
static enum soak_outcome
judge_big (const char *body)
{
  static const char head[] = "{\"id\":\"chatcmpl-huge\"";
  size_t len = strlen (body);

  return len == SOAK_BIG_BYTES && strncmp (body, head, sizeof head - 1) == 0
         && body[len - 2] == '}' ? SOAK_OK : SOAK_PENDING;
}

static enum soak_outcome
judge_json (const struct soak_answer *a, const struct soak_ask *ask, const char *want,
            const char *body, char code[64])
{
  struct json_object *root = json_tokener_parse (body);
  enum soak_outcome outcome = SOAK_PENDING;

  if (root != NULL && a->status == 200) {
    const char *said = ask->kind == SOAK_UPLOAD ? text_or_none (member (root, "text"))
                                                : content (root, "message");
    outcome = strcmp (said, want) == 0 ? SOAK_OK : SOAK_PENDING;
  } else if (root != NULL && a->status >= 400) {
    int n = snprintf (code, 64, "%s", text_or_none (member (member (root, "error"), "code")));
    outcome = n > 0 && n < 64 ? SOAK_ERROR : SOAK_PENDING;
  }
  if (outcome == SOAK_PENDING && a->status >= 500) {    /* the last one's, as it came */
    (void) snprintf (code, 64, "provider's own");
    outcome = SOAK_ERROR;
  }
  json_object_put (root);
  return outcome;
}

enum soak_outcome
soak_answer_judge (struct soak_answer *a, const struct soak_ask *ask, int is_whole,
                   char code[64])
{
  enum soak_outcome outcome = SOAK_PENDING;
  char *want, *body;

  code[0] = '\0';
  if (a->head_len == 0) {
    soak_wrong ("request %zu: no answer, but \"%.*s\"", ask->number, (int) a->len,
                a->len > 0 ? a->bytes : "");
    return SOAK_PENDING;
  }
  want = expected (a, ask);
  body = body_of (a);
  if (is_whole && a->len > a->whole)
    soak_wrong ("request %zu: %zu bytes behind its answer", ask->number, a->len - a->whole);
  if (a->status == 200 && ask->kind == SOAK_STREAM)
    outcome = judge_stream (want, body, is_whole);
  else if (a->status == 200 && is_whole && ask->kind == SOAK_BIG)
    outcome = judge_big (body);
  else if (is_whole)
    outcome = judge_json (a, ask, want, body, code);
  free (body);
  if (outcome == SOAK_PENDING) {
    body = body_of (a);
    soak_wrong ("request %zu: %s answer: %.*s%.4000s; wanted: %s", ask->number,
                is_whole ? "another" : "half an", (int) a->head_len, a->bytes, body, want);
    free (body);
  }
  free (want);
  return outcome;
}

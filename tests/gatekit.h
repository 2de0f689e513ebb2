/* gatekit - what the suites of the gateway share: keywheel serve as it was
 * built, the simulator or the test itself as the provider behind it, and clients
 * in front of it that say each byte themselves.  What the gateway said is
 * searched for the keys' secrets. */
#ifndef GATEKIT_H
#define GATEKIT_H

#include "clikit.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MODEL "llama-3.3-70b-versatile"
#define CHAT "/v1/chat/completions"
#define HELLO "{\"model\":\"" MODEL "\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define STREAM "{\"stream\":true,\"model\":\"" MODEL "\",\"messages\":[{\"role\":\"user\"," \
               "\"content\":\"hi\"}]}"

static struct proc *gateway;
static int gateway_port;

/* ---- The gateway ------------------------------------------------------------- */

/* keywheel.ini, with one provider at url and this much of [gateway], or more
 * sections behind it. */
static inline void
write_gateway_ini (const char *url, const char *provider, const char *section)
{
  const char *text
    = format ("[keywheel]\nprovider = groq\nlog_level = info\n[provider groq]\n"
              "base_url = %s\nbackoff_initial = 1ms\nbackoff_max = 5ms\n%s"
              "%s\n[gateway]\n%s\n", url,
              strstr (provider, "max_retries") == NULL ? "max_retries = 2\n" : "", provider,
              section);

  write_file ("keywheel.ini", text, strlen (text));
}

static inline void
read_port (void)
{
  const char *line = proc_read_line (gateway, PATIENCE_MS);
  static const char want[] = "listening on http://127.0.0.1:";

  if (line == NULL) {
    proc_finish (gateway, &got, PATIENCE_MS);
    ck_abort_msg ("the gateway did not start: %s", got.err);
  }
  ck_assert_msg (strncmp (line, want, sizeof want - 1) == 0, "%s", line);
  gateway_port = (int) strtol (line + sizeof want - 1, NULL, 10);
  ck_assert_int_gt (gateway_port, 0);
}

static inline void
gateway_start (void)
{
  const char *const argv[] = { program, "serve", "--listen", "127.0.0.1:0", NULL };

  gateway = proc_start (argv, environment);
  read_port ();
}

/* Three keys at the simulator; the first one's limits are given. */
static inline void
gateway_with_sim (const char *limits, const char *section)
{
  sim = simctl_startl ("--clock", "manual", "--key", format (SECRET "a,name=a%s", limits),
                       "--key", SECRET "b,name=b", "--key", SECRET "c,name=c", NULL);
  set_keys ();
  set_env (ini);
  write_gateway_ini (simctl_base_url (sim), "", section);
  gateway_start ();
}

/* A provider that is never asked. */
static inline void
ini_only (const char *section)
{
  set_keys ();
  set_env (ini);
  write_gateway_ini ("http://127.0.0.1:9/v1", "", section);
}

static inline int
connect_unix (const char *path)
{
  struct sockaddr_un at = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  ck_assert_int_ge (fd, 0);
  ck_assert_ptr_nonnull (memccpy (at.sun_path, path, '\0', sizeof at.sun_path));
  ck_assert_int_eq (connect (fd, (struct sockaddr *) &at, sizeof at), 0);
  return fd;
}

/* It ends well, and has told no secret. */
static inline void
gateway_stop (void)
{
  proc_result_clear (&got);
  proc_signal (gateway, SIGTERM);
  proc_finish (gateway, &got, PATIENCE_MS);
  gateway = NULL;
  ck_assert_msg (!got.timed_out, "the gateway does not end; it said: %s", got.err);
  check_no_secret ();
  ENDS_WITH (0);
}

/* How many descriptors the gateway has open, and three of the folder's. */
static inline int
count_descriptors (void)
{
  DIR *open = opendir (format ("/proc/%d/fd", (int) proc_pid (gateway)));
  int n = 0;

  ck_assert_ptr_nonnull (open);
  while (readdir (open) != NULL)
    n++;
  (void) closedir (open);
  return n;
}

/* It has no more of them than so many, or will have. */
static inline void
descriptors_fall_to (int most)
{
  int n = 0;

  for (int ms = 0; ms < PATIENCE_MS && (n = count_descriptors ()) > most; ms += 10)
    (void) poll (NULL, 0, 10);
  ck_assert_int_le (n, most);
}

/* ---- A client ------------------------------------------------------------------ */

static inline int
connect_to (int port)
{
  const struct sockaddr_in at = { .sin_family = AF_INET,
                                  .sin_port = htons ((uint16_t) port),
                                  .sin_addr = { htonl (INADDR_LOOPBACK) } };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  ck_assert_int_ge (fd, 0);
  ck_assert_int_eq (connect (fd, (const struct sockaddr *) &at, sizeof at), 0);
  return fd;
}

static inline int
client_connect (void)
{
  return connect_to (gateway_port);
}

static inline void
say (int fd, const void *bytes, size_t len)
{
  for (const char *p = bytes; len > 0;) {
    ssize_t n = send (fd, p, len, MSG_NOSIGNAL);
    ck_assert_int_gt (n, 0);
    p += n;
    len -= (size_t) n;
  }
}

static inline void
say_text (int fd, const char *text)
{
  say (fd, text, strlen (text));
}

/* A request; fields are header lines with their ends.  All at once: whoever waits for
 * the rest of it waits for no test that stands still in between. */
static inline void
say_request (int fd, const char *method, const char *path, const char *fields,
             const char *body)
{
  char type[96] = "", *text = NULL;

  if (body != NULL)
    ck_assert_int_gt (snprintf (type, sizeof type, "Content-Type: application/json\r\n"
                                "Content-Length: %zu\r\n", strlen (body)), 0);
  ck_assert_int_gt (asprintf (&text, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s\r\n%s",
                              method, path, gateway_port, fields, type,
                              body != NULL ? body : ""), 0);
  say_text (fd, text);
  free (text);
}

/* What has come on a connection; NUL-terminated behind its length. */
struct heard {
  char *bytes;
  size_t len;
};

/* Waits for some more.  0: its end. */
static inline size_t
hear_some (int fd, struct heard *h)
{
  struct pollfd p = { .fd = fd, .events = POLLIN };
  ssize_t n;

  ck_assert_msg (poll (&p, 1, PATIENCE_MS) == 1, "nothing comes any more behind: %s",
                 h->bytes != NULL ? h->bytes : "");
  h->bytes = realloc (h->bytes, h->len + 65536 + 1);
  ck_assert_ptr_nonnull (h->bytes);
  n = read (fd, h->bytes + h->len, 65536);
  h->len += n > 0 ? (size_t) n : 0;
  h->bytes[h->len] = '\0';
  return n > 0 ? (size_t) n : 0;
}

static inline void
hear_until (int fd, struct heard *h, const char *text)
{
  while (h->bytes == NULL || memmem (h->bytes, h->len, text, strlen (text)) == NULL)
    ck_assert_msg (hear_some (fd, h) > 0, "it ended without \"%s\": %s", text, h->bytes);
}

static inline void
hear_all (int fd, struct heard *h)
{
  while (hear_some (fd, h) > 0)
    ;
}

/* Of a whole answer. */
struct answer {
  struct heard heard;
  int status;
  char *body;                   /* within heard, chunks undone            */
  size_t len;
  int cut;                      /* it ended too early                     */
};
static struct answer a;         /* the last one's, or what was heard of it */

/* Chunks become one; -1: the last one did not come. */
static inline int
undo_chunks (char *body, size_t *len)
{
  char *from = body, *to = body, *end = body + *len;

  for (;;) {
    char *line = memmem (from, (size_t) (end - from), "\r\n", 2);
    size_t n = line != NULL ? strtoul (from, NULL, 16) : 0;
    if (line == NULL || (n > 0 && (size_t) (end - line) < n + 4))
      break;
    if (n == 0) {
      *len = (size_t) (to - body);
      return 0;
    }
    memmove (to, line + 2, n);
    to += n;
    from = line + 2 + n + 2;
  }
  *len = (size_t) (to - body);
  return -1;
}

static inline const char *
field_of (const char *name)
{
  const char *at = strcasestr (a.heard.bytes, format ("\n%s: ", name));
  size_t len;

  if (at == NULL || at > a.body)
    return "";
  at += strlen (name) + 3;
  len = strcspn (at, "\r\n");
  return format ("%.*s", (int) len, at);
}

static inline void
answer_parse (void)
{
  char *end = strstr (a.heard.bytes, "\r\n\r\n");

  ck_assert_msg (end != NULL && strncmp (a.heard.bytes, "HTTP/1.1 ", 9) == 0,
                 "no answer: %s", a.heard.bytes);
  a.status = (int) strtol (a.heard.bytes + 9, NULL, 10);
  a.body = end + 4;
  a.len = a.heard.len - (size_t) (a.body - a.heard.bytes);
  if (strcmp (field_of ("Transfer-Encoding"), "chunked") == 0)
    a.cut = undo_chunks (a.body, &a.len) != 0;
  else if (field_of ("Content-Length")[0] != '\0')
    a.cut = strtoul (field_of ("Content-Length"), NULL, 10) != a.len;
  a.body[a.len] = '\0';
}

static inline void
answer_clear (void)
{
  free (a.heard.bytes);
  a = (struct answer) { 0 };
}

/* The rest of what comes on fd, which is closed then. */
static inline void
finish_answer (int fd)
{
  hear_all (fd, &a.heard);
  answer_parse ();
  (void) close (fd);
}

static inline void
ask_with (const char *method, const char *path, const char *fields, const char *body)
{
  int fd = client_connect ();

  answer_clear ();
  say_request (fd, method, path, format ("Connection: close\r\n%s", fields), body);
  finish_answer (fd);
}

static inline void
ask (const char *method, const char *path, const char *body)
{
  ask_with (method, path, "", body);
}

/* Until everything is counted that was answered: its client may have the answer before
 * that, and be served by another loop meanwhile. */
static inline void
settle (void)
{
  int n = 0;

  do {
    ask ("GET", "/metrics", NULL);
    ck_assert_msg (n++ < 10000, "requests that were answered are under way for ever: %s", a.body);
  } while (strstr (a.heard.bytes, "\nkeywheel_requests_under_way 1\n") == NULL);
}

/* The answer is an error in OpenAI's shape, with this code. */
static inline void
is_error (int status, const char *code)
{
  struct json_object *object = json_tokener_parse (a.body), *error;

  ck_assert_msg (a.status == status && object != NULL, "%d, not %d: %s", a.status,
                 status, a.heard.bytes);
  ck_assert_str_eq (field_of ("Content-Type"), "application/json");
  error = member (object, "error");
  ck_assert_str_eq (json_object_get_string (member (error, "code")), code);
  ck_assert_int_gt (json_object_get_string_len (member (error, "message")), 0);
  ck_assert_int_gt (json_object_get_string_len (member (error, "type")), 0);
  ck_assert_ptr_null (member (error, "param"));
  json_object_put (object);
}

/* ---- The test as the provider ------------------------------------------------------ */

static int provider_fd;         /* listening */
static struct heard taken;

/* Its URL. */
static inline const char *
provider_listen (void)
{
  struct sockaddr_in at = { .sin_family = AF_INET,
                            .sin_addr = { htonl (INADDR_LOOPBACK) } };
  socklen_t size = sizeof at;

  provider_fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_ge (provider_fd, 0);
  ck_assert_int_eq (bind (provider_fd, (struct sockaddr *) &at, sizeof at), 0);
  ck_assert_int_eq (listen (provider_fd, 64), 0);
  ck_assert_int_eq (getsockname (provider_fd, (struct sockaddr *) &at, &size), 0);
  return format ("http://127.0.0.1:%d/v1", ntohs (at.sin_port));
}

static inline void
gateway_with_hand (const char *provider, const char *section)
{
  const char *url = provider_listen ();

  set_keys ();
  set_env (ini);
  write_gateway_ini (url, provider, section);
  gateway_start ();
}

/* The next request of the gateway's, up to these bytes of its body; what came is
 * in taken. */
static inline int
provider_take (const char *until)
{
  struct pollfd p = { .fd = provider_fd, .events = POLLIN };
  int fd;

  ck_assert_msg (poll (&p, 1, PATIENCE_MS) == 1, "no request comes to the provider");
  fd = accept4 (provider_fd, NULL, NULL, SOCK_CLOEXEC);
  ck_assert_int_ge (fd, 0);
  taken.len = 0;
  hear_until (fd, &taken, until);
  return fd;
}

static inline void
provider_begin_stream (int fd)
{
  say_text (fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                "Transfer-Encoding: chunked\r\n\r\n");
}

static inline void
provider_event (int fd, const char *data)
{
  say_text (fd, format ("%zx\r\ndata: %s\n\n\r\n", strlen (data) + 8, data));
}

static inline void
provider_word (int fd, const char *word)
{
  provider_event (fd, format ("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}",
                              word));
}

static inline void
provider_end_stream (int fd)
{
  provider_event (fd, "[DONE]");
  say_text (fd, "0\r\n\r\n");
  (void) close (fd);
}

/* A client's stream, whose first word has come to it: its connection. */
static inline int
stream_begin (const char *fields, int *ret_up)
{
  int fd = client_connect ();

  say_request (fd, "POST", CHAT, fields, STREAM);
  *ret_up = provider_take ("}]}");
  provider_begin_stream (*ret_up);
  provider_word (*ret_up, "first");
  hear_until (fd, &a.heard, "first");
  return fd;
}

/* The gateway has closed its connection. */
static inline void
provider_expect_close (int fd)
{
  struct heard h = { 0 };

  hear_all (fd, &h);
  free (h.bytes);
  (void) close (fd);
}

static inline void
gateway_tear_down (void)
{
  if (gateway != NULL)
    gateway_stop ();
  answer_clear ();
  free (taken.bytes);
  taken = (struct heard) { 0 };
  tear_down ();
}

#endif

/* test_tls - whom a client trusts, how it shows who it is, and how it is told
 * when that fails; ways through a proxy; sessions; HTTP/1.1. */
#include "frontkit.h"
#include "tunnel.h"

static char served[KW_NAME_MAX];

/* ---- Trust --------------------------------------------------------------- */

/* Of the options the %s is the path of a certificate. */
static const struct trust {
  const char *host, *cert, *options, *pem;
  const char *says[3];          /* NULL: it is served */
} trusts[] = {
  { "localhost", "server", "ca_file = %s", "ca.pem", { NULL } },
  { "127.0.0.1", "server", "ca_file = %s", "ca.pem", { NULL } },
  { "localhost", "server", "", NULL,
    { "groq at https://localhost:", "that this system knows (or in a ca_file)",
      "nothing was sent" } },
  { "localhost", "server", "ca_file = %s", "other-ca.pem",
    { "groq at https://localhost:", "from an authority in ca_file (/tmp/",
      "/other-ca.pem)" } },
  { "localhost", "elsewhere", "ca_file = %s", "ca.pem",
    { "must name that host", "localhost", "not trusted" } },
  { "127.0.0.1", "elsewhere", "ca_file = %s", "ca.pem",
    { "must name that host", "127.0.0.1", "not trusted" } },
  { "localhost", "expired", "ca_file = %s", "ca.pem",
    { "expired", "must be valid now, by this machine's clock", "not trusted" } },
};

static const char *
options_of (const struct trust *t)
{
  if (t->pem == NULL)
    return t->options;
  ck_assert_str_eq (t->options, "ca_file = %s");
  return text_of ("ca_file = %s", tlskit_cert (t->pem));
}

START_TEST (who_is_not_trusted_gets_nothing_and_the_error_says_why)
{
  const struct trust *row = &trusts[_i];
  int code;

  front_up (row->host, (struct front_options) { .cert = row->cert });
  kit_open (options_of (row));
  code = kit_chat_on (NULL, served);
  if (row->says[0] == NULL) {
    ck_assert_msg (code == 0, "row %d: %s", _i, kit.err.message);
    return;
  }
  ck_assert_msg (code == KW_ERR_UNAVAILABLE, "row %d: %d %s", _i, code,
                 code != 0 ? kit.err.message : "served");
  ck_assert_int_eq (kw_error_exit_code (code), 7);
  for (int i = 0; i < 3; i++)
    SAYS (row->says[i]);
  /* A retry would not help, another key neither. */
  ck_assert_int_eq (kit.err.attempts, 1);
  ck_assert_int_eq (kit.now_ms, 0);
  ck_assert_uint_eq (simctl_count (kit.sim, NULL, NULL), 0);
}
END_TEST

START_TEST (insecure_tls_passes_and_each_start_says_of_whom)
{
  static const char *const certs[] = { "server", "elsewhere", "expired" };

  front_up ("localhost", (struct front_options) { .cert = certs[_i] });
  for (int i = 0; i < 2; i++) {
    const char *warning;
    kit_open ("insecure_tls = yes");
    kit_served_by ("primary");
    warning = kw_client_warning (kit.client, 0);
    ck_assert_ptr_nonnull (warning);
    ck_assert_msg (strstr (warning, "insecure_tls = yes: the certificate of "
                                    "\"groq\" is not verified") != NULL,
                   "%s", warning);
    kw_client_close (kit.client);
  }
  kit_open ("insecure_tls = no");
  ck_assert_ptr_null (kw_client_warning (kit.client, 0));
  ck_assert_int_eq (kit_chat_on (NULL, served), KW_ERR_UNAVAILABLE);
}
END_TEST

/* Handles, connections and TLS sessions are used again, but by nobody who would
 * not have begun them. */
START_TEST (one_section_that_is_insecure_makes_no_other_so)
{
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *reply = NULL;
  char *plugin;

  front_up ("localhost", (struct front_options) { .cert = "server" });
  plugin = realpath (text_of ("%s/plugins/.libs/groq.so", kwtest_builddir ()), NULL);
  ck_assert_ptr_nonnull (plugin);
  kit_open (text_of ("insecure_tls = yes\n[provider strict]\nplugin = %s\n"
                     "base_url = %s\nmodel = m", plugin, kit.url));
  free (plugin);
  rq.prompt = "hi";
  for (int i = 0; i < 2; i++) {
    kit_served_by ("primary");
    rq.provider = "strict";
    ck_assert_int_eq (kw_chat (kit.client, &rq, &reply, &kit.err), KW_ERR_UNAVAILABLE);
    SAYS ("strict at https://localhost:");
  }
}
END_TEST

/* ---- Who we are ------------------------------------------------------------ */

static const struct {
  const char *cert, *key;       /* NULL: that option is not there */
  int code;                     /* 0: served */
  const char *says[2];
} shown[] = {
  { "client.pem", "client.key", 0, { NULL, NULL } },
  { "client-both.pem", NULL, 0, { NULL, NULL } },
  { NULL, NULL, KW_ERR_REFUSED, { "400", "No required SSL certificate was sent" } },
  { "client.pem", "server.key", KW_ERR_SETTINGS,
    { "; client_cert = /tmp/", "/server.key" } },
  { "client.pem", NULL, KW_ERR_SETTINGS,
    { "certificates to reach groq at https://localhost:", "/client.pem" } },
};

START_TEST (a_client_certificate_is_shown)
{
  struct front_line line;
  int code;

  front_up ("localhost", (struct front_options) {
    .lines = text_of ("ssl_client_certificate %s; ssl_verify_client on;",
                      tlskit_cert ("ca.pem")) });
  open_trusting (text_of (
    "%s%s\n%s%s\n", shown[_i].cert != NULL ? "client_cert = " : "",
    shown[_i].cert != NULL ? tlskit_cert (shown[_i].cert) : "",
    shown[_i].key != NULL ? "client_key = " : "",
    shown[_i].key != NULL ? tlskit_cert (shown[_i].key) : ""));
  code = kit_chat_on (NULL, served);
  ck_assert_msg (code == shown[_i].code, "row %d: %d %s", _i, code,
                 code != 0 ? kit.err.message : "served");
  for (int i = 0; i < 2 && code != 0; i++)
    SAYS (shown[_i].says[i]);
  ck_assert_int_eq (code != 0, kit.err.attempts == 1);
  if (code == 0) {
    front_log (front, &line);
    ck_assert_str_eq (line.verified, "SUCCESS");
  }
}
END_TEST

/* ---- Connections and sessions ------------------------------------------------ */

static const struct { const char *options; int only_http_1_1; const char *protocol; }
protocols[] = {
  { "", 0, "HTTP/2.0" },
  { "http_version = auto", 0, "HTTP/2.0" },
  { "http_version = 1.1", 0, "HTTP/1.1" },
  { "", 1, "HTTP/1.1" },
};

START_TEST (http_version_is_what_is_spoken_and_the_connection_is_kept)
{
  struct front_line first, second;

  front_up ("localhost", (struct front_options) {
    .only_http_1_1 = protocols[_i].only_http_1_1 });
  open_trusting (protocols[_i].options);
  kit_served_by ("primary");
  kit_served_by ("primary");
  front_log (front, &first);
  front_log (front, &second);
  ck_assert_str_eq (first.protocol, protocols[_i].protocol);
  ck_assert_str_eq (second.protocol, protocols[_i].protocol);
  ck_assert_int_eq (first.connection, second.connection);
  ck_assert_int_eq (second.nth, first.nth + 1);
}
END_TEST

/* Row by row HTTP/2, HTTP/1.1. */
START_TEST (a_body_of_a_megabyte_asks_for_no_leave)
{
  enum { SIZE = (1 << 20) + 1 };        /* from there on libcurl would ask */
  static const char head[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"",
                    tail[] = "\"}]}";
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *reply = NULL;
  struct front_line line;
  char *body = malloc (SIZE);

  ck_assert_ptr_nonnull (body);
  memset (body, 'x', SIZE);
  memcpy (body, head, sizeof head - 1);
  memcpy (body + SIZE - (sizeof tail - 1), tail, sizeof tail - 1);
  front_up ("localhost", (struct front_options) { .only_http_1_1 = _i });
  open_trusting ("");
  rq.body = body;
  rq.body_len = SIZE;
  ck_assert_msg (kw_chat (kit.client, &rq, &reply, &kit.err) == 0, "%s",
                 kit.err.message);
  kw_reply_free (reply);
  free (body);
  front_log (front, &line);
  ck_assert_int_ge (line.bytes, SIZE);
  ck_assert_str_eq (line.expect, "-");
  ck_assert_str_eq (line.protocol, _i == 0 ? "HTTP/2.0" : "HTTP/1.1");
}
END_TEST

/* nginx closes after each request, so each has a connection of its own. */
START_TEST (a_new_connection_goes_on_with_an_old_session)
{
  struct front_line line[3];

  front_up ("localhost", (struct front_options) {
    .lines = "keepalive_requests 1;", .only_http_1_1 = 1 });
  open_trusting ("");
  for (int i = 0; i < 3; i++) {
    kit_served_by ("primary");
    front_log (front, &line[i]);
  }
  ck_assert_str_eq (line[0].reused, ".");
  ck_assert_str_eq (line[1].reused, "r");
  ck_assert_str_eq (line[2].reused, "r");
  ck_assert_int_ne (line[1].connection, line[0].connection);
  ck_assert_int_ne (line[2].connection, line[1].connection);
}
END_TEST

static void *
chat_once (void *user)
{
  int *code = user;
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *reply = NULL;

  rq.prompt = "hi";
  *code = kw_chat (kit.client, &rq, &reply, NULL);
  kw_reply_free (reply);
  return NULL;
}

/* The asynchronous calls' lane is taken, so another thread has one of its own:
 * another connection, but the same session. */
START_TEST (a_second_lane_goes_on_with_the_sessions_of_the_first)
{
  struct front_line first, second;
  pthread_t thread;
  int code = 1;

  front_up ("localhost", (struct front_options) { .cert = NULL });
  open_trusting ("");
  kit_served_by ("primary");
  front_log (front, &first);
  ck_assert_int_ge (kw_client_fd (kit.client), 0);
  ck_assert_int_eq (pthread_create (&thread, NULL, chat_once, &code), 0);
  ck_assert_int_eq (pthread_join (thread, NULL), 0);
  ck_assert_int_eq (code, 0);
  front_log (front, &second);
  ck_assert_str_eq (first.reused, ".");
  ck_assert_str_eq (second.reused, "r");
  ck_assert_int_ne (second.connection, first.connection);
}
END_TEST

/* ---- Redirects ------------------------------------------------------------- */

START_TEST (a_redirect_is_refused_and_its_aim_named)
{
  const char *to;

  front_up ("localhost", (struct front_options) { .cert = NULL });
  open_trusting ("");
  to = text_of ("https://127.0.0.1:%d/v1/elsewhere", front_port (front));
  simctl_fault (kit.sim, text_of ("redirect=%s,count=1", to));
  kit_fails_with (KW_ERR_REFUSED, to);
  SAYS ("a key follows no redirect");
  ck_assert_uint_eq (simctl_count (kit.sim, NULL, NULL), 1);
}
END_TEST

/* ---- Through a proxy --------------------------------------------------------- */

/* Where it is said; what no_proxy says; whether it is gone through. */
static const struct { const char *ini, *variable, *no_proxy; int through; } ways[] = {
  { "http://127.0.0.1:%d", NULL, "127.0.0.1", 1 },
  { "http://user:pass-word@127.0.0.1:%d", NULL, "127.0.0.1", 1 },
  { NULL, "https_proxy", "127.0.0.1", 1 },
  { NULL, "HTTPS_PROXY", "127.0.0.1", 1 },
  { NULL, "all_proxy", "127.0.0.1", 1 },
  { NULL, "http_proxy", "127.0.0.1", 0 },       /* not for https */
  { NULL, "https_proxy", "127.0.0.1,localhost", 0 },
  { NULL, "https_proxy", "*", 0 },
  { "none", "https_proxy", "127.0.0.1", 0 },
};

START_TEST (a_proxy_is_asked_for_a_tunnel_and_sees_no_key)
{
  const char *ini = ways[_i].ini;
  struct tunnel t;

  front_up ("localhost", (struct front_options) { .cert = NULL });
  tunnel_start (&t, NULL);
  if (ways[_i].variable != NULL)
    ck_assert_int_eq (setenv (ways[_i].variable,
                              text_of ("http://127.0.0.1:%d", t.port), 1), 0);
  ck_assert_int_eq (setenv ("no_proxy", ways[_i].no_proxy, 1), 0);
  if (ini != NULL && strcmp (ini, "none") != 0)
    ini = strchr (ini, '@') != NULL
          ? text_of ("http://user:pass-word@127.0.0.1:%d", t.port)
          : text_of ("http://127.0.0.1:%d", t.port);
  open_trusting (ini != NULL ? text_of ("proxy = %s", ini) : "");
  kit_served_by ("primary");
  kit_served_by ("primary");
  kw_client_close (kit.client);
  kit.client = NULL;
  tunnel_stop (&t);
  if (ways[_i].variable != NULL)        /* the next test may be of this process */
    ck_assert_int_eq (unsetenv (ways[_i].variable), 0);
  ck_assert_int_eq (unsetenv ("no_proxy"), 0);
  ck_assert_msg (t.asked == ways[_i].through, "row %d: asked %d times", _i, t.asked);
  if (ways[_i].through == 0)
    return;
  ck_assert_msg (strncmp (t.head, text_of ("CONNECT localhost:%d ", front_port (front)),
                          18) == 0, "%s", t.head);
  ck_assert_ptr_nonnull (strstr (t.head, "\r\nUser-Agent: keywheel/"));
  ck_assert_ptr_null (strstr (t.head, "sk-a"));
  ck_assert_ptr_null (strcasestr (t.head, "\r\nAuthorization:"));
  ck_assert_int_eq (strstr (t.head, "\r\nProxy-Authorization: Basic ") != NULL,
                    ini != NULL && strchr (ini, '@') != NULL);
}
END_TEST

START_TEST (a_proxy_that_refuses_is_told_of_without_its_password)
{
  struct tunnel t;

  front_up ("localhost", (struct front_options) { .cert = NULL });
  tunnel_start (&t, "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
                    "Content-Length: 0\r\nConnection: close\r\n\r\n");
  open_trusting (text_of ("max_retries = 1\nproxy = http://user:pass-word@127.0.0.1:%d",
                          t.port));
  kit_fails_with (KW_ERR_UNAVAILABLE, "407");
  ck_assert_ptr_null (strstr (kit.err.message, "pass-word"));
  tunnel_stop (&t);
  ck_assert_int_eq (t.asked, 2);
  ck_assert_uint_eq (simctl_count (kit.sim, NULL, NULL), 0);
}
END_TEST

#define COUNT(array) ((int) (sizeof (array) / sizeof (array)[0]))

static Suite *
suite (void)
{
  Suite *s = suite_create ("tls");
  TCase *tc = tcase_create ("tls");

  tcase_add_checked_fixture (tc, kit_setup, front_down);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, who_is_not_trusted_gets_nothing_and_the_error_says_why, 0,
                       COUNT (trusts));
  tcase_add_loop_test (tc, insecure_tls_passes_and_each_start_says_of_whom, 0, 3);
  tcase_add_test (tc, one_section_that_is_insecure_makes_no_other_so);
  tcase_add_loop_test (tc, a_client_certificate_is_shown, 0, COUNT (shown));
  tcase_add_loop_test (tc, http_version_is_what_is_spoken_and_the_connection_is_kept, 0,
                       COUNT (protocols));
  tcase_add_loop_test (tc, a_body_of_a_megabyte_asks_for_no_leave, 0, 2);
  tcase_add_test (tc, a_new_connection_goes_on_with_an_old_session);
  tcase_add_test (tc, a_second_lane_goes_on_with_the_sessions_of_the_first);
  tcase_add_test (tc, a_redirect_is_refused_and_its_aim_named);
  tcase_add_loop_test (tc, a_proxy_is_asked_for_a_tunnel_and_sees_no_key, 0,
                       COUNT (ways));
  tcase_add_test (tc, a_proxy_that_refuses_is_told_of_without_its_password);
  suite_add_tcase (s, tc);
  return s;
}

int
main (void)
{
  return tlskit_run (suite);
}

/* keywheel serve: who is let in. */
#include "gatekit.h"

/* ---- Pages in a browser ------------------------------------------------------------ */

/* Of a request to "/v1/models" on loopback. */
static const struct {
  const char *host, *fields;
  int status;
  const char *code;             /* "": it is let in                       */
} visitors[] = {
  { "127.0.0.1", "", 200, "" },
  { "127.0.0.1:8787", "", 200, "" },
  { "127.255.0.3:1", "", 200, "" },
  { "localhost:8787", "", 200, "" },
  { "LocalHost", "", 200, "" },
  { "[::1]:8787", "", 200, "" },
  { "keys.lan:80", "", 200, "" },                  /* allowed_hosts */
  { "evil.example:8787", "", 403, "host_not_allowed" },
  { "127.evil.example", "", 403, "host_not_allowed" },
  { "127.0.0.1.evil.example", "", 403, "host_not_allowed" },
  { "localhost.evil.example", "", 403, "host_not_allowed" },
  { "[::1].evil.example", "", 200, "" },           /* no name of DNS is so */
  { "", "", 403, "host_not_allowed" },
  { "127.0.0.1:8787", "Origin: http://127.0.0.1:8787\r\n", 200, "" },
  { "keys.lan", "Origin: https://keys.lan\r\n", 200, "" },        /* a proxy's TLS */
  { "127.0.0.1:8787", "Origin: https://app.example\r\n", 200, "" }, /* allowed_origins */
  { "127.0.0.1:8787", "Origin: http://127.0.0.1:3000\r\n", 403, "origin_not_allowed" },
  { "127.0.0.1:8787", "Origin: https://evil.example\r\n", 403, "origin_not_allowed" },
  { "127.0.0.1:8787", "Origin: http://app.example\r\n", 403, "origin_not_allowed" },
  { "127.0.0.1:8787", "Origin: https://127.0.0.1\r\n", 403, "origin_not_allowed" },
  { "127.0.0.1:8787", "Origin: null\r\n", 403, "origin_not_allowed" },
};

START_TEST (a_page_of_somebody_elses_is_not_let_in)
{
  int n_in = 0;

  gateway_with_sim ("", "allowed_hosts = keys.lan\nallowed_origins = https://app.example");
  for (size_t i = 0; i < sizeof visitors / sizeof visitors[0]; i++) {
    int fd = client_connect ();
    say_text (fd, format ("GET /v1/models HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n",
                          visitors[i].host, visitors[i].fields));
    answer_clear ();
    finish_answer (fd);
    ck_assert_msg (a.status == visitors[i].status, "%s %s: %s", visitors[i].host,
                   visitors[i].fields, a.heard.bytes);
    if (visitors[i].code[0] != '\0')
      is_error (visitors[i].status, visitors[i].code);
    n_in += visitors[i].code[0] == '\0';
  }
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), (size_t) n_in);
}
END_TEST

START_TEST (a_page_of_an_allowed_origin_may_read_what_it_gets)
{
  static const char origin[] = "Origin: https://app.example\r\n";

  gateway_with_sim ("", "allowed_origins = http://x.example, https://app.example");
  ask_with ("OPTIONS", CHAT,
            "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n"
            "Access-Control-Request-Headers: content-type,authorization\r\n", NULL);
  ck_assert_int_eq (a.status, 204);
  ck_assert_str_eq (field_of ("Access-Control-Allow-Origin"), "https://app.example");
  ck_assert_str_eq (field_of ("Access-Control-Allow-Headers"),
                    "content-type,authorization");
  ck_assert_ptr_nonnull (strstr (field_of ("Access-Control-Allow-Methods"), "POST"));
  ask_with ("POST", CHAT, origin, HELLO);
  ck_assert_int_eq (a.status, 200);
  ck_assert_str_eq (field_of ("Access-Control-Allow-Origin"), "https://app.example");
  ck_assert_str_eq (field_of ("Vary"), "Origin");
  ask ("POST", CHAT, HELLO);
  ck_assert_str_eq (field_of ("Access-Control-Allow-Origin"), "");
  ask ("OPTIONS", CHAT, NULL);
  ck_assert_int_eq (a.status, 204);
  ck_assert_str_eq (field_of ("Access-Control-Allow-Origin"), "");
  ck_assert_ptr_nonnull (strstr (field_of ("Allow"), "POST"));
}
END_TEST

/* ---- Heads that mean two things ------------------------------------------------------- */

static const char *const doubtful[] = {
  "Content-Length: 71\r\nContent-Length: 5\r\n",
  "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
  "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
  "Transfer-Encoding: identity\r\n",
  "Transfer-Encoding: gzip, chunked\r\n",
  "Transfer-Encoding: chunked \t\r\n",
  "Transfer-Encoding: \vchunked\r\n",
  "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
  "Host: evil.example\r\n",
  "X: a\rTransfer-Encoding: chunked\r\n",
};

/* Behind it stands what would be another's request. */
START_TEST (a_head_that_means_two_things_is_refused_and_ends_the_connection)
{
  gateway_with_sim ("", "");
  for (size_t i = 0; i < sizeof doubtful / sizeof doubtful[0]; i++) {
    int fd = client_connect ();
    say_text (fd, format ("POST " CHAT " HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n0\r\n\r\n"
                          "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", doubtful[i]));
    answer_clear ();
    finish_answer (fd);
    ck_assert_msg (a.status == 400, "%s: %s", doubtful[i], a.heard.bytes);
    is_error (400, "malformed_request");
    ck_assert_str_eq (field_of ("Connection"), "close");
  }
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 0);
}
END_TEST

/* ---- Tokens ------------------------------------------------------------------------- */

static char token[64], admin[64];

/* "keywheel token new NAME tokens": the token. */
static void
new_token (const char *name, char ret[64])
{
  run ("token", "new", name, format ("%s/tokens", dir), NULL);
  ENDS_WITH (0);
  ck_assert_uint_eq (strlen (got.out), 4 + 43 + 1);
  ck_assert_int_eq (strncmp (got.out, "kwt_", 4), 0);
  memcpy (ret, got.out, 47);
  ret[47] = '\0';
}

static void
add_line (const char *text)
{
  FILE *f = fopen (format ("%s/tokens", dir), "r+");

  ck_assert_ptr_nonnull (f);
  ck_assert_int_eq (fseek (f, -1, SEEK_END), 0);        /* over the newline */
  ck_assert_int_ge (fprintf (f, "%s\n", text), 0);
  ck_assert_int_eq (fclose (f), 0);
}

static void
gateway_with_tokens (const char *attributes)
{
  new_token ("app", token);
  add_line (attributes);
  new_token ("boss", admin);
  add_line (" admin  # the one with the keys");
  gateway_with_sim (",rpd=1", "client_tokens = tokens");
}

START_TEST (a_token_is_new_each_time_and_only_its_hash_is_kept)
{
  char file[1024] = "";
  FILE *f;
  struct stat st;

  new_token ("one", token);
  new_token ("two", admin);
  ck_assert_str_ne (token, admin);
  f = fopen (format ("%s/tokens", dir), "r");
  ck_assert_ptr_nonnull (f);
  ck_assert_uint_gt (fread (file, 1, sizeof file - 1, f), 0);
  ck_assert_int_eq (fstat (fileno (f), &st), 0);
  ck_assert_int_eq (st.st_mode & 0777, 0600);
  (void) fclose (f);
  ck_assert_ptr_null (strstr (file, token + 4));
  ck_assert_ptr_nonnull (strstr (file, "one blake2b:"));
  ck_assert_ptr_nonnull (strstr (file, "\ntwo blake2b:"));
  run ("token", "new", "three", NULL);
  ENDS_WITH (0);
  SAYS ("for the file client_tokens: three blake2b:");
}
END_TEST

START_TEST (a_token_is_added_to_what_stands_in_the_file)
{
  char file[1024] = "";
  FILE *f;

  write_file ("tokens", "# mine: boss", 12);     /* as an editor may leave it */
  new_token ("one", token);
  run ("token", "new", "one", format ("%s/tokens", dir), NULL);
  ENDS_WITH (2);
  SAYS ("tokens: \"one\" is there already; take another name");
  PRINTS ("");
  new_token ("boss", admin);
  new_token ("on", admin);
  f = fopen (format ("%s/tokens", dir), "r");
  ck_assert_ptr_nonnull (f);
  ck_assert_uint_gt (fread (file, 1, sizeof file - 1, f), 0);
  (void) fclose (f);
  ck_assert_int_eq (strncmp (file, "# mine: boss\none blake2b:", 25), 0);
  ck_assert_ptr_nonnull (strstr (file, "\nboss blake2b:"));
  ck_assert_ptr_null (strstr (file, "\n\n"));
}
END_TEST

START_TEST (a_token_that_cannot_be_made_is_told)
{
  static const struct { const char *args[4], *says; } cases[] = {
    { { "token" }, "what is wanted is new NAME [FILE]" },
    { { "token", "new" }, "what is wanted is new NAME [FILE]" },
    { { "token", "old", "x" }, "what is wanted is new NAME [FILE]" },
    { { "token", "new", "a b" }, "\"a b\" is no name" },
    { { "token", "new", "x", "/nonexistent/tokens" }, "/nonexistent/tokens: No such file" },
  };
  const char *argv[6] = { program };

  memcpy (argv + 1, cases[_i].args, sizeof cases[_i].args);
  run_argv (argv, NULL, 0);
  ENDS_WITH (2);
  SAYS (cases[_i].says);
  PRINTS ("");
}
END_TEST

START_TEST (who_has_no_token_is_not_let_in)
{
  gateway_with_tokens ("");
  ask ("POST", CHAT, HELLO);
  is_error (401, "invalid_token");
  ck_assert_str_eq (field_of ("WWW-Authenticate"), "Bearer");
  ask_with ("POST", CHAT, "Authorization: Bearer kwt_wrong\r\n", HELLO);
  is_error (401, "invalid_token");
  ask_with ("POST", CHAT, format ("Authorization: Bearer %.46s\r\n", token), HELLO);
  is_error (401, "invalid_token");
  ask ("GET", "/status", NULL);
  is_error (401, "invalid_token");
  ask ("GET", "/metrics", NULL);
  is_error (401, "invalid_token");
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 0);
  ask ("GET", "/healthz", NULL);
  ck_assert_int_eq (a.status, 200);
  ask_with ("POST", CHAT, format ("Authorization: Bearer %s\r\n", token), HELLO);
  ck_assert_int_eq (a.status, 200);
  ask_with ("POST", CHAT, format ("Authorization: bearer  %s \t\r\n", token), HELLO);
  ck_assert_int_eq (a.status, 200);
  ask_with ("POST", CHAT, format ("x-api-key: %s\r\n", token), HELLO);
  ck_assert_int_eq (a.status, 200);
  ask_with ("POST", CHAT, format ("api-key: %s\r\n", token), HELLO);
  ck_assert_int_eq (a.status, 200);
}
END_TEST

/* Whose body has no length: it would be read to its end, which is max_body's. */
START_TEST (who_is_refused_cannot_send_on_and_on)
{
  static char block[65536];
  size_t sent = 0;
  int fd;

  gateway_with_tokens ("");
  fd = client_connect ();
  say_text (fd, "POST " CHAT " HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  memset (block, 'x', sizeof block);
  (void) memcpy (block, "fff8\r\n", 6);
  (void) memcpy (block + sizeof block - 2, "\r\n", 2);
  while (sent < 64 * 1024 * 1024) {
    ssize_t n = send (fd, block, sizeof block, MSG_NOSIGNAL);
    if (n != (ssize_t) sizeof block)
      break;
    sent += (size_t) n;
  }
  ck_assert_uint_lt (sent, 64 * 1024 * 1024);
  (void) close (fd);
}
END_TEST

START_TEST (only_an_admin_resets_keys)
{
  gateway_with_tokens ("");
  for (int i = 0; i < 2; i++)
    ask_with ("POST", CHAT, format ("Authorization: Bearer %s\r\n", token), HELLO);
  ck_assert_str_eq (field_of ("x-keywheel-key"), "backup-1");
  ask ("POST", "/reset", NULL);
  is_error (401, "invalid_token");
  ask_with ("POST", "/reset", format ("Authorization: Bearer %s\r\n", token), NULL);
  is_error (403, "not_admin");
  ask_with ("POST", "/reset?provider=groq&key=nobody",
            format ("Authorization: Bearer %s\r\n", admin), NULL);
  is_error (404, "unknown_key");
  ask_with ("GET", "/reset", format ("Authorization: Bearer %s\r\n", admin), NULL);
  is_error (405, "method_not_allowed");
  ck_assert_str_eq (field_of ("Allow"), "POST, OPTIONS");
  ask_with ("POST", "/reset?provider=groq&key=primary",
            format ("Authorization: Bearer %s\r\n", admin), NULL);
  ck_assert_int_eq (a.status, 200);
  ck_assert_ptr_nonnull (strstr (a.body, "\"available_keys\": 3"));
}
END_TEST

START_TEST (with_tokens_it_may_be_reached_from_outside)
{
  const char *const argv[] = { program, "serve", "--listen", "0.0.0.0:0", NULL };
  const char *line;

  new_token ("app", token);
  set_keys ();
  set_env (ini);
  write_gateway_ini ("http://127.0.0.1:9/v1", "", "client_tokens = tokens");
  gateway = proc_start (argv, environment);
  line = proc_read_line (gateway, PATIENCE_MS);
  ck_assert_ptr_nonnull (line);
  ck_assert_int_eq (strncmp (line, "listening on http://0.0.0.0:", 28), 0);
  gateway_port = (int) strtol (line + 28, NULL, 10);
  ask ("GET", "/status", NULL);
  is_error (401, "invalid_token");
  /* And does not do without from then on. */
  write_gateway_ini ("http://127.0.0.1:9/v1", "", "");
  proc_signal (gateway, SIGHUP);
  ck_assert (proc_expect (gateway, 2, "it listens not only on this machine", PATIENCE_MS));
  ck_assert (proc_expect (gateway, 2, "the one in force stays", PATIENCE_MS));
  ask ("GET", "/status", NULL);
  is_error (401, "invalid_token");
}
END_TEST

START_TEST (a_file_of_tokens_that_is_wrong_is_told)
{
  static const struct { const char *file, *text; } cases[] = {
    { "", "tokens: has no client in it" },
    { "# nobody\n", "tokens: has no client in it" },
    { "app\n", "tokens:1: behind the name the token's hash is missing" },
    { "app md5:123\n", "tokens:1: behind the name the token's hash is missing" },
    { "# x\napp blake2b:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef "
      "rpm=3\n", "tokens:2: \"rpm=3\" is not understood; allowed: admin, requests_per_minute=N" },
    { "app blake2b:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef "
      "concurrency=x\n", "tokens:1: \"concurrency=x\" is not understood" },
    { "app blake2b:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
      "app blake2b:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde0\n",
      "tokens:2: \"app\" is there twice" },
    { "app blake2b:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
      "two blake2b:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef admin\n",
      "tokens:2: \"two\" has the token of \"app\"" },
    { "\xff" "app blake2b:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
      "tokens:1: a name is UTF-8 without control characters" },
  };

  set_keys ();
  set_env (ini);
  write_gateway_ini ("http://127.0.0.1:9/v1", "", "client_tokens = tokens");
  write_file ("tokens", cases[_i].file, strlen (cases[_i].file));
  run ("serve", NULL);
  ENDS_WITH (2);
  SAYS (cases[_i].text);
  if (_i == 0) {
    ck_assert_int_eq (chmod (format ("%s/tokens", dir), 0666), 0);
    run ("serve", NULL);
    SAYS ("tokens: everybody on this machine can write it");
    ck_assert_int_eq (unlink (format ("%s/tokens", dir)), 0);
    run ("serve", NULL);
    SAYS ("tokens: No such file or directory");
    ck_assert_int_eq (mkdir (format ("%s/tokens", dir), 0700), 0);
    run ("serve", NULL);
    SAYS ("tokens: Is a directory");
    ck_assert_int_eq (rmdir (format ("%s/tokens", dir)), 0);
    write_file ("tokens", "app\0 admin\n", 12);
    run ("serve", NULL);
    SAYS ("tokens:1: it has a NUL in it");
  }
}
END_TEST

/* ---- How much a client may -------------------------------------------------------------- */

START_TEST (a_client_may_make_so_many_requests_a_minute)
{
  char mine[128];

  gateway_with_tokens (" requests_per_minute=2");
  ck_assert_int_gt (snprintf (mine, sizeof mine, "Authorization: Bearer %s\r\n", token), 0);
  for (int i = 0; i < 2; i++) {
    ask_with ("POST", CHAT, mine, HELLO);
    ck_assert_int_eq (a.status, 200);
  }
  ask_with ("POST", CHAT, mine, HELLO);
  is_error (429, "client_rate_limit");
  ck_assert_int_ge (strtol (field_of ("Retry-After"), NULL, 10), 1);
  ck_assert_int_le (strtol (field_of ("Retry-After"), NULL, 10), 30);
  ask_with ("POST", CHAT, format ("Authorization: Bearer %s\r\n", admin), HELLO);
  ck_assert_int_eq (a.status, 200);
  ask_with ("GET", "/status", mine, NULL);
  ck_assert_int_eq (a.status, 200);
}
END_TEST

START_TEST (a_client_may_have_so_many_requests_at_once)
{
  int fd, up;

  gateway_with_hand ("", "concurrency = 1");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", HELLO);
  up = provider_take ("}]}");
  ask ("POST", CHAT, HELLO);
  is_error (429, "client_concurrency");
  ck_assert_str_eq (field_of ("Retry-After"), "1");
  say_text (up, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                "Connection: close\r\n\r\n{}");
  answer_clear ();
  finish_answer (fd);
  ck_assert_int_eq (a.status, 200);
  (void) close (up);
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "", HELLO);
  up = provider_take ("}]}");
  (void) close (fd);
  provider_expect_close (up);
}
END_TEST

static Suite *
gateway_gate_suite (void)
{
  Suite *s = suite_create ("gateway_gate");
  TCase *t = tcase_create ("gateway_gate");

  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, set_up, gateway_tear_down);
  tcase_add_test (t, a_page_of_somebody_elses_is_not_let_in);
  tcase_add_test (t, a_page_of_an_allowed_origin_may_read_what_it_gets);
  tcase_add_test (t, a_head_that_means_two_things_is_refused_and_ends_the_connection);
  tcase_add_test (t, a_token_is_new_each_time_and_only_its_hash_is_kept);
  tcase_add_test (t, a_token_is_added_to_what_stands_in_the_file);
  tcase_add_loop_test (t, a_token_that_cannot_be_made_is_told, 0, 5);
  tcase_add_test (t, who_has_no_token_is_not_let_in);
  tcase_add_test (t, who_is_refused_cannot_send_on_and_on);
  tcase_add_test (t, only_an_admin_resets_keys);
  tcase_add_test (t, with_tokens_it_may_be_reached_from_outside);
  tcase_add_loop_test (t, a_file_of_tokens_that_is_wrong_is_told, 0, 9);
  tcase_add_test (t, a_client_may_make_so_many_requests_a_minute);
  tcase_add_test (t, a_client_may_have_so_many_requests_at_once);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (gateway_gate_suite)

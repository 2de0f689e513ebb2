/* keywheel serve: GET /events, which tells of keys and requests as things happen, and
 * the page at / that shows it. */
#include "gatekit.h"

/* ---- Watching ------------------------------------------------------------------ */

#define WATCHERS 32

struct watcher {
  int fd;
  struct heard heard;
};

static void
watch_with (struct watcher *w, const char *fields)
{
  *w = (struct watcher) { .fd = client_connect () };
  say_request (w->fd, "GET", "/events", fields, NULL);
  hear_until (w->fd, &w->heard, "\r\n\r\n");
}

static void
watch (struct watcher *w)
{
  watch_with (w, "");
  hear_until (w->fd, &w->heard, "event: hello\ndata: {");
  hear_until (w->fd, &w->heard, "\n\n");
}

/* What comes from now on. */
static void
forget (struct watcher *w)
{
  w->heard.len = 0;
}

static void
hears (struct watcher *w, const char *text)
{
  hear_until (w->fd, &w->heard, text);
}

/* The next tick, good until the one behind it: that may have come with it. */
static const char *
next_tick (struct watcher *w)
{
  static const char name[] = "event: tick\n";
  static char tick[16384];
  const char *at, *end;

  hears (w, name);
  for (;;) {
    at = memmem (w->heard.bytes, w->heard.len, name, sizeof name - 1);
    end = strstr (at, "\n\n");
    if (end != NULL)
      break;
    ck_assert_uint_gt (hear_some (w->fd, &w->heard), 0);
  }
  ck_assert_int_lt (end - at, (int) sizeof tick);
  *(char *) mempcpy (tick, at, (size_t) (end - at)) = '\0';
  w->heard.len -= (size_t) (end + 2 - w->heard.bytes);
  memmove (w->heard.bytes, end + 2, w->heard.len + 1);
  return tick;
}

static void
leave (struct watcher *w)
{
  if (w->heard.bytes != NULL)
    ck_assert_ptr_null (memmem (w->heard.bytes, w->heard.len, SECRET, strlen (SECRET)));
  (void) close (w->fd);
  free (w->heard.bytes);
}

static void
serve_requests (int n)
{
  for (int i = 0; i < n; i++) {
    ask ("POST", CHAT, HELLO);
    ck_assert_int_eq (a.status, 200);
  }
}

START_TEST (whoever_connects_is_told_everything)
{
  struct watcher w;

  gateway_with_sim (",rpd=1,tpm=6000", "");
  serve_requests (2);
  ask ("HEAD", "/events", NULL);        /* and is gone */
  ck_assert_int_eq (a.status, 200);
  watch (&w);
  hears (&w, "Content-Type: text/event-stream; charset=utf-8\r\n");
  hears (&w, "Cache-Control: no-store\r\n");
  hears (&w, "X-Content-Type-Options: nosniff\r\n");
  hears (&w, "\"may_reset\":true");
  hears (&w, "\"total\":3,\"available\":2,\"current\":1");
  hears (&w, "\"state\":\"exhausted\"");
  hears (&w, "\"dimension\":\"requests_per_day\",\"verdict\":\"DAILY_LIMIT\",\"limit\":1,"
             "\"used\":1,\"until\":");
  hears (&w, "\"buckets\":[{\"model\":\"" MODEL "\",\"dimension\":");
  hears (&w, "\"dimension\":\"requests_per_day\",\"limit\":1,\"full\":");
  hears (&w, "\"dimension\":\"tokens_per_minute\",\"limit\":6000,\"full\":");
  hears (&w, "\"type\":\"exhausted\",\"provider\":\"groq\",\"key\":\"primary\"");
  hears (&w, "\"type\":\"switch\",\"provider\":\"groq\",\"key\":\"primary\",\"to\":"
             "\"backup-1\"");
  leave (&w);
}
END_TEST

START_TEST (what_happens_is_told_as_it_happens)
{
  struct watcher w;

  gateway_with_sim (",rpd=1", "");
  watch (&w);
  forget (&w);
  serve_requests (2);
  hears (&w, "event: note\ndata: {\"id\":");
  hears (&w, "\"type\":\"exhausted\"");
  hears (&w, "\"type\":\"switch\",\"provider\":\"groq\",\"key\":\"primary\",\"to\":"
             "\"backup-1\"");
  hears (&w, "event: keys\ndata: [{\"name\":\"groq\"");
  hears (&w, "\"name\":\"primary\"");
  hears (&w, "\"state\":\"exhausted\"");
  forget (&w);
  ask ("POST", "/reset?provider=groq&key=primary", NULL);
  ck_assert_int_eq (a.status, 200);
  hears (&w, "\"type\":\"reset\",\"provider\":\"groq\",\"key\":\"primary\"");
  hears (&w, "\"name\":\"primary\"");
  hears (&w, "\"state\":\"available\"");
  /* No more than what changed. */
  ck_assert_ptr_null (memmem (w.heard.bytes, w.heard.len, "\"name\":\"backup-2\"", 17));
  leave (&w);
}
END_TEST

START_TEST (each_second_has_its_figures)
{
  struct watcher w;

  gateway_with_sim ("", "");
  watch (&w);
  serve_requests (3);
  ask ("POST", "/v1/nothing", "{}");
  ck_assert_int_ge (a.status, 400);
  ask ("GET", "/status", NULL);     /* none of a provider's */
  for (int all = 0, failed = 0; all < 4 || failed < 1;) {
    int n, bad;
    const char *tick = next_tick (&w), *at = strstr (tick, "\"seconds\":[");
    ck_assert_msg (at != NULL, "%s", tick);
    for (at += 11; sscanf (at, "[%d,%d", &n, &bad) == 2; at += strcspn (at, "]") + 2) {
      all += n;
      failed += bad;
    }
    ck_assert_int_le (all, 4);
  }
  leave (&w);
}
END_TEST

#ifdef HAVE_SQLITE
START_TEST (what_another_process_finds_is_told_too)
{
  struct watcher w;

  gateway_with_sim (",rpd=1", "");
  watch (&w);
  forget (&w);
  for (int i = 0; i < 2; i++) {
    run ("chat", "-m", MODEL, "hi", NULL);
    ENDS_WITH (0);
  }
  hears (&w, "\"type\":\"exhausted\",\"provider\":\"groq\",\"key\":\"primary\"");
  hears (&w, "another process found out");
  hears (&w, "\"state\":\"exhausted\"");
  forget (&w);
  run ("reset", "primary", NULL);
  ENDS_WITH (0);
  hears (&w, "was reset by another process");
  hears (&w, "\"state\":\"available\"");
  leave (&w);
}
END_TEST
#endif

/* ---- Bounds ----------------------------------------------------------------------- */

START_TEST (so_many_may_watch_and_no_more)
{
  struct watcher w[WATCHERS], again;

  gateway_with_sim ("", "");
  for (int i = 0; i < WATCHERS; i++)
    watch (&w[i]);
  ask ("GET", "/events", NULL);
  is_error (503, "too_many_watchers");
  ck_assert_str_eq (field_of ("Retry-After"), "1");
  leave (&w[7]);
  do {
    ask ("GET", "/readyz", NULL);   /* the gateway turns, and sees that it is gone */
    again = (struct watcher) { .fd = client_connect () };
    say_request (again.fd, "GET", "/events", "", NULL);
    hears (&again, "\r\n\r\n");
    if (strstr (again.heard.bytes, " 503 ") == NULL)
      break;
    leave (&again);
  } while (1);
  hears (&again, "event: hello\n");
  leave (&again);
  serve_requests (1);
  for (int i = 0; i < WATCHERS; i++)
    if (i != 7) {
      hears (&w[i], "\"requests\":1,");
      leave (&w[i]);
    }
}
END_TEST

START_TEST (who_does_not_read_is_cut_off_and_nobody_waits_for_him)
{
  const int little = 4096;
  struct watcher quick;
  int slow = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), n = 0;
  const struct sockaddr_in at = { .sin_family = AF_INET,
                                  .sin_addr = { htonl (INADDR_LOOPBACK) } };
  struct sockaddr_in to = at;

  gateway_with_sim ("", "");
  watch (&quick);
  to.sin_port = htons ((uint16_t) gateway_port);
  ck_assert_int_eq (setsockopt (slow, SOL_SOCKET, SO_RCVBUF, &little, sizeof little), 0);
  ck_assert_int_eq (connect (slow, (const struct sockaddr *) &to, sizeof to), 0);
  say_request (slow, "GET", "/events", "", NULL);
  do {                          /* he himself sees it when he reads, and he does not */
    ask ("POST", "/reset", NULL);
    ck_assert_int_eq (a.status, 200);
    forget (&quick);
    hears (&quick, "\"type\":\"reset\"");
    ck_assert_int_lt (n++, 10000);
  } while (n < 10 || strstr (a.body, "\"connections\": 2,") == NULL);
  ck_assert_int_gt (n, 200);    /* a pause is forgiven */
  leave (&quick);
  (void) close (slow);
}
END_TEST

/* ---- Their end ---------------------------------------------------------------------- */

START_TEST (streams_end_with_the_gateway)
{
  struct watcher w;

  gateway_with_sim ("", "");
  watch (&w);
  gateway_stop ();              /* long before drain_timeout, or it is killed */
  hears (&w, "event: bye\n");
  hears (&w, "0\r\n\r\n");
  ck_assert_uint_eq (hear_some (w.fd, &w.heard), 0);
  leave (&w);
}
END_TEST

START_TEST (streams_end_when_the_configuration_is_read_again)
{
  struct watcher w;

  gateway_with_sim ("", "");
  watch (&w);
  proc_signal (gateway, SIGHUP);
  hears (&w, "event: bye\n");
  hears (&w, "0\r\n\r\n");
  leave (&w);
  watch (&w);
  leave (&w);
}
END_TEST

/* ---- Who may ------------------------------------------------------------------------- */

static void
token_of (const char *name, const char *attributes, char ret[64])
{
  FILE *f;

  run ("token", "new", name, format ("%s/tokens", dir), NULL);
  ENDS_WITH (0);
  memcpy (ret, got.out, 47);
  ret[47] = '\0';
  f = fopen (format ("%s/tokens", dir), "r+");
  ck_assert_ptr_nonnull (f);
  ck_assert_int_eq (fseek (f, -1, SEEK_END), 0);
  ck_assert_int_gt (fprintf (f, " %s\n", attributes), 0);
  ck_assert_int_eq (fclose (f), 0);
}

START_TEST (with_tokens_the_page_is_for_all_and_what_it_shows_is_not)
{
  char app[64], boss[64];
  struct watcher w;

  token_of ("app", "", app);
  token_of ("boss", "admin", boss);
  gateway_with_sim ("", "client_tokens = tokens");
  ask ("GET", "/", NULL);
  ck_assert_int_eq (a.status, 200);
  ask ("GET", "/events", NULL);
  is_error (401, "invalid_token");
  watch_with (&w, format ("Authorization: Bearer %s\r\n", app));
  hears (&w, "\"client\":\"app\",\"may_reset\":false");
  leave (&w);
  watch_with (&w, format ("Authorization: Bearer %s\r\n", boss));
  hears (&w, "\"client\":\"boss\",\"may_reset\":true");
  ask_with ("POST", "/reset", format ("Authorization: Bearer %s\r\n", boss), NULL);
  ck_assert_int_eq (a.status, 200);
  hears (&w, "\"type\":\"reset\",\"reason\":\"boss\"");
  leave (&w);
}
END_TEST

START_TEST (another_page_can_neither_watch_nor_take_anything)
{
  static const char fields[] = "Sec-Fetch-Site: %s\r\nSec-Fetch-Mode: %s\r\n";
  static const char *const elsewhere[] = { "cross-site", "same-site" };
  static const char *const paths[] = { "/events", "/status", "/v1/models" };

  gateway_with_sim ("", "");
  for (int i = 0; i < 2; i++) {
    for (size_t k = 0; k < sizeof paths / sizeof paths[0]; k++) {
      ask_with ("GET", paths[k], format (fields, elsewhere[i], "no-cors"), NULL);
      is_error (403, "origin_not_allowed");
    }
    ask_with ("GET", "/", format (fields, elsewhere[i], "navigate"), NULL);
    ck_assert_int_eq (a.status, 200);
    ask_with ("GET", "/v1/models", format (fields, elsewhere[i], "navigate"), NULL);
    is_error (403, "origin_not_allowed");
  }
  ask_with ("GET", "/v1/models", "Sec-Fetch-Site: same-origin\r\n", NULL);
  ck_assert_int_eq (a.status, 200);
  ask_with ("GET", "/status", "Sec-Fetch-Site: none\r\n", NULL);
  ck_assert_int_eq (a.status, 200);
}
END_TEST

/* ---- The page --------------------------------------------------------------------------- */

static void
policy_has (const char *text)
{
  ck_assert_msg (strstr (field_of ("Content-Security-Policy"), text) != NULL, "%s: %s",
                 text, field_of ("Content-Security-Policy"));
}

START_TEST (the_page_is_whole_and_may_load_nothing)
{
  gateway_with_sim ("", "");
  ask ("GET", "/", NULL);
  ck_assert_int_eq (a.status, 200);
  ck_assert_str_eq (field_of ("Content-Type"), "text/html; charset=utf-8");
  ck_assert_str_eq (field_of ("X-Content-Type-Options"), "nosniff");
  ck_assert_str_eq (field_of ("Referrer-Policy"), "no-referrer");
  ck_assert_str_eq (field_of ("Cache-Control"), "no-cache");
  policy_has ("default-src 'none'; script-src 'sha256-");
  policy_has ("; style-src 'sha256-");
  policy_has ("connect-src 'self'");
  policy_has ("frame-ancestors 'none'");
  policy_has ("form-action 'none'");
  ck_assert_ptr_null (strstr (field_of ("Content-Security-Policy"), "unsafe"));
  ck_assert_int_eq (strncmp (a.body, "<!doctype html>\n", 16), 0);
  ck_assert_ptr_nonnull (strstr (a.body, "</html>"));
  ck_assert_ptr_null (strstr (a.body, "@style@"));
  ck_assert_ptr_null (strstr (a.body, "@script@"));
  ck_assert_ptr_null (strstr (a.body, "src="));
  ck_assert_ptr_null (strstr (a.body, SECRET));
  ask ("HEAD", "/", NULL);
  ck_assert_int_eq (a.status, 200);
  ask ("POST", "/", "{}");
  is_error (405, "method_not_allowed");
}
END_TEST

static Suite *
gateway_events_suite (void)
{
  Suite *s = suite_create ("gateway_events");
  TCase *t = tcase_create ("gateway_events");

  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, set_up, gateway_tear_down);
  tcase_add_test (t, whoever_connects_is_told_everything);
  tcase_add_test (t, what_happens_is_told_as_it_happens);
  tcase_add_test (t, each_second_has_its_figures);
#ifdef HAVE_SQLITE
  tcase_add_test (t, what_another_process_finds_is_told_too);
#endif
  tcase_add_test (t, so_many_may_watch_and_no_more);
  tcase_add_test (t, who_does_not_read_is_cut_off_and_nobody_waits_for_him);
  tcase_add_test (t, streams_end_with_the_gateway);
  tcase_add_test (t, streams_end_when_the_configuration_is_read_again);
  tcase_add_test (t, with_tokens_the_page_is_for_all_and_what_it_shows_is_not);
  tcase_add_test (t, another_page_can_neither_watch_nor_take_anything);
  tcase_add_test (t, the_page_is_whole_and_may_load_nothing);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (gateway_events_suite)

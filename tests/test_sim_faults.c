/* test_sim_faults - keywheel-sim misbehaves as it is told, and no more. */
#include "test_sim.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct {
  const char *spec, *verdict;
  int stream, curl, status;
  const char *has;              /* in its headers and body */
} faults[] = {
  { "status=503", "fault:status", 0, 0, 503, "m is currently over capacity" },
  { "status=500", "fault:status", 0, 0, 500, "internal_server_error" },
  { "status=418", "fault:status", 0, 0, 418, "invalid_request_error" },
  { "status=498", "fault:status", 0, 0, 498, "capacity_exceeded" },
  { "status=503,retry-after=7", "fault:status", 0, 0, 503, "retry-after: 7\r\n" },
  { "status=429", "fault:status", 0, 0, 429, "requests per minute (RPM)" },
  { "status=429,retry-after=9", "fault:status", 0, 0, 429, "try again in 9s." },
  { "status=502", "fault:status", 0, 0, 502, "text/html" },
  { "html", "fault:html", 0, 0, 403, "Attention Required!" },
  { "html=520", "fault:html", 0, 0, 520, "Cloudflare" },
  { "drop", "fault:drop", 0, CURLE_GOT_NOTHING, 0, "" },
  { "drop,reset", "fault:drop", 0, CURLE_RECV_ERROR, 0, "" },
  { "truncate,reset", "fault:truncate", 0, CURLE_RECV_ERROR, 200, "" },
  { "sse-break=2,reset", "fault:sse-break", 1, CURLE_RECV_ERROR, 200, "" },
  { "drop,one-in=1", "fault:drop", 0, CURLE_GOT_NOTHING, 0, "" },
  { "truncate", "fault:truncate", 0, CURLE_PARTIAL_FILE, 200, "chat.completion" },
  { "truncate", "fault:truncate", 1, CURLE_PARTIAL_FILE, 200, "data: {" },
  { "garbage", "fault:garbage", 0, 0, 200, "this is no JSON" },
  { "empty", "fault:empty", 0, 0, 200, "Content-Length: 0\r\n" },
  { "redirect", "fault:redirect", 0, 0, 302, "location: http://other-host.invalid/" },
  { "redirect=http://x.invalid/", "fault:redirect", 0, 0, 302, "http://x.invalid/" },
  { "body-size=5000", "fault:body-size", 0, 0, 200, "Content-Length: 5000\r\n" },
  { "body-size=5000,chunked", "fault:body-size", 0, 0, 200, "chunked\r\n" },
  { "sse-error", "fault:sse-error", 1, 0, 200, "\r\n\r\nevent: error\ndata: "
                                               "{\"error\":{" },
  { "sse-error=429", "fault:sse-error", 1, 0, 200, "\"status_code\":429" },
  { "sse-error,form=data", "fault:sse-error", 1, 0, 200,
    "\r\n\r\ndata: {\"error\":{\"message\":\"m is" },
  { "sse-error,form=x_groq,after=2", "fault:sse-error", 1, 0, 200,
    "\"error\":\"m is" },
  { "sse-break=0", "fault:sse-break", 1, CURLE_PARTIAL_FILE, 200, "" },
  { "sse-break=2", "fault:sse-break", 1, CURLE_PARTIAL_FILE, 200, "\"Hello\"" },
  { "sse-error", "ok", 0, 0, 200, "Hello from" },       /* not a stream */
  { "delay=1", "ok", 0, 0, 200, "Hello from" },
  { "chunk-delay=1", "ok", 1, 0, 200, "[DONE]" },
};

static int
contains (const struct simctl_reply *r, const char *text)
{
  char *all = NULL;
  int n = asprintf (&all, "%s%s", r->headers, r->body);
  ck_assert (n >= 0);
  int found = strstr (all, text) != NULL;
  free (all);
  return found;
}

/* The fault, then an ordinary request, then what the log has of both. */
static void
try_fault (struct simctl *sim, int i)
{
  struct simctl_reply r;
  char spec[128];
  int n = snprintf (spec, sizeof spec, "%s,count=1", faults[i].spec);
  ck_assert (n > 0 && (size_t) n < sizeof spec);
  simctl_fault (sim, spec);
  simctl_call (sim, "POST", CHAT, "sk-a", faults[i].stream ? STREAM : HUNDRED, &r);
  ck_assert_msg (r.curl == faults[i].curl && r.status == faults[i].status
                   && contains (&r, faults[i].has),
                 "%s: curl %d, status %d, %s%s", spec, r.curl, r.status, r.headers,
                 r.body);
  simctl_reply_clear (&r);
  simctl_call (sim, "POST", CHAT, "sk-a", HUNDRED, &r);
  ck_assert_msg (r.curl == 0 && r.status == 200, "after %s: curl %d, status %d, %s",
                 spec, r.curl, r.status, r.body);
  simctl_reply_clear (&r);
  simctl_clear_faults (sim);
}

START_TEST (each_fault_does_what_it_says_and_then_is_over)
{
  struct simctl *sim = simctl_startl ("--key", "sk-a", NULL);
  struct simctl_log log;
  for (int i = 0; i < COUNT (faults); i++)
    try_fault (sim, i);
  simctl_read_log (sim, &log);
  ck_assert_uint_eq (log.count, 2 * COUNT (faults));
  for (int i = 0; i < COUNT (faults); i++) {
    const struct simctl_entry *first = &log.entries[2 * i], *second = first + 1;
    ck_assert_msg (strcmp (first->verdict, faults[i].verdict) == 0
                     && first->status == faults[i].status
                     && first->stream == faults[i].stream
                     && strcmp (second->verdict, "ok") == 0,
                   "%s: in the log as %s, %d; then %s", faults[i].spec,
                   first->verdict, first->status, second->verdict);
  }
  simctl_log_clear (&log);
  simctl_stop (sim);
}
END_TEST

START_TEST (a_huge_body_has_its_size_and_is_json)
{
  struct simctl *sim = simctl_startl ("--key", "sk-a", "--fault",
                                      "body-size=1234567,chunked", NULL);
  struct simctl_reply r;
  char buf[16];
  simctl_call (sim, "POST", CHAT, "sk-a", HUNDRED, &r);
  ck_assert_uint_eq (r.body_len, 1234567);
  ck_assert_str_eq (json_text (r.body, "usage/total_tokens", buf, sizeof buf), "2");
  simctl_reply_clear (&r);
  simctl_stop (sim);
}
END_TEST

static int64_t
under_way (struct simctl *sim)
{
  struct simctl_reply r;
  char buf[24];

  simctl_call (sim, "GET", "/sim/stats", NULL, NULL, &r);
  int64_t n = strtoll (json_text (r.body, "under_way", buf, sizeof buf), NULL, 10);
  simctl_reply_clear (&r);
  return n;
}

static int
ask_without_waiting (const struct simctl *sim)
{
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl (INADDR_LOOPBACK) } };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char text[512];

  at.sin_port = htons ((uint16_t) strtol (strrchr (simctl_base_url (sim), ':') + 1, NULL, 10));
  ck_assert_int_eq (connect (fd, (struct sockaddr *) &at, sizeof at), 0);
  int n = snprintf (text, sizeof text, "POST " CHAT " HTTP/1.1\r\nHost: sim\r\n"
                    "Authorization: Bearer sk-a\r\nContent-Length: %zu\r\n\r\n%s",
                    strlen (HUNDRED), HUNDRED);
  ck_assert_int_eq (send (fd, text, (size_t) n, MSG_NOSIGNAL), n);
  return fd;
}

START_TEST (what_hangs_is_under_way_until_its_client_goes)
{
  struct simctl *sim = simctl_startl ("--key", "sk-a", "--fault", "hang,count=2", NULL);
  int one = ask_without_waiting (sim), two = ask_without_waiting (sim);
  struct pollfd answer = { .fd = two, .events = POLLIN };

  while (under_way (sim) != 2)
    ;
  (void) close (one);
  while (under_way (sim) != 1)
    ;
  ck_assert_int_eq (poll (&answer, 1, 0), 0);
  expect_call (sim, "sk-a", HUNDRED, 200, NULL);
  ck_assert_uint_eq (simctl_count (sim, NULL, "fault:hang"), 2);
  simctl_stop (sim);            /* the other one does not hold up its end */
  (void) close (two);
}
END_TEST

START_TEST (faults_choose_their_key_and_charge_only_what_was_served)
{
  struct simctl *sim = simctl_startl (
    "--key", "sk-a,name=a,rpd=10", "--key", "sk-b,name=b", "--clock", "manual",
    "--fault", "status=503,key=a,skip=1,count=2", "--fault", "truncate,key=a,count=1",
    NULL);
  static const int expected[] = { CURLE_PARTIAL_FILE, 503, 503, 200 };
  struct simctl_reply r;
  for (size_t i = 0; i < 4; i++) {
    expect_call (sim, "sk-b", HUNDRED, 200, NULL);
    simctl_call (sim, "POST", CHAT, "sk-a", HUNDRED, &r);
    ck_assert_msg ((r.curl != 0 ? r.curl : r.status) == expected[i], "%zu: %d %d", i,
                   r.curl, r.status);
    if (i == 3)                 /* the cut answer was charged, the 503s not */
      expect_header (&r, "x-ratelimit-remaining-requests", "8");
    simctl_reply_clear (&r);
  }
  simctl_stop (sim);
}
END_TEST

START_TEST (faults_can_be_forgotten_and_a_bad_list_adds_none)
{
  static const struct { const char *list, *says; } bad[] = {
    { "status=500\nnonsense\n", "nonsense" },
    { "status=500\ndrop,key=nobody", "key=nobody: no --key has this name" },
    { "", "the body must be a fault" },
  };
  /* Before the key that it names, and for any model, as none is named. */
  struct simctl *sim = simctl_startl ("--fault", "drop,key=key-1,model=x", "--fault",
                                      "drop", "--key", "sk-a", NULL);
  struct simctl_reply r;
  simctl_clear_faults (sim);
  expect_call (sim, "sk-a", HUNDRED, 200, NULL);
  for (int i = 0; i < COUNT (bad); i++) {
    simctl_call (sim, "POST", "/sim/fault", NULL, bad[i].list, &r);
    ck_assert_int_eq (r.status, 400);
    ck_assert_msg (strstr (r.body, bad[i].says) != NULL, "%s: %s", bad[i].list, r.body);
    simctl_reply_clear (&r);
  }
  expect_call (sim, "sk-a", HUNDRED, 200, NULL);
  simctl_fault (sim, "status=500,count=1\nstatus=501,count=1");
  expect_call (sim, "sk-a", HUNDRED, 500, NULL);
  expect_call (sim, "sk-a", HUNDRED, 501, NULL);
  simctl_stop (sim);
}
END_TEST

TCase *
sim_faults (void)
{
  TCase *t = tcase_create ("faults");
  tcase_set_timeout (t, 120);
  tcase_add_test (t, each_fault_does_what_it_says_and_then_is_over);
  tcase_add_test (t, a_huge_body_has_its_size_and_is_json);
  tcase_add_test (t, what_hangs_is_under_way_until_its_client_goes);
  tcase_add_test (t, faults_choose_their_key_and_charge_only_what_was_served);
  tcase_add_test (t, faults_can_be_forgotten_and_a_bad_list_adds_none);
  return t;
}

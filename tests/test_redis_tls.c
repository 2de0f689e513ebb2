/* test_redis_tls - the Redis store by TLS: whose certificates are believed, whose
 * are shown, and that nothing else is different. */
#include "rediskit.h"

#include <string.h>

#include "proc.h"

static char spec[1024];

/* ---- Certificates ------------------------------------------------------------------------ */

static void
openssl (const char *const args[])
{
  const char *argv[32] = { "openssl" };
  struct proc_result r;

  for (size_t i = 0; args[i] != NULL; i++) {
    ck_assert_uint_lt (i + 2, STOREKIT_LEN (argv));
    argv[i + 1] = args[i];
  }
  proc_run (&r, argv, NULL, NULL, 0, 60000);
  ck_assert_msg (r.status == 0, "openssl %s: %s", args[0], r.err);
  proc_result_clear (&r);
}

#define NEW_KEY "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"

/* NAME.pem and NAME.key. */
static void
make_authority (const char *name)
{
  char pem[64], key[64], subject[64];

  snprintf (pem, sizeof pem, "%s.pem", name);
  snprintf (key, sizeof key, "%s.key", name);
  snprintf (subject, sizeof subject, "/CN=%s", name);
  openssl ((const char *const[]) { "req", "-x509", NEW_KEY, "-days", "2", "-subj", subject,
                                   "-keyout", rediskit_path (key), "-out", rediskit_path (pem),
                                   NULL });
}

/* NAME.pem and NAME.key, signed by the authority, for alt ("DNS:a,IP:b"). */
static void
make_certificate (const char *name, const char *authority, const char *alt)
{
  char pem[64], key[64], ca[64], ca_key[64], extension[256];

  snprintf (pem, sizeof pem, "%s.pem", name);
  snprintf (key, sizeof key, "%s.key", name);
  snprintf (ca, sizeof ca, "%s.pem", authority);
  snprintf (ca_key, sizeof ca_key, "%s.key", authority);
  snprintf (extension, sizeof extension, "subjectAltName=%s\n", alt);
  rediskit_write ("extension", extension);
  openssl ((const char *const[]) { "req", NEW_KEY, "-subj", "/CN=somebody",
                                   "-keyout", rediskit_path (key), "-out", rediskit_path ("csr"),
                                   NULL });
  openssl ((const char *const[]) { "x509", "-req", "-in", rediskit_path ("csr"), "-days", "2",
                                   "-CA", rediskit_path (ca), "-CAkey", rediskit_path (ca_key),
                                   "-CAcreateserial", "-extfile", rediskit_path ("extension"),
                                   "-out", rediskit_path (pem), NULL });
}

/* ---- Servers ------------------------------------------------------------------------------- */

/* ask: clients are asked for certificates. */
static void
start (const char *alt, int ask)
{
  static const char *const lenient[] = { "--tls-auth-clients", "no", NULL };

  make_authority ("ca");
  make_certificate ("server", "ca", alt);
  rediskit_start (&(struct rediskit_how) { .bind = "127.0.0.1", .tls = 1,
                                           .options = ask ? NULL : lenient });
}

static void
begin (void)
{
  storekit_backing = &rediskit_backing;
}

static const char *
at (const char *scheme, const char *host, const char *options)
{
  ck_assert_int_lt (snprintf (spec, sizeof spec, "%s://%s:%d%s", scheme, host, rediskit_port (),
                              options), (int) sizeof spec);
  return spec;
}

static struct storekit *
open_at (const char *s)
{
  return storekit_open (&(struct storekit_how) { .spec = s, .dir = rediskit_folder () });
}

/* Closes it. */
static void
expect_of (struct storekit *k, const char *s, const char *part)
{
  struct kw_store_fact f = { "f", "v", 1, 0, STOREKIT_NEVER };
  int rc = storekit_sync (k, &f, 1, NULL, 0);

  ck_assert_msg ((rc != 0) == (part != NULL) && (part == NULL || strstr (k->why.text, part)),
                 "%s: %d %s, not \"%s\"", s, rc, k->why.text, part != NULL ? part : "");
  /* Nobody is talked out of TLS because of a certificate. */
  ck_assert_msg (part == NULL || strstr (part, "redis") != NULL
                 || strstr (k->why.text, "without TLS") == NULL, "%s", k->why.text);
  storekit_close (k);
}

static void
expect (const char *s, const char *part)
{
  expect_of (open_at (s), s, part);
}

/* ---- Whose certificates are believed ---------------------------------------------------------- */

START_TEST (the_server_must_be_who_it_should)
{
  start ("DNS:localhost,IP:127.0.0.1", 0);
  make_authority ("other");
  expect (at ("rediss", "localhost", "?ca_file=ca.pem"), NULL);
  expect (at ("rediss", "127.0.0.1", "?ca_file=ca.pem"), NULL);
  expect (at ("rediss", "127.0.0.1", "/2?ca_file=ca.pem"), NULL);
  expect (at ("rediss", "localhost", "?ca_file=other.pem"), "certificate is not accepted");
  expect (at ("rediss", "localhost", ""), "certificate is not accepted");
}
END_TEST

START_TEST (a_certificate_for_another_host_is_refused)
{
  start ("DNS:elsewhere.example,IP:127.0.0.2", 0);
  expect (at ("rediss", "localhost", "?ca_file=ca.pem"), "hostname mismatch");
  expect (at ("rediss", "127.0.0.1", "?ca_file=ca.pem"), "IP address mismatch");
}
END_TEST

/* A name that looks like the address, and the other way round. */
START_TEST (names_are_no_addresses)
{
  start ("DNS:127.0.0.1", 0);
  expect (at ("rediss", "127.0.0.1", "?ca_file=ca.pem"), "IP address mismatch");
}
END_TEST

START_TEST (clients_show_theirs)
{
  start ("IP:127.0.0.1", 1);
  make_certificate ("client", "ca", "DNS:client");
  make_authority ("other");
  make_certificate ("stranger", "other", "DNS:client");
  expect (at ("rediss", "127.0.0.1", "?ca_file=ca.pem&cert_file=client.pem&key_file=client.key"),
          NULL);
  expect (at ("rediss", "127.0.0.1", "?ca_file=ca.pem"), "TLS: ");
  expect (at ("rediss", "127.0.0.1",
              "?ca_file=ca.pem&cert_file=stranger.pem&key_file=stranger.key"), "TLS: ");
}
END_TEST

START_TEST (a_key_must_be_its_certificates)
{
  struct storekit k;
  const struct storekit_how how = {
    .spec = "rediss://h?cert_file=a.pem&key_file=b.key", .dir = rediskit_folder (),
  };

  make_authority ("a");
  make_authority ("b");
  ck_assert_int_eq (storekit_try (&how, &k), KW_STORE_USAGE);
  storekit_expect_text (k.why.text, "key_file cannot be used");
  storekit_expect_text (k.why.text, "mismatch");
}
END_TEST

/* New ones are there in time for the next connection. */
START_TEST (files_are_read_for_each_connection)
{
  struct storekit *k;

  start ("IP:127.0.0.1", 1);
  make_certificate ("client", "ca", "DNS:client");
  k = open_at (at ("rediss", "127.0.0.1",
                   "?ca_file=ca.pem&cert_file=client.pem&key_file=client.key"));
  storekit_put (k, "f", 1, 0, "v");
  rediskit_stop ();
  make_authority ("ca");
  make_certificate ("server", "ca", "IP:127.0.0.1");
  make_certificate ("client", "ca", "DNS:client");
  rediskit_restart ();
  ck_assert_int_eq (storekit_sync (k, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_put (k, "f", 1, 0, "v");
  storekit_close (k);
}
END_TEST

START_TEST (who_speaks_something_else_is_told)
{
  start ("IP:127.0.0.1", 0);
  expect (at ("redis", "127.0.0.1", ""), "rediss://");
  rediskit_stop ();
  rediskit_start (&(struct rediskit_how) { .bind = "127.0.0.1" });
  /* It waits for the end of what it takes for a command. */
  expect_of (storekit_open (&(struct storekit_how) {
               .spec = at ("rediss", "127.0.0.1", "?ca_file=ca.pem"), .dir = rediskit_folder (),
               .timeout_ms = rediskit_patience (1000) }), spec, "begins with redis://");
}
END_TEST

/* ---- Nothing else is different ---------------------------------------------------------------- */

enum { N = 1500 };

/* More than a socket takes at once. */
static const struct kw_store_fact *
many_facts (void)
{
  static struct kw_store_fact facts[N];
  static char names[N][32], value[4001];

  memset (value, 'v', sizeof value - 1);
  for (int i = 0; i < N; i++) {
    snprintf (names[i], sizeof names[i], "f %d", i);
    facts[i] = (struct kw_store_fact) { names[i], value, i, -i, STOREKIT_NEVER };
  }
  return facts;
}

START_TEST (much_is_sent_and_read)
{
  struct storekit *a, *b;

  start ("IP:127.0.0.1", 0);
  a = open_at (at ("rediss", "127.0.0.1", "?ca_file=ca.pem"));
  b = open_at (spec);
  storekit_settle (b);
  ck_assert_int_eq (storekit_sync (a, many_facts (), N, NULL, 0), 0);
  ck_assert_int_eq (storekit_stirs (b, 10000), 1);
  storekit_settle (b);
  ck_assert_uint_eq (b->n_facts, N);
  storekit_settle (a);
  ck_assert_int_eq (storekit_stirs (a, 0), 0);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

/* By which nobody is killed (SIGPIPE), and a server that stands still is noticed. */
START_TEST (cut_and_still_connections)
{
  struct storekit *k, *hasty;

  start ("IP:127.0.0.1", 0);
  k = open_at (at ("rediss", "127.0.0.1", "?ca_file=ca.pem"));
  for (int i = 0; i < 3; i++) {
    storekit_put (k, "f", i, 0, "v");
    rediskit_ask ("CLIENT KILL TYPE normal SKIPME yes");
    ck_assert_int_eq (storekit_sync (k, many_facts (), N, NULL, 0), KW_STORE_AWAY);
  }
  storekit_close (k);
  hasty = storekit_open (&(struct storekit_how) { .spec = spec, .dir = rediskit_folder (),
                                                  .timeout_ms = rediskit_patience (300) });
  storekit_reach (hasty);
  rediskit_freeze (1);
  int64_t began = storekit_ticks ();
  for (int i = 0; i < 2; i++)
    ck_assert_int_eq (storekit_sync (hasty, NULL, 0, NULL, 0), KW_STORE_AWAY);
  ck_assert_int_lt (storekit_ticks () - began, 2 * rediskit_patience (300) + STOREKIT_STILL_MS);
  rediskit_freeze (0);
  storekit_reach (hasty);
  storekit_close (hasty);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("redis_tls");
  TCase *t = tcase_create ("tls");

  tcase_add_checked_fixture (t, begin, rediskit_end);
  tcase_set_timeout (t, 60);
  tcase_add_test (t, the_server_must_be_who_it_should);
  tcase_add_test (t, a_certificate_for_another_host_is_refused);
  tcase_add_test (t, names_are_no_addresses);
  tcase_add_test (t, clients_show_theirs);
  tcase_add_test (t, a_key_must_be_its_certificates);
  tcase_add_test (t, files_are_read_for_each_connection);
  tcase_add_test (t, who_speaks_something_else_is_told);
  tcase_add_test (t, much_is_sent_and_read);
  tcase_add_test (t, cut_and_still_connections);
  suite_add_tcase (s, t);
  return s;
}

int
main (void)
{
  const char *missing = rediskit_program () == NULL ? REDISKIT_NO_PROGRAM
                        : !rediskit_has ("openssl") ? "openssl(1) is not installed" : NULL;

  return missing == NULL ? rediskit_run (suite ()) : rediskit_skip (missing);
}

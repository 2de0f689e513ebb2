/* test_redis_away - what keeps the Redis store from its server: each is said in a
 * way that a person can act on, within the time there is, and is over when it is
 * over.  Logins, ACLs, servers that refuse, do not answer, or are none. */
#include "rediskit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "redisfake.h"

static char spec[512];

/* A sync through a new handle. */
static int
try (const struct storekit_how *how, char *text, size_t size)
{
  struct storekit *k = storekit_open (how);
  struct kw_store_fact f = { "f", "v", 1, 0, STOREKIT_NEVER };
  int rc = storekit_sync (k, &f, 1, NULL, 0);

  snprintf (text, size, "%s", rc != 0 ? k->why.text : "");
  storekit_close (k);
  return rc;
}

static void
expect_away (const char *s, const char *part)
{
  const struct storekit_how how = { .spec = s, .dir = rediskit_folder () };
  char text[512];

  ck_assert_msg (try (&how, text, sizeof text) == KW_STORE_AWAY, "%s: not away", s);
  ck_assert_msg (strstr (text, part) != NULL, "%s: no \"%s\" in: %s", s, part, text);
  ck_assert_msg (strstr (text, "secret") == NULL && strstr (text, "wrong-one") == NULL,
                 "a password is told: %s", text);
}

static void
expect_good (const char *s)
{
  const struct storekit_how how = { .spec = s, .dir = rediskit_folder () };
  char text[512];

  ck_assert_msg (try (&how, text, sizeof text) == 0, "%s: %s", s, text);
}

/* "redis://LOGIN127.0.0.1:PORT" and what comes behind. */
static const char *
at (const char *login, const char *behind)
{
  ck_assert_int_lt (snprintf (spec, sizeof spec, "redis://%s127.0.0.1:%d%s", login,
                              rediskit_port (), behind), (int) sizeof spec);
  return spec;
}

static void
begin (void)
{
  storekit_backing = &rediskit_backing;
  rediskit_start (&(struct rediskit_how) { .bind = "127.0.0.1" });
}

/* ---- Logins ------------------------------------------------------------------------------- */

START_TEST (passwords)
{
  expect_good (at ("", ""));
  expect_away (at (":secret@", ""), "has no password set");
  rediskit_ask ("CONFIG SET requirepass secret/1");
  expect_away (at ("", ""), "password_file=FILE");
  expect_away (at (":wrong-one@", ""), "user or password is wrong");
  expect_away (at ("nobody:secret%2F1@", ""), "user or password is wrong");
  expect_good (at (":secret%2F1@", ""));
  expect_good (at ("default:secret%2F1@", "/3"));
  rediskit_write ("pw", "secret/1\r\n");
  expect_good (at ("", "?password_file=pw"));
  expect_good (at ("default@", "?password_file=pw"));
}
END_TEST

/* A password that was changed is read again, by a handle that is open. */
START_TEST (a_password_file_is_read_for_each_connection)
{
  struct storekit *k;

  rediskit_write ("pw", "secret1");
  rediskit_ask ("CONFIG SET requirepass secret1");
  k = storekit_open (&(struct storekit_how) { .spec = at ("", "?password_file=pw"),
                                              .dir = rediskit_folder () });
  storekit_put (k, "f", 1, 0, "v");
  rediskit_ask ("CONFIG SET requirepass secret2");
  rediskit_ask ("CLIENT KILL TYPE normal SKIPME yes");
  rediskit_ask ("CLIENT KILL TYPE pubsub");
  ck_assert_int_eq (storekit_sync (k, NULL, 0, NULL, 0), KW_STORE_AWAY);
  ck_assert_int_eq (storekit_sync (k, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_expect_text (k->why.text, "user or password is wrong");
  rediskit_write ("pw", "secret2");
  storekit_read (k);
  ck_assert_int_eq (unlink (rediskit_path ("pw")), 0);
  rediskit_ask ("CLIENT KILL TYPE normal SKIPME yes");
  ck_assert_int_eq (storekit_sync (k, NULL, 0, NULL, 0), KW_STORE_AWAY);
  ck_assert_int_eq (storekit_sync (k, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_expect_text (k->why.text, "No such file");
  storekit_close (k);
}
END_TEST

/* The lines of keywheel.ini(5) from "ACL SETUSER" to the end of the example. */
static void
set_user_by_manual (void)
{
  char path[4096], line[1024], acl[1500] = "";
  FILE *f;

  snprintf (path, sizeof path, "%s/man/keywheel.ini.5", kwtest_srcdir ());
  f = fopen (path, "re");
  ck_assert_ptr_nonnull (f);
  while (fgets (line, sizeof line, f) != NULL) {
    int in = acl[0] != '\0' || strncmp (line, "ACL SETUSER ", 12) == 0;
    if (in && line[0] == '.')
      break;
    line[strcspn (line, "\n")] = '\0';
    size_t n = strlen (acl);
    if (in)
      ck_assert_int_lt (snprintf (acl + n, sizeof acl - n, "%s ", line), (int) (sizeof acl - n));
  }
  fclose (f);
  ck_assert_str_ne (acl, "");
  rediskit_ask ("%s", acl);
}

/* Everything that the module does, with no more rights than the manual gives. */
START_TEST (the_manuals_acl_is_enough)
{
  struct kw_store_lease lease = { sizeof lease, 10, 5, 0, "l", 60000 };
  struct kw_store_count c = { "c", 1 };
  struct storekit *a, *b;
  uint32_t granted = 0;

  set_user_by_manual ();
  rediskit_ask ("SET mine 1");
  a = storekit_open (&(struct storekit_how) { .spec = at ("keywheel:PASSWORD@", "/1") });
  b = storekit_open (&(struct storekit_how) { .spec = at ("keywheel:PASSWORD@", "/1"),
                                              .timeout_ms = rediskit_patience (200) });
  storekit_put_until (a, "f", 1, "v", storekit_now () + 1000);
  ck_assert_int_eq (storekit_sync (a, NULL, 0, &c, 1), 0);
  storekit_add_to (a, "d", INT64_MAX);
  storekit_add_to (a, "d", 1);
  while (storekit_total (b, "c") < 1)
    storekit_reach (b);
  ck_assert_int_eq (a->store->lease (a->handle, &lease, &granted, &a->why), 0);
  ck_assert_uint_eq (granted, 5);
  lease.want = 0;
  ck_assert_int_eq (a->store->lease (a->handle, &lease, &granted, &a->why), 0);
  storekit_pass (2000);
  storekit_put (a, "g", 1, 0, "v");
  ck_assert_int_eq (storekit_stirs (b, 10000), 1);
  for (int i = 0; i < 2; i++) {         /* the bell's own PING after a pause */
    storekit_reach (b);
    ck_assert_int_eq (storekit_stirs (b, 10000), 1);
  }
  rediskit_ask ("DEL keywheel:f:g");    /* in another database */
  rediskit_ask ("SELECT 1");
  rediskit_ask ("DEL keywheel:f:g");
  storekit_pass (61000);
  expect_good (at ("keywheel:PASSWORD@", "/1"));
  storekit_close (a);
  storekit_close (b);
  /* And no more than that is given. */
  ck_assert_str_eq (rediskit_ask ("ACL DRYRUN keywheel SET keywheel:x 1"), "OK");
  storekit_expect_text (rediskit_ask ("ACL DRYRUN keywheel GET mine"), "permission");
  storekit_expect_text (rediskit_ask ("ACL DRYRUN keywheel FLUSHALL"), "permission");
  storekit_expect_text (rediskit_ask ("ACL DRYRUN keywheel PUBLISH other x"), "permission");
}
END_TEST

START_TEST (an_acl_that_is_too_narrow_is_pointed_at)
{
  static const char *const lacks[] = { "-evalsha", "-subscribe", "-publish", "-set", "-zadd",
                                       "resetchannels", "resetkeys" };

  for (size_t i = 0; i < STOREKIT_LEN (lacks); i++) {
    set_user_by_manual ();
    rediskit_ask ("ACL SETUSER keywheel %s", lacks[i]);
    expect_away (at ("keywheel:PASSWORD@", ""), "keywheel.ini(5) has the line");
    rediskit_ask ("ACL DELUSER keywheel");
    ck_assert_msg (strcmp (rediskit_ask ("EXISTS keywheel:f:f"), "0") == 0, "%s", lacks[i]);
  }
}
END_TEST

/* ---- Servers that refuse ------------------------------------------------------------------- */

static const char *
refuse (int n, const char *words, void *user)
{
  const char *const *what = user;

  (void) n;
  return strstr (words, what[0]) != NULL ? what[1] : redisfake_sound (words);
}

START_TEST (refusals_say_what_to_do)
{
  static const char *const cases[][3] = {
    { "PING", "-LOADING Redis is loading the dataset in memory\r\n", "wait" },
    { "PING", "-NOAUTH Authentication required.\r\n", "password_file" },
    { "PING", "-DENIED Redis is running in protected mode because\r\n", "protected mode" },
    { "PING", "-ERR max number of clients reached\r\n", "maxclients" },
    { "PING", "-MASTERDOWN Link with MASTER is down\r\n", "lost its primary" },
    { "PING", "HTTP/1.1 400 Bad Request\r\n\r\n", "neither Redis nor Valkey" },
    { "PING", "$-7\r\n", "" }, { "PING", "\r\n", "neither" },
    { "PING", NULL, "closed the connection" },
    { "PING", "", "does not answer in time" },
    { "SUBSCRIBE", "", "does not answer in time" },
    { "EVALSHA", "", "does not answer in time" },
    { "EVALSHA", NULL, "closed the connection" },
    { "SUBSCRIBE", "-NOPERM this user has no permissions to access the 'x' channel\r\n", "ACL" },
    { "EVALSHA", "-READONLY You can't write against a read only replica. script: 5f, on "
                 "@user_script:12.\r\n", "primary (\"READONLY You can't write against a read only "
                 "replica.\")" },
    { "EVALSHA", "-ERR Error running script (call to f_5f): @user_script:12: @user_script: 12: "
                 "-READONLY You can't write against a read only replica.\r\n", "name the primary" },
    { "EVALSHA", "-ERR Error running script (call to f_5f): @user_script:12: -OOM command not "
                 "allowed when used memory > 'maxmemory'.\r\n", "maxmemory" },
    { "EVALSHA", "-MISCONF Redis is configured to save RDB snapshots\r\n", "disk" },
    { "EVALSHA", "-NOREPLICAS Not enough good replicas to write.\r\n", "replicas" },
    { "EVALSHA", "-BUSY Redis is busy running a script.\r\n", "busy" },
    { "EVALSHA", "-CLUSTERDOWN The cluster is down\r\n", "cluster" },
    { "EVALSHA", "-MOVED 3999 10.0.0.7:6379\r\n", "MOVED 3999 10.0.0.7:6379" },
    { "EVALSHA", "-CROSSSLOT Keys in request don't hash to the same slot\r\n", "prefix={keywheel}" },
    { "EVALSHA", "-ERR unknown command 'EVALSHA'\r\n", "Redis 5 or later" },
    { "EVALSHA", "-SOMETHING new\x01\r\n", "SOMETHING new?" },
    { "EVALSHA", "+OK\r\n", "makes no sense" }, { "EVALSHA", "*0\r\n", "makes no sense" },
    { "EVALSHA", "*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n", "makes no sense" },
    { "EVALSHA", "*4\r\n$1\r\ne\r\n$1\r\nx\r\n$1\r\n0\r\n:0\r\n", "makes no sense" },
    { "EVALSHA", "*4\r\n$1\r\ne\r\n$0\r\n\r\n$1\r\n0\r\n:0\r\n", "makes no sense" },
    { "EVALSHA", "*5\r\n$1\r\ne\r\n$1\r\n0\r\n$1\r\n0\r\n:0\r\n:0\r\n", "makes no sense" },
  };

  for (size_t i = 0; i < STOREKIT_LEN (cases); i++) {
    const char *what[] = { cases[i][0], cases[i][1] };
    const int is_silent = cases[i][1] != NULL && cases[i][1][0] == '\0';
    int port = redisfake_start (refuse, what);
    /* Who answers is waited for. */
    struct storekit_how how = { .spec = spec,
                                .timeout_ms = is_silent ? rediskit_patience (150) : 0 };
    char text[512], place[64];
    snprintf (spec, sizeof spec, "redis://127.0.0.1:%d", port);
    snprintf (place, sizeof place, "redis://127.0.0.1:%d/0: ", port);
    int64_t began = storekit_ticks ();
    ck_assert_msg (try (&how, text, sizeof text) == KW_STORE_AWAY, "%zu", i);
    ck_assert_int_lt (storekit_ticks () - began, rediskit_patience (150) + STOREKIT_STILL_MS);
    ck_assert_msg (strncmp (text, place, strlen (place)) == 0
                   && strstr (text, cases[i][2]) != NULL,
                   "%zu: no \"%s\" in: %s", i, cases[i][2], text);
    redisfake_stop ();
  }
}
END_TEST

/* Redis repeats what it does not know. */
static const char *
repeat (int n, const char *words, void *user)
{
  (void) n, (void) words, (void) user;
  return "-ERR unknown command 'AUTH', with args beginning with: 'secret' \r\n";
}

START_TEST (a_password_that_the_server_repeats_is_not_told)
{
  snprintf (spec, sizeof spec, "redis://:secret@127.0.0.1:%d", redisfake_start (repeat, NULL));
  expect_away (spec, "refuses");
  redisfake_stop ();
}
END_TEST

/* A cluster of one node, as far as one is served. */
START_TEST (a_cluster_wants_a_prefix_with_a_tag)
{
  static const char *const on[] = { "--cluster-enabled", "yes", NULL };

  rediskit_stop ();
  rediskit_start (&(struct rediskit_how) { .bind = "127.0.0.1", .options = on });
  expect_away (at ("", ""), "cluster");
  rediskit_ask ("CLUSTER ADDSLOTSRANGE 0 16383");
  storekit_pass (10000);        /* for so long it takes nothing new */
  int64_t deadline = storekit_ticks () + 30000;
  while (strstr (rediskit_ask ("CLUSTER INFO"), "cluster_state:ok") == NULL)
    ck_assert (poll (NULL, 0, 10) == 0 && storekit_ticks () < deadline);
  expect_away (at ("", ""), "prefix={keywheel}:");
  expect_away (at ("", "/1"), "database 0 alone");
  expect_good (at ("", "?prefix={keywheel}:"));
}
END_TEST

START_TEST (a_replica_takes_nothing)
{
  rediskit_ask ("REPLICAOF 127.0.0.1 %d", 1);
  expect_away (at ("", ""), "name the primary");
  rediskit_ask ("REPLICAOF NO ONE");
  expect_good (at ("", ""));
}
END_TEST

START_TEST (a_database_that_is_not_there)
{
  expect_away (at ("", "/16"), "fewer databases");
}
END_TEST

/* ---- Servers that are not there -------------------------------------------------------------- */

START_TEST (nobody_listens)
{
  const char *where = at ("", "");

  rediskit_stop ();
  expect_away (where, "is the server running?");
  snprintf (spec, sizeof spec, "redis+unix://%s", rediskit_path ("nothing"));
  expect_away (spec, "not running");
  /* Or, where no resolver answers, that it does not. */
  const struct storekit_how how = { .spec = "redis://nobody.invalid",
                                    .timeout_ms = rediskit_patience (300) };
  char text[512];
  int64_t began = storekit_ticks ();
  ck_assert_int_eq (try (&how, text, sizeof text), KW_STORE_AWAY);
  storekit_expect_text (text, "\"nobody.invalid\" is");
  ck_assert_int_lt (storekit_ticks () - began, rediskit_patience (300) + STOREKIT_STILL_MS);
  rediskit_start (&(struct rediskit_how) { .bind = "127.0.0.1" });
  snprintf (spec, sizeof spec, "redis://localhost:%d", rediskit_port ());
  expect_good (spec);           /* by a name, some of whose addresses may refuse */
}
END_TEST

/* A listener whose queue is full answers nobody. */
START_TEST (a_connection_that_is_never_made_ends_in_time)
{
  struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t len = sizeof in;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), others[3];
  const struct storekit_how how = { .spec = spec, .timeout_ms = rediskit_patience (200) };
  char text[512];

  ck_assert_int_eq (bind (fd, (struct sockaddr *) &in, sizeof in), 0);
  ck_assert_int_eq (listen (fd, 0), 0);
  ck_assert_int_eq (getsockname (fd, (struct sockaddr *) &in, &len), 0);
  for (size_t i = 0; i < STOREKIT_LEN (others); i++) {
    others[i] = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void) connect (others[i], (struct sockaddr *) &in, sizeof in);
  }
  snprintf (spec, sizeof spec, "redis://127.0.0.1:%d", ntohs (in.sin_port));
  int64_t began = storekit_ticks ();
  ck_assert_int_eq (try (&how, text, sizeof text), KW_STORE_AWAY);
  storekit_expect_text (text, "firewall");
  ck_assert_int_ge (storekit_ticks () - began, 150);
  ck_assert_int_lt (storekit_ticks () - began, rediskit_patience (200) + STOREKIT_STILL_MS);
  for (size_t i = 0; i < STOREKIT_LEN (others); i++)
    close (others[i]);
  close (fd);
}
END_TEST

/* Stopped while connected: each call ends in time, also one that has much to
 * send, and the close. */
START_TEST (a_server_that_stands_still)
{
  const struct storekit_how how = { .spec = at ("", ""), .timeout_ms = rediskit_patience (200) };
  struct storekit *k = storekit_open (&how);
  struct kw_store_lease lease = { sizeof lease, 10, 5, 0, "l", 60000 };
  static struct kw_store_fact facts[5000];
  static char value[4001], names[5000][16];
  uint32_t granted;
  int64_t began;

  memset (value, 'v', sizeof value - 1);
  for (size_t i = 0; i < STOREKIT_LEN (facts); i++) {
    snprintf (names[i], sizeof names[i], "f %zu", i);
    facts[i] = (struct kw_store_fact) { names[i], value, 1, 0, STOREKIT_NEVER };
  }
  while (k->store->lease (k->handle, &lease, &granted, &k->why) != 0)
    storekit_reach (k);
  storekit_reach (k);
  rediskit_freeze (1);
  for (int i = 0; i < 2; i++) {
    began = storekit_ticks ();
    ck_assert_int_eq (storekit_sync (k, facts, i == 0 ? STOREKIT_LEN (facts) : 0, NULL, 0),
                      KW_STORE_AWAY);
    ck_assert_int_lt (storekit_ticks () - began, rediskit_patience (200) + STOREKIT_STILL_MS);
    storekit_expect_text (k->why.text, "in time");
  }
  began = storekit_ticks ();
  storekit_close (k);
  ck_assert_int_lt (storekit_ticks () - began, rediskit_patience (200) + STOREKIT_STILL_MS);
  rediskit_freeze (0);
  expect_good (at ("", ""));
}
END_TEST

/* ---- A bell that is silent for ever --------------------------------------------------------- */

/* Shared with the fake, which is another process: its latest connection, and up to
 * which one they answer no PING any more. */
struct silence {
  int latest, up_to;
};

static const char *
fall_silent (int n, const char *words, void *user)
{
  struct silence *s = user;

  s->latest = n > s->latest ? n : s->latest;
  return n <= s->up_to && strstr (words, "PING") != NULL ? "" : redisfake_sound (words);
}

/* The peer of the channel's connection has vanished without a word: whoever polls
 * is woken after a pause, and another connection is made. */
START_TEST (a_bell_that_is_silently_dead_is_noticed)
{
  int64_t began = storekit_ticks ();
  struct silence *s = storekit_shared (sizeof *s);
  struct storekit *k;
  int dead;

  s->up_to = -1;
  snprintf (spec, sizeof spec, "redis://127.0.0.1:%d", redisfake_start (fall_silent, s));
  k = storekit_open (&(struct storekit_how) { .spec = spec, .timeout_ms = rediskit_patience (200) });
  storekit_reach (k);
  s->up_to = s->latest;
  dead = k->store->fd (k->handle);
  ck_assert_int_eq (fcntl (dead, F_SETFD, 0), 0);
  ck_assert_int_eq (storekit_stirs (k, 10000), 1);
  ck_assert_int_ge (storekit_ticks () - began, 900);
  storekit_reach (k);
  ck_assert_msg (k->store->fd (k->handle) != dead || fcntl (dead, F_GETFD) == FD_CLOEXEC,
                 "it is still the same");
  ck_assert_int_lt (storekit_ticks () - began, rediskit_patience (5000) + STOREKIT_STILL_MS);
  /* That one answers. */
  ck_assert_int_eq (storekit_stirs (k, 10000), 1);
  storekit_reach (k);
  storekit_close (k);
  redisfake_stop ();
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("redis_away");
  TCase *t = tcase_create ("away");

  tcase_add_checked_fixture (t, begin, rediskit_end);
  tcase_set_timeout (t, 60);
  tcase_add_test (t, passwords);
  tcase_add_test (t, a_password_file_is_read_for_each_connection);
  tcase_add_test (t, the_manuals_acl_is_enough);
  tcase_add_test (t, an_acl_that_is_too_narrow_is_pointed_at);
  tcase_add_test (t, refusals_say_what_to_do);
  tcase_add_test (t, a_password_that_the_server_repeats_is_not_told);
  tcase_add_test (t, a_cluster_wants_a_prefix_with_a_tag);
  tcase_add_test (t, a_replica_takes_nothing);
  tcase_add_test (t, a_database_that_is_not_there);
  tcase_add_test (t, nobody_listens);
  tcase_add_test (t, a_connection_that_is_never_made_ends_in_time);
  tcase_add_test (t, a_server_that_stands_still);
  tcase_add_test (t, a_bell_that_is_silently_dead_is_noticed);
  suite_add_tcase (s, t);
  return s;
}

REDISKIT_MAIN (suite)

/* test_redis_spec - what may stand behind "state = redis://...", where it says the
 * server is, and what is said of what may not; no server is asked. */
#include "rediskit.h"

#include <string.h>
#include <sys/stat.h>

static void
begin (void)
{
  storekit_backing = &rediskit_backing;
  rediskit_write ("pw", "hunter2\n");
}

/* With the folder as the one that paths begin in. */
static int
try (const char *spec, struct storekit *k)
{
  const struct storekit_how how = { .spec = spec, .dir = rediskit_folder () };

  return storekit_try (&how, k);
}

START_TEST (good_ones_say_where_it_is)
{
  static const struct { const char *spec, *where; } cases[] = {
    { "redis://h", "redis://h:6379/0" },
    { "redis://h/", "redis://h:6379/0" },
    { "redis://h?", "redis://h:6379/0" },
    { "redis://h/?", "redis://h:6379/0" },
    { "redis://h:1", "redis://h:1/0" },
    { "redis://h:65535/15", "redis://h:65535/15" },
    { "redis://10.0.0.5:6379/0", "redis://10.0.0.5:6379/0" },
    { "redis://[2001:db8::1]", "redis://[2001:db8::1]:6379/0" },
    { "redis://[::1]:7000/2", "redis://[::1]:7000/2" },
    { "redis://:secret@h", "redis://h:6379/0" },
    { "redis://:secret@[::1]:1/3", "redis://[::1]:1/3" },
    { "redis://me:secret@h:1", "redis://h:1/0" },
    { "redis://me:se:cret@h:1", "redis://h:1/0" },
    { "redis://m%40e:s%2Fe%3fcr%25et@h:1", "redis://h:1/0" },
    { "redis://:se@cret@h:1", "redis://h:1/0" },
    { "redis://@h", "redis://h:6379/0" },
    { "redis://:@h", "redis://h:6379/0" },
    { "redis://me@h?password_file=pw", "redis://h:6379/0" },
    { "redis://h?password_file=pw", "redis://h:6379/0" },
    { "redis://h?db=7", "redis://h:6379/7" },
    { "redis://h/7?db=7", "redis://h:6379/7" },
    { "redis://h/65535", "redis://h:6379/65535" },
    { "redis://h?prefix=team-a:", "redis://h:6379/0?prefix=team-a:" },
    { "redis://h?prefix=%7Bkw%7D:&db=1", "redis://h:6379/1?prefix={kw}:" },
    { "redis://h?prefix=a@b", "redis://h:6379/0?prefix=a@b" },
    { "redis://h?&prefix=p&&", "redis://h:6379/0?prefix=p" },
    { "rediss://h", "rediss://h:6379/0" },
    { "redis+unix:///run/redis.sock", "redis+unix:///run/redis.sock?db=0" },
    { "redis+unix:/run/redis.sock", "redis+unix:///run/redis.sock?db=0" },
    { "unix:///run/redis.sock?db=3&prefix=p", "redis+unix:///run/redis.sock?db=3&prefix=p" },
    { "redis+unix:///a%20b%3Fc", "redis+unix:///a b?c?db=0" },
  };

  for (size_t i = 0; i < STOREKIT_LEN (cases); i++) {
    struct storekit k;
    int rc = try (cases[i].spec, &k);
    ck_assert_msg (rc == 0, "%s: %s", cases[i].spec, k.why.text);
    const char *where = k.store->where (k.handle);
    ck_assert_msg (strcmp (where, cases[i].where) == 0, "%s: %s", cases[i].spec, where);
    ck_assert_int_eq (k.store->fd (k.handle), -1);
    k.store->close (k.handle);
  }
}
END_TEST

START_TEST (bad_ones_say_what_is_wrong)
{
  static const struct { const char *spec, *part; } cases[] = {
    { "redis", "allowed is redis://" },
    { "redis:", "//HOST" },
    { "redis:h", "//HOST" },
    { "redis:/h", "//HOST" },
    { "redis://", "no host" },
    { "redis:///0", "no host" },
    { "redis://:6379", "no host" },
    { "redis://secret@", "no host" }, { "redis://secret@h", "without a password" },
    { "redis://u:secret@", "no host" },
    { "redis://u:secret@:1", "no host" },
    { "redis://h:", "port is a number from 1 to 65535" },
    { "redis://h:0", "port" }, { "redis://h:65536", "port" }, { "redis://h:x", "port" },
    { "redis://h:1x", "port" }, { "redis://h:-1", "port" }, { "redis://h: 1", "port" },
    { "redis://::1", "[2001:db8::1]" }, { "redis://[::1", "without a ']'" },
    { "redis://[::1]x", "]" }, { "redis://[]:1", "no host" },
    { "redis://h/x", "database is a number from 0 to 65535, not \"x\"" },
    { "redis://h/-1", "database" }, { "redis://h/65536", "database" },
    { "redis://h/0/1", "database" }, { "redis://h?db=", "database" },
    { "redis://h/1?db=2", "twice" },
    { "redis://h?what=1", "\"what\" is unknown; there are prefix, password_file" },
    { "redis://h?Prefix=x", "\"Prefix\" is unknown" }, { "redis://h?dbx=1", "unknown" },
    { "redis://h?prefix=", "prefix is 1 to 100" }, { "redis://h?prefix", "prefix is 1 to 100" },
    { "redis://h?prefix=a%20b", "prefix" }, { "redis://h?prefix=%C3%A9", "prefix" },
    { "redis://h?prefix=a&prefix=b", "prefix is given twice" },
    { "redis://h?password_file=", "names no file" },
    { "redis://h?password_file=pw&password_file=pw", "password_file is given twice" },
    { "redis://h?password_file=missing", "missing cannot be read: No such file" },
    { "redis://h?password_file=.", "Is a directory" },
    { "redis://h?password_file=empty", "is empty" },
    { "redis://h?password_file=long", "longer than 4096" },
    { "redis://h?password_file=lines", "more than one line" },
    { "redis://:secret@h?password_file=pw", "leave one of them out" },
    { "redis://h?ca_file=pw", "ca_file is for TLS" },
    { "redis+unix:///s?cert_file=pw", "cert_file is for TLS" },
    { "rediss://h?ca_file=pw", "ca_file cannot be used" },
    { "rediss://h?ca_file=missing", "ca_file cannot be used" },
    { "rediss://h?cert_file=pw", "key_file is missing" },
    { "rediss://h?key_file=pw", "cert_file is missing" },
    { "rediss://h?cert_file=pw&key_file=pw", "cert_file cannot be used" },
    { "redis://%zz@h", "two hexadecimal digits" }, { "redis://u:secret%2@h", "two hexadecimal" },
    { "redis://u:secret%0a@h", "control character" }, { "redis://u:secret%00@h", "control" },
    { "redis://%", "two hexadecimal" }, { "redis+unix://s", "has to begin with '/'" },
    { "redis+unix:", "has to begin with '/'" }, { "redis+unix:///", "has to begin with '/'" },
    /* A password with what should have been written otherwise. */
    { "redis://:sec/ret@h:1/0", "%2F" }, { "redis://u:sec/ret@h", "%2F" },
    { "redis://:sec?ret@h", "%3F" }, { "redis://u:1?secret=@h", "%3F" },
    { "redis://u:1/secret@h", "%2F" }, { "redis://u:1/0?secret=@h", "%3F" },
    { "redis://se:cr:et", "@" },
  };
  char text[5002];

  rediskit_write ("empty", "\n");
  rediskit_write ("lines", "one\ntwo\n");
  memset (text, 'x', 4097);
  text[4097] = '\0';
  rediskit_write ("long", text);
  for (size_t i = 0; i < STOREKIT_LEN (cases); i++) {
    struct storekit k;
    int rc = try (cases[i].spec, &k);
    ck_assert_msg (rc == KW_STORE_USAGE, "%s: %d %s", cases[i].spec, rc, k.why.text);
    ck_assert_msg (strstr (k.why.text, cases[i].part) != NULL, "%s: %s", cases[i].spec,
                   k.why.text);
    ck_assert_msg (strstr (k.why.text, "sec") == NULL && strstr (k.why.text, "ret") == NULL,
                   "%s: the password is told: %s", cases[i].spec, k.why.text);
    ck_assert_msg (strstr (k.why.text, "hunter") == NULL, "%s: %s", cases[i].spec, k.why.text);
  }
}
END_TEST

/* However it is cut off: no crash, and an error has a text. */
START_TEST (any_part_of_one_is_taken_or_refused)
{
  static const char whole[] =
    "rediss://m%40e:p%2Fw@[2001:db8::1]:6380/3?prefix=%7Bkw%7D:&password_file=pw&db=3";
  char part[sizeof whole];

  for (size_t from = 0; from < sizeof whole; from++)
    for (size_t len = 0; from + len < sizeof whole; len++) {
      struct storekit k;
      snprintf (part, sizeof part, "%.*s", (int) len, whole + from);
      int rc = try (part, &k);
      ck_assert_msg (rc == 0 || rc == KW_STORE_USAGE, "%s: %d", part, rc);
      if (rc == 0)
        k.store->close (k.handle);
    }
}
END_TEST

/* A FIFO that nobody writes to is waited for by nobody. */
START_TEST (a_password_file_that_is_a_pipe_is_refused)
{
  struct storekit k;

  ck_assert_int_eq (mkfifo (rediskit_path ("pipe"), 0600), 0);
  ck_assert_int_eq (try ("redis://h?password_file=pipe", &k), KW_STORE_USAGE);
  storekit_expect_text (k.why.text, "cannot be read");
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("redis_spec");
  TCase *t = tcase_create ("spec");

  tcase_add_checked_fixture (t, begin, rediskit_clear);
  tcase_set_timeout (t, 60);
  tcase_add_test (t, good_ones_say_where_it_is);
  tcase_add_test (t, bad_ones_say_what_is_wrong);
  tcase_add_test (t, any_part_of_one_is_taken_or_refused);
  tcase_add_test (t, a_password_file_that_is_a_pipe_is_refused);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (suite)

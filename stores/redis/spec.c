/* spec - what stands behind "state =" (see spec.h).
 *
 * A password with a bare '/' or '?' in it looks like a host and a path.  So no
 * text says anything of what it found in front of the last '@', wherever that
 * stands, and then nothing of the rest either. */
#include "spec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS "prefix, password_file, ca_file, cert_file, key_file and db"
#define FORMS \
  "redis://[USER[:PASSWORD]@]HOST[:PORT][/DB][?OPTION=VALUE&...], rediss://... for TLS, " \
  "or redis+unix:///PATH/TO/SOCKET[?OPTION=VALUE&...]"
#define V6 "an IPv6 address is written [2001:db8::1]"
#define ESCAPED " (in a user or a password %, /, ?, : and @ are written %25, %2F, %3F, %3A, %40)"

enum { PREFIX_MAX = 100, FIELD_MAX = 1000, DB_MAX = 65535 };

struct reading {
  const struct kw_store_setup *setup;
  struct redis_spec *spec;
  struct kw_store_error *why;
  int discreet;                 /* nothing is quoted                      */
  int nomem;
};

static int
usage (struct reading *r, const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  int n = vsnprintf (r->why->text, sizeof r->why->text, fmt, ap);
  va_end (ap);
  if (n < 0)
    r->why->text[0] = '\0';
  else if (r->discreet && (size_t) n < sizeof r->why->text)
    snprintf (r->why->text + n, sizeof r->why->text - (size_t) n, "%s", ESCAPED);
  return KW_STORE_USAGE;
}

static char *
keep (struct reading *r, char *s)
{
  if (s == NULL)
    r->nomem = 1;
  return s;
}

static char *
joined (struct reading *r, const char *fmt, ...)
{
  char *s = NULL;
  va_list ap;

  va_start (ap, fmt);
  if (vasprintf (&s, fmt, ap) < 0)
    s = NULL;
  va_end (ap);
  return keep (r, s);
}

/* ---- Pieces ---------------------------------------------------------------- */

static int
hex_digit (char c)
{
  const char *digits = "0123456789abcdef0123456789ABCDEF";
  const char *at = c != '\0' ? strchr (digits, c) : NULL;

  return at != NULL ? (int) (at - digits) % 16 : -1;
}

/* Without its %XX; control characters are nothing's part.  0 or usage; what is
 * its name in the text. */
static int
decode (struct reading *r, const char *what, const char *s, size_t n, char **ret)
{
  char *out = keep (r, malloc (n + 1)), *to = out;

  if (out == NULL)
    return KW_STORE_AWAY;
  for (size_t i = 0; i < n; i++) {
    int c = (unsigned char) s[i];
    if (c == '%') {
      int high = i + 2 < n ? hex_digit (s[i + 1]) : -1;
      int low = i + 2 < n ? hex_digit (s[i + 2]) : -1;
      c = high < 0 || low < 0 ? -1 : high * 16 + low;
      i += 2;
    }
    if (c < ' ' || c == 0x7f) {
      *to = '\0';
      redis_forget (out);
      return usage (r, c < 0 ? "the %s has a '%%' without two hexadecimal digits behind it: "
                               "a '%%' itself is written %%25"
                             : "the %s has a control character in it", what);
    }
    *to++ = (char) c;
  }
  *to = '\0';
  if (to - out > FIELD_MAX) {
    redis_forget (out);
    return usage (r, "the %s is longer than %d bytes", what, FIELD_MAX);
  }
  *ret = out;
  return 0;
}

/* Digits alone, from min to max. */
static int
is_number (const char *s, size_t n, long min, long max)
{
  long v = 0;

  if (n == 0 || n > 6)
    return 0;
  for (size_t i = 0; i < n; i++) {
    if (s[i] < '0' || s[i] > '9')
      return 0;
    v = v * 10 + (s[i] - '0');
  }
  return v >= min && v <= max;
}

static int
read_db (struct reading *r, const char *s, size_t n)
{
  if (!is_number (s, n, 0, DB_MAX))
    return r->discreet
      ? usage (r, "the database is a number from 0 to %d", DB_MAX)
      : usage (r, "the database is a number from 0 to %d, not \"%.*s\"", DB_MAX,
               n < 60 ? (int) n : 60, s);
  if (r->spec->db != NULL && (strlen (r->spec->db) != n || strncmp (r->spec->db, s, n) != 0))
    return usage (r, "the database is given twice, and not the same: once is enough");
  free (r->spec->db);
  r->spec->db = keep (r, strndup (s, n));
  return 0;
}

/* ---- In front of the path --------------------------------------------------- */

static int
read_login (struct reading *r, const char *s, size_t n)
{
  const char *colon = memchr (s, ':', n);
  size_t user = colon != NULL ? (size_t) (colon - s) : n;
  int rc = 0;

  if (user > 0)
    rc = decode (r, "user", s, user, &r->spec->user);
  if (rc == 0 && colon != NULL && n - user > 1)
    rc = decode (r, "password", colon + 1, n - user - 1, &r->spec->password);
  return rc;
}

/* host, [address], either with :port. */
static int
read_place (struct reading *r, const char *s, size_t n)
{
  const char *end = s + n, *host = s, *port = NULL;
  size_t len;

  if (n > 0 && *s == '[') {
    const char *bracket = memchr (s, ']', n);
    if (bracket == NULL)
      return usage (r, "the host has a '[' without a ']': " V6);
    host = s + 1;
    len = (size_t) (bracket - host);
    if (bracket + 1 < end && bracket[1] != ':')
      return usage (r, "between the host's ']' and the end there can be a :PORT only");
    port = bracket + 1 < end ? bracket + 2 : NULL;
  } else {
    const char *colon = memchr (s, ':', n);
    len = colon != NULL ? (size_t) (colon - s) : n;
    port = colon != NULL ? colon + 1 : NULL;
    if (port != NULL && memchr (port, ':', (size_t) (end - port)) != NULL)
      return usage (r, "the host has several ':': " V6 ", and behind a password there is "
                       "an '@'");
  }
  if (len == 0)
    return usage (r, "no host is named; allowed is " FORMS);
  if (port != NULL && !is_number (port, (size_t) (end - port), 1, 65535))
    return usage (r, "the port is a number from 1 to 65535");
  int rc = decode (r, "host", host, len, &r->spec->host);
  if (rc == 0)
    r->spec->port = keep (r, port != NULL ? strndup (port, (size_t) (end - port))
                                          : strdup ("6379"));
  return rc;
}

/* ---- Options ------------------------------------------------------------------ */

static int
read_prefix (struct reading *r, const char *s, size_t n)
{
  char *prefix = NULL;
  int rc = decode (r, "prefix", s, n, &prefix);

  if (rc != 0)
    return rc;
  size_t len = strlen (prefix), fine = 0;
  while (prefix[fine] > ' ' && prefix[fine] < 0x7f)
    fine++;
  if (len == 0 || len > PREFIX_MAX || fine < len) {
    free (prefix);
    return usage (r, "the prefix is 1 to %d characters of printable ASCII without blanks",
                  PREFIX_MAX);
  }
  r->spec->prefix = prefix;
  return 0;
}

static int
read_path (struct reading *r, const char *name, const char *s, size_t n, char **ret)
{
  char *path = NULL;
  int rc = n == 0 ? usage (r, "the option %s names no file", name)
                  : decode (r, name, s, n, &path);

  if (rc != 0)
    return rc;
  if (path[0] == '/' || r->setup->dir == NULL) {
    *ret = path;
    return 0;
  }
  *ret = joined (r, "%s/%s", r->setup->dir, path);
  free (path);
  return 0;
}

static int
read_option (struct reading *r, const char *s, size_t n)
{
  struct redis_spec *spec = r->spec;
  const struct { const char *name; char **to; int tls; } files[] = {
    { "password_file", &spec->password_file, 0 }, { "ca_file", &spec->ca_file, 1 },
    { "cert_file", &spec->cert_file, 1 }, { "key_file", &spec->key_file, 1 },
  };
  const char *eq = memchr (s, '=', n);
  size_t len = eq != NULL ? (size_t) (eq - s) : n;
  const char *value = eq != NULL ? eq + 1 : s + n;
  size_t value_len = (size_t) (s + n - value);

  if (len == 2 && strncmp (s, "db", 2) == 0)
    return read_db (r, value, value_len);
  if (len == 6 && strncmp (s, "prefix", 6) == 0)
    return spec->prefix != NULL ? usage (r, "the option prefix is given twice")
                                : read_prefix (r, value, value_len);
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    if (len != strlen (files[i].name) || strncmp (s, files[i].name, len) != 0)
      continue;
    if (*files[i].to != NULL)
      return usage (r, "the option %s is given twice", files[i].name);
    if (files[i].tls && !spec->tls)
      return usage (r, "the option %s is for TLS: the state has to begin with rediss://",
                    files[i].name);
    return read_path (r, files[i].name, value, value_len, files[i].to);
  }
  return r->discreet
    ? usage (r, "an option is unknown; there are " OPTIONS)
    : usage (r, "the option \"%.*s\" is unknown; there are " OPTIONS,
             len < 60 ? (int) len : 60, s);
}

static int
read_options (struct reading *r, const char *s)
{
  int rc = 0;

  while (rc == 0 && *s != '\0') {
    size_t n = strcspn (s, "&");
    if (n > 0)
      rc = read_option (r, s, n);
    s += n + (s[n] == '&');
  }
  return rc;
}

/* ---- All of it ---------------------------------------------------------------- */

static int
read_socket (struct reading *r, const char *s)
{
  size_t n = strcspn (s, "?");

  r->spec->is_unix = 1;
  if (strncmp (s, "//", 2) == 0) {
    s += 2;
    n -= 2;
  }
  if (*s != '/' || n < 2)
    return usage (r, "the socket's path has to begin with '/'; allowed is "
                     "redis+unix:///PATH/TO/SOCKET[?OPTION=VALUE&...]");
  int rc = decode (r, "socket's path", s, n, &r->spec->host);
  return rc != 0 || s[n] == '\0' ? rc : read_options (r, s + n + 1);
}

static int
read_server (struct reading *r, const char *s)
{
  if (strncmp (s, "//", 2) != 0)
    return usage (r, "behind the scheme there has to be //HOST; allowed is " FORMS);
  s += 2;
  size_t n = strcspn (s, "/?");
  const char *at = memrchr (s, '@', n);
  int rc = 0;

  r->discreet = strchr (s + n, '@') != NULL;
  if (at != NULL)
    rc = read_login (r, s, (size_t) (at - s));
  if (rc == 0) {
    size_t skip = at != NULL ? (size_t) (at - s) + 1 : 0;
    rc = read_place (r, s + skip, n - skip);
  }
  s += n;
  if (rc == 0 && *s == '/') {
    n = strcspn (++s, "?");
    if (n > 0)
      rc = read_db (r, s, n);
    s += n;
  }
  return rc != 0 || *s == '\0' ? rc : read_options (r, s + 1);
}

/* What only all of it together shows. */
static int
finish (struct reading *r)
{
  struct redis_spec *spec = r->spec;

  if (spec->password != NULL && spec->password_file != NULL)
    return usage (r, "there is a password and a password_file: leave one of them out");
  if (spec->user != NULL && spec->password == NULL && spec->password_file == NULL)
    return usage (r, "there is a user without a password: add ?password_file=FILE, or write "
                     "USER:PASSWORD@ (:PASSWORD@ without a user)");
  if ((spec->cert_file != NULL) != (spec->key_file != NULL))
    return usage (r, "cert_file and key_file go together: %s is missing",
                  spec->cert_file != NULL ? "key_file" : "cert_file");
  if (spec->db == NULL)
    spec->db = keep (r, strdup ("0"));
  const char *mark = spec->prefix != NULL ? "prefix=" : "";
  if (spec->prefix == NULL)
    spec->prefix = keep (r, strdup ("keywheel:"));
  if (r->nomem)
    return KW_STORE_AWAY;
  const char *prefix = *mark != '\0' ? spec->prefix : "";
  int v6 = spec->port != NULL && strchr (spec->host, ':') != NULL;
  spec->where = spec->is_unix
    ? joined (r, "redis+unix://%s?db=%s%s%s%s", spec->host, spec->db, *mark ? "&" : "", mark,
              prefix)
    : joined (r, "redis%s://%s%s%s:%s/%s%s%s%s", spec->tls ? "s" : "", v6 ? "[" : "", spec->host,
              v6 ? "]" : "", spec->port, spec->db, *mark ? "?" : "", mark, prefix);
  return r->nomem ? KW_STORE_AWAY : 0;
}

int
redis_spec_read (const struct kw_store_setup *setup, struct redis_spec *ret,
                 struct kw_store_error *why)
{
  static const struct { const char *scheme; int tls, is_unix; } schemes[] = {
    { "redis", 0, 0 }, { "rediss", 1, 0 }, { "redis+unix", 0, 1 }, { "unix", 0, 1 },
  };
  struct redis_spec spec = { 0 };
  struct reading r = { .setup = setup, .spec = &spec, .why = why };
  size_t n = strcspn (setup->spec, ":"), i = 0, known = sizeof schemes / sizeof schemes[0];
  int rc;

  while (i < known && (strlen (schemes[i].scheme) != n
                       || strncmp (schemes[i].scheme, setup->spec, n) != 0))
    i++;
  if (i == known || setup->spec[n] == '\0')
    rc = usage (&r, "no server is named; allowed is " FORMS);
  else {
    spec.tls = schemes[i].tls;
    rc = schemes[i].is_unix ? read_socket (&r, setup->spec + n + 1)
                            : read_server (&r, setup->spec + n + 1);
  }
  if (rc == 0)
    rc = finish (&r);
  if (r.nomem) {
    usage (&r, "there is no memory left");
    rc = KW_STORE_AWAY;
  }
  if (rc != 0)
    redis_spec_clear (&spec);
  else
    *ret = spec;
  return rc;
}

void
redis_spec_clear (struct redis_spec *spec)
{
  redis_forget (spec->password);
  char *const rest[] = {
    spec->host, spec->port, spec->db, spec->user, spec->prefix, spec->password_file,
    spec->ca_file, spec->cert_file, spec->key_file, spec->where,
  };
  for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++)
    free (rest[i]);
  memset (spec, 0, sizeof *spec);
}

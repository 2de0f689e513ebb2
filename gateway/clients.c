/* clients - the file of tokens, and the bounds on each (see clients.h).
 *
 * A line of the file: NAME HASH [ATTRIBUTE...], with blanks between; # begins a
 * comment. */
#include "clients.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sodium.h>

#include "cli.h"

#define BLANKS " \t\r\n"
#define ALLOWED "admin, requests_per_minute=N, concurrency=N"

/* After a reload two tables have it for a while. */
struct gw_use {
  pthread_mutex_t lock;
  int tables;
  int64_t in_flight;
  double left;                  /* requests that may come at once         */
  int64_t left_at_ms;           /* when that was so                       */
};

struct reading {
  struct gw_clients *clients;
  const struct gw_settings *settings;
  const char *path;
  int line;
  char *text;
  size_t size;
};

static int __attribute__ ((__format__ (__printf__, 2, 3)))
fail (const struct reading *r, const char *fmt, ...)
{
  va_list ap;
  int n = snprintf (r->text, r->size, r->line > 0 ? "%s:%d: " : "%s: ", r->path, r->line);

  va_start (ap, fmt);
  if (n > 0 && (size_t) n < r->size)
    (void) vsnprintf (r->text + n, r->size - (size_t) n, fmt, ap);
  va_end (ap);
  return -1;
}

/* ---- Reading ------------------------------------------------------------------- */

static struct gw_use *
new_use (void)
{
  struct gw_use *use = calloc (1, sizeof *use);

  if (use == NULL)
    return NULL;
  (void) pthread_mutex_init (&use->lock, NULL);
  use->tables = 1;
  return use;
}

static struct gw_use *
hold (struct gw_use *use)
{
  (void) pthread_mutex_lock (&use->lock);
  use->tables++;
  (void) pthread_mutex_unlock (&use->lock);
  return use;
}

static void
drop (struct gw_use *use)
{
  int left;

  (void) pthread_mutex_lock (&use->lock);
  left = --use->tables;
  (void) pthread_mutex_unlock (&use->lock);
  if (left > 0)
    return;
  (void) pthread_mutex_destroy (&use->lock);
  free (use);
}

static struct gw_client *
add (struct reading *r)
{
  struct gw_client *of = reallocarray (r->clients->of, r->clients->n + 1, sizeof *of);
  struct gw_use *use;

  if (of == NULL)
    return NULL;
  r->clients->of = of;
  use = new_use ();
  if (use == NULL)
    return NULL;
  of += r->clients->n++;
  *of = (struct gw_client) {
    .use = use,
    .per_minute = r->settings->requests_per_minute,
    .concurrency = r->settings->concurrency,
  };
  return of;
}

/* "name=12": 1 and *ret, 0: another name, -1: no number. */
static int
number (const char *word, const char *name, int64_t *ret)
{
  size_t len = strlen (name);
  char *end;

  if (strncmp (word, name, len) != 0 || word[len] != '=')
    return 0;
  word += len + 1;
  if (word[0] < '0' || word[0] > '9')
    return -1;
  errno = 0;
  *ret = strtoll (word, &end, 10);
  return errno == 0 && *end == '\0' && *ret <= 1000000 ? 1 : -1;
}

static int
read_attribute (struct reading *r, struct gw_client *c, const char *word)
{
  int found = strcmp (word, "admin") == 0;

  if (found)
    c->admin = 1;
  if (!found)
    found = number (word, "requests_per_minute", &c->per_minute);
  if (found == 0)
    found = number (word, "concurrency", &c->concurrency);
  return found == 1 ? 0 : fail (r, "\"%s\" is not understood; allowed: " ALLOWED, word);
}

static const struct gw_client *
find_name (const struct gw_clients *clients, const char *name)
{
  for (size_t i = 0; i < clients->n; i++)
    if (strcmp (clients->of[i].name, name) == 0)
      return &clients->of[i];
  return NULL;
}

/* As it may stand in a log and in a metric. */
static int
is_name (const char *name)
{
  size_t len = strlen (name);

  for (size_t i = 0; i < len; i++)
    if ((unsigned char) name[i] < 0x20 || name[i] == 0x7f)
      return 0;
  return cli_utf8_valid (name, len) == len;
}

static const struct gw_client *
find_same_token (const struct gw_clients *clients, const struct gw_client *c)
{
  for (const struct gw_client *other = clients->of; other < c; other++)
    if (sodium_memcmp (other->hash, c->hash, GW_HASH_BYTES) == 0)
      return other;
  return NULL;
}

static int
read_line (struct reading *r, char *line)
{
  char *rest = NULL;
  char *name, *hash, *word;
  const struct gw_client *same;
  struct gw_client *c;

  line[strcspn (line, "#")] = '\0';
  name = strtok_r (line, BLANKS, &rest);
  if (name == NULL)
    return 0;
  hash = strtok_r (NULL, BLANKS, &rest);
  if (strlen (name) >= sizeof c->name)
    return fail (r, "a name has 63 characters at most");
  if (!is_name (name))
    return fail (r, "a name is UTF-8 without control characters");
  if (find_name (r->clients, name) != NULL)
    return fail (r, "\"%s\" is there twice; give each client a name of its own", name);
  c = add (r);
  if (c == NULL)
    return fail (r, "out of memory");
  memcpy (c->name, name, strlen (name) + 1);
  if (hash == NULL || gw_token_hash_parse (hash, strlen (hash), c->hash) != 0)
    return fail (r, "behind the name the token's hash is missing; keywheel token new makes "
                 "such a line");
  same = find_same_token (r->clients, c);
  if (same != NULL)
    return fail (r, "\"%s\" has the token of \"%s\", and which of them it is nobody could "
                 "tell", name, same->name);
  while ((word = strtok_r (NULL, BLANKS, &rest)) != NULL)
    if (read_attribute (r, c, word) != 0)
      return -1;
  return 0;
}

static int
read_file (struct reading *r, FILE *f)
{
  struct stat st;
  char *line = NULL;
  ssize_t len;
  size_t size = 0;
  int bad = 0;

  if (fstat (fileno (f), &st) == 0 && (st.st_mode & S_IWOTH) != 0)
    return fail (r, "everybody on this machine can write it, and so let himself in");
  while (bad == 0 && (len = getline (&line, &size, f)) >= 0) {
    r->line++;
    bad = memchr (line, '\0', (size_t) len) != NULL ? fail (r, "it has a NUL in it")
                                                     : read_line (r, line);
  }
  r->line = 0;
  if (bad == 0 && ferror (f) != 0)
    bad = fail (r, "%s", strerror (errno));
  free (line);
  if (bad == 0 && r->clients->n == 0)
    bad = fail (r, "has no client in it; keywheel token new makes one");
  return bad;
}

static int
load (struct reading *r)
{
  struct gw_client *local;
  FILE *f;
  int bad;

  r->clients->by_token = r->path != NULL;
  if (r->path == NULL) {
    local = add (r);
    if (local == NULL)
      return -1;
    memcpy (local->name, "local", sizeof "local");
    return 0;
  }
  f = fopen (r->path, "re");
  if (f == NULL)
    return fail (r, "%s", strerror (errno));
  bad = read_file (r, f);
  (void) fclose (f);
  return bad;
}

int
gw_clients_load (struct gw_clients *clients, const struct gw_settings *settings, char *text,
                 size_t size)
{
  struct reading r = { .clients = clients, .settings = settings,
                       .path = settings->client_tokens, .text = text, .size = size };

  *clients = (struct gw_clients) { 0 };
  text[0] = '\0';
  if (sodium_init () >= 0 && load (&r) == 0)
    return 0;
  gw_clients_clear (clients);
  return -1;
}

void
gw_clients_clear (struct gw_clients *clients)
{
  for (size_t i = 0; i < clients->n; i++)
    drop (clients->of[i].use);
  free (clients->of);
  *clients = (struct gw_clients) { 0 };
}

/* ---- Another reading --------------------------------------------------------------- */

/* Who has another name now, and nobody has his. */
static const struct gw_client *
find_hash (const struct gw_clients *clients, const struct gw_clients *now,
           const unsigned char hash[GW_HASH_BYTES])
{
  for (size_t i = 0; i < clients->n; i++)
    if (sodium_memcmp (clients->of[i].hash, hash, GW_HASH_BYTES) == 0
        && find_name (now, clients->of[i].name) == NULL)
      return &clients->of[i];
  return NULL;
}

void
gw_clients_inherit (struct gw_clients *clients, const struct gw_clients *from)
{
  for (size_t i = 0; i < clients->n; i++) {
    struct gw_client *c = &clients->of[i];
    const struct gw_client *before = find_name (from, c->name);
    if (before == NULL)
      before = find_hash (from, clients, c->hash);
    if (before == NULL)
      continue;
    drop (c->use);
    c->use = hold (before->use);
  }
}

/* ---- Knowing them ---------------------------------------------------------------- */

struct gw_client *
gw_clients_find (struct gw_clients *clients, const char *token, size_t len)
{
  unsigned char hash[GW_HASH_BYTES];
  struct gw_client *found = NULL;

  gw_token_hash (token, len, hash);
  /* All are compared, so that the time tells nothing of which it is. */
  for (size_t i = 0; i < clients->n; i++)
    if (sodium_memcmp (clients->of[i].hash, hash, sizeof hash) == 0)
      found = &clients->of[i];
  return found;
}

/* ---- Their bounds ------------------------------------------------------------------ */

/* A bucket that holds a minute's requests and fills up again in one. */
static double
refilled (const struct gw_client *c, int64_t now_ms)
{
  const struct gw_use *use = c->use;
  double most = (double) c->per_minute;
  double left = use->left_at_ms == 0
                  ? most
                  : use->left + most * (double) (now_ms - use->left_at_ms) / 60000.0;

  return left < most ? left : most;
}

/* 0: too many are under way; -1: too many came in this minute. */
static int
enter (const struct gw_client *c, int64_t now_ms)
{
  struct gw_use *use = c->use;

  if (c->concurrency > 0 && use->in_flight >= c->concurrency)
    return 0;
  if (c->per_minute > 0) {
    use->left = refilled (c, now_ms);
    use->left_at_ms = now_ms;
    if (use->left < 1.0)
      return -1;
    use->left -= 1.0;
  }
  use->in_flight++;
  return 1;
}

int
gw_client_enter (struct gw_client *c, int64_t now_ms, struct gw_error *e)
{
  int64_t in_flight;
  double left;
  int may;

  (void) pthread_mutex_lock (&c->use->lock);
  may = enter (c, now_ms);
  in_flight = c->use->in_flight;
  left = c->use->left;
  (void) pthread_mutex_unlock (&c->use->lock);
  if (may > 0)
    return 1;
  if (may == 0) {
    gw_error_set (e, 429, "rate_limit_error", "client_concurrency",
                  "\"%s\" has %lld requests under way already, and may have no more at once",
                  c->name, (long long) in_flight);
    e->retry_after_ms = 1000;
    return 0;
  }
  gw_error_set (e, 429, "rate_limit_error", "client_rate_limit",
                "\"%s\" may make %lld requests a minute, and has made them", c->name,
                (long long) c->per_minute);
  e->retry_after_ms = (int64_t) ((1.0 - left) * 60000.0 / (double) c->per_minute) + 1;
  return 0;
}

void
gw_client_leave (struct gw_client *c)
{
  (void) pthread_mutex_lock (&c->use->lock);
  c->use->in_flight--;
  (void) pthread_mutex_unlock (&c->use->lock);
}

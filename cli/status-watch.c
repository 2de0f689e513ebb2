/* status-watch - keywheel status --watch: on a terminal the table, drawn anew
 * each second until q or Ctrl-C; into a pipe or a file a line for each key that
 * is another than before, or with --json an object a line. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cli.h"

enum { EVERY_MS = 1000 };

/* ---- The terminal ------------------------------------------------------------- */

/* Keys come one by one and unseen.  Ctrl-C does what it does; what would leave
 * the terminal as it is now does nothing. */
static int
begin_keys (struct termios *before)
{
  struct termios t;

  if (!isatty (STDIN_FILENO) || tcgetattr (STDIN_FILENO, before) != 0)
    return 0;
  t = *before;
  t.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
  t.c_cc[VMIN] = 0;
  t.c_cc[VTIME] = 0;
  t.c_cc[VSUSP] = t.c_cc[VQUIT] = _POSIX_VDISABLE;
  return tcsetattr (STDIN_FILENO, TCSANOW, &t) == 0;
}

/* Only ends the pause: it is drawn anew at once. */
static void
on_resize (int signo)
{
  (void) signo;
}

/* Lines on the terminal; where it does not say, more than anybody has. */
static size_t
terminal_lines (void)
{
  struct winsize size;

  return ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0
         ? size.ws_row : SIZE_MAX;
}

/* Waits for the next drawing, and only there for signals, so that none leaves
 * half of it.  1: the user has enough, or a signal came. */
static int
pause_or_quit (int keys, const sigset_t *signals)
{
  const struct timespec every = { EVERY_MS / 1000, 0 };
  struct pollfd in = { STDIN_FILENO, POLLIN, 0 };
  char c;

  if (ppoll (&in, keys ? 1 : 0, &every, signals) < 0)
    return cli_interrupted ();
  while (in.revents != 0 && read (STDIN_FILENO, &c, 1) == 1)
    if (c == 'q' || c == 'Q')
      return 1;
  if ((in.revents & (POLLHUP | POLLERR)) != 0)
    return 1;
  return cli_interrupted ();
}

/* ---- What is shown -------------------------------------------------------------- */

/* The last warning stays on the page: what would print it elsewhere would print it
 * over the table. */
static pthread_mutex_t noticing = PTHREAD_MUTEX_INITIALIZER;
static char notice[512];

static void
notice_event (void *user, const kw_event *e)
{
  (void) user;
  if (e->type != KW_EVENT_LOG || e->level > 1)
    return;
  (void) pthread_mutex_lock (&noticing);
  memset (notice, 0, sizeof notice);
  (void) memccpy (notice, e->message, '\0', sizeof notice - 1);
  (void) pthread_mutex_unlock (&noticing);
}

/* The table as one text, for free(); an exit code, the reason having been told. */
static int
render (const struct cli_options *options, kw_client *client, char **ret)
{
  char *text = NULL;
  size_t len = 0;
  FILE *f = open_memstream (&text, &len);
  int r;

  if (f == NULL) {
    cli_say ("out of memory");
    return CLI_INTERNAL;
  }
  r = cli_write_status (options, client, f);
  (void) pthread_mutex_lock (&noticing);
  if (notice[0] != '\0')
    fprintf (f, "%s\n", notice);
  (void) pthread_mutex_unlock (&noticing);
  if (fclose (f) != 0)
    r = CLI_INTERNAL;
  if (r == CLI_OK)
    *ret = text;
  else
    free (text);
  return r;
}

/* How many lines; *ret_end is where the first most of them end. */
static size_t
count_lines (const char *text, size_t most, const char **ret_end)
{
  size_t n = 0;

  for (*ret_end = text; *text != '\0'; n++) {
    text = strchrnul (text, '\n');
    text += *text != '\0';
    if (n < most)
      *ret_end = text;
  }
  return n;
}

/* Clears what the last drawing left: first the ends of the lines, then all below,
 * so that nothing flickers.  The last line of the terminal is for what is not
 * shown. */
static void
draw (const char *text)
{
  const size_t most = terminal_lines () - 1;
  const char *end, *line, *next;
  const size_t n = count_lines (text, most, &end);
  char last[64];
  int len = n > most ? snprintf (last, sizeof last, "\033[K... %zu more; q quits\033[J",
                                 n - most)
                     : snprintf (last, sizeof last, "\033[Kq quits\033[J");

  (void) cli_out ("\033[H", 3);
  for (line = text; line < end; line = next) {
    next = strchrnul (line, '\n');
    (void) cli_out (line, (size_t) (next - line));
    (void) cli_out ("\033[K\n", 4);
    next += *next != '\0';
  }
  if (len > 0)
    (void) cli_out (last, (size_t) len);
}

/* What was printed of each key, to be compared. */
struct seen {
  char **line;
  size_t n;
};

static int
remember (struct seen *seen, size_t i, const char *line)
{
  char **more;

  if (i >= seen->n) {
    more = realloc (seen->line, (i + 1) * sizeof (char *));
    if (more == NULL)
      return 0;
    seen->line = more;
    memset (more + seen->n, 0, (i + 1 - seen->n) * sizeof (char *));
    seen->n = i + 1;
  }
  if (seen->line[i] != NULL && strcmp (seen->line[i], line) == 0)
    return 0;
  free (seen->line[i]);
  seen->line[i] = strdup (line);
  return 1;
}

/* Of a key: what changes now and then, and no countdown. */
static void
key_line (char *buf, size_t size, const kw_status_info *status, size_t i)
{
  const kw_key_info *key = &status->keys[i];
  const kw_limit_info *l = key->n_limits > 0 ? &key->limits[0] : NULL;
  char at[40] = "not known";
  int n;

  if (l != NULL && l->until_ms > 0)
    (void) cli_time (l->until_ms, at, sizeof at);
  if (l == NULL)
    n = snprintf (buf, size, "%s/%s %s", status->provider, key->name, key->state);
  else
    n = snprintf (buf, size, "%s/%s %s: %s for %s, comes back: %s", status->provider,
                  key->name, key->state,
                  l->dimension[0] != '\0' ? l->dimension
                                          : kw_verdict_name (l->verdict),
                  l->model[0] != '\0' ? l->model : "every model", at);
  if (n < 0)
    buf[0] = '\0';
}

static void
print_line (const kw_status_info *status, const char *line)
{
  char text[640], at[40];
  int n = snprintf (text, sizeof text, "%s %s\n",
                    cli_time (status->now_ms, at, sizeof at), line);

  if (n > 0 && (size_t) n < sizeof text)
    (void) cli_out (text, (size_t) n);
}

static int
print_changes (const struct cli_options *options, kw_client *client,
               struct seen *seen)
{
  const char *provider;
  size_t at = 0;

  for (size_t i = 0; (provider = cli_provider (options, client, i)) != NULL; i++) {
    kw_status_info *status;
    char line[512];
    int r = cli_get_status (client, provider, &status);

    if (r != CLI_OK)
      return r;
    for (size_t k = 0; k < status->total_keys; k++, at++) {
      key_line (line, sizeof line, status, k);
      if (remember (seen, at, line))
        print_line (status, line);
    }
    kw_status_free (status);
  }
  return CLI_OK;
}

static int
print_json (const struct cli_options *options, kw_client *client,
            struct seen *seen)
{
  kw_status_info *status;
  struct json_object *o;
  const char *text;
  char key[512];
  size_t changed = 0;
  int r = cli_get_status (client, options->provider, &status);

  if (r != CLI_OK)
    return r;
  for (size_t k = 0; k < status->total_keys; k++) {
    key_line (key, sizeof key, status, k);
    changed += (size_t) remember (seen, k, key);
  }
  o = changed > 0 ? cli_status_json (status, kw_status_waiting (status), kw_status_bucket,
                                       kw_client_state (client)) : NULL;
  text = o != NULL ? json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN
                                                     | JSON_C_TO_STRING_NOSLASHESCAPE)
                   : NULL;
  if (text != NULL) {
    (void) cli_out (text, strlen (text));
    (void) cli_out ("\n", 1);
  }
  json_object_put (o);
  kw_status_free (status);
  return CLI_OK;
}

/* ---- The command ------------------------------------------------------------------ */

/* A page of the terminal's own, without cursor; what is too long for a line is
 * cut. */
static const char begin_page[] = "\033[?1049h\033[?25l\033[?7l";
static const char end_page[] = "\033[?7h\033[?25h\033[?1049l";

static int
watch_on_terminal (const struct cli_options *options, kw_client *client,
                   const sigset_t *signals)
{
  struct sigaction resize = { .sa_handler = on_resize }, before_resize;
  struct termios before;
  char *text;
  int keys = 0, r;

  kw_client_observe (client, notice_event, NULL);
  /* What goes wrong at once is told where it stays. */
  r = render (options, client, &text);
  if (r != CLI_OK)
    return r;
  (void) sigaction (SIGWINCH, &resize, &before_resize);
  keys = begin_keys (&before);
  (void) cli_out (begin_page, sizeof begin_page - 1);
  do {
    draw (text);
    free (text);
    text = NULL;
  } while (!cli_out_failed () && !pause_or_quit (keys, signals)
           && (r = render (options, client, &text)) == CLI_OK);
  (void) cli_out_last (end_page, sizeof end_page - 1);
  if (keys)
    (void) tcsetattr (STDIN_FILENO, TCSANOW, &before);
  (void) sigaction (SIGWINCH, &before_resize, NULL);
  return r;
}

static int
watch_as_lines (const struct cli_options *options, kw_client *client,
                const sigset_t *signals)
{
  struct seen seen = { NULL, 0 };
  int r;

  do
    r = options->json ? print_json (options, client, &seen)
                      : print_changes (options, client, &seen);
  while (r == CLI_OK && !cli_out_failed () && !pause_or_quit (0, signals));
  for (size_t i = 0; i < seen.n; i++)
    free (seen.line[i]);
  free (seen.line);
  return r;
}

int
cli_watch (const struct cli_options *options, kw_client *client)
{
  sigset_t held, signals;
  int r;

  (void) sigemptyset (&held);
  (void) sigaddset (&held, SIGINT);
  (void) sigaddset (&held, SIGTERM);
  (void) sigaddset (&held, SIGWINCH);
  (void) sigprocmask (SIG_BLOCK, &held, &signals);
  r = isatty (STDOUT_FILENO) && !options->json
      ? watch_on_terminal (options, client, &signals)
      : watch_as_lines (options, client, &signals);
  (void) sigprocmask (SIG_SETMASK, &signals, NULL);
  return r;
}

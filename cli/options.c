/* options - the words of the command line: which commands and options there
 * are, their help, and what to say to a word that is none of them.  One table
 * of options; a command names those it takes by letter. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Capital letters are names of this table only: those have no short form. */
static const struct option_info {
  int letter;
  const char *name;
  const char *arg;
  const char *help;
} infos[] = {
  { 'c', "config",    "FILE",     "the configuration, instead of the search order" },
  { 'p', "provider",  "PROVIDER", "a [provider] section's name" },
  { 'm', "model",     "MODEL",    "instead of the configured model" },
  { 's', "system",    "TEXT",     "a system message before the prompt" },
  { 'S', "stream",    NULL,       "print the reply as it arrives" },
  { 'N', "no-stream", NULL,       "print the reply when it is complete" },
  { 'P', "path",      "PATH",     "another endpoint, such as /embeddings" },
  { 'O', "listen",    "ADDR",     "HOST:PORT or unix:PATH, instead of the configured" },
  { 'J', "json",      NULL,       "JSON instead of text" },
  { 'W', "watch",     NULL,       "go on showing it, until q or Ctrl-C" },
  { 'L', "live",      NULL,       "try each key once at its provider" },
  { 'C', "check",     "FILE",     "does this plugin keep the rules of the ABI?" },
  { 'A', "case",      "NAME",     "only one case of the check" },
  { 'E', "seed",      "N",        "the random answers of an earlier check" },
  { 'T', "set",       "NAME=VALUE", "an option of the plugin's own; once for each" },
  { 'D', "save",      "DIR",      "write what broke it into files in there" },
  { 'F', "no-fork",   NULL,       "in this process, for a debugger" },
  { 'I', "time-limit", "MS",      "processor time of one case (2000)" },
  { 'B', "memory-limit", "MB",    "what it may take (256)" },
  { 'v', "verbose",   NULL,       "tell each switch, wait and revival on stderr; "
                                  "twice: more" },
  { 'h', "help",      NULL,       "this text" },
  { 'V', "version",   NULL,       "the version" },
};
#define N_INFOS (sizeof infos / sizeof infos[0])

const struct cli_command cli_commands[] = {
  { "chat", "[PROMPT... | -]", "cpmsSNJvhV",
    "ask, and print the reply",
    "The words of the prompt are joined by blanks.  With -, or without a prompt when\n"
    "stdin is no terminal, the prompt is read from stdin (a last newline is dropped).\n"
    "The reply is streamed when stdout is a terminal.  --json prints the answer's\n"
    "whole body instead of the reply's text; with --stream, the stream as it comes.\n",
    cli_chat },
  { "send", "[FILE | -]", "cpPvhV",
    "send a JSON body, and print the answer's body",
    "FILE (or stdin) is a complete request body in Chat Completions JSON.  It is sent\n"
    "unchanged, and the answer's body is printed unchanged, nothing added.  A body\n"
    "with \"stream\": true gets its events printed as they arrive.\n",
    cli_send },
  { "serve", "", "cOvhV",
    "the gateway: OpenAI's API on this machine, for any program",
    "Clients have http://127.0.0.1:8787/v1 as their base URL, or /PROVIDER/v1 for\n"
    "another than the default provider.  man keywheel-serve tells all.\n",
    cli_serve },
  { "token", "new NAME [FILE]", "hV",
    "a token for a client of the gateway",
    "The token goes to stdout, and is not kept: what is kept is the line for the file\n"
    "client_tokens with its hash, which is appended to FILE, or shown on stderr.\n",
    cli_token },
  { "status", "", "cpJWvhV",
    "the keys, what is known of their limits, when they come back",
    "All providers, or the one of -p.  --json: one object, of the provider of -p or of\n"
    "the default one.  --watch: on a terminal a table that is drawn anew; into a pipe a\n"
    "line for each key that changes, with --json an object a line.\n",
    cli_status },
  { "reset", "[KEY...]", "cpvhV",
    "forget that keys are exhausted",
    "KEY is a key's name, or PROVIDER/NAME.  Without names: all keys of the provider of\n"
    "-p, or of all providers.\n",
    cli_reset },
  { "check", "", "cpLvhV",
    "validate the configuration",
    "Tells every mistake, not only the first.  --live tries each key once (of all\n"
    "providers, or of the one of -p), and says which keys share an account.\n",
    cli_check },
  { "plugins", "", "cJCAETDFIBvhV",
    "the plugins found, their version and ABI, or why one was refused",
    "In the order in which they are searched.  --check tries one instead, whose file\n"
    "is named: on requests and on thousands of good and broken answers, in child\n"
    "processes.  It ends with 0 if the plugin conforms, with 1 if it does not.\n",
    cli_plugins },
  { NULL, NULL, NULL, NULL, NULL, NULL }
};

static const struct option_info *
find_info (int letter)
{
  for (size_t i = 0; i < N_INFOS; i++)
    if (infos[i].letter == letter)
      return &infos[i];
  return NULL;
}

static int
has_short (int letter)
{
  return letter >= 'a' && letter <= 'z';
}

const struct cli_command *
cli_find_command (const char *name)
{
  for (const struct cli_command *c = cli_commands; c->name != NULL; c++)
    if (strcmp (c->name, name) == 0)
      return c;
  return NULL;
}

/* ---- Nearest spelling ------------------------------------------------------ */

#define WORD_MAX 32

static size_t
least (size_t a, size_t b)
{
  return a < b ? a : b;
}

/* Edit distance, two neighbours swapped counting as one: that is how people
 * mistype. */
static size_t
distance (const char *a, size_t la, const char *b, size_t lb)
{
  size_t d[WORD_MAX + 1][WORD_MAX + 1];

  for (size_t i = 0; i <= la; i++)
    d[i][0] = i;
  for (size_t j = 0; j <= lb; j++)
    d[0][j] = j;
  for (size_t i = 1; i <= la; i++)
    for (size_t j = 1; j <= lb; j++) {
      d[i][j] = least (least (d[i - 1][j], d[i][j - 1]) + 1,
                       d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = least (d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[la][lb];
}

const char *
cli_nearest (const char *s, const char *const *words, size_t n)
{
  const char *best = NULL;
  size_t len = strlen (s), best_distance = 1 + (len + 1) / 3;

  if (len == 0 || len > WORD_MAX)
    return NULL;
  for (size_t i = 0; i < n; i++) {
    size_t other = strlen (words[i]);
    size_t d = other > WORD_MAX ? best_distance : distance (s, len, words[i], other);
    if (d < best_distance) {
      best_distance = d;
      best = words[i];
    }
  }
  return best;
}

/* ---- Complaints ------------------------------------------------------------ */

int
cli_usage (const char *command, const char *fmt, ...)
{
  char text[1024];
  va_list ap;
  int n;

  va_start (ap, fmt);
  n = vsnprintf (text, sizeof text, fmt, ap);
  va_end (ap);
  cli_say ("%s%s%s", command != NULL ? command : "", command != NULL ? ": " : "",
           n < 0 ? "wrong usage" : text);
  cli_say ("see keywheel %s%s--help", command != NULL ? command : "",
           command != NULL ? " " : "");
  return CLI_USAGE;
}

int
cli_unknown_command (const char *name)
{
  const char *words[16];
  const char *near;
  size_t n = 0;

  for (const struct cli_command *c = cli_commands;
       c->name != NULL && n < sizeof words / sizeof words[0]; c++)
    words[n++] = c->name;
  near = cli_nearest (name, words, n);
  if (near != NULL)
    return cli_usage (NULL, "there is no command \"%s\"; did you mean \"%s\"?", name,
                      near);
  return cli_usage (NULL, "there is no command \"%s\"; there are chat, send, serve, "
                    "token, status, reset, check and plugins", name);
}

/* "--s" of chat: the first two that it may be the beginning of. */
static int
ambiguous (const struct cli_command *command, const char *name, size_t len)
{
  const char *first = NULL;

  for (const char *o = command->options; *o != '\0'; o++) {
    const char *other = find_info (*o)->name;
    if (strncmp (other, name, len) != 0)
      continue;
    if (first != NULL)
      return cli_usage (command->name, "--%s may be --%s or --%s", name, first, other);
    first = other;
  }
  return CLI_OK;
}

static int
unknown_long (const struct cli_command *command, const char *word)
{
  const char *words[N_INFOS];
  char name[WORD_MAX + 1];
  size_t n = 0, len = strcspn (word, "=");
  const char *near;

  for (const char *o = command->options; *o != '\0'; o++)
    words[n++] = find_info (*o)->name;
  if (len > WORD_MAX)
    len = WORD_MAX;
  memcpy (name, word, len);
  name[len] = '\0';
  for (size_t i = 0; i < N_INFOS; i++)
    if (strcmp (infos[i].name, name) == 0 && strchr (command->options,
                                                     infos[i].letter) == NULL)
      return cli_usage (command->name, "takes no --%s", name);
  if (len > 0 && ambiguous (command, name, len) != CLI_OK)
    return CLI_USAGE;
  near = cli_nearest (name, words, n);
  if (near != NULL)
    return cli_usage (command->name, "unknown option --%s; did you mean --%s?", name,
                      near);
  return cli_usage (command->name, "unknown option --%s", name);
}

static int
bad_option (const struct cli_command *command, const char *word, int letter)
{
  const struct option_info *info = find_info (letter);

  if (strncmp (word, "--", 2) == 0) {
    if (letter != 0 && info != NULL)
      return cli_usage (command->name, "--%s takes no value", info->name);
    return unknown_long (command, word + 2);
  }
  if (has_short (letter) && info != NULL)
    return cli_usage (command->name, "takes no -%c (--%s)", letter, info->name);
  return cli_usage (command->name, "unknown option -%c%s", letter,
                    strcmp (command->name, "chat") == 0
                    ? "; put -- before a prompt that begins with a dash" : "");
}

/* ---- Parsing --------------------------------------------------------------- */

/* getopt's two lists, of the options that the command takes. */
static void
make_lists (const struct cli_command *command, char *shorts, struct option *longs)
{
  *shorts++ = ':';              /* tell a missing value from an unknown option */
  for (const char *o = command->options; *o != '\0'; o++) {
    const struct option_info *info = find_info (*o);
    if (has_short (*o)) {
      *shorts++ = *o;
      if (info->arg != NULL)
        *shorts++ = ':';
    }
    longs->name = info->name;
    longs->has_arg = info->arg != NULL ? required_argument : no_argument;
    longs->flag = NULL;
    longs->val = info->letter;
    longs++;
  }
  *shorts = '\0';
  memset (longs, 0, sizeof *longs);
}

static void
take (struct cli_options *o, int letter, const char *value)
{
  switch (letter) {
  case 'c': o->config = value; break;
  case 'p': o->provider = value; break;
  case 'm': o->model = value; break;
  case 's': o->system = value; break;
  case 'P': o->path = value; break;
  case 'O': o->listen = value; break;
  case 'S': o->stream = 1; break;
  case 'N': o->stream = 0; break;
  case 'J': o->json = 1; break;
  case 'L': o->live = 1; break;
  case 'W': o->watch = 1; break;
  case 'C': o->check = value; break;
  case 'A': o->only = value; break;
  case 'E': o->seed = value; break;
  case 'D': o->save = value; break;
  case 'F': o->no_fork = 1; break;
  case 'I': o->time_limit = value; break;
  case 'B': o->memory_limit = value; break;
  case 'T':
    if (o->n_settings < CLI_MAX_SETTINGS)
      o->settings[o->n_settings] = value;
    o->n_settings++;            /* plugins-check.c tells of too many */
    break;
  case 'v': o->verbose++; break;
  case 'h': o->help = 1; break;
  case 'V': o->version = 1; break;
  default: break;
  }
}

int
cli_parse (const struct cli_command *command, int argc, char **argv,
           struct cli_options *ret)
{
  char shorts[2 * N_INFOS + 2];
  struct option longs[N_INFOS + 1];
  int letter;

  make_lists (command, shorts, longs);
  memset (ret, 0, sizeof *ret);
  ret->stream = -1;
  opterr = 0;
  optind = 0;                   /* GNU: begin anew, options anywhere */
  while ((letter = getopt_long (argc, argv, shorts, longs, NULL)) != -1) {
    if (letter == ':')
      return cli_usage (command->name, "--%s wants a value: --%s %s",
                        find_info (optopt)->name, find_info (optopt)->name,
                        find_info (optopt)->arg);
    if (letter == '?')
      return bad_option (command, argv[optind - 1], optopt);
    if (optarg != NULL && optarg[0] == '\0' && letter != 's')
      return cli_usage (command->name, "--%s is empty; it wants a %s",
                        find_info (letter)->name, find_info (letter)->arg);
    take (ret, letter, optarg);
  }
  ret->args = argv + optind;
  ret->n_args = (size_t) (argc - optind);
  if (command->operands[0] == '\0' && ret->n_args > 0 && !ret->help && !ret->version)
    return cli_usage (command->name, "\"%s\" is too much: it takes options only",
                      ret->args[0]);
  return CLI_OK;
}

/* ---- Help ------------------------------------------------------------------ */

static void
help_options (FILE *f, const struct cli_command *command)
{
  for (const char *o = command->options; *o != '\0'; o++) {
    const struct option_info *info = find_info (*o);
    char left[40];
    int n = snprintf (left, sizeof left, "%s--%s%s%s",
                      has_short (*o) ? (char[]) { '-', *o, ',', ' ', '\0' } : "    ",
                      info->name, info->arg != NULL ? " " : "",
                      info->arg != NULL ? info->arg : "");
    if (n > 0)
      fprintf (f, "  %-25s %s\n", left, info->help);
  }
}

static void
help_program (FILE *f)
{
  fputs ("usage: keywheel COMMAND [OPTION...] ...\n"
         "One chat request, many API keys, no interruption.\n\n", f);
  for (const struct cli_command *c = cli_commands; c->name != NULL; c++)
    fprintf (f, "  %-8s %s\n", c->name, c->summary);
  fputs ("\nkeywheel COMMAND --help tells more of each; man keywheel tells all.\n"
         "Exit codes: 0 served, 1 internal, 2 usage or configuration,\n"
         "3 authentication, 4 every key exhausted, 5 rate limited past the deadline or\n"
         "the retries, 6 refused by the provider, 7 provider or network not available,\n"
         "130 interrupted.\n", f);
}

void
cli_help (const struct cli_command *command)
{
  char *text = NULL;
  size_t len = 0;
  FILE *f = open_memstream (&text, &len);

  if (f == NULL) {
    cli_say ("out of memory");
    return;
  }
  if (command == NULL) {
    help_program (f);
  } else {
    fprintf (f, "usage: keywheel %s [OPTION...]%s%s\n%c%s.\n\n", command->name,
             command->operands[0] != '\0' ? " " : "", command->operands,
             command->summary[0] - 'a' + 'A', command->summary + 1);
    help_options (f, command);
    fprintf (f, "\n%s", command->details);
  }
  if (fclose (f) == 0)
    (void) cli_out (text, len);
  else
    cli_say ("out of memory");
  free (text);
}

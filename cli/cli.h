/* cli - what the files of keywheel(1) share.  The program stands on the public
 * API alone, <keywheel/keywheel.h>: what it needs and cannot get there, a
 * user's program could not get either. */
#ifndef CLI_H
#define CLI_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <keywheel/keywheel.h>

struct json_object;

/* The exit codes that are the program's own; all others are those of
 * kw_error_exit_code. */
enum { CLI_OK = 0, CLI_INTERNAL = 1, CLI_USAGE = 2, CLI_UNAVAILABLE = 7,
       CLI_INTERRUPTED = 130 };

#define CLI_MAX_SETTINGS 32

struct cli_options {
  const char *config;           /* NULL: the search order                 */
  const char *provider;         /* NULL: the default one                  */
  const char *model;
  const char *system;
  const char *path;
  const char *listen;
  int stream;                   /* 1, 0, or -1: by the look of stdout     */
  int json;
  int watch;
  int live;
  const char *check;            /* --check: a plugin's file               */
  const char *only;             /* --case                                 */
  const char *save;
  const char *seed;
  const char *time_limit;       /* in ms                                  */
  const char *memory_limit;     /* in MB                                  */
  const char *settings[CLI_MAX_SETTINGS]; /* --set NAME=VALUE             */
  size_t n_settings;            /* may be one more than there is room for */
  int no_fork;
  int verbose;                  /* how many -v                            */
  int help;
  int version;
  char **args;                  /* the operands                           */
  size_t n_args;
};

struct cli_command {
  const char *name;
  const char *operands;         /* for the usage line                     */
  const char *options;          /* letters of the table in options.c      */
  const char *summary;
  const char *details;          /* the rest of its --help                 */
  int (*run) (const struct cli_options *);      /* returns the exit code  */
};

/* The commands, in the order of the help; ends with a NULL name. */
extern const struct cli_command cli_commands[];

int cli_chat (const struct cli_options *);
int cli_send (const struct cli_options *);
int cli_serve (const struct cli_options *);
int cli_token (const struct cli_options *);
int cli_status (const struct cli_options *);
int cli_reset (const struct cli_options *);
int cli_check (const struct cli_options *);
int cli_plugins (const struct cli_options *);
int cli_plugins_check (const struct cli_options *);     /* --check      */

/* ---- main.c: the process ------------------------------------------------ */

/* Writes to stdout, all of it.  0; -1 after a failure, which is reported on
 * stderr once and makes main return CLI_INTERNAL whatever the command says. */
int cli_out (const void *data, size_t len);
int cli_out_failed (void);      /* 1: that has happened                    */
/* The same when a signal came already. */
int cli_out_last (const void *data, size_t len);
int cli_interrupted (void);     /* 1: one came                             */
int cli_out_json (struct json_object *);        /* and a newline           */

/* Opens the client of the command line, and tells its warnings if log_level lets
 * them through.  Returns the exit code, the reason having been told. */
int cli_open_client (const struct cli_options *, kw_client **ret);
/* And does cli_begin. */
int cli_open (const struct cli_options *, kw_client **ret);
/* Only opens it. */
int cli_open_quietly (const struct cli_options *, kw_client **ret);
/* Listens to the client's events; from now on SIGINT and SIGTERM cancel it. */
void cli_begin (const struct cli_options *, kw_client *);
/* Closes it, and unbinds it from the signals. */
void cli_close (kw_client *);

/* ---- options.c ----------------------------------------------------------- */

/* argv[0] is the command's name.  Returns an exit code, the reason having
 * been told. */
int cli_parse (const struct cli_command *, int argc, char **argv,
               struct cli_options *ret);
void cli_help (const struct cli_command *);     /* NULL: of the program    */
const struct cli_command *cli_find_command (const char *name);
/* "no such command": with the nearest spelling.  Returns CLI_USAGE. */
int cli_unknown_command (const char *name);
/* "…: see keywheel CMD --help" on stderr.  Returns CLI_USAGE. */
int cli_usage (const char *command, const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 2, 3)));
/* The one of n words that was most likely meant, or NULL. */
const char *cli_nearest (const char *s, const char *const *words, size_t n);

/* ---- input.c -------------------------------------------------------------- */

/* Reads a file to its end; path NULL or "-" is stdin.  *ret is for free(),
 * NUL-terminated behind *ret_len.  Returns an exit code, the reason told. */
int cli_read (const char *path, char **ret, size_t *ret_len);
/* The offset of the first byte that is not UTF-8; len if all is. */
size_t cli_utf8_valid (const char *s, size_t len);
/* Tells of a text from the user that is not UTF-8; what is "prompt".  0 or
 * CLI_USAGE. */
int cli_check_text (const char *what, const char *s, size_t len);

/* ---- notices.c: stderr ---------------------------------------------------- */

/* One line "keywheel: …" on stderr; control characters become '?'. */
void cli_say (const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 1, 2)));
/* Tells of a failed call, with -v of every attempt, and returns the exit
 * code. */
int cli_fail (const struct cli_options *, int code, const struct kw_error *);
/* With -v, how the reply came about: by which key, after how much. */
void cli_tell_record (const struct cli_options *, const kw_reply *);
/* Tells of a client's oddities; returns how many there are. */
size_t cli_tell_warnings (const kw_client *);
/* What is told: up to this level, by -v or else log_level.  0 error, 1 warn,
 * 2 info, 3 debug. */
int cli_level (const struct cli_options *, const kw_client *);
/* Tells of an event, if it is of this level. */
void cli_tell_event (const kw_event *, int level);
/* Tells of a client's events as they come. */
void cli_observe (const struct cli_options *, kw_client *);
/* "7m12s", rounded up; returns buf. */
const char *cli_duration (int64_t ms, char *buf, size_t size);

/* ---- table.c ---------------------------------------------------------------- */

enum { CLI_COLUMNS = 8, CLI_CELL = 128 };
struct cli_row {
  char cell[CLI_COLUMNS][CLI_CELL];
};
void cli_fill (struct cli_row *, int column, const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 3, 4)));
/* Columns at the end that are empty are not there. */
void cli_print_rows (FILE *, const struct cli_row *, size_t n);

/* ---- status.c, status-json.c, status-left.c, status-watch.c ------------------------------- */

/* kw_status of the provider; an exit code, the reason having been told. */
int cli_get_status (kw_client *, const char *provider, kw_status_info **ret);
/* "primary and backup-2 are one account: 2 keys, 1 allowance"; a line each
 * on stdout. */
void cli_tell_accounts (const kw_status_info *);
/* The provider to show when i providers have been shown: the one of -p, or
 * each of the configuration; NULL past the last. */
const char *cli_provider (const struct cli_options *, const kw_client *,
                          size_t i);
/* The object of "status --json", for json_object_put; NULL: no memory.  bucket is
 * kw_status_bucket. */
typedef const kw_bucket_info *cli_bucket (const kw_status_info *, size_t key, size_t i);
struct json_object *cli_status_json (const kw_status_info *, size_t waiting,
                                     cli_bucket *bucket, const char *state);
/* What is left, as a table; nothing if nothing is known.  An exit code. */
int cli_write_left (FILE *, const kw_status_info *);
/* The table of all providers that are asked for. */
int cli_write_status (const struct cli_options *, kw_client *, FILE *);
/* status --watch; ends by q or a signal. */
int cli_watch (const struct cli_options *, kw_client *);
/* "2026-01-02T14:03:11Z", rounded up; returns buf. */
const char *cli_time (int64_t at_ms, char *buf, size_t size);

#endif

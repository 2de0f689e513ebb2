/* log-line - a request as a line of JSON.  No header, no body and no query goes
 * into it: those may hold what is nobody's business. */
#ifndef GW_LOG_LINE_H
#define GW_LOG_LINE_H

#include <stddef.h>
#include <stdint.h>

/* Texts may be NULL: null. */
struct gw_log_line {
  int64_t at_unix_ms;
  const char *client, *method, *path, *provider, *fallback, *model, *key, *code;
  int status;                   /* 0: the client was gone                 */
  int attempts, switches;
  int64_t waited_ms, first_byte_ms, took_ms; /* -1: null                  */
  int64_t bytes_in, bytes_out;
};

/* The longest there is: a path may be six times as long in JSON. */
enum { GW_LOG_LINE_SIZE = 32 * 1024 };

/* With its newline, and no NUL; its length. */
size_t gw_log_line_text (const struct gw_log_line *, char text[GW_LOG_LINE_SIZE]);

#endif

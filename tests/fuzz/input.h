/* input - one answer in a form that a person can read and a fuzzer can change;
 * the fuzzers' inputs, the seeds and the files of found/ are all written so:
 *
 *     429 stream at=1767362591000 net=5 cut
 *     !rule = 429 -> DAILY_LIMIT
 *     retry-after: 12
 *
 *     {"error":{"code":"rate_limit_exceeded"}}
 *
 * The first line: the HTTP status, and what else is known of the exchange, in
 * any order.  Then settings of the plugin ('!') and headers, to an empty line.
 * All that follows is the body.  Every sequence of bytes means something.
 * Knows no plugin. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct kwi_answer;

struct fuzz_input {
  int32_t status;               /* 0 .. 999                               */
  uint32_t net;                 /* net=: KW_NET_*                         */
  int in_stream;                /* stream: the body is one event's data   */
  int cut;                      /* cut: more came than max_response       */
  int64_t at_ms;                /* at=: when, Unix time, to the year 9999 */
  const char *lines;            /* settings and headers                   */
  size_t lines_len;
  const char *body;
  size_t body_len;
};

/* All of *ret points into data. */
void fuzz_read (const char *data, size_t size, struct fuzz_input *ret);

/* The next setting (mark '!', divider '=') or header (mark 0, divider ':'),
 * blanks around both parts taken off; 0: there is none.  *at begins as 0. */
int fuzz_next (const struct fuzz_input *, char mark, size_t *at,
               const char **ret_name, size_t *ret_name_len,
               const char **ret_value, size_t *ret_value_len);

/* The answer as the transport leaves it, for fuzz_drop_answer; but the body is
 * parsed already, so that nobody has a reason to read the NUL behind it: under
 * AddressSanitizer and valgrind whoever does is caught. */
void fuzz_make_answer (const struct fuzz_input *, struct kwi_answer *ret);
void fuzz_drop_answer (struct kwi_answer *);
/* The body out of it, just as large as it is, for free(): the answer is as it is
 * when its head has come, and only that. */
char *fuzz_take_body (struct kwi_answer *);

#endif

/* limit-message - reading the limit messages that several providers write in
 * the same words:
 *     Rate limit reached for model `M` in organization `org_1` service tier `T`
 *     on tokens per day (TPD): Limit 100000, Used 97050, Requested 3619. Please
 *     try again in 9m38.016s. ...
 * For plugins to include, as it is theirs to copy; knows no host and no HTTP,
 * only text.  Texts come from outside: every number saturates, every copy is
 * bounded.  By hand, since strtod and isdigit follow the program's locale. */
#ifndef LIMIT_MESSAGE_H
#define LIMIT_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "kit/text.h"
#include "kit/when.h"

/* What a message says; for what it does not, -1 in numbers and "" in names. */
struct limit_message {
  int64_t limit, used, requested;
  int64_t wait_ms;              /* for a request of this size             */
  int64_t window_ms;
  char dimension[32];           /* "tokens_per_day"                       */
  char account[64];
  char model[96];
};

/* ---- Text --------------------------------------------------------------- */

/* Rounded up.  .999 and not 1: in binary, 578016 may come out a hair more. */
static inline int64_t
whole_ms (double ms)
{
  return ms < (double) KWP_WAIT_MAX ? (int64_t) (ms + 0.999) : KWP_WAIT_MAX;
}

/* The name behind word, in quotes or bare. */
static inline void
read_name (const char *s, const char *word, char *buf, size_t size)
{
  const char *p = kwp_after (s, word), *end;

  if (p == NULL)
    return;
  if (*p != '`' && *p != '\'')
    kwp_copy (buf, size, p, strcspn (p, " ,:"));
  else if ((end = strchr (p + 1, *p)) != NULL)
    kwp_copy (buf, size, p + 1, (size_t) (end - p - 1));
}

/* ---- Dimensions --------------------------------------------------------- */

static const struct limit_window {
  char letter;                  /* the last one of RPM, TPD, ASPH         */
  const char *name;
  int64_t ms;
} limit_windows[] = {
  { 'D', "day", KWP_DAY }, { 'H', "hour", KWP_HOUR }, { 'M', "minute", KWP_MINUTE },
  { 'S', "second", KWP_SECOND },
};

/* The nearest in ratio: the bounds are the geometric means of a day, an hour
 * and a minute.  No message was ever seen with numbers per second. */
static inline const struct limit_window *
nearest_window (double ms)
{
  return &limit_windows[ms > 17636.0 * KWP_SECOND ? 0 : ms > 464.8 * KWP_SECOND ? 1 : 2];
}

/* Finds "tokens per day (TPD)", by either; NULL if there is neither.
 * *ret_unit stays as it is where only the window is known. */
static inline const struct limit_window *
find_dimension (const char *s, const char **ret_unit)
{
  static const struct {
    const char *letters, *words, *name;
  } units[] = {                 /* "input tokens" ends in "tokens"        */
    { "ITP", "input tokens", "input_tokens" },
    { "OTP", "output tokens", "output_tokens" },
    { "ASP", "seconds of audio", "audio_seconds" },
    { "AS", "audio seconds", "audio_seconds" },
    { "TP", "tokens", "tokens" }, { "RP", "requests", "requests" },
    { "P", "", NULL },
  };
  char letters[32], words[64];

  for (size_t u = 0; u < KWP_ARRAY_SIZE (units); u++)
    for (size_t i = 0; i < KWP_ARRAY_SIZE (limit_windows); i++) {
      const struct limit_window *w = &limit_windows[i];
      if (snprintf (letters, sizeof letters, "%s%c)", units[u].letters, w->letter) < 0
          || snprintf (words, sizeof words, "%s per %.3s", units[u].words, w->name) < 0
          || (strstr (s, letters) == NULL && strstr (s, words) == NULL))
        continue;               /* %.3s: "per min" is said too */
      if (units[u].name != NULL)
        *ret_unit = units[u].name;
      return w;
    }
  return NULL;
}

/* What type says of the unit, where the message leaves it out.  Requests count
 * one each, so that any other number is one of tokens. */
static inline const char *
guess_unit (const char *type, int64_t requested)
{
  if (kwp_is (type, "seconds"))
    return "audio_seconds";
  return kwp_is (type, "requests") || requested == 1 ? "requests" : "tokens";
}

/* ---- The message -------------------------------------------------------- */

/* type is the error's, or ""; header_ms the wait that a header states, or -1.
 *
 * Such allowances refill steadily: in every real message seen, the wait is
 * (Used + Requested - Limit) / Limit * window.  So the wait tells the window
 * of a message that leaves it out ("on : Limit ..."), and the window the wait
 * of one that was cut short. */
static inline void
read_limit_message (const char *text, const char *type, int64_t header_ms,
                    struct limit_message *m)
{
  const char *numbers = strstr (text, "Limit");
  const struct limit_window *w;
  const char *unit;
  char intro[512];              /* names stand before the numbers; behind */
  double share = 0;             /* them is advertising                    */

  memset (m, 0, sizeof *m);
  kwp_copy (intro, sizeof intro, text,
             numbers != NULL ? (size_t) (numbers - text) : strlen (text));
  read_name (intro, "in organization ", m->account, sizeof m->account);
  read_name (intro, "model ", m->model, sizeof m->model);
  if (numbers == NULL)
    numbers = "";
  m->limit = kwp_count (kwp_after (numbers, "Limit"));
  m->used = kwp_count (kwp_after (numbers, "Used"));
  m->requested = kwp_count (kwp_after (numbers, "Requested"));
  m->wait_ms = kwp_duration (kwp_after (text, "try again in "));
  if (m->wait_ms < 0)           /* the header is that, rounded up */
    m->wait_ms = header_ms;
  if (m->limit > 0 && m->requested >= 0) /* of the window, until this fits */
    share = (double) ((m->used > 0 ? m->used : 0) + m->requested - m->limit)
            / (double) m->limit;

  unit = guess_unit (type, m->requested);
  w = find_dimension (intro, &unit);
  if (w == NULL && share > 0 && m->wait_ms > 0)
    w = nearest_window ((double) m->wait_ms / share);
  /* What is larger than the limit never fits: there is no wait to compute. */
  if (w != NULL && share > 0 && m->wait_ms < 0 && m->requested <= m->limit)
    m->wait_ms = whole_ms (share * (double) w->ms);
  m->window_ms = w != NULL ? w->ms : -1;
  if (w != NULL
      && snprintf (m->dimension, sizeof m->dimension, "%s_per_%s", unit, w->name) < 0)
    m->dimension[0] = '\0';
}

#endif

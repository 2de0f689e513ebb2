/* limit-message - what a text says of a limit; see limit-message.h.
 *
 * Several providers write in the same words:
 *     Rate limit reached for model `M` in organization `org_1` service tier `T`
 *     on tokens per day (TPD): Limit 100000, Used 97050, Requested 3619. Please
 *     try again in 9m38.016s. ...
 * and others "30,000 input tokens per minute", "10 API calls / minute", "50 per
 * 86400s", "free-models-per-day", "Tokens per Minute (actual/limit): 7/5". */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "limit-message.h"
#include "text.h"
#include "when.h"

#define MONTH (30 * KWP_DAY)
#define NAME_LEAST 4            /* "organization has ...": no account */

static const struct window {
  char letter;                  /* the last one of RPM, TPD, ASPH; or NUL */
  const char *name;             /* "minutes", "min" and "per-min" are said */
  const char *adverb;
  int64_t ms;
} windows[] = {
  { 'D', "day", "daily", KWP_DAY },
  { 'H', "hour", "hourly", KWP_HOUR },
  { 'M', "min", "minutely", KWP_MINUTE },
  { 'S', "sec", "secondly", KWP_SECOND },
  { '\0', "month", "monthly", MONTH },
  { '\0', "week", "weekly", 7 * KWP_DAY },
};

/* "input tokens" ends in "tokens": where both are, the longer one. */
static const struct unit {
  const char *letters;          /* before the window's; NULL: none        */
  const char *words, *name;
} units[] = {
  { "ITP", "input token", "input_tokens" },
  { "OTP", "output token", "output_tokens" },
  { "ASP", "seconds of audio", "audio_seconds" },
  { "AS", "audio seconds", "audio_seconds" },
  { "TP", "token", "tokens" },
  { "RP", "request", "requests" },
  { "QP", "quer", "requests" },
  { NULL, "call", "requests" },
  { NULL, "models", "requests" }, /* "free-models-per-day": of them */
};

const char *
kwp_window_name (int64_t ms)
{
  switch (ms) {
  case KWP_SECOND: return "second";
  case KWP_MINUTE: return "minute";
  case KWP_HOUR: return "hour";
  case KWP_DAY: return "day";
  case 7 * KWP_DAY: return "week";
  case MONTH: return "month";
  default: return NULL;
  }
}

/* The bounds are the geometric means of a day, an hour and a minute.  No
 * message was ever seen with numbers per second. */
int64_t
kwp_nearest_window (double ms)
{
  return ms > 17636.0 * (double) KWP_SECOND ? KWP_DAY
         : ms > 464.8 * (double) KWP_SECOND ? KWP_HOUR : KWP_MINUTE;
}

void
kwp_dimension (char *buf, uint64_t size, const char *unit, int64_t ms)
{
  const char *name = kwp_window_name (ms);
  char per[16];
  int n = -1;

  if (name != NULL) {           /* of each good answer: snprintf is slow */
    if (kwp_join (per, sizeof per, "_per_", name))
      (void) kwp_join (buf, (size_t) size, unit, per);
    return;
  }
  if (ms >= KWP_SECOND)    /* "50 per 7200s" */
    n = snprintf (buf, size, "%s_per_%" PRId64 "s", unit, ms / KWP_SECOND);

  if (n < 0 || (uint64_t) n >= size)
    buf[0] = '\0';
}

/* ---- Windows in words ---------------------------------------------------- */

static int
is_letter (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int
is_upper (char c)
{
  return c >= 'A' && c <= 'Z';
}

/* A window in words, and where it stands in the text. */
struct found {
  int64_t ms;                   /* 0: none                                */
  const char *at;               /* its first byte: "per", "/", "TPD"      */
  const char *end;
  const struct unit *unit;      /* where letters say it; or NULL          */
};

/* The name at p, "day", "months", "Min": its length in time, or 0. */
static int64_t
window_named (const char *p)
{
  int64_t ms = 0;
  size_t longest = 0;

  for (size_t i = 0; i < KWP_ARRAY_SIZE (windows); i++) {
    size_t len = strlen (windows[i].name);
    if (len > longest && strncasecmp (p, windows[i].name, len) == 0) {
      ms = windows[i].ms;
      longest = len;
    }
  }
  return ms;
}

/* "60s", "24h", "1 minute", "5 days": how long, or 0. */
static int64_t
window_counted (const char *p, const char **ret_end)
{
  static const struct { char letter; int64_t ms; } letters[] = {
    { 's', KWP_SECOND }, { 'm', KWP_MINUTE }, { 'h', KWP_HOUR }, { 'd', KWP_DAY },
  };
  int64_t n = kwp_count (p), ms;

  p += strspn (p, "0123456789");
  p += strspn (p, " -");
  ms = window_named (p);
  for (size_t i = 0; ms == 0 && i < KWP_ARRAY_SIZE (letters); i++)
    if (*p == letters[i].letter && !is_letter (p[1]) && !kwp_is_digit (p[1]))
      ms = letters[i].ms;
  *ret_end = p;
  return n > 0 && n <= 366 * KWP_DAY / (ms > 0 ? ms : KWP_DAY) ? n * ms : 0;
}

/* "per day", "per-min", "PerDay", "ByMinute", "/ month", "per 86400s". */
static int64_t
window_after_per (const char *p, const char **ret_end)
{
  if (*p == '/')
    p++;
  else if (strncasecmp (p, "per", 3) == 0)
    p += 3;
  else if (kwp_starts_with (p, "By"))
    p += 2;
  else
    return 0;
  p += strspn (p, " -_");
  *ret_end = p;
  return kwp_is_digit (*p) ? window_counted (p, ret_end) : window_named (p);
}

/* "daily", also as the beginning of "DailyLimit" or "daily_quota". */
static int64_t
window_adverb (const char *p, const char **ret_end)
{
  for (size_t i = 0; i < KWP_ARRAY_SIZE (windows); i++) {
    size_t len = strlen (windows[i].adverb);
    if (strncasecmp (p, windows[i].adverb, len) == 0
        && (!is_letter (p[len]) || (is_upper (p[len]) && !is_upper (p[len - 1])))) {
      *ret_end = p + len;
      return windows[i].ms;
    }
  }
  return 0;
}

/* "TPD", "RPM": a word of capitals.  In brackets also of a unit that is not
 * known: "(IPD)". */
static int64_t
window_letters (const char *text, const char *p, struct found *f)
{
  size_t len = 0;
  int bracketed = p > text && p[-1] == '(';
  const struct window *w = NULL;

  while (is_upper (p[len]))
    len++;
  if (len < 2 || len > 5 || is_letter (p[len]) || kwp_is_digit (p[len])
      || (bracketed && p[len] != ')'))
    return 0;
  for (size_t i = 0; i < KWP_ARRAY_SIZE (windows); i++)
    if (windows[i].letter == p[len - 1])
      w = &windows[i];
  if (w == NULL)
    return 0;
  for (size_t i = 0; i < KWP_ARRAY_SIZE (units); i++)
    if (units[i].letters != NULL && strlen (units[i].letters) == len - 1
        && strncmp (p, units[i].letters, len - 1) == 0) {
      f->unit = &units[i];
      f->end = p + len;
      return w->ms;
    }
  f->end = p + len;
  return bracketed && p[len - 2] == 'P' ? w->ms : 0;
}

/* The first window of the text. */
static void
find_window (const char *text, struct found *f)
{
  const char *p;

  memset (f, 0, sizeof *f);
  for (p = text; *p != '\0' && f->ms == 0; p++) {
    char before = p > text ? p[-1] : ' ';
    f->at = p;
    if (!is_letter (before) || is_upper (*p))
      f->ms = window_after_per (p, &f->end);
    if (f->ms == 0 && !is_letter (before))
      f->ms = window_adverb (p, &f->end);
    if (f->ms == 0 && !is_letter (before) && !kwp_is_digit (before))
      f->ms = window_letters (text, p, f);
  }
}

/* The unit that stands nearest before end; of two that end together ("output
 * tokens"), the first of the table. */
static const struct unit *
unit_before (const char *text, const char *end)
{
  const struct unit *best = NULL;
  const char *best_end = text;

  for (size_t i = 0; i < KWP_ARRAY_SIZE (units); i++) {
    const char *p = text, *q;
    while ((q = kwp_after_any (p, units[i].words)) != NULL && q <= end) {
      if (q > best_end || (q == best_end && best == NULL)) {
        best = &units[i];
        best_end = q;
      }
      p = q;
    }
  }
  return best;
}

/* What type says of the unit, where the message leaves it out.  Requests count
 * one each, so that any other number is one of tokens. */
static const char *
guess_unit (const char *text, const char *type, int64_t requested)
{
  if (kwp_is (type, "seconds"))
    return "audio_seconds";
  if (kwp_is (type, "requests") || requested == 1)
    return "requests";
  return kwp_starts_with (type, "token") || requested > 1
         || kwp_after_any (text, "token") != NULL ? "tokens" : "requests";
}

/* ---- Numbers and names --------------------------------------------------- */

/* "of 30,000 input tokens per minute", "1000 API calls / month": the number
 * that the words right before the window belong to. */
static int64_t
number_before (const char *text, const char *end)
{
  const char *p = end;
  int words = 0;

  while (p > text && words <= 4 && (is_letter (p[-1]) || strchr (" -_", p[-1]) != NULL)) {
    p--;
    words += *p == ' ';
  }
  if (p == text || !kwp_is_digit (p[-1]) || *p != ' ')
    return -1;
  while (p > text && (kwp_is_digit (p[-1]) || p[-1] == ',' || p[-1] == '.'))
    p--;                        /* "9.0 queries per minute" is 9 */
  return p == text || p[-1] == ' ' || p[-1] == '(' ? kwp_count (p) : -1;
}

/* "Limit 500", "limit: 500". */
static int64_t
number_named (const char *text, const char *word)
{
  size_t len = strlen (word);
  const char *p;

  for (p = text; (p = kwp_after_any (p, word)) != NULL;) {
    char before = p - len > text ? p[-(ptrdiff_t) len - 1] : ' ';
    const char *number = p + strspn (p, ": ~");
    if (!is_letter (before) && number > p && kwp_is_digit (*number))
      return kwp_count (number);
  }
  return -1;
}

/* "Tokens per Minute (actual/limit): 65605/16000" */
static void
read_pair (const char *text, struct kwp_limit *l)
{
  const char *p = kwp_after_any (text, "actual/limit)");

  if (p == NULL || l->limit >= 0)
    return;
  l->used = kwp_count (p);
  p += strcspn (p, "/");
  l->limit = *p == '/' ? kwp_count (p + 1) : -1;
}

/* The name behind word, in quotes or bare. */
static void
read_name (const char *s, const char *word, char *buf, size_t size)
{
  const char *p = kwp_after (s, word), *end;

  if (p == NULL)
    return;
  if (*p != '`' && *p != '\'' && *p != '"')
    kwp_copy (buf, size, p, strcspn (p, " ,:)(<")); /* "org-1<ak-2>": of a key */
  else if ((end = strchr (p + 1, *p)) != NULL)
    kwp_copy (buf, size, p + 1, (size_t) (end - p - 1));
}

/* Whose limit it is.  Where the words could also go on otherwise ("your team
 * has used ..."), a name is what has a digit in it. */
void
kwp_read_account (const char *text, char *buf, uint64_t size)
{
  static const char *const places[] = {
    "organization (", "for team ", "our team ", "workspace ", "project ", "Account ",
    "our account ",
  };

  buf[0] = '\0';
  read_name (text, "in organization ", buf, size);
  for (size_t i = 0; i < KWP_ARRAY_SIZE (places) && buf[0] == '\0'; i++) {
    read_name (text, places[i], buf, size);
    if (strlen (buf) < NAME_LEAST || strpbrk (buf, "0123456789") == NULL)
      buf[0] = '\0';
  }
}

/* ---- The message --------------------------------------------------------- */

/* Rounded up.  .999 and not 1: in binary, 578016 may come out a hair more. */
static int64_t
whole_ms (double ms)
{
  return ms < (double) KWP_WAIT_MAX ? (int64_t) (ms + 0.999) : KWP_WAIT_MAX;
}

/* Allowances that refill steadily: in every real message seen, the wait is
 * (Used + Requested - Limit) / Limit * window.  So the wait tells the window
 * of a message that leaves it out ("on : Limit ..."), and the window the wait
 * of one that was cut short. */
static void
calculate (struct kwp_limit *l)
{
  double share = 0;             /* of the window, until this fits */

  if (l->limit > 0 && l->requested >= 0)
    share = (double) ((l->used > 0 ? l->used : 0) + l->requested - l->limit)
            / (double) l->limit;
  if (l->window_ms < 0 && share > 0 && l->wait_ms > 0)
    l->window_ms = kwp_nearest_window ((double) l->wait_ms / share);
  /* What is larger than the limit never fits: there is no wait to compute. */
  if (l->window_ms > 0 && share > 0 && l->wait_ms < 0 && l->requested <= l->limit)
    l->wait_ms = whole_ms (share * (double) l->window_ms);
}

/* What stands before "Limit 500", or all. */
static size_t
intro_length (const char *text)
{
  const char *p = text;

  while ((p = kwp_after (p, "Limit")) != NULL)
    if (kwp_is_digit (p[strspn (p, ": ~")]))
      return (size_t) (p - text) - 5;
  return strlen (text);
}

void
kwp_read_limit (const char *text, const char *type, int64_t header_ms,
                struct kwp_limit *l)
{
  char intro[512];              /* names stand before the numbers; behind */
  struct found f;               /* them is advertising                    */
  size_t len = intro_length (text);
  const char *unit;

  memset (l, 0, sizeof *l);
  kwp_copy (intro, sizeof intro, text, len < sizeof intro ? len : sizeof intro - 1);
  kwp_read_account (intro, l->account, sizeof l->account);
  read_name (intro, "model ", l->model, sizeof l->model);
  l->limit = number_named (text, "limit");
  l->used = number_named (text, "used");
  if (l->used < 0)
    l->used = number_named (text, "current");
  l->requested = number_named (text, "requested");
  read_pair (text, l);
  l->wait_ms = kwp_text_wait (text);
  if (l->wait_ms < 0)           /* the header is that, rounded up */
    l->wait_ms = header_ms;

  find_window (intro, &f);
  l->window_ms = f.ms > 0 ? f.ms : -1;
  if (f.ms > 0 && l->limit < 0)
    l->limit = number_before (intro, f.at);
  if (f.ms > 0 && l->limit < 0 && *f.end == ':') /* "max RPM: 3" */
    l->limit = kwp_count (f.end);
  calculate (l);

  const struct unit *u = f.unit;
  if (u == NULL)
    u = unit_before (intro, f.ms > 0 ? f.at : intro + strlen (intro));
  unit = u != NULL ? u->name : guess_unit (text, type, l->requested);
  if (u != NULL || type[0] != '\0' || l->requested >= 0 || f.ms > 0)
    kwp_copy (l->unit, sizeof l->unit, unit, strlen (unit));
  if (l->window_ms > 0)
    kwp_dimension (l->dimension, sizeof l->dimension, unit, l->window_ms);
}

/* estimate - what a request will be counted as; see estimate.h.
 * Everything learnt fades, so that a provider that changes its ways is followed
 * in some dozen answers; every lesson is clipped, so that one odd answer does
 * not spoil what many have taught. */
#include <string.h>

#include "estimate.h"

/* Where nothing is known: more tokens than English has, fewer than code. */
#define PER_BYTE 0.3
#define PER_MEDIUM 1000.0
#define MARGIN 0.25
#define MARGIN_LEAST 0.01
#define MARGIN_MOST 1.0

/* What is left of a lesson after the next one: some fifty count. */
#define FADE 0.98

static double
at_least (double a, double b)
{
  return a > b ? a : b;
}

static double
at_most (double a, double b)
{
  return a < b ? a : b;
}

/* Far beyond every limit, and far from overflowing. */
static double
bounded (int64_t n)
{
  return at_most ((double) n, 1e12);
}

static int64_t
whole (double tokens)
{
  return tokens < 1 ? 1 : tokens > 1e12 ? INT64_C (1000000000000)
                                        : (int64_t) (tokens + 0.999);
}

/* ---- The prompt ----------------------------------------------------------- */

/* A line through what was seen: so many tokens a byte, and some for every
 * request (the chat's frame, a tool's preamble). */
static double
text_tokens (const struct kwi_estimate *e, double bytes)
{
  double spread = e->n * e->xx - e->x * e->x, slope, fixed;

  if (e->n <= 0 || e->x <= 0)
    return PER_BYTE * bytes;
  slope = e->y / e->x;
  fixed = 0;
  if (spread > 0.01 * e->x * e->x) { /* else: all of one size, and no line */
    slope = (e->n * e->xy - e->x * e->y) / spread;
    fixed = (e->y - slope * e->x) / e->n;
    if (slope <= 0 || fixed < 0) {
      slope = e->y / e->x;
      fixed = 0;
    }
  }
  return slope * bytes + fixed;
}

static double
media_tokens (const struct kwi_estimate *e, const struct kwi_size *s)
{
  return (e->n_media > 0 ? e->media : PER_MEDIUM) * bounded (s->media);
}

static double
prompt_tokens (const struct kwi_estimate *e, const struct kwi_size *s)
{
  double tokens = text_tokens (e, bounded (s->bytes));

  return s->media > 0 ? tokens + media_tokens (e, s) : tokens;
}

static void
learn_prompt (struct kwi_estimate *e, const struct kwi_size *s, double tokens)
{
  double bytes = bounded (s->bytes), expected = text_tokens (e, bytes), each;

  if (s->media > 0) {
    each = at_least (tokens - expected, 0) / bounded (s->media);
    e->media += (each - e->media) / (e->n_media < 8 ? e->n_media + 1.0 : 8.0);
    e->n_media += e->n_media < 8;
    return;
  }
  if (bytes <= 0)
    return;
  if (e->n > 8)
    tokens = at_least (at_most (tokens, 4 * expected), expected / 4);
  e->n = FADE * e->n + 1;
  e->x = FADE * e->x + bytes;
  e->y = FADE * e->y + tokens;
  e->xx = FADE * e->xx + bytes * bytes;
  e->xy = FADE * e->xy + bytes * tokens;
}

/* ---- The reply's part ------------------------------------------------------ */

enum kwi_counting
kwi_estimate_counting (const struct kwi_estimate *e)
{
  int best = KWI_COUNTS_MAX, i;

  for (i = 0; e->n_ways > 0 && i < KWI_COUNTINGS; i++)
    if (e->off[i] < e->off[best])
      best = i;
  return (enum kwi_counting) best;
}

/* Few answers are longer. */
static double
long_output (const struct kwi_estimate *e, int64_t max_tokens)
{
  double out = e->out + 3 * e->out_off;

  if (max_tokens < 0)
    return out;
  return e->n_out > 0 ? at_most (out, bounded (max_tokens)) : bounded (max_tokens);
}

static double
reply_part (const struct kwi_estimate *e, int64_t max_tokens)
{
  if (max_tokens < 0 && e->n_rest > 0)
    return e->rest;
  switch (kwi_estimate_counting (e)) {
  case KWI_COUNTS_PROMPT:
    return 0;
  case KWI_COUNTS_OUTPUT:
    return long_output (e, max_tokens);
  default:
    return max_tokens < 0 ? long_output (e, -1) : bounded (max_tokens);
  }
}

static void
learn_output (struct kwi_estimate *e, double output)
{
  double part = e->n_out < 16 ? e->n_out + 1.0 : 16.0, off;

  if (e->n_out >= 8)
    output = at_most (output, e->out + 10 * e->out_off + 10);
  off = output > e->out ? output - e->out : e->out - output;
  if (e->n_out > 0)
    e->out_off += (off - e->out_off) / part;
  e->out += (output - e->out) / part;
  e->n_out += e->n_out < 16;
}

/* How far what was expected is from what was counted: 0 .. 1. */
static double
distance (double expected, double counted)
{
  double off = expected > counted ? expected - counted : counted - expected;

  return off / at_least (at_least (expected, counted), 20);
}

static void
learn_way (struct kwi_estimate *e, const struct kwi_size *s, double prompt,
           double output, double counted)
{
  double part = e->n_ways < 16 ? e->n_ways + 1.0 : 16.0;
  double ways[KWI_COUNTINGS] = { prompt + bounded (s->max_tokens), prompt,
                                 prompt + output };
  int i;

  for (i = 0; i < KWI_COUNTINGS; i++)
    e->off[i] += (distance (ways[i], counted) - e->off[i]) / part;
  e->n_ways += e->n_ways < 16;
}

static void
learn_rest (struct kwi_estimate *e, double rest)
{
  double part = e->n_rest < 8 ? e->n_rest + 1.0 : 8.0;

  rest = at_least (rest, 0);
  if (e->n_rest >= 8)
    rest = at_most (rest, 4 * e->rest + 20);
  e->rest += (rest - e->rest) / part;
  e->n_rest += e->n_rest < 8;
}

/* ---- The margin ------------------------------------------------------------ */

static double
margin (const struct kwi_estimate *e)
{
  return e->n_margin > 0 ? e->margin : MARGIN;
}

/* Up at once, and down a little each time (the first few teach the most): it
 * stays where all but a few in a hundred are below it. */
static void
learn_margin (struct kwi_estimate *e, double expected, double counted)
{
  double m = margin (e), off = counted / at_least (expected, 1) - 1;

  /* One token more of few is rounding. */
  if (counted - expected <= 1)
    off = 0;
  if (off > m)
    m += at_most (off - m + 0.01, 0.25);
  else
    m -= (m - at_least (off, 0)) / (e->n_margin + 3);
  e->margin = at_most (at_least (m, MARGIN_LEAST), MARGIN_MOST);
  e->n_margin += e->n_margin < 37;
}

void
kwi_estimate_missed (struct kwi_estimate *e)
{
  e->margin = at_most (margin (e) * 1.5 + 0.02, MARGIN_MOST);
  if (e->n_margin == 0)
    e->n_margin = 1;
}

/* ---- All of it ------------------------------------------------------------- */

int64_t
kwi_estimate_prompt (const struct kwi_estimate *e, const struct kwi_size *s)
{
  return whole (prompt_tokens (e, s));
}

static double
all_tokens (const struct kwi_estimate *e, const struct kwi_size *s)
{
  return prompt_tokens (e, s) + reply_part (e, s->max_tokens);
}

int64_t
kwi_estimate_tokens (const struct kwi_estimate *e, const struct kwi_size *s)
{
  return whole (all_tokens (e, s));
}

int64_t
kwi_estimate_safe (const struct kwi_estimate *e, const struct kwi_size *s)
{
  return whole (all_tokens (e, s) * (1 + margin (e)));
}

/* What it was counted as, as far as is known; -1. */
static double
counted_as (const struct kwi_estimate *e, const struct kwi_size *s,
            const struct kwi_lesson *l)
{
  if (l->counted >= 0)
    return bounded (l->counted);
  if (l->input < 0)
    return -1;
  if (s->max_tokens >= 0
      && kwi_estimate_counting (e) == KWI_COUNTS_OUTPUT && l->output >= 0)
    return bounded (l->input) + bounded (l->output);
  return bounded (l->input) + reply_part (e, s->max_tokens);
}

int64_t
kwi_estimate_counted (const struct kwi_estimate *e, const struct kwi_size *s,
                      const struct kwi_lesson *l)
{
  double counted = counted_as (e, s, l);

  return counted >= 0 ? whole (counted) : kwi_estimate_tokens (e, s);
}

void
kwi_estimate_learn (struct kwi_estimate *e, const struct kwi_size *s,
                    const struct kwi_lesson *l)
{
  double expected = all_tokens (e, s), counted = counted_as (e, s, l);
  double prompt = l->input >= 0 ? bounded (l->input) : prompt_tokens (e, s);
  double output = l->output >= 0 ? bounded (l->output) : e->out;

  if (counted >= 0)
    learn_margin (e, expected, counted);
  if (l->counted >= 0 && s->max_tokens >= 0)
    learn_way (e, s, prompt, output, counted);
  else if (l->counted >= 0)
    learn_rest (e, counted - prompt);
  if (l->input >= 0)
    learn_prompt (e, s, prompt);
  if (l->output >= 0)
    learn_output (e, output);
}

/* ---- A body's size ---------------------------------------------------------- */

struct scan {
  const char *at, *end;
  struct kwi_size *size;
};

/* Behind a word at p, its quote, and a colon; NULL: something else is there. */
static const char *
behind_name (const char *p, const char *end, const char *word)
{
  size_t len = strlen (word);

  if ((size_t) (end - p) <= len || memcmp (p, word, len) != 0 || p[len] != '"')
    return NULL;
  for (p += len + 1; p < end && strchr (" \t\r\n", *p) != NULL && *p != '\0';)
    p++;
  if (p == end || *p != ':')
    return NULL;
  for (p++; p < end && strchr (" \t\r\n", *p) != NULL && *p != '\0';)
    p++;
  return p;
}

static void
take_number (const char *p, const char *end, int64_t *n)
{
  int64_t value = 0;
  const char *from = p;

  for (; p < end && *p >= '0' && *p <= '9'; p++)
    if (value < INT64_C (1000000000000))
      value = value * 10 + (*p - '0');
  if (p > from)
    *n = value;
}

/* The string from p is taken off if it is no text: long, and without a blank.
 * Shorter ones are no load. */
static void
skip_data (struct scan *s, const char *p)
{
  enum { LONG = 256 };
  const char *quote = memchr (p, '"', (size_t) (s->end - p));

  if (quote == NULL || quote - p < LONG || memchr (p, ' ', LONG) != NULL)
    return;
  s->size->bytes -= quote - p;
  s->at = quote;
}

/* s->at is behind a quote. */
static void
look_behind_quote (struct scan *s)
{
  static const char *const media[] = { "image_url", "input_audio", "file_data" };
  const char *p;
  size_t i;

  switch (*s->at) {
  case 'm':
    p = behind_name (s->at, s->end, "max_tokens");
    if (p == NULL)
      p = behind_name (s->at, s->end, "max_completion_tokens");
    if (p != NULL)
      take_number (p, s->end, &s->size->max_tokens);
    break;
  case 'd':
    p = behind_name (s->at, s->end, "data");
    if (p != NULL && p < s->end && *p == '"')
      skip_data (s, p + 1);
    else if (s->end - s->at > 5 && memcmp (s->at, "data:", 5) == 0)
      skip_data (s, s->at);
    break;
  case 'i':
  case 'f':
    for (i = 0; i < sizeof media / sizeof media[0]; i++)
      s->size->media += behind_name (s->at, s->end, media[i]) != NULL;
    break;
  default:
    break;
  }
}

void
kwi_size_of_body (const void *body, size_t len, struct kwi_size *ret)
{
  const char *begin = body, *quote;
  struct scan s = { begin, begin, ret };

  *ret = (struct kwi_size) { .bytes = (int64_t) len, .max_tokens = -1 };
  if (len == 0)
    return;
  s.end = begin + len;
  while (s.at < s.end
         && (quote = memchr (s.at, '"', (size_t) (s.end - s.at))) != NULL) {
    s.at = quote + 1;
    /* Behind a backslash it is a quotation within a text. */
    if (s.at < s.end && (quote == begin || quote[-1] != '\\'))
      look_behind_quote (&s);
  }
}

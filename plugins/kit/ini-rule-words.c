/* ini-rule-words - words and what is wrong with them; see ini-rule-words.h. */
#include <stdio.h>

#include "ini-rule-words.h"

/* ---- Words --------------------------------------------------------------- */

static const char blanks[] = " \t";

static void
next_quoted (struct kwp_words *w)
{
  char *to = w->at, *from = w->at + 1;

  w->word = to;
  w->quoted = 1;
  for (; *from != '"' && *from != '\0'; from++, to++) {
    if (*from == '\\' && from[1] != '\0')
      from++;
    *to = *from;
  }
  w->at = *from == '"' ? from + 1 : from;
  if (*from == '\0')
    w->rc = kw_error (w->i->host, w->i->in, KW_ERR_CONFIG, "the quotes at character %d are "
                      "not closed (a blank and \";\" begin a comment, in quotes too: write "
                      "\\; there)", w->column);
  *to = '\0';
  if (w->rc == KW_OK && *w->at != '\0' && strchr (blanks, *w->at) == NULL)
    kwp_wrong_word (w, "goes on behind its quotes; a blank must stand there");
}

void
kwp_next_word (struct kwp_words *w)
{
  w->at += w->rc == KW_OK ? strspn (w->at, blanks) : strlen (w->at);
  w->column = (int) (w->at - w->start) + 1;
  w->ended = NULL;
  w->quoted = w->split = 0;
  if (*w->at == '"') {
    next_quoted (w);
    return;
  }
  w->word = w->at;
  w->at += strcspn (w->at, blanks);
  if (*w->at != '\0') {
    w->ended = w->at;
    *w->at++ = '\0';
  }
}

void
kwp_split_word (struct kwp_words *w, char c)
{
  char *p = w->quoted ? NULL : strchr (w->word, c);

  if (p == NULL)
    return;
  if (w->ended != NULL)
    *w->ended = ' ';
  *p = '\0';
  w->ended = NULL;
  w->at = p + 1;
  w->split = 1;
}

int
kwp_is_word (const struct kwp_words *w, const char *word)
{
  return !w->quoted && kwp_is (w->word, word);
}

int
kwp_is_end (const struct kwp_words *w)
{
  return !w->quoted && !w->split && w->word[0] == '\0';
}

/* ---- What is wrong with them ---------------------------------------------- */

#define LONGEST 24

/* How many letters were left out, added or mistaken, whatever their case.  Of
 * short words, and once, when the configuration is read. */
static unsigned
distance (const char *a, const char *b)
{
  unsigned row[LONGEST + 1], n = (unsigned) strnlen (b, LONGEST);

  if (strnlen (a, LONGEST + 1) > LONGEST)
    return LONGEST;
  for (unsigned j = 0; j <= n; j++)
    row[j] = j;
  for (unsigned i = 1; a[i - 1] != '\0'; i++) {
    unsigned corner = row[0];
    row[0] = i;
    for (unsigned j = 1; j <= n; j++) {
      unsigned least = corner + (strncasecmp (&a[i - 1], &b[j - 1], 1) != 0);
      corner = row[j];
      if (row[j] + 1 < least)
        least = row[j] + 1;
      if (row[j - 1] + 1 < least)
        least = row[j - 1] + 1;
      row[j] = least;
    }
  }
  return row[n];
}

/* NULL: none is near. */
static const char *
nearest (const char *word, const struct kwp_named *table, size_t n)
{
  const char *best = NULL;
  unsigned least = 3;
  size_t len = strlen (word);

  for (size_t i = 0; i < n; i++) {
    unsigned d = distance (word, table[i].name);
    if (len >= 3 && strncasecmp (word, table[i].name, len) == 0)
      d = 1;                    /* "DAILY" */
    if (d < least && d < len) {
      least = d;
      best = table[i].name;
    }
  }
  return best;
}

static void
list (char *buf, size_t size, const struct kwp_named *table, size_t n)
{
  size_t len = 0;

  buf[0] = '\0';
  for (size_t i = 0; i < n; i++) {
    int m = snprintf (buf + len, size - len, "%s%s", i > 0 ? ", " : "", table[i].name);
    if (m < 0 || (size_t) m >= size - len)
      return;
    len += (size_t) m;
  }
}

#define SHOWN 40

/* The beginning of a word, no character of it halved. */
static void
shorten (char buf[SHOWN + 4], const char *word)
{
  size_t n = strnlen (word, SHOWN + 1);

  if (n > SHOWN)
    for (n = SHOWN; n > 0 && ((unsigned char) word[n] & 0xc0) == 0x80;)
      n--;
  memcpy (buf, word, n);
  memcpy (buf + n, word[n] != '\0' ? "..." : "", word[n] != '\0' ? 4 : 1);
}

void
kwp_wrong_word (struct kwp_words *w, const char *fmt, ...)
{
  char what[384], shown[SHOWN + 4];
  va_list ap;
  int n;

  if (w->rc != KW_OK)
    return;
  va_start (ap, fmt);
  n = vsnprintf (what, sizeof what, fmt, ap);
  va_end (ap);
  if (n < 0)
    what[0] = '\0';
  shorten (shown, w->word);
  if (kwp_is_end (w))
    w->rc = kw_error (w->i->host, w->i->in, KW_ERR_CONFIG, "the end, at character %d, %s",
                      w->column, what);
  else
    w->rc = kw_error (w->i->host, w->i->in, KW_ERR_CONFIG, "\"%s\" at character %d %s", shown,
                      w->column, what);
}

uint32_t
kwp_take_word (struct kwp_words *w, const char *what, const struct kwp_named *table, size_t n)
{
  const char *near;
  char allowed[256];

  for (size_t i = 0; i < n; i++)
    if (kwp_is_word (w, table[i].name))
      return table[i].value;
  near = w->quoted ? NULL : nearest (w->word, table, n);
  list (allowed, sizeof allowed, table, n);
  kwp_wrong_word (w, "%s%s%s%s (allowed: %s)", what, near != NULL ? "; did you mean " : "",
                  near != NULL ? near : "", near != NULL ? "?" : "", allowed);
  return 0;
}

/* inifile - an INI text run through inih.
 *
 * inih as distributions build it gives its handler no line number, cuts a line
 * at 199 bytes and a name at 49 without a word, calls nobody for a section
 * without options, takes an indented line for more of the value above it, and
 * skips what it does not understand.  So it reads through a reader of ours
 * that hands it one line at a time:
 *   - the reader counts the lines, and the handler looks the number up;
 *   - what inih would cut is refused first;
 *   - leading blanks go, so no line continues another;
 *   - behind each [section] the reader puts a line "=" of its own, which comes
 *     back as an option without a name and so tells that a section began, in
 *     inih's reading of its name;
 *   - a line that inih was given, and of which nothing came back, is a mistake.
 * inih's global variables belong to the whole process and stay as they are.
 */
#include "inifile.h"

#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "values.h"

/* What inih keeps of a section's or an option's name (fixed in its source). */
#define INIH_NAME 49

struct reader {
  const char *at, *end;         /* what is left of the text               */
  int line;                     /* of the line inih has now               */
  int wants_answer;             /* it must come back through the handler  */
  int marker;                   /* the line inih has now is our "="       */
  int marker_next;
  int stop;                     /* no memory                              */
  int _reserved;
  const struct kwi_ini_events *events;
};

static void
mistake (struct reader *r, const char *text)
{
  r->events->mistake (r->events->user, r->line, text);
}

static int
is_blank (char c)
{
  return c == ' ' || c == '\t';
}

static void
trim (const char **s, size_t *len)
{
  while (*len > 0 && is_blank ((*s)[*len - 1]))
    --*len;
  while (*len > 0 && is_blank (**s)) {
    ++*s;
    --*len;
  }
}

/* What makes any line unfit, comment or not.  NULL: fit. */
static const char *
unfit (const char *s, size_t len, char *buf, size_t size)
{
  for (size_t i = 0; i < len; i++) {
    unsigned c = (unsigned char) s[i];
    if (c == 0)
      return "a NUL byte; this is no text file (or one in UTF-16: save it as "
             "UTF-8)";
    if ((c < 0x20 && c != '\t') || c == 0x7f) {
      int n = snprintf (buf, size, "a control character (byte 0x%02x)", c);
      return n > 0 ? buf : "a control character";
    }
  }
  if (kwi_utf8_valid (s, len) < len)
    return "the line is not UTF-8; save the file as UTF-8";
  return NULL;
}

/* What is wrong with a "[...]" line.  NULL: nothing. */
static const char *
bad_header (const char *s, size_t len)
{
  const char *close = memchr (s, ']', len);

  if (close == NULL)
    return "a section without its ]; allowed: [keywheel], [provider NAME], "
           "[key PROVIDER/NAME], [gateway]";
  if (memchr (s, ';', (size_t) (close - s)) != NULL)
    return "a \";\" within a section's name";
  if (close - s - 1 > INIH_NAME)
    return "the section's name is too long; allowed: 49 bytes between [ and ]";
  const char *rest = close + 1;
  size_t left = (size_t) (s + len - rest);
  trim (&rest, &left);
  if (left > 0 && *rest != ';')
    return "text behind the ] of a section; put it on a line of its own";
  return NULL;
}

/* What is wrong with a "name = value" line.  NULL: nothing that inih would
 * not notice. */
static const char *
bad_option (const char *s, size_t len, size_t room, char *buf, size_t size)
{
  size_t name = 0;

  if (len > room) {
    int n = snprintf (buf, size, "the line is %zu bytes long; allowed: %zu",
                      len, room);
    return n > 0 ? buf : "the line is too long";
  }
  while (name < len && s[name] != '=' && s[name] != ':')
    name++;
  trim (&s, &name);
  if (name > INIH_NAME)
    return "the option's name is too long; allowed: 49 bytes";
  return NULL;
}

/* Takes the next line off the text, blanks around it cut.  0: none is left. */
static int
next_line (struct reader *r, const char **ret, size_t *ret_len)
{
  if (r->at == r->end)
    return 0;
  const char *s = r->at;
  const char *newline = memchr (s, '\n', (size_t) (r->end - s));
  size_t len = (size_t) ((newline != NULL ? newline : r->end) - s);

  r->at = newline != NULL ? newline + 1 : r->end;
  r->line++;
  if (len > 0 && s[len - 1] == '\r')
    len--;
  trim (&s, &len);
  *ret = s;
  *ret_len = len;
  return 1;
}

/* Decides what inih gets to see of a line: nothing, the line, or for a header
 * that is refused another that no file can have. */
static void
screen (struct reader *r, const char **s, size_t *len, size_t room)
{
  char buf[96];
  const char *wrong = unfit (*s, *len, buf, sizeof buf);
  int header = *len > 0 && **s == '[';

  if (wrong == NULL && (*len == 0 || **s == ';' || **s == '#'))
    *len = 0;
  else if (wrong == NULL)
    wrong = header ? bad_header (*s, *len)
                   : bad_option (*s, *len, room, buf, sizeof buf);
  if (wrong != NULL) {
    mistake (r, wrong);
    *len = 0;
    if (header)
      r->events->lost (r->events->user);
    return;
  }
  if (header) {
    /* A comment behind it may be as long as it likes. */
    *len = (size_t) ((const char *) memchr (*s, ']', *len) - *s) + 1;
    r->marker_next = 1;
  } else
    r->wants_answer = *len > 0;
}

static void
answered (struct reader *r)
{
  if (r->wants_answer)
    mistake (r, "neither a [section] nor NAME = VALUE");
  r->wants_answer = 0;
}

/* inih's reader: like fgets. */
static char *
read_line (char *str, int num, void *stream)
{
  struct reader *r = stream;
  const char *s = "=";
  size_t len = 1;

  answered (r);
  if (r->stop || num < 3)
    return NULL;
  r->marker = r->marker_next;
  r->marker_next = 0;
  if (!r->marker) {
    if (!next_line (r, &s, &len))
      return NULL;
    screen (r, &s, &len, (size_t) num - 2);
  }
  memcpy (str, s, len);
  str[len] = '\n';
  str[len + 1] = '\0';
  return str;
}

static int
handle (void *user, const char *section, const char *name, const char *value)
{
  struct reader *r = user;

  if (r->stop || name == NULL || value == NULL)
    return 1;
  r->wants_answer = 0;
  if (r->marker)
    r->stop = r->events->section (r->events->user, section, r->line);
  else if (name[0] == '\0')
    mistake (r, "no name before the \"=\"; allowed: NAME = VALUE");
  else
    r->stop = r->events->option (r->events->user, name, value, r->line);
  return 1;
}

int
kwi_ini_parse (const char *text, size_t len,
               const struct kwi_ini_events *events)
{
  struct reader r = { .at = text, .end = text + len, .events = events };

  /* The mark that some editors put before UTF-8. */
  if (len >= 3 && memcmp (text, "\xef\xbb\xbf", 3) == 0)
    r.at += 3;
  int n = ini_parse_stream (read_line, &r, handle, &r);
  answered (&r);
  if (n == -2 || r.stop)
    return -1;
  /* Somebody else in this process has told inih to stop at the first mistake,
   * or to keep lines shorter than any. */
  if (r.at != r.end) {
    r.line++;
    mistake (&r, "the INI parser stopped here");
  }
  return 0;
}

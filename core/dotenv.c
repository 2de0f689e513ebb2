/* dotenv - the variables of an env_file.
 *
 *   NAME=value            blanks around both are cut; a # behind a blank
 *   export NAME=value     begins a comment
 *   NAME='value'          as it stands, line breaks too
 *   NAME="value"          likewise, but \n \r \t \" \\ \$ stand for a line
 *                         break, ... ; another \ stands for itself
 *   # comment
 *
 * Nothing is substituted.  Of a name that stands there twice the last counts,
 * as it would in a shell.  Values are unquoted in place: they never grow.
 */
#include "dotenv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "sections.h"
#include "textfile.h"

#define MAX_FILE (16 * 1024 * 1024)

struct variable {
  const char *name;
  const char *value;
  char *end;                    /* where its NUL goes; NULL: it is there  */
  size_t order;                 /* in the file                            */
};

struct kwi_dotenv {
  struct kwi_text text;         /* names and values point into it */
  struct variable *variables;   /* by name, each once             */
  size_t n;
};

struct parse {
  const char *file;
  struct kwi_mistakes *mistakes;
  char *at;                     /* a NUL stands behind the text           */
  char *end;
  int line;
  int _reserved;
};

/* ---- One assignment ---------------------------------------------------- */

static int
is_blank (char c)
{
  return c == ' ' || c == '\t';
}

static void
skip_blanks (struct parse *p)
{
  while (is_blank (*p->at))
    p->at++;
}

/* Goes to the end of the line (of the text), which it does not pass. */
static void
skip_line (struct parse *p)
{
  while (p->at < p->end && *p->at != '\n')
    p->at++;
}

/* 1 at the end of a line, CRLF or LF, or of the text. */
static int
at_end (const struct parse *p)
{
  return p->at == p->end || *p->at == '\n'
         || (p->at[0] == '\r' && (p->at + 1 == p->end || p->at[1] == '\n'));
}

static size_t
name_length (const char *s)
{
  static const char digits[] = "0123456789";
  static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz_0123456789";

  return strspn (s, digits) > 0 ? 0 : strspn (s, allowed);
}

/* What \c stands for within double quotes; 0: for itself. */
static char
unescape (char c)
{
  static const char from[] = "nrt\"\\$", to[] = "\n\r\t\"\\$";
  const char *found = c != '\0' ? strchr (from, c) : NULL;

  return found != NULL ? to[found - from] : '\0';
}

/* The value between quotes.  NULL: they are not closed. */
static char *
read_quoted (struct parse *p)
{
  char quote = *p->at++, *value = p->at, *to = p->at;

  while (p->at < p->end && *p->at != quote) {
    char c = quote == '"' && *p->at == '\\' ? unescape (p->at[1]) : '\0';
    p->line += *p->at == '\n';
    if (c != '\0')
      p->at++;
    *to++ = c != '\0' ? c : *p->at;
    p->at++;
  }
  if (p->at == p->end)
    return NULL;
  p->at++;
  *to = '\0';                   /* on the closing quote at the latest */
  return value;
}

/* The value without quotes.  *ret_end is where its NUL goes. */
static char *
read_plain (struct parse *p, char **ret_end)
{
  char *value = p->at, *last = p->at;
  int after_blank = is_blank (p->at[-1]);

  for (; !at_end (p) && !(*p->at == '#' && after_blank); p->at++) {
    after_blank = is_blank (*p->at);
    if (!after_blank)
      last = p->at + 1;
  }
  *ret_end = last;
  return value;
}

/* Reads "NAME = VALUE".  NULL: done; else what is wrong. */
static const char *
read_assignment (struct parse *p, struct variable *ret)
{
  size_t len = name_length (p->at);
  char *name = p->at, *name_end;

  if (len == 6 && strncmp (name, "export", 6) == 0 && is_blank (name[6])) {
    p->at += 6;
    skip_blanks (p);
    name = p->at;
    len = name_length (name);
  }
  name_end = name + len;
  p->at = name_end;
  skip_blanks (p);
  if (len == 0 || *p->at != '=')
    return "this is no NAME=value; allowed: NAME=value, export NAME=value, "
           "# comment";
  p->at++;
  skip_blanks (p);
  *name_end = '\0';
  ret->name = name;
  if (*p->at != '"' && *p->at != '\'') {
    ret->value = read_plain (p, &ret->end);
    return NULL;
  }
  ret->value = read_quoted (p);
  if (ret->value == NULL)
    return "the quote that opens here is never closed";
  skip_blanks (p);
  if (!at_end (p) && !(*p->at == '#' && is_blank (p->at[-1])))
    return "text behind the closing quote; a comment needs a blank before "
           "its #";
  return NULL;
}

/* ---- The file ---------------------------------------------------------- */

static int
add (struct kwi_dotenv *dotenv, const struct variable *variable)
{
  struct variable *variables
    = kwi_grow (dotenv->variables, dotenv->n, sizeof *variables);

  if (variables == NULL)
    return -1;
  dotenv->variables = variables;
  variables[dotenv->n] = *variable;
  variables[dotenv->n].order = dotenv->n;
  dotenv->n++;
  return 0;
}

static int
parse_lines (struct parse *p, struct kwi_dotenv *dotenv)
{
  if (dotenv->text.len >= 3 && memcmp (p->at, "\xef\xbb\xbf", 3) == 0)
    p->at += 3;
  for (; p->at < p->end; p->at++, p->line++) {
    struct variable variable = { NULL, NULL, NULL, 0 };
    int line = p->line;         /* where it begins */

    skip_blanks (p);
    const char *wrong = NULL;
    if (!at_end (p) && *p->at != '#')
      wrong = read_assignment (p, &variable);
    if (wrong != NULL)
      kwi_mistake (p->mistakes, "%s:%d: %s", p->file, line, wrong);
    else if (variable.name != NULL && add (dotenv, &variable) != 0)
      return -1;
    skip_line (p);
    if (variable.end != NULL)
      *variable.end = '\0';     /* perhaps over the line break that p is at */
  }
  return 0;
}

static int
by_name (const void *a, const void *b)
{
  const struct variable *x = a, *y = b;
  int r = strcmp (x->name, y->name);

  return r != 0 ? r : (x->order > y->order) - (x->order < y->order);
}

static int
to_name (const void *name, const void *variable)
{
  return strcmp (name, ((const struct variable *) variable)->name);
}

/* Sorts, and keeps the last of each name. */
static void
arrange (struct kwi_dotenv *dotenv, const struct parse *p)
{
  size_t kept = 0;

  if (dotenv->n == 0)
    return;
  qsort (dotenv->variables, dotenv->n, sizeof *dotenv->variables, by_name);
  for (size_t i = 1; i < dotenv->n; i++) {
    if (strcmp (dotenv->variables[kept].name, dotenv->variables[i].name) == 0)
      kwi_report (p->mistakes->reporter, 1, "%s: %s is there more than once; "
                  "the last one counts", p->file, dotenv->variables[i].name);
    else
      kept++;
    dotenv->variables[kept] = dotenv->variables[i];
  }
  dotenv->n = kept + 1;
}

static int
parse_text (const char *path, struct kwi_mistakes *mistakes,
            struct kwi_dotenv *dotenv)
{
  struct parse p = {
    .file = path, .mistakes = mistakes, .at = dotenv->text.bytes,
    .end = dotenv->text.bytes + dotenv->text.len, .line = 1
  };
  const char *nul = memchr (dotenv->text.bytes, '\0', dotenv->text.len);

  if (nul != NULL) {
    int line = 1;
    for (const char *s = dotenv->text.bytes; s < nul; s++)
      line += *s == '\n';
    kwi_mistake (mistakes, "%s:%d: a NUL byte; this is no text file", path,
                 line);
    return 0;
  }
  if (parse_lines (&p, dotenv) != 0)
    return -1;
  arrange (dotenv, &p);
  return 0;
}

int
kwi_dotenv_read (const char *path, const char *where,
                 struct kwi_mistakes *mistakes, struct kwi_dotenv **ret)
{
  struct kwi_dotenv *dotenv = calloc (1, sizeof *dotenv);

  *ret = NULL;
  if (dotenv == NULL)
    return -1;
  int r = kwi_text_read (path, MAX_FILE, &dotenv->text);
  if (r == KWI_TEXT_OK) {
    r = parse_text (path, mistakes, dotenv);
    if (r == 0)
      *ret = dotenv;
    else
      kwi_dotenv_free (dotenv);
    return r;
  }
  if (r == KWI_TEXT_TOO_LARGE)
    kwi_mistake (mistakes, "%s: env_file %s is larger than 16 MB", where,
                 path);
  else if (r == KWI_TEXT_NO_FILE)
    kwi_mistake (mistakes, "%s: cannot read env_file %s: %s", where, path,
                 KWI_TEXT_NO_FILE_TEXT);
  else if (r == KWI_TEXT_ERRNO && errno != ENOENT)
    kwi_mistake (mistakes, "%s: cannot read env_file %s: %s", where, path,
                 strerror (errno));
  free (dotenv);
  return r == KWI_TEXT_NO_MEMORY ? -1 : 0;
}

const char *
kwi_dotenv_get (const struct kwi_dotenv *dotenv, const char *name)
{
  if (dotenv == NULL || dotenv->n == 0)
    return NULL;
  const struct variable *found
    = bsearch (name, dotenv->variables, dotenv->n, sizeof *found, to_name);
  return found != NULL ? found->value : NULL;
}

void
kwi_dotenv_free (struct kwi_dotenv *dotenv)
{
  if (dotenv == NULL)
    return;
  kwi_text_free (&dotenv->text);
  free (dotenv->variables);
  free (dotenv);
}

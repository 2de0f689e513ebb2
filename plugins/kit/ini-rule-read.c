/* ini-rule-read - the text of a rule, read; see ini-rule.h:
 *
 *     CONDITION [nocase] [status NUMBER] -> VERDICT [SETTING=VALUE ...]
 *
 * What is allowed stands in tables, which also make the words about what is not.
 * The first mistake stays, in w.rc, and whatever is read behind it is nothing. */
#include <stdlib.h>

#include "ini-rule-parts.h"
#include "ini-rule-words.h"

#define NAME_LENGTH 127         /* of a header or a pointer               */
#define DIMENSION_LENGTH 31     /* as a bucket's may be                   */

struct reader {
  struct kwp_words w;
  struct kwp_ini_rule *rule;
};

/* ---- Places -------------------------------------------------------------- */

/* RFC 6901: "/" and what follows, "~0" for "~" and "~1" for "/" in names. */
static void
check_pointer (struct kwp_words *w)
{
  if (strlen (w->word) > NAME_LENGTH)
    kwp_wrong_word (w, "is too long; allowed: %d bytes", NAME_LENGTH);
  for (const char *p = w->word; (p = strchr (p, '~')) != NULL; p++)
    if (p[1] != '0' && p[1] != '1')
      kwp_wrong_word (w, "is no JSON pointer; behind \"~\" allowed: 0 (for \"~\"), 1 (for "
                      "\"/\")");
}

/* RFC 9110, 5.6.2. */
static void
check_header (struct kwp_words *w)
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789!#$%&'*+-.^_`|~";
  size_t len = strlen (w->word);

  if (len == 0 || len > NAME_LENGTH || strspn (w->word, letters) != len)
    kwp_wrong_word (w, "is no header's name; allowed: 1 to %d of A-Z a-z 0-9 - _ .",
                    NAME_LENGTH);
}

/* A pointer, or "header NAME".  0: it is neither. */
static int
read_place (struct kwp_words *w, struct kwp_place *ret)
{
  if (w->word[0] == '/') {
    check_pointer (w);
    *ret = (struct kwp_place) { KWP_AT_POINTER, w->word };
  } else if (kwp_is_word (w, "header")) {
    kwp_next_word (w);
    check_header (w);
    *ret = (struct kwp_place) { KWP_AT_HEADER, w->word };
  } else {
    return 0;
  }
  return 1;
}

/* ---- Conditions ---------------------------------------------------------- */

/* "status 503", "status == 503". */
static void
read_status (struct reader *r)
{
  struct kwp_words *w = &r->w;
  int is_number;

  kwp_next_word (w);
  if (kwp_is_word (w, "==") || kwp_is_word (w, "="))
    kwp_next_word (w);
  is_number = strlen (w->word) == 3 && strspn (w->word, "0123456789") == 3;
  r->rule->status = is_number ? (int) kwp_count (w->word) : 0;
  if (r->rule->status < 100 || r->rule->status > 599)
    kwp_wrong_word (w, "is no HTTP status; allowed: 100 to 599");
  kwp_next_word (w);
}

static void
read_comparison (struct reader *r)
{
  static const struct kwp_named operators[] = {
    { "==", KWP_EQUALS }, { "=", KWP_EQUALS }, { "prefix", KWP_BEGINS },
    { "contains", KWP_CONTAINS },
  };
  struct kwp_words *w = &r->w;

  kwp_next_word (w);
  r->rule->operator = kwp_take_word (w, "is no comparison; blanks stand round one",
                                     KWP_WORDS (operators));
  kwp_next_word (w);
  if (w->word[0] == '\0' || kwp_is_word (w, "->"))
    kwp_wrong_word (w, "is no text to compare with; put more than one word into quotes");
  r->rule->text = w->word;
  kwp_next_word (w);
  r->rule->nocase = kwp_is_word (w, "nocase");
  if (r->rule->nocase)
    kwp_next_word (w);
  if (kwp_is_word (w, "status"))
    read_status (r);
}

/* All up to the verdict. */
static void
read_condition (struct reader *r)
{
  static const struct kwp_named subjects[] = {
    { "code", KWP_AT_CODE }, { "type", KWP_AT_TYPE }, { "message", KWP_AT_MESSAGE },
    { "status", KWP_AT_STATUS }, { "/POINTER", 0 }, { "header NAME", 0 },
  };
  static const struct kwp_named ends[] = { { "->", 1 }, { "nocase", 0 }, { "status", 0 } };
  struct kwp_words *w = &r->w;

  kwp_next_word (w);
  if (!read_place (w, &r->rule->subject))
    r->rule->subject.kind = kwp_take_word (w, "is nothing that a rule can look at",
                                           KWP_WORDS (subjects));
  if (r->rule->subject.kind == KWP_AT_STATUS)
    read_status (r);
  else
    read_comparison (r);
  (void) kwp_take_word (w, "stands where the condition should end", KWP_WORDS (ends));
}

/* ---- Settings ------------------------------------------------------------ */

static void
set_scope (struct reader *r)
{
  static const struct kwp_named scopes[] = {
    { "request", KW_SCOPE_REQUEST }, { "key", KW_SCOPE_KEY },
    { "key_model", KW_SCOPE_KEY_MODEL }, { "account", KW_SCOPE_ACCOUNT },
    { "account_model", KW_SCOPE_ACCOUNT_MODEL }, { "provider", KW_SCOPE_PROVIDER },
  };
  /* Where the next key may be tried, something has to be parked. */
  size_t first = r->rule->outcome != KW_OUTCOME_REQUEST
                 && r->rule->outcome != KW_OUTCOME_TRANSIENT;

  r->rule->scope = kwp_take_word (&r->w, "is no scope of this verdict", scopes + first,
                                  KWP_ARRAY_SIZE (scopes) - first);
}

static void
set_wait (struct reader *r)
{
  struct kwp_words *w = &r->w;

  if (read_place (w, &r->rule->wait))
    return;
  /* A bare number could be of seconds or of milliseconds. */
  if (w->word[strspn (w->word, "0123456789.")] != '\0' && kwp_instant (w->word) < 0)
    r->rule->wait_ms = kwp_wait (w->word, 0);
  if (r->rule->wait_ms < 0)
    kwp_wrong_word (w, "is no wait; allowed: a duration such as 30s or 1h30m, /POINTER, "
                    "header NAME");
}

static void
set_reset (struct reader *r)
{
  static int64_t (*const ends[]) (int64_t) = {
    kwp_next_midnight_utc, kwp_next_midnight_pacific, kwp_next_month_utc,
  };
  static const struct kwp_named names[] = {
    { "midnight_utc", 0 }, { "midnight_pacific", 1 }, { "month_utc", 2 },
    { "/POINTER", 0 }, { "header NAME", 0 },
  };

  if (!read_place (&r->w, &r->rule->reset))
    r->rule->reset_at = ends[kwp_take_word (&r->w, "is no end of a window", KWP_WORDS (names))];
}

static void
set_account (struct reader *r)
{
  if (!read_place (&r->w, &r->rule->account))
    kwp_wrong_word (&r->w, "is no place of an account's name; allowed: /POINTER, header NAME");
}

static void
set_dimension (struct reader *r)
{
  size_t len = strlen (r->w.word);

  if (len == 0 || len > DIMENSION_LENGTH
      || strspn (r->w.word, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != len)
    kwp_wrong_word (&r->w, "is no dimension; allowed: 1 to %d of a-z 0-9 _ . -, as in "
                    "tokens_per_day", DIMENSION_LENGTH);
  r->rule->dimension = r->w.word;
}

/* "NAME=VALUE", also with blanks round the "=". */
static void
read_setting (struct reader *r, unsigned *seen)
{
  static const struct kwp_named settings[] = {
    { "scope", 0 }, { "wait", 1 }, { "reset", 2 }, { "account", 3 }, { "dimension", 4 },
  };
  static void (*const set[]) (struct reader *) = {
    set_scope, set_wait, set_reset, set_account, set_dimension,
  };
  struct kwp_words *w = &r->w;
  int waits = r->rule->outcome != KW_OUTCOME_AUTH && r->rule->outcome != KW_OUTCOME_REQUEST;

  kwp_split_word (w, '=');
  uint32_t n = kwp_take_word (w, "is nothing that can be set", KWP_WORDS (settings));
  const char *name = settings[n].name;

  if ((*seen & 1u << n) != 0)
    kwp_wrong_word (w, "is set for the second time");
  else if (!waits && (set[n] == set_wait || set[n] == set_reset))
    kwp_wrong_word (w, "does not go with AUTH and REQUEST: waiting changes nothing");
  *seen |= 1u << n;
  if (!w->split) {
    kwp_next_word (w);
    kwp_split_word (w, '=');
    if (w->word[0] != '\0' || !w->split)
      kwp_wrong_word (w, "stands where the \"=\" behind \"%s\" should be", name);
  }
  kwp_next_word (w);
  if (kwp_is_end (w))
    kwp_wrong_word (w, "is no value of \"%s\"", name);
  set[n] (r);
}

/* ---- The rule ------------------------------------------------------------ */

static void
read_verdict (struct reader *r)
{
  static const struct kwp_named verdicts[] = {
    { "DAILY_LIMIT", KW_OUTCOME_DAILY_LIMIT }, { "RATE_LIMIT", KW_OUTCOME_RATE_LIMIT },
    { "AUTH", KW_OUTCOME_AUTH }, { "BILLING", KW_OUTCOME_BILLING },
    { "TRANSIENT", KW_OUTCOME_TRANSIENT }, { "REQUEST", KW_OUTCOME_REQUEST },
  };
  unsigned seen = 0;

  kwp_next_word (&r->w);
  r->rule->outcome = kwp_take_word (&r->w, "is no verdict", KWP_WORDS (verdicts));
  for (kwp_next_word (&r->w); !kwp_is_end (&r->w); kwp_next_word (&r->w))
    read_setting (r, &seen);
}

int
kwp_ini_rule_read (const struct kwp_instance *i, const char *name, const char *text,
                   struct kwp_ini_rule **ret)
{
  size_t text_size = strlen (text) + 1, name_size = strlen (name) + 1;
  struct reader r = { .w.i = i };

  if (text_size > KWP_INI_RULE_LENGTH || name_size > KWP_INI_RULE_NAME)
    return kw_error (i->host, i->in, KW_ERR_CONFIG, "the rule is too long; allowed: %d bytes, "
                     "and %d for its name", KWP_INI_RULE_LENGTH - 1, KWP_INI_RULE_NAME - 1);
  r.rule = calloc (1, sizeof *r.rule + text_size + name_size);
  if (r.rule == NULL)
    return KW_ERR_NOMEM;
  r.rule->wait_ms = -1;
  r.rule->name = memcpy (r.rule->words + text_size, name, name_size);
  r.w.start = r.w.at = r.w.word = memcpy (r.rule->words, text, text_size);
  read_condition (&r);
  read_verdict (&r);
  if (r.w.rc == KW_OK && r.rule->subject.kind == KWP_AT_STATUS && r.rule->status <= 299)
    r.w.rc = kw_error (i->host, i->in, KW_ERR_CONFIG, "status %d alone would make every good "
                       "answer a bad one; allowed: 300 to 599, or another condition before it",
                       r.rule->status);
  if (r.w.rc != KW_OK)
    free (r.rule);
  else
    *ret = r.rule;
  return r.w.rc;
}

/* ini-rule - the rules that the user wrote, kept and applied; see ini-rule.h.
 * Nothing is allocated for an answer. */
#include <stdlib.h>

#include "family-parts.h"
#include "ini-rule-parts.h"

/* ---- Keeping ------------------------------------------------------------- */

int
kwp_ini_rule_add (struct kwp_instance *i, const char *option, const char *text)
{
  static const char prefix[] = "rule_";
  const char *name = option + sizeof prefix - 1;
  struct kwp_ini_rule *rule;
  int rc;

  if (kwp_is (option, "rule") || kwp_is (option, prefix))
    return kw_error (i->host, i->in, KW_ERR_CONFIG, "a rule needs a name of its own: "
                     "rule_NAME = ..., with any NAME");
  if (!kwp_starts_with (option, prefix))
    return KW_ERR_NOTFOUND;
  if (i->rules == NULL && (i->rules = calloc (1, sizeof *i->rules)) == NULL)
    return KW_ERR_NOMEM;
  if (i->rules->n == KWP_INI_RULES_MAX)
    return kw_error (i->host, i->in, KW_ERR_CONFIG, "there are too many rules; allowed: %d",
                     KWP_INI_RULES_MAX);
  rc = kwp_ini_rule_read (i, name, text, &rule);
  if (rc == KW_OK)
    i->rules->rule[i->rules->n++] = rule;
  return rc;
}

void
kwp_ini_rules_free (struct kwp_ini_rules *rules)
{
  for (uint32_t n = 0; rules != NULL && n < rules->n; n++)
    free (rules->rule[n]);
  free (rules);
}

/* ---- Conditions ---------------------------------------------------------- */

/* As long as an error's message may be. */
#define TEXT_SIZE sizeof ((struct kwp_error *) NULL)->message

/* NULL: it is not there. */
static const char *
text_at (const struct kwp_answer *a, const struct kwp_place *p, char buf[TEXT_SIZE])
{
  switch (p->kind) {
  case KWP_AT_POINTER:
    return kwp_json (a, p->name, buf, TEXT_SIZE) ? buf : NULL;
  case KWP_AT_HEADER:
    return kwp_header (a, p->name);
  case KWP_AT_CODE:
    return a->e.code;
  case KWP_AT_TYPE:
    return a->e.type;
  case KWP_AT_MESSAGE:
    return a->e.message;
  default:
    return NULL;
  }
}

static int
compare (const struct kwp_ini_rule *r, const char *text)
{
  size_t len = strlen (r->text);

  switch (r->operator) {
  case KWP_EQUALS:
    return r->nocase ? strcasecmp (text, r->text) == 0 : kwp_is (text, r->text);
  case KWP_BEGINS:
    return (r->nocase ? strncasecmp (text, r->text, len) : strncmp (text, r->text, len)) == 0;
  default:
    return (r->nocase ? kwp_after_any (text, r->text) : kwp_after (text, r->text)) != NULL;
  }
}

/* HTTP's, or that of the error in a body whose HTTP status says nothing. */
static int
has_status (const struct kwp_answer *a, int status)
{
  return status == a->resp->http_status || status == a->status;
}

static int
fits (const struct kwp_answer *a, const struct kwp_ini_rule *r, char buf[TEXT_SIZE])
{
  const char *text;

  if (r->status != 0 && !has_status (a, r->status))
    return 0;
  if (r->subject.kind == KWP_AT_STATUS)
    return 1;
  text = text_at (a, &r->subject, buf);
  return text != NULL && compare (r, text);
}

/* ---- Verdicts ------------------------------------------------------------ */

static int
is_limit (uint32_t outcome)
{
  return outcome == KW_OUTCOME_DAILY_LIMIT || outcome == KW_OUTCOME_RATE_LIMIT;
}

static uint32_t
usual_scope (const struct kwp_answer *a, uint32_t outcome)
{
  return is_limit (outcome) ? kwp_limit_scope (a)
         : outcome == KW_OUTCOME_BILLING ? KW_SCOPE_ACCOUNT : KW_SCOPE_DEFAULT;
}

static int64_t
wait_at (const struct kwp_answer *a, const struct kwp_place *p, char buf[TEXT_SIZE])
{
  return kwp_wait (text_at (a, p, buf), a->resp->received_ms);
}

/* When to come back: what the rule says goes before what the answer states, and
 * that before the end of the provider's day. */
static void
apply_times (struct kwp_answer *a, const struct kwp_ini_rule *r, char buf[TEXT_SIZE])
{
  const uint32_t both = KW_HAVE_RETRY_AFTER | KW_HAVE_RESET_AT;
  int64_t now = a->resp->received_ms;
  int64_t ms = r->wait_ms >= 0 ? r->wait_ms : wait_at (a, &r->wait, buf);
  int64_t until = r->reset_at == NULL ? wait_at (a, &r->reset, buf) : -1;

  if (ms >= 0) {
    a->v->have &= ~both;
    kwp_set_wait (a, ms);
  } else if (r->reset_at != NULL || until >= 0) {
    a->v->have &= ~both;
    kwp_set_reset (a, r->reset_at != NULL ? r->reset_at (now)
                                         : kwp_after_ms (now, until));
  } else if (r->outcome == KW_OUTCOME_DAILY_LIMIT && (a->v->have & both) == 0
             && a->i->day_ends != NULL) {
    kwp_set_reset (a, a->i->day_ends (now));
  }
}

/* The text of a limit is read as ever: it has numbers, an account, a wait. */
static void
apply (struct kwp_answer *a, const struct kwp_ini_rule *r, char buf[TEXT_SIZE])
{
  char reason[sizeof a->v->reason];

  memcpy (reason, a->v->reason, sizeof reason);
  if (is_limit (r->outcome))
    (void) kwp_judge_limit (a);
  else if (r->outcome == KW_OUTCOME_TRANSIENT)
    kwp_set_wait (a, kwp_error_wait (a));
  if (is_limit (r->outcome) && a->v->outcome != r->outcome)
    kwp_set_reason (a, reason); /* the text speaks of another window */
  (void) kwp_verdict (a, r->outcome, r->scope != KW_SCOPE_DEFAULT
                                     ? r->scope : usual_scope (a, r->outcome), r->dimension);
  if (a->v->reason[0] == '\0')
    kwp_set_reason (a, r->name);
  kwp_set_account (a, text_at (a, &r->account, buf));
  apply_times (a, r, buf);
}

int
kwp_judge_by_ini_rules (struct kwp_answer *a, int served)
{
  const struct kwp_ini_rules *rules = a->i->rules;
  char buf[TEXT_SIZE];

  for (uint32_t n = 0; rules != NULL && n < rules->n; n++) {
    const struct kwp_ini_rule *r = rules->rule[n];
    /* A header that good answers have, too, must not make them bad ones. */
    if ((served && r->status == 0) || !fits (a, r, buf))
      continue;
    apply (a, r, buf);
    kw_log (a->i->host, a->i->in, KW_LOG_DEBUG, "rule_%s fits: HTTP status %d is %s", r->name,
            (int) a->resp->http_status, a->v->reason);
    return 1;
  }
  return 0;
}

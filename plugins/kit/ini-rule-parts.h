/* ini-rule-parts - what the files of ini-rule share: a rule as it was read. */
#ifndef KWP_INI_RULE_PARTS_H
#define KWP_INI_RULE_PARTS_H

#include "ini-rule.h"

/* Where a text stands in an answer. */
enum {
  KWP_AT_NOTHING = 0,
  KWP_AT_POINTER,               /* name is a JSON pointer                 */
  KWP_AT_HEADER,                /* name is a header's                     */
  KWP_AT_CODE, KWP_AT_TYPE, KWP_AT_MESSAGE, /* the error's, wherever it is */
  KWP_AT_STATUS                 /* there is no text: status says it all   */
};

struct kwp_place {
  uint32_t kind;
  const char *name;
};

enum { KWP_EQUALS = 0, KWP_BEGINS, KWP_CONTAINS };

struct kwp_ini_rule {
  const char *name;             /* "day", of rule_day                     */

  struct kwp_place subject;
  uint32_t operator;
  int nocase;
  const char *text;
  int status;                   /* 0: any                                 */

  uint32_t outcome, scope;      /* KW_OUTCOME_*, KW_SCOPE_*               */
  int64_t wait_ms;              /* -1: not as a duration                  */
  struct kwp_place wait, reset, account;
  int64_t (*reset_at) (int64_t now_ms);
  const char *dimension;        /* or NULL                                */
  char words[];                 /* what the texts above point into        */
};

struct kwp_ini_rules {
  uint32_t n;
  struct kwp_ini_rule *rule[KWP_INI_RULES_MAX];
};

/* Reads a rule; the error is told to the host.  Free it with free. */
int kwp_ini_rule_read (const struct kwp_instance *, const char *name, const char *text,
                       struct kwp_ini_rule **ret);

#endif

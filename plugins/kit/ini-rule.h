/* ini-rule - rules that the user writes into the INI, for a provider whose words
 * the plugin does not know, or no longer:
 *
 *     rule_day = /error/code == "daily_quota" -> DAILY_LIMIT wait=/error/retry_after
 *
 * Each option rule_NAME is one; they are tried in the order of the file, before
 * the rules that are built in.  keywheel.ini(5) describes what one may say. */
#ifndef KWP_INI_RULE_H
#define KWP_INI_RULE_H

#include "family.h"

#define KWP_INI_RULES_MAX 64
#define KWP_INI_RULE_LENGTH 512 /* of one, with its NUL                   */
#define KWP_INI_RULE_NAME 64    /* a verdict's reason, where nothing else is */

/* KW_ERR_NOTFOUND: option is no rule.  What is wrong with one is told to the
 * host. */
int kwp_ini_rule_add (struct kwp_instance *, const char *option, const char *text);
void kwp_ini_rules_free (struct kwp_ini_rules *);

/* 1: a rule fitted, and the answer is judged.  served: it looks like a good one,
 * which only those rules see that ask for its status. */
int kwp_judge_by_ini_rules (struct kwp_answer *, int served);

#endif

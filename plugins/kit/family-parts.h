/* family-parts - what the files of the family share; for no member to include. */
#ifndef KWP_FAMILY_PARTS_H
#define KWP_FAMILY_PARTS_H

#include "family.h"

void kwp_set_reason (struct kwp_answer *, const char *reason);

/* The wait that the text states, or else headers and fields; or -1. */
int64_t kwp_error_wait (const struct kwp_answer *);

/* The scope of a limit, where nothing says another. */
uint32_t kwp_limit_scope (const struct kwp_answer *);

/* The buckets that the family's rows name. */
void kwp_report_rows (struct kwp_answer *);

/* 1: a rule fitted, and the answer is judged. */
int kwp_judge_by_rules (struct kwp_answer *, const struct kwp_rule *, size_t n);
int kwp_judge_by_common_rules (struct kwp_answer *);

#endif

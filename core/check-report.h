/* check-report - from what children say to findings.  See check-report.c. */
#ifndef KWI_CHECK_REPORT_H
#define KWI_CHECK_REPORT_H

#include <stddef.h>
#include <stdint.h>

struct kwi_check;
struct kwi_check_case;
struct kwi_check_message;
struct kw_plugin_finding;

/* NULL: no memory. */
struct kwi_check_report *
kwi_check_report_new (int (*found) (void *user, const struct kw_plugin_finding *),
                      void *user);
void kwi_check_report_free (struct kwi_check_report *);

/* A case begins: the group before it is closed when it was another one. */
void kwi_check_report_start (struct kwi_check *, const struct kwi_check_case *);
void kwi_check_report_done (struct kwi_check *, uint64_t checks);
void kwi_check_report_note (struct kwi_check *, const char *text);
/* It broke a rule; output is what it had printed. */
void kwi_check_report_broke (struct kwi_check *, const struct kwi_check_case *,
                             uint32_t what, const char *rule, const char *text,
                             const char *output);
/* The group of the case is given up: the reason, which fails unless skipped. */
void kwi_check_report_stop (struct kwi_check *, const struct kwi_check_case *,
                            int skipped, const char *text);
/* Closes the last group. */
void kwi_check_report_end (struct kwi_check *);

/* 1: found wants no more. */
int kwi_check_report_cancelled (const struct kwi_check *);
/* How many cases broke a rule. */
int kwi_check_report_failed (const struct kwi_check *);

#endif

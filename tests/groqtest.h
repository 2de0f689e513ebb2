/* groqtest - what the files of test_groq share. */
#ifndef GROQTEST_H
#define GROQTEST_H

#include "answers.h"

#define OK     KW_OUTCOME_OK
#define DAILY  KW_OUTCOME_DAILY_LIMIT
#define RATE   KW_OUTCOME_RATE_LIMIT
#define AUTH   KW_OUTCOME_AUTH
#define BILL   KW_OUTCOME_BILLING
#define REQ    KW_OUTCOME_REQUEST
#define TRANS  KW_OUTCOME_TRANSIENT

extern struct judge groq;

/* What the plugin made of the last answer. */
extern struct kwi_judgement j;

/* headers: "name: value\nname: value", or NULL. */
void judge (int status, int in_stream, const char *headers, const char *body);

#define ERROR(members) "{\"error\":{" members "}}"

void add_corpus_tests (TCase *);
void add_verdict_tests (TCase *);

#endif

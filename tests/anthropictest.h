/* anthropictest - what the files of test_anthropic share. */
#ifndef ANTHROPICTEST_H
#define ANTHROPICTEST_H

#include "kwtest.h"

#define N(array) ((int) (sizeof (array) / sizeof (array)[0]))

void add_request_tests (Suite *);
void add_refusal_tests (Suite *);
void add_reply_tests (Suite *);
void add_stream_tests (Suite *);
void add_answer_tests (Suite *);
void add_host_tests (Suite *);

#endif

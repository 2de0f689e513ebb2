/* test_anthropic - the Anthropic plugin.  anthropic-requests.c and
 * anthropic-refusals.c have what becomes of requests, anthropic-replies.c and
 * anthropic-streams.c of answers, anthropic-answers.c what answers mean, and
 * anthropic-host.c goes through the core. */
#include "anthropictest.h"

static Suite *
anthropic_suite (void)
{
  Suite *s = suite_create ("anthropic");

  add_request_tests (s);
  add_refusal_tests (s);
  add_reply_tests (s);
  add_stream_tests (s);
  add_answer_tests (s);
  add_host_tests (s);
  return s;
}

KW_MAIN (anthropic_suite)

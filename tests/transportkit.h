/* transportkit - an exchange of the test's own on a lane, for the suites of the
 * transport. */
#ifndef TRANSPORTKIT_H
#define TRANSPORTKIT_H

#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "answer.h"
#include "clock.h"
#include "kwtest.h"
#include "loop.h"
#include "request.h"
#include "secrets.h"
#include "simctl.h"
#include "transport.h"

static struct simctl *sim;
static struct kwi_transport *t;
static struct kwi_lane *lane;
static struct kw_request rq;
static struct kwi_answer answer;
static struct kwi_secret secret = { .bytes = "sk-a", .len = 4 };

static inline void
setup (void)
{
  sim = simctl_startl ("--key", "sk-a,name=A", "--clock", "manual", NULL);
  t = kwi_transport_new (NULL);
  ck_assert_ptr_nonnull (t);
  lane = kwi_lane_take (t);
  ck_assert_ptr_nonnull (lane);
  memset (&rq, 0, sizeof rq);
  memset (&answer, 0, sizeof answer);
}

static inline void
teardown (void)
{
  kwi_answer_clear (&answer);
  kwi_request_clear (&rq);
  kwi_lane_give (t, lane);
  kwi_transport_free (t);
  simctl_stop (sim);
}

static inline struct kwi_exchange
exchange (const char *method, const char *path, const char *body)
{
  char url[256];
  int n = snprintf (url, sizeof url, "%s%s", simctl_base_url (sim), path);

  ck_assert (n > 0 && (size_t) n < sizeof url);
  kwi_request_reset (&rq, body, body != NULL ? strlen (body) : 0);
  ck_assert_int_eq (kwi_request_method (&rq, method), 0);
  ck_assert_int_eq (kwi_request_url (&rq, url), 0);
  if (body != NULL)
    ck_assert_int_eq (kwi_request_body (&rq, body, strlen (body)), 0);
  ck_assert_int_eq (kwi_request_secret_header (&rq, "Authorization", "Bearer "), 0);
  return (struct kwi_exchange) { .request = &rq, .secret = &secret,
                                 .attempt_timeout_ms = 30000,
                                 .connect_timeout_ms = 5000,
                                 .left_ms = 60000, .max_response = 1 << 20,
                                 .wall_ms = 1000000 };
}

static int is_over;

static inline void
over (void *user)
{
  (void) user;
  is_over = 1;
  kwi_lane_loop (lane)->interrupted = 1;
}

static inline void
run (struct kwi_exchange *x)
{
  is_over = 0;
  x->answer = &answer;
  x->done = over;
  kwi_exchange_begin (lane, x);
  ck_assert_int_eq (is_over, 0);
  while (!is_over)
    kwi_loop_run (kwi_lane_loop (lane), -1);
}

#endif

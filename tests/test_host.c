/* What the host does for a plugin that judges an answer, keeps from it, and
 * makes of what it gets wrong; plugins of older and newer minors. */
#include "instkit.h"

/* ---- A plugin of 1.0 ------------------------------------------------------------- */

START_TEST (a_plugin_of_1_0_works_for_ever)
{
  start ("frozen");
  ck_assert_ptr_nonnull (strstr (logged, "3:frozen runs in keywheel "));
  set ("region", "eu");
  ck_assert_int_eq (kwi_instance_config_complete (in, &err), 0);

  ck_assert_int_eq (kwi_instance_prepare (in, &call, &r, &err), 0);
  ck_assert_str_eq (r.method, "POST");
  ck_assert_str_eq (r.url, "https://api.example.com/v1/chat/completions");
  ck_assert (has_header ("X-Region: eu"));
  ck_assert (has_header ("Content-Type: application/json"));
  ck_assert_uint_eq (r.n_headers, 2);
  ck_assert_str_eq (r.secret_header, "Authorization");
  ck_assert_str_eq (r.secret_prefix, "Bearer ");
  ck_assert_ptr_eq (r.body, body);

  ck_assert_int_eq (kwi_instance_build_probe (in, &call, &r, &err), 0);
  ck_assert_str_eq (r.method, "GET");
  ck_assert_str_eq (r.url, "https://api.example.com/v1/models");
  ck_assert_uint_eq (r.body_len, 0);
  ck_assert_uint_eq (r.n_headers, 1);

  answer (429, "{\"error\":{\"code\":\"daily\",\"account\":\"org_1\"}}");
  ck_assert_int_eq (kwi_answer_add_header (&a, "X-LEFT", 6, "12", 2), 0);
  classify ();
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_DAILY_LIMIT);
  ck_assert_uint_eq (j.scope, KW_SCOPE_ACCOUNT_MODEL);
  ck_assert_int_eq (j.wait_ms, 432500);
  ck_assert_str_eq (j.account, "org_1");
  ck_assert_str_eq (j.reason, "daily");
  ck_assert_uint_eq (j.fell_back, 0);
  ck_assert_uint_eq (j.n_buckets, 1);
  ck_assert_int_eq (j.bucket[0].remaining, 12);
  ck_assert_int_eq (j.bucket[0].full_at_ms, NOW + 1000);
  ck_assert_str_eq (j.bucket[0].dimension, "requests_per_day");
}
END_TEST

START_TEST (a_plugin_of_1_0_survives_every_answer)
{
  enum { MIB = 1 << 20, DEEP = 100000 };
  char *big = malloc (MIB);
  uint32_t seed = 1;

  ck_assert_ptr_nonnull (big);
  start ("frozen");
  for (int32_t status = 100; status < 600; status++) {
    answer (status, "");
    classify ();
    ck_assert_msg (j.outcome >= KW_OUTCOME_OK && j.outcome <= KW_OUTCOME_TRANSIENT &&
                   j.scope >= KW_SCOPE_REQUEST && j.scope <= KW_SCOPE_PROVIDER,
                   "status %d: %u %u", (int) status, (unsigned) j.outcome,
                   (unsigned) j.scope);
  }

  for (size_t i = 0; i < MIB; i++) {
    seed = seed * 1103515245 + 12345;
    big[i] = (char) (seed >> 16);
  }
  kwi_answer_reset (&a);
  a.status = 429;
  ck_assert_int_eq (kwi_answer_add_body (&a, big, MIB), 0);
  classify ();
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_RATE_LIMIT);

  memset (big, '[', DEEP);
  memset (big + DEEP, ']', DEEP);
  kwi_answer_reset (&a);
  a.status = 500;
  ck_assert_int_eq (kwi_answer_add_body (&a, big, 2 * DEEP), 0);
  classify ();
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_TRANSIENT);
  free (big);
}
END_TEST

START_TEST (an_answer_cut_anywhere_is_judged)
{
  static const char whole[] =
    "{\"error\":{\"code\":\"daily\",\"account\":\"org_1\\u00e9\"}}";

  start ("frozen");
  for (size_t len = 0; len < sizeof whole; len++) {
    kwi_answer_reset (&a);
    a.status = 429;
    a.received_ms = NOW;
    ck_assert_int_eq (kwi_answer_add_body (&a, whole, len), 0);
    classify ();
    /* Only the whole one says that it is for the day. */
    ck_assert_msg (j.outcome == (len == sizeof whole - 1 ? KW_OUTCOME_DAILY_LIMIT
                                                         : KW_OUTCOME_RATE_LIMIT),
                   "%zu bytes: %u", len, (unsigned) j.outcome);
  }
}
END_TEST

/* ---- Newer and older ---------------------------------------------------------------- */

START_TEST (a_newer_plugin_meets_null_slots_and_room_to_write_into)
{
  start ("newer");              /* its create looks behind our kw_host */
  answer (200, "{}");
  classify ();                  /* writes all of the 512 bytes */
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_RATE_LIMIT);
  ck_assert_str_eq (j.reason, "");
  ck_assert_uint_eq (j.n_buckets, 0);
}
END_TEST

START_TEST (buckets_of_other_sizes_are_read_as_far_as_they_go)
{
  start ("odd");
  set ("judge", "sized-buckets");
  answer (200, "{}");
  classify ();
  ck_assert_str_eq (j.reason, "-1.0.-1");
  ck_assert_uint_eq (j.n_buckets, 1);
  ck_assert_int_eq (j.bucket[0].limit, 7);
  ck_assert_uint_eq (j.bucket[0].have, KW_HAVE_LIMIT);
  ck_assert_str_eq (j.bucket[0].dimension, "apples");
}
END_TEST

/* ---- Answers ------------------------------------------------------------------------- */

START_TEST (a_failing_classify_is_logged_and_the_status_decides)
{
  start ("odd");
  set ("judge", "fails");
  set ("account", "org");
  answer (503, "{}");
  classify ();
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_TRANSIENT);
  ck_assert_uint_eq (j.fell_back, 1);
  ck_assert_uint_eq (j.n_buckets, 0);
  ck_assert_str_eq (j.account, "");
  ck_assert_str_eq (j.reason, "");
  ck_assert_str_eq (logged, "1:plugin \"odd\" failed to judge an answer (HTTP status "
                    "503, code -1): lost ?[1m my?way; the status decides\n");
}
END_TEST

START_TEST (a_verdict_filled_to_the_brim_is_ended)
{
  start ("odd");
  set ("judge", "fills-up");
  answer (200, "{}");
  classify ();
  ck_assert_uint_eq (strlen (j.account), sizeof j.account - 1);
  ck_assert_uint_eq (strlen (j.model), sizeof j.model - 1);
  ck_assert_uint_eq (strlen (j.reason), sizeof j.reason - 1);
}
END_TEST

START_TEST (sixteen_buckets_are_taken_and_no_more)
{
  start ("odd");
  set ("judge", "many-buckets");
  answer (200, "{}");
  classify ();
  ck_assert_str_eq (j.reason, "16.range");
  ck_assert_uint_eq (j.n_buckets, KWI_MAX_BUCKETS);
  for (uint32_t i = 0; i < j.n_buckets; i++) {
    ck_assert_int_eq (j.bucket[i].limit, i);
    ck_assert_uint_eq (j.bucket[i].have, KW_HAVE_LIMIT);        /* used was -4 */
    ck_assert_uint_eq (j.bucket[i].scope, KW_SCOPE_KEY_MODEL);
    ck_assert_str_eq (j.bucket[i].dimension, "ttttttttttttttttttttttttttttttt");
  }
}
END_TEST

START_TEST (what_is_interned_is_one_copy_and_bounded)
{
  start ("odd");
  set ("judge", "interns");
  answer (200, "{}");
  classify ();
  ck_assert_str_eq (j.reason, "one-copy.other.bounded.full");
}
END_TEST

START_TEST (a_log_line_is_one_line_at_a_known_level)
{
  start ("odd");
  set ("judge", "logs");
  answer (200, "{}");
  classify ();
  ck_assert_str_eq (logged, "2:two?lines\n3:no level like it\n");
}
END_TEST

/* At the first line: settings are written, and the plugin asked again. */
static void
come_back (void *user, uint32_t level, const char *msg)
{
  struct kwi_judgement again;
  int unknown, *depth = user;

  keep_log (NULL, level, msg);
  if ((*depth)++ > 0)
    return;
  ck_assert_int_eq (kwi_instance_config (in, "judge", "clock", &unknown, &err), 0);
  kwi_instance_classify (in, &a, &again);
  ck_assert_str_eq (again.reason, "1767362591000");
}

START_TEST (whoever_hears_of_a_line_may_come_back_into_the_core)
{
  static const char *const models[] = { "odd", "odd-serial" };
  int depth = 0;
  const struct kwi_instance_hooks asking = { &test_clock, come_back, &depth };

  load (models[_i]);
  ck_assert_int_eq (kwi_instance_new (plugin, "test", &asking, &in, &err), 0);
  set ("judge", "logs");
  answer (200, "{}");
  classify ();
  ck_assert_str_eq (logged, "2:two?lines\n3:no level like it\n");
  ck_assert_int_eq (depth, 2);
}
END_TEST

START_TEST (a_chatty_plugin_is_cut_short_and_that_is_told)
{
  char want[512] = "";
  size_t at = 0;
  int i, n;

  start ("odd");
  set ("judge", "chatters");
  answer (200, "{}");
  classify ();
  for (i = 1; i <= 16; i++) {
    n = snprintf (want + at, sizeof want - at, "3:line %d\n", i);
    ck_assert_int_gt (n, 0);
    at += (size_t) n;
  }
  n = snprintf (want + at, sizeof want - at, "1:plugin \"odd\": more lines dropped "
                "(4); one call may log 16\n");
  ck_assert (n > 0 && (size_t) n < sizeof want - at);
  ck_assert_str_eq (logged, want);
  classify ();                  /* the next call may log anew */
  ck_assert_str_eq (logged + strlen (want), want);
}
END_TEST

START_TEST (the_clock_is_the_hosts)
{
  start ("odd");
  set ("judge", "clock");
  answer (200, "{}");
  classify ();
  ck_assert_str_eq (j.reason, "1767362591000");
}
END_TEST

START_TEST (a_plugin_sees_the_answer_as_it_is)
{
  start ("odd");
  set ("judge", "reads");
  answer (0, "abc");
  a.net = KW_NET_TIMEOUT;
  a.too_large = 5;
  a.in_stream = 1;
  classify ();
  ck_assert_str_eq (j.reason, "0.4.1.1.3");
  memset (&a.net, 0, sizeof a.net);
  kwi_answer_clear (&a);        /* no buffers at all */
  a.status = 204;
  classify ();
  ck_assert_str_eq (j.reason, "204.0.0.0.0");
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_OK);
}
END_TEST

START_TEST (a_json_question_is_answered_through_the_table)
{
  static const struct { const char *pointer, *reason; } asked[] = {
    { "/error/code", "x1" }, { "/error/n", "3" }, { "/none", "code-5" },
    { "/long", "code-4" }, { "/error", "code-5" },
  };
  char text[300];
  int n = snprintf (text, sizeof text,
                    "{\"error\":{\"code\":\"x1\",\"n\":3},\"long\":\"%064d\"}", 1);

  ck_assert (n > 0 && (size_t) n < sizeof text);
  start ("odd");
  set ("judge", "json");
  for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
    set ("pointer", asked[i].pointer);
    answer (200, text);
    classify ();
    ck_assert_msg (strcmp (j.reason, asked[i].reason) == 0, "%s: %s",
                   asked[i].pointer, j.reason);
  }
  answer (200, "<html>");
  classify ();
  ck_assert_str_eq (j.reason, "code-1");
}
END_TEST

/* A service at the wrong moment: refused; with KW_DEBUG it ends the program,
 * so that whoever writes a plugin sees it. */
START_TEST (a_service_at_the_wrong_moment_is_refused)
{
  start ("odd");
  set ("build", "keeps");
  ck_assert_int_eq (kwi_instance_prepare (in, &call, &r, &err), 0);
  set ("judge", "misuses");
  answer (200, "{}");
  classify ();
  ck_assert_str_eq (j.reason, "refused-10");
  ck_assert_str_eq (r.url, "https://odd.example/v1");
  ck_assert_str_eq (r.method, "POST");
}
END_TEST

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("host");
  TCase *t = tcase_create ("host");

  tcase_add_checked_fixture (t, fresh, clear);
  tcase_add_test (t, a_plugin_of_1_0_works_for_ever);
  tcase_add_test (t, a_plugin_of_1_0_survives_every_answer);
  tcase_add_test (t, an_answer_cut_anywhere_is_judged);
  tcase_add_test (t, a_newer_plugin_meets_null_slots_and_room_to_write_into);
  tcase_add_test (t, buckets_of_other_sizes_are_read_as_far_as_they_go);
  tcase_add_test (t, a_failing_classify_is_logged_and_the_status_decides);
  tcase_add_test (t, a_verdict_filled_to_the_brim_is_ended);
  tcase_add_test (t, sixteen_buckets_are_taken_and_no_more);
  tcase_add_test (t, what_is_interned_is_one_copy_and_bounded);
  tcase_add_test (t, a_log_line_is_one_line_at_a_known_level);
  tcase_add_loop_test (t, whoever_hears_of_a_line_may_come_back_into_the_core, 0, 2);
  tcase_add_test (t, a_chatty_plugin_is_cut_short_and_that_is_told);
  tcase_add_test (t, the_clock_is_the_hosts);
  tcase_add_test (t, a_plugin_sees_the_answer_as_it_is);
  tcase_add_test (t, a_json_question_is_answered_through_the_table);
#ifdef KW_DEBUG
  if (kwtest_forks ())
    tcase_add_test_raise_signal (t, a_service_at_the_wrong_moment_is_refused, 6);
#else
  tcase_add_test (t, a_service_at_the_wrong_moment_is_refused);
#endif
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (make_suite)

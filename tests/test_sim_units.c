/* test_sim_units - keywheel-sim's arithmetic, texts and fault specs, without a
 * server; and proc, which every suite that starts programs stands on. */
#include "test_sim.h"

#include "../sim/bucket.h"
#include "../sim/duration.h"
#include "../sim/faults.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C (1000000)
#define DAY (86400 * SECOND)

/* ---- arithmetic -------------------------------------------------------------- */

/* Numbers of real refusals. */
static const struct {
  int64_t limit, used, requested, window_us, wait_us;
} real_waits[] = {
  { 100000, 97050, 3619, DAY, 578016000 },
  { 100000, 97644, 12232, DAY, 8532864000 },
  { 500000, 499465, 1459, DAY, 159667200 },
  { 250, 250, 1, DAY, 345600000 },
  { 30, 30, 1, 60 * SECOND, 2000000 },
  { 8000, 7481, 520, 60 * SECOND, 7500 },
  { 7000, 3858, 4223, 60 * SECOND, 9265715 },   /* 9.265714285s, rounded up */
  { 8000, 0, 32240, 60 * SECOND, 181800000 },
  { 1000, 10, 990, DAY, 0 },
};

START_TEST (a_wait_is_what_groq_states)
{
  int64_t wait = sim_wait_us (real_waits[_i].limit, real_waits[_i].used,
                              real_waits[_i].requested, real_waits[_i].window_us);
  ck_assert_msg (wait == real_waits[_i].wait_us, "Limit %lld, Used %lld, Requested "
                 "%lld: %lld us, not %lld", (long long) real_waits[_i].limit,
                 (long long) real_waits[_i].used,
                 (long long) real_waits[_i].requested, (long long) wait,
                 (long long) real_waits[_i].wait_us);
}
END_TEST

static const struct {
  int64_t us;
  const char *text;
} durations[] = {
  { 0, "1ms" },
  { 7500, "7.5ms" },
  { 644000, "644ms" },
  { 999999, "999.999ms" },
  { 1000000, "1s" },
  { 1537500, "1.5375s" },
  { 7660000, "7.66s" },
  { 60360000, "1m0.36s" },
  { 432500000, "7m12.5s" },
  { 2160000000, "36m0s" },
  { 3600000000, "1h0m0s" },
  { 8532864000, "2h22m12.864s" },
  { 86400000000, "24h0m0s" },
};

START_TEST (a_duration_is_written_as_go_does)
{
  char buf[64];
  ck_assert_str_eq (sim_go_duration (durations[_i].us, buf, sizeof buf),
                    durations[_i].text);
}
END_TEST

static struct sim_account
account_of (enum sim_dim dim, int64_t limit, int64_t scale)
{
  struct sim_limits limits = { { 0 } };
  struct sim_account account;
  limits.of[dim] = limit;
  sim_account_init (&account, &limits, scale, 0);
  return account;
}

START_TEST (who_waits_as_told_is_admitted_and_not_a_moment_before)
{
  /* Odd numbers, so that nothing divides. */
  static const int64_t limits[] = { 7, 97, 997, 99991 };
  for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
    struct sim_refusal r;
    struct sim_account early, account = account_of (SIM_TPD, limits[i], 1);
    int64_t now = 12345, tokens = limits[i] / 2 + 1;
    ck_assert (sim_account_admit (&account, tokens, now, &r));
    ck_assert (!sim_account_admit (&account, tokens, now, &r));
    ck_assert_int_eq (r.used, tokens);
    early = account;
    ck_assert_msg (!sim_account_admit (&early, tokens, now + r.wait_us - 1, &r),
                   "limit %lld: admitted too early", (long long) limits[i]);
    ck_assert (!sim_account_admit (&account, tokens, now, &r));
    ck_assert_msg (sim_account_admit (&account, tokens, now + r.wait_us, &r),
                   "limit %lld: refused after its own wait", (long long) limits[i]);
  }
}
END_TEST

START_TEST (a_refused_request_is_charged_nothing)
{
  struct sim_limits limits = { { [SIM_RPD] = 10, [SIM_TPM] = 100 } };
  struct sim_account account;
  struct sim_refusal r;
  sim_account_init (&account, &limits, 1, 0);
  ck_assert (sim_account_admit (&account, 60, 0, &r));
  for (int i = 0; i < 20; i++)
    ck_assert (!sim_account_admit (&account, 60, 0, &r));
  ck_assert_int_eq (r.dim, SIM_TPM);
  ck_assert_int_eq (sim_bucket_used (&account.buckets[SIM_RPD], 0), 1);
  ck_assert_int_eq (sim_bucket_used (&account.buckets[SIM_TPM], 0), 60);
  ck_assert (sim_account_admit (&account, 40, 0, &r));
}
END_TEST

START_TEST (what_exceeds_the_limit_can_never_pass)
{
  struct sim_account account = account_of (SIM_TPM, 8000, 1);
  struct sim_refusal r;
  ck_assert (!sim_account_admit (&account, 32240, 0, &r));
  ck_assert (r.too_large);
  ck_assert_int_eq (r.wait_us, 181800000);
  ck_assert (!sim_account_admit (&account, 32240, 10 * DAY, &r));
}
END_TEST

START_TEST (the_greatest_numbers_do_not_overflow)
{
  struct sim_account account = account_of (SIM_TPD, SIM_LIMIT_MAX, 1);
  struct sim_refusal r;
  ck_assert (sim_account_admit (&account, SIM_LIMIT_MAX, 0, &r));
  ck_assert (!sim_account_admit (&account, SIM_LIMIT_MAX, 0, &r));
  ck_assert_int_eq (r.wait_us, DAY);
  ck_assert_int_eq (sim_bucket_used (&account.buckets[SIM_TPD], DAY / 2),
                    SIM_LIMIT_MAX / 2);
  ck_assert (sim_account_admit (&account, SIM_LIMIT_MAX, 100 * 366 * DAY, &r));
  account = account_of (SIM_TPD, 1, 1);
  ck_assert (!sim_account_admit (&account, SIM_REQUESTED_MAX, 0, &r));
  ck_assert_int_eq (r.wait_us, (SIM_REQUESTED_MAX - 1) * DAY);
}
END_TEST

START_TEST (a_scaled_day_is_shorter)
{
  struct sim_account account = account_of (SIM_RPD, 1, 86400);
  struct sim_refusal r;
  ck_assert (sim_account_admit (&account, 1, 0, &r));
  ck_assert (!sim_account_admit (&account, 1, 0, &r));
  ck_assert_int_eq (r.wait_us, SECOND);
  ck_assert (sim_account_admit (&account, 1, SECOND, &r));
}
END_TEST

/* ---- faults --------------------------------------------------------------------- */

START_TEST (one_in_so_many_is_hit_at_random_and_the_others_go_on)
{
  enum { ALL = 100000, ONE_IN = 20 };
  struct sim_faults faults = { 0 };
  struct sim_fault f;
  char msg[400];
  int hit = 0, in_a_row = 0;
  enum sim_fault_kind before = SIM_FAULT_NONE;

  ck_assert_int_eq (sim_faults_add (&faults, "drop,one-in=20", msg, sizeof msg), 0);
  ck_assert_int_eq (sim_faults_add (&faults, "empty", msg, sizeof msg), 0);
  for (int i = 0; i < ALL; i++) {
    ck_assert (sim_faults_take (&faults, "a", "m", 0, &f));
    hit += f.kind == SIM_FAULT_DROP;
    in_a_row += f.kind == SIM_FAULT_DROP && before == SIM_FAULT_DROP;
    before = f.kind;
  }
  /* Five deviations to both sides. */
  ck_assert_msg (hit > ALL / ONE_IN - 350 && hit < ALL / ONE_IN + 350, "%d", hit);
  ck_assert_msg (in_a_row > 160 && in_a_row < 340, "%d", in_a_row);
  sim_faults_clear (&faults);
}
END_TEST

static const struct {
  const char *spec, *says;
} bad_specs[] = {
  { "", "there is no fault" },
  { "nonsense", "there is no fault \"nonsense\"" },
  { "status", "status needs a value" },
  { "status=", "status needs a value" },
  { "status=abc", "from 300 to 599" },
  { "status=200", "from 300 to 599" },
  { "status=503x", "from 300 to 599" },
  { "status=-1", "from 300 to 599" },
  { "status=99999999999999999999", "from 300 to 599" },
  { "drop=1", "drop takes no value" },
  { "drop,garbage", "one fault has one kind" },
  { "count=2", "does not say what is to go wrong" },
  { "drop,count=0", "from 1 to" },
  { "sse-error,form=odd", "event, data and x_groq" },
  { "body-size=10", "from 1024" },
  { "delay=1,key=", "key needs a value" },
  { "status=503,status=502", "status is there twice" },
  { "drop,count=1,count=1", "count is there twice" },
  { "status=503,after=3", "after does nothing with status" },
  { "after=3,status=503", "after does nothing with status" },
  { "drop,retry-after=1", "retry-after does nothing with drop" },
  { "sse-break=1,form=data", "form does nothing with sse-break" },
  { "truncate,chunked", "chunked does nothing with truncate" },
  { "status=503,reset", "reset does nothing with status" },
  { "hang,reset", "reset does nothing with hang" },
  { "drop,one-in=0", "from 1 to" },
  { "status=503,chunk-delay=1", "chunk-delay does nothing with status" },
  { "delay=1,retry-after=1", "retry-after does nothing with a fault without a kind" },
};

START_TEST (a_bad_fault_is_refused_with_its_reason)
{
  struct sim_fault f;
  char msg[400] = "";
  ck_assert_msg (sim_fault_parse (bad_specs[_i].spec, &f, msg, sizeof msg) != 0,
                 "\"%s\" was accepted", bad_specs[_i].spec);
  ck_assert_msg (strstr (msg, bad_specs[_i].says) != NULL, "\"%s\": \"%s\"",
                 bad_specs[_i].spec, msg);
}
END_TEST

START_TEST (a_fault_hits_whom_it_is_meant_for_and_as_often)
{
  struct sim_faults faults = { 0 };
  struct sim_fault f;
  char msg[400];
  ck_assert_int_eq (sim_faults_add (&faults, "status=503,key=a,skip=1,count=2", msg,
                                    sizeof msg), 0);
  ck_assert_int_eq (sim_faults_add (&faults, "sse-break=3", msg, sizeof msg), 0);
  ck_assert (!sim_faults_take (&faults, "b", "m", 0, &f));
  ck_assert (!sim_faults_take (&faults, "a", "m", 0, &f));      /* skipped */
  for (int i = 0; i < 2; i++) {
    ck_assert (sim_faults_take (&faults, "a", "m", 0, &f));
    ck_assert_int_eq (f.status, 503);
  }
  ck_assert (!sim_faults_take (&faults, "a", "m", 0, &f));      /* spent */
  ck_assert (sim_faults_take (&faults, "a", "m", 1, &f));
  ck_assert_int_eq (f.kind, SIM_FAULT_SSE_BREAK);
  sim_faults_clear (&faults);
}
END_TEST

/* ---- proc ------------------------------------------------------------------------- */

START_TEST (a_child_gets_its_input_and_gives_its_output_however_long)
{
  static const char *const argv[] = { "cat", NULL };
  size_t size = 3 * 1024 * 1024 + 7;
  char *input = malloc (size);
  struct proc_result res;
  ck_assert_ptr_nonnull (input);
  memset (input, 'k', size);
  proc_run (&res, argv, NULL, input, size, 60000);
  ck_assert_int_eq (res.status, 0);
  ck_assert_uint_eq (res.out_len, size);
  ck_assert (memcmp (res.out, input, size) == 0);
  proc_result_clear (&res);
  free (input);
}
END_TEST

START_TEST (a_child_that_reads_nothing_does_no_harm)
{
  static const char *const argv[] = { "true", NULL };
  static char input[1024 * 1024];
  struct proc_result res;
  proc_run (&res, argv, NULL, input, sizeof input, 60000);
  ck_assert_int_eq (res.status, 0);
  proc_result_clear (&res);
}
END_TEST

START_TEST (a_child_that_does_not_end_is_killed)
{
  static const char *const argv[] = { "tail", "-f", "/dev/null", NULL };
  struct proc_result res;
  proc_run (&res, argv, NULL, NULL, 0, 20);
  ck_assert (res.timed_out);
  ck_assert_int_eq (res.status, 128 + SIGKILL);
  proc_result_clear (&res);
}
END_TEST

START_TEST (a_child_has_the_environment_it_is_given)
{
  static const char *const argv[] = { "/usr/bin/env", NULL };
  static const char *const only[] = { "-", "A=1", "B=2", "A=3", NULL };
  static const char *const less[] = { "KWTEST_GONE", NULL };
  struct proc_result res;
  proc_run (&res, argv, only, NULL, 0, 60000);
  ck_assert_str_eq (res.out, "B=2\nA=3\n");
  proc_result_clear (&res);
  setenv ("KWTEST_GONE", "1", 1);
  setenv ("KWTEST_STAYS", "1", 1);
  proc_run (&res, argv, less, NULL, 0, 60000);
  ck_assert_ptr_null (strstr (res.out, "KWTEST_GONE"));
  ck_assert_ptr_nonnull (strstr (res.out, "KWTEST_STAYS=1\n"));
  proc_result_clear (&res);
}
END_TEST

START_TEST (a_program_that_does_not_exist_says_so)
{
  static const char *const argv[] = { "./no-such-program", NULL };
  struct proc_result res;
  proc_run (&res, argv, NULL, NULL, 0, 60000);
  ck_assert_int_eq (res.status, 127);
  ck_assert_ptr_nonnull (strstr (res.err, "no-such-program"));
  proc_result_clear (&res);
}
END_TEST

START_TEST (lines_come_one_by_one_and_a_signal_ends_the_child)
{
  static const char *const argv[] = { "cat", NULL };
  struct proc *p = proc_start (argv, NULL);
  struct proc_result res;
  proc_write (p, "one\ntwo\nthr", 11);
  ck_assert_str_eq (proc_read_line (p, 60000), "one");
  ck_assert_str_eq (proc_read_line (p, 60000), "two");
  ck_assert (proc_expect (p, 1, "two\nthr", 60000));
  ck_assert_ptr_null (proc_read_line (p, 1));
  proc_signal (p, SIGTERM);
  proc_finish (p, &res, 60000);
  ck_assert_int_eq (res.status, 128 + SIGTERM);
  ck_assert_int_eq (res.timed_out, 0);
  proc_result_clear (&res);
}
END_TEST

TCase *
sim_units (void)
{
  TCase *t = tcase_create ("units");
  tcase_set_timeout (t, 60);
  tcase_add_loop_test (t, a_wait_is_what_groq_states, 0, COUNT (real_waits));
  tcase_add_loop_test (t, a_duration_is_written_as_go_does, 0, COUNT (durations));
  tcase_add_test (t, who_waits_as_told_is_admitted_and_not_a_moment_before);
  tcase_add_test (t, a_refused_request_is_charged_nothing);
  tcase_add_test (t, what_exceeds_the_limit_can_never_pass);
  tcase_add_test (t, the_greatest_numbers_do_not_overflow);
  tcase_add_test (t, a_scaled_day_is_shorter);
  tcase_add_loop_test (t, a_bad_fault_is_refused_with_its_reason, 0,
                       COUNT (bad_specs));
  tcase_add_test (t, one_in_so_many_is_hit_at_random_and_the_others_go_on);
  tcase_add_test (t, a_fault_hits_whom_it_is_meant_for_and_as_often);
  tcase_add_test (t, a_child_gets_its_input_and_gives_its_output_however_long);
  tcase_add_test (t, a_child_that_reads_nothing_does_no_harm);
  tcase_add_test (t, a_child_that_does_not_end_is_killed);
  tcase_add_test (t, a_child_has_the_environment_it_is_given);
  tcase_add_test (t, a_program_that_does_not_exist_says_so);
  tcase_add_test (t, lines_come_one_by_one_and_a_signal_ends_the_child);
  return t;
}

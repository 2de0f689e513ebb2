/* A keywheel of a later minor, whose structs are longer than those that plugins
 * were built with: the core, compiled with a header that tests/abi/later.sed has
 * let grow, meets a plugin of 1.0, one of today and one of its own minor. */
#include "instkit.h"

#if KW_PROVIDER_ABI_MINOR != 1
#error "this is to be compiled with the header of a later minor"
#endif

static const struct kw_provider *
provider (void)
{
  return kwi_plugin_provider (plugin);
}

START_TEST (a_shorter_provider_is_zero_beyond_its_end)
{
  int major, minor;

  load ("frozen");
  kwi_plugin_abi (plugin, &major, &minor);
  ck_assert_int_eq (major, 1);
  ck_assert_int_eq (minor, 0);
  ck_assert_uint_eq (provider ()->_header.struct_size, 160);
  ck_assert_uint_gt (sizeof (struct kw_provider), 160);
  ck_assert (provider ()->get_extension != NULL);       /* the last that it has */
  ck_assert (provider ()->added == NULL);
}
END_TEST

START_TEST (a_plugin_of_1_0_works_in_it)
{
  start ("frozen");
  set ("region", "eu");
  ck_assert_int_eq (kwi_instance_config_complete (in, &err), 0);
  ck_assert_int_eq (kwi_instance_prepare (in, &call, &r, &err), 0);
  ck_assert_str_eq (r.url, "https://api.example.com/v1/chat/completions");
  ck_assert (has_header ("X-Region: eu"));
  ck_assert_ptr_eq (r.body, body);
  ck_assert_int_eq (kwi_instance_build_probe (in, &call, &r, &err), 0);
  ck_assert_str_eq (r.url, "https://api.example.com/v1/models");

  answer (429, "{\"error\":{\"code\":\"daily\",\"account\":\"org_1\"}}");
  ck_assert_int_eq (kwi_answer_add_header (&a, "X-Left", 6, "12", 2), 0);
  classify ();
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_DAILY_LIMIT);
  ck_assert_uint_eq (j.scope, KW_SCOPE_ACCOUNT_MODEL);
  ck_assert_int_eq (j.wait_ms, 432500);
  ck_assert_str_eq (j.account, "org_1");
  ck_assert_str_eq (j.reason, "daily");
  /* Its bucket is shorter than ours. */
  ck_assert_uint_eq (j.n_buckets, 1);
  ck_assert_int_eq (j.bucket[0].remaining, 12);
  ck_assert_str_eq (j.bucket[0].dimension, "requests_per_day");
}
END_TEST

START_TEST (a_plugin_of_today_works_in_it)
{
  start ("odd");
  ck_assert (provider ()->added == NULL);
  set ("outcome", "3");
  answer (200, "{}");
  classify ();
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_RATE_LIMIT);
  ck_assert_int_eq (kwi_instance_prepare (in, &call, &r, &err), 0);
  ck_assert_str_eq (r.url, "https://odd.example/v1");
}
END_TEST

START_TEST (a_plugin_of_its_own_minor_has_what_was_added)
{
  int major, minor;

  load ("newer-needy");         /* which no host of minor 0 loads */
  kwi_plugin_abi (plugin, &major, &minor);
  ck_assert_int_eq (minor, 1);
  ck_assert_uint_eq (provider ()->_header.struct_size, sizeof (struct kw_provider));
  ck_assert (provider ()->added != NULL);
}
END_TEST

START_TEST (a_struct_shorter_than_1_0_is_still_refused)
{
  char file[2048];

  ck_assert_int_ne (kwi_plugin_load (kwplugin_file ("bad-truncated", file, sizeof file),
                                     &plugin, &err), 0);
  ck_assert_msg (is_said ("160 to 65536 bytes"), "%s", err.message);
}
END_TEST

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("later host");
  TCase *t = tcase_create ("later host");

  tcase_add_checked_fixture (t, fresh, clear);
  tcase_add_test (t, a_shorter_provider_is_zero_beyond_its_end);
  tcase_add_test (t, a_plugin_of_1_0_works_in_it);
  tcase_add_test (t, a_plugin_of_today_works_in_it);
  tcase_add_test (t, a_plugin_of_its_own_minor_has_what_was_added);
  tcase_add_test (t, a_struct_shorter_than_1_0_is_still_refused);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (make_suite)

/* keywheel serve: what a reload does not forget: what was learnt about the keys, where
 * it is kept in memory; what each client has used of its bounds; the breakers. */
#include "reloadkit.h"

/* The member of a key of groq's in /status. */
static struct json_object *
of_key (size_t key, const char *name)
{
  struct json_object *one = state_of ("groq");
  struct json_object *found
    = json_object_get (member (json_object_array_get_idx (member (one, "keys"), key), name));

  json_object_put (one);
  return found;
}

static int
key_is (size_t key, const char *state)
{
  struct json_object *text = of_key (key, "state");
  int is = strcmp (json_object_get_string (text), state) == 0;

  json_object_put (text);
  return is;
}

/* ---- Keys --------------------------------------------------------------------------- */

START_TEST (what_was_learnt_in_memory_is_known_after_it)
{
  struct json_object *n;

  sim = simctl_startl ("--clock", "manual", "--key", SECRET "a,name=a,rpd=1",
                       "--key", SECRET "b,name=b,tpm=6000", "--key", SECRET "c,name=c", NULL);
  set_keys ();
  start (simctl_base_url (sim), "", "");
  for (int i = 0; i < 2; i++)
    ask ("POST", CHAT, HELLO);
  ck_assert_str_eq (field_of ("x-keywheel-key"), "backup-1");
  ck_assert (key_is (0, "exhausted"));
  reload ();
  ck_assert (key_is (0, "exhausted"));
  ck_assert (key_is (1, "available"));
  n = of_key (1, "requests");
  ck_assert_int_eq (json_object_get_int (n), 1);
  json_object_put (n);
  n = of_key (1, "buckets");
  ck_assert_uint_eq (json_object_array_length (n), 1);
  json_object_put (n);
  ask ("POST", CHAT, HELLO);
  ck_assert_str_eq (field_of ("x-keywheel-key"), "backup-1");
  ck_assert_str_eq (field_of ("x-keywheel-attempts"), "1");
  ck_assert_uint_eq (simctl_count (sim, "a", NULL), 2);
}
END_TEST

#define USED_UP "{\"error\":{\"message\":\"Rate limit reached for model `" MODEL "` in " \
  "organization `org_x` service tier `on_demand` on tokens per day (TPD): Limit 100000, Used " \
  "99990, Requested 200. Please try again in 7m12s.\",\"type\":\"tokens\",\"code\":" \
  "\"rate_limit_exceeded\"}}"

START_TEST (what_a_call_from_before_finds_out_is_known_too)
{
  int fd, up;

  set_env ("GROQ_API_KEY=" SECRET "a");
  set_env ("GROQ_API_KEY_BACKUP=" SECRET "b");
  start (provider_listen (), "", "");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", HELLO);
  up = provider_take ("}]}");
  reload ();
  ck_assert (key_is (0, "available"));
  say_text (up, format ("HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n%s", strlen (USED_UP), USED_UP));
  (void) close (up);
  up = provider_take ("}]}");
  ck_assert_ptr_nonnull (strstr (taken.bytes, "Bearer " SECRET "b"));
  while (!key_is (0, "exhausted"))      /* while the old call goes on */
    ;
  answer_by_hand (up, "{\"choices\":[]}");
  answer_clear ();
  finish_answer (fd);
  ck_assert_int_eq (a.status, 200);
}
END_TEST

/* ---- Clients ------------------------------------------------------------------------ */

START_TEST (a_minutes_bound_is_not_there_twice)
{
  sim = simctl_startl ("--key", SECRET "a,name=a", NULL);
  set_env ("GROQ_API_KEY=" SECRET "a");
  start (simctl_base_url (sim), "", "[gateway]\nrequests_per_minute = 2");
  for (int i = 0; i < 2; i++) {
    ask ("POST", CHAT, HELLO);
    ck_assert_int_eq (a.status, 200);
  }
  reload ();
  ask ("POST", CHAT, HELLO);
  is_error (429, "client_rate_limit");
}
END_TEST

START_TEST (who_has_a_request_under_way_has_it_still)
{
  int fd, up;

  set_env ("GROQ_API_KEY=" SECRET "a");
  start (provider_listen (), "", "[gateway]\nconcurrency = 1");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", HELLO);
  up = provider_take ("}]}");
  reload ();
  ask ("POST", CHAT, HELLO);
  is_error (429, "client_concurrency");
  answer_by_hand (up, "{\"choices\":[]}");
  answer_clear ();
  finish_answer (fd);
  ck_assert_int_eq (a.status, 200);
  fd = client_connect ();       /* and then not any more */
  say_request (fd, "POST", CHAT, "Connection: close\r\n", HELLO);
  up = provider_take ("}]}");
  answer_by_hand (up, "{\"choices\":[]}");
  answer_clear ();
  finish_answer (fd);
  ck_assert_int_eq (a.status, 200);
}
END_TEST

static void
new_token (const char *name, char ret[64], char line[256])
{
  FILE *f;

  run ("token", "new", name, format ("%s/one", dir), NULL);
  ENDS_WITH (0);
  memcpy (ret, got.out, 47);
  ret[47] = '\0';
  f = fopen (format ("%s/one", dir), "r");
  ck_assert_ptr_nonnull (f);
  ck_assert_ptr_nonnull (fgets (line, 256, f));
  line[strcspn (line, "\n")] = '\0';
  (void) fclose (f);
  ck_assert_int_eq (unlink (format ("%s/one", dir)), 0);
}

static void
ask_as (const char *token)
{
  ask_with ("POST", CHAT, format ("Authorization: Bearer %s\r\n", token), HELLO);
}

/* Who has another name keeps it by his token, and who has another token by his name. */
START_TEST (another_name_or_another_token_is_no_new_bound)
{
  char line[4][256], token[4][64];
  const char *text;

  new_token ("renamed", token[0], line[0]);
  new_token ("same", token[1], line[1]);
  new_token ("same", token[2], line[2]);
  new_token ("fresh", token[3], line[3]);
  text = format ("%s\n%s\n", line[0], line[1]);
  write_file ("tokens", text, strlen (text));
  sim = simctl_startl ("--key", SECRET "a,name=a", NULL);
  set_env ("GROQ_API_KEY=" SECRET "a");
  start (simctl_base_url (sim), "", "[gateway]\nrequests_per_minute = 1\n"
         "client_tokens = tokens");
  for (int i = 0; i < 2; i++) {
    ask_as (token[i]);
    ck_assert_int_eq (a.status, 200);
  }
  text = format ("%s\n%s\nother%s\n", line[3], line[2], strchr (line[0], ' '));
  write_file ("tokens", text, strlen (text));
  reload ();
  ask_as (token[1]);
  is_error (401, "invalid_token");
  ask_as (token[0]);
  is_error (429, "client_rate_limit");
  ck_assert_ptr_nonnull (strstr (a.body, "other"));
  ask_as (token[2]);
  is_error (429, "client_rate_limit");
  ask_as (token[3]);
  ck_assert_int_eq (a.status, 200);
}
END_TEST

/* ---- Breakers ----------------------------------------------------------------------- */

#define BREAKER "breaker_failures = 2\nbreaker_open = 1h\nbreaker_open_max = 1h"

static void
open_breaker (void)
{
  sim = simctl_startl ("--key", SECRET "a,name=a", NULL);
  set_env ("GROQ_API_KEY=" SECRET "a");
  start (simctl_base_url (sim), BREAKER, "");
  simctl_fault (sim, "drop");
  for (int i = 0; i < 2; i++)
    ask ("POST", CHAT, HELLO);
  breaker_is ("groq", "open");
}

START_TEST (an_open_breaker_stays_open)
{
  open_breaker ();
  reload ();
  breaker_is ("groq", "open");
  ask ("POST", CHAT, HELLO);
  is_error (503, "circuit_open");
}
END_TEST

START_TEST (it_is_open_no_longer_than_the_new_rules_have_it)
{
  open_breaker ();
  simctl_clear_faults (sim);
  write_memory_ini (simctl_base_url (sim), "breaker_failures = 2\nbreaker_open = 1ms\n"
                    "breaker_open_max = 1ms", "");
  reload ();
  do
    ask ("POST", CHAT, HELLO);
  while (a.status == 503);
  ck_assert_int_eq (a.status, 200);
  breaker_is ("groq", "closed");
}
END_TEST

START_TEST (of_another_address_it_is_closed)
{
  open_breaker ();
  third = simctl_startl ("--key", SECRET "a,name=a", NULL);
  write_memory_ini (simctl_base_url (third), BREAKER, "");
  reload ();
  breaker_is ("groq", "closed");
  ask ("POST", CHAT, HELLO);
  ck_assert_int_eq (a.status, 200);
}
END_TEST

/* Its probe is a call of the old configuration's. */
START_TEST (a_half_open_one_is_probed_anew)
{
  int probe, fd, up;

  set_env ("GROQ_API_KEY=" SECRET "a");
  start (provider_listen (), "breaker_failures = 1\nbreaker_open = 1ms\n"
         "breaker_open_max = 1ms", "");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", HELLO);
  (void) close (provider_take ("}]}"));
  answer_clear ();
  finish_answer (fd);
  ck_assert_int_eq (a.status, 502);
  breaker_is ("groq", "open");
  for (;;) {                    /* until its time is over */
    struct pollfd p[2] = { { .fd = provider_fd, .events = POLLIN }, { .events = POLLIN } };
    probe = p[1].fd = client_connect ();
    say_request (probe, "POST", CHAT, "Connection: close\r\n", HELLO);
    ck_assert_int_gt (poll (p, 2, PATIENCE_MS), 0);
    if (p[0].revents != 0)
      break;
    answer_clear ();
    finish_answer (probe);
    is_error (503, "circuit_open");
  }
  up = provider_take ("}]}");
  breaker_is ("groq", "half_open");
  reload ();
  breaker_is ("groq", "open");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", HELLO);
  answer_by_hand (provider_take ("}]}"), "{\"choices\":[]}");
  answer_clear ();
  finish_answer (fd);
  ck_assert_int_eq (a.status, 200);
  breaker_is ("groq", "closed");
  answer_by_hand (up, "{\"choices\":[]}");
  answer_clear ();
  finish_answer (probe);
  ck_assert_int_eq (a.status, 200);
  breaker_is ("groq", "closed");
}
END_TEST

static Suite *
gateway_reload_suite (void)
{
  Suite *s = suite_create ("gateway_reload");
  TCase *t = tcase_create ("gateway_reload");

  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, set_up, clear);
  tcase_add_test (t, what_was_learnt_in_memory_is_known_after_it);
  tcase_add_test (t, what_a_call_from_before_finds_out_is_known_too);
  tcase_add_test (t, a_minutes_bound_is_not_there_twice);
  tcase_add_test (t, who_has_a_request_under_way_has_it_still);
  tcase_add_test (t, another_name_or_another_token_is_no_new_bound);
  tcase_add_test (t, an_open_breaker_stays_open);
  tcase_add_test (t, it_is_open_no_longer_than_the_new_rules_have_it);
  tcase_add_test (t, of_another_address_it_is_closed);
  tcase_add_test (t, a_half_open_one_is_probed_anew);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (gateway_reload_suite)

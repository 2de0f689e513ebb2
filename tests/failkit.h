/* failkit - what the suites of failing over share: several providers behind a
 * gateway, simulators or the test itself. */
#ifndef FAILKIT_H
#define FAILKIT_H

#include "gatekit.h"

#define OTHER_MODEL "vendor/other-model:free"

static struct simctl *other, *third;

static inline void
clear (void)
{
  answer_clear ();
  gateway_tear_down ();
  simctl_stop (other);
  simctl_stop (third);
  other = third = NULL;
  if (provider_fd > 0)
    (void) close (provider_fd);
  provider_fd = 0;
}

/* ---- Worlds ------------------------------------------------------------------------ */

/* A provider beside groq. */
static inline const char *
section_of (const char *name, const char *url, const char *options)
{
  return format ("[provider %s]\nplugin = groq\nbase_url = %s\nbackoff_initial = 1ms\n"
                 "backoff_max = 5ms\nmax_retries = 1\n%s\n[key %s/%s-key]\nenv = OTHER_KEY\n",
                 name, url, options, name, name);
}

static inline struct simctl *
sim_serving (const char *model)
{
  return simctl_startl ("--clock", "manual", "--key", SECRET "o,name=o", "--model", model,
                        NULL);
}

/* groq at a simulator with one key, and what else there is. */
static inline void
start_gateway (const char *key, const char *options, const char *gateway_options,
               const char *sections)
{
  sim = simctl_startl ("--clock", "manual", "--key", format (SECRET "a,name=a%s", key),
                       "--key", SECRET "b,name=b", NULL);
  if (strstr (options, "max_switches") != NULL)
    set_env ("GROQ_API_KEY_BACKUP=" SECRET "b"); /* to which there is no switch */
  set_env ("GROQ_API_KEY=" SECRET "a");
  set_env ("OTHER_KEY=" SECRET "o");
  set_env (ini);
  write_gateway_ini (simctl_base_url (sim), options,
                     format ("%s\n%s", gateway_options, sections));
  gateway_start ();
}

#define MAPPED "model_map = x -> y, " MODEL " -> " OTHER_MODEL

/* groq falls back to other, where its model is called otherwise. */
static inline void
start_two (const char *key, const char *options)
{
  other = sim_serving (OTHER_MODEL);
  start_gateway (key, format ("fallback = other\n%s", options), "",
                 section_of ("other", simctl_base_url (other), MAPPED));
}

/* The other one is the test itself. */
static inline void
start_with_other_by_hand (const char *key, const char *options, const char *gateway_options)
{
  start_gateway (key, format ("fallback = other\n%s", options), gateway_options,
                 section_of ("other", provider_listen (), MAPPED));
}

static inline size_t
n_asked (struct simctl *s)
{
  return simctl_count (s, NULL, NULL);
}

static inline void
is_served_by (const char *provider, const char *fallback)
{
  ck_assert_msg (a.status == 200, "%s", a.heard.bytes);
  ck_assert_str_eq (field_of ("x-keywheel-provider"), provider);
  ck_assert_str_eq (field_of ("x-keywheel-fallback"), fallback);
}

static inline struct json_object *
state_of (const char *provider)
{
  struct json_object *status, *list, *found = NULL;

  ask ("GET", "/status", NULL);
  status = json_tokener_parse (a.body);
  list = member (status, "providers");
  for (size_t i = 0; i < json_object_array_length (list); i++) {
    struct json_object *one = json_object_array_get_idx (list, i);
    if (strcmp (json_object_get_string (member (one, "provider")), provider) == 0)
      found = json_object_get (one);
  }
  json_object_put (status);
  ck_assert_ptr_nonnull (found);
  return found;
}

static inline void
breaker_is (const char *provider, const char *state)
{
  struct json_object *one = state_of (provider);

  ck_assert_str_eq (json_object_get_string (member (member (one, "breaker"), "state")), state);
  json_object_put (one);
}

static inline void
metric_is (const char *line)
{
  ask ("GET", "/metrics", NULL);
  ck_assert_msg (strstr (a.body, line) != NULL, "no \"%s\" in\n%.3000s", line, a.body);
}

static inline void
answer_by_hand (int up, const char *body)
{
  say_text (up, format ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n%s", strlen (body), body));
  (void) close (up);
}

#endif

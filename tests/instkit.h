/* instkit - for the suites that put a test plugin to work: one instance, one
 * request, one answer, and what was logged. */
#ifndef INSTKIT_H
#define INSTKIT_H

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "answer.h"
#include "clock.h"
#include "instance.h"
#include "kwplugin.h"
#include "loader.h"
#include "request.h"

#define NOW INT64_C (1767362591000)

static struct kwi_plugin *plugin;
static struct kw_instance *in;
static struct kw_request r;
static struct kwi_answer a;
static struct kwi_judgement j;
static struct kw_error err;
static char logged[4096];

static inline int64_t
wall (void *ctx)
{
  (void) ctx;
  return NOW;
}

static const struct kwi_clock test_clock = { .wall_ms = wall };

static inline void
keep_log (void *user, uint32_t level, const char *msg)
{
  size_t at = strlen (logged);
  int n = snprintf (logged + at, sizeof logged - at, "%u:%s\n", (unsigned) level,
                    msg);

  (void) user;
  ck_assert (n > 0 && (size_t) n < sizeof logged - at);
}

static const struct kwi_instance_hooks hooks = { &test_clock, keep_log, NULL };

static inline void
fresh (void)
{
  memset (&a, 0, sizeof a);
  memset (&r, 0, sizeof r);
  memset (&err, 0, sizeof err);
  memset (logged, 0, sizeof logged);
  err.struct_size = sizeof err;
  a.received_ms = NOW;
}

static inline void
clear (void)
{
  kwi_instance_free (in);
  kwi_plugin_unref (plugin);
  in = NULL;
  plugin = NULL;
  kwi_answer_clear (&a);
  kwi_request_clear (&r);
}

static inline void
load (const char *name)
{
  char file[2048];

  ck_assert_msg (kwi_plugin_load (kwplugin_file (name, file, sizeof file), &plugin,
                                  &err) == 0, "%s", err.message);
}

static inline void
start (const char *name)
{
  load (name);
  ck_assert_msg (kwi_instance_new (plugin, "test", &hooks, &in, &err) == 0, "%s",
                 err.message);
}

static inline void
set (const char *key, const char *value)
{
  int unknown = 7;

  ck_assert_msg (kwi_instance_config (in, key, value, &unknown, &err) == 0, "%s",
                 err.message);
  ck_assert_int_eq (unknown, 0);
}

static inline void
answer (int32_t status, const char *body)
{
  kwi_answer_reset (&a);
  a.status = status;
  a.received_ms = NOW;
  ck_assert_int_eq (kwi_answer_add_body (&a, body, strlen (body)), 0);
}

static inline void
classify (void)
{
  /* What is not filled in would show. */
  memset (&j, 0x5a, sizeof j);
  kwi_instance_classify (in, &a, &j);
}

static inline int
is_said (const char *words)
{
  return strstr (err.message, words) != NULL;
}

static const char body[] = "{\"model\":\"m\"}";
static const struct kw_call call = {
  .struct_size = sizeof call,
  .base_url = "https://api.example.com/v1", .method = "POST",
  .path = "/chat/completions", .content_type = "application/json",
  .model = "m", .body = body, .body_len = sizeof body - 1,
  .secret = "sk-secret-bytes", .secret_len = 9
};

static inline int
has_header (const char *line)
{
  const char *p = r.headers;

  for (; p != NULL && p < r.headers + r.headers_len; p += strlen (p) + 1)
    if (strcmp (p, line) == 0)
      return 1;
  return 0;
}

#endif

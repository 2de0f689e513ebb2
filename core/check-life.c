/* check-life - an instance's life and its settings: made, set, put to work as
 * the core does it, and gone without a trace. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "check.h"
#include "check-bounds.h"
#include "check-leak.h"
#include "check-subject.h"
#include "clock.h"

/* ---- Leaks -------------------------------------------------------------- */

void
kwi_check_leak (struct kwi_check *c, const char *what,
                int (*once) (struct kwi_check *, void *arg), void *arg)
{
  struct kwi_check_subject *s = kwi_check_plugin (c);
  int n = kwi_bounds_memory () ? 1000 : 200, rc = 0, i;
  uint64_t before, after, grown;

  if (s == NULL)
    return;
  s->guards.lax = 1;
  for (i = 0; rc == 0 && i < 50; i++)   /* what is made once, is made now */
    rc = once (c, arg);
  before = kwi_bounds_heap ();
  for (i = 0; rc == 0 && i < n; i++)
    rc = once (c, arg);
  after = kwi_bounds_heap ();
  s->guards.lax = 0;
  grown = after > before ? after - before : 0;
  /* The least that malloc takes is more than that. */
  kwi_check_that (c, rc != 0 || grown < (uint64_t) n * 16, "leak", "%d times %s took %llu "
                  "bytes for good, about %llu each", n, what, (unsigned long long) grown,
                  (unsigned long long) (grown / (uint64_t) n));
}

/* ---- life --------------------------------------------------------------- */

static void
run_create (struct kwi_check *c, const struct kwi_check_case *k)
{
  struct kwi_check_instance i;

  (void) k;
  for (int n = 0; n < 2; n++)
    if (kwi_check_create (c, &i) == 0)
      kwi_check_destroy (c, &i);
}

static void
run_two (struct kwi_check *c, const struct kwi_check_case *k)
{
  struct kwi_check_instance i[3];

  (void) k;
  for (int n = 0; n < 3; n++)
    if (kwi_check_create (c, &i[n]) != 0)
      return;
  kwi_check_warn (c, i[0].in.self == NULL || i[0].in.self != i[1].in.self, "shared",
                  "two instances have one state: what is set in one section holds for "
                  "the other");
  kwi_check_destroy (c, &i[1]); /* the middle, the first, the last */
  kwi_check_destroy (c, &i[0]);
  kwi_check_destroy (c, &i[2]);
}

static int
one_life (struct kwi_check *c, void *arg)
{
  struct kwi_check_instance i;

  (void) arg;
  if (kwi_check_create (c, &i) != 0)
    return -1;
  kwi_check_destroy (c, &i);
  return 0;
}

static void
run_thousand (struct kwi_check *c, const struct kwi_check_case *k)
{
  (void) k;
  kwi_check_leak (c, "create and destroy", one_life, NULL);
  kwi_check_note (c, "instances one after the other and several at once, nothing left "
                  "behind");
}

/* ---- config ------------------------------------------------------------- */

/* Through instance.c, with the core's own services: locks, assertions of a
 * debug build and all. */
static void
work (struct kwi_check *c, struct kw_instance *in)
{
  static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                             "\"content\":\"ping\"}]}";
  static const struct { int32_t status; const char *body; } answers[] = {
    { 200, "{\"object\":\"chat.completion\",\"choices\":[]}" },
    { 429, "{\"error\":{\"message\":\"too many\",\"code\":\"x\"}}" },
    { 503, "" }, { 0, "" }
  };
  const struct kw_call call = {
    .struct_size = sizeof call, .base_url = "https://check.example/v1",
    .method = "POST", .path = "/chat/completions",
    .content_type = "application/json", .model = "m", .body = body,
    .body_len = sizeof body - 1, .secret = KWI_CHECK_SECRET,
    .secret_len = sizeof KWI_CHECK_SECRET - 1
  };
  struct kw_request r;
  struct kwi_answer a;
  struct kwi_judgement j;

  memset (&r, 0, sizeof r);
  memset (&a, 0, sizeof a);
  (void) kwi_instance_prepare (in, &call, &r, NULL);    /* its own cases judge it */
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    kwi_answer_reset (&a);
    a.status = answers[i].status;
    a.net = answers[i].status == 0 ? KW_NET_CLOSED : KW_NET_OK;
    a.received_ms = KWI_CHECK_NOW;
    if (kwi_answer_add_body (&a, answers[i].body, strlen (answers[i].body)) != 0)
      kwi_check_no_room (c);
    kwi_instance_classify (in, &a, &j);
  }
  kwi_answer_clear (&a);
  kwi_request_clear (&r);
}

static void
run_core (struct kwi_check *c, const struct kwi_check_case *k)
{
  const struct kwi_instance_hooks hooks = { &kwi_clock_system, NULL, NULL };
  struct kwi_check_subject *s = kwi_check_plugin (c);
  const char *const *set = c->o.settings;
  struct kw_error err = KW_ERROR_INIT;
  struct kw_instance *in = NULL;
  int rc, unknown;

  (void) k;
  if (s == NULL)
    return;
  rc = kwi_instance_new (s->plugin, "check", &hooks, &in, &err);
  for (; rc == 0 && set != NULL && set[0] != NULL && set[1] != NULL; set += 2)
    rc = kwi_instance_config (in, set[0], set[1], &unknown, &err);
  if (rc == 0)
    rc = kwi_instance_config_complete (in, &err);
  if (kwi_check_that (c, rc == 0, "core", "%s", err.message))
    work (c, in);
  kwi_instance_free (in);
}

static void
run_complete (struct kwi_check *c, const struct kwi_check_case *k)
{
  struct kwi_check_instance i;

  (void) k;
  if (kwi_check_begin (c, &i) == 0)
    kwi_check_destroy (c, &i);
}

/* The core tells a mistyped option by the code, and says what is known. */
static void
run_unknown (struct kwi_check *c, const struct kwi_check_case *k)
{
  static const char name[] = "no-option-is-called-so";
  struct kwi_check_instance i;
  struct kwi_check_call call;
  int rc;

  (void) k;
  if (kwi_check_create (c, &i) != 0)
    return;
  rc = kwi_check_set (c, &i, name, k->a != 0 ? "" : "1", &call);
  kwi_check_that (c, rc != KW_OK, "unknown-option", "config takes an option that it does "
                  "not have (%s): answer KW_ERR_NOTFOUND", name);
  kwi_check_that (c, rc == KW_OK || rc == KW_ERR_NOTFOUND || rc == KW_ERR_UNSUPPORTED,
                  "unknown-option", "config answers %s to an option that it does not "
                  "have (%s): only KW_ERR_NOTFOUND tells the host so",
                  kwi_check_code_name (rc), name);
  kwi_check_destroy (c, &i);
}

/* Names and values are whatever stands in a file. */
static void
run_long (struct kwi_check *c, const struct kwi_check_case *k)
{
  struct kwi_check_instance i;
  struct kwi_check_call call;
  size_t len = 20000;
  char *text = malloc (len + 1);
  int rc;

  (void) k;
  if (text == NULL) {
    kwi_check_no_room (c);
    return;
  }
  memset (text, 'a', len);
  text[len] = '\0';
  if (kwi_check_create (c, &i) == 0) {
    rc = kwi_check_set (c, &i, text, text, &call);
    kwi_check_that (c, rc != KW_OK, "unknown-option", "config takes an option whose name "
                    "has 20000 bytes");
    rc = kwi_check_set (c, &i, "", "", &call);
    kwi_check_that (c, rc != KW_OK, "unknown-option", "config takes an option without a "
                    "name");
    rc = kwi_check_set (c, &i, "%s%n\xff", "%s%n\xff", &call);
    kwi_check_that (c, rc != KW_OK, "unknown-option", "config takes an option called "
                    "\"%%s%%n\"");
    kwi_check_destroy (c, &i);
  }
  free (text);
}

static void
run_extension (struct kwi_check *c, const struct kwi_check_case *k)
{
  struct kwi_check_instance i;
  struct kwi_check_call call;
  const struct kw_provider *p;
  const void *unknown, *empty, *one, *two;

  (void) k;
  if (kwi_check_begin (c, &i) != 0)
    return;
  p = i.in.provider;
  if (p->get_extension != NULL) {
    kwi_watch_begin (&call, c, &i, "get_extension", KWI_PHASE_SETUP);
    kwi_watch_enter (&call);
    unknown = p->get_extension (i.in.self, "keywheel.nobody-has-this/1");
    empty = p->get_extension (i.in.self, "");
    one = p->get_extension (i.in.self, KW_EXT_TRANSLATE);
    two = p->get_extension (i.in.self, KW_EXT_TRANSLATE);
    kwi_watch_leave (&call);
    kwi_check_that (c, unknown == NULL && empty == NULL, "extension", "get_extension "
                    "gives something for a name that it cannot know; compare the name, "
                    "and give NULL");
    kwi_check_that (c, one == two, "extension", "get_extension gives another table each "
                    "time");
  }
  kwi_check_destroy (c, &i);
}

void
kwi_check_plan_life (struct kwi_check *c)
{
  kwi_check_add (c, KWI_CHECK_LIFE, run_create, "create")->fatal = 1;
  kwi_check_add (c, KWI_CHECK_LIFE, run_two, "two-at-once");
  kwi_check_add (c, KWI_CHECK_LIFE, run_thousand, "one-after-the-other")->patience = 10;
  kwi_check_add (c, KWI_CHECK_CONFIG, run_unknown, "unknown-option");
  kwi_check_add (c, KWI_CHECK_CONFIG, run_unknown, "unknown-option-empty")->a = 1;
  kwi_check_add (c, KWI_CHECK_CONFIG, run_long, "long-option");
  kwi_check_add (c, KWI_CHECK_CONFIG, run_complete, "complete")->fatal = 1;
  kwi_check_add (c, KWI_CHECK_CONFIG, run_extension, "extension");
  kwi_check_add (c, KWI_CHECK_CONFIG, run_core, "as-the-core-does");
}

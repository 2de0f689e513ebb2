/* answers - the answers that providers really gave (fixtures/NAME.jsonl, whose
 * README says what the members are), judged by a plugin as the core loads it,
 * and compared with their labels.  For test_groq and test_providers. */
#ifndef ANSWERS_H
#define ANSWERS_H

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "instance.h"
#include "kwtest.h"

struct json_object;
struct kwi_plugin;

/* 2027-01-15T13:00:00Z, where nothing in an answer says another time.  Of
 * California's day 19 hours are left, of UTC's 11. */
#define ANSWERS_NOW INT64_C (1800018000000)

/* ---- A plugin ------------------------------------------------------------ */

struct judge {
  struct kwi_plugin *plugin;
  struct kw_instance *in;
};

/* plugins/NAME of this build; the test fails if it cannot be loaded. */
void judge_open (struct judge *, const char *name);
void judge_close (struct judge *);

/* headers: "name: value\nname: value", or NULL. */
void judge_answer (const struct judge *, int64_t now, int status, int in_stream,
                   const char *headers, const char *body, struct kwi_judgement *ret);

/* ---- An answer ----------------------------------------------------------- */

struct answer {
  const char *id, *provider;    /* provider: the fixture's own by default */
  const char *body;             /* of an event: its data                  */
  char headers[4096];
  int status;                   /* 0: the report did not say              */
  int in_stream;
  uint32_t outcome;             /* wanted: KW_OUTCOME_*                   */
  uint32_t others;              /* defensible: 1 << KW_OUTCOME_*          */
  int too_large;                /* requested is above limit               */
  const char *dimension;        /* or NULL                                */
  double wait_s;                /* stated; -1: none                       */
  int64_t now;                  /* when it is judged: ANSWERS_NOW, or shortly
                                   before the instant that it names       */
  int64_t until;                /* that instant, or -1                    */
  struct json_object *entry;
};

/* Calls what for each answer of a fixture; returns how many there were. */
int answers_each (const char *fixture, void (*what) (const struct answer *, void *user),
                  void *user);

static inline int
answer_is_limit (const struct answer *a)
{
  return a->outcome == KW_OUTCOME_DAILY_LIMIT || a->outcome == KW_OUTCOME_RATE_LIMIT
         || a->too_large;
}

/* How an answer was judged, from bad to good. */
enum { ANSWER_WRONG, ANSWER_DEFENSIBLE, ANSWER_RIGHT };

/* Judges it with that status, compares verdict, wait, account and bucket with
 * the labels, and prints each that is wrong.  In a stream the buckets may come
 * from headers that are not there any more: they are not looked at. */
int answer_fits (const struct judge *, const struct answer *, int status, int in_stream,
                 struct kwi_judgement *ret);

#endif

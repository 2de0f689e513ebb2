/* call-events - what the observer is told of a call, with a line for people
 * in each event. */
#include <stdio.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "call.h"
#include "client.h"
#include "fail.h"

static int
nobody_listens (const struct kwi_call *c)
{
  return c->provider->client->observer == NULL && c->on_event == NULL;
}

static struct kw_event
new_event (const struct kwi_call *c, int type, int level)
{
  return (struct kw_event) {
    .type = type,
    .level = level,
    .call = c->id,
    .key = kwi_call_key_name (c),
    .model = c->model,
    .attempt = (int32_t) c->n_attempts,
  };
}

/* These two each call has. */
static int
has_text (const struct kwi_call *c)
{
  return kwi_client_has_text (c->provider->client, 3);
}

static void
tell (struct kwi_call *c, struct kw_event *e, char *message, int n)
{
  if (n < 0)
    message[0] = '\0';
  if (message[0] != '\0')
    kwi_clean_line (message);
  e->message = message;
  kwi_client_tell (c->provider, e);
  if (c->on_event != NULL)
    c->on_event (c->on_event_user, e);
}

void
kwi_call_tell_attempt (struct kwi_call *c, uint64_t seq, int why)
{
  static const char *const words[] = { "first available", "after a switch",
                                       "again after a wait",
                                       "its reset has passed: probing it" };
  struct kw_event e;
  char m[256];
  int n = 0;

  if (nobody_listens (c))
    return;
  m[0] = '\0';
  e = new_event (c, KW_EVENT_ATTEMPT, 3);
  e.seq = seq + 1;              /* the switch that led to it is seq */
  e.why = why;
  if (has_text (c))
    n = snprintf (m, sizeof m, "attempt %zu on key \"%s\" (%s)", c->n_attempts,
                  kwi_call_key_name (c), words[why]);
  tell (c, &e, m, n);
}

/* "DAILY_LIMIT tokens_per_day" or just the verdict. */
static void
verdict_words (const struct kwi_call *c, char *buf, size_t size)
{
  const struct kwi_judgement *j = &c->judgement;
  int n = snprintf (buf, size, "%s%s%s", kw_verdict_name ((int) j->outcome),
                    j->reason[0] != '\0' ? " " : "", j->reason);

  if (n < 0)
    buf[0] = '\0';
}

void
kwi_call_tell_verdict (struct kwi_call *c, uint64_t seq)
{
  struct kw_event e;
  char m[384], words[128];
  int n = 0;

  if (nobody_listens (c))
    return;
  m[0] = '\0';
  e = new_event (c, KW_EVENT_VERDICT, 3);
  e.seq = seq;
  e.verdict = (int32_t) c->judgement.outcome;
  e.reason = c->judgement.reason;
  e.account = c->judgement.account;
  e.http_status = c->answer.status;
  e.wait_ms = c->judgement.wait_ms;
  if (has_text (c)) {
    verdict_words (c, words, sizeof words);
    n = snprintf (m, sizeof m, "key \"%s\" answered %d after %lldms: %s",
                  kwi_call_key_name (c), (int) c->answer.status,
                  (long long) c->answer.took_ms, words);
  }
  tell (c, &e, m, n);
}

/* What was parked: "key "a" is out for m", "the account of "a" is out", ... */
static void
parked_words (const struct kwi_call *c, char *buf, size_t size)
{
  const struct kwi_judgement *j = &c->judgement;
  int one_model = j->scope == KW_SCOPE_KEY_MODEL
                  || j->scope == KW_SCOPE_ACCOUNT_MODEL;
  int account = j->scope == KW_SCOPE_ACCOUNT
                || j->scope == KW_SCOPE_ACCOUNT_MODEL;
  int n;

  if (j->scope == KW_SCOPE_PROVIDER)
    n = snprintf (buf, size, "every key is out");
  else
    n = snprintf (buf, size, "%s \"%s\" is out%s%s",
                  account ? "the account of" : "key", kwi_call_key_name (c),
                  one_model ? " for " : "", one_model ? c->model : "");
  if (n < 0)
    buf[0] = '\0';
}

static void
tell_parked (struct kwi_call *c, const struct kwi_effect *f)
{
  struct kw_event e = new_event (c, KW_EVENT_EXHAUSTED, 2);
  const struct kwi_clock *k = &c->provider->client->clock;
  int64_t now = k->wall_ms (k->ctx);
  char m[512], what[192], words[128], wait[32], when[32];
  int n;

  parked_words (c, what, sizeof what);
  verdict_words (c, words, sizeof words);
  e.seq = f->seq + 2;
  e.verdict = (int32_t) c->judgement.outcome;
  e.reason = c->judgement.reason;
  e.account = c->judgement.account;
  if (c->judgement.outcome == KW_OUTCOME_AUTH)
    e.level = 1;                /* on_auth = switch says it loudly */
  if (f->park_ms == KWI_NEVER)
    n = snprintf (m, sizeof m, "%s: %s; no reset is known", what, words);
  else {
    e.until_ms = now + f->park_ms;
    n = snprintf (m, sizeof m, "%s: %s; back in %s (%s)", what, words,
                  kwi_duration_text (f->park_ms, wait, sizeof wait),
                  kwi_time_text (e.until_ms, now, when, sizeof when));
  }
  tell (c, &e, m, n);
}

void
kwi_call_tell_effect (struct kwi_call *c, const struct kwi_effect *f)
{
  char m[512];

  if (nobody_listens (c))
    return;
  if (f->account_learnt) {
    struct kw_event e = new_event (c, KW_EVENT_ACCOUNT,
                                   f->n_members > 1 ? 2 : 3);
    e.seq = f->seq + 1;
    e.account = c->judgement.account;
    tell (c, &e, m,
          f->n_members > 1
            ? snprintf (m, sizeof m,
                        "%s are one account (%s): %zu keys, 1 allowance",
                        f->members, c->judgement.account, f->n_members)
            : snprintf (m, sizeof m, "%s belongs to account %s", f->members,
                        c->judgement.account));
  }
  if (f->newly_parked)
    tell_parked (c, f);
  if (f->revived > 0) {
    struct kw_event e = new_event (c, KW_EVENT_REVIVED, 2);
    e.seq = f->seq + 3;
    tell (c, &e, m,
          snprintf (m, sizeof m, "key \"%s\" serves %s again", kwi_call_key_name (c),
                    c->model));
  }
}

void
kwi_call_tell_switch (struct kwi_call *c, size_t from, uint64_t seq)
{
  const char *from_name = kwi_keyring_name (c->provider->ring, from);
  struct kw_event e;
  char m[384], words[128];

  if (nobody_listens (c))
    return;
  verdict_words (c, words, sizeof words);
  e = new_event (c, KW_EVENT_SWITCH, 2);
  e.seq = seq;
  e.key = from_name;
  e.to_key = kwi_call_key_name (c);
  e.verdict = (int32_t) c->judgement.outcome;
  e.reason = c->judgement.reason;
  tell (c, &e, m,
        snprintf (m, sizeof m, "switching from \"%s\" to \"%s\": %s", from_name,
                  kwi_call_key_name (c), words));
}

/* ", behind 3 calls that came before", or nothing. */
static void
behind_words (size_t ahead, char *buf, size_t size)
{
  if (ahead == 0
      || snprintf (buf, size, ", behind %zu call%s that came before", ahead,
                   ahead == 1 ? "" : "s") < 0)
    buf[0] = '\0';
}

/* " (retry 1 of 5)"; nothing for a call that was not sent yet. */
static void
retry_words (const struct kwi_call *c, char *buf, size_t size)
{
  if (c->n_attempts == 0
      || snprintf (buf, size, " (retry %d of %d)", (int) c->state.retries,
                   (int) c->policy.max_retries) < 0)
    buf[0] = '\0';
}

void
kwi_call_tell_wait (struct kwi_call *c, int64_t wait_ms, size_t ahead)
{
  struct kw_event e;
  char m[448], words[128], wait[32], behind[64], retry[48];
  int n;

  if (nobody_listens (c))
    return;
  verdict_words (c, words, sizeof words);
  e = new_event (c, KW_EVENT_WAIT, 2);
  e.verdict = (int32_t) c->judgement.outcome;
  e.reason = c->judgement.reason;
  e.http_status = c->answer.status;
  e.wait_ms = wait_ms;
  behind_words (ahead, behind, sizeof behind);
  retry_words (c, retry, sizeof retry);
  if (ahead > 0)
    n = snprintf (m, sizeof m, "waiting for key \"%s\"%s: %s%s",
                  kwi_call_key_name (c), behind, words, retry);
  else
    n = snprintf (m, sizeof m, "waiting %s, then key \"%s\"%s: %s%s",
                  kwi_duration_text (wait_ms, wait, sizeof wait),
                  kwi_call_key_name (c), c->n_attempts > 0 ? " again" : "",
                  words, retry);
  tell (c, &e, m, n);
}

void
kwi_call_tell_turn (struct kwi_call *c, int64_t wait_ms, const char *by)
{
  struct kw_event e;
  char m[384], wait[32];

  if (nobody_listens (c))
    return;
  e = new_event (c, KW_EVENT_WAIT, 2);
  e.key = kwi_keyring_name (c->provider->ring, c->turn.key);
  e.reason = by;
  e.wait_ms = wait_ms;
  tell (c, &e, m,
        snprintf (m, sizeof m, "waiting %s until key \"%s\" has room for this "
                  "request%s%s",
                  kwi_duration_text (wait_ms, wait, sizeof wait), e.key,
                  by != NULL ? ": " : "", by != NULL ? by : ""));
}

void
kwi_call_tell_busy (struct kwi_call *c, int full, size_t ahead)
{
  struct kw_event e;
  char m[192], behind[64];

  if (nobody_listens (c))
    return;
  behind_words (ahead, behind, sizeof behind);
  e = new_event (c, KW_EVENT_WAIT, 2);
  tell (c, &e, m,
        full ? snprintf (m, sizeof m, "every key has as many requests as it may "
                                      "have (max_concurrency): waiting for one "
                                      "to end%s", behind)
             : snprintf (m, sizeof m, "every key is parked, and one is being tried "
                                      "again: waiting for what that shows%s",
                         behind));
}

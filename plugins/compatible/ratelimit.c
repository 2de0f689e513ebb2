/* ratelimit - the RateLimit header fields of the IETF, as the drafts have had
 * them and as servers send them:
 *
 *     RateLimit-Limit: 100, 100;w=60       RateLimit: limit=100, remaining=0, reset=5
 *     RateLimit-Remaining: 0               RateLimit-Policy: 100;w=60
 *     RateLimit-Reset: 5
 *
 *     RateLimit: "day";r=0;t=3600          RateLimit: "api";r=0;t=52
 *     RateLimit-Policy: "day";q=50;w=86400 RateLimit-Policy: "fixed window";"api";q=500;w=300
 *
 * https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ */
#include "compatible.h"

#define POLICIES_MAX 8

/* One member of such a list; -1 and "": not said. */
struct item {
  char name[64];
  char unit[32];                /* qu                                     */
  int64_t q, w, r, t;           /* quota, window, remaining, until reset  */
  int64_t value;                /* behind a "=" in place of parameters    */
};

/* ---- The syntax ---------------------------------------------------------- */

/* A token, a number or a string in quotes, up to what ends it. */
static void
read_text (const char **s, char *buf, size_t size)
{
  const char *p = *s, *end;

  if (*p == '"') {
    end = p + 1 + strcspn (p + 1, "\"");
    kwp_copy (buf, size, p + 1, (size_t) (end - p - 1));
    *s = *end == '"' ? end + 1 : end;
  } else {
    size_t len = strcspn (p, " \t,;=");
    kwp_copy (buf, size, p, len);
    *s = p + len;
  }
}

static void
skip (const char **s, const char *what)
{
  *s += strspn (*s, what);
}

static void
read_parameter (const char **s, struct item *item)
{
  char key[16], value[32] = "";

  skip (s, " \t");
  if (**s == '"') {             /* no key: a name behind a kind of window */
    read_text (s, item->name, sizeof item->name);
    return;
  }
  read_text (s, key, sizeof key);
  if (**s == '=') {
    ++*s;
    read_text (s, value, sizeof value);
  }
  if (kwp_is (key, "q"))
    item->q = kwp_count (value);
  else if (kwp_is (key, "w"))
    item->w = kwp_count (value);
  else if (kwp_is (key, "r"))
    item->r = kwp_count (value);
  else if (kwp_is (key, "t"))
    item->t = kwp_count (value);
  else if (kwp_is (key, "qu"))
    kwp_copy (item->unit, sizeof item->unit, value, strlen (value));
}

/* 0: no more. */
static int
next_item (const char **s, struct item *item)
{
  char value[32];

  *item = (struct item) { .q = -1, .w = -1, .r = -1, .t = -1, .value = -1 };
  skip (s, " \t,");
  if (**s == '\0')
    return 0;
  read_text (s, item->name, sizeof item->name);
  if (**s == '=') {
    ++*s;
    read_text (s, value, sizeof value);
    item->value = kwp_count (value);
  }
  for (skip (s, " \t"); **s == ';'; skip (s, " \t")) {
    ++*s;
    read_parameter (s, item);
  }
  *s += strcspn (*s, ",");      /* whatever else stands there */
  return 1;
}

/* ---- What it says -------------------------------------------------------- */

struct policies {
  struct item item[POLICIES_MAX];
  size_t n;
};

static void
read_policies (const char *s, struct policies *p)
{
  p->n = 0;
  while (s != NULL && p->n < POLICIES_MAX && next_item (&s, &p->item[p->n])) {
    struct item *item = &p->item[p->n++];
    if (item->q < 0)            /* "100;w=60" */
      item->q = kwp_count (item->name);
  }
}

/* By its name, else by its quota; the only one fits everything. */
static const struct item *
policy_of (const struct policies *p, const char *name, int64_t quota)
{
  for (size_t i = 0; i < p->n; i++)
    if ((name != NULL && kwp_is (p->item[i].name, name))
        || (name == NULL && p->item[i].q == quota))
      return &p->item[i];
  return p->n == 1 ? &p->item[0] : NULL;
}

/* NULL: of something that is no allowance of calls. */
static const char *
unit_of (const struct item *policy)
{
  if (policy == NULL)
    return "requests";
  if (kwp_after_any (policy->unit, "token") != NULL
      || (policy->unit[0] == '\0' && kwp_after_any (policy->name, "token") != NULL))
    return "tokens";
  return policy->unit[0] == '\0' || kwp_is (policy->unit, "requests") ? "requests" : NULL;
}

static int64_t
seconds (int64_t n)
{
  return n < 0 ? -1 : n < KWP_WAIT_MAX / KWP_SECOND ? n * KWP_SECOND : KWP_WAIT_MAX;
}

static void
report (struct kwp_answer *a, const struct item *policy, int64_t limit, int64_t left,
        int64_t reset_ms)
{
  int64_t window = policy != NULL && policy->w > 0 ? seconds (policy->w) : KWP_BY_RESET;
  struct kwp_allowance al = { unit_of (policy), window, limit, left, reset_ms };

  if (al.unit != NULL)
    kwp_report (a, &al);
}

static void
report_items (struct kwp_answer *a, const char *s, const struct policies *p)
{
  int64_t limit = -1, left = -1, reset = -1;
  struct item item;

  for (int i = 0; i < POLICIES_MAX && next_item (&s, &item); i++) {
    if (kwp_is (item.name, "limit"))
      limit = item.value;
    else if (kwp_is (item.name, "remaining"))
      left = item.value;
    else if (kwp_is (item.name, "reset"))
      reset = item.value;
    else if (item.r >= 0) {
      const struct item *policy = policy_of (p, item.name, -1);
      report (a, policy, policy != NULL ? policy->q : -1, item.r, seconds (item.t));
    }
  }
  if (limit >= 0)
    report (a, policy_of (p, NULL, limit), limit, left, seconds (reset));
}

/* The windows of older drafts stand with the limit. */
static void
report_three (struct kwp_answer *a, const char *s, struct policies *p)
{
  int64_t limit = kwp_count (s);

  if (p->n == 0)
    read_policies (s + strcspn (s, ","), p);
  if (p->n == 0)                /* "100;w=60" alone */
    read_policies (s, p);
  report (a, policy_of (p, NULL, limit), limit,
          kwp_count (kwp_header (a, "ratelimit-remaining")),
          kwp_wait (kwp_header (a, "ratelimit-reset"), a->resp->received_ms));
}

void
compatible_report_ratelimit (struct kwp_answer *a)
{
  const char *items = kwp_header (a, "ratelimit"), *limit = kwp_header (a, "ratelimit-limit");
  struct policies p;

  if (items == NULL && limit == NULL)
    return;
  read_policies (kwp_header (a, "ratelimit-policy"), &p);
  if (items != NULL)
    report_items (a, items, &p);
  else
    report_three (a, limit, &p);
}

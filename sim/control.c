/* control - the simulator's own endpoints, below /sim/ (see sim.h).
 * They are not part of the provider: no key, no faults, not in the log. */
#include "sim.h"
#include "spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A hundred years, so that no sum overflows. */
#define ADVANCE_MAX_MS (INT64_C (100) * 366 * 86400 * 1000)
#define FAULTS_BODY_MAX 65536

static void
put_number (struct sim_answer *a, const char *name, int64_t n)
{
  char *body = NULL;
  int len = asprintf (&body, "{\"%s\":%lld}\n", name, (long long) n);
  sim_answer_body (a, 200, "application/json", len < 0 ? NULL : body,
                   len < 0 ? 0 : (size_t) len);
}

static void
mistake (struct sim_answer *a, int status, const char *message)
{
  sim_answer_error (a, status, "invalid_request_error", NULL, "%s", message);
}

static void
advance (struct sim *sim, const struct sim_call *call, struct sim_answer *a)
{
  int64_t ms;
  if (!sim->options.manual_clock) {
    mistake (a, 409, "the clock is the machine's: start keywheel-sim with --clock "
             "manual to move it");
    return;
  }
  if (sim_parse_int (call->ms, 0, ADVANCE_MAX_MS, &ms) != 0) {
    mistake (a, 400, "ms must be a whole number of milliseconds: "
             "POST /sim/advance?ms=60000");
    return;
  }
  pthread_mutex_lock (&sim->lock);
  int64_t now = sim_clock_us (&sim->clock) / 1000;
  int fits = now <= ADVANCE_MAX_MS - ms;
  if (fits)
    sim_clock_advance (&sim->clock, ms * 1000);
  now = sim_clock_us (&sim->clock) / 1000;
  pthread_mutex_unlock (&sim->lock);
  if (fits)
    put_number (a, "t_ms", now);
  else
    mistake (a, 400, "the clock goes to a hundred years");
}

static void
show_log (struct sim *sim, const struct sim_call *call, struct sim_answer *a)
{
  size_t len = 0;
  (void) call;
  pthread_mutex_lock (&sim->lock);
  char *text = sim_log_text (&sim->log, &len);
  pthread_mutex_unlock (&sim->lock);
  sim_answer_body (a, 200, "application/jsonl", text, len);
}

static void
show_stats (struct sim *sim, const struct sim_call *call, struct sim_answer *a)
{
  size_t len = 0;
  (void) call;
  pthread_mutex_lock (&sim->lock);
  char *text = sim_log_stats (&sim->log, sim_clock_us (&sim->clock) / 1000,
                              sim->under_way, &len);
  pthread_mutex_unlock (&sim->lock);
  sim_answer_body (a, 200, "application/json", text, len);
}

static void
clear_faults (struct sim *sim, const struct sim_call *call, struct sim_answer *a)
{
  (void) call;
  pthread_mutex_lock (&sim->lock);
  sim_faults_clear (&sim->options.faults);
  pthread_mutex_unlock (&sim->lock);
  put_number (a, "faults", 0);
}

/* A spec a line; with one mistake, none of them counts. */
static int
read_faults (struct sim_faults *faults, char *text, char *msg, size_t size)
{
  char *line;
  while ((line = strsep (&text, "\r\n")) != NULL)
    if (line[0] != '\0' && sim_faults_add (faults, line, msg, size) != 0)
      return -1;
  if (faults->n == 0)
    return sim_complain (msg, size, "the body must be a fault, such as "
                         "status=503,count=2; one a line for several");
  return 0;
}

static void
add_faults (struct sim *sim, const struct sim_call *call, struct sim_answer *a)
{
  char msg[400];
  struct sim_faults added = { 0 };

  if (call->body != NULL && call->len > FAULTS_BODY_MAX) {
    mistake (a, 400, "the faults' text is longer than 64 KiB");
    return;
  }
  char *text = strndup (call->body != NULL ? call->body : "", call->len);
  if (text == NULL)
    mistake (a, 500, "no memory");
  else if (read_faults (&added, text, msg, sizeof msg) != 0
           || sim_options_check_faults (&sim->options, &added, msg, sizeof msg) != 0)
    mistake (a, 400, msg);
  else {
    pthread_mutex_lock (&sim->lock);
    int bad = sim_faults_append (&sim->options.faults, &added);
    size_t n = sim->options.faults.n;
    pthread_mutex_unlock (&sim->lock);
    if (bad)
      mistake (a, 500, "no memory");
    else
      put_number (a, "faults", (int64_t) n);
  }
  free (text);
  sim_faults_clear (&added);
}

int
sim_control (struct sim *sim, const struct sim_call *call, struct sim_answer *a)
{
  static const struct {
    const char *method, *path;
    void (*act) (struct sim *, const struct sim_call *, struct sim_answer *);
  } actions[] = {
    { "POST", "/sim/advance", advance },
    { "POST", "/sim/fault", add_faults },
    { "DELETE", "/sim/fault", clear_faults },
    { "GET", "/sim/log", show_log },
    { "GET", "/sim/stats", show_stats },
  };
  if (strncmp (call->path, "/sim/", strlen ("/sim/")) != 0)
    return 0;
  for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
    if (strcmp (call->method, actions[i].method) == 0
        && strcmp (call->path, actions[i].path) == 0) {
      actions[i].act (sim, call, a);
      return 1;
    }
  mistake (a, 404, "there are POST /sim/advance, POST and DELETE /sim/fault, "
           "GET /sim/log and GET /sim/stats");
  return 1;
}

/* options - the command line of keywheel-sim, checked and resolved. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include "bucket.h"
#include "faults.h"

#include <stddef.h>
#include <stdint.h>

/* What a key gets before any limit is looked at. */
enum sim_standing {
  SIM_GOOD,
  SIM_REVOKED,
  SIM_RESTRICTED,
  SIM_SPEND,
  SIM_BLOCKED
};

struct sim_key {
  char *secret;
  char *name;
  char *org;
  enum sim_standing standing;
  struct sim_limits limits;     /* its organization's, once resolved */
};

struct sim_model {
  char *name;
  struct sim_limits limits;
};

struct sim_options {
  struct sim_key *keys;
  size_t n_keys;
  struct sim_model *models;
  size_t n_models;
  struct sim_faults faults;
  int64_t port;
  int64_t time_scale;
  int64_t reply_tokens;
  int manual_clock;
  int help, version;            /* asked for: nothing else was checked */
  const char *port_file;        /* these two are argv's */
  const char *log_file;
};

/* 0, or -1 and a message that names the option and what it takes, and no
 * secret.  To be cleared in both cases. */
int sim_options_parse (struct sim_options *, int argc, char **argv, char *msg,
                       size_t size);
void sim_options_clear (struct sim_options *);

/* Whether each fault's key and model are there: 0, or -1 and a message. */
int sim_options_check_faults (const struct sim_options *,
                              const struct sim_faults *, char *msg, size_t size);

const char *sim_usage (void);

const struct sim_key *sim_options_key (const struct sim_options *,
                                       const char *secret);
/* NULL: no such model.  With no --model there is always one. */
const struct sim_model *sim_options_model (const struct sim_options *,
                                           const char *name);

#endif

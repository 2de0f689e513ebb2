/* options - the command line of keywheel-sim (see options.h). */
#include "options.h"
#include "spec.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define TIME_SCALE_MAX 100000
#define REPLY_TOKENS_MAX 1000000

const char *
sim_usage (void)
{
  return
"Usage: keywheel-sim --key SECRET[,ATTRIBUTE...] [OPTION]...\n"
"A simulated LLM provider on loopback, with Groq's limits, messages and headers.\n"
"\n"
"  --key SECRET[,...]   a key; may be repeated.  Attributes: name=N, org=ORG,\n"
"                       rpm=, rpd=, tpm=, tpd= (limits of its organization),\n"
"                       revoked, restricted, spend, blocked\n"
"  --model NAME[,...]   serve only the models so named; rpm=, rpd=, tpm=, tpd=\n"
"                       here replace the organization's\n"
"  --port N             listen on this port of 127.0.0.1 (0: any; the default)\n"
"  --port-file PATH     write the port to this file when listening\n"
"  --time-scale N       make every window N times shorter\n"
"  --clock real|manual  manual: time moves by POST /sim/advance?ms=N only\n"
"  --fault SPEC         misbehave, e.g. status=503,key=primary,count=2; may be\n"
"                       repeated\n"
"  --log FILE           write a JSON line for each request\n"
"  --reply-tokens N     a reply's length when the request gives no maximum (32)\n"
"  --help, --version\n"
"\n"
"See keywheel-sim(1) for faults, endpoints and examples.\n";
}

/* One more element, zeroed; NULL: no memory. */
static void *
grow (void *array, size_t *n, size_t size, void **ret_array)
{
  char *bigger = reallocarray (array, *n + 1, size);
  if (bigger == NULL)
    return NULL;
  *ret_array = bigger;
  memset (bigger + *n * size, 0, size);
  return bigger + size * (*n)++;
}

/* 1: it was a limit; 0: it was none; -1: a bad one. */
static int
take_limit (struct sim_limits *limits, const char *name, const char *value,
            const char *what, char *msg, size_t size)
{
  for (int d = 0; d < SIM_DIMS; d++) {
    if (strcmp (name, sim_dims[d].name) != 0)
      continue;
    if (sim_parse_int (value, 1, SIM_LIMIT_MAX, &limits->of[d]) == 0)
      return 1;
    return sim_complain (msg, size,
                         "%s: %s=%s: the limit must be a whole number from 1 to "
                         "%lld", what, name, value != NULL ? value : "",
                         (long long) SIM_LIMIT_MAX);
  }
  return 0;
}

static int
take_standing (struct sim_key *key, const char *name)
{
  static const struct {
    const char *name;
    enum sim_standing standing;
  } standings[] = {
    { "revoked", SIM_REVOKED },
    { "restricted", SIM_RESTRICTED },
    { "spend", SIM_SPEND },
    { "blocked", SIM_BLOCKED },
  };
  for (size_t i = 0; i < sizeof standings / sizeof standings[0]; i++)
    if (strcmp (name, standings[i].name) == 0) {
      key->standing = standings[i].standing;
      return 1;
    }
  return 0;
}

static int
take_name (char **field, const char *name, const char *value, const char *what,
           char *msg, size_t size)
{
  if (!sim_is_name (value))
    return sim_complain (msg, size,
                         "%s: %s=%s: a name has 1 to 63 letters, digits and '.', "
                         "'_', '-'", what, name, value != NULL ? value : "");
  free (*field);
  *field = strdup (value);
  return *field != NULL ? 0 : sim_complain (msg, size, "no memory");
}

static int
take_attribute (struct sim_key *key, const char *name, const char *value,
                const char *what, char *msg, size_t size)
{
  int limit = take_limit (&key->limits, name, value, what, msg, size);
  if (limit != 0)
    return limit < 0 ? -1 : 0;
  if (strcmp (name, "name") == 0)
    return take_name (&key->name, name, value, what, msg, size);
  if (strcmp (name, "org") == 0)
    return take_name (&key->org, name, value, what, msg, size);
  if (value == NULL && take_standing (key, name))
    return 0;
  return sim_complain (msg, size,
                       "%s: \"%s\" is no attribute of a key (allowed: name=, org=, "
                       "rpm=, rpd=, tpm=, tpd=, revoked, restricted, spend, "
                       "blocked)", what, name);
}

static int
is_secret (const char *text)
{
  size_t len = 0;
  for (; text[len] != '\0'; len++)
    if (text[len] <= ' ' || text[len] > '~')
      return 0;
  return len > 0 && len <= 256;
}

/* Keys without a name are "key-1", "key-2", ...; without an organization each
 * has its own. */
static int
name_key (struct sim_key *key, size_t number, char *msg, size_t size)
{
  char text[128];
  if (key->name == NULL) {
    sim_complain (text, sizeof text, "key-%zu", number);
    key->name = strdup (text);
  }
  if (key->name != NULL && key->org == NULL) {
    sim_complain (text, sizeof text, "org_%s", key->name);
    key->org = strdup (text);
  }
  if (key->name == NULL || key->org == NULL)
    return sim_complain (msg, size, "no memory");
  return 0;
}

static int
add_key (struct sim_options *o, char *text, char *msg, size_t size)
{
  char what[64], *rest = text, *name, *value;
  struct sim_key *key = grow (o->keys, &o->n_keys, sizeof *key,
                              (void **) &o->keys);
  if (key == NULL)
    return sim_complain (msg, size, "no memory");
  sim_complain (what, sizeof what, "--key (number %zu)", o->n_keys);
  key->secret = strsep (&rest, ",");
  if (!is_secret (key->secret)) {
    key->secret = NULL;
    return sim_complain (msg, size,
                         "%s: the secret must come first and have 1 to 256 visible "
                         "ASCII characters", what);
  }
  key->secret = strdup (key->secret);
  if (key->secret == NULL)
    return sim_complain (msg, size, "no memory");
  while (sim_spec_next (&rest, &name, &value))
    if (take_attribute (key, name, value, what, msg, size) != 0)
      return -1;
  return name_key (key, o->n_keys, msg, size);
}

static int
add_model (struct sim_options *o, char *text, char *msg, size_t size)
{
  char what[192], *rest = text, *name, *value;
  const char *model_name = strsep (&rest, ",");
  struct sim_model *model = grow (o->models, &o->n_models, sizeof *model,
                                  (void **) &o->models);
  if (model == NULL)
    return sim_complain (msg, size, "no memory");
  if (!sim_is_model (model_name))
    return sim_complain (msg, size,
                         "--model: \"%s\": a model's name has 1 to 127 letters, "
                         "digits and '.', '_', '-', '/', ':', '@'", model_name);
  model->name = strdup (model_name);
  if (model->name == NULL)
    return sim_complain (msg, size, "no memory");
  sim_complain (what, sizeof what, "--model %s", model_name);
  while (sim_spec_next (&rest, &name, &value)) {
    int limit = take_limit (&model->limits, name, value, what, msg, size);
    if (limit < 0)
      return -1;
    if (limit == 0)
      return sim_complain (msg, size,
                           "%s: \"%s\" is no attribute of a model (allowed: rpm=, "
                           "rpd=, tpm=, tpd=)", what, name);
  }
  return 0;
}

/* Limits belong to the organization: what one of its keys says counts for all
 * of them, and two that differ are a mistake. */
static int
share_limits (struct sim_key *a, struct sim_key *b, char *msg, size_t size)
{
  for (int d = 0; d < SIM_DIMS; d++) {
    int64_t *left = &a->limits.of[d], *right = &b->limits.of[d];
    if (*left != 0 && *right != 0 && *left != *right)
      return sim_complain (msg, size,
                           "--key: %s and %s are of one organization (%s), but one "
                           "says %s=%lld and the other %lld", a->name, b->name,
                           a->org, sim_dims[d].name, (long long) *left,
                           (long long) *right);
    if (*left == 0)
      *left = *right;
    else
      *right = *left;
  }
  return 0;
}

static int
check_pair (struct sim_key *a, struct sim_key *b, char *msg, size_t size)
{
  if (strcmp (a->name, b->name) == 0)
    return sim_complain (msg, size, "--key: two keys are named \"%s\"", a->name);
  if (strcmp (a->secret, b->secret) == 0)
    return sim_complain (msg, size, "--key: %s and %s have the same secret",
                         a->name, b->name);
  return 0;
}

static int
has_key_named (const struct sim_options *o, const char *name)
{
  for (size_t i = 0; i < o->n_keys; i++)
    if (strcmp (o->keys[i].name, name) == 0)
      return 1;
  return 0;
}

int
sim_options_check_faults (const struct sim_options *o, const struct sim_faults *faults,
                          char *msg, size_t size)
{
  for (size_t i = 0; i < faults->n; i++) {
    const struct sim_fault *f = &faults->rules[i];
    if (f->key[0] != '\0' && !has_key_named (o, f->key))
      return sim_complain (msg, size, "key=%s: no --key has this name; the first is "
                           "\"%s\"", f->key, o->keys[0].name);
    if (f->model[0] != '\0' && sim_options_model (o, f->model) == NULL)
      return sim_complain (msg, size, "model=%s: no --model has this name; the first "
                           "is \"%s\"", f->model, o->models[0].name);
  }
  return 0;
}

/* Faults may be told before the keys and models that they name. */
static int
check_faults (const struct sim_options *o, char *msg, size_t size)
{
  char why[320];
  if (sim_options_check_faults (o, &o->faults, why, sizeof why) == 0)
    return 0;
  return sim_complain (msg, size, "--fault: %s", why);
}

static int
resolve (struct sim_options *o, char *msg, size_t size)
{
  if (o->n_keys == 0)
    return sim_complain (msg, size, "at least one --key SECRET is needed");
  for (size_t i = 0; i < o->n_keys; i++)
    for (size_t j = i + 1; j < o->n_keys; j++) {
      struct sim_key *a = &o->keys[i], *b = &o->keys[j];
      if (check_pair (a, b, msg, size) != 0)
        return -1;
      if (strcmp (a->org, b->org) == 0 && share_limits (a, b, msg, size) != 0)
        return -1;
    }
  for (size_t i = 0; i < o->n_models; i++)
    for (size_t j = i + 1; j < o->n_models; j++)
      if (strcmp (o->models[i].name, o->models[j].name) == 0)
        return sim_complain (msg, size, "--model: \"%s\" is given twice",
                             o->models[i].name);
  return check_faults (o, msg, size);
}

static int
take_number (const char *option, const char *text, int64_t min, int64_t max,
             int64_t *ret, char *msg, size_t size)
{
  if (sim_parse_int (text, min, max, ret) == 0)
    return 0;
  return sim_complain (msg, size, "%s: \"%s\" is no whole number from %lld to %lld",
                       option, text, (long long) min, (long long) max);
}

static int
take_clock (struct sim_options *o, const char *text, char *msg, size_t size)
{
  o->manual_clock = strcmp (text, "manual") == 0;
  if (o->manual_clock || strcmp (text, "real") == 0)
    return 0;
  return sim_complain (msg, size, "--clock: \"%s\": allowed are real and manual",
                       text);
}

static int
take_fault (struct sim_options *o, const char *text, char *msg, size_t size)
{
  char why[320];
  if (sim_faults_add (&o->faults, text, why, sizeof why) == 0)
    return 0;
  return sim_complain (msg, size, "--fault: %s", why);
}

enum { KEY = 256, MODEL, PORT, PORT_FILE, TIME_SCALE, CLOCK, FAULT, LOG,
       REPLY_TOKENS, HELP, VERSION };

static int
take_option (struct sim_options *o, int option, char *arg, char *msg, size_t size)
{
  switch (option) {
  case KEY:
    return add_key (o, arg, msg, size);
  case MODEL:
    return add_model (o, arg, msg, size);
  case PORT:
    return take_number ("--port", arg, 0, 65535, &o->port, msg, size);
  case PORT_FILE:
    o->port_file = arg;
    return 0;
  case TIME_SCALE:
    return take_number ("--time-scale", arg, 1, TIME_SCALE_MAX, &o->time_scale, msg,
                        size);
  case CLOCK:
    return take_clock (o, arg, msg, size);
  case FAULT:
    return take_fault (o, arg, msg, size);
  case LOG:
    o->log_file = arg;
    return 0;
  case REPLY_TOKENS:
    return take_number ("--reply-tokens", arg, 1, REPLY_TOKENS_MAX,
                        &o->reply_tokens, msg, size);
  case HELP:
    o->help = 1;
    return 0;
  case VERSION:
    o->version = 1;
    return 0;
  default:
    return -1;
  }
}

/* Cut at '=': what follows may be a secret. */
static int
bad_option (const char *arg, char *msg, size_t size)
{
  if (optopt >= HELP)
    return sim_complain (msg, size, "%.*s takes no value", (int) strcspn (arg, "="),
                         arg);
  if (optopt != 0)
    return sim_complain (msg, size, "there is no option -%c", optopt);
  return sim_complain (msg, size, "there is no option %.*s (or it is cut too short)",
                       (int) strcspn (arg, "="), arg);
}

int
sim_options_parse (struct sim_options *o, int argc, char **argv, char *msg,
                   size_t size)
{
  static const struct option table[] = {
    { "key", required_argument, NULL, KEY },
    { "model", required_argument, NULL, MODEL },
    { "port", required_argument, NULL, PORT },
    { "port-file", required_argument, NULL, PORT_FILE },
    { "time-scale", required_argument, NULL, TIME_SCALE },
    { "clock", required_argument, NULL, CLOCK },
    { "fault", required_argument, NULL, FAULT },
    { "log", required_argument, NULL, LOG },
    { "reply-tokens", required_argument, NULL, REPLY_TOKENS },
    { "help", no_argument, NULL, HELP },
    { "version", no_argument, NULL, VERSION },
    { NULL, 0, NULL, 0 },
  };
  int option;

  memset (o, 0, sizeof *o);
  o->time_scale = 1;
  o->reply_tokens = 32;
  opterr = 0;
  optind = 1;
  while ((option = getopt_long (argc, argv, ":", table, NULL)) != -1) {
    if (option == ':')
      return sim_complain (msg, size, "%s needs a value", argv[optind - 1]);
    if (option == '?')
      return bad_option (argv[optind - 1], msg, size);
    if (take_option (o, option, optarg, msg, size) != 0)
      return -1;
    if (o->help || o->version)
      return 0;
  }
  if (optind < argc)
    return sim_complain (msg, size, "keywheel-sim takes options only, and there is "
                         "an argument that belongs to none (number %d from the end)",
                         argc - optind);
  return resolve (o, msg, size);
}

void
sim_options_clear (struct sim_options *o)
{
  for (size_t i = 0; i < o->n_keys; i++) {
    free (o->keys[i].secret);
    free (o->keys[i].name);
    free (o->keys[i].org);
  }
  for (size_t i = 0; i < o->n_models; i++)
    free (o->models[i].name);
  free (o->keys);
  free (o->models);
  sim_faults_clear (&o->faults);
  memset (o, 0, sizeof *o);
}

const struct sim_key *
sim_options_key (const struct sim_options *o, const char *secret)
{
  for (size_t i = 0; i < o->n_keys; i++)
    if (strcmp (o->keys[i].secret, secret) == 0)
      return &o->keys[i];
  return NULL;
}

const struct sim_model *
sim_options_model (const struct sim_options *o, const char *name)
{
  static const struct sim_model any;
  for (size_t i = 0; i < o->n_models; i++)
    if (strcmp (o->models[i].name, name) == 0)
      return &o->models[i];
  return o->n_models == 0 ? &any : NULL;
}

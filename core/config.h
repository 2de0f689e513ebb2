/* config - the INI file turned into settings, every mistake reported with
 * file, line and what is allowed.  Parsing is inih's.  Knows no plugin and
 * reads no key: it keeps where a key comes from. */
#ifndef KWI_CONFIG_H
#define KWI_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "net.h"
#include "policy.h"

struct kw_error;

/* Where environment variables are looked up; tests bring their own. */
struct kwi_env {
  const char *(*get) (void *ctx, const char *name);
  void *ctx;
};
extern const struct kwi_env kwi_env_process;    /* getenv */

/* Told of every mistake (severity 0) and oddity (severity 1), a line each. */
struct kwi_reporter {
  void (*report) (void *user, int severity, const char *text);
  void *user;
};
void kwi_report (const struct kwi_reporter *, int severity,
                 const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 3, 4)));

enum kwi_source { KWI_SOURCE_ENV = 1, KWI_SOURCE_FILE, KWI_SOURCE_COMMAND };

struct kwi_key_config {         /* [key PROVIDER/NAME] */
  char *name;
  char *value;                  /* variable, path (absolute), or command  */
  enum kwi_source source;
  uint32_t weight;
  int line;
  int _reserved;
};

/* A setting the core does not know: the plugin's, or a mistake.  Which of the
 * two, the client finds out when it has the plugin. */
struct kwi_option {
  char *name;
  char *value;
  int line;
  int _reserved;
};

struct kwi_provider_config {    /* [provider NAME] */
  char *name;
  char *plugin;
  char *base_url;               /* NULL: the plugin's; no slash at the end */
  char *model;                  /* NULL: the plugin's                     */
  struct kwi_policy policy;
  int64_t attempt_timeout_ms;
  int64_t connect_timeout_ms;
  int64_t max_response;         /* bytes                                  */
  struct kwi_net net;
  struct kwi_key_config *keys;
  size_t n_keys;
  struct kwi_option *options;
  size_t n_options;
  struct kwi_option *gateway;   /* the gateway's; see option-gateway.c    */
  size_t n_gateway;
  int allow_secret;
  int exact;                    /* admission = exact                      */
  int pace;                     /* pace = on                              */
  int strategy;                 /* enum kwi_strategy                      */
  int max_concurrency;          /* 0: no bound                            */
  int max_waiting;              /* 0: no bound                            */
  int line;                     /* of the section; 0: made up             */
};

struct kwi_config {
  char *path;                   /* as given or found; NULL: none          */
  char *dir;                    /* the INI's folder, absolute; or the cwd */
  char *provider;               /* the default one; NULL: not said        */
  char **plugin_dirs;           /* absolute                               */
  size_t n_plugin_dirs;
  char *env_file;               /* absolute; NULL: none                   */
  int env_file_line;
  char *state;                  /* behind "state ="; NULL: not said       */
  char *fingerprint_file;       /* absolute; NULL: its own place          */
  unsigned char *fingerprint_key; /* of the state's; NULL: none           */
  int state_line;
  int log_level;                /* KW_LOG_*                               */
  struct kwi_provider_config *providers;
  size_t n_providers;
  struct kwi_option *gateway;   /* [gateway]; see option-gateway.c        */
  size_t n_gateway;
};

/* path NULL: the search order of keywheel.ini(5), and without any file an
 * empty configuration.  All mistakes go to the reporter (may be NULL); err
 * gets the first and the number of the others.  0, KW_ERR_SETTINGS or
 * KW_ERR_MEMORY. */
int kwi_config_load (const char *path, const struct kwi_env *env,
                     const struct kwi_reporter *, struct kwi_config **ret,
                     struct kw_error *err);
void kwi_config_free (struct kwi_config *);

/* Appends a provider with every default (for "-p NAME" without a section).
 * Its addresses move: ask for them afterwards.  NULL: no memory. */
struct kwi_provider_config *kwi_config_add (struct kwi_config *,
                                            const char *name);

/* "250ms", "2s", "1m30s", "7m12.5s", "1h", "1d"; 0 and *ret_ms, or -1.  Units in falling
 * order, each once; a bare number only if it is 0. */
int kwi_parse_duration (const char *s, int64_t *ret_ms);

/* NULL, or what is wrong with it in a few words: no scheme, a scheme that is
 * not http or https, user or password in it, no host, a query or fragment,
 * a blank or control character. */
const char *kwi_check_base_url (const char *url);

/* The word of the NULL-terminated list that is nearest to s by edit distance,
 * near enough to be meant, or NULL.  For "did you mean". */
const char *kwi_nearest (const char *s, const char *const *words);

/* The options that the core knows in [provider ...], NULL-terminated: for the
 * client's text about an option that the plugin does not know either. */
extern const char *const kwi_provider_options[];

#endif

/* test_sim - what the parts of the suite on keywheel-sim share. */
#ifndef TEST_SIM_H
#define TEST_SIM_H

#include "kwtest.h"
#include "proc.h"
#include "simctl.h"

#define CHAT "/v1/chat/completions"
/* One token of prompt and 99 of reply. */
#define HUNDRED \
  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]," \
  "\"max_tokens\":99,\"user\":\"tag-1\"}"
#define STREAM \
  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]," \
  "\"max_tokens\":99,\"stream\":true}"

#define COUNT(table) ((int) (sizeof table / sizeof table[0]))

/* The text at a path of a body's members, "error/message"; "" if it is not
 * there. */
const char *json_text (const char *body, const char *path, char *buf, size_t size);
void expect_text (const struct simctl_reply *, const char *path, const char *text);
/* value NULL: there must be no such header. */
void expect_header (const struct simctl_reply *, const char *name,
                    const char *value);
/* One chat; its status and, unless NULL, its error's code. */
void expect_call (struct simctl *, const char *secret, const char *body, int status,
                  const char *code);

/* The text of all pieces of a stream, each event's member at this path of it. */
void stream_text (const char *body, const char *path, char *buf, size_t size);

/* The parts: arithmetic and texts without a server; faults; the log and what
 * happens at once; the command line; paths besides the chats'; calls of tools. */
TCase *sim_units (void);
TCase *sim_endpoints (void);
TCase *sim_tools (void);
TCase *sim_faults (void);
TCase *sim_log (void);
TCase *sim_usage (void);

#endif

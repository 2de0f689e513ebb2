/* chat - Chat Completions JSON, for plugins whose provider speaks another one:
 * a request read strictly, answers and chunks written.
 *
 * Strictly: what a request says and the provider's format cannot say is
 * refused, with a text that names the place; nothing is dropped.  A dialect
 * lists what its format can say.  A member whose value is null, or one that
 * changes nothing ("n": 1), passes.
 *
 * Values stay json-c's: a string may hold NULs, and a number is written again as
 * it was read.  What is returned is borrowed from the request unless it says
 * otherwise.  Knows the host for its errors alone, and no provider. */
#ifndef KWP_CHAT_H
#define KWP_CHAT_H

#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

struct kw_host;
struct kw_instance;
struct kw_translate_host;
struct kw_translation;

/* ---- What a format can say ---------------------------------------------- */

/* A member that an object may have.  types: of s string, n number, i integer,
 * b boolean, a array, o object; neutral: values that say nothing, with '|'
 * between: "0", "false", "auto|default", "{}", "[]"; NULL: none. */
struct kwp_field {
  const char *name, *types, *neutral;
};

enum {                          /* kinds of content parts; text goes always */
  KWP_TEXT = 0, KWP_IMAGE = 1, KWP_FILE = 2, KWP_AUDIO = 4
};

struct kwp_dialect {
  const char *api;              /* for errors: "Anthropic's Messages API"   */
  const char *const *says;      /* members of the request that are translated,
                                   ended by NULL.  Always: model, messages,
                                   stream, stream_options                   */
  const struct kwp_field *own;   /* ...and those that Chat Completions does
                                   not know; ended by a NULL name, or NULL  */
  const struct kwp_field *own_assistant; /* likewise, of assistant messages  */
  const struct kwp_field *own_calls;     /* likewise, of their tool_calls    */
  unsigned user_parts, tool_parts; /* KWP_IMAGE | ...                       */
};

/* ---- Reading a request --------------------------------------------------- */

/* A place in the request, "messages[2].content[1]"; NULL is the request. */
struct kwp_at {
  const struct kwp_at *up;
  const char *name;             /* NULL: the element at index               */
  size_t index;
};

struct kwp_chat {
  const struct kw_host *host;
  struct kw_instance *in;
  const struct kwp_dialect *dialect;
  struct json_object *request;
  struct kwp_at messages, tools;
  int stream, include_usage;
};

/* All that return int: 0 or a negative KW_ERR_*, the error given to the host.
 * close after a failed open, too. */
int kwp_chat_open (struct kwp_chat *, const struct kw_host *,
                   struct kw_instance *, const struct kwp_dialect *,
                   const void *body, uint64_t len);
void kwp_chat_close (struct kwp_chat *);

/* NULL: not there, or null. */
struct json_object *kwp_member (struct json_object *, const char *name);
struct json_object *kwp_said (const struct kwp_chat *, const char *name);

/* Each member of the object against rules and more (either NULL, or ended by a
 * NULL name): known, of its type. */
int kwp_check (const struct kwp_chat *, const struct kwp_at *,
               struct json_object *, const struct kwp_field *rules,
               const struct kwp_field *more);

/* "AT.MEMBER VALUE cannot be said in API: WHY"; value and why may be NULL. */
int kwp_cannot (const struct kwp_chat *, const struct kwp_at *,
                const char *member, struct json_object *value,
                const char *why);
/* "AT.MEMBER must be WHAT". */
int kwp_wrong (const struct kwp_chat *, const struct kwp_at *,
               const char *member, const char *what);
int kwp_no_memory (const struct kwp_chat *);

/* A number of the request, NULL if it is not said; refused outside lo .. hi. */
int kwp_chat_number (const struct kwp_chat *, const char *name, double lo,
                     double hi, struct json_object **ret);
/* max_completion_tokens, or max_tokens; -1: neither. */
int kwp_chat_max_tokens (const struct kwp_chat *, int64_t *ret);
/* "stop" as an array of strings, the caller's; NULL: none. */
int kwp_chat_stop (const struct kwp_chat *, struct json_object **ret);

enum kwp_format { KWP_FORMAT_TEXT = 0, KWP_FORMAT_JSON, KWP_FORMAT_SCHEMA };

/* response_format; the schema, with KWP_FORMAT_SCHEMA. */
int kwp_chat_format (const struct kwp_chat *, enum kwp_format *ret,
                     struct json_object **ret_schema);

/* Messages */

enum kwp_role { KWP_SYSTEM = 0, KWP_USER, KWP_ASSISTANT, KWP_TOOL };

struct kwp_message {            /* must not move: parts point to its places */
  enum kwp_role role;           /* "developer" is KWP_SYSTEM                */
  struct json_object *message;  /* whole, for a dialect's own members       */
  struct json_object *refusal;  /* assistant: what it said instead, string  */
  struct json_object *tool_call_id; /* tool: string                         */
  struct json_object *tool_name;    /* tool: string or NULL                 */
  size_t n_parts, n_calls;
  struct kwp_at at, parts, calls;
};

struct kwp_part {
  unsigned kind;                /* KWP_TEXT, ...                            */
  struct json_object *text;     /* KWP_TEXT: string                         */
  struct json_object *url;      /* KWP_IMAGE by its address, else NULL      */
  struct json_object *detail;   /* KWP_IMAGE: string, or NULL (or "auto")   */
  struct json_object *filename; /* KWP_FILE: string, or NULL                */
  char media_type[64];          /* of data: "image/png", "audio/wav"        */
  const char *data;             /* base64, len bytes; NULL: there is a url  */
  size_t len;
  struct kwp_at at;
};

struct kwp_tool_call {
  struct json_object *call;     /* whole, for a dialect's own members       */
  struct json_object *id, *name;    /* strings                              */
  struct json_object *arguments;    /* an object, the CALLER'S to put       */
  struct kwp_at at;
};

size_t kwp_chat_messages (const struct kwp_chat *);
int kwp_chat_message (const struct kwp_chat *, size_t i, struct kwp_message *);
int kwp_chat_part (const struct kwp_chat *, const struct kwp_message *,
                   size_t i, struct kwp_part *);
int kwp_chat_call (const struct kwp_chat *, const struct kwp_message *,
                   size_t i, struct kwp_tool_call *);

/* Tools */

enum kwp_choice {
  KWP_CHOICE_UNSAID = 0, KWP_CHOICE_AUTO, KWP_CHOICE_NONE, KWP_CHOICE_REQUIRED,
  KWP_CHOICE_NAMED
};

struct kwp_tool {
  struct json_object *name;         /* string                               */
  struct json_object *description;  /* string, or NULL                      */
  struct json_object *parameters;   /* object, or NULL                      */
  int strict;                   /* 1, 0; -1: not said                       */
  struct kwp_at at;
};

size_t kwp_chat_tools (const struct kwp_chat *);
int kwp_chat_tool (const struct kwp_chat *, size_t i, struct kwp_tool *);
/* name: string, with KWP_CHOICE_NAMED. */
int kwp_chat_tool_choice (const struct kwp_chat *, enum kwp_choice *ret,
                          struct json_object **ret_name);

/* ---- Writing ------------------------------------------------------------- */

/* A JSON text, all of it; NULL: it is none (or no memory). */
struct json_object *kwp_parse (const void *data, uint64_t len);

/* Both take value, also when they fail, which they leave in *nomem: look at it
 * once, at the end.  The object may be NULL: then it could not be made. */
void kwp_put (int *nomem, struct json_object *, const char *name,
              struct json_object *value);
void kwp_append (int *nomem, struct json_object *, struct json_object *value);
void kwp_put_string (int *nomem, struct json_object *, const char *name,
                     const char *value);
void kwp_put_null (int *nomem, struct json_object *, const char *name);
/* A further reference to value, or nothing if that is NULL. */
void kwp_put_ref (int *nomem, struct json_object *, const char *name,
                  struct json_object *value);

struct kwp_head {               /* what an answer and its chunks begin with */
  const char *id, *model;
  int64_t created_ms;
};

/* Tokens; -1: not said.  input has cached and cache_written in it, output has
 * reasoning in it. */
struct kwp_usage {
  int64_t input, output, cached, cache_written, reasoning;
};
#define KWP_NO_USAGE { -1, -1, -1, -1, -1 }

/* A chat.completion or, with chunk, a chat.completion.chunk, without choices;
 * usage may be NULL. */
struct json_object *kwp_completion (int *nomem, int chunk,
                                    const struct kwp_head *,
                                    const struct kwp_usage *);
/* One more choice: takes said, which is its message or delta.  finish: "stop",
 * "length", "tool_calls", "content_filter", or NULL. */
void kwp_choice (int *nomem, struct json_object *completion, int index,
                 struct json_object *said, const char *finish);
/* An entry of tool_calls; index -1 in a message.  arguments is JSON text, of a
 * delta a part of it; id and name are NULL in all but a call's first delta. */
struct json_object *kwp_tool_call_new (int *nomem, int index, const char *id,
                                       const char *name, const char *arguments,
                                       size_t len);

/* Writes o out, and puts it.  KW_ERR_NOMEM if that is in nomem. */
int kwp_output (const struct kw_translate_host *, struct kw_translation *,
                struct json_object *o, int nomem);

#endif

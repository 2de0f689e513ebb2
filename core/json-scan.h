/* json-scan - JSON as RFC 8259 has it, read in one pass over its bytes.
 *
 * For texts that only pass through: nothing is built but a small table of what
 * stands where, in room of the caller's.  It says yes to nothing that json-c,
 * strict, refuses, and answers only what it is sure of; whoever gets no answer
 * asks json-c, which also has the words for mistakes.  Knows no member's name. */
#ifndef KWI_JSON_SCAN_H
#define KWI_JSON_SCAN_H

#include <stddef.h>
#include <stdint.h>

enum kwi_json_kind {
  KWI_JSON_NULL = 0, KWI_JSON_FALSE, KWI_JSON_TRUE, KWI_JSON_NUMBER,
  KWI_JSON_STRING, KWI_JSON_ARRAY, KWI_JSON_OBJECT
};

/* Strings: a backslash is in it.  Objects: one is in a member's name. */
#define KWI_JSON_ESCAPED 1
/* Arrays and objects: not all that is in it has a node. */
#define KWI_JSON_CUT 2

struct kwi_json_node {
  uint32_t at, len;             /* in the text; of a string without quotes */
  uint32_t key;                 /* a member's name, without quotes        */
  uint32_t next;                /* the node behind it in its array or object,
                                   whose first is the one behind its own;
                                   0: none                                */
  uint32_t names;               /* objects: kwi_json_bit of its members   */
  uint16_t key_len;
  uint8_t kind;
  uint8_t flags;
};

/* The nodes of any chat's answer, in 6 KB of somebody's stack. */
#define KWI_JSON_NODES 256
/* Elements of an array that get a node. */
#define KWI_JSON_ELEMENTS 2
/* Levels that are scanned. */
#define KWI_JSON_DEPTH 128

struct kwi_json {
  const char *text;
  uint32_t n;
  struct kwi_json_node node[KWI_JSON_NODES]; /* the whole first           */
};

/* Reads all of text, which stays the caller's.  1: it is JSON, blanks around
 * it allowed; 0: it may be none, or is too much for the table.  levels: how
 * deep nodes go; 1 is what the top level has in it. */
int kwi_json_scan (struct kwi_json *, const char *text, size_t len,
                   unsigned levels);
/* The same; 0 also if text is not UTF-8. */
int kwi_json_scan_utf8 (struct kwi_json *, const char *text, size_t len,
                        unsigned levels);

/* Of a name's first byte, a bit: an object in whose names it is not set has no
 * such name. */
static inline uint32_t
kwi_json_bit (char first)
{
  return UINT32_C (1) << ((unsigned char) first & 31);
}

/* The object's last member of that name, as json-c has it: 1, 0 if it has
 * none, -1 if that is not known here. */
int kwi_json_member (const struct kwi_json *, const struct kwi_json_node *,
                     const char *name, size_t len,
                     const struct kwi_json_node **ret);
/* The same of an RFC 6901 pointer.  Also -1 where it goes on behind a string
 * that may hold JSON. */
int kwi_json_find (const struct kwi_json *, const char *pointer,
                   const struct kwi_json_node **ret);

/* The text of a scalar into buf, with a NUL behind it: its length, and nothing
 * is written where that is not below size; -1: not known here, -2: it is no
 * scalar. */
int64_t kwi_json_text (const struct kwi_json *, const struct kwi_json_node *,
                       char *buf, size_t size);

#endif

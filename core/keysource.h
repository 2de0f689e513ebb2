/* keysource - the bytes of one key from its file or its command. */
#ifndef KWI_KEYSOURCE_H
#define KWI_KEYSOURCE_H

#include <stddef.h>

#include "textfile.h"

struct kwi_clock;

#define KWI_KEY_MAX_OUTPUT (64 * 1024)
#define KWI_KEY_COMMAND_MS 30000

/* 0: *ret is yours for kwi_text_free.  1: why says what is wrong, in words
 * that show nothing of what was read.  -1: no memory. */
int kwi_keysource_file (const char *path, struct kwi_text *ret, char *why,
                        size_t size);
/* Likewise, from /bin/sh -c command: its standard output; input is empty, and
 * messages go where ours go. */
int kwi_keysource_command (const char *command, const struct kwi_clock *,
                           struct kwi_text *ret, char *why, size_t size);

#endif

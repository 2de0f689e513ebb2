/* redisfake - a server that answers as a test wants it to, on a port of its own,
 * in a process of its own that ends with the test. */
#ifndef REDISFAKE_H
#define REDISFAKE_H

/* What is answered to a command, in the protocol's words: "" for nothing, NULL to
 * close the connection.  n counts the connections from 0; words are the command's,
 * as much of it as has come, separated by the protocol's own. */
typedef const char *(*redisfake_answer) (int n, const char *words, void *user);

/* The port. */
int redisfake_start (redisfake_answer, void *user);
void redisfake_stop (void);

/* Does what a server does for a handle that only looks: PING, SUBSCRIBE and an
 * empty reply to each script. */
const char *redisfake_sound (const char *words);

#endif

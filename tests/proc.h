/* proc - running another program from a test.
 * Starts a child with given arguments and environment, feeds its standard
 * input, keeps what it writes, and waits no longer than it is told.  Knows
 * nothing of keywheel.
 *
 * A child dies (SIGKILL) with the thread that started it, so a test that
 * aborts leaves nothing behind: start children in the test's main thread.
 * Nothing here is safe for two threads on the same struct proc. */
#ifndef PROC_H
#define PROC_H

#include <stddef.h>
#include <sys/types.h>

struct proc;

struct proc_result {
  int status;           /* exit code; 128 + the signal's number if one ended it */
  int timed_out;        /* it had to be killed                                  */
  char *out;            /* standard output, NUL-terminated, never NULL          */
  size_t out_len;
  char *err;            /* standard error, likewise                             */
  size_t err_len;
};

/* Starts argv[0] (searched in PATH if it has no slash) with argv up to its
 * NULL.  env, if not NULL, is a NULL-terminated list laid over the test's own
 * environment: "NAME=value" sets, "NAME" unsets, and "-" empties what there
 * was so far.  Never returns NULL: the running test fails if it cannot start.
 * (A program that does not exist ends with 127 and says so on stderr.) */
struct proc *proc_start (const char *const argv[], const char *const env[]);

pid_t proc_pid (const struct proc *);

/* Queues bytes (copied) for the child's standard input; they are sent while
 * one of the waiting functions below runs. */
void proc_write (struct proc *, const void *data, size_t len);
/* End of file on the child's standard input, once all queued is sent. */
void proc_close_stdin (struct proc *);

/* The next line of its standard output, without the newline; NULL if none is
 * complete within timeout_ms.  Good until the next call on p.  Lines stay in
 * proc_finish's result, too. */
const char *proc_read_line (struct proc *, int timeout_ms);

/* Waits until what it wrote to fd 1 or 2 so far contains text: 1, or 0 if it
 * does not within timeout_ms or can no longer come. */
int proc_expect (struct proc *, int fd, const char *text, int timeout_ms);

/* Sends a signal to the child (and to nobody else), if it still runs. */
void proc_signal (struct proc *, int signo);

/* Closes its standard input, waits for its end, kills it after timeout_ms,
 * frees p.  The result, if not NULL, is to be cleared by proc_result_clear. */
void proc_finish (struct proc *, struct proc_result *, int timeout_ms);
/* The same behind a signal, which is sent until it has an effect: a program may take
 * note of one just before it goes to sleep, and look at that when it is woken. */
void proc_end (struct proc *, int signo, struct proc_result *, int timeout_ms);
void proc_result_clear (struct proc_result *);

/* All of it at once: start, feed input (NULL: none), wait. */
void proc_run (struct proc_result *, const char *const argv[],
               const char *const env[], const void *input, size_t input_len,
               int timeout_ms);

#endif

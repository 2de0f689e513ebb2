/* check-leak - does the heap grow by a thing that is done over and over? */
#ifndef KWI_CHECK_LEAK_H
#define KWI_CHECK_LEAK_H

struct kwi_check;

/* Does it some times to get warm, and then many times; what is "create and
 * destroy".  once: 0, or -1: it failed, which the case was told of. */
void kwi_check_leak (struct kwi_check *, const char *what,
                     int (*once) (struct kwi_check *, void *arg), void *arg);

#endif

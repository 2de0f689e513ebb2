/* netnskit - machines on a network, as far as sockets can tell: network namespaces
 * on one bridge, made for the running test and gone with its process.
 *
 * The test itself is on the bridge, at netnskit_address (-1).  A program that
 * proc_start starts, and a process that is forked, is where the test is at that
 * moment.  Root's, or anybody's where users may have namespaces. */
#ifndef NETNSKIT_H
#define NETNSKIT_H

/* NULL: it works here; else why it does not.  Asks in a process of its own. */
const char *netnskit_missing (void);

/* Moves the calling process, which has one thread, onto a bridge of its own, with
 * n machines beside it. */
void netnskit_open (int n);

/* Is on the i-th machine from now on; -1: on the bridge again. */
void netnskit_enter (int i);
const char *netnskit_address (int i);

/* Pulls the i-th machine's cable: what is sent is lost, and no connection is told.
 * 0: plugs it in again.  From where the bridge is. */
void netnskit_cut (int i, int on);

#endif

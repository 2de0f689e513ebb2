/* loop - bare curl_multi_socket_action and epoll, in two ways: the plain one obeys
 * each socket callback at once, as libcurl's documentation teaches; the deferred
 * one tells epoll at the next wait, and only what really differs. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <curl/curl.h>

struct bench_loop;

struct bench_loop *bench_loop_new (int deferred);
void bench_loop_free (struct bench_loop *);

/* For a handle that is to run in this loop, once. */
void bench_loop_fit (struct bench_loop *, CURL *);
void bench_loop_add (struct bench_loop *, CURL *);

/* Waits, handles what is there, and tells of each transfer that ended; the
 * handle is out of the loop then. */
void bench_loop_turn (struct bench_loop *,
                      void (*ended) (void *user, CURL *, CURLcode), void *user);

#endif

/* call - one request's life: policy, keyring, plugin and transport taking
 * turns.  Sans-I/O: kwi_call_next says what to do (send, wait, or it is over),
 * the driver does it and comes back.  One thread at a time.
 * Decides nothing itself: which key is the keyring's, what to do the policy's,
 * what an answer means the plugin's. */
#ifndef KWI_CALL_H
#define KWI_CALL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <keywheel/keywheel.h>

#include "answer.h"
#include "instance.h"
#include "keyring.h"
#include "loop.h"
#include "policy.h"
#include "request.h"
#include "stream.h"
#include "transport.h"

struct kwi_pass;
struct kwi_provider;

enum kwi_step {
  KWI_STEP_SEND,                /* one exchange of call->request, then
                                   kwi_call_answered                      */
  KWI_STEP_WAIT,                /* wait_ms, or until woken; then next     */
  KWI_STEP_READ,                /* until there is more of its upload, or the
                                   deadline passes; then next             */
  KWI_STEP_DONE                 /* call->code                             */
};

struct kwi_call {
  /* The driver's business. */
  struct kwi_provider *provider;
  struct kwi_lane *lane;
  struct kwi_exchange exchange; /* the one under way                      */
  struct kwi_timer timer;       /* of a wait                              */
  struct kwi_post post;         /* what other threads say, in said        */
  atomic_int said;
  int cancelled;                /* by its handle                          */
  void (*over) (struct kwi_call *); /* told of the end, on its thread     */
  int is_over;
  void (*let_go) (struct kwi_call *); /* its body is not sent again; or NULL */
  void (*on_event) (void *user, const struct kw_event *); /* or NULL     */
  void *on_event_user;
  void (*on_start) (void *user, const kw_start *); /* or NULL; sink.user */
  struct kwi_pass *pass;        /* see pass.h; NULL: a plain call         */
  struct kwi_waiter waiter;
  uint64_t id;
  const char *path;
  const char *method;
  const void *body;
  size_t body_len;
  char model[96];
  int stream;                   /* the body asks for an event stream      */
  int probe;                    /* build_probe instead of prepare         */
  size_t only_key;              /* KWI_NO_KEY, or the one it must be      */
  struct kw_request request;
  struct kwi_answer answer;
  struct kwi_stream sink;

  /* How it stands. */
  struct kwi_policy policy;
  struct kwi_policy_state state;
  struct kwi_hold hold;         /* the last attempt's key                 */
  struct kwi_hold turn;         /* a place at a key, waited for           */
  struct kwi_size size;         /* what the request will count as         */
  int switching;                /* the next pick is a switch              */
  int retrying;                 /* the next pick is a retry on key        */
  int wake_only;                /* WAIT: ends when woken, or at the deadline */
  int wakeable;                 /* WAIT: may end when woken               */
  int refused;                  /* by a short limit, since it last waited */
  int in_line;                  /* of a short limit, since it was last sent */
  int joined;                   /* that line, and nobody was told yet     */
  size_t behind;                /* so many that came before               */
  int wait_pending;             /* the last answer is to be followed by one */
  int waiting;                  /* one is under way                       */
  int64_t wait_ms;
  int64_t wait_began;           /* monotonic                              */
  int64_t retry_at_ms;          /* for the error; 0: not known            */
  int64_t sent_ms;              /* the last attempt, since it began       */
  struct kwi_judgement judgement;
  kw_attempt *attempts;
  size_t n_attempts, attempts_size;

  /* How it ended. */
  int done;
  int code;
  int announced;                /* on_start was called                    */
  int final;                    /* the last answer is the caller's, though
                                   it is an error                         */
  struct kw_error *err;         /* the caller's, or NULL                  */
};

/* The name of the last attempt's key. */
const char *kwi_call_key_name (const struct kwi_call *);

/* Zeroed call with provider, lane, body, path, model, stream, err set by the
 * caller.  deadline_ms 0: the configured one. */
void kwi_call_begin (struct kwi_call *, int64_t deadline_ms);
enum kwi_step kwi_call_next (struct kwi_call *);
/* The exchange is over; call->answer has what came. */
void kwi_call_answered (struct kwi_call *);
/* Ends it from outside: cancelled. */
void kwi_call_cancel (struct kwi_call *);
/* Frees what it owns; gives a probe back. */
void kwi_call_clear (struct kwi_call *);

/* ---- call-start.c ------------------------------------------------------- */

/* Calls on_start, once. */
void kwi_call_announce (struct kwi_call *);
/* A call that failed, whose last answer is its caller's. */
void kwi_call_hand_over_error (struct kwi_call *);
/* Of the last answer, since the call began. */
int64_t kwi_call_first_byte_ms (const struct kwi_call *);

/* ---- call.c, for call-wait.c ---------------------------------------------- */

int64_t kwi_call_mono (const struct kwi_call *);
int64_t kwi_call_wall (const struct kwi_call *);
enum kwi_step kwi_call_finish (struct kwi_call *, int code);
enum kwi_step kwi_call_give_up (struct kwi_call *, int code);
/* Its body is there: what it will count as. */
void kwi_call_measure (struct kwi_call *);

/* ---- call-wait.c ----------------------------------------------------------- */

/* Begins a wait, or ends the call. */
enum kwi_step kwi_call_back_off (struct kwi_call *);
enum kwi_step kwi_call_wait_for_turn (struct kwi_call *, const struct kwi_pick *);
enum kwi_step kwi_call_wait_in_line (struct kwi_call *, const struct kwi_pick *);
enum kwi_step kwi_call_wait_for_place (struct kwi_call *, const struct kwi_pick *);
/* Books what was really waited: a cancel or a wake-up may have cut it. */
void kwi_call_end_wait (struct kwi_call *);
/* A short limit was met, and the policy has decided: others wait behind it. */
void kwi_call_line_up (struct kwi_call *, const struct kwi_decision *);

/* ---- call-run.c: on its lane --------------------------------------------- */

/* Steps through it on this thread, turning its lane.  Returns call->code. */
int kwi_call_run (struct kwi_call *);
/* Goes on with it, until something is to be waited for or over was called. */
void kwi_call_step (struct kwi_call *);
/* From any thread: kwi_call_step on its own; an end by KW_ERR_CANCELLED; a
 * paused stream goes on; a paused upload does. */
void kwi_call_start (struct kwi_call *);
void kwi_call_ask_cancel (struct kwi_call *);
void kwi_call_ask_resume (struct kwi_call *);
void kwi_call_ask_more (struct kwi_call *);
/* What a keyring is given to wake a call with; from any thread. */
void kwi_call_wake (struct kwi_waiter *);
/* Nothing of the lane's points to it any more.  After kwi_call_clear, which
 * takes it off the keyring's list: then nobody wakes it. */
void kwi_call_leave_lane (struct kwi_call *);

/* ---- call-judge.c ------------------------------------------------------- */

/* From call->answer and call->sink into call->judgement; no secret in it. */
void kwi_call_judge (struct kwi_call *);
void kwi_call_make_transient (struct kwi_judgement *, const char *reason);

/* ---- call-text.c: the words for people ---------------------------------- */

/* All keys are blocked; sets the code. */
int kwi_call_say_exhausted (struct kwi_call *, const struct kwi_pick *,
                            int64_t now_ms);
/* As many calls wait as may; ready_ms: for what, KWI_NEVER: not known. */
int kwi_call_say_many (struct kwi_call *, int64_t ready_ms, int64_t now_ms);
/* Its deadline passed before its turn came. */
int kwi_call_say_in_line (struct kwi_call *);
/* A probe of one key failed; returns the code. */
int kwi_call_say_probe (struct kwi_call *, const struct kwi_effect *,
                        int64_t now_ms);
/* The policy gave up after the last answer. */
void kwi_call_say_given_up (struct kwi_call *, const struct kwi_decision *,
                            int64_t now_ms);
/* Its upload of more than limit bytes could not be sent again. */
void kwi_call_say_once (struct kwi_call *, const struct kwi_decision *,
                        int64_t limit);
/* Copies the record into err and adds what was tried to its message. */
void kwi_call_fill_error (struct kwi_call *);

/* ---- call-events.c: what the observer is told --------------------------- */

void kwi_call_tell_attempt (struct kwi_call *, uint64_t seq, int why);
void kwi_call_tell_verdict (struct kwi_call *, uint64_t seq);
void kwi_call_tell_effect (struct kwi_call *, const struct kwi_effect *);
void kwi_call_tell_switch (struct kwi_call *, size_t from, uint64_t seq);
void kwi_call_tell_wait (struct kwi_call *, int64_t wait_ms, size_t ahead);
/* It has a place at the key of call->turn, and waits for it. */
void kwi_call_tell_turn (struct kwi_call *, int64_t wait_ms, const char *by);
/* No key is free, and one of them is being probed, or is full only by its
 * requests at once. */
void kwi_call_tell_busy (struct kwi_call *, int full, size_t ahead);

#endif

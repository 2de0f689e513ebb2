/* storekit's clock, its random numbers, and processes that use a store at once. */
#include "storekit.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- The clock ------------------------------------------------------------------ */

static int64_t passed_ms;

static int64_t
clock_ms (clockid_t clock)
{
  struct timespec t;

  ck_assert_int_eq (clock_gettime (clock, &t), 0);
  return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t
storekit_ticks (void)
{
  return clock_ms (CLOCK_MONOTONIC);
}

static int64_t began_ms;
static pthread_once_t began_once = PTHREAD_ONCE_INIT;

static void
begin (void)
{
  began_ms = clock_ms (CLOCK_REALTIME);
}

int64_t
storekit_now (void)
{
  (void) pthread_once (&began_once, begin);
  return began_ms + passed_ms;
}

void
storekit_pass (int64_t ms)
{
  passed_ms += ms;
  if (storekit_backing->pass != NULL)
    storekit_backing->pass (ms);
}

uint32_t
storekit_random (uint64_t *state, uint32_t n)
{
  *state = *state * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
  return (uint32_t) (*state >> 33) % n;
}

/* ---- Processes ------------------------------------------------------------------------ */

static pthread_barrier_t *gate;

void
storekit_gate (void)
{
  int rc = pthread_barrier_wait (gate);

  ck_assert (rc == 0 || rc == PTHREAD_BARRIER_SERIAL_THREAD);
}

void *
storekit_shared (size_t size)
{
  void *p = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  ck_assert (p != MAP_FAILED);
  return p;
}

/* The first that fails takes the others with it: they may be at a gate, where nobody
 * else comes any more. */
static void
wait_for_all (int n, pid_t pids[])
{
  int left = n, failed = -1, why = 0;

  while (left > 0) {
    for (int i = 0; i < n; i++) {
      int status = 0;
      if (pids[i] == 0 || waitpid (pids[i], &status, WNOHANG) != pids[i])
        continue;
      pids[i] = 0;
      left--;
      if (failed >= 0 || (WIFEXITED (status) && WEXITSTATUS (status) == 0))
        continue;
      failed = i;
      why = status;
      for (int k = 0; k < n; k++)
        if (pids[k] != 0)
          (void) kill (pids[k], SIGKILL);
    }
    if (left > 0)
      (void) poll (NULL, 0, 1);
  }
  ck_assert_msg (failed < 0, "process %d ended with status %#x", failed, (unsigned) why);
}

void
storekit_processes (int n, void (*body) (int i, void *user), void *user)
{
  pthread_barrier_t *outer = gate;      /* of the processes of which we are one */
  pthread_barrierattr_t shared;
  pid_t pids[64];

  ck_assert (n > 0 && (size_t) n <= STOREKIT_LEN (pids));
  gate = storekit_shared (sizeof *gate);
  ck_assert_int_eq (pthread_barrierattr_init (&shared), 0);
  ck_assert_int_eq (pthread_barrierattr_setpshared (&shared, PTHREAD_PROCESS_SHARED), 0);
  ck_assert_int_eq (pthread_barrier_init (gate, &shared, (unsigned) n), 0);
  (void) storekit_now ();
  for (int i = 0; i < n; i++) {
    pids[i] = fork ();
    ck_assert_int_ge (pids[i], 0);
    if (pids[i] == 0) {
      body (i, user);
      _exit (0);
    }
  }
  wait_for_all (n, pids);
  (void) munmap (gate, sizeof *gate);
  gate = outer;
}

int
storekit_descriptors (int *ret_inherited)
{
  DIR *d = opendir ("/proc/self/fd");
  struct dirent *e;
  int n = 0;

  ck_assert_ptr_nonnull (d);
  *ret_inherited = 0;
  while ((e = readdir (d)) != NULL) {
    int fd = (int) strtol (e->d_name, NULL, 10);

    if (e->d_name[0] == '.' || fd == dirfd (d))
      continue;
    n++;
    if ((fcntl (fd, F_GETFD) & FD_CLOEXEC) == 0)
      ++*ret_inherited;
  }
  (void) closedir (d);
  return n;
}

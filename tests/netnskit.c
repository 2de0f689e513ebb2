/* netnskit - machines on a network (see netnskit.h). */
#include "netnskit.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc.h"

enum { MOST = 8 };

static int bridge = -1, machines[MOST];

static int
write_file (const char *path, const char *text)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? write (fd, text, strlen (text)) : -1;

  if (fd >= 0)
    close (fd);
  return n == (ssize_t) strlen (text) ? 0 : -1;
}

/* Who is not root is, in a namespace of users; that owns those of the network. */
static int
leave_the_network (void)
{
  char map[64];
  unsigned uid = geteuid (), gid = getegid ();

  if (uid == 0)
    return unshare (CLONE_NEWNET);
  if (unshare (CLONE_NEWUSER | CLONE_NEWNET) != 0)
    return -1;
  snprintf (map, sizeof map, "0 %u 1", uid);
  if (write_file ("/proc/self/setgroups", "deny") != 0 || write_file ("/proc/self/uid_map", map))
    return -1;
  snprintf (map, sizeof map, "0 %u 1", gid);
  return write_file ("/proc/self/gid_map", map);
}

/* Commands of ip(8), a line each. */
static int
ip (const char *commands)
{
  struct proc_result r;

  proc_run (&r, (const char *const[]) { "ip", "-batch", "-", NULL }, NULL, commands,
            strlen (commands), 60000);
  int status = r.status;
  if (status != 0)
    fprintf (stderr, "ip: %s", r.err);
  proc_result_clear (&r);
  return status;
}

const char *
netnskit_missing (void)
{
  int status;
  pid_t pid = fork ();

  if (pid == 0)
    _exit (leave_the_network () != 0 ? 1
           : ip ("link add kwa type veth peer name kwb\nlink add kwc type bridge\n") != 0 ? 2 : 0);
  if (pid < 0 || waitpid (pid, &status, 0) != pid || !WIFEXITED (status))
    return "no process could be started";
  return WEXITSTATUS (status) == 0 ? NULL
    : WEXITSTATUS (status) == 1 ? "this user may not make network namespaces"
    : "ip(8) is missing, or this kernel has no bridges or no pairs of virtual cables";
}

static int
this_network (void)
{
  int fd = open ("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

  ck_assert_int_ge (fd, 0);
  return fd;
}

const char *
netnskit_address (int i)
{
  static char addresses[MOST + 1][24];

  snprintf (addresses[i + 1], sizeof addresses[0], "10.77.0.%d", i + 2);
  return addresses[i + 1];
}

void
netnskit_enter (int i)
{
  ck_assert_int_eq (setns (i < 0 ? bridge : machines[i], CLONE_NEWNET), 0);
}

static void
add_machine (int i)
{
  char commands[512];

  ck_assert_int_eq (unshare (CLONE_NEWNET), 0);
  machines[i] = this_network ();
  netnskit_enter (-1);
  snprintf (commands, sizeof commands,
            "link add kw%d type veth peer name eth0 netns /proc/%d/fd/%d\n"
            "link set kw%d master kw up\n", i, (int) getpid (), machines[i], i);
  ck_assert_int_eq (ip (commands), 0);
  netnskit_enter (i);
  snprintf (commands, sizeof commands,
            "link set lo up\naddress add %s/24 dev eth0\nlink set eth0 up\n",
            netnskit_address (i));
  ck_assert_int_eq (ip (commands), 0);
  netnskit_enter (-1);
}

void
netnskit_open (int n)
{
  char commands[512];

  ck_assert_int_le (n, MOST);
  ck_assert_msg (leave_the_network () == 0, "no network namespace: %s", strerror (errno));
  bridge = this_network ();
  snprintf (commands, sizeof commands,
            "link set lo up\nlink add kw type bridge\naddress add %s/24 dev kw\n"
            "link set kw up\n", netnskit_address (-1));
  ck_assert_int_eq (ip (commands), 0);
  for (int i = 0; i < n; i++)
    add_machine (i);
}

/* Down, and not off the bridge: there it would be an end of its own, which answers
 * for the bridge's address. */
void
netnskit_cut (int i, int on)
{
  char command[64];

  snprintf (command, sizeof command, "link set kw%d %s\n", i, on ? "down" : "up");
  ck_assert_int_eq (ip (command), 0);
}

/* check - the conformance test of a plugin: what its files share.
 *
 * check.c makes the list of cases and has them run; check-run.c is the parent,
 * which forks and listens; check-child.c the child, which runs case after case
 * and tells what broke, in messages of one size; check-report.c turns those
 * into findings.  A case is run in the child only.  The answer that it feeds
 * can be made on both sides, so that the parent can show what killed a child. */
#ifndef KWI_CHECK_H
#define KWI_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

struct kwi_answer;
struct kwi_check;
struct kwi_check_subject;

/* ---- Cases -------------------------------------------------------------- */

enum kwi_check_group {
  KWI_CHECK_LOAD, KWI_CHECK_HEADER, KWI_CHECK_STRINGS, KWI_CHECK_CALLBACKS,
  KWI_CHECK_SYMBOLS, KWI_CHECK_LIFE, KWI_CHECK_CONFIG, KWI_CHECK_PREPARE,
  KWI_CHECK_PROBE, KWI_CHECK_CLASSIFY, KWI_CHECK_RANDOM, KWI_CHECK_TRANSLATE,
  KWI_CHECK_GROUPS
};

struct kwi_check_case {
  char name[80];                /* "classify/status-429-error"            */
  uint32_t group;
  uint32_t fatal;               /* 1: where it fails nothing else is tried */
  uint32_t sane;                /* 1: its answer is one as providers give */
  uint32_t patience;            /* times as long as others; 0: once       */
  uint32_t a, b, c;             /* the run's and the make's own           */
  uint32_t _reserved;
  void (*run) (struct kwi_check *, const struct kwi_check_case *);
  /* NULL: it feeds no answer.  0, or -1: no memory. */
  int (*make) (const struct kwi_check *, const struct kwi_check_case *,
               struct kwi_answer *);
};

/* How far the child has come: in memory that both see, so that cases that have
 * nothing to say cost nothing. */
struct kwi_check_progress {
  uint32_t at;                  /* the case that runs, or ran last        */
  uint32_t running;
  uint64_t checks;              /* made so far                            */
};

/* What the child says to the parent, of the case at. */
enum kwi_check_word {
  KWI_CHECK_BROKE = 1,          /* what: KW_CHECK_FAILED or _WARNING      */
  KWI_CHECK_NOTE,               /* for the group's line                   */
  KWI_CHECK_ASKED,              /* what: 0 a header, 1 a JSON pointer     */
  KWI_CHECK_CALLED_EXIT,
  KWI_CHECK_NO_ROOM,            /* the child itself got no memory         */
  KWI_CHECK_STOP,               /* it broke, and was fatal                */
  KWI_CHECK_END
};

struct kwi_check_message {
  uint32_t word, what;
  uint32_t at, _reserved;
  char rule[32];                /* the same for all that broke alike      */
  char text[720];
};

/* Short texts, each once. */
enum { KWI_CHECK_LIST = 64, KWI_CHECK_WORDS = 400, KWI_CHECK_TEXT = 96 };
struct kwi_check_list {
  uint32_t n;
  char text[KWI_CHECK_LIST][KWI_CHECK_TEXT];
};

/* What check-elf.c read in the file. */
struct kwi_check_file {
  int readable;                 /* it had the sections that were looked for */
  uint32_t n_exports, n_wants, n_words;
  int needs_us;                 /* linked with libkeywheel                */
  char export[KWI_CHECK_TEXT];  /* the first that is not the entry        */
  char want[KWI_CHECK_TEXT];    /* the first of ours that it wants        */
  char word[KWI_CHECK_WORDS][KWI_CHECK_TEXT]; /* of its constant texts    */
};

struct kwi_check {
  const char *file;             /* as given                               */
  char *resolved;               /* without links                          */
  kw_plugin_check_options o;    /* with every default filled in           */
  struct kwi_check_file elf;
  struct kwi_check_case *cases;
  size_t n_cases, size_cases;
  int failed_to_plan;           /* no memory                              */
  int stopped;                  /* no further case is to be run           */

  /* What the plugin asked answers for, as far as learnt; the later cases are
   * made from it. */
  struct kwi_check_list headers, pointers;
  int learning;

  /* The child's, or with no_fork everybody's. */
  void (*send) (struct kwi_check *, const struct kwi_check_message *);
  int pipe;
  int printed[2];               /* what came on stdout and stderr; or -1  */
  struct kwi_check_progress *progress;
  int broke;                    /* the case that is running has           */
  struct kwi_check_list told;   /* rules that it was told to have broken  */
  struct kwi_check_subject *subject;

  struct kwi_check_report *report;      /* check-report.c's              */
  void *self;                   /* check-run.c's, with no_fork            */
};

/* ---- check-child.c: for the runs ---------------------------------------- */

/* Counts a check; where it is not ok tells of it.  Returns ok. */
int kwi_check_that (struct kwi_check *, int ok, const char *rule,
                    const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 4, 5)));
/* The same, of what is allowed and hardly meant. */
int kwi_check_warn (struct kwi_check *, int ok, const char *rule,
                    const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 4, 5)));
/* What the group's line says when all of it passed; the last one counts. */
void kwi_check_note (struct kwi_check *, const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 2, 3)));
/* The plugin asked for a header (pointer 0) or a JSON pointer (1). */
void kwi_check_asked (struct kwi_check *, int pointer, const char *name);
/* Ends the child, if it is one: no memory for the check itself. */
void kwi_check_no_room (struct kwi_check *);

/* Runs cases from .. to - 1, or until it is stopped. */
void kwi_check_cases (struct kwi_check *, size_t from, size_t to);
/* The same in a child that was just forked.  Never returns. */
void kwi_check_child (struct kwi_check *, size_t from, size_t to)
  __attribute__ ((__noreturn__));

/* ---- check-run.c: the parent -------------------------------------------- */

/* Runs cases from .. to - 1, in as many children as it takes; quiet: for what
 * is learnt only.  0, or KW_ERR_*. */
int kwi_check_run (struct kwi_check *, size_t from, size_t to, int quiet,
                   struct kw_error *);

/* ---- check.c: the list -------------------------------------------------- */

/* Appends a case, its name after "GROUP/". */
struct kwi_check_case *
kwi_check_add (struct kwi_check *, enum kwi_check_group,
               void (*run) (struct kwi_check *, const struct kwi_check_case *),
               const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 4, 5)));
/* 1: s is in the list now and was not before. */
int kwi_check_learn (struct kwi_check_list *, const char *s);
const char *kwi_check_group_name (uint32_t group);

/* ---- The groups, each the plan of it ------------------------------------ */

void kwi_check_plan_header (struct kwi_check *);        /* load .. symbols  */
void kwi_check_plan_life (struct kwi_check *);          /* life, config     */
void kwi_check_plan_build (struct kwi_check *);         /* prepare, probe   */
void kwi_check_plan_battery (struct kwi_check *);       /* classify, fixed  */
void kwi_check_plan_odd (struct kwi_check *);   /* classify, by what is asked */
void kwi_check_plan_random (struct kwi_check *);
void kwi_check_plan_translate (struct kwi_check *);

/* Values at places of a document that the plugin asks for; for free().  0 or
 * -1. */
int kwi_check_document (const struct kwi_check *, uint64_t *state, char **ret,
                        size_t *ret_len);

/* Feeds the case's answer to classify, and judges the verdict. */
void kwi_check_classify (struct kwi_check *, const struct kwi_check_case *);
/* The same a thousand times, for what it leaves behind. */
void kwi_check_classify_often (struct kwi_check *, const struct kwi_check_case *);

/* ---- check-elf.c -------------------------------------------------------- */

/* Reads names and constant texts from an ELF file; what it cannot make out is
 * not there. */
void kwi_check_elf (const char *path, struct kwi_check_file *ret);

#endif

/* estimate - how many tokens a provider will count a request as, before it is
 * sent: from its bytes and its max_tokens, by what answers have taught.
 * Two things are learnt for each model: how many tokens a prompt of so many
 * bytes is (from usage), and what of the reply is counted with it (from
 * "requested" in refusals, and from what headers fell by).
 * Pure: allocates nothing, asks for no time; one model's memory is one struct. */
#ifndef KWI_ESTIMATE_H
#define KWI_ESTIMATE_H

#include <stddef.h>
#include <stdint.h>

/* What a request's body tells of its size. */
struct kwi_size {
  int64_t bytes;                /* without what images and sounds are in  */
  int64_t max_tokens;           /* or max_completion_tokens; -1: not said */
  int64_t media;                /* images, sounds, files                  */
  int64_t tokens;               /* above 0: the caller says so, and the rest
                                   is not looked at                       */
};

/* A scan, no parse: it looks at what follows quotes.  Any bytes will do. */
void kwi_size_of_body (const void *body, size_t len, struct kwi_size *ret);

/* What of a request a provider counts. */
enum kwi_counting {
  KWI_COUNTS_MAX = 0,           /* the prompt and max_tokens              */
  KWI_COUNTS_PROMPT,            /* the prompt alone                       */
  KWI_COUNTS_OUTPUT,            /* the prompt and what came of it         */
  KWI_COUNTINGS
};

/* Zeroed: nothing has been learnt. */
struct kwi_estimate {
  double n, x, y, xx, xy;       /* bytes and tokens of prompts, fading sums */
  double media;                 /* tokens of one                          */
  double out, out_off;          /* output of an answer: mean, deviation   */
  double rest;                  /* counted besides the prompt where
                                   max_tokens is not said                 */
  double off[KWI_COUNTINGS];    /* how far each has been off, fading mean */
  double margin;                /* a part of the estimate                 */
  uint32_t n_media, n_out, n_rest, n_ways, n_margin, _reserved;
};

/* What it will probably be counted as; with the margin, what it will hardly be
 * more than.  Both at least 1. */
int64_t kwi_estimate_tokens (const struct kwi_estimate *,
                             const struct kwi_size *);
int64_t kwi_estimate_safe (const struct kwi_estimate *, const struct kwi_size *);
int64_t kwi_estimate_prompt (const struct kwi_estimate *,
                             const struct kwi_size *);
enum kwi_counting kwi_estimate_counting (const struct kwi_estimate *);

/* What an answer said of a request of that size; -1 for what it did not.
 * counted: what it was counted as. */
struct kwi_lesson {
  int64_t input, output, counted;
};
void kwi_estimate_learn (struct kwi_estimate *, const struct kwi_size *,
                         const struct kwi_lesson *);

/* What it was counted as, as far as that and the estimate tell. */
int64_t kwi_estimate_counted (const struct kwi_estimate *,
                              const struct kwi_size *,
                              const struct kwi_lesson *);

/* One was refused that should have passed: a wider margin. */
void kwi_estimate_missed (struct kwi_estimate *);

#endif

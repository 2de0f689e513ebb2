/* input - one answer in a form that a person can read and a fuzzer can change. */
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "input.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifdef UNDER_ASAN
#include <sanitizer/asan_interface.h>
#endif
#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif

/* 9999-12-31T23:59:59Z: the host's clock promises no more. */
#define MAX_AT INT64_C (253402300799000)

static int
is_blank (char c)
{
  return c == ' ' || c == '\t' || c == '\r';
}

static void
trim (const char **s, size_t *len)
{
  while (*len > 0 && is_blank ((*s)[*len - 1]))
    --*len;
  while (*len > 0 && is_blank (**s)) {
    ++*s;
    --*len;
  }
}

/* The digits at s, up to max; what follows them is not looked at. */
static int64_t
number (const char *s, size_t len, int64_t max)
{
  int64_t n = 0;

  for (size_t i = 0; i < len && s[i] >= '0' && s[i] <= '9'; i++) {
    n = n > max / 10 ? max : n * 10 + (s[i] - '0');
    if (n > max)
      n = max;
  }
  return n;
}

static int
begins (const char *s, size_t len, const char *word)
{
  return len >= strlen (word) && memcmp (s, word, strlen (word)) == 0;
}

static void
read_word (const char *s, size_t len, struct fuzz_input *in)
{
  if (begins (s, len, "stream"))
    in->in_stream = 1;
  else if (begins (s, len, "cut"))
    in->cut = 1;
  else if (begins (s, len, "at="))
    in->at_ms = number (s + 3, len - 3, MAX_AT);
  else if (begins (s, len, "net="))
    in->net = (uint32_t) number (s + 4, len - 4, 9);
  else
    in->status = (int32_t) number (s, len, 999);
}

/* Up to the line's end, which *at is put behind. */
static size_t
line_length (const char *s, size_t size, size_t *at)
{
  const char *begin = s + *at;
  const char *end = *at < size ? memchr (begin, '\n', size - *at) : NULL;
  size_t len = end != NULL ? (size_t) (end - begin) : size - *at;

  *at += len + (end != NULL);
  return len;
}

void
fuzz_read (const char *data, size_t size, struct fuzz_input *in)
{
  size_t at = 0, len = line_length (data, size, &at), word = 0;

  memset (in, 0, sizeof *in);
  in->at_ms = INT64_C (1767362591000);
  for (size_t i = 0; i <= len; i++)
    if (i == len || is_blank (data[i])) {
      if (i > word)
        read_word (data + word, i - word, in);
      word = i + 1;
    }

  in->lines = data + at;
  while (at < size) {
    const char *line = data + at;
    in->lines_len = (size_t) (line - in->lines);
    len = line_length (data, size, &at);
    trim (&line, &len);
    if (len == 0) {
      in->body = data + at;
      in->body_len = size - at;
      return;
    }
  }
  in->lines_len = (size_t) (data + size - in->lines);
  in->body = data + size;
}

int
fuzz_next (const struct fuzz_input *in, char mark, size_t *at,
           const char **ret_name, size_t *ret_name_len,
           const char **ret_value, size_t *ret_value_len)
{
  while (*at < in->lines_len) {
    const char *line = in->lines + *at, *divider;
    size_t len = line_length (in->lines, in->lines_len, at);
    int marked = len > 0 && line[0] == '!';

    if (marked != (mark == '!'))
      continue;
    line += marked;
    len -= (size_t) marked;
    divider = memchr (line, marked ? '=' : ':', len);
    if (divider == NULL)
      continue;
    *ret_name = line;
    *ret_name_len = (size_t) (divider - line);
    *ret_value = divider + 1;
    *ret_value_len = len - *ret_name_len - 1;
    trim (ret_name, ret_name_len);
    trim (ret_value, ret_value_len);
    return 1;
  }
  return 0;
}

void
fuzz_make_answer (const struct fuzz_input *in, struct kwi_answer *a)
{
  const char *name, *value;
  size_t name_len, value_len, at = 0;

  memset (a, 0, sizeof *a);
  a->status = in->status;
  a->net = in->net;
  a->in_stream = in->in_stream;
  a->too_large = in->cut;
  a->received_ms = in->at_ms;
  while (fuzz_next (in, 0, &at, &name, &name_len, &value, &value_len))
    if (kwi_answer_add_header (a, name, name_len, value, value_len) != 0)
      break;                    /* more than any transport keeps */

  /* Not by kwi_answer_add_body: it leaves room to run into. */
  a->body = malloc (in->body_len + 1);
  if (a->body == NULL)
    abort ();
  if (in->body_len > 0)
    memcpy (a->body, in->body, in->body_len);
  a->body[in->body_len] = '\0';
  a->body_len = in->body_len;
  a->body_size = in->body_len + 1;
  (void) kwi_answer_json (a);
#ifdef UNDER_ASAN
  __asan_poison_memory_region (a->body + a->body_len, 1);
#endif
#ifdef VALGRIND_MAKE_MEM_NOACCESS
  (void) VALGRIND_MAKE_MEM_NOACCESS (a->body + a->body_len, 1);
#endif
}

void
fuzz_drop_answer (struct kwi_answer *a)
{
#ifdef UNDER_ASAN
  if (a->body != NULL)
    __asan_unpoison_memory_region (a->body + a->body_len, 1);
#endif
  kwi_answer_clear (a);
}

char *
fuzz_take_body (struct kwi_answer *a)
{
  char *exact = malloc (a->body_len > 0 ? a->body_len : 1);

  if (exact == NULL)
    abort ();
  memcpy (exact, a->body, a->body_len);
  kwi_answer_take_body (a, NULL, 0, 0);
  a->in_stream = 0;             /* that is of an event */
  return exact;
}

/* audio - speech from texts, and texts from speech (see chat.h).
 * https://console.groq.com/docs/api-reference#audio-transcription */
#include "chat.h"
#include "dialect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS 2
#define RATE 8000

static void
put_u32 (unsigned char *at, uint32_t n)
{
  for (int i = 0; i < 4; i++)
    at[i] = (unsigned char) (n >> (8 * i));
}

/* A WAV file: 8 bits, mono, of a tone that means nothing. */
void
sim_speech (struct sim_answer *a, const struct sim_reply *reply)
{
  static const char head[44] = "RIFF....WAVEfmt ....\x01\0\x01\0........\x01\0\x08\0data....";
  size_t len = sizeof head + SECONDS * RATE;
  unsigned char *wav = malloc (len);

  (void) reply;
  if (wav != NULL) {
    memcpy (wav, head, sizeof head);
    put_u32 (wav + 4, (uint32_t) len - 8);
    put_u32 (wav + 16, 16);
    put_u32 (wav + 24, RATE);
    put_u32 (wav + 28, RATE);
    put_u32 (wav + 40, SECONDS * RATE);
    for (size_t i = sizeof head; i < len; i++)
      wav[i] = (unsigned char) (i * 5);
  }
  sim_answer_body (a, 200, "audio/wav", (char *) wav, len);
}

/* The sum tells that every byte came through. */
static char *
heard (const struct sim_reply *reply)
{
  const struct sim_upload *f = &reply->request->file;
  uint32_t sum = 0;
  char *s = NULL;

  for (size_t i = 0; i < f->len; i++)
    sum = sum * 31 + (unsigned char) f->data[i];
  if (asprintf (&s, "Hello from keywheel-sim (key %s): %s, %zu bytes, sum %08x", reply->key,
                f->name, f->len, (unsigned) sum) < 0)
    return NULL;
  return s;
}

void
sim_transcription (struct sim_answer *a, const struct sim_reply *reply)
{
  const char *format = sim_text_member (reply->request->root, "response_format");
  char *s = heard (reply);
  json_object *root;

  if (strcmp (format, "text") == 0) {
    sim_answer_body (a, 200, "text/plain; charset=utf-8", s, s != NULL ? strlen (s) : 0);
    return;
  }
  root = sim_object ("text", sim_text (s != NULL ? s : ""), "x_groq",
                     sim_object ("id", sim_text (reply->request_id), NULL), NULL);
  if (strcmp (format, "verbose_json") == 0) {
    json_object_object_add (root, "task", sim_text ("transcribe"));
    json_object_object_add (root, "language", sim_text ("english"));
    json_object_object_add (root, "duration", sim_number (SECONDS));
    json_object_object_add (root, "segments", json_object_new_array ());
  }
  free (s);
  sim_put_json (a, 200, root);
}

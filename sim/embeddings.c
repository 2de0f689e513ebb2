/* embeddings - vectors that mean nothing (see chat.h). */
#include "chat.h"
#include "dialect.h"

#include <json-c/json.h>
#include <string.h>

#define VECTOR_SIZE 8

/* Any numbers, the same for the same place. */
static json_object *
vector (size_t index)
{
  json_object *v = json_object_new_array ();
  for (size_t i = 0; i < VECTOR_SIZE; i++)
    json_object_array_add (v, json_object_new_double ((double) ((index + i) % 8) / 8));
  return v;
}

/* The same as OpenAI packs them: 32 bits each, the lowest byte first. */
static json_object *
packed_vector (size_t index)
{
  static const char digits[]
    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned char bytes[VECTOR_SIZE * 4 + 1] = { 0 };
  char out[(VECTOR_SIZE * 4 + 2) / 3 * 4 + 1];
  size_t n = 0;
  for (size_t i = 0; i < VECTOR_SIZE; i++) {
    float f = (float) ((index + i) % 8) / 8;
    uint32_t bits;
    memcpy (&bits, &f, sizeof bits);
    for (size_t b = 0; b < 4; b++)
      bytes[i * 4 + b] = (unsigned char) (bits >> (8 * b));
  }
  /* Its 32 bytes are ten threes and one two. */
  for (size_t i = 0; i < sizeof bytes - 1; i += 3) {
    unsigned three = (unsigned) bytes[i] << 16 | (unsigned) bytes[i + 1] << 8 | bytes[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6)
      out[n++] = digits[three >> shift & 63];
  }
  out[n - 1] = '=';
  return json_object_new_string_len (out, (int) n);
}

void
sim_embeddings (struct sim_answer *a, const struct sim_reply *reply)
{
  const struct sim_request *r = reply->request;
  json_object *data = json_object_new_array ();

  for (size_t i = 0; i < r->inputs; i++)
    json_object_array_add (
      data, sim_object ("object", sim_text ("embedding"), "index", sim_number ((int64_t) i),
                        "embedding", r->base64 ? packed_vector (i) : vector (i), NULL));
  sim_put_json (a, 200, sim_object (
    "object", sim_text ("list"), "data", data, "model", sim_text (r->model), "usage",
    sim_object ("prompt_tokens", sim_number (r->prompt_tokens), "total_tokens",
                sim_number (r->prompt_tokens), NULL), NULL));
}

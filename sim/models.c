/* models - the list of models, or one of it (see chat.h). */
#include "chat.h"
#include "dialect.h"

#include <string.h>

static json_object *
model (const char *name, int64_t created)
{
  return sim_object ("id", sim_text (name), "object", sim_text ("model"), "created",
                     sim_number (created), "owned_by", sim_text ("keywheel-sim"), "active",
                     json_object_new_boolean (1), "context_window", sim_number (131072),
                     NULL);
}

void
sim_models (struct sim_answer *a, const char *const *names, size_t n, const char *only,
            int64_t created)
{
  json_object *data;

  if (only[0] != '\0') {
    sim_put_json (a, 200, model (only, created));
    return;
  }
  data = json_object_new_array ();
  for (size_t i = 0; i < n; i++)
    json_object_array_add (data, model (names[i], created));
  sim_put_json (a, 200, sim_object ("object", sim_text ("list"), "data", data, NULL));
}

/* chat - the README's program: one question, one answer, as many keys as there are.
 *   cc -o chat chat.c $(pkg-config --cflags --libs keywheel)
 *   GROQ_API_KEY=... ./chat "Why is the sky blue?" */
#include <stdio.h>
#include <keywheel/keywheel.h>

int
main (int argc, char **argv)
{
  struct kw_error err = KW_ERROR_INIT;
  kw_request request = KW_REQUEST_INIT;
  kw_reply *reply = NULL;
  kw_client *client = kw_client_open (NULL, &err);

  request.prompt = argc > 1 ? argv[1] : "Say hello.";
  if (client != NULL && kw_chat (client, &request, &reply, &err) == 0)
    puts (kw_reply_text (reply) != NULL ? kw_reply_text (reply) : "(no text)");
  else
    fprintf (stderr, "chat: %s\n", err.message);
  kw_reply_free (reply);
  kw_client_close (client);
  return kw_error_exit_code (err.code);
}

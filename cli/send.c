/* send - keywheel send: a JSON body in, the answer's body out, both unchanged. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static int
on_data (void *user, const void *data, size_t len)
{
  int *any = user;

  if (len > 0)
    *any = 1;
  return cli_out (data, len) == 0 ? 0 : 1;
}

static int
transmit (const struct cli_options *options, kw_client *client, const char *body,
          size_t len)
{
  struct kw_error err = KW_ERROR_INIT;
  kw_request request = KW_REQUEST_INIT;
  kw_reply *reply = NULL;
  int any = 0;
  int r;

  request.provider = options->provider;
  request.path = options->path;
  request.body = body;
  request.body_len = len;
  request.on_data = on_data;
  request.user = &any;
  r = kw_chat (client, &request, &reply, &err);
  if (r != 0)
    return cli_fail (options, r, &err);
  if (!any) {
    const char *answer = kw_reply_body (reply, &len);
    (void) cli_out (answer, len);
  }
  cli_tell_record (options, reply);
  kw_reply_free (reply);
  return CLI_OK;
}

static int
check_usage (const struct cli_options *options)
{
  if (options->path != NULL && options->path[0] != '/')
    return cli_usage ("send", "--path is \"%s\", but must begin with a slash, as in "
                      "/embeddings", options->path);
  if (options->n_args > 1)
    return cli_usage ("send", "one FILE at a time; \"%s\" is the second",
                      options->args[1]);
  if (options->n_args == 0 && isatty (STDIN_FILENO))
    return cli_usage ("send", "no body; give a FILE, or the JSON through stdin");
  return CLI_OK;
}

int
cli_send (const struct cli_options *options)
{
  kw_client *client;
  char *body;
  size_t len;
  int r = check_usage (options);

  if (r != CLI_OK)
    return r;
  r = cli_read (options->n_args > 0 ? options->args[0] : NULL, &body, &len);
  if (r != CLI_OK)
    return r;
  if (len == 0) {
    free (body);
    return cli_usage ("send", "the body is empty");
  }
  r = cli_open (options, &client);
  if (r == CLI_OK) {
    r = transmit (options, client, body, len);
    cli_close (client);
  }
  free (body);
  return r;
}

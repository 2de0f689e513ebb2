/* chat - keywheel chat: a prompt in, the reply's text out. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* ---- The prompt ------------------------------------------------------------ */

static char *
join (char **words, size_t n)
{
  size_t size = 1;
  char *text, *p;

  for (size_t i = 0; i < n; i++)
    size += strlen (words[i]) + 1;
  text = p = malloc (size);
  if (text == NULL)
    return NULL;
  for (size_t i = 0; i < n; i++) {
    size_t len = strlen (words[i]);
    if (i > 0)
      *p++ = ' ';
    memcpy (p, words[i], len);
    p += len;
  }
  *p = '\0';
  return text;
}

static int
prompt_from_stdin (char **ret)
{
  char *text;
  size_t len;
  int r = cli_read (NULL, &text, &len);

  if (r != CLI_OK)
    return r;
  /* "echo hi | keywheel chat" asks "hi". */
  if (len > 0 && text[len - 1] == '\n')
    text[--len] = '\0';
  if (len > 0 && text[len - 1] == '\r')
    text[--len] = '\0';
  r = cli_check_text ("prompt", text, len);
  if (r != CLI_OK) {
    free (text);
    return r;
  }
  *ret = text;
  return CLI_OK;
}

static int
get_prompt (const struct cli_options *options, char **ret)
{
  char *text = NULL;
  int r;

  if (options->n_args == 0 && isatty (STDIN_FILENO))
    return cli_usage ("chat", "no prompt; give it as words, or through stdin");
  if (options->n_args == 0
      || (options->n_args == 1 && strcmp (options->args[0], "-") == 0)) {
    r = prompt_from_stdin (&text);
    if (r != CLI_OK)
      return r;
  } else {
    text = join (options->args, options->n_args);
    if (text == NULL) {
      cli_say ("out of memory");
      return CLI_INTERNAL;
    }
    r = cli_check_text ("prompt", text, strlen (text));
  }
  if (r == CLI_OK && text[strspn (text, " \t\r\n\v\f")] == '\0')
    r = cli_usage ("chat", "the prompt is empty");
  if (r != CLI_OK) {
    free (text);
    return r;
  }
  *ret = text;
  return CLI_OK;
}

static int
check_texts (const struct cli_options *options)
{
  int r = CLI_OK;

  if (options->system != NULL)
    r = cli_check_text ("text of --system", options->system,
                        strlen (options->system));
  if (r == CLI_OK && options->model != NULL)
    r = cli_check_text ("name of --model", options->model, strlen (options->model));
  return r;
}

/* ---- The reply ------------------------------------------------------------- */

/* What has gone out so far. */
struct output {
  int any;
  char last;
};

static int
on_bytes (void *user, const char *text, size_t len)
{
  struct output *output = user;

  if (len == 0)
    return 0;
  output->any = 1;
  output->last = text[len - 1];
  return cli_out (text, len) == 0 ? 0 : 1;
}

static int
on_data (void *user, const void *data, size_t len)
{
  return on_bytes (user, data, len);
}

/* A text without a newline at its end gets one: the shell's prompt is not to
 * stand behind it. */
static void
end_line (const struct output *output)
{
  if (output->last != '\n')
    (void) cli_out ("\n", 1);
}

static int
print_reply (const struct cli_options *options, const kw_reply *reply,
             struct output *output)
{
  size_t len;
  const char *body = kw_reply_body (reply, &len);
  const char *text = kw_reply_text (reply);

  if (options->json) {
    if (!output->any)
      (void) on_bytes (output, body, len);
    end_line (output);
    return CLI_OK;
  }
  if (!output->any && text == NULL) {
    cli_say ("%s answered, but its answer is no chat completion; --json shows it",
             kw_reply_provider (reply));
    return CLI_UNAVAILABLE;
  }
  if (!output->any)
    (void) on_bytes (output, text, strlen (text));
  if (!output->any)
    cli_say ("the reply has no text; --json shows the whole answer");
  end_line (output);
  return CLI_OK;
}

static int
ask (const struct cli_options *options, kw_client *client, const char *prompt)
{
  struct kw_error err = KW_ERROR_INIT;
  kw_request request = KW_REQUEST_INIT;
  struct output output = { 0, '\0' };
  kw_reply *reply = NULL;
  int r;

  request.provider = options->provider;
  request.model = options->model;
  request.system = options->system;
  request.prompt = prompt;
  request.stream = options->stream >= 0
                   ? options->stream : !options->json && isatty (STDOUT_FILENO);
  request.user = &output;
  if (request.stream && options->json)
    request.on_data = on_data;
  else if (request.stream)
    request.on_text = on_bytes;

  r = kw_chat (client, &request, &reply, &err);
  if (r != 0) {
    if (output.any)
      end_line (&output);       /* what came before it broke stays        */
    return cli_fail (options, r, &err);
  }
  r = print_reply (options, reply, &output);
  cli_tell_record (options, reply);
  kw_reply_free (reply);
  return r;
}

int
cli_chat (const struct cli_options *options)
{
  kw_client *client;
  char *prompt = NULL;
  int r = check_texts (options);

  if (r != CLI_OK)
    return r;
  r = get_prompt (options, &prompt);
  if (r != CLI_OK)
    return r;
  r = cli_open (options, &client);
  if (r == CLI_OK) {
    r = ask (options, client, prompt);
    cli_close (client);
  }
  free (prompt);
  return r;
}

/* documented - answers that providers document or are known for, of which no
 * fixture has the like, by what they mean.  In shortened words: only codes,
 * types, statuses, and the words that carry the meaning are the providers'.
 * A part of test_providers. */
#include <string.h>

#include "answers.h"
#include "documented.h"

#define D (1u << KW_OUTCOME_DAILY_LIMIT)
#define R (1u << KW_OUTCOME_RATE_LIMIT)
#define A (1u << KW_OUTCOME_AUTH)
#define B (1u << KW_OUTCOME_BILLING)
#define Q (1u << KW_OUTCOME_REQUEST)
#define T (1u << KW_OUTCOME_TRANSIENT)
#define EVENT 1000              /* with it: an event of a stream */

#define ERROR(members) "{\"error\":{" members "}}"
#define MESSAGE(text) ERROR ("\"message\":\"" text "\"")
#define TYPED(type, text) ERROR ("\"message\":\"" text "\",\"type\":\"" type "\",\"code\":null")
#define CODED(code, text) ERROR ("\"code\":\"" code "\",\"message\":\"" text "\"")
#define CLAUDE(type, text) \
  "{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"" text "\"}," \
  "\"request_id\":\"req_1\"}"
#define GOOGLE(code, status, text, details) \
  "{\"error\":{\"code\":" code ",\"message\":\"" text "\",\"status\":\"" status "\"" details "}}"
#define REASON(reason) \
  ",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"" reason \
  "\",\"domain\":\"googleapis.com\",\"metadata\":{\"consumer\":\"projects/1234\"}}]"
#define QUOTA(id) \
  ",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":[" \
  "{\"quotaMetric\":\"m\",\"quotaId\":\"" id "\",\"quotaValue\":\"250\"}]}]"
#define SOURCE(code, text, source) \
  "{\"error\":{\"message\":\"" text "\",\"code\":" code ",\"metadata\":{\"limit_source\":\"" \
  source "\"}}}"
#define TEAM "29301118-5185-4117-afee-78429df38397"

static const struct {
  const char *plugin;
  int status;
  const char *headers, *body;
  uint32_t outcomes;            /* any of them is right */
} rows[] = {
  /* OpenAI */
  { "openai", 401, NULL, TYPED ("invalid_request_error", "You didn't provide an API key."), A },
  { "openai", 401, NULL, CODED ("invalid_organization", "No such organization"), A },
  { "openai", 401, NULL, TYPED ("invalid_request_error", "You must be a member"), A },
  { "openai", 403, NULL, CODED ("model_not_found", "Project `proj_1` does not have access to "
                                "model `gpt-4o`"), A | Q },
  { "openai", 429, NULL, MESSAGE ("Rate limit reached for m in organization org-1 on images per "
                                  "min: Limit 5, Used 5, Requested 1. Please try again in 12s."),
    R },
  { "openai", 429, NULL, MESSAGE ("Rate limit reached for m in organization org-1 on tokens per "
                                  "day (TPD): Limit 90000, Used 89900, Requested 200. Please try "
                                  "again in 1m36s."), D },
  { "openai", 429, NULL, MESSAGE ("Rate limit reached for m in organization org-1 on requests per "
                                  "min. Limit: 3 / min. Please try again in 20s."), R },
  { "openai", 429, NULL, MESSAGE ("Rate limit reached for m in organization org-1 on requests per "
                                  "day. Limit: 200 / day. Please try again in 7m12s."), D },
  { "openai", 429, NULL, TYPED ("requests", "The engine is currently overloaded"), R | T },
  { "openai", 503, NULL, CODED ("slow_down", "Slow down"), R | T },
  { "openai", 429, "x-ratelimit-limit-requests: 200\nx-ratelimit-remaining-requests: 0\n"
                   "x-ratelimit-reset-requests: 24h0m0s\n",
    CODED ("rate_limit_exceeded", "Rate limit reached"), D },
  { "openai", 429, "x-ratelimit-limit-requests: 500\nx-ratelimit-remaining-requests: 0\n"
                   "x-ratelimit-reset-requests: 120ms\n",
    CODED ("rate_limit_exceeded", "Rate limit reached"), R },
  { "openai", 404, NULL, TYPED ("invalid_request_error", "Invalid URL (POST /v1/x)"), Q },
  { "openai", 400, NULL, CODED ("unsupported_parameter", "Unsupported parameter: 'x'"), Q },
  { "openai", 415, NULL, TYPED ("invalid_request_error", "Unsupported media type"), Q },
  { "openai", 500, NULL, "", T },
  { "openai", 504, NULL, "<html>timeout</html>", T },
  { "openai", 200 + EVENT, NULL, TYPED ("server_error", "The server had an error"), T },
  { "openai", 200 + EVENT, NULL, ERROR ("\"type\":\"insufficient_quota\",\"code\":"
                                        "\"insufficient_quota\",\"message\":\"x\""), B },
  { "openai", 429, NULL, CODED ("insufficient_quota", "x"), B },
  { "openai", 402, NULL, "{}", B },
  /* Azure */
  { "azure", 429, NULL, CODED ("429", "Requests to the ChatCompletions_Create Operation have "
                               "exceeded call rate limit of your current OpenAI S0 pricing tier. "
                               "Please retry after 6 seconds."), R },
  { "azure", 429, NULL, CODED ("RateLimitReached", "Your requests to m in East US have exceeded "
                               "token rate limit. Please retry after 59 seconds."), R },
  { "azure", 429, "retry-after: 86400\n", CODED ("429", "have exceeded token rate limit"), D },
  { "azure", 429, "retry-after-ms: 1500\nretry-after: 2\n", CODED ("too_many_requests", "x"), R },
  { "azure", 403, NULL, "{\"statusCode\":403,\"message\":\"Out of call volume quota. Quota will be "
                        "replenished in 12:04:32.\"}", D },
  { "azure", 429, NULL, "{\"statusCode\":429,\"message\":\"Rate limit is exceeded. Try again in 22 "
                        "seconds.\"}", R },
  { "azure", 401, NULL, "{\"statusCode\":401,\"message\":\"Unauthorized. Access token is "
                        "missing.\"}", A },
  { "azure", 403, NULL, CODED ("403", "Access denied due to Virtual Network/Firewall rules."),
    A | Q },
  { "azure", 400, NULL, ERROR ("\"message\":\"The response was filtered\",\"type\":null,\"code\":"
                               "\"content_filter\",\"status\":400,\"innererror\":{\"code\":"
                               "\"ResponsibleAIPolicyViolation\"}"), Q },
  { "azure", 404, NULL, CODED ("404", "Resource not found"), Q },
  { "azure", 408, NULL, CODED ("Timeout", "The operation was timeout."), T },
  { "azure", 429, NULL, CODED ("insufficient_quota", "You exceeded your current quota"), B },
  /* Anthropic */
  { "anthropic", 429, "retry-after: 58\n", CLAUDE ("rate_limit_error", "x"), R },
  { "anthropic", 429, NULL, CLAUDE ("rate_limit_error", "Number of requests has exceeded your "
                                    "per-minute rate limit"), R },
  { "anthropic", 429, NULL, CLAUDE ("rate_limit_error", "This request would exceed your "
                                    "organization's maximum usage increase rate for input tokens "
                                    "per minute."), R },
  { "anthropic", 402, NULL, CLAUDE ("billing_error", "x"), B },
  { "anthropic", 400, NULL, CLAUDE ("invalid_request_error", "You have reached your specified API "
                                    "usage limits. You will regain access on 2027-02-01 at 00:00 "
                                    "UTC."), B },
  { "anthropic", 401, NULL, CLAUDE ("authentication_error", "OAuth token has expired"), A },
  { "anthropic", 403, NULL, CLAUDE ("permission_error", "x"), A },
  { "anthropic", 404, NULL, CLAUDE ("not_found_error", "model: claude-x"), Q },
  { "anthropic", 413, NULL, CLAUDE ("request_too_large", "Request exceeds the maximum size"), Q },
  { "anthropic", 413, NULL, "<html>413</html>", Q },
  { "anthropic", 400, NULL, CLAUDE ("invalid_request_error", "prompt is too long: 210000 tokens > "
                                    "200000 maximum"), Q },
  { "anthropic", 504, NULL, CLAUDE ("timeout_error", "x"), T },
  { "anthropic", 529, NULL, "", T },
  { "anthropic", 200 + EVENT, NULL, CLAUDE ("overloaded_error", "Overloaded"), T },
  { "anthropic", 200 + EVENT, NULL, CLAUDE ("api_error", "Internal server error"), T },
  { "anthropic", 200 + EVENT, NULL, CLAUDE ("rate_limit_error", "x"), R },
  { "anthropic", 200 + EVENT, NULL, CLAUDE ("authentication_error", "x"), A },
  { "anthropic", 200 + EVENT, NULL, CLAUDE ("invalid_request_error", "x"), Q },
  /* Gemini */
  { "gemini", 429, NULL, GOOGLE ("429", "RESOURCE_EXHAUSTED", "x",
                                 QUOTA ("GenerateContentInputTokensPerModelPerDay-FreeTier")), D },
  { "gemini", 429, NULL, GOOGLE ("429", "RESOURCE_EXHAUSTED", "x",
                                 QUOTA ("GenerateRequestsPerDayPerProjectPerModel")), D },
  { "gemini", 429, NULL, GOOGLE ("429", "RESOURCE_EXHAUSTED", "x",
                                 QUOTA ("GenerateRequestsPerMinutePerProjectPerModel")), R },
  { "gemini", 429, NULL, "[" GOOGLE ("429", "RESOURCE_EXHAUSTED", "x",
                                     QUOTA ("GenerateRequestsPerDayPerProjectPerModel")) "]", D },
  { "gemini", 400, NULL, GOOGLE ("400", "INVALID_ARGUMENT", "API key not valid.",
                                 REASON ("API_KEY_INVALID")), A },
  { "gemini", 400, NULL, GOOGLE ("400", "INVALID_ARGUMENT", "API key expired.",
                                 REASON ("API_KEY_INVALID")), A },
  { "gemini", 403, NULL, GOOGLE ("403", "PERMISSION_DENIED", "x", REASON ("SERVICE_DISABLED")),
    A },
  { "gemini", 403, NULL, GOOGLE ("403", "PERMISSION_DENIED", "x", REASON ("CONSUMER_SUSPENDED")),
    A | B },
  { "gemini", 403, NULL, GOOGLE ("403", "PERMISSION_DENIED", "x", REASON ("BILLING_DISABLED")),
    A | B },
  { "gemini", 401, NULL, GOOGLE ("401", "UNAUTHENTICATED", "x", ""), A },
  { "gemini", 400, NULL, GOOGLE ("400", "INVALID_ARGUMENT", "Invalid JSON payload", ""), Q },
  { "gemini", 500, NULL, GOOGLE ("500", "INTERNAL", "x", ""), T },
  { "gemini", 504, NULL, GOOGLE ("504", "DEADLINE_EXCEEDED", "x", ""), T },
  { "gemini", 200 + EVENT, NULL, GOOGLE ("503", "UNAVAILABLE", "x", ""), T },
  { "gemini", 402, NULL, GOOGLE ("402", "RESOURCE_EXHAUSTED", "Your prepayment credits are "
                                 "depleted.", ""), B },
  /* OpenRouter */
  { "openrouter", 429, NULL, SOURCE ("429", "x", "openrouter_free_tier_per_minute"), R },
  { "openrouter", 429, NULL, SOURCE ("429", "x", "openrouter_free_tier_daily"), D },
  { "openrouter", 402, NULL, SOURCE ("402", "x", "openrouter_credits"), B },
  { "openrouter", 403, NULL, SOURCE ("403", "Key limit exceeded (weekly limit)",
                                     "openrouter_key_limit"), B },
  { "openrouter", 403, NULL, SOURCE ("403", "Key limit exceeded (daily limit)",
                                     "openrouter_key_limit"), D | B },
  { "openrouter", 503, NULL, SOURCE ("503", "x", "openrouter_admission_control"), R | T },
  { "openrouter", 401, NULL, ERROR ("\"message\":\"Invalid credentials\",\"code\":401"), A },
  { "openrouter", 404, NULL, ERROR ("\"message\":\"No endpoints found that support tool use.\","
                                    "\"code\":404"), Q },
  { "openrouter", 400, NULL, ERROR ("\"message\":\"x is not a valid model ID\",\"code\":400"), Q },
  { "openrouter", 400, NULL, ERROR ("\"message\":\"This endpoint's maximum context length is 32768 "
                                    "tokens.\",\"code\":400"), Q },
  { "openrouter", 408, NULL, ERROR ("\"message\":\"Timed out\",\"code\":408"), T },
  { "openrouter", 502, NULL, ERROR ("\"message\":\"Provider returned error\",\"code\":502"), T },
  { "openrouter", 200, NULL, ERROR ("\"message\":\"Provider returned error\",\"code\":502"), T },
  { "openrouter", 200, NULL, ERROR ("\"message\":\"Provider returned error\",\"code\":429"), R },
  { "openrouter", 200, NULL, ERROR ("\"message\":\"Insufficient credits\",\"code\":402"), B },
  { "openrouter", 200, NULL, "{\"id\":\"g\",\"choices\":[{\"error\":{\"code\":502,\"message\":"
                             "\"Upstream error\"}}]}", T },
  { "openrouter", 200 + EVENT, NULL, "{\"object\":\"chat.completion.chunk\",\"error\":{\"code\":"
                                     "\"server_error\",\"message\":\"Provider disconnected\"},"
                                     "\"choices\":[{\"delta\":{\"content\":\"\"},"
                                     "\"finish_reason\":\"error\"}]}", T },
  /* Mistral */
  { "mistral", 422, NULL, "{\"object\":\"error\",\"message\":{\"detail\":[{\"type\":\"missing\","
                          "\"msg\":\"Field required\"}]},\"type\":\"invalid_request_error\"}", Q },
  { "mistral", 400, NULL, "{\"object\":\"error\",\"message\":\"Invalid model: x\",\"type\":"
                          "\"invalid_model\",\"param\":null,\"code\":\"1500\"}", Q },
  { "mistral", 503, NULL, "{\"object\":\"error\",\"message\":\"x\",\"type\":"
                          "\"internal_server_error\",\"code\":\"1000\"}", T },
  { "mistral", 429, NULL, "{\"object\":\"error\",\"message\":\"x\",\"type\":"
                          "\"service_tier_capacity_exceeded\",\"code\":\"3505\"}", T | R },
  { "mistral", 402, NULL, "{\"detail\":\"x\"}", B },
  { "mistral", 429, "x-ratelimit-limit-tokens-month: 1000000\nx-ratelimit-remaining-tokens-month: "
                    "0\nx-ratelimit-limit-req-minute: 60\nx-ratelimit-remaining-req-minute: 59\n",
    "{\"object\":\"error\",\"message\":\"Rate limit exceeded\",\"code\":\"1300\"}", D | B },
  /* Cerebras */
  { "cerebras", 401, NULL, "{\"message\":\"Wrong API Key\",\"type\":\"invalid_request_error\","
                           "\"param\":\"api_key\",\"code\":\"wrong_api_key\"}", A },
  { "cerebras", 404, NULL, "{\"message\":\"Model x does not exist\",\"type\":\"not_found_error\","
                           "\"code\":\"model_not_found\"}", Q },
  { "cerebras", 402, NULL, "{\"message\":\"x\",\"type\":\"payment_required_error\"}", B },
  { "cerebras", 429, NULL, "{\"message\":\"Requests per hour limit exceeded\",\"code\":"
                           "\"request_quota_exceeded\"}", R },
  { "cerebras", 429, "x-ratelimit-limit-tokens-day: 1000000\nx-ratelimit-remaining-tokens-day: 0\n"
                     "x-ratelimit-reset-tokens-day: 33011.38\n",
    "{\"message\":\"x\",\"code\":\"token_quota_exceeded\"}", D },
  { "cerebras", 500, NULL, "{\"message\":\"x\",\"type\":\"server_error\"}", T },
  /* Together */
  { "together", 429, NULL, TYPED ("model_rate_limit", "You have reached the rate limit specific to "
                                  "this model. The maximum rate limit for this model is 6.0 queries "
                                  "and 180000 tokens per minute."), R },
  { "together", 429, NULL, TYPED ("request_rate_limit", "Request was rejected due to request rate "
                                  "limiting."), R },
  { "together", 404, NULL, CODED ("model_not_available", "Unable to access model"), Q },
  { "together", 503, NULL, TYPED ("server_error", "The server is overloaded"), T },
  { "together", 422, NULL, TYPED ("invalid_request_error", "`inputs` tokens + `max_new_tokens` must "
                                  "be <= 8193"), Q },
  /* DeepSeek */
  { "deepseek", 429, NULL, ERROR ("\"message\":\"Rate limit reached\",\"type\":\"rate_limit_error\","
                                  "\"code\":\"invalid_request_error\""), R },
  { "deepseek", 422, NULL, ERROR ("\"message\":\"x\",\"type\":\"invalid_request_error\",\"code\":"
                                  "\"invalid_request_error\""), Q },
  { "deepseek", 400, NULL, ERROR ("\"message\":\"Model Not Exist\",\"type\":\"invalid_request_error\""
                                  ",\"code\":\"invalid_request_error\""), Q },
  { "deepseek", 402, NULL, ERROR ("\"message\":\"x\",\"type\":\"unknown_error\",\"code\":"
                                  "\"invalid_request_error\""), B },
  /* xAI */
  { "xai", 403, NULL, "{\"code\":\"permission-denied\",\"error\":\"Your newly created team doesn't "
                      "have any credits yet. You can purchase those on https://console.x.ai.\"}", B },
  { "xai", 403, NULL, "{\"code\":\"The caller does not have permission to execute the specified "
                      "operation\",\"error\":\"The API key is disabled.\"}", A },
  { "xai", 404, NULL, "{\"code\":\"Some requested entity was not found\",\"error\":\"The model x "
                      "does not exist or your team " TEAM " does not have access to it.\"}", Q | A },
  { "xai", 429, NULL, "{\"code\":\"Some resource has been exhausted\",\"error\":\"Too many requests "
                      "for team " TEAM " and model m. Your team's rate limit is: Requests per Second "
                      "(actual/limit): 2/1.\"}", R },
  { "xai", 422, NULL, "Failed to deserialize the JSON body into the target type", Q },
  { "xai", 503, NULL, "{\"code\":\"The service is currently unavailable\",\"error\":\"Service "
                      "temporarily unavailable.\"}", T },
  /* GitHub Models, and others that have no plugin of their own */
  { "compatible", 429, NULL, CODED ("RateLimitReached", "Rate limit of 2 per 0s exceeded for "
                                    "UserConcurrentRequests. Please wait 0 seconds before "
                                    "retrying."), R },
  { "compatible", 401, NULL, CODED ("unauthorized", "Bad credentials"), A },
  { "compatible", 413, NULL, CODED ("tokens_limit_reached", "Request body too large for m. Max "
                                    "size: 8000 tokens."), Q },
  /* Hugging Face */
  { "compatible", 429, NULL, "{\"error\":\"Rate limit reached. Please log in or use a HF access "
                             "token\"}", R },
  { "compatible", 400, NULL, "{\"error\":\"The requested model is not supported\"}", Q },
  { "compatible", 504, NULL, "{\"error\":\"Model too busy\"}", T },
  /* NVIDIA */
  { "compatible", 410, NULL, "{\"status\":410,\"title\":\"Gone\",\"detail\":\"x\"}", Q },
  { "compatible", 402, NULL, "{\"status\":402,\"title\":\"Payment Required\",\"detail\":\"x\"}", B },
  { "compatible", 401, NULL, "{\"status\":401,\"title\":\"Unauthorized\",\"detail\":\"x\"}", A },
  /* Fireworks, Bedrock */
  { "compatible", 401, NULL, CODED ("UNAUTHORIZED", "The API key you provided is invalid."), A },
  { "compatible", 429, "x-amzn-ErrorType: ThrottlingException\n", "{\"message\":\"Too many requests, "
                       "please wait before trying again.\"}", R },
  { "compatible", 403, "x-amzn-ErrorType: AccessDeniedException\n", "{\"message\":\"You don't have "
                       "access to the model\"}", A },
  /* Moonshot, Z.ai */
  { "compatible", 429, NULL, TYPED ("rate_limit_reached_error", "Your account request reached "
                                    "organization max RPM: 3, please try again after 1 seconds"), R },
  { "compatible", 429, NULL, TYPED ("rate_limit_reached_error", "request reached organization TPD "
                                    "rate limit, current: 1508351, limit: 1500000"), D },
  { "compatible", 429, NULL, TYPED ("exceeded_current_quota_error", "You exceeded your current token "
                                    "quota"), B },
  { "compatible", 401, NULL, TYPED ("invalid_authentication_error", "x"), A },
  { "compatible", 429, NULL, TYPED ("engine_overloaded_error", "The engine is currently overloaded, "
                                    "please try again later"), T | R },
  { "compatible", 429, NULL, CODED ("1113", "Insufficient balance or no resource package. Please "
                                    "recharge."), B },
  { "compatible", 429, NULL, CODED ("1302", "High concurrency usage of this API"), R },
  /* vLLM, llama.cpp, LiteLLM */
  { "compatible", 400, NULL, "{\"object\":\"error\",\"message\":\"This model's maximum context length "
                             "is 4096 tokens.\",\"type\":\"BadRequestError\",\"code\":400}", Q },
  { "compatible", 404, NULL, "{\"object\":\"error\",\"message\":\"The model `x` does not exist.\","
                             "\"type\":\"NotFoundError\",\"code\":404}", Q },
  { "compatible", 401, NULL, "{\"error\":\"Unauthorized\"}", A },
  { "compatible", 503, NULL, ERROR ("\"code\":503,\"message\":\"Loading model\",\"type\":"
                                    "\"unavailable_error\""), T },
  { "compatible", 401, NULL, ERROR ("\"code\":401,\"message\":\"Invalid API Key\",\"type\":"
                                    "\"authentication_error\""), A },
  { "compatible", 500, NULL, ERROR ("\"code\":500,\"message\":\"x\",\"type\":\"server_error\""), T },
  { "compatible", 429, NULL, ERROR ("\"message\":\"litellm.RateLimitError: x\",\"type\":"
                                    "\"throttling_error\",\"code\":\"429\""), R },
  { "compatible", 400, NULL, ERROR ("\"message\":\"Budget has been exceeded! Current cost: 10.0, Max "
                                    "budget: 5.0\",\"type\":\"budget_exceeded\",\"code\":\"400\""), B },
};

int
documented_wrong (const struct judge *g, const char *plugin)
{
  int wrong = 0;

  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    int status = rows[i].status % EVENT, in_stream = rows[i].status >= EVENT;
    struct kwi_judgement j;

    if (strcmp (rows[i].plugin, plugin) != 0)
      continue;
    judge_answer (g, ANSWERS_NOW, status, in_stream, rows[i].headers, rows[i].body, &j);
    if ((rows[i].outcomes >> j.outcome & 1) != 0)
      continue;
    wrong++;
    printf ("%s (HTTP %d%s): is %s \"%s\": %s%s\n", plugin, status,
            in_stream ? ", in a stream" : "", kw_verdict_name ((int) j.outcome), j.reason,
            rows[i].headers != NULL ? rows[i].headers : "", rows[i].body);
  }
  (void) fflush (stdout);
  return wrong;
}

// errors - what can go wrong in front of a client: each of these it has to take for
// what it is, by its own class of errors, with the message of whoever said no.
import assert from 'node:assert/strict';
import { gateway, simulator } from './world.mjs';

// provider: which of the gateway's.  before: so many requests are served before.
// strict: by the gateway that asks for a token, and the client has another.  stream: it
// breaks in the middle of one.  message: what the client's shows.
export const errors = {
  'every key is used up': { provider: 'spent', before: 2, status: 429, code: 'keys_exhausted',
    message: /all 2 spent keys are exhausted for m; \\?"spent1\\?" comes back in (1d|23h)/,
    retryAfter: true },
  'a minute is full for longer than it may wait': { provider: 'hasty', before: 1, status: 429,
    code: 'rate_limited', message: /rate limit|RATE_LIMIT/i, retryAfter: true },
  'the request is wrong': { provider: 'groq', maxTokens: 1e12, status: 400,
    message: /must be a whole number from 1 to/ },
  'no such model': { provider: 'groq', model: 'nameless', status: 404, code: 'model_not_found',
    message: /The model `nameless` does not exist/ },
  'no such provider': { provider: 'nobody', status: 404, code: 'unknown_provider',
    message: /nobody/ },
  'the client has a wrong token': { provider: 'groq', strict: true, before: 1, status: 401,
    code: 'invalid_token', message: /token/ },
  'the gateway has a wrong key': { provider: 'wrong', status: 502, code: 'provider_key_refused',
    message: /revoked/ },
  'the provider is down': { provider: 'groq', model: 'down', status: 503,
    message: /down is currently over capacity/ },
  'the provider is not there': { provider: 'gone', status: 502, code: 'provider_unavailable',
    message: /./ },
  'the provider does not answer': { provider: 'impatient', model: 'slow', status: 504,
    code: 'provider_timeout', message: /./ },
  'a stream breaks in its middle': { provider: 'groq', model: 'cut', stream: true, message: /./ },
};

export async function troubles(t) {
  const sim = await simulator({
    keys: { good: '', spent1: 'rpd=1', spent2: 'rpd=1', minute: 'rpm=1', revoked: 'revoked' },
    faults: ['status=503,model=down', 'delay=60000,model=slow', 'sse-break=5,model=cut'],
    args: ['m', 'down', 'slow', 'cut'].flatMap((model) => ['--model', model]),
  });
  t.after(sim.stop);
  const gate = await gateway({
    sim,
    providers: {
      groq: { keys: ['good'], max_retries: 2 },
      spent: { keys: ['spent1', 'spent2'] },
      hasty: { keys: ['minute'], deadline: '20s' },
      wrong: { keys: ['revoked'] },
      // Nobody listens there.
      gone: { keys: ['good'], base_url: 'http://127.0.0.1:1/v1', max_retries: 1 },
      impatient: { keys: ['good'], attempt_timeout: '200ms', max_retries: 0 },
    },
  });
  t.after(gate.stop);
  const strictGate = await gateway({ sim, providers: { groq: { keys: ['good'] } }, client: 'ann' });
  t.after(strictGate.stop);
  return { gate, strictGate };
}

async function ask(baseURL, model, token) {
  const answer = await fetch(`${baseURL}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
  });
  await answer.arrayBuffer();
  assert.equal(answer.status, 200);
}

// run(world) asks, without retries of the client's own; read(error) is { kind, status,
// code, message, retryAfter } of what it threw; kinds: { status: kind, cut: kind }.
export async function meet({ gate, strictGate, name, provider, strict, model = 'm', before = 0,
  maxTokens, stream, status, code, message, retryAfter, run, read, kinds }) {
  const { url, token } = strict ? strictGate : gate;
  const baseURL = `${url}/${provider}/v1`;
  for (let i = 0; i < before; i += 1)
    await ask(baseURL, model, token);
  let thrown;
  try {
    await run({ baseURL, apiKey: 'any', model, said: 'hello '.repeat(20), maxTokens, stream });
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown, `${name}: no error`);
  const got = read(thrown);
  const kind = kinds[stream ? 'cut' : status] ?? kinds.other;
  assert.equal(got.kind, kind, `${got.status} ${got.message}`);
  assert.match(got.message, message);       // groq-sdk's has the whole body, escaped
  if (stream)
    return;
  assert.equal(got.status, status);
  if (code !== undefined)
    assert.equal(got.code, code);
  if (retryAfter)
    assert.match(got.retryAfter, /^[1-9]\d*$/);
}

// How the errors of OpenAI's library are read, and of those that are made like it.
export const likeOpenAI = {
  read: (error) => ({
    kind: error.constructor.name, status: error.status,
    code: error.code ?? error.error?.error?.code,
    message: error.message, retryAfter: error.headers?.get('retry-after'),
  }),
  kinds: {
    400: 'BadRequestError', 401: 'AuthenticationError', 404: 'NotFoundError',
    429: 'RateLimitError', 502: 'InternalServerError', 503: 'InternalServerError',
    504: 'InternalServerError', cut: 'APIError',
  },
};

// groq.test - Groq's own library, which puts /openai/v1 behind the base URL itself.
import assert from 'node:assert/strict';
import Groq, { toFile } from 'groq-sdk';
import { likeOpenAI } from './errors.mjs';
import { suite } from './suite.mjs';
import { calledWeather, heard, served, servedInPieces, sound, weather } from './world.mjs';

const client = ({ baseURL, apiKey }) =>
  new Groq({ baseURL: new URL('.', baseURL).href, apiKey, maxRetries: 0 });
const user = (content) => [{ role: 'user', content }];
const tools = [{ type: 'function', function: weather }];

async function chat(world) {
  const { data, response } = await client(world).chat.completions
    .create({ model: world.model, messages: user(world.said) }).withResponse();
  assert.match(data.x_groq.id, /^req_/);
  return { key: served(data.choices[0].message.content, world.said), headers: response.headers };
}

async function stream(world) {
  const pieces = [];
  let usage;
  const { data, response } = await client(world).chat.completions
    .create({ model: world.model, messages: user(world.said), stream: true }).withResponse();
  for await (const chunk of data) {
    pieces.push(chunk.choices[0]?.delta.content ?? '');
    usage = chunk.x_groq?.usage ?? usage;
  }
  assert.equal(usage.total_tokens, 82);
  return { key: servedInPieces(pieces, world.said), headers: response.headers };
}

async function call(world) {
  const { data, response } = await client(world).chat.completions
    .create({ model: world.model, messages: user(world.said), tools }).withResponse();
  const { name, arguments: text } = data.choices[0].message.tool_calls[0].function;
  return { key: calledWeather(name, JSON.parse(text), world.said), headers: response.headers };
}

async function callStream(world) {
  let name = '', text = '';
  const data = await client(world).chat.completions
    .create({ model: world.model, messages: user(world.said), tools, stream: true });
  for await (const chunk of data)
    for (const part of chunk.choices[0].delta.tool_calls ?? []) {
      name += part.function.name ?? '';
      text += part.function.arguments;
    }
  return { key: calledWeather(name, JSON.parse(text), world.said) };
}

async function json(world) {
  const answer = await client(world).chat.completions.create({
    model: world.model, messages: user(world.said), response_format: { type: 'json_object' },
  });
  return { key: served(JSON.parse(answer.choices[0].message.content).reply, world.said) };
}

async function embeddings(world) {
  const { data, response } = await client(world).embeddings
    .create({ model: world.model, input: world.said }).withResponse();
  assert.deepEqual(data.data[0].embedding, [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875]);
  const key = response.headers.get('x-keywheel-key');
  return key === null ? { key: 'only' } : { key, headers: response.headers };
}

async function transcription(world) {
  const answer = await client(world).audio.transcriptions
    .create({ model: world.model, file: await toFile(sound, 'sound.wav') });
  return { key: served(answer.text, heard('sound.wav')) };
}

suite('groq-sdk', {
  chat: { call: chat, breaks: 'truncate' },
  stream: { call: stream, breaks: 'sse-break=1' },
  tools: { call, breaks: 'truncate' },
  'tools-stream': { call: callStream, breaks: 'sse-error' },
  json: { call: json, breaks: 'garbage' },
  embeddings: { call: embeddings, breaks: 'truncate' },
  transcription: { call: transcription, breaks: 'truncate' },
}, {
  run: async (world) => {
    const body = { model: world.model, messages: user(world.said), max_tokens: world.maxTokens };
    if (!world.stream)
      return client(world).chat.completions.create(body);
    const pieces = [];
    for await (const chunk of await client(world).chat.completions
      .create({ ...body, stream: true }))
      pieces.push(chunk);
    return pieces;
  },
  ...likeOpenAI,
});

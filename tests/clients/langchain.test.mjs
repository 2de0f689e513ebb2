// langchain.test - LangChain's models and embeddings.
import assert from 'node:assert/strict';
import { HumanMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { z } from 'zod';
import { likeOpenAI } from './errors.mjs';
import { suite } from './suite.mjs';
import { calledWeather, served, servedInPieces } from './world.mjs';

// No retries of its own.
const settings = ({ baseURL, apiKey, model }) =>
  ({ model, apiKey, maxRetries: 0, configuration: { baseURL } });
const model = (world, more) => new ChatOpenAI({ ...settings(world), ...more });
const weather = tool(() => 'fine', {
  name: 'weather', description: 'The weather somewhere',
  schema: z.object({ place: z.string(), days: z.number() }),
});

async function chat(world) {
  const answer = await model(world).invoke([new HumanMessage(world.said)]);
  assert.equal(answer.usage_metadata.total_tokens, 82);
  return { key: served(answer.content, world.said) };
}

async function stream(world) {
  const pieces = [];
  for await (const chunk of await model(world).stream(world.said))
    pieces.push(chunk.content);
  return { key: servedInPieces(pieces, world.said) };
}

async function tools(world) {
  const { tool_calls: [call] } = await model(world).bindTools([weather]).invoke(world.said);
  return { key: calledWeather(call.name, call.args, world.said) };
}

async function toolsStream(world) {
  let all;
  for await (const chunk of await model(world).bindTools([weather]).stream(world.said))
    all = all === undefined ? chunk : all.concat(chunk);
  return { key: calledWeather(all.tool_calls[0].name, all.tool_calls[0].args, world.said) };
}

async function structured(world) {
  const form = z.object({ summary: z.string(), sure: z.boolean() });
  const answer = await model(world)
    .withStructuredOutput(form, { name: 'form', method: 'jsonSchema' }).invoke(world.said);
  assert.equal(answer.sure, true);
  return { key: served(answer.summary, world.said) };
}

async function responses(world) {
  const answer = await model(world, { useResponsesApi: true }).invoke(world.said);
  return { key: served(answer.text, world.said) };
}

// Neither vectors nor LangChain tell whose key it was: the simulator's log does.
async function embeddings(world) {
  const found = await new OpenAIEmbeddings(settings(world)).embedDocuments([world.said, 'x']);
  assert.deepEqual(found[1], [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 0]);
  return {};
}

suite('@langchain/openai', {
  chat: { call: chat, breaks: 'truncate' },
  stream: { call: stream, breaks: 'sse-break=1' },
  tools: { call: tools, breaks: 'truncate' },
  'tools-stream': { call: toolsStream, breaks: 'sse-error' },
  structured: { call: structured, breaks: 'garbage' },
  responses: { call: responses, breaks: 'truncate' },
  embeddings: { call: embeddings, breaks: 'truncate' },
}, {
  run: async (world) => {
    const chatting = model(world, { maxTokens: world.maxTokens });
    if (!world.stream)
      return chatting.invoke(world.said);
    const pieces = [];
    for await (const chunk of await chatting.stream(world.said))
      pieces.push(chunk);
    return pieces;
  },
  ...likeOpenAI,
});

// ai.test - the AI SDK, with its providers for compatible servers and for Groq.
import assert from 'node:assert/strict';
import { createGroq } from '@ai-sdk/groq';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embedMany, experimental_transcribe, generateText, Output, stepCountIs, streamText,
  tool } from 'ai';
import { z } from 'zod';
import { suite } from './suite.mjs';
import { calledWeather, heard, served, servedInPieces, sound } from './world.mjs';

const headersOf = ({ headers }) => new Headers(headers);

const weather = tool({
  description: 'The weather somewhere',
  inputSchema: z.object({ place: z.string(), days: z.number() }),
});

// provider: what makes a model of a world.
function calls(provider) {
  // No retries of its own.
  const ask = (world, more) => ({
    model: provider(world)(world.model), prompt: world.said, maxRetries: 0, ...more,
  });

  async function chat(world) {
    const { text, finishReason, response } = await generateText(ask(world));
    assert.equal(finishReason, 'stop');
    return { key: served(text, world.said), headers: headersOf(response) };
  }

  async function stream(world) {
    const pieces = [], errors = [];
    const result = streamText(ask(world, { onError: ({ error }) => errors.push(error) }));
    for await (const piece of result.textStream)
      pieces.push(piece);
    assert.deepEqual(errors, []);
    assert.equal(await result.finishReason, 'stop');
    return { key: servedInPieces(pieces, world.said), headers: headersOf(await result.response) };
  }

  async function tools(world) {
    const { toolCalls, response } = await generateText(ask(world, { tools: { weather } }));
    return { key: calledWeather(toolCalls[0].toolName, toolCalls[0].input, world.said),
      headers: headersOf(response) };
  }

  async function toolsStream(world) {
    const result = streamText(ask(world, { tools: { weather } }));
    const [call] = await result.toolCalls;
    return { key: calledWeather(call.toolName, call.input, world.said) };
  }

  async function structured(world) {
    const { output } = await generateText(ask(world, {
      output: Output.object({ schema: z.object({ summary: z.string(), sure: z.boolean() }) }),
    }));
    assert.equal(output.sure, true);
    return { key: served(output.summary, world.said) };
  }

  return {
    chat: { call: chat, breaks: 'truncate' },
    stream: { call: stream, breaks: 'sse-break=1' },
    tools: { call: tools, breaks: 'truncate' },
    'tools-stream': { call: toolsStream, breaks: 'sse-error' },
    structured: { call: structured, breaks: 'garbage' },
  };
}

const compatible = ({ baseURL, apiKey }) => createOpenAICompatible(
  { name: 'keywheel', baseURL, apiKey, includeUsage: true, supportsStructuredOutputs: true });
const groq = ({ baseURL, apiKey }) => createGroq({ baseURL, apiKey });

async function embeddings(world) {
  const { embeddings: found, responses } = await embedMany({
    model: compatible(world).textEmbeddingModel(world.model), values: [world.said, 'x'],
    maxRetries: 0,
  });
  assert.deepEqual(found[1], [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 0]);
  const headers = headersOf(responses[0]);
  const key = headers.get('x-keywheel-key');
  return key === null ? { key: 'only' } : { key, headers };
}

async function transcription(world) {
  const { text } = await experimental_transcribe({
    model: groq(world).transcription(world.model), audio: sound, maxRetries: 0,
  });
  return { key: served(text, heard('audio.wav')) };
}

const fails = (provider) => ({
  run: async (world) => {
    const body = { model: provider(world)(world.model), prompt: world.said, maxRetries: 0,
      maxOutputTokens: world.maxTokens };
    if (!world.stream)
      return generateText(body);
    let failed;
    const result = streamText({ ...body, onError: ({ error }) => { failed = error; } });
    for await (const piece of result.textStream)
      assert.ok(world.said.length > 0, piece);
    throw failed;
  },
  read: (error) => ({
    kind: error?.name ?? typeof error, status: error.statusCode,
    code: error.responseBody && JSON.parse(error.responseBody).error.code,
    message: error.message ?? JSON.stringify(error),
    retryAfter: error.responseHeaders?.['retry-after'],
  }),
  kinds: { other: 'AI_APICallError', cut: 'AI_APICallError' },
});

suite('ai, @ai-sdk/openai-compatible', {
  ...calls(compatible),
  embeddings: { call: embeddings, breaks: 'truncate' },
}, fails(compatible));

suite('ai, @ai-sdk/groq', {
  ...calls(groq),
  transcription: { call: transcription, breaks: 'truncate' },
}, fails(groq));

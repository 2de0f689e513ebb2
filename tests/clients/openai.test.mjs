// openai.test - OpenAI's own library.
import assert from 'node:assert/strict';
import OpenAI, { toFile } from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { likeOpenAI } from './errors.mjs';
import { suite } from './suite.mjs';
import { calledWeather, gateway, heard, served, servedInPieces, simulator, sound, weather, words }
  from './world.mjs';

// No retries of its own: one error that came through would be seen.
const client = ({ baseURL, apiKey }) => new OpenAI({ baseURL, apiKey, maxRetries: 0 });

const user = (content) => [{ role: 'user', content }];
async function collect(stream, piece) {
  const pieces = [];
  for await (const event of stream)
    pieces.push(piece(event) ?? '');
  return pieces;
}

async function chat(world) {
  const { data, response } = await client(world).chat.completions
    .create({ model: world.model, messages: user(world.said) }).withResponse();
  assert.equal(data.choices[0].finish_reason, 'stop');
  assert.equal(data.usage.total_tokens, 82);
  return { key: served(data.choices[0].message.content, world.said), headers: response.headers };
}

async function stream(world) {
  let usage;
  const { data, response } = await client(world).chat.completions.create({
    model: world.model, messages: user(world.said), stream: true,
    stream_options: { include_usage: true },
  }).withResponse();
  const pieces = await collect(data, (chunk) => {
    usage = chunk.usage ?? usage;
    return chunk.choices[0]?.delta.content;
  });
  assert.equal(usage.total_tokens, 82);
  return { key: servedInPieces(pieces, world.said), headers: response.headers };
}

// The helper that emits events and puts the message together by itself.
async function streamHelper(world) {
  const pieces = [];
  const runner = client(world).chat.completions
    .stream({ model: world.model, messages: user(world.said) })
    .on('content', (delta) => pieces.push(delta));
  const text = await runner.finalContent();
  assert.equal(pieces.join(''), text);
  return { key: servedInPieces(pieces, world.said) };
}

const calledFunction = ({ name, arguments: text }, said) =>
  calledWeather(name, JSON.parse(text), said);

async function tools(world) {
  const openai = client(world), messages = user(world.said);
  const body = { model: world.model, messages, tools: [{ type: 'function', function: weather }] };
  const { data, response } = await openai.chat.completions.create(body).withResponse();
  const { finish_reason, message } = data.choices[0];
  assert.equal(finish_reason, 'tool_calls');
  return { key: calledFunction(message.tool_calls[0].function, world.said),
    headers: response.headers };
}

async function toolsStream(world) {
  const call = { name: '', arguments: '' };
  const { data, response } = await client(world).chat.completions.create({
    model: world.model, messages: user(world.said), stream: true,
    tools: [{ type: 'function', function: weather }],
  }).withResponse();
  for await (const chunk of data)
    for (const { function: part } of chunk.choices[0].delta.tool_calls ?? []) {
      call.name += part.name ?? '';
      call.arguments += part.arguments;
    }
  return { key: calledFunction(call, world.said), headers: response.headers };
}

// The tool ran, and its result goes back.
async function toolResult(world) {
  const answer = await client(world).chat.completions.create({
    model: world.model,
    messages: [
      { role: 'user', content: 'Rain?' },
      { role: 'assistant', content: null, tool_calls: [
        { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{}' } }] },
      { role: 'tool', tool_call_id: 'call_1', content: world.said },
    ],
    tools: [{ type: 'function', function: weather }],
  });
  return { key: served(answer.choices[0].message.content, world.said) };
}

async function structured(world) {
  const form = z.object({ summary: z.string(), steps: z.array(z.object({ n: z.number() })) });
  const answer = await client(world).chat.completions.parse({
    model: world.model, messages: user(world.said),
    response_format: zodResponseFormat(form, 'form'),
  });
  const { summary, steps } = answer.choices[0].message.parsed;
  assert.deepEqual(steps, [{ n: 1 }]);
  return { key: served(summary, world.said) };
}

// Whose key it was no vector tells: the headers do, where there is a gateway.
async function embeddings(world) {
  const { data, response } = await client(world).embeddings
    .create({ model: world.model, input: [world.said.slice(1), 'x'] }).withResponse();
  assert.equal(data.data.length, 2);
  assert.deepEqual(Array.from(data.data[1].embedding),
    [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 0]);
  return withHeaders(response);
}

function withHeaders(response) {
  const key = response.headers.get('x-keywheel-key');
  return key === null ? { key: 'only' } : { key, headers: response.headers };
}

async function responses(world) {
  const { data, response } = await client(world).responses
    .create({ model: world.model, input: world.said }).withResponse();
  assert.equal(data.status, 'completed');
  return { key: served(data.output_text, world.said), headers: response.headers };
}

async function responsesStream(world) {
  let last;
  const { data, response } = await client(world).responses
    .create({ model: world.model, input: user(world.said), stream: true }).withResponse();
  const pieces = await collect(data, (event) => {
    assert.equal(event.sequence_number, last === undefined ? 0 : last.sequence_number + 1);
    last = event;
    return event.type === 'response.output_text.delta' ? event.delta : '';
  });
  assert.equal(last.type, 'response.completed');
  return { key: servedInPieces(pieces, world.said), headers: response.headers };
}

async function responsesTools(world) {
  const runner = client(world).responses.stream({
    model: world.model, input: world.said,
    tools: [{ type: 'function', strict: false, ...weather }],
  });
  const { output } = await runner.finalResponse();
  return { key: calledFunction(output[0], world.said) };
}

async function completions(world) {
  const { data, response } = await client(world).completions
    .create({ model: world.model, prompt: world.said }).withResponse();
  return { key: served(data.choices[0].text, world.said), headers: response.headers };
}

async function completionsStream(world) {
  const { data, response } = await client(world).completions
    .create({ model: world.model, prompt: world.said, stream: true }).withResponse();
  const pieces = await collect(data, (chunk) => chunk.choices[0].text);
  return { key: servedInPieces(pieces, world.said), headers: response.headers };
}

async function transcription(world) {
  const { data, response } = await client(world).audio.transcriptions
    .create({ model: world.model, file: await toFile(sound, 'sound.wav') }).withResponse();
  return { key: served(data.text, heard('sound.wav')),
    headers: response.headers };
}

async function speech(world) {
  const response = await client(world).audio.speech
    .create({ model: world.model, voice: 'any', input: world.said });
  const wav = Buffer.from(await response.arrayBuffer());
  assert.equal(wav.toString('latin1', 0, 4), 'RIFF');
  assert.equal(wav.length, wav.readUInt32LE(4) + 8);
  assert.ok(wav.subarray(44).every((byte, i) => byte === ((i + 44) * 5) % 256));
  return withHeaders(response);
}

// As it is by default, with retries: it waits as long as it is told to, and no longer;
// and where it is told not to wait it gives up at once.  A day has two seconds, and is
// over when the client has waited, however long all else takes.
async function retries(t) {
  const sim = await simulator({
    keys: { soon: 'rpd=1', late: 'rpd=1' }, args: ['--time-scale', '43200', '--clock', 'manual'],
  });
  t.after(sim.stop);
  const days = await simulator({ keys: { days: 'rpd=1' } });
  t.after(days.stop);
  for (const { world, keys, asked } of [
    { world: sim, keys: ['soon', 'late'], asked: [1, 1, 2] },
    { world: days, keys: ['days'], asked: [1, 1] },
  ]) {
    const gate = await gateway({ sim: world, providers: { groq: { keys } } });
    t.after(gate.stop);
    for (const [i, times] of asked.entries()) {
      let n = 0;
      const openai = new OpenAI({
        baseURL: gate.baseURL, apiKey: 'any',
        fetch: async (...args) => {
          n += 1;
          if (n > 1)
            await world.advance(2000);
          return fetch(...args);
        },
      });
      const answer = openai.chat.completions.create({ model: 'm', messages: user(`${i}`) });
      if (world === days && i === 1)
        await assert.rejects(answer, OpenAI.RateLimitError);
      else
        await answer;
      assert.equal(n, times, `call ${i} with ${keys}`);
    }
  }
}

// Keys run out under forty streams and chats at once.
async function many(t) {
  const sim = await simulator({ keys: { one: 'tpd=900', two: 'rpd=9', three: '' } });
  t.after(sim.stop);
  const gate = await gateway({ sim, providers: { groq: { keys: ['one', 'two', 'three'] } } });
  t.after(gate.stop);
  const keys = await Promise.all(Array.from({ length: 40 }, async (_, i) => {
    const world = { baseURL: gate.baseURL, apiKey: 'any', model: 'm', said: words(`${i}`) };
    return (await (i % 2 ? chat(world) : stream(world))).key;
  }));
  const served = (name) => keys.filter((key) => key === name).length;
  assert.deepEqual([served('one'), served('two'), served('three')], [10, 9, 21]);
  const log = await sim.log('m');
  assert.equal(log.filter((line) => line.endsWith(' ok')).length, 40);
  assert.ok(log.includes('one tpd') && log.includes('two rpd'));
}

async function files(t) {
  const sim = await simulator({ keys: { only: '' }, args: ['--model', 'a', '--model', 'b/c'] });
  t.after(sim.stop);
  const gate = await gateway({ sim, providers: { groq: { keys: ['only'] } } });
  t.after(gate.stop);
  const lines = Array.from({ length: 3000 }, (_, i) => JSON.stringify({
    custom_id: `line-${i}`, method: 'POST', url: '/v1/chat/completions',
    body: { model: 'a', messages: user(words(`${i}`)) },
  }));
  const text = `${lines.join('\n')}\n`;
  for (const world of [{ ...sim, apiKey: 'sk-only' }, { ...gate, apiKey: 'any' }]) {
    const openai = client(world);
    const names = [];
    for await (const model of openai.models.list())
      names.push(model.id);
    assert.deepEqual(names, ['a', 'b/c']);
    assert.equal((await openai.models.retrieve('b/c')).id, 'b/c');
    await assert.rejects(openai.models.retrieve('d'), OpenAI.NotFoundError);

    const file = await openai.files.create({
      purpose: 'batch', file: await toFile(Buffer.from(text), 'in.jsonl') });
    assert.equal(file.bytes, Buffer.byteLength(text));
    assert.equal(await (await openai.files.content(file.id)).text(), text);
    const { id } = await openai.batches.create({
      input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' });
    const batch = await openai.batches.retrieve(id);
    assert.equal(batch.status, 'completed');
    assert.equal(batch.request_counts.completed, lines.length);
    const output = await (await openai.files.content(batch.output_file_id)).text();
    assert.deepEqual(output.trimEnd().split('\n').map((line) => JSON.parse(line).custom_id),
      lines.map((_, i) => `line-${i}`));
    assert.equal((await openai.files.delete(file.id)).deleted, true);
    await assert.rejects(openai.files.retrieve(file.id), OpenAI.NotFoundError);
  }
}

// What is not held until it is whole cannot be asked for again; and what breaks ends at
// once, on a connection that had been good before, too.
async function cut(t) {
  const sim = await simulator({
    keys: { only: '' }, faults: ['truncate,model=file', 'sse-break=5,model=stream'],
  });
  t.after(sim.stop);
  const gate = await gateway({ sim, providers: { groq: { keys: ['only'] } } });
  t.after(gate.stop);
  const world = { baseURL: gate.baseURL, apiKey: 'any', said: words('x') };
  await chat({ ...world, model: 'good' });
  await assert.rejects(speech({ ...world, model: 'file' }), /terminated/);
  await chat({ ...world, model: 'good' });
  const answer = await fetch(`${gate.baseURL}/chat/completions`, {
    method: 'POST', headers: { 'content-type': 'application/json' },
    signal: AbortSignal.timeout(30000),
    body: JSON.stringify({ model: 'stream', stream: true, messages: user(world.said) }),
  });
  await assert.rejects(answer.text(), { message: 'terminated' });
}

const whole = (call) => ({ call, breaks: 'truncate' });
const streamed = (call, breaks = 'sse-error') => ({ call, breaks });

suite('openai', {
  chat: whole(chat),
  stream: streamed(stream, 'sse-break=1'),
  'stream-helper': streamed(streamHelper),
  tools: whole(tools),
  'tools-stream': streamed(toolsStream),
  'tool-result': whole(toolResult),
  structured: whole(structured),
  embeddings: whole(embeddings),
  responses: whole(responses),
  'responses-stream': streamed(responsesStream, 'sse-break=2'),
  'responses-tools': streamed(responsesTools),
  completions: whole(completions),
  'completions-stream': streamed(completionsStream),
  transcription: whole(transcription),
  // What is no JSON is not held until it is whole: see below.
  speech: { call: speech, breaks: 'status=500' },
}, {
  run: async (world) => {
    const body = { model: world.model, messages: user(world.said), max_tokens: world.maxTokens };
    if (!world.stream)
      return client(world).chat.completions.create(body);
    return collect(await client(world).chat.completions.create({ ...body, stream: true }),
      (chunk) => chunk.choices[0]?.delta.content);
  },
  ...likeOpenAI,
}, {
  'its own retries': retries,
  'many at once': many,
  'models, files and batches': files,
  'what was cut is not taken for whole': cut,
});

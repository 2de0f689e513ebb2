// world - what the clients of these tests talk to: keywheel-sim, and keywheel
// serve in front of it.
import assert from 'node:assert/strict';
import { File } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run, start, stop } from './processes.mjs';

// Clients ask for this where Node has none of its own (before 20).
globalThis.File ??= File;

async function ask(url, options) {
  const answer = await fetch(url, options);
  assert.equal(answer.status, 200, url);
  return answer.text();
}

// keys: { name: 'tpd=99', ... }, each with the secret sk-NAME.
export async function simulator({ keys, faults = [], args = [] }) {
  const sim = await start([
    'keywheel-sim', ...args,
    ...Object.entries(keys).flatMap(
      ([name, limits]) => ['--key', `sk-${name},name=${name}${limits && ','}${limits}`]),
    ...faults.flatMap((fault) => ['--fault', fault]),
  ]);
  return {
    url: sim.url,
    baseURL: `${sim.url}/v1`,
    // What it was asked and how it answered, as 'KEY VERDICT'.
    log: async (model) => (await ask(`${sim.url}/sim/log`)).split('\n')
      .filter(Boolean).map((line) => JSON.parse(line))
      .filter((entry) => model === undefined || entry.model === model)
      .map((entry) => `${entry.key} ${entry.verdict}`),
    // With --clock manual: its time goes on.
    advance: (ms) => ask(`${sim.url}/sim/advance?ms=${ms}`, { method: 'POST' }),
    stop: () => stop(sim),
  };
}

// keywheel serve.  providers: { name: { keys, ...options }, ... }, the first of them the
// default one, each with these keys of the simulator's in their order.  client: only a
// client of this name may use it, with the token.
export async function gateway({ sim, providers, client }) {
  const dir = mkdtempSync(path.join(tmpdir(), 'kw-clients-'));
  const section = (name, options) => [`[${name}]`,
    ...Object.entries(options).map(([option, value]) => `${option} = ${value}`)];
  const file = path.join(dir, 'keywheel.ini');
  const env = {};
  const lines = section('keywheel', { provider: Object.keys(providers)[0] });
  for (const [name, { keys, ...options }] of Object.entries(providers)) {
    lines.push(...section(`provider ${name}`, {
      plugin: 'groq', base_url: sim.baseURL, backoff_initial: '1ms', backoff_max: '5ms',
      ...options,
    }));
    for (const key of keys) {
      lines.push(...section(`key ${name}/${key}`, { env: `KEY_${key}` }));
      env[`KEY_${key}`] = `sk-${key}`;
    }
  }
  lines.push(...section('gateway', { listen: '127.0.0.1:0' }));
  let token;
  if (client !== undefined) {
    token = execFileSync(run,
      ['keywheel', 'token', 'new', client, path.join(dir, 'tokens')],
      { encoding: 'utf8' }).trim();
    lines.push('client_tokens = tokens');
  }
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  const gate = await start(['keywheel', 'serve', '-c', file], env);
  return {
    url: gate.url,
    baseURL: `${gate.url}/v1`,
    token,
    stop: async () => {
      await stop(gate);
      rmSync(dir, { recursive: true });
    },
  };
}

// Something to say, of exactly so many bytes: four of them are a token.
export function words(what, bytes = 200) {
  let said = what;
  for (let n = 1; Buffer.byteLength(said) < bytes - 20; n += 1)
    said += n % 3 === 0 ? ' \u{1F511}ü' : ` ${n}${'.'.repeat(n % 4)}`;
  return said + ' '.padEnd(bytes - Buffer.byteLength(said), 'x');
}

// The name of the key that served, of a reply to what was said.
export function served(reply, said) {
  const key = reply.match(/^Hello from keywheel-sim \(key (\w+)\): /)?.[1];
  assert.equal(reply, `Hello from keywheel-sim (key ${key}): ${said}`);
  return key;
}

// The same of a stream's pieces, of which each word is one.
export function servedInPieces(pieces, said) {
  const full = pieces.filter((piece) => piece !== '');
  const reply = full.join('');
  assert.ok(full.length >= reply.split(' ').length - 1, `${full.length} pieces`);
  return served(reply, said);
}

// A tool for the models, in Chat Completions' form.
export const weather = {
  name: 'weather', description: 'The weather somewhere',
  parameters: {
    type: 'object', required: ['place', 'days'],
    properties: { place: { type: 'string' }, days: { type: 'integer' } },
  },
};

// Of a call of it.
export function calledWeather(name, { place, days }, said) {
  assert.equal(name, 'weather');
  assert.equal(days, 1);
  return served(place, said);
}

// A file to upload, of 50 tokens, and what the simulator hears in it.
export const sound = Uint8Array.from({ length: 200 }, (_, i) => (i * 7) % 256);
const sum = sound.reduce((n, byte) => (Math.imul(n, 31) + byte) >>> 0, 0);
export const heard = (name) =>
  `${name}, 200 bytes, sum ${sum.toString(16).padStart(8, '0')}`;

// world - what the page's tests look at: keywheel-sim, keywheel serve in front of it, and
// pages in one browser.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { run, start, stop } from './processes.mjs';

export const SECRET = 'sk-secret-';

const simulator = (keys) => start(['keywheel-sim', '--clock', 'manual',
  ...Object.entries(keys).flatMap(
    ([name, limits]) => ['--key', `${SECRET}${name},name=${name}${limits && ','}${limits}`])]);

// keys: { name: 'rpd=1', ... }, in their order.  tokens: { name: 'admin' or '', ... } of
// clients; their tokens are in .tokens.  options: lines of [provider groq].  others: the
// keys of a provider "other", which groq falls back to.
export async function world(t, { keys, tokens = {}, options = [], others }) {
  const dir = mkdtempSync(path.join(tmpdir(), 'kw-page-'));
  const ini = path.join(dir, 'keywheel.ini');
  const env = { XDG_STATE_HOME: path.join(dir, 'state') };
  const ends = [() => rmSync(dir, { recursive: true })];
  t.after(async () => {
    while (ends.length)
      await ends.pop()();
  });
  const lines = ['[keywheel]', 'provider = groq'];
  const add = async (provider, keysOf, more) => {
    const sim = await simulator(keysOf);
    ends.push(() => stop(sim));
    lines.push(`[provider ${provider}]`, 'plugin = groq', `base_url = ${sim.url}/v1`,
      'model = llama', 'backoff_initial = 1ms', 'backoff_max = 5ms', ...more);
    for (const name of Object.keys(keysOf)) {
      const variable = `KEY_${Object.keys(env).length}`;
      lines.push(`[key ${provider}/${name}]`, `env = ${variable}`);
      env[variable] = SECRET + name;
    }
    return sim;
  };
  const sim = await add('groq', keys, [...options, ...(others ? ['fallback = other'] : [])]);
  if (others)
    await add('other', others, []);
  const shown = {};
  lines.push('[gateway]');
  if (Object.keys(tokens).length)
    lines.push('client_tokens = tokens');
  for (const [name, attributes] of Object.entries(tokens)) {
    const made = spawnSync(run, ['keywheel', 'token', 'new', name],
      { encoding: 'utf8', env: { PATH: process.env.PATH } });
    const row = made.stderr.match(new RegExp(`^.*(${name} +blake2b:[0-9a-f]+)`, 'm'));
    assert.ok(row, made.stderr);
    writeFileSync(path.join(dir, 'tokens'), `${row[1]} ${attributes}\n`,
      { flag: 'a', mode: 0o600 });
    shown[name] = made.stdout.trim();
  }
  writeFileSync(ini, `${lines.join('\n')}\n`, { mode: 0o600 });
  const serve = (listen) => start(['keywheel', 'serve', '-c', ini, '--listen', listen], env);
  let gate = await serve('127.0.0.1:0');
  ends.push(() => stop(gate));
  const { url } = gate;
  return {
    url,
    tokens: shown,
    // To be done before it ends.
    before: (end) => ends.push(end),
    // A chat through the gateway: the name of the key that served it.
    async chat(model = 'llama', token = '') {
      const answer = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json',
          ...(token && { authorization: `Bearer ${token}` }) },
        body: JSON.stringify({ model, max_tokens: 8,
          messages: [{ role: 'user', content: 'hi' }] }),
      });
      assert.equal(answer.status, 200, await answer.text());
      return answer.headers.get('x-keywheel-key');
    },
    // Of the simulator behind groq; null: none any more.
    async fault(spec) {
      const answer = await fetch(`${sim.url}/sim/fault`, spec ? { method: 'POST', body: spec }
        : { method: 'DELETE' });
      assert.ok(answer.ok, await answer.text());
    },
    goes: () => stop(gate),
    async comes() {
      gate = await serve(url.slice(7));
    },
  };
}

let browser;
export async function closeBrowser() {
  await browser?.close();
}

// A page of the gateway's.  What it says in its console, what its policy forbids, and
// whatever it asks of anybody else, fails the test.
export async function look(t, { url, before }, options = {}) {
  browser ??= await chromium.launch({ executablePath: process.env.KW_BROWSER,
    args: process.getuid() === 0 ? ['--no-sandbox'] : [] });
  const context = await browser.newContext(options);
  context.setDefaultTimeout(60000);
  before(() => context.close());        // or it would miss its gateway
  const page = await context.newPage();
  const wrong = [];
  const asked = [];
  page.on('console', (message) => wrong.push(message.text()));
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('request', (request) => asked.push(request));
  t.after(async () => {
    await context.close();
    assert.deepEqual(wrong.filter((text) => !page.expected?.test(text)), []);
    for (const request of asked) {
      assert.ok(request.url().startsWith(`${url}/`) || request.url().startsWith('data:'),
        request.url());
      const sent = `${request.url()} ${JSON.stringify(request.headers())} ${request.postData()}`;
      assert.ok(!sent.includes(SECRET), sent);
    }
    assert.ok(asked.length >= 2, 'it asked for nothing');
  });
  page.asked = asked;
  await page.goto(url);
  return page;
}

export const live = (page) => page.locator('#link[data-state=live]').waitFor();
export const row = (page, key) => page.getByRole('row').filter(
  { has: page.getByRole('rowheader', { name: key, exact: false }) });
export const picture = (page, name) => page.screenshot({ path: `${name}.png`, fullPage: true });

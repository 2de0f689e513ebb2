// suite - what every client has to go through: each of its calls against the
// simulator itself; then against the gateway, while keys run out, minutes are full,
// and the provider fails; and then its classes of errors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errors, meet, troubles } from './errors.mjs';
import { gateway, simulator, words } from './world.mjs';

const TIMEOUT = 120000;

// What befalls the third key, for each model: the first of its requests is one too
// many for its minute, two more meet a provider that is down; one is served; then a
// connection breaks, and a proxy's page comes instead of an answer; one is served;
// then an answer breaks off.
const befalls = [
  'status=429,retry-after=1,count=1', 'status=503,count=2', 'drop,skip=1,count=1',
  'html=502,skip=1,count=1', 'BREAK,skip=2,count=1',
];

const trials = [
  // The key that serves, and what the simulator saw.  Where a kept connection is closed
  // without an answer, libcurl itself asks again on another, which is no attempt of
  // keywheel's: how many there were is not certain then.
  { key: 'one', attempts: 1, switches: 0, log: ['one ok'] },
  { key: 'two', attempts: 2, switches: 1, log: ['one tpd', 'two ok'] },
  { key: 'three', attempts: 5, switches: 1,
    log: ['two rpd', 'three fault:status', 'three fault:status', 'three fault:status',
      'three ok'] },
  { key: 'three', switches: 0,
    log: ['three fault:drop', 'three fault:html', 'three ok'] },
  { key: 'three', attempts: 2, switches: 0, log: ['three BREAK', 'three ok'] },
];

// calls: { name: { call, breaks } }, where call is given { baseURL, apiKey, model,
// said } and returns { key, headers }: the key that served, and the answer's headers
// where the client shows either.  breaks is a fault that spoils what came.
// fails: how errors.mjs is to see the client's errors.  more: { name: test }.
export function suite(client, calls, fails, more = {}) {
  const names = Object.keys(calls);

  test(`${client}: the simulator is a provider`, { timeout: TIMEOUT, concurrency: true },
    async (t) => {
      const sim = await simulator({ keys: { only: '' } });
      t.after(sim.stop);
      await Promise.all(names.map((name) => t.test(name, async () => {
        const { key } = await calls[name].call({
          baseURL: sim.baseURL, apiKey: 'sk-only', model: name, said: words(name),
        });
        assert.ok(key === 'only' || key === undefined, key);
      })));
    });

  test(`${client}: keys run out and the provider fails, unnoticed`,
    { timeout: TIMEOUT, concurrency: true }, async (t) => {
      const sim = await simulator({
        keys: { one: 'tpd=99', two: 'rpd=1', three: '' },
        faults: names.flatMap((name) => befalls.map(
          (fault) => `${fault.replace('BREAK', calls[name].breaks)},key=three,model=${name}`)),
      });
      t.after(sim.stop);
      const gate = await gateway({ sim, providers: { groq: { keys: ['one', 'two', 'three'] } } });
      t.after(gate.stop);
      await Promise.all(names.map((name) => t.test(name, async () => {
        const verdict = `fault:${calls[name].breaks.split('=')[0]}`;
        const expected = [];
        for (const [i, trial] of trials.entries()) {
          const { key, headers } = await calls[name].call({
            baseURL: gate.baseURL, apiKey: 'any', model: name, said: words(`${name} ${i}`),
          });
          if (key !== undefined)
            assert.equal(key, trial.key, `call ${i}`);
          if (headers) {
            assert.equal(headers.get('x-keywheel-key'), trial.key);
            if (trial.attempts !== undefined)
              assert.equal(headers.get('x-keywheel-attempts'), `${trial.attempts}`);
            assert.equal(headers.get('x-keywheel-switches'), `${trial.switches}`);
          }
          expected.push(...trial.log.map((line) => line.replace('BREAK', verdict)));
          assert.deepEqual(await sim.log(name), expected, `after call ${i}`);
        }
      })));
    });

  test(`${client}: its errors`, { timeout: TIMEOUT, concurrency: true }, async (t) => {
    const gates = await troubles(t);
    await Promise.all(Object.entries(errors).map(([name, expected]) => t.test(name, async () => {
      await meet({ ...gates, name, ...expected, ...fails });
    })));
  });

  for (const [name, run] of Object.entries(more))
    test(`${client}: ${name}`, { timeout: TIMEOUT }, run);
}

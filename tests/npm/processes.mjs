// processes - keywheel's own programs, as they were built, on ports that the system
// picks.  Every process that is started here is ended here, by its id, whatever becomes
// of the tests.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import readline from 'node:readline';

const running = new Set();

// What runs a program of the build folder.
export const run = path.join(process.env.KW_BUILDDIR, 'run');

process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
process.on('SIGTERM', () => process.exit(1));
process.on('SIGINT', () => process.exit(1));

// Runs it until it says where it listens.
export async function start(args, env) {
  const child = spawn(run, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, no_proxy: '127.0.0.1', ...env },
  });
  const said = [];
  running.add(child);
  child.stderr.on('data', (data) => said.push(data));
  child.once('exit', () => running.delete(child));
  for await (const line of readline.createInterface({ input: child.stdout })) {
    const url = line.match(/^listening on (http:\/\/127\.0\.0\.1:\d+)/)?.[1];
    assert.ok(url, `${args[0]} says: ${line}`);
    return { child, url, stderr: () => Buffer.concat(said).toString() };
  }
  throw new Error(`${args.slice(0, 2).join(' ')} does not start: ${Buffer.concat(said)}`);
}

// That it ended well, too, if a test has ended it or it has by itself.
export async function stop({ child, stderr }) {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }
  assert.equal(child.exitCode, 0, `it ends with ${child.signalCode ?? child.exitCode}: ${stderr()}`);
}

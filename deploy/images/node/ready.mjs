/**
 * The health check of a container: asks the process in it whether it is ready. Processes of a host
 * publish their addresses in its run directory; ours is the one that sees the same files as we do. One that
 * shows no health (`SHOAL_METRICS_LISTEN=off`) is as well as can be seen.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';

const timeoutMs = 4_000;
const runDirectory = process.env.SHOAL_RUN_DIR ?? '/run/shoal';
const mountsOf = (pid) => readlinkSync(`/proc/${pid}/ns/mnt`);

/** Null where our process shows no health. */
function ownAddress() {
  const own = mountsOf('self');
  let found;
  for (const name of readdirSync(runDirectory)) {
    if (!name.endsWith('.json')) continue;
    try {
      const { pid, admin } = JSON.parse(readFileSync(join(runDirectory, name), 'utf8'));
      if (mountsOf(pid) === own) found ??= admin;
    } catch {
      // Of a process that has ended, or half written.
    }
  }
  if (found !== undefined) return found;
  throw new Error(`no process of this container has published its address in ${runDirectory}`);
}

function say(text, code) {
  process.stdout.write(`${text.trimEnd()}\n`);
  process.exit(code);
}

try {
  const address = ownAddress();
  if (address === null) say('no health is shown', 0);
  // Cheaper to start than fetch; there is one of these every few seconds for each process.
  const call = get(`http://${address}/readyz`, { timeout: timeoutMs }, (response) => {
    let body = '';
    response.on('data', (chunk) => {
      body += chunk;
    });
    response.on('end', () => say(body, response.statusCode === 200 ? 0 : 1));
  });
  call.on('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)));
  call.on('error', (error) => say(error.message, 1));
} catch (error) {
  say(error.message, 1);
}

// Debian's python3-docker: its own objects and calls, each scenario a program of its own.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../host/command.ts';
import { dockerHost, useSwarm } from './fleet.ts';

const swarm = useSwarm();
/** Where Debian's packages are, whatever other Python is first on the path. */
const python = '/usr/bin/python3';
const script = join(import.meta.dirname, 'docker_py_session.py');

const scenarios = [
  ...['swarm', 'nodes', 'services', 'parameters', 'modes'],
  ...['logs', 'documents', 'networks', 'events', 'containers'],
];

test.each(scenarios)('docker-py: %s', async (scenario) => {
  const result = await run(python, [script, scenario], {
    env: { DOCKER_HOST: dockerHost(swarm().m2), HOME: '/nonexistent' },
    timeoutMs: 100_000,
  });
  expect(`${result.stderr}${result.stdout}`).toBe('done\n');
});

// deploy/compose: every process a service of its own, started in any order, scaled at will.
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { mustRun, run } from '../host/command.ts';
import { repository } from '../host/engine.ts';
import { eventually } from '../host/wait.ts';
import { hasAllCapabilities } from '../hosts/container.ts';
import { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';
import { allReady, join as joinSwarm } from './swarm.ts';

const workerApps = ['dns', 'ingress-lb', 'agent', 'api'];
const apps = [...workerApps, 'scheduler', 'dispatcher', 'allocator', 'orchestrator'];

let fleet: Fleet;
let m1: Machine;
let w1: Machine;

beforeAll(async () => {
  fleet = await Fleet.start(['m1', 'w1'], { processes: 'none' });
  [m1, w1] = fleet.machines as [Machine, Machine];
  await copyImages(m1, apps);
  await copyImages(w1, workerApps);
});
afterAll(() => fleet?.stop());
beforeEach(() => fleet.explainFailure());

async function copyImages(machine: Machine, of: readonly string[]): Promise<void> {
  const images = of.map((app) => `shoal-${app}`).join(' ');
  const [outer, inner] = [inject('outerEngine'), `unix://${machine.engineSocket}`];
  const copy = `docker --host ${outer} save ${images} | docker --host ${inner} load --quiet`;
  await mustRun('sh', ['-c', copy]);
}

/**
 * Where the kernel does not let us give all privileges, what is changed in the files: the same processes with
 * all that are left.
 */
function withoutPrivilege(): readonly string[] {
  if (hasAllCapabilities()) return [];
  const path = join(tmpdir(), `shoal-compose-${process.pid}.yml`);
  const service = (name: string): string =>
    `  ${name}:\n    privileged: false\n    cap_add: [ALL]\n    cap_drop: [SYS_RESOURCE]\n`;
  writeFileSync(
    path,
    `version: '3.7'\nservices:\n${['agent', 'ingress-lb'].map(service).join('')}`,
  );
  return [path];
}

/** The older program or the newer plugin: the files are for both. */
async function compose(
  machine: Machine,
  file: string,
  ...args: readonly string[]
): Promise<string> {
  const plugin = (await run('docker', ['compose', 'version'])).code === 0;
  const [program, ...first] = plugin ? ['docker', 'compose'] : ['docker-compose'];
  const files = [join(repository, 'deploy/compose', file), ...withoutPrivilege()];
  const of = ['--project-name=shoal', ...files.map((each) => `--file=${each}`)];
  return mustRun(program ?? '', [...first, ...of, ...args], {
    env: { DOCKER_HOST: `unix://${machine.engineSocket}` },
  });
}

/** Health of the containers of a compose service, as the engine sees it. */
async function health(machine: Machine, service: string): Promise<readonly string[]> {
  const filter = ['--filter', `label=com.docker.compose.service=${service}`];
  const out = await machine.engine('ps', ...filter, '--format', '{{.Status}}');
  return out.split('\n').flatMap((row) => /\((.*)\)/.exec(row)?.[1] ?? []);
}

test('services come up one by one in any order, three schedulers among them', async () => {
  for (const app of apps) await compose(m1, 'manager.yml', 'up', '--detach', app);
  await compose(m1, 'manager.yml', 'up', '--detach', '--scale', 'scheduler=3');
  for (const app of apps) {
    const wanted = Array<string>(app === 'scheduler' ? 3 : 1).fill('healthy');
    await eventually(
      `${app} is healthy`,
      async () => `${await health(m1, app)}` === `${wanted}`,
      60_000,
    );
  }
});

test('they make a swarm that runs a service, and every scheduler has a lease of its own', async () => {
  await m1.docker('swarm', 'init');
  await m1.docker('service', 'create', '--name=web', '--replicas=2', 'whoami');
  expect((await m1.containers('web')).size).toBe(2);
  const names = await m1.engine('ps', '--filter', 'name=scheduler', '--format', '{{.Names}}');
  const leaseOf = async (name: string): Promise<string | undefined> => {
    const { stdout, stderr } = await run('docker', [
      '--host',
      `unix://${m1.engineSocket}`,
      'logs',
      name,
    ]);
    return /"lease":"scheduler@\w+\/(\d+)"/.exec(stdout + stderr)?.[1];
  };
  await eventually('three leases', async () => {
    const leases = await Promise.all(names.trim().split('\n').map(leaseOf));
    return `${leases.sort()}` === '0,1,2';
  });
});

test('a worker is four services, and joins', async () => {
  await compose(w1, 'worker.yml', 'up', '--detach');
  for (const app of workerApps) {
    const isHealthy = async () => `${await health(w1, app)}` === 'healthy';
    await eventually(`${app} is healthy`, isHealthy, 60_000);
  }
  expect(await joinSwarm(w1, m1, 'worker')).toContain('This node joined a swarm as a worker.');
  await allReady(m1, 2);
  await m1.docker('service', 'create', '--name=everywhere', '--mode=global', 'whoami');
  expect((await w1.containers('everywhere')).size).toBe(1);
  await m1.docker('service', 'rm', 'everywhere');
});

test('scaled down and taken down, the containers of the service stay', async () => {
  const before = await m1.containers('web');
  await compose(m1, 'manager.yml', 'up', '--detach', '--scale', 'scheduler=1');
  await m1.docker('service', 'scale', '--detach', 'web=3');
  await eventually('three containers', async () => {
    const running = await Promise.all([m1, w1].map((machine) => machine.containers('web')));
    return running.reduce((sum, { size }) => sum + size, 0) === 3;
  });
  await compose(m1, 'manager.yml', 'down');
  const after = await m1.containers('web');
  for (const [name, id] of before) expect(after.get(name)).toBe(id);
});

import { execFile } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeEnvironment, nodeFlags } from '@shoal/runtime/process';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { buildOf, otherBuilds } from './build.ts';
import { type HostConfig, hostArguments, hostFlags, readHostConfig } from './config.ts';
import { hostPlan, processNames, programOf } from './plan.ts';
import { canInstall, dockerEngine, findProgram, missingSentences } from './preflight.ts';

function read(texts: Parameters<typeof readHostConfig>[0]): HostConfig {
  const outcome = readHostConfig(texts);
  if (outcome.kind !== 'config') throw new Error(outcome.message);
  return outcome.config;
}

test('a host needs no flags, and its arguments make the same host again', () => {
  const config = read({});
  expect(config).toEqual({
    dataDir: '/var/lib/shoal',
    runDir: '/run/shoal',
    socket: '/run/shoal/docker.sock',
    listen: '0.0.0.0:2377',
    dispatcherListen: '0.0.0.0:2378',
    engine: 'unix:///var/run/docker.sock',
    metricsPortBase: 9371,
    dashboard: '127.0.0.1:9379',
  });
  const texts = Object.fromEntries(
    hostFlags.map(({ key, flag }) => {
      const word = hostArguments(config).find((one) => one.startsWith(`${flag}=`)) ?? '';
      return [key, word.slice(flag.length + 1)];
    }),
  );
  expect(read(texts)).toEqual(config);
});

test('the socket follows the run directory unless it is given', () => {
  expect(read({ runDir: '/tmp/a/' }).socket).toBe('/tmp/a/docker.sock');
  expect(read({ runDir: '/tmp/a', socket: '/tmp/b.sock' }).socket).toBe('/tmp/b.sock');
});

test('the dashboard is behind the ports for metrics unless it is told where, or off', () => {
  expect(read({ metricsPortBase: '100' }).dashboard).toBe('127.0.0.1:108');
  expect(read({ dashboard: '[::1]:80' }).dashboard).toBe('[::1]:80');
  expect(read({ dashboard: 'off' }).dashboard).toBe('off');
});

test.each([
  [{ dataDir: 'relative' }, '--data-dir=relative does not do: must be an absolute path'],
  [{ listen: '2377' }, '--listen=2377 does not do'],
  [{ listen: '0.0.0.0:99999' }, '--listen=0.0.0.0:99999 does not do'],
  [{ engine: '/var/run/docker.sock' }, 'must look like unix:///var/run/docker.sock'],
  [{ metricsPortBase: 'many' }, '--metrics-port-base=many does not do'],
  [{ dashboard: '0.0.0.0:9379' }, '--dashboard=0.0.0.0:9379 does not do: must be off, or on 127'],
  [{ dashboard: 'on' }, '--dashboard=on does not do'],
  [{ metricsPortBase: '0' }, '--metrics-port-base=0 does not do'],
])('%j is refused in one sentence', (texts, words) => {
  const outcome = readHostConfig(texts);
  expect(outcome.kind === 'invalid' ? outcome.message : '').toContain(words);
});

test('every process of the plan has its own admin port and the mark of its supervisor', () => {
  const plans = hostPlan(read({ metricsPortBase: '100', runDir: '/tmp/a' }), '/shoal', '/bin/node');
  expect(plans.map(({ name }) => name)).toEqual([...processNames]);
  const ports = plans.map(({ args }) => args.find((word) => word.startsWith('--metrics-listen=')));
  expect(new Set(ports).size).toBe(processNames.length);
  expect(ports[0]).toBe('--metrics-listen=127.0.0.1:100');
  for (const { name, args } of plans) {
    const flags = nodeFlags(name);
    expect(args.slice(0, flags.length)).toEqual(flags);
  }
  for (const { env } of plans)
    expect(env).toMatchObject({ SHOAL_SUPERVISED_IN: '/tmp/a', ...nodeEnvironment });
});

describe('builds', () => {
  const root = mkdtempSync(join(tmpdir(), 'shoal-builds-'));
  const put = (name: string, text: string): void => {
    mkdirSync(join(root, 'apps', name, 'dist'), { recursive: true });
    writeFileSync(join(root, 'apps', name, 'dist/main.mjs'), text);
  };
  afterAll(() => rmSync(root, { recursive: true }));

  test('are told apart by all bundles of a program, whenever they were written', () => {
    put('api', 'same');
    const program = programOf(root, 'api');
    const before = buildOf(program);
    put('api', 'same');
    writeFileSync(`${program}.map`, 'beside');
    expect(buildOf(program)).toBe(before);
    writeFileSync(join(root, 'apps/api/dist/voter.mjs'), 'thread');
    expect(buildOf(program)).not.toBe(before);
    expect(buildOf(join(root, 'apps/none/dist/main.mjs'))).toBe('');
  });
  test('that run are compared with those that are there', () => {
    for (const name of ['api', 'agent', 'dns', 'scheduler', 'cli']) put(name, name);
    const is = (process: string, build: string | null, pid: number | null = 1) => ({
      process,
      pid,
      build,
    });
    const found = [
      is('dns', 'another'),
      is('api', buildOf(programOf(root, 'api'))),
      is('agent', ''),
      is('scheduler', 'another', null),
      is('api', null),
    ];
    const others = (supervisor: { readonly build: string } | null) =>
      otherBuilds({ supervisor, processes: found }, root);
    expect(others(null)).toEqual(['agent', 'dns']);
    expect(others({ build: buildOf(programOf(root, 'cli')) })).toEqual(['agent', 'dns']);
    expect(others({ build: '' })).toEqual(['agent', 'dns', 'supervisor']);
  });
});

/** The lines of an image's Dockerfile, then those of the image it stands on. */
function linesOf(image: string): readonly string[] {
  const file = join(import.meta.dirname, '../../../../deploy/images', image, 'Dockerfile');
  const lines = readFileSync(file, 'utf8').split('\n');
  const base = lines.map((line) => /^FROM shoal-(node|network)$/.exec(line)?.[1]).find(Boolean);
  return base === undefined ? lines : [...lines, ...linesOf(base)];
}

test.each([...processNames])('the image of %s runs Node.js as the supervisor does', (name) => {
  const lines = linesOf(name);
  const entry = lines.find((line) => line.startsWith('ENTRYPOINT ')) ?? '';
  const words = JSON.parse(entry.replace('ENTRYPOINT ', ''));
  expect(words).toEqual(['/bin/node', ...nodeFlags(name), '/app/start.mjs']);
  const variables = lines
    .filter((line) => line.startsWith('ENV '))
    .flatMap((line) => line.split(' '));
  for (const [variable, value] of Object.entries(nodeEnvironment))
    expect(variables).toContain(`${variable}=${value}`);
});

const root = join(import.meta.dirname, '../../../..');

describe('the health check of an image', () => {
  const gone = 2 ** 22 + 1;

  async function check(
    records: readonly { readonly pid: number; readonly admin: string | null }[],
  ): Promise<{ readonly code: number | null; readonly said: string }> {
    const runDir = mkdtempSync(join(tmpdir(), 'shoal-ready-'));
    onTestFinished(() => rmSync(runDir, { recursive: true }));
    for (const [at, record] of records.entries())
      writeFileSync(join(runDir, `${at}.json`), JSON.stringify(record));
    const script = join(root, 'deploy/images/node/ready.mjs');
    const env = { ...process.env, SHOAL_RUN_DIR: runDir };
    return new Promise((resolve) => {
      const child = execFile(process.execPath, [script], { env }, (_error, said) =>
        resolve({ code: child.exitCode, said }),
      );
    });
  }

  test.each([
    [200, 0],
    [503, 1],
  ])('says what its process says: %i', async (status, code) => {
    const server = createServer((request, response) => {
      response.writeHead(status).end(request.url);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const outcome = await check([
      { pid: gone, admin: null },
      { pid: process.pid, admin: `127.0.0.1:${port}` },
    ]);
    expect(outcome).toEqual({ code, said: '/readyz\n' });
  });
  test('is content with a process that shows no health', async () => {
    const outcome = await check([{ pid: process.pid, admin: null }]);
    expect(outcome).toEqual({ code: 0, said: 'no health is shown\n' });
  });
  test('finds fault where no process of its own is there', async () => {
    const outcome = await check([{ pid: gone, admin: null }]);
    expect(outcome).toMatchObject({ code: 1 });
    expect(outcome.said).toMatch(/^no process of this container has published its address in /);
  });
});

const composeFile = z.object({
  services: z.record(
    z.string(),
    z.object({ environment: z.record(z.string(), z.string().nullable()) }),
  ),
});

describe.each(['manager', 'worker'])('the compose file of a %s', (kind) => {
  const file = join(root, 'deploy/compose', `${kind}.yml`);
  const text = readFileSync(file, 'utf8');
  const runDir = '$' + '{SHOAL_RUN_DIR:-/run/shoal}';
  /** What the line of a service's block, or of a list it takes over, says of each service. */
  const blockOf = (service: string): string => {
    const block = new RegExp(`\\n  ${service}:\\n((?:    .*\\n)+)`).exec(text)?.[1] ?? '';
    const list = /volumes: \*(\S+)/.exec(block)?.[1];
    const shared = new RegExp(`&${list}\\n((?:  - .*\\n)+)`).exec(text)?.[1] ?? '';
    return block + shared;
  };
  const services = [...text.matchAll(/image: shoal-(\S+)/g)].map(([, name = '']) => name);

  test('gives the run directory the path of the host, which its engine knows', () => {
    expect(text).toContain(` SHOAL_RUN_DIR: ${runDir}\n`);
    expect(text).toContain(` SHOAL_SOCKET: ${runDir}/docker.sock\n`);
    for (const service of services)
      expect(blockOf(service), service).toContain(`- ${runDir}:${runDir}\n`);
  });
  test('shares the memory of the host with those that keep secrets there', () => {
    const sharing = services.filter((name) => blockOf(name).includes('- /dev/shm:/dev/shm\n'));
    expect(sharing).toEqual(kind === 'manager' ? services : ['agent']);
  });
  test('passes on what the documents name', () => {
    const documents = ['README.md', 'deploy/README.md', ...globSync('docs/*.md', { cwd: root })];
    const named = documents.flatMap((path) => [
      ...readFileSync(join(root, path), 'utf8').matchAll(/SHOAL_[A-Z_]+/g),
    ]);
    // Of one replica: a file of the user's own says them for one service.
    const others = ['SHOAL_INSTANCE'];
    const variables = new Set(named.map(([name]) => name).filter((one) => !others.includes(one)));
    expect(variables).toContain('SHOAL_IMAGE_SHARE_RATE');
    const found = composeFile.parse(parse(text, { merge: true })).services;
    const passed = (service: string): readonly string[] =>
      Object.keys(found[service]?.environment ?? {});
    for (const variable of variables) {
      const flag = variable
        .replace(/^SHOAL_/, '')
        .toLowerCase()
        .replace(/_[a-z]/g, ([, letter = '']) => letter.toUpperCase());
      const main = (service: string): string =>
        readFileSync(join(root, 'apps', service, 'src/main.ts'), 'utf8');
      const takers = services.filter((one) => main(one).includes(`\n  ${flag}: `));
      for (const taker of takers) expect(passed(taker), taker).toContain(variable);
      const isUsed = services.some((one) => passed(one).includes(variable));
      expect(isUsed || text.includes(`- $\{${variable}:-`), variable).toBe(true);
    }
  });
  test('lets the api see who is in the group docker', () => {
    expect(blockOf('api')).toContain('- /etc/group:/etc/group:ro\n');
  });
});

describe('preflight', () => {
  const debian = 'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n';
  test('installs only as root on Debian and what derives from it', () => {
    expect(canInstall(debian, 0)).toBe(true);
    expect(canInstall('ID=linuxmint\nID_LIKE="ubuntu debian"\n', 0)).toBe(true);
    expect(canInstall(debian, 1000)).toBe(false);
    expect(canInstall('ID=fedora\nID_LIKE="rhel centos"\n', 0)).toBe(false);
    expect(canInstall('', 0)).toBe(false);
  });
  test('finds programs, those of root included', () => {
    expect(findProgram('sh')).toMatch(/\/sh$/);
    expect(findProgram('sh', '')).toBeUndefined();
    expect(findProgram('no-such-program')).toBeUndefined();
  });
  test('says what is missing and what to do', () => {
    expect(missingSentences([dockerEngine])).toEqual([
      'dockerd is missing (the Docker Engine runs the containers): install docker.io, or what your system calls it',
    ]);
  });
});

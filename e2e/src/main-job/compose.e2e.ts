// Compose files of today, deployed as stacks by the docker command.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type CommandResult, run } from '../host/command.ts';
import { repository } from '../host/engine.ts';
import { Host } from '../host/host.ts';
import { eventually } from '../host/wait.ts';

let host: Host;
const directory = (): string => join(inject('scratch'), 'compose-files');

beforeAll(async () => {
  host = await Host.create('compose');
  await host.up();
  await host.init();
});

afterAll(async () => {
  await host.destroy();
});

function fileWith(name: string, content: string): string {
  const path = join(directory(), name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

function deploy(file: string, stack: string, ...flags: readonly string[]): Promise<CommandResult> {
  const own = [`--socket=${host.socket}`, `--file=${file}`, ...flags];
  const args = ['compose', 'deploy', ...own, stack, '--', '--detach=true'];
  return run(join(repository, 'shoal'), args);
}

/** The container of the first task of a service, once it runs. */
function containerOf(service: string): Promise<string> {
  return eventually(`a container of ${service}`, async () => {
    const [id] = [...(await host.containers(service)).values()];
    return id;
  });
}

async function inContainer(id: string, ...command: readonly string[]): Promise<string> {
  return (await host.tryDocker(['exec', id, ...command])).stdout;
}

test('an application of today runs: variables, profiles, order, files in the file, and what docker run can', async () => {
  fileWith('shop/.env', 'GREETING=hello from .env\nDB_KEY=hidden-value\n');
  fileWith('shop/web.env', 'FROM_FILE=$GREETING!\n');
  const file = fileWith(
    'shop/compose.yaml',
    `
name: shop
services:
  db:
    image: busybox
    command: [sleep, 1d]
    stop_signal: KILL
    network_mode: host
    shm_size: 96m
    secrets: [key]
    healthcheck: {test: [CMD, test, -e, /tmp/ready], interval: 1s, retries: 600}
  web:
    image: busybox
    container_name: the-web
    command: [sleep, 1d]
    stop_signal: KILL
    network_mode: host
    env_file: [{path: web.env, required: true}, {path: none.env, required: false}]
    environment: {PRICE: "5$$", GREETING: "\${GREETING}"}
    depends_on: {db: {condition: service_healthy}, migrate: {condition: service_completed_successfully}}
    configs: [{source: page, target: /page}]
  migrate: {image: busybox, command: ["true"], network_mode: host}
  debug: {image: busybox, profiles: [debug]}
configs:
  page: {content: "greeting: \${GREETING}\\n"}
secrets:
  key: {environment: DB_KEY}
`,
  );
  const memory = (): readonly string[] =>
    readdirSync('/dev/shm').filter((name) => name.startsWith('shoal-compose-'));
  const before = memory();
  const { code, stderr } = await deploy(file, 'shop');
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stderr).toContain('shoal: service web: container_name is left out');
  expect(stderr).not.toContain('hidden-value');
  expect(memory()).toEqual(before);
  const names = (await host.docker('stack', 'services', '--format={{.Name}}', 'shop')).trim();
  expect(names.split('\n').sort()).toEqual(['shop_db', 'shop_migrate', 'shop_web']);

  const db = await containerOf('shop_db');
  // The one waits for the health of the other, and says so.
  await eventually('web waits for db', async () =>
    (await host.asking('explain', 'shop_web')).stdout.includes('waits for db to be healthy'),
  );
  await inContainer(db, 'touch', '/tmp/ready');
  await host.converged('shop_web', '1/1');
  const web = await containerOf('shop_web');
  expect(await inContainer(db, 'cat', '/run/secrets/key')).toBe('hidden-value');
  expect(await inContainer(db, 'df', '-m', '/dev/shm')).toMatch(/ 96 /);
  expect(await inContainer(web, 'cat', '/page')).toBe('greeting: hello from .env\n');
  const migrated = await host.docker('service', 'ps', '--format={{.CurrentState}}', 'shop_migrate');
  expect(migrated).toMatch(/^Complete [^\n]+\n$/);
  const environment = await inContainer(web, 'env');
  expect(environment).toContain('PRICE=5$\n');
  expect(environment).toContain('FROM_FILE=hello from .env!\n');
  await host.docker('stack', 'rm', 'shop');
});

/** The spec of each service of a stack, without the stack's own name. */
async function specsOf(stack: string): Promise<unknown> {
  const ids = (await host.docker('stack', 'services', '--quiet', stack)).trim().split('\n');
  const all = JSON.parse(await host.docker('service', 'inspect', ...ids)) as {
    Spec: { Name: string };
  }[];
  const specs = all.map(({ Spec }) => Spec).sort((a, b) => (a.Name < b.Name ? -1 : 1));
  return JSON.parse(JSON.stringify(specs).replaceAll(stack, 'STACK'));
}

test('a stack file as it has ever been becomes the same services as by docker stack deploy', async () => {
  const file = fileWith(
    'old/stack.yml',
    `
version: "3.8"
services:
  web:
    image: busybox:latest
    command: sleep 1d
    entrypoint: ["/bin/sh", "-c"]
    environment:
      - A=1
      - B=two words
    labels: {inside: "yes"}
    networks: [outside]
    cap_add: [NET_ADMIN]
    dns: 10.0.0.1
    extra_hosts: ["other:10.0.0.7"]
    hostname: web-host
    init: true
    read_only: true
    stop_grace_period: 20s
    stop_signal: SIGUSR1
    sysctls: {net.core.somaxconn: 1024}
    tmpfs: /tmp
    ulimits: {nofile: {soft: 100, hard: 200}, nproc: 50}
    user: "1000"
    working_dir: /tmp
    volumes: [data:/data, {type: tmpfs, target: /t, tmpfs: {size: 1000}}]
    configs: [{source: page, target: /page, mode: 0440}]
    healthcheck: {test: ["CMD", "true"], interval: 10s, timeout: 3s, retries: 4, start_period: 1m}
    logging: {driver: json-file, options: {max-size: 1m}}
    deploy:
      replicas: 0
      labels: {outside: "yes"}
      endpoint_mode: dnsrr
      placement: {constraints: [node.role==manager], preferences: [{spread: node.labels.zone}], max_replicas_per_node: 3}
      resources: {limits: {cpus: "0.5", memory: 64M}, reservations: {cpus: "0.25", memory: 32M}}
      restart_policy: {condition: on-failure, delay: 3s, max_attempts: 2, window: 10s}
      update_config: {parallelism: 2, delay: 5s, order: start-first, failure_action: rollback, monitor: 6s, max_failure_ratio: 0.2}
      rollback_config: {parallelism: 0}
  agent:
    image: busybox
    networks: [outside]
    ports: []
    deploy: {mode: global, placement: {constraints: [node.labels.none==here]}}
networks: {outside: {external: true, name: host}}
volumes: {data: {labels: {of: data}}}
configs: {page: {file: ./page.txt}}
`,
  );
  fileWith('old/page.txt', 'a page');
  await host.docker('stack', 'deploy', '--detach=true', '--compose-file', file, 'bydocker');
  const { code, stderr } = await deploy(file, 'byshoal');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const config = (specs: unknown): unknown =>
    JSON.parse(JSON.stringify(specs).replaceAll(/"ConfigID":"\w+"/g, '"ConfigID":"one"'));
  expect(config(await specsOf('byshoal'))).toEqual(config(await specsOf('bydocker')));
  await host.docker('stack', 'rm', 'byshoal', 'bydocker');
});

test('what cannot be is refused before anything is deployed', async () => {
  const file = fileWith('broken/compose.yaml', 'services: {web: {build: .}}');
  const { code, stderr } = await deploy(file, 'broken');
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr:
      'shoal: service web has no image: a swarm builds none, so build it (docker compose build) and name it by image:\n',
  });
  expect(await host.docker('stack', 'ls', '--format={{.Name}}')).toBe('');
});

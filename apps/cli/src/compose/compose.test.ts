// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as Compose files have them
import { describe, expect, test } from 'vitest';
import { type ComposeRequest, loadProject } from './load.ts';
import { type Stack, translateStack } from './stack.ts';
import { mapOf, type YamlMap } from './yaml-value.ts';

type Files = Readonly<Record<string, string>>;

async function stackOf(
  files: Files | string,
  request: Partial<ComposeRequest> = {},
  variables: Readonly<Record<string, string>> = {},
): Promise<Stack> {
  const all: Files = typeof files === 'string' ? { '/app/compose.yaml': files } : files;
  const project = await loadProject(
    { files: ['/app/compose.yaml'], envFiles: [], profiles: [], ...request },
    { read: async (path) => all[path], environment: (name) => variables[name], home: '/home/me' },
  );
  return translateStack(project, {
    envFile: (path) => all[path],
    placeOf: (kind, name) => `/memory/${kind}.${name}`,
  });
}

/** What a service with these settings is in the stack. */
async function serviceOf(settings: string, more: Files = {}): Promise<YamlMap> {
  const lines = settings.split('\n').map((line) => `    ${line}`);
  const text = `services:\n  web:\n    image: web\n${lines.join('\n')}\n`;
  const { content } = await stackOf({ '/app/compose.yaml': text, ...more });
  const { image: _, ...rest } = mapOf(mapOf(content['services'])['web']);
  return rest;
}

describe('a service', () => {
  test.each<[string, string, YamlMap]>([
    [
      'privileged and devices',
      'privileged: true\ndevices: ["/dev/fuse", "/dev/sda:/dev/xvda:r"]',
      { labels: { 'shoal.privileged': 'true', 'shoal.devices': '/dev/fuse,/dev/sda:/dev/xvda:r' } },
    ],
    [
      'what it shares',
      'ipc: host\npid: host\nshm_size: 256m\nuserns_mode: host',
      {
        labels: {
          'shoal.ipc': 'host',
          'shoal.pid': 'host',
          'shoal.shm-size': '256m',
          'shoal.userns': 'host',
        },
      },
    ],
    [
      'security options in both spellings',
      'security_opt: ["seccomp:unconfined", no-new-privileges]',
      { labels: { 'shoal.security-opt': 'seccomp=unconfined,no-new-privileges' } },
    ],
    [
      'its own label first',
      'privileged: true\nlabels: [shoal.privileged=false, a=1]',
      { labels: { 'shoal.privileged': 'false', a: '1' } },
    ],
    ['gpus', 'gpus: all', { labels: { 'shoal.gpus': 'all' } }],
    [
      'reserved devices',
      'deploy:\n  resources:\n    reservations:\n      devices: [{driver: nvidia, count: 2, capabilities: [gpu]}]',
      { labels: { 'shoal.gpus': '2' } },
    ],
    [
      'devices by id',
      'deploy:\n  resources:\n    reservations:\n      devices: [{device_ids: ["0", "3"], capabilities: [gpu]}]',
      { labels: { 'shoal.gpus': 'device=0,3' } },
    ],
    [
      'limits of docker run',
      'cpus: 1.5\nmem_limit: 512m\nmem_reservation: 128m\npids_limit: 100',
      {
        deploy: {
          resources: {
            limits: { cpus: '1.5', memory: '512m', pids: 100 },
            reservations: { memory: '128m' },
          },
        },
      },
    ],
    [
      'limits of deploy before them',
      'cpus: 1\ndeploy: {resources: {limits: {cpus: 2}}}',
      { deploy: { resources: { limits: { cpus: '2' } } } },
    ],
    ['restart never', 'restart: "no"', { deploy: { restart_policy: { condition: 'none' } } }],
    [
      'restart never, without quotes',
      'restart: no',
      { deploy: { restart_policy: { condition: 'none' } } },
    ],
    [
      'restart on failure',
      'restart: on-failure:3',
      { deploy: { restart_policy: { condition: 'on-failure', max_attempts: 3 } } },
    ],
    ['restart always, as ever', 'restart: unless-stopped', {}],
    [
      'a policy before it',
      'restart: "no"\ndeploy: {restart_policy: {condition: any, max_attempts: "2"}}',
      { deploy: { restart_policy: { condition: 'any', max_attempts: 2 } } },
    ],
    [
      'numbers in quotes',
      'scale: "2"\ndeploy: {update_config: {parallelism: "2", max_failure_ratio: "0.1", order: start-first}}',
      {
        deploy: {
          replicas: 2,
          update_config: { parallelism: 2, max_failure_ratio: 0.1, order: 'start-first' },
        },
      },
    ],
    [
      'a platform',
      'platform: linux/arm64',
      {
        deploy: {
          placement: { constraints: ['node.platform.os==linux', 'node.platform.arch==aarch64'] },
        },
      },
    ],
    [
      'ports',
      'ports:\n  - "8080:80"\n  - {target: 53, published: "53", protocol: udp, mode: host, app_protocol: dns}',
      { ports: ['8080:80', { target: 53, published: 53, protocol: 'udp', mode: 'host' }] },
    ],
    [
      'environment of every kind',
      'environment: {A: true, B: 1.5, C: "", D: "x$$y"}',
      { environment: { A: 'true', B: '1.5', C: '', D: 'x$$y' } },
    ],
    [
      'hosts in both forms',
      'extra_hosts: ["a=10.0.0.1", "b:10.0.0.2"]',
      { extra_hosts: ['a:10.0.0.1', 'b:10.0.0.2'] },
    ],
    [
      'hosts as a map',
      'extra_hosts: {a: [10.0.0.1, 10.0.0.2]}',
      { extra_hosts: ['a:10.0.0.1', 'a:10.0.0.2'] },
    ],
    ['the host’s network', 'network_mode: host', { networks: { host: null } }],
    [
      'aliases',
      'networks: {front: {aliases: [www]}, back: }',
      { networks: { front: { aliases: ['www'] }, back: null } },
    ],
    [
      'paths where the file is',
      'volumes: ["./data:/data:ro", "named:/n", "~/x:/x", {type: bind, source: ../up, target: /u, bind: {create_host_path: true}}]',
      {
        volumes: [
          '/app/data:/data:ro',
          'named:/n',
          '/home/me/x:/x',
          { type: 'bind', source: '/up', target: '/u' },
        ],
      },
    ],
    [
      'a size in memory',
      'volumes: [{type: tmpfs, target: /t, tmpfs: {size: 64m}}]',
      { volumes: [{ type: 'tmpfs', target: '/t', tmpfs: { size: 67_108_864 } }] },
    ],
    [
      'modes of files',
      'secrets: [plain, {source: a, target: b, mode: 0440}, {source: c, mode: "0400"}]',
      {
        secrets: ['plain', { source: 'a', target: 'b', mode: 0o440 }, { source: 'c', mode: 0o400 }],
      },
    ],
    [
      'a health check',
      'healthcheck: {test: [CMD, "true"], retries: "3", interval: 5s}',
      { healthcheck: { test: ['CMD', 'true'], retries: 3, interval: '5s' } },
    ],
    ['a command with numbers', 'command: [sleep, 100]', { command: ['sleep', '100'] }],
    [
      'options of the log',
      'logging: {driver: local, options: {max-file: 3}}',
      { logging: { driver: 'local', options: { 'max-file': '3' } } },
    ],
  ])('%s', async (_what, settings, expected) => {
    expect(await serviceOf(settings)).toEqual({ environment: {}, ...expected });
  });

  test('has what its env files say, then what it says itself', async () => {
    const files = { '/app/a.env': 'A=1\nB=from-a\nC=${A}2', '/app/raw.env': 'R=$A' };
    const settings =
      'env_file: [a.env, {path: raw.env, format: raw}, {path: none.env, required: false}]\nenvironment: [B=own]';
    expect(await serviceOf(settings, files)).toEqual({
      environment: { A: '1', B: 'own', C: '12', R: '$$A' },
    });
  });

  test.each([
    ['privileged: maybe', 'web.privileged is true or false, not maybe'],
    ['deploy: {replicas: many}', 'web.deploy.replicas is a number, not "many"'],
    ['deploy: {replicas: 1.5}', 'web.deploy.replicas is a whole number, not 1.5'],
    ['restart: sometimes', 'restart is no, always, on-failure or unless-stopped, not sometimes'],
    ['env_file: none.env', 'there is no env_file /app/none.env'],
    ['depends_on: [db]', 'service web depends on db, which is not there'],
    ['depends_on: {web: {condition: soon}}', 'condition is one of service_started'],
    ['volumes: [{type: image, source: a, target: /b}]', 'no mounts of type image'],
    ['secrets: [{source: a, mode: rw}]', 'the mode of a is octal, such as 0440, not rw'],
  ])('%s is refused', async (settings, message) => {
    await expect(serviceOf(settings)).rejects.toThrow(message);
  });

  test('without an image is refused, and it is said what builds one', async () => {
    await expect(stackOf('services: {web: {build: .}}')).rejects.toThrow(
      'service web has no image: a swarm builds none, so build it (docker compose build)',
    );
  });
});

test('what a swarm has nothing like is told, once for each', async () => {
  const { notes } = await stackOf(`
services:
  web:
    image: web
    container_name: the-web
    mem_swappiness: 10
    x-own: 1
    build: .
    ports: [{target: 80, published: "8080-8090", host_ip: 127.0.0.1}]
    networks: {front: {ipv4_address: 10.0.0.9}}
    network_mode: service:db
    depends_on: {db: {condition: service_started, restart: true}}
  db: {image: db}
networks:
  front: {driver: bridge, enable_ipv6: true, ipam: {config: [{subnet: 10.9.0.0/24, gateway: 10.9.0.1}]}}
`);
  expect(notes).toEqual([
    'service web: container_name is left out: containers are called after their task, and services by their name',
    'service web: mem_swappiness is left out: a swarm has nothing like it',
    'service web: port 80 is published on every address, not on 127.0.0.1 alone',
    'service web: of the ports 8080-8090, 8080 is published',
    'service web: network_mode service:db is left out: tasks share no network of their own with others',
    'service web: networks.front.ipv4_address is left out: the swarm gives addresses itself',
    'service web: depends_on.db.restart is left out: a task is restarted for its own sake only',
    'network front: enable_ipv6 is left out: stack files cannot say it',
    'network front: of ipam, gateway is left out: stack files cannot say it',
  ]);
});

test('services wait for each other, as they say', async () => {
  const { content } = await stackOf(`
services:
  web:
    image: web
    depends_on:
      db: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
      tools: {condition: service_started, required: false}
  migrate: {image: m, depends_on: [db]}
  db: {image: db}
  tools: {image: t, profiles: [debug]}
`);
  const labels = (name: string) =>
    mapOf(mapOf(mapOf(content['services'])[name])['deploy'])['labels'];
  expect(labels('web')).toEqual({ 'shoal.depends-on': 'db:healthy,migrate:completed' });
  expect(labels('migrate')).toEqual({ 'shoal.depends-on': 'db:started' });
  const policy = (name: string) =>
    mapOf(mapOf(mapOf(content['services'])[name])['deploy'])['restart_policy'];
  // What is waited for until it has completed does not begin anew when it has.
  expect(policy('migrate')).toEqual({ condition: 'on-failure' });
  expect(policy('web')).toBeUndefined();
  expect(labels('db')).toBeUndefined();
  expect(Object.keys(mapOf(content['services']))).toEqual(['web', 'migrate', 'db']);
});

describe('networks, volumes, secrets and configs', () => {
  test('as stack files have them', async () => {
    const { content, inline } = await stackOf(
      `
name: shop
services: {web: {image: web, network_mode: none}}
networks:
  front: {driver: bridge, attachable: "true", labels: [a=1]}
  back: {external: true, name: shared}
  old: {external: {name: other}}
  own: {driver: overlay, ipam: {config: [{subnet: 10.9.0.0/24}]}}
volumes: {data: , big: {driver: nfs, driver_opts: {size: 10}}, kept: {external: true}}
secrets:
  a: {file: ./a.txt}
  b: {environment: B_VALUE}
configs:
  c: {content: "port = \${PORT}\\n"}
  d: {external: true}
`,
      {},
      { PORT: '80', B_VALUE: 'hidden$' },
    );
    expect(content['networks']).toEqual({
      front: { attachable: true, labels: { a: '1' } },
      back: { external: true, name: 'shared' },
      old: { external: true, name: 'other' },
      own: { driver: 'overlay', ipam: { config: [{ subnet: '10.9.0.0/24' }] } },
      none: { external: true, name: 'none' },
    });
    expect(content['volumes']).toEqual({
      data: {},
      big: { driver: 'nfs', driver_opts: { size: '10' } },
      kept: { external: true },
    });
    expect(content['secrets']).toEqual({
      a: { file: '/app/a.txt' },
      b: { file: '/memory/secret.b' },
    });
    expect(content['configs']).toEqual({ c: { file: '/memory/config.c' }, d: { external: true } });
    expect(Object.fromEntries(inline)).toEqual({
      '/memory/secret.b': 'hidden$',
      '/memory/config.c': 'port = 80\n',
    });
    expect(content['version']).toBe('3.9');
    expect(content['name']).toBeUndefined();
    expect(JSON.stringify(content)).not.toContain('hidden');
  });

  test.each([
    ['secrets: {a: {}}', 'secret a has no file, no content and no environment'],
    ['secrets: {a: {environment: NONE}}', 'takes its value from variable NONE, which is not set'],
    ['networks: {a: {external: perhaps}}', 'network a.external is true or false, not perhaps'],
  ])('%s is refused', async (text, message) => {
    await expect(stackOf(`services: {web: {image: web}}\n${text}`)).rejects.toThrow(message);
  });
});

describe('several files', () => {
  const base = `
services:
  web:
    image: web:1
    command: [run, it]
    environment: [A=1, B=2]
    ports: ["80:80"]
    volumes: ["data:/data"]
    depends_on: [db]
    networks: [front]
    deploy: {replicas: 1, labels: {x: "1"}}
  db: {image: db}
networks: {front: , back: }
volumes: {data: , other: }
`;

  async function webOf(over: string): Promise<YamlMap> {
    const files = { '/app/compose.yaml': base, '/app/over.yaml': over };
    const { content } = await stackOf(files, { files: ['/app/compose.yaml', '/app/over.yaml'] });
    return mapOf(mapOf(content['services'])['web']);
  }

  test('the later one joins maps, adds to lists, replaces commands and what is about the same place', async () => {
    const web = await webOf(`
services:
  web:
    image: web:2
    command: other
    environment: {B: 3, C: 4}
    ports: ["443:443"]
    volumes: ["other:/data", "./more:/more"]
    depends_on: {db: {condition: service_healthy}}
    networks: {back: {aliases: [w]}}
    deploy: {replicas: 5}
`);
    expect(web).toEqual({
      image: 'web:2',
      command: 'other',
      environment: { A: '1', B: '3', C: '4' },
      ports: ['80:80', '443:443'],
      volumes: ['other:/data', '/app/more:/more'],
      networks: { front: null, back: { aliases: ['w'] } },
      deploy: { replicas: 5, labels: { x: '1', 'shoal.depends-on': 'db:healthy' } },
    });
  });

  test('labels of a deployment are joined, whichever way they are written', async () => {
    const web = await webOf('services: {web: {deploy: {labels: ["y=2", "x=3"]}}}');
    expect(mapOf(web['deploy'])['labels']).toMatchObject({ x: '3', y: '2' });
  });

  test('what is reset is gone, and what is overridden is all there is', async () => {
    const web = await webOf(`
services:
  web:
    ports: !override ["443:443"]
    environment: !override {Z: "9"}
    volumes: !reset null
    command: !reset []
    depends_on: !reset {}
`);
    expect(web).toMatchObject({ ports: ['443:443'], environment: { Z: '9' } });
    expect(Object.keys(web)).not.toContain('volumes');
    expect(Object.keys(web)).not.toContain('command');
    expect(mapOf(web['deploy'])['labels']).toEqual({ x: '1' });
  });

  test('include others, from where those are', async () => {
    const { content } = await stackOf({
      '/app/compose.yaml': 'include: [db/compose.yaml]\nservices: {web: {image: web}}',
      '/app/db/compose.yaml':
        'services: {db: {image: "db:${TAG}", volumes: ["./data:/d"]}}\nvolumes: {v: }',
      '/app/db/.env': 'TAG=7',
    });
    expect(content['services']).toEqual({
      db: { image: 'db:7', volumes: ['/app/db/data:/d'], environment: {} },
      web: { image: 'web', environment: {} },
    });
    expect(content['volumes']).toEqual({ v: {} });
  });

  test('extend services of their own and of other files', async () => {
    const { content } = await stackOf({
      '/app/compose.yaml': `
services:
  web: {extends: {file: base/common.yaml, service: app}, environment: {B: own}}
  job: {extends: web, command: job}
`,
      '/app/base/common.yaml':
        'services: {app: {image: app, environment: {A: base, B: base}, volumes: ["./x:/x"]}}',
    });
    expect(content['services']).toEqual({
      web: { image: 'app', environment: { A: 'base', B: 'own' }, volumes: ['/app/base/x:/x'] },
      job: {
        image: 'app',
        command: 'job',
        environment: { A: 'base', B: 'own' },
        volumes: ['/app/base/x:/x'],
      },
    });
  });

  test.each<[string, Files, string]>([
    ['one that is not there', {}, 'there is no file /app/compose.yaml'],
    ['no map', { '/app/compose.yaml': '- a' }, 'is no map of services'],
    ['no YAML', { '/app/compose.yaml': 'a: [' }, '/app/compose.yaml: '],
    ['nothing', { '/app/compose.yaml': '' }, 'there is no service to deploy'],
    ['a circle of files', { '/app/compose.yaml': 'include: [compose.yaml]' }, 'includes itself'],
    [
      'a circle of services',
      { '/app/compose.yaml': 'services: {a: {extends: b}, b: {extends: a}}' },
      'extends itself',
    ],
    [
      'one that extends nothing',
      { '/app/compose.yaml': 'services: {a: {extends: b}}' },
      'service a extends b, which is not there',
    ],
    [
      'a variable that must be',
      { '/app/compose.yaml': 'services: {a: {image: "${TAG:?which}"}}' },
      'services.a.image: variable TAG must be set: which',
    ],
  ])('%s is refused', async (_what, files, message) => {
    await expect(stackOf(files)).rejects.toThrow(message);
  });
});

test('profiles, anchors, and variables from .env behind those of the environment', async () => {
  const files = {
    '/app/compose.yaml': `
x-base: &base {image: "app:\${TAG}", environment: &env {WHO: "\${WHO:-nobody}"}}
services:
  web: {<<: *base, environment: {<<: *env, MORE: "1"}}
  debug: {<<: *base, profiles: [debug]}
`,
    '/app/.env': 'TAG=1\nWHO=file',
    '/app/other.env': 'TAG=2',
  };
  const names = async (profiles: readonly string[]) =>
    Object.keys(mapOf((await stackOf(files, { profiles })).content['services']));
  expect(await names([])).toEqual(['web']);
  expect(await names(['debug'])).toEqual(['web', 'debug']);
  expect(await names(['*'])).toEqual(['web', 'debug']);
  const web = async (request: Partial<ComposeRequest>, variables = {}) =>
    mapOf((await stackOf(files, request, variables)).content['services'])['web'];
  expect(await web({})).toEqual({ image: 'app:1', environment: { WHO: 'file', MORE: '1' } });
  expect(await web({}, { TAG: '9' })).toMatchObject({ image: 'app:9' });
  expect(await web({ envFiles: ['/app/other.env'] })).toMatchObject({
    image: 'app:2',
    environment: { WHO: 'nobody' },
  });
});

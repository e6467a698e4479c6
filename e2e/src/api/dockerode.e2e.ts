// A program with dockerode, the library of JavaScript's world.
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import Docker from 'dockerode';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import type { Machine } from '../hosts/machine.ts';
import { deadlineMs } from '../scheduling/services.ts';
import { useSwarm } from './fleet.ts';
import { streamsOf } from './raw.ts';

const swarm = useSwarm();
let docker: Docker;
let machine: Machine;

beforeAll(() => {
  machine = swarm().m1;
  docker = new Docker({ socketPath: machine.socket });
});

const idle = { Image: 'busybox', Args: ['sleep', '1d'], StopSignal: 'SIGKILL' };

interface TaskShape {
  readonly ID: string;
  readonly NodeID: string;
  readonly Status: { readonly State: string };
}

async function running(service: string, count: number): Promise<readonly TaskShape[]> {
  return eventually(
    `${service} runs ${count} times`,
    async () => {
      const filters = { service: [service], 'desired-state': ['running'] };
      const tasks = (await docker.listTasks({ filters })) as readonly TaskShape[];
      const states = tasks.map(({ Status }) => Status.State);
      if (states.length === count && states.every((state) => state === 'running')) return tasks;
      throw new Error(JSON.stringify(states));
    },
    deadlineMs,
  );
}

/** The error that the server answers with. */
async function refusal(call: Promise<unknown>): Promise<{ statusCode: number; reason: unknown }> {
  try {
    await call;
  } catch (error) {
    const { statusCode, json } = error as { statusCode: number; json: { message: unknown } };
    return { statusCode, reason: json.message };
  }
  throw new Error('it was not refused');
}

describe('the swarm', () => {
  test('a service is made, listed, updated, followed and removed', async () => {
    const mode = { Replicated: { Replicas: 2 } };
    const { id } = await docker.createService({
      Name: 'web',
      TaskTemplate: { ContainerSpec: idle },
      Mode: mode,
    });
    await running('web', 2);
    const service = docker.getService(id);
    const found = (await service.inspect()) as {
      readonly Spec: Docker.ServiceSpec;
      readonly Version: { readonly Index: number };
    };
    expect(found.Spec).toMatchObject({ Name: 'web', Mode: mode });
    const [listed] = await docker.listServices({ filters: { name: ['web'] } });
    expect(listed?.ID).toBe(id);
    const changed = { ...found.Spec, Mode: { Replicated: { Replicas: 1 } } };
    await service.update({ ...changed, version: found.Version.Index });
    await running('web', 1);
    expect(await refusal(service.update({ ...changed, version: found.Version.Index }))).toEqual({
      statusCode: 500,
      reason: 'rpc error: code = Unknown desc = update out of sequence',
    });
    await service.remove();
    expect(await refusal(service.inspect())).toEqual({
      statusCode: 404,
      reason: `service ${id} not found`,
    });
  });

  test('its nodes, secrets, configs and networks', async () => {
    const nodes = (await docker.listNodes()) as readonly { readonly ID: string }[];
    expect(nodes).toHaveLength(4);
    const { JoinTokens } = (await docker.swarmInspect()) as { JoinTokens: { Worker: string } };
    expect(JoinTokens.Worker).toMatch(/^SWMTKN-1-/);
    const secret = await docker.createSecret({ Name: 'key', Data: btoa('s3cret'), Labels: {} });
    expect((await docker.getSecret(secret.id).inspect()) as object).toMatchObject({
      Spec: { Name: 'key' },
    });
    const config = await docker.createConfig({ Name: 'rules', Data: btoa('allow'), Labels: {} });
    expect((await docker.getConfig(config.id).inspect()) as object).toMatchObject({
      Spec: { Name: 'rules', Data: btoa('allow') },
    });
    const network = await docker.createNetwork({ Name: 'front', Driver: 'overlay' });
    expect(await network.inspect()).toMatchObject({ Name: 'front', Scope: 'swarm' });
    await network.remove();
    await docker.getSecret(secret.id).remove();
    await docker.getConfig(config.id).remove();
  });

  test('logs and events are streams', async () => {
    const events = await docker.getEvents({ filters: { type: ['service'], event: ['create'] } });
    const Args = ['sh', '-c', 'echo one; echo two >&2; exec sleep 1d'];
    const { id } = await docker.createService({
      Name: 'talk',
      TaskTemplate: { ContainerSpec: { ...idle, Args } },
    });
    const [event] = (await once(events, 'data')) as [Buffer];
    expect(JSON.parse(event.toString())).toMatchObject({
      Type: 'service',
      Action: 'create',
      Actor: { ID: id, Attributes: { name: 'talk' } },
    });
    (events as Readable).destroy();
    await running('talk', 1);
    const lines = await eventually('both lines', async () => {
      const answer: unknown = await docker.getService(id).logs({ stdout: true, stderr: true });
      const { stdout, stderr } = streamsOf(Buffer.from(answer as Buffer));
      return stdout.length > 0 && stderr.length > 0 && [stdout.toString(), stderr.toString()];
    });
    expect(lines).toEqual(['one\n', 'two\n']);
  });
});

describe('the engine of the host', () => {
  afterEach(async () => {
    const ids = await machine.engine('ps', '--all', '--quiet', '--filter', 'name=ode');
    const some = ids.split('\n').filter(Boolean);
    if (some.length > 0) await machine.engine('rm', '--force', ...some);
  });

  async function box(Cmd: readonly string[], options: object = {}): Promise<Docker.Container> {
    return docker.createContainer({ name: 'ode', Image: 'busybox', Cmd: [...Cmd], ...options });
  }

  test('exec: what is typed comes back, and the end of the typing is told', async () => {
    const container = await box(['sleep', '1d']);
    await container.start();
    const exec = await container.exec({ Cmd: ['cat'], AttachStdin: true, AttachStdout: true });
    const stream = (await exec.start({ hijack: true, stdin: true })) as Duplex;
    stream.end('typed');
    expect(streamsOf(await buffer(stream)).stdout.toString()).toBe('typed');
    expect(await exec.inspect()).toMatchObject({ ExitCode: 0, Running: false });
  });

  test('attach: a container that waits for what it is told', async () => {
    const container = await box(['sh', '-c', 'cat; echo gone >&2'], {
      OpenStdin: true,
      StdinOnce: true,
    });
    const all = { stream: true, stdin: true, stdout: true, stderr: true };
    const stream = (await container.attach({ ...all, hijack: true })) as Duplex;
    await container.start();
    stream.end('words');
    const { stdout, stderr } = streamsOf(await buffer(stream));
    expect([stdout.toString(), stderr.toString()]).toEqual(['words', 'gone\n']);
    expect(await container.wait()).toMatchObject({ StatusCode: 0 });
  });

  test('run with a terminal', async () => {
    const container = await box(['sh', '-c', 'read line; echo "heard $line"'], {
      Tty: true,
      OpenStdin: true,
    });
    const all = { stream: true, stdin: true, stdout: true, stderr: true };
    const stream = (await container.attach({ ...all, hijack: true })) as Duplex;
    await container.start();
    await container.resize({ h: 24, w: 80 });
    stream.write('words\n');
    expect(await text(stream)).toBe('words\r\nheard words\r\n');
  });

  test('images: built, pushed to a registry, pulled, saved and loaded', async () => {
    const registry = await startRegistry();
    const scratch = mkdtempSync(join(tmpdir(), 'shoal-dockerode-'));
    try {
      const name = `127.0.0.1:${registryPort}/ode`;
      writeFileSync(join(scratch, 'Dockerfile'), 'FROM busybox\nLABEL made=here\n');
      const context = { context: scratch, src: ['Dockerfile'] };
      const built = await docker.buildImage(context, { t: name });
      expect((await followed(built)).at(-1)).toEqual({
        stream: `Successfully tagged ${name}:latest\n`,
      });
      const image = docker.getImage(name);
      const { Id } = await image.inspect();
      const pushed = await followed(await image.push({ authconfig: {} }));
      expect(JSON.stringify(pushed)).toContain('latest: digest: sha256:');
      await image.remove();
      const pulled = await followed(await docker.pull(name));
      expect(JSON.stringify(pulled)).toContain('Downloaded newer image');
      expect((await image.inspect()).Id).toBe(Id);
      const archive = await buffer((await image.get()) as Readable);
      await image.remove();
      const loaded = await followed((await docker.loadImage(archive as never)) as Readable);
      expect(JSON.stringify(loaded)).toContain(`Loaded image: ${name}:latest`);
      await image.remove();
    } finally {
      rmSync(scratch, { recursive: true, force: true });
      await registry.stop();
    }
  });
});

const registryPort = 5055;

/** Debian's registry inside the machine, where engines trust it without certificates. */
async function startRegistry(): Promise<{ stop(): Promise<void> }> {
  copyFileSync('/usr/bin/docker-registry', machine.path('/tmp/docker-registry'));
  const settings = {
    version: '0.1',
    storage: { filesystem: { rootdirectory: '/tmp/registry' } },
    http: { addr: `127.0.0.1:${registryPort}` },
  };
  const config = '/tmp/registry.json';
  const write = `printf '%s' '${JSON.stringify(settings)}' >${config}`;
  const start = `${write}; /tmp/docker-registry serve ${config} >/tmp/registry.log 2>&1 & echo $!`;
  const pid = (await machine.exec('sh', '-c', start)).trim();
  await eventually('the registry answers', async () => {
    const probe = ['sh', '-c', `: </dev/tcp/127.0.0.1/${registryPort}`];
    const { code } = await machine.tryExec(['bash', ...probe.slice(1)]);
    return code === 0;
  });
  return {
    async stop() {
      await machine.exec('kill', pid);
    },
  };
}

/** The objects of a stream of progress, once it has ended. */
function followed(stream: NodeJS.ReadableStream): Promise<readonly unknown[]> {
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(stream, (error, output) => {
      if (error === null) resolve(output);
      else reject(error);
    });
  });
}

import type { IncomingMessage } from 'node:http';
import { type Clock, errorMessage, type Monotonic } from '@shoal/runtime';
import type { NodeDescription, TaskAssignment } from '@shoal/state';
import { z } from 'zod';
import { EngineImages } from '../images/engine-images.ts';
import { ImageMemory, type ImageNotes } from '../images/image-memory.ts';
import { formatMoment, type LogBatch, LogReader, type LogRequest } from '../logs/records.ts';
import { containerConfig, containerName, endpoint, swarmLabels } from './container-config.ts';
import {
  type ContainerNetwork,
  type ContainerNetworks,
  noContainerNetworks,
} from './container-networks.ts';
import type {
  ContainerEvent,
  Engine,
  EngineResult,
  ListedContainer,
  TaskContainer,
} from './engine.ts';
import {
  infoAnswer,
  inspectAnswer,
  listAnswer,
  readEvent,
  readInfo,
  readInspect,
  readList,
} from './engine-answers.ts';
import { type CallObserver, EngineHttp } from './engine-http.ts';
import { Limiter } from './limiter.ts';
import { PullProgress } from './pull-progress.ts';
import { TemplateError } from './template.ts';

/**
 * Creations, starts and removals at the same time: so many a processor, within these bounds. They often
 * wait for the disk and the kernel: of 2 processors that start 50 tasks, two works each leave some of the
 * time unused, four hardly any; with eight each container costs a twentieth more. Swarm mode sets no bound.
 */
const worksAtOnce = { perProcessor: 4, least: 8, most: 128 } as const;
/** What takes longer, such as a start whose volume's server is away or a stop with its grace, no longer counts; milliseconds. */
const workMsMax = 5_000;
/** Stops begun at the same time: they spend their time waiting for the grace period. */
const stopsMax = 128;
/** How often progress of a pull is told, milliseconds. */
const progressEveryMs = 1_000;
/** A line of the event stream that is longer is dropped, characters. */
const eventCharsMax = 1 << 20;

export interface DockerEngineOptions {
  /** `unix:///var/run/docker.sock` or `tcp://host:port`. */
  readonly address: string;
  /** Processors that the engine has. */
  readonly processors: number;
  readonly observe: CallObserver;
  readonly clock: Clock;
  /** Absent: a host without overlay networks. */
  readonly networks?: ContainerNetworks | undefined;
  /** Absent: kept in memory alone. */
  readonly imageNotes?: ImageNotes | undefined;
}

/** First API with which a container can be created in several networks at once. */
const severalNetworksSince = { major: 1, minor: 44 } as const;

const created = z.object({ Id: z.string() });
const madeContainer = z.object({
  Id: z.string(),
  State: z.object({ Status: z.string() }),
  Config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }),
  NetworkSettings: z.object({ Networks: z.record(z.string(), z.unknown()).nullish() }),
});
const ttyAnswer = z.object({ Config: z.object({ Tty: z.boolean() }) });

/** A network that a container joins after it was created. */
interface Connection {
  readonly name: string;
  readonly config?: object | undefined;
}

/** Docker through its Engine API, unversioned: every engine speaks its own newest. */
export class DockerEngine implements Engine {
  /** The images that the engine has. */
  readonly images: EngineImages;
  readonly #http: EngineHttp;
  readonly #monotonic: () => Monotonic;
  readonly #networks: ContainerNetworks;
  readonly #works: Limiter;
  readonly #stops: Limiter;

  constructor(options: DockerEngineOptions) {
    const { clock } = options;
    this.#monotonic = () => clock.monotonic();
    this.#networks = options.networks ?? noContainerNetworks;
    const { perProcessor, least, most } = worksAtOnce;
    const works = perProcessor * options.processors;
    const atOnce = Math.min(Math.max(works, least), most);
    this.#works = new Limiter(atOnce, { clock, msMax: workMsMax });
    this.#stops = new Limiter(stopsMax, { clock, msMax: workMsMax });
    this.#http = new EngineHttp(options.address, options.observe, this.#monotonic);
    const notes = options.imageNotes ?? new ImageMemory();
    this.images = new EngineImages({ http: this.#http, notes, monotonic: this.#monotonic });
  }

  async describe(): Promise<EngineResult<NodeDescription>> {
    const info = await this.#http.json('info', { method: 'GET', path: '/info' }, infoAnswer);
    if (info.kind === 'failed') return info;
    const Images = await this.images.list();
    return { kind: 'ok', value: { ...readInfo(info.value), Images } };
  }

  async create(
    assignment: TaskAssignment,
    node: NodeDescription,
  ): Promise<EngineResult<{ readonly id: string }>> {
    const planned = this.#networks.plan(assignment);
    if (planned.kind === 'failed') return planned;
    const { networks } = planned.value;
    const atOnce = takesSeveralNetworks(this.#http.version) ? networks.length : 1;
    const Image = await this.images.nameFor(assignment.template.ContainerSpec.Image);
    let body: object;
    try {
      body = { ...containerConfig(assignment, node, planned.value, atOnce), Image };
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      return { kind: 'failed', failure: { kind: 'refused', message: error.message } };
    }
    const name = containerName(assignment);
    const call = { method: 'POST' as const, path: '/containers/create', query: { name }, body };
    const made = await this.#works.run(() => this.#http.json('create', call, created));
    const later = connections(assignment.localNetworks, networks, atOnce);
    if (made.kind === 'failed') {
      if (made.failure.kind !== 'conflict' || later.length === 0) return made;
      const completed = await this.#complete(assignment, later);
      return completed.kind === 'failed' ? completed : made;
    }
    const id = made.value.Id;
    const joined = await this.#connect(id, later);
    return joined.kind === 'failed' ? joined : { kind: 'ok', value: { id } };
  }

  async #connect(id: string, networks: readonly Connection[]): Promise<EngineResult<undefined>> {
    for (const { name, config } of networks) {
      const joined = await this.#http.run('network_connect', {
        method: 'POST',
        path: `/networks/${encodeURIComponent(name)}/connect`,
        body: { Container: id, EndpointConfig: config },
      });
      if (joined.kind === 'failed') return joined;
    }
    return { kind: 'ok', value: undefined };
  }

  /** The container of an earlier attempt may lack what comes after its creation. */
  async #complete(
    assignment: TaskAssignment,
    networks: readonly Connection[],
  ): Promise<EngineResult<undefined>> {
    const path = `/containers/${encodeURIComponent(containerName(assignment))}/json`;
    const found = await this.#http.json('inspect', { method: 'GET', path }, madeContainer);
    if (found.kind === 'failed') return found;
    const { Id, State, Config, NetworkSettings } = found.value;
    const isOurs =
      Config.Labels?.[swarmLabels.taskId] === assignment.taskId && State.Status === 'created';
    if (!isOurs) return { kind: 'ok', value: undefined };
    const there = NetworkSettings.Networks ?? {};
    return this.#connect(
      Id,
      networks.filter((each) => there[each.name] === undefined),
    );
  }

  async pull(
    image: string,
    registryAuth: string | undefined,
    signal: AbortSignal,
    progress: (text: string) => void,
  ): Promise<EngineResult<undefined>> {
    const query = { fromImage: hasTag(image) ? image : `${image}:latest` };
    const call = { method: 'POST' as const, path: '/images/create', query, registryAuth, signal };
    const result = await this.#http.stream('pull', call);
    if (result.kind === 'failed') return result;
    const seen = new PullProgress();
    let toldAt = this.#monotonic() - progressEveryMs / 2;
    try {
      for await (const chunk of result.value) {
        seen.push((chunk as Buffer).toString('utf8'));
        if (this.#monotonic() - toldAt < progressEveryMs) continue;
        toldAt = this.#monotonic();
        progress(seen.summary);
      }
    } catch (error) {
      return { kind: 'failed', failure: { kind: 'unreachable', message: errorMessage(error) } };
    }
    seen.end();
    return seen.error === undefined
      ? { kind: 'ok', value: undefined }
      : { kind: 'failed', failure: { kind: 'refused', message: seen.error } };
  }

  /** Before creations that wait: the engine starts what it has just made with less work. */
  start(containerId: string): Promise<EngineResult<undefined>> {
    const path = `/containers/${containerId}/start`;
    return this.#works.run(() => this.#http.run('start', { method: 'POST', path }), true);
  }

  async inspect(container: string): Promise<EngineResult<TaskContainer>> {
    const path = `/containers/${encodeURIComponent(container)}/json`;
    const result = await this.#http.json('inspect', { method: 'GET', path }, inspectAnswer);
    return result.kind === 'ok' ? { kind: 'ok', value: readInspect(result.value) } : result;
  }

  stop(container: string, graceSeconds?: number): Promise<EngineResult<undefined>> {
    const path = `/containers/${encodeURIComponent(container)}/stop`;
    const query = graceSeconds === undefined ? {} : { t: String(graceSeconds) };
    return this.#stops.run(() => this.#http.run('stop', { method: 'POST', path, query }));
  }

  remove(container: string): Promise<EngineResult<undefined>> {
    const path = `/containers/${encodeURIComponent(container)}`;
    const query = { v: '1', force: '1' };
    return this.#works.run(() => this.#http.run('remove', { method: 'DELETE', path, query }));
  }

  async list(nodeId: string): Promise<EngineResult<readonly ListedContainer[]>> {
    const filters = JSON.stringify({ label: [`${swarmLabels.nodeId}=${nodeId}`] });
    const call = {
      method: 'GET' as const,
      path: '/containers/json',
      query: { all: '1', filters },
    };
    const result = await this.#http.json('list', call, listAnswer);
    return result.kind === 'ok' ? { kind: 'ok', value: readList(result.value) } : result;
  }

  async watch(
    nodeId: string,
    signal: AbortSignal,
    listener: (taskId: string, event: ContainerEvent) => void,
    ended: () => void,
  ): Promise<EngineResult<undefined>> {
    const filters = JSON.stringify({
      type: ['container'],
      label: [`${swarmLabels.nodeId}=${nodeId}`],
      event: ['start', 'die', 'destroy', 'health_status'],
    });
    const call = { method: 'GET' as const, path: '/events', query: { filters }, signal };
    const result = await this.#http.stream('events', call);
    if (result.kind === 'failed') return result;
    const stream = result.value;
    let rest = '';
    stream.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > eventCharsMax) rest = '';
      for (const line of lines) {
        const read = readEvent(line);
        if (read !== undefined) listener(read.taskId, read.event);
      }
    });
    stream.on('error', () => undefined);
    stream.on('close', ended);
    return { kind: 'ok', value: undefined };
  }

  async logs(
    container: string,
    request: LogRequest,
    signal: AbortSignal,
  ): Promise<EngineResult<AsyncIterable<LogBatch>>> {
    const path = `/containers/${encodeURIComponent(container)}`;
    const shape = { method: 'GET' as const, path: `${path}/json`, signal };
    const inspected = await this.#http.json('inspect', shape, ttyAnswer);
    if (inspected.kind === 'failed') return inspected;
    const query = {
      stdout: request.stdout ? '1' : '0',
      stderr: request.stderr ? '1' : '0',
      timestamps: '1',
      details: '1',
      follow: request.follow ? '1' : '0',
      tail: request.tail < 0 ? 'all' : String(request.tail),
      ...(request.since === undefined ? {} : { since: formatMoment(request.since) }),
      ...(request.until === undefined ? {} : { until: formatMoment(request.until) }),
    };
    const call = { method: 'GET' as const, path: `${path}/logs`, query, signal };
    const result = await this.#http.stream('logs', call);
    if (result.kind === 'failed') return result;
    return { kind: 'ok', value: readBatches(result.value, inspected.value.Config.Tty) };
  }
}

/** What is in memory of the stream at a time makes a batch. */
async function* readBatches(stream: IncomingMessage, tty: boolean): AsyncGenerator<LogBatch> {
  const reader = new LogReader(tty);
  for await (const chunk of stream) yield reader.push(chunk as Buffer);
  yield reader.end();
}

/** Networks that a container joins after its creation; it is made in the first of all in any case. */
function connections(
  localNetworks: readonly string[],
  networks: readonly ContainerNetwork[],
  atOnce: number,
): readonly Connection[] {
  return [
    ...networks.slice(atOnce).map((each) => ({ name: each.name, config: endpoint(each) })),
    ...localNetworks.slice(networks.length > 0 ? 0 : 1).map((name) => ({ name })),
  ];
}

function takesSeveralNetworks(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const { major: first, minor: since } = severalNetworksSince;
  return major > first || (major === first && minor >= since);
}

function hasTag(image: string): boolean {
  return image.includes('@') || image.slice(image.lastIndexOf('/') + 1).includes(':');
}

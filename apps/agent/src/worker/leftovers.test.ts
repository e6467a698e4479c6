import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TaskDocument } from '@shoal/proto';
import { silentLogger } from '@shoal/runtime';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { MemoryFolder } from '../files/memory-folder.ts';
import { TaskFiles } from '../files/task-files.ts';
import { noNetworking } from '../network/task-networking.ts';
import { sampleAssignment } from '../testing/sample-task.ts';
import { sampleWorker } from '../testing/sample-worker.ts';

const minuteMs = 60_000;
const File = { Name: 's', UID: '0', GID: '0', Mode: 0o400 };
const secretive = sampleAssignment({
  template: {
    ContainerSpec: { Image: 'i', Secrets: [{ SecretID: 's', SecretName: 's', File }] },
    ForceUpdate: 0,
  },
});
const hush: TaskDocument = {
  ...{ kind: 'secret', id: 's', name: 's', templating: '' },
  data: Buffer.from('hush'),
};

let path: string;
let folder: () => Promise<MemoryFolder>;
let gone: string[];
let warned: string[];
let stage: ReturnType<typeof sampleWorker>;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'shoal-leftovers-'));
  folder = async () => ({ kind: 'folder', path });
  [gone, warned] = [[], []];
  stage = sampleWorker({
    networking: { ...noNetworking, gone: (taskId) => gone.push(taskId) },
    files: new TaskFiles({ folder: () => folder(), fetch: async () => [hush] }),
    logger: { ...silentLogger, warn: (_fields, event) => warned.push(event) },
  });
  await vi.waitFor(() => expect(stage.worker.engineSeen).toBe(true));
});
afterEach(async () => {
  await stage.worker.stop();
  await rm(path, { recursive: true });
});

const state = () => stage.worker.statuses.get('t')?.state;
const isRunning = () => vi.waitFor(() => expect(state()).toBe('running'));
const nothing = () =>
  vi.waitFor(async () => {
    await stage.clock.advance(minuteMs);
    expect([stage.statuses.size, await readdir(path)]).toEqual([0, []]);
  });

describe('what a task was given', () => {
  beforeEach(async () => {
    stage.worker.assignAll([secretive]);
    await isRunning();
    expect(await readdir(path)).toEqual(['t']);
  });

  test('goes although the answer to the removal of its container is lost', async () => {
    const { engine, worker } = stage;
    const remove = engine.remove.bind(engine);
    vi.spyOn(engine, 'remove').mockImplementationOnce(async (container) => {
      await remove(container);
      return { kind: 'failed', failure: { kind: 'unreachable', message: 'socket hang up' } };
    });
    worker.assign([], ['t']);
    await nothing();
    expect(gone).toContain('t');
  });

  test('stays, as does the word on the task, while the engine cannot be asked', async () => {
    const { engine, worker, clock, statuses } = stage;
    const hangUp = { kind: 'unreachable', message: 'socket hang up' } as const;
    const stopping = vi.spyOn(engine, 'stop');
    stopping.mockResolvedValue({ kind: 'failed', failure: hangUp });
    worker.assign([], ['t']);
    await clock.advance(minuteMs);
    worker.assignAll([]);
    await clock.advance(minuteMs);
    expect([statuses.size, await readdir(path)]).toEqual([1, ['t']]);
    stopping.mockRestore();
    await nothing();
    expect(engine.containers.size).toBe(0);
  });

  test('is removed again when that did not work', async () => {
    const { worker, clock } = stage;
    const works = folder;
    folder = () => Promise.reject(new Error('EIO'));
    worker.assign([], ['t']);
    await clock.advance(minuteMs);
    worker.assignAll([]);
    await clock.advance(minuteMs);
    expect(warned).toContain('files_not_removed');
    expect(await readdir(path)).toEqual(['t']);
    folder = works;
    await nothing();
  });

  test('stays when all assignments are said again, and whatever was assigned since', async () => {
    const { worker, clock } = stage;
    const read = Promise.withResolvers<void>();
    const works = folder;
    folder = () => read.promise.then(works);
    worker.assignAll([secretive]);
    worker.assign([{ ...secretive, taskId: 't2' }], []);
    read.resolve();
    await vi.waitFor(() => expect(worker.statuses.get('t2')?.state).toBe('running'));
    await clock.advance(minuteMs);
    expect(await readdir(path)).toEqual(['t', 't2']);
  });
});

describe('a container with the labels of a task, but not its name', () => {
  const id = 'container-of-t';

  test('is not touched: who runs an image that was committed of a task has such a one', async () => {
    const { engine, worker, clock } = stage;
    await engine.create(sampleAssignment());
    await engine.start(id);
    engine.renamed.add(id);
    engine.cutStreams();
    await clock.advance(minuteMs);
    worker.assignAll([]);
    await clock.advance(minuteMs);
    expect([engine.runs('t'), engine.touched]).toEqual([true, []]);
  });

  test('says nothing of the task', async () => {
    const { engine, worker, clock } = stage;
    const byHand = 'by-hand';
    await engine.create(sampleAssignment());
    const made = engine.containers.get(id);
    if (made === undefined) throw new Error('no container');
    engine.containers.clear();
    engine.containers.set(byHand, { ...made, id: byHand, state: 'exited' });
    engine.renamed.add(byHand);
    engine.cutStreams();
    await clock.advance(minuteMs);
    worker.assignAll([sampleAssignment()]);
    await isRunning();
    expect(engine.containers.get(id)?.state).toBe('running');
    worker.assign([], ['t']);
    await nothing();
    expect([...engine.containers.keys()]).toEqual([byHand]);
  });

  test.each<[what: string, happens: () => void]>([
    ['dies', () => stage.engine.die('t', 3)],
    ['dies unseen', () => stage.engine.stopItself()],
  ])('is the task’s own if it was renamed: its task fails when it %s', async (_what, happens) => {
    const { engine, worker, clock } = stage;
    worker.assignAll([sampleAssignment()]);
    await isRunning();
    engine.renamed.add(id);
    engine.cutStreams();
    await clock.advance(minuteMs);
    expect(state()).toBe('running');
    happens();
    engine.startItself();
    await clock.advance(minuteMs);
    expect(state()).toBe('failed');
  });

  test.each([
    { what: 'under its name', of: 't', container: { id: 'other', name: 'web.1.t' }, owned: true },
    { what: 'renamed', of: 't', container: { id, name: 'mine' }, owned: true },
    { what: 'somebody’s', of: 't', container: { id: 'other', name: 'mine' }, owned: false },
    { what: 'of no task here', of: 't9', container: { id, name: 'web.1.t' }, owned: false },
  ])('is owned or not: $what', async ({ of, container, owned }) => {
    const { worker } = stage;
    worker.assignAll([sampleAssignment()]);
    await isRunning();
    expect(worker.owns(of, container)).toBe(owned);
  });

  test.each([true, false])(
    'and it goes with its task (the agent sees that: %s)',
    async (isSeen) => {
      const { engine, worker, clock } = stage;
      worker.assignAll([sampleAssignment()]);
      await isRunning();
      engine.renamed.add(id);
      if (isSeen) {
        worker.assign([], ['t']);
      } else {
        const hangUp = { kind: 'unreachable', message: 'socket hang up' } as const;
        vi.spyOn(engine, 'stop').mockResolvedValueOnce({ kind: 'failed', failure: hangUp });
        worker.assignAll([]);
      }
      await clock.advance(minuteMs);
      await nothing();
      expect(engine.containers.size).toBe(0);
    },
  );
});

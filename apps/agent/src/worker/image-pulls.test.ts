import type { TaskAssignment } from '@shoal/state';
import { beforeEach, expect, test, vi } from 'vitest';
import type { Engine, EngineResult } from '../executor/engine.ts';
import type { Fetched } from '../images/image-fetcher.ts';
import { FakeEngine } from '../testing/fake-engine.ts';
import { ImagePulls } from './image-pulls.ts';

const refused: EngineResult<undefined> = {
  kind: 'failed',
  failure: { kind: 'refused', message: 'no such host' },
};
const task = {
  template: { ContainerSpec: { Image: 'web:1' }, ForceUpdate: 0 },
} as unknown as TaskAssignment;

let calls: string[];
let fetched: (end: Fetched) => void;
let pulls: ImagePulls;
let pulled: EngineResult<undefined>;

beforeEach(() => {
  calls = [];
  pulled = { kind: 'ok', value: undefined };
  const pull: Engine['pull'] = async (image, _auth, _signal, progress) => {
    calls.push(`pull ${image}`);
    progress('0 of 2 layers');
    return pulled;
  };
  const engine: Engine = Object.assign(new FakeEngine(), { pull });
  const { promise, resolve } = Promise.withResolvers<Fetched>();
  fetched = resolve;
  pulls = new ImagePulls(engine, ({ reference, isLast, progress }) => {
    calls.push(`fetch ${reference}${isLast ? ' from anybody' : ''}`);
    progress('fetching image web:1 from node m1: 0 of 12 MB');
    return isLast ? Promise.resolve({ kind: 'fetched' }) : promise;
  });
});

function pull(said: string[] = [], signal = new AbortController().signal) {
  return pulls.pull(task, signal, (text) => said.push(text));
}

test('all tasks that wait for an image wait for one fetch, and no registry is asked', async () => {
  const all = [pull(), pull(), pull()];
  fetched({ kind: 'fetched' });
  expect(await Promise.all(all)).toEqual(Array(3).fill({ kind: 'ok' }));
  expect(calls).toEqual(['fetch web:1']);
});

test('the registry is asked when no node has it; its progress is told to all', async () => {
  const said: string[] = [];
  const [one, other] = [pull(), pull(said)];
  fetched({ kind: 'none', reasons: [] });
  expect(await Promise.all([one, other])).toEqual([{ kind: 'ok' }, { kind: 'ok' }]);
  expect(calls).toEqual(['fetch web:1', 'pull web:1']);
  expect(said).toEqual(['pulling image, 0 of 2 layers']);
});

test('when both fail it is known what each node said', async () => {
  pulled = refused;
  const ended = pull();
  const reasons = ['node m1: it has the image no more'];
  fetched({ kind: 'none', reasons });
  expect(await ended).toEqual({ ...refused, reasons });
});

test('what only workers say is believed when the registry does not answer, and not before', async () => {
  const ended = pull();
  fetched({ kind: 'none', reasons: ['no manager says which image it is'], isUnconfirmed: true });
  expect(await ended).toEqual({ kind: 'ok' });
  expect(calls).toEqual(['fetch web:1', 'pull web:1']);
  pulled = refused;
  expect(await pull()).toEqual({ kind: 'ok' });
  expect(calls.slice(2)).toEqual(['fetch web:1', 'pull web:1', 'fetch web:1 from anybody']);
});

test('an image that no node says it has may be newer than what they said', async () => {
  pulled = refused;
  const ended = pull();
  fetched({ kind: 'none', reasons: [] });
  expect(await ended).toEqual({ kind: 'ok' });
  expect(calls).toEqual(['fetch web:1', 'pull web:1', 'fetch web:1 from anybody']);
});

test('a task that stops waiting does not stop it for the others', async () => {
  const end = new AbortController();
  const [gone, stays] = [pull([], end.signal), pull()];
  end.abort();
  expect(await gone).toMatchObject({ kind: 'failed' });
  fetched({ kind: 'fetched' });
  expect(await stays).toEqual({ kind: 'ok' });
  expect(calls).toEqual(['fetch web:1']);
});

test('a pull that hangs ends with the last task that waits for it, and the next one begins anew', async () => {
  const signals: AbortSignal[] = [];
  const hang: Engine['pull'] = (_image, _auth, signal) => {
    signals.push(signal);
    return new Promise(() => undefined);
  };
  pulls = new ImagePulls(Object.assign(new FakeEngine(), { pull: hang }));
  const waiters = [new AbortController(), new AbortController()];
  const waiting = waiters.map(({ signal }) => pull([], signal));
  await vi.waitFor(() => expect(signals).toHaveLength(1));
  const [first, second] = waiters;
  first?.abort();
  expect(signals[0]?.aborted).toBe(false);
  second?.abort();
  expect(signals[0]?.aborted).toBe(true);
  await Promise.all(waiting);
  void pull();
  await vi.waitFor(() => expect(signals).toHaveLength(2));
  expect(signals[1]?.aborted).toBe(false);
  pulls.stop();
  expect(signals[1]?.aborted).toBe(true);
});

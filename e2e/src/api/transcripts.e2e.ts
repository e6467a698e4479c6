// What Docker's command lines print, against what they print with Docker's own Swarm mode.
// SHOAL_RECORD=1 writes the transcripts anew, with bare engines in the place of Shoal.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type DockerClient, findClients, knownClients } from './clients.ts';
import { type Difference, differences, withDifferences } from './differences.ts';
import { sharedSwarm, tidy } from './fleet.ts';
import { type Played, play } from './play.ts';
import { dockersOwnSwarm, expectedOf, recorded } from './record.ts';
import { newestClient, parseTranscript, renderTranscript, type Step } from './transcript.ts';

const folder = join(import.meta.dirname, 'transcripts');
const isRecording = process.env['SHOAL_RECORD'] === '1';
const machines = ['m1', 'm2', 'm3', 'w1'];
const clients = await findClients();

const transcripts = readdirSync(folder)
  .filter((file) => file.endsWith('.txt'))
  .map((file) => ({ name: file.slice(0, -'.txt'.length), steps: read(file) }));
const plays = new Map(transcripts.map(({ name }) => [name, new Map<string, readonly Played[]>()]));
const applied = new Set<Difference>();

let sockets: ReadonlyMap<string, string>;

beforeAll(async () => {
  if (isRecording) sockets = await dockersOwnSwarm(machines);
  else {
    const { fleet } = await sharedSwarm();
    sockets = new Map(fleet.machines.map(({ name, socket }) => [name, socket]));
  }
});

afterEach(async () => {
  if (!isRecording) await tidy((await sharedSwarm()).m1);
});

function read(file: string): readonly Step[] {
  return parseTranscript(readFileSync(join(folder, file), 'utf8'));
}

describe.each(knownClients)('docker $name', ({ name }) => {
  const client = clients.find((one) => one.name === name);
  test.skipIf(client !== undefined)('is not on this computer: nothing was compared', () => {
    expect(clients.length).toBeGreaterThan(0);
  });
  test.skipIf(client === undefined).each(transcripts)('$name', async (transcript) => {
    await compare(client as DockerClient, transcript.name, transcript.steps);
  });
});

async function compare(client: DockerClient, name: string, steps: readonly Step[]): Promise<void> {
  const played = await play({ sockets, client }, steps);
  if (isRecording) {
    const all = plays.get(name) ?? new Map<string, readonly Played[]>();
    all.set(client.name, played);
    writeFileSync(join(folder, `${name}.txt`), recorded(steps, all));
    return;
  }
  const answered = renderTranscript(
    played.map(({ command, answer }) => ({
      ...command,
      answers: new Map([[newestClient, answer]]),
    })),
  );
  const expected = withDifferences(name, client.name, expectedOf(steps, client.name));
  for (const difference of expected.applied) applied.add(difference);
  expect(answered).toBe(expected.text);
}

test.skipIf(isRecording || clients.length < knownClients.length)(
  'every difference that is meant is met',
  () => {
    expect(differences.filter((difference) => !applied.has(difference))).toEqual([]);
  },
);

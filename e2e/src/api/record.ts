import { eventually } from '../host/wait.ts';
import { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';
import type { Played } from './play.ts';
import {
  type Answer,
  answerOf,
  type Command,
  newestClient,
  renderTranscript,
  type Step,
} from './transcript.ts';

/** The same machines as the suite's, with bare engines in Docker's own Swarm mode; sockets by machine. */
export async function dockersOwnSwarm(
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const fleet = await Fleet.start(names, { processes: 'none' });
  const [first, ...others] = fleet.machines as [Machine, ...Machine[]];
  await first.engine('swarm', 'init', '--advertise-addr', first.address);
  for (const machine of others) {
    const role = machine.name.startsWith('m') ? 'manager' : 'worker';
    const token = await first.engine('swarm', 'join-token', '--quiet', role);
    await machine.engine('swarm', 'join', '--token', token.trim(), `${first.address}:2377`);
  }
  await eventually('all nodes are ready', async () => {
    const states = await first.engine('node', 'ls', '--format', '{{.Status}}');
    return states
      .trim()
      .split('\n')
      .every((state) => state === 'Ready');
  });
  return new Map(fleet.machines.map((machine) => [machine.name, machine.engineSocket]));
}

/** The transcript as it is to be kept: the same commands with what each client was answered. */
export function recorded(
  steps: readonly Step[],
  plays: ReadonlyMap<string, readonly Played[]>,
): string {
  const answers = (command: Command): ReadonlyMap<string, Answer> => {
    const found = [...plays].flatMap(([client, played]) => {
      const answer = played.find((one) => one.command === command)?.answer;
      return answer === undefined ? [] : [[client, answer] as const];
    });
    const rest = [...command.answers].filter(([client]) => !plays.has(client));
    return new Map([...found, ...rest].sort(([one]) => (one === newestClient ? -1 : 1)));
  };
  return renderTranscript(
    steps.map((step) => (step.kind === 'command' ? { ...step, answers: answers(step) } : step)),
  );
}

/** What a client is expected to have been answered, in the form of the files. */
export function expectedOf(steps: readonly Step[], client: string): string {
  return renderTranscript(
    steps
      .filter((step) => step.kind === 'command')
      .map((step) => {
        const answer = answerOf(step, client);
        const answers = answer === undefined ? [] : [[newestClient, answer] as const];
        return { ...step, answers: new Map(answers) };
      }),
  );
}

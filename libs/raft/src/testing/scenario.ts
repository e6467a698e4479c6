import { invariant, type LogIndex, type Term } from '@shoal/runtime';
import type { Entry, MembershipChange, VoterId } from '../types.ts';
import { FakeCluster, type FakeVoter, fakeMember, fakeMembership } from './fake-cluster.ts';
import { describeLog, describeMembers, describeMessage, describeStatus } from './trace.ts';

type Command = (words: readonly string[]) => void;

/** Runs the commands of a scenario file on a {@link FakeCluster}. The full list is in testdata/README.md. */
export class Scenario {
  #lines: string[] = [];
  #quiet = false;
  readonly #cluster = new FakeCluster((line) => {
    if (!this.#quiet) this.#lines.push(line);
  });
  readonly #commands: Readonly<Record<string, Command>> = {
    quiet: () => {
      this.#quiet = true;
    },
    aloud: () => {
      this.#quiet = false;
    },
    'one-entry-an-append': () => this.#cluster.limitAppends(1),
    'add-nodes': ([count]) => this.#addNodes(Number(count)),
    'add-node': ([id, ...settings]) => this.#addNode(voterId(id), settings),
    campaign: ([id]) => this.#cluster.step(voterId(id), { kind: 'campaign' }),
    tick: ([id, count]) => this.#tick(this.#voters(id), Number(count ?? 1)),
    propose: ([id, ...data]) => this.#propose(voterId(id), data),
    'add-learner': ([id, member]) =>
      this.#change(id, { kind: 'add-learner', member: fakeMember(voterId(member)) }),
    promote: ([id, member]) => this.#change(id, { kind: 'promote', id: voterId(member) }),
    remove: ([id, member]) => this.#change(id, { kind: 'remove', id: voterId(member) }),
    move: ([id, member, addr = '']) =>
      this.#change(id, { kind: 'move', id: voterId(member), addr }),
    transfer: ([id, to]) =>
      this.#cluster.step(voterId(id), {
        kind: 'transfer-requested',
        to: to === undefined ? undefined : voterId(to),
      }),
    'read-index': ([id, token]) =>
      this.#cluster.step(voterId(id), { kind: 'read-requested', token: Number(token) }),
    deliver: ([to, from]) => this.#deliver(this.#voters(to), this.#voters(from)),
    drop: ([id]) => this.#drop(this.#voters(id)),
    network: () => this.#network(),
    stabilize: () => this.#cluster.settle(),
    partition: (words) => this.#partition(words),
    cut: ([from, to]) => this.#cluster.cut(voterId(from), voterId(to)),
    heal: () => this.#cluster.heal(),
    crash: ([id]) => this.#cluster.crash(voterId(id)),
    restart: ([id]) => this.#cluster.start(voterId(id)),
    'restart-alone': ([id]) => this.#cluster.start(voterId(id), true),
    'disk-hold': ([id]) => this.#disk(voterId(id), 'held'),
    'disk-write': ([id]) => this.#cluster.finishWrite(voterId(id)),
    'disk-release': ([id]) => this.#disk(voterId(id), 'prompt'),
    'disk-refuse': ([id]) => this.#disk(voterId(id), 'refusing'),
    'disk-cure': ([id]) => this.#cure(voterId(id)),
    compact: ([id, upTo]) => this.#cluster.compact(voterId(id), Number(upTo) as LogIndex),
    status: ([id]) => this.#show(this.#voters(id), describeStatus),
    log: ([id]) => this.#show(this.#voters(id), describeLog),
    members: ([id]) => this.#show(this.#voters(id), describeMembers),
  };

  /** What the command led to, one line a fact. */
  run(line: string): readonly string[] {
    const [name = '', ...words] = line.trim().split(/\s+/);
    const command = this.#commands[name];
    invariant(command !== undefined, 'no such command', { line });
    this.#lines = [];
    command(words);
    return this.#lines;
  }

  #voters(word: string | undefined): readonly VoterId[] {
    return word === undefined || word === 'all'
      ? [...this.#cluster.voters.keys()]
      : [voterId(word)];
  }

  #addNodes(count: number): void {
    const ids = Array.from({ length: count }, (_, at) => (at + 1) as VoterId);
    for (const id of ids) this.#cluster.add(id, fakeMembership(ids));
  }

  /** `add-node 2 voters=1,2,3 log=1,1,4 term=4 vote=1 commit=2`: the terms of the entries, as in the paper. */
  #addNode(id: VoterId, settings: readonly string[]): void {
    const given = new Map(settings.map((setting) => setting.split('=') as [string, string]));
    const list = (key: string) => (given.get(key) ?? '').split(',').filter((word) => word !== '');
    const entries = list('log').map((term, at): Entry => {
      const data = new TextEncoder().encode(`e${at + 1}t${term}`);
      return { index: (at + 1) as LogIndex, term: Number(term) as Term, kind: 'normal', data };
    });
    const hardState = {
      term: Number(given.get('term') ?? entries.at(-1)?.term ?? 0) as Term,
      vote: Number(given.get('vote') ?? 0) as VoterId | 0,
      commit: Number(given.get('commit') ?? 0) as LogIndex,
    };
    const told = fakeMembership(list('voters').map(voterId), list('learners').map(voterId));
    this.#cluster.add(id, told, { hardState, entries });
  }

  #change(id: string | undefined, change: MembershipChange): void {
    this.#cluster.step(voterId(id), { kind: 'membership-proposed', change });
  }

  #tick(ids: readonly VoterId[], count: number): void {
    for (let tick = 0; tick < count; tick += 1)
      for (const id of ids)
        if (this.#cluster.voter(id).raft !== undefined) this.#cluster.step(id, { kind: 'tick' });
  }

  #propose(id: VoterId, data: readonly string[]): void {
    const encoder = new TextEncoder();
    this.#cluster.step(id, { kind: 'proposed', data: data.map((word) => encoder.encode(word)) });
  }

  /** Only what is under way now; answers wait for the next command. */
  #deliver(to: readonly VoterId[], from: readonly VoterId[]): void {
    const due = this.#cluster.network.filter(
      (envelope) => to.includes(envelope.to) && from.includes(envelope.from),
    );
    this.#cluster.network = this.#cluster.network.filter((envelope) => !due.includes(envelope));
    for (const envelope of due) this.#cluster.deliver(envelope);
  }

  #drop(ids: readonly VoterId[]): void {
    this.#cluster.network = this.#cluster.network.filter(({ to }) => !ids.includes(to));
  }

  #network(): void {
    for (const { from, to, message } of this.#cluster.network)
      this.#lines.push(`${from}->${to} ${describeMessage(message)}`);
  }

  #partition(words: readonly string[]): void {
    const sides = words.join(' ').split('|');
    this.#cluster.partition(sides.map((side) => side.trim().split(' ').map(voterId)));
  }

  #disk(id: VoterId, mode: FakeVoter['diskMode']): void {
    this.#cluster.voter(id).diskMode = mode;
    if (mode === 'prompt') this.#cluster.finishWrite(id);
  }

  #cure(id: VoterId): void {
    this.#disk(id, 'prompt');
    this.#cluster.step(id, { kind: 'storage-cured' });
  }

  #show(ids: readonly VoterId[], describe: (raft: NonNullable<FakeVoter['raft']>) => string): void {
    for (const id of ids) {
      const { raft } = this.#cluster.voter(id);
      this.#lines.push(raft === undefined ? `${id} is down` : describe(raft));
    }
  }
}

function voterId(word: string | undefined): VoterId {
  const id = Number(word);
  invariant(Number.isSafeInteger(id) && id > 0, 'a voter is a number', { word });
  return id as VoterId;
}

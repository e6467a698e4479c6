import type { FakeFleet } from './fake-fleet.ts';
import type { Exchange, RecordingName } from './recording.ts';

/** What somebody did to the recorded hosts besides sending requests, before the step's first request. */
export const stagings: Readonly<Record<string, (fleet: FakeFleet) => Promise<void>>> = {
  'worker-info': async (fleet) => {
    await fleet.join('n2', 'worker');
    await fleet.join('n3', 'worker');
  },
  'lock-on': async (fleet) => {
    await fleet.host('n3').membership.leave(true);
    await fleet.call('n1', 'DELETE', '/nodes/node3?force=1');
  },
  'stack-ls-empty': (fleet) => removeServices(fleet, /^mini_/),
  'final-net-rm': (fleet) => removeServices(fleet, /./),
  'locked-info': (fleet) => fleet.host('n1').restart(),
};

async function removeServices(fleet: FakeFleet, names: RegExp): Promise<void> {
  const all = (await fleet.call('n1', 'GET', '/services')) as readonly {
    readonly ID: string;
    readonly Spec: { readonly Name: string };
  }[];
  for (const { ID, Spec } of all)
    if (names.test(Spec.Name)) await fleet.call('n1', 'DELETE', `/services/${ID}`);
  await fleet.settle();
}

/** Steps that need what this replay has not, with the reason. */
const without: readonly (readonly [RegExp, string])[] = [
  [/^(?:net-run-nonattachable|net-connect|net-disconnect|net-att-rm)$/, 'containers in networks'],
  [/^(?:net-inspect-attached|net-rm-inuse)$/, 'containers in networks'],
  [/^(?:q-.*|leave-node.*)$/, 'hosts that come and go'],
];
/** The quorum is lost and comes back, and a node leaves: tests of many managers do so with real voters. */
const quorumLost = { 'http-1.50': [5_627, 5_713], 'http-1.41': [5_661, 5_747] } as const;

/** Why an exchange is not replayed; undefined when it is. */
export function leftOut(
  name: RecordingName,
  { n, step, req, res, upgraded }: Exchange,
): string | undefined {
  if (upgraded === true) return 'bytes of another protocol';
  if (res.aborted === true) return 'an answer that the client left';
  if (/\/logs\?/.test(req.path) && res.status === 200) return 'lines of real containers';
  if (/[?&]follow=1/.test(req.path)) return 'a stream without end';
  if (req.path.endsWith('/events')) return 'a stream without end';
  const [first, last] = quorumLost[name];
  if (step === '' && n >= first && n <= last) return 'hosts that come and go';
  return without.find(([form]) => form.test(step))?.[1];
}

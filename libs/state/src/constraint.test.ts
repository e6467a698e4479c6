import type { Instant, LogIndex } from '@shoal/runtime';
import { describe, expect, it } from 'vitest';
import { isSameToConstraints, matchesConstraints, parseConstraints } from './constraint.ts';
import type { Node } from './objects.ts';

describe('reading constraints', () => {
  it.each([
    { text: '', message: 'constraint expected one operator from ==, !=' },
    { text: ' ', message: 'constraint expected one operator from ==, !=' },
    { text: 'node.id', message: 'constraint expected one operator from ==, !=' },
    { text: 'node.id ~ x', message: 'constraint expected one operator from ==, !=' },
    { text: '1node==a2', message: "key '1node' is invalid" },
    { text: 'no de==node1', message: "key 'no de' is invalid" },
    { text: 'no*de==node1', message: "key 'no*de' is invalid" },
    { text: 'no$de==node1', message: "key 'no$de' is invalid" },
    { text: '==node1', message: "key '' is invalid" },
    { text: 'n==node1', message: "key 'n' is invalid" },
    { text: 'node==', message: "value '' is invalid" },
    { text: 'node==a2~', message: "value 'a2~' is invalid" },
    { text: 'node.id!=b==c', message: "key 'node.id!=b' is invalid" },
  ])('"$text" is refused: $message', ({ text, message }) => {
    expect(parseConstraints([text])).toEqual({ kind: 'invalid', message });
  });

  it.each([
    { text: ' node.ID == Node1 ', key: 'node.ID', equal: true, value: 'Node1' },
    { text: '_node!=a.b-c', key: '_node', equal: false, value: 'a.b-c' },
    {
      text: 'node.labels.x==[a-b]+c*(n|b)/',
      key: 'node.labels.x',
      equal: true,
      value: '[a-b]+c*(n|b)/',
    },
    { text: 'node.labels.x==a b', key: 'node.labels.x', equal: true, value: 'a b' },
  ])('"$text" is understood', ({ text, ...constraint }) => {
    expect(parseConstraints([text])).toEqual({ kind: 'constraints', constraints: [constraint] });
  });
});

const node: Node = {
  id: 'node-1',
  meta: { version: 1 as LogIndex, createdAt: 0 as Instant, updatedAt: 0 as Instant },
  spec: { Labels: { disk: 'SSD', Zone: 'a', empty: '' }, Role: 'manager', Availability: 'active' },
  role: 'worker',
  description: {
    Hostname: 'Host1',
    Platform: { Architecture: 'x86_64', OS: 'linux' },
    Resources: {},
    Engine: { EngineVersion: '28.2.2', Plugins: [], Labels: { storage: 'btrfs' } },
  },
  status: { state: 'ready', message: '', addr: '10.1.2.3', dispatcher: '' },
};
const bare: Node = { ...node, description: undefined, status: { ...node.status, addr: '' } };
const six: Node = { ...node, status: { ...node.status, addr: '2001:db8::7' } };

describe('matching constraints', () => {
  it.each([
    { text: 'node.id==node-1', fits: true },
    { text: 'node.id==NODE-1', fits: true },
    { text: 'node.id==node', fits: false },
    { text: 'node.id!=node-2', fits: true },
    { text: 'NODE.ID==node-1', fits: true },
    { text: 'node.hostname==host1', fits: true },
    { text: 'node.hostname==h*t1', fits: false },
    { text: 'node.hostname!=other', on: bare, fits: true },
    { text: 'node.hostname==host1', on: bare, fits: false },
    { text: 'node.role==worker', fits: true },
    { text: 'node.role==manager', fits: false },
    { text: 'node.platform.os==linux', fits: true },
    { text: 'node.platform.arch==x86_64', fits: true },
    { text: 'node.platform.arch==amd64', fits: true },
    { text: 'node.platform.arch!=AMD64', fits: false },
    { text: 'node.platform.arch==arm64', fits: false },
    { text: 'node.labels.disk==ssd', fits: true },
    { text: 'node.labels.Disk==ssd', fits: false },
    { text: 'node.labels.Zone!=b', fits: true },
    { text: 'node.labels.missing!=x', fits: true },
    { text: 'node.labels.constructor==x', fits: false },
    { text: 'node.labels.storage==btrfs', fits: false },
    { text: 'engine.labels.storage==btrfs', fits: true },
    { text: 'engine.labels.disk==ssd', fits: false },
    { text: 'engine.labels.storage!=btrfs', on: bare, fits: true },
    { text: 'node.ip==10.1.2.3', fits: true },
    { text: 'node.ip!=10.1.2.3', fits: false },
    { text: 'node.ip==10.1.0.0/16', fits: true },
    { text: 'node.ip==10.2.0.0/16', fits: false },
    { text: 'node.ip!=10.2.0.0/16', fits: true },
    { text: 'node.ip==10.1.2.3/33', fits: false },
    { text: 'node.ip!=not.an.address', fits: false },
    { text: 'node.ip==10.1.2.3', on: bare, fits: false },
    { text: 'node.ip==2001:db8::/32', on: six, fits: true },
    { text: 'node.ip==2001:db8::8', on: six, fits: false },
    { text: 'node.ip==10.1.0.0/16', on: six, fits: false },
    { text: 'node.unknown==x', fits: false },
    { text: 'node.unknown!=x', fits: false },
  ])('$text: $fits', ({ text, on = node, fits }) => {
    const parsed = parseConstraints([text]);
    if (parsed.kind !== 'constraints') throw new Error(parsed.message);
    expect(matchesConstraints(parsed.constraints, on)).toBe(fits);
  });

  it('all must hold', () => {
    const parsed = parseConstraints(['node.role==worker', 'node.labels.disk!=ssd']);
    if (parsed.kind !== 'constraints') throw new Error(parsed.message);
    expect(matchesConstraints(parsed.constraints, node)).toBe(false);
    expect(matchesConstraints(parsed.constraints.slice(0, 1), node)).toBe(true);
  });
});

describe('what constraints look at', () => {
  const { spec, status } = node;
  const description = node.description ?? bare.description;
  const described = (change: object): Partial<Node> => ({
    description: description && { ...description, ...change },
  });

  it.each<[string, boolean, Partial<Node>]>([
    ['images', true, described({ Images: ['busybox'] })],
    ['resources', true, described({ Resources: { NanoCPUs: 1 } })],
    [
      'the version of the engine',
      true,
      described({ Engine: { ...description?.Engine, EngineVersion: '29' } }),
    ],
    ['its state', true, { status: { ...status, state: 'down' } }],
    ['availability', true, { spec: { ...spec, Availability: 'pause' } }],
    [
      'the order of labels',
      true,
      { spec: { ...spec, Labels: { empty: '', Zone: 'a', disk: 'SSD' } } },
    ],
    ['labels', false, { spec: { ...spec, Labels: { disk: 'SSD' } } }],
    ['labels of the engine', false, described({ Engine: { ...description?.Engine, Labels: {} } })],
    ['the role', false, { role: 'manager' }],
    ['the address', false, { status: { ...status, addr: '10.1.2.4' } }],
    ['the host name', false, described({ Hostname: 'host2' })],
    ['the platform', false, described({ Platform: { Architecture: 'x86_64', OS: 'windows' } })],
    ['the description', false, { description: undefined }],
  ])('%s: %s that they cannot tell', (_what, same, change) => {
    expect(isSameToConstraints(node, { ...node, ...change })).toBe(same);
  });

  it('are compared also where parts are missing', () => {
    const { Platform, Engine, ...rest } = description ?? {};
    const { Labels, ...less } = spec;
    const text = JSON.stringify({ ...node, spec: less, description: rest });
    expect(isSameToConstraints(JSON.parse(text), JSON.parse(text))).toBe(true);
    expect(isSameToConstraints(node, JSON.parse(text))).toBe(false);
  });
});

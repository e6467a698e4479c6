import type { RecordingName } from './recording.ts';
import type { Finding } from './replay.ts';

interface Expected {
  readonly why: string;
  readonly at: RegExp;
  readonly route?: RegExp;
  readonly step?: RegExp;
  /** What ours must look like. */
  readonly ours?: RegExp;
  readonly recording?: RecordingName;
}

const tasks = /^GET \/tasks(?:\/\{\})?$/;
const services = /^GET \/services(?:\/\{\})?$/;
const networks = /^GET \/networks(?:\/\{\})?$/;

/** Where we answer otherwise than the recorded engine, and why; each shows in one of the sessions. */
export const wanted: readonly Expected[] = [
  { at: /^header server$/, why: 'the server says who it is', ours: /Shoal\// },
  { at: /^body\.Platform\.Name$/, route: /\/version$/, why: 'so does the version', ours: /Shoal/ },
  {
    at: /^body\.Components\[\](?:\.Details\.LocalApiVersion)?$/,
    route: /\/version$/,
    why: 'so does the version',
  },
  {
    at: /^body\.message$/,
    step: /^join-refused$/,
    why: 'the refusal says what to do',
    ours: /connection refused/,
  },
  {
    at: /^status$/,
    step: /^net-create-scope$/,
    why: 'networks of the swarm are overlays, see differences.md',
    ours: /only|use the overlay driver/,
  },
  { at: /^body\[\]$/, route: networks, why: 'the one that was refused is missing', step: /^net-/ },
  {
    at: /^body(?:\[\])?\.(?:Driver|IPAM\.(?:Driver|Config)|Options)$/,
    route: networks,
    step: /^net-/,
    why: 'a network with IPv6 gets its addresses, where Docker leaves it without any',
  },
  {
    at: /^body\[\]\.Status\.Err$/,
    route: tasks,
    why: 'a waiting task names the nearest node, see differences.md',
    ours: /no suitable node \(.*\): /,
  },
  {
    at: /^body\.Status\.Message$/,
    route: /\/nodes/,
    why: 'a drain says how far it is',
    ours: /drained/,
  },
];

/** What only a host with an engine's networks shows, or only the moment of the recorded session. */
const circumstances: readonly Expected[] = [
  {
    at: /^body\.(?:EnableIPv4|Containers|Labels|Peers(?:\[\])?)$/,
    route: /^GET \/networks\/\{\}$/,
    why: 'no engine here has a part in the network',
  },
  {
    at: /^body\[\]$/,
    route: tasks,
    why: 'how many tasks ended before is a matter of time',
  },
  {
    at: /^body\[\]\.(?:ID|NodeID|DesiredState|NetworksAttachments|JobIteration\.Index|Spec\.ForceUpdate)$/,
    route: tasks,
    why: 'of the tasks of a slot others are left',
  },
  {
    at: /^body\[\]\.Status\.(?:State|Message|Err|ContainerStatus.*|PortStatus.*)$/,
    route: tasks,
    why: 'tasks are at another moment of their lives',
  },
  {
    at: /\.(?:ServiceStatus\.(?:RunningTasks|DesiredTasks|CompletedTasks)|UpdateStatus(?:\.\w+)?)$/,
    route: services,
    why: 'services are at another moment of their updates',
  },
  {
    at: /^status$/,
    step: /^svc-rm-bads$/,
    why: 'the service was made by a request that is held back',
  },
  {
    at: /^body\[\]\.Spec\..*$/,
    route: tasks,
    step: /^(?:fail-ps|fail-image-ps|node-ps-multi)$/,
    why: 'of the tasks of a slot others are left',
  },
  {
    at: /^body\[\]\.NetworksAttachments\[\]$/,
    route: tasks,
    why: 'of the tasks of a slot others are left',
  },
  {
    at: /DefaultAddrPool$/,
    why: 'the recorded engine shows its defaults once it was started again',
    ours: /^null$/,
  },
  {
    at: /^body\.Swarm\.NodeAddr$/,
    step: /^(?:locked-info|unlock-)/,
    why: 'a host that is locked does not tell its address, see differences.md',
  },
  {
    at: /^body\[\]$/,
    step: /^svc-ls-filter name=s$/,
    why: 'names that were made up begin with other letters',
  },
  {
    at: /^body\.RootRotationInProgress$/,
    step: /^swarm-ca-rotate$/,
    why: 'a rotation takes its time',
  },
  {
    at: /\.(?:PreviousSpec|Args\[\])(?:\..*)?$/,
    route: services,
    step: /^fail-/,
    why: 'services are at another moment of their rollbacks',
  },
];

/** The other recorded engine is five years older: ours answers all versions as the newer one does. */
const newer: readonly Expected[] = [
  ...[
    { at: /^header api-version$/, why: 'the version that is spoken', ours: /1\.50/ },
    { at: /^header swarm$/, why: 'came with 23.0' },
    {
      at: /^body\.(?:Api|MinAPI)Version$/,
      route: /\/version$/,
      why: 'the versions that are spoken',
    },
    {
      at: /Details\.(?:Api|MinAPI)Version$/,
      route: /\/version$/,
      why: 'the versions that are spoken',
    },
    { at: /^body(?:\.message)?$/, step: /^raw-too-/, why: 'the versions that are spoken' },
    { at: /^body\.message$/, why: 'the newer text', ours: /^"invalid (?:filter '|JSON: )/ },
    { at: /^status$/, step: /-network-overlay$/, why: '403 since 28.0', ours: /403/ },
    { at: /^body\.message$/, step: /^worker-network-overlay$/, why: 'the newer text' },
    { at: /^status$/, step: /^net-create-badsubnet$/, why: '400 since 24.0', ours: /400/ },
    { at: /EnableIPv4$/, route: networks, why: 'came with 28.0' },
    { at: /IPAM\.Config\[\]\.\w+$/, step: /^net-/, why: 'random subnets' },
    { at: /^body\.Warnings$/, why: 'always there since 24.0', ours: /^null$/ },
    { at: /\.Volumes$/, route: tasks, why: 'came with 23.0', ours: /^null$/ },
    { at: /\.NoNewPrivileges$/, why: 'came with 25.0', ours: /^false$/ },
    {
      at: /./,
      step: /^(?:unlocked-node-ls|leave-last-manager|leave-worker-n2)$/,
      why: 'the recorded hosts stayed managers after their quorum was lost',
    },
  ].map((each): Expected => ({ ...each, recording: 'http-1.41' })),
];

const expectedDifferences: readonly Expected[] = [...wanted, ...circumstances, ...newer];

/** The entry that tells why the difference is no mistake; undefined when it is one. */
export function expectedDifference(name: RecordingName, finding: Finding): Expected | undefined {
  return expectedDifferences.find(
    ({ at, route, step, ours, recording }) =>
      at.test(finding.at) &&
      (route?.test(finding.route) ?? true) &&
      (step?.test(finding.step) ?? true) &&
      (ours?.test(JSON.stringify(finding.ours) ?? '') ?? true) &&
      (recording ?? name) === name,
  );
}

import { canonical } from '../address/address.ts';
import { nodeAttachmentId, revisionId, type TableName, volumeHomeId } from '../objects.ts';
import { taskStateRank } from '../task-state.ts';
import { idCharsMax, listMax, nameCharsMax, nestingMax, textCharsMax } from './format.ts';

/**
 * Checks of what the state machine itself reads, so that applying can never throw. What users may
 * say in a spec is checked where they say it; here only the shape counts. Each check answers what
 * is wrong, in words, or undefined. Written by hand, because every replica runs them on every change.
 */
export type Fault = string | undefined;

export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isText(value: unknown, charsMax = textCharsMax): value is string {
  return typeof value === 'string' && value.length <= charsMax;
}

export function isId(value: unknown): value is string {
  return isText(value, idCharsMax) && value !== '';
}

/** A whole number from 0 that is exact: counts, sizes, log indexes. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A wall-clock time; simulated ones may have fractions. */
function isTime(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

export function isOneOf(value: unknown, ...allowed: readonly string[]): boolean {
  return typeof value === 'string' && allowed.includes(value);
}

function isAmount(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isFlag(value: unknown): boolean {
  return typeof value === 'boolean';
}

/** Checks `value` with `check` unless it is absent. */
function optional(value: unknown, check: (value: unknown) => boolean): boolean {
  return value === undefined || check(value);
}

function isListOf(value: unknown, check: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length <= listMax && value.every(check);
}

const tableNames: ReadonlySet<unknown> = new Set<TableName>([
  'cluster',
  'node',
  'service',
  'revision',
  'task',
  'network',
  'lease',
  'volumeHome',
  'attachment',
  'secret',
  'config',
]);

export function isTableName(value: unknown): value is TableName {
  return tableNames.has(value);
}

/** What is wrong with an object that is to be stored in `table`. */
export function objectFault(table: TableName, object: unknown): Fault {
  if (!isFields(object)) return `the ${table} is no object`;
  if (!isId(object['id'])) return `the ${table} has no id of 1 to ${idCharsMax} characters`;
  const fault = faults[table](object);
  return fault === undefined ? undefined : `${table} ${object['id']}: ${fault}`;
}

const faults: { readonly [T in TableName]: (object: Fields) => Fault } = {
  cluster: ({ spec }) => (isFields(spec) ? undefined : 'no spec'),
  node: nodeFault,
  service: serviceFault,
  revision: revisionFault,
  task: taskFault,
  network: networkFault,
  lease: ({ stage, nodeId, address }) =>
    isId(stage) && isText(nodeId, idCharsMax) && isText(address, nameCharsMax)
      ? undefined
      : 'stage, nodeId or address is not a text',
  volumeHome: volumeHomeFault,
  attachment: attachmentFault,
  secret: ({ spec, data }) =>
    documentFault(spec) ??
    (isFields(data) && typeof data['sealed'] === 'string' ? undefined : 'no sealed data'),
  config: ({ spec, data }) =>
    documentFault(spec) ?? (typeof data === 'string' ? undefined : 'no data'),
};

function documentFault(spec: unknown): Fault {
  return isFields(spec) && isName(spec['Name']) ? undefined : 'no spec with a name';
}

function volumeHomeFault(home: Fields): Fault {
  const { id, serviceId, slot, nodeId, volumes, unproven, former } = home;
  if (!isId(serviceId) || !isCount(slot)) return 'no serviceId or slot';
  if (id !== volumeHomeId(serviceId, slot)) return 'the id does not fit serviceId and slot';
  if (!isId(nodeId)) return 'no nodeId';
  if (!optional(unproven, isVolumeList)) return 'malformed unproven';
  if (!optional(former, (list) => isListOf(list, isFormerHome))) return 'malformed former';
  return isVolumeList(volumes) ? undefined : 'malformed volumes';
}

function isFormerHome(value: unknown): boolean {
  if (!isFields(value) || !optional(value['unproven'], isVolumeList)) return false;
  return isId(value['nodeId']) && isVolumeList(value['volumes']);
}

function isVolumeList(value: unknown): boolean {
  return isListOf(value, (name) => isText(name));
}

function networkFault({ spec, allocation, problem }: Fields): Fault {
  if (!isFields(spec) || !isName(spec['Name'])) return 'no spec with a name';
  if (!optional(spec['IPAM'], isIpam)) return 'malformed IPAM';
  if (!optional(problem, (it) => isText(it))) return 'malformed problem';
  return optional(allocation, isAllocation) ? undefined : 'malformed allocation';
}

function isIpam(value: unknown): boolean {
  return isFields(value) && optional(value['Configs'], (list) => isListOf(list, isIpamConfig));
}

function isIpamConfig(value: unknown): boolean {
  return (
    isFields(value) &&
    optional(
      value['AuxAddresses'],
      (aux) => isFields(aux) && Object.values(aux).every((it) => isText(it)),
    )
  );
}

function isAllocation(value: unknown): boolean {
  return isFields(value) && isListOf(value['subnets'], isSubnet) && isTime(value['at']);
}

function isSubnet(value: unknown): boolean {
  return (
    isFields(value) &&
    isAddressWithPrefix(value['subnet']) &&
    isAddress(value['gateway']) &&
    isCount(value['vni'])
  );
}

/** Canonical, so that equal addresses are equal texts. */
function isAddress(value: unknown): boolean {
  return isText(value, nameCharsMax) && !value.includes('/') && canonical(value) === value;
}

function isAddressWithPrefix(value: unknown): boolean {
  return isText(value, nameCharsMax) && value.includes('/') && canonical(value) === value;
}

function isAddressList(value: unknown): boolean {
  return isListOf(value, isAddressWithPrefix);
}

function isTaskAttachment(value: unknown): boolean {
  return isFields(value) && isId(value['networkId']) && isAddressList(value['addresses']);
}

function isVirtualIp(value: unknown): boolean {
  return isFields(value) && isId(value['networkId']) && isAddressWithPrefix(value['addr']);
}

function attachmentFault(attachment: Fields): Fault {
  const { id, networkId, nodeId, kind, name, wanted, addresses, problem } = attachment;
  if (!isId(networkId) || !isId(nodeId)) return 'no networkId or nodeId';
  if (!isOneOf(kind, 'node', 'container')) return 'kind is neither node nor container';
  if (kind === 'node' && id !== nodeAttachmentId(networkId, nodeId))
    return 'the id does not fit networkId and nodeId';
  if (!optional(name, (it) => isText(it)) || !optional(problem, (it) => isText(it)))
    return 'malformed name or problem';
  if (!optional(wanted, (it) => isText(it, nameCharsMax))) return 'malformed wanted';
  return isAddressList(addresses) ? undefined : 'malformed addresses';
}

function isName(value: unknown): boolean {
  return isText(value, nameCharsMax) && value !== '';
}

function nodeFault(node: Fields): Fault {
  const { spec, role, description, status, drain, factsChangedAt } = node;
  if (!isFields(spec)) return 'no spec';
  if (!isOneOf(role, 'worker', 'manager')) return 'role is neither worker nor manager';
  if (!isFields(status)) return 'no status';
  if (!isOneOf(status['state'], 'unknown', 'down', 'ready', 'disconnected'))
    return 'unknown status.state';
  if (!optional(drain, isDrain)) return 'malformed drain';
  if (!optional(factsChangedAt, isTime)) return 'malformed factsChangedAt';
  return optional(description, isDescription) ? undefined : 'malformed description';
}

function isDrain(value: unknown): boolean {
  return isFields(value) && isTime(value['since']) && isCount(value['tasks']);
}

function isDescription(value: unknown): boolean {
  return (
    isFields(value) && isText(value['Hostname'], nameCharsMax) && isResources(value['Resources'])
  );
}

function serviceFault(service: Fields): Fault {
  const { name, revision, previousRevision, endpoint, updateStatus, jobStatus } = service;
  if (!isName(name)) return `no name of 1 to ${nameCharsMax} characters`;
  if (!isNumber(revision)) return 'revision is no number from 1';
  if (!optional(previousRevision, isNumber)) return 'previousRevision is no number from 1';
  if (!optional(updateStatus, isFields)) return 'malformed updateStatus';
  if (!optional(jobStatus, isJobStatus)) return 'malformed jobStatus';
  if (!optional(service['cron'], isCronStatus)) return 'malformed cron';
  if (!optional(service['scaling'], isScaling)) return 'malformed scaling';
  if (!isFields(endpoint) || !isCount(endpoint['revision'])) return 'malformed endpoint';
  if (!isPortList(endpoint['ports'])) return 'malformed endpoint.ports';
  return isListOf(endpoint['virtualIps'], isVirtualIp)
    ? undefined
    : 'malformed endpoint.virtualIps';
}

function isJobStatus(value: unknown): boolean {
  return (
    isFields(value) &&
    isCount(value['iteration']) &&
    isNumber(value['revision']) &&
    isTime(value['lastExecution'])
  );
}

function isCronStatus(value: unknown): boolean {
  return (
    isFields(value) &&
    isText(value['schedule']) &&
    isTime(value['servedUntil']) &&
    optional(value['lastRun'], isTime) &&
    optional(value['starting'], isFlag) &&
    optional(value['revision'], isNumber)
  );
}

function isScaling(value: unknown): boolean {
  return (
    isFields(value) &&
    isCount(value['replicas']) &&
    isTime(value['changedAt']) &&
    isText(value['reason']) &&
    optional(
      value['fewer'],
      (fewer) => isFields(fewer) && isTime(fewer['since']) && optional(fewer['most'], isCount),
    )
  );
}

function isNumber(value: unknown): boolean {
  return isCount(value) && value >= 1;
}

function revisionFault(revision: Fields): Fault {
  const { id, serviceId, number, spec, registryAuthFrom, byRun } = revision;
  if (!isId(serviceId) || !isCount(number) || number < 1) return 'no serviceId or number';
  if (!optional(registryAuthFrom, isId)) return 'malformed registryAuthFrom';
  if (!optional(byRun, isFlag)) return 'malformed byRun';
  if (id !== revisionId(serviceId, number)) return 'the id does not fit serviceId and number';
  if (!isFields(spec) || !isName(spec['Name'])) return 'no spec with a name';
  const template = spec['TaskTemplate'];
  if (!isFields(template) || !isFields(template['ContainerSpec']))
    return 'no TaskTemplate with a ContainerSpec';
  const { Resources, Placement, Networks } = template;
  const { Secrets, Configs } = template['ContainerSpec'];
  if (!optional(Secrets, (list) => isListOf(list, (it) => isFields(it) && isId(it['SecretID']))))
    return 'malformed Secrets';
  if (!optional(Configs, (list) => isListOf(list, (it) => isFields(it) && isId(it['ConfigID']))))
    return 'malformed Configs';
  if (!optional(Resources, isRequirements)) return 'malformed Resources';
  if (!optional(Placement, isPlacement)) return 'malformed Placement';
  if (!optional(Networks, (list) => isListOf(list, isAttachment))) return 'malformed Networks';
  return optional(spec['EndpointSpec'], isEndpointSpec) ? undefined : 'malformed EndpointSpec';
}

function isRequirements(value: unknown): boolean {
  return (
    isFields(value) &&
    optional(value['Reservations'], isResources) &&
    optional(value['Limits'], isFields)
  );
}

function isResources(value: unknown): boolean {
  return (
    isFields(value) &&
    optional(value['NanoCPUs'], isCount) &&
    optional(value['MemoryBytes'], isCount) &&
    optional(value['GenericResources'], (list) => isListOf(list, isGenericResource))
  );
}

function isGenericResource(value: unknown): boolean {
  if (!isFields(value)) return false;
  const { DiscreteResourceSpec: discrete, NamedResourceSpec: named } = value;
  return (
    optional(discrete, (it) => isFields(it) && isId(it['Kind']) && isCount(it['Value'])) &&
    optional(named, (it) => isFields(it) && isId(it['Kind']) && isText(it['Value']))
  );
}

function isPlacement(value: unknown): boolean {
  return isFields(value) && optional(value['MaxReplicas'], isCount);
}

function isAttachment(value: unknown): boolean {
  return isFields(value) && isId(value['Target']);
}

function isEndpointSpec(value: unknown): boolean {
  return isFields(value) && optional(value['Ports'], isPortList);
}

function isPortList(value: unknown): boolean {
  return isListOf(value, isPort);
}

function isPort(value: unknown): boolean {
  return (
    isFields(value) &&
    isOneOf(value['Protocol'], 'tcp', 'udp', 'sctp') &&
    isOneOf(value['PublishMode'], 'ingress', 'host') &&
    optional(value['PublishedPort'], isPortNumber)
  );
}

function isPortNumber(value: unknown): boolean {
  return isCount(value) && value <= 65_535;
}

function isTaskState(value: unknown): boolean {
  return typeof value === 'string' && Object.hasOwn(taskStateRank, value);
}

function taskFault(task: Fields): Fault {
  const { serviceId, slot, nodeId, revision, genericResources, jobIteration } = task;
  const { desired, status } = task;
  if (!isId(serviceId)) return 'no serviceId';
  if (!isCount(slot)) return 'slot is no number from 0';
  if (!isText(nodeId, idCharsMax)) return 'nodeId is no text';
  if (!isNumber(revision)) return 'revision is no number from 1';
  if (!optional(genericResources, (list) => isListOf(list, isGenericResource)))
    return 'malformed genericResources';
  if (!optional(task['networks'], (list) => isListOf(list, isTaskAttachment)))
    return 'malformed networks';
  if (!isTaskState(desired)) return 'unknown desired state';
  if (!optional(jobIteration, isCount)) return 'jobIteration is no number from 0';
  if (!optional(task['movedFrom'], isId)) return 'malformed movedFrom';
  if (!isFields(status)) return 'no status';
  const { state, at, startedAt, message, err, container, ports, load } = status;
  if (!isTaskState(state)) return 'unknown status.state';
  if (!isTime(at) || !isText(message) || !isText(err)) return 'malformed status';
  if (!optional(startedAt, isTime)) return 'malformed status.startedAt';
  if (!optional(container, isFields)) return 'malformed status.container';
  if (!optional(ports, isPortList)) return 'malformed status.ports';
  if (!optional(load, isLoad)) return 'malformed status.load';
  if (!optional(task['displaced'], isDisplaced)) return 'malformed displaced';
  return optional(task['restart'], isRestart) ? undefined : 'malformed restart';
}

function isLoad(value: unknown): boolean {
  return isFields(value) && isAmount(value['processors']) && isCount(value['memoryBytes']);
}

function isDisplaced(value: unknown): boolean {
  return isFields(value) && isId(value['by']) && isTime(value['at']) && isText(value['reason']);
}

function isRestart(value: unknown): boolean {
  return (
    isFields(value) &&
    isTime(value['delayMs']) &&
    isCount(value['failures']) &&
    optional(value['first'], (first) => isFields(first) && isTime(first['settledAt']))
  );
}

/** True when arrays and objects are nested so deep that writing them out could exhaust the stack. */
export function isTooDeep(value: unknown, left = nestingMax): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (left === 0) return true;
  // Without a list of the values: this looks at every value of every transaction.
  for (const name in value)
    if (isTooDeep((value as Readonly<Record<string, unknown>>)[name], left - 1)) return true;
  return false;
}

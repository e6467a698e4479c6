import type { Wanted } from './comparison.ts';

const breaksOff = 'Docker breaks the connection off at a null where a struct is to be';

/** Of services that are created or updated. */
export const wantedOfServices: readonly Wanted[] = [
  { finding: /docker 0 the connection broke off \| shoal (?:400 .+|20\d)$/, why: breaksOff },
  {
    finding: /\| shoal 400 .* desc = GenericResources: /,
    why: 'a generic resource that nobody can have is refused',
  },
  {
    finding: /\| shoal 400 .* desc = TaskSpec: rollback-/,
    why: 'a rollback is checked as an update is',
  },
  {
    finding: /\| shoal 400 .* desc = EndpointSpec: port \d+ is above 65535/,
    why: 'a port that is none is refused',
  },
  {
    finding:
      /docker 400 network {2}is ambiguous .* \| shoal 400 a network of the service has no Target/,
    why: 'a network without a name is not searched for among all of them',
  },
];

/** Of secrets, configs, networks, the swarm, its nodes, and lists of everything. */
export const wantedOfObjects: readonly Wanted[] = [
  {
    finding: /templating driver ".*" is not known: use golang$/,
    why: 'a template that no node can expand is refused',
  },
  {
    finding: /^(?:filters|flags): docker \d+ .* \| shoal 400 invalid filter$/,
    why: 'the words of newer engines, for everything',
  },
  {
    finding: /^filters: docker 200 \| shoal 404 (?:service|node) {2}not found$/,
    why: 'no name is not the one there is',
  },
  {
    finding: /^create network: .* \| shoal 400 invalid network config:/s,
    why: 'the words of newer engines',
  },
  {
    finding: /^create network: docker 500 invalid name: +\| shoal 400 .*name must be provided$/,
    why: 'a missing name is the fault of who asks',
  },
  {
    finding: /^create network: docker 201 \| shoal 403 Pool overlaps with other one/,
    why: 'a network with the same subnet twice is refused',
  },
  {
    finding: /^create network: docker 400 .*plugin foo \| shoal 400 .*IPAM driver "foo"/,
    why: 'what gives addresses is ours alone',
  },
  {
    finding: /^create network: docker 201 \| shoal 400 .*vxlanid_list/,
    why: 'a VXLAN id that is none is refused when the network is created',
  },
  {
    finding: /^create network: docker 201 \| shoal 400 a (?:configuration-only|swarm) network/,
    why: 'networks that are only a configuration are of one host',
  },
  {
    finding: /^create network: docker 404 plugin "nope" not found \| shoal 501 /,
    why: 'networks of the swarm are overlays',
  },
  {
    finding: /^network \.IPAM\.Config\.1\.\w+: docker undefined/,
    why: 'a network with IPv6 gets addresses of it',
  },
  {
    finding: /^network \.(?:IPAM\.)?Driver: docker "" /,
    why: 'a subnet that is too small for Docker serves two containers here',
  },
  {
    finding: /^swarm \.\w+(?:\.\w+)?: docker (?:undefined|0|\{\}) \| shoal (?:\d+|undefined)$/,
    why: 'a zero in the settings means the default',
  },
  {
    finding: /^swarm \.TaskDefaults\.LogDriver(?:\.Name)?: docker undefined/,
    why: 'the default log driver is kept, and used',
  },
  {
    finding: /^update swarm: docker 200 \| shoal 501 a root without its key/,
    why: 'a root that cannot be moved to is refused at once',
  },
  {
    finding: /^body: docker 400 got EOF while reading request body \| shoal /,
    why: 'the words of newer engines: no body is a body without members',
  },
  {
    finding: /^body: .* \| shoal 400 invalid character '.' after top-level value$/,
    why: 'what follows a body is no part of it, and is refused as by newer engines',
  },
];

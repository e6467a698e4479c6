import { publishedPort } from '@shoal/ingress-lb/testing';
import { routedAddresses } from './routed.ts';
import { proxyPort, serverPort } from './world.ts';

/** A way from a client to the one task. */
export interface Way {
  readonly name: string;
  readonly from: 'client' | 'outside';
  readonly url: string;
  /** Name of the way without balancing that crosses the same devices. */
  readonly sameHops: string;
}

const direct = 'direct, over the tunnel';
const routed = { own: 'routed by the task’s host', other: 'routed by another host' } as const;

/** What has no balancing first. */
export const ways: readonly [Way, ...Way[]] = [
  {
    name: direct,
    from: 'client',
    url: `http://10.77.1.21:${serverPort}/`,
    sameHops: direct,
  },
  {
    name: routed.own,
    from: 'outside',
    url: `http://${routedAddresses.own}:${serverPort}/`,
    sameHops: routed.own,
  },
  {
    name: routed.other,
    from: 'outside',
    url: `http://${routedAddresses.other}:${serverPort}/`,
    sameHops: routed.other,
  },
  {
    name: 'virtual address',
    from: 'client',
    url: `http://10.77.1.2:${serverPort}/`,
    sameHops: direct,
  },
  {
    name: 'haproxy',
    from: 'client',
    url: `http://10.77.1.241:${proxyPort}/`,
    sameHops: direct,
  },
  {
    name: 'published port, host with the task',
    from: 'outside',
    url: `http://10.201.77.2:${publishedPort}/`,
    sameHops: routed.own,
  },
  {
    name: 'published port, other host',
    from: 'outside',
    url: `http://10.201.77.1:${publishedPort}/`,
    sameHops: routed.other,
  },
];

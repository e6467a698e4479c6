export { type ContainerCall, containerCall, isReachable, pathOf } from './container-calls.ts';
export { HostLink, type HostLinkOptions } from './host-link.ts';
export { linkPort } from './limits.ts';
export {
  type LinkCall,
  LinkClient,
  type LinkClientOptions,
  LinkError,
} from './link-client.ts';
export { type LinkMetrics, linkMetrics, noLinkMetrics } from './metrics.ts';
export { refusal, refusalBytes } from './refusal.ts';
export type { LinkHandler, LinkPeer, LinkRoute } from './route.ts';

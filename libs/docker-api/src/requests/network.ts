import { z } from 'zod';
import { ApiError } from '../errors.ts';
import { decode } from '../json.ts';
import { flag, flagPointer, map, pointer, structs, text } from './go-values.ts';

const ipamConfig = z.object({
  Subnet: text,
  IPRange: text,
  Gateway: text,
  AuxiliaryAddresses: map,
});

const createSchema = z.object({
  Name: text,
  Driver: text,
  Scope: text,
  IPAM: pointer(z.object({ Driver: text, Options: map, Config: structs(ipamConfig) })),
  Internal: flag,
  Attachable: flag,
  Ingress: flag,
  ConfigOnly: flag,
  ConfigFrom: pointer(z.object({ Network: text })),
  EnableIPv4: flagPointer,
  EnableIPv6: flag,
  Options: map,
  Labels: map,
});

/** What `POST /networks/create` asks for: what was left out is absent. */
export type NetworkRequest = z.output<typeof createSchema>;
export type IpamConfigRequest = z.output<typeof ipamConfig>;

/** Reads the body of `POST /networks/create`. @throws ApiError 400 */
export function parseNetworkRequest(body: unknown): NetworkRequest {
  return decode(createSchema, 'CreateRequest', body);
}

/** True when the network is to be the swarm's; all others are the engine's own business. */
export function isForSwarm(request: NetworkRequest): boolean {
  return (
    request.Driver === 'overlay' || request.Scope === 'swarm' || (request.Ingress ?? false) === true
  );
}

const connectSchema = z.looseObject({
  Container: text,
  EndpointConfig: pointer(z.looseObject({})),
});

/** What `POST /networks/{ref}/connect` asks for; the rest is passed on as it came. */
export type ConnectRequest = z.output<typeof connectSchema>;

/** @throws ApiError 400 */
export function parseConnectRequest(body: unknown): ConnectRequest {
  const request = decode(connectSchema, 'ConnectRequest', body);
  if (request.Container === undefined) throw new ApiError(400, 'container name is required');
  return request;
}

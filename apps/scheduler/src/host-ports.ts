import type { ServiceSpec } from '@shoal/state';

/** Ports a task of `spec` takes on its node, as `tcp/8080`; port 0 leaves the choice to the engine. */
export function hostPortsOf(spec: ServiceSpec): readonly string[] {
  const ports: string[] = [];
  for (const { PublishMode, PublishedPort, Protocol } of spec.EndpointSpec?.Ports ?? [])
    if (PublishMode === 'host' && PublishedPort !== undefined && PublishedPort > 0)
      ports.push(`${Protocol}/${PublishedPort}`);
  return ports;
}

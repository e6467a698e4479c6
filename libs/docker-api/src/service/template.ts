import {
  expandTemplate,
  type Labels,
  type Mount,
  type ServiceSpec,
  type TemplateSubject,
} from '@shoal/state';
import { invalidArgument } from '../errors.ts';

/** Stands for a task and a node that are not there yet. */
const trial: Omit<TemplateSubject, 'service'> = {
  node: {
    id: 'nodeid',
    hostname: 'nodeHostname',
    platform: { Architecture: 'architecture', OS: 'os' },
  },
  task: { id: 'taskid', name: 'taskname', slot: '1' },
};

/**
 * Refuses templates that could never be expanded, as Swarm does by a trial expansion in this order.
 * Unlike Swarm's, this one knows the service's labels.
 */
export function checkTemplates(spec: ServiceSpec): void {
  const { ContainerSpec: container } = spec.TaskTemplate;
  const subject: TemplateSubject = {
    ...trial,
    service: { id: 'serviceid', name: spec.Name, labels: spec.Labels },
  };
  const check = (what: string, text: string | undefined): void => {
    const expansion = text === undefined ? undefined : expandTemplate(text, subject);
    if (expansion?.kind === 'invalid')
      throw invalidArgument(`expanding ${what}: ${expansion.message}`);
  };
  for (const entry of container.Env ?? []) {
    const at = entry.indexOf('=');
    if (at >= 0) check(`env failed: expanding env ${JSON.stringify(entry)}`, entry.slice(at + 1));
  }
  for (const mount of container.Mounts ?? []) checkMount(mount, check);
  check('hostname failed', container.Hostname);
}

function checkMount(mount: Mount, check: (what: string, text: string | undefined) => void): void {
  const failed = (what: string): string => `mounts failed: expanding ${what}`;
  check(failed(`mount source ${JSON.stringify(mount.Source)}`), mount.Source);
  check(failed(`mount target ${JSON.stringify(mount.Target)}`), mount.Target);
  const driver = mount.VolumeOptions?.['DriverConfig'] as { readonly Options?: Labels } | undefined;
  const labels = mount.VolumeOptions?.['Labels'] as Labels | undefined;
  for (const text of Object.values(labels ?? {})) check(failed('volume labels'), text);
  for (const text of Object.values(driver?.Options ?? {}))
    check(failed('volume driver config'), text);
}

import { useState } from 'preact/hooks';
import { type Service, services } from '../api/shapes.ts';
import { matches, modeOf, portsText, stackOf } from '../model/cluster.ts';
import { imageText } from '../model/words.ts';
import { Known, useLive } from './live.tsx';
import { Ago, Filter, ServiceLink, Table } from './parts.tsx';
import { allServices } from './questions.ts';

/** All services, by stack. */
export function ServicesPage() {
  const [filter, setFilter] = useState('');
  const found = useLive(allServices, services);
  return (
    <>
      <h1>Services</h1>
      <Filter value={filter} onChange={setFilter} label="name, stack, or image" />
      <Known answer={found}>
        {(all) => {
          const shown = all
            .filter((service) =>
              matches(filter, service.Spec.Name, stackOf(service), imageOf(service)),
            )
            .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
          return (
            <Table
              head={['name', 'stack', 'mode', 'running', 'image', 'ports', 'changed']}
              empty={filter === '' ? 'there is no service yet' : 'no service is called so'}
              isEmpty={shown.length === 0}
            >
              {shown.map((service) => (
                <ServiceRow key={service.ID} service={service} />
              ))}
            </Table>
          );
        }}
      </Known>
    </>
  );
}

function ServiceRow({ service }: { readonly service: Service }) {
  const { RunningTasks = 0, DesiredTasks = 0 } = service.ServiceStatus ?? {};
  return (
    <tr>
      <td>
        <ServiceLink id={service.ID} name={service.Spec.Name} />
      </td>
      <td>{stackOf(service)}</td>
      <td>{modeOf(service)}</td>
      <td class={RunningTasks === DesiredTasks ? '' : 'trouble'}>
        {RunningTasks} of {DesiredTasks}
      </td>
      <td>{imageOf(service)}</td>
      <td>{portsText(service)}</td>
      <td class="narrow">
        <Ago then={service.UpdatedAt} />
      </td>
    </tr>
  );
}

function imageOf({ Spec }: Service): string {
  return imageText(Spec.TaskTemplate.ContainerSpec?.Image ?? '');
}

function keyOf(service: Service): string {
  return `${stackOf(service)} ${service.Spec.Name}`;
}

import { explanation, nodes, type Service, services, tasks } from '../api/shapes.ts';
import { byId, modeOf, portsText } from '../model/cluster.ts';
import { countText, imageText } from '../model/words.ts';
import { Known, useLive, valueIn } from './live.tsx';
import { Logs } from './logs.tsx';
import { Commands, Section } from './parts.tsx';
import { allServices, tasksWhere } from './questions.ts';
import { Revisions } from './revisions.tsx';
import { Tasks } from './tasks.tsx';
import { Usage } from './usage.tsx';

/** One service: how it stands and why, its tasks, what it uses, its history, its logs. */
export function ServicePage({ id }: { readonly id: string }) {
  const found = useLive(allServices, services);
  return (
    <Known answer={found}>
      {(all) => {
        const service = all.find(({ ID }) => ID === id);
        if (service === undefined) return <h1>This service is gone</h1>;
        return <Shown key={id} service={service} />;
      }}
    </Known>
  );
}

function Shown({ service }: { readonly service: Service }) {
  const { ID, Spec, UpdateStatus, ServiceStatus } = service;
  const own = useLive(tasksWhere({ service: [ID] }), tasks);
  const hosts = byId(valueIn(useLive('/nodes', nodes)) ?? []);
  const running = (valueIn(own) ?? []).filter(({ Status }) => Status.State === 'running');
  const facts = [
    ['image', imageText(Spec.TaskTemplate.ContainerSpec?.Image ?? '')],
    ['mode', modeOf(service)],
    ['ports', portsText(service)],
    ['update', [UpdateStatus?.State, UpdateStatus?.Message].filter(Boolean).join(': ')],
    ...Object.entries(Spec.Labels).map(([key, value]) => [`label ${key}`, value] as const),
  ] as const;
  return (
    <>
      <h1>{Spec.Name}</h1>
      <p>
        {ServiceStatus?.RunningTasks ?? 0} of {countText(ServiceStatus?.DesiredTasks ?? 0, 'task')}{' '}
        running
      </p>
      <dl>
        {facts
          .filter(([, value]) => value !== '')
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      <Explained id={ID} />
      <Known answer={own}>
        {(all) => (
          <Tasks
            tasks={all}
            services={byId([service])}
            nodes={hosts}
            empty="none of its tasks is there"
          />
        )}
      </Known>
      <Usage tasks={running} />
      <Revisions id={ID} />
      <Logs id={ID} tasks={valueIn(own) ?? []} service={service} />
      <Commands
        commands={[
          [`./shoal explain ${Spec.Name}`, 'why its tasks are where they are'],
          [`docker service update --force ${Spec.Name}`, 'starts its tasks anew'],
          [`./shoal rollback ${Spec.Name}`, 'back to the revision before'],
          [`./shoal top ${Spec.Name} --by task`, 'what its tasks use'],
        ]}
      />
    </>
  );
}

/** Why it has as many tasks as it has, and some of them no node yet: in the words of who decides. */
function Explained({ id }: { readonly id: string }) {
  const told = valueIn(useLive(`/shoal/v1/services/${id}/explain`, explanation));
  const scaling = told?.service.scaling ?? '';
  const waiting = (told?.tasks ?? []).filter(({ waitsFor }) => waitsFor !== '');
  return (
    <>
      {scaling === '' ? null : <p>It is to have {scaling}</p>}
      {waiting.length === 0 ? null : (
        <Section title="Waiting for a node">
          <ul class="plain">
            {waiting.map(({ id: taskId, name, waitsFor }) => (
              <li key={taskId}>
                <strong>{name}</strong> {waitsFor}
              </li>
            ))}
          </ul>
        </Section>
      )}
    </>
  );
}

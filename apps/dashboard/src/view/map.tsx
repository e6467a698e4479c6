import { useState } from 'preact/hooks';
import { type Node, nodes, type Service, services, type Task, tasks } from '../api/shapes.ts';
import { byId, hostnameOf, matches, taskName, taskText } from '../model/cluster.ts';
import { countText, hueOf, imageText } from '../model/words.ts';
import { Known, useLive, valueIn } from './live.tsx';
import { Filter, NodeLink, State } from './parts.tsx';
import { allServices, wanted } from './questions.ts';

/** Of one node; what is beyond is counted. */
const boxesMax = 300;

/** Every task on its node, as the field's visualizers show it. */
export function MapPage() {
  const [filter, setFilter] = useState('');
  const hosts = useLive('/nodes', nodes);
  const running = valueIn(useLive(wanted, tasks)) ?? [];
  const known = byId(valueIn(useLive(allServices, services)) ?? []);
  return (
    <>
      <h1>Tasks on nodes</h1>
      <Filter value={filter} onChange={setFilter} label="service, image, or state" />
      <Known answer={hosts}>
        {(all) => {
          const places = byId(all);
          const shown = running.filter((task) =>
            matches(filter, taskName(task, known, places), imageOf(task), task.Status.State),
          );
          const byNode = Map.groupBy(shown, ({ NodeID }) => NodeID);
          const homeless = byNode.get('') ?? [];
          return (
            <div class="map">
              {[...all]
                .sort((a, b) => (hostnameOf(a) < hostnameOf(b) ? -1 : 1))
                .map((node) => (
                  <NodeColumn
                    key={node.ID}
                    node={node}
                    tasks={byNode.get(node.ID) ?? []}
                    services={known}
                    nodes={places}
                  />
                ))}
              {homeless.length === 0 ? null : (
                <article aria-label="no node yet">
                  <h3>no node yet</h3>
                  <Boxes tasks={homeless} services={known} nodes={places} />
                </article>
              )}
            </div>
          );
        }}
      </Known>
    </>
  );
}

interface Placed {
  readonly tasks: readonly Task[];
  readonly services: ReadonlyMap<string, Service>;
  readonly nodes: ReadonlyMap<string, Node>;
}

function NodeColumn({ node, ...placed }: Placed & { readonly node: Node }) {
  const name = hostnameOf(node);
  const { Role, Availability } = node.Spec;
  return (
    <article aria-label={name}>
      <h3>
        <NodeLink id={node.ID} name={name} />
      </h3>
      <p class="quiet">
        {node.ManagerStatus?.Leader ? 'leader' : Role}
        {Availability === 'active' ? '' : `, ${Availability}`},{' '}
        {countText(placed.tasks.length, 'task')}
      </p>
      <p>
        <State state={node.Status.State} />
      </p>
      <Boxes {...placed} />
    </article>
  );
}

function Boxes({ tasks: placed, services: known, nodes: places }: Placed) {
  const inOrder = [...placed].sort((a, b) =>
    a.ServiceID === b.ServiceID ? a.Slot - b.Slot : a.ServiceID < b.ServiceID ? -1 : 1,
  );
  return (
    <ul class="boxes">
      {inOrder.slice(0, boxesMax).map((task) => (
        <Box key={task.ID} task={task} name={taskName(task, known, places)} />
      ))}
      {placed.length > boxesMax ? <li class="quiet">and {placed.length - boxesMax} more</li> : null}
    </ul>
  );
}

function Box({ task, name }: { readonly task: Task; readonly name: string }) {
  const { State: state } = task.Status;
  const about = [name, imageOf(task), state, taskText(task)].filter((text) => text !== '');
  return (
    <li
      class={`box ${state === 'running' ? '' : 'waiting'}`}
      data-state={state}
      style={{ '--hue': String(hueOf(task.ServiceID)) }}
    >
      <a href={`#/service/${task.ServiceID}`} title={about.join('\n')}>
        {name}
        {state === 'running' ? null : <small>{state}</small>}
      </a>
    </li>
  );
}

function imageOf({ Spec }: Task): string {
  return imageText(Spec.ContainerSpec?.Image ?? '');
}

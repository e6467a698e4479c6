import { useState } from 'preact/hooks';
import { type Node, nodes, type Place, places, type Service, services } from '../api/shapes.ts';
import { byId, hostnameOf, matches, placeName } from '../model/cluster.ts';
import { countText, hueOf, imageText } from '../model/words.ts';
import { Known, useLive, valueIn } from './live.tsx';
import { Filter, NodeLink, State } from './parts.tsx';
import { allPlaces, allServices } from './questions.ts';

/** Of one node; what is beyond is counted. */
const boxesMax = 300;

/** Every task on its node, as the field's visualizers show it. */
export function MapPage() {
  const [filter, setFilter] = useState('');
  const hosts = useLive('/nodes', nodes);
  const placed = valueIn(useLive(allPlaces, places))?.tasks ?? [];
  const known = byId(valueIn(useLive(allServices, services)) ?? []);
  return (
    <>
      <h1>Tasks on nodes</h1>
      <Filter value={filter} onChange={setFilter} label="service, image, or state" />
      <Known answer={hosts}>
        {(all) => {
          const hostsById = byId(all);
          const shown = placed.filter((place) =>
            matches(filter, placeName(place, known, hostsById), imageOf(place, known), place.state),
          );
          const byNode = Map.groupBy(shown, ({ node }) => node);
          const homeless = byNode.get('') ?? [];
          return (
            <div class="map">
              {[...all]
                .sort((a, b) => (hostnameOf(a) < hostnameOf(b) ? -1 : 1))
                .map((node) => (
                  <NodeColumn
                    key={node.ID}
                    node={node}
                    places={byNode.get(node.ID) ?? []}
                    services={known}
                    nodes={hostsById}
                  />
                ))}
              {homeless.length === 0 ? null : (
                <article aria-label="no node yet">
                  <h3>no node yet</h3>
                  <Boxes places={homeless} services={known} nodes={hostsById} />
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
  readonly places: readonly Place[];
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
        {countText(placed.places.length, 'task')}
      </p>
      <p>
        <State state={node.Status.State} />
      </p>
      <Boxes {...placed} />
    </article>
  );
}

function Boxes({ places: placed, services: known, nodes: hosts }: Placed) {
  const inOrder = [...placed].sort((a, b) =>
    a.service === b.service ? a.slot - b.slot : a.service < b.service ? -1 : 1,
  );
  return (
    <ul class="boxes">
      {inOrder.slice(0, boxesMax).map((place) => (
        <Box
          key={place.id}
          place={place}
          name={placeName(place, known, hosts)}
          image={imageOf(place, known)}
        />
      ))}
      {placed.length > boxesMax ? <li class="quiet">and {placed.length - boxesMax} more</li> : null}
    </ul>
  );
}

function Box({
  place: { service, state, err },
  name,
  image,
}: {
  readonly place: Place;
  readonly name: string;
  readonly image: string;
}) {
  const about = [name, image, state, err].filter((text) => text !== '');
  return (
    <li
      class={`box ${state === 'running' ? '' : 'waiting'}`}
      data-state={state}
      style={{ '--hue': String(hueOf(service)) }}
    >
      <a href={`#/service/${service}`} title={about.join('\n')}>
        {name}
        {state === 'running' ? null : <small>{state}</small>}
      </a>
    </li>
  );
}

/** What its service is made of now; the task itself may be of an earlier revision. */
function imageOf({ service }: Place, services: ReadonlyMap<string, Service>): string {
  return imageText(services.get(service)?.Spec.TaskTemplate.ContainerSpec?.Image ?? '');
}

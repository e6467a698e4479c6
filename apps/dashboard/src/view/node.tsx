import { capacity, nodes, services, survivability, tasks } from '../api/shapes.ts';
import { byId, hostnameOf } from '../model/cluster.ts';
import { lossText } from '../model/loss.ts';
import { Known, useLive, valueIn } from './live.tsx';
import { Commands, Section, StandingLine, State } from './parts.tsx';
import { allServices, tasksWhere } from './questions.ts';
import { Reserved } from './reserved.tsx';
import { Tasks } from './tasks.tsx';

const lossesEveryMs = 10_000;

/** One node: what it has, what runs there, what its loss would cost. */
export function NodePage({ id }: { readonly id: string }) {
  const found = useLive('/nodes', nodes);
  const known = byId(valueIn(useLive(allServices, services)) ?? []);
  const own = useLive(tasksWhere({ node: [id] }), tasks);
  const rooms = valueIn(useLive('/shoal/v1/capacity', capacity));
  const room = rooms?.nodes.find(({ node }) => node.id === id);
  const losses = valueIn(
    useLive('/shoal/v1/survivability', survivability, { everyMs: lossesEveryMs }),
  );
  const loss = losses?.nodes.find(({ node }) => node.id === id);
  return (
    <Known answer={found}>
      {(all) => {
        const node = all.find(({ ID }) => ID === id);
        if (node === undefined) return <h1>This node is gone</h1>;
        const name = hostnameOf(node);
        return (
          <>
            <h1>{name}</h1>
            <p>
              <State state={node.Status.State} /> {node.Status.Message}
            </p>
            <dl>
              {[
                ['role', node.ManagerStatus?.Leader ? 'manager, leader' : node.Spec.Role],
                ['availability', node.Spec.Availability],
                ['address', node.Status.Addr],
                [
                  'platform',
                  `${node.Description.Platform.OS}/${node.Description.Platform.Architecture}`,
                ],
                ['engine', node.Description.Engine.EngineVersion],
                ...Object.entries(node.Spec.Labels).map(([key, value]) => [`label ${key}`, value]),
              ].map(([term, value]) => (
                <div key={term}>
                  <dt>{term}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
            {room === undefined ? null : <Reserved {...room} />}
            {loss === undefined ? null : (
              <Section title="If it were lost">
                <StandingLine standing={lossText(loss)} />
              </Section>
            )}
            <Known answer={own}>
              {(all) => (
                <Tasks
                  tasks={all}
                  services={known}
                  nodes={byId([node])}
                  empty="nothing runs here"
                />
              )}
            </Known>
            <Commands
              commands={[
                [`./shoal plan drain ${name}`, 'what would move where; nothing is changed'],
                [`docker node update --availability drain ${name}`, 'moves its tasks away'],
                [`docker node ps ${name}`, 'what ran there'],
              ]}
            />
          </>
        );
      }}
    </Known>
  );
}

import { nodes, services, survivability, tasks } from '../api/shapes.ts';
import { byId, hostnameOf, inOrder, isHolding, reservedBy, taskName } from '../model/cluster.ts';
import { lossText } from '../model/loss.ts';
import { bytesText, processorsText } from '../model/words.ts';
import { Known, useLive, valueIn } from './live.tsx';
import {
  Ago,
  Bar,
  Commands,
  Section,
  ServiceLink,
  StandingLine,
  State,
  Table,
  TaskState,
  TaskTrouble,
} from './parts.tsx';
import { allServices, tasksWhere } from './questions.ts';

const lossesEveryMs = 10_000;

/** One node: what it has, what runs there, what its loss would cost. */
export function NodePage({ id }: { readonly id: string }) {
  const found = useLive('/nodes', nodes);
  const known = byId(valueIn(useLive(allServices, services)) ?? []);
  const own = useLive(tasksWhere({ node: [id], 'desired-state': ['running'] }), tasks);
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
        const { NanoCPUs, MemoryBytes } = node.Description.Resources;
        const { nanoProcessors, memoryBytes } = reservedBy((valueIn(own) ?? []).filter(isHolding));
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
            <Section title="Reserved">
              <Bar
                label="processors"
                part={nanoProcessors}
                whole={NanoCPUs}
                text={`${processorsText(nanoProcessors)} of ${processorsText(NanoCPUs)}`}
              />
              <Bar
                label="memory"
                part={memoryBytes}
                whole={MemoryBytes}
                text={`${bytesText(memoryBytes)} of ${bytesText(MemoryBytes)}`}
              />
            </Section>
            {loss === undefined ? null : (
              <Section title="If it were lost">
                <StandingLine standing={lossText(loss)} />
              </Section>
            )}
            <Section title="Tasks">
              <Known answer={own}>
                {(running) => (
                  <Table
                    head={['task', 'state', 'since', '']}
                    empty="nothing runs here"
                    isEmpty={running.length === 0}
                  >
                    {inOrder(running).map((task) => (
                      <tr key={task.ID}>
                        <td>
                          <ServiceLink
                            id={task.ServiceID}
                            name={taskName(task, known, byId([node]))}
                          />
                        </td>
                        <td>
                          <TaskState task={task} />
                        </td>
                        <td class="narrow">
                          <Ago then={task.Status.Timestamp} />
                        </td>
                        <td>
                          <TaskTrouble task={task} />
                        </td>
                      </tr>
                    ))}
                  </Table>
                )}
              </Known>
            </Section>
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

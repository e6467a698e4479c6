import { useState } from 'preact/hooks';
import type { Node, Service, Task } from '../api/shapes.ts';
import { hostnameOf, inOrder, isOver, taskName } from '../model/cluster.ts';
import { Ago, NodeLink, Section, ServiceLink, Table, TaskState, TaskTrouble } from './parts.tsx';

/** Tasks of one service or on one node; those that ended only when they are asked for. */
export function Tasks({
  tasks,
  services,
  nodes,
  empty,
}: {
  readonly tasks: readonly Task[];
  readonly services: ReadonlyMap<string, Service>;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly empty: string;
}) {
  const [isHistoryShown, showHistory] = useState(false);
  const former = tasks.filter(isOver).length;
  const shown = inOrder(tasks).filter((task) => isHistoryShown || !isOver(task));
  const aside =
    former === 0 ? null : (
      <label>
        <input
          type="checkbox"
          checked={isHistoryShown}
          onChange={({ currentTarget }) => showHistory(currentTarget.checked)}
        />{' '}
        with {former} that ended
      </label>
    );
  return (
    <Section title="Tasks" aside={aside}>
      <Table
        head={['task', 'node', 'state', 'since', '']}
        empty={empty}
        isEmpty={shown.length === 0}
      >
        {shown.map((task) => {
          const node = nodes.get(task.NodeID);
          return (
            <tr key={task.ID}>
              <td title={task.ID}>
                <ServiceLink id={task.ServiceID} name={taskName(task, services, nodes)} />
              </td>
              <td>{node === undefined ? '' : <NodeLink id={node.ID} name={hostnameOf(node)} />}</td>
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
          );
        })}
      </Table>
    </Section>
  );
}

import { type Node, nodes, type Task, tasks } from '../api/shapes.ts';
import { hostnameOf, isHolding, reservedBy } from '../model/cluster.ts';
import { bytesText, processorsText } from '../model/words.ts';
import { Known, useLive, valueIn } from './live.tsx';
import { NodeLink, State, Table } from './parts.tsx';
import { wanted } from './questions.ts';

/** All nodes, with what they have and what of it is taken. */
export function NodesPage() {
  const found = useLive('/nodes', nodes);
  const running = valueIn(useLive(wanted, tasks)) ?? [];
  const byNode = Map.groupBy(running.filter(isHolding), ({ NodeID }) => NodeID);
  return (
    <>
      <h1>Nodes</h1>
      <Known answer={found}>
        {(all) => (
          <Table
            head={[
              ...['name', 'role', 'state', 'availability', 'tasks'],
              ...['processors reserved', 'memory reserved', 'address', 'engine'],
            ]}
            empty="there is no node"
            isEmpty={all.length === 0}
          >
            {[...all]
              .sort((a, b) => (hostnameOf(a) < hostnameOf(b) ? -1 : 1))
              .map((node) => (
                <NodeRow key={node.ID} node={node} tasks={byNode.get(node.ID) ?? []} />
              ))}
          </Table>
        )}
      </Known>
    </>
  );
}

function NodeRow({ node, tasks: own }: { readonly node: Node; readonly tasks: readonly Task[] }) {
  const { NanoCPUs, MemoryBytes } = node.Description.Resources;
  const { nanoProcessors, memoryBytes } = reservedBy(own);
  return (
    <tr>
      <td>
        <NodeLink id={node.ID} name={hostnameOf(node)} />
      </td>
      <td>{node.ManagerStatus?.Leader ? 'leader' : node.Spec.Role}</td>
      <td title={node.Status.Message}>
        <State state={node.Status.State} />
      </td>
      <td>{node.Spec.Availability}</td>
      <td>{own.length}</td>
      <td>
        {processorsText(nanoProcessors)} of {processorsText(NanoCPUs)}
      </td>
      <td>
        {bytesText(memoryBytes)} of {bytesText(MemoryBytes)}
      </td>
      <td>{node.Status.Addr}</td>
      <td>{node.Description.Engine.EngineVersion}</td>
    </tr>
  );
}

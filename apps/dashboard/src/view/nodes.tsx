import { type Amount, capacity, type Node, nodes } from '../api/shapes.ts';
import { hostnameOf } from '../model/cluster.ts';
import { bytesText, processorsText } from '../model/words.ts';
import { Known, useLive, valueIn } from './live.tsx';
import { NodeLink, State, Table } from './parts.tsx';

/** All nodes, with what they have and what of it is taken. */
export function NodesPage() {
  const found = useLive('/nodes', nodes);
  const rooms = valueIn(useLive('/shoal/v1/capacity', capacity))?.nodes ?? [];
  const roomOf = new Map(rooms.map((room) => [room.node.id, room]));
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
                <NodeRow key={node.ID} node={node} room={roomOf.get(node.ID)} />
              ))}
          </Table>
        )}
      </Known>
    </>
  );
}

interface Room {
  readonly tasks: number;
  readonly nanoCpus: Amount;
  readonly memoryBytes: Amount;
}

function NodeRow({ node, room }: { readonly node: Node; readonly room: Room | undefined }) {
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
      <td>{room?.tasks}</td>
      <td>{room && amountText(room.nanoCpus, processorsText)}</td>
      <td>{room && amountText(room.memoryBytes, bytesText)}</td>
      <td>{node.Status.Addr}</td>
      <td>{node.Description.Engine.EngineVersion}</td>
    </tr>
  );
}

function amountText({ has, reserved }: Amount, text: (amount: number) => string): string {
  return `${text(reserved)} of ${text(has)}`;
}

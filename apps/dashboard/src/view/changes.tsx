import { useState } from 'preact/hooks';
import { type AuditRecord, audit } from '../api/shapes.ts';
import { actorText, changeText } from '../model/audit.ts';
import { matches } from '../model/cluster.ts';
import { Known, useLive } from './live.tsx';
import { Ago, Filter, Table } from './parts.tsx';

const shownMax = 500;

/** Who changed what. */
export function Changes({ records }: { readonly records: readonly AuditRecord[] }) {
  return (
    <Table
      head={['when', 'who', 'what']}
      empty="nothing was changed so far back"
      isEmpty={records.length === 0}
    >
      {records.map((record) => (
        <tr key={record.Index}>
          <td class="narrow">
            <Ago then={record.Time} />
          </td>
          <td>{actorText(record)}</td>
          <td>
            {record.Changes.map((change) => (
              <div key={`${change.Kind} ${change.ID}`}>{changeText(change)}</div>
            ))}
            {record.LeftOut > 0 ? <div class="quiet">and {record.LeftOut} more</div> : null}
          </td>
        </tr>
      ))}
    </Table>
  );
}

export function ChangesPage() {
  const [filter, setFilter] = useState('');
  const found = useLive(`/shoal/v1/audit?limit=${shownMax}`, audit);
  return (
    <>
      <h1>Changes</h1>
      <Filter value={filter} onChange={setFilter} label="who, or what" />
      <Known answer={found}>
        {({ Records }) => (
          <Changes
            records={Records.filter((record) =>
              matches(filter, actorText(record), ...record.Changes.map(changeText)),
            )}
          />
        )}
      </Known>
    </>
  );
}

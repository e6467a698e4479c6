import { type Revision, revisions } from '../api/shapes.ts';
import { differences, type Json } from '../model/differences.ts';
import { Known, useLive } from './live.tsx';
import { Ago, Section, Table } from './parts.tsx';

/** What a service was, and what each change of it changed. */
export function Revisions({ id }: { readonly id: string }) {
  const found = useLive(`/shoal/v1/services/${id}/revisions`, revisions);
  return (
    <Section title="Revisions">
      <Known answer={found}>
        {({ Revisions: all }) => (
          <Table
            head={['revision', 'made', 'tasks', 'what changed']}
            empty="none is kept"
            isEmpty={all.length === 0}
          >
            {all.map((revision, at) => (
              <RevisionRow key={revision.Number} revision={revision} before={all[at + 1]} />
            ))}
          </Table>
        )}
      </Known>
    </Section>
  );
}

function RevisionRow({
  revision,
  before,
}: {
  readonly revision: Revision;
  readonly before: Revision | undefined;
}) {
  return (
    <tr>
      <td>
        {revision.Number}
        {revision.Current ? ' (current)' : ''}
      </td>
      <td class="narrow">
        <Ago then={revision.CreatedAt} />
      </td>
      <td>{revision.RunningTasks}</td>
      <td>
        {before === undefined ? (
          <span class="quiet">the oldest that is kept</span>
        ) : (
          differences(before.Spec, revision.Spec).map(({ path, from, to }) => (
            <div key={path}>
              <code>{path}</code> {shortened(from)} → {shortened(to)}
            </div>
          ))
        )}
      </td>
    </tr>
  );
}

const charactersMax = 120;

function shortened(value: Json | undefined): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > charactersMax ? `${text.slice(0, charactersMax)}…` : text;
}

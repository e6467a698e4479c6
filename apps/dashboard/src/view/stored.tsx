import { type Service, services, storedValues } from '../api/shapes.ts';
import { usersOf } from '../model/cluster.ts';
import { Known, useLive, valueIn } from './live.tsx';
import { Ago, Section, ServiceLink, Table } from './parts.tsx';
import { allServices } from './questions.ts';

/** Secrets and configs by name, and who gets them. What is in a secret nobody is shown. */
export function StoredPage() {
  const known = valueIn(useLive(allServices, services)) ?? [];
  return (
    <>
      <h1>Secrets and configs</h1>
      <Stored kind="secret" title="Secrets" services={known} />
      <Stored kind="config" title="Configs" services={known} />
    </>
  );
}

function Stored({
  kind,
  title,
  services: known,
}: {
  readonly kind: 'secret' | 'config';
  readonly title: string;
  readonly services: readonly Service[];
}) {
  const found = useLive(`/${kind}s`, storedValues);
  return (
    <Section title={title}>
      <Known answer={found}>
        {(all) => (
          <Table
            head={['name', 'made', 'used by']}
            empty={`there is no ${kind}`}
            isEmpty={all.length === 0}
          >
            {all.map((one) => (
              <tr key={one.ID}>
                <td title={one.ID}>{one.Spec.Name}</td>
                <td class="narrow">
                  <Ago then={one.CreatedAt} />
                </td>
                <td class="links">
                  {usersOf(one, kind, known).map(({ ID, Spec }) => (
                    <ServiceLink key={ID} id={ID} name={Spec.Name} />
                  ))}
                </td>
              </tr>
            ))}
          </Table>
        )}
      </Known>
    </Section>
  );
}

import type { Amount } from '../api/shapes.ts';
import { bytesText, processorsText } from '../model/words.ts';
import { Bar, Section } from './parts.tsx';

/** What tasks have reserved of what there is. */
export function Reserved({
  nanoCpus,
  memoryBytes,
}: {
  readonly nanoCpus: Amount;
  readonly memoryBytes: Amount;
}) {
  return (
    <Section title="Reserved">
      <Bar
        label="processors"
        part={nanoCpus.reserved}
        whole={nanoCpus.has}
        text={`${processorsText(nanoCpus.reserved)} of ${processorsText(nanoCpus.has)}`}
      />
      <Bar
        label="memory"
        part={memoryBytes.reserved}
        whole={memoryBytes.has}
        text={`${bytesText(memoryBytes.reserved)} of ${bytesText(memoryBytes.has)}`}
      />
    </Section>
  );
}

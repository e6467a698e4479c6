import { decodeTransaction } from '@shoal/state';
import { expect, test } from 'vitest';
import { WriteTemplate } from './write-template.ts';

test.each([0, 1, 12_345, Number.MAX_SAFE_INTEGER])('writes over version %i', (version) => {
  const decoded = decodeTransaction(new WriteTemplate(7).write(version));
  expect(decoded).toMatchObject({
    kind: 'ok',
    transaction: {
      decidedAt: version,
      changes: [
        {
          op: version === 0 ? 'create' : 'update',
          table: 'lease',
          object: { id: 'bench/7', meta: { version } },
        },
      ],
    },
  });
});

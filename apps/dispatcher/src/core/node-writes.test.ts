import { describe, expect, test } from 'vitest';
import { readDescription } from './node-writes.ts';

const description = {
  Hostname: 'one',
  Platform: { Architecture: 'x86_64', OS: 'linux' },
  Resources: {},
  Engine: { EngineVersion: '28', Plugins: [] },
};
const read = (more: object) =>
  readDescription(Buffer.from(JSON.stringify({ ...description, ...more })));

describe('where a node says that its tunnels end', () => {
  test.each([{}, { DataPathAddr: '10.9.0.1' }, { DataPathAddr: 'fd00::1' }])('%j', (more) => {
    expect(read(more)).toEqual({ ...description, ...more });
  });

  test.each(['', 'eth1', '10.9.0.1:4789', '10.9.0.1/24', 'FD00::1', '010.9.0.1', 7])(
    '%j is no description: others would send their packets there',
    (DataPathAddr) => {
      expect(read({ DataPathAddr })).toBeUndefined();
    },
  );
});

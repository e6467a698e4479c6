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
    (text) => {
      expect(read({ DataPathAddr: text })).toBeUndefined();
      expect(read({ AdvertiseAddr: text })).toBeUndefined();
    },
  );

  test('and where its user says that it is reached', () => {
    const AdvertiseAddr = '10.0.0.100';
    expect(read({ AdvertiseAddr })).toEqual({ ...description, AdvertiseAddr });
  });
});

describe('how a node says that it takes part in encrypted networks', () => {
  const PublicKey = `${'A'.repeat(43)}=`;

  test('with a key and a port', () => {
    const Encryption = { PublicKey, Port: 51_820 };
    expect(read({ Encryption })).toEqual({ ...description, Encryption });
  });

  test.each([
    { PublicKey, Port: 0 },
    { PublicKey: 'short', Port: 51_820 },
    { PublicKey: `${PublicKey.slice(0, -3)}\n[P`, Port: 51_820 },
  ])('%j is no description: others would be told it', (Encryption) => {
    expect(read({ Encryption })).toBeUndefined();
  });
});

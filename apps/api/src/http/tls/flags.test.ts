import { expect, test } from 'vitest';
import { chooseTls, type TlsFlags } from './flags.ts';

const tcp = '0.0.0.0:2376';
const files = { tlscacert: '/ca.pem', tlscert: '/cert.pem', tlskey: '/key.pem' };
const { tlscacert, tlscert, tlskey } = files;
const unverified = { tlscert, tlskey, tlscacert: undefined };

test.each<[string, TlsFlags, object]>([
  ['nothing', {}, { kind: 'plain' }],
  ['a port alone', { tcp }, { kind: 'plain' }],
  ['TLS that is declined', { tcp, tls: false }, { kind: 'plain' }],
  ['tlsverify', { tcp, tlsverify: true, ...files }, { kind: 'tls', files }],
  ['tlsverify beside tls', { tcp, tls: true, tlsverify: true, ...files }, { kind: 'tls', files }],
  ['tlsverify wins', { tcp, tls: false, tlsverify: true, ...files }, { kind: 'tls', files }],
  ['tls', { tcp, tls: true, tlscert, tlskey }, { kind: 'tls', files: unverified }],
  ['tls with an authority', { tcp, tls: true, ...files }, { kind: 'tls', files: unverified }],
  [
    'tlsverify that is declined is still TLS',
    { tcp, tlsverify: false, ...files },
    { kind: 'tls', files: unverified },
  ],
])('%s', (_what, flags, choice) => {
  expect(chooseTls(flags)).toEqual(choice);
});

test.each<[TlsFlags, string]>([
  [
    { tlsverify: true, ...files },
    '--tlsverify is for the TCP port, and there is none: give --tcp as well, as in --tcp=0.0.0.0:2376, or leave --tlsverify out',
  ],
  [
    { tls: true, tlscert, tlskey },
    '--tls is for the TCP port, and there is none: give --tcp as well, as in --tcp=0.0.0.0:2376, or leave --tls out',
  ],
  [
    { tlskey },
    '--tlskey is for the TCP port, and there is none: give --tcp as well, as in --tcp=0.0.0.0:2376, or leave --tlskey out',
  ],
  [
    { tcp, tlscert, tlskey },
    '--tlscert alone would leave the TCP port open to everybody: give --tlsverify as well, or leave --tlscert out',
  ],
  [
    { tcp, tls: false, ...files },
    '--tlscacert alone would leave the TCP port open to everybody: give --tlsverify as well, or leave --tlscacert out',
  ],
  [{ tcp, tls: true, tlskey }, "--tls needs the server's certificate: give --tlscert"],
  [
    { tcp, tlsverify: true, tlscacert, tlscert },
    "--tlsverify needs the key of the server's certificate: give --tlskey",
  ],
  [
    { tcp, tlsverify: true, tlscert, tlskey },
    '--tlsverify needs the certificate of the authority that issues those of clients: give --tlscacert',
  ],
])('%j is refused', (flags, message) => {
  expect(chooseTls(flags)).toEqual({ kind: 'refused', message });
});

/** Where to listen or connect. An IPv6 host is kept without brackets, and with its zone (RFC 4007) where it has one. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const form = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^\s:[\]/]+)):(\d{1,5})$/;

/** Parses `host:port` or `[v6]:port`; undefined when the text is neither. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = form.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

/** The text form of {@link parseHostPort}. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only who is on this host reaches what listens there. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d+){3}$/.test(host);
}

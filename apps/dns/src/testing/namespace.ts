import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Why tests with network namespaces cannot run here; undefined when they can. */
export function namespacesMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'network namespaces can be made by root only';
  if (!existsSync('/run/netns') && !existsSync('/usr/sbin/ip') && !existsSync('/sbin/ip')) {
    return 'ip is missing: install iproute2';
  }
  return undefined;
}

/** A network namespace with addresses on its loopback device. */
export class TestNamespace {
  readonly name: string;

  constructor(name: string, addresses: readonly string[]) {
    this.name = name;
    this.make(addresses);
  }

  get path(): string {
    return `/run/netns/${this.name}`;
  }

  make(addresses: readonly string[]): void {
    ip('netns', 'add', this.name);
    ip('-n', this.name, 'link', 'set', 'lo', 'up');
    for (const address of addresses) {
      const prefix = address.includes(':') ? 128 : 32;
      ip('-n', this.name, 'address', 'add', `${address}/${prefix}`, 'dev', 'lo');
    }
  }

  remove(): void {
    if (existsSync(this.path)) ip('netns', 'delete', this.name);
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

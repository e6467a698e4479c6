import { Option } from 'commander';
import { defaultRunDir } from '../host/config.ts';

/** Where this host's api answers. */
export function socketOption(): Option {
  return new Option('--socket <path>', 'Docker API socket of this host')
    .env('SHOAL_SOCKET')
    .default(`${defaultRunDir}/docker.sock`);
}

export function jsonOption(): Option {
  return new Option('--json', 'for programs').default(false);
}

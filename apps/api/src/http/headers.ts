import { formatVersion, maxVersion } from '@shoal/docker-api';
import { version } from '@shoal/runtime';

/** On every answer but that to an unknown page. */
export const routedHeaders = {
  'Api-Version': formatVersion(maxVersion),
  Ostype: 'linux',
  'Docker-Experimental': 'false',
  Server: `Shoal/${version} (linux)`,
} as const;

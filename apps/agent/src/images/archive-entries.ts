/** One file of a tar archive, by its header. */
export interface EntryHeader {
  readonly name: string;
  readonly type: 'file' | 'directory' | 'link' | 'extension';
  readonly size: number;
  readonly target: string;
}

/** What archives are made of, bytes. */
export const blockBytes = 512;

const places = {
  name: [0, 100],
  size: [124, 136],
  checksum: [148, 156],
  type: [156, 157],
  target: [157, 257],
  magic: [257, 262],
  prefix: [345, 500],
} as const;

const types: Readonly<Record<string, EntryHeader['type']>> = {
  '\0': 'file',
  '0': 'file',
  '2': 'link',
  '5': 'directory',
  x: 'extension',
};

/** Undefined for what is no header, or one of a kind that engines do not write into archives of images. */
export function readHeader(block: Buffer): EntryHeader | undefined {
  const text = (place: keyof typeof places): string => {
    const raw = block.toString('latin1', ...places[place]);
    const end = raw.indexOf('\0');
    return end < 0 ? raw : raw.slice(0, end);
  };
  const type = types[block.toString('latin1', ...places.type)];
  const size = octal(text('size'));
  if (type === undefined || size === undefined || text('magic') !== 'ustar') return undefined;
  if (octal(text('checksum')) !== checksum(block)) return undefined;
  const prefix = text('prefix');
  const name = prefix === '' ? text('name') : `${prefix}/${text('name')}`;
  return {
    name,
    type,
    size: type === 'file' || type === 'extension' ? size : 0,
    target: text('target'),
  };
}

function octal(text: string): number | undefined {
  const digits = text.trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

/** The sum of the header's bytes, its own place counted as blanks. */
function checksum(block: Buffer): number {
  const [begin, end] = places.checksum;
  let sum = 0;
  for (const [at, byte] of block.entries()) sum += at >= begin && at < end ? 0x20 : byte;
  return sum;
}

/** Extended facts of the entry that follows. Undefined when it would get another name or target by them. */
export function readExtension(body: Buffer): { readonly size: number | undefined } | undefined {
  let size: number | undefined;
  let rest = body;
  while (rest.length > 0) {
    const space = rest.indexOf(' ');
    const length = Number(rest.toString('latin1', 0, Math.max(space, 0)));
    if (!Number.isSafeInteger(length) || length <= space + 1 || length > rest.length)
      return undefined;
    const record = rest.toString('utf8', space + 1, length - 1);
    rest = rest.subarray(length);
    const equals = record.indexOf('=');
    const key = record.slice(0, equals);
    if (key === 'size') {
      size = Number(record.slice(equals + 1));
      if (!Number.isSafeInteger(size) || size < 0) return undefined;
    } else if (!/^([acm]time|SCHILY\.xattr\..+)$/.test(key)) return undefined;
  }
  return { size };
}

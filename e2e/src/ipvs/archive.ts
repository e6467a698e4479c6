/** A file of an initial RAM disk. */
export interface ArchiveEntry {
  /** Without leading slash. */
  readonly path: string;
  readonly mode: number;
  readonly content: Buffer;
}

const directoryMode = 0o040755;
const fileType = 0o100000;
const linkMode = 0o120777;

export function file(path: string, content: Buffer, executable = false): ArchiveEntry {
  return { path, mode: fileType | (executable ? 0o755 : 0o644), content };
}

export function link(path: string, target: string): ArchiveEntry {
  return { path, mode: linkMode, content: Buffer.from(target) };
}

export function isLink({ mode }: ArchiveEntry): boolean {
  return mode === linkMode;
}

/** The `newc` format of cpio, as the kernel reads it; folders come by themselves. */
export function archive(entries: readonly ArchiveEntry[], folders: readonly string[]): Buffer {
  const all = new Map<string, ArchiveEntry>();
  const addFolder = (path: string): void => {
    if (path === '' || path === '.' || all.has(path)) return;
    addFolder(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
    all.set(path, { path, mode: directoryMode, content: Buffer.alloc(0) });
  };
  for (const folder of folders) addFolder(folder);
  for (const entry of entries) {
    addFolder(entry.path.slice(0, Math.max(0, entry.path.lastIndexOf('/'))));
    all.set(entry.path, entry);
  }
  const parts = [...all.values()].flatMap((entry, at) => record(entry, at + 1));
  parts.push(...record({ path: 'TRAILER!!!', mode: 0, content: Buffer.alloc(0) }, 0));
  return Buffer.concat(parts);
}

function record({ path, mode, content }: ArchiveEntry, inode: number): readonly Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return [padded(Buffer.concat([Buffer.from(header), name])), padded(content)];
}

function padded(bytes: Buffer): Buffer {
  const rest = bytes.length % 4;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - rest)]);
}

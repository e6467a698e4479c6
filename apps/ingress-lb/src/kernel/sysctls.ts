import type { KernelCommands } from '@shoal/overlay/kernel';
import { type Applied, applied } from './backend.ts';

/** Each argument is `path=value`; `?path=value` may be missing in this kernel. */
const script = `for each; do
  case "$each" in \\?*) each="\${each#?}"; [ -e "/proc/sys/\${each%%=*}" ] || continue;; esac
  file="/proc/sys/\${each%%=*}"; value="\${each#*=}"
  [ "$(cat "$file")" = "$value" ] || echo "$value" > "$file" || exit 1
done`;

/**
 * Sets kernel settings of a namespace, by their path under `/proc/sys`; a path with `?` in front is left
 * out where the kernel does not have it. Done by a shell inside, because `/proc/sys/net` shows the
 * namespace of who looks.
 */
export async function setSysctls(
  commands: KernelCommands,
  namespace: string | undefined,
  settings: Readonly<Record<string, string>>,
): Promise<Applied> {
  const words = Object.entries(settings).map(([path, value]) => `${path}=${value}`);
  const args = ['-c', script, 'sh', ...words];
  const outcome = await commands.run({ program: 'sh', args, namespace });
  return outcome.kind === 'done' ? applied : { kind: 'failed', message: outcome.message };
}

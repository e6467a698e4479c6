import { type HostConfig, hostArguments } from './config.ts';

/** What systemd knows this host's processes by. */
export const unitName = 'shoal.service';
/** Where an operator's units are. */
export const unitDirectory = '/etc/systemd/system';
/** Longest stop of all processes, seconds; then systemd kills. */
const stopSecondsMax = 90;

/**
 * The unit that keeps a host up, from the start of the computer on. It ends with the supervisor: one that was stopped by
 * `shoal down` stays so until the next start. Variables of the processes are read from /etc/default/shoal.
 * Source: systemd.service(5), systemd.kill(5).
 */
export function bootUnit(config: HostConfig, root: string): string {
  const command = [`${root}/shoal`, 'up', '--foreground', ...hostArguments(config)];
  return `# Written by ./shoal enable, and removed by ./shoal disable.
[Unit]
Description=Shoal, many Docker hosts as one
Wants=network-online.target docker.service
After=network-online.target docker.service

[Service]
Type=exec
Environment=HOME=/root
EnvironmentFile=-/etc/default/shoal
ExecStart=${command.map(quoted).join(' ')}
Restart=on-failure
RestartSec=2
KillMode=mixed
TimeoutStopSec=${stopSecondsMax}
LimitNOFILE=1048576
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
`;
}

/** One word of a command line, in which systemd would look for variables and specifiers. */
function quoted(word: string): string {
  const escaped = word.replaceAll(/["\\]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w./:=@%$,+-]+$/.test(word) ? escaped : `"${escaped}"`;
}

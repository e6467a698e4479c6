export { copyLog } from './copy-log.ts';
export { logDirectory } from './log-directory.ts';
export { type CopiedState, readLog } from './read-log.ts';

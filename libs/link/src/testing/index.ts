export { type FakeNode, FakeNodes } from './fake-nodes.ts';
export { clientOf, LinkedHost } from './hosts.ts';

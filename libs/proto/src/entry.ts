export { encoded } from './encoding.ts';
export * from './gen/shoal/v1/entry.ts';

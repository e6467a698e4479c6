export * from './gen/shoal/v1/entry.ts';

export * from './replica.ts';
export * from './stage.ts';

export * from './assignment.ts';
export * from './constraint.ts';
export * from './objects.ts';
export * from './spec.ts';
export * from './task-state.ts';
export * from './transaction.ts';
export * from './view.ts';

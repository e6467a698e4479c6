/** What a template consists of once it is parsed. `at` is an offset in its text. */
export type Node =
  | { readonly kind: 'text'; readonly at: number; readonly text: string }
  | { readonly kind: 'action'; readonly pipeline: Pipeline }
  | {
      readonly kind: 'if' | 'with' | 'range';
      readonly pipeline: Pipeline;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    };

/** `$a, $b := first arg | second arg`: each command gets what the one before gave as its last argument. */
export interface Pipeline {
  readonly at: number;
  readonly text: string;
  readonly variables: readonly string[];
  /** Whether the variables are new here, or set again. */
  readonly declares: boolean;
  readonly commands: readonly Command[];
}

/** A function or value, and its arguments. */
export interface Command {
  readonly at: number;
  readonly text: string;
  readonly operands: readonly [Operand, ...Operand[]];
}

interface Place {
  readonly at: number;
  /** As Go's errors quote it. */
  readonly text: string;
}

export type Operand = Place &
  (
    | { readonly kind: 'dot' }
    | { readonly kind: 'nil' }
    | { readonly kind: 'constant'; readonly value: string | number | boolean }
    | { readonly kind: 'function'; readonly name: string }
    /** `.A.B` of what the dot is. */
    | { readonly kind: 'field'; readonly path: readonly string[] }
    /** `$a.B`; the path may be empty. */
    | { readonly kind: 'variable'; readonly name: string; readonly path: readonly string[] }
    /** `(…).B`; the path may be empty. */
    | { readonly kind: 'group'; readonly pipeline: Pipeline; readonly path: readonly string[] }
  );

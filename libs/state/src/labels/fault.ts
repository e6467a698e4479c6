/** The sentence about a label that cannot be read; `allowed` continues "must be". */
export function labelFault(name: string, value: string, allowed: string): string {
  return `label ${name}="${value}" is invalid: must be ${allowed}`;
}

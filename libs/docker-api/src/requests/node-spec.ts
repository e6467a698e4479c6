import type { NodeSpec } from '@shoal/state';
import { z } from 'zod';
import { ApiError } from '../errors.ts';
import { decode } from '../json.ts';
import { map, text } from './go-values.ts';

const nodeSpecSchema = z.object({ Name: text, Labels: map, Role: text, Availability: text });

/** Reads the body of a node update. Roles and availabilities are taken in any case, as by Docker. */
export function parseNodeSpec(body: unknown): NodeSpec {
  const { Name, Labels, Role, Availability } = decode(nodeSpecSchema, 'NodeSpec', body);
  return {
    ...(Name === undefined ? {} : { Name }),
    Labels: Labels ?? {},
    Role: parseRole(Role ?? ''),
    Availability: parseAvailability(Availability ?? ''),
  };
}

function parseRole(text: string): NodeSpec['Role'] {
  const role = text.toLowerCase();
  if (role === 'worker' || role === 'manager') return role;
  throw new ApiError(400, `invalid Role: ${JSON.stringify(text)}`);
}

export function parseAvailability(text: string): NodeSpec['Availability'] {
  const availability = text.toLowerCase();
  if (availability === 'active' || availability === 'pause' || availability === 'drain')
    return availability;
  throw new ApiError(400, `invalid Availability: ${JSON.stringify(text)}`);
}

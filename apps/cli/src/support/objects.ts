import { z } from 'zod';

const anything = z.unknown().optional();
const meta = { ID: z.string(), CreatedAt: z.string(), UpdatedAt: z.string() };
const labels = z.record(z.string(), z.string()).nullish();

const node = z.object({
  ...meta,
  Spec: z.object({ Role: z.string(), Availability: z.string(), Labels: labels }),
  Description: z
    .object({
      Hostname: z.string(),
      Platform: anything,
      Resources: anything,
      Engine: z.object({ EngineVersion: z.string() }),
    })
    .partial()
    .nullish(),
  Status: anything,
  ManagerStatus: anything,
});

const service = z.object({
  ...meta,
  Spec: z.object({
    Name: z.string(),
    Labels: labels,
    Mode: anything,
    TaskTemplate: z.object({
      ContainerSpec: z.object({ Image: z.string() }).nullish(),
      Resources: anything,
      Placement: anything,
      RestartPolicy: anything,
      Networks: anything,
    }),
    UpdateConfig: anything,
  }),
  Endpoint: anything,
  UpdateStatus: anything,
});

const task = z.object({
  ...meta,
  ServiceID: z.string().optional(),
  Slot: z.number().optional(),
  NodeID: z.string().optional(),
  DesiredState: z.string(),
  Status: anything,
});

/** Nodes without their certificates and the values of foreign labels. */
export function nodesText(answer: unknown): readonly unknown[] {
  return z.array(node).parse(answer).map(withOwnLabels);
}

/** Services without what may be secret: arguments, environment, mounts, the values of foreign labels. */
export function servicesText(answer: unknown): readonly unknown[] {
  return z.array(service).parse(answer).map(withOwnLabels);
}

/** Where tasks are and how they stand, without what they run. */
export function tasksText(answer: unknown): readonly unknown[] {
  return z.array(task).parse(answer);
}

/** People put passwords into labels of others' programs. */
function withOwnLabels<T extends { readonly Spec: { readonly Labels?: z.output<typeof labels> } }>(
  object: T,
): T {
  const { Spec } = object;
  const Labels = Object.fromEntries(
    Object.entries(Spec.Labels ?? {}).map(([name, value]) => [
      name,
      name.startsWith('shoal.') ? value : '[removed]',
    ]),
  );
  return { ...object, Spec: { ...Spec, Labels } };
}

const status = z.object({
  services: z.object({ unconverged: z.array(z.object({ id: z.string() })) }),
});

/** Ids of the services that are not what they ask for. */
export function unconvergedIn(answer: unknown): readonly string[] {
  return status.parse(answer).services.unconverged.map(({ id }) => id);
}

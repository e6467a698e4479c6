import { type DocumentKind, invalidArgument } from '@shoal/docker-api';
import type { LogIndex } from '@shoal/runtime';
import {
  type Change,
  type Config,
  checkDocumentLabels,
  documentLabels,
  isVersioned,
  type Labels,
  type Secret,
  type StateView,
  unusedVersions,
  versionName,
} from '@shoal/state';

/** Whether an update may bring other content: where the labels that come with it say so, of what has the name yet. */
export function takesContent(found: Secret | Config, asked: Labels): boolean {
  return isVersioned(asked) && found.spec.Labels[documentLabels.versionOf] === undefined;
}

/** Refuses what labels of a secret or config say wrong. @throws ApiError 400 */
export function checkVersionLabels(labels: Labels): void {
  const fault = checkDocumentLabels(labels);
  if (fault !== undefined) throw invalidArgument(fault);
}

/**
 * What makes room for a content that is to be created under the name of `found`: that goes on under a name of its
 * own, so that tasks keep it and a rollback finds it. Contents before it that nothing would miss are removed.
 */
export function replaced(
  view: StateView,
  kind: DocumentKind,
  found: Secret | Config,
  version: LogIndex,
): readonly Change[] {
  const { Name, Labels } = found.spec;
  const documents = kind === 'secret' ? view.secrets : view.configs;
  const taken = [...documents.values()].map(({ spec }) => spec.Name);
  const spec = {
    ...found.spec,
    Name: versionName(Name, taken),
    Labels: { ...Labels, [documentLabels.versionOf]: Name },
  };
  const meta = { ...found.meta, version };
  return [
    documentUpdate({ ...found, meta, spec }),
    ...unusedVersions(view, kind, Name).map(
      ({ id, meta: { version: known } }): Change => ({
        op: 'delete',
        table: kind,
        id,
        version: known,
      }),
    ),
  ];
}

export function isSecret(document: Secret | Config): document is Secret {
  return typeof document.data !== 'string';
}

export function documentUpdate(object: Secret | Config): Change {
  return isSecret(object)
    ? { op: 'update', table: 'secret', object }
    : { op: 'update', table: 'config', object };
}

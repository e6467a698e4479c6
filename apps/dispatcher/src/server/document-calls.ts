import type { handleUnaryCall } from '@grpc/grpc-js';
import type { TaskDocumentsRequest, TaskDocumentsResponse } from '@shoal/proto';
import { statusOf } from '@shoal/runtime';
import { ofNode } from './network-calls.ts';
import type { ServeOptions } from './server.ts';

/** Gives a node the secrets and configs of its own tasks. */
export function documentsHandler(
  options: ServeOptions,
): handleUnaryCall<TaskDocumentsRequest, TaskDocumentsResponse> {
  return ofNode<TaskDocumentsRequest, TaskDocumentsResponse>(
    options,
    async (nodeId, { taskId }) => {
      const told = options.dispatcher.documents(nodeId, taskId);
      if (told.kind === 'documents') return { documents: [...told.documents] };
      const details = told.message;
      throw Object.assign(new Error(details), { code: statusOf['not-found'].grpc, details });
    },
  );
}

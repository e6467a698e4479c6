import type {
  DispatcherServer,
  ImageSourcesRequest,
  ImageSourcesResponse,
  ImageWantedRequest,
  ImageWantedResponse,
} from '@shoal/proto';
import { statusOf } from '@shoal/runtime';
import { ofNode } from './network-calls.ts';
import type { ServeOptions } from './server.ts';

/** Calls of nodes that fetch images from each other. */
export function imageHandlers(
  options: ServeOptions,
): Pick<DispatcherServer, 'imageSources' | 'imageWanted'> {
  const { dispatcher } = options;
  return {
    imageSources: ofNode<ImageSourcesRequest, ImageSourcesResponse>(
      options,
      async (nodeId, { image, allManagers }) => {
        const sources = dispatcher.imageSources({ nodeId, image, allManagers });
        if (sources !== undefined) return { sources: [...sources] };
        const details = `node ${nodeId} has no task of ${image} that is to run`;
        throw Object.assign(new Error(details), { code: statusOf.forbidden.grpc, details });
      },
    ),
    imageWanted: ofNode<ImageWantedRequest, ImageWantedResponse>(
      options,
      async (_source, { nodeId, image }) => ({
        wanted: await dispatcher.imageWanted(nodeId, image),
      }),
    ),
  };
}

/** Images that this host sends to others at once; who comes then is told to come again. */
export const uploadsMax = 2;
/** Images that this host fetches from others at once. */
export const fetchesMax = 3;
/** An image of which not a byte comes or goes for so long is given up, milliseconds. */
export const stallMsMax = 30_000;
/** Longest wait for the first byte: an engine makes the whole archive before it sends any of it, milliseconds. */
export const archiveMsMax = 600_000;
/** Longest wait for what another host says of an image, milliseconds. */
export const answerMsMax = 10_000;
/** Pause before hosts that send to others are asked again, milliseconds. */
export const busyRetryMs = 2_000;
/** Longest wait for such hosts, milliseconds; then a registry is asked. */
export const busyMsMax = 600_000;
/** Longest wait for a manager that says which hosts have an image, milliseconds. */
export const unknownMsMax = 15_000;
/** How often progress is told, milliseconds. */
export const progressEveryMs = 1_000;
/** Longest reference that another host may ask for, characters. */
export const referenceCharsMax = 512;
/** Largest answer to a question about an image, bytes. */
export const answerBytesMax = 64 * 1024;
/** Digests whose image is remembered; the oldest are forgotten first. */
export const rememberedMax = 1_000;
/** Names of images that are kept ready for new containers. */
export const namesKeptMax = 1_000;
/** Pause before the engine is asked again to tell of its images, milliseconds. */
export const watchRetryMs = 2_000;
/**
 * How often a change of the engine's images is told to the swarm at once: so many in a row, then one each
 * so many milliseconds. Each is an entry of the log.
 */
export const tellings = { inARow: 10, everyMs: 6_000 } as const;
/** Longest time from the first byte of an image until the engine has taken it in, milliseconds. */
export const loadMsMax = 3_600_000;

import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** A writer that was used for more than this is not kept, bytes. */
const keptBytesMax = 1024 * 1024;

let kept: BinaryWriter | undefined;

/** The message as it travels. One writer serves all: that of a new one grows step by step, which costs more than a small message. */
export function encoded<T>(
  type: { encode(message: T, writer: BinaryWriter): BinaryWriter },
  message: T,
): Uint8Array<ArrayBuffer> {
  const writer = kept ?? new BinaryWriter();
  // One that throws in the middle is not used again.
  kept = undefined;
  const bytes = type.encode(message, writer).finish();
  if (bytes.length <= keptBytesMax) kept = writer;
  return bytes;
}

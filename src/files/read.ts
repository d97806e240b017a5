/** @file Reading small files whose content nobody vouches for: no pipe to wait on, no flood of bytes. */

const { constants, open } = process.getBuiltinModule("node:fs/promises");

/**
 * The text of a file.
 *
 * @param largest - bytes; a larger file is refused before it is read
 * @throws Error with a code, as Node's own: ENOENT and others; ENOTFILE for what is no plain file
 *   (a pipe would be waited on for ever, a device may never end), EFBIG for a larger one
 */
export async function readSmall(path: string, largest: number): Promise<string> {
  // Without O_NONBLOCK, opening a pipe waits for a writer.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw refused("ENOTFILE", `${path} is no plain file`);
    if (found.size > largest) {
      throw refused("EFBIG", `${path} has ${found.size} bytes, at most ${largest} are read`);
    }
    const bytes = new Uint8Array(found.size);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return new TextDecoder().decode(bytes.subarray(0, length));
  } finally {
    await handle.close();
  }
}

function refused(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** @file What `data` can do besides showing corpora. */

import type { CommandList } from "../dispatch.ts";

export const DATA_COMMANDS: CommandList = {
  fetch: {
    summary: "Get records of the Earth's rotation from their publishers, with checksums",
    load: () => import("./fetch.ts"),
  },
};

/** @file Listening on an address, with clear words when that cannot be. */

import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { ServeError } from "../core/errors.ts";

/**
 * @param port - 0 takes a free one
 * @returns the port
 * @throws ServeError when the address cannot be listened on
 */
export function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException): void => reject(explain(error, host, port));
    server.once("error", refuse);
    server.listen(port, host, () => {
      server.off("error", refuse);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): ServeError {
  const [what, fix] = {
    EADDRINUSE: [
      `port ${port} of ${host} is in use`,
      "choose another --port, or --port 0 for any free one",
    ],
    EACCES: [
      `port ${port} of ${host} needs rights that this user lacks`,
      "choose a --port from 1024 on, or --port 0 for any free one",
    ],
    EADDRNOTAVAIL: [
      `"${host}" is no address of this machine`,
      "leave out --host for 127.0.0.1, or name an address that this machine has",
    ],
    ENOTFOUND: [
      `"${host}" is no address`,
      "leave out --host for 127.0.0.1, or name an address that this machine has",
    ],
  }[error.code ?? ""] ?? [
    `cannot listen on port ${port} of ${host}: ${error.message}`,
    "choose another --host or --port",
  ];
  return new ServeError("SERVE-01", `serve: ${what}.`, [["fix", fix ?? ""]]);
}

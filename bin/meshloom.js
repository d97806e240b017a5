#!/usr/bin/env node
// Starts the command line: from the TypeScript sources in a checkout, from dist/ when installed.
// Plain old syntax and no imports at the top but Node's own: the version check must run on any Node.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const OLDEST = [20, 19];

function isTooOld(version) {
  const [major, minor] = version.split(".").map(Number);
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
}

function stop(message) {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}

async function start() {
  const source = new URL("../src/cli/main.ts", import.meta.url);
  const isCheckout = existsSync(fileURLToPath(source));
  if (isCheckout && !(await registerTypeScript())) return;
  const entry = isCheckout ? source : new URL("../dist/cli/main.js", import.meta.url);
  const { main } = await import(entry.href);
  // Not process.exit(): it would cut off output still on its way into a pipe.
  process.exitCode = await main(process.argv.slice(2));
}

async function registerTypeScript() {
  try {
    const { register } = await import("tsx/esm/api");
    register();
    return true;
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    const root = fileURLToPath(new URL("..", import.meta.url));
    stop(`meshloom: tsx is missing, which runs the sources.\n  fix    npm ci, in ${root}`);
    return false;
  }
}

if (isTooOld(process.versions.node)) {
  const needed = OLDEST.join(".");
  stop(`meshloom: needs Node ${needed} or newer, this is ${process.versions.node}.`);
} else {
  start().catch((error) => {
    stop(`meshloom: cannot start.\n${error.stack}`);
  });
}

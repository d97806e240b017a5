/** @file Lowered models kept on disk between processes, found by the content that they were lowered from. */

// asked for at run time: see core/host.ts
const { createHash, randomBytes } = process.getBuiltinModule("node:crypto");
const {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} = process.getBuiltinModule("node:fs");
const { homedir } = process.getBuiltinModule("node:os");
const { join } = process.getBuiltinModule("node:path");
const { fileURLToPath } = process.getBuiltinModule("node:url");

/** A cache never fails: what cannot be read is missing, what cannot be written is not kept. */
export interface ModelCache {
  /** The key of a model: of all that it is made from, this code included. */
  key(parts: readonly (string | Uint8Array)[]): string;
  /** The model under a key, whole and unchanged; undefined when there is none. */
  get(key: string): Uint8Array | undefined;
  put(key: string, model: Uint8Array): void;
}

/** `MESHLOOM_CACHE` is a folder, or `off`. */
const VARIABLE = "MESHLOOM_CACHE";
const SUFFIX = ".model";
const DIGEST_BYTES = 32;
/** The least recently used go when all together take more. */
const LIMIT_BYTES = 512 * 2 ** 20;

/** The user's cache; undefined where it is switched off. */
export function userModelCache(): ModelCache | undefined {
  const given = process.env[VARIABLE];
  if (given === "off") return undefined;
  const base = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return openModelCache(given ?? join(base, "meshloom", "models"));
}

/** A cache in a folder, which is made when there is something to keep. */
export function openModelCache(folder: string, limitBytes: number = LIMIT_BYTES): ModelCache {
  const pathOf = (key: string) => join(folder, `${key}${SUFFIX}`);
  return {
    key: modelKey,
    get(key) {
      try {
        const file = readFileSync(pathOf(key));
        const model = file.subarray(DIGEST_BYTES);
        if (!digestOf(model).equals(file.subarray(0, DIGEST_BYTES))) return undefined;
        const now = new Date();
        utimesSync(pathOf(key), now, now);
        return model;
      } catch {
        return undefined;
      }
    },
    put(key, model) {
      const temporary = join(folder, `.tmp-${randomBytes(8).toString("hex")}`);
      try {
        mkdirSync(folder, { recursive: true });
        writeFileSync(temporary, Buffer.concat([digestOf(model), model]), { flag: "wx" });
        renameSync(temporary, pathOf(key));
        makeRoom(folder, limitBytes);
      } catch {
        discard(temporary);
      }
    },
  };
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It is in a folder that is none; then it was never written.
  }
}

/** Deletes the least recently used models, and what killed processes left. */
function makeRoom(folder: string, limitBytes: number): void {
  const hourAgo = Date.now() - 3_600_000;
  const files = readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return [];
    if (name.startsWith(".tmp-") && stat.mtimeMs < hourAgo) rmSync(path, { force: true });
    return name.endsWith(SUFFIX) ? [{ path, bytes: stat.size, used: stat.mtimeMs }] : [];
  });
  let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { path, bytes } of files.sort((a, b) => a.used - b.used)) {
    if (total <= limitBytes) return;
    rmSync(path, { force: true });
    total -= bytes;
  }
}

function digestOf(data: Uint8Array): Buffer {
  return createHash("sha256").update(data).digest();
}

function modelKey(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of [codeStamp(), ...parts]) hash.update(`${part.length}:`).update(part);
  return hash.digest("hex");
}

let stamp: string | undefined;

/** Sizes and times of the files that make models, so that a changed lowering finds no old model. */
function codeStamp(): string {
  stamp ??= ["core", "ops", "transforms", "engines"]
    .flatMap((layer) => {
      const folder = fileURLToPath(new URL(`../../${layer}/`, import.meta.url));
      return readdirSync(folder, { recursive: true, encoding: "utf8" })
        .sort()
        .map((name) => {
          const { size, mtimeMs } = statSync(join(folder, name));
          return `${layer}/${name} ${size} ${mtimeMs}`;
        });
    })
    .join("\n");
  return stamp;
}

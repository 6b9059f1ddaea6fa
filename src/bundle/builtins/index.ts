/** Builtins that the host has for policies: deterministic, without reach, and charged by what they read, write and do. */
import { DIGESTS } from "./digests.js";
import { DURATIONS } from "./durations.js";
import { EXPRESSIONS } from "./expressions.js";
import type { Builtin } from "./function.js";
import { NETWORKS } from "./networks.js";
import { OBJECTS } from "./objects.js";
import { PATCHES } from "./patches.js";
import { SEQUENCES } from "./sequences.js";
import { TEXTS } from "./texts.js";
import { TIMES } from "./times.js";
import { UNITS } from "./units.js";
import { URIS } from "./uris.js";
import { UUIDS } from "./uuids.js";
import { VERSIONS } from "./versions.js";

export const HOSTED: ReadonlyMap<string, Builtin> = new Map(
  Object.entries<Builtin>({
    ...DIGESTS,
    ...DURATIONS,
    ...EXPRESSIONS,
    ...NETWORKS,
    ...OBJECTS,
    ...PATCHES,
    ...SEQUENCES,
    ...TEXTS,
    ...TIMES,
    ...UNITS,
    ...URIS,
    ...UUIDS,
    ...VERSIONS,
  }),
);

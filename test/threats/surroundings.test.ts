/** What the service finds around it: few file descriptors, a certificate of another key, a log that somebody edited with its tiles. */
import { generateKeyPairSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readLines } from "../../src/audit/reading.js";
import { leafHash } from "../../src/audit/tree/hash.js";
import type { Config } from "../../src/system/config.js";
import type { Logger } from "../../src/system/logger.js";
import { asset } from "../../src/system/paths.js";
import { edit } from "../audit/tree/mutations.js";
import { LOG_KEY, writeLog } from "../audit/tree/written.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { cut } from "./cut.js";
import { threat } from "./threat.js";

/** Files that a service at rest has open, and that a revocation, a segment and a bundle open beside. */
const NEEDED = 96;
/** Records of a segment. */
const SEGMENT = 250;

threat("B9", "connections leave file descriptors for what revokes and records", {
  async check(tree) {
    const { connectionsMax } = await tree("wiring/descriptors.js");
    const logger = { warn: () => undefined } as unknown as Logger;
    for (const configured of [64, 1024, 100_000])
      for (const grpc of [0, 64])
        for (const open of [256, 512, 1024, 4096, 1_000_000]) {
          const config = { limits: { connections_max: configured }, envoy: { grpc: { connections_max: grpc } } } as unknown as Config;
          const connections = connectionsMax(config, logger, open);
          if (connections < 16) throw new Error(`only ${connections} connections of ${open}`);
          if (connections + grpc + NEEDED > open)
            return `${connections} of ${configured} connections and ${grpc} over gRPC in ${open} files`;
        }
    return null;
  },
  without: {
    "files being reserved": [cut.text("wiring/descriptors.js", "connectionsMax", "- RESERVED", "- 0")],
    "connections over gRPC being counted": [cut.text("wiring/descriptors.js", "connectionsMax", "- others", "")],
    "the limit of open files": [cut.always("wiring/descriptors.js", "connectionsMax", "configured")],
  },
});

threat("G6", "a certificate of another key is found before anything listens", {
  async check(tree) {
    const { readTls } = await tree("wiring/tls.js");
    const folder = temporaryDirectory();
    const cert = asset("test", "fixtures", "rsa_certificate.pem");
    for (const [what, { privateKey }] of Object.entries({
      "of another kind": generateKeyPairSync("ec", { namedCurve: "P-256" }),
      "of the same kind": generateKeyPairSync("rsa", { modulusLength: 2048 }),
    })) {
      const key = join(folder, "key.pem");
      writeFileSync(key, privateKey.export({ type: "pkcs8", format: "pem" }));
      try {
        readTls({ cert, key }, "tls");
        return `a key ${what} passes`;
      } catch (cause) {
        if (!(cause instanceof Error) || !cause.message.includes("isn't that of the certificate")) throw cause;
      }
    }
    return null;
  },
  without: { "the keys being compared": [cut.never("wiring/tls.js", "readTls", "checkPrivateKey")] },
});

threat("F1", "what is said to be altered takes in the record that was, whatever was edited with it", {
  async check(tree) {
    const { verifyLog } = await tree("audit/tree/verify.js");
    for (const seq of [2, 256, 257, 500]) {
      const { folder } = writeLog(join(temporaryDirectory(), "log"), { records: 600, segment_records: SEGMENT });
      edit(folder, seq, SEGMENT, (lines, at) => (lines[at] = (lines[at] ?? "").replace("somebody else's", "ada's own")));
      const tile = join(folder, "tile", "0", `00${Math.floor((seq - 1) / 256)}`);
      const hashes = readFileSync(tile);
      const [line] = [...readLines(folder, seq, seq)].map(({ bytes }) => leafHash(bytes));
      hashes.write(line ?? "", ((seq - 1) % 256) * 32, "latin1");
      writeFileSync(tile, hashes);
      const { damage } = verifyLog({ folder, keys: [LOG_KEY.verifier], elsewhere: [] });
      if (damage.length === 0) throw new Error(`the edit of record ${seq} goes unseen`);
      if (!damage.some(({ from, to }) => from <= seq && seq <= to)) return `record ${seq}, and not what is named, was altered`;
    }
    return null;
  },
  without: { "records with tiles being in it": [cut.text("audit/tree/judge.js", "contradicted", "proven + 1", "size")] },
});

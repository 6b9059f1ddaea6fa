/** A certificate for the loopback address, signed by itself, and its key. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface TlsFiles {
  cert: Buffer;
  key: Buffer;
  /** The certificate's file. */
  file: string;
}

/** Null without `openssl` on this machine. */
export function makeTlsFiles(folder: string): TlsFiles | null {
  const [file, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const made = spawnSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
      ...["-subj", "/CN=remit-test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", keyFile, "-out", file],
    ],
    { stdio: "ignore" },
  );
  return made.status === 0 ? { cert: readFileSync(file), key: readFileSync(keyFile), file } : null;
}

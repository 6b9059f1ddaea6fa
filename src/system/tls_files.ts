/** Files by which a client trusts servers, and proves itself to them. */
import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";

export interface TlsFiles {
  /** PEM of the authorities to trust, in place of the system's. */
  ca?: string;
  /** PEM of the client's certificate chain, and of its key. */
  cert?: string;
  key?: string;
}

/** Reads the files at each call, so that they can be renewed. @throws the disk's error */
export function readTlsFiles(files: TlsFiles = {}): Pick<ConnectionOptions, "ca" | "cert" | "key"> {
  const { ca, cert, key } = files;
  return {
    ...(ca !== undefined && { ca: readFileSync(ca) }),
    ...(cert !== undefined && { cert: readFileSync(cert) }),
    ...(key !== undefined && { key: readFileSync(key) }),
  };
}

/** Certificates and keys of TLS, read and tried before anything listens. */
import { X509Certificate, createPrivateKey } from "node:crypto";
import { createSecureContext } from "node:tls";
import { KeyRefused } from "../identity/keys.js";
import { readBytes } from "../system/read_file.js";

export interface TlsPems {
  cert: Buffer;
  key: Buffer;
  /** Certificates of the clients' authorities; null if clients need no certificate. */
  client_ca: Buffer | null;
}

/**
 * Reads the key and certificates.
 * @param at the configuration's key, such as `tls`
 * @throws KeyRefused if one is invalid, or they don't belong together, naming the key; the file system's error
 */
export function readTls(
  files: { cert: string; key: string; client_ca?: string | undefined },
  at: "tls" | "envoy.grpc.tls" | "observe.otlp.grpc.tls",
): TlsPems {
  const [cert, key] = [readBytes(files.cert), readBytes(files.key)];
  trying(`${at}.cert: \`${files.cert}\` holds no certificate in PEM form`, () => createSecureContext({ cert }));
  trying(`${at}.key: \`${files.key}\` holds no private key in PEM form`, () => createSecureContext({ key }));
  // OpenSSL compares keys of one kind only: with an RSA certificate and an EC key no handshake works.
  trying(`${at}: the key isn't that of the certificate`, () => {
    createSecureContext({ cert, key });
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) throw new Error("another key's certificate");
  });
  if (files.client_ca === undefined) return { cert, key, client_ca: null };
  const client_ca = readBytes(files.client_ca);
  trying(`${at}.client_ca: \`${files.client_ca}\` holds no certificate in PEM form`, () => new X509Certificate(client_ca));
  return { cert, key, client_ca };
}

function trying(problem: string, read: () => unknown): void {
  try {
    read();
  } catch (cause) {
    throw new KeyRefused(problem, { cause });
  }
}

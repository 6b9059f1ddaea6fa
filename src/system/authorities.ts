/** Certificates of authorities, as a file in PEM form has them. */
import { X509Certificate } from "node:crypto";
import { readBytes } from "./read_file.js";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** A file whose content isn't certificates. Its message names the file. */
export class NotCertificates extends Error {
  override readonly name = "NotCertificates";
}

/**
 * The content of a file that holds certificates, each of which can be read.
 * @throws NotCertificates for any other content; the file system's error
 */
export function readAuthorities(file: string): Buffer {
  const bytes = readBytes(file);
  const certificates = bytes.toString("latin1").match(CERTIFICATE) ?? [];
  try {
    if (certificates.length === 0) throw new Error("no certificate");
    for (const certificate of certificates) new X509Certificate(certificate);
  } catch (cause) {
    throw new NotCertificates(`\`${file}\` holds no certificates in PEM form`, { cause });
  }
  return bytes;
}

/** One request of a command. What `fetch` can't be told is which authorities to trust, and it hides why a connection failed. */
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { Readable } from "node:stream";
import { CliError } from "./exit.js";

export interface OutgoingRequest {
  method: "GET" | "POST" | "PATCH";
  headers: Readonly<Record<string, string>>;
  body: string | Uint8Array | null;
  signal: AbortSignal;
  /** Certificates in PEM form that are trusted in place of the system's. */
  ca: Buffer | null;
}

const NO_BODY = new Set([204, 205, 304]);

/** @throws CliError `unavailable` without an answer, saying why, and for one that leads elsewhere, where nobody is meant to see the token */
export async function exchange(url: URL, { method, headers, body, signal, ca }: OutgoingRequest): Promise<Response> {
  const secure = url.protocol === "https:";
  return await new Promise((resolve, reject) => {
    const request = (secure ? requestHttps : requestHttp)(url, {
      ...{ method, signal, headers: { ...headers, ...(body !== null && { "content-length": Buffer.byteLength(body) }) } },
      ...(ca !== null && { ca }),
    });
    request.on("error", (cause: NodeJS.ErrnoException) => {
      reject(failure(url, cause));
    });
    request.on("response", (response) => {
      const { statusCode: status = 0, headers: answered } = response;
      if (status >= 300 && status < 400 && answered.location !== undefined) {
        response.destroy();
        reject(new CliError("unavailable", `${url.origin} leads elsewhere (status ${status})`, "--url has to name the service itself"));
        return;
      }
      const type = answered["content-type"];
      const content = NO_BODY.has(status) ? null : (Readable.toWeb(response) as ReadableStream<Uint8Array>);
      resolve(new Response(content, { status, headers: type === undefined ? {} : { "content-type": type } }));
    });
    request.end(body);
  });
}

/** OpenSSL's and Node's codes for a certificate that isn't believed. */
const UNTRUSTED =
  /^(?:CERT_|DEPTH_ZERO_SELF_SIGNED_CERT$|SELF_SIGNED_CERT_IN_CHAIN$|UNABLE_TO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH$|INVALID_CA$|INVALID_PURPOSE$)/;
const NO_TLS = /^(?:EPROTO$|ERR_SSL_)/;

function failure(url: URL, cause: NodeJS.ErrnoException): CliError {
  const { code = "" } = cause;
  if (UNTRUSTED.test(code))
    return new CliError(
      "unavailable",
      `the certificate of ${url.origin} isn't trusted: ${cause.message}`,
      "give the file of its authority with --cacert",
      { cause },
    );
  if (NO_TLS.test(code))
    return new CliError("unavailable", `no TLS with ${url.origin}: ${code}`, "does the service speak https there? --url says where", {
      cause,
    });
  return new CliError("unavailable", `no answer from ${url.origin}`, "is the service running? --url says where", { cause });
}

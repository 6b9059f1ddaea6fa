/** A request's body as raw bytes, counted while they come: no parser sees one that is too large, late or of another type. */
import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { gunzip } from "node:zlib";
import { Problem } from "../contract/index.js";
import type { Timers } from "../system/index.js";

export interface BodyLimits {
  bytes_max: number;
  /** Until the last byte is there. */
  ms: number;
  too_large: "body_too_large" | "bundle_too_large";
}

const JSON_TYPE = /^application\/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i;
export const PROTOBUF_TYPE = "application/x-protobuf"; // opentelemetry-proto, `docs/specification.md`, "OTLP/HTTP Request"
const PROTOBUF_MEDIA = /^application\/x-protobuf$/i;
const OTLP_MEDIA = new RegExp(`${JSON_TYPE.source}|${PROTOBUF_MEDIA.source}`, "i");
const ANY = /^/;
const NO_YAML = /^(?!.*yaml)/i;
const GZIP_TYPE = /^application\/(?:gzip|octet-stream|vnd\.openpolicyagent\.bundles)$/i;

const YAML_MEDIA = /^application\/yaml(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i;
const JSON_LINES_MEDIA = /^application\/(?:jsonl|x-ndjson)(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i;
/** Media types where YAML isn't accepted. */
const JSON_LINES_ALONE = new RegExp(JSON_LINES_MEDIA);

/** @throws Problem `content_type_unsupported`, `content_encoding_unsupported`, `body_too_large`, `body_timeout` */
export function readJsonBytes(request: IncomingMessage, limits: BodyLimits, timers: Timers): Promise<Buffer> {
  return read(request, JSON_TYPE, limits, timers);
}

/**
 * Reads a body of OTLP, which is JSON or Protobuf and may be compressed (`gzip`): neither what arrives nor what it decompresses to is larger
 * than the limit.
 * @throws Problem as `readJsonBytes`, and `http_invalid` for invalid gzip
 */
export function readPackedOtlpBytes(request: IncomingMessage, limits: BodyLimits, timers: Timers): Promise<Buffer> {
  return readPacked(request, OTLP_MEDIA, limits, timers);
}

/**
 * Reads a body like `readPackedOtlpBytes`, from clients that declare the type of JSON as their library does, or not at all: any type but
 * YAML is read as JSON.
 * @throws Problem as `readPackedOtlpBytes`
 */
export function readLooseJsonBytes(request: IncomingMessage, limits: BodyLimits, timers: Timers): Promise<Buffer> {
  return readPacked(request, NO_YAML, limits, timers);
}

async function readPacked(request: IncomingMessage, type: RegExp, limits: BodyLimits, timers: Timers): Promise<Buffer> {
  const isPacked = request.headers["content-encoding"]?.toLowerCase() === "gzip";
  const bytes = await read(request, type, limits, timers, isPacked);
  return isPacked ? unpacked(bytes, limits) : bytes;
}

function unpacked(bytes: Buffer, limits: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const refuse = (cause?: Error): void => {
      const detail = { field: "content-encoding", expected: "gzip (RFC 1952), and nothing after it" };
      reject(new Problem("http_invalid", detail, { cause }));
    };
    // With `info`, which the types leave out, the result brings the stream along, and with it where the data ended.
    const options = { maxOutputLength: limits.bytes_max, info: true };
    gunzip(bytes, options, (error: NodeJS.ErrnoException | null, result) => {
      if (error?.code === "ERR_BUFFER_TOO_LARGE") reject(tooLarge(limits));
      else if (error !== null) refuse(error);
      else {
        const { buffer, engine } = result as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
        if (engine.bytesWritten === bytes.length) resolve(buffer);
        else refuse();
      }
    });
  });
}

/**
 * Reads a body that is meant for another server, whatever its headers say.
 * @throws Problem `body_too_large`, `body_timeout`
 */
export function readHeldBytes(request: IncomingMessage, limits: BodyLimits, timers: Timers): Promise<Buffer> {
  return read(request, ANY, limits, timers, true);
}

/** @throws Problem as `readJsonBytes`, with `bundle_too_large` */
export function readBundleBytes(request: IncomingMessage, limits: BodyLimits, timers: Timers): Promise<Buffer> {
  return read(request, GZIP_TYPE, limits, timers);
}

export const SET_TYPE = "application/secevent+jwt"; // RFC 8417, section 7.2
const SET_MEDIA = /^application\/secevent\+jwt$/i;

/** @throws Problem as `readJsonBytes` */
export function readSetBytes(request: IncomingMessage, limits: BodyLimits, timers: Timers): Promise<Buffer> {
  return read(request, SET_MEDIA, limits, timers);
}

/**
 * Reads a text, which has no media type of its own.
 * @throws Problem `body_too_large`, `body_timeout`, `utf8_invalid`
 */
export async function readText(request: IncomingMessage, limits: BodyLimits, timers: Timers): Promise<string> {
  const bytes = await read(request, ANY, limits, timers);
  if (!isUtf8(bytes)) throw new Problem("utf8_invalid");
  return bytes.toString("utf8");
}

export const YAML_TYPE = "application/yaml"; // RFC 9512
export const JSON_LINES_TYPES = ["application/jsonl", "application/x-ndjson"] as const;

/** @throws Problem as `readJsonBytes` */
export async function readImport(
  request: IncomingMessage,
  limits: BodyLimits,
  timers: Timers,
): Promise<{ form: "yaml" | "json_lines"; bytes: Buffer }> {
  const form = YAML_MEDIA.test(request.headers["content-type"] ?? "") ? "yaml" : "json_lines";
  const bytes = await read(request, form === "yaml" ? YAML_MEDIA : JSON_LINES_MEDIA, limits, timers);
  return { form, bytes };
}

/**
 * Checks the head of a request whose body is processed as it arrives.
 * @throws Problem `content_type_unsupported`, `content_encoding_unsupported`, `body_too_large`
 */
export function checkJsonLines(request: IncomingMessage, bytesMax: number): void {
  checkHead(request, JSON_LINES_ALONE, { bytes_max: bytesMax, too_large: "body_too_large" });
}

/** Returns true if a request declares a single JSON text, not lines of it. */
export const isJson = ({ headers }: IncomingMessage): boolean => JSON_TYPE.test(headers["content-type"] ?? "");

/** Returns true if a request declares Protobuf. */
export const isProtobuf = ({ headers }: IncomingMessage): boolean => PROTOBUF_MEDIA.test(headers["content-type"] ?? "");

/** Expected types and hints for a refused content type. */
const EXPECTED = new Map<RegExp, { expected: string; hint?: string }>([
  [SET_MEDIA, { expected: `\`${SET_TYPE}\`` }],
  [JSON_TYPE, { expected: "`application/json`" }],
  [OTLP_MEDIA, { expected: "`application/x-protobuf` or `application/json`" }],
  [NO_YAML, { expected: "`application/json`" }],
  [GZIP_TYPE, { expected: "`application/gzip`", hint: "send the bundle's bytes as `application/gzip`" }],
  [JSON_LINES_ALONE, { expected: "`application/x-ndjson`", hint: "send `content-type: application/x-ndjson`, an action a line" }],
  [JSON_LINES_MEDIA, { expected: "`application/yaml` or `application/jsonl`", hint: "say what the body is" }],
]);

/** @param isUnpacked whether somebody unpacks what is packed */
function checkHead({ headers }: IncomingMessage, type: RegExp, limits: Omit<BodyLimits, "ms">, isUnpacked = false): void {
  if (headers["content-encoding"] !== undefined && !isUnpacked)
    throw new Problem("content_encoding_unsupported", { field: "content-encoding" });
  if (!type.test(headers["content-type"] ?? ""))
    throw new Problem("content_type_unsupported", { field: "content-type", ...EXPECTED.get(type) });
  if (Number(headers["content-length"] ?? 0) > limits.bytes_max) throw tooLarge(limits);
}

function tooLarge({ too_large, bytes_max }: Omit<BodyLimits, "ms">): Problem {
  return new Problem(too_large, { expected: `at most ${bytes_max} bytes` });
}

async function read(request: IncomingMessage, type: RegExp, limits: BodyLimits, timers: Timers, isUnpacked = false): Promise<Buffer> {
  checkHead(request, type, limits, isUnpacked);
  return await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const stop = (problem: Problem): void => {
      settle();
      request.pause();
      reject(problem);
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > limits.bytes_max) {
        stop(tooLarge(limits));
        return;
      }
      chunks.push(chunk);
    };
    const onEnd = (): void => {
      settle();
      const [only] = chunks;
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks));
    };
    const onClose = (): void => {
      stop(new Problem("http_invalid", { expected: "the whole body" }));
    };
    const cancel = timers.after(limits.ms, () => {
      stop(new Problem("body_timeout", { expected: `the whole body within ${limits.ms} ms` }));
    });
    const settle = (): void => {
      cancel();
      request.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
    };
    request.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}

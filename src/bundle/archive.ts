/**
 * A bundle's archive, read in memory and strictly: what another reader could take for something else is refused, and
 * nothing is inflated beyond a limit. Names come out without the one leading slash that OPA writes.
 */
import { crc32, gzip, inflateRaw } from "node:zlib";
import { extract, pack, type Header } from "tar-stream";
import { BundleError } from "./errors.js";

export interface ArchiveLimits {
  compressed_bytes_max: number;
  raw_bytes_max: number;
  /** Raw bytes for each compressed byte; not applied to the first mebibyte, which little text can fill. */
  ratio_max: number;
  members_max: number;
  name_length_max: number;
}

export const ARCHIVE_LIMITS: Readonly<ArchiveLimits> = {
  compressed_bytes_max: 16 * 1024 * 1024,
  raw_bytes_max: 32 * 1024 * 1024,
  ratio_max: 100,
  members_max: 1_000,
  name_length_max: 200,
};

const GZIP_HEADER_BYTES = 10;
const GZIP_TRAILER_BYTES = 8;
const BLOCK_BYTES = 512;
/** The two empty blocks that end an archive, and what fills a record of twenty up. */
const END_BLOCKS_MAX = 21;
const RATIO_FROM_BYTES = 1024 * 1024;
/** Inflated at a time: each time is a turn of the loop, and a turn is long while many decide. */
const INFLATED_BYTES = 1024 * 1024;
const NAME = /^(?!\.{1,2}(?:\/|$))[A-Za-z0-9._@+-]+(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._@+-]+)*$/;

/**
 * The members by name.
 * @throws BundleError `archive_*`
 */
export async function readArchive(bytes: Uint8Array, limits: Readonly<ArchiveLimits> = ARCHIVE_LIMITS): Promise<Map<string, Buffer>> {
  return await readTar(await gunzip(bytes, limits), limits);
}

/** One gzip member and nothing after it (RFC 1952). Node's own gunzip goes on into further members and drops the rest. */
async function gunzip(bytes: Uint8Array, limits: ArchiveLimits): Promise<Buffer> {
  if (bytes.length === 0) throw new BundleError("archive_empty");
  if (bytes.length > limits.compressed_bytes_max) {
    throw new BundleError("archive_too_large", { expected: `at most ${limits.compressed_bytes_max} bytes` });
  }
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  // Flags would bring names, comments and extra fields, in which readers differ.
  const magic = [0x1f, 0x8b, 8, 0];
  if (magic.some((byte, index) => index < source.length && source[index] !== byte)) {
    throw new BundleError("archive_not_gzip");
  }
  if (source.length < GZIP_HEADER_BYTES + GZIP_TRAILER_BYTES) throw new BundleError("archive_truncated");

  const allowed = Math.max(RATIO_FROM_BYTES, limits.ratio_max * source.length);
  const max = Math.min(allowed, limits.raw_bytes_max);
  const { raw, consumed } = await inflate(
    source.subarray(GZIP_HEADER_BYTES),
    max,
    new BundleError(max < limits.raw_bytes_max ? "archive_ratio" : "archive_inflates_too_far", {
      expected: `at most ${max} bytes`,
    }),
  );
  const trailer = source.subarray(GZIP_HEADER_BYTES + consumed);
  if (trailer.length < GZIP_TRAILER_BYTES) throw new BundleError("archive_truncated");
  if (trailer.readUInt32LE(0) !== crc32(raw) || trailer.readUInt32LE(4) !== raw.length) {
    throw new BundleError("archive_damaged");
  }
  if (trailer.length > GZIP_TRAILER_BYTES) throw new BundleError("archive_trailing");
  return raw;
}

async function inflate(deflated: Buffer, max: number, tooFar: BundleError): Promise<{ raw: Buffer; consumed: number }> {
  return await new Promise((resolve, reject) => {
    const options = { maxOutputLength: max, chunkSize: INFLATED_BYTES, info: true };
    // With `info`, which the types leave out, the result brings the stream along, and with it where the data ended.
    inflateRaw(deflated, options, (error: NodeJS.ErrnoException | null, result) => {
      if (error === null) {
        const { buffer, engine } = result as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
        resolve({ raw: buffer, consumed: engine.bytesWritten });
      } else if (error.code === "ERR_BUFFER_TOO_LARGE") reject(tooFar);
      else reject(new BundleError(error.code === "Z_BUF_ERROR" ? "archive_truncated" : "archive_damaged", {}, { cause: error }));
    });
  });
}

/** tar-stream reads the headers; the bytes are taken from `raw`, where every byte must belong to what was read. */
async function readTar(raw: Buffer, limits: ArchiveLimits): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const folded = new Set<string>();
  let end = 0;
  for (const header of await readHeaders(raw, limits)) {
    const { name: written, size, type, byteOffset } = header;
    // A header between two members that is not a member's own: a PAX or GNU record that renames or resizes it.
    if (byteOffset !== end + BLOCK_BYTES) throw new BundleError("archive_extension");
    if (type !== "file") throw new BundleError("archive_entry_type", { found: type ?? "an unknown type" });
    const name = plainName(written, limits);
    if (folded.has(name.toLowerCase())) throw new BundleError("archive_name_twice", { file: name });
    const padded = byteOffset + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
    if (padded > raw.length) throw new BundleError("archive_truncated");
    if (!isZero(raw.subarray(byteOffset + size, padded))) throw new BundleError("archive_trailing", { file: name });
    folded.add(name.toLowerCase());
    files.set(name, raw.subarray(byteOffset, byteOffset + size));
    end = padded;
  }
  if (raw.length - end < 2 * BLOCK_BYTES || raw.length % BLOCK_BYTES !== 0) throw new BundleError("archive_truncated");
  if (raw.length - end > END_BLOCKS_MAX * BLOCK_BYTES || !isZero(raw.subarray(end))) throw new BundleError("archive_trailing");
  return files;
}

/** Header with the members that tar-stream sets and its types lack; `type` is null for an unknown flag. */
type PlacedHeader = Omit<Header, "type"> & { byteOffset: number; type: string | null };

async function readHeaders(raw: Buffer, limits: ArchiveLimits): Promise<PlacedHeader[]> {
  const headers: PlacedHeader[] = [];
  const reader = extract();
  reader.end(raw);
  try {
    for await (const entry of reader) {
      headers.push(entry.header as unknown as PlacedHeader);
      if (headers.length > limits.members_max) {
        throw new BundleError("archive_member_count", { expected: `at most ${limits.members_max}` });
      }
      entry.resume();
    }
  } catch (cause) {
    if (cause instanceof BundleError) throw cause;
    throw new BundleError("archive_not_tar", {}, { cause });
  }
  return headers;
}

function plainName(written: string, limits: ArchiveLimits): string {
  const name = written.startsWith("/") ? written.slice(1) : written;
  if (name.length > limits.name_length_max || !NAME.test(name)) {
    const expected = `letters, digits, \`._@+-\` and single slashes, at most ${limits.name_length_max} characters`;
    throw new BundleError("archive_name", { expected });
  }
  return name;
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

/**
 * The same bytes for the same files, whatever the machine: names sorted, owner, mode and time fixed.
 * @param mtimeS seconds since the epoch, of every member
 */
export async function writeArchive(files: ReadonlyMap<string, Uint8Array>, mtimeS: number): Promise<Buffer> {
  const writer = pack();
  const chunks: Buffer[] = [];
  const mtime = new Date(mtimeS * 1000);
  for (const [name, content] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    writer.entry({ name, mode: 0o644, uid: 0, gid: 0, mtime, type: "file" }, Buffer.from(content));
  }
  writer.finalize();
  for await (const chunk of writer) chunks.push(chunk as Buffer);
  const zipped = await new Promise<Buffer>((resolve, reject) => {
    gzip(Buffer.concat(chunks), { level: 9 }, (error, result) => {
      if (error === null) resolve(result);
      else reject(error);
    });
  });
  // The byte that names the compressing system (RFC 1952, section 2.3.1): unknown.
  zipped[9] = 255;
  return zipped;
}

/** Why a bundle is refused. One table: a code is an interface, documented and never reused. */
const table = {
  // the file
  file_unreadable: "the bundle's file cannot be read",
  file_unwritable: "the bundle's file cannot be written",
  // the archive
  archive_empty: "there are no bytes",
  archive_too_large: "the archive is larger than the limit",
  archive_not_gzip: "the archive is not gzip (RFC 1952) with a plain header",
  archive_truncated: "the archive ends too early",
  archive_damaged: "the archive's compressed data or its checksum is wrong",
  archive_trailing: "something follows the end of the archive",
  archive_inflates_too_far: "the archive inflates to more than the limit",
  archive_ratio: "the archive inflates further than real bundles do",
  archive_member_count: "the archive has more members than the limit",
  archive_not_tar: "the archive is not a plain tar (POSIX ustar)",
  archive_extension: "the archive has a header that renames or resizes a member (PAX, GNU)",
  archive_entry_type: "the archive holds something other than regular files",
  archive_name: "a member's name is not a plain relative path",
  archive_name_twice: "two members have the same name, or names that differ in case only",
  // what the members are
  file_missing: "a required file is missing",
  file_unexpected: "a file has no place in a bundle",
  file_empty: "a file is empty",
  delta_unsupported: "delta bundles cannot be signed and are not read",
  json_invalid: "a file is not JSON, or two parsers could read it differently",
  // the signature
  signature_missing: "the bundle is not signed",
  signature_malformed: "the signature file is not one that OPA would read",
  signature_count: "there must be exactly one signature",
  signature_header: "the signature's header is not acceptable",
  signature_key_unknown: "the signing key is not trusted",
  signatures_too_few: "fewer trusted signers than wanted have signed the bundle",
  signer_twice: "the first signer can't be the second one too",
  signature_algorithm: "the signature's algorithm is not the key's",
  signature_invalid: "the signature does not match",
  signature_claims: "the signed claims are not acceptable",
  signature_scope: "the signature is for another scope",
  signature_algorithm_unknown: "a file's hash algorithm is not SHA-256",
  file_not_signed: "a file is not covered by the signature",
  file_not_present: "a signed file is not in the bundle",
  file_signed_twice: "a file is listed twice in the signature",
  file_altered: "a file is not the one that was signed",
  // what it says
  manifest_invalid: "the manifest is not acceptable",
  manifest_wasm: "the manifest names wasm modules, which would hide the sources from a plain OPA",
  metadata_invalid: "the manifest's metadata is not acceptable",
  name_mismatch: "the bundle is for another name",
  abi_unsupported: "the module is for another ABI",
  bundle_expired: "the bundle has expired",
  data_invalid: "data.json is not acceptable",
  catalogue_invalid: "catalogue.json is not acceptable",
  wasm_invalid: "policy.wasm is not a module that this engine runs",
  wasm_unsupported: "policy.wasm has an instruction or a section whose cost isn't known",
  // where it comes from
  keys_unreadable: "the keys that bundles are verified with cannot be read",
  provenance_missing: "the bundle doesn't say where it comes from",
  provenance_invalid: "the provenance is not acceptable",
  provenance_mismatch: "the provenance is of something else",
  provenance_untested: "the provenance names no tests, or tests that failed",
  // trust that only moves forward
  bundle_older: "a newer bundle has been trusted before",
  bundle_changed: "another bundle with this sequence has been trusted before",
  bundle_sequence_jump: "the sequence leaps further than the limit",
  trust_unreadable: "the record of what was trusted cannot be read",
  trust_unwritable: "the record of what is trusted cannot be written",
  // activation by a cluster's feed
  bundle_not_named: "the feed of the cluster names another bundle as the active one",
  // staging
  stage_vocabulary: "the bundle has another vocabulary than the active one, so it can't be staged beside it",
  stage_alone: "no bundle is active that this one could be staged beside",
  stage_active: "the bundle is the active one",
  stage_unnamed: "the feed of the cluster doesn't name the active bundle; publish that first",
  // the way back
  back_unknown: "the bundle's policy is not that of an earlier bundle that is kept",
  back_missing: "no way back with this digest is kept, or a later bundle has been trusted since",
  // activation
  wasm_imports: "policy.wasm asks the host for something it does not give",
  wasm_builtin: "policy.wasm needs a builtin that is not hosted",
  wasm_entrypoint: "policy.wasm lacks the entrypoint",
  engine_memory: "the bundle's data does not fit into its memory",
  self_test_failed: "the policy does not answer as it should",
} as const satisfies Record<string, string>;

export type BundleCode = keyof typeof table;
export const BUNDLE_CODES: Readonly<Record<BundleCode, string>> = table;

export interface BundleDetail {
  /** Member of the bundle. */
  file?: string;
  /** JSON pointer (RFC 6901) inside that file. */
  at?: string;
  expected?: string;
  found?: string;
}

/** A refusal with a stable code; what was thrown beneath it is its `cause`. */
export class BundleError extends Error {
  override readonly name = "BundleError";

  constructor(
    readonly code: BundleCode,
    readonly detail: BundleDetail = {},
    options?: ErrorOptions,
  ) {
    const { file, at, expected, found } = detail;
    const where = file === undefined ? "" : `\`${file}\`${at === undefined || at === "" ? "" : ` ${at}`}: `;
    const wanted = expected === undefined ? "" : `: expected ${expected}`;
    super(`${where}${BUNDLE_CODES[code]}${wanted}${found === undefined ? "" : `, found ${found}`}`, options);
  }
}

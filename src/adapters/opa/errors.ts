/** Errors in the shape and codes of OPA's REST API (its `v1/server/types`); the service's own code is in `errors`. */
import { PROBLEMS, type Problem, type ProblemCode } from "../../contract/index.js";

export type OpaCode =
  "internal_error" | "invalid_operation" | "invalid_parameter" | "resource_not_found" | "unauthorized" | "undefined_document";

export interface OpaError {
  status: number;
  body: {
    code: OpaCode;
    message: string;
    /** `code` is a problem's; `details` as it says. */
    errors?: { code: string; message: string; details?: Record<string, unknown> }[];
  };
}

/** OPA's words for whoever may not ask. */
const REJECTED = "request rejected by administrative policy";

const MALFORMED: ReadonlySet<ProblemCode> = new Set([
  "body_empty",
  "utf8_invalid",
  "json_invalid",
  "json_duplicate_key",
  "json_too_deep",
  "json_too_wide",
  "number_not_exact",
  "surrogate_lone",
]);

/**
 * @param input where it was to be given
 * @param id stands in the operational log beside what went wrong, for `internal`
 */
export function errorOf(problem: Problem, input: "body" | "parameter", id?: string): OpaError {
  const { code, status, detail } = problem;
  const details = { ...detail, ...hintOf(problem), ...(id === undefined ? {} : { id }) };
  const said = { code, message: problem.message, ...(Object.keys(details).length === 0 ? {} : { details }) };
  const opa = codeOf(status);
  const words = MALFORMED.has(code) ? `${input} contains malformed input document: ${problem.message}` : problem.message;
  return {
    // Its clients know no other status for it.
    status: code === "scope_missing" ? 401 : status,
    body: { code: opa, message: opa === "unauthorized" ? REJECTED : words, errors: [said] },
  };
}

function hintOf({ code, detail }: Problem): { hint?: string } {
  const { hint } = PROBLEMS[code] as { hint?: string };
  return hint === undefined || detail.hint !== undefined ? {} : { hint };
}

/** 421: the host is not one that the service answers for. */
function codeOf(status: number): OpaCode {
  if (status >= 500) return "internal_error";
  if (status === 401 || status === 403 || status === 421) return "unauthorized";
  return status === 404 ? "resource_not_found" : "invalid_parameter";
}

/** Returns the error for an undefined document in a raw answer: `POST /` and `/v0/data`, never `/v1/data`. */
export function undefinedDocument(path: string, known: boolean): OpaError {
  const reference = ["data", ...segmentsOf(path)].join(".");
  const message = `document ${known ? "undefined" : "missing"}: ${reference}`;
  return { status: 404, body: { code: "undefined_document", message } };
}

/** @param instead where what it is for is to be had */
export function notOffered(what: string, instead: string): OpaError {
  return { status: 501, body: { code: "invalid_operation", message: `${what} is not offered: ${instead}` } };
}

/** OPA's own words for a write into a bundle's root; here nothing is outside of it. */
export function ownedByBundle(path: string, bundle: string): OpaError {
  const message = `path ${segmentsOf(path).join("/")} is owned by bundle "${bundle}"`;
  return { status: 400, body: { code: "invalid_parameter", message } };
}

const PATH_LENGTH_MAX = 256;

/** Splits the caller's own text, clipped so that an error stays small. */
function segmentsOf(path: string): string[] {
  return path
    .slice(0, PATH_LENGTH_MAX)
    .split("/")
    .filter((segment) => segment !== "");
}

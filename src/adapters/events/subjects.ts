/** Reads the subjects of events: subject identifiers (RFC 9493, SSF 1.0 section 3), and what they are here. */
import { isCanonicalId } from "../../contract/index.js";
import { SUBJECT_MEMBERS, type SubjectFormat, type SubjectKind, type SubjectMember } from "../../contract/security_events.js";
import { SetRefused } from "./refusals.js";

/** Subject that is known here and can be cut off. */
export interface KnownSubject {
  kind: Exclude<SubjectKind, "credential">;
  id: string;
}

/** A simple subject: its format, whose name for it that is, and the name. */
export interface SubjectName {
  format: string;
  /** `iss` of `iss_sub` and `jwt_id`, `issuer` of `saml_assertion_id`; null in any other. */
  issuer: string | null;
  id: string;
}

/** Rule that says what subjects of one form are here. */
export interface SubjectRule {
  format: SubjectFormat;
  /** Issuer of these names; required for the formats that contain one. */
  issuer?: string | undefined;
  /** The member of a complex subject that this is of; left out: a simple one, or its `user`. */
  member?: SubjectMember | undefined;
  /** `credential`: the agent that has `issuer` and the name as a credential. */
  is: SubjectKind;
  /** Names here by the transmitter's names. Left out: both are the same. */
  names?: Readonly<Record<string, string>> | undefined;
}

export interface EventSubjectMapping {
  rules: readonly SubjectRule[];
  /** Names that belong here, by member of a complex subject. A subject with another name belongs to somebody else. */
  only: Readonly<Partial<Record<SubjectMember, readonly string[] | undefined>>>;
  /** Members that have to be understood where they are there. */
  critical: readonly SubjectMember[];
}

/** Lookups of who is known here. */
export interface Here {
  /** Returns true if the agent, owner or task exists. For principals and tokens that can't be known. */
  knows(target: KnownSubject): boolean;
  /** Returns the agent that has this credential. */
  agentOf(credential: { issuer: string; subject: string }): string | undefined;
}

/** Why a subject is nobody here. */
export type Unmapped = "subject_unknown" | "subject_elsewhere" | "subject_member_critical";

type Json = Readonly<Record<string, unknown>>;

/** The members that name a subject of each format: of whom, and which. */
const NAMED: Readonly<Record<SubjectFormat, { id: string; issuer?: string }>> = {
  account: { id: "uri" },
  did: { id: "url" },
  email: { id: "email" },
  iss_sub: { id: "sub", issuer: "iss" },
  jwt_id: { id: "jti", issuer: "iss" },
  opaque: { id: "id" },
  phone_number: { id: "phone_number" },
  saml_assertion_id: { id: "assertion_id", issuer: "issuer" },
  uri: { id: "uri" },
};
/** Events of before RFC 9493 said it otherwise. */
const OLDER: Readonly<Record<string, string>> = {
  "iss-sub": "iss_sub",
  "id-token-claims": "iss_sub",
  email: "email",
  phone: "phone_number",
};
const NAME_LENGTH_MAX = 512;
const ALIASES_MAX = 16;
/** The narrowest first: where several members are something here, it is the one that hits least of what isn't meant. */
const NARROWEST: readonly KnownSubject["kind"][] = ["token", "task", "agent", "principal", "owner"];

/** Names of a subject by member; null for a simple subject. Unknown formats have no names. */
export type Subject = ReadonlyMap<SubjectMember | null, readonly SubjectName[]>;

/** @throws SetRefused where it is no subject identifier */
export function readSubject(subject: unknown): Subject {
  const { format, ...members } = objectOf(subject, "the subject");
  if (format !== "complex") return new Map([[null, readSimple(subject, "the subject", true)]]);
  const known = SUBJECT_MEMBERS.filter((member) => members[member] !== undefined);
  return new Map(known.map((member) => [member, readSimple(members[member], `\`${member}\``, true)]));
}

/** @param whole whether it may be one of aliases: those have none of their own */
function readSimple(subject: unknown, where: string, whole: boolean): SubjectName[] {
  const members = objectOf(subject, where);
  const format = members["format"] ?? OLDER[String(members["subject_type"])];
  if (typeof format !== "string") throw refused(where, "an identifier with `format`");
  if (format === "aliases" && whole) {
    const { identifiers } = members;
    if (!Array.isArray(identifiers) || identifiers.length === 0 || identifiers.length > ALIASES_MAX)
      throw refused(where, `1 to ${ALIASES_MAX} \`identifiers\``);
    return identifiers.flatMap((one) => readSimple(one, where, false));
  }
  const named = Object.hasOwn(NAMED, format) ? NAMED[format as SubjectFormat] : undefined;
  if (named === undefined) return [];
  const id = textOf(members, named.id, where);
  return [{ format, issuer: named.issuer === undefined ? null : textOf(members, named.issuer, where), id }];
}

function objectOf(value: unknown, where: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refused(where, "an object");
  return value as Json;
}

function textOf(members: Json, name: string, where: string): string {
  const text = members[name];
  if (typeof text !== "string" || text === "" || text.length > NAME_LENGTH_MAX)
    throw refused(where, `\`${name}\`, text of 1 to ${NAME_LENGTH_MAX} characters`);
  return text;
}

function refused(where: string, expected: string): SetRefused {
  return new SetRefused("invalid_request", `${where}: expected ${expected}`);
}

/**
 * Returns the targets of a subject: of its narrowest member that is known here, every target that its names stand for. A member that isn't
 * known here gives way to the other members.
 */
export function targetsOf(subject: Subject, { rules, only, critical }: EventSubjectMapping, here: Here): KnownSubject[] | Unmapped {
  let found: KnownSubject[] = [];
  for (const [member, names] of subject) {
    const allowed = member === null ? undefined : only[member];
    if (allowed !== undefined && !names.some(({ id }) => allowed.includes(id))) return "subject_elsewhere";
    const fitting = rules.filter((rule) => isOf(rule, member));
    const understood = allowed !== undefined || fitting.length > 0;
    if (member !== null && critical.includes(member) && !understood) return "subject_member_critical";
    const targets = fitting.flatMap((rule) => targetsBy(rule, names, here));
    found = narrower(
      found,
      targets.filter((target) => here.knows(target)),
    );
  }
  return found.length === 0 ? "subject_unknown" : found;
}

function isOf({ member }: SubjectRule, of: SubjectMember | null): boolean {
  return of === null ? member === undefined : of === (member ?? "user");
}

function targetsBy({ format, issuer, is, names: ours }: SubjectRule, names: readonly SubjectName[], here: Here): KnownSubject[] {
  return names
    .filter((name) => name.format === format && (name.issuer === null || name.issuer === issuer))
    .flatMap(({ id: theirs }): KnownSubject[] => {
      const id = ours === undefined ? theirs : Object.hasOwn(ours, theirs) ? ours[theirs] : undefined;
      if (id === undefined || !isCanonicalId(id)) return [];
      if (is !== "credential") return [{ kind: is, id }];
      const agent = here.agentOf({ issuer: issuer ?? "", subject: id });
      return agent === undefined ? [] : [{ kind: "agent", id: agent }];
    });
}

function narrower(a: KnownSubject[], b: KnownSubject[]): KnownSubject[] {
  const rank = (targets: KnownSubject[]): number => Math.min(...targets.map(({ kind }) => NARROWEST.indexOf(kind)), NARROWEST.length);
  return rank(b) < rank(a) ? b : a;
}

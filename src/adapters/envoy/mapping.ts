/**
 * `envoy.yaml`: who acts, for what, in the requests that a proxy asks about, and what each of them is in the words of a vocabulary.
 * Entries are those of the MCP guard's `guard.yaml`. What isn't in it is refused.
 */
import { Type, type Static, type TProperties } from "../../contract/type.js";
import { matchesTemplate, pathTemplate, templatesOverlap, type PathTarget, type PathTemplate } from "../../contract/paths.js";
import { ID_LENGTH_MAX, NAME_PATTERN } from "../../contract/index.js";
import { MappingError, readMapped, type Mapped, type ArgumentOrigin } from "../../mapping/call_mapping.js";
import { readBytes } from "../../system/read_file.js";
import { schemas } from "../../system/schemas.js";
import { readYamlAs } from "../../system/yaml.js";

const ROUTES_MAX = 2000;
const HEADER_PATTERN = "^[a-z0-9!#$%&'*+.^_`|~-]{1,128}$";

const section = <P extends TProperties>(properties: P, description: string) =>
  Type.Object(properties, { additionalProperties: false, description });
const header = (description: string) => Type.String({ pattern: HEADER_PATTERN, description });
const text = (description: string) => Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX, description });

const is = Type.Optional(text("Always the same"));
const context = Type.Optional(text("A key of the route's `context_extensions`"));
const trusted_header = Type.Optional(
  header("A header that the proxy sets itself and takes from no client, lower case. Whoever can send it is believed"),
);
const Said = (description: string) => section({ is, context, trusted_header }, description);

const EnvoyMappingSchema = section(
  {
    agent: section(
      {
        bearer: Type.Optional(
          Type.Literal(true, { description: "Whose token the request's `Authorization` has: verified here, as an agent's" }),
        ),
        principal: Type.Optional(
          section(
            { issuer: text("The issuer of the agents' credentials whose subjects these are") },
            "Who the client's certificate names, as Envoy's `source.principal`: a SPIFFE id, or another name",
          ),
        ),
        claims: Type.Optional(
          section(
            {
              payload: text("Under which key (`payload_in_metadata`)"),
              namespace: Type.String({
                default: "envoy.filters.http.jwt_authn",
                minLength: 1,
                maxLength: 256,
                description: "Of the metadata",
              }),
            },
            "Who the claims name that the proxy's JWT filter has verified; it is believed",
          ),
        ),
        is,
        context,
        trusted_header,
      },
      "Who acts: one of these",
    ),
    purpose: Said("What for: one of these"),
    task: Type.Optional(
      section(
        {
          token_header: Type.Optional(header("A header with a task token")),
          context,
          trusted_header,
        },
        "On which task: one of these",
      ),
    ),
    session: Type.Optional(Said("In which session: one of these")),
    source: Type.Optional(Said("From where: one of these")),
    upstream_meets: Type.Array(Type.Enum(["redact", "modify", "confirm", "notify"]), {
      default: [],
      maxItems: 4,
      uniqueItems: true,
      description:
        "Obligations that what stands behind the proxy meets: it is given them as `x-remit-obligations`. An allow with any other is a deny, since a proxy meets none",
    }),
    routes: Type.Array(Type.Record(Type.String(), Type.Unknown()), {
      minItems: 1,
      maxItems: ROUTES_MAX,
      description:
        "What requests are: `on` a method and path, perhaps of a `host`, perhaps `when` the body says something; then an entry as of `guard.yaml`",
    }),
  },
  "envoy.yaml",
);

/** Members of a route that its entry doesn't have. */
const RouteSchema = section(
  {
    on: Type.String({ minLength: 1, maxLength: 2048, description: "`GET /tickets/:ticket`; `GET` is `HEAD` too" }),
    host: Type.Optional(Type.String({ pattern: "^[a-z0-9._-]{1,255}$", description: "Lower case, without port. Left out: any" })),
    when: Type.Optional(
      Type.Record(Type.String({ pattern: "^body\\.." }), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), {
        additionalProperties: false,
        minProperties: 1,
        maxProperties: 8,
        description: "What stands in the body, such as `body.method: tools/call`",
      }),
    ),
  },
  "A route",
);
type RouteHead = Static<typeof RouteSchema>;

type Read = Static<typeof EnvoyMappingSchema>;
export type MappedPlaces = Static<ReturnType<typeof Said>>;

export interface EnvoyCondition {
  path: readonly string[];
  is: string | number | boolean;
}

export interface EnvoyRoute {
  template: PathTemplate;
  host: string | null;
  when: readonly EnvoyCondition[];
  mapped: Mapped;
  /** `read`: something of it stands there. `ignored`: it has been looked at that nothing does. `none`: there must be none. */
  body: "read" | "ignored" | "none";
  /** Headers that it takes something from, as their clients sent them, and those that are trusted. */
  headers: readonly string[];
  trusted_headers: readonly string[];
  context: readonly string[];
}

export interface EnvoyMapping extends Omit<Read, "routes" | "upstream_meets"> {
  upstream_meets: ReadonlySet<string>;
  /** Returns the routes that a target may match, before a body is looked at. */
  at: (host: string, target: PathTarget) => readonly EnvoyRoute[];
}

const validate = schemas({ useDefaults: true }).compile<Read>(EnvoyMappingSchema);
const validHead = schemas().compile<RouteHead>(RouteSchema);

/** @throws YamlError naming the place */
export function readEnvoyMapping(file: string): EnvoyMapping {
  return parseEnvoyMapping(readBytes(file), file);
}

/**
 * @param file the name that errors give
 * @throws YamlError naming the place
 */
export function parseEnvoyMapping(source: string | Uint8Array, file: string): EnvoyMapping {
  const { value, errorAt } = readYamlAs<Read>(source, file, validate);
  const ones = [["agent"], ["purpose"], ["task"], ["session"], ["source"]] as const;
  for (const [name] of ones) {
    const said = value[name];
    if (said === undefined || Object.keys(said).length === 1) continue;
    const known = Object.keys(EnvoyMappingSchema.properties[name].properties).map((key) => `\`${key}\``);
    throw errorAt([name], `give one of ${known.join(", ")}`);
  }
  const purpose = value.purpose.is;
  if (purpose !== undefined && !new RegExp(NAME_PATTERN).test(purpose))
    throw errorAt(["purpose", "is"], "must be a name of the vocabulary");
  const routes = value.routes.map((route, i): EnvoyRoute => {
    const { on, host, when, ...entry } = route;
    const head = { on, ...(host !== undefined && { host }), ...(when !== undefined && { when }) };
    if (!validHead(head)) {
      const [error] = validHead.errors ?? [];
      const missing = error?.keyword === "required" ? ["on"] : [];
      const at = [...(error?.instancePath.split("/").slice(1) ?? []), ...missing];
      throw errorAt(["routes", i, ...at], missing.length > 0 ? "missing" : (error?.message ?? "it is not acceptable"));
    }
    try {
      return routeOf(head, entry);
    } catch (cause) {
      if (cause instanceof MappingError) throw errorAt(["routes", i, ...cause.path], cause.message);
      if (cause instanceof TypeError) throw errorAt(["routes", i, "on"], cause.message);
      throw cause;
    }
  });
  for (const [i, route] of routes.entries()) {
    const other = routes.slice(0, i).findIndex((earlier) => overlap(earlier, route));
    if (other >= 0) throw errorAt(["routes", i], `a request may match \`${routes[other]?.template.on ?? ""}\` (routes.${other}) too`);
  }
  const { upstream_meets } = value;
  return { ...value, upstream_meets: new Set(upstream_meets), at: finder(routes) };
}

/** Methods whose requests have no body that means anything (RFC 9110, section 9.3). */
const BODILESS = new Set(["GET", "OPTIONS", "TRACE"]);
const PLACES = ["path", "query", "body", "header", "trusted_header", "context"];

/** @throws MappingError; TypeError of its path */
function routeOf({ on, host, when = {} }: RouteHead, entry: Readonly<Record<string, unknown>>): EnvoyRoute {
  const template = pathTemplate(on);
  const conditions = Object.entries(when).map(([path, value]) => ({ path: path.split(".").slice(1), is: value }));
  if (conditions.some(({ path }) => path.includes(""))) throw new MappingError(["when"], "must name a member of the body");
  const ignored: unknown = entry["ignore"];
  if (ignored !== undefined && !Array.isArray(ignored)) throw new MappingError(["ignore"], "must be a list of arguments");
  // What a route is chosen by has been seen.
  const ignore = [...((ignored ?? []) as unknown[]), ...conditions.map(({ path }) => ["body", ...path])];
  const mapped = readMapped({ ...entry, ignore });
  const places = new Map<string, ReadonlySet<string> | "whole">();
  for (const [place, members] of mapped.known) {
    if (!PLACES.includes(place)) throw new MappingError([], `\`${place}\` is no part of a request: begin with one of ${PLACES.join(", ")}`);
    places.set(place, members === "whole" ? members : new Set(members.keys()));
  }
  const namesIn = (place: string): readonly string[] => {
    const names = places.get(place) ?? new Set<string>();
    if (names === "whole") throw new MappingError([], `\`${place}\` is named as a whole; name what is meant in it`);
    return [...names];
  };
  for (const name of namesIn("path")) if (!template.params.has(name)) throw new MappingError([], `\`on\` has no parameter \`:${name}\``);
  const seen = namesIn("path");
  for (const name of template.params)
    if (!seen.includes(name))
      throw new MappingError([], `nothing says what \`:${name}\` is; name it, or put \`path.${name}\` under \`ignore\``);
  const headers = [...namesIn("header"), ...namesIn("trusted_header")];
  for (const name of headers)
    if (!new RegExp(HEADER_PATTERN).test(name)) throw new MappingError([], `\`${name}\` is no header's name, in lower case`);
  for (const [path, one] of sourcesOf(mapped)) {
    if (path[0] !== "arguments" && isFrom("header", one))
      throw new MappingError(path, "a client's own header says nothing of a resource; `trusted_header` is for what the proxy sets");
  }
  const isRead = conditions.length > 0 || sourcesOf(mapped).some(([, one]) => isFrom("body", one));
  const body = isRead ? "read" : places.has("body") ? "ignored" : "none";
  // That one is there can't always be seen.
  if (body === "none" && !BODILESS.has(template.method))
    throw new MappingError(
      [],
      `nothing says what is in the body of a ${template.method}; name what is meant in it, or put \`body\` under \`ignore\``,
    );
  return {
    template,
    host: host ?? null,
    when: conditions,
    mapped,
    body,
    headers: namesIn("header"),
    trusted_headers: namesIn("trusted_header"),
    context: namesIn("context"),
  };
}

function isFrom(place: string, source: ArgumentOrigin): boolean {
  return "from" in source && source.from[0] === place;
}

/** With where they stand in the entry. */
function sourcesOf({ id, attributes, arguments: given, related }: Mapped): [path: string[], source: ArgumentOrigin][] {
  const named = (of: Readonly<Record<string, ArgumentOrigin>>, at: string[]): [string[], ArgumentOrigin][] =>
    Object.entries(of).map(([name, one]) => [[...at, name], one]);
  const thing = (one: Pick<Mapped, "id" | "attributes">, at: string[]): [string[], ArgumentOrigin][] => [
    ...(one.id ?? []).map((source): [string[], ArgumentOrigin] => [[...at, "id"], source]),
    ...named(one.attributes, [...at, "attributes"]),
  ];
  return [
    ...thing({ id, attributes }, []),
    ...named(given, ["arguments"]),
    ...Object.entries(related).flatMap(([role, one]) => thing(one, ["related", role])),
  ];
}

function overlap(a: EnvoyRoute, b: EnvoyRoute): boolean {
  if (a.host !== null && b.host !== null && a.host !== b.host) return false;
  if (!templatesOverlap(a.template, b.template)) return false;
  return !a.when.some(({ path, is: value }) => b.when.some((other) => other.path.join(".") === path.join(".") && other.is !== value));
}

function finder(routes: readonly EnvoyRoute[]): EnvoyMapping["at"] {
  const byShape = new Map<string, EnvoyRoute[]>();
  for (const route of routes) {
    const shape = `${route.template.method} ${route.template.segments.length}`;
    const there = byShape.get(shape);
    if (there === undefined) byShape.set(shape, [route]);
    else there.push(route);
  }
  return (host, target) => {
    const rows = byShape.get(`${target.method} ${target.parts.length}`) ?? [];
    return rows.filter((one) => (one.host === null || one.host === host) && matchesTemplate(one.template, target));
  };
}

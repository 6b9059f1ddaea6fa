/** `GET /bundles` and `POST /bundles`. */
import { policyIdentity } from "./decision.js";
import { Type, about, type Static } from "./type.js";

const closed = { additionalProperties: false };
const Identity = Type.Object(policyIdentity, { ...closed, title: "BundleIdentity", description: "One built and signed bundle" });
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);

export const BundlesAnswer = Type.Object(
  {
    name: Type.String({ description: "Name of the bundle that the service is configured for" }),
    wanted: orNull(
      Type.Object(
        {
          bytes: Type.Integer({ description: "Size of the file in bytes" }),
          modified: Type.String({ description: "When the file was last changed, RFC 3339" }),
          identity: orNull(about(Identity, "What the file says it is; null if it can't be read as a bundle")),
        },
        { ...closed, title: "WantedBundle", description: "Bundle file at the watched path; null if there is none" },
      ),
    ),
    running: orNull(about(Identity, "Bundle that decides now; null if none does, so that every decision is refused")),
    refused: orNull(
      Type.Object(
        {
          code: Type.String({ description: "Why it was refused: a code of the table in the reference" }),
          message: Type.String({ description: "The same in words" }),
          at: Type.String({ description: "When it was refused, RFC 3339" }),
        },
        { ...closed, title: "RefusedBundle", description: "Why the wanted bundle does not run; null if nothing was refused" },
      ),
    ),
  },
  { ...closed, title: "Bundles", description: "Bundle that is wanted, and the one that runs" },
);
export type BundlesAnswer = Static<typeof BundlesAnswer>;

export const PublishAnswer = Type.Object(
  { running: about(Identity, "Bundle that decides from now on") },
  { ...closed, title: "PublishAnswer", description: "What a published bundle came to" },
);
export type PublishAnswer = Static<typeof PublishAnswer>;

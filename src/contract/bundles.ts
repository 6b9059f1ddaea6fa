/** `GET /bundles` and `POST /bundles`. */
import { policyIdentity } from "./decision.js";
import { FleetBundlesAnswer, InForceWhere, OnFleet } from "./cluster.js";
import { Type, about, type Static } from "./type.js";

const closed = { additionalProperties: false };
const Identity = Type.Object(policyIdentity, { ...closed, title: "BundleIdentity", description: "One built and signed bundle" });
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);

const counted = (description: string) => Type.Integer({ minimum: 0, description });
const verdict = (description: string) => Type.Enum(["allow", "deny", "flag"], { description });

export const StagedBundle = Type.Object(
  {
    identity: Identity,
    share: Type.Integer({ minimum: 0, maximum: 99, description: "Percentage of the agents that it decides for; 0 in shadow" }),
    since: Type.String({ description: "When the stage began, RFC 3339" }),
    compared: counted("Decisions that both bundles were asked about"),
    flips: counted("Those that differ in the decision, or in whether the action proceeds"),
    other_reasons: counted("Those with the same decision and other reasons"),
    errors: counted("Evaluations of the staged bundle that failed"),
    skipped: counted("Decisions that weren't compared, since too many were waiting"),
    differences: Type.Array(
      Type.Object(
        {
          from: verdict("Decision of the active bundle"),
          to: verdict("Decision of the staged bundle"),
          reason: Type.String({ description: "First reason of the staged bundle" }),
          agent: Type.String({ description: "Agent that acted" }),
          count: counted("How often"),
        },
        { ...closed, title: "StageDifference", description: "One kind of difference, of one agent" },
      ),
      { description: "The 100 most frequent" },
    ),
    missing: Type.Optional(
      Type.Array(Type.String(), {
        description:
          "Nodes of the cluster whose counts aren't in it: they don't answer, or don't try it. Left out: the counts are of one service alone",
      }),
    ),
  },
  { ...closed, title: "StagedBundle", description: "Bundle that is tried beside the active one; null if none is" },
);
export type StagedBundle = Static<typeof StagedBundle>;

export const KeptBack = Type.Object(
  {
    identity: Identity,
    of: about(Identity, "Earlier bundle that has the same policy"),
    expires: orNull(Type.String({ description: "When it can't be used any more, RFC 3339; null: never" })),
  },
  { ...closed, title: "KeptBack", description: "Bundle that is kept for going back at once; null if none is" },
);
export type KeptBack = Static<typeof KeptBack>;

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
    staged: orNull(StagedBundle),
    back: orNull(KeptBack),
    source: orNull(
      Type.Object(
        {
          kind: Type.String({ description: "`http`, `s3` or `oci`" }),
          url: Type.String({ description: "The bundle there" }),
          silent_ms: orNull(Type.Number({ minimum: 0, description: "Milliseconds since it last answered; null: it never has" })),
          failing: orNull(Type.String({ description: "Why it can't be asked; null if it can" })),
        },
        { ...closed, title: "BundleSource", description: "Where bundles are fetched from; null: nowhere" },
      ),
    ),
    fleet: Type.Optional(about(FleetBundlesAnswer, "What all nodes run. Left out: the service decides alone")),
  },
  { ...closed, title: "Bundles", description: "Bundle that is wanted, and the one that runs" },
);
export type BundlesAnswer = Static<typeof BundlesAnswer>;

export const PublishAnswer = Type.Object(
  {
    running: about(Identity, "Bundle that decides from now on"),
    staged: orNull(about(Identity, "Bundle that is staged beside it from now on; null if the published one decides")),
    back: orNull(about(Identity, "Bundle that is kept as the way back from now on; null if it was published or staged")),
    in_force: Type.Optional(
      about(InForceWhere, "Where it decides. Left out: it was staged or kept, or the feed of a cluster doesn't activate it"),
    ),
    fleet: Type.Optional(about(OnFleet, "How its activation stands on the nodes of the cluster. Left out as `in_force`")),
  },
  { ...closed, title: "PublishAnswer", description: "What a published bundle came to" },
);
export type PublishAnswer = Static<typeof PublishAnswer>;

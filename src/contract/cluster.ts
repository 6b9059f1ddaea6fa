/** A service as a node of a cluster. */

import { Type, about, type Static, type TSchema } from "./type.js";

const closed = { additionalProperties: false };
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

const NodeNames = (description: string) => Type.Array(Type.String(), { description });
/** Nodes of a cluster, as a change stands on them. */
export const OnFleet = Type.Object(
  {
    acknowledged: Type.Array(
      Type.Object(
        {
          node: Type.String({ description: "Its name" }),
          ms: Type.Integer({ description: "Milliseconds after the commit" }),
        },
        { ...closed, description: "A node on which no answer is left that didn't know" },
      ),
      { description: "Nodes that know it, and on which no answer is left that didn't" },
    ),
    expired: NodeNames("Nodes that are silent and whose lease has ended: they allow nothing"),
    waiting_for: NodeNames("Nodes that may still allow; empty if `in_force` is `fleet`"),
    took_ms: orNull(Type.Integer({ description: "Milliseconds until it was in force on all of them; null while it isn't" })),
  },
  { ...closed, title: "OnFleet", description: "How it holds on the nodes of the cluster; only of a service with `cluster`" },
);
export type OnFleet = Static<typeof OnFleet>;

/** Reach of a restriction: this service, or every node. */
export const InForceWhere = Type.Union([Type.Literal("node"), Type.Literal("fleet")], {
  description: "Where it holds already: on this service, or on every node of its cluster. Left out of a change that only widens",
});

const ClusterNodeSeen = Type.Object(
  {
    node: Type.String({ description: "Its name" }),
    incarnation: Type.String({ description: "Names its start" }),
    applied: Type.Integer({ description: "Facts revision up to which it had read the feed" }),
    version: Type.String({ description: "Its version of Remit" }),
    bundle: orNull(Type.String({ description: "Digest of the bundle by which it decides; null without one" })),
    bundle_since: orNull(Type.String({ description: "When that bundle began to decide there, RFC 3339; null: not known" })),
    staged: orNull(
      Type.Object(
        {
          digest: Type.String({ description: "Its digest" }),
          share: Type.Integer({ minimum: 0, maximum: 99, description: "Percentage of the agents that it decides for; 0 in shadow" }),
        },
        { ...closed, title: "StagedOnNode", description: "Bundle that it tries beside that one; null: none, or not known" },
      ),
    ),
    seen_ms_ago: Type.Integer({ description: "Milliseconds since its last tick was read here" }),
  },
  { ...closed, title: "ClusterNodeSeen", description: "A node as its last tick has it" },
);

const ClusterFeed = Type.Object(
  {
    feed: Type.Union([Type.Literal("facts"), Type.Literal("restrictions")], {
      description: "`facts`: all changes; `restrictions`: copies of what restricts, by which a lease is renewed too",
    }),
    leader: orNull(Type.String({ description: "NATS server that led its stream when this node last looked; null: not known" })),
    silent_ms: orNull(Type.Integer({ description: "Milliseconds since it has brought a tick of this node; null before the first" })),
  },
  { ...closed, title: "ClusterFeed", description: "A feed as this node reads it" },
);
const activation = {
  id: Type.String({ description: "Name of the bundle" }),
  digest: Type.String({ description: "Its digest" }),
  sequence: Type.Integer({ minimum: 0, description: "Its sequence" }),
  revision: Type.String({ description: "Its revision" }),
  since: Type.String({ description: "When it was named, RFC 3339" }),
  by: Type.String({ description: "Caller who has named it" }),
  reason: orNull(Type.String({ description: "Why; null if nobody said" })),
};
const staging = {
  digest: Type.String({ description: "Its digest" }),
  sequence: Type.Integer({ minimum: 0, description: "Its sequence" }),
  revision: Type.String({ description: "Its revision" }),
  share: Type.Integer({ minimum: 0, maximum: 99, description: "Percentage of the agents that it decides for; 0 in shadow" }),
  since: Type.String({ description: "When it was staged, RFC 3339" }),
  by: Type.String({ description: "Caller who has staged it" }),
  reason: orNull(Type.String({ description: "Why; null if nobody said" })),
};

/** Bundle that the feed of a cluster has all nodes try beside the active one. */
export interface StagedActivation {
  digest: string;
  sequence: number;
  revision: string;
  share: number;
  since: string;
  by: string;
  reason: string | null;
}

/** Fact: the bundle that the feed of a cluster names as the active one. */
export interface BundleActivation {
  id: string;
  digest: string;
  sequence: number;
  revision: string;
  since: string;
  by: string;
  reason: string | null;
  /** Left out: none is tried beside it. */
  staged?: StagedActivation;
}

const Failing = orNull(
  Type.Object(
    {
      code: Type.String({ description: "Code of the refusal, or `bundle_unreachable`" }),
      message: Type.String({ description: "The same in words" }),
    },
    { ...closed, title: "NamedBundleFailing", description: "Why the node that is asked can't have it; null if nothing is wrong" },
  ),
);

const StagedOnFleet = Type.Object(
  {
    ...staging,
    waiting_for: NodeNames("Live nodes that don't try it, by their last ticks"),
    failing: Failing,
  },
  { ...closed, title: "StagedOnFleet", description: "Bundle that all nodes try beside the named one" },
);
export type StagedOnFleet = Static<typeof StagedOnFleet>;

const NamedBundle = Type.Object(
  {
    ...activation,
    facts_revision: Type.Integer({ description: "Facts revision of the change that names it" }),
    waiting_for: NodeNames("Live nodes that decide by another bundle, by their last ticks"),
    behind_ms: orNull(
      Type.Integer({ description: "Milliseconds for which the node that is asked has been without it; null: it decides by it" }),
    ),
    failing: Failing,
    staged: orNull(StagedOnFleet),
  },
  { ...closed, title: "NamedBundle", description: "Bundle that the feed names as the active one" },
);
export type NamedBundle = Static<typeof NamedBundle>;

/** Bundles that the nodes of a cluster run. */
export const FleetBundlesAnswer = Type.Object(
  {
    same: Type.Boolean({ description: "Whether all nodes that are live run the same bundle" }),
    differ_ms: orNull(
      Type.Integer({ description: "Milliseconds for which the node that is asked has seen them differ; null: all run the same" }),
    ),
    running: Type.Array(
      Type.Object(
        {
          digest: orNull(Type.String({ description: "Digest of the bundle; null: none runs there, and every decision is refused" })),
          nodes: NodeNames("Nodes that run it"),
          since: orNull(Type.String({ description: "When the first of them began, RFC 3339; null: not known" })),
        },
        { ...closed, title: "BundleOnNodes", description: "One bundle, and the nodes that run it" },
      ),
      { description: "Bundles that are running, that of the most nodes first" },
    ),
    named: Type.Optional(
      about(
        orNull(NamedBundle),
        "What the feed names as the active bundle; null: nothing yet. Left out: each node activates by itself (`cluster.bundles: node`)",
      ),
    ),
  },
  { ...closed, title: "FleetBundles", description: "Which bundles the nodes of a cluster run" },
);
export type FleetBundlesAnswer = Static<typeof FleetBundlesAnswer>;

const FollowedLessonsSeen = Type.Object(
  {
    behind_ms: Type.Integer({ description: "Milliseconds since all was learned that the others had decided; of the one read longest ago" }),
    late: Type.Integer({ description: "Actions that came too late to be learned, since this start" }),
    nodes: Type.Array(
      Type.Object(
        {
          node: Type.String({ description: "Its name" }),
          behind_ms: Type.Integer({ description: "Milliseconds since all that it had decided was learned here" }),
        },
        { ...closed, title: "FollowedNodeSeen", description: "A live node, as far as its decisions are learned here" },
      ),
      { description: "Other nodes that are live, by name" },
    ),
  },
  { ...closed, title: "FollowedLessons", description: "How far this node has learned what the others decided" },
);

export const ClusterAnswer = Type.Object(
  {
    name: Type.String({ description: "Name of the cluster" }),
    node: Type.String({ description: "Name of this node" }),
    incarnation: Type.String({ description: "Names this start of it" }),
    lease_ms: Type.Integer({ description: "Milliseconds that a lease lasts" }),
    nodes_max: Type.Integer({ description: "Nodes that may be live at once" }),
    lease_left_ms: Type.Integer({ description: "Milliseconds for which this node may allow; 0: it denies everything, `facts_stale`" }),
    ended: orNull(
      Type.String({
        description:
          "Why this node allows nothing until it is started again: `feed_forked`, `feed_other`, `feed_unreadable`, `node_name_taken`, `node_dismissed`, `cluster_too_large`, `left`; null: nothing of that",
      }),
    ),
    facts_revision: Type.Integer({ description: "Facts revision of this node" }),
    chain: Type.String({ description: "Digest over all changes up to there, in hex: equal on all nodes" }),
    feeds: Type.Array(ClusterFeed, { description: "The two feeds; the servers that lead them are kept apart" }),
    nodes: Type.Array(ClusterNodeSeen, { description: "Nodes of which a tick was read within the time of a lease, by name" }),
    silent: Type.Array(ClusterNodeSeen, {
      description:
        "Nodes whose lease is over and that haven't left: what they have is missing in searches until they are back or dismissed",
    }),
    bundles: FleetBundlesAnswer,
    lessons: about(
      orNull(FollowedLessonsSeen),
      "How far this node has learned what the others decided; null: it learns nothing (`behavior.enabled: false`)",
    ),
  },
  { ...closed, title: "Cluster", description: "The cluster as this node sees it" },
);
export type ClusterAnswer = Static<typeof ClusterAnswer>;

export const DismissNode = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 512, description: "Why, in words; kept on record" }) },
  { ...closed, title: "DismissNode", description: "Statement that a node won't come back" },
);
export type DismissNode = Static<typeof DismissNode>;

/** A service as a node of a cluster. */

import { Type, type Static, type TSchema } from "./type.js";

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
    seen_ms_ago: Type.Integer({ description: "Milliseconds since its last tick was read here" }),
  },
  { ...closed, title: "ClusterNodeSeen", description: "A node as its last tick has it" },
);

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
  },
  { ...closed, title: "FleetBundles", description: "Which bundles the nodes of a cluster run" },
);
export type FleetBundlesAnswer = Static<typeof FleetBundlesAnswer>;
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
  },
  { ...closed, title: "Cluster", description: "The cluster as this node sees it" },
);
export type ClusterAnswer = Static<typeof ClusterAnswer>;

export const DismissNode = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 512, description: "Why, in words; kept on record" }) },
  { ...closed, title: "DismissNode", description: "Statement that a node won't come back" },
);
export type DismissNode = Static<typeof DismissNode>;

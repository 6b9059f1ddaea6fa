/** Scopes that a caller's token may have in its `scope` claim (RFC 8693, section 4.2): space-separated. */
export const SCOPES = {
  "remit:decide": "ask for decisions",
  "remit:observe": "report what agents did without asking",
  "remit:embed": "decide inside an application: follow all facts with what they hold, and hand in the records of that",
  "remit:register": "register agents, give them tasks and grants, and read these",
  "remit:revoke": "revoke and suspend one agent, task, token, purpose, owner, principal or grant, undo that, and read facts",
  "remit:revoke_all": "revoke everything, and undo that",
  "remit:review": "review findings, approve and close them",
  "remit:publish": "publish bundles",
  "remit:bundle": "take the running bundle, to decide by it elsewhere",
  "remit:audit": "read records and metrics of decisions, all facts and every change of them",
  "ssf.read": "read the stream of security events that it has, and poll it (SSF 1.0)",
  "ssf.manage": "have a stream of security events, and configure it (SSF 1.0)",
  "remit:admin": "import and export facts, and change how the service runs",
} as const;

export type Scope = keyof typeof SCOPES;

/** The request as the policy sees it and as its record has it: canonical JSON (RFC 8785), written out since it is made for each decision. */
import { quoted, quotedOrNull, type PolicyInput } from "../contract/index.js";

/** Its members are in key order already. */
export function requestText(request: PolicyInput["request"]): string {
  const { context, resource } = request;
  return (
    `{"agent":${quoted(request.agent)},"arguments":${membersText(request.arguments)},` +
    `"context":{"session":${quotedOrNull(context.session)},"source":${quotedOrNull(context.source)},"trace":${quotedOrNull(context.trace)}},` +
    `"purpose":${quoted(request.purpose)},"related":${membersText(request.related)},` +
    `"resource":{"attributes":${membersText(resource.attributes)},"id":${quotedOrNull(resource.id)},"type":${quoted(resource.type)}},` +
    `"task":${quotedOrNull(request.task)},"verb":${quoted(request.verb)}}`
  );
}

function membersText(members: object): string {
  return Object.keys(members).length === 0 ? "{}" : JSON.stringify(members);
}

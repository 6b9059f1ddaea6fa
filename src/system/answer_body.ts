import type { IncomingMessage } from "node:http";

/** Returns an answer's whole body. @throws Error for one that is too large, compressed or cut short */
export async function answerBody(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const { headers } = response;
  if (headers["content-encoding"] !== undefined) throw new Error("a compressed answer");
  const tooMany = new Error(`an answer of more than ${bytesMax} bytes`);
  if (Number(headers["content-length"] ?? 0) > bytesMax) throw tooMany;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooMany;
    chunks.push(chunk);
  }
  if (!response.complete) throw new Error("an answer that ends too early");
  return Buffer.concat(chunks);
}

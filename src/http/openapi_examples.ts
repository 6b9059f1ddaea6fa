export interface Example { request?: unknown; answer?: unknown }
export const EXAMPLES: Record<string, Example> = {};
export const PATH_PARAMETERS: Record<string, { description: string; example: string }> = {};

import type { MappingInfo } from "../adapter.ts";

/** What the translation of one request to chat carries along. */
export interface RequestMapping {
  /** Fields that were left out, as they are reported. */
  readonly dropped: Set<string>;
  /** Whether the backend takes a member that OpenAI's own API does not know. */
  takes(member: string): boolean;
}

/** Nothing is left out yet. Without `extensions` every member is taken: the adapter sorts them out. */
export function createRequestMapping({ extensions }: Pick<MappingInfo, "extensions">): RequestMapping {
  return { dropped: new Set(), takes: (member) => extensions?.includes(member) ?? true };
}

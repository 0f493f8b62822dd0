import { finishOf, isJsonObject } from "gatewright";
import type { JsonObject, MappingInfo, OperationMapping, StreamMapping } from "gatewright";
import type { ReplyReading } from "./hub-reply.ts";

/** A page that an answer rests on. */
export interface Source {
  readonly url: string;
  readonly title: string;
}

/** How a server names sources beside its answer, and refers to them within its text. */
export interface SourceRules {
  /** Members beside `choices`, with all that they say in the sources. */
  readonly members: readonly string[];
  /** The sources by the names that marks have; none where the server says nothing of them. */
  read(json: JsonObject): ReadonlyMap<string, Source>;
  /** A mark in the text, its first group a name. Global. */
  readonly mark: RegExp;
}

interface SourceState {
  text: string;
  sources: ReadonlyMap<string, Source>;
  ended: boolean;
}

type Info = Pick<MappingInfo<unknown>, "report">;

const NONE: ReadonlyMap<string, Source> = new Map();

/**
 * Sources as the hub has them: a citation at each mark of the text. One that no mark names has no place in it, and is
 * reported. In a stream citations come with the finish, when all of the text and the sources are there.
 */
export function createSourceReading(
  rules: SourceRules,
  inner: ReplyReading,
): Required<Pick<OperationMapping<unknown>, "fromResponse" | "stream">> {
  const { members, read } = rules;
  const stream: StreamMapping<unknown, SourceState> = {
    format: "sse",
    start: () => ({ text: "", sources: NONE, ended: false }),
    event(state, chunk, info) {
      const sources = read(chunk);
      if (sources.size > 0) state.sources = sources;
      const events = inner.stream.event(undefined, sources.size > 0 ? without(chunk, members) : chunk, info);
      const choice = firstChoice(events[0]);
      const delta: JsonObject = isJsonObject(choice?.["delta"]) ? choice["delta"] : {};
      if (typeof delta["content"] === "string") state.text += delta["content"];
      if (state.ended || !choice || finishOf(choice) === undefined) return events;
      state.ended = true;
      const annotations = citationsOf([state.text], state.sources, rules, info)[0]!;
      if (annotations.length === 0) return events;
      const choices = [{ ...choice, delta: withAnnotations(delta, annotations) }];
      return [{ ...events[0], choices }, ...events.slice(1)];
    },
  };
  return {
    fromResponse(reply, info) {
      const sources = read(reply);
      if (sources.size === 0) return inner.fromResponse(reply, info);
      const json = inner.fromResponse(without(reply, members), info);
      const choices = Array.isArray(json["choices"]) ? json["choices"].filter(isJsonObject) : [];
      const messages = choices.map(({ message }) => (isJsonObject(message) ? message : {}));
      const texts = messages.map(({ content }) => (typeof content === "string" ? content : ""));
      const citations = citationsOf(texts, sources, rules, info);
      return {
        ...json,
        choices: choices.map((choice, at) => ({
          ...choice,
          message: withAnnotations(messages[at]!, citations[at]!),
        })),
      };
    },
    stream,
  };
}

/** The citations of each text. */
function citationsOf(
  texts: readonly string[],
  sources: ReadonlyMap<string, Source>,
  { members, mark }: SourceRules,
  { report }: Info,
): JsonObject[][] {
  const cited = new Set<string>();
  const citations = texts.map((text) =>
    [...text.matchAll(mark)].flatMap(({ 0: { length }, 1: name = "", index }) => {
      const source = sources.get(name);
      if (!source) return [];
      cited.add(name);
      return {
        type: "url_citation",
        url_citation: { start_index: index, end_index: index + length, url: source.url, title: source.title },
      };
    }),
  );
  if (cited.size < sources.size) report(members[0]!);
  return citations;
}

function withAnnotations(message: JsonObject, annotations: readonly JsonObject[]): JsonObject {
  const own: unknown[] = Array.isArray(message["annotations"]) ? message["annotations"] : [];
  return annotations.length === 0 ? message : { ...message, annotations: [...own, ...annotations] };
}

function firstChoice(json: JsonObject | undefined): JsonObject | undefined {
  const choices = json?.["choices"];
  const first: unknown = Array.isArray(choices) ? choices[0] : undefined;
  return isJsonObject(first) ? first : undefined;
}

function without(json: JsonObject, members: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(json).filter(([name]) => !members.includes(name)));
}

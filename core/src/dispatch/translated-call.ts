import type { MappedRequest, MappingInfo, OperationBridge, OperationMapping } from "../adapter.ts";
import type { Usage } from "../attempt.ts";
import { viewOf } from "../body/json-view.ts";
import type { JsonObject, Operation } from "../operation.ts";
import type { EventTranslator, RelayOwner } from "../stream/event-relay.ts";
import { checkInputs } from "./check-inputs.ts";

/** The dialects between a client and a backend, the same for each call of one operation to one target. */
export interface Translation {
  readonly operation: Operation;
  readonly mapping: OperationMapping;
  /** Present where another operation stands in for the client's. */
  readonly bridge?: { readonly from: OperationBridge; readonly to: Operation };
}

/** Who is told what only the hub's events say. */
type StreamListener = Pick<RelayOwner, "onUsage" | "toError">;

/**
 * One call in which client and backend speak different dialects. The adapter translates between the backend and an
 * operation of the gateway; where that is not the client's own, its bridge translates on: two steps that know nothing
 * of each other, so that every front door works before every backend.
 */
export class TranslatedCall {
  readonly request: MappedRequest;
  /** What was left out on either way so far. */
  readonly dropped: ReadonlySet<string>;
  readonly #translation: Translation;
  readonly #info: MappingInfo;
  /** As the adapter sees the call: the client's, or that of the operation that stands in. */
  readonly #inner: MappingInfo;

  /** Throws `UnsupportedField`. */
  constructor(translation: Translation, info: MappingInfo, dropped: Set<string>) {
    const { bridge, mapping } = translation;
    this.#translation = translation;
    this.#info = info;
    this.dropped = dropped;
    if (!bridge) {
      this.#inner = info;
      checkInputs(mapping, info.model, info.request["input"]);
      this.request = mapping.toRequest!(info.request, info);
      addAll(dropped, this.request.dropped);
      return;
    }
    // What an adapter maps it also sorts out; a server that is sent the request as it is may refuse what it does not know.
    const extensions = mapping.toRequest ? undefined : (mapping.extensions ?? []);
    const bridged = bridge.from.toRequest(info.request, { ...info, extensions });
    const { body } = bridged;
    checkInputs(mapping, info.model, body["input"]);
    body["model"] = info.model;
    if (info.stream) {
      body["stream"] = true;
      if (mapping.toRequest || mapping.streamUsage) body["stream_options"] = { include_usage: true };
    }
    this.#inner = { ...info, operation: bridge.to.name, request: body };
    const mapped: MappedRequest = mapping.toRequest?.(body, this.#inner) ?? { body };
    this.request = { ...mapped, headers: { ...bridged.headers, ...mapped.headers } };
    addAll(dropped, bridged.dropped);
    addAll(dropped, mapped.dropped);
  }

  /** A whole reply in the client's dialect, and what it used as the backend told it. */
  reply(upstream: JsonObject): { json: JsonObject; usage: Usage | undefined } {
    const { operation, mapping, bridge } = this.#translation;
    const inner = bridge?.to ?? operation;
    let json = mapping.fromResponse?.(upstream, this.#inner) ?? upstream;
    const usage = inner.usage?.(viewOf(json));
    if (inner.normalizeReply) json = inner.normalizeReply(json, this.#inner.request);
    return { json: bridge ? bridge.from.fromResponse(json, this.#info) : json, usage };
  }

  /** Reads the backend's events. Undefined where they are the client's own already. */
  events(owner: StreamListener): EventTranslator | undefined {
    const adapted = this.#adaptedEvents();
    return this.#translation.bridge ? this.#bridgedEvents(adapted, owner) : adapted;
  }

  #adaptedEvents(): EventTranslator | undefined {
    const { stream } = this.#translation.mapping;
    if (!stream) return undefined;
    const info = this.#inner;
    const state = stream.start(info);
    return {
      format: stream.format,
      whole: false,
      countsUsage: false,
      translate: (json, type) => stream.event(state, json, info, type),
      end: () => stream.end?.(state, info) ?? [],
    };
  }

  #bridgedEvents(adapted: EventTranslator | undefined, owner: StreamListener): EventTranslator {
    const { from, to } = this.#translation.bridge!;
    const info = this.#info;
    const rules = to.stream!;
    const stream = from.stream!;
    const state = stream.start(info);
    const answers = to.answers?.(viewOf(this.#inner.request)) ?? 1;
    let finishes = 0;
    const pass = (events: readonly JsonObject[], type?: string): JsonObject[] =>
      events.flatMap((json) => {
        const failure = rules.error?.(json, type);
        if (failure) throw owner.toError(failure);
        finishes += rules.finishes(json, type);
        const usage = rules.usage?.(json, type);
        if (usage) owner.onUsage(usage);
        return stream.event(state, json, info);
      });
    return {
      format: adapted?.format ?? "sse",
      get whole() {
        return finishes >= answers;
      },
      countsUsage: true,
      translate: (json, type) => (adapted ? pass(adapted.translate(json, type)) : pass([json], type)),
      end: () => [...pass(adapted?.end() ?? []), ...(stream.end?.(state, info) ?? [])],
    };
  }
}

function addAll(dropped: Set<string>, fields: readonly string[] = []): void {
  for (const field of fields) dropped.add(field);
}

import { toJsonSchema } from "@valibot/to-json-schema";
import type { JsonObject } from "gatewright";
import * as v from "valibot";
import { invalidParams } from "./faults.ts";
import type { Revision } from "./revisions.ts";

/** A piece of an answer on its way. */
export interface Piece {
  readonly text: string;
  /** Characters of it, those of the model's thoughts included. */
  readonly length: number;
}

/** What a call of a tool has at hand. */
export interface ToolHost {
  /**
   * Sends a request of the tool's caller through the gateway: `POST` where it has a body. Throws the error that it is
   * answered with.
   */
  ask(path: string, body?: JsonObject): Promise<Response>;
  /** Is shown the answer while it comes; absent: nobody looks. */
  readonly watch?: (piece: Piece) => void;
}

/** What came of a call. */
export interface ToolAnswer {
  /** For models to read. */
  readonly content: readonly JsonObject[];
  /** The same for programs, as the tool's schema says. */
  readonly structured: JsonObject;
  /** Names of what the backend said and a result cannot carry. */
  readonly dropped?: readonly string[];
}

export interface Tool {
  readonly name: string;
  /** It can show its answer while it comes. */
  readonly watchable: boolean;
  /** As `tools/list` tells it. */
  describe(revision: Revision): JsonObject;
  /** Throws `mcp_invalid_params` for arguments that are not as `describe` says, and errors of the gateway. */
  call(args: unknown, host: ToolHost): Promise<ToolAnswer>;
}

interface ToolDefinition<Input extends v.GenericSchema, Output extends v.GenericSchema> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: Input;
  readonly output: Output;
  readonly watchable?: boolean;
  run(
    args: v.InferOutput<Input>,
    host: ToolHost,
  ): Promise<Omit<ToolAnswer, "structured"> & { readonly structured: v.InferOutput<Output> & JsonObject }>;
}

/** One schema each for what goes in and what comes out is all: types, checks, and what clients are told. */
export function defineTool<Input extends v.GenericSchema, Output extends v.GenericSchema>(
  definition: ToolDefinition<Input, Output>,
): Tool {
  const { name, title, description, input, output, watchable = false } = definition;
  let schemas: Record<"inputSchema" | "outputSchema", JsonObject> | undefined;
  return {
    name,
    watchable,
    describe({ structured }) {
      schemas ??= { inputSchema: toSchema(input), outputSchema: toSchema(output) };
      const { inputSchema, outputSchema } = schemas;
      // It changes nothing; whom it asks is outside.
      const annotations = { title, readOnlyHint: true, openWorldHint: true };
      if (!structured) return { name, description, inputSchema, annotations };
      return { name, title, description, inputSchema, outputSchema, annotations };
    },
    call(args, host) {
      const read = v.safeParse(input, args);
      if (!read.success) throw invalidParams(`Invalid arguments of \`${name}\`: ${faultOf(read.issues[0])}`);
      return definition.run(read.output, host);
    },
  };
}

function toSchema(schema: v.GenericSchema): JsonObject {
  // Rules that span several members cannot be told: descriptions do.
  const { $schema: _dialect, ...json } = toJsonSchema(schema, { errorMode: "ignore", typeMode: "input" });
  return json;
}

function faultOf(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  return path === null ? issue.message : `\`${path}\`: ${issue.message}`;
}
